"""A real browser: JupyterLab opens each lesson, runs all of it, and its widget answers the keyboard."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from helpers.manifest import LessonEntry, load
from tests.browser import lab as jupyterlab
from tests.browser.lab import Notebook

pytestmark = pytest.mark.browser

LESSONS = load().lessons
# JupyterLab keeps the arrow keys for moving between cells while a menu is closed.
_KEYS = {"SELECT": ["Space", "ArrowDown", "Enter"], "DIV": ["ArrowRight"]}
_PICTURES = """widget => [...widget.querySelectorAll('img')].map(picture => picture.src).join(' ')"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab on a copy of the course, with lessons at their smallest size."""
    with jupyterlab.serve(tmp_path_factory.mktemp("lab")) as address:
        yield address


@pytest.mark.parametrize("entry", LESSONS, ids=lambda entry: entry.id)
def test_a_lesson_in_jupyterlab(entry: LessonEntry, chromium: str, lab: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=jupyterlab.FLAGS)
        notebook = Notebook(browser, lab.format(name=entry.name))
        page = notebook.page

        state = notebook.run_all(entry.seconds)
        assert state["errors"] == []
        assert state["done"] == state["cells"]

        # The first widget that shows a picture, and the first control in it that the keyboard moves.
        movable = page.locator("select, .noUi-handle")
        widgets = notebook.panel.locator(".course-widget")
        widget = widgets.filter(has=page.locator("img")).filter(has=movable).first
        notebook.bring_into_view(widget)
        control = widget.locator("select, .noUi-handle").first
        before = widget.evaluate(_PICTURES)
        assert before
        control.focus()
        for key in _KEYS[control.evaluate("it => it.tagName")]:
            page.keyboard.press(key)
        end = time.monotonic() + 60
        while widget.evaluate(_PICTURES) == before and time.monotonic() < end:
            time.sleep(0.1)
        notebook.settle()
        assert widget.evaluate(_PICTURES) != before
        assert widget.locator("img").first.get_attribute("alt")

        assert notebook.state["errors"] == []
        assert notebook.problems == []
        assert notebook.elsewhere == []
        notebook.close()
        browser.close()
