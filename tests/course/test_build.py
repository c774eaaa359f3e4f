"""Building notebooks: solutions out, ids stable, same bytes, outputs kept and cleaned, staleness named."""

from __future__ import annotations

import json
import subprocess
import sys

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import v4

from helpers import settings
from helpers.course import build
from helpers.manifest import load
from helpers.settings import CourseError

SOLVED = """\
def f(x):
    # BEGIN SOLUTION
    y = x + 1
    return y
    # END SOLUTION

def g(x):
    if x:
        # BEGIN SOLUTION
        return 1
        # END SOLUTION
    return 0"""


def test_the_learner_gets_a_gap_at_the_same_indent():
    assert build.strip_solutions(SOLVED) == (
        "def f(x):\n    # YOUR CODE HERE\n    raise NotImplementedError\n\n"
        "def g(x):\n    if x:\n        # YOUR CODE HERE\n        raise NotImplementedError\n    return 0"
    )


def test_the_solution_loses_only_the_marks():
    marks = {"# BEGIN SOLUTION", "# END SOLUTION"}
    kept = [line for line in SOLVED.splitlines() if line.strip() not in marks]
    assert build.unmark(SOLVED) == "\n".join(kept)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("def f():\n    # BEGIN SOLUTION\n    return 1", "stands alone"),
        ("def f():\n    return 1\n    # END SOLUTION", "stands alone"),
        ("# BEGIN SOLUTION\nx = 1\n# END SOLUTION", "inside a function"),
        (
            "def f():\n    # BEGIN SOLUTION\n    a\n    # BEGIN SOLUTION\n    b\n    # END SOLUTION",
            "no '# END SOLUTION' before",
        ),
    ],
)
def test_wrong_marks_are_refused(code, complaint):
    with pytest.raises(CourseError, match=complaint):
        build.strip_solutions(code)


@given(st.text(alphabet="ab#\n SOLUTIN", max_size=60))
def test_code_without_marks_is_left_alone(code):
    assert build.strip_solutions(code) == code.rstrip("\n")


def pair(course):
    manifest = load(course.root)
    entry = manifest.lessons[0]
    return [build.notebook(entry, manifest, course.root, solution=solution) for solution in (False, True)]


def test_two_copies_of_one_source(course):
    learner, solution = pair(course)
    assert "return 2 * x" not in build.to_text(learner)
    assert "return 2 * x" in build.to_text(solution)
    assert "assert double" not in build.to_text(learner)
    shared = [cell.id for cell in solution.cells if "solution-only" not in cell.metadata.get("tags", [])]
    assert [cell.id for cell in learner.cells] == shared
    assert learner.cells[1].id == "bootstrap"
    assert learner.cells[0].source.startswith("# 00 · First\n\n≈ 10 minutes for the core")
    assert learner.cells[0].source.endswith("\n\nOne sentence.")
    assert "before this: nothing" in learner.cells[0].source


def test_ids_are_unique_and_depend_on_content_only(course):
    _, before = pair(course)
    ids = [cell.id for cell in before.cells]
    assert len(set(ids)) == len(ids)
    same = [cell.id for cell in before.cells if cell.source == 'print("the same")']
    assert same[1] == f"{same[0]}-2"
    course.change("notebooks/source/00_first.py", "import base64", "# a remark\nimport base64")
    _, after = pair(course)
    assert sum(a.id != b.id for a, b in zip(before.cells, after.cells, strict=True)) == 1


