# %% [markdown]
# # 04 · Making data
#
# What does each step of a pipeline for synthetic data buy?
#
# After this lesson you can
#
# - build a pipeline from seeds to a documented dataset: generate, verify, deduplicate, decontaminate, split by seed, write the card;
# - leave each step out and measure what gets worse, at equal rows and equal steps;
# - say when synthetic data stand in for real data that have run out, and what the verifier has to do with it;
# - price synthetic data in human labels, and name the reason why that price is flattering here.

# %% tags=["volatile", "evidence"]
import helpers

lesson = helpers.begin("04")

# %% [markdown]
# ## A guess before you measure
#
# A pipeline makes 300 rows of training data, in these steps: collect what people wrote; let templates, *personas* (characters with a style of their own) and a small model write more; verify; remove duplicates; remove what the test will ask; train. One persona has a bug. Now leave out one step at a time, and train on 300 rows again.

# %%
lesson.predict(
    "costliest",
    "Which step costs most accuracy on new captions when it is left out?",
    choices=[
        "verification",
        "deduplication",
        "decontamination",
        "the personas",
        "the small model's own examples",
    ],
)

# %% [markdown]
# ## 1 · The task: read a caption
#
# People caption scenes in their own words. A reader shall turn a caption back into the facts, as a *record*: size, color, kind, what the animal does, where. That is structured extraction, the bread and butter of synthetic data. An answer counts if all of it is right.

# %% tags=["evidence"]
import itertools
import random
from collections import Counter
from functools import cache

import numpy as np
from datasets import Dataset, concatenate_datasets

from helpers import world
from helpers.models import small
from helpers.models.threads import threads
from helpers.synthesis import contamination, diversity, duplicates
from helpers.synthesis.generate import Generator, generate, local
from helpers.synthesis.stages import funnel, verified
from helpers.world import Scene, describe, record

Row = tuple[str, str]  # a caption, and the record that it should be read as


def scenes(count: int, seed: int, part: str = "train") -> list[Scene]:
    """Random scenes; no color of an animal stands in two of the parts train, validation and test."""
    drawn = (
        scene
        for turn in itertools.count()
        for scene in world.sample(4 * count, seed=1_000_003 * turn + seed)
        if world.part_of(scene) == part
    )
    return list(itertools.islice(drawn, count))


def by_people(count: int, seed: int, part: str = "train") -> list[Row]:
    """What people write: any sentence and any words that the grammar has."""
    return [
        (describe(scene, seed=seed + number), record(scene))
        for number, scene in enumerate(scenes(count, seed, part))
    ]


# %%
from helpers.lesson import plots

SEED = helpers.settings.seeds(1)[0]
plots.table([list(row) for row in by_people(6, SEED)], ["caption, by people", "record"])

# %% [markdown]
# The reader is the small model of lesson 01, 0.1 million parameters, trained from nothing. What people and templates write for it has none of the combinations of color and kind that the test asks for: only a leak, or a model that makes up its own examples, can bring one in. How right it is needs no sampling: a caption has one right record, and the model says how probable that is.

# %% tags=["evidence"]
STEPS = lesson.size(240, smoke=4)
ROWS = lesson.size(300, smoke=60)
TOKENIZER = small.tokenizer(
    [text for scene in world.sample(3000, 1) for text in (describe(scene, seed=scene.seed), record(scene))]
    + ["example"]
)


@threads(1)
def trained(chats: list[Row], seed: int, steps: int = STEPS):
    """A small model that answers the first text of each pair with the second."""
    model = small.new_model(len(TOKENIZER), seed)
    small.fit(model, TOKENIZER, chats, steps, seed, batch=32)
    return model


def right(model, rows: list[Row]) -> float:
    """The probability of the right record, mean over the rows."""
    return small.score(model, TOKENIZER, rows).exp().mean().item()


# %% [markdown]
# ## 2 · Seeds, and a leak
#
# A pipeline starts with **seeds**: 120 captions that people wrote. They come from a crawl of the web, and as it goes, somebody has posted items of the benchmark there: 40 of its 80. Each row of our table is a chat: the record is the prompt, the caption is the completion, and further columns say where the row is from. (A generator is asked for a caption; the reader is trained on the same rows the other way round.) `parent` names what it was made from.

# %% tags=["evidence"]
SEEDS, LEAKED, BENCHMARK = lesson.size(120, smoke=40), lesson.size(40, smoke=5), lesson.size(80, smoke=10)


