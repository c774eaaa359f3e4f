"""Recipes: read from YAML, run through TRL with adapters or without, resumed, refused in one sentence."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import TrainerCallback

from helpers.data import formats
from helpers.models import base, real, small, tiers
from helpers.preference import fast
from helpers.preference import recipe as recipes
from helpers.preference.recipe import Recipe, load_trained, numbers, read_recipe, run_recipe
from helpers.settings import CourseError

pytestmark = pytest.mark.usefixtures("one_thread")

CHATS = [("small orange cat, walks left, meadow", "the small orange cat walks left in the meadow")]


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch):
    monkeypatch.setenv("COURSE_TIER", "cpu")


def write(path, data):
    path.write_text("".join(json.dumps(row) + "\n" for row in data), encoding="utf-8")


def recipe(method, data, output, **changes):
    """As quick as can be."""
    chosen = {
        "learning_rate": 1e-3,
        "steps": 4,
        "batch_size": 8,
        "rank": 4,
        "alpha": 8,
        "beta": 0.5,
        "warmup_steps": 1,
        **changes,
    }
    return Recipe(
        **{"model": str(base.CHECKPOINT), "data": data, "method": method, "output": output, **chosen}
    )


@pytest.fixture
def make(tmp_path, data_for):
    """A recipe for a method, with its data."""

    def build(method, output="run", **changes):
        path = tmp_path / f"{method}.jsonl"
        if not path.exists():
            write(path, data_for(method))
        return recipe(method, **{"data": path, "output": tmp_path / output, **changes})

    return build


def furthest(one, two):
    pairs = zip(one.parameters(), two.parameters(), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


# --- the file -----------------------------------------------------------------------------------------------

GOOD = """\
model: smollm2-135m
data: thumbs.jsonl
method: kto
output: runs/kto
learning_rate: 1e-4
steps: 10
batch_size: 8
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "kto.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_file_gives_a_recipe_with_paths_relative_to_it(file, tmp_path):
    read = read_recipe(file(GOOD + "start: runs/sft\ncheckpointing: true\n"))
    assert (read.model, read.method, read.learning_rate, read.steps) == ("smollm2-135m", "kto", 1e-4, 10)
    assert (read.data, read.output) == (tmp_path / "thumbs.jsonl", tmp_path / "runs/kto")
    assert (read.start, read.checkpointing, read.trained) == (tmp_path / "runs/sft", True, "lora")
    assert read_recipe(file(GOOD.replace("smollm2-135m", "mine"))).model == str(tmp_path / "mine")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("steps: 10", "stesp: 10"), "there is no setting 'stesp'; there are model, data"),
        (("steps: 10\n", ""), "does not say steps: add a line"),
        (("steps: 10", "steps: ten"), "steps must be a whole number, not 'ten'"),
        (("steps: 10", "steps: 1.5"), "steps must be a whole number, not 1.5"),
        (("steps: 10", "steps: true"), "steps must be a whole number, not True"),
        (("steps: 10", "steps: 0"), "steps is 0, and must be at least 1"),
        (("1e-4", "fast"), "learning_rate must be a number, not 'fast'"),
        (("1e-4", "0"), "learning_rate is 0.0, and must be a number above 0"),
        (("kto\n", "kpo\n"), "method must be one of sft, dpo.*, not 'kpo'"),
        (("thumbs.jsonl", ""), "data must be a path, not None"),
        (("batch_size: 8", "batch_size: 8\ntrained: half"), "trained must be one of full, lora, qlora"),
        (("batch_size: 8", "batch_size: 8\nrank: 0"), "rank is 0, and must be at least 1"),
        (("batch_size: 8", "batch_size: 8\ncheckpointing: 1"), "checkpointing must be true or false, not 1"),
        (("batch_size: 8", "batch_size: 1"), "KTO needs a batch size of 2 or more"),
        (("model:", "model"), "kto.yaml, line 2: this is not YAML"),
        ((GOOD, "- kto"), "must hold settings such as"),
        ((GOOD, ""), "must hold settings such as"),
    ],
)
def test_a_file_that_is_wrong_is_one_sentence(change, message, file):
    with pytest.raises(CourseError, match=message) as raised:
        read_recipe(file(GOOD.replace(*change)))
    assert "\n" not in str(raised.value)


