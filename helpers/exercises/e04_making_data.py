"""Lesson 04: what its exercises must fulfill, its quiz, and the widget about near duplicates.

The reference solutions are in the lesson's source. Properties compare with cases worked out by hand, never
with the reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import ipywidgets
import numpy as np

from helpers.lesson import page, plots
from helpers.lesson.checks import Answer, Check, CheckFailed, Property, call
from helpers.lesson.quiz import QuizQuestion
from helpers.lesson.widgets import WhatIf
from helpers.synthesis.texts import runs, words
from helpers.world import Scene, captions, describe, record

Function = Callable[..., object]

# --- exercise 1: accepted -----------------------------------------------------------------------------------

_PIG = Scene("pig", "blue", "small", "meadow", "sleeps")
_CAT = Scene("cat", "gray", "big", "beach", "walks left")


def _judged(function: Function, cases: Sequence[tuple[str, str, bool, str]]) -> None:
    """The verdicts on these cases are right.

    Args:
        cases: caption, record, whether it is to be accepted, and why, as the end of "the caption ...".
    """
    for caption, told, wanted, why in cases:
        answer = call(function, caption=caption, told=told)
        answer.should("be True or False", isinstance(answer.value, bool | np.bool_))
        if bool(answer.value) != wanted:
            raise CheckFailed(
                f"the caption {caption!r} {why}, for the record {told!r}: "
                f"that should be {wanted}, yours is {answer.value}"
            )


def _accepted_true(function: Function) -> None:
    told = [(describe(scene, seed=seed), record(scene)) for scene in (_PIG, _CAT) for seed in range(4)]
    _judged(function, [(caption, text, True, "says all of it, and truly") for caption, text in told])


def _accepted_wrong(function: Function) -> None:
    right = Scene("cat", "gray", "big", "beach", "walks right")
    _judged(
        function,
        [
            (captions(_CAT)[0], record(right), False, "gives the wrong direction"),
            (captions(_PIG)[0], record(_CAT), False, "is about another scene"),
        ],
    )


def _accepted_silent(function: Function) -> None:
    short = describe(_PIG, mention=("kind", "color", "verb"))
    _judged(function, [(short, record(_PIG), False, "leaves out the size and the place")])


def _accepted_broken(function: Function) -> None:
    whole = captions(_PIG)[0]
    _judged(
        function,
        [
            (whole, "small blue pig, sleeps", False, "has a record without a place"),
            (whole, "", False, "has no record at all"),
            (whole, "small blue pig pig, sleeps, meadow", False, "has a record that is none"),
            ("", record(_PIG), False, "says nothing"),
            ("pig the sleeps", record(_PIG), False, "is no sentence"),
        ],
    )


# --- exercise 2: jaccard ------------------------------------------------------------------------------------


def _number(answer: Answer) -> float:
    answer.should("be one number", isinstance(answer.value, int | float | np.number))
    return float(answer.value)


def _is(answer: Answer, wanted: float) -> None:
    _number(answer)
    answer.close(wanted)


def _jaccard_ends(function: Function) -> None:
    _is(call(function, one="a red cat sits", other="a red cat sits", run=2), 1.0)
    _is(call(function, one="a red cat sits", other="we see two dogs", run=2), 0.0)


def _jaccard_words(function: Function) -> None:
    # {a, red, cat, sits} and {a, blue, cat, sits}: 3 of 5
    _is(call(function, one="a red cat sits", other="a blue cat sits", run=1), 3 / 5)


def _jaccard_runs(function: Function) -> None:
    # {a red, red cat, cat sits} and {a blue, blue cat, cat sits}: 1 of 5
    _is(call(function, one="a red cat sits", other="a blue cat sits", run=2), 1 / 5)
    # {a red cat, red cat sits, cat sits here} and {a red cat, red cat sits}: 2 of 3
    _is(call(function, one="a red cat sits here", other="a red cat sits", run=3), 2 / 3)


def _jaccard_sets(function: Function) -> None:
    # The sets are {the, cat, sees, dog} and {the, cat, sees}.
    _is(call(function, one="the cat sees the dog", other="the cat sees the cat", run=1), 3 / 4)
    _is(call(function, one="cats sit sit here", other="sit here cats", run=1), 1.0)


def _jaccard_short(function: Function) -> None:
    _is(call(function, one="a cat", other="a cat", run=3), 1.0)
    _is(call(function, one="a cat", other="a cat sits here", run=3), 0.0)


# --- exercise 3: labels_worth -------------------------------------------------------------------------------


def _worth_points(function: Function) -> None:
    labels, shares = [40, 160, 640], [0.1, 0.4, 0.9]
    for count, share in zip(labels, shares, strict=True):
        _is(call(function, target=share, labels=labels, shares=shares), count)


def _worth_between(function: Function) -> None:
    # Halfway in log(labels) between 40 and 160 is 80; between 160 and 640 it is 320.
    _is(call(function, target=0.25, labels=[40, 160, 640], shares=[0.1, 0.4, 0.9]), 80.0)
    _is(call(function, target=0.65, labels=[40, 160, 640], shares=[0.1, 0.4, 0.9]), 320.0)


def _worth_beyond(function: Function) -> None:
    answer = call(function, target=0.95, labels=[10, 100], shares=[0.2, 0.8])
    answer.should("be infinite: no measured number of labels gets there", _number(answer) == math.inf)


def _worth_below(function: Function) -> None:
    _is(call(function, target=0.05, labels=[10, 100], shares=[0.2, 0.8]), 10.0)


def _worth_first(function: Function) -> None:
    # The curve passes 0.5 between 10 and 40, dips, and passes it again.
    _is(call(function, target=0.5, labels=[10, 40, 160, 640], shares=[0.2, 0.8, 0.4, 0.9]), 20.0)


CHECKS: dict[str, Check] = {
    "accepted": Check(
        "accepted",
        [
            Property("captions that say all of their record are accepted, in any words", _accepted_true),
            Property("a caption with something wrong is not", _accepted_wrong),
            Property("nor is one that leaves something out", _accepted_silent),
            Property("whatever a model wrote gets an answer, also what is no record", _accepted_broken),
        ],
    ),
    "jaccard": Check(
        "jaccard",
        [
            Property("the same text is 1, a text without a common word 0", _jaccard_ends),
            Property("with runs of one word, words count", _jaccard_words),
            Property("longer runs notice more of a change", _jaccard_runs),
            Property("a run counts once, however often it occurs", _jaccard_sets),
            Property("a text shorter than a run is one run", _jaccard_short),
        ],
    ),
    "labels_worth": Check(
        "labels_worth",
        [
            Property("a share that was measured gives its number of labels", _worth_points),
            Property("between two measured numbers it goes by the logarithm of the labels", _worth_between),
            Property("a share that is never reached is worth infinitely many", _worth_beyond),
            Property("a share below the curve is worth the fewest labels measured", _worth_below),
            Property("the first place at which the curve gets there counts", _worth_first),
        ],
    ),
}


# --- near duplicates ----------------------------------------------------------------------------------------

INSTRUCTION = (
    "You read captions of pictures of animals. Read the following caption and write down, in this order: "
    "the size, the color and the kind of the animal, what it does, and where it is. Caption: "
)
_TEXTS = {"the caption": "", "the whole prompt": INSTRUCTION}


def highest(texts: Sequence[str], others: Sequence[str] | None, run: int) -> np.ndarray:
    """The similarity of each text to the most similar of `others`, or of the rest of `texts`: (n,), 0 to 1."""
    sets = [set(runs(words(text), run)) for text in texts]
    known = sets if others is None else [set(runs(words(other), run)) for other in others]
    found = np.zeros(len(texts))
    for i, own in enumerate(sets):
        for j, theirs in enumerate(known):
            if others is not None or i != j:
                found[i] = max(found[i], len(own & theirs) / len(own | theirs))
    return found


def near_widget(captions: Sequence[str], copies: Sequence[str]) -> WhatIf:
    """Which captions a threshold takes for duplicates: different ones by mistake, near copies rightly.

    Args:
        captions: about different scenes.
        copies: some of these with a word changed.
    """
    known: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]] = {}

    def measured(what: str, run: int) -> tuple[np.ndarray, np.ndarray]:
        if (what, run) not in known:
            full = [_TEXTS[what] + caption for caption in captions]
            changed = [_TEXTS[what] + caption for caption in copies]
            known[what, run] = highest(full, None, run), highest(changed, full, run)
        return known[what, run]

    def draw(threshold: float, run: int, what: str) -> str:
        fresh, near = measured(what, run)
        figure, axes = plots.new_figure(680, 320)
        bins = np.linspace(0, 1, 41)
        for values, name, number in (
            (fresh, "captions about different scenes", 0),
            (near, "copies with one word changed", 1),
        ):
            look = {"color": plots.COLORS[number], "hatch": plots.HATCHES[number], "edgecolor": "white"}
            axes.hist(
                values, bins, weights=np.full(len(values), 1 / len(values)), alpha=0.75, label=name, **look
            )
        axes.axvline(threshold, color=plots.INK, linestyle="--", linewidth=1.8, label="threshold")
        axes.set_xlim(0, 1.02)
        axes.set_xlabel("similarity to the most similar other caption")
        axes.set_ylabel("share of captions")
        axes.legend(frameon=False, loc="upper left")
        wrong, caught = int((fresh >= threshold).sum()), int((near >= threshold).sum())
        sentence = (
            f"Taken out by mistake: {wrong} of {len(fresh)} different captions. "
            f"Near copies caught: {caught} of {len(near)}."
        )
        alt = f"Two histograms of similarities and a threshold at {threshold:g}. {sentence}"
        return plots.figure_html(figure, alt) + page.paragraph_html(sentence)

    controls = {
        "threshold": ipywidgets.FloatSlider(value=0.7, min=0.3, max=1.0, step=0.05, description="threshold"),
        "run": ipywidgets.Dropdown(options=[1, 2, 3], value=2, description="words in a run"),
        "what": ipywidgets.Dropdown(options=list(_TEXTS), value="the caption", description="compare"),
    }
    return WhatIf(controls, draw, "Which threshold catches copies and spares different captions?")


WIDGETS = {"near": near_widget}


# --- quiz ---------------------------------------------------------------------------------------------------

QUIZZES: dict[str, list[QuizQuestion]] = {
    "recap": [
        QuizQuestion(
            "Your decontamination filter reports: 0 of 50,000 rows removed. What do you do next?",
            [
                "report that the data are clean, with the filter and its threshold",
                "plant test items in the data and see how many it catches",
                "lower the threshold until it removes something, and read a few of those",
            ],
            1,
            "A filter that finds nothing has shown nothing, unless it finds what you know to be there.",
        ),
        QuizQuestion(
            "After decontamination your benchmark score is lower than before. What does that say?",
            [
                "the step does harm: the rows that it takes out should go back in",
                "the difference is what the model had learned by heart, and nothing else",
                "this number can be believed; useful rows may have gone as well",
            ],
            2,
            "Ours fell for fresh captions too, as rows by people went with the leak. How much of it was memory stays open.",
        ),
        QuizQuestion(
            "Near deduplication of the prompts of your chats removes 90% of your rows. What do you check first?",
            [
                "whether they share an instruction: compare without it",
                "whether the generator has collapsed: write again at a higher temperature",
                "whether MinHash errs: give it more permutations",
            ],
            0,
            "Most words of such prompts are the template's. Compare what differs, and measure false positives.",
        ),
        QuizQuestion(
            "A small model is trained on 160 real rows and writes 480 more. When do these help?",
            [
                "always, if the steps are raised with the rows: more rows are more data",
                "if something that knows more than it does decides what stays",
                "if they are written at a low temperature, where it errs least",
            ],
            1,
            "The model can only write what it has learned, mistakes included. The verifier brings information from outside.",
        ),
        QuizQuestion(
            "Two sets of 300 rows; the first has a higher Vendi score. Which will teach more?",
            [
                "the first: more different captions are more to learn from",
                "the second: what makes rows diverse is mostly noise",
                "that can't be told: diverse rows may be wrong",
            ],
            2,
            "Diversity measures see texts, not truth. Our unverified rows were diverse too.",
        ),
    ],
}
