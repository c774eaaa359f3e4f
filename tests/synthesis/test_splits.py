"""Splits: families stay together, every part gets its share, and nothing is lost."""

from __future__ import annotations

import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.settings import CourseError
from helpers.synthesis.splits import split


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.integers(0, 3))
def test_no_family_is_in_two_parts_and_no_row_is_lost(parents, seed):
    data = Dataset.from_dict({"parent": parents, "row": list(range(len(parents)))})
    if len(set(parents)) < 3:
        with pytest.raises(CourseError, match="values of parent for 3 parts"):
            split(data, "parent", seed)
        return
    made = split(data, "parent", seed)
    assert list(made) == ["train", "validation", "test"]
    assert sorted(row for part in made.values() for row in part["row"]) == list(range(len(parents)))
    families = [set(part["parent"]) for part in made.values()]
    assert all(families)
    assert sum(map(len, families)) == len(set(parents))
    assert all(part["row"][:] == sorted(part["row"]) for part in made.values())


def test_parts_get_about_their_shares_of_the_rows():
    data = Dataset.from_dict({"parent": [f"p{number % 200}" for number in range(2000)]})
    made = split(data, "parent", 0, {"train": 70, "test": 30})
    assert {name: len(part) for name, part in made.items()} == {"train": 1400, "test": 600}


def test_the_seed_decides_and_nothing_else():
    data = Dataset.from_dict({"parent": [f"p{number % 20}" for number in range(100)]})
    sets = [frozenset(split(data, "parent", seed)["test"]["parent"]) for seed in (0, 0, 1, 2)]
    assert sets[0] == sets[1]
    assert len(set(sets)) > 1


@pytest.mark.parametrize(
    ("columns", "shares", "message"),
    [
        ({"text": ["a", "b"]}, {"train": 1}, "no column parent"),
        ({"parent": ["a", None]}, {"train": 1, "test": 1}, "Row 2 has no text or number as parent"),
        ({"parent": [1.0, float("nan")]}, {"train": 1, "test": 1}, "Row 2 has no text or number"),
        ({"parent": [["a"], ["b"]]}, {"train": 1, "test": 1}, "Row 1 has no text or number"),
        ({"parent": ["a", "b"]}, {"train": 1, "test": 0}, "share above 0"),
        ({"parent": ["a", "b"]}, {}, "share above 0"),
        ({"parent": []}, {"train": 1}, "0 values of parent for 1 parts"),
    ],
)
def test_what_cannot_be_split_is_one_sentence(columns, shares, message):
    with pytest.raises(CourseError, match=message):
        split(Dataset.from_dict(columns), "parent", 0, shares)
