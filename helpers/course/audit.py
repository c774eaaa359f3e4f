"""An audit of a learner's own file from the command line.

Knows what to print and where the result goes. Knows nothing about how a file is looked at.
"""

from __future__ import annotations

from pathlib import Path


def run(path: Path, test: Path | None = None, out: Path | None = None) -> int:
    """Print what is in a file of JSON lines; with `out`, also store the report and a dataset card. Returns 0.

    Raises:
        CourseError: if a file cannot be used, or `out` cannot be written.
    """
    from helpers.synthesis import audit

    found = audit.audit(path, test)
    print(found)
    if out is not None:
        audit.write(found, out)
        print(f"Written to {out}: {audit.REPORT} (lines by number too), {audit.README} (a card to complete).")
    return 0
