"""Stages of a pipeline: functions from a table to a table, put in a row, with what each of them leaves.

Knows tables, in memory, on disk or streamed. Knows nothing about generators, nor about what makes a row good:
a check decides that. Other stages stand in `duplicates` and `contamination`.

    made, counts = funnel(asked, {
        "verify": lambda data: verified(data, is_true, "world.verify"),
        "exact duplicates": without_exact,
    })
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from helpers.settings import CourseError, quiet
from helpers.synthesis.bars import without_bars

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

Row = Mapping[str, Any]
Stage = Callable[["Dataset"], "Dataset"]
Table = TypeVar("Table", "Dataset", "IterableDataset")


def funnel(data: Dataset, stages: Mapping[str, Stage]) -> tuple[Dataset, list[dict[str, Any]]]:
    """The table after all stages, in order, and a row of counts for each stage.

    Returns:
        The table, and per stage ``{"stage": name, "rows in": n, "rows out": m, "kept": m / n}``; `kept` is
        None where nothing came in.

    Raises:
        CourseError: if a stage gives back no table.
    """
    from datasets import Dataset

    counts = []
    for name, stage in stages.items():
        before = len(data)
        data = stage(data)
        if not isinstance(data, Dataset):
            raise CourseError(
                f"The stage {name!r} must return a datasets.Dataset, not {type(data).__name__}."
            )
        kept = len(data) / before if before else None
        counts.append({"stage": name, "rows in": before, "rows out": len(data), "kept": kept})
    return data, counts


def where(data: Table, keep: Callable[[Row], bool], num_proc: int | None = None) -> Table:
    """The rows for which `keep` is true, in order; of a stream as it flows.

    Unlike `Dataset.filter`, nothing is cached: a function that changed is called again.

    Args:
        num_proc: processes that share the rows; worth it for a `keep` that takes a millisecond or more.
            Streams are filtered in one.
    """
    quiet()
    from datasets import IterableDataset

    require_table(data)
    if isinstance(data, IterableDataset):
        return data.filter(keep)
    if num_proc is not None and num_proc > 1 and len(data) >= num_proc:
        with without_bars():
            # In memory, or it would write its cache beside the learner's data.
            return data.filter(keep, num_proc=num_proc, load_from_cache_file=False, keep_in_memory=True)
    return data.select([number for number, row in enumerate(data) if keep(row)])


def verified(data: Table, check: Callable[[Row], bool], judge: str, num_proc: int | None = None) -> Table:
    """The rows that pass `check`, with the judge's name in the column `judge`.

    Rows that another judge has let pass carry both names, joined by " + ".

    Args:
        check: a row -> whether it is good.
        judge: the check's name, for the dataset card.
        num_proc: see :func:`where`.
    """
    return marked(where(data, check, num_proc), judge)


def marked(data: Table, judge: str) -> Table:
    """All rows, with the judge's name added to the column `judge`."""
    from datasets import Dataset, IterableDataset, Value

    require_table(data)
    if isinstance(data, IterableDataset):
        features = data.features and data.features.copy()
        if features:
            features["judge"] = Value("string")
        return data.map(lambda row: {"judge": _joined(row.get("judge"), judge)}, features=features)
    names = [judge] * len(data)
    if "judge" in data.column_names:
        names = [_joined(old, judge) for old in data["judge"]]
        data = data.remove_columns("judge")
    if not len(data):
        features = data.features.copy()
        features["judge"] = Value("string")
        return Dataset.from_dict({name: [] for name in features}, features=features)
    return data.add_column("judge", names, feature=Value("string"))


def require_table(data: Any, streams: bool = True) -> None:
    """Make sure that `data` is one table.

    Raises:
        CourseError: if it is not, or is a stream where `streams` is False.
    """
    from datasets import Dataset, IterableDataset

    if not isinstance(data, (Dataset, IterableDataset) if streams else Dataset):
        parts = ": take one of its parts" if isinstance(data, dict) else ""
        raise CourseError(f"This needs a datasets.Dataset, not {type(data).__name__}{parts}.")


def _joined(old: str | None, judge: str) -> str:
    return f"{old} + {judge}" if old else judge
