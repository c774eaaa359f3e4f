"""A training as a file of settings: one process or several, stopped and resumed, into a folder that lasts.

Knows a recipe, the real models by their keys, LoRA and QLoRA through `peft`, and TRL's trainers under
`accelerate`. Knows nothing about what the data say. `train` and `fast` are for models in memory and for
lessons; this is for a run that takes an hour, on whatever machine there is.

What decides the result is the recipe and its data. The rows of every step are drawn beforehand, as
`runs.order` does, and handed out to the processes, so that their number does not change which rows a step
sees: with n processes each computes 1/n of the batch, `micro_batch_size` rows at a time. Losses and their
gradients are means over the batch, so they agree but for rounding. One thing does not: KTO's reference point
is the mean over the rows that are computed at once, `micro_batch_size` × processes, and is clipped at 0.
Where that is 0 throughout, nothing changes.

The reference of a preference method is the model that the training starts from. With an adapter that is the
frozen model with the adapter switched off; going on from another run's adapter (`start`), it is a frozen copy
of that adapter. So there is nothing to merge, which could not be done exactly in 4 bits, and one adapter is
the result.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

from helpers.data import jsonl, tables
from helpers.data.jsonl import BrokenLine
from helpers.models import real, small, tiers
from helpers.models.bars import without_bars
from helpers.models.hub import HUB, hub_folder, local_folder
from helpers.preference.runs import PAIRED, UNPAIRED, Method, Settings, fresh_copy, prepare
from helpers.settings import CourseError, quiet

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainingArguments

Trainable = Literal["full", "lora", "qlora"]
Precision = Literal["auto", "float32", "float16", "bfloat16"]

#: The files of a run's folder.
RECIPE, LOG, RUN, CHECKPOINTS = "recipe.yaml", "log.jsonl", "run.json", "checkpoints"
#: Where the result lies in it: an adapter, or all weights.
ADAPTER, MODEL = "adapter", "model"
#: Written into a checkpoint when all of it is there.
_WHOLE = "whole"
#: What a recipe says about where files lie: a folder that was moved is the same run.
_PLACES = ("data", "start", "output")


# --- a recipe -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """A training run: AdamW without weight decay, a constant rate after the warm-up, clipped at norm 1.

    Attributes:
        model: a key of the hub table (`helpers.models.hub.HUB`), or a folder with a model and its tokenizer.
        data: a file of JSON lines as `helpers.data.tables` reads it.
        method: sft, dpo, dpo+sft, kto, apo_zero, apo_down or apo_zero_unpaired.
        output: the run's folder; made if it is not there.
        learning_rate, steps: as in `Settings`.
        batch_size: rows a step, over all processes together.
        micro_batch_size: rows that one process computes at once; its whole share unless given.
        trained: all weights ("full"), an adapter beside the frozen ones ("lora"), or the same with the frozen
            weights in 4 bits ("qlora", which needs `bitsandbytes`).
        rank, alpha: of the adapter, which is put beside every linear layer but the output.
        beta, desirable_weight, undesirable_weight, warmup_steps, seed: as in `Settings`.
        checkpointing: compute activations again in the backward pass: less memory, about a third more time.
        precision: of the arithmetic; "auto" is float32 on a CPU, bfloat16 on a GPU that has it, else float16.
        save_every: steps from one checkpoint to the next: what a crash can cost.
        start: the folder of another run, or of an adapter, to go on from; the reference is then that model.
    """

    model: str
    data: Path
    method: Method
    output: Path
    learning_rate: float
    steps: int
    batch_size: int
    micro_batch_size: int | None = None
    trained: Trainable = "lora"
    rank: int = 16
    alpha: int = 32
    beta: float = 0.1
    desirable_weight: float = 1.0
    undesirable_weight: float = 1.0
    warmup_steps: int = 5
    checkpointing: bool = False
    precision: Precision = "auto"
    save_every: int = 50
    seed: int = 0
    start: Path | None = None

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(Recipe).items():
            object.__setattr__(self, name, _value(name, kind, getattr(self, name)))
        for name in ("rank", "alpha", "save_every", "micro_batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise CourseError(f"{name} is {value}, and must be at least 1.")
        _ = self.settings  # which refuses numbers out of range

    @property
    def settings(self) -> Settings:
        """What the recipe has in common with the runs of lessons."""
        shared = {one.name for one in fields(Settings)} & {one.name for one in fields(self)}
        return Settings(**{name: getattr(self, name) for name in shared})

    def split(self, processes: int) -> tuple[int, int]:
        """Rows that a process computes at once, and how often it does so in a step.

        Raises:
            CourseError: if the batch cannot be divided so, or KTO would have only one row at once.
        """
        share, rest = divmod(self.batch_size, processes)
        if rest or not share:
            raise CourseError(
                f"A batch of {self.batch_size} rows cannot be shared by {processes} processes: make "
                "batch_size a multiple of their number."
            )
        size = self.micro_batch_size or share
        if share % size:
            raise CourseError(
                f"micro_batch_size {size} does not divide the {share} rows that a process has in a step: "
                "take one of which batch_size is a multiple."
            )
        if self.method == "kto" and size == 1:
            raise CourseError(
                "KTO needs a micro_batch_size of 2 or more: its reference point pairs each prompt with "
                "another row's answer, and of one row that is the prompt's own."
            )
        return size, share // size


def read_recipe(path: str | Path) -> Recipe:
    """The recipe in a YAML file. Relative paths in it are relative to the file's folder.

    Raises:
        CourseError: if the file cannot be read, has a setting that there is none of, lacks one, or has one of
            the wrong kind or out of range; one sentence.
    """
    import yaml

    path = Path(path)
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CourseError(f"There is no file {path}: give a recipe, a file in YAML.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} cannot be read ({error}).") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise CourseError(
            f"{path.name}{where}: this is not YAML: look at that line and the one above."
        ) from None
    if not isinstance(found, dict):
        raise CourseError(f"{path.name} must hold settings such as `method: kto`, one a line.")
    known = {one.name: one for one in fields(Recipe)}
    unknown = [str(name) for name in found if name not in known]
    if unknown:
        raise CourseError(f"{path.name}: there is no setting {unknown[0]!r}; there are {', '.join(known)}.")
    missing = [
        name for name, one in known.items() if one.default is dataclasses.MISSING and name not in found
    ]
    if missing:
        raise CourseError(f"{path.name} does not say {', '.join(missing)}: add a line for each.")
    for name in ("data", "output", "start", "model"):
        value = found.get(name)
        if isinstance(value, str) and not (name == "model" and value in HUB):
            found[name] = str(path.parent / Path(value).expanduser())
    try:
        return Recipe(**found)
    except CourseError as error:
        raise CourseError(f"{path.name}: {error}") from None


def _value(name: str, kind: Any, value: Any) -> Any:
    """A setting's value in its type. Raises a CourseError, one sentence, if it has none."""
    choices = get_args(kind)
    if type(None) in choices:
        if value is None:
            return None
        kind = next(one for one in choices if one is not type(None))
    elif choices:
        if value not in choices:
            raise CourseError(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
        return value
    if kind is Path and isinstance(value, str | Path) and str(value):
        return Path(value)
    if kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)  # YAML takes 1e-4 for a text
        except ValueError:
            pass
    elif isinstance(value, kind) and (kind is bool or not isinstance(value, bool)) and value != "":
        return value
    wanted = {Path: "a path", float: "a number", int: "a whole number", bool: "true or false", str: "a name"}
    raise CourseError(f"{name} must be {wanted[kind]}, not {value!r}.")


