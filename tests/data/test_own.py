"""A learner's own file: what can be used, what is left out, and one sentence for what is no such file."""

from __future__ import annotations

import json

import pytest

from helpers.data import own, tables
from helpers.settings import CourseError


def thumb(number, up=True, **changes):
    return {"prompt": f"p{number}", "completion": f"a{number}", "label": up, **changes}


@pytest.fixture
def write(tmp_path):
    def write(*rows, end="\n"):
        path = tmp_path / "mine.jsonl"
        path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows) + end)
        return path

    return write


ENOUGH = [thumb(number, number % 2 == 0) for number in range(16)]


def test_thumbs_in_both_of_trls_forms(write):
    messages = {
        "prompt": [{"role": "user", "content": "p"}],
        "completion": [{"role": "assistant", "content": "a"}],
        "label": False,
    }
    found = own.read(write(*ENOUGH, messages))
    assert found.left_out == {}
    assert found.judged[0] == own.Judged("p0", "a0", True)
    assert found.judged[-1] == own.Judged("p", "a", False)


def test_a_pair_is_one_up_and_one_down(write):
    pairs = [{"prompt": f"p{n}", "chosen": "good", "rejected": "bad"} for n in range(8)]
    found = own.read(write(*pairs)).judged
    assert found[:2] == [own.Judged("p0", "good", True), own.Judged("p0", "bad", False)]
    assert len(found) == 16


def test_what_is_useless_is_left_out_and_counted(write):
    found = own.read(
        write(
            *ENOUGH,
            thumb(0),  # again
            thumb(20, True),
            thumb(20, False),  # contradicts it
            thumb(21, completion=" "),
            thumb(22, None),  # a skip
            {"text": "of another form"},
            '{"prompt": "half',
        )
    )
    assert len(found.judged) == 16
    assert found.left_out == {
        "exact repeat": 1,
        "both up and down": 2,
        "empty answer": 1,
        "no thumb and no pair": 2,
        "broken line": 1,
    }


def test_what_is_kept_can_be_trained_on(write, tmp_path):
    kept = own.read(write(*ENOUGH, '{"prompt": "half')).judged
    clean = write(*(one.row for one in kept))
    form, data = tables.read(clean)
    assert (form, len(data)) == ("unpaired", 16)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "is empty"),
        (["", "  "], "is empty"),
        (['{"prompt": "half-wri'], "no line of JSON that can be read"),
        (["<html>"], "no line of JSON that can be read"),
        (
            [{"question": "q", "answer": "a"}],
            r"needs prompt, completion and label .* \(found: question, answer\)",
        ),
        ([thumb(1, "up")], "no usable row"),
        ([thumb(1)], "1 usable answers with a thumb up; give at least 8"),
        ([thumb(n) for n in range(20)], "0 usable answers with a thumb down"),
        ([thumb(1, prompt="  ")], "no usable row"),
    ],
)
def test_what_is_no_such_file_is_one_sentence(write, lines, says):
    with pytest.raises(CourseError, match=says) as error:
        own.read(write(*lines))
    assert "\n" not in str(error.value)


def test_a_file_that_is_missing_or_not_text(tmp_path):
    with pytest.raises(CourseError, match="There is no file"):
        own.read(tmp_path / "none.jsonl")
    (tmp_path / "mine.jsonl").write_bytes(b"\xff\xfe{\x00}\x00")
    with pytest.raises(CourseError, match="no line of JSON that can be read"):
        own.read(tmp_path / "mine.jsonl")
