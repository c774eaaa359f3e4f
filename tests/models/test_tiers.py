"""The tiers: which one a machine gets, and in which precision it computes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from helpers.models import tiers
from helpers.models.hub import HUB
from helpers.models.tiers import current_tier, precision
from helpers.settings import ROOT, CourseError


@pytest.mark.parametrize(
    ("asked", "capability", "name", "device", "dtype"),
    [
        ("", None, "cpu", "cpu", "float32"),
        ("", 7, "gpu", "cuda", "float16"),  # a T4
        ("", 8, "gpu", "cuda", "bfloat16"),
        ("cpu", 8, "cpu", "cpu", "float32"),
        ("GPU24 ", 9, "gpu24", "cuda", "bfloat16"),
        ("gpu", None, "gpu", "cpu", "float32"),
    ],
)
def test_the_tier_of_a_machine(
    monkeypatch: pytest.MonkeyPatch, asked: str, capability: int | None, name: str, device: str, dtype: str
) -> None:
    monkeypatch.setenv("COURSE_TIER", asked)
    monkeypatch.setattr(tiers, "_cuda_capability", lambda: capability)
    tier = current_tier()
    assert (tier.name, tier.device, tier.dtype) == (name, device, dtype)
    # It says so exactly where a GPU was asked for and is not there.
    assert bool(tier.note) == (asked == "gpu" and capability is None)
    assert tier.language_model in HUB
    assert tier.image_model is None or tier.image_model in HUB


def test_an_unknown_tier_is_told_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_TIER", "tpu")
    with pytest.raises(CourseError, match="cpu, gpu, gpu24, not 'tpu'"):
        current_tier()


def test_only_ampere_and_later_compute_in_bfloat16() -> None:
    assert [precision(capability) for capability in (6, 7, 8, 9, 12)] == ["float16"] * 2 + ["bfloat16"] * 3


def test_importing_the_models_loads_nothing_heavy() -> None:
    code = (
        "import sys, helpers.models as m; m.installed(); m.HUB; m.current_tier;"
        "print([n for n in ('torch', 'transformers', 'huggingface_hub', 'PIL') if n in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.strip() == "[]"


def test_the_package_gives_exactly_what_it_lists() -> None:
    import helpers.models as package

    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing
