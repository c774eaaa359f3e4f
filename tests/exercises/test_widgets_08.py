"""The widgets of lesson 08: twenty thumbs, and how hard thumbs push."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers import world
from helpers.data import thumbs
from helpers.exercises import e08_thumbs_up_thumbs_down as e08
from helpers.models import base


def test_a_thumb_is_the_slope_of_its_loss() -> None:
    ratio = np.linspace(-3, 3, 601)
    beta = 1.5
    up, down = e08.pushes(beta, 40, True, ratio)
    loss = 7 * (1 - 1 / (1 + np.exp(-beta * ratio)))  # of one thumb up; 280 / 40 = 7
    assert up == pytest.approx(-40 * np.gradient(loss, ratio), abs=0.05)
    assert up == pytest.approx(down)


def test_without_weights_the_downs_push_as_many_times_harder_as_there_are() -> None:
    up, down = e08.pushes(2.0, 32, False, np.array([0.0, 1.0]))
    assert down / up == pytest.approx([9.0, 9.0])
    assert up[0] == pytest.approx(32 * 2.0 / 4)


def test_ups_may_be_the_frequent_side() -> None:
    up, down = e08.pushes(2.0, 288, True, np.array([0.0]))
    assert up == pytest.approx(down)
    assert up[0] == pytest.approx(288 * 2.0 / 4)


def test_a_push_fades_where_the_sentence_says() -> None:
    up, _ = e08.pushes(1.0, 160, False, np.array([0.0, math.log((1 + 0.9**0.5) / (1 - 0.9**0.5))]))
    assert up[1] / up[0] == pytest.approx(0.1)


def test_every_control_of_the_pushes_redraws() -> None:
    widget = e08.pushes_widget()
    assert "the downs push 9 times as hard" in widget.html
    for name, value in [("ups", 312), ("ups", 8), ("beta", 0.25), ("weights", "by the counts")]:
        before = widget.html
        widget.controls[name].value = value
        assert widget.error is None
        assert widget.html != before
    assert "the downs push as hard as the ups" in widget.html
    assert "alt=" in widget.html


def test_twenty_thumbs_go_to_the_learners_file_of_the_lesson(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    scenes = world.sample(3, 1)
    widget = e08.thumbs_widget([(scene, world.captions(scene)[0]) for scene in scenes])
    widget.up.click()
    widget.down.click()
    kept = thumbs.load(thumbs.thumbs_path("08")).thumbs
    assert [thumb.label for thumb in kept] == [True, False]
    assert {thumb.lesson for thumb in kept} == {"08"}
    assert kept[0].prompt == world.record(scenes[0])


# --- in a class ---------------------------------------------------------------------------------------------


def test_in_a_class_captions_of_ones_own_follow_the_shared_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(e08.secrets, "randbelow", lambda _: 4)  # two random draws may share an answer
    scenes = [scene for scene in world.sample(30, 5) if scene.other is None][:3]
    shared = [(scene, world.captions(scene)[0]) for scene in scenes]
    assert len(e08.thumbs_widget(shared)._items) == 3
    monkeypatch.setenv("COURSE_CLASS", str(tmp_path))
    first, again = (e08.thumbs_widget(shared) for _ in range(2))
    keys = [item.key for item in first._items]
    assert keys == [item.key for item in again._items]  # a cell that runs again asks about the same ones
    assert [item.completion for item in first._items[:3]] == [caption for _, caption in shared]
    assert len(keys) == 3 + e08.OWN
    assert set(keys[3:]).isdisjoint((world.record(s), c) for s, c in e08.own_answers(-1))
    assert sum(item.scene.kind in base.HABITS for item in first._items[3:]) == e08.OWN // 2
    assert all(world.part_of(item.scene) == "train" for item in first._items[3:])


def test_nobody_is_asked_twice_about_one_record():
    twice = 54  # in this seed's draw a scene comes twice among the first
    told = [world.record(scene) for scene, _ in e08.own_answers(twice)]
    assert len(set(told)) == len(told) == e08.OWN
    shared = [scene for scene, _ in e08.own_answers(twice)[:3]]
    others = [world.record(scene) for scene, _ in e08.own_answers(twice, besides=shared)]
    assert len(set(others) - set(told[:3])) == e08.OWN
