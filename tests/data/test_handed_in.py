"""Zips of results that learners hand in: merged as they lie, and one sentence for each that is odd."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import zipfile
from pathlib import Path

import pytest

import helpers
from helpers.data import deletion, handed_in, thumbs
from helpers.lesson import download
from helpers.settings import CourseError


def thumb(annotator: str, completion: str = "a red cat", label: bool | None = True) -> thumbs.Thumb:
    return thumbs.Thumb("red cat", completion, label, annotator, "2026-01-01T10:00:00+00:00", "08")


def lines(*given: thumbs.Thumb) -> bytes:
    return b"".join(json.dumps(thumbs.to_row(one)).encode() + b"\n" for one in given)


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


@pytest.fixture
def room(tmp_path: Path) -> Path:
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


def results(monkeypatch: pytest.MonkeyPatch, home: Path, *given: thumbs.Thumb) -> bytes:
    """What the button packs for a learner with these thumbs."""
    monkeypatch.setenv("COURSE_PROGRESS", str(home / "progress.json"))
    thumbs.append(home / "thumbs" / "08.jsonl", given)
    (home / "progress.json").write_text('{"version": 1, "lessons": {}}')
    return download.pack("08", [{"name": "a claim"}])


def only_note(room: Path) -> str:
    """The one note of a merge in which Ann's own file, and nothing else, counts."""
    thumbs.append(room / "ann.jsonl", [thumb("Ann")])
    merged = thumbs.merge(room)
    assert [one.annotator for one in merged.thumbs] == ["Ann"]
    assert [path.name for path in merged.files] == ["ann.jsonl"]
    assert len(merged.notes) == 1
    return merged.notes[0]


def test_a_class_of_zips_under_a_browsers_names_and_a_file(room, tmp_path, monkeypatch):
    for number in range(30):
        name = f"cats-to-kto-08 ({number}).zip" if number else "cats-to-kto-08.ZIP"
        (room / name).write_bytes(results(monkeypatch, tmp_path / str(number), thumb(f"n{number}")))
    thumbs.append(room / "by stick" / "zoe.jsonl", [thumb("Zoe")])
    merged = thumbs.merge(room)
    assert {one.annotator for one in merged.thumbs} == {"Zoe", *(f"n{number}" for number in range(30))}
    assert (len(merged.files), merged.notes, merged.broken_count) == (31, [], 0)


def test_a_zip_that_a_browser_has_unpacked_and_one_that_was_packed_again(room, tmp_path, monkeypatch):
    content = results(monkeypatch, tmp_path / "a", thumb("Ann"))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(room / "cats-to-kto-08")
    again = {f"my results/{name}": data for name, data in {"thumbs/08.jsonl": lines(thumb("Ben"))}.items()}
    (room / "again.zip").write_bytes(zipped({**again, "__MACOSX/my results/thumbs/._08.jsonl": b"\x00"}))
    merged = thumbs.merge(room)
    assert {one.annotator for one in merged.thumbs} == {"Ann", "Ben"}
    assert (merged.broken_count, merged.notes) == (0, [])  # a ledger's rows are no broken thumbs


def test_the_same_zip_twice_is_duplicates(room, tmp_path, monkeypatch):
    content = results(monkeypatch, tmp_path / "a", thumb("Ann"), thumb("Ann", "y"))
    for name in ("a.zip", "a (1).zip"):
        (room / name).write_bytes(content)
    merged = thumbs.merge(room)
    assert (len(merged.thumbs), merged.duplicates) == (2, 2)


def test_a_broken_line_says_in_which_zip(room):
    (room / "ann.zip").write_bytes(zipped({"thumbs/08.jsonl": lines(thumb("Ann")) + b'{"half'}))
    (line,) = thumbs.merge(room).broken
    assert str(line).startswith("ann.zip: thumbs/08.jsonl, line 2: is not JSON")


GOOD = zipped({"thumbs/08.jsonl": lines(thumb("Eve"))})


