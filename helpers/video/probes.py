"""Probes: small classifiers on frozen features, which tell what the features make easy to read.

Knows how to train and test one, fairly. Knows nothing about clips or encoders. A probe at chance does not
show that something is missing: a probe of another kind may read it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.settings import CourseError
from helpers.video import controls

if TYPE_CHECKING:
    from torch import Tensor, nn

_STEADY = 0.05  # of the average spread: what a feature's own spread is raised by, so that none is blown up


@dataclass(frozen=True)
class Probed:
    """How a probe did.

    Attributes:
        accuracy: on the test clips.
        train_accuracy: on the clips that it was trained on; far above `accuracy`, it has learned by heart.
        predicted: (test clips,), the labels that it gave.
        chance: what can be had without looking.
    """

    accuracy: float
    train_accuracy: float
    predicted: np.ndarray
    chance: controls.Chance


def linear_probe(
    train: np.ndarray,
    train_labels: Sequence[Hashable],
    test: np.ndarray,
    test_labels: Sequence[Hashable],
    freedom: float = 0.05,
) -> Probed:
    """Logistic regression on standardized features.

    Args:
        train, test: float (clips, dimensions), or (clips, frames, dimensions): then frames are laid end to
            end, in order.
        train_labels, test_labels: one per clip.
        freedom: how large weights may grow, scikit-learn's C; the default is small, as there are often more
            dimensions than clips.

    Raises:
        CourseError: for arrays that do not fit each other or hold what is not a number, or labels of a single
            kind.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    train, test, goal, wanted = _checked(train, train_labels, test, test_labels)
    (train, test) = (part.reshape(len(part), -1) for part in (train, test))
    train, test = _standardized(train, test)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # long before the last digits, accuracy is settled
        probe = LogisticRegression(C=freedom, max_iter=1000).fit(train, goal)
    return _probed(probe.predict(train), probe.predict(test), goal, wanted)


