"""Thumbs: what a person thinks of a model's answers, kept at once, one file a person, merged for a class.

A thumb is TRL's unpaired row (prompt, completion, label) plus annotator, time, lesson and scene; a skip has
no label. A file of thumbs is JSON lines in TRL's conversational form, so that `datasets` reads it as it is.
Knows files and people. Knows nothing about how thumbs are asked for, nor about training.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import settings
from helpers.data import formats, handed_in, jsonl
from helpers.data.handed_in import Inside
from helpers.data.jsonl import BrokenLine
from helpers.settings import CourseError

if TYPE_CHECKING:
    from datasets import Dataset

#: Broken lines that are kept of one file; of a large foreign one the rest are only counted.
MOST_BROKEN = 100

_WORDS = {True: "up", False: "down"}
#: It lies beside the thumbs where a zip of results was unpacked.
_LEDGER = re.compile(r"ledger-\d+\.jsonl")


@dataclass(frozen=True)
class Thumb:
    """One judgment of one answer.

    Attributes:
        prompt: what the model was asked.
        completion: what it answered; may be empty.
        label: True for a thumb up, False for a thumb down, None for a skip.
        annotator: who judged: a name or a nickname.
        time: when, in ISO format with its zone.
        lesson: the lesson's number, such as "08".
        scene: the scene's attributes by name, as `dataclasses.asdict` gives them (JSON values); may be empty.
    """

    prompt: str
    completion: str
    label: bool | None
    annotator: str
    time: str
    lesson: str
    scene: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """What was judged: prompt and completion."""
        return self.prompt, self.completion


@dataclass(frozen=True)
class Conflict:
    """An answer on which annotators differ; those who skipped it do not."""

    prompt: str
    completion: str
    labels: dict[str, bool]

    def __str__(self) -> str:
        said = ", ".join(f"{annotator} {_WORDS[label]}" for annotator, label in self.labels.items())
        return f"“{self.completion}” for “{self.prompt}”: {said}"


@dataclass(frozen=True)
class Loaded:
    """What a file holds: thumbs in its order, and the lines that are none (at most MOST_BROKEN are kept)."""

    thumbs: list[Thumb]
    broken: list[BrokenLine]
    broken_count: int


@dataclass(frozen=True)
class Merged:
    """The thumbs of many files.

    Attributes:
        files: those that were read, in order.
        thumbs: one per annotator, prompt and completion, the last one that they gave; skips too.
        duplicates: how many earlier ones were left out.
        conflicts: where annotators differ. Their thumbs stay among `thumbs`.
        broken: lines that could not be used, at most MOST_BROKEN of each file.
        broken_count: how many there are in all.
        notes: a sentence on each file that could not be used, or that comes from another version.
    """

    files: list[Path]
    thumbs: list[Thumb]
    duplicates: int
    conflicts: list[Conflict]
    broken: list[BrokenLine]
    broken_count: int
    notes: list[str] = field(default_factory=list)


def thumbs_path(lesson: str) -> Path:
    """The learner's own file of a lesson. It lies beside their progress, so that runs leave it alone."""
    return settings.progress_path().parent / "thumbs" / f"{lesson}.jsonl"


def now() -> str:
    """The present time as a thumb keeps it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


# --- one file -----------------------------------------------------------------------------------------------


def append(path: Path, thumbs: Sequence[Thumb]) -> None:
    """Add thumbs to a file, all or none; they are on the disk when this returns.

    Several notebooks may add to one file at once.

    Raises:
        CourseError: if a field is not what a thumb has, or they cannot be saved; it says why.
    """
    rows = [to_row(thumb) for thumb in thumbs]
    for row in rows:
        try:
            from_row(row)
        except ValueError as error:
            raise CourseError(f"This thumb cannot be saved: it {error}.") from error
    jsonl.append(path, rows)


def undo(path: Path, thumb: Thumb) -> bool:
    """Take the last row of the file that is this very thumb out again; False if it has none.

    Raises:
        CourseError: if the file cannot be changed; it is then as it was.
    """
    row = to_row(thumb)
    return jsonl.remove_last(path, lambda found: found == row)


def load(path: Path) -> Loaded:
    """The thumbs of a file and its broken lines; a file that does not exist yet has none.

    Raises:
        CourseError: if the file cannot be read.
    """
    thumbs, broken, count = [], [], 0
    for item in _read(path):
        if isinstance(item, Thumb):
            thumbs.append(item)
        else:
            count += 1
            broken += [item] if count <= MOST_BROKEN else []
    return Loaded(thumbs, broken, count)


def to_row(thumb: Thumb) -> dict[str, Any]:
    """A thumb as a row of its file: TRL's columns, the two texts as lists of messages, then the others."""
    return {
        **asdict(thumb),
        "prompt": [{"role": "user", "content": thumb.prompt}],
        "completion": [{"role": "assistant", "content": thumb.completion}],
    }