# --- what the arithmetic is done in -------------------------------------------------------------------------


@dataclass(frozen=True)
class Numbers:
    """What numbers a training computes with. Weights that are trained are always float32.

    Attributes:
        frozen: the type of weights that are not trained.
        autocast: the type of the arithmetic; with float16, losses are scaled, or small gradients vanish.
    """

    frozen: str
    autocast: str


def numbers(trained: Trainable, precision: Precision, capability: int | None) -> Numbers:
    """The types for a device of this major compute capability, None for a CPU.

    Raises:
        CourseError: for float16 on a CPU, or bfloat16 on a GPU that would only emulate it.
    """
    native = "float32" if capability is None else tiers.precision(capability)
    if precision == "float16" and capability is None:
        raise CourseError("float16 needs a GPU, as its losses must be scaled: set precision to auto.")
    if precision == "bfloat16" and native == "float16":
        raise CourseError("This GPU has no bfloat16 of its own: set precision to auto, or to float16.")
    chosen = native if precision == "auto" else precision
    return Numbers("float32" if trained == "full" else chosen, chosen)


# --- a run --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """A finished run.

    Attributes:
        folder: the run's, with recipe.yaml, log.jsonl and the result.
        log: one dict of TRL's metrics per step, under TRL's names, with `step` from 1 and `seconds`. Of a
            step that was computed in several parts they are the means over the parts.
        steps: how many.
    """

    folder: Path
    log: list[dict[str, Any]]
    steps: int

    @property
    def weights(self) -> Path:
        """The folder of the adapter, or of the whole model, as `peft` or transformers reads it."""
        return self.folder / (ADAPTER if (self.folder / ADAPTER).is_dir() else MODEL)

    def curve(self, name: str) -> list[float]:
        """A metric over the steps that have it: a batch without thumbs up has no rewards/chosen."""
        return [entry[name] for entry in self.log if entry.get(name) is not None]


def run_recipe(recipe: Recipe, callbacks: tuple[Any, ...] = ()) -> Trained:
    """Train as the recipe says, or go on where a run of the same recipe stopped, or give the finished one.

    Under `accelerate launch` or `torchrun` every process calls this, and all of them give the same result.

    Args:
        callbacks: of transformers, to watch the training.

    Raises:
        CourseError: before any training, if the data or models do not fit the recipe, a package is missing,
            or the folder holds a run of other settings or data; at the step where the loss is not finite; if
            the processes end with different weights. Checkpoints stay, whatever happens.
    """
    quiet()
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    split = recipe.split(processes)
    form = "paired" if recipe.method in PAIRED else "unpaired" if recipe.method in UNPAIRED else None
    data = tables.read_as(recipe.data, form or "prompt_completion", recipe.seed)
    start = _adapter_of(recipe.start) if recipe.start else None
    _claim(recipe, start)
    if (done := _finished(recipe)) is not None:
        return done
    from helpers.preference.train import _random_state_kept, _silence

    with ExitStack() as stack:
        stack.enter_context(_random_state_kept())
        stack.enter_context(_silence())
        made = _trainer(recipe, data, start, split)
        for callback in callbacks:
            made.add_callback(callback)
        made.train(resume_from_checkpoint=_last_checkpoint(recipe.output))
        _finish(made, recipe, processes)
    log = _logged(made.state.log_history)
    return Trained(recipe.output, log, recipe.steps)


def load_trained(folder: str | Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A finished run's model in eval mode on the CPU, in float32, an adapter merged into it; its tokenizer.

    After QLoRA the adapter is merged into the weights as they were before they were put into 4 bits.

    Raises:
        CourseError: if the folder holds no finished run, or its model is not on this machine.
    """
    folder = Path(folder)
    recipe = read_recipe(folder / RECIPE)
    trained = Trained(folder, [], recipe.steps)
    if not trained.weights.is_dir():
        raise CourseError(f"The run in {folder} is not finished: train it to its end first.")
    if trained.weights.name == MODEL:
        return small.load(trained.weights)
    from peft import PeftModel

    from helpers.preference.train import _silence

    model, tokenizer = small.load(model_folder(recipe.model))
    with _silence():
        merged = PeftModel.from_pretrained(model.float(), trained.weights).merge_and_unload()
    return merged.eval(), tokenizer


