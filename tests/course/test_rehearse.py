"""Rehearsals are found by name, and only the named ones run."""

from __future__ import annotations

import subprocess

import pytest

from helpers.course import rehearse
from helpers.settings import CourseError


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "tests" / "launch"
    folder.mkdir(parents=True)
    for name in ("rehearse_hub.py", "rehearse_binder.py", "test_other.py"):
        (folder / name).write_text("def test_it(): pass\n")
    return tmp_path


def test_their_names(place):
    assert rehearse.names(place) == ["binder", "hub"]


def test_an_unknown_one_is_one_sentence(place):
    with pytest.raises(CourseError, match=r"There is no rehearsal 'moon'; there are binder, hub\."):
        rehearse.run(["moon"], place)


@pytest.mark.parametrize(("wanted", "files"), [([], ["binder", "hub"]), (["hub"], ["hub"])])
def test_only_what_is_named_runs(place, monkeypatch, wanted, files):
    commands = []

    def record(command, **settings):
        commands.append(command)
        return subprocess.CompletedProcess(command, 5)

    monkeypatch.setattr(subprocess, "run", record)
    assert rehearse.run(wanted, place) == 5
    assert [name.rsplit("rehearse_", 1)[1] for name in commands[0][4:]] == [f"{name}.py" for name in files]
