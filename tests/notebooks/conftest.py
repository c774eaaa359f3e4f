"""One execution of all lessons, shared by every test that looks at what it left."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest

from helpers import settings
from helpers.course import execute, run
from helpers.manifest import LessonEntry

#: Below the course, as every notebook looks for the course in the folders above it.
BUILD = settings.ROOT / "build" / "tests"
#: By the clock, lessons may take so many times what they may elsewhere, since other tests run beside them.
#: What they compute is held to the budget in seconds of the processor.
PATIENCE = 3
_SETTINGS = ("COURSE_SEED", "COURSE_SMOKE", "COURSE_TIER")


@dataclass(frozen=True)
class Execution:
    """What `make run` leaves: its exit status, its report, and the executed notebooks."""

    status: int
    report: dict[str, Any]
    folder: Path

    def lesson(self, entry: LessonEntry) -> dict[str, Any]:
        return next(lesson for lesson in self.report["lessons"] if lesson["id"] == entry.id)

    def notebook(self, entry: LessonEntry) -> Any:
        return nbformat.read(self.folder / "notebooks" / f"{entry.name}.ipynb", 4)


@pytest.fixture(scope="session")
def execution() -> Execution:
    """All solutions, executed once by the very command that a learner types."""
    with pytest.MonkeyPatch.context() as patch:
        for name in _SETTINGS:
            patch.delenv(name, raising=False)
        patch.setattr(execute, "BUDGET_FACTOR", PATIENCE * execute.BUDGET_FACTOR)
        status = run.run([], settings.ROOT, BUILD)
    report = json.loads((BUILD / "report.json").read_text(encoding="utf-8"))
    return Execution(status, report, BUILD)
