from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from nbformat import v4, writes

from helpers import settings
from helpers.course import nbgrader
from helpers.lesson.checks import Check, Property, check_exercise, close
from helpers.lesson.reference import reference
from helpers.manifest import load
from helpers.settings import CourseError

MANIFEST = load()
ENTRY = MANIFEST.choose(["07"])[0]


def kinds(notebook: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {"find": [], "solution": [], "check": []}
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            found[cell.metadata["nbgrader"]["grade_id"].split("_")[0]].append(cell)
    return found


@pytest.mark.parametrize("entry", MANIFEST.lessons, ids=lambda entry: entry.id)
def test_every_exercise_is_a_marked_solution_with_a_graded_check(entry: Any) -> None:
    found = kinds(nbgrader.source_notebook(entry, MANIFEST))
    names = [cell.metadata["nbgrader"]["grade_id"].removeprefix("check_") for cell in found["check"]]
    assert names
    assert [cell.metadata["nbgrader"]["grade_id"] for cell in found["solution"]] == [
        f"solution_{n}" for n in names
    ]
    assert all(cell.source.count("### BEGIN SOLUTION") >= 1 for cell in found["solution"])
    assert all(1 <= cell.metadata["nbgrader"]["points"] <= 3 for cell in found["check"])
    assert len(found["find"]) == 1
    for cells in found.values():
        for cell in cells:
            compile(cell.source, "cell", "exec")


CHECK = Check("double", [Property("doubles", lambda f: close(f(2), 4, "the result"))])


def double(x: int) -> int:
    return 2 * x


def judged(attempt: Any) -> None:
    """What a graded cell does."""
    kept = nbgrader.Attempt(attempt)
    print("a warning", file=sys.stderr)
    kept.must_pass(check_exercise(CHECK, attempt, lambda x: 2 * x)[0])


def test_a_right_attempt_passes_whatever_it_writes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    judged(double)
    assert capsys.readouterr().err == ""


def untouched(x: int) -> int:
    raise NotImplementedError


def wrong(x: int) -> int:
    return x


@pytest.mark.parametrize("attempt", [untouched, wrong])
def test_any_other_attempt_raises(attempt: Any) -> None:
    with pytest.raises(AssertionError, match="0 points"):
        judged(attempt)


def test_the_courses_own_solution_earns_nothing() -> None:
    kept = nbgrader.Attempt(solution := reference(ENTRY.source(settings.ROOT), "dpo_loss"))
    with pytest.raises(AssertionError, match="0 points"):
        kept.must_pass(solution)


def test_the_export_keeps_the_teachers_own_settings(tmp_path: Path) -> None:
    nbgrader.export(tmp_path, ["07"])
    config = tmp_path / "nbgrader_config.py"
    compile(config.read_text(), "config", "exec")
    config.write_text("mine")
    nbgrader.export(tmp_path, ["08"])
    assert config.read_text() == "mine"
    assert len(list((tmp_path / "source").iterdir())) == 2


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="cannot be written"):
        nbgrader.export(tmp_path / "file", ["07"])


# --- what students submit -----------------------------------------------------------------------------------


@pytest.fixture
def course(tmp_path: Path) -> Path:
    nbgrader.export(tmp_path, ["07"])
    return tmp_path


def submit(course: Path, text: str, student: str = "ada") -> Path:
    path = course / "submitted" / student / ENTRY.name / f"{ENTRY.name}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path


def released(course: Path) -> dict[str, Any]:
    return json.loads((course / "source" / ENTRY.name / f"{ENTRY.name}.ipynb").read_text(encoding="utf-8"))


def test_a_fit_file_is_left_alone(course: Path) -> None:
    path = submit(course, json.dumps(released(course)))
    before = path.read_bytes()
    assert list(nbgrader.made_ready(course)) == []
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": [1]}', '{"cells": [{}]}', "[" * 100_000, "\x00"])
def test_a_broken_file_is_set_aside_whole(course: Path, text: str) -> None:
    submit(course, text)
    (sentence,) = nbgrader.made_ready(course)
    assert "no notebook that can be read" in sentence
    assert (course / "set_aside" / "ada" / ENTRY.name / f"{ENTRY.name}.ipynb").read_text() == text
    assert not (course / "submitted" / "ada" / ENTRY.name).exists()


def test_a_second_broken_file_does_not_replace_the_first(course: Path) -> None:
    for text in ("one", "two"):
        submit(course, text)
        assert len(list(nbgrader.made_ready(course))) == 1
    kept = sorted((course / "set_aside" / "ada").glob("*/*.ipynb"))
    assert [path.read_text() for path in kept] == ["one", "two"]


def test_a_file_of_another_version_and_the_ordinary_copy_are_set_aside(course: Path) -> None:
    other = released(course)
    other["metadata"]["course"]["version"] = "<b>9</b>"
    submit(course, json.dumps(other))
    submit(course, ENTRY.learner(settings.ROOT).read_text(encoding="utf-8"), "ben")
    first, second = nbgrader.made_ready(course)
    assert "of course version '<b>9</b>'" in first
    assert "lacks" in second


def test_a_large_file_loses_its_outputs_and_nothing_else(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nbgrader, "SLIM", 0.5)
    large = released(course)
    cell = next(cell for cell in large["cells"] if cell["cell_type"] == "code")
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 10**6}]
    path = submit(course, json.dumps(large))
    before = path.read_bytes()
    (sentence,) = nbgrader.made_ready(course)
    assert "held 1 MB" in sentence
    cell["outputs"] = []
    kept = json.loads(path.read_text())
    assert [c["source"] for c in kept["cells"]] == [c["source"] for c in large["cells"]]
    assert path.stat().st_size < 10**6 / 2
    assert (course / "set_aside" / "ada" / ENTRY.name / path.name).read_bytes() == before


def test_a_huge_file_is_not_opened(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nbgrader, "HUGE", 0.001)
    submit(course, "x" * 2000)
    (sentence,) = nbgrader.made_ready(course)
    assert "too large to be opened" in sentence


def test_a_link_is_set_aside_and_not_followed(course: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.ipynb"
    secret.write_text(writes(v4.new_notebook()))
    path = submit(course, "")
    path.unlink()
    path.symlink_to(secret)
    (sentence,) = nbgrader.made_ready(course)
    assert "is a link" in sentence


def test_without_submissions_it_says_where_they_belong(course: Path) -> None:
    with pytest.raises(CourseError, match="submitted"):
        list(nbgrader.made_ready(course))
