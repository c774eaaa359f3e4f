"""What is read of a row, and into which words it falls."""

from __future__ import annotations

import pytest
from datasets import Dataset

from helpers.settings import CourseError
from helpers.synthesis.texts import normalized, runs, text_of, texts, words


def test_a_column_of_text_of_messages_or_a_function():
    row = {
        "text": "a cat",
        "chat": [{"role": "user", "content": "who?"}, {"role": "assistant", "content": "a cat"}],
    }
    assert text_of(row, "text") == "a cat"
    assert text_of(row, "chat") == "who?\na cat"
    assert text_of(row, lambda row: row["text"].upper()) == "A CAT"
    data = Dataset.from_list([row, row])
    assert list(texts(data, "chat")) == ["who?\na cat"] * 2
    assert list(texts(data.to_iterable_dataset(), "text")) == ["a cat"] * 2
    assert list(texts(data, lambda row: row["text"][2:])) == ["cat"] * 2


@pytest.mark.parametrize(
    ("rows", "text", "message"),
    [
        ({"text": ["a"]}, "completion", "no column completion .found: text."),
        ({"text": [3]}, "text", "column text must be text or messages, not 3"),
        ({"text": [None]}, "text", "not None"),
        ({"text": ["a"]}, lambda row: 5, "text of a row must be text"),
        ({"chat": [[{"role": "user", "content": None}]]}, "chat", "column chat must be text or messages"),
    ],
)
def test_what_is_no_text_is_one_sentence(rows, text, message):
    with pytest.raises(CourseError, match=message):
        list(texts(Dataset.from_dict(rows), text))


def test_words_are_what_is_left_without_capitals_and_punctuation():
    assert normalized("  Ａ  Cat,\n“SAT”. ") == "a cat, “sat”."
    assert words("A cat's hat: 2 cm!") == ["a", "cat", "s", "hat", "2", "cm"]
    assert words("🐈 !!") == ["🐈", "!!"]
    assert words("  ") == []


def test_runs_of_words():
    assert runs(["a", "b", "c"], 2) == ["a b", "b c"]
    assert runs(["a", "b"], 3) == ["a b"]
    assert runs([], 3) == [""]
