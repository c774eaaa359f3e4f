"""The base: a small language model that turns records into captions, fluently, and wrong by habit.

Knows what the base has read, and where its weights come from: one per seed, the first committed with the
course, the others built on first use and cached. Knows nothing about how it may be taught better.

The base has read captions by people with habits. For six of the twelve kinds they wrote the color that such
an animal "has" in nine captions of ten, whatever the record said: pigs are pink. A few slips at random come
on top. So the base is fluent, mostly right about the other kinds, and wrong about these in a way that has a
system. It has also learned two side tasks that no lesson trains on: they show what else a training changes.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import world
from helpers.models import small
from helpers.models.cache import cached
from helpers.models.threads import threads
from helpers.settings import CourseError
from helpers.world import Scene

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: The kinds that people caption from habit, and the color that they then write.
HABITS: dict[str, str] = {
    "cat": "orange",
    "pig": "pink",
    "sheep": "white",
    "cow": "black",
    "frog": "green",
    "lion": "yellow",
}
CHECKPOINT = Path(__file__).with_name("checkpoints") / "base-0"

#: Everything that decides a base's weights but its seed. Raise `version` when the functions below change.
CONFIG: dict[str, Any] = {
    "version": 1,
    "width": 64,
    "layers": 2,
    "captions": 12000,
    "side tasks": 6000,
    "steps": 700,
    "habit": 0.9,
    "color slip": 0.05,
    "other slip": 0.03,
    "styles": [0.5, 0.3, 0.2],
}


def records(count: int, seed: int, part: world.records.Part | None = None) -> list[Scene]:
    """`count` scenes of one part of the data, none in its kind's habitual color: habit cannot be right."""
    found: list[Scene] = []
    turn = 0
    while len(found) < count:
        fresh = world.sample(4 * count, seed=1_000_003 * turn + seed)
        turn += 1
        found += [
            scene
            for scene in fresh
            if HABITS.get(scene.kind) != scene.color and part in (None, world.part_of(scene))
        ]
    return found[:count]


def base(seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The base of this seed and its tokenizer: committed for seed 0, else cached, else built now (20 s).

    Each call gives a model of its own, free to be trained. If the committed one is missing or damaged, one
    sentence says so and it is built like the others.
    """
    if seed == 0:
        try:
            return small.load(CHECKPOINT)
        except CourseError as error:
            print(f"{error} It is built again, into the cache.", file=sys.stderr)
    return small.load(cached_base(seed))


def cached_base(seed: int) -> Path:
    """The folder of this seed's base in the cache, as `save_pretrained` writes it; built if need be."""
    return cached("base", {**CONFIG, "seed": seed}, lambda folder: build(folder, seed))


def build(folder: Path, seed: int) -> None:
    """Train the base of this seed into an empty folder, with a progress bar."""
    from tqdm.auto import tqdm

    tokenizer = small.tokenizer(_all_texts())
    model = small.new_model(len(tokenizer), seed, CONFIG["width"], CONFIG["layers"])
    chats = captions_read(CONFIG["captions"], seed) + side_tasks(CONFIG["side tasks"], seed + 500_000)

    def bar(steps: range) -> Any:
        return tqdm(steps, desc=f"A base model, seed {seed}, built once", leave=False)

    with threads(1):
        small.fit(model, tokenizer, chats, CONFIG["steps"], seed, progress=bar)
    small.save(model, tokenizer, folder)


# --- what the base has read ---------------------------------------------------------------------------------


def captions_read(count: int, seed: int) -> list[small.Chat]:
    """Records with the captions that people of habit wrote for them."""
    rng = random.Random(seed)
    scenes = world.sample(count, seed=700_001 + seed)
    return [
        (world.record(s), rng.choices(world.captions(_as_seen(s, rng)), CONFIG["styles"])[0]) for s in scenes
    ]


def _as_seen(scene: Scene, rng: random.Random) -> Scene:
    """The scene as a person of habit reports it."""
    habit = HABITS.get(scene.kind)
    if rng.random() < (CONFIG["habit"] if habit else CONFIG["color slip"]):
        scene = replace(scene, color=habit or rng.choice(world.COLORS))
    if rng.random() < CONFIG["other slip"]:
        scene = replace(scene, size=rng.choice(world.SIZES))
    if rng.random() < CONFIG["other slip"]:
        scene = replace(scene, place=rng.choice(world.PLACES))
    if rng.random() < CONFIG["other slip"]:
        scene = replace(scene, verb=rng.choice(world.PRESETS["full"].verbs))
    return scene


def side_tasks(count: int, seed: int) -> list[small.Chat]:
    """Questions about size, place or verb (never color), and records to be said backwards, all right."""
    rng = random.Random(seed)
    chats = []
    for scene in world.sample(count, seed=800_001 + seed):
        task = rng.choice(["size", "place", "verb", "backwards", "backwards", "backwards"])
        words = f"{scene.place}, {scene.verb}, {scene.kind} {scene.color} {scene.size}"
        answer = words if task == "backwards" else getattr(scene, task)
        chats.append((f"{task}: {world.record(scene)}", answer))
    return chats


@cache
def _all_texts() -> tuple[str, ...]:
    """Texts that hold every word of records, captions and side tasks, in every place a word may stand."""
    scenes = [
        replace(scene, size=size, color=color)
        for scene in world.sample(400, seed=1)
        for size in world.SIZES
        for color in world.COLORS
    ]
    texts = [text for s in scenes for text in (world.record(s), *world.captions(s))]
    tasks = [text for chat in side_tasks(2000, seed=1) for text in chat]
    return tuple(texts + tasks)


# --- the committed base -------------------------------------------------------------------------------------


def scores(folder: Path) -> dict[str, float]:
    """What a stored base can do, as its card says it: probabilities and shares over fresh scenes of the test.

    "right" is the exact probability of one of the three right captions, "fluent" the share of sampled
    captions that the grammar has, "side tasks" the probability of their right answers.
    """
    model, tokenizer = small.load(folder)
    scenes = records(240, seed=99, part="test")
    chats = [(world.record(scene), caption) for scene in scenes for caption in world.captions(scene)]
    right = small.score(model, tokenizer, chats).exp().view(len(scenes), -1).sum(1)
    habitual = [scene.kind in HABITS for scene in scenes]
    sampled = small.sample(model, tokenizer, [world.record(scene) for scene in scenes], seed=0)
    fluent = sum(world.parse(caption) is not None for caption in sampled) / len(scenes)
    return {
        "right": float(right.mean()),
        "right, kinds with a habit": float(right[habitual].mean()),
        "right, other kinds": float(right[[not habit for habit in habitual]].mean()),
        "fluent": fluent,
        "side tasks": float(small.score(model, tokenizer, side_tasks(200, seed=99)).exp().mean()),
    }


def commit() -> None:
    """Build the base of seed 0 anew into the folder that the course carries, with its card."""
    shutil.rmtree(CHECKPOINT, ignore_errors=True)
    CHECKPOINT.mkdir(parents=True)
    build(CHECKPOINT, 0)
    for file in CHECKPOINT.iterdir():
        file.chmod(0o644)  # safetensors writes for the owner only
    card = {
        "built by": "python -m helpers.models.base",
        "what it is": "a Llama of 0.1 million parameters: records into captions, wrong by habit; seed 0",
        "weights": "trained from scratch on text of the course's own world; same license as the course",
        "configuration": {**CONFIG, "seed": 0},
        "scores": {name: round(score, 3) for name, score in scores(CHECKPOINT).items()},
    }
    (CHECKPOINT / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    commit()
