"""Lesson 10: what its exercises must fulfill, its quiz, and the memory calculator.

The reference solutions are in the lesson's source. Properties compare with numbers worked out by hand or by
another route, never with the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ipywidgets
import numpy as np
import torch
from torch import Tensor

from helpers.lesson import page
from helpers.lesson.checks import Answer, Check, Property, call
from helpers.lesson.memory_bars import GIGA, Bar, in_words, memory_figure
from helpers.lesson.plots import figure_html
from helpers.lesson.quiz import QuizQuestion
from helpers.lesson.widgets import WhatIf
from helpers.models.planner import Job, on_gpu, predict

Function = Callable[..., object]


# --- exercise 1: largest_batch ------------------------------------------------------------------------------


def _batch(
    function: Function, free: float, length: int, vocabulary: int, numbers: int, copies: int
) -> Answer:
    return call(
        function,
        free_bytes=free,
        length=length,
        vocabulary=vocabulary,
        bytes_per_number=numbers,
        copies=copies,
    )


def _batch_by_hand(function: Function) -> None:
    # One copy of one row: 10 tokens x 100 words x 4 bytes = 4,000 bytes.
    _batch(function, 12_000, 10, 100, 4, 1).close(3)


def _batch_copies(function: Function) -> None:
    _batch(function, 24_000, 10, 100, 4, 3).close(2)


def _batch_bytes(function: Function) -> None:
    _batch(function, 24_000, 10, 100, 2, 3).close(4)


def _batch_whole(function: Function) -> None:
    answer = _batch(function, 15_500.0, 10, 100, 4, 1)  # shown as 1.55e+04: all its digits count
    answer.should("be a whole number of rows, an int", isinstance(answer.value, int | np.integer))
    answer.close(3)


def _batch_nothing_fits(function: Function) -> None:
    _batch(function, 3_999, 10, 100, 4, 1).close(0)
    _batch(function, -5_000, 10, 100, 4, 1).close(0)


# --- exercise 2: lora_forward -------------------------------------------------------------------------------

_X = torch.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]])  # (2 tokens, 3 inputs)
_FROZEN = torch.tensor([[10.0, 20.0], [30.0, 40.0]])  # (2 tokens, 2 outputs)
_A = torch.tensor([[1.0, 0.0, 1.0]])  # (rank 1, 3 inputs)
_B = torch.tensor([[2.0], [-1.0]])  # (2 outputs, rank 1)


def _lora(function: Function, x: Tensor, frozen: Tensor, a: Tensor, b: Tensor, alpha: float) -> Answer:
    return call(function, x=x, frozen_output=frozen, A=a, B=b, alpha=alpha)


def _values(answer: Answer) -> list:
    value = answer.value
    return value.detach().tolist() if isinstance(value, Tensor) else value


def _lora_starts_at_nothing(function: Function) -> None:
    answer = _lora(function, _X, _FROZEN, _A, torch.zeros(2, 1), 8.0)
    Answer(_values(answer), answer.given).close(_FROZEN.tolist())


def _lora_by_hand(function: Function) -> None:
    # A x is 1 for the first token and 3 for the second; B times that, added to the frozen output.
    answer = _lora(function, _X, _FROZEN, _A, _B, 1.0)
    Answer(_values(answer), answer.given).close([[12.0, 19.0], [36.0, 37.0]])


def _lora_alpha(function: Function) -> None:
    answer = _lora(function, _X, _FROZEN, _A, _B, 2.0)
    Answer(_values(answer), answer.given).close([[14.0, 18.0], [42.0, 34.0]])


def _lora_rank(function: Function) -> None:
    # Two equal halves of rank 1: their sum, divided by the rank, is what one of them gives.
    answer = _lora(function, _X, _FROZEN, torch.cat([_A, _A]), torch.cat([_B, _B], 1), 2.0)
    Answer(_values(answer), answer.given).close([[14.0, 18.0], [42.0, 34.0]])


def _lora_batches(function: Function) -> None:
    answer = _lora(function, _X[None].repeat(4, 1, 1), _FROZEN[None].repeat(4, 1, 1), _A, _B, 1.0)
    shape = tuple(getattr(answer.value, "shape", ()))
    answer.should("have the shape (4, 2, 2), that of frozen_output", shape == (4, 2, 2), yours=shape)


def _lora_gradient(function: Function) -> None:
    a, b = _A.clone().requires_grad_(), _B.clone().requires_grad_()
    found = function(_X, _FROZEN, a, b, 1.0)
    Answer(found, "for A and B that are trained: ").should(
        "be a tensor through which gradients reach A and B", getattr(found, "requires_grad", False)
    )
    found.sum().backward()
    for name, matrix in (("A", a), ("B", b)):
        reached = matrix.grad is not None and bool(matrix.grad.abs().sum() > 0)
        Answer(found, "for A and B that are trained: ").should(f"send a gradient to {name}", reached)


# --- exercise 3: trainable_parameters -----------------------------------------------------------------------


def _count(function: Function, shapes: list[tuple[int, int]], rank: int) -> Answer:
    return call(function, shapes=shapes, rank=rank)


def _count_one(function: Function) -> None:
    _count(function, [(5, 7)], 1).close(12)


def _count_rank(function: Function) -> None:
    _count(function, [(5, 7)], 3).close(36)


def _count_many(function: Function) -> None:
    _count(function, [(576, 576), (192, 576), (192, 576), (576, 576)], 16).close(61440)


def _count_none(function: Function) -> None:
    _count(function, [], 8).close(0)


# --- exercise 4: scaled_step --------------------------------------------------------------------------------

_WEIGHT = torch.tensor([1.0, -2.0])


def _scaled(
    function: Function, gradient: list[float], scale: float, rate: float
) -> tuple[list[float], float]:
    """The new weight and the new scale, as plain numbers; says what is wrong with the form."""
    answer = call(
        function,
        weight=_WEIGHT,
        scaled_gradient=torch.tensor(gradient, dtype=torch.float16),
        scale=scale,
        learning_rate=rate,
    )
    pair = isinstance(answer.value, tuple) and len(answer.value) == 2
    answer.should("be two things: the new weight and the new scale", pair)
    weight, new_scale = answer.value
    tensor = isinstance(weight, Tensor) and weight.shape == _WEIGHT.shape
    answer.should("have a new weight of the old one's shape", tensor)
    answer.should("keep the weight in float32", weight.dtype == torch.float32, yours=str(weight.dtype))
    return weight.tolist(), float(new_scale)


def _given(gradient: list[float], scale: float) -> str:
    return f"for weight {_WEIGHT.tolist()}, scaled_gradient {gradient} (float16) and scale {scale:g}: "


def _step_unscales(function: Function) -> None:
    weight, scale = _scaled(function, [8.0, -4.0], 4.0, 0.5)
    Answer(weight, _given([8.0, -4.0], 4.0)).close([0.0, -1.5])
    Answer(scale, _given([8.0, -4.0], 4.0) + "the scale: ").close(4.0)


def _step_small(function: Function) -> None:
    # 2**-10 / 2**16 = 2**-26: in float16 that would be 0.
    gradient = [2.0**-10, 0.0]
    weight, _ = _scaled(function, gradient, 2.0**16, 2.0**16)
    Answer(weight, _given(gradient, 2.0**16)).close([1.0 - 2.0**-10, -2.0], 1e-5)


def _step_skips_infinite(function: Function) -> None:
    for bad in ([float("inf"), 1.0], [1.0, float("-inf")]):
        weight, _ = _scaled(function, bad, 4.0, 0.5)
        Answer(weight, _given(bad, 4.0)).close(_WEIGHT.tolist())


def _step_skips_nan(function: Function) -> None:
    weight, _ = _scaled(function, [float("nan"), 1.0], 4.0, 0.5)
    Answer(weight, _given([float("nan"), 1.0], 4.0)).close(_WEIGHT.tolist())


def _step_halves(function: Function) -> None:
    for bad in ([float("inf"), 1.0], [float("nan"), 1.0]):
        _, scale = _scaled(function, bad, 4.0, 0.5)
        Answer(scale, _given(bad, 4.0) + "the scale: ").close(2.0)


CHECKS: dict[str, Check] = {
    "largest_batch": Check(
        "largest_batch",
        [
            Property("one copy, counted by hand", _batch_by_hand),
            Property("every copy counts", _batch_copies),
            Property("numbers of two bytes take half", _batch_bytes),
            Property("a row fits whole or not at all", _batch_whole),
            Property("where not even one row fits it is 0", _batch_nothing_fits),
        ],
    ),
    "lora_forward": Check(
        "lora_forward",
        [
            Property("while B is 0 the frozen layer speaks alone", _lora_starts_at_nothing),
            Property("rank 1, by hand", _lora_by_hand),
            Property("alpha multiplies the added part", _lora_alpha),
            Property("the rank divides it", _lora_rank),
            Property("x may have a batch in front", _lora_batches),
            Property("A and B can be trained", _lora_gradient),
        ],
    ),
    "trainable_parameters": Check(
        "trainable_parameters",
        [
            Property("one matrix, rank 1", _count_one),
            Property("the rank multiplies", _count_rank),
            Property("the four of an attention layer together", _count_many),
            Property("no matrix, nothing to train", _count_none),
        ],
    ),
    "scaled_step": Check(
        "scaled_step",
        [
            Property("the scale is taken out again before the step", _step_unscales),
            Property("what the scale saved is not lost when it is taken out", _step_small),
            Property("an infinite gradient moves nothing", _step_skips_infinite),
            Property("a NaN moves nothing", _step_skips_nan),
            Property("after either, the scale is halved", _step_halves),
        ],
    ),
}


# --- the calculator -----------------------------------------------------------------------------------------

MODELS = {
    "SmolLM2-135M": "smollm2-135m",
    "SmolLM2-360M": "smollm2-360m",
    "Qwen2.5-0.5B": "qwen2.5-0.5b",
}
CARDS = {f"{size} GB": float(size) for size in (2, 4, 6, 8, 12, 16, 24, 40, 80)}


def _job(
    model: str,
    method: str,
    trained: str,
    batch: int,
    sequence: int,
    sixteen_bits: bool,
    checkpointing: bool,
    precomputed: bool,
) -> Job:
    """The planner's job for the controls' values: the reference is the cheapest that they allow."""
    reference = "none" if method == "sft" else "precomputed" if precomputed else "copy"
    if reference == "copy" and trained != "full":
        reference = "adapter off"
    return Job(
        config=MODELS[model],
        method=method,
        trained=trained,
        reference=reference,
        precision="bfloat16" if sixteen_bits else "float32",
        batch=batch,
        sequence=sequence,
        checkpointing=checkpointing,
    )


def rungs(job: Job) -> dict[str, Job]:
    """What could be changed about a job to save memory, one thing at a time: label -> the changed job."""
    found = {}
    smallest = (
        2 if job.method == "kto" else 1
    )  # KTO's reference point pairs each prompt with a neighbor's answer
    if job.batch // 2 >= smallest:
        label = f"batch {job.batch // 2}, accumulated {2 * job.accumulation}×"
        found[label] = replace(job, batch=job.batch // 2, accumulation=2 * job.accumulation)
    if not job.checkpointing:
        found["checkpointing"] = replace(job, checkpointing=True)
    if job.trained == "full":
        reference = "adapter off" if job.reference == "copy" else job.reference
        found[f"LoRA, rank {job.rank}"] = replace(job, trained="lora", reference=reference)
    if job.trained == "lora":
        found["QLoRA (4-bit weights)"] = replace(job, trained="qlora")
    if job.reference in ("copy", "adapter off"):
        found["reference precomputed"] = replace(job, reference="precomputed")
    if job.optimizer == "adamw":
        found["8-bit optimizer"] = replace(job, optimizer="adamw_8bit")
    if not job.chunked_loss:
        found["loss in chunks"] = replace(job, chunked_loss=True)
    if job.precision == "float32":
        found["16-bit numbers"] = replace(job, precision="bfloat16")
    return found


def calculator_html(card: str, **choices: Any) -> str:
    """The job's bar, one bar for each rung alone, the best of them first, and what follows from them."""
    job = _job(**choices)
    here, room = on_gpu(job), CARDS[card] * GIGA
    tried = sorted(rungs(job).items(), key=lambda rung: on_gpu(rung[1]))
    shown = {"as chosen": job} | {f"+ {label}": rung for label, rung in tried}
    bars = [Bar(label, predict(one, "cuda")) for label, one in shown.items()]
    said = [
        f"With what a GPU adds by assumption (its context, and a tenth lost between tensors) this job wants "
        f"{here / GIGA:.1f} GB of {CARDS[card]:g}: it {'fits' if here <= room else 'does not fit'}."
    ]
    if tried:
        label, best = tried[0]
        saved = (here - on_gpu(best)) / GIGA
        verdict = "With it the job fits." if on_gpu(best) <= room else "Even so the job does not fit."
        said.append(f"The rung that helps most is “{label}”: it saves {saved:.1f} GB. {verdict}")
    figure = figure_html(memory_figure(bars, CARDS[card]), in_words(bars, CARDS[card]))
    lines = "".join(f"<div>{page.escape(line)}</div>" for line in said)
    return f'{figure}<div style="{page.TEXT_STYLE}">{lines}</div>'


