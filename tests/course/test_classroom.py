"""The classroom kit tells the truth: its guides and plans fit the notebooks, the manifest and the code."""

from __future__ import annotations

import ast
import html
import json
import re
from functools import cache
from pathlib import Path

import pytest

import helpers.__main__ as commands
from helpers import settings
from helpers.course import classroom
from helpers.manifest import load

ROOT = settings.ROOT
KIT = ROOT / "classroom"
PAGES = sorted(KIT.rglob("*.md"))
GUIDES = sorted((KIT / "guide").glob("*.md"))
PLANS = sorted(path for path in (KIT / "plans").glob("*.md") if path.stem != "when-binder-fails")
MANIFEST = load()
LESSONS = {entry.id: entry for entry in MANIFEST.lessons}
PARTS = [
    "## Timeline of the core path",
    "## Ask the room",
    "## Misconceptions, and how they show",
    "## Exercises: where they stick",
    "## Do together",
    "## When you are late",
    "## When answers are released",
]


def name_of(path: Path) -> str:
    return path.relative_to(KIT).as_posix()


def rows_of(text: str, head: str) -> list[list[str]]:
    """The cells of every row of the tables whose heading row is `head`."""
    rows, inside = [], False
    for line in text.splitlines():
        if line.strip() == head:
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not set(line) <= set("|- "):
            rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
    return rows


def section(text: str, heading: str) -> str:
    return text.split(f"\n{heading}")[1].split("\n## ")[0]


@cache
def source(number: str) -> str:
    return LESSONS[number].source(ROOT).read_text(encoding="utf-8")


# --- the guides ---------------------------------------------------------------------------------------------


def test_every_lesson_has_a_guide():
    assert [path.stem for path in GUIDES] == list(LESSONS)


@pytest.mark.parametrize("path", GUIDES, ids=name_of)
class TestGuide:
    def test_it_has_all_parts_in_order(self, path):
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {LESSONS[path.stem].heading}\n")
        assert "\n**Goal.** " in text
        found = [line for line in text.splitlines() if line.startswith("## ")]
        assert len(found) == len(PARTS)
        assert all(line.startswith(part) for line, part in zip(found, PARTS, strict=True))
        assert 60 <= len(text.splitlines()) <= 110

    def test_its_timeline_fills_the_core_minutes_and_names_real_sections(self, path):
        rows = rows_of(path.read_text(encoding="utf-8"), "| minutes | section | in the room |")
        ends = [tuple(map(int, row[0].split("–"))) for row in rows]
        assert ends[0][0] == 0
        assert ends[-1][1] == LESSONS[path.stem].minutes_core
        assert all(begin < end for begin, end in ends)
        assert all(one[1] == other[0] for one, other in zip(ends, ends[1:], strict=False))
        known = classroom.headings(source(path.stem))
        named = [name for row in rows for name in row[1].split("; ")]
        assert [name for name in named if name not in known] == []
        places = [known.index(name) for name in named if name not in ("Quiz", "Recap")]
        assert places == sorted(places)

    def test_minutes_of_exercises_are_the_cards(self, path):
        cards = {card.name: card for card in classroom.exercises(source(path.stem))}
        text = path.read_text(encoding="utf-8")
        for name, minutes in re.findall(r"`(\w+)`, (\d+) minutes", text):
            assert cards[name].minutes == int(minutes), name
        stuck = rows_of(text, "| exercise | where it sticks | what a helper says |")
        told = {name for row in stuck for name in re.findall(r"^`(\w+)`", row[0])}
        assert told <= set(cards)
        assert {name for name, card in cards.items() if card.core} <= told
        deeper = {row[0].split("`")[1] for row in stuck if "Dig deeper" in row[0]}
        assert deeper == {name for name in told if not cards[name].core}

    def test_its_numbers_stand_in_the_executed_lesson(self, path):
        text = re.sub(r"<!-- begin: facts -->.*?<!-- end: facts -->", "", path.read_text(encoding="utf-8"))
        shown = numbers_of(notebook_text(path.stem))
        assert sorted(numbers_of(text) - shown) == []


def numbers_of(text: str) -> set[str]:
    """Numbers with a decimal point, and percentages, as they are written; the sign does not count."""
    return set(re.findall(r"(?<![\w.,])\d+\.\d+", text)) | set(re.findall(r"(?<![\w.])\d+(?= ?%)", text))


@cache
def notebook_text(number: str) -> str:
    """The solution's prose, code and outputs, without markup."""
    book = json.loads(LESSONS[number].solution(ROOT).read_text(encoding="utf-8"))
    parts = []
    for cell in book["cells"]:
        parts.append("".join(cell["source"]))
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            for kind in ("text/html", "text/markdown", "text/plain"):
                parts.append(html.unescape("".join(data.get(kind, ""))))
            parts.append("".join(output.get("text", "")))
    return re.sub(r"data:[^\"')]+|<[^>]*>", " ", "\n".join(parts))


def test_a_number_that_no_lesson_shows_is_noticed():
    assert numbers_of("It is 0.123 in 17% of 5 cases.") == {"0.123", "17"}


def test_facts_of_the_guides_are_fresh():
    assert classroom.stale(MANIFEST) == []
