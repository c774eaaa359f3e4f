"""Every lesson in a real browser, driven by the keyboard alone, as a learner would.

Run with ``make rehearse REHEARSALS=lessons``, at the smallest size; ``LESSONS_FULL=1`` in the environment
runs them at full size, and ``LESSONS="00 08"`` only these. Run All on the learner's copy; each control of
each widget by Tab, with a name and a ring; the widget moved; the quiz answered wrongly, then rightly; every
exercise typed wrongly, then rightly. Screenshots lie in build/rehearse/lessons/.
"""

from __future__ import annotations

import ast
import copy
import inspect
import io
import os
import re
import shutil
import subprocess
import textwrap
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from helpers import settings
from helpers.manifest import LessonEntry, load
from tests.browser import lab
from tests.browser.lab import Notebook
from tests.exercises import wrong_answers

#: Fetched by the one test that needs it.
AXE = "axe-core@4.14.1"
FULL = os.environ.get("LESSONS_FULL") == "1"
#: What a lesson may take: generous, as rehearsals run beside other work.
SECONDS = 600 if FULL else 240
LESSONS = load().choose(os.environ.get("LESSONS", "").split())
FOCUSABLE = "button, input, select, summary, video, .noUi-handle, .widget-readout[contenteditable]"
# What has the focus: where it lies among the widget's controls, what a screen reader calls it, its ring.
_FOCUSED = """(widget, controls) => {
    const it = document.activeElement, style = getComputedStyle(it);
    return {
        index: [...widget.querySelectorAll(controls)].indexOf(it),
        name: it.ariaLabel || it.labels?.[0]?.textContent || it.textContent || it.title,
        ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 } }"""
_SHOWN = "widget => [...widget.querySelectorAll('.widget-html-content')].map(it => it.innerHTML).join()"
# A control's kind, and whether it is at its end, from which only the way back moves it. JupyterLab keeps the
# arrow keys for moving between cells while a menu is closed.
_KIND = """it => it.tagName + (
    it.tagName === 'SELECT' && it.selectedIndex === it.length - 1
    || it.ariaValueNow && it.ariaValueNow === it.ariaValueMax ? ' at its end' : '')"""
_VALUE = "it => it.tagName === 'DIV' ? it.ariaValueNow : it.type === 'checkbox' ? it.checked : it.value"
_KEYS = {
    "SELECT": ["Space", "ArrowDown", "Enter"],
    "SELECT at its end": ["Space", "ArrowUp", "Enter"],
    "DIV": ["ArrowRight"],
    "DIV at its end": ["ArrowLeft"],
    "INPUT": ["Space"],
}


@pytest.fixture(scope="module")
def chromium() -> str:
    from helpers.course import setup

    path = setup.chromium()
    if path is None:
        pytest.fail("This rehearsal needs Chromium; run: python -m helpers setup --test")
    return path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, headless=True, args=lab.FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with lab.serve(tmp_path_factory.mktemp("lab"), smoke=not FULL) as found:
        yield found


@pytest.fixture(scope="module")
def totals(record: Callable[..., None]) -> Iterator[dict[str, float]]:
    """What all lessons together come to, recorded at the end."""
    counts = dict.fromkeys(
        ("lessons", "seconds", "controls", "solved_wrongly", "solved_rightly", "questions"), 0.0
    )
    yield counts
    record(**{name: round(value, 1) for name, value in counts.items()})


