"""Writing a film: as a file that browsers and phones play, or as bytes for a page.

Knows codecs and how not to leave half a file behind. Knows nothing about pages or about reading films.
"""

from __future__ import annotations

import io
import math
import os
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helpers.settings import CourseError

if TYPE_CHECKING:
    from av.container import OutputContainer

#: H.264 plays on every phone and in Safari; VP9 also in browsers that leave patented codecs out.
CODECS = {".mp4": "libx264", ".webm": "libvpx-vp9"}
MAX_SIDE = 4096
# One thread each, so that the same frames become the same bytes on every machine.
_OPTIONS = {
    "libx264": {"crf": "18", "preset": "medium", "threads": "1"},
    "libvpx-vp9": {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "5", "threads": "1"},
}
_REPEATABLE = {"fflags": "bitexact"}  # no random identifier of the file, no version of the library
_BT709 = 1  # the code of the colors of high-definition films, which every player understands


def write_clip(path: Path | str, frames: np.ndarray, rate: float = 6.0, scale: int = 1) -> None:
    """Write frames as a film: H.264 in ``.mp4``, or VP9 in ``.webm``. A file that is there is replaced.

    Both keep color at half the resolution (4:2:0), which blurs the edges of small drawings: enlarge those.
    An odd side grows by a pixel, as these codecs ask for even ones. The MP4 starts to play before it is
    loaded. The file appears under its name only when it is whole.

    Args:
        path: ending in ``.mp4`` or ``.webm``.
        frames: uint8 (frames, height, width, 3).
        rate: frames a second.
        scale: every pixel becomes a square of `scale` x `scale`.

    Raises:
        CourseError: for another ending, other frames, or a folder that cannot be written to.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in CODECS:
        raise CourseError(f"A film's name ends in {' or '.join(CODECS)}; not {path.name!r}.")
    _check(frames, rate, scale)
    import av

    partial = None
    try:
        handle, partial = tempfile.mkstemp(suffix=path.suffix.lower(), dir=path.parent)
        os.close(handle)
        options = {"movflags": "faststart"} if path.suffix.lower() == ".mp4" else {}
        with av.open(partial, "w", options=options | _REPEATABLE) as container:
            _encode(container, CODECS[path.suffix.lower()], frames, rate, scale)
        os.chmod(partial, 0o644)  # mkstemp's own mode is for secrets
        os.replace(partial, path)
    except OSError as error:  # av's errors of the file system are such, too
        raise CourseError(f"{path.name} could not be written: {error.strerror or error}.") from None
    finally:
        if partial and os.path.exists(partial):
            os.unlink(partial)


def webm(frames: np.ndarray, rate: float = 6.0, scale: int = 1) -> bytes:
    """The frames as a film in memory: VP9 in WebM. Arguments and errors are those of `write_clip`."""
    _check(frames, rate, scale)
    import av

    with io.BytesIO() as buffer:
        with av.open(buffer, "w", format="webm", options=_REPEATABLE) as container:
            _encode(container, CODECS[".webm"], frames, rate, scale)
        return buffer.getvalue()


def _check(frames: np.ndarray, rate: float, scale: int) -> None:
    shape = getattr(frames, "shape", None)
    if getattr(frames, "dtype", None) != np.uint8 or len(shape) != 4 or shape[3] != 3 or 0 in shape:
        kind = f"{frames.dtype} {shape}" if shape is not None else type(frames).__name__
        raise CourseError(f"A film is an array uint8 (frames, height, width, 3), not {kind}.")
    if not (math.isfinite(rate) and 0.01 <= rate <= 1000):
        raise CourseError(f"rate, the frames a second, must be from 0.01 to 1000; not {rate}.")
    if not (scale >= 1 and scale == int(scale) and max(shape[1:3]) * scale <= MAX_SIDE):
        raise CourseError(
            f"A frame of {shape[1]} x {shape[2]} times {scale} is not from 1 to {MAX_SIDE} pixels."
        )


def _encode(container: OutputContainer, codec: str, frames: np.ndarray, rate: float, scale: int) -> None:
    from av import VideoFrame

    # A key frame every two seconds, for those who read a few frames only or drag the slider of a player.
    options = _OPTIONS[codec] | {"g": str(max(12, round(2 * rate)))}
    stream = container.add_stream(codec, rate=Fraction(float(rate)).limit_denominator(1001), options=options)
    height, width = (side * scale + side * scale % 2 for side in frames.shape[1:3])
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    for picture in frames:
        large = picture.repeat(scale, axis=0).repeat(scale, axis=1)
        even = np.pad(large, ((0, height - large.shape[0]), (0, width - large.shape[1]), (0, 0)), mode="edge")
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709")))
    container.mux(stream.encode())
