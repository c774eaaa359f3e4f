"""A real browser plays what the course writes: clips on a page, and films as files."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers import world
from helpers.lesson import clips
from helpers.video.clips import read_clip
from helpers.video.writing import write_clip
from tests.browser.lab import FLAGS
from tests.video.film_files import encode

pytestmark = pytest.mark.browser

SCENE = world.sample(1, seed=3)[0]
FILM = world.film(SCENE, 8, 48)
WORDS = 'A cat says "miau" & <b>walks</b>.'
# What a film's element shows at a time, as the address of a picture.
_PIXELS = """async (video, time) => {
    if (video.readyState < 2) await new Promise(done => video.onloadeddata = done);
    const seeked = new Promise(done => video.onseeked = done);
    // "seeked" may come before the frame is on the screen; a frame that is there already gives no call.
    const shown = new Promise(done => video.requestVideoFrameCallback(done));
    video.currentTime = time;
    await seeked;
    await Promise.race([shown, new Promise(done => setTimeout(done, 1000))]);
    const canvas = document.createElement('canvas');
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    const pen = canvas.getContext('2d');
    pen.drawImage(video, 0, 0);
    return canvas.toDataURL('image/png') }"""


@pytest.fixture(scope="module")
def page(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        yield browser.new_page()
        browser.close()


def frame_at(video: Any, time: float) -> np.ndarray:
    png = base64.b64decode(video.evaluate(_PIXELS, time).split(",")[1])
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def error_of(video: Any) -> str | None:
    return video.evaluate("video => video.error && video.error.message")


def test_a_clip_on_a_static_page_plays_by_the_keyboard(page: Any, tmp_path: Path) -> None:
    html = f"<!doctype html><meta charset='utf-8'><body>{clips.clip_html(FILM, WORDS)}"
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    page.goto((tmp_path / "page.html").as_uri())
    video = page.locator("video")
    assert video.evaluate("video => video.paused")  # nothing moves before somebody asks for it
    video.focus()
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('video').currentTime > 0.2", timeout=20_000)
    assert error_of(video) is None
    assert video.get_attribute("aria-label") == video.get_attribute("title") == WORDS
    assert page.locator("b").count() == 0
    video.evaluate("video => video.pause()")
    scale = 336 // 48
    for index in (0, 3, 7):
        shown = frame_at(video, (index + 0.5) / 6)[scale // 2 :: scale, scale // 2 :: scale]
        distance = [np.abs(shown.astype(int) - frame).mean() for frame in FILM]
        assert distance[index] == min(distance) < 8
    strip = page.locator("details img")
    assert not strip.is_visible()
    page.locator("summary").click()
    assert strip.is_visible()
    assert strip.get_attribute("alt") == WORDS


def test_a_written_webm_plays(page: Any, tmp_path: Path) -> None:
    write_clip(tmp_path / "a.webm", FILM, scale=4)
    assert (
        np.abs(shown_in(page, tmp_path / "a.webm", "video/webm")[2::4, 2::4].astype(int) - FILM[0]).mean() < 8
    )


def test_a_written_mp4_plays_where_h264_does(page: Any, tmp_path: Path) -> None:
    able = page.evaluate("document.createElement('video').canPlayType('video/mp4; codecs=\"avc1.64001f\"')")
    if not able:
        pytest.skip("this Chromium is built without H.264")
    write_clip(tmp_path / "a.mp4", FILM, scale=4)
    assert (
        np.abs(shown_in(page, tmp_path / "a.mp4", "video/mp4")[2::4, 2::4].astype(int) - FILM[0]).mean() < 8
    )


@pytest.mark.parametrize(
    ("degrees", "mirror"), [(0, False), (90, False), (-90, False), (180, False), (0, True)]
)
def test_a_turned_film_is_read_as_the_browser_shows_it(
    page: Any, tmp_path: Path, degrees: int, mirror: bool
) -> None:
    pictures = np.full((4, 48, 80, 3), 128, np.uint8)
    pictures[:, :16] = (220, 30, 30)
    pictures[:, :16, :32] = (30, 30, 220)

    def turn(stream: Any) -> None:
        if degrees or mirror:
            stream.set_display_rotation(degrees, hflip=mirror)

    path = encode(tmp_path / "turned.mp4", pictures, codec="libvpx-vp9", prepare=turn)
    shown, read = shown_in(page, path, "video/mp4"), read_clip(path, 4).frames[0]
    assert shown.shape == read.shape
    assert np.abs(shown.astype(int) - read).mean() < 8


def shown_in(page: Any, path: Path, kind: str) -> np.ndarray:
    """What the browser shows of a film's beginning."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    page.set_content(f'<video muted preload="auto" src="data:{kind};base64,{data}"></video>')
    video = page.locator("video")
    picture = frame_at(video, 0.01)
    assert error_of(video) is None
    return picture
