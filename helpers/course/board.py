"""The instructor's board: where each learner is, and which exercise to explain next, as one static page.

Knows what a progress file holds and that it may hold anything: it was written elsewhere. Knows nothing about
how an exercise is checked. It reads, and serves nothing: there is no server here.
"""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from helpers import manifest, settings
from helpers.course import page
from helpers.data import thumbs
from helpers.lesson import progress
from helpers.lesson.page import escape
from helpers.settings import CourseError

#: A larger file is refused before it is read: a learner's progress has a few kilobytes.
MOST_BYTES = 5 * 2**20
LONGEST_NAME = 40
#: What is listed of one kind in the terminal.
LONGEST_LIST = 15

_IN_CLASS = re.compile(r"([0-9a-f]{32})-progress")


@dataclass(frozen=True)
class State:
    """What a learner has done in a lesson.

    Attributes:
        exercises: "passed", "failed" or "open" (the check ran, and nothing was attempted) by exercise.
        quizzes: the score and the number of questions of each quiz that was checked.
        finished: whether the last cell ran; "Run All" does that too.
        thumbs: how many thumbs up and down they gave.
    """

    exercises: dict[str, str] = field(default_factory=dict)
    quizzes: dict[str, tuple[int, int]] = field(default_factory=dict)
    finished: bool = False
    thumbs: int = 0

    @property
    def passed(self) -> int:
        return sum(status == "passed" for status in self.exercises.values())

    @property
    def attempted(self) -> int:
        return sum(status in ("passed", "failed") for status in self.exercises.values())


@dataclass(frozen=True)
class Student:
    """A learner by the name of their file, with what they have begun, by lesson."""

    name: str
    lessons: dict[str, State]


@dataclass(frozen=True)
class Exercise:
    """How a class stands with one exercise: who tried without passing, and how many did pass."""

    lesson: str
    name: str
    stuck: list[str]
    passed: int
    not_tried: int


@dataclass(frozen=True)
class Board:
    """A class: its learners by name, and a sentence for each file that could not be used as it is."""

    students: list[Student]
    problems: list[str]


# --- reading ------------------------------------------------------------------------------------------------


@cache
def contents() -> dict[str, tuple[list[str], dict[str, int]]]:
    """Each lesson's exercises, and its quizzes with their numbers of questions."""
    found = {}
    for entry in manifest.load().lessons:
        module = importlib.import_module(f"helpers.exercises.e{entry.name}")
        quizzes = {name: len(questions) for name, questions in module.QUIZZES.items()}
        found[entry.id] = (list(module.CHECKS), quizzes)
    return found


def read(folder: Path) -> Board:
    """The class below a folder: its files ``NAME.json`` and ``NAME/progress.json``, one a learner.

    In a class's shared folder a file bears an invented number; its learner then goes by the name on their
    thumbs. A file that cannot be used is passed over with a sentence, and the others are shown.

    Raises:
        CourseError: if the folder does not exist or cannot be listed.
    """
    if not folder.is_dir():
        raise CourseError(f"{folder} is no folder; give the folder that holds the learners' progress files.")
    try:
        paths = sorted([*folder.glob("*.json"), *folder.glob("*/progress.json")])
    except OSError as error:
        raise CourseError(f"{folder} cannot be listed ({error.strerror or error}).") from error
    students, problems, files = [], [], {}
    for path in paths:
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        lessons, problem = _lessons(path, folder)
        if problem:
            problems.append(f"{_plain(path.relative_to(folder))} {problem}")
        if lessons is None:
            continue
        name, given = _name_and_thumbs(path, folder)
        known = files.setdefault(name.casefold(), [])
        known.append(path.relative_to(folder))
        if len(known) > 1:
            problems.append(f"{_plain(known[0])} and {_plain(known[-1])} are both of {name}; both are shown.")
            name = f"{name} ({len(known)})"
        students.append(Student(name, _states(lessons, given)))
    return Board(sorted(students, key=lambda student: student.name.casefold()), problems)


def _lessons(path: Path, folder: Path) -> tuple[dict[str, dict[str, Any]] | None, str]:
    """What the file holds by lesson, or None, and what is wrong with it: one sentence without its subject."""
    text, problem = _text(path, folder)
    if text is None:
        return None, problem
    lessons, wrong = progress.parse(text)
    if wrong == "other-version":
        return (
            None,
            "comes from another version of the course: ask for the course of this class, or read it by hand.",
        )
    if wrong:
        return None, "is no progress file, or a damaged one: ask for a fresh copy."
    unknown = sorted(set(lessons) - set(contents()))
    return (
        lessons,
        f"also has lessons that this course does not: {_plain(', '.join(unknown))}." if unknown else "",
    )


