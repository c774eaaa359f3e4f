"""A menagerie of 48 kinds of animal, most of them rare, with facts of their own and a sentence for each fact.

Knows words, the facts of a seed, and an exact verdict on any sentence. Knows nothing about models.

Kinds have Zipf's frequencies: kind k (from 0) is spoken of with a chance proportional to 1 / (k + 1). Each
has three true colors and three true actions (70, 20 and 10% of its sentences) and one sound.
"""

from __future__ import annotations

import numpy as np

KINDS: tuple[str, ...] = (
    "fox", "hen", "cow", "dog", "cat", "pig", "owl", "bee", "ant", "bat", "elk", "yak", "ape", "eel",
    "emu", "gnu", "hare", "crow", "duck", "frog", "goat", "lamb", "lion", "lynx", "mole", "moth",
    "mule", "newt", "puma", "seal", "swan", "toad", "wolf", "wren", "bear", "boar", "calf", "crab",
    "deer", "dove", "hawk", "ibis", "kite", "lark", "mink", "orca", "pony", "slug",
)  # fmt: skip
COLORS: tuple[str, ...] = (
    "red", "blue", "green", "black", "white", "brown", "gray", "pink", "gold", "tan",
)  # fmt: skip
ACTIONS: tuple[str, ...] = (
    "hops", "runs", "sleeps", "digs", "swims", "flies", "climbs", "hides", "eats", "waits",
)  # fmt: skip
SOUNDS: tuple[str, ...] = (
    "yips", "clucks", "moos", "barks", "meows", "oinks", "hoots", "hums", "clicks", "squeaks", "bugles",
    "grunts", "croaks", "quacks", "bleats", "roars", "howls", "chirps", "caws", "hisses",
)  # fmt: skip
#: How often real text speaks of each kind: (48,).
SHARES = (1 / np.arange(1, len(KINDS) + 1)) / (1 / np.arange(1, len(KINDS) + 1)).sum()
#: How often a kind's first, second and third color (or action) is told.
TOLD = (0.7, 0.2, 0.1)
#: Every word that a sentence may have.
WORDS = ("the", *COLORS, *KINDS, *ACTIONS, "and", *SOUNDS)


class Menagerie:
    """The animals of one seed: what is true of each kind."""

    def __init__(self, seed: int) -> None:
        """Draw each kind's facts; the same seed gives the same ones."""
        rng = np.random.default_rng([seed, 48])
        self.colors = [rng.choice(COLORS, 3, replace=False).tolist() for _ in KINDS]
        self.actions = [rng.choice(ACTIONS, 3, replace=False).tolist() for _ in KINDS]
        self.sounds = [str(rng.choice(SOUNDS)) for _ in KINDS]

    def text(self, count: int, rng: np.random.Generator) -> list[str]:
        """`count` true sentences such as "the brown fox digs and yips"."""
        kinds = rng.choice(len(KINDS), count, p=SHARES)
        colors, actions = rng.choice(3, (2, count), p=TOLD)
        return [
            f"the {self.colors[k][c]} {KINDS[k]} {self.actions[k][a]} and {self.sounds[k]}"
            for k, c, a in zip(kinds, colors, actions, strict=True)
        ]

    def judge(self, sentence: str) -> tuple[int, bool] | None:
        """The number of the kind that a sentence is about, and whether it is true; None: no sentence."""
        words = sentence.split()
        if len(words) != 6 or (words[0], words[4]) != ("the", "and") or words[2] not in KINDS:
            return None
        _, color, kind, action, _, sound = words
        k = KINDS.index(kind)
        return k, color in self.colors[k] and action in self.actions[k] and sound == self.sounds[k]
