"""Everything that a class on a GPU tier downloads, beforehand, into one folder that can be carried.

Knows which models and data a tier's lessons ask for. Knows nothing about how a download works: that is
`helpers.models.hub`'s and `helpers.models.hub_data`'s, and huggingface_hub's below them, which go on with a
download that was stopped.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.settings import CourseError

if TYPE_CHECKING:
    from helpers.models.tiers import Tier

#: What the lessons of both GPU tiers use beside their language and image model.
_FILMS = ("videomae", "xclip", "smolvlm2")
_SMALL = "smollm2-135m"  # the CPU tier's, to compare with
#: What a download needs beside its own size, for parts that are not put together yet.
_SPARE_MB = 500


def run(into: Path | None = None) -> int:
    """Download what the lessons of this tier ask the hub for; a line each. What is there already stays.

    Args:
        into: a folder laid out as the hub's cache; the user's own cache (``HF_HUB_CACHE``) if left out.

    Returns:
        An exit status: 1 if something could not be had.

    Raises:
        CourseError: if the folder cannot be written or its disk is too small.
    """
    folder = _chosen(into)
    # Only now: huggingface_hub reads where its cache lies when it is imported.
    from helpers.models import hub, hub_data
    from helpers.models.tiers import current_tier

    keys = _models(current_tier())
    _require_room(folder, _missing_mb(keys))
    missing = []
    for key in keys:
        model = hub.HUB[key]
        if hub.hub_folder(key) is None:  # it has said why
            missing.append(model.id)
        else:
            print(f"{model.id} is ready ({model.license}).", flush=True)
    for key, data in hub_data.DATASETS.items():
        if hub_data.hub_file(key) is None:
            missing.append(data.id)
        else:
            print(f"{data.id} is ready ({data.license}).", flush=True)
    if missing:
        print(f"{len(missing)} are missing. Run the same command again: what is there stays.")
        return 1
    print(f"All is in {folder}. On a machine without a network, set HF_HUB_CACHE to this folder")
    print("(or to a copy of it, links and all) and HF_HUB_OFFLINE=1.")
    return 0


def _chosen(into: Path | None) -> Path:
    """The folder of the downloads, which can be written to; with `into`, this process's hub cache."""
    if into is not None:
        os.environ["HF_HUB_CACHE"] = str(into.expanduser().resolve())
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    require_writable(folder, "name another with --into")
    return folder


def require_writable(folder: Path, advice: str) -> None:
    """Create the folder if need be, and try whether it takes a file.

    Raises:
        CourseError: with `advice`, if it does not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".course-can-write"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CourseError(f"{folder} cannot be written to ({error.strerror}); {advice}.") from None


def _models(tier: Tier) -> list[str]:
    """Keys of the hub's table that the lessons of a tier ask for."""
    own = [key for key in (tier.language_model, tier.image_model) if key is not None]
    return [_SMALL, *own, *_FILMS]


def _missing_mb(keys: list[str]) -> int:
    from helpers.models import hub, hub_data

    models = [hub.HUB[key].size_mb for key in keys if hub.local_folder(key) is None]
    data = [data.size_mb for key, data in hub_data.DATASETS.items() if hub_data.local_file(key) is None]
    return sum(models) + sum(data)


def _require_room(folder: Path, needed_mb: int) -> None:
    free_mb = shutil.disk_usage(folder).free // 2**20
    if needed_mb and free_mb < needed_mb + _SPARE_MB:
        raise CourseError(
            f"{folder} has {free_mb} MB left, and the downloads need about {needed_mb + _SPARE_MB}; "
            "make room, or name a folder on another disk with --into."
        )
