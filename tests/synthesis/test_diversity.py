"""Diversity: each measure against its definition, another implementation, or a value known by hand."""

from __future__ import annotations

import random

import numpy as np
import pytest

from helpers import world
from helpers.settings import CourseError
from helpers.synthesis.diversity import coverage, distinct_n, self_bleu, similarities, vendi


def captions(count, seed=0):
    return [world.describe(scene, number) for number, scene in enumerate(world.sample(count, seed=seed))]


def test_distinct_n_by_hand():
    assert distinct_n(["a b c", "a b d"], 1) == 4 / 6
    assert distinct_n(["a b c", "a b d"], 2) == 3 / 4
    assert distinct_n(["a", "b"], 2) == 0
    assert distinct_n([], 1) == 0


@pytest.mark.parametrize(
    "texts",
    [
        captions(60),
        ["a b c d e f", "a b c d e f", "x y z", "a b", "q", "a a a a b", ""],
        ["one two three", "four five six"],
    ],
)
def test_self_bleu_is_sacrebleus(texts):
    from sacrebleu import sentence_bleu

    from helpers.synthesis.texts import words

    split = [" ".join(words(text)) for text in texts]
    expected = [
        sentence_bleu(one, [*split[:i], *split[i + 1 :]], tokenize="none").score / 100
        for i, one in enumerate(split)
    ]
    assert self_bleu(texts) == pytest.approx(np.mean(expected), abs=1e-9)


def test_self_bleu_of_many_texts_is_that_of_a_sample():
    texts = captions(300)
    assert self_bleu(texts, most=100, seed=3) == self_bleu(random.Random(3).sample(texts, 100))
    assert self_bleu(["the same text again"] * 3) == pytest.approx(1)
    with pytest.raises(CourseError, match="at least two"):
        self_bleu(["alone"])


def test_vendi_by_hand():
    assert vendi(np.eye(7)) == pytest.approx(7)
    assert vendi(np.ones((7, 7))) == pytest.approx(1)
    halves = np.kron(np.eye(2), np.ones((3, 3)))
    assert vendi(halves) == pytest.approx(2)
    pair = np.array([[1, 0.5], [0.5, 1]])  # eigenvalues of K / 2: 3/4 and 1/4
    assert vendi(pair) == pytest.approx(np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25))))


@pytest.mark.parametrize("wrong", [np.eye(3) * 2, np.ones((2, 3)), np.array([[1, 0.2], [0.9, 1]]), np.eye(0)])
def test_vendi_refuses_what_is_no_similarity(wrong):
    with pytest.raises(CourseError, match="Vendi"):
        vendi(wrong)


def test_similarities_by_hand():
    found = similarities(["a b", "A B!", "a c", "", ""], n=2)
    # "a b" has the runs a, b, "a b"; it shares one of three with "a c".
    expected = np.array(
        [[1, 1, 1 / 3, 0, 0], [1, 1, 1 / 3, 0, 0], [1 / 3, 1 / 3, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]
    )
    assert found == pytest.approx(expected)


def test_coverage_is_the_share_of_real_points_reached():
    rng = np.random.default_rng(0)
    real, made = rng.normal(size=(40, 3)), rng.normal(size=(25, 3))
    distances = np.linalg.norm(real[:, None] - real[None], axis=-1)
    radius = np.sort(distances, axis=1)[:, 5]
    reached = [np.linalg.norm(made - point, axis=1).min() <= r for point, r in zip(real, radius, strict=True)]
    assert 0 < np.mean(reached) < 1
    assert coverage(made, real, k=5) == pytest.approx(np.mean(reached))
    assert coverage(real, real) == 1
    assert coverage(real[:1] + 100, real) == 0
    for points in (real[:0], real[:5], real[:, 0]):
        with pytest.raises(CourseError, match="Coverage"):
            coverage(made, points)


def test_all_measures_agree_on_what_is_plainly_more_diverse():
    many, few = captions(100), captions(10) * 10
    assert distinct_n(many) > distinct_n(few)
    assert self_bleu(many) < self_bleu(few)
    assert vendi(similarities(many)) > vendi(similarities(few))
