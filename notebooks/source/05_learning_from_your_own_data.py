# %% [markdown]
# # 05 · Learning from your own data
#
# What becomes of a model that reads what models before it have written?
#
# After this lesson you can
#
# - tell apart six ways of learning from one's own data, and compute beforehand how fast the worst of them loses;
# - say what keeping all data does, and what it does not do;
# - say what a verifier saves and what it costs, and repair the cost; count *true* facts, and nothing else;
# - compute how many bad labels are worth a good one, and tell when no number of them is enough.
#
# Three sentences of the talk are put to the test. The cards call them **T3** (low-quality data can be learned from, it just takes more), **T4** (the paper on model collapse rests on an unrealistic scenario) and **T5** (done right, synthetic data are very powerful).

# %% tags=["volatile", "evidence"]
import helpers

lesson = helpers.begin("05")

# %% [markdown]
# ## A guess before you measure
#
# A text of 5,000 sentences speaks of about 750 kinds of animal. A model reads it and writes a new text of 5,000 sentences. A second model reads *only that one*, and writes the next. And so on, for nineteen texts.

# %%
lesson.predict(
    "left",
    "Of how many kinds of animal does text 19 speak?",
    minimum=0,
    maximum=750,
    unit="kinds",
)

# %% [markdown]
# ## 1 · A thousand animals, and a model that counts
#
# There are 1,000 kinds of animal. The commonest is spoken of most, the second half as often, the third a third as often, and so on (Zipf's law, roughly how words occur in real text). Each kind has three true colors: its usual one (70%), another (20%) and a rare one (10%). A sentence names a kind and a color, as in "the kind-17 is brown", so a **text** is simply a table of how often each sentence occurs in it.

# %% tags=["evidence"]
import math
from collections.abc import Callable

import numpy as np

KINDS, COLORS, SENTENCES, LAST = 1000, 10, 5000, 19
SHARES = 1 / np.arange(1, KINDS + 1)
SHARES /= SHARES.sum()


def animals(seed: int) -> np.ndarray:
    """The probability of each sentence in real text: (kinds, colors). What has probability 0 is false."""
    order = np.random.default_rng([seed, 0]).random((KINDS, COLORS)).argsort(1)
    return SHARES[:, None] * np.array([0.7, 0.2, 0.1, 0, 0, 0, 0, 0, 0, 0])[order]


def write(model: np.ndarray, rng: np.random.Generator, count: int = SENTENCES) -> np.ndarray:
    """A text of `count` sentences: how often each occurs, (kinds, colors)."""
    return rng.multinomial(count, (model / model.sum()).ravel()).reshape(model.shape)


# %% [markdown]
# The **model** is the simplest that there is. It speaks of a kind as often as the text did. For the color it also counts, but it adds one guess spread over all ten colors. So of a common animal it knows what it says; of an animal that it has read about once, half of what it says is guessed. That is where its false sentences come from, and it will matter in section 3.

# %% tags=["evidence"]
GUESS = 1.0


def learn(text: np.ndarray) -> np.ndarray:
    """The probability of each sentence for a model that has counted a text: (kinds, colors)."""
    seen = text.sum(1, keepdims=True)
    return seen / seen.sum() * (text + GUESS / COLORS) / (seen + GUESS)


def kinds_in(text: np.ndarray) -> int:
    return int((text.sum(1) > 0).sum())


# %%
SEED = helpers.settings.seeds(1)[0]
world = animals(SEED)
rng = np.random.default_rng([SEED, 9])
text = write(world, rng)
counted = [kinds_in(text)]
for _ in range(LAST):
    text = write(learn(text), rng)
    counted.append(kinds_in(text))
lesson.say("Kinds in texts 0 (real) to {last}: {counted}.", last=LAST, counted=", ".join(map(str, counted)))

# %% [markdown]
# Nobody forgets on purpose. A kind that text 3 happens not to mention is unknown to the model that reads it, and to all models after. Luck can remove a kind; nothing ever brings one back.
#
# How fast does it go? Victorian England asked the same about surnames (Galton and Watson). Think of each sentence as a bearer of its kind's name. In the next text it has as many heirs as the model happens to repeat it: on average one, with nearly a Poisson distribution. Let $q_t$ be the chance that one bearer's line still lives $t$ texts later. Then $q_0 = 1$, and
#
# $$q_{t+1} = 1 - e^{-q_t},$$
#
# since the number of heirs whose own line lasts is again Poisson, with mean $q_t$, and $e^{-q_t}$ is the chance of none. A kind with share $p$ starts with about $Np$ bearers in a text of $N$ sentences, so by the same reasoning text $t$ mentions it with chance $1 - e^{-N p\, q_t}$.
#
# > **Exercise 1 · `surviving_kinds`** · ★★☆ · 8 minutes
# >
# > From the shares of all kinds, the number of sentences per text and the number of the last text, return how many kinds are expected in each text, from text 0 to the last: a list of numbers.
# >
# > <details><summary>Hint 1</summary>Start with <code>q = 1.0</code>, and loop over the texts.</details>
# > <details><summary>Hint 2</summary>An expected number of kinds is the sum, over all kinds, of the chance that the text mentions them (the last formula above). Mind the order within the loop: first the number for this text, only then the next <code>q</code>.</details>


# %% tags=["evidence"]
def surviving_kinds(shares: np.ndarray, sentences: int, last: int) -> list[float]:
    """Expected kinds in texts 0 to `last`, each written by a model that has read only the text before."""
    # BEGIN SOLUTION
    q, kinds = 1.0, []
    for _ in range(last + 1):
        kinds.append(float((1 - np.exp(-sentences * shares * q)).sum()))
        q = 1 - math.exp(-q)
    return kinds
    # END SOLUTION


# %% tags=["evidence"]
surviving_kinds = lesson.check(surviving_kinds)

# %%
lesson.say(
    "The closed form for the same texts: {expected}. (It was computed without any text.)",
    expected=", ".join(f"{kinds:.0f}" for kinds in surviving_kinds(SHARES, SENTENCES, LAST)),
)

# %% [markdown]
# ## 2 · Six ways to feed the next model
#
# The talk says that the paper on "model collapse" rests on an unrealistic scenario. The scenario above is **replace**: each text takes the place of the one before. In practice old data do not vanish. So what does the next model read?
#
# - **replace**: the last text only;
# - **accumulate**: all texts so far, the real one among them;
# - **fixed budget**: 5,000 sentences drawn from all texts so far (training costs money);
# - **a tenth of the first text**: nine tenths from the last text, one tenth drawn again from text 0. The paper itself tried something like it: in its experiment with a language model, keeping 10% of the original data made the loss minor;
# - **a tenth fresh**: one tenth is *new* real text each time;
# - **as much real text**, the control: as many sentences as *accumulate* reads, all real.

# %% tags=["evidence"]
Read = Callable[[list[np.ndarray], np.ndarray, np.random.Generator], np.ndarray]


