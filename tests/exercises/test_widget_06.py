"""The widget of lesson 06: what verdicts do over rounds."""

from __future__ import annotations

import pytest

from helpers.exercises import e06_agents_that_teach_agents as e06


def test_a_round_multiplies_the_odds():
    shares = e06.over_rounds(0.2, 0.6, 0.3, rounds=2)
    odds = [share / (1 - share) for share in shares]
    assert odds == pytest.approx([0.25, 0.5, 1.0])


def test_a_judge_that_cannot_tell_changes_nothing():
    assert e06.over_rounds(0.3, 0.4, 0.4) == pytest.approx([0.3] * 7)


def test_a_judge_with_the_habit_drags_down():
    shares = e06.over_rounds(0.1, 0.2, 0.8)
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.001


def test_judges_that_never_say_yes_and_perfect_ones():
    assert e06.over_rounds(0.1, 0.0, 0.0) == [0.1] * 7
    assert e06.over_rounds(0.1, 1.0, 0.0)[1:] == [1.0] * 6


def test_every_slider_redraws_without_an_error():
    widget = e06.verdicts_widget()
    seen = {widget.html}
    for name, value in [("start", 0.5), ("hits", 0.0), ("alarms", 0.0), ("hits", 1.0)]:
        widget.controls[name].value = value
        assert widget.error is None
        assert widget.html not in seen
        seen.add(widget.html)
    assert "endless" in widget.html
