# %% [markdown]
# # 06 · Agents that teach agents
#
# One model writes, another judges, the first one learns from the verdicts. When does that teach, and when does it only cement?
#
# After this lesson you can
#
# - run rejection sampling over several rounds, with the control that makes it honest: as much training without a verdict;
# - tell whether a judge can teach *before* you train on its verdicts, and why its score over *all kinds* of questions says little about the kinds where it has to decide;
# - let a critic and a reviser turn a model's own answers into pairs that lesson 09 can train on;
# - recognize a judge that is being gamed: its score rises while the truth falls;
# - compare a team of agents with one agent at equal tokens, and with the same labels spent on training.

# %% tags=["volatile", "evidence"]
import helpers

lesson = helpers.begin("06")

# %% [markdown]
# ## A guess before you measure
#
# Our writer is the small base model of this course: it turns records into captions and is right about half the time, because for six of the twelve kinds it writes the color of habit (pigs are pink). For each record it writes four captions, an agent picks the best one, the writer trains on the picks; three rounds of that. Four agents offer to pick:
#
# - **the writer itself**: the caption that it finds most likely, so that its rare slips drop out;
# - **a colleague with the same habits**: the caption that *it* finds most likely; it has read thousands of captions more;
# - **a colleague with other habits**: the same, but right about pigs, and wrong about dogs and five more kinds;
# - **the writer by another skill**: it can also say a record *backwards*, and picks a caption that agrees with that.

# %%
lesson.predict(
    "judge",
    "Whose picks make the writer best?",
    choices=[
        "the writer's own likelihood",
        "a colleague with the same habits",
        "a colleague with other habits",
        "the writer by another skill",
    ],
)

# %% [markdown]
# ## 1 · A writer and six judges

# %% tags=["evidence"]
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
import torch

from helpers import world
from helpers.data import formats
from helpers.models import base, small
from helpers.models.base import HABITS
from helpers.preference import measure
from helpers.preference.fast import train_fast
from helpers.preference.runs import Settings
from helpers.settings import CourseError
from helpers.world import Scene, record

#: From scenes and as many captions to as many scores: the higher, the better; 0 means "no".
Judge = Callable[[list[Scene], list[str]], list[float]]


@cache
def base_of(seed: int) -> tuple[Any, Any]:
    """The writer of this seed and its tokenizer. Nothing here changes it: trainings work on copies."""
    return base.base(seed)


def right(scene: Scene, caption: str) -> bool:
    verdict = world.verify(caption, scene)
    return verdict.true and verdict.complete


# %% [markdown]
# A judge is a plain function: scenes and captions in, scores out. It may look at the record of a scene and at nothing else, save for one: the world's exact verdict, which knows the truth. Here they are, from the one that knows nothing to the one that knows all.


# %% tags=["evidence"]
def no_verdict(seed: int) -> Judge:
    """The control: picks at random, so that the writer trains on as much of its own text, unjudged."""
    rng = random.Random(seed)
    return lambda scenes, captions: [rng.random() for _ in captions]


def likelihood(model: Any, tokenizer: Any) -> Judge:
    """Likes a caption as much as `model` would have been likely to write it."""

    def judge(scenes: list[Scene], captions: list[str]) -> list[float]:
        chats = list(zip(map(record, scenes), captions, strict=True))
        return small.score(model, tokenizer, chats).exp().tolist()

    return judge


def exact(scenes: list[Scene], captions: list[str]) -> list[float]:
    return [float(right(scene, caption)) for scene, caption in zip(scenes, captions, strict=True)]


# %% [markdown]
# The base has learned a side task besides captions: `backwards: small blue pig, sleeps, snow` is answered with `snow, sleeps, pig blue small`. No habit spoiled *that*. So the same weights can check what they wrote:


# %% tags=["evidence"]
def backwards(caption: str) -> str:
    """What a caption says, as a record said backwards; empty if the grammar cannot read it."""
    r = world.parse(caption)
    return f"{r.place}, {r.verb}, {r.kind} {r.color} {r.size}" if r else ""


def reads_back(model: Any, tokenizer: Any) -> Judge:
    """Has `model` say the record backwards; 1 for a caption that agrees with that in every fact, else 0."""

    def judge(scenes: list[Scene], captions: list[str]) -> list[float]:
        questions = [f"backwards: {record(scene)}" for scene in scenes]
        said = small.sample(model, tokenizer, questions, seed=0, temperature=0.0)
        return [float(backwards(c) == text) for c, text in zip(captions, said, strict=True)]

    return judge


# %% [markdown]
# Colleagues are made like the writer: each is the base after reading 4,000 more captions by people of habit. Only *which kinds* these people had habits about differs.

# %% tags=["evidence"]
OTHER_HABITS = {
    "dog": "brown",
    "rabbit": "gray",
    "bird": "blue",
    "fish": "red",
    "mouse": "gray",
    "elephant": "gray",
}
MORE_STEPS = lesson.size(100, smoke=3)


@cache
def colleague(seed: int, shared: int) -> tuple[Any, Any]:
    """The base after more captions by people with six habits, `shared` of them the writer's own."""
    model, tokenizer = base.base(seed)
    habits = dict([*HABITS.items()][:shared] + [*OTHER_HABITS.items()][shared:])
    rng, chats = random.Random(30_000 + seed), []
    for scene in world.sample(4000, seed=950_001 + seed):
        habit = habits.get(scene.kind)
        slip = rng.random() < (0.9 if habit else 0.05)
        seen = replace(scene, color=habit or rng.choice(world.COLORS)) if slip else scene
        chats.append((record(scene), rng.choices(world.captions(seen), base.CONFIG["styles"])[0]))
    chats += base.side_tasks(2000, 650_000 + seed)
    small.fit(model, tokenizer, chats, MORE_STEPS, seed, learning_rate=2e-3)
    return model, tokenizer


JUDGES: dict[str, Callable[[int], Judge]] = {
    "no verdict": no_verdict,
    "own likelihood": lambda seed: likelihood(*base_of(seed)),
    "colleague, same habits": lambda seed: likelihood(*colleague(seed, 6)),
    "colleague, other habits": lambda seed: likelihood(*colleague(seed, 0)),
    "own second skill": lambda seed: reads_back(*base_of(seed)),
    "exact verdict": lambda seed: exact,
}

# %% [markdown]
# Four captions of one record, and what each judge thinks of them:

# %%
from helpers.lesson import plots

SEED = helpers.settings.seeds(1)[0]
writer, tokenizer = base_of(SEED)
pig = next(s for s in base.records(60, 8, "train") if s.kind == "pig")
captions = [*dict.fromkeys(small.sample(writer, tokenizer, [record(pig)] * 80, seed=3))]  # no doubles
good = [c for c in captions if right(pig, c)][:1]
four = [c for c in captions if not right(pig, c)][: 4 - len(good)] + good
scores = {name: judge(SEED)([pig] * len(four), four) for name, judge in JUDGES.items()}
plots.table(
    [[caption, *(f"{scores[name][i]:.3f}" for name in JUDGES)] for i, caption in enumerate(four)],
    ["caption", *JUDGES],
    caption=f"The record: “{record(pig)}”. (Different ones out of eighty drafts, a right one among them if there was any.)",
)

# %% [markdown]
# > **Exercise 1 · `pick_best`** · ★☆☆ · 3 minutes
# >
# > `scores` holds one list per record, with one score per caption. Return a list with one entry per record: the index of its best-scored caption (the first one, if several are level), or `None` if no score of the record is above 0. Records without a pick will be left out of the training.
# >
# > <details><summary>Hint 1</summary><code>row.index(max(row))</code> is the first place of the largest score.</details>
# > <details><summary>Hint 2</summary>Ask whether <code>max(row) &gt; 0</code> first.</details>


# %% tags=["evidence"]
def pick_best(scores: list[list[float]]) -> list[int | None]:
    """The index of each record's best caption; None where the judge accepts none: (records, captions) -> (records,)."""
    # BEGIN SOLUTION
    return [row.index(max(row)) if max(row) > 0 else None for row in scores]
    # END SOLUTION


# %% tags=["evidence"]
pick_best = lesson.check(pick_best)

# %% [markdown]
# ## 2 · How good is a judge?
#
# The usual answer: give it right and wrong captions, and count how often it scores a right one above a wrong one (½ is chance; this is the area under the ROC curve). But a judge who *picks* never compares a caption about a dog with one about a pig. It compares captions of **one record**. So count those pairs:
#
# > **Exercise 2 · `prefers_right`** · ★★☆ · 6 minutes
# >
# > `scores` and `rights` hold one list per record, with a score and a bool per caption. Over all pairs of a right and a wrong caption **of the same record**: in which share does the right one have the higher score? Level scores count as half. If no record has both a right and a wrong caption, return 0.5.
# >
# > <details><summary>Hint 1</summary>Two loops inside a loop: over records, over their right captions, over their wrong ones.</details>
# > <details><summary>Hint 2</summary>A pair is worth <code>(good &gt; bad) + 0.5 * (good == bad)</code>; return the mean over all pairs of all records.</details>


# %% tags=["evidence"]
def prefers_right(scores: list[list[float]], rights: list[list[bool]]) -> float:
    """How often a right caption is scored above a wrong one of the same record."""
    # BEGIN SOLUTION
    pairs = []
    for row, truth in zip(scores, rights, strict=True):
        goods = [score for score, is_right in zip(row, truth, strict=True) if is_right]
        bads = [score for score, is_right in zip(row, truth, strict=True) if not is_right]
        pairs += [(good > bad) + 0.5 * (good == bad) for good in goods for bad in bads]
    return sum(pairs) / len(pairs) if pairs else 0.5
    # END SOLUTION


# %% tags=["evidence"]
prefers_right = lesson.check(prefers_right)

# %% tags=["evidence"]
PROMPTS = lesson.size(160, smoke=40)
TRIES = 4
Table = list[list[Any]]


def rows_of(flat: Sequence[Any]) -> Table:
    """One list per record."""
    return [list(flat[start : start + TRIES]) for start in range(0, len(flat), TRIES)]


def drafts(model: Any, tokenizer: Any, scenes: list[Scene], seed: int) -> list[str]:
    """Four captions of each scene's record, one record after the other."""
    return small.sample(model, tokenizer, [record(s) for s in scenes for _ in range(TRIES)], seed)


JUDGED = lesson.size(320, smoke=40)
WRITERS: dict[str, Callable[[int], tuple[Any, Any]]] = {
    "the writer": base_of,
    "colleague, same habits": lambda seed: colleague(seed, 6),
    "colleague, other habits": lambda seed: colleague(seed, 0),
}


@lesson.experiment(seeds=6)
def judging_judges(seed: int) -> dict[str, float]:
    """How often each judge prefers a right draft, over everything and within records; and how well who writes."""
    scenes = base.records(JUDGED, 10_000 + seed, "train")
    said = drafts(*base_of(seed), scenes, seed)
    repeated = [scene for scene in scenes for _ in range(TRIES)]
    truth = rows_of([right(s, c) for s, c in zip(repeated, said, strict=True)])
    habit = [i for i, scene in enumerate(scenes) if scene.kind in HABITS]
    parts = {"all": range(len(scenes)), "habit": habit, "other": sorted({*range(len(scenes))} - {*habit})}
    found = {}
    for name, judge in JUDGES.items():
        scored = rows_of(judge(seed)(repeated, said))
        for part, chosen in parts.items():
            rows, rights = [scored[i] for i in chosen], [truth[i] for i in chosen]
            found[f"{name}: over, {part}"] = prefers_right([[*chain(*rows)]], [[*chain(*rights)]])
            found[f"{name}: within, {part}"] = prefers_right(rows, rights)
    for part, chosen in parts.items():
        mixed = [sum(truth[i]) for i in chosen if 0 < sum(truth[i]) < TRIES]
        found |= {
            f"records, {part}": len(mixed),
            f"pairs, {part}": sum(good * (TRIES - good) for good in mixed),
        }
    for name, of in WRITERS.items():
        for where, number in (("train", 10_000), ("test", 50_000)):
            asked = base.records(240, number + seed, where)
            found[f"{name} writes, {where}"] = measure.accuracy(*of(seed), asked).mean().item()
    return found


