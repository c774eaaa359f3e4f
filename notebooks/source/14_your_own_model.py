# %% [markdown]
# # 14 · Your own model
#
# From a file of thumbs to a model of your own: what will it cost, is it better, and how would you know?
#
# After this lesson you can
#
# - audit a file of thumbs or pairs, and hold a part of it out without leaks;
# - say what a training will take in memory, hours and money before you start it, and rehearse it in seconds;
# - train with SFT and then KTO from one recipe that survives a disconnect, and read its curves;
# - compare models so that neither the order of the answers nor their length decides;
# - hand your model on: merged, documented, as safetensors and as GGUF.

# %% tags=["volatile", "evidence"]
import helpers

lesson = helpers.begin("14")

# %% [markdown]
# ## A guess before you measure
#
# People have judged an assistant's captions. Its right answers mostly got a thumb up, and so did some wrong ones that were chatty (“Sure! … I hope you like it!”). A real model, SmolLM2-135M-Instruct, first imitates the answers with a thumb up: that is **SFT**, 12 steps. From there it goes on in two ways, 6 steps each: **KTO** on all thumbs, up and down; or **more SFT** on the ups. Then each writes captions for prompts that it has never seen.

# %%
lesson.predict(
    "kto",
    "Which model has more right captions, on average over six trainings?",
    choices=[
        "KTO, by 5 points or more",
        "more SFT, by 5 points or more",
        "neither: less than 5 points apart",
    ],
)

# %% [markdown]
# ## 1 · Your file
#
# This lesson runs on **your** data, if you have some. A file of JSON lines, one object a line, in one of two forms:
#
# ```json
# {"prompt": "…", "completion": "…", "label": true}
# {"prompt": "…", "chosen": "…", "rejected": "…"}
# ```
#
# Name it in the next cell (or in the environment variable `COURSE_DATA` before you start Jupyter). Without one, a sample of the course is used: captions of records, `Caption: small blue pig, sleeps, meadow`, judged by a simulated person who likes right answers and is taken in by friendly ones. What you see then is made up, and what is wrong with it was planted.

# %%
import os
from pathlib import Path

from helpers.data import own, sample_thumbs

FILE = Path(os.environ.get("COURSE_DATA") or sample_thumbs.SAMPLE)  # or: FILE = Path("my_thumbs.jsonl")
IS_SAMPLE = FILE == sample_thumbs.SAMPLE
mine = own.read(FILE)
lesson.say(
    "{name}: {count} judged answers can be used, {ups} up and {downs} down.{note}",
    name=FILE.name,
    count=len(mine.judged),
    ups=sum(one.up for one in mine.judged),
    downs=sum(not one.up for one in mine.judged),
    note=" This is the course's sample." if IS_SAMPLE else "",
)

# %% [markdown]
# ### The audit
#
# Look before you train. The course's audit (lesson 04; also as a command, `python -m helpers audit FILE`) reads the file as it is, and shows none of its texts, so that you may show the report to others:

# %%
from helpers.lesson import plots
from helpers.synthesis.audit import audit

report = audit(FILE)
plots.table([[line["what"], line["found"]] for line in report.findings()], ["what", "found"])
plots.table(
    [[reason, count] for reason, count in mine.left_out.items()] or [["nothing", 0]],
    ["left out for training", "how many"],
)

# %% [markdown]
# What to look for, line by line:
#
# - **Broken lines.** The last one is often half-written: a kernel died. One line is lost, not the file.
# - **Exact duplicates** count twice in training, and once on each side of a split they are a leak. *Both up and down*: two thumbs that contradict each other teach nothing.
# - **Near duplicates** are found by their words. In templates, such as our captions, many different rows look alike: look at some before you throw them out.
# - **Labels.** If one kind is rare, KTO needs weights (lesson 08).
# - **Words an answer.** The audit knows no labels; the next table asks what it cannot: *are the ups longer?*

# %%
import statistics


def words_of(up: bool) -> list[int]:
    return [len(one.answer.split()) for one in mine.judged if one.up == up]


plots.table(
    [
        [name, len(words_of(up)), statistics.mean(words_of(up)), statistics.median(words_of(up))]
        for name, up in [("up", True), ("down", False)]
    ],
    ["thumb", "answers", "words, mean", "words, median"],
)
gap = statistics.mean(words_of(True)) - statistics.mean(words_of(False))
lesson.say(
    "On average an answer with a thumb up has {gap:+.1f} words compared with one with a thumb down. {so}",
    gap=gap,
    so="A model that learns from these thumbs may learn to write more words; whether it also learns to be right must be measured apart."
    if gap > 0.5
    else "Length will hardly tempt a model that learns from these thumbs."
    if gap > -0.5
    else "A model that learns from these thumbs may learn to be brief; whether it also learns to be right must be measured apart.",
)

# %% [markdown]
# ### Hold some out
#
# Some answers must never be trained on: only they can tell whether the model has learned more than your file by heart. *Which* is easily done wrong. A file of thumbs has several answers to one prompt, and people type the same prompt again in other ways. Split row by row, and the test asks what the training has told.
#
# > **Exercise 1 · `held_out`** · ★★☆ · 10 minutes
# >
# > Given the list of `prompts` of all rows, a `share` between 0 and 1 and a `seed`, return one bool per row: is it held out for the test? All rows of one prompt go to the same side, and two prompts that differ only in capitals and spaces are one prompt. About `share` of the different prompts are held out: `round(share * number)` of them, at least one. Which ones is random, and the same for the same seed.
# >
# > <details><summary>Hint 1</summary>First bring each prompt into one form; then split the <em>set</em> of these forms; then ask for each row where its form went.</details>
# > <details><summary>Hint 2</summary><code>" ".join(prompt.lower().split())</code> takes away capitals and double spaces.</details>
# > <details><summary>Hint 3</summary>A set has no order that is the same tomorrow: <code>sorted(…)</code> it before <code>random.Random(seed).sample(…, count)</code>.</details>


# %%
import random


def held_out(prompts: list[str], share: float, seed: int) -> list[bool]:
    """Which rows are kept for the test, all rows of a prompt together."""
    # BEGIN SOLUTION
    forms = [" ".join(prompt.lower().split()) for prompt in prompts]
    different = sorted(set(forms))
    kept = set(random.Random(seed).sample(different, max(1, round(share * len(different)))))
    return [form in kept for form in forms]
    # END SOLUTION


# %%
held_out = lesson.check(held_out)

# %% [markdown]
# Does it matter? The same audit finds leaks, when it is given the test rows. Here are two splits of the same answers, row by row and by your function:

# %%
import tempfile

from helpers.data import jsonl

WORK = Path(tempfile.mkdtemp())  # put a folder of your own here to keep what is made
prompts = [one.prompt for one in mine.judged]
by_row = random.Random(0)
splits = {
    "row by row": [by_row.random() < 0.2 for _ in prompts],
    "by prompt": held_out(prompts, 0.2, seed=0),
}
for name, kept in splits.items():
    train = [one for one, out in zip(mine.judged, kept, strict=True) if not out]
    test = [one for one, out in zip(mine.judged, kept, strict=True) if out]
    jsonl.write(WORK / "train.jsonl", [one.row for one in train])
    jsonl.write(WORK / "test.jsonl", [one.row for one in test])
    leaks = audit(WORK / "train.jsonl", WORK / "test.jsonl").leaks
    lesson.say(
        "Split {name}: {train} rows to train on, {test} for the test; {leaked} rows of the training ask what a test row asks.",
        name=name,
        train=len(train),
        test=len(test),
        leaked=leaks.prompts,
    )
