"""The copy of a learner's thumbs in the class's folder: whole, readable by few, and theirs to take back."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from helpers.data import share, thumbs
from helpers.settings import CourseError


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A learner's file with one thumb."""
    path = tmp_path / "home" / "thumbs" / "08.jsonl"
    add(path)
    return path


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The class's folder, as COURSE_CLASS names it."""
    folder = tmp_path / "class"
    folder.mkdir()
    monkeypatch.setenv("COURSE_CLASS", str(folder))
    return folder


def add(path: Path, completion: str = "a red cat") -> None:
    thumbs.append(path, [thumbs.Thumb("red cat", completion, True, "Ann", thumbs.now(), "08")])


def test_nothing_is_shared_without_a_class(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COURSE_CLASS", raising=False)
    before = sorted(own.parent.iterdir())
    assert share.copy(own) is None
    share.choose(own, False)
    assert sorted(own.parent.iterdir()) == before


def test_one_file_a_learner_and_lesson_always_under_the_same_name(own: Path, room: Path) -> None:
    first = share.copy(own)
    add(own, "another")
    assert share.copy(own) == first
    assert list(room.iterdir()) == [first]
    assert first.read_bytes() == own.read_bytes()
    assert re.fullmatch(r"[0-9a-f]{32}-08\.jsonl", first.name)
    assert len(thumbs.merge(room).thumbs) == 2


def test_another_learner_has_another_name(own: Path, room: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "08.jsonl"
    add(other)
    assert share.copy(own) != share.copy(other)
    assert len(list(room.iterdir())) == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_only_the_owner_and_the_group_read_it(own: Path, room: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        made = share.copy(own)
    finally:
        os.umask(before)
    assert stat.S_IMODE(made.stat().st_mode) == 0o640
    assert stat.S_IMODE((own.parent / ".class.json").stat().st_mode) == 0o600


def test_who_does_not_share_leaves_nothing_there(own: Path, room: Path) -> None:
    made = share.copy(own)
    share.choose(own, False)
    assert not made.exists()
    assert share.copy(own) is None
    assert not share.wanted(own)
    share.choose(own, True)
    assert list(room.iterdir()) == [made]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "../../x", "wanted": true}'])
def test_a_damaged_name_is_replaced(own: Path, room: Path, content: str) -> None:
    (own.parent / ".class.json").write_text(content)
    made = share.copy(own)
    assert made.parent == room
    assert share.copy(own) == made


def test_a_folder_that_is_not_there_is_one_sentence_and_thumbs_stay(own: Path, room: Path) -> None:
    room.rmdir()
    before = own.read_bytes()
    with pytest.raises(CourseError, match=r"Your thumbs are safe in .*tell your instructor\.$"):
        share.copy(own)
    assert own.read_bytes() == before


def test_a_copy_that_fails_leaves_the_one_before(
    own: Path, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = share.copy(own)
    before = made.read_bytes()
    add(own, "another")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(share.os, "fsync", full)
    with pytest.raises(CourseError, match="No space left on device"):
        share.copy(own)
    assert made.read_bytes() == before
    assert list(room.iterdir()) == [made]  # nothing half-written stays


def test_a_class_may_have_no_thumbs_of_this_learner_yet(room: Path, tmp_path: Path) -> None:
    assert share.copy(tmp_path / "home" / "08.jsonl") is None
    assert list(room.iterdir()) == []


def test_one_copy_that_cannot_be_removed_keeps_no_other(
    own: Path, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [share.copy(own)]
    for lesson in ("13", "14"):
        add(own.with_name(f"{lesson}.jsonl"))
        made.append(share.copy(own.with_name(f"{lesson}.jsonl")))
    real, asked = Path.unlink, []

    def unlink(path: Path, *given: bool, **named: bool) -> None:
        if path in made:
            asked.append(path)
            if len(asked) == 1:
                raise PermissionError(1, "Operation not permitted")
        real(path, *given, **named)

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(CourseError, match="Operation not permitted"):
        share.choose(own, False)
    assert list(room.iterdir()) == asked[:1]
    assert not share.wanted(own)
