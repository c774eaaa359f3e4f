"""From percent sources to notebooks: the learner's copy, and the solution with its committed outputs.

Knows the marks in a source (``# BEGIN SOLUTION``, the tags ``solution-only`` and ``volatile``), what a
committed output may hold, and when a generated file is stale. Knows nothing about what a lesson teaches.

Everything here is deterministic: the same sources give the same bytes.
"""

from __future__ import annotations

import copy
import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from helpers import settings
from helpers.course import bootstrap, classroom, evidence, readme
from helpers.lesson.clock import cell_name
from helpers.manifest import LessonEntry, Manifest, load
from helpers.settings import CourseError

_REGION = re.compile(
    r"^([ \t]*)# BEGIN SOLUTION[ \t]*\n(.*?)^[ \t]*# END SOLUTION[ \t]*(?:\n|\Z)", re.M | re.S
)
_MARK = re.compile(r"^[ \t]*# (?:BEGIN|END) SOLUTION[ \t]*(?:\n|\Z)", re.M)
_KERNEL = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

#: Where a rebuild puts learners' copies that hold work, below the course's root.
_KEPT = "build/kept"

REBUILD = "make lessons"
EXECUTE = "make lessons EXECUTE=1"


# --- from one source to two notebooks -----------------------------------------------------------------------


def strip_solutions(code: str) -> str:
    """`code` with every solution region replaced by a place for the learner's own.

    Raises:
        CourseError: if the marks do not pair up, or a region stands outside a function, where an unsolved
            exercise would stop "Run All".
    """

    def place(match: re.Match[str]) -> str:
        indent = match[1]
        if not indent:
            raise CourseError(
                "A solution region must stand inside a function, so that 'Run All' gets past it."
            )
        if "# BEGIN SOLUTION" in match[2]:
            raise CourseError("A '# BEGIN SOLUTION' has no '# END SOLUTION' before the next one.")
        return f"{indent}# YOUR CODE HERE\n{indent}raise NotImplementedError\n"

    stripped = _REGION.sub(place, code).rstrip("\n")
    if _MARK.search(stripped):
        raise CourseError("A '# BEGIN SOLUTION' or '# END SOLUTION' stands alone; each needs the other.")
    return stripped


def unmark(code: str) -> str:
    """`code` with the solutions kept and only their marks removed."""
    return _MARK.sub("", code).rstrip("\n")


def _tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _launch_links(entry: LessonEntry, manifest: Manifest, root: Path) -> list[str]:
    """Links that open the learner's copy elsewhere; none until the course has an address."""
    if not manifest.repository:
        return []
    path = f"notebooks/{entry.name}.ipynb"
    links = [f"[Open in Colab]({readme.colab_url(manifest, path)})"]
    if (root / "binder").is_dir():
        links.append(f"[Open on Binder]({readme.binder_url(manifest, path)})")
    return links


def facts_line(entry: LessonEntry, manifest: Manifest, root: Path) -> str:
    """The generated line below a lesson's title: where to open it, and its facts."""
    return " · ".join([*_launch_links(entry, manifest, root), facts(entry)])


def facts(entry: LessonEntry) -> str:
    """A lesson's minutes, its memory, and what comes before it, in a line."""
    before = " and ".join(entry.requires) or "nothing"
    minutes = f"≈ {entry.minutes_core} minutes for the core, {entry.minutes_full} for everything"
    return f"{minutes} · up to {entry.peak_mb:g} MB of memory · before this: {before}"


def solution_line(entry: LessonEntry) -> str:
    """The generated line below a solution's title."""
    return f"This is the solution, executed; [the learner's copy](../{entry.name}.ipynb) has gaps to fill."


def _cell_ids(digests: Iterable[str]) -> Iterator[str]:
    """A stable id per cell: the hash of its text, made unique by -2, -3 … in order."""
    seen: dict[str, int] = {}
    for digest in digests:
        seen[digest] = seen.get(digest, 0) + 1
        yield digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"


def _source_cells(source: Path) -> list[Any]:
    import jupytext

    if not source.exists():
        raise CourseError(f"There is no {source}; course.toml names it.")
    cells = jupytext.read(source, fmt="py:percent").cells
    if not cells or cells[0].cell_type != "markdown" or not cells[0].source.startswith("# "):
        raise CourseError(f"{source.name} must begin with a markdown cell whose first line is its title.")
    return cells


def _learner_text(cell: Any, source: Path) -> str:
    if cell.cell_type != "code":
        return cell.source
    try:
        return strip_solutions(cell.source)
    except CourseError as error:
        raise CourseError(f"{source.name}, the cell that begins {cell.source[:60]!r}: {error}") from None


def _with_facts(text: str, entry: LessonEntry, manifest: Manifest, root: Path, *, solution: bool) -> str:
    """The title cell with the generated lines below its title."""
    title, _, rest = text.partition("\n")
    lines = [facts_line(entry, manifest, root)]
    if solution:
        lines.append(solution_line(entry))
    return "\n\n".join([title, *lines, rest.strip("\n")])


