"""Training through TRL and in the plain loop: the same steps, a clean model, no noise, and errors in time."""

from __future__ import annotations

import copy
import functools
import math
import os
import random
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
import tqdm.auto

from helpers import settings as course
from helpers.data import formats
from helpers.models import small
from helpers.preference import fast, runs
from helpers.preference import train as with_trl
from helpers.preference.runs import PAIRED, Settings
from helpers.settings import CourseError

METHODS = ["sft", "dpo", "dpo+sft", "kto", "apo_zero", "apo_down", "apo_zero_unpaired"]
BOTH = [with_trl.train, fast.train_fast]


def weights(model):
    return [one.detach().clone() for one in model.parameters()]


def furthest(ours, theirs):
    """The largest difference of any weight."""
    return max((a - b).abs().max().item() for a, b in zip(ours, theirs, strict=True))


def settings(method, **changes):
    chosen = {"learning_rate": 3e-4, "steps": 20, "batch_size": 16, "beta": 0.5, "seed": 3, **changes}
    return Settings(method, **chosen)


# --- step for step ------------------------------------------------------------------------------------------


def compare(model, tokenizer, data, chosen, ref_model=None):
    """Both runs, equal in weights after the last step and in every number of every step.

    Wanted is 1e-4; SFT and thumbs come out equal to the last bit where the machine rounds alike.
    """
    slow = with_trl.train(model, tokenizer, data, chosen, ref_model)
    quick = fast.train_fast(model, tokenizer, data, chosen, ref_model)
    assert furthest(weights(quick.model), weights(slow.model)) < 2e-5
    assert furthest(weights(quick.model), weights(model)) > 1e-3
    assert len(quick.log) == len(slow.log) == chosen.steps
    for ours, theirs in zip(quick.log, slow.log, strict=True):
        for name, value in ours.items():
            assert value == pytest.approx(theirs[name], abs=1e-4), name
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-5)
    # What only TRL logs.
    extra = set(slow.log[0]) - set(quick.log[0])
    assert extra <= {
        *("step", "epoch", "entropy", "num_tokens", "mean_token_accuracy", "logits/chosen", "logits/rejected")
    }
    return quick, slow


@pytest.mark.parametrize("method", METHODS)
def test_twenty_steps_of_the_loop_are_trls(method, model, tokenizer, data_for):
    # 48 rows in batches of 10: every fifth batch reaches over into the next permutation.
    quick, _ = compare(model, tokenizer, data_for(method), settings(method, batch_size=10))
    assert quick.log[-1]["loss"] < quick.log[0]["loss"]


def test_kto_is_trls_where_the_reference_point_moves(model, tokenizer, stock_thumbs):
    chosen = settings("kto", desirable_weight=1.5, undesirable_weight=0.5, learning_rate=5e-4)
    quick, _ = compare(model, tokenizer, stock_thumbs, chosen)
    assert sum(kl > 0 for kl in quick.curve("kl")) > 10
    assert max(quick.curve("kl")) > 0.5


def test_another_reference_is_used_by_both(model, tokenizer, thumbs, chats):
    taught = fast.train_fast(model, tokenizer, chats, settings("sft", steps=8)).model
    chosen = settings("apo_zero_unpaired", warmup_steps=0)
    quick, _ = compare(taught, tokenizer, thumbs, chosen, ref_model=model)
    assert abs(quick.log[0]["rewards/chosen"]) > 1e-3
    alone = fast.train_fast(taught, tokenizer, thumbs, chosen)
    assert alone.log[0]["rewards/chosen"] == pytest.approx(0, abs=1e-5)


def test_rows_in_their_order_and_batches_with_thumbs_of_one_kind(model, tokenizer, thumb_rows):
    ordered = formats.unpaired(sorted(thumb_rows, key=lambda row: row[2], reverse=True))
    chosen = settings("kto", shuffle=False, batch_size=8, steps=6, learning_rate=2e-3)
    quick, _ = compare(model, tokenizer, ordered, chosen)
    assert "rewards/rejected" not in quick.log[0]
    assert "rewards/chosen" not in quick.log[-1]
    assert "rewards/margins" not in quick.log[0]


def test_a_batch_may_be_larger_than_the_data(model, tokenizer, chats):
    compare(model, tokenizer, chats.select(range(6)), settings("sft", batch_size=16, steps=6, warmup_steps=1))


