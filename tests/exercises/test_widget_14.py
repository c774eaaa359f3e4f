"""The widgets of lesson 14: the win rate at a margin in length, and blind thumbs."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import world
from helpers.data import thumbs
from helpers.exercises import e14_your_own_model as e14

# new right, new words, old right, old words
PAIRS = [(1, 10, 0, 10), (0, 12, 0, 10), (0, 10, 0, 12), (1, 20, 1, 8), (0, 9, 1, 9), (1, 7, 1, 7)]


def test_the_verdict_asks_only_what_is_right() -> None:
    wins, longer = e14.outcomes(PAIRS, e14.VERDICT)
    assert wins.tolist() == [1, 0.5, 0.5, 0.5, 0, 0.5]
    assert longer.tolist() == [0, 2, -2, 12, 0, 0]


def test_the_wordy_judge_takes_the_longer_of_two_equally_right_ones() -> None:
    wins, _ = e14.outcomes(PAIRS, e14.WORDY)
    assert wins.tolist() == [1, 1, 0, 1, 0, 0.5]


def test_the_widget_counts_pairs_within_the_margin() -> None:
    widget = e14.margin_widget({"new against old": PAIRS, "the other way": [p[2:] + p[:2] for p in PAIRS]})
    assert "6 of 6 pairs" in widget.html
    widget.controls["margin"].value = 2
    assert (
        "5 of 6 pairs differ by at most 2 words. Win rate among them: 0.50; among all: 0.58." in widget.html
    )
    widget.controls["compared"].value = "the other way"
    assert "among all: 0.42" in widget.html
    widget.controls["judge"].value = e14.VERDICT
    assert "among all: 0.50" in widget.html
    widget.controls["margin"].value = 0
    assert widget.error is None
    assert "alt=" in widget.html


def test_no_pair_within_the_margin_is_said() -> None:
    widget = e14.margin_widget({"one": [(1, 20, 1, 8)]})
    widget.controls["margin"].value = 3
    assert widget.error is None
    assert "0 of 1 pairs differ by at most 3 words. Win rate among them: none" in widget.html


def test_equal_length_agrees_with_a_line_through_all_pairs() -> None:
    wins, longer = e14.outcomes(PAIRS, e14.WORDY)
    assert np.polyfit(longer, wins, 1)[1] == pytest.approx(0.5, abs=0.1)


def test_blind_thumbs_go_to_the_file_of_the_lesson(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    scene = world.sample(1, 1)[0]
    widget = e14.blind_widget([(scene, world.captions(scene)[0]), (scene, world.captions(scene)[1])])
    widget.up.click()
    widget.down.click()
    assert [thumb.label for thumb in thumbs.load(thumbs.thumbs_path("14")).thumbs] == [True, False]
