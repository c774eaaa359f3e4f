"""Refreshing committed outputs: those of lessons that passed are kept, the others stay as they were."""

from __future__ import annotations

import nbformat
import pytest

from helpers import settings
from helpers.course import build, refresh, run

pytestmark = pytest.mark.usefixtures("no_warm_up")


def test_executing_keeps_the_outputs_of_lessons_that_passed(course, capsys):
    course.add_to_source("01_second", "\n# %%\nraise ValueError('no')\n")
    assert refresh.refresh(root=course.root) == 1
    first = nbformat.read(course.root / "notebooks" / "solutions" / "00_first.ipynb", 4)
    second = nbformat.read(course.root / "notebooks" / "solutions" / "01_second.ipynb", 4)
    texts = [output.text for cell in first.cells if cell.cell_type == "code" for output in cell.outputs]
    assert texts == ["the same\n", "the same\n"]
    assert first.metadata["course"]["executed"] == build.code_hash(first)
    assert not any(cell.outputs for cell in second.cells if cell.cell_type == "code")
    assert "left as they were" in capsys.readouterr().out
    before = course.files()
    assert refresh.refresh(["00"], course.root) == 0
    assert course.files() == before


def test_committed_outputs_come_from_seed_0_on_the_cpu(course, capsys, monkeypatch):
    monkeypatch.setenv("COURSE_SEED", "7")
    asked = []
    monkeypatch.setattr(run, "run_lessons", lambda *arguments: asked.append(arguments[-1]) or [])
    assert refresh.refresh(["01"], course.root) == 0
    assert asked == [{"COURSE_SEED": "0", "COURSE_TIER": "cpu", "COURSE_DATA": ""}]


def test_an_unknown_lesson_is_refused_before_anything_runs(course):
    before = course.files()
    with pytest.raises(settings.CourseError, match="There is no lesson '77'"):
        refresh.refresh(["77"], course.root)
    assert course.files() == before