def _metadata(tags: list[str]) -> dict[str, Any]:
    return {"tags": tags} if tags else {}


def notebook(entry: LessonEntry, manifest: Manifest, root: Path = settings.ROOT, *, solution: bool) -> Any:
    """One lesson's notebook without outputs: the learner's copy or the solution. They share cell ids.

    Raises:
        CourseError: if the source is missing or its marks are wrong.
    """
    from nbformat import v4, validate

    source = entry.source(root)
    cells = _source_cells(source)
    learner_texts = [_learner_text(cell, source) for cell in cells]
    ids = _cell_ids(cell_name(cell.cell_type, text) for cell, text in zip(cells, learner_texts, strict=True))
    built = []
    for cell, learner_text, cell_id in zip(cells, learner_texts, ids, strict=True):
        tags = _tags(cell)
        if "solution-only" in tags and not solution:
            continue
        make = v4.new_code_cell if cell.cell_type == "code" else v4.new_markdown_cell
        text = unmark(cell.source) if solution else learner_text
        built.append(make(text, id=cell_id, metadata=_metadata(tags)))
    built[0].source = _with_facts(built[0].source, entry, manifest, root, solution=solution)
    found = v4.new_code_cell(
        bootstrap.cell_source(manifest),
        id="bootstrap",
        metadata={"tags": ["bootstrap"], "jupyter": {"source_hidden": True}, "cellView": "form"},
    )
    built.insert(1, found)
    result = v4.new_notebook(cells=built, metadata=copy.deepcopy(_KERNEL))
    validate(result)
    return result


def to_text(built: Any) -> str:
    """A notebook's file as text; the same bytes for the same notebook."""
    import nbformat

    return nbformat.writes(built).rstrip("\n") + "\n"


# --- outputs that are committed -----------------------------------------------------------------------------


def code_hash(built: Any) -> str:
    """What a solution's outputs depend on: its code cells in order, but for the bootstrap cell."""
    digest = hashlib.sha256()
    for cell in built.cells:
        if cell.cell_type == "code" and "bootstrap" not in _tags(cell):
            digest.update(f"{','.join(_tags(cell))}\n{cell.source}\0".encode())
    return digest.hexdigest()[:16]


def _as_text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "".join(value)


def _committed_output(output: Any) -> Any | None:
    """An output as it may be committed, or None if nothing of it may."""
    from nbformat import v4

    if output.output_type == "stream":
        if output.name == "stderr":
            return None
        return v4.new_output("stream", name="stdout", text=_without_addresses(_as_text(output.text)))
    if output.output_type == "error":
        return v4.new_output("error", ename=output.ename, evalue=output.evalue, traceback=[output.evalue])
    data = {kind: value for kind, value in output.data.items() if kind != _WIDGET_VIEW}
    if _WIDGET_VIEW in output.data and set(data) <= {"text/plain"}:
        return None  # a widget with no fallback has nothing that a static page could show
    if "text/plain" in data:
        data["text/plain"] = _without_addresses(_as_text(data["text/plain"]))
    return v4.new_output(output.output_type, data=data)


def _without_addresses(text: str) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def committed_outputs(cell: Any) -> list[Any]:
    """A code cell's outputs without what changes from run to run; none for a cell tagged ``volatile``."""
    if {"volatile", "bootstrap"} & set(_tags(cell)):
        return []
    kept: list[Any] = []
    for output in filter(None, map(_committed_output, cell.outputs)):
        if kept and output.output_type == "stream" == kept[-1].output_type:
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def _with_outputs(built: Any, outputs: dict[str, list[Any]], executed: str | None) -> Any:
    for cell in built.cells:
        if cell.cell_type == "code":
            cell.outputs = outputs.get(cell.id, [])
    if executed:
        built.metadata["course"] = {"executed": executed}
    return built


def _read(path: Path) -> Any | None:
    """The notebook in a file, or None if the file holds none that can be read (as after a bad merge)."""
    import nbformat

    try:
        found = nbformat.read(path, 4)
        nbformat.validate(found)
    except Exception:  # nbformat raises whatever its parts raise
        return None
    return found


def _committed(path: Path) -> tuple[dict[str, list[Any]], str | None]:
    """Per cell id the outputs of the committed solution, and the hash of the code they came from."""
    old = _read(path) if path.exists() else None
    if old is None:
        return {}, None
    outputs = {cell.id: cell.outputs for cell in old.cells if cell.cell_type == "code"}
    return outputs, old.metadata.get("course", {}).get("executed")


def _solution_text(entry: LessonEntry, manifest: Manifest, root: Path) -> str:
    """The solution's file, with the committed outputs of every cell that has not changed."""
    outputs, executed = _committed(entry.solution(root))
    return to_text(_with_outputs(notebook(entry, manifest, root, solution=True), outputs, executed))


