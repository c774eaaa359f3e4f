"""The exercises as a course folder of nbgrader: ``python -m helpers nbgrader FOLDER``.

Knows nbgrader's marks (solution regions, hidden tests, points) and how a submitted file can be unfit for
grading. Knows nothing about what an exercise asks: whether an attempt counts is what the lesson's own check
says. nbgrader itself is not needed here; it is the teacher's.

A graded cell is the lesson's check. "Run All" never stops there, since an attempt that fails is replaced by
the reference; so hidden lines around it compare what went in with what came out, and raise.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from helpers import settings
from helpers.course import build
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
from importlib.util import find_spec
from pathlib import Path

VERSION = @version@


class CourseNotFound(Exception):
    def _render_traceback_(self):
        return [f"⚠ {self}"]


if find_spec("helpers") is None:
    folders = [Path.cwd(), *Path.cwd().parents, *(p for p in Path.home().glob("*") if p.is_dir())]
    found = [p for p in folders if (p / "course.toml").exists() and (p / "helpers").is_dir()]
    if not found:
        raise CourseNotFound("The course's folder was not found; ask your teacher where it is.")
    sys.path.insert(0, str(found[0]))
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
        CourseError: if the folder cannot be written.
    """
    manifest = load(root)
    chosen = manifest.choose(wanted)
    try:
        for entry in chosen:
            path = folder / "source" / entry.name / f"{entry.name}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(build.to_text(source_notebook(entry, manifest, root)), encoding="utf-8")
        config = folder / "nbgrader_config.py"
        if not config.exists():
            text = _CONFIG.replace("@seconds@", str(SECONDS)).replace("@root@", repr(str(root.resolve())))
            config.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CourseError(f"{folder} cannot be written ({error.strerror}); name another folder.") from None
    return chosen


# --- what students submitted --------------------------------------------------------------------------------


def _graded(notebook: Any) -> dict[str, str]:
    """The names of nbgrader's cells, each with its kind."""
    found = {}
    for cell in notebook.get("cells", []):
        about = cell.get("metadata", {}).get("nbgrader", {})
        if about.get("grade_id"):
            found[about["grade_id"]] = about["grade_id"].partition("_")[0]
    return found


def _read(path: Path) -> dict[str, Any] | None:
    """The notebook in a file as plain JSON, or None if there is none. Nothing in it is run."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cells = content["cells"]
        usable = isinstance(cells, list) and all(isinstance(cell["metadata"], dict) for cell in cells)
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None
    return content if usable else None


def _problem(path: Path, folder: Path) -> str:
    """Why a submitted file cannot be graded, as one sentence; an empty string if it can."""
    source = folder / "source" / path.parent.name / path.name
    if path.is_symlink():
        return "is a link to another file; ask for the file itself"
    size = path.stat().st_size / 1e6
    if size > HUGE:
        return f"is {size:.0f} MB large, too large to be opened; ask for it without outputs"
    if not source.exists():
        return (
            f"belongs to no assignment here: folder and file should be called as those in {source.parents[1]}"
        )
    notebook = _read(path)
    if notebook is None:
        return "is no notebook that can be read (it may have been cut off); ask for it again"
    expected = _read(source) or {}
    version = expected.get("metadata", {}).get("course", {}).get("version")
    about = notebook.get("metadata", {}).get("course")
    theirs = about.get("version") if isinstance(about, dict) else None
    if theirs is not None and theirs != version:
        return (
            f"is of course version {str(theirs)[:20]!r}, and this assignment of {version!r}; "
            "ask for the same answers in the released notebook"
        )
    missing = sorted(set(_graded(expected)) - set(_graded(notebook)))
    if missing:
        return (
            f"lacks {len(missing)} of the assignment's cells, such as {missing[0]!r}; "
            "ask for the answers in the notebook that nbgrader released"
        )
    return ""


def _slim(path: Path, aside: Path) -> None:
    """Leave the outputs out of a file; the original is kept aside."""
    notebook = _read(path)
    for cell in notebook["cells"]:
        if cell.get("cell_type") == "code":
            cell["outputs"], cell["execution_count"] = [], None
    aside.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, aside)
    light = path.with_suffix(".tmp")
    light.write_text(json.dumps(notebook, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(light, path)


def _free(target: Path) -> Path:
    """`target`, or the first free name like it."""
    number = 2
    found = target
    while found.exists():
        found = target.with_name(f"{target.stem}-{number}{target.suffix}")
        number += 1
    return found


def made_ready(folder: Path) -> Iterator[str]:
    """Make ready what students submitted: a sentence for each file that cannot be graded, or that was large.

    The former are moved to ``set_aside`` with their folder, so that nbgrader grades all others; nothing is
    lost, and nothing in a file is run.

    Raises:
        CourseError: if there is no folder ``submitted``.
    """
    submitted = folder / "submitted"
    if not submitted.is_dir():
        raise CourseError(f"There is no folder {submitted}; collect the students' work there first.")
    for path in sorted(submitted.glob("*/*/*.ipynb")):
        student, assignment = path.parts[-3:-1]
        who = f"{student}, {assignment}: the file"
        problem = _problem(path, folder)
        if problem:
            target = _free(folder / ASIDE / student / assignment)
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # moved with another file of its folder
                shutil.move(path.parent, target)
                yield f"{who} {problem}. It was moved to {target}."
        elif path.stat().st_size > SLIM * 1e6:
            size = path.stat().st_size / 1e6
            target = _free(folder / ASIDE / student / assignment / path.name)
            _slim(path, target)
            yield f"{who} held {size:.0f} MB, so its outputs were left out. The original is kept in {target}."


def run(folder: Path, wanted: Iterable[str] = (), *, look: bool = False) -> int:
    """Export lessons, or with `look` make ready what was submitted; the status is 1 if something is unfit."""
    if look:
        sentences = list(made_ready(folder))
        print("\n".join(sentences) or "Every submitted file can be graded.")
        return int(any("was moved" in sentence for sentence in sentences))
    chosen = export(folder, wanted)
    print(f"{len(chosen)} assignments are in {folder / 'source'}. Next, in {folder}:")
    print("  nbgrader generate_assignment NAME      what students get, in release/")
    print("  python -m helpers nbgrader FOLDER --look   once their work is in submitted/STUDENT/NAME/")
    print("  nbgrader autograde NAME; nbgrader generate_feedback NAME; nbgrader export")
    return 0