def model_folder(model: str) -> Path:
    """The local folder of a recipe's model: a folder as it is; a key's from this machine, else from the hub.

    Raises:
        CourseError: if there is none.
    """
    if model not in HUB:
        if not (Path(model) / "config.json").is_file():
            raise CourseError(
                f"model must be one of {', '.join(_language_keys())}, or a folder with one: {model} is not."
            )
        return Path(model)
    folder = local_folder(model) if tiers.current_tier().name == "cpu" else hub_folder(model)
    if folder is not None:
        return folder
    name = HUB[model].id.partition("/")[2]
    packaged = real.language_weights()
    if packaged is None or packaged.name != name:
        raise CourseError(f"{name} is not on this machine: set COURSE_TIER=gpu to fetch it from the hub.")
    return packaged.folder


def _language_keys() -> list[str]:
    return [key for key, one in HUB.items() if one.kind == "language model"]


# --- the run's folder ---------------------------------------------------------------------------------------


def _is_first() -> bool:
    """Whether this is the process that writes."""
    return os.environ.get("RANK", "0") == "0"


def _adapter_of(folder: Path) -> Path:
    """The adapter in a run's folder, or the folder itself if it is one."""
    for place in (folder / ADAPTER, folder):
        if (place / "adapter_config.json").is_file() and (place / "adapter_model.safetensors").is_file():
            return place
    raise CourseError(f"start: {folder} holds no adapter; give the folder of a finished run with LoRA.")


