"""Film files made for tests: every frame tells its own number by its gray."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

LOW, STEP = 20, 7  # gray of frame 0, and how much brighter the next one is; 32 frames, then from the start


def counting(count: int, height: int = 64, width: int = 96) -> np.ndarray:
    """Frames that can be told apart: uint8 (count, height, width, 3)."""
    grays = (LOW + STEP * (np.arange(count) % 32)).astype(np.uint8)
    return np.broadcast_to(grays[:, None, None, None], (count, height, width, 3)).copy()


def numbers(frames: np.ndarray) -> list[int]:
    """Which frames of `counting` these are (modulo 32)."""
    return np.round((frames.mean(axis=(1, 2, 3)) - LOW) / STEP).astype(int).tolist()


def encode(
    path: Path,
    frames: np.ndarray,
    rate: int = 8,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    stamps: list[int] | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    prepare: Callable[[Any], None] = lambda stream: None,
    sound: float = 0.0,
) -> Path:
    """Write frames to `path`, with time stamps of 1/1000 s if given, and with `sound` seconds of silence."""
    with av.open(str(path), "w", options=container or {}) as out:
        stream = out.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], pix_fmt
        if stamps:
            stream.codec_context.time_base = Fraction(1, 1000)
        prepare(stream)
        silence = out.add_stream("aac", rate=48000) if sound else None
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
            if stamps:
                frame.pts, frame.time_base = stamps[index], Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        if silence is not None:
            hush(out, silence, sound)
    return path


def hush(out: Any, stream: Any, seconds: float) -> None:
    for index in range(int(seconds * 48000) // 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, 1024 * index, Fraction(1, 48000)
        out.mux(stream.encode(frame))
    out.mux(stream.encode())
