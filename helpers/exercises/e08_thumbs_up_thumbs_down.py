"""Lesson 08: what its exercises must fulfill, its quiz, the thumbs widget, and the widget about the pushes.

The reference solutions are in the lesson's source. Properties compare with cases worked out by hand, never
with the reference.
"""

from __future__ import annotations

import math
import random
import secrets
from collections.abc import Callable, Sequence

import ipywidgets
import numpy as np

from helpers import settings
from helpers.data import share
from helpers.lesson import page, plots
from helpers.lesson.checks import Answer, Check, CheckFailed, Property, call, expect
from helpers.lesson.progress import Progress
from helpers.lesson.quiz import QuizQuestion
from helpers.lesson.thumbs import ThumbsWidget
from helpers.lesson.widgets import WhatIf
from helpers.models import base, small
from helpers.world import Scene, captions, describe, record

Function = Callable[..., object]

# --- exercise 1: thumbs_from --------------------------------------------------------------------------------

_PIG = Scene("pig", "blue", "small", "meadow", "sleeps")
_CAT = Scene("cat", "gray", "big", "beach", "jumps")
_THUMB = {True: "up", False: "down"}


def _judged(function: Function, told: list[tuple[Scene, str, bool, str]]) -> None:
    """The thumbs for these captions are right.

    Args:
        told: scene, caption, its right thumb, and why, as the end of "the caption ...".
    """
    scenes, said = [scene for scene, *_ in told], [caption for _, caption, *_ in told]
    answer = call(function, captions=said, scenes=scenes)
    value = answer.value.tolist() if hasattr(answer.value, "tolist") else answer.value
    _should(isinstance(value, list | tuple), "be a list of bools", value)
    _should(len(value) == len(told), f"have one bool for each of {len(told)} captions", value)
    _should(all(type(thumb) is bool for thumb in value), "hold nothing but True and False", value)
    for i, ((scene, caption, up, why), thumb) in enumerate(zip(told, value, strict=True)):
        if thumb != up:
            raise CheckFailed(
                f"caption {i} ({caption!r}, for “{record(scene)}”) {why}: "
                f"it should be {_THUMB[up]}, yours is {_THUMB[thumb]}"
            )


def _should(holds: bool, be: str, value: object) -> None:
    expect(holds, "the result", be, value)


def _thumbs_true(function: Function) -> None:
    _judged(function, [(_PIG, caption, True, "says all of it, and truly") for caption in captions(_PIG)])


def _thumbs_false(function: Function) -> None:
    pink = captions(Scene("pig", "pink", "small", "meadow", "sleeps"))[0]
    _judged(
        function,
        [
            (_PIG, pink, False, "gives the wrong color"),
            (_PIG, captions(_CAT)[0], False, "is about another scene"),
        ],
    )


def _thumbs_incomplete(function: Function) -> None:
    # Nothing in these captions is false; they are silent about something.
    short_of_two = describe(_PIG, mention=("kind", "color", "verb"))
    short_of_others = describe(_CAT, mention=("size", "kind", "place"))
    _judged(
        function,
        [
            (_PIG, short_of_two, False, "leaves out the size and the place"),
            (_CAT, short_of_others, False, "leaves out the color and what it does"),
        ],
    )


def _thumbs_babble(function: Function) -> None:
    _judged(
        function,
        [
            (_PIG, "", False, "says nothing"),
            (_PIG, "pig pig blue the", False, "is no sentence"),
            (_CAT, captions(_CAT)[1], True, "says all of it, and truly"),
        ],
    )


# --- exercise 2: kto_weights --------------------------------------------------------------------------------


def _pair_of(answer: Answer) -> tuple[float, float]:
    answer.should("be two numbers, for up and down", len(answer.value) == 2)
    up, down = answer.value
    return float(up), float(down)


def _weights_equal(function: Function) -> None:
    answer = call(function, ups=40, downs=40)
    answer.should("be two ones, as there is nothing to balance", np.allclose(_pair_of(answer), 1))


def _weights_few_up(function: Function) -> None:
    call(function, ups=10, downs=30).close([3.0, 1.0])


def _weights_few_down(function: Function) -> None:
    call(function, ups=300, downs=20).close([1.0, 15.0])


def _weights_rule(function: Function) -> None:
    for ups, downs in [(16, 304), (64, 256), (7, 3), (1, 1000)]:
        answer = call(function, ups=ups, downs=downs)
        up, down = _pair_of(answer)
        ratio = up * ups / (down * downs) if down else math.inf
        answer.should("make ups × their weight equal to downs × theirs", abs(ratio - 1) < 1e-6)
        answer.should("leave the weight of the more frequent side at 1", abs(min(up, down) - 1) < 1e-9)


# --- exercise 3: mixed_pairs --------------------------------------------------------------------------------


def _pairs(answer: Answer) -> list[tuple[str, str, str]]:
    found = [tuple(pair) for pair in answer.value]
    answer.should("hold triples (prompt, chosen, rejected)", all(len(pair) == 3 for pair in found))
    return sorted(found)


