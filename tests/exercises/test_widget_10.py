"""The memory calculator of lesson 10."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from helpers.exercises import e10_small_gpu as e10
from helpers.lesson.memory_bars import GIGA
from helpers.models.planner import Job, on_gpu

KTO = Job(method="kto", reference="copy", batch=4, sequence=512)


def test_the_first_state_says_whether_it_fits_and_what_helps_most():
    html = e10.calculator_widget().html
    assert html.count("<img") == 1
    assert 'alt="Bars of memory. as chosen: ' in html
    assert "it does not fit." in html
    assert "The rung that helps most is “checkpointing”" in html
    assert "With it the job fits." in html


def test_every_choice_can_be_drawn_and_changes_the_picture():
    shown = e10.calculator_widget()
    for name, control in shown.controls.items():
        values = control.options if hasattr(control, "options") else [True, False]
        for value in values:
            before = shown.html
            changed = value != control.value
            control.value = value
            assert shown.error is None, (name, value)
            # SFT, after DPO, has the same picture for both states of the reference; nothing else stays.
            assert not changed or shown.html != before, (name, value)


def test_a_large_job_on_a_small_card_does_not_fit():
    shown = e10.calculator_widget()
    shown.controls["card"].value = "2 GB"
    shown.controls["model"].value = "Qwen2.5-0.5B"
    assert "it does not fit." in shown.html
    assert "Even so the job does not fit." in shown.html


def test_the_reference_is_the_cheapest_that_the_choices_allow():
    choices = {"model": "SmolLM2-135M", "batch": 2, "sequence": 128, "sixteen_bits": False}
    choices |= {"checkpointing": False, "precomputed": False}
    assert e10._job(method="sft", trained="full", **choices).reference == "none"
    assert e10._job(method="kto", trained="full", **choices).reference == "copy"
    assert e10._job(method="kto", trained="lora", **choices).reference == "adapter off"
    choices["precomputed"] = True
    assert e10._job(method="dpo", trained="lora", **choices).reference == "precomputed"


def test_a_rung_changes_one_thing_and_keeps_the_training():
    found = e10.rungs(KTO)
    assert found["batch 2, accumulated 2×"] == replace(KTO, batch=2, accumulation=2)
    assert found["LoRA, rank 16"] == replace(KTO, trained="lora", reference="adapter off")
    assert found["checkpointing"] == replace(KTO, checkpointing=True)
    for job in found.values():
        assert job.batch * job.accumulation == KTO.batch


def test_kto_never_goes_below_two_rows():
    assert not any("batch" in label for label in e10.rungs(replace(KTO, batch=2)))
    assert "batch 1, accumulated 2×" in e10.rungs(Job(batch=2))


def test_a_rung_that_is_taken_is_not_offered_again():
    everything = Job(
        method="kto",
        trained="qlora",
        reference="precomputed",
        optimizer="adamw_8bit",
        precision="bfloat16",
        batch=2,
        checkpointing=True,
        chunked_loss=True,
    )
    assert e10.rungs(everything) == {}


@pytest.mark.parametrize("trained", ["full", "lora"])
def test_the_best_rung_stands_first(trained: str):
    html = e10.calculator_html(
        "8 GB",
        model="SmolLM2-135M",
        method="kto",
        trained=trained,
        batch=8,
        sequence=1024,
        sixteen_bits=False,
        checkpointing=False,
        precomputed=False,
    )
    reference = "copy" if trained == "full" else "adapter off"
    job = Job(method="kto", trained=trained, reference=reference, batch=8, sequence=1024)
    best = min(e10.rungs(job).items(), key=lambda rung: on_gpu(rung[1]))[0]
    assert f"helps most is “{best}”" in html


def test_the_lesson_s_puzzle_has_the_answer_that_it_gives():
    """KTO with LoRA, 360M, four rows, 8 GB: 2,048 tokens with all boxes only, 1,024 with checkpointing."""

    def wants(sequence: int, sixteen_bits: bool, checkpointing: bool, precomputed: bool) -> float:
        job = e10._job("SmolLM2-360M", "kto", "lora", 4, sequence, sixteen_bits, checkpointing, precomputed)
        return on_gpu(job) / GIGA

    boxes = list(product([False, True], repeat=3))
    fits = {s: [box for box in boxes if wants(s, *box) <= 8] for s in (512, 1024, 2048)}
    assert fits[2048] == [(True, True, True)]
    assert round(wants(2048, True, True, True), 1) == 7.4
    assert (False, True, False) in fits[1024]
    assert not any(box for box in fits[1024] if not box[1])
    assert (False, False, False) in fits[512]
