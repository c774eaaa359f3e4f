from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import pytest
from nbformat import v4
from PIL import Image

from helpers import settings
from helpers.course import build, deck, shell, slide_text, slides
from helpers.course.deck import Slide
from helpers.exercises import e00_start_here
from helpers.lesson import page
from helpers.lesson.quiz import QuizQuestion
from helpers.manifest import LessonEntry, load

ENTRY = LessonEntry(
    "00",
    "Try & see",
    "Part",
    "finds",
    "00_start_here",
    minutes_core=20,
    minutes_full=30,
    seconds=60,
    peak_mb=900,
)


def picture(width: int, height: int) -> str:
    with io.BytesIO() as file:
        Image.new("RGB", (width, height), "red").save(file, format="PNG")
        return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def output(markup: str = "", **data: str) -> Any:
    return v4.new_output("display_data", data={"text/html": markup, **data} if markup else data)


def image(alt: str = "A <red> square.") -> Any:
    return output(f'<img src="{picture(600, 400)}" alt="{page.escape(alt)}">')


def claim(verdict: str, statement: str, measured: str = "0.5 [0.4, 0.6] of films") -> Any:
    body = f"Predicted: much<br>Measured over 6 seeds: {measured}<br>holds if above 0"
    return output(page.card_html("note", f"Claim, {verdict}: {statement}", body))


def code(source: str, *outputs: Any) -> Any:
    return v4.new_code_cell(source, outputs=list(outputs))


def prose(source: str, *tags: str) -> Any:
    return v4.new_markdown_cell(source, metadata={"tags": list(tags)})


TITLE = prose("# 00 · Try\n\n≈ 20 minutes\n\nWhat is it?\n\nAfter this lesson you can\n\n- see;\n- say.")
CARD = """Now you.

> **Exercise 1 · `answer`** · ★☆☆ · 5 minutes
>
> Return the answer.
>
> <details><summary>Hint 1</summary>It is 42.</details>"""


def made(*cells: Any) -> list[Slide]:
    return deck.deck(ENTRY, v4.new_notebook(cells=[TITLE, *cells]), None)


def section(*cells: Any) -> list[Slide]:
    """The slides of one section, without the first two and the last one."""
    return made(prose("## 1 · A thing\n\nFirst words."), *cells)[2:-1]


def text_of(slide: Slide) -> str:
    return re.sub(r"<[^>]+>", "", f"{slide.title} {slide.body}")


# --- the rule -----------------------------------------------------------------------------------------------


def test_a_lesson_opens_with_its_question_and_its_objectives() -> None:
    first, second, *_, last = made()
    assert (first.kind, first.title) == ("title", "00 · Try &amp; see")
    assert "What is it?" in first.body
    assert "20 minutes for the core" in first.body
    assert "<li>see;</li>" in second.body
    assert "900 MB" in last.body


def test_a_section_shows_first_sentences_and_keeps_the_rest_as_notes() -> None:
    long = " ".join(f"This is sentence number {i} of a long paragraph." for i in range(30))
    (slide,) = made(prose(f"## 1 · A thing\n\n{long}\n\nAnother paragraph."))[2:-1]
    assert "number 0" in slide.body
    assert "number 20" not in slide.body
    assert slide.notes == [long, "Another paragraph."]


def test_a_figure_is_read_by_the_sentence_of_its_own_cell_else_by_the_prose_below_it() -> None:
    own = section(code("draw()", image(), output(**{"text/markdown": "It is 3."})), prose("Look at it."))
    assert "It is 3." in own[1].body
    below = section(code("draw()", image()), prose("Look at it. Then on."))
    assert "Look at it." in below[1].body


@pytest.mark.parametrize("text", ["Now train it:", "How good is it? We test.", "So\n\n$$x$$"])
def test_prose_that_announces_does_not_read_the_figure(text: str) -> None:
    figure = section(code("draw()", image()), prose(text))[1]
    assert text_of(figure).endswith("A &lt;red&gt; square.")


def test_a_marked_cell_does_not_read_the_figure() -> None:
    figure = section(code("draw()", image()), prose("Next we go on.", "slide-note"))[1]
    assert "Next" not in figure.body
    assert figure.notes == ["Next we go on."]


