"""The table of public preference data that the GPU tiers can train on, and the way to a slice of one.

Knows ids, licenses and how each repository lays out its rows. Knows nothing about training. Kept apart from
the table of models, `helpers.models.hub`, since what a lesson measured with a model does not depend on it.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal

from helpers.models.hub import CONNECT_SECONDS
from helpers.settings import quiet

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class HubDataset:
    """One repository of data.

    Attributes:
        id: "organization/name".
        revision: a commit.
        file: the training rows, as Parquet.
        kind: "thumbs" (a label for each answer) or "pairs" (a chosen and a rejected answer).
        size_mb: size of the file, approximate.
        license: as its card says, or where the rows come from if the card says nothing.
        used_for: one sentence.
    """

    id: str
    revision: str
    file: str
    kind: Literal["thumbs", "pairs"]
    size_mb: int
    license: str
    used_for: str


DATASETS: dict[str, HubDataset] = {
    "kto-mix": HubDataset(
        "trl-lib/kto-mix-14k",
        "4470f033f33364e7d064c9f920c3df54d0cce767",
        "data/train-00000-of-00001.parquet",
        "thumbs",
        16,
        "none stated on its card; made from argilla/dpo-mix-7k (MIT by its card), a mix of AI feedback",
        "KTO of a real model on public thumbs, on the GPU tiers",
    ),
    "clair": HubDataset(
        "ContextualAI/ultrafeedback_clair_32k",
        "972e481e600abb0bd97a8a54ad787faeebf7c60a",
        "data/train-00000-of-00001.parquet",
        "pairs",
        111,
        "none stated on its card; UltraFeedback's prompts (MIT), answers of Llama-3-8B and GPT-4",
        "APO-zero of a real model on contrastive revisions, on the GPU tiers",
    ),
}


def hub_slice(key: str, count: int, longest: int) -> Dataset | None:
    """The first `count` short rows of a data set, in TRL's conversational format, shuffled once and for all.

    Args:
        key: a key of `DATASETS`.
        count: how many rows; fewer if there are not so many.
        longest: how many characters a row's prompt and answer may have together.

    Returns:
        Columns "prompt", "completion" and "label", or "prompt", "chosen" and "rejected". None, with one line
        on standard error, if the file is neither on this machine nor to be had within seconds.
    """
    data = DATASETS[key]
    file = hub_file(key)
    if file is None:
        return None
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    read = _thumb if data.kind == "thumbs" else _pair
    rows = Dataset.from_parquet(str(file)).shuffle(seed=0)
    chosen: list[dict[str, Any]] = []
    for row in map(read, rows):
        if _length(row) <= longest:
            chosen.append(row)
        if len(chosen) == count:
            break
    return Dataset.from_list(chosen)


def _thumb(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("prompt", "completion", "label")}


def _pair(row: dict[str, Any]) -> dict[str, Any]:
    """Of two whole conversations that differ in the last answer: what they share, and the two answers."""
    return {"prompt": row["chosen"][:-1], "chosen": row["chosen"][-1:], "rejected": row["rejected"][-1:]}


def _length(row: dict[str, Any]) -> int:
    """Characters of the prompt and its longest answer."""
    counts = {name: sum(len(m["content"]) for m in row[name]) for name in row if name != "label"}
    return counts.pop("prompt") + max(counts.values())


def local_file(key: str) -> Path | None:
    """A data set's rows on this machine, as Parquet; None, without a word, if they are not here."""
    quiet()
    from huggingface_hub import try_to_load_from_cache

    data = DATASETS[key]
    found = try_to_load_from_cache(data.id, data.file, repo_type="dataset", revision=data.revision)
    return Path(found) if isinstance(found, str) else None


def hub_file(key: str) -> Path | None:
    """Like `local_file`, else from the hub; None, with one line on standard error, if that fails."""
    found = local_file(key)
    if found is not None:
        return found
    from huggingface_hub import constants, hf_hub_download

    data = DATASETS[key]
    if constants.HF_HUB_OFFLINE:
        reason = "it is not on this machine, and HF_HUB_OFFLINE forbids a download"
    elif not _answers(data):
        reason = (
            f"the hub at {constants.ENDPOINT} does not answer for it within {CONNECT_SECONDS:.0f} seconds"
        )
    else:
        try:
            return Path(
                hf_hub_download(
                    data.id,
                    data.file,
                    repo_type="dataset",
                    revision=data.revision,
                    etag_timeout=CONNECT_SECONDS,
                )
            )
        except Exception as error:  # whatever it is, the lesson goes on without these data
            reason = f"its download failed ({type(error).__name__})"
    print(f"{data.id} is not used: {reason}.", file=sys.stderr)
    return None


def _answers(data: HubDataset) -> bool:
    """Whether the hub knows a data set, within seconds: a download would try for half a minute."""
    from huggingface_hub import HfApi

    found: list[bool] = []

    def ask() -> None:
        # Whatever is wrong, the lesson goes on without these data.
        with suppress(Exception):
            HfApi().dataset_info(data.id, revision=data.revision, timeout=CONNECT_SECONDS)
            found.append(True)

    # In a thread of its own, because looking up a host's name obeys no time-out.
    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    return bool(found)
