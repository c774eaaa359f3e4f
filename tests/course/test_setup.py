"""Set-up, without installing anything: what it asks pip for, and what it says when that is impossible."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys

import pytest

from helpers import settings
from helpers.course import setup
from helpers.settings import CourseError


@pytest.fixture
def place(tmp_path):
    """A course's folder with requirements only, its name with a space in it."""
    root = tmp_path / "a course"
    root.mkdir()
    (root / "requirements.txt").write_text("one==1\n")
    (root / "requirements-real.txt").write_text("real==1 --hash=sha256:00\n")
    (root / "requirements-test.txt").write_text("-r requirements.txt\ntwo==2\n")
    return root


@pytest.fixture
def commands(place, monkeypatch):
    """Every long command that set-up would run; `outcome` decides what they answer."""
    ran = []

    class Commands(list):
        outcome = staticmethod(lambda command: (0, ""))

    ran = Commands()

    def run(command, label):
        ran.append(command)
        if command[1:3] == ["-m", "venv"]:
            setup.venv_python(place).parent.mkdir(parents=True, exist_ok=True)
            setup.venv_python(place).write_text("")
        return ran.outcome(command)

    monkeypatch.setattr(setup, "_run_with_clock", run)
    monkeypatch.setattr(setup, "chromium", lambda: "/usr/bin/chromium")
    return ran


def files_asked_for(commands):
    return [command[command.index("-r") + 1].rsplit(os.sep, 1)[1] for command in commands if "-r" in command]


def test_a_fresh_folder_gets_a_venv_and_both_files(place, commands):
    setup.set_up(place)
    assert commands[0][1:4] == ["-m", "venv", "--clear"]
    assert files_asked_for(commands) == ["requirements.txt", "requirements-real.txt"]
    real = commands[2]
    assert "--no-deps" in real
    assert "--require-hashes" in real
    assert setup.is_set_up(place)


def test_the_second_time_nothing_runs(place, commands):
    setup.set_up(place)
    del commands[:]
    setup.set_up(place)
    assert commands == []


def test_tests_add_their_own(place, commands):
    setup.set_up(place)
    del commands[:]
    setup.set_up(place, test=True)
    assert files_asked_for(commands) == ["requirements-test.txt"]


def test_a_change_of_requirements_installs_again(place, commands):
    setup.set_up(place, test=True)
    del commands[:]
    (place / "requirements.txt").write_text("one==2\n")
    assert not setup.is_set_up(place)
    setup.set_up(place, test=True)
    assert files_asked_for(commands) == ["requirements.txt", "requirements-test.txt"]


def test_without_the_real_models_the_course_goes_on_and_tries_again(place, commands, capsys):
    commands.outcome = lambda command: (1, "ERROR: no") if "--require-hashes" in command else (0, "")
    setup.set_up(place)
    assert "Going on without the real models" in capsys.readouterr().out
    assert setup.is_set_up(place)
    del commands[:]
    setup.set_up(place)
    assert files_asked_for(commands) == ["requirements-real.txt"]


def test_a_failed_download_is_one_sentence_and_leaves_it_to_be_done_again(place, commands):
    commands.outcome = lambda command: (
        (1, "Temporary failure in name resolution\nERROR: x") if "-r" in command else (0, "")
    )
    with pytest.raises(CourseError, match="package index cannot be reached"):
        setup.set_up(place)
    assert not setup.is_set_up(place)


def test_a_half_made_venv_is_made_anew(place, commands):
    setup.venv_python(place).parent.mkdir(parents=True)
    setup.venv_python(place).write_text("not a program")
    setup.set_up(place)
    assert commands[0][1:4] == ["-m", "venv", "--clear"]


def test_a_damaged_stamp_only_costs_a_check(place, commands, monkeypatch):
    setup.set_up(place)
    (setup.venv_folder(place) / setup._STAMP).write_text("{")
    monkeypatch.setattr(setup, "_works", lambda python: True)
    del commands[:]
    setup.set_up(place)
    assert files_asked_for(commands) == ["requirements.txt", "requirements-real.txt"]