def test_claims_in_a_row_share_a_table_and_keep_their_verdicts() -> None:
    cells = [
        code("claim()", claim(verdict, f"{verdict} it")) for verdict in ("holds", "fails", "inconclusive")
    ]
    *_, slide = section(*cells)
    assert slide.kind == "claims"
    assert [mark in slide.body for mark in ("✔ holds", "✘ fails", "? inconclusive")] == [True] * 3
    assert "0.5 [0.4, 0.6] of films" in slide.body


def test_an_exercise_shows_its_task_and_neither_hint_nor_solution() -> None:
    found = section(prose(CARD), code("def answer():\n    return 42"), code("answer = lesson.check(answer)"))
    assert [slide.kind for slide in found] == ["text", "exercise"]
    assert "Return the answer." in found[1].body
    assert not any("42" in slide.body + "".join(slide.notes) for slide in found)


def test_announced_code_is_shown_unless_it_answers_an_exercise() -> None:
    shown = section(prose("It takes one line:"), code("x = 1 < 2"))
    assert "x = 1 &lt; 2" in shown[1].body
    hidden = section(prose(f"{CARD}\n\nIt goes here:"), code("def answer():\n    return 42"))
    assert not any("42" in slide.body for slide in hidden)


def test_a_prediction_shows_its_choices() -> None:
    card = page.card_html("note", "Your prediction: Up?", "<ul><li>yes</li><li>no</li></ul>")
    slide = section(code("lesson.predict(…)", output(card)))[1]
    assert "Up?" in slide.body
    assert "<li>yes</li><li>no</li>" in slide.body


def test_every_answer_of_the_quiz_follows_its_question() -> None:
    found = made(prose("## Quiz"), code('lesson.quiz("recap")'))
    kinds = [slide.kind for slide in found if slide.kind in ("question", "answer")]
    assert kinds == ["question", "answer"] * 5
    asked = next(slide for slide in found if slide.kind == "question")
    assert "✔" not in asked.body


def test_what_is_to_dig_deeper_comes_after_the_end() -> None:
    found = made(
        prose("## Dig deeper\n\nMore."), prose("### A mine\n\nDeep."), prose("## Recap\n\n- So it is.")
    )
    titles = [slide.title for slide in found]
    assert titles.index("Recap") < titles.index("Cost") < titles.index("A mine")


def test_a_lesson_ends_with_its_recap_and_limits_and_refers_in_the_notes() -> None:
    recap = "- So it is.\n\n**Limits of this demo.** It is small.\n\n**References.** Somebody, *Something*."
    first, limits, cost = made(prose(f"## Recap\n\n{recap}"))[2:]
    assert (first.title, limits.title, cost.title) == ("Recap", "Limits of this demo", "Cost")
    assert "So it is." in first.body
    assert text_of(limits).endswith("It is small.\n")
    assert limits.notes == ["**References.** Somebody, *Something*."]


def test_a_wide_formula_is_broken_where_it_has_a_gap() -> None:
    part = "x_{1} + " * 16 + "y"
    slides_of = [section(prose(f"So\n\n$$a \\qquad {text}$$"))[1] for text in ("b", part)]
    assert [slide.body.count('display="block"') for slide in slides_of] == [1, 2]


def test_a_section_without_a_figure_shows_its_small_table() -> None:
    table = "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>&lt;2&gt;</td></tr></table>"
    assert "<td>&lt;2&gt;</td>" in section(code("table()", output(table)))[-1].body
    assert not any(
        slide.kind == "table" for slide in section(code("t()", output(table)), code("d()", image()))
    )


BARE = prose("## 2 · Bare")


def test_a_heading_waits_for_words_behind_the_code_that_follows_it() -> None:
    (*_, slide) = section(BARE, code("x = 1", output(**{"text/markdown": "Built."})), prose("Words at last."))
    assert (slide.kind, slide.title) == ("text", "2 · Bare")
    assert "Words at last." in slide.body
    assert slide.notes == ["Built.", "Words at last."]


@pytest.mark.parametrize("cell", [prose(CARD.split("\n\n", 1)[1]), code("draw()", image())])
def test_a_section_without_words_shows_its_heading(cell: Any) -> None:
    alone, after = section(BARE, cell)[1:]
    assert (alone.kind, alone.title, alone.body) == ("part", "2 · Bare", "")
    assert after.kind in ("exercise", "figure")


def test_a_section_that_begins_with_a_part_of_it_shows_both_headings() -> None:
    found = section(prose("## 2 · Bare\n\n### Sub\n\nWords."))[1:]
    assert [(slide.kind, slide.title) for slide in found] == [("part", "2 · Bare"), ("text", "Sub")]


