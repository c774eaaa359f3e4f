"""Clips as words: rounding, spelling, the encoder's training, and what is stored."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import world
from helpers.settings import CourseError
from helpers.video import tokens

SCENES = world.sample(6, seed=5, preset="capstone")


def test_fsq_rounds_to_levels_and_passes_the_gradient() -> None:
    numbers = torch.tensor([-9.0, -0.2, 0.2, 9.0], requires_grad=True)
    rounded = tokens.fsq(numbers)
    assert rounded.tolist() == pytest.approx([0, 1, 2, 3], abs=1e-5)
    rounded.sum().backward()
    assert numbers.grad.numpy() == pytest.approx(1.5 * (1 - np.tanh(numbers.detach().numpy()) ** 2), abs=1e-5)


def test_digits_are_spelled_to_base_4_the_highest_first() -> None:
    what, where = np.zeros((1, 6, 3), int), np.zeros((1, 8, 4), int)
    what[0, 2], where[0, 7] = [2, 1, 3], [3, 0, 1, 2]
    (words,) = tokens.spell(what, where)
    assert words.split() == ["a0", "b0", "c39", "d0", "e0", "f0", *["x0"] * 7, "x198"]


def test_different_digits_are_spelled_differently() -> None:
    rng = np.random.default_rng(0)
    what, where = rng.integers(0, 4, (50, 6, 3)), rng.integers(0, 4, (50, 8, 4))
    known = {word for text in tokens.every_word() for word in text.split()}
    spelled = tokens.spell(what, where)
    assert len(set(spelled)) == 50
    assert {word for text in spelled for word in text.split()} <= known


def test_an_encoder_writes_whole_numbers_of_four_levels() -> None:
    what, where = tokens.numbers_of(tokens.Encoder().eval(), world.films(SCENES, 8, 48))
    assert what.shape == (6, 6, 3)
    assert where.shape == (6, 8, 4)
    assert {*np.unique(what), *np.unique(where)} <= {0, 1, 2, 3}


def test_where_tokens_depend_on_their_own_frame_only_and_what_tokens_on_no_order() -> None:
    encoder = tokens.encoder(0)
    films = world.films(SCENES, 8, 48)
    what, where = tokens.numbers_of(encoder, films)
    what_back, where_back = tokens.numbers_of(encoder, films[:, ::-1].copy())
    assert (where_back == where[:, ::-1]).all()
    assert (what_back == what).all()


@pytest.mark.parametrize(
    "films", [np.zeros((1, 8, 32, 32, 3), np.uint8), np.zeros((1, 8, 48, 48, 3), np.float32)]
)
def test_other_films_are_refused_in_a_sentence(films: np.ndarray) -> None:
    with pytest.raises(CourseError, match="reads uint8 films"):
        tokens.numbers_of(tokens.Encoder(), films)


def test_training_repeats_itself_and_leaves_the_random_state_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one, two, other = tokens.train(7, 2), tokens.train(7, 2), tokens.train(8, 2)
    assert torch.equal(torch.get_rng_state(), before)
    weights = [model.what[0].weight for model in (one, two, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not one.training


def test_a_little_training_tells_places_and_colors() -> None:
    """A full rebuild takes minutes; 60 steps must already tell what is easy, far above chance."""
    scenes = world.sample(200, seed=31, preset="capstone")
    trained = tokens.train(1, 60)
    with torch.no_grad():
        told = trained(tokens.pixels(world.films(scenes, 8, 48)))
    share = {
        name: (score.argmax(1) == word).float().mean().item()
        for name, score, word in zip(tokens.TOLD, told[5:], tokens.words_of(scenes), strict=True)
    }
    assert share["place"] > 0.7  # chance: 0.25
    assert share["color"] > 0.3  # chance: 0.125


def test_a_damaged_checkpoint_is_said_and_built_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "encoder.safetensors"
    damaged.write_bytes(tokens.CHECKPOINT.read_bytes()[:1000])
    monkeypatch.setattr(tokens, "CHECKPOINT", damaged)
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COURSE_CACHE", raising=False)
    monkeypatch.setitem(tokens.CONFIG, "steps", 1)
    assert tokens.described(tokens.encoder(0), SCENES[:1])[0].startswith("a")
    assert capsys.readouterr().err.count("holds no encoder of clips that can be read") == 1


def test_another_model_s_file_is_refused(tmp_path: Path) -> None:
    shutil.copyfile(tokens.CHECKPOINT.with_name("model.safetensors"), tmp_path / "encoder.safetensors")
    with pytest.raises(CourseError, match="holds no encoder"):
        tokens.load(tmp_path / "encoder.safetensors")
