from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers import settings
from helpers.course import build, nbgrader
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


def test_points_are_the_stars_on_the_cards() -> None:
    found = kinds(nbgrader.source_notebook(ENTRY, MANIFEST))["check"]
    marks = [cell.metadata["nbgrader"] for cell in found]
    assert {mark["grade_id"]: mark["points"] for mark in marks} == {
        "check_dpo_loss": 2,
        "check_kto_reference_point": 1,
        "check_kto_loss": 2,
        "check_apo_down_loss": 1,
    }


def test_a_check_is_locked_and_a_solution_is_the_students() -> None:
    found = kinds(nbgrader.source_notebook(ENTRY, MANIFEST))
    marks = {kind: {roles(cell) for cell in cells} for kind, cells in found.items()}
    assert marks == {
        "find": {(False, False, True)},
        "solution": {(False, True, False)},
        "check": {(True, False, True)},
    }


def roles(cell: Any) -> tuple[bool, bool, bool]:
    mark = cell.metadata["nbgrader"]
    return mark["grade"], mark["solution"], mark["locked"]


def test_an_exercise_without_a_check_is_said_to_its_author(tmp_path: Path) -> None:
    source = ENTRY.source(tmp_path)
    source.parent.mkdir(parents=True)
    source.write_text(
        "# %% [markdown]\n# # A\n# > **Exercise 1 · `f`** · ★☆☆ · 5 minutes\n"
        "# %%\ndef f():\n    # BEGIN SOLUTION\n    return 1\n    # END SOLUTION\n"
    )
    with pytest.raises(CourseError, match=r"Lesson 07 has solutions of \['f'\] and checks of \[\]"):
        nbgrader.source_notebook(ENTRY, MANIFEST, tmp_path)


def test_a_graded_cell_raises_where_its_check_gives_the_reference() -> None:
    cell = kinds(nbgrader.source_notebook(ENTRY, MANIFEST))["check"][0]
    for given, says in ((lambda attempt: attempt, None), (lambda attempt: double, "0 points")):
        names = {"dpo_loss": untouched, "lesson": SimpleNamespace(check=given)}
        with pytest.raises(AssertionError, match=says) if says else contextlib.nullcontext():
            exec(cell.source, names)


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
    print("after it", file=sys.stderr)
    assert capsys.readouterr().err == "after it\n"


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
    config.write_text("mine")
    nbgrader.export(tmp_path, ["08"])
    assert config.read_text() == "mine"
    assert len(list((tmp_path / "source").iterdir())) == 2


def test_the_settings_give_nbgraders_kernels_the_course(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbgrader.export(tmp_path, ["07"])
    monkeypatch.setenv("PYTHONPATH", "mine")
    path, c = tmp_path / "nbgrader_config.py", SimpleNamespace()
    c.CourseDirectory, c.ClearSolutions, c.Execute = (SimpleNamespace() for _ in range(3))
    exec(path.read_text(), {"get_config": lambda: c, "__file__": str(path)})
    assert os.environ["PYTHONPATH"].split(os.pathsep) == [str(settings.ROOT), "mine"]
    assert c.CourseDirectory.root == str(tmp_path)
    assert c.Execute.timeout == nbgrader.SECONDS
    # What stands in the released notebook is what stands in the learner's copy.
    assert c.ClearSolutions.code_stub["python"] in build.strip_solutions(
        "def f():\n    # BEGIN SOLUTION\n    # END SOLUTION"
    ).replace("    ", "")


def test_what_the_teacher_changed_in_an_assignment_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nbgrader.export(tmp_path, ["07"])
    path = tmp_path / "source" / ENTRY.name / f"{ENTRY.name}.ipynb"
    generated = path.read_text(encoding="utf-8")
    nbgrader.export(tmp_path, ["07"])
    assert capsys.readouterr().out == ""
    path.write_text("mine")
    nbgrader.export(tmp_path, ["07"])
    kept = tmp_path / "set_aside" / "source" / path.name
    assert kept.read_text() == "mine"
    assert str(kept) in capsys.readouterr().out
    assert path.read_text(encoding="utf-8") == generated


@pytest.mark.parametrize("folder", [".", "07", "notebooks/grading"])
def test_a_folder_inside_the_course_is_refused(folder: str) -> None:
    with pytest.raises(CourseError, match="outside of the course"):
        nbgrader.export(settings.ROOT / folder, ["07"])
    assert not (settings.ROOT / folder / "source").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="cannot be written"):
        nbgrader.export(tmp_path / "file", ["07"])


# --- what students submit -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grading")
    nbgrader.export(folder, ["07"])
    return folder


