"""The instructor's board: what it shows, and files that hold anything at all."""

from __future__ import annotations

import json
import os
import time

import pytest

import helpers.__main__ as commands
from helpers.course import board
from helpers.data import thumbs
from helpers.settings import CourseError

HTML = "<img src=x onerror=document.title='hacked'><script>document.title='hacked'</script>"


@pytest.fixture(autouse=True)
def _stay_here(monkeypatch):
    monkeypatch.setattr(commands, "_go_inside", lambda arguments: None)


def progress(**lessons):
    return json.dumps({"version": 1, "lessons": {key.lstrip("_"): value for key, value in lessons.items()}})


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def quiz(score, checked=True):
    return {"answers": {"Why?": "secret answer"}, "checked": checked, "score": score, "of": 5}


def thumb(annotator, completion="x", lesson="08", label=True):
    return thumbs.Thumb("a record", completion, label, annotator, "2026-01-01T10:00:00+00:00", lesson)


@pytest.fixture
def folder(tmp_path):
    """Ann is ahead, Ben is stuck on two exercises, Cy has begun."""
    place = tmp_path / "my class"
    ann = {
        "exercise:thumbs_from": "passed",
        "exercise:kto_weights": "passed",
        "exercise:mixed_pairs": "passed",
    }
    put(
        place / "Ann.json",
        progress(_08={**ann, "quiz:recap": quiz(4), "finished": True, "predict:best": "s3"}),
    )
    thumbs.append(place / "Ann.jsonl", [thumb("A"), thumb("A", "y"), thumb("A", label=None)])
    ben = {
        "exercise:thumbs_from": "passed",
        "exercise:kto_weights": "failed",
        "exercise:mixed_pairs": "failed",
    }
    put(place / "Ben" / "progress.json", progress(_08=ben, _07={"exercise:dpo_loss": "open"}))
    thumbs.append(place / "Ben" / "thumbs" / "08.jsonl", [thumb("B")])
    put(place / "Cy.json", progress(_08={"exercise:kto_weights": "failed", "quiz:recap": quiz(1, False)}))
    return place


def states(folder):
    return {student.name: student.lessons for student in board.read(folder).students}


def test_what_each_learner_did(folder):
    found = states(folder)
    assert list(found) == ["Ann", "Ben", "Cy"]
    ann = found["Ann"]["08"]
    assert (ann.passed, ann.attempted, ann.quizzes, ann.finished) == (3, 3, {"recap": (4, 5)}, True)
    assert ann.thumbs == 1  # one of the two was skipped later
    assert (found["Ben"]["08"].passed, found["Ben"]["08"].attempted, found["Ben"]["08"].thumbs) == (1, 3, 1)
    assert found["Ben"]["07"].attempted == 0
    assert found["Cy"]["08"].quizzes == {}


def test_what_to_explain_next_comes_first(folder):
    found = board.exercises(board.read(folder))
    assert [(one.name, one.stuck, one.passed, one.not_tried) for one in found] == [
        ("kto_weights", ["Ben", "Cy"], 1, 0),
        ("mixed_pairs", ["Ben"], 1, 1),
        ("thumbs_from", [], 2, 1),
    ]


def test_the_command_writes_a_page_and_says_what_matters(folder, tmp_path, capsys):
    assert commands.main(["board", str(folder), "--out", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "3 learners"
    assert "  lesson 08: 3 began, 1 passed all 3 exercises" in lines
    assert lines[lines.index("Explain next:") + 1] == "  08 kto_weights: 2 stuck, 1 passed"
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "Ben, Cy" in page
    assert "recap 4/5" in page
    assert "secret" not in page
    assert "s3" not in page
    assert "http-equiv='refresh'" not in page


def bad_files(folder):
    put(folder / "Broken.json", '{"version": 1, "lessons": {')
    put(folder / "Deep.json", "[" * 100_000)
    put(folder / "Other.json", '{"version": 2, "lessons": {}}')
    put(folder / "List.json", "[]")
    (folder / "Bytes.json").write_bytes(b"\xff\xfe\x00")
    with (folder / "Huge.json").open("wb") as file:
        file.truncate(board.MOST_BYTES + 1)
    put(folder / "Later.json", progress(_99={"exercise:x": "passed"}, _08={"exercise:kto_weights": "passed"}))


def test_bad_files_are_one_sentence_each_and_the_others_are_shown(folder):
    bad_files(folder)
    found = board.read(folder)
    assert [student.name for student in found.students] == ["Ann", "Ben", "Cy", "Later"]
    told = {problem.split()[0]: problem for problem in found.problems}
    assert set(told) == {
        f"{name}.json" for name in ("Broken", "Deep", "Other", "List", "Bytes", "Huge", "Later")
    }
    assert "damaged" in told["Broken.json"]
    assert "damaged" in told["Deep.json"]
    assert "damaged" in told["List.json"]
    assert "another version" in told["Other.json"]
    assert "no text" in told["Bytes.json"]
    assert "5 MB and was not read" in told["Huge.json"]
    assert "lessons that this course does not: 99" in told["Later.json"]
    assert all(problem.endswith(".") and "\n" not in problem for problem in found.problems)


def test_a_huge_file_is_refused_before_it_is_read(folder, monkeypatch):
    with (folder / "Huge.json").open("wb") as file:
        file.truncate(board.MOST_BYTES + 1)
    real = type(folder).read_bytes

    def read_bytes(path):
        assert path.name != "Huge.json"
        return real(path)

    monkeypatch.setattr(type(folder), "read_bytes", read_bytes)
    assert len(board.read(folder).problems) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"exercise:kto_weights": HTML, "quiz:recap": HTML, "finished": HTML},
        {"exercise:kto_weights": ["passed"], "quiz:recap": {"checked": True, "score": HTML, "of": HTML}},
        {"exercise:kto_weights": None, "quiz:recap": {"checked": True, "score": 10**30, "of": 10**30}},
        {"exercise:" + HTML: "passed", "quiz:" + HTML: quiz(3), HTML: HTML},
        {"quiz:recap": {"checked": True, "score": True, "of": 1}},
        {"quiz:recap": {"checked": True, "score": -1}},
    ],
)
def test_values_that_no_lesson_wrote_count_for_nothing(folder, values):
    put(folder / "Odd.json", progress(_08=values))
    found = board.read(folder)
    odd = next(student for student in found.students if student.name == "Odd").lessons["08"]
    assert (odd.passed, odd.attempted, odd.quizzes, odd.finished) == (0, 0, {}, False)
    assert "<script" not in board.body(found)