def _text(path: Path, folder: Path) -> tuple[str | None, str]:
    """The file's text, if it lies in the folder, is small, is a file and is text."""
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            return None, "is a link out of the folder and was not read."
        if not path.is_file():
            return None, "is no file."
        size = path.stat().st_size
        if size > MOST_BYTES:
            return None, f"has {size / 2**20:.0f} MB and was not read: a progress file has a few kilobytes."
        return path.read_bytes().decode("utf-8"), ""
    except UnicodeDecodeError:
        return None, "is no text: ask for a fresh copy."
    except (OSError, RuntimeError) as error:  # RuntimeError: links that go round in a circle
        return None, f"cannot be read ({getattr(error, 'strerror', None) or 'a link to itself'})."


def _name_and_thumbs(path: Path, folder: Path) -> tuple[str, dict[str, int]]:
    """What a learner is called, and how many thumbs lie beside their progress, by lesson."""
    number = _IN_CLASS.fullmatch(path.stem)
    if number:
        beside = sorted(folder.glob(f"{number[1]}-*.jsonl"))
        name = f"student {number[1][:6]}"
    elif path.parent == folder:
        beside, name = [path.with_suffix(".jsonl")], path.stem
    else:
        beside = sorted([*path.parent.glob("*.jsonl"), *path.parent.glob("thumbs/*.jsonl")])
        name = path.parent.name
    given: dict[tuple[str, ...], bool | None] = {}
    for file in beside:
        for thumb in _thumbs(file, folder):
            given[(thumb.lesson, *thumb.key)] = thumb.label
            name = thumb.annotator if number else name
    counts: dict[str, int] = {}
    for (lesson, *_), label in given.items():
        counts[lesson] = counts.get(lesson, 0) + (label is not None)
    return (_plain(name).strip() or "no name")[:LONGEST_NAME], counts


def _thumbs(path: Path, folder: Path) -> list[thumbs.Thumb]:
    text, _ = _text(path, folder)
    try:
        return thumbs.load(path).thumbs if text is not None else []
    except CourseError:
        return []


def _states(lessons: dict[str, dict[str, Any]], given: dict[str, int]) -> dict[str, State]:
    """What this course knows of a learner's values; anything else is left out."""
    found = {}
    for lesson, (exercises, quizzes) in contents().items():
        values = lessons.get(lesson, {})
        if not values and not given.get(lesson):
            continue
        states = {name: values.get(f"exercise:{name}") for name in exercises}
        found[lesson] = State(
            {name: status for name, status in states.items() if status in ("passed", "failed", "open")},
            dict(_quizzes(values, quizzes)),
            values.get("finished") is True,
            given.get(lesson, 0),
        )
    return found


def _quizzes(values: dict[str, Any], quizzes: dict[str, int]) -> Iterator[tuple[str, tuple[int, int]]]:
    for name, count in quizzes.items():
        kept = values.get(f"quiz:{name}")
        score = kept.get("score") if isinstance(kept, dict) and kept.get("checked") is True else None
        if type(score) is int and 0 <= score <= count:
            yield name, (score, count)


# --- what to explain next -----------------------------------------------------------------------------------


def exercises(board: Board) -> list[Exercise]:
    """Every exercise that somebody tried, those first on which most are stuck."""
    found = []
    for lesson, (names, _) in contents().items():
        here = [
            (student.name, student.lessons[lesson]) for student in board.students if lesson in student.lessons
        ]
        for name in names:
            said = [(student, state.exercises.get(name, "open")) for student, state in here]
            stuck = [student for student, status in said if status == "failed"]
            passed = sum(status == "passed" for _, status in said)
            if stuck or passed:
                found.append(Exercise(lesson, name, stuck, passed, len(said) - passed - len(stuck)))
    return sorted(found, key=lambda one: (-len(one.stuck), one.passed, one.lesson))


def report(board: Board) -> str:
    """The board in a few lines for a terminal."""
    lines = [f"{len(board.students)} learner{'' if len(board.students) == 1 else 's'}"]
    for lesson in contents():
        states = [student.lessons[lesson] for student in board.students if lesson in student.lessons]
        if states:
            count = len(contents()[lesson][0])
            done = sum(state.passed == count for state in states)
            lines.append(f"  lesson {lesson}: {len(states)} began, {done} passed all {count} exercises")
    stuck = [one for one in exercises(board) if one.stuck]
    if stuck:
        lines.append("Explain next:")
        lines += [
            f"  {one.lesson} {one.name}: {len(one.stuck)} stuck, {one.passed} passed"
            for one in stuck[:LONGEST_LIST]
        ]
    lines += [f"! {problem}" for problem in board.problems[:LONGEST_LIST]]
    more = len(board.problems) - LONGEST_LIST
    return "\n".join([*lines, f"! … and {more} more"] if more > 0 else lines)


# --- the page -----------------------------------------------------------------------------------------------


