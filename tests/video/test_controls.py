"""Each control takes away what it says, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.settings import CourseError
from helpers.video import controls

FEATURES = np.arange(40 * 6 * 2, dtype=float).reshape(40, 6, 2)  # every number names its clip and frame


def test_a_random_frame_is_one_of_the_clip_and_not_always_the_same():
    one = controls.random_frame(FEATURES, 0)
    assert one.shape == (40, 2)
    where = (one[:, 0] // 2).astype(int)
    assert np.array_equal(where // 6, np.arange(40))
    assert set(where % 6) == set(range(6))
    assert np.array_equal(one, controls.random_frame(FEATURES, 0))
    assert not np.array_equal(one, controls.random_frame(FEATURES, 1))


def test_a_fixed_frame_leaks_direction_and_a_random_one_does_not():
    path = np.array([-5.0, -3.0, -1.0, 1.0, 3.0, 5.0])
    direction = np.arange(40) % 2
    clips = np.where(direction[:, None] == 1, path, -path)[..., None]
    assert set(controls.fixed_frame(clips, 0)[direction == 1, 0]) == {-5.0}
    assert set(controls.fixed_frame(clips, 0)[direction == 0, 0]) == {5.0}
    picked = controls.random_frame(clips, 0)[:, 0]
    assert set(picked[direction == 1]) == set(picked[direction == 0]) == set(path)


def test_shuffled_clips_keep_their_frames_and_lose_their_order():
    mixed = controls.shuffled(FEATURES, 0)
    assert mixed.shape == FEATURES.shape
    assert np.array_equal(np.sort(mixed, axis=1), FEATURES)
    orders = {tuple(clip[:, 0] - clip[:, 0].min()) for clip in mixed}
    assert len(orders) > 30  # an order of its own for each clip


def test_backward_and_bag():
    assert np.array_equal(controls.backward(FEATURES)[3, 0], FEATURES[3, -1])
    assert np.allclose(controls.bag(FEATURES), controls.bag(controls.shuffled(FEATURES, 0)))
    assert controls.bag(FEATURES).shape == (40, 2)


def test_shuffled_labels_are_the_same_ones():
    labels = ["cat"] * 30 + ["dog"] * 10
    dealt = controls.shuffled_labels(labels, 0)
    assert sorted(dealt) == labels
    assert list(dealt) != labels


def test_a_control_task_labels_types_with_the_labels_frequencies():
    types = [f"type {index % 500}" for index in range(2000)]
    labels = np.array(["yes"] * 1500 + ["no"] * 500)
    drawn = controls.control_labels(types, labels, 0)
    assert len(drawn) == 2000
    for kind in ("type 3", "type 77"):
        assert len({label for name, label in zip(types, drawn, strict=True) if name == kind}) == 1
    assert 0.68 < (drawn == "yes").mean() < 0.82
    assert 0.4 < (drawn == labels).mean() < 0.75  # it has nothing to do with the real ones
    assert not np.array_equal(drawn, controls.control_labels(types, labels, 1))
    pairs = controls.control_labels([("cat", "red"), ("dog", "red"), ("cat", "red")], [0, 1, 1], 0)
    assert pairs[0] == pairs[2]
    with pytest.raises(CourseError, match="2 types, 3 labels"):
        controls.control_labels(["a", "b"], [0, 1, 0], 0)


def test_selectivity():
    assert controls.selectivity(0.9, 0.6) == pytest.approx(0.3)


def test_chance_is_computed_from_the_labels():
    level = controls.chance([0] * 80 + [1] * 20, [0] * 70 + [1] * 30)
    assert level.majority == pytest.approx(0.70)
    assert level.guessing == pytest.approx(0.8 * 0.7 + 0.2 * 0.3)
    assert controls.chance(["a", "b"], ["b", "b", "a"]).majority == pytest.approx(
        2 / 3
    )  # of equals, the best
    assert controls.chance(["a"], ["b"]).majority == 0
    for empty in (([], ["a"]), (["a"], [])):
        with pytest.raises(CourseError, match="needs labels"):
            controls.chance(*empty)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(0, 3))
def test_majority_is_what_always_naming_the_commonest_gets(labels, extra):
    labels = [*labels, extra]
    best = max(labels.count(label) for label in set(labels)) / len(labels)
    assert controls.chance(labels, labels).majority == pytest.approx(best)
    assert controls.chance(labels, labels).guessing <= best + 1e-9


def test_an_untrained_copy_has_other_weights_and_leaves_the_network_alone():
    import torch
    from torch import nn

    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 2)).train()
    before = [weights.clone() for weights in network.parameters()]
    torch.manual_seed(9)
    expected = torch.rand(2)
    torch.manual_seed(9)
    fresh, again, other = (controls.untrained(network, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(2), expected)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), before, strict=True))
    inputs = torch.rand(5, 3, 8, 8)
    assert torch.equal(fresh(inputs), again(inputs))
    assert not torch.allclose(fresh(inputs), other(inputs))
    assert not torch.allclose(fresh[0].weight, network[0].weight)
    assert network.training
    assert not fresh.training


def test_weights_that_nothing_can_draw_anew_are_told():
    import torch
    from torch import nn

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3))

    with pytest.raises(CourseError, match="Own needs a method reset_parameters"):
        controls.untrained(Own(), 0)
    with pytest.raises(CourseError, match="1 needs a method"):
        controls.untrained(nn.Sequential(nn.Linear(2, 2), Own()), 0)
