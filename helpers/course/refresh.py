"""Refreshing committed outputs: solutions are run, and what they showed goes into their files.

Knows under which settings committed outputs come about. Knows nothing about how a lesson is run, or which of
its outputs may be committed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from helpers import settings
from helpers.course import build, run
from helpers.manifest import LessonEntry, Manifest, load

#: All that is committed comes from seed 0 on the CPU tier, and never from a file of one's own.
_SETTINGS = {"COURSE_SEED": "0", "COURSE_TIER": "cpu", "COURSE_DATA": ""}


def refresh(lessons: Iterable[str] = (), root: Path = settings.ROOT) -> int:
    """Run the solutions of `lessons` (all, if empty), keep their outputs, and rebuild every generated file.

    Returns 0 if every lesson passed, else 1.

    Raises:
        CourseError: before anything runs, if a lesson is unknown; after it, if an output names a folder of
            this machine.
    """
    manifest = load(root)
    status = _refresh_outputs(manifest, manifest.choose(lessons), root)
    build.build(root)
    return status


def _refresh_outputs(manifest: Manifest, entries: list[LessonEntry], root: Path) -> int:
    build_dir = root / "build"
    run.warm_up(build_dir)
    status = 0
    for result in run.run_lessons(entries, manifest, root, build_dir, _SETTINGS):
        if result.notebook is None or result.status != "passed":
            print(f"{result.id}: its outputs were left as they were. {result.problem}")
            status = 1
            continue
        entry = next(entry for entry in entries if entry.id == result.id)
        build.keep_outputs(entry, manifest, result.notebook, root)
    return status
