"""Lesson 03's own functions, taken from its evidence cells: small cases by hand, and invariants."""

from __future__ import annotations

import contextlib
import io
import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from helpers import settings, world
from helpers.course import evidence


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names that the lesson's evidence cells define, at the smallest size."""
    scope: dict[str, Any] = {"__name__": "__main__"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_SMOKE", "1")
        patch.setenv("COURSE_PROGRESS", str(tmp_path_factory.mktemp("progress") / "progress.json"))
        # The real models have their own tests, and need not be loaded for these.
        patch.setattr("helpers.models.real.image_encoder", lambda: None)
        patch.setattr("helpers.models.real.language_model", lambda: None)
        with contextlib.redirect_stdout(io.StringIO()):
            for cell in evidence.EVIDENCE.cells(evidence.source_of("03", settings.ROOT)):
                exec(compile(cell, "<evidence cell>", "exec"), scope)
        yield scope


@pytest.fixture(scope="module")
def bag(lesson):
    torch.manual_seed(1)
    return lesson["Bag"]().eval()


# --- the bag, the reader and their captions -----------------------------------------------------------------


def test_a_bag_is_exactly_indifferent_to_order(lesson, bag):
    words = lesson["WORDS"][1:]

    @hypothesis_settings(max_examples=100, deadline=None)
    @given(
        st.lists(st.sampled_from(words), min_size=1, max_size=9).flatmap(
            lambda w: st.tuples(st.just(w), st.permutations(w))
        )
    )
    def check(both: tuple[list[str], list[str]]) -> None:
        one, other = (lesson["encode"]([" ".join(order)]) for order in both)
        with torch.no_grad():
            assert torch.equal(bag(one), bag(other))

    check()


def test_every_duel_of_an_untrained_bag_is_a_tie(lesson, bag):
    torch.manual_seed(2)
    looker = lesson["Looker"]().eval()
    measured = lesson["duels"](looker, bag, seed=77)
    assert measured["order"] == measured["binding"] == 0.5


def test_a_reader_is_not_indifferent_to_order(lesson):
    torch.manual_seed(3)
    read = lesson["Reader"]().eval()
    ids = lesson["encode"](["a red cat left of a blue dog", "a blue dog left of a red cat"])
    with torch.no_grad():
        one, other = read(ids)
    assert not torch.allclose(one, other, atol=1e-4)


def test_a_reader_does_not_look_at_the_filling(lesson):
    torch.manual_seed(4)
    read = lesson["Reader"]().eval()
    ids = lesson["encode"](["a red cat"])
    with torch.no_grad():
        assert torch.allclose(read(ids), read(ids[:, :3]), atol=1e-6)


def test_twins_have_the_same_words_and_are_false(lesson):
    for scene in lesson["training_scenes"](200, 5, "pairs"):
        true = lesson["caption"](scene, random.Random(0))
        for twin in (lesson["animals_swapped"](scene), lesson["colors_swapped"](scene)):
            assert sorted(twin.split()) == sorted(true.split())
            assert twin != true
            said = f"{twin[0].upper()}{twin[1:]}."
            verdict = world.verify(said.replace(f" {scene.relation} ", f" is {scene.relation} "), scene)
            assert not verdict.true


@pytest.mark.parametrize("preset", ["full", "pairs"])
def test_held_out_combinations_are_in_no_training_scene(lesson, preset):
    scenes = lesson["training_scenes"](600, 6, preset)
    assert len(scenes) == 600
    seen = {animal for scene in scenes for animal in lesson["animals_of"](scene)}
    assert not seen & lesson["HELD_OUT"]
    assert len(lesson["HELD_OUT"]) == 24
    # Every color and every kind is still seen, in other combinations.
    assert {color for color, _ in seen} == set(world.COLORS)
    assert {kind for _, kind in seen} == set(world.KINDS)


def test_captions_can_all_be_encoded(lesson):
    rng = random.Random(7)
    scenes = lesson["training_scenes"](100, 8, "pairs") + lesson["training_scenes"](100, 8, "full")
    ids = lesson["encode"]([lesson["caption"](scene, rng) for scene in scenes])
    assert ids.shape == (200, 9)
    assert (ids > 0).any(1).all()


def test_training_pairs_match_better_than_chance_after_a_few_steps(lesson):
    look, read = lesson["train"](lesson["Reader"], True, 900)
    scenes = lesson["training_scenes"](64, 9, "full")
    captions = [lesson["phrase"](s.color, s.kind) for s in scenes]
    with torch.no_grad():
        seen, said = look(lesson["pixels_of"](scenes)), read(lesson["encode"](captions))
    assert torch.allclose(seen.norm(dim=1), torch.ones(64), atol=1e-5)
    assert torch.allclose(said.norm(dim=1), torch.ones(64), atol=1e-5)


# --- fusion -------------------------------------------------------------------------------------------------

numbers = st.lists(st.integers(-40, 40), min_size=5, max_size=30).filter(lambda x: len(set(x)) > 2)


def test_fusion_with_weight_0_or_1_is_a_parent(lesson):
    @hypothesis_settings(max_examples=100, deadline=None)
    @given(numbers, st.randoms())
    def check(values: list[int], rng: random.Random) -> None:
        one = np.array(values, dtype=float)
        other = np.array(rng.sample(values, len(values)), dtype=float) ** 3
        for weight, parent in [(0.0, one), (1.0, other)]:
            fused = lesson["fuse"](one, other, weight)
            assert np.allclose(fused, (parent - parent.mean()) / parent.std())
            assert lesson["rank_correlation"](fused, parent) == pytest.approx(1.0)

    check()


def test_cosines_by_hand(lesson):
    vectors = np.zeros((12, 2))
    vectors[0], vectors[1], vectors[2] = (3, 0), (0, 2), (1, 1)
    pairs = {
        tuple(pair): value
        for pair, value in zip(lesson["PAIRS"].tolist(), lesson["cosines"](vectors), strict=True)
    }
    assert len(pairs) == 66
    assert pairs[0, 1] == pytest.approx(0.0)
    assert pairs[0, 2] == pytest.approx(0.5**0.5)
    assert pairs[3, 4] == 0.0  # a vector of zeros is like nothing


def test_text_without_errors_finds_function_and_pictures_find_looks(lesson):
    rng = np.random.default_rng(900)
    animals = lesson["new_world"](rng)
    functional, visual = lesson["functional_and_visual"](animals)
    text = lesson["cosines"](lesson["text_vectors"](animals, 50_000, rng))
    pictures = lesson["cosines"](lesson["picture_vectors"](animals, 240, rng))
    assert lesson["rank_correlation"](text, functional) > 0.8
    assert lesson["rank_correlation"](pictures, visual) > 0.5
    assert abs(lesson["rank_correlation"](pictures, functional)) < 0.4


def test_pictures_of_other_kinds_are_really_of_others(lesson):
    rng = np.random.default_rng(901)
    for _ in range(5):
        sources = lesson["similarities"](lesson["new_world"](rng), rng)
        assert set(sources) >= {
            "text",
            "pictures",
            "both",
            "text + noise",
            "text + shuffled",
            "text + more text",
        }
        assert all(len(values) == 66 and np.isfinite(values).all() for values in sources.values())
        assert not np.allclose(sources["text + shuffled"], sources["both"])


def test_kin_share_more_groups(lesson):
    shared = lesson["shared_groups"]
    assert shared("cat", "lion") > shared("cat", "dog") > shared("cat", "mouse") > shared("cat", "bird")
    assert shared("fish", "cat") == 0
    assert set(lesson["LINEAGE"]) == set(world.KINDS)


# --- the quiz of section 9 ----------------------------------------------------------------------------------


def test_a_learner_that_hears_everything_knows_everything(lesson):
    kind = np.repeat(np.arange(12), 3)
    usual = {"color": np.arange(12) % 10, "size": np.arange(12) % 2, "sound": np.arange(12) % 6}
    told = {question: (answers[kind], np.ones(36, dtype=bool)) for question, answers in usual.items()}
    assert lesson["quiz_accuracy"](usual, kind, told, None) == {"color": 1.0, "size": 1.0, "sound": 1.0}


def test_a_learner_that_hears_nothing_guesses(lesson):
    kind = np.arange(12)
    usual = {"color": kind % 10, "size": kind % 2, "sound": kind % 6}
    told = {question: (answers, np.zeros(12, dtype=bool)) for question, answers in usual.items()}
    guessed = lesson["quiz_accuracy"](usual, kind, told, None)
    assert guessed == {"color": pytest.approx(0.1), "size": pytest.approx(0.5), "sound": pytest.approx(1 / 6)}


def test_who_looks_fills_in_what_is_not_said(lesson):
    # Two colors, plain features; the color is named only in the first two pictures, of kinds 0 and 1.
    kind = np.array([0, 1, *range(12)])
    color = np.array([0, 1, *(k % 2 for k in range(12))])
    usual = {"color": np.arange(12) % 2}
    told = {"color": (color, np.array([True, True] + [False] * 12))}
    features = np.eye(2)[color] @ np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])
    assert lesson["quiz_accuracy"](usual, kind, told, features)["color"] == 1.0
    assert lesson["quiz_accuracy"](usual, kind, told, None)["color"] < 0.5
