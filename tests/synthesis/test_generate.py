"""Asking a generator: what is added, what is left out, and what is refused."""

from __future__ import annotations

import pytest
from datasets import Dataset, DatasetDict

from helpers.data import formats
from helpers.models import small
from helpers.settings import CourseError
from helpers.synthesis.generate import Generator, generate, local


def asked(*questions, **columns):
    prompts = [[{"role": "user", "content": question}] for question in questions]
    return Dataset.from_dict({"prompt": prompts, **columns})


def speaker(answer):
    """A generator whose answer to a question is a function of the question and the seed."""
    return Generator(
        "echo",
        "1",
        "cc0-1.0",
        None,
        lambda chats, seed: [answer(chat[-1]["content"], seed) for chat in chats],
    )


def test_answers_come_with_their_provenance():
    made = generate(asked("a", "b", row=[1, 2]), speaker(lambda question, seed: f"{question}{seed}"), 7)
    assert made.to_list() == [
        {
            "prompt": [{"role": "user", "content": question}],
            "row": row,
            "completion": [{"role": "assistant", "content": f"{question}7"}],
            "generator": "echo",
            "revision": "1",
            "temperature": None,
            "seed": 7,
        }
        for row, question in enumerate("ab", start=1)
    ]
    formats.check(made, "prompt_completion")
    assert formats.chats_of(made) == [("a", "a7"), ("b", "b7")]


def test_rows_without_an_answer_are_left_out_and_empty_answers_stay():
    answers = {"a": None, "b": "", "c": "\ud800", "d": "yes"}
    made = generate(asked(*"abcd"), speaker(lambda question, seed: answers[question]), 0)
    assert formats.chats_of(made) == [("b", ""), ("d", "yes")]


def test_nothing_answered_is_an_empty_table_of_the_same_columns():
    some = generate(asked("a"), speaker(lambda question, seed: "x"), 0)
    none = generate(asked("a"), speaker(lambda question, seed: None), 0)
    assert len(none) == 0
    assert none.features == some.features
    assert len(generate(none, speaker(lambda question, seed: "x"), 0)) == 0


def test_an_earlier_completion_and_its_provenance_are_replaced():
    once = generate(asked("a"), speaker(lambda question, seed: "old"), 1)
    twice = generate(once, speaker(lambda question, seed: "new"), 2)
    assert (formats.chats_of(twice), twice["seed"][0]) == ([("a", "new")], 2)
    assert twice.column_names == once.column_names


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Dataset.from_dict({"text": ["a"]}), "needs the column prompt.*found: text"),
        (Dataset.from_dict({"prompt": ["a"]}), "prompt of row 1 must be a list of messages"),
        (Dataset.from_dict({"prompt": [[{"role": "user", "content": None}]]}), "prompt of row 1"),
        (Dataset.from_dict({"prompt": [[]]}), "prompt of row 1"),
        (DatasetDict({"train": asked("a")}), "not DatasetDict: take one of its parts"),
        (asked("a").to_iterable_dataset(), "needs a datasets.Dataset, not IterableDataset"),
        ([{"prompt": "a"}], "needs a datasets.Dataset, not list"),
    ],
)
def test_wrong_columns_are_one_sentence(data, message):
    with pytest.raises(CourseError, match=message):
        generate(data, speaker(lambda question, seed: "x"), 0)


def test_a_generator_that_loses_count_is_refused():
    broken = Generator("short", "1", "cc0-1.0", None, lambda chats, seed: ["x"])
    with pytest.raises(CourseError, match="short gave 1 answers to 2 prompts"):
        generate(asked("a", "b"), broken, 0)
    for wrong in (None, "ab", [1, 2]):
        broken = Generator("odd", "1", "cc0-1.0", None, lambda chats, seed, wrong=wrong: wrong)
        with pytest.raises(CourseError, match="odd must give a list of texts"):
            generate(asked("a", "b"), broken, 0)


def test_a_small_model_is_a_generator():
    tokenizer = small.tokenizer(["small orange cat walks"])
    model = small.new_model(len(tokenizer), seed=0)
    generator = local(model, tokenizer, "tiny", "seed 0", "cc-by-4.0", temperature=1.5, longest=6)
    made = generate(asked("small", "orange cat"), generator, 3)
    expected = small.sample(model, tokenizer, ["small", "orange cat"], 3, 1.5, 6)
    assert [answer for _, answer in formats.chats_of(made)] == expected
    assert (made[0]["generator"], made[0]["temperature"]) == ("tiny", 1.5)
    two_turns = Dataset.from_dict(
        {"prompt": [[{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]]}
    )
    with pytest.raises(CourseError, match="tiny answers single questions"):
        generate(two_turns, generator, 0)
