"""Lesson 12's own functions, taken from its evidence cells: small cases by hand, and invariants."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from helpers import settings, world
from helpers.course import evidence


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names that the lesson's evidence cells define, at the smallest size."""
    scope: dict[str, Any] = {"__name__": "__main__"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_SMOKE", "1")
        patch.setenv("COURSE_PROGRESS", str(tmp_path_factory.mktemp("progress") / "progress.json"))
        # The real encoder has its own tests, and need not be loaded for these.
        patch.setattr("helpers.models.real.image_encoder", lambda: None)
        with contextlib.redirect_stdout(io.StringIO()):
            for cell in evidence.EVIDENCE.cells(evidence.source_of("12", settings.ROOT)):
                exec(compile(cell, "<evidence cell>", "exec"), scope)
        yield scope


@pytest.fixture(scope="module")
def clips(lesson):
    return lesson["with_median"](world.films(lesson["balanced"](2, seed=5)))


# --- what the networks see ----------------------------------------------------------------------------------


def test_a_film_that_stands_still_has_no_motion_and_its_median_picture_is_itself(lesson):
    still = (
        np.random.default_rng(0).integers(0, 256, size=(2, 1, 32, 32, 3), dtype=np.uint8).repeat(8, axis=1)
    )
    clips = lesson["with_median"](still)
    assert clips.dtype == np.uint8
    assert np.array_equal(clips[:, 8], still[:, 0])
    seen = lesson["to_tensor"](clips)
    assert seen.shape == (2, 9, 3, 32, 32)
    assert not seen[:, :8].any()
    expected = (still[:, 0].transpose(0, 3, 1, 2).astype(float) - 128) / 64
    assert np.allclose(seen[:, 8].numpy(), expected)


def test_frames_and_median_picture_keep_what_is_where(lesson, clips):
    seen = lesson["to_tensor"](clips)
    frame, median = clips[3, 5].astype(float), clips[3, 8].astype(float)
    assert np.allclose(seen[3, 5].numpy(), (frame - median).transpose(2, 0, 1) / 64)


def test_four_frames_of_each_film_are_hidden(lesson):
    torch.manual_seed(1)
    hidden = lesson["four_hidden"](500)
    assert (hidden.sum(1) == 4).all()
    assert (hidden.float().mean(0) - 0.5).abs().max() < 0.1


def test_hidden_frames_are_blank_and_nothing_else_is(lesson, clips):
    seen = lesson["to_tensor"](clips)
    hidden = lesson["four_hidden"](len(seen))
    left = lesson["without"](seen, hidden)
    assert not left[:, :8][hidden].any()
    assert torch.equal(left[:, :8][~hidden], seen[:, :8][~hidden])
    assert torch.equal(left[:, 8], seen[:, 8])


def test_variations_treat_all_frames_of_a_film_alike(lesson):
    levels = np.arange(9, dtype=np.uint8)[None, :, None, None, None]
    plain = np.broadcast_to(levels, (5, 9, 32, 32, 3)) * np.uint8(20)
    varied, mirrored = lesson["varied"](plain, np.random.default_rng(2))
    assert np.array_equal(varied, plain)
    assert mirrored.shape == (5,)


def test_variations_move_and_mirror_as_they_say(lesson, clips):
    varied, mirrored = lesson["varied"](clips, np.random.default_rng(3))
    assert 0 < mirrored.sum() < len(clips)
    for one, other, turned in zip(clips, varied, mirrored, strict=True):
        straight = other[:, :, ::-1] if turned else other
        padded = np.pad(one, ((0, 0), (3, 3), (3, 3), (0, 0)), mode="edge")
        fits = [
            np.array_equal(np.sort(padded[:, top : top + 32, left : left + 32]), np.sort(straight))
            for top in range(7)
            for left in range(7)
        ]
        assert any(fits)


# --- the quiz -----------------------------------------------------------------------------------------------


def test_the_questions_know_nothing_of_what_is_hidden(lesson, clips):
    torch.manual_seed(4)
    cloze = lesson["Cloze"]().eval()
    seen, hidden = lesson["to_tensor"](clips[:6]), torch.zeros(6, 8, dtype=torch.bool)
    hidden[:, [1, 3, 4, 6]] = True
    changed = seen.clone()
    changed[:, 3] += 1.0
    with torch.no_grad():
        before, after = cloze.scores(seen, hidden)[0], cloze.scores(changed, hidden)[0]
    others = [0, 1, 2, 4, 5, 6, 7]
    assert torch.allclose(before[:, :, others], after[:, :, others], atol=1e-5)
    assert not torch.allclose(before[:, :, 3], after[:, :, 3], atol=1e-3)


def test_frames_of_the_same_film_are_no_frames_of_others(lesson, clips):
    cloze = lesson["Cloze"]().eval()
    own, others = cloze.scores(lesson["to_tensor"](clips[:5]), lesson["four_hidden"](5))
    assert own.shape == (5, 8, 8)
    assert others.shape == (5, 8, 5)
    assert all(torch.isinf(others[i, :, i]).all() for i in range(5))
    assert torch.isfinite(others).sum() == 5 * 8 * 4


def test_training_on_few_films_fills_their_gaps_better_than_chance(lesson, clips):
    torch.manual_seed(5)
    cloze = lesson["Cloze"]()
    losses = lesson["pretrain"](cloze, clips, seed=5, steps=40)
    assert np.mean(losses[-10:]) < np.mean(losses[:5]) - 0.3
    moving = [i for i, scene in enumerate(lesson["balanced"](2, seed=5)) if scene.verb.startswith("walks")]
    assert lesson["gaps_filled"](cloze.eval(), clips[moving], seed=1).mean() > 0.3


def test_settling_changes_statistics_and_no_weight(lesson, clips):
    torch.manual_seed(6)
    watcher = lesson["Watcher"]()
    weights = [weight.clone() for weight in watcher.parameters()]
    lesson["settle"](watcher, clips)
    assert not watcher.training
    assert all(torch.equal(a, b) for a, b in zip(weights, watcher.parameters(), strict=True))
    features = lesson["seen_by"](watcher)(clips)
    assert features.shape == (len(clips), 128)
    assert 0.2 < (features > 0).mean() < 0.8  # each is about half the time above its mean, then cut at 0


# --- labels -------------------------------------------------------------------------------------------------


def test_balanced_scenes_have_every_verb_equally_often_from_the_start(lesson):
    scenes = lesson["balanced"](5, seed=7)
    for amount in (1, 3, 5):
        counts = Counter(scene.verb for scene in scenes[: 11 * amount])
        assert set(counts.values()) == {amount}
        assert len(counts) == 11


def test_sets_of_labels_share_no_film(lesson):
    for amount in lesson["AMOUNTS"]:
        numbers = [i for part in lesson["sets_of"](amount) for i in range(990)[part]]
        assert len(set(numbers)) == len(numbers) <= 990
        assert all(len(range(990)[part]) == 11 * amount for part in lesson["sets_of"](amount))


def test_a_mirrored_film_is_a_film_of_the_verb_that_is_then_said(lesson):
    """Where the animal is, as the center of motion, must move as the swapped verb says."""
    scenes = [s for s in lesson["balanced"](12, seed=8) if s.verb in ("walks left", "walks right")]
    clips = lesson["with_median"](world.films(scenes))
    for turned, verbs in [
        (clips, [s.verb for s in scenes]),
        lesson["mirror"](clips, [s.verb for s in scenes]),
    ]:
        weight = np.abs(lesson["motion"](turned).astype(float)).sum((2, 4)).clip(min=60) - 60
        center = (weight * np.arange(32)).sum(2) / weight.sum(2).clip(min=1)
        rightward = center[:, -2:].mean(1) > center[:, :2].mean(1)
        says = np.array([verb == "walks right" for verb in verbs])
        assert (rightward == says).mean() > 0.8


def test_learning_from_labels_leaves_the_watcher_that_it_starts_from_alone(lesson, clips):
    torch.manual_seed(9)
    watcher = lesson["Watcher"]()
    before = {name: value.clone() for name, value in watcher.state_dict().items()}
    verbs = [scene.verb for scene in lesson["balanced"](2, seed=5)]
    trained = lesson["from_labels"](clips, verbs, seed=9, steps=3, start=watcher)
    assert all(torch.equal(before[name], value) for name, value in watcher.state_dict().items())
    assert not torch.equal(trained.head.weight, torch.zeros_like(trained.head.weight))
    assert 0 <= trained.right(clips, verbs) <= 1


def test_from_scratch_learns_its_few_films(lesson, clips):
    verbs = [scene.verb for scene in lesson["balanced"](2, seed=5)]
    trained = lesson["from_labels"](clips, verbs, seed=10, steps=60)
    assert trained.right(clips, verbs) > 0.4


# --- the other pretexts -------------------------------------------------------------------------------------


def test_dimensions_counts_directions(lesson):
    rng = np.random.default_rng(11)
    one = rng.normal(size=(400, 1)) * np.ones((1, 20))
    assert lesson["dimensions"](one) == pytest.approx(1.0)
    assert lesson["dimensions"](rng.normal(size=(20_000, 8))) == pytest.approx(8, abs=0.1)
    assert lesson["dimensions"](np.zeros((10, 4))) == pytest.approx(0.0)


@pytest.mark.parametrize("name", ["masked", "latent", "unguarded"])
def test_every_pretext_trains_the_watcher_and_nothing_else_it_should_not(lesson, clips, name):
    torch.manual_seed(12)
    pretext = lesson["PRETEXTS"][name]()
    before = [weight.clone() for weight in pretext.watcher.parameters()]
    losses = lesson["pretrain"](pretext, clips, seed=12, steps=3)
    assert np.isfinite(losses).all()
    assert not all(torch.equal(a, b) for a, b in zip(before, pretext.watcher.parameters(), strict=True))
    if name == "latent":
        assert all(weight.grad is None for weight in pretext.slow.parameters())


# --- captions and what they save ----------------------------------------------------------------------------


def test_who_sees_perfectly_needs_fewer_captions_and_who_sees_nonsense_gains_nothing(lesson):
    rng = np.random.default_rng(13)
    told = lesson["episodes_of"](rng, 384)
    perfect = {q: np.eye(len(words))[told.here[q]] * 5 for q, words in lesson["ANSWERS"].items()}
    read = lesson["usual_answers"](told, 96, {})
    seen = lesson["usual_answers"](told, 96, perfect)
    assert seen["all"] > read["all"] + 0.1
    nonsense = {q: rng.normal(size=(384, 6)) for q in lesson["ANSWERS"]}
    assert lesson["usual_answers"](told, 96, nonsense)["all"] < seen["all"] - 0.1


def test_scenes_of_episodes_show_what_happened(lesson):
    told = lesson["episodes_of"](np.random.default_rng(14), 50)
    for i, scene in enumerate(told.scenes):
        assert scene.kind == world.KINDS[told.kind[i]]
        for question, words in lesson["ANSWERS"].items():
            assert getattr(scene, question) == words[told.here[question][i]]


# --- the quiz on real films ---------------------------------------------------------------------------------


def test_what_lies_between_is_found_where_things_change_evenly(lesson):
    angle = np.linspace(0, 1.2, 8)
    vectors = np.stack([np.cos(angle), np.sin(angle), np.full(8, 0.2)], axis=1)
    gone = np.zeros(8, bool)
    gone[[1, 3, 4, 6]] = True
    scores = lesson["between"](vectors, gone)
    chosen = np.where(gone, scores, -np.inf)[gone].argmax(1)
    assert chosen.tolist() == [1, 3, 4, 6]


def test_the_middle_square_is_the_middle(lesson):
    frames = np.zeros((2, 20, 60, 3), np.uint8)
    frames[:, :, 20:40] = 200
    small = lesson["middle_square"](frames, 10)
    assert small.shape == (2, 10, 10, 3)
    assert (small == 200).all()
