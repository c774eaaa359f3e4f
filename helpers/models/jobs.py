"""What is trained and how, as data: the jobs whose memory is predicted and measured.

Knows the sizes of decoder models of the Llama and Qwen2 kinds and the choices of a training step. Knows
nothing about bytes: `helpers.models.planner` predicts them and `helpers.models.peaks` measures them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from helpers.settings import CourseError

#: The shapes of three models of the hub table, under its keys, in transformers' words: what their own
#: config.json says of sizes. SmolLM2-135M's stands in the package that carries its weights; the parameters
#: that the other two add up to are the published ones (361,821,120 and 494,032,768), which a test checks.
CONFIGS: dict[str, dict[str, Any]] = {
    "smollm2-135m": {
        "model_type": "llama",
        "vocab_size": 49152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
    },
    "smollm2-360m": {
        "model_type": "llama",
        "vocab_size": 49152,
        "hidden_size": 960,
        "intermediate_size": 2560,
        "num_hidden_layers": 32,
        "num_attention_heads": 15,
        "num_key_value_heads": 5,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
    },
    "qwen2.5-0.5b": {
        "model_type": "qwen2",
        "vocab_size": 151936,
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "max_position_embeddings": 32768,
        "tie_word_embeddings": True,
    },
}
#: The matrices that get a LoRA adapter.
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj")
#: Tokens whose logits exist at a time where the loss is chunked.
CHUNK = 256

METHODS = ("sft", "dpo", "kto")
TRAINED = ("full", "lora", "qlora")
REFERENCES = ("none", "copy", "adapter off", "precomputed")
OPTIMIZERS = ("adamw", "adamw_8bit")
PRECISIONS = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Sizes:
    """The sizes of a decoder that its memory depends on.

    Attributes:
        heads: of the queries; `key_value_heads` are fewer where several queries share a key.
        head: length of one head's vectors.
        tied: whether the output matrix is the embedding.
        biased: whether queries, keys and values have a bias (Qwen2's have).
    """

    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_value_heads: int
    head: int
    tied: bool
    biased: bool

    @property
    def attention(self) -> int:
        """Length of all query heads' vectors of a token together."""
        return self.heads * self.head

    @property
    def key_value(self) -> int:
        """Length of all key heads' vectors of a token together."""
        return self.key_value_heads * self.head

    @property
    def projections(self) -> dict[str, tuple[int, int]]:
        """The matrices of one layer: name -> (inputs, outputs)."""
        return {
            "q_proj": (self.hidden, self.attention),
            "k_proj": (self.hidden, self.key_value),
            "v_proj": (self.hidden, self.key_value),
            "o_proj": (self.attention, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def matrices(self) -> int:
        """Parameters in the matrices of all layers: what 4-bit quantization makes small."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.projections.values())

    @property
    def embedding(self) -> int:
        """Parameters of the embedding."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """All parameters."""
        biases = self.layers * (self.attention + 2 * self.key_value) if self.biased else 0
        norms = (2 * self.layers + 1) * self.hidden
        return self.matrices + biases + norms + self.embedding * (1 if self.tied else 2)

    def adapter(self, rank: int) -> int:
        """Parameters of a LoRA adapter of this rank on `TARGETS` of all layers."""
        return self.layers * sum(rank * sum(self.projections[name]) for name in TARGETS)


@dataclass(frozen=True)
class Job:
    """One training step's choices.

    Attributes:
        config: a key of `CONFIGS`, or a transformers configuration, or its values; of Llama's or Qwen2's kind.
        method: "sft", "dpo" or "kto".
        trained: "full", "lora" (adapters in float32 on frozen weights) or "qlora" (on 4-bit weights, NF4).
        rank: of the adapters; without meaning for "full".
        reference: "none" (SFT has none), "copy" (a second model), "adapter off" (the model without its
            adapter) or "precomputed" (its log-probabilities were computed before the training).
        optimizer: "adamw" or "adamw_8bit" (bitsandbytes).
        precision: of the weights and all that is computed; adapters stay in float32.
        batch: rows in one forward pass (of pairs for DPO, so twice as many sequences).
        sequence: tokens of each sequence, all of them scored.
        checkpointing: whether each layer keeps its input only and is computed again in the backward pass.
        chunked_loss: whether logits are made for a few tokens at a time.
        accumulation: forward and backward passes per step.
    """

    config: Any = "smollm2-135m"
    method: str = "sft"
    trained: str = "full"
    rank: int = 16
    reference: str = "none"
    optimizer: str = "adamw"
    precision: str = "float32"
    batch: int = 1
    sequence: int = 128
    checkpointing: bool = False
    chunked_loss: bool = False
    accumulation: int = 1

    def __post_init__(self) -> None:
        choices = {
            "method": METHODS,
            "trained": TRAINED,
            "reference": REFERENCES,
            "optimizer": OPTIMIZERS,
            "precision": PRECISIONS,
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                listed = ", ".join(allowed)
                raise CourseError(f"A job's {name} must be one of {listed}, not {getattr(self, name)!r}.")
        for name in ("rank", "batch", "sequence", "accumulation"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise CourseError(f"A job's {name} must be a whole number from 1 up, not {value!r}.")
        if (self.method == "sft") != (self.reference == "none"):
            raise CourseError('SFT has no reference (reference="none"); DPO and KTO must have one.')
        if self.reference == "adapter off" and self.trained == "full":
            raise CourseError('The reference "adapter off" needs an adapter: train "lora" or "qlora".')
        _ = self.sizes  # an unknown configuration is refused here

    @property
    def values(self) -> Mapping[str, Any]:
        """The model's configuration as transformers' names and values.

        Raises:
            CourseError: if it names no model that is known here.
        """
        if isinstance(self.config, str):
            if self.config not in CONFIGS:
                raise CourseError(f"No configuration {self.config!r}; there are {', '.join(CONFIGS)}.")
            return CONFIGS[self.config]
        return self.config if isinstance(self.config, Mapping) else self.config.to_dict()

    @property
    def sizes(self) -> Sizes:
        """The model's sizes.

        Raises:
            CourseError: if it is of another kind than Llama's or Qwen2's.
        """
        values = self.values
        kind = values.get("model_type")
        if kind not in ("llama", "qwen2"):
            raise CourseError(f"Only models of the kinds llama and qwen2 can be planned, not {kind!r}.")
        heads = values["num_attention_heads"]
        return Sizes(
            vocabulary=values["vocab_size"],
            hidden=values["hidden_size"],
            intermediate=values["intermediate_size"],
            layers=values["num_hidden_layers"],
            heads=heads,
            key_value_heads=values["num_key_value_heads"],
            head=values.get("head_dim") or values["hidden_size"] // heads,
            tied=values["tie_word_embeddings"],
            biased=kind == "qwen2",
        )

    @property
    def sequences(self) -> int:
        """Sequences in one forward pass: a pair has two."""
        return self.batch * (2 if self.method == "dpo" else 1)

    @property
    def tokens(self) -> int:
        """Tokens in one forward pass."""
        return self.sequences * self.sequence


def _kto(**choices: Any) -> Job:
    return Job(method="kto", **choices)


#: The jobs that were looked at while the planner was made; the planner's counts may have been bent to these.
FITTED: dict[str, Job] = {
    "SFT, 1 × 128": Job(),
    "SFT, 2 × 256": Job(batch=2, sequence=256),
    "SFT, 2 × 256, chunked loss": Job(batch=2, sequence=256, chunked_loss=True),
    "SFT, 2 × 256, chunked loss, checkpointing": Job(
        batch=2, sequence=256, chunked_loss=True, checkpointing=True
    ),
    "SFT, 1 × 128, 8-bit optimizer": Job(optimizer="adamw_8bit"),
    "SFT, 2 × 256, bfloat16": Job(batch=2, sequence=256, precision="bfloat16"),
    "KTO, LoRA, 2 × 256": _kto(trained="lora", reference="adapter off", batch=2, sequence=256),
}

#: The jobs that the planner is judged on: measured only after it was frozen.
JUDGED: dict[str, Job] = {
    "135M: SFT, 4 × 512": Job(batch=4, sequence=512),
    "135M: SFT, LoRA, 4 × 512": Job(trained="lora", batch=4, sequence=512),
    "135M: KTO, LoRA, 4 × 512": _kto(trained="lora", reference="adapter off", batch=4, sequence=512),
    "135M: KTO, with a copy, 4 × 512": _kto(reference="copy", batch=4, sequence=512),
    "135M: DPO, LoRA, precomputed, 2 pairs × 512": Job(
        method="dpo", trained="lora", reference="precomputed", batch=2, sequence=512
    ),
    "135M: DPO, with a copy, 1 pair × 384": Job(method="dpo", reference="copy", batch=1, sequence=384),
    "135M: SFT, checkpointing, 4 × 512": Job(batch=4, sequence=512, checkpointing=True),
    "135M: KTO, LoRA, checkpointing, chunked loss, 4 × 512": _kto(
        trained="lora",
        reference="adapter off",
        batch=4,
        sequence=512,
        checkpointing=True,
        chunked_loss=True,
    ),
    "135M: SFT, bfloat16, 4 × 512": Job(batch=4, sequence=512, precision="bfloat16"),
    "135M: SFT, LoRA, float16, 2 × 512": Job(trained="lora", batch=2, sequence=512, precision="float16"),
    "135M: KTO, QLoRA, bfloat16, 3 × 384": _kto(
        trained="qlora", reference="adapter off", batch=3, sequence=384, precision="bfloat16"
    ),
    "135M: SFT, 8-bit optimizer, 2 × 512": Job(optimizer="adamw_8bit", batch=2, sequence=512),
    "135M: KTO, precomputed, 2 × 256, accumulated twice": _kto(
        reference="precomputed", batch=2, sequence=256, accumulation=2
    ),
    "360M: KTO, LoRA, 2 × 512": _kto(
        config="smollm2-360m", trained="lora", reference="adapter off", batch=2, sequence=512
    ),
    "360M: DPO, LoRA, precomputed, checkpointing, chunked loss, 2 pairs × 512": Job(
        config="smollm2-360m",
        method="dpo",
        trained="lora",
        reference="precomputed",
        batch=2,
        sequence=512,
        checkpointing=True,
        chunked_loss=True,
    ),
    "360M: SFT, 1 × 256": Job(config="smollm2-360m", batch=1, sequence=256),
    "0.5B (Qwen2.5): SFT, LoRA, 4 × 256": Job(config="qwen2.5-0.5b", trained="lora", batch=4, sequence=256),
    "360M: SFT, 4 × 512": Job(config="smollm2-360m", batch=4, sequence=512),
}


def _ladder() -> dict[str, Job]:
    """The rungs, each with all that the earlier ones changed."""
    rungs: dict[str, dict[str, Any]] = {
        "KTO as one would write it: 8 × 128, a copy as reference": {"batch": 8, "reference": "copy"},
        "smaller batch (2)": {"batch": 2},
        "accumulation (4 × 2)": {"accumulation": 4},
        "checkpointing": {"checkpointing": True},
        "chunked loss": {"chunked_loss": True},
        "precomputed reference": {"reference": "precomputed"},
        "8-bit optimizer": {"optimizer": "adamw_8bit"},
        "LoRA": {"trained": "lora"},
        "QLoRA": {"trained": "qlora"},
    }
    ladder, choices = {}, {}
    for name, change in rungs.items():
        choices = {**choices, **change}
        ladder[name] = _kto(sequence=128, **choices)
    return ladder


#: The out-of-memory ladder of KTO on SmolLM2-135M: every rung keeps what the earlier ones changed.
LADDER: dict[str, Job] = _ladder()
