"""An open film file: what it shows at which second, with as little decoding as its key frames allow.

Knows containers, time stamps, key frames, rotation and shapes of pixels. Knows nothing about which frames
somebody wants, or why.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.settings import CourseError

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

#: A film that claims more pixels in a frame is not decoded: 8K has 33 million.
MAX_PIXELS = 40_000_000

# Demuxers by name. Others may open further files or addresses (playlists), show any text as a film, or know
# times only roughly. The last few hold sound, and are here so that it can be told.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,apng,mpegts,ogg,mp3,wav,flac,aac,aiff"
# It tells when frames are decoded, evenly; when they are shown follows from their order.
_NO_STAMPS = ("avi",)
_UNSEEKABLE = ("gif", "apng")  # each frame changes the one before, and nothing marks the whole ones
_INDEXED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi")  # others' indexes have gaps
_WORTH_A_JUMP = 2.0  # seconds to skip, where no index says how far away the next key frame is
_STEPS_BACK = (0.0, 1.0, 5.0, 30.0)  # seconds: a jump may land after its goal; then it aims earlier
_TINY = 1e-6  # seconds: less than any time base, more than rounding


class Film:
    """A film file, open for one walk through it. Close it, or use it in a `with`.

    Attributes:
        seconds: how long it is, as the file claims, until `measure`.
        rate: frames a second, as the file claims.
        decoded: how many frames have been decoded so far.

    Raises:
        CourseError: if the file holds no film.
        Exception: whatever av raises for a file that it cannot open.
    """

    def __init__(self, path: Path) -> None:
        self.name, self.decoded = path.name, 0
        self._path = path
        self._patient = False  # whether the last frame is taken to stay for ever
        self._open()
        self._enter(at_start=True)
        if self._ahead is None:
            self.close()
            raise CourseError(f"{self.name} holds no frame that can be decoded.")
        self._origin = _seconds(self._ahead)
        self.rate = float(self._stream.average_rate or self._stream.guessed_rate or 0)
        self.seconds = float((self._stream.duration or 0) * self._stream.time_base)
        if self.seconds <= 0:  # then the longest stream's, in microseconds
            self.seconds = (self._container.duration or 0) / 1e6
        if self.seconds <= 0 or self.rate <= 0:
            self.measure()

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._container.close()

    def shown_at(self, time: float, size: int) -> tuple[float, np.ndarray] | None:
        """The frame that is shown at `time`: its own time, and uint8 (height, width, 3), `size` at most.

        Call it with times that never fall. None if the film ends before.
        """
        self._go(time)
        if self._shown is None:
            return None
        if self._ahead is None and not self._patient and time >= self._end(self._shown):
            return None
        return self._time(self._shown), self._picture(size)

    def following(self, start: float, count: int, end: float, size: int) -> list[tuple[float, np.ndarray]]:
        """The frame that is shown at `start` and those after it: `count` of them, or fewer if `end` comes."""
        found: list[tuple[float, np.ndarray]] = []
        picked = self.shown_at(start, size)
        while picked is not None and picked[0] < end:
            found.append(picked)
            if len(found) == count or self._ahead is None:
                break
            picked = self.shown_at(self._time(self._ahead), size)
        return found

    def measure(self) -> None:
        """Find out from the packets, undecoded, how long the film really is; and go to its beginning."""
        self.close()
        self._open()
        last, count = self._origin, 0
        for packet in self._packets():
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None:
                count += 1
                last = max(last, float((stamp + (packet.duration or 0)) * packet.time_base))
        self.seconds = max(last - self._origin, 1 / (self.rate or 1000))
        self.rate = self.rate or count / self.seconds
        self._patient = True
        self.close()
        self._open()
        self._enter(at_start=True)

    # --- where the file stands ------------------------------------------------------------------------------

    def _open(self) -> None:
        """Open the file at its beginning, without reading on."""
        import av

        # No playlist, no address and no reference to another file is followed.
        options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
        self._container = av.open(f"file:{self._path.absolute()}", options=options, metadata_errors="replace")
        try:
            self._stream = _film_stream(self._container, self.name)
        except CourseError:
            self.close()
            raise
        self._stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # they may change on the way

    def _enter(self, at_start: bool) -> None:
        """Decode from where the file stands."""
        self._frames = self._decode(at_start)
        self._shown: VideoFrame | None = None
        self._pixels: np.ndarray | None = None  # of the frame that is shown, once somebody wants them
        self._ahead = next(self._frames, None)

    def _packets(self) -> Iterator[Any]:
        """The film's packets from where the file stands to where its data end."""
        import av

        packets = self._container.demux(self._stream)
        while True:
            try:
                yield next(packets)
            except (StopIteration, av.FFmpegError):
                return

    def _decode(self, at_start: bool) -> Iterator[VideoFrame]:
        """The frames that can be decoded, in the order in which they are shown."""
        import av

        last: int | None = None
        for packet in self._packets():
            try:
                decoded = packet.decode()
            except av.EOFError:
                return
            except av.FFmpegError:  # a damaged packet; the next one may be sound
                continue
            self.decoded += len(decoded)
            for frame in decoded:
                stamp = frame.dts if self._container.format.name in _NO_STAMPS else frame.pts
                if stamp is None and (last is not None or at_start):  # the last frames, as the decoder closes
                    rate = self._stream.average_rate or 25
                    stamp = (last or 0) + max(1, round(1 / (rate * self._stream.time_base)))
                if stamp is not None:
                    last = stamp if last is None else max(last, stamp)  # damaged stamps may run backward
                    frame.pts = last
                    yield frame

    def _time(self, frame: VideoFrame) -> float:
        return _seconds(frame) - self._origin

    def _end(self, frame: VideoFrame) -> float:
        """The second until which the file's last frame is shown."""
        length = float(frame.duration * frame.time_base) if frame.duration else 0.0
        return self._time(frame) + max(length, 1 / (self.rate or 1000)) + _TINY

    def _go(self, time: float) -> None:
        """Walk, or jump and walk, until the frame that is shown at `time` is the one that is shown."""
        if self._ahead is not None and self._jump_pays(time):
            self._jump(time)
        while self._ahead is not None and self._time(self._ahead) <= time + _TINY:
            self._shown, self._pixels = self._ahead, None
            self._ahead = next(self._frames, None)

    def _jump_pays(self, time: float) -> bool:
        """Whether a key frame lies between the next frame and the one at `time`, as far as one can know."""
        here = self._time(self._ahead)
        if time <= here or self._container.format.name in _UNSEEKABLE:
            return False
        entries, goal = self._stream.index_entries, self._stamp(time)
        complete = self._container.format.name in _INDEXED and len(entries) > 0
        if complete and entries[len(entries) - 1].timestamp >= goal:
            found = entries.search_timestamp(goal)
            return found >= 0 and entries[found].timestamp > self._stamp(here)
        return time - here > _WORTH_A_JUMP

    def _stamp(self, time: float) -> int:
        return math.floor((time + self._origin) / self._stream.time_base)

    def _jump(self, time: float) -> None:
        """Enter the file at a key frame before `time`, or at its beginning."""
        import av

        for back in _STEPS_BACK:
            if time - back <= 0:
                break
            try:
                self._container.seek(self._stamp(time - back), stream=self._stream)
            except av.FFmpegError:
                break
            self._enter(at_start=False)
            if self._ahead is not None and self._time(self._ahead) <= time + _TINY:
                return
        self.close()
        self._open()
        self._enter(at_start=True)

    def _picture(self, size: int) -> np.ndarray:
        if self._pixels is None:
            self._pixels = _pixels(self._shown, self._stream, size)
        return self._pixels


