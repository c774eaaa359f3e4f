"""Data that the parts of the course hand to each other: TRL's formats, JSONL files, thumbs.

Importing this package is quick; `datasets` loads when a function makes a table.
"""

from __future__ import annotations

from helpers.data.formats import (
    chats_of,
    check,
    pair,
    paired,
    positives,
    prompt_completion,
    unpair,
    unpaired,
)

__all__ = [
    "chats_of",
    "check",
    "pair",
    "paired",
    "positives",
    "prompt_completion",
    "unpair",
    "unpaired",
]
