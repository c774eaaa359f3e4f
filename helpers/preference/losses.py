"""The preference losses, each a pure function from log-probabilities to a loss per example.

Knows log-probabilities of whole answers, summed over their tokens, in nats. Knows nothing about the models
that gave them, about batches of text or about training.

Names are TRL's. In all of them `policy_…` is the model in training, `ref_…` the frozen reference, and the
log-ratio r(x, y) = log π(y|x) − log π_ref(y|x) is their difference. A reward is β r, without a gradient.
Every function raises a CourseError for a batch that is empty, of unequal lengths, or not finite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers.settings import CourseError

if TYPE_CHECKING:
    from torch import Tensor

# --- pairs: a chosen and a rejected answer to the same prompt -----------------------------------------------


def dpo_loss(
    policy_chosen_logps: Tensor,
    policy_rejected_logps: Tensor,
    ref_chosen_logps: Tensor,
    ref_rejected_logps: Tensor,
    beta: float = 0.1,
) -> tuple[Tensor, Tensor, Tensor]:
    """Direct preference optimization: losses, chosen rewards and rejected rewards, each (batch,).

    L = −log σ(β r_chosen − β r_rejected). Where nothing has been learned yet it is log 2.

    Source: Rafailov et al., 2023, arXiv:2305.18290, equation 7.
    """
    from torch.nn.functional import logsigmoid

    chosen, rejected = _log_ratios(
        policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps
    )
    return -logsigmoid(beta * (chosen - rejected)), beta * chosen.detach(), beta * rejected.detach()


def apo_zero_loss(
    policy_chosen_logps: Tensor,
    policy_rejected_logps: Tensor,
    ref_chosen_logps: Tensor,
    ref_rejected_logps: Tensor,
    beta: float = 0.1,
) -> tuple[Tensor, Tensor, Tensor]:
    """Anchored preference optimization, zero: losses, chosen rewards and rejected rewards, each (batch,).

    L = −σ(β r_chosen) + σ(β r_rejected), plus the constant 1: the chosen answer is pushed up and the rejected
    one down, each from where the reference has it. For winners better than the model. 1 before any learning.

    Source: D'Oosterlinck et al., 2024, arXiv:2408.06266, equation 7; the constant as in TRL.
    """
    chosen, rejected = _log_ratios(
        policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps
    )
    losses = 1 - (beta * chosen).sigmoid() + (beta * rejected).sigmoid()
    return losses, beta * chosen.detach(), beta * rejected.detach()


def apo_down_loss(
    policy_chosen_logps: Tensor,
    policy_rejected_logps: Tensor,
    ref_chosen_logps: Tensor,
    ref_rejected_logps: Tensor,
    beta: float = 0.1,
) -> tuple[Tensor, Tensor, Tensor]:
    """Anchored preference optimization, down: losses, chosen rewards and rejected rewards, each (batch,).

    L = σ(β r_chosen) − σ(β r_chosen − β r_rejected), plus the constant 1: the chosen answer is pushed down,
    and the rejected one further. For a model that is better than the winners. 1 before any learning, and the
    two forces on the chosen answer cancel there.

    Source: D'Oosterlinck et al., 2024, arXiv:2408.06266, equation 8; the constant as in TRL.
    """
    chosen, rejected = _log_ratios(
        policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps
    )
    losses = (beta * chosen).sigmoid() + 1 - (beta * (chosen - rejected)).sigmoid()
    return losses, beta * chosen.detach(), beta * rejected.detach()


def _log_ratios(
    policy_chosen_logps: Tensor,
    policy_rejected_logps: Tensor,
    ref_chosen_logps: Tensor,
    ref_rejected_logps: Tensor,
) -> tuple[Tensor, Tensor]:
    _check(
        policy_chosen_logps=policy_chosen_logps,
        policy_rejected_logps=policy_rejected_logps,
        ref_chosen_logps=ref_chosen_logps,
        ref_rejected_logps=ref_rejected_logps,
    )
    return policy_chosen_logps - ref_chosen_logps, policy_rejected_logps - ref_rejected_logps


# --- thumbs: one answer, desirable or not -------------------------------------------------------------------


def kto_reference_point(policy_kl_logps: Tensor, ref_kl_logps: Tensor) -> Tensor:
    """KTO's reference point z₀ for a batch: a scalar, without a gradient.

    Both are log-probabilities (batch,) of answers beside prompts they do *not* belong to: in TRL each prompt
    of the batch with the answer of the prompt before it. z₀ = max(0, mean of their log-ratios). It stands for
    KL(π ‖ π_ref), but it is neither that nor an unbiased estimate of it.

    Source: Ethayarajh et al., 2024, arXiv:2402.01306, section 4.1.
    """
    _check(policy_kl_logps=policy_kl_logps, ref_kl_logps=ref_kl_logps)
    return (policy_kl_logps - ref_kl_logps).mean().clamp(min=0).detach()


def kto_loss(
    policy_logps: Tensor,
    ref_logps: Tensor,
    desirable: Tensor,
    kl: Tensor,
    beta: float = 0.1,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Kahneman–Tversky optimization: losses and rewards, each (batch,).

    L = λ_y − v, that is λ_D (1 − σ(β (r − z₀))) for a desirable answer and λ_U (1 − σ(β (z₀ − r))) for an
    undesirable one; ½ λ before any learning.

    Args:
        desirable: bool (batch,), thumb up or down.
        kl: the reference point z₀ of the batch, from `kto_reference_point`.
        desirable_weight, undesirable_weight: λ_D and λ_U.

    Source: Ethayarajh et al., 2024, arXiv:2402.01306, equations 7 and 8.
    """
    ratios = _log_ratio(policy_logps, ref_logps, desirable)
    up = desirable_weight * (1 - (beta * (ratios - kl)).sigmoid())
    down = undesirable_weight * (1 - (beta * (kl - ratios)).sigmoid())
    return up.where(desirable, down), beta * ratios.detach()


