"""The models that take whole films, as tiny random ones of the same classes in a local hub cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.settings import CourseError
from helpers.video import models
from tests.models.standin_hub import FILM_MODELS, build_standin_hub, hub_at, save_videomae, store_snapshot

__all__ = ["hub_at"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    build_standin_hub(folder, tmp_path_factory.mktemp("plain"), FILM_MODELS)
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
