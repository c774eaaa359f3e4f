"""Lesson 06: what its exercises must fulfill, its quiz, and the widget about verdicts over rounds.

The reference solutions are in the lesson's source. Properties compare with cases worked out by hand, never
with the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets

from helpers.lesson import page, plots
from helpers.lesson.checks import Check, CheckFailed, Property, call
from helpers.lesson.quiz import QuizQuestion
from helpers.lesson.widgets import WhatIf
from helpers.world import Scene, captions, describe

Function = Callable[..., object]

# --- exercise 1: pick_best ----------------------------------------------------------------------------------


def _picks(function: Function, scores: list[list[float]], wanted: list[int | None], why: str) -> None:
    answer = call(function, scores=scores)
    answer.should("be a list with one entry per record", isinstance(answer.value, list | tuple))
    answer.should(f"have {len(wanted)} entries, one per record", len(answer.value) == len(wanted))
    for i, (picked, right) in enumerate(zip(answer.value, wanted, strict=True)):
        # True == 1, so a list of flags would pass for a list of places.
        if picked != right or isinstance(picked, bool):
            raise CheckFailed(f"{answer.given}record {i} {why}, your entry is {picked!r}")


def _pick_highest(function: Function) -> None:
    _picks(function, [[0.1, 0.9, 0.3], [0.7, 0.2, 0.6]], [1, 0], "should give the place of its highest score")


def _pick_none(function: Function) -> None:
    _picks(
        function,
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.2]],
        [None, 2],
        "should be None if no score is above 0, else a place",
    )


def _pick_first(function: Function) -> None:
    _picks(
        function,
        [[0.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 1.0]],
        [1, 0],
        "has level scores and should give the first of them",
    )


def _pick_zero_place(function: Function) -> None:
    _picks(function, [[5.0, 1.0], [-1.0, -2.0]], [0, None], "should tell place 0 from no pick at all")


# --- exercise 2: prefers_right ------------------------------------------------------------------------------


def _prefer_simple(function: Function) -> None:
    call(function, scores=[[0.9, 0.1]], rights=[[True, False]]).close(1.0)
    call(function, scores=[[0.9, 0.1]], rights=[[False, True]]).close(0.0)


def _prefer_level(function: Function) -> None:
    call(function, scores=[[0.5, 0.5, 0.1]], rights=[[True, False, False]]).close(0.75)


def _prefer_within(function: Function) -> None:
    # Over everything the right ones would win three of four; within each record they never do.
    call(function, scores=[[0.1, 0.2], [0.8, 0.9]], rights=[[True, False], [True, False]]).close(0.0)


def _prefer_pairs(function: Function) -> None:
    # Four pairs in the first record (three won), one in the second (lost): three of five.
    call(
        function,
        scores=[[0.9, 0.5, 0.4, 0.6], [0.1, 0.3]],
        rights=[[True, True, False, False], [True, False]],
    ).close(0.6)


def _prefer_nothing(function: Function) -> None:
    call(function, scores=[[0.9, 0.1], [0.3, 0.4]], rights=[[True, True], [False, False]]).close(0.5)


# --- exercise 3: critique -----------------------------------------------------------------------------------

_PIG = Scene("pig", "blue", "small", "snow", "sleeps")
_FACTS = {"kind": "pig", "color": "blue", "size": "small", "place": "snow", "verb": "sleeps"}


def _complains(function: Function, caption: str, wanted: dict[str, str], about: str) -> None:
    answer = call(function, caption=caption, facts=_FACTS)
    answer.should("be a dict", isinstance(answer.value, dict))
    extra = [name for name in answer.value if name not in wanted]
    missing = [name for name in wanted if name not in answer.value]
    answer.should(f"complain {about}; it complains too much", not extra)
    answer.should(f"complain {about}; it complains too little", not missing)
    answer.should("hold the values that the facts have", answer.value == wanted)


def _critic_content(function: Function) -> None:
    for caption in captions(_PIG):
        _complains(function, caption, {}, "about nothing: all of it is right")


def _critic_wrong(function: Function) -> None:
    pink = captions(Scene("pig", "pink", "small", "snow", "sleeps"))
    for caption in pink:
        _complains(function, caption, {"color": "blue"}, "about the color only")
    other = captions(Scene("cow", "blue", "small", "beach", "jumps"))[0]
    _complains(
        function,
        other,
        {"kind": "pig", "place": "snow", "verb": "sleeps"},
        "about kind, place and verb",
    )


def _critic_missing(function: Function) -> None:
    caption = describe(_PIG, mention=("kind", "color", "verb"))
    _complains(function, caption, {"size": "small", "place": "snow"}, "about the two facts that are left out")


def _critic_babble(function: Function) -> None:
    for caption in ("", "pig pig blue the"):
        _complains(function, caption, _FACTS, "about all facts: the grammar cannot read this caption")


# --- exercise 4: gap_recovered ------------------------------------------------------------------------------


def _gap_ends(function: Function) -> None:
    call(function, supervisor=0.5, student=0.5, ceiling=0.9).close(0.0)
    call(function, supervisor=0.5, student=0.9, ceiling=0.9).close(1.0)


def _gap_between(function: Function) -> None:
    call(function, supervisor=0.6, student=0.7, ceiling=1.0).close(0.25)
    call(function, supervisor=0.2, student=0.8, ceiling=1.0).close(0.75)


def _gap_outside(function: Function) -> None:
    call(function, supervisor=0.6, student=0.5, ceiling=0.8).close(-0.5)
    call(function, supervisor=0.6, student=0.9, ceiling=0.8).close(1.5)


def _gap_none(function: Function) -> None:
    call(function, supervisor=0.8, student=0.9, ceiling=0.8).close(0.0)
    call(function, supervisor=0.9, student=0.7, ceiling=0.8).close(0.0)


CHECKS: dict[str, Check] = {
    "pick_best": Check(
        "pick_best",
        [
            Property("the highest score is picked", _pick_highest),
            Property("a record whose scores are all 0 gets None", _pick_none),
            Property("of level scores the first is picked", _pick_first),
            Property("the first caption is a pick too, and scores below 0 are none", _pick_zero_place),
        ],
    ),
    "prefers_right": Check(
        "prefers_right",
        [
            Property("one right and one wrong caption", _prefer_simple),
            Property("level scores count as half", _prefer_level),
            Property("captions of different records are never compared", _prefer_within),
            Property("every pair counts alike, whichever record it is of", _prefer_pairs),
            Property("without any pair it is one half", _prefer_nothing),
        ],
    ),
    "critique": Check(
        "critique",
        [
            Property("right captions, in all three styles, get no complaint", _critic_content),
            Property("wrong facts are named, with what they should be", _critic_wrong),
            Property("what is left out is complained about too", _critic_missing),
            Property("an unreadable caption: all facts are complained about", _critic_babble),
        ],
    ),
    "gap_recovered": Check(
        "gap_recovered",
        [
            Property("0 at the supervisor's level, 1 at the ceiling", _gap_ends),
            Property("a share of the gap in between", _gap_between),
            Property("below 0 and above 1 are possible", _gap_outside),
            Property("without a gap it is 0", _gap_none),
        ],
    ),
}


# --- what verdicts do over rounds ---------------------------------------------------------------------------

MOST_ROUNDS = 6


def over_rounds(start: float, hits: float, alarms: float, rounds: int = MOST_ROUNDS) -> list[float]:
    """The share of right captions before and after each round, if a round gives odds × hits / alarms.

    Args:
        start: share of right captions before, between 0 and 1.
        hits, alarms: how often the judge says yes to right and to wrong captions; a judge that never says yes
            changes nothing.
    """
    shares = [start]
    for _ in range(rounds):
        good, bad = shares[-1] * hits, (1 - shares[-1]) * alarms
        shares.append(good / (good + bad) if good + bad > 0 else shares[-1])
    return shares


def right_on_the_whole(start: float, hits: float, alarms: float, pigs: float, rest: float) -> float:
    """How often a judge's verdicts are right at the start, over pigs and all other captions together.

    Args:
        start: share of the pigs' captions that are right.
        hits, alarms: how often it says yes to right and to wrong captions of pigs.
        pigs: share of the pigs' captions among all.
        rest: share of its verdicts about the others that are right.
    """
    about_pigs = start * hits + (1 - start) * (1 - alarms)
    return pigs * about_pigs + (1 - pigs) * rest


def _verdicts_html(start: float, hits: float, alarms: float, pigs: float, rest: float) -> str:
    shares = over_rounds(start, hits, alarms)
    figure, axes = plots.new_figure(640, 320)
    axes.plot(shares, label="pigs, picked by this judge")
    axes.plot([start] * len(shares), label="pigs, no verdict")
    axes.set(xlabel="rounds", ylabel="share of right captions of pigs", ylim=(-0.03, 1.03))
    axes.legend(frameon=False)
    ratio = "endless" if alarms == 0 else f"{hits / alarms:.2g}"
    agrees = right_on_the_whole(start, hits, alarms, pigs, rest)
    about_pigs = right_on_the_whole(start, hits, alarms, 1, rest)
    sentence = (
        f"On the whole this judge's verdicts are right in {agrees:.0%} of all cases at the start, about pigs in "
        f"{about_pigs:.0%}. For pigs h / f is {ratio}: after {MOST_ROUNDS} rounds {shares[-1]:.0%} of their "
        f"captions are right (at the start {start:.0%})."
    )
    alt = (
        f"Share of right captions of pigs over {MOST_ROUNDS} rounds: "
        + ", ".join(f"{x:.2f}" for x in shares)
        + "."
    )
    return plots.figure_html(figure, alt) + page.paragraph_html(sentence)


def verdicts_widget() -> WhatIf:
    """What a judge's hits and false alarms about pigs make of a writer, and how good it looks on the whole."""

    def slider(
        value: float, low: float, high: float, step: float, description: str
    ) -> ipywidgets.FloatSlider:
        return ipywidgets.FloatSlider(value=value, min=low, max=high, step=step, description=description)

    controls = {
        "start": slider(0.1, 0.02, 0.98, 0.02, "pigs right at the start"),
        "hits": slider(0.6, 0, 1, 0.05, "pigs: yes to right ones, h"),
        "alarms": slider(0.4, 0, 1, 0.05, "pigs: yes to wrong ones, f"),
        "pigs": slider(0.3, 0.05, 1, 0.05, "pigs among all captions"),
        "rest": slider(0.8, 0.5, 1, 0.05, "the rest: verdicts right"),
    }
    return WhatIf(
        controls,
        _verdicts_html,
        "Find a judge that is right nine times in ten on the whole and drags the pigs down.",
    )


