from __future__ import annotations

import json
import multiprocessing
import re
from pathlib import Path

import pytest

from helpers import settings
from helpers.data import share
from helpers.lesson import progress as progress_module
from helpers.lesson.progress import Progress


def test_values_survive_a_restart(progress: Progress) -> None:
    progress.set("quiz", {"score": 4})
    progress.set("note", "ü")
    again = Progress("01", progress.path)
    assert again.get("quiz") == {"score": 4}
    assert again.get("note") == "ü"
    assert again.get("other", 7) == 7


def test_lessons_do_not_see_each_other(progress: Progress) -> None:
    progress.set("quiz", 1)
    Progress("02", progress.path).set("quiz", 2)
    assert progress.get("quiz") == 1
    assert json.loads(progress.path.read_text()) == {
        "version": 1,
        "lessons": {"01": {"quiz": 1}, "02": {"quiz": 2}},
    }


def test_the_default_file_is_in_the_home_of_the_course(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    assert Progress("01").path == settings.home() / "progress.json"


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "null", '{"lessons": {}}', '{"version": 1, "lessons": {"01": 3}}', "[" * 100_000],
)
def test_a_damaged_file_is_kept_aside_with_one_sentence(
    progress: Progress, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    progress.path.parent.mkdir()
    progress.path.write_text(damage)
    assert progress.get("quiz") is None
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "progress.damaged-1.json" in out
    assert (progress.path.parent / "progress.damaged-1.json").read_text() == damage
    progress.set("quiz", 1)
    assert progress.get("quiz") == 1


def test_bytes_that_are_no_text_are_damage_too(progress: Progress) -> None:
    progress.path.parent.mkdir()
    progress.path.write_bytes(b"\xff\xfe\x00")
    progress.set("quiz", 1)
    assert progress.get("quiz") == 1
    assert (progress.path.parent / "progress.damaged-1.json").exists()


def test_a_second_damaged_file_does_not_replace_the_first(progress: Progress) -> None:
    progress.path.parent.mkdir()
    for text in ("one", "two"):
        progress.path.write_text(text)
        progress.set("quiz", 1)
    kept = [(progress.path.parent / f"progress.damaged-{n}.json").read_text() for n in (1, 2)]
    assert kept == ["one", "two"]


@pytest.mark.parametrize("version", [0, 2])
def test_a_file_of_another_version_is_kept_aside(
    progress: Progress, version: int, capsys: pytest.CaptureFixture[str]
) -> None:
    progress.path.parent.mkdir()
    progress.path.write_text(json.dumps({"version": version, "lessons": {"01": {"quiz": 1}}}))
    assert progress.get("quiz") is None
    assert "another version" in capsys.readouterr().out
    assert (progress.path.parent / "progress.other-version-1.json").exists()


def test_without_a_folder_to_write_to_values_live_in_memory_and_it_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    progress = Progress("01", blocker / "progress.json")
    assert progress.get("quiz") is None
    progress.set("quiz", 1)
    progress.set("other", 2)
    assert Progress("01", progress.path).get("quiz") == 1
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "COURSE_HOME" in out


def test_what_could_not_be_saved_is_saved_later(tmp_path: Path) -> None:
    blocker = tmp_path / "home"
    blocker.write_text("not a folder")
    progress = Progress("01", blocker / "progress.json")
    progress.set("quiz", 1)
    blocker.unlink()
    progress.set("other", 2)
    assert json.loads(progress.path.read_text())["lessons"] == {"01": {"quiz": 1, "other": 2}}


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(
    progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress.set("quiz", 1)

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(progress_module.os, "replace", full_disk)
        progress.set("quiz", 2)
    assert json.loads(progress.path.read_text())["lessons"]["01"]["quiz"] == 1
    assert progress.get("quiz") == 2
    assert not list(progress.path.parent.glob("*.tmp"))


def test_only_json_is_kept(progress: Progress) -> None:
    progress.set("quiz", 1)
    with pytest.raises(TypeError):
        progress.set("quiz", {1, 2})
    with pytest.raises(ValueError, match="JSON"):
        progress.set("quiz", float("nan"))
    assert progress.get("quiz") == 1


def _write_many(path: str, worker: int) -> None:
    for i in range(10):
        Progress("01", Path(path)).set(f"{worker}-{i}", i)


def test_two_kernels_at_once_lose_nothing(progress: Progress) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_many, args=(str(progress.path), worker)) for worker in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(json.loads(progress.path.read_text())["lessons"]["01"]) == 20


# --- a class's folder ---------------------------------------------------------------------------------------


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "room"
    folder.mkdir()
    monkeypatch.setenv("COURSE_CLASS", str(folder))
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    return folder


def test_a_class_gets_what_its_board_shows_and_no_more(room: Path) -> None:
    progress = Progress("08")
    progress.set("exercise:kto_weights", "passed")
    progress.set("quiz:recap", {"answers": {"Why?": "secret"}, "checked": True, "score": 4, "of": 5})
    progress.set("predict:best", "secret")
    progress.set("class seed", 7)
    progress.set("finished", True)
    (copy,) = room.iterdir()
    assert re.fullmatch(r"[0-9a-f]{32}-progress\.json", copy.name)
    assert json.loads(copy.read_text()) == {
        "version": 1,
        "lessons": {
            "08": {
                "exercise:kto_weights": "passed",
                "quiz:recap": {"checked": True, "score": 4, "of": 5},
                "finished": True,
            }
        },
    }


def test_nothing_goes_to_a_class_from_a_run_or_without_one(
    room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Progress("08", tmp_path / "run" / "progress.json").set("finished", True)
    monkeypatch.delenv("COURSE_CLASS")
    Progress("08").set("finished", True)
    assert list(room.iterdir()) == []


def test_a_class_folder_that_is_gone_costs_no_progress(room: Path) -> None:
    room.rmdir()
    Progress("08").set("finished", True)
    assert Progress("08").get("finished") is True


def test_who_does_not_share_their_thumbs_does_not_share_their_progress(room: Path, tmp_path: Path) -> None:
    share.choose(tmp_path / "home" / "thumbs" / "08.jsonl", False)
    Progress("08").set("finished", True)
    assert list(room.iterdir()) == []