# %%
def in_brief(results: Any, measure_name: str) -> str:
    """Mean and 95% interval of a measure to two decimals."""
    span = results.interval(measure_name)
    ends = f" [{span.low:z.2f}, {span.high:z.2f}]" if math.isfinite(span.low) else ""
    return f"{span.mean:z.2f}{ends}".replace("-", "−")


quality = lesson.measure(judging_judges, live=1)
plots.table(
    [
        [
            name,
            *(
                in_brief(quality, f"{name}: {where}, {part}")
                for part in ("all", "habit")
                for where in ("over", "within")
            ),
        ]
        for name in JUDGES
    ],
    [
        "judge",
        "all kinds, over everything",
        "all kinds, within one record",
        "kinds with a habit, over everything",
        "kinds with a habit, within one record",
    ],
    caption="How often a right caption is scored above a wrong one (½ is chance); mean and 95% interval",
)
lesson.say(
    "Of {all} records a base, {mixed:.0f} have both right and wrong drafts, on average; {few:.0f} of these are of kinds with a habit, with {pairs:.0f} pairs within a record. On the *other* kinds the writer's own likelihood prefers the right draft of a record in {other:.0%} of the pairs.",
    all=JUDGED,
    mixed=quality.interval("records, all").mean,
    few=quality.interval("records, habit").mean,
    pairs=quality.interval("pairs, habit").mean,
    other=quality.interval("own likelihood: within, other").mean,
)

# %% [markdown]
# Under a measurement the lesson states its claims: *T7* is the number of the talk's sentence that a claim tests (README lists them), *world* means measured in our small world, *real* on a pretrained model.

# %% tags=["claim"]
for measure_name, name, statement, prediction, region, verdict in [
    (
        "own likelihood: over, all",
        "over all kinds, the writer judges itself better than a coin",
        "Over all captions, the writer's own likelihood is a better judge than chance.",
        "above 0.5: it is sure where it is right, about kinds without a habit",
        {"above": 0.5},
        "holds",
    ),
    (
        "own likelihood: within, habit",
        "about kinds with a habit, the writer judges itself worse than a coin",
        "Among captions of one record of a kind with a habit, the writer's likelihood prefers the wrong ones.",
        "below 0.5: the habit is what it finds likely",
        {"below": 0.5},
        "holds",
    ),
    (
        "colleague, same habits: within, habit",
        "a colleague with the same habits is no second opinion",
        "About kinds with a habit, a colleague with the same habits prefers the wrong captions of a record too.",
        "below 0.5",
        {"below": 0.5},
        "holds",
    ),
    (
        "colleague, other habits: within, habit",
        "a colleague with other habits sees it",
        "A colleague with other habits prefers the right captions of these kinds.",
        "above 0.5: its habits are about other kinds",
        {"above": 0.5},
        "holds",
    ),
]:
    lesson.claim(
        judging_judges,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T7"],
        scope="world",
        unit="of pairs",
        expected=verdict,
        **region,
    )

# %% [markdown]
# Read the line of *own likelihood* from left to right. Over all kinds it beats a coin; about the kinds with a habit it nearly always prefers the **wrong** caption, since the habit is what it finds likely. What makes the difference? Not the step from *over everything* to *within a record*, though that is how picking works: these neighboring columns are close. It is the step to **the kinds where there is something to decide**. On the others the likelihood knows, and these lift the average. Whoever validates a judge on a mixed bag of questions stops at the first columns and is content. **Validate a judge on the kinds of questions, and between the choices, where it will decide.**
#
# ## 3 · Three rounds
#
# Now let them teach. A round: the writer drafts four captions for each of 160 fresh records; the judge picks one per record, or none; of the picked, 80 at random become the writer's reading (20 steps of plain supervised fine-tuning, SFT: what it reads becomes more likely; lesson 07 explains it). Then again, with the writer as it is now. **Every judge gives the same number of rows** to as many steps; if the exact verdict were allowed more of them, we would measure amount, not verdict. The judges stay as they were at the start.

# %% tags=["evidence"]
ROUNDS = 3
KEPT = lesson.size(80, smoke=12)
READ = Settings("sft", learning_rate=5e-4, steps=lesson.size(20, smoke=2), batch_size=32)
TESTS = lesson.size(240, smoke=24)


def tested(model: Any, seed: int) -> dict[str, float]:
    """The exact probability of a right caption, on records kept for the test."""
    scenes = base.records(TESTS, 50_000 + seed, "test")
    probability = measure.accuracy(model, base_of(seed)[1], scenes)
    habit = torch.tensor([scene.kind in HABITS for scene in scenes])
    parts = {"right": probability, "habit": probability[habit], "other": probability[~habit]}
    return {name: part.mean().item() for name, part in parts.items()}


@cache
def tested_before(seed: int) -> dict[str, float]:
    return tested(base_of(seed)[0], seed)


def picked(model: Any, tokenizer: Any, judge: Judge, scenes: list[Scene], seed: int) -> list[tuple[str, str]]:
    """Records with the draft that the judge picked."""
    said = drafts(model, tokenizer, scenes, seed)
    scores = judge([scene for scene in scenes for _ in range(TRIES)], said)
    best = zip(scenes, rows_of(said), pick_best(rows_of(scores)), strict=True)
    return [(record(scene), texts[index]) for scene, texts, index in best if index is not None]


def taught(seed: int, judge: Judge, rounds: int) -> tuple[Any, list[dict[str, float]]]:
    """The writer after `rounds` of reading what the judge picked, and its test before and after each."""
    model, tokenizer = base_of(seed)
    history = [tested_before(seed)]
    for turn in range(rounds):
        scenes = base.records(PROMPTS, 100_000 * (turn + 1) + seed, "train")
        chats = picked(model, tokenizer, judge, scenes, seed + turn)
        random.Random(seed + turn).shuffle(chats)
        rows = formats.prompt_completion(chats[:KEPT])
        model = train_fast(model, tokenizer, rows, replace(READ, seed=seed + turn)).model
        history.append({**tested(model, seed), "picked": len(chats)})
    return model, history


# %% tags=["evidence"]
@lesson.experiment(seeds=6)
def three_rounds(seed: int) -> dict[str, float]:
    measures, gain = {}, {}
    for name, judge in JUDGES.items():
        history = taught(seed, judge(seed), ROUNDS)[1]
        for turn, values in enumerate(history):
            measures |= {f"{name} {turn}: {part}": value for part, value in values.items()}
        for part in ("right", "habit", "other"):
            gain[name, part] = history[-1][part] - history[0][part]
            measures[f"{name}: gain, {part}"] = gain[name, part]
    for name in JUDGES:
        measures[f"exact over {name}"] = gain["exact verdict", "right"] - gain[name, "right"]
    return measures


# %%
teaching = lesson.measure(three_rounds, live=1)
figure, panels = plots.new_panels(1, 2, 810, 440)
for axes, part, title in zip(panels, ("habit", "other"), ("kinds with a habit", "other kinds"), strict=True):
    for place, name in enumerate(JUDGES):
        spans = [teaching.interval(f"{name} {turn}: {part}") for turn in range(ROUNDS + 1)]
        half = np.nan_to_num([span.high - span.mean for span in spans], posinf=0)
        axes.errorbar(
            np.arange(ROUNDS + 1) + 0.05 * (place - 2.5),
            [s.mean for s in spans],
            yerr=half,
            capsize=3,
            label=name,
        )
    axes.set(title=title, xlabel="rounds", ylabel="share of right captions", ylim=(-0.05, 1.08))
    axes.set_xticks(range(ROUNDS + 1))
