"""A file of JSON lines as a table for a training: thumbs, pairs, or prompts with their answers.

Knows TRL's columns, in both of TRL's forms (plain texts, or lists of messages with one question and one
answer), and what of a file another kind of training can use. Knows nothing about who wrote it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.data import formats, jsonl
from helpers.data.formats import Format
from helpers.data.jsonl import BrokenLine, Row
from helpers.settings import CourseError

if TYPE_CHECKING:
    from datasets import Dataset

#: What tells the formats apart, in the order in which it is looked for.
_TOLD_BY: tuple[tuple[Format, frozenset[str]], ...] = (
    ("paired", frozenset({"prompt", "chosen", "rejected"})),
    ("unpaired", frozenset({"prompt", "completion", "label"})),
    ("prompt_completion", frozenset({"prompt", "completion"})),
)


def read(path: str | Path) -> tuple[Format, Dataset]:
    """The file's format, told by the columns of its first row, and its rows as a table.

    Of thumbs, a row whose label is null is a skip and left out. Every other row must be whole.

    Raises:
        CourseError: if there is no such file, or it has no row; or for the first line that cannot be used,
            with its number.
    """
    path = Path(path)
    if not path.is_file():
        raise CourseError(f"There is no file {path}: give a file of JSON lines.")
    form: Format | None = None
    rows = []
    for item in jsonl.read(path):
        if isinstance(item, BrokenLine):
            raise CourseError(f"{item}: correct that line or remove it.")
        number, row = item
        form = form or _form(row, path, number)
        if not (form == "unpaired" and "label" in row and row["label"] is None):
            rows.append(_values(row, form, path, number))
    if form is None or not rows:
        raise CourseError(f"{path} has no row to train on.")
    make: Any = {
        "paired": formats.paired,
        "unpaired": formats.unpaired,
        "prompt_completion": formats.prompt_completion,
    }[form]
    return form, make(rows)


def read_as(path: str | Path, wanted: Format, seed: int = 0) -> Dataset:
    """The file's rows in the format that a training wants, as far as the file holds what that needs.

    Prompts with completions come of thumbs (the answers with a thumb up) and of pairs (the chosen ones),
    thumbs of pairs (each pair twice, shuffled by `seed`), and pairs of thumbs (where a prompt has both).

    Raises:
        CourseError: as :func:`read`; or if the file holds nothing that the wanted format could be made of.
    """
    form, data = read(path)
    if form == wanted:
        return data
    if form == "prompt_completion":
        raise CourseError(
            f"{path} holds answers without thumbs and without a worse answer: that is data for SFT only."
        )
    if wanted == "unpaired":
        return formats.unpair(data, seed)
    if wanted == "paired":
        return formats.pair(data)
    if form == "unpaired":
        return formats.positives(data)
    return formats.prompt_completion(formats.chats_of(data, "chosen"))


def _form(row: Row, path: Path, number: int) -> Format:
    for form, columns in _TOLD_BY:
        if columns <= row.keys():
            return form
    raise CourseError(
        f"{path.name}, line {number}: a row has prompt and completion, with label for a thumb, or prompt, "
        f"chosen and rejected for a pair (found: {', '.join(row) or 'nothing'})."
    )


def _values(row: Row, form: Format, path: Path, number: int) -> tuple[Any, ...]:
    """The row's texts, and its label if it has one, in the order of the format's columns."""
    values = []
    for column in formats.COLUMNS[form]:
        problem = None if column in row else "is missing"
        value = row.get(column)
        if problem is None and column != "label":
            value = _text(value, "user" if column == "prompt" else "assistant")
            blank = column == "prompt" and isinstance(value, str) and not value.strip()
            problem = "is not one message of text" if value is None else "is empty" if blank else None
        elif problem is None and not isinstance(value, bool):
            problem = f"must be true or false, not {value!r}"
        if problem:
            raise CourseError(f"{path.name}, line {number}: its {column} {problem}.")
        values.append(value)
    return tuple(values)


def _text(value: Any, role: str) -> str | None:
    """A text, or the text of a list of one message of this role; None for anything else."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        value = value[0].get("content") if value[0].get("role") == role else None
    return value if isinstance(value, str) else None
