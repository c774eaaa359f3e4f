"""What the course's own HTML pages share: the document around them, their colors, and Markdown that is safe.

Knows HTML, CSS and Markdown with formulas. Knows nothing about what a page says. Pages need no network:
formulas become MathML, which browsers draw by themselves.
"""

from __future__ import annotations

from typing import Any

from helpers.lesson.page import escape
from helpers.settings import CourseError

#: Colors by meaning, light and dark; every pair of ink and ground has a contrast of at least 4.5:1.
PALETTE = """
:root { color-scheme: light dark; --ink: #1c2026; --soft: #5a6472; --line: #d8dde4; --paper: #fbfbfa;
  --card: #fff; --good: #00704f; --bad: #b3261e; --odd: #8a5a00; --accent: #0b6fb8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaee; --soft: #a3adba; --line: #39414c;
  --paper: #14171b; --card: #1c2127; --good: #4cc9a0; --bad: #ff8a80; --odd: #f0b95a; --accent: #6db7ef; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); }
"""


def document(title: str, style: str, body: str, script: str = "", head: str = "") -> str:
    """A whole page in one file.

    Args:
        title: plain text; escaped here.
        style: CSS, which follows `PALETTE`.
        body: HTML that is already safe.
        script: JavaScript that the page does not need in order to be read.
        head: more of the page's head, HTML that is already safe.
    """
    end = f"<script>{script}</script>\n" if script else ""
    return (
        "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        f"{head}"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        f"<title>{escape(title)}</title>\n<style>{PALETTE}{style}</style>\n</head>\n<body>\n"
        f"{body}\n{end}</body>\n</html>\n"
    )


def markdown_html(text: str) -> str:
    """Markdown, with formulas between dollar signs, as safe HTML: tags in it are shown, never obeyed.

    Links stay where they lead to a page of the web; others name files that a single page does not have. Of a
    picture only its words remain: the page would ask somebody for it, or look for a file.
    """
    return _renderer().render(text)


def _renderer() -> Any:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    renderer = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    renderer.use(dollarmath_plugin, renderer=_formula, double_inline=True)
    renderer.core.ruler.push("local_links", _drop_local_links)
    renderer.add_render_rule("image", _words_of_picture)
    return renderer


def _formula(tex: str, options: dict[str, Any]) -> str:
    try:
        from latex2mathml import converter
    except ModuleNotFoundError:
        raise CourseError("Formulas need one more package; run: python -m helpers setup --site") from None
    return converter.convert(tex, display="block" if options["display_mode"] else "inline")


def _words_of_picture(_renderer: Any, tokens: Any, index: int, _options: Any, _env: Any) -> str:
    return escape(tokens[index].content)


def _drop_local_links(state: Any) -> None:
    for block in state.tokens:
        kept, dropping = [], False
        for token in block.children or []:
            if token.type == "link_open":
                dropping = not token.attrGet("href").startswith(("https://", "http://"))
            if token.type not in ("link_open", "link_close") or not dropping:
                kept.append(token)
        if block.children is not None:
            block.children = kept
