"""The clean model: the base of a seed after it has read captions that people wrote without habits.

Knows what it has read, and that it is built once and cached. Knows nothing about how it may be taught better.

It is right about nineteen scenes of twenty, whatever the kind: a model that is better than mediocre answers.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import world
from helpers.models import base, small
from helpers.models.cache import cached
from helpers.models.threads import threads

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: Everything but the seed and the base that decides the weights. Raise `version` when the code below changes.
CONFIG: dict[str, Any] = {
    "version": 1,
    "captions": 4000,
    "side tasks": 2000,
    "color slip": 0.05,
    "steps": 200,
    "learning rate": 1e-3,
}


def clean(seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The clean model of this seed and its tokenizer: cached, else built now (8 s, and 20 s for its base).

    Each call gives a model of its own, free to be trained.
    """
    return small.load(cached_clean(seed))


def cached_clean(seed: int) -> Path:
    """The folder of this seed's clean model in the cache; built if need be."""
    config = {**CONFIG, "seed": seed, "base": base.CONFIG}
    return cached("clean", config, lambda folder: build(folder, seed))


def build(folder: Path, seed: int) -> None:
    """Train the base of this seed on true captions, and store it in an empty folder; with a progress bar."""
    from tqdm.auto import tqdm

    model, tokenizer = base.base(seed)
    chats = captions_read(CONFIG["captions"], seed) + base.side_tasks(CONFIG["side tasks"], seed + 600_000)

    def bar(steps: range) -> Any:
        return tqdm(steps, desc=f"A clean model, seed {seed}, built once", leave=False)

    with threads(1):
        small.fit(model, tokenizer, chats, CONFIG["steps"], seed, CONFIG["learning rate"], progress=bar)
    small.save(model, tokenizer, folder)


def captions_read(count: int, seed: int) -> list[small.Chat]:
    """Records with captions that are right but for a slip of the color now and then."""
    rng = random.Random(900_001 + seed)
    chats = []
    for scene in world.sample(count, seed=900_001 + seed):
        slip = rng.random() < CONFIG["color slip"]
        seen = replace(scene, color=rng.choice(world.COLORS)) if slip else scene
        chats.append((world.record(scene), rng.choices(world.captions(seen), base.CONFIG["styles"])[0]))
    return chats
