"""The course's site in a real browser: every page, link and picture, search, dark mode, print, and axe-core.

The site is built as it is committed, and once more with an address set, for the launch buttons. Every
request that leaves the page's own server is recorded and refused.
"""

from __future__ import annotations

import functools
import http.server
import itertools
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

from helpers import settings
from helpers.course import setup
from helpers.manifest import load, set_address
from tests.browser.lab import FLAGS

LESSONS = load().lessons
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".*_cache", ".hypothesis")
#: What a page may fetch by itself; a link is followed only by a reader.
_FETCHED = {("img", "src"), ("script", "src"), ("video", "src"), ("video", "poster"), ("source", "src"),
            ("link", "href"), ("iframe", "src"), ("source", "srcset"), ("img", "srcset")}  # fmt: skip
_SERIOUS = {"serious", "critical"}
#: Opens what is folded, and keeps one colored word of each kind on a page: axe takes minutes for thousands.
_PREPARE = """() => {
    document.querySelectorAll('details').forEach(one => one.open = true);
    document.getAnimations().forEach(one => one.finish());  // what fades in is no finding
    const seen = new Set();
    for (const word of document.querySelectorAll('.highlight span[class]')) {
        if (seen.has(word.className)) word.replaceWith(word.textContent);
        seen.add(word.className) } }"""


# --- the built site -----------------------------------------------------------------------------------------


def build(folder: Path) -> float:
    """Build the site in a copy of the course. Returns the seconds that it took."""
    started = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-c", "import sys; from helpers.course import site; sys.exit(site.run())"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return time.monotonic() - started


def copy_of_course(folder: Path) -> Path:
    shutil.copytree(settings.ROOT, folder, ignore=_LEFT_OUT)
    return folder


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory, record: Callable[..., None]) -> Path:
    """A copy of the course with its site built."""
    folder = copy_of_course(tmp_path_factory.mktemp("site") / "course")
    record(seconds_to_build=round(build(folder)))
    return folder


@pytest.fixture(scope="module")
def html(course: Path) -> Path:
    return course / "build" / "site" / "html"


def pages_of(html: Path) -> list[str]:
    return sorted(
        path.relative_to(html).as_posix() for path in html.rglob("*.html") if "_static" not in path.parts
    )


# --- what a page holds --------------------------------------------------------------------------------------


@dataclass
class Page(HTMLParser):
    """A page's addresses, anchors, headings and pictures."""

    links: list[tuple[str, str, str]] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    headings: list[int] = field(default_factory=list)
    pictures: list[dict[str, str | None]] = field(default_factory=list)
    language: str | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {value for name, value in attrs if name in ("id", "name") and value}
        self.links += [(tag, name, value) for name, value in attrs
                       if name in ("href", "src", "poster", "srcset") and value is not None]  # fmt: skip
        if tag == "html":
            self.language = values.get("lang")
        elif tag == "img":
            self.pictures.append(values)
        elif re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))


def parsed(html: Path) -> dict[str, Page]:
    found = {}
    for name in pages_of(html):
        found[name] = Page()
        found[name].feed((html / name).read_text(encoding="utf-8"))
    return found


def test_every_link_and_anchor_holds(html: Path, record: Callable[..., None]) -> None:
    pages = parsed(html)
    broken, foreign, inside, outside = [], [], 0, set()
    for name, page in pages.items():
        for tag, attribute, value in page.links:
            if value.startswith("data:"):
                continue
            if urlsplit(value).scheme or value.startswith("//"):
                outside.add(value)
                if (tag, attribute) in _FETCHED:
                    foreign.append((name, value))
                continue
            inside += 1
            path, anchor = urldefrag(urljoin(f"/{name}", value))
            path = unquote(urlsplit(path).path).lstrip("/") or name
            lost = anchor and path in pages and unquote(anchor) not in pages[path].anchors
            if lost or not (html / path).is_file():
                broken.append((name, value))
    record(pages=len(pages), links_inside=inside, links_outside=len(outside))
    assert not broken
    assert not foreign
    assert {f"lessons/{entry.name}.html" for entry in LESSONS} <= set(pages)