def attentive_probe(
    train: np.ndarray,
    train_labels: Sequence[Hashable],
    test: np.ndarray,
    test_labels: Sequence[Hashable],
    seed: int,
    positions: bool = True,
    steps: int = 300,
) -> Probed:
    """One learned question, put to all frames by attention, and a linear classifier of the answer.

    As V-JEPA is probed (Bardes et al. 2024, arXiv:2404.08471), smaller: width 64, four heads, AdamW, batches
    of 64. Features of single frames do not know when they were taken, so the probe adds what it learns about
    each position; without that it is blind to order, and a control.

    Args:
        train, test: float (clips, frames, dimensions).
        train_labels, test_labels: one per clip.
        seed: of the weights and of the batches.
        positions: whether the probe knows which frame comes when.
        steps: of training.

    Raises:
        CourseError: as `linear_probe` does, and for features without frames.
    """
    import torch
    from torch.nn import functional

    from helpers.models.threads import threads

    train, test, goal, wanted = _checked(train, train_labels, test, test_labels)
    if train.ndim != 3:
        raise CourseError(
            f"An attentive probe needs features (clips, frames, dimensions), not {train.shape}."
        )
    flat, flat_test = _standardized(*(part.reshape(-1, part.shape[-1]) for part in (train, test)))
    inputs, test_inputs = (
        torch.from_numpy(part.reshape(shape).astype(np.float32))
        for part, shape in ((flat, train.shape), (flat_test, test.shape))
    )
    classes, targets = np.unique(goal, return_inverse=True)
    labels = torch.from_numpy(targets)
    with threads(1), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        probe = _attentive(train.shape[2], train.shape[1] if positions else None, len(classes))
        optimizer = torch.optim.AdamW(probe.parameters(), lr=2e-3, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(steps):
            batch = torch.randint(len(labels), (64,))
            functional.cross_entropy(probe(inputs[batch]), labels[batch]).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        with torch.no_grad():
            found = [classes[_in_batches(probe, part)] for part in (inputs, test_inputs)]
    return _probed(*found, goal, wanted)


def ladder(
    train: np.ndarray,
    train_labels: Sequence[Hashable],
    test: np.ndarray,
    test_labels: Sequence[Hashable],
    seed: int,
    probe: Callable[..., Probed] = linear_probe,
) -> dict[str, Probed]:
    """The same probe on less and less of the clips, from nothing to all frames in order.

    Args:
        train, test: float (clips, frames, dimensions).
        train_labels, test_labels: one per clip.
        seed: of what is random in the controls.
        probe: what to call with train, train_labels, test and test_labels; by default a linear one.

    Returns:
        by name, from bottom to top: "shuffled labels" (in order, trained on dealt labels), "random frame",
        "bag of frames", "shuffled frames" and "in order". What order is worth is "in order" minus "bag".
    """
    train, test, train_labels, test_labels = _checked(train, train_labels, test, test_labels)
    if train.ndim != 3:
        raise CourseError(f"A ladder needs features (clips, frames, dimensions), not {train.shape}.")

    def run(change: Callable[[np.ndarray, int], np.ndarray], labels: np.ndarray = train_labels) -> Probed:
        return probe(change(train, 2 * seed), labels, change(test, 2 * seed + 1), test_labels)

    def one_frame(features: np.ndarray, seed: int) -> np.ndarray:
        return controls.random_frame(features, seed)[:, None]

    return {
        "shuffled labels": run(lambda features, _: features, controls.shuffled_labels(train_labels, seed)),
        "random frame": run(one_frame),
        "bag of frames": run(lambda features, _: controls.bag(features)[:, None]),
        "shuffled frames": run(controls.shuffled),
        "in order": run(lambda features, _: features),
    }


# --- plumbing -----------------------------------------------------------------------------------------------


def _checked(
    train: np.ndarray, train_labels: Sequence[Hashable], test: np.ndarray, test_labels: Sequence[Hashable]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All four as arrays that fit each other."""
    train, test = (np.asarray(part, dtype=np.float64) for part in (train, test))
    goal, wanted = np.asarray(train_labels), np.asarray(test_labels)
    if train.ndim not in (2, 3) or train.shape[1:] != test.shape[1:]:
        raise CourseError(
            "Features are (clips, dimensions) or (clips, frames, dimensions), alike in training and test; "
            f"not {train.shape} and {test.shape}."
        )
    if 0 in train.shape or 0 in test.shape or (len(train), len(test)) != (len(goal), len(wanted)):
        raise CourseError(
            f"A probe needs a label per clip: {len(train)} and {len(test)} clips, "
            f"{len(goal)} and {len(wanted)} labels."
        )
    if goal.ndim != 1 or wanted.ndim != 1:
        raise CourseError("A label is one word or number: join what consists of several, such as (cat, red).")
    if not (np.isfinite(train).all() and np.isfinite(test).all()):
        raise CourseError("A feature is not a number (NaN or infinite): look at the encoder.")
    if len(set(goal.tolist())) < 2:
        raise CourseError(
            f"All training clips are labeled {goal[0]!s}: a probe needs two labels to tell apart."
        )
    return train, test, goal, wanted


def _standardized(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both with the mean and the spread of the training clips, dimension by dimension."""
    spread = train.std(axis=0)
    scale = spread + _STEADY * spread.mean()
    scale[scale == 0] = 1.0
    return (train - train.mean(axis=0)) / scale, (test - train.mean(axis=0)) / scale


def _probed(seen: np.ndarray, predicted: np.ndarray, goal: np.ndarray, wanted: np.ndarray) -> Probed:
    level = controls.chance(goal, wanted)
    return Probed(float((predicted == wanted).mean()), float((seen == goal).mean()), predicted, level)


def _in_batches(probe: nn.Module, inputs: Tensor) -> np.ndarray:
    """The number of the class for each clip."""
    return np.concatenate([probe(part).argmax(1).numpy() for part in inputs.split(512)])


def _attentive(
    dimensions: int, frames: int | None, classes: int, width: int = 64, heads: int = 4
) -> nn.Module:
    """The attentive probe; with `frames`, one that knows positions."""
    import torch
    from torch import nn

    class Attentive(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(dimensions, width)
            self.places = nn.Parameter(torch.randn(1, frames, width)) if frames else None
            self.question = nn.Parameter(torch.randn(1, 1, width))
            self.attend = nn.MultiheadAttention(width, heads, batch_first=True)
            self.classify = nn.Linear(width, classes)

        def forward(self, features: Tensor) -> Tensor:
            """(clips, frames, dimensions) -> (clips, classes)."""
            tokens = self.embed(features)
            if self.places is not None:
                tokens = tokens + self.places
            question = self.question.expand(len(tokens), -1, -1)
            answer, _ = self.attend(question, tokens, tokens, need_weights=False)
            return self.classify(answer[:, 0])

    return Attentive()
