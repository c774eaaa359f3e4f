"""What must fail if a probe's success means what it seems to: features with something taken away.

Knows arrays of frame features and labels. Knows nothing about probes or about where features come from.

Features are float (clips, frames, dimensions) everywhere; labels are any sequence of one word each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.settings import CourseError

if TYPE_CHECKING:
    from torch import nn


# --- less of the clip ---------------------------------------------------------------------------------------


def random_frame(features: np.ndarray, seed: int) -> np.ndarray:
    """One frame of each clip, a different one for each: (clips, dimensions).

    The control for "one picture is enough". The same frame of every clip would not do: what walks left starts
    on the right, so a *fixed* frame tells direction by where the animal is.
    """
    clips, frames = features.shape[:2]
    return features[np.arange(clips), np.random.default_rng(seed).integers(frames, size=clips)]


def fixed_frame(features: np.ndarray, index: int) -> np.ndarray:
    """Frame `index` of each clip: (clips, dimensions). It leaks direction; see `random_frame`."""
    return features[:, index]


def bag(features: np.ndarray) -> np.ndarray:
    """The mean over frames: (clips, dimensions). All frames, without their order."""
    return features.mean(axis=1)


def shuffled(features: np.ndarray, seed: int) -> np.ndarray:
    """Each clip's frames in an order of its own: (clips, frames, dimensions).

    As large as the ordered features, so a probe of many weights may overfit it; `bag` has the same
    information in fewer numbers. Compare with both.
    """
    clips, frames = features.shape[:2]
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(frames), (clips, 1)), axis=1)
    return features[np.arange(clips)[:, None], order]


def backward(features: np.ndarray) -> np.ndarray:
    """Each clip played backwards: (clips, frames, dimensions).

    For a probe that was trained forward: one that uses order then names the reversed verb.
    """
    return features[:, ::-1]


# --- other labels -------------------------------------------------------------------------------------------


def shuffled_labels(labels: Sequence[Hashable], seed: int) -> np.ndarray:
    """The labels dealt to other clips: what a probe of this size learns by heart. Train on these.

    On average the test then gives chance. A single deal may not: clips that look alike are all named right
    or all wrong together, so that two labels which features tell apart well give anything from 0 to 1.
    """
    return np.random.default_rng(seed).permutation(np.asarray(labels))


def control_labels(types: Sequence[Hashable], labels: Sequence[Hashable], seed: int) -> np.ndarray:
    """The control task of Hewitt and Liang (2019, arXiv:1909.03368): a random label for each *type*.

    Clips of one type share a label, drawn with the labels' own frequencies, so the task can only be done by
    recognizing types and remembering. Take types that the features *may* recognize without knowing what is
    asked, and of which the test clips have seen ones: with kinds and colors as types it tells how much of
    appearance is remembered, which is no control for verbs.

    Args:
        types: one per clip, training and test clips together.
        labels: the real labels of the same clips.
        seed: of the draw.

    Returns:
        a label per clip.

    Raises:
        CourseError: if there are not as many types as labels.
    """
    if len(types) != len(labels):
        raise CourseError(f"A control task needs a type per clip: {len(types)} types, {len(labels)} labels.")
    pool, chance = np.asarray(labels), np.random.default_rng(seed)
    drawn = {kind: pool[chance.integers(len(pool))] for kind in dict.fromkeys(types)}
    return np.asarray([drawn[kind] for kind in types])


def selectivity(task: float, control: float) -> float:
    """Accuracy on the task beyond accuracy on its control task (Hewitt and Liang 2019)."""
    return task - control


# --- no knowledge at all ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chance:
    """What can be had without looking at any clip.

    Attributes:
        majority: accuracy on the test of always naming the training clips' commonest label.
        guessing: expected accuracy of naming labels as often as the training clips have them.
    """

    majority: float
    guessing: float


def chance(train_labels: Sequence[Hashable], test_labels: Sequence[Hashable]) -> Chance:
    """Both levels, from these labels. A probe must beat `majority`: with rare labels it is far above 1/n.

    Of labels that are equally common in training, the one that is commonest in the test counts.

    Raises:
        CourseError: without labels.
    """
    if not len(train_labels) or not len(test_labels):
        raise CourseError("Chance needs labels of training and of test clips.")
    train, test = Counter(np.asarray(train_labels).tolist()), Counter(np.asarray(test_labels).tolist())
    most = max(train.values())
    majority = max(test[label] for label, count in train.items() if count == most) / test.total()
    guessing = sum(count * test[label] for label, count in train.items()) / (train.total() * test.total())
    return Chance(majority, guessing)


def untrained(network: nn.Module, seed: int) -> nn.Module:
    """A copy of the network with all its weights drawn anew: the random encoder, in eval mode.

    What its features tell is owed to the architecture and to the probe, not to training.

    Raises:
        CourseError: if a module holds weights of its own and has no `reset_parameters` to draw them anew.
    """
    import copy

    import torch

    fresh = copy.deepcopy(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, module in fresh.named_modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
            elif next(module.parameters(recurse=False), None) is not None:
                raise CourseError(f"{name or type(module).__name__} needs a method reset_parameters().")
    return fresh.eval()
