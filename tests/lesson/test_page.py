from __future__ import annotations

import pytest

from helpers.lesson import page


def test_a_card_says_its_mark_in_text_and_escapes_its_title() -> None:
    card = page.card_html("failed", "a <b>bad</b> title", "<em>body</em>")
    assert "✘" in card
    assert "a &lt;b&gt;bad&lt;/b&gt; title" in card
    assert "<em>body</em>" in card


def test_a_card_takes_its_colors_from_the_theme() -> None:
    card = page.card_html("note", "title")
    assert "var(--jp-ui-font-color1" in card
    assert "background" not in card


def test_backticks_become_code_and_everything_is_escaped() -> None:
    html = page.prose_html("did you forget `return <x>`? & more")
    assert ">return &lt;x&gt;</code>" in html
    assert "&amp; more" in html
    assert "<code" not in page.prose_html("a stray ` backtick")


def test_outside_of_a_notebook_the_plain_text_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    page.show_html("<p>html</p>", "plain")
    assert capsys.readouterr().out == "plain\n"


def test_a_paragraph_is_a_block_of_its_own_and_escapes_what_it_says() -> None:
    html = page.paragraph_html("a <b> in `x < y`")
    assert html.startswith("<div ")
    assert html.endswith("</div>")
    assert "a &lt;b&gt; in " in html
    assert page.code_html("x < y") in html
