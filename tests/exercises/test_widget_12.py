"""The gaps in films of lesson 12, and what its checks accept."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import world
from helpers.exercises import e12_learning_by_watching as e12
from helpers.lesson.checks import run_check
from helpers.world import Scene

SCENES = [
    Scene("cat", "orange", "big", "meadow", "walks left", seed=4),
    Scene("sheep", "white", "big", "night", "sits", seed=9),
]
FILMS = {world.describe(scene): world.film(scene) for scene in SCENES}


def knows_all(film: np.ndarray, gone: list[int]) -> np.ndarray:
    return np.eye(len(gone)) * 0.9 + 0.1 / len(gone)


def turns_around(film: np.ndarray, gone: list[int]) -> np.ndarray:
    return knows_all(film, gone)[::-1]


def test_the_first_state_shows_the_gaps_and_what_was_put_into_them():
    widget = e12.gaps_widget(FILMS, knows_all)
    assert widget.html.count("<img") == 2
    assert "4 of 4 gaps" in widget.html
    assert "hidden frames, in gray: 2, 4, 5 and 7" in widget.html


def test_a_wrong_order_is_counted():
    widget = e12.gaps_widget(FILMS, turns_around)
    assert "0 of 4 gaps" in widget.html
    widget.controls["hidden"].value = "all but the first"
    assert "1 of 7 gaps" in widget.html  # the one in the middle stays where it is


@pytest.mark.parametrize("hidden", e12.HIDDEN)
@pytest.mark.parametrize("played", e12.PLAYED)
def test_every_state_can_be_drawn_from_the_film_as_it_is_played(hidden, played):
    asked = []

    def fill(film, gone):
        asked.append((film, gone))
        return knows_all(film, gone)

    widget = e12.gaps_widget(FILMS, fill)
    widget.controls["film"].value = list(FILMS)[1]
    widget.controls["hidden"].value = hidden
    widget.controls["played"].value = played
    assert widget.error is None
    film, gone = asked[-1]
    assert np.array_equal(film, FILMS[list(FILMS)[1]][e12.PLAYED[played]])
    assert gone == e12.HIDDEN[hidden]


def test_orders_are_orders_and_gaps_leave_something_to_see():
    for order in e12.PLAYED.values():
        assert sorted(order) == list(range(8))
    for gone in e12.HIDDEN.values():
        assert 2 <= len(gone) < 8
        assert gone == sorted(set(gone))


def test_what_is_said_about_a_film_is_escaped_and_errors_are_shown():
    def broken(film, gone):
        raise ValueError("no network")

    widget = e12.gaps_widget({"<b>": next(iter(FILMS.values()))}, knows_all)
    assert "<b>" not in widget.html
    widget = e12.gaps_widget(
        FILMS, lambda film, gone: knows_all(film, gone) if len(gone) == 4 else broken(film, gone)
    )
    widget.controls["hidden"].value = "only 4 and 5"
    assert widget.error is not None
    assert "could not be drawn" in widget.html


# --- right answers that look different ----------------------------------------------------------------------


def test_motion_may_be_in_any_type_with_a_sign():
    for kind in (np.int16, np.int32, np.float32):
        outcome = run_check(
            e12.CHECKS["motion"],
            lambda clips, kind=kind: clips[:, :-1].astype(kind) - clips[:, -1:].astype(kind),
        )
        assert outcome.status == "passed", (kind, outcome)


def test_mirror_may_use_flip_and_read_the_words():
    sides = {"left": "right", "right": "left"}

    def flipped(clips, verbs):
        words = [verb.split() for verb in verbs]
        return [np.flip(clips, axis=3).copy(), [" ".join(sides.get(w, w) for w in verb) for verb in words]]

    assert run_check(e12.CHECKS["mirror"], flipped).status == "passed"