@pytest.mark.parametrize(
    ("method", "constant"),
    [("dpo", math.log(2)), ("apo_zero", 1), ("apo_down", 1), ("kto", 0.5), ("apo_zero_unpaired", 0.5)],
)
def test_the_first_step_costs_its_constant(method, constant, model, tokenizer, data_for):
    run = fast.train_fast(model, tokenizer, data_for(method), settings(method, steps=1))
    assert run.log[0]["loss"] == pytest.approx(constant, abs=1e-5)


def test_weights_leave_a_kind_of_thumb_out(model, tokenizer, thumbs, thumb_rows):
    """With weight 0 for thumbs down, what they are about does not matter."""
    chosen = settings("apo_zero_unpaired", undesirable_weight=0.0)
    other = formats.unpaired([(q, a if up else thumb_rows[0][1], up) for q, a, up in thumb_rows])
    one, two = (fast.train_fast(model, tokenizer, data, chosen).model for data in (thumbs, other))
    assert furthest(weights(one), weights(two)) < 1e-4
    assert furthest(weights(one), weights(model)) > 1e-3


@pytest.mark.parametrize(
    ("device", "native", "bf16", "fp16"),
    [("cpu", True, False, False), ("cuda", True, True, False), ("cuda", False, False, True)],
)
def test_precision_follows_the_device(device, native, bf16, fp16, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert with_trl._precision(device) == {"bf16": bf16, "fp16": fp16}


# --- the order of rows --------------------------------------------------------------------------------------


def test_the_order_is_permutations_cut_into_equal_batches():
    steps = runs.order(10, settings("kto", steps=9, batch_size=7))
    assert {len(rows) for rows in steps} == {7}
    rows = [row for step in steps for row in step]
    for start in range(0, 60, 10):
        assert sorted(rows[start : start + 10]) == list(range(10))
    assert rows[:10] != rows[10:20]
    assert rows != list(range(10)) * 7


def test_the_order_follows_its_seed_and_nothing_else():
    first = runs.order(10, settings("kto"))
    torch.manual_seed(99)
    assert runs.order(10, settings("dpo", learning_rate=1.0)) == first
    assert runs.order(10, settings("kto", seed=4)) != first
    assert runs.order(3, settings("kto", steps=2, batch_size=4, shuffle=False)) == [
        [0, 1, 2, 0],
        [1, 2, 0, 1],
    ]


# --- a clean model, and nothing else touched ----------------------------------------------------------------


@pytest.mark.parametrize("train", BOTH)
@pytest.mark.parametrize("method", ["sft", "dpo", "kto"])
def test_the_given_models_stay_as_they_are(train, method, model, tokenizer, data_for):
    reference = copy.deepcopy(model)
    before, config = weights(model), model.config.to_dict()
    model.eval()
    reference.train()
    train(model, tokenizer, data_for(method), settings(method, steps=3, warmup_steps=0), reference)
    for one, mode in ((model, False), (reference, True)):
        assert furthest(weights(one), before) == 0
        assert "forward" not in vars(one)
        assert one.training is mode
        assert all(parameter.grad is None for parameter in one.parameters())
        assert one.config.to_dict() == config


@pytest.mark.parametrize("train", BOTH)
@pytest.mark.parametrize("method", ["sft", "dpo", "kto"])
def test_the_trained_model_is_an_ordinary_one(train, method, model, tokenizer, data_for, tmp_path):
    trained = train(model, tokenizer, data_for(method), settings(method, steps=3, warmup_steps=0)).model
    assert "forward" not in vars(trained)
    assert not trained.training
    assert all(one.grad is None for one in trained.parameters())
    chats = [("small orange cat, walks left, meadow", "the small orange cat walks left in the meadow")]
    scored = small.score(trained, tokenizer, chats)
    assert scored != small.score(model, tokenizer, chats)
    copied = copy.deepcopy(trained)
    with torch.no_grad():
        for one in trained.parameters():
            one.zero_()
    assert small.score(copied, tokenizer, chats) == scored  # the copy runs its own weights
    small.save(copied, tokenizer, tmp_path)
    assert small.score(*small.load(tmp_path), chats) == scored


@pytest.mark.parametrize("train", BOTH)
def test_a_model_that_trl_has_patched_and_gradients_left_over_do_no_harm(train, model, tokenizer, chats):
    from trl.trainer.utils import add_fused_lm_head

    clean = train(model, tokenizer, chats, settings("sft", steps=3, warmup_steps=0)).model
    patched = copy.deepcopy(model)
    add_fused_lm_head(patched)
    patched(input_ids=torch.tensor([[2, 5, 3]])).logits.sum().backward()
    again = train(patched, tokenizer, chats, settings("sft", steps=3, warmup_steps=0)).model
    assert furthest(weights(again), weights(clean)) == 0


@pytest.mark.parametrize("train", BOTH)
@pytest.mark.parametrize("method", ["sft", "dpo", "kto"])
def test_random_states_and_threads_are_given_back(train, method, model, tokenizer, data_for):
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()

    def seed():
        random.seed(5), np.random.seed(5), torch.manual_seed(5)

    seed()
    expected = draw()
    seed()
    torch.set_num_threads(2)
    train(model, tokenizer, data_for(method), settings(method, steps=2))
    assert draw() == expected
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


@pytest.mark.parametrize("train", BOTH)
@pytest.mark.parametrize("method", ["sft", "dpo+sft", "kto"])
def test_nothing_is_printed_logged_or_warned(
    train, method, model, tokenizer, data_for, capfd, caplog, monkeypatch
):
    monkeypatch.setattr(tqdm.auto, "tqdm", functools.partial(tqdm.auto.tqdm, disable=True))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        train(model, tokenizer, data_for(method), settings(method, steps=2, desirable_weight=9.0))
    assert [str(one.message) for one in warned] == []
    assert capfd.readouterr() == ("", "")
    assert [record.message for record in caplog.records if record.levelname != "DEBUG"] == []


def test_the_first_training_of_a_session_prints_nothing_but_its_bar():
    """Importing TRL, too, is quiet."""
    code = """
from helpers.data import formats
from helpers.models import base
from helpers.preference.train import Settings, train
rows = formats.unpaired([("cat", "cat", True), ("cat", "dog", False), ("dog", "dog", True)])
train(*base.base(0), rows, Settings("kto", 1e-3, steps=2, batch_size=2))
"""
    environment = {**os.environ, "TQDM_DISABLE": "1"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=course.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (result.stdout, result.stderr) == ("", "")


def test_one_bar_counts_the_steps_of_trl(model, tokenizer, chats, monkeypatch):
    bars = []

    class Bar:
        def __init__(self, **how):
            self.how, self.done, self.closed = how, 0, False
            bars.append(self)

        def update(self):
            self.done += 1

        def close(self):
            self.closed = True

    monkeypatch.setattr(tqdm.auto, "tqdm", Bar)
    with_trl.train(model, tokenizer, chats, settings("sft", steps=3))
    (bar,) = bars
    assert (bar.how["total"], bar.how["leave"], bar.done, bar.closed) == (3, False, 3, True)


def test_curves_leave_out_steps_without_the_metric():
    run = runs.Run(None, [{"loss": 1.0}, {"loss": 0.5, "kl": 0.1}])
    assert run.curve("loss") == [1.0, 0.5]
    assert run.curve("kl") == [0.1]


# --- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "kpo"}, "no method 'kpo': take one of sft, dpo, dpo\\+sft, kto"),
        ({"steps": 0}, "steps is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 1}, "KTO needs a batch size of 2 or more"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"beta": -0.1}, "beta is -0.1"),
        ({"desirable_weight": -1.0}, "desirable_weight is -1.0"),
        ({"undesirable_weight": math.inf}, "undesirable_weight is inf"),
        ({"warmup_steps": -1}, "warmup_steps is -1"),
    ],
)
def test_settings_that_make_no_sense(changes, message):
    with pytest.raises(CourseError, match=message):
        settings(**{"method": "kto", **changes})


def test_a_batch_of_one_is_fine_without_kto():
    assert settings("dpo", batch_size=1).batch_size == 1


@pytest.fixture
def no_training(monkeypatch):
    """Fails the test if a training begins."""

    def begun(*_, **__):
        pytest.fail("training began")

    monkeypatch.setattr(with_trl, "trainer", begun)
    monkeypatch.setattr(fast, "_fit", begun)


def fails(train, message, *given, ref_model=None):
    with pytest.raises(CourseError, match=message) as raised:
        train(*given, ref_model)
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("train", BOTH)
class TestBeforeTraining:
    def test_no_rows(self, train, model, tokenizer, data_for):
        for method in METHODS:
            empty = data_for(method).select([])
            fails(train, "needs at least one row", model, tokenizer, empty, settings(method))

    def test_another_format(self, train, model, tokenizer, thumbs, pairs, chats):
        for method in METHODS:
            wrong = chats if method != "sft" else pairs
            fails(train, "needs the columns prompt", model, tokenizer, wrong, settings(method))
        fails(train, "must be a datasets.Dataset", model, tokenizer, list(thumbs), settings("kto"))

    @pytest.mark.parametrize("label", [1, None, "up", 0.5])
    def test_labels_that_are_no_bools(self, train, label, model, tokenizer, thumbs):
        from datasets import Dataset

        rows = [{**row, "label": label} for row in thumbs]
        wrong = Dataset.from_list(rows)
        for method in ("kto", "apo_zero_unpaired"):
            fails(train, "label of row 1 must be True", model, tokenizer, wrong, settings(method))

    def test_thumbs_of_one_kind(self, train, model, tokenizer, thumb_rows):
        for label, said in ((True, "up"), (False, "down")):
            same = formats.unpaired([(q, a, label) for q, a, _ in thumb_rows])
            for method in ("kto", "apo_zero_unpaired"):
                fails(train, f"All 48 thumbs are {said}", model, tokenizer, same, settings(method))

    def test_more_than_one_turn(self, train, model, tokenizer, chats):
        turns = chats.map(lambda row: {"prompt": row["prompt"] * 2})
        fails(train, "more than one question and one answer", model, tokenizer, turns, settings("sft"))

    def test_chats_longer_than_the_context(self, train, model, tokenizer):
        long, short = "small " * 70, "the small cat"
        for method, data in (
            ("sft", formats.prompt_completion([("a", short), (long, short)])),
            ("kto", formats.unpaired([("a", short, True), ("a", long, False)])),
            ("dpo", formats.paired([("a", short, short), ("a", long, short)])),
            ("dpo", formats.paired([("a", short, short), ("a", short, long)])),
        ):
            fails(train, "Row 2 has more than the 64 tokens", model, tokenizer, data, settings(method))

    def test_models_of_another_vocabulary(self, train, model, tokenizer, pairs):
        other = small.new_model(40, seed=0)
        chosen = settings("dpo")
        fails(train, "The model knows 40 tokens", other, tokenizer, pairs, chosen)
        fails(train, "reference model knows 40 tokens", model, tokenizer, pairs, chosen, ref_model=other)
        larger = small.new_model(len(tokenizer) + 1, seed=0)
        fails(train, "take a model, a reference", model, tokenizer, pairs, chosen, ref_model=larger)

    def test_models_that_are_broken(self, train, model, tokenizer, pairs):
        broken = copy.deepcopy(model)
        with torch.no_grad():
            broken.lm_head.weight[3, 3] = math.nan
        chosen = settings("dpo")
        fails(train, "The model is broken: lm_head.weight", broken, tokenizer, pairs, chosen)
        fails(train, "reference model is broken", model, tokenizer, pairs, chosen, ref_model=broken)


@pytest.mark.parametrize("train", BOTH)
@pytest.mark.parametrize("method", ["sft", "dpo", "kto"])
def test_a_loss_that_is_not_finite_stops_at_its_step(train, method, model, tokenizer, data_for, capfd):
    before, drawn = weights(model), torch.get_rng_state()
    # Steps 1 and 2 move by 0 and by 1e30: the third has no finite loss or gradient.
    chosen = settings(method, learning_rate=1e30, warmup_steps=1)
    fails(
        train,
        "At step 3 the loss or its gradient is not a finite number",
        model,
        tokenizer,
        data_for(method),
        chosen,
    )
    assert furthest(weights(model), before) == 0
    assert torch.equal(torch.get_rng_state(), drawn)


def test_pairs_and_thumbs_name_all_methods_but_sft():
    assert {*PAIRED, *runs.UNPAIRED, "sft"} == set(METHODS)
