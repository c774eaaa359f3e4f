"""The stick: what is copied to it, what is refused, and how set-up takes everything from it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import settings
from helpers.course import setup, stick, warm
from helpers.settings import CourseError

HERE = "Python {} on {}".format(*setup.this_machine())


def entry(cache: Path, name: str, text: str = "weights") -> Path:
    folder = cache / name
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text(text)
    (folder / "card.json").write_text("{}")
    return folder


@pytest.fixture
def root(tmp_path):
    """A small course with what a learner and tools leave beside its files."""
    root = tmp_path / "a course"
    learners = ("my_pictures/a.png", "my_films/a.mp4", ".venv/bin/python", "build/x", ".ruff_cache/x")
    for name in ("README.md", "helpers/a.py", "helpers/__pycache__/a.pyc", *learners):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    for name in ("requirements.txt", "requirements-real.txt"):
        (root / name).write_text("one==1\n")
    return root


@pytest.fixture
def pip(monkeypatch):
    """What would be asked of pip; one wheel is left behind. `answer` is what it gives back."""

    class Pip(list):
        answer = (0, "")

    asked = Pip()

    def run(command, **options):
        asked.append(command)
        wheels = Path(command[command.index("--wheel-dir") + 1])
        wheels.mkdir(parents=True, exist_ok=True)
        (wheels / "one-1-py3-none-any.whl").touch()
        return subprocess.CompletedProcess(command, asked.answer[0], asked.answer[1], "")

    monkeypatch.setattr(stick.subprocess, "run", run)
    monkeypatch.setattr(warm, "run", lambda: 0)
    return asked


def test_everything_comes_onto_it_and_nothing_of_the_learners(root, pip, tmp_path, capsys):
    entry(settings.cache_dir(), "smollm2-1")
    (settings.cache_dir() / "half.part").mkdir()
    folder = tmp_path / "a stick"
    assert stick.fill(folder, root) == 0
    copied = {path.relative_to(folder / "course").as_posix() for path in stick._files(folder / "course")}
    assert copied == {"README.md", "helpers/a.py", "requirements.txt", "requirements-real.txt"}
    assert [path.name for path in (folder / "cache").iterdir()] == ["smollm2-1"]
    assert "--require-hashes" in pip[1]
    assert "--require-hashes" not in pip[0]
    assert HERE in (folder / "README.txt").read_text()
    assert f"It serves {HERE}." in capsys.readouterr().out


def test_again_it_follows_the_course_and_keeps_other_machines(root, pip, tmp_path):
    folder = tmp_path / "stick"
    stick.fill(folder, root)
    (folder / setup.SERVED).write_text("Python 3.13 on Windows AMD64\n")
    (root / "helpers" / "a.py").unlink()
    (root / "README.md").write_text("a newer text")
    stick.fill(folder, root)
    assert not (folder / "course" / "helpers" / "a.py").exists()
    assert (folder / "course" / "README.md").read_text() == "a newer text"
    assert (folder / setup.SERVED).read_text().splitlines() == sorted([HERE, "Python 3.13 on Windows AMD64"])


def test_a_file_of_the_same_size_that_is_newer_is_copied(root, pip, tmp_path):
    folder = tmp_path / "stick"
    stick.fill(folder, root)
    readme, copy = root / "README.md", folder / "course" / "README.md"
    readme.write_text("readme.MD")
    os.utime(readme, (copy.stat().st_mtime + 60,) * 2)
    stick.fill(folder, root)
    assert copy.read_text() == "readme.MD"


def test_models_that_cannot_be_built_stop_it_before_it_serves(root, pip, tmp_path, monkeypatch):
    monkeypatch.setattr(warm, "run", lambda: 1)
    with pytest.raises(CourseError, match="The cache could not be built"):
        stick.fill(tmp_path / "stick", root)
    assert not (tmp_path / "stick" / setup.SERVED).exists()


@pytest.mark.parametrize("where", ["inside", "above"])
def test_a_folder_in_or_around_the_course_is_refused(root, pip, where):
    with pytest.raises(CourseError, match="outside of the course"):
        stick.fill(root / "stick" if where == "inside" else root.parent, root)
    assert not pip


def test_too_small_a_stick_is_told_before_the_first_byte(root, pip, tmp_path, monkeypatch):
    full = shutil.disk_usage(tmp_path)._replace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: full)
    monkeypatch.setattr(setup, "torch_build", lambda: "cpu")
    with pytest.raises(CourseError, match=r"has 1\.0 GB left, and the course needs about 1\.5"):
        stick.fill(tmp_path / "stick", root)
    assert not pip


def test_a_file_in_its_place_is_one_sentence(root, pip, tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(CourseError, match=r"taken cannot be written to \(.*\); name another folder"):
        stick.fill(tmp_path / "taken", root)


def test_a_disk_that_fills_up_keeps_what_is_there(root, pip, tmp_path, monkeypatch):
    folder = tmp_path / "stick"

    def full(source, target, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    entry(settings.cache_dir(), "smollm2-1")
    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(CourseError, match="is full; make room and run the same command again"):
        stick.fill(folder, root)
    assert (folder / "course" / "README.md").exists()
    assert list((folder / "wheels").iterdir())
    assert not list((folder / "cache").glob("*")) if (folder / "cache").exists() else True
    assert not (folder / setup.SERVED).exists()


def test_without_a_network_the_reason_is_pips(root, pip, tmp_path):
    pip.answer = (1, "Temporary failure in name resolution")
    with pytest.raises(CourseError, match="The package index cannot be reached"):
        stick.fill(tmp_path / "stick", root)


def test_a_learner_gets_what_they_lack_and_keeps_what_they_have(tmp_path):
    folder = tmp_path / "stick"
    entry(folder / "cache", "a-1", "the stick's")
    entry(folder / "cache", "b-1", "the stick's")
    entry(settings.cache_dir(), "a-1", "the learner's")
    assert stick.take_cache(folder) == 0
    texts = {path.parent.name: path.read_text() for path in settings.cache_dir().rglob("*.safetensors")}
    assert texts == {"a-1": "the learner's", "b-1": "the stick's"}


# --- set-up from it -----------------------------------------------------------------------------------------


def test_set_up_asks_no_index(tmp_path, monkeypatch):
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / setup.SERVED).write_text(f"{HERE}\n")
    (tmp_path / "requirements.txt").write_text("one==1\n")
    (tmp_path / "requirements-real.txt").write_text("real==1 --hash=sha256:00\n")
    ran, took = [], []

    def run(command, label):
        ran.append(command)
        if command[1:3] == ["-m", "venv"]:
            setup.venv_python(tmp_path).parent.mkdir(parents=True)
            setup.venv_python(tmp_path).touch()
        return 0, ""

    def take(command, **options):
        took.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(setup, "_run_with_clock", run)
    monkeypatch.setattr(setup, "_works", lambda python: False)
    monkeypatch.setattr(setup.subprocess, "run", take)
    setup.set_up(tmp_path, stick=folder)
    installs = [command for command in ran if "install" in command]
    assert len(installs) == 2
    for command in installs:
        assert command[command.index("--no-index") : command.index("-r")][:3] == [
            "--no-index",
            "--find-links",
            str(folder / "wheels"),
        ]
    assert took == [[str(setup.venv_python(tmp_path)), "-m", "helpers.course.stick", str(folder)]]


def test_a_folder_that_is_no_stick_is_one_sentence(tmp_path):
    with pytest.raises(CourseError, match="is not a folder that `python -m helpers fetch --all` has filled"):
        setup.set_up(tmp_path, stick=tmp_path / "nothing")


def test_a_stick_for_other_machines_says_for_which(tmp_path):
    (tmp_path / setup.SERVED).write_text("Python 2.7 on Amiga\n")
    with pytest.raises(CourseError, match=rf"serves Python 2\.7 on Amiga, and this is {HERE}"):
        setup.set_up(tmp_path, stick=tmp_path)


def test_the_module_run_by_set_up_says_one_sentence(tmp_path):
    (tmp_path / "home").touch()
    entry(tmp_path / "stick" / "cache", "a-1")
    result = subprocess.run(
        [sys.executable, "-m", "helpers.course.stick", str(tmp_path / "stick")],
        cwd=settings.ROOT,
        env={"COURSE_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert json.dumps(result.stderr).count("cannot be written to") == 1
