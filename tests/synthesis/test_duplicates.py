"""Duplicates: exactly the repeated rows go, and what is proposed by hashes agrees with comparing all."""

from __future__ import annotations

import random

import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import world
from helpers.settings import CourseError
from helpers.synthesis.duplicates import (
    Index,
    false_positive_rate,
    naive_twins,
    similarity,
    twins,
    without_exact,
    without_near,
)

LONG = "the small orange cat walks to the left across a green meadow and then it sleeps under the old tree"


def table(*completions):
    return Dataset.from_dict({"completion": list(completions), "row": list(range(len(completions)))})


def documents(count, seed, length=30):
    """Texts of random words, a third of them copies of earlier ones with one word in ten changed."""
    rng = random.Random(seed)
    vocabulary = [f"word{number}" for number in range(500)]
    made = []
    for number in range(count):
        if number % 3 == 2:
            copied = rng.choice(made).split()
            copied[rng.randrange(length)] = "changed"
            made.append(" ".join(copied))
        else:
            made.append(" ".join(rng.choices(vocabulary, k=length)))
    return made


def test_exact_duplicates_but_for_capitals_and_spaces():
    data = table("A cat.", "a  cat.", "a cat", "a dog", "A CAT.", "")
    assert without_exact(data)["row"][:] == [0, 2, 3, 5]
    stream = without_exact(data.to_iterable_dataset())
    assert [row["row"] for row in stream] == [row["row"] for row in stream] == [0, 2, 3, 5]


def test_near_duplicates_keep_the_first():
    data = table(LONG, "something else entirely", LONG.replace("tree", "bush"), LONG.upper())
    assert without_near(data)["row"][:] == [0, 1]
    assert without_near(data, threshold=1.0)["row"][:] == [0, 1, 2]
    stream = without_near(data.to_iterable_dataset())
    assert [row["row"] for row in stream] == [row["row"] for row in stream] == [0, 1]
    assert without_near(data, text=lambda row: str(row["row"]))["row"][:] == [0, 1, 2, 3]


def test_similarity_is_shared_runs_over_all_runs():
    assert similarity("a b c d", "a b c e", run=2) == 2 / 4
    assert similarity("a b", "A, B!") == 1
    assert similarity("a", "b") == 0
    assert similarity("", "") == 1


@pytest.mark.parametrize(("threshold", "run"), [(0.5, 2), (0.7, 3), (0.9, 1)])
def test_hashes_find_nearly_all_that_the_naive_search_finds_and_nothing_else(threshold, run):
    found = documents(400, seed=1)
    by_hashes, naive = twins(found, threshold, run), naive_twins(found, threshold, run)
    for number, twin in enumerate(by_hashes):
        if twin is not None:
            assert twin < number
            assert similarity(found[number], found[twin], run) >= threshold
    flagged = sum(twin is not None for twin in naive)
    agree = sum((one is None) == (other is None) for one, other in zip(by_hashes, naive, strict=True))
    assert flagged >= 90
    assert len(found) - agree <= 0.08 * flagged


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=12))
def test_any_text_at_all(found):
    assert len(twins(found)) == len(found)
    # The same text again is always found, whatever it is: its hashes are the same.
    assert all(twin is not None for twin in twins(found + found)[len(found) :])


def test_another_seed_of_the_hashes_finds_other_pairs():
    found = [world.describe(scene, 0) for scene in world.sample(400, seed=3)]
    answers = {tuple(twins(found, 0.5, 1, num_perm=16, seed=seed)) for seed in range(3)}
    assert len(answers) == 3
    assert twins(found, 0.5, seed=2) == twins(found, 0.5, seed=2)


def test_templates_make_new_facts_look_old():
    """What lessons warn of: hash the content."""
    scenes = world.sample(1500, seed=5)
    contents = [f"{scene.size}_{scene.color}_{scene.kind}_{scene.verb}_{scene.place}" for scene in scenes]
    templated = twins([world.describe(scene, 0) for scene in scenes], 0.7, run=1)
    assert false_positive_rate(templated, contents) > 0.1
    assert false_positive_rate(twins(contents, 1.0, run=1), contents) == 0


def test_the_false_positive_rate_counts_new_rows_only():
    assert false_positive_rate([None, 0, 0, None], ["a", "a", "b", "c"]) == 1 / 3
    with pytest.raises(CourseError, match="1 rows and 2 contents"):
        false_positive_rate([None], ["a", "b"])
    with pytest.raises(CourseError, match="0 rows"):
        false_positive_rate([], [])


@pytest.mark.parametrize("wrong", [{"threshold": 0}, {"threshold": 70}, {"run": 0}, {"num_perm": 15}])
def test_settings_that_cannot_be_are_refused_at_once(wrong):
    for data in (table("a"), table("a").to_iterable_dataset()):
        with pytest.raises(CourseError):
            without_near(data, **wrong)


def test_an_index_gives_the_first_of_several():
    index = Index(threshold=0.3, run=1)
    index.add(7, "a b c d")
    index.add(3, "a b c e")
    assert index.find("a b c d") == 3
    assert index.find("x y z") is None
    assert len(index) == 2


def test_no_rows_and_wrong_columns():
    empty = table().select([])
    assert len(without_exact(empty)) == len(without_near(empty)) == 0
    for stage in (without_exact, without_near):
        with pytest.raises(CourseError, match="no column text"):
            stage(table("a"), "text")
