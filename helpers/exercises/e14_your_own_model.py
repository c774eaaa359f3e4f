"""Lesson 14: what its exercises must fulfill, its quiz, the widget about length, and blind thumbs.

The reference solutions are in the lesson's source. Properties compare with cases worked out by hand, never
with the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import ipywidgets
import numpy as np

from helpers.lesson import page, plots
from helpers.lesson.checks import Answer, Check, Property, call
from helpers.lesson.quiz import QuizQuestion
from helpers.lesson.thumbs import ThumbsWidget
from helpers.lesson.widgets import WhatIf
from helpers.world import Scene

Function = Callable[..., object]

# --- exercise 1: held_out -----------------------------------------------------------------------------------

_PROMPTS = [f"question {number % 20}" for number in range(60)]
_TYPED = ["What is a cat?", "what is a  CAT?", "Why?", " why? ", "How?", "Where?", "When?", "Who?"]


def _sides(answer: Answer, count: int) -> list[bool]:
    value = answer.value.tolist() if hasattr(answer.value, "tolist") else answer.value
    answer.should(f"be a list with one bool for each of {count} rows", isinstance(value, list | tuple))
    answer.should(f"have one bool for each of {count} rows", len(value) == count, yours=len(value))
    answer.should("hold nothing but True and False", all(type(side) is bool for side in value))
    return list(value)


def _split_prompts(function: Function) -> None:
    answer = call(function, prompts=_PROMPTS, share=0.25, seed=1)
    sides = _sides(answer, 60)
    together = all(len({sides[row] for row in range(first, 60, 20)}) == 1 for first in range(20))
    answer.should("put all rows of a prompt on the same side", together)


def _split_share(function: Function) -> None:
    for share, count in [(0.25, 5), (0.5, 10), (0.1, 2)]:
        answer = call(function, prompts=_PROMPTS, share=share, seed=2)
        held = {prompt for prompt, side in zip(_PROMPTS, _sides(answer, 60), strict=True) if side}
        answer.should(f"hold out {count} of the 20 different prompts", len(held) == count, yours=len(held))


def _split_at_least_one(function: Function) -> None:
    answer = call(function, prompts=["a", "b", "c", "a"], share=0.1, seed=0)
    sides = _sides(answer, 4)
    answer.should("hold out one prompt at least", any(sides))
    answer.should("leave the others for the training", not all(sides))


def _split_typed(function: Function) -> None:
    for seed in range(8):
        answer = call(function, prompts=_TYPED, share=0.3, seed=seed)
        sides = _sides(answer, len(_TYPED))
        answer.should("treat prompts as one that differ in capitals and spaces only", sides[0] == sides[1])
        answer.should("treat prompts as one that differ in spaces around them", sides[2] == sides[3])
        forms = {" ".join(p.lower().split()) for p, side in zip(_TYPED, sides, strict=True) if side}
        answer.should("hold out 2 of the 6 different prompts", len(forms) == 2, yours=len(forms))


def _split_seed(function: Function) -> None:
    one = call(function, prompts=_PROMPTS, share=0.25, seed=3)
    again = _sides(call(function, prompts=_PROMPTS, share=0.25, seed=3), 60)
    one.should("be the same for the same seed", _sides(one, 60) == again)
    others = [_sides(call(function, prompts=_PROMPTS, share=0.25, seed=seed), 60) for seed in range(4, 10)]
    one.should("be another one for another seed", any(other != again for other in others))
    # Rows in another order: the same prompts must be held out, or a longer file would be split anew.
    turned = _sides(call(function, prompts=_PROMPTS[::-1], share=0.25, seed=3), 60)
    one.should("not depend on the order of the rows", turned[::-1] == again)


# --- exercise 2: win_rate -----------------------------------------------------------------------------------


def _rate_clear(function: Function) -> None:
    call(function, first=[True, True], second=[True, True]).close(1.0)
    call(function, first=[False, False, False], second=[False, False, False]).close(0.0)


def _rate_ties(function: Function) -> None:
    call(function, first=[True] * 4, second=[False] * 4).close(0.5)
    call(function, first=[False] * 3, second=[True] * 3).close(0.5)


def _rate_mixed(function: Function) -> None:
    call(function, first=[True, True, False], second=[True, False, False]).close(0.5)
    call(function, first=[True, False, True, True], second=[True, True, True, False]).close(0.75)
    call(function, first=[True, False, False, False, False], second=[False] * 5).close(0.1)


# --- exercise 3: at_equal_length ----------------------------------------------------------------------------


def _length_none(function: Function) -> None:
    call(function, wins=[1.0, 0.0, 0.5, 1.0], extra_words=[2.0, 2.0, -2.0, -2.0]).close(0.625)


def _length_all(function: Function) -> None:
    # Half a win, and a tenth of a win for each extra word.
    extra = [-5.0, -1.0, 2.0, 4.0, 5.0]
    call(function, wins=[0.5 + 0.1 * words for words in extra], extra_words=extra).close(0.5)
    # All new answers are longer: the line is read outside of the points.
    call(function, wins=[0.4, 0.6, 0.8], extra_words=[2.0, 4.0, 6.0]).close(0.2)


def _length_worked(function: Function) -> None:
    # Slope 1/10, through the mean point (5, 1/2): at 0 nothing is left of the wins.
    call(function, wins=[0.0, 1.0], extra_words=[0.0, 10.0]).close(0.0)
    # Means (2, 0.5), slope 2/8 = 0.25: 0.5 - 0.5.
    call(function, wins=[0.0, 0.5, 1.0], extra_words=[0.0, 2.0, 4.0]).close(0.0)
    # Means (1, 0.75); slope (1 × 0.25 + 1 × 0.25) / 2 = 0.25: 0.75 - 0.25.
    call(function, wins=[0.5, 1.0], extra_words=[0.0, 2.0]).close(0.5)


def _length_same(function: Function) -> None:
    call(function, wins=[1.0, 0.0, 1.0, 1.0], extra_words=[6.0] * 4).close(0.75)
    call(function, wins=[0.5, 0.5], extra_words=[0.0, 0.0]).close(0.5)


CHECKS: dict[str, Check] = {
    "held_out": Check(
        "held_out",
        [
            Property("all rows of a prompt go to one side", _split_prompts),
            Property("the share is one of the different prompts", _split_share),
            Property("one prompt at least is held out", _split_at_least_one),
            Property("capitals and spaces make no new prompt", _split_typed),
            Property("the seed decides, and nothing else", _split_seed),
        ],
    ),
    "win_rate": Check(
        "win_rate",
        [
            Property("taken in both orders is won, in neither is lost", _rate_clear),
            Property("a judge that always takes one place says: tie", _rate_ties),
            Property("wins, ties and losses together", _rate_mixed),
        ],
    ),
    "at_equal_length": Check(
        "at_equal_length",
        [
            Property("as often longer as shorter: length took nothing", _length_none),
            Property("points on a line", _length_all),
            Property("lines worked out by hand", _length_worked),
            Property("all of one difference in length: the plain win rate", _length_same),
        ],
    ),
}


# --- the win rate and the margin in length ------------------------------------------------------------------

#: Of a prompt: whether the new answer is right, its words, and the same of the old answer.
Pair = tuple[float, float, float, float]
VERDICT, WORDY = "the verdict", "the wordy judge"


def outcomes(pairs: Sequence[Pair], judge: str) -> tuple[np.ndarray, np.ndarray]:
    """Wins of the new answers (1, 1/2 or 0) and their extra words: (pairs,), (pairs,)."""
    table = np.array(pairs, dtype=float).reshape(-1, 4)
    better, longer = table[:, 0] - table[:, 2], table[:, 1] - table[:, 3]
    if judge == WORDY:
        better = np.where(better == 0, longer, better)
    return 0.5 + 0.5 * np.sign(better), longer


def _margin_html(pairs: Mapping[str, Sequence[Pair]], compared: str, judge: str, margin: int) -> str:
    wins, longer = outcomes(pairs[compared], judge)
    near = np.abs(longer) <= margin
    figure, axes = plots.new_figure(640, 320)
    for words in sorted(set(longer.tolist())):
        here = longer == words
        inside = abs(words) <= margin
        axes.plot(
            words,
            wins[here].mean(),
            linestyle="none",
            marker="o" if inside else "x",
            color=plots.COLORS[0] if inside else plots.FAINT,
            markersize=4 + 1.5 * float(np.sqrt(here.sum())),
        )
    if len(set(longer[near].tolist())) > 1:
        slope, at_zero = np.polyfit(longer[near], wins[near], 1)
        ends = np.array([longer[near].min(), longer[near].max()])
        axes.plot(ends, at_zero + slope * ends, color=plots.COLORS[1], linestyle="--", marker="")
    axes.axvline(0, color=plots.FAINT, linewidth=1)
    axes.set_ylim(-0.05, 1.05)
    axes.set_xlabel("extra words of the new answer")
    axes.set_ylabel("win rate of these pairs")
    share = f"{wins[near].mean():.2f}" if near.any() else "none"
    alt = (
        f"Win rate over extra words, {compared}, by {judge}: {int(near.sum())} pairs within {margin} words "
        "are dots, the others crosses; larger marks are more pairs; a dashed line goes through the dots."
    )
    said = (
        f"{int(near.sum())} of {len(wins)} pairs differ by at most {margin} words. "
        f"Win rate among them: {share}; among all: {wins.mean():.2f}."
    )
    return plots.figure_html(figure, alt) + page.paragraph_html(said)


def margin_widget(pairs: Mapping[str, Sequence[Pair]]) -> WhatIf:
    """The win rate of new answers over old ones when only pairs of about the same length count.

    Args:
        pairs: by the name of a comparison, a tuple for each prompt, see `Pair`.
    """
    controls = {
        "compared": ipywidgets.Dropdown(options=list(pairs), value=next(iter(pairs))),
        "judge": ipywidgets.Dropdown(options=[VERDICT, WORDY], value=WORDY),
        "margin": ipywidgets.IntSlider(value=30, min=0, max=30, description="at most so many words apart"),
    }
    return WhatIf(
        controls,
        lambda compared, judge, margin: _margin_html(pairs, compared, judge, margin),
        "How much of the win rate is length?",
    )


# --- blind thumbs -------------------------------------------------------------------------------------------


def blind_widget(answers: Sequence[tuple[Scene, str]]) -> ThumbsWidget:
    """Ask for thumbs on answers of two models that are not named, and keep them in the file of lesson 14."""
    return ThumbsWidget(answers, "14", question="Is this caption right?")


WIDGETS = {"margin": margin_widget, "blind": blind_widget}


# --- quiz ---------------------------------------------------------------------------------------------------

QUIZZES: dict[str, list[QuizQuestion]] = {
    "recap": [
        QuizQuestion(
            "Your file has 400 rows: 100 prompts with four answers each. You hold out 80 rows drawn at random. What does the test measure?",
            [
                "how the model does on prompts that it has not seen",
                "also what it remembers: nearly every test prompt was trained on with other answers",
                "nothing: 80 rows are too few for an interval",
            ],
            1,
            "The chance that all four rows of a prompt land in the test is tiny. Split by prompt.",
        ),
        QuizQuestion(
            "A judge prefers your model in 70% of the pairs when its answers are shown first, and in 42% when they are shown second. The win rate?",
            ["56%", "70%: the order in which it was planned counts", "42%, to be on the safe side"],
            0,
            "Each order counts half. The difference between the two, 28 points, is the judge's habit.",
        ),
        QuizQuestion(
            "After KTO the win rate is 64%, and at equal length 51%. Which sentence says most honestly what was found?",
            [
                "“Preferred in 64% of comparisons with the model before, on prompts that were held out”",
                "“No better than before”",
                "“Preferred in 64%; answers are longer, and at equal length it is about even”",
            ],
            2,
            "Longer may be what people want, but then say that it is length. “No better” says more than an interval around one half does.",
        ),
        QuizQuestion(
            "KTO's model beats the SFT model that it started from. What is missing before you credit KTO?",
            [
                "the same steps again on a larger model",
                "the same number of further steps without thumbs down",
                "a lower learning rate for the SFT model",
            ],
            1,
            "Training longer helps by itself. Only a control with as many steps can take that out.",
        ),
        QuizQuestion(
            "A run was interrupted at step 300 of 500. You raise the learning rate, and start it again in the same folder. What should happen?",
            [
                "it stops with a sentence, and asks for another folder or the old rate",
                "it goes on from step 300 with the new rate",
                "it starts at step 0 and overwrites the checkpoints",
            ],
            0,
            "A model made with two rates is documented by neither recipe; and checkpoints that vanish cannot be compared.",
        ),
    ],
}
