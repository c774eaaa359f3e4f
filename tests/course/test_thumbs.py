"""Merging a class's thumbs from the command line: the report, the file, and what is refused."""

from __future__ import annotations

import json

import pytest

import helpers.__main__ as commands
from helpers.data import thumbs


@pytest.fixture(autouse=True)
def _stay_here(monkeypatch):
    monkeypatch.setattr(commands, "_go_inside", lambda arguments: None)


def thumb(completion, label, annotator, second=0):
    time = f"2026-01-01T10:00:{second:02}.000+00:00"
    return thumbs.Thumb("a record", completion, label, annotator, time, "08", {"kind": "cat"})


@pytest.fixture
def folder(tmp_path):
    """Two learners' files: a duplicate, a conflict, a skip, two broken lines."""
    place = tmp_path / "my class"
    thumbs.append(place / "ann.jsonl", [thumb("x", False, "Ann"), thumb("x", True, "Ann", 1)])
    thumbs.append(place / "ann.jsonl", [thumb("y", None, "Ann", 2)])
    (place / "ben").mkdir()
    thumbs.append(place / "ben" / "08.jsonl", [thumb("x", False, "Ben"), thumb("z", True, "Ben")])
    with (place / "ben" / "08.jsonl").open("ab") as file:
        file.write(b'{"prompt": "foreign"}\n{"prompt": [{"role": "us')
    return place


def test_the_report_says_what_was_found(folder, capsys):
    assert commands.main(["thumbs", "merge", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == [
        "2 files, 2 annotators",
        "3 thumbs (2 up, 1 down), 1 skip",
        "1 duplicate (same annotator, prompt and completion: the last counts)",
        "1 conflict (annotators differ on the same prompt and completion)",
        "  “x” for “a record”: Ann up, Ben down",
    ]
    assert lines[5] == "2 broken lines (skipped)"
    assert lines[6].startswith("  08.jsonl, line 3: is no thumb: completion, label,")
    assert lines[7] == "  08.jsonl, line 4: is not JSON (the last line, perhaps half-written)"


def test_the_merged_file_holds_all_and_can_be_merged_again(folder, tmp_path, capsys):
    into = tmp_path / "result" / "all.jsonl"
    before = {path: path.read_bytes() for path in folder.rglob("*.jsonl")}
    for _ in range(2):
        assert commands.main(["thumbs", "merge", str(folder), "--into", str(into)]) == 0
        assert capsys.readouterr().out.endswith(f"Written to {into}.\n")
        rows = [json.loads(line) for line in into.read_text(encoding="utf-8").splitlines()]
        assert [(row["annotator"], row["label"]) for row in rows] == [
            ("Ann", True),
            ("Ann", None),
            ("Ben", False),
            ("Ben", True),
        ]
    assert thumbs.load(into).thumbs == thumbs.merge(folder).thumbs
    assert {path: path.read_bytes() for path in folder.rglob("*.jsonl")} == before


def test_a_learners_own_file_is_never_written_over(folder, capsys):
    before = (folder / "ann.jsonl").read_bytes()
    assert commands.main(["thumbs", "merge", str(folder), "--into", str(folder / "ann.jsonl")]) == 1
    assert "outside of" in capsys.readouterr().err
    assert (folder / "ann.jsonl").read_bytes() == before


def test_a_place_that_cannot_be_written_is_one_sentence(folder, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert (
        commands.main(["thumbs", "merge", str(folder), "--into", str(tmp_path / "file" / "all.jsonl")]) == 1
    )
    assert "cannot be written" in capsys.readouterr().err
