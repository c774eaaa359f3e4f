"""The threshold of near duplicates in lesson 04."""

from __future__ import annotations

import re

import pytest

from helpers.exercises import e04_making_data as e04

CAPTIONS = [
    "A small red cat sits in the meadow.",
    "In the snow, a big blue dog sleeps.",
    "There is a pink pig jumping at night.",
    "We see a green frog walking left on the sand.",
]
COPIES = [CAPTIONS[0].replace("small", "big"), CAPTIONS[1].replace("big", "small")]


def counts(html: str) -> tuple[int, int]:
    """Taken out by mistake, and near copies caught, as the sentence says."""
    found = re.search(r"by mistake: (\d+) of 4 .* caught: (\d+) of 2", html)
    assert found
    return int(found[1]), int(found[2])


def test_the_highest_similarity_by_hand() -> None:
    texts = ["a b c", "a b d", "x y z"]
    assert e04.highest(texts, None, run=1) == pytest.approx([0.5, 0.5, 0.0])
    assert e04.highest(texts, None, run=2) == pytest.approx([1 / 3, 1 / 3, 0.0])
    assert e04.highest(["a b c"], texts, run=1) == pytest.approx([1.0])


def test_the_first_state_has_a_figure_and_a_sentence() -> None:
    widget = e04.near_widget(CAPTIONS, COPIES)
    assert widget.html.count("<img") == 1
    assert "Two histograms of similarities and a threshold at 0.7" in widget.html
    assert counts(widget.html)[0] == 0


def test_a_lower_threshold_catches_more_copies() -> None:
    widget = e04.near_widget(CAPTIONS, COPIES)
    caught = []
    for threshold in (1.0, 0.7, 0.5):
        widget.controls["threshold"].value = threshold
        assert widget.error is None
        caught.append(counts(widget.html)[1])
    assert caught == sorted(caught)
    assert caught[-1] == 2


def test_whole_prompts_look_alike() -> None:
    widget = e04.near_widget(CAPTIONS, COPIES)
    before = counts(widget.html)[0]
    widget.controls["what"].value = "the whole prompt"
    assert widget.error is None
    assert counts(widget.html)[0] > before


def test_every_choice_can_be_drawn_and_texts_are_not_shown() -> None:
    widget = e04.near_widget(["<b>one two three</b>", "four five six"], ["<b>one two four</b>"])
    for run in (1, 2, 3):
        widget.controls["run"].value = run
        assert widget.error is None
    assert "<b>" not in widget.html
