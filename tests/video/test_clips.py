"""Films of every kind and in every state: right frames at right times, or one clear sentence."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from helpers import settings
from helpers.settings import CourseError
from helpers.video import film as film_module
from helpers.video.clips import read_clip, uniform_times
from helpers.video.naive import naive_read
from tests.video.film_files import counting, encode, hush, numbers

RATE = 8
KINDS = {
    "a.mp4": {},
    "groups.mp4": {"options": {"g": "4", "bf": "2"}},
    "fast-start.mp4": {"container": {"movflags": "faststart"}},
    "fragments.mp4": {"container": {"movflags": "frag_keyframe+empty_moov"}, "options": {"g": "4"}},
    "a.mov": {},
    "a.mkv": {},
    "a.ts": {"options": {"g": "6"}},
    "a.webm": {"codec": "libvpx-vp9"},
    "old.webm": {"codec": "libvpx"},
    "b-frames.avi": {"options": {"bf": "3"}},
    "groups.avi": {"options": {"g": "6"}},
    "old.avi": {"codec": "mpeg4", "options": {"qmin": "1", "qmax": "2"}},
    "old-b-frames.avi": {"codec": "mpeg4", "options": {"bf": "2", "qmin": "1", "qmax": "2"}},
}


def one_sentence(call, *words: str) -> str:
    """The CourseError of a call: one sentence with these words, no path and no traceback behind it."""
    with pytest.raises(CourseError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert os.sep not in text
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    for word in words:
        assert word in text
    return text


# --- which frames -------------------------------------------------------------------------------------------


def test_uniform_times_are_middles():
    assert uniform_times(0, 4, 4).tolist() == [0.5, 1.5, 2.5, 3.5]
    assert uniform_times(1, 2, 1).tolist() == [1.5]


@pytest.mark.parametrize("name", KINDS)
def test_every_container_gives_the_right_frames_at_the_right_times(tmp_path, name):
    path = encode(tmp_path / name, counting(24), RATE, **KINDS[name])
    every = read_clip(path, 24)
    assert every.frames.shape == (24, 64, 96, 3)
    assert every.frames.dtype == np.uint8
    assert numbers(every.frames) == list(range(24))
    assert every.times == pytest.approx(np.arange(24) / RATE, abs=2e-3)
    assert every.seconds == pytest.approx(3.0, abs=2e-3)
    assert every.rate == pytest.approx(RATE)
    assert every.remark == ""
    assert numbers(read_clip(path, 4).frames) == [3, 9, 15, 21]
    part = read_clip(path, 3, start=2.0, end=2.5)
    assert numbers(part.frames) == [16, 18, 19]
    row = read_clip(path, 5, sampling="dense", start=1.3)
    assert numbers(row.frames) == [10, 11, 12, 13, 14]
    assert row.times == pytest.approx(np.arange(10, 15) / RATE, abs=2e-3)
    assert numbers(read_clip(path, 8, sampling="dense", start=2.0).frames) == list(range(16, 24))


def test_a_gif_keeps_its_own_times(tmp_path):
    first, *others = [Image.fromarray(picture) for picture in counting(10)]
    first.save(tmp_path / "a.gif", save_all=True, append_images=others, duration=[100] * 9 + [900])
    clip = read_clip(tmp_path / "a.gif", 18)
    assert numbers(clip.frames) == [*range(9), *[9] * 9]
    assert clip.seconds == pytest.approx(1.8)
    assert numbers(read_clip(tmp_path / "a.gif", 3, sampling="dense", start=0.55).frames) == [5, 6, 7]


@pytest.mark.parametrize(("name", "codec"), [("v.mp4", "libx264"), ("v.webm", "libvpx-vp9")])
def test_a_variable_frame_rate_is_a_matter_of_times(tmp_path, name, codec):
    stamps = [0, 100, 200, 1000, 1100, 3000, 3040, 3080]
    path = encode(tmp_path / name, counting(8), codec=codec, stamps=stamps)
    clip = read_clip(path, 6, start=0.0, end=3.0)
    assert clip.times == pytest.approx([0.2, 0.2, 1.1, 1.1, 1.1, 1.1])  # 0.25, 0.75, 1.25 …
    assert numbers(clip.frames) == [2, 2, 4, 4, 4, 4]
    dense = read_clip(path, 4, sampling="dense", start=1.05)
    assert dense.times == pytest.approx([1.0, 1.1, 3.0, 3.04])


def test_a_film_that_does_not_start_at_zero_starts_at_zero(tmp_path):
    stamps = list(range(5000, 6000, 100))
    path = encode(tmp_path / "late.mkv", counting(10), stamps=stamps)
    clip = read_clip(path, 4, sampling="dense")
    assert clip.times == pytest.approx([0, 0.1, 0.2, 0.3])


def test_few_frames_are_shown_again_or_told(tmp_path):
    path = encode(tmp_path / "one.mp4", counting(1), RATE)
    clip = read_clip(path, 3)
    assert clip.times.tolist() == [0, 0, 0]
    assert numbers(clip.frames) == [0, 0, 0]
    one_sentence(lambda: read_clip(path, 2, sampling="dense"), "only 1 of 2 frames", "its end")
    path = encode(tmp_path / "ten.mp4", counting(10), RATE)
    one_sentence(lambda: read_clip(path, 5, sampling="dense", end=0.5), "only 4 of 5 frames", "second 0.5")
    one_sentence(lambda: read_clip(path, 2, start=9.0), "shows nothing at second 9", "1.2 s")
    one_sentence(lambda: read_clip(path, 2, sampling="dense", start=9.0), "shows nothing at second 9")


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_stretch_shows_what_is_shown_then(tmp_path_factory, data):
    """The frame for a moment is the last that appeared until then, whatever was asked before."""
    path = tmp_path_factory.getbasetemp() / "stretch.mp4"
    stamps = [0, 40, 50, 400, 900, 910, 920, 1500, 1600, 2400, 2440, 2500]
    if not path.exists():
        encode(path, counting(12), stamps=stamps, options={"g": "3", "bf": "1"})
    start = data.draw(st.floats(0, 2.0))
    end = data.draw(st.floats(start + 0.05, 2.5))
    count = data.draw(st.integers(1, 12))
    clip = read_clip(path, count, start=start, end=end)
    wanted = np.searchsorted(np.array(stamps) / 1000, uniform_times(start, end, count) + 1e-6, "right") - 1
    assert numbers(clip.frames) == wanted.tolist()


# --- how they look ------------------------------------------------------------------------------------------


def marked() -> np.ndarray:
    """Gray, with a red stripe at the top and a blue spot at its left end: uint8 (4, 48, 80, 3)."""
    picture = np.full((4, 48, 80, 3), 128, np.uint8)
    picture[:, :12] = (255, 0, 0)
    picture[:, :12, :20] = (0, 0, 255)
    return picture


CORNERS = {"top left": (4, 4), "top right": (4, -5), "bottom left": (-5, 4), "bottom right": (-5, -5)}


def colors(picture: np.ndarray) -> dict[str, str]:
    names = {"red": (255, 0, 0), "blue": (0, 0, 255), "gray": (128, 128, 128)}
    found = {}
    for corner, (row, column) in CORNERS.items():
        pixel = picture[row, column].astype(int)
        found[corner] = min(names, key=lambda name: np.abs(pixel - names[name]).sum())
    return found


@pytest.mark.parametrize(
    ("degrees", "hflip", "shape", "red", "blue"),
    [
        (0, False, (48, 80), "top right", "top left"),
        (90, False, (80, 48), "top left", "bottom left"),  # counter-clockwise
        (-90, False, (80, 48), "bottom right", "top right"),
        (180, False, (48, 80), "bottom left", "bottom right"),
        (0, True, (48, 80), "top left", "top right"),
    ],
)
def test_a_film_that_its_camera_turned_comes_upright(tmp_path, degrees, hflip, shape, red, blue):
    def turn(stream):
        stream.set_display_rotation(degrees, hflip=hflip)

    path = encode(tmp_path / "phone.mp4", marked(), prepare=turn if degrees or hflip else lambda stream: None)
    picture = read_clip(path, 2).frames[0]
    assert picture.shape == (*shape, 3)
    assert picture.flags.c_contiguous
    found = colors(picture)
    assert (found[red], found[blue]) == ("red", "blue")
    assert sorted(found.values()) == ["blue", "gray", "gray", "red"]


def test_pixels_come_square_and_small_and_never_enlarged(tmp_path):
    def wide(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)

    path = encode(tmp_path / "wide.mp4", counting(4), prepare=wide)
    assert read_clip(path, 2, 1000).frames.shape == (2, 64, 192, 3)
    assert read_clip(path, 2, 48).frames.shape == (2, 16, 48, 3)
    path = encode(tmp_path / "thin.mp4", counting(4, 2, 1000))
    assert read_clip(path, 2, 64).frames.shape == (2, 1, 64, 3)


@pytest.mark.parametrize(
    ("pix_fmt", "codec", "name"),
    [
        ("yuv420p", "libx264", "a.mp4"),
        ("yuvj420p", "mjpeg", "a.avi"),
        ("yuv444p", "libx264", "a.mp4"),
        ("yuv420p10le", "libx264", "a.mp4"),
        ("yuv422p", "libx264", "a.mov"),
    ],
)
def test_gray_stays_gray_in_every_pixel_format(tmp_path, pix_fmt, codec, name):
    path = encode(tmp_path / name, counting(6), codec=codec, pix_fmt=pix_fmt)
    clip = read_clip(path, 6)
    assert numbers(clip.frames) == list(range(6))
    assert np.ptp(clip.frames.astype(int), axis=-1).max() <= 4


def test_what_is_transparent_shows_white(tmp_path):
    clear, red = (Image.new("RGBA", (20, 20), color) for color in ((0, 0, 0, 0), (200, 0, 0, 255)))
    clear.save(tmp_path / "a.gif", save_all=True, append_images=[red], duration=100, disposal=2)
    clip = read_clip(tmp_path / "a.gif", 2)
    assert clip.frames[0, 5, 5].tolist() == [255, 255, 255]
    assert np.abs(clip.frames[1, 5, 5].astype(int) - [200, 0, 0]).max() <= 4


# --- as little work as possible -----------------------------------------------------------------------------


def test_a_long_film_is_entered_at_its_key_frames(long_film):
    clip = read_clip(long_film, 8)
    assert clip.seconds == 600
    assert numbers(clip.frames) == [(75 * (2 * part + 1) // 2) // 20 for part in range(8)]
    assert clip.decoded < 8 * 24  # of 6,000; a key frame comes every 20
    assert read_clip(long_film, 1, start=599).decoded < 30


def test_frames_that_lie_close_are_decoded_once(long_film):
    clip = read_clip(long_film, 40, start=101, end=105)
    assert clip.decoded < 40 + 24
    assert np.diff(clip.times) == pytest.approx(np.full(39, 0.1), abs=1e-6)


def test_where_no_index_is_the_jump_is_made_anyway(tmp_path, long_film):
    stream_file = tmp_path / "long.ts"
    with av.open(str(long_film)) as source, av.open(str(stream_file), "w") as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    clip = read_clip(stream_file, 8)
    assert numbers(clip.frames) == numbers(read_clip(long_film, 8).frames)
    assert clip.decoded < 8 * 40


def test_ten_minutes_take_little_memory(long_film):
    code = (
        "import resource, sys; from helpers.video.clips import read_clip\n"
        f"clip = read_clip({str(long_film)!r}, 64)\n"
        "assert clip.frames.shape == (64, 144, 256, 3)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=settings.ROOT, capture_output=True, text=True, check=True
    )
    peak = int(done.stdout) / (2**20 if sys.platform == "darwin" else 2**10)
    assert peak < 300


def test_the_naive_way_reads_the_same(tmp_path):
    path = encode(tmp_path / "a.mp4", counting(30), RATE, options={"g": "5"})
    assert np.array_equal(read_clip(path, 6).frames, naive_read(path, 6))


# --- files that are no films --------------------------------------------------------------------------------


def test_what_is_not_there_or_empty_or_a_folder_is_told(tmp_path):
    (tmp_path / "empty.mp4").touch()
    one_sentence(lambda: read_clip(tmp_path / "nowhere.mp4"), "no file nowhere.mp4")
    one_sentence(lambda: read_clip(tmp_path), "is no file")
    one_sentence(lambda: read_clip(tmp_path / "empty.mp4"), "empty.mp4 is an empty file")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", b"the cat is orange\n" * 50),
        ("notes.mp4", b"the cat is orange\n" * 50),
        ("noise.mp4", bytes(np.random.default_rng(0).integers(256, size=5000, dtype=np.uint8))),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n"),
        ("list.mp4", b"ffconcat version 1.0\nfile other.mp4\n"),
        ("page.html", b"<!doctype html><video src='http://example.com/a.mp4'></video>"),
    ],
)
def test_what_is_no_film_is_told(tmp_path, name, content):
    encode(tmp_path / "other.mp4", counting(4))
    encode(tmp_path / "other.ts", counting(4))
    (tmp_path / name).write_bytes(content)
    one_sentence(lambda: read_clip(tmp_path / name), name, "cannot be read as a film", "WebM")


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/a.mp4", "concat:a.mp4|b.mp4", "pipe:0", "-"])
def test_an_address_is_no_file(address):
    one_sentence(lambda: read_clip(address), "no file")


def test_sound_alone_is_told(tmp_path):
    with av.open(str(tmp_path / "song.m4a"), "w", format="mp4") as out:
        hush(out, out.add_stream("aac", rate=48000), 1.0)
    one_sentence(lambda: read_clip(tmp_path / "song.m4a"), "song.m4a holds sound, but no film")


def test_a_song_with_a_cover_holds_no_film(tmp_path):
    from av.stream import Disposition

    with av.open(str(tmp_path / "song.mp3"), "w") as out:
        sound = out.add_stream("mp3", rate=44100)
        cover = out.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 96, 64, "rgb24"
        cover.disposition = Disposition.attached_pic
        out.mux(cover.encode(av.VideoFrame.from_ndarray(counting(1)[0], format="rgb24")))
        out.mux(cover.encode())
        for index in range(40):
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 1152), np.float32), "fltp", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = 44100, 1152 * index, Fraction(1, 44100)
            out.mux(sound.encode(frame))
        out.mux(sound.encode())
    one_sentence(lambda: read_clip(tmp_path / "song.mp3"), "sound, but no film")


def test_a_film_without_frames_is_told(tmp_path):
    with av.open(str(tmp_path / "zero.mp4"), "w", options={"movflags": "empty_moov"}) as out:
        stream = out.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        out.start_encoding()
    one_sentence(lambda: read_clip(tmp_path / "zero.mp4"), "zero.mp4 holds no f")


def test_a_film_without_a_table_of_contents_is_told(tmp_path):
    whole = encode(tmp_path / "whole.mp4", counting(100)).read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    one_sentence(lambda: read_clip(tmp_path / "half.mp4"), "half.mp4", "cut off")


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mp4", {"container": {"movflags": "faststart"}}),
        ("a.mkv", {}),
        ("a.webm", {"codec": "libvpx-vp9"}),
    ],
)
def test_a_film_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path, name, how):
    path = encode(tmp_path / name, counting(200, 120, 160), RATE, options={"g": "16"}, **how)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    clip = read_clip(path, 8)
    assert 5 < clip.seconds < 20
    assert clip.times[-1] <= clip.seconds
    assert np.diff(clip.times) == pytest.approx(np.full(7, clip.seconds / 8), abs=0.13)
    assert numbers(clip.frames) == [round(time * RATE) % 32 for time in clip.times]
    assert re.fullmatch(rf"The pictures of {name} end after [\d.]+ s, not 25.0 s as it says\.", clip.remark)
    assert len(read_clip(path, 200).frames) == 200
    one_sentence(lambda: read_clip(path, 4, start=22.0), "shows nothing at second 22")
    one_sentence(lambda: read_clip(path, 2, sampling="dense", start=22.0), "shows nothing at second 22")


def test_a_film_that_does_not_tell_its_length_is_measured(tmp_path):
    path = encode(tmp_path / "live.webm", counting(24), RATE, codec="libvpx-vp9", container={"live": "1"})
    with av.open(str(path)) as container:
        assert container.duration is container.streams.video[0].duration is None
    clip = read_clip(path, 8)
    assert clip.seconds == pytest.approx(3.0, abs=0.13)
    assert numbers(clip.frames) == [1, 4, 7, 10, 13, 16, 19, 22]
    assert clip.remark == ""
    one_sentence(lambda: read_clip(path, 1, sampling="dense", start=9.0), "shows nothing at second 9")


def test_sound_that_is_longer_does_not_stretch_the_film(tmp_path):
    clip = read_clip(encode(tmp_path / "a.mp4", counting(24), RATE, sound=6.0), 8)
    assert (clip.seconds, clip.remark) == (3.0, "")
    clip = read_clip(encode(tmp_path / "a.mkv", counting(24), RATE, sound=6.0), 8)
    assert numbers(clip.frames) == [1, 4, 7, 10, 13, 16, 19, 22]
    assert "end after 3.0 s" in clip.remark


def test_of_several_films_in_a_file_the_largest_counts(tmp_path):
    with av.open(str(tmp_path / "two.mkv"), "w") as out:
        streams = []
        for width, height in ((32, 16), (96, 64)):
            stream = out.add_stream("libx264", rate=RATE)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            streams.append(stream)
        for stream in streams:
            for picture in counting(8, stream.height, stream.width):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            out.mux(stream.encode())
    assert read_clip(tmp_path / "two.mkv", 4).frames.shape == (4, 64, 96, 3)


def test_frames_of_too_many_pixels_are_not_decoded(tmp_path, monkeypatch):
    assert film_module.MAX_PIXELS >= 7680 * 4320  # 8K
    path = encode(tmp_path / "large.mp4", counting(2, 200, 200))
    monkeypatch.setattr(film_module, "MAX_PIXELS", 30_000)
    one_sentence(lambda: read_clip(path, 2), "large.mp4 is too large")
    header = path.read_bytes()
    claims = header.replace(b"\x00\xc8\x00\xc8", b"\xff\xfe\xff\xfe")
    assert claims != header
    path.write_bytes(claims)
    one_sentence(lambda: read_clip(path, 2), "large.mp4")


def test_too_little_memory_and_permission_are_told(tmp_path, monkeypatch):
    path = encode(tmp_path / "a.mp4", counting(4))
    for error, words in ((MemoryError, "more memory than there is"), (PermissionError, "may not be read")):

        def fail(*_: object, error: type[Exception] = error) -> None:
            raise error

        monkeypatch.setattr(film_module, "_pixels", fail)
        one_sentence(lambda: read_clip(path, 2), "a.mp4", words)


@pytest.mark.parametrize(
    "asked",
    [
        {"frames": 0},
        {"frames": -3},
        {"frames": 10**6},
        {"size": 0},
        {"size": 100_000},
        {"sampling": "all"},
        {"start": -1.0},
        {"start": float("nan")},
        {"start": 2.0, "end": 1.0},
        {"end": float("nan")},
        {"end": 0.0},
    ],
)
def test_numbers_that_make_no_sense_are_told(tmp_path, asked):
    path = encode(tmp_path / "a.mp4", counting(16), RATE)
    one_sentence(lambda: read_clip(path, **asked))


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["a.mp4", "a.mkv", "a.webm", "old.avi", "a.ts"]), st.data())
def test_damaged_bytes_give_frames_or_a_sentence(tmp_path_factory, name, data):
    path = tmp_path_factory.getbasetemp() / f"damaged-{name}"
    whole = path.with_name(f"whole-{name}")
    if not whole.exists():
        encode(whole, counting(24), RATE, **KINDS[name])
    raw = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(raw[: data.draw(st.integers(1, len(raw)))]))
    with contextlib.suppress(CourseError):  # anything else fails
        clip = read_clip(path, 4)
        assert len(clip.frames) == 4
        assert np.isfinite(clip.times).all()
