"""The widget of lesson 11, which picks and reorders the frames of a film."""

from __future__ import annotations

import numpy as np

from helpers import world
from helpers.exercises import e11_video_is_not_pictures as e11

SCENES = world.sample(2, 5)
FILMS = {world.describe(scene): world.film(scene, 8, 32) for scene in SCENES}
FEATURES = {caption: np.arange(16.0).reshape(8, 2) for caption in FILMS}


def picked(rows, place):
    return {f"<b>{rows[place, 0]:g}": 0.75, "nothing": 0.25}


def first(rows, place):
    return {f"starts with {rows[0, 0]:g}": 1.0}


def made():
    return e11.scrub_widget(FILMS, FEATURES, {"which?": picked, "start?": first})


def test_the_first_state_shows_frames_answers_and_escapes_them():
    widget = made()
    assert widget.html.count("<img") == 2
    assert world.describe(SCENES[0]) in widget.html
    assert "&lt;b&gt;0 (0.75)" in widget.html
    assert "starts with 0" in widget.html


def test_order_and_picked_frame_reach_the_probes():
    widget = made()
    widget.controls["order"].value = "backwards"
    widget.controls["frame"].value = 3
    assert widget.error is None
    assert "starts with 14" in widget.html  # the last frame's first number
    assert "&lt;b&gt;10 (0.75)" in widget.html  # third from the end: frame 6
    assert "number 6 of the film" in widget.html


def test_every_choice_can_be_drawn():
    widget = made()
    for name in ("film", "order"):
        for option in widget.controls[name].options:
            widget.controls[name].value = option
            assert widget.error is None, (name, option)


def test_orders_but_the_frozen_one_use_every_frame_once():
    for name, order in e11.ORDERS.items():
        assert len(order) == 8
        if name != "the first frame eight times":
            assert sorted(order) == list(range(8)), name
