"""nbgrader's whole round with three made-up students: generate, look, autograde, feedback, export."""

from __future__ import annotations

import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers import settings
from helpers.course import build, nbgrader
from helpers.manifest import load

CHOSEN = ["01", "07", "08"]
LONGEST = 60  # CPU seconds that grading one notebook may take
Graded = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def folder(artifacts: Path) -> Path:
    """A fresh course folder with all lessons in it."""
    course = artifacts / "course"
    shutil.rmtree(course, ignore_errors=True)
    nbgrader.export(course)
    return course


@pytest.fixture(scope="module")
def run(tools: Path, folder: Path) -> Graded:
    """Runs a command of nbgrader in the course folder."""
    environment = {**os.environ, "PATH": f"{tools.parent}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore"}
    # nbconvert is borrowed from the course's environment, and so are its templates.
    environment["JUPYTER_PATH"] = str(Path(sys.prefix, "share", "jupyter"))
    environment |= {name: str(folder / name.lower()) for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}

    def call(*command: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(tools), "-m", "nbgrader", *command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        (folder / "log.txt").open("a").write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}")
        assert fails or done.returncode == 0, done.stderr[-2000:]
        return done

    return call


def _cpu_seconds() -> float:
    """The CPU time of all processes that this one has started and seen end, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _lesson(number: str) -> Any:
    return load().choose([number])[0]


def _names(notebook: Any) -> list[str]:
    """The exercises in order."""
    ids = [cell.metadata.get("nbgrader", {}).get("grade_id", "") for cell in notebook.cells]
    return [name.removeprefix("check_") for name in ids if name.startswith("check_")]


def _filled(folder: Path, number: str, how_many: int, wrong: str = "") -> Any:
    """The released notebook with the first exercises solved, and one of the others answered wrongly."""
    import nbformat

    entry = _lesson(number)
    notebook = nbformat.read(folder / "release" / entry.name / f"{entry.name}.ipynb", 4)
    source = nbgrader.source_notebook(entry, load())
    solved = {cell.id: cell.source for cell in source.cells}
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "").removeprefix("solution_")
        if name in _names(source)[:how_many]:
            cell.source = build.unmark(solved[cell.id].replace("### ", "# "))
        elif wrong and name == wrong:
            cell.source = cell.source.replace("raise NotImplementedError", "return 0")
    return notebook


def _submit(folder: Path, student: str, number: str, text: str) -> Path:
    name = _lesson(number).name
    path = folder / "submitted" / student / name / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_nbgrader_releases_every_lesson_as_the_learners_copy(
    folder: Path, run: Graded, record: Callable[..., None]
) -> None:
    import nbformat

    start = time.perf_counter()
    names = [entry.name for entry in load().lessons]
    for entry in load().lessons:
        run("generate_assignment", entry.name)
    record(lessons_generated=len(names), seconds_to_generate=round(time.perf_counter() - start))
    for entry in load().lessons:
        released = nbformat.read(folder / "release" / entry.name / f"{entry.name}.ipynb", 4)
        learner = nbformat.read(entry.learner(settings.ROOT), 4)
        ours, theirs = (
            [(c.id, c.source) for c in n.cells if c.id != "bootstrap"] for n in (learner, released)
        )
        assert [source for _, source in theirs] == [source for _, source in ours]
        text = "".join(cell.source for cell in released.cells)
        assert "### BEGIN" not in text
        assert "_Attempt" not in text


def test_three_students_get_exactly_their_points(
    folder: Path, run: Graded, record: Callable[..., None]
) -> None:
    expected: dict[tuple[str, str], tuple[float, float]] = {}
    for number in CHOSEN:
        entry = _lesson(number)
        source = nbgrader.source_notebook(entry, load())
        names = _names(source)
        points = [
            cell.metadata["nbgrader"]["points"]
            for cell in source.cells
            if "points" in cell.metadata.get("nbgrader", {})
        ]
        half = len(names) // 2
        for student, solved, wrong in [("ada", len(names), ""), ("ben", half, names[-1]), ("cleo", 0, "")]:
            import nbformat

            _submit(folder, student, number, nbformat.writes(_filled(folder, number, solved, wrong)))
            expected[entry.name, student] = float(sum(points[:solved])), float(sum(points))
    assert nbgrader.run(folder, look=True) == 0
    seconds, of_cpu = {}, {}
    for number in CHOSEN:
        name = _lesson(number).name
        start, before = time.perf_counter(), _cpu_seconds()
        run("autograde", name)
        seconds[number] = round((time.perf_counter() - start) / 3, 1)
        of_cpu[number] = round((_cpu_seconds() - before) / 3, 1)
        run("generate_feedback", name)
        assert len(list((folder / "feedback").glob(f"*/{name}/{name}.html"))) == 3
    record(seconds_to_grade_one=seconds, cpu_seconds_to_grade_one=of_cpu)
    run("export", "--to", str(folder / "grades.csv"))
    with (folder / "grades.csv").open() as file:
        rows = list(csv.DictReader(file))
    got = {
        (row["assignment"], row["student_id"]): (float(row["score"] or 0), float(row["max_score"]))
        for row in rows
        if (row["assignment"], row["student_id"]) in expected
    }
    record(scores={f"{student} {name[:2]}": value for (name, student), value in sorted(got.items())})
    assert got == expected
    assert max(of_cpu.values()) < LONGEST


def test_unfit_files_get_a_sentence_each_and_the_others_are_graded(
    folder: Path, run: Graded, record: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    import nbformat

    number = "01"
    name = _lesson(number).name
    right = _filled(folder, number, 9)
    whole = nbformat.writes(right)
    _submit(folder, "dora", number, whole[: len(whole) // 2])
    other = json.loads(whole)
    other["metadata"]["course"]["version"] = "0.0.1"
    _submit(folder, "emil", number, json.dumps(other))
    huge = json.loads(whole)
    huge["cells"][4].update(
        outputs=[{"output_type": "stream", "name": "stdout", "text": "x" * 100_000_000}], execution_count=1
    )
    _submit(folder, "fay", number, json.dumps(huge))
    _submit(folder, "gus", number, _lesson(number).learner(settings.ROOT).read_text(encoding="utf-8"))
    twice = json.loads(whole)
    place = next(
        at for at, cell in enumerate(twice["cells"]) if cell["metadata"].get("nbgrader", {}).get("solution")
    )
    first = {**twice["cells"][place], "id": "a-first-try", "source": "raise ValueError('a first try')"}
    twice["cells"].insert(place, first)
    _submit(folder, "hal", number, json.dumps(twice))
    start = time.perf_counter()
    assert nbgrader.run(folder, look=True) == 1
    record(seconds_to_look=round(time.perf_counter() - start, 1))
    said = capsys.readouterr().out.splitlines()
    told = [line for line in said if line.startswith(("dora", "emil", "fay", "gus", "hal"))]
    record(sentences=[line.replace(str(folder), "FOLDER") for line in told])
    assert len(told) == 5
    assert "no notebook that can be read" in told[0]
    assert "of course version '0.0.1'" in told[1]
    assert "held 100 MB" in told[2]
    assert "lacks" in told[3]
    assert "marks put right" in told[4]
    aside = folder / nbgrader.ASIDE
    assert (aside / "dora" / name / f"{name}.ipynb").read_text() == whole[: len(whole) // 2]
    assert (aside / "fay" / name / f"{name}.ipynb").stat().st_size > 100_000_000
    run("autograde", name)
    run("export", "--to", str(folder / "grades2.csv"))
    with (folder / "grades2.csv").open() as file:
        score = {row["student_id"]: row["score"] for row in csv.DictReader(file) if row["assignment"] == name}
    assert float(score["hal"]) == float(score["fay"]) == float(score["ada"]) > 0
    assert nbgrader.run(folder, look=True) == 0
