"""The exercises as a course folder of nbgrader: ``python -m helpers nbgrader FOLDER``.

Knows nbgrader's marks (solution regions, hidden tests, points) and how a submitted file can be unfit for
grading. Knows nothing about what an exercise asks: whether an attempt counts is what the lesson's own check
says. nbgrader itself is not needed here; it is the teacher's.

A graded cell is the lesson's check. "Run All" never stops there, since an attempt that fails is replaced by
the reference; so hidden lines around it compare what went in with what came out, and raise.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from helpers import settings
from helpers.course import build
from helpers.course.stick import copy_file, explained
from helpers.manifest import LessonEntry, Manifest, load
from helpers.settings import CourseError

SCHEMA = 3  # of nbgrader's metadata
SECONDS = 120  # that one cell may take when it is graded
SLIM, HUGE = 5, 500  # megabytes: a file from here on loses its outputs; is not opened any more
ASIDE = "set_aside"

_CHECK = re.compile(r"^(\w+) = lesson\.check\(\1\)$", re.M)
_CARD = re.compile(r"> \*\*Exercise \d · `(\w+)`\*\* · ([★☆]{3})")

#: It replaces the bootstrap cell: what nbgrader releases lies beside the course's folder, not inside it.
_FIND = """\
# @title Find the course { display-mode: "form" }
# Nothing to change here: it looks for the course's folder, above this notebook and in your home folder.
import os
import sys
import tempfile
from pathlib import Path

VERSION = @version@


class CourseNotFound(Exception):
    def _render_traceback_(self):
        return [f"⚠ {self}"]


folders = [*map(Path, sys.path), Path.cwd(), *Path.cwd().parents, *sorted(Path.home().glob("*"))]
# os.path: a folder that may not be looked into, such as lost+found, is none of them.
found = [p for p in folders if os.path.exists(p / "course.toml") and os.path.isdir(p / "helpers")]
if not found:
    raise CourseNotFound("The course's folder was not found; ask your teacher where it is.")
sys.path.insert(0, str(found[0].resolve()))  # first, before anything else that is called helpers
if os.environ.get("NBGRADER_EXECUTION"):  # when graded: at the smallest size, and with nobody's progress
    from helpers import settings

    os.environ.setdefault("COURSE_SMOKE", "1")
    os.environ.setdefault("COURSE_CACHE", str(settings.cache_dir()))
    home_of_this_run = tempfile.TemporaryDirectory()
    os.environ["COURSE_HOME"] = home_of_this_run.name
    os.environ["COURSE_PROGRESS"] = str(Path(home_of_this_run.name, "progress.json"))
import helpers

if helpers.__version__ != VERSION:
    print(f"This notebook is of course version {VERSION}, the course's folder of {helpers.__version__}.")"""

_CONFIG = """\
# Written by `python -m helpers nbgrader`; yours from now on: it is not written again.
import os

c = get_config()
c.CourseDirectory.course_id = "cats_to_kto"
c.CourseDirectory.root = os.path.dirname(os.path.abspath(__file__))
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\\nraise NotImplementedError"}
c.Execute.timeout = @seconds@
# Where the kernels that grade find the course.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [@root@, os.environ.get("PYTHONPATH")]))
"""


# --- what runs in a graded cell -----------------------------------------------------------------------------


class Attempt:
    """What a learner wrote, from before its check to after it. nbgrader gives 0 points for what raises."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Keep the attempt, and keep warnings off: nbgrader takes a line on stderr for an error."""
        self._function = function
        self._stderr, sys.stderr = sys.stderr, io.StringIO()

    def must_pass(self, judged: Callable[..., Any]) -> None:
        """Raise unless the check gave the attempt back: in place of any other it gives the reference.

        Raises:
            AssertionError: if the attempt did not pass, or is the reference itself.
        """
        sys.stderr = self._stderr
        written_in = getattr(getattr(self._function, "__code__", None), "co_filename", "")
        own = Path(written_in).parent != settings.ROOT / "notebooks" / "source"
        passed = judged is self._function and own
        assert passed, "0 points: the check above says what does not hold yet."


