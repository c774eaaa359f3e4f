"""Thumbs of a whole class: merge what many learners collected, and say what was in it.

Knows what to print and where the result goes. Knows nothing about what a thumb is.
"""

from __future__ import annotations

from pathlib import Path

from helpers.data import jsonl, thumbs
from helpers.settings import CourseError


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
    if into is not None:
        jsonl.write(into, map(thumbs.to_row, merged.thumbs))
        print(f"Written to {into}.")
    return 0
