"""The log-probability of a token from its logits, with the gradient rounded as TRL rounds it.

Knows one function and its derivative. Imports torch at once: import it where it is used.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _LogProbability(torch.autograd.Function):
    """log p of the target, whose gradient is (1 at the target) − p, times what comes from above.

    torch's `log_softmax` computes the same gradient as g − g·p, which rounds otherwise than g·(1 − p) where p
    is close to 1. AdamW, which scales every gradient to one size, makes steps of such differences: some
    weights would be up to 2e-4 from TRL's after 20 steps. With this, SFT and KTO have TRL's very bits.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        log_normalizer = logits.logsumexp(-1)
        ctx.save_for_backward(logits, targets, log_normalizer)
        return logits.gather(-1, targets[..., None])[..., 0] - log_normalizer

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, None]:
        logits, targets, log_normalizer = ctx.saved_tensors
        gradient = -(logits - log_normalizer[..., None]).exp()
        gradient.scatter_add_(-1, targets[..., None], torch.ones_like(gradient[..., :1]))
        return gradient * above[..., None], None


def log_probability(logits: Tensor, targets: Tensor) -> Tensor:
    """The log-probability of each target: (…, vocabulary), int (…) -> (…), in nats."""
    return _LogProbability.apply(logits, targets)
