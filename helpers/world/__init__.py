"""The world of the course: animals, their pictures and films, and what is true of them.

A `Scene` is a few words and a seed. From it come, always in agreement, a picture (`draw`), a film
(`film`), a caption (`describe`), questions with answers (`ask`) and an exact verdict on any sentence
about it (`verify`).
"""

from __future__ import annotations

from helpers.world.grammar import Reading, describe, parse, vocabulary
from helpers.world.painting import draw, film, films, naive_picture, pictures
from helpers.world.questions import Question, ask
from helpers.world.records import STYLES, captions, part_of, record, style_of
from helpers.world.sampling import PRESETS, Preset, sample
from helpers.world.scenes import Animal, Scene, reverse
from helpers.world.verdicts import Verdict, verify
from helpers.world.words import (
    COLORS,
    KINDS,
    PLACES,
    RELATIONS,
    REVERSE,
    SIZES,
    TYPICAL_COLOR,
    VERBS,
)

__all__ = [
    "COLORS",
    "KINDS",
    "PLACES",
    "PRESETS",
    "RELATIONS",
    "REVERSE",
    "SIZES",
    "STYLES",
    "TYPICAL_COLOR",
    "VERBS",
    "Animal",
    "Preset",
    "Question",
    "Reading",
    "Scene",
    "Verdict",
    "ask",
    "captions",
    "describe",
    "draw",
    "film",
    "films",
    "naive_picture",
    "parse",
    "part_of",
    "pictures",
    "record",
    "reverse",
    "sample",
    "style_of",
    "verify",
    "vocabulary",
]