TRAIN = WORK / "train.jsonl"  # of the last split, by prompt

# %% [markdown]
# ## 2 · The recipe
#
# What follows was written down **before** anything was trained: how to train, and in section 3 how to judge. Whoever chooses the judge after seeing the answers finds what they hope for.
#
# A **recipe** is a training as a file of settings. `run_recipe(recipe)` trains, or goes on where the same recipe was interrupted, or hands over the finished run. The model's own weights are frozen; small matrices beside them are trained (**LoRA**, lesson 10), and stored as an *adapter*.
#
# Three recipes: SFT on the answers with a thumb up; from there KTO on all; and, as a **control**, as many steps of more SFT. Without the control every gain of KTO could be a gain of training longer. For KTO, `start` names SFT's run: its adapter is trained further, and a frozen copy of it is the reference.


# %% tags=["real"]
import dataclasses
import math
import random
import tempfile
import time
from pathlib import Path

import numpy as np

from helpers.data import jsonl, sample_thumbs
from helpers.data.sample_thumbs import Thumbed
from helpers.models import real, small
from helpers.preference.recipe import Recipe, load_trained, run_recipe

SHORT_CHAT = (  # SmolLM2's own, without its system message: 25 tokens less in every row
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def start_in(folder: Path) -> Path:
    """SmolLM2-135M-Instruct with the short chat template, as a folder that a recipe can name."""
    found = real.language_model()
    found.tokenizer.chat_template = SHORT_CHAT
    small.save(found.model, found.tokenizer, folder)
    return folder


# %% tags=["real"]
STEPS = {"SFT": 12, "more SFT": 6, "KTO": 6}


def stages(model: Path, data: Path, output: Path, ups: int, downs: int, seed: int) -> dict[str, Recipe]:
    """SFT on the ups; from there KTO on all thumbs, and, as a control, as many steps of more SFT."""
    common = {"model": str(model), "data": data, "batch_size": 8, "seed": seed, "warmup_steps": 0}
    sft = Recipe(method="sft", output=output / "sft", learning_rate=1e-3, steps=STEPS["SFT"], **common)
    more = dataclasses.replace(
        sft, output=output / "more", learning_rate=5e-4, steps=STEPS["KTO"], start=sft.output
    )
    kto = dataclasses.replace(
        more,
        method="kto",
        output=output / "kto",
        beta=0.5,
        desirable_weight=max(1.0, downs / ups),
        undesirable_weight=max(1.0, ups / downs),
    )
    return {"SFT": sft, "more SFT": more, "KTO": kto}


# %% [markdown]
# So few steps of 8 rows are a budget of minutes on one core, not the best model; the learning rates were tried on two other files of thumbs (seeds 900 and 901). On a GPU you would take some hundred steps; section 7 goes three rounds over all rows.
#
# ## 3 · The judge
#
# ### Who may judge?
#
# | judge | good for | mind |
# | --- | --- | --- |
# | an exact check (our verifier, unit tests, a key of answers) | tasks that have one | says nothing of style |
# | held-out thumbs: does the model find the ups likelier than the downs, *per token*? | every file | it is the raters' taste, habits included |
# | a language model that is shown two answers | open questions | the order, the length, its own style |
# | you, blind | everything | slow; twenty pairs take ten minutes |
#
# The sample has an exact check: the verifier of our world reads the caption in an answer, its first sentence, and knows whether it is right. For your own data there are the other three.
#
# ### One order is no order
#
# Let a language model judge: SmolLM2-135M-Instruct sees a prompt and two captions, one right and one with a wrong color, and says A or B. (Of its next token we compare the probabilities of “A” and “B”: nothing is sampled.) Once the right one is A; then the same pair the other way around.


# %% tags=["evidence"]
from dataclasses import replace
from functools import cache

import numpy as np
import torch

from helpers import world
from helpers.data import sample_thumbs
from helpers.models import real, small

PAIRS = lesson.size(12, smoke=3)


@cache
def judge():
    """The real model, or None on a machine that does not have it."""
    return real.language_model()


@torch.no_grad()
def prefers_a(prompt: str, a: str, b: str) -> bool:
    """Whether the judge, shown two answers as A and B, finds the word A likelier than the word B."""
    question = f"Which caption fits the record better?\n{prompt}\nA: {a}\nB: {b}\nAnswer with A or B only."
    model, tokenizer = judge().model, judge().tokenizer
    ids = torch.tensor(small.prompt_ids(tokenizer, [question]), device=model.device)
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0, -1]
    return bool(logits[tokenizer.encode("A")[0]] > logits[tokenizer.encode("B")[0]])


def right_and_wrong(count: int, seed: int) -> list[tuple[str, str, str]]:
    """Prompts, each with a right caption and one that is the same but for the color."""
    found = []
    for number, scene in enumerate(sample_thumbs.scenes(count, 16_000_000 + seed)):
        shift = 1 + number % (len(world.COLORS) - 1)
        other = replace(
            scene, color=world.COLORS[(world.COLORS.index(scene.color) + shift) % len(world.COLORS)]
        )
        style = number % 3
        found.append(
            (sample_thumbs.question(scene), world.captions(scene)[style], world.captions(other)[style])
        )
    return found


# %% tags=["evidence"]
@lesson.experiment(seeds=6)
def real_judge(seed: int) -> dict[str, float]:
    """How often the judge takes the right answer: shown first, shown second, and in both orders."""
    pairs = right_and_wrong(PAIRS, seed)
    first = np.array([prefers_a(prompt, right, wrong) for prompt, right, wrong in pairs])
    second = np.array([not prefers_a(prompt, wrong, right) for prompt, right, wrong in pairs])
    return {
        "right answer first": first.mean(),
        "right answer second": second.mean(),
        "both orders": (first / 2 + second / 2).mean(),
        "order matters": abs(first.mean() - second.mean()),
        "same verdict in both orders": (first == second).mean(),
    }


# %%
from helpers.models.memory import give_back

if judge():
    judged_twice = lesson.measure(real_judge, live=1)
else:
    judged_twice = lesson.measure(real_judge, live=0)
    lesson.say("The real model is not on this machine: these numbers are from the evidence.")
if judged_twice.records:
    plots.interval_plot(
        [
            judged_twice.row("right answer first", "the right answer is A"),
            judged_twice.row("right answer second", "the right answer is B"),
            judged_twice.row("both orders", "both orders, averaged"),
        ],
        "share of pairs in which the judge takes the right answer",
        alt="Interval plot of how often the judge takes the right answer: {} when it is shown first, {} when it is shown second, {} on average.".format(
            *(
                f"{judged_twice.interval(m).mean:.2f}"
                for m in ("right answer first", "right answer second", "both orders")
            )
        ),
        threshold=0.5,
        threshold_name="coin",
    )
    lesson.say(
        "It gives the same verdict in both orders for {same:.0%} of the pairs.",
        same=judged_twice.interval("same verdict in both orders").mean,
    )
judge.cache_clear()  # half a gigabyte that is not needed any more
give_back()