def with_flag(content: bytes, value: int) -> bytes:
    """The zip with a flag set in the heads of its one file: 1 for a password."""
    local, central = content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")
    changed = bytearray(content)
    changed[local + 6] |= value
    changed[central + 8] |= value
    return bytes(changed)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read (it is damaged, or no zip): ask for it again."),
        (b"PK\x03\x04 half", "cannot be read (it is damaged, or no zip)"),
        (GOOD[: len(GOOD) // 2], "cannot be read (it is damaged, or no zip)"),
        (GOOD.replace(b"x\x9c", b"\x00\x00")[:40] + b"\xff" * 9 + GOOD[49:], "cannot be read"),
        (with_flag(GOOD, 1), "cannot be read (it has a password)"),
        (zipped({"thesis.doc": b"x"}), "is not what “Download my results” makes"),
        (zipped({"../../thumbs.jsonl": lines(thumb("Eve"))}), "is not what “Download my results” makes"),
        (zipped({"about.json": b"{}", "README.txt": b""}), "holds no thumbs: whoever made it"),
        (zipped({"a (1).zip": GOOD, "b.zip": GOOD}), "holds other zips: unpack it here"),
        (zipped({"thumbs/08.jsonl": bytes(30_000_000)}), "unpacks to more than 20 MB and was left alone"),
        (os.urandom(6_000_000), "has 6 MB and was not opened: a zip of results has at most 5."),
    ],
)
def test_one_sentence_for_each_that_cannot_be_used(room, content, words):
    (room / "eve.zip").write_bytes(content)
    note = only_note(room)
    assert note.startswith("eve.zip ")
    assert words in note


def test_a_zip_that_lies_about_its_size_is_not_read_to_its_end(room):
    """Its table says 10 bytes; there are 30 million."""
    content = bytearray(zipped({"thumbs/08.jsonl": bytes(30_000_000)}))
    central = content.index(b"PK\x01\x02")
    content[central + 24 : central + 28] = struct.pack("<I", 10)
    (room / "eve.zip").write_bytes(content)
    assert "cannot be read" in only_note(room)


def test_many_files_that_are_too_much_together(room):
    (room / "eve.zip").write_bytes(zipped({f"thumbs/{i}.jsonl": bytes(6_000_000) for i in range(4)}))
    assert "more than 20 MB" in only_note(room)


def test_nothing_is_written_whatever_a_zip_calls_its_files(room, tmp_path):
    names = ["../../thumbs/08.jsonl", "/thumbs/09.jsonl", "C:\\thumbs/10.jsonl", "thumbs/../../x.jsonl"]
    before = sorted(tmp_path.rglob("*"))
    (room / "eve.zip").write_bytes(zipped({name: lines(thumb("Eve", name)) for name in names}))
    thumbs.merge(room)
    assert sorted(tmp_path.rglob("*")) == [*before, room / "eve.zip"]


def test_another_versions_thumbs_are_used_and_it_is_said(room):
    about = json.dumps({"version": "9.7"}).encode()
    (room / "eve.zip").write_bytes(zipped({"thumbs/08.jsonl": lines(thumb("Eve")), "about.json": about}))
    merged = thumbs.merge(room)
    assert len(merged.thumbs) == 1
    assert merged.notes == [
        f"eve.zip comes from version 9.7 of the course, this is {helpers.__version__}: "
        "thumbs that can be read are used."
    ]
    assert "! eve.zip comes from version 9.7" in thumbs.report(merged)


@pytest.mark.parametrize("about", [b"", b"[]", b'{"version": ' + b"[" * 100_000, b"\xff", bytes(30_000_000)])
def test_an_odd_about_says_nothing(room, about):
    (room / "eve.zip").write_bytes(zipped({"thumbs/08.jsonl": lines(thumb("Eve")), "about.json": about}))
    merged = thumbs.merge(room)
    assert (len(merged.thumbs), merged.notes) == (1, [])


def test_a_name_with_control_characters_is_shown_without_them(room):
    (room / "\x1b[31mred.zip").write_bytes(b"no zip")
    thumbs.append(room / "ann.jsonl", [thumb("Ann")])
    shown = thumbs.report(thumbs.merge(room))
    assert "red.zip cannot be read" in shown
    assert "\x1b" not in shown


