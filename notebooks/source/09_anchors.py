# %% [markdown]
# # 09 · Anchors
#
# A preference says which of two answers is better. It does not say whether either is good. Who keeps hold of the good ones?
#
# After this lesson you can
#
# - draw what a preference method did to both sides of its pairs, as an arrow, and read from it what the loss alone does not say;
# - tell two situations apart (winners better than the model, model better than the winners), and name the methods that each of them breaks;
# - say who should write the winners: a careful reviser, a stronger author, or a judge of the model's own answers;
# - choose a method for the feedback that you have, with settings to start from, and say when plain fine-tuning (SFT) is the answer.

# %% tags=["volatile", "evidence"]
import helpers

lesson = helpers.begin("09")

# %% [markdown]
# ## A guess before you measure
#
# Our base writes captions of records, and writes six kinds in the color of habit: pigs are pink. It gets 160 pairs: a *right* caption wins, one of its own *wrong* ones loses. Six methods learn from them. One is **APO-down**, which was designed for models that are better than their winners. This model is not.
# Before training it is right about somewhat less than half of the test's records. Commit to a guess; the recap holds it against the measurement.

# %%
lesson.predict(
    "down",
    "How often is it right after training with APO-down, at the setting that all methods share?",
    minimum=0,
    maximum=100,
    unit="%",
)

# %% [markdown]
# ## 1 · Two kinds of pairs
#
# The paper behind APO (anchored preference optimization) says: look at your model and at your winners before you choose a loss. So we build both cases, with the same records and the same small language model as in lesson 08.
#
# - **Winners better than the model.** The base, wrong by habit. The winner is a right caption; the loser is what the base itself wrote, where that was wrong.
# - **Model better than the winners.** The base again, after it has read captions of people without habits: it is right about nineteen records of twenty. The winner has *one* wrong fact, the loser three.

# %% tags=["evidence"]
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from helpers import world
from helpers.data import formats
from helpers.lesson import plots
from helpers.models import base, small
from helpers.models.clean import clean
from helpers.preference import losses, measure
from helpers.preference.fast import train_fast
from helpers.preference.runs import PAIRED, Settings
from helpers.world import Scene

Pair = tuple[str, str, str]  # prompt, winner, loser
PAIRS = lesson.size(160, smoke=16)
FACTS = {
    "color": world.COLORS,
    "size": world.SIZES,
    "place": world.PLACES,
    "verb": world.PRESETS["full"].verbs,
}


def say_as_people(scene: Scene, rng: random.Random) -> str:
    """A caption that is right about `scene`, in one of three styles, as often as people use it."""
    return rng.choices(world.captions(scene), base.CONFIG["styles"])[0]


def mistaken(scene: Scene, facts: Sequence[str], rng: random.Random) -> Scene:
    """The scene with each of these facts exchanged for a wrong one."""
    for name in facts:
        wrong = [value for value in FACTS[name] if value != getattr(scene, name)]
        scene = replace(scene, **{name: rng.choice(wrong)})
    return scene


def habit_scenes(seed: int) -> list[Scene]:
    """Training scenes of the kinds about which the base is wrong by habit."""
    return [s for s in base.records(4 * PAIRS, 10_000 + seed, "train") if s.kind in base.HABITS]


@cache
def winners_better(seed: int) -> list[Pair]:
    """A right caption wins, the base's own wrong one loses."""
    model, tokenizer = base.base(seed)
    scenes, rng = habit_scenes(seed), random.Random(seed)
    answers = small.sample(model, tokenizer, [world.record(s) for s in scenes], seed)
    asked = zip(scenes, answers, strict=True)
    wrong = [(s, answer) for s, answer in asked if answer not in world.captions(s)]
    return [(world.record(s), say_as_people(s, rng), answer) for s, answer in wrong][:PAIRS]


@cache
def model_better(seed: int) -> list[Pair]:
    """A caption with one wrong fact wins, one with three loses."""
    rng, pairs = random.Random(seed), []
    for scene in base.records(PAIRS, 20_000 + seed, "train"):
        one, three = (mistaken(scene, rng.sample(list(FACTS), count), rng) for count in (1, 3))
        pairs.append((world.record(scene), say_as_people(one, rng), say_as_people(three, rng)))
    return pairs


# %% tags=["evidence"]
REGIMES = {"winners better": (base.base, winners_better), "model better": (clean, model_better)}
TESTS = lesson.size(240, smoke=24)


def exam(seed: int) -> list[Scene]:
    """Test scenes, in colors that no training pair has on these kinds."""
    return base.records(TESTS, 50_000 + seed, "test")


# %%
first = helpers.settings.seeds(1)[0]
for regime, (start, pairs) in REGIMES.items():
    model, tokenizer = start(first)
    plots.table(
        pairs(first)[:3],
        ["record", "winner", "loser"],
        caption=f"{regime}: three of {PAIRS} pairs",
    )
    lesson.say(
        "Before training this model's captions are right with probability {right:.2f} (exact, over {tests} test records).",
        right=float(measure.accuracy(model, tokenizer, exam(first)).mean()),
        tests=TESTS,
    )

# %% [markdown]
# Whoever made these pairs did nothing wrong: in both sets the winner *is* better. A loss sees no difference between them. What differs is what the model would have said by itself.
#
# ## 2 · An arrow for each training
#
# DPO's loss rewards a *margin*: the winner's log-ratio minus the loser's. A margin can grow in many ways. Both may rise; the winner may rise and the loser fall; **both may fall**, the loser faster. (That the winner sinks as well is called *likelihood displacement*.) DPO's loss is content with any of them. So we look at both sides: how did the mean log-probability of the winners change, and that of the losers?
#
# > **Exercise 1 · `arrow`** · ★☆☆ · 4 minutes
# >
# > Four tensors of shape `(pairs,)`: log-probabilities of winners and losers under the trained model (the policy), and under the model it started from (the reference). Return two numbers: the mean change of the **losers**, then that of the **winners**, in nats; positive means more probable than before. (In this order, since the losers run along the figures' horizontal axis. Winner = chosen, loser = rejected; lesson 07's maps had the axes the other way round.)
# >
# > <details><summary>Hint 1</summary>A change is after minus before: policy minus reference.</details>
# > <details><summary>Hint 2</summary>Return a tuple of two <code>float(…)</code>, each the <code>.mean()</code> of a difference.</details>


# %% tags=["evidence"]
def arrow(
    policy_chosen_logps: Tensor,
    policy_rejected_logps: Tensor,
    ref_chosen_logps: Tensor,
    ref_rejected_logps: Tensor,
) -> tuple[float, float]:
    """Mean change of the losers' and of the winners' log-probability: four tensors (pairs,) -> two numbers."""
    # BEGIN SOLUTION
    rejected = policy_rejected_logps - ref_rejected_logps
    chosen = policy_chosen_logps - ref_chosen_logps
    return float(rejected.mean()), float(chosen.mean())
    # END SOLUTION


# %% tags=["evidence"]
arrow = lesson.check(arrow)

# %% [markdown]
# Lesson 07 built the losses. What they pull at, in one table: the force on each log-ratio (minus the derivative of the loss), at the start and later: when the winner has risen and the loser has fallen, and when both have sunk.

# %%
PAIR_LOSSES = {"DPO": losses.dpo_loss, "APO-zero": losses.apo_zero_loss, "APO-down": losses.apo_down_loss}


def forces(loss: Callable[..., Any], chosen: float, rejected: float, beta: float) -> list[float]:
    """Minus the loss's derivative by the winner's and by the loser's log-ratio."""
    ratios = torch.tensor([[chosen], [rejected]], requires_grad=True)
    nothing = torch.zeros(1)
    loss(ratios[0], ratios[1], nothing, nothing, beta=beta)[0].sum().backward()
    return (-ratios.grad[:, 0]).tolist()


def force_words(force: float) -> str:
    """With a sign and three decimals; what rounds to nothing is plainly 0."""
    return f"{force:+.3f}".replace("-", "−") if abs(force) >= 0.0005 else "0"


places = [
    (0.5, "the start", 0.0, 0.0),
    (0.5, "winner +2, loser −3", 2.0, -3.0),
    (0.5, "winner +2, loser −10", 2.0, -10.0),
    (0.5, "both sank: winner −4, loser −11", -4.0, -11.0),
    (2.0, "the start", 0.0, 0.0),
    (2.0, "both sank: winner −4, loser −11", -4.0, -11.0),
]
plots.table(
    [
        [
            f"β = {beta:g}",
            where,
            *(
                " / ".join(map(force_words, forces(loss, chosen, rejected, beta)))
                for loss in PAIR_LOSSES.values()
            ),
        ]
        for beta, where, chosen, rejected in places
    ],
    ["", "log-ratios so far", *PAIR_LOSSES],
    caption="Force on the winner / force on the loser, by loss",
)

# %% [markdown]
# - **DPO** always pulls at both sides alike: it cares about the margin alone, and lets go once that is wide.
# - **APO-zero** lifts the winner and pushes the loser, each measured from where the reference has it (its *anchor* is zero): it goes on lifting the winner, however wide the margin is already.
# - **APO-down** pushes the loser, and leaves the winner alone at the start; as soon as the margin is there, the force on the **winner** turns negative. At β = 0.5 that is still so when both have sunk far; at a high β the force is gone by then.
#
# Forces are what a loss asks for. What a network does with them depends on what its answers share: raise one caption, and others rise with it.

# %% [markdown]
# ## 3 · Six methods, one setting
#
# The pairwise methods see 16 pairs a step, KTO the same pairs taken apart and shuffled (32 thumbs a step), and SFT imitates the winners (16 a step). **DPO+SFT** adds the winners' next-token loss to DPO's (weight 1). All get the same seeds, and the same setting: learning rate 0.0001, β 0.5, 80 steps.
#
# That setting was frozen on other seeds and the validation part: of nine (three learning rates × three β) it is the one with the best accuracy averaged over both regimes and all methods that have a β. Each method's own best follows in section 5.

# %% tags=["evidence"]
METHODS = {
    "sft": "SFT",
    "dpo": "DPO",
    "dpo+sft": "DPO+SFT",
    "apo_zero": "APO-zero",
    "apo_down": "APO-down",
    "kto": "KTO",
}


@dataclass(frozen=True)
class Setting:
    learning_rate: float
    beta: float = 0.5  # SFT has none
    steps: int = 80


FIXED = Setting(1e-4)


def rows_for(method: str, pairs: list[Pair], seed: int) -> Any:
    """The pairs in the format that a method learns from."""
    if method == "sft":
        return formats.prompt_completion([(prompt, winner) for prompt, winner, _ in pairs])
    paired = formats.paired(pairs)
    return paired if method in PAIRED else formats.unpair(paired, seed)


def train(method: str, pairs: list[Pair], model: Any, tokenizer: Any, setting: Setting, seed: int) -> Any:
    """A trained copy of the model; the model as it is given stays the reference."""
    settings = Settings(
        method,
        setting.learning_rate,
        steps=lesson.size(setting.steps, smoke=4),
        batch_size=32 if method == "kto" else 16,
        beta=setting.beta,
        seed=seed,
    )
    return train_fast(model, tokenizer, rows_for(method, pairs, seed), settings).model


# %% [markdown]
# What we measure: **right**, the exact probability of a right caption on test records; **valid**, the share of sampled captions that the grammar has at all; **drift**, the KL to the model before training on side tasks that no pair is about; and the arrow.

# %% tags=["evidence"]


def style_table(model: Any, tokenizer: Any, scenes: list[Scene]) -> Tensor:
    """The exact probability of each scene's right caption in each of the three styles: (scenes, 3)."""
    chats = [(world.record(scene), caption) for scene in scenes for caption in world.captions(scene)]
    return small.score(model, tokenizer, chats).exp().view(len(scenes), -1)


