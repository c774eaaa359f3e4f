"""The stand-in: it speaks the learner's own texts, loads as a real model does, and is the same each time."""

from __future__ import annotations

import pytest
import torch

from helpers.models import rehearsal, small
from helpers.settings import CourseError

CHATS = [
    ("Was ist das, bitte?", "Das ist ein großer Käse."),
    ("これは何ですか", "猫です。"),
    ("emoji", "🐈 " * 30),
] * 4


def test_any_language_comes_back_as_it_was(tmp_path):
    rehearsal.stand_in(CHATS, tmp_path, steps=1)
    _, tokenizer = small.load(tmp_path)
    for text in ["Käse 猫 🐈", "letters that it has never read: Ωψ"]:
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids) == text


def test_it_reads_the_longest_chat_and_learns(tmp_path):
    rehearsal.stand_in(CHATS, tmp_path / "fresh", steps=1)
    rehearsal.stand_in(CHATS, tmp_path / "read", steps=40)
    fresh, read = (small.score(*small.load(tmp_path / name), CHATS).sum() for name in ("fresh", "read"))
    assert read > 0.7 * fresh  # log-probabilities: closer to 0
    model, tokenizer = small.load(tmp_path / "read")
    assert model.config.max_position_embeddings >= small.encode(tokenizer, CHATS)[0].shape[1]
    assert model.num_parameters() < 300_000


def test_the_same_file_gives_the_same_model(tmp_path):
    for name in ("one", "two"):
        rehearsal.stand_in(CHATS, tmp_path / name, steps=2)
    one, two = (small.load(tmp_path / name)[0].state_dict() for name in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_nothing_to_read_is_one_sentence(tmp_path):
    with pytest.raises(CourseError, match="nothing that a stand-in could read"):
        rehearsal.stand_in([], tmp_path)
