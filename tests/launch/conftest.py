"""Shared by the rehearsals: where their artifacts lie, and the tools that only they need."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers import settings
from tests.browser.conftest import chromium

__all__ = ["chromium"]

_HUB = settings.ROOT / "classroom" / "hub" / "requirements.txt"
#: What a hub needs, as its own file pins it. The others are pinned here: nobody needs all of them at once.
TOOLS = [line for line in _HUB.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
TOOLS += ["nbgrader==0.9.6", "jupyter-repo2docker==2026.4.0"]


@pytest.fixture(scope="module")
def artifacts(request: pytest.FixtureRequest) -> Path:
    """The folder of this rehearsal's screenshots, logs and numbers, below build/; never committed."""
    name = Path(request.module.__file__).stem.split("_", 1)[1]
    folder = settings.ROOT / "build" / "rehearse" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def record(artifacts: Path) -> Callable[..., None]:
    """Keeps numbers in numbers.json of the artifacts, and prints them: ``record(seconds=3.2)``."""
    path = artifacts / "numbers.json"
    numbers: dict[str, Any] = {}

    def keep(**values: Any) -> None:
        numbers.update(values)
        path.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
        print("".join(f"\n{name}: {value}" for name, value in values.items()))

    return keep


@pytest.fixture(scope="session")
def tools() -> Path:
    """The Python of an environment with TOOLS and the course's own packages: build/rehearse/venv.

    An environment of its own, since a hub's packages add extensions to whatever JupyterLab they lie beside.
    """
    folder = settings.ROOT / "build" / "rehearse" / "venv"
    python = folder / "bin" / "python"
    stamp = folder / "tools.txt"
    wanted = "\n".join(TOOLS)
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    packages = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # The course's own packages are borrowed from the environment that runs this, not installed again.
    (Path(packages) / "course.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *TOOLS], check=True)
    stamp.write_text(wanted)
    return python
