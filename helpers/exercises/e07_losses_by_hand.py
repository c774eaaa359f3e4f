"""Lesson 07: what its exercises must fulfill, its quiz, and the maps of the five losses.

The reference solutions are in the lesson's source. Properties compare with numbers worked out by hand, never
with the reference or with the course's own losses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import ipywidgets
import torch
from torch import Tensor

from helpers.lesson import plots
from helpers.lesson.checks import Check, CheckFailed, Property, call, close, expect
from helpers.lesson.quiz import QuizQuestion
from helpers.lesson.widgets import WhatIf

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Function = Callable[..., object]


def _sigma(z: float) -> float:
    return 1 / (1 + math.exp(-z))


# --- exercises 1 and 4: losses of pairs ---------------------------------------------------------------------

_REF_CHOSEN, _REF_REJECTED = [-12.0, -8.0, -20.0], [-10.0, -9.0, -21.0]
#: Log-ratios of the three pairs: nothing learned; chosen up and rejected down; both down.
_CHOSEN, _REJECTED = [0.0, 1.0, -2.0], [0.0, -1.0, -1.0]
_BETA = 0.5


def _pairs(
    chosen: list[float] = _CHOSEN, rejected: list[float] = _REJECTED, beta: float = _BETA
) -> dict[str, Tensor | float]:
    """The arguments of a loss of pairs, for these log-ratios, whose gradients are asked for."""
    ref_chosen, ref_rejected = (torch.tensor(ref[: len(chosen)]) for ref in (_REF_CHOSEN, _REF_REJECTED))
    return {
        "policy_chosen_logps": (torch.tensor(chosen) + ref_chosen).requires_grad_(True),
        "policy_rejected_logps": (torch.tensor(rejected) + ref_rejected).requires_grad_(True),
        "ref_chosen_logps": ref_chosen,
        "ref_rejected_logps": ref_rejected,
        "beta": beta,
    }


def _losses(function: Function, inputs: Mapping[str, Tensor | float | bool], results: int) -> list[Tensor]:
    """What the function returns, once it is so many tensors of one number per row."""
    answer = call(function, **inputs)
    count = len(next(iter(inputs.values())))
    names = ["losses", "chosen rewards", "rejected rewards"] if results == 3 else ["losses", "rewards"]
    is_tuple = isinstance(answer.value, (tuple, list)) and len(answer.value) == results
    answer.should(f"be {results} tensors: {', '.join(names)}", is_tuple)
    for name, values in zip(names, answer.value, strict=True):
        right = isinstance(values, Tensor) and tuple(values.shape) == (count,)
        expect(right, f"{answer.given}the {name}", f"be a tensor of shape ({count},)", values)
    return list(answer.value)


def _at_step_0(constant: float) -> Callable[[Function], None]:
    def test(function: Function) -> None:
        inputs = _pairs([0.0] * 3, [0.0] * 3)
        losses, up, down = _losses(function, inputs, 3)
        given = "where policy and reference are the same (does the reference enter?), the tensor of"
        close(losses, [constant] * 3, f"{given} losses")
        close(up, [0.0] * 3, f"{given} chosen rewards")
        close(down, [0.0] * 3, f"{given} rejected rewards")

    return test


def _pairs_by_hand(expected: list[float], beta: float) -> Callable[[Function], None]:
    def test(function: Function) -> None:
        losses, _, _ = _losses(function, _pairs(beta=beta), 3)
        close(
            losses,
            expected,
            f"for log-ratios {_CHOSEN} (chosen), {_REJECTED} (rejected) and beta {beta}, the tensor of losses",
        )

    return test


def _pair_rewards(function: Function) -> None:
    _, up, down = _losses(function, _pairs(), 3)
    given = f"for log-ratios {_CHOSEN} (chosen), {_REJECTED} (rejected) and beta {_BETA}, the tensor of"
    close(up, [_BETA * ratio for ratio in _CHOSEN], f"{given} chosen rewards")
    close(down, [_BETA * ratio for ratio in _REJECTED], f"{given} rejected rewards")


def _only_losses_have_gradients(results: int, inputs: Callable[[], dict]) -> Callable[[Function], None]:
    def test(function: Function) -> None:
        losses, *rewards = _losses(function, inputs(), results)
        if not losses.requires_grad:
            raise CheckFailed("the losses should carry a gradient, to train with; yours are detached")
        if any(values.requires_grad for values in rewards):
            raise CheckFailed("the rewards should carry no gradient: detach them; yours are not detached")

    return test


def _far_apart(function: Function) -> None:
    # log(sigmoid(-400)) is log(0) in 32 bits.
    losses, _, _ = _losses(function, _pairs([-400.0], [400.0]), 3)
    close(
        losses,
        [400.0],
        "for log-ratios -400 (chosen), 400 (rejected) and beta 0.5, the tensor of losses",
        1e-2,
    )


def _nothing_pushes_the_chosen(function: Function) -> None:
    inputs = _pairs([0.0] * 3, [0.0] * 3)
    losses, _, _ = function(*inputs.values())  # the function itself: `call` would pass copies
    losses.sum().backward()
    push, other = (inputs[f"policy_{side}_logps"].grad for side in ("chosen", "rejected"))
    what = "where policy and reference are the same, the gradient on the"
    close(push, [0.0] * 3, f"{what} chosen answers")
    close(other, [_BETA / 4] * 3, f"{what} rejected answers")


_DPO_LOSSES = [math.log(2), -math.log(_sigma(1.0)), -math.log(_sigma(-0.5))]
_DPO_LOSSES_2 = [math.log(2), -math.log(_sigma(4.0)), -math.log(_sigma(-2.0))]
_DOWN_LOSSES = [
    1.0,
    _sigma(0.5) + 1 - _sigma(1.0),
    _sigma(-1.0) + 1 - _sigma(-0.5),
]
_DOWN_LOSSES_2 = [1.0, _sigma(2.0) + 1 - _sigma(4.0), _sigma(-4.0) + 1 - _sigma(-2.0)]


# --- exercise 2: kto_reference_point ------------------------------------------------------------------------


def _point_by_hand(function: Function) -> None:
    # None is negative: a clamp in the wrong place is for the property that names it.
    policy, ref = torch.tensor([-20.0, -28.0, -24.0]), torch.tensor([-23.0, -29.0, -29.0])
    call(function, policy_kl_logps=policy, ref_kl_logps=ref).close(3.0)  # log-ratios 3, 1, 5


def _point_not_negative(function: Function) -> None:
    policy, ref = torch.tensor([-25.0, -31.0]), torch.tensor([-24.0, -30.5])
    call(function, policy_kl_logps=policy, ref_kl_logps=ref).close(0.0)


def _point_mixed(function: Function) -> None:
    # The mean is negative although one log-ratio is not.
    policy, ref = torch.tensor([-20.0, -40.0]), torch.tensor([-22.0, -35.0])
    call(function, policy_kl_logps=policy, ref_kl_logps=ref).close(0.0)


def _point_is_constant(function: Function) -> None:
    policy = torch.tensor([-20.0, -30.0], requires_grad=True)
    answer = call(function, policy_kl_logps=policy, ref_kl_logps=torch.tensor([-23.0, -31.0]))
    answer.should("be a tensor", isinstance(answer.value, Tensor))
    if answer.value.requires_grad:
        raise CheckFailed("the reference point should carry no gradient: detach it; yours is not detached")


# --- exercise 3: kto_loss -----------------------------------------------------------------------------------

_RATIOS, _UP = [0.0, 2.0, 2.0, -3.0], [True, True, False, False]


def _thumbs(kl: float, beta: float = _BETA, up: float = 1.0, down: float = 1.0) -> dict:
    ref = torch.tensor([-9.0, -14.0, -11.0, -20.0])
    return {
        "policy_logps": (torch.tensor(_RATIOS) + ref).requires_grad_(True),
        "ref_logps": ref,
        "desirable": torch.tensor(_UP),
        "kl": torch.tensor(kl),
        "beta": beta,
        "desirable_weight": up,
        "undesirable_weight": down,
    }


def _thumbs_by_hand(kl: float, up: float = 1.0, down: float = 1.0) -> Callable[[Function], None]:
    def test(function: Function) -> None:
        losses, _ = _losses(function, _thumbs(kl, up=up, down=down), 2)
        expected = [
            up * (1 - _sigma(_BETA * (ratio - kl))) if thumb else down * (1 - _sigma(_BETA * (kl - ratio)))
            for ratio, thumb in zip(_RATIOS, _UP, strict=True)
        ]
        given = f"for log-ratios {_RATIOS}, thumbs up {_UP}, z0 {kl:g}, weights {up:g} and {down:g}"
        close(losses, expected, f"{given}, the tensor of losses (a loss falls as the value rises)")

    return test


def _thumb_rewards(function: Function) -> None:
    _, rewards = _losses(function, _thumbs(1.0), 2)
    given = f"for log-ratios {_RATIOS}, beta {_BETA} and z0 1"
    close(rewards, [_BETA * ratio for ratio in _RATIOS], f"{given}, the tensor of rewards")


CHECKS: dict[str, Check] = {
    "dpo_loss": Check(
        "dpo_loss",
        [
            Property("at step 0 the losses are ln 2 and the rewards 0", _at_step_0(math.log(2))),
            Property("three losses worked out by hand", _pairs_by_hand(_DPO_LOSSES, 0.5)),
            Property("the same with another beta", _pairs_by_hand(_DPO_LOSSES_2, 2.0)),
            Property("rewards are beta times each side's own log-ratio", _pair_rewards),
            Property(
                "a gradient flows through the losses only", _only_losses_have_gradients(3, lambda: _pairs())
            ),
            Property("a pair that is far off has a large loss, not an infinite one", _far_apart),
        ],
    ),
    "kto_reference_point": Check(
        "kto_reference_point",
        [
            Property("the mean of three log-ratios worked out by hand", _point_by_hand),
            Property("it is never negative", _point_not_negative),
            Property(
                "the mean comes first, the clamp second: single log-ratios may be negative", _point_mixed
            ),
            Property("it is a constant", _point_is_constant),
        ],
    ),
    "kto_loss": Check(
        "kto_loss",
        [
            Property("four losses worked out by hand, with the reference point at 0", _thumbs_by_hand(0.0)),
            Property("the same with the reference point at 1", _thumbs_by_hand(1.0)),
            Property("each weight belongs to its thumb", _thumbs_by_hand(1.0, up=3.0, down=0.5)),
            Property("rewards are beta times the log-ratio, without the reference point", _thumb_rewards),
            Property(
                "a gradient flows through the losses only",
                _only_losses_have_gradients(2, lambda: _thumbs(1.0)),
            ),
        ],
    ),
    "apo_down_loss": Check(
        "apo_down_loss",
        [
            Property("at step 0 the losses are 1 and the rewards 0", _at_step_0(1.0)),
            Property("three losses worked out by hand", _pairs_by_hand(_DOWN_LOSSES, 0.5)),
            Property("the same with another beta", _pairs_by_hand(_DOWN_LOSSES_2, 2.0)),
            Property("at step 0 nothing pushes the chosen answers", _nothing_pushes_the_chosen),
            Property("rewards are beta times each side's own log-ratio", _pair_rewards),
            Property(
                "a gradient flows through the losses only", _only_losses_have_gradients(3, lambda: _pairs())
            ),
        ],
    ),
}


# --- the maps of the losses ---------------------------------------------------------------------------------

PairLoss = Callable[..., tuple[Tensor, ...]]
#: (policy, reference, thumb, kl, beta) -> losses and rewards
ThumbLoss = Callable[[Tensor, Tensor, Tensor, Tensor, float], tuple[Tensor, ...]]
REACH = 8.0  # log-ratios are drawn from minus this to this, in nats


def on_the_plane(loss: PairLoss, chosen: Tensor, rejected: Tensor, beta: float) -> tuple[Tensor, ...]:
    """Losses, and minus their gradient with respect to both sides, at log-ratios (n,): three (n,)."""
    sides = [values.clone().requires_grad_(True) for values in (chosen, rejected)]
    zero = torch.zeros_like(chosen)
    losses = loss(*sides, zero, zero, beta)[0]
    losses.sum().backward()
    return losses.detach(), -sides[0].grad, -sides[1].grad


def on_the_line(
    loss: ThumbLoss, ratios: Tensor, thumb: bool, z0: float, beta: float
) -> tuple[Tensor, Tensor]:
    """Losses, and minus their gradient, of answers with these log-ratios and one thumb: two (n,)."""
    logps = ratios.clone().requires_grad_(True)
    thumbs = torch.full(ratios.shape, thumb)
    losses = loss(logps, torch.zeros_like(ratios), thumbs, torch.tensor(z0), beta)[0]
    losses.sum().backward()
    return losses.detach(), -logps.grad


def _plane_figure(name: str, loss: PairLoss, beta: float) -> Figure:
    figure, axes = plots.new_figure(560, 430)
    fine = torch.linspace(-REACH, REACH, 65)
    chosen, rejected = torch.meshgrid(fine, fine, indexing="xy")
    values, _, _ = on_the_plane(loss, chosen.flatten(), rejected.flatten(), beta)
    levels = axes.contourf(chosen, rejected, values.reshape(chosen.shape), 12, cmap="cividis")
    coarse = torch.arange(-REACH + 2, REACH - 1, 2.0)  # room for the arrows at the edges
    across, along = (grid.flatten() for grid in torch.meshgrid(coarse, coarse, indexing="xy"))
    _, right, up = on_the_plane(loss, across, along, beta)
    look = {"color": "white", "edgecolor": "black", "linewidth": 0.6, "width": 0.008}
    longest = (right**2 + up**2).sqrt().max().clamp(min=1e-9)
    axes.quiver(across, along, right / longest, up / longest, scale=11, **look)
    axes.plot(0, 0, "o", color="white", markeredgecolor="black", markersize=9)
    axes.grid(False)
    axes.set_title(f"{name}, β = {beta:g} (longest arrow: {longest / beta:.2f} β)")
    axes.set_xlabel("chosen answer: log-ratio to the reference")
    axes.set_ylabel("rejected answer: log-ratio")
    figure.colorbar(levels, label="loss")
    return figure


def _line_figure(name: str, loss: ThumbLoss, beta: float, z0: float) -> Figure:
    figure, axes = plots.new_figure(800, 330)
    axes.remove()
    panels = figure.subplots(1, 2)
    ratios = torch.linspace(-REACH, REACH, 65)
    for i, (thumb, side) in enumerate([(True, "thumb up"), (False, "thumb down")]):
        losses, push = on_the_line(loss, ratios, thumb, z0, beta)
        look = {"color": plots.COLORS[i], "marker": plots.MARKERS[i], "markevery": 8, "label": side}
        panels[0].plot(ratios, losses, **look)
        panels[1].plot(ratios, push / beta, **look)
    for panel, what in zip(panels, ["loss", "push on the answer, in units of β"], strict=True):
        panel.set(xlabel="log-ratio to the reference", ylabel=what)
        panel.grid(color="#e3e3e3", linewidth=0.8)
        panel.axvline(0, color=plots.FAINT, linewidth=0.8)
    panels[0].set(ylim=(-0.05, 1.05), title=f"{name}, β = {beta:g}")
    panels[1].set(ylim=(-0.28, 0.28), title=f"z₀ = {z0:g}")
    panels[0].legend(frameon=False)
    return figure


def _plane_html(
    paired: Mapping[str, PairLoss], thumbs: Mapping[str, ThumbLoss], loss: str, beta: float, z0: float
) -> str:
    if loss in paired:
        figure = _plane_figure(loss, paired[loss], beta)
        _, right, up = (float(value) for value in on_the_plane(paired[loss], *torch.zeros(2, 1), beta))
        alt = (
            f"Map of {loss} for beta {beta:g} over the log-ratios of chosen and rejected answers. At the reference, "
            f"in units of beta, the push on the chosen answer is {right / beta:+.2f} and on the rejected {up / beta:+.2f}."
        )
    else:
        figure = _line_figure(loss, thumbs[loss], beta, z0)
        pushes = [
            float(on_the_line(thumbs[loss], torch.zeros(1), thumb, z0, beta)[1]) / beta
            for thumb in (True, False)
        ]
        alt = (
            f"Two plots of {loss} for beta {beta:g} and a reference point of {z0:g} over an answer's log-ratio: the loss "
            f"of thumbs up falls and that of thumbs down rises. At the reference, in units of beta, the push is "
            f"{pushes[0]:+.2f} for a thumb up and {pushes[1]:+.2f} for a thumb down."
        )
    return plots.figure_html(figure, alt)


def plane_widget(paired: Mapping[str, PairLoss], thumbs: Mapping[str, ThumbLoss]) -> WhatIf:
    """Loss and push of every loss: of pairs as a map over both log-ratios, of thumbs over the one.

    Args:
        paired: by name, functions of (policy chosen, policy rejected, reference chosen, reference rejected,
            beta), as in the lesson.
        thumbs: by name, functions of (policy, reference, thumb, z0, beta).
    """
    controls = {
        "loss": ipywidgets.Dropdown(options=[*paired, *thumbs], value=next(iter(paired))),
        "beta": ipywidgets.FloatSlider(
            value=0.5, min=0.1, max=2.0, step=0.1, description="β", continuous_update=False
        ),
        "z0": ipywidgets.FloatSlider(
            value=0.0, min=0.0, max=4.0, step=0.5, description="z₀ (KTO only)", continuous_update=False
        ),
    }
    return WhatIf(
        controls,
        lambda loss, beta, z0: _plane_html(paired, thumbs, loss, beta, z0),
        "Where does each loss still push, and where has it had enough?",
    )


WIDGETS = {"plane": plane_widget}


# --- quiz ---------------------------------------------------------------------------------------------------

QUIZZES: dict[str, list[QuizQuestion]] = {
    "recap": [
        QuizQuestion(
            "Why does the DPO loss hold no Z, the sum over everything that can be said?",
            [
                "because Z is close to 1 for a trained model",
                "because β log Z is the same for both answers to a prompt",
                "because the reference model has computed it already",
            ],
            1,
            "A comparison needs a difference of rewards, and what both sides share cancels.",
        ),
        QuizQuestion(
            "The first logged loss of your DPO run is 0.52. What do you look for?",
            [
                "a reference that is not the model you started from",
                "a learning rate that is too small",
                "nothing: it depends on the data",
            ],
            0,
            "At step 0 all log-ratios are 0 and the loss is ln 2 = 0.69, whatever the data. TRL may have loaded another reference.",
        ),
        QuizQuestion(
            "You forgot to mask the prompt out of the log-probabilities. Which loss does not notice?",
            [
                "KTO: its reference point absorbs the prompt",
                "APO-zero: each side has its own anchor",
                "DPO: both sides hold the same prompt, and only their difference counts",
            ],
            2,
            "The prompt's log-ratio is the same on both sides of a pair and cancels in the margin. KTO and APO would treat it as part of the answer.",
        ),
        QuizQuestion(
            "What does KTO's reference point measure in TRL?",
            [
                "the KL divergence of the policy from the reference",
                "the mean log-ratio of the batch's answers beside prompts they do not belong to, or 0",
                "the mean reward of the thumbs up",
            ],
            1,
            "It is logged as `kl`, but those answers were not drawn from the policy. Often it is simply 0.",
        ),
        QuizQuestion(
            "A loss puts no gradient on an answer. Can its probability rise all the same?",
            [
                "yes: other answers were lowered, and they share parameters and the sum of 1",
                "no: without a gradient nothing changes",
                "only if the learning rate is too high",
            ],
            0,
            "APO-down's first steps show it: what is taken from the wrong captions goes to their neighbors.",
        ),
    ],
}
