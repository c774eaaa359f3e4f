"""Conversion of packaged weights into folders that load quickly and map into memory.

Knows the GGUF and safetensors file layouts. Knows nothing about packages, caches or what is done with a
model afterwards.

transformers can read a GGUF file itself, but holds the weights about twice while doing so (1.2 GB at the peak
for SmolLM2-135M) and then refuses to save them. Here each tensor goes from one file to the other in slices.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gguf import ReaderTensor

# GGUF's names of a Llama's tensors, and transformers'.
_OUTER = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_PER_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_SLICE_ROWS = 4096


def llama_from_gguf(source: Path, folder: Path) -> None:
    """Write the Llama model of a GGUF file as a transformers folder: float32 safetensors, config, tokenizer.

    Args:
        source: the GGUF file, of any quantization that the gguf package can undo.
        folder: an existing, empty folder.

    Raises:
        ValueError: if the file does not hold a Llama model.
    """
    from gguf import GGUFReader
    from tqdm import tqdm
    from transformers import AutoConfig, AutoTokenizer

    config = AutoConfig.from_pretrained(source.parent, gguf_file=source.name, local_files_only=True)
    if config.model_type != "llama":
        raise ValueError(f"{source.name} holds a {config.model_type} model, not a Llama")
    config.architectures = ["LlamaForCausalLM"]
    config.dtype = "float32"
    config.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name, local_files_only=True)
    tokenizer.save_pretrained(folder)

    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    tensors = GGUFReader(source).tensors
    with (folder / "model.safetensors").open("wb") as file:
        file.write(_safetensors_header(tensors))
        for tensor in tqdm(tensors, desc=f"Converting {source.stem} (once)", unit="tensor", leave=False):
            for rows in _float32_rows(tensor, heads):
                file.write(rows.astype("<f4", copy=False).tobytes())


def safetensors_from_archive(source: Path, target: Path) -> None:
    """Write the tensors of a PyTorch archive as a safetensors file. Nothing in the archive is executed.

    Args:
        source: a file that ``torch.save`` wrote from a dict of tensors.
        target: the file to write.
    """
    import torch
    from safetensors.torch import save_file

    state = torch.load(source, weights_only=True, map_location="cpu")
    # Cloned, because safetensors refuses tensors that share memory.
    save_file(
        {name: tensor.clone().contiguous() for name, tensor in state.items()},
        target,
        metadata={"format": "pt"},
    )


def _safetensors_header(tensors: list[ReaderTensor]) -> bytes:
    """The head of a safetensors file that holds these tensors, in this order, as float32."""
    head: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    for tensor in tensors:
        end = position + 4 * int(tensor.n_elements)
        shape = [int(size) for size in reversed(tensor.shape)]  # GGUF counts the fastest axis first
        head[_transformers_name(tensor.name)] = {
            "dtype": "F32",
            "shape": shape,
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)  # so that the data starts at a multiple of 8
    return struct.pack("<Q", len(text)) + text


def _transformers_name(name: str) -> str:
    """ "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight"."""
    stem, _, suffix = name.rpartition(".")
    if stem in _OUTER:
        return f"{_OUTER[stem]}.{suffix}"
    block, _, part = stem.removeprefix("blk.").partition(".")
    if part not in _PER_BLOCK:
        raise ValueError(f"a Llama has no tensor {name!r}")
    return f"model.layers.{block}.{_PER_BLOCK[part]}.{suffix}"


def _float32_rows(tensor: ReaderTensor, heads: dict[str, int]) -> Iterator[np.ndarray]:
    """The tensor's values in slices of rows; queries and keys in transformers' order of rotary dimensions."""
    from gguf import dequantize

    count = next((number for part, number in heads.items() if f".{part}." in tensor.name), None)
    if count is not None:
        yield _unpermuted(dequantize(tensor.data, tensor.tensor_type), count)
        return
    data = np.atleast_2d(tensor.data)
    for start in range(0, len(data), _SLICE_ROWS):
        yield dequantize(data[start : start + _SLICE_ROWS], tensor.tensor_type)


def _unpermuted(weights: np.ndarray, heads: int) -> np.ndarray:
    """Undo GGUF's reordering of a projection's rows.

    GGUF interleaves the two halves of each head's rotary dimensions; transformers keeps the halves apart.
    """
    rows, columns = weights.shape
    return weights.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