def both_sides(model: Any, tokenizer: Any, pairs: list[Pair]) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the winners and of the losers: (pairs,) each."""
    winners = small.score(model, tokenizer, [(prompt, winner) for prompt, winner, _ in pairs])
    return winners, small.score(model, tokenizer, [(prompt, loser) for prompt, _, loser in pairs])


def examined(model: Any, ref: Any, tokenizer: Any, pairs: list[Pair], seed: int) -> dict[str, float]:
    losers, winners = arrow(*both_sides(model, tokenizer, pairs), *both_sides(ref, tokenizer, pairs))
    side_tasks = base.side_tasks(100, 60_000 + seed)
    return {
        "right": float(style_table(model, tokenizer, exam(seed)).sum(1).mean()),
        "valid": measure.samples(model, tokenizer, exam(seed), seed).valid,
        "drift": float(measure.drift(model, ref, tokenizer, side_tasks).mean()),
        "winners": winners,
        "losers": losers,
    }


SECONDS: dict[str, float] = {}  # of each method's last training here


@cache
def outcome(regime: str, method: str, setting: Setting, seed: int) -> dict[str, float]:
    """What a training gives; kept, as several experiments ask for the same one. Method "start": none."""
    start, pairs = REGIMES[regime]
    model, tokenizer = start(seed)
    started = time.perf_counter()
    trained = model if method == "start" else train(method, pairs(seed), model, tokenizer, setting, seed)
    SECONDS[method] = time.perf_counter() - started
    return examined(trained, model, tokenizer, pairs(seed), seed)


@lesson.experiment(seeds=6)
def one_setting(seed: int) -> dict[str, float]:
    measures = {}
    for regime in REGIMES:
        for method in ["start", *METHODS]:
            for name, value in outcome(regime, method, FIXED, seed).items():
                measures[f"{regime} {method} {name}"] = value
        right = {method: measures[f"{regime} {method} right"] for method in ["start", *METHODS]}
        for method in METHODS:
            measures[f"{regime} {method} gain"] = right[method] - right["start"]
        measures[f"{regime} zero over dpo"] = right["apo_zero"] - right["dpo"]
        measures[f"{regime} down over zero"] = right["apo_down"] - right["apo_zero"]
        measures[f"{regime} sft term"] = right["dpo+sft"] - right["dpo"]
        measures[f"{regime} kto over zero"] = right["kto"] - right["apo_zero"]
    return measures


# %%
kept: dict[tuple[str, int], Any] = {}  # the models that this notebook trains, to be read below


def remembered(train: Callable[..., Any]) -> Callable[..., Any]:
    """The training, but its models stay at hand, by method and pairs."""

    def training(method: str, pairs: list[Pair], *others: Any) -> Any:
        kept[method, id(pairs)] = train(method, pairs, *others)
        return kept[method, id(pairs)]

    return training


train = remembered(train)


def two_decimals(span: Any) -> str:
    """Mean and interval, for columns in which most values are close to 0 or 1."""
    ends = f" [{span.low:.2f}, {span.high:.2f}]" if math.isfinite(span.low) else ""
    return f"{span.mean:.2f}{ends}".replace("-0.00", "0.00").replace("-", "−")


results = lesson.measure(one_setting, live=1)
plots.table(
    [
        [
            f"{regime}: {label}",
            *(
                two_decimals(results.interval(f"{regime} {method} {name}"))
                for name in ["right", "valid", "drift"]
            ),
        ]
        for regime in REGIMES
        for method, label in {"start": "before training", **METHODS}.items()
    ],
    ["regime: method", "right", "valid", "drift (nats)"],
    caption="One setting for all: mean and 95% interval over the seeds",
)
by_seed = [
    sum(seed)
    for seed in zip(
        *(results.values(f"winners better {method} drift") for method in METHODS if method != "apo_down"),
        strict=True,
    )
]
if len(by_seed) > 2:
    lesson.say(
        "Where winners are better, the methods other than APO-down drift on few bases only: two of {bases} carry {share:.0%} of all their drift.",
        bases=len(by_seed),
        share=sum(sorted(by_seed)[-2:]) / sum(by_seed),
    )

# %% [markdown]
# An interval is symmetric about the mean, so it can run past what is possible (a share above 1, a drift below 0) where seeds differ much. Drift does: how far side tasks move along depends on the base more than on the method.
#
# And the decisive figure: for each regime the arrow of each method. It starts at (0, 0), the model before training, and ends where training took the losers (to the left: less probable) and the winners (up: more probable). A thin line is one seed. On the right the tips that lie close together, enlarged: a small dot is one seed, the large mark their mean.


# %%
REGIME_WORDS = {
    "winners better": "winners better than the model",
    "model better": "model better than the winners",
}
NEAR = 3.0  # nats: what lies this close to the median tip is enlarged


def mean_tip(points: list[tuple[float, float]]) -> tuple[float, float]:
    x, y = (sum(values) / len(points) for values in zip(*points, strict=True))
    return x, y


def draw_arrows(axes: Any, tips: dict[str, list[tuple[float, float]]], bold: str) -> None:
    """All arrows from (0, 0), with a thin line per seed."""
    for number, (name, points) in enumerate(tips.items()):
        color, strong = plots.COLORS[number], not bold or name == bold
        for x, y in points:
            axes.plot(
                [0, x], [0, y], "-", color=color, linewidth=0.8, alpha=0.4 if strong else 0.12, marker=""
            )
        look = {"arrowstyle": "-|>", "color": color, "linewidth": 2.2, "shrinkA": 0, "shrinkB": 0}
        axes.annotate(
            "", mean_tip(points), (0, 0), arrowprops={**look, "alpha": 1.0 if strong else 0.25}, zorder=3
        )
    axes.axhline(0, color=plots.FAINT, linewidth=1)
    axes.axvline(0, color=plots.FAINT, linewidth=1)
    axes.margins(0.12)
    left, right = axes.get_xlim()
    axes.set_xlim(left, max(right, -0.25 * left))  # room for "both rise"
    corners = {
        "losers fall,\nwinners rise": (0.02, 0.98),
        "both rise": (0.98, 0.98),
        "both fall": (0.02, 0.02),
    }
    for words, (x, y) in corners.items():
        side = {"ha": "left" if x < 0.5 else "right", "va": "bottom" if y < 0.5 else "top"}
        look = {"color": plots.FAINT, "fontsize": 9.5, "style": "italic"}
        axes.text(x, y, words, transform=axes.transAxes, **look, **side)


def draw_near(axes: Any, tips: dict[str, list[tuple[float, float]]], bold: str) -> None:
    """The tips close to the median one, each with its name."""
    from matplotlib.patheffects import withStroke

    means = {name: mean_tip(points) for name, points in tips.items()}
    middle = [sorted(values)[len(values) // 2] for values in zip(*means.values(), strict=True)]
    near = [name for name, tip in means.items() if math.dist(tip, middle) <= NEAR]
    for place, name in enumerate(sorted(near, key=lambda name: means[name][1])):
        number = list(tips).index(name)
        look = {"color": plots.COLORS[number], "alpha": 1.0 if not bold or name == bold else 0.25}
        dots = {"linestyle": "none", "marker": plots.MARKERS[number]}
        axes.plot(*zip(*tips[name], strict=True), **look, **dots, markersize=3.5)
        axes.plot(*means[name], **look, **dots, markersize=10, markeredgecolor="white", zorder=3)
        above = 1 if 2 * place > len(near) else -1  # names above the upper half, below the lower one
        words = {"ha": "center", "va": "bottom" if above > 0 else "top", "fontsize": 10, "zorder": 4}
        halo = {"path_effects": [withStroke(linewidth=3, foreground="white")]}
        axes.annotate(name, means[name], (0, 9 * above), textcoords="offset points", **look, **words, **halo)
    axes.margins(0.18)
    axes.set_title("close together, enlarged")


def arrow_figure(title: str, tips: dict[str, list[tuple[float, float]]], bold: str = "") -> Any:
    """Arrows from (0, 0), one per name, to the mean of its tips, and an enlarged part. `bold` stands out."""
    figure, (whole, part) = plots.new_panels(1, 2, 810, 470)
    draw_arrows(whole, tips, bold)
    whole.set_title("all arrows")
    draw_near(part, tips, bold)
    for axes in (whole, part):
        axes.set_xlabel("change of the losers' log-probability (nats)")
        axes.set_ylabel("change of the winners' (nats)")
    for number, (name, points) in enumerate(tips.items()):
        changes = ", ".join(f"{change:+.1f}".replace("-", "−") for change in mean_tip(points))
        label = f"{name} ({changes})"
        mark = {"marker": plots.MARKERS[number], "linewidth": 2.2, "linestyle": "-"}
        whole.plot([], [], color=plots.COLORS[number], label=label, **mark)
    figure.legend(frameon=False, loc="outside lower center", ncols=3, title="method (losers, winners)")
    figure.suptitle(title, fontsize=13)
    return figure


def tips_of(results: Any, regime: str) -> dict[str, list[tuple[float, float]]]:
    return {
        label: list(
            zip(
                results.values(f"{regime} {method} losers"),
                results.values(f"{regime} {method} winners"),
                strict=True,
            )
        )
        for method, label in METHODS.items()
    }


def arrows_in_words(tips: dict[str, list[tuple[float, float]]]) -> str:
    """Where each mean arrow ends, for those who cannot see it."""
    ends = []
    for name, points in tips.items():
        x, y = mean_tip(points)
        ends.append(f"{name}: losers {x:+.1f}, winners {y:+.1f}")
    return f"Arrows of {len(tips)} methods, in nats. {'; '.join(ends)}."


for regime in REGIMES:
    tips = tips_of(results, regime)
    plots.show(
        arrow_figure(f"{REGIME_WORDS[regime]} · shared setting", tips),
        alt=f"{REGIME_WORDS[regime]}. {arrows_in_words(tips)}",
    )
starts = {}
for regime, (start, pairs) in REGIMES.items():
    model, tokenizer = start(first)
    starts[regime] = float(both_sides(model, tokenizer, pairs(first))[0].mean())
lesson.say(
    "Before training the winners' mean log-probability was {better:.1f} nats where winners are better, and {worse:.1f} where the model is better (this seed). DPO then changed it by {up:+.1f} and by {down:+.1f} (mean over the seeds). SFT changed that of the wrong winners by {sft:+.1f} and that of their losers by {losers:+.1f}.",
    better=starts["winners better"],
    worse=starts["model better"],
    up=results.interval("winners better dpo winners").mean,
    down=results.interval("model better dpo winners").mean,
    sft=results.interval("model better sft winners").mean,
    losers=results.interval("model better sft losers").mean,
)

# %% tags=["claim"]
for measure_name, name, statement, prediction, region, expected in [
    (
        "winners better apo_down gain",
        "the wrong anchor costs",
        "Where winners are better than the model, APO-down at the shared setting makes the model worse than it was.",
        "a change below 0: it pushes winners down that should rise",
        {"below": 0.0},
        "holds",
    ),
    (
        "winners better zero over dpo",
        "better winners: APO-zero over DPO",
        "Where winners are better than the model, APO-zero beats DPO at the shared setting.",
        "a difference above 0, as in the APO paper",
        {"above": 0.0},
        "holds",
    ),
    (
        "winners better sft term",
        "better winners: an SFT term helps DPO",
        "Where winners are better than the model, DPO gains from an added SFT term at the shared setting.",
        "a difference above 0, as in the paper on iterative reasoning preference optimization",
        {"above": 0.0},
        "holds",
    ),
    (
        "winners better kto over zero",
        "better winners: KTO is APO-zero",
        "On the same pairs, taken apart, KTO does as well as paired APO-zero.",
        "equal within ±0.03: where its reference point is 0, KTO is APO-zero on single answers",
        {"within": (-0.03, 0.03)},
        "holds",
    ),
    (
        "model better sft gain",
        "worse winners: SFT imitates them",
        "Where the model is better than the winners, SFT on them makes it worse.",
        "a change below 0: every winner is wrong, so it has to fail",
        {"below": 0.0},
        "holds",
    ),
    (
        "model better down over zero",
        "worse winners: APO-down over APO-zero",
        "Where the model is better than the winners, APO-down beats APO-zero at the shared setting.",
        "a difference above 0, as in the APO paper",
        {"above": 0.0},
        "inconclusive",
    ),
]:
    lesson.claim(
        one_setting,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T6"],
        scope="world",
        unit="probability of a right caption",
        **region,
        expected=expected,
        tolerance=0.05,
        repeatable=False,
    )
for regime, what, expected in [
    ("winners better", "better than the model", "fails"),
    ("model better", "worse than the model", "holds"),
]:
    lesson.claim(
        one_setting,
        f"{regime} dpo winners",
        name=f"DPO lets winners sink: {regime}",
        statement=f"DPO lowers the log-probability of its winners where these are {what}.",
        prediction="a change below 0: likelihood displacement, as reported for large models",
        talk=["T6"],
        scope="world",
        unit="nats",
        below=0.0,
        expected=expected,
        tolerance=0.5,
        repeatable=False,
    )

# %% [markdown]
# Read the two figures side by side.
#
# - **Above, winners are better.** Five arrows rise together: in this regime even DPO lifts its winners, though its loss would be content to let them sink. A likely reason: there is one thing to learn, *say the color of the record*, and whatever teaches that lifts all of them at once. APO-down goes the other way, and takes them down with the losers.
# - **Below, the model is better.** Here the winners *should* sink: they are wrong. DPO and APO-down let them. APO-zero, KTO and DPO with its SFT term hold them about where they were. SFT lifts them, and the losers even more, for they had further to go, and a false caption resembles another. Every winner is wrong, so SFT must fail here; that is no fault of its optimizer.
#
# So "who keeps the likelihood of the good answer?" has a twin: *was the answer good?* An arrow that points down is a failure above and the right thing below. Displacement is a fact about a figure; whether it is a harm depends on the winners. (The first prediction about it fails here. Why papers see it and we don't in this regime, the experiment cannot say. That the winners were unlikely at the start is not the reason by itself: the second regime's were less likely still, and sank.)
#
# The arrows are of the training pairs. What counts is the exam, in the table: compare the columns *right* and *valid*. And read what the models write. After APO-down the sentences of some bases break, which is why the interval of *valid* is so wide in the first regime; on most bases they stay grammatical, and get the facts wrong.


# %%
def said_by(regime: str, method: str, records: list[str]) -> list[str]:
    """What this notebook's model answers, sampled; it is trained again if it isn't at hand."""
    start, pairs = REGIMES[regime]
    model, tokenizer = start(first)
    if method != "start" and (method, id(pairs(first))) not in kept:
        train(method, pairs(first), model, tokenizer, FIXED, first)
    speaker = model if method == "start" else kept[method, id(pairs(first))]
    return small.sample(speaker, tokenizer, records, first)


shown = [scene for scene in exam(first) if scene.kind in base.HABITS][:3]
for regime in REGIMES:
    said = {
        label: said_by(regime, method, [world.record(scene) for scene in shown])
        for method, label in {"start": "before training", **METHODS}.items()
    }
    plots.table(
        [
            [
                label,
                *(
                    f"{'✔' if answer in world.captions(scene) else '✘'} {answer}"
                    for answer, scene in zip(answers, shown, strict=True)
                ),
            ]
            for label, answers in said.items()
        ],
        ["method", *map(world.record, shown)],
        caption=f"{REGIME_WORDS[regime]}: what each model writes about three test records (this seed; ✔ right, ✘ not)",
    )

# %% [markdown]
# ## 4 · The anchor, or just the learning rate?
#
# A loss that fails at one setting may only have been driven too fast. So the two anchored losses run at three learning rates, in both regimes.

# %% tags=["evidence"]
RATES = [3e-5, 1e-4, 3e-4]


@lesson.experiment(seeds=6)
def learning_rates(seed: int) -> dict[str, float]:
    measures = {}
    for regime in REGIMES:
        for method in ["apo_zero", "apo_down"]:
            for rate in RATES:
                run = outcome(regime, method, Setting(rate), seed)
                measures[f"{regime} {method} {rate:g}"] = run["right"]
        best = {
            method: max(measures[f"{regime} {method} {rate:g}"] for rate in RATES)
            for method in ["apo_zero", "apo_down"]
        }
        measures[f"{regime} best down over best zero"] = best["apo_down"] - best["apo_zero"]
    return measures


# %%
rates = lesson.measure(learning_rates, live=0)


def rate_words(rate: float) -> str:
    return f"{rate:.5f}".rstrip("0")


if rates.records:
    figure, axes = plots.new_figure(760, 380)
    words = []
    looks = {"winners better": ("-", "full"), "model better": (":", "none")}
    for number, (regime, method) in enumerate((r, m) for r in REGIMES for m in ["apo_zero", "apo_down"]):
        spans = [rates.interval(f"{regime} {method} {rate:g}") for rate in RATES]
        means = [span.mean for span in spans]
        half = [span.high - span.mean for span in spans]
        apart = [rate * (0.94 + 0.04 * number) for rate in RATES]  # so that no bar hides another
        kind = list(METHODS).index(method)  # the loss has its color and marker of the arrows
        line, fill = looks[regime]
        look = {"color": plots.COLORS[kind], "marker": plots.MARKERS[kind], "linestyle": line}
        label = f"{METHODS[method]},\n{REGIME_WORDS[regime]}"
        axes.errorbar(apart, means, half, capsize=4, fillstyle=fill, label=label, **look)
        words.append(f"{regime}, {METHODS[method]}: {', '.join(f'{mean:.2f}' for mean in means)}")
    for number, regime in enumerate(REGIMES):
        before = results.interval(f"{regime} start right").mean
        label = None if number else "before training\n(upper line: model better)"
        axes.axhline(before, color=plots.FAINT, linestyle="--", linewidth=1, marker="", label=label)
    axes.set_xscale("log")
    axes.set_xticks(RATES, [rate_words(rate) for rate in RATES])
    axes.set_xticks([], minor=True)
    axes.set_xlim(RATES[0] * 0.78, RATES[-1] * 1.2)
    axes.set_ylim(-0.07, 1.12)
    axes.set_xlabel("learning rate (β = 0.5, 80 steps)")
    axes.set_ylabel("probability of a right caption")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    plots.show(figure, alt=f"Lines over three learning rates, from low to high. {'; '.join(words)}.")
    lesson.say(
        "Before training: {worse:.2f} where winners are better, {better:.2f} where the model is better.",
        worse=results.interval("winners better start right").mean,
        better=results.interval("model better start right").mean,
    )

# %% tags=["claim"]
for regime, says, prediction, region, expected in [
    (
        "winners better",
        "Where winners are better, APO-down at its best learning rate stays below APO-zero at its best.",
        "a difference below 0: the anchor, not only the learning rate",
        {"below": 0.0},
        "holds",
    ),
    (
        "model better",
        "Where the model is better, APO-down at its best learning rate beats APO-zero at its best.",
        "a difference above 0, as in the APO paper",
        {"above": 0.0},
        "holds",
    ),
]:
    lesson.claim(
        learning_rates,
        f"{regime} best down over best zero",
        name=f"more than the learning rate: {regime}",
        statement=says,
        prediction=prediction,
        talk=["T6"],
        scope="world",
        unit="probability of a right caption",
        **region,
        expected=expected,
        tolerance=0.05,
        repeatable=False,
    )

# %% [markdown]
# (Here the best of three learning rates is picked on the exam itself, by seed, and for both losses alike: as a control it asks whether *any* of them would do, and is no recipe for choosing one.)
#
# Two things are worth taking home. Where winners are better, slow APO-down does improve on the base a little: for a while, what lifts all true captions outweighs its pull downwards; driven further, it gives that back and everything else with it. And a high learning rate ruins APO-down **in its own regime too**: at β = 0.5 nothing in it holds the model when both sides sink (the table of forces has that case), and the right captions, which are neither winners nor losers here, sink along.

# %% [markdown]
# ## 5 · Each method at its best
#
# One setting for all is fair in one way and unfair in another: it may suit one loss and not the next. So each method also gets the best of **nine** settings, chosen by regime on three other seeds and the validation part: for SFT learning rate 0.00003, 0.0001 or 0.0003 and 20, 40 or 80 steps; for the others the same learning rates and β 0.1, 0.5 or 2.

# %% tags=["evidence"]
TUNED = {
    ("winners better", "sft"): Setting(3e-4, steps=80),
    ("winners better", "dpo"): Setting(3e-4, 0.5),
    ("winners better", "dpo+sft"): Setting(3e-4, 0.1),
    ("winners better", "apo_zero"): Setting(3e-4, 0.5),
    ("winners better", "apo_down"): Setting(3e-5, 0.1),
    ("winners better", "kto"): Setting(3e-4, 0.5),
    ("model better", "sft"): Setting(3e-5, steps=20),
    ("model better", "dpo"): Setting(3e-4, 2.0),
    ("model better", "dpo+sft"): Setting(1e-4, 0.5),
    ("model better", "apo_zero"): Setting(3e-5, 0.1),
    ("model better", "apo_down"): Setting(1e-4, 2.0),
    ("model better", "kto"): Setting(1e-4, 0.5),
}


@lesson.experiment(seeds=6)
def each_at_its_best(seed: int) -> dict[str, float]:
    measures = {}
    for regime in REGIMES:
        for method in METHODS:
            for name, value in outcome(regime, method, TUNED[regime, method], seed).items():
                measures[f"{regime} {method} {name}"] = value
        right = {method: measures[f"{regime} {method} right"] for method in METHODS}
        measures[f"{regime} zero over dpo"] = right["apo_zero"] - right["dpo"]
        measures[f"{regime} zero over sft"] = right["apo_zero"] - right["sft"]
        measures[f"{regime} down over zero"] = right["apo_down"] - right["apo_zero"]
        measures[f"{regime} down over dpo"] = right["apo_down"] - right["dpo"]
    return measures


# %%
best = lesson.measure(each_at_its_best, live=0)


def setting_words(method: str, setting: Setting) -> str:
    knob = f"{setting.steps} steps" if method == "sft" else f"β {setting.beta:g}"
    return f"{rate_words(setting.learning_rate)}, {knob}"


if best.records:
    plots.table(
        [
            [
                f"{regime}: {label}",
                str(results.interval(f"{regime} {method} right")),
                str(best.interval(f"{regime} {method} right")),
                setting_words(method, TUNED[regime, method]),
                *(two_decimals(best.interval(f"{regime} {method} {name}")) for name in ["valid", "drift"]),
            ]
            for regime in REGIMES
            for method, label in METHODS.items()
        ],
        [
            "regime: method",
            "right, shared setting",
            "right, own best",
            "its setting",
            "valid",
            "drift (nats)",
        ],
        caption="The shared setting and each method's own, side by side; the last two columns belong to the latter",
    )
    lesson.say(
        "APO-down where winners are better: from {start:.2f} before training to {down:.2f} at its own best. Its winners' log-probability changed by {winners:+.1f} nats, at the shared setting by {shared:+.1f}.",
        start=results.interval("winners better start right").mean,
        down=best.interval("winners better apo_down right").mean,
        winners=best.interval("winners better apo_down winners").mean,
        shared=results.interval("winners better apo_down winners").mean,
    )

# %% tags=["claim"]
for measure_name, name, statement, prediction, region, expected in [
    (
        "winners better zero over dpo",
        "tuned, better winners: APO-zero over DPO",
        "Where winners are better, APO-zero beats DPO, each at its own best setting.",
        "a difference above 0",
        {"above": 0.0},
        "holds",
    ),
    (
        "winners better zero over sft",
        "tuned, better winners: APO-zero and SFT",
        "Where winners are better (and right), APO-zero's lead over SFT is below 0.03, each at its own best setting.",
        "equal within ±0.03: the winners alone say all that there is to learn",
        {"within": (-0.03, 0.03)},
        "holds",
    ),
    (
        "winners better down over zero",
        "tuned, better winners: APO-down under APO-zero",
        "Where winners are better, APO-down stays below APO-zero, each at its own best setting.",
        "a difference below 0: no setting mends the wrong anchor",
        {"below": 0.0},
        "holds",
    ),
    (
        "model better down over zero",
        "tuned, worse winners: APO-down over APO-zero",
        "Where the model is better, APO-down beats APO-zero, each at its own best setting.",
        "a difference above 0, as in the APO paper",
        {"above": 0.0},
        "inconclusive",
    ),
    (
        "model better down over dpo",
        "tuned, worse winners: APO-down and DPO",
        "Where the model is better, DPO does as well as APO-down, each at its own best setting.",
        "equal within ±0.02 (the APO paper would expect APO-down ahead; the sketch for this lesson saw a tie)",
        {"within": (-0.02, 0.02)},
        "holds",
    ),
]:
    lesson.claim(
        each_at_its_best,
        measure_name,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T6"],
        scope="world",
        unit="probability of a right caption",
        **region,
        expected=expected,
        tolerance=0.05,
        repeatable=False,
    )

# %% [markdown]
# Tuning changes the story, twice.
#
# Where winners are better, most methods want the highest rate of the grid and end far above the shared setting. There imitation and preferences are close: APO-zero's lead over SFT is smaller than the margin that we had named, since right winners already say nearly all there is to learn. DPO alone gains less. APO-down's best is the slowest of its settings, and gains a little (the sentence below the table has the numbers): it stops before its pull on the winners begins to tell.
# Where the model is better, SFT's best is the least training that the grid allows, and even that does not beat leaving the model alone. APO-down, at the mercy of its seed before (look at the spread of its interval at the shared setting), is now among the best, with a high β: its force fades once the log-ratios are a little apart, so that it stops in time. Who shows the shared setting alone would say that it fails in its own regime; who shows the tuned one alone hides how narrow its path is. Over APO-zero it gains about a hundredth, too little for six seeds to settle by every comparison (this one and that of section 4 differ), and over plain DPO nothing.
#
# Look at any arrow again, at the shared setting or at each method's own best.


# %%
SETTING_WORDS = {"shared": "shared setting", "own best": "each method's own best"}


def arrows_html(regime: str, method: str, setting: str) -> str:
    """The arrows of a regime, one method's in bold, with its numbers below."""
    source = {"shared": results, "own best": best}[setting]
    if not source.records:
        return "<p>Nothing is stored for this seed: <code>make evidence LESSONS=09</code> measures it.</p>"
    tips = tips_of(source, regime)
    picture = plots.figure_html(
        arrow_figure(f"{REGIME_WORDS[regime]} · {SETTING_WORDS[setting]}", tips, METHODS[method]),
        f"{METHODS[method]} stands out. {arrows_in_words(tips)}",
    )
    names = ["right", "valid", "drift", "winners", "losers"]
    row = [METHODS[method], *(str(source.interval(f"{regime} {method} {name}")) for name in names)]
    return picture + plots.table_html([row], ["method", *names], "Mean and 95% interval over the seeds")


