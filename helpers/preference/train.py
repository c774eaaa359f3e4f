"""Training from demonstrations, pairs or thumbs through TRL's own trainers, set up for this course.

Knows which of TRL's trainers and losses does what, and where they surprise: a reference that would be read
from disk, a patched `forward`, a reset random state, a sampler that must not shuffle. Knows nothing about
where the rows come from.
"""

from __future__ import annotations

import logging
import random
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from helpers.models.threads import threads
from helpers.preference.runs import PAIRED, UNPAIRED, Method, Run, Settings, fresh_copy, not_finite, prepare
from helpers.settings import quiet

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainingArguments

__all__ = ["Method", "Run", "Settings", "arguments", "train", "trainer"]

#: TRL's names of the losses of its DPO trainer, which adds up as many as it is given.
_OF_PAIRS: dict[Method, list[str]] = {
    "dpo": ["sigmoid"],
    "dpo+sft": ["sigmoid", "sft"],
    "apo_zero": ["apo_zero"],
    "apo_down": ["apo_down"],
}
#: Up to this many parameters one thread is faster than several.
_SMALL = 10_000_000


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    data: Dataset,
    settings: Settings,
    ref_model: PreTrainedModel | None = None,
) -> Run:
    """Train a copy of `model` on `data` with TRL, with one progress bar and no other output.

    Args:
        data: rows as `helpers.data.formats` makes them: prompt and completion for SFT, with a label for
            thumbs; prompt, chosen and rejected for pairs.
        ref_model: the frozen reference; the model as it is given, unless named.

    Returns:
        The trained copy, an ordinary model in eval mode, and what TRL logged at every step.

    Raises:
        CourseError: as `runs.prepare`, before any training; or at the step where the loss or its gradient is
            not finite.
    """
    quiet()
    steps = prepare(model, tokenizer, data, settings, ref_model).steps
    rows = data.select([row for step in steps for row in step])
    policy = fresh_copy(model)
    with ExitStack() as stack:
        stack.enter_context(_random_state_kept())
        stack.enter_context(_silence())
        stack.enter_context(threads(1) if model.num_parameters() <= _SMALL else nullcontext())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        made = trainer(policy, tokenizer, rows, settings, folder, fresh_copy(ref_model or model))
        made.add_callback(_watch(settings))
        made.train()
    policy.__dict__.pop("forward")  # TRL's, which belongs to the trainer
    return Run(policy.eval(), [entry for entry in made.state.log_history if "loss" in entry])


def trainer(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Dataset,
    settings: Settings,
    folder: str,
    ref_model: PreTrainedModel,
) -> Trainer:
    """TRL's trainer for the method, quiet, ready to train `policy` in place on `rows` in their order.

    The rows are seen once, from first to last: they hold the batches of all steps already.
    """
    from transformers import PrinterCallback
    from trl import DPOTrainer, KTOTrainer, SFTTrainer

    args = arguments(settings, folder, policy.device.type)
    common = {"model": policy, "args": args, "processing_class": tokenizer}
    if settings.method in PAIRED:
        rows = rows.select_columns(["prompt", "chosen", "rejected"])
        made: Trainer = DPOTrainer(**common, train_dataset=rows, ref_model=ref_model)
    elif settings.method in UNPAIRED:
        rows = rows.select_columns(["prompt", "completion", "label"])
        made = KTOTrainer(**common, train_dataset=rows, ref_model=ref_model)
    else:
        made = SFTTrainer(**common, train_dataset=rows.select_columns(["prompt", "completion"]))
    made.remove_callback(PrinterCallback)
    return made


def arguments(settings: Settings, folder: str, device: str) -> TrainingArguments:
    """TRL's configuration for the method: an `SFTConfig`, `DPOConfig` or `KTOConfig`."""
    from trl import DPOConfig, KTOConfig, SFTConfig

    common: dict[str, Any] = {
        "output_dir": folder,
        "per_device_train_batch_size": settings.batch_size,
        "max_steps": settings.steps,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": settings.warmup_steps,
        "weight_decay": 0.0,
        "adam_beta1": 0.9,
        "adam_beta2": 0.999,
        "max_grad_norm": 1.0,
        "seed": settings.seed,
        "use_cpu": device == "cpu",
        **_precision(device),
        # The rows come in their order already, and KTO's mismatched pairs are made from neighbors.
        "train_sampling_strategy": "sequential",
        "max_length": None,  # `prepare` has refused what is too long; nothing is cut silently
        "activation_checkpointing": False,
        "dataloader_pin_memory": False,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it would log the mean of earlier losses in place of a NaN
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
    if settings.method in PAIRED:
        losses = _OF_PAIRS[settings.method]
        weights = [1.0, settings.sft_weight] if len(losses) > 1 else [1.0]
        return DPOConfig(**common, loss_type=losses, loss_weights=weights, beta=settings.beta)
    if settings.method in UNPAIRED:
        return KTOConfig(
            **common,
            loss_type=settings.method,
            beta=settings.beta,
            desirable_weight=settings.desirable_weight,
            undesirable_weight=settings.undesirable_weight,
        )
    return SFTConfig(**common)


def _precision(device: str) -> dict[str, bool]:
    """By what the device can do: 32 bits on a CPU; on a GPU bfloat16, or float16 where that is emulated."""
    import torch

    gpu = device == "cuda"
    bf16 = gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    return {"bf16": bf16, "fp16": gpu and not bf16}


def _watch(settings: Settings) -> Any:
    """A callback with a progress bar that stops at the first loss or gradient that is not finite."""
    import math

    from tqdm.auto import tqdm
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.bar = tqdm(total=settings.steps, desc=settings.method, leave=False)

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
            if "loss" not in logs:
                return  # the summary at the end
            self.bar.update()
            if not math.isfinite(logs["loss"] + logs["grad_norm"]):
                self.bar.close()
                raise not_finite(state.global_step)

        def on_train_end(self, *_: Any, **__: Any) -> None:
            self.bar.close()

    return Watch()


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """Give the random states of Python, NumPy and torch back as they were: making a trainer sets them all."""
    import numpy as np
    import torch

    ours, numpys = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(ours)
        np.random.set_state(numpys)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep TRL's advice, the libraries' talk to each other and the bars of `datasets` out of the notebook."""
    import datasets

    logger = logging.getLogger("trl")
    level, disabled = logger.level, datasets.utils.are_progress_bars_disabled()
    logger.setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            # TRL asks transformers for `is_gradient_checkpointing`, which has a new name since.
            warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
            yield
    finally:
        logger.setLevel(level)
        if not disabled:
            datasets.enable_progress_bars()