@pytest.mark.parametrize("entry", LESSONS, ids=lambda entry: entry.id)
def test_a_learner_works_through_a_lesson(
    entry: LessonEntry,
    browser: Any,
    address: str,
    artifacts: Path,
    totals: dict[str, float],
    record: Callable[..., None],
) -> None:
    started = time.monotonic()
    notebook = Notebook(browser, address.format(name=entry.name), height=1000)
    try:
        state = notebook.run_all(SECONDS)
        ran = time.monotonic() - started
        assert state["errors"] == []
        assert state["done"] == state["cells"]
        counts = {"controls": _every_control(notebook), "questions": _quiz(notebook, entry, artifacts)}
        _move(notebook, entry, artifacts)
        for number, (name, right) in enumerate(_solutions(entry).items()):
            picture = artifacts / f"{entry.id}-exercise" if number == 0 else None
            _solve(notebook, name, right, picture)
        counts["solved_wrongly"] = counts["solved_rightly"] = number + 1
        assert notebook.state["errors"] == []
        assert notebook.problems == []
        assert notebook.elsewhere == []
    finally:
        notebook.close()
    seconds = time.monotonic() - started
    for name, value in {**counts, "lessons": 1, "seconds": seconds}.items():
        totals[name] += value
    record(**{entry.id: {"run_all_seconds": round(ran, 1), "seconds": round(seconds, 1), **counts}})


# --- widgets ------------------------------------------------------------------------------------------------


def _widgets(notebook: Notebook) -> list[Any]:
    """The cells of the notebook that show widgets of the course, as (index, widget), scrolled to in turn."""
    found = []
    for index, cell in enumerate(notebook.cells):
        if cell["type"] == "code" and any(f"lesson.{word}(" in cell["source"] for word in _WITH_WIDGETS):
            found += [(index, position) for position in range(len(_in_cell(notebook, index)))]
    return found


_WITH_WIDGETS = ("predict", "widget", "quiz", "recap")
_IN_CELL = """index => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    notebook.scrollToItem(index);
    return [...notebook.widgets[index].node.querySelectorAll('.course-widget')] }"""


def _in_cell(notebook: Notebook, index: int) -> list[Any]:
    """The widgets below a cell, scrolled to."""
    notebook.page.evaluate(
        "index => window.jupyterapp.shell.currentWidget.content.scrollToItem(index)", index
    )
    notebook.page.wait_for_timeout(300)
    handle = notebook.page.evaluate_handle(_IN_CELL, index)
    return [found.as_element() for found in handle.get_properties().values() if found.as_element()]


def _every_control(notebook: Notebook) -> int:
    """Tab goes to every control of every widget, and on from the last; each has a name and a ring."""
    count = 0
    for index, position in _widgets(notebook):
        widget = _in_cell(notebook, index)[position]
        controls = [control for control in widget.query_selector_all(FOCUSABLE) if control.is_visible()]
        # A slider that a committed guess has switched off takes no focus.
        controls = [c for c in controls if c.is_enabled() and c.get_attribute("tabindex") != "-1"]
        if not controls:
            continue
        controls[0].focus()
        notebook.page.keyboard.press("Tab")
        notebook.page.keyboard.press("Shift+Tab")
        all_controls = widget.query_selector_all(FOCUSABLE)
        for control in controls:
            focused = widget.evaluate(_FOCUSED, FOCUSABLE)
            where = f"cell {index}, {control.evaluate('it => it.outerHTML')[:200]}"
            assert focused["index"] >= 0, where
            assert all_controls[focused["index"]].evaluate("(it, other) => it === other", control), where
            assert focused["name"].strip(), where
            assert focused["ring"], where
            notebook.page.keyboard.press("Tab")
        assert widget.evaluate(_FOCUSED, FOCUSABLE)["index"] == -1, f"the focus stays in cell {index}"
        count += len(controls)
    return count


def _move(notebook: Notebook, entry: LessonEntry, artifacts: Path) -> None:
    """The lesson's what-if widget: each control is moved, the widget answers, the focus stays."""
    index = notebook.find("lesson.widget(")
    whatever = [
        where for where in _widgets(notebook) if "lesson.widget(" in notebook.cells[where[0]]["source"]
    ]
    moved = 0
    for index, position in whatever:
        widget = _in_cell(notebook, index)[position]
        at_first = widget.evaluate(_SHOWN)
        moved_before = moved
        controls = widget.query_selector_all("select, .noUi-handle, input[type=checkbox]")
        for control in filter(lambda it: it.is_visible(), controls):
            before = control.evaluate(_VALUE)
            control.focus()
            for key in _KEYS[control.evaluate(_KIND)]:
                notebook.page.keyboard.press(key)
            _until(lambda before=before, control=control: control.evaluate(_VALUE) != before)
            assert control.evaluate("it => it === document.activeElement"), "the focus was lost"
            moved += 1
        notebook.settle()  # drawings lag behind the keys, and the last one counts
        if moved > moved_before:  # one control alone may change nothing: DPO has no z0
            assert widget.evaluate(_SHOWN) != at_first
        assert "could not be drawn" not in widget.inner_text()
        widget.scroll_into_view_if_needed()
        notebook.page.screenshot(path=artifacts / f"{entry.id}-widget-{index}.png")
    assert moved


