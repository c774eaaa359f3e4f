"""Models: the cache of built artifacts, the tiers, the hub table and the real pretrained models.

Importing this package is instant: each module loads when one of its names is first asked for, and
torch and transformers only when a function needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helpers.models.cache import cached
    from helpers.models.hub import HUB, HubModel, hub_folder
    from helpers.models.real import ImageEncoder, LanguageModel, image_encoder, installed, language_model
    from helpers.models.tiers import Tier, current_tier

_HOME_OF = {
    "cached": "cache",
    "HUB": "hub",
    "HubModel": "hub",
    "hub_folder": "hub",
    "ImageEncoder": "real",
    "LanguageModel": "real",
    "image_encoder": "real",
    "installed": "real",
    "language_model": "real",
    "Tier": "tiers",
    "current_tier": "tiers",
}

__all__ = [
    "HUB",
    "HubModel",
    "ImageEncoder",
    "LanguageModel",
    "Tier",
    "cached",
    "current_tier",
    "hub_folder",
    "image_encoder",
    "installed",
    "language_model",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