def _seconds(frame: VideoFrame) -> float:
    return float(frame.pts * frame.time_base)


def _film_stream(container: InputContainer, name: str) -> VideoStream:
    """The container's largest film; the cover of a song is none."""
    from av.stream import Disposition

    films = [one for one in container.streams.video if not one.disposition & Disposition.attached_pic]
    if not films:
        what = "sound, but no film" if container.streams.audio else "no film"
        raise CourseError(f"{name} holds {what}.")
    film = max(films, key=lambda one: one.width * one.height)
    if film.width * film.height > MAX_PIXELS:
        raise CourseError(
            f"{name} is too large: its frames have more than {MAX_PIXELS // 1_000_000} million pixels."
        )
    return film


# --- pixels -------------------------------------------------------------------------------------------------


def _pixels(frame: VideoFrame, stream: VideoStream, size: int) -> np.ndarray:
    """The frame upright, with square pixels, at most `size` on its longer side: uint8 (height, width, 3)."""
    ratio = float(stream.sample_aspect_ratio or 1)
    wide, high = frame.width * max(1.0, ratio), frame.height * max(1.0, 1 / ratio)
    factor = min(1.0, size / max(wide, high))
    shape = {"width": max(1, round(wide * factor)), "height": max(1, round(high * factor))}
    if any(component.is_alpha for component in frame.format.components):
        layered = frame.to_ndarray(format="rgba", interpolation="AREA", **shape).astype(np.uint16)
        alpha = layered[..., 3:]
        picture = ((layered[..., :3] * alpha + 255 * (255 - alpha)) // 255).astype(np.uint8)
    else:
        picture = frame.to_ndarray(format="rgb24", interpolation="AREA", **shape)
    return np.ascontiguousarray(_upright(picture, _matrix(frame)))


def _matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """Where the file says that a frame's axes point: (a, b, c, d) of x' = ax + cy, y' = bx + dy."""
    data = next((data for data in frame.side_data if data.type.name == "DISPLAYMATRIX"), None)
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(data), dtype=np.int32)[:5].tolist()
    return a, b, c, d


def _upright(picture: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """The picture turned and mirrored by quarter turns, as a display matrix asks."""
    a, b, c, d = matrix
    if abs(b) > abs(a):  # rows become columns
        picture, a, d = picture.swapaxes(0, 1), c, b
    if a < 0:
        picture = picture[:, ::-1]
    return picture[::-1] if d < 0 else picture
