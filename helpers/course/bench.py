"""Rates of what the course does most often, on one core, for `make bench`.

Knows how to time a function of scenes. Knows nothing about how these are drawn.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers import settings

if TYPE_CHECKING:
    from helpers.world import Scene

_REPEATS = 3


@dataclass(frozen=True)
class Rate:
    """How many `unit` a second; `wanted` is what the course needs, where it needs a number."""

    name: str
    per_second: float
    unit: str
    wanted: float | None = None

    @property
    def too_slow(self) -> bool:
        return self.wanted is not None and self.per_second < self.wanted


def rate(work: Callable[[list[Scene]], object], batches: Sequence[list[Scene]]) -> float:
    """Scenes a second of a function of scenes, each batch done once; the best, as noise only slows."""
    best = 0.0
    for batch in batches:
        started = time.perf_counter()
        work(batch)
        best = max(best, len(batch) / (time.perf_counter() - started))
    return best


def world_rates(pictures: int = 4000, films: int = 800, naive: int = 60) -> list[Rate]:
    """Pictures and films a second at 32 px, and pictures of the loop that draws every sprite anew.

    No scene is drawn twice by the same function: a cache of whole pictures would not help.
    """
    from helpers import world

    def batches(count: int) -> list[list[Scene]]:
        return [world.sample(count, seed=seed) for seed in range(_REPEATS)]

    def naively(scenes: list[Scene]) -> list[object]:
        return [world.naive_picture(scene, 32) for scene in scenes]

    def captions(scenes: list[Scene]) -> list[str]:
        return [world.describe(scene, 0) for scene in scenes]

    many, few = batches(pictures), batches(films)
    return [
        Rate("pictures, 32 px", rate(lambda scenes: world.pictures(scenes, 32), many), "pictures/s", 5000),
        Rate("naive: every sprite anew", rate(naively, batches(naive)), "pictures/s"),
        Rate("films, 8 frames, 32 px", rate(lambda scenes: world.films(scenes, 8, 32), few), "films/s", 500),
        Rate("films, 8 frames, 48 px", rate(lambda scenes: world.films(scenes, 8, 48), few), "films/s"),
        Rate("captions", rate(captions, many), "captions/s"),
    ]


def import_seconds() -> float:
    """Seconds that `import helpers` adds to an empty Python."""

    def start(code: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], cwd=settings.ROOT, check=True)
        return time.perf_counter() - started

    return max(0.0, min(start("import helpers") for _ in range(5)) - min(start("pass") for _ in range(5)))


def run() -> int:
    """Print the rates and their ratios. Returns 1 if one is below what the course wants, else 0."""
    rates = world_rates()
    for entry in rates:
        wanted = f"  (wanted: {entry.wanted:,.0f}{', ✘ too slow' * entry.too_slow})" if entry.wanted else ""
        print(f"{entry.name:28} {entry.per_second:12,.0f} {entry.unit}{wanted}")
    by_name = {entry.name: entry.per_second for entry in rates}
    ratio = by_name["pictures, 32 px"] / by_name["naive: every sprite anew"]
    print(f"{'against the naive loop':28} {ratio:12,.0f} times as fast")
    print(f"{'import helpers':28} {import_seconds() * 1000:12,.0f} ms")
    return int(any(entry.too_slow for entry in rates))