lesson.widget(
    "arrows", draw=arrows_html, regimes=list(REGIMES), methods=METHODS, settings=["shared", "own best"]
)

# %% [markdown]
# ## 6 · Who writes the winner?
#
# So far winners fell from the sky. In practice someone writes them, and has a style. Take 160 records for which the base wrote a wrong color, and let five authors make pairs of them:
#
# | author | the winner | the loser |
# | --- | --- | --- |
# | **careful reviser** | the base's own answer with what is wrong put right, all else copied (a *minimal contrastive revision*, as in the APO paper) | the base's answer |
# | **sloppy reviser** | the same, but in two answers of five one more fact is spoiled | the base's answer |
# | **teacher, own style** | a right caption, always "There is …" | the base's answer |
# | **teacher, mixed styles** | a right caption, in the styles and shares that people use | the base's answer |
# | **judge** | the best of six answers by the base, by a noisy score | the worst of them |
#
# (Where a judge's best and worst answers are the same sentence, the pair says nothing; it stays in.)
#
# The reviser is yours to write. The world's grammar reads a caption (`world.parse` gives a `Reading` with the facts and the `pattern` of the sentence, or None) and writes one (`world.describe(scene, pattern=…)`).
#
# > **Exercise 2 · `minimal_revision`** · ★★☆ · 8 minutes
# >
# > Given a `caption` and the `scene` it should describe, return a caption that is right about the scene **in the caption's own style**. If the grammar cannot read the caption, or its pattern is none of `world.STYLES`, return the scene's first plain caption, `world.captions(scene)[0]`.
# >
# > <details><summary>Hint 1</summary>Which words were wrong does not matter: say what is true of the scene, in the sentence's pattern.</details>
# > <details><summary>Hint 2</summary><code>reading = world.parse(caption)</code> may be None: test that before you ask for <code>reading.pattern</code>.</details>

