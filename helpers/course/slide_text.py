"""Markdown in pieces that fit a slide: its sentences, its blocks, and as many pages as they need.

Knows Markdown, and how much of it a slide holds. Knows nothing about lessons, nor about what is worth
showing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from helpers.course.shell import markdown_html

LINES = 13.5  # of text below a title, at its smallest size
LARGE, MEDIUM = 7.0, 9.5  # a page of at most so many lines is set larger
WIDTH = 78  # characters in a line
SHORT = 45  # characters of a sentence that does not say enough by itself

_SENTENCE_END = re.compile(r"[.!?…][\"”’)\]*_]*\s+(?=[\"“(\[*_`$]*[A-Z0-9])")
_SHORTENED = ("al.", "e.g.", "i.e.", "vs.", "cf.")


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph of Markdown; marks, formulas and brackets stay whole."""
    found, begin = [], 0
    for match in _SENTENCE_END.finditer(text):
        said = text[begin : match.end()].strip()
        whole = all(said.count(mark) % 2 == 0 for mark in ("**", "`", "$", '"')) and all(
            said.count(left) == said.count(right) for left, right in ("()", "“”")
        )
        if whole and not said.endswith(_SHORTENED):
            found.append(said)
            begin = match.end()
    rest = text[begin:].strip()
    return found + [rest] * bool(rest)


def last_sentence(text: str) -> str:
    return sentences(" ".join(text.splitlines()))[-1]


def first_sentences(text: str, limit: int) -> str:
    """As many sentences as stay within `limit` characters, one at least; a very short one is not enough."""
    kept = ""
    for sentence in sentences(text):
        if len(kept) > SHORT and len(kept) + len(sentence) > limit:
            break
        kept = f"{kept} {sentence}".strip()
    return kept


def blocks(text: str) -> list[tuple[str, str]]:
    """The blocks of a Markdown cell, as (kind, text), split at empty lines but inside code."""
    found: list[tuple[str, str]] = []
    for chunk in re.split(r"\n\s*\n", text.strip()):
        if found and found[-1][0] == "code" and found[-1][1].count("```") == 1:
            found[-1] = ("code", f"{found[-1][1]}\n\n{chunk}")
            continue
        # A heading, a quotation, a list or a table may follow a paragraph without an empty line.
        for part in _parts(chunk.splitlines()):
            found.append((_kind(part), part))
    return found


def _kind(text: str) -> str:
    first = text.lstrip()
    for kind, pattern in [
        ("section", r"## "),
        ("subsection", r"###+ "),
        ("title", r"# "),
        ("code", r"```"),
        ("quote", r">"),
        ("list", r"(- |\d+\. )"),
        ("table", r"\|"),
        ("formula", r"\$\$"),
        ("rule", r"---+\s*$"),
    ]:
        if re.match(pattern, first):
            return kind
    return "paragraph"


def _parts(lines: list[str]) -> Iterator[str]:
    part: list[str] = []
    for line in lines:
        heading = line.startswith("#")
        if part and (heading or part[-1].startswith("#") or line.strip() == "---"):
            yield "\n".join(part)
            part = []
        part.append(line)
    if part:
        yield "\n".join(part)


def _length(text: str) -> int:
    """About how many characters Markdown takes when it is drawn."""
    text = re.sub(
        r"\$([^$]*)\$", lambda m: "x" * max(1, len(re.sub(r"\\[a-zA-Z]+", "o", m[1])) * 2 // 3), text
    )
    return len(re.sub(r"[*`_]|\\|&#\d+;", "", text))


def lines_of(kind: str, text: str) -> float:
    """About how many lines a block takes on a slide."""
    if kind == "formula":
        return 3.0 if "\\frac" in text or "\\sum" in text or "\\max" in text else 1.9
    if kind == "list":
        items = re.split(r"\n(?=- |\d+\. )", text)
        return sum(math.ceil(_length(item) / (WIDTH - 4)) + 0.3 for item in items) + 0.4
    if kind == "code":
        return text.count("\n") * 1.1
    if kind == "table":
        return sum(
            max(1, math.ceil(_length(row) / 74)) + 0.6 for row in text.splitlines() if "---" not in row
        )
    return math.ceil(_length(text) / WIDTH) + 0.5


def _divided(kind: str, text: str) -> Iterator[tuple[str, str]]:
    """A block that is too long for a slide in parts that are not: a list's items, a paragraph's sentences."""
    if lines_of(kind, text) <= LINES or kind not in ("list", "paragraph"):
        yield kind, text
        return
    pieces = re.split(r"\n(?=- |\d+\. )", text) if kind == "list" else sentences(text)
    part = ""
    between = "\n" if kind == "list" else " "
    for piece in pieces:
        if part and lines_of(kind, part + between + piece) > LINES:
            yield kind, part
            part = ""
        part = f"{part}{between}{piece}" if part else piece
    yield kind, part


def pages_of(found: Iterable[tuple[str, str]]) -> list[str]:
    """Blocks as the HTML of as many slides as they need; a formula stays with the sentence before it."""
    pages: list[list[tuple[str, str]]] = [[]]
    for kind, text in (part for block in found for part in _divided(*block)):
        if pages[-1] and _taken(pages[-1]) + lines_of(kind, text) > LINES:
            paragraphs = [i for i, (before, _) in enumerate(pages[-1]) if before != "formula"]
            cut = max(paragraphs, default=0) if kind == "formula" else 0
            page = pages.pop()
            pages += [page[:cut], page[cut:]] if cut else [page, []]
        pages[-1].append((kind, text))
    return [_sized(page) for page in pages if page]


def _taken(page: list[tuple[str, str]]) -> float:
    return sum(lines_of(kind, text) for kind, text in page)


def _sized(page: list[tuple[str, str]]) -> str:
    """A page's HTML, the larger the less there is on it."""
    lines = _taken(page)
    size = "large" if lines <= LARGE else "medium" if lines <= MEDIUM else "small"
    text = "\n\n".join(text for _, text in page)
    return f"<div class='{size}'>{markdown_html(text)}</div>"


def inline(text: str) -> str:
    """Markdown of one line as HTML that may stand in a heading."""
    return re.sub(r"^<p>|</p>$", "", markdown_html(text).strip())
