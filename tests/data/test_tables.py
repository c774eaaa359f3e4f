"""Files of JSON lines as tables: every format in both forms, what serves what, errors that name the line."""

from __future__ import annotations

import json

import pytest

from helpers.data import formats, tables
from helpers.settings import CourseError

PAIR = {"prompt": "cat?", "chosen": "a cat", "rejected": "a dog"}
THUMB = {"prompt": "cat?", "completion": "a cat", "label": True}
CHAT = {"prompt": "cat?", "completion": "a cat"}


def as_messages(row):
    roles = {"prompt": "user", "chosen": "assistant", "rejected": "assistant", "completion": "assistant"}
    return {
        name: [{"role": roles[name], "content": value}] if name in roles else value
        for name, value in row.items()
    }


@pytest.fixture
def file(tmp_path):
    def write(*rows):
        path = tmp_path / "my data.jsonl"
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("row", "form"), [(PAIR, "paired"), (THUMB, "unpaired"), (CHAT, "prompt_completion")]
)
@pytest.mark.parametrize("change", [dict, as_messages])
def test_every_format_in_both_forms(row, form, change, file):
    found, data = tables.read(file(change(row), {**change(row), "annotator": "ann"}))
    assert found == form
    formats.check(data, form)
    assert data.column_names == list(formats.COLUMNS[form])
    assert data[0] == data[1] == as_messages(row)


def test_a_skip_is_left_out_and_an_empty_answer_kept(file):
    _, data = tables.read(file({**THUMB, "label": None}, {**THUMB, "completion": "", "label": False}))
    assert (data["label"][:], formats.chats_of(data)) == ([False], [("cat?", "")])


def test_what_serves_what(file):
    down = {**THUMB, "completion": "a dog", "label": False}
    path = file(THUMB, down, {**THUMB, "prompt": "dog?"})
    assert formats.chats_of(tables.read_as(path, "prompt_completion")) == [
        ("cat?", "a cat"),
        ("dog?", "a cat"),
    ]
    assert tables.read_as(path, "paired")[:] == formats.paired([tuple(PAIR.values())])[:]
    assert tables.read_as(path, "unpaired")["label"][:] == [True, False, True]
    path = file(*[{**PAIR, "prompt": f"cat {number}?"} for number in range(8)])
    assert formats.chats_of(tables.read_as(path, "prompt_completion"))[3] == ("cat 3?", "a cat")
    thumbs = [tables.read_as(path, "unpaired", seed) for seed in (0, 0, 1)]
    assert thumbs[0]["label"][:] == thumbs[1]["label"][:] != thumbs[2]["label"][:]
    assert sorted(thumbs[0]["label"]) == [False] * 8 + [True] * 8


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([CHAT, "{"], r"my data.jsonl, line 2: is not JSON.*: correct that line or remove it"),
        ([{"text": "cat"}], r"line 1: a row has prompt and completion.*\(found: text\)"),
        ([CHAT, {"prompt": "cat?"}], "line 2: its completion is missing"),
        ([CHAT, {**CHAT, "prompt": " "}], "line 2: its prompt is empty"),
        ([{**CHAT, "prompt": [{"role": "system", "content": "x"}]}], "its prompt is not one message of text"),
        ([{**CHAT, "completion": 3}], "line 1: its completion is not one message of text"),
        ([{**THUMB, "label": 1}], "line 1: its label must be true or false, not 1"),
        ([], "has no row to train on"),
        ([{**THUMB, "label": None}], "has no row to train on"),
    ],
)
def test_the_first_line_that_cannot_be_used(rows, message, file):
    with pytest.raises(CourseError, match=message):
        tables.read(file(*rows))


@pytest.mark.parametrize("wanted", ["paired", "unpaired"])
def test_answers_alone_are_for_sft(wanted, file):
    with pytest.raises(CourseError, match="data for SFT only"):
        tables.read_as(file(CHAT), wanted)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(CourseError, match="There is no file"):
        tables.read(tmp_path / "nothing.jsonl")
