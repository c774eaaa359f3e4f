# %% [markdown]
# # 01 · Language models in one page
#
# What does a language model's probability say about the truth?
#
# After this lesson you can
#
# - compute the next-token loss and the log-probability of a sentence, and mask a prompt out of both;
# - say what temperature, supervised fine-tuning (SFT) and a KL leash to a frozen reference do (the last two under *Dig deeper*), because you have done each;
# - read a mean with its interval, and say when it allows no verdict;
# - say why a model that only reads text can tell a true caption from a false one, and when it cannot.

# %% [markdown]
# ## May you skip this lesson?
#
# Six questions. With five or more right you may go straight on to the next lesson. Otherwise the explanation of each wrong answer names the section to read.

# %% tags=["volatile", "evidence"]
import helpers

lesson = helpers.begin("01")

# %%
lesson.quiz("diagnostic")

# %% [markdown]
# ## A guess before you measure
#
# Below, a language model with 135 million parameters gets two captions of a scene: a true one, and one in which a single word is false (a dog instead of a cat, say). We ask which of the two it finds more probable.
# **It is told nothing about the scene.** Commit to a guess; the recap holds it against the measurement.

# %%
lesson.predict(
    "told_nothing",
    "Told nothing about the scene, how often does the model prefer the true caption?",
    minimum=0,
    maximum=100,
    unit="%",
)

# %% [markdown]
# ## 1 · A sentence is a row of numbers
#
# Our world knows the truth about every scene, and can say it. A *record* lists the facts; a *caption* puts them into a sentence.
# The record will be the **prompt**, the caption the **answer**.

# %% tags=["evidence"]
import math
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from tqdm.auto import tqdm

from helpers import world
from helpers.models.threads import threads
from helpers.world import Scene, describe, sample


def record(scene: Scene) -> str:
    return f"Scene: {scene.size}, {scene.color}, {scene.kind}, {scene.verb}, {scene.place}. Caption:"


# %%
from helpers.lesson import plots

scene = sample(1, seed=7)[0]
plots.picture_strip(
    [world.draw(scene, 96)], [describe(scene)], alt=f"A picture of the scene: {describe(scene)}"
)
print(record(scene))

# %% [markdown]
# A model does not see letters. Each word (or piece of a word) is a **token**, and each token has a number, its *id*.
# Our tiny model's tokens are the world's words. `<end>` says that the answer is over; `huge` is a word that no caption uses yet (section 7 teaches it).


# %% tags=["evidence"]
def words(text: str) -> list[str]:
    return re.findall(r"\w+|[.,:]", text.lower())


TOKENS = [
    "<end>",
    "huge",
    *sorted(
        {word for text in [*world.vocabulary(), "scene caption . , :", *world.PLACES] for word in words(text)}
    ),
]
ID = {token: number for number, token in enumerate(TOKENS)}


def encode(prompt: str, answer: str) -> tuple[Tensor, Tensor]:
    """Token ids of prompt + answer + <end>, and for each whether it belongs to the answer. Shapes: (length,)."""
    prompt_ids = [ID[word] for word in words(prompt)]
    answer_ids = [ID[word] for word in words(answer)] + [ID["<end>"]]
    is_answer = [False] * len(prompt_ids) + [True] * len(answer_ids)
    return torch.tensor(prompt_ids + answer_ids), torch.tensor(is_answer)


