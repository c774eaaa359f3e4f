"""What a scene is: a few words and a seed.

Knows which combinations of words make sense and how a scene is played backwards. Knows nothing about how
a scene looks or how it is told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral

from helpers.settings import CourseError
from helpers.world.words import COLORS, KINDS, PLACES, RELATIONS, REVERSE, SIZES, VERBS


def _require(name: str, word: object, allowed: tuple[str, ...]) -> None:
    if word not in allowed:
        raise CourseError(f"{name} must be one of {', '.join(allowed)}; not {word!r}.")


@dataclass(frozen=True, slots=True)
class Animal:
    """The second animal of a scene.

    Raises:
        CourseError: for a kind or a color that the world does not have.
    """

    kind: str
    color: str

    def __post_init__(self) -> None:
        _require("kind", self.kind, KINDS)
        _require("color", self.color, COLORS)


@dataclass(frozen=True, slots=True)
class Scene:
    """One animal doing one thing in one place, perhaps with a second animal.

    A second animal is either chased (`verb` is "chases", no `relation`) or sits by, where `relation` says
    that the first animal is, for example, "left of" the second. `size` is then the size of both animals, so
    that a chase played backwards is again a scene. The two differ in kind or in color. `seed` decides all
    that no word tells: position, mirror image, horizon, speed, noise.

    Raises:
        CourseError: for a word that the world does not have, or for words that do not go together.
    """

    kind: str
    color: str
    size: str
    place: str
    verb: str
    other: Animal | None = None
    relation: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _require("kind", self.kind, KINDS)
        _require("color", self.color, COLORS)
        _require("size", self.size, SIZES)
        _require("place", self.place, PLACES)
        _require("verb", self.verb, VERBS)
        if not isinstance(self.seed, Integral) or not 0 <= self.seed < 2**63:
            raise CourseError(f"seed must be a whole number from 0 up (below 2**63); not {self.seed!r}.")
        object.__setattr__(self, "seed", int(self.seed))  # a numpy integer becomes a plain one
        if self.other is None:
            self._require_alone()
        else:
            self._require_company()

    def _require_alone(self) -> None:
        if self.verb == "chases":
            raise CourseError('"chases" needs somebody to chase: pass other=Animal(kind, color).')
        if self.relation is not None:
            raise CourseError("relation needs a second animal: pass other=Animal(kind, color).")

    def _require_company(self) -> None:
        if not isinstance(self.other, Animal):
            raise CourseError(f"other must be an Animal(kind, color) or None; not {self.other!r}.")
        if (self.kind, self.color) == (self.other.kind, self.other.color):
            raise CourseError("The two animals must differ in kind or in color, to be told apart.")
        if self.verb == "chases":
            if self.relation is not None:
                raise CourseError('A scene with "chases" has no relation: leave it None.')
        else:
            _require("relation", self.relation, RELATIONS)


def reverse(scene: Scene) -> Scene:
    """The scene that the film of `scene` shows when it is played backwards.

    Walking left becomes walking right, appearing becomes vanishing and so on; in a chase the two animals swap
    roles (and run the other way). ``film(reverse(s)) == film(s)[::-1]`` byte for byte.

    Raises:
        CourseError: if the verb looks the same in both directions (sits, sleeps, jumps).
    """
    if scene.verb not in REVERSE:
        paired = ", ".join(REVERSE)
        raise CourseError(f'"{scene.verb}" has no reversal; these verbs have one: {paired}.')
    if scene.other is not None and scene.verb == "chases":
        return replace(
            scene, kind=scene.other.kind, color=scene.other.color, other=Animal(scene.kind, scene.color)
        )
    return replace(scene, verb=REVERSE[scene.verb])
