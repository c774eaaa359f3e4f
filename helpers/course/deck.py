"""Which parts of an executed lesson become slides, in which order: one rule for every lesson.

Knows a lesson's anatomy: what its headings, cards and outputs look like. Knows nothing about how a slide is
drawn, and leaves how much text fits on one to :mod:`helpers.course.slide_text`. The rule, from
first to last slide:

- the title with its question, the objectives, each prediction with its choices;
- for every section of the core: its heading with the first sentences below it (and their list or formulas),
  each figure with the sentence that reads it, each formula, exercise card (the task alone) and claim, and its
  first small table if it has no figure;
- the quiz (each answer on the slide after its question), recap, limits, cost;
- everything under *Dig deeper*, by the same rule, as slides to fall back on.

Whatever a slide leaves out of the prose goes to its notes. Text out of outputs is parsed and escaped again.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any

from helpers.course.page import Figure, images_in
from helpers.course.shell import markdown_html
from helpers.course.slide_text import (
    LARGE,
    LINES,
    blocks,
    first_sentences,
    inline,
    last_sentence,
    lines_of,
    pages_of,
    sentences,
)
from helpers.lesson.page import escape
from helpers.manifest import LessonEntry

LEAD, READING = 380, 250  # characters: of a section's first sentences, and of those that read a figure
CODE_LINES = 9  # of a cell that the sentence before it announces
CLAIM_LINES = 15.5
STATEMENT, MEASURED = 42, 30  # characters in a line of a claim's columns
WIDE = 120  # characters: a formula from here on is broken where it has a gap
TABLE_ROWS, TABLE_COLUMNS, TABLE_CHARACTERS = 8, 5, 420  # the largest table that is shown


@dataclass
class Slide:
    """One slide.

    Attributes:
        kind: "title", "text", "figure", "claims", "table", "exercise", "question", "answer" or "part".
        title: safe HTML, inline.
        body: safe HTML; of a figure, what reads it.
        figure: the picture, of a figure only.
        notes: Markdown for the speaker, one entry a paragraph.
        claims: verdict, statement and measured value of each, until a table is made of them.
    """

    kind: str
    title: str
    body: str = ""
    figure: Figure | None = None
    notes: list[str] = field(default_factory=list)
    claims: list[tuple[str, str, str]] = field(default_factory=list)


def deck(entry: LessonEntry, executed: Any, following: LessonEntry | None) -> list[Slide]:
    """The slides of one executed solution."""
    made = _Deck(entry)
    for cell in executed.cells:
        if cell.cell_type == "markdown":
            made.prose(cell.source, cell.metadata.get("tags", []))
        else:
            made.code(cell)
    made.end_section()
    last = _last(entry, following)
    return _tidied([*made.opening, *made.core, *made.quiz, *made.ending, *last, *made.backup])


# --- outputs ------------------------------------------------------------------------------------------------


class _Output(HTMLParser):
    """The text of a card, a prediction or a table of the course: what is strong, lines, rows and caption."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.strong: list[str] = []
        self.lines: list[str] = [""]
        self.rows: list[list[str]] = []
        self.caption = ""
        self._inside: list[str] = []
        self.feed(markup)
        self.lines = [line.strip() for line in self.lines if line.strip()]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("br", "li", "div", "p"):
            self.lines.append("")
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        elif tag == "strong":
            self.strong.append("")
        if tag not in ("br", "img", "source"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "caption" in self._inside:
            self.caption += data
        elif self._inside and ("td" in self._inside or "th" in self._inside):
            self.rows[-1][-1] += data
        elif "strong" in self._inside:
            self.strong[-1] += data
        else:
            self.lines[-1] += data


def _html_of(output: Any) -> str:
    markup = output.get("data", {}).get("text/html", "")
    return markup if isinstance(markup, str) else "".join(markup)


def _claim(card: _Output) -> tuple[str, str, str] | None:
    """Verdict, statement and measured value of a claim's card; None for another card."""
    match = re.match(
        r"(?:Claim, (holds|fails|inconclusive)|(Forecast)): (.*)", (card.strong or [""])[0], re.S
    )
    if not match:
        return None
    measured = next((line for line in card.lines if re.match(r"Measured over|Illustrated by", line)), "")
    return match[1] or "forecast", match[3].strip(), measured.partition(": ")[2]


_MARKS = {
    "holds": ("✔", "good"),
    "fails": ("✘", "bad"),
    "inconclusive": ("?", "odd"),
    "forecast": ("○", "soft"),
}


def _claim_slides(slide: Slide) -> list[Slide]:
    """A slide with claims as one with their table, or as several if they are many."""
    pages: list[list[str]] = [[]]
    taken = 0.0
    for verdict, statement, measured in slide.claims:
        lines = max(math.ceil(len(statement) / STATEMENT), math.ceil(len(measured) / MEASURED)) + 0.45
        if pages[-1] and taken + lines > CLAIM_LINES:
            pages.append([])
            taken = 0.0
        mark, cls = _MARKS[verdict]
        pages[-1].append(
            f"<tr><td class='verdict {cls}'>{mark} {verdict}</td><td>{escape(statement)}</td>"
            f"<td>{escape(measured)}</td></tr>"
        )
        taken += lines
    head = "<thead><tr><th>verdict</th><th>claim</th><th>measured, 95% interval</th></tr></thead>"
    size = "medium" if len(pages) == 1 and taken < LARGE else "small"

    def body(rows: list[str]) -> str:
        return f"<div class='{size}'><table>{head}<tbody>{''.join(rows)}</tbody></table></div>"

    notes = [slide.notes, *([] for _ in pages[1:])]  # told with the first page
    return [
        replace(slide, body=body(rows), claims=[], notes=said)
        for rows, said in zip(pages, notes, strict=True)
    ]


def _tidied(slides: list[Slide]) -> list[Slide]:
    """Claims that follow each other in one table; a figure that nothing reads is read by its alternative."""
    merged: list[Slide] = []
    for slide in slides:
        before = merged[-1] if merged else None
        if before and slide.claims and before.claims and before.title == slide.title:
            before.claims += slide.claims
            before.notes += slide.notes
            continue
        if slide.figure and not slide.body:
            slide.body = f"<p>{escape(first_sentences(slide.figure.alt, READING))}</p>"
        merged.append(slide)
    return [page for slide in merged for page in (_claim_slides(slide) if slide.claims else [slide])]


def _small_table(read: _Output) -> str | None:
    """A table's HTML if it is small enough to be read from the last row of a room."""
    rows = read.rows
    characters = sum(len(cell) for row in rows for cell in row)
    wide = max((len(row) for row in rows), default=0)
    if not rows or len(rows) > TABLE_ROWS or wide > TABLE_COLUMNS or characters > TABLE_CHARACTERS:
        return None
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    caption = first_sentences(read.caption, 150)
    named = f"<caption>{escape(caption)}</caption>" if caption else ""
    size = (
        "large" if characters < TABLE_CHARACTERS / 3 else "medium" if len(rows) < TABLE_ROWS - 1 else "small"
    )
    return (
        f"<div class='{size}'><table>{named}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


# --- the rule -----------------------------------------------------------------------------------------------


class _Deck:
    """The slides so far, and where in the lesson we are."""

    def __init__(self, entry: LessonEntry) -> None:
        self._entry = entry
        self.opening: list[Slide] = []
        self.core: list[Slide] = []
        self.quiz: list[Slide] = []
        self.ending: list[Slide] = []
        self.backup: list[Slide] = []
        self._into = self.core  # where a section's slides go now
        self._title = ""  # of the section or subsection, as HTML
        self._lead: list[tuple[str, str]] | None = (
            None  # blocks below a heading, until a slide is made of them
        )
        self._lead_notes: list[str] = []
        self._section = False  # whether that heading is a section's
        self._unread: Slide | None = None  # the last figure, as long as nothing has read it
        self._drawn_here = False  # whether that is the present cell's
        self._reads = True  # whether the present prose may read it
        self._announced = ""  # the last sentence of the prose before, if it announces a cell
        self._exercises: set[str] = set()  # whose answers no slide shows
        self._table: tuple[int, Slide] | None = (
            None  # a section's first small table, and where it would stand
        )
        self._has_figure = False

    # --- prose ---

    def prose(self, text: str, tags: Iterable[str] = ()) -> None:
        """Take in a Markdown cell; one tagged ``slide-note`` never reads the figure before it."""
        found = blocks(text)
        if found and found[0][0] == "title":
            self._open(found)
            return
        self._close_lead()
        self._reads = "slide-note" not in tags
        before = ""  # the paragraph before, in this cell
        for (kind, block), (after, _) in zip(found, [*found[1:], ("", "")], strict=True):
            if kind in ("section", "subsection"):
                self._heading(kind, re.sub(r"^#+ ", "", block))
            elif self._into is self.ending:
                self._end(kind, block)
            elif kind == "quote":
                self._exercise(block)
            elif kind == "formula":
                self._formula(block, before)
            elif kind != "rule":
                self._text(kind, block, after)
            before = block if kind == "paragraph" else ""
        self._announced = last_sentence(before) if before.endswith(":") else ""
        self._unread = None if found else self._unread

    def _open(self, found: list[tuple[str, str]]) -> None:
        """The first cell: title, question and objectives."""
        skipped = ("≈ ", "This is the solution", "[Open in")
        rest = [(kind, block) for kind, block in found[1:] if not block.startswith(skipped)]
        question = next((block for kind, block in rest if kind == "paragraph"), "")
        facts = f"{self._entry.minutes_core} minutes for the core, {self._entry.minutes_full} for everything"
        body = markdown_html(question) + f"<p class='soft'>{facts}</p>"
        prose = [block for kind, block in rest[1:] if kind == "paragraph" and not block.endswith(" can")]
        self.opening.append(Slide("title", escape(self._entry.heading), body, notes=prose))
        goals = [block for block in rest if block[0] == "list"]
        self.opening += [Slide("text", "After this lesson you can", page) for page in pages_of(goals)]

    def _heading(self, kind: str, heading: str) -> None:
        self._end_lead()
        if kind == "section":
            self.end_section()
            if heading in ("Quiz", "Recap"):
                self._into = self.ending
            elif heading == "Dig deeper":
                self._into = self.backup
                self.backup.append(Slide("part", "Dig deeper", "<p>Slides to fall back on.</p>"))
        self._title = inline(heading)
        self._lead, self._lead_notes = [], []
        self._section = kind == "section"
        self._unread = None

    def _text(self, kind: str, block: str, after: str) -> None:
        """A paragraph, list, table or code: part of the lead, the reading of a figure, or a note.

        Args:
            after: the kind of the next block of the cell.
        """
        joined = " ".join(block.splitlines())
        said = sentences(joined)
        if joined.endswith(":") or after == "formula":
            said = said[:-1] if len(said) > 2 else []  # what announces the next thing reads nothing
        if said and said[0].endswith("?"):
            said = []  # it asks about what comes
        if self._lead is not None and kind in ("paragraph", "list", "code"):
            if kind != "paragraph":
                self._lead.append((kind, block))
                return
            self._lead_notes.append(joined)
            if not self._lead:
                shown = first_sentences(joined, LEAD)
                if (
                    shown.endswith(":")
                    and after not in ("list", "code", "formula")
                    and len(sentences(shown)) > 1
                ):
                    shown = " ".join(sentences(shown)[:-1])  # it comes with the cell that it announces
                self._lead.append((kind, shown))
            elif joined.startswith("**"):  # one of several things that the lead announces
                self._lead.append((kind, first_sentences(joined, LEAD // 2)))
            return
        if kind == "paragraph" and self._unread is not None and said and self._reads:
            self._unread.body = markdown_html(first_sentences(" ".join(said), READING))
            self._unread.notes.append(joined)
            self._unread = None
        elif kind == "table" and lines_of(kind, block) <= LINES:
            self._close_lead()
            self._into += [Slide("table", self._title, page) for page in pages_of([(kind, block)])]
        elif self._lead is not None:  # a table that no slide holds, and what announces it
            if self._lead and not re.search(r"[.!?…]\W*$", self._lead[-1][1]):
                self._lead.pop()
            if not self._lead:
                self._lead.append(("paragraph", "The table stands in the notebook."))
            self._lead_notes.append(block)
        elif self._into:
            self._into[-1].notes.append(block if kind != "paragraph" else joined)

    def _formula(self, block: str, before: str) -> None:
        """A formula with the sentence that leads to it; one that is wide in as many lines as it has parts."""
        joined = " ".join(before.splitlines())
        leads = [("paragraph", text) for text in sentences(joined) if not text.startswith("(")][-1:]
        if self._lead is None:
            self._lead, self._lead_notes = leads, [joined] * bool(joined)
        elif not self._lead or self._lead[-1][0] == "formula":
            self._lead += leads
        parts = block.strip("$ ").split("\\qquad") if len(block) > WIDE else [block.strip("$ ")]
        self._lead += [("formula", f"$${part.strip()}$$") for part in parts]

    def _close_lead(self) -> None:
        """Make slides of what stood below a heading; one that has no words yet waits for the next cell's."""
        if not self._lead:
            return
        found, self._lead = self._lead, None
        for number, page in enumerate(pages_of(found)):
            notes = self._lead_notes if number == 0 else []
            self._into.append(Slide("text", self._title, page, notes=list(notes)))

    def _end_lead(self) -> None:
        """The same where no more words can come: a section that has none shows its heading alone."""
        self._close_lead()
        if self._lead is None:
            return
        self._lead = None
        if self._section and self._into is self.core:
            self._into.append(Slide("part", self._title, notes=list(self._lead_notes)))
        elif self._into:
            self._into[-1].notes += self._lead_notes

    def _add(self, *slides: Slide) -> None:
        """Add slides after what stood below the heading."""
        self._end_lead()
        self._into += slides

    def _exercise(self, block: str) -> None:
        lines = [line.lstrip(">").strip() for line in block.splitlines()]
        self._exercises |= set(re.findall(r"`(\w+)`", lines[0]))
        task = [line for line in lines[1:] if not line.startswith("<details>")]
        title = inline(lines[0].replace("**", ""))
        pages = pages_of(blocks("\n".join(task)))
        titles = [title, *[f"{title} (continued)"] * (len(pages) - 1)]
        self._add(*(Slide("exercise", *both) for both in zip(titles, pages, strict=True)))

    def _end(self, kind: str, block: str) -> None:
        """Recap, limits and references."""
        bold = re.match(r"\*\*(Limits[^*]*)\*\*\s*", block)
        if bold:
            pages = pages_of([("paragraph", " ".join(block[bold.end() :].splitlines()))])
            self.ending += [Slide("text", escape(bold[1].rstrip(".")), page) for page in pages]
        elif block.startswith("**References"):
            self.ending[-1].notes.append(block)
        elif kind in ("list", "paragraph"):
            self._lead = None
            self.ending += [Slide("text", self._title, page) for page in pages_of([(kind, block)])]

    # --- outputs ---

    def code(self, cell: Any) -> None:
        """Take in a code cell with its outputs."""
        quiz = re.search(r'^\s*lesson\.quiz\("recap"\)', cell.source, re.M)
        if quiz:
            self.quiz += _quiz(self._entry)
            return
        if re.search(r"^\s*lesson\.recap\(", cell.source, re.M):
            return
        self._show_code(cell.source)
        claims, asked = [], []
        self._drawn_here = False
        widget = re.search(r"^\s*lesson\.widget\(", cell.source, re.M)
        for output in cell.get("outputs", []):
            markup = _html_of(output)
            read = _Output(markup)
            claim = _claim(read)
            if claim:
                claims.append(claim)
            elif read.strong and read.strong[0].startswith("Your prediction: "):
                asked.append(read)
            elif widget and markup:
                self._widget(read, markup)
            elif images_in(markup):
                self._figure(images_in(markup)[0])
            elif read.rows and self._table is None and (small := _small_table(read)):
                self._table = len(self._into), Slide("table", self._title, small)
            elif "text/markdown" in output.get("data", {}):
                self._said("".join(output.data["text/markdown"]))
        if asked:
            self._add(*map(_prediction, asked))
        if claims:
            self._add(Slide("claims", f"What we found: {self._title}", claims=claims))

    def _show_code(self, code: str) -> None:
        """A few lines that the sentence before announces, unless they answer an exercise."""
        announced, self._announced = self._announced, ""
        lines = code.strip().splitlines()
        exercise = any(f"def {name}(" in code for name in self._exercises)
        draws = re.search(r"\b(lesson|plots)\.", code)
        if announced and len(lines) <= CODE_LINES and not exercise and not draws:
            fresh = self._lead is None
            self._lead = [] if fresh else self._lead
            self._lead_notes = [] if fresh else self._lead_notes
            if not self._lead or self._lead[-1][1] != announced:
                self._lead.append(("paragraph", announced))
            self._lead.append(("code", f"```\n{code.strip()}\n```"))
        self._close_lead()

    def _figure(self, figure: Figure) -> None:
        self._unread = Slide("figure", self._title, figure=figure)
        self._add(self._unread)
        self._drawn_here = self._has_figure = True

    def _widget(self, read: _Output, markup: str) -> None:
        pictures = images_in(markup)
        label = read.strong[0] if read.strong else (read.lines or [""])[0]
        title = f"In the notebook: {self._title}"
        self._unread = None
        slide = Slide("figure" if pictures else "text", title, f"<p>{escape(label)}</p>")
        slide.figure = pictures[0] if pictures else None
        self._add(slide)

    def _said(self, text: str) -> None:
        """A sentence with computed numbers: it reads the figure of its own cell, and is a note elsewhere."""
        text = re.sub(r"</?span[^>]*>", "", text)
        if self._unread is not None and self._drawn_here:
            self._unread.body = markdown_html(first_sentences(text, READING))
            self._unread = None
        elif self._lead is not None:
            self._lead_notes.append(text)
        elif self._into:
            self._into[-1].notes.append(text)

    def end_section(self) -> None:
        """A section without a figure shows its first small table, where that stood."""
        self._end_lead()
        if self._table and not self._has_figure:
            index, slide = self._table
            self._into.insert(index, slide)
        self._table, self._has_figure = None, False


def _prediction(read: _Output) -> Slide:
    question = read.strong[0].removeprefix("Your prediction: ")
    choices = [line for line in read.lines if line not in ("●",)]
    if len(choices) == 1:
        body = f"<p>{escape(choices[0])}</p>"
    else:
        body = "<ul>" + "".join(f"<li>{escape(choice)}</li>" for choice in choices) + "</ul>"
    return Slide(
        "question", "Your guess, before we measure", f"<p class='asked'>{escape(question)}</p>{body}"
    )


def _quiz(entry: LessonEntry) -> list[Slide]:
    """Two slides a question: the question with its choices, and the same with the answer."""
    questions = importlib.import_module(f"helpers.exercises.e{entry.name}").QUIZZES["recap"]
    slides = []
    for number, question in enumerate(questions, start=1):
        title = f"Quiz, {number} of {len(questions)}"
        choices = "".join(f"<li>{escape(choice)}</li>" for choice in question.choices)
        asked = f"<p class='asked'>{escape(question.text)}</p>"
        slides.append(Slide("question", title, f"{asked}<ol class='choices'>{choices}</ol>"))
        answer = f"<p class='right'>✔ {escape(question.right)}</p><p>{escape(question.explanation)}</p>"
        slides.append(Slide("answer", f"{title}: the answer", f"{asked}{answer}"))
    return slides


def _last(entry: LessonEntry, following: LessonEntry | None) -> list[Slide]:
    """What it costs and what comes next."""
    rows = [
        f"<li>Core: {entry.minutes_core} minutes; with everything: {entry.minutes_full}.</li>",
        f"<li>One run of the notebook: planned for {entry.seconds:g} s and {entry.peak_mb:g} MB at most, "
        "on two processor cores.</li>",
    ]
    if following:
        rows.append(f"<li>Next: <strong>{escape(following.heading)}</strong>.</li>")
    return [Slide("text", "Cost, and what comes next" if following else "Cost", f"<ul>{''.join(rows)}</ul>")]