def test_a_rebuild_changes_no_byte_in_another_process(course, capsys):
    build.build(course.root)
    first = course.files()
    code = (
        "import sys; from pathlib import Path; from helpers.course import build, readme; import numpy as np;"
        "readme._pixels = lambda: np.zeros((4, 6, 3), np.uint8); build.build(Path(sys.argv[1]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(course.root)],
        cwd=settings.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "up to date" in result.stdout
    assert course.files() == first


def test_files_are_valid_and_plain(course):
    build.build(course.root)
    for path in sorted((course.root / "notebooks").rglob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        built = nbformat.reads(text, 4)
        nbformat.validate(built)
        assert set(built.metadata) <= {"kernelspec", "language_info", "course"}
        assert "jupytext" not in text
        assert "lines_to_next_cell" not in text
        assert text.endswith("}\n")
        assert "·" in text  # not escaped: diffs stay readable


def test_a_title_is_required(course):
    course.source("00_first", "# %%\nx = 1\n")
    with pytest.raises(CourseError, match="must begin with a markdown cell"):
        pair(course)


def test_a_missing_source_is_named(course):
    (course.root / "notebooks" / "source" / "00_first.py").unlink()
    with pytest.raises(CourseError, match=r"00_first\.py; course.toml names it"):
        pair(course)


# --- outputs ----------------------------------------------------------------------------------------------


def cell_with(*outputs, tags=()):
    return v4.new_code_cell("x", outputs=list(outputs), metadata={"tags": list(tags)})


def test_committed_outputs_hold_nothing_that_changes():
    shown = v4.new_output(
        "display_data",
        data={
            build._WIDGET_VIEW: {"model_id": "abc"},
            "text/html": "<p>the static stand-in</p>",
            "text/plain": "VBox()",
        },
        metadata={"seconds": 3},
    )
    result = v4.new_output("execute_result", data={"text/plain": "<Thing at 0x7f0011>"}, execution_count=7)
    kept = build.committed_outputs(
        cell_with(
            v4.new_output("stream", name="stdout", text="a\n"),
            v4.new_output("stream", name="stderr", text="warning"),
            v4.new_output("stream", name="stdout", text="b\n"),
            shown,
            v4.new_output("display_data", data={build._WIDGET_VIEW: {}, "text/plain": "Button()"}),
            result,
        )
    )
    assert [output.output_type for output in kept] == ["stream", "display_data", "execute_result"]
    assert kept[0].text == "a\nb\n"
    assert kept[1].data == {"text/html": "<p>the static stand-in</p>", "text/plain": "VBox()"}
    assert kept[1].metadata == {}
    assert kept[2].data == {"text/plain": "<Thing>"}
    assert kept[2].execution_count is None


@pytest.mark.parametrize("tag", ["volatile", "bootstrap"])
def test_volatile_cells_keep_no_output(tag):
    assert build.committed_outputs(cell_with(v4.new_output("stream", text="12:00"), tags=[tag])) == []


def execute_by_hand(course, text="measured"):
    """The solution as a run would leave it, without a kernel."""
    manifest = load(course.root)
    entry = manifest.lessons[0]
    executed = build.notebook(entry, manifest, course.root, solution=True)
    for cell in executed.cells:
        if cell.cell_type == "code":
            cell.outputs = [v4.new_output("stream", name="stdout", text=f"{text}\n")]
            cell.execution_count = 3
            cell.metadata["execution"] = {"iopub.status.busy": "2026-01-01"}
    executed.metadata["widgets"] = {"state": {}}
    committed = build.with_executed_outputs(entry, manifest, executed, course.root)
    entry.solution(course.root).parent.mkdir(parents=True, exist_ok=True)
    entry.solution(course.root).write_text(committed, encoding="utf-8")
    return committed


def test_outputs_are_kept_for_unchanged_cells_only(course, capsys):
    committed = execute_by_hand(course)
    assert 'execution_count": 3' not in committed
    assert "2026-01-01" not in committed
    assert "widgets" not in committed
    course.change("notebooks/source/00_first.py", "import base64", "import  base64")
    build.build(course.root)
    rebuilt = nbformat.read(course.root / "notebooks" / "solutions" / "00_first.ipynb", 4)
    by_source = {cell.source: cell.outputs for cell in rebuilt.cells if cell.cell_type == "code"}
    assert by_source["import  base64, json, os"] == []
    assert by_source['print("the same")'][0].text == "measured\n"


def test_an_output_that_names_this_machines_folders_is_refused(course):
    with pytest.raises(CourseError, match="names the folder"):
        execute_by_hand(course, text=f"saved to {course.root}/x")


# --- staleness --------------------------------------------------------------------------------------------


#: What a learner's copy may hold after an accident.
BROKEN = [b"<<<<<<< HEAD", b"", b"{}", b"[1]", b'{"nbformat": 4, "nbformat_minor": 5}', b"\xff\xfe"]


@pytest.mark.usefixtures("fresh_evidence")
class TestStale:
    def make_fresh(self, course):
        for name in ("00_first", "01_second"):
            manifest = load(course.root)
            entry = next(entry for entry in manifest.lessons if entry.name == name)
            executed = build.notebook(entry, manifest, course.root, solution=True)
            path = entry.solution(course.root)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                build.with_executed_outputs(entry, manifest, executed, course.root), encoding="utf-8"
            )
        build.build(course.root)
        assert build.stale(course.root) == []

    def test_nothing_is_stale_after_a_build(self, course, capsys):
        self.make_fresh(course)
        assert build.check(course.root) == 0

    @pytest.mark.parametrize(
        ("file", "old", "new", "told"),
        [
            ("notebooks/source/00_first.py", "One sentence", "A sentence", ["make lessons"]),
            ("notebooks/source/00_first.py", "2 * x", "x + x", ["make lessons", "EXECUTE=1 LESSONS=00"]),
            ("notebooks/00_first.ipynb", "One sentence", "Edited by hand", ["00_first.ipynb is stale"]),
            ("course.toml", "core = 10", "core = 11", ["README.md is stale", "00_first.ipynb is stale"]),
            ("README.md", "Between", "Between", []),
            ("README.md", "| 00 |", "| 0 |", ["README.md is stale; run: make lessons"]),
        ],
    )
    def test_what_is_stale_is_named_and_nothing_is_changed(self, course, capsys, file, old, new, told):
        self.make_fresh(course)
        course.change(file, old, new)
        before = course.files()
        assert build.check(course.root) == (1 if told else 0)
        printed = capsys.readouterr().out
        assert all(words in printed for words in told), printed
        assert course.files() == before

    def test_a_changed_solution_does_not_touch_the_learners_copy(self, course, capsys):
        self.make_fresh(course)
        course.change("notebooks/source/00_first.py", "2 * x", "x + x")
        assert not any("notebooks/00_first.ipynb" in problem for problem in build.stale(course.root))

    def test_prose_does_not_need_a_new_execution(self, course, capsys):
        self.make_fresh(course)
        course.change("notebooks/source/00_first.py", "One sentence", "A sentence")
        build.build(course.root)
        assert build.stale(course.root) == []

    def test_a_new_address_does_not_need_a_new_execution(self, course, capsys):
        self.make_fresh(course)
        course.change("course.toml", 'repository = ""', 'repository = "https://github.com/o/n"')
        build.build(course.root)
        assert build.stale(course.root) == []

    def test_a_notebook_of_no_lesson_is_named(self, course, capsys):
        self.make_fresh(course)
        (course.root / "notebooks" / "09_gone.ipynb").write_text("{}")
        assert build.stale(course.root) == [
            "notebooks/09_gone.ipynb belongs to no lesson of course.toml; delete it."
        ]

    def test_a_damaged_solution_is_stale_not_fatal(self, course, capsys):
        self.make_fresh(course)
        (course.root / "notebooks" / "solutions" / "00_first.ipynb").write_text("<<<<<<< HEAD")
        assert any("EXECUTE=1" in problem for problem in build.stale(course.root))

    def test_work_in_a_learners_copy_is_named(self, course, capsys):
        self.make_fresh(course)
        work_in(course, lambda cells: cells[2].update(source="my own work"))
        assert build.stale(course.root) == [
            "notebooks/00_first.ipynb may hold work of yours, which is kept in build/kept/; run: make lessons"
        ]

    @pytest.mark.parametrize("text", BROKEN)
    def test_a_broken_learners_copy_is_named_and_rebuilt(self, course, capsys, text):
        self.make_fresh(course)
        path = course.root / "notebooks" / "00_first.ipynb"
        sound = path.read_bytes()
        path.write_bytes(text)
        assert build.check(course.root) == 1
        assert "00_first.ipynb may hold work of yours" in capsys.readouterr().out
        assert path.read_bytes() == text
        build.build(course.root)
        assert path.read_bytes() == sound
        assert (course.root / "build" / "kept" / "00_first-1.ipynb").read_bytes() == text
        assert build.check(course.root) == 0


def work_in(course, change):
    """Open the first learner's copy, change its cells, and save it; returns its path."""
    path = course.root / "notebooks" / "00_first.ipynb"
    mine = nbformat.read(path, 4)
    change(mine.cells)
    nbformat.write(mine, path)
    return path


@pytest.mark.parametrize(
    ("change", "mark"),
    [
        (lambda cells: cells[4].update(source="def double(x):\n    return x + x"), "x + x"),
        (lambda cells: cells[3].update(source="## My notes"), "My notes"),
        (lambda cells: cells.append(v4.new_code_cell("my own cell")), "my own cell"),
        (lambda cells: cells[2].update(execution_count=1), '"execution_count": 1'),
        (lambda cells: cells[2].update(outputs=[v4.new_output("stream", text="seen")]), "seen"),
    ],
    ids=["typed", "notes", "added", "run", "output"],
)
def test_a_rebuild_keeps_work_in_a_learners_copy_aside(course, capsys, change, mark):
    build.build(course.root)
    path = work_in(course, change)
    build.build(course.root)
    assert mark not in path.read_text()
    assert mark in (course.root / "build" / "kept" / "00_first-1.ipynb").read_text()
    assert "build/kept/00_first-1.ipynb" in capsys.readouterr().out


def test_what_nobody_worked_in_is_not_kept(course, capsys):
    """Neither an older build, nor one that another program saved, with an empty cell at its end."""
    build.build(course.root)
    course.change("notebooks/source/00_first.py", "import base64", "import  base64")
    course.change("course.toml", "core = 10", "core = 11")
    build.build(course.root)
    path = work_in(course, lambda cells: cells.append(v4.new_code_cell("\n")))
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4))
    build.build(course.root)
    assert not (course.root / "build" / "kept").exists()


def test_copies_kept_aside_are_never_overwritten(course, capsys):
    for text in ("one", "two"):
        build.build(course.root)
        work_in(course, lambda cells, text=text: cells[2].update(source=text))
    build.build(course.root)
    kept = sorted((course.root / "build" / "kept").iterdir())
    assert ["one" in kept[0].read_text(), "two" in kept[1].read_text()] == [True, True]


def test_launch_links_open_the_learners_copy(course):
    course.change("course.toml", 'repository = ""', 'repository = "https://github.com/o/n"')
    for built in pair(course):
        line = built.cells[0].source
        assert "https://colab.research.google.com/github/o/n/blob/main/notebooks/00_first.ipynb" in line
        assert "solutions" not in line
        assert "mybinder" not in line
    (course.root / "binder").mkdir()
    assert (
        "mybinder.org/v2/gh/o/n/main?urlpath=lab%2Ftree%2Fnotebooks%2F00_first.ipynb"
        in pair(course)[0].cells[0].source
    )


def test_metadata_of_cells_is_json_and_minimal(course):
    for built in pair(course):
        for cell in json.loads(build.to_text(built))["cells"]:
            assert set(cell["metadata"]) <= {"tags", "jupyter", "cellView"}
