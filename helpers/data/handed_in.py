"""What learners hand in: the zip of `lesson.download`, read where it lies.

Knows which files of such a zip hold thumbs, and the ways in which a zip can be bad. Knows nothing about what
a thumb is. Nothing is unpacked onto the disk: a name inside a zip is compared, and never becomes a path.
"""

from __future__ import annotations

import contextlib
import io
import json
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from helpers import __version__
from helpers.data import jsonl
from helpers.settings import CourseError

#: A file in the zip that says where it comes from.
ABOUT = "about.json"
#: A learner's link holds 1.5 MB; whoever packs their results again may add to it.
MOST_PACKED = 5_000_000
#: Of all that is unpacked, in memory: the thumbs of a thousand learners would fit.
MOST_UNPACKED = 20_000_000

# Packed again by hand, everything stands in one more folder; a Mac adds a shadow of each file, with a dot.
_THUMBS = re.compile(r"(?:[^/]+/)*thumbs/[^/.][^/]*\.jsonl")
# All that `zipfile` and what it calls raise for damaged, locked or odd archives.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    struct.error,
    ValueError,
    IndexError,
    OverflowError,
    OSError,
    RuntimeError,  # a password; NotImplementedError, a way of packing of the future, is one, too
)


@dataclass(frozen=True)
class Inside:
    """A file of thumbs inside a zip, in memory. `jsonl.read` opens and names it as it does a path."""

    archive: Path
    member: str
    content: bytes

    @property
    def name(self) -> str:
        return f"{self.archive.name}: {self.member}"

    def open(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self.content)


def is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


def files_below(folder: Path, notes: list[str]) -> list[Path]:
    """All files below a folder, hidden ones too, in order; `notes` is told what cannot be listed."""

    def unread(error: OSError) -> None:
        notes.append(f"{error.filename} cannot be listed ({error.strerror or error}).")

    def is_file(path: Path) -> bool:
        try:
            return path.is_file()
        except OSError:
            return True  # opening it says why it cannot be read

    places = os.walk(folder, onerror=unread)
    return sorted(path for place, _, names in places for name in names if is_file(path := Path(place, name)))


def about(lesson: str) -> str:
    """What `lesson.download` puts into the zip as ABOUT."""
    return json.dumps({"course": "Cats to KTO", "version": __version__, "lesson": lesson})


def thumbs_in(path: Path) -> tuple[list[Inside], str]:
    """The files of thumbs in a zip, and a sentence on what is odd about it, or the empty string.

    Raises:
        CourseError: if it cannot be used; one sentence says why.
    """
    with _opened(path) as archive:
        names = archive.namelist()
        found = [
            Inside(path, info.filename, content)
            for info, content in _contents(path, archive, lambda name: bool(_THUMBS.fullmatch(name)))
        ]
        if found:
            return found, _other_version(path, archive)
    if any(name.lower().endswith(".zip") for name in names):
        why = "holds other zips: unpack it here, then run this again."
    elif ABOUT in names:
        why = "holds no thumbs: whoever made it had judged nothing yet."
    else:
        why = "is not what “Download my results” makes: there are no thumbs in it."
    raise CourseError(f"{path.name} {why}")


def rewrite(path: Path, change: Callable[[Inside], bytes]) -> None:
    """Replace a zip, in one step, by one in which `change` has given each file of thumbs its content.

    Raises:
        CourseError: if it cannot be read or written; it is then as it was.
    """
    with jsonl._changing(path):
        made = io.BytesIO()
        with _opened(path) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
            for info, content in _contents(path, old, lambda name: True):
                ours = _THUMBS.fullmatch(info.filename)
                new.writestr(info, change(Inside(path, info.filename, content)) if ours else content)
        with jsonl._replacing(path) as file:
            file.write(made.getvalue())


# --- plumbing -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip; whatever is wrong with it while it is open becomes a sentence."""
    try:
        size = path.stat().st_size
        if size > MOST_PACKED:
            raise CourseError(
                f"{path.name} has {size / 1e6:,.0f} MB and was not opened: a zip of results has at most "
                f"{MOST_PACKED / 1e6:.0f}."
            )
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise CourseError(f"{path.name} cannot be read ({_why(error)}): ask for it again.") from error
    with archive:
        yield archive


def _contents(
    path: Path, archive: zipfile.ZipFile, wanted: Callable[[str], bool]
) -> Iterator[tuple[zipfile.ZipInfo, bytes]]:
    """The wanted files, unpacked in memory, as long as they are not too much together.

    A zip's own table says how large its files are, and may lie: no more is read than there may be.
    """
    left = MOST_UNPACKED
    for info in archive.infolist():
        if not wanted(info.filename):
            continue
        try:
            with archive.open(info) as file:
                content = file.read(left + 1)
        except _BROKEN as error:
            raise CourseError(f"{path.name} cannot be read ({_why(error)}): ask for it again.") from error
        left -= len(content)
        if left < 0:
            raise CourseError(
                f"{path.name} unpacks to more than {MOST_UNPACKED / 1e6:.0f} MB and was left alone: "
                "no class gives so many thumbs."
            )
        yield info, content


def _other_version(path: Path, archive: zipfile.ZipFile) -> str:
    """A sentence if another version of the course made this zip."""
    try:
        [(_, content)] = _contents(path, archive, lambda name: name == ABOUT)
        version = json.loads(content)["version"]
    except (CourseError, ValueError, RecursionError, KeyError, TypeError):
        return ""  # there is no such file, or an odd one: the thumbs speak for themselves
    if version == __version__:
        return ""
    return f"{path.name} comes from version {str(version)[:20]} of the course, this is {__version__}: " + (
        "thumbs that can be read are used."
    )


def _why(error: Exception) -> str:
    if isinstance(error, RuntimeError) and not isinstance(error, NotImplementedError):
        return "it has a password"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "it is damaged, or no zip"
