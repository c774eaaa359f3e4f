"""The planner: its counts by hand and in the graph, its order, and real measurements in fresh processes."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from helpers.models import peak_worker
from helpers.models.jobs import CHUNK, CONFIGS, FITTED, JUDGED, LADDER, Job
from helpers.models.peaks import PARTS, Measured, measure, measured
from helpers.models.planner import Memory, moments, on_gpu, predict
from helpers.settings import CourseError

TINY = {
    "model_type": "llama",
    "vocab_size": 1000,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}
#: Large enough that a process's own few megabytes do not matter.
SMALL = {**TINY, "vocab_size": 16384, "hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 4}
BYTES = ("weights", "gradients", "optimizer", "activations", "logits", "reference")


# ---- counted by hand


@pytest.mark.parametrize(
    ("key", "parameters"),
    [("smollm2-135m", 134_515_008), ("smollm2-360m", 361_821_120), ("qwen2.5-0.5b", 494_032_768)],
)
def test_the_models_have_their_published_parameters(key: str, parameters: int) -> None:
    assert Job(config=key).sizes.parameters == parameters


def test_parameters_and_adapters_of_a_small_model() -> None:
    sizes = Job(config=TINY).sizes
    # q 64·64, k and v 64·32 each, o 64·64, three of 64·160; two norms a layer and one at the end
    assert sizes.matrices == 2 * (4096 + 2 * 2048 + 4096 + 3 * 10240)
    assert sizes.parameters == sizes.matrices + 5 * 64 + 1000 * 64
    assert sizes.adapter(8) == 2 * 8 * ((64 + 64) + 2 * (64 + 32) + (64 + 64))


@pytest.mark.parametrize("trained", ["full", "lora", "qlora"])
def test_the_counted_parameters_are_those_of_the_model_that_is_built(trained: str) -> None:
    if trained == "qlora":
        pytest.importorskip("bitsandbytes")  # of requirements-gpu.txt
    job = Job(config={**TINY, "tie_word_embeddings": False}, trained=trained, rank=8)
    model = peak_worker.build(job)
    trainable = sum(one.numel() for one in model.parameters() if one.requires_grad)
    assert trainable == (job.sizes.parameters if trained == "full" else job.sizes.adapter(8))


def test_what_a_full_step_holds_at_its_end() -> None:
    memory = predict(Job(config=TINY, sequence=4))
    parameters = Job(config=TINY).sizes.parameters
    assert memory.moment == "end of the backward"
    assert memory.weights == 4 * parameters
    assert memory.optimizer == 8 * parameters
    # a tied embedding: the head's gradient, the embedding's and their sum exist at once
    assert memory.gradients == 4 * (parameters + 2 * 1000 * 64)
    assert memory.total == sum(getattr(memory, part) for part in BYTES)


def test_the_vocabulary_is_held_three_times() -> None:
    memory = predict(Job(config=TINY, batch=8, sequence=128))
    assert memory.moment == "gradient of the logits"
    assert memory.logits == 3 * 4 * 8 * 128 * 1000
    chunked = predict(Job(config=TINY, batch=8, sequence=128, chunked_loss=True, trained="lora"))
    assert chunked.logits == 3 * 4 * CHUNK * 1000


def test_half_precision_halves_weights_but_not_the_softmax() -> None:
    full, half = (
        predict(Job(config=TINY, batch=8, sequence=128, precision=one)) for one in ("float32", "bfloat16")
    )
    assert half.weights * 2 == full.weights
    assert half.logits == full.logits


def test_a_pair_is_two_sequences() -> None:
    pairs = Job(config=TINY, method="dpo", trained="lora", reference="precomputed", batch=3, sequence=64)
    rows = replace(pairs, method="kto", batch=6)
    assert predict(pairs).total == predict(rows).total


def test_a_copy_costs_the_weights_and_an_adapter_none() -> None:
    copy = predict(Job(config=TINY, method="kto", trained="lora", reference="copy"))
    off = predict(Job(config=TINY, method="kto", trained="lora", reference="adapter off"))
    assert copy.reference == 4 * Job(config=TINY).sizes.parameters
    assert off.reference == 0
    assert copy.total - off.total == copy.reference


def test_4_bits_are_a_scale_for_64_numbers() -> None:
    job = Job(config=TINY, trained="qlora", rank=8)
    sizes = job.sizes
    rest = 4 * (sizes.parameters - sizes.matrices + sizes.adapter(8))
    assert predict(job).weights == sizes.matrices // 2 + sizes.matrices // 64 * 4 + rest


def test_8_bits_on_a_gpu_need_no_whole_tensors() -> None:
    job = Job(config=TINY, optimizer="adamw_8bit", sequence=4)
    on_cpu, on_cuda = predict(job), predict(job, "cuda")
    assert on_cuda.optimizer == round(job.sizes.parameters * 2 * (1 + 4 / 256))
    assert on_cpu.optimizer - on_cuda.optimizer == 5 * 4 * job.sizes.embedding


# ---- counted in the graph


def kept_in_the_graph(job: Job) -> int:
    """Bytes of all tensors that the loss keeps for its backward pass, weights aside."""
    import torch

    model = peak_worker.build(job)
    own = {one.untyped_storage().data_ptr() for one in [*model.parameters(), *model.buffers()]}
    kept = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    ids = torch.randint(job.sizes.vocabulary, (job.sequences, job.sequence))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = peak_worker.loss(job, model, None, ids)
    assert loss.requires_grad
    return sum(storage.nbytes() for storage in kept.values())


def activations(job: Job) -> int:
    """What the planner says the forward pass keeps."""
    return moments(job)[0].activations


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "choices",
    [{}, {"checkpointing": True}, {"trained": "lora", "rank": 8}, {"trained": "qlora", "rank": 8}],
    ids=lambda choices: " ".join(map(str, choices.values())) or "full",
)
def test_a_layer_keeps_what_the_planner_counts(choices: dict, precision: str) -> None:
    if choices.get("trained") == "qlora":
        pytest.importorskip("bitsandbytes")  # of requirements-gpu.txt
    few, more = (
        Job(
            config={**TINY, "num_hidden_layers": layers},
            batch=2,
            sequence=64,
            precision=precision,
            **choices,
        )
        for layers in (2, 3)
    )
    assert activations(more) - activations(few) == kept_in_the_graph(more) - kept_in_the_graph(few)


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_all_that_is_kept(kind: str) -> None:
    job = Job(config={**TINY, "model_type": kind}, batch=4, sequence=64)
    log_softmax = 4 * job.tokens * 1000
    assert activations(job) + log_softmax == pytest.approx(kept_in_the_graph(job), rel=0.01)


# ---- order


@pytest.mark.parametrize("job", [*FITTED.values(), *JUDGED.values(), *LADDER.values()], ids=str)
def test_more_tokens_never_take_less(job: Job) -> None:
    totals = [predict(replace(job, batch=batch)).total for batch in (1, 2, 4, 8, 16)]
    assert totals == sorted(totals)
    totals = [predict(replace(job, sequence=length)).total for length in (64, 128, 256, 512, 1024)]
    assert totals == sorted(totals)


@pytest.mark.parametrize(
    "change",
    [
        {"checkpointing": True},
        {"chunked_loss": True},
        {"trained": "lora"},
        {"reference": "precomputed"},
        {"optimizer": "adamw_8bit"},
        {"batch": 2},
        {"precision": "bfloat16"},
    ],
    ids=str,
)
def test_each_rung_helps_a_large_job(change: dict) -> None:
    job = Job(config="smollm2-360m", method="kto", reference="copy", batch=8, sequence=512)
    assert predict(replace(job, **change)).total < predict(job).total


def test_accumulation_keeps_the_gradients() -> None:
    job = Job(batch=4, sequence=512)
    gradients = 4 * job.sizes.parameters
    assert predict(replace(job, accumulation=4)).total == predict(job).total + gradients
    assert predict(replace(job, accumulation=8)) == predict(replace(job, accumulation=4))


def test_a_gpu_needs_more_than_the_tensors() -> None:
    assert on_gpu(Job()) > predict(Job(), "cuda").total


def mostly_tokens(memory: Memory) -> bool:
    return 2 * (memory.activations + memory.logits) > memory.total


def test_the_judged_jobs_are_what_the_issue_asks_for() -> None:
    assert len(JUDGED) >= 12
    assert not set(JUDGED.values()) & set(FITTED.values())
    assert 2 * sum(mostly_tokens(predict(job)) for job in JUDGED.values()) >= len(JUDGED)


# ---- the table of what was measured


def error(job: Job, step: Measured) -> float:
    return predict(job).total / step.peak - 1


def test_the_planner_is_within_15_percent_of_every_judged_job() -> None:
    steps = measured("judged")
    errors = {name: error(JUDGED[name], step) for name, step in steps.items()}
    assert len(errors) >= 12
    assert 2 * sum(mostly_tokens(predict(JUDGED[name])) for name in steps) >= len(steps)
    assert {name: one for name, one in errors.items() if abs(one) > 0.15} == {}


@pytest.mark.parametrize("part", ["fitted", "ladder"])
def test_and_of_the_others(part: str) -> None:
    errors = [error(PARTS[part][name], step) for name, step in measured(part).items()]
    assert len(errors) == len(PARTS[part])
    assert max(map(abs, errors)) <= 0.15


def test_glibc_keeps_more_than_the_tensors() -> None:
    plain = measured("fitted") | measured("judged")
    for name, step in measured("heap").items():
        assert step.peak > plain[name].peak
        assert step.held == pytest.approx(plain[name].held, rel=0.05)


def test_a_job_that_was_not_measured_is_not_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = next(iter(LADDER))
    monkeypatch.setitem(
        PARTS, "ladder", {**LADDER, "one more": Job(), changed: replace(LADDER[changed], rank=3)}
    )
    assert set(measured("ladder")) == set(LADDER) - {changed}
    with pytest.raises(CourseError, match="parts fitted, judged"):
        measured("others")


# ---- bad input


@pytest.mark.parametrize(
    ("choices", "word"),
    [
        ({"method": "ppo"}, "method"),
        ({"trained": "some"}, "trained"),
        ({"precision": "float8"}, "precision"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"reference": "both", "method": "kto"}, "reference"),
        ({"batch": 0}, "batch"),
        ({"sequence": 12.5}, "sequence"),
        ({"rank": True}, "rank"),
        ({"reference": "copy"}, "SFT"),
        ({"method": "dpo"}, "must have one"),
        ({"method": "kto", "reference": "adapter off"}, "adapter"),
        ({"config": "gpt-5"}, "smollm2-135m"),
        ({"config": {**TINY, "model_type": "bert"}}, "bert"),
        ({"config": {"model_type": "llama"}}, "vocab_size"),
    ],
    ids=str,
)
def test_a_job_that_cannot_be_is_one_sentence(choices: dict, word: str) -> None:
    with pytest.raises(CourseError, match=word) as caught:
        Job(**choices)
    assert "\n" not in str(caught.value)


def test_a_configuration_of_transformers_is_as_good_as_its_values() -> None:
    from transformers import LlamaConfig

    values = {name: value for name, value in TINY.items() if name != "model_type"}
    assert predict(Job(config=LlamaConfig(**values))) == predict(Job(config=TINY))
    assert {field.name for field in fields(Memory)} == {*BYTES, "moment"}


# ---- the step that is measured


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"method": "dpo", "trained": "lora", "reference": "adapter off"},
        {"method": "kto", "trained": "lora", "reference": "adapter off"},
        {"method": "kto", "reference": "precomputed", "checkpointing": True},
    ],
    ids=str,
)
def test_chunks_and_checkpoints_change_no_gradient(choices: dict) -> None:
    import torch

    job = Job(config=TINY, batch=6, sequence=70, **choices)
    found = []
    for one in (job, replace(job, chunked_loss=True, checkpointing=not job.checkpointing)):
        torch.manual_seed(0)
        model = peak_worker.build(one)
        ids = torch.randint(1000, (one.sequences, one.sequence))
        loss = peak_worker.loss(one, model, None, ids)
        loss.backward()
        found.append([loss.detach(), *(p.grad for p in model.parameters() if p.grad is not None)])
    assert len(found[0]) == len(found[1]) > 1
    for whole, chunked in zip(*found, strict=True):
        torch.testing.assert_close(chunked, whole, rtol=1e-4, atol=1e-6)


def test_measured_peaks_are_as_predicted() -> None:
    large = bytearray(b"x") * 1_000_000_000  # what this process holds must not count
    job = Job(config=SMALL, batch=4, sequence=256)
    found = measure(job)
    del large
    assert found.peak == pytest.approx(predict(job).total, rel=0.15)
    assert found.held == pytest.approx(12 * job.sizes.parameters, rel=0.15)
    assert found.tokens_per_second == pytest.approx(1024 / found.cpu_seconds)
    less = replace(job, checkpointing=True, chunked_loss=True)
    assert measure(less).peak == pytest.approx(predict(less).total, rel=0.15)
    assert predict(less).total < 0.7 * predict(job).total


def test_a_step_that_fails_is_one_sentence() -> None:
    odd = {**TINY, "num_attention_heads": 3, "num_key_value_heads": 2, "head_dim": 20}
    with pytest.raises(CourseError, match="could not be measured") as caught:
        measure(Job(config=odd))
    assert "\n" not in str(caught.value)
    assert set(CONFIGS) <= {"smollm2-135m", "smollm2-360m", "qwen2.5-0.5b"}
