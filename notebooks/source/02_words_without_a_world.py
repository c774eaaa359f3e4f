# %% [markdown]
# # 02 · Words without a world
#
# Can one learn what a sheep looks like by reading about sheep?
#
# After this lesson you can
#
# - explain reporting bias: speakers leave out what everybody knows, and a reader learns what was *said*;
# - compute by hand how often speakers must mention the usual before counting words turns out right;
# - write positive pointwise mutual information (PPMI), and say what it repairs and what it does not;
# - name the controls without which "looking beats reading" would not be honest, and what reading gets right.

# %% tags=["volatile", "evidence"]
import helpers

lesson = helpers.begin("02")

# %% [markdown]
# ## A guess before you measure
#
# Nobody says "a yellow banana". We mention a color when it surprises: "look, a *black* sheep!" In the world below three animals in four have their usual color. Speakers name an unusual color four times in five, and a usual one once in fifty.
# A reader counts which color word occurs most often with each of twelve animals.

# %%
lesson.predict(
    "reader",
    "For how many of the 12 animals does the reader's count give the usual color?",
    minimum=0,
    maximum=12,
    unit="of 12 animals",
)

# %% [markdown]
# ## 1 · A world, and how people talk about it
#
# Each kind of animal has a usual color (75%), one other that is not rare (15%), and the remaining eight of the ten colors share the rest (10%). It also has habits: a usual place and a usual verb (about two times in three).
# Which color is usual follows picture books (a yellow lion, a pink pig). It is a convention of children's literature, not zoology, and any other table would serve.

# %% tags=["evidence"]
import re
from dataclasses import replace
from functools import lru_cache

import numpy as np

from helpers import world
from helpers.world import COLORS, KINDS, PLACES, SIZES, TYPICAL_COLOR, Scene, describe, parse

