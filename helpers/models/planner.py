"""Peak memory of a training step, predicted from the shapes alone.

Knows which tensors a step of `helpers.models.peak_worker` holds, and when. Knows nothing about measuring.

A step has a few moments that can be its highest: the reference's forward pass, the loss, the begin of the
backward pass through the logits, the head and the layers, its end, the optimizer's update. `moments` adds up
what is held in each, `predict` gives the highest. What is kept for the backward pass is counted tensor by
tensor as transformers' Llama and Qwen2 keep it with torch's fused attention (a test counts them in the graph):
attention itself keeps no matrix of sequence × sequence. No constant is fitted to measured peaks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from helpers.models.jobs import CHUNK, CONFIGS, TARGETS, Job, Sizes

__all__ = ["CHUNK", "CONFIGS", "TARGETS", "Job", "Memory", "Sizes", "moments", "on_gpu", "predict"]

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
_FLOAT = 4
# NF4: half a byte a parameter, and a float32 scale for every 64.
_NF4 = 0.5 + _FLOAT / 64
# AdamW: two averages. In 8 bits one byte each, and a float32 scale for every 256.
_ADAMW_8BIT = 2 * (1 + _FLOAT / 256)
# Tensors in 32 bits of the largest matrix's size that its update makes on a CPU, counted.
_ADAMW_8BIT_CPU = 5

#: What a GPU adds, NOT measured here (this course was made without one): what CUDA itself and the libraries'
#: kernels take (bytes), and the part of the reserved memory that is lost between tensors.
GPU_CONTEXT = 600_000_000
GPU_FRAGMENTATION = 0.1


@dataclass(frozen=True)
class Memory:
    """Bytes held at the highest moment of a step, by what they are for.

    Attributes:
        weights: of the model, with its adapters.
        gradients: those that exist at that moment.
        optimizer: its state.
        activations: what the layers keep for the backward pass, and what the layer at work holds.
        logits: of that moment, with their softmax and gradients, (tokens, vocabulary) each.
        reference: the weights of a second model.
        moment: which it is, in words.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    reference: int
    moment: str

    @property
    def total(self) -> int:
        """All of it."""
        return (
            self.weights + self.gradients + self.optimizer + self.activations + self.logits + self.reference
        )


def predict(job: Job, device: str = "cpu") -> Memory:
    """What a step of `job` holds at its highest moment, in tensors, on a "cpu" or on "cuda".

    The two differ in the update of an 8-bit optimizer: on a CPU bitsandbytes has no kernel for it, and makes
    whole tensors in 32 bits on the way.
    """
    return max(moments(job, device), key=lambda memory: memory.total)


def on_gpu(job: Job) -> int:
    """Bytes that a card should have for `job`: predicted, and what a GPU adds by assumption (unmeasured)."""
    return round(predict(job, "cuda").total / (1 - GPU_FRAGMENTATION) + GPU_CONTEXT)


def moments(job: Job, device: str = "cpu") -> list[Memory]:
    """What a step of `job` holds at each moment that can be its highest, in their order."""
    sizes, wide = job.sizes, _BYTES[job.precision]
    weights, gradients = _weights(job), _gradients(job)
    optimizer = _optimizer(job)
    reference = _base_weights(job) if job.reference == "copy" else 0
    kept, working = _kept(job), _working(job)
    first = gradients if job.accumulation > 1 else 0  # of the passes before
    embedding = sizes.embedding * wide if job.trained == "full" else 0
    tokens = min(job.tokens, CHUNK) if job.chunked_loss else job.tokens
    one = tokens * sizes.vocabulary  # numbers in the logits
    log_softmax = 0 if job.chunked_loss else one * _FLOAT  # kept for the backward pass
    made = one * (wide if wide < _FLOAT else 0) + 2 * one * _FLOAT

    def held(moment: str, gradients: int, activations: int, logits: int) -> Memory:
        return Memory(weights, gradients, optimizer, activations, logits, reference, moment)

    found = []
    if job.reference in ("copy", "adapter off"):
        found.append(held("reference's layers", first, kept + working, log_softmax))
        found.append(held("reference's logits", first, kept, log_softmax + made))
    else:
        found.append(held("loss", first, kept, made))
    again = _kept_by_layer(job) * job.tokens if job.checkpointing else 0
    # The head's gradients of two chunks are added, and those of a matrix that is embedding and head as well:
    # the sum is a third one. What earlier passes left is added to afterwards, in place.
    several = tokens < job.tokens
    sums = (2 if several else 0) * embedding
    uses = (2 if sizes.tied else 0) * embedding
    old = embedding if job.accumulation > 1 else 0
    halves = one * wide if wide < _FLOAT else 0
    found += [
        held("gradient of the logits", first + (embedding if several else 0), kept, 3 * one * _FLOAT),
        held("gradient of the head", first + embedding, kept, one * _FLOAT + halves),
        held("sum of the head's gradients", first + embedding + sums, kept, 0),
        held("backward through the layers", first + embedding, kept + again + working, 0),
        held("end of the backward", gradients + old + uses, 0, 0),
        held("update", gradients, 0, 0) if device == "cuda" else _update(job, held),
    ]
    return found