def _until(holds: Callable[[], bool], seconds: float = 60) -> None:
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.1)


# --- the quiz -----------------------------------------------------------------------------------------------


def _quiz(notebook: Notebook, entry: LessonEntry, artifacts: Path) -> int:
    """One answer wrong, then all right, by Tab and Space; the score says so and the focus stays."""
    import importlib

    questions = importlib.import_module(f"helpers.exercises.e{entry.name}").QUIZZES["recap"]
    quiz = _in_cell(notebook, notebook.find('lesson.quiz("recap")'))[0]
    groups = quiz.query_selector_all(".course-choices")

    def answer(number: int, choice: int) -> None:
        button = groups[number].query_selector_all("button")[choice]
        button.focus()
        notebook.page.keyboard.press("Space")
        _until(lambda: "mod-active" in button.get_attribute("class"))
        _until(lambda: button.get_attribute("aria-pressed") == "true")

    def check(right: int) -> str:
        button = quiz.query_selector(".widget-button")
        button.focus()
        notebook.page.keyboard.press("Enter")
        _until(lambda: f"Your score: {right} of {len(questions)}" in quiz.inner_text())
        assert button.evaluate("it => it === document.activeElement")
        return quiz.inner_text()

    for number, question in enumerate(questions):
        answer(number, question.answer)
    answer(0, (questions[0].answer + 1) % len(questions[0].choices))
    assert "Not right: try again." in check(len(questions) - 1)
    groups[0].scroll_into_view_if_needed()
    notebook.page.screenshot(path=artifacts / f"{entry.id}-quiz-wrong.png")
    answer(0, questions[0].answer)
    assert "Not right" not in check(len(questions))
    notebook.page.screenshot(path=artifacts / f"{entry.id}-quiz-right.png")
    return len(questions)


# --- exercises ----------------------------------------------------------------------------------------------


def _solutions(entry: LessonEntry) -> dict[str, str]:
    """By exercise, the cell of the solution that defines it."""
    cells = nbformat.read(entry.solution(settings.ROOT), 4).cells
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    found = {}
    for source in sources:
        for name in wrong_answers.WRONG:
            if f"= lesson.check({name})" in source:
                found[name] = next(one for one in sources if _defines(one, name))
    assert found
    return found


def _defines(source: str, name: str) -> bool:
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in ast.parse(source).body)


def _wrong(name: str, right: str) -> str:
    """The solution's cell with a plausible wrong answer in place of its function."""
    lines, answer = next(found for wrong in wrong_answers.WRONG[name] if (found := _standing_alone(wrong)))
    answer.name = name
    node = next(n for n in ast.parse(right).body if isinstance(n, ast.FunctionDef) and n.name == name)
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
    typed = "\n".join([*lines, "", ast.unparse(answer)])
    cell = right.splitlines()
    return "\n".join([*cell[:first], typed, *cell[node.end_lineno :]])