def test_a_python_without_venv_says_what_to_install(place, commands, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ensurepip" else find(name))
    with pytest.raises(CourseError, match=r"sudo apt install python3\.\d+-venv"):
        setup.set_up(place)
    assert commands == []


def test_an_old_python_gets_one_sentence():
    assert "needs Python 3.11 or newer, and this is 3.9.2" in setup.too_old((3, 9, 2))
    assert setup.too_old((3, 11, 0)) == ""
    assert setup.too_old((4, 0, 0)) == ""


@pytest.mark.parametrize(
    "name", ["__init__.py", "__main__.py", "settings.py", "course/__init__.py", "course/setup.py"]
)
def test_what_an_old_python_reads_parses_there(name):
    """Otherwise it would show a SyntaxError instead of that sentence."""
    ast.parse((settings.ROOT / "helpers" / name).read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES", "differs from the one"),
        (
            "WARNING: x\nERROR: No matching distribution found for torch==9\n",
            "pip failed: ERROR: No matching",
        ),
        ("", "pip failed: no message"),
    ],
)
def test_why_pip_failed(output, sentence):
    assert sentence in setup.explain(output)


@pytest.mark.parametrize(
    ("platform", "index", "gigabytes"),
    [
        ("linux", "", 8),
        ("linux", "https://download.pytorch.org/whl/cpu", 4),
        ("darwin", "", 4),
        ("win32", "", 4),
    ],
)
def test_what_must_be_free_depends_on_the_build_of_torch(monkeypatch, platform, index, gigabytes):
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", index)
    monkeypatch.setattr(sys, "platform", platform)
    assert setup.FREE_GB[setup.torch_build()] == gigabytes > setup.DISK_GB[setup.torch_build()]
    assert f"about {gigabytes} GB" in setup.explain("No space left on device")


def test_readme_says_what_set_up_takes():
    text = (settings.ROOT / "README.md").read_text(encoding="utf-8")
    cuda, cpu = setup.DISK_GB["cuda"], setup.DISK_GB["cpu"]
    assert f"{cpu:g} GB on disk, {cuda:g} GB on Linux" in text
    assert f"Linux without a GPU: save {cuda - cpu:g} GB" in text


def test_the_hash_counts_included_files(place):
    before = setup.hash_of(place / "requirements-test.txt")
    (place / "requirements.txt").write_text("one==9\n")
    assert setup.hash_of(place / "requirements-test.txt") != before


def test_commands_are_run_quietly_and_their_output_is_kept(capsys):
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    assert setup._run_with_clock([sys.executable, "-c", code], "Working …") == (3, "out\nerr\n")
    assert capsys.readouterr().out == "Working …\n"


def test_a_set_up_that_is_done_takes_less_than_half_a_second(tmp_path):
    """Every make target begins with it. Measured on a folder whose stamp fits, in a process of its own."""
    root = tmp_path / "course"
    (root / ".venv").mkdir(parents=True)
    for path in settings.ROOT.glob("requirements*.txt"):
        (root / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (root / "helpers").symlink_to(settings.ROOT / "helpers")
    python = setup.venv_python(root)
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    names = ("requirements.txt", "requirements-real.txt", "requirements-test.txt")
    stamp = {name: setup.hash_of(root / name) for name in names}
    (root / ".venv" / setup._STAMP).write_text(json.dumps(stamp))
    code = f"from pathlib import Path; from helpers.course import setup; setup.set_up(Path({str(root)!r}))"

    def seconds():
        before = os.times()
        subprocess.run([sys.executable, "-c", code], cwd=settings.ROOT, check=True)
        after = os.times()  # the processor's, which nobody else's work adds to
        return sum(after[2:4]) - sum(before[2:4])

    assert min(seconds() for _ in range(3)) < 0.5


def test_a_prepared_image_needs_no_venv(place, commands, monkeypatch, tmp_path):
    (tmp_path / "image" / "share" / "cats-to-kto").mkdir(parents=True)
    monkeypatch.setattr(setup.sys, "prefix", str(tmp_path / "image"))
    setup.set_up(place)
    assert setup.is_set_up(place)
    assert not setup.venv_folder(place).exists()
    assert commands == []