@pytest.fixture
def course(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "course"))


def submit(course: Path, text: str, student: str = "ada") -> Path:
    path = course / "submitted" / student / ENTRY.name / f"{ENTRY.name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def look(course: Path) -> list[str]:
    """What is said, and nothing where all is well."""
    return [found.sentence for found in nbgrader.made_ready(course) if found.sentence]


def released(course: Path) -> dict[str, Any]:
    return json.loads((course / "source" / ENTRY.name / f"{ENTRY.name}.ipynb").read_text(encoding="utf-8"))


def test_a_fit_file_is_left_alone(course: Path) -> None:
    path = submit(course, json.dumps(released(course)))
    path.with_name("scratch.ipynb").write_text("")  # nbgrader passes by what it does not know
    before = path.read_bytes()
    assert list(nbgrader.made_ready(course)) == [nbgrader.Found("", fit=True)]
    assert path.read_bytes() == before
    assert not (course / "set_aside").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": [1]}', '{"cells": [{}]}', "[" * 100_000, "\x00"])
def test_a_broken_file_is_set_aside_whole(course: Path, text: str) -> None:
    submit(course, text)
    (sentence,) = look(course)
    assert "no notebook that can be read" in sentence
    assert (course / "set_aside" / "ada" / ENTRY.name / f"{ENTRY.name}.ipynb").read_text() == text
    assert not (course / "submitted" / "ada" / ENTRY.name).exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda notebook: notebook.update(metadata=[1]),
        lambda notebook: notebook.update(nbformat="4"),
        lambda notebook: notebook.pop("nbformat_minor"),
        lambda notebook: notebook["cells"][3].update(outputs=3),
        lambda notebook: notebook["cells"][3].pop("source"),
        lambda notebook: notebook["cells"][3].update(source=[1]),
        lambda notebook: notebook["cells"][3].update(source="\ud800"),
        lambda notebook: notebook["cells"][3].update(cell_type="odd"),
        lambda notebook: notebook["cells"][3].update(metadata=[]),
    ],
)
def test_json_that_nbgrader_fails_on_is_set_aside(course: Path, change: Any) -> None:
    notebook = released(course)
    change(notebook)
    submit(course, json.dumps(notebook))
    assert "no notebook that can be read" in look(course)[0]


def marked(notebook: dict[str, Any], kind: str) -> dict[str, Any]:
    """The first cell of a kind."""
    marks = ((cell, cell["metadata"].get("nbgrader", {})) for cell in notebook["cells"])
    return next(cell for cell, mark in marks if mark.get("grade_id", "").startswith(kind))


def test_a_copied_cell_counts_once_the_last(course: Path) -> None:
    """nbgrader 0.9.6 would stop the grading of the whole class."""
    notebook = released(course)
    first = marked(notebook, "solution")
    again = {**first, "id": "again", "source": "mine"}
    notebook["cells"].append(again)
    path = submit(course, json.dumps(notebook))
    before = path.read_bytes()
    (found,) = nbgrader.made_ready(course)
    assert found.fit
    assert "had 1 of nbgrader's marks put right" in found.sentence
    kept = json.loads(path.read_text())
    names = [
        cell["metadata"]["nbgrader"]["grade_id"] for cell in kept["cells"] if cell["metadata"].get("nbgrader")
    ]
    assert len(set(names)) == len(names)
    assert kept["cells"][-1] == again
    assert [cell["source"] for cell in kept["cells"]] == [cell["source"] for cell in notebook["cells"]]
    assert (course / "set_aside" / "ada" / ENTRY.name / path.name).read_bytes() == before
    assert look(course) == []


@pytest.mark.parametrize(
    "mark",
    [
        [1],
        "x",
        {},
        {"grade_id": 7},
        {"grade_id": [7]},
        {"grade_id": "theirs", "schema_version": 1, "grade": True},
    ],
)
def test_a_cell_of_another_course_loses_its_mark(course: Path, mark: Any) -> None:
    notebook = released(course)
    notebook["cells"].append({**notebook["cells"][3], "id": "pasted", "metadata": {"nbgrader": mark}})
    path = submit(course, json.dumps(notebook))
    assert len(look(course)) == 1
    assert json.loads(path.read_text())["cells"][-1]["metadata"] == {}


@pytest.mark.parametrize("kind", ["solution", "check"])
def test_a_cell_that_was_turned_into_text_is_code_again(course: Path, kind: str) -> None:
    notebook = released(course)
    cell = marked(notebook, kind)
    cell["cell_type"] = "markdown"
    cell["metadata"]["nbgrader"]["schema_version"] = 2
    del cell["outputs"], cell["execution_count"]
    path = submit(course, json.dumps(notebook))
    assert len(look(course)) == 1
    assert json.loads(path.read_text()) == released(course)