TABLE = "| a | b |\n| --- | --- |\n"


def test_a_table_stands_behind_the_words_before_it() -> None:
    found = made(prose(f"## 1 · A thing\n\nFirst words.\n\n{TABLE}| 1 | 2 |\n\nLast words."))[2:-1]
    assert [slide.kind for slide in found] == ["text", "table"]
    assert "First words." in found[0].body
    assert found[1].notes == ["Last words."]


def test_a_table_that_no_slide_holds_is_a_note_of_its_own_section() -> None:
    large = TABLE + "| 1 | 2 |\n" * 40
    before, slide = section(prose(f"## 2 · Large\n\nA table is good when\n\n{large}\n- one\n- two"))
    assert before.notes == ["First words."]
    assert slide.notes == ["A table is good when", large.strip()]
    assert "good when" not in slide.body
    assert "The table stands in the notebook." in slide.body
    assert "<li>one</li>" in slide.body


def test_words_that_explain_a_table_do_not_stand_without_it() -> None:
    large = TABLE + "| 1 | 2 |\n" * 40
    (slide,) = section(prose(f"## 2 · Large\n\n{large}\nA dash means nothing."))[1:]
    assert "dash" not in slide.body
    assert slide.notes == [large.strip(), "A dash means nothing."]


def test_a_table_is_set_larger_the_less_there_is_in_it() -> None:
    few, many = (section(prose(f"{TABLE}{'| 1 | 2 |' + chr(10)}" + "| 1 | 2 |\n" * n))[1] for n in (1, 6))
    assert "class='large'" in few.body
    assert "class='small'" in many.body


def test_a_widget_is_one_slide_and_its_sentences_are_notes() -> None:
    said = [output(**{"text/markdown": f"Sentence {i}."}) for i in range(2)]
    cell = code("lesson.widget(draw)", output(f"<strong>Move it</strong>{image().data['text/html']}"), *said)
    (slide,) = section(cell)[1:]
    assert "Move it" in slide.body
    assert slide.notes == ["Sentence 0.", "Sentence 1."]


def test_many_claims_take_several_slides_and_are_explained_once() -> None:
    cells = [code("claim()", *[claim("holds", "so it is " * 12)] * 8), prose("How to read them.")]
    found = section(*cells)[1:]
    assert [slide.kind for slide in found] == ["claims"] * len(found)
    assert len(found) > 1
    assert sum(slide.body.count("✔") for slide in found) == 8
    assert [slide.notes for slide in found] == [["How to read them."], *[[]] * (len(found) - 1)]


