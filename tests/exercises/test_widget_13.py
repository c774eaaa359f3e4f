"""The widgets of lesson 13: thumbs by watching, and the next word."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import world
from helpers.data import thumbs
from helpers.exercises import e13_cat_videos as e13

SCENES = world.sample(2, 5, preset="capstone")
FILMS = {world.describe(scene): world.film(scene, 8, 48) for scene in SCENES}
KINDS = list(world.PRESETS["capstone"].kinds)


def made():
    rng = np.random.default_rng(0)
    scores = {
        model: {source: rng.normal(size=(2, len(KINDS))) for source in ("its own", "another film's")}
        for model in ("before", "after")
    }
    scores["after"]["its own"][1] = np.eye(len(KINDS))[3] * 20
    return e13.next_word_widget(FILMS, scores, KINDS)


def test_a_temperature_sharpens_or_levels_and_keeps_the_order() -> None:
    scores = np.array([0.0, 1.0, 2.0])
    plain, cool, hot = (e13.at_temperature(scores, t) for t in (1.0, 0.1, 100.0))
    assert plain == pytest.approx(np.exp(scores) / np.exp(scores).sum())
    assert cool[2] > 0.999
    assert hot == pytest.approx([1 / 3] * 3, abs=0.01)


def test_every_choice_can_be_drawn_and_changes_the_picture() -> None:
    widget = made()
    for name in ("film", "model", "tokens"):
        before = widget.html
        widget.controls[name].value = widget.controls[name].options[1]
        assert widget.error is None
        assert widget.html != before
    widget.controls["temperature"].value = 0.1
    assert widget.error is None


def test_film_and_model_pick_the_scores() -> None:
    widget = made()
    widget.controls["film"].value = list(FILMS)[1]
    widget.controls["model"].value = "after"
    assert f"The likeliest is {KINDS[3]}: 1.00" in widget.html


def test_the_shown_kind_is_marked() -> None:
    widget = made()
    assert "<img" in widget.html
    assert next(iter(FILMS)) in widget.html


def test_thumbs_are_asked_about_films_without_saying_what_they_show(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    widget = e13.thumbs_widget([(scene, world.describe(SCENES[0])) for scene in SCENES])
    assert "The model was given this film." in widget._area.value
    assert "was told" not in widget._area.value
    assert "was told" not in widget.fallback_html()
    widget.up.click()
    widget.down.click()
    kept = thumbs.load(thumbs.thumbs_path("13")).thumbs
    assert [thumb.label for thumb in kept] == [True, False]
    assert kept[0].prompt == world.record(SCENES[0])
