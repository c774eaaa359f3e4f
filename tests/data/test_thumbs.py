"""Thumbs: kept and undone, read line by line, merged, and made into TRL's rows."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from helpers import world
from helpers.data import formats, thumbs
from helpers.settings import CourseError

SCENE = world.sample(1, 3)[0]


def thumb(completion="a red cat", label=True, annotator="Ann", second=0, prompt="red cat"):
    time = f"2026-01-01T10:00:{second:02}.000+00:00"
    return thumbs.Thumb(prompt, completion, label, annotator, time, "08", asdict(SCENE))


def write(path, *lines):
    """Lines of bytes, or rows to be written as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"\n".join(content) + b"\n")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "class" / "ann.jsonl"


def test_thumbs_come_back_as_they_were(path):
    given = [thumb(label=True), thumb("", False), thumb('"<b>" 👍\n', None, "Ānn 猫")]
    thumbs.append(path, given[:1])
    thumbs.append(path, given[1:])
    assert thumbs.load(path) == thumbs.Loaded(given, [], 0)


def test_a_row_is_trls_unpaired_row_and_four_more_columns(path):
    row = thumbs.to_row(thumb())
    assert row == {
        "prompt": [{"role": "user", "content": "red cat"}],
        "completion": [{"role": "assistant", "content": "a red cat"}],
        "label": True,
        "annotator": "Ann",
        "time": "2026-01-01T10:00:00.000+00:00",
        "lesson": "08",
        "scene": asdict(SCENE),
    }


def test_datasets_reads_the_file_and_trl_takes_it(path, tmp_path):
    from datasets import load_dataset
    from trl.data_utils import is_conversational

    thumbs.append(path, [thumb(), thumb("b", False), thumb("c", None)])
    data = load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    labeled = data.filter(lambda row: row["label"] is not None)
    formats.check(labeled, "unpaired")
    assert is_conversational(labeled[0])
    assert formats.chats_of(labeled) == [("red cat", "a red cat"), ("red cat", "b")]


def test_undo_takes_that_very_thumb_and_only_once(path):
    first, twin, other = thumb(second=1), thumb(second=1), thumb(second=2, annotator="Ben")
    thumbs.append(path, [first, twin, other])
    assert thumbs.undo(path, first)
    assert thumbs.load(path).thumbs == [first, other]
    assert thumbs.undo(path, first)
    assert not thumbs.undo(path, first)
    assert thumbs.load(path).thumbs == [other]


@pytest.mark.parametrize("label", [1, 0, "up", 0.5])
def test_a_thumb_that_is_none_is_not_saved(path, label):
    with pytest.raises(CourseError, match="label that is not true, false or null"):
        thumbs.append(path, [thumb(), thumb(label=label)])
    assert not path.exists()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"label": 1}, "has a label that is not true, false or null: 1"),
        ({"label": "true"}, "has a label that is not true, false or null: 'true'"),
        ({"prompt": "text"}, "has a prompt that is not one user's message"),
        ({"prompt": []}, "has a prompt that is not one user's message"),
        ({"prompt": [{"role": "assistant", "content": "x"}]}, "has a prompt that is not one user's message"),
        ({"prompt": [{"role": "user", "content": "  "}]}, "has an empty prompt"),
        (
            {"completion": [{"role": "assistant", "content": 3}]},
            "has a completion that is not one assistant's message",
        ),
        ({"annotator": None}, "has no text as annotator: None"),
        ({"annotator": " "}, "has no text as annotator: ' '"),
        ({"time": "yesterday"}, "has a time that is not in ISO format: 'yesterday'"),
        ({"scene": "cat"}, "has a scene that is not an object"),
        ({"scene": {"kind": "\ud83d"}}, "holds half of a character"),
    ],
)
def test_a_line_that_is_no_thumb_is_reported_and_the_others_are_read(path, change, problem):
    good = thumbs.to_row(thumb())
    write(path, good, {**good, **change}, good)
    loaded = thumbs.load(path)
    assert loaded.thumbs == [thumb()] * 2
    assert [(line.number, line.problem) for line in loaded.broken] == [(2, problem)]


def test_missing_fields_are_named(path):
    row = thumbs.to_row(thumb())
    del row["label"], row["scene"]
    write(path, row)
    assert [line.problem for line in thumbs.load(path).broken] == ["is no thumb: label, scene missing"]


def test_a_foreign_file_is_counted_without_being_kept(path):
    write(path, *[b"\xff\xfe"] * 500, thumbs.to_row(thumb()))
    loaded = thumbs.load(path)
    assert loaded.thumbs == [thumb()]
    assert loaded.broken_count == 500
    assert len(loaded.broken) == thumbs.MOST_BROKEN


