"""Reading a folder of somebody's pictures, whatever is in it.

Knows the ways in which picture files surprise a program, and says each in one sentence. Knows nothing about
models or about what the pictures show.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

#: A file that claims more pixels than this is not opened: a few kilobytes can unpack to gigabytes.
MAX_PIXELS = 50_000_000
MAX_SIDE = 512  # pixels: larger pictures are reduced, so that a folder of them fits into memory
MAX_PICTURES = 200

# Formats that many pictures are in. Others may start programs of their own (PostScript does) or be movies.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
_ANIMATED = ("GIF", "PNG", "WEBP")


class _Unreadable(Exception):  # noqa: N818 - a reason, told to the learner
    """Why a file was left out, as the end of a sentence that starts with its name."""


@dataclass(frozen=True)
class Pictures:
    """What a folder held.

    Attributes:
        pictures: uint8 (height, width, 3) each, at most `MAX_SIDE` on the longer side.
        names: the file name of each picture.
        problems: one sentence for everything that was left out or changed.
        files: how many files the folder held.
    """

    pictures: list[np.ndarray] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    files: int = 0

    @property
    def coverage(self) -> str:
        """How many of the files are among the pictures, in words."""
        if not self.files:
            return "There was no file to use."
        return f"{len(self.pictures)} of {self.files} files could be used."


def read_pictures(folder: Path | str) -> Pictures:
    """The pictures directly in `folder`, by name; hidden files and subfolders are left out.

    They come upright (as their EXIF data say) in red, green and blue, with transparent parts on white. Of an
    animation the first frame is taken. What cannot be read becomes a sentence in `problems`; nothing raises.
    """
    folder = Path(folder).expanduser()
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return Pictures(problems=[f"There is no folder {folder.name} that can be read."])
    files = [entry for entry in entries if entry.is_file()]
    if not files:
        return Pictures(problems=[f"The folder {folder.name} holds no files."])
    found = Pictures(files=len(files))
    for position, file in enumerate(files):
        if len(found.pictures) == MAX_PICTURES:
            left = len(files) - position
            found.problems.append(f"{left} more files were not looked at: {MAX_PICTURES} are enough here.")
            break
        _add(found, file)
    if not found.pictures:
        found.problems.append(f"The folder {folder.name} holds no picture that can be read.")
    return found


def _add(found: Pictures, file: Path) -> None:
    try:
        picture, remark = _read(file)
    except _Unreadable as reason:
        found.problems.append(f"{file.name} {reason}")
        return
    found.pictures.append(picture)
    found.names.append(file.name)
    if remark:
        found.problems.append(f"{file.name} {remark}")


def _read(file: Path) -> tuple[np.ndarray, str]:
    """A file's picture, and a remark about it (or an empty string)."""
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # each problem is told once, in our words
        try:
            if file.stat().st_size == 0:
                raise _Unreadable("is an empty file.")
            with Image.open(file, formats=_FORMATS) as image:
                return _pixels(image)
        except _Unreadable:
            raise
        except MemoryError:
            raise _Unreadable("needs more memory than there is.") from None
        except Image.DecompressionBombError:
            raise _Unreadable(_too_large()) from None
        except PermissionError:
            raise _Unreadable("may not be read: look at its permissions.") from None
        except UnidentifiedImageError:
            raise _Unreadable("is not a picture in JPEG, PNG, GIF, WebP, BMP or TIFF.") from None
        except Exception:  # on broken data a decoder may raise anything
            raise _Unreadable("is broken: its data end too early or make no sense.") from None


def _pixels(image: Image.Image) -> tuple[np.ndarray, str]:
    from PIL import ImageOps

    if image.width * image.height > MAX_PIXELS:
        raise _Unreadable(_too_large())
    remark = ""
    if image.format in _ANIMATED and getattr(image, "n_frames", 1) > 1:
        remark = "is an animation: its first frame is used."
        image.seek(0)
    image.draft("RGB", (2 * MAX_SIDE, 2 * MAX_SIDE))  # a JPEG is then decoded at a fraction of its size
    upright = _in_color(ImageOps.exif_transpose(image))
    upright.thumbnail((MAX_SIDE, MAX_SIDE))
    return np.array(upright), remark


def _in_color(image: Image.Image) -> Image.Image:
    """The image in red, green and blue: 16 bits become 8, and what is transparent shows a white ground."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):  # PIL would cut 16 bits off at 255
        deep = np.asarray(image, dtype=np.float64)
        low, high = float(deep.min()), float(deep.max())
        if not np.isfinite([low, high]).all():
            raise _Unreadable("holds numbers that are not finite.")
        return Image.fromarray(np.uint8(255 * (deep - low) / max(high - low, 1e-9))).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layered = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
    return image.convert("RGB")


def _too_large() -> str:
    return f"is too large: it has more than {MAX_PIXELS // 1_000_000} million pixels."
