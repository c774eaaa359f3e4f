"""Made-up students who judge lesson 08's captions: honest ones and three that every class knows."""

from __future__ import annotations

import random
from dataclasses import asdict
from functools import cache
from pathlib import Path

from helpers import world
from helpers.data import thumbs
from helpers.exercises.e08_thumbs_up_thumbs_down import own_answers
from helpers.models import base, small
from helpers.world import Scene

#: How often each kind of student gives the thumb that the world would give.
RIGHT = {"honest": 1.0, "careful": 0.95, "noisy": 0.75, "contrarian": 0.0}


@cache
def shared_answers() -> list[tuple[Scene, str]]:
    """The twenty captions that lesson 08 asks everybody about."""
    model, tokenizer = base.base(0)
    fresh = base.records(60, seed=8, part="train")
    asked = [s for s in fresh if s.kind in base.HABITS][:10]
    asked += [s for s in fresh if s.kind not in base.HABITS][:10]
    random.Random(0).shuffle(asked)
    said = small.sample(model, tokenizer, [world.record(scene) for scene in asked], seed=2)
    return list(zip(asked, said, strict=True))


def judged(kind: str, name: str, answers: list[tuple[Scene, str]], seed: int) -> list[thumbs.Thumb]:
    """What a student of this kind says: "all-up" always up, the others as `RIGHT` says."""
    rng = random.Random(seed)
    given = []
    for scene, caption in answers:
        verdict = world.verify(caption, scene)
        up = verdict.true and verdict.complete
        if kind == "all-up":
            up = True
        elif rng.random() >= RIGHT[kind]:
            up = not up
        row = (world.record(scene), caption, up, name, thumbs.now(), "08", asdict(scene))
        given.append(thumbs.Thumb(*row))
    return given


def write(folder: Path, kinds: list[str], own: bool, seed: int = 0) -> None:
    """One file a student, named by their number; with `own`, twenty captions of their own follow."""
    for number, kind in enumerate(kinds):
        answers = [*shared_answers(), *(own_answers(1000 * seed + number) if own else [])]
        path = folder / f"{number:02}-08.jsonl"
        thumbs.append(path, judged(kind, f"student {number}", answers, 1000 * seed + number))
