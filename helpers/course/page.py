"""The report as one HTML page that needs no network: the ledger, the lessons, and their figures.

Knows HTML and how to take pictures out of executed notebooks. Knows nothing about how a claim is judged.
Nothing from the data reaches the page unescaped.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from helpers.course import shell
from helpers.course.results import CONTRADICTED, DISAGREES, MARKS, SLIPPED, measured, verdict_words
from helpers.figures import short
from helpers.lesson.page import escape
from helpers.settings import CourseError

# --- figures from executed notebooks ------------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """A picture as a data address, and what it shows."""

    source: str
    alt: str


class _Images(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Figure] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        source = _picture_address(values.get("src") or "") if tag == "img" else None
        if source:
            self.found.append(Figure(source, values.get("alt") or ""))


def _picture_address(text: str) -> str | None:
    """`text` if it is a base64 PNG, JPEG or GIF data address and nothing else."""
    for kind in ("png", "jpeg", "gif"):
        prefix = f"data:image/{kind};base64,"
        if text.startswith(prefix):
            try:
                base64.b64decode(text[len(prefix) :], validate=True)
            except (binascii.Error, ValueError):
                return None
            return text
    return None


def images_in(markup: str) -> list[Figure]:
    """The embedded pictures of a piece of HTML."""
    parser = _Images()
    parser.feed(markup)
    return parser.found


def figures(executed: Any) -> list[Figure]:
    """The pictures that an executed notebook's cells show, in order and each once.

    Pictures inside a widget's static stand-in count too.
    """
    found: list[Figure] = []
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            markup = data.get("text/html", "")
            found += images_in(markup if isinstance(markup, str) else "".join(markup))
            if "image/png" in data and not markup:
                source = _picture_address("data:image/png;base64," + "".join(data["image/png"].split()))
                if source:
                    found.append(Figure(source, str(data.get("text/plain", ""))))
    return list(dict.fromkeys(found))


# --- the page -----------------------------------------------------------------------------------------------

#: Whatever a page shows from data, it runs no script and asks nobody for anything.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; }
p { margin: .35rem 0; }
.soft { color: var(--soft); }
.good { color: var(--good); } .bad { color: var(--bad); } .odd { color: var(--odd); }
.state { display: inline-block; padding: .15rem .7rem; border-radius: 1rem; border: 1.5px solid;
  font-weight: 600; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .55rem .75rem; text-align: left; vertical-align: top; }
thead th { font-size: .82rem; color: var(--soft); font-weight: 600; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
thead th.number { text-align: right; }
tbody th { font-weight: 500; min-width: 17rem; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.verdict { font-weight: 600; white-space: nowrap; }
small { color: var(--soft); font-weight: 400; display: block; }
.values { display: block; width: 11rem; height: 1.5rem; margin-top: .2rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); gap: 1rem;
  align-items: start; }
figure, p { overflow-wrap: anywhere; }
figure { margin: 0; padding: .75rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; }
figure img { max-width: 100%; height: auto; display: block; background: #fff; border-radius: .25rem; }
.state-of { white-space: nowrap; }
.lead { font-size: 1.15rem; font-weight: 600; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
svg.wide { width: 100%; max-width: 46rem; height: auto; display: block; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: 1rem; }
.cards figure img { max-width: 12rem; }
figcaption { font-size: .88rem; color: var(--soft); margin-top: .5rem; }
"""


def write(report: dict[str, Any], notebooks: dict[str, Any], build_dir: Path) -> None:
    """Write ``report.html`` into `build_dir`, with the figures of the executed notebooks (by lesson)."""
    figures_of = {lesson: figures(notebook) for lesson, notebook in notebooks.items()}
    (build_dir / "report.html").write_text(page(report, figures_of), encoding="utf-8")


def _values_picture(claim: dict[str, Any]) -> str:
    """A small drawing of one claim: a tick per seed, the interval as a bar, the mean as a diamond."""
    values = [value for value in claim.get("values") or [] if math.isfinite(value)]
    ends = [*values, *(claim[key] for key in ("low", "high") if claim.get(key) is not None)]
    if claim.get("mean") is None or len(set(ends)) < 2:
        return ""
    low, high = min(ends), max(ends)

    def place(value: float) -> str:
        return f"{6 + 164 * (value - low) / (high - low):.1f}"

    ticks = "".join(f'<path d="M{place(v)} 4v8" stroke="currentColor" opacity=".45"/>' for v in values)
    bar = ""
    if claim.get("low") is not None and claim.get("high") is not None:
        line = f"M{place(claim['low'])} 17H{place(claim['high'])}"
        bar = f'<path d="{line}" stroke="var(--accent)" stroke-width="3"/>'
    mean = f'<path d="M{place(claim["mean"])} 12l5 5-5 5-5-5z" fill="var(--accent)"/>'
    label = (
        f"{len(values)} seeds from {short(min(values))} to {short(max(values))}, {measured(claim)}"
        if values
        else ""
    )
    attributes = f'class="values" viewBox="0 0 176 24" fill="none" role="img" aria-label="{escape(label)}"'
    return f"<svg {attributes}>{ticks}{bar}{mean}</svg>"


_CLASSES = {CONTRADICTED: "bad", DISAGREES: "bad", SLIPPED: "odd"}


