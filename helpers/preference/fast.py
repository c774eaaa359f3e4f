"""The training of `train` in a plain loop: for sweeps over seeds and settings, where TRL takes too long.

Knows how TRL's SFT, DPO and KTO trainers compute a step, and takes the same steps on the same rows: a test
holds the weights to TRL's after 20 steps. Knows nothing of TRL itself, of several devices, of mixed precision
or of adapters: for those there is `train`.

What makes it fast: all rows become tokens once, the frozen reference reads each of them once and in large
batches, nothing is measured that is not logged, and only the answers' positions are turned into logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.models.threads import threads
from helpers.preference import losses
from helpers.preference.runs import (
    PAIRED,
    Prepared,
    Run,
    Settings,
    Tokens,
    fresh_copy,
    not_finite,
    prepare,
)

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_REFERENCE_BATCH = 256


def train_fast(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    data: Dataset,
    settings: Settings,
    ref_model: PreTrainedModel | None = None,
) -> Run:
    """Train a copy of `model` on `data`, as `train` does, with no progress bar: it takes a second or two.

    Args:
        data: rows as `helpers.data.formats` makes them for the method.
        ref_model: the frozen reference; the model as it is given, unless named.

    Raises:
        CourseError: as `runs.prepare`, before any training; or at the step where the loss or its gradient is
            not finite.
    """
    prepared = prepare(model, tokenizer, data, settings, ref_model)
    with threads(1):
        rows = _Rows(prepared, settings, fresh_copy(ref_model or model).eval())
        policy = fresh_copy(model).train()
        log = _fit(policy, rows, settings)
    return Run(policy.eval(), log)


@dataclass
class _Sequences:
    """Chats as right-padded tokens, (n, length), and where they answer, bool (n, length)."""

    ids: Tensor
    answer: Tensor

    def take(self, rows: Tensor | slice) -> _Sequences:
        """Some rows, without the columns in which all of them are padding."""
        answer = self.answer[rows]
        length = int(answer.any(0).nonzero()[-1]) + 1
        return _Sequences(self.ids[rows, :length], answer[:, :length])


class _Rows:
    """What each step reads: sequences with the reference's log-probabilities of their answers.

    Of pairs the chosen answers come first, then the rejected. For KTO there are also each step's mismatched
    sequences: each prompt with the answer of the row before it, the first with the last's, as in TRL.
    """

    def __init__(self, prepared: Prepared, settings: Settings, ref: PreTrainedModel) -> None:
        import torch

        self.steps = [torch.tensor(rows) for rows in prepared.steps]
        self.pairs = len(prepared.rejected)
        self.size = settings.batch_size
        self.labels = torch.tensor(prepared.labels, dtype=torch.bool, device=ref.device)
        self.sequences = _sequences(prepared.answered + prepared.rejected, ref.device)
        if settings.method != "sft":
            self.ref_logps = _score(ref, self.sequences)
        if settings.method == "kto":
            rows = prepared.answered
            self.mismatched = _sequences(
                [
                    (rows[row][0], rows[before][1])
                    for step in prepared.steps
                    for row, before in zip(step, (step[-1], *step[:-1]), strict=True)
                ],
                ref.device,
            )
            self.ref_kl_logps = _score(ref, self.mismatched)

    def pairs_of(self, step: int) -> Tensor:
        """The rows of a step's chosen answers and then those of its rejected ones: (2 * batch,)."""
        import torch

        rows = self.steps[step]
        return torch.cat([rows, rows + self.pairs])

    def mismatched_of(self, step: int) -> slice:
        return slice(step * self.size, (step + 1) * self.size)


def _sequences(rows: Sequence[Tokens], device: torch.device) -> _Sequences:
    import torch
    from torch.nn.utils.rnn import pad_sequence

    ids = pad_sequence([torch.tensor(prompt + answer) for prompt, answer in rows], batch_first=True)
    starts = torch.tensor([len(prompt) for prompt, _ in rows])[:, None]
    ends = starts + torch.tensor([len(answer) for _, answer in rows])[:, None]
    columns = torch.arange(ids.shape[1])
    return _Sequences(ids.to(device), ((starts <= columns) & (columns < ends)).to(device))


def _token_logps(model: PreTrainedModel, sequences: _Sequences) -> Tensor:
    """The log-probability of every answer's tokens, (tokens,), one sequence after the other."""
    from helpers.preference.logprob import log_probability

    hidden = model.base_model(input_ids=sequences.ids[:, :-1], use_cache=False).last_hidden_state
    where = sequences.answer[:, 1:]
    return log_probability(model.get_output_embeddings()(hidden[where]), sequences.ids[:, 1:][where])


def _sums(token_logps: Tensor, sequences: _Sequences) -> Tensor:
    """The log-probability of each answer: (tokens,) -> (n,)."""
    where = sequences.answer[:, 1:]
    return token_logps.new_zeros(where.shape).masked_scatter(where, token_logps).sum(1)


