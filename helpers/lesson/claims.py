"""Intervals and verdicts: what a claim's values over seeds allow one to say.

Knows Student's t and the rule that a verdict comes from the interval, never from the mean. Knows nothing
about notebooks, evidence files or how the values came about.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from helpers.figures import short
from helpers.settings import CourseError

Verdict = Literal["holds", "fails", "inconclusive"]
Scope = Literal["world", "real", "forecast"]

#: Fewer independent seeds than this never give a verdict other than "inconclusive".
MIN_SEEDS = 6


@dataclass(frozen=True)
class Interval:
    """Mean and 95% Student t interval of `count` values, in their unit."""

    mean: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{short(self.mean)} [{short(self.low)}, {short(self.high)}]"


def interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Mean ± t · sd / √n over `values` (one per seed; differences, where arms are paired by seed).

    One value has no spread to estimate: its interval is infinite.

    Raises:
        CourseError: if there is no value, or one is NaN or infinite.
    """
    from scipy.special import stdtrit  # the quantiles of t; scipy.stats would take a second to import

    count = len(values)
    if count == 0:
        raise CourseError("An interval needs at least one value; run the experiment first.")
    if not all(math.isfinite(value) for value in values):
        raise CourseError(f"An interval needs finite numbers, not {list(values)}.")
    mean = math.fsum(values) / count
    if count == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    half = float(stdtrit(count - 1, 0.5 + confidence / 2)) * spread / math.sqrt(count)
    return Interval(mean, mean - half, mean + half, count)


@dataclass(frozen=True)
class Rule:
    """The region in which a claim holds: above `low`, below `high`, or inside both."""

    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if self.low >= self.high or (math.isinf(self.low) and math.isinf(self.high)):
            raise CourseError(
                "A claim needs a region: above=…, below=…, or within=(low, high) with low < high."
            )

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"above {self.low:g}"
        if math.isinf(self.low):
            return f"below {self.high:g}"
        return f"within [{self.low:g}, {self.high:g}]"

    def verdict(self, measured: Interval) -> Verdict:
        """``holds`` if the whole interval lies inside the region, ``fails`` if it lies wholly outside."""
        if measured.count < MIN_SEEDS:
            return "inconclusive"
        if self.low < measured.low and measured.high < self.high:
            return "holds"
        if measured.high < self.low or measured.low > self.high:
            return "fails"
        return "inconclusive"


def contradicts(verdict: Verdict | None, expected: Verdict | None) -> bool:
    """Whether a verdict is the opposite of the expected one. A slip to ``inconclusive`` is none."""
    return {verdict, expected} == {"holds", "fails"}


@dataclass(frozen=True)
class Claim:
    """One row of the ledger.

    ``prediction`` is the author's, from the talk or from theory, written before looking. ``values`` holds
    one number per seed, in ``unit``. A claim of scope ``forecast`` is illustrated and has neither rule nor
    verdict.
    """

    lesson: str
    name: str
    experiment: str | None
    measure: str | None
    talk: list[str]
    scope: Scope
    statement: str
    prediction: str
    unit: str
    seeds: list[int]
    values: list[float]
    rule: Rule | None
    expected: Verdict | None
    live: dict[int, float] = field(default_factory=dict)
    live_agrees: bool | None = None

    @property
    def measured(self) -> Interval | None:
        return interval(self.values) if self.values else None

    @property
    def verdict(self) -> Verdict | None:
        if self.rule is None:
            return None
        return self.rule.verdict(self.measured) if self.measured else "inconclusive"

    def row(self) -> dict[str, Any]:
        """The claim as a line of the ledger (JSON types only; an infinite end of an interval is ``None``)."""
        measured = self.measured
        row = asdict(self)
        row["rule"] = str(self.rule) if self.rule else None
        row["region"] = [_finite(self.rule.low), _finite(self.rule.high)] if self.rule else None
        row["live"] = {str(seed): value for seed, value in self.live.items()}
        row["verdict"] = self.verdict
        for name in ("mean", "low", "high"):
            row[name] = _finite(getattr(measured, name)) if measured else None
        return row


def _finite(value: float) -> float | None:
    """The value, or None where JSON has no word for it."""
    return value if math.isfinite(value) else None


def agrees(
    live: dict[int, float], stored: dict[int, float], tolerance: float, repeatable: bool
) -> bool | None:
    """Whether every live value lies where the stored ones say; None when there is nothing to compare.

    What is `repeatable` must be within `tolerance` of the stored value of its own seed. What is not (a
    training may come out differently on another processor), and a seed that is not stored, must lie within
    `tolerance` of the 99% prediction interval that the stored values give for one new value:
    mean ± t · sd · √(1 + 1/n).
    """
    if not live or len(stored) < 2:
        return None
    wide = interval(list(stored.values()), confidence=0.99)
    half = (wide.high - wide.mean) * math.sqrt(len(stored) + 1)

    def near(seed: int, value: float) -> bool:
        if repeatable and seed in stored:
            return abs(value - stored[seed]) <= tolerance
        return abs(value - wide.mean) <= half + tolerance

    return all(near(seed, value) for seed, value in live.items())
