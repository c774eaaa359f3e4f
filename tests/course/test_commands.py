"""The commands: their help, their errors, and how they reach the Python inside .venv."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import helpers.__main__ as commands
from helpers import settings
from helpers.course import (
    bench,
    board,
    build,
    class_thumbs,
    evidence,
    real,
    refresh,
    rehearse,
    run,
    setup,
    thumbs,
    warm,
)
from helpers.settings import CourseError

NAMES = ["setup", "run", "lab", "test", "doctor", "lessons", "warm", "evidence"]
NAMES += ["real", "bench", "thumbs", "audit", "train", "address", "fetch", "catchup", "site", "rehearse"]
NAMES += ["diagnostic", "board", "slides", "sheets", "nbgrader"]


@pytest.fixture(autouse=True)
def _stay_here(monkeypatch):
    monkeypatch.setattr(commands, "_go_inside", lambda arguments: None)


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        commands.main(["--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert all(re.search(rf"^    {name}\s", printed, re.M) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as stop:
        commands.main([name, "--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert f"python -m helpers {name}" in printed
    assert len(printed.split("\n\n")[1]) > 20


def test_a_wrong_command_is_status_2(capsys):
    with pytest.raises(SystemExit) as stop:
        commands.main(["ran"])
    assert stop.value.code == 2


def record(monkeypatch, module, name, result=0):
    calls = []

    def fake(*arguments, **options):
        calls.append((arguments, options))
        return result

    monkeypatch.setattr(module, name, fake)
    return calls


@pytest.mark.parametrize(
    ("arguments", "module", "name", "expected"),
    [
        (["run", "00", "01"], run, "run", ((["00", "01"],), {"times": False})),
        (["run"], run, "run", (([],), {"times": False})),
        (["lessons"], build, "build", ((), {})),
        (["lessons", "--execute", "01"], refresh, "refresh", ((["01"],), {})),
        (["lessons", "--check"], build, "check", ((), {})),
        (["evidence", "01"], evidence, "run", ((["01"],), {})),
        (["real", "01"], real, "run", ((["01"],), {})),
        (["warm"], warm, "run", ((), {})),
        (["bench"], bench, "run", ((), {})),
        (["thumbs", "merge", "class"], thumbs, "merge", ((Path("class"), None), {})),
        (
            ["thumbs", "merge", "class", "--into", "all.jsonl"],
            thumbs,
            "merge",
            ((Path("class"), Path("all.jsonl")), {}),
        ),
        (["thumbs", "train", "class"], class_thumbs, "run", ((Path("class"),), {})),
        (
            ["thumbs", "delete", "--annotator", "Ann", "class"],
            thumbs,
            "delete",
            (("Ann", Path("class"), False), {}),
        ),
        (["thumbs", "delete", "--mine"], thumbs, "delete", ((None, None, True), {})),
        (["board", "class"], board, "run", ((Path("class"), None, None), {})),
        (["board", "c", "--out", "o", "--watch", "9"], board, "run", ((Path("c"), Path("o"), 9), {})),
        (["rehearse", "binder"], rehearse, "run", ((["binder"],), {})),
        (["setup", "--test"], setup, "set_up", ((), {"test": True, "site": False, "stick": None})),
    ],
)
def test_commands_call_what_they_name(monkeypatch, arguments, module, name, expected):
    calls = record(monkeypatch, module, name)
    assert commands.main(arguments) == 0
    assert calls == [expected]


def test_executing_hands_on_the_runs_status(monkeypatch):
    record(monkeypatch, refresh, "refresh", 1)
    assert commands.main(["lessons", "--execute"]) == 1


def test_arguments_are_handed_on(monkeypatch):
    calls = record(monkeypatch, subprocess, "run", subprocess.CompletedProcess([], 5))
    assert commands.main(["test", "tests/world", "-k", "cat"]) == 5
    assert calls[0][0][0] == [sys.executable, "-m", "pytest", "tests/world", "-k", "cat"]
    commands.main(["test"])  # all of them: two files at a time
    assert calls.pop()[0][0][3:] == ["--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder"]
    commands.main(["lab", "--no-browser"])
    lab = calls[1][0][0]
    assert lab[-1] == "--no-browser"
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in lab
    assert f"--ServerApp.root_dir={settings.ROOT}" in lab
    assert "--LabApp.news_url=None" in lab


def test_kernels_of_the_lab_have_the_course_without_a_notebooks_first_cell(monkeypatch):
    calls = record(monkeypatch, subprocess, "run", subprocess.CompletedProcess([], 0))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    commands.main(["lab"])
    monkeypatch.setenv("PYTHONPATH", "mine")
    commands.main(["lab"])
    assert [call[1]["env"]["PYTHONPATH"] for call in calls] == [
        str(settings.ROOT),
        f"{settings.ROOT}{os.pathsep}mine",
    ]


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (CourseError("Do this."), 1, "Do this.\n"),
        (KeyboardInterrupt(), 130, "Stopped.\n"),
        (ModuleNotFoundError("x", name="nbclient.client"), 1, "The package 'nbclient.client' is missing"),
    ],
)
def test_errors_are_one_sentence(monkeypatch, capsys, error, status, told):
    def fail(lessons, times):
        raise error

    monkeypatch.setattr(run, "run", fail)
    assert commands.main(["run"]) == status
    assert told in capsys.readouterr().err


def test_before_set_up_it_says_what_to_run(monkeypatch, capsys):
    monkeypatch.setattr(commands, "find_spec", lambda name: None)
    assert commands.main(["run"]) == 1
    assert capsys.readouterr().err == "The course is not set up yet; run: python3 -m helpers setup\n"


def test_a_wrong_seed_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_SEED", "x")
    assert commands.main(["run"]) == 1
    assert capsys.readouterr().err.startswith("COURSE_SEED must be a whole number")


def test_a_wrong_tier_is_one_sentence_before_anything_runs(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_TIER", "foo")
    monkeypatch.setattr(run, "warm_up", lambda build_dir: pytest.fail("it went on"))
    assert commands.main(["run"]) == 1
    assert capsys.readouterr().err == "COURSE_TIER must be one of cpu, gpu, gpu24, not 'foo'.\n"


def test_an_unknown_lesson_is_one_sentence(capsys):
    assert commands.main(["run", "99"]) == 1
    assert capsys.readouterr().err.startswith("There is no lesson '99'; choose among 00")


@pytest.mark.parametrize(
    "arguments", [["lessons", "77"], ["lessons", "--check", "77"], ["lessons", "--execute", "77"]]
)
def test_lessons_refuses_an_unknown_lesson_too(monkeypatch, capsys, arguments):
    called = [(build, "build"), (build, "check"), (refresh, "refresh")]
    calls = [record(monkeypatch, module, name) for module, name in called]
    assert commands.main(arguments) == 1
    assert capsys.readouterr().err.startswith("There is no lesson '77'; choose among 00")
    assert calls == [[], [], []]


def test_checking_and_executing_exclude_each_other(capsys):
    with pytest.raises(SystemExit) as stop:
        commands.main(["lessons", "--check", "--execute"])
    assert stop.value.code == 2
    assert "not allowed with argument" in capsys.readouterr().err


def test_thumbs_needs_to_be_told_what_to_do(capsys):
    with pytest.raises(SystemExit) as stop:
        commands.main(["thumbs"])
    assert stop.value.code == 2


def test_merging_no_thumbs_is_one_sentence(tmp_path, capsys):
    assert commands.main(["thumbs", "merge", str(tmp_path / "nowhere")]) == 1
    assert "nowhere is no folder; give the folder" in capsys.readouterr().err
    assert commands.main(["thumbs", "merge", str(tmp_path)]) == 1
    assert "holds no zip and no .jsonl file" in capsys.readouterr().err


def test_address_sets_it_and_rebuilds(monkeypatch, course, capsys):
    calls = record(monkeypatch, build, "build")
    assert commands.main(["address", "nonsense"]) == 1
    assert "is not an address" in capsys.readouterr().err
    assert calls == []


@pytest.mark.skipif(os.name == "nt", reason="processes cannot be replaced there")
def test_outside_the_venv_it_goes_inside(tmp_path):
    """A copy of the commands beside a .venv whose Python says what it was asked."""
    for name in ("__init__.py", "__main__.py", "settings.py", "course/__init__.py", "course/setup.py"):
        (tmp_path / "helpers" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(settings.ROOT / "helpers" / name, tmp_path / "helpers" / name)
    inside = tmp_path / ".venv" / "bin" / "python"
    inside.parent.mkdir(parents=True)
    inside.write_text('#!/bin/sh\necho "inside: $@"\n')
    inside.chmod(0o755)
    result = subprocess.run(
        [sys.executable, "-m", "helpers", "run", "00", "01"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout == "inside: -m helpers run 00 01\n"


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize(
    ("target", "command"),
    [
        (["run", "LESSONS=00 01"], "python3 -m helpers run 00 01"),
        (["lessons", "CHECK=1"], "python3 -m helpers lessons  --check"),
        (["lessons", "EXECUTE=1", "LESSONS=01"], "python3 -m helpers lessons --execute  01"),
        (["test"], "python3 -m helpers test"),
        (["lab"], "python3 -m helpers lab"),
        (["doctor"], "python3 -m helpers doctor"),
        (["warm"], "python3 -m helpers warm"),
        (["evidence", "LESSONS=01"], "python3 -m helpers evidence 01"),
        (["real", "LESSONS=01"], "python3 -m helpers real 01"),
        (["bench"], "python3 -m helpers bench"),
        (["site"], "python3 -m helpers site"),
        (["rehearse", "REHEARSALS=binder hub"], "python3 -m helpers rehearse binder hub"),
        (["run", "PYTHON=python3.12"], "python3.12 -m helpers run"),
    ],
)
def test_make_targets_set_up_and_then_run_the_command(target, command):
    # Not what an outer `make test TESTS=…` hands on.
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    own |= dict.fromkeys(("LESSONS", "TESTS", "TIMES", "EXECUTE", "CHECK", "REHEARSALS"), "")
    own.pop("PYTHON", None)
    result = subprocess.run(
        ["make", "-n", *target], cwd=settings.ROOT, env=own, capture_output=True, text=True, check=True
    )
    lines = [line.strip() for line in result.stdout.splitlines() if not line.startswith("make")]
    assert lines[-1] == command.strip()
    if target[0] != "doctor":
        assert "-m helpers setup" in lines[0]


def test_ci_runs_readmes_test_command():
    script = (settings.ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert script.splitlines()[-1] == "CI=true exec make test"
    assert os.access(settings.ROOT / ".ci" / "run", os.X_OK)
    assert "`make test`" in (settings.ROOT / "README.md").read_text(encoding="utf-8")


def test_the_longest_test_files_are_called_as_the_order_of_the_tests_says():
    from tests import conftest

    names = {path.name for path in (settings.ROOT / "tests").rglob("test_*.py")}
    assert set(conftest.LONGEST) <= names
