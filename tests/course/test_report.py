"""The report: judging, the terminal's table, and a page that is self-contained and escapes its data."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser

import pytest
from nbformat import v4

from helpers.course import page, report
from helpers.course.results import LessonResult
from helpers.manifest import Manifest

PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8ffff3f0005fe02fe"
        "dccc59e70000000049454e44ae426082"
    )
).decode()
NASTY = "<script>alert('x')</script> & \"quotes\" | pipe"


def row(**changes):
    return {
        "name": "n",
        "talk": ["T1", "T4"],
        "scope": "world",
        "statement": "A statement that is long enough to be wrapped over more than one line of the table.",
        "prediction": "above 0.5",
        "values": [0.5, 0.6, 0.7, 0.6, 0.6, 0.6],
        "seeds": list(range(6)),
        "mean": 0.6,
        "low": 0.53,
        "high": -0.67,
        "unit": "share",
        "verdict": "holds",
        "expected": "holds",
        "rule": "above 0.5",
        "live": {},
        "live_agrees": None,
        **changes,
    }


def made(*claims, status="passed", problem="", notebook=None):
    manifest = Manifest("Course", "0.1.0", "", "main", ())
    result = LessonResult("00", "First", status, 1.25, 99.6, problem, list(claims), notebook)
    return report.document(manifest, [result], 12.0)


def test_the_document_is_json_with_every_field_that_the_course_promises():
    document = json.loads(json.dumps(made(row()), allow_nan=False))
    lesson = document["lessons"][0]
    assert {"id", "status", "seconds", "peak_mb", "claims"} <= set(lesson)
    promised = {"id", "talk", "scope", "statement", "prediction", "values", "mean", "low", "high", "unit"}
    assert promised | {"verdict", "expected"} <= set(lesson["claims"][0])
    assert lesson["claims"][0]["id"] == "00/n"
    assert {"version", "tier", "course_seed", "machine", "ok"} <= set(document)


@pytest.mark.parametrize("width", [20, 80, 110, 300])
def test_the_table_fits_the_terminal(width):
    text = report.table(made(row(statement="word " * 40), row(name="m", talk=[])), width)
    assert max(map(len, text.splitlines())) <= max(72, min(width, 140))
    assert text.count("✔ holds") == 2
    assert re.search(r"\(T1,\s+T4\)", text)


def test_a_lesson_that_failed_is_a_problem():
    document = made(status="failed", problem="It broke.")
    assert not document["ok"]
    assert report.table(document).endswith("✘ Lesson 00: failed. It broke.")


# --- the page ---------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def tags_of(text):
    parser = Tags()
    parser.feed(text)
    return parser.tags


def nasty_page():
    claim = row(
        statement=NASTY, prediction=NASTY, unit=NASTY, rule=NASTY, verdict=NASTY, scope=NASTY, talk=[NASTY]
    )
    document = made(claim, status="failed", problem=NASTY)
    return page.page(document, {"00": [page.Figure(f"data:image/png;base64,{PIXEL}", NASTY)]})


def test_nothing_reaches_the_page_unescaped():
    text = nasty_page()
    assert "<script" not in text
    assert "alert(&#x27;x&#x27;)" in text
    tags = tags_of(text)
    assert not [tag for tag, _ in tags if tag in {"script", "iframe", "link", "object"}]
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]


def test_the_page_needs_no_network_and_every_picture_has_words():
    text = nasty_page()
    for tag, attributes in tags_of(text):
        for name in ("src", "href"):
            if name in attributes:
                assert attributes[name].startswith("data:image/")
        if tag == "img":
            assert attributes["alt"] == NASTY
        if tag == "svg":
            assert attributes["aria-label"]
        if tag == "th":
            assert attributes["scope"] in {"row", "col"}
    assert not re.search(r"url\(|@import", text)
    assert "<html lang='en'>" in text


def test_figures_are_taken_from_outputs_and_only_pictures_are():
    source = f"data:image/png;base64,{PIXEL}"
    markup = (
        f'<p>words</p><img src="{source}" alt="A &lt;cat&gt;"><img src="{source}" alt="A &lt;cat&gt;">'
        '<img src="https://example.org/x.png" alt="far"><img src="javascript:alert(1)">'
        '<img src="data:image/svg+xml;base64,AAAA"><img src="data:image/png;base64,&quot; onload=x">'
    )
    cells = [
        v4.new_code_cell("", outputs=[v4.new_output("display_data", data={"text/html": markup})]),
        v4.new_code_cell(
            "",
            outputs=[
                v4.new_output("display_data", data={"image/png": PIXEL + "\n", "text/plain": "<Figure>"})
            ],
        ),
        v4.new_markdown_cell("![far](https://example.org/y.png)"),
    ]
    found = page.figures(v4.new_notebook(cells=cells))
    assert found == [page.Figure(source, "A <cat>"), page.Figure(source, "<Figure>")]


def test_a_page_without_claims_says_so():
    assert "recorded no claim" in page.page(made(), {})


@pytest.mark.parametrize(
    "changes", [{"low": None, "high": None}, {"mean": None}, {"values": []}, {"values": [1.0]}]
)
def test_odd_claims_still_have_a_row(changes):
    assert "A statement" in page.page(made(row(**changes)), {})
