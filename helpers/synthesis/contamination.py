"""Contamination: rows that hold what a test will ask, taken out; and whether the taking out works.

Knows texts, and three ways of saying that one holds another. Knows nothing about where the test is from. A
detector is a function from a text to the number of the test text that it leaks, or None:

    detect = near(test_texts, threshold=0.6)
    clean = decontaminated(data, detect)
    planted(data, test_rows, lambda rows: decontaminated(rows, detect))   # does it catch what is there?
    [detect(text) is not None for text in fresh_texts]                    # and what it takes by mistake
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from helpers.settings import CourseError, quiet
from helpers.synthesis.duplicates import Index, fingerprint
from helpers.synthesis.stages import Stage, Table, where
from helpers.synthesis.texts import Text, runs, text_of, words

if TYPE_CHECKING:
    from datasets import Dataset

Detector = Callable[[str], "int | None"]

_MARK = "planted here"


def decontaminated(data: Table, detect: Detector, text: Text = "completion") -> Table:
    """The rows in whose text `detect` finds no test text, in order; streams too."""
    return where(data, lambda row: detect(text_of(row, text)) is None)


# --- detectors ----------------------------------------------------------------------------------------------


def exact(test_texts: Iterable[str]) -> Detector:
    """Finds texts that are a test text, but for capitals, spaces and forms of Unicode."""
    known: dict[bytes, int] = {}
    for number, text in enumerate(_some(test_texts)):
        known.setdefault(fingerprint(text), number)
    return lambda text: known.get(fingerprint(text))


def overlap(test_texts: Iterable[str], run: int = 13) -> Detector:
    """Finds texts that share a run of `run` words with a test text, or hold a shorter test text whole.

    As in Brown et al., "Language models are few-shot learners" (2020), appendix C, where the run is 8 to 13
    words. A test text of one or two words is found in nearly everything: give questions with their answers.

    Raises:
        CourseError: if `run` is less than 1.
    """
    if run < 1:
        raise CourseError(f"run must be at least 1 word, not {run!r}.")
    known: dict[int, dict[str, int]] = {}
    for number, text in enumerate(_some(test_texts)):
        found = words(text)
        if found:
            of_length = known.setdefault(min(run, len(found)), {})
            for one in runs(found, run):
                of_length.setdefault(one, number)

    def detect(text: str) -> int | None:
        found = words(text)
        hits = (
            of_length[one]
            for length, of_length in known.items()
            if len(found) >= length
            for one in runs(found, length)
            if one in of_length
        )
        return next(hits, None)

    return detect


def near(
    test_texts: Iterable[str], threshold: float = 0.6, run: int = 3, num_perm: int = 128, seed: int = 1
) -> Detector:
    """Finds near duplicates of test texts; see `helpers.synthesis.duplicates.Index` for the settings."""
    index = Index(threshold, run, num_perm, seed)
    for number, text in enumerate(_some(test_texts)):
        index.add(number, text)
    return index.find


# --- the positive control -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planted:
    """What became of test items that were put into the data on purpose.

    Attributes:
        planted: how many there were.
        missed: the numbers (from 0) of those that the stage let through.
        taken: how many of the other rows the stage took out.
    """

    planted: int
    missed: tuple[int, ...]
    taken: int

    @property
    def caught(self) -> int:
        return self.planted - len(self.missed)

    def __str__(self) -> str:
        return f"{self.caught} of {self.planted} planted test items caught"


def planted(data: Dataset, items: Dataset, stage: Stage, seed: int = 0) -> Planted:
    """Put test items among the rows, at places drawn by `seed`, and see which of them a stage takes out.

    A stage that catches nothing that was planted says nothing when it finds nothing. Plant items as they
    would leak: word for word, and reworded a little.

    Args:
        data: the rows, which stay as they are.
        items: test items with the columns that the stage reads; others may be missing.

    Raises:
        CourseError: if there are no items, or the stage loses track of the rows.
    """
    if not len(items):
        raise CourseError("There is no test item to plant.")
    quiet()
    from datasets import concatenate_datasets

    shared = [name for name in items.column_names if name in data.column_names]
    if not shared:
        raise CourseError(
            f"The items to plant have none of the data's columns ({', '.join(data.column_names)}), but "
            f"{', '.join(items.column_names)}."
        )
    marked = [
        data.add_column(_MARK, [-1] * len(data)),
        items.select_columns(shared).add_column(_MARK, list(range(len(items)))),
    ]
    try:
        mixed = concatenate_datasets([part for part in marked if len(part)])
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise CourseError(
            f"The items to plant have columns of another type than the data's: {reason}"
        ) from error
    order = list(range(len(mixed)))
    random.Random(seed).shuffle(order)
    left = stage(mixed.select(order))
    if _MARK not in left.column_names:
        raise CourseError(
            "A stage that is checked with planted items must keep the columns that it is given."
        )
    marks: list[int] = list(left[_MARK])
    return Planted(
        planted=len(items),
        missed=tuple(sorted(mark for mark in marks if mark >= 0)),
        taken=len(data) - marks.count(-1),
    )


def _some(test_texts: Iterable[str]) -> list[Any]:
    """The test texts as a list; a single text is no list of texts, and none at all would find nothing."""
    if isinstance(test_texts, str):
        raise CourseError("The test texts must be a list of texts, not one text.")
    found = list(test_texts)
    if not all(isinstance(text, str) for text in found):
        raise CourseError("The test texts must all be text.")
    if not found:
        raise CourseError("There are no test texts to look for.")
    return found