def _standing_alone(answer: Callable[..., Any]) -> tuple[list[str], ast.FunctionDef] | None:
    """A wrong answer without annotations, and the lines that give it its globals; None where it needs others
    than imports and functions of its file.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(answer))).body[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
    lines = []
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for name in sorted(names & set(vars(wrong_answers)) - {answer.__name__}):
        if name in _IMPORTS:
            lines.append(_IMPORTS[name])
        elif inspect.isfunction(needed := vars(wrong_answers)[name]) and (found := _standing_alone(needed)):
            lines += [*found[0], ast.unparse(found[1])]
        else:
            return None
    return lines, tree


def _import_lines() -> dict[str, str]:
    """By name, the line that imports it in the file of wrong answers."""
    lines = {}
    for node in ast.parse(inspect.getsource(wrong_answers)).body:
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else []:
            one = copy.copy(node)
            one.names = [alias]
            lines[alias.asname or alias.name] = ast.unparse(one)
    return lines


_IMPORTS = _import_lines()


def _solve(notebook: Notebook, name: str, right: str, picture: Path | None) -> None:
    """A wrong answer typed and checked, then the right one; what the cards say."""
    cell = notebook.find(f"def {name}(")
    check = notebook.find(f"= lesson.check({name})")
    for source, expected, label in [
        (_wrong(name, right), "does not hold", "wrong"),
        (right, "hold", "right"),
    ]:
        notebook.type_into(cell, source)
        said = notebook.run_cell(cell)
        assert "Error" not in said, f"{name}, {label}: {said}"
        said = notebook.run_cell(check)
        assert f"{name}: " in said
        assert expected in said, f"{name}, {label}: {said}"
        assert ("does not hold" in said) == (label == "wrong"), f"{name}, {label}: {said}"
        if picture is not None:
            notebook.output(check)
            notebook.page.screenshot(path=f"{picture}-{label}.png")


# --- what a screen reader finds ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, fetched by npm into build/."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("axe-core comes by npm, which is not installed")
    folder = settings.ROOT / "build" / "rehearse" / "axe"
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([npm, "install", "--silent", "--prefix", str(folder), AXE], check=True)
    return script.read_text(encoding="utf-8")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_axe_finds_nothing_serious_in_what_the_course_shows(
    theme: str, browser: Any, address: str, axe: str, artifacts: Path, record: Callable[..., None]
) -> None:
    """Widgets and cards of one lesson; JupyterLab's own parts of the page are left out."""
    entry = next(entry for entry in load().lessons if entry.id == "08")  # sliders, choices, thumbs
    notebook = Notebook(browser, address.format(name=entry.name))
    notebook.set_theme(theme)
    assert notebook.run_all(SECONDS)["errors"] == []
    notebook.page.evaluate(axe)
    found, looked_at = [], 0
    for index, _ in _widgets(notebook):
        _in_cell(notebook, index)
        notebook.page.screenshot(path=artifacts / f"axe-{theme.split()[-1].lower()}-{index}.png")
        result = notebook.page.evaluate(_AXE, index)
        looked_at += result["looked_at"]
        found += [one for one in result["violations"] if one["impact"] in ("serious", "critical")]
    record(**{f"axe_{theme.split()[-1].lower()}": {"rules_tried": looked_at, "serious": len(found)}})
    assert found == []
    notebook.close()


_AXE = """async index => {
    const node = window.jupyterapp.shell.currentWidget.content.widgets[index].node;
    const results = await axe.run(node.querySelector('.jp-OutputArea'), { resultTypes: ['violations'] });
    return {
        looked_at: results.passes.length + results.violations.length,
        violations: results.violations.map(one => ({
            id: one.id, impact: one.impact, where: one.nodes.map(node => node.html.slice(0, 160)) })) } }"""


# --- what goes wrong in a room ------------------------------------------------------------------------------


def test_results_are_downloaded_by_the_keyboard(
    browser: Any, address: str, record: Callable[..., None]
) -> None:
    entry = LESSONS[0]
    notebook = Notebook(browser, address.format(name=entry.name))
    assert notebook.run_all(SECONDS)["errors"] == []
    widget = _in_cell(notebook, notebook.find("lesson.recap("))[0]
    widget.query_selector("button").focus()
    notebook.page.keyboard.press("Enter")
    _until(lambda: widget.query_selector("a") is not None)
    notebook.page.keyboard.press("Tab")
    with notebook.page.expect_download() as arriving:
        notebook.page.keyboard.press("Enter")
    content = Path(arriving.value.path()).read_bytes()
    name = arriving.value.suggested_filename
    assert re.fullmatch(rf"cats-to-kto-{entry.id}-[0-9a-f]{{6}}\.zip", name)
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        assert packed.testzip() is None
        assert {"README.txt", "progress.json", f"ledger-{entry.id}.jsonl"} <= set(packed.namelist())
    record(download_bytes=len(content))
    notebook.close()


