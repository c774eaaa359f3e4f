"""Printable sheets from Markdown: ``python -m helpers sheets``.

Knows how a sheet is set for paper, A4 and Letter alike. Knows nothing about what is on it: that is written
in classroom/sheets.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from helpers import settings
from helpers.course.shell import document, markdown_html
from helpers.course.stick import explained
from helpers.settings import CourseError

LONG = 900  # words: more do not fit on one page

# The paper's size is the printer's; margins and type are such that a page of A4 is a page of Letter too.
_STYLE = """
body { font: 16px/1.45 system-ui, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 56rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
h1 { font-size: 1.6em; margin: 0 0 .4em; line-height: 1.2; }
h2 { font-size: 1.12em; margin: 1em 0 .3em; break-after: avoid; }
h3 { font-size: 1em; margin: .8em 0 .2em; break-after: avoid; }
p, ul, ol { margin: 0 0 .5em; } ul, ol { padding-left: 1.2em; } li { margin: .1em 0; }
code, pre { font: .92em ui-monospace, "DejaVu Sans Mono", monospace; }
code { background: color-mix(in srgb, var(--soft) 16%, transparent); padding: 0 .2em; border-radius: .2em; }
pre { white-space: pre-wrap; margin: 0 0 .5em; } pre code { display: block; padding: .3em .5em; }
table { border-collapse: collapse; width: 100%; margin: .3em 0 .7em; font-size: .95em; }
th, td { text-align: left; vertical-align: top; padding: .25em .6em .25em 0; overflow-wrap: anywhere; }
th { border-bottom: 1.5px solid var(--ink); } td { border-bottom: 1px solid var(--line); }
tr, li, pre { break-inside: avoid; }
a { color: inherit; } a:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
@media print {
  @page { margin: 9mm 11mm; }
  :root { color-scheme: light; --ink: #000; --soft: #5a6472; --line: #bbb; --paper: #fff; --card: #fff; }
  body { font-size: 9.8pt; line-height: 1.32; } main { max-width: none; padding: 0; }
  .long { font-size: 8.6pt; line-height: 1.22; } .long table { font-size: 1em; margin: .1em 0 .4em; }
  .long th, .long td { padding: .1em .6em .1em 0; } .long h2 { margin: .6em 0 .1em; }
}
"""


def sheet(text: str) -> str:
    """A sheet's page from its Markdown, which begins with its title; much text is printed smaller."""
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.S)
    title = re.match(r"# (.+)", text)
    cls = "long" if len(text.split()) > LONG else "short"
    body = f"<main class='{cls}'>\n{markdown_html(text)}</main>"
    return document(title[1].strip() if title else "Sheet", _STYLE, body)


def write(root: Path = settings.ROOT) -> list[Path]:
    """Write the page of every sheet in classroom/sheets.

    Raises:
        CourseError: if there is none, one cannot be read, or the pages cannot be written.
    """
    sources = sorted((root / "classroom" / "sheets").glob("*.md"))
    if not sources:
        raise CourseError("There are no sheets: classroom/sheets has no Markdown file.")
    folder = root / "build" / "sheets"
    written = []
    for source in sources:
        try:
            text = source.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise CourseError(f"{source.name} is not UTF-8 text; save it as such.") from None
        path = folder / f"{source.stem}.html"
        page = sheet(text)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(page, encoding="utf-8")
        except OSError as error:
            raise explained(error, folder, "copy the course to a folder of your own") from None
        written.append(path)
    return written


def run() -> int:
    """Write the sheets into build/sheets, and say what they are."""
    for path in write():
        print(os.path.join("build", "sheets", path.name))
    print("Open one in a browser and print it: A4 or Letter, margins as the page sets them.")
    return 0