def _update(job: Job, held: Callable[[str, int, int, int], Memory]) -> Memory:
    """The optimizer's update on a CPU; what 8 bits need there counts as the optimizer's."""
    memory = held("update", _gradients(job), 0, 0)
    if job.optimizer == "adamw":
        return memory
    matrices = list(job.sizes.projections.values())
    largest = max([job.sizes.embedding, *(inputs * outputs for inputs, outputs in matrices)])
    if job.trained != "full":
        largest = max(job.rank * max(job.sizes.projections[name]) for name in TARGETS)
    return replace(memory, optimizer=memory.optimizer + _ADAMW_8BIT_CPU * largest * _FLOAT)


def _base_weights(job: Job) -> int:
    """Bytes of the model without adapters."""
    sizes, wide = job.sizes, _BYTES[job.precision]
    if job.trained != "qlora":
        return sizes.parameters * wide
    return round(sizes.matrices * _NF4) + (sizes.parameters - sizes.matrices) * wide


def _weights(job: Job) -> int:
    adapter = 0 if job.trained == "full" else job.sizes.adapter(job.rank) * _FLOAT
    return _base_weights(job) + adapter


def _gradients(job: Job) -> int:
    if job.trained == "full":
        return job.sizes.parameters * _BYTES[job.precision]
    return job.sizes.adapter(job.rank) * _FLOAT


def _optimizer(job: Job) -> int:
    if job.optimizer == "adamw":
        return 2 * _gradients(job)
    trained = job.sizes.parameters if job.trained == "full" else job.sizes.adapter(job.rank)
    return round(trained * _ADAMW_8BIT)


def _kept_by_layer(job: Job) -> int:
    """Bytes that a layer keeps for the backward pass, for each token."""
    sizes, wide = job.sizes, _BYTES[job.precision]
    hidden, attention = sizes.hidden, sizes.attention
    # Both norms keep their input and its scale, in 32 bits; attention its log-sum-exp, queries, keys, values.
    floats = 2 * (hidden + 1) + sizes.heads
    numbers = attention + 2 * sizes.key_value
    if job.trained == "full":
        # Normalized, before and after the norm's weights; attention's output; gate, its SiLU, up, product.
        numbers += 4 * hidden + attention + 4 * sizes.intermediate
    else:
        numbers += 3 * sizes.intermediate  # frozen matrices keep no input: gate, its SiLU, up
        floats += len(TARGETS) * job.rank
        if wide == _FLOAT:
            numbers += hidden + attention  # the adapters' inputs; queries, keys and values share theirs
        else:
            numbers += attention
            floats += 3 * hidden + attention  # each adapter has its input in 32 bits
    return floats * _FLOAT + numbers * wide


def _kept(job: Job) -> int:
    """Bytes kept for the backward pass when the forward pass is over."""
    sizes, wide = job.sizes, _BYTES[job.precision]
    layer = sizes.hidden * wide if job.checkpointing else _kept_by_layer(job)
    last = (sizes.hidden + 1) * _FLOAT
    if job.trained == "full":
        last += 2 * sizes.hidden * wide
    return job.tokens * (sizes.layers * layer + last)


def _working(job: Job) -> int:
    """Bytes that a layer at work holds beside what it keeps."""
    sizes, wide = job.sizes, _BYTES[job.precision]
    matrix = max(inputs * outputs for inputs, outputs in sizes.projections.values()) * wide
    return job.tokens * (3 * sizes.intermediate + 2 * sizes.hidden) * wide + (
        matrix if job.trained == "qlora" else 0
    )
