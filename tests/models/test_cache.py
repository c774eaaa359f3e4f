"""The cache: an entry is whole or absent, whatever happens to the process that builds it."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.models import cache
from helpers.models.cache import cached, entry_name
from helpers.settings import ROOT, CourseError

# Builds "thing" slowly, noting each build in a log: argv = log, seconds.
BUILDER = """
import sys, time
from pathlib import Path
from helpers.models.cache import cached
def build(folder):
    with open(sys.argv[1], "a") as log:
        log.write("built\\n")
    (folder / "half.txt").write_text("first half")
    time.sleep(float(sys.argv[2]))
    (folder / "whole.txt").write_text("second half")
print(cached("thing", {"n": 1}, build))
"""


def start_builder(log: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILDER, str(log), str(seconds)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def write(text: str):
    return lambda folder: (folder / "data.txt").write_text(text) and None


def never(folder: Path) -> None:
    pytest.fail("built although a sound entry exists")


def test_builds_once_and_describes_itself(own_cache: Path) -> None:
    folder = cached("thing", {"n": 1}, write("hello"))
    assert folder == own_cache / entry_name("thing", {"n": 1})
    assert (folder / "data.txt").read_text() == "hello"
    card = json.loads((folder / "card.json").read_text())
    assert (card["name"], card["config"]) == ("thing", {"n": 1})
    assert card["files"]["data.txt"]["size"] == 5
    assert cached("thing", {"n": 1}, never) == folder


def test_another_configuration_is_another_entry(own_cache: Path) -> None:
    first = cached("thing", {"n": 1, "m": 2}, write("one"))
    assert cached("thing", {"n": 2, "m": 2}, write("two")) != first
    assert cached("thing", {"m": 2, "n": 1}, never) == first  # the order of keys says nothing


@pytest.mark.parametrize("name", ["", "Thing", "../thing", "a b", ".thing"])
def test_a_name_cannot_leave_the_cache(own_cache: Path, name: str) -> None:
    with pytest.raises(ValueError, match="lower-case"):
        cached(name, {}, never)


@pytest.mark.parametrize("damage", ["truncated", "changed", "removed", "no card", "torn card"])
def test_a_damaged_entry_is_built_again(
    own_cache: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = cached("thing", {}, write("sound"))
    file, card = folder / "data.txt", folder / "card.json"
    if damage == "truncated":
        file.write_text("sou")
    elif damage == "changed":
        file.write_text("xxxxx")
    elif damage == "removed":
        file.unlink()
    elif damage == "no card":
        card.unlink()
    else:
        card.write_text(card.read_text()[:20])
    assert (cached("thing", {}, write("sound")) / "data.txt").read_text() == "sound"
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "built again" in captured.err
    assert captured.out == ""
    assert cached("thing", {}, never) == folder
    assert [path.name for path in own_cache.iterdir() if not path.name.startswith(".")] == [folder.name]


def test_damage_inside_a_large_file_is_seen(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "WHOLE_HASH_LIMIT", 1000)
    monkeypatch.setattr(cache, "SAMPLE_BYTES", 100)
    content = bytes(range(256)) * 100

    def build(folder: Path) -> None:
        (folder / "large").write_bytes(content)

    folder = cached("thing", {}, build)
    assert cached("thing", {}, never) == folder
    # What a crash of the machine leaves behind: the right size, but a stretch that was never written.
    for start in (0, 9000, len(content) - 2000):
        (folder / "large").write_bytes(content[:start] + bytes(2000) + content[start + 2000 :])
        assert (cached("thing", {}, build) / "large").read_bytes() == content


@pytest.mark.parametrize(("built_by", "kept"), [("0.0.9", False), ("0.1.7", True), ("0.2.0", True)])
def test_entries_of_an_older_course_are_built_again(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch, built_by: str, kept: bool
) -> None:
    monkeypatch.setattr(cache, "__version__", built_by)
    cached("thing", {}, write("old"))
    monkeypatch.setattr(cache, "__version__", "0.1.0")
    assert (cached("thing", {}, write("new")) / "data.txt").read_text() == ("old" if kept else "new")


def test_two_processes_build_it_once(own_cache: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    first, second = (start_builder(log, 0.5) for _ in range(2))
    answers = [process.communicate(timeout=30) for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], answers
    assert log.read_text() == "built\n"
    assert answers[0][0] == answers[1][0]
    assert sorted(path.name for path in Path(answers[0][0].strip()).iterdir()) == [
        "card.json",
        "half.txt",
        "whole.txt",
    ]


def test_a_killed_build_leaves_nothing_that_is_used(own_cache: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = start_builder(log, 60)
    deadline = time.monotonic() + 30
    while not list(own_cache.glob("thing-*.part/half.txt")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(own_cache.glob("*.part"))  # the half-built folder is still there
    folder = cached("thing", {"n": 1}, write("rebuilt"))
    assert (folder / "data.txt").read_text() == "rebuilt"
    assert not (folder / "half.txt").exists()
    assert not list(own_cache.glob("*.part"))


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("IO: No space left on device (28)")],
)
def test_a_full_disk(own_cache: Path, error: Exception) -> None:
    def build(folder: Path) -> None:
        (folder / "data.txt").write_text("some of it")
        raise error

    with pytest.raises(CourseError, match=r"disk is full.*COURSE_HOME"):
        cached("thing", {}, build)
    assert not list(own_cache.glob("thing*"))


def test_a_full_disk_does_not_cost_the_entry_that_was_there(own_cache: Path) -> None:
    folder = cached("thing", {}, write("sound"))
    (folder / "extra.txt").write_text("the learner's")
    (folder / "data.txt").write_text("x")

    def build(folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(CourseError, match="disk is full"):
        cached("thing", {}, build)
    assert (folder / "extra.txt").read_text() == "the learner's"


def test_an_error_or_an_interrupt_of_the_build_passes_through(own_cache: Path) -> None:
    def fails(folder: Path) -> None:
        raise ZeroDivisionError("a fault of the build")

    def interrupted(folder: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(ZeroDivisionError, match="a fault of the build"):
        cached("thing", {}, fails)
    with pytest.raises(KeyboardInterrupt):
        cached("thing", {}, interrupted)
    assert not list(own_cache.glob("thing*"))
    assert cached("thing", {}, write("now"))  # the lock is free again


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="needs a folder that nobody may write to")
def test_a_read_only_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_HOME", "/sys/course")  # not even root may create it
    monkeypatch.delenv("COURSE_CACHE", raising=False)
    with pytest.raises(CourseError, match=r"not writable.*COURSE_HOME"):
        cached("thing", {}, write("x"))


def test_a_file_in_place_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file"))
    with pytest.raises(CourseError, match="not writable"):
        cached("thing", {}, write("x"))


def test_the_shared_cache_comes_first_and_is_never_written_to(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = tmp_path / "class"
    folder = cached("thing", {}, write("shared"))
    shared.mkdir()
    folder.rename(shared / folder.name)
    monkeypatch.setenv("COURSE_CACHE", str(shared))
    before = sorted(shared.rglob("*"))

    assert cached("thing", {}, never) == shared / folder.name
    assert cached("thing", {"other": 1}, write("own")).parent == own_cache
    assert capsys.readouterr().err == ""

    (shared / folder.name / "data.txt").write_text("damaged")
    assert cached("thing", {}, write("own")) == own_cache / folder.name
    assert "your own cache is used" in capsys.readouterr().err
    assert sorted(shared.rglob("*")) == before


def test_files_can_be_read_by_a_class(own_cache: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "data.txt").write_text("x")
        (folder / "data.txt").chmod(0o600)  # as safetensors does

    folder = cached("thing", {}, build)
    assert (folder / "data.txt").stat().st_mode & 0o777 == folder.stat().st_mode & 0o666
