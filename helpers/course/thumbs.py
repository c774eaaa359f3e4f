"""Thumbs of a whole class: merge what many learners collected, say what was in it, take one's thumbs out.

Knows what to print and where the result goes. Knows nothing about what a thumb is.
"""

from __future__ import annotations

from pathlib import Path

from helpers.data import agreement, deletion, jsonl, share, thumbs
from helpers.data.deletion import Deleted
from helpers.settings import CourseError

LONGEST = 20  # lines of one kind that are listed


def merge(folder: Path, into: Path | None = None) -> int:
    """Print a report on the thumbs below `folder`; with `into`, write one file of them all. Returns 0.

    Broken lines are reported and skipped; the files themselves stay as they are.

    Raises:
        CourseError: if there is nothing to merge, or `into` cannot be written or lies in the folder.
    """
    if into is not None and into.resolve().is_relative_to(folder.resolve()):
        raise CourseError(
            f"Write the merged file to a place outside of {folder}, or the next merge would read it too."
        )
    merged = thumbs.merge(folder)
    print(thumbs.report(merged))
    print(agreement.report(agreement.measure(merged.thumbs)))
    if into is not None:
        jsonl.write(into, map(thumbs.to_row, merged.thumbs))
        print(f"Written to {into}.")
    return 0


def delete(annotator: str | None, folder: Path | None, mine: bool) -> int:
    """Remove `annotator`'s thumbs from all files below `folder`, or the learner's own; say what was done.

    Returns 1 if a file could not be changed, else 0.

    Raises:
        CourseError: if it is not clear whose thumbs, or there are none of this name.
    """
    if mine == (annotator is not None) or mine == (folder is not None):
        raise CourseError(
            "Say whose thumbs: --annotator NAME FOLDER, or --mine for your own on this machine."
        )
    if mine:
        folder = thumbs.thumbs_path("").parent
        if not folder.is_dir():
            raise CourseError(f"There are no thumbs of yours on this machine: {folder} does not exist.")
    done = deletion.delete(folder, annotator)
    if not done.rows and annotator is not None:
        print(_nobody(annotator, folder, done))
    for path, count in done.rows.items():
        print(f"{_rows(count)} removed from {_plain(path)}")
    for path in done.progress:
        print(f"Their progress, {_plain(path)}, is removed too.")
    if done.rows:
        print(f"{_rows(sum(done.rows.values()))} in all. A model or page made from them is made anew by:")
        print("  python -m helpers thumbs train FOLDER")
    elif mine:
        print(f"There are no thumbs of yours in {_plain(folder)}.")
    _say_what_stays(done)
    if mine and share.folder() is not None:
        share.choose(thumbs.thumbs_path("08"), False)
        print("Your class's folder has no copy any more; the box below the thumbs shares again.")
    elif done.rows:
        print("A copy in a class's folder comes back with its owner's next thumb, unless they stop sharing.")
    return 1 if done.left or (annotator is not None and not done.rows) else 0


def _nobody(annotator: str, folder: Path, done: Deleted) -> str:
    known = sorted(done.names)
    shown = ", ".join(_plain(name) for name in known[:LONGEST]) or "nobody at all"
    more = f" and {len(known) - LONGEST} more" if len(known) > LONGEST else ""
    nobody = f"There is no thumb by {_plain(annotator)!r} below {_plain(folder)}"
    return f"{nobody}; there are thumbs by {shown}{more}."


def _say_what_stays(done: Deleted) -> None:
    for line in done.broken[:LONGEST]:
        print(f"Left as it is, since it cannot be read: {_plain(line.path)}, line {line.number}")
    if len(done.broken) > LONGEST:
        print(f"… and {len(done.broken) - LONGEST} more such lines")
    for line in done.left:
        print(_plain(line))


def _rows(count: int) -> str:
    return f"{count} thumb{'' if count == 1 else 's'}"


def _plain(text: object) -> str:
    """Text from a file in one line for a terminal, without control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text))
