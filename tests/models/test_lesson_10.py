"""What lesson 10 defines, on the stand-in hub: experiments, trainings and the GPU section."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

import helpers
from helpers.course import evidence
from helpers.settings import ROOT
from tests.models.test_hub_data import downloaded

__all__ = ["downloaded"]

SOURCE = ROOT / "notebooks" / "source" / "10_small_gpu.py"


@pytest.fixture
def lesson(downloaded: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of the cells of both kinds of experiments, at the smallest size."""
    monkeypatch.setenv("COURSE_SMOKE", "1")
    monkeypatch.setenv("COURSE_TIER", "cpu")
    scope: dict[str, Any] = {"lesson": helpers.begin("10")}
    for cell in [*evidence.EVIDENCE.cells(SOURCE), *evidence.REAL.cells(SOURCE)]:
        exec(compile(cell, str(SOURCE), "exec"), scope)
    return scope


def test_lora_by_hand_is_peft_on_the_whole_model(lesson: dict[str, Any], no_network: None) -> None:
    import copy

    plain, tokenizer = lesson["short_chat_model"]()
    torch.manual_seed(0)
    ours = lesson["with_lora"](copy.deepcopy(plain), rank=16)
    theirs = lesson["with_peft"](plain, ours)
    with torch.no_grad():
        for module in ours.modules():
            if isinstance(module, lesson["LoRA"]):
                module.B.normal_(std=0.1)
        mine = [m for m in ours.modules() if isinstance(m, lesson["LoRA"])]
        for module, source in zip((m for m in theirs.modules() if hasattr(m, "lora_B")), mine, strict=True):
            module.lora_B["default"].weight.copy_(source.B)
    ids = tokenizer("one small orange cat", return_tensors="pt").input_ids
    assert torch.allclose(ours(ids).logits, theirs(ids).logits, atol=1e-4)
    assert not torch.allclose(ours(ids).logits, plain(ids).logits, atol=1e-2)
    ours(ids).logits.square().mean().backward()
    trained = [name for name, one in ours.named_parameters() if one.grad is not None]
    assert trained
    assert all(name.endswith((".A", ".B")) for name in trained)


def test_the_experiments_of_numbers(lesson: dict[str, Any], no_network: None) -> None:
    found = lesson["vanishing"](0)
    assert 0 <= found["lost, scaled"] <= found["lost"] <= found["few digits"] <= 1
    stuck = lesson["lost_updates"](0)
    assert stuck["float32 5e-06"] == 0
    assert stuck["bfloat16 5e-06"] >= stuck["float16 5e-06"] > stuck["float32 5e-06"]
    rounded = lesson["rounded_sums"](0)
    assert rounded["float32"] < rounded["float16"] < rounded["bfloat16"]


def test_a_lost_update_is_one_that_rounds_back(lesson: dict[str, Any]) -> None:
    weights = torch.tensor([0.1, 1e-4], dtype=torch.bfloat16)
    assert ((weights - 5e-6) == weights).tolist() == [True, False]


def test_both_trainers_have_the_same_losses(lesson: dict[str, Any], no_network: None) -> None:
    found = lesson["step_times"](0)
    assert all(math.isfinite(value) for value in found.values())
    assert found["losses apart"] < 1e-4


def test_ranks_report_both(lesson: dict[str, Any], no_network: None) -> None:
    found = lesson["ranks"](0)
    assert all(math.isfinite(value) for value in found.values())
    assert found["rank 1 less: margin"] == found["rank 1: margin"] - found["rank 16: margin"]


def test_thumbs_alternate_and_false_captions_have_one_wrong_fact(lesson: dict[str, Any]) -> None:
    from helpers import world

    scenes = world.sample(6, seed=3)
    rows = lesson["thumbs"](6, seed=3)
    assert [up for _, _, up in rows] == [True, False] * 3
    for (_, caption, up), scene in zip(rows, scenes, strict=True):
        assert (caption in world.captions(scene)) == up
        assert world.verify(caption, scene).grammatical


@pytest.mark.parametrize("tier", ["gpu", "gpu24"])
def test_the_gpu_section_runs(
    lesson: dict[str, Any], no_network: None, monkeypatch: pytest.MonkeyPatch, tier: str
) -> None:
    monkeypatch.setenv("COURSE_TIER", tier)  # its models, on this CPU
    found = lesson["kto_on_public_thumbs"](steps=3)
    assert found["model"] == {"gpu": "SmolLM2-360M-Instruct", "gpu24": "Qwen2.5-0.5B-Instruct"}[tier]
    assert [question for question, _, _ in found["samples"]] == lesson["PROBES"]
    assert found["margins"][0] == pytest.approx(0, abs=1e-6)
    assert found["seconds"] > 0
    assert found["tokens"] > found["longest"] > 0
    assert found["peak"] is None
    job = lesson["Job"](found["config"], method="kto", trained="lora", reference="adapter off")
    assert lesson["predict"](job).total > 0


def test_the_gpu_section_goes_without_data(
    lesson: dict[str, Any], standin_hub: Path, hub_at: Any, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_at(standin_hub)  # models, but no data
    monkeypatch.setenv("COURSE_TIER", "gpu")
    assert lesson["kto_on_public_thumbs"](steps=3) is None