def test_a_second_broken_file_does_not_replace_the_first(course: Path) -> None:
    for text in ("one", "two"):
        submit(course, text)
        assert len(look(course)) == 1
    kept = sorted((course / "set_aside" / "ada").glob("*/*.ipynb"))
    assert [path.read_text() for path in kept] == ["one", "two"]


def test_a_file_of_another_version_and_the_ordinary_copy_are_set_aside(course: Path) -> None:
    other = released(course)
    other["metadata"]["course"]["version"] = "<b>9</b>"
    submit(course, json.dumps(other))
    submit(course, ENTRY.learner(settings.ROOT).read_text(encoding="utf-8"), "ben")
    first, second = look(course)
    assert "of course version '<b>9</b>'" in first
    assert "lacks" in second


def test_a_large_file_loses_its_outputs_and_nothing_else(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nbgrader, "SLIM", 0.5)
    large = released(course)
    cell = next(cell for cell in large["cells"] if cell["cell_type"] == "code")
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 10**6 + "\ud800"}]
    path = submit(course, json.dumps(large))
    before = path.read_bytes()
    (sentence,) = look(course)
    assert "held 1 MB" in sentence
    cell["outputs"] = []
    assert json.loads(path.read_text()) == large
    assert path.stat().st_size < 10**6 / 2
    assert (course / "set_aside" / "ada" / ENTRY.name / path.name).read_bytes() == before
    assert [path.name for path in path.parent.iterdir()] == [path.name]


def test_a_file_that_is_large_without_outputs_is_left_alone(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nbgrader, "SLIM", 0.001)
    submit(course, json.dumps(released(course)))
    assert look(course) == []
    assert not (course / "set_aside").exists()


def test_a_huge_file_is_not_opened(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nbgrader, "HUGE", 0.001)
    submit(course, "x" * 2000)
    (sentence,) = look(course)
    assert "too large to be opened" in sentence


@pytest.mark.parametrize("which", ["file", "folder", "student"])
def test_a_link_is_set_aside_and_not_followed(course: Path, tmp_path: Path, which: str) -> None:
    path = submit(course, json.dumps(released(course)))
    linked = {"file": path, "folder": path.parent, "student": path.parents[1]}[which]
    elsewhere = tmp_path / "elsewhere"
    linked.rename(elsewhere)
    linked.symlink_to(elsewhere)
    (sentence,) = look(course)
    assert "is a link" in sentence
    assert elsewhere.exists()
    assert not linked.exists()


def test_what_lies_in_the_wrong_place_or_has_another_name_is_said(course: Path) -> None:
    right = json.dumps(released(course))
    submit(course, right, "ada").rename(course / "submitted" / "ada" / ENTRY.name / "one (1).ipynb")
    submit(course, right, "ben").rename(course / "submitted" / "ben" / "one.ipynb")
    submit(course, right, "cleo").parent.rename(course / "submitted" / "cleo" / "one")
    submit(course, right, "dora").parents[1].joinpath("notes.txt").touch()
    (course / "submitted" / "emil.ipynb").touch()
    said = look(course)
    told = [sentence.split(":")[0] for sentence in said]
    assert told == [f"ada, {ENTRY.name}", f"ben, {ENTRY.name}", "ben, one.ipynb", "cleo, one", "emil.ipynb"]
    assert "there is no" in said[0]
    assert "in no assignment's folder" in said[2]
    assert "belongs to no assignment here" in said[3]
    assert sum(path.suffix == ".ipynb" for path in (course / "set_aside").rglob("*")) == 4


def test_broken_files_beside_each_other_are_one_sentence(course: Path) -> None:
    path = submit(course, "one")
    path.with_name("a.ipynb").write_text("two")
    path.with_name("z.ipynb").write_text("three")
    assert len(look(course)) == 1


def test_two_who_look_at_once_do_not_disturb_each_other(course: Path) -> None:
    for student in ("ada", "ben", "cleo"):
        submit(course, "{", student)
    first = nbgrader.made_ready(course)
    assert "ada" in next(first).sentence
    assert len(look(course)) == 2
    assert list(first) == []


