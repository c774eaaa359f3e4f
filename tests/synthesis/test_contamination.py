"""Contamination: what each detector finds and does not, and a control that can fail."""

from __future__ import annotations

import pytest
from datasets import Dataset

from helpers.settings import CourseError
from helpers.synthesis.contamination import decontaminated, exact, near, overlap, planted

TEST = [
    "what color is the small cat on the green meadow by the lake today? it is orange",
    "how many big dogs walk to the left at night? two",
]
REWORDED = TEST[0].replace("today", "now")
INSIDE = f"as everyone knows: {TEST[1]} and so on, and so forth, for a long while, until it ends at last"
FRESH = "which kind of bird sleeps under the old tree in the snow? a crow"


def table(*completions):
    return Dataset.from_dict({"completion": list(completions), "row": list(range(len(completions)))})


@pytest.mark.parametrize(
    ("detect", "found"),
    [
        (exact(TEST), [0, None, None, None]),
        (near(TEST), [0, 0, None, None]),
        (overlap(TEST, run=8), [0, 0, 1, None]),
        (overlap(TEST, run=13), [0, 0, 1, None]),
    ],
)
def test_each_detector_finds_its_kind_of_leak(detect, found):
    rows = [TEST[0].upper(), REWORDED, INSIDE, FRESH]
    assert [detect(row) for row in rows] == found
    kept = [number for number, hit in enumerate(found) if hit is None]
    assert decontaminated(table(*rows), detect)["row"][:] == kept
    assert [row["row"] for row in decontaminated(table(*rows).to_iterable_dataset(), detect)] == kept


def test_a_short_test_text_is_found_whole_only():
    detect = overlap(["a pink pig", "x"], run=8)
    assert detect("there is a pink pig in the snow") == 0
    assert detect("there is a pink cat and a black pig") is None
    assert detect("") is None


def test_the_control_tells_a_stage_that_works_from_one_that_does_not():
    data = table(FRESH, "something else", TEST[1])
    items = Dataset.from_dict({"completion": [TEST[0], REWORDED]})
    by_near = planted(data, items, lambda rows: decontaminated(rows, near(TEST)))
    assert (by_near.planted, by_near.caught, by_near.missed, by_near.taken) == (2, 2, (), 1)
    by_exact = planted(data, items, lambda rows: decontaminated(rows, exact(TEST)))
    assert (by_exact.caught, by_exact.missed) == (1, (1,))
    assert str(by_exact) == "1 of 2 planted test items caught"
    blind = planted(data, items, lambda rows: rows)
    assert (blind.caught, blind.missed, blind.taken) == (0, (0, 1), 0)
    assert data.column_names == ["completion", "row"]


def test_planted_items_lie_anywhere_and_in_empty_data_too():
    orders = []
    data, items = table(*map(str, range(20))), table("leak")
    for seed in (0, 0, 1):
        planted(data, items, lambda rows: orders.append(rows["completion"][:]) or rows, seed=seed)
    assert orders[0] == orders[1] != orders[2]
    assert len({order.index("leak") for order in orders}) == 2
    found = planted(table().select([]), items, lambda rows: decontaminated(rows, exact(["leak"])))
    assert (found.caught, found.taken) == (1, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: near([]), "no test texts"),
        (lambda: exact("one text"), "list of texts"),
        (lambda: overlap(TEST, run=0), "at least 1 word"),
        (lambda: near(TEST, threshold=2), "threshold"),
        (lambda: planted(table("a"), table().select([]), lambda rows: rows), "no test item"),
        (
            lambda: planted(table("a"), table("b"), lambda rows: rows.select_columns(["completion"])),
            "must keep the columns",
        ),
        (
            lambda: planted(table("a"), Dataset.from_dict({"text": ["a"]}), lambda rows: rows),
            "none of the data's columns .completion, row., but text",
        ),
        (
            lambda: planted(table("a"), Dataset.from_dict({"row": ["a"]}), lambda rows: rows),
            "columns of another type",
        ),
        (lambda: exact(["a", None]), "must all be text"),
        (lambda: decontaminated(table("a"), exact(TEST), "text"), "no column text"),
    ],
)
def test_what_cannot_be_is_one_sentence(call, message):
    with pytest.raises(CourseError, match=message):
        call()
