"""The two-caption duel of lesson 03."""

from __future__ import annotations

import pytest

from helpers import world
from helpers.exercises import e03_pictures_of_cats as e03

SCENES = [scene for scene in world.sample(40, 5, "pairs") if scene.color != scene.other.color][:6]
WORDS = ["a", "an", "of", "left", "right", "above", "below", *world.COLORS, *world.KINDS]


def length(scene, captions):
    return [len(caption) / 100 for caption in captions]


def test_the_first_state_shows_picture_captions_and_every_reader():
    widget = e03.duel_widget(SCENES, {"bag": lambda s, c: [0.5, 0.5], "<b>": length}, WORDS)
    truth = e03.twins_of(SCENES[0])["the truth"]
    assert truth in widget.html
    assert "<img" in widget.html
    assert "neither: a tie" in widget.html
    assert "&lt;b&gt;" in widget.html


def test_every_choice_can_be_drawn():
    widget = e03.duel_widget(SCENES, {"length": length}, WORDS)
    for name in ("picture", "first", "second"):
        for option in widget.controls[name].options:
            widget.controls[name].value = option[1] if isinstance(option, tuple) else option
            assert widget.error is None, (name, option)


@pytest.mark.parametrize("text", ["", "a purple <script> unicorn", "a red cat " * 9, "{own}"])
def test_words_that_no_caption_mentions_are_told_and_escaped(text):
    widget = e03.duel_widget(SCENES, {"length": length}, WORDS)
    widget.controls["first"].value = e03.OWN
    widget.controls["own"].value = text
    assert widget.error is None
    assert "cannot be read" in widget.html
    assert "<script>" not in widget.html


def test_own_words_are_judged():
    widget = e03.duel_widget(SCENES, {"length": length}, WORDS)
    widget.controls["second"].value = e03.OWN
    widget.controls["own"].value = "A  Blue Elephant"
    assert widget.error is None
    assert "a blue elephant" in widget.html


def test_the_offered_captions_but_the_first_are_false():
    for scene in SCENES:
        offered = e03.twins_of(scene)
        assert len(set(offered.values())) == len(offered)