_BEFORE = """\
### BEGIN HIDDEN TESTS
from helpers.course.nbgrader import Attempt as _Attempt
_attempt = _Attempt(@name@)
### END HIDDEN TESTS
"""
_AFTER = """
### BEGIN HIDDEN TESTS
_attempt.must_pass(@name@)
### END HIDDEN TESTS"""


# --- from a lesson to an assignment -------------------------------------------------------------------------


def _points(cells: Iterable[Any]) -> dict[str, int]:
    """The points of every exercise: the stars on its card."""
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return {name: stars.count("★") for name, stars in _CARD.findall(text)}


def _marked(kind: str, name: str, points: int | None = None) -> dict[str, Any]:
    about = {
        "grade": points is not None,
        "solution": kind == "solution",
        "locked": kind != "solution",
        "task": False,
        "grade_id": f"{kind}_{name}",
        "schema_version": SCHEMA,
    }
    return about if points is None else about | {"points": points}


def source_notebook(entry: LessonEntry, manifest: Manifest, root: Path = settings.ROOT) -> Any:
    """A lesson as nbgrader's source: the learner's copy, its solutions marked, its checks graded.

    Raises:
        CourseError: if an exercise has a check without a solution, or a solution without a check.
    """
    import jupytext

    built = build.notebook(entry, manifest, root, solution=False)
    cells = jupytext.read(entry.source(root), fmt="py:percent").cells
    solved = {
        build.strip_solutions(cell.source): cell.source for cell in cells if "# BEGIN SOLUTION" in cell.source
    }
    points = _points(built.cells)
    solutions, checks = [], []
    for cell in built.cells:
        if cell.cell_type != "code":
            continue
        check = _CHECK.search(cell.source)
        if cell.id == "bootstrap":
            cell.source = _FIND.replace("@version@", json.dumps(manifest.version))
            cell.metadata["nbgrader"] = _marked("find", "course")
        elif cell.source in solved:
            names = [name for name in points if f"def {name}(" in cell.source]
            cell.source = re.sub(r"# (BEGIN|END) SOLUTION", r"### \1 SOLUTION", solved[cell.source])
            solutions += names
            cell.metadata["nbgrader"] = _marked("solution", "_".join(names))
        elif check:
            name = check[1]
            checks.append(name)
            cell.source = _BEFORE.replace("@name@", name) + cell.source + _AFTER.replace("@name@", name)
            cell.metadata["nbgrader"] = _marked("check", name, points.get(name, 1))
    if solutions != checks:
        raise CourseError(f"Lesson {entry.id} has solutions of {solutions} and checks of {checks}.")
    built.metadata["course"] = {"lesson": entry.id, "version": manifest.version}
    return built


def export(folder: Path, wanted: Iterable[str] = (), root: Path = settings.ROOT) -> list[LessonEntry]:
    """Write lessons as assignments into nbgrader's course folder. What is not the course's stays.

    Raises:
        CourseError: if the folder cannot be written, or is inside the course.
    """
    folder = folder.expanduser().resolve()
    if folder.is_relative_to(root) and not folder.is_relative_to(root / "build"):
        raise CourseError(f"Name a folder outside of the course ({root}), such as ../grading.")
    manifest = load(root)
    chosen = manifest.choose(wanted)
    try:
        for entry in chosen:
            path = folder / "source" / entry.name / f"{entry.name}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            text = build.to_text(source_notebook(entry, manifest, root))
            if path.exists() and path.read_bytes() != text.encode():
                kept = _free(folder / ASIDE / "source" / path.name)
                copy_file(path, kept)
                print(f"{path.name} was another; what it was is kept in {kept}.")
            path.write_text(text, encoding="utf-8")
        config = folder / "nbgrader_config.py"
        if not config.exists():
            text = _CONFIG.replace("@seconds@", str(SECONDS)).replace("@root@", repr(str(root.resolve())))
            config.write_text(text, encoding="utf-8")
    except OSError as error:
        raise explained(error, folder) from None
    return chosen


# --- what students submitted --------------------------------------------------------------------------------


class Found(NamedTuple):
    """What `made_ready` says about one student's work; an empty sentence if there is nothing to say."""

    sentence: str
    fit: bool


