"""TRL's formats: rows in and out, what is refused, and that TRL takes them for what they are."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from datasets import Dataset

from helpers.data import formats
from helpers.settings import CourseError

ROWS = [
    ("one", "a", True),
    ("one", "b", False),
    ("two", "c", True),
    ("one", "d", False),
    ("one", "e", True),
    ("three", "f", False),
]
PAIRS = [(f"q{i}", f"good {i}", f"bad {i}") for i in range(40)]


def say(text, role="assistant"):
    return [{"role": role, "content": text}]


def test_unpaired_rows_are_trls():
    data = formats.unpaired(ROWS)
    assert data[1] == {"prompt": say("one", "user"), "completion": say("b"), "label": False}
    assert data.features["label"].dtype == "bool"
    assert list(data["label"]) == [True, False, True, False, True, False]


def test_paired_and_prompt_completion_rows_are_trls():
    assert formats.paired(PAIRS)[3] == {
        "prompt": say("q3", "user"),
        "chosen": say("good 3"),
        "rejected": say("bad 3"),
    }
    assert formats.prompt_completion([("q", "a")])[0] == {"prompt": say("q", "user"), "completion": say("a")}


@pytest.mark.parametrize(
    "data", [formats.unpaired(ROWS), formats.paired(PAIRS), formats.prompt_completion([("q", "a")])]
)
def test_trl_knows_them_as_conversations(data):
    from trl.data_utils import is_conversational

    assert is_conversational(data[0])
    for column in data.column_names:
        if column != "label":
            assert is_conversational({column: data[0][column]})


def test_back_to_chats():
    assert formats.chats_of(formats.unpaired(ROWS)) == [(q, a) for q, a, _ in ROWS]
    data = formats.paired(PAIRS)
    assert formats.chats_of(data, "chosen")[5] == ("q5", "good 5")
    assert formats.chats_of(data, "rejected")[5] == ("q5", "bad 5")


def test_a_text_comes_back_as_it_was():
    text = ' "quoted" \n \\ 猫 👍 $x$ <b> '
    assert formats.chats_of(formats.prompt_completion([(text, text)])) == [(text, text)]


def test_an_answer_may_be_empty_and_a_question_may_not():
    assert formats.chats_of(formats.unpaired([("q", "", False)])) == [("q", "")]
    with pytest.raises(CourseError, match="prompt of row 1 is empty"):
        formats.unpaired([(" ", "a", True)])


def test_numpy_bools_are_bools():
    assert list(formats.unpaired([("q", "a", np.True_), ("q", "b", np.False_)])["label"]) == [True, False]


# --- conversions --------------------------------------------------------------------------------------------


def test_unpairing_keeps_every_answer_and_mixes_the_labels():
    data = formats.unpair(formats.paired(PAIRS), seed=0)
    expected = Counter([(q, good, True) for q, good, _ in PAIRS] + [(q, bad, False) for q, _, bad in PAIRS])
    chats = formats.chats_of(data)
    assert Counter((*chat, label) for chat, label in zip(chats, data["label"], strict=True)) == expected
    labels = list(data["label"])
    half = len(labels) // 2
    assert 0.25 * half < sum(labels[:half]) < 0.75 * half  # in blocks it would be all or none
    longest = max(len(run) for run in "".join("01"[label] for label in labels).replace("01", "0 1").split())
    assert longest < 20


def test_unpairing_repeats_with_its_seed():
    data = formats.paired(PAIRS)
    assert formats.unpair(data, 3).to_list() == formats.unpair(data, 3).to_list()
    assert formats.unpair(data, 3).to_list() != formats.unpair(data, 4).to_list()


def test_pairing_takes_prompts_with_both():
    data = formats.pair(formats.unpaired(ROWS))
    pairs = zip(formats.chats_of(data, "chosen"), formats.chats_of(data, "rejected"), strict=True)
    assert list(pairs) == [(("one", "a"), ("one", "b")), (("one", "e"), ("one", "d"))]


def test_pairing_uses_a_row_once_and_leaves_out_what_is_both():
    rows = [("q", "a", True), ("q", "a", False), ("q", "b", True), ("q", "c", False), ("q", "d", False)]
    data = formats.pair(formats.unpaired(rows))
    assert formats.chats_of(data, "chosen") == [("q", "b")]
    assert formats.chats_of(data, "rejected") == [("q", "c")]


def test_pairs_survive_being_unpaired_and_paired_again():
    there = formats.pair(formats.unpair(formats.paired(PAIRS), seed=1))
    assert sorted(map(str, there)) == sorted(map(str, formats.paired(PAIRS)))


def test_positives_are_the_ups():
    assert formats.chats_of(formats.positives(formats.unpaired(ROWS))) == [
        ("one", "a"),
        ("two", "c"),
        ("one", "e"),
    ]
    assert formats.positives(formats.unpaired(ROWS)).column_names == ["prompt", "completion"]


def test_conversions_take_several_turns():
    prompt = [{"role": "system", "content": "Be brief."}, *say("q", "user"), *say("a"), *say("r", "user")]
    data = Dataset.from_list([{"prompt": prompt, "chosen": say("x"), "rejected": say("y"), "more": 1}])
    both = formats.unpair(data, 0)
    assert both[0]["prompt"] == prompt
    assert both.column_names == ["prompt", "completion", "label"]
    with pytest.raises(CourseError, match="single turns"):
        formats.chats_of(both)


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [1, 0, None, "up", math.nan, 1.0])
def test_a_label_must_be_a_bool(label):
    with pytest.raises(CourseError, match=r"label of row 2 must be True .* or False") as error:
        formats.unpaired([("q", "a", True), ("q", "b", label)])
    assert repr(label) in str(error.value)


@pytest.mark.parametrize("text", [None, math.nan, 3, ["a"], "\ud83d"])
def test_texts_must_be_text(text):
    with pytest.raises(CourseError, match="chosen of row 1"):
        formats.paired([("q", text, "b")])


@pytest.mark.parametrize("make", [formats.unpaired, formats.paired, formats.prompt_completion])
def test_no_rows_are_refused(make):
    with pytest.raises(CourseError, match="at least one row"):
        make([])


@pytest.mark.parametrize("labels", [[1, 0], [1.0, math.nan], [True, None]])
def test_tables_made_elsewhere_are_checked_too(labels):
    rows = {"prompt": [say("q", "user")] * 2, "completion": [say("a")] * 2, "label": labels}
    with pytest.raises(CourseError, match=r"label of row \d must be"):
        formats.check(Dataset.from_dict(rows), "unpaired")


def test_missing_columns_are_named():
    with pytest.raises(CourseError, match="rejected is missing") as error:
        formats.check(Dataset.from_dict({"prompt": [say("q", "user")], "chosen": [say("a")]}), "paired")
    assert "found: prompt, chosen" in str(error.value)
    with pytest.raises(CourseError, match="completion is missing"):
        formats.chats_of(formats.paired(PAIRS))


def test_plain_strings_are_refused_as_they_would_get_no_chat_template():
    data = Dataset.from_dict({"prompt": ["q"], "completion": ["a"], "label": [True]})
    with pytest.raises(CourseError, match="must be a list of messages"):
        formats.check(data, "unpaired")


def test_what_is_no_table_is_refused():
    with pytest.raises(CourseError, match=r"must be a datasets\.Dataset, not list"):
        formats.check([{"prompt": "q"}], "unpaired")


def test_an_empty_table_is_refused():
    with pytest.raises(CourseError, match="at least one row"):
        formats.check(formats.unpaired(ROWS).select([]), "unpaired")


def test_nothing_to_pair_or_to_imitate_is_said():
    with pytest.raises(CourseError, match="nothing to pair"):
        formats.pair(formats.unpaired([("q", "a", True), ("r", "b", False)]))
    with pytest.raises(CourseError, match="nothing to imitate"):
        formats.positives(formats.unpaired([("q", "a", False)]))