def test_bytes_that_were_changed_never_end_a_merge(room):
    """Three hundred damaged zips: each is read, or named in one sentence."""
    chance = random.Random(0)
    good = zipped({"about.json": b'{"version": "1"}', "thumbs/08.jsonl": lines(thumb("Eve"))})
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        good = zipped({"thumbs/08.jsonl": lines(thumb("Eve"))}, method)
        for _ in range(100):
            content = bytearray(good)
            for _ in range(chance.randint(1, 6)):
                content[chance.randrange(len(content))] = chance.randrange(256)
            (room / "eve.zip").write_bytes(content)
            merged = thumbs.merge(room)
            assert len(merged.files) + len(merged.notes) >= 1


def test_a_folder_of_nothing_but_bad_zips_names_them(room):
    (room / "eve.zip").write_bytes(b"no zip")
    merged = thumbs.merge(room)
    assert (merged.thumbs, len(merged.notes)) == ([], 1)


def test_a_file_and_a_folder_that_cannot_be_looked_at_are_named(room, monkeypatch):
    thumbs.append(room / "ann.jsonl", [thumb("Ann")])
    (room / "locked.jsonl").write_text("")
    real = Path.is_file

    def refused(path: Path) -> bool:
        if path.name == "locked.jsonl":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    def opened(path: Path, *given, **named):
        if path.name == "locked.jsonl":
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, *given, **named)

    real_open = Path.open
    monkeypatch.setattr(Path, "is_file", refused)
    monkeypatch.setattr(Path, "open", opened)
    merged = thumbs.merge(room)
    assert len(merged.thumbs) == 1
    assert [note.rpartition("/")[2] for note in merged.notes] == [
        "locked.jsonl cannot be read (Permission denied)."
    ]


# --- deletion -----------------------------------------------------------------------------------------------


def test_whoever_wants_out_is_taken_out_of_zips_too(room, tmp_path, monkeypatch):
    (room / "ann.zip").write_bytes(results(monkeypatch, tmp_path / "a", thumb("Ann")))
    both = results(monkeypatch, tmp_path / "b", thumb("Ann", "y"), thumb("Ben", "y"), thumb("Ann", "z"))
    (room / "both.zip").write_bytes(both)
    ben = results(monkeypatch, tmp_path / "c", thumb("Ben"))
    (room / "ben.zip").write_bytes(ben)
    done = deletion.delete(room, "Ann")
    assert done.rows == {room / "ann.zip": 1, room / "both.zip": 2}
    assert done.names == {"Ben": 2}
    assert not (room / "ann.zip").exists()
    assert (room / "ben.zip").read_bytes() == ben
    assert {one.annotator for one in thumbs.merge(room).thumbs} == {"Ben"}
    with zipfile.ZipFile(room / "both.zip") as archive:
        assert archive.testzip() is None
        assert archive.read("thumbs/08.jsonl") == lines(thumb("Ben", "y"))
        assert json.loads(archive.read("progress.json")) == {"version": 1, "lessons": {}}
    assert not deletion.delete(room, "Ann").rows


def test_a_zip_that_cannot_be_read_is_named_and_stays(room):
    (room / "eve.zip").write_bytes(b"no zip")
    thumbs.append(room / "ann.jsonl", [thumb("Ann")])
    done = deletion.delete(room, "Ann")
    assert sum(done.rows.values()) == 1
    assert done.left == ["eve.zip cannot be read (it is damaged, or no zip): ask for it again."]
    assert (room / "eve.zip").read_bytes() == b"no zip"


def test_a_zip_that_cannot_be_replaced_stays_whole(room, monkeypatch):
    content = zipped({"thumbs/08.jsonl": lines(thumb("Ann"), thumb("Ben"))})
    (room / "both.zip").write_bytes(content)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(handed_in.jsonl.os, "fsync", full)
    done = deletion.delete(room, "Ann")
    assert (room / "both.zip").read_bytes() == content
    assert "The disk is full" in done.left[0]
    assert not done.rows
    assert not list(room.glob(".*.tmp"))


def test_what_a_crash_left_of_a_zip_goes(room):
    (room / ".both.zip-1a2b3c4d.tmp").write_bytes(GOOD[:50])
    thumbs.append(room / "ann.jsonl", [thumb("Ann")])
    deletion.delete(room, "Ann")
    assert not list(room.glob(".*.tmp"))


def test_reading_refuses_with_a_course_error(room):
    with pytest.raises(CourseError, match="cannot be read"):
        handed_in.thumbs_in(room / "none.zip")
