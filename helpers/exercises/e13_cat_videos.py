"""Lesson 13: what its exercises must fulfill, its quiz, the thumbs widget, and the widget of the next word.

The reference solutions are in the lesson's source. Properties compare with cases worked out by hand, never
with the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import ipywidgets
import numpy as np

from helpers.lesson import page, plots
from helpers.lesson.checks import Answer, Check, Property, call
from helpers.lesson.quiz import QuizQuestion
from helpers.lesson.thumbs import ThumbsWidget
from helpers.lesson.widgets import WhatIf
from helpers.world import Scene

if TYPE_CHECKING:
    from torch import Tensor

Function = Callable[..., object]


# --- exercise 1: fsq ----------------------------------------------------------------------------------------


def _numbers(*values: float) -> Tensor:
    import torch

    return torch.tensor(values, requires_grad=True)


def _values(answer: Answer) -> list[float]:
    return answer.value.detach().flatten().tolist()


def _fsq_ends(function: Function) -> None:
    call(function, numbers=_numbers(-9.0, 9.0), levels=4).close([0.0, 3.0])


def _fsq_middle(function: Function) -> None:
    # tanh(0.2) = 0.197: (0.197 + 1) / 2 * 3 = 1.80; tanh(-0.2) leaves 1.20; tanh(0.8) = 0.664: 2.50 less a little
    call(function, numbers=_numbers(0.2, -0.2, 0.8, 0.81), levels=4).close([2.0, 1.0, 2.0, 3.0])


def _fsq_levels(function: Function) -> None:
    call(function, numbers=_numbers(-9.0, 0.0, 9.0), levels=3).close([0.0, 1.0, 2.0])
    call(function, numbers=_numbers(-9.0, -0.1, 0.1, 9.0), levels=2).close([0.0, 0.0, 1.0, 1.0])


def _fsq_shape(function: Function) -> None:
    import torch

    answer = call(function, numbers=torch.linspace(-2, 2, 24).view(2, 3, 4), levels=4)
    shape = tuple(getattr(answer.value, "shape", ()))
    answer.should("have the shape (2, 3, 4)", shape == (2, 3, 4), yours=shape)


def _fsq_gradient(function: Function) -> None:
    given: list[Tensor] = []

    def keeping(numbers: Tensor, levels: int) -> object:
        given.append(numbers)  # the copy that the function gets, which the gradient goes back to
        return function(numbers, levels)

    answer = call(keeping, numbers=_numbers(-1.0, 0.0, 0.5, 2.0), levels=4)
    answer.should("have a gradient at all", bool(getattr(answer.value, "requires_grad", False)))
    answer.value.sum().backward()
    # Of (tanh(x) + 1) / 2 * 3 it is 1.5 (1 - tanh(x)²).
    expected = 1.5 * (1 - np.tanh(np.array([-1.0, 0.0, 0.5, 2.0])) ** 2)
    found = given[0].grad
    right = found is not None and np.allclose(found.numpy(), expected, atol=1e-4)
    answer.should("have the gradient of what stood there before the rounding", bool(right))


# --- exercise 2: made_up ------------------------------------------------------------------------------------

_RABBIT = Scene("rabbit", "pink", "small", "snow", "jumps")


def _made_up(function: Function, caption: str, false: list[str], omitted: list[str]) -> None:
    answer = call(function, caption=caption, scene=_RABBIT)
    answer.should("be two lists: false, and left out", len(answer.value) == 2)
    found = [list(part) for part in answer.value]
    answer.should("list the attributes that the caption gets wrong", found[0] == false, yours=found[0])
    answer.should("list the attributes that it leaves out", found[1] == omitted, yours=found[1])


def _made_up_true(function: Function) -> None:
    _made_up(function, "A small pink rabbit jumps in the snow.", [], [])


def _made_up_false(function: Function) -> None:
    _made_up(function, "A small pink pig jumps in the snow.", ["kind"], [])
    _made_up(function, "A small red pig sleeps in the snow.", ["kind", "color", "verb"], [])


def _made_up_silent(function: Function) -> None:
    _made_up(function, "A rabbit jumps in the snow.", [], ["color"])
    _made_up(function, "There is a small pink rabbit in the snow.", [], ["verb"])


def _made_up_both(function: Function) -> None:
    _made_up(function, "There is a blue animal in the snow.", ["color"], ["kind", "verb"])


def _made_up_babble(function: Function) -> None:
    _made_up(function, "A small pink rabbit jumps jumps the.", [], ["kind", "color", "verb"])
    _made_up(function, "", [], ["kind", "color", "verb"])


def _made_up_others(function: Function) -> None:
    # Size and place are wrong here; they are not among the three.
    _made_up(function, "A big pink rabbit jumps at night.", [], [])


# --- exercise 3: wrong_films --------------------------------------------------------------------------------

_ROWS = [(f"film {i // 3}", f"caption {i}", i % 2 == 0) for i in range(12)]


def _rows(function: Function, rows: list[tuple[str, str, bool]], samples: int) -> tuple[Answer, list[tuple]]:
    answer = call(function, rows=rows, samples=samples)
    found = [tuple(row) for row in answer.value]
    answer.should(
        f"have {len(rows)} rows of three", len(found) == len(rows) and all(len(r) == 3 for r in found)
    )
    return answer, found


def _films_kept(function: Function) -> None:
    answer, found = _rows(function, _ROWS, 3)
    same = [row[1:] for row in found] == [row[1:] for row in _ROWS]
    answer.should("keep captions and thumbs, in their order", same)


def _films_none_own(function: Function) -> None:
    answer, found = _rows(function, _ROWS, 3)
    own = sum(row[0] == before[0] for row, before in zip(found, _ROWS, strict=True))
    answer.should("leave no row with its own film", own == 0, yours=own)


def _films_next(function: Function) -> None:
    answer, found = _rows(function, _ROWS, 3)
    expected = ["film 1"] * 3 + ["film 2"] * 3 + ["film 3"] * 3 + ["film 0"] * 3
    answer.should(
        "give every row the next film, and the last film the first", [r[0] for r in found] == expected
    )


def _films_samples(function: Function) -> None:
    rows = [(f"film {i // 2}", f"caption {i}", True) for i in range(6)]
    answer, found = _rows(function, rows, 2)
    expected = ["film 1", "film 1", "film 2", "film 2", "film 0", "film 0"]
    answer.should("work for two rows a film, too", [row[0] for row in found] == expected)


def _films_untouched(function: Function) -> None:
    rows = list(_ROWS)
    answer, _ = _rows(function, rows, 3)
    answer.should("leave the rows that it was given as they were", rows == _ROWS)


CHECKS: dict[str, Check] = {
    "fsq": Check(
        "fsq",
        [
            Property("very small and very large numbers become the ends", _fsq_ends),
            Property("numbers between are rounded to the nearest level", _fsq_middle),
            Property("any number of levels", _fsq_levels),
            Property("the shape stays", _fsq_shape),
            Property("the gradient passes the rounding", _fsq_gradient),
        ],
    ),
    "made_up": Check(
        "made_up",
        [
            Property("a right caption has nothing false and nothing left out", _made_up_true),
            Property("what is wrong is false, not left out", _made_up_false),
            Property("what is not said is left out, not false", _made_up_silent),
            Property("both in one caption, in the order of FACTS", _made_up_both),
            Property("what is no sentence says nothing", _made_up_babble),
            Property("only kind, color and verb count", _made_up_others),
        ],
    ),
    "wrong_films": Check(
        "wrong_films",
        [
            Property("captions and thumbs stay", _films_kept),
            Property("no caption keeps its film", _films_none_own),
            Property("all rows of a film get the next one", _films_next),
            Property("any number of rows a film", _films_samples),
            Property("the given rows are not changed", _films_untouched),
        ],
    ),
}


# --- the thumbs widget --------------------------------------------------------------------------------------


def thumbs_widget(answers: Sequence[tuple[Scene, str]]) -> ThumbsWidget:
    """Show films and ask for thumbs on their captions; each is kept at once in the learner's file."""
    question = "Watch the film. Is everything in the caption right?"
    return ThumbsWidget(answers, "13", question=question, record_shown=False)