def calculator_widget() -> WhatIf:
    """Will it fit on my card, and which rung of the ladder helps most?"""
    controls = {
        "model": ipywidgets.Dropdown(options=list(MODELS)),
        "method": ipywidgets.Dropdown(options=["sft", "dpo", "kto"], value="kto"),
        "trained": ipywidgets.Dropdown(options=["full", "lora", "qlora"]),
        "card": ipywidgets.Dropdown(options=list(CARDS), value="6 GB"),
        "batch": ipywidgets.Dropdown(options=[2, 4, 8, 16, 32], value=4),
        "sequence": ipywidgets.Dropdown(options=[128, 256, 512, 1024, 2048], value=512),
        "sixteen_bits": ipywidgets.Checkbox(value=False, description="16-bit numbers"),
        "checkpointing": ipywidgets.Checkbox(value=False),
        "precomputed": ipywidgets.Checkbox(value=False, description="reference precomputed"),
    }
    return WhatIf(controls, calculator_html, "Will it fit on my card, and which rung helps most?")


WIDGETS = {"calculator": calculator_widget}


# --- quiz ---------------------------------------------------------------------------------------------------

QUIZZES: dict[str, list[QuizQuestion]] = {
    "recap": [
        QuizQuestion(
            "You train a 0.5-billion-parameter model with LoRA on rows of 2,048 tokens and run out of memory. Which rung first?",
            [
                "a smaller rank: it is the adapters that are trained",
                "checkpointing: a layer's inner results are made again when needed",
                "an 8-bit optimizer, since AdamW keeps two numbers for each parameter",
            ],
            1,
            "With LoRA gradients and optimizer are small already. What is left to win lies in what grows with the tokens: activations, and logits, for which a loss in chunks would be as good an answer.",
        ),
        QuizQuestion(
            "The message says: tried to allocate 1,187 MiB. The batch has 4 rows of 512 tokens, the vocabulary 151,936 words. What did not fit?",
            [
                "one copy of the logits in 32 bits",
                "the gradients of all layers",
                "one layer's activations",
            ],
            0,
            "4 × 512 × 151,936 × 4 bytes are 1,187 MiB. Sizes in such messages can often be recognized.",
        ),
        QuizQuestion(
            "A full fine-tuning keeps its weights in bfloat16 and nowhere else. Learning rate 0.000005. What do you expect?",
            [
                "NaN after some steps, since gradients overflow",
                "the same curve as in 32 bits with a little noise",
                "a loss that hardly moves, since most steps are rounded away",
            ],
            2,
            "Steps that small are less than half the distance to the next number: most weights stay where they are, without any error.",
        ),
        QuizQuestion(
            "A gradient scaler halves its scale several times in the first steps, and then no more. Is something wrong?",
            [
                "yes: skipped steps mean that the loss is not finite",
                "no: it is looking for the largest scale that does not overflow",
                "yes: the learning rate is too high, or the data hold an empty answer",
            ],
            1,
            "It starts too large on purpose; a skipped step costs nothing but itself. Only a scale that falls on and on is a bad sign.",
        ),
        QuizQuestion(
            "By the formula, with the data sheet's speed for 16 bits, dense, a training takes 2 hours on a card at a utilization of 0.4. Measured after ten minutes: it will be 7. Why, most likely?",
            [
                "short rows and a small model keep the card waiting: the utilization is about 0.11",
                "the formula forgets the optimizer's update, which takes most of the time",
                "the reference reads every answer, too, and nobody counts its passes over the data",
            ],
            0,
            "2 / 7 of 0.4 is 0.11. Everything else in the formula can be counted beforehand.",
        ),
    ],
}
