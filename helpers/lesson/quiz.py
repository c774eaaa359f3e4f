"""A quiz at the end of a lesson: choices, explanations, a score; answers are kept at once.

Knows how to ask and to score. Knows nothing about any lesson's questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ipywidgets

from helpers.lesson import page, widgets
from helpers.lesson.progress import Progress
from helpers.settings import CourseError


@dataclass(frozen=True)
class QuizQuestion:
    """One question.

    Attributes:
        text: plain text.
        choices: two or more different answers, in plain text.
        answer: the index of the right one.
        explanation: why it is right, in plain text.
    """

    text: str
    choices: Sequence[str]
    answer: int
    explanation: str

    def __post_init__(self) -> None:
        if len(self.choices) < 2 or len(set(self.choices)) < len(self.choices):
            raise CourseError(f"The quiz question {self.text!r} needs two or more different choices.")
        if not 0 <= self.answer < len(self.choices):
            raise CourseError(f"The quiz question {self.text!r} has no choice number {self.answer}.")
        if not self.text.strip() or not self.explanation.strip():
            raise CourseError(f"The quiz question {self.text!r} needs a text and an explanation.")

    @property
    def right(self) -> str:
        """The right choice."""
        return self.choices[self.answer]


class Quiz:
    """The quiz of one lesson; a new one over the same progress comes back as it was left."""

    def __init__(
        self,
        questions: Sequence[QuizQuestion],
        progress: Progress,
        key: str = "quiz",
        advise: Callable[[int], str] | None = None,
    ) -> None:
        """Build the widget, and restore kept answers and, if they were checked, their results.

        Args:
            questions: in order.
            progress: where answers and score are kept, under `key`.
            advise: score -> the sentence below it (whether to skip the lesson, say); by default how to go on.
        """
        self.questions = list(questions)
        self._progress = progress
        self._key = key
        self._advise = advise or self._how_to_go_on
        texts = [
            widgets.question(f"{number}. {question.text}")
            for number, question in enumerate(self.questions, start=1)
        ]
        self.groups = [widgets.choices(list(question.choices)) for question in self.questions]
        self.results = [ipywidgets.HTML(layout={"margin": "0 2px 10px 2px"}) for _ in self.questions]
        self.button = widgets.button("Check my answers", self.check)
        self.status = ipywidgets.HTML()
        rows = [row for rows in zip(texts, self.groups, self.results, strict=True) for row in rows]
        self.widget = widgets.panel([*rows, self.button, self.status])
        self._restore()
        for number in range(len(self.groups)):
            self.groups[number].observe(lambda _change, i=number: self._answered(i), names="value")

    @property
    def score(self) -> int:
        """How many questions are answered right at this moment."""
        pairs = zip(self.groups, self.questions, strict=True)
        return sum(group.value == question.right for group, question in pairs)

    def check(self) -> None:
        """Show the result of every question and the score, and keep them. May be called again and again."""
        for i in range(len(self.questions)):
            self.results[i].value = self._result_html(i)
        words = f"{self.score} of {len(self.questions)}"
        mark = "passed" if self.score == len(self.questions) else "note"
        card = page.card_html(mark, f"Your score: {words}", page.escape(self._advise(self.score)))
        self.status.value = f'<div role="status">{card}</div>'
        self._save(checked=True)

    def show(self) -> None:
        """Display the quiz; static pages show the questions, each with its answer folded in."""
        lines = [f"{i}. {q.text} ({' / '.join(q.choices)})" for i, q in enumerate(self.questions, start=1)]
        widgets.display_widget(self.widget, self.fallback_html(), "\n".join(lines))

    def fallback_html(self) -> str:
        """The questions with their choices; the answer and its explanation unfold without any script."""
        items = []
        for number, question in enumerate(self.questions, start=1):
            choices = "".join(f"<li>{page.escape(choice)}</li>" for choice in question.choices)
            items.append(
                f'<p style="margin:14px 0 4px"><strong>{number}. {page.escape(question.text)}</strong></p>'
                f'<ul style="margin:0 0 4px">{choices}</ul>'
                f"<details><summary>Answer to question {number}</summary>"
                f"<p><strong>{page.escape(question.right)}.</strong> {page.escape(question.explanation)}</p>"
                "</details>"
            )
        return f'<div class="{page.NO_MATH}" style="{page.TEXT_STYLE}">{"".join(items)}</div>'

    def _answered(self, changed: int) -> None:
        """Keep the answers at once; the changed one's result is stale, and so is the score."""
        if self.results[changed].value:
            self.results[changed].value = ""
            self.status.value = "Changed since the last check."
        self._save(checked=False)

    def _result_html(self, i: int) -> str:
        question, given = self.questions[i], self.groups[i].value
        if given is None:
            return page.card_html("open", "Not answered yet.")
        if given == question.right:
            return page.card_html("passed", "Right.", page.escape(question.explanation))
        why = f"<details><summary>Show the explanation</summary>{page.escape(question.explanation)}</details>"
        return page.card_html("failed", "Not right: try again.", why)

    def _how_to_go_on(self, score: int) -> str:
        if score == len(self.questions):
            return "All right."
        return "Change what is not right and check again, as often as you like."

    def _save(self, checked: bool) -> None:
        pairs = zip(self.questions, self.groups, strict=True)
        answers = {question.text: group.value for question, group in pairs if group.value is not None}
        self._progress.set(
            self._key,
            {"answers": answers, "checked": checked, "score": self.score, "of": len(self.questions)},
        )

    def _restore(self) -> None:
        kept = self._progress.get(self._key, {})
        answers = kept.get("answers", {})
        for question, group in zip(self.questions, self.groups, strict=True):
            answer = answers.get(question.text)
            if answer in question.choices:
                group.value = answer
        if kept.get("checked"):
            self.check()
