"""What lessons gave: the outcome of each, the rows of its ledger, and the words for both.

Knows a ledger's rows, how to judge them against what their sources expect, and how they read in a line of
text. Knows nothing about how a lesson was executed, or about the page or table that shows what it gave.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from helpers.figures import short
from helpers.lesson.claims import contradicts

Status = Literal["passed", "failed", "interrupted", "not run"]

#: What a claim's row amounts to for the build.
CONTRADICTED = "contradicted"
DISAGREES = "live run disagrees"
SLIPPED = "slipped"
FINE = "ok"

MARKS = {"passed": "✔", "failed": "✘", "interrupted": "■", "not run": "·"}
VERDICT_MARKS = {
    "holds": "✔ holds",
    "fails": "✘ fails",
    "inconclusive": "? inconclusive",
    None: "— forecast",
}


# --- lessons ------------------------------------------------------------------------------------------------


@dataclass
class LessonResult:
    """What one lesson's execution gave. `peak_mb` counts the kernel and all its child processes."""

    id: str
    title: str
    status: Status = "not run"
    seconds: float = 0.0
    peak_mb: float = 0.0
    problem: str = ""
    claims: list[dict[str, Any]] = field(default_factory=list)
    notebook: Any = None
    cell_seconds: dict[str, float] = field(default_factory=dict)


def status_line(result: LessonResult) -> str:
    """One line on a lesson that has just run."""
    line = f"{MARKS[result.status]} {result.id} {result.title}"
    if result.status != "not run":
        line += f": {result.status}, {result.seconds:.0f} s, {result.peak_mb:.0f} MB"
    return f"{line}. {result.problem}" if result.problem else line


# --- claims -------------------------------------------------------------------------------------------------


def read_ledger(path: Path) -> list[dict[str, Any]]:
    """The claims that a lesson appended to its ledger; the last row counts where a name stands twice.

    A kernel that is killed may leave half a last line, which is left out.
    """
    if not path.exists():
        return []
    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    rows = []
    for position, line in enumerate(lines):
        try:
            rows.append(json.loads(line))
        except ValueError:
            if position < len(lines) - 1:
                raise
    return list({row["name"]: row for row in rows}.values())


def judge(claim: dict[str, Any]) -> str:
    """Whether a claim contradicts what its source expects, slipped to inconclusive, or is fine.

    A live run that lies elsewhere than the stored evidence is worse than a slip: one of the two is not what
    it says.
    """
    verdict, expected = claim.get("verdict"), claim.get("expected")
    if contradicts(verdict, expected):
        return CONTRADICTED
    if claim.get("live_agrees") is False:
        return DISAGREES
    if verdict == "inconclusive" and expected in ("holds", "fails"):
        return SLIPPED
    return FINE


def measured(claim: dict[str, Any]) -> str:
    """Mean, 95% interval and unit; or that nothing was measured."""
    if claim.get("mean") is None:
        return "not measured"
    unit = f" {claim['unit']}" if claim.get("unit") else ""
    if claim.get("low") is None or claim.get("high") is None:
        return f"{short(claim['mean'])}{unit} (too few seeds for an interval)"
    return f"{short(claim['mean'])} [{short(claim['low'])}, {short(claim['high'])}]{unit}"


def verdict_words(claim: dict[str, Any]) -> str:
    """The verdict with its mark, and what is odd about it, if anything is."""
    text = VERDICT_MARKS.get(claim.get("verdict"), str(claim.get("verdict")))
    judged = claim.get("judged", judge(claim))
    if judged == CONTRADICTED:
        return f"{text} (expected: {claim['expected']})"
    if judged == DISAGREES:
        return f"{text} (live run disagrees)"
    return f"{text} (expected: {claim['expected']})" if judged == SLIPPED else text