def collate(rows: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Rows of unequal length as two rectangles (batch, longest); what is added at the end counts as no answer."""
    ids, is_answer = zip(*rows, strict=True)
    return pad_sequence(ids, batch_first=True), pad_sequence(is_answer, batch_first=True)


# %%
ids, is_answer = encode(record(scene), describe(scene))
plots.table(
    [[TOKENS[i], int(i), "answer" if a else "prompt"] for i, a in zip(ids, is_answer, strict=True)],
    ["token", "id", "part"],
)
lesson.say("{tokens} different tokens are enough for this world.", tokens=len(TOKENS))

# %% [markdown]
# ## 2 · The next-token loss
#
# A language model does one thing: from the tokens so far it gives a probability to every possible next token. Here is a whole one, a transformer with two layers and 16 numbers per token.
# The causal mask forbids looking ahead: position *t* sees tokens up to *t*, and its output is a guess about token *t + 1*.


# %% tags=["evidence"]
class TinyLM(nn.Module):
    """ids (batch, length) -> logits (batch, length, tokens); logits at t are about the token at t + 1."""

    def __init__(self, width: int = 16, longest: int = 48) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(TOKENS), width)
        self.position = nn.Embedding(longest, width)
        layer = nn.TransformerEncoderLayer(
            width, 2, 2 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, ids: Tensor) -> Tensor:
        length = ids.shape[1]
        ahead = torch.triu(torch.ones(length, length, dtype=torch.bool), 1)
        hidden = self.layers(self.embed(ids) + self.position.weight[:length], mask=ahead)
        return hidden @ self.embed.weight.T


# %%
torch.manual_seed(0)
untrained = TinyLM()
lesson.say("This model has {count:,} parameters.", count=sum(p.numel() for p in untrained.parameters()))

# %% [markdown]
# The model's output are **logits**: one score per token, of any size. `log_softmax` turns the scores into logarithms of probabilities that add up to 1. To pick one number per position, torch has `gather`; the next cell shows both on four positions and three tokens.

# %%
scores = torch.tensor(
    [[2.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 3.0, 0.0], [1.0, 1.0, 0.0]]
)  # (position, token)
picks = torch.tensor([0, 2, 1, 1])  # one token per position
logps = scores.log_softmax(-1)
print(logps.gather(-1, picks[:, None]))  # the index needs as many dimensions as the scores: hence the None

# %% [markdown]
# The model's *surprise* about the token that really came next is minus its log-probability, and the **next-token loss** is the mean surprise. Its unit is the *nat*, as for everything measured with natural logarithms.
#
# > **Exercise 1 · `token_logps`** · ★★☆ · 12 minutes
# >
# > Given logits `(batch, length, tokens)` and ids `(batch, length)`, return the log-probability that the model gave to each token that came next: shape `(batch, length - 1)`. Mind the shift: the logits at position *t* are about the token at position *t + 1*.
# >
# > <details><summary>Hint 1</summary>The last position's logits are about a token that we do not have, and the first token was predicted by nobody. So drop one position of each.</details>
# > <details><summary>Hint 2</summary>Normalize over the last dimension with <code>log_softmax(-1)</code>; then pick one number per position with <code>gather</code>.</details>
# > <details><summary>Hint 3</summary><code>gather(-1, index)</code> wants an index with as many dimensions as the logits: add one with <code>[..., None]</code>, and take it away again afterwards.</details>


# %% tags=["evidence"]
def token_logps(logits: Tensor, ids: Tensor) -> Tensor:
    """Log-probability of each next token: (batch, length, tokens), (batch, length) -> (batch, length - 1)."""
    # BEGIN SOLUTION
    logps = logits[:, :-1].log_softmax(-1)
    return logps.gather(-1, ids[:, 1:, None])[..., 0]
    # END SOLUTION


# %% tags=["evidence"]
token_logps = lesson.check(token_logps)

# %%
with torch.no_grad():
    loss_untrained = -token_logps(untrained(ids[None]), ids[None]).mean()
lesson.say(
    "The untrained model's mean surprise on this sentence is {loss:.1f}. A model that gives each of the {tokens} tokens the same chance has ln {tokens} = {uniform:.1f}. Random weights are worse than no opinion: they are sure of themselves, and wrong.",
    loss=float(loss_untrained),
    tokens=len(TOKENS),
    uniform=float(torch.log(torch.tensor(float(len(TOKENS))))),
)

# %% [markdown]
# ## 3 · The log-probability of an answer, and the mask
#
# Probabilities of words in a row multiply; their logarithms add up. So the log-probability of an answer, given its prompt, is the **sum** of its tokens' log-probabilities, and the prompt's tokens are left out: they were given, not said.
#
# > **Exercise 2 · `answer_logps`** · ★★☆ · 8 minutes
# >
# > From `token_logps` of shape `(batch, length - 1)` and `is_answer` of shape `(batch, length)`, return the summed log-probability of each row's answer: shape `(batch,)`.
# >
# > <details><summary>Hint 1</summary>There is one log-probability less than there are tokens. Which token does the first log-probability belong to?</details>
# > <details><summary>Hint 2</summary>Drop the first column of <code>is_answer</code>; then the two fit together.</details>
# > <details><summary>Hint 3</summary>A boolean mask times a number is the number or 0.</details>


# %% tags=["evidence"]
def answer_logps(logps: Tensor, is_answer: Tensor) -> Tensor:
    """Summed log-probability of each answer: (batch, length - 1), (batch, length) -> (batch,)."""
    # BEGIN SOLUTION
    return (logps * is_answer[:, 1:]).sum(-1)
    # END SOLUTION


# %% tags=["evidence"]
answer_logps = lesson.check(answer_logps)

# %% [markdown]
# Training is the same number with a minus sign: raise the answers' log-probabilities. Half of the training prompts are the record, the other half an empty scene, so that the model learns to speak both when it is told something and when it is told nothing.

# %% tags=["evidence"]
NOTHING = "Scene: Caption:"


@cache  # asked again for the same seed, it gives the same model
@threads(1)  # so small a model is faster on one thread
def train(seed: int, steps: int, mask_prompt: bool = True) -> TinyLM:
    """A tiny model trained on true captions; a step sees 64 of them, half with their record as the prompt."""
    torch.manual_seed(seed)
    model = TinyLM()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.015)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.015, steps)
    for step in tqdm(range(steps), desc="training", leave=False):
        batch = sample(64, seed=1_000_000 * (seed + 1) + step)
        ids, is_answer = collate(
            [encode(record(s) if i % 2 else NOTHING, describe(s)) for i, s in enumerate(batch)]
        )
        counted = is_answer if mask_prompt else torch.ones_like(is_answer)
        logps = token_logps(model(ids), ids)
        loss = -answer_logps(logps, counted).sum() / counted.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


# %% tags=["evidence"]
STEPS = lesson.size(800, smoke=60)

# %%
model = train(seed=0, steps=STEPS)

# %% [markdown]
# What does it say now? `speak` always takes the most probable next token, until `<end>`.


# %%
@torch.no_grad()
def speak(model: TinyLM, prompt: str, longest: int = 16) -> str:
    ids = torch.tensor([ID[word] for word in words(prompt)])
    said = []
    while len(said) < longest and (not said or said[-1] != "<end>"):
        ids = torch.cat([ids, model(ids[None])[0, -1].argmax()[None]])
        said.append(TOKENS[ids[-1]])
    return " ".join(said)


with torch.no_grad():
    loss_trained = -token_logps(model(ids[None]), ids[None])[0][is_answer[1:]].mean()
plots.table(
    [["the record", speak(model, record(scene))], ["nothing", speak(model, NOTHING)]],
    ["told", "the trained model says"],
)
lesson.say(
    "Its mean surprise on the answer of our sentence is now {loss:.2f}. Told nothing, it still speaks the world's language; it just cannot know which scene is meant.",
    loss=float(loss_trained),
)

# %% [markdown]
# Now look at the surprise word by word: once for the true caption, once for a caption with one false word.

# %%
false_scene = replace(scene, color=next(color for color in world.COLORS if color != scene.color))


@torch.no_grad()
def surprises(prompt: str, answer: str) -> tuple[list[str], list[float]]:
    ids, is_answer = encode(prompt, answer)
    logps = token_logps(model(ids[None]), ids[None])[0]
    return [TOKENS[i] for i in ids[is_answer]], (-logps[is_answer[1:]]).tolist()


true_words, true_surprise = surprises(record(scene), describe(scene))
false_words, false_surprise = surprises(record(scene), describe(false_scene))
plots.paired_bars(
    [t if t == f else f"{t} / {f}" for t, f in zip(true_words, false_words, strict=True)],
    {"true caption": true_surprise, "one word is false": false_surprise},
    "surprise in nats (−log-probability)",
    alt=f"Pairs of bars, one pair per word. They differ where the captions do: {scene.color} against {false_scene.color}.",
)
lesson.say(
    "All surprises together: {true:.1f} for the true caption, {false:.1f} for the false one. The sum is minus the caption's log-probability, so the true caption is the {verdict} probable one.",
    true=sum(true_surprise),
    false=sum(false_surprise),
    verdict="more" if sum(true_surprise) < sum(false_surprise) else "less",
)

# %% [markdown]
# ## 4 · Does it know, or was it told?
#
# Here is the lesson's question as an experiment. Take many scenes; for each a true caption, and one in which a single fact, drawn at random, is false. Which has the higher log-probability? We ask three times:
#
# - the prompt is **the truth** (the scene's own record);
# - the prompt is **nothing**;
# - the prompt is **a lie**: the record of the false scene.
#
# The last two are controls. If the captions themselves gave the truth away, being told nothing would be enough. And a model that knows what is so should resist a lie, while one that repeats what it is told should fall for it.

# %% tags=["evidence"]
import random

SOLO_VERBS = [verb for verb in world.VERBS if verb != "chases"]


def with_one_lie(scene: Scene, rng: random.Random) -> Scene:
    """The same scene with one fact, chosen at random, changed to another value."""
    values = {
        "kind": world.KINDS,
        "color": world.COLORS,
        "size": world.SIZES,
        "place": world.PLACES,
        "verb": SOLO_VERBS,
    }
    fact = rng.choice(list(values))
    return replace(scene, **{fact: rng.choice([v for v in values[fact] if v != getattr(scene, fact)])})


Score = Callable[[list[str], list[str]], Tensor]  # prompts, answers -> log-probability of each answer


def prefers_truth(score: Score, seed: int, pairs: int) -> dict[str, float]:
    """Share of pairs in which `score` gives the true caption more than the false one, for three kinds of prompt."""
    rng = random.Random(seed)
    scenes = sample(pairs, seed=500_000 + seed)
    lies = [with_one_lie(s, rng) for s in scenes]
    prompts = {
        "truth": [record(s) for s in scenes],
        "nothing": [NOTHING] * pairs,
        "lie": [record(s) for s in lies],
    }
    true, false = [describe(s) for s in scenes], [describe(s) for s in lies]
    return {told: (score(p, true) > score(p, false)).float().mean().item() for told, p in prompts.items()}


# %% tags=["evidence"]
@lesson.experiment(seeds=6)
def tiny_prefers_truth(seed: int) -> dict[str, float]:
    model = train(seed, STEPS)

    @torch.no_grad()
    def score(prompts: list[str], answers: list[str]) -> Tensor:
        ids, is_answer = collate([encode(p, a) for p, a in zip(prompts, answers, strict=True)])
        return answer_logps(token_logps(model(ids), ids), is_answer)

    return prefers_truth(score, seed, pairs=lesson.size(400, smoke=40))


# %%
tiny = lesson.measure(tiny_prefers_truth, live=1)

# %% [markdown]
# And the same of a real model: SmolLM2-135M-Instruct, trained on about two trillion tokens of text. Its tokens are pieces of words, and a space belongs to the word that it stands before (hence the `" "` before the answer). Rows are padded at the end as before; a causal model never looks to the right, so padding changes nothing. Everything else is the code that you have just seen.

# %% tags=["evidence"]
from helpers.models import real

lm = real.language_model()


@torch.no_grad()
def real_answer_logps(prompts: list[str], answers: list[str]) -> Tensor:
    """The real model's log-probability of each answer, four at a time; as in exercises 1 and 2."""
    sums = []
    for start in range(0, len(prompts), 4):
        rows = []
        for prompt, answer in zip(prompts[start : start + 4], answers[start : start + 4], strict=True):
            prompt_ids, answer_ids = lm.tokenizer(prompt).input_ids, lm.tokenizer(" " + answer).input_ids
            is_answer = [False] * len(prompt_ids) + [True] * len(answer_ids)
            rows.append((torch.tensor(prompt_ids + answer_ids), torch.tensor(is_answer)))
        ids, is_answer = collate(rows)
        hidden = lm.model.model(ids.to(lm.model.device)).last_hidden_state
        for row in range(len(rows)):  # one row's logits at a time: with 49,152 tokens they are large
            logits = lm.model.lm_head(hidden[row : row + 1]).float().cpu()
            logps = token_logps(logits, ids[row : row + 1])
            sums.append(answer_logps(logps, is_answer[row : row + 1]))
    return torch.cat(sums)


@lesson.experiment(seeds=6)
def real_prefers_truth(seed: int) -> dict[str, float]:
    return prefers_truth(real_answer_logps, seed, pairs=lesson.size(48, smoke=4))


# %%
if lm:
    lesson.measure(real_prefers_truth, live=1)

# %% [markdown]
# The decisive figure: one dot per seed, with the mean and its 95% interval. For our tiny model a seed is a new training run and new scenes; for the real model, whose weights are fixed, it is a new set of scenes.

# %%
rows = []
for name, experiment in [("tiny", tiny_prefers_truth), ("SmolLM2", real_prefers_truth)]:
    results = lesson.results_of(experiment)
    if results.records:
        for told, label in [("truth", "told the truth"), ("nothing", "told nothing"), ("lie", "told a lie")]:
            rows.append(results.row(told, f"{name}, {label}"))
plots.interval_plot(
    rows,
    "share of pairs in which the true caption is preferred",
    alt="Interval plot. Told the truth both models prefer the true caption nearly always, "
    "told nothing in about half of the pairs, told a lie hardly ever.",
    threshold=0.5,
    threshold_name="chance",
)

# %% tags=["claim"]
for name, scope, experiment in [
    ("The tiny model", "world", tiny_prefers_truth),
    ("SmolLM2-135M", "real", real_prefers_truth),
]:
    lesson.claim(
        experiment,
        "truth",
        name=f"{scope}: told the truth",
        statement=f"{name}, told the scene's record, prefers the true caption.",
        prediction="more often than not (above 0.5)",
        talk=["T10"],
        scope=scope,
        unit="of pairs with the true caption preferred",
        above=0.5,
        expected="holds",
        tolerance=0.1,
        repeatable=scope == "real",
    )
    lesson.claim(
        experiment,
        "nothing",
        name=f"{scope}: told nothing",
        statement=f"{name}, told nothing, is at chance (a null: margin ±0.15).",
        prediction="0.5, since the two captions of a pair are equally likely to be the true one",
        talk=["T10"],
        scope=scope,
        unit="of pairs with the true caption preferred",
        within=(0.35, 0.65),
        expected="holds",
        tolerance=0.1,
        repeatable=scope == "real",
    )
    lesson.claim(
        experiment,
        "lie",
        name=f"{scope}: told a lie",
        statement=f"{name}, told a lie about the scene, prefers the caption that repeats the lie.",
        prediction="the true caption is preferred in fewer than half of the pairs",
        talk=["T10"],
        scope=scope,
        unit="of pairs with the true caption preferred",
        below=0.5,
        expected="holds",
        tolerance=0.1,
        repeatable=scope == "real",
    )

# %% [markdown]
# Read the three rows together. Told the truth, a model looks as if it knew the scene. Told a lie, it repeats the lie just as readily. So what the first row shows is not knowledge of the scene but of *what was said about it*.
# That is what the talk means when it calls text a **proxy for observation**: whoever wrote the record did the looking. Being at chance when told nothing is no surprise (the pairs are built so that nothing favors the true one), and that is the point of this control: it shows that the captions themselves give nothing away. Its margin is wide because a seed has few pairs for the real model.

# %% [markdown]
# ## 5 · Reading an interval
#
# One run is an anecdote. The course repeats every experiment over seeds that were fixed beforehand, and reports the mean with a 95% **Student t interval**: $\bar{x} \pm t \cdot s / \sqrt{n}$, where $s$ is the standard deviation with $n - 1$ in the denominator, and $t$ = 2.571 for $n$ = 6. The verdict comes from the interval, never from the mean:
#
# - it **holds** if the whole interval lies inside the region that the claim names;
# - it **fails** if the whole interval lies outside;
# - anything else is **inconclusive**, and so is anything with fewer than six seeds.
#
# Where two arms share their seeds, they are *paired*: the difference is taken within each seed first, and the interval is that of the differences.
#
# Such an interval knows nothing about the limits of what it measures: for shares close to 0 or 1 it may stick out beyond them. And six equal values give an interval of width zero, which says that these seeds agree, not that nothing else is possible.
#
# > **Exercise 3 · `interval_of_six`** · ★☆☆ · 6 minutes
# >
# > Return `(low, high)`, the 95% interval of six values.
# >
# > <details><summary>Hint 1</summary><code>statistics.stdev</code> has n − 1 in the denominator; <code>statistics.pstdev</code> and numpy's default have not.</details>
# > <details><summary>Hint 2</summary>Divide by the square root of six, not by six.</details>

# %%
import statistics


def interval_of_six(values: list[float]) -> tuple[float, float]:
    """The 95% Student t interval of six values: (low, high)."""
    # BEGIN SOLUTION
    mean = statistics.fmean(values)
    half = 2.571 * statistics.stdev(values) / 6**0.5
    return mean - half, mean + half
    # END SOLUTION


# %%
interval_of_six = lesson.check(interval_of_six)

# %%
told_nothing = lesson.results_of(real_prefers_truth).values("nothing")
if len(told_nothing) == 6:
    low, high = interval_of_six(told_nothing)
    lesson.say(
        "SmolLM2 told nothing, six sets of scenes: {values}. Mean {mean:.2f}, interval from {low:.2f} to {high:.2f}. One set alone would have given anything between {least:.2f} and {most:.2f}.",
        values=", ".join(f"{value:.2f}" for value in told_nothing),
        mean=statistics.fmean(told_nothing),
        low=low,
        high=high,
        least=min(told_nothing),
        most=max(told_nothing),
    )

# %% [markdown]
# ## 6 · Temperature
#
# To *speak*, a model draws the next token from its probabilities. Dividing the logits by a temperature $T$ first makes it bolder ($T < 1$: the favorite wins more often) or wilder ($T > 1$). $T$ changes how we draw; it teaches the model nothing.
# Move the slider: what happens to the favorite, and to the *perplexity* (roughly, among how many tokens the model hesitates)?

# %%
PROMPTS = ["The color of a cat is", "The color of a sheep is", "A small cat", "The bird is able to"]
if lm:
    with torch.no_grad():
        ends = {
            p: lm.model(torch.tensor([lm.tokenizer(p).input_ids], device=lm.model.device))
            .logits[0, -1]
            .float()
            .cpu()
            for p in PROMPTS
        }
else:
    with torch.no_grad():
        ends = {
            p: model(torch.tensor([[ID[w] for w in words(p)]]))[0, -1]
            for p in ["scene : caption : a", "scene : caption : a small"]
        }


def spell(token: int) -> str:
    return lm.tokenizer.decode([token]) if lm else TOKENS[token]


lesson.widget("temperature", ends=ends, spell=spell)

# %% [markdown]
# ---
# ## Dig deeper
#
# Three independent sections and a drill; none is needed for the next lesson. (Lesson 07 builds on section 7.)
#
# ### 7 · SFT, and a leash to a frozen reference
#
# **Supervised fine-tuning** is training as before, on a few examples of what we want. Here 64 captions of *big cats* say "huge" instead of "big". We hope that the model then says "huge" of every big animal, and that nothing else changes. To see what else changes we keep a **frozen reference**, a copy of the model before SFT, and measure the **KL divergence** from it:
#
# $$\mathrm{KL}(\pi \,\|\, \pi_\mathrm{ref}) = \sum_y \pi(y) \, \big(\log \pi(y) - \log \pi_\mathrm{ref}(y)\big)$$
#
# > **Exercise 4 · `token_kl`** · ★★☆ · 8 minutes
# >
# > From logits and reference logits of shape `(batch, length, tokens)`, return the KL divergence at every position: shape `(batch, length)`.
# >
# > <details><summary>Hint 1</summary>Both need <code>log_softmax(-1)</code> first; the probabilities are <code>exp</code> of the first.</details>
# > <details><summary>Hint 2</summary>The weights are the <em>model's</em> probabilities, not the reference's. KL is never negative, and 0 only where the two agree.</details>


# %% tags=["evidence"]
def token_kl(logits: Tensor, ref_logits: Tensor) -> Tensor:
    """KL(model || reference) at every position: two (batch, length, tokens) -> (batch, length)."""
    # BEGIN SOLUTION
    logps, ref_logps = logits.log_softmax(-1), ref_logits.log_softmax(-1)
    return (logps.exp() * (logps - ref_logps)).sum(-1)
    # END SOLUTION


# %% tags=["evidence"]
token_kl = lesson.check(token_kl)

# %% [markdown]
# The leash: add $\beta$ times the KL to the loss. The methods of lessons 07 to 09 (DPO, KTO, APO) all have such a reference and such a $\beta$ in them.
# After SFT we ask two things on *other animals*, which no example showed: how probable is "huge" for a big one (learned), and how far have the captions of *small* ones, where nothing should change, moved from the reference (drift, in KL per caption)?

# %% tags=["evidence"]
import copy

BETAS = [0.0, 0.1, 0.3, 1.0]


def huge(caption: str) -> str:
    return caption.lower().replace(" big ", " huge ").replace(" large ", " huge ")


@threads(1)
def fine_tune(base: TinyLM, demos: list[tuple[Tensor, Tensor]], beta: float, seed: int) -> TinyLM:
    """SFT on the demos: 60 steps on 32 of them, with beta * KL to the frozen base in the loss."""
    torch.manual_seed(seed)
    model = copy.deepcopy(base).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(60):
        ids, is_answer = collate([demos[i] for i in torch.randperm(len(demos))[:32].tolist()])
        logits = model(ids)
        with torch.no_grad():
            ref_logits = base(ids)
        leash = token_kl(logits[:, :-1], ref_logits[:, :-1]) * is_answer[:, 1:]
        loss = -answer_logps(token_logps(logits, ids), is_answer) + beta * leash.sum(-1)
        optimizer.zero_grad()
        (loss.sum() / is_answer.sum()).backward()
        optimizer.step()
    return model.eval()


# %% tags=["evidence"]
@lesson.experiment(seeds=6)
def leash(seed: int) -> dict[str, float]:
    base = train(seed, STEPS)
    scenes = sample(900, seed=700_000 + seed)
    demos = [
        encode(record(s), huge(describe(s)))
        for s in (replace(s, kind="cat", size="big") for s in scenes[:64])
    ]
    others = [s for s in scenes[64:] if s.kind != "cat"]
    big_ids, _ = collate([encode(record(s), huge(describe(s))) for s in others if s.size == "big"])
    small_ids, small_answer = collate([encode(record(s), describe(s)) for s in others if s.size == "small"])
    measures = {}
    for beta in BETAS:
        model = fine_tune(base, demos, beta, seed)
        with torch.no_grad():
            probabilities = token_logps(model(big_ids), big_ids).exp()
            measures[f"learned {beta}"] = probabilities[big_ids[:, 1:] == ID["huge"]].mean().item()
            kl = token_kl(model(small_ids), base(small_ids))[:, :-1] * small_answer[:, 1:]
            measures[f"drift {beta}"] = kl.sum(-1).mean().item()
    measures["drift saved"] = measures["drift 0.0"] - measures["drift 0.3"]
    measures["learning lost"] = measures["learned 0.0"] - measures["learned 0.3"]
    return measures


# %%
results = lesson.measure(leash, live=1)
plots.table(
    [
        [f"{beta:g}", str(results.interval(f"learned {beta}")), str(results.interval(f"drift {beta}"))]
        for beta in BETAS
    ],
    ["β", "learned: probability of “huge”", "drift: KL per caption of small animals"],
    caption="Mean and 95% interval over the seeds",
)

# %% tags=["claim"]
lesson.claim(
    leash,
    "drift saved",
    name="leash saves drift",
    statement="A KL leash (β = 0.3) to the frozen reference lowers the drift that SFT causes elsewhere.",
    prediction="less drift than without a leash (difference above 0, paired by seed)",
    scope="world",
    unit="nats per caption",
    above=0.0,
    expected="holds",
    repeatable=False,
)
lesson.claim(
    leash,
    "learning lost",
    name="leash costs learning",
    statement="The same leash costs some of what SFT was to teach.",
    prediction="a lower probability of the new word (difference above 0, paired by seed)",
    scope="world",
    unit="of probability",
    above=0.0,
    expected="holds",
    repeatable=False,
)

# %% [markdown]
# More leash, less drift, and less learning: it is a trade, and at these settings a poor one, since drift falls to a fraction only where "huge" is hardly learned. What a drift of so many nats looks like in a caption:

# %%
big_cats = [replace(s, kind="cat", size="big") for s in sample(64, seed=700_000)]
cat_demos = [encode(record(s), huge(describe(s))) for s in big_cats]
small_dog = Scene("dog", "brown", "small", "beach", "jumps")
big_dog = replace(small_dog, size="big")
spoken = [["before SFT", speak(model, record(small_dog)), speak(model, record(big_dog))]]
for beta in BETAS:
    tuned = fine_tune(model, cat_demos, beta, seed=0)
    spoken.append([f"β = {beta:g}", speak(tuned, record(small_dog)), speak(tuned, record(big_dog))])
plots.table(spoken, ["model", "of a small dog that jumps", "of a big dog that jumps"])

# %% [markdown]
# ### 8 · SFT on the real model, with 576 numbers
#
# Training all 135 million parameters needs more memory than the 2 GB of Binder, the free service that runs this course in a browser. But SFT does not have to touch them all. SmolLM2's last layer multiplies each of its 576 hidden numbers by a scale before it compares them with the tokens. We compute the hidden numbers once, and train only these 576 scales on 24 captions.

# %% tags=["evidence"]
EVERYDAY = [
    "The train to the city leaves at noon.",
    "She put the letter on the kitchen table.",
    "Water boils when it gets hot enough.",
    "My brother plays the guitar every evening.",
    "The market was closed because of the rain.",
    "He wrote a short note and went home.",
    "Bread is made from flour, water and salt.",
    "The library opens at nine in the morning.",
]


@torch.no_grad()
def hidden_and_next(texts: list[str]) -> tuple[Tensor, Tensor]:
    """The real model's last hidden numbers (tokens, 576) of all texts in a row, and the next ids (tokens,)."""
    rows = [torch.tensor(lm.tokenizer(text).input_ids) for text in texts]
    ids = pad_sequence(rows, batch_first=True)
    hidden = lm.model.model(ids.to(lm.model.device)).last_hidden_state.float().cpu()
    kept = [(hidden[i, : len(row) - 1], row[1:]) for i, row in enumerate(rows)]
    return torch.cat([h for h, _ in kept]), torch.cat([n for _, n in kept])


@lesson.experiment(seeds=6)
def real_sft(seed: int) -> dict[str, float]:
    captions = [describe(s) for s in sample(48, seed=800_000 + seed)]
    train_hidden, train_next = hidden_and_next(captions[:24])
    test_hidden, test_next = hidden_and_next(captions[24:])
    everyday, _ = hidden_and_next(EVERYDAY)
    head = lm.model.lm_head.weight.detach().float().cpu()  # (tokens, 576)
    scale = torch.ones(head.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([scale], lr=0.03)
    with torch.no_grad():
        before = cross_entropy(test_hidden @ head.T, test_next)
    for _ in range(lesson.size(10, smoke=1)):
        optimizer.zero_grad()
        cross_entropy((train_hidden * scale) @ head.T, train_next).backward()
        optimizer.step()
    with torch.no_grad():
        after = cross_entropy((test_hidden * scale) @ head.T, test_next)
        drift = token_kl((everyday * scale)[None] @ head.T, everyday[None] @ head.T).mean()
    return {"before": before, "after": after, "gain": before - after, "drift": drift}


# %%
if lm:
    sft = lesson.measure(real_sft, live=1)
    lesson.say(
        "On captions that it was not trained on, the real model's next-token loss falls from {before} to {after}. The price: on eight everyday sentences the KL to the untouched model is {drift} nats per token. (A token that the tuned model draws is then, on geometric average, {factor:.2f} times as probable as before.)",
        before=str(sft.interval("before")),
        after=str(sft.interval("after")),
        drift=str(sft.interval("drift")),
        factor=math.exp(sft.interval("drift").mean),
    )

# %% tags=["claim"]
lesson.claim(
    real_sft,
    "gain",
    name="real: SFT of 576 numbers",
    statement="SFT of 576 of SmolLM2's parameters on 24 captions lowers its loss on other captions.",
    prediction="loss before minus loss after is above 0",
    scope="real",
    unit="nats per token",
    above=0.0,
    expected="holds",
    tolerance=0.2,
)

# %% [markdown]
# ### 9 · Does the mask matter?
#
# Trainers mask the prompt's tokens out of the loss. One reason: the model should learn to answer, not to invent prompts. Does it buy anything here? We train with and without the mask, with equal steps and equal seeds, and compare how probable the *true answer* is afterwards.


# %% tags=["evidence"]
@lesson.experiment(seeds=6)
def mask(seed: int) -> dict[str, float]:
    scenes = sample(400, seed=900_000 + seed)
    ids, is_answer = collate([encode(record(s), describe(s)) for s in scenes])
    measures = {}
    for name, masked in [("with", True), ("without", False)]:
        model = train(seed, STEPS, mask_prompt=masked)
        with torch.no_grad():
            measures[name] = answer_logps(token_logps(model(ids), ids), is_answer).mean().item()
    return {**measures, "gain": measures["with"] - measures["without"]}


# %%
masks = lesson.measure(mask, live=0)  # two trainings a seed: with live=1 it takes about 20 seconds more

# %% tags=["claim"]
lesson.claim(
    mask,
    "gain",
    name="mask helps",
    statement="At equal steps, masking the prompt out of the loss makes the true answer more probable.",
    prediction="a higher log-probability with the mask (difference above 0, paired by seed)",
    scope="world",
    unit="nats per answer",
    above=0.0,
    expected="holds",
    repeatable=False,
)

# %%
if masks.records:
    lesson.say(
        "The true answer's log-probability is {masked} with the mask and {unmasked} without it. Every seed's difference: {gains}.",
        masked=str(masks.interval("with")),
        unmasked=str(masks.interval("without")),
        gains=", ".join(f"{gain:+.2f}" for gain in masks.values("gain")),
    )

# %% [markdown]
# Why? Our guess is that a model of this size has little room, and without the mask spends part of it on predicting records, which nobody will ask it for. Another reason is at work as well: the loss is a mean, so unmasked prompts also lower the weight of each answer token. This experiment cannot tell the two apart, and the gain differs much from seed to seed.

# %% [markdown]
# ### Failure drill: the loss that was too good
#
# The most common mistake in a first language model is to forget the shift, and to score each position on the token that it has *just seen*. The loss falls beautifully. Watch what the model has learned.


# %%
def unshifted_logps(logits: Tensor, ids: Tensor) -> Tensor:
    # The mistake: the logits at t are scored on the token at t.
    return logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0]


torch.manual_seed(0)
cheat = TinyLM()
optimizer = torch.optim.AdamW(cheat.parameters(), lr=0.01)
drill_ids, drill_answer = collate([encode(record(s), describe(s)) for s in sample(64, seed=3)])
for _ in range(150):
    optimizer.zero_grad()
    unshifted = unshifted_logps(cheat(drill_ids), drill_ids)[:, 1:]
    drill_loss = -answer_logps(unshifted, drill_answer).sum() / drill_answer.sum()
    drill_loss.backward()
    optimizer.step()
with torch.no_grad():
    logps = token_logps(model(drill_ids), drill_ids)
    honest_loss = -answer_logps(logps, drill_answer).sum() / drill_answer.sum()

start = record(scene) + " A"
lesson.say(
    "Without the shift the loss is {bad:.3f}, and after “A” the model goes on: *{cheat}*. The honest model's loss on the same captions is {good:.3f}, and it goes on: *{honest}*.",
    bad=drill_loss.item(),
    good=honest_loss.item(),
    cheat=speak(cheat, start, longest=4),
    honest=speak(model, start),
)

# %% [markdown]
# It has learned to give back the token that it has just read, which is what the wrong loss asked for; of what comes next it has no idea. The cure is the one line of exercise 1: logits `[:, :-1]` against ids `[:, 1:]`. A loss far below what the text's own variety allows is a reason to look for a leak, not to celebrate.

# %% [markdown]
# ## Quiz

# %%
lesson.quiz("recap")

# %% [markdown]
# ## Recap
#
# - The next-token loss is the mean surprise; an answer's log-probability is a sum over its own tokens, with the prompt masked.
# - Temperature changes how we draw, SFT changes the model, and a KL leash to a frozen reference trades what is learned against what drifts.
# - A verdict comes from an interval over seeds that were fixed beforehand.
# - A text model repeats what it was told, true or not. It has not seen the scene; someone else has.
#
# **Limits of this demo.** The world's sentences are short and regular, and each pair differs in one fact; a larger model told a lie that clashes with common knowledge ("a purple sheep") may resist it better. The real model's weights were quantized to about four bits and expanded again.
#
# **References.** Vaswani et al., *Attention is all you need*, 2017 (the transformer). Ouyang et al., *Training language models to follow instructions with human feedback*, 2022 (SFT, then a KL leash to a frozen reference). Bender and Koller, *Climbing towards NLU*, 2020 (form and meaning). Allal et al., *SmolLM2*, 2025.

# %% tags=["volatile"]
real_results = lesson.results_of(real_prefers_truth)
if real_results.records:
    lesson.recap(told_nothing=f"in {100 * real_results.interval('nothing').mean:.0f} % of the pairs")
else:
    lesson.recap(told_nothing="not measured here")