def message(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def prompts(texts: list[str]) -> Dataset:
    """A table of things to ask a generator for."""
    return Dataset.from_dict({"prompt": [message("user", text) for text in texts], "parent": texts})


def written(rows: list[Row], name: str, seed: int) -> Dataset:
    """Rows that people wrote, in the form that a generator's rows have."""
    captions = [caption for caption, _ in rows]
    people = Generator(name, "1", "cc-by-4.0", None, lambda _asked, _seed: captions)
    return generate(prompts([told for _, told in rows]), people, seed)


@cache
def benchmark(seed: int) -> list[Row]:
    """The public test; the first `LEAKED` of its items have got into the crawl."""
    return by_people(BENCHMARK, 60_000 + seed, "test")


@cache
def crawl(seed: int) -> Dataset:
    return written(by_people(SEEDS, seed) + benchmark(seed)[:LEAKED], "people", seed)


# %% [markdown]
# **Decontamination** looks for the test in the data. Here: a caption is taken out if it is a near duplicate of a caption of the benchmark (what *near* means: section 4). It must come **first**: a model that is trained on leaked seeds will write them down again, a little changed.

# %% tags=["evidence"]


def decontaminated(data: Dataset, seed: int) -> Dataset:
    test = contamination.near([caption for caption, _ in benchmark(seed)], threshold=0.6)
    return contamination.decontaminated(data, test)


# %%
clean = decontaminated(crawl(SEED), SEED)
lesson.say(
    "The crawl has {before} rows; {after} are left after decontamination.",
    before=len(crawl(SEED)),
    after=len(clean),
)

# %% [markdown]
# Does the filter work, or did it take out something else? **Plant** test items on purpose, in the ways in which they would leak, and see which are caught. A filter that finds nothing has only shown something if it finds what you planted.

# %%
hidden = benchmark(SEED)[LEAKED:]  # these did not leak: we plant them
planted_as = {
    "word for word": [caption for caption, _ in hidden],
    "in capitals": [caption.upper() for caption, _ in hidden],
    "with a word in front": [f"Look! {caption}" for caption, _ in hidden],
    "in other words": [
        describe(scene, seed=number)
        for number, scene in enumerate(scenes(BENCHMARK, 60_000 + SEED, "test")[LEAKED:], start=987)
    ],
}
filters = {
    "exact": contamination.exact([caption for caption, _ in benchmark(SEED)]),
    "8 words in a row": contamination.overlap([caption for caption, _ in benchmark(SEED)], run=8),
    "near (ours)": contamination.near([caption for caption, _ in benchmark(SEED)], threshold=0.6),
}
rows = []
for way, captions in planted_as.items():
    items = written([(caption, told) for caption, (_, told) in zip(captions, hidden, strict=True)], "x", 0)
    found = [
        contamination.planted(clean, items, lambda data, d=detect: contamination.decontaminated(data, d))
        for detect in filters.values()
    ]
    rows.append([way, *(f"{one.caught} of {one.planted}" for one in found)])
fresh_taken = [
    f"{sum(detect(caption) is not None for caption, _ in by_people(400, 95_000 + SEED))} of 400"
    for detect in filters.values()
]
plots.table([*rows, ["fresh captions taken by mistake", *fresh_taken]], ["planted", *filters])

# %% [markdown]
# Retelling a test item in other words nearly always gets past a filter that compares words. (The fresh captions in the last row are about other combinations of color and kind than the test, so they are easier to spare than any new caption would be.) Keep that in mind whenever a report says "decontaminated": which filter, and what did it catch of what was planted?
#
# ## 3 · Generate
#
# Three kinds of generators write more. **Templates** and **personas** tell a record in a fixed form; a persona stands for a prompt such as "you are a poet" to a large model. They write by the book, always in the plainest words. One of them, the *rewinder*, has a bug: he tells films backwards.

# %% tags=["evidence"]
TEMPLATES = {"template 1": "{who} {does} {at}", "template 2": "{opening} {who} {does}"}
PERSONAS = {
    "storyteller": "{opening} there is {who} {doing}",
    "guide": "we see {who} {doing} {at}",
    "poet": "{who} {at} {does}",
    "reporter": "there is {who} {at}, and it {does}",
    "host": "{opening} we see {who} {doing}",
    "rewinder": "there is {who} {doing} {at}",
}


def scene_of(text: str) -> Scene | None:
    """The scene of a record such as "small orange cat, walks left, meadow"; None if it is no record."""
    try:
        animal, verb, place = text.split(", ")
        size, color, kind = animal.split(" ")
        return Scene(kind, color, size, place, verb)
    except (ValueError, helpers.settings.CourseError):
        return None


def rewound(scene: Scene) -> Scene:
    return world.reverse(scene) if scene.verb in world.REVERSE else scene


def teller(name: str, pattern: str) -> Generator:
    """A generator that answers records with captions of one form."""

    def answer(asked: list, _seed: int) -> list[str]:
        told = [scene_of(chat[0]["content"]) for chat in asked]
        return [describe(rewound(s) if name == "rewinder" else s, pattern=pattern) for s in told]

    return Generator(name, "1", "cc-by-4.0", None, answer)


# %% [markdown]
# What to tell is free: 180 random records, each told by two of the six personas, and 60 more by the templates. (Where the lesson leaves the personas out, the templates tell them all.)

# %% tags=["evidence"]
FREE = lesson.size(180, smoke=24)


def told_by_form(seed: int, personas: bool) -> list[Dataset]:
    """Free records, told by templates and, each by two of them, by personas."""
    free = [record(scene) for scene in scenes(FREE + FREE // 3, 70_000 + seed)]
    plain, shared = free[FREE:], free[:FREE]
    by_two = PERSONAS if personas else TEMPLATES
    step = len(by_two) // 2
    tables = [
        generate(prompts(shared[number % step :: step]), teller(*one), seed)
        for number, one in enumerate(by_two.items())
    ]
    return tables + [
        generate(prompts(plain[number::2]), teller(*one), seed)
        for number, one in enumerate(TEMPLATES.items())
    ]


# %% [markdown]
# The third generator is the small model itself, in the manner of *self-instruct*: trained on the seeds to write whole examples, caption and record, then asked for 800 new ones. What does not come apart into caption and record is dropped.

# %% tags=["evidence"]
ASKED = lesson.size(800, smoke=40)


def taken_apart(made: Dataset) -> Dataset:
    """Answers "caption. record" as rows with the record as prompt and the caption as completion."""
    parts = [chat[0]["content"].rpartition(". ") for chat in made["completion"]]
    kept = [number for number, (caption, _, told) in enumerate(parts) if caption and told.strip()]
    made = made.select(kept)
    columns = {
        "prompt": [message("user", parts[number][2]) for number in kept],
        "parent": [parts[number][2] for number in kept],
        "completion": [message("assistant", f"{parts[number][0]}.") for number in kept],
    }
    rest = made.remove_columns(list(columns))
    return concatenate_datasets([Dataset.from_dict(columns), rest], axis=1) if kept else made


@cache
def self_instructed(seed: int, leaks: bool) -> Dataset:
    """Examples by a model that was trained on the seeds, with the leaked ones or without."""
    seeds = crawl(seed) if leaks else decontaminated(crawl(seed), seed)
    model = trained([("example", f"{caption} {told}") for caption, told in rows_of(seeds)], seed)
    writer = local(model, TOKENIZER, "small model", f"seed {seed}", "cc-by-4.0", temperature=1.0, longest=40)
    return taken_apart(generate(prompts(["example"] * ASKED), writer, seed))


def rows_of(data: Dataset) -> list[Row]:
    return [
        (completion[0]["content"], prompt[0]["content"])
        for completion, prompt in zip(data["completion"], data["prompt"], strict=True)
    ]


# %%
own = self_instructed(SEED, leaks=False)
copies = {caption for caption, _ in rows_of(clean)}
lesson.say(
    "Of {asked:,} examples {whole:,} came whole. {copied:.0%} of these have a caption that stands word for word in the seeds.",
    asked=ASKED,
    whole=len(own),
    copied=np.mean([caption in copies for caption, _ in rows_of(own)]),
)
plots.table([list(row) for row in rows_of(own)[:6]], ["caption, by the small model", "its record"])

# %% [markdown]
# A small model that was trained on few examples mostly says them again. That is what the next steps are for.
#
# ## 4 · Verify, and remove what is there already
#
# > **Exercise 1 · `accepted`** · ★☆☆ · 6 minutes
# >
# > Return True if a caption says exactly what its record says: the record is one (`scene_of` gives a scene, not None), and the caption is true of that scene and complete. Anything may come in: whatever a model wrote.
# >
# > <details><summary>Hint 1</summary><code>world.verify(caption, scene)</code> gives a verdict with <code>.true</code> and <code>.complete</code>.</details>
# > <details><summary>Hint 2</summary>Ask for the scene first, and return False if there is none.</details>


# %% tags=["evidence"]
def accepted(caption: str, told: str) -> bool:
    """Whether the caption says what the record `told` says, all of it and nothing else."""
    # BEGIN SOLUTION
    scene = scene_of(told)
    if scene is None:
        return False
    verdict = world.verify(caption, scene)
    return verdict.true and verdict.complete
    # END SOLUTION


# %% tags=["evidence"]
accepted = lesson.check(accepted)

# %% [markdown]
# **Near duplicates** differ in a word or two. Two captions are compared by their *runs* of neighboring words: shared runs, as a share of all runs that either has (Jaccard similarity).
#
# > **Exercise 2 · `jaccard`** · ★★☆ · 8 minutes
# >
# > Given two texts and a run length, return how similar they are: split each at white space, collect its **set** of runs of `run` neighboring words, and divide how many runs both have by how many either has. A text with fewer than `run` words is one run: all of it.
# >
# > <details><summary>Hint 1</summary>The runs of a list <code>w</code>: <code>tuple(w[i:i + run])</code> for every <code>i</code> from 0 to <code>len(w) - run</code>.</details>
# > <details><summary>Hint 2</summary><code>max(1, len(w) - run + 1)</code> starting points take care of short texts.</details>
# > <details><summary>Hint 3</summary>For sets, <code>a &amp; b</code> is what both have, <code>a | b</code> what either has.</details>


# %%
def jaccard(one: str, other: str, run: int) -> float:
    """Shared runs of words / all runs of words of two texts, from 0 to 1."""

    # BEGIN SOLUTION
    def runs(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        return {tuple(words[i : i + run]) for i in range(max(1, len(words) - run + 1))}

    return len(runs(one) & runs(other)) / len(runs(one) | runs(other))
    # END SOLUTION


# %%
jaccard = lesson.check(jaccard)

# %% [markdown]
# Comparing all pairs takes a time that grows with the square of the rows. MinHash and locality-sensitive hashing (LSH) propose just the pairs that are likely to be similar, and only these are compared: `duplicates.without_near`. A threshold decides what counts as *near*, and it is easily set wrong. The first set below are captions about different scenes, which nobody should call duplicates; the second are captions with one word changed:

# %%
varied = [caption for caption, _ in by_people(150, 97_000 + SEED)]
touched = [
    caption.replace("a big", "a small").replace("A big", "A small").replace("large", "little")
    for caption in varied
]
lesson.widget("near", captions=varied, copies=[c for c, old in zip(touched, varied, strict=True) if c != old])

# %% [markdown]
# The pipeline below compares runs of two words at 0.7, where few of these copies are caught, and on purpose. Try *the whole prompt*: people often hash what they send to the model, instruction and all. Then the instruction makes everything look alike. And mind what the copies are here: *a big red cow* and *a small red cow* differ by one word and by one **fact**. Compare contents where you can, and always measure how many fresh rows a filter takes.
#
# Now all steps in a row. A stage is a function from a table to a table, and `funnel` counts what each leaves.

# %% tags=["evidence"]


def says_its_record(row: dict) -> bool:
    return accepted(row["completion"][0]["content"], row["prompt"][0]["content"])


STAGES = {
    "verify": lambda data: verified(data, says_its_record, "world.verify"),
    "exact duplicates": duplicates.without_exact,
    "near duplicates": lambda data: duplicates.without_near(data, threshold=0.7, run=2),
}


def pool_of(seed: int, without: frozenset[str] = frozenset()) -> Dataset:
    """All that people and generators wrote, but for what is left out."""
    leaks = "decontaminate" in without
    parts = [crawl(seed) if leaks else decontaminated(crawl(seed), seed)]
    parts += told_by_form(seed, personas="personas" not in without)
    if "self-instruct" not in without:
        parts.append(self_instructed(seed, leaks))
    return concatenate_datasets(parts)


def pipeline(seed: int, without: frozenset[str] = frozenset()) -> tuple[Dataset, list[dict]]:
    stages = {name: stage for name, stage in STAGES.items() if name not in without}
    if "decontaminate" not in without:
        stages["decontaminate"] = lambda data: decontaminated(data, seed)
    return funnel(pool_of(seed, without), stages)


# %%
pool = pool_of(SEED)
made, counts = pipeline(SEED)
plots.table(
    [[row["stage"], row["rows in"], row["rows out"], f"{row['kept']:.0%}"] for row in counts],
    ["stage", "rows in", "rows out", "kept"],
)

# %%
from helpers.synthesis import card as cards

plots.table(
    [
        [row["generator"], row["asked"], row["kept"], f"{row['accepted']:.0%}"]
        for row in cards.acceptance(pool, made)
    ],
    ["written by", "rows", "kept", "accepted"],
    caption="What the pipeline let through, by generator",
)

# %% [markdown]
# Three rows of this table tell a story. The rewinder is found out where the direction of time matters. Of the small model's many examples hardly any is both right and new. And the host, who is always right? He tells the same records as the guide, in the guide's words, with the place moved to the front: near duplicates.
#
# ## 5 · Leave each step out
#
# Every **arm**, that is, every pipeline of the comparison, trains a reader on **300 rows for the same number of steps**; only what fills the 300 rows changes. All that people wrote goes in first, the rest by lot. Each is tested on
#
# - 400 **fresh** captions by people: the honest number;
# - the **leaked** 40 items of the benchmark, which an arm without decontamination has seen.

# %% tags=["evidence"]
LEFT_OUT: dict[str, frozenset[str]] = {
    "all steps": frozenset(),
    "no verification": frozenset({"verify"}),
    "no deduplication": frozenset({"exact duplicates", "near duplicates"}),
    "no near deduplication": frozenset({"near duplicates"}),
    "no decontamination": frozenset({"decontaminate"}),
    "no personas": frozenset({"personas"}),
    "no self-instruct": frozenset({"self-instruct"}),
}
TEST_SIZE = lesson.size(400, smoke=20)


@cache
def fresh(seed: int) -> list[Row]:
    return by_people(TEST_SIZE, 50_000 + seed, "test")


def by_lot(data: Dataset, seed: int) -> list[Row]:
    """`ROWS` rows: people's first, then the others in an order that two arms share as far as they can."""
    again: Counter[Row] = Counter()
    order = []
    for name, row in zip(data["generator"], rows_of(data), strict=True):
        again[row] += 1
        order.append((name != "people", random.Random(f"{seed} {row} {again[row]}").random(), row))
    return [row for *_, row in sorted(order)[:ROWS]]


def read_by(rows: list[Row], seed: int) -> dict[str, float]:
    """What a reader that was trained on these rows can do, and what the rows are like."""
    model = trained(rows, seed)
    captions = [caption for caption, _ in rows]
    return {
        "fresh": right(model, fresh(seed)),
        "leaked": right(model, benchmark(seed)[:LEAKED]),
        "true": float(np.mean([accepted(*row) for row in rows])),
        "different": len(set(rows)) / len(rows),
        "distinct-2": diversity.distinct_n(captions),
        "self-BLEU": diversity.self_bleu(captions),
        "Vendi": diversity.vendi(diversity.similarities(captions)),
    }


# %% [markdown]
# Two more arms give the scale: the **seeds alone** (fewer rows, as many steps), and **300 rows by people**, which the pipeline would save us.

# %% tags=["evidence"]


@lesson.experiment(seeds=6)
def ablation(seed: int) -> dict[str, float]:
    arms = {name: read_by(by_lot(pipeline(seed, out)[0], seed), seed) for name, out in LEFT_OUT.items()}
    arms["seeds alone"] = read_by(rows_of(decontaminated(crawl(seed), seed)), seed)
    arms["300 by people"] = read_by(by_people(ROWS, seed), seed)
    measures = {f"{arm}: {name}": value for arm, found in arms.items() for name, value in found.items()}
    full = arms["all steps"]
    for arm, found in arms.items():
        measures[f"{arm}: costs"] = full["fresh"] - found["fresh"]
        measures[f"{arm}: flatters"] = found["leaked"] - found["fresh"] - (full["leaked"] - full["fresh"])
    honest = [found for found in arms.values() if found["true"] == 1 and found is not arms["seeds alone"]]
    for name in ("distinct-2", "self-BLEU", "Vendi"):
        measures[f"{name} with fresh"] = rank_correlation(
            [found[name] for found in honest], [found["fresh"] for found in honest]
        )
    return measures


def rank_correlation(one: list[float], other: list[float]) -> float:
    """Spearman's: the correlation of the ranks."""
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


# %% [markdown]
# Nine trainings for each of six seeds take minutes, so most of it comes from the evidence. Three arms of one seed run in front of you; beside them is what was stored for the same seed.

# %%
steps = lesson.measure(ablation, live=0)
watched = []
for arm in ("all steps", "no verification", "no deduplication"):
    found = read_by(by_lot(pipeline(SEED, LEFT_OUT[arm])[0], SEED), SEED)
    before = steps.stored.get(SEED, {}).get(f"{arm}: fresh")
    watched.append([arm, found["fresh"], "–" if before is None else f"{before:.2f}"])
plots.table(watched, ["300 rows", "right, live just now", "right, as stored"], caption="This seed only")

# %%
if steps.records:
    plots.interval_plot(
        [steps.row(f"{arm}: fresh", arm) for arm in [*LEFT_OUT, "seeds alone", "300 by people"]],
        "right records for fresh captions, 300 rows in every arm but the seeds alone",
        alt="Interval plot of the pipeline with all steps, six pipelines with one step left out, the seeds alone and 300 rows by people. Among the pipelines, those without deduplication or verification are far below the rest; the seeds alone are lowest of all.",
        threshold=steps.interval("all steps: fresh").mean,
        threshold_name="all steps",
    )

# %% [markdown]
# The intervals above are wide because some draws of data are harder than others. The question is what a step costs **on the same draw**: all steps minus the arm without it, paired by seed.

# %%
if steps.records:
    plots.interval_plot(
        [steps.row(f"{arm}: costs", arm) for arm in LEFT_OUT if arm != "all steps"],
        "all steps minus this arm, right records for fresh captions, paired by seed",
        alt="Interval plot of what leaving out each step costs. Verification and deduplication cost most; without decontamination the cost is negative; the intervals of near deduplication, the personas and self-instruct reach over zero.",
        threshold=0.0,
        threshold_name="costs nothing:",
    )
    lesson.say(
        "Without verification {true:.0%} of the 300 rows are true; without deduplication {different:.0%} of them are different. Without decontamination the reader gets {leaked:.2f} of the leaked items right and {fresh:.2f} of fresh captions; with all steps {full_leaked:.2f} and {full_fresh:.2f} (means over the seeds).",
        true=steps.interval("no verification: true").mean,
        different=steps.interval("no deduplication: different").mean,
        leaked=steps.interval("no decontamination: leaked").mean,
        fresh=steps.interval("no decontamination: fresh").mean,
        full_leaked=steps.interval("all steps: leaked").mean,
        full_fresh=steps.interval("all steps: fresh").mean,
    )

# %% tags=["claim"]
for arm, name, statement, prediction, verdict in [
    (
        "no verification",
        "verification pays",
        "Without verification a reader gets fewer fresh captions right.",
        "a loss above 0, paired by seed: wrong rows with a system teach wrong things",
        "holds",
    ),
    (
        "no deduplication",
        "deduplication pays",
        "Without deduplication a reader gets fewer fresh captions right.",
        "a loss above 0, paired by seed: the small model's copies push new rows out of the 300",
        "holds",
    ),
    (
        "no personas",
        "personas pay",
        "With two templates in the personas' place a reader gets fewer fresh captions right.",
        "a loss above 0, paired by seed: people build their sentences in more than two ways",
        "inconclusive",
    ),
    (
        "no self-instruct",
        "the model's own examples pay",
        "Without the examples by the small model itself a reader gets fewer fresh captions right.",
        "a loss above 0, paired by seed: what is right and new in them mixes people's wording afresh",
        "inconclusive",
    ),
]:
    lesson.claim(
        ablation,
        f"{arm}: costs",
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T5"],
        scope="world",
        unit="of captions",
        above=0.0,
        expected=verdict,
        repeatable=False,
    )
lesson.claim(
    ablation,
    "no near deduplication: costs",
    name="null: near duplicates",
    statement="Once exact duplicates are gone, removing near duplicates changes little here.",
    prediction="a difference inside ±0.05, paired by seed: there are few of them",
    talk=["T5"],
    scope="world",
    unit="of captions",
    within=(-0.05, 0.05),
    expected="inconclusive",
    repeatable=False,
)
lesson.claim(
    ablation,
    "no decontamination: flatters",
    name="a leak flatters",
    statement="Without decontamination the score on the leaked items rises more than the honest one.",
    prediction="(leaked − fresh) without minus (leaked − fresh) with decontamination above 0, paired by seed",
    talk=["T5"],
    scope="world",
    unit="of captions",
    above=0.0,
    expected="inconclusive",
    repeatable=False,
)
lesson.claim(
    ablation,
    "no decontamination: costs",
    name="decontamination lowers the score",
    statement="Without decontamination a reader gets more fresh captions right, too: leaked items are rows by people.",
    prediction="a loss below 0, paired by seed (in a first trial .80 with, .86 without); stated after the other claims",
    talk=["T5"],
    scope="world",
    unit="of captions",
    below=0.0,
    expected="holds",
    repeatable=False,
)
lesson.claim(
    ablation,
    "300 by people: costs",
    name="null: as good as people's rows",
    statement="Trained on the pipeline's 300 rows a reader is as good as trained on 300 rows by people.",
    prediction="a difference inside ±0.1, paired by seed: fewer wordings, but as many facts",
    talk=["T2", "T5"],
    scope="world",
    unit="of captions",
    within=(-0.1, 0.1),
    expected="inconclusive",
    repeatable=False,
)

# %% [markdown]
# Read it as a budget. There is room for 300 rows, and a step pays if it keeps bad ones from taking the place of good ones.
#
# - **Verification** and **deduplication** carry this pipeline. A wrong row teaches its mistake; a copy teaches nothing and takes a place.
# - **Decontamination** seems to *cost*: left out, even the honest score rises, as 40 more rows by people come in, about colors on animals that the training part lacks. The score on the leaked items rises somewhat more on average, to nearly all of them; six seeds leave open how much of that is memory, as a reader this good has little room to be flattered. What the step buys is no better reader. It is a number that you can believe, whatever leaked.
# - **Near duplicates**: the filter takes out nearly all that the *host* wrote, who says the guide's words in another order. Any effect on the reader is smaller than what our seeds can settle.
# - **The personas** bring kinds of sentences, of which the people's rows have some already: on average they help, but the gain differs so much between seeds that the claim stays open.
# - **The model's own examples** show no gain here, against our prediction. Few of them are both right and new, and those only mix what the seeds say. Section 6 gives the same kind of model something new to write about; compare.
# - The pipeline's rows come near to as many rows **by people** (too few seeds to call it a tie). Mind the reason: the templates' author knows the world's grammar.
#
# Which of the two big steps costs more is not settled either: their intervals overlap. For the open claims six seeds are too few; with means and spreads as they are, about twenty would settle most of them, at about a minute of one core a seed. We planned six and leave it at six: seeds that are added after looking, until a verdict comes out, make a verdict worth less.

# %% [markdown]
# ## 6 · When real data run out
#
# The talk says that synthetic data answer *we run out of tokens*. Put to the test: there are **160 rows by people and no more**. A small model learns from them to write a caption for a record, and writes for free records that nobody captioned. The verifier of exercise 1 keeps what is right. Five readers, with as many steps each unless said:
#
# - the 160 rows with **fewer steps**, so that each row is seen as often as each of 640 rows in the full number of steps;
# - the 160 rows, **repeated** for the full number of steps;
# - 160 + 480 **verified** captions by the model;
# - 160 + 480 **unverified** ones, the control: is it the rows, or what checks them?
# - **640 rows by people**: what we wish we had.

# %% tags=["evidence"]
REAL, MORE = lesson.size(160, smoke=30), lesson.size(480, smoke=30)


@cache
def real_rows(seed: int) -> list[Row]:
    return by_people(REAL + MORE, seed)


@cache
def right_with_people(count: int, seed: int) -> float:
    """Fresh captions read rightly after training on the first `count` rows by people."""
    return right(trained(real_rows(seed)[:count], seed), fresh(seed))


def model_captions(seed: int) -> tuple[list[Row], list[Row]]:
    """Captions by a model trained on the 160 rows: the verified ones, and all that it wrote until then."""
    writer = trained([(told, caption) for caption, told in real_rows(seed)[:REAL]], seed)
    good: list[Row] = []
    everything: list[Row] = []
    rounds = lesson.size(8, smoke=1)
    for turn in range(rounds):
        free = [record(scene) for scene in scenes(lesson.size(1000, smoke=60), 80_000 + seed + 100 * turn)]
        captions = small.sample(writer, TOKENIZER, free, seed=seed + 100 * turn, longest=30)
        everything += zip(captions, free, strict=True)
        good = [row for row in everything if accepted(*row)]
        if len(good) >= MORE:
            break
    return good, everything


# %% tags=["evidence"]


@lesson.experiment(seeds=6)
def running_out(seed: int) -> dict[str, float]:
    few = real_rows(seed)[:REAL]
    good, everything = model_captions(seed)
    once = trained(few, seed, steps=max(1, STEPS * REAL // (REAL + MORE)))
    measures = {
        "once": right(once, fresh(seed)),
        "repeated": right_with_people(REAL, seed),
        "verified": right(trained(few + good[:MORE], seed), fresh(seed)),
        "unverified": right(trained(few + everything[:MORE], seed), fresh(seed)),
        "real": right_with_people(REAL + MORE, seed),
        "accepted": len(good) / len(everything),
        "verified rows": len(good[:MORE]),
    }
    for one, other in [("verified", "repeated"), ("repeated", "unverified"), ("real", "verified")]:
        measures[f"{one} over {other}"] = measures[one] - measures[other]
    return measures


# %%
out = lesson.measure(running_out, live=0)
ARMS = {
    "once": "160 by people, fewer steps",
    "repeated": "160 by people, repeated",
    "verified": "160 by people + 480 verified",
    "unverified": "160 by people + 480 unverified",
    "real": "640 by people",
}
if out.records:
    plots.interval_plot(
        [out.row(arm, label) for arm, label in ARMS.items()],
        "right records for fresh captions",
        alt="Interval plot of five readers. With 480 verified captions by a model the reader lies far above the one that repeats the 160 rows and below the one with 640 rows by people; with unverified captions it lies lowest of those with the full number of steps.",
    )
    gap = out.interval("real").mean - out.interval("repeated").mean
    lesson.say(
        "Of what the model writes, {accepted:.0%} is accepted, so each verified row costs about {tries:.0f} tries. The verified rows close {share:.0%} of the gap between 160 rows by people and 640.",
        accepted=out.interval("accepted").mean,
        tries=1 / out.interval("accepted").mean,
        share=out.interval("verified over repeated").mean / gap,
    )

# %% tags=["claim"]
for measure_name, name, statement, prediction, verdict in [
    (
        "verified over repeated",
        "verified rows help where real ones have run out",
        "160 rows by people and 480 verified ones by a model teach more than the 160 repeated.",
        "a difference above 0, paired by seed: new facts, checked",
        "holds",
    ),
    (
        "repeated over unverified",
        "unverified rows do harm",
        "The same number of unverified rows is worse than none.",
        "repeated minus unverified above 0, paired by seed: most of what so small a writer says is wrong",
        "holds",
    ),
    (
        "real over verified",
        "real rows would be better",
        "480 more rows by people would have taught more than 480 verified ones by the model.",
        "a difference above 0, paired by seed: the model has few wordings, and passes the verifier with easy ones",
        "holds",
    ),
]:
    lesson.claim(
        running_out,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T2"],
        scope="world",
        unit="of captions",
        above=0.0,
        expected=verdict,
        repeatable=False,
    )

# %% [markdown]
# Synthetic rows did stand in for real ones, on one condition: **something that knows more than the model** decided which of them stay. The model is wrong most of the time; the verifier turns its few right answers into rows that nobody had. Without it, the same model's rows bury the real ones. Repeating the real rows trains the reader for as many steps, and brings less; but it spares the writer, its many tries and the verifier, which the comparison does not count.
#
# Two things keep this from being magic. The records came from outside (anybody can make up facts; the model did not have to), and the verifier knows the truth about every caption. In the field you have a compiler, a unit test, a calculator, a second source; or a judge that errs, which is lesson 06. And real rows would still have been better: what the model can't say stays unsaid, however often one asks. Lesson 05 asks what happens when this is repeated.
#
# %% [markdown]
# ## 7 · What a label costs
#
# Another way to ask what synthetic data are worth: in human labels. The pipeline's own rows (600 by personas, verified, nobody's seeds in them) are joined by 0 to 640 rows by people. A **flawed** pipeline stands beside it: the same personas without the verifier, and the rewinder writes two thirds of it.

# %% tags=["evidence"]
SYNTHETIC = lesson.size(600, smoke=30)
HUMAN = [40, 160, 320, 640]  # rows by people that a curve without synthetic rows is measured at


def persona_rows(seed: int, flawed: bool) -> list[Row]:
    """600 rows by personas: verified, or by a flawed pipeline."""
    tellers = [teller(*one) for one in PERSONAS.items()]
    if flawed:
        tellers = [one if number % 2 else tellers[-1] for number, one in enumerate(tellers)]
    free = [record(scene) for scene in scenes(2 * SYNTHETIC, 85_000 + seed)]
    tables = [generate(prompts(free[number::6]), one, seed) for number, one in enumerate(tellers)]
    rows = rows_of(concatenate_datasets(tables))
    random.Random(seed).shuffle(rows)
    return [row for row in rows if flawed or accepted(*row)][:SYNTHETIC]


@lesson.experiment(seeds=6)
def label_cost(seed: int) -> dict[str, float]:
    good, flawed = persona_rows(seed, flawed=False), persona_rows(seed, flawed=True)
    measures = {f"people {n}": right_with_people(n, seed) for n in HUMAN}
    for n in (0, 10, 40, 160, 640):
        measures[f"with synthetic {n}"] = right(trained(good + real_rows(seed)[:n], seed), fresh(seed))
    for n in (10, 640):
        measures[f"with flawed {n}"] = right(trained(flawed + real_rows(seed)[:n], seed), fresh(seed))
    measures["10 and synthetic over 160"] = measures["with synthetic 10"] - measures["people 160"]
    measures["synthetic adds to all"] = measures["with synthetic 640"] - measures["people 640"]
    measures["flawed adds to all"] = measures["with flawed 640"] - measures["people 640"]
    measures["true rows in flawed"] = float(np.mean([accepted(*row) for row in flawed]))
    return measures


# %%
cost = lesson.measure(label_cost, live=0)
if cost.records:
    figure, axes = plots.new_figure(720, 380)
    for name, label, counts_of in [
        ("people", "rows by people only", HUMAN),
        ("with synthetic", "with 600 synthetic rows", [10, 40, 160, 640]),
        ("with flawed", "with 600 flawed rows", [10, 640]),
    ]:
        spans = [cost.interval(f"{name} {n}") for n in counts_of]
        means = [span.mean for span in spans]
        reach = [[span.mean - span.low for span in spans], [span.high - span.mean for span in spans]]
        axes.errorbar(
            counts_of,
            means,
            yerr=np.nan_to_num(reach, posinf=0),
            capsize=4,
            label=label,
            **({"linestyle": "none"} if name == "with flawed" else {}),
        )
    axes.set_xscale("log")
    axes.set_xticks([10, 40, 160, 640], ["10", "40", "160", "640"])
    axes.minorticks_off()
    axes.set_xlabel("rows by people")
    axes.set_ylabel("right, mean and 95% interval")
    axes.legend(frameon=False)
    plots.show(
        figure,
        alt="Right records over the number of rows by people. The curve with 600 synthetic rows starts high at 10 rows and meets the curve of people alone at 640; the curve of people alone starts at 0. With flawed rows, measured at 10 and 640, the reader lies below that with good ones, and at 640 below people alone.",
    )

# %% [markdown]
# How many labels is that? Read it off the curve of people alone: where does it reach what 10 labels with synthetic rows reach?
#
# > **Exercise 3 · `labels_worth`** · ★★☆ · 10 minutes
# >
# > Given a target share and a measured curve (numbers of labels, rising; the share right at each), return how many labels the curve needs to reach the target. Between two measured points go in a straight line over the **logarithm** of the labels. If the curve starts above the target, return the first number; if it never reaches it, return `math.inf`. Where it passes the target more than once, the first time counts.
# >
# > <details><summary>Hint 1</summary>Go through neighboring points. The first pair whose second share is at least the target is the one to interpolate in.</details>
# > <details><summary>Hint 2</summary>With <code>part = (target - low) / (high - low)</code> the answer is <code>a * (b / a) ** part</code>, for label numbers <code>a</code> and <code>b</code>.</details>


# %%
import math


def labels_worth(target: float, labels: list[int], shares: list[float]) -> float:
    """How many labels the curve needs to reach the target."""
    # BEGIN SOLUTION
    if shares[0] >= target:
        return float(labels[0])
    points = list(zip(labels, shares, strict=True))
    for (few, low), (many, high) in itertools.pairwise(points):
        if high >= target:
            return few * (many / few) ** ((target - low) / (high - low))
    return math.inf
    # END SOLUTION


# %%
labels_worth = lesson.check(labels_worth)

# %%
if cost.records:
    alone = [cost.interval(f"people {n}").mean for n in HUMAN]
    lesson.say(
        "On the mean curves 600 synthetic rows and 10 labels are worth about {ten:.0f} labels, 600 and 40 about {forty:.0f}: rough numbers, as the curve is steep there and its points have wide intervals. In the flawed pipeline only {true:.0%} of the rows are true.",
        ten=labels_worth(cost.interval("with synthetic 10").mean, HUMAN, alone),
        forty=labels_worth(cost.interval("with synthetic 40").mean, HUMAN, alone),
        true=cost.interval("true rows in flawed").mean,
    )

# %% tags=["claim"]
lesson.claim(
    label_cost,
    "10 and synthetic over 160",
    name="10 labels and synthetic rows beat 160 labels",
    statement="600 synthetic rows with 10 by people teach more than 160 rows by people.",
    prediction="a difference above 0, paired by seed: the templates' author knows the language of the world",
    talk=["T5"],
    scope="world",
    unit="of captions",
    above=0.0,
    expected="holds",
    repeatable=False,
)
lesson.claim(
    label_cost,
    "synthetic adds to all",
    name="null: nothing to add where labels abound",
    statement="With 640 rows by people the synthetic rows change little.",
    prediction="a difference inside ±0.03, paired by seed",
    talk=["T5"],
    scope="world",
    unit="of captions",
    within=(-0.03, 0.03),
    expected="inconclusive",
    repeatable=False,
)
lesson.claim(
    label_cost,
    "flawed adds to all",
    name="a flawed pipeline does harm where labels abound",
    statement="To 640 rows by people the flawed pipeline's 600 rows do harm.",
    prediction="a difference below 0, paired by seed: an error with a system is learned like anything else",
    talk=["T5"],
    scope="world",
    unit="of captions",
    below=0.0,
    expected="holds",
    repeatable=False,
)

# %% [markdown]
# A few labels by people on top of many synthetic rows go a long way: synthetic rows teach the facts and the form, people's rows bring the words that the templates lack (*little*, *fades in*, *on the sand*). Where labels abound, synthetic rows add a few points at most, and a flawed pipeline does harm: its error has a system, and more rows by people do not outvote it.
#
# **The caveat.** Whoever wrote our templates and our verifier also wrote the world. The generator shares the simulator that defines the truth, so the *exchange rate* above is flattering, and means nothing outside. What carries over is the shape: a large gain where labels are few, little or none where they abound, and harm from a mistake with a system.
#
# ## 8 · A dataset that others can use
#
# The rows of section 4 become an ordinary `DatasetDict`. Split it **by parent**: two personas told the same record, so a row-by-row split would put one telling into the training part and its sibling into the test.

# %%
from helpers.synthesis import splits

parts = splits.split(made, by="parent", seed=SEED)
loose = made.train_test_split(test_size=0.1, seed=SEED)


def siblings(train: Dataset, test: Dataset) -> str:
    known = set(train["parent"])
    return f"{sum(parent in known for parent in test['parent'])} of {len(test)}"


plots.table(
    [
        ["by parent", siblings(parts["train"], parts["test"])],
        ["row by row", siblings(loose["train"], loose["test"])],
    ],
    ["split", "test rows with a sibling in the training part"],
)

# %% [markdown]
# A **card** says what the rows are, who wrote them, who judged them, and how much was let through. Every row carries its own origin (generator, revision, temperature, seed, judge), so nothing has to be remembered.

# %%
summary = "Captions of scenes with their records, for training a reader. The scenes are drawn, the language is a small grammar: good for teaching, and for nothing about real animals."
writers = [teller(*one) for one in (TEMPLATES | PERSONAS).items()]
dataset_card = cards.card(
    parts, "Captions and records", "cc-by-4.0", summary, generators=writers, asked=pool, counts=counts
)
folder = helpers.settings.build_dir() / "making_data" / "dataset"
cards.save(parts, folder, dataset_card)
print({name: len(part) for name, part in cards.load(folder).items()})
plots.table(
    [[str(value) for value in row.values()] for row in cards.provenance(parts["train"])[:5]],
    list(cards.provenance(parts["train"])[0]),
    caption="From the card: where the rows are from",
)

# %% [markdown]
# The folder (`build/making_data/dataset`) holds the parts as `save_to_disk` writes them, and the card as `README.md`. `cards.push(parts, dataset_card, "OWNER/NAME")` would put both on the hub, privately unless you say otherwise; this course never does it by itself.
#
# ### When the power fails
#
# Generation is what costs. `generate_in_shards` keeps every shard on the disk as soon as it is there. Here a generator dies at its third shard; the second call asks for what is missing and for nothing else.

# %%
import shutil

from helpers.synthesis.shards import generate_in_shards

shards = helpers.settings.build_dir() / "making_data" / "shards"
shutil.rmtree(shards, ignore_errors=True)
poet = teller("poet", PERSONAS["poet"])
asked_for: list[int] = []


def mortal(asked: list, seed: int) -> list[str]:
    asked_for.append(len(asked))
    if len(asked_for) == 3:
        raise ConnectionError("the power is gone")
    return poet.answer(asked, seed)


free = prompts([record(scene) for scene in scenes(100, SEED)])
for _ in range(2):
    asked_for_before = len(asked_for)
    try:
        done = generate_in_shards(
            free, Generator("poet", "1", "cc-by-4.0", None, mortal), SEED, shards, size=25
        )
        print(f"asked for {len(asked_for) - asked_for_before} shards; {len(done)} rows in all")
    except ConnectionError as error:
        print(f"asked for {len(asked_for) - asked_for_before} shards, then: {error}")

# %% [markdown]
# ## 9 · In the field: a real model writes
#
# Does any of this hold for a model that has read the internet? SmolLM2 gets three examples and goes on: a caption for a record, then a question about a caption (by a person). It has 135 million parameters on the CPU tier; on a GPU tier the same cells run a larger instruct model.
#
# Our verifier is harsh here: it accepts what the world's grammar has, and a free writer may say something true in other words. So *outside the grammar* does not mean *wrong*. A verifier is only as good as the language it understands.

# %%
from helpers.models.memory import give_back

give_back()  # the trainings above have left memory that the process still holds

# %% tags=["evidence"]
import torch

from helpers.models import real

lm = real.language_model()
CAPTION_SHOTS = by_people(3, seed=5)
QUESTION_SHOTS = [
    ("A small orange cat walks left across the meadow.", "Which way does the cat walk?"),
    ("In the snow, a big gray rabbit is sleeping.", "What is the rabbit doing?"),
    ("There is a little red fish on the beach, and it jumps.", "What color is the fish?"),
]


@torch.no_grad()
def continued(asked: list, seed: int) -> list[str]:
    """The first line with which SmolLM2 goes on after each text: as a plain language model, not as a chat."""
    lines = []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for start in range(0, len(asked), 8):
            texts = [chat[0]["content"] for chat in asked[start : start + 8]]
            ids = lm.tokenizer(texts, return_tensors="pt", padding=True, padding_side="left")
            drawn = lm.model.generate(
                **ids.to(lm.model.device),
                max_new_tokens=24,
                do_sample=True,
                temperature=0.7,
                top_k=0,
                pad_token_id=lm.tokenizer.pad_token_id,
            )
            lines += lm.tokenizer.batch_decode(drawn[:, ids.input_ids.shape[1] :], skip_special_tokens=True)
    return [line.split("\n")[0].strip() for line in lines]


# %% tags=["evidence"]


def caption_prompt(told: str) -> str:
    shown = [f"Record: {facts}\nCaption: {caption}\n\n" for caption, facts in CAPTION_SHOTS]
    return f"{''.join(shown)}Record: {told}\nCaption:"


def question_prompt(caption: str) -> str:
    shown = [f"Caption: {text}\nQuestion: {question}\n\n" for text, question in QUESTION_SHOTS]
    return f"{''.join(shown)}Caption: {caption}\nQuestion:"


def smollm() -> Generator:
    return Generator(lm.name, "as installed", "apache-2.0", 0.7, continued)


def asks_well(question: str, scene: Scene) -> bool:
    """One question about the scene's animal that does not give the color or the place away."""
    told = question.lower().split()
    named = scene.kind in question.lower()
    return question.endswith("?") and question.count("?") == 1 and named and scene.color not in told


# %% tags=["evidence"]
WRITTEN = lesson.size(12, smoke=2)


@lesson.experiment(seeds=6)
def real_writer(seed: int) -> dict[str, float]:
    drawn = scenes(WRITTEN, 90_000 + seed)
    captions = [
        chat[0]["content"]
        for chat in generate(prompts([caption_prompt(record(s)) for s in drawn]), smollm(), seed)[
            "completion"
        ]
    ]
    people = [describe(scene, seed=seed + number) for number, scene in enumerate(drawn)]
    questions = [
        chat[0]["content"]
        for chat in generate(prompts([question_prompt(text) for text in people]), smollm(), seed)[
            "completion"
        ]
    ]
    verdicts = [world.verify(caption, scene) for caption, scene in zip(captions, drawn, strict=True)]
    asked_well = [asks_well(*pair) for pair in zip(questions, drawn, strict=True)]
    patterns = {q.replace(s.kind, "ANIMAL") for q, s in zip(questions, drawn, strict=True)}
    count = len(drawn)
    return {
        "accepted": sum(v.true and v.complete for v in verdicts) / count,
        "outside the grammar": sum(not v.grammatical for v in verdicts) / count,
        "says something wrong": sum(v.grammatical and not v.true for v in verdicts) / count,
        "leaves something out": sum(v.true and not v.complete for v in verdicts) / count,
        "repeated captions": 1 - len(set(captions)) / count,
        "distinct-2 over people": diversity.distinct_n(captions) - diversity.distinct_n(people),
        "good questions": sum(asked_well) / count,
        "repeated questions": 1 - len(set(questions)) / count,
        "repeated but for the animal": 1 - len(patterns) / count,
        "hidden repeats": (len(set(questions)) - len(patterns)) / count,
    }


# %%
field = lesson.measure(real_writer, live=0)
if lm:
    drawn = scenes(4, 90_000 + SEED)
    asked = [prompts([caption_prompt(record(s))])["prompt"][0] for s in drawn]
    verdicts = []
    for scene, caption in zip(drawn, continued(asked, SEED), strict=True):
        verdict = world.verify(caption, scene)
        wrong = f"wrong: {', '.join(verdict.wrong)}" if verdict.wrong else "leaves something out"
        said = "accepted" if verdict.true and verdict.complete else wrong
        verdicts.append([record(scene), caption, said if verdict.grammatical else "outside the grammar"])
    plots.table(verdicts, ["record", f"caption by {lm.name}", "verdict"])

# %%
if field.records:
    plots.table(
        [
            [name, f"{span.mean:z.2f}", f"{span.low:z.2f} to {span.high:z.2f}".replace("-", "−")]
            for name in (
                "accepted",
                "outside the grammar",
                "says something wrong",
                "leaves something out",
                "repeated captions",
                "distinct-2 over people",
                "good questions",
                "repeated questions",
                "repeated but for the animal",
            )
            if (span := field.interval(name))
        ],
        ["of 12 captions and 12 questions by SmolLM2", "mean", "95% interval over seeds"],
    )

# %% tags=["claim"]
for measure_name, name, statement, prediction, region, verdict in [
    (
        "accepted",
        "real: verification removes most",
        "Of SmolLM2's captions from three examples, fewer than half pass the verifier.",
        "below 0.5: without examples none of 96 was right in our first trials",
        {"below": 0.5},
        "holds",
    ),
    (
        "outside the grammar",
        "real: most captions are outside the verifier's language",
        "More than half of SmolLM2's captions are sentences that the verifier does not understand.",
        "above 0.5: a free writer has more ways to say it than our grammar",
        {"above": 0.5},
        "holds",
    ),
    (
        "distinct-2 over people",
        "real: less diverse than people",
        "SmolLM2's captions have fewer different pairs of words than people's for the same records.",
        "distinct-2 of SmolLM2 minus people's below 0: it imitates its three examples",
        {"below": 0.0},
        "inconclusive",
    ),
    (
        "good questions",
        "real: questions are easier than captions",
        "More than half of SmolLM2's questions are one question that names the animal and does not say its color in so many words.",
        "above 0.5: a question has to get less right than a caption",
        {"above": 0.5},
        "holds",
    ),
    (
        "hidden repeats",
        "real: repeats that exact deduplication misses",
        "Some of SmolLM2's questions are the same question about another animal, which exact deduplication does not see.",
        "above 0: 'What is the … doing?' is asked again and again",
        {"above": 0.0},
        "holds",
    ),
]:
    lesson.claim(
        real_writer,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T5"],
        scope="real",
        unit="of texts",
        expected=verdict,
        repeatable=False,
        **region,
    )

# %% [markdown]
# Read the rows that the verifier turned down. Some say something wrong or leave something out. Of those *outside the grammar* the verdict says nothing more: a caption may be true in words that our grammar lacks, or be wrong besides. Compare them with their records yourself. A strict verifier costs true rows, and a lenient one lets false ones in; which is worse depends on how many you can make. Here making more is cheap, so strict is right.
#
# We expected the model to be less diverse than people, and cannot show it. Nor would more diversity be a virtue by itself: people here have one small grammar, and whatever strays from it counts as diverse, right or wrong.
#
# The questions pass more often, by a looser test: one question, the animal named, its color not among the words (the place is not looked for, nor a color with a mark right behind it). But they repeat: many are the same question about another animal, and exact deduplication sees none of that. Compare what is asked, not what is written: replace the animal's name by a blank first.

# %% [markdown]
# ---
# ## Dig deeper
#
# ### Any OpenAI-compatible endpoint
#
# A server with such an interface (vLLM, TGI, llama.cpp, a paid one) is a generator like any other. Set `COURSE_ENDPOINT` to its address, `COURSE_ENDPOINT_MODEL` to the model's name and, if it wants one, `COURSE_ENDPOINT_KEY`; time-outs and busy servers are retried, and what came is kept and counted.

# %% tags=["volatile"]
from helpers.synthesis import endpoint

remote = endpoint.from_environment(temperature=0.7)
if remote is None:
    lesson.say("`COURSE_ENDPOINT` is not set, so nothing is asked here.")
else:
    wanted = [f"Write one short caption for these facts: {record(scene)}" for scene in scenes(8, SEED)]
    answered = generate(prompts(wanted), remote, SEED)
    print(remote.answer.counts)
    plots.table([[row[0]["content"]] for row in answered["completion"]], ["caption by the endpoint"])

# %% [markdown]
# ### Bring your own rows
#
# `python -m helpers audit FILE.jsonl --test TEST.jsonl` reads any file of JSON lines (chats, prompts with completions, pairs, or plain text) and reports what this lesson looks for. Put your file's path in place of None; until then our own rows are audited against the benchmark that leaked. For contrast, the second column has the same rows without any of the steps.

# %%
from helpers.data import jsonl
from helpers.synthesis.audit import audit

MY_FILE = None  # such as "my_data.jsonl"


def chats_file(name: str, rows: list[Row]):
    """The rows as a file of prompts (captions) with completions (records)."""
    path = helpers.settings.build_dir() / "making_data" / name
    jsonl.write(path, ({"prompt": caption, "completion": told} for caption, told in rows))
    return path


test_file = chats_file("benchmark.jsonl", benchmark(SEED))
clean_rows = audit(MY_FILE or chats_file("pipeline.jsonl", rows_of(made)), test_file)
everything = pool_of(SEED, frozenset({"decontaminate"}))
raw_rows = {
    line["what"]: line["found"]
    for line in audit(chats_file("raw.jsonl", rows_of(everything)), test_file).findings()
}
plots.table(
    [[line["what"], line["found"], raw_rows.get(line["what"], "")] for line in clean_rows.findings()],
    ["what", "your file" if MY_FILE else "after all steps", "before any step"],
)

# %% [markdown]
# More rows of the test stand in the right column than have leaked: the small model wrote leaked items down again, which is why decontamination comes first. *Nearly* and *near duplicates* are counted with other thresholds and runs than the pipeline's, and *different answers* are different records. The *control* leaves one word out of each test row; it says nothing about a test item that is told in other words, which section 2 has shown to slip through.
#
# ### Moving on: the same steps in the tools of the trade
#
# | step here | NeMo Data Designer | distilabel | synthetic-data-kit | NeMo Curator |
# | --- | --- | --- | --- | --- |
# | seeds | seed datasets | `LoadDataFromHub`, `LoadDataFromDicts` | `ingest` (PDF, HTML, …) | downloads and extracts text |
# | templates, personas | sampler columns, person sampling | – | – | – |
# | a model writes | columns written by a language model | `TextGeneration`, `SelfInstruct` | `create` (question and answer pairs, summaries) | – |
# | verify | validators: code, your own function, a remote service | `QualityScorer`, `PrometheusEval`: a model judges | `curate`: a model judges | quality filters by rule |
# | duplicates | – | `DeitaFiltering` keeps what is far from its neighbors | – | exact; fuzzy (MinHash, LSH); semantic |
# | decontaminate | – | – | – | `TaskDecontamination` in earlier releases |
# | table, card, hub | pushes datasets to the hub | a `Distiset` (a `DatasetDict`), with card and `pipeline.yaml` | `save-as` | saves and exports |
#
# A dash means that we did not find the step in the pages that we read (November 2026), not that the tool can't do it. None of these tools runs in this lesson.

# %% [markdown]
# ### Diverse, and wrong?
#
# Diversity can be measured without knowing the truth, which makes it tempting. Three measures of the 300 rows of each arm (means over the seeds): **distinct-2**, different pairs of words as a share of all; **self-BLEU**, how much of a caption stands in the others (lower is more diverse); and the **Vendi score**, how many wholly different captions the set is worth. *Fresh* is the share of fresh captions that the reader gets right, *true* and *different* are shares of the 300 rows.

# %%
SHOWN = ["fresh", "true", "different", "distinct-2", "self-BLEU", "Vendi"]
if steps.records:
    plots.table(
        [
            [arm, *(f"{steps.interval(f'{arm}: {name}').mean:.2f}" for name in SHOWN)]
            for arm in [*LEFT_OUT, "300 by people"]
        ],
        ["300 rows", *SHOWN],
    )

# %%
if steps.records:
    figure, axes = plots.new_figure(640, 360)
    for arm in [*LEFT_OUT, "300 by people"]:
        look = {"marker": "*", "color": plots.FAINT, "markersize": 10} if arm == "300 by people" else {}
        at = (steps.interval(f"{arm}: Vendi").mean, steps.interval(f"{arm}: fresh").mean)
        axes.plot(*at, linestyle="none", label=arm, **look)
    axes.set_xlabel("Vendi score of the 300 captions, mean over seeds")
    axes.set_ylabel("right records for fresh captions")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    plots.show(
        figure,
        alt="Right records over the Vendi score, a point per arm. Without verification the rows are about as diverse as those of other arms and the reader is far worse.",
    )

# %% tags=["claim"]
lesson.claim(
    ablation,
    "Vendi with fresh",
    name="among true rows, diverse sets teach more",
    statement="Among the seven arms whose 300 rows are all true, a higher Vendi score goes with more right records.",
    prediction="rank correlation above 0, one for each seed (a first trial had .83 over nine points)",
    talk=["T5"],
    scope="world",
    unit="rank correlation",
    above=0.0,
    expected="holds",
    repeatable=False,
)

# %% [markdown]
# Look at the row *no verification*: its captions are as diverse as any, and its reader is among the worst. A diversity measure sees texts, not truth. Among arms whose rows are all true it has something to say, and even there the evidence is weak: seven arms, all made from the same pool, so the points are neither many nor independent. It does notice what you could have counted: copies.

# %% [markdown]
# ### Failure drill: hashing the template
#
# Let us make the mistake of section 4 in numbers: near deduplication of 400 fresh captions by people, as captions and as whole prompts. Every row that goes is lost by mistake, as all these scenes differ.

# %%
from helpers.exercises.e04_making_data import INSTRUCTION

many = by_people(400, 98_000 + SEED)
drill = []
for name, before in [("the caption", ""), ("the whole prompt", INSTRUCTION)]:
    repeats = duplicates.twins([before + caption for caption, _ in many], threshold=0.7, run=2)
    lost = duplicates.false_positive_rate(repeats, [told for _, told in many])
    one, other = (before + caption for caption, _ in many[:2])
    drill.append([name, f"{jaccard(one, other, 2):.2f}", f"{lost:.0%}"])
plots.table(drill, ["what is compared", "similarity of the first two rows", "lost by mistake"])

# %% [markdown]
# The repair is to compare what differs between rows: `duplicates.without_near(data, text=...)` takes a column or a function of the row.

# %% [markdown]
# ## Quiz

# %%
lesson.quiz("recap")

# %% [markdown]
# ## Recap
#
# - A step of a pipeline is worth what it keeps out of a limited number of rows: here verification and deduplication decide; what personas, near deduplication and the model's own examples add is too little for six seeds to show.
# - Decontaminate before a model learns from the seeds, plant test items to see that the filter works, and expect that the score may fall: it is an honest one.
# - When real rows run out, verified synthetic rows help, unverified ones do harm. The verifier brings the information; real rows would be better still.
# - Synthetic rows save most labels where labels are few, and hardly any where they abound. A mistake with a system does harm everywhere.
# - Every row says who wrote it, who judged it, and from what. Then anybody can leave a step out and measure.
#
# **Limits of this demo.** One task with an exact verifier, in a world of a few thousand facts, with a reader of 0.1 million parameters that starts from nothing. The generators share the grammar with the test, so gains are flattering in size. How bad a missing step is depends on how bad we made the pool: one persona in six with a bug, a model that copies; the order of the steps' gains is ours, not a law. An interval over six seeds is over trainings and draws of data in this one setting. SmolLM2 was asked in one way, at one temperature.
#
# **References.** Wang et al., *Self-Instruct: Aligning language models with self-generated instructions*, 2023. Broder, *On the resemblance and containment of documents*, 1997 (MinHash). Lee et al., *Deduplicating training data makes language models better*, 2022. Brown et al., *Language models are few-shot learners*, 2020, appendix C (contamination). Zhu et al., *Texygen*, 2018 (self-BLEU). Friedman and Dieng, *The Vendi score: A diversity evaluation metric for machine learning*, 2023. Pushkarna, Zaldivar and Kjartansson, *Data cards*, 2022.

# %% tags=["volatile"]
losses = {
    "verification": "no verification",
    "deduplication": "no deduplication",
    "decontamination": "no decontamination",
    "the personas": "no personas",
    "the small model's own examples": "no self-instruct",
}
costs = {step: steps.interval(f"{arm}: costs") for step, arm in losses.items()} if steps.records else {}
ranked = sorted(costs, key=lambda step: costs[step].mean, reverse=True)
first = [step for step in ranked if costs[step].high >= costs[ranked[0]].low]
found = " and ".join(f"{step} ({costs[step].mean:.2f} of the captions)" for step in first)
lesson.recap(
    costliest=(found or "not measured yet") + (": too close for our seeds to tell apart" if first[1:] else "")
)