def _score(model: PreTrainedModel, sequences: _Sequences) -> Tensor:
    """The log-probability of each answer, without gradients: (n,)."""
    import torch

    with torch.no_grad():
        parts = [
            sequences.take(slice(start, start + _REFERENCE_BATCH))
            for start in range(0, len(sequences.ids), _REFERENCE_BATCH)
        ]
        return torch.cat([_sums(_token_logps(model, part), part) for part in parts])


def _fit(policy: PreTrainedModel, rows: _Rows, settings: Settings) -> list[dict[str, float]]:
    import torch

    parameters = [one for one in policy.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, betas=(0.9, 0.999), weight_decay=0.0, fused=True
    )
    log = []
    for step in range(settings.steps):
        warm = step / settings.warmup_steps if step < settings.warmup_steps else 1.0
        rate = warm * settings.learning_rate
        optimizer.param_groups[0]["lr"] = rate
        loss, metrics = _loss(policy, rows, step, settings)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        if not (loss + norm).isfinite():
            raise not_finite(step + 1)
        optimizer.step()
        optimizer.zero_grad()
        log.append({"loss": loss.item(), "grad_norm": norm.item(), "learning_rate": rate, **metrics})
    return log


def _loss(
    policy: PreTrainedModel, rows: _Rows, step: int, settings: Settings
) -> tuple[Tensor, dict[str, float]]:
    """The loss of a step, a scalar, and what TRL logs about it."""
    if settings.method in PAIRED:
        return _loss_of_pairs(policy, rows, step, settings)
    batch = rows.sequences.take(rows.steps[step])
    token_logps = _token_logps(policy, batch)
    if settings.method == "sft":
        return -token_logps.mean(), {}
    return _loss_of_thumbs(policy, rows, step, settings, _sums(token_logps, batch))


def _loss_of_pairs(
    policy: PreTrainedModel, rows: _Rows, step: int, settings: Settings
) -> tuple[Tensor, dict[str, float]]:
    both = rows.pairs_of(step)
    batch = rows.sequences.take(both)
    token_logps = _token_logps(policy, batch)
    logps = _finite(_sums(token_logps, batch), step)
    chosen, rejected = logps.chunk(2)
    function = _OF_PAIRS[settings.method]
    values, up, down = function(chosen, rejected, *rows.ref_logps[both].chunk(2), beta=settings.beta)
    loss = values.mean()
    if settings.method == "dpo+sft":
        # The mean over all tokens of all chosen answers, so that long answers count for more.
        tokens_chosen = int(batch.answer[: len(chosen)].sum())
        loss = loss - settings.sft_weight * token_logps[:tokens_chosen].mean()
    return loss, {
        "rewards/chosen": up.mean().item(),
        "rewards/rejected": down.mean().item(),
        "rewards/accuracies": (up > down).float().mean().item(),
        "rewards/margins": (up - down).mean().item(),
        "logps/chosen": chosen.mean().item(),
        "logps/rejected": rejected.mean().item(),
    }


def _loss_of_thumbs(
    policy: PreTrainedModel, rows: _Rows, step: int, settings: Settings, logps: Tensor
) -> tuple[Tensor, dict[str, float]]:
    desirable = rows.labels[rows.steps[step]]
    ref_logps = rows.ref_logps[rows.steps[step]]
    weights = (settings.beta, settings.desirable_weight, settings.undesirable_weight)
    _finite(logps, step)
    if settings.method == "kto":
        mismatched = rows.mismatched_of(step)
        policy_kl_logps = _score(policy, rows.mismatched.take(mismatched))
        kl = losses.kto_reference_point(policy_kl_logps, rows.ref_kl_logps[mismatched])
        values, rewards = losses.kto_loss(logps, ref_logps, desirable, kl, *weights)
        metrics = {"kl": kl.item()}
    else:
        values, rewards = losses.apo_zero_unpaired_loss(logps, ref_logps, desirable, *weights)
        metrics = {"kl": 0.0}
    for side, which in (("chosen", desirable), ("rejected", ~desirable)):
        if which.any():  # a batch may hold thumbs of one kind only
            metrics[f"rewards/{side}"] = rewards[which].mean().item()
            metrics[f"logps/{side}"] = logps[which].mean().item()
    if {"rewards/chosen", "rewards/rejected"} <= metrics.keys():
        metrics["rewards/margins"] = metrics["rewards/chosen"] - metrics["rewards/rejected"]
    return values.mean(), metrics


def _finite(logps: Tensor, step: int) -> Tensor:
    if not logps.isfinite().all():
        raise not_finite(step + 1)
    return logps


_OF_PAIRS = {
    "dpo": losses.dpo_loss,
    "dpo+sft": losses.dpo_loss,
    "apo_zero": losses.apo_zero_loss,
    "apo_down": losses.apo_down_loss,
}
