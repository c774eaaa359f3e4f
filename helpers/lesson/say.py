"""Prose with computed numbers: the sentence below a figure can never disagree with the cell above it.

Knows how to format and escape values for Markdown. Knows nothing about where they come from.
"""

from __future__ import annotations

import math
import numbers
import string
from typing import Any

from helpers.figures import tidy_number
from helpers.lesson import page
from helpers.settings import CourseError


def say(template: str, /, **values: Any) -> None:
    """Display the template as Markdown, its ``{name:format}`` fields filled in.

    Numbers are formatted as the field says; text is shown letter by letter, never as Markdown or HTML.

    Raises:
        CourseError: if a field has no value, a value no field, or a number is not finite.
    """
    markdown, plain = compose(template, **values)
    page.publish({"text/markdown": markdown, "text/plain": plain})


def compose(template: str, /, **values: Any) -> tuple[str, str]:
    """The sentence of `say` as Markdown and as plain text."""
    markdown, plain, used = [], [], set()
    for literal, field, spec, _conversion in string.Formatter().parse(template):
        markdown.append(literal)
        plain.append(literal)
        if field is None:
            continue
        if field not in values:
            raise CourseError(
                f"say(...) has no value for {{{field}}}: add {field or 'name'}=... to the call."
            )
        used.add(field)
        text, is_number = _formatted(field, values[field], spec or "")
        markdown.append(text if is_number else markdown_text(text))
        plain.append(text)
    if unused := sorted(set(values) - used):
        raise CourseError(f"say(...) was given {', '.join(unused)}, which its sentence does not use.")
    return "".join(markdown), "".join(plain)


def markdown_text(text: str) -> str:
    """The text such that Markdown, HTML and MathJax show it letter by letter, on one printable line.

    Character references are never taken for Markdown's own marks, whatever the renderer.
    """
    line = "".join(filter(str.isprintable, " ".join(text.split())))
    safe = "".join(c if c.isalnum() or c in " ,;:'" or ord(c) > 127 else f"&#{ord(c)};" for c in line)
    if "$" in text or "\\" in text:
        return f'<span class="{page.NO_MATH}">{safe}</span>'
    return safe


def _formatted(name: str, value: Any, spec: str) -> tuple[str, bool]:
    """The value as text, and whether it is a number. One-element tensors and arrays count as numbers."""
    if hasattr(value, "item") and getattr(value, "shape", None) is not None and math.prod(value.shape) == 1:
        value = value.item()
    if value is None:
        raise CourseError(f"say(...) was given None for {name}: compute it first.")
    is_number = isinstance(value, numbers.Number) and not isinstance(value, bool)
    if is_number and not math.isfinite(value):
        raise CourseError(f"say(...) was given {value} for {name}: it must be a finite number.")
    try:
        text = format(value, spec)
    except (TypeError, ValueError) as error:
        raise CourseError(f"say(...) cannot format {name} as {{{name}:{spec}}}: {error}.") from error
    return (tidy_number(text), True) if is_number else (text, False)