def test_now_is_a_time_that_a_thumb_may_have(path):
    thumbs.append(path, [replace(thumb(), time=thumbs.now())])
    assert len(thumbs.load(path).thumbs) == 1


def test_the_learners_own_file_lies_beside_their_progress(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    assert thumbs.thumbs_path("08") == tmp_path / "home" / "thumbs" / "08.jsonl"
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "run" / "progress.json"))
    assert thumbs.thumbs_path("08") == tmp_path / "run" / "thumbs" / "08.jsonl"


# --- merging ------------------------------------------------------------------------------------------------


def test_the_last_thumb_of_an_annotator_counts_whatever_file_it_is_in(path):
    thumbs.append(path, [thumb(label=True, second=5), thumb(label=None, second=7)])
    thumbs.append(path.with_name("a copy.jsonl"), [thumb(label=False, second=9), thumb(label=True, second=1)])
    merged = thumbs.merge(path.parent)
    assert merged.thumbs == [thumb(label=False, second=9)]
    assert merged.duplicates == 3


def test_a_later_skip_takes_a_thumb_back(path):
    thumbs.append(path, [thumb(label=True, second=1), thumb(label=None, second=2)])
    assert [kept.label for kept in thumbs.merge(path.parent).thumbs] == [None]


def test_of_equal_times_the_later_line_counts_and_zones_are_understood(path):
    early = replace(thumb(label=True), time="2026-01-01T12:00:00+02:00")
    late = replace(thumb(label=False), time="2026-01-01T10:00:00")
    thumbs.append(path, [early, late])
    assert thumbs.merge(path.parent).thumbs == [late]


def test_another_prompt_or_answer_is_no_duplicate(path):
    given = [thumb(), thumb("b"), thumb(prompt="other"), thumb(annotator="Ben")]
    thumbs.append(path, given)
    merged = thumbs.merge(path.parent)
    assert merged.thumbs == given
    assert merged.duplicates == 0


def test_conflicts_are_between_annotators_who_said_something(path):
    thumbs.append(
        path,
        [
            thumb("agreed", True, "Ann"),
            thumb("agreed", True, "Ben"),
            thumb("skipped", True, "Ann"),
            thumb("skipped", None, "Ben"),
            thumb("open", True, "Ann"),
            thumb("open", False, "Ben"),
            thumb("open", True, "Cy"),
            thumb("settled", False, "Ben", 1),
            thumb("settled", True, "Ann", 1),
            thumb("settled", True, "Ben", 2),
        ],
    )
    merged = thumbs.merge(path.parent)
    assert merged.conflicts == [thumbs.Conflict("red cat", "open", {"Ann": True, "Ben": False, "Cy": True})]
    assert str(merged.conflicts[0]) == "“open” for “red cat”: Ann up, Ben down, Cy up"
    assert len(merged.thumbs) == 9


def test_hidden_files_and_other_files_are_passed_over(path):
    thumbs.append(path, [thumb()])
    for name in (".hidden.jsonl", "__MACOSX/._ann.jsonl", ".ipynb_checkpoints/ann.jsonl", "notes.txt"):
        write(path.parent / name, b"\x00\xff")
    merged = thumbs.merge(path.parent)
    assert merged.files == [path]
    assert merged.broken == []


def test_a_report_of_much_is_short_and_without_control_characters(path):
    given = [
        thumb(f"\x1b[31m answer {i} {'long ' * 99}", label, who)
        for i in range(30)
        for who, label in (("Ann", True), ("Ben", False))
    ]
    thumbs.append(path, given)
    with path.open("ab") as file:
        file.write(b"foreign\n" * 150)
    text = thumbs.report(thumbs.merge(path.parent))
    assert "60 thumbs (30 up, 30 down), 0 skips" in text
    assert "… and 10 more" in text
    assert "150 broken lines" in text
    assert "… and 130 more" in text
    assert "ann.jsonl, line 61: is not JSON" in text
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert max(map(len, text.splitlines())) < 220


# --- towards training ---------------------------------------------------------------------------------------


def test_unpaired_data_leaves_skips_out(path):
    data = thumbs.to_unpaired([thumb("a", True), thumb("b", None), thumb("c", False)])
    formats.check(data, "unpaired")
    assert formats.chats_of(data) == [("red cat", "a"), ("red cat", "c")]
    assert list(data["label"]) == [True, False]


@pytest.mark.parametrize("given", [[], [thumb(label=None)]])
def test_no_thumbs_are_nothing_to_train_on(given):
    with pytest.raises(CourseError, match="nothing to train on"):
        thumbs.to_unpaired(given)
