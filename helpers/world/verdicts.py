"""Exact verdicts: is what a sentence says true of a scene?

Knows what follows from a scene's words. Knows nothing about wording (grammar) or pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

from helpers.world.grammar import ATTRIBUTES, Reading, parse
from helpers.world.layout import chase_relation
from helpers.world.scenes import Scene
from helpers.world.words import CONVERSE


@dataclass(frozen=True)
class Verdict:
    """What a sentence got right about a scene: True, False, or None where it says nothing.

    `relation` is also where a chase goes wrong if its two animals swap roles. `complete`: the sentence
    speaks of every attribute of the scene (of both animals, if there are two), rightly or wrongly.
    """

    grammatical: bool
    kind: bool | None = None
    color: bool | None = None
    size: bool | None = None
    place: bool | None = None
    verb: bool | None = None
    relation: bool | None = None
    complete: bool = False

    @property
    def wrong(self) -> list[str]:
        """The attributes that the sentence gets wrong."""
        return [name for name in ATTRIBUTES if getattr(self, name) is False]

    @property
    def true(self) -> bool:
        """Whether the sentence is grammatical and nothing that it says is wrong."""
        return self.grammatical and not self.wrong


def _agree(*pairs: tuple[str | None, str | None]) -> bool | None:
    """Whether every word that was said (first of a pair) is right; None if none was said."""
    said = [(word, truth) for word, truth in pairs if word is not None]
    return all(word == truth for word, truth in said) if said else None


@dataclass(frozen=True)
class _Roles:
    """The scene as seen from one of its animals: whom the sentence's first animal is taken to be."""

    kind: str
    color: str
    other_kind: str | None
    other_color: str | None
    verb: str
    relation: str | None
    swapped: bool = False

    def matches(self, reading: Reading) -> int:
        """How many of the four words for kinds and colors fit."""
        words = (reading.kind, reading.color, reading.other_kind, reading.other_color)
        truth = (self.kind, self.color, self.other_kind, self.other_color)
        return sum(word is not None and word == fact for word, fact in zip(words, truth, strict=True))


def _roles(scene: Scene, reading: Reading) -> _Roles:
    """Whom the sentence speaks of first: the scene's first animal, unless two are told and swapping fits."""
    if scene.other is None:
        return _Roles(scene.kind, scene.color, None, None, scene.verb, None)
    other = scene.other
    chase = scene.verb == "chases"
    relation = chase_relation(scene) if chase else scene.relation
    told = _Roles(scene.kind, scene.color, other.kind, other.color, scene.verb, relation)
    if not reading.mentions_other or relation is None:
        return told
    # The second animal sits by; a chased one does nothing that the grammar has a verb for.
    verb = "chases" if chase and reading.verb == "chases" else "is chased" if chase else "sits"
    swapped = _Roles(other.kind, other.color, scene.kind, scene.color, verb, CONVERSE[relation], swapped=True)
    return swapped if swapped.matches(reading) > told.matches(reading) else told


def _relation_verdict(scene: Scene, reading: Reading, roles: _Roles) -> bool | None:
    if reading.relation is not None:
        return reading.relation == roles.relation
    if reading.verb == "chases" and scene.verb == "chases":
        return not roles.swapped
    return None


def _complete(scene: Scene, reading: Reading) -> bool:
    needed = [reading.kind, reading.color, reading.size or reading.other_size, reading.place, reading.verb]
    if scene.other is not None:
        needed += [reading.other_kind, reading.other_color]
    if scene.relation is not None:
        needed.append(reading.relation)
    return all(word is not None for word in needed)


def verify(sentence: str, scene: Scene) -> Verdict:
    """Judge `sentence` against `scene`, attribute by attribute.

    A sentence about one animal is judged on the scene's first animal. A sentence about two is judged on
    both: the cat is left of the dog just as the dog is right of the cat. If two animals have swapped
    roles, the relation is wrong and their kinds and colors are right. A second animal where there is none
    is a wrong relation (or, in a chase, a wrong verb). Accepts any object and never raises: what is not a
    sentence of the grammar is not grammatical and says nothing.
    """
    reading = parse(sentence)
    if reading is None:
        return Verdict(grammatical=False)
    roles = _roles(scene, reading)
    has_other = roles.other_kind is not None
    return Verdict(
        grammatical=True,
        kind=_agree(
            (reading.kind, roles.kind), (reading.other_kind if has_other else None, roles.other_kind)
        ),
        color=_agree(
            (reading.color, roles.color), (reading.other_color if has_other else None, roles.other_color)
        ),
        size=_agree((reading.size, scene.size), (reading.other_size if has_other else None, scene.size)),
        place=_agree((reading.place, scene.place)),
        verb=_agree((reading.verb, roles.verb)),
        relation=_relation_verdict(scene, reading, roles),
        complete=_complete(scene, reading),
    )
