"""Reading some frames of a film file, with their times: spread over it, or one after another.

Knows which moments to ask for, and says in one sentence why a file has none. Knows nothing about how a film
is decoded, and nothing about what it shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from helpers.settings import CourseError

if TYPE_CHECKING:
    from helpers.video.film import Film

MAX_BYTES = 200_000_000  # of a clip in memory
_SIZES = (16, 4096)


@dataclass(frozen=True)
class Clip:
    """Some frames of a film.

    Attributes:
        frames: uint8 (frames, height, width, 3), upright, in red, green and blue.
        times: float (frames,), the second at which each frame appears; the film's first appears at 0.
        seconds: how long the film is.
        rate: frames a second of the film, as its file says.
        decoded: how many frames of the film had to be decoded.
        remark: one sentence if the film is shorter than its file claims, else empty.
    """

    frames: np.ndarray
    times: np.ndarray
    seconds: float
    rate: float
    decoded: int
    remark: str = ""


def uniform_times(start: float, end: float, count: int) -> np.ndarray:
    """The middles of `count` equal parts of the time from `start` to `end`, in seconds: float (count,).

    Middles, not ends: of a film of `count` frames each is then met once.
    """
    return start + (np.arange(count) + 0.5) * (end - start) / count


def read_clip(
    path: Path | str,
    frames: int = 8,
    size: int = 256,
    sampling: Literal["uniform", "dense"] = "uniform",
    start: float = 0.0,
    end: float | None = None,
) -> Clip:
    """Read `frames` frames of a film file.

    A frame is shown from its own time until the next one's, however unevenly they come. "uniform" takes what
    is shown in the middle of each of `frames` equal parts of the time from `start` to `end` (a film of few
    frames then gives one several times); "dense" takes the frame shown at `start` and those that follow it.
    The file is entered at its key frames, so that most of it is never decoded.

    Frames come upright, as the file's rotation says, with square pixels, and what is transparent on white.

    Args:
        path: a file in MP4, MOV, WebM, MKV, AVI, GIF or a relative of these.
        frames: how many.
        size: pixels of the longer side at most; a smaller film is not enlarged.
        sampling: "uniform" or "dense".
        start: seconds from the first frame.
        end: seconds; if None, the film's end.

    Raises:
        CourseError: one sentence, if there is no film in the file, or too little at that time, or a number
            makes no sense.
    """
    path = Path(path).expanduser()
    _check(path, frames, size, sampling, start, end)
    from helpers.video.film import Film

    try:
        with Film(path) as film:
            read = _dense if sampling == "dense" else _uniform
            picked, remark = read(film, frames, size, start, math.inf if end is None else end)
            times, pictures = zip(*picked, strict=True)
            return Clip(np.stack(pictures), np.array(times), film.seconds, film.rate, film.decoded, remark)
    except CourseError:
        raise
    except MemoryError:
        raise CourseError(f"{path.name} needs more memory than there is.") from None
    except PermissionError:
        raise CourseError(f"{path.name} may not be read: look at its permissions.") from None
    except Exception:  # on broken data a demuxer or decoder may raise anything
        raise CourseError(
            f"{path.name} cannot be read as a film: it is broken, cut off or something else "
            "(MP4, MOV, WebM, MKV, AVI and GIF can be read)."
        ) from None


def _check(path: Path, frames: int, size: int, sampling: str, start: float, end: float | None) -> None:
    if not path.exists():
        raise CourseError(f"There is no file {path.name or path}: look at its name and folder.")
    if not path.is_file():
        raise CourseError(f"{path.name or path} is no file: name one film.")
    if path.stat().st_size == 0:
        raise CourseError(f"{path.name} is an empty file.")
    if not _SIZES[0] <= size <= _SIZES[1]:
        raise CourseError(
            f"size, the longer side of a frame, must be from {_SIZES[0]} to {_SIZES[1]}; not {size}."
        )
    most = MAX_BYTES // (3 * size**2)
    if not 1 <= frames <= most:
        raise CourseError(f"Ask for 1 to {most} frames at size {size}; not {frames}.")
    if sampling not in ("uniform", "dense"):
        raise CourseError(f'sampling must be "uniform" or "dense"; not {sampling!r}.')
    if not (math.isfinite(start) and start >= 0 and (end is None or end > start)):
        raise CourseError(f"A clip needs 0 <= start < end, in seconds; not start={start} and end={end}.")


_Picked = list[tuple[float, np.ndarray]]


def _dense(film: Film, count: int, size: int, start: float, end: float) -> tuple[_Picked, str]:
    picked = film.following(start, count, end, size)
    if not picked or start >= film.seconds:
        raise _nothing(film, start)
    if len(picked) < count:
        until = "its end" if end == math.inf else f"second {end:g}"
        raise CourseError(
            f"{film.name} has only {len(picked)} of {count} frames from second {start:g} to {until}: "
            "ask for less."
        )
    return picked, ""


def _uniform(film: Film, count: int, size: int, start: float, end: float) -> tuple[_Picked, str]:
    """The frames with their times, and a remark if the film ends well before its file says."""
    claimed = film.seconds
    picked = _spread(film, count, size, start, end)
    if picked is None:  # the file is cut off, or its header is wrong
        film.measure()
        picked = _spread(film, count, size, start, end)
    if picked is None:
        raise _nothing(film, start)
    remark = ""
    if claimed - film.seconds > max(0.5, 0.05 * claimed):
        remark = (
            f"The pictures of {film.name} end after {film.seconds:.1f} s, not {claimed:.1f} s as it says."
        )
    return picked, remark


def _spread(film: Film, count: int, size: int, start: float, end: float) -> _Picked | None:
    """The frames of `_uniform`; None if the film ends before the last of them."""
    end = min(end, film.seconds)
    if start >= end:
        raise _nothing(film, start)
    found: _Picked = []
    for time in uniform_times(start, end, count):
        picked = film.shown_at(float(time), size)
        if picked is None:
            return None
        found.append(picked)
    return found


def _nothing(film: Film, start: float) -> CourseError:
    return CourseError(f"{film.name} shows nothing at second {start:g}: it lasts {film.seconds:.1f} s.")
