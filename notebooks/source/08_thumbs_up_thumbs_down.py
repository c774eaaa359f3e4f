# %% [markdown]
# # 08 · Thumbs up, thumbs down
#
# What is a thumb worth, when most of them point down?
#
# After this lesson you can
#
# - judge a model's answers with thumbs, merge the thumbs of a class, and train the model on them with KTO;
# - choose KTO's weights from the counts of ups and downs, and say what they change;
# - say when imitating the good answers (SFT) is enough, and when the bad ones know something that the good ones don't, with the controls that could have proved you wrong;
# - price feedback: labels, tokens and seconds in one unit, and what the same money buys as captions written by a person.

# %% tags=["volatile", "evidence"]
import helpers

lesson = helpers.begin("08")

# %% [markdown]
# ## A guess before you measure
#
# A model turns records into captions, and is wrong about half the time. You have 320 of its answers with a thumb each, and only one in ten points up: **32 thumbs up, 288 down.** Four ways to learn from them:
#
# - **SFT on thumbs up**: imitate the 32 good answers, forget the rest;
# - **KTO**: raise what got a thumb up, lower what got a thumb down;
# - **KTO, weighted**: the same, with each thumb up counting nine times;
# - **DPO on mixed pairs**: where a prompt has one good and one bad answer, prefer the good one.

# %%
lesson.predict(
    "best",
    "Which one writes the most right captions for new records?",
    choices=["SFT on thumbs up", "KTO", "KTO, weighted", "DPO on mixed pairs"],
)

# %% [markdown]
# ## 1 · A model with habits
#
# The base has 0.1 million parameters and has read 12,000 records with captions. Its readers had habits: whatever the record said, they mostly wrote that pigs are pink and frogs are green. So the base writes fluently, and for six of the twelve kinds it gets the color wrong nine times in ten. That is a mistake with a system, and it is all that is wrong with it.

# %% tags=["evidence"]
import math
import random
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import Tensor

from helpers import data, world
from helpers.models import base, small
from helpers.models.base import HABITS
from helpers.preference import measure
from helpers.preference.fast import train_fast
from helpers.preference.runs import Settings
from helpers.world import Scene, record


@cache
def base_of(seed: int):
    """The base of this seed and its tokenizer; every seed has a base of its own. Nothing here changes it."""
    return base.base(seed)


def captions_by(model, tokenizer, scenes: list[Scene], seed: int, temperature: float = 1.0) -> list[str]:
    return small.sample(model, tokenizer, [record(scene) for scene in scenes], seed, temperature)


# %%
from helpers.lesson import plots

SEED = helpers.settings.seeds(1)[0]
model, tokenizer = base_of(SEED)
mixture = base.records(40, seed=7, part="train")
shown = [s for s in mixture if s.kind in HABITS][:3] + [s for s in mixture if s.kind not in HABITS][:3]
said = captions_by(model, tokenizer, shown, seed=1)
plots.picture_strip(
    world.pictures(shown, 48), said, alt="Six pictures of animals, each with the caption that the base wrote."
)

# %% [markdown]
# Each record has three right captions, one for each style that the base has read. So *how often is it right* needs no sampling: we add up the probabilities of those three. The test asks for combinations of color and kind that no label of this lesson has.

# %% tags=["evidence"]
TEST_SIZE = lesson.size(240, smoke=24)


def measured(model, seed: int) -> dict[str, float]:
    """What a model of this seed does on records kept for the test, and how far it has moved elsewhere."""
    reference, tokenizer = base_of(seed)
    scenes = base.records(TEST_SIZE, 50_000 + seed, "test")
    right = measure.accuracy(model, tokenizer, scenes)
    habit = torch.tensor([scene.kind in HABITS for scene in scenes])
    drift = measure.drift(model, reference, tokenizer, base.side_tasks(100, 60_000 + seed))
    return {
        "right": right.mean().item(),
        "habit": right[habit].mean().item(),
        "other": right[~habit].mean().item(),
        "drift": drift.mean().item(),
        "valid": measure.samples(model, tokenizer, scenes, seed).valid,
    }