def _claim(recipe: Recipe, start: Path | None) -> None:
    """Make the folder this recipe's, or make sure that it is."""
    identity: dict[str, Any] = {name: value for name, value in _plain(recipe).items() if name not in _PLACES}
    if recipe.model not in HUB:
        identity["model"] = str(Path(recipe.model).absolute())
    identity["data"] = _sha256(recipe.data)
    identity["start"] = _sha256(start / "adapter_model.safetensors") if start else None
    path = recipe.output / RUN
    try:
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8")).get("identity", {})
        elif _is_first():
            found = identity
            recipe.output.mkdir(parents=True, exist_ok=True)
            _write(recipe.output / RECIPE, _yaml(recipe))
            _write(path, json.dumps({"identity": identity}, indent=1) + "\n")
        else:
            return  # the first process looks
    except ValueError:
        raise CourseError(f"{path} is damaged: name another output folder, or delete this one.") from None
    except OSError as error:
        raise CourseError(f"{recipe.output} cannot be written ({error.strerror or error}).") from error
    differing = [name for name in identity if found.get(name) != identity[name]]
    if differing:
        changed = ", ".join(
            f"other {name}" if name in _PLACES else f"{name} {found.get(name)!r}, not {identity[name]!r}"
            for name in differing
        )
        raise CourseError(
            f"{recipe.output} holds a run of other settings ({changed}): name another output folder, or "
            "delete this one if you no longer need it."
        )


def _plain(recipe: Recipe) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in dataclasses.asdict(recipe).items()
    }


def _yaml(recipe: Recipe) -> str:
    """The recipe as a file that `read_recipe` reads from wherever it lies: its paths are absolute."""
    import yaml

    values = _plain(recipe)
    for name in ("data", "output", "start", "model"):
        if values[name] is not None and values[name] not in HUB:
            values[name] = str(Path(values[name]).absolute())
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _write(path: Path, text: str) -> None:
    """The text as a file that is there whole, or not there."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _finished(recipe: Recipe) -> Trained | None:
    done = Trained(recipe.output, _read_log(recipe.output / LOG), recipe.steps)
    return done if done.weights.is_dir() else None


def _read_log(path: Path) -> list[dict[str, Any]]:
    return [item[1] for item in jsonl.read(path) if not isinstance(item, BrokenLine)]


def _last_checkpoint(output: Path) -> str | None:
    """The last checkpoint that was written to its end."""
    found = [
        (int(folder.name.rpartition("-")[2]), str(folder))
        for folder in (output / CHECKPOINTS).glob("checkpoint-*")
        if (folder / _WHOLE).exists()
    ]
    return max(found)[1] if found else None


def _logged(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was logged at steps, in one order, as JSON can hold it: what is not finite becomes null."""
    return [
        {name: entry[name] if math.isfinite(entry[name]) else None for name in sorted(entry)}
        for entry in history
        if "loss" in entry
    ]


