"""The diagnostic: its questions fit the lessons, its sheets hold no answers, its gains are paired."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest

import helpers.__main__ as commands
from helpers import settings
from helpers.course import diagnostic
from helpers.lesson import claims
from helpers.manifest import load
from helpers.settings import CourseError

ALL = [item for form in diagnostic.FORMS for item in diagnostic.items(form)]


@pytest.fixture(autouse=True)
def _stay_here(monkeypatch):
    monkeypatch.setattr(commands, "_go_inside", lambda arguments: None)


# --- the questions ------------------------------------------------------------------------------------------


def test_both_forms_ask_about_one_objective_of_every_lesson():
    lessons = [entry.id for entry in load().lessons]
    for form in diagnostic.FORMS:
        assert [item.lesson for item in diagnostic.items(form)] == lessons
    assert len({item.id for item in ALL}) == len(ALL)
    assert len({item.question for item in ALL}) == len(ALL)


def test_every_objective_stands_in_its_lesson():
    for item in ALL:
        entry = next(entry for entry in load().lessons if entry.id == item.lesson)
        source = entry.source(settings.ROOT).read_text(encoding="utf-8").replace("*", "")
        assert re.search(rf"(?m)^# - {re.escape(item.objective)}[;.]$", source), item.id


@pytest.mark.parametrize("item", ALL, ids=lambda item: item.id)
def test_length_does_not_give_the_answer_away(item):
    lengths = [len(option) for option in item.options]
    right = lengths[diagnostic.LETTERS.index(item.right)]
    assert max(lengths) <= 1.25 * min(lengths)
    assert right < max(lengths) or lengths.count(right) > 1
    assert len(set(item.options)) == 4
    assert item.why.endswith(".")


def test_places_of_right_answers_tell_nothing():
    assert set(Counter(item.right for item in ALL)) == set("abcd")
    assert min(Counter(item.right for item in ALL).values()) >= len(ALL) // 5
    by_form = {form: "".join(i.right for i in diagnostic.items(form)) for form in diagnostic.FORMS}
    assert by_form["A"] != by_form["B"]


def test_only_the_lessons_that_are_taught():
    assert [item.id for item in diagnostic.items("B", ["0", "08"])] == ["B00", "B08"]
    with pytest.raises(CourseError, match="There is no lesson"):
        diagnostic.items("A", ["99"])
    with pytest.raises(CourseError, match="the forms A and B"):
        diagnostic.items("C")


@pytest.mark.parametrize("text", ["[[objectives", '[[objectives]]\nlesson = "00"\n', 'objectives = "no"\n'])
def test_a_damaged_file_of_questions_is_one_sentence(tmp_path, text):
    (tmp_path / "classroom").mkdir()
    (tmp_path / "course.toml").write_bytes((settings.ROOT / "course.toml").read_bytes())
    (tmp_path / "classroom" / "diagnostic.toml").write_text(text, encoding="utf-8")
    with pytest.raises(CourseError, match=r"diagnostic\.toml is damaged"):
        diagnostic._all(tmp_path)


# --- what is printed ----------------------------------------------------------------------------------------


def test_sheets_hold_the_questions_and_no_answers(tmp_path, capsys):
    assert commands.main(["diagnostic", "--form", "A", "--lessons", "00", "08", "--out", str(tmp_path)]) == 0
    names = ["diagnostic-A-answers.csv", "diagnostic-A-key.md", "diagnostic-A.html", "diagnostic-A.md"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    asked = diagnostic.items("A", ["00", "08"])
    for name in ("diagnostic-A.md", "diagnostic-A.html"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        for item in asked:
            assert item.id in text
            assert item.why not in text
        assert text.count("a) ") == 2
    key = (tmp_path / "diagnostic-A-key.md").read_text(encoding="utf-8")
    assert all(item.why in key for item in asked)
    table = (tmp_path / "diagnostic-A-answers.csv").read_text(encoding="utf-8")
    assert table == "code,item,choice\n,A00,\n,A08,\n"
    assert "wrote" in capsys.readouterr().out


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert commands.main(["diagnostic", "--form", "A", "--out", str(tmp_path / "file")]) == 1
    assert "name another folder with --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["--before", "a.csv"], ["--form", "A", "--before", "a.csv", "--after", "b.csv"]]
)
def test_what_is_wanted_must_be_clear(capsys, arguments):
    assert commands.main(["diagnostic", *arguments]) == 1
    assert "Say --form A or --form B" in capsys.readouterr().err


# --- what was gained ----------------------------------------------------------------------------------------


def answer(item_id: str, right: bool) -> str:
    item = next(item for item in ALL if item.id == item_id)
    return item.right if right else next(x for x in "abcd" if x != item.right)


def table(path, rows, head="code,item,choice"):
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def classroom(tmp_path):
    """Four learners and two items; half of them begin with form A. Right before: 2 of 8; after: 6 of 8."""
    before, after = [], []
    plan = {
        "K1": ("A", [0, 0], [1, 1]),
        "K2": ("B", [1, 0], [1, 0]),
        "K3": ("A", [0, 1], [1, 1]),
        "K4": ("B", [0, 0], [1, 0]),
    }
    for code, (first, one, two) in plan.items():
        second = "B" if first == "A" else "A"
        for lesson, was, is_now in zip(("00", "08"), one, two, strict=True):
            before.append(f"{code},{first}{lesson},{answer(first + lesson, bool(was))}")
            after.append(f"{code},{second}{lesson},{answer(second + lesson, bool(is_now))}")
    return table(tmp_path / "before.csv", before), table(tmp_path / "after.csv", after)


def test_gains_are_paired_by_learner(classroom):
    before, after = map(diagnostic.read, classroom)
    rows = diagnostic.gains(before, after)
    assert [row.what[:2] for row in rows] == ["al", "00", "08"]
    assert (rows[0].before, rows[0].after) == (0.25, 0.75)
    assert rows[0].gain == claims.interval([1.0, 0.0, 0.5, 0.5])
    assert rows[1].gain == claims.interval([1.0, 0.0, 1.0, 1.0])
    assert rows[2].gain.mean == 0.25


def test_the_report_says_how_little_a_few_learners_show(classroom, capsys):
    arguments = ["diagnostic", "--before", str(classroom[0]), "--after", str(classroom[1])]
    assert commands.main(arguments) == 0
    text = capsys.readouterr().out
    assert text.startswith("4 learners answered both times.")
    assert "fewer than 10 learners says little" in text
    assert "same form" not in text
    assert "+0.50 [" in text


def test_the_same_form_twice_and_those_who_came_once_are_told(classroom, tmp_path):
    before = diagnostic.read(classroom[0])
    twice = diagnostic.read(
        table(tmp_path / "again.csv", [f"K1,A00,{answer('A00', True)}", f"K9,A00,{answer('A00', True)}"])
    )
    text = diagnostic.report(before, twice)
    assert "1 learner answered both times." in text
    assert "+1.00 (one learner)" in text
    assert "3 learners answered before only, and cannot be compared." in text
    assert "1 learner answered after only" in text
    assert "1 learner had the same form both times" in text


def test_nobody_in_common_is_no_gain(classroom, tmp_path):
    other = diagnostic.read(table(tmp_path / "other.csv", ["X1,A00,a"]))
    assert "are the codes the same both times?" in diagnostic.report(diagnostic.read(classroom[0]), other)


def test_broken_rows_are_named_and_the_others_count(tmp_path):
    rows = [f"K1,A00,{answer('A00', True)}", "K1,A99,a", "K1,A08,e", ",A08,a", "K1,A08,", f"{'x' * 41},A00,a"]
    found = diagnostic.read(table(tmp_path / "t.csv", rows))
    assert found.right == {"K1": {"00": True, "08": False}}
    assert found.problems == [
        "t.csv, row 3: there is no item 'A99'.",
        "t.csv, row 4: its choice is 'e', not one of a, b, c and d.",
        "t.csv, row 5: has no code.",
        "t.csv, row 7: its code is longer than 40 characters, or holds some that cannot be printed.",
    ]


def test_the_last_of_several_answers_counts_and_spelling_does_not(tmp_path):
    rows = [f"K1;a00;{answer('A00', False)}", f" K1 ; a00 ; {answer('A00', True).upper()} "]
    found = diagnostic.read(table(tmp_path / "t.csv", rows, head="\ufeffCode;Item;Choice"))
    assert (found.right, found.problems) == ({"K1": {"00": True}}, [])
    small = diagnostic.read(table(tmp_path / "small.CSV", [f"k1,b00,{answer('B00', True)}"]))
    assert small.right == found.right


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"name,answer\nAda,a\n", "has no first row with the columns code, item, choice"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"code,item,choice\n" + b"x" * 2_000_001, "is larger than 2 MB"),
        (b'code,item,choice\nK1,A00,"' + b"y" * 200_000, "is no row of a table"),
        (b"", "has no first row"),
    ],
)
def test_files_that_are_no_tables_are_one_sentence_each(tmp_path, content, problem):
    (tmp_path / "odd.csv").write_bytes(content)
    found = diagnostic.read(tmp_path)
    assert found.right == {}
    assert len(found.problems) == 1
    assert problem in found.problems[0]


def test_a_folder_of_tables_is_read_and_an_empty_one_refused(tmp_path):
    folder = tmp_path / "answers" / "row 1"
    folder.mkdir(parents=True)
    table(folder / "k1.csv", ["K1,A00,a"])
    table(folder / "k2.csv", ["K2,B00,a"])
    table(folder / "k4.CSV", ["K4,B00,a"])
    table(folder / ".hidden.csv", ["K3,B00,a"])
    assert set(diagnostic.read(tmp_path).right) == {"K1", "K2", "K4"}
    with pytest.raises(CourseError, match="There is no table of answers"):
        diagnostic.read(tmp_path / "nowhere")


def test_what_a_table_holds_is_shown_and_never_obeyed(tmp_path):
    rows = ["K1,<script>\x1b[2J,a", "\x1b[31m,A00,a", "=cmd(),A00,a"]
    found = diagnostic.read(table(tmp_path / "t.csv", rows))
    text = diagnostic.report(found, found)
    assert "\x1b" not in text
    assert "=cmd()" not in text  # codes are counted, never listed


def test_the_report_ends_where_problems_do_not(tmp_path):
    found = diagnostic.read(table(tmp_path / "t.csv", ["K1,Z1,a"] * 50))
    text = diagnostic.report(found, diagnostic.Answers())
    assert "… and 30 more that could not be used." in text


def test_a_sheet_escapes_what_the_questions_hold():
    item = diagnostic.items("A")[0]
    odd = replace(item, question="1 < 2 <b>", options=("<i>a", "b & c", "c", "d"))
    page = diagnostic.sheet_html([odd])
    assert "1 &lt; 2 &lt;b&gt;" in page
    assert "&lt;i&gt;a" in page
    assert "b &amp; c" in page