# %%
an_example = exam(first)[0]
plots.table(
    [
        [str(number), pattern, world.describe(an_example, pattern=pattern)]
        for number, pattern in enumerate(world.STYLES)
    ],
    ["style", "its pattern in world.STYLES", "world.describe(scene, pattern=…)"],
    caption=f"The three styles, on the record “{world.record(an_example)}”",
)


# %% tags=["evidence"]
def minimal_revision(caption: str, scene: Scene) -> str:
    """The caption with its facts put right and its style kept."""
    # BEGIN SOLUTION
    reading = world.parse(caption)
    if reading is None or reading.pattern not in world.STYLES:
        return world.captions(scene)[0]
    return world.describe(scene, pattern=reading.pattern)
    # END SOLUTION


# %% tags=["evidence"]
minimal_revision = lesson.check(minimal_revision)

# %% [markdown]
# The style of a model is a distribution over three styles. How far has training moved it? The **total variation** of two distributions, known from lesson 07, is the share of one that would have to move to make it the other: 0 for equal ones, 1 for ones that share nothing.
#
# > **Exercise 3 · `total_variation`** · ★☆☆ · 4 minutes
# >
# > Two tensors of shape `(outcomes,)`, each with non-negative numbers that add up to 1. Return half the sum of the absolute differences.
# >
# > <details><summary>Hint 1</summary>What one has more, the other has less: the sum of absolute differences counts what moves twice.</details>
# > <details><summary>Hint 2</summary><code>(p - q).abs().sum() / 2</code></details>


# %% tags=["evidence"]
def total_variation(p: Tensor, q: Tensor) -> Tensor:
    """Total variation distance: (outcomes,), (outcomes,) -> ()."""
    # BEGIN SOLUTION
    return (p - q).abs().sum() / 2
    # END SOLUTION


# %% tags=["evidence"]
total_variation = lesson.check(total_variation)

# %% tags=["evidence"]
WRITERS = ["careful reviser", "sloppy reviser", "teacher, own style", "teacher, mixed styles", "judge"]


def noisy_score(caption: str, scene: Scene, rng: random.Random) -> float:
    """How many of five facts a caption has right, plus noise; far below all others for what is no sentence."""
    verdict = world.verify(caption, scene)
    if not verdict.grammatical:
        return -9.0
    right = sum(getattr(verdict, fact) is True for fact in ["kind", *FACTS])
    return right + rng.gauss(0, 0.5)


def sloppy_revision(caption: str, scene: Scene, rng: random.Random) -> str:
    spoiled = [rng.choice(["size", "place", "verb"])] if rng.random() < 0.4 else []
    return minimal_revision(caption, mistaken(scene, spoiled, rng))


@cache
def written(seed: int) -> dict[str, list[Pair]]:
    """By author, pairs for the same records: those where the base's first answer has a wrong color."""
    model, tokenizer = base.base(seed)
    scenes, rng = habit_scenes(30_000 + seed), random.Random(seed)
    answers = small.sample(model, tokenizer, [world.record(s) for s in scenes for _ in range(6)], seed)
    pairs: dict[str, list[Pair]] = {writer: [] for writer in WRITERS}
    for number, scene in enumerate(scenes):
        own = answers[6 * number : 6 * number + 6]
        if world.verify(own[0], scene).color is not False:
            continue
        ranked = sorted(own, key=lambda caption, scene=scene: noisy_score(caption, scene, rng))
        made = {
            "careful reviser": (minimal_revision(own[0], scene), own[0]),
            "sloppy reviser": (sloppy_revision(own[0], scene, rng), own[0]),
            "teacher, own style": (world.captions(scene)[2], own[0]),
            "teacher, mixed styles": (say_as_people(scene, rng), own[0]),
            "judge": (ranked[-1], ranked[0]),
        }
        for writer, (winner, loser) in made.items():
            pairs[writer].append((world.record(scene), winner, loser))
    return {writer: rows[:PAIRS] for writer, rows in pairs.items()}


def winners_right(pairs: list[Pair], seed: int) -> float:
    right = {world.record(s): world.captions(s) for s in habit_scenes(30_000 + seed)}
    return sum(winner in right[prompt] for prompt, winner, _ in pairs) / len(pairs)


# %%
def differences(number: int) -> int:
    """How many different winners the authors have for a record; one more if the judge's is not its loser."""
    rows = [pairs[number] for pairs in written(first).values()]
    return len({winner for _, winner, _ in rows}) + (rows[-1][1] != rows[-1][2])


telling = max(range(len(written(first)["judge"])), key=differences)
plots.table(
    [[writer, *rows[telling], winners_right(rows, first)] for writer, rows in written(first).items()],
    ["author", "record", "winner", "loser", "winners right"],
    caption="The first record on which the authors differ most, and the share of each author's winners that are right (this seed)",
)

# %% [markdown]
# Each author's pairs train three methods, each at its tuned setting for better winners (they were tuned on other pairs and seeds). We measure how often the model is right, and its **style drift**: the total variation between its style and the base's, both read off the exact probabilities of right captions.

# %% tags=["evidence"]
PUPILS = {"dpo": "DPO", "apo_zero": "APO-zero", "sft": "SFT"}


def style_of_model(probabilities: Tensor) -> Tensor:
    """Shares of the styles in what the model gets right: (scenes, 3) -> (3,)."""
    return probabilities.sum(0) / probabilities.sum()


@lesson.experiment(seeds=6)
def who_writes(seed: int) -> dict[str, float]:
    model, tokenizer = base.base(seed)
    before = style_of_model(style_table(model, tokenizer, exam(seed)))
    measures = {}
    for writer, pairs in written(seed).items():
        measures[f"{writer} winners right"] = winners_right(pairs, seed)
        for method in PUPILS:
            trained = train(method, pairs, model, tokenizer, TUNED["winners better", method], seed)
            table = style_table(trained, tokenizer, exam(seed))
            rejected, chosen = arrow(
                *both_sides(trained, tokenizer, pairs), *both_sides(model, tokenizer, pairs)
            )
            measures[f"{writer} {method} right"] = float(table.sum(1).mean())
            measures[f"{writer} {method} style drift"] = float(total_variation(style_of_model(table), before))
            measures[f"{writer} {method} winners"], measures[f"{writer} {method} losers"] = chosen, rejected
    for method in PUPILS:
        for other in WRITERS[1:]:
            for name in ["right", "style drift"]:
                measures[f"{method}: careful minus {other}, {name}"] = (
                    measures[f"careful reviser {method} {name}"] - measures[f"{other} {method} {name}"]
                )
    return measures


# %%
authors = lesson.measure(who_writes, live=0)
SHORT = {"dpo": "dpo", "zero": "apo_zero", "sft": "sft"}
if authors.records:
    plots.table(
        [
            [
                writer,
                str(authors.interval(f"{writer} winners right")),
                *(
                    str(authors.interval(f"{writer} {method} {name}"))
                    for name in ["right", "style drift"]
                    for method in PUPILS
                ),
            ]
            for writer in WRITERS
        ],
        [
            "author",
            "winners right",
            *(f"{label}: {name}" for name in ["right", "style drift"] for label in PUPILS.values()),
        ],
        caption="Who writes the winner? Mean and 95% interval over the seeds",
    )
    lesson.say(
        "And the arrows: on the judge's pairs the winners' log-probability changed by {dpo} nats under DPO, {zero} under APO-zero and {sft} under SFT; on the careful reviser's by {careful_dpo}, {careful_zero} and {careful_sft}.",
        **{name: str(authors.interval(f"judge {method} winners")) for name, method in SHORT.items()},
        **{
            f"careful_{name}": str(authors.interval(f"careful reviser {method} winners"))
            for name, method in SHORT.items()
        },
    )
    lesson.say(
        "Right on the sloppy reviser's pairs: APO-zero {zero:.2f}, DPO {dpo:.2f}, SFT {sft:.2f}. On the judge's: {judge_zero:.2f}, {judge_dpo:.2f}, {judge_sft:.2f}.",
        **{name: authors.interval(f"sloppy reviser {method} right").mean for name, method in SHORT.items()},
        **{f"judge_{name}": authors.interval(f"judge {method} right").mean for name, method in SHORT.items()},
    )