def test_yaml_makes_no_objects(file, tmp_path):
    with pytest.raises(CourseError, match="not YAML"):
        read_recipe(file(GOOD + f"seed: !!python/object/apply:os.mkdir ['{tmp_path}/made']\n"))
    assert not (tmp_path / "made").exists()


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(CourseError, match="There is no file"):
        read_recipe(tmp_path / "no.yaml")


# --- pure choices -------------------------------------------------------------------------------------------


def test_a_batch_is_split_over_processes_and_parts(make):
    assert make("kto").split(1) == (8, 1)
    assert make("kto").split(2) == (4, 1)
    assert make("kto", micro_batch_size=2).split(2) == (2, 2)
    assert make("sft", micro_batch_size=1).split(1) == (1, 8)


@pytest.mark.parametrize(
    ("changes", "processes", "message"),
    [
        ({}, 3, "8 rows cannot be shared by 3 processes"),
        ({"batch_size": 2}, 4, "cannot be shared"),
        ({"micro_batch_size": 3}, 1, "3 does not divide the 8 rows"),
        ({"micro_batch_size": 8}, 2, "8 does not divide the 4 rows"),
        ({}, 8, "KTO needs a micro_batch_size of 2 or more"),
        ({"micro_batch_size": 1}, 1, "KTO needs a micro_batch_size of 2 or more"),
    ],
)
def test_a_batch_that_cannot_be_split(changes, processes, message, make):
    with pytest.raises(CourseError, match=message):
        make("kto", **changes).split(processes)


@pytest.mark.parametrize(
    ("trained", "precision", "capability", "frozen", "autocast"),
    [
        ("lora", "auto", None, "float32", "float32"),
        ("lora", "bfloat16", None, "bfloat16", "bfloat16"),
        ("full", "bfloat16", None, "float32", "bfloat16"),
        ("lora", "auto", 7, "float16", "float16"),
        ("full", "auto", 7, "float32", "float16"),
        ("qlora", "auto", 7, "float16", "float16"),
        ("lora", "auto", 8, "bfloat16", "bfloat16"),
        ("lora", "float16", 9, "float16", "float16"),
        ("lora", "float32", 8, "float32", "float32"),
    ],
)
def test_numbers_follow_the_device(trained, precision, capability, frozen, autocast):
    found = numbers(trained, precision, capability)
    assert (found.frozen, found.autocast) == (frozen, autocast)


@pytest.mark.parametrize(
    ("precision", "capability", "message"),
    [("float16", None, "float16 needs a GPU"), ("bfloat16", 7, "This GPU has no bfloat16")],
)
def test_numbers_that_the_device_has_not(precision, capability, message):
    with pytest.raises(CourseError, match=message):
        numbers("lora", precision, capability)


# --- runs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["sft", "kto", "apo_zero"])
def test_all_weights_trained_are_those_of_the_plain_loop(method, make, model, tokenizer, data_for):
    """Step for step, also where each step is computed in two parts."""
    plain = fast.train_fast(model, tokenizer, data_for(method), make(method).settings)
    run = run_recipe(make(method, trained="full", micro_batch_size=4))
    trained, _ = load_trained(run.folder)
    assert run.curve("loss") == pytest.approx(plain.curve("loss"), abs=1e-5)
    assert furthest(trained, plain.model) < 1e-4
    assert furthest(trained, model) > 1e-3


@pytest.fixture(scope="module")
def after_sft(tmp_path_factory, chats):
    """An SFT run with LoRA that has moved the model a good deal."""
    folder = tmp_path_factory.mktemp("after-sft")
    write(folder / "sft.jsonl", chats)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_TIER", "cpu")
        return run_recipe(recipe("sft", folder / "sft.jsonl", folder / "run", learning_rate=1e-2))


@pytest.mark.parametrize(("method", "constant"), [("kto", 0.5), ("dpo", math.log(2)), ("apo_zero", 1.0)])
def test_after_sft_the_reference_is_the_sft_model(
    method, constant, make, after_sft, model, tokenizer, data_for
):
    """At the first step all rewards are 0, and the log-probabilities are the SFT model's, not the base's."""
    whole = make(method, start=after_sft.folder, batch_size=48, steps=2, warmup_steps=0)
    run = run_recipe(whole)
    first = run.log[0]
    assert first["rewards/chosen"] == first["rewards/rejected"] == 0
    assert first["loss"] == pytest.approx(constant, abs=1e-6)
    taught, _ = load_trained(after_sft.folder)
    column = "completion" if method == "kto" else "chosen"
    chats = formats.chats_of(data_for(method), column)
    ups = data_for(method)["label"][:] if method == "kto" else [True] * len(chats)
    ups = [chat for chat, up in zip(chats, ups, strict=True) if up]
    own, before = (small.score(one, tokenizer, ups) for one in (taught, model))
    assert first["logps/chosen"] == pytest.approx(own.mean().item(), abs=1e-3)
    assert (own - before).abs().mean() > 0.05
    assert run.log[1]["rewards/chosen"] != 0
    # One adapter is the result: it holds what both runs have learned.
    final, _ = load_trained(run.folder)
    assert 1e-4 < furthest(final, taught) < furthest(final, model)


