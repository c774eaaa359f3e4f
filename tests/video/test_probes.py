"""Probes find what is there, and controls take it away: on features whose content is known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.settings import CourseError
from helpers.video import controls
from helpers.video.probes import attentive_probe, ladder, linear_probe

FRAMES, DIMENSIONS = 6, 5


def clips(count: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Features (count, 6, 5) and three labels: what one frame tells, what all tell, what only order tells."""
    chance = np.random.default_rng(seed)
    kind, direction = chance.integers(2, size=(2, count))
    features = chance.normal(size=(count, FRAMES, DIMENSIONS))
    features[..., 0] += 4 * kind[:, None]  # in every frame
    path = np.linspace(-2, 2, FRAMES)
    features[..., 1] = np.where(direction[:, None] == 1, path, -path) + 0.3 * features[..., 1]
    moves = chance.integers(2, size=count)
    features[..., 2] = 0.05 * features[..., 2]
    features[np.arange(count), chance.integers(FRAMES, size=count), 2] += 3.0 * moves  # in one frame of six
    names = np.array(["cat", "dog"])
    return features, {"kind": names[kind], "direction": direction, "moves": moves}


TRAIN, TRAIN_LABELS = clips(400, 1)
TEST, TEST_LABELS = clips(300, 2)


def accuracies(task: str, **options) -> dict[str, float]:
    found = ladder(TRAIN, TRAIN_LABELS[task], TEST, TEST_LABELS[task], seed=0, **options)
    return {name: probed.accuracy for name, probed in found.items()}


def test_the_ladder_tells_three_kinds_of_questions_apart():
    kind, direction, moves = (accuracies(task) for task in ("kind", "direction", "moves"))
    assert list(kind) == ["shuffled labels", "random frame", "bag of frames", "shuffled frames", "in order"]
    assert kind["random frame"] > 0.95  # one frame is enough
    assert direction["in order"] > 0.95  # order is needed
    assert all(
        abs(direction[arm] - 0.5) < 0.1 for arm in ("random frame", "bag of frames", "shuffled frames")
    )
    assert moves["bag of frames"] > 0.95  # all frames are needed, and no order
    assert moves["random frame"] < 0.7


def test_shuffled_labels_teach_nothing_on_average():
    """One deal may go well or badly for all clips of a kind together, so the mean over deals counts."""
    labels = TRAIN_LABELS["kind"]
    deals = (controls.shuffled_labels(labels, seed) for seed in range(24))
    found = [linear_probe(TRAIN, deal, TEST, TEST_LABELS["kind"]) for deal in deals]
    assert abs(np.mean([probed.accuracy for probed in found]) - 0.5) < 0.1
    assert min(probed.train_accuracy for probed in found) > 0.55  # it learns them by heart, in part


def test_an_attentive_probe_reads_order_only_if_it_knows_positions():
    def attend(train, train_labels, test, test_labels, positions):
        return attentive_probe(train, train_labels, test, test_labels, seed=0, positions=positions)

    task = (TRAIN, TRAIN_LABELS["direction"], TEST, TEST_LABELS["direction"])
    assert attend(*task, positions=True).accuracy > 0.95
    assert abs(attend(*task, positions=False).accuracy - 0.5) < 0.1
    moves = (TRAIN, TRAIN_LABELS["moves"], TEST, TEST_LABELS["moves"])
    assert attend(*moves, positions=False).accuracy > 0.95


def test_an_attentive_probe_without_positions_does_not_see_the_order_at_all():
    labels = TRAIN_LABELS["kind"]
    mixed = controls.shuffled(TEST, 3)
    one, other = (
        attentive_probe(TRAIN, labels, test, TEST_LABELS["kind"], seed=1, positions=False, steps=20)
        for test in (TEST, mixed)
    )
    assert np.array_equal(one.predicted, other.predicted)


def test_a_ladder_of_attentive_probes():
    def probe(train, train_labels, test, test_labels):
        return attentive_probe(train, train_labels, test, test_labels, seed=0, steps=150)

    direction = accuracies("direction", probe=probe)
    assert direction["in order"] > 0.95
    assert abs(direction["shuffled frames"] - 0.5) < 0.12
    assert abs(direction["bag of frames"] - 0.5) < 0.12


