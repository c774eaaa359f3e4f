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
# A model turns records into captions, and is wrong about half the time. You have 320 of its answers with a thumb each, and only one in ten points up (we made ups rare on purpose; section 4 says how): **32 thumbs up, 288 down.** Four ways to learn from them:
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
# The base has 0.1 million parameters and has read 12,000 records with captions by people of habit: whatever the record said, they mostly wrote that pigs are pink and frogs are green. So the base writes fluently, and for six of the twelve kinds it gets the color wrong nine times in ten. That is a mistake with a system, and it is nearly all that is wrong with it.

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


def outcome(scene: Scene, caption: str) -> str:
    """Whether a caption is right, and if not, whether it is the habit that speaks."""
    verdict = world.verify(caption, scene)
    if verdict.true and verdict.complete:
        return "✔ right"
    habit = HABITS.get(scene.kind)
    return "✘ habit" if habit != scene.color and habit in caption.split() else "✘ slip"


outcomes = [outcome(scene, caption) for scene, caption in zip(shown, said, strict=True)]
plots.picture_strip(
    world.pictures(shown, 48),
    [f"{number}: {text}" for number, text in enumerate(outcomes, start=1)],
    alt="Six numbered pictures of animals; the table below has the record and the base's caption of each.",
)
plots.table(
    [
        [f"{number}", record(scene), caption, text]
        for number, (scene, caption, text) in enumerate(zip(shown, said, outcomes, strict=True), start=1)
    ],
    ["picture", "record: what the base is told", "what it wrote", "verdict"],
)
lesson.say(
    "The habits: {habits}. Any other mistake counts as a slip: captions are drawn at random.",
    habits=", ".join(f"{kind} {color}" for kind, color in HABITS.items()),
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
lesson.widget("thumbs", answers=list(zip(asked, captions_by(model, tokenizer, asked, seed=2), strict=True)))

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
# The slope of this loss is how hard a thumb pushes its answer. It is largest where nothing has moved yet (*r = z₀*) and fades once the answer has moved far: a thumb that has been heard stops shouting, and so does one whose answer has moved far the *wrong* way. β says how soon. And with one up for nine downs, the downs push nine times as hard in all. Move the sliders:

# %%
lesson.widget("pushes")

# %% [markdown]
# Weights put that right. The paper on KTO gives its desirable and undesirable answers weights λ_D and λ_U, and advises to keep λ_D · ups / (λ_U · downs) between 1 and 3/2. TRL, whose upper end is 4/3, only warns when it is not; *you* must set them. Ours aim at 1, by raising the rare side.
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

# %% [markdown]
# ## 4 · When most thumbs point down
#
# Now the experiment. Every method gets **the same 320 judged answers to 160 prompts**. Between the runs only the share of ups changes: 1 up to 1 down (about what this base earns), 1:4, 1:9 and 1:19. To make ups rare we leave out prompts with good answers, at random.

# %% tags=["evidence"]
LABELS = 320


def labels_with(seed: int, ups: int) -> list[Row]:
    """320 judged answers to 160 prompts, `ups` of them good, in random order."""
    rng = random.Random(seed)
    prompts = list(pool(seed))
    rng.shuffle(prompts)
    rows: list[Row] = []
    for pair in prompts:
        good = pair[0][2] + pair[1][2]
        if 0 < good <= ups and len(rows) < LABELS:
            rows += pair
            ups -= good
    bad = [row for pair in prompts if not (pair[0][2] or pair[1][2]) for row in pair]
    rows += bad[: LABELS - len(rows)]
    rng.shuffle(rows)
    return rows


# %%
for ups in (160, 64, 32, 16):
    rows = labels_with(SEED, ups)
    habits = sum(any(kind in row[0] for kind in HABITS) for row in rows if row[2])
    lesson.say(
        "{ups} up, {downs} down: thumbs up about kinds with a habit: {habits}; mixed pairs: {pairs}.",
        ups=ups,
        downs=len(rows) - ups,
        habits=habits,
        pairs=len(mixed_pairs(rows)),
    )

# %% [markdown]
# Look at the number after *habit*, and compare it with the ups in all: a good answer is mostly one about a kind that the base knows already. What it does *not* know stands in the answers with a thumb down. That is why we expect SFT, which throws those away, to fall behind.
#
# **Settings decide such comparisons**, so they were frozen before. For each method we tried nine (learning rate × β, or × steps for SFT) on four *other* bases (seeds 900 to 903), at 1:1 and 1:9, on the validation part (combinations of color and kind that stand neither in the labels nor in the test), and took the best for both (for SFT two were level; we took the one that drifts less). The trials are in `LOG.md`. What you see below was measured afterwards, on other bases and on the test part. KTO's reference point z₀ turns out to be 0 at practically every step with thumbs like these (*Dig deeper* measures it). Then KTO is the same as APO-zero for thumbs, which takes fewer passes; so that is what runs.

# %% tags=["evidence"]
STEPS = lesson.size(60, smoke=4)
SFT = Settings("sft", learning_rate=1e-3, steps=lesson.size(40, smoke=4), batch_size=32)
KTO = Settings("apo_zero_unpaired", learning_rate=3e-4, steps=STEPS, batch_size=32, beta=2.0)
DPO = Settings("dpo", learning_rate=3e-4, steps=STEPS, batch_size=16, beta=2.0)


def by_sft(start, chats: list[tuple[str, str]], seed: int, **changes):
    return train_fast(*start, data.prompt_completion(chats), replace(SFT, seed=seed, **changes)).model


def by_kto(start, rows: list[Row], weights: tuple[float, float], seed: int, **changes):
    up, down = weights
    settings = replace(KTO, desirable_weight=up, undesirable_weight=down, seed=seed, **changes)
    return train_fast(*start, data.unpaired(rows), settings).model


def by_dpo(start, pairs: list[tuple[str, str, str]], seed: int, **changes):
    if not pairs:  # the thumbs may give none at all: then nothing is learned
        return start[0]
    return train_fast(*start, data.paired(pairs), replace(DPO, seed=seed, **changes)).model


def ups_of(rows: list[Row]) -> list[tuple[str, str]]:
    return [(prompt, answer) for prompt, answer, up in rows if up]


def balanced(rows: list[Row]) -> tuple[float, float]:
    ups = len(ups_of(rows))
    return kto_weights(ups, len(rows) - ups)


# %% tags=["evidence"]
def four_methods(seed: int, rows: list[Row]) -> dict[str, dict[str, float]]:
    """What each of the four methods makes of the same labels."""
    start = base_of(seed)
    trained = {
        "SFT": by_sft(start, ups_of(rows), seed),
        "KTO": by_kto(start, rows, (1, 1), seed),
        "KTO, weighted": by_kto(start, rows, balanced(rows), seed),
        "DPO": by_dpo(start, mixed_pairs(rows), seed),
    }
    return {name: measured(model, seed) for name, model in trained.items()}


# %% [markdown]
# Three **controls** could sink the story at 1:9, all of weighted KTO. Thumbs **shuffled** among the same answers: perhaps any training on these answers helps. The **ups only** (the downs' weight set to 0): perhaps the downs are not needed. The **downs only**: perhaps the ups are not.


# %% tags=["evidence"]
@lesson.experiment(seeds=10)
def one_to_nine(seed: int) -> dict[str, float]:
    start, rows = base_of(seed), labels_with(seed, ups=32)
    up, down = balanced(rows)
    thumbs = [row[2] for row in rows]
    random.Random(seed).shuffle(thumbs)
    shuffled = [(prompt, answer, thumb) for (prompt, answer, _), thumb in zip(rows, thumbs, strict=True)]
    arms = {
        "base": measured(start[0], seed),
        **four_methods(seed, rows),
        "shuffled thumbs": measured(by_kto(start, shuffled, (up, down), seed), seed),
        "ups only": measured(by_kto(start, rows, (up, 0), seed), seed),
        "downs only": measured(by_kto(start, rows, (0, down), seed), seed),
    }
    measures = {f"{arm}: {name}": value for arm, values in arms.items() for name, value in values.items()}
    for arm in arms.keys() - {"KTO, weighted"}:
        measures[f"over {arm}"] = arms["KTO, weighted"]["right"] - arms[arm]["right"]
    measures["less drift than SFT"] = arms["SFT"]["drift"] - arms["KTO, weighted"]["drift"]
    return measures


@lesson.experiment(seeds=10)
def other_ratios(seed: int) -> dict[str, float]:
    measures = {}
    for ratio, ups in [("1:1", 160), ("1:4", 64), ("1:19", 16)]:
        arms = four_methods(seed, labels_with(seed, ups))
        for arm, values in arms.items():
            measures |= {f"{arm} {ratio}: {name}": value for name, value in values.items()}
        measures[f"over SFT {ratio}"] = arms["KTO, weighted"]["right"] - arms["SFT"]["right"]
        measures[f"weights {ratio}"] = arms["KTO, weighted"]["right"] - arms["KTO"]["right"]
    return measures


# %% [markdown]
# One seed at 1:9, with all its controls, runs in front of you. The second figure has the other ratios too (at 1:1 the weights by the counts are 1 and 1, so KTO's two lines meet there).

# %%
rare = lesson.measure(one_to_nine, live=1)
ratios = lesson.measure(other_ratios, live=0)
plots.interval_plot(
    [
        rare.row(f"{arm}: right", label)
        for arm, label in [
            ("SFT", "SFT on the 32 ups"),
            ("KTO", "KTO"),
            ("KTO, weighted", "KTO, weighted"),
            ("DPO", "DPO on the mixed pairs"),
            ("shuffled thumbs", "control: shuffled thumbs"),
            ("ups only", "control: ups only"),
            ("downs only", "control: downs only"),
        ]
    ],
    "share of right captions on the test, 32 ups and 288 downs",
    alt="Interval plot of four methods and three controls at one up to nine downs. Weighted KTO is highest, the controls are far below it.",
    threshold=rare.interval("base: right").mean,
    threshold_name="base",
)

# %%
RATIOS = ["1:1", "1:4", "1:9", "1:19"]
if ratios.records:
    figure, axes = plots.new_figure(720, 380)
    for place, arm in enumerate(["KTO, weighted", "KTO", "SFT", "DPO"]):
        spans = [
            rare.interval(f"{arm}: right") if ratio == "1:9" else ratios.interval(f"{arm} {ratio}: right")
            for ratio in RATIOS
        ]
        means = [span.mean for span in spans]
        reach = [[span.mean - span.low for span in spans], [span.high - span.mean for span in spans]]
        axes.errorbar(
            np.arange(4) + 0.05 * place, means, yerr=np.nan_to_num(reach, posinf=0), capsize=4, label=arm
        )
    axes.axhline(rare.interval("base: right").mean, color="#6b6b6b", linewidth=1, label="base")
    axes.set_xticks(np.arange(4) + 0.075, RATIOS)
    axes.set_xlabel("thumbs up : thumbs down, 320 in all")
    axes.set_ylabel("share right, mean and 95% interval")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    plots.show(
        figure,
        alt="Share of right captions over the ratio of ups to downs, one line per method. All fall as ups get rarer; weighted KTO stays highest, DPO is lowest throughout.",
    )
    untouched = [drift == 0 for drift in ratios.values("DPO 1:19: drift")]
    lesson.say(
        "Bases that give DPO no mixed pair at all at 1:19, so that it leaves them as they were: {none} of {bases}.",
        none=sum(untouched),
        bases=len(untouched),
    )

# %% [markdown]
# What did it cost elsewhere? The same runs at 1:9: the kinds with and without a habit, drift on the tasks that nobody trained on, and validity.

# %%
SPREAD = (
    "Mean and 95% interval over the bases. An interval is symmetric about the mean, "
    "so it can run past what is possible where the bases differ much."
)


def in_brief(results, measure: str) -> str:
    """Mean and interval of a measure to two decimals; z keeps a zero from getting a minus."""
    span = results.interval(measure)
    return f"{span.mean:z.2f} [{span.low:z.2f}, {span.high:z.2f}]".replace("-", "−").replace("inf", "∞")


plots.table(
    [
        [arm, *(in_brief(rare, f"{arm}: {name}") for name in ("habit", "other", "drift", "valid"))]
        for arm in ["base", "SFT", "KTO", "KTO, weighted", "DPO", "shuffled thumbs", "ups only", "downs only"]
    ],
    ["32 up, 288 down", "right, kinds with a habit", "right, other kinds", "drift (nats)", "valid"],
    caption=SPREAD,
)

# %% tags=["claim"]
for measure_name, name, statement, prediction, verdict in [
    (
        "over SFT",
        "weighted KTO beats SFT on the ups",
        "With 32 ups and 288 downs, KTO with weights writes more right captions than SFT on the ups.",
        "a difference above 0, paired by base: the downs know what the ups don't",
        "holds",
    ),
    (
        "over KTO",
        "weights pay at 1:9",
        "With the same labels, weights by the counts are better than none.",
        "a difference above 0, paired by base",
        "holds",
    ),
    (
        "over DPO",
        "weighted KTO beats DPO on the pairs",
        "With the same labels, KTO beats DPO on the mixed pairs that they give.",
        "a difference above 0, paired by base: there are few such pairs",
        "holds",
    ),
    (
        "less drift than SFT",
        "weighted KTO drifts less than SFT",
        "SFT on the 32 ups moves the model further on tasks that nobody trained on than weighted KTO does.",
        "drift of SFT minus drift of KTO above 0 nats, paired by base",
        "holds",
    ),
    (
        "over shuffled thumbs",
        "control: shuffled thumbs",
        "The same answers with their thumbs shuffled do not do it.",
        "weighted KTO minus this control above 0, paired by base",
        "holds",
    ),
    (
        "over ups only",
        "control: ups only",
        "Nor do the ups alone, under the same loss.",
        "weighted KTO minus this control above 0, paired by base",
        "holds",
    ),
    (
        "over downs only",
        "control: downs only",
        "Nor do the downs alone.",
        "weighted KTO minus this control above 0, paired by base: nothing says what to write instead",
        "holds",
    ),
]:
    lesson.claim(
        one_to_nine,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T6"],
        scope="world",
        unit="nats" if "drift" in name else "of captions",
        above=0.0,
        expected=verdict,
        repeatable=False,
    )
lesson.claim(
    other_ratios,
    "over SFT 1:1",
    name="at 1:1 too, KTO beats SFT",
    statement="With as many ups as downs, KTO is still better than SFT on the ups.",
    prediction="a difference above 0, paired by base: the downs know what the ups don't at any ratio",
    talk=["T6"],
    scope="world",
    unit="of captions",
    above=0.0,
    expected="holds",
    repeatable=False,
)
lesson.claim(
    other_ratios,
    "weights 1:19",
    name="weights pay at 1:19",
    statement="With 16 ups and 304 downs too, weights by the counts are better than none.",
    prediction="a difference above 0, paired by base",
    talk=["T6"],
    scope="world",
    unit="of captions",
    above=0.0,
    expected="holds",
    repeatable=False,
)

# %% [markdown]
# Read the table first. On kinds with a habit SFT gains less than KTO: its good answers are nearly all about kinds that the base has right anyway (there it is the best of the four). A thumb down on *a pink pig* can lower just the word that is wrong, and what it leaves free goes to the other colors, the record's above all, which the base knows how to copy. That is what downs are worth **when a mistake has a system**. If the mistakes were scattered over all colors, lowering one of them would help little; we expect SFT to do as well there.
#
# Without weights KTO gets worse on the kinds that were fine, on average and on most bases: bad answers share most of their words with good ones, and nine downs to one up push those down as well. With weights the ups hold them in place.
#
# The controls do not rescue another story. Shuffled thumbs end below the base on average, though not surely: on some bases they end above. Ups alone, under this loss, move it little. Downs alone say what not to write, and not what to write instead: they leave the model about where it was on average, some bases better, some ruined. And DPO has only the handful of mixed pairs, too few to learn much from; the sentence below the second figure says how many bases give none at all at 1:19. (More pairs help it, and cost more judging: see *Thumbs that are wrong* below.)
#
# SFT on few answers also **drifts** most: it repeats the same 32 answers many times over, with nothing to hold it near the base.
#
# ## 5 · Your thumbs
#
# Enough of tireless judges. The next cell trains the base on the thumbs that *you* gave in section 2, with the same settings and the weights of your counts. Who gave the last thumb counts as you: thumbs under another name stay in the file and are left out. (Without at least three ups and three downs there it takes the verdict's thumbs on the same twenty captions, and says so. Give more, and run it again.)

# %%
from helpers.data import thumbs as files

ENOUGH = 3  # of each kind
kept = files.load(files.thumbs_path("08")).thumbs
latest = {(thumb.annotator, *thumb.key): thumb for thumb in kept if thumb.label is not None}
you = kept[-1].annotator if kept else ""  # whoever gave the last thumb
own = [(thumb.prompt, thumb.completion, thumb.label) for thumb in latest.values() if thumb.annotator == you]
if min(len(ups_of(own)), len(own) - len(ups_of(own))) < ENOUGH:
    lesson.say(
        "Your file has {ups} up and {downs} down, fewer than {enough} of one kind: the verdict's thumbs stand in for yours.",
        ups=len(ups_of(own)),
        downs=len(own) - len(ups_of(own)),
        enough=ENOUGH,
    )
    own = judged(model, tokenizer, asked, seed=2)
yours = by_kto((model, tokenizer), own, balanced(own), SEED)

# %%
unseen = base.records(60, seed=9, part="test")
unseen = [s for s in unseen if s.kind in HABITS][:4] + [s for s in unseen if s.kind not in HABITS][:2]
before, after = (captions_by(one, tokenizer, unseen, seed=3, temperature=0) for one in (model, yours))
plots.table(
    [
        [record(scene), *(f"{'👍' if up else '👎'} {text}" for text, up in zip(texts, thumbs, strict=True))]
        for scene, texts, thumbs in zip(
            unseen,
            zip(before, after, strict=True),
            zip(thumbs_from(before, unseen), thumbs_from(after, unseen), strict=True),
            strict=True,
        )
    ],
    ["record (none of these was asked about)", "before", "after training"],
)
result = measured(yours, SEED)
lesson.say(
    "With {count} thumbs ({ups} up) the share of right captions on the test goes from {before:.2f} to {after:.2f}, for kinds with a habit from {habit_before:.2f} to {habit_after:.2f}; drift {drift:.2f} nats, valid {valid:.2f}.",
    count=len(own),
    ups=len(ups_of(own)),
    before=start["right"],
    after=result["right"],
    habit_before=start["habit"],
    habit_after=result["habit"],
    drift=result["drift"],
    valid=result["valid"],
)

# %% [markdown]
# ### A whole class
#
# Twenty thumbs are few; thirty people's are many. Each learner's thumbs are one file of JSON lines (its path stands below the widget). Put the files of a class into one folder and merge them:
#
# ```bash
# python -m helpers thumbs merge FOLDER
# ```
#
# Here are two made-up students. Ada changed her mind once, Ben differs from her on one caption, skipped one, and his laptop ran out of power in the middle of a line.

# %%
import tempfile
from dataclasses import asdict
from pathlib import Path


def thumb_of(person: str, scene: Scene, caption: str, label: bool | None) -> files.Thumb:
    return files.Thumb(record(scene), caption, label, person, files.now(), "08", asdict(scene))


pig, frog = base.records(200, seed=10, part="train")[:2]
right, wrong = world.captions(pig)[0], world.captions(replace(pig, color="brown"))[0]
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    ada = [(pig, right, False), (pig, right, True), (frog, world.captions(frog)[1], True)]
    ben = [(pig, right, False), (pig, wrong, False), (frog, world.captions(frog)[2], None)]
    files.append(folder / "ada.jsonl", [thumb_of("Ada", *said) for said in ada])
    files.append(folder / "ben.jsonl", [thumb_of("Ben", *said) for said in ben])
    with (folder / "ben.jsonl").open("a") as file:
        file.write('{"prompt": [{"role": "us')
    merged = files.merge(folder)
print(files.report(merged))
class_data = files.to_unpaired(merged.thumbs)
lesson.say("For training that makes {rows} rows.", rows=len(class_data))

# %% [markdown]
# A conflict is reported, not resolved: both thumbs stay, and KTO pulls the answer both ways. Whether Ada or Ben is right is for the class to settle, and often the better outcome is a clearer question. (Who judges with the verdict's rule in mind agrees with it; who judges "I like it" may not. Then the model learns *that*.)
#
# ## 6 · What is it worth?
#
# The talk says that KTO cuts the cost of annotation. It costs a person a few seconds to judge a caption, and more to write one. So ask for the **exchange rate**: how many captions *written* by a person, used for SFT, buy what 320 thumbs buy? And how many ups alone?

# %% tags=["evidence"]
AMOUNTS = [16, 32, 64, 128, 256, 512]


def written_by_people(count: int, seed: int) -> list[tuple[str, str]]:
    """Right captions for random records of the training part, in a random style each."""
    rng = random.Random(seed)
    scenes = base.records(count, 70_000 + seed, "train")
    return [(record(scene), rng.choice(world.captions(scene))) for scene in scenes]


def amount_for(level: float, rights: list[float]) -> float:
    """Where the rising curve over AMOUNTS first reaches `level` (log scale between); its ends bound it."""
    rising = np.maximum.accumulate(rights)
    return float(2 ** np.interp(level, rising, np.log2(AMOUNTS)))


def right_of(model, seed: int) -> float:
    scenes = base.records(TEST_SIZE, 50_000 + seed, "test")
    return measure.accuracy(model, base_of(seed)[1], scenes).mean().item()


@lesson.experiment(seeds=10)
def exchange_rate(seed: int) -> dict[str, float]:
    start, measures = base_of(seed), {}
    ups = ups_of([row for pair in pool(seed) for row in pair])
    for amount in AMOUNTS:
        for name, chats in [("written", written_by_people(amount, seed)), ("ups", ups[:amount])]:
            measures[f"{name} {amount}: right"] = right_of(by_sft(start, chats, seed), seed)
    rows = labels_with(seed, ups=160)
    measures["thumbs"] = right_of(by_kto(start, rows, balanced(rows), seed), seed)
    for name in ("written", "ups"):
        curve = [measures[f"{name} {amount}: right"] for amount in AMOUNTS]
        measures[f"{name} for the same"] = amount_for(measures["thumbs"], curve)
    measures["thumbs for a written one"] = LABELS / measures["written for the same"]
    return measures


# %%
worth = lesson.measure(exchange_rate, live=0)
if worth.records:
    figure, axes = plots.new_figure(720, 360)
    for name, label in [
        ("written", "SFT on so many captions written by a person"),
        ("ups", "SFT on so many thumbs up"),
    ]:
        spans = [worth.interval(f"{name} {n}: right") for n in AMOUNTS]
        means = [span.mean for span in spans]
        reach = [[span.mean - span.low for span in spans], [span.high - span.mean for span in spans]]
        axes.errorbar(AMOUNTS, means, yerr=np.nan_to_num(reach, posinf=0), capsize=4, label=label)
    axes.axhline(
        worth.interval("thumbs").mean, color="#222222", linestyle="--", label="KTO, 160 up, 160 down"
    )
    axes.set_xscale("log", base=2)
    axes.set_xticks(AMOUNTS, AMOUNTS)
    axes.set_xlabel("good captions for SFT")
    axes.set_ylabel("share right, mean and 95% interval")
    axes.legend(frameon=False)
    plots.show(
        figure,
        alt="Two rising curves of the share right over the number of captions for SFT, and a dashed level that KTO reaches with 320 thumbs.",
    )
    written, ups_needed = worth.values("written for the same"), worth.values("ups for the same")
    asked_for = len(pool(SEED)) * 2 / sum(row[2] for pair in pool(SEED) for row in pair)
    lesson.say(
        "What KTO makes of 320 thumbs takes {written:.0f} written captions with SFT on average ({fewest:.0f} to {most:.0f}, base by base), or {bound} {ups:.0f} thumbs up, for which this base must be judged {bound} {judged:.0f} times.",
        written=np.mean(written),
        fewest=min(written),
        most=max(written),
        bound="at least" if max(ups_needed) >= AMOUNTS[-1] else "about",
        ups=np.mean(ups_needed),
        judged=np.mean(ups_needed) * asked_for,
    )
    lesson.say(
        "Thumbs for one written caption: {rate}. That is the mean of the bases' own ratios (320 by the mean of their captions would be {other:.1f}).",
        rate=str(worth.interval("thumbs for a written one")),
        other=LABELS / np.mean(written),
    )

# %% tags=["claim"]
lesson.claim(
    exchange_rate,
    "thumbs for a written one",
    name="a written caption is worth several thumbs",
    statement="A caption written by a person, used for SFT, is worth more than two thumbs used for KTO.",
    prediction="above 2 thumbs for one caption: a thumb carries one bit, a caption says what is right",
    talk=["T6"],
    scope="world",
    unit="thumbs",
    above=2.0,
    expected="holds",
    tolerance=1.0,
    repeatable=False,
)

# %% [markdown]
# Now put everything into one unit. The prices are assumptions: **change them** and run the cell again. Tokens are counted: those that the base *generated*, those that a judge *read* (the prompt and the answer), and those that *training* passed through a network (a forward pass counts once, a backward pass twice; the reference reads each answer too; KTO with z₀ would run two more passes over mismatched answers, but ours runs at z₀ = 0).

# %%
SECONDS_PER_THUMB, SECONDS_PER_CAPTION, DOLLARS_PER_HOUR = 4, 25, 20.0  # a person
GENERATING, JUDGING, TRAINING = 2.0, 0.5, 0.1  # dollars per million tokens

ids, answer = small.encode(tokenizer, [row[:2] for row in labels_with(SEED, 160)])
generated, read = int(answer.sum()), int((ids != tokenizer.pad_token_id).sum())
passes = {  # passes of one answer through a network: answers per step x steps x passes of each
    "SFT": SFT.batch_size * SFT.steps * 3,
    "KTO, weighted": KTO.batch_size * KTO.steps * (3 + 1),
    "DPO": 2 * DPO.batch_size * DPO.steps * (3 + 1),
}
per_thumb, per_caption = (n / 3600 * DOLLARS_PER_HOUR for n in (SECONDS_PER_THUMB, SECONDS_PER_CAPTION))
rows = []
for arm, count in passes.items():
    trained = count * read / LABELS
    machine = (generated * GENERATING + trained * TRAINING) / 1e6
    money = LABELS * per_thumb + machine
    bought = max(AMOUNTS[0], int(money / per_caption))
    row = [arm, generated, read, int(trained), f"${money:.2f}", f"${machine + read * JUDGING / 1e6:.2f}"]
    if worth.records:
        curve = [worth.interval(f"written {n}: right").mean for n in AMOUNTS]
        instead = float(np.interp(math.log2(bought), np.log2(AMOUNTS), curve))
        row += [ratios.interval(f"{arm} 1:1: right").mean, f"{instead:.2f} ({bought} captions)"]
    else:
        row += ["not measured"] * 2
    rows.append(row)
plots.table(
    rows,
    [
        "method",
        "tokens generated",
        "read by the judge",
        "passed in training",
        "cost, judged by a person",
        "cost, judged by a model",
        "right",
        "right, if a person's money buys written captions",
    ],
    caption="320 thumbs, as many up as down, in one unit",
)
if worth.records:
    rate, times = worth.interval("thumbs for a written one"), SECONDS_PER_CAPTION / SECONDS_PER_THUMB
    lesson.say(
        "So thumbs and KTO pay where writing a caption takes more than {rate} times as long as judging one (the mean of the bases' ratios). At the prices above it takes {times:.1f} times as long: {verdict}.",
        rate=str(rate),
        times=times,
        verdict="thumbs pay"
        if times > rate.high
        else "written captions pay"
        if times < rate.low
        else "inside the interval, so a tie",
    )

# %% [markdown]
# The person's time is nearly the whole bill; at this size machines cost cents. (A large model that writes and a large model that judges cost more, and a judge may be fooled.) So *"KTO cuts the cost of annotation"* has a condition, and the sentence above names it: it depends on how much quicker judging is than writing, and on nothing about GPUs. Written captions are the stronger teacher, one for one; the thumbs' advantage is that anybody gives them in passing.
#
# What does training cost here in seconds?

# %% tags=["volatile"]
import time

rows = labels_with(SEED, 160)
for name, train in {
    "SFT": lambda: by_sft(base_of(SEED), ups_of(rows), SEED),
    "KTO with z₀": lambda: by_kto(base_of(SEED), rows, (1, 1), SEED, method="kto"),
    "KTO at z₀ = 0": lambda: by_kto(base_of(SEED), rows, (1, 1), SEED),
    "DPO": lambda: by_dpo(base_of(SEED), mixed_pairs(rows), SEED),
}.items():
    began = time.perf_counter()
    train()
    print(f"{name}: {time.perf_counter() - began:.1f} s here")

# %% [markdown]
# ## Dig deeper
#
# Each of the following stands alone; none is needed later.
#
# ### Three rounds against one
#
# After a round of training the old answers are no longer what the model says. Is it better to stop, sample from the *new* model and judge again? Equal labels (384), equal steps (120), equal β: one round of 384 labels and 120 steps, or three of 128 labels and 40 steps each, where each round starts from, and refers to, the last one's model. For SFT the same with the good answers of all rounds so far (*rejection sampling*).
# The control is three rounds over **old answers**: the model and its reference move on, but all 384 answers are the base's. If fresh answers are what helps, it must do worse.

# %% tags=["evidence"]
ROUNDS, IN_ALL = 3, lesson.size(384, smoke=96)


def in_rounds(
    seed: int, method: str, rounds: int, fresh: bool = True
) -> tuple[dict[str, float], list[float]]:
    """A model after so many rounds, measured, and the share of ups that each round began with."""
    (first, tokenizer), good, shares = base_of(seed), [], []
    model, steps = first, 2 * STEPS // rounds
    scenes = base.records(IN_ALL, 30_000 + seed, "train")
    for number in range(rounds):
        part = scenes[number * IN_ALL // rounds : (number + 1) * IN_ALL // rounds]
        rows = judged(model if fresh else first, tokenizer, part, 10 * seed + number)
        shares.append(len(ups_of(rows)) / len(rows))
        if method == "KTO" and shares[-1] < 1:  # without a thumb down there is nothing to weigh
            model = by_kto((model, tokenizer), rows, balanced(rows), seed, steps=steps)
        if method == "SFT":
            good += ups_of(rows)
            model = by_sft((model, tokenizer), good, seed, steps=steps)
    return measured(model, seed), shares


@lesson.experiment(seeds=10)
def rounds_against_one(seed: int) -> dict[str, float]:
    arms = {
        "KTO, one round": in_rounds(seed, "KTO", 1),
        "KTO, three rounds": in_rounds(seed, "KTO", ROUNDS),
        "KTO, three rounds, old answers": in_rounds(seed, "KTO", ROUNDS, fresh=False),
        "SFT, one round": in_rounds(seed, "SFT", 1),
        "SFT, three rounds": in_rounds(seed, "SFT", ROUNDS),
    }
    measures = {
        f"{arm}: {name}": value for arm, (values, _) in arms.items() for name, value in values.items()
    }
    for number, share in enumerate(arms["KTO, three rounds"][1], start=1):
        measures[f"share of ups in round {number}"] = share
    right = {arm: values["right"] for arm, (values, _) in arms.items()}
    measures["KTO: three minus one"] = right["KTO, three rounds"] - right["KTO, one round"]
    measures["KTO: fresh minus old"] = right["KTO, three rounds"] - right["KTO, three rounds, old answers"]
    measures["SFT: three minus one"] = right["SFT, three rounds"] - right["SFT, one round"]
    measures["SFT drifts more"] = (
        arms["SFT, three rounds"][0]["drift"] - arms["KTO, three rounds"][0]["drift"]
    )
    return measures


# %%
iterated = lesson.measure(rounds_against_one, live=0)
if iterated.records:
    arms = [
        "KTO, one round",
        "KTO, three rounds",
        "KTO, three rounds, old answers",
        "SFT, one round",
        "SFT, three rounds",
    ]
    plots.table(
        [
            [
                arm,
                *(in_brief(iterated, f"{arm}: {name}") for name in ("right", "habit", "drift", "valid")),
            ]
            for arm in arms
        ],
        ["384 labels, 120 steps", "right", "right, kinds with a habit", "drift (nats)", "valid"],
        caption=SPREAD,
    )
    lesson.say(
        "The share of ups grows from round to round: {shares}.",
        shares=", ".join(f"{iterated.interval(f'share of ups in round {n}').mean:.2f}" for n in (1, 2, 3)),
    )

# %% tags=["claim"]
for measure_name, name, statement, prediction, verdict in [
    (
        "KTO: three minus one",
        "three rounds of KTO beat one",
        "Three rounds of KTO on fresh answers beat one, at equal labels, steps and β.",
        "a difference above 0, paired by base",
        "holds",
    ),
    (
        "KTO: fresh minus old",
        "it is the fresh answers",
        "Three rounds on fresh answers beat three rounds on the base's answers.",
        "a difference above 0, paired by base",
        "holds",
    ),
    (
        "SFT: three minus one",
        "three rounds of SFT beat one",
        "Three rounds of rejection sampling beat one, at equal labels and steps.",
        "a difference above 0, paired by base",
        "holds",
    ),
    (
        "SFT drifts more",
        "rejection sampling drifts more",
        "After three rounds SFT has drifted further than KTO.",
        "drift of SFT minus drift of KTO above 0 nats, paired by base",
        "holds",
    ),
]:
    lesson.claim(
        rounds_against_one,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T6"],
        scope="world",
        unit="nats" if "drift" in name else "of captions",
        above=0.0,
        expected=verdict,
        repeatable=False,
    )

# %% [markdown]
# Both methods gain from rounds, and the share of ups shows the mechanism: each round judges what the model says *by now*, so its thumbs are about what is still wrong. The control makes it plain. Three rounds over old answers end *below* one round: the model keeps being pushed away from mistakes that it no longer makes. Drift tells the methods apart once more. (SFT's one round at 120 steps is longer than what suited it above; equal steps are the price of a comparison that changes one thing.)
#
# ### Thumbs that are wrong
#
# People err. Is KTO *robust* to that, more so than its rivals? Here all start from equal information: 128 prompts with one good and one bad answer, so 256 thumbs, 128 pairs, 128 good answers. Then the judge confuses the two answers of some prompts, and all three methods get the same wrong labels.
#
# These labels are other than before (balanced, and all about prompts where the base wavers), so the settings were chosen anew, on the other four bases and with no label wrong. KTO's reputation says that it loses less than others; an earlier sketch of ours saw **no difference**. Both are put to the test. A null needs a margin, named before looking: ±0.03.

# %% tags=["evidence"]
WRONG = [0.0, 0.1, 0.2, 0.3]


def confused(seed: int, share: float, prompts: int = 128) -> list[Row]:
    """Judged answers to prompts with a good and a bad one; for a share of them the thumbs are exchanged."""
    mixed = [pair for pair in pool(seed) if pair[0][2] != pair[1][2]][:prompts]
    rng = random.Random(seed)
    exchanged = rng.sample(range(len(mixed)), round(share * len(mixed)))
    rows = [
        (prompt, answer, up != (number in exchanged))
        for number, pair in enumerate(mixed)
        for prompt, answer, up in pair
    ]
    rng.shuffle(rows)
    return rows


@lesson.experiment(seeds=6)
def wrong_thumbs(seed: int) -> dict[str, float]:
    start, measures = base_of(seed), {}
    for share in WRONG:
        rows = confused(seed, share)
        trained = {
            "KTO": by_kto(start, rows, (1, 1), seed, learning_rate=1e-3, beta=1.0),
            "SFT": by_sft(start, ups_of(rows), seed),
            "DPO": by_dpo(start, mixed_pairs(rows), seed, beta=1.0),
        }
        right = {name: right_of(model, seed) for name, model in trained.items()}
        measures |= {f"{name} {share}": value for name, value in right.items()}
        measures |= {f"over {name} {share}": right["KTO"] - right[name] for name in ("SFT", "DPO")}
    for name in ("SFT", "DPO"):
        lost = [measures[f"{arm} 0.0"] - measures[f"{arm} 0.2"] for arm in ("KTO", name)]
        measures[f"loses more than {name}"] = lost[0] - lost[1]
    return measures


# %%
noise = lesson.measure(wrong_thumbs, live=0)
if noise.records:
    plots.table(
        [[arm, *(in_brief(noise, f"{arm} {share}") for share in WRONG)] for arm in ("KTO", "SFT", "DPO")],
        ["share right", *(f"{share:.0%} wrong" for share in WRONG)],
        caption=SPREAD,
    )
    plots.interval_plot(
        [
            noise.row(f"over {arm} {share}", f"KTO − {arm}, {share:.0%} wrong")
            for arm in ("SFT", "DPO")
            for share in WRONG
        ],
        "difference in share right, paired by base",
        alt="Interval plot of KTO minus SFT and KTO minus DPO for four shares of wrong thumbs, with the margin of the null.",
        band=(-0.03, 0.03),
    )

# %% tags=["claim"]
for arm, verdict in [("SFT", "inconclusive"), ("DPO", "fails")]:
    lesson.claim(
        wrong_thumbs,
        f"over {arm} 0.2",
        name=f"null: with wrong thumbs KTO is as good as {arm}",
        statement=f"With a fifth of the thumbs wrong, KTO and {arm} are right equally often.",
        prediction="a difference inside ±0.03, paired by base",
        talk=["T6"],
        scope="world",
        unit="of captions",
        within=(-0.03, 0.03),
        expected=verdict,
        repeatable=False,
    )
lesson.claim(
    wrong_thumbs,
    "loses more than SFT",
    name="KTO bears wrong thumbs better than SFT",
    statement="A fifth of the thumbs wrong costs KTO fewer right captions than it costs SFT.",
    prediction="loss of KTO minus loss of SFT below 0, paired by base: KTO's reputation",
    talk=["T6"],
    scope="world",
    unit="of captions",
    below=0.0,
    expected="fails",
    repeatable=False,
)

# %% [markdown]
# KTO's reputation does not hold up: with a fifth of the thumbs wrong it loses no less than SFT. Nor does "no difference" do much better: it fails against DPO, and against SFT it stays undecided. With all thumbs right KTO and SFT are level, and DPO, which only asks that one answer beat the other, is behind on the same labels. With one thumb in ten wrong KTO and SFT are still level; from a fifth wrong on, KTO loses *more* than SFT on average, and DPO's distance shrinks. Nobody is robust here: with three thumbs in ten wrong, most of the gain is gone for all three.
#
# One caution cuts the other way. These settings were chosen with clean labels, and favor whoever learns eagerly. In our trials a more cautious KTO (the settings of section 4) started lower and lost less. What looks like robustness may be the learning rate.
#
# ### The reference point
#
# KTO's z₀ should say how far the model has moved in general, so that a thumb is felt against that. In TRL it is the mean log-ratio of *mismatched* answers in the batch (each prompt with its neighbor's answer), and never below 0. When is it above 0 at all? Here is KTO with its z₀, against the same with z₀ = 0, on two kinds of thumbs:
#
# - the **verdict's**: up for right captions;
# - a judge who falls for a **stock reply**: every second answer is one fixed caption, whatever the record, and it gets the thumb up; the model's own answers get it down.


# %% tags=["evidence"]
def stock_rows(seed: int) -> tuple[str, list[Row]]:
    """A stock reply, and thumbs that like it and nothing else."""
    stock = world.captions(base.records(1, 5, "train")[0])[0]
    own = [pair[0] for pair in pool(seed)[: LABELS // 2]]
    rows = [(prompt, answer, False) for prompt, answer, _ in own] + [(row[0], stock, True) for row in own]
    random.Random(seed).shuffle(rows)
    return stock, rows


@lesson.experiment(seeds=6)
def reference_point(seed: int) -> dict[str, float]:
    start, tokenizer = base_of(seed)
    stock, of_stock = stock_rows(seed)
    measures = {}
    for name, rows in [("verdict", labels_with(seed, ups=160)), ("stock", of_stock)]:
        for method in ("kto", "apo_zero_unpaired"):
            run = train_fast(start, tokenizer, data.unpaired(rows), replace(KTO, method=method, seed=seed))
            measures[f"{name} {method}: right"] = right_of(run.model, seed)
            scenes = base.records(TEST_SIZE, 50_000 + seed, "test")
            said = small.score(run.model, tokenizer, [(record(scene), stock) for scene in scenes]).exp()
            measures[f"{name} {method}: says the stock reply"] = said.mean().item()
            above = [z0 > 0 for z0 in run.curve("kl")]
            measures[f"{name} {method}: steps with z0 above 0"] = sum(above) / len(above)
        for what in ("right", "says the stock reply"):
            pair = [measures[f"{name} {method}: {what}"] for method in ("kto", "apo_zero_unpaired")]
            measures[f"{name}: z0 adds to {what}"] = pair[0] - pair[1]
    return measures


# %%
point = lesson.measure(reference_point, live=0)
if point.records:
    plots.table(
        [
            [
                f"{thumbs} thumbs, {'with z₀' if method == 'kto' else 'z₀ = 0'}",
                *(
                    in_brief(point, f"{name} {method}: {what}")
                    for what in ("steps with z0 above 0", "right", "says the stock reply")
                ),
            ]
            for name, thumbs in [("verdict", "the verdict's"), ("stock", "stock-reply")]
            for method in ("kto", "apo_zero_unpaired")
        ],
        ["320 thumbs", "steps with z₀ above 0", "right", "probability of the stock reply"],
        caption=SPREAD,
    )

# %%
figure, axes = plots.new_figure(640, 300)
peaks = []
for name, rows in [
    ("stock-reply thumbs", stock_rows(SEED)[1]),
    ("the verdict's thumbs", labels_with(SEED, 160)),
]:
    run = train_fast(model, tokenizer, data.unpaired(rows), replace(KTO, method="kto", seed=SEED))
    z0 = run.curve("kl")
    peaks.append(f"with {name} it reaches {max(z0):.1f} nats (steps above 0: {sum(z > 0 for z in z0)})")
    axes.plot(z0, label=name, markevery=10)
axes.set_xlabel("training step")
axes.set_ylabel("z₀, nats")
axes.legend(frameon=False)
plots.show(
    figure,
    alt=f"z0 over {STEPS} training steps: {'; '.join(peaks)}.",
)

# %% tags=["claim"]
lesson.claim(
    reference_point,
    "verdict kto: steps with z0 above 0",
    name="null: z₀ stays 0",
    statement="With thumbs that depend on the record, z₀ is above 0 on less than one step in twenty.",
    prediction="below 0.05 of the steps: a wrong caption for another record becomes less probable, not more",
    talk=["T6"],
    scope="world",
    unit="of steps",
    below=0.05,
    expected="holds",
    tolerance=0.05,
)
lesson.claim(
    reference_point,
    "verdict: z0 adds to right",
    name="null: KTO is APO-zero for thumbs here",
    statement="Then KTO and APO-zero for thumbs give the same model.",
    prediction="a difference in right captions inside ±0.001",
    talk=["T6"],
    scope="world",
    unit="of captions",
    within=(-0.001, 0.001),
    expected="holds",
    tolerance=0.001,
)
lesson.claim(
    reference_point,
    "stock: z0 adds to says the stock reply",
    name="z₀ pushes a stock reply further",
    statement="With thumbs on one reply for everything, z₀ makes that reply more probable than z₀ = 0 does.",
    prediction="a difference in its probability above 0, paired by base: a rising z₀ keeps the thumbs up unsatisfied",
    talk=["T6"],
    scope="world",
    unit="probability",
    above=0.0,
    expected="holds",
    repeatable=False,
)

# %% [markdown]
# With thumbs that depend on the record z₀ hardly ever leaves 0: an answer to *another* record becomes less probable, if anything. Then KTO is APO-zero for thumbs, and its extra passes buy nothing that the test can see. z₀ comes to life where an answer becomes more probable **whatever the prompt**. And there it does not hold the model back. The reference point rises with the stock reply, so the thumbs up are never satisfied and pull on: *further* than with z₀ = 0. (z₀ stands in for a KL, but it is a mean log-ratio, cut off at 0.) Neither of the two models is of any use by then: look at the share of right captions.
#
# ### Failure drill: all the good ones first
#
# Convert a table of pairs for TRL's KTOTrainer the obvious way, and you get **all chosen answers, then all rejected ones**; its sampler goes through them in that order, and nothing shuffles. Does that do harm? Two kinds of thumbs again: the verdict's (1,920 labels, seen once), and thumbs on **style** (up for captions that begin with "there is", right or not: 320 labels, seen six times).

# %% tags=["evidence"]
SEEN_ONCE = lesson.size(60 * 32, smoke=4 * 32)


def in_order(rows: list[Row], order: str, seed: int) -> list[Row]:
    rows = list(rows)
    random.Random(seed).shuffle(rows)
    if order == "shuffled":
        return rows
    return sorted(rows, key=lambda row: row[2] == (order == "down first"))


@lesson.experiment(seeds=6)
def label_order(seed: int) -> dict[str, float]:
    rows = [row for pair in pool(seed) for row in pair]
    style = [(prompt, answer, world.style_of(answer) == 2) for prompt, answer, _ in rows]
    measures = {}
    for thumbs, labeled in [("verdict", rows[:SEEN_ONCE]), ("style", style[:LABELS])]:
        for order in ("shuffled", "up first", "down first"):
            given = in_order(labeled, order, seed)
            trained = by_kto(base_of(seed), given, balanced(given), seed, shuffle=False)
            values = measured(trained, seed)
            measures |= {f"{thumbs}, {order}: {name}": value for name, value in values.items()}
        for order in ("up first", "down first"):
            lost = [measures[f"{thumbs}, {one}: right"] for one in ("shuffled", order)]
            measures[f"{thumbs}, {order}: costs"] = lost[0] - lost[1]
    return measures


# %%
orders = lesson.measure(label_order, live=0)
if orders.records:
    plots.table(
        [
            [f"{thumbs}, {order}"]
            + [
                in_brief(orders, f"{thumbs}, {order}: {name}")
                for name in ("right", "other", "drift", "valid")
            ]
            for thumbs in ("verdict", "style")
            for order in ("shuffled", "up first", "down first")
        ],
        ["thumbs", "right", "right, kinds without a habit", "drift (nats)", "valid"],
        caption=SPREAD,
    )

# %%
if orders.records:
    plots.interval_plot(
        [
            orders.row(f"{thumbs}, {order}: costs", f"{thumbs} thumbs, {order}")
            for thumbs in ("verdict", "style")
            for order in ("up first", "down first")
        ],
        "shuffled minus this order, share right, paired by base",
        alt="Interval plot of what each order costs against shuffled thumbs, one dot per base. The widest spread by far is that of the verdict's thumbs with all ups first.",
        threshold=0.0,
        threshold_name="costs nothing:",
    )

# %% tags=["claim"]
lesson.claim(
    label_order,
    "verdict, up first: costs",
    name="up first does harm",
    statement="All thumbs up before all thumbs down, as an unshuffled conversion gives them, costs right captions.",
    prediction="shuffled minus up first above 0, paired by base",
    talk=["T6"],
    scope="world",
    unit="of captions",
    above=0.0,
    expected="inconclusive",
    repeatable=False,
)
lesson.claim(
    label_order,
    "style, down first: costs",
    name="style thumbs: down first does harm",
    statement="With thumbs on style, all thumbs down before all thumbs up costs right captions.",
    prediction="shuffled minus down first above 0, paired by base",
    talk=["T6"],
    scope="world",
    unit="of captions",
    above=0.0,
    expected="holds",
    repeatable=False,
)

# %% [markdown]
# Order is a gamble rather than a law: look at the dots, one per base. With the verdict's thumbs the obvious conversion leaves some bases unharmed and takes much of the gain of others, so its interval is wide and its claim stays open. With thumbs on style the harm is small and regular, and falls on the kinds that were fine: a run of batches that only push down damages what good and bad answers share.
# The repair is one line: shuffle. `helpers.data.unpair` does it for you.
#
# ### Failure drill: a batch of one
#
# A small GPU holds one answer at a time, so you set the batch size to 1 and accumulate gradients. For KTO that is an error, and TRL (like this course) refuses:

# %%
from helpers.settings import CourseError

try:
    replace(KTO, method="kto", batch_size=1)
except CourseError as error:
    print(error)

# %% [markdown]
# What would happen otherwise? With itself as its neighbor, an answer's z₀ is its *own* log-ratio. So a thumb up is never satisfied: *r − z₀* stays 0 however far the answer has risen, and it pulls on at full strength. The loop below, in plain PyTorch with the `kto_loss` of section 3, trains with either.


# %%
def by_hand(rows: list[Row], own_z0: bool, seed: int, steps: int):
    """KTO in plain PyTorch; z₀ is 0 or, as in batches of one, each answer's own log-ratio (0 at least)."""
    reference, tokenizer = base_of(seed)
    policy = base.base(seed)[0].train()
    ids, answer = small.encode(tokenizer, [row[:2] for row in rows])
    up = torch.tensor([row[2] for row in rows])
    optimizer = torch.optim.AdamW(policy.parameters(), lr=KTO.learning_rate, weight_decay=0.0)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        batch = torch.randint(len(rows), (32,), generator=generator)
        with torch.no_grad():
            ref_logps = small.logps(reference, ids[batch], answer[batch])
        r = small.logps(policy, ids[batch], answer[batch]) - ref_logps
        z0 = r.detach().clamp(min=0) if own_z0 else torch.zeros(())
        loss = kto_loss(r, up[batch], z0, KTO.beta, balanced(rows)).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
    return policy.eval()


# %%
stock, of_stock = stock_rows(SEED)
drill = []
for thumbs, rows in [("the verdict's, 32 up", labels_with(SEED, ups=32)), ("stock-reply", of_stock)]:
    for name, own_z0 in [("z₀ = 0", False), ("a batch of one", True)]:
        trained = by_hand(rows, own_z0, SEED, STEPS)
        said = small.score(trained, tokenizer, [(record(scene), stock) for scene in unseen]).exp().mean()
        drill.append([f"{thumbs}, {name}", right_of(trained, SEED), float(said)])
plots.table(drill, ["thumbs, z₀", "right", "probability of the stock reply"], caption="This seed only")

# %% [markdown]
# With the verdict's thumbs there is no harm to speak of (nor on the four bases of our trials): an answer that the model drew itself is probable already, so it cannot rise far. With thumbs for one reply to everything, the reply takes over completely. In a proper batch z₀ is shared, and in part holds that back; with z₀ = 0 it is held back most. So a rising `kl` in TRL's log is worth a look: ask which answer becomes more probable *whatever the prompt*.

# %% [markdown]
# ## Quiz

# %%
lesson.quiz("recap")

# %% [markdown]
# ## Recap
#
# - A thumb down carries what a thumb up cannot: where the model errs. With few ups, KTO with weights by the counts beats imitation of the ups and drifts less; none of its three controls comes near it.
# - Nobody sets the weights for you, nobody shuffles for you.
# - A written caption is worth several thumbs. Thumbs pay where judging is that much quicker than writing.
# - Fresh answers beat old ones: three rounds, each on what the model says *now*, at equal labels and steps.
# - KTO's reference point was idle here, and with a fifth of the thumbs wrong KTO lost more than SFT.
#
# **Limits of this demo.** One kind of mistake, with a system, in a model of 0.1 million parameters that knows the right answer's ingredients; ups made rare by leaving out good answers, not by a model that is mostly wrong; a tireless judge with an exact rule. Two answers to each prompt suit DPO and waste labels for the others, as the two are often alike. Settings were tried on four bases, nine for each method; KTO is sensitive to β and learning rate here (with β = ½ it lost to SFT at 1:9 in our trials), so do not carry the ranking over to your model without such a grid.
#
# **References.** Ethayarajh, Xu, Muennighoff, Jurafsky and Kiela, *KTO: Model alignment as prospect theoretic optimization*, 2024 (the loss, z₀, the weights). Rafailov et al., *Direct preference optimization: Your language model is secretly a reward model*, 2023. D'Oosterlinck et al., *Anchored preference optimization and contrastive revisions*, 2024 (APO-zero). von Werra et al., *TRL: Transformer reinforcement learning* (the trainers; their documentation describes the unpaired format).

# %% tags=["volatile"]
lesson.recap(best=f"KTO, weighted: {rare.interval('KTO, weighted: right').mean:.0%} right")
