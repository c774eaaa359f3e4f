"""Lesson 01: what its exercises must fulfill, its two quizzes, and the temperature widget.

The reference solutions are in the lesson's source. Properties compare with numbers worked out by hand or by
another route (torch's own losses), never with the reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import ipywidgets
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div

from helpers.lesson import plots
from helpers.lesson.checks import Check, Property, call
from helpers.lesson.quiz import QuizQuestion
from helpers.lesson.widgets import WhatIf

Function = Callable[..., object]


# --- exercise 1: token_logps --------------------------------------------------------------------------------


def _logits(batch: int, length: int, tokens: int) -> Tensor:
    return torch.randn(batch, length, tokens, generator=torch.Generator().manual_seed(batch * 100 + length))


def _token_logps_by_hand(function: Function) -> None:
    # Two positions, two tokens: the first position gives them 1/4 and 3/4, and token 1 comes next.
    logits = torch.tensor([[[0.0, math.log(3.0)], [0.0, 0.0]]])
    call(function, logits=logits, ids=torch.tensor([[0, 1]])).close([[math.log(0.75)]])


def _token_logps_shape(function: Function) -> None:
    answer = call(function, logits=_logits(3, 5, 7), ids=torch.arange(15).reshape(3, 5) % 7)
    shape = tuple(getattr(answer.value, "shape", ()))
    answer.should("have shape (3, 4)", shape == (3, 4), shape)


def _token_logps_negative(function: Function) -> None:
    logits = 5 * _logits(2, 6, 4)
    answer = call(function, logits=logits, ids=torch.zeros(2, 6, dtype=torch.long))
    answer.should(
        "be at most 0 everywhere (they are logarithms of probabilities)", bool((answer.value <= 0).all())
    )


def _token_logps_as_torch(function: Function) -> None:
    logits, ids = _logits(4, 9, 11), torch.arange(36).reshape(4, 9) * 5 % 11
    expected = -cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")
    call(function, logits=logits, ids=ids).close(expected)


# --- exercise 2: answer_logps -------------------------------------------------------------------------------


def _answer_by_hand(function: Function) -> None:
    # Four tokens, the last two are the answer; log-probabilities belong to tokens 2, 3 and 4.
    answer = torch.tensor([[False, False, True, True]])
    call(function, logps=torch.tensor([[-5.0, -0.5, -0.25]]), is_answer=answer).close([-0.75])


def _answer_per_row(function: Function) -> None:
    logps = torch.tensor([[-1.0, -2.0, -4.0], [-8.0, -16.0, -32.0]])
    mask = torch.tensor([[False, True, True, True], [False, False, False, True]])
    call(function, logps=logps, is_answer=mask).close([-7.0, -32.0])


def _answer_ignores_padding(function: Function) -> None:
    logps = torch.tensor([[-1.0, -2.0, -99.0]])
    mask = torch.tensor([[False, False, True, False]])
    call(function, logps=logps, is_answer=mask).close([-2.0])


# --- exercise 3: interval_of_six ----------------------------------------------------------------------------


def _interval_constant(function: Function) -> None:
    call(function, values=[0.5] * 6).close((0.5, 0.5))


def _interval_centered(function: Function) -> None:
    answer = call(function, values=[1.0, 2.0, 3.0, 4.0, 5.0, 12.0])
    low, high = answer.value
    answer.should("have its low end first", low <= high)
    answer.should("lie evenly around the mean, 4.5", abs((low + high) / 2 - 4.5) < 1e-6)


def _interval_by_hand(function: Function) -> None:
    # Deviations ±1: sum of squares 6, s = √(6/5), half width = 2.571 · √(6/5) / √6 = 2.571 / √5.
    half = 2.571 / math.sqrt(5)
    call(function, values=[1.0, -1.0, 1.0, -1.0, 1.0, -1.0]).close((-half, half), tolerance=2e-3)


# --- exercise 4: token_kl -----------------------------------------------------------------------------------


def _kl_zero(function: Function) -> None:
    logits = _logits(2, 3, 5)
    # Adding a constant to all logits of a position changes no probability.
    call(function, logits=logits, ref_logits=logits + 3.0).close(torch.zeros(2, 3))


def _kl_positive(function: Function) -> None:
    answer = call(function, logits=_logits(2, 4, 6), ref_logits=_logits(3, 4, 6)[:2])
    answer.should("be at least 0 everywhere", bool((answer.value >= -1e-6).all()))


def _kl_by_hand(function: Function) -> None:
    # The model gives 3/4 and 1/4, the reference 1/2 and 1/2.
    logits = torch.tensor([[[math.log(3.0), 0.0]]])
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    call(function, logits=logits, ref_logits=torch.zeros(1, 1, 2)).close([[expected]])


def _kl_as_torch(function: Function) -> None:
    logits, ref_logits = 2 * _logits(3, 4, 8), _logits(5, 4, 8)[:3]
    expected = kl_div(
        ref_logits.log_softmax(-1), logits.log_softmax(-1), reduction="none", log_target=True
    ).sum(-1)
    call(function, logits=logits, ref_logits=ref_logits).close(expected)


CHECKS: dict[str, Check] = {
    "token_logps": Check(
        "token_logps",
        [
            Property("there is one log-probability less than there are tokens", _token_logps_shape),
            Property("log-probabilities are never positive", _token_logps_negative),
            Property(
                "scores of 0 and ln 3 mean probabilities of 1/4 and 3/4 for the next token",
                _token_logps_by_hand,
            ),
            Property("it agrees with minus torch's cross-entropy, token by token", _token_logps_as_torch),
        ],
    ),
    "answer_logps": Check(
        "answer_logps",
        [
            Property("four tokens worked out by hand: a sum over the answer, not a mean", _answer_by_hand),
            Property("every row is summed by itself", _answer_per_row),
            Property("padding after the answer does not count", _answer_ignores_padding),
        ],
    ),
    "interval_of_six": Check(
        "interval_of_six",
        [
            Property("six equal values leave no doubt: low and high are that value", _interval_constant),
            Property("low comes before high, and the mean is in the middle", _interval_centered),
            Property("values of ±1 worked out by hand", _interval_by_hand),
        ],
    ),
    "token_kl": Check(
        "token_kl",
        [
            Property("equal probabilities have a divergence of 0", _kl_zero),
            Property("a divergence is never negative", _kl_positive),
            Property(
                "two tokens worked out by hand: summed, with the model's probabilities as weights",
                _kl_by_hand,
            ),
            Property("it agrees with torch's kl_div", _kl_as_torch),
        ],
    ),
}


# --- the temperature widget ---------------------------------------------------------------------------------


def tempered(logits: Tensor, temperature: float) -> Tensor:
    """Next-token probabilities (tokens,) at a temperature above 0."""
    return (logits / temperature).softmax(-1)


def perplexity(probabilities: Tensor) -> float:
    """exp of the entropy: among how many equally likely tokens one would hesitate as much."""
    return float(torch.exp(-torch.special.xlogy(probabilities, probabilities).sum()))


def _temperature_html(
    ends: Mapping[str, Tensor], spell: Callable[[int], str], prompt: str, temperature: float
) -> str:
    probabilities = tempered(ends[prompt], temperature)
    top = probabilities.topk(8)
    names = [spell(int(token)).strip() or "(space)" for token in top.indices]
    figure, axes = plots.new_figure(640, 300)
    axes.bar(range(len(names)), top.values.tolist(), color=plots.COLORS[0])
    axes.set_xticks(range(len(names)), names, rotation=25)
    axes.set_ylim(0, 1)
    axes.set_ylabel("probability")
    hesitates = perplexity(probabilities)
    axes.set_title(f"“{prompt} …”  T = {temperature:g}: hesitates among about {hesitates:.3g} tokens")
    alt = (
        f"Bars of the eight most probable next tokens after “{prompt}” at temperature {temperature:g}: "
        f"{names[0]} has {float(top.values[0]):.2f}; perplexity {hesitates:.3g}."
    )
    return plots.figure_html(figure, alt)


def temperature_widget(ends: Mapping[str, Tensor], spell: Callable[[int], str]) -> WhatIf:
    """Next-token probabilities after a prompt, with a temperature slider.

    Args:
        ends: by prompt, the logits (tokens,) of the token that comes next.
        spell: a token id as text.
    """
    controls = {
        "prompt": ipywidgets.Dropdown(options=list(ends), description="prompt"),
        "temperature": ipywidgets.FloatSlider(
            value=1.0, min=0.2, max=3.0, step=0.1, description="temperature", continuous_update=False
        ),
    }
    return WhatIf(
        controls,
        lambda prompt, temperature: _temperature_html(ends, spell, prompt, temperature),
        "What does the temperature change?",
    )


WIDGETS = {"temperature": temperature_widget}


# --- quizzes ------------------------------------------------------------------------------------------------


def skip_or_read(score: int) -> str:
    """What the diagnostic quiz advises."""
    if score >= 5:
        return "You know this: you may go straight on to the next lesson."
    return "Stay: each explanation names the section that has what was missing."


ADVICE = {"diagnostic": skip_or_read}

QUIZZES: dict[str, list[QuizQuestion]] = {
    "diagnostic": [
        QuizQuestion(
            "A model gives the tokens of an answer the probabilities 1/2, 1/4 and 1/8. What is the answer's log-probability?",
            ["ln(1/2 + 1/4 + 1/8)", "ln(1/2) + ln(1/4) + ln(1/8)", "the mean of the three logarithms"],
            1,
            "Probabilities of tokens in a row multiply, so their logarithms add up. (Section 3.)",
        ),
        QuizQuestion(
            "logits has shape (batch, length, tokens). Which token are logits[:, t] about?",
            ["the token at position t", "the token at position t + 1", "all tokens up to t"],
            1,
            "A causal model at position t has seen tokens up to t, and guesses the next one. (Section 2.)",
        ),
        QuizQuestion(
            "Why is the prompt masked out of an SFT loss?",
            [
                "so that the model cannot look at the prompt while it answers",
                "so that only the answer's tokens count in the loss",
                "because the tokens of a prompt have no next token",
            ],
            1,
            "The mask is on the loss. The model still reads the prompt through attention. (Section 3.)",
        ),
        QuizQuestion(
            "You lower the temperature from 1 to 0.5 while sampling. What happens?",
            [
                "the most probable token is drawn more often",
                "the model's weights move toward the favorite",
                "rare tokens are drawn more often",
            ],
            0,
            "Dividing the logits by 0.5 spreads them out. No weight changes. (Section 6.)",
        ),
        QuizQuestion(
            "What is a frozen reference model for when another model is fine-tuned?",
            [
                "it judges which of two answers is better",
                "it writes the examples that one trains on",
                "the distance from it is kept small",
            ],
            2,
            "The reference is a copy from before training; a KL term measures how far one has moved from it. (Section 7.)",
        ),
        QuizQuestion(
            "A gain is 0.03 on average over six seeds, with a 95% interval from -0.01 to 0.07. Is it above 0?",
            ["yes: the mean is above 0", "no: the interval contains 0", "these six seeds do not tell"],
            2,
            "The interval has values on both sides of 0, so it supports neither answer. (Section 5.)",
        ),
    ],
    "recap": [
        QuizQuestion(
            "Told a lie about the scene, a text model preferred the caption that repeats the lie. What follows?",
            [
                "told the truth, it knew what was said, not what is so",
                "it was trained for too few steps to know the scene",
                "log-probabilities are the wrong way to compare captions",
            ],
            0,
            "The same mechanism gives both results: it follows the text it was given. Only someone who looks can tell the record from the scene.",
        ),
        QuizQuestion(
            "Told nothing, the model was right in about half of the pairs. Why run this at all?",
            [
                "to show that the captions do not give the truth away",
                "to show that the model can be confused by an empty prompt",
                "to measure how much luck there is between the seeds",
            ],
            0,
            "Had one of the two captions been easier in itself (a more usual color, say), the first result would mean less.",
        ),
        QuizQuestion(
            "Your loss fell to 0.02 within a minute. What do you check first?",
            [
                "whether to stop early",
                "whether position t is scored on the token it has just read",
                "the learning rate",
            ],
            1,
            "A loss far below the variety of the text is usually a leak, and the forgotten shift is the most common one.",
        ),
        QuizQuestion(
            "β = 0 learned “huge” best. What does a larger β buy?",
            [
                "the same word, learned with fewer examples",
                "a model that no longer needs its reference",
                "less change where nothing should change",
            ],
            2,
            "The leash is a trade: less drift elsewhere for less of the new word. Whether it is worth it, the table tells.",
        ),
        QuizQuestion(
            "A claim's interval over six seeds is [0.46, 0.58], the margin of the null is ±0.15 around 0.5. The verdict?",
            ["holds", "fails", "inconclusive"],
            0,
            "The whole interval lies inside the margin that was named beforehand, [0.35, 0.65].",
        ),
    ],
}
