"""Slides of every lesson, each a page of its own that needs no network: ``python -m helpers slides``.

Knows how a slide is drawn, turned and printed. Knows nothing about what is on it: that is
:mod:`helpers.course.deck`. The page scrolls from slide to slide without JavaScript, as in JupyterLab's
viewer before one trusts it; keys and the help are 40 lines on top. All lengths are in 1/720 of the
slide's height, so that a slide looks the same in a small frame and on a wall.
"""

from __future__ import annotations

import html
import math
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from helpers import settings
from helpers.course import build
from helpers.course.deck import Slide, deck
from helpers.course.page import save
from helpers.course.shell import document, markdown_html
from helpers.lesson.page import escape
from helpers.manifest import LessonEntry, load
from helpers.settings import CourseError

_STYLE = """
:root { --u: min(100vw / 1280, 100vh / 720); }
html { scroll-snap-type: y mandatory; font: calc(27 * var(--u))/1.4 system-ui, "Segoe UI", "Noto Sans",
  "DejaVu Sans", sans-serif; }
.slide { height: 100vh; scroll-snap-align: start; scroll-snap-stop: always; display: grid;
  place-content: center; position: relative; overflow: hidden; }
.stage { width: calc(1280 * var(--u)); height: calc(720 * var(--u)); position: relative; overflow: hidden;
  padding: calc(40 * var(--u)) calc(64 * var(--u)) calc(60 * var(--u)); display: flex; flex-direction: column;
  gap: calc(20 * var(--u)); background: var(--paper); }
.slide:focus { outline: none; } /* only where the keys are; what can be pressed shows its focus */
h1, h2 { font-size: calc(38 * var(--u)); line-height: 1.15; margin: 0; font-weight: 650;
  text-wrap: balance; flex: none; }
.body { min-height: 0; } .large { font-size: 1.3em; } .medium { font-size: 1.15em; }
.question .body, .answer .body { font-size: 1.12em; }
pre { margin: 0 0 .5em; } pre code { display: block; padding: .4em .6em; white-space: pre-wrap; }
p, ul, ol { margin: 0 0 .5em; } li { margin: 0 0 .3em; } ul, ol { padding-left: 1.3em; }
p:last-child, ul:last-child, ol:last-child { margin-bottom: 0; }
code { font: .92em ui-monospace, "DejaVu Sans Mono", monospace; background: color-mix(in srgb,
  var(--soft) 16%, transparent); padding: 0 .2em; border-radius: .2em; }
math { font-size: 1.12em; } .math.block { margin: .35em 0 .5em; }
.math.block math { font-size: 1.2em; }
.soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); }
.odd { color: var(--odd); }
.title .stage, .part .stage { justify-content: center; }
.title h1, .part h2 { font-size: calc(68 * var(--u)); }
.title .body { font-size: 1.3em; max-width: 32em; }
.title .body .soft { font-size: calc(26 * var(--u)); margin-top: 1.2em; }
.exercise .stage { border-left: calc(14 * var(--u)) solid var(--accent); }
.asked { font-weight: 600; font-size: 1.15em; margin-bottom: .9em; }
.choices { list-style: upper-alpha; } .choices li { margin-bottom: .6em; }
.right { color: var(--good); font-weight: 600; font-size: 1.1em; }
table { border-collapse: collapse; width: 100%; font-size: calc(24 * var(--u)); line-height: 1.32; }
.medium table { font-size: calc(28 * var(--u)); } .large table { font-size: calc(32 * var(--u)); }
caption { text-align: left; color: var(--soft); padding-bottom: .5em; }
th { text-align: left; font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--line); }
td { border-top: 1px solid var(--line); } th, td { padding: .25em .6em .25em 0; vertical-align: top; }
.claims td:nth-child(1) { width: calc(208 * var(--u)); font-weight: 600; white-space: nowrap; }
.claims td:nth-child(3) { width: calc(392 * var(--u)); }
.figure .body { display: flex; flex: 1; gap: calc(18 * var(--u)); flex-direction: column; align-items: center;
  justify-content: center; }
.figure .beside { flex-direction: row; gap: calc(28 * var(--u)); }
.picture { flex: none; background: #fff; border-radius: calc(6 * var(--u)); padding: calc(6 * var(--u)); }
.picture img { display: block; width: 100%; height: auto; }
.words { align-self: stretch; } .beside .words { flex: 1; align-self: center; }
.foot { position: absolute; right: calc(28 * var(--u)); bottom: calc(12 * var(--u)); display: flex;
  gap: .5em; align-items: center; color: var(--soft); font-size: calc(24 * var(--u)); line-height: 1.2; }
.foot a { color: inherit; text-decoration: none; padding: 0 .35em; border-radius: .2em; }
.notes { position: absolute; left: calc(28 * var(--u)); bottom: calc(10 * var(--u)); z-index: 2;
  font-size: calc(24 * var(--u)); line-height: 1.3; max-width: calc(1040 * var(--u)); }
.notes summary { color: var(--soft); cursor: pointer; width: max-content; padding: 0 .3em; list-style: none; }
.notes[open] { background: var(--card); border: 1px solid var(--line); border-radius: .4em; bottom:
  calc(6 * var(--u)); padding: .3em .6em; box-shadow: 0 0 calc(30 * var(--u)) #0004; }
.notes .said { max-height: calc(430 * var(--u)); overflow-y: auto; overscroll-behavior: contain; }
.notes code { font-size: 1em; } .notes h3 { font-size: 1em; margin: .6em 0 .2em; }
a:focus-visible, summary:focus-visible, .said:focus-visible, button:focus-visible {
  outline: calc(3 * var(--u)) solid var(--accent); outline-offset: 2px; }
dialog { font-size: calc(24 * var(--u)); border: 1px solid var(--line); border-radius: .4em;
  background: var(--card); color: var(--ink); max-width: 30em; }
dialog button { font: inherit; }
kbd { font: .9em ui-monospace, monospace; border: 1px solid var(--line); border-radius: .2em;
  padding: 0 .3em; }
@media (max-aspect-ratio: 1/1) and (max-width: 900px) {
  /* A phone held upright: slides become a page to read. */
  :root { --u: .62px; } html { scroll-snap-type: none; }
  .slide { height: auto; display: block; overflow: visible; border-bottom: 1px solid var(--line); }
  .stage { width: auto; height: auto; min-height: 12em; overflow: visible; padding: 1.2em 1.2em 3.2em; }
  .figure .beside { flex-direction: column; align-items: stretch; }
  .picture { width: auto !important; }
  table { display: block; overflow-x: auto; }
}
@media print {
  @page { size: 1280px 720px; margin: 0; }
  :root { color-scheme: light; --u: 1px; --ink: #1c2026; --soft: #5a6472; --line: #d8dde4; --paper: #fff;
    --card: #fff; --good: #00704f; --bad: #b3261e; --odd: #8a5a00; --accent: #0b6fb8; }
  html, body { background: #fff; } .slide { height: 720px; break-after: page; break-inside: avoid; }
  .slide:last-of-type { break-after: auto; }
  .notes, .foot a, dialog { display: none; }
}
"""

