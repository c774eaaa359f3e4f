"""Rehearsals: what is too long for `make test`, each a file of tests below tests/launch.

Knows where they lie and what they are called. Knows nothing about what they rehearse.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from helpers import settings
from helpers.settings import CourseError

_PREFIX = "rehearse_"  # not test_: pytest finds them only when they are named


def names(root: Path = settings.ROOT) -> list[str]:
    """The rehearsals that there are, by name."""
    files = (root / "tests" / "launch").glob(f"{_PREFIX}*.py")
    return sorted(path.stem.removeprefix(_PREFIX) for path in files)


def run(wanted: Iterable[str] = (), root: Path = settings.ROOT) -> int:
    """Run the rehearsals of these names, all if none is given. Returns pytest's exit status.

    Raises:
        CourseError: if there is none of a name.
    """
    known = names(root)
    chosen = list(wanted) or known
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise CourseError(f"There is no rehearsal {unknown[0]!r}; there are {', '.join(known)}.")
    files = [str(root / "tests" / "launch" / f"{_PREFIX}{name}.py") for name in chosen]
    return subprocess.run([sys.executable, "-m", "pytest", "-s", *files], cwd=root, check=False).returncode