# %% [markdown]
# **This is the drill.** Had we put *our new model's* answers first and judged once, we would have reported the first row, and been proud. The judge says nothing about these captions and everything about its own habit: it prefers the answer that is called A and shown first. (Which of the two it is, the letter or the place, our pairs don't separate: the first one is always A.) Larger judges have the same habit, only weaker; so pairs are judged in **both orders**, and a judge that contradicts itself has said *tie*.
#
# > **Exercise 2 · `win_rate`** · ★☆☆ · 5 minutes
# >
# > Each pair was judged twice. `first[i]` says whether the judge took the new model's answer in pair *i* when it was shown first, `second[i]` when it was shown second (bools). A pair is won if the new answer was taken both times, lost if neither time, and otherwise a tie, which counts one half. Return the win rate, a number from 0 to 1.
# >
# > <details><summary>Hint 1</summary>Three pairs, taken twice, once and never, make (1 + ½ + 0) / 3.</details>
# > <details><summary>Hint 2</summary>A bool counts as 0 or 1: what is half of <code>first[i] + second[i]</code>?</details>


# %%
def win_rate(first: list[bool], second: list[bool]) -> float:
    """Wins of the new model, ties counted half, over pairs judged in both orders."""
    # BEGIN SOLUTION
    return sum((one + two) / 2 for one, two in zip(first, second, strict=True)) / len(first)
    # END SOLUTION


# %%
win_rate = lesson.check(win_rate)

# %%
always_first = [True] * 12, [False] * 12  # a judge that takes whatever comes first
lesson.say(
    "A judge that always takes the first answer gives a win rate of {once:.0%} when it is asked once, and of {twice:.0%} in both orders: it knows nothing.",
    once=sum(always_first[0]) / 12,
    twice=win_rate(*always_first),
)

# %% tags=["claim"]
lesson.claim(
    real_judge,
    "order matters",
    name="real: one order decides",
    statement="How often SmolLM2-135M-Instruct as a judge takes the right caption depends on whether it is shown first.",
    prediction="the two shares differ by more than 0.2",
    scope="real",
    unit="of pairs",
    above=0.2,
    expected="holds",
    tolerance=0.1,
)
lesson.claim(
    real_judge,
    "both orders",
    name="real: in both orders this judge is a coin",
    statement="Averaged over both orders, this judge is no better than a coin.",
    prediction="within 0.35 and 0.65: a model this small copies the form of an answer, not the comparison",
    scope="real",
    unit="of pairs",
    within=(0.35, 0.65),
    expected="holds",
    tolerance=0.1,
)

# %% [markdown]
# The second claim follows from the first here: a judge that always says A is right in exactly half of the pairs when both orders are counted, whatever it was shown. It is the check that the repair works. (In a claim's code, `prediction` was written before the measurement; `expected` is a guard against later changes, set after it.)
#
# ### Longer is not better
#
# People and models alike tend to take the longer of two answers. Our sample's rater does. So a win rate can rise because answers grew. A simple cure: plot each pair's outcome (1 won, ½ tied, 0 lost) over how many **extra words** the new answer has, draw a straight line through the points, and read it where no answer is longer: at 0. (Benchmarks use a curve that stays between 0 and 1; the idea is the same.)
#
# > **Exercise 3 · `at_equal_length`** · ★★☆ · 10 minutes
# >
# > Given `wins` (1, 0.5 or 0 per pair) and `extra_words` (per pair, words of the new answer minus words of the old one), return the height at 0 of the least-squares line of wins over extra words. If all pairs have the same number of extra words, there is no line to draw: return the mean of the wins.
# >
# > <details><summary>Hint 1</summary><code>np.polyfit(x, y, 1)</code> gives slope and height at 0, in this order.</details>
# > <details><summary>Hint 2</summary>Are all the same? <code>len(set(extra_words)) == 1</code></details>


# %% tags=["real"]
def at_equal_length(wins: list[float], extra_words: list[float]) -> float:
    """The win rate where neither answer is longer, by a straight line through (extra words, win)."""
    # BEGIN SOLUTION
    if len(set(extra_words)) == 1:
        return float(np.mean(wins))
    _, at_zero = np.polyfit(extra_words, wins, 1)
    return float(at_zero)
    # END SOLUTION


# %%
at_equal_length = lesson.check(at_equal_length)

# %% [markdown]
# Two judges will compare the models, prompt by prompt. **The verdict** asks only whether a caption is right; two right ones tie, and so do two wrong ones. **The wordy judge** asks that first, and if both are right or both wrong takes the longer answer. You cannot ask such a judge to be fair, but you can read its wins at equal length.


# %% tags=["real"]
def compared(new: dict[str, float], old: dict[str, float]) -> dict[str, float]:
    """Win rates of one model's answers over another's, prompt by prompt: 1 won, 1/2 tied, 0 lost."""
    count = sum(name.startswith("right ") for name in new)
    better = [new[f"right {n}"] - old[f"right {n}"] for n in range(count)]
    longer = [new[f"words {n}"] - old[f"words {n}"] for n in range(count)]
    verdict = [0.5 + 0.5 * float(np.sign(right)) for right in better]
    wordy = [0.5 + 0.5 * float(np.sign(right or words)) for right, words in zip(better, longer, strict=True)]
    return {
        "right": float(np.mean(better)),
        "extra words": float(np.mean(longer)),
        "wins by the verdict": float(np.mean(verdict)),
        "wins by the wordy judge": float(np.mean(wordy)),
        "wins by the wordy judge at equal length": at_equal_length(wordy, longer),
    }


# %% [markdown]
# ### What it must not forget
#
# A model can get better at your task and worse at everything else. **Regression prompts** are questions that have nothing to do with your data and whose right answers you know. Write some of your own before you train; eight everyday ones stand in the next cell. For each model we note the mean log-probability per token of the right answers, and how much of it was lost since the base. *Per token*, because a sum would call every long answer unlikely.


# %% tags=["real"]
EVERYDAY = [
    ("What is the capital of France?", "The capital of France is Paris."),
    ("How many days are in a week?", "There are seven days in a week."),
    ("What do bees make?", "Bees make honey."),
    ("Why does ice float on water?", "Ice is less dense than water, so it floats."),
    ("Name a color of the rainbow.", "Red is a color of the rainbow."),
    ("What is two plus two?", "Two plus two is four."),
    ("Who wrote Hamlet?", "William Shakespeare wrote Hamlet."),
    ("Give me a word that rhymes with cat.", "A word that rhymes with cat is hat."),
]


def per_token(model, tokenizer, chats: list[tuple[str, str]]) -> np.ndarray:
    """The log-probability of each answer divided by its number of tokens: (chats,), in nats."""
    _, answer = small.encode(tokenizer, chats)
    return (small.score(model, tokenizer, chats, batch=8) / answer.sum(1)).numpy()


def examined(model, tokenizer, scenes, held_out: list[Thumbed], seed: int) -> dict[str, float]:
    """One answer to every prompt of the test, what the verifier says of it; and log-probabilities."""
    questions = [sample_thumbs.question(scene) for scene in scenes]
    answers = small.sample(model, tokenizer, questions, seed, longest=28)
    found = {"everyday": float(per_token(model, tokenizer, EVERYDAY).mean())}
    for up, name in [(True, "ups"), (False, "downs")]:
        chats = [(thumb.prompt, thumb.answer) for thumb in held_out if thumb.up == up][:8]
        found[f"held-out {name}"] = float(per_token(model, tokenizer, chats).mean())
    for number, (answer, scene) in enumerate(zip(answers, scenes, strict=True)):
        found[f"right {number}"] = sample_thumbs.right(answer, scene)
        found[f"words {number}"] = len(answer.split())
        found[f"chatty {number}"] = answer.strip() != sample_thumbs.caption_in(answer)
    return found