_SCRIPT = """
const slides = [...document.querySelectorAll('.slide')];
const help = document.querySelector('dialog');
const here = () => slides.reduce((best, slide, i) => Math.abs(slide.getBoundingClientRect().top)
  < Math.abs(slides[best].getBoundingClientRect().top) ? i : best, 0);
let wanted = null;
function go(index) {
  wanted = Math.max(0, Math.min(slides.length - 1, index));
  slides[wanted].focus({preventScroll: true});
  slides[wanted].scrollIntoView({behavior: 'instant'});
}
addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const inside = event.target.closest('a, summary, button, .said');
  const at = wanted !== null && Math.abs(slides[wanted].getBoundingClientRect().top) < 2 ? wanted : here();
  const move = {ArrowRight: at + 1, ArrowDown: at + 1, PageDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1,
    PageUp: at - 1, Home: 0, End: slides.length - 1, ' ': event.shiftKey ? at - 1 : at + 1}[event.key];
  const scrolls = inside?.matches('.said') && /Arrow(Up|Down)|Page/.test(event.key);
  if (inside && event.key === ' ' || scrolls) return;
  if (move !== undefined) { event.preventDefault(); go(move); }
  else if (event.key === '?') help.showModal();
  else if (event.key === 'n') {
    const notes = slides[at].querySelector('.notes');
    if (notes) notes.open = !notes.open;
  }
  else if (event.key === 'f') document.fullscreenElement ? document.exitFullscreen()
    : document.documentElement.requestFullscreen?.();
});
document.querySelectorAll('.foot a').forEach(link => link.addEventListener('click', event => {
  event.preventDefault(); go(slides.indexOf(document.querySelector(link.getAttribute('href')))); }));
"""

