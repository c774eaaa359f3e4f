"""A room without a network: fill a stick, then set the course up from it where there is no network at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import settings

#: A network namespace of its own: not even the loopback of this machine's index can be reached.
_ALONE = ["unshare", "--net", "--map-root-user"]
_LESSONS = ["00", "08"]


@pytest.fixture(scope="module")
def stick(tmp_path_factory: pytest.TempPathFactory, record: Callable[..., None]) -> Path:
    """A folder, outside of the course, that the instructor's command has filled."""
    folder = tmp_path_factory.mktemp("a stick")
    started = time.monotonic()
    command = [sys.executable, "-m", "helpers", "fetch", "--all", str(folder)]
    subprocess.run(command, cwd=settings.ROOT, check=True)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9
    record(seconds_to_fill=round(time.monotonic() - started), gigabytes_of_the_stick=round(size, 2))
    return folder


@pytest.fixture(scope="module")
def learner(stick: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A learner's copy of the course, and the environment of somebody who never had a network."""
    place = tmp_path_factory.mktemp("learner")
    shutil.copytree(stick / "course", place / "course")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "COURSE_"))}
    return place / "course", kept | {"HOME": str(place), "PIP_CONFIG_FILE": os.devnull}


def alone(command: list[str], learner: tuple[Path, dict[str, str]]) -> subprocess.CompletedProcess[str]:
    course, environment = learner
    return subprocess.run(
        [*_ALONE, *command], cwd=course, env=environment, capture_output=True, text=True, check=False
    )


def test_there_is_no_network(learner: tuple[Path, dict[str, str]]) -> None:
    code = "import socket; socket.create_connection(('127.0.0.1', 9), 2)"
    result = alone([sys.executable, "-c", code], learner)
    if "unshare" in result.stderr:
        pytest.fail(f"this kernel gives no namespace without a network: {result.stderr.strip()}")
    assert "Network is unreachable" in result.stderr


def test_the_course_is_set_up_from_the_stick(
    learner: tuple[Path, dict[str, str]], stick: Path, record: Callable[..., None]
) -> None:
    started = time.monotonic()
    base = sys._base_executable  # a Python without the course's packages, as a learner has
    result = alone([base, "-m", "helpers", "setup", "--from", str(stick)], learner)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Going on without" not in result.stdout
    cache = Path(learner[1]["HOME"]) / ".cache" / settings.APP_NAME
    carried = {path.parent.name for path in (stick / "cache").glob("*/card.json")}
    assert carried
    assert carried <= {path.parent.name for path in cache.glob("*/card.json")}
    record(seconds_to_set_up=round(time.monotonic() - started))


def test_lessons_run_with_their_real_models(
    learner: tuple[Path, dict[str, str]], artifacts: Path, record: Callable[..., None]
) -> None:
    started = time.monotonic()
    result = alone([sys._base_executable, "-m", "helpers", "run", *_LESSONS], learner)
    (artifacts / "run.txt").write_text(result.stdout + result.stderr, encoding="utf-8")
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    record(lessons=" ".join(_LESSONS), seconds_to_run_them=round(time.monotonic() - started))


def test_without_the_stick_it_says_so_in_one_sentence(learner: tuple[Path, dict[str, str]]) -> None:
    result = alone([sys._base_executable, "-m", "helpers", "setup", "--from", "gone"], learner)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "has filled" in result.stderr
