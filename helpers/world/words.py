"""The closed word lists of the world: what a scene can be made of.

Knows names and which of them belong together. Knows nothing about pixels or sentences.
"""

from __future__ import annotations

KINDS: tuple[str, ...] = (
    "cat", "dog", "rabbit", "pig", "sheep", "cow", "bird", "fish", "frog", "mouse", "elephant", "lion",
)  # fmt: skip
COLORS: tuple[str, ...] = (
    "white", "black", "gray", "brown", "orange", "yellow", "green", "pink", "blue", "red",
)  # fmt: skip
SIZES: tuple[str, ...] = ("small", "big")
PLACES: tuple[str, ...] = ("meadow", "snow", "beach", "night")
SOLO_VERBS: tuple[str, ...] = (
    "sits", "sleeps", "jumps", "walks left", "walks right", "appears", "vanishes",
    "comes closer", "goes away", "spins left", "spins right",
)  # fmt: skip
VERBS: tuple[str, ...] = (*SOLO_VERBS, "chases")
RELATIONS: tuple[str, ...] = ("left of", "right of", "above", "below")

#: The verb that the same film shows when it is played backwards.
REVERSE: dict[str, str] = {
    "walks left": "walks right",
    "walks right": "walks left",
    "appears": "vanishes",
    "vanishes": "appears",
    "comes closer": "goes away",
    "goes away": "comes closer",
    "spins left": "spins right",
    "spins right": "spins left",
    "chases": "chases",
}

#: The relation as the other animal would tell it.
CONVERSE: dict[str, str] = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
}

#: The color that each kind has in most children's books.
TYPICAL_COLOR: dict[str, str] = {
    "cat": "orange",
    "dog": "brown",
    "rabbit": "white",
    "pig": "pink",
    "sheep": "white",
    "cow": "black",
    "bird": "blue",
    "fish": "red",
    "frog": "green",
    "mouse": "gray",
    "elephant": "gray",
    "lion": "yellow",
}
