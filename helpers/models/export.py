"""A trained model made ready to leave this machine: as GGUF, with a model card, on the hub.

Knows the folders that transformers writes, and the GGUF layout of a Llama. Knows nothing about how a model
was trained or what it is worth. Nothing leaves this machine unless :func:`push` is called, and then
into a private repository.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from helpers.models.convert import _OUTER, _PER_BLOCK  # GGUF's names, read there and written here
from helpers.settings import CourseError

if TYPE_CHECKING:
    from gguf import GGUFWriter
    from huggingface_hub import ModelCard

Precision = Literal["f16", "q8_0"]

_WEIGHTS = "model.safetensors"
#: How a tokenizer cuts text before its merges, by the steps in its file, and llama.cpp's name for it.
_PRE = {("ByteLevel",): "gpt-2", ("Digits", "ByteLevel"): "smollm"}
_CONVERTER = "llama.cpp's own convert_hf_to_gguf.py may know it"


# --- GGUF ---------------------------------------------------------------------------------------------------


def gguf(folder: Path, file: Path, precision: Precision = "f16") -> int:
    """Write a Llama and its tokenizer as one GGUF file, which llama.cpp and what is built on it read.

    Matrices are stored in 16 bits, or in 8 with one 16-bit scale for every 32 of them (Q8_0); norms in 32.
    One tensor is in memory at a time.

    Args:
        folder: a Llama as transformers stores it, with a byte-level BPE tokenizer.
        file: is replaced once the new one is whole.

    Returns:
        The size of the file in bytes.

    Raises:
        CourseError: if the model is no Llama, its tokenizer cuts text in a way that is not known here, or the
            file cannot be written.
    """
    from gguf import GGUFWriter
    from safetensors import safe_open

    config = _json(folder / "config.json")
    if config.get("model_type") != "llama" or config.get("attention_bias") or config.get("mlp_bias"):
        kind = config.get("model_type")
        raise CourseError(f"Only plain Llamas are written as GGUF here, not {kind!r}: {_CONVERTER}.")
    tokenizer = _json(folder / "tokenizer.json")
    part = file.with_name(f".{file.name}.part")
    try:
        writer = GGUFWriter(part, "llama")
        _describe(writer, folder, config, precision)
        _add_tokenizer(writer, folder, config, tokenizer)
        with safe_open(folder / _WEIGHTS, "np") as weights:
            _write_tensors(writer, weights, config, precision)
        writer.close()
        os.replace(part, file)
    except OSError as error:
        raise CourseError(f"{file} cannot be written ({error.strerror or error}).") from error
    finally:
        part.unlink(missing_ok=True)
    return file.stat().st_size


def _describe(writer: GGUFWriter, folder: Path, config: dict[str, Any], precision: Precision) -> None:
    """The model's shape."""
    from gguf import LlamaFileType

    heads = config["num_attention_heads"]
    rope = config.get("rope_parameters") or config
    if rope.get("rope_type", "default") != "default":
        raise CourseError(f"Rotary scaling {rope['rope_type']!r} is not written as GGUF here: {_CONVERTER}.")
    writer.add_name(folder.name)
    writer.add_file_type({"f16": LlamaFileType.MOSTLY_F16, "q8_0": LlamaFileType.MOSTLY_Q8_0}[precision])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_rope_dimension_count(config.get("head_dim") or config["hidden_size"] // heads)
    writer.add_rope_freq_base(rope.get("rope_theta", 10000.0))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def _add_tokenizer(
    writer: GGUFWriter, folder: Path, config: dict[str, Any], tokenizer: dict[str, Any]
) -> None:
    """A byte-level BPE: its tokens and merges, the special ones, and the chat template."""
    from gguf import TokenType
    from transformers import AutoTokenizer

    steps = tokenizer.get("pre_tokenizer") or {}
    names = tuple(step["type"] for step in steps.get("pretokenizers", [steps]) if "type" in step)
    if tokenizer["model"].get("type") != "BPE" or tokenizer.get("normalizer") or names not in _PRE:
        raise CourseError(f"This tokenizer is no byte-level BPE that is known here: {_CONVERTER}.")
    size = config["vocab_size"]
    tokens, kinds = [f"[unused {number}]" for number in range(size)], [TokenType.UNUSED] * size
    for token, number in tokenizer["model"]["vocab"].items():
        tokens[number], kinds[number] = token, TokenType.NORMAL
    for added in tokenizer.get("added_tokens", []):
        kind = TokenType.CONTROL if added["special"] else TokenType.USER_DEFINED
        tokens[added["id"]], kinds[added["id"]] = added["content"], kind
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_PRE[names])
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    merges = tokenizer["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    known = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    for number, add in [
        (known.bos_token_id, writer.add_bos_token_id),
        (known.eos_token_id, writer.add_eos_token_id),
        (known.unk_token_id, writer.add_unk_token_id),
        (known.pad_token_id, writer.add_pad_token_id),
    ]:
        if number is not None:
            add(number)
    writer.add_add_bos_token(False)  # the chat template writes every special token
    if known.chat_template:
        writer.add_chat_template(known.chat_template)


