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


def _grid(slider):
    count = round((slider.max - slider.min) / slider.step)
    return [slider.min + slider.step * i for i in range(count + 1)]


def test_right_on_the_whole_counts_pigs_and_the_rest():
    # Pigs: 0.1 · 0.2 + 0.9 · 0.2 = 0.2 right; 0.25 · 0.2 + 0.75 · 0.8 = 0.65.
    assert e06.right_on_the_whole(0.1, 0.2, 0.8, 0.25, 0.8) == pytest.approx(0.65)


def test_the_sliders_reach_what_the_lesson_asks_for_and_do_not_start_there():
    """Right nine times in ten on the whole, and the pigs go down: possible on the grid of the sliders."""
    widget = e06.verdicts_widget()
    controls = widget.controls

    def found(start, hits, alarms, pigs, rest):
        shares = e06.over_rounds(start, hits, alarms)
        whole = e06.right_on_the_whole(start, hits, alarms, pigs, rest)
        return whole >= 0.9 and shares[-1] < shares[0] - 0.05

    solutions = [
        (hits, alarms, pigs, rest)
        for hits in _grid(controls["hits"])
        for alarms in _grid(controls["alarms"])
        for pigs in _grid(controls["pigs"])
        for rest in _grid(controls["rest"])
        if found(0.1, hits, alarms, pigs, rest)
    ]
    assert solutions
    assert not found(**widget.values)
    for name, value in zip(("hits", "alarms", "pigs", "rest"), (0.2, 0.8, 0.1, 1.0), strict=True):
        controls[name].value = value
    assert found(**widget.values)
    assert "right in 92% of all cases" in widget.html


def test_every_slider_redraws_without_an_error():
    widget = e06.verdicts_widget()
    seen = {widget.html}
    for name, value in [
        ("start", 0.5),
        ("hits", 0.0),
        ("alarms", 0.0),
        ("hits", 1.0),
        ("pigs", 0.5),
        ("rest", 1.0),
    ]:
        widget.controls[name].value = value
        assert widget.error is None
        assert widget.html not in seen
        seen.add(widget.html)
    assert "endless" in widget.html