_HELP = (
    "<dialog aria-label='Keys'><p><kbd>→</kbd> <kbd>↓</kbd> <kbd>Space</kbd> next · "
    "<kbd>←</kbd> <kbd>↑</kbd> back · <kbd>Home</kbd> <kbd>End</kbd> first, last · "
    "<kbd>n</kbd> notes · <kbd>f</kbd> full screen · "
    "<kbd>?</kbd> this help</p><p>Printing gives one slide a page, without notes.</p>"
    "<form method='dialog'><button>Close</button></form></dialog>"
)


def page(entry: LessonEntry, slides: Sequence[Slide]) -> str:
    """The slides of one lesson as one HTML page."""
    drawn = [_section(slide, number, len(slides)) for number, slide in enumerate(slides, start=1)]
    body = f"<main>\n{''.join(drawn)}</main>\n{_HELP}"
    return document(f"{entry.heading}: slides", _STYLE, body, _SCRIPT)


def _section(slide: Slide, number: int, count: int) -> str:
    tag = "h1" if number == 1 else "h2"
    body, beside = slide.body, ""
    if slide.figure:
        width, beside, words = _layout(slide)
        picture = f"<img src='{escape(slide.figure.source)}' alt='{escape(slide.figure.alt)}'>"
        body = (
            f"<div class='picture' style='width:calc({width} * var(--u))'>{picture}</div>"
            f"<div class='words {words}'>{slide.body}</div>"
        )
    back = f"<a href='#s{number - 1}' aria-label='Slide before'>‹</a>" if number > 1 else ""
    on = f"<a href='#s{number + 1}' aria-label='Next slide'>›</a>" if number < count else ""
    fold, notes = "", "\n\n".join(filter(None, slide.notes))
    if notes:
        said = f"<div class='said' tabindex='0' role='region' aria-label='Notes'>{_notes_html(notes)}</div>"
        fold = f"<details class='notes'><summary>Notes</summary>{said}</details>"
    return (
        f"<section class='slide {slide.kind}' id='s{number}' tabindex='-1' "
        f"aria-label='Slide {number} of {count}'><div class='stage'><{tag}>{slide.title}</{tag}>"
        f"<div class='body{beside}'>{body}</div>"
        f"<div class='foot'>{back}<span>{number} / {count}</span>{on}</div>{fold}</div></section>\n"
    )


def _layout(slide: Slide) -> tuple[int, str, str]:
    """How wide the figure is drawn, the class of its slide, and that of its words.

    Words go where they leave the figure more room: below it or beside it. Below a flat figure they are large.
    """
    wide, high = _size(slide.figure.source)
    words = len(re.sub(r"<[^>]+>", "", slide.body))
    room = _ROOM[1] - (44 if len(re.sub(r"<[^>]+>", "", slide.title)) > 54 else 0)  # a title of two lines
    stacked = min(_ROOM[0], (room - _GAP - 38 * math.ceil(words / 70)) * wide / high)
    beside = min(_ROOM[0] * 0.69, room * wide / high)
    # In a column of 300 units long text would be higher than the slide.
    if beside > stacked and words < 260:
        return int(beside), " beside", "large" if words < 90 else ""
    return int(stacked), "", "large" if stacked * high / wide < room / 2 else ""


def _notes_html(text: str) -> str:
    """Notes, their headings all of one level below the slide's own."""
    return re.sub(r"<(/?)h[1-6]>", r"<\1h3>", markdown_html(text))


def _size(source: str) -> tuple[int, int]:
    """Width and height of a picture in a data address.

    Raises:
        OSError: if it is damaged.
    """
    import base64
    import io

    from PIL import Image

    return Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))).size


#: What a title of one line leaves for a figure and its words, and the gap between them.
_ROOM = (1140, 536)
_GAP = 34

_INDEX_STYLE = """
body { font: 18px/1.5 system-ui, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
a { color: var(--accent); } a:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
li { margin: .4rem 0; } .soft { color: var(--soft); }
"""


def _index(title: str, made: Sequence[tuple[LessonEntry, int]]) -> str:
    rows = "".join(
        f"<li><a href='{escape(entry.name)}.html'>{escape(entry.heading)}</a> "
        f"<span class='soft'>{count} slides</span></li>"
        for entry, count in made
    )
    about = "Keys: arrows, Space, Home, End; n for notes; ? for help. Printing gives one slide a page."
    body = f"<main><h1>{escape(title)}: slides</h1><p>{about}</p><ul>{rows}</ul></main>"
    return document(f"{title}: slides", _INDEX_STYLE, body)