def test_cells_out_of_order_and_all_of_them_twice(browser: Any, address: str) -> None:
    """A check before anything else, one before its function, then Run All twice."""
    entry = LESSONS[0]
    notebook = Notebook(browser, address.format(name=entry.name))
    check = notebook.find("= lesson.check(")
    assert "NameError: name 'lesson' is not defined" in notebook.run_cell(check)
    begin = notebook.find("helpers.begin(")
    assert "No module named 'helpers'" in notebook.run_cell(begin)  # the set-up cell comes first
    for index, cell in enumerate(notebook.cells[: begin + 1]):
        said = notebook.run_cell(index) if cell["type"] == "code" else ""
    assert f"Lesson {entry.id} · " in said
    assert "NameError" in notebook.run_cell(check)
    for _ in range(2):
        state = notebook.run_all(SECONDS)
        assert state["errors"] == []
        assert state["done"] == state["cells"]
    assert notebook.panel.get_by_text("running: ").count() == 0
    assert "with your `" in notebook.run_cell(check)  # its name stands for the reference by now
    assert notebook.problems == []
    notebook.close()


def test_a_slow_cell_counts_its_seconds(browser: Any, address: str, artifacts: Path) -> None:
    """A learner's own slow cell has a line that counts, and nothing of it stays to be seen."""
    entry = LESSONS[0]
    notebook = Notebook(browser, address.format(name=entry.name))
    assert notebook.run_all(SECONDS)["errors"] == []
    slow = notebook.find("= lesson.check(")
    notebook.type_into(slow, "import time\n\ntime.sleep(6)")
    notebook.page.keyboard.press("Control+Enter")
    line = notebook.panel.get_by_text("running: ")
    line.wait_for(timeout=20_000)
    notebook.page.screenshot(path=artifacts / "slow-cell.png")
    line.wait_for(state="detached", timeout=60_000)
    assert notebook.problems == []
    notebook.close()


def test_a_restarted_kernel_goes_on_from_what_is_kept(
    browser: Any, address: str, artifacts: Path, record: Callable[..., None]
) -> None:
    """Run All, a restart, Run All: answers come back; what was built once is not built again."""
    entry = LESSONS[0]
    seconds = []
    for turn in range(2):
        notebook = Notebook(browser, address.format(name=entry.name))
        started = time.monotonic()
        assert notebook.run_all(SECONDS)["errors"] == []
        seconds.append(round(time.monotonic() - started, 1))
        if turn == 0:
            _quiz(notebook, entry, artifacts)
            notebook.close()
    quiz = _in_cell(notebook, notebook.find('lesson.quiz("recap")'))[0]
    assert "Your score" in quiz.inner_text()
    record(restart_seconds=seconds)
    notebook.close()


def test_the_same_notebook_twice_at_once(browser: Any, address: str) -> None:
    """Two windows share the kernel: both can run all, and neither loses an answer of the other."""
    entry = LESSONS[0]
    one, other = (Notebook(browser, address.format(name=entry.name)) for _ in range(2))
    assert one.run_all(SECONDS)["errors"] == []
    assert other.run_all(SECONDS)["errors"] == []
    quiz = _in_cell(one, one.find('lesson.quiz("recap")'))[0]
    assert quiz.query_selector("button") is not None
    # A window that hears of the other's widgets notes it in its console, and goes on.
    problems = [*one.problems, *other.problems]
    assert [problem for problem in problems if not problem.startswith("Comm not found")] == []
    one.page.close()
    other.close()