def test_going_on_with_sft_starts_where_it_ended(make, after_sft, tokenizer):
    run = run_recipe(make("sft", "more", start=after_sft.folder, steps=1, learning_rate=1e-9))
    assert furthest(load_trained(run.folder)[0], load_trained(after_sft.folder)[0]) < 1e-6


def test_all_weights_after_an_adapter(make, after_sft):
    run = run_recipe(make("kto", trained="full", start=after_sft.folder, steps=2))
    assert run.log[0]["rewards/chosen"] == 0
    assert furthest(load_trained(run.folder)[0], load_trained(after_sft.folder)[0]) < 0.01


def test_what_a_run_leaves(make, model, tokenizer):
    run = run_recipe(make("kto", save_every=2))
    names = {str(path.relative_to(run.folder)) for path in run.folder.rglob("*") if path.is_file()}
    assert {"recipe.yaml", "run.json", "log.jsonl", "adapter/adapter_model.safetensors"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl"))]
    assert not any(name.startswith("checkpoints") for name in names)
    assert run.log == [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in run.log] == [1, 2, 3, 4]
    assert all(entry["seconds"] > 0 for entry in run.log)
    again = read_recipe(run.folder / "recipe.yaml")
    assert again == make("kto", save_every=2)
    trained, _ = load_trained(run.folder)
    assert "forward" not in vars(trained)
    assert small.score(trained, tokenizer, CHATS) != small.score(model, tokenizer, CHATS)
    from peft import PeftModel

    beside = PeftModel.from_pretrained(model, run.weights)
    assert small.score(beside, tokenizer, CHATS).item() == pytest.approx(
        small.score(trained, tokenizer, CHATS).item(), abs=1e-4
    )


class Stop(TrainerCallback):
    """A crash at the end of a step."""

    def __init__(self, step):
        self.step = step

    def on_step_begin(self, args, state, control, **_):
        if state.global_step == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("trained", ["lora", "full"])
def test_stopped_it_goes_on_at_its_last_whole_checkpoint(trained, make):
    straight = run_recipe(make("kto", "straight", trained=trained, steps=6, save_every=2))
    broken = make("kto", "broken", trained=trained, steps=6, save_every=2)
    with pytest.raises(KeyboardInterrupt):
        run_recipe(broken, callbacks=(Stop(5),))
    kept = (broken.output / "log.jsonl").read_text().splitlines()
    assert len(kept) == 5
    seen = []

    class Watch(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            seen.append(state.global_step)

    run = run_recipe(broken, callbacks=(Watch(),))
    assert seen == [5, 6]
    assert (broken.output / "log.jsonl").read_text().splitlines()[:4] == kept[:4]
    assert run.curve("loss") == straight.curve("loss")
    assert furthest(load_trained(run.folder)[0], load_trained(straight.folder)[0]) == 0


def test_a_run_from_an_adapter_that_was_stopped_keeps_its_reference(make, after_sft):
    changes = {"start": after_sft.folder, "save_every": 2, "learning_rate": 5e-3}
    straight = run_recipe(make("kto", "straight", **changes))
    broken = make("kto", "broken", **changes)
    with pytest.raises(KeyboardInterrupt):
        run_recipe(broken, callbacks=(Stop(3),))
    assert run_recipe(broken).curve("rewards/chosen") == straight.curve("rewards/chosen")


def test_a_finished_run_is_given_and_not_trained_again(make, monkeypatch):
    first = run_recipe(make("sft", steps=2))
    monkeypatch.setattr(recipes, "_trainer", lambda *_: pytest.fail("training began"))
    again = run_recipe(make("sft", steps=2))
    assert (again.log, again.weights, again.steps) == (first.log, first.weights, 2)


def test_other_settings_or_data_in_the_folder_are_refused(make):
    done = make("sft", steps=2)
    run_recipe(done)
    before = sorted(done.output.rglob("*"))
    for other, what in [
        (replace(done, steps=3), "steps 2, not 3"),
        (replace(done, learning_rate=2e-3, seed=1), r"learning_rate 0.001, not 0.002, seed 0, not 1"),
        (replace(done, data=make("dpo").data), "other data"),
    ]:
        with pytest.raises(CourseError, match=f"holds a run of other settings \\({what}\\)"):
            run_recipe(other)
    assert sorted(done.output.rglob("*")) == before


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_checkpoints(make):
    diverging = make("sft", learning_rate=1e30, save_every=1, trained="full")
    with pytest.raises(CourseError, match="not a finite number: lower the learning rate"):
        run_recipe(diverging)
    assert (diverging.output / "checkpoints").is_dir()
    with pytest.raises(CourseError, match="is not finished"):
        load_trained(diverging.output)
    assert [json.loads(line) for line in (diverging.output / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "nowhere"}, "model must be one of smollm2-135m.*: nowhere is not"),
        ({"start": Path("nowhere")}, "start: nowhere holds no adapter"),
        ({"data": Path("nowhere")}, "There is no file nowhere"),
    ],
)
def test_what_is_not_there_is_one_sentence(changes, message, make):
    with pytest.raises(CourseError, match=message):
        run_recipe(make("kto", **changes))