def test_probes_are_repeatable_and_leave_the_global_random_state_alone():
    import torch

    labels = (TRAIN_LABELS["direction"], TEST_LABELS["direction"])
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, again, other = (
        attentive_probe(TRAIN, labels[0], TEST, labels[1], seed=seed, steps=10) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.rand(3), expected)
    assert np.array_equal(one.predicted, again.predicted)
    assert not np.array_equal(one.predicted, other.predicted)


def test_a_probe_says_what_it_learned_by_heart_and_what_chance_is():
    few = linear_probe(TRAIN[:20], TRAIN_LABELS["moves"][:20], TEST, TEST_LABELS["moves"], freedom=100.0)
    assert few.train_accuracy == 1.0
    assert few.accuracy < 0.8
    assert few.predicted.shape == (300,)
    assert few.accuracy == (few.predicted == TEST_LABELS["moves"]).mean()
    assert few.chance == controls.chance(TRAIN_LABELS["moves"][:20], TEST_LABELS["moves"])


def test_units_do_not_matter():
    labels = (TRAIN_LABELS["direction"], TEST_LABELS["direction"])
    units = np.array([1e-3, 1e3, 1.0, 50.0, 0.2])
    # Each dimension is raised by a share of the average spread, so a common unit changes nothing at all.
    plain, large = (linear_probe(TRAIN * unit, labels[0], TEST * unit, labels[1]) for unit in (1.0, 1e4))
    assert np.array_equal(plain.predicted, large.predicted)
    assert (
        linear_probe(TRAIN[..., 1:2] * units[1], labels[0], TEST[..., 1:2] * units[1], labels[1]).accuracy
        > 0.95
    )


def test_a_dimension_that_never_changes_does_no_harm():
    still = np.concatenate([TRAIN, np.full_like(TRAIN[..., :1], 7.0)], -1)
    still_test = np.concatenate([TEST, np.full_like(TEST[..., :1], 9.0)], -1)
    labels = (TRAIN_LABELS["kind"], TEST_LABELS["kind"])
    assert linear_probe(still, labels[0], still_test, labels[1]).accuracy > 0.95
    nothing = linear_probe(np.ones((20, 3)), [0, 1] * 10, np.ones((4, 3)), [0, 1, 0, 1])
    assert nothing.accuracy == 0.5


@pytest.mark.parametrize(
    ("train", "train_labels", "test", "test_labels", "words"),
    [
        (np.ones((4, 2)), [0, 1, 0, 1], np.ones((2, 3)), [0, 1], "alike in training and test"),
        (np.ones((4, 2)), [0, 1, 0], np.ones((2, 2)), [0, 1], "a label per clip"),
        (np.ones((4, 2)), [0, 1, 0, 1], np.ones((2, 2)), [0], "a label per clip"),
        (np.ones((0, 2)), [], np.ones((2, 2)), [0, 1], "a label per clip"),
        (np.full((4, 2), np.nan), [0, 1, 0, 1], np.ones((2, 2)), [0, 1], "not a number"),
        (np.ones((4, 2)), [0, 1, 0, 1], np.full((2, 2), np.inf), [0, 1], "not a number"),
        (np.ones((4, 2)), ["cat"] * 4, np.ones((2, 2)), ["cat", "dog"], "labeled cat"),
        (np.ones((4, 2)), [("cat", "red")] * 4, np.ones((2, 2)), [("cat", "red")] * 2, "one word or number"),
        (np.ones(4), [0, 1, 0, 1], np.ones(2), [0, 1], "Features are"),
    ],
)
def test_bad_input_is_told_before_training(train, train_labels, test, test_labels, words):
    for probe in (linear_probe, lambda *args: attentive_probe(*args, seed=0)):
        with pytest.raises(CourseError, match=words):
            probe(train, train_labels, test, test_labels)


def test_order_needs_frames():
    flat = (TRAIN[:, 0], TRAIN_LABELS["kind"], TEST[:, 0], TEST_LABELS["kind"])
    for call in (lambda: ladder(*flat, seed=0), lambda: attentive_probe(*flat, seed=0)):
        with pytest.raises(CourseError, match=r"\(clips, frames, dimensions\)"):
            call()