def _finish(made: Trainer, recipe: Recipe, processes: int) -> None:
    """Keep the result, once it is certain that all processes have the same."""
    from accelerate.utils import gather_object

    model = made.accelerator.unwrap_model(made.model)
    sums = gather_object([_checksum(model)])
    if len(set(sums)) > 1:
        raise CourseError(
            f"The {processes} processes ended with different weights, so only the checkpoints were kept: "
            "run it in one process."
        )
    if _is_first():
        part = recipe.output / "result.part"
        shutil.rmtree(part, ignore_errors=True)
        with without_bars():
            if recipe.trained == "full":
                model.save_pretrained(part)
            else:
                config = model.peft_config["default"]
                config.base_model_name_or_path = (
                    HUB[recipe.model].id if recipe.model in HUB else str(Path(recipe.model).absolute())
                )
                model.save_pretrained(part, selected_adapters=["default"])
                (part / "README.md").unlink(missing_ok=True)  # a card that says nothing
        made.processing_class.save_pretrained(part)
        jsonl.write(recipe.output / LOG, _logged(made.state.log_history))
        run = json.loads((recipe.output / RUN).read_text(encoding="utf-8"))
        run |= {"processes": processes, "weights": sums}
        _write(recipe.output / RUN, json.dumps(run, indent=1) + "\n")
        part.replace(recipe.output / (MODEL if recipe.trained == "full" else ADAPTER))
        shutil.rmtree(recipe.output / CHECKPOINTS, ignore_errors=True)
    made.accelerator.wait_for_everyone()


def _checksum(model: PreTrainedModel) -> str:
    """Of the trained weights, by their bits."""
    digest = hashlib.sha256()
    for weights in model.parameters():
        if weights.requires_grad:
            digest.update(weights.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()


# --- through TRL --------------------------------------------------------------------------------------------


def _trainer(recipe: Recipe, data: Dataset, start: Path | None, split: tuple[int, int]) -> Trainer:
    """TRL's trainer for the recipe, quiet, ready to train or to resume."""
    import torch
    from transformers import PrinterCallback
    from trl import DPOTrainer, KTOTrainer, SFTTrainer

    device = tiers.current_tier().device
    types = numbers(
        recipe.trained,
        recipe.precision,
        torch.cuda.get_device_capability()[0] if device == "cuda" else None,
    )
    args = _arguments(recipe, split, device, types)
    model, tokenizer = _load(recipe, types, args)
    steps = prepare(model, tokenizer, data, recipe.settings, None).steps
    columns = {DPOTrainer: ["prompt", "chosen", "rejected"], KTOTrainer: ["prompt", "completion", "label"]}
    kind = DPOTrainer if recipe.method in PAIRED else KTOTrainer if recipe.method in UNPAIRED else SFTTrainer
    rows = data.select([row for step in steps for row in step])
    rows = rows.select_columns(columns.get(kind, ["prompt", "completion"]))
    torch.manual_seed(recipe.seed)  # half of an adapter's matrices start at random, the other half at 0
    more: dict[str, Any] = {}
    if start is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, start, is_trainable=recipe.trained != "full")
        if recipe.trained == "full":
            model = model.merge_and_unload().requires_grad_(True)  # putting the adapter in froze the rest
        else:
            _require_same_adapter(recipe, model)
    elif recipe.trained != "full":
        from peft import LoraConfig

        more["peft_config"] = LoraConfig(
            r=recipe.rank, lora_alpha=recipe.alpha, target_modules="all-linear", task_type="CAUSAL_LM"
        )
    if recipe.trained == "full" and recipe.method != "sft":
        more["ref_model"] = fresh_copy(model)
    as_started = [(one, one.detach().clone()) for one in model.parameters() if one.requires_grad]
    made: Trainer = kind(model=model, args=args, train_dataset=rows, processing_class=tokenizer, **more)
    # TRL rounds the adapters of 4-bit models to bfloat16, which a T4 lacks and which would lose small steps.
    for weights in made.model.parameters():
        if weights.is_floating_point() and weights.requires_grad:
            weights.data = weights.data.float()
    if start is not None and recipe.trained != "full":
        for weights, exact in as_started:
            weights.data = exact
    made.remove_callback(PrinterCallback)
    made.add_callback(_keeper(recipe, types))
    return made