# %%
start = measured(model, SEED)
lesson.say(
    "The base of this seed is right in {right:.0%} of the records of the test: in {habit:.0%} for the six kinds with a habit, in {other:.0%} for the other six. {valid:.0%} of what it writes are sentences that the grammar has.",
    **{name: start[name] for name in ("right", "habit", "other", "valid")},
)

# %% [markdown]
# Two more numbers will matter below. **Drift**: the base has also learned tasks that we will not train on (questions about size, place and verb, and saying a record backwards). How far does the new model's probability move from the base's there? It is the KL of lesson 01, in nats per answer. **Validity**: is what it samples a sentence at all?
#
# ## 2 · Twenty thumbs from you
#
# Here are twenty of its captions, each with the scene that it was told about. **Up** means: all right, color and size and place and verb. Each thumb is on your disk before the next caption appears; *Undo* takes one back; Tab and Space do it without a mouse. It takes about two minutes, and section 5 trains the model on what you said. (You may also come back to it later, or never.)

# %%
fresh = base.records(60, seed=8, part="train")
asked = [s for s in fresh if s.kind in HABITS][:10] + [s for s in fresh if s.kind not in HABITS][:10]
random.Random(0).shuffle(asked)
lesson.widget(
    "thumbs", answers=list(zip(asked, captions_by(model, tokenizer, asked, seed=2), strict=True))
)

# %% [markdown]
# For experiments we need thousands of thumbs, and judges who never tire: the world's exact verdict gives them. `world.verify(caption, scene)` says among other things whether a caption is `.true` (nothing in it is wrong) and `.complete` (nothing is left out).
#
# > **Exercise 1 · `thumbs_from`** · ★☆☆ · 5 minutes
# >
# > Given captions and the scenes they are about, return a list with one bool per caption: thumb up if it is both true and complete.
# >
# > <details><summary>Hint 1</summary>Go through both lists at once with <code>zip</code>.</details>
# > <details><summary>Hint 2</summary>Ask for the verdict once per caption: <code>verdict = world.verify(caption, scene)</code>.</details>


# %% tags=["evidence"]
def thumbs_from(captions: list[str], scenes: list[Scene]) -> list[bool]:
    """A thumb for each caption of each scene: (n,), (n,) -> (n,)."""
    # BEGIN SOLUTION
    verdicts = [world.verify(caption, scene) for caption, scene in zip(captions, scenes, strict=True)]
    return [verdict.true and verdict.complete for verdict in verdicts]
    # END SOLUTION


# %% tags=["evidence"]
thumbs_from = lesson.check(thumbs_from)

# %% [markdown]
# So a labeled answer is a row: the prompt, the answer, up or down. These answers are the base's own, drawn at temperature 1, two to each prompt. (Such data are called *on-policy*: the model is judged on what it really says.)

# %% tags=["evidence"]
Row = tuple[str, str, bool]  # prompt, answer, thumb up
PROMPTS = lesson.size(1000, smoke=500)


def judged(model, tokenizer, scenes: list[Scene], seed: int) -> list[Row]:
    """Let the model caption the scenes, and judge what it wrote."""
    said = captions_by(model, tokenizer, scenes, seed)
    return list(zip(map(record, scenes), said, thumbs_from(said, scenes), strict=True))


@cache
def pool(seed: int) -> list[tuple[Row, Row]]:
    """A thousand prompts of the training part, each with two judged answers of the seed's base."""
    scenes = [s for s in base.records(PROMPTS, 20_000 + seed, "train") for _ in range(2)]
    rows = judged(*base_of(seed), scenes, seed)
    return list(zip(rows[::2], rows[1::2], strict=True))