def _pairs_one(function: Function) -> None:
    answer = call(function, rows=[("pig", "right", True), ("pig", "wrong", False)])
    answer.should("be the one pair there is", _pairs(answer) == [("pig", "right", "wrong")])


def _pairs_order(function: Function) -> None:
    answer = call(function, rows=[("pig", "wrong", False), ("pig", "right", True)])
    answer.should(
        "have the thumb up as chosen, whichever row comes first",
        _pairs(answer) == [("pig", "right", "wrong")],
    )


def _pairs_apart(function: Function) -> None:
    rows = [
        ("pig", "a", True),
        ("cat", "b", False),
        ("cow", "c", True),
        ("cat", "d", True),
        ("pig", "e", False),
    ]
    answer = call(function, rows=rows)
    answer.should(
        "pair answers to the same prompt, wherever they stand",
        _pairs(answer) == [("cat", "d", "b"), ("pig", "a", "e")],
    )


def _pairs_unmixed(function: Function) -> None:
    rows = [
        ("pig", "a", True),
        ("pig", "b", True),
        ("cat", "c", False),
        ("cat", "d", False),
        ("cow", "e", True),
    ]
    answer = call(function, rows=rows)
    answer.should("be empty: no prompt has both a thumb up and a thumb down", not _pairs(answer))


def _pairs_once(function: Function) -> None:
    rows = [("pig", "a", True), ("pig", "b", False), ("pig", "c", False), ("pig", "d", False)]
    answer = call(function, rows=rows)
    answer.should("use no row twice", len(_pairs(answer)) == 1)
    answer.should("take the first thumb down", _pairs(answer) == [("pig", "a", "b")])


def _pairs_several(function: Function) -> None:
    rows = [
        ("pig", "u1", True),
        ("pig", "d1", False),
        ("pig", "d2", False),
        ("pig", "u2", True),
        ("pig", "u3", True),
    ]
    answer = call(function, rows=rows)
    answer.should("have as many pairs as the rarer thumb allows, two", len(_pairs(answer)) == 2)
    answer.should(
        "pair the first up with the first down, and the second with the second",
        _pairs(answer) == [("pig", "u1", "d1"), ("pig", "u2", "d2")],
    )


CHECKS: dict[str, Check] = {
    "thumbs_from": Check(
        "thumbs_from",
        [
            Property("all three right captions get a thumb up", _thumbs_true),
            Property("a caption with a wrong word, or of another scene, gets a thumb down", _thumbs_false),
            Property("a caption that leaves something out gets a thumb down", _thumbs_incomplete),
            Property("so does what is no caption at all", _thumbs_babble),
        ],
    ),
    "kto_weights": Check(
        "kto_weights",
        [
            Property("as many ups as downs need no weights", _weights_equal),
            Property("10 ups and 30 downs", _weights_few_up),
            Property("300 ups and 20 downs: then it is the downs that are rare", _weights_few_down),
            Property("both sides weigh the same in all, and no weight is below 1", _weights_rule),
        ],
    ),
    "mixed_pairs": Check(
        "mixed_pairs",
        [
            Property("one up and one down make a pair", _pairs_one),
            Property("the thumb decides which is chosen", _pairs_order),
            Property("answers to one prompt may stand far apart", _pairs_apart),
            Property("prompts with thumbs of one kind give nothing", _pairs_unmixed),
            Property("one up and three downs to a prompt make one pair, with the first down", _pairs_once),
            Property("a prompt with several of each gives several pairs", _pairs_several),
        ],
    ),
}


# --- the thumbs widget --------------------------------------------------------------------------------------


OWN = 20  # answers in a class that only one learner is asked about


def thumbs_widget(answers: Sequence[tuple[Scene, str]]) -> ThumbsWidget:
    """Ask for thumbs on a model's captions, and keep each at once in the learner's file of lesson 08.

    In a class (``COURSE_CLASS``) captions of the learner's own follow: on the first ones all can be compared,
    and a model learns more from different captions than from one caption judged thirty times.
    """
    if share.folder() is None:
        return ThumbsWidget(answers, "08")
    progress = Progress("08")
    seed = progress.get("class seed")
    if not isinstance(seed, int):
        seed = secrets.randbelow(1_000_000)
        progress.set("class seed", seed)
    question = (
        f"Is the model's answer right? (The class shares the first {len(answers)}; the rest are yours.)"
    )
    own = own_answers(seed, besides=[scene for scene, _ in answers])
    return ThumbsWidget([*answers, *own], "08", question=question)