WIDGETS = {"verdicts": verdicts_widget}


# --- quiz ---------------------------------------------------------------------------------------------------


def _question(text: str, choices: Sequence[str], answer: int, explanation: str) -> QuizQuestion:
    return QuizQuestion(text, list(choices), answer, explanation)


QUIZZES: dict[str, list[QuizQuestion]] = {
    "recap": [
        _question(
            "A judge scores a right answer above a wrong one in 85 of 100 pairs, drawn from all your questions. You want its picks to mend the questions that your model gets wrong. What do you measure first?",
            [
                "the same share on those questions, where it has to decide",
                "how sure of itself it is, from the spread of its scores",
                "the same share over more pairs, for a narrower interval",
            ],
            0,
            "The questions that your model gets right may carry the whole average, and its errors may be the judge's as well: here the share fell far below one half on the kinds with a habit.",
        ),
        _question(
            "Self-training with a verifier improved your model. Which control shows that it was the verifier?",
            [
                "the model before training, tested on the same records",
                "a larger model that learns with the same verifier",
                "as many of its own answers, unpicked, and as many steps",
            ],
            2,
            "Amount, steps and temperature must be the same; only the verdict may differ.",
        ),
        _question(
            "Which of these agents could teach our writer about pigs?",
            [
                "one that writes better captions of all other kinds and has the same habits",
                "one that gets as many kinds wrong as the writer, but other kinds",
                "five copies of the writer that vote about what a pig looks like",
            ],
            1,
            "It matters where a judge errs, more than how often. Shared errors pass every vote.",
        ),
        _question(
            "Your judge's mean score rises in every round. What do you know?",
            [
                "that the writer gives the judge more of what it likes",
                "that the writer gets better, as long as the score rises steadily",
                "that the judge gets more lenient",
            ],
            0,
            "Whether what it likes is right must be measured by something that does not share its taste.",
        ),
        _question(
            "A team of three agents beats one agent. Before you build it into your product, what do you compare?",
            [
                "the team with each of its three members working alone, at the same task",
                "one agent with as many tokens; the team's labels spent on training",
                "the team with larger teams of four, five or six agents of this kind",
            ],
            1,
            "Tokens and labels are what a team costs. Spent in another way they may do more.",
        ),
    ],
}
