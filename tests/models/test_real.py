"""The real models: loaded from a stand-in hub, and from the installed packages."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest

from helpers.models import real
from helpers.models.real import PACKAGED, image_encoder, imagenet_labels, installed, language_model
from helpers.settings import ROOT, CourseError
from helpers.video.samples import DISTRIBUTION
from tests.models.standin_hub import MODELS, build_standin_hub


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real, "find_spec", lambda name: None)


@pytest.fixture
def nothing_downloaded(hub_at, tmp_path: Path) -> None:
    hub_at(tmp_path / "no-hub")


def log_probability(model, tokenizer, text: str) -> float:
    """Mean log-probability of a text's tokens after the first, in nats."""
    import torch

    ids = tokenizer(text, return_tensors="pt").input_ids
    with torch.no_grad():
        scores = model(ids).logits[0, :-1].log_softmax(-1)
    return scores[torch.arange(len(scores)), ids[0, 1:]].mean().item()


# ---- from the stand-in hub


@pytest.mark.parametrize(
    ("tier", "name", "kind"),
    [
        ("cpu", "SmolLM2-135M-Instruct", "LlamaForCausalLM"),
        ("gpu", "SmolLM2-360M-Instruct", "LlamaForCausalLM"),
        ("gpu24", "Qwen2.5-0.5B-Instruct", "Qwen2ForCausalLM"),
    ],
)
def test_hub_originals_come_first(
    standin_hub: Path, no_network: None, monkeypatch: pytest.MonkeyPatch, tier: str, name: str, kind: str
) -> None:
    import torch

    monkeypatch.setenv("COURSE_TIER", tier)
    loaded = language_model()
    assert loaded is not None
    assert loaded.name == name
    assert "hub's original" in loaded.source
    assert type(loaded.model).__name__ == kind
    assert not loaded.model.training
    # Which this machine can be: a GPU tier on a machine without CUDA computes on the CPU.
    if not torch.cuda.is_available():
        assert {(p.dtype, p.device.type) for p in loaded.model.parameters()} == {(torch.float32, "cpu")}
    tokenizer = loaded.tokenizer
    assert tokenizer.pad_token is not None
    messages = [{"role": "user", "content": "A cat?"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == "<|im_start|>user\nA cat?<|im_end|>\n<|im_start|>assistant\n"
    assert math.isfinite(log_probability(loaded.model, tokenizer, text))


def test_missing_weights_are_not_left_random(
    standin_hub: Path, tmp_path: Path, hub_at, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.torch import load_file, save_file

    name = "HuggingFaceTB/SmolLM2-135M-Instruct"
    build_standin_hub(tmp_path / "hub", tmp_path / "plain", {name: MODELS[name]})
    hub_at(tmp_path / "hub")
    (weights,) = (tmp_path / "hub").rglob("snapshots/*/model.safetensors")
    state = load_file(weights)
    del state["model.layers.1.mlp.up_proj.weight"]
    save_file(state, weights.resolve(), metadata={"format": "pt"})
    assert language_model() is None
    line = capsys.readouterr().err.splitlines()[-1]  # below transformers' own report
    assert line.startswith("No real language model: The weights in ")
    assert "incomplete (no model.layers.1.mlp.up_proj.weight)" in line


def test_loading_shows_no_progress_bar_and_leaves_the_switch(
    standin_hub: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging

    logging.enable_progress_bar()
    assert language_model() is not None
    assert capsys.readouterr() == ("", "")
    assert logging.is_progress_bar_enabled()


def test_clip_embeds_and_names_pictures(
    standin_hub: Path, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_TIER", "gpu")
    encoder = image_encoder()
    assert encoder is not None
    assert encoder.name == "clip-vit-base-patch32"
    check_encoder(encoder)
    vectors = encoder.embed([np.full((40, 30, 3), 200, np.uint8)])
    assert np.linalg.norm(vectors[0]) == pytest.approx(1.0, abs=1e-5)


def check_encoder(encoder: real.ImageEncoder) -> None:
    """What every image encoder must do, whatever its weights."""
    rng = np.random.default_rng(0)
    images = [
        rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in [(32, 32), (50, 90), (300, 200)] * 3
    ]
    vectors = encoder.embed(images)
    assert vectors.shape == (9, encoder.dimension)
    assert vectors.dtype == np.float32
    # More than a batch, of mixed sizes: each is what it would be alone.
    np.testing.assert_allclose(vectors[4], encoder.embed(images[4:5])[0], rtol=1e-3, atol=1e-4)
    assert not np.allclose(vectors[0], vectors[1])
    assert encoder.embed([]).shape == (0, encoder.dimension)

    answers = encoder.classify(images, k=1000)
    assert len(answers) == 9
    assert encoder.classify([]) == []
    for answer in answers:
        probabilities = [p for _, p in answer]
        assert sum(probabilities) == pytest.approx(1.0, abs=1e-3)
        assert probabilities == sorted(probabilities, reverse=True)
        assert {label for label, _ in answer} == set(imagenet_labels())

    for wrong in (images[0] / 255.0, images[0][:, :, 0], np.zeros((8, 8, 4), np.uint8), "cat.png"):
        with pytest.raises(CourseError, match="Picture 1 must be a uint8 array"):
            encoder.embed([images[0], wrong])


# ---- with nothing there


@pytest.mark.parametrize("tier", ["cpu", "gpu"])
def test_without_weights_a_lesson_goes_on(
    no_packages: None,
    nothing_downloaded: None,
    no_network: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tier: str,
) -> None:
    monkeypatch.setenv("COURSE_TIER", tier)
    assert language_model() is None
    assert image_encoder() is None
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert len([line for line in lines if "requirements-real.txt" in line]) == 2
    # A GPU tier also says why the hub's model was not used.
    assert len(lines) == (2 if tier == "cpu" else 4)
    assert not any(installed().values())


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="needs a folder that nobody may write to")
@pytest.mark.parametrize("home", ["/sys/course", "file"])
def test_where_nothing_can_be_stored_a_lesson_goes_on(
    nothing_downloaded: None,
    no_network: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    home: str,
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / home))
    monkeypatch.delenv("COURSE_CACHE", raising=False)
    monkeypatch.setenv("COURSE_TIER", "cpu")
    # Weights that are never read: they would first have to be stored.
    monkeypatch.setattr(real, "_packaged", lambda package, file: tmp_path / "file")
    monkeypatch.setattr(real, "version", lambda package: "1")
    assert language_model() is None
    assert image_encoder() is None
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("No real language model: smollm2-135m-")
    assert second.startswith("No real image encoder: efficientnet-lite0-")
    assert "Set COURSE_HOME to a folder that you can write to" in first
    with pytest.raises(CourseError, match="could not be stored"):
        real.language_weights()


def test_a_wrong_tier_is_still_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_TIER", "foo")
    for load in (language_model, image_encoder):
        with pytest.raises(CourseError, match="COURSE_TIER"):
            load()


def test_the_packaged_models_are_the_required_ones() -> None:
    lines = (ROOT / "requirements-real.txt").read_text(encoding="utf-8").splitlines()
    required = {line.partition("==")[0] for line in lines if "==" in line}
    assert {package for model in PACKAGED for package in model.packages} | {DISTRIBUTION} == required


def test_the_labels() -> None:
    labels = imagenet_labels()
    assert len(labels) == len(set(labels)) == 1000
    assert labels[0] == "tench"
    assert labels[281:286] == ("tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat")
    assert labels[999] == "toilet tissue"


# ---- from the packages


@pytest.fixture
def only_packages(
    packaged_models: None, nothing_downloaded: None, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packaged models in the learner's own cache, converted there if they are not yet."""
    monkeypatch.setenv("COURSE_TIER", "cpu")


@pytest.mark.real
def test_the_packaged_language_model_knows_english(only_packages: None) -> None:
    import torch

    loaded = language_model()
    assert loaded is not None
    assert loaded.name == "SmolLM2-135M-Instruct"
    assert "4-bit" in loaded.source
    assert "dequantized" in loaded.source
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}
    assert sum(parameter.numel() for parameter in loaded.model.parameters()) == 134_515_008

    sentence = "The cat sat down by the window and looked out at the birds in the garden"
    words = sentence.split()
    perplexity = math.exp(-log_probability(loaded.model, loaded.tokenizer, sentence + "."))
    assert 5 < perplexity < 50  # measured: 25
    for seed in range(3):
        shuffled = " ".join(random.Random(seed).sample(words, len(words))) + "."
        assert math.exp(-log_probability(loaded.model, loaded.tokenizer, shuffled)) > 20 * perplexity

    prompt = loaded.tokenizer("The capital of France is", return_tensors="pt")
    with torch.no_grad():
        best = loaded.model(**prompt).logits[0, -1].argmax()
    assert loaded.tokenizer.decode(best) == " Paris"


@pytest.mark.real
def test_the_packaged_tokenizer(only_packages: None) -> None:
    loaded = language_model()
    assert loaded is not None
    tokenizer = loaded.tokenizer
    text = "In 2024 there were 17 cats  and\n\ttwo dogs' tails — “so”."
    assert tokenizer.decode(tokenizer(text).input_ids) == text
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == loaded.model.config.eos_token_id
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hi"}], tokenize=False, add_generation_prompt=True
    )
    assert chat.endswith("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n")
    assert chat.startswith("<|im_start|>system\n")


@pytest.mark.real
def test_the_packaged_encoder(only_packages: None) -> None:
    encoder = image_encoder()
    assert encoder is not None
    assert (encoder.name, encoder.dimension) == ("EfficientNet-Lite0", 1280)
    check_encoder(encoder)


@pytest.mark.real
def test_the_packaged_encoder_sees_a_cat(only_packages: None) -> None:
    skimage = pytest.importorskip("skimage", reason="the photograph is scikit-image's")
    from PIL import Image

    photograph = Image.open(Path(skimage.__file__).parent / "data" / "chelsea.png").convert("RGB")
    encoder = image_encoder()
    assert encoder is not None
    (answer,) = encoder.classify([np.asarray(photograph)])
    expected = {"tiger cat": 0.385, "Egyptian cat": 0.365, "tabby": 0.169}
    assert dict(answer) == pytest.approx(expected, abs=0.01)
