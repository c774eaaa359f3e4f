"""Lesson 02: what its exercises must fulfill, its quiz, and the widget about what speakers mention.

The reference solutions are in the lesson's source. Properties compare with numbers worked out by hand or by
another route (scipy's relative entropy), never with the reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import ipywidgets
import numpy as np

from helpers.lesson import plots
from helpers.lesson.checks import Check, Property, call
from helpers.lesson.quiz import QuizQuestion
from helpers.lesson.widgets import WhatIf
from helpers.world import COLORS, KINDS, TYPICAL_COLOR, Scene, draw

Function = Callable[..., object]
BAR = (0, 114, 178)  # blue, as in the figures


# --- exercise 1: predicted_crossover ------------------------------------------------------------------------


def _crossover_by_hand(function: Function) -> None:
    # Half of the animals are usual, a quarter are the other color, which is always said: 0.5 m = 0.25.
    call(function, usual=0.5, other=0.25, say_other=1.0).close(0.5)


def _crossover_equal(function: Function) -> None:
    call(function, usual=0.4, other=0.4, say_other=0.3).close(0.3)


def _crossover_silence(function: Function) -> None:
    call(function, usual=0.9, other=0.1, say_other=0.0).close(0.0)


def _crossover_balances(function: Function) -> None:
    answer = call(function, usual=0.6, other=0.2, say_other=0.9)
    answer.should("make both colors heard equally often", abs(0.6 * float(answer.value) - 0.2 * 0.9) < 1e-6)


# --- exercise 2: ppmi ---------------------------------------------------------------------------------------


def _table(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(rows * 100 + columns).integers(1, 9, (rows, columns)).astype(float)


def _ppmi_by_hand(function: Function) -> None:
    # 8 in all, rows and columns of 4 each: 2 expected everywhere. 3 of 2 is more, 1 of 2 is less.
    above = math.log(3 / 2)
    call(function, counts=np.array([[3.0, 1.0], [1.0, 3.0]])).close([[above, 0.0], [0.0, above]])


def _ppmi_independent(function: Function) -> None:
    # Every row is a multiple of the same row: knowing the row says nothing about the column.
    call(function, counts=np.array([[1.0, 2.0, 5.0], [2.0, 4.0, 10.0]])).close(np.zeros((2, 3)))


def _ppmi_zero_counts(function: Function) -> None:
    # Columns 1 and 2 each belong to one row: 4 where 2 are expected.
    counts = np.array([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    call(function, counts=counts).close([[math.log(2), 0.0, 0.0], [0.0, math.log(2), 0.0]])


def _ppmi_never_negative(function: Function) -> None:
    answer = call(function, counts=_table(5, 7))
    value = np.asarray(answer.value)
    answer.should("have shape (5, 7)", value.shape == (5, 7), value.shape)
    answer.should("be at least 0 everywhere", bool((value >= -1e-9).all()))


def _ppmi_scale(function: Function) -> None:
    counts = _table(3, 4)
    once, thrice = call(function, counts=counts), call(function, counts=3 * counts)
    thrice.close(once.value)


def _ppmi_as_entropy(function: Function) -> None:
    # Another route: logarithms of conditional probabilities against those of the columns.
    counts = _table(4, 6)
    given = counts / counts.sum(1, keepdims=True)
    column = counts.sum(0) / counts.sum()
    call(function, counts=counts).close(np.clip(np.log(given) - np.log(column), 0, None))


# --- exercise 3: color_histogram ----------------------------------------------------------------------------


def _plain(*color: int) -> np.ndarray:
    return np.full((4, 5, 3), color, dtype=np.uint8)


def _histogram_shape(function: Function) -> None:
    rng = np.random.default_rng(0)
    answer = call(function, picture=rng.integers(0, 256, (6, 9, 3), dtype=np.uint8))
    value = np.asarray(answer.value)
    answer.should("have shape (64,)", value.shape == (64,), value.shape)
    answer.should("add up to 1", abs(float(value.sum()) - 1) < 1e-6, float(value.sum()))


def _histogram_bins(function: Function) -> None:
    for color, where in [((255, 0, 0), 48), ((0, 255, 0), 12), ((0, 0, 255), 3), ((63, 64, 200), 7)]:
        answer = call(function, picture=_plain(*color))
        answer.close(np.eye(64)[where])


def _histogram_shares(function: Function) -> None:
    # A quarter white (bin 63), three quarters black (bin 0).
    picture = np.zeros((2, 4, 3), dtype=np.uint8)
    picture[0, :2] = 255
    expected = np.zeros(64)
    expected[[0, 63]] = 0.75, 0.25
    call(function, picture=picture).close(expected)


def _histogram_no_place(function: Function) -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    once, mirrored = call(function, picture=picture), call(function, picture=picture[:, ::-1].copy())
    mirrored.close(once.value)


CHECKS: dict[str, Check] = {
    "predicted_crossover": Check(
        "predicted_crossover",
        [
            Property("half and a quarter, worked out by hand", _crossover_by_hand),
            Property("colors that are equally common cross where they are said alike", _crossover_equal),
            Property("if the other color is never said, any mention is enough", _crossover_silence),
            Property("at the crossover both colors are heard equally often", _crossover_balances),
        ],
    ),
    "ppmi": Check(
        "ppmi",
        [
            Property("two by two, worked out by hand", _ppmi_by_hand),
            Property("it keeps the shape and is never negative", _ppmi_never_negative),
            Property("independent rows and columns have 0 everywhere", _ppmi_independent),
            Property("a count of 0 gives 0, also in an empty column", _ppmi_zero_counts),
            Property("three times the text changes nothing", _ppmi_scale),
            Property("it agrees with the logarithms of conditional probabilities", _ppmi_as_entropy),
        ],
    ),
    "color_histogram": Check(
        "color_histogram",
        [
            Property("64 shares add up to 1", _histogram_shape),
            Property("a picture of one color fills one bin, the right one", _histogram_bins),
            Property("shares are shares of pixels", _histogram_shares),
            Property("a mirrored picture has the same histogram", _histogram_no_place),
        ],
    ),
}


# --- the widget: how often speakers mention the usual -------------------------------------------------------


def mention_html(
    answers: Callable[[float], tuple[np.ndarray, np.ndarray]],
    share_right: Callable[[np.ndarray], float],
    say_usual: float,
) -> str:
    """The animals as the counter believes them to be, and a table of what both learners answer for each kind."""
    counted, seen = answers(say_usual)
    rows = []
    for kind, heard, looked in zip(KINDS, counted, seen, strict=True):
        usual = TYPICAL_COLOR[kind]
        rows.append([kind, usual, _heard(heard, usual), _answer(looked, usual)])
    verdict = (
        f"Speakers mention the usual color {say_usual:.0%} of the time. Named right: "
        f"{share_right(counted):.0%} by counting words, {share_right(seen):.0%} by looking."
    )
    table = plots.table_html(
        rows, ["animal", "usual color", "the counter says", "one who looks says"], verdict
    )
    return believed_html(counted) + table


def believed_html(scores: np.ndarray) -> str:
    """A picture of each kind in the color with the highest score; a gray square where two share it.

    The bar below a picture is the usual color's share of all color words heard with that kind.
    """
    cells = []
    for kind, row in zip(KINDS, scores, strict=True):
        usual = TYPICAL_COLOR[kind]
        answer, share = _answer(row, usual), row[COLORS.index(usual)] / max(row.sum(), 1)
        picture = np.full((36, 32, 3), 215, dtype=np.uint8)
        if answer[2:] in COLORS:
            picture[:32] = draw(Scene(kind, answer[2:], "big", "meadow", "sits"), 32)
        picture[32:, : round(32 * share)] = BAR
        said = f"{answer} {kind}"
        image = plots.picture_html(picture, f"{said}; {usual} is {share:.0%} of its color words", scale=3)
        cells.append(f'<div style="margin:4px 8px 4px 0;text-align:center">{image}<br>{said}</div>')
    return f'<div style="display:flex;flex-wrap:wrap">{"".join(cells)}</div>'


def _answer(scores: np.ndarray, usual: str) -> str:
    best = [COLORS[i] for i in np.flatnonzero(scores == scores.max())]
    if len(best) > 1:
        return "? undecided"
    return f"{'✔' if best[0] == usual else '✘'} {best[0]}"


def _heard(counts: np.ndarray, usual: str) -> str:
    times = f"{usual} heard {int(counts[COLORS.index(usual)])} times"
    answer = _answer(counts, usual)
    if answer[0] != "✘":
        return f"{answer} ({times})"
    return f"{answer} (heard {int(counts.max())} times, {times})"


def mention_widget(
    answers: Callable[[float], tuple[np.ndarray, np.ndarray]], share_right: Callable[[np.ndarray], float]
) -> WhatIf:
    """What a counter and one who looks answer for each kind, with a slider for how speakers talk.

    Args:
        answers: the chance that a usual color is mentioned -> counts of color words and of colors seen, two
            arrays (kinds, colors).
        share_right: such an array -> the share of the kinds named right.
    """
    slider = ipywidgets.FloatSlider(
        value=0.02, min=0.0, max=0.8, step=0.02, description="mention the usual", continuous_update=False
    )
    return WhatIf(
        {"say_usual": slider},
        lambda say_usual: mention_html(answers, share_right, say_usual),
        "What if speakers mentioned the usual more often?",
    )


WIDGETS = {"mention": mention_widget}


# --- quiz ---------------------------------------------------------------------------------------------------

QUIZZES: dict[str, list[QuizQuestion]] = {
    "recap": [
        QuizQuestion(
            "A reader scores 0.00 on ten possible answers, where guessing scores 0.10. What has it learned?",
            [
                "nothing, since 0.00 is as little knowledge as 0.10 is",
                "something: ignorance is right now and then",
                "nothing that counts, since its test must be broken",
            ],
            1,
            "Whoever knows nothing is right now and then. Being never right takes information: here, what speakers find worth saying.",
        ),
        QuizQuestion(
            "In a city 80% of the taxis are yellow and 10% are black. Riders of black taxis name the color every second time. How often must riders of yellow ones, for counts to come out right?",
            ["more than every 16th time", "more than every 8th time", "more than every second time"],
            0,
            "0.10 · 0.5 / 0.80 = 0.0625. What is common needs few mentions.",
        ),
        QuizQuestion(
            "You give the biased reader ten times as much text of the same kind. What do you expect?",
            [
                "it comes closer to the truth",
                "it comes closer to what its speakers say",
                "no change at all",
            ],
            1,
            "More text removes noise, so the answer settles on what is said. At the biased end that is the wrong color.",
        ),
        QuizQuestion(
            "What does the arm with shuffled pictures show?",
            [
                "how much the noise in the pictures costs the learner",
                "how many pictures the learner needs for its gain",
                "whether the gain comes from what pictures show",
            ],
            2,
            "The learner and its captions are the same, only the pictures belong to other scenes. What is left without the right picture is no better than one answer for all.",
        ),
        QuizQuestion(
            "SmolLM2 answered “black” for most animals under one prompt, and “red” under another. What may you conclude?",
            [
                "its answers depend on the prompt; why is open",
                "its training text mentions black and red animals most",
                "a language model cannot know colors, whatever its size",
            ],
            0,
            "Reporting bias is one explanation among several, and one small model under eight prompts cannot tell them apart.",
        ),
    ]
}
