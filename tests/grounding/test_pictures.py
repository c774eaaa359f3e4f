"""A folder of anything: what can be read is read, the rest is told in one sentence each."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from helpers.grounding import pictures
from helpers.grounding.pictures import MAX_PICTURES, MAX_SIDE, read_pictures

RED, BLUE = (200, 30, 40), (20, 60, 210)


def solid(color: tuple[int, ...] = RED, size: tuple[int, int] = (40, 30), mode: str = "RGB") -> Image.Image:
    return Image.new(mode, size, color)


def only(folder: Path) -> tuple[np.ndarray, list[str]]:
    """The one picture of a folder, and the problems."""
    found = read_pictures(folder)
    assert len(found.pictures) == len(found.names) == 1
    picture = found.pictures[0]
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 3
    return picture, found.problems


def close_to(picture: np.ndarray, color: tuple[int, int, int], tolerance: int = 6) -> bool:
    return bool((np.abs(picture.astype(int) - color) <= tolerance).all())


def bomb(width: int, height: int) -> bytes:
    """A small PNG that claims a huge size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.tif"])
def test_common_formats_are_read(tmp_path, name):
    solid().save(tmp_path / name)
    picture, problems = only(tmp_path)
    assert picture.shape == (30, 40, 3)
    assert close_to(picture, RED)
    assert problems == []


def test_names_come_in_order_and_fit_the_pictures(tmp_path):
    solid(BLUE).save(tmp_path / "b.png")
    solid(RED).save(tmp_path / "a.png")
    found = read_pictures(tmp_path)
    assert found.names == ["a.png", "b.png"]
    assert close_to(found.pictures[0], RED)
    assert close_to(found.pictures[1], BLUE)
    assert found.coverage == "2 of 2 files could be used."


def test_gray_cmyk_palette_and_sixteen_bits_become_rgb(tmp_path):
    solid((120,), mode="L").save(tmp_path / "gray.jpg")
    solid().convert("CMYK").save(tmp_path / "print.jpg")
    solid().convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    ramp = np.linspace(0, 65535, 1200).reshape(30, 40).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "sixteen.png")
    found = read_pictures(tmp_path)
    by_name = dict(zip(found.names, found.pictures, strict=True))
    assert found.problems == []
    assert close_to(by_name["gray.jpg"], (120, 120, 120))
    assert close_to(by_name["print.jpg"], RED, tolerance=12)
    assert close_to(by_name["palette.png"], RED)
    deep = by_name["sixteen.png"][..., 0].astype(int).ravel()
    assert (deep[0], deep[-1]) == (0, 255)
    assert abs(deep[600] - 127) <= 1  # not cut off at 255


