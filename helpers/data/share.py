"""A class's folder: each learner's file of thumbs goes there as a copy, so that an instructor can merge them.

Knows ``COURSE_CLASS``, whether a learner wants to share, the copy's name and its rights. Knows nothing about
what a thumb is.

The folder is a drop box: learners write into it and cannot list it. So a copy bears a name that nobody
guesses (kept beside the learner's own file), and only its owner and the folder's group may read it. The
learner's own file stays the one that counts: whatever happens to the copy, the next thumb makes it anew.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from helpers.settings import CourseError

LOCK_SECONDS = 10.0
#: The owner writes, the instructors' group reads, nobody else does anything.
_MODE = 0o640
_STATE = ".class.json"
#: What the copy of a learner's progress is called, behind their number.
PROGRESS = "progress.json"


@dataclass(frozen=True)
class _State:
    """What is kept in a learner's home: the name of their copies, and whether they want any."""

    name: str
    wanted: bool


def folder() -> Path | None:
    """The class's folder, ``COURSE_CLASS``, or None."""  # in `settings` it would make all evidence stale
    named = os.environ.get("COURSE_CLASS")
    return Path(named).expanduser() if named else None


def wanted(path: Path) -> bool:
    """Whether the learner whose file of thumbs is `path` shares it; they do until they say otherwise."""
    return _read(path).wanted


def copy(path: Path) -> Path | None:
    """Put a copy of the file into the class's folder, in one step; None where there is nothing to share.

    Raises:
        CourseError: if that fails; what the class had before stays.
    """
    return put(path, path.read_bytes) if path.exists() else None


def put(path: Path, content: Callable[[], bytes]) -> Path | None:
    """Put what `content` gives into the class's folder as the copy of `path`; None if nothing is shared.

    Raises:
        CourseError: if that fails; what the class had before stays.
    """
    into = folder()
    if into is None:
        return None
    with _locked(path, into):
        state = _read(path)
        if not state.wanted:
            return None
        _keep(path, state)
        target = _target(into, path, state)
        # Read under the lock: of two notebooks the later one finds the thumbs of both.
        _replace(target, content(), _MODE)
    return target


def choose(path: Path, share: bool) -> None:
    """Keep whether the learner wants to share; whoever does not is taken out of the class's folder.

    Raises:
        CourseError: if the choice cannot be kept or the copy cannot be removed.
    """
    into = folder()
    if into is None:
        return
    with _locked(path, into):
        state = _State(_read(path).name, share)
        _keep(path, state)
        if not share:  # the folder cannot be listed, so every name that a copy may have is tried
            failed = []
            for own in {path, path.with_name(PROGRESS), *path.parent.glob("*.jsonl")}:
                try:
                    _target(into, own, state).unlink(missing_ok=True)
                except OSError as error:
                    failed.append(error)
            if failed:  # said only now, so that one copy that stays keeps no other
                raise failed[0]
    if share:
        copy(path)


# --- plumbing -----------------------------------------------------------------------------------------------


@contextmanager
def _locked(path: Path, into: Path) -> Iterator[None]:
    """Hold a lock beside the learner's file; an error of the operating system becomes a sentence."""
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(".class.lock"), timeout=LOCK_SECONDS):
            yield
    except (OSError, Timeout) as error:
        why = getattr(error, "strerror", None) or "it is in use"
        raise CourseError(
            f"Your thumbs are safe in {path}, but the copy in your class's folder {into} could not be "
            f"changed ({why}); tell your instructor."
        ) from error


def _target(into: Path, path: Path, state: _State) -> Path:
    return into / f"{state.name}-{path.name}"


def _read(path: Path) -> _State:
    """The learner's state; a new one, which no file holds yet, where there is none or it is damaged."""
    try:
        kept = json.loads(path.with_name(_STATE).read_text(encoding="utf-8"))
        state = _State(**kept)
        if re.fullmatch("[0-9a-f]{32}", state.name) and isinstance(state.wanted, bool):
            return state
    except (OSError, ValueError, TypeError):
        pass
    return _State(secrets.token_hex(16), True)


def _keep(path: Path, state: _State) -> None:
    if _read(path) != state:
        _replace(path.with_name(_STATE), json.dumps(asdict(state)).encode() + b"\n", 0o600)


def _replace(target: Path, content: bytes, mode: int) -> None:
    """Write a file beside its place with these rights from the start, and rename it into its place."""
    made = target.with_name(f".{target.name}-{secrets.token_hex(4)}.tmp")
    try:
        with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            os.chmod(made, mode)  # whatever the umask took away: the group must be able to read
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        made.replace(target)
    except BaseException:
        made.unlink(missing_ok=True)
        raise
