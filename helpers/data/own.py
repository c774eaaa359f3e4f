"""A learner's own file of thumbs or pairs, read leniently: what can be used, and what was left out and why.

Knows TRL's columns in both of TRL's forms, and what makes a judged answer useless. A pair becomes two judged
answers, the better one up and the worse one down. Knows nothing about what the texts say.
`helpers.data.tables` reads the same files strictly, for a training.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.data import jsonl
from helpers.data.jsonl import BrokenLine, Row
from helpers.settings import CourseError

#: With fewer than this of either kind there is nothing to hold out and nothing to learn from.
FEWEST = 8


@dataclass(frozen=True)
class Judged:
    """An answer to a prompt, with its thumb."""

    prompt: str
    answer: str
    up: bool

    @property
    def row(self) -> Row:
        """As a line of a file in TRL's unpaired format."""
        return {"prompt": self.prompt, "completion": self.answer, "label": self.up}


@dataclass(frozen=True)
class Own:
    """What a file holds.

    Attributes:
        judged: answers with a thumb, in the file's order; each prompt with an answer once.
        left_out: how many judged answers or lines were left out, by reason.
    """

    judged: list[Judged]
    left_out: dict[str, int]


def read(path: str | Path) -> Own:
    """The judged answers of a file of thumbs or pairs.

    Left out, and counted: broken lines, rows of another form, skips, empty answers, exact repeats, and
    answers that have both a thumb up and a thumb down.

    Raises:
        CourseError: if there is no such file, it is empty, has no row of thumbs or pairs, or fewer than 8
            answers of either kind remain; one sentence.
    """
    path = Path(path)
    if not path.is_file():
        raise CourseError(f"There is no file {path}: COURSE_DATA must name a file of JSON lines.")
    found: list[Judged] = []
    left_out: Counter[str] = Counter()
    columns: Counter[str] = Counter()
    for item in jsonl.read(path):
        if isinstance(item, BrokenLine):
            left_out["broken line"] += 1
            continue
        columns.update(list(item[1]))
        judged = _judged(item[1])
        if judged is None:
            left_out["no thumb and no pair"] += 1
        else:
            found += judged
    if not found:
        raise CourseError(_why_none(path, columns, left_out))
    kept = _useful(found, left_out)
    for up, name in [(True, "up"), (False, "down")]:
        count = sum(one.up == up for one in kept)
        if count < FEWEST:
            raise CourseError(
                f"{path} has {count} usable answers with a thumb {name}; give at least {FEWEST} of each kind."
            )
    return Own(kept, dict(left_out))


def _judged(row: Row) -> list[Judged] | None:
    """The judged answers in a row; None if it is neither a thumb nor a pair."""
    prompt = _text(row.get("prompt"))
    if not prompt or not prompt.strip():
        return None
    if isinstance(row.get("label"), bool) and (answer := _text(row.get("completion"))) is not None:
        return [Judged(prompt, answer, row["label"])]
    better, worse = _text(row.get("chosen")), _text(row.get("rejected"))
    if better is None or worse is None:
        return None
    return [Judged(prompt, better, True), Judged(prompt, worse, False)]


def _text(value: Any) -> str | None:
    """A text, or that of a list of one message; None for anything else."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        value = value[0].get("content")
    return value if isinstance(value, str) else None


def _useful(found: list[Judged], left_out: Counter[str]) -> list[Judged]:
    """Without empty answers, repeats and contradictions."""
    thumbs: dict[tuple[str, str], set[bool]] = {}
    for one in found:
        thumbs.setdefault((one.prompt, one.answer), set()).add(one.up)
    kept: dict[tuple[str, str], Judged] = {}
    for one in found:
        key = (one.prompt, one.answer)
        if not one.answer.strip():
            left_out["empty answer"] += 1
        elif len(thumbs[key]) == 2:
            left_out["both up and down"] += 1
        elif key in kept:
            left_out["exact repeat"] += 1
        else:
            kept[key] = one
    return list(kept.values())


def _why_none(path: Path, columns: Counter[str], left_out: Counter[str]) -> str:
    if columns:
        names = ", ".join(name[:40] for name, _ in columns.most_common(8))
        return (
            f"{path} has no usable row: each needs prompt, completion and label (true or false), or prompt, "
            f"chosen and rejected (found: {names})."
        )
    if left_out:
        return f"{path} holds no line of JSON that can be read: write one object a line, as UTF-8."
    return f"{path} is empty."
