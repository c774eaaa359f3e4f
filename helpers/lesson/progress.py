"""What a learner has done so far, kept in one small JSON file that survives restarts.

Knows the file, its lock and its version. Knows nothing about what the kept values mean.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helpers import settings
from helpers.data import share
from helpers.settings import CourseError

VERSION = 1
LOCK_SECONDS = 10.0

_told: set[Path] = set()  # files whose folder cannot be written: said once per process
# What such a file should hold: file -> lesson -> key -> value.
_unsaved: dict[Path, dict[str, dict[str, Any]]] = {}


class Progress:
    """The kept values of one lesson; every call reads or writes the file, so that two kernels agree.

    Values are JSON values. When the folder cannot be written, values live until the kernel ends,
    which is said once.
    """

    def __init__(self, lesson: str, path: Path | None = None) -> None:
        """Open the progress of `lesson` (such as "01") in `path`, by default the learner's own."""
        self.lesson = lesson
        self.path = path or settings.progress_path()

    def get(self, key: str, default: Any = None) -> Any:
        """The value kept under `key`, or `default`."""
        unsaved = _unsaved.get(self.path, {}).get(self.lesson, {})
        if key in unsaved:
            return unsaved[key]
        content, problem = _read(self.path)
        if problem:
            try:
                with _locked(self.path):
                    content = _read_or_set_aside(self.path)
            except OSError:
                content = {}
        return content.get(self.lesson, {}).get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Keep a JSON value under `key`, at once.

        Raises:
            TypeError, ValueError: if the value is not JSON (NaN is not).
        """
        json.dumps(value, allow_nan=False)
        unsaved = _unsaved.get(self.path, {})
        try:
            with _locked(self.path):
                content = _read_or_set_aside(self.path)
                for lesson, values in unsaved.items():
                    content.setdefault(lesson, {}).update(values)
                content.setdefault(self.lesson, {})[key] = value
                _write(self.path, content)
        except OSError:
            _unsaved.setdefault(self.path, {}).setdefault(self.lesson, {})[key] = value
            if self.path not in _told:
                _told.add(self.path)
                print(
                    f"Your progress cannot be saved in {self.path.parent} and lasts until this kernel ends; "
                    "set COURSE_HOME to a folder that you can write to."
                )
        else:
            _unsaved.pop(self.path, None)
            _share(self.path, content)


def _share(path: Path, lessons: dict[str, dict[str, Any]]) -> None:
    """Give the class's folder, where there is one and the learner shares, what an instructor's board shows.

    A run of the course (``COURSE_PROGRESS``) is no learner. If the folder fails, the thumbs' widget says so.
    """
    if share.folder() is None or path != settings.home() / "progress.json":
        return
    text = json.dumps({"version": VERSION, "lessons": for_board(lessons)}, ensure_ascii=False)
    with contextlib.suppress(CourseError):
        share.put(path.parent / "thumbs" / share.PROGRESS, lambda: text.encode())


def for_board(lessons: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What an instructor needs: exercises' states, quizzes' scores, and whether a lesson was run to its end.

    No answer of a quiz, no prediction and nothing else is in it.
    """
    kept: dict[str, dict[str, Any]] = {}
    for lesson, values in lessons.items():
        kept[lesson] = {
            key: {name: value.get(name) for name in ("checked", "score", "of")}
            if key.startswith("quiz:") and isinstance(value, dict)
            else value
            for key, value in values.items()
            if key.startswith(("quiz:", "exercise:")) or key == "finished"
        }
    return kept


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock beside `path`; OSError when the folder cannot be written or the lock is not given."""
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock", timeout=LOCK_SECONDS):
        yield


def _read(path: Path) -> tuple[dict[str, dict[str, Any]], str | None]:
    """The lessons in the file and what is wrong with it, as `parse` says it."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, None
    except OSError:
        return {}, None  # unreadable now (a folder's rights); never a reason to move it
    except ValueError:
        return {}, "damaged"


def parse(text: str) -> tuple[dict[str, dict[str, Any]], str | None]:
    """The lessons in a progress file, and what is wrong with it: None, "damaged" or "other-version"."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}, "damaged"
    if not isinstance(content, dict) or not isinstance(content.get("version"), int):
        return {}, "damaged"
    if content["version"] != VERSION:
        return {}, "other-version"
    lessons = content.get("lessons")
    if not isinstance(lessons, dict) or not all(isinstance(values, dict) for values in lessons.values()):
        return {}, "damaged"
    return lessons, None


def _read_or_set_aside(path: Path) -> dict[str, dict[str, Any]]:
    """The lessons in the file; a file that cannot be used is renamed, never lost. Call it under the lock."""
    lessons, problem = _read(path)
    if problem:
        number = 1
        while (kept := path.with_name(f"{path.stem}.{problem}-{number}{path.suffix}")).exists():
            number += 1
        path.rename(kept)
        reason = "is damaged" if problem == "damaged" else "comes from another version of the course"
        print(f"Your progress file {reason}: it is kept as {kept}, and a new one is begun.")
    return lessons


def _write(path: Path, lessons: dict[str, dict[str, Any]]) -> None:
    """Replace the file in one step, so that a crash leaves the old one or the new one."""
    text = json.dumps({"version": VERSION, "lessons": lessons}, ensure_ascii=False, indent=1, sort_keys=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
