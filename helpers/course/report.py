"""What a run found, as JSON for programs and as a table in the terminal.

Knows which fields a report has, and when a run counts as failed. Knows nothing about kernels, or about the
HTML page, which :mod:`helpers.course.page` makes from the same document.
"""

from __future__ import annotations

import json
import platform
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from helpers import __version__, settings
from helpers.course import doctor
from helpers.course.results import (
    CONTRADICTED,
    DISAGREES,
    SLIPPED,
    LessonResult,
    judge,
    measured,
    verdict_words,
)
from helpers.manifest import Manifest
from helpers.models.tiers import current_tier

_CLAIM_FIELDS = (
    "talk",
    "scope",
    "statement",
    "prediction",
    "values",
    "seeds",
    "mean",
    "low",
    "high",
    "unit",
    "verdict",
    "expected",
    "rule",
    "live",
    "live_agrees",
)


def _problem(claim: dict[str, Any]) -> str | None:
    name, expected, verdict = claim["id"], claim["expected"], claim["verdict"]
    return {
        CONTRADICTED: f"{name}: its source expects {expected!r}, its interval says {verdict!r}.",
        DISAGREES: f"{name}: the live run lies elsewhere than the stored evidence says.",
    }.get(claim["judged"])


# --- the document -------------------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """What this machine is, as far as it matters for reading seconds and megabytes."""
    versions = {}
    for package in ("torch", "transformers", "numpy"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cores": doctor.cores(),
        "memory_mb": round(psutil.virtual_memory().total / 2**20),
        "python": platform.python_version(),
        **versions,
    }


def document(manifest: Manifest, results: Sequence[LessonResult], seconds: float) -> dict[str, Any]:
    """The whole report as JSON types. ``ok``: every lesson passed, and no claim was contradicted."""
    lessons, problems, slips = [], [], []
    for result in results:
        claims = []
        for row in result.claims:
            claim = {"id": f"{result.id}/{row['name']}", **{key: row.get(key) for key in _CLAIM_FIELDS}}
            claim["judged"] = judge(claim)
            claims.append(claim)
        if result.status != "passed":
            problems.append(f"Lesson {result.id}: {result.status}. {result.problem}".rstrip())
        problems += filter(None, map(_problem, claims))
        slips += [claim["id"] for claim in claims if claim["judged"] == SLIPPED]
        lessons.append(
            {
                "id": result.id,
                "title": result.title,
                "status": result.status,
                "seconds": round(result.seconds, 1),
                "peak_mb": round(result.peak_mb),
                "cell_seconds": {cell: round(taken, 1) for cell, taken in result.cell_seconds.items()},
                "problem": result.problem,
                "claims": claims,
            }
        )
    return {
        "course": manifest.title,
        "version": __version__,
        "tier": current_tier().name,
        "course_seed": settings.course_seed(),
        "machine": machine(),
        "seconds": round(seconds, 1),
        "ok": not problems,
        "problems": problems,
        "slips": slips,
        "lessons": lessons,
    }


def write(report: dict[str, Any], build_dir: Path) -> None:
    """Write ``report.json`` into `build_dir`."""
    build_dir.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    (build_dir / "report.json").write_text(text, encoding="utf-8")


# --- terminal -----------------------------------------------------------------------------------------------


def _columns(rows: list[list[str]], widths: list[int]) -> Iterable[str]:
    for row in rows:
        wrapped = [textwrap.wrap(text, width) or [""] for text, width in zip(row, widths, strict=True)]
        for line in range(max(map(len, wrapped))):
            cells = [cell[line] if line < len(cell) else "" for cell in wrapped]
            yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        yield ""


def table(report: dict[str, Any], width: int | None = None) -> str:
    """The ledger as a table for a terminal of `width` columns, and below it what went wrong."""
    width = max(72, min(width or shutil.get_terminal_size((110, 24)).columns, 140))
    claims = [claim for lesson in report["lessons"] for claim in lesson["claims"]]
    lines = []
    if claims:
        fixed = [22, 16, 8]
        free = width - sum(fixed) - 2 * len(fixed) - 2
        widths = [round(free * 0.56), free - round(free * 0.56), *fixed]
        head = ["claim", "prediction", "measured, 95%", "verdict", "scope"]
        rows = [
            [
                f"{claim['id'].split('/')[0]} {claim['statement']}"
                + (f" ({', '.join(claim['talk'])})" if claim["talk"] else ""),
                str(claim["prediction"] or ""),
                measured(claim),
                verdict_words(claim),
                claim["scope"] or "",
            ]
            for claim in claims
        ]
        lines += ["", *list(_columns([head], widths))[:-1], "─" * width, *_columns(rows, widths)]
    passed = sum(lesson["status"] == "passed" for lesson in report["lessons"])
    lines.append(
        f"{passed} of {len(report['lessons'])} lessons passed, {len(claims)} claims, "
        f"{report['seconds']:.0f} s, tier {report['tier']}, COURSE_SEED {report['course_seed']}."
    )
    if report["slips"]:
        lines.append(f"Slipped to inconclusive (reported, not an error): {', '.join(report['slips'])}")
    lines += [f"✘ {problem}" for problem in report["problems"]]
    return "\n".join(lines)
