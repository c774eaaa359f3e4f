"""How the stages of a data pipeline grow with the data: rows a second, and ratios to the naive way.

Knows what to measure and what the course needs. Knows nothing about how to print a whole benchmark.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """A number of the benchmark, and what the course wants of it, where it wants something."""

    name: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None

    @property
    def too_slow(self) -> bool:
        return (self.least is not None and self.value < self.least) or (
            self.most is not None and self.value > self.most
        )

    def __str__(self) -> str:
        shown = f"{self.value:12,.0f}" if self.value >= 100 else f"{self.value:12,.1f}"
        bounds = (("at least", self.least), ("at most", self.most))
        limits = [f"{word} {bound:g}" for word, bound in bounds if bound is not None]
        wanted = f"  (wanted: {', '.join(limits)}{', ✘ too slow' * self.too_slow})" if limits else ""
        return f"{self.name:28} {shown} {self.unit}{wanted}"


def documents(count: int, seed: int, words: int = 30) -> list[str]:
    """Texts of random words; every third is an earlier one with one word changed."""
    rng = random.Random(seed)
    vocabulary = [f"word{number}" for number in range(5000)]
    made: list[str] = []
    for number in range(count):
        if number % 3 == 2:
            copied = rng.choice(made).split()
            copied[rng.randrange(words)] = "changed"
            made.append(" ".join(copied))
        else:
            made.append(" ".join(rng.choices(vocabulary, k=words)))
    return made


def synthesis_rows(
    sizes: tuple[int, int, int] = (1000, 10_000, 100_000), compared: int = 5000, verified: int = 20_000
) -> list[Row]:
    """Near duplicates by hashes, at three sizes and against the naive search; verification in two processes.

    Times of the searches are processor time, those of the processes wall time.
    """
    from helpers.synthesis.duplicates import naive_twins, twins

    twins(documents(10, seed=0))  # imports
    seconds = {size: _seconds(lambda size=size: twins(documents(size, seed=0))) for size in sizes}
    rows = [Row(f"near duplicates, {size:,}", taken, "s") for size, taken in seconds.items()]
    growth = seconds[sizes[2]] / sizes[2] / (seconds[sizes[1]] / sizes[1])
    rows.append(Row("… a row", growth, f"times as long at {sizes[2]:,} rows as at {sizes[1]:,}", most=2))
    some = documents(compared, seed=1)
    ratio = _seconds(lambda: naive_twins(some)) / _seconds(lambda: twins(some))
    rows.append(Row("… against all pairs", ratio, f"times as fast at {compared:,} rows", least=4))
    return rows + _process_rows(verified)


def _process_rows(count: int) -> list[Row]:
    from datasets import Dataset

    from helpers import world
    from helpers.synthesis import stages

    captions = [world.describe(scene, number) for number, scene in enumerate(world.sample(count, seed=0))]
    data = Dataset.from_dict({"text": captions})
    rows = []
    for processes in (1, 2):
        started = time.perf_counter()
        stages.verified(data, _is_about_a_cat, "world.verify", num_proc=processes)
        name = f"verified, {processes} process{'es' * (processes > 1)}"
        rows.append(Row(name, count / (time.perf_counter() - started), "rows/s"))
    return rows


def _is_about_a_cat(row: Mapping[str, Any]) -> bool:
    from helpers import world

    return world.verify(row["text"], world.Scene("cat", "orange", "small", "meadow", "sits")).true


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
