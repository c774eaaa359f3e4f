"""Questions about a scene with their exact answers, and how much of a film it takes to answer them.

Knows what a scene says. Knows nothing about pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from helpers.world.scenes import Animal, Scene
from helpers.world.words import COLORS, KINDS, PLACES, RELATIONS, REVERSE, SIZES

Needs = Literal["one frame", "many frames", "order"]


@dataclass(frozen=True)
class Question:
    """A question with its `answer` (one of `choices`) and what it `needs`: "one frame", "many frames" in any
    order, or their "order"."""

    text: str
    answer: str
    choices: tuple[str, ...]
    attribute: str
    needs: Needs


_ORDER_QUESTIONS: dict[frozenset[str], tuple[str, str]] = {
    frozenset(("walks left", "walks right")): ("walk", "Which way does {it} walk?"),
    frozenset(("appears", "vanishes")): ("presence", "Does {it} appear or vanish?"),
    frozenset(("comes closer", "goes away")): ("distance", "Does {it} come closer or go away?"),
    frozenset(("spins left", "spins right")): ("spin", "Which way does {it} spin?"),
}


def _the(animal: Scene | Animal) -> str:
    return f"the {animal.color} {animal.kind}"


def _one_animal(scene: Scene) -> list[Question]:
    return [
        Question("Which animal is it?", scene.kind, KINDS, "kind", "one frame"),
        Question("What color is the animal?", scene.color, COLORS, "color", "one frame"),
        Question("What size is the animal?", scene.size, SIZES, "size", "one frame"),
    ]


def _two_animals(scene: Scene, other: Animal) -> list[Question]:
    questions = [Question("What size are the animals?", scene.size, SIZES, "size", "one frame")]
    if scene.kind != other.kind:
        text = f"What color is the {scene.kind}?"
        questions.append(Question(text, scene.color, COLORS, "color", "one frame"))
    if scene.relation is not None:
        text = f"Where is {_the(scene)}, seen from {_the(other)}?"
        questions.append(Question(text, scene.relation, RELATIONS, "relation", "one frame"))
    return questions


def _order(scene: Scene) -> Question | None:
    if scene.other is not None and scene.verb == "chases":
        names = sorted((_the(scene), _the(scene.other)))
        return Question("Who chases the other?", _the(scene), tuple(names), "chase", "order")
    if scene.verb not in REVERSE:
        return None
    pair = frozenset((scene.verb, REVERSE[scene.verb]))
    attribute, text = _ORDER_QUESTIONS[pair]
    it = _the(scene) if scene.other else "the animal"
    return Question(text.format(it=it), scene.verb, tuple(sorted(pair)), attribute, "order")


def ask(scene: Scene) -> list[Question]:
    """All questions that the scene answers.

    The attributes are kind, color, size, place, relation ("one frame"); change ("many frames"); and,
    where the verb is one of a pair, walk, presence, distance, spin or chase ("order").
    """
    questions = _one_animal(scene) if scene.other is None else _two_animals(scene, scene.other)
    questions.append(Question("Where is this?", scene.place, PLACES, "place", "one frame"))
    changes = "no" if scene.verb in ("sits", "sleeps") else "yes"
    text = "Does an animal move or change in the film?"
    questions.append(Question(text, changes, ("yes", "no"), "change", "many frames"))
    order = _order(scene)
    return [*questions, order] if order else questions