def test_pages_have_a_language_ordered_headings_and_words_for_pictures(html: Path) -> None:
    for name, page in parsed(html).items():
        assert page.language == "en", name
        shown = page.headings[page.headings.index(1) :]
        # The theme repeats the title and a heading of contents for print, before the article.
        assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(shown)), (
            name,
            shown,
        )
        assert all(picture.get("alt") is not None for picture in page.pictures), name


def test_no_picture_of_a_solution_is_lost(html: Path) -> None:
    for entry in LESSONS:
        solution = entry.solution(settings.ROOT).read_text(encoding="utf-8")
        wanted = len(re.findall(r"<img ", solution)) + len(re.findall(r"<video ", solution))
        page = (html / "lessons" / f"{entry.name}.html").read_text(encoding="utf-8")
        article = page[page.index('<article class="bd-article') : page.index("</article>")]
        assert article.count("<img ") + article.count("<video ") == wanted, entry.id


# --- in a browser -------------------------------------------------------------------------------------------


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address(html: Path) -> Iterator[str]:
    """The site on a server of this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(html)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = setup.chromium()
    if path is None:
        pytest.skip("no Chromium found; install 'chromium'")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        yield started
        started.close()


class Watched:
    """A page of the browser that remembers each complaint and each request that it should not have made."""

    def __init__(self, browser: Any, home: str, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(120_000)
        self.home = home
        self.complaints: list[str] = []
        self.page.on(
            "console", lambda message: self._note(message.type in ("error", "warning"), message.text)
        )
        self.page.on("pageerror", lambda error: self._note(True, str(error)))
        self.page.on("requestfailed", lambda request: self._note(True, f"failed: {request.url[:200]}"))
        self.page.on("response", lambda response: self._note(response.status >= 400, f"{response.url}"))
        self.page.on("request", lambda request: self._note(not self._own(request.url), request.url[:200]))

    def _own(self, url: str) -> bool:
        return url.startswith((self.home, "data:", "blob:"))

    def _note(self, bad: bool, text: str) -> None:
        if bad:
            self.complaints.append(f"{self.page.url}: {text}")

    def go(self, name: str) -> Any:
        self.page.goto(f"{self.home}/{name}", wait_until="load")
        return self.page


@pytest.fixture
def watched(browser: Any, address: str) -> Iterator[Watched]:
    one = Watched(browser, address, viewport={"width": 1280, "height": 900})
    yield one
    one.context.close()
    assert one.complaints == []


def broken_pictures(page: Any) -> list[str]:
    return page.evaluate(
        "async () => { const all = [...document.images]; for (const one of all) { one.loading = 'eager';"
        " await one.decode().catch(() => 0) }"
        " return all.filter(one => !one.naturalWidth).map(one => one.src.slice(0, 100)) }"
    )


def test_clicking_through_every_lesson(watched: Watched) -> None:
    page = watched.go("index.html")
    page.click("article a:has-text('Begin with lesson')")
    for position, entry in enumerate(LESSONS):
        page.wait_for_url(f"**/lessons/{entry.name}.html")
        assert page.locator("article h1").first.inner_text().strip("# \n") == entry.heading
        assert broken_pictures(page) == []
        if "$" in entry.solution(settings.ROOT).read_text(encoding="utf-8") and page.locator(".math").count():
            page.wait_for_selector("article mjx-container svg")
            assert page.locator("mjx-merror").count() == 0
        if position < len(LESSONS) - 1:
            page.click("a.right-next")


def test_a_solution_is_folded_and_opens(watched: Watched) -> None:
    page = watched.go(f"lessons/{LESSONS[0].name}.html")
    fold = page.locator("details.hide.above-input").first
    assert fold.get_attribute("open") is None
    assert not fold.locator("pre").is_visible()
    fold.locator("summary").click()
    assert fold.locator("pre").is_visible()


@pytest.mark.parametrize("from_disk", [False, True])
def test_a_search_finds_the_lesson(browser: Any, html: Path, address: str, from_disk: bool) -> None:
    one = Watched(browser, html.as_uri() if from_disk else address)
    page = one.go("index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("reporting bias")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results a[href*='02_words_without_a_world']")
    page.locator("#search-results a[href*='02_words_without_a_world']").first.click()
    page.wait_for_url("**/02_words_without_a_world.html*")
    one.context.close()
    assert one.complaints == []


def test_a_page_opened_from_disk_is_whole(browser: Any, html: Path) -> None:
    one = Watched(browser, html.as_uri())
    page = one.go("lessons/07_losses_by_hand.html")
    page.wait_for_selector("article mjx-container svg")
    assert broken_pictures(page) == []
    page = one.go("lessons/11_video_is_not_pictures.html")
    video = page.locator("video").first
    page.wait_for_function("document.querySelector('video').readyState >= 2")
    assert video.evaluate("video => video.error") is None
    one.context.close()
    assert one.complaints == []


def test_the_theme_switch(watched: Watched) -> None:
    page = watched.go("index.html")
    for mode in ("dark", "light"):
        page.locator("button.theme-switch-button:visible").first.click()
        page.locator(f"button.theme-change-button[data-mode={mode}]:visible").first.click()
        assert page.evaluate("document.documentElement.dataset.theme") == mode
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"  # it is remembered


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_finds_nothing_serious(
    browser: Any, html: Path, address: str, mode: str, record: Callable[..., None], artifacts: Path
) -> None:
    from importlib.resources import files

    axe = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    one = Watched(browser, address, viewport={"width": 1280, "height": 900}, color_scheme=mode)
    one.context.add_init_script(
        f"localStorage.setItem('mode', '{mode}'); localStorage.setItem('theme', '{mode}')"
    )
    found: dict[str, list[str]] = {}
    milder: set[str] = set()
    for name in pages_of(html):
        page = one.go(name)
        page.evaluate(_PREPARE)
        page.evaluate(axe)
        # Without preload: axe fetches what a style sheet imports, by a wrong address.
        for problem in page.evaluate("async () => (await axe.run({preload: false})).violations"):
            where = [
                f"{name}: {node['html'][:300]} {node['failureSummary'][:300]}" for node in problem["nodes"]
            ]
            if problem["impact"] in _SERIOUS:
                found.setdefault(problem["id"], []).extend(where)
            else:
                milder.add(problem["id"])
    lines = [f"{rule} ({len(where)})\n  " + "\n  ".join(where[:20]) for rule, where in found.items()]
    (artifacts / f"axe-{mode}.txt").write_text("\n".join(lines), encoding="utf-8")
    record(**{f"axe_serious_{mode}": sum(map(len, found.values())), f"axe_milder_{mode}": sorted(milder)})
    one.context.close()
    assert found == {}
    assert one.complaints == []


def test_it_prints_and_fits_a_phone(browser: Any, address: str, artifacts: Path) -> None:
    one = Watched(browser, address, viewport={"width": 390, "height": 844})
    for name in ("index.html", "syllabus.html", "ledger.html", f"lessons/{LESSONS[7].name}.html"):
        page = one.go(name)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    printed = page.pdf(path=artifacts / "lesson.pdf", format="A4")
    assert printed.count(b"/Type /Page\n") > 5
    one.context.close()
    assert one.complaints == []


def test_with_an_address_there_are_launch_buttons(course: Path, tmp_path: Path) -> None:
    folder = copy_of_course(tmp_path / "course")
    set_address("https://github.com/someone/cats", folder)
    subprocess.run(
        [sys.executable, "-c", "from helpers.course import build; build.build()"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        check=True,
        capture_output=True,
    )
    build(folder)
    for entry in LESSONS:
        page = (folder / "build/site/html/lessons" / f"{entry.name}.html").read_text(encoding="utf-8")
        wanted = (
            f"https://colab.research.google.com/github/someone/cats/blob/main/notebooks/{entry.name}.ipynb"
        )
        assert f'href="{wanted}"' in page
        assert ("mybinder.org" in page) == (folder / "binder").is_dir()


def test_the_same_course_gives_the_same_bytes(course: Path, html: Path, tmp_path: Path) -> None:
    kept = tmp_path / "html"
    shutil.copytree(html, kept)
    build(course)
    names = sorted(path.relative_to(kept) for path in kept.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(html) for path in html.rglob("*") if path.is_file())
    assert [str(name) for name in names if (kept / name).read_bytes() != (html / name).read_bytes()] == []
