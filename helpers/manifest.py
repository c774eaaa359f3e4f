"""The manifest: what ``course.toml`` says about the course and its lessons.

Knows the file's format and what makes it consistent. Knows nothing about notebooks, builds or runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import settings
from helpers.settings import CourseError

_ADDRESS = re.compile(r"https://github\.com/([A-Za-z0-9][A-Za-z0-9-]*)/([A-Za-z0-9._-]+?)(?:\.git)?/?")


@dataclass(frozen=True)
class LessonEntry:
    """One lesson. Minutes are a learner's; `seconds` and `peak_mb` are the budgets of one live run.

    A planned lesson has no notebook yet: its `name` is empty, and its numbers are 0.
    """

    id: str
    title: str
    part: str
    finds: str
    name: str = ""
    minutes_core: int = 0
    minutes_full: int = 0
    requires: tuple[str, ...] = ()
    seconds: float = 0
    peak_mb: float = 0

    @property
    def planned(self) -> bool:
        return not self.name

    @property
    def heading(self) -> str:
        return f"{self.id} · {self.title}"

    def source(self, root: Path) -> Path:
        return root / "notebooks" / "source" / f"{self.name}.py"

    def learner(self, root: Path) -> Path:
        return root / "notebooks" / f"{self.name}.ipynb"

    def solution(self, root: Path) -> Path:
        return root / "notebooks" / "solutions" / f"{self.name}.ipynb"


@dataclass(frozen=True)
class Manifest:
    """The course: its address (empty until set) and its lessons in order, then the planned ones."""

    title: str
    version: str
    repository: str
    branch: str
    lessons: tuple[LessonEntry, ...]
    planned: tuple[LessonEntry, ...] = ()

    @property
    def slug(self) -> str:
        """``OWNER/NAME`` of the repository, or the empty string."""
        return "/".join(address_parts(self.repository)) if self.repository else ""

    def choose(self, wanted: Iterable[str] = ()) -> list[LessonEntry]:
        """The lessons with these numbers or names ("01", "1", "01_language…") in course order; all if none.

        Raises:
            CourseError: for a lesson that the course does not have, or not yet.
        """
        by_name = {key: entry for entry in self.lessons for key in (entry.id, entry.name)}
        words = [word for text in wanted for word in re.split(r"[\s,]+", text) if word]
        keys = [word.zfill(2) if word.isdigit() else word for word in words]
        planned = {entry.id for entry in self.planned}
        for key in keys:
            if key not in by_name:
                what = (
                    f"Lesson {key} is planned and does not exist yet"
                    if key in planned
                    else f"There is no lesson {key!r}"
                )
                raise CourseError(f"{what}; choose among {' '.join(entry.id for entry in self.lessons)}.")
        chosen = {by_name[key].id for key in keys}
        return [entry for entry in self.lessons if entry.id in chosen or not keys]


def address_parts(url: str) -> tuple[str, str]:
    """Owner and name of a repository's address.

    Raises:
        CourseError: if it is not of the form ``https://github.com/OWNER/NAME`` (Colab and Binder open these).
    """
    match = _ADDRESS.fullmatch(url.strip())
    if not match:
        raise CourseError(f"{url!r} is not an address such as https://github.com/OWNER/NAME.")
    return match[1], match[2]


def _text(table: dict[str, Any], key: str) -> str:
    if not isinstance(table[key], str):
        raise CourseError(f"course.toml: {key} must be a text in quotes, not {table[key]!r}.")
    return table[key]


def _number(table: dict[str, Any], key: str, kind: type[int] | type[float] = float) -> Any:
    value = table[key]
    if isinstance(value, bool) or not isinstance(value, (int, kind)):
        words = "a whole number" if kind is int else "a number"
        raise CourseError(f"course.toml: {key} must be {words}, not {value!r}.")
    return value


def _texts(table: dict[str, Any], key: str) -> tuple[str, ...]:
    value = table[key]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CourseError(f"course.toml: {key} must be a list of texts in quotes, not {value!r}.")
    return tuple(value)


def _tables(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = document[key]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise CourseError(f"course.toml: lessons stand below [[{key}]], in double brackets.")
    return value


def _entry(table: dict[str, Any], planned: bool) -> LessonEntry:
    common = {key: _text(table, key) for key in ("id", "title", "part", "finds")}
    if planned:
        return LessonEntry(**common)
    return LessonEntry(
        **common,
        name=_text(table, "name"),
        minutes_core=_number(table, "core", int),
        minutes_full=_number(table, "full", int),
        requires=_texts(table, "requires"),
        seconds=_number(table, "seconds"),
        peak_mb=_number(table, "peak_mb"),
    )


def _validate(manifest: Manifest) -> None:
    if not manifest.lessons:
        raise CourseError("course.toml has no lesson; add one below [[lessons]].")
    seen: set[str] = set()
    for entry in (*manifest.lessons, *manifest.planned):
        if entry.id in seen:
            raise CourseError(f"course.toml has two lessons {entry.id!r}; give one another id.")
        if entry.name and not re.fullmatch(rf"{re.escape(entry.id)}_[a-z0-9_]+", entry.name):
            raise CourseError(
                f"course.toml: the name {entry.name!r} must be {entry.id}_ and lower-case words."
            )
        missing = [number for number in entry.requires if number not in seen]
        if missing:
            raise CourseError(
                f"course.toml: lesson {entry.id} requires {missing[0]!r}, which does not come before it."
            )
        if not entry.planned and not (
            0 < entry.minutes_core <= entry.minutes_full and entry.seconds > 0 and entry.peak_mb > 0
        ):
            raise CourseError(f"course.toml: lesson {entry.id} needs 0 < core <= full, seconds and peak_mb.")
        seen.add(entry.id)


def load(root: Path = settings.ROOT) -> Manifest:
    """Read and check ``course.toml``.

    Raises:
        CourseError: if the file is missing, is not TOML, lacks a field, has one of another type, or
            contradicts itself.
    """
    import tomllib

    path = root / "course.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        course = document["course"]
        if not isinstance(course, dict):
            raise CourseError("course.toml: what is about the course stands below [course].")
        manifest = Manifest(
            title=_text(course, "title"),
            version=_text(course, "version"),
            repository=_text(course, "repository").strip(),
            branch=_text(course, "branch"),
            lessons=tuple(_entry(table, planned=False) for table in _tables(document, "lessons")),
            planned=tuple(
                _entry(table, planned=True) for table in _tables({"planned": [], **document}, "planned")
            ),
        )
    except FileNotFoundError:
        raise CourseError(f"There is no {path}; run this from a copy of the course.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CourseError(f"course.toml cannot be read: {error}") from None
    except KeyError as error:
        raise CourseError(f"course.toml lacks the field {error}.") from None
    _validate(manifest)
    if manifest.repository:
        address_parts(manifest.repository)
    return manifest


def set_address(url: str, root: Path = settings.ROOT) -> str:
    """Write the repository's address into ``course.toml``, and nothing else. Returns it, tidied.

    Raises:
        CourseError: if the address has another form.
    """
    owner, name = address_parts(url)
    address = f"https://github.com/{owner}/{name}"
    path = root / "course.toml"
    text = path.read_text(encoding="utf-8")
    changed, count = re.subn(
        r'(?m)^repository\s*=\s*"[^"]*"', lambda _: f'repository = "{address}"', text, count=1
    )
    if not count:
        raise CourseError('course.toml has no line repository = "…"; add one below [course].')
    path.write_text(changed, encoding="utf-8")
    return address