# %% tags=["claim"]
for method, other, name, statement, prediction, region, expected in [
    (
        "apo_zero",
        "teacher, mixed styles, right",
        "careful revision over a teacher",
        "APO-zero learns more from careful revisions than from a teacher's right captions in mixed styles.",
        "a difference above 0: a pair that differs only in what matters says what matters (APO paper)",
        {"above": 0.0},
        "inconclusive",
    ),
    (
        "apo_zero",
        "teacher, own style, style drift",
        "careful revision keeps the style",
        "With APO-zero, careful revisions move the model's style less than a teacher's who always writes alike.",
        "a difference below 0",
        {"below": 0.0},
        "holds",
    ),
    (
        "apo_zero",
        "sloppy reviser, right",
        "a sloppy reviser costs",
        "APO-zero learns more from careful revisions than from sloppy ones.",
        "a difference above 0: two winners of five are wrong",
        {"above": 0.0},
        "holds",
    ),
    (
        "apo_zero",
        "judge, right",
        "careful revision over a judge: APO-zero",
        "APO-zero learns more from careful revisions than from judged answers of the base itself.",
        "a difference above 0: most of the judge's winners are wrong",
        {"above": 0.0},
        "holds",
    ),
    (
        "dpo",
        "judge, right",
        "careful revision over a judge: DPO",
        "DPO learns more from careful revisions than from judged answers of the base itself.",
        "a difference above 0",
        {"above": 0.0},
        "holds",
    ),
]:
    lesson.claim(
        who_writes,
        f"{method}: careful minus {other}",
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T6"],
        scope="world",
        unit="of the style" if "drift" in other else "probability of a right caption",
        **region,
        expected=expected,
        tolerance=0.05,
        repeatable=False,
    )

# %% [markdown]
# - **Careful reviser and mixed teacher** are about equally good: both are always right, and both write as the model does. That the winner differs from the loser in one word *only* brings no further gain here.
# - **A teacher with a style of its own** teaches being right, and its style along with it: it is in every winner and in few losers. The loss cannot know which difference was meant. If the style matters to you, have the model's own answers revised.
# - **The sloppy reviser and the judge** are another matter: many of their winners are *wrong* (see the second column). The judge can only choose among what the base writes, and about these kinds the base hardly ever writes the right color. So these rows compare right winners with wrong ones, and say little about contrast as such. Compare SFT with APO-zero in them: imitation swallows every wrong winner whole, while APO-zero, which sees the loser too, still learns which of two wrong answers is worse. DPO sees it as well, and gains from it on the judge's pairs only: on sloppy revisions it does no better than SFT.
# - **Displacement** shows here, in the first sentence below the table: the judge's winners are the base's own, likely answers, and on *these* pairs DPO lets winners sink. (We state no claim about it: no region was named before it was seen.)

# %% [markdown]
# ## 7 · What papers report, and what we saw
#
# Nothing here can confirm or refute a paper about models tens of thousands of times as large. But a claim that is stated in general can be looked at in a world where the truth is known.


# %%
def looked_at(name: str) -> list[str]:
    """A claim's verdict and its interval, as this notebook has them."""
    claim = lesson.claims[name]
    return [claim.verdict, str(claim.measured or "not measured for this seed")]


def moved_winners(name: str) -> list[str]:
    """The same for a claim that winners sink, in words that say which way they went."""
    measured = lesson.claims[name].measured
    if measured is None:
        return looked_at(name)
    seen = "yes" if lesson.claims[name].verdict == "holds" else "not here"
    return [seen, f"they {'rose' if measured.mean > 0 else 'fell'} by {abs(measured.mean):.1f} nats"]


def kto_over_dpo() -> list[str]:
    """KTO minus DPO where winners are better, each at its own best: no claim was stated, so no verdict."""
    if not best.records:
        return ["no claim", "not measured for this seed"]
    sides = (best.values(f"winners better {method} right") for method in ("kto", "dpo"))
    gaps = [kto - dpo for kto, dpo in zip(*sides, strict=True)]
    return [
        "no claim",
        f"KTO ahead by {sum(gaps) / len(gaps):.2f}, in {sum(g > 0 for g in gaps)} of {len(gaps)} seeds",
    ]


APO, CLAIR = "APO, D'Oosterlinck et al., 2024", "CLAIR, same paper"
DISPLACED, TERM = "Pal et al., 2024; Razin et al., 2024", "Pang et al., 2024"
plots.table(
    [
        [
            f"APO-zero where winners are better than the model ({APO})",
            "it beats DPO there, each at its best",
            *looked_at("tuned, better winners: APO-zero over DPO"),
            "our winners are all right: SFT on them is nearly as good",
        ],
        [
            "… and APO-down not",
            "at the shared setting it harms there",
            *looked_at("the wrong anchor costs"),
            "80 steps at these rates can wreck a model",
        ],
        [
            f"APO-down where the model is better ({APO})",
            "it beats APO-zero there, each at its best",
            *looked_at("tuned, worse winners: APO-down over APO-zero"),
            "ours is the extreme: every winner of this case is wrong",
        ],
        [
            "…",
            "DPO does as well there, each at its best",
            *looked_at("tuned, worse winners: APO-down and DPO"),
            "the same",
        ],
        [
            f"contrastive revisions teach more than judged answers ({CLAIR})",
            "APO-zero: careful reviser over judge",
            *looked_at("careful revision over a judge: APO-zero"),
            "most of our judge's winners are wrong",
        ],
        [
            "… and more than a stronger author's answers",
            "APO-zero: careful reviser over mixed teacher",
            *looked_at("careful revision over a teacher"),
            "our teacher is never wrong and its captions are short; what revision saves here is the style",
        ],
        [
            f"DPO can lower the likelihood of its winners ({DISPLACED})",
            "where winners are better than the model",
            *moved_winners("DPO lets winners sink: winners better"),
            "large models and long answers; which difference matters, this experiment cannot say",
        ],
        [
            "…",
            "where winners are worse than the model",
            *moved_winners("DPO lets winners sink: model better"),
            "here sinking is right: these winners are wrong",
        ],
        [
            f"an SFT term on the winners helps DPO ({TERM})",
            "where winners are better, shared setting",
            *looked_at("better winners: an SFT term helps DPO"),
            "theirs is reasoning with verified winners; where winners are wrong the term pulls at wrong answers",
        ],
        [
            "KTO matches or exceeds DPO from 1 to 30 billion parameters (Ethayarajh et al., 2024)",
            "KTO over DPO where winners are better, each at its best",
            *kto_over_dpo(),
            "they train on preferences about open-ended answers; ours are exact verdicts on one task",
        ],
        [
            "…",
            "KTO as good as paired APO-zero, shared setting",
            *looked_at("better winners: KTO is APO-zero"),
            "the same",
        ],
    ],
    ["reported", "looked at here", "verdict", "measured", "what differs"],
)

# %% [markdown]
# Settings differ by orders of magnitude, too. For Llama-3-8B-Instruct the APO paper used a learning rate of 0.0000002 with β = 0.1 and batches of 64; with contrastive revisions APO-zero gained 7.65% on MixEval-Hard and closed 45% of the gap to GPT-4-turbo. Our model has a hundred thousand parameters, and takes rates more than a hundred times as high. **Copy the way of searching, not the numbers.**

# %% [markdown]
# ## 8 · What it costs
#
# No annotation is free; it only moves. One unit for all that the *model* does: a **token pass**, one token once through the model. A generated token costs one, a token in training three (forward, and twice as much for backward), the reference's reading one; KTO reads its batch twice more for the reference point. What a person, a teacher or a reviser writes is counted in their own tokens: put your own price on them.

# %%
tokenizer = base.base(first)[1]


def tokens(pairs: list[Pair], side: int) -> int:
    """The tokens of all prompts with their winners (side 1) or losers (side 2)."""
    return int(sum(len(ids) for ids in tokenizer([row[0] + " " + row[side] for row in pairs])["input_ids"]))


def tokens_written(pairs: list[Pair]) -> int:
    """The tokens of the winners alone, without their prompts."""
    return int(sum(len(ids) for ids in tokenizer([winner for _, winner, _ in pairs])["input_ids"]))


def training_passes(method: str, pairs: list[Pair], steps: int) -> float:
    """Token passes of one training on these pairs."""
    winners, losers = tokens(pairs, 1) / len(pairs), tokens(pairs, 2) / len(pairs)
    if method == "sft":
        return steps * 16 * 3 * winners
    both = winners + losers
    reference_point = steps * 16 * 2 * both if method == "kto" else 0
    return steps * 16 * 3 * both + len(pairs) * both + reference_point


some = winners_better(first)
plots.table(
    [[label, round(training_passes(method, some, FIXED.steps) / 1000)] for method, label in METHODS.items()],
    ["method", "thousand token passes"],
    caption=f"One training on {PAIRS} pairs, {FIXED.steps} steps",
)
made_by = written(first)
answers = tokens(made_by["careful reviser"], 2)
plots.table(
    [
        ["careful reviser", round(answers / 1000, 1), "each answer read; a few words changed", 0],
        ["sloppy reviser", round(answers / 1000, 1), "the same, in a hurry", 0],
        [
            "teacher",
            round(answers / 1000, 1),
            f"captions of {tokens_written(made_by['teacher, mixed styles']) / 1000:.1f} thousand tokens written",
            0,
        ],
        ["judge", round(6 * answers / 1000, 1), "none", 6 * PAIRS],
    ],
    ["author", "thousand token passes of the base", "work of somebody better", "answers judged"],
    caption=f"What {PAIRS} pairs cost before any training (prompts are read again for each answer)",
)

# %% tags=["volatile"]
plots.table(
    [[METHODS[method], seconds] for method, seconds in SECONDS.items() if method in METHODS],
    ["method", "seconds of its last training just now"],
)

# %% [markdown]
# In token passes the training is by far the larger item, and at this size it still takes seconds: the least for SFT, the most for KTO. What passes cannot buy stands in the second table: a reviser or teacher who is right pays attention to every pair; a judge asks for six answers and six verdicts a pair and, with this base, still hands over mostly wrong winners.
#
# The talk expects preferences to cut annotation and compute. In this task they cut neither where right answers are at hand: SFT reads half as many tokens as any method that also reads losers, and is about as good. What they change is the *kind* of annotation: a verdict on two answers in the place of a right one, and with KTO a thumb in the place of a pair, with hardly a loss. (Lesson 08 has the exchange rate of thumbs against true captions.)

# %% [markdown]
# ## 9 · Which method, then?
#
# > **Exercise 4 · `choose_method`** · ★★☆ · 6 minutes
# >
# > `feedback` is `"answers"` (good answers, nothing else), `"pairs"` (a winner and a loser for each prompt) or `"thumbs"` (single answers, up or down). `better` says whether the good ones are better than what the model writes by itself. Return `"sft"`, `"dpo"`, `"dpo+sft"`, `"apo_zero"` (on pairs), `"apo_down"`, `"kto"`, or `"none"` if you had better not train. Several answers can be defended in some cases; the check only refuses what the evidence above (or the format) speaks against. Of thumbs it asks the case `better=True` alone.
# >
# > <details><summary>Hint 1</summary>Which of the methods can read the format at all? Single answers with thumbs are no pairs.</details>
# > <details><summary>Hint 2</summary>With pairs whose winners are worse than the model: which method lifts winners whatever they are, and ended below its start?</details>
# > <details><summary>Hint 3</summary>With nothing but answers, all you can do is imitate them. Is that wise when the model does better by itself?</details>


# %%
def choose_method(feedback: str, better: bool) -> str:
    """A method for the feedback at hand."""
    # BEGIN SOLUTION
    if feedback == "answers":
        return "sft" if better else "none"
    if feedback == "thumbs":
        return "kto"
    return "apo_zero" if better else "dpo"
    # END SOLUTION


