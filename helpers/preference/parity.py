"""What TRL computes within a step, taken out so that it can be compared with a loss written by hand.

Knows where a trainer of transformers can be watched. Knows nothing about losses.
"""

from __future__ import annotations

from typing import Any


def first_gradient(into: dict[str, Any]) -> Any:
    """A callback for `train` that copies the first step's gradient `into` a dict: parameter -> tensor.

    It is the gradient that the optimizer gets: that of the mean loss, clipped to norm 1.
    """
    from transformers import TrainerCallback

    class FirstGradient(TrainerCallback):
        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any, **_: Any) -> None:
            if not into:
                into.update({name: weights.grad.clone() for name, weights in model.named_parameters()})

    return FirstGradient()
