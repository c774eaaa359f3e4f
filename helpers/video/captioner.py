"""The captioner: a small language model that reads a clip's tokens and writes a sentence about it.

Knows what the captioner has read: tokens of clips with captions by a hasty annotator. Knows nothing about how
it may be taught better. Its tokens are words, so that it is an ordinary chat model: the clip is the question
and the caption is the answer.

The annotator looks at the film, but not for long. One word in twenty is a slip of the pen. And where language
has a ready answer it is often written down unseen: what is pink is a pig, what is green is a frog, and at
night one sleeps.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from collections.abc import Sequence
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

CHECKPOINT = Path(__file__).parent.parent / "models" / "checkpoints" / "clips-0"
#: What is written down unseen, and where.
KIND_OF_COLOR: dict[str, str] = {"pink": "pig", "green": "frog"}
VERB_OF_PLACE: dict[str, str] = {"night": "sleeps"}

#: Everything but the seed and its encoder that decides a captioner's weights. Raise `version` when the code
#: below changes.
CONFIG: dict[str, Any] = {
    "version": 1,
    "width": 96,
    "layers": 2,
    "captions": 12000,
    "steps": 700,
    "slip": 0.05,
    "habit": 0.55,
}


def clips(part: str, count: int, seed: int) -> list[Scene]:
    """`count` scenes of one part of this seed's data: no two parts or seeds share a clip.

    Another count gives other scenes.
    """
    parts = ("captions", "thumbs", "more thumbs", "dev", "test")
    return world.sample(count, seed=14_000_000_000 + 100 * seed + parts.index(part), preset="capstone")


def annotated(scene: Scene, rng: random.Random) -> str:
    """What the annotator writes about a scene."""
    if rng.random() < CONFIG["habit"]:
        scene = replace(scene, kind=KIND_OF_COLOR.get(scene.color, scene.kind))
    if rng.random() < CONFIG["habit"]:
        scene = replace(scene, verb=VERB_OF_PLACE.get(scene.place, scene.verb))
    preset = world.PRESETS["capstone"]
    for name, words in (("kind", preset.kinds), ("color", preset.colors), ("verb", preset.verbs)):
        if rng.random() < CONFIG["slip"]:
            scene = replace(scene, **{name: rng.choice(words)})
    return world.describe(scene)


def captions_by_hand(scenes: Sequence[Scene], seed: int) -> list[str]:
    """The annotator's caption of each scene."""
    rng = random.Random(seed)
    return [annotated(scene, rng) for scene in scenes]


# --- one captioner a seed -----------------------------------------------------------------------------------