def test_an_adapter_of_another_rank_is_refused(make, after_sft):
    with pytest.raises(CourseError, match=r"rank 4 and alpha 8.*not 2 and 8"):
        run_recipe(make("kto", start=after_sft.folder, rank=2))


def test_a_model_that_the_machine_has_not(make, monkeypatch):
    monkeypatch.setattr(recipes, "local_folder", lambda key: None)
    monkeypatch.setattr(real, "language_weights", lambda: None)
    with pytest.raises(CourseError, match=r"Qwen2\.5-0\.5B-Instruct is not on this machine"):
        run_recipe(make("kto", model="qwen2.5-0.5b"))


# --- what the numbers are -----------------------------------------------------------------------------------


class Types(TrainerCallback):
    """The types of a model's weights while it trains, the trained ones apart."""

    def on_train_begin(self, args, state, control, model, **_):
        self.trained = {str(one.dtype) for one in model.parameters() if one.requires_grad}
        self.frozen = {str(one.dtype) for one in model.parameters() if not one.requires_grad}
        self.layers = {type(one).__name__ for one in model.modules()}


def test_an_adapter_is_float32_beside_weights_in_bfloat16(make):
    types = Types()
    run = run_recipe(make("kto", precision="bfloat16"), callbacks=(types,))
    assert (types.trained, types.frozen) == ({"torch.float32"}, {"torch.bfloat16"})
    assert run.curve("loss")[0] == pytest.approx(0.5, abs=1e-3)


def test_checkpointing_changes_nothing_but_memory(make):
    plain = run_recipe(make("kto", "plain"))
    again = run_recipe(make("kto", "again", checkpointing=True))
    assert again.curve("loss") == pytest.approx(plain.curve("loss"), abs=1e-6)
    assert furthest(load_trained(again.folder)[0], load_trained(plain.folder)[0]) < 1e-5


def test_qlora_keeps_the_frozen_weights_in_four_bits(make, tokenizer, model):
    pytest.importorskip("bitsandbytes")
    types = Types()
    sft = run_recipe(make("sft", "sft", trained="qlora", learning_rate=1e-2), callbacks=(types,))
    assert types.trained == {"torch.float32"}
    assert "Linear4bit" in types.layers
    assert sft.log[-1]["loss"] < sft.log[0]["loss"]
    run = run_recipe(make("kto", "kto", trained="qlora", start=sft.folder))
    assert run.log[0]["rewards/chosen"] == run.log[0]["rewards/rejected"] == 0
    assert run.log[-1]["rewards/chosen"] != 0
    taught, _ = load_trained(run.folder)
    assert small.score(taught, tokenizer, CHATS) != small.score(model, tokenizer, CHATS)


def test_qlora_without_bitsandbytes_is_one_sentence(make, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CourseError, match=r"pip install -r requirements-gpu\.txt"):
        run_recipe(make("kto", trained="qlora"))


def test_nothing_of_the_session_changes(make):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    run_recipe(make("sft", steps=1))
    assert torch.rand(1) == expected
    assert tiers.current_tier().name == "cpu"
