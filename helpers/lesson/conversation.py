"""A conversation on the page: who said what to whom, and how many tokens that took.

Knows how to draw the turns of a transcript as a list. Knows nothing about who the speakers are or which of
them is right.
"""

from __future__ import annotations

from collections.abc import Sequence

from helpers.lesson import page, plots
from helpers.settings import CourseError
from helpers.synthesis.agents import Turn

SHOWN_TURNS = 20
SHOWN_CHARACTERS = 600  # of one turn
STEP = 28  # CSS pixels by which each further speaker stands to the right
COLORS = plots.COLORS[:-1]  # the last one is black, which a dark page would hide
NOTHING = "no answer came"
KEPT = "\t\n\u200c\u200d"  # also the joiners of Persian, Hindi and emoji


def show(turns: Sequence[Turn], caption: str) -> None:
    """Display turns as a conversation; what is long or late is cut, and said to be.

    Args:
        turns: what was said, in order: `transcript.conversation(row)`.
        caption: one plain sentence above it.

    Raises:
        CourseError: if there are no turns.
    """
    page.show_html(conversation_html(turns, caption), conversation_text(turns, caption))


def conversation_html(turns: Sequence[Turn], caption: str) -> str:
    """The conversation as a list; every text in it is escaped.

    Each speaker has a color and a place of its own, and is named in words.
    """
    shown, rest = _shown(turns)
    speakers = list(dict.fromkeys(turn.speaker for turn in shown))
    items = "".join(_item_html(turn, speakers.index(turn.speaker)) for turn in shown)
    note = f'<div style="margin-top:4px">{_escaped(rest)}</div>' if rest else ""
    return (
        f'<div class="{page.NO_MATH}" style="{page.TEXT_STYLE};max-width:{page.MAX_WIDTH}px;margin:8px 0">'
        f"<strong>{_escaped(caption)}</strong>"
        f'<ol role="list" aria-label="{_escaped(caption)}" '
        f'style="list-style:none;margin:6px 0 0 0;padding:0">{items}</ol>{note}</div>'
    )


def conversation_text(turns: Sequence[Turn], caption: str) -> str:
    """The same as plain text, one line or more for each turn."""
    shown, rest = _shown(turns)
    lines = [f"{turn.speaker} to {turn.to}: {_said(turn)}{_cost(turn, ' (', ')')}" for turn in shown]
    return _visible("\n".join([caption, *lines, *([rest] if rest else [])]))


def _item_html(turn: Turn, speaker: int) -> str:
    color = COLORS[speaker % len(COLORS)]
    left = STEP * min(speaker, 6)
    said = _escaped(_said(turn))
    if not turn.text:
        said = f"<em>{said}</em>"
    return (
        f'<li style="margin:0 0 6px {left}px;padding:3px 10px;border:1px solid {page.BORDER};'
        f'border-left:5px solid {color};border-radius:4px;box-sizing:border-box">'
        f'<div style="font-size:12px"><bdi><strong>{_escaped(turn.speaker)}</strong></bdi> to '
        f"<bdi>{_escaped(turn.to)}</bdi>{_escaped(_cost(turn, ' · ', ''))}</div>"
        f'<div dir="auto" style="white-space:pre-wrap;overflow-wrap:anywhere">{said}</div></li>'
    )


def _shown(turns: Sequence[Turn]) -> tuple[Sequence[Turn], str]:
    """The turns that are drawn, and a remark on those that are not."""
    if not turns:
        raise CourseError("There is nothing to show: nobody has said anything in this conversation.")
    left_out = len(turns) - SHOWN_TURNS
    if left_out <= 0:
        return turns, ""
    return turns[:SHOWN_TURNS], f"… and {left_out} more turn{'s' if left_out > 1 else ''}."


def _said(turn: Turn) -> str:
    if turn.text is None:
        return NOTHING
    cut = len(turn.text) - SHOWN_CHARACTERS
    text = turn.text if cut <= 0 else f"{turn.text[:SHOWN_CHARACTERS]} … ({cut:,} more characters)"
    return text or "nothing at all"


def _escaped(text: str) -> str:
    return page.escape(_visible(text))


def _visible(text: str) -> str:
    """The text without characters that have no shape: they could hide or reverse what stands beside them."""
    return "".join(c for c in text if c.isprintable() or c in KEPT)


def _cost(turn: Turn, before: str, after: str) -> str:
    if not turn.read and not turn.written:
        return ""
    return f"{before}read {turn.read:,} tokens, wrote {turn.written:,}{after}"
