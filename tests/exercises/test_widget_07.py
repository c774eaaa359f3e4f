"""The maps of the five losses in lesson 07."""

from __future__ import annotations

import math

import pytest
import torch

from helpers.exercises import e07_losses_by_hand as e07
from helpers.preference import losses

PAIRED = {"DPO": losses.dpo_loss, "APO-zero": losses.apo_zero_loss, "APO-down": losses.apo_down_loss}
THUMBS = {
    "KTO": losses.kto_loss,
    "APO-zero, unpaired": lambda policy, ref, thumb, kl, beta: losses.apo_zero_unpaired_loss(
        policy, ref, thumb, beta
    ),
}


def test_the_first_state_is_a_map_of_the_first_loss_with_its_pushes_in_words():
    widget = e07.plane_widget(PAIRED, THUMBS)
    assert widget.html.count("<img") == 1
    assert "Map of DPO for beta 0.5" in widget.html
    assert "chosen answer is +0.50 and on the rejected -0.50" in widget.html


def test_every_loss_can_be_drawn_at_both_ends_of_the_sliders():
    widget = e07.plane_widget(PAIRED, THUMBS)
    seen = set()
    for loss in [*PAIRED, *THUMBS]:
        widget.controls["loss"].value = loss
        for name in ("beta", "z0"):
            for end in ("min", "max"):
                widget.controls[name].value = getattr(widget.controls[name], end)
                assert widget.error is None, (loss, name, end)
        seen.add(widget.html)
    assert len(seen) == 5


def test_the_reference_point_moves_kto_and_no_other_loss():
    widget = e07.plane_widget(PAIRED, THUMBS)
    for loss, moves in {"KTO": True, "DPO": False}.items():
        widget.controls["loss"].value = loss
        widget.controls["z0"].value = 0.0
        before = widget.html
        widget.controls["z0"].value = 2.0
        assert (widget.html != before) is moves


def test_names_are_escaped_and_errors_are_shown():
    widget = e07.plane_widget({"<b>": losses.dpo_loss, "broken": lambda *_: (torch.zeros(1),)}, THUMBS)
    assert "<b>" not in widget.html
    widget.controls["loss"].value = "broken"
    assert widget.error is not None
    assert "could not be drawn" in widget.html


@pytest.mark.parametrize(
    ("name", "value", "chosen", "rejected"),
    [("DPO", math.log(2), 0.5, -0.5), ("APO-zero", 1.0, 0.25, -0.25), ("APO-down", 1.0, 0.0, -0.25)],
)
def test_pushes_at_the_reference_by_hand(name, value, chosen, rejected):
    beta = 0.7
    zero = torch.zeros(1)
    loss, right, up = e07.on_the_plane(PAIRED[name], zero, zero, beta)
    assert float(loss) == pytest.approx(value, abs=1e-6)
    assert float(right) == pytest.approx(chosen * beta, abs=1e-6)
    assert float(up) == pytest.approx(rejected * beta, abs=1e-6)


def test_a_push_is_minus_the_slope_of_the_loss():
    ratios = torch.tensor([-2.0, 0.3, 4.0], dtype=torch.float64)
    for name, loss in THUMBS.items():
        for thumb in (True, False):
            _, push = e07.on_the_line(loss, ratios, thumb, 1.0, 0.5)
            after, _ = e07.on_the_line(loss, ratios + 1e-5, thumb, 1.0, 0.5)
            before, _ = e07.on_the_line(loss, ratios - 1e-5, thumb, 1.0, 0.5)
            assert torch.allclose(push, (before - after) / 2e-5, atol=1e-6), (name, thumb)
