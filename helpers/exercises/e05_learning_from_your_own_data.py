"""Lesson 05: what its exercises must fulfill, its quiz, and the widget about texts of texts.

The reference solutions are in the lesson's source. Properties compare with numbers worked out by hand or by
another route (families that really die out, by simulation), never with the reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import ipywidgets
import numpy as np

from helpers.lesson import page, plots
from helpers.lesson.checks import Check, Property, call
from helpers.lesson.quiz import QuizQuestion
from helpers.lesson.widgets import WhatIf

Function = Callable[..., object]


# --- exercise 1: surviving_kinds ----------------------------------------------------------------------------


def _kinds_first_text(function: Function) -> None:
    # Ten kinds, one sentence expected of each: the chance of none is 1/e.
    answer = call(function, shares=np.full(10, 0.1), sentences=10, last=0)
    answer.close([10 * (1 - math.exp(-1))])


def _kinds_second_text(function: Function) -> None:
    # One kind, three sentences: a line lasts one text with chance 1 - 1/e.
    answer = call(function, shares=np.array([1.0]), sentences=3, last=1)
    answer.close([1 - math.exp(-3), 1 - math.exp(-3 * (1 - math.exp(-1)))])


def _kinds_count(function: Function) -> None:
    answer = call(function, shares=np.array([0.5, 0.3, 0.2]), sentences=20, last=7)
    value = np.asarray(answer.value, dtype=float)
    answer.should("have one number for each text, 8 in all", value.shape == (8,), value.shape)
    answer.should("never rise from one text to the next", bool((np.diff(value) <= 1e-9).all()))


def _kinds_unequal(function: Function) -> None:
    answer = call(function, shares=np.array([0.9, 0.1]), sentences=10, last=0)
    answer.close([2 - math.exp(-9) - math.exp(-1)])


def _families(sentences: int, last: int) -> list[float]:
    """The share of names that still have a bearer after so many generations of Poisson heirs, by simulation."""
    rng = np.random.default_rng(5)
    bearers = rng.poisson(sentences, 400_000)
    alive = [float((bearers > 0).mean())]
    for _ in range(last):
        bearers = rng.poisson(bearers)
        alive.append(float((bearers > 0).mean()))
    return alive


def _kinds_as_families(function: Function) -> None:
    answer = call(function, shares=np.full(4, 0.25), sentences=8, last=4)
    answer.close([4 * share for share in _families(2, 4)], tolerance=0.02)


# --- exercise 2: true_kinds ---------------------------------------------------------------------------------

TRUE = np.array([[True, False, False], [False, True, True], [True, True, False]])


def _true_one(function: Function) -> None:
    call(function, text=np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0]]), true=TRUE).close(1)


def _true_false_only(function: Function) -> None:
    call(function, text=np.array([[0, 4, 0], [7, 0, 0], [0, 0, 1]]), true=TRUE).close(0)


def _true_once(function: Function) -> None:
    # Kind 1 is spoken of truly in two colors and many times, kind 2 truly and falsely.
    call(function, text=np.array([[0, 3, 0], [0, 5, 2], [1, 0, 9]]), true=TRUE).close(2)


# --- exercise 3: rebalance ----------------------------------------------------------------------------------


def _balance_sum(function: Function) -> None:
    answer = call(function, written=np.array([[6, 2], [1, 3]]), accepted=np.array([[6, 0], [0, 2]]))
    value = np.asarray(answer.value, dtype=float)
    answer.should("have shape (2, 2)", value.shape == (2, 2), value.shape)
    answer.should("add up to 1", abs(float(value.sum()) - 1) < 1e-6, float(value.sum()))


def _balance_kinds(function: Function) -> None:
    # Half of what was written is about each kind, though nine in ten accepted sentences are about the first.
    answer = call(function, written=np.array([[9, 1], [5, 5]]), accepted=np.array([[9, 0], [1, 0]]))
    answer.close([[0.5, 0.0], [0.5, 0.0]])


def _balance_within(function: Function) -> None:
    answer = call(function, written=np.array([[8, 4], [2, 6]]), accepted=np.array([[6, 2], [0, 1]]))
    answer.close([[0.6 * 0.75, 0.6 * 0.25], [0.0, 0.4]])


def _balance_nothing_accepted(function: Function) -> None:
    # The second kind has no accepted sentence: the others keep their proportions, 4 to 1.
    written, accepted = np.array([[4, 0], [5, 0], [0, 1]]), np.array([[2, 0], [0, 0], [0, 1]])
    call(function, written=written, accepted=accepted).close([[0.8, 0.0], [0.0, 0.0], [0.0, 0.2]])


# --- exercise 4: worth --------------------------------------------------------------------------------------


def _worth_clean(function: Function) -> None:
    for classes in (2, 10):
        call(function, p=0.0, classes=classes).close(1.0)


def _worth_two(function: Function) -> None:
    call(function, p=0.25, classes=2).close(4.0)
    call(function, p=0.4, classes=2).close(25.0)


def _worth_many(function: Function) -> None:
    # Three classes, 40% wrong: .6 right against .2 for each other class, so .4 of the difference remain.
    call(function, p=0.4, classes=3).close(1 / 0.16)
    call(function, p=0.5, classes=11).close(1 / 0.45**2)


def _worth_never(function: Function) -> None:
    for p, classes in [(0.5, 2), (0.75, 4), (0.9, 10), (0.95, 10), (0.8, 2)]:
        answer = call(function, p=p, classes=classes)
        answer.should("be infinite", float(answer.value) == math.inf)  # type: ignore[arg-type]


CHECKS: dict[str, Check] = {
    "surviving_kinds": Check(
        "surviving_kinds",
        [
            Property("text 0, worked out by hand", _kinds_first_text),
            Property("kinds with different shares add up", _kinds_unequal),
            Property("text 1, worked out by hand", _kinds_second_text),
            Property("one number for each text, and kinds never return", _kinds_count),
            Property("it agrees with families that really die out", _kinds_as_families),
        ],
    ),
    "true_kinds": Check(
        "true_kinds",
        [
            Property("one true sentence is one kind", _true_one),
            Property("kinds with false sentences only do not count", _true_false_only),
            Property("a kind counts once", _true_once),
        ],
    ),
    "rebalance": Check(
        "rebalance",
        [
            Property("the weights add up to 1", _balance_sum),
            Property("each kind has the share that was written of it", _balance_kinds),
            Property("within a kind, what was accepted decides", _balance_within),
            Property("a kind of which nothing was accepted gets nothing", _balance_nothing_accepted),
        ],
    ),
    "worth": Check(
        "worth",
        [
            Property("without wrong labels a label is worth a label", _worth_clean),
            Property("two classes, as the folk factor has it", _worth_two),
            Property("more classes, worked out by hand", _worth_many),
            Property("where the wrong labels prevail, no number is enough", _worth_never),
        ],
    ),
}


# --- the widget: texts of texts -----------------------------------------------------------------------------

LENGTHS = [500, 1000, 2000, 5000, 10000, 20000]


def generations_html(
    kinds_per_text: Callable[[str, int, float], list[int]],
    closed_form: Callable[[int], list[float]],
    way: str,
    sentences: int,
    real: int,
) -> str:
    """A figure of the kinds in each text of one run, with the closed form of replace, and a sentence on it."""
    kinds, expected = kinds_per_text(way, sentences, real / 100), closed_form(sentences)
    figure, axes = plots.new_figure(660, 320)
    axes.plot(kinds, label=f"{way}, {real}% fresh real text")
    dotted = {"marker": "", "color": plots.INK, "linestyle": (0, (1, 1.5)), "linewidth": 2.4}
    axes.plot(expected, label="replace without real text, closed form", **dotted)
    axes.set_ylim(0, 1.08 * max(max(kinds), max(expected)))
    axes.set_xticks(range(0, len(kinds), 3))
    axes.set_xlabel("text")
    axes.set_ylabel(f"kinds in a text of {sentences:,} sentences")
    axes.legend(frameon=False, labelcolor=plots.INK)
    said = (
        f"{way.capitalize()}, {sentences:,} sentences a text, {real}% of what each model reads fresh and real: "
        f"{kinds[0]} kinds in text 0, {kinds[-1]} in text {len(kinds) - 1} ({kinds[-1] / kinds[0]:.0%}). "
        f"Replace without real text is expected to keep {expected[-1]:.0f}."
    )
    return plots.figure_html(figure, f"Line plot of kinds over the number of the text. {said}") + (
        page.paragraph_html(said)
    )


def generations_widget(
    kinds_per_text: Callable[[str, int, float], list[int]], closed_form: Callable[[int], list[float]]
) -> WhatIf:
    """How many kinds texts of texts speak of: the way of feeding, the length of a text, fresh real text.

    Args:
        kinds_per_text: way, sentences per text, share of fresh real text (0 to 1) -> kinds in each text.
        closed_form: sentences per text -> kinds expected in each text under replace.
    """
    controls = {
        "way": ipywidgets.Dropdown(
            options=["replace", "fixed budget", "accumulate"],
            value="replace",
            description="the next model reads",
        ),
        "sentences": ipywidgets.SelectionSlider(
            options=LENGTHS, value=5000, description="sentences a text", continuous_update=False
        ),
        "real": ipywidgets.IntSlider(
            value=0, min=0, max=50, step=5, description="fresh real text, %", continuous_update=False
        ),
    }
    return WhatIf(
        controls,
        lambda way, sentences, real: generations_html(kinds_per_text, closed_form, way, sentences, real),
        "What stops the fall: longer texts, older texts, or fresh real ones?",
    )


WIDGETS = {"generations": generations_widget}


# --- quiz ---------------------------------------------------------------------------------------------------

QUIZZES: dict[str, list[QuizQuestion]] = {
    "recap": [
        QuizQuestion(
            "A team keeps all real data and adds what its models write, year by year. What do you expect of the tenth model?",
            [
                "it has collapsed: most of what it reads is synthetic",
                "it is somewhat further from the truth than the first",
                "it is far better: it has read ten times as much",
            ],
            1,
            "A model's own text holds nothing that the model did not know, only new luck: the error grows a little, ever more slowly. Not diverging is not learning.",
        ),
        QuizQuestion(
            "Under “replace”, how often on average is a rare kind mentioned in the last text?",
            [
                "as often as in the real text, though in few of the runs",
                "less often than in the real text, in each run alike",
                "more often than in the real text, and in most of the runs",
            ],
            0,
            "Counts are repeated once on average, so the mean stays. In most runs the kind is gone; in a few it is common.",
        ),
        QuizQuestion(
            "A model writes 1,000 sentences about dogs, 90% of them true, and 20 about okapis, half of them true. A verifier passes the true ones. What share of what the next model reads is about okapis, verified alone and then re-balanced?",
            [
                "2.0% alone, 2.0% re-balanced",
                "1.1% alone, 2.0% re-balanced",
                "1.1% alone, 50% re-balanced",
            ],
            1,
            "10 of 910 sentences pass, while 20 of 1,020 were written; re-balancing gives each kind the share that was written of it. So a verifier that is never wrong nearly halves the okapis' share, in one round.",
        ),
        QuizQuestion(
            "Which filter makes collapse faster than no filter does?",
            [
                "one that keeps what the model finds likely",
                "one that keeps every second sentence by lot",
                "one that verifies and restores the kinds' shares",
            ],
            0,
            "Preferring what is likely narrows the distribution, even with infinitely many samples. A lot prefers nothing (write twice as much, and all is as before), and re-balancing kept more kinds than no filter.",
        ),
        QuizQuestion(
            "Ten classes, and a learner that believes the label it has heard most. For which of these crews does it never become right, however many labels it gets?",
            [
                "85% wrong, spread evenly over the nine other classes",
                "45% wrong, all of them naming one and the same class",
                "60% wrong, three quarters of them naming the same class",
            ],
            2,
            "Three quarters of 60% are 45% for one wrong class, and the right one has 40%. The first crew: 15% against 9.4% for each wrong class. The second: 55% against 45%. What counts is the most frequent label, not how many are wrong.",
        ),
    ],
}
