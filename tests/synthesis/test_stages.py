"""Stages: what stays, what is counted, and the same in a table, in processes and in a stream."""

from __future__ import annotations

import pytest
from datasets import Dataset, DatasetDict

from helpers.settings import CourseError
from helpers.synthesis.duplicates import without_exact, without_near
from helpers.synthesis.stages import funnel, marked, verified, where


def is_even(row):
    return row["n"] % 2 == 0


@pytest.fixture
def numbers():
    return Dataset.from_dict({"n": list(range(10))})


def test_a_funnel_counts_what_each_stage_leaves(numbers):
    stages = {
        "even": lambda data: verified(data, is_even, "parity"),
        "none": lambda data: where(data, lambda row: False),
        "still none": lambda data: where(data, is_even),
    }
    made, counts = funnel(numbers, stages)
    assert len(made) == 0
    assert made.column_names == ["n", "judge"]
    assert counts == [
        {"stage": "even", "rows in": 10, "rows out": 5, "kept": 0.5},
        {"stage": "none", "rows in": 5, "rows out": 0, "kept": 0.0},
        {"stage": "still none", "rows in": 0, "rows out": 0, "kept": None},
    ]
    assert funnel(numbers, {}) == (numbers, [])


def test_a_stage_that_gives_no_table_is_named(numbers):
    with pytest.raises(CourseError, match=r"stage 'verify' must return a .*Dataset, not NoneType"):
        funnel(numbers, {"verify": lambda data: None})


@pytest.mark.parametrize("num_proc", [None, 1, 2])
def test_verified_rows_stay_in_order_with_the_judges_name(numbers, num_proc):
    made = verified(numbers, is_even, "parity", num_proc)
    assert made.to_list() == [{"n": n, "judge": "parity"} for n in range(0, 10, 2)]
    assert len(verified(numbers.select([]), is_even, "parity", num_proc)) == 0


def test_a_stream_gives_the_same_each_time_it_is_read(numbers):
    stream = verified(numbers.to_iterable_dataset(), is_even, "parity")
    assert list(stream) == list(stream) == verified(numbers, is_even, "parity").to_list()
    assert stream.column_names == ["n", "judge"]


def test_several_judges_are_all_named(numbers):
    twice = marked(marked(numbers, "one"), "two")
    assert set(twice["judge"]) == {"one + two"}
    stream = marked(marked(numbers, "one").to_iterable_dataset(), "two")
    assert {row["judge"] for row in stream} == {"one + two"}


def test_a_check_that_changed_is_called_again(tmp_path, numbers):
    """Tables on disk have a cache of what was filtered; a check may depend on what no cache can see."""
    numbers.save_to_disk(tmp_path / "numbers")
    limit = [3]
    for expected in (3, 7):
        limit[0] = expected
        stored = Dataset.load_from_disk(tmp_path / "numbers")
        for num_proc in (None, 2):
            assert len(where(stored, lambda row: row["n"] < limit[0], num_proc)) == expected
    assert not list((tmp_path / "numbers").glob("cache-*"))


def test_several_tables_are_no_table(numbers):
    for stage in (without_exact, without_near, lambda data: marked(data, "x")):
        with pytest.raises(CourseError, match="not DatasetDict: take one of its parts"):
            stage(DatasetDict({"train": numbers}))