def test_what_is_transparent_shows_white(tmp_path):
    Image.new("RGBA", (10, 10), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    half = Image.new("RGBA", (10, 10), (0, 0, 0, 128))
    half.save(tmp_path / "half.png")
    found = read_pictures(tmp_path)
    assert close_to(found.pictures[0], (255, 255, 255))
    assert close_to(found.pictures[1], (127, 127, 127))


def test_a_palette_with_a_transparent_color_shows_white(tmp_path):
    indexed = Image.new("P", (10, 10), 0)
    indexed.putpalette([10, 20, 30] + [0] * 765)
    indexed.save(tmp_path / "clear.gif", transparency=0)
    picture, _ = only(tmp_path)
    assert close_to(picture, (255, 255, 255))


def test_a_picture_that_its_camera_turned_comes_upright(tmp_path):
    sideways = solid(RED, (40, 20))
    sideways.paste(BLUE, (0, 0, 20, 20))  # the left half is blue
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter: what was left comes to the top
    sideways.save(tmp_path / "phone.jpg", exif=exif, quality=95)
    picture, problems = only(tmp_path)
    assert picture.shape == (40, 20, 3)
    assert close_to(picture[:15], BLUE, 20)
    assert close_to(picture[25:], RED, 20)
    assert problems == []


def test_of_an_animation_the_first_frame_is_used_and_told(tmp_path):
    solid(RED).save(tmp_path / "moves.gif", save_all=True, append_images=[solid(BLUE)])
    picture, problems = only(tmp_path)
    assert close_to(picture, RED)
    assert problems == ["moves.gif is an animation: its first frame is used."]


def test_large_pictures_are_reduced_and_keep_their_shape(tmp_path):
    solid(size=(3000, 1500)).save(tmp_path / "large.jpg")
    picture, _ = only(tmp_path)
    assert picture.shape == (MAX_SIDE // 2, MAX_SIDE, 3)


@pytest.mark.parametrize(("width", "height"), [(8_000, 8_000), (60_000, 60_000)])
def test_a_decompression_bomb_is_not_opened(tmp_path, width, height):
    (tmp_path / "bomb.png").write_bytes(bomb(width, height))
    solid().save(tmp_path / "fine.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_pictures(tmp_path)
    assert found.names == ["fine.png"]
    assert found.problems == ["bomb.png is too large: it has more than 50 million pixels."]
    assert found.coverage == "1 of 2 files could be used."


def test_broken_empty_and_foreign_files_are_told_and_the_rest_goes_on(tmp_path):
    solid(size=(300, 300)).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "broken.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("the cat is orange", encoding="utf-8")
    (tmp_path / "drawing.eps").write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", encoding="utf-8"
    )
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    found = read_pictures(tmp_path)
    assert found.names == ["whole.jpg"]
    assert found.files == 5
    assert [problem.split()[0] for problem in found.problems] == [
        "broken.jpg",
        "drawing.eps",
        "empty.png",
        "notes.txt",
    ]
    assert all(problem.endswith(".") and problem.count("\n") == 0 for problem in found.problems)


def test_a_folder_without_pictures_and_no_folder_at_all(tmp_path):
    assert read_pictures(tmp_path).problems == [f"The folder {tmp_path.name} holds no files."]
    missing = read_pictures(tmp_path / "nowhere")
    assert (missing.pictures, missing.files) == ([], 0)
    assert missing.problems == [
        "There is no folder nowhere that can be read."
    ]  # no path of somebody's machine
    assert missing.coverage == "There was no file to use."
    (tmp_path / "notes.txt").write_text("nothing to see", encoding="utf-8")
    found = read_pictures(tmp_path)
    assert len(found.problems) == 2
    assert found.coverage == "0 of 1 files could be used."


def test_more_pictures_than_needed_are_counted_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PICTURES", 3)
    for number in range(5):
        solid(size=(4, 4)).save(tmp_path / f"{number}.png")
    found = read_pictures(tmp_path)
    assert len(found.pictures) == 3
    assert "2 more files" in found.problems[-1]
    assert MAX_PICTURES >= 100


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1)])
def test_extreme_shapes_stay_pictures(tmp_path, size):
    solid(size=size).save(tmp_path / "thin.png")
    picture, _ = only(tmp_path)
    assert min(picture.shape) >= 1


def _bytes_of(format_name: str) -> bytes:
    with io.BytesIO() as buffer:
        solid(size=(16, 16)).save(buffer, format=format_name)
        return buffer.getvalue()


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"]), st.data())
def test_damaged_bytes_never_raise(tmp_path, format_name, data):
    raw = bytearray(_bytes_of(format_name))
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "damaged").write_bytes(bytes(raw[: data.draw(st.integers(1, len(raw)))]))
    found = read_pictures(tmp_path)
    assert found.files == 1
    assert found.pictures or len(found.problems) == 2


def test_too_little_memory_is_told(tmp_path, monkeypatch):
    def full(image):
        raise MemoryError

    solid().save(tmp_path / "a.png")
    monkeypatch.setattr(pictures, "_pixels", full)
    assert read_pictures(tmp_path).problems[0] == "a.png needs more memory than there is."
