"""What the course relies on in TRL, transformers and datasets: these fail loudly where an update changes it.

The course pins TRL exactly. Whoever raises the pin reads these first.
"""

from __future__ import annotations

import copy
import math
import os
import random
import subprocess
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers.data import formats
from helpers.models import small
from helpers.preference import fast
from helpers.preference import train as with_trl
from helpers.preference.runs import Settings, fresh_copy
from helpers.settings import ROOT

METHODS = ["sft", "dpo", "dpo+sft", "kto", "apo_zero", "apo_down", "apo_zero_unpaired"]
GONE = ["max_prompt_length", "max_completion_length", "rpo_alpha", "warmup_ratio", "logging_dir", "tokenizer"]


def settings(method, **changes):
    return Settings(method, 1e-3, **{"steps": 3, "batch_size": 4, "warmup_steps": 0, **changes})


@pytest.fixture
def quiet_trl():
    """TRL as `train` runs it: random states kept, nothing printed."""
    with with_trl._random_state_kept(), with_trl._silence():
        yield


@pytest.fixture
def kto_config(tmp_path):
    return with_trl.arguments(settings("kto"), str(tmp_path), "cpu")


# --- configurations -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_configuration_of_the_course_can_be_made_without_a_warning(method, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = with_trl.arguments(settings(method, sft_weight=0.5), str(tmp_path), "cpu")
    assert (made.bf16, made.fp16, made.gradient_checkpointing, made.max_length) == (False, False, False, None)
    assert made.train_sampling_strategy == "sequential"
    assert made.optim == "adamw_torch_fused"
    assert (made.adam_beta1, made.adam_beta2, made.adam_epsilon) == (0.9, 0.999, 1e-8)


def test_the_names_of_the_losses():
    from trl import DPOConfig, KTOConfig

    assert KTOConfig.__dataclass_fields__["loss_type"].metadata["choices"] == ["kto", "apo_zero_unpaired"]
    described = DPOConfig.__doc__ + str(DPOConfig.__dataclass_fields__["loss_type"].metadata)
    for name in ("sigmoid", "apo_zero", "apo_down", "sft"):
        assert f"'{name}'" in described


@pytest.mark.parametrize("name", GONE)
@pytest.mark.parametrize("config", ["SFTConfig", "DPOConfig", "KTOConfig"])
def test_arguments_of_older_tutorials_are_refused(config, name, tmp_path):
    import trl

    with pytest.raises(TypeError, match=name):
        getattr(trl, config)(output_dir=str(tmp_path), use_cpu=True, bf16=False, **{name: 8})


def test_trainers_take_no_tokenizer(model, tokenizer, thumbs, kto_config):
    from trl import KTOTrainer

    with pytest.raises(TypeError, match="tokenizer"):
        KTOTrainer(model, args=kto_config, train_dataset=thumbs, tokenizer=tokenizer)


def test_defaults_that_the_course_overrides(tmp_path):
    from trl import DPOConfig, KTOConfig, SFTConfig

    rates = {}
    for config in (SFTConfig, DPOConfig, KTOConfig):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = config(output_dir=str(tmp_path), use_cpu=True, bf16=False)
        assert made.gradient_checkpointing  # slower, to save memory that nobody needs here
        assert made.logging_nan_inf_filter  # logs earlier losses in place of a NaN
        assert (made.max_length, made.logging_steps) == (1024, 10)
        rates[config.__name__] = (made.learning_rate, made.train_sampling_strategy)
    assert rates == {
        "SFTConfig": (2e-5, "random"),
        "DPOConfig": (1e-6, "random"),
        "KTOConfig": (1e-6, "sequential"),
    }


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU may have bfloat16")
def test_a_bare_configuration_asks_for_bfloat16():
    from trl import KTOConfig

    assert KTOConfig.__dataclass_fields__["bf16"].default is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert KTOConfig(use_cpu=True).bf16


