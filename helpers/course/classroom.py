"""The classroom kit's generated blocks: at the head of each lesson's guide, what the manifest knows of it.

Knows ``classroom/guide``, the manifest and the exercise cards of a lesson's source. Knows nothing about how
to teach.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from helpers import settings
from helpers.course import readme
from helpers.manifest import LessonEntry, Manifest
from helpers.settings import CourseError

GUIDES = Path("classroom") / "guide"
_BEGIN, _END = "<!-- begin: facts -->", "<!-- end: facts -->"
_BLOCK = re.compile(f"({_BEGIN}\n).*?({_END})", re.S)
_CARD = re.compile(r"\*\*Exercise \d+ · `(\w+)`\*\* · [★☆]+ · (\d+) minutes")
_HEADING = re.compile(r"(?m)^# (#{2,3}) (.+)$")


@dataclass(frozen=True)
class Exercise:
    """An exercise's function, its minutes, and whether it stands before *Dig deeper*."""

    name: str
    minutes: int
    core: bool


def headings(source: str) -> list[str]:
    """The section headings of a lesson's source, of both levels, in order."""
    return [match[2] for match in _HEADING.finditer(source)]


def exercises(source: str) -> list[Exercise]:
    """The exercise cards of a lesson's source, in order."""
    deeper = source.find("# ## Dig deeper")
    return [
        Exercise(match[1], int(match[2]), deeper < 0 or match.start() < deeper)
        for match in _CARD.finditer(source)
    ]


def facts(entry: LessonEntry, manifest: Manifest, root: Path = settings.ROOT) -> str:
    """The generated block of a lesson's guide: minutes, what comes before, its files, its exercises."""
    titles = {other.id: other.title for other in manifest.lessons}
    before = ", ".join(f"[{number} {titles[number]}]({number}.md)" for number in entry.requires) or "nothing"
    cards = exercises(entry.source(root).read_text(encoding="utf-8"))
    named = [f"`{card.name}` {card.minutes} min{'' if card.core else ' (*Dig deeper*)'}" for card in cards]
    rows = [
        ("minutes", f"{entry.minutes_core} for the core, {entry.minutes_full} for everything"),
        ("must come before", before),
        (
            "notebooks",
            f"[learner's copy](../../notebooks/{entry.name}.ipynb), "
            f"[solution](../../notebooks/solutions/{entry.name}.ipynb)",
        ),
        ("exercises", ", ".join(named) or "none"),
    ]
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in rows)])


def update(manifest: Manifest, root: Path = settings.ROOT) -> list[Path]:
    """Rewrite the blocks that are stale. Returns the files that changed."""
    return readme.rewrite(_texts(manifest, root))


def stale(manifest: Manifest, root: Path = settings.ROOT) -> list[str]:
    """A sentence for each guide that `update` would change."""
    return [
        f"{path.relative_to(root).as_posix()} is stale; run: make lessons"
        for path, text in _texts(manifest, root).items()
        if path.read_text(encoding="utf-8") != text
    ]


def _texts(manifest: Manifest, root: Path) -> dict[Path, str]:
    """The guides that there are, each with its block as it should be.

    Raises:
        CourseError: if a guide has no place for its block.
    """
    texts = {}
    for entry in manifest.lessons:
        path = root / GUIDES / f"{entry.id}.md"
        if not path.exists():
            continue
        block = facts(entry, manifest, root)
        text, count = _BLOCK.subn(
            lambda match, block=block: f"{match[1]}{block}\n{match[2]}", path.read_text(encoding="utf-8")
        )
        if count != 1:
            raise CourseError(f"{path.name} needs {_BEGIN!r} once, and {_END!r} after it.")
        texts[path] = text
    return texts
