from __future__ import annotations

from typing import Any

import ipywidgets
import pytest

from helpers.lesson import page
from helpers.lesson.predict import Prediction, predict
from helpers.lesson.progress import Progress
from helpers.settings import CourseError

CHOICES = ["text <alone>", "text and pictures"]


def test_nothing_is_chosen_or_kept_at_first(progress: Progress, shown: list[dict[str, Any]]) -> None:
    guess = predict(progress, "who", "Who wins?", choices=CHOICES)
    assert guess.control.value is None
    assert guess.value is None
    guess.button.click()
    assert guess.value is None
    assert "Choose one answer first" in guess._status.value


def test_a_commitment_is_kept_and_shown(progress: Progress) -> None:
    guess = Prediction(progress, "who", "Who wins?", choices=CHOICES)
    guess.control.value = CHOICES[0]
    assert guess.value is None
    guess.button.click()
    assert guess.value == CHOICES[0]
    assert "You committed to: text &lt;alone&gt;" in guess._status.value
    assert guess.control.disabled
    assert guess.button.description == "Committed"


def test_committing_again_changes_nothing(progress: Progress) -> None:
    guess = Prediction(progress, "who", "Who wins?", choices=CHOICES)
    guess.control.value = CHOICES[0]
    guess.button.click()
    guess.control.value = CHOICES[1]
    guess.button.click()
    assert guess.value == guess.control.value == CHOICES[0]
    assert not guess.button.disabled  # a disabled button would lose the keyboard's focus


def test_the_question_is_shown_as_plain_text(progress: Progress) -> None:
    by_choice = Prediction(progress, "who", "Is $a < b$?", choices=CHOICES)
    by_number = Prediction(progress, "share", "Is $a < b$?", minimum=0, maximum=1)
    for guess in (by_choice, by_number):
        texts = [child.value for child in guess.widget.children if isinstance(child, ipywidgets.HTML)]
        assert sum("Is $a &lt; b$?" in text and page.NO_MATH in text for text in texts) == 1


def test_the_first_commitment_stays(progress: Progress) -> None:
    first = Prediction(progress, "who", "Who wins?", choices=CHOICES)
    second = Prediction(progress, "who", "Who wins?", choices=CHOICES)  # the same notebook, open twice
    first.control.value = CHOICES[0]
    first.commit()
    second.control.value = CHOICES[1]
    second.commit()
    assert second.value == CHOICES[0]
    assert second.control.value == CHOICES[0]


def test_a_reopened_notebook_shows_the_commitment(progress: Progress) -> None:
    guess = Prediction(progress, "share", "What share?", minimum=0, maximum=100, unit="%")
    guess.control.value = 30
    guess.commit()
    again = Prediction(
        Progress("01", progress.path), "share", "What share?", minimum=0, maximum=100, unit="%"
    )
    assert again.value == 30
    assert again.control.value == 30
    assert again.control.disabled
    assert "You committed to: 30%" in again._status.value


def test_a_commitment_to_a_choice_that_is_gone_stays(progress: Progress) -> None:
    progress.set("predict:who", "an older choice")
    guess = Prediction(progress, "who", "Who wins?", choices=CHOICES)
    assert guess.value == "an older choice"
    assert "an older choice" in guess._status.value


def test_real_bounds_ask_for_a_real_number(progress: Progress) -> None:
    guess = Prediction(progress, "loss", "Which loss?", minimum=0.0, maximum=0.5, unit="nats")
    guess.control.value = 0.25
    guess.commit()
    assert guess.value == pytest.approx(0.25)
    assert "0.25 nats" in guess._status.value


def test_beside_the_result(progress: Progress, shown: list[dict[str, Any]]) -> None:
    guess = Prediction(progress, "share", "What share?", minimum=-1.0, maximum=1.0)
    guess.show_beside_result("0.52")
    guess.control.value = -0.5
    guess.commit()
    guess.show_beside_result("0.52")
    assert "nothing (you did not commit) · measured: 0.52" in shown[0]["text/html"]
    assert "You predicted: −0.5 · measured: 0.52" in shown[1]["text/html"]


def test_static_pages_show_the_question_and_the_choices(
    progress: Progress, shown: list[dict[str, Any]]
) -> None:
    predict(progress, "who", "Who & why?", choices=CHOICES)
    predict(progress, "share", "What share?", minimum=0, maximum=100, unit="%")
    assert "Who &amp; why?" in shown[0]["text/html"]
    assert "<li>text &lt;alone&gt;</li>" in shown[0]["text/html"]
    assert "from 0% to 100%" in shown[1]["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in shown[0]


@pytest.mark.parametrize(
    "options",
    [{}, {"minimum": 0}, {"choices": CHOICES, "minimum": 0, "maximum": 1}, {"minimum": 1, "maximum": 1}],
)
def test_a_question_without_a_range_is_refused(progress: Progress, options: dict[str, Any]) -> None:
    with pytest.raises(CourseError):
        Prediction(progress, "x", "What?", **options)
