"""Deletion: one person's thumbs taken out of every file below a folder, and nothing else.

Knows which files may hold thumbs, copies and leftovers included, and how people are named. Knows nothing
about what is trained on thumbs: whoever trained before a deletion trains again.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from helpers.data import jsonl
from helpers.data.jsonl import BrokenLine, Row
from helpers.settings import CourseError


@dataclass
class Deleted:
    """What a deletion did.

    Attributes:
        rows: how many rows were removed from each file; files that held none are left out.
        names: the annotators whose rows stay, with how many.
        broken: lines that are not JSON: they stay as they are, whoever wrote them.
        left: files that were not touched, and why.
        progress: copies of a learner's progress that were removed with their thumbs.
    """

    rows: dict[Path, int] = field(default_factory=dict)
    names: Counter[str] = field(default_factory=Counter)
    broken: list[BrokenLine] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    progress: list[Path] = field(default_factory=list)


def same(name: str) -> str:
    """A name as it is compared: composed, in one line, as the thumbs widget keeps it."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def delete(folder: Path, annotator: str | None) -> Deleted:
    """Remove the rows of `annotator`, or everybody's with None, from all files of thumbs below `folder`.

    Hidden files count too: a notebook server's copies and what a crash left behind hold thumbs as well. Each
    file is replaced in one step. Links that lead out of the folder are not followed.

    Raises:
        CourseError: if the folder does not exist.
    """
    if not folder.is_dir():
        raise CourseError(f"{folder} is no folder; give the folder that holds the files of thumbs.")
    done = Deleted()
    wanted = None if annotator is None else same(annotator)
    inside = folder.resolve()
    for path in sorted(folder.rglob("*")):
        if not _of_thumbs(path):
            continue
        if not path.resolve().is_relative_to(inside):
            done.left.append(f"{path} is a link out of {folder}, and was left alone.")
            continue
        try:
            _from_file(path, wanted, done)
        except CourseError as error:
            done.left.append(str(error))
    return done


def _of_thumbs(path: Path) -> bool:
    """A file of JSON lines, or what a crash left of one while it was being replaced."""
    half_written = path.name.endswith(".tmp") and ".jsonl-" in path.name
    return (path.suffix == ".jsonl" or half_written) and path.is_file()


def _from_file(path: Path, wanted: str | None, done: Deleted) -> None:
    staying: Counter[str] = Counter()

    def leaves(row: Row) -> bool:
        name = row.get("annotator")
        if not isinstance(name, str):
            return False  # no thumb at all: it stays
        if wanted is None or same(name) == wanted:
            return True
        staying[name] += 1
        return False

    count, broken = _remove(path, leaves)
    done.names += staying
    done.broken += broken
    if count:
        done.rows[path] = count
        # In a class's folder a learner's progress bears the same invented number as their thumbs.
        progress = path.with_name(f"{path.name.rpartition('-')[0]}-progress.json")
        if not staying and progress.is_file() and not progress.is_symlink():
            try:
                progress.unlink()
            except OSError as error:
                done.left.append(f"{progress} could not be removed ({error.strerror or error}).")
            else:
                done.progress.append(progress)


def _remove(path: Path, leaves: Callable[[Row], bool]) -> tuple[int, list[BrokenLine]]:
    """Replace the file by one without the rows that leave, in one step; their number, and the broken lines.

    It uses the lock and the replacing of `jsonl`, which cannot have this function itself: hours of measured
    training are keyed by that module.
    """
    with jsonl._changing(path):
        gone, broken = set(), []
        for item in jsonl.read(path):
            if isinstance(item, BrokenLine):
                broken.append(item)
            elif leaves(item[1]):
                gone.add(item[0])
        if gone:
            with path.open("rb") as old, jsonl._replacing(path) as new:
                for number, line in enumerate(old, start=1):
                    if number not in gone:
                        new.write(line)
    return len(gone), broken