def _write_tensors(writer: GGUFWriter, weights: Any, config: dict[str, Any], precision: Precision) -> None:
    """First what every tensor is, then one after another."""
    from gguf import GGMLQuantizationType, quantize

    kinds = {"f16": GGMLQuantizationType.F16, "q8_0": GGMLQuantizationType.Q8_0}
    tied = config.get("tie_word_embeddings", False)
    names = [name for name in weights.keys() if not (tied and name == "lm_head.weight")]  # noqa: SIM118

    def stored(name: str) -> np.ndarray:
        values = _for_gguf(name, weights.get_tensor(name).astype(np.float32), config)
        return values if values.ndim == 1 else quantize(values, kinds[precision])

    for name in names:
        values = stored(name)
        kind = kinds[precision] if values.dtype == np.uint8 else None
        writer.add_tensor_info(_gguf_name(name), values.shape, values.dtype, values.nbytes, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name in names:
        writer.write_tensor_data(stored(name))


def _gguf_name(name: str) -> str:
    """ "model.layers.3.self_attn.q_proj.weight" -> "blk.3.attn_q.weight"."""
    stem, _, suffix = name.rpartition(".")
    for ours, theirs in _OUTER.items():
        if stem == theirs:
            return f"{ours}.{suffix}"
    block, _, part = stem.removeprefix("model.layers.").partition(".")
    for ours, theirs in _PER_BLOCK.items():
        if part == theirs:
            return f"blk.{block}.{ours}.{suffix}"
    raise CourseError(f"A Llama has no tensor {name!r}, so it cannot be written as GGUF.")


def _for_gguf(name: str, values: np.ndarray, config: dict[str, Any]) -> np.ndarray:
    """Queries and keys in GGUF's order of rotary dimensions: the two halves of each head interleaved."""
    if ".q_proj." in name:
        heads = config["num_attention_heads"]
    elif ".k_proj." in name:
        heads = config.get("num_key_value_heads") or config["num_attention_heads"]
    else:
        return values
    rows, columns = values.shape
    return values.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


# --- the card and the hub -----------------------------------------------------------------------------------


def card(name: str, base: str, license: str, body: str, tags: Sequence[str] = ()) -> ModelCard:
    """A model card: the header that the hub reads, a title, and what you say in Markdown.

    Args:
        base: the model that it was trained from, as the hub names it.
        license: as the hub abbreviates it; the base's license may bind you.

    Raises:
        CourseError: if the name, the base or the license is missing.
    """
    from huggingface_hub import ModelCard, ModelCardData

    if not (name.strip() and base.strip() and license.strip()):
        raise CourseError("A model card needs a name, the model that it was trained from, and a license.")
    header = ModelCardData(
        base_model=base,
        license=license,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["cats-to-kto", *tags],
    )
    return ModelCard(f"---\n{header.to_yaml()}\n---\n\n# {' '.join(name.split())}\n\n{body.strip()}\n")


def push(folder: Path, repo: str, private: bool = True) -> None:
    """Put a folder with a model and its card on the hub, into a private repository unless told otherwise.

    Args:
        folder: with README.md, config.json and safetensors.
        repo: "OWNER/NAME". You must be logged in (`hf auth login`) as someone who may write to it.

    Raises:
        CourseError: if the folder has no card or no model, the repository exists and is public where
            `private` was asked for (nothing is sent then), or the hub cannot be reached or refuses.
    """
    from httpx import HTTPError
    from huggingface_hub import HfApi

    missing = [name for name in ("README.md", "config.json", _WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise CourseError(f"{folder} lacks {', '.join(missing)}, so nothing was sent: store them first.")
    api = HfApi()
    try:
        api.create_repo(repo, repo_type="model", private=private, exist_ok=True)
        if private and not api.repo_info(repo, repo_type="model").private:
            raise CourseError(
                f"{repo} is public, so nothing was sent: choose another name, or push with private=False if "
                "everyone may read it."
            )
        api.upload_folder(folder_path=folder, repo_id=repo, repo_type="model")
    except (OSError, ValueError, HTTPError) as error:
        raise CourseError(f"{repo} could not be pushed to the hub ({_first(error)}).") from error


# --- plumbing -----------------------------------------------------------------------------------------------


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CourseError(f"{path} cannot be read ({_first(error)}).") from error


def _first(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
