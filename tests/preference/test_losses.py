"""The losses by themselves: constants, values worked out on paper, directions, and what they refuse."""

from __future__ import annotations

import math
import re

import pytest
import torch

from helpers.preference import losses
from helpers.preference.logprob import log_probability
from helpers.settings import CourseError

OF_PAIRS = [losses.dpo_loss, losses.apo_zero_loss, losses.apo_down_loss]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("function", "constant"),
    [(losses.dpo_loss, math.log(2)), (losses.apo_zero_loss, 1.0), (losses.apo_down_loss, 1.0)],
)
def test_before_any_learning_pairs_cost_a_constant(function, constant):
    chosen, rejected = tensor(-3.0, -8.5), tensor(-11.0, -0.25)
    values, up, down = function(chosen, rejected, chosen.clone(), rejected.clone(), beta=0.3)
    torch.testing.assert_close(values, tensor(constant, constant), atol=1e-12, rtol=0)
    assert up.tolist() == down.tolist() == [0, 0]


def test_before_any_learning_thumbs_cost_half_their_weight():
    logps, desirable = tensor(-3.0, -8.5), torch.tensor([True, False])
    kl = losses.kto_reference_point(logps, logps)
    kto, _ = losses.kto_loss(logps, logps, desirable, kl, 0.3, desirable_weight=2.0, undesirable_weight=0.5)
    apo, _ = losses.apo_zero_unpaired_loss(logps, logps, desirable, 0.3, 2.0, 0.5)
    assert kto.tolist() == apo.tolist() == [1.0, 0.25]


def test_values_worked_out_on_paper():
    # Log-ratios 2 and -1, so that beta 0.5 gives rewards 1 and -0.5.
    both = (tensor(-4.0), tensor(-7.0), tensor(-6.0), tensor(-6.0))
    expected = {
        losses.dpo_loss: -math.log(sigmoid(1.5)),
        losses.apo_zero_loss: 1 - sigmoid(1.0) + sigmoid(-0.5),
        losses.apo_down_loss: sigmoid(1.0) + 1 - sigmoid(1.5),
    }
    for function, value in expected.items():
        values, up, down = function(*both, beta=0.5)
        assert values.item() == pytest.approx(value, abs=1e-12)
        assert (up.item(), down.item()) == (1.0, -0.5)


def test_kto_worked_out_on_paper():
    kl = losses.kto_reference_point(tensor(-5.0, -6.0), tensor(-6.0, -8.0))
    assert kl.item() == 1.5
    values, rewards = losses.kto_loss(
        tensor(-4.0, -7.0), tensor(-6.0, -6.0), torch.tensor([True, False]), kl, 0.5, 2.0, 3.0
    )
    # Rewards 1 and -0.5 against a reference point of 0.75.
    assert values.tolist() == pytest.approx([2 * (1 - sigmoid(0.25)), 3 * (1 - sigmoid(1.25))], abs=1e-12)
    assert rewards.tolist() == [1.0, -0.5]
    values, _ = losses.apo_zero_unpaired_loss(
        tensor(-4.0, -7.0), tensor(-6.0, -6.0), torch.tensor([True, False]), 0.5, 2.0, 3.0
    )
    assert values.tolist() == pytest.approx([2 * (1 - sigmoid(1.0)), 3 * sigmoid(-0.5)], abs=1e-12)


def test_the_reference_point_is_never_below_zero_and_has_no_gradient():
    policy = tensor(-9.0, -9.0).requires_grad_()
    kl = losses.kto_reference_point(policy, tensor(-1.0, -1.0))
    assert kl.item() == 0
    assert kl.dim() == 0
    assert not kl.requires_grad


def test_with_a_reference_point_of_zero_kto_is_apo_zero_unpaired():
    policy, ref = torch.randn(2, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    desirable = torch.arange(9) % 2 == 0
    kto, _ = losses.kto_loss(policy, ref, desirable, tensor(0.0)[0], 0.7, 1.5, 0.5)
    apo, _ = losses.apo_zero_unpaired_loss(policy, ref, desirable, 0.7, 1.5, 0.5)
    torch.testing.assert_close(kto, apo, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("function", "chosen", "rejected"),
    [(losses.dpo_loss, -1, 1), (losses.apo_zero_loss, -1, 1), (losses.apo_down_loss, 0, 1)],
)
def test_which_way_a_pair_is_pushed_before_any_learning(function, chosen, rejected):
    """The signs of the gradient: -1 raises the log-probability, 1 lowers it, 0 leaves it."""
    up, down = tensor(-3.0).requires_grad_(), tensor(-4.0).requires_grad_()
    values, *rewards = function(up, down, tensor(-3.0), tensor(-4.0))
    values.sum().backward()
    assert (up.grad.sign().item(), down.grad.sign().item()) == (chosen, rejected)
    assert not any(reward.requires_grad for reward in rewards)


def test_apo_down_lowers_a_winner_that_has_gained():
    up, down = tensor(-3.0).requires_grad_(), tensor(-4.0).requires_grad_()
    losses.apo_down_loss(up, down, tensor(-4.0), tensor(-1.0))[0].sum().backward()
    assert up.grad.item() > 0


@pytest.mark.parametrize("function", OF_PAIRS)
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (tensor(-1.0, math.nan), "is nan in row 1"),
        (tensor(-math.inf, -1.0), "is -inf in row 0"),
        (tensor(), "at least one"),
        (tensor(-1.0), "as many as the others"),
        (torch.zeros(2, 1), "one log-probability per example"),
    ],
)
def test_pairs_that_are_refused(function, broken, message):
    good = tensor(-1.0, -2.0)
    for place in range(4):
        given = [good] * 4
        given[place] = broken
        with pytest.raises(CourseError, match=message):
            function(*given)


def test_thumbs_that_are_refused():
    good, kl = tensor(-1.0, -2.0), tensor(0.0)[0]
    desirable = torch.tensor([True, False])
    with pytest.raises(CourseError, match=re.escape("ref_logps is nan in row 0")):
        losses.kto_loss(good, tensor(math.nan, 0.0), desirable, kl)
    for wrong in (torch.tensor([1, 0]), torch.tensor([1.0, 0.0]), torch.tensor([True])):
        with pytest.raises(CourseError, match="desirable must hold one bool per answer"):
            losses.kto_loss(good, good, wrong, kl)
        with pytest.raises(CourseError, match="desirable must hold one bool per answer"):
            losses.apo_zero_unpaired_loss(good, good, wrong)
    with pytest.raises(CourseError, match="policy_kl_logps"):
        losses.kto_reference_point(tensor(), tensor())


def test_the_log_probability_of_a_token_and_its_gradient():
    logits = torch.tensor([[0.5, -1.0, 2.0], [0.0, 8.0, 0.0]], dtype=torch.float32, requires_grad=True)
    targets, above = torch.tensor([2, 1]), torch.tensor([0.3, 0.7])
    values = log_probability(logits, targets)
    torch.testing.assert_close(values, logits.log_softmax(-1)[[0, 1], targets])
    values.backward(above)
    exact = logits.detach().double().requires_grad_()
    exact.log_softmax(-1)[[0, 1], targets].backward(above.double())
    torch.testing.assert_close(logits.grad.double(), exact.grad, atol=5e-7, rtol=1e-5)
    assert torch.autograd.gradcheck(lambda given: log_probability(given, targets), exact)