def _claim_row(claim: dict[str, Any]) -> str:
    cls = _CLASSES.get(
        claim["judged"], "good" if claim["verdict"] == "holds" else "odd" if claim["verdict"] else "soft"
    )
    rule = f"<small>holds when {escape(claim['rule'])}</small>" if claim.get("rule") else ""
    return (
        f"<tr><th scope='row'>{escape(claim['statement'])}<small>{escape(claim['id'])}</small></th>"
        f"<td>{escape(', '.join(claim['talk'] or []) or '–')}</td><td>{escape(claim['scope'])}</td>"
        f"<td>{escape(claim['prediction'])}</td>"
        f"<td>{escape(measured(claim))}{_values_picture(claim)}</td>"
        f"<td class='verdict {cls}'>{escape(verdict_words(claim))}{rule}</td></tr>"
    )


def _lesson_row(lesson: dict[str, Any]) -> str:
    cls = {"passed": "good", "failed": "bad"}.get(lesson["status"], "odd")
    problem = f"<small>{escape(lesson['problem'])}</small>" if lesson["problem"] else ""
    return (
        f"<tr><th scope='row'>{escape(lesson['id'])} · {escape(lesson['title'])}{problem}</th>"
        f"<td class='verdict {cls}'>{MARKS[lesson['status']]} {escape(lesson['status'])}</td>"
        f"<td class='number'>{lesson['seconds']:.0f}</td><td class='number'>{lesson['peak_mb']:.0f}</td>"
        f"<td class='number'>{len(lesson['claims'])}</td></tr>"
    )


def table(head: Sequence[str], rows: Sequence[str], caption: str, numbers: Sequence[str] = ()) -> str:
    """A table with a row of headings; those in `numbers` stand above columns of numbers."""
    cells = "".join(
        f"<th scope='col' class='{'number' if cell in numbers else 'text'}'>{escape(cell)}</th>"
        for cell in head
    )
    # A region that scrolls sideways must be reachable with the keyboard.
    return (
        f"<div class='scroll' role='region' aria-label='{escape(caption)}' tabindex='0'>"
        f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _figure(figure: Figure) -> str:
    return (
        f"<figure><img src='{escape(figure.source)}' alt='{escape(figure.alt)}' loading='lazy'>"
        f"<figcaption aria-hidden='true'>{escape(figure.alt)}</figcaption></figure>"
    )


def _facts(report: dict[str, Any]) -> str:
    facts = report["machine"]
    return ", ".join(
        [
            f"{report['seconds']:.0f} s",
            f"{facts['cores']} cores",
            f"{facts['memory_mb'] / 1024:.0f} GB",
            f"{facts['system']} {facts['architecture']}",
            f"Python {facts['python']}",
            f"torch {facts['torch']}",
            f"tier {report['tier']}",
            f"COURSE_SEED {report['course_seed']}",
            f"course version {report['version']}",
        ]
    )


def page(report: dict[str, Any], figures_of: dict[str, list[Figure]]) -> str:
    """The report as one self-contained HTML page. Nothing from the data reaches it unescaped."""
    claims = [claim for lesson in report["lessons"] for claim in lesson["claims"]]
    state = (
        "<span class='state good'>✔ all lessons passed</span>"
        if report["ok"]
        else "<span class='state bad'>✘ failed</span>"
    )
    parts = [
        f"<h1>{escape(report['course'])}: what this run found</h1>",
        f"<p>{state}</p><p class='soft'>{escape(_facts(report))}</p>",
    ]
    parts += [f"<p class='bad'>✘ {escape(problem)}</p>" for problem in report["problems"]]
    parts.append("<h2>The ledger</h2>")
    if claims:
        head = ["claim", "talk", "scope", "prediction", "measured, 95% interval", "verdict"]
        parts.append(table(head, [_claim_row(claim) for claim in claims], "The ledger"))
        parts.append(
            "<p class='soft'>Verdicts come from the interval (Student t over seeds), not from the mean. "
            "In the small drawings: ticks are seeds, the bar is the interval, the diamond the mean.</p>"
        )
    else:
        parts.append("<p>These lessons recorded no claim.</p>")
    parts.append("<h2>The lessons</h2>")
    rows = [_lesson_row(lesson) for lesson in report["lessons"]]
    numbers = ["seconds", "peak MB", "claims"]
    parts.append(table(["lesson", "status", *numbers], rows, "The lessons", numbers))
    for lesson in report["lessons"]:
        pictures = figures_of.get(lesson["id"], [])
        if pictures:
            parts.append(f"<h2>Figures of {escape(lesson['id'])} · {escape(lesson['title'])}</h2>")
            parts.append(f"<div class='figures'>{''.join(map(_figure, pictures))}</div>")
    return document(f"{report['course']}: report", "\n".join(parts))


def document(title: str, body_html: str, head_html: str = "") -> str:
    """A whole page in the course's look, light and dark, that needs nothing but itself.

    Args:
        title: plain text; escaped here.
        body_html: HTML that is already safe.
        head_html: the same, for the page's head.
    """
    head = f"<meta http-equiv='Content-Security-Policy' content=\"{_POLICY}\">\n{head_html}"
    return shell.document(title, _STYLE, f"<main>\n{body_html}\n</main>", head=head)


def save(path: Path, text: str) -> None:
    """Write a page in one step, so that a browser that loads it meanwhile never gets half of one.

    Raises:
        CourseError: if it cannot be written.
    """
    made = path.with_name(f".{path.name}-{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(text, encoding="utf-8")
        made.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            made.unlink()
        raise CourseError(
            f"{path} cannot be written ({error.strerror or error}); make room there or unlock that folder, "
            "then do the same again."
        ) from error
