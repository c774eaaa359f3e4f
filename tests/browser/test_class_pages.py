"""A real browser: the instructor's two pages show what students wrote, run nothing of it, and ask nobody."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from helpers import world
from helpers.course import board, class_thumbs, page
from helpers.data import agreement, thumbs
from tests.browser.lab import FLAGS

pytestmark = pytest.mark.browser

HTML = "<img src=x onerror=document.title='hacked'><script>document.title='hacked'</script>"


@pytest.fixture(scope="module")
def view(chromium: str) -> Iterator:
    """A browser's page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser.new_page(viewport={"width": 1000, "height": 700})
        browser.close()


def opened(view, path: Path, title: str) -> None:
    """Open a page, and make sure that it is quiet, whole, and no wider than the window."""
    asked: list[str] = []
    view.on("request", lambda request: asked.append(request.url))
    view.goto(path.as_uri())
    view.wait_for_timeout(300)
    assert view.title() == title
    assert view.locator("script").count() == 0
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert view.locator("img:not([alt]), svg:not([aria-label]):not([aria-hidden])").count() == 0
    for width in (400, 1000):
        view.set_viewport_size({"width": width, "height": 700})
        assert view.evaluate("document.documentElement.scrollWidth") <= width


def test_the_board(view, tmp_path: Path) -> None:
    folder = tmp_path / "class"
    folder.mkdir()
    values = {"exercise:kto_weights": "failed", f"quiz:{HTML}": HTML}
    good = json.dumps({"version": 1, "lessons": {"08": values, HTML: {}}})
    for name, text in (
        ("Ann", good),
        (HTML.replace("/", ""), good),
        ("c" * 32 + "-progress", good),
        ("B", "{"),
    ):
        (folder / f"{name}.json").write_text(text)
    thumb = thumbs.Thumb("p", "c", True, HTML, "2026-01-01T10:00:00+00:00", "08")
    thumbs.append(folder / f"{'c' * 32}-08.jsonl", [thumb])
    board.run(folder, tmp_path / "out")
    opened(view, tmp_path / "out" / "index.html", "Where the class is")
    assert view.locator("img").count() == 0
    assert "onerror" in view.locator("main").inner_text()


def test_the_class_page(view, tmp_path: Path) -> None:
    scenes = [scene for scene in world.sample(20, 1) if scene.other is None][:6]
    given = [
        thumbs.Thumb(world.record(s), HTML, up, name, "2026-01-01T10:00:00+00:00", "08", asdict(s))
        for s in scenes
        for name, up in (("Ann", True), (HTML, False))
    ]
    rng = random.Random(0)
    values = [{name: rng.random() for name in class_thumbs._ABOUT} for _ in range(6)]
    names = (class_thumbs.CLASS, class_thumbs.VERDICT, class_thumbs.SHUFFLED)
    examples = [class_thumbs.Example(s, HTML, world.captions(s)[0]) for s in scenes]
    found = class_thumbs.Found([("p", "c", True)], 1, 2, values, dict.fromkeys(names, values), examples, 1.0)
    body = class_thumbs._body(agreement.measure(given), found)
    path = tmp_path / "index.html"
    page.save(path, page.document("What our thumbs taught the model", body))
    opened(view, path, "What our thumbs taught the model")
    assert view.locator("img").count() == 6
    assert view.locator("img[src=x]").count() == 0
    assert "Ann" not in view.locator("main").inner_text()