def _arguments(recipe: Recipe, split: tuple[int, int], device: str, types: Numbers) -> TrainingArguments:
    """TRL's configuration: that of lessons, but for what belongs to long runs in several processes."""
    from helpers.preference.train import arguments

    size, parts = split
    return dataclasses.replace(
        arguments(recipe.settings, str(recipe.output / CHECKPOINTS), device),
        per_device_train_batch_size=size,
        gradient_accumulation_steps=parts,
        activation_checkpointing=recipe.checkpointing,
        fp16=types.autocast == "float16",
        bf16=types.autocast == "bfloat16",
        save_strategy="steps",
        save_steps=recipe.save_every,
        save_total_limit=2,  # the one before stays until the next is whole
        ddp_find_unused_parameters=False,
    )


def _load(
    recipe: Recipe, types: Numbers, args: TrainingArguments
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The recipe's model as it starts, without any adapter, and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = model_folder(recipe.model)
    how: dict[str, Any] = {}
    if recipe.trained == "qlora":
        how = {"quantization_config": _in_four_bits(types), "device_map": {"": args.device}}
    try:
        with without_bars():
            model = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=getattr(torch, types.frozen),
                local_files_only=True,
                use_safetensors=True,
                **how,
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        reason = str(error).rstrip(".").splitlines()[0]
        raise CourseError(f"{folder} holds no language model that can be read ({reason}).") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.chat_template is None:
        raise CourseError(f"The tokenizer in {folder} has no chat template: take a model that chats.")
    return model, tokenizer


def _in_four_bits(types: Numbers) -> Any:
    """NF4 with doubly quantized scales (Dettmers et al., 2023, arXiv:2305.14314)."""
    from importlib.util import find_spec

    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise CourseError(
            "QLoRA needs bitsandbytes: pip install -r requirements-gpu.txt, or set trained to lora."
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=types.autocast,
    )


def _require_same_adapter(recipe: Recipe, model: Any) -> None:
    found = model.peft_config["default"]
    if (found.r, found.lora_alpha) != (recipe.rank, recipe.alpha):
        raise CourseError(
            f"start has an adapter of rank {found.r} and alpha {found.lora_alpha}, which the training goes "
            f"on with: set rank and alpha to these, not {recipe.rank} and {recipe.alpha}."
        )


def _keeper(recipe: Recipe, types: Numbers) -> Any:
    """A callback that logs each step, shows a bar, marks whole checkpoints, and stops at a loss of NaN."""
    from tqdm.auto import tqdm
    from transformers import TrainerCallback

    class Keeper(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            quietly = {} if _is_first() else {"disable": True}
            self.bar = tqdm(
                total=recipe.steps, initial=state.global_step, desc=recipe.method, leave=False, **quietly
            )
            if _is_first():  # without what a run that was killed logged after its last checkpoint
                jsonl.write(recipe.output / LOG, _logged(state.log_history))

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.perf_counter()

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
            if "loss" not in logs:
                return  # the summary at the end
            state.log_history[-1]["seconds"] = time.perf_counter() - self.began
            if _is_first():
                jsonl.append(recipe.output / LOG, _logged(state.log_history[-1:]))
            self.bar.update()
            # In float16 a gradient may overflow: that step is left out, and the scale of the losses lowered.
            watched = logs["loss"] + (0.0 if types.autocast == "float16" else logs["grad_norm"])
            if not math.isfinite(watched):
                self.bar.close()
                raise CourseError(
                    f"At step {state.global_step} the loss or its gradient is not a finite number: lower the "
                    "learning rate, and name another output folder."
                )

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            from accelerate import PartialState

            PartialState().wait_for_everyone()
            if _is_first():
                (Path(args.output_dir) / f"checkpoint-{state.global_step}" / _WHOLE).touch()

        def on_train_end(self, *_: Any, **__: Any) -> None:
            self.bar.close()

    return Keeper()
