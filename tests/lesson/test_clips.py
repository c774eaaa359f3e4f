"""A clip on a page: it plays, it says what it shows, and nothing from the data becomes markup."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from helpers.lesson import clips
from helpers.settings import CourseError
from helpers.video.clips import Clip, read_clip
from tests.video.film_files import counting, numbers


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str | None]] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] = dict(attrs)


def elements(html: str) -> dict[str, dict[str, str | None]]:
    return Elements(html).found


def film_in(html: str, folder: Path) -> Path:
    kind, data = elements(html)["video"]["src"].split(";base64,")
    assert kind == "data:video/webm"
    (folder / "film.webm").write_bytes(base64.b64decode(data))
    return folder / "film.webm"


def clip_of(times: list[float]) -> Clip:
    return Clip(counting(len(times)), np.array(times), seconds=100.0, rate=25.0, decoded=0)


def test_the_page_holds_the_film(tmp_path):
    html = clips.clip_html(counting(12), "It gets brighter.")
    clip = read_clip(film_in(html, tmp_path), 12, 1000)
    assert numbers(clip.frames) == list(range(12))
    assert clip.seconds == pytest.approx(2.0, abs=0.01)
    assert clip.frames.shape[1:3] == (192, 288)  # enlarged three times


def test_it_waits_for_its_reader_and_says_what_it_shows():
    found = elements(clips.clip_html(counting(12), "It gets brighter."))
    video = found["video"]
    assert {"controls", "muted", "playsinline", "loop"} <= set(video)
    assert "autoplay" not in video
    assert video["aria-label"] == video["title"] == found["img"]["alt"] == "It gets brighter."
    assert video["poster"].startswith("data:image/jpeg;base64,")
    assert "details" in found
    assert "source" not in found  # JupyterLab drops its address from a notebook that it does not trust


def test_nothing_from_outside_becomes_markup():
    html = clips.clip_html(counting(2), '"><script>alert(1)</script> & $x$')
    assert "<script" not in html
    assert elements(html)["video"]["title"] == '"><script>alert(1)</script> & $x$'
    assert not re.search(r'(src|href|poster)="(?!data:)', html)  # nothing is loaded from anywhere


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ([0, 0.04, 0.08, 0.12], 4 / 25),  # consecutive frames play as they were filmed
        ([0, 60, 120, 180], 2.0),  # frames a minute apart play at two a second
        ([5.0, 5.0], 1.0),
        ([7.0], 0.5),
    ],
)
def test_a_clip_plays_as_fast_as_it_was_taken(tmp_path, times, seconds):
    html = clips.clip_html(clip_of(times), "It gets brighter.")
    assert read_clip(film_in(html, tmp_path), 2).seconds == pytest.approx(seconds, rel=0.02)
    faster = clips.clip_html(clip_of(times), "It gets brighter.", rate=50)
    assert read_clip(film_in(faster, tmp_path), 2).seconds == pytest.approx(len(times) / 50, rel=0.06)


def test_it_is_displayed_with_its_words(shown):
    clips.show_clip(counting(3), "It gets brighter.")
    (bundle,) = shown
    assert bundle["text/plain"] == "It gets brighter."
    assert bundle["text/html"] == clips.clip_html(counting(3), "It gets brighter.")


@pytest.mark.parametrize("size", [(1, 1), (2, 700), (700, 2), (400, 500)])
def test_any_shape_can_be_shown(tmp_path, size):
    html = clips.clip_html(counting(2, *size), "Gray.")
    assert int(elements(html)["img"]["height"]) < 500
    assert numbers(read_clip(film_in(html, tmp_path), 2).frames) == [0, 1]


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_words_are_needed(alt):
    with pytest.raises(CourseError, match="text alternative"):
        clips.clip_html(counting(2), alt)


@pytest.mark.parametrize("frames", [np.zeros((2, 8, 8)), np.zeros((2, 8, 8, 3)), [], None])
def test_what_is_no_film_is_told(frames):
    with pytest.raises(CourseError, match="A film is an array"):
        clips.clip_html(frames, "Nothing.")


def test_too_much_for_a_notebook_is_told(monkeypatch):
    monkeypatch.setattr(clips, "MAX_KILOBYTES", 1)
    noise = np.random.default_rng(0).integers(256, size=(6, 64, 64, 3), dtype=np.uint8)
    with pytest.raises(CourseError, match=r"takes 0\.\d MB"):
        clips.clip_html(noise, "Noise.")