def test_a_long_exercise_goes_on_with_the_same_title() -> None:
    task = "\n".join(f"> - {'a thing to do ' * 12}" for _ in range(12))
    first, *more = section(prose(f"> **Exercise 1 · `answer`** · 5 minutes\n>\n{task}"))[1:]
    assert first.title == "Exercise 1 · <code>answer</code> · 5 minutes"
    assert {slide.title for slide in more} == {f"{first.title} (continued)"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two.", ["One.", "Two."]),
        ("By **bold. Still bold** he. Then", ["By **bold. Still bold** he.", "Then"]),
        ("See Ethayarajh et al. (2024). Next.", ["See Ethayarajh et al. (2024).", "Next."]),
        ("It is 0.5. So $a. B$ is.", ["It is 0.5.", "So $a. B$ is."]),
        ("(Not. Here.) There.", ["(Not. Here.)", "There."]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert slide_text.sentences(text) == expected


def test_a_very_short_first_sentence_is_not_enough() -> None:
    long = f"It goes on {'and on ' * 20}without end."
    assert slide_text.first_sentences(f"Look. {long} More.", 100) == f"Look. {long}"
    assert slide_text.first_sentences(f"{long} Look.", 100) == long


# --- the page -----------------------------------------------------------------------------------------------


EVIL = '<script>alert(1)</script><img src="http://x.org/a.png" onerror="alert(1)">'
SHOWN = page.escape(EVIL)


@pytest.mark.parametrize(
    "cell",
    [
        prose(f"## {EVIL}\n\n{EVIL}"),
        prose(f"## More\n\n| {EVIL} |\n| --- |\n| {EVIL} |"),
        prose(f"> **Exercise 1 · `answer`** · {EVIL}\n>\n> {EVIL}"),
        code("draw()", image(f'">{EVIL}')),
        code("draw()", image(), output(**{"text/markdown": EVIL})),
        code("draw()", output('<img src="http://x.org/b.png" alt="b"><iframe src="http://x.org"></iframe>')),
        code("claim()", claim("holds", EVIL)),
        code("claim()", claim("holds", "It is so.", SHOWN)),
        code(
            "lesson.predict()", output(page.card_html("note", f"Your prediction: {EVIL}", "<p>A number</p>"))
        ),
        code("lesson.predict()", output(page.card_html("note", "Your prediction: Up?", f"<p>{SHOWN}</p>"))),
        code(
            "lesson.predict()",
            output(page.card_html("note", "Your prediction: Up?", f"<ul><li>{SHOWN}</li><li>no</li></ul>")),
        ),
        code("lesson.widget(draw)", output(f"<strong>{SHOWN}</strong>")),
        *[
            code(
                "t()",
                output(
                    f"<table><caption>{one}</caption><tr><th>{two}</th></tr><tr><td>{three}</td></tr></table>"
                ),
            )
            for one, two, three in ((SHOWN, "a", "b"), ("c", SHOWN, "b"), ("c", "a", SHOWN))
        ],
        code('lesson.quiz("recap")'),
    ],
)
def test_nothing_from_a_notebook_becomes_a_tag_and_nothing_is_fetched(
    cell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = [QuizQuestion(EVIL, [EVIL, "no"], 0, EVIL)]
    monkeypatch.setitem(e00_start_here.QUIZZES, "recap", questions)
    text = slides.page(ENTRY, made(prose("## 1 · A thing"), cell))
    assert text.count("<script>") == 1
    assert "<iframe" not in text
    assert not re.search(r"<[^>]*\s(?:src|href)=['\"](?!data:image/png|#)", text)
    quoted = re.sub(r"'[^']*'", "''", text)
    assert not re.search(r"<[^>]*onerror", quoted)
    assert "alert(1)" in text or "x.org" not in text


def test_formulas_become_mathml_and_links_to_files_become_text() -> None:
    html = shell.markdown_html(r"As $\frac{1}{2}$, see [there](../x.ipynb) and [here](https://a.org).")
    assert "<mfrac>" in html
    assert "x.ipynb" not in html
    assert '<a href="https://a.org">here</a>' in html


def test_of_a_picture_that_is_not_on_the_page_only_its_words_remain() -> None:
    html = shell.markdown_html("![A <b> cat](https://x.org/a.png) and [![a dog](b.png)](https://a.org)")
    assert html.strip() == '<p>A &lt;b&gt; cat and <a href="https://a.org">a dog</a></p>'


def test_the_guide_stands_in_the_notes(tmp_path: Path) -> None:
    guide = tmp_path / "classroom" / "guide" / "00.md"
    guide.parent.mkdir(parents=True)
    guide.write_text("# 00\n<!-- begin -->\n**Goal.** All see.\n\n| 5–9 | 1 · A thing | Wait for them. |\n")
    found = slides._with_guide(section(code("draw()", image())), slides._guide(ENTRY, tmp_path))
    assert found[0].notes[0] == "**Minutes 5–9.** Wait for them."
    assert "**Goal.** All see." in found[0].notes[-1]
    assert "begin" not in found[0].notes[-1]
    assert found[1].title == found[0].title
    assert found[1].notes == []  # a section's minutes are told once


def test_the_guide_says_where_an_exercise_sticks() -> None:
    guide = """| minutes | section | in the room |
| --- | --- | --- |
| exercise | where it sticks | what to ask |
| `other` | there | Why? |
| `answer` (*Dig deeper*) | here | And now? |"""
    task = "\n".join(f"> - {'a thing to do ' * 12}" for _ in range(12))
    cell = prose(f"> **Exercise 1 · `answer`** · 5 minutes\n>\n{task}")
    first, *more = slides._with_guide(section(cell), guide)[1:]
    assert first.notes == ["**Where it sticks:** here. And now?"]
    assert more
    assert not any("section" in note for slide in more for note in slide.notes)


def test_slides_of_lessons_and_their_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("course.toml", "notebooks"):
        (tmp_path / name).symlink_to(settings.ROOT / name)
    written = [one for lesson in ("00", "08") for one in slides.write([lesson], tmp_path)]
    assert [entry.id for entry, _ in written] == ["00", "08"]
    folder = tmp_path / "build" / "slides"
    assert (folder / "index.html").read_text().count("<li>") == 2
    for entry, count in written:
        text = (folder / f"{entry.name}.html").read_text(encoding="utf-8")
        assert text.count("<section ") == count
        assert text.count("<img ") == len(re.findall(r"<img src='data:image/png[^>]* alt='[^']", text))
        names = re.findall(
            r"> \*\*Exercise \d · `(\w+)`", entry.learner(settings.ROOT).read_text(encoding="utf-8")
        )
        assert all(f"def {name}(" not in text for name in names)


@pytest.fixture
def one_lesson(tmp_path: Path) -> LessonEntry:
    """A course whose first lesson's solution is a small one, executed; the others have none."""
    (tmp_path / "course.toml").symlink_to(settings.ROOT / "course.toml")
    entry = load(tmp_path).lessons[0]
    keep(v4.new_notebook(cells=[TITLE, prose("## 1 · A thing"), code("draw()", image())]), entry, tmp_path)
    return entry


def keep(solution: Any, entry: LessonEntry, root: Path) -> None:
    solution.metadata["course"] = {"executed": build.code_hash(solution)}
    path = entry.solution(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(build.to_text(solution), encoding="utf-8")


def test_a_solution_that_is_missing_or_broken_is_one_sentence(
    one_lesson: LessonEntry, tmp_path: Path
) -> None:
    for spoil in (lambda path: path.write_text("<<<<<<< HEAD\n"), Path.unlink):
        spoil(one_lesson.solution(tmp_path))
        with pytest.raises(
            settings.CourseError, match=r"solution of lesson 00 is missing or .* --execute 00"
        ):
            slides.write(["00"], tmp_path)


def test_a_solution_that_was_not_executed_is_one_sentence(one_lesson: LessonEntry, tmp_path: Path) -> None:
    assert slides.write(["00"], tmp_path) == [(one_lesson, 5)]
    path = one_lesson.solution(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("draw()", "draw(2)"), encoding="utf-8")
    with pytest.raises(settings.CourseError, match=r"lesson 00 was not executed .* --execute 00$"):
        slides.write(["00"], tmp_path)


def test_a_damaged_picture_is_one_sentence(one_lesson: LessonEntry, tmp_path: Path) -> None:
    damaged = output('<img src="data:image/png;base64,bm8gcGljdHVyZQ==" alt="None.">')
    keep(v4.new_notebook(cells=[TITLE, code("draw()", damaged)]), one_lesson, tmp_path)
    with pytest.raises(settings.CourseError, match=r"lesson 00 holds a damaged picture; run: "):
        slides.write(["00"], tmp_path)


def test_a_guide_that_is_no_text_is_one_sentence(one_lesson: LessonEntry, tmp_path: Path) -> None:
    guide = tmp_path / "classroom" / "guide" / "00.md"
    guide.parent.mkdir(parents=True)
    guide.write_bytes("# Début".encode("latin-1"))
    with pytest.raises(settings.CourseError, match=r"guide/00\.md is not UTF-8 text"):
        slides.write(["00"], tmp_path)


def test_a_full_disk_is_one_sentence_and_leaves_the_earlier_slides(
    one_lesson: LessonEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slides.write(["00"], tmp_path)
    path = tmp_path / "build" / "slides" / f"{one_lesson.name}.html"
    earlier = path.read_text(encoding="utf-8")

    def half(self: Path, text: str, **_: Any) -> int:
        with self.open("w", encoding="utf-8") as file:
            file.write(text[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(settings.CourseError, match=r"00_start_here\.html cannot be written \(No space left"):
        slides.write(["00"], tmp_path)
    assert path.read_text(encoding="utf-8") == earlier
    assert {other.name for other in path.parent.iterdir()} == {path.name, "index.html"}


def test_a_folder_that_cannot_be_written_is_one_sentence(one_lesson: LessonEntry, tmp_path: Path) -> None:
    (tmp_path / "build").write_text("a file where the folder should be")
    with pytest.raises(settings.CourseError, match=r"cannot be written .* do the same again"):
        slides.write(["00"], tmp_path)


def test_an_unknown_lesson_is_one_sentence(one_lesson: LessonEntry, tmp_path: Path) -> None:
    with pytest.raises(settings.CourseError, match=r"no lesson '77'; choose among 00 01"):
        slides.write(["77"], tmp_path)
    assert not (tmp_path / "build").exists()