# --- traps --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quiet_trl")
@pytest.mark.parametrize("method", ["kto", "dpo"])
def test_trap_1_without_a_reference_one_is_read_from_disk(method, model, tokenizer, data_for, tmp_path):
    """Not the weights in hand: after SFT in memory the reference is the model before SFT."""
    import trl

    small.save(model, tokenizer, tmp_path / "saved")
    taught, _ = small.load(tmp_path / "saved")
    with torch.no_grad():
        taught.lm_head.weight += 1
    trainer = {"kto": trl.KTOTrainer, "dpo": trl.DPOTrainer}[method]
    made = trainer(
        taught,
        args=with_trl.arguments(settings(method), str(tmp_path), "cpu"),
        train_dataset=data_for(method),
        processing_class=tokenizer,
    )
    torch.testing.assert_close(made.ref_model.lm_head.weight, model.lm_head.weight)


@pytest.mark.usefixtures("quiet_trl")
@pytest.mark.parametrize("method", METHODS)
def test_trap_2_a_trainer_patches_forward_on_the_model(method, model, tokenizer, data_for, tmp_path):
    reference = copy.deepcopy(model)
    with_trl.trainer(model, tokenizer, data_for(method), settings(method), str(tmp_path), reference)
    assert "forward" in vars(model)
    assert ("forward" in vars(reference)) == (method != "sft")
    ids = torch.tensor([[2, 7, 8, 3]])
    plain, clean = copy.deepcopy(model), fresh_copy(model)
    logits = model(input_ids=ids).logits
    with torch.no_grad():
        for one in (plain, clean):
            one.lm_head.weight.zero_()
    assert torch.equal(plain(input_ids=ids).logits, logits)  # the copy runs the original's weights
    assert not clean(input_ids=ids).logits.any()


def test_trap_3_making_a_trainer_resets_the_random_states(model, tokenizer, thumbs, tmp_path):
    def make(seed):
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        with with_trl._silence():
            with_trl.trainer(
                copy.deepcopy(model), tokenizer, thumbs, settings("kto", seed=seed), str(tmp_path), model
            )
        return random.random(), np.random.rand(), torch.rand(1).item()

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    first, second = make(7), make(8)
    random.setstate(states[0]), np.random.set_state(states[1]), torch.set_rng_state(states[2])
    assert all(one != other for one, other in zip(first, second, strict=True))


@pytest.mark.usefixtures("quiet_trl")
def test_trap_4_pairs_given_to_kto_come_all_chosen_first(model, tokenizer, pairs, kto_config):
    from trl import KTOTrainer

    made = KTOTrainer(
        copy.deepcopy(model), model, kto_config, train_dataset=pairs, processing_class=tokenizer
    )
    assert made.train_dataset["label"][:] == [True] * len(pairs) + [False] * len(pairs)
    assert isinstance(made._get_train_sampler(), torch.utils.data.SequentialSampler)


@pytest.mark.usefixtures("quiet_trl")
def test_ktos_mismatched_answers_are_those_of_the_row_before(model, tokenizer, thumbs, kto_config):
    from trl import KTOTrainer

    made = KTOTrainer(
        copy.deepcopy(model),
        model,
        kto_config,
        train_dataset=thumbs.select(range(9)),
        processing_class=tokenizer,
    )
    answers = made.train_dataset["completion_ids"][:]
    mismatched = made.train_dataset["KL_completion_ids"][:]
    for start, end in ((0, 4), (4, 8)):
        assert mismatched[start:end] == [answers[end - 1], *answers[start : end - 1]]
    assert mismatched[8] == answers[8]  # a last batch of one has its own answer


@pytest.mark.usefixtures("quiet_trl")
def test_kto_refuses_a_batch_of_one_and_shuffling(model, tokenizer, thumbs, kto_config):
    from trl import KTOTrainer

    for name, value in (("per_device_train_batch_size", 1), ("train_sampling_strategy", "random")):
        changed = copy.copy(kto_config)
        setattr(changed, name, value)
        with pytest.raises(ValueError, match=r"batch size must be > 1|sequential"):
            KTOTrainer(copy.deepcopy(model), model, changed, train_dataset=thumbs, processing_class=tokenizer)