# %% [markdown]
# Then the whole experiment, for one seed: draw a file of thumbs such as the sample (each seed has its own), hold a fifth of the prompts out, train the three recipes, and let each model answer prompts that stand nowhere in the file.


# %% tags=["real"]
from transformers import TrainerCallback


class Clock(TrainerCallback):
    """Notes how many CPU seconds each step took: waiting for other programs does not count."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_step_begin(self, *_, **__) -> None:
        self.began = time.process_time()

    def on_step_end(self, *_, **__) -> None:
        self.seconds.append(time.process_time() - self.began)


def curves(run, seconds: list[float]) -> dict[str, float]:
    """A run's curves, step by step, and what it took against what its first three steps foretold."""
    kept = ["loss", "grad_norm", "kl", "rewards/chosen", "rewards/rejected"]
    found = {
        f"{name} {entry['step']}": entry[name]
        for entry in run.log
        for name in kept
        if entry.get(name) is not None
    }
    foretold = float(np.mean(seconds[:3])) * len(seconds)
    return {**found, "CPU seconds": sum(seconds), "foretold": foretold / sum(seconds)}


# %% tags=["real"]
@lesson.real_experiment(seeds=6)
def own_model(seed: int) -> dict[str, float]:
    rng = random.Random(seed)
    thumbs = sample_thumbs.thumbs(lesson.size(160, smoke=24), seed)
    prompts = sorted({thumb.prompt for thumb in thumbs})
    kept = set(rng.sample(prompts, len(prompts) // 5))
    train = [thumb for thumb in thumbs if thumb.prompt not in kept]
    held_out = [thumb for thumb in thumbs if thumb.prompt in kept]
    drawn = sample_thumbs.scenes(lesson.size(36, smoke=12), 15_000_000 + seed)
    scenes = [s for s in drawn if sample_thumbs.question(s) not in prompts][: lesson.size(24, smoke=4)]
    ups = sum(thumb.up for thumb in train)
    measures: dict[str, float] = {}

    def note(name: str, values: dict[str, float]) -> dict[str, float]:
        measures.update({f"{name}: {measure}": float(value) for measure, value in values.items()})
        return values

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jsonl.write(folder / "train.jsonl", [thumb.row for thumb in train])
        model = start_in(folder / "base")
        arms = {"base": note("base", examined(*small.load(model), scenes, held_out, seed))}
        recipes = stages(model, folder / "train.jsonl", folder, ups, len(train) - ups, seed)
        for arm, recipe in recipes.items():
            clock = Clock()
            run = run_recipe(recipe, (clock,))
            note(arm, curves(run, clock.seconds))
            arms[arm] = note(arm, examined(*load_trained(recipe.output), scenes, held_out, seed))
    for new, old in [("SFT", "base"), ("more SFT", "SFT"), ("KTO", "SFT"), ("KTO", "more SFT")]:
        note(f"{new} over {old}", compared(arms[new], arms[old]))
    for arm, found in arms.items():
        rights = [value for measure, value in found.items() if measure.startswith("right ")]
        words = [value for measure, value in found.items() if measure.startswith("words ")]
        note(arm, {"right": np.mean(rights), "words": np.mean(words)})
        note(arm, {"forgotten": arms["base"]["everyday"] - found["everyday"]})
        note(arm, {"prefers ups": found["held-out ups"] - found["held-out downs"]})
    return measures


# %% [markdown]
# ## 4 · What will it cost?
#
# Before anything is trained. Does it fit, how long does it take, and what is that in money?
#
# **Does it fit?** The planner of lesson 10 predicts the peak memory of a step from the model's shape, the method, the rows at once and the longest row (prompt and answer together; we count three tokens for two words and 20 for the chat template, a safe guess for English).

# %%
from helpers.models.planner import Job, predict

longest = 20 + int(1.5 * max(len(f"{one.prompt} {one.answer}".split()) for one in mine.judged))
fits = []
for key, trained, numbers in [
    ("smollm2-135m", "lora", "float32"),
    ("smollm2-360m", "lora", "float16"),
    ("smollm2-360m", "qlora", "float16"),
    ("qwen2.5-0.5b", "qlora", "bfloat16"),
]:
    job = Job(
        config=key,
        method="kto",
        trained=trained,
        rank=16,
        reference="adapter off",
        precision=numbers,
        batch=8,
        sequence=longest,
    )
    fits.append([key, trained, numbers, longest, f"{predict(job).total / 1e9:.2f} GB"])
plots.table(
    fits, ["model", "trained", "numbers", "tokens in the longest row", "predicted peak, 8 rows at once"]
)

# %% [markdown]
# Python and the libraries come on top, and on a GPU what CUDA itself takes (lesson 10 says what is known of that; this course had no GPU to measure it on). The planner counts adapters beside the four matrices of attention; our recipe puts them beside all seven of a layer, which costs a little more.
#
# **How long?** Trust no table of speeds: *measure three steps*, of this recipe, on this machine, with these data, and multiply. Steps of KTO cost more than steps of SFT: the frozen reference reads every answer too, and for z₀ mismatched answers are read twice more. So measure each. The cell below is the whole formula. The seconds per step in it come from the training of section 6, on one core of an ordinary server's CPU; put your own there, and your machine's price. The $0.50 an hour is an example, for a machine as fast as that core; no GPU was measured.

# %%
trained_for_real = lesson.measure(own_model, live=0)
seconds_per_step = {"SFT": 4.0, "KTO": 8.0}
for arm in seconds_per_step if trained_for_real.records else []:
    seconds_per_step[arm] = trained_for_real.interval(f"{arm}: CPU seconds").mean / STEPS[arm]
seconds_per_step |= {}  # what you measured, such as {"SFT": 0.3, "KTO": 0.7}
DOLLARS_PER_HOUR, RESERVE, ROUNDS, BATCH = 0.50, 1.3, 3, 8

answers = {"SFT": sum(one.up for one in train), "KTO": len(train)}
bill = []
for arm, count in answers.items():
    steps = math.ceil(ROUNDS * count / BATCH)
    hours = RESERVE * steps * seconds_per_step[arm] / 3600
    bill.append(
        [
            arm,
            count,
            steps,
            f"{seconds_per_step[arm]:.1f}",
            f"{hours:.2f}",
            f"${hours * DOLLARS_PER_HOUR:.2f}",
        ]
    )
plots.table(
    bill,
    ["stage", "answers", "steps", "seconds a step", "hours", "dollars"],
    caption=f"{ROUNDS} rounds of your training rows in batches of {BATCH}, ${DOLLARS_PER_HOUR:.2f} an hour, a reserve of 30%",
)

# %% [markdown]
# Is that honest? The experiment below timed every step, so the estimate from the first three can be held against the whole run: 1 would be exact. (CPU seconds: waiting for other programs does not count. On a rented machine *all* seconds count, those of loading and downloading too.)

# %%
if trained_for_real.records:
    plots.interval_plot(
        [trained_for_real.row(f"{arm}: foretold", arm) for arm in STEPS],
        "estimate from the first three steps, divided by what the run took",
        alt="Interval plot of the estimated over the real time for the three trainings; the line marks 1, an exact estimate.",
        threshold=1.0,
        threshold_name="exact",
    )

# %% [markdown]
# ## 5 · The rehearsal
#
# Most runs that fail do so in the first minute or in the last: a column that is missing, a disk that is full when the model is to be saved. So rehearse all of it with a **stand-in**: a Llama with a thousandth of the real one's parameters, whose tokens are made from your file and which has read nothing else. What it writes is worth nothing. That it trains, stops, resumes, merges and exports is what you want to know, and it takes seconds.

# %%
from helpers.models import rehearsal
from helpers.models.threads import threads

rehearsed = train[:500]  # enough for a rehearsal, whatever the size of your file
ups = sum(one.up for one in rehearsed)
jsonl.write(WORK / "rehearsal.jsonl", [one.row for one in rehearsed])
chats = [(one.prompt, one.answer) for one in rehearsed]
rehearsal.stand_in(chats, WORK / "stand-in", lesson.size(100, smoke=10))
recipes = stages(
    WORK / "stand-in", WORK / "rehearsal.jsonl", WORK / "rehearsal", ups, len(rehearsed) - ups, seed=0
)
recipes = {name: dataclasses.replace(recipe, save_every=4) for name, recipe in recipes.items()}


class Disconnect(TrainerCallback):
    """What a hosted notebook does after some hours, here at the tenth step."""

    def on_step_end(self, args, state, control, **_) -> None:
        if state.global_step == 10:
            raise ConnectionError("the runtime was disconnected")


with threads(1):
    try:
        run_recipe(recipes["SFT"], (Disconnect(),))
    except ConnectionError as error:
        kept = max(int(p.name.split("-")[1]) for p in recipes["SFT"].output.glob("checkpoints/checkpoint-*"))
        lesson.say("In step 10 of {steps}: {error}.", steps=recipes["SFT"].steps, error=str(error))
    runs = {name: run_recipe(recipe) for name, recipe in recipes.items()}
    whole = run_recipe(dataclasses.replace(recipes["SFT"], output=WORK / "rehearsal" / "never interrupted"))

# %% [markdown]
# Running the same cell again is all it takes to resume: the run goes on from its last whole checkpoint. Is the result the same as if nothing had happened?

# %%
from safetensors.torch import load_file

one, other = (load_file(run.weights / "adapter_model.safetensors") for run in (runs["SFT"], whole))
difference = max(float((one[name] - other[name]).abs().max()) for name in one)
lesson.say(
    "It resumed after step {kept}, its last whole checkpoint, and ended at step {steps}; the largest difference between its weights and those of a run without interruption is {difference:.1g}.",
    kept=kept,
    steps=runs["SFT"].steps,
    difference=difference,
)
plots.table(
    [
        [name, run.steps, f"{run.log[0]['loss']:.3f}", f"{run.log[-1]['loss']:.3f}"]
        for name, run in runs.items()
    ],
    ["rehearsed stage", "steps", "first loss", "last loss"],
)

# %% [markdown]
# A second thing that people do: change a setting, and run again *into the same folder*. Half of the steps would be trained one way and half the other, and nobody could say what came of it. So that is refused:

# %%
from helpers.settings import CourseError

try:
    run_recipe(dataclasses.replace(recipes["SFT"], learning_rate=3e-3))
except CourseError as error:
    lesson.say("{error}", error=str(error).replace(str(WORK), "…"))

# %% [markdown]
# ## 6 · The real run
#
# SmolLM2-135M-Instruct (4-bit weights from its package, converted back to 32 bits), trained through the very recipes above. It takes minutes a seed on one core, so nothing is trained when you run this notebook: `make real` trains, for six seeds, and the cells below read what it stored. Every seed has its own file of thumbs, its own split, its own LoRA matrices and its own test prompts.
#
# ### Curves, read aloud

# %%
real_run = trained_for_real


def curve(arm: str, metric: str) -> tuple[list[int], list[float]]:
    """Mean over the seeds that have the step: a batch without a thumb of a side has no reward of it."""
    by_step = {
        step: [r[key] for r in real_run.records.values() if (key := f"{arm}: {metric} {step}") in r]
        for step in range(1, STEPS[arm] + 1)
    }
    return [step for step, found in by_step.items() if found], [
        statistics.mean(found) for found in by_step.values() if found
    ]


if real_run.records:
    figure, panels = plots.new_panels(1, 3, 820, 300)
    for axes, (title, lines) in zip(
        panels,
        {
            "SFT: loss (nats a token)": [("SFT", "loss"), ("more SFT", "loss")],
            "KTO: loss": [("KTO", "loss")],
            "KTO: rewards (β × log-ratio)": [("KTO", "rewards/chosen"), ("KTO", "rewards/rejected")],
        }.items(),
        strict=True,
    ):
        for arm, metric in lines:
            side = {"chosen": "thumbs up", "rejected": "thumbs down"}.get(metric.partition("/")[2])
            axes.plot(*curve(arm, metric), label=side or arm, markersize=3)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("step")
        axes.set_xticks(range(2, STEPS[lines[0][0]] + 1, 2))
        axes.legend(fontsize=8, framealpha=0.85, edgecolor="none")
    panels[0].set_ylim(bottom=0)
    panels[1].set_ylim(bottom=0)
    plots.show(
        figure,
        alt="Three panels of training curves over the steps, means over the seeds: the loss of SFT and of more SFT, the loss of KTO, and KTO's rewards of answers with a thumb up and with a thumb down.",
    )

# %%
if real_run.records:
    starts = [
        r[f"KTO: rewards/{side} 1"]
        for r in real_run.records.values()
        for side in ("chosen", "rejected")
        if f"KTO: rewards/{side} 1" in r
    ]
    ends = {side: curve("KTO", f"rewards/{side}")[1][-1] for side in ("chosen", "rejected")}
    lesson.say(
        "At KTO's first step the largest reward, up or down, is {largest:.1g}. At its last step, on average over the seeds, answers with a thumb up have {up:+.1f} and those with a thumb down {down:+.1f}. {so}",
        largest=max(map(abs, starts)),
        up=ends["chosen"],
        down=ends["rejected"],
        so="The ups held their place, or rose."
        if ends["chosen"] > -0.5
        else "Both sides fell: most of what these few steps did was to push down, the ups' words with the downs'."
        + (
            ""
            if ends["chosen"] > ends["rejected"]
            else " In this last batch the ups even lie below the downs. A point is one batch of 8 rows a seed, so look at several steps, and at held-out rows, before you say which side is ahead."
        ),
    )

# %% [markdown]
# How to read them aloud, here and in your own run:
#
# - **The loss of SFT** falls steeply while the model learns the form of the answers, then slowly. If it falls towards 0 on your file, the model learns your file by heart: fewer rounds.
# - A **reward** is β times the log-ratio: how much likelier the model finds an answer than the reference does. **KTO's rewards must start at exactly 0**: the model *is* the reference then. If they do not, the reference is another model (lesson 09).
# - **The two sides must part.** Their distance is what was learned. *Which* side moves tells how: answers with a thumb up and a thumb down share most of their words, and pushing down is easier than lifting. A little falling of both is usual. Where both fall by several units, the model moves away from everything that it was, and other answers suffer, too: look at the regression prompts. Then take a third of the learning rate, a warm-up, or a higher β.
# - **The loss of KTO says little**: it averages ups and downs, whose shares differ from batch to batch.

# %% [markdown]
# ### Is it better?
#
# Now the question of this lesson. Each model answers the same prompts of the test, one sampled answer each, and the verifier reads the captions:

# %%
ARMS = ["base", "SFT", "more SFT", "KTO"]
if real_run.records:
    plots.interval_plot(
        [real_run.row(f"{arm}: right", arm) for arm in ARMS],
        "share of right captions for prompts of the test",
        alt="Interval plot of the share of right captions of four models: the base, after SFT, after more SFT, and after KTO. The base is at 0.",
    )
    plots.table(
        [
            [
                arm,
                f"{real_run.interval(f'{arm}: words').mean:.1f}",
                str(real_run.interval(f"{arm}: prefers ups")),
                str(real_run.interval(f"{arm}: forgotten")),
            ]
            for arm in ARMS
        ],
        [
            "model",
            "words an answer",
            "held-out thumbs: log-probability per token, ups minus downs",
            "lost on everyday answers, nats a token",
        ],
        caption="Means and 95% intervals over six trainings",
    )

# %% [markdown]
# The base's 0 is partly form: it chats in sentences of its own, which the verifier cannot read as a caption whatever they say, and often it strays from the record besides. So the step from base to SFT says as much about learning the form as about learning to caption. (The trainings are small, too: SFT sees 96 rows, KTO 48.)
#
# Compare KTO with **more SFT**, not with SFT alone: they took equally many steps from the same place. And then pair by pair, with both judges, and at equal length:

# %%
if real_run.records:
    plots.interval_plot(
        [
            real_run.row(f"KTO over {old}: {measure}", f"KTO against {old}: {name}")
            for old in ("SFT", "more SFT")
            for measure, name in [
                ("wins by the verdict", "the verdict"),
                ("wins by the wordy judge", "the wordy judge"),
                ("wins by the wordy judge at equal length", "the wordy judge, at equal length"),
            ]
        ],
        "win rate of KTO over prompts of the test",
        alt="Interval plot of win rates of KTO against SFT and against more SFT: by the verdict, by the wordy judge, and by the wordy judge at equal length.",
        threshold=0.5,
        threshold_name="even",
    )
    for old in ("SFT", "more SFT"):
        lesson.say(
            "KTO's answers have {words} more words than those of {old} (mean and interval).",
            words=str(real_run.interval(f"KTO over {old}: extra words")),
            old=old,
        )

# %% [markdown]
# Every point of the next widget is a pair of answers to one prompt. Choose who is compared and who judges, and how different in length the two answers may be at most. *Does the win rate stay, when only pairs of about the same length count?*

# %%
if real_run.records:
    pairs = {
        f"KTO against {old}": [
            tuple(record[f"{arm}: {what} {n}"] for arm in ("KTO", old) for what in ("right", "words"))
            for record in real_run.records.values()
            for n in range(sum(name.startswith("KTO: right ") for name in record))
        ]
        for old in ("SFT", "more SFT", "base")
    }
    lesson.widget("margin", pairs=pairs)
    for name, points in pairs.items():
        extra = [words - before for _, words, _, before in points]
        wins = [0.5 + 0.5 * np.sign((new - old) or (words - before)) for new, words, old, before in points]
        lesson.say(
            "{name}, all pairs of all trainings in one pot: the wordy judge {raw:.0%}, at equal length {fair:.0%} by your function of exercise 3.",
            name=name,
            raw=float(np.mean(wins)),
            fair=at_equal_length(wins, extra),
        )

# %% tags=["real", "claim"]
for measure, name, statement, prediction, region, verdict in [
    (
        "KTO over SFT: right",
        "real: KTO after SFT",
        "Six steps of KTO after SFT make SmolLM2-135M-Instruct right more often on prompts of the test.",
        "a difference above 0, paired by seed",
        {"above": 0.0},
        "inconclusive",
    ),
    (
        "KTO over more SFT: right",
        "real: KTO over more SFT",
        "They do more for that than as many further steps of SFT on the thumbs up.",
        "a difference above 0, paired by seed: the downs say what the chatty ups hide",
        {"above": 0.0},
        "inconclusive",
    ),
    (
        "KTO over more SFT: wins by the wordy judge at equal length",
        "real: KTO wins at equal length",
        "By a judge with a taste for length, KTO's answers beat those of more SFT also where neither is longer.",
        "a win rate above 0.5 at equal length: what is gained is not only words",
        {"above": 0.5},
        "inconclusive",
    ),
    (
        "KTO: forgotten",
        "real: little is forgotten",
        "After SFT and KTO, right answers to everyday questions have hardly become less likely than they were for the base.",
        "less than 0.2 nats a token are lost, the margin that we named beforehand",
        {"below": 0.2},
        "inconclusive",
    ),
    (
        "SFT: foretold",
        "real: three steps foretell the cost",
        "The first three steps of SFT foretell the CPU time of all twelve.",
        "estimate over truth within 0.8 and 1.25",
        {"within": (0.8, 1.25)},
        "holds",
    ),
]:
    lesson.claim(
        own_model,
        measure,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T6"],
        scope="real",
        unit={"above": "of prompts", "below": "nats per token", "within": "of the truth"}[next(iter(region))],
        expected=verdict,
        repeatable=False,
        **region,
    )

# %%
if real_run.records:
    gain, control = (real_run.interval(f"{name}: right") for name in ("KTO over SFT", "KTO over more SFT"))
    raw, fair = (
        real_run.interval(f"KTO over more SFT: {name}")
        for name in ("wins by the wordy judge", "wins by the wordy judge at equal length")
    )
    extra = real_run.interval("KTO over more SFT: extra words").mean
    lesson.say(
        "In points of a hundred, KTO adds {gain:+.0f} [{gain_low:+.0f}, {gain_high:+.0f}] to SFT, and {control:+.0f} [{control_low:+.0f}, {control_high:+.0f}] compared with as many steps of more SFT. {so}",
        gain=100 * gain.mean,
        gain_low=100 * gain.low,
        gain_high=100 * gain.high,
        control=100 * control.mean,
        control_low=100 * control.low,
        control_high=100 * control.high,
        so="The second interval lies above 0: the thumbs down earned something that imitation did not."
        if control.low > 0
        else "The second interval holds 0: six trainings cannot tell KTO from training longer."
        if control.high > 0
        else "The second interval lies below 0: imitation did better.",
    )
    lesson.say(
        "The wordy judge gives KTO {raw:.0%} against more SFT, and {fair:.0%} at equal length; KTO's answers are {words:.1f} words {longer} on average.",
        raw=raw.mean,
        fair=fair.mean,
        words=abs(extra),
        longer="longer" if extra > 0 else "shorter",
    )
    lesson.say(
        "By held-out thumbs (ups minus downs, nats a token) KTO has {kto} and more SFT {more}; by the verdict KTO wins {verdict:.0%} of the pairs against it.",
        kto=str(real_run.interval("KTO: prefers ups")),
        more=str(real_run.interval("more SFT: prefers ups")),
        verdict=real_run.interval("KTO over more SFT: wins by the verdict").mean,
    )
    lines = real_run.values("KTO over more SFT: wins by the wordy judge at equal length")
    lesson.say(
        "At equal length the line lies below 0 or above 1, where no win rate can be, in {outside} of {count} trainings.",
        outside=sum(not 0 <= height <= 1 for height in lines),
        count=len(lines),
    )
    lesson.say(
        "The rates at equal length of the single trainings: {heights}; their median is {median:.0%}, their mean {fair:.0%}. With all pairs in one pot (above) one such line counts less.",
        heights=", ".join(f"{height:.0%}" for height in sorted(lines)),
        median=float(np.median(lines)),
        fair=fair.mean,
    )
    lost = {arm: real_run.interval(f"{arm}: forgotten") for arm in ("SFT", "more SFT", "KTO")}
    lesson.say(
        "Lost on everyday answers since the base, in nats a token (negative: gained): SFT {sft}, more SFT {more}, KTO {kto}. {so}",
        sft=str(lost["SFT"]),
        more=str(lost["more SFT"]),
        kto=str(lost["KTO"]),
        so="The interval of KTO's loss holds the margin of 0.2 that we had named: six trainings do not decide it."
        if lost["KTO"].low <= 0.2 <= lost["KTO"].high
        else "KTO lost more than the margin of 0.2 that we had named."
        if lost["KTO"].low > 0.2
        else "KTO stays within the margin of 0.2 that we had named.",
    )

# %% [markdown]
# How to read the two win rates. If answers grew and the rate at equal length is lower, part of the win was length. If answers *shrank*, the judge's taste worked against them, and the rate at equal length may be the higher one. Neither is “the true one”: a line through a few points is a rough correction. Where nearly all new answers are longer it speaks of pairs that hardly exist, and may even leave the range of 0 to 1; such a training pulls the mean. Among pairs of equal length this judge *is* the verdict, so where the line says much more than the verdict does, distrust the line. Report both, and the words.
#
# The table above has two more judges. *Held-out thumbs* need no verifier, so you have them for your own file: the model should find answers with a thumb up likelier than those with a thumb down, per token, in rows that it never trained on. But they repeat the rater: here they count chatter as a merit, the verifier does not. And *lost on everyday answers* is the price elsewhere: a positive number is a loss, a negative one means that such answers even became likelier (a model that has learned to answer briefly finds brief answers likelier).
#
# **Would you hand this model on?** Three questions, in this order. Is it better than the *control* at the task? What did it cost elsewhere? Does the curve explain it? Where right captions are level with the control, both rewards fall, and everyday answers get lost, the steps were too large: KTO pushed down words that good and bad answers share. The remedies stand in the table of lesson 09, and then come *new* test prompts, as these have been looked at. We leave the recipe as it was written beforehand. Turning it until this figure looks right would make the test a part of the training. (A third of the learning rate was tried later, chosen on three other files and trained on six more: less was lost on everyday answers, though still more than by more SFT, and on the task the two could not be told apart. The numbers, and why that was no clean judgment either, are in the course's `LOG.md`.)

# %% [markdown]
# ## 7 · On a GPU
#
# The same recipes with the tier's own model, which the hub (Hugging Face's store of models) has, three rounds of your data, on a GPU as **QLoRA**: the frozen weights in 4 bits, if `bitsandbytes` is installed. Write into a folder that outlives the machine (on Colab a mounted Drive), then a disconnect costs 20 steps at most. **No GPU has run this section**: its lines are tested on a CPU with tiny models under the hub's names.
#
# What follows after it, your own eyes and the export, takes these models where they are, and the rehearsal's otherwise.

# %% tags=["volatile"]
from importlib.util import find_spec

from helpers.models.tiers import current_tier

tier = current_tier()
finished = runs  # the rehearsal's
if tier.name == "cpu":
    lesson.say(
        "This machine's tier is cpu: nothing to do here. On a GPU tier this cell trains for some minutes."
    )
else:
    OUTPUT = WORK / "gpu"  # a folder that lasts
    four_bits = torch.cuda.is_available() and find_spec("bitsandbytes") is not None
    finished = {}
    ups = sum(one.up for one in train)
    for name, recipe in stages(WORK, TRAIN, OUTPUT, ups, len(train) - ups, seed=0).items():
        count = ups if recipe.method == "sft" else len(train)
        finished[name] = run_recipe(
            dataclasses.replace(
                recipe,
                model=tier.language_model,
                trained="qlora" if four_bits else "lora",
                steps=lesson.size(math.ceil(ROUNDS * count / BATCH), smoke=2),
                save_every=20,
            )
        )
    plots.table(
        [[name, run.steps, sum(entry["seconds"] for entry in run.log)] for name, run in finished.items()],
        ["stage", "steps", "seconds"],
    )

# %% [markdown]
# ## 8 · Your own eyes
#
# Two judges that need no verifier, for any file. First the held-out thumbs: how likely does each model find your test rows, per token, and is an answer with a thumb up likelier than one with a thumb down? (The stand-in has read its own training rows only, so expect little. With a handful of rows the difference between the columns says less than it seems.)

# %%
from helpers.preference.recipe import model_folder, read_recipe

start_folder = model_folder(read_recipe(finished["SFT"].folder / "recipe.yaml").model)
models = {"before": small.load(start_folder)}
models |= {name: load_trained(finished[name].folder) for name in ("SFT", "KTO")}
sides = {up: [(one.prompt, one.answer) for one in test if one.up == up][:50] for up in (True, False)}
likely = []
for name, (model, tokenizer) in models.items():
    means = [float(per_token(model, tokenizer, chats).mean()) for chats in sides.values() if chats]
    likely.append([name, *(f"{mean:.2f}" for mean in means)])
plots.table(
    likely,
    [
        "model",
        *(f"{len(chats)} answers, thumb {'up' if up else 'down'}" for up, chats in sides.items() if chats),
    ],
    caption="Log-probability per token of held-out answers, nats",
)

# %% [markdown]
# Then you. No number replaces reading answers, and no reading is fair that knows whose answers they are. SFT's and KTO's model answer the same prompts of the test, **mixed and without names**. Judge them; then run the cell after it. (The rehearsal's answers are poor; that does not matter for trying it. Where both models wrote the same, you are asked once; a prompt of the sample that was typed in another way has no picture and is left out.)

# %%
asked = list(dict.fromkeys(one.prompt for one in test))[:6]
written = {
    name: small.sample(*models[name], asked, seed=1, temperature=0.7, longest=40) for name in ("SFT", "KTO")
}
blind = [
    (name, prompt, text) for name, texts in written.items() for prompt, text in zip(asked, texts, strict=True)
]
random.Random(3).shuffle(blind)
scene_of = {sample_thumbs.question(one.scene): one.scene for one in sample_thumbs.thumbs(110, 0)}
known = [(scene_of[prompt], text) for _, prompt, text in blind if prompt in scene_of]
if IS_SAMPLE and known:
    lesson.widget("blind", answers=known)
else:
    plots.table(
        [[number, prompt, text] for number, (_, prompt, text) in enumerate(blind, start=1)],
        ["number", "prompt", "answer (whose?)"],
    )

# %%
from helpers.data import thumbs as files

GOOD: list[int] = []  # with your own data: the numbers of the answers that you like
thumbs_given = {thumb.key: thumb.label for thumb in files.load(files.thumbs_path("14")).thumbs}


def verdict(number: int, prompt: str, text: str) -> bool | None:
    """What you said of an answer; None if you have not judged it. Equal answers may have been both models'."""
    if not IS_SAMPLE:
        return number in GOOD if GOOD else None
    return thumbs_given.get((world.record(scene_of[prompt]), text)) if prompt in scene_of else None


verdicts = [(who, verdict(number, prompt, text)) for number, (who, prompt, text) in enumerate(blind, start=1)]
for name in written:
    own_thumbs = [liked for who, liked in verdicts if who == name and liked is not None]
    if own_thumbs:
        lesson.say(
            "{name}: {ups} of {count} answers are fine for you.",
            name=name,
            ups=sum(own_thumbs),
            count=len(own_thumbs),
        )
    else:
        lesson.say("{name}: you have judged none of its answers yet.", name=name)

# %% [markdown]
# Six answers each say little: a difference as large as 6 of 6 against 3 of 6 comes by chance alone in about one case of six. Twenty pairs, two people, and an agreed question (“is it right?”, not “do you like it?”) make it a measurement.
#
# ## 9 · Hand it on
#
# An adapter is useless without the very model that it belongs to. So it is **merged**: added into the weights. The result is an ordinary folder with safetensors. (On the CPU tier all of this runs on the rehearsal's stand-in. For a run of yours, put its folder in place of `finished["KTO"].folder`.) `lesson.download(MODEL)`, in a cell of your own below, gives you the folder as one file together with your thumbs, if it is as small as the stand-in's (1.5 MB packed).

# %%
MODEL = WORK / "my-model"
model, tokenizer = models["KTO"]  # load_trained has merged its adapter
small.save(model, tokenizer, MODEL)
plots.table([[path.name, f"{path.stat().st_size:,}"] for path in sorted(MODEL.iterdir())], ["file", "bytes"])

# %% [markdown]
# **A card.** Who finds your model in a year (perhaps you) must know what it was made from, what it was tested on, and what it is not for. Say what you did *not* test, too.

# %%
from helpers.models import export
from helpers.models.hub import HUB

recipe = read_recipe(finished["KTO"].folder / "recipe.yaml")
base, license = ("a stand-in", "other")  # the license of the base may bind you
if recipe.model in HUB:
    base, license = HUB[recipe.model].id, HUB[recipe.model].license.lower()
body = f"""A language model taught with thumbs: SFT on the answers with a thumb up, then KTO on all of them.

**Data.** {len(train)} judged answers to train on, of which {sum(one.up for one in train)} have a thumb up, {len(test)} held out, no prompt on both sides. Left out: {mine.left_out or "nothing"}.

**Training.** {recipe.steps} steps of KTO after {finished["SFT"].steps} of SFT; the whole recipe:

```yaml
{(finished["KTO"].folder / "recipe.yaml").read_text().replace(str(WORK), "…").strip()}
```

**Evaluation.** *How it was judged, by whom, with which interval: please add.*

**Limits.** *What it was not tested on, and what it must not be used for: please add.*
"""
made = export.card("My model", base, license, body, tags=["kto"])
(MODEL / "README.md").write_text(str(made), encoding="utf-8")
print(str(made)[:900], "…")

# %% [markdown]
# **One file for llama.cpp and Ollama.** They read GGUF: all weights, the tokenizer and the chat template in one file, here with 16 bits a number or with 8. Our writer knows plain Llamas, such as SmolLM2, with a byte-level tokenizer; for any other model use `convert_hf_to_gguf.py` of llama.cpp. (The writer's test reads its files back through transformers, number by number. Once, by hand, a SmolLM2-135M that it wrote was also loaded by llama.cpp, which answered a question with the same 24 tokens as transformers.) Never trust an export that you have not read back:

# %%
from transformers import AutoModelForCausalLM

from helpers.models.bars import without_bars

readings = []
question = torch.tensor(small.prompt_ids(tokenizer, asked[:1]))
with torch.no_grad():
    before = model(question).logits.log_softmax(-1)
    for precision in ("f16", "q8_0"):
        file = WORK / f"my-model-{precision}.gguf"
        try:
            size = export.gguf(MODEL, file, precision)
        except CourseError as error:  # another kind of model
            lesson.say("{error}", error=str(error))
            break
        with without_bars():
            back = AutoModelForCausalLM.from_pretrained(WORK, gguf_file=file.name)
        after = back(question).logits.log_softmax(-1)
        kl = float((before.exp() * (before - after)).sum(-1).mean())
        readings.append([precision, f"{size:,}", f"{kl:.1e}"])
if readings:
    plots.table(readings, ["numbers", "bytes", "KL from the model before the export, nats a token"])

# %% [markdown]
# With llama.cpp installed: `llama-cli -m my-model-f16.gguf`. With Ollama: a file `Modelfile` with the one line `FROM ./my-model-f16.gguf`, then `ollama create my-model -f Modelfile` (neither command was run here).
#
# **The hub**, if you want it. Nothing is sent unless you write a name, and then into a *private* repository. Think of whose texts the model has read, and of the license of the model that you started from.

# %%
PUSH_TO = ""  # "YOUR-NAME/my-model", after `hf auth login`
if PUSH_TO:
    export.push(MODEL, PUSH_TO)
else:
    lesson.say("Nothing was sent anywhere.")

# %% [markdown]
# ## Quiz

# %%
lesson.quiz("recap")

# %% [markdown]
# ## Recap
#
# - Audit first: repeats, contradictions, leaks by prompt, labels, and whether the ups are longer.
# - Decide before you train how you will judge, and hold prompts out, not rows.
# - Fit, hours and money can be known beforehand: a planner, three measured steps, a reserve; and a rehearsal on a stand-in.
# - Read the curve and the regression prompts together: a reward that falls on both sides has its price elsewhere.
# - One folder is one recipe: it survives a disconnect, and refuses to become a mixture.
# - Give every gain a control with as many steps. Judge pairs in both orders, and say how much is length.
# - An export counts when it has been read back; a card says what was *not* tested.
#
# **Limits of this demo.** 256 answers a file, 18 steps of training, a model of 135 million parameters whose weights were rounded to 4 bits before, one sampled answer to each of 24 prompts: enough to see a large difference in six trainings, not to rank methods. Raters, habits and chatter are simulated, and the verifier is exact, which hardly any real task grants. The judge that only took what was called A and came first is as small as the model; larger ones are better, and biased all the same. The length correction is a straight line. No GPU has run any of this, QLoRA included; its lines were tested with tiny models on a CPU.
#
# **References.** Ethayarajh et al., *KTO: model alignment as prospect theoretic optimization*, 2024. Hu et al., *LoRA: low-rank adaptation of large language models*, 2021. Dettmers et al., *QLoRA: efficient finetuning of quantized LLMs*, 2023. Zheng et al., *Judging LLM-as-a-judge with MT-Bench and Chatbot Arena*, 2023 (judges prefer a place and length). Wang et al., *Large language models are not fair evaluators*, 2023. Dubois et al., *Length-controlled AlpacaEval: a simple way to debias automatic evaluators*, 2024. Mitchell et al., *Model cards for model reporting*, 2019.

# %% tags=["volatile"]
lesson.recap(
    kto=f"KTO minus more SFT: {100 * control.mean:+.0f} points [{100 * control.low:+.0f}, {100 * control.high:+.0f}]; where the interval crosses 5 points, six trainings do not decide"
    if real_run.records
    else "not measured here yet: make real LESSONS=14"
)