def test_what_was_done_before_the_disk_was_full_is_said(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(source: Path, target: Path) -> None:
        target.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copy2", full)
    submit(course, "{", "ada")
    notebook = released(course)
    notebook["cells"].append({**marked(notebook, "solution"), "id": "again"})
    path = submit(course, json.dumps(notebook), "ben")
    with pytest.raises(CourseError, match="is full; make room and run the same command again"):
        nbgrader.run(course, look=True)
    assert capsys.readouterr().out.startswith("ada, ")
    assert json.loads(path.read_text()) == notebook
    assert [path.name for path in (course / "set_aside").rglob("*.*")] == [path.name]  # ada's


def test_the_status_and_the_last_line_say_how_many_can_be_graded(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(course, json.dumps(released(course)), "ada was moved")
    assert nbgrader.run(course, look=True) == 0
    assert capsys.readouterr().out == "1 of 1 submitted notebooks can be graded.\n"
    submit(course, "{", "ben \x1b[31m")
    assert nbgrader.run(course, look=True) == 1
    said = capsys.readouterr().out
    assert said.endswith("1 of 2 submitted notebooks can be graded.\n")
    assert "\x1b" not in said


def test_a_name_from_a_zip_of_another_country_is_said(course: Path) -> None:
    """Its bytes are no UTF-8: neither a terminal nor nbgrader's database takes them."""
    try:
        submit(course, json.dumps(released(course)), os.fsdecode(b"Jos\xe9"))
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    (sentence,) = look(course)
    assert "rename it" in sentence


def test_without_submissions_it_says_where_they_belong(course: Path) -> None:
    with pytest.raises(CourseError, match="There is no folder"):
        list(nbgrader.made_ready(course))
    (course / "submitted").mkdir()
    with pytest.raises(CourseError, match=r"There is no work in .*STUDENT/NAME/NAME\.ipynb"):
        list(nbgrader.made_ready(course))


# --- the cell that finds the course -------------------------------------------------------------------------


#: To Python, a folder that nobody may look into; permissions alone do not stop root.
LOCKED = """
import os
real = os.stat
def stat(path, *arguments, **options):
    if "lost+found" in str(path):
        raise PermissionError(13, "Permission denied", str(path))
    return real(path, *arguments, **options)
os.stat = stat
"""


def find(
    folder: Path, home: Path, then: str, version: str = MANIFEST.version, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the cell, and a line after it, in a folder where nothing of the course can be imported."""
    manifest = dataclasses.replace(MANIFEST, version=version)
    cell = kinds(nbgrader.source_notebook(ENTRY, manifest))["find"][0].source
    return subprocess.run(
        [sys.executable, "-c", f"{LOCKED}\n{cell}\n{then}"],
        cwd=folder,
        env={"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **more},
        capture_output=True,
        text=True,
        check=False,
    )


def test_students_find_the_course_in_their_home_and_nothing_else_of_its_name(tmp_path: Path) -> None:
    """Beside a folder of a volume that nobody may look into, and a file of theirs that is called helpers."""
    home = tmp_path / "home"
    (home / "lost+found").mkdir(parents=True)
    (home / "the course").symlink_to(settings.ROOT)
    work = home / "work"
    work.mkdir()
    (work / "helpers.py").write_text("")
    done = find(work, home, "print(Path(helpers.__file__).parents[1])")
    assert done.stdout == f"{settings.ROOT}\n", done.stderr
    (home / "the course").unlink()
    assert "was not found; ask your teacher" in find(work, home, "").stderr


def test_a_graded_run_is_small_and_has_nobodys_progress(tmp_path: Path) -> None:
    (tmp_path / "course").symlink_to(settings.ROOT)
    then = (
        "from helpers import settings as s\n"
        "print(s.smoke(), s.home(), s.progress_path(), s.shared_cache(), sep='\\n')"
    )
    teachers = {"COURSE_PROGRESS": str(tmp_path / "mine.json")}
    graded = find(tmp_path, tmp_path, then, NBGRADER_EXECUTION="autograde", **teachers).stdout.splitlines()
    assert graded[0] == "True"
    assert not Path(graded[1]).is_relative_to(tmp_path)
    assert Path(graded[2]).parent == Path(graded[1])
    assert Path(graded[3]).is_relative_to(tmp_path)  # built once, for all
    own = find(tmp_path, tmp_path, then).stdout.splitlines()
    assert own[0] == "False"
    assert Path(own[2]).is_relative_to(tmp_path)
    full = find(tmp_path, tmp_path, then, NBGRADER_EXECUTION="autograde", COURSE_SMOKE="0")
    assert full.stdout.startswith("False")


def test_a_course_of_another_version_is_said(tmp_path: Path) -> None:
    (tmp_path / "course").symlink_to(settings.ROOT)
    assert "is of course version 0.0.9" in find(tmp_path, tmp_path, "", version="0.0.9").stdout