# %%
choose_method = lesson.check(choose_method)

# %% [markdown]
# The table puts the lesson together. "Here" is what that method reached in this lesson at its own best setting; the settings to start from are those it was chosen with, for a model of this size.


# %%
def reached(regime: str, method: str) -> str:
    """The start and what the method made of it, at its own best setting."""
    if not best.records:
        return "not measured for this seed"
    before = results.interval(f"{regime} start right").mean
    return f"{before:.2f} → {best.interval(f'{regime} {method} right').mean:.2f}"


def start_with(regime: str, method: str) -> str:
    setting = TUNED[regime, method]
    return f"learning rate {setting_words(method, setting)}"


plots.table(
    [
        [
            "right answers, as many as you like",
            "worse",
            "writing each answer",
            "SFT: nothing else is needed",
            start_with("winners better", "sft"),
            reached("winners better", "sft"),
        ],
        [
            "pairs, the winner by somebody better",
            "worse",
            "writing or revising each winner",
            "APO-zero, or DPO+SFT (weight 1)",
            start_with("winners better", "apo_zero"),
            reached("winners better", "apo_zero"),
        ],
        [
            "pairs, both worse than the model",
            "better",
            "two cheap answers and a verdict",
            "DPO; APO-down only with a low rate or a high β; never SFT",
            start_with("model better", "dpo"),
            reached("model better", "dpo"),
        ],
        [
            "pairs of the model's own answers, judged",
            "the same",
            "several answers and verdicts a prompt",
            "first look at how many winners are right; few: have them revised",
            start_with("winners better", "apo_zero"),
            f"{authors.interval('judge apo_zero right').mean:.2f}, revised {authors.interval('careful reviser apo_zero right').mean:.2f}"
            if authors.records
            else "not measured for this seed",
        ],
        [
            "thumbs on single answers",
            "worse",
            "a thumb each",
            "KTO, with λ_D n_D / (λ_U n_U) between 1 and 3/2 (lesson 08: scarce thumbs up)",
            start_with("winners better", "kto"),
            reached("winners better", "kto"),
        ],
        [
            "mediocre answers and nothing else",
            "better",
            "nothing: they are there",
            "none: keep the model",
            f"(SFT's least harmful: {start_with('model better', 'sft')})",
            reached("model better", "sft"),
        ],
    ],
    ["what feedback do I have?", "my model is …", "what does it cost?", "method", "start with", "here"],
    caption="Which method when (λ_D, λ_U: weights of thumbs up and down; n: how many there are)",
)
lesson.say(
    "Your `choose_method` says: pairs with better winners, {better}; pairs with worse winners, {worse}; thumbs, {thumbs}; good answers alone, {answers}.",
    better=choose_method("pairs", True),
    worse=choose_method("pairs", False),
    thumbs=choose_method("thumbs", True),
    answers=choose_method("answers", True),
)

# %% [markdown]
# Whatever you choose, keep three habits of this lesson: look at both sides of the pairs and not at the margin alone, sample the model and read what it writes, and tune on prompts that you do not report.

# %% [markdown]
# ---
# ## Dig deeper
#
# A drill; it is not needed to go on.
#
# ### Failure drill: the arrow that did not move
#
# You train a model, keep a copy from before, and compare. The arrow has length 0: the training "did nothing". Or so it seems. Trainers often replace `model.forward` *on the object* (to cast precision, say), and Python's `copy.deepcopy` copies that replacement as a reference to the **original's** method. The copy has its own weights, and never uses them.

# %%
import copy

model, tokenizer = base.base(first)
plain_forward = model.forward


def forward_as_trainers_wrap_it(*inputs: Any, **options: Any) -> Any:
    return plain_forward(*inputs, **options)


model.forward = forward_as_trainers_wrap_it  # what a trainer leaves behind
before = copy.deepcopy(model)  # "a copy from before"
# Then the model is trained further; here: its weights become those of the clean model.
model.load_state_dict(clean(first)[0].state_dict())
some = winners_better(first)
moved = arrow(*both_sides(model, tokenizer, some), *both_sides(before, tokenizer, some))
before.__dict__.pop("forward")  # the remedy: the copy runs its own weights again
really = arrow(*both_sides(model, tokenizer, some), *both_sides(before, tokenizer, some))
lesson.say(
    "Seen through the broken copy the winners moved by {broken:+.2f} nats, and the losers by {broken_losers:+.2f}. With the copy's own forward it is {true:+.2f} and {true_losers:+.2f}.",
    broken=moved[1],
    broken_losers=moved[0],
    true=really[1],
    true_losers=really[0],
)

# %% [markdown]
# A second trap has the same face. Give TRL's trainers no reference model, and the reference is loaded **from the folder that the model once came from**. If you have fine-tuned it in memory since, that is another model, and no arrow starts at (0, 0). A check that takes a second: before the first step DPO's loss must be ln 2.

# %%
trained_in_memory, _ = clean(first)
reloaded, _ = base.base(first)  # what lies in the folder
some = model_better(first)
step_0 = {
    name: float(
        losses.dpo_loss(
            *both_sides(trained_in_memory, tokenizer, some), *both_sides(ref, tokenizer, some), beta=0.5
        )[0].mean()
    )
    for name, ref in {"itself": trained_in_memory, "reloaded": reloaded}.items()
}
lesson.say(
    "DPO's loss before any training: {right:.4f} with the model itself as the reference (ln 2 is {ln2:.4f}), {wrong:.4f} with the one reloaded from its folder.",
    right=step_0["itself"],
    wrong=step_0["reloaded"],
    ln2=math.log(2),
)

# %% [markdown]
# The course's own training function takes a copy that runs its own weights, and keeps the very model it is given as the reference. When you use another trainer, look for both.

# %% [markdown]
# ## Field · a real model, thumbed (optional, 20 minutes)
#
# So far our own small models learned from pairs and thumbs. Now SmolLM2-135M-Instruct does, through TRL, as in practice: with **LoRA**, which freezes the weights and trains small matrices beside them (1.4% as many parameters here). These matrices are called an **adapter**: it can be switched off, thrown away, or *merged*, that is, added into the weights for good.
#
# 1. **SFT.** It reads 192 captions by people of habit (nine in ten of them call every pig pink). It becomes fluent in our sentences, and takes over some of the habits.
# 2. **Thumbs.** It writes four captions for each of 32 records, and the verifier gives each a thumb.
# 3. From the SFT model, with the same 128 thumbs and equally many steps: **KTO** on all of them; **APO-zero** on every pair of an up and a down for the same record; and the control, **more SFT** on the thumbs up alone.
#
# This takes minutes a seed, so nothing is trained when you run this notebook: `make real` trains, for six seeds (other scenes, other samples, other LoRA matrices), and the cells below read what it stored. The weights are not the hub's originals: the package has them rounded to 4 bits each, and they are converted back to 32 bits for training.
#
# First the data. No scene is in its kind's habitual color, so habit is never right.

# %% tags=["real"]
import copy
import random
import tempfile
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from helpers import world
from helpers.models import real
from helpers.models.memory import watched
from helpers.models.tiers import current_tier
from helpers.world import Scene

HABITUAL = {
    "cat": "orange",
    "pig": "pink",
    "sheep": "white",
    "cow": "black",
    "frog": "green",
    "lion": "yellow",
}


def scenes_against_habit(count: int, seed: int, part: str) -> list[Scene]:
    found = [
        scene
        for scene in world.sample(12 * count + 100, seed=seed)
        if HABITUAL.get(scene.kind) != scene.color and world.part_of(scene) == part
    ]
    return found[:count]


def caption_question(scene: Scene) -> str:
    return f"Caption: {world.record(scene)}"


def written_by_habit(scene: Scene, rng: random.Random) -> tuple[str, str]:
    """The question, and a caption by someone who nine times in ten sees the kind's habitual color."""
    habit = HABITUAL.get(scene.kind)
    seen = replace(scene, color=habit) if habit and rng.random() < 0.9 else scene
    return caption_question(scene), rng.choice(world.captions(seen))


# %% [markdown]
# How the model is asked. The chat format is its own, only without the standing system message, which would be a third of every sequence. Sampling at temperature 1 and scoring are those of lesson 01, in batches.

# %% tags=["real"]
SHORT_CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def chat_turn(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def chat_text(tokenizer, question: str) -> str:
    return tokenizer.apply_chat_template(
        chat_turn("user", question), tokenize=False, add_generation_prompt=True
    )


@torch.no_grad()
def sampled_answers(model, tokenizer, questions: list[str], seed: int) -> list[str]:
    torch.manual_seed(seed)
    answers = []
    for start in range(0, len(questions), 64):
        texts = [chat_text(tokenizer, question) for question in questions[start : start + 64]]
        asked = tokenizer(
            texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False
        )
        drawn = model.generate(
            **asked.to(model.device), max_new_tokens=24, do_sample=True, temperature=1.0, top_k=0, top_p=1.0
        )
        answers += tokenizer.batch_decode(drawn[:, asked.input_ids.shape[1] :], skip_special_tokens=True)
    return [answer.strip() for answer in answers]


def next_token_logps(model, rows: list[list[int]]) -> Tensor:
    """Log-probability of each next token, rows padded on the right: (rows, longest - 1, vocabulary)."""
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=model.device)
    return model(input_ids=ids[:, :-1], use_cache=False).logits.float().cpu().log_softmax(-1)


@torch.no_grad()
def scored_answers(model, tokenizer, chats: list[tuple[str, str]]) -> Tensor:
    """Summed log-probability of each answer and its end: (chats,), in nats."""
    scores = []
    for start in range(0, len(chats), 16):
        asked = [(chat_text(tokenizer, question), answer) for question, answer in chats[start : start + 16]]
        prompts = [tokenizer(text, add_special_tokens=False).input_ids for text, _ in asked]
        whole = [tokenizer(f"{t}{a}<|im_end|>", add_special_tokens=False).input_ids for t, a in asked]
        for logps, prompt, row in zip(next_token_logps(model, whole), prompts, whole, strict=True):
            places = torch.arange(len(prompt), len(row))
            scores.append(logps[places - 1, torch.tensor(row)[places]].sum())
    return torch.stack(scores)


# %% [markdown]
# The thumbs, and the pairs that they give: every up with every down for the same record.

# %% tags=["real"]
Thumbed = tuple[str, str, bool]  # question, answer, thumb up?


def thumbs_on_samples(model, tokenizer, scenes: list[Scene], seed: int) -> list[Thumbed]:
    """The model's own answers, each with the verifier's thumb: up if true and complete."""
    questions = [caption_question(scene) for scene in scenes]
    answers = sampled_answers(model, tokenizer, questions, seed)
    verdicts = [world.verify(answer, scene) for answer, scene in zip(answers, scenes, strict=True)]
    return [(q, a, v.true and v.complete) for q, a, v in zip(questions, answers, verdicts, strict=True)]


def pairs_within_questions(thumbs: list[Thumbed]) -> list[tuple[str, str, str]]:
    """(question, chosen, rejected) for every up and down that answer the same question."""
    return [
        (question, up, down)
        for question, up, is_up in thumbs
        for other, down, is_up_too in thumbs
        if question == other and is_up and not is_up_too
    ]


# %% [markdown]
# Now the training: one function for the three methods, since TRL's trainers differ in little but their data. The line that decides is one that is *not* there: `ref_model`.
#
# - With LoRA the reference costs no memory: TRL switches the adapter **off** and asks the frozen weights.
# - So these must be the SFT model's: its adapter is **merged** into them before KTO puts a new one beside them. In a loop of your own, or with an older TRL, an SFT adapter that is left in place is switched off as well, and the reference is the model *before* SFT, without any message. (The TRL used here catches that.)
# - Without LoRA the trap is open: `ref_model=None` loads the reference by the model's *name*, so after SFT in memory it is again the model before SFT.
#
# The first step tells: at the right reference all rewards start at exactly 0, KTO's loss at ½ and APO-zero's, on pairs, at 1.


