"""Rates of what the course does most often, on one core, for `make bench`.

Knows how to time a function of scenes, and two trainings beside each other. Knows nothing about how scenes
are drawn or models trained.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers import settings
from helpers.course.bench_fleet import fleet_rows
from helpers.course.bench_synthesis import synthesis_rows

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


@dataclass(frozen=True)
class Ratio:
    """One kind of work, `fast` and `naive` times a second, in the course's way and in the plain one."""

    name: str
    fast: float
    naive: float
    unit: str
    wanted: float | None = None

    @property
    def ratio(self) -> float:
        return self.fast / self.naive

    @property
    def too_slow(self) -> bool:
        return self.wanted is not None and self.ratio < self.wanted

    def __str__(self) -> str:
        wanted = f"  (wanted: {self.wanted:g}{', ✘ too slow' * self.too_slow})" if self.wanted else ""
        return (
            f"{self.name:28} {self.ratio:12,.1f} times as fast as the naive way, "
            f"{self.fast:,.1f} for {self.naive:,.1f} {self.unit}{wanted}"
        )


def video_ratios(films: int = 200, naive: int = 6, seconds: int = 120) -> list[Ratio]:
    """Films drawn, and clips of eight frames read from a film of so many seconds, each beside its naive way.

    The naive drawing paints every animal anew for every frame; the naive reading decodes the whole film.
    """
    import tempfile
    from pathlib import Path

    import numpy as np

    from helpers import world
    from helpers.video.clips import read_clip
    from helpers.video.naive import naive_film, naive_read
    from helpers.video.writing import write_clip

    def batches(count: int) -> list[list[Scene]]:
        return [world.sample(count, seed=seed) for seed in range(_REPEATS)]

    def per_second(work: Callable[[], object], times: int) -> float:
        started = time.perf_counter()
        for _ in range(times):
            work()
        return times / (time.perf_counter() - started)

    drawn = rate(lambda scenes: world.films(scenes, 8, 32), batches(films))
    drawn_naively = rate(lambda scenes: [naive_film(scene) for scene in scenes], batches(naive))
    frames = np.tile(world.film(world.sample(1, seed=0)[0], 60, 96), (max(1, 25 * seconds // 60), 1, 1, 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        write_clip(path, frames, rate=25)
        read = max(per_second(lambda: read_clip(path), 5) for _ in range(_REPEATS))
        read_naively = max(per_second(lambda: naive_read(path), 1) for _ in range(_REPEATS))
    return [
        Ratio("films, 8 frames, 32 px", drawn, drawn_naively, "films/s", 4),
        Ratio("8 frames of a long film", read, read_naively, "clips/s", 8),
    ]


@dataclass(frozen=True)
class Speedup:
    """Processor seconds of one training through TRL and in the course's own loop, for as many steps each."""

    name: str
    trl: float
    loop: float
    steps: int
    wanted: float | None = None

    @property
    def ratio(self) -> float:
        return self.trl / self.loop

    @property
    def too_slow(self) -> bool:
        return self.wanted is not None and self.ratio < self.wanted

    def __str__(self) -> str:
        each = [f"{seconds / self.steps * 1000:.0f}" for seconds in (self.trl, self.loop)]
        wanted = f"  (wanted: {self.wanted}{', ✘ too slow' * self.too_slow})" if self.wanted else ""
        return f"{self.name:28} {self.ratio:12.1f} times TRL's, {each[1]} for {each[0]} ms a step{wanted}"


def training_speedups(steps: int = 40, rows: int = 256, repeats: int = 2) -> list[Speedup]:
    """The loop of `helpers.preference.fast` beside TRL's trainers, on the same rows of the same base.

    Batches of 32 answers (16 pairs). TRL computes its reference's log-probabilities as it goes. Both are
    whole calls, with all preparation, taken in turns; the best of `repeats` each, in processor time.
    """
    from helpers import world
    from helpers.data import formats
    from helpers.models import base
    from helpers.preference.fast import train_fast
    from helpers.preference.train import Settings, train

    model, tokenizer = base.base(0)
    scenes = base.records(rows, seed=0, part="train")
    questions = [world.record(scene) for scene in scenes]
    right = [world.captions(scene)[0] for scene in scenes]
    wrong = right[1:] + right[:1]
    labels = [number % 2 == 0 for number in range(rows)]
    answers = [good if up else bad for good, bad, up in zip(right, wrong, labels, strict=True)]
    pairs = formats.paired(list(zip(questions, right, wrong, strict=True)))
    thumbs = formats.unpaired(list(zip(questions, answers, labels, strict=True)))
    chats = formats.prompt_completion(list(zip(questions, right, strict=True)))

    def seconds(call: Callable[..., object], data: object, settings: Settings) -> float:
        started = time.process_time()
        call(model, tokenizer, data, settings)
        return time.process_time() - started

    found = []
    for name, data, batch, wanted in (
        ("kto", thumbs, 32, 1.8),
        ("dpo", pairs, 16, None),
        ("sft", chats, 32, None),
    ):
        settings = Settings(name, learning_rate=3e-4, steps=steps, batch_size=batch)
        train(
            model, tokenizer, data, Settings(name, learning_rate=3e-4, steps=1, batch_size=batch)
        )  # imports
        turns = [
            (seconds(train, data, settings), seconds(train_fast, data, settings)) for _ in range(repeats)
        ]
        trl, loop = (min(turn) for turn in zip(*turns, strict=True))
        found.append(Speedup(f"{name.upper()}, own loop", trl, loop, steps, wanted))
    return found


def import_seconds() -> float:
    """Seconds that `import helpers` adds to an empty Python."""

    def start(code: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], cwd=settings.ROOT, check=True)
        return time.perf_counter() - started

    return max(0.0, min(start("import helpers") for _ in range(5)) - min(start("pass") for _ in range(5)))


def run() -> int:
    """Print the rates and ratios. Returns 1 if one is below what the course wants, else 0."""
    rates = world_rates()
    for entry in rates:
        wanted = f"  (wanted: {entry.wanted:,.0f}{', ✘ too slow' * entry.too_slow})" if entry.wanted else ""
        print(f"{entry.name:28} {entry.per_second:12,.0f} {entry.unit}{wanted}")
    by_name = {entry.name: entry.per_second for entry in rates}
    ratio = by_name["pictures, 32 px"] / by_name["naive: every sprite anew"]
    print(f"{'against the naive loop':28} {ratio:12,.0f} times as fast")
    print(f"{'import helpers':28} {import_seconds() * 1000:12,.0f} ms")
    compared = [*video_ratios(), *training_speedups(), *synthesis_rows(), *fleet_rows()]
    for entry in compared:
        print(entry)
    return int(any(entry.too_slow for entry in [*rates, *compared]))
