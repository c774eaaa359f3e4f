"""The audit: each count against a file in which it is known, and every kind of bad file as one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from helpers import world
from helpers.settings import CourseError
from helpers.synthesis import audit as audits
from helpers.synthesis.audit import audit, card, write

SENTENCE = "number {0}: the small cat of house {0} walks to the left across a green meadow, then it sleeps"


def lines(*rows):
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


@pytest.fixture
def file(tmp_path):
    def make(content, name="data.jsonl") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return make


def chat(question, answer, **columns):
    return {
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": answer}],
        **columns,
    }


def test_everything_is_counted(file):
    facts = [world.describe(scene, 0) for scene in world.sample(6, seed=1)]
    rows = [chat(f"what {n}?", fact, label=n % 2 == 0) for n, fact in enumerate(facts)]
    rows += [chat("what 0?", facts[0].upper(), label=None)]  # an exact duplicate
    rows += [chat("who?", SENTENCE.format("three").replace("then", word)) for word in ["then", "so"]]
    rows += [chat("and?", " ")]
    content = (
        lines(*rows)
        + b'\n{"prompt": "x"}\n[1, 2]\n{"prompt": 3, "completion": "y"}\nl\xe9t\n{"prompt": "half'
    )
    found = audit(file(content))
    assert (found.lines, found.rows, found.form, found.other) == (15, 10, "prompt, completion", 2)
    assert found.columns == {"prompt": 12, "completion": 11, "label": 7}
    assert found.broken == {
        "is JSON but no object": 1,
        "is not UTF-8": 1,
        "is not JSON (the last line, perhaps half-written)": 1,
    }
    assert (found.exact_duplicates, found.near_duplicates, found.near_rows) == (1, 1, 9)
    assert (found.different_answers, found.empty_answers) == (9, 1)
    assert found.words[3] == 19
    assert found.words[0] == 0
    assert found.labels == {"true": 3, "false": 3, "null": 1}
    assert found.leaks is None
    assert dict(found.remarks)[7] == "repeats an earlier line"
    assert dict(found.remarks)[9] == "nearly repeats line 8"
    said = str(found)
    assert "data.jsonl: 15 lines, 10 rows of the form prompt, completion" in said
    assert "lines that are not UTF-8 may be Latin-1" in said
    assert "1 (10.0%)" in said


@pytest.mark.parametrize(
    ("row", "form", "prompt", "answer"),
    [
        (
            {
                "messages": [{"role": "user", "content": "a b"}, {"role": "assistant", "content": "c"}],
                "text": "z",
            },
            "messages",
            "a b",
            "c",
        ),
        (
            {"prompt": "a b", "chosen": "c", "rejected": "d", "completion": "e"},
            "prompt, chosen, rejected",
            "a b",
            "c",
        ),
        ({"prompt": "a b", "completion": "c"}, "prompt, completion", "a b", "c"),
        ({"text": "c", "prompt": "a b"}, "text", "", "c"),
    ],
)
def test_each_form_is_known(file, row, form, prompt, answer):
    found = audit(file(lines(row, row)))
    assert (found.form, found.rows, found.exact_duplicates) == (form, 2, 1)
    assert audits._texts(row, form)[:2] == (prompt, answer)


def test_the_form_of_most_rows_counts(file):
    found = audit(file(lines({"text": "a"}, {"prompt": "a", "completion": "b"}, {"text": "c"})))
    assert (found.form, found.rows, found.other) == ("text", 2, 1)


def test_leaks_are_found_each_by_its_way(file):
    test = [chat(f"tell me about number {n}", SENTENCE.format(n)) for n in ("one", "two", "three", "four")]
    rows = [
        test[0],
        chat("tell me about number two", "something else"),
        chat("tell me about number three", SENTENCE.format("three").replace("green", "white")),
        {
            "prompt": "a",
            "completion": "long before, " + SENTENCE.format("four") + " ".join(map(str, range(50))),
        },
        chat("a fresh question", "with a fresh answer"),
    ]
    found = audit(file(lines(*rows)), file(lines(*test), "test.jsonl"))
    assert found.leaks == audits.Leaks(
        test_rows=4, exact=1, prompts=3, near=2, overlap=3, control=4, control_of=4
    )
    assert "4 of 4 reworded test rows are found" in str(found)
    clean = audit(file(lines(rows[4])), file(lines({"text": "short one"}), "test.jsonl"))
    assert (clean.leaks.exact, clean.leaks.near, clean.leaks.overlap, clean.leaks.control_of) == (0, 0, 0, 0)
    assert "none: the test rows have ten words at most" in str(clean)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "data.jsonl is empty"),
        (b"\n \n", "data.jsonl is empty"),
        (
            b'{"instruction": "a", "output": "b"}\n',
            "rename its columns to messages or to prompt, chosen.*found: instruction, output",
        ),
        (b"{}\n", "no rows of a known form"),
        ("{}\n".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (b'[{"text": "a"}]', "is one JSON list; write one object a line"),
        (b'[\n{"text": "a"},\n{"text": "b"}\n]', "is one JSON list"),
        (b"PAR1\x15\x04\n\xff\n", "is a Parquet file"),
        (b"\x1f\x8b\x08\n", "is compressed"),
        (b"name,color\ncat,orange\n", "holds no JSON object in 2 lines .most: is not JSON"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(file, content, message):
    for call in (
        lambda path: audit(path),
        lambda path: audit(file(lines({"text": "a"}), "good.jsonl"), path),
    ):
        with pytest.raises(CourseError, match=message) as error:
            call(file(content))
        assert "\n" not in str(error.value)


def test_missing_files_and_folders(tmp_path, file):
    with pytest.raises(CourseError, match="There is no file"):
        audit(tmp_path / "nothing.jsonl")
    with pytest.raises(CourseError, match="cannot be read"):
        audit(tmp_path)
    with pytest.raises(CourseError, match="no text to look for"):
        audit(file(lines({"text": "a"})), file(lines({"text": " "}), "test.jsonl"))


def test_a_byte_order_mark_and_windows_line_ends_are_no_problem(file):
    found = audit(file(b"\xef\xbb\xbf" + lines({"text": "a"}, {"text": "b"}).replace(b"\n", b"\r\n")))
    assert (found.rows, found.broken, found.different_answers) == (2, {}, 2)


def test_one_row_has_no_diversity_and_no_text_is_shown(file):
    found = audit(file(lines({"text": "my secret", "\x1b[31mred": 1}, {"text": ["also secret"]})))
    assert found.vendi is None
    assert "diversity" not in str(found)
    assert "secret" not in str(found) + str(card(found)) + json.dumps(found.remarks)
    assert "\x1b" not in str(found)


def test_large_files_are_sampled(file, monkeypatch):
    monkeypatch.setattr(audits, "NEAR_ROWS", 20)
    monkeypatch.setattr(audits, "SAMPLE", 30)
    monkeypatch.setattr(audits, "NAMED", 5)
    captions = [world.describe(scene, 0) for scene in world.sample(100, seed=2)]
    found = audit(file(lines(*({"text": caption} for caption in captions * 2))))
    assert (found.rows, found.near_rows, found.sample) == (200, 20, 30)
    assert found.exact_duplicates == 200 - len(set(captions))
    assert "of the first 20 different rows" in str(found)
    assert len([text for _, text in found.remarks if text == "repeats an earlier line"]) == 5
    assert audit(file(lines(*({"text": caption} for caption in captions * 2)))) == found
    same_first = audit(file(lines(*({"text": text} for text in ["the same"] * 30 + captions))))
    assert same_first.vendi > 5  # the sample is of the whole file


def test_report_and_card_are_written_and_nothing_else_is_replaced(file, tmp_path):
    found = audit(file(lines({"text": "a | b"}, {"text": "A | B"})))
    for _ in range(2):
        write(found, tmp_path / "new" / "out")
    report = json.loads((tmp_path / "new" / "out" / "report.json").read_text(encoding="utf-8"))
    assert (report["rows"], report["exact_duplicates"], report["remarks"]) == (
        2,
        1,
        [[2, "repeats an earlier line"]],
    )
    readme = (tmp_path / "new" / "out" / "README.md").read_text(encoding="utf-8")
    assert yaml.safe_load(readme.split("---")[1])["pretty_name"] == "data.jsonl"
    assert "| exact duplicates | 1 (50.0%) |" in readme
    for place in (tmp_path, tmp_path / "data.jsonl"):
        with pytest.raises(CourseError, match="holds something that is no audit"):
            write(found, place)
    with pytest.raises(CourseError, match="cannot be written"):
        write(found, tmp_path / "data.jsonl" / "deep")
