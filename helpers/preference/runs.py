"""What a training run is asked for and what it gives, the order of its rows, and what can be wrong before it.

Knows settings, rows in TRL's conversational formats, and what a model can read. Knows nothing about losses,
and nothing about how the training is done: `train` does it with TRL and `fast` in a plain loop, both on
exactly what `prepare` gives them.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from helpers.data import formats
from helpers.models import small
from helpers.settings import CourseError

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Method = Literal["sft", "dpo", "dpo+sft", "kto", "apo_zero", "apo_down", "apo_zero_unpaired"]

#: The methods that learn from pairs, and those that learn from thumbs.
PAIRED: tuple[Method, ...] = ("dpo", "dpo+sft", "apo_zero", "apo_down")
UNPAIRED: tuple[Method, ...] = ("kto", "apo_zero_unpaired")


@dataclass(frozen=True)
class Settings:
    """One training run: AdamW without weight decay, a constant rate after the warm-up, clipped at norm 1.

    `batch_size` counts rows of the data: answers for SFT and thumbs, pairs for the rest. `beta` and the
    weights matter to the methods that have them; `sft_weight` to ``dpo+sft`` only. As in TRL the warm-up
    starts from a learning rate of 0, so a first step of a warm-up changes nothing.
    """

    method: Method
    learning_rate: float
    steps: int
    batch_size: int
    beta: float = 0.1
    desirable_weight: float = 1.0
    undesirable_weight: float = 1.0
    sft_weight: float = 1.0
    warmup_steps: int = 5
    seed: int = 0
    shuffle: bool = True

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise CourseError(
                f"There is no method {self.method!r}: take one of {', '.join(get_args(Method))}."
            )
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise CourseError(f"{name} is {getattr(self, name)}, and must be at least 1.")
        for name in ("learning_rate", "beta"):
            if not 0 < getattr(self, name) < math.inf:
                raise CourseError(f"{name} is {getattr(self, name)}, and must be a number above 0.")
        for name in ("desirable_weight", "undesirable_weight", "sft_weight", "warmup_steps"):
            if not 0 <= getattr(self, name) < math.inf:
                raise CourseError(f"{name} is {getattr(self, name)}, and must be a number from 0 up.")
        if self.method == "kto" and self.batch_size == 1:
            raise CourseError(
                "KTO needs a batch size of 2 or more: its reference point pairs each prompt with another "
                "row's answer, and in a batch of one that is the prompt's own."
            )


@dataclass(frozen=True)
class Run:
    """A trained copy of the model, and one dict of TRL's metrics per step, under TRL's names."""

    model: PreTrainedModel
    log: list[dict[str, float]]

    def curve(self, name: str) -> list[float]:
        """A metric over the steps that have it: a batch without thumbs up has no rewards/chosen."""
        return [entry[name] for entry in self.log if name in entry]


#: The tokens of a prompt, and those of an answer to it.
Tokens = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Prepared:
    """Data that have passed every check, as tokens, and the rows of each step.

    `answered` holds each row's prompt with its answer; for pairs that is the chosen one, and `rejected` holds
    the prompt with the other. `labels` is there for thumbs. `steps` lists the rows of each step, all of one
    size.
    """

    answered: list[Tokens]
    rejected: list[Tokens]
    labels: list[bool]
    steps: list[list[int]]


def prepare(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    data: Dataset,
    settings: Settings,
    ref_model: PreTrainedModel | None,
) -> Prepared:
    """Check everything that a run needs before it starts.

    Raises:
        CourseError: for data of another format, without rows, with thumbs of one kind only or labels that are
            not bools; for a chat longer than the model's context; for a model or reference with weights that
            are not finite, or of another vocabulary than the tokenizer's.
    """
    _check_models(model, tokenizer, ref_model)
    paired, thumbs = settings.method in PAIRED, settings.method in UNPAIRED
    formats.check(data, "paired" if paired else "unpaired" if thumbs else "prompt_completion")
    labels = _labels(data) if thumbs else []
    context = getattr(model.config, "max_position_embeddings", None)
    answered = _tokens(tokenizer, formats.chats_of(data, "chosen" if paired else "completion"), context)
    rejected = _tokens(tokenizer, formats.chats_of(data, "rejected"), context) if paired else []
    return Prepared(answered, rejected, labels, order(len(data), settings))


def order(count: int, settings: Settings) -> list[list[int]]:
    """Which rows each step sees: `settings.steps` lists of `settings.batch_size` numbers below `count`.

    One permutation of all rows after another, each drawn from `settings.seed` (or in the order of the data,
    without `shuffle`), cut into batches of equal size that may reach over into the next permutation. So no
    batch is smaller than the others: a last batch of one would pair a prompt with its own answer in KTO.
    """
    import torch

    generator = torch.Generator().manual_seed(settings.seed)
    rows: list[int] = []
    while len(rows) < settings.steps * settings.batch_size:
        rows += torch.randperm(count, generator=generator).tolist() if settings.shuffle else range(count)
    size = settings.batch_size
    return [rows[step * size : (step + 1) * size] for step in range(settings.steps)]


def fresh_copy(model: PreTrainedModel) -> PreTrainedModel:
    """A copy that shares nothing with `model`, and has no gradients left over.

    TRL's trainers replace `forward` on the model object itself, and a plain deepcopy of such a model goes on
    running the *original's* weights. The copy runs its own.
    """
    made = copy.deepcopy(model)
    made.__dict__.pop("forward", None)
    made.zero_grad()
    return made


def not_finite(step: int) -> CourseError:
    """The error of a run whose loss or gradient is NaN or infinite at a step, counted from 1."""
    return CourseError(
        f"At step {step} the loss or its gradient is not a finite number: lower the learning rate and start "
        "again. The model that you gave is as it was."
    )


# --- the checks ---------------------------------------------------------------------------------------------


def _check_models(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, ref_model: PreTrainedModel | None
) -> None:
    for name, one in (("model", model), ("reference model", ref_model)):
        if one is None:
            continue
        size = one.get_input_embeddings().weight.shape[0]
        if size < len(tokenizer) or size != model.get_input_embeddings().weight.shape[0]:
            raise CourseError(
                f"The {name} knows {size} tokens and the tokenizer {len(tokenizer)}: take a model, "
                "a reference and a tokenizer of one vocabulary."
            )
        for weights, values in one.named_parameters():
            if not values.isfinite().all():
                raise CourseError(f"The {name} is broken: {weights} is not finite. Load it anew.")


def _labels(data: Dataset) -> list[bool]:
    labels = list(data["label"])
    if len(set(labels)) == 1:
        raise CourseError(
            f"All {len(labels)} thumbs are {'up' if labels[0] else 'down'}: collect some of the other kind, "
            "or use SFT if there are only thumbs up. (To leave one kind out of a run, set its weight to 0.)"
        )
    return labels


def _tokens(tokenizer: PreTrainedTokenizerBase, chats: list[small.Chat], context: int | None) -> list[Tokens]:
    ids, answer = small.encode(tokenizer, chats)
    if context is not None and answer.shape[1] > context:
        row = answer[:, context:].any(1).nonzero()[0].item()
        raise CourseError(
            f"Row {row + 1} has more than the {context} tokens that the model reads: shorten its prompt or "
            "leave it out."
        )
    starts = answer.int().argmax(1).tolist()
    return [
        (row[:start].tolist(), row[where].tolist())
        for row, where, start in zip(ids, answer, starts, strict=True)
    ]
