from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.lesson.say import compose, markdown_text, say
from helpers.settings import CourseError


def test_numbers_are_formatted_with_a_real_minus_sign(shown: list[dict[str, Any]]) -> None:
    result = say("From **{before:.2f}** to {after:.2f}.", before=2.346, after=np.float32(-1.5))
    assert result is None
    assert shown == [{"text/markdown": "From **2.35** to −1.50.", "text/plain": "From **2.35** to −1.50."}]


def test_a_negative_zero_is_zero() -> None:
    assert compose("{x:.2f}", x=-0.001)[0] == "0.00"
    assert compose("{x:.0f}", x=-0.6)[0] == "−1"


def test_integers_percents_and_one_element_arrays() -> None:
    assert compose("{n:,} {share:.0%} {a:.1f}", n=12345, share=0.25, a=np.array([2.0]))[0] == "12,345 25% 2.0"


def test_torch_scalars() -> None:
    torch = pytest.importorskip("torch")
    assert compose("{x:.1f}", x=torch.tensor(2.0, requires_grad=True))[0] == "2.0"


def test_braces_can_be_written() -> None:
    assert compose(r"$\beta_{{1}}$ is {x}", x=1)[0] == r"$\beta_{1}$ is 1"


@pytest.mark.parametrize(
    ("template", "values", "message"),
    [
        ("{a}", {}, "no value for {a}"),
        ("{}", {}, "no value"),
        ("{a}", {"a": 1, "b": 2}, "given b"),
        ("{a:.2f}", {"a": float("nan")}, "finite"),
        ("{a:.2f}", {"a": float("inf")}, "finite"),
        ("{a}", {"a": None}, "None"),
        ("{a:.2f}", {"a": "text"}, "cannot format a"),
    ],
)
def test_what_cannot_be_said_is_refused(template: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(CourseError, match=message):
        say(template, **values)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text, self.tags = "", []

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)


@given(st.text(max_size=30))
def test_text_is_shown_letter_by_letter(text: str) -> None:
    markdown = markdown_text(text)
    page = _Text()
    page.feed(markdown)
    page.close()
    assert page.text == "".join(filter(str.isprintable, " ".join(text.split())))
    assert set(page.tags) <= {"span"}
    inner = markdown.removesuffix("</span>")
    inner = inner[inner.index(">") + 1 :] if inner.startswith("<span") else inner
    assert not set(inner) & set("*_`[]()<>!|~$\\{}+-.\n")


def test_text_with_dollars_is_kept_from_mathjax() -> None:
    assert 'class="mathjax_ignore' in markdown_text("$5 and $6")
    assert "mathjax" not in markdown_text("5 and 6")
