"""A cache of folders that took work to build, keyed by the configuration that built them.

Knows folders, locks, cards and checksums. Knows nothing about models: a build function fills a folder.

An entry `<name>-<hash of the configuration>` is built beside its final place and renamed into it, so
that it is either whole or absent, whatever happens to the process; a lock keeps two kernels from
building the same entry twice; `card.json`, written last, says what the entry is and what its files
must look like.

Remarks that depend on the machine ("rebuilt", "waiting") go to standard error: the outputs that a
notebook keeps must not depend on whose cache it met.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from helpers import __version__
from helpers.settings import CourseError, cache_dir, shared_cache

CARD = "card.json"
# Files up to this size are hashed whole at every use. Of larger ones only evenly spaced blocks are: hashing
# half a gigabyte takes 0.4 s with a processor's SHA instructions, over 1 s without: too much for every load.
WHOLE_HASH_LIMIT = 16 * 2**20
SAMPLE_BLOCKS = 64
SAMPLE_BYTES = 64 * 2**10

_FULL_DISK = {errno.ENOSPC, errno.EDQUOT}
_NOT_WRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST}


def cached(name: str, config: dict[str, Any], build: Callable[[Path], None]) -> Path:
    """The folder of the entry `name` for `config`, built by `build` unless a sound one exists.

    Args:
        name: what the entry is, in lower-case letters, digits, dots and hyphens.
        config: everything that decides the entry's content; must be JSON.
        build: fills the empty folder that it is given. It may be called in one process only, even if
            several ask at once.

    Returns:
        A folder in ``COURSE_CACHE`` if a sound entry lies there, otherwise in the learner's own cache.
        Treat it as read-only.

    Raises:
        CourseError: if the disk is full or the cache cannot be written. No part of the entry is left.
    """
    entry = entry_name(name, config)
    shared = shared_cache()
    if shared is not None and (shared / entry).is_dir():
        fault = _fault(shared / entry)
        if fault is None:
            return shared / entry
        _remark(f"The shared cache's {entry} {fault}; your own cache is used instead.")

    folder = cache_dir() / entry
    if _fault(folder) is None:
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            fault = _fault(folder)  # another kernel may have built it while this one waited
            if fault is None:
                return folder
            if folder.exists():
                _remark(f"The cached {entry} {fault}; it is built again.")
            _build(folder, name, config, build)
    except Exception as error:
        raise _explained(error, folder) from error
    return folder


def entry_name(name: str, config: dict[str, Any]) -> str:
    """The folder name of an entry: its name and the first 12 hex digits of its configuration's SHA-256."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
        raise ValueError(
            f"a cache entry's name is lower-case letters, digits, dots and hyphens, not {name!r}"
        )
    text = json.dumps({"name": name, "config": config}, sort_keys=True, allow_nan=False)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _build(folder: Path, name: str, config: dict[str, Any], build: Callable[[Path], None]) -> None:
    """Build the entry beside its place and rename it into it. The caller holds the entry's lock."""
    # Whoever holds the lock is alone: anything half-built was left by a process that died.
    for leftover in folder.parent.glob(f"{folder.name}.*"):
        shutil.rmtree(leftover, ignore_errors=True)
    part = folder.with_name(folder.name + ".part")
    try:
        part.mkdir()
        build(part)
        _write_card(part, name, config)
        _make_readable(part)
        if folder.exists():
            # A running notebook may still read the old files: they stay readable until it lets go of them.
            old = folder.with_name(folder.name + ".old")
            folder.rename(old)
            shutil.rmtree(old, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The entry's lock, held for a with-block; says so when it has to wait."""
    lock = FileLock(folder.parent / f".{folder.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _remark(f"Another notebook is building {folder.name}; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _write_card(folder: Path, name: str, config: dict[str, Any]) -> None:
    files = {
        path.relative_to(folder).as_posix(): _fingerprint(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    card = {"name": name, "config": config, "course": __version__, "files": files}
    (folder / CARD).write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _make_readable(folder: Path) -> None:
    """Give files the folder's permissions: safetensors writes for the owner only, a class may share them."""
    mode = folder.stat().st_mode & 0o666
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(mode)


def _fault(folder: Path) -> str | None:
    """What is wrong with an entry, to follow its name in a sentence; None if it is sound."""
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        files, course = card["files"], _release(card["course"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "has no readable card"
    if course < _release(__version__):
        return f"was built by an older course ({card['course']})"
    for relative, expected in files.items():
        try:
            if (folder / relative).stat().st_size != expected["size"]:
                return f"is damaged ({relative} has the wrong size)"
            if _fingerprint(folder / relative) != expected:
                return f"is damaged ({relative} has changed)"
        except OSError:
            return f"is damaged ({relative} cannot be read)"
    return None


def _release(version: str) -> tuple[int, int]:
    """A version's first two numbers: corrections of the third leave the cache as it is."""
    major, minor, *_ = version.split(".")
    return int(major), int(minor)


def _fingerprint(path: Path) -> dict[str, int | str]:
    """A file's size and SHA-256: of the whole file, or of evenly spaced blocks of a large one."""
    size = path.stat().st_size
    if size <= WHOLE_HASH_LIMIT:
        return {"size": size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        for block in range(SAMPLE_BLOCKS):
            file.seek(block * (size - SAMPLE_BYTES) // (SAMPLE_BLOCKS - 1))
            digest.update(file.read(SAMPLE_BYTES))
    return {"size": size, "sha256_of_blocks": digest.hexdigest()}


def _explained(error: Exception, folder: Path) -> Exception:
    """A CourseError that says what to do about a full disk or a read-only cache; any other error as it is."""
    code = error.errno if isinstance(error, OSError) else None
    path = Path(getattr(error, "filename", None) or folder)
    about_cache = path.is_relative_to(folder.parent) or folder.is_relative_to(path)
    # safetensors reports the operating system's error only as text.
    if code in _FULL_DISK or "No space left on device" in str(error):
        return CourseError(
            f"The disk is full: {folder.name} could not be stored in {folder.parent}. "
            "Free some space there, or set COURSE_HOME to a folder on another disk, and run the cell again."
        )
    if code in _NOT_WRITABLE and about_cache:
        return CourseError(
            f"{folder.name} could not be stored because {folder.parent} is not writable. "
            "Set COURSE_HOME to a folder that you can write to, and run the cell again."
        )
    return error


def _remark(text: str) -> None:
    print(text, file=sys.stderr)