def from_row(row: dict[str, Any]) -> Thumb:
    """The thumb in a row of a file.

    Raises:
        ValueError: if the row is no thumb; it says why in a few words.
    """
    missing = [name for name in Thumb.__dataclass_fields__ if name not in row]
    if missing:
        raise ValueError(f"is no thumb: {', '.join(missing)} missing")
    label = row["label"]
    if label is not None and not isinstance(label, bool):
        raise ValueError(f"has a label that is not true, false or null: {label!r}")
    for name in ("annotator", "time", "lesson"):
        if not isinstance(row[name], str) or not row[name].strip():
            raise ValueError(f"has no text as {name}: {row[name]!r}")
    if not isinstance(row["scene"], dict):
        raise ValueError("has a scene that is not an object")
    if not formats.storable(json.dumps(row, ensure_ascii=False)):
        raise ValueError("holds half of a character")
    _moment(row["time"])
    texts = [_text(row, "prompt", "user"), _text(row, "completion", "assistant")]
    return Thumb(*texts, *(row[name] for name in ("label", "annotator", "time", "lesson", "scene")))


# --- many files ---------------------------------------------------------------------------------------------


def merge(folder: Path) -> Merged:
    """The thumbs of every ``.jsonl`` file in a folder and its subfolders, and of learners' zips of results.

    Of several thumbs by one annotator for the same prompt and completion the one with the latest time counts.
    Hidden files are passed over. A file that cannot be used is named, and the others are merged.

    Raises:
        CourseError: if the folder does not exist or holds no such file.
    """
    files: list[Path] = []
    notes: list[str] = []
    kept: dict[tuple[str, str, str], Thumb] = {}
    duplicates, broken, broken_count = 0, [], 0
    for path in _files(folder, notes):
        in_this_file = 0
        for item in _items(path, files, notes):
            if isinstance(item, BrokenLine):
                in_this_file += 1
                broken += [item] if in_this_file <= MOST_BROKEN else []
                continue
            key = (item.annotator, *item.key)
            duplicates += key in kept
            if key not in kept or _moment(kept[key].time) <= _moment(item.time):
                kept[key] = item
        broken_count += in_this_file
    thumbs = list(kept.values())
    return Merged(files, thumbs, duplicates, conflicts(thumbs), broken, broken_count, notes)


def conflicts(thumbs: Iterable[Thumb]) -> list[Conflict]:
    """The answers on which two or more annotators differ, in the order of their first thumb."""
    labels: dict[tuple[str, str], dict[str, bool]] = {}
    for thumb in thumbs:
        if thumb.label is not None:
            labels.setdefault(thumb.key, {})[thumb.annotator] = thumb.label
    return [Conflict(*key, said) for key, said in labels.items() if len(set(said.values())) > 1]


def report(merged: Merged, longest: int = 20) -> str:
    """What was merged, in lines of plain text; at most `longest` conflicts and broken lines are listed."""
    differing = len(merged.conflicts)
    lines = [
        totals(merged),
        f"{_many(merged.duplicates, 'duplicate')} (same annotator, prompt and completion: the last counts)",
        f"{_many(differing, 'conflict')} (annotators differ on the same prompt and completion)",
        *_listed(merged.conflicts, differing, longest),
        f"{_many(merged.broken_count, 'broken line')} (skipped)",
        *_listed(merged.broken, merged.broken_count, longest),
        *to_look_at(merged),
    ]
    return "\n".join(lines)


