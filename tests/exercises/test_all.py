"""What holds for every lesson's exercises: the solution passes, wrong answers fail, cards have hints."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

import pytest

from helpers import manifest, settings
from helpers.lesson.checks import run_check
from helpers.lesson.quiz import QuizQuestion
from helpers.lesson.reference import reference
from tests.exercises.wrong_answers import WRONG

LESSONS = {entry.name: entry for entry in manifest.load().lessons}


def _module(name: str) -> Any:
    return importlib.import_module(f"helpers.exercises.e{name}")


def _source(name: str) -> str:
    return LESSONS[name].source(settings.ROOT).read_text(encoding="utf-8")


EXERCISES = [(name, check) for name in LESSONS for check in _module(name).CHECKS]


@pytest.mark.parametrize(("lesson", "exercise"), EXERCISES)
def test_the_solution_passes(lesson: str, exercise: str) -> None:
    solution = reference(LESSONS[lesson].source(settings.ROOT), exercise)
    outcome = run_check(_module(lesson).CHECKS[exercise], solution)
    assert outcome.status == "passed", outcome


@pytest.mark.parametrize(("lesson", "exercise"), EXERCISES)
def test_there_are_at_least_two_wrong_answers_to_try(lesson: str, exercise: str) -> None:
    assert len(WRONG[exercise]) >= 2


@pytest.mark.parametrize(
    ("lesson", "exercise", "wrong"),
    [(lesson, exercise, wrong) for lesson, exercise in EXERCISES for wrong in WRONG[exercise]],
)
def test_wrong_answers_fail_with_a_message(lesson: str, exercise: str, wrong: Callable[..., Any]) -> None:
    outcome = run_check(_module(lesson).CHECKS[exercise], wrong)
    assert outcome.status == "failed"
    assert outcome.message


@pytest.mark.parametrize(("lesson", "exercise"), EXERCISES)
def test_an_empty_attempt_is_open(lesson: str, exercise: str) -> None:
    def untouched(*inputs: Any) -> None:
        raise NotImplementedError

    assert run_check(_module(lesson).CHECKS[exercise], untouched).status == "open"


@pytest.mark.parametrize(("lesson", "exercise"), EXERCISES)
def test_every_exercise_has_a_card_with_difficulty_minutes_and_hints(lesson: str, exercise: str) -> None:
    card = re.search(
        rf"# > \*\*Exercise \d · `{exercise}`\*\* · [★☆]{{3}} · \d+ minutes\n(?:# >.*\n)+", _source(lesson)
    )
    assert card, f"no card for {exercise}"
    assert "<summary>Hint" in card.group(0)


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_has_two_to_four_exercises_a_widget_and_a_quiz_of_five(lesson: str) -> None:
    module = _module(lesson)
    assert 2 <= len(module.CHECKS) <= 4
    assert module.WIDGETS
    assert len(module.QUIZZES["recap"]) == 5
    for questions in module.QUIZZES.values():
        assert all(isinstance(question, QuizQuestion) for question in questions)


@pytest.mark.parametrize("lesson", LESSONS)
def test_right_answers_are_not_all_in_the_same_place(lesson: str) -> None:
    for questions in _module(lesson).QUIZZES.values():
        assert len({question.answer for question in questions}) > 1
