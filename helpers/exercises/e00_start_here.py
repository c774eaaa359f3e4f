"""Lesson 00: what its exercises must fulfill, its quiz, and the tour of the world."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import ipywidgets

from helpers import world
from helpers.lesson import page, plots
from helpers.lesson.checks import Check, Property, call
from helpers.lesson.quiz import QuizQuestion
from helpers.lesson.widgets import WhatIf
from helpers.world import Scene

Function = Callable[..., object]
ATTRIBUTES = ("kind", "color", "size", "place", "verb")


# --- exercise 1: caption_for --------------------------------------------------------------------------------

# Every word of the world occurs in one of these scenes. They differ in words only, to keep messages short.
_SCENES = [replace(scene, seed=0) for scene in world.sample(60, seed=12)]


def _each_scene(function: Function, should: str, holds: Callable[[str, Scene], bool]) -> None:
    for scene in _SCENES:
        answer = call(function, scene=scene)
        answer.should("be text (a str)", isinstance(answer.value, str))
        answer.should(should, holds(answer.value, scene))


def _is_sentence(function: Function) -> None:
    for scene in _SCENES:
        answer = call(function, scene=scene)
        answer.should("be text (a str)", isinstance(answer.value, str))
        unknown = sorted(set(re.findall(r"\w+", answer.value.lower())) - set(world.vocabulary()))
        answer.should(f"use the world's words only (it does not know {', '.join(unknown)})", not unknown)
        answer.should(
            "be built as the world's sentences are (it knows the words, but not in this order; see WHERE)",
            world.verify(answer.value, scene).grammatical,
        )


def _is_true(function: Function) -> None:
    _each_scene(function, "be true of the scene", lambda text, s: world.verify(text, s).true)


def _is_complete(function: Function) -> None:
    _each_scene(
        function, "mention size, color, kind, verb and place", lambda text, s: world.verify(text, s).complete
    )


# --- exercise 2: direction ----------------------------------------------------------------------------------


def _named(function: Function, earlier: float, later: float, expected: str) -> None:
    answer = call(function, earlier=earlier, later=later)
    answer.should('be "walks left" or "walks right"', answer.value in ("walks left", "walks right"))
    answer.should("be the way from the earlier position to the later one", answer.value == expected)


def _goes_right(function: Function) -> None:
    _named(function, 0.2, 0.7, "walks right")


def _goes_left(function: Function) -> None:
    _named(function, 0.9, 0.4, "walks left")


def _middle_is_not_special(function: Function) -> None:
    for low, high in ((0.6, 0.8), (0.1, 0.3)):
        _named(function, low, high, "walks right")
        _named(function, high, low, "walks left")


CHECKS: dict[str, Check] = {
    "caption_for": Check(
        "caption_for",
        [
            Property("for 60 scenes it writes a sentence that the world understands", _is_sentence),
            Property("every sentence is true", _is_true),
            Property("no sentence leaves anything out", _is_complete),
        ],
    ),
    "direction": Check(
        "direction",
        [
            Property("what moves from 0.2 to 0.7 walks right", _goes_right),
            Property("what moves from 0.9 to 0.4 walks left", _goes_left),
            Property("only the two positions count, wherever they are", _middle_is_not_special),
        ],
    ),
}


# --- the tour of the world ----------------------------------------------------------------------------------


def tour_html(kind: str, color: str, size: str, place: str, verb: str, sentence: str) -> str:
    """A scene's picture, film and caption, and the world's verdict on a sentence."""
    scene = Scene(kind, color, size, place, verb, seed=1)
    caption = world.describe(scene)
    picture = plots.picture_html(world.draw(scene, 160), alt=f"A picture: {caption}", scale=1)
    film = plots.film_player_html(world.film(scene, frames=12, px=160), alt=f"A film: {caption}", scale=1)
    return (
        f'<div style="display:flex;gap:12px;flex-wrap:wrap">{picture}{film}</div>'
        f"<p>The world's own caption: <em>{page.escape(caption)}</em></p>{verdict_html(sentence, scene)}"
    )


def verdict_html(sentence: str, scene: Scene) -> str:
    """What the sentence got right about the scene, in words."""
    verdict = world.verify(sentence, scene)
    quoted = page.escape(sentence)
    if not verdict.grammatical:
        return page.card_html("note", "The world does not understand your sentence.", f"<em>{quoted}</em>")
    said = [name for name in ATTRIBUTES if getattr(verdict, name) is not None]
    right = [name for name in said if getattr(verdict, name)]
    parts = [
        f"right about: {', '.join(right) or 'nothing'}",
        f"wrong about: {', '.join(verdict.wrong) or 'nothing'}",
    ]
    parts.append(f"silent about: {', '.join(name for name in ATTRIBUTES if name not in said) or 'nothing'}")
    mark, title = (
        ("passed", "Your sentence is true.") if verdict.true else ("failed", "Your sentence is not true.")
    )
    return page.card_html(mark, title, f"<em>{quoted}</em><br>{page.escape('; '.join(parts))}")


def tour_widget() -> WhatIf:
    """Choose a scene, see it, and write a sentence about it."""
    solo = [verb for verb in world.VERBS if verb != "chases"]
    controls = {
        "kind": ipywidgets.Dropdown(options=world.KINDS, value="cat", description="kind"),
        "color": ipywidgets.Dropdown(options=world.COLORS, value="orange", description="color"),
        "size": ipywidgets.Dropdown(options=world.SIZES, value="big", description="size"),
        "place": ipywidgets.Dropdown(options=world.PLACES, value="meadow", description="place"),
        "verb": ipywidgets.Dropdown(options=solo, value="walks right", description="verb"),
        "sentence": ipywidgets.Text(
            value="A big orange cat walks left.",
            description="your sentence",
            continuous_update=False,
            layout={"width": "520px", "max_width": "100%"},
        ),
    }
    return WhatIf(
        controls, tour_html, "A tour of the world: change a word, then write a sentence about what you see."
    )


WIDGETS = {"tour": tour_widget}


# --- quiz ---------------------------------------------------------------------------------------------------

QUIZZES: dict[str, list[QuizQuestion]] = {
    "recap": [
        QuizQuestion(
            "Why can the course measure how often a model makes things up?",
            [
                "because a person reads all captions",
                "because the world knows the truth about every scene",
                "because the model reports its own errors",
            ],
            1,
            "Every sentence is judged exactly against the scene that the picture or film was drawn from.",
        ),
        QuizQuestion(
            "One random frame named the direction in about half of the films. What was this arm for?",
            [
                "it shows how much luck there is between seeds",
                "it could have sunk the claim, by doing as well as two frames",
                "it checks that the films were drawn without errors",
            ],
            1,
            "A control is the arm that could sink the claim.",
        ),
        QuizQuestion(
            "Always looking at the first frame named nearly every direction. Why?",
            [
                "one picture shows motion after all, if one looks closely enough",
                "where a walker starts gives away where it will go",
                "six seeds were too few to see that it is at chance",
            ],
            1,
            "The test leaked: it measured the starting place and called it direction.",
        ),
        QuizQuestion(
            "A claim says “above 0.9”, and its interval is [0.88, 0.95]. The verdict?",
            ["holds: the mean is above 0.9", "fails: part of the interval is below", "inconclusive"],
            2,
            "The interval is neither wholly inside the region nor wholly outside.",
        ),
        QuizQuestion(
            "Where do the numbers come from that a cell did not run just now?",
            [
                "from the talk's own slides and papers",
                "from evidence/, and the cell says so",
                "from the last run on this computer",
            ],
            1,
            "The course keeps every seed's value with a hash of the code that gave it; a stale file fails the tests.",
        ),
    ],
}