# %%
ups_of_prompts = Counter(one[2] + two[2] for one, two in pool(SEED))
plots.table(
    [
        [["both down", "one up, one down", "both up"][ups], ups_of_prompts[ups] / len(pool(SEED))]
        for ups in (0, 1, 2)
    ],
    ["the two answers to a prompt", "share of prompts"],
)

# %% [markdown]
# A mistake with a system makes answers agree: mostly both are right (the base knows this kind) or both wrong (its habit speaks). Few prompts have one of each. Remember that for DPO.
#
# ## 3 · A loss for thumbs
#
# KTO needs no pairs. With *r* the log-ratio of an answer, how much more probable the model makes it than the frozen reference does, the loss of lesson 07 is a few lines:


# %% tags=["evidence"]
def kto_loss(r: Tensor, up: Tensor, z0: Tensor, beta: float, weights: tuple[float, float]) -> Tensor:
    """Log-ratios (n,), thumbs up (n,), reference point () or (n,) -> losses (n,)."""
    good = weights[0] * (1 - torch.sigmoid(beta * (r - z0)))
    bad = weights[1] * (1 - torch.sigmoid(beta * (z0 - r)))
    return torch.where(up, good, bad)


# %% [markdown]
# The slope of this loss is how hard a thumb pushes its answer. It is largest where nothing has moved yet (*r = z₀*) and fades once the answer has moved far: a thumb that has been heard stops shouting. β says how soon. And with one up for nine downs, the downs push nine times as hard in all. Move the sliders:

# %%
lesson.widget("pushes")

# %% [markdown]
# Weights put that right. The paper on KTO gives its desirable and undesirable answers weights λ_D and λ_U, and advises to keep λ_D · ups / (λ_U · downs) between 1 and 3/2. TRL only warns when it is not; *you* must set them. Ours aim at 1, by raising the rare side.
#
# > **Exercise 2 · `kto_weights`** · ★☆☆ · 5 minutes
# >
# > From the number of ups and downs (1 or more each), return the two weights `(for ups, for downs)` such that all ups together weigh as much as all downs together. The more frequent side keeps weight 1.
# >
# > <details><summary>Hint 1</summary>With 10 ups and 30 downs, an up must count three times.</details>
# > <details><summary>Hint 2</summary>It may also be the downs that are rare: the weight of the ups is <code>max(1, …)</code>.</details>


# %% tags=["evidence"]
def kto_weights(ups: int, downs: int) -> tuple[float, float]:
    """The weights of a thumb up and of a thumb down."""
    # BEGIN SOLUTION
    return max(1.0, downs / ups), max(1.0, ups / downs)
    # END SOLUTION


# %% tags=["evidence"]
kto_weights = lesson.check(kto_weights)

# %% [markdown]
# DPO wants pairs, and thumbs give some: prompts with an answer of each kind.
#
# > **Exercise 3 · `mixed_pairs`** · ★★☆ · 10 minutes
# >
# > From rows `(prompt, answer, up)` in any order, return a list of `(prompt, chosen, rejected)`: the first up of a prompt goes with its first down, the second up with its second down, and so on. Each row is used once at most.
# >
# > <details><summary>Hint 1</summary>Collect first: a dict from prompt to two lists, its good answers and its bad ones.</details>
# > <details><summary>Hint 2</summary><code>zip(good, bad)</code> stops at the end of the shorter list. That is just what is wanted.</details>


# %% tags=["evidence"]
def mixed_pairs(rows: list[Row]) -> list[tuple[str, str, str]]:
    """Pairs for DPO, as far as the thumbs give any."""
    # BEGIN SOLUTION
    answers: dict[str, tuple[list[str], list[str]]] = {}
    for prompt, answer, up in rows:
        good, bad = answers.setdefault(prompt, ([], []))
        (good if up else bad).append(answer)
    return [
        (prompt, chosen, rejected)
        for prompt, (good, bad) in answers.items()
        for chosen, rejected in zip(good, bad, strict=False)
    ]
    # END SOLUTION


# %% tags=["evidence"]
mixed_pairs = lesson.check(mixed_pairs)

