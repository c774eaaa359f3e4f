"""Start anywhere: each lesson by itself in an empty home, with nothing but the class's shared cache."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import settings
from helpers.manifest import LessonEntry, load


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an instructor warms once and hands to a class."""
    home = tmp_path_factory.mktemp("instructor")
    warm = [sys.executable, "-m", "helpers", "warm"]
    subprocess.run(warm, cwd=settings.ROOT, env={**os.environ, "COURSE_HOME": str(home)}, check=True)
    return home / "cache"


@pytest.mark.parametrize("entry", load().lessons, ids=lambda entry: entry.id)
def test_a_lesson_needs_no_other(
    entry: LessonEntry, shared_cache: Path, tmp_path: Path, artifacts: Path, record: Callable[..., None]
) -> None:
    environment = {
        **os.environ,
        "COURSE_HOME": str(tmp_path / "home"),
        "COURSE_CACHE": str(shared_cache),
        "COURSE_SMOKE": "0",  # at full size: at the smallest, verdicts differ from the expected ones
    }
    code = (
        "import sys; from pathlib import Path; from helpers import settings; from helpers.course import run; "
        "sys.exit(run.run([sys.argv[1]], settings.ROOT, Path(sys.argv[2])))"
    )
    # Below the course, as every notebook looks for the course in the folders above it.
    command = [sys.executable, "-c", code, entry.id, str(artifacts / entry.id)]
    done = subprocess.run(
        command, cwd=settings.ROOT, env=environment, capture_output=True, text=True, check=False
    )
    (artifacts / f"{entry.id}.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    built = sorted(path.name for path in (tmp_path / "home" / "cache").glob("*") if path.is_dir())
    record(**{f"built in {entry.id}": ", ".join(built) or "nothing"})
