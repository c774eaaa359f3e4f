"""The thumbs widget, driven without a kernel: what it saves, shows, takes back and survives."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from helpers import world
from helpers.data import thumbs
from helpers.lesson import thumbs as module
from helpers.lesson.thumbs import ThumbsWidget
from helpers.settings import CourseError

SCENES = world.sample(4, 3)
ANSWERS = [(scene, world.captions(scene)[0]) for scene in SCENES]
TEXTS = [answer for _, answer in ANSWERS]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "thumbs" / "08.jsonl"


@pytest.fixture(autouse=True)
def _nothing_waits() -> Iterator[None]:
    module._unsaved.clear()
    yield
    module._unsaved.clear()


def make(path: Path, annotator: str | None = "Ann", **options: Any) -> ThumbsWidget:
    return ThumbsWidget(ANSWERS, "08", path, annotator, **options)


def in_file(path: Path) -> list[tuple[str, bool | None, str]]:
    return [(thumb.completion, thumb.label, thumb.annotator) for thumb in thumbs.load(path).thumbs]


def shown(widget: ThumbsWidget) -> str:
    """All that the widget says now, as HTML."""
    return widget._area.value + widget._status.value + widget._where.value


def is_dim(button: Any) -> bool:
    return "course-done" in button._dom_classes


def test_each_thumb_is_saved_at_once_and_the_next_answer_is_shown(path: Path) -> None:
    widget = make(path)
    assert not path.exists()  # showing it asks nobody's disk
    for button, label, position in ((widget.up, True, 0), (widget.down, False, 1), (widget.skip, None, 2)):
        assert TEXTS[position] in shown(widget)
        assert f"Answer {position + 1} of 4" in shown(widget)
        button.click()
        assert in_file(path)[-1] == (TEXTS[position], label, "Ann")
    assert "1 up, 1 down, 1 skipped" in shown(widget)
    assert "Answer 4 of 4" in shown(widget)


def test_a_thumb_says_all_that_it_should(path: Path) -> None:
    widget = make(path)
    widget.up.click()
    (thumb,) = thumbs.load(path).thumbs
    assert thumb.prompt == world.record(SCENES[0])
    assert (thumb.lesson, thumb.annotator, thumb.label) == ("08", "Ann", True)
    assert thumb.scene == asdict(SCENES[0])
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:.]+\+00:00", thumb.time)


def test_the_end_says_so_and_more_presses_do_nothing(path: Path) -> None:
    widget = make(path)
    for _ in ANSWERS:
        assert not is_dim(widget.up)
        widget.up.click()
    assert "All 4 answers are judged: 4 up, 0 down, 0 skipped." in shown(widget)
    assert all(is_dim(button) for button in (widget.up, widget.down, widget.skip))
    assert not widget.up.disabled  # a disabled button would lose the keyboard's focus
    widget.down.click()
    assert len(in_file(path)) == 4
    assert "nothing left to judge" in shown(widget)
    widget.undo.click()
    assert "Answer 4 of 4" in shown(widget)
    assert not is_dim(widget.up)


def test_undo_goes_back_step_by_step_in_the_file_too(path: Path) -> None:
    widget = make(path)
    assert is_dim(widget.undo)
    widget.up.click()
    widget.skip.click()
    assert not is_dim(widget.undo)
    widget.undo.click()
    assert in_file(path) == [(TEXTS[0], True, "Ann")]
    assert "Answer 2 of 4" in shown(widget)
    assert "Taken back: skip for" in shown(widget)
    widget.down.click()
    assert in_file(path) == [(TEXTS[0], True, "Ann"), (TEXTS[1], False, "Ann")]
    for _ in range(2):
        widget.undo.click()
    assert in_file(path) == []
    widget.undo.click()
    assert "nothing to take back" in shown(widget)
    assert "Answer 1 of 4" in shown(widget)


def test_a_restarted_kernel_goes_on_where_it_was(path: Path) -> None:
    widget = make(path)
    widget.up.click()
    widget.skip.click()
    again = make(path, annotator=None)
    assert again.name.value == "Ann"
    assert "Answer 3 of 4" in shown(again)
    assert "1 up, 0 down, 1 skipped" in shown(again)
    again.undo.click()
    assert "Answer 2 of 4" in shown(again)
    assert len(in_file(path)) == 1


def test_answers_follow_their_text_when_the_list_changes(path: Path) -> None:
    make(path).up.click()
    again = ThumbsWidget([ANSWERS[2], ANSWERS[0], ANSWERS[1]], "08", path, "Ann")
    assert "Answer 1 of 3" in shown(again)
    again.up.click()
    assert "Answer 3 of 3" in shown(again)  # the second one has its thumb already


def test_the_same_answer_to_the_same_record_is_asked_about_once(path: Path) -> None:
    widget = ThumbsWidget([ANSWERS[0], ANSWERS[0], ANSWERS[1]], "08", path, "Ann")
    assert "Answer 1 of 2" in shown(widget)


def test_thumbs_of_other_answers_and_people_stay_untouched(path: Path) -> None:
    other = thumbs.Thumb("another record", "x", True, "Ann", thumbs.now(), "13", {})
    thumbs.append(path, [other])
    make(path, "Ben").up.click()
    widget = make(path, "Ann")
    assert "Answer 1 of 4" in shown(widget)
    widget.undo.click()
    assert in_file(path) == [("x", True, "Ann"), (TEXTS[0], True, "Ben")]


def test_two_notebooks_on_one_file_lose_nothing(path: Path) -> None:
    one, two = make(path), make(path)
    one.up.click()
    two.down.click()  # it still showed the first answer
    assert in_file(path) == [(TEXTS[0], True, "Ann"), (TEXTS[0], False, "Ann")]
    assert "Answer 2 of 4" in shown(two)
    one.up.click()
    one.up.click()
    two.up.click()  # it still showed the second
    assert "Answer 4 of 4" in shown(two)
    assert len(in_file(path)) == 5
    assert [thumb.label for thumb in two.thumbs] == [False, True, True]
    one.undo.click()
    assert len(in_file(path)) == 4


# --- names --------------------------------------------------------------------------------------------------


def test_without_a_name_everybody_gets_their_own(path: Path, tmp_path: Path) -> None:
    names = {make(tmp_path / f"{i}.jsonl", annotator=None).name.value for i in range(5)}
    assert len(names) == 5
    assert all(name.startswith("learner-") for name in names)


def test_another_name_starts_from_the_first_answer_and_can_come_back(path: Path) -> None:
    widget = make(path)
    widget.up.click()
    widget.name.value = "Ben"
    assert "You are Ben now. The thumbs of Ann stay under that name." in shown(widget)
    assert "Answer 1 of 4" in shown(widget)
    widget.down.click()
    widget.name.value = "Ann"
    assert "Answer 2 of 4" in shown(widget)
    assert in_file(path) == [(TEXTS[0], True, "Ann"), (TEXTS[0], False, "Ben")]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("  Ann \t Lee ", "Ann Lee"), ("", "Zoe"), (" \n", "Zoe"), ("x" * 99, "x" * 40), ("a\x00b", "ab")],
)
def test_names_are_tidied(path: Path, typed: str, kept: str) -> None:
    widget = make(path, "Zoe")
    widget.name.value = typed
    assert widget.name.value == kept
    widget.up.click()
    assert in_file(path)[0][2] == kept


# --- what can go wrong --------------------------------------------------------------------------------------


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)


def test_on_a_full_disk_nothing_is_lost_and_all_is_saved_later(path: Path) -> None:
    widget = make(path)
    widget.up.click()
    with pytest.MonkeyPatch.context() as patch:
        full_disk(patch)
        widget.down.click()
        assert "disk is full" in shown(widget)
        assert "Not saved yet: 1 (kept until" in shown(widget)
        assert "is saved at once" not in shown(widget)
        assert widget.save.layout.display is None
        assert "Answer 3 of 4" in shown(widget)  # it goes on
        widget.skip.click()
        assert "Not saved yet: 2 (kept until" in shown(widget)
        widget.save.click()
        assert "disk is full" in shown(widget)
        assert in_file(path) == [(TEXTS[0], True, "Ann")]
    again = make(path)  # the cell is run again
    assert "Answer 4 of 4" in shown(again)
    again.save.click()
    assert in_file(path) == [(TEXTS[0], True, "Ann"), (TEXTS[1], False, "Ann"), (TEXTS[2], None, "Ann")]
    assert "disk is full" not in shown(again)
    assert again.save.layout.display == "none"


def test_the_next_thumb_saves_what_waits(path: Path) -> None:
    widget = make(path)
    with pytest.MonkeyPatch.context() as patch:
        full_disk(patch)
        widget.up.click()
    widget.down.click()
    assert in_file(path) == [(TEXTS[0], True, "Ann"), (TEXTS[1], False, "Ann")]
    assert "disk is full" not in shown(widget)


def test_what_waits_can_be_taken_back(path: Path) -> None:
    widget = make(path)
    with pytest.MonkeyPatch.context() as patch:
        full_disk(patch)
        widget.up.click()
        widget.down.click()
        widget.undo.click()
    assert "Answer 2 of 4" in shown(widget)
    widget.save.click()
    assert in_file(path) == [(TEXTS[0], True, "Ann")]


def test_what_cannot_be_taken_back_stays(path: Path) -> None:
    widget = make(path)
    widget.up.click()
    with pytest.MonkeyPatch.context() as patch:
        full_disk(patch)
        widget.undo.click()
    assert "Not taken back: thumb up" in shown(widget)
    assert "disk is full" in shown(widget)
    assert in_file(path) == [(TEXTS[0], True, "Ann")]
    widget.undo.click()
    assert "disk is full" not in shown(widget)
    assert in_file(path) == []


def test_a_folder_that_cannot_be_written_is_told_in_the_widget(path: Path) -> None:
    path.parent.parent.mkdir()
    path.parent.write_text("a file in the folder's place")
    widget = make(path)
    widget.up.click()
    assert "cannot be written" in shown(widget)
    assert "Not saved yet: 1" in shown(widget)
    path.parent.unlink()
    widget.save.click()
    assert in_file(path) == [(TEXTS[0], True, "Ann")]


def test_a_file_that_cannot_be_read_is_told_and_goes_away(path: Path) -> None:
    path.mkdir(parents=True)  # a folder in the file's place
    widget = make(path)
    assert "cannot be read" in shown(widget)
    path.rmdir()
    widget.up.click()
    assert "cannot be read" not in shown(widget)
    assert in_file(path) == [(TEXTS[0], True, "Ann")]


def test_lines_that_are_no_thumbs_are_told_and_left_alone(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"<b>foreign</b>\n\xff\n" + b'{"prompt": [{"ro')
    widget = make(path)
    assert "08.jsonl, line 1: is not JSON, and 2 more such lines." in shown(widget)
    widget.up.click()
    widget.down.click()
    widget.undo.click()
    assert path.read_bytes().startswith(b"<b>foreign</b>\n\xff\n" + b'{"prompt": [{"ro\n')
    assert in_file(path) == [(TEXTS[0], True, "Ann")]


def test_no_answers_are_refused(path: Path) -> None:
    with pytest.raises(CourseError, match="no answers to judge"):
        ThumbsWidget([], "08", path)


# --- what is shown ------------------------------------------------------------------------------------------


def test_names_and_answers_are_escaped(path: Path, shown_bundles: list[dict[str, Any]]) -> None:
    answers = [(SCENES[0], "<script>alert(1)</script>"), (SCENES[1], "& $x$ '\"")]
    widget = ThumbsWidget(answers, "08", path, "<i>me</i>", question="<u>Right?</u>")
    widget.show()
    question = widget.widget.children[2].value
    seen = shown(widget) + question + shown_bundles[0]["text/html"]
    widget.up.click()
    seen += shown(widget)
    widget.name.value = "<i>you</i>"
    seen += shown(widget)
    assert not re.search("<(script|i|u)>", seen)
    assert "&lt;script&gt;" in seen
    assert "&lt;u&gt;Right?" in question
    assert "You are &lt;i&gt;you" in seen
    assert seen.count("mathjax_ignore") >= 3


@pytest.fixture
def shown_bundles(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    bundles: list[dict[str, Any]] = []
    monkeypatch.setattr(module.page, "publish", bundles.append)
    return bundles


def test_pictures_have_text_alternatives(path: Path, shown_bundles: list[dict[str, Any]]) -> None:
    widget = make(path)
    widget.show()
    for html in (shown(widget), shown_bundles[0]["text/html"]):
        assert f'alt="A {"film" if html in shown(widget) else "picture"} of this scene: ' in html
        assert html.count("<img") == html.count("alt=")


def test_news_is_announced_to_screen_readers(path: Path) -> None:
    widget = make(path)
    widget.up.click()
    assert 'role="status"' in widget._area.value
    assert 'role="status"' in widget._status.value
    assert f"Saved: thumb up for “{TEXTS[0]}”" in widget._status.value


def test_an_empty_answer_says_so_and_a_long_one_is_cut_in_remarks(path: Path) -> None:
    widget = ThumbsWidget([(SCENES[0], ""), (SCENES[1], "long " * 100)], "08", path, "Ann")
    assert "<em>nothing at all</em>" in shown(widget)
    widget.down.click()
    assert "long " * 100 in widget._area.value
    widget.down.click()
    assert len(widget._status.value) < 250
    assert [completion for completion, _, _ in in_file(path)] == ["", "long " * 100]


def test_static_pages_show_the_first_answers(path: Path, shown_bundles: list[dict[str, Any]]) -> None:
    make(path).show()
    (bundle,) = shown_bundles
    assert bundle["application/vnd.jupyter.widget-view+json"]["version_major"] == 2
    assert bundle["text/html"].count("<img") == 3
    assert "the first 3 of 4; run the notebook" in bundle["text/html"]
    assert TEXTS[0] in bundle["text/plain"]
    assert TEXTS[3] not in bundle["text/html"]


def test_what_a_page_keeps_depends_on_no_file_and_no_name(path: Path, tmp_path: Path) -> None:
    fresh = make(tmp_path / "fresh.jsonl", annotator=None).fallback_html()
    used = make(path)
    used.up.click()
    assert used.fallback_html() == fresh
    assert str(tmp_path) not in fresh


def test_the_learners_own_file_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    ThumbsWidget(ANSWERS, "08").up.click()
    assert len(in_file(tmp_path / "thumbs" / "08.jsonl")) == 1


# --- a class's folder ---------------------------------------------------------------------------------------


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "class"
    folder.mkdir()
    monkeypatch.setenv("COURSE_CLASS", str(folder))
    return folder


def test_without_a_class_nobody_is_asked_to_share(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COURSE_CLASS", raising=False)
    widget = make(path)
    assert widget.shared.layout.display == "none"
    widget.up.click()
    assert "Your class" not in shown(widget)


def test_every_thumb_and_every_undo_reaches_the_class(path: Path, room: Path) -> None:
    widget = make(path)
    assert list(room.iterdir()) == []  # nothing was judged yet
    widget.up.click()
    widget.down.click()
    (copy,) = room.iterdir()
    assert in_file(copy) == in_file(path)
    assert str(room) in shown(widget)
    widget.undo.click()
    assert len(in_file(copy)) == 1


def test_a_class_that_cannot_be_reached_is_told_and_healed(path: Path, room: Path) -> None:
    room.rmdir()
    widget = make(path)
    widget.up.click()
    assert len(in_file(path)) == 1
    assert "Saved, but not shared with your class." in shown(widget)
    assert widget.save.layout.display is None
    room.mkdir()
    widget.save.click()
    assert "not shared" not in shown(widget)
    assert [len(in_file(copy)) for copy in room.iterdir()] == [1]


def test_a_lesson_that_runs_again_shares_what_could_not_be_shared(path: Path, room: Path) -> None:
    room.rmdir()
    make(path).up.click()
    room.mkdir()
    make(path)
    assert [len(in_file(copy)) for copy in room.iterdir()] == [1]


def test_who_does_not_want_to_share_takes_the_copy_back(path: Path, room: Path) -> None:
    widget = make(path)
    widget.up.click()
    widget.shared.value = False
    assert list(room.iterdir()) == []
    widget.down.click()
    assert list(room.iterdir()) == []
    assert len(in_file(path)) == 2
    again = make(path)
    assert again.shared.value is False
    again.shared.value = True
    assert [len(in_file(copy)) for copy in room.iterdir()] == [2]
