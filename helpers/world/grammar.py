"""The language of the world: one grammar, used in both directions.

`describe` writes a sentence from a scene, `parse` reads what a sentence says. Both follow the same
PATTERNS and the same FORMS, so they cannot disagree. Knows nothing about pictures, nor about what is true
(verdicts).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from helpers.settings import CourseError
from helpers.world.chance import pick
from helpers.world.scenes import Scene
from helpers.world.words import COLORS, KINDS

ATTRIBUTES: tuple[str, ...] = ("kind", "color", "size", "place", "verb", "relation")

_SIZE_FORMS = {"small": ("small", "little"), "big": ("big", "large")}
_ANY_KIND = "animal"  # said where the kind is left out

_PLACE_FORMS = {
    "meadow": ("in the meadow", "on the grass"),
    "snow": ("in the snow",),
    "beach": ("on the beach", "on the sand"),
    "night": ("at night", "in the dark"),
}
_ACROSS_FORMS = {
    "meadow": ("across the meadow", "across the grass"),
    "snow": ("through the snow", "across the snow"),
    "beach": ("along the beach", "across the sand"),
    "night": ("through the night",),
}
_OPENING_FORMS = {
    "meadow": ("in the meadow,", "on the grass,"),
    "snow": ("in the snow,", "it is winter, and"),
    "beach": ("on the beach,", "on the sand,"),
    "night": ("at night,", "in the dark,", "it is night, and"),
}
_RELATION_FORMS = {
    "left of": ("to the left of", "left of"),
    "right of": ("to the right of", "right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
_FINITE_FORMS = {
    "sits": ("sits", "is sitting"),
    "sleeps": ("sleeps", "is sleeping", "is asleep"),
    "jumps": ("jumps", "is jumping", "jumps up and down"),
    "walks left": ("walks left", "is walking left", "walks to the left", "is walking to the left"),
    "walks right": ("walks right", "is walking right", "walks to the right", "is walking to the right"),
    "appears": ("appears", "is appearing", "fades in"),
    "vanishes": ("vanishes", "is vanishing", "fades away"),
    "comes closer": ("comes closer", "is coming closer", "comes nearer"),
    "goes away": ("goes away", "is going away", "moves away"),
    "spins left": ("spins left", "is spinning left", "spins to the left"),
    "spins right": ("spins right", "is spinning right", "spins to the right"),
}
_PARTICIPLE_FORMS = {
    "sits": ("sitting",),
    "sleeps": ("sleeping", "asleep"),
    "jumps": ("jumping", "jumping up and down"),
    "walks left": ("walking left", "walking to the left"),
    "walks right": ("walking right", "walking to the right"),
    "appears": ("appearing", "fading in"),
    "vanishes": ("vanishing", "fading away"),
    "comes closer": ("coming closer", "coming nearer"),
    "goes away": ("going away", "moving away"),
    "spins left": ("spinning left", "spinning to the left"),
    "spins right": ("spinning right", "spinning to the right"),
}
_WALKS = ("walks left", "walks right")

#: Slot -> the attribute that it tells and the forms each value may take; a form belongs to one value only.
FORMS: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "at": ("place", _PLACE_FORMS),
    "across": ("place", _ACROSS_FORMS),
    "opening": ("place", _OPENING_FORMS),
    "relation": ("relation", _RELATION_FORMS),
    "does": ("verb", _FINITE_FORMS),
    "walks": ("verb", {verb: _FINITE_FORMS[verb] for verb in _WALKS}),
    "doing": ("verb", _PARTICIPLE_FORMS),
    "chases": ("verb", {"chases": ("chases", "is chasing", "runs after")}),
    "chasing": ("verb", {"chases": ("chasing", "running after")}),
    "chased": ("verb", {"chases": ("is chased by", "is being chased by")}),
}

#: Sentences, the plain one of its sort first. {who} is the first animal, {whom} the second.
PATTERNS: tuple[str, ...] = (
    # place and verb
    "{who} {does} {at}",
    "{opening} {who} {does}",
    "{who} {walks} {across}",
    "{who} {at} {does}",
    "there is {who} {doing} {at}",
    "there is {who} {at}, and it {does}",
    "{opening} there is {who} {doing}",
    "we see {who} {doing} {at}",
    "{opening} we see {who} {doing}",
    # verb
    "{who} {does}",
    "there is {who} {doing}",
    "there is {who}, and it {does}",
    "we see {who} {doing}",
    # place
    "{who} {at}",
    "there is {who} {at}",
    "{opening} there is {who}",
    "we see {who} {at}",
    # neither
    "{who}",
    "there is {who}",
    "this is {who}",
    "we see {who}",
    # two animals, place and verb
    "{who} {relation} {whom} {does} {at}",
    "{relation} {whom}, {who} {does} {at}",
    "{opening} {who} {relation} {whom} {does}",
    "{who} {does} {at}, {relation} {whom}",
    "{opening} {who} {does} {relation} {whom}",
    # two animals and verb
    "{who} {relation} {whom} {does}",
    "{relation} {whom}, {who} {does}",
    "{who} {does} {relation} {whom}",
    # two animals and place
    "{who} is {relation} {whom} {at}",
    "{opening} {who} is {relation} {whom}",
    "there is {who} {relation} {whom} {at}",
    "{opening} there is {who} {relation} {whom}",
    # two animals
    "{who} is {relation} {whom}",
    "{who} {relation} {whom}",
    "there is {who} {relation} {whom}",
    # a chase and its place
    "{who} {chases} {whom} {at}",
    "{opening} {who} {chases} {whom}",
    "{who} {chases} {whom} {across}",
    "{whom} {chased} {who} {at}",
    "{opening} {whom} {chased} {who}",
    "we see {who} {chasing} {whom} {at}",
    "there is {who} {chasing} {whom} {at}",
    # a chase
    "{who} {chases} {whom}",
    "{whom} {chased} {who}",
    "we see {who} {chasing} {whom}",
    "there is {who} {chasing} {whom}",
)

_SLOT = re.compile(r"\{(\w+)\}")
_LONGEST = 200  # characters; no sentence of the grammar is longer


@dataclass(frozen=True)
class Reading:
    """What a sentence says; None where it says nothing.

    The first animal is the one that acts: in "a mouse is chased by a cat" it is the cat. `pattern` is the
    sentence's form; it holds {whom} if a second animal is mentioned.
    """

    pattern: str
    kind: str | None = None
    color: str | None = None
    size: str | None = None
    place: str | None = None
    verb: str | None = None
    relation: str | None = None
    other_kind: str | None = None
    other_color: str | None = None
    other_size: str | None = None

    @property
    def mentions_other(self) -> bool:
        """Whether the sentence speaks of two animals."""
        return "{whom}" in self.pattern


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _noun_phrase(*words: str) -> str:
    said = " ".join(word for word in words if word)
    return f"{_article(said)} {said}"


def _alternatives(forms: Iterable[str]) -> str:
    return "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))


def _animal_expression(slot: str) -> str:
    sizes = _alternatives(form for forms in _SIZE_FORMS.values() for form in forms)
    kinds = _alternatives((*KINDS, _ANY_KIND))
    colors = _alternatives(COLORS)
    return (
        rf"(?P<{slot}_article>an?) (?:(?P<{slot}_size>{sizes}) )?"
        rf"(?:(?P<{slot}_color>{colors}) )?(?P<{slot}_kind>{kinds})"
    )


def _slot_expression(match: re.Match[str]) -> str:
    slot = match[1]
    if slot in ("who", "whom"):
        return _animal_expression(slot)
    return f"(?P<{slot}>{_alternatives(form for forms in FORMS[slot][1].values() for form in forms)})"


@lru_cache(maxsize=1)
def _readers() -> list[tuple[str, re.Pattern[str]]]:
    """Each pattern with the expression that reads it: alternatives of fixed words, nothing repeated."""
    return [(pattern, re.compile(_SLOT.sub(_slot_expression, pattern))) for pattern in PATTERNS]


@lru_cache(maxsize=1)
def _value_of_form() -> dict[tuple[str, str], str]:
    values = {
        (slot, f): value
        for slot, (_, table) in FORMS.items()
        for value, forms in table.items()
        for f in forms
    }
    return values | {("size", form): size for size, forms in _SIZE_FORMS.items() for form in forms}


def _reading(pattern: str, match: re.Match[str]) -> Reading | None:
    found = {name: text for name, text in match.groupdict().items() if text is not None}
    said: dict[str, str] = {}
    for slot, prefix in (("who", ""), ("whom", "other_")):
        if f"{slot}_kind" not in found:
            continue
        words = [found.get(f"{slot}_{name}") for name in ("size", "color", "kind")]
        if found[f"{slot}_article"] != _article(next(word for word in words if word)):
            return None
        size, color, kind = words
        if size:
            said[f"{prefix}size"] = _value_of_form()["size", size]
        if color:
            said[f"{prefix}color"] = color
        if kind and kind != _ANY_KIND:
            said[f"{prefix}kind"] = kind
    for slot, (attribute, _) in FORMS.items():
        if slot in found:
            said[attribute] = _value_of_form()[slot, found[slot]]
    return Reading(pattern, **said)


def _normalized(sentence: str) -> str:
    """Lower case, single spaces, American spelling, no full stop."""
    plain = " ".join(sentence.split()).lower().replace("grey", "gray").rstrip(" .!")
    return re.sub(r" ?, ?", ", ", plain)


def parse(sentence: str) -> Reading | None:
    """What `sentence` says, or None if the grammar does not have it.

    Upper and lower case, extra white space and the final full stop do not matter; "a" and "an" do. Any
    object is accepted; what is not a string is not a sentence. Never raises, and takes time proportional
    to the length.
    """
    if not isinstance(sentence, str) or len(sentence) > 20 * _LONGEST:
        return None
    plain = _normalized(sentence)
    if len(plain) > _LONGEST:
        return None
    for pattern, reader in _readers():
        match = reader.fullmatch(plain)
        if match is not None:
            return _reading(pattern, match)
    return None


@lru_cache(maxsize=256)
def _patterns_for(told: frozenset[str], verb: str, with_whom: bool) -> tuple[str, ...]:
    """The patterns that tell exactly the attributes `told`, and can tell them of that verb."""
    fitting = []
    for pattern in PATTERNS:
        slots = [slot for slot in _SLOT.findall(pattern) if slot in FORMS]
        if {FORMS[slot][0] for slot in slots} != told or ("{whom}" in pattern) != with_whom:
            continue
        if all(verb in FORMS[slot][1] for slot in slots if FORMS[slot][0] == "verb"):
            fitting.append(pattern)
    return tuple(fitting)


class _Chooser:
    """Picks among options: always the first without a seed, else by a hash of seed, scene and turn."""

    def __init__(self, scene: Scene, seed: int | None) -> None:
        self._key = None if seed is None else f"{seed}/{scene}"
        self._turn = 0

    def __call__(self, options: tuple[str, ...]) -> str:
        if self._key is None or len(options) == 1:
            return options[0]
        self._turn += 1
        return options[pick(f"{self._turn}/{self._key}", len(options))]


def _told_attributes(scene: Scene, mention: Iterable[str] | None) -> frozenset[str]:
    told = frozenset(ATTRIBUTES if mention is None else mention)
    unknown = told - set(ATTRIBUTES)
    if unknown:
        raise CourseError(f"mention may name {', '.join(ATTRIBUTES)}; not {', '.join(sorted(unknown))}.")
    return told if scene.relation else told - {"relation"}


def describe(
    scene: Scene,
    seed: int | None = None,
    mention: Iterable[str] | None = None,
    pattern: str | None = None,
) -> str:
    """A true caption of the scene, such as "In the snow, a big gray rabbit is sleeping."

    Args:
        scene: What to describe.
        seed: Chooses the wording; the same (scene, seed) gives the same words. None gives the plainest.
        mention: The attributes to tell, of kind, color, size, place, verb, relation; None tells all.
            A second animal is mentioned where the relation is told or the chase, by the same attributes.
        pattern: the sentence's form, one of `PATTERNS` that tells just these attributes; None chooses one.

    Raises:
        CourseError: if `mention` names something else, or the pattern does not fit.
    """
    told = _told_attributes(scene, mention)
    choose = _Chooser(scene, seed)
    chase = scene.verb == "chases" and "verb" in told
    with_whom = chase or "relation" in told
    fitting = _patterns_for(told & {"place", "verb", "relation"}, scene.verb, with_whom)
    if pattern is not None and pattern not in fitting:
        raise CourseError(f"The pattern {pattern!r} does not fit this scene; these do: {', '.join(fitting)}.")
    pattern = pattern or choose(fitting)

    def phrase(kind: str, color: str) -> str:
        size = choose(_SIZE_FORMS[scene.size]) if "size" in told else ""
        return _noun_phrase(size, color if "color" in told else "", kind if "kind" in told else _ANY_KIND)

    def word(match: re.Match[str]) -> str:
        slot = match[1]
        if slot == "who":
            return phrase(scene.kind, scene.color)
        if slot == "whom":
            return phrase(scene.other.kind, scene.other.color) if scene.other else ""
        attribute, table = FORMS[slot]
        return choose(table[getattr(scene, attribute)])

    sentence = _SLOT.sub(word, pattern)
    return f"{sentence[0].upper()}{sentence[1:]}."


@lru_cache(maxsize=1)
def _words() -> tuple[str, ...]:
    texts = [_SLOT.sub(" ", pattern) for pattern in PATTERNS]
    texts += [form for _, table in FORMS.values() for forms in table.values() for form in forms]
    texts += [form for forms in _SIZE_FORMS.values() for form in forms]
    texts += [*KINDS, *COLORS, _ANY_KIND, "a", "an"]
    return tuple(sorted({word for text in texts for word in re.findall(r"[a-z]+", text)}))


def vocabulary() -> list[str]:
    """All words that captions can use, in lower case, sorted; commas and full stops are not words."""
    return list(_words())