def test_names_are_escaped_cut_and_told_apart(folder):
    put(folder / f"{HTML.replace('/', '')}.json", progress(_08={"exercise:kto_weights": "failed"}))
    put(folder / f"long{'g' * 100}.json", progress())
    put(folder / "ann" / "progress.json", progress(_07={}))
    found = board.read(folder)
    page = board.body(found)
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;img src=x" in page
    assert max(len(student.name) for student in found.students) <= 44
    assert {"Ann", "ann (2)"} <= {student.name for student in found.students}
    assert "Ann.json and ann/progress.json are both of ann; both are shown." in found.problems


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_out_of_the_folder_are_not_read(folder, tmp_path):
    secret = put(tmp_path / "elsewhere" / "progress.json", progress(_08={"exercise:kto_weights": "passed"}))
    (folder / "Di.json").symlink_to(secret)
    (folder / "Eve").symlink_to(secret.parent)
    (folder / "Round.json").symlink_to(folder / "Round.json")
    (folder / "Within.json").symlink_to(folder / "Ann.json")
    found = board.read(folder)
    assert [student.name for student in found.students] == ["Ann", "Ben", "Cy", "Within"]
    assert len(found.problems) == 3
    assert sum("link out of the folder" in problem for problem in found.problems) == 2


def test_in_a_class_folder_a_learner_goes_by_the_name_on_their_thumbs(folder):
    for number in ("a" * 32, "b" * 32):
        put(folder / f"{number}-progress.json", progress(_08={"exercise:kto_weights": "passed"}))
    thumbs.append(folder / f"{'a' * 32}-08.jsonl", [thumb("Zoé")])
    found = states(folder)
    assert found["Zoé"]["08"].thumbs == 1
    assert "student bbbbbb" in found


def test_hidden_files_are_passed_over(folder):
    put(folder / ".ipynb_checkpoints" / "progress.json", "{")
    put(folder / ".hidden.json", "{")
    assert board.read(folder).problems == []


def test_nothing_to_show_is_one_sentence(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert commands.main(["board", str(tmp_path / "empty")]) == 1
    assert "holds no progress file: put NAME.json" in capsys.readouterr().err
    assert commands.main(["board", str(tmp_path / "none")]) == 1
    assert "is no folder" in capsys.readouterr().err


def test_results_are_not_written_where_the_class_can_read_them(folder, capsys):
    assert commands.main(["board", str(folder), "--out", str(folder / "board")]) == 1
    assert "outside of" in capsys.readouterr().err
    assert not (folder / "board").exists()


def test_a_place_that_cannot_be_written_is_one_sentence(folder, tmp_path, capsys):
    put(tmp_path / "file", "")
    assert commands.main(["board", str(folder), "--out", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_watching_makes_it_again_until_it_is_stopped(folder, tmp_path, monkeypatch, capsys):
    turns = []

    def sleep(seconds):
        turns.append(seconds)
        if len(turns) == 2:
            put(folder / "Di.json", progress())
        if len(turns) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    assert commands.main(["board", str(folder), "--out", str(tmp_path / "out"), "--watch", "20"]) == 0
    out = capsys.readouterr().out
    assert turns == [20, 20, 20]
    assert out.count("3 learners") == 1  # said again only when something changed
    assert out.count("4 learners") == 1
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "http-equiv='refresh' content='20'" in page
    assert "4 learners" in page
    with pytest.raises(CourseError, match="1 second or more"):
        board.run(folder, tmp_path / "out", 0)


def test_a_bad_files_name_is_escaped_too(folder):
    put(folder / "<i onclick=x>.json", "no progress")
    made = board.body(board.read(folder))
    assert "&lt;i onclick=x&gt;.json is no progress file" in made
    assert "<i onclick" not in made
