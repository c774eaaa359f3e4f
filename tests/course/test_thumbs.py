"""Merging a class's thumbs from the command line: the report, the file, and what is refused."""

from __future__ import annotations

import json
import zipfile

import pytest

import helpers.__main__ as commands
from helpers.data import share, thumbs
from helpers.lesson.progress import Progress
from helpers.settings import CourseError


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


def test_the_report_says_how_far_people_agree(folder, capsys):
    assert commands.main(["thumbs", "merge", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "Agreement: 2 annotators, 1 answers with thumbs by two or more" in out
    assert "Two thumbs on one answer agree in 0% of cases." in out
    assert "without a verdict: 3 thumbs" in out


# --- deletion -----------------------------------------------------------------------------------------------


def test_one_persons_thumbs_are_deleted_and_counted(folder, capsys):
    assert commands.main(["thumbs", "delete", "--annotator", "Ann", str(folder)]) == 0
    out = capsys.readouterr().out
    assert f"3 thumbs removed from {folder / 'ann.jsonl'}" in out
    assert "3 thumbs in all." in out
    assert f"Left as it is, since it cannot be read: {folder / 'ben' / '08.jsonl'}, line 4" in out
    assert {thumb.annotator for thumb in thumbs.merge(folder).thumbs} == {"Ben"}


def test_a_name_that_nobody_has_lists_those_that_there_are(folder, capsys):
    assert commands.main(["thumbs", "delete", "--annotator", "ann", str(folder)]) == 1
    assert "There is no thumb by 'ann'" in (out := capsys.readouterr().out)
    assert "there are thumbs by Ann, Ben." in out
    assert len(thumbs.merge(folder).thumbs) == 4


@pytest.mark.parametrize(
    "arguments", [[], ["--mine", "--annotator", "Ann"], ["--annotator", "Ann"], ["--mine", "."], ["."]]
)
def test_it_must_be_clear_whose_thumbs(arguments, capsys):
    assert commands.main(["thumbs", "delete", *arguments]) == 1
    assert "Say whose thumbs" in capsys.readouterr().err


def test_my_own_thumbs_of_all_lessons_and_the_copy_in_my_class(tmp_path, monkeypatch, capsys):
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.setenv("COURSE_CLASS", str(room))
    for lesson in ("08", "13"):
        path = thumbs.thumbs_path(lesson)
        thumbs.append(path, [thumb("x", True, "Ann"), thumb("y", False, "Ann again")])
        share.copy(path)
    Progress("08").set("exercise:kto_weights", "passed")
    assert len(list(room.iterdir())) == 3
    assert commands.main(["thumbs", "delete", "--mine"]) == 0
    out = capsys.readouterr().out
    assert "4 thumbs in all." in out
    assert "no copy any more" in out
    assert list(room.iterdir()) == []
    assert not thumbs.load(thumbs.thumbs_path("08")).thumbs
    assert commands.main(["thumbs", "delete", "--mine"]) == 0
    assert "There are no thumbs of yours" in capsys.readouterr().out


def test_without_any_thumbs_of_my_own_it_says_so(capsys):
    assert commands.main(["thumbs", "delete", "--mine"]) == 1
    assert "There are no thumbs of yours on this machine" in capsys.readouterr().err


def test_a_class_folder_that_fails_hides_nothing_of_what_stays(tmp_path, monkeypatch, capsys):
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.setenv("COURSE_CLASS", str(room))
    path = thumbs.thumbs_path("08")
    thumbs.append(path, [thumb("x", True, "Ann")])
    with path.open("a") as file:
        file.write("half a line")
    share.copy(path)

    def refused(*_):
        raise CourseError("the copy in your class's folder could not be changed")

    monkeypatch.setattr(share, "choose", refused)
    assert commands.main(["thumbs", "delete", "--mine"]) == 1
    said = capsys.readouterr()
    assert "could not be changed" in said.err
    assert "1 thumb in all." in said.out
    assert f"Left as it is, since it cannot be read: {path}, line 2" in said.out


def test_zips_are_merged_and_odd_ones_named(folder, capsys):
    (folder / "cats-to-kto-08 (1).zip").write_bytes(b"no zip")
    with zipfile.ZipFile(folder / "cats-to-kto-08 (2).zip", "w") as archive:
        archive.writestr("thumbs/08.jsonl", json.dumps(thumbs.to_row(thumb("z", True, "Cy"))))
    assert commands.main(["thumbs", "merge", str(folder)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("3 files, 3 annotators\n4 thumbs (3 up, 1 down)")
    assert "! cats-to-kto-08 (1).zip cannot be read" in out
    assert commands.main(["thumbs", "delete", "--annotator", "Cy", str(folder)]) == 1  # one was left alone
    out = capsys.readouterr().out
    assert f"1 thumb removed from {folder / 'cats-to-kto-08 (2).zip'}" in out
    assert "cats-to-kto-08 (1).zip cannot be read" in out
