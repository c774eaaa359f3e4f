"""The conversion of a GGUF file agrees, bit for bit, with transformers' own reading of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.models import convert
from helpers.models.convert import llama_from_gguf, safetensors_from_archive
from tests.models.standin_hub import SPECIAL, tiny_llama, tiny_tokenizer

GGUF_PARTS = {hugging_face: gguf for gguf, hugging_face in convert._PER_BLOCK.items()}


def as_llama_cpp_orders_it(weights: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp's reordering of query and key rows, from its convert_hf_to_gguf."""
    halves = weights.reshape(heads, 2, weights.shape[0] // heads // 2, weights.shape[1])
    return halves.swapaxes(1, 2).reshape(weights.shape)


def write_gguf(path: Path, quantization: str, architecture: str = "llama") -> None:
    """A tiny Llama and its tokenizer as a GGUF file; norms stay in float32, as llama.cpp does it."""
    import gguf

    model, tokenizer = tiny_llama(), tiny_tokenizer()
    config = model.config
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    merges = [" ".join(pair) for pair in _merges(tokenizer)]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(vocabulary)
    writer.add_token_types([3 if token in SPECIAL else 1 for token in vocabulary])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(tokenizer.chat_template)

    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight":
            continue  # tied to the embedding
        values = tensor.numpy()
        part = name.split(".")[-2]
        if part in heads:
            values = as_llama_cpp_orders_it(values, heads[part])
        kind = gguf.GGMLQuantizationType[quantization if values.ndim == 2 else "F32"]
        writer.add_tensor(_gguf_name(name), gguf.quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _merges(tokenizer) -> list[list[str]]:
    import json

    return json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]


def _gguf_name(name: str) -> str:
    if name == "model.embed_tokens.weight":
        return "token_embd.weight"
    if name == "model.norm.weight":
        return "output_norm.weight"
    _, _, block, rest = name.split(".", 3)
    return f"blk.{block}.{GGUF_PARTS[rest.removesuffix('.weight')]}.weight"


@pytest.mark.parametrize("quantization", ["F32", "F16", "Q4_1", "Q8_0"])
def test_the_converted_model_is_the_one_transformers_reads(
    tmp_path: Path, quantization: str, monkeypatch: pytest.MonkeyPatch, no_network: None
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    monkeypatch.setattr(convert, "_SLICE_ROWS", 7)  # several slices, the last one short
    write_gguf(tmp_path / "tiny.gguf", quantization)
    folder = tmp_path / "folder"
    folder.mkdir()
    llama_from_gguf(tmp_path / "tiny.gguf", folder)

    expected = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="tiny.gguf", dtype=torch.float32)
    model, report = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    assert not any(report.values()), report
    ours, theirs = model.state_dict(), expected.state_dict()
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    if quantization == "F32":
        original = tiny_llama().state_dict()
        assert [name for name in ours if not torch.equal(ours[name], original[name])] == []

    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = "A small orange cat — 12 cats!"
    assert tokenizer(text).input_ids == tiny_tokenizer()(text).input_ids
    assert tokenizer.decode(tokenizer(text).input_ids) == text
    batch = tokenizer([text, "a"], padding=True, return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(model(**batch).logits, expected(**batch).logits)


def test_training_a_converted_model_does_not_reach_its_file(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    write_gguf(tmp_path / "tiny.gguf", "F32")
    folder = tmp_path / "folder"
    folder.mkdir()
    llama_from_gguf(tmp_path / "tiny.gguf", folder)
    before = (folder / "model.safetensors").read_bytes()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)  # memory-mapped
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert (folder / "model.safetensors").read_bytes() == before


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", "F32", architecture="qwen2")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(ValueError, match="qwen2 model, not a Llama"):
        llama_from_gguf(tmp_path / "tiny.gguf", folder)


def test_a_tensor_that_no_llama_has_is_refused() -> None:
    with pytest.raises(ValueError, match=r"blk\.0\.ssm_in\.weight"):
        convert._transformers_name("blk.0.ssm_in.weight")


def test_an_archive_that_would_run_code_is_refused(tmp_path: Path) -> None:
    import pickle

    import torch

    class Payload:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    torch.save({"weight": Payload()}, tmp_path / "bad.bin")
    with pytest.raises(pickle.UnpicklingError):
        safetensors_from_archive(tmp_path / "bad.bin", tmp_path / "out.safetensors")
    assert not (tmp_path / "executed").exists()


def test_an_archive_becomes_safetensors(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    shared = torch.arange(6.0).reshape(2, 3)
    torch.save({"a": shared, "b": shared.T, "n": torch.tensor(3)}, tmp_path / "in.bin")
    safetensors_from_archive(tmp_path / "in.bin", tmp_path / "out.safetensors")
    loaded = load_file(tmp_path / "out.safetensors")
    assert torch.equal(loaded["a"], shared)
    assert torch.equal(loaded["b"], shared.T)
    assert loaded["n"].item() == 3
