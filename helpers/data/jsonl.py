"""JSON lines: one object per line, read one at a time, added at once, and never lost.

Knows files, their lock and what a line of JSON is. Knows nothing about what the objects mean.

A line that cannot be read (half of it was written when a kernel was killed, or it came from elsewhere) is
reported by its number and skipped; whatever changes the file leaves such lines as they are.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from helpers.settings import CourseError

LOCK_SECONDS = 10.0
#: A longer line is not read into memory but reported: no row of this course comes near it.
LONGEST_LINE = 2**20  # bytes

_FULL_DISK = {errno.ENOSPC, errno.EDQUOT}

Row = dict[str, Any]


@dataclass(frozen=True)
class BrokenLine:
    """A line that could not be used; `number` counts from 1."""

    path: Path
    number: int
    problem: str

    def __str__(self) -> str:
        return f"{self.path.name}, line {self.number}: {self.problem}"


def read(path: Path) -> Iterator[tuple[int, Row] | BrokenLine]:
    """The file's objects with their line numbers, and its broken lines, in order, one at a time.

    Empty lines are passed over. A file that does not exist has no lines.

    Raises:
        CourseError: if the file cannot be opened or read.
    """
    try:
        with path.open("rb") as file:
            for number, line in _lines(file):
                if line is None:
                    yield BrokenLine(path, number, f"is longer than {LONGEST_LINE:,} bytes")
                elif line.strip():
                    try:
                        yield number, _parse(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
                    except ValueError as error:
                        yield BrokenLine(path, number, str(error))
    except FileNotFoundError:
        return
    except OSError as error:
        raise CourseError(f"{path} cannot be read ({error.strerror or error}).") from error


def write(path: Path, rows: Iterable[Row]) -> None:
    """Replace the file by these rows in one step: after a crash it is the old one or the new one.

    Raises:
        CourseError: if the disk is full or the folder cannot be written; the old file stays.
    """
    with _changing(path), _replacing(path) as file:
        for row in rows:
            file.write(_line(row))


def append(path: Path, rows: Iterable[Row]) -> None:
    """Add rows at the end, all or none, on the disk when this returns. Safe against other notebooks.

    Raises:
        CourseError: if the disk is full, the folder cannot be written, or the lock is not given.
    """
    added = b"".join(_line(row) for row in rows)
    with _changing(path), path.open("a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":  # half a line, from a kernel that was killed: it stays alone
                added = b"\n" + added
        try:
            rest = memoryview(added)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(size)
            raise


def remove_last(path: Path, wanted: Callable[[Row], bool]) -> bool:
    """Remove the last row for which `wanted` is true, if there is one; says whether there was.

    All other lines stay, byte for byte. Safe against other notebooks.

    Raises:
        CourseError: if the file cannot be read or written; it is then as it was.
    """
    with _changing(path):
        found = 0
        for item in read(path):
            if not isinstance(item, BrokenLine) and wanted(item[1]):
                found = item[0]
        if found:
            with path.open("rb") as old, _replacing(path) as new:
                for number, line in enumerate(old, start=1):
                    if number != found:
                        new.write(line)
    return bool(found)


# --- plumbing -----------------------------------------------------------------------------------------------


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Each line with its number; None for one that is too long, which is passed over in pieces."""
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) <= LONGEST_LINE or line.endswith(b"\n"):
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE)
        yield number, None


def _parse(line: bytes) -> Row:
    """The object in a line. Raises ValueError, saying in a few words what is wrong."""
    try:
        row = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except json.JSONDecodeError:
        half = "" if line.endswith(b"\n") else " (the last line, perhaps half-written)"
        raise ValueError(f"is not JSON{half}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if not isinstance(row, dict):
        raise ValueError("is JSON but no object")
    return row


def _refuse_constant(name: str) -> None:
    raise ValueError(f"holds {name}, which is not JSON")


def _line(row: Row) -> bytes:
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[None]:
    """Hold the lock beside `path`; an error of the operating system becomes a sentence."""
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=LOCK_SECONDS):
            yield
    except Timeout as error:
        raise CourseError(f"{path} is held by another notebook; try again in a moment.") from error
    except OSError as error:
        if error.errno in _FULL_DISK:
            raise CourseError(
                f"The disk is full, so {path} cannot be written; free some space there."
            ) from error
        why = error.strerror or error
        raise CourseError(
            f"{path} cannot be written ({why}); make sure that its folder can be written to."
        ) from error


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when the with-block ends well, and vanishes when it does not."""
    target = path.resolve()  # a link stays a link
    made = target.with_name(f".{target.name}-{secrets.token_hex(4)}.tmp")
    try:
        with made.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, made)
        made.replace(target)
    except BaseException:
        made.unlink(missing_ok=True)
        raise
