"""The dataset card and the dataset on disk: what the rows are, who wrote them, how many were let through.

Knows the columns of provenance, the hub's card with its YAML header, and folders. Knows nothing about how the
rows were made. Nothing leaves this machine unless :func:`push` is called, and then into a private repository.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.settings import CourseError, quiet
from helpers.synthesis.bars import without_bars
from helpers.synthesis.folders import explained
from helpers.synthesis.generate import Generator

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict
    from huggingface_hub import DatasetCard

README = "README.md"

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))
_UNKNOWN = "unknown"

Table = Sequence[Mapping[str, Any]]


# --- what a card tells --------------------------------------------------------------------------------------


def provenance(data: Dataset, by: str = "generator") -> list[dict[str, Any]]:
    """Where the rows are from, a line for each value of the column `by`, the most rows first.

    Returns:
        Per slice its name under `by`, then generator, revision, temperature and judge (several are joined by
        commas; "unknown" where there is no such column or value), how many random seeds, and how many rows.

    Raises:
        CourseError: if there is no column `by`.
    """
    _require(data, by)
    columns = {
        name: list(data[name])
        for name in ("generator", "revision", "temperature", "judge", "seed")
        if name in data.column_names
    }
    numbers: dict[Any, list[int]] = {}
    for number, value in enumerate(data[by]):
        numbers.setdefault(value, []).append(number)
    lines = []
    for value, own in sorted(numbers.items(), key=lambda item: -len(item[1])):
        line: dict[str, Any] = {by: value}
        for name in ("generator", "revision", "temperature", "judge"):
            if name != by:
                line[name] = _joined([columns[name][number] for number in own] if name in columns else [])
        line["seeds"] = len({columns["seed"][number] for number in own}) if "seed" in columns else 0
        lines.append({**line, "rows": len(own)})
    return lines


def acceptance(
    asked: Dataset | Mapping[Any, int], kept: Dataset, by: str = "generator"
) -> list[dict[str, Any]]:
    """How much of each slice was let through, in the order of `asked`.

    Args:
        asked: the rows before the first filter, with the column `by`; or how many were asked for, by slice,
            which also counts those that got no answer.
        kept: the rows in the end.

    Returns:
        Per slice its name under `by`, ``asked``, ``kept``, and ``accepted``, the share (None of nothing).

    Raises:
        CourseError: if the column is missing, or more is kept of a slice than was asked for.
    """
    _require(kept, by)
    if isinstance(asked, Mapping):
        before = Counter(dict(asked))
    else:
        _require(asked, by)
        before = Counter(asked[by])
    after = Counter(kept[by])
    for name, count in after.items():
        if count > before[name]:
            raise CourseError(
                f"{count} rows are kept of {name}, but {before[name]} were asked for: these are not the rows "
                "before the first filter."
            )
    return [
        {by: name, "asked": count, "kept": after[name], "accepted": after[name] / count if count else None}
        for name, count in before.items()
    ]


def card(
    data: DatasetDict,
    name: str,
    license: str,
    summary: str,
    *,
    generators: Sequence[Generator] = (),
    by: str = "generator",
    asked: Dataset | Mapping[Any, int] | None = None,
    counts: Table = (),
    language: str = "en",
) -> DatasetCard:
    """A card for the hub: YAML header, provenance and acceptance per slice, the funnel, parts and columns.

    Args:
        license: of the whole, as the hub abbreviates it, such as "cc-by-4.0".
        summary: what the data are for, and what they are not good for, in Markdown.
        generators: those that wrote it, for their licenses.
        by: the column whose values are the slices; without such a column the tables are left out.
        asked: see :func:`acceptance`; without it that table is left out.
        counts: of `helpers.synthesis.stages.funnel`.

    Raises:
        CourseError: if there are no parts, or there is no name or license; or as :func:`acceptance`.
    """
    quiet()
    from datasets import concatenate_datasets

    if not data:
        raise CourseError("A dataset card needs a part of data at least.")
    parts = [part for part in data.values() if len(part)]
    rows = concatenate_datasets(parts) if parts else next(iter(data.values()))
    sections = [
        summary.strip(),
        section("Parts", [{"part": part, "rows": len(table)} for part, table in data.items()]),
    ]
    if by in rows.column_names:
        sections.append(section("Where the rows are from", provenance(rows, by)))
        if asked is not None:
            sections.append(section("How much was let through", acceptance(asked, rows, by)))
    licenses = [
        {"generator": one.name, "revision": one.revision, "license": one.license} for one in generators
    ]
    sections.append(section("Licenses of what the generators write", licenses))
    sections.append(section("What each step left", counts))
    columns = [{"column": column, "type": str(kind)} for column, kind in rows.features.items()]
    sections.append(section("Columns", columns))
    if "generator" in rows.column_names:
        sections.append(
            "Completions were written by the generators named above, not by people; a judge's word is worth "
            "as much as the judge. `seed` is the random seed that the generator was given."
        )
    return assembled(name, license, len(rows), sections, language, tags=["synthetic", "cats-to-kto"])


def assembled(
    name: str, license: str, rows: int, sections: Sequence[str], language: str | None, tags: Sequence[str]
) -> DatasetCard:
    """A card of a YAML header, a title, and sections in Markdown; empty ones are left out.

    Raises:
        CourseError: if there is no name or license.
    """
    from huggingface_hub import DatasetCard, DatasetCardData

    if not name.strip() or not license.strip():
        raise CourseError("A dataset card needs a name and a license.")
    header = DatasetCardData(
        pretty_name=name, license=license, language=language, size_categories=_size(rows), tags=list(tags)
    )
    body = "\n\n".join([f"# {_line(name)}", *filter(None, sections)])
    return DatasetCard(f"---\n{header.to_yaml()}\n---\n\n{body}\n")


def section(title: str, lines: Table) -> str:
    """A heading and a Markdown table with a line for each mapping; "" where there are none."""
    if not lines:
        return ""
    names = list(lines[0])
    rows = [names, ["---"] * len(names), *([_cell(line.get(name)) for name in names] for line in lines)]
    return f"## {title}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)


# --- on disk, and on the hub --------------------------------------------------------------------------------


def save(data: DatasetDict, folder: str | Path, card: DatasetCard) -> None:
    """Store parts and card in the ordinary layout of `save_to_disk`; an earlier dataset is replaced, at once.

    Raises:
        CourseError: if the folder holds something else, the disk is full, or it cannot be written. What was
            there stays.
    """
    folder = Path(folder)
    if (
        folder.exists()
        and not (folder / "dataset_dict.json").is_file()
        and (folder.is_file() or any(folder.iterdir()))
    ):
        raise CourseError(f"{folder} holds something that is no dataset; choose another folder.")
    part = folder.with_name(f".{folder.name}.part")
    with explained(folder, f"The disk is full, so {folder} was not stored; free some space there."):
        shutil.rmtree(part, ignore_errors=True)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with without_bars():
                data.save_to_disk(part)
            (part / README).write_text(str(card), encoding="utf-8")
            _swap(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _swap(part: Path, folder: Path) -> None:
    """Put `part` in the place of `folder`, which stays where that fails."""
    if not folder.exists():
        part.rename(folder)
        return
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    folder.rename(old)
    try:
        part.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def load(folder: str | Path) -> DatasetDict:
    """The parts that :func:`save` stored, read from disk as they are used.

    Raises:
        CourseError: if the folder holds no such dataset.
    """
    quiet()
    from datasets import DatasetDict

    try:
        return DatasetDict.load_from_disk(folder)
    except (OSError, ValueError, KeyError) as error:
        raise CourseError(f"{folder} holds no dataset that can be read ({_reason(error)}).") from error


def push(data: DatasetDict, card: DatasetCard, repo: str, private: bool = True) -> None:
    """Put parts and card on the hub, into a private repository unless `private` is False.

    Args:
        repo: "OWNER/NAME". You must be logged in (`hf auth login`) as someone who may write to it.

    Raises:
        CourseError: if the repository exists and is public where `private` was asked for (nothing is sent
            then), or the hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        if private and not api.repo_info(repo, repo_type="dataset").private:
            raise CourseError(
                f"{repo} is public, so nothing was sent: choose another name, or push with private=False if "
                "everyone may read it."
            )
        card.push_to_hub(repo, repo_type="dataset")  # first: push_to_hub of the data adds to its header
        with without_bars():
            data.push_to_hub(repo, private=private)
    except (OSError, ValueError, _no_answer()) as error:
        raise CourseError(f"{repo} could not be pushed to the hub ({_reason(error)}).") from error


# --- plumbing -----------------------------------------------------------------------------------------------


def _no_answer() -> type[Exception]:
    """What the hub's client raises where there is no network."""
    from httpx import HTTPError

    return HTTPError


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _require(data: Dataset, by: str) -> None:
    if by not in data.column_names:
        raise CourseError(f"There is no column {by} (found: {', '.join(data.column_names) or 'none'}).")


def _joined(values: Sequence[Any]) -> str:
    known = [str(value) for value in dict.fromkeys(values) if value is not None]
    return ", ".join(known) or _UNKNOWN


def _size(rows: int) -> str:
    return next((name for limit, name in _SIZES if rows < limit), "n>1M")


def _cell(value: Any) -> str:
    """A value in a table: numbers short, text in one line that neither ends the cell nor is read as HTML."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3g}"
    return _line(str(value)).replace("|", "\\|")


def _line(text: str) -> str:
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
