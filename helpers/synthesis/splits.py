"""Splits that keep a family together: all rows made from one seed document land in one part.

Knows tables and one column of them. Knows nothing about what a seed document is. Split row by row instead,
and a test row has siblings in the training part: the test then measures memory.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from helpers.settings import CourseError, quiet

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

SHARES: Mapping[str, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}


def split(data: Dataset, by: str, seed: int, shares: Mapping[str, float] = SHARES) -> DatasetDict:
    """The table in parts, each value of the column `by` in one part only; rows keep their order.

    Args:
        data: with the column `by` of text or numbers, such as the seed document that a row was made from.
        seed: of the order in which the values are dealt out.
        shares: each part's name and about which share of the rows it gets; every part gets a value at least.

    Raises:
        CourseError: if there is no such column, a row has no value, there are fewer values than parts, or the
            shares are not positive.
    """
    quiet()
    from datasets import DatasetDict

    if by not in data.column_names:
        raise CourseError(
            f"There is no column {by} to split by (found: {', '.join(data.column_names) or 'none'})."
        )
    if not shares or not all(share > 0 for share in shares.values()):
        raise CourseError("Each part needs a share above 0.")
    values = list(data[by])
    for number, value in enumerate(values, start=1):
        if not isinstance(value, str | int | float) or value != value:
            raise CourseError(f"Row {number} has no text or number as {by}, so it belongs to no family.")
    rows = Counter(values)
    if len(rows) < len(shares):
        raise CourseError(
            f"There are {len(rows)} values of {by} for {len(shares)} parts; each part needs one."
        )
    families = list(rows)
    random.Random(seed).shuffle(families)
    names = list(shares)
    part_of = dict(zip(families, names, strict=False))  # one each, then to whoever lacks most
    filled = Counter({part: rows[family] for family, part in part_of.items()})
    for family in families[len(names) :]:
        part_of[family] = max(
            names, key=lambda name: shares[name] * len(data) - filled[name] * sum(shares.values())
        )
        filled[part_of[family]] += rows[family]
    return DatasetDict(
        {
            name: data.select([number for number, value in enumerate(values) if part_of[value] == name])
            for name in names
        }
    )
