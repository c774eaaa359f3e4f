"""A stand-in for the hub: tiny random models of the real classes, under the real ids, in the hub's layout.

`standin_hub` gives other tests a machine on which the hub's models are already downloaded and the network is
forbidden. `build_standin_hub` writes such a folder anywhere.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.models.hub_data import DATASETS, HubDataset

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CORPUS = [
    "A small orange cat walks left across the meadow.",
    "In the snow, a big gray rabbit is sleeping.",
    "It is night, and a white sheep comes closer.",
    "a photo of a tabby",
]


def tiny_tokenizer(*, closing: bool = False):
    """A byte-level BPE tokenizer of about 300 tokens with a chat template; `closing` adds the end token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    if closing:
        end = (SPECIAL[2], tokenizer.token_to_id(SPECIAL[2]))
        tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {end[0]}", special_tokens=[end])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=SPECIAL[1], eos_token=SPECIAL[2], pad_token=SPECIAL[2]
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def tiny_llama(seed: int = 0):
    """A random two-layer Llama with grouped queries, wide enough to be quantized in blocks of 32."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(**_language_sizes()))


def save_language_model(folder: Path, kind: str) -> None:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    model = tiny_llama() if kind == "llama" else Qwen2ForCausalLM(Qwen2Config(**_language_sizes()))
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)


def save_clip_as_archive(folder: Path) -> None:
    """A tiny CLIP whose weights are a PyTorch archive, as in older repositories of the hub."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    common = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1}
    text = {**common, "vocab_size": 300, "max_position_embeddings": 96, "eos_token_id": 2, "bos_token_id": 1}
    vision = {**common, "image_size": 32, "patch_size": 16}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24))
    model.config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    tiny_tokenizer(closing=True).save_pretrained(folder)


def save_videomae(folder: Path) -> None:
    """With the head of a classifier, as the hub's is: the encoder must be found inside."""
    import torch
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    torch.manual_seed(0)
    config = VideoMAEConfig(
        image_size=32,
        patch_size=16,
        num_frames=4,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_labels=5,
        initializer_range=0.3,
    )
    VideoMAEForVideoClassification(config).save_pretrained(folder)


def save_xclip(folder: Path) -> None:
    import torch
    from transformers import XCLIPConfig, XCLIPModel

    torch.manual_seed(0)
    common = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1}
    text = {**common, "vocab_size": 300, "max_position_embeddings": 96, "eos_token_id": 2, "bos_token_id": 1}
    vision = {
        **common,
        "image_size": 32,
        "patch_size": 16,
        "num_frames": 8,
        "mit_hidden_size": 32,
        "mit_intermediate_size": 64,
        "mit_num_attention_heads": 2,
        "mit_num_hidden_layers": 1,
    }
    config = XCLIPConfig(
        text_config=text, vision_config=vision, projection_dim=32, prompt_num_attention_heads=2
    )
    XCLIPModel(config).save_pretrained(folder)
    tiny_tokenizer(closing=True).save_pretrained(folder)


MODELS: dict[str, Callable[[Path], None]] = {
    "HuggingFaceTB/SmolLM2-135M-Instruct": lambda folder: save_language_model(folder, "llama"),
    "HuggingFaceTB/SmolLM2-360M-Instruct": lambda folder: save_language_model(folder, "llama"),
    "Qwen/Qwen2.5-0.5B-Instruct": lambda folder: save_language_model(folder, "qwen2"),
    "openai/clip-vit-base-patch32": save_clip_as_archive,
}
FILM_MODELS: dict[str, Callable[[Path], None]] = {
    "MCG-NJU/videomae-small-finetuned-kinetics": save_videomae,
    "microsoft/xclip-base-patch32": save_xclip,
}


def build_standin_hub(hub: Path, scratch: Path, models: dict[str, Callable[[Path], None]] = MODELS) -> None:
    """Fill `hub`, a folder as ``HF_HUB_CACHE`` names it: blobs, snapshots that link to them, and refs."""
    for name, save in models.items():
        plain = scratch / name.replace("/", "--")
        plain.mkdir(parents=True)
        save(plain)
        store_snapshot(hub, name, plain)


def store_snapshot(hub: Path, name: str, plain: Path) -> Path:
    """Store a plain folder of files as the "main" of a repository; returns the snapshot's folder."""
    commit = hashlib.sha1(name.encode()).hexdigest()
    repository = hub / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / commit
    for folder in (repository / "refs", repository / "blobs", snapshot):
        folder.mkdir(parents=True, exist_ok=True)
    (repository / "refs" / "main").write_text(commit)
    for file in sorted(plain.iterdir()):
        blob = repository / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        blob.write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))
    return snapshot


def said(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def thumbs(count: int) -> list[dict[str, Any]]:
    """Rows as the mix of thumbs has them."""
    return [
        {
            "prompt": [said("user", f"Is {n} even?")],
            "completion": [said("assistant", "Yes." if n % 3 else "No. " * 40)],
            "label": n % 2 == 0,
        }
        for n in range(count)
    ]


def revisions(count: int) -> list[dict[str, Any]]:
    """Rows as the contrastive revisions have them: the prompt as text, and two whole conversations."""
    return [
        {
            "prompt": f"Is {n} odd?",
            "chosen": [said("user", f"Is {n} odd?"), said("assistant", f"It is {n}.")],
            "rejected": [said("user", f"Is {n} odd?"), said("assistant", "I don't know.")],
        }
        for n in range(count)
    ]


def store(hub: Path, data: HubDataset, rows: list[dict[str, Any]]) -> None:
    """Store rows as a downloaded file of a repository of data."""
    from datasets import Dataset

    folder = hub / f"datasets--{data.id.replace('/', '--')}" / "snapshots" / data.revision
    (folder / data.file).parent.mkdir(parents=True)
    Dataset.from_list(rows).to_parquet(str(folder / data.file))


def build_standin_data(hub: Path) -> None:
    """A few rows of each public data set, where a download of its file would lie."""
    store(hub, DATASETS["kto-mix"], thumbs(60))
    store(hub, DATASETS["clair"], revisions(60))


def _language_sizes() -> dict[str, object]:
    return {
        "vocab_size": 300,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
        "initializer_range": 0.3,
    }


@pytest.fixture(scope="session")
def _standin_hub_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    hub = tmp_path_factory.mktemp("standin") / "hub"
    build_standin_hub(hub, tmp_path_factory.mktemp("plain"))
    return hub


@pytest.fixture
def hub_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Makes this process, and those it starts, look for hub models in a folder, and nowhere else."""

    def use(folder: Path) -> None:
        from huggingface_hub import constants

        monkeypatch.setenv("HF_HUB_CACHE", str(folder))
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        # huggingface_hub reads its environment when it is imported, which has happened.
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    return use


@pytest.fixture
def standin_hub(
    _standin_hub_folder: Path,
    hub_at: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A machine with the stand-in hub downloaded, an empty course cache and no network; gives the hub."""
    hub_at(_standin_hub_folder)
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COURSE_CACHE", raising=False)
    return _standin_hub_folder
