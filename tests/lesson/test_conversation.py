from __future__ import annotations

import html
from html.parser import HTMLParser

import pytest

from helpers.lesson import conversation, page
from helpers.settings import CourseError
from helpers.synthesis.agents import Turn

TURNS = [
    Turn(0, "notebook", "writer", "small red cat"),
    Turn(0, "writer", "notebook", "A small blue cat.", read=5, written=1200),
    Turn(0, "critic", "writer", None, read=7, written=0),
    Turn(0, "writer", "critic", "", read=9, written=1),
]


class Page(HTMLParser):
    """What stands in a piece of HTML: its elements, and the text that a reader sees."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_turn_says_who_to_whom_what_and_at_which_cost():
    parsed = Page(conversation.conversation_html(TURNS, "One row."))
    assert parsed.open == []
    assert parsed.tags.count("li") == 4
    for piece in (
        "One row.",
        "notebook to writersmall red cat",
        "writer to notebook · read 5 tokens, wrote 1,200A small blue cat.",
        "critic to writer · read 7 tokens, wrote 0no answer came",
        "nothing at all",
    ):
        assert piece in parsed.text


def test_the_plain_text_says_the_same():
    assert conversation.conversation_text(TURNS, "One row.").splitlines() == [
        "One row.",
        "notebook to writer: small red cat",
        "writer to notebook: A small blue cat. (read 5 tokens, wrote 1,200)",
        "critic to writer: no answer came (read 7 tokens, wrote 0)",
        "writer to critic: nothing at all (read 9 tokens, wrote 1)",
    ]


def test_it_is_shown_once_with_a_text_alternative(shown):
    conversation.show(TURNS, "One row.")
    (bundle,) = shown
    assert set(bundle) == {"text/html", "text/plain"}
    assert bundle["text/plain"].startswith("One row.\n")


def test_a_screen_reader_finds_a_named_list():
    made = conversation.conversation_html(TURNS, 'a "quoted" caption')
    assert '<ol role="list" aria-label="a &quot;quoted&quot; caption"' in made


@pytest.mark.parametrize(
    "nasty", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "$x^2$ & co"]
)
def test_nothing_that_anyone_says_is_html(nasty):
    turn = Turn(0, nasty, nasty, nasty, 1, 1)
    made = conversation.conversation_html([turn], nasty)
    parsed = Page(made)
    assert set(parsed.tags) == {"div", "strong", "ol", "li", "bdi"}
    assert parsed.text.count(nasty) == 4
    assert page.NO_MATH in made
    assert made.count(html.escape(nasty)) == 5  # four texts and the list's name


def test_what_could_hide_or_reverse_the_text_is_left_out_and_lines_stay():
    turn = Turn(0, "a", "b", "one\r\n\ttwo\u202ethree\x1b[31m\ud800")
    assert conversation.conversation_text([turn], "c").splitlines() == ["c", "a to b: one", "\ttwothree[31m"]
    conversation.conversation_html([turn], "c").encode()


def test_names_with_lone_surrogates_can_be_shown():
    made = conversation.conversation_html([Turn(0, "a\ud800", "b\u202e", "x")], "c\ud800")
    made.encode()
    assert "\u202e" not in made


def test_long_texts_and_long_conversations_are_cut_and_say_so():
    long = "x" * 100_000
    turns = [Turn(0, f"agent {number}", "b", long) for number in range(50)]
    text = conversation.conversation_text(turns, "c")
    assert "… (99,400 more characters)" in text
    assert text.endswith("… and 30 more turns.")
    made = conversation.conversation_html(turns, "c")
    assert "… and 30 more turns." in made
    assert len(made) < 40_000
    assert conversation.conversation_text(turns[:21], "c").endswith("… and 1 more turn.")


def test_speakers_differ_by_place_as_well_as_by_color():
    parsed = conversation.conversation_html(TURNS, "c").split("<li ")[1:]
    places = [item.split(";")[0] for item in parsed]
    assert len(set(places)) == 3
    assert places[1] == places[3], "the writer stands where it stood before"


def test_an_empty_conversation_is_one_sentence():
    with pytest.raises(CourseError, match="nobody has said anything"):
        conversation.show([], "c")
