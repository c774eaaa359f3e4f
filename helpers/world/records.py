"""Scenes as records: the facts in a line, the three plain captions, and which scenes are kept for a test.

This is the text that language models of the course are trained on: record in, caption out. Knows nothing
about models or tokens.
"""

from __future__ import annotations

from typing import Literal

from helpers.world.grammar import describe, parse
from helpers.world.scenes import Scene
from helpers.world.words import COLORS, KINDS

Part = Literal["train", "validation", "test"]

#: The three forms that a record's caption may take; which one it takes is its style.
STYLES: tuple[str, ...] = (
    "{who} {does} {at}",
    "{opening} {who} {does}",
    "there is {who} {doing} {at}",
)


def record(scene: Scene) -> str:
    """The facts of a scene with one animal, in a line: ``small orange cat, walks left, meadow``."""
    return f"{scene.size} {scene.color} {scene.kind}, {scene.verb}, {scene.place}"


def captions(scene: Scene) -> list[str]:
    """The scene's three plain captions, one in each of `STYLES`: all the right answers to its record."""
    return [describe(scene, pattern=pattern) for pattern in STYLES]


def style_of(caption: str) -> int | None:
    """Which of `STYLES` a caption has; None if the grammar does not have the caption, or no style fits."""
    reading = parse(caption)
    return STYLES.index(reading.pattern) if reading and reading.pattern in STYLES else None


def part_of(scene: Scene) -> Part:
    """Which part of the data a scene belongs to, decided by its kind and color alone.

    So a test asks for colors on animals that were not trained on in that color. Of the 120 combinations
    20 are for validation and 20 for the test, with every kind and color in both.
    """
    place = (KINDS.index(scene.kind) + COLORS.index(scene.color)) % 6
    return "test" if place == 0 else "validation" if place == 3 else "train"
