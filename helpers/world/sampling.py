"""Drawing scenes at random: named presets and one function.

Knows which words each preset uses. Knows nothing about pictures or sentences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.settings import CourseError
from helpers.world.scenes import Animal, Scene
from helpers.world.words import COLORS, KINDS, PLACES, RELATIONS, SIZES, SOLO_VERBS


@dataclass(frozen=True)
class Preset:
    """A named corner of the world, so that numbers can be carried from lesson to lesson.

    `px` is the side of its pictures. With `companions` every scene has a second animal of another kind:
    chased where the verb is "chases", else sitting by in a relation.

    Raises:
        CourseError: if a word list is empty, or "chases" and `companions` do not go together.
    """

    kinds: tuple[str, ...] = KINDS
    colors: tuple[str, ...] = COLORS
    sizes: tuple[str, ...] = SIZES
    places: tuple[str, ...] = PLACES
    verbs: tuple[str, ...] = SOLO_VERBS
    px: int = 32
    companions: bool = False

    def __post_init__(self) -> None:
        if not all((self.kinds, self.colors, self.sizes, self.places, self.verbs)):
            raise CourseError("A preset needs at least one kind, color, size, place and verb.")
        if "chases" in self.verbs and not self.companions:
            raise CourseError('A preset with "chases" needs companions=True.')
        if self.companions and len(set(self.kinds)) < 2:
            raise CourseError("A preset with companions needs at least two kinds.")


PRESETS: dict[str, Preset] = {
    "full": Preset(),
    "tiny": Preset(
        kinds=("cat", "dog", "bird", "fish"),
        colors=("black", "orange", "blue", "pink"),
        verbs=("sits", "sleeps", "walks left", "walks right"),
    ),
    "capstone": Preset(
        kinds=("cat", "rabbit", "pig", "sheep", "bird", "fish", "frog", "elephant"),
        colors=("white", "black", "brown", "yellow", "green", "pink", "blue", "red"),
        verbs=SOLO_VERBS[:9],
        px=48,
    ),
    "pairs": Preset(verbs=("sits",), px=48, companions=True),
    "chase": Preset(verbs=("chases",), px=48, companions=True),
}


def _preset(preset: str | Preset) -> Preset:
    if isinstance(preset, Preset):
        return preset
    if preset not in PRESETS:
        raise CourseError(f"There is no preset {preset!r}; these exist: {', '.join(PRESETS)}.")
    return PRESETS[preset]


def sample(n: int, seed: int, preset: str | Preset = "full") -> list[Scene]:
    """`n` scenes, every word drawn uniformly and independently (a second animal is of another kind).

    The same (n, seed, preset) always gives the same scenes.

    Raises:
        CourseError: for a preset that does not exist, or a negative `n` or `seed`.
    """
    chosen = _preset(preset)
    if n < 0 or seed < 0:
        raise CourseError(f"n and seed must be whole numbers from 0 up; not {n} and {seed}.")
    rng = np.random.default_rng(seed)

    def column(words: tuple[str, ...]) -> list[str]:
        return [words[i] for i in rng.integers(len(words), size=n)]

    kinds, colors, sizes = column(chosen.kinds), column(chosen.colors), column(chosen.sizes)
    places, verbs = column(chosen.places), column(chosen.verbs)
    seeds = rng.integers(2**31, size=n).tolist()
    if not chosen.companions:
        rows = zip(kinds, colors, sizes, places, verbs, seeds, strict=True)
        return [Scene(kind, color, size, place, verb, seed=s) for kind, color, size, place, verb, s in rows]

    ahead = rng.integers(1, len(chosen.kinds), size=n).tolist()
    other_colors, relations = column(chosen.colors), column(RELATIONS)
    scenes = []
    for i in range(n):
        other_kind = chosen.kinds[(chosen.kinds.index(kinds[i]) + ahead[i]) % len(chosen.kinds)]
        relation = None if verbs[i] == "chases" else relations[i]
        other = Animal(other_kind, other_colors[i])
        scenes.append(Scene(kinds[i], colors[i], sizes[i], places[i], verbs[i], other, relation, seeds[i]))
    return scenes
