"""Generation in shards: what was answered is on the disk, and a run that was stopped goes on from there.

Knows a folder of shards, its lock and its settings. Knows nothing about what is generated. A shard is a file
of JSON lines, one answer a row of the data; it appears whole or not at all, whatever happens to the process.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.data import jsonl
from helpers.settings import CourseError, quiet
from helpers.synthesis.folders import explained
from helpers.synthesis.generate import Generator, ask, generate, with_answers
from helpers.synthesis.stages import require_table

if TYPE_CHECKING:
    from datasets import Dataset

SETTINGS = "settings.jsonl"


def generate_in_shards(
    data: Dataset, generator: Generator, seed: int, folder: str | Path, size: int = 500
) -> Dataset:
    """As `helpers.synthesis.generate.generate`, a shard of rows at a time, each kept in `folder` at once.

    Called again with the same arguments, also after a crash, it asks for the missing shards only, and the
    result is the same as of one run without a crash. A shard in which no row was answered is not kept, so
    that the next call asks again. Only one process generates in a folder at a time; another waits for it.

    Args:
        data: with the conversational column `prompt`. Other columns are not stored: they are taken from here.
        seed: each shard has a seed of its own, drawn from this and its number; the column `seed` holds that.
        folder: made if it is not there. Its size is that of the answers.
        size: rows a shard: what a crash can cost.

    Raises:
        CourseError: if the folder holds shards of other settings or prompts, the disk is full, or the folder
            cannot be written; what is there stays. Also what :func:`generate` raises.
    """
    quiet()
    from datasets import concatenate_datasets

    if size < 1:
        raise CourseError(f"A shard has at least 1 row, not {size!r}.")
    if seed < 0:
        raise CourseError(f"A seed is a whole number from 0 up, not {seed!r}.")
    require_table(data, streams=False)
    folder = Path(folder)
    if not len(data):
        return generate(data, generator, seed)
    starts = range(0, len(data), size)
    full = f"The disk is full: the shards so far are in {folder}; free some space there and run it again."
    with explained(folder, full), _alone(folder):
        _require_same(folder, _settings(data, generator, seed, size))
        parts, silent = [], 0
        for number, start in enumerate(starts):
            rows = data.select(range(start, min(start + size, len(data))))
            own_seed = _seed_of(seed, number)
            answers = _shard(folder / f"shard-{number:05}.jsonl", rows, generator, own_seed)
            silent += all(answer is None for answer in answers)
            parts.append(with_answers(rows, answers, generator, own_seed))
    if silent:
        _remark(f"{silent} of {len(starts)} shards got no answer at all; run it again to ask for them again.")
    return concatenate_datasets([part for part in parts if len(part)] or parts[:1])


# --- one shard ----------------------------------------------------------------------------------------------


def _shard(path: Path, rows: Dataset, generator: Generator, seed: int) -> list[str | None]:
    """The answers to these rows: from the file if it is there and whole, else asked for and kept."""
    if path.exists():
        kept = _read(path, len(rows))
        if kept is not None:
            return kept
        _remark(f"{path.name} is damaged and is generated again.")
    answers = ask(rows, generator, seed)
    if any(answer is not None for answer in answers):
        _write(path, [{"answer": answer} for answer in answers])
    return answers


def _seed_of(seed: int, number: int) -> int:
    """The seed of a shard: 32 bits."""
    import numpy as np

    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _read(path: Path, count: int) -> list[str | None] | None:
    """A shard's answers; None if it is not what `_write` has written."""
    answers: list[str | None] = []
    for item in jsonl.read(path):
        if isinstance(item, jsonl.BrokenLine) or set(item[1]) != {"answer"}:
            return None
        answer = item[1]["answer"]
        if answer is not None and not isinstance(answer, str):
            return None
        answers.append(answer)
    return answers if len(answers) == count else None


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    """The rows as a file that is there whole, or not there; on the disk when this returns."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


# --- the folder ---------------------------------------------------------------------------------------------


def _settings(data: Dataset, generator: Generator, seed: int, size: int) -> dict[str, Any]:
    """What decides the answers, as JSON gives it back."""
    prompts = hashlib.sha256()
    for prompt in data["prompt"] if "prompt" in data.column_names else []:
        prompts.update(json.dumps(prompt, sort_keys=True, default=str).encode() + b"\n")
    return {
        "generator": generator.name,
        "revision": generator.revision,
        "temperature": generator.temperature,
        "seed": seed,
        "size": size,
        "rows": len(data),
        "prompts": prompts.hexdigest()[:16],
    }


def _require_same(folder: Path, settings: dict[str, Any]) -> None:
    """Make sure that the folder's shards are of these settings; a folder without any is given them."""
    path = folder / SETTINGS
    found = next((item[1] for item in jsonl.read(path) if not isinstance(item, jsonl.BrokenLine)), None)
    if found is None and not any(folder.glob("shard-*.jsonl")):
        _write(path, [settings])
        return
    found = found or {}
    differing = [
        f"{name} {found.get(name)!r}, not {value!r}"
        for name, value in settings.items()
        if found.get(name) != value
    ]
    if differing:
        raise CourseError(
            f"{folder} holds shards of other settings ({'; '.join(differing)}): choose another folder, or "
            "remove this one if you no longer need it."
        )


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The folder's lock, held for a with-block; says so when it has to wait."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _remark(f"Another process is generating in {folder}; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _remark(text: str) -> None:
    print(text, file=sys.stderr)