def some_of(text: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` sentences of a text, drawn without putting back (all of them if there are fewer)."""
    count = min(count, int(text.sum()))
    return rng.multivariate_hypergeometric(text.ravel(), count, method="marginals").reshape(text.shape)


def part_real(text: np.ndarray, share: float, world: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The text with a share of its sentences replaced by fresh real ones."""
    real = round(share * text.sum())
    return some_of(text, text.sum() - real, rng) + write(world, rng, real)


TENTH = SENTENCES // 10
WAYS: dict[str, Read] = {
    "replace": lambda texts, world, rng: texts[-1],
    "accumulate": lambda texts, world, rng: sum(texts),
    "fixed budget": lambda texts, world, rng: some_of(sum(texts), SENTENCES, rng),
    "a tenth of the first text": lambda texts, world, rng: (
        some_of(texts[-1], SENTENCES - TENTH, rng) + some_of(texts[0], TENTH, rng)
    ),
    "a tenth fresh": lambda texts, world, rng: part_real(texts[-1], 0.1, world, rng),
    "as much real text": lambda texts, world, rng: write(world, rng, SENTENCES * len(texts)),
}

# %% [markdown]
# All run through the same loop: read, learn, write. Text 0 is real. We count the kinds in each text, and measure how far the model's shares of kinds are from the real ones: half of the sum of all differences (the *total variation distance*), which is the part of its speech that it spends on the wrong animals.

# %% tags=["evidence"]


def wrong_share(model: np.ndarray) -> float:
    return float(np.abs(model.sum(1) - SHARES).sum() / 2)


@lesson.experiment(seeds=20)
def texts_of_texts(seed: int) -> dict[str, float]:
    world, measures = animals(seed), {}
    for way, read in WAYS.items():
        rng = np.random.default_rng([seed, 1])
        texts, wrong = [write(world, rng)], [0.0]
        for _ in range(LAST):
            model = learn(read(texts, world, rng))
            texts.append(write(model, rng))
            wrong.append(wrong_share(model))
        measures |= {f"{way}: kinds {t}": kinds_in(text) for t, text in enumerate(texts)}
        measures |= {f"{way}: wrong {t}": wrong[t] for t in (1, 10, LAST)}
        measures[f"{way}: left"] = kinds_in(texts[-1]) / kinds_in(texts[0])
    expected = surviving_kinds(SHARES, SENTENCES, LAST)[-1]
    measures["replace: measured to expected"] = measures["replace: kinds 19"] / expected
    first, tenth, last = (measures[f"accumulate: wrong {t}"] for t in (1, 10, LAST))
    measures |= {"accumulate: late growth": last - tenth, "accumulate: last to first": last / first}
    for measure in ("kinds 19", "wrong 19"):
        for way, other in [
            ("accumulate", "replace"),
            ("as much real text", "accumulate"),
            ("fixed budget", "accumulate"),
            ("a tenth of the first text", "replace"),
        ]:
            difference = measures[f"{way}: {measure}"] - measures[f"{other}: {measure}"]
            measures[f"{way} - {other}: {measure}"] = difference
    return measures


# %%
from helpers.lesson import plots

LOOKS = plots.looks([*WAYS, "verified", "verified, re-balanced", "only the plausible"])  # in all figures

fed = lesson.measure(texts_of_texts, live=1)
numbers = np.arange(LAST + 1)
figure, axes = plots.new_figure(800, 420)
for way in WAYS:
    spans = [fed.interval(f"{way}: kinds {t}") for t in numbers]
    (line,) = axes.plot(numbers, [span.mean for span in spans], label=way, markevery=3, **LOOKS[way])
    low, high = [span.low for span in spans], [span.high for span in spans]
    if np.isfinite(low).all():
        axes.fill_between(numbers, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
axes.plot(
    numbers,
    surviving_kinds(SHARES, SENTENCES, LAST),
    color=plots.INK,
    linestyle=(0, (1, 1.5)),
    linewidth=2.4,
    marker="",
    label="replace, closed form",
)
axes.set_xticks(range(0, LAST + 1, 3))
axes.set_ylim(bottom=0)
axes.set_xlabel("text (0 is real; text t is written by the t-th model)")
axes.set_ylabel("kinds of animal in a text of 5,000 sentences")
axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), labelcolor=plots.INK)
plots.show(
    figure,
    alt="Kinds of animal over the number of the text, one line per way of feeding the next model. Replace falls steeply, on its closed form; a tenth of real text slows the fall; fixed budget and accumulate level off; as much real text rises.",
)

# %%
plots.table(
    [
        [
            way,
            str(fed.interval(f"{way}: kinds 1")),
            str(fed.interval(f"{way}: kinds {LAST}")),
            str(fed.interval(f"{way}: wrong 1")),
            str(fed.interval(f"{way}: wrong {LAST}")),
        ]
        for way in WAYS
    ],
    [
        "the next model reads",
        "kinds, text 1",
        f"kinds, text {LAST}",
        "wrong share, model 1",
        f"wrong share, model {LAST}",
    ],
    caption="Means and 95% intervals over the seeds. Model 1 has read 5,000 real sentences and nothing else (with a tenth of the first text, some of them twice).",
)

# %% [markdown]
# Read the figure from the bottom.
#
# **Replace** falls on its closed form, and there is no floor: the family names die out one after another, the rarest first, until one is left. **A tenth of real text** holds it up. Fresh text keeps more kinds than drawing on text 0 again, which can only return what text 0 had. The fall slows to a halt, at a level that is clearly more wrong than the first model: whether that is "minor" depends on what you count.
#
# **Accumulate** drops once, from the real text to the first model's (any text of a model that has read 5,000 sentences lacks some kinds), and then little: each new text is a smaller part of what the next model reads. This is the talk's point, and it holds. **Fixed budget** pays for its cheapness: real sentences get rarer in what it reads, and kinds are lost a second time when it is drawn.
#
# Now look at the last column. The model of *accumulate* has read nineteen times as much as the first one, and is **further** from the truth than the first one was. Theory says by about how much. The $t$-th text is one $t$-th of all that is read, and brings luck of its own; so the variance of what is believed grows as $1 + \frac14 + \frac19 + \dots$, which never exceeds $\pi^2/6$, and the distance by a factor of at most about $\pi/\sqrt 6$. (Measured, it is a little less: the error about a kind that is lost cannot grow any more.) So it is theory that says that accumulating never diverges; nineteen texts only show that the error hardly grows after the tenth. And it does not improve: **not diverging is not learning.** The control has read as much real text, and has nearly closed the gap. What new text is worth depends on what new information is in it, and a model's own text has none.

# %%
lesson.say(
    "Accumulate, wrong share of the last model as a multiple of the first one's: {grown}. By theory, with {last} texts: about {theory:.2f}; with ever more of them: about {limit:.2f}.",
    grown=str(fed.interval("accumulate: last to first")),
    last=LAST,
    theory=math.sqrt(sum(1 / t**2 for t in range(1, LAST + 1))),
    limit=math.pi / math.sqrt(6),
)

# %% tags=["claim"]
for measure_name, name, statement, prediction, region, verdict in [
    (
        "replace: left",
        "replace collapses",
        "If each text replaces the last, text 19 speaks of fewer than half as many kinds as text 0.",
        "below one half (the closed form says about a quarter)",
        {"below": 0.5},
        "holds",
    ),
    (
        "replace: measured to expected",
        "the collapse is predicted",
        "The number of kinds left is the one of the closed form (a null: margin ±5%).",
        "measured to expected: 1",
        {"within": (0.95, 1.05)},
        "holds",
    ),
    (
        "accumulate - replace: kinds 19",
        "accumulating keeps kinds",
        "If texts accumulate, text 19 speaks of more kinds than if each replaces the last.",
        "a difference above 0, paired by seed",
        {"above": 0.0},
        "holds",
    ),
    (
        "accumulate: late growth",
        "accumulating hardly gets worse after the tenth text",
        "From model 10 to model 19 the wrong share under accumulate does not grow by as much as 0.01 (a null).",
        "a growth of 0.002 by theory; margin ±0.01",
        {"within": (-0.01, 0.01)},
        "holds",
    ),
    (
        "accumulate: last to first",
        "accumulating adds no information",
        "After nineteen texts, the model that has read all of them is further from the truth than the first one.",
        "a ratio above 1 (theory: 1.26)",
        {"above": 1.0},
        "holds",
    ),
    (
        "as much real text - accumulate: wrong 19",
        "control: as much real text",
        "A model that has read as much real text is closer to the truth than one that has read its own.",
        "a difference below 0, paired by seed",
        {"below": 0.0},
        "holds",
    ),
    (
        "fixed budget - accumulate: kinds 19",
        "a fixed budget hurts",
        "With a fixed budget out of all texts, text 19 speaks of fewer kinds than with all of them.",
        "a difference below 0, paired by seed",
        {"below": 0.0},
        "holds",
    ),
    (
        "a tenth of the first text - replace: wrong 19",
        "a tenth of the first text helps",
        "Drawing a tenth from the first text again leaves less wrong share than replacing all of it.",
        "a difference below 0, paired by seed",
        {"below": 0.0},
        "holds",
    ),
    (
        "a tenth of the first text: left",
        "a tenth of the first text, kinds",
        "With a tenth from the first text, text 19 still speaks of more than half as many kinds as text 0 (a bar that we chose; nothing special happens there).",
        "above one half: the paper saw minor loss with 10% kept",
        {"above": 0.5},
        "holds",
    ),
]:
    lesson.claim(
        texts_of_texts,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T4"],
        scope="world",
        unit="kinds" if "kinds 19" in measure_name else "wrong share" if "wrong 19" in measure_name else "",
        expected=verdict,
        tolerance=1.0 if "kinds 19" in measure_name else 0.02,
        **region,
    )

# %% [markdown]
# ### What if?
#
# How long must a text be, and how much fresh real text does it take, before the fall stops? Each position runs twenty texts anew. The dotted line is the closed form for *replace* with texts of that length.


# %%
def kinds_per_text(way: str, sentences: int, real: float) -> list[int]:
    """Kinds in each text when texts have so many sentences, and so much of all that is read is fresh and real."""
    rng = np.random.default_rng([SEED, 2])
    texts = [write(world, rng, sentences)]
    for _ in range(LAST):
        read = some_of(sum(texts), sentences, rng) if way == "fixed budget" else WAYS[way](texts, world, rng)
        texts.append(write(learn(part_real(read, real, world, rng)), rng, sentences))
    return [kinds_in(text) for text in texts]


def closed_form(sentences: int) -> list[float]:
    return surviving_kinds(SHARES, sentences, LAST)


lesson.widget("generations", kinds_per_text=kinds_per_text, closed_form=closed_form)

# %% [markdown]
# ## 3 · Filters
#
# So far nobody looked at what was written. In practice one filters, and there are two sorts of filter that are easily confused: one asks **is it plausible?**, the other **is it true?**
#
# ### A failure drill: the dashboard that says all is well
#
# Your team replaces the data at each round, samples "carefully" (temperature 0.8, as in lesson 01: probable sentences become more probable), and watches one number, the share of true sentences. It rises round by round.

# %%


def careful(model: np.ndarray) -> np.ndarray:
    """The model at temperature 0.8."""
    return model ** (1 / 0.8)


rng = np.random.default_rng([SEED, 3])
text, rows = write(world, rng), []
for t in range(1, 7):
    model = learn(text)
    text = write(careful(model), rng)
    rows.append([f"text {t}", f"{(text * (world > 0)).sum() / SENTENCES:.1%}", kinds_in(text)])
plots.table(rows, ["", "the dashboard: true sentences", "what it does not show: kinds"])

# %% [markdown]
# The same happens wherever samples are preferred *because they are likely*: when they are picked by the model's own probability, when rare words are dropped, or when a judge likes the usual. **Repair**: never watch truth alone. Count what is true *and different*.
#
# > **Exercise 2 · `true_kinds`** · ★☆☆ · 4 minutes
# >
# > From a text and a table of what is true (both (kinds, colors); the text holds counts, the table bools), return of how many kinds the text says at least one true sentence.
# >
# > <details><summary>Hint 1</summary><code>text * true</code> keeps the counts of true sentences only.</details>
# > <details><summary>Hint 2</summary>A kind counts once, however often it is spoken of. Ask of each row whether it has <em>any</em> such count.</details>


# %% tags=["evidence"]
def true_kinds(text: np.ndarray, true: np.ndarray) -> int:
    """Of how many kinds a text says something true."""
    # BEGIN SOLUTION
    return int((text * true).any(1).sum())
    # END SOLUTION


# %% tags=["evidence"]
true_kinds = lesson.check(true_kinds)

# %% [markdown]
# ### A verifier
#
# A verifier looks at each sentence and knows whether it is true. It brings information from outside; the models never had that. We let each model write 20,000 sentences, drop the false ones, and the next model reads 5,000 of those that remain (as in *replace*, no real text is kept). So a filter pays for four times as much writing as *no filter*, whose models write 5,000.

# %%
lesson.predict(
    "verifier",
    "After nineteen texts: of how many kinds does the verifier's model say something true?",
    choices=["more than without a filter", "about as many as without", "fewer than without a filter"],
)

# %% [markdown]
# Think of who passes. The model has counted common animals often and rarely says anything false about them. Of an animal that it has read about once, half is guessed. So common animals pass more often, each round again.
#
# The remedy is cheap: **re-balance** what was accepted, so that each kind has the share that it had in *all that was written*, before the verifier came.
#
# > **Exercise 3 · `rebalance`** · ★★☆ · 8 minutes
# >
# > From the counts of all sentences written and of those accepted (both (kinds, colors)), return weights (kinds, colors) that add up to 1. Within a kind they are proportional to the accepted counts; between kinds, to how often the kind was *written*. A kind of which nothing was accepted gets 0, and the others share its part in proportion.
# >
# > <details><summary>Hint 1</summary>First the shares within each kind: <code>accepted / accepted.sum(1, keepdims=True)</code>. Where nothing was accepted, that divides by 0: divide by <code>np.maximum(…, 1)</code>.</details>
# > <details><summary>Hint 2</summary>Then give each kind its part: how often it was written, in a shape that multiplies each row. What do all weights have to add up to?</details>


# %% tags=["evidence"]
def rebalance(written: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    """Weights for what was accepted, with the shares of kinds that all of what was written has."""
    # BEGIN SOLUTION
    within = accepted / np.maximum(accepted.sum(1, keepdims=True), 1)
    weights = within * written.sum(1, keepdims=True)
    return weights / weights.sum()
    # END SOLUTION


# %% tags=["evidence"]
rebalance = lesson.check(rebalance)

# %% tags=["evidence"]
OFFERED = 4 * SENTENCES
Filter = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
FILTERS: dict[str, Filter] = {  # from a model and a table of what is true to 5,000 sentences to be read
    "no filter": lambda model, true, rng: write(model, rng),
    "verified": lambda model, true, rng: some_of(write(model, rng, OFFERED) * true, SENTENCES, rng),
    "verified, re-balanced": lambda model, true, rng: write(
        rebalance(many := write(model, rng, OFFERED), many * true), rng
    ),
}
RARE = slice(100, None)  # all kinds but the hundred commonest


@lesson.experiment(seeds=20)
def filtered(seed: int) -> dict[str, float]:
    world, measures = animals(seed), {}
    for name, passed in FILTERS.items():
        for kept in ("", " + accumulate"):
            rng = np.random.default_rng([seed, 4])
            texts, said = [write(world, rng)], []
            for _ in range(LAST):
                model = learn(sum(texts) if kept else texts[-1])
                texts.append(passed(model, world > 0, rng))
                said.append(write(model, rng))  # what the model says when nobody filters
            for t, text in enumerate(said, start=1):
                if not kept or t == LAST:
                    measures[f"{name}{kept}: true kinds {t}"] = true_kinds(text, world > 0)
                    measures[f"{name}{kept}: rare {t}"] = text[RARE].sum() / SENTENCES
            measures[f"{name}{kept}: true"] = (said[-1] * (world > 0)).sum() / SENTENCES
            measures[f"{name}{kept}: kinds"] = kinds_in(said[-1])
            measures[f"{name}{kept}: facts"] = ((said[-1] > 0) & (world > 0)).sum()
    kinds = {name: measures[f"{name}: true kinds {LAST}"] for name in FILTERS}
    measures["balanced to verified: true kinds"] = kinds["verified, re-balanced"] / kinds["verified"]
    for name in ("verified", "verified, re-balanced"):
        for measure in ("true", f"true kinds {LAST}", f"rare {LAST}"):
            difference = measures[f"{name}: {measure}"] - measures[f"no filter: {measure}"]
            measures[f"{name} - no filter: {measure}"] = difference
    return measures


# %%
sifted = lesson.measure(filtered, live=1)
figure, panels = plots.new_panels(1, 2, 820, 380)
for axes, measure, label in [
    (panels[0], "true kinds", "kinds with a true sentence, of 5,000 said"),
    (panels[1], "rare", "share of what is said that is about rare kinds"),
]:
    for name in FILTERS:
        spans = [sifted.interval(f"{name}: {measure} {t}") for t in numbers[1:]]
        look = LOOKS["replace" if name == "no filter" else name]
        (line,) = axes.plot(numbers[1:], [span.mean for span in spans], label=name, markevery=3, **look)
        low, high = [span.low for span in spans], [span.high for span in spans]
        if np.isfinite(low).all():
            axes.fill_between(numbers[1:], low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set_ylim(bottom=0)
    axes.set_xticks(range(1, LAST + 1, 3))
    axes.set_xlabel("model")
    axes.set_ylabel(label)
panels[1].axhline(SHARES[RARE].sum(), color=plots.FAINT, linewidth=1.2)
panels[1].text(1, 0.02, "horizontal line: real text", fontsize=10, color=plots.FAINT)
panels[1].set_ylim(0, 0.42)
panels[0].legend(frameon=False, labelcolor=plots.INK)
plots.show(
    figure,
    alt="Two panels over nineteen models that each read only the last text. Left, kinds with a true sentence: all three fall, verified lowest, re-balanced least. Right, the share about rare kinds: verified sinks far below the share of real text, the other two stay near it.",
)

# %%
plots.table(
    [
        [
            name + kept,
            f"{sifted.interval(f'{name}{kept}: true').mean:.2f}",
            f"{sifted.interval(f'{name}{kept}: kinds').mean:.0f}",
            f"{sifted.interval(f'{name}{kept}: true kinds {LAST}').mean:.0f}",
            f"{sifted.interval(f'{name}{kept}: facts').mean:.0f}",
            f"{sifted.interval(f'{name}{kept}: rare {LAST}').mean:.2f}",
        ]
        for kept in ("", " + accumulate")
        for name in FILTERS
    ],
    ["read by the next model", "true", "kinds in any sentence", "kinds in true ones", "true facts", "rare"],
    caption=f"What model {LAST} says in 5,000 unfiltered sentences: means over the seeds",
)

# %% [markdown]
# **The verifier does what it promises.** Practically all that its last model says is true, while without a filter about a third of it is false by then. And yet it speaks of the fewest kinds of all, and much less of rare ones: no verdict was wrong, but of a rare kind few sentences are written and fewer of them are true, so it is soon not among those that pass.
#
# Without any filter the *share* of speech about rare kinds stays where it is, on average, while their *number* shrinks. A share says nothing about how many are left. Nor does the table's third column: counted in *any* sentence, a model that talks nonsense about many animals looks rich.

# %%
lesson.say(
    "Re-balanced, kinds with a true sentence after nineteen texts: {times} times as many as with the verifier alone, and {more} more than without a filter.",
    times=str(sifted.interval("balanced to verified: true kinds")),
    more=str(sifted.interval(f"verified, re-balanced - no filter: true kinds {LAST}")),
)

# %% [markdown]
# **Re-balanced**, the same verdicts undo what the verifier alone did to the kinds, and do a little better than no filter; the share of rare kinds does not fall. But the fall goes on: it is no remedy for *replace*. With texts that accumulate, all three stand far better, and the filters then mostly differ in truth. So the talk's "done right" has content: *keep the real data, verify, and mind what the verifier does to the shares*.

# %% tags=["claim"]
for measure_name, name, statement, prediction, region, unit, verdict in [
    (
        "verified - no filter: true",
        "a verifier keeps sentences true",
        "After nineteen texts, a larger share of what the model says is true with a verifier than without.",
        "a difference above 0, paired by seed",
        {"above": 0.0},
        "of sentences",
        "holds",
    ),
    (
        f"verified - no filter: rare {LAST}",
        "a verifier moves mass to the head",
        "With a verifier alone, a smaller share of what is said is about rare kinds.",
        "a difference below 0, paired by seed: common facts pass more often",
        {"below": 0.0},
        "of sentences",
        "holds",
    ),
    (
        f"verified - no filter: true kinds {LAST}",
        "a verifier alone does not save kinds",
        "A verifier alone leaves no more kinds with a true sentence than no filter does.",
        "a difference below 0, paired by seed (in an earlier trial with a language model: none)",
        {"below": 0.0},
        "kinds",
        "holds",
    ),
    (
        "balanced to verified: true kinds",
        "re-balancing keeps kinds",
        "Re-balancing leaves more than one and a half times as many true kinds as the verifier alone.",
        "about 2 times as many, so above 1.5",
        {"above": 1.5},
        "times",
        "holds",
    ),
    (
        f"verified, re-balanced - no filter: true kinds {LAST}",
        "re-balancing beats no filter",
        "Verified and re-balanced, more kinds with a true sentence are left than without a filter.",
        "a difference above 0, paired by seed",
        {"above": 0.0},
        "kinds",
        "holds",
    ),
]:
    lesson.claim(
        filtered,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T4", "T5"],
        scope="world",
        unit=unit,
        expected=verdict,
        tolerance=1.0 if unit == "kinds" else 0.05,
        **region,
    )

# %% [markdown]
# ## 4 · The same with two numbers
#
# Is this about counting rare things? Take the plainest model of all: a bell curve. It reads 50 numbers, keeps their mean μ and their spread σ, and writes 50 new numbers. Here everything can be worked out on paper. If each sample replaces the last, σ² is multiplied each time by a random factor, $\chi^2_{49}/50$ ($\chi^2_{49}$, chi-squared, is the sum of the squares of 49 standard normal numbers), so its logarithm walks, and drifts downward. After $t$ generations its **median** is
#
# $$\sigma_t = \exp\left(\tfrac{t+1}{2}\,\mathrm{E}\left[\ln \tfrac{\chi^2_{49}}{50}\right]\right).$$
#
# (Divided by 49 instead of 50, σ² is *unbiased*: its mean stays 1 for ever. Keep that in mind for the figure.)
#
# The filters come along, too; their models write 400 numbers for 50 to be read. **Only the plausible**: a number x is kept with chance $e^{-x^2/8}$, so what is near the middle is preferred. **Only the possible**: what lies beyond ±3, where a bell curve of spread 1 hardly ever goes, is struck out. (*Fixed budget* draws its 50 numbers with putting back here, without in section 2.)

# %% tags=["evidence"]
from scipy.special import digamma

NUMBERS, RUNS, GENERATIONS = 50, lesson.size(400, smoke=40), 100


def keep(ok: Callable, model: tuple[np.ndarray, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Of 400 numbers that each model writes, the first 50 that pass: (runs, 50)."""
    many = model[0] + model[1] * rng.standard_normal((RUNS, 8 * NUMBERS))
    passed = ok(many, rng)
    if (passed.sum(1) < NUMBERS).any():
        raise helpers.settings.CourseError("Too few numbers pass this filter; let each model write more.")
    return np.take_along_axis(many, (~passed).argsort(1, kind="stable")[:, :NUMBERS], 1)


def plausible(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.random(x.shape) < np.exp(-(x**2) / 8)


def possible(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.abs(x) < 3


# %% tags=["evidence"]
def bell_curves(
    way: str, seed: int, divide_by: int = NUMBERS, real: int = NUMBERS // 10, shift: float = 0.0
) -> np.ndarray:
    """μ and σ of each generation's model, in RUNS independent runs: (2, GENERATIONS + 1, RUNS)."""
    rng = np.random.default_rng([seed, 5])
    pool = rng.standard_normal((RUNS, NUMBERS))  # everything so far; the first 50 are real
    read, fitted = pool, []
    for _ in range(GENERATIONS + 1):
        model = read.mean(1, keepdims=True), read.std(1, keepdims=True)
        if way != "accumulate":
            model = model[0], model[1] * math.sqrt(NUMBERS / divide_by)
        fitted.append(np.hstack(model).T)
        new = model[0] + shift + model[1] * rng.standard_normal((RUNS, NUMBERS))
        if way == "fresh real":
            new[:, :real] = rng.standard_normal((RUNS, real))
        if way == "of the first":
            new[:, :real] = pool[:, rng.permutation(NUMBERS)[:real]]
        if way in ("only the plausible", "only the possible"):
            new = keep(plausible if way == "only the plausible" else possible, model, rng)
        if way in ("accumulate", "fixed budget"):
            pool = np.hstack([pool, new])
        drawn = rng.integers(pool.shape[1], size=(RUNS, NUMBERS)) if way == "fixed budget" else None
        read = pool if way == "accumulate" else new if drawn is None else np.take_along_axis(pool, drawn, 1)
    return np.stack(fitted, 1)


def median_spread(generation: int) -> float:
    """The closed form for replace: the median of σ, where the variance is divided by n.

    The mean of ln χ² with k degrees of freedom is digamma(k/2) + ln 2; digamma is the slope of ln Γ.
    """
    return math.exp((generation + 1) / 2 * (digamma((NUMBERS - 1) / 2) + math.log(2 / NUMBERS)))


# %% tags=["evidence"]
BELL_WAYS = [
    "replace",
    "accumulate",
    "fixed budget",
    "of the first",
    "fresh real",
    "only the plausible",
    "only the possible",
]
MARKS = range(0, GENERATIONS + 1, 10)


@lesson.experiment(seeds=10)
def spreads(seed: int) -> dict[str, float]:
    measures = {}
    for way in BELL_WAYS:
        means, sigmas = bell_curves(way, seed)
        for t in MARKS:
            measures[f"{way}: sigma {t}"] = np.median(sigmas[t])
        measures[f"{way}: error of the mean"] = (means[-1] ** 2).mean() * NUMBERS
    for way in BELL_WAYS[1:]:
        measures[f"{way} - replace: sigma 50"] = measures[f"{way}: sigma 50"] - measures["replace: sigma 50"]
    measures["replace: measured to expected"] = measures["replace: sigma 50"] / median_spread(50)
    return measures


# %%
bells = lesson.measure(spreads, live=1)
single = bell_curves("replace", SEED, divide_by=NUMBERS - 1)[1]
figure, panels = plots.new_panels(1, 2, 820, 400)
axes = panels[0]
axes.plot(single[:, :12], color="#b0b0b0", linewidth=0.9, linestyle="-", marker="")
for values, label, color in [
    (np.sqrt((single**2).mean(1)), "root of the mean σ²", plots.INK),
    (np.median(single, 1), "median σ", LOOKS["replace"]["color"]),
]:
    axes.plot(values, label=label, markevery=15, linewidth=2, color=color)
axes.plot([], [], color="#b0b0b0", marker="", linestyle="-", label="twelve single runs")
axes.set_ylim(0, 2.5)
axes.set_title("replace, unbiased (divided by 49)")
axes = panels[1]
for way in BELL_WAYS:
    label = {"fresh real": "a tenth fresh", "of the first": "a tenth of the first sample"}.get(way, way)
    named = {"of the first": "a tenth of the first text", "only the possible": "verified"}.get(way, label)
    spans = [bells.interval(f"{way}: sigma {t}") for t in MARKS]
    axes.plot(MARKS, [span.mean for span in spans], label=label, markevery=2, **LOOKS[named])
axes.plot(
    MARKS,
    [median_spread(t) for t in MARKS],
    color=plots.INK,
    linestyle=(0, (1, 1.5)),
    linewidth=2.4,
    marker="",
    label="replace, closed form",
)
axes.set_ylim(0, 1.6)
axes.set_title("median σ (divided by 50)")
for axes in panels:
    axes.set_xlabel("generation")
    axes.set_ylabel("σ of the fitted curve (real: 1)")
panels[0].legend(frameon=False, labelcolor=plots.INK, fontsize=9, loc="upper right")
panels[1].legend(frameon=False, labelcolor=plots.INK, fontsize=8, ncols=2, loc="upper right")
plots.show(
    figure,
    alt="Left: twelve single runs of replace, most of them ending well below where they began, with a sinking median and a root mean square that stays higher. Right: median spread over generations for seven ways; replace falls on its closed form, only the possible a little below it, only the plausible falls fastest; accumulate, fixed budget and a tenth real drop a little at first and then stay level.",
)

# %% [markdown]
# **On the left**: nothing is biased here, the mean of σ² is 1 for ever, *and most runs sink all the same.* A few lucky ones grow large and hold the mean up. Whoever reports means alone would see no collapse. (Even the drawn mean over hundreds of runs may sink below 1: it hangs on runs too rare to be among them.)
#
# **On the right** are the ways of section 2, in the same colors (without the control), and the two filters. Far below the formula for *replace* runs the filter that keeps the plausible: it would shrink even a model that reads infinitely many numbers, since preferring the middle *is* shrinking. Striking out the impossible does not help either; it trims the few runs that had grown. (It is all that a verifier can do here: no single number near 0 is false.)
#
# And the price of accumulating: the error of its mean, in units of what one real sample has.

# %%
lesson.say(
    "Squared error of μ after {last} generations, one real sample of {count} being 1: replace {replace}, accumulate {accumulate} (theory {theory:.3f}; π²/6 = {limit:.3f}), as many real numbers {real:.3f}.",
    last=GENERATIONS,
    count=NUMBERS,
    replace=str(bells.interval("replace: error of the mean")),
    accumulate=str(bells.interval("accumulate: error of the mean")),
    theory=sum(1 / t**2 for t in range(1, GENERATIONS + 2)),
    limit=math.pi**2 / 6,
    real=1 / (GENERATIONS + 1),
)

# %% tags=["claim"]
for measure_name, name, statement, prediction, region, verdict in [
    (
        "replace: measured to expected",
        "bell curve: replace shrinks as predicted",
        "After 50 generations the median spread is the one of the closed form (a null: margin ±10%).",
        "measured to expected: 1",
        {"within": (0.9, 1.1)},
        "holds",
    ),
    (
        "accumulate: sigma 100",
        "bell curve: accumulate keeps its spread",
        "After 100 generations of accumulating, the median spread is still above 0.9.",
        "above 0.9 (theory: hardly below 1)",
        {"above": 0.9},
        "holds",
    ),
    (
        "accumulate: error of the mean",
        "bell curve: accumulate adds no information",
        "After 100 generations of accumulating, the mean is known worse than from the first sample alone.",
        "a squared error above 1 (theory: 1.635)",
        {"above": 1.0},
        "holds",
    ),
    (
        "only the plausible - replace: sigma 50",
        "bell curve: a plausibility filter hastens the collapse",
        "Keeping the plausible shrinks the spread faster than keeping everything.",
        "a difference below 0, paired by seed",
        {"below": 0.0},
        "holds",
    ),
    (
        "of the first - replace: sigma 50",
        "bell curve: a tenth of the first sample",
        "A tenth of each sample drawn from the first one leaves a larger spread than none.",
        "a difference above 0, paired by seed",
        {"above": 0.0},
        "holds",
    ),
]:
    lesson.claim(
        spreads,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T4"],
        scope="world",
        unit="",
        expected=verdict,
        tolerance=0.05,
        **region,
    )

# %% [markdown]
# ## 5 · Bad data, and more of it
#
# The talk's other sentence: one can learn from low-quality data, *it just takes more*. How much more?
#
# Two clouds of points in 20 dimensions, labeled +1 and −1. The learner averages (label · point): the average points from one cloud to the other, and that is its rule. An annotator flips each label with chance $p$. Flipped points pull the other way, so the average shrinks by $1 - 2p$, while the noise around it stays. To get the ratio of the two back one needs $\frac{1}{(1-2p)^2}$ times as many labels. This factor is folklore. With $K$ classes and errors spread evenly over the others, a wrong label does not point to the opposite, and what remains of the difference between two classes is $1 - p - \frac{p}{K-1}$.
#
# > **Exercise 4 · `worth`** · ★★☆ · 6 minutes
# >
# > From the share p of wrong labels and the number of classes K, return how many noisy labels are worth a clean one: one over the square of what remains of the difference. Where nothing remains, or the wrong labels prevail, return `math.inf`.
# >
# > <details><summary>Hint 1</summary>With two classes it must be <code>1 / (1 - 2 * p) ** 2</code>.</details>
# > <details><summary>Hint 2</summary>Compute what remains first. If it is 0 or less, no number of labels is enough. (Rounding: treat less than 1e-9 as 0.)</details>


# %% tags=["evidence"]
def worth(p: float, classes: int) -> float:
    """How many labels, a share p of them wrong, are worth a clean one."""
    # BEGIN SOLUTION
    remains = 1 - p - p / (classes - 1)
    return 1 / remains**2 if remains > 1e-9 else math.inf
    # END SOLUTION


# %% tags=["evidence"]
worth = lesson.check(worth)

# %% [markdown]
# One stream of points gives a whole curve: after each label the average is brought up to date, and its accuracy is known exactly, without a test set ($\Phi$ of its component along the truth over its length). All shares of flips use the same points and the same luck. From the curves we read how many labels reach nine tenths of what is possible above guessing (with ten classes: 85 hundredths of what the most clean labels reach).

# %% tags=["evidence"]
from scipy.special import ndtr

DIMENSIONS, STREAMS = 20, lesson.size(40, smoke=4)
FLIPS = [0.0, 0.1, 0.2, 0.3, 0.4]
AMOUNTS = np.unique(np.geomspace(4, 2**14, 80).round().astype(int))
LEVELS = [0.7, 0.75, 0.8]


def two_clouds(seed: int) -> dict[float, np.ndarray]:
    """Accuracy after each of AMOUNTS labels for each share of flips, the mean of STREAMS streams."""
    curves = {p: np.zeros(len(AMOUNTS)) for p in FLIPS}
    for stream in range(STREAMS):
        rng = np.random.default_rng([seed, 6, stream])
        label = rng.choice([-1.0, 1.0], AMOUNTS[-1])
        points = rng.standard_normal((AMOUNTS[-1], DIMENSIONS))
        points[:, 0] += label  # the clouds differ in the first dimension only
        luck = rng.random(AMOUNTS[-1])
        for p in FLIPS:
            said = np.where(luck < p, -label, label)
            rule = (said[:, None] * points).cumsum(0)[AMOUNTS - 1]
            curves[p] += ndtr(rule[:, 0] / np.linalg.norm(rule, axis=1)) / STREAMS
    return curves


def needed(amounts: np.ndarray, curve: np.ndarray, target: float) -> float:
    """The amount at which a rising curve first reaches the target (log scale between points)."""
    return float(np.exp(np.interp(target, np.maximum.accumulate(curve), np.log(amounts))))


# %% tags=["evidence"]
TEN_FLIPS = [0.0, 0.2, 0.4, 0.6]
TEN_AMOUNTS = np.unique(np.geomspace(20, 2**13, 30).round().astype(int))


def ten_clouds(seed: int) -> dict[float, np.ndarray]:
    """The same with ten clouds, each at the mean of its labels: accuracy on 2,000 test points."""
    curves, last = {p: np.zeros(len(TEN_AMOUNTS)) for p in TEN_FLIPS}, TEN_AMOUNTS[-1]
    for stream in range(STREAMS // 4):
        rng = np.random.default_rng([seed, 7, stream])
        label = rng.integers(10, size=last + 2000)
        points = 1.5 * np.eye(10, DIMENSIONS)[label] + rng.standard_normal((last + 2000, DIMENSIONS))
        other, luck = (label + rng.integers(1, 10, size=len(label))) % 10, rng.random(len(label))
        for p in TEN_FLIPS:
            said = np.eye(10)[np.where(luck < p, other, label)]
            for i, n in enumerate(TEN_AMOUNTS):
                mean = said[:n].T @ points[:n] / np.maximum(said[:n].sum(0)[:, None], 1)
                nearest = (points[last:] @ mean.T - (mean**2).sum(1) / 2).argmax(1)
                curves[p][i] += (nearest == label[last:]).mean() / (STREAMS // 4)
    return curves


# %% tags=["evidence"]
@lesson.experiment(seeds=10)
def noise(seed: int) -> dict[str, float]:
    measures = {}
    curves = two_clouds(seed)
    target = 0.5 + 0.9 * (ndtr(1.0) - 0.5)
    for p in FLIPS:
        measures |= {f"{p}: after {n}": a for n, a in zip(AMOUNTS[::4], curves[p][::4], strict=True)}
        measures |= {f"{p}: for {level}": needed(AMOUNTS, curves[p], level) for level in LEVELS}
        times = needed(AMOUNTS, curves[p], target) / needed(AMOUNTS, curves[0.0], target)
        measures |= {f"two, {p}: times": times, f"two, {p}: to theory": times / worth(p, 2)}
    curves = ten_clouds(seed)
    target = 0.1 + 0.85 * (curves[0.0][-1] - 0.1)
    for p in TEN_FLIPS:
        times = needed(TEN_AMOUNTS, curves[p], target) / needed(TEN_AMOUNTS, curves[0.0], target)
        measures |= {f"ten, {p}: times": times, f"ten, {p}: to theory": times / worth(p, 10)}
    return measures


# %%
noisy = lesson.measure(noise, live=1)
figure, panels = plots.new_panels(1, 2, 820, 380)
for p in FLIPS:
    curve = [noisy.interval(f"{p}: after {n}").mean for n in AMOUNTS[::4]]
    panels[0].plot(AMOUNTS[::4], curve, label=f"{p:.0%} flipped", markevery=3)
panels[0].axhline(ndtr(1.0), color=plots.FAINT, linewidth=1.2)
panels[0].text(4, ndtr(1.0) + 0.006, "the best possible rule", fontsize=10, color=plots.FAINT)
panels[0].set(
    xscale="log", xlabel="labels", ylabel="accuracy on new points (guessing: 0.5)", ylim=(0.5, 0.88)
)
for level in LEVELS:
    labels = [noisy.interval(f"{p}: for {level}").mean for p in FLIPS]
    (line,) = panels[1].plot(FLIPS, labels, label=f"accuracy {level:.0%}", linestyle="none", markersize=8)
    fine = np.linspace(0, 0.42, 60)
    theory = [labels[0] * worth(p, 2) for p in fine]
    panels[1].plot(fine, theory, color=line.get_color(), linestyle=":", marker="")
panels[1].plot([], [], color=plots.INK, linestyle=":", marker="", label="clean labels · 1/(1−2p)²")
panels[1].set(yscale="log", xlabel="p: share of labels flipped", ylabel="labels needed")
for axes in panels:
    axes.legend(frameon=False, labelcolor=plots.INK, fontsize=9.5)
plots.show(
    figure,
    alt="Left: accuracy over the number of labels, one rising curve per share of flipped labels; all approach the same best rule. Right, on a logarithmic scale: labels needed for three accuracies over the share of flips; the points lie on or close to the curves of one over the square of 1 - 2p.",
)
plots.table(
    [
        [
            "two",
            f"{p:.0%}",
            f"{worth(p, 2):.2f}",
            f"{worth(p, 2):.2f}",
            str(noisy.interval(f"two, {p}: times")),
        ]
        for p in FLIPS[1:]
    ]
    + [
        [
            "ten",
            f"{p:.0%}",
            f"{1 / (1 - 2 * p) ** 2:.2f}",
            f"{worth(p, 10):.2f}",
            str(noisy.interval(f"ten, {p}: times")),
        ]
        for p in TEN_FLIPS[1:]
    ],
    ["classes", "wrong labels", "folk factor 1/(1−2p)²", "corrected for the classes", "measured"],
    caption="How many noisy labels are worth a clean one",
)

# %% [markdown]
# All curves on the left rise towards the same height; on the right each accuracy has its price, and the price follows the formula closely. *Flips that fall at random* can be paid for with labels. With ten classes even 60% wrong labels can be paid for, where the folk factor has long lost its meaning (it is the same for 40% and for 60%).
#
# Look again at the last column: the prices tend to lie a little above the formula, and with ten classes and 60% wrong labels by more than luck. The formula counts what wrong labels take away from the difference. It leaves out that they also put points of other clouds into each average, whose spread is added to the noise.
#
# Mind the condition, too: this learner averages. One that tries to fit every label pays more (*Dig deeper*, section 9).
#
# ### Errors with a system
#
# Now the annotators err **with a system**. They tell the colors of 2,000 kinds of animal, and the learner believes, for each kind, the color that it has heard most. Three crews:
#
# - **random**: 80% of all labels are wrong, spread evenly over the nine other colors;
# - **system, below one half**: for a fifth of the kinds, 40% of the labels say one and the same wrong color. All other labels are right;
# - **system, above one half**: the same, with 60% instead of 40%, so that of all labels 12% are wrong.

# %%
lesson.predict(
    "crew",
    "The first crew gives 256 labels for each kind, 80% of them wrong. About what part of the kinds does its learner get right?",
    minimum=0,
    maximum=100,
    unit="% of the kinds",
)

# %% tags=["evidence"]
CREWS = {
    "random, 80% wrong": (0.8, False),
    "system, 40% wrong in a fifth": (0.4, True),
    "system, 60% wrong in a fifth": (0.6, True),
}
LABELS = [1, 2, 4, 8, 16, 32, 64, 128, 256]


def right_kinds(wrong: float, system: bool, labels: int, rng: np.random.Generator) -> float:
    """Share of 2,000 kinds whose true color (number 0) got the most labels; ties are broken by luck."""
    chance = np.zeros((2000, COLORS))
    share = np.where(np.arange(2000) < 400, wrong, 0.0) if system else np.full(2000, wrong)
    chance[:, 0] = 1 - share
    if system:
        chance[:, 1] = share
    else:
        chance[:, 1:] = share[:, None] / (COLORS - 1)
    heard = rng.multinomial(labels, chance) + rng.random(chance.shape) / 2
    return float((heard.argmax(1) == 0).mean())


@lesson.experiment(seeds=10)
def crews(seed: int) -> dict[str, float]:
    measures = {}
    for crew, (wrong, system) in CREWS.items():
        rng = np.random.default_rng([seed, 8])
        for labels in LABELS:
            measures[f"{crew}: {labels}"] = right_kinds(wrong, system, labels, rng)
        measures[f"{crew}: 256 minus 16"] = measures[f"{crew}: 256"] - measures[f"{crew}: 16"]
    measures["random - system"] = (
        measures["random, 80% wrong: 256"] - measures["system, 60% wrong in a fifth: 256"]
    )
    return measures


# %%
judged = lesson.measure(crews, live=1)
figure, axes = plots.new_figure(720, 360)
for crew in CREWS:
    axes.plot(LABELS, [judged.interval(f"{crew}: {n}").mean for n in LABELS], label=crew)
axes.set_xscale("log", base=2)
axes.set_xticks(LABELS, LABELS)
axes.set_ylim(0, 1.04)
axes.set_xlabel("labels for each kind")
axes.set_ylabel("share of kinds learned right")
axes.legend(frameon=False, labelcolor=plots.INK)
plots.show(
    figure,
    alt="Share of kinds learned right over labels per kind. Eighty percent random errors start near 0.2 and end near one; systematic errors below one half start near 0.9 and also end near one; above one half the curve starts near 0.9 and sinks to 0.8.",
)
ahead = [
    n
    for n in LABELS
    if judged.interval(f"random, 80% wrong: {n}").mean
    > judged.interval(f"system, 60% wrong in a fifth: {n}").mean
]
lesson.say(
    "Learned right with 256 labels for each kind: random {random}, system above one half {system}. Of the numbers tried, the first at which the random crew is ahead is {first}.",
    random=str(judged.interval("random, 80% wrong: 256")),
    system=str(judged.interval("system, 60% wrong in a fifth: 256")),
    first=min(ahead, default="none"),
)

# %% [markdown]
# Eighty percent wrong labels, and with enough of them the learner is right about practically everything. Twelve percent wrong labels, and each further label makes it *surer of what is false*. With few labels it is the other way round: the 80% crew is far behind until there are many for each kind. What decides in the long run is not how much is wrong in all, but whether, **anywhere**, one wrong answer is more frequent than the right one. There more of the same never helps.
#
# A model that labels data for another is such a crew. Its errors have a system.

# %% tags=["claim"]
for experiment, measure_name, name, statement, prediction, region, talk, verdict in [
    (
        noise,
        "two, 0.2: to theory",
        "20% random flips cost the folk factor",
        "With 20% of the labels flipped, an averaging learner needs 1/(1−2p)² times as many (a null: margin ±15%).",
        "measured to theory: 1",
        {"within": (0.85, 1.15)},
        ["T3"],
        "holds",
    ),
    (
        noise,
        "two, 0.4: to theory",
        "40% random flips cost the folk factor",
        "So it does with 40% flipped, where the factor is 25 (a null: margin ±15%).",
        "measured to theory: 1",
        {"within": (0.85, 1.15)},
        ["T3"],
        "holds",
    ),
    (
        noise,
        "ten, 0.4: to theory",
        "ten classes need the corrected factor",
        "With ten classes and 40% wrong labels the corrected factor holds (a null: margin ±25%).",
        "measured to theory: 1 (the folk factor is 7.7 times as large)",
        {"within": (0.75, 1.25)},
        ["T3"],
        "holds",
    ),
    (
        crews,
        "random, 80% wrong: 256",
        "80% random errors are paid for",
        "With 80% of the labels wrong at random, 256 labels for each kind teach more than nine kinds of ten.",
        "above 0.9: each wrong color gets 9%, the right one 20%",
        {"above": 0.9},
        ["T3"],
        "holds",
    ),
    (
        crews,
        "system, 40% wrong in a fifth: 256 minus 16",
        "a system below one half is paid for",
        "Where 40% of a kind's labels say the same wrong color, more labels help.",
        "a gain from 16 to 256 labels above 0, paired by seed",
        {"above": 0.0},
        ["T3"],
        "holds",
    ),
    (
        crews,
        "system, 60% wrong in a fifth: 256 minus 16",
        "a system above one half is never paid for",
        "Where 60% of a kind's labels say the same wrong color, more labels make it worse.",
        "a change from 16 to 256 labels below 0, paired by seed",
        {"below": 0.0},
        ["T3"],
        "holds",
    ),
    (
        crews,
        "random - system",
        "12% can be worse than 80%",
        "With 256 labels for each kind, 12% wrong with a system leave less learned than 80% wrong at random.",
        "a difference above 0, paired by seed",
        {"above": 0.0},
        ["T3"],
        "holds",
    ),
]:
    lesson.claim(
        experiment,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=talk,
        scope="world",
        unit="of kinds" if experiment is crews else "",
        expected=verdict,
        tolerance=0.02,
        **region,
    )

# %% [markdown]
# ## 6 · In the field: a real model that keeps its own favorites
#
# SmolLM2 continues the beginning of a story, 48 times, 16 tokens each. We keep the half of the continuations to which the model *itself* gives the highest probability: a plausibility filter, as sections 3 and 4 had one, and a common way to "clean" generated text. Nothing is trained. Does the half that is kept have fewer different words than halves drawn at random (equally many, equally long)?
#
# The unit of repetition is the **beginning** (and its luck), so on the cards below a "seed" is a beginning: six of them, written down before the first was tried.

# %% tags=["evidence"]
import re
from functools import cache

import torch

from helpers.models import real
from helpers.models.memory import give_back

BEGINNINGS = [
    "Every morning the baker",
    "On the way to school we saw",
    "The doctor opened the letter and read",
    "Near the harbor there is a",
    "My grandmother always said that",
    "After the storm the children found",
]
MORE_BEGINNINGS = [
    "The train was late because",
    "In my garden I grow",
    "The king asked his daughter to",
    "Nobody at the office knew that",
    "A good teacher should always",
    "The recipe begins with",
    "At the top of the mountain stood",
    "My brother bought a car which",
    "When winter comes, the birds",
    "The museum is famous for its",
    "She looked out of the window and saw",
    "The first thing you notice is",
]
COPIES, LENGTH = lesson.size(48, smoke=6), lesson.size(16, smoke=4)
give_back()
lm = real.language_model()


@cache
@torch.no_grad()
def continuations(beginning: str, seed: int) -> tuple[list[str], np.ndarray]:
    """Texts drawn from SmolLM2 at temperature 1, and the log-probability that it gives to each."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.tensor([lm.tokenizer(beginning).input_ids] * COPIES, device=lm.model.device)
    past, drawn, logp = None, [], torch.zeros(COPIES)
    for _ in range(LENGTH):
        out = lm.model(ids, past_key_values=past, use_cache=True, logits_to_keep=1)
        past, chance = out.past_key_values, out.logits[:, -1].float().softmax(-1).cpu()
        token = torch.multinomial(chance, 1, generator=generator)
        logp += chance.gather(1, token)[:, 0].log()
        drawn.append(token)
        ids = token.to(lm.model.device)
    del past, out, chance
    give_back()
    return [lm.tokenizer.decode(row) for row in torch.cat(drawn, 1)], logp.numpy()


# %% tags=["evidence"]
def different_words(texts: list[str]) -> int:
    return len(set(re.findall(r"[a-z']+", " ".join(texts).lower())))


def riches(beginning: str, seed: int) -> dict[str, float]:
    """Different words in the likelier and the less likely half, and on average in halves drawn at random."""
    texts, logp = continuations(beginning, seed)
    best, half, rng = np.argsort(-logp), COPIES // 2, np.random.default_rng([seed, 10])
    by_chance = [
        different_words([texts[i] for i in rng.permutation(COPIES)[:half]])
        for _ in range(lesson.size(50, smoke=5))
    ]
    kept, dropped = (different_words([texts[i] for i in rows]) for rows in (best[:half], best[half:]))
    chance = float(np.mean(by_chance))
    return {"kept": kept, "kept to chance": kept / chance, "dropped to chance": dropped / chance}


@lesson.experiment(seeds=6)
def favorites(seed: int) -> dict[str, float]:
    return riches(BEGINNINGS[seed % len(BEGINNINGS)], seed)  # a "seed" is a beginning here


@lesson.experiment(seeds=12)
def favorites_again(seed: int) -> dict[str, float]:
    return riches(MORE_BEGINNINGS[seed % len(MORE_BEGINNINGS)], seed)


# %%
from helpers.models.heap import map_large_blocks
from helpers.models.threads import threads

map_large_blocks()  # else memory may rise by 100 MB more while SmolLM2 writes
if lm:
    with threads(1):
        probed = lesson.measure(favorites, live=1)
        texts, logp = continuations(BEGINNINGS[0], SEED)
    order = np.argsort(-logp)
    plots.table(
        [["the likeliest", texts[i]] for i in order[:3]]
        + [["the least likely", texts[i]] for i in order[-3:]],
        ["", f"{BEGINNINGS[0]} …"],
    )

# %%
probed, again = lesson.results_of(favorites), lesson.results_of(favorites_again)
if probed.records and again.records:
    figure = plots.interval_figure(
        [
            results.row(f"{half} to chance", f"{label}, {beginnings}")
            for results, beginnings in [(probed, "the six beginnings"), (again, "twelve more beginnings")]
            for half, label in [("kept", "the likelier half"), ("dropped", "the less likely half")]
        ],
        "different words, as a multiple of those in random halves",
        threshold=1.0,
        threshold_name="random halves",
    )
    for entry in figure.axes[0].get_legend().get_texts():
        entry.set_text(entry.get_text().replace("one seed", "one beginning"))
    plots.show(
        figure,
        alt="Interval plot for six and for twelve more beginnings. The half of the continuations that the model finds likelier has fewer different words than random halves on most beginnings, the other half more.",
    )
    ends = probed.interval("kept to chance")
    lesson.say(
        "To the fourth digit, the interval of the first six beginnings runs from {low:.4f} to {high:.4f}.",
        low=ends.low,
        high=ends.high,
    )

# %% tags=["claim"]
for experiment, name, statement in [
    (
        favorites,
        "real: favorites are poorer in words",
        "The half of its own continuations that SmolLM2-135M finds likelier has fewer different words than random halves (interval over six beginnings).",
    ),
    (
        favorites_again,
        "real: favorites are poorer in words, again",
        "The same for twelve other beginnings, judged alone.",
    ),
]:
    lesson.claim(
        experiment,
        "kept to chance",
        name=name,
        statement=statement,
        prediction="a ratio below 1: what is likely is what is usual",
        talk=["T4"],
        scope="real",
        unit="times",
        below=1.0,
        expected="inconclusive" if experiment is favorites else "holds",
        tolerance=0.1,
        repeatable=False,
    )

# %% [markdown]
# Six beginnings are few, and they did not settle it: their interval ends just above 1. So we wrote twelve more, kept the prediction, and judged those *alone*: adding beginnings to the first six until the verdict comes out right would be cheating.
#
# One round of one filter, and no training: this is not collapse, it is the first step of the path in section 4. Look at the examples, too. What was dropped is not only the rare but also the garbled, which is why people filter this way. The filter cannot tell the two apart. A verifier could.

# %% [markdown]
# ---
# ## Dig deeper
#
# Four independent sections; none is needed to go on.
#
# ### 7 · A language model
#
# A counter forgets what it has not seen; a network smooths, generalizes, and errs in its own ways. Does the story survive? Here a Llama of 0.1 million parameters reads 1,500 sentences such as "the brown fox digs and yips" about 48 kinds of animal, again with Zipf's frequencies. Each kind has three true colors and three true actions (70, 20 and 10%), and one sound. Sentences are written by the model at temperature 1, and a new model starts from scratch at each generation, with the same number of steps, whatever it reads. The verified ways choose from 4,500 written sentences, the others write 1,500. The control, **as much real text**, reads at each generation as many sentences as *accumulate*, all real.

# %% tags=["evidence"]
from helpers.models import small
from helpers.models.threads import threads
from helpers.synthesis import menagerie
from helpers.synthesis.menagerie import Menagerie

ASK = "tell me"
READ_SIZE, LM_STEPS, LM_LAST = lesson.size(1500, 60), lesson.size(120, 4), lesson.size(5, 1)
TOKENS = small.tokenizer([ASK, " ".join(menagerie.WORDS)])


def trained(text: list[str], seed: int):
    model = small.new_model(len(TOKENS), seed)
    small.fit(model, TOKENS, [(ASK, sentence) for sentence in text], LM_STEPS, seed, learning_rate=5e-3)
    return model


def written(model, count: int, seed: int) -> list[str]:
    return small.sample(model, TOKENS, [ASK] * count, seed, longest=10, batch=512)


# %% tags=["evidence"]
def only_true(
    many: list[str], balanced: bool, count: int, zoo: Menagerie, rng: np.random.Generator
) -> list[str]:
    """Up to `count` of the true sentences; balanced: drawn with the shares that kinds have in all of them."""
    judged = [(sentence, *found) for sentence in many if (found := zoo.judge(sentence))]
    passed = [(sentence, kind) for sentence, kind, is_true in judged if is_true]
    if not balanced:
        return [sentence for sentence, _ in passed[:count]]
    said = np.bincount([kind for _, kind, _ in judged], minlength=len(menagerie.KINDS))
    kinds = np.array([kind for _, kind in passed], dtype=int)
    weight = (said / np.maximum(np.bincount(kinds, minlength=len(said)), 1))[kinds]
    chosen = rng.choice(len(passed), count, p=weight / weight.sum()) if passed else []
    return [passed[i][0] for i in chosen]


def lm_read(way: str, texts: list[list[str]], model, zoo: Menagerie, seed: int) -> list[str]:
    """What the next model reads; `texts` grows by what this one wrote."""
    rng = np.random.default_rng([seed, 12])
    if way == "as much real text":
        new = zoo.text(READ_SIZE, rng)
    elif way.startswith("verified"):
        new = only_true(written(model, 3 * READ_SIZE, seed), "balanced" in way, READ_SIZE, zoo, rng)
    else:
        new = written(model, READ_SIZE, seed)
    if way == "a tenth of the first text":
        new = new[READ_SIZE // 10 :] + rng.choice(texts[0], READ_SIZE // 10, replace=False).tolist()
    texts.append(new or texts[-1])  # an untrained model (in a smoke run) may write nothing true
    return sum(texts, []) if way in ("accumulate", "as much real text") else texts[-1]  # noqa: RUF017


# %% tags=["evidence"]
def lm_measured(model, zoo: Menagerie, held_out: list[str], seed: int) -> dict[str, float]:
    """What a model says in 1,500 sentences, and its loss on real ones, in nats per sentence."""
    told = [found for sentence in written(model, READ_SIZE, seed) if (found := zoo.judge(sentence))]
    true = [kind for kind, is_true in told if is_true]
    loss = -small.score(model, TOKENS, [(ASK, sentence) for sentence in held_out]).numpy()
    rare = np.array([zoo.judge(sentence)[0] >= 12 for sentence in held_out])
    return {
        "loss": loss.mean(),
        "loss on rare kinds": loss[rare].mean(),
        "true": len(true) / READ_SIZE,
        "kinds": len({kind for kind, _ in told}),
        "true kinds": len(set(true)),
        "rare": sum(kind >= 12 for kind, _ in told) / max(len(told), 1),
    }


LM_CURVES = ["true kinds", "loss on rare kinds", "true"]
LM_WAYS = [
    "replace",
    "verified",
    "verified, re-balanced",
    "a tenth of the first text",
    "accumulate",
    "as much real text",
]


@lesson.experiment(seeds=6)
def language_models(seed: int) -> dict[str, float]:
    zoo, rng = Menagerie(seed), np.random.default_rng([seed, 13])
    real_text, held_out = zoo.text(READ_SIZE, rng), zoo.text(500, rng)
    measures = {}
    with threads(1):
        first = trained(real_text, seed)
        by_way = {"first model": lm_measured(first, zoo, held_out, seed)}
        for way in LM_WAYS:
            model, texts = first, [real_text]
            for t in range(1, LM_LAST + 1):
                model = trained(lm_read(way, texts, model, zoo, 100 * seed + t), 100 * seed + t)
                by_way[way] = lm_measured(model, zoo, held_out, seed)
                measures |= {f"{way}: {name} {t}": by_way[way][name] for name in LM_CURVES}
    for way, values in by_way.items():
        measures |= {f"{way}: {name}": value for name, value in values.items()}
        for other in ("first model", "replace", "verified", "accumulate"):
            if way != other:
                measures |= {
                    f"{way} - {other}: {name}": values[name] - by_way[other][name] for name in values
                }
    return measures


# %%
networks = lesson.measure(language_models, live=0)
COLUMNS = ["loss", "loss on rare kinds", "true", "kinds", "true kinds", "rare"]
TITLES = {  # of a panel, and of its axis
    "true kinds": ("kinds with a true sentence", "kinds, of 48"),
    "loss on rare kinds": ("loss on real rare kinds", "nats per sentence"),
    "true": ("true sentences", "share of what is said"),
}
if networks.records:
    figure, panels = plots.new_panels(1, 3, 820, 430)
    for axes, column in zip(panels, LM_CURVES, strict=True):
        for way in LM_WAYS:
            steps = ["first model: " + column, *(f"{way}: {column} {t}" for t in range(1, LM_LAST + 1))]
            spans = [networks.interval(step) for step in steps]
            axes.plot([span.mean for span in spans], label=way, **LOOKS[way])
            band = {"color": LOOKS[way]["color"], "alpha": 0.1, "linewidth": 0}
            axes.fill_between(range(len(steps)), [s.low for s in spans], [s.high for s in spans], **band)
        axes.set(xlabel="generation", title=TITLES[column][0], ylabel=TITLES[column][1])
        axes.set_xticks(range(LM_LAST + 1))
        axes.set_ylim(bottom=0)
    panels[2].set_ylim(0, 1)
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, frameon=False, labelcolor=plots.INK)
    plots.show(
        figure,
        alt="Three panels over five generations of language models, one line with its 95% band per way. Kinds with a true sentence: replace and verified fall most, then a tenth of the first text and re-balanced; accumulate falls little. Loss on real sentences about rare kinds: it rises most for verified, little for accumulate. Share of true sentences: it rises for both verified ways and falls for replace, a tenth of the first text and accumulate. As much real text stays near the first model in all three.",
    )
    plots.table(
        [
            [way, *(str(networks.interval(f"{way}: {column}")) for column in COLUMNS)]
            for way in ["first model", *LM_WAYS]
        ],
        ["", *COLUMNS],
        caption="After five generations: means and 95% intervals. Loss: nats per real sentence not read before. Kinds: in any sentence. Rare: share of what is said about all but the twelve commonest kinds.",
    )

# %% [markdown]
# Compare with section 3. What the counter showed as lost kinds, a language model also shows as a growing **loss** on real sentences, most of all on those about rare kinds. The verifier raises truth, and with it alone speech about rare kinds dwindles and the loss on them is the *highest* of all, higher than without any filter. Re-balancing helps here too, though less than it helped the counter: more true kinds than the verifier alone leaves, and part of the loss on the rare ones undone. A tenth of the first text lowers the loss and does not stop the fall.
#
# Accumulating loses least of all the ways that read what models wrote, and still gets **worse** than the first model, though it reads more at each generation. Is that because more text in the same number of steps is read less often? The control reads as much and as often: on real text the loss does not rise, it ends somewhat below the first model's. (Somewhat only: with so few steps, more text is worth little.) So what makes accumulating worse is *what* it reads.
#
# One thing cannot be told here: whether a verifier alone leaves more or fewer true kinds than no filter. In the counter it was fewer. A language model's errors pile up fast without a filter, which costs true kinds as well, and the seeds differ too much to say which loss is larger. And see how many kinds *replace* has in the column "kinds": nearly all of them, in sentences of which about half are false.

# %%
if networks.records:
    lesson.say(
        "Loss after five generations minus the first model's, in nats per real sentence: accumulate {accumulate}, as much real text {real}.",
        accumulate=str(networks.interval("accumulate - first model: loss")),
        real=str(networks.interval("as much real text - first model: loss")),
    )

# %% tags=["claim"]
for measure_name, name, statement, prediction, region, unit, verdict in [
    (
        "replace - first model: true kinds",
        "language model: replace collapses",
        "After five generations of replace, a language model speaks truly of fewer kinds than the first one did.",
        "a difference below 0, paired by seed",
        {"below": 0.0},
        "kinds",
        "holds",
    ),
    (
        "accumulate - replace: true kinds",
        "language model: accumulating keeps kinds",
        "Accumulating, it speaks truly of more kinds than with replace.",
        "a difference above 0, paired by seed",
        {"above": 0.0},
        "kinds",
        "holds",
    ),
    (
        "accumulate - first model: loss",
        "language model: accumulating adds no information",
        "Its loss on real sentences is then higher than the first model's.",
        "a difference above 0 nats, paired by seed",
        {"above": 0.0},
        "nats",
        "holds",
    ),
    (
        "as much real text - accumulate: loss",
        "language model: control, as much real text",
        "Having read as much text in as many steps, all of it real, it has a lower loss than by accumulating.",
        "a difference below 0 nats, paired by seed",
        {"below": 0.0},
        "nats",
        "holds",
    ),
    (
        "as much real text - first model: loss",
        "language model: more real text does add information",
        "In as many steps, more real text leaves it with a lower loss than the first model's.",
        "a difference below 0 nats, paired by seed",
        {"below": 0.0},
        "nats",
        "holds",
    ),
    (
        "verified - replace: true",
        "language model: a verifier keeps sentences true",
        "With a verifier, a larger share of what it says is true than with replace.",
        "a difference above 0, paired by seed",
        {"above": 0.0},
        "of sentences",
        "holds",
    ),
    (
        "verified - replace: rare",
        "language model: a verifier moves mass to the head",
        "With a verifier alone, a smaller share of what it says is about rare kinds.",
        "a difference below 0, paired by seed",
        {"below": 0.0},
        "of sentences",
        "holds",
    ),
    (
        "verified - replace: loss on rare kinds",
        "language model: a verifier alone forgets the rare",
        "With a verifier alone, its loss on real sentences about rare kinds is higher than with replace.",
        "a difference above 0 nats, paired by seed",
        {"above": 0.0},
        "nats",
        "holds",
    ),
    (
        "verified - replace: true kinds",
        "language model: a verifier alone does not save kinds",
        "A verifier alone leaves as many kinds with a true sentence as replace does (a null: margin ±5 of 48).",
        "a difference of 0, paired by seed; margin ±5",
        {"within": (-5.0, 5.0)},
        "kinds",
        "inconclusive",
    ),
    (
        "verified, re-balanced - verified: true kinds",
        "language model: re-balancing keeps kinds",
        "Re-balanced, it speaks truly of more kinds than with the verifier alone.",
        "a difference above 0, paired by seed",
        {"above": 0.0},
        "kinds",
        "holds",
    ),
    (
        "a tenth of the first text - replace: loss",
        "language model: a tenth of the first text helps",
        "With a tenth of the first text, its loss on real sentences is lower than with replace.",
        "a difference below 0 nats, paired by seed (the paper: minor loss)",
        {"below": 0.0},
        "nats",
        "holds",
    ),
]:
    lesson.claim(
        language_models,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T4"],
        scope="world",
        unit=unit,
        expected=verdict,
        tolerance=1.0 if unit == "kinds" else 0.05,
        repeatable=False,
        **region,
    )

# %% [markdown]
# ### 8 · A generator with a bias
#
# Accumulating saved models whose only fault was luck. Suppose the generator errs *with a system*: whatever it has learned, it writes numbers that are a little too large, by δ = 0.1 each time. With **replace** that adds up to $\delta t$. With **accumulate** each generation's push is diluted by all that came before: $\delta\,(\frac12 + \frac13 + \dots + \frac1{t+1})$, about $\delta \ln t$. That grows slowly, but it grows without end. With a share $\rho$ of **fresh real** numbers in each sample it stops near $\delta\,(1-\rho)/\rho$.

# %% tags=["evidence"]
DELTA, FRESH = 0.1, 10  # ten of 50 numbers are fresh: one fifth
DRIFTING = ["replace", "accumulate", "fresh real"]


@lesson.experiment(seeds=10)
def drift(seed: int) -> dict[str, float]:
    measures = {}
    for way in DRIFTING:
        means = bell_curves(way, seed, real=FRESH, shift=DELTA)[0].mean(1)
        measures |= {f"{way}: {t}": means[t] for t in MARKS}
        measures[f"{way}: 100 minus 50"] = means[100] - means[50]
    theory = DELTA * sum(1 / (t + 1) for t in range(1, GENERATIONS + 1))
    measures["accumulate: measured minus theory"] = measures["accumulate: 100"] - theory
    return measures


# %%
drifted = lesson.measure(drift, live=1)
figure, axes = plots.new_figure(680, 340)
for way in DRIFTING:
    axes.plot(
        MARKS,
        [drifted.interval(f"{way}: {t}").mean for t in MARKS],
        label="a fifth fresh" if way == "fresh real" else way,
        **LOOKS["a tenth fresh" if way == "fresh real" else way],
    )
axes.set_ylim(-0.05, 1.5)
axes.set_xlabel("generation")
axes.set_ylabel("mean of the fitted curve (real: 0)")
axes.legend(frameon=False, labelcolor=plots.INK)
plots.show(
    figure,
    alt="Mean of the fitted curve over generations for a generator that is biased by 0.1. Replace leaves the picture in a straight line, accumulate rises ever more slowly, a fifth of fresh real data levels off.",
)

# %% tags=["claim"]
lesson.claim(
    drift,
    "accumulate: 100 minus 50",
    name="a biased generator drifts on",
    statement="With a biased generator, accumulating drifts on: the mean still moves away from generation 50 to 100.",
    prediction="a change above 0 (theory: 0.068)",
    talk=["T4"],
    scope="world",
    unit="",
    above=0.0,
    expected="holds",
    tolerance=0.05,
)
lesson.claim(
    drift,
    "accumulate: measured minus theory",
    name="the drift is predicted",
    statement="The drift after 100 generations is the one of the sum of 1/t (a null: margin ±0.05).",
    prediction="measured minus theory: 0",
    talk=["T4"],
    scope="world",
    unit="",
    within=(-0.05, 0.05),
    expected="holds",
    tolerance=0.05,
)

# %% [markdown]
# In this picture, accumulating and a fifth of fresh data come to about the same height. But one curve has gone flat and the other still rises: one has a bound, the other has none. Temperature below 1 is a bias of this sort, and so is a judge with a taste. (A *replace* with a bias is not even close.)
#
# ### 9 · Learners that fit every label
#
# The price $1/(1-2p)^2$ was for a learner that averages. Logistic regression (scikit-learn's, with its usual mild penalty on large weights) tries to fit each point. Two cases: clouds that **overlap**, as in section 5, and clouds so **far apart** that a line separates them nearly perfectly. There a few clean labels show the gap between the clouds, and every flipped label denies it.
#
# We ask for 90% and for 99% of what is possible above guessing. Such curves may sink before they rise; so what counts is from how many labels on a learner *stays* at the target. (The first two labels are always right, one for each cloud.)

# %% tags=["evidence"]
FIT_SIZES = np.unique((2 ** (np.arange(2, lesson.size(29, smoke=17)) / 2)).round().astype(int))
FIT_FLIPS, FIT_TARGETS, FIT_STREAMS = [0.0, 0.1, 0.2], [0.9, 0.99], lesson.size(16, smoke=1)
FIT_CLOUDS = {"overlapping": 1.0, "far apart": 3.0}  # half the distance of their middles


def fitted_clouds(seed: int, apart: float) -> dict[float, np.ndarray]:
    """What logistic regression has of the possible accuracy above guessing, after each of FIT_SIZES labels."""
    from sklearn.linear_model import LogisticRegression

    curves = {p: np.zeros(len(FIT_SIZES)) for p in FIT_FLIPS}
    for stream in range(FIT_STREAMS):
        rng = np.random.default_rng([seed, 14, stream])
        label = rng.choice([-1.0, 1.0], FIT_SIZES[-1])
        label[:2] = -1, 1
        points = rng.standard_normal((FIT_SIZES[-1], DIMENSIONS))
        points[:, 0] += apart * label
        luck = np.where(np.arange(len(label)) < 2, 1.0, rng.random(len(label)))  # so that both labels occur
        for p in FIT_FLIPS:
            said = np.where(luck < p, -label, label)
            for i, n in enumerate(FIT_SIZES):
                rule = LogisticRegression(max_iter=200).fit(points[:n], said[:n]).coef_[0]
                right = ndtr(apart * rule[0] / np.linalg.norm(rule))
                curves[p][i] += (right - 0.5) / (ndtr(apart) - 0.5) / FIT_STREAMS
    return curves


# %% tags=["evidence"]
def stays(amounts: np.ndarray, curve: np.ndarray, target: float) -> float:
    """The amount from which on a curve stays at the target or above (log scale between points).

    The first amount means: that one or fewer. The last: that one or more.
    """
    below = np.flatnonzero(curve < target)
    if len(below) == 0 or below[-1] == len(curve) - 1:
        return float(amounts[0 if len(below) == 0 else -1])
    step = slice(below[-1], below[-1] + 2)
    return float(np.exp(np.interp(target, curve[step], np.log(amounts[step]))))


@lesson.experiment(seeds=6)
def fits_every_label(seed: int) -> dict[str, float]:
    measures = {}
    for name, apart in FIT_CLOUDS.items():
        curves = fitted_clouds(seed, apart)
        for p in FIT_FLIPS:
            measures |= {f"{name}, {p}: after {n}": a for n, a in zip(FIT_SIZES, curves[p], strict=True)}
        for target in FIT_TARGETS:
            clean = stays(FIT_SIZES, curves[0.0], target)
            measures[f"{name} {target}: clean"] = clean
            for p in FIT_FLIPS[1:]:
                noisy, key = stays(FIT_SIZES, curves[p], target), f"{name} {target}, {p}"
                measures |= {f"{key}: times": noisy / clean, f"{key}: to theory": noisy / clean / worth(p, 2)}
                measures[f"{key}: at least"] = float(clean <= FIT_SIZES[0] or noisy >= FIT_SIZES[-1])
    return measures


# %%
fits = lesson.measure(fits_every_label, live=0)
if fits.records:
    figure, panels = plots.new_panels(1, 2, 820, 360)
    for axes, name in zip(panels, FIT_CLOUDS, strict=True):
        for p in FIT_FLIPS:
            spans = [fits.interval(f"{name}, {p}: after {n}") for n in FIT_SIZES]
            (line,) = axes.plot(
                FIT_SIZES, [span.mean for span in spans], label=f"{p:.0%} flipped", markevery=4
            )
            low, high = [span.low for span in spans], [span.high for span in spans]
            axes.fill_between(FIT_SIZES, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        axes.set(xscale="log", xlabel="labels", title=f"clouds {name} (guessing: 0)", ylim=(0, 1.05))
        axes.set_ylabel("share of what is possible")
    panels[0].legend(frameon=False, labelcolor=plots.INK, loc="lower right")
    plots.show(
        figure,
        alt="Two panels: what logistic regression reaches of the possible accuracy above guessing, over the number of labels, without flips and with 10 and 20% flipped. Overlapping clouds: three curves that rise, the flipped ones later. Clouds far apart: without flips near one from the start; with flips high at two labels, then sinking until there are some tens of labels, and rising again.",
    )
    rows = [
        (f"{name} {target}, {p}", [name, f"{target:.0%}", f"{p:.0%}", f"{worth(p, 2):.2f}"])
        for name in FIT_CLOUDS
        for target in FIT_TARGETS
        for p in FIT_FLIPS[1:]
    ]
    bound = {key: "at least " if fits.interval(f"{key}: at least").mean else "" for key, _ in rows}
    plots.table(
        [[*cells, bound[key] + str(fits.interval(f"{key}: times"))] for key, cells in rows],
        ["clouds", "of what is possible", "flipped", "1/(1−2p)²", "measured"],
        caption='How many noisy labels are worth a clean one, for logistic regression. "At least": in some seed the clean learner was there with the first two labels already, or the noisy one not with the last.',
    )

# %% [markdown]
# **Overlapping clouds**: more than the factor, at both targets alike. The plain reason is that a fit listens to its errors, and a flipped label is one. Statistics can say what becomes of it with ever more labels: the error of the fitted direction is the spread of the pulls that points exert on it, divided by how firmly it is held (Huber's *sandwich* formula).


# %%
def with_many_labels(p: float) -> float:
    """How many noisy labels are worth a clean one for logistic regression, in the limit of many labels."""
    from scipy.optimize import brentq
    from scipy.special import expit

    x = np.linspace(-10, 12, 4001)  # along the truth, for the cloud labeled +1; the other is its mirror image
    cloud = np.exp(-((x - 1) ** 2) / 2)

    def error(p: float) -> float:
        def pull(b: float) -> float:
            return (cloud * x * ((1 - p) * expit(-b * x) - p * expit(b * x))).sum()

        b = brentq(pull, 1e-6, 20)  # the weight at which the pulls balance
        spread = (cloud * ((1 - p) * expit(-b * x) ** 2 + p * expit(b * x) ** 2)).sum() / cloud.sum()
        held = (cloud * expit(b * x) * expit(-b * x)).sum() / cloud.sum()
        return spread / (held * b) ** 2

    return error(p) / error(0.0)


lesson.say(
    "Overlapping clouds, ever more labels: {ten:.2f} noisy labels for a clean one with 10% flipped, {twenty:.2f} with 20%.",
    ten=with_many_labels(0.1),
    twenty=with_many_labels(0.2),
)

# %% [markdown]
# **Clouds far apart**: with flips the curve sinks first. Two right labels already point across the gap; then flipped ones come in, and with few labels in 20 dimensions the fit bends to each of them. It takes hundreds before they outvote each other, so the price is a large multiple of a *very small* number, and it depends on the target. Where the table says "at least", even that is only a lower bound.
#
# So quote the factor with its condition. What is universal is the shape: random errors have *some* finite price; where a wrong label is more frequent than the right one, there is none.

# %% tags=["claim"]
lesson.claim(
    fits_every_label,
    "far apart 0.99, 0.2: to theory",
    name="separable clouds cost more than the folk factor",
    statement="For logistic regression on clouds that are nearly separable, 20% flips cost more than the folk factor (to stay at 99% of what is possible).",
    prediction="measured to theory above 1",
    talk=["T3"],
    scope="world",
    unit="",
    above=1.0,
    expected="holds",
    tolerance=1.0,
    repeatable=False,
)

# %% [markdown]
# ### 10 · Your own text eats itself
#
# Any text will do. The cell takes the source of this lesson, prose and code; put the path of your own in its place. Its words are counted, and each text of the next model is as long as yours. The closed form needs nothing but your word counts.

# %%
from collections import Counter

from helpers.grounding.corpus import read_corpus

MY_TEXT = helpers.settings.ROOT / "notebooks" / "source" / "05_learning_from_your_own_data.py"
# your own: MY_TEXT = "~/texts/my_book.txt"
words = re.findall(r"[^\W\d_]+", " ".join(read_corpus(MY_TEXT).sentences).lower())
counts = np.array(list(Counter(words).values()))
rng, rows = np.random.default_rng(0), []
expected = surviving_kinds(counts / counts.sum(), len(words), 5)
for t in range(1, 6):
    counts = rng.multinomial(len(words), counts / counts.sum())
    rows.append([f"text {t}", int((counts > 0).sum()), f"{expected[t - 1]:.0f}"])
plots.table(
    rows,
    ["", "different words", "closed form"],
    caption=f"Your text has {len(words):,} words, {len(set(words)):,} different ones",
)

# %% [markdown]
# Text 1 is what the first model writes, so it corresponds to text 0 of the closed form with your shares as the real ones. The words that go first are the ones you used once: names, and whatever made the text yours.
#
# ## Quiz

# %%
lesson.quiz("recap")

# %% [markdown]
# ## Recap
#
# - **Replace** collapses, at a rate that one can compute beforehand. **Accumulate** does not, and ends somewhat worse than the first model: what works brings information in from outside, be it kept real data, fresh real data, a verifier, or a better teacher.
# - A filter for the *plausible* hastens the collapse. A filter for the *true* keeps truth and moves speech to what is common; re-balancing what it accepts repairs much of that.
# - Count what is true *and* different. Means, shares of truth and kinds in any sentence can each look fine while the rest dies.
# - Random errors cost a factor; errors with a system cost a factor while the right label is still the most frequent one, and everything once a wrong one is.
#
# **What of the talk?** That collapse needs a narrow regime is borne out: it needs that real data are thrown away. But "unrealistic" is not "wrong". The paper itself also kept 10% of the real data and found the loss minor, a regime in between is what a tight budget leads to, and not diverging is a low bar. That low-quality data "just take more" holds for random errors, and is false where errors have a system.
#
# **Limits of this demo.** Sentences of two words, bell curves, and a language model of 0.1 million parameters; a verifier that is never wrong; 48 or 1,000 kinds with exact Zipf frequencies. The rates depend on all that. What carries over is which quantity stays the same on average whatever happens to single runs (a *martingale*), which one is biased, and where information enters. In the field section nothing was trained.
#
# **References.** Shumailov et al., *AI models collapse when trained on recursively generated data*, 2024. Gerstgrasser et al., *Is model collapse inevitable? Breaking the curse of recursion by accumulating real and synthetic data*, 2024 (the π²/6). Alemohammad et al., *Self-consuming generative models go MAD*, 2023 (fresh and fixed real data; preferring quality costs diversity). Watson and Galton, *On the probability of the extinction of families*, 1875. Dey and Donoho, *Universality of the π²/6 pathway in avoiding model collapse*, 2024. Natarajan et al., *Learning with noisy labels*, 2013. Rolnick et al., *Deep learning is robust to massive label noise*, 2017. Huber, *The behavior of maximum likelihood estimates under nonstandard conditions*, 1967.

# %% tags=["volatile"]
lesson.recap(
    left=f"{fed.interval(f'replace: kinds {LAST}').mean:.0f} kinds (mean over the seeds)",
    verifier=f"{sifted.interval(f'verified - no filter: true kinds {LAST}').mean:+.0f} kinds against no filter (mean over the seeds)",
    crew=f"{judged.interval('random, 80% wrong: 256').mean:.1%} (mean over the seeds)",
)
