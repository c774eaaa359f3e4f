"""The models that take whole films, as tiny random ones of the same classes in a local hub cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.settings import CourseError
from helpers.video import models
from tests.models.standin_hub import hub_at, store_snapshot, tiny_tokenizer

__all__ = ["hub_at"]


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


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, plain = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("plain")
    for name, save in [
        ("MCG-NJU/videomae-small-finetuned-kinetics", save_videomae),
        ("microsoft/xclip-base-patch32", save_xclip),
    ]:
        place = plain / name.replace("/", "--")
        place.mkdir()
        save(place)
        store_snapshot(folder, name, place)
    return folder


@pytest.fixture
def films() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(256, size=(8, 20, 24, 3), dtype=np.uint8) for _ in range(3)]


def test_videomae_describes_films_and_notices_their_order(hub, hub_at, films):
    hub_at(hub)
    encoder = models.film_encoder()
    found = encoder.embed(films)
    assert found.shape == (3, encoder.dimension) == (3, 16)
    assert np.isfinite(found).all()
    backward = encoder.embed([film[::-1] for film in films])
    assert np.abs(found - backward).max() > 1e-3
    # One film at a time gives the same.
    np.testing.assert_allclose(encoder.embed(films[2:]), found[2:], atol=1e-4)
    assert encoder.embed([]).shape == (0, 16)


def test_xclip_gives_probabilities_of_texts(hub, hub_at, films):
    hub_at(hub)
    matcher = models.film_matcher()
    texts = ["an animal walks left", "an animal walks right", "a photo of a tabby"]
    found = matcher.match(films, texts)
    assert found.shape == (3, 3)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    assert matcher.match([], texts).shape == (0, 3)


def test_what_is_no_film_is_told(hub, hub_at):
    hub_at(hub)
    encoder = models.film_encoder()
    for wrong in (np.zeros((8, 20, 24)), np.zeros((20, 24, 3), np.uint8), np.zeros((0, 2, 2, 3), np.uint8)):
        with pytest.raises(CourseError, match="Film 0 must be"):
            encoder.embed([wrong])


def test_a_machine_without_them_has_none_on_the_cpu_tier_and_asks_nobody(
    tmp_path, hub_at, monkeypatch, capsys
):
    hub_at(tmp_path)
    monkeypatch.setenv("COURSE_TIER", "cpu")
    assert models.film_encoder() is None
    assert models.film_matcher() is None
    assert capsys.readouterr().err == ""


def test_a_gpu_tier_without_network_says_one_line(tmp_path, hub_at, monkeypatch, capsys):
    hub_at(tmp_path)
    monkeypatch.setenv("COURSE_TIER", "gpu")
    assert models.film_encoder() is None
    assert capsys.readouterr().err.count("\n") == 1


def test_damaged_weights_are_told_not_filled_with_chance(hub_at, tmp_path, capsys):
    from safetensors.torch import load_file, save_file

    plain = tmp_path / "plain"
    plain.mkdir()
    save_videomae(plain)
    weights = load_file(plain / "model.safetensors")
    weights.pop(next(name for name in weights if "encoder.layer.0" in name))
    save_file(weights, plain / "model.safetensors", metadata={"format": "pt"})
    store_snapshot(tmp_path / "hub", "MCG-NJU/videomae-small-finetuned-kinetics", plain)
    hub_at(tmp_path / "hub")
    assert models.film_encoder() is None
    assert "lack" in capsys.readouterr().err