def _guide(entry: LessonEntry, root: Path) -> str:
    """What the facilitator's guide says about a lesson, without its title; nothing where there is none.

    Raises:
        CourseError: if it is not text.
    """
    path = root / "classroom" / "guide" / f"{entry.id}.md"
    if not path.exists():
        return ""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise CourseError(f"classroom/guide/{path.name} is not UTF-8 text; save it as such.") from None
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.S)
    return re.sub(r"\A# .*\n", "", text).strip()


def _with_guide(slides: list[Slide], guide: str) -> list[Slide]:
    """The slides with the guide in their notes: all of it with the first, a section's or exercise's own rows
    of its tables with that."""
    rows = [
        [cell.strip() for cell in line.strip("| ").split(" | ")] for line in guide.splitlines() if "|" in line
    ]
    rows = [row for row in rows if len(row) == 3]
    told: set[str] = set()
    for slide in slides:
        title = html.unescape(re.sub(r"<[^>]+>", "", slide.title))
        if title in told:
            continue
        told.add(title)
        hints = []
        for first, second, third in rows:
            if title in second.split("; "):
                hints.append(f"**Minutes {first}.** {third}")
            elif slide.kind == "exercise" and set(re.findall(r"`(\w+)`", first)) & set(title.split()):
                hints.append(f"**Where it sticks:** {second}. {third}")
        slide.notes = hints + slide.notes
    slides[0].notes.append(guide)
    return slides


def _executed(entry: LessonEntry, root: Path) -> Any:
    import nbformat

    try:
        executed = nbformat.read(entry.solution(root), 4)
    except Exception:  # nbformat raises whatever its parts raise
        raise _unfit(entry, "is missing or cannot be read") from None
    if executed.metadata.get("course", {}).get("executed") != build.code_hash(executed):
        raise _unfit(entry, "was not executed since it has changed")
    return executed


def _unfit(entry: LessonEntry, why: str) -> CourseError:
    return CourseError(
        f"The solution of lesson {entry.id} {why}; run: python -m helpers lessons --execute {entry.id}"
    )


def lesson_page(entry: LessonEntry, root: Path = settings.ROOT) -> tuple[str, int]:
    """The page of one lesson's slides, from its executed solution, and how many there are.

    Raises:
        CourseError: if the solution cannot be read, has a damaged picture, or was not executed.
    """
    lessons = load(root).lessons
    position = lessons.index(entry)
    following = lessons[position + 1] if position + 1 < len(lessons) else None
    slides = _with_guide(deck(entry, _executed(entry, root), following), _guide(entry, root))
    try:
        return page(entry, slides), len(slides)
    except OSError:
        raise _unfit(entry, "holds a damaged picture") from None


def write(wanted: Iterable[str] = (), root: Path = settings.ROOT) -> list[tuple[LessonEntry, int]]:
    """Write the slides of lessons (all if none is named) and an index of all that are there.

    Returns the lessons written, with the number of their slides.

    Raises:
        CourseError: if a lesson is unknown, its solution cannot be read, or a page cannot be written; pages
            that were there before stay whole.
    """
    manifest = load(root)
    folder = root / "build" / "slides"
    written = []
    for entry in manifest.choose(wanted):
        text, count = lesson_page(entry, root)
        save(folder / f"{entry.name}.html", text)
        written.append((entry, count))
    there = [(entry, folder / f"{entry.name}.html") for entry in manifest.lessons]
    counted = [
        (entry, path.read_text(encoding="utf-8").count("<section ")) for entry, path in there if path.exists()
    ]
    save(folder / "index.html", _index(manifest.title, counted))
    return written


def show(number: str) -> None:
    """Show the slides of lesson `number` inside a notebook, from a file that is written now."""
    from IPython.display import IFrame, display

    entry, _count = write([number])[0]
    path = settings.ROOT / "build" / "slides" / f"{entry.name}.html"
    # Relative to the notebook: that is how Jupyter finds a file to show.
    display(IFrame(Path(os.path.relpath(path)).as_posix(), width="100%", height=500))


def run(wanted: Iterable[str] = ()) -> int:
    """Write slides into build/slides, and say where they are."""
    for entry, count in write(wanted):
        print(f"{entry.heading}: {count} slides")
    print(
        f"Open {os.path.join('build', 'slides', 'index.html')} in a browser, or a file of it in JupyterLab."
    )
    return 0