def body(board: Board) -> str:
    """The page's body. Nothing from a learner's file reaches it unescaped."""
    parts = [
        "<h1>Where the class is</h1>",
        f"<p class='soft'>{len(board.students)} learners, {time.strftime('%Y-%m-%d %H:%M:%S')}. "
        "For the instructor, not for the projector: it has names.</p>",
        "<h2>Explain next</h2>",
    ]
    found = [one for one in exercises(board) if one.stuck]
    rows = [
        f"<tr><th scope='row'>{escape(one.name)}<small>lesson {escape(one.lesson)}</small></th>"
        f"<td class='number'>{_bar(one)}{len(one.stuck)}</td><td class='number'>{one.passed}</td>"
        f"<td class='number'>{one.not_tried}</td><td>{escape(', '.join(one.stuck))}</td></tr>"
        for one in found
    ]
    numbers = ["stuck", "passed", "not tried yet"]
    parts.append(
        page.table(["exercise", *numbers, "who is stuck"], rows, "Exercises, most stuck first", numbers)
        if rows
        else "<p>Nobody is stuck: every exercise that was tried was passed in the end.</p>"
    )
    parts.append("<h2>Lesson by lesson</h2>")
    begun = [lesson for lesson in contents() if any(lesson in s.lessons for s in board.students)]
    if begun:
        rows = [
            f"<tr><th scope='row'>{escape(student.name)}</th>"
            + "".join(_cell(student.lessons.get(lesson), lesson) for lesson in begun)
            + "</tr>"
            for student in board.students
        ]
        parts.append(page.table(["learner", *begun], rows, "Learners by lesson"))
    else:
        parts.append("<p>Nobody has begun a lesson yet.</p>")
    parts.append(
        "<p class='soft'>In a cell: exercises passed of those in the lesson, and how many were tried without "
        "success; the quiz; thumbs given; “end” where the last cell ran, which Run All does too. A hint is "
        "unfolded in the notebook's text, which tells nobody: hints are not counted.</p>"
    )
    if board.problems:
        parts.append("<h2>Files that need a look</h2>")
        parts += [f"<p class='odd'>⚠ {escape(problem)}</p>" for problem in board.problems]
    return "\n".join(parts)


def _bar(one: Exercise) -> str:
    """The share of those who tried that are stuck, as a bar that is never the only sign."""
    width = 60 * len(one.stuck) / (len(one.stuck) + one.passed)
    return (
        "<svg width='60' height='10' aria-hidden='true' style='margin-right:.5rem'>"
        "<rect width='60' height='10' rx='2' fill='var(--line)'/>"
        f"<rect width='{width:.0f}' height='10' rx='2' fill='var(--odd)'/></svg>"
    )


def _cell(state: State | None, lesson: str) -> str:
    if state is None:
        return "<td class='soft' aria-label='not begun'>·</td>"
    total = len(contents()[lesson][0])
    mark = "<span class='good'>✔</span> " if state.passed == total else ""
    stuck = state.attempted - state.passed
    lines = [f"{mark}{state.passed} of {total}"]
    if stuck:
        lines[0] += f" <span class='odd'>({stuck} stuck)</span>"
    lines += [f"<small>{escape(name)} {score}/{of}</small>" for name, (score, of) in state.quizzes.items()]
    if state.thumbs:
        lines.append(f"<small>{state.thumbs} thumb{'' if state.thumbs == 1 else 's'}</small>")
    if state.finished:
        lines.append("<small>end</small>")
    return f"<td class='state-of'>{''.join(lines)}</td>"


# --- the command --------------------------------------------------------------------------------------------


def run(folder: Path, out: Path | None = None, watch: int | None = None) -> int:
    """Write ``index.html`` into `out` and print a summary; with `watch` again every so many seconds.

    Raises:
        CourseError: if there is nothing to show, `out` lies in the folder, or the page cannot be written.
    """
    out = out or settings.build_dir() / "board"
    if out.resolve().is_relative_to(folder.resolve()):
        raise CourseError(f"Write the board to a place outside of {folder}: it has everybody's results.")
    if watch is not None and watch < 1:
        raise CourseError(f"--watch needs 1 second or more, not {watch}.")
    printed = ""
    while True:
        board = read(folder)
        if not (board.students or board.problems or watch):
            raise CourseError(
                f"{folder} holds no progress file: put NAME.json or NAME/progress.json there, one a learner."
            )
        head = f"<meta http-equiv='refresh' content='{watch}'>\n" if watch else ""
        page.save(out / "index.html", page.document("Where the class is", body(board), head))
        text = report(board)
        if text != printed:
            print(f"{text}\nThe board: {out / 'index.html'}", flush=True)
            printed = text
        if watch is None:
            return 0
        try:
            time.sleep(watch)
        except KeyboardInterrupt:
            return 0


def _plain(text: object) -> str:
    """Text from a file's name or content in one line, without control characters, cut where it is long."""
    line = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return line if len(line) <= 120 else f"{line[:119]}…"
