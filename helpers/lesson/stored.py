"""What earlier runs left behind: the evidence files that a lesson reads.

Knows where ``evidence/NN.json`` and ``evidence/real-NN.json`` lie and what they hold: the first what
`make evidence` measured, the second what `make real` trained. Knows nothing about how evidence is produced.

A file holds, per experiment, its key (a hash of the code and settings that produced it) and one record per
seed, ``{measure: value}``; and the lesson's claims as rows of the ledger.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from helpers import settings


def evidence_name(lesson: str, real: bool = False) -> str:
    """``NN.json``, or ``real-NN.json`` for what `make real` trains."""
    return f"real-{lesson}.json" if real else f"{lesson}.json"


def evidence_path(lesson: str, root: Path = settings.ROOT, real: bool = False) -> Path:
    """The file in ``evidence/``, or below ``build/`` when COURSE_SEED is not 0."""
    seed = settings.course_seed()
    folder = root / "evidence" if seed == 0 else root / "build" / f"evidence-seed-{seed}"
    return folder / evidence_name(lesson, real)


def nothing() -> dict[str, Any]:
    """The record of a lesson of which nothing is stored."""
    return {"experiments": {}, "claims": []}


def read_evidence(path: Path) -> dict[str, Any]:
    """The file's content; an empty record when there is none.

    Raises:
        CourseError: if the file is damaged.
    """
    if not path.exists():
        return nothing()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not (isinstance(found["experiments"], dict) and isinstance(found["claims"], list)):
            raise TypeError("its parts are of the wrong kind")
    except (ValueError, TypeError, KeyError) as error:
        raise settings.CourseError(
            f"{path.name} is damaged ({error}); get it back with: git checkout evidence/{path.name} "
            f"(or delete it and run: make {_command(path)})"
        ) from None
    return found


def _command(path: Path) -> str:
    """What measures a file anew."""
    real = path.stem.startswith("real-")
    return f"{'real' if real else 'evidence'} LESSONS={path.stem.removeprefix('real-')}"


def stored_records(evidence: dict[str, Any], experiment: str) -> dict[int, dict[str, float]]:
    """Per seed, the measures that `experiment` gave: ``{seed: {measure: value}}``."""
    records = evidence["experiments"].get(experiment, {}).get("values", {})
    return {int(seed): record for seed, record in records.items()}
