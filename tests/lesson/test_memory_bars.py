"""Bars of memory: their lengths, their words, and what they refuse."""

from __future__ import annotations

import pytest

from helpers.lesson.memory_bars import GIGA, PARTS, Bar, in_words, memory_figure
from helpers.models.planner import Memory
from helpers.settings import CourseError

MEMORY = Memory(2 * 10**9, 10**9, 3 * 10**9, 4 * 10**9, 5 * 10**8, 0, "loss")


def test_the_parts_are_those_of_a_prediction_and_add_up():
    assert sum(getattr(MEMORY, part) for part in PARTS) == MEMORY.total
    axes = memory_figure([Bar("one", MEMORY)]).axes[0]
    assert sum(patch.get_width() for patch in axes.patches) == pytest.approx(MEMORY.total / GIGA)
    right = max(patch.get_x() + patch.get_width() for patch in axes.patches)
    assert right == pytest.approx(MEMORY.total / GIGA)


def test_measurement_and_card_are_marked():
    axes = memory_figure([Bar("one", MEMORY, 9e9), Bar("two", MEMORY)], card_gb=8).axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert {"measured", "card", *PARTS} == set(labels)
    marks = {line.get_label(): list(line.get_xdata()) for line in axes.lines}
    assert marks["measured"] == [9.0]
    assert marks["card"] == [8, 8]
    assert axes.get_xlim()[0] == 0


def test_the_words_name_total_and_largest_part():
    words = in_words([Bar("one", MEMORY, 9e9)], card_gb=8)
    assert "one: 10.50 GB predicted, 38% of it activations, 9.00 GB measured" in words
    assert "The card has 8 GB." in words


def test_no_bar_is_a_sentence():
    with pytest.raises(CourseError, match="at least one bar"):
        memory_figure([])
