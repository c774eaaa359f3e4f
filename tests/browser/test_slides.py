"""A real browser turns, measures and prints the slides and sheets. All offline, mostly without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import settings
from helpers.course import sheets, slides
from helpers.manifest import load
from tests.browser.lab import FLAGS

pytestmark = pytest.mark.browser

SIZE = {"width": 1280, "height": 720}
SMALLEST = 24  # pixels of type on such a slide
# Per slide: what is cut off or too wide, and the smallest type (a formula's indices aside).
_MEASURE = """least => [...document.querySelectorAll('.slide')].flatMap(slide => {
    const wrong = [];
    for (const box of slide.querySelectorAll('.stage, .body, .math.block, .picture, .words')) {
        // A formula's ink may stand a little over its line: that is no cut, as nothing hides it.
        const high = box.scrollHeight > box.clientHeight + 1 && !box.matches('.math');
        if (high) wrong.push(`${box.className} is cut off below`);
        if (box.scrollWidth > box.clientWidth + 1) wrong.push(`${box.className} is cut off at the side`);
    }
    const foot = slide.querySelector('.foot').getBoundingClientRect();
    const body = slide.querySelector('.body').getBoundingClientRect();
    if (body.bottom > foot.top + 1) wrong.push('the text runs into the foot');
    const walker = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const parent = walker.currentNode.parentElement;
        const size = parseFloat(getComputedStyle(parent).fontSize);
        if (walker.currentNode.data.trim() && !parent.closest('math') && size < least)
            wrong.push(`type of ${size} px`);
    }
    return wrong.map(what => `${slide.id}: ${what}`) })"""
_AT = """() => [...document.querySelectorAll('.slide')].findIndex(
    slide => Math.abs(slide.getBoundingClientRect().top) < 2) + 1"""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The slides of all lessons."""
    root = tmp_path_factory.mktemp("slides")
    for name in ("course.toml", "notebooks", "classroom"):
        if (settings.ROOT / name).exists():
            (root / name).symlink_to(settings.ROOT / name)
    slides.write((), root)
    return root / "build" / "slides"


def opened(browser: Any, path: Path, **options: Any) -> Any:
    page = browser.new_page(viewport=SIZE, **options)
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url))
    page.goto(path.as_uri())
    assert [url for url in elsewhere if not url.startswith(("file:", "data:"))] == []
    return page


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def test_no_slide_overflows_and_none_is_set_too_small(browser: Any, folder: Path) -> None:
    page = browser.new_page(viewport=SIZE)
    wrong = {}
    for entry in load().lessons:
        page.goto((folder / f"{entry.name}.html").as_uri())
        if found := page.evaluate(_MEASURE, SMALLEST):
            wrong[entry.id] = found
    assert wrong == {}
    page.close()


def test_keys_turn_slides_and_open_notes_and_help(browser: Any, folder: Path) -> None:
    page = opened(browser, folder / "08_thumbs_up_thumbs_down.html")
    count = page.locator(".slide").count()
    for key, at in [("ArrowRight", 2), ("Space", 3), ("PageDown", 4), ("ArrowLeft", 3), ("Shift+Space", 2)]:
        page.keyboard.press(key)
        assert page.evaluate(_AT) == at, key
    for key, at in [("ArrowUp", 1), ("ArrowUp", 1), ("End", count), ("ArrowDown", count), ("Home", 1)]:
        page.keyboard.press(key)
        assert page.evaluate(_AT) == at, key
    notes = page.locator("#s1 .said")
    page.keyboard.press("n")
    assert notes.is_visible()
    page.keyboard.press("n")
    assert not notes.is_visible()
    page.keyboard.press("?")
    assert page.locator("dialog").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")  # what can be pressed shows that it has the focus
    assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.close()


def comes_to_rest(page: Any, name: str) -> float:
    """Where the upper edge of a slide is, once at the top, or once nothing has moved for five seconds."""
    places: list[float] = []
    while len(places) < 50 or len(set(places[-50:])) > 1:
        places.append(page.locator(name).bounding_box()["y"])
        if abs(places[-1]) <= 2 and places[-3:] == 3 * [places[-1]]:
            break
        page.wait_for_timeout(100)
    return places[-1]


def test_without_javascript_one_scrolls_from_slide_to_slide(browser: Any, folder: Path) -> None:
    """JupyterLab's viewer allows no script in a file that nobody has trusted."""
    page = opened(browser, folder / "08_thumbs_up_thumbs_down.html", java_script_enabled=False)
    page.locator("#s1 .foot a").click()
    assert comes_to_rest(page, "#s2") == pytest.approx(0, abs=2)
    page.mouse.wheel(0, 500)
    assert comes_to_rest(page, "#s3") == pytest.approx(0, abs=2)
    page.locator("#s3 summary").click()
    assert page.locator("#s3 .said").is_visible()
    page.close()


def test_printing_gives_one_slide_a_page(browser: Any, folder: Path) -> None:
    page = opened(browser, folder / "00_start_here.html", color_scheme="dark")
    assert pages_of(page.pdf(prefer_css_page_size=True)) == page.locator(".slide").count()
    page.close()


def test_on_a_phone_held_upright_slides_become_a_page_to_read(browser: Any, folder: Path) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 840})
    page.goto((folder / "08_thumbs_up_thumbs_down.html").as_uri())
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert page.evaluate("() => parseFloat(getComputedStyle(document.querySelector('#s5 p')).fontSize)") >= 16
    page.close()


def sample(rows: int) -> str:
    table = "".join(
        f"| The page stays white, number {i} | Reload it, then ask a helper. |\n" for i in range(rows)
    )
    return f"# A sheet\n\nWhat helps.\n\n| symptom | fix |\n| --- | --- |\n{table}"


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_sheets_fit_their_pages(browser: Any, tmp_path: Path, paper: str) -> None:
    """A learner's sheet is one page, a helper's two at most; a sample where none is written yet."""
    source = settings.ROOT / "classroom" / "sheets"
    texts = {path.stem: path.read_text(encoding="utf-8") for path in source.glob("*.md")}
    for name, text in (texts or {"learner": sample(20), "helper": sample(60)}).items():
        path = tmp_path / f"{name}.html"
        path.write_text(sheets.sheet(text), encoding="utf-8")
        page = opened(browser, path)
        count = pages_of(page.pdf(format=paper))
        assert 1 <= count <= (1 if name.startswith("learner") else 2), (
            f"{name} takes {count} pages of {paper}"
        )
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        page.close()
