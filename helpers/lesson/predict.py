"""The learner's own guess, committed before the first result and kept for good.

Knows how to ask and to keep one guess. Knows nothing about the measurement it will be held against.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ipywidgets

from helpers.lesson import page, widgets
from helpers.lesson.progress import Progress
from helpers.lesson.say import tidy_number
from helpers.settings import CourseError

STEPS = 100  # of a slider over real numbers


class Prediction:
    """One question and the learner's guess: a choice, or a number between two bounds.

    Nobody has to guess: without a commitment `value` stays None and the notebook runs on.
    """

    def __init__(
        self,
        progress: Progress,
        key: str,
        question: str,
        choices: Sequence[str] | None = None,
        minimum: float | None = None,
        maximum: float | None = None,
        unit: str = "",
    ) -> None:
        """Give either `choices` or `minimum` and `maximum`; whole-number bounds ask for a whole number.

        Raises:
            CourseError: if both or neither are given, or the bounds are empty.
        """
        if bool(choices) == (minimum is not None and maximum is not None):
            raise CourseError(f"The prediction {key!r} needs either choices or a minimum and a maximum.")
        if not choices and not minimum < maximum:
            raise CourseError(f"The prediction {key!r} needs a minimum below its maximum.")
        self.question = question
        self._progress = progress
        self._key = f"predict:{key}"
        self._choices = list(choices or [])
        self._bounds = (minimum, maximum)
        self._unit = unit
        self.control = self._make_control()
        self.button = widgets.button("Commit", self.commit)
        self._status = ipywidgets.HTML()
        self.widget = widgets.panel([widgets.question(question), self.control, self.button, self._status])
        self._show_state()

    @property
    def value(self) -> str | float | None:
        """The committed guess; None until there is one."""
        return self._progress.get(self._key)

    def commit(self) -> None:
        """Keep the control's value, unless a guess is kept already: the first one stays."""
        if self.value is None:
            if self.control.value is None:
                self._status.value = self._message("open", "Choose one answer first.")
                return
            self._progress.set(self._key, self.control.value)
        self._show_state()

    def show(self) -> None:
        """Display the widget; static pages show the question and its choices."""
        text = f"Your prediction: {self.question} ({self._range_text()})"
        widgets.display_widget(self.widget, self.fallback_html(), text)

    def show_beside_result(self, measured: str = "") -> None:
        """Display the guess again, or that there was none, beside what was measured (plain text)."""
        guess = "nothing (you did not commit)" if self.value is None else self._text(self.value)
        title = f"You predicted: {guess}" + (f" · measured: {measured}" if measured else "")
        page.show_html(
            page.card_html("note", title, page.escape(self.question)),
            page.card_text("note", f"{title}.", self.question),
        )

    def fallback_html(self) -> str:
        """The question and what there is to choose from, for pages without a kernel."""
        if self._choices:
            items = "".join(f"<li>{page.escape(choice)}</li>" for choice in self._choices)
            body = f'<ul style="margin:4px 0 0 0">{items}</ul>'
        else:
            body = page.escape(f"Guess a number {self._range_text()}.")
        return page.card_html("note", f"Your prediction: {self.question}", body)

    def _ipython_display_(self) -> None:
        """Show nothing when a cell ends with the object: `predict` has displayed it already."""

    def _make_control(self) -> ipywidgets.Widget:
        if self._choices:
            return widgets.choices(self._choices)
        minimum, maximum = self._bounds
        whole = isinstance(minimum, int) and isinstance(maximum, int)
        middle = (minimum + maximum) // 2 if whole else (minimum + maximum) / 2
        slider: dict[str, Any] = {
            "min": minimum,
            "max": maximum,
            "value": middle,
            "description": f"your guess ({self._unit})" if self._unit else "your guess",
            "layout": {"width": "420px", "max_width": "100%"},
        }
        if whole:
            return widgets.labeled(ipywidgets.IntSlider(step=1, **slider))
        step = (maximum - minimum) / STEPS
        decimals = max(0, -math.floor(math.log10(step)))
        return widgets.labeled(ipywidgets.FloatSlider(step=step, readout_format=f".{decimals}f", **slider))

    def _show_state(self) -> None:
        kept = self.value
        if kept is None:
            return
        if not self._choices or kept in self._choices:
            self.control.value = kept
        self.control.disabled = True
        widgets.finish(self.button, "Committed")
        self._status.value = self._message("passed", f"You committed to: {self._text(kept)}")

    def _message(self, mark: str, text: str) -> str:
        found = page.MARKS[mark]
        return (
            f'<span aria-hidden="true" style="color:{found.color};font-weight:700">{found.icon}</span> '
            f'<span role="status">{page.escape(text)}</span>'
        )

    def _text(self, value: str | float) -> str:
        number = value if isinstance(value, str) else tidy_number(f"{value:.4g}")
        if isinstance(value, str) or not self._unit:
            return number
        return f"{number}{'' if self._unit == '%' else ' '}{self._unit}"

    def _range_text(self) -> str:
        if self._choices:
            return " / ".join(self._choices)
        minimum, maximum = self._bounds
        return f"from {self._text(minimum)} to {self._text(maximum)}"


def predict(
    progress: Progress,
    key: str,
    question: str,
    *,
    choices: Sequence[str] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    unit: str = "",
) -> Prediction:
    """Ask for a guess, display the widget, and return it: its `value` is None until the learner commits.

    Args:
        progress: where the guess is kept.
        key: the guess's name within the lesson.
        question: plain text.
        choices: the answers to choose from; or
        minimum, maximum: the bounds of a number (whole if both are), in `unit`.
    """
    prediction = Prediction(progress, key, question, choices, minimum, maximum, unit)
    prediction.show()
    return prediction
