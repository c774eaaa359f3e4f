"""The audit from the command line: what it prints, what it writes, and how it fails."""

from __future__ import annotations

import json

import pytest

import helpers.__main__ as commands


@pytest.fixture(autouse=True)
def _stay_here(monkeypatch):
    monkeypatch.setattr(commands, "_go_inside", lambda arguments: None)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my data.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in ("a cat", "A cat", "a dog")))
    return path


def test_it_prints_what_is_there(file, capsys):
    assert commands.main(["audit", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "my data.jsonl: 3 lines, 3 rows of the form text" in printed
    assert "exact duplicates   1 (33.3%)" in printed
    assert list(file.parent.iterdir()) == [file]


def test_with_a_test_file_and_a_folder(file, tmp_path, capsys):
    assert commands.main(["audit", str(file), "--test", str(file), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "3 word for word" in printed
    assert printed.endswith("README.md (a card to complete).\n")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["README.md", "report.json"]


def test_a_file_that_is_not_there_is_one_sentence(tmp_path, capsys):
    assert commands.main(["audit", str(tmp_path / "nothing.jsonl")]) == 1
    assert capsys.readouterr().err.startswith("There is no file ")
