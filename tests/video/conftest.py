"""Shared by the tests on video: one long film."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.video.film_files import counting


@pytest.fixture(scope="session")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes of 640 x 360 at 10 frames a second: a key frame every two seconds, a new gray every 20."""
    path = tmp_path_factory.mktemp("films") / "long.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"preset": "ultrafast", "g": "20"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        shades = [
            av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            for picture in counting(32, 360, 640)
        ]
        for index in range(6_000):
            shade = shades[index // 200 % 32]
            shade.pts, shade.time_base = index, Fraction(1, 10)
            out.mux(stream.encode(shade))
        out.mux(stream.encode())
    return path