def with_executed_outputs(
    entry: LessonEntry, manifest: Manifest, executed: Any, root: Path = settings.ROOT
) -> str:
    """The solution's file with the committable outputs of an executed copy of it.

    Raises:
        CourseError: if an output names a folder of this machine.
    """
    outputs = {cell.id: committed_outputs(cell) for cell in executed.cells if cell.cell_type == "code"}
    built = notebook(entry, manifest, root, solution=True)
    text = to_text(_with_outputs(built, outputs, code_hash(built)))
    for folder in {str(root.resolve()), str(Path.home())} - {"/"}:
        if folder in text and len(folder) > 5:
            raise CourseError(
                f"An output of {entry.name} names the folder {folder}; tag its cell 'volatile'."
            )
    return text


# --- the whole course ---------------------------------------------------------------------------------------


def worked_in(path: Path) -> bool:
    """Whether a learner's copy holds work that a rebuild would destroy; an unreadable one may.

    Every build, committed or not, names a cell by the hash of its text. So a cell that someone has added or
    typed into does not have the name of its text, whichever build the copy came from.
    """
    if not path.exists():
        return False
    found = _read(path)
    return found is None or any(map(_holds_work, found.cells[1:]))


def _holds_work(cell: Any) -> bool:
    if cell.get("outputs") or cell.get("execution_count"):
        return True
    generated = "bootstrap" in _tags(cell) or cell.id.split("-")[0] == cell_name(cell.cell_type, cell.source)
    return bool(cell.source.strip()) and not generated


def _write(path: Path, text: str) -> bool:
    """Write `text` if it differs from the file. Returns whether it did."""
    if path.exists() and path.read_bytes() == text.encode():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return True


def keep_outputs(entry: LessonEntry, manifest: Manifest, executed: Any, root: Path = settings.ROOT) -> None:
    """Write the solution's file with what may be committed of an executed copy's outputs.

    Raises:
        CourseError: if an output names a folder of this machine.
    """
    _write(entry.solution(root), with_executed_outputs(entry, manifest, executed, root))


def keep_aside(path: Path, root: Path) -> None:
    aside = root / _KEPT
    aside.mkdir(parents=True, exist_ok=True)
    number = 1
    while (target := aside / f"{path.stem}-{number}.ipynb").exists():
        number += 1
    shutil.copy2(path, target)
    print(f"{path.name} may hold work of yours; it was copied to {target.relative_to(root)} first.")


def build(root: Path = settings.ROOT) -> None:
    """Rebuild every generated file, and print which ones changed."""
    manifest = load(root)
    changed = []
    for entry in manifest.lessons:
        learner = to_text(notebook(entry, manifest, root, solution=False))
        if worked_in(entry.learner(root)):
            keep_aside(entry.learner(root), root)
        changed += [entry.learner(root)] * _write(entry.learner(root), learner)
        changed += [entry.solution(root)] * _write(
            entry.solution(root), _solution_text(entry, manifest, root)
        )
    changed += readme.update(manifest, root) + classroom.update(manifest, root)
    for path in changed:
        print(f"wrote {path.relative_to(root)}")
    print(f"{len(changed)} files changed." if changed else "Every generated file is up to date.")


def stale(root: Path = settings.ROOT) -> list[str]:
    """A sentence for every generated file that does not fit what it is generated from, naming what to run."""
    manifest = load(root)
    problems = []
    for entry in manifest.lessons:
        learner, solution = entry.learner(root), entry.solution(root)
        plain = notebook(entry, manifest, root, solution=True)
        expected = {
            learner: to_text(notebook(entry, manifest, root, solution=False)),
            solution: _solution_text(entry, manifest, root),
        }
        for path, text in expected.items():
            if not path.exists() or path.read_bytes() != text.encode():
                holds_work = path == learner and worked_in(path)
                what = f"may hold work of yours, which is kept in {_KEPT}/" if holds_work else "is stale"
                problems.append(f"{path.relative_to(root)} {what}; run: {REBUILD}")
        if _committed(solution)[1] != code_hash(plain):
            problems.append(
                f"The outputs in {solution.relative_to(root)} are stale; run: {EXECUTE} LESSONS={entry.id}"
            )
        sentence = evidence.stale(entry.id, root)
        if sentence:
            problems.append(sentence)
    known = {path for entry in manifest.lessons for path in (entry.learner(root), entry.solution(root))}
    notebooks = root / "notebooks"
    for path in sorted([*notebooks.glob("[0-9][0-9]_*.ipynb"), *notebooks.glob("solutions/*.ipynb")]):
        if path not in known:
            problems.append(f"{path.relative_to(root)} belongs to no lesson of course.toml; delete it.")
    return problems + readme.stale(manifest, root) + classroom.stale(manifest, root)


def check(root: Path = settings.ROOT) -> int:
    """Print what is stale. Changes nothing; exit status 1 if anything is."""
    problems = stale(root)
    for problem in problems:
        print(problem)
    if not problems:
        print("Every generated file is up to date.")
    return int(bool(problems))