@pytest.mark.usefixtures("quiet_trl")
def test_a_wrong_name_of_ktos_loss_is_only_found_when_it_trains(model, tokenizer, thumbs, kto_config):
    from trl import KTOTrainer

    kto_config.loss_type = "kpo"
    made = KTOTrainer(
        copy.deepcopy(model), model, kto_config, train_dataset=thumbs, processing_class=tokenizer
    )
    with pytest.raises(UnboundLocalError):
        made.train()


@pytest.mark.usefixtures("quiet_trl")
def test_kto_leaves_rows_that_are_nan_out_of_its_loss(model, tokenizer, thumbs, tmp_path):
    chosen = settings("apo_zero_unpaired")
    made = with_trl.trainer(copy.deepcopy(model), tokenizer, thumbs, chosen, str(tmp_path), model)
    batch = next(iter(made.get_train_dataloader()))

    def logps(value):
        values = torch.zeros(4, batch["input_ids"].shape[1] - 1)
        values[1, 0] = value
        return lambda **_: SimpleNamespace(
            log_probs=values, entropy=values, mean_logits=values, is_top1=values > 0
        )

    made.ref_model = logps(0.0)
    assert made._compute_loss(logps(math.nan), batch, False).item() == 0.5
    assert not math.isnan(made._compute_loss(logps(1.0), batch, False).item())


@pytest.mark.usefixtures("quiet_trl")
def test_the_answer_ends_with_the_end_token_that_the_template_writes(model, tokenizer, thumbs, tmp_path):
    made = with_trl.trainer(copy.deepcopy(model), tokenizer, thumbs, settings("kto"), str(tmp_path), model)
    row = made.train_dataset[0]
    assert tokenizer.decode(row["prompt_ids"][:1] + row["prompt_ids"][-1:]) == small.USER + small.ASSISTANT
    assert row["completion_ids"].count(tokenizer.eos_token_id) == 1
    assert row["completion_ids"][-1] == tokenizer.eos_token_id


@pytest.mark.parametrize("method", ["sft", "dpo", "kto"])
def test_the_warm_up_starts_from_a_learning_rate_of_zero(method, model, tokenizer, data_for):
    run = with_trl.train(model, tokenizer, data_for(method), settings(method, warmup_steps=2))
    assert run.curve("learning_rate") == [0, 5e-4, 1e-3]
    assert run.curve("learning_rate") == fast.train_fast(
        model, tokenizer, data_for(method), settings(method, warmup_steps=2)
    ).curve("learning_rate")


def test_the_names_of_what_is_logged(model, tokenizer, data_for):
    common = {"loss", "grad_norm", "learning_rate", "entropy", "num_tokens", "epoch", "step"}
    sides = {f"{what}/{side}" for what in ("rewards", "logps", "logits") for side in ("chosen", "rejected")}
    expected = {
        "sft": common | {"mean_token_accuracy"},
        "kto": common | sides | {"rewards/margins", "kl"},
        "dpo": common | sides | {"rewards/margins", "rewards/accuracies", "mean_token_accuracy"},
    }
    for method, names in expected.items():
        run = with_trl.train(model, tokenizer, data_for(method), settings(method, batch_size=24, steps=2))
        assert set(run.log[-1]) == names


def test_no_telemetry():
    """In a process of its own: the library reads the setting once, when it is first imported."""
    code = (
        "from helpers.settings import quiet; quiet(); import trl; from huggingface_hub import constants; "
        "assert constants.HF_HUB_DISABLE_TELEMETRY"
    )
    environment = {k: v for k, v in os.environ.items() if k != "HF_HUB_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)


def test_lengths_are_cut_silently_unless_told_otherwise(model, tokenizer, kto_config):
    """TRL drops rows whose prompt fills `max_length`; the course refuses such rows by name instead."""
    from trl import KTOTrainer

    kto_config.max_length = 8
    rows = formats.unpaired(
        [("small cat", "small cat", True), ("small " * 9, "cat", False), ("cat", "cat", False)]
    )
    with with_trl._random_state_kept(), with_trl._silence():
        made = KTOTrainer(
            copy.deepcopy(model), model, kto_config, train_dataset=rows, processing_class=tokenizer
        )
    assert len(made.train_dataset) == 2