figure.legend(*panels[0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=3)
ends = "; ".join(
    f"{name} {teaching.interval(f'{name} {ROUNDS}: habit').mean:.2f} and {teaching.interval(f'{name} {ROUNDS}: other').mean:.2f}"
    for name in JUDGES
)
plots.show(
    figure,
    alt=f"Share of right captions over three rounds, one line per judge, for kinds with a habit and for the others. After the last round: {ends}.",
)
lesson.say(
    "All kinds together: {start:.2f} before; after three rounds {none:.2f} without a verdict, {own:.2f} by its own likelihood, {same:.2f} and {other:.2f} by the colleagues with the same and with other habits, {second:.2f} by its second skill, {exact:.2f} by the exact verdict.",
    start=teaching.interval("exact verdict 0: right").mean,
    none=teaching.interval(f"no verdict {ROUNDS}: right").mean,
    own=teaching.interval(f"own likelihood {ROUNDS}: right").mean,
    same=teaching.interval(f"colleague, same habits {ROUNDS}: right").mean,
    other=teaching.interval(f"colleague, other habits {ROUNDS}: right").mean,
    second=teaching.interval(f"own second skill {ROUNDS}: right").mean,
    exact=teaching.interval(f"exact verdict {ROUNDS}: right").mean,
)


control = np.array(teaching.values("no verdict: gain, right"))
lesson.say(
    "Measured from the line without a verdict: {own:z.2f} by its own likelihood, {same:z.2f} and {other:z.2f} by the colleagues with the same and with other habits, {exact:z.2f} by the exact verdict.",
    **{
        key: float((np.array(teaching.values(f"{name}: gain, right")) - control).mean())
        for key, name in [
            ("own", "own likelihood"),
            ("same", "colleague, same habits"),
            ("other", "colleague, other habits"),
            ("exact", "exact verdict"),
        ]
    },
)
plots.table(
    [
        [name, *(in_brief(quality, f"{name} writes, {part}") for part in ("train", "test"))]
        for name in WRITERS
    ],
    ["who", "on records like those it judged", "on records of the test"],
    caption="How well do they write themselves, before any round? (Share right, mean and 95% interval)",
)

# %% tags=["claim"]
for measure_name, name, statement, prediction, region, verdict in [
    (
        "exact over no verdict",
        "verified self-training beats as much unverified",
        "Three rounds on its own captions, picked by the exact verdict, beat three rounds on as many unpicked ones.",
        "a difference above 0, paired by base",
        {"above": 0.0},
        "holds",
    ),
    (
        "no verdict: gain, right",
        "without a verdict it does not get better",
        "Three rounds on its own unpicked captions raise the share of right captions by less than 0.02.",
        "a change below 0.02: its own text says nothing that it does not know",
        {"below": 0.02},
        "holds",
    ),
    (
        "no verdict: gain, right",
        "null: without a verdict nothing changes",
        "Three rounds on its own unpicked captions change the share of right captions by less than 0.05.",
        "a change inside ±0.05: what it draws is what it is",
        {"within": (-0.05, 0.05)},
        "inconclusive",
    ),
    (
        "own likelihood: gain, habit",
        "its own likelihood cements the habit",
        "Picking by its own likelihood makes the writer worse about the kinds with a habit.",
        "a change below 0",
        {"below": 0.0},
        "holds",
    ),
    (
        "colleague, same habits: gain, habit",
        "a colleague with the same habits cements them",
        "So does a colleague with the same habits.",
        "a change below 0: shared errors pass every vote",
        {"below": 0.0},
        "holds",
    ),
    (
        "colleague, other habits: gain, right",
        "a colleague with other habits teaches",
        "A colleague that gets six other kinds wrong makes the writer better.",
        "a change above 0: its errors are not the writer's",
        {"above": 0.0},
        "holds",
    ),
    (
        "exact over own second skill",
        "null: its own second skill teaches as well as the exact verdict",
        "Checking itself by reading the record back teaches the writer as much as the exact verdict does (where it misreads no record this is a check, not news: the picks are the same).",
        "a difference inside ±0.03: the skill has no habit, and the record is all there is to know",
        {"within": (-0.03, 0.03)},
        "holds",
    ),
]:
    lesson.claim(
        three_rounds,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T7"],
        scope="world",
        unit="of captions",
        expected=verdict,
        repeatable=False,
        **region,
    )

# %% [markdown]
# - **Without a verdict** there is nothing to gain: a model's own text tells it nothing new, and what it learns by heart from a small sample of itself, slips included, wears it down a little. (Compare the others with this line, not with the starting point.)
# - **Own likelihood, and a colleague who errs alike,** make a confident model: better where it was good, and the last right pig is gone. On all kinds together that hardly shows; measured from the line without a verdict, it even looks like a success.
# - **A colleague with other habits** teaches what it knows, though it gets as many kinds wrong itself. It writes more captions right than the writer (the table; the records leave out the colors of the *writer's* habits, so that its habit is never right by luck, but not the colleague's). That alone would not do: the other colleague writes a little better than the writer, too, and cements.
# - **Its own second skill** does what the exact verdict does, with nobody else in the room, and with the very weights that write so badly: where it makes no mistake on the records, the picks are the same.
#
# How well a judge *writes* is not the point. It must not be wrong in the same places.
#
# So the talk's sentence, that agents may train one another, holds *under a condition*, and "the verdict must come from outside the model" is not quite it either. The verdict must bring something that **the writing** does not use: a truth, a person, a model that errs elsewhere, or a skill of the same weights that the error has not touched. In chats that skill may be running the program, checking the proof or looking the fact up; and section 7 shows on SmolLM2 how hard it is to know whether a real model has it.
#
# ## 4 · Why: odds
#
# Take one record and a judge that says yes or no. It says yes to right captions at rate *h* (hits), to wrong ones at rate *f* (false alarms). Among what it lets through,
#
# $$\frac{\text{right}}{\text{wrong}} = \frac{\text{right before}}{\text{wrong before}} \times \frac{h}{f}.$$
#
# If the writer learns just that, every round multiplies the odds by *h/f* again: a verdict is worth its likelihood ratio. No verdict has *h = f* and leaves the odds alone (that the line of section 3 sinks a little is the training's wear, which the formula leaves out); a judge with the writer's habits has *h < f*, and the more rounds, the worse. With numbers: the exact verdict, spoiled by turning it round at random, more and more. The formula is Bayes' rule, so verdicts like these must obey it; what the table shows is how far samples of this size stray:

# %%
scenes = [s for s in base.records(1200, 12_000 + SEED, "train") if s.kind in HABITS]
said = small.sample(writer, tokenizer, [record(s) for s in scenes], seed=4)
truth = np.array(exact(scenes, said)) > 0
rows = []
for turned in (0.05, 0.1, 0.3, 0.5, 0.7):
    yes = truth ^ (np.random.default_rng(1).random(len(truth)) < turned)
    odds = truth.mean() / (1 - truth.mean()) * (1 - turned) / turned
    rows.append(
        [
            f"{turned:.0%}",
            f"{(1 - turned) / turned:.1f}",
            odds / (1 + odds),
            truth[yes].mean(),
            int(yes.sum()),
            int(truth[yes].sum()),
        ]
    )
plots.table(
    rows,
    [
        "verdicts turned round",
        "h / f",
        "right among what passes: formula",
        "counted",
        "drafts that pass",
        "right ones",
    ],
    caption=f"{len(scenes)} drafts about kinds with a habit",
)
lesson.say(
    "Before any verdict {share:.2f} of these drafts are right: {count} drafts. Where half of the verdicts are turned round, nothing should change; what is counted beside it differs by the luck of so few.",
    share=truth.mean(),
    count=int(truth.sum()),
)

# %% [markdown]
# What can such judges do in several rounds? Move the sliders: two are about the judge's verdicts on pigs, two about all the rest. Find a judge that is right nine times in ten on the whole and still teaches the wrong thing about pigs.

# %%
lesson.widget("verdicts")

# %% [markdown]
# The formula assumes a writer that *becomes* what it reads, and a judge whose *h* and *f* stay. A real one takes a step in that direction: with no false alarms at all, the exact verdict would by the formula need a single round, and in section 3 it took more. And judges that score (likelihoods) are not yes-or-no; for them the share of section 2 plays this part: above ½ is up, below ½ is down.
#
# ## 5 · A critic and a reviser
#
# A verdict of one bit throws away most of what a checker knows. A **critic** says *what* is wrong, a **reviser** changes that and copies the rest: the answer stays the writer's own. Original and revision are a *minimal contrastive pair*, which is what lesson 09 trains on.
#
# > **Exercise 3 · `critique`** · ★★☆ · 6 minutes
# >
# > `facts` is what the critic believes about a record: a dict with the keys kind, color, size, place and verb. Return a dict with those facts that the caption has wrong **or leaves out**, with the values they should have; empty if there is nothing to complain about. If the grammar cannot read the caption, all facts are to be complained about.
# >
# > `reading = world.parse(caption)` is `None` for what the grammar cannot read; else it has the attributes `reading.kind`, `reading.color`, …, each `None` if the caption leaves it out.
# >
# > <details><summary>Hint 1</summary>First the unreadable caption; then go through <code>facts.items()</code> and keep what differs from the reading.</details>
# > <details><summary>Hint 2</summary><code>getattr(reading, name) != value</code> is true for both, wrong and left out.</details>

# %% tags=["evidence"]
FACTS = ("kind", "color", "size", "place", "verb")


def critique(caption: str, facts: dict[str, str]) -> dict[str, str]:
    """The facts that a caption gets wrong or leaves out, with the values they should have."""
    # BEGIN SOLUTION
    reading = world.parse(caption)
    if reading is None:
        return dict(facts)
    return {name: value for name, value in facts.items() if getattr(reading, name) != value}
    # END SOLUTION


# %% tags=["evidence"]
critique = lesson.check(critique)


# %% tags=["evidence"]
def facts_told(text: str) -> dict[str, str]:
    """A record said backwards ("snow, sleeps, pig blue small") as facts; none if it is no such record."""
    parts = text.split(", ")
    told = dict(zip(FACTS, (*parts[-1].split(), *parts[:-1]), strict=False))
    try:
        return told if len(told) == 5 and Scene(**told) else {}
    except CourseError:
        return {}


def revise(caption: str, complaints: dict[str, str]) -> str:
    """The caption with these facts put right, in its own style."""
    if not complaints:
        return caption
    reading = world.parse(caption)
    said = {name: getattr(reading, name) for name in FACTS} if reading else {}
    own = reading.pattern if reading and reading.pattern in world.STYLES else None
    return world.describe(Scene(**{**said, **complaints}), pattern=own)


# %% [markdown]
# Now as agents. An agent is a function from conversations to answers; a `Transcript` keeps who said what to whom, and counts the tokens that each one read and wrote. The critic is the writer's own second skill: it has the record said backwards, reads that, and compares.

# %%
from helpers.lesson import conversation
from helpers.synthesis.agents import Agent, Transcript, tokens
from helpers.synthesis.generate import local


def criticize(conversations: Sequence[list[dict[str, str]]], seed: int) -> list[str]:
    """Reads "record / caption", answers with complaints such as "color: blue"."""
    pairs = [messages[-1]["content"].split(" / ") for messages in conversations]
    said = small.sample(
        writer, tokenizer, [f"backwards: {asked}" for asked, _ in pairs], seed, temperature=0.0
    )
    found = [critique(caption, facts_told(text)) for (_, caption), text in zip(pairs, said, strict=True)]
    return ["; ".join(f"{name}: {value}" for name, value in one.items()) or "nothing" for one in found]


def answer_critic(conversations: Sequence[list[dict[str, str]]], seed: int) -> list[str]:
    """Reads "caption / complaints", answers with the revision."""
    parts = [messages[-1]["content"].split(" / ") for messages in conversations]
    wanted = [dict(one.split(": ") for one in told.split("; ") if one != "nothing") for _, told in parts]
    return [revise(caption, complaints) for (caption, _), complaints in zip(parts, wanted, strict=True)]


# %%
team = {
    "writer": Agent(
        "writer", local(writer, tokenizer, "base", str(SEED), "CC-BY-4.0").answer, tokens(tokenizer)
    ),
    "critic": Agent("critic", criticize, tokens(tokenizer)),
    "reviser": Agent("reviser", answer_critic, tokens(tokenizer)),
}
transcript = Transcript()
some = base.records(300, 13_000 + SEED, "train")
first = transcript.ask(team["writer"], [record(s) for s in some], seed=5)
complaints = transcript.ask(
    team["critic"], [f"{record(s)} / {text}" for s, text in zip(some, first, strict=True)], seed=5
)
second = transcript.ask(
    team["reviser"], [f"{text} / {told}" for text, told in zip(first, complaints, strict=True)], seed=5
)
row = next(i for i, told in enumerate(complaints) if told.startswith("color"))
conversation.show(transcript.conversation(row), "The writer, its critic and the reviser about one record.")
lesson.say(
    "Right captions among these {count}: {before:.0%} as written, {after:.0%} as revised; a revision changes {words:.1f} of {length:.1f} words. Tokens read and written per record: writer {writer:.0f}, critic {critic:.0f} (without what it says backwards to itself), reviser {reviser:.0f}.",
    count=len(some),
    before=sum(map(right, some, first)) / len(some),
    after=sum(map(right, some, second)) / len(some),
    words=np.mean(
        [
            (Counter(new.split()) - Counter(old.split())).total()
            for old, new in zip(first, second, strict=True)
            if new != old
        ]
    ),
    length=np.mean([len(old.split()) for old in first]),
    **{name: cost.tokens / len(some) for name, cost in transcript.costs.items()},
)

# %% [markdown]
# Where the critic had something to say, original and revision make a pair. The table has the columns that TRL expects (the library that lesson 09 compares with), saved in the ordinary layout of `datasets`, and loads again:

# %%
from datasets import load_from_disk

pairs = formats.paired(
    [
        (record(s), new, old)
        for s, new, old, told in zip(some, second, first, complaints, strict=True)
        if told != "nothing"
    ]
)
folder = helpers.settings.build_dir() / "pairs-of-lesson-06"
pairs.save_to_disk(folder)
again = load_from_disk(str(folder))
formats.check(again, "paired")
plots.table(
    [
        [row["prompt"][0]["content"], row["chosen"][0]["content"], row["rejected"][0]["content"]]
        for row in again.select(range(3))
    ],
    ["prompt", "chosen: revised", "rejected: as written"],
    caption=f"Three of {len(again)} pairs, as loaded from build/{folder.name}",
)

# %% [markdown]
# A critic must *know*, and this one happened to. What if it does not? The same team with four critics: the exact facts, the writer's second skill, and the two colleagues, who write a caption of their own and complain where the writer's differs. All give 64 pairs; the writer learns from them with APO-zero, a loss that makes the chosen answer likelier and the rejected one less likely than they were at the start (lesson 07 explains such losses, lesson 09 says why this one).

# %% tags=["evidence"]
PAIRS = lesson.size(64, smoke=8)
POOL = lesson.size(1200, smoke=200)
PREFER = Settings("apo_zero", learning_rate=3e-4, steps=lesson.size(60, smoke=3), batch_size=16, beta=0.5)
CRITICS = ["exact facts", "own second skill", "colleague, same habits", "colleague, other habits"]


def believed(critic: str, scenes: list[Scene], seed: int) -> list[str]:
    """What a critic takes each record to say, backwards; empty where it cannot tell."""
    if critic == "exact facts":
        return [backwards(world.captions(scene)[0]) for scene in scenes]
    if critic == "own second skill":
        return small.sample(*base_of(seed), [f"backwards: {record(s)}" for s in scenes], 0, temperature=0.0)
    mate = colleague(seed, 6 if "same" in critic else 0)
    return [backwards(text) for text in small.sample(*mate, list(map(record, scenes)), 0, temperature=0.0)]


def revisions(critic: str, seed: int) -> list[tuple[Scene, str, str]]:
    """Scenes with a revised caption and the one that the writer wrote, where the critic complains."""
    scenes = base.records(POOL, 14_000 + seed, "train")
    said = small.sample(*base_of(seed), list(map(record, scenes)), seed)
    found = []
    for scene, old, text in zip(scenes, said, believed(critic, scenes, seed), strict=True):
        told = critique(old, facts_told(text))
        found += [(scene, revise(old, told), old)] if told else []
    return found[:PAIRS]


@lesson.experiment(seeds=6)
def critics(seed: int) -> dict[str, float]:
    start, measures = tested_before(seed), {}
    for critic in CRITICS:
        found = revisions(critic, seed)
        rows = formats.paired([(record(scene), new, old) for scene, new, old in found])
        trained = train_fast(*base_of(seed), rows, replace(PREFER, seed=seed)).model
        measures |= {f"{critic}: {part}": value for part, value in tested(trained, seed).items()}
        measures[f"{critic}: pairs"] = len(found)
        measures[f"{critic}: revisions right"] = sum(right(s, new) for s, new, _ in found) / len(found)
        measures[f"{critic}: gain"] = measures[f"{critic}: right"] - start["right"]
    measures["same over exact"] = measures["exact facts: right"] - measures["own second skill: right"]
    return measures


# %%
schools = lesson.measure(critics, live=0)
if schools.records:
    before = ("exact verdict 0: right", "exact verdict 0: habit", "exact verdict 0: other")
    plots.table(
        [["before", "", *(in_brief(teaching, name) for name in before)]]
        + [
            [
                critic,
                *(
                    in_brief(schools, f"{critic}: {name}")
                    for name in ("revisions right", "right", "habit", "other")
                ),
            ]
            for critic in CRITICS
        ],
        [
            "critic",
            "revisions that are right",
            "writer afterwards: right",
            "kinds with a habit",
            "other kinds",
        ],
        caption="64 pairs each; mean and 95% interval",
    )

# %% tags=["claim"]
for measure_name, name, statement, prediction, region, verdict in [
    (
        "own second skill: gain",
        "its own critic and reviser teach it",
        "Pairs from a critic that is the writer's own second skill make the writer better.",
        "a change above 0",
        {"above": 0.0},
        "holds",
    ),
    (
        "colleague, same habits: gain",
        "a critic with the same habits does harm",
        "Pairs from a critic with the same habits make the writer worse.",
        "a change below 0: it revises what was right by chance into the habit",
        {"below": 0.0},
        "inconclusive",
    ),
    (
        "colleague, other habits: gain",
        "a critic with other habits helps, as the judge did",
        "Pairs from a critic with other habits make the writer better on the whole.",
        "a change above 0, as with the same colleague as a judge",
        {"above": 0.0},
        "fails",
    ),
]:
    lesson.claim(
        critics,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T7"],
        scope="world",
        unit="of captions",
        expected=verdict,
        repeatable=False,
        **region,
    )

# %% [markdown]
# Look at *colleague, other habits*, and compare with section 3. We predicted that what taught as a judge would teach as a critic. It does harm. A judge can only choose among what the writer wrote, and the writer seldom writes a *brown* dog by mistake: the colleague's own errors were hardly on offer. A critic *brings its own words*, and its own errors with them: the writer has learned something about pigs, and lost more about dogs (the two last columns, against *before*). So before you let an agent rewrite, ask more of it than of one that picks. (Not only the agent's part differs from section 3, though: there the writer read picks, by SFT; here it learned from pairs, by APO-zero, which also pushes its own captions down.)
#
# A critic who shares the habits is no help either; see how many of its revisions are right.
#
# ## 6 · A judge that gets gamed
#
# Judges are trained, prompted or written down, and have tastes. A common one, in people and in models: **the more detail, the better.** Here the notes are incomplete (some facts are missing), and a caption should say what the note says, no more. The writer has read captions by people who sometimes added what they happened to know, so now and then it adds a detail that the note does not hold: it makes it up. (It also makes plainer mistakes, such as a wrong kind; how many of which is counted below.)
#
# The judge gives a point for each fact that a caption tells, if the kind is right. It never looks whether the others are in the note.

# %% tags=["evidence"]
OPTIONAL = ("size", "color", "place")
NOTES = lesson.size(250, smoke=20)
Task = tuple[Scene, tuple[str, ...]]  # a scene, and which of its facts the note holds


def tasks(count: int, seed: int) -> list[Task]:
    rng = random.Random(seed)
    return [
        (s, ("kind", "verb", *(name for name in OPTIONAL if rng.random() < 0.6)))
        for s in world.sample(count, seed)
    ]


def note(task: Task) -> str:
    """The facts that are told, in a line: "small pig, sleeps"."""
    scene, told = task
    animal = " ".join(getattr(scene, name) for name in ("size", "color", "kind") if name in told)
    return ", ".join([animal, *(getattr(scene, name) for name in ("verb", "place") if name in told)])


def says(caption: str) -> dict[str, str]:
    """The facts that a caption tells; none if the grammar cannot read it."""
    reading = world.parse(caption)
    facts = {name: getattr(reading, name) for name in FACTS} if reading else {}
    return {name: value for name, value in facts.items() if value}


def facts_of(task: Task) -> dict[str, str]:
    return {name: getattr(task[0], name) for name in task[1]}


def likes_detail(task: Task, caption: str) -> float:
    """The flawed judge: a point per fact told, whatever it is, if the kind is right."""
    facts = says(caption)
    return float(len(facts)) if facts.get("kind") == task[0].kind else 0.0


# %% tags=["evidence"]
@cache
def note_writer(seed: int) -> Any:
    """The base after 1,500 notes with captions by people who added a missing fact in 15 of 100 cases."""
    model, tokenizer = base.base(seed)
    rng, chats = random.Random(40_000 + seed), []
    for scene, told in tasks(1500, 970_001 + seed):
        added = [name for name in OPTIONAL if name not in told and rng.random() < 0.15]
        chats.append((note((scene, told)), world.describe(scene, mention=(*told, *added))))
    small.fit(model, tokenizer, chats, lesson.size(150, smoke=3), seed, learning_rate=2e-3)
    return model


def graded(model: Any, seed: int) -> dict[str, float]:
    """Captions of fresh notes: right, with something made up, and the flawed judge's mean score."""
    asked = tasks(lesson.size(300, smoke=20), 980_001 + seed)
    said = small.sample(model, base_of(seed)[1], [note(task) for task in asked], seed)
    both = list(zip(asked, said, strict=True))
    return {
        "right": float(np.mean([says(text) == facts_of(task) for task, text in both])),
        "made up": float(np.mean([bool(says(text).keys() - set(task[1])) for task, text in both])),
        "judge's score": float(np.mean([likes_detail(task, text) for task, text in both])),
    }


PICKERS: dict[str, Callable[[Task, str], float]] = {
    "the more detail, the better": likes_detail,
    "exact verdict": lambda task, text: float(says(text) == facts_of(task)),
    "no judge": lambda task, text: random.Random(text).random(),
}


@lesson.experiment(seeds=6)
def gamed(seed: int) -> dict[str, float]:
    measures, tokenizer = {}, base_of(seed)[1]
    for name, picker in PICKERS.items():
        model = note_writer(seed)
        history = [graded(model, seed)]
        for turn in range(ROUNDS):
            asked, tries = tasks(NOTES, 990_001 + 100_000 * turn + seed), 1 if name == "no judge" else 8
            said = small.sample(model, tokenizer, [note(t) for t in asked for _ in range(tries)], seed + turn)
            scores = [picker(asked[i // tries], text) for i, text in enumerate(said)]
            chosen = [max(range(i, i + tries), key=scores.__getitem__) for i in range(0, len(said), tries)]
            chats = [(note(t), said[i]) for t, i in zip(asked, chosen, strict=True) if scores[i] > 0]
            random.Random(seed + turn).shuffle(chats)
            settings = Settings("sft", 5e-4, steps=lesson.size(30, smoke=2), batch_size=32, seed=seed + turn)
            rows = formats.prompt_completion(chats[: lesson.size(160, smoke=10)])
            model = train_fast(model, tokenizer, rows, settings).model
            history.append(graded(model, seed))
        for turn, values in enumerate(history):
            measures |= {f"{name} {turn}: {part}": value for part, value in values.items()}
        for part in history[0]:
            measures[f"{name}: change, {part}"] = history[-1][part] - history[0][part]
    for name in ("the more detail, the better", "exact verdict"):
        measures[f"{name} over no judge"] = (
            measures[f"{name}: change, right"] - measures["no judge: change, right"]
        )
    return measures


# %%
SCORE = "judge's score"
game = lesson.measure(gamed, live=0)
if game.records:
    figure, panels = plots.new_panels(1, 3, 815, 400)
    for axes, part in zip(panels, (SCORE, "right", "made up"), strict=True):
        for place, name in enumerate(PICKERS):
            spans = [game.interval(f"{name} {turn}: {part}") for turn in range(ROUNDS + 1)]
            half = np.nan_to_num([span.high - span.mean for span in spans], posinf=0)
            axes.errorbar(
                np.arange(ROUNDS + 1) + 0.06 * (place - 1),
                [s.mean for s in spans],
                yerr=half,
                capsize=3,
                label=name,
            )
        axes.set(
            title={"right": "right (exact)", "made up": "something made up"}.get(part, "the judge's score")
        )
        axes.set(
            xlabel="rounds",
            ylabel="points a caption" if part == SCORE else "share of captions",
            ylim=(0, 5) if part == SCORE else (0, 1),
        )
        axes.set_xticks(range(ROUNDS + 1))
    figure.legend(*panels[0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=3)
    at = {
        (name, part, turn): game.interval(f"{name} {turn}: {part}").mean
        for name in PICKERS
        for part in (SCORE, "right", "made up")
        for turn in (0, ROUNDS)
    }
    words = "; ".join(
        f"{name}: score {at[name, SCORE, 0]:.1f} to {at[name, SCORE, ROUNDS]:.1f}, "
        f"right {at[name, 'right', 0]:.2f} to {at[name, 'right', ROUNDS]:.2f}, "
        f"made up {at[name, 'made up', 0]:.2f} to {at[name, 'made up', ROUNDS]:.2f}"
        for name in PICKERS
    )
    plots.show(figure, alt=f"Three panels over three rounds, one line per judge. {words}.")
    lesson.say(
        "Without a judge, the judge's score goes from {before:.2f} to {after:.2f} points and the share of right captions from {was:.2f} to {now:.2f}.",
        before=at["no judge", SCORE, 0],
        after=at["no judge", SCORE, ROUNDS],
        was=at["no judge", "right", 0],
        now=at["no judge", "right", ROUNDS],
    )

# %%
game_writer = note_writer(SEED)
shown = next(task for task in tasks(50, 975_001) if len(task[1]) == 3)
eight = small.sample(game_writer, tokenizer, [note(shown)] * 8, seed=1)
plots.table(
    [
        [
            text,
            likes_detail(shown, text),
            "✔ right" if says(text) == facts_of(shown) else "✘ not what the note says",
        ]
        for text in sorted(set(eight), key=lambda text: -likes_detail(shown, text))
    ],
    ["caption", "the judge's score", "verdict"],
    caption=f"What the judge chooses from. The note: “{note(shown)}”",
)
asked = tasks(300, 976_001)
told = [says(text) for text in small.sample(game_writer, tokenizer, [note(task) for task in asked], seed=2)]
flaws = Counter(
    "right"
    if facts == facts_of(task)
    else "kind"
    if facts.get("kind") != task[0].kind
    else "more"
    if facts.keys() - set(task[1])
    else "else"
    for task, facts in zip(asked, told, strict=True)
)
lesson.say(
    "One note need not be typical. Before any round, of {count} captions of other notes {right} are right; {kind} have the wrong kind or none, {more} the right kind and something made up, {rest} something else wrong or left out. The judge does look at the kind; so what its picks change is mostly the rest.",
    count=len(asked),
    right=flaws["right"],
    kind=flaws["kind"],
    more=flaws["more"],
    rest=flaws["else"],
)

# %% tags=["claim"]
for measure_name, name, statement, prediction, region, unit in [
    (
        "the more detail, the better: change, judge's score",
        "the gamed judge's score rises",
        "Trained on its picks, the writer pleases the judge that likes detail more and more.",
        "a change of its score above 0",
        {"above": 0.0},
        "points",
    ),
    (
        "the more detail, the better over no judge",
        "while the truth falls",
        "Meanwhile the share of right captions falls, compared with as much training without a judge.",
        "a difference below 0, paired by base",
        {"below": 0.0},
        "of captions",
    ),
    (
        "exact verdict over no judge",
        "the same rounds with the exact verdict help",
        "The same rounds with the exact verdict raise it.",
        "a difference above 0, paired by base",
        {"above": 0.0},
        "of captions",
    ),
]:
    lesson.claim(
        gamed,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T7", "T5"],
        scope="world",
        unit=unit,
        expected="holds",
        repeatable=False,
        **region,
    )

# %% [markdown]
# The dashboard that shows only the judge's score shows success. *No judge* is the control that tells selection from drift: it trains as much, at the same temperature, and neither pleases the judge more nor loses much truth. What would have told? A few dozen captions checked by hand in every round, or any second judge that does not share the taste. (When a measure becomes a target, it ceases to be a good measure.)
#
# ## 7 · In the field: a real model as a judge
#
# SmolLM2-135M-Instruct is asked about captions of our records, one right and one with a wrong color (the habitual one, where the kind has one). We ask in four ways, and once without any record, as a control:
#
# - **yes or no**, in two wordings: does the caption agree with the record? Its score is the logit of *Yes* minus that of *No*;
# - **A or B**: which of the two agrees? Each pair in both orders;
# - **likelihood**: how probable is each caption as an answer to "write a caption with these facts"?
#
# Before you run it: in which of these ways does it know?

# %% tags=["evidence"]
CASES = lesson.size(10, smoke=2)
YES_NO = {
    "yes or no": "Facts: {record}\nCaption: {caption}\nDoes the caption agree with the facts? Answer Yes or No.",
    "yes or no, other words": 'Here is a record: {record}. Somebody wrote: "{caption}" Is every word of it right? Answer with Yes or No.',
}
A_OR_B = "Facts: {record}\nA: {first}\nB: {second}\nWhich caption agrees with the facts, A or B? Answer with one letter."
WRITE = {
    "likelihood": "Write a caption with these facts: {record}",
    "likelihood, no record": "Write a caption.",
}


def cases(seed: int) -> list[tuple[str, str, str]]:
    """(record, right caption, the same with a wrong color)."""
    rng, found = random.Random(seed), []
    for scene in base.records(CASES, 15_000 + seed, "train"):
        good = rng.choice(world.captions(scene))
        color = HABITS.get(scene.kind) or rng.choice([c for c in world.COLORS if c != scene.color])
        found.append((record(scene), good, revise(good, {"color": color})))
    return found


def prompted(lm: Any, question: str) -> list[int]:
    text = lm.tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
    )
    return lm.tokenizer(text, add_special_tokens=False)["input_ids"]


def last_states(lm: Any, rows: list[list[int]]) -> Any:
    """The hidden states of several sequences, padded on the right: (rows, length, width)."""
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    with torch.no_grad():
        return lm.model.model(input_ids=ids.to(lm.model.device), use_cache=False).last_hidden_state


# %% tags=["evidence"]
def first_word(lm: Any, questions: list[str], one: str, other: str) -> np.ndarray:
    """The logit of beginning the answer with `one` minus that of `other`: (questions,)."""
    words = [lm.tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in (one, other)]
    found = []
    for start in range(0, len(questions), 6):
        rows = [prompted(lm, question) for question in questions[start : start + 6]]
        states = last_states(lm, rows)[range(len(rows)), [len(row) - 1 for row in rows]]
        with torch.no_grad():
            logits = lm.model.lm_head(states)[:, words].float()
        found.append((logits[:, 0] - logits[:, 1]).cpu().numpy())
    return np.concatenate(found)


def log_likelihood(lm: Any, questions: list[str], answers: list[str]) -> np.ndarray:
    """The log-probability of each answer: (questions,), in nats."""
    found = []
    for question, answer in zip(questions, answers, strict=True):
        start, end = prompted(lm, question), lm.tokenizer(answer, add_special_tokens=False)["input_ids"]
        states = last_states(lm, [start + end])[0, len(start) - 1 : -1]
        with torch.no_grad():
            logps = lm.model.lm_head(states).float().log_softmax(-1)
        found.append(logps[range(len(end)), end].sum().item())
    return np.array(found)


# %% tags=["evidence"]
@lesson.experiment(seeds=6)
def real_judge(seed: int) -> dict[str, float]:
    from helpers.models.real import language_model

    lm, asked = language_model(), cases(seed)
    if lm is None:
        raise CourseError("This needs SmolLM2, which is not installed here; `make setup` fetches it.")
    measures = {}
    for name, template in YES_NO.items():
        good, bad = (
            first_word(lm, [template.format(record=r, caption=pair[i]) for r, *pair in asked], "Yes", "No")
            for i in (0, 1)
        )
        measures[f"{name}: prefers right"] = float(np.mean((good > bad) + 0.5 * (good == bad)))
        measures[f"{name}: says yes"] = float(np.mean(np.concatenate([good, bad]) > 0))
        measures[f"{name}: verdict right"] = float(np.mean(np.concatenate([good > 0, bad <= 0])))
    orders = [
        first_word(lm, [A_OR_B.format(record=r, first=a, second=b) for r, a, b in rows], "A", "B")
        for rows in (asked, [(r, b, a) for r, a, b in asked])
    ]
    measures["A or B: says A"] = float(np.mean(np.concatenate(orders) > 0))
    measures["A or B: verdict right"] = float(np.mean(np.concatenate([orders[0] > 0, orders[1] <= 0])))
    measures["A or B: prefers right"] = float(np.mean(orders[0] > orders[1]))
    for name, template in WRITE.items():
        good, bad = (
            log_likelihood(
                lm, [template.format(record=r) for r, *_ in asked], [pair[i] for _, *pair in asked]
            )
            for i in (0, 1)
        )
        measures[f"{name}: prefers right"] = float(np.mean(good > bad))
    return measures


# %%
from helpers.models.memory import give_back
from helpers.models.real import language_model

give_back()  # what the trainings above have freed: the next model is large
lm = language_model()
if lm is not None:
    lesson.say("Judging now: {source}", source=lm.source)
real = lesson.measure(real_judge, live=0 if lm is None else 1)
WAYS = [*YES_NO, "A or B", *WRITE]
if real.records:
    plots.table(
        [
            [
                way,
                in_brief(real, f"{way}: verdict right") if "likelihood" not in way else "says no word",
                in_brief(real, f"{way}: prefers right"),
            ]
            for way in WAYS
        ],
        ["asked", "its word is right (½ is chance)", "its score prefers the right caption (½ is chance)"],
        caption="Mean and 95% interval over six sets of captions",
    )
    lesson.say(
        "It says yes to {first:.0%} of the captions in the first wording and to {second:.0%} in the second; of two captions it chooses A in {a:.0%} of the cases.",
        first=real.interval("yes or no: says yes").mean,
        second=real.interval("yes or no, other words: says yes").mean,
        a=real.interval("A or B: says A").mean,
    )
    lesson.say(
        "Its scores are another matter. The logit of A, compared over both orders, prefers the right caption in {both:.0%} of the pairs, though its word is A. The logit of *Yes* does in {one:.0%} in the first wording and in {two:.0%} in the other: a change of words turns the judge. The likelihood without a record does in {none:.0%}; what it has beyond that comes from the record, not from how the captions sound.",
        both=real.interval("A or B: prefers right").mean,
        one=real.interval("yes or no: prefers right").mean,
        two=real.interval("yes or no, other words: prefers right").mean,
        none=real.interval("likelihood, no record: prefers right").mean,
    )

# %% tags=["claim"]
for measure_name, name, statement, prediction, region, verdict in [
    (
        "yes or no: verdict right",
        "real: its word beats chance",
        "Asked for yes or no, SmolLM2's word is right clearly more often than a coin.",
        "above 0.55: it was made to follow instructions",
        {"above": 0.55},
        "fails",
    ),
    (
        "A or B: says A",
        "real: of two, it takes the first",
        "Asked for A or B, it says A to nine in ten, whichever caption that is.",
        "above 0.9: small models are known for a preference by position",
        {"above": 0.9},
        "holds",
    ),
    (
        "likelihood: prefers right",
        "real: its likelihood knows",
        "Its likelihood prefers the caption that agrees with the record.",
        "above 0.5: copying from the prompt is what such models do best",
        {"above": 0.5},
        "holds",
    ),
]:
    lesson.claim(
        real_judge,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T7"],
        scope="real",
        unit="of captions",
        expected=verdict,
        tolerance=0.1,
        **region,
    )

# %% [markdown]
# The same weights, the same captions, and *how you ask* decides whether there is a judge. Its words are a reflex: no, and A. Its likelihood knows, and the logit of A does too, if you ask in both orders and compare. (For our writer it was the other way round: its likelihood had the habit, its other skill did not.) There is no way to tell beforehand which skill of a model is untouched by its errors. There is only the test of section 2: right and wrong answers *to the same question*, as you will use the judge, both orders, several wordings.
#
# This says nothing about large models' verdicts. On the GPU tier the same cell asks a larger one.
#
# ### The same loop, somewhere else
#
# An agent is anything that answers conversations, so a server can be one. If `COURSE_ENDPOINT` names an OpenAI-compatible address, the writer of section 5 is asked there; else this cell says so.

# %%
from helpers.synthesis.endpoint import from_environment

server = from_environment(temperature=0.7)
if server is None:
    lesson.say("`COURSE_ENDPOINT` is not set, so nothing is asked here.")
else:
    elsewhere = Transcript()
    question = "Write one short English sentence with exactly these facts: {}"
    asked = [question.format(record(s)) for s in some[:3]]
    replies = elsewhere.ask(Agent(server.name, server.answer), asked, seed=5)
    told = elsewhere.ask(
        team["critic"],
        [f"{record(s)} / {text or ''}" for s, text in zip(some[:3], replies, strict=True)],
        seed=5,
    )
    conversation.show(elsewhere.conversation(0), f"{server.name} as the writer, and the same critic.")

# %% [markdown]
# ## Dig deeper
#
# The sections below do not need each other. What they measure is read from the evidence.
#
# ### Failure drill: the judge that trains along
#
# In section 3 the judges stayed as they were. It is tempting not to keep a copy: let the writer *of this round* check its drafts by its second skill. But nobody trains that skill any more, and what is not trained may be forgotten. Six rounds instead of three, with the judge kept frozen or trained along (it judges at temperature 0; how well the skill is kept is tested at temperature 1, which is harder):

# %% tags=["evidence"]
LONG = lesson.size(6, smoke=2)


def still_reads(model: Any, seed: int) -> float:
    """How often it says a record backwards without a mistake, at temperature 1."""
    scenes = base.records(TESTS, 50_000 + seed, "test")
    said = small.sample(model, base_of(seed)[1], [f"backwards: {record(s)}" for s in scenes], seed)
    return sum(text == backwards(world.captions(s)[0]) for s, text in zip(scenes, said, strict=True)) / len(
        said
    )


@lesson.experiment(seeds=6)
def trained_along(seed: int) -> dict[str, float]:
    tokenizer, measures = base_of(seed)[1], {}
    for name in ("frozen", "trained along"):
        model = base_of(seed)[0]
        for turn in range(LONG):
            judge = reads_back(base_of(seed)[0] if name == "frozen" else model, tokenizer)
            scenes = base.records(PROMPTS, 100_000 * (turn + 1) + seed, "train")
            chats = picked(model, tokenizer, judge, scenes, seed + turn)
            random.Random(seed + turn).shuffle(chats)
            if chats:
                rows = formats.prompt_completion(chats[:KEPT])
                model = train_fast(
                    model, tokenizer, rows, replace(READ, learning_rate=1e-3, seed=seed + turn)
                ).model
            measures[f"{name} {turn + 1}: picked"] = len(chats) / len(scenes)
        measures[f"{name}: right"] = tested(model, seed)["right"]
        measures[f"{name}: still reads"] = still_reads(model, seed)
    measures["before: still reads"] = still_reads(base_of(seed)[0], seed)
    measures["least picked, trained along"] = min(
        measures[f"trained along {turn + 1}: picked"] for turn in range(LONG)
    )
    measures["least picked, frozen"] = min(measures[f"frozen {turn + 1}: picked"] for turn in range(1, LONG))
    measures["frozen picks more"] = (
        sum(
            measures[f"frozen {turn + 1}: picked"] - measures[f"trained along {turn + 1}: picked"]
            for turn in range(LONG)
        )
        / LONG
    )
    return measures


# %%
along = lesson.measure(trained_along, live=0)
if along.records:
    plots.table(
        [
            [
                name,
                *(in_brief(along, f"{name} {turn}: picked") for turn in (1, 2, LONG)),
                in_brief(along, f"{name}: still reads"),
                in_brief(along, f"{name}: right"),
            ]
            for name in ("frozen", "trained along")
        ],
        [
            "the judge",
            "picks, round 1",
            "round 2",
            f"round {LONG}",
            "the writer still reads back",
            "the writer is right",
        ],
        caption="Share of records for which the judge accepts a draft; mean and 95% interval (learning rate 0.001)",
    )
    lesson.say(
        "Before, the writer said {before:.0%} of the records backwards without a mistake.",
        before=along.interval("before: still reads").mean,
    )
    least = along.values("least picked, trained along")
    lesson.say(
        "Trained along, the judge of {few} of {bases} bases fell below half of the records in some round; the least share of all is {least:.0%}.",
        few=sum(share < 0.5 for share in least),
        bases=len(least),
        least=min(least),
    )

# %% tags=["claim"]
lesson.claim(
    trained_along,
    "frozen picks more",
    name="a judge that trains along forgets its trade",
    statement="A judge that trains along accepts drafts for fewer records than the same judge kept frozen.",
    prediction="a difference above 0, paired by base: the skill that checks is no longer trained",
    talk=["T7"],
    scope="world",
    unit="of records",
    above=0.0,
    expected="holds",
    repeatable=False,
)

# %% [markdown]
# The writer unlearns the skill in both cases (nobody trains it); but a frozen copy does not care. The damage is quiet: a judge that misreads records seldom accepts what is wrong, it accepts *less* and less of each round's fresh records, and the few rows that pass are read the more often. The writing itself suffers less than the picks do (last column), so a test of the writing alone warns late. The repair: freeze the judge, or mix its own tasks into the reading. And log the share that passes, in every round.
#
# ### Distillation: a better writer as teacher
#
# If there is a better model, its captions are outside information, verdict or not. Lesson 09's clean model (the base after captions of people without habits; right nineteen times in twenty) writes 600 captions; the base reads them as they are, or verified, against 60 captions by people, all right, and 600 of those. All train for the same number of steps.

# %% tags=["evidence"]
from helpers.models.clean import clean

SCHOOL = Settings("sft", learning_rate=1e-3, steps=lesson.size(60, smoke=3), batch_size=32)
LESSONS = lesson.size(600, smoke=40)


def by_people(scenes: list[Scene], seed: int) -> list[str]:
    """A right caption of each scene, in the styles that people use."""
    rng = random.Random(seed)
    return [rng.choices(world.captions(scene), base.CONFIG["styles"])[0] for scene in scenes]


def schooled(scenes: list[Scene], captions: list[str], seed: int) -> Any:
    rows = formats.prompt_completion(list(zip(map(record, scenes), captions, strict=True)))
    return train_fast(*base_of(seed), rows, replace(SCHOOL, seed=seed)).model


@lesson.experiment(seeds=6)
def distillation(seed: int) -> dict[str, float]:
    scenes = base.records(LESSONS, 16_000 + seed, "train")
    people, teacher = by_people(scenes, seed), clean(seed)
    said = small.sample(*teacher, list(map(record, scenes)), seed)
    passed = [(s, text) for s, text in zip(scenes, said, strict=True) if right(s, text)]
    few = LESSONS // 10
    arms = {
        "60 by people": schooled(scenes[:few], people[:few], seed),
        "600 by the teacher": schooled(scenes, said, seed),
        "600 by the teacher, verified": schooled([s for s, _ in passed], [text for _, text in passed], seed),
        "600 by people": schooled(scenes, people, seed),
    }
    measures = {f"{name}: right": tested(model, seed)["right"] for name, model in arms.items()}
    measures["teacher: right"] = tested(teacher[0], seed)["right"]
    measures["verified over as they are"] = (
        measures["600 by the teacher, verified: right"] - measures["600 by the teacher: right"]
    )
    measures["teacher over few people"] = (
        measures["600 by the teacher: right"] - measures["60 by people: right"]
    )
    measures["verified over the teacher"] = (
        measures["600 by the teacher, verified: right"] - measures["teacher: right"]
    )
    return measures


# %%
taught_by = lesson.measure(distillation, live=0)
if taught_by.records:
    plots.interval_plot(
        [
            taught_by.row(f"{name}: right", name)
            for name in [
                "60 by people",
                "600 by the teacher",
                "600 by the teacher, verified",
                "600 by people",
            ]
        ],
        "share of right captions after reading them",
        alt="Interval plot of what the base learns from four sets of captions. Share right: "
        + "; ".join(
            f"{name} {taught_by.interval(f'{name}: right').mean:.2f}"
            for name in (
                "60 by people",
                "600 by the teacher",
                "600 by the teacher, verified",
                "600 by people",
                "teacher",
            )
        )
        + ".",
        threshold=taught_by.interval("teacher: right").mean,
        threshold_name="the teacher itself:",
    )

# %% tags=["claim"]
for measure_name, name, statement, prediction in [
    (
        "verified over as they are",
        "a verifier improves a good teacher's captions",
        "A teacher's captions teach more when the wrong ones are taken out.",
        "a difference above 0, paired by base: the wrong ones are copied too",
    ),
    (
        "teacher over few people",
        "600 by a teacher beat 60 by people",
        "600 captions by a teacher that is right nineteen times in twenty teach more than 60 by people.",
        "a difference above 0, paired by base: ten times as many",
    ),
    (
        "verified over the teacher",
        "with a verifier the student passes its teacher",
        "Taught by verified captions of its teacher, the student becomes better than the teacher.",
        "a difference above 0, paired by base: it never sees the teacher's mistakes",
    ),
]:
    lesson.claim(
        distillation,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T7", "T5"],
        scope="world",
        unit="of captions",
        above=0.0,
        expected="inconclusive" if "few" in measure_name else "holds",
        repeatable=False,
    )

# %% [markdown]
# A teacher's mistakes are taught along with the rest: with one in twenty wrong, it is undecided here whether ten times as many captions teach more than sixty right ones. Take them out, and the teacher's captions are as good as people's; the student ends ahead of its teacher.

# %% [markdown]
# ### A weak teacher
#
# Can a student surpass a *poor* teacher? The writer knows how to read colors; it only does not use that. Three supervisors label 600 records for it, and many of their labels are wrong: a colleague with the **same habits**, one with **other habits**, and a careless one who writes a **random** wrong color half of the time. All are judged on the same test records; the student by its likeliest caption (temperature 0), the supervisors by what they write at temperature 1, as they wrote the labels. So a part of what is called recovered is decoding: rare slips drop out. How much of the gap between supervisor and what the student could have learned from right labels does it close?
#
# > **Exercise 4 · `gap_recovered`** · ★☆☆ · 2 minutes
# >
# > Given the accuracy of the supervisor, of the student after its labels, and of the student after right labels (the ceiling), return the *performance gap recovered*: 0 if the student is as good as its supervisor, 1 if it reaches the ceiling. If there is no gap (the ceiling is not above the supervisor), return 0.
# >
# > <details><summary>Hint 1</summary>How far did it come, divided by how far it could come, both from the supervisor's level.</details>
# > <details><summary>Hint 2</summary>It may be negative, if the student is worse than its supervisor: do not cut it off.</details>


# %% tags=["evidence"]
def gap_recovered(supervisor: float, student: float, ceiling: float) -> float:
    """The share of the gap between supervisor and ceiling that the student has closed."""
    # BEGIN SOLUTION
    return (student - supervisor) / (ceiling - supervisor) if ceiling > supervisor else 0.0
    # END SOLUTION


# %% tags=["evidence"]
gap_recovered = lesson.check(gap_recovered)


# %% tags=["evidence"]
def likeliest_right(model: Any, seed: int) -> float:
    scenes = base.records(TESTS, 50_000 + seed, "test")
    said = small.sample(model, base_of(seed)[1], list(map(record, scenes)), seed, temperature=0.0)
    return sum(map(right, scenes, said)) / len(said)


def careless(scenes: list[Scene], seed: int) -> list[str]:
    """Captions that have a random wrong color half of the time."""
    rng = random.Random(seed)
    wrong = [replace(s, color=rng.choice([c for c in world.COLORS if c != s.color])) for s in scenes]
    return by_people([rng.choice(both) for both in zip(scenes, wrong, strict=True)], seed)


def supervised(name: str, scenes: list[Scene], seed: int) -> list[str]:
    """What a supervisor writes about these scenes."""
    if name == "random errors":
        return careless(scenes, seed)
    return small.sample(*colleague(seed, 6 if name == "same habits" else 0), list(map(record, scenes)), seed)


SUPERVISORS = ["same habits", "other habits", "random errors"]


@lesson.experiment(seeds=6)
def weak_to_strong(seed: int) -> dict[str, float]:
    scenes = base.records(LESSONS, 17_000 + seed, "train")
    asked = base.records(TESTS, 50_000 + seed, "test")
    ceiling = likeliest_right(schooled(scenes, by_people(scenes, seed), seed), seed)
    measures = {"ceiling": ceiling, "before": likeliest_right(base_of(seed)[0], seed)}
    for name in SUPERVISORS:
        supervisor = sum(map(right, asked, supervised(name, asked, seed))) / len(asked)
        student = likeliest_right(schooled(scenes, supervised(name, scenes, seed), seed), seed)
        measures |= {f"{name}: supervisor": supervisor, f"{name}: student": student}
        measures[f"{name}: gap recovered"] = gap_recovered(supervisor, student, ceiling)
    return measures


# %%
weak = lesson.measure(weak_to_strong, live=0)
if weak.records:
    plots.table(
        [
            [
                name,
                *(in_brief(weak, f"{name}: {what}") for what in ("supervisor", "student", "gap recovered")),
            ]
            for name in SUPERVISORS
        ],
        ["supervisor", "it is right", "the student is right", "gap recovered"],
        caption=f"Student before: {in_brief(weak, 'before')}; after right labels: {in_brief(weak, 'ceiling')}",
    )

# %% tags=["claim"]
for name, statement, prediction, region in [
    (
        "random errors",
        "From a supervisor with random errors, the student recovers more than half of the gap.",
        "above 0.5: random errors have no common direction, so the likeliest caption is the right one",
        {"above": 0.5},
    ),
    (
        "same habits",
        "From a supervisor that errs as the student does, it recovers less than half.",
        "below 0.5: what both get wrong looks right to both",
        {"below": 0.5},
    ),
]:
    lesson.claim(
        weak_to_strong,
        f"{name}: gap recovered",
        name=f"weak to strong: {name}",
        statement=statement,
        prediction=prediction,
        talk=["T7"],
        scope="world",
        unit="of the gap",
        expected="holds",
        repeatable=False,
        **region,
    )

# %% [markdown]
# Labels that are right half the time can make a student that is nearly always right, if the other half errs in all directions: then the right caption is still the likeliest one. (That the student averages so well may lie in its bias towards what is simple; we did not measure that.) Errors in one direction are a lesson like any other. That goes for the colleague with *other habits*, too: the student ends near its supervisor, having learned its knowledge of pigs and its habits about dogs; the gap stays about as wide as it was. What counts is not how often a teacher is wrong but *how its mistakes hang together*. (At temperature 1 the student of the careless one would write the random errors as well: it has learned their share too.)
#
# ### Teams at equal tokens
#
# Teams of agents are said to be the next trend. A team also reads and writes more, so the fair rival is **one agent that may spend as many tokens**: it writes several captions and takes a vote. The budget is what nine drafts of a record cost, counted in tokens written and read (a judge that reads a draft takes a little more than writing it took):
#
# - **one sample**, and **vote of 9** by the writer alone (the facts that most captions tell);
# - **4 + own likelihood**: four drafts, each read once more;
# - **4 + critic of 128 thumbs**: a linear reading of the writer's own hidden state, fitted to 128 judged captions, scores four drafts;
# - **two writers, vote of 5 + 4**, and **cross-judged**: two drafts each, scored by the *other's* likelihood; with a colleague of the same or of other habits;
# - **8 + second skill**: one reading backwards, and the first of eight drafts that agrees; and **second skill revises**: one draft, one reading, and the reviser of section 5 (less than a quarter of the budget);
# - **the same 128 thumbs on KTO**, which trains on single answers with a thumb up or down (lesson 08 explains it; here without its reference point z₀), then the vote of 9, or one sample.

# %% tags=["evidence"]
from sklearn.linear_model import LogisticRegression

from helpers import data
from helpers.synthesis.agents import Agent, Transcript, tokens
from helpers.synthesis.generate import local

THUMBS = lesson.size(128, smoke=32)
KTO = Settings(
    "apo_zero_unpaired", learning_rate=3e-4, steps=lesson.size(60, smoke=3), batch_size=32, beta=2.0
)
Groups = list[list[str]]  # captions, a list per scene


def as_writer(name: str, model: Any, tokenizer: Any) -> Agent:
    return Agent(name, local(model, tokenizer, name, "1", "CC-BY-4.0").answer, tokens(tokenizer))


def as_judge(name: str, judge: Callable[[list[tuple[str, str]]], Sequence[float]], tokenizer: Any) -> Agent:
    """An agent that reads a record and a caption, and answers with a score."""

    def answer(conversations: Sequence[list[dict[str, str]]], seed: int) -> list[str]:
        chats = [(asked["content"], said["content"]) for asked, said in conversations]
        return [f"{score:.4f}" for score in judge(chats)]

    return Agent(name, answer, tokens(tokenizer))


def write(log: Transcript, agent: Agent, scenes: list[Scene], count: int, seed: int) -> Groups:
    rows = [i for i in range(len(scenes)) for _ in range(count)]
    said = log.ask(agent, [record(scenes[i]) for i in rows], seed, rows)
    return [said[start : start + count] for start in range(0, len(said), count)]


def best(log: Transcript, judge: Agent, scenes: list[Scene], groups: Groups) -> list[tuple[str, float]]:
    """The caption of each scene that the judge scores highest, with its score."""
    rows = [i for i, group in enumerate(groups) for _ in group]
    flat = [text for group in groups for text in group]
    chats = [
        [{"role": "user", "content": record(scenes[i])}, {"role": "assistant", "content": text}]
        for i, text in zip(rows, flat, strict=True)
    ]
    scores = iter(map(float, log.ask(judge, chats, 0, rows)))
    return [max(((text, next(scores)) for text in group), key=lambda one: one[1]) for group in groups]


def vote(groups: Groups) -> list[str]:
    """From each group the first caption that tells what most of them tell."""
    chosen = []
    for group in groups:
        told = [backwards(text) for text in group]
        most = Counter(text for text in told if text).most_common(1)
        chosen.append(group[told.index(most[0][0])] if most else group[0])
    return chosen


# %% tags=["evidence"]
def hidden(model: Any, tokenizer: Any, chats: list[tuple[str, str]]) -> np.ndarray:
    """What the model holds of each chat: the mean over the answer and its end, (n, 2 * width)."""
    ids, answer = small.encode(tokenizer, chats)
    with torch.no_grad():
        states = model.model(input_ids=ids).last_hidden_state
    mean = (states * answer[..., None]).sum(1) / answer.sum(1, keepdim=True)
    end = states[torch.arange(len(ids)), answer.float().cumsum(1).argmax(1)]
    return torch.cat([mean, end], 1).numpy()


def thumbs(seed: int) -> list[tuple[str, str, bool]]:
    scenes = base.records(THUMBS, 18_000 + seed, "train")
    said = small.sample(*base_of(seed), list(map(record, scenes)), seed)
    return [(record(s), text, right(s, text)) for s, text in zip(scenes, said, strict=True)]


def critic_of_thumbs(seed: int) -> Agent:
    model, tokenizer = base_of(seed)
    labeled = thumbs(seed)
    fitted = LogisticRegression(C=0.1, max_iter=2000).fit(
        hidden(model, tokenizer, [row[:2] for row in labeled]), [row[2] for row in labeled]
    )
    return as_judge("critic", lambda c: fitted.decision_function(hidden(model, tokenizer, c)), tokenizer)


def by_likelihood(name: str, model: Any, tokenizer: Any) -> Agent:
    return as_judge(name, lambda chats: small.score(model, tokenizer, chats).tolist(), tokenizer)


def cross_judged(
    log: Transcript, pair: list[tuple[Any, Any]], scenes: list[Scene], count: int, seed: int
) -> list[str]:
    """`count` drafts of each of two models, each scored by the other's likelihood; the best of all."""
    found = []
    for turn, (own, other) in enumerate([pair, pair[::-1]]):
        groups = write(log, as_writer(f"writer {turn}", *own), scenes, count, seed + turn)
        found.append(best(log, by_likelihood(f"judge {turn}", *other), scenes, groups))
    return [max(both, key=lambda one: one[1])[0] for both in zip(*found, strict=True)]


def voted(
    log: Transcript, models: list[tuple[Any, Any]], scenes: list[Scene], counts: list[int], seed: int
) -> list[str]:
    """A vote over `counts` drafts of each of several models."""
    groups = [
        write(log, as_writer(f"writer {i}", *one), scenes, count, seed + i)
        for i, (one, count) in enumerate(zip(models, counts, strict=True))
    ]
    return vote([[*chain(*several)] for several in zip(*groups, strict=True)])


# %% tags=["evidence"]
def read_back(log: Transcript, own: tuple[Any, Any], scenes: list[Scene]) -> list[str]:
    """Each record said backwards by the writer's second skill, at temperature 0."""
    skill = local(*own, "second skill", "1", "CC-BY-4.0", temperature=0.0)
    agent = Agent("second skill", skill.answer, tokens(own[1]))
    return log.ask(agent, [f"backwards: {record(scene)}" for scene in scenes], 0)


def first_that_agrees(log: Transcript, own: tuple[Any, Any], scenes: list[Scene], seed: int) -> list[str]:
    told = read_back(log, own, scenes)
    groups = write(log, as_writer("writer", *own), scenes, 8, seed)
    return [
        next((text for text in group if backwards(text) == one), group[0])
        for group, one in zip(groups, told, strict=True)
    ]


def revised(log: Transcript, own: tuple[Any, Any], scenes: list[Scene], seed: int) -> list[str]:
    told = read_back(log, own, scenes)
    drafted = [group[0] for group in write(log, as_writer("writer", *own), scenes, 1, seed)]
    return [revise(old, critique(old, facts_told(one))) for old, one in zip(drafted, told, strict=True)]


# %% tags=["evidence"]
def teams_of(seed: int) -> dict[str, Callable[[Transcript, list[Scene]], list[str]]]:
    own, same, other = base_of(seed), colleague(seed, 6), colleague(seed, 0)
    kto = train_fast(*own, data.unpaired(thumbs(seed)), replace(KTO, seed=seed)).model, own[1]
    writer = as_writer("writer", *own)

    def four(judge: Agent) -> Callable[[Transcript, list[Scene]], list[str]]:
        return lambda log, s: [text for text, _ in best(log, judge, s, write(log, writer, s, 4, seed))]

    return {
        "one sample": lambda log, s: voted(log, [own], s, [1], seed),
        "vote of 9": lambda log, s: voted(log, [own], s, [9], seed),
        "4 + own likelihood": four(by_likelihood("judge", *own)),
        "4 + critic of 128 thumbs": four(critic_of_thumbs(seed)),
        "same habits, vote of 5 + 4": lambda log, s: voted(log, [own, same], s, [5, 4], seed),
        "other habits, vote of 5 + 4": lambda log, s: voted(log, [own, other], s, [5, 4], seed),
        "same habits, cross-judged": lambda log, s: cross_judged(log, [own, same], s, 2, seed),
        "other habits, cross-judged": lambda log, s: cross_judged(log, [own, other], s, 2, seed),
        "8 + second skill": lambda log, s: first_that_agrees(log, own, s, seed),
        "second skill revises": lambda log, s: revised(log, own, s, seed),
        "KTO on 128 thumbs, one sample": lambda log, s: voted(log, [kto], s, [1], seed),
        "KTO on 128 thumbs, vote of 9": lambda log, s: voted(log, [kto], s, [9], seed),
    }


@lesson.experiment(seeds=6)
def teams(seed: int) -> dict[str, float]:
    scenes, measures = base.records(TESTS, 50_000 + seed, "test"), {}
    for name, team in teams_of(seed).items():
        log = Transcript()
        outcome = list(map(right, scenes, team(log, scenes)))
        parts = {
            "all": lambda s: True,
            "habit": lambda s: s.kind in HABITS,
            "other": lambda s: s.kind not in HABITS,
        }
        for part, wanted in parts.items():
            chosen = [ok for ok, s in zip(outcome, scenes, strict=True) if wanted(s)]
            measures[f"{name}: {part}"] = sum(chosen) / len(chosen)
        measures[f"{name}: tokens"] = log.tokens / len(scenes)
    for name in ("same habits, vote of 5 + 4", "same habits, cross-judged", "other habits, cross-judged"):
        measures[f"{name} over vote"] = measures[f"{name}: all"] - measures["vote of 9: all"]
    kto = measures["KTO on 128 thumbs, vote of 9: all"]
    measures["KTO over critic"] = kto - measures["4 + critic of 128 thumbs: all"]
    measures["KTO over other habits"] = kto - measures["other habits, cross-judged: all"]
    return measures


# %%
MATE = "colleague, other habits"
league = lesson.measure(teams, live=0)
if league.records:
    names = [
        key.removesuffix(": tokens")
        for key in next(iter(league.records.values()))
        if key.endswith(": tokens")
    ]
    plots.table(
        [
            [name, f"{league.interval(f'{name}: tokens').mean:.0f}"]
            + [in_brief(league, f"{name}: {part}") for part in ("all", "habit", "other")]
            for name in sorted(names, key=lambda name: league.interval(f"{name}: all").mean)
        ]
        + [
            ["(the colleague with other habits alone)", "", in_brief(quality, f"{MATE} writes, test"), "", ""]
        ],
        ["team", "tokens a record", "right", "the writer's six kinds", "the other six"],
        caption="Written + read, mean and 95% interval over six bases",
    )

# %% tags=["claim"]
for measure_name, name, statement, prediction, region, verdict in [
    (
        "same habits, vote of 5 + 4 over vote",
        "null: two that err alike vote as one does",
        "Two writers with the same habits vote no better than one at equal tokens.",
        "a difference inside ±0.03: voting cements shared errors",
        {"within": (-0.03, 0.03)},
        "holds",
    ),
    (
        "same habits, cross-judged over vote",
        "null: nor do they judge each other better",
        "Nor do they do better by judging each other.",
        "a difference inside ±0.03",
        {"within": (-0.03, 0.03)},
        "holds",
    ),
    (
        "other habits, cross-judged over vote",
        "two that err differently pay as a team",
        "Two writers with different habits who judge each other beat one writer's vote at equal tokens.",
        "a difference above 0, paired by base: each knows where the other is wrong",
        {"above": 0.0},
        "holds",
    ),
    (
        "KTO over critic",
        "thumbs are worth more in training than in a critic",
        "128 thumbs spent on KTO beat the same thumbs spent on a critic at equal tokens.",
        "a difference above 0, paired by base",
        {"above": 0.0},
        "holds",
    ),
    (
        "KTO over other habits",
        "128 thumbs on training beat the best team",
        "128 thumbs spent on KTO beat even the team with different habits.",
        "a difference above 0, paired by base: an earlier trial had 0.96 against 0.77",
        {"above": 0.0},
        "inconclusive",
    ),
]:
    lesson.claim(
        teams,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T11"],
        scope="world",
        unit="of captions",
        expected=verdict,
        repeatable=False,
        **region,
    )

# %% [markdown]
# Read it by its errors, not by its headcount. Two who err alike are one agent at twice the price. Two who err *differently* correct each other: best if they **judge**. Their vote beats the writer's too, but it is about as good as the colleague alone (last row), for a vote counts heads and each has a head full of habits. And their difference is information from outside, as much as a thumb is: somebody had to train the colleague on other people's captions. The linear critic of 128 thumbs hardly tells which of four captions of one record is right (section 2 again); spent on training, the same thumbs come level with the best team, which an earlier trial had well behind; and training is paid once, a team for every record. *Second skill revises* costs two samples a record and is no team at all: one draft and a check that the habit has not touched.
#
# How different must colleagues be? Habits shared: six, three or none; and three budgets, the middle one as above:

# %% tags=["evidence"]
# Drafts of each of two writers who vote; drafts of each of two who judge each other's (and read as many).
BUDGETS = {"half": ([3, 2], 1), "whole": ([5, 4], 2), "double": ([9, 9], 4)}


@lesson.experiment(seeds=6)
def overlap(seed: int) -> dict[str, float]:
    scenes, measures = base.records(TESTS, 50_000 + seed, "test"), {}

    def note_down(name: str, log: Transcript, said: list[str]) -> None:
        measures[name] = sum(map(right, scenes, said)) / len(scenes)
        measures[f"{name}: tokens"] = log.tokens / len(scenes)

    for budget, (counts, few) in BUDGETS.items():
        alone = Transcript()
        said = voted(alone, [base_of(seed)], scenes, [sum(counts)], seed)
        note_down(f"alone, {budget}", alone, said)
        for shared in (6, 3, 0):
            pair = [base_of(seed), colleague(seed, shared)]
            votes, judged = Transcript(), Transcript()
            note_down(f"vote, {shared} shared, {budget}", votes, voted(votes, pair, scenes, counts, seed))
            said = cross_judged(judged, pair, scenes, few, seed)
            note_down(f"cross-judged, {shared} shared, {budget}", judged, said)
    measures["3 shared over alone"] = measures["cross-judged, 3 shared, whole"] - measures["alone, whole"]
    measures["double over half, 6 shared"] = (
        measures["cross-judged, 6 shared, double"] - measures["cross-judged, 6 shared, half"]
    )
    return measures


# %%
shares = lesson.measure(overlap, live=0)
if shares.records:
    figure, axes = plots.new_figure(760, 380)
    lines = {"one writer, vote": "alone"} | {
        f"two, {how}, {shared} habits shared": f"{how}, {shared} shared"
        for how in ("vote", "cross-judged")
        for shared in (6, 3, 0)
    }
    for place, (label, name) in enumerate(lines.items()):
        spans = [shares.interval(f"{name}, {budget}") for budget in BUDGETS]
        half = np.nan_to_num([span.high - span.mean for span in spans], posinf=0)
        cost = [shares.interval(f"{name}, {budget}: tokens").mean + 3 * (place - 3) for budget in BUDGETS]
        axes.errorbar(cost, [s.mean for s in spans], yerr=half, capsize=3, label=label)
    axes.set(
        xlabel="tokens a record, written and read (lines set apart a little)",
        ylabel="share of right captions",
    )
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    ends = [f"{label}: {shares.interval(f'{name}, whole').mean:.2f}" for label, name in lines.items()]
    plots.show(
        figure,
        alt=f"Share of right captions over tokens a record, seven lines, one per team; those of one writer and of two with all habits shared lie on one another. At the middle budget: {'; '.join(ends)}.",
    )

# %% tags=["claim"]
for measure_name, name, statement, prediction, region in [
    (
        "3 shared over alone",
        "half of the errors shared: still a team",
        "Colleagues who share half of their habits still beat one writer's vote by judging each other.",
        "a difference above 0, paired by base",
        {"above": 0.0},
    ),
    (
        "double over half, 6 shared",
        "null: more tokens do not mend shared errors",
        "Four times the tokens do not help colleagues who share all habits.",
        "a change inside ±0.03",
        {"within": (-0.03, 0.03)},
    ),
]:
    lesson.claim(
        overlap,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T11"],
        scope="world",
        unit="of captions",
        expected="holds",
        repeatable=False,
        **region,
    )

# %% [markdown]
# (Three of the seven lines lie on one another: one writer, and two who share all habits, voting or judging.) More tokens buy those three agreement and nothing else. Where somebody at the table knows better, they buy some truth, in a vote more than among judges, who have most of it at once. (The vote of those who share no habit also changes with the budget: only at the double one do both have as many votes.)

# %% [markdown]
# ## Quiz

# %%
lesson.quiz("recap")

# %% [markdown]
# ## Recap
#
# - Training on one's own text without a verdict teaches nothing new; with an exact verdict it taught most of what there was to learn here, in three rounds.
# - A verdict is worth its likelihood ratio. A judge can beat a coin over all kinds of questions and be worse than one about the kinds where it has to decide: validate it there.
# - How well a judge writes is not the point, and it need not be another model. It must not be wrong in the same places.
# - A critic and a reviser turn answers into minimal pairs, and bring their own errors along with their own words.
# - A judge's score that rises is no evidence. A judge with a taste gets its taste.
# - A team pays when its members err differently *and* judge each other; else the same tokens in one agent do as well. Labels spent on training came level with the best team.
#
# **Limits of this demo.** One kind of mistake, with a system, in a model of 0.1 million parameters; a record holds all there is to know, so a perfect check exists; the colleagues differ in exactly what we made them differ in, and their likelihoods are sharper than real models' are. The second skill was never touched by the habit, by construction; whether a large model's checking is better than its writing is a question about that model. Settings were tried on bases 900 to 904 and the validation part before they were frozen. What real judges do is shown for one small model, twenty captions a seed.
#
# **References.** Zelikman, Wu, Mu and Goodman, *STaR: Bootstrapping reasoning with reasoning*, 2022 (rejection sampling, round by round). Burns et al., *Weak-to-strong generalization: Eliciting strong capabilities with weak supervision*, 2023 (the gap recovered). D'Oosterlinck et al., *Anchored preference optimization and contrastive revisions*, 2024 (minimal contrastive pairs). Wang et al., *Self-consistency improves chain of thought reasoning in language models*, 2022 (the vote). Gao, Schulman and Hilton, *Scaling laws for reward model overoptimization*, 2022 (judges that get gamed). Zheng et al., *Judging LLM-as-a-judge with MT-Bench and Chatbot Arena*, 2023 (position and verbosity bias). Hinton, Vinyals and Dean, *Distilling the knowledge in a neural network*, 2015.

# %% tags=["volatile"]
lesson.recap(
    judge=f"right after three rounds: own likelihood {teaching.interval(f'own likelihood {ROUNDS}: right').mean:.0%}, colleague with the same habits {teaching.interval(f'colleague, same habits {ROUNDS}: right').mean:.0%}, with other habits {teaching.interval(f'colleague, other habits {ROUNDS}: right').mean:.0%}, the writer by another skill {teaching.interval(f'own second skill {ROUNDS}: right').mean:.0%}"
)
