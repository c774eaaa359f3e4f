"""Catching up: a notebook that stands in for the lessons before the one that somebody starts at.

Knows which lessons come before another, and which of their cells say what a learner takes from them. Knows
nothing about what is in the cells. Every lesson starts from models that come with the course or are in the
cache, never from what an earlier notebook computed; so all that is missing is what was learned.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from helpers import settings
from helpers.course import build
from helpers.course.stick import explained
from helpers.manifest import LessonEntry, Manifest, load
from helpers.settings import CourseError

_RECAP = "## Recap"
_LIMITS = "**Limits of this demo.**"
#: Words in a minute, read with care.
_PACE = 180


def run(lesson: str, root: Path = settings.ROOT, build_dir: Path | None = None) -> int:
    """Write the notebook for somebody who starts at `lesson`, and make sure that its models are here.

    Returns an exit status: that of the warm-up.

    Raises:
        CourseError: if there is no such lesson, nothing comes before it, or the folder cannot be written.
    """
    from helpers.course import warm

    manifest = load(root)
    target = _one(manifest, lesson)
    before = lessons_before(target, manifest)
    if not before:
        raise CourseError(f"Nothing comes before {target.heading}: open it and begin.")
    path = (build_dir or root / "build") / "catchup" / f"to_{target.id}.ipynb"
    text = build.to_text(notebook(target, before, manifest, root))
    try:
        if build.worked_in(path):
            build.keep_aside(path, root)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise explained(error, path.parent, "copy the course to a folder of your own") from None
    print(f"Read {path} (about {minutes(before, manifest, root)} minutes), then open {target.heading}.")
    return warm.run()


def _one(manifest: Manifest, lesson: str) -> LessonEntry:
    """
    Raises:
        CourseError: if the course has no such lesson.
    """
    chosen = manifest.choose([lesson])
    if len(chosen) != 1:
        raise CourseError("Name one lesson to start at, such as 08.")
    return chosen[0]


def lessons_before(target: LessonEntry, manifest: Manifest) -> list[LessonEntry]:
    """All lessons that a learner of `target` is expected to have done, in course order."""
    by_id = {entry.id: entry for entry in manifest.lessons}
    wanted: set[str] = set()
    todo = list(target.requires)
    while todo:
        lesson = todo.pop()
        if lesson not in wanted:
            wanted.add(lesson)
            todo += by_id[lesson].requires
    return [entry for entry in manifest.lessons if entry.id in wanted]


def takeaways(entry: LessonEntry, manifest: Manifest, root: Path = settings.ROOT) -> tuple[str, str]:
    """What a lesson promises and what it leaves: its objectives and its recap's points, as Markdown.

    Raises:
        CourseError: if the lesson lacks one of them, for its author.
    """
    cells = [
        cell.source
        for cell in build.notebook(entry, manifest, root, solution=True).cells
        if cell.cell_type == "markdown"
    ]
    objectives = _bullets(cells[0])
    recap = next((cell for cell in cells if cell.startswith(_RECAP)), "")
    points = _bullets(recap.partition(_LIMITS)[0])
    if not objectives or not points:
        raise CourseError(f"{entry.name} says no objectives, or no points in its recap; both are lists.")
    return objectives, points


def _bullets(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line.startswith("- "))


def minutes(before: list[LessonEntry], manifest: Manifest, root: Path = settings.ROOT) -> int:
    """How long the notebook takes to read, at a careful pace."""
    words = sum(
        len(re.findall(r"\w+", part)) for entry in before for part in takeaways(entry, manifest, root)
    )
    return max(1, round(words / _PACE))


def notebook(
    target: LessonEntry, before: list[LessonEntry], manifest: Manifest, root: Path = settings.ROOT
) -> Any:
    """What to know before `target`: a notebook of Markdown cells, its links relative to build/catchup."""
    from nbformat import v4

    intro = (
        f"# Catch up to {target.heading}\n\n"
        "You start in the middle: that is fine. Every lesson brings its own models, so none of the notebooks "
        f"before it has to be run. {target.heading} expects that you know what follows. Where a point is "
        "new to you, its lesson's executed copy shows the figures behind it."
    )
    sections = [intro]
    for entry in before:
        objectives, points = takeaways(entry, manifest, root)
        sections.append(
            f"## {entry.heading}\n\nWho did this lesson can\n\n{objectives}\n\n"
            f"and took away\n\n{points}\n\n"
            f"[Its executed copy](../../notebooks/solutions/{entry.name}.ipynb) · "
            f"{entry.minutes_core} minutes in class"
        )
    sections.append(f"## Go on\n\n[{target.heading}](../../notebooks/{target.name}.ipynb)")
    cells = [v4.new_markdown_cell(text, id=build.cell_name("markdown", text)) for text in sections]
    # With a lesson's kernel JupyterLab need not ask for one.
    kernel = build.notebook(target, manifest, root, solution=False).metadata
    return v4.new_notebook(cells=cells, metadata=kernel)
