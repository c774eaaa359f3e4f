"""Lesson 03: what its exercises must fulfill, its quiz, and the two-caption duel.

The reference solutions are in the lesson's source. Properties compare with numbers worked out by hand or by
another route, never with the reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import ipywidgets
import numpy as np
import torch
from torch import Tensor

from helpers import world
from helpers.lesson import page, plots
from helpers.lesson.checks import Check, Property, call
from helpers.lesson.quiz import QuizQuestion
from helpers.lesson.widgets import WhatIf
from helpers.world import Scene

Function = Callable[..., object]


# --- exercise 1: fuse ---------------------------------------------------------------------------------------

_TEXT, _PICTURES = np.array([1.0, 3.0, 5.0, 3.0]), np.array([0.2, 0.2, 0.4, 0.4])
_TEXT_Z = np.array([-math.sqrt(2), 0.0, math.sqrt(2), 0.0])  # mean 3, variance (4 + 0 + 4 + 0) / 4 = 2
_PICTURES_Z = np.array([-1.0, -1.0, 1.0, 1.0])  # mean 0.3, deviation 0.1


def _fuse_parents(function: Function) -> None:
    call(function, text=_TEXT, pictures=_PICTURES, weight=0.0).close(_TEXT_Z)
    call(function, text=_TEXT, pictures=_PICTURES, weight=1.0).close(_PICTURES_Z)


def _fuse_half(function: Function) -> None:
    call(function, text=_TEXT, pictures=_PICTURES, weight=0.5).close((_TEXT_Z + _PICTURES_Z) / 2)


def _fuse_weight(function: Function) -> None:
    expected = 0.75 * _TEXT_Z + 0.25 * _PICTURES_Z
    call(function, text=_TEXT, pictures=_PICTURES, weight=0.25).close(expected)


def _fuse_scale(function: Function) -> None:
    # Neither the scale nor the zero of a list of similarities matters.
    expected = (_TEXT_Z + _PICTURES_Z) / 2
    call(function, text=100 * _TEXT + 7, pictures=_PICTURES / 50 - 3, weight=0.5).close(expected)


# --- exercise 2: info_nce -----------------------------------------------------------------------------------


def _different(count: int) -> Tensor:
    return torch.eye(count, dtype=torch.bool)


def _nce_uniform(function: Function) -> None:
    call(function, similarities=torch.zeros(5, 5), same=_different(5)).close(math.log(5))


def _nce_by_hand(function: Function) -> None:
    # exp of the table is [[3, 1], [2, 1]]: the true pairs get 3/4 and 1/3 in rows, 3/5 and 1/2 in columns.
    similarities = torch.tensor([[math.log(3.0), 0.0], [math.log(2.0), 0.0]])
    rows = -math.log(3 / 4) - math.log(1 / 3)
    columns = -math.log(3 / 5) - math.log(1 / 2)
    call(function, similarities=similarities, same=_different(2)).close((rows + columns) / 4)


def _nce_both_ways(function: Function) -> None:
    table = torch.randn(6, 6, generator=torch.Generator().manual_seed(4))
    one = call(function, similarities=table, same=_different(6))
    other = call(function, similarities=table.T.contiguous(), same=_different(6))
    one.should(
        "not change when pictures and captions trade places",
        abs(float(one.value) - float(other.value)) < 1e-4,
    )


def _nce_masked(function: Function) -> None:
    # Captions 0 and 1 are the same. Picture 0 competes only with caption 2: two zeros, so ln 2; caption 2
    # competes with all three.
    same = torch.eye(3, dtype=torch.bool)
    same[0, 1] = same[1, 0] = True
    expected = (2 * math.log(2) + math.log(3)) / 3
    call(function, similarities=torch.zeros(3, 3), same=same).close(expected)


def _nce_keeps_the_diagonal(function: Function) -> None:
    # All captions are the same: nothing is left to compete with, and nothing to learn.
    same = torch.ones(4, 4, dtype=torch.bool)
    call(function, similarities=torch.arange(16.0).reshape(4, 4), same=same).close(0.0)


# --- exercise 3: duel_accuracy ------------------------------------------------------------------------------


def _duel_clear(function: Function) -> None:
    true = torch.tensor([0.9, 0.2, 0.6, 0.7])
    call(function, true=true, false=torch.tensor([0.1, 0.3, 0.5, 0.1])).close(0.75)


def _duel_ties(function: Function) -> None:
    same = torch.tensor([0.3, -0.2, 0.9])
    call(function, true=same, false=same.clone()).close(0.5)


def _duel_mixed(function: Function) -> None:
    true = torch.tensor([0.5, 0.5, 0.5, 0.5])
    call(function, true=true, false=torch.tensor([0.5, 0.4, 0.6, 0.6])).close(0.375)


def _duel_swapped(function: Function) -> None:
    true, false = torch.tensor([0.1, 0.5, 0.4]), torch.tensor([0.1, 0.2, 0.3])
    forth = call(function, true=true, false=false)
    back = call(function, true=false, false=true)
    total = float(forth.value) + float(back.value)
    forth.should("add up to 1 with the result for true and false exchanged", abs(total - 1) < 1e-5)


CHECKS: dict[str, Check] = {
    "fuse": Check(
        "fuse",
        [
            Property(
                "weight 0 is the z-scored text alone, weight 1 the z-scored pictures alone", _fuse_parents
            ),
            Property("weight ½ worked out by hand", _fuse_half),
            Property("weight ¼ worked out by hand", _fuse_weight),
            Property("the scales of the two lists do not matter", _fuse_scale),
        ],
    ),
    "info_nce": Check(
        "info_nce",
        [
            Property("with all similarities equal the loss is that of a blind guess", _nce_uniform),
            Property("two pictures and two captions worked out by hand", _nce_by_hand),
            Property("pictures and captions are treated alike", _nce_both_ways),
            Property("a false negative does not compete", _nce_masked),
            Property("the true pair always competes", _nce_keeps_the_diagonal),
        ],
    ),
    "duel_accuracy": Check(
        "duel_accuracy",
        [
            Property("four clear duels", _duel_clear),
            Property("who ties every duel gets one half", _duel_ties),
            Property("wins, losses and a tie together", _duel_mixed),
            Property("exchanging true and false exchanges wins and losses", _duel_swapped),
        ],
    ),
}


# --- the two-caption duel -----------------------------------------------------------------------------------

Score = Callable[[Scene, list[str]], list[float]]
OWN = "my own words"
LONGEST = 9  # words: what the lesson's readers take


def twins_of(scene: Scene) -> dict[str, str]:
    """The captions on offer for a scene of two animals, by what has been done to them."""
    first, second = (scene.color, scene.kind), (scene.other.color, scene.other.kind)

    def say(one: tuple[str, str], other: tuple[str, str]) -> str:
        return f"{_phrase(one)} {scene.relation} {_phrase(other)}"

    return {
        "the truth": say(first, second),
        "animals swapped": say(second, first),
        "colors swapped": say((second[0], first[1]), (first[0], second[1])),
        "a lion in place of the first": say((first[0], "lion" if first[1] != "lion" else "cat"), second),
    }


def _phrase(animal: tuple[str, str]) -> str:
    color, kind = animal
    return f"{'an' if color[0] in 'aeiou' else 'a'} {color} {kind}"


def complaint(caption: str, words: Sequence[str]) -> str:
    """One sentence on why a caption cannot be read, or an empty string."""
    said = caption.lower().split()
    unknown = [word for word in dict.fromkeys(said) if word not in words]
    if unknown:
        return f"No caption of the training mentions {', '.join(unknown)}. These words are known: {', '.join(words)}."
    if not said:
        return "Write a caption into the field for your own words."
    return f"That is longer than {LONGEST} words." if len(said) > LONGEST else ""


def _duel_html(
    scenes: Sequence[Scene],
    score_by: Mapping[str, Score],
    words: Sequence[str],
    picture: int,
    first: str,
    second: str,
    own: str,
) -> str:
    scene = scenes[picture]
    offered = {**twins_of(scene), OWN: " ".join(own.lower().split())}
    captions = [offered[first], offered[second]]
    image = plots.picture_html(
        world.draw(scene, 32), f"A picture of this: {twins_of(scene)['the truth']}, {scene.place}."
    )
    for caption in captions:
        if problem := complaint(caption, words):
            return image + page.card_html("note", "This caption cannot be read.", page.escape(problem))
    rows = []
    for name, score in score_by.items():
        one, other = score(scene, captions)
        choice = "neither: a tie" if one == other else f"“{captions[0] if one > other else captions[1]}”"
        rows.append([name, one, other, choice])
    columns = ["reader", f"“{captions[0]}”", f"“{captions[1]}”", "prefers"]
    return image + plots.table_html(rows, columns, "Cosine of the picture with each caption")


def duel_widget(
    scenes: Sequence[Scene], score_by: Mapping[str, Score], words: Sequence[str], own: str = "a red cat"
) -> WhatIf:
    """Two captions for one picture, and which of them each encoder prefers.

    Args:
        scenes: scenes of two animals.
        score_by: by encoder, a function from a scene and captions to their cosines with its picture.
        words: the words that a caption may have.
        own: the first state of the learner's own caption.
    """
    choices = [*twins_of(scenes[0]), OWN]
    controls = {
        "picture": ipywidgets.Dropdown(
            options=[(str(number + 1), number) for number in range(len(scenes))], value=0
        ),
        "first": ipywidgets.Dropdown(options=choices, value=choices[0], description="first caption"),
        "second": ipywidgets.Dropdown(options=choices, value=choices[1], description="second caption"),
        "own": ipywidgets.Text(value=own, description=OWN, continuous_update=False),
    }
    return WhatIf(
        controls,
        lambda picture, first, second, own: _duel_html(scenes, score_by, words, picture, first, second, own),
        "Which of two captions does each encoder prefer?",
    )


WIDGETS = {"duel": duel_widget}


# --- quiz ---------------------------------------------------------------------------------------------------

QUIZZES: dict[str, list[QuizQuestion]] = {
    "recap": [
        QuizQuestion(
            "A colleague shows that text + pictures beat text on a list of color questions. What is missing?",
            [
                "text with noise in the place of the pictures",
                "pictures alone, and other kinds of questions",
                "a longer list of questions about colors",
            ],
            1,
            "On questions about looks pictures alone may be better still, and on others fusing costs. Show the curve.",
        ),
        QuizQuestion(
            "Why is text + shuffled pictures a better control than text + noise?",
            [
                "only the match between word and picture is lost",
                "noise would change what the text says as well",
                "shuffling makes the pictures' vectors shorter",
            ],
            0,
            "If the shuffled pictures helped as much, the gain would not come from what the pictures show of the kind.",
        ),
        QuizQuestion(
            "A bag-of-words encoder scores 1.00 on “who is left of whom”. What do you check first?",
            [
                "whether the test set is too small",
                "whether it was trained longer",
                "how the test counts ties",
            ],
            2,
            "It gives both captions the same number. `>=` turns every tie into a win.",
        ),
        QuizQuestion(
            "With equal steps, training on matching alone teaches order less well than with false twins. Why?",
            [
                "most captions of a batch differ in their words",
                "a batch of 128 is too small for a GRU to read order",
                "a cosine cannot express which word came first",
            ],
            0,
            "So order is hardly needed to match them. The same network learns it when a false twin makes the mistake expensive.",
        ),
        QuizQuestion(
            "Two pictures of one batch have the caption “a red cat”. What does InfoNCE do without the mask?",
            [
                "it counts the pair twice",
                "it pushes each picture away from a caption that is true of it",
                "nothing: equal captions have equal vectors",
            ],
            1,
            "Both captions stand in both rows; the one off the diagonal is treated as wrong.",
        ),
    ],
}
