"""One training step in a process of its own, for `helpers.models.peaks`: what it holds at most, how long.

Run as ``python -m helpers.models.peak_worker JOB``, where JOB is a job's values as JSON, it prints its
findings as one line of JSON. The model has the job's exact shape and random weights; the sequences are random
tokens, all of one length (no padding), every one of them scored.

Knows how to take one step and how the system counts memory. Knows nothing about predictions.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.models.jobs import CHUNK, TARGETS, Job
from helpers.models.memory import give_back
from helpers.settings import quiet

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def main(text: str) -> None:
    """Take the step of the job that `text` describes, and print what it took."""
    quiet()
    job = Job(**json.loads(text))
    _import_all(job)
    give_back()
    before = resident()
    policy = build(job)
    optimizer = make_optimizer(job, policy)
    reference = build(job, trained=False) if job.reference == "copy" else None
    give_back()
    forget_peak()
    held = resident() - before
    started, worked = time.perf_counter(), time.process_time()
    step(job, policy, reference, optimizer)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - worked
    found = {"peak": peak() - before, "held": held, "seconds": seconds, "cpu_seconds": cpu_seconds}
    print(json.dumps(found))


def resident() -> int:
    """Memory that this process holds now, in bytes."""
    import psutil

    return psutil.Process().memory_info().rss


def peak() -> int:
    """The most that this process has held, in bytes, since it began or since `forget_peak`.

    On Linux VmHWM, not getrusage's ru_maxrss: that one starts at what the parent process held, since a
    process begins as a copy of its parent.
    """
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource  # which Windows lacks; there the lessons read the committed table only

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def forget_peak() -> None:
    """Start the count of `peak` again from what is held now, where the system can (Linux)."""
    if _CLEAR.exists():
        _CLEAR.write_text("5")


def _import_all(job: Job) -> None:
    """Import what the job needs and use each once, so that the baseline has it."""
    import torch
    import transformers  # noqa: F401

    tiny = Job(
        config={
            **job.values,
            "vocab_size": 64,
            "hidden_size": 64,
            "head_dim": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
        },
        **{name: getattr(job, name) for name in ("method", "trained", "reference", "optimizer", "precision")},
        sequence=8,
        checkpointing=job.checkpointing,
        chunked_loss=job.chunked_loss,
    )
    torch.manual_seed(0)
    policy = build(tiny)
    reference = build(tiny, trained=False) if tiny.reference == "copy" else None
    step(tiny, policy, reference, make_optimizer(tiny, policy))


def build(job: Job, trained: bool = True) -> Module:
    """The model with random weights; `trained`: with what is trained, otherwise frozen, as a reference."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    values = dict(job.values)
    config = AutoConfig.for_model(values.pop("model_type"), **values)
    config.use_cache = False
    model = AutoModelForCausalLM.from_config(
        config, dtype=getattr(torch, job.precision), attn_implementation="sdpa"
    )
    if job.trained == "qlora":
        _quantize(model)
    if not trained:
        return model.requires_grad_(False).eval()
    if job.checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    if job.trained != "full":
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(
            model, LoraConfig(r=job.rank, target_modules=list(TARGETS), task_type="CAUSAL_LM")
        )
    return model.train()


def _quantize(model: Module) -> None:
    """Put 4-bit matrices (NF4, blocks of 64, scales in float32) in place of those of the layers."""
    from bitsandbytes.nn import Linear4bit, Params4bit

    names = [name for name, part in model.model.named_modules() if name.endswith("_proj")]
    for name in names:
        full = model.model.get_submodule(name)
        small = Linear4bit(
            full.in_features,
            full.out_features,
            bias=full.bias is not None,
            compute_dtype=full.weight.dtype,
            compress_statistics=False,
            quant_type="nf4",
        )
        small.weight = Params4bit(
            full.weight.data, requires_grad=False, compress_statistics=False, quant_type="nf4"
        )
        small.bias = full.bias
        model.model.set_submodule(name, small.to("cpu"))


