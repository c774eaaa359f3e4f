"""Pieces of a notebook page: text that is safe in HTML, result cards, one way to publish an output.

Knows how JupyterLab (light and dark), Colab and static pages show HTML. Knows nothing about what a card says.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

MAX_WIDTH = 820  # CSS pixels: the widest figure, card or table

TEXT_STYLE = (
    "color:var(--jp-ui-font-color1,inherit);font-family:var(--jp-content-font-family,inherit);"
    "font-size:14px;line-height:1.5"
)
BORDER = "var(--jp-border-color1,rgba(128,128,128,.5))"
# Learners and models may write dollar signs; without these classes MathJax would typeset what lies between.
NO_MATH = "mathjax_ignore tex2jax_ignore"


@dataclass(frozen=True)
class Mark:
    """An icon with its accent color; the words beside it carry the same meaning."""

    icon: str
    color: str


# Accents have a contrast of at least 3:1 on white and on JupyterLab's dark background.
MARKS = {
    "passed": Mark("✔", "#00875f"),
    "failed": Mark("✘", "#d55e00"),
    "open": Mark("○", "#808080"),
    "note": Mark("●", "#2878b0"),
    "error": Mark("⚠", "#d55e00"),
}


def escape(value: object) -> str:
    """The value's text, safe inside an HTML element or a quoted attribute."""
    return html.escape(str(value), quote=True)


def card_html(mark: str, title: str, body_html: str = "") -> str:
    """A bordered card: icon and title in one line, then the body.

    Args:
        mark: a name in `MARKS`.
        title: plain text; escaped here.
        body_html: HTML that is already safe.
    """
    icon, color = MARKS[mark].icon, MARKS[mark].color
    body = f'<div style="margin-top:2px">{body_html}</div>' if body_html else ""
    return (
        f'<div class="{NO_MATH}" style="{TEXT_STYLE};border:1px solid {BORDER};border-left:5px solid {color};'
        f'border-radius:4px;padding:8px 14px;margin:6px 0;max-width:{MAX_WIDTH}px;box-sizing:border-box">'
        f'<span aria-hidden="true" style="color:{color};font-weight:700">{icon}</span> '
        f"<strong>{escape(title)}</strong>{body}</div>"
    )


def card_text(mark: str, title: str, body: str = "") -> str:
    """The same card for a terminal: ``✔ title body``."""
    return f"{MARKS[mark].icon} {title} {body}".strip()


def code_html(text: str) -> str:
    """A line of code in the theme's code font, escaped."""
    return (
        '<code style="color:inherit;background:var(--jp-layout-color2,rgba(128,128,128,.18));'
        "padding:1px 5px;border-radius:3px;font-family:var(--jp-code-font-family,monospace);font-size:13px;"
        f'white-space:pre-wrap">{escape(text)}</code>'
    )


def prose_html(text: str) -> str:
    """Plain text as safe HTML; what stands between backticks is shown as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a stray backtick
        return escape(text)
    return "".join(code_html(part) if i % 2 else escape(part) for i, part in enumerate(parts))


def paragraph_html(text: str) -> str:
    """Plain text as a paragraph of its own, which does not stand beside a figure."""
    return f'<div style="{TEXT_STYLE}">{prose_html(text)}</div>'


def publish(bundle: dict[str, Any]) -> None:
    """Display a MIME bundle in a notebook; outside of IPython print its ``text/plain``."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import display

    if InteractiveShell.initialized():
        display(bundle, raw=True)
    else:
        print(bundle["text/plain"])


def show_html(html_text: str, plain_text: str) -> None:
    """Display safe HTML, with the plain text for pages and terminals that show no HTML."""
    publish({"text/html": html_text, "text/plain": plain_text})
