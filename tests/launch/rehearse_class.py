"""A class of eight, from their first thumb to the instructor's pages: share, merge, train, board, delete.

The students are made up and click the real widget, each in a home of their own, into one class's folder.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import settings
from helpers.course import setup
from helpers.data import thumbs
from helpers.exercises import e08_thumbs_up_thumbs_down as lesson
from helpers.lesson.progress import Progress
from tests.launch import synthetic_class

STUDENTS = ["careful"] * 5 + ["noisy", "noisy", "all-up"]
EXERCISES = list(lesson.CHECKS)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The class's folder with what eight students shared."""
    place = tmp_path_factory.mktemp("class")
    folder = place / "room"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("COURSE_CLASS", str(folder))
        for number, kind in enumerate(STUDENTS):
            environment.setenv("COURSE_HOME", str(place / f"home {number}"))
            _attend(number, kind)
    return folder


def _attend(number: int, kind: str) -> None:
    """One student: thumbs on all that the widget shows, exercises as far as they get, the quiz."""
    progress = Progress(lesson_number := "08")
    progress.set("class seed", number)  # drawn by chance otherwise
    widget = lesson.thumbs_widget(synthetic_class.shared_answers())
    widget.name.value = f"student {number}"
    answers = [(item.scene, item.completion) for item in widget._items]
    for thumb in synthetic_class.judged(kind, f"student {number}", answers, number):
        (widget.up if thumb.label else widget.down).click()
    assert len(thumbs.load(thumbs.thumbs_path(lesson_number)).thumbs) == len(answers)
    for place, name in enumerate(EXERCISES):
        solved = number > 2 * place
        progress.set(f"exercise:{name}", "passed" if solved else "failed" if number % 2 else "open")
    progress.set("quiz:recap", {"answers": {"?": "!"}, "checked": True, "score": number % 6, "of": 5})


def course(*arguments: object) -> tuple[str, float]:
    """What a command of the course prints, and its seconds."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "helpers", *map(str, arguments)],
        cwd=settings.ROOT,
        env={
            name: value for name, value in os.environ.items() if name not in ("COURSE_HOME", "COURSE_CLASS")
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, time.perf_counter() - began


def test_every_thumb_arrives(room: Path, record: Callable[..., None], artifacts: Path) -> None:
    assert len(list(room.glob("*-08.jsonl"))) == len(list(room.glob("*-progress.json"))) == len(STUDENTS)
    out, seconds = course("thumbs", "merge", room, "--into", artifacts / "all.jsonl")
    (artifacts / "merge.txt").write_text(out, encoding="utf-8")
    assert f"{len(STUDENTS)} files, {len(STUDENTS)} annotators" in out
    given = int(re.search(r"^(\d+) thumbs \(", out, re.M)[1])
    assert given == sum(len(thumbs.load(path).thumbs) for path in room.glob("*-08.jsonl"))
    assert given > 39 * len(STUDENTS) - 8  # an own caption may be one of the shared ones, and is asked once
    assert "0 broken lines" in out
    kappa = re.search(r"Fleiss' kappa is (\S+), 95% interval (\[.*?\])", out)
    record(
        students=len(STUDENTS),
        thumbs=given,
        fleiss=float(kappa[1]),
        fleiss_interval=kappa[2],
        cohen=re.search(r"Cohen's kappa of .*", out)[0],
        merge_seconds=round(seconds, 1),
    )


def test_the_class_trains_the_model(room: Path, record: Callable[..., None], artifacts: Path) -> None:
    out, seconds = course("thumbs", "train", room)
    (artifacts / "train.txt").write_text(out, encoding="utf-8")
    rows = dict(re.findall(r"^(before|the class's thumbs|control: \S+ thumbs)\s+(\S+)", out, re.M))
    assert float(rows["the class's thumbs"]) > float(rows["before"]) + 0.1
    assert "The class's thumbs taught the model" in out
    record(right={name: float(value) for name, value in rows.items()}, train_seconds=round(seconds, 1))
    _look(settings.build_dir() / "class" / "index.html", artifacts / "class")


def test_the_board_shows_who_is_stuck(room: Path, record: Callable[..., None], artifacts: Path) -> None:
    out, seconds = course("board", room, "--out", artifacts / "board")
    assert f"lesson 08: {len(STUDENTS)} began" in out
    assert f"08 {EXERCISES[-1]}: " in out.split("Explain next:\n")[1].splitlines()[0]
    text = (artifacts / "board" / "index.html").read_text(encoding="utf-8")
    assert all(f"student {number}" in text for number in range(len(STUDENTS)))
    record(board_seconds=round(seconds, 1))
    _look(artifacts / "board" / "index.html", artifacts / "board")


def test_one_student_leaves_without_a_trace(room: Path) -> None:
    before = len(thumbs.merge(room).thumbs)
    out, _ = course("thumbs", "delete", "--annotator", "student 3", room)
    gone = int(re.search(r"(\d+) thumbs in all\.", out)[1])
    assert len(thumbs.merge(room).thumbs) == before - gone
    left = [path.read_text(encoding="utf-8") for path in room.iterdir() if path.suffix != ".lock"]
    assert not any('"student 3"' in text for text in left)
    assert len(list(room.glob("*-progress.json"))) == len(STUDENTS) - 1


def _look(page: Path, picture: Path) -> None:
    """Screenshots of a page, light and dark, where there is a Chromium."""
    chromium = setup.chromium()
    if chromium is None:
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            view = browser.new_page(viewport={"width": 1100, "height": 800}, color_scheme=scheme)
            view.goto(page.as_uri())
            view.screenshot(path=picture.with_name(f"{picture.name}-{scheme}.png"), full_page=True)
        browser.close()