def make_optimizer(job: Job, policy: Module) -> Optimizer:
    """The optimizer with its state, as it is in every step but the first."""
    import torch

    parameters = [one for one in policy.parameters() if one.requires_grad]
    if job.optimizer == "adamw_8bit":
        from bitsandbytes.optim import AdamW8bit

        optimizer: Optimizer = AdamW8bit(parameters, lr=0.0)
    else:
        optimizer = torch.optim.AdamW(parameters, lr=0.0, fused=True)
    for one in parameters:
        one.grad = torch.zeros_like(one)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    optimizer.param_groups[0]["lr"] = 1e-5
    return optimizer


def step(job: Job, policy: Module, reference: Module | None, optimizer: Optimizer) -> None:
    """One step, with its passes in the order in which TRL's trainers make them."""
    import torch

    for _ in range(job.accumulation):
        ids = torch.randint(job.sizes.vocabulary, (job.sequences, job.sequence))
        (loss(job, policy, reference, ids) / job.accumulation).backward()
    torch.nn.utils.clip_grad_norm_([one for one in policy.parameters() if one.requires_grad], 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def loss(job: Job, policy: Module, reference: Module | None, ids: Tensor) -> Tensor:
    """The loss of one forward pass on `ids`, (sequences, length): a scalar."""
    import torch
    from torch.nn.functional import logsigmoid

    if job.method == "sft":
        if job.chunked_loss:
            return -log_probabilities(job, policy, ids).sum() / (ids.numel() - len(ids))
        return policy(input_ids=ids, labels=ids, use_cache=False).loss
    if job.method == "kto":
        mismatched = ids.roll(1, 0)  # as long as the prompts with the answers of their neighbors
        with torch.no_grad():
            policy_kl = log_probabilities(job, policy, mismatched)
    logps = log_probabilities(job, policy, ids)
    if job.reference == "precomputed":
        ref = logps.detach() - 1
        ref_kl = ref
    else:
        with torch.no_grad(), _without_adapter(job, policy):
            frozen = reference or policy
            if job.method == "kto":
                ref_kl = log_probabilities(job, frozen, mismatched)
            ref = log_probabilities(job, frozen, ids)
    if job.method == "kto":
        up = torch.arange(len(ids)) % 2 == 0
        point = (policy_kl - ref_kl).mean().clamp(min=0)
        margin = 0.1 * (logps - ref - point)
        return (1 - torch.where(up, margin, -margin).sigmoid()).mean()
    chosen, rejected = (logps - ref).chunk(2)
    return -logsigmoid(0.1 * (chosen - rejected)).mean()


def _without_adapter(job: Job, policy: Module) -> Any:
    from contextlib import nullcontext

    return policy.disable_adapter() if job.reference == "adapter off" else nullcontext()


def log_probabilities(job: Job, model: Module, ids: Tensor) -> Tensor:
    """The log-probability of each sequence, the first token given: (sequences,)."""
    from torch.utils.checkpoint import checkpoint

    if not job.chunked_loss:
        return _scored(model(input_ids=ids, use_cache=False).logits, _next(ids)).sum(1)
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    hidden = causal.model(input_ids=ids, use_cache=False).last_hidden_state.flatten(0, 1)
    sums = [
        checkpoint(_head_and_score, causal.lm_head, some, targets, use_reentrant=False)
        for some, targets in zip(hidden.split(CHUNK), _next(ids).flatten().split(CHUNK), strict=True)
    ]
    import torch

    return torch.cat(sums).view(ids.shape).sum(1)


def _next(ids: Tensor) -> Tensor:
    """What each position predicts; the last one nothing (-1)."""
    from torch.nn.functional import pad

    return pad(ids[:, 1:], (0, 1), value=-1)


def _head_and_score(head: Module, hidden: Tensor, targets: Tensor) -> Tensor:
    return _scored(head(hidden), targets)


def _scored(logits: Tensor, targets: Tensor) -> Tensor:
    """The log-probability of each target, 0 where it is -1: (…, vocabulary), (…) -> (…)."""
    known = targets >= 0
    logps = logits.float().log_softmax(-1)
    return logps.gather(-1, targets.clamp(min=0)[..., None])[..., 0] * known


if __name__ == "__main__":
    main(sys.argv[1])