# --- the next word ------------------------------------------------------------------------------------------


def at_temperature(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Scores (kinds,) to probabilities among these kinds, (kinds,)."""
    scaled = scores / temperature
    raised = np.exp(scaled - scaled.max())
    return raised / raised.sum()


def _next_word_html(
    films: Mapping[str, np.ndarray],
    scores: Mapping[str, Mapping[str, np.ndarray]],
    kinds: Sequence[str],
    film: str,
    model: str,
    tokens: str,
    temperature: float,
) -> str:
    row = list(films).index(film)
    shares = at_temperature(scores[model][tokens][row], temperature)
    figure, axes = plots.new_figure(620, 300)
    true = [kind in film.split() for kind in kinds]
    bars = axes.bar(
        range(len(kinds)), shares, color=[plots.COLORS[0] if is_true else "#b9b9b9" for is_true in true]
    )
    axes.bar_label(bars, [f"{share:.2f}" for share in shares], padding=2)
    axes.set_xticks(
        range(len(kinds)), [f"{k}\n(shown)" if t else k for k, t in zip(kinds, true, strict=True)]
    )
    axes.set_ylim(0, 1.12)
    axes.set_ylabel("probability among the eight kinds")
    axes.grid(False, axis="x")
    best = kinds[int(shares.argmax())]
    alt = f"Bars of the probabilities of eight kinds as the next word. The likeliest is {best}: {shares.max():.2f}."
    sentence = f"Model: {model}; it reads the tokens of this film: {tokens}; temperature {temperature:g}."
    strip = plots.film_strip_html(films[film], film)
    return strip + plots.figure_html(figure, alt) + page.paragraph_html(sentence)


def next_word_widget(
    films: Mapping[str, np.ndarray],
    scores: Mapping[str, Mapping[str, np.ndarray]],
    kinds: Sequence[str],
) -> WhatIf:
    """Which kind comes next, after size and color, for a film, a model and a temperature.

    Args:
        films: by true caption, uint8 (frames, height, width, 3).
        scores: by model and by whose tokens it reads, float (films, kinds), in the order of `films`.
        kinds: the words that are scored.
    """
    sources = next(iter(scores.values()))
    controls = {
        "film": ipywidgets.Dropdown(options=list(films), value=next(iter(films))),
        "model": ipywidgets.Dropdown(options=list(scores), value=next(iter(scores))),
        "tokens": ipywidgets.Dropdown(
            options=list(sources), value=next(iter(sources)), description="reads the tokens of"
        ),
        "temperature": ipywidgets.FloatSlider(value=1.0, min=0.1, max=2.0, step=0.1),
    }
    return WhatIf(
        controls,
        lambda film, model, tokens, temperature: _next_word_html(
            films, scores, kinds, film, model, tokens, temperature
        ),
        "What does cooling do to a habit, and what do thumbs?",
    )


WIDGETS = {"thumbs": thumbs_widget, "next_word": next_word_widget}


# --- quiz ---------------------------------------------------------------------------------------------------

QUIZZES: dict[str, list[QuizQuestion]] = {
    "recap": [
        QuizQuestion(
            "Another encoder rounds five numbers a token, to eight levels each. How many different tokens can stand at one place?",
            ["5 · 8 = 40", "5 to the power of 8, or 390,625", "8 to the power of 5, or 32,768"],
            2,
            "Eight choices, five times over: 8 · 8 · 8 · 8 · 8. They are the digits of a number to base 8.",
        ),
        QuizQuestion(
            "After alignment a captioner makes half as many false statements. What do you ask first?",
            [
                "how many statements it makes, and what it leaves out now",
                "at which learning rate and for how many steps it was trained",
                "whether the reference model was a fine-tuned one as well",
            ],
            0,
            "Silence is never false. False assertions and omissions belong in one table.",
        ),
        QuizQuestion(
            "A captioner writes “umbrella” in nine of ten captions of street corners, seen or not, as its annotators did. You sample at a lower temperature. What happens to this error?",
            [
                "it shrinks in proportion to the temperature, as slips do",
                "it becomes more frequent still",
                "it goes away once the temperature is below one half",
            ],
            1,
            "Cooling favors what is likeliest already. It helps against slips, and feeds a habit that leads.",
        ),
        QuizQuestion(
            "You deal the films of a thumbs file anew, so that captions and thumbs stand beside other films, and train with KTO. Why may the captioner end below where it started?",
            [
                "the tokens of the other films are outside of its vocabulary",
                "KTO works only on answers that were sampled for the very same prompt",
                "it is rewarded for saying what the film in front of it does not show",
            ],
            2,
            "That is why this control is harsher than shuffled thumbs: it rewards captions that do not fit their film.",
        ),
        QuizQuestion(
            "A probe reads the right kind from a captioner's state, and its captions give a wrong one. What is the first thing to try?",
            [
                "a larger encoder that spends more tokens on every film",
                "feedback on the captions that it writes",
                "a probe with more parameters, trained on more films",
            ],
            1,
            "The knowledge is there and is not said. What the tokens lack, no thumb could add.",
        ),
    ],
}
