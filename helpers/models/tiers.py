"""The tiers: which machine this is and which models fit it.

Knows devices, precisions and the names of models. Knows nothing about loading them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from helpers.settings import CourseError


@dataclass(frozen=True)
class Tier:
    """What a machine can run.

    Attributes:
        name: "cpu", "gpu" (16 GB, T4 class) or "gpu24" (24 GB and more).
        device: "cpu" or "cuda".
        dtype: "float32", "float16" or "bfloat16", by what the device can do.
        language_model: key of the hub table.
        image_model: key of the hub table, or None where the packaged encoder is the right one.
        note: one sentence if this is not what was asked for, otherwise empty.
    """

    name: str
    device: str
    dtype: str
    language_model: str
    image_model: str | None
    note: str = ""


# Tier name -> (language model, image model), both keys of the hub table.
_MODELS: dict[str, tuple[str, str | None]] = {
    "cpu": ("smollm2-135m", None),
    "gpu": ("smollm2-360m", "clip"),
    "gpu24": ("qwen2.5-0.5b", "clip"),
}


def current_tier() -> Tier:
    """The tier named by ``COURSE_TIER``, otherwise "gpu" where a CUDA device is present and "cpu" elsewhere.

    A GPU tier that is asked for on a machine without CUDA keeps its models but runs them on the CPU, and
    its note says so.

    Raises:
        CourseError: if ``COURSE_TIER`` names no tier.
    """
    asked = os.environ.get("COURSE_TIER", "").strip().lower()
    if asked and asked not in _MODELS:
        raise CourseError(f"COURSE_TIER must be one of {', '.join(_MODELS)}, not {asked!r}.")
    if asked == "cpu":
        return _tier("cpu", None)
    capability = _cuda_capability()
    return _tier(asked or ("cpu" if capability is None else "gpu"), capability)


def precision(capability: int) -> str:
    """The fast precision of a CUDA device of this major compute capability.

    bfloat16 needs Ampere (8). A T4 (7) emulates it slowly, so it computes in float16.
    """
    return "bfloat16" if capability >= 8 else "float16"


def _tier(name: str, capability: int | None) -> Tier:
    language_model, image_model = _MODELS[name]
    if name == "cpu":
        return Tier(name, "cpu", "float32", language_model, image_model)
    if capability is None:
        note = f"COURSE_TIER={name} is set, but there is no CUDA device: its models run slowly, on the CPU."
        return Tier(name, "cpu", "float32", language_model, image_model, note)
    return Tier(name, "cuda", precision(capability), language_model, image_model)


def _cuda_capability() -> int | None:
    """The major compute capability of the CUDA device, or None without one."""
    import torch

    return torch.cuda.get_device_capability()[0] if torch.cuda.is_available() else None
