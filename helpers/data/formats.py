"""TRL's formats as tables: paired and unpaired preferences, prompts with completions, and ways between them.

Knows the columns that TRL's trainers read, as `datasets.Dataset` in the conversational form: every prompt and
every answer is a list of messages, so that the chat template writes the end of an answer too (TRL appends
nothing to conversations). Knows nothing about who gave the labels, about tokens, or about training.

- unpaired (KTO): ``prompt``, ``completion``, ``label`` (bool: a thumb up)
- paired (DPO): ``prompt``, ``chosen``, ``rejected``
- prompt and completion (SFT): ``prompt``, ``completion``

An answer may be empty text, as a model may end at once; a question may not.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from helpers.settings import CourseError, quiet

if TYPE_CHECKING:
    from datasets import Dataset, Features

Format = Literal["unpaired", "paired", "prompt_completion"]
Message = dict[str, str]
#: A question and its answer, as `helpers.models.small` takes them.
Chat = tuple[str, str]

COLUMNS: dict[Format, tuple[str, ...]] = {
    "unpaired": ("prompt", "completion", "label"),
    "paired": ("prompt", "chosen", "rejected"),
    "prompt_completion": ("prompt", "completion"),
}
_NAMES: dict[Format, str] = {
    "unpaired": "Unpaired data",
    "paired": "Paired data",
    "prompt_completion": "Prompts with completions",
}


# --- from tuples to tables, and back ------------------------------------------------------------------------


def unpaired(rows: Sequence[tuple[str, str, bool]]) -> Dataset:
    """(question, answer, thumb up) -> one row each, in the same order.

    Raises:
        CourseError: if there is no row, a label is not a bool, or a text is not text; it names the row.
    """
    return _table(
        "unpaired", [[_user(question), _assistant(answer), label] for question, answer, label in rows]
    )


def paired(rows: Sequence[tuple[str, str, str]]) -> Dataset:
    """(question, better answer, worse answer) -> one row each, in the same order.

    Raises:
        CourseError: if there is no row or a text is not text; it names the row.
    """
    return _table(
        "paired",
        [[_user(question), _assistant(better), _assistant(worse)] for question, better, worse in rows],
    )


def prompt_completion(chats: Sequence[Chat]) -> Dataset:
    """(question, answer) -> one row each, in the same order, for SFT.

    Raises:
        CourseError: if there is no row or a text is not text; it names the row.
    """
    return _table("prompt_completion", [[_user(question), _assistant(answer)] for question, answer in chats])


def chats_of(data: Dataset, column: Literal["completion", "chosen", "rejected"] = "completion") -> list[Chat]:
    """Each row's question with its answer in `column`, as `helpers.models.small` takes them.

    Raises:
        CourseError: if the column is missing, or a row is not one question with one answer.
    """
    _require_columns(data, ("prompt", column), f"The {column} of a chat")
    chats = []
    for number, (prompt, answer) in enumerate(zip(data["prompt"], data[column], strict=True), start=1):
        for messages, role in ((prompt, "user"), (answer, "assistant")):
            if problem := _message_problem(messages):
                raise CourseError(f"Row {number} is no chat: a {role}'s text {problem}.")
            if [message["role"] for message in messages] != [role]:
                raise CourseError(
                    f"Row {number} has more than one question and one answer; this needs single turns, "
                    "without a system message."
                )
        chats.append((prompt[0]["content"], answer[0]["content"]))
    return chats


# --- from one format to another -----------------------------------------------------------------------------


def unpair(data: Dataset, seed: int) -> Dataset:
    """Every pair as two unpaired rows, the chosen one up and the rejected one down, *shuffled* by `seed`.

    TRL's KTOTrainer neither shuffles nor reshuffles. Left in order, all that is up would come before all that
    is down, as TRL itself unpairs a table.

    Raises:
        CourseError: if `data` is not paired data; see :func:`check`.
    """
    check(data, "paired")
    rows = []
    for row in data:
        rows += [[row["prompt"], row["chosen"], True], [row["prompt"], row["rejected"], False]]
    random.Random(seed).shuffle(rows)
    return _table("unpaired", rows)


def pair(data: Dataset) -> Dataset:
    """Unpaired rows as pairs, for prompts with both an up and a down; the other rows are left out.

    The first up of a prompt goes with its first down, the second with the second: every row is used once at
    most. Answers that have both labels for one prompt prefer nothing and are left out too.

    Raises:
        CourseError: if `data` is not unpaired data, or no prompt has both.
    """
    check(data, "unpaired")
    sides: dict[str, dict[bool, list[Any]]] = {}
    prompts: dict[str, list[Message]] = {}
    for row in data:
        key = _key(row["prompt"])
        prompts.setdefault(key, row["prompt"])
        sides.setdefault(key, {True: [], False: []})[row["label"]].append(row["completion"])
    rows = []
    for key, side in sides.items():
        both = {_key(answer) for answer in side[True]} & {_key(answer) for answer in side[False]}
        ups, downs = ([one for one in side[label] if _key(one) not in both] for label in (True, False))
        rows += [[prompts[key], up, down] for up, down in zip(ups, downs, strict=False)]
    if not rows:
        raise CourseError("No prompt has both a thumb up and a thumb down, so there is nothing to pair.")
    return _table("paired", rows)


def positives(data: Dataset) -> Dataset:
    """The answers with a thumb up, for SFT on them alone; in the same order.

    Raises:
        CourseError: if `data` is not unpaired data, or no label is up.
    """
    check(data, "unpaired")
    rows = [[row["prompt"], row["completion"]] for row in data if row["label"]]
    if not rows:
        raise CourseError("No answer has a thumb up, so there is nothing to imitate.")
    return _table("prompt_completion", rows)


# --- what must be true of a table ---------------------------------------------------------------------------


def check(data: Dataset, form: Format) -> None:
    """Make sure that `data` has the columns and values of a format; other columns are allowed.

    Raises:
        CourseError: if it has no rows, lacks a column, has a label that is not a bool (None, NaN, 0 and 1 are
            not), or a text that is not a list of messages; it names the first such row.
    """
    from datasets import Dataset

    if not isinstance(data, Dataset):
        raise CourseError(f"{_NAMES[form]} must be a datasets.Dataset, not {type(data).__name__}.")
    _require_columns(data, COLUMNS[form], _NAMES[form])
    _check_columns(form, {column: data[column] for column in COLUMNS[form]})


def _require_columns(data: Dataset, columns: Sequence[str], what: str) -> None:
    missing = [column for column in columns if column not in data.column_names]
    if missing:
        raise CourseError(
            f"{what} needs the columns {', '.join(columns)}; {', '.join(missing)} is missing "
            f"(found: {', '.join(data.column_names) or 'none'})."
        )


def _check_columns(form: Format, columns: Mapping[str, Iterable[Any]]) -> None:
    lengths = set()
    for column, values in columns.items():
        problem: Callable[[Any], str | None] = _label_problem if column == "label" else _message_problem
        number = 0
        for number, value in enumerate(values, start=1):
            if found := problem(value):
                raise CourseError(f"{_NAMES[form]}: the {column} of row {number} {found}.")
        lengths.add(number)
    if lengths == {0}:
        raise CourseError(f"{_NAMES[form]} needs at least one row; there is none.")


def _label_problem(label: Any) -> str | None:
    """What is wrong with a label, to follow its name in a sentence."""
    if isinstance(label, bool | np.bool_):
        return None
    return f"must be True (a thumb up) or False (a thumb down), not {label!r}"


def _message_problem(messages: Any) -> str | None:
    """What is wrong with a list of messages, to follow its name in a sentence."""
    if not isinstance(messages, list) or not messages:
        return (
            f"must be a list of messages such as [{{'role': 'user', 'content': '…'}}], not {_cut(messages)}"
        )
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            return f"holds a message without a role: {_cut(message)}"
        content = message.get("content")
        if not isinstance(content, str):
            return f"must be text, not {_cut(content)}"
        if not content.strip() and message["role"] == "user":
            return "is empty"
        if not storable(content):
            return "holds half of a character, which no file can hold"
    return None


def storable(text: str) -> bool:
    """False for text with lone surrogates: neither a file nor a table takes it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _cut(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


# --- plumbing -----------------------------------------------------------------------------------------------


def _user(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]


def _assistant(text: str) -> list[Message]:
    return [{"role": "assistant", "content": text}]


def _key(messages: list[Message]) -> str:
    return json.dumps([[message["role"], message["content"]] for message in messages])


def _table(form: Format, rows: Sequence[Sequence[Any]]) -> Dataset:
    """Rows in the order of the format's columns as a table in memory, checked."""
    quiet()
    from datasets import Dataset

    columns = {name: [row[i] for row in rows] for i, name in enumerate(COLUMNS[form])}
    _check_columns(form, columns)
    if "label" in columns:
        columns["label"] = [bool(label) for label in columns["label"]]
    return Dataset.from_dict(columns, features=_features(form))


def _features(form: Format) -> Features:
    from datasets import Features, Value

    messages = [{"role": Value("string"), "content": Value("string")}]
    return Features({name: Value("bool") if name == "label" else messages for name in COLUMNS[form]})
