"""What a model does before and after a training: right captions, fluent ones, log-probabilities, drift.

Knows records, captions and exact verdicts on them. Knows nothing about how a model was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers import world
from helpers.models import small
from helpers.settings import CourseError
from helpers.world import Scene

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_BATCH = 256

#: A prompt with its chosen and its rejected answer.
Pair = tuple[str, str, str]


def accuracy(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, scenes: Sequence[Scene]) -> Tensor:
    """The exact probability that the model answers each scene's record with one of its right captions: (n,).

    No sampling noise: it is the sum of the probabilities of the three right captions.
    """
    _check(scenes, "scene")
    chats = [(world.record(scene), caption) for scene in scenes for caption in world.captions(scene)]
    return small.score(model, tokenizer, chats).exp().view(len(scenes), len(world.STYLES)).sum(1)


@dataclass(frozen=True)
class Samples:
    """One sampled caption per scene, and what the verdicts on them add up to.

    `right` and `valid` are shares of all captions: true and complete, and read by the grammar at all.
    `styles` are the shares of each of `world.STYLES` among the valid ones that have a style.
    """

    captions: list[str]
    right: float
    valid: float
    styles: tuple[float, ...]


def samples(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    scenes: Sequence[Scene],
    seed: int,
    temperature: float = 1.0,
) -> Samples:
    """Sample a caption for each scene's record and judge it."""
    _check(scenes, "scene")
    questions = [world.record(scene) for scene in scenes]
    captions = small.sample(model, tokenizer, questions, seed, temperature)
    verdicts = [world.verify(caption, scene) for caption, scene in zip(captions, scenes, strict=True)]
    styles = [world.style_of(caption) for caption in captions]
    known = [style for style in styles if style is not None]
    return Samples(
        captions,
        right=sum(verdict.true and verdict.complete for verdict in verdicts) / len(verdicts),
        valid=sum(verdict.grammatical for verdict in verdicts) / len(verdicts),
        styles=tuple(known.count(style) / max(1, len(known)) for style in range(len(world.STYLES))),
    )


def drift(
    model: PreTrainedModel,
    ref: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    side_tasks: Sequence[small.Chat],
) -> Tensor:
    """How far the model has moved from `ref` on tasks it was not trained on: (n,), in nats, 0 or more.

    KL(model ‖ ref) over the whole vocabulary at each token of the right answer, summed over the answer.
    """
    import torch

    _check(side_tasks, "side task")
    found = []
    for start in range(0, len(side_tasks), _BATCH):
        ids, answer = small.encode(tokenizer, side_tasks[start : start + _BATCH])
        with torch.no_grad():
            new, old = (
                one(input_ids=ids[:, :-1], use_cache=False).logits.log_softmax(-1) for one in (model, ref)
            )
        found.append(((new.exp() * (new - old)).sum(-1) * answer[:, 1:]).sum(-1))
    return torch.cat(found)


def mean_logps(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Pair]
) -> tuple[float, float]:
    """The mean log-probability of the chosen answers and of the rejected ones, in nats."""
    _check(pairs, "pair")
    chosen = small.score(model, tokenizer, [(prompt, good) for prompt, good, _ in pairs])
    rejected = small.score(model, tokenizer, [(prompt, bad) for prompt, _, bad in pairs])
    return chosen.mean().item(), rejected.mean().item()


def _check(given: Sequence[object], what: str) -> None:
    if not given:
        raise CourseError(f"There is nothing to measure on: give at least one {what}.")