def _marks(notebook: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """nbgrader's marks in one of our own notebooks, by name."""
    cells = (cell["metadata"].get("nbgrader") for cell in notebook["cells"])
    return {about["grade_id"]: about for about in cells if about}


def _read(path: Path) -> dict[str, Any] | None:
    """The notebook in a file as plain JSON, or None if nbgrader could not read it. Nothing in it is run."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        usable = content["nbformat"] == 4 and isinstance(content["nbformat_minor"], int)
        usable = usable and isinstance(content["metadata"], dict)
        for cell in content["cells"]:
            "".join(cell["source"]).encode()
            usable = usable and isinstance(cell["metadata"], dict)
            usable = usable and cell["cell_type"] in ("code", "markdown", "raw")
            usable = usable and isinstance(cell.get("outputs", []), list)
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None
    return content if usable else None


def _name(cell: dict[str, Any]) -> Any:
    """What nbgrader's mark on a student's cell calls it, of whatever type; None without a mark."""
    about = cell["metadata"].get("nbgrader")
    return about.get("grade_id") if isinstance(about, dict) else None


def _problem(work: Path, folder: Path) -> str:
    """Why a student's work cannot be graded, for a sentence; an empty string if it can."""
    path = work / f"{work.name}.ipynb"
    source = folder / "source" / work.name / path.name
    if work.is_symlink() or path.is_symlink():
        return "it is a link to something else; ask for the file itself"
    if not f"{work.parent.name}{work.name}".isprintable():
        return "its name has letters that cannot be printed; rename it and put it back"
    if not work.is_dir():
        return "it lies in no assignment's folder; put it into submitted/STUDENT/NAME/NAME.ipynb"
    if not source.exists():
        names = f"folder and file should be called as those in {source.parents[1]}"
        return f"it belongs to no assignment here: {names}"
    if not path.is_file():
        return f"there is no {path.name} in it, whose name tells what it is; rename the file, or ask for it"
    size = path.stat().st_size / 1e6
    if size > HUGE:
        return f"the file is {size:.0f} MB large, too large to be opened; ask for it without outputs"
    notebook = _read(path)
    if notebook is None:
        return "the file is no notebook that can be read (it may have been cut off); ask for it again"
    expected = _read(source) or {"cells": [], "metadata": {}}
    version = expected["metadata"].get("course", {}).get("version")
    about = notebook["metadata"].get("course")
    theirs = about.get("version") if isinstance(about, dict) else None
    if theirs is not None and theirs != version:
        return (
            f"the file is of course version {str(theirs)[:20]!r}, and this assignment of {version!r}; "
            "ask for the same answers in the released notebook"
        )
    names = [_name(cell) for cell in notebook["cells"]]
    missing = sorted(name for name in _marks(expected) if name not in names)
    if missing:
        return (
            f"the file lacks {len(missing)} of the assignment's cells, such as {missing[0]!r}; "
            "ask for the answers in the notebook that nbgrader released"
        )
    return ""


def _mend_marks(notebook: dict[str, Any], expected: dict[str, dict[str, Any]]) -> int:
    """Put nbgrader's marks right, and say on how many cells.

    A cell that is there twice, as after copy and paste, counts once: the last. nbgrader (0.9.6) has the same
    rule, but stops the grading of everybody when it comes to it, or to a cell of another course.
    """
    mended, seen = 0, set()
    for cell in reversed(notebook["cells"]):
        name = _name(cell)
        if isinstance(name, str) and name in expected and name not in seen:
            seen.add(name)
            about = cell["metadata"]["nbgrader"]
            right = about | {key: value for key, value in expected[name].items() if key != "points"}
            if about != right or cell["cell_type"] != "code":
                cell["metadata"]["nbgrader"], cell["cell_type"] = right, "code"
                cell.setdefault("outputs", [])
                cell.setdefault("execution_count", None)
                mended += 1
        elif "nbgrader" in cell["metadata"]:
            del cell["metadata"]["nbgrader"]
            mended += 1
    return mended


def _drop_outputs(notebook: dict[str, Any]) -> bool:
    """Leave a notebook's outputs out. Returns whether it had any."""
    having = [cell for cell in notebook["cells"] if cell.get("outputs")]
    for cell in having:
        cell["outputs"], cell["execution_count"] = [], None
    return bool(having)


def _made_fit(path: Path, source: Path, aside: Path) -> str:
    """Change what keeps a readable notebook from being graded; the original is kept aside. Says what."""
    notebook, done = _read(path), []
    if path.stat().st_size > SLIM * 1e6 and _drop_outputs(notebook):
        done.append(f"held {path.stat().st_size / 1e6:.0f} MB, so its outputs were left out")
    mended = _mend_marks(notebook, _marks(_read(source)))
    if mended:
        marks = f"{mended} of nbgrader's marks put right"
        done.append(f"had {marks} (where a cell is there twice, the last counts)")
    if not done:
        return ""
    kept = _free(aside)
    copy_file(path, kept)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return f"the file {' and '.join(done)}. The original is kept in {kept}"


def _free(target: Path) -> Path:
    """`target`, or the first free name like it."""
    number = 2
    found = target
    while os.path.lexists(found):
        found = target.with_name(f"{target.stem}-{number}{target.suffix}")
        number += 1
    return found


def _works(submitted: Path) -> Iterator[Path]:
    """What ought to be the folders of students' assignments; also notebooks and links in their place."""
    for student in sorted(submitted.glob("[!.]*")):
        inside = sorted(student.glob("[!.]*")) if student.is_dir() and not student.is_symlink() else [student]
        yield from (path for path in inside if path.is_dir() or path.is_symlink() or path.suffix == ".ipynb")


def made_ready(folder: Path) -> Iterator[Found]:
    """Make ready what students submitted, and say what was done, for each student's assignment.

    What cannot be graded is moved to ``set_aside`` with its folder, so that nbgrader grades all others;
    nothing is lost, and nothing in a file is run. Run again, it finds nothing more to do.

    Raises:
        CourseError: if nothing was submitted, or the folder cannot be written.
    """
    folder = folder.expanduser().resolve()
    submitted = folder / "submitted"
    if not submitted.is_dir():
        raise CourseError(f"There is no folder {submitted}; collect the students' work there first.")
    works = list(_works(submitted))
    if not works:
        raise CourseError(f"There is no work in {submitted}; collect it in STUDENT/NAME/NAME.ipynb there.")
    for work in works:
        inside = work.relative_to(submitted)
        try:
            problem = _problem(work, folder)
            if problem:
                target = _free(folder / ASIDE / inside)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(work, target)
                sentence = f"{problem}. It was moved to {target}"
            else:
                path = work / f"{work.name}.ipynb"
                source = folder / "source" / work.name / path.name
                sentence = _made_fit(path, source, folder / ASIDE / inside / path.name)
        except FileNotFoundError:  # somebody else looks, too
            continue
        except OSError as error:
            raise explained(error, folder, "look as somebody who may write there") from None
        yield Found(sentence and f"{', '.join(inside.parts)}: {sentence}.", fit=not problem)


def _print(sentence: str) -> None:
    """Print at once, a student's name that holds control characters included: it must not obey them."""
    print("".join(letter if letter.isprintable() else "�" for letter in sentence), flush=True)


def run(folder: Path, wanted: Iterable[str] = (), *, look: bool = False) -> int:
    """Export lessons, or with `look` make ready what was submitted; the status is 1 if something is unfit."""
    if look:
        fit = []
        for found in made_ready(folder):
            fit.append(found.fit)
            if found.sentence:
                _print(found.sentence)
        print(f"{sum(fit)} of {len(fit)} submitted notebooks can be graded.")
        return int(not all(fit))
    chosen = export(folder, wanted)
    print(f"{len(chosen)} assignments are in {folder / 'source'}. Next, in {folder}:")
    print("  nbgrader generate_assignment NAME      what students get, in release/")
    print("  python -m helpers nbgrader FOLDER --look   once their work is in submitted/STUDENT/NAME/")
    print("  nbgrader autograde NAME; nbgrader generate_feedback NAME; nbgrader export")
    return 0
