from __future__ import annotations

from typing import Any

import pytest

from helpers.lesson import page
from helpers.lesson.progress import Progress
from helpers.lesson.quiz import Quiz, QuizQuestion
from helpers.settings import CourseError

QUESTIONS = [
    QuizQuestion("Which needs <pairs>?", ["DPO", "KTO"], 0, "DPO compares two answers."),
    QuizQuestion("What is KL?", ["a speed", "a distance of sorts"], 1, "An expected log-ratio."),
    QuizQuestion("What is T?", ["time", "temperature"], 1, "It divides the logits."),
]


def test_nothing_is_selected_at_first(progress: Progress) -> None:
    quiz = Quiz(QUESTIONS, progress)
    assert [group.value for group in quiz.groups] == [None] * 3
    assert quiz.score == 0


def test_every_question_stands_above_its_own_choices(progress: Progress) -> None:
    quiz = Quiz(QUESTIONS, progress)
    rows = quiz.widget.children
    for number, (group, question) in enumerate(zip(quiz.groups, QUESTIONS, strict=True), start=1):
        above = rows[rows.index(group) - 1]
        assert page.escape(f"{number}. {question.text}") in above.value
        assert list(group.options) == list(question.choices)


def test_check_scores_and_explains_again_and_again(progress: Progress) -> None:
    quiz = Quiz(QUESTIONS, progress)
    quiz.groups[0].value = "DPO"
    quiz.groups[1].value = "a speed"
    quiz.button.click()
    assert "1 of 3" in quiz.status.value
    assert "✔" in quiz.results[0].value
    assert "DPO compares two answers." in quiz.results[0].value
    assert "✘" in quiz.results[1].value
    assert "<details>" in quiz.results[1].value
    assert "Not answered yet" in quiz.results[2].value
    quiz.groups[1].value = "a distance of sorts"
    assert quiz.results[1].value == ""
    assert "1 of 3" not in quiz.status.value
    quiz.groups[2].value = "temperature"
    quiz.button.click()
    assert "3 of 3" in quiz.status.value
    assert 'role="status"' in quiz.status.value


def test_answers_are_kept_at_once_and_come_back(progress: Progress) -> None:
    Quiz(QUESTIONS, progress).groups[0].value = "KTO"
    again = Quiz(QUESTIONS, Progress("01", progress.path))
    assert [group.value for group in again.groups] == ["KTO", None, None]
    assert again.results[0].value == ""


def test_results_come_back_when_they_were_checked(progress: Progress) -> None:
    quiz = Quiz(QUESTIONS, progress)
    quiz.groups[0].value = "DPO"
    quiz.check()
    assert "1 of 3" in Quiz(QUESTIONS, progress).status.value
    assert progress.get("quiz")["score"] == 1


def test_answers_follow_their_question_when_a_lesson_changes(progress: Progress) -> None:
    quiz = Quiz(QUESTIONS, progress)
    quiz.groups[0].value = "KTO"
    quiz.groups[2].value = "time"
    changed = [QUESTIONS[2], QuizQuestion("Which needs <pairs>?", ["DPO", "neither"], 0, "Because.")]
    again = Quiz(changed, progress)
    assert [group.value for group in again.groups] == ["time", None]


def test_two_quizzes_of_a_lesson_are_kept_apart(progress: Progress) -> None:
    Quiz(QUESTIONS, progress, "diagnostic").groups[0].value = "DPO"
    assert Quiz(QUESTIONS, progress, "recap").groups[0].value is None


def test_a_diagnostic_can_advise(progress: Progress) -> None:
    quiz = Quiz(QUESTIONS, progress, advise=lambda score: "Skip it." if score == 3 else "Stay & read.")
    quiz.check()
    assert "Stay &amp; read." in quiz.status.value


def test_static_pages_show_questions_with_folded_answers(
    progress: Progress, shown: list[dict[str, Any]]
) -> None:
    Quiz(QUESTIONS, progress).show()
    html = shown[0]["text/html"]
    assert html.count("<details>") == 3
    assert "Which needs &lt;pairs&gt;?" in html
    assert "<pairs>" not in html
    assert "application/vnd.jupyter.widget-view+json" in shown[0]


@pytest.mark.parametrize(
    ("choices", "answer", "explanation"),
    [
        (["a"], 0, "x"),
        (["a", "a"], 0, "x"),
        (["a", "b"], 2, "x"),
        (["a", "b"], -1, "x"),
        (["a", "b"], 0, " "),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(
    choices: list[str], answer: int, explanation: str
) -> None:
    with pytest.raises(CourseError):
        QuizQuestion("What?", choices, answer, explanation)