def to_look_at(merged: Merged) -> list[str]:
    """A line for each file that could not be used as it is. All of them: each is somebody's results."""
    return [f"! {_plain(note)}" for note in merged.notes]


def totals(merged: Merged) -> str:
    """How many files, people and thumbs there are, in two lines."""
    counts = Counter(thumb.label for thumb in merged.thumbs)
    people = len({thumb.annotator for thumb in merged.thumbs})
    return (
        f"{_many(len(merged.files), 'file')}, {_many(people, 'annotator')}\n"
        f"{_many(counts[True] + counts[False], 'thumb')} ({counts[True]} up, {counts[False]} down), "
        f"{_many(counts[None], 'skip')}"
    )


def to_unpaired(thumbs: Sequence[Thumb]) -> Dataset:
    """The thumbs as unpaired data for KTO, in their order; skips are left out.

    Raises:
        CourseError: if no thumb has a label.
    """
    labeled = [thumb for thumb in thumbs if thumb.label is not None]
    if not labeled:
        raise CourseError("There are no thumbs up or down yet, so there is nothing to train on.")
    return formats.unpaired([(thumb.prompt, thumb.completion, thumb.label) for thumb in labeled])


# --- plumbing -----------------------------------------------------------------------------------------------


def _read(path: Path | Inside) -> Iterator[Thumb | BrokenLine]:
    for item in jsonl.read(path):
        if isinstance(item, BrokenLine):
            yield item
            continue
        number, row = item
        try:
            yield from_row(row)
        except ValueError as error:
            yield BrokenLine(path, number, str(error))


def _items(path: Path, files: list[Path], notes: list[str]) -> Iterator[Thumb | BrokenLine]:
    """The lines of a file or zip; adds it to `files` at its end, or to `notes` what is wrong with it."""
    try:
        parts: list[Path | Inside] = [path]
        if handed_in.is_zip(path):
            parts, note = handed_in.thumbs_in(path)
            notes += [note] if note else []
        for part in parts:
            yield from _read(part)
    except CourseError as error:
        notes.append(str(error))
    else:
        files.append(path)


def _files(folder: Path, notes: list[str]) -> list[Path]:
    if not folder.is_dir():
        raise CourseError(
            f"{folder} is no folder; give the folder that holds the class's zips or .jsonl files."
        )
    found = [
        path
        for path in handed_in.files_below(folder, notes)
        if (path.suffix == ".jsonl" or handed_in.is_zip(path))
        and not _LEDGER.fullmatch(path.name)
        and not any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts)
    ]
    if not found:
        nothing = f"{folder} holds no zip and no .jsonl file, so there are no thumbs to merge."
        raise CourseError(" ".join([nothing, *notes[:1]]))
    return found


def _text(row: dict[str, Any], column: str, role: str) -> str:
    """The text of a column that holds one message of this role."""
    messages = row[column]
    one = isinstance(messages, list) and len(messages) == 1 and isinstance(messages[0], dict)
    if not one or messages[0].get("role") != role or not isinstance(messages[0].get("content"), str):
        raise ValueError(f"has a {column} that is not one {role}'s message")
    text = messages[0]["content"]
    if role == "user" and not text.strip():
        raise ValueError(f"has an empty {column}")
    return text


def _moment(time: str) -> datetime:
    """A thumb's time; one without a zone is taken as UTC."""
    try:
        found = datetime.fromisoformat(time)
    except ValueError:
        raise ValueError(f"has a time that is not in ISO format: {time!r}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _listed(things: Sequence[object], count: int, longest: int) -> list[str]:
    shown = [f"  {_plain(str(thing))}" for thing in things[:longest]]
    return [*shown, f"  … and {count - len(shown)} more"] if count > len(shown) else shown


def _plain(text: str) -> str:
    """Text from a file in one line for a terminal, without control characters, cut where it is long."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= 200 else f"{line[:199]}…"
