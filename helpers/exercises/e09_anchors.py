"""Lesson 09: what its exercises must fulfill, its quiz, and the arrows to look at.

The reference solutions are in the lesson's source. Properties compare with numbers worked out by hand or with
the world's verdicts, never with the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import ipywidgets
import torch

from helpers import world
from helpers.lesson.checks import Check, Property, call
from helpers.lesson.quiz import QuizQuestion
from helpers.lesson.widgets import WhatIf

Function = Callable[..., object]


# --- exercise 1: arrow --------------------------------------------------------------------------------------

_REF_CHOSEN, _REF_REJECTED = torch.tensor([-4.0, -2.0]), torch.tensor([-1.0, -1.0])


def _arrow(function: Function, chosen: list[float], rejected: list[float]) -> object:
    return call(
        function,
        policy_chosen_logps=torch.tensor(chosen),
        policy_rejected_logps=torch.tensor(rejected),
        ref_chosen_logps=_REF_CHOSEN,
        ref_rejected_logps=_REF_REJECTED,
    )


def _arrow_of_nothing(function: Function) -> None:
    _arrow(function, _REF_CHOSEN.tolist(), _REF_REJECTED.tolist()).close([0.0, 0.0])


def _arrow_by_hand(function: Function) -> None:
    # Winners change by +3 and +1, losers by -2 and -6.
    _arrow(function, [-1.0, -1.0], [-3.0, -7.0]).close([-4.0, 2.0])


def _arrow_of_sinking(function: Function) -> None:
    # Both sides sink, by 1 and by 3: the margin has grown all the same.
    _arrow(function, [-5.0, -3.0], [-4.0, -4.0]).close([-3.0, -1.0])


# --- exercise 2: minimal_revision ---------------------------------------------------------------------------

_SCENES = world.sample(12, seed=29)


def _revised(function: Function, caption: str, scene: world.Scene) -> object:
    # The caption alone is the input that a message should show in full.
    return call(lambda text: function(text, scene), caption=caption)


def _revision_is_right(function: Function) -> None:
    for scene in _SCENES:
        wrong = replace(
            scene, color=_another(world.COLORS, scene.color), place=_another(world.PLACES, scene.place)
        )
        for caption in world.captions(wrong):
            answer = _revised(function, caption, scene)
            verdict = world.verify(answer.value, scene)
            answer.should(
                f"be right and complete about {world.record(scene)}", verdict.true and verdict.complete
            )


def _revision_keeps_the_style(function: Function) -> None:
    for scene in _SCENES[:6]:
        wrong = replace(scene, color=_another(world.COLORS, scene.color))
        for style, caption in enumerate(world.captions(wrong)):
            answer = _revised(function, caption, scene)
            answer.should("have the caption's own style", world.style_of(answer.value) == style)


def _revision_leaves_what_is_right(function: Function) -> None:
    for caption in world.captions(_SCENES[0]):
        answer = _revised(function, caption, _SCENES[0])
        answer.should("be the caption itself, as nothing in it is wrong", answer.value == caption)


def _revision_of_no_sentence(function: Function) -> None:
    scene = _SCENES[1]
    plain = world.captions(scene)[0]
    for caption in ["the the cat", "", world.describe(scene, mention=("kind", "color"))]:
        answer = _revised(function, caption, scene)
        answer.should("be the scene's first plain caption", answer.value == plain)


def _another(values: Sequence[str], value: str) -> str:
    return values[(values.index(value) + 1) % len(values)]


# --- exercise 3: total_variation ----------------------------------------------------------------------------


def _variation_of_equals(function: Function) -> None:
    shares = torch.tensor([0.5, 0.3, 0.2])
    call(function, p=shares, q=shares.clone()).close(0.0)


def _variation_of_strangers(function: Function) -> None:
    call(function, p=torch.tensor([1.0, 0.0, 0.0]), q=torch.tensor([0.0, 0.25, 0.75])).close(1.0)


def _variation_of_halves(function: Function) -> None:
    # Nothing is shared, and no single outcome differs by more than a half.
    call(function, p=torch.tensor([0.5, 0.5, 0.0, 0.0]), q=torch.tensor([0.0, 0.0, 0.5, 0.5])).close(1.0)


def _variation_by_hand(function: Function) -> None:
    # 0.2 moves from the first to the third outcome.
    call(function, p=torch.tensor([0.5, 0.3, 0.2]), q=torch.tensor([0.3, 0.3, 0.4])).close(0.2)


# --- exercise 4: choose_method ------------------------------------------------------------------------------

_KNOWN = ("sft", "dpo", "dpo+sft", "apo_zero", "apo_down", "kto", "none")


def _choice_is_known(function: Function) -> None:
    for feedback in ("answers", "pairs", "thumbs"):
        answer = call(function, feedback=feedback, better=True)
        answer.should(f"be one of {', '.join(_KNOWN)}", answer.value in _KNOWN)


def _choice_reads_the_format(function: Function) -> None:
    answer = call(function, feedback="thumbs", better=True)
    answer.should(
        "be a method that reads single answers with thumbs of both kinds (apo_zero stands for the one on pairs)",
        answer.value == "kto",
    )
    answer = call(function, feedback="answers", better=True)
    answer.should("be the method that needs good answers only", answer.value == "sft")


def _choice_lifts_good_winners(function: Function) -> None:
    answer = call(function, feedback="pairs", better=True)
    answer.should(
        "be a method that does not push good winners down", answer.value not in ("apo_down", "none")
    )


def _choice_uses_the_difference(function: Function) -> None:
    # Every method that compares winner and loser (KTO on the pairs taken apart) ended above its start, at its best.
    answer = call(function, feedback="pairs", better=False)
    answer.should(
        "be a method that learns from the difference of two wrong answers: such a training ended above its start",
        answer.value != "none",
    )


def _choice_never_imitates_bad_winners(function: Function) -> None:
    answer = call(function, feedback="pairs", better=False)
    answer.should("not imitate winners that are worse than the model", answer.value != "sft")
    answer = call(function, feedback="answers", better=False)
    answer.should("keep the model from imitating what is worse than it", answer.value == "none")


CHECKS: dict[str, Check] = {
    "arrow": Check(
        "arrow",
        [
            Property("a model that has not moved has no arrow", _arrow_of_nothing),
            Property("two pairs worked out by hand, losers first", _arrow_by_hand),
            Property("both sides may sink", _arrow_of_sinking),
        ],
    ),
    "minimal_revision": Check(
        "minimal_revision",
        [
            Property("the revision is right about the scene", _revision_is_right),
            Property("it keeps the caption's style", _revision_keeps_the_style),
            Property("a caption that is right stays as it is", _revision_leaves_what_is_right),
            Property("what is no caption of ours becomes the first plain caption", _revision_of_no_sentence),
        ],
    ),
    "total_variation": Check(
        "total_variation",
        [
            Property("equal distributions are at distance 0", _variation_of_equals),
            Property("distributions that share nothing are at distance 1", _variation_of_strangers),
            Property("two halves that move, both counted", _variation_of_halves),
            Property("one fifth that moves, worked out by hand", _variation_by_hand),
        ],
    ),
    "choose_method": Check(
        "choose_method",
        [
            Property("it answers with the name of a method", _choice_is_known),
            Property("the method can read the feedback", _choice_reads_the_format),
            Property("winners better than the model are not pushed down", _choice_lifts_good_winners),
            Property("what is worse than the model is not imitated", _choice_never_imitates_bad_winners),
            Property("two wrong answers still have a difference", _choice_uses_the_difference),
        ],
    ),
}


# --- the arrows ---------------------------------------------------------------------------------------------


def arrows_widget(
    draw: Callable[[str, str, str], str],
    regimes: Sequence[str],
    methods: Mapping[str, str],
    settings: Sequence[str],
) -> WhatIf:
    """Every method's arrow over the seeds, one of them in bold.

    Args:
        draw: regime, method and setting -> safe HTML.
        regimes: the names of the regimes.
        methods: by method, the name to show.
        settings: the names of the settings.
    """
    controls = {
        "regime": ipywidgets.Dropdown(options=list(regimes)),
        "method": ipywidgets.Dropdown(options=[(name, method) for method, name in methods.items()]),
        "setting": ipywidgets.Dropdown(options=list(settings)),
    }
    return WhatIf(
        controls,
        lambda regime, method, setting: draw(regime, method, setting),
        "Where did each method take winners and losers?",
    )


WIDGETS = {"arrows": arrows_widget}


# --- quiz ---------------------------------------------------------------------------------------------------

QUIZZES: dict[str, list[QuizQuestion]] = {
    "recap": [
        QuizQuestion(
            "During training rewards/margins rises steadily, and the winners' log-probability (logps/chosen) falls. What do you know?",
            [
                "the margin's gradient has the wrong sign",
                "both sides sink, the loser faster",
                "the model has become better at choosing",
            ],
            1,
            "A margin is a difference. Whether sinking winners are a harm depends on whether they were good: look at them.",
        ),
        QuizQuestion(
            "Your pairs come from a weaker model; nearly all winners are worse than what your model writes. What is out of the question?",
            ["SFT on the winners", "DPO with a moderate learning rate", "APO-down with a high β"],
            0,
            "Imitation makes the model as bad as what it imitates. The other two learn from the difference and let the winners sink.",
        ),
        QuizQuestion(
            "A teacher who is always right, and always begins “There is …”, writes your winners. What will the model learn?",
            [
                "only to be right, since the losers cancel the style",
                "only the style, since it is in every winner",
                "to be right, and to begin with “There is …”",
            ],
            2,
            "The loss cannot know which difference between winner and loser was meant. A minimal revision has no other.",
        ),
        QuizQuestion(
            "A colleague compares two losses at one shared learning rate and β. What should be added?",
            [
                "each loss at its own best of equally many settings, chosen on other data",
                "each loss at the setting from its paper",
                "more seeds at the shared setting, until the interval is small",
            ],
            0,
            "One setting may suit one loss. More seeds only make the same unfair comparison more precise, and papers' settings belong to other models.",
        ),
        QuizQuestion(
            "Before the first step DPO's loss is 0.55, not ln 2. What is the likely cause?",
            [
                "β is too small for this model",
                "the winners are easier than the losers",
                "the reference is not the model that training starts from",
            ],
            2,
            "With the same model on both sides every log-ratio is 0, whatever β and the pairs are, and the loss is ln 2.",
        ),
    ]
}