P_USUAL, P_OTHER, SAY_OTHER = 0.75, 0.15, 0.8
OTHER_COLOR = {
    "cat": "black",
    "dog": "white",
    "rabbit": "brown",
    "pig": "black",
    "sheep": "black",
    "cow": "brown",
    "bird": "red",
    "fish": "orange",
    "frog": "brown",
    "mouse": "white",
    "elephant": "white",
    "lion": "white",
}
VERBS = ["sits", "sleeps", "jumps", "walks left", "walks right", "appears"]
USUAL_PLACE = {kind: PLACES[i % len(PLACES)] for i, kind in enumerate(KINDS)}
USUAL_VERB = {kind: VERBS[(i // 2) % len(VERBS)] for i, kind in enumerate(KINDS)}


# %% tags=["evidence"]
def biased_scenes(count: int, seed: int, shift: tuple[int, int, int] = (0, 0, 0)) -> list[Scene]:
    """Scenes; each kind has the usual color, place and verb of the kinds `shift` further on."""
    rng = np.random.default_rng([seed, 1])
    scenes = []
    for number in rng.integers(len(KINDS), size=count).tolist():
        color_like, place_like, verb_like = (KINDS[(number + step) % len(KINDS)] for step in shift)
        usual, other = TYPICAL_COLOR[color_like], OTHER_COLOR[color_like]
        rare = [color for color in COLORS if color not in (usual, other)]
        u = rng.random()
        color = usual if u < P_USUAL else other if u < P_USUAL + P_OTHER else rare[rng.integers(len(rare))]
        place = USUAL_PLACE[place_like] if rng.random() < 0.6 else PLACES[rng.integers(len(PLACES))]
        verb = USUAL_VERB[verb_like] if rng.random() < 0.6 else VERBS[rng.integers(len(VERBS))]
        size, own_seed = SIZES[rng.integers(len(SIZES))], int(rng.integers(2**31))
        scenes.append(Scene(KINDS[number], color, size, place, verb, seed=own_seed))
    return scenes


def captions(scenes: list[Scene], seed: int, say_usual: float, say_other: float = SAY_OTHER) -> list[str]:
    """True captions with kind, place and verb; the color with a chance that depends on it."""
    luck = np.random.default_rng([seed, 2]).random(len(scenes))
    sentences = []
    for i, (scene, u) in enumerate(zip(scenes, luck, strict=True)):
        names_color = u < (say_usual if scene.color == TYPICAL_COLOR[scene.kind] else say_other)
        told = ("kind", "place", "verb", "color") if names_color else ("kind", "place", "verb")
        sentences.append(describe(scene, seed=i, mention=told))
    return sentences


# %%
from helpers.lesson import plots

SEED = helpers.settings.seeds(1)[0]
sheep = [s for s in biased_scenes(400, SEED) if s.kind == "sheep"][:16]
plots.picture_strip(
    [world.draw(s, 48) for s in sheep],
    [s.color for s in sheep],
    alt=f"Sixteen sheep of this world; {sum(s.color == 'white' for s in sheep)} of them are white.",
)
for caption in captions(sheep, SEED, say_usual=0.02):
    print(caption)

# %% [markdown]
# Look at the pictures, then read the captions below them. Nobody has lied: every caption is true. They are only not a fair sample of what there is to see.
#
# How often would speakers have to mention the usual color for a fair picture to come out of the words? Call that chance $m$. The usual color is *said* in $0.75\,m$ of the captions of its kind, the other one in $0.15 \cdot 0.8$. A count turns from wrong to right where the two are equal.
#
# > **Exercise 1 · `predicted_crossover`** · ★☆☆ · 4 minutes
# >
# > From the share of animals with the usual color, the share with the other one, and the chance that speakers name the other one, return the $m$ at which both colors are said equally often.
# >
# > <details><summary>Hint 1</summary>How often a word is heard is a product: how often the thing occurs, times how often it is said when it occurs.</details>
# > <details><summary>Hint 2</summary>Both products must be equal. Solve for <code>m</code>.</details>


# %% tags=["evidence"]
def predicted_crossover(usual: float, other: float, say_other: float) -> float:
    """The chance of naming the usual color at which it is heard as often as the other one."""
    # BEGIN SOLUTION
    return other * say_other / usual
    # END SOLUTION


# %% tags=["evidence"]
predicted_crossover = lesson.check(predicted_crossover)

# %%
lesson.say(
    "Prediction, before any measurement: below m = {m:.2f} the reader learns the wrong color, above it the right one.",
    m=predicted_crossover(P_USUAL, P_OTHER, SAY_OTHER),
)

# %% [markdown]
# ## 2 · Three readers
#
# **The counter** goes through the captions and counts, for each kind of animal, every word in its sentence. Asked for the color of sheep, it answers with the color word it has counted most.

# %% tags=["evidence"]
VOCABULARY = world.vocabulary()
POSITION = {word: i for i, word in enumerate(VOCABULARY)}
COLOR_COLUMNS = [POSITION[color] for color in COLORS]
USUAL = np.array([COLORS.index(TYPICAL_COLOR[kind]) for kind in KINDS])


def words(caption: str) -> list[str]:
    return re.findall(r"[a-z]+", caption.lower())


def said(caption: str, options: tuple[str, ...]) -> int:
    """The place in `options` of the first of them that the caption says; -1 if it says none."""
    return next((options.index(word) for word in words(caption) if word in options), -1)


def count_words(heard: list[str]) -> np.ndarray:
    """How often each word stands in a caption of each kind: (12 kinds, words)."""
    table = np.zeros((len(KINDS), len(VOCABULARY)))
    for caption in heard:
        kind = said(caption, KINDS)
        for word in words(caption):
            table[kind, POSITION[word]] += 1
    return table


# %% [markdown]
# Words that are frequent anyway ("a", "the", "white") are counted often with everything. **PPMI** asks instead how much *more* often word and kind meet than they would by accident: $\max\left(0, \ln \frac{P(\text{kind}, \text{word})}{P(\text{kind})\,P(\text{word})}\right)$, where the probabilities are shares of all counts in the table.
#
# > **Exercise 2 · `ppmi`** · ★★☆ · 8 minutes
# >
# > From a table of counts (rows, columns), return the table of PPMI values, with natural logarithms. Where a count is 0, PPMI is 0; no value may be NaN or infinite. No row is empty, but a column may be.
# >
# > <details><summary>Hint 1</summary>With total <code>n</code>, the fraction is <code>counts * n / (row sum * column sum)</code>. <code>keepdims=True</code> keeps the sums in shape.</details>
# > <details><summary>Hint 2</summary>Write 1 wherever the count is 0, before taking the logarithm: ln 1 = 0.</details>
# > <details><summary>Hint 3</summary>In an empty column the expected count is 0 too. <code>np.divide(a, b, out=np.ones(a.shape), where=a &gt; 0)</code> divides only where there is something.</details>


# %% tags=["evidence"]
def ppmi(counts: np.ndarray) -> np.ndarray:
    """Positive pointwise mutual information of a table of counts: (rows, columns) -> (rows, columns)."""
    # BEGIN SOLUTION
    expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / counts.sum()
    ratio = np.divide(counts, expected, out=np.ones(counts.shape), where=counts > 0)
    return np.maximum(0.0, np.log(ratio))
    # END SOLUTION


# %% tags=["evidence"]
ppmi = lesson.check(ppmi)

# %% [markdown]
# **The language model** learns to guess the next word, as in lesson 01; this one is a small recurrent network. Asked for a color, it compares the log-probabilities of "there is a white sheep", "there is a black sheep" and so on.

# %% tags=["evidence"]
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from helpers.models.threads import threads


class TinyLM(nn.Module):
    """ids (batch, length) -> logits (batch, length, words + 1); word i has the id i + 1, and 0 is padding."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(VOCABULARY) + 1, width)
        self.network = nn.GRU(width, width, batch_first=True)
        self.out = nn.Linear(width, len(VOCABULARY) + 1)

    def forward(self, ids: Tensor) -> Tensor:
        return self.out(self.network(self.embed(ids))[0])


def encode(text: str) -> Tensor:
    return torch.tensor([POSITION[word] + 1 for word in words(text)])


# %% tags=["evidence"]
@threads(1)
def language_model_colors(heard: list[str], seed: int, steps: int) -> np.ndarray:
    """Log-probability of each color before each kind, from a model trained on the captions: (12, 10)."""
    torch.manual_seed(seed)
    ids = pad_sequence([encode(caption) for caption in heard], batch_first=True)
    model = TinyLM()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, steps)
    for _ in range(steps):
        batch = ids[torch.randint(len(ids), (128,))]
        loss = cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten(), ignore_index=0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    asked = [encode(f"there is {'an' if c == 'orange' else 'a'} {c} {k}") for k in KINDS for c in COLORS]
    rows = torch.stack(asked)
    with torch.no_grad():
        logps = model(rows[:, :-1]).log_softmax(-1).gather(-1, rows[:, 1:, None])[..., 0]
    return logps.sum(1).reshape(len(KINDS), len(COLORS)).double().numpy()


# %% [markdown]
# ## 3 · One who looks
#
# The fourth learner hears the *same* captions, but sees the picture to each. It sees little: only how many of the picture's pixels have which color, with three color channels of four levels each, so 4 · 4 · 4 = 64 numbers. Nobody shows it where the animal is.
#
# > **Exercise 3 · `color_histogram`** · ★★☆ · 7 minutes
# >
# > From a picture, uint8 (height, width, 3), return 64 shares that add up to 1. Each channel's 256 values fall into four levels of 64 (0–63 is level 0). A pixel with levels r, g, b counts in bin `16 * r + 4 * g + b`.
# >
# > <details><summary>Hint 1</summary><code>picture // 64</code> gives all levels at once.</details>
# > <details><summary>Hint 2</summary><code>np.bincount(bins.ravel(), minlength=64)</code> counts; divide by the number of pixels.</details>


# %% tags=["evidence"]
def color_histogram(picture: np.ndarray) -> np.ndarray:
    """Shares of the picture's pixels in 4 x 4 x 4 bins of color: uint8 (height, width, 3) -> (64,)."""
    # BEGIN SOLUTION
    levels = picture.astype(int) // 64
    bins = 16 * levels[..., 0] + 4 * levels[..., 1] + levels[..., 2]
    return np.bincount(bins.ravel(), minlength=64) / bins.size
    # END SOLUTION


# %% tags=["evidence"]
color_histogram = lesson.check(color_histogram)

# %% [markdown]
# It proceeds in two steps, and knows nothing but captions and histograms (and, like the counter, which words name colors and animals):
#
# 1. *Learn the words.* From the pictures whose caption **names** a color it learns to name colors (a linear fit from histogram to word).
# 2. *Look again.* It names the color of **every** picture, also of those whose caption says nothing, and counts what it sees for each kind of animal.

# %% tags=["evidence"]


def look(scenes: list[Scene]) -> np.ndarray:
    """What is seen of scenes: square roots of histograms, (scenes, 64), so that small areas count too."""
    chunks = [world.pictures(scenes[i : i + 500], 32) for i in range(0, len(scenes), 500)]
    return np.sqrt([color_histogram(picture) for chunk in chunks for picture in chunk])


@lru_cache(maxsize=2)
def seen_world(count: int, seed: int) -> tuple[list[Scene], np.ndarray]:
    """Scenes and what is seen of them, kept because several experiments use the same."""
    scenes = biased_scenes(count, seed)
    return scenes, look(scenes)


# %% tags=["evidence"]
def with_one(seen: np.ndarray) -> np.ndarray:
    return np.column_stack([seen, np.ones(len(seen))])


def learn_words(seen: np.ndarray, named: np.ndarray, options: int) -> np.ndarray:
    """Step 1: a linear fit from what is seen to the word `named` (-1: none): (65, options)."""
    x, y = with_one(seen[named >= 0]), np.eye(options)[named[named >= 0]]
    return np.linalg.solve(x.T @ x + 0.01 * np.eye(x.shape[1]), x.T @ y)


def count_seen(weights: np.ndarray, seen: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Step 2: name every picture, and count the names for each kind: (12, options)."""
    table = np.zeros((len(KINDS), weights.shape[1]))
    np.add.at(table, (kinds, (with_one(seen) @ weights).argmax(1)), 1)
    return table


# %% tags=["evidence"]
def looked_at(seen: np.ndarray, heard: list[str]) -> np.ndarray:
    """How often each color was seen on each kind: (12, 10). Its words are those of the captions."""
    kinds = np.array([said(caption, KINDS) for caption in heard])
    named = np.array([said(caption, COLORS) for caption in heard])
    return count_seen(learn_words(seen, named, len(COLORS)), seen, kinds)


# %% [markdown]
# ## 4 · The decisive figure
#
# The score is the share of the 12 kinds whose usual color has the highest number; a tie is shared among its members. Guessing gives 0.10. Mind what a score of **0.00** means: not ignorance, which guesses right now and then, but *anti-learning*. Such a reader is reliably wrong.

# %% tags=["evidence"]
COUNT = lesson.size(4000, smoke=240)
MENTION = [0.02, 0.05, 0.08, 0.11, 0.14, 0.17, 0.2, 0.25, 0.4, 0.8]


def share_right(scores: np.ndarray, right: np.ndarray = USUAL) -> float:
    """Share of the rows whose right column has the highest score; tied for first among k counts as 1/k."""
    best = scores == scores.max(1, keepdims=True)
    return float((best[np.arange(len(scores)), right] / best.sum(1)).mean())


def crossing(x: list[float], y: list[float], level: float = 0.5) -> float:
    """The first x at which the line through the points rises to `level`; else the last x."""
    for i in range(1, len(x)):
        if y[i - 1] < level <= y[i]:
            return x[i - 1] + (level - y[i - 1]) / (y[i] - y[i - 1]) * (x[i] - x[i - 1])
    return x[-1]


# %% tags=["evidence"]
@lesson.experiment(seeds=6)
def curve(seed: int) -> dict[str, float]:
    scenes, seen = seen_world(COUNT, seed)
    measures = {}
    for m in MENTION:
        heard = captions(scenes, seed, say_usual=m)
        table = count_words(heard)
        measures[f"counts {m}"] = share_right(table[:, COLOR_COLUMNS])
        measures[f"ppmi {m}"] = share_right(ppmi(table)[:, COLOR_COLUMNS])
        measures[f"looks {m}"] = share_right(looked_at(seen, heard))
        measures[f"looks - counts {m}"] = measures[f"looks {m}"] - measures[f"counts {m}"]
        measures[f"ppmi - counts {m}"] = measures[f"ppmi {m}"] - measures[f"counts {m}"]
    measures["crossover"] = crossing(MENTION, [measures[f"counts {m}"] for m in MENTION])
    return measures


LM_MENTION = [0.02, 0.11, 0.2, 0.4, 0.8]


@lesson.experiment(seeds=6)
def model_curve(seed: int) -> dict[str, float]:
    scenes = biased_scenes(COUNT, seed)
    steps = lesson.size(240, smoke=10)
    heard = {m: captions(scenes, seed, say_usual=m) for m in LM_MENTION}
    return {f"lm {m}": share_right(language_model_colors(heard[m], seed, steps)) for m in LM_MENTION}


# %%
curves = lesson.measure(curve, live=1)
model_curves = lesson.measure(model_curve, live=1)

# %%
figure, axes = plots.new_figure(780, 400)
for label, results, learner, grid in [
    ("counts", curves, "counts", MENTION),
    ("PPMI", curves, "ppmi", MENTION),
    ("language model", model_curves, "lm", LM_MENTION),
    ("one who looks", curves, "looks", MENTION),
]:
    spans = [results.interval(f"{learner} {m}") for m in grid]
    (line,) = axes.plot(grid, [span.mean for span in spans], label=label, linewidth=2)
    low, high = [max(span.low, 0.0) for span in spans], [min(span.high, 1.0) for span in spans]
    axes.fill_between(grid, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
cross = predicted_crossover(P_USUAL, P_OTHER, SAY_OTHER)
axes.axvline(cross, color=plots.INK, linewidth=1.2)
axes.text(cross * 1.03, 0.02, f"predicted {cross:.2f}", fontsize=10, color=plots.INK)
axes.axhline(0.1, color=plots.FAINT, linewidth=1, linestyle=":")
axes.text(0.55, 0.115, "chance", fontsize=10, color=plots.FAINT)
axes.set_xscale("log")
axes.set_xticks(MENTION, [f"{m:g}" for m in MENTION])
axes.minorticks_off()
axes.set_xlabel("m: how often speakers mention a usual color (an unusual one: 0.8)")
axes.set_ylabel("share of kinds named right")
axes.legend(frameon=False, loc="center right")
plots.show(
    figure,
    alt="Share of the 12 kinds whose usual color is named, against how often speakers mention the usual. "
    "Counts and language model start at zero and rise steeply near the predicted crossover; PPMI rises earlier; "
    "the learner who looks is high everywhere.",
)
lesson.say(
    "Shown: mean over the seeds, with its 95% interval as a band. The counter crosses one half at m = {measured}; predicted was {predicted:.2f}.",
    measured=str(curves.interval("crossover")),
    predicted=cross,
)

# %% [markdown]
# Read it from left to right. At the left end the readers have thousands of true sentences, and do worse than guessing; the one who looks hears the same sentences and is right about most kinds. At the right end there is nothing between them. What separates the two ends is a habit of speakers, and the crossover stands where one line of arithmetic put it.
# Had we shown the left end alone, we would have made the same point, only louder, and hidden that it ends at the crossover: so the whole grid of $m$ was fixed beforehand, and all of it is shown.
#
# PPMI crosses earlier, since it discounts color words that are frequent with *many* animals. That has a price right of the crossover, where it also discounts a usual color that several animals share. And it still counts what was said.

# %% tags=["claim"]
lesson.claim(
    curve,
    "counts 0.02",
    name="biased: the counter anti-learns",
    statement="Where speakers hardly mention the usual, counting words names fewer usual colors than guessing does.",
    prediction="below chance, 0.1 (m = 0.02 is far left of the predicted crossover)",
    talk=["T1", "T10"],
    scope="world",
    unit="of kinds",
    below=0.1,
    expected="holds",
    tolerance=0.1,
)
lesson.claim(
    curve,
    "ppmi 0.02",
    name="biased: PPMI",
    statement="There, PPMI too names fewer than half of the usual colors.",
    prediction="below 0.5: it re-weights what was said, and cannot add what was not",
    talk=["T1", "T10"],
    scope="world",
    unit="of kinds",
    below=0.5,
    expected="holds",
    tolerance=0.1,
)
lesson.claim(
    model_curve,
    "lm 0.02",
    name="biased: language model",
    statement="There, a small language model names fewer usual colors than guessing does.",
    prediction="below chance, 0.1: it fits the frequencies that the counter counts",
    talk=["T1", "T10"],
    scope="world",
    unit="of kinds",
    below=0.1,
    expected="holds",
    tolerance=0.1,
)
lesson.claim(
    curve,
    "looks 0.02",
    name="biased: looking",
    statement="There, one who hears the same captions and sees the pictures names most usual colors.",
    prediction="above 0.5",
    talk=["T1"],
    scope="world",
    unit="of kinds",
    above=0.5,
    expected="holds",
    tolerance=0.1,
)
lesson.claim(
    curve,
    "looks - counts 0.02",
    name="biased: looking beats counting",
    statement="There, looking beats counting.",
    prediction="difference above 0, paired by seed",
    talk=["T1", "T10"],
    scope="world",
    unit="of kinds",
    above=0.0,
    expected="holds",
    tolerance=0.1,
)
lesson.claim(
    curve,
    "crossover",
    name="the crossover is predicted",
    statement="The counter passes one half where the arithmetic says (a null: margin ±0.03 around 0.16).",
    prediction="m = 0.15 · 0.8 / 0.75 = 0.16",
    talk=["T10"],
    scope="world",
    unit="chance of mention",
    within=(0.13, 0.19),
    expected="holds",
)
lesson.claim(
    curve,
    "ppmi - counts 0.11",
    name="PPMI crosses earlier",
    statement="Left of the crossover (m = 0.11), PPMI names more usual colors than counts do.",
    prediction="difference above 0, paired by seed: it discounts words that are frequent with many kinds",
    scope="world",
    unit="of kinds",
    above=0.0,
    expected="holds",
    tolerance=0.1,
)
lesson.claim(
    curve,
    "looks - counts 0.8",
    name="unbiased: no difference",
    statement="Where speakers mention everything alike, reading is as good as looking (a null: margin ±0.1).",
    prediction="a difference of 0, paired by seed",
    talk=["T1", "T10"],
    scope="world",
    unit="of kinds",
    within=(-0.1, 0.1),
    expected="holds",
    tolerance=0.1,
)

# %% [markdown]
# ### Move the habit
#
# How often must speakers mention the usual before the reader knows your favorite animal? Each position of the slider trains both learners anew, on the pictures and speakers of this run. The drawings show the animals as the counter believes them to be; the blue bar below each is the usual color's share of all color words that it heard.


# %%
def answers(say_usual: float) -> tuple[np.ndarray, np.ndarray]:
    """What the counter has counted and what the looking learner has seen: two tables (12 kinds, 10 colors)."""
    scenes, seen = seen_world(COUNT, SEED)
    heard = captions(scenes, SEED, say_usual)
    return count_words(heard)[:, COLOR_COLUMNS], looked_at(seen, heard)


lesson.widget("mention", answers=answers, share_right=share_right)

# %% [markdown]
# ## 5 · Would more text help? Is it the text, or the speakers?
#
# Three objections, each with an experiment of its own, all at the biased end ($m$ = 0.02) unless said otherwise:
#
# - **"It needs more text."** Both learners get 100, 400 or 2,000 captions.
# - **"Text is just worse than pictures."** We turn the speakers' habit round: they name the usual color with 0.8 and the others with 0.02.
# - **"The looking learner is simply the better program."** We shuffle its pictures, so that each caption comes with the picture of another scene. Or we leave everything in its place, kind, background and shape, and only paint each animal in a color drawn at random. With one answer for all animals nobody gets more than 2 of 12 (white and gray are usual twice), so both should stay below 0.25.

# %% tags=["evidence"]
AMOUNTS = [100, 400, 2000]


@lesson.experiment(seeds=6)
def amounts(seed: int) -> dict[str, float]:
    scenes, seen = seen_world(COUNT, seed)
    heard = captions(scenes, seed, say_usual=0.02)
    measures = {}
    for n in AMOUNTS:
        # The corpus in parts of n captions: each part is learned from by itself, and the scores are averaged.
        parts = [slice(start, start + n) for start in range(0, COUNT, n)]
        tables = [count_words(heard[part])[:, COLOR_COLUMNS] for part in parts]
        measures[f"counts {n}"] = np.mean([share_right(table) for table in tables])
        tables = [looked_at(seen[part], heard[part]) for part in parts]
        measures[f"looks {n}"] = np.mean([share_right(table) for table in tables])
    measures["counts lose"] = measures["counts 100"] - measures["counts 2000"]
    measures["looks gains"] = measures["looks 2000"] - measures["looks 100"]
    return measures


@lesson.experiment(seeds=6)
def controls(seed: int) -> dict[str, float]:
    scenes, seen = seen_world(COUNT, seed)
    inverted = captions(scenes, seed, say_usual=SAY_OTHER, say_other=0.02)
    heard = captions(scenes, seed, say_usual=0.02)
    rng = np.random.default_rng([seed, 3])
    recolored = [replace(scene, color=COLORS[rng.integers(len(COLORS))]) for scene in scenes]
    return {
        "counts, inverted habit": share_right(count_words(inverted)[:, COLOR_COLUMNS]),
        "looks, shuffled pictures": share_right(looked_at(seen[rng.permutation(COUNT)], heard)),
        "looks, recolored animals": share_right(looked_at(look(recolored), heard)),
    }


# %%
amount = lesson.measure(amounts, live=1)
control = lesson.measure(controls, live=1)

# %%
plots.interval_plot(
    [amount.row(f"counts {n}", f"counts, {n:,} captions") for n in AMOUNTS]
    + [amount.row(f"looks {n}", f"looks, {n:,} captions") for n in AMOUNTS]
    + [
        control.row(arm, arm)
        for arm in ("counts, inverted habit", "looks, shuffled pictures", "looks, recolored animals")
    ],
    "share of kinds named right",
    alt="Interval plot. With more captions the counter falls from below chance to zero while looking rises. The counter "
    "with inverted speakers is near one; looking at shuffled pictures is at one sixth, at recolored animals near zero.",
    threshold=0.1,
    threshold_name="chance",
)

# %% tags=["claim"]
lesson.claim(
    amounts,
    "counts lose",
    name="more text makes it worse",
    statement="With 2,000 captions the counter names fewer usual colors than with 100.",
    prediction="score at 100 minus score at 2,000 above 0, paired by seed: more text removes the lucky guesses",
    talk=["T1", "T10"],
    scope="world",
    unit="of kinds",
    above=0.0,
    expected="holds",
    tolerance=0.1,
)
lesson.claim(
    amounts,
    "looks gains",
    name="more pictures make it better",
    statement="The learner who looks gains from the same addition.",
    prediction="score at 2,000 minus score at 100 above 0, paired by seed",
    talk=["T1"],
    scope="world",
    unit="of kinds",
    above=0.0,
    expected="holds",
    tolerance=0.1,
)
lesson.claim(
    controls,
    "counts, inverted habit",
    name="control: inverted habit",
    statement="If speakers named the usual and left out the rest, counting words would name nearly all usual colors.",
    prediction="above 0.9: it is the speakers' bias, not text as such",
    talk=["T10"],
    scope="world",
    unit="of kinds",
    above=0.9,
    expected="holds",
    tolerance=0.1,
)
lesson.claim(
    controls,
    "looks, shuffled pictures",
    name="control: shuffled pictures",
    statement="With shuffled pictures, looking is worth no more than one answer for all kinds.",
    prediction="below 0.25 (one answer for all kinds gives at most 2 of 12)",
    talk=["T1"],
    scope="world",
    unit="of kinds",
    below=0.25,
    expected="holds",
    tolerance=0.1,
)

lesson.claim(
    controls,
    "looks, recolored animals",
    name="control: recolored animals",
    statement="With the animals recolored at random, and all else in its place, it is worth no more either.",
    prediction="below 0.25: the gain comes from the color that is seen, not from background or shape",
    talk=["T1"],
    scope="world",
    unit="of kinds",
    below=0.25,
    expected="holds",
    tolerance=0.1,
)

# %% [markdown]
# More of the same text makes the reader *surer*, not more right: at 100 captions few color words have been heard, and some kinds have none, a tie, or a lucky one; by 2,000 the luck is gone. Quantity cures noise. It does not cure bias, and lesson 05 meets the same law with synthetic data.
#
# One control did more than it was asked to: recolored animals are named *worse* than by chance. We suspect that the learner then reads the captions through background and shape, and answers with the color that captions mention for this animal. Section 6 tests such a side door.

# %% [markdown]
# ## 6 · What text gets right
#
# It would be unfair to stop here. Speakers leave out what goes without saying, but there is much that they always say. Our speakers always mention the place and the verb. Do readers learn the animals' habits?
# For both learners the world's grammar reads the captions, so that "on the grass" and "in the meadow" are one place.

# %% tags=["evidence"]
PLACE_OF = np.array([PLACES.index(USUAL_PLACE[kind]) for kind in KINDS])
VERB_OF = np.array([VERBS.index(USUAL_VERB[kind]) for kind in KINDS])


@lesson.experiment(seeds=6)
def always_said(seed: int) -> dict[str, float]:
    scenes, seen = seen_world(COUNT, seed)
    readings = [parse(caption) for caption in captions(scenes, seed, say_usual=0.02)]
    kinds = np.array([KINDS.index(reading.kind) for reading in readings])
    measures = {}
    for name, options, right in [("place", list(PLACES), PLACE_OF), ("verb", VERBS, VERB_OF)]:
        named = np.array([options.index(getattr(reading, name)) for reading in readings])
        table = np.zeros((len(KINDS), len(options)))
        np.add.at(table, (kinds, named), 1)
        measures[f"counts {name}"] = share_right(table, right)
        seen_table = count_seen(learn_words(seen, named, len(options)), seen, kinds)
        measures[f"looks {name}"] = share_right(seen_table, right)
        measures[f"looks - counts {name}"] = measures[f"looks {name}"] - measures[f"counts {name}"]
    return measures


# %%
habits = lesson.measure(always_said, live=1)
plots.table(
    [
        [f"usual {fact}", str(habits.interval(f"counts {fact}")), str(habits.interval(f"looks {fact}"))]
        for fact in ("place", "verb")
    ],
    ["habit", "counts", "looks"],
    caption="Share of the 12 kinds whose habit is named right: mean and 95% interval over the seeds",
)

# %% tags=["claim"]
for fact, chance in [("place", "0.25"), ("verb", "0.17")]:
    lesson.claim(
        always_said,
        f"counts {fact}",
        name=f"text: usual {fact}",
        statement=f"What speakers always say is learned from text alone: the usual {fact}.",
        prediction=f"above 0.9 (guessing: {chance}), from the same biased captions",
        talk=["T10"],
        scope="world",
        unit="of kinds",
        above=0.9,
        expected="holds",
        tolerance=0.1,
    )
lesson.claim(
    always_said,
    "looks - counts place",
    name="text: places, as well as looking",
    statement="For the usual place, reading is as good as looking (a null: margin ±0.1).",
    prediction="a difference of 0, paired by seed",
    talk=["T10"],
    scope="world",
    unit="of kinds",
    within=(-0.1, 0.1),
    expected="holds",
    tolerance=0.1,
)
lesson.claim(
    always_said,
    "looks - counts verb",
    name="text: verbs, better than looking",
    statement="For the usual verb, reading beats looking at the colors of a still picture (by more than the margin, 0.1).",
    prediction="difference below −0.1, paired by seed: a histogram does not show what happens",
    talk=["T10"],
    scope="world",
    unit="of kinds",
    below=-0.1,
    expected="fails",
    tolerance=0.1,
)

# %% [markdown]
# The rule is not "pictures beat text". A source teaches what it shows, and speakers do show places and verbs.
#
# But look at the last claim: our own prediction fails. (It first read "below 0". When the differences turned out to be exactly 0, we put the margin at −0.1, so that the row says plainly that it fails.) Our animals walk left and right in the same postures, so **one picture cannot show which way they walk**, and a histogram even less. And yet looking names the usual verbs as well as reading does. How can anyone see what is not there?
#
# ### Failure drill: seeing what was never shown
#
# When a score is better than it can be, look for a leak. Our suspicion: colors and backgrounds give away the *kind*, and the captions have taught which verb goes with it. That would be no seeing at all; it would be reading with extra steps.
#
# The test: **change the world and say nothing.** Overnight every kind takes over the usual color of a second kind, the place of a third and the verb of a fourth. The learner keeps the words that it learned before the change, gets new pictures, each with its animal's name and nothing else, and is asked what is usual *now*. Who sees will notice; who only remembers what captions said will not.

# %% tags=["evidence"]
# The new color is that of the kind 5 further on, the new place 2, the new verb 8: no kind keeps anything, and
# what looks like another kind does not do what that kind did.
SHIFT = (5, 2, 8)


@lesson.experiment(seeds=6)
def changed_world(seed: int) -> dict[str, float]:
    scenes, seen = seen_world(COUNT, seed)
    readings = [parse(caption) for caption in captions(scenes, seed, say_usual=0.02)]
    changed = biased_scenes(COUNT, seed + 100_000_000, SHIFT)
    new, kinds = look(changed), np.array([KINDS.index(scene.kind) for scene in changed])
    measures = {}
    facts = [("color", list(COLORS), USUAL), ("place", list(PLACES), PLACE_OF), ("verb", VERBS, VERB_OF)]
    for (name, options, right), step in zip(facts, SHIFT, strict=True):
        named = [getattr(reading, name) for reading in readings]
        named = np.array([options.index(word) if word else -1 for word in named])
        table = count_seen(learn_words(seen, named, len(options)), new, kinds)
        measures[f"now {name}"] = share_right(table, np.roll(right, -step))
    return measures


# %%
change = lesson.measure(changed_world, live=1)
plots.interval_plot(
    [change.row(f"now {fact}", f"usual {fact}, as it is now") for fact in ("color", "place", "verb")],
    "share of kinds named right from new pictures and the animals' names",
    alt="Interval plot. After the silent change of the world, the looking learner names most of the new colors and places, and hardly any new verb.",
)

# %% tags=["claim"]
lesson.claim(
    changed_world,
    "now color",
    name="after a silent change: colors",
    statement="When the world changes and nobody says so, one who looks names most of the new usual colors.",
    prediction="above 0.5: the learner sees them",
    talk=["T1", "T10"],
    scope="world",
    unit="of kinds",
    above=0.5,
    expected="holds",
    tolerance=0.15,
)
lesson.claim(
    changed_world,
    "now verb",
    name="after a silent change: verbs",
    statement="It does not name the new usual verbs: it never saw verbs, it read them.",
    prediction="at most half (above that, it would see them after all)",
    talk=["T10"],
    scope="world",
    unit="of kinds",
    below=0.5,
    expected="holds",
    tolerance=0.15,
)

# %% [markdown]
# The reader cannot take part in this test at all: no new caption, no news. That is what "text is a proxy for observation" costs. And the looking learner passes it where it really looks, and only there. Its score for verbs was no seeing; the likely way in is the side door of "this looks like a frog", and what the captions said of frogs. A test set that shares the training set's habits would never have told us. (What films add for verbs is the subject of the last part.)

# %% [markdown]
# ## 7 · In the field: a model that has read the internet
#
# SmolLM2 has read about two trillion tokens and seen nothing. We ask it for the usual colors, with eight prompts. Seven were written down before the first was tried; the eighth, a chat, took the place of one that made "mouses" of mice, before any claim was stated. For each animal it gives the ten color words a log-probability; each happens to be a single one of its tokens (of a longer word we would take the first).
#
# The weights are fixed, so there are no training seeds to repeat over. Here **the unit of repetition is the prompt**: the interval says how much the result depends on how one asks. It says nothing about other models, and eight prompts by one author are no random sample of all the ways to ask.

# %% tags=["evidence"]
from helpers.models import real

PROMPTS = [
    "The {kind} is",
    "The color of {a} {kind} is",
    "In the picture book, the {kind} is colored",
    "Q: What color is {a} {kind}? A:",
    "{A} {kind} is usually",
    "Look, {a} {kind}! Its color is",
    "When children draw {a} {kind}, they color it",
    "CHAT",
]
lm = real.language_model()


def ask_for(kind: str, prompt: str) -> str:
    """The prompt about one kind of animal; the last prompt is a chat with the beginning of a reply."""
    a = "an" if kind[0] in "aeiou" else "a"
    if prompt != "CHAT":
        return prompt.format(kind=kind, a=a, A=a.capitalize())
    chat = [{"role": "user", "content": f"What is the typical color of {a} {kind}?"}]
    opened = lm.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    return f"{opened}The typical color of {a} {kind} is"


@torch.no_grad()
def real_colors(prompt: str, kind: str) -> np.ndarray:
    """Log-probability of each color word as the next token: (10,)."""
    ids = torch.tensor([lm.tokenizer(ask_for(kind, prompt)).input_ids], device=lm.model.device)
    first = [lm.tokenizer(f" {color}").input_ids[0] for color in COLORS]
    return lm.model(ids).logits[0, -1].float().log_softmax(-1)[first].double().cpu().numpy()


# %% [markdown]
# A second score takes up the idea of PPMI: some colors are probable after a prompt *whatever* the animal. So we subtract the log-probability that the color has when the prompt speaks of "an animal". What remains is what this kind adds.

# %% tags=["evidence"]


@lesson.experiment(seeds=8)
def real_typical(seed: int) -> dict[str, float]:
    prompt = PROMPTS[seed % len(PROMPTS)]  # a "seed" is a prompt here
    raw = np.stack([real_colors(prompt, kind) for kind in KINDS])
    pmi = raw - real_colors(prompt, "animal")
    answered = np.bincount(raw.argmax(1), minlength=len(COLORS))
    return {
        "right": share_right(raw),
        "right with PMI": share_right(pmi),
        "PMI - raw": share_right(pmi) - share_right(raw),
        "favorite": answered.max() / len(KINDS),
    }


# %%
if lm:
    field = lesson.measure(real_typical, live=1)
    for prompt in PROMPTS[:2]:
        raw = np.stack([real_colors(prompt, kind) for kind in KINDS])
        named = [COLORS[i] for i in raw.argmax(1)]
        print(
            prompt.format(kind="…", a="a"),
            "→",
            ", ".join(f"{k} {c}" for k, c in zip(KINDS, named, strict=True)),
        )

# %%
real_results = lesson.results_of(real_typical)
if real_results.records:
    plots.table(
        [
            [PROMPTS[seed % len(PROMPTS)].replace("CHAT", "(chat) What is the typical color of {a} {kind}?")]
            + [round(12 * record[measure]) for measure in ("right", "right with PMI", "favorite")]
            for seed, record in sorted(real_results.records.items())
        ],
        ["prompt", "right of 12", "right of 12, with PMI", "animals given the commonest color"],
        caption="SmolLM2-135M, asked for the usual color of twelve animals",
    )

# %% tags=["claim"]
lesson.claim(
    real_typical,
    "right",
    name="real: usual colors from text",
    statement="SmolLM2-135M names the usual color of fewer than half of the twelve animals (interval over eight prompts).",
    prediction="below 0.5 (guessing: 0.10; the best single answer: 0.17)",
    talk=["T1", "T10"],
    scope="real",
    unit="of kinds",
    below=0.5,
    expected="holds",
    tolerance=0.1,
)
lesson.claim(
    real_typical,
    "favorite",
    name="real: one answer for all",
    statement="Under a typical prompt, SmolLM2-135M gives one and the same color to more than half of the animals.",
    prediction="above 0.5: the prompt, more than the animal, decides",
    talk=["T10"],
    scope="real",
    unit="of kinds",
    above=0.5,
    expected="holds",
    tolerance=0.1,
)
lesson.claim(
    real_typical,
    "PMI - raw",
    name="real: PMI helps",
    statement="Subtracting what the prompt says of any animal names more usual colors.",
    prediction="difference above 0, paired by prompt",
    scope="real",
    unit="of kinds",
    above=0.0,
    expected="inconclusive",
    tolerance=0.1,
)

# %% [markdown]
# Be careful with the conclusion. The answers are poor, and within a prompt most animals are given one and the same color. That fits reporting bias, but it is **not clean evidence** of it: a model so small may not have learned what its text does say, and our yardstick, the picture book, is only one convention. In the small world we could set the speakers' habit and watch; here we cannot.

# %% [markdown]
# ---
# ## Dig deeper
#
# Two independent sections; neither is needed to go on.
#
# ### 8 · A reader who knows the bias
#
# "Nobody mentions the usual" is itself knowledge. A reader who knows *how* speakers talk can reason backwards: if white were usual and black the other color, how often would each word have been said? It computes, for every pair of candidates, the log-likelihood of its counts, and takes the best. It still sees nothing.

# %% tags=["evidence"]


def log_likelihoods(counts: np.ndarray, say_usual: float) -> np.ndarray:
    """How well "this color is usual" explains what was said, with the best other color: (12, 10)."""
    rare = (1 - P_USUAL - P_OTHER) / 8 * SAY_OTHER
    if_usual = counts * np.log(P_USUAL * say_usual / rare)  # (12, 10): relative to "it is a rare color"
    if_other = counts * np.log(P_OTHER * SAY_OTHER / rare)
    pairs = if_usual[:, :, None] + if_other[:, None, :]
    pairs[:, np.arange(len(COLORS)), np.arange(len(COLORS))] = -np.inf  # one color cannot be both
    return pairs.max(2)


@lesson.experiment(seeds=6)
def knows_the_bias(seed: int) -> dict[str, float]:
    scenes = biased_scenes(COUNT, seed)
    measures = {}
    for m in (0.02, 0.08):
        counts = count_words(captions(scenes, seed, say_usual=m))[:, COLOR_COLUMNS]
        measures[f"counts {m}"] = share_right(counts)
        measures[f"knows {m}"] = share_right(log_likelihoods(counts, m))
        measures[f"gain {m}"] = measures[f"knows {m}"] - measures[f"counts {m}"]
    return measures


# %%
knows = lesson.measure(knows_the_bias, live=1)
plots.interval_plot(
    [
        knows.row(f"{reader} {m}", f"m = {m}: {label}")
        for m in (0.02, 0.08)
        for reader, label in [("counts", "counts"), ("knows", "knows the bias")]
    ],
    "share of kinds named right",
    alt="Interval plot. At m = 0.08 a reader who knows the bias is right about nearly all kinds, the counter about hardly any. At m = 0.02 knowing helps less.",
    threshold=0.1,
)

# %% tags=["claim"]
lesson.claim(
    knows_the_bias,
    "gain 0.08",
    name="knowing the bias",
    statement="A reader who knows how speakers talk (m = 0.08) names more usual colors from the same text than a counter does.",
    prediction="difference above 0, paired by seed",
    talk=["T10"],
    scope="world",
    unit="of kinds",
    above=0.0,
    expected="holds",
    tolerance=0.1,
)

# %% [markdown]
# So the information is often there, under the words. But this reader was *given* the speakers' habits and how often a usual color occurs, exact to the digit, and where does one get those without ever having looked? And there is one blind spot: where the usual color is said exactly as seldom as each of the rare ones, text does not tell them apart. On either side of it one can work backwards; close to it, hardly.

# %%
lesson.say(
    "In this world that point is m = {m:.3f}.",
    m=(1 - P_USUAL - P_OTHER) / 8 * SAY_OTHER / P_USUAL,
)

# %% [markdown]
# ### 9 · Your own text
#
# How do the speakers of *your* text talk? Any plain text will do: a children's book, a forum, your own diary. The cell writes a tiny sample so that something is there; put the path of your own file in its place.

# %%
import tempfile
from pathlib import Path

from helpers.grounding.corpus import named_colors, read_corpus

folder = Path(tempfile.mkdtemp())
sample = folder / "sample.txt"
sample.write_text(
    "The black sheep of the family came late. Two cats slept; a grey cat woke. A pink elephant danced by!\n"
    "Our dog is brown. She counted sheep until a black sheep looked back.",
    encoding="utf-8",
)

MY_TEXT = sample  # your own: Path("~/texts/my_book.txt")
text = read_corpus(MY_TEXT)
named = named_colors(text.sentences)
plots.table(
    [
        [
            kind,
            int(mentions),
            ", ".join(f"{COLORS[i]} {row[i]}" for i in np.argsort(-row, kind="stable") if row[i]) or "—",
        ]
        for kind, mentions, row in zip(KINDS, named.mentioned, named.counts, strict=True)
        if mentions
    ],
    ["animal", "sentences that mention it", "colors named next to it"],
)
lesson.say(
    "{count:,} sentences were read as {encoding}. A color stands next to {share:.0%} of our twelve animals; never mentioned: {never}.",
    count=len(text.sentences),
    encoding=text.encoding,
    share=named.coverage,
    never=", ".join(named.never_mentioned) or "none",
)

# %% [markdown]
# Before you conclude anything from a text of your own, look at the middle column: a color that was named twice is an anecdote. An animal that never occurs is reported, and not an error: coverage is part of the result.

# %% [markdown]
# ## Quiz

# %%
lesson.quiz("recap")

# %% [markdown]
# ## Recap
#
# - A reader learns what is said. Where speakers leave out the usual, counting true sentences gives reliably false beliefs, and more sentences make them firmer.
# - The crossover is arithmetic: share of the other color times its chance of mention, divided by the share of the usual.
# - Looking repairs it with the same captions; shuffled pictures and inverted speakers show why.
# - Text is right about what is always said. Looking tells what is so now, but only about what a picture shows.
#
# **Limits of this demo.** Speakers' habits were set by us, and one number describes all of them; real speakers mention a color for many reasons. The talk's claim is that perception gives *deeper meaning*; we tested one narrow consequence, usual colors. A histogram is enough only because our animals are of one color each. The real model is small, its weights were quantized to about four bits and expanded again, and its interval is over prompts.
#
# **References.** Gordon and Van Durme, *Reporting bias and knowledge acquisition*, 2013. Kiela and Bottou, *Learning image embeddings using convolutional neural networks for improved multi-modal semantics*, 2014 (words from text and pictures together; lesson 03). Church and Hanks, *Word association norms, mutual information, and lexicography*, 1990 (PMI). Paik et al., *The world of an octopus: how reporting bias influences a language model's perception of color*, 2021.

# %% tags=["volatile"]
lesson.recap(reader=f"{12 * curves.interval('counts 0.02').mean:.1f} of 12 animals (mean over the seeds)")
