"""The small language model: exact texts, log-probabilities that add up, training that repeats."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from helpers.models import small
from helpers.settings import CourseError

CHATS = [
    ("small cat, sits", "A small cat sits."),
    ("big dog, sleeps now", "A big dog sleeps."),
    ("cat", "Cat?"),
]
TEXTS = [text for chat in CHATS for text in chat]


@pytest.fixture(scope="module")
def tokenizer():
    return small.tokenizer(TEXTS)


@pytest.fixture
def model(tokenizer):
    return small.new_model(len(tokenizer), seed=0)


@pytest.mark.parametrize("text", TEXTS)
def test_decoding_gives_back_the_text(tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_a_chat_is_written_once_with_its_end(tokenizer) -> None:
    ids, answer = small.encode(tokenizer, CHATS[:1])
    assert tokenizer.decode(ids[0]) == "<|user|>small cat, sits<|assistant|>A small cat sits.<|end|>"
    assert tokenizer.decode(ids[0][answer[0]]) == "A small cat sits.<|end|>"


def test_padding_changes_no_log_probability(tokenizer, model) -> None:
    together = small.score(model, tokenizer, CHATS)
    alone = torch.cat([small.score(model, tokenizer, [chat]) for chat in CHATS])
    assert torch.allclose(together, alone, atol=1e-5)
    assert small.score(model, tokenizer, []).shape == (0,)


def test_log_probabilities_of_all_answers_add_up_to_one(tokenizer, model) -> None:
    """Over every second token of an answer that begins with "A", the chances given "A" sum to 1."""
    words = range(len(tokenizer))
    prompt = small.prompt_ids(tokenizer, ["cat"])[0]
    ids = torch.tensor([[*prompt, word] for word in words])
    answer = torch.zeros_like(ids, dtype=torch.bool)
    answer[:, len(prompt) :] = True
    with torch.no_grad():
        assert small.logps(model, ids, answer).exp().sum().item() == pytest.approx(1.0, abs=1e-5)


def test_the_same_seed_gives_the_same_model_and_leaves_the_global_state(tokenizer) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, two, other = (small.new_model(len(tokenizer), seed) for seed in (1, 1, 2))
    small.sample(one, tokenizer, ["cat"], seed=3)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_it_learns_and_says_what_it_learned(tokenizer, model) -> None:
    before = small.score(model, tokenizer, CHATS).mean()
    loss = small.fit(model, tokenizer, CHATS, steps=80, seed=0, batch=8)
    assert loss < 0.1
    assert small.score(model, tokenizer, CHATS).mean() > before + 5
    questions = [question for question, _ in CHATS]
    assert small.sample(model, tokenizer, questions, seed=0, temperature=0) == [a for _, a in CHATS]


def test_sampling_repeats_with_its_seed_and_is_cut_at_its_longest(tokenizer, model) -> None:
    questions = ["cat"] * 20
    drawn = small.sample(model, tokenizer, questions, seed=4, batch=7)
    assert drawn == small.sample(model, tokenizer, questions, seed=4, batch=7)
    assert drawn != small.sample(model, tokenizer, questions, seed=5, batch=7)
    assert all(
        len(tokenizer(text)["input_ids"]) <= 3
        for text in small.sample(model, tokenizer, questions, 0, longest=3)
    )


def test_a_stored_model_is_the_same_model(tokenizer, model, tmp_path: Path) -> None:
    small.save(model, tokenizer, tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    again, words = small.load(tmp_path)
    assert torch.equal(small.score(again, words, CHATS), small.score(model, tokenizer, CHATS))
    assert not again.training


def test_a_folder_without_a_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="holds no language model"):
        small.load(tmp_path)
