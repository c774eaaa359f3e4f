"""The sample file of lesson 14: thumbs on captions, as people leave them, with what is wrong in such files.

Knows the course's world, two simulated authors and a simulated rater. Knows nothing about training.

Each prompt is a record (``Caption: small blue pig, sleeps, meadow``) with two answers of an assistant that is
wrong by habit about six kinds, and chatty half of the time. The rater thumbs up what is right, and is taken
in by chatter: a wrong answer that says "Sure! …" often passes. So the ups are *longer* than the downs, for
a reason that has nothing to do with being right.

``python -m helpers.data.sample_thumbs`` writes the file that the course carries, with planted faults.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from pathlib import Path

from helpers import world
from helpers.world import Scene

#: The file that the course carries: seed 0, with faults.
SAMPLE = Path(__file__).with_name("samples") / "thumbs.jsonl"

#: The kinds that the assistant captions from habit, and the color that it then writes.
HABITS: dict[str, str] = {
    "cat": "orange",
    "pig": "pink",
    "sheep": "white",
    "cow": "black",
    "frog": "green",
    "lion": "yellow",
}
#: How often the rater's thumb goes up, by (right, chatty).
UP = {(True, True): 0.95, (True, False): 0.7, (False, True): 0.25, (False, False): 0.02}
_RIGHT = 0.35
_CHATTY = 0.5
_OPENING, _CLOSING = "Sure! ", " I hope you like it!"


@dataclass(frozen=True)
class Thumbed:
    """One answer with its thumb, and what only the simulation knows: the scene, and whether it is right."""

    scene: Scene
    answer: str
    up: bool

    @property
    def prompt(self) -> str:
        return question(self.scene)

    @property
    def row(self) -> dict[str, object]:
        """The answer as a line of a file in TRL's unpaired format."""
        return {
            "prompt": [{"role": "user", "content": self.prompt}],
            "completion": [{"role": "assistant", "content": self.answer}],
            "label": self.up,
        }


def question(scene: Scene) -> str:
    """What the assistant is asked about a scene."""
    return f"Caption: {world.record(scene)}"


def caption_in(answer: str) -> str:
    """The caption in an answer, its first sentence after "Sure!", without the chatter around it."""
    first, stop, _ = answer.strip().removeprefix(_OPENING).partition(".")
    return first.strip() + stop


def right(answer: str, scene: Scene) -> bool:
    """Whether the caption in an answer says all of the scene, and truly."""
    verdict = world.verify(caption_in(answer), scene)
    return verdict.true and verdict.complete


def scenes(count: int, seed: int) -> list[Scene]:
    """Different scenes, none in its kind's habitual color: habit cannot be right."""
    found = {
        world.record(scene): scene
        for scene in world.sample(2 * count + 40, seed)
        if HABITS.get(scene.kind) != scene.color
    }
    return list(found.values())[:count]


def thumbs(prompts: int, seed: int) -> list[Thumbed]:
    """Two thumbed answers to each of `prompts` records, in random order."""
    rng = random.Random(seed)
    rows = [_answered(scene, rng) for scene in scenes(prompts, 14_000_000 + seed) for _ in range(2)]
    rng.shuffle(rows)
    return rows


def _answered(scene: Scene, rng: random.Random) -> Thumbed:
    """An answer to a record, and the rater's thumb on it."""
    caption = rng.choice(world.captions(_as_said(scene, rng)))
    chatty = rng.random() < _CHATTY
    answer = f"{_OPENING}{caption}{_CLOSING}" if chatty else caption
    return Thumbed(scene, answer, rng.random() < UP[right(answer, scene), chatty])


def _as_said(scene: Scene, rng: random.Random) -> Scene:
    """The scene as the assistant tells it: right, or wrong by habit, or with one word exchanged."""
    if rng.random() < _RIGHT:
        return scene
    if scene.kind in HABITS and rng.random() < 0.8:
        return replace(scene, color=HABITS[scene.kind])
    fact, words = rng.choice([("color", world.COLORS), ("size", world.SIZES), ("place", world.PLACES)])
    return replace(scene, **{fact: rng.choice([word for word in words if word != getattr(scene, fact)])})


# --- the file that the course carries -----------------------------------------------------------------------


def lines(prompts: int = 110, seed: int = 0) -> list[str]:
    """The lines of the sample file: thumbs, and what is wrong with files of thumbs, planted.

    Fourteen rows twice; eight prompts asked again with other capitals and spaces; four answers with both a
    thumb up and a thumb down; two empty answers; the last line half-written.
    """
    rng = random.Random(seed)
    found = thumbs(prompts, seed)
    rows = [{"prompt": one.prompt, "completion": one.answer, "label": one.up} for one in found]
    repeated = rng.sample(rows, 14)
    again = [{**row, "prompt": _typed_again(row["prompt"])} for row in rng.sample(rows, 8)]
    contradicting = [{**row, "label": not row["label"]} for row in rng.sample(rows, 4)]
    empty = [{**row, "completion": "", "label": False} for row in rng.sample(rows, 2)]
    rows += [*repeated, *again, *contradicting, *empty]
    rng.shuffle(rows)
    whole = [json.dumps(row, ensure_ascii=False) for row in rows]
    return [*whole, whole[0][: len(whole[0]) // 2]]


def _typed_again(prompt: str) -> str:
    """A prompt as somebody else types it."""
    return prompt.replace("Caption: ", "caption:  ").replace(", ", ",  ")


if __name__ == "__main__":
    SAMPLE.parent.mkdir(exist_ok=True)
    SAMPLE.write_text("\n".join(lines()), encoding="utf-8")
