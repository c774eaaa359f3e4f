"""Deletion: one person's thumbs taken out of every file below a folder, and nothing else.

Knows which files may hold thumbs, copies and leftovers included, and how people are named. Knows nothing
about what is trained on thumbs: whoever trained before a deletion trains again.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from helpers.data import handed_in, jsonl
from helpers.data.handed_in import Inside
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
        progress: copies of a learner's progress that were removed with their thumbs; so is a zip of results
            that holds nobody else's thumbs.
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
    file is replaced in one step. Links that lead out of the folder are not followed. A zip of results that
    holds only their thumbs is removed whole, since the rest of it is theirs as well.

    Raises:
        CourseError: if the folder does not exist.
    """
    if not folder.is_dir():
        raise CourseError(f"{folder} is no folder; give the folder that holds the files of thumbs.")
    done = Deleted()
    wanted = None if annotator is None else same(annotator)
    inside = folder.resolve()
    for path in handed_in.files_below(folder, done.left):
        if _half_written(path, ".zip"):
            path.unlink(missing_ok=True)  # half of a zip can be read by nobody, and the whole one is there
        if not _of_thumbs(path):
            continue
        try:
            if not path.resolve().is_relative_to(inside):
                done.left.append(f"{path} is a link out of {folder}, and was left alone.")
            elif handed_in.is_zip(path):
                _from_zip(path, wanted, done)
            else:
                _from_file(path, wanted, done)
        except CourseError as error:
            done.left.append(str(error))
    return done


def _of_thumbs(path: Path) -> bool:
    """A file of JSON lines, a zip of results, or what a crash left of one while it was being replaced."""
    return path.suffix == ".jsonl" or handed_in.is_zip(path) or _half_written(path, ".jsonl")


def _half_written(path: Path, suffix: str) -> bool:
    return path.name.endswith(".tmp") and f"{suffix}-" in path.name.lower()


def _leaving(wanted: str | None, staying: Counter[str]) -> Callable[[Row], bool]:
    """Whether a row leaves; those of others are counted in `staying`."""

    def leaves(row: Row) -> bool:
        name = row.get("annotator")
        if not isinstance(name, str):
            return False  # no thumb at all: it stays
        if wanted is None or same(name) == wanted:
            return True
        staying[name] += 1
        return False

    return leaves


def _from_zip(path: Path, wanted: str | None, done: Deleted) -> None:
    staying: Counter[str] = Counter()
    leaves = _leaving(wanted, staying)
    parts, _ = handed_in.thumbs_in(path)
    found = {part: _gone(part, leaves) for part in parts}
    count = sum(len(gone) for gone, _ in found.values())
    done.names += staying
    if not count:
        return
    if staying:
        handed_in.rewrite(path, lambda part: b"".join(_lines_left(part, found[part][0])))
        done.broken += [line for _, broken in found.values() for line in broken]
    else:
        try:
            path.unlink()
        except OSError as error:
            raise CourseError(f"{path} could not be removed ({error.strerror or error}).") from error
        done.progress.append(path)
    done.rows[path] = count


def _from_file(path: Path, wanted: str | None, done: Deleted) -> None:
    staying: Counter[str] = Counter()
    count, broken = _remove(path, _leaving(wanted, staying))
    done.names += staying
    done.broken += broken
    if count:
        done.rows[path] = count
        # In a class's folder a learner's progress bears the same invented number as their thumbs.
        progress = path.with_name(f"{path.name.rpartition('-')[0]}-progress.json")
        if not staying:
            try:
                if progress.is_file() and not progress.is_symlink():
                    progress.unlink()
                    done.progress.append(progress)
            except OSError as error:
                done.left.append(f"{progress} could not be removed ({error.strerror or error}).")


def _remove(path: Path, leaves: Callable[[Row], bool]) -> tuple[int, list[BrokenLine]]:
    """Replace the file by one without the rows that leave, in one step; their number, and the broken lines.

    It uses the lock and the replacing of `jsonl`, which cannot have this function itself: hours of measured
    training are keyed by that module.
    """
    with jsonl._changing(path):
        gone, broken = _gone(path, leaves)
        if gone:
            with jsonl._replacing(path) as new:
                new.writelines(_lines_left(path, gone))
    return len(gone), broken


def _gone(part: Path | Inside, leaves: Callable[[Row], bool]) -> tuple[set[int], list[BrokenLine]]:
    """The numbers of the lines that leave, and the broken lines."""
    gone, broken = set(), []
    for item in jsonl.read(part):
        if isinstance(item, BrokenLine):
            broken.append(item)
        elif leaves(item[1]):
            gone.add(item[0])
    return gone, broken


def _lines_left(part: Path | Inside, gone: set[int]) -> Iterator[bytes]:
    with part.open("rb") as old:
        for number, line in enumerate(old, start=1):
            if number not in gone:
                yield line