def own_answers(seed: int, besides: Sequence[Scene] = ()) -> list[tuple[Scene, str]]:
    """Scenes of the training part with what the base wrote, half of them of kinds with a habit, mixed.

    No two have the same record, nor one of `besides`: nobody is asked twice about one caption.
    """
    model, tokenizer = base.base(settings.seeds(1)[0])
    asked = set(map(record, besides))
    drawn = {record(scene): scene for scene in base.records(4 * OWN, seed=1_000 + seed, part="train")}
    fresh = [scene for told, scene in drawn.items() if told not in asked]
    chosen = [scene for scene in fresh if scene.kind in base.HABITS][: OWN // 2]
    chosen += [scene for scene in fresh if scene.kind not in base.HABITS][: OWN // 2]
    random.Random(seed).shuffle(chosen)
    return list(zip(chosen, small.sample(model, tokenizer, list(map(record, chosen)), seed), strict=True))


# --- how hard the thumbs push -------------------------------------------------------------------------------

LABELS = 320
_TENTH = math.log((1 + math.sqrt(0.9)) / (1 - math.sqrt(0.9)))  # where σ(x) σ(−x) is a tenth of its peak


def pushes(beta: float, ups: int, weighted: bool, ratios: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How hard all ups and all downs of 320 thumbs push when each answer's log-ratio is r: twice (n,).

    The push of a thumb is the slope of its loss, λ β σ(β r) σ(−β r) with z₀ = 0, in 1 per nat.

    Args:
        ratios: log-ratios r, (n,).
    """
    downs = LABELS - ups
    up_weight, down_weight = (max(1.0, downs / ups), max(1.0, ups / downs)) if weighted else (1.0, 1.0)
    one = beta / (2 + 2 * np.cosh(beta * ratios))
    return ups * up_weight * one, downs * down_weight * one


def _pushes_html(ups: int, beta: float, weights: str) -> str:
    ratios = np.linspace(-8, 8, 321)
    up, down = pushes(beta, ups, weights == "by the counts", ratios)
    figure, axes = plots.new_figure(660, 320)
    axes.plot(ratios, up, label=f"{ups} thumbs up, pulling up", markevery=20)
    axes.plot(ratios, down, label=f"{LABELS - ups} thumbs down, pushing down", markevery=20)
    axes.set_xlabel("log-ratio r of the answer: how far the model has moved it, in nats")
    axes.set_ylabel("push of all of them together")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    middle = len(ratios) // 2
    times = down[middle] / up[middle]
    reach = _TENTH / beta
    alt = (
        f"Two bell-shaped curves over the log-ratio, for beta {beta:g}. At 0 the thumbs up push with "
        f"{up[middle]:.0f} and the thumbs down with {down[middle]:.0f}."
    )
    hard = "as hard" if abs(times - 1) < 1e-6 else f"{times:.2g} times as hard"
    sentence = (
        f"At the start (r = 0) the downs push {hard} as the ups. A push has faded to a tenth "
        f"when an answer has become {math.exp(reach):,.2g} times as probable, or as improbable, as it was."
    )
    return plots.figure_html(figure, alt) + page.paragraph_html(sentence)


def pushes_widget() -> WhatIf:
    """What the share of thumbs up, β and the weights do to KTO's gradient."""
    controls = {
        "ups": ipywidgets.IntSlider(value=32, min=8, max=312, step=8, description="thumbs up, of 320"),
        "beta": ipywidgets.FloatSlider(value=2.0, min=0.25, max=4.0, step=0.25, description="β"),
        "weights": ipywidgets.Dropdown(options=["all 1", "by the counts"], value="all 1"),
    }
    return WhatIf(controls, _pushes_html, "When are the thumbs up drowned, and when is an answer left alone?")


WIDGETS = {"thumbs": thumbs_widget, "pushes": pushes_widget}


# --- quiz ---------------------------------------------------------------------------------------------------

QUIZZES: dict[str, list[QuizQuestion]] = {
    "recap": [
        QuizQuestion(
            "You have 30 thumbs up and 600 thumbs down. What do you give TRL's KTOTrainer?",
            [
                "nothing special: it balances the two by itself",
                "undesirable_weight 20, as there are 20 downs for each up",
                "desirable_weight 20, so that both sides weigh the same in all",
            ],
            2,
            "TRL warns, and applies no weight for you. The rare side is the one to be raised.",
        ),
        QuizQuestion(
            "Why did SFT on few thumbs up learn less than KTO about the kinds with a habit?",
            [
                "its good answers are mostly about what the model got right anyway",
                "its learning rate was lower than KTO's",
                "thumbs up are wrong more often than thumbs down",
            ],
            0,
            "What the model gets wrong stands in the answers with a thumb down, and SFT throws them away.",
        ),
        QuizQuestion(
            "160 prompts, two judged answers each. Why did DPO get so few pairs?",
            [
                "DPO needs answers from two different models",
                "the two answers to a prompt are mostly both right or both wrong",
                "a pair counts as one label, so half of them are lost",
            ],
            1,
            "An error with a system repeats itself. A pair needs one of each, so most judged answers yield none.",
        ),
        QuizQuestion(
            "Your KTO run logs kl = 0 at every step. What does that tell you?",
            [
                "the model has not moved from the reference at all",
                "KTO does what APO-zero for thumbs would do, and pays for extra passes",
                "the learning rate is too small for z₀ to be measured",
            ],
            1,
            "z₀ is cut off at 0. Here mismatched answers became less probable, so the model moved and z₀ stayed 0.",
        ),
        QuizQuestion(
            "A merged file holds all thumbs up first, then all thumbs down. What do you do before training?",
            [
                "sort it the other way round: downs first",
                "halve the learning rate",
                "shuffle it",
            ],
            2,
            "Batches of one kind push in one direction for many steps. TRL's KTOTrainer goes through the rows in order.",
        ),
    ],
}
