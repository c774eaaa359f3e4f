"""Films that are written: whole, playable, the same bytes every time, and near to what was given."""

from __future__ import annotations

import os
import stat

import av
import numpy as np
import pytest

from helpers import world
from helpers.settings import CourseError
from helpers.video import writing
from helpers.video.clips import read_clip
from helpers.video.naive import naive_film
from helpers.video.writing import webm, write_clip
from tests.video.film_files import counting, numbers


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.webm", "vp9"), ("A.MP4", "h264")])
def test_a_film_comes_back_as_it_was(tmp_path, name, codec):
    write_clip(tmp_path / name, counting(12), rate=6)
    clip = read_clip(tmp_path / name, 12)
    assert numbers(clip.frames) == list(range(12))
    assert clip.rate == pytest.approx(6)
    assert clip.times == pytest.approx(np.arange(12) / 6, abs=2e-3)
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == (codec, "yuv420p")


def test_drawings_keep_their_colors_when_they_are_enlarged(tmp_path):
    film = world.film(world.sample(1, seed=3)[0], 8, 48)
    write_clip(tmp_path / "a.mp4", film, scale=4)
    back = read_clip(tmp_path / "a.mp4", 8).frames[:, 2::4, 2::4]
    assert np.abs(back.astype(int) - film).mean() < 4
    assert np.abs((back.astype(int) - film).mean(axis=(0, 1, 2))).max() < 2  # no color cast


def test_the_mp4_starts_before_it_is_loaded(tmp_path):
    write_clip(tmp_path / "a.mp4", counting(40))
    content = (tmp_path / "a.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_odd_sides_grow_by_one_pixel(tmp_path):
    write_clip(tmp_path / "a.mp4", counting(3, 33, 47))
    assert read_clip(tmp_path / "a.mp4", 3).frames.shape == (3, 34, 48, 3)
    write_clip(tmp_path / "a.webm", counting(1, 1, 1))
    assert numbers(read_clip(tmp_path / "a.webm", 1).frames) == [0]


@pytest.mark.parametrize("rate", [0.5, 7.3, 29.97, np.float32(12.5), 120])
def test_any_rate_is_kept(tmp_path, rate):
    write_clip(tmp_path / "a.mp4", counting(5), rate=rate)
    clip = read_clip(tmp_path / "a.mp4", 5)
    assert np.diff(clip.times) == pytest.approx(np.full(4, 1 / rate), rel=0.01)


def test_the_same_frames_give_the_same_bytes(tmp_path):
    write_clip(tmp_path / "a.mp4", counting(20))
    write_clip(tmp_path / "b.mp4", counting(20))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert webm(counting(20)) == webm(counting(20))


def test_bytes_for_a_page_are_a_film(tmp_path):
    (tmp_path / "a.webm").write_bytes(webm(counting(6), rate=3, scale=2))
    clip = read_clip(tmp_path / "a.webm", 6)
    assert clip.frames.shape == (6, 128, 192, 3)
    assert numbers(clip.frames) == list(range(6))
    assert clip.seconds == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((0, 8, 8, 3), np.uint8),
        np.zeros((2, 8, 8), np.uint8),
        np.zeros((2, 8, 8, 4), np.uint8),
        np.zeros((2, 8, 8, 3)),
        [[0]],
        None,
        np.zeros((2, 5000, 8, 3), np.uint8),
    ],
)
def test_what_is_no_film_is_told(tmp_path, frames):
    with pytest.raises(CourseError, match=r"\.$"):
        write_clip(tmp_path / "a.mp4", frames)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), 1e9])
def test_rates_that_make_no_sense_are_told(tmp_path, rate):
    with pytest.raises(CourseError, match="rate"):
        write_clip(tmp_path / "a.mp4", counting(2), rate=rate)


def test_other_endings_and_folders_are_told(tmp_path):
    with pytest.raises(CourseError, match=r"ends in \.mp4 or \.webm; not 'a\.gif'"):
        write_clip(tmp_path / "a.gif", counting(2))
    with pytest.raises(CourseError, match=r"a\.mp4 could not be written: No such file"):
        write_clip(tmp_path / "nowhere" / "a.mp4", counting(2))


def test_a_failure_leaves_the_old_film_and_nothing_else(tmp_path, monkeypatch):
    write_clip(tmp_path / "a.mp4", counting(4))
    before = (tmp_path / "a.mp4").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "_encode", full)
    with pytest.raises(CourseError, match=r"a\.mp4 could not be written: No space left on device\."):
        write_clip(tmp_path / "a.mp4", counting(9))
    assert (tmp_path / "a.mp4").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_others_may_read_the_film(tmp_path):
    write_clip(tmp_path / "a.mp4", counting(2))
    assert stat.S_IMODE((tmp_path / "a.mp4").stat().st_mode) == 0o644


def test_the_naive_drawing_shows_the_same_film():
    scenes = world.sample(60, seed=5) + world.sample(6, seed=5, preset="chase")
    assert {scene.verb for scene in scenes} == set(world.VERBS)
    for scene in scenes:
        difference = naive_film(scene, 8, 32).astype(int) - world.film(scene, 8, 32)
        assert np.abs(difference).max() <= 12  # noise and rounding