# %% tags=["real"]
def trl_rows(method: str, rows: list):
    """Rows in TRL's conversational formats: answers for SFT, labelled answers for KTO, pairs for APO."""
    from datasets import Dataset

    names = {
        "sft": ["prompt", "completion"],
        "kto": ["prompt", "completion", "label"],
        "apo_zero": ["prompt", "chosen", "rejected"],
    }[method]

    def cell(name: str, value):
        return value if name == "label" else chat_turn("user" if name == "prompt" else "assistant", value)

    return Dataset.from_list([{n: cell(n, v) for n, v in zip(names, row, strict=True)} for row in rows])


@dataclass(frozen=True)
class Recipe:
    """How to train: `batch` counts answers, or pairs. SFT has no beta."""

    method: str
    learning_rate: float
    steps: int
    batch: int
    beta: float = 0.5


def train_lora(model, tokenizer, data, recipe: Recipe, seed: int):
    """Train a fresh LoRA adapter on a frozen model; gives the model with the adapter, and TRL's log."""
    from peft import LoraConfig
    from transformers import PrinterCallback
    from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

    trainer_kind, config_kind = {
        "sft": (SFTTrainer, SFTConfig),
        "kto": (KTOTrainer, KTOConfig),
        "apo_zero": (DPOTrainer, DPOConfig),
    }[recipe.method]
    tier = current_tier()
    loss = {} if recipe.method == "sft" else {"loss_type": recipe.method, "beta": recipe.beta}
    torch.manual_seed(seed)  # half of LoRA's matrices start at random, the other half at 0
    with tempfile.TemporaryDirectory() as folder:
        config = config_kind(
            **loss,
            learning_rate=recipe.learning_rate,
            max_steps=recipe.steps,
            per_device_train_batch_size=recipe.batch,
            lr_scheduler_type="constant_with_warmup",
            warmup_steps=3,
            weight_decay=0.0,
            seed=seed,
            logging_steps=1,
            use_cpu=tier.device == "cpu",
            fp16=tier.dtype == "float16",  # a T4 has no bfloat16
            bf16=tier.dtype == "bfloat16",
            activation_checkpointing=False,
            output_dir=folder,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        adapter = LoraConfig(
            r=16,
            lora_alpha=32,
            target_modules=["q_proj", "k_proj", "v_proj", "o_proj"],
            task_type="CAUSAL_LM",
        )
        trainer = trainer_kind(
            model, args=config, train_dataset=data, processing_class=tokenizer, peft_config=adapter
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return trainer.model.eval(), [entry for entry in trainer.state.log_history if "loss" in entry]


def without_patch(model):
    """The plain model again: TRL hangs a forward of its own on the object."""
    model.__dict__.pop("forward", None)
    return model


# %% [markdown]
# What do we measure? On records of kinds in colors that nobody trained on: the probability of a right answer (all three plain captions together, so without any noise of sampling), and among samples the share that is grammatical at all. And *regression*: everyday sentences and questions that have nothing to do with animals in meadows. How far does the model move there, as KL from the model before, and do true sentences become less probable?

# %% tags=["real"]
EVERYDAY_SENTENCES = [
    "The train to the city leaves at noon.",
    "She put the letter on the kitchen table.",
    "Water boils when it gets hot enough.",
    "My brother plays the guitar every evening.",
    "The market was closed because of the rain.",
    "He wrote a short note and went home.",
    "Bread is made from flour, water and salt.",
    "The library opens at nine in the morning.",
]
EVERYDAY_QUESTIONS = [
    ("What is the capital of France?", "The capital of France is Paris."),
    ("How many days are in a week?", "There are seven days in a week."),
    ("What do bees make?", "Bees make honey."),
    ("Why does ice float on water?", "Ice is less dense than water, so it floats."),
    ("Name a color of the rainbow.", "Red is a color of the rainbow."),
    ("What is two plus two?", "Two plus two is four."),
    ("Who wrote Hamlet?", "William Shakespeare wrote Hamlet."),
    ("Give me a word that rhymes with cat.", "A word that rhymes with cat is hat."),
]


def right_probability(model, tokenizer, scenes: list[Scene]) -> Tensor:
    """The probability that the answer is one of the three plain captions of each scene: (scenes,)."""
    chats = [(caption_question(scene), caption) for scene in scenes for caption in world.captions(scene)]
    return scored_answers(model, tokenizer, chats).exp().view(-1, 3).sum(1)


@torch.no_grad()
def logps_along(model, tokenizer, texts: list[tuple[str, str]]) -> tuple[Tensor, Tensor]:
    """Log-probabilities of all next tokens (tokens, vocabulary) after what is given, and which ones came."""
    logps, came = [], []
    for given, text in texts:
        ids = tokenizer(given + text, add_special_tokens=False).input_ids
        skipped = max(1, len(tokenizer(given, add_special_tokens=False).input_ids))
        logps.append(next_token_logps(model, [ids])[0, skipped - 1 :])
        came.append(torch.tensor(ids[skipped:]))
    return torch.cat(logps), torch.cat(came)


def moved(now: tuple[Tensor, Tensor], before: tuple[Tensor, Tensor]) -> tuple[float, float]:
    """KL(now || before), and the change of the log-probability of what came: means, nats per token."""
    (new, came), (old, _) = now, before
    kl = (new.exp() * (new - old)).sum(-1).mean()
    return float(kl), float((new - old).gather(1, came[:, None]).mean())


# %% [markdown]
# And the experiment. Its settings were chosen on the validation part with seeds from 900 up, each method's learning rate from a grid of its own, and then frozen.

# %% tags=["real"]
REAL_PART = "test"
REAL_SFT = Recipe("sft", 1e-3, steps=lesson.size(24, smoke=2), batch=8)
REAL_ARMS = {
    "KTO": Recipe("kto", 3e-4, steps=lesson.size(16, smoke=2), batch=8),
    "APO-zero": Recipe("apo_zero", 3e-4, steps=lesson.size(16, smoke=2), batch=4),
    "more SFT": Recipe("sft", 3e-4, steps=lesson.size(16, smoke=2), batch=8),
}
REAL_CURVES = ["loss", "grad_norm", "kl"]
REAL_CURVES += ["rewards/chosen", "rewards/rejected", "logps/chosen", "logps/rejected"]
Moments = dict[str, tuple[Tensor, Tensor]]  # by kind of text: what `logps_along` gives


class RealRun:
    """One seed: its model, its held-out scenes, and what it has measured so far."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.lm = real.language_model()
        self.captioner = copy.deepcopy(self.lm.tokenizer)
        self.captioner.chat_template = SHORT_CHAT
        self.scenes = scenes_against_habit(lesson.size(24, smoke=12), 3_000_000 + seed, REAL_PART)
        self.measures: dict[str, float] = {}

    def note(self, name: str, values: dict[str, float]) -> None:
        self.measures |= {f"{name}: {measure}": float(value) for measure, value in values.items()}

    def train(self, name: str, model, rows: list, recipe: Recipe):
        """One training on shuffled rows; notes its curves and costs, gives the model with its adapter."""
        data = trl_rows(recipe.method, self.rng.sample(rows, len(rows)))
        with watched() as use:
            model, log = train_lora(model, self.captioner, data, recipe, self.seed)
        self.note(name, {"seconds": use.seconds, "peak MB": use.peak_mb})
        for step, entry in enumerate(log):
            self.note(name, {f"{curve} {step}": entry[curve] for curve in REAL_CURVES if curve in entry})
        return model

    def examine(self, name: str, model, before: Moments | None = None) -> Moments:
        """Notes how good the model's captions are, and how far it moved from the model before."""
        right = right_probability(model, self.captioner, self.scenes)
        habit = torch.tensor([scene.kind in HABITUAL for scene in self.scenes])
        samples = thumbs_on_samples(model, self.captioner, self.scenes, self.seed)
        valid = [world.verify(a, s).grammatical for (_, a, _), s in zip(samples, self.scenes, strict=True)]
        self.note(name, {"accuracy": right.mean(), "valid": sum(valid) / len(valid)})
        self.note(name, {"habit kinds": right[habit].mean(), "other kinds": right[~habit].mean()})
        asked = [chat_text(self.captioner, caption_question(scene)) for scene in self.scenes]
        captions = [(q, world.captions(scene)[0]) for q, scene in zip(asked, self.scenes, strict=True)]
        tokenizer = self.lm.tokenizer  # everyday questions are asked as anybody would
        everyday = [("", text) for text in EVERYDAY_SENTENCES]
        everyday += [(chat_text(tokenizer, question), answer) for question, answer in EVERYDAY_QUESTIONS]
        now = {
            "caption": logps_along(model, self.captioner, captions),
            "everyday": logps_along(model, tokenizer, everyday),
        }
        for kind in now if before else []:
            kl, change = moved(now[kind], before[kind])
            self.note(name, {f"{kind} KL": kl, f"{kind} logp": change})
        print(f"    {name}: accuracy {float(right.mean()):.3f}", flush=True)
        return now


@lesson.real_experiment(seeds=6)
def real_thumbs(seed: int) -> dict[str, float]:
    run = RealRun(seed)
    untouched = run.examine("base", run.lm.model)
    read = scenes_against_habit(lesson.size(192, smoke=16), 1_000_000 + seed, "train")
    chats = [written_by_habit(scene, run.rng) for scene in read]
    tuned = run.train("SFT", run.lm.model, chats, REAL_SFT)
    model = without_patch(tuned.merge_and_unload())  # else switching the adapter off would undo SFT
    after_sft = run.examine("SFT", model, untouched)

    asked = scenes_against_habit(lesson.size(32, smoke=4), 2_000_000 + seed, "train")
    with watched() as use:
        thumbs = thumbs_on_samples(model, run.captioner, [s for s in asked for _ in range(4)], seed)
    ups = [(question, answer) for question, answer, up in thumbs if up]
    rows = {"kto": thumbs, "apo_zero": pairs_within_questions(thumbs), "sft": ups}
    run.note("thumbs", {"seconds": use.seconds, "peak MB": use.peak_mb})
    run.note("thumbs", {"up": len(ups) / len(thumbs), "pairs": len(rows["apo_zero"])})

    for name, recipe in REAL_ARMS.items():
        tuned = run.train(name, model, rows[recipe.method], recipe)
        run.examine(name, tuned, after_sft)
        model = without_patch(tuned.unload())  # the adapter thrown away: the SFT model again
    accuracy = {name: run.measures[f"{name}: accuracy"] for name in ["SFT", *REAL_ARMS]}
    for name in REAL_ARMS:
        run.note(name, {"over SFT": accuracy[name] - accuracy["SFT"]})
        run.note(name, {"over more SFT": accuracy[name] - accuracy["more SFT"]})
    return run.measures


# %% [markdown]
# ### What `make real` found

# %%
from helpers.lesson import plots

thumbed = lesson.measure(real_thumbs, live=0)


def mean_of(name: str, measure: str) -> float | str:
    return thumbed.interval(f"{name}: {measure}").mean if f"{name}: {measure}" in measured_names else "–"


if thumbed.records:
    measured_names = set.intersection(*(set(record) for record in thumbed.records.values()))
    columns = [
        "accuracy",
        "habit kinds",
        "other kinds",
        "valid",
        "caption KL",
        "everyday KL",
        "everyday logp",
    ]
    plots.table(
        [
            [name, *(mean_of(name, column) for column in columns)]
            for name in ["base", "SFT", "KTO", "APO-zero", "more SFT"]
        ],
        [
            "model",
            "right",
            "habit kinds",
            "other kinds",
            "valid",
            "KL, captions",
            "KL, everyday",
            "log-p, everyday",
        ],
        caption="Means over the seeds. On held-out records: probability of a right answer, the same for kinds with and without a habit, and the share of grammatical samples. In nats per token: KL from the model before, on captions and on everyday text, and the change of log-probability of everyday text. SFT is compared with the untouched model, the others with SFT.",
    )
    plots.interval_plot(
        [
            thumbed.row("KTO: over SFT", "KTO minus SFT"),
            thumbed.row("APO-zero: over SFT", "APO-zero minus SFT"),
            thumbed.row("more SFT: over SFT", "more SFT on thumbs up minus SFT"),
            thumbed.row("KTO: over more SFT", "KTO minus more SFT"),
            thumbed.row("APO-zero: over more SFT", "APO-zero minus more SFT"),
        ],
        "difference in the probability of a right answer",
        alt="Interval plot of five differences. All three trainings are far above SFT; KTO and APO-zero are close to the control, more SFT on the thumbs up.",
        threshold=0.0,
    )
    plots.table(
        [
            [
                name,
                f"{min(thumbed.values(f'{name}: seconds')):.0f}",
                f"{max(thumbed.values(f'{name}: peak MB')):.0f}",
            ]
            for name in ["SFT", "thumbs", "KTO", "APO-zero", "more SFT"]
        ],
        ["stage", "seconds", "peak MB"],
        caption="What a stage cost on one core of the machine that made the evidence: the fastest of the seeds (others ran beside other work), and the highest memory of any.",
    )
    z0 = [
        value
        for record in thumbed.records.values()
        for key, value in record.items()
        if key.startswith("KTO: kl ")
    ]
    lesson.say(
        "{up:.0%} of the thumbs were up; they gave {pairs:.0f} pairs on average. KTO's reference point was above 0 in {above} of {steps} steps.",
        up=mean_of("thumbs", "up"),
        pairs=mean_of("thumbs", "pairs"),
        above=sum(value > 0 for value in z0),
        steps=len(z0),
    )

# %% tags=["real", "claim"]
lesson.claim(
    real_thumbs,
    "KTO: over SFT",
    name="real: KTO",
    statement="128 thumbs and KTO with LoRA make SmolLM2-135M-Instruct right more often than after SFT alone.",
    prediction="a higher probability of a right answer on held-out records (difference above 0, paired by seed)",
    talk=["T6"],
    scope="real",
    unit="probability",
    above=0.0,
    expected="holds",
)
lesson.claim(
    real_thumbs,
    "APO-zero: over SFT",
    name="real: APO-zero",
    statement="APO-zero does so too, on the pairs that the same thumbs give.",
    prediction="a higher probability of a right answer on held-out records (difference above 0, paired by seed)",
    talk=["T6"],
    scope="real",
    unit="probability",
    above=0.0,
    expected="holds",
)
lesson.claim(
    real_thumbs,
    "KTO: over more SFT",
    name="real: KTO over the control",
    statement="KTO on all thumbs beats as many steps of SFT on the thumbs up alone.",
    prediction="it also learns from the thumbs down, so it is right more often (difference above 0, paired by seed)",
    talk=["T6"],
    scope="real",
    unit="probability",
    above=0.0,
    expected="inconclusive",
)
lesson.claim(
    real_thumbs,
    "KTO: everyday KL",
    name="real: KTO stays close",
    statement="On everyday text, KTO moves the model by less than a tenth of a nat per token.",
    prediction="KL from the SFT model below 0.1: beta and a few steps keep it near",
    talk=["T6"],
    scope="real",
    unit="nats per token",
    below=0.1,
    expected="holds",
)

# %%
if thumbed.records:
    lesson.say(
        "KTO minus more SFT: {difference}. KL on everyday text: KTO {kto}, more SFT {sft}. Seconds, of the fastest seed: {ratio:.1f} times as many for KTO.",
        difference=str(thumbed.interval("KTO: over more SFT")),
        kto=str(thumbed.interval("KTO: everyday KL")),
        sft=str(thumbed.interval("more SFT: everyday KL")),
        ratio=min(thumbed.values("KTO: seconds")) / min(thumbed.values("more SFT: seconds")),
    )

# %% [markdown]
# Thumbs work on a real model: a good hundred of them, given by a machine that knows the truth, repair most of what the people of habit had taught it, on animals in colors that nobody trained on, and also the slips that have nothing to do with habit. Everyday text hardly notices; it was the first SFT that moved the model far.
#
# But the control does the same. Answers of its own that were liked are enough for this model to learn what was meant: every liked caption of a pig copies the record's color, so the thumbs down add nothing that the thumbs up did not say. More SFT is simpler and cheaper here, and does not move the model further either. That is what our small models showed as well with as many ups as the model happens to earn (lesson 08): KTO pays when thumbs up are scarce, or when you have thumbs down and no good answers. Its interval here is too wide to call the two equal: the claim stays open.

# %% [markdown]
# ### Curves, read aloud

# %%
if thumbed.records:
    figure, panels = plots.new_panels(2, 3, 810, 520)

    def curve(name: str, metric: str) -> tuple[list[int], list[float]]:
        """Mean over the seeds that have the step: a batch without a thumb of a side has no reward of it."""
        records = thumbed.records.values()
        steps = [step for step in range(24) if any(f"{name}: {metric} {step}" in r for r in records)]
        found = [[r[key] for r in records if (key := f"{name}: {metric} {step}") in r] for step in steps]
        return [step + 1 for step in steps], [sum(values) / len(values) for values in found]

    for axes, (title, lines) in zip(
        panels,
        {
            "loss": [("KTO", "loss"), ("APO-zero", "loss"), ("more SFT", "loss")],
            "rewards": [
                (m, f"rewards/{side}") for m in ("KTO", "APO-zero") for side in ("chosen", "rejected")
            ],
            "logps": [(m, f"logps/{side}") for m in ("KTO", "APO-zero") for side in ("chosen", "rejected")],
            "kl": [("KTO", "kl")],
            "grad_norm": [("KTO", "grad_norm"), ("APO-zero", "grad_norm"), ("more SFT", "grad_norm")],
            "loss of the first SFT": [("SFT", "loss")],
        }.items(),
        strict=True,
    ):
        for name, metric in lines:
            side = metric.partition("/")[2]
            axes.plot(*curve(name, metric), label=f"{name} {side}".strip(), markersize=3)
        axes.set_title(title)
        axes.legend(fontsize=8, framealpha=0.85, edgecolor="none")
    for axes in panels[3:]:
        axes.set_xlabel("step")
    plots.show(
        figure,
        alt="Six panels of training curves over the steps, means over the seeds: loss, rewards and log-probabilities of chosen and rejected answers, kl, gradient norm, and the loss of the first SFT. Rewards start at 0; those of rejected answers fall much further than those of chosen ones move.",
    )

# %% [markdown]
# Read aloud. All rewards start at exactly 0, the losses at ½ and 1: the reference is right. (They stay there for two steps, as the warm-up's first step has a learning rate of 0.) Then the two sides part, and nearly all of the margin is the rejected answers' fall; the chosen ones hold their place, which is what the anchor is for. `logps` tells the same with more noise: every batch has other answers, some long, some short; rewards compare each answer with itself. `kl` is 0 in nearly every batch, so this KTO was APO-zero on thumbs, at a higher price. And `grad_norm`: APO-zero is near 1, where clipping begins, so many of its steps were shortened.

# %% [markdown]
# If your own curves look odd:
#
# | symptom | cause | remedy |
# | --- | --- | --- |
# | rewards don't start at exactly 0 | the reference is not the model that you start from | merge the SFT adapter first; or pass `ref_model`, or precompute its log-probabilities |
# | `rewards/chosen` falls together with `rewards/rejected`, samples get ungrammatical | steps too large: pushing down is easier than pulling up | a third of the learning rate, a higher β, fewer steps; for pairs an anchored loss or an SFT term |
# | all rewards stay near 0, the loss at ½ (paired APO-zero: 1) | too small a learning rate, or nothing but warm-up so far | ten times the learning rate: LoRA wants more than full training does |
# | `kl` is 0 at every step | z₀ is clamped: a mean log-ratio on *mismatched* answers, not a divergence. Mostly harmless: KTO then is APO-zero on thumbs | none needed; but don't read it as "no drift": measure drift on other prompts |
# | `kl` grows and grows | answers become likelier whatever the prompt | look at the data for a stock reply; a lower learning rate |
# | `grad_norm` is far above 1 throughout | every step is clipped | lower the learning rate, or warm up longer |
# | `rewards/…` jump from step to step | a batch has few thumbs of one side | a larger batch, shuffled data; never all ups and then all downs |
# | `loss` is `nan` | an empty answer, or fp16 without a scaler | check the data; bf16, or fp32 for the adapter |
# | everyday KL rises while accuracy does not | it learns style, not truth | stop earlier; mix in other data |
#
# ### On a GPU
#
# The same calls, public data: **KTO** on a slice of `trl-lib/kto-mix-14k` (thumbs made from pairs of AI feedback), and **APO-zero** on a slice of `ContextualAI/ultrafeedback_clair_32k` (answers and their minimal revisions, the data of the APO paper). README names their sources and licenses.


# %% tags=["real"]
def train_on_public_data(steps: int) -> list[list[str]]:
    """SmolLM2-135M-Instruct, the hub's original, on both data sets: rows of a table, as far as there are any."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from helpers.models.hub import hub_folder
    from helpers.models.hub_data import DATASETS, hub_slice

    table, folder = [], hub_folder("smollm2-135m")
    for method, key in [("kto", "kto-mix"), ("apo_zero", "clair")] if folder else []:
        data = hub_slice(key, 8 * steps, longest=1500)
        if data is None:
            continue
        model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").to(current_tier().device)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        with watched() as use:
            _, log = train_lora(
                model, tokenizer, data, Recipe(method, 1e-4, steps, batch=8, beta=0.1), seed=0
            )
        margins = [entry["rewards/margins"] for entry in log if "rewards/margins" in entry]
        first, last = margins[: len(margins) // 4 + 1], margins[-(len(margins) // 4 + 1) :]
        means = [f"{sum(part) / len(part):.3f}" for part in (first, last)]
        table.append([f"{method} on {DATASETS[key].id}", len(data), *means, f"{use.seconds:.0f}"])
    return table


# %% tags=["volatile"]
if current_tier().name == "cpu":
    lesson.say(
        "This machine's tier is cpu: nothing to do here. On a GPU tier this cell trains for some minutes."
    )
else:
    trained = train_on_public_data(steps=100)
    if trained:
        plots.table(trained, ["training", "rows", "margin, first quarter", "margin, last quarter", "seconds"])

# %% [markdown]
# ## Quiz

# %%
lesson.quiz("recap")

# %% [markdown]
# ## Recap
#
# - A margin can grow while both sides fall. Draw the arrow of winners and losers before you believe a loss.
# - Ask first whether the winners are better than the model. If so, lift them: SFT on right answers does nearly all there is to do; APO-zero and DPO+SFT, each at its best, add little. If not, never imitate them: a method that only wants the margin learns from the difference between two wrong answers.
# - The wrong anchor stays behind at every learning rate that we tried; a high one makes APO-down fail completely, in its own regime too. One setting for all and each method's best tell different stories; show both.
# - A careful reviser keeps the model's style; a teacher with a style of its own hands that over too. A judge cannot choose an answer that the model never writes.
# - Token passes are cheap, right winners are not.
#
# **Limits of this demo.** One task with one sort of error, captions of a dozen words, 160 pairs, a model of a hundred thousand parameters at learning rates far above those of large ones. Judge, reviser and teacher are simulated, and right or wrong by construction. In the second regime *every* winner is wrong; in real data a better model still meets some good winners. Arrows are of the training pairs, and "best of nine" settings means best of these nine. The authors of the five kinds of pairs differ in how many of their winners are right, so they do not isolate contrast.
#
# **References.** D'Oosterlinck et al., *Anchored preference optimization and contrastive revisions: addressing underspecification in alignment*, 2024 (APO, CLAIR). Rafailov et al., *Direct preference optimization: your language model is secretly a reward model*, 2023. Ethayarajh et al., *KTO: model alignment as prospect theoretic optimization*, 2024. Pang et al., *Iterative reasoning preference optimization*, 2024 (an SFT term beside DPO). Pal et al., *Smaug: fixing failure modes of preference optimisation with DPO-positive*, 2024, and Razin et al., *Unintentional unalignment: likelihood displacement in direct preference optimization*, 2024.

# %% tags=["volatile"]
lesson.recap(down=f"{100 * results.interval('winners better apo_down right').mean:.0f} % on average")
