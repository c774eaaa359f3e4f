"""The classroom kit tells the truth: its guides and plans fit the notebooks, the manifest and the code."""

from __future__ import annotations

import ast
import html
import json
import re
from functools import cache
from itertools import pairwise
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
        assert all(one[1] == other[0] for one, other in pairwise(ends))
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


# --- the plans ----------------------------------------------------------------------------------------------

PLAN_HEAD = "| clock | minutes | lesson | sections | who does what |"


def tables(path: Path) -> list[list[list[str]]]:
    """The rows of each plan of a page; the days of one plan follow each other."""
    parts = re.split(r"(?m)^## (?=Plan )", path.read_text(encoding="utf-8"))
    return [found for part in parts if (found := rows_of(part, PLAN_HEAD))]


def core_minutes(lesson: str, named: list[str]) -> int:
    """What the lesson's guide gives the rows of its timeline that hold one of these sections."""
    text = (KIT / "guide" / f"{lesson}.md").read_text(encoding="utf-8")
    timeline = rows_of(text, "| minutes | section | in the room |")
    spans = [
        map(int, minutes.split("–")) for minutes, held, _ in timeline if set(held.split("; ")) & set(named)
    ]
    return sum(end - begin for begin, end in spans)


def reads_consent(row: tuple[str, str, str]) -> bool:
    length, lesson, told = row
    return lesson == "—" and int(length) >= 2 and "[consent]" in told


def plan_problems(rows: list[list[str]]) -> list[str]:
    """What is wrong with a plan: its clock, its minutes, its order, its sections, what a row can hold."""
    problems, taught, known, clock = [], dict.fromkeys(LESSONS, 0), set(), None
    before = ("0", "—", "")
    for begin, length, lesson, named, told in rows:
        now = 60 * int(begin.split(":")[0]) + int(begin.split(":")[1])
        if clock is not None and now != clock and begin != "9:00":  # a second day begins
            problems.append(f"{begin}: the row before ends at {clock // 60}:{clock % 60:02}")
        clock = now + int(length)
        if lesson.startswith("catch-up "):
            known |= set(lesson.removeprefix("catch-up ").split(", "))
        elif lesson != "—":
            if lesson == "08" and not taught[lesson] and not reads_consent(before):
                problems.append(f"{begin}: no two minutes for the consent before lesson 08")
            needed = core_minutes(lesson, named.split("; "))
            if needed > int(length):
                problems.append(f"{begin}: {lesson} has {length} minutes for sections of {needed}")
            missing = set(LESSONS[lesson].requires) - known - {n for n, m in taught.items() if m}
            if missing:
                problems.append(f"{begin}: {lesson} needs {', '.join(sorted(missing))}")
            taught[lesson] += int(length)
            sections = classroom.headings(source(lesson))
            problems += [f"{begin}: no section {n!r}" for n in named.split("; ") if n not in sections]
        before = (length, lesson, told)
    for lesson, minutes in taught.items():
        if 0 < minutes < LESSONS[lesson].minutes_core:
            problems.append(f"{lesson}: {minutes} of {LESSONS[lesson].minutes_core} core minutes")
    return problems


@pytest.mark.parametrize(
    ("name", "plans", "minutes"),
    [("90-minutes", 2, 90), ("half-day", 2, 240), ("two-days", 1, 2 * 480)],
)
def test_plans_fit_minutes_order_and_sections(name, plans, minutes):
    found = tables(KIT / "plans" / f"{name}.md")
    assert len(found) == plans
    for rows in found:
        assert plan_problems(rows) == []
        assert sum(int(row[1]) for row in rows) == minutes


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (["0:20", "40", "08", "2 · Twenty thumbs from you", ""], "needs 07"),
        (["0:20", "5", "01", "2 · The next-token loss", ""], "5 of 50 core minutes"),
        (["0:20", "50", "01", "2 · The next token", ""], "no section"),
        (["0:25", "5", "—", "—", ""], "the row before ends at 0:20"),
        (["0:20", "11", "08", "1 · A model with habits; 2 · Twenty thumbs from you", ""], "no two minutes"),
        (["0:20", "9", "08", "1 · A model with habits; 2 · Twenty thumbs from you", ""], "sections of 10"),
    ],
)
def test_a_plan_that_does_not_fit_is_noticed(row, problem):
    first = ["0:00", "20", "00", "Quiz", ""]
    assert problem in " ".join(plan_problems([first, row]))


def test_the_evening_is_as_long_as_it_says():
    rows = rows_of((KIT / "README.md").read_text(encoding="utf-8"), "| minutes | do | with |")
    assert sum(int(row[0].strip("*")) for row in rows) == 180


# --- every page ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=name_of)
class TestPage:
    def test_links_lead_somewhere(self, path):
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
            if target.startswith(("https://", "mailto:")):
                continue
            file, _, anchor = target.partition("#")
            aim = (path.parent / file).resolve() if file else path
            assert aim.exists(), target
            if anchor:
                heads = re.findall(r"(?m)^#+ (.+)$", aim.read_text(encoding="utf-8"))
                assert anchor in {re.sub(r"[^\w\s-]", "", h.lower()).replace(" ", "-") for h in heads}

    def test_what_the_course_says_is_what_it_says(self, path):
        said = course_texts()
        for quote in quotes_of(path.read_text(encoding="utf-8")):
            pieces = [piece.strip(" .,;:'`()") for piece in quote.split("…")]
            for piece in filter(None, pieces):
                assert squeezed(piece) in said, quote

    def test_commands_exist(self, path, capsys):
        for command in re.findall(r"python3? -m helpers (\w+)", path.read_text(encoding="utf-8")):
            with pytest.raises(SystemExit) as end:
                commands._parser().parse_args([command, "--help"])
            assert end.value.code == 0, command
        capsys.readouterr()


def quotes_of(text: str) -> list[str]:
    """What stands in “curly quotes”, with … where the course puts a name or a number."""
    return re.findall("“([^”]+)”", text)


def squeezed(text: str) -> str:
    return " ".join(re.sub(r"[`*\\]", "", text).split())


@cache
def course_texts() -> str:
    """Every text constant of the course's code, and the sources of the lessons, in one string."""
    texts = [source(number) for number in LESSONS]
    for path in (ROOT / "helpers").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named: dict[str, str] = {}  # constants such as GO_ON, which other texts have in them
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                named[statement.targets[0].id] = text_of(statement.value, named)
        texts += [text_of(node, named) for node in ast.walk(tree)]
    return squeezed("\n".join(texts).replace("\n# ", "\n"))


def text_of(node: ast.AST, named: dict[str, str]) -> str:
    """The text that an expression stands for, with … for what is known only when it runs."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.FormattedValue):
        return named.get(getattr(node.value, "id", ""), "…")
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part, named) for part in node.values)
    return ""


def test_a_sentence_that_the_course_never_says_is_noticed():
    assert squeezed("did you forget return?") in course_texts()
    assert squeezed("the moon is made of cheese") not in course_texts()


def test_the_helper_has_enough_symptoms():
    text = (KIT / "sheets" / "helper.md").read_text(encoding="utf-8")
    rows = rows_of(text, "| symptom | fix |")
    assert len(rows) >= 25
    assert all(len(row) == 2 and all(row) for row in rows)
    assert sum("“" in row[0] for row in rows) >= 25


def test_nothing_of_a_workplace_is_in_the_kit():
    for path in [*PAGES, KIT / "diagnostic.toml"]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(rf"/tmp/|/home/|{re.escape(str(settings.ROOT))}", text), path
