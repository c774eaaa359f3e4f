"""What of a row is text, and what of a text is compared: its words and their runs.

Knows columns, Unicode and words. Knows nothing about duplicates, leaks or diversity, which are built on it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from helpers.settings import CourseError

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

Row = Mapping[str, Any]
#: What to read of a row: the name of a column (text, or messages whose contents are joined), or a function.
Text = str | Callable[[Row], str]


def text_of(row: Row, text: Text) -> str:
    """The text of a row.

    Raises:
        CourseError: if there is no such column, or what is found is no text.
    """
    if isinstance(text, str):
        if text not in row:
            raise CourseError(f"There is no column {text} (found: {', '.join(row) or 'none'}).")
        found = row[text]
    else:
        found = text(row)
    if isinstance(found, list):
        contents = [message.get("content") for message in found if isinstance(message, dict)]
        if len(contents) == len(found) and all(isinstance(content, str) for content in contents):
            found = "\n".join(contents)
    if not isinstance(found, str):
        name = f"The column {text}" if isinstance(text, str) else "The text of a row"
        raise CourseError(f"{name} must be text or messages, not {repr(found)[:60]}.")
    return found


def texts(data: Dataset | IterableDataset, text: Text) -> Iterator[str]:
    """The text of each row, one at a time.

    Raises:
        CourseError: if there is no such column, or a row has no text there.
    """
    names = data.column_names
    if isinstance(text, str) and names is not None and text not in names:
        raise CourseError(f"There is no column {text} (found: {', '.join(names) or 'none'}).")
    if isinstance(text, str) and names is not None:
        data = data.select_columns([text])
    return (text_of(row, text) for row in data)


def normalized(text: str) -> str:
    """The text without what the eye passes over: Unicode in one form (NFKC), no capitals, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def words(text: str) -> list[str]:
    """The normalized text's words in order, without punctuation, unless it has nothing else."""
    plain = normalized(text)
    return re.findall(r"\w+", plain) or plain.split()


def runs(found: list[str], length: int) -> list[str]:
    """Every run of `length` neighboring words, as text; of fewer words the one run that they are."""
    if len(found) <= length:
        return [" ".join(found)]
    return [" ".join(found[start : start + length]) for start in range(len(found) - length + 1)]