def apo_zero_unpaired_loss(
    policy_logps: Tensor,
    ref_logps: Tensor,
    desirable: Tensor,
    beta: float = 0.1,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """APO-zero for thumbs instead of pairs: losses and rewards, each (batch,).

    L = λ_D (1 − σ(β r)) for a desirable answer, λ_U σ(β r) for an undesirable one: KTO with z₀ = 0.

    Source: the two halves of equation 7 of D'Oosterlinck et al., 2024, arXiv:2408.06266, as in TRL.
    """
    ratios = _log_ratio(policy_logps, ref_logps, desirable)
    up = desirable_weight * (1 - (beta * ratios).sigmoid())
    down = undesirable_weight * (beta * ratios).sigmoid()
    return up.where(desirable, down), beta * ratios.detach()


def _log_ratio(policy_logps: Tensor, ref_logps: Tensor, desirable: Tensor) -> Tensor:
    import torch

    _check(policy_logps=policy_logps, ref_logps=ref_logps)
    if desirable.dtype != torch.bool or desirable.shape != policy_logps.shape:
        raise CourseError(
            f"desirable must hold one bool per answer, shape {tuple(policy_logps.shape)}, "
            f"not {str(desirable.dtype).removeprefix('torch.')} of shape {tuple(desirable.shape)}."
        )
    return policy_logps - ref_logps


def _check(**logps: Tensor) -> None:
    shape = next(iter(logps.values())).shape
    for name, values in logps.items():
        if values.dim() != 1 or not len(values) or values.shape != shape:
            raise CourseError(
                f"{name} must hold one log-probability per example, as many as the others and at least one: "
                f"it has shape {tuple(values.shape)}."
            )
        if not values.isfinite().all():
            row = (~values.isfinite()).nonzero()[0].item()
            raise CourseError(f"{name} is {values[row].item()} in row {row}: look at that answer first.")
