"""The first step's gradient, taken out of TRL, against one computed here."""

from __future__ import annotations

import pytest
import torch

from helpers.data import formats
from helpers.models import base, small
from helpers.preference.losses import dpo_loss
from helpers.preference.parity import first_gradient
from helpers.preference.train import Settings, train

PAIRS = [
    (
        "small orange cat, sits, snow",
        "A small orange cat sits in the snow.",
        "A small red cat sits in the snow.",
    ),
    ("big pink dog, jumps, beach", "A big pink dog jumps on the beach.", "At night, a big pink dog jumps."),
]


def test_it_is_the_clipped_gradient_of_the_first_step_only():
    model, tokenizer = base.base(0)
    gradient: dict[str, torch.Tensor] = {}
    settings = Settings("dpo", 1e-3, 3, 2, beta=0.5, warmup_steps=0, shuffle=False)
    train(model, tokenizer, formats.paired(PAIRS), settings, callbacks=[first_gradient(gradient)])
    chosen, rejected = (
        small.logps(model, *small.encode(tokenizer, [(pair[0], pair[side]) for pair in PAIRS]))
        for side in (1, 2)
    )
    dpo_loss(chosen, rejected, chosen.detach(), rejected.detach(), 0.5)[0].mean().backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    assert norm > 1  # so that clipping is part of what is compared
    assert gradient.keys() == dict(model.named_parameters()).keys()
    for name, weights in model.named_parameters():
        assert torch.allclose(gradient[name], weights.grad, atol=1e-6), name
    assert torch.stack([g.norm() for g in gradient.values()]).norm() == pytest.approx(1.0, abs=1e-4)