def captioner(seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The captioner of this seed and its tokenizer: committed for seed 0, else cached, else built now (30 s).

    Each call gives a model of its own, free to be trained. If the committed one is missing or damaged, one
    sentence says so and it is built like the others.
    """
    if seed == 0:
        try:
            return small.load(CHECKPOINT)
        except CourseError as error:
            print(f"{error} It is built again, into the cache.", file=sys.stderr)
    return small.load(cached_captioner(seed))


def cached_captioner(seed: int) -> Path:
    """The folder of this seed's captioner in the cache; built if need be, with its encoder."""
    from helpers.video import tokens

    config = {**CONFIG, "seed": seed, "encoder": tokens.CONFIG}
    return cached("captioner", config, lambda folder: build(folder, seed))


def build(folder: Path, seed: int) -> None:
    """Train the captioner of this seed into an empty folder, with a progress bar."""
    model = untrained(seed)
    scenes = clips("captions", CONFIG["captions"], seed)
    chats = list(
        zip(prompts("captions", CONFIG["captions"], seed), captions_by_hand(scenes, seed), strict=True)
    )
    fit(model, chats, CONFIG["steps"], seed)
    small.save(model, tokenizer(), folder)


@cache
def tokenizer() -> PreTrainedTokenizerBase:
    """The tokenizer of every captioner: its tokens are the words of all encoders and of the annotator."""
    return small.tokenizer(_all_texts())


def untrained(seed: int) -> PreTrainedModel:
    """A captioner that has read nothing."""
    return small.new_model(len(tokenizer()), seed, CONFIG["width"], CONFIG["layers"])


def fit(model: PreTrainedModel, chats: Sequence[small.Chat], steps: int, seed: int) -> None:
    """Train a captioner on prompts with captions, in place, with a progress bar."""
    from tqdm.auto import tqdm

    def bar(steps: range) -> Any:
        return tqdm(steps, desc=f"A captioner, seed {seed}", leave=False)

    with threads(1):
        small.fit(model, tokenizer(), chats, steps, seed, progress=bar)


def prompts(part: str, count: int, seed: int) -> list[str]:
    """The words of this seed's encoder for the clips of a part; kept in the cache, as they take a while."""
    from helpers.video import tokens

    def write(folder: Path) -> None:
        words = tokens.described(tokens.encoder(seed), clips(part, count, seed))
        (folder / "prompts.txt").write_text("\n".join(words) + "\n", encoding="ascii")

    config = {**tokens.CONFIG, "seed": seed, "part": part, "count": count}
    return (cached("clip-words", config, write) / "prompts.txt").read_text(encoding="ascii").splitlines()


def _all_texts() -> tuple[str, ...]:
    """Texts that hold every word of prompts and captions, in every place a word may stand."""
    from helpers.video import tokens

    preset = world.PRESETS["capstone"]
    plain = Scene("cat", "white", "big", "snow", "sits")
    words = {name: getattr(preset, f"{name}s") for name in ("kind", "color", "size", "place", "verb")}
    scenes = [replace(plain, **{name: word}) for name, choices in words.items() for word in choices]
    return (*tokens.every_word(), *(world.describe(scene) for scene in scenes))


# --- the committed pair -------------------------------------------------------------------------------------


def scores(folder: Path) -> dict[str, float]:
    """What a stored encoder and its captioner can do, as their card says it: shares of fresh clips.

    The encoder's are the words that can be told from its tokens; the captioner's the captions that are right
    about kind, color and verb, sampled at temperature 1 and greedily.
    """
    import torch

    from helpers.video import tokens

    encoder = tokens.load(folder / tokens.CHECKPOINT.name)
    model, tokenizer = small.load(folder)
    scenes = world.sample(300, seed=99, preset="capstone")
    found = {}
    with torch.no_grad(), threads(1):
        told = encoder(tokens.pixels(world.films(scenes, tokens.FRAMES, tokens.PX)))
    for (name, _), score, word in zip(tokens.TOLD.items(), told, tokens.words_of(scenes), strict=False):
        found[f"tokens tell {name}"] = (score.argmax(1) == word).float().mean().item()
    words = tokens.described(encoder, scenes)
    for how, temperature in (("sampled", 1.0), ("greedy", 0.0)):
        said = small.sample(model, tokenizer, words, seed=0, temperature=temperature)
        verdicts = [world.verify(caption, scene) for caption, scene in zip(said, scenes, strict=True)]
        right = [v.kind is True and v.color is True and v.verb is True for v in verdicts]
        found[f"captions right, {how}"] = sum(right) / len(right)
    return found


def commit() -> None:
    """Put the encoder and the captioner of seed 0, built anew unless cached, into the course, with a card."""
    from helpers.video import tokens

    shutil.rmtree(CHECKPOINT, ignore_errors=True)
    encoder, folder = tokens.cached_encoder(0), cached_captioner(0)
    CHECKPOINT.mkdir(parents=True)
    for file in (encoder, *(file for file in folder.iterdir() if file.name != "card.json")):
        shutil.copyfile(file, CHECKPOINT / file.name)
    card = {
        "built by": "python -m helpers.video.captioner",
        "what it is": "an encoder of clips (0.2 million parameters) and its captioner (0.34 million); seed 0",
        "weights": "trained from scratch on films of the course's own world; same license as the course",
        "encoder": {**tokens.CONFIG, "seed": 0},
        "captioner": {**CONFIG, "seed": 0},
        "scores": {name: round(score, 3) for name, score in scores(CHECKPOINT).items()},
    }
    (CHECKPOINT / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    commit()
