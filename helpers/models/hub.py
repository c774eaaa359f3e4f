"""The table of hub models that the course can use, and the way to a local folder of one.

Knows ids, licenses and how to reach the hub quickly or not at all. Knows nothing about what the models
compute. Weights are used as safetensors only: a repository that still carries nothing but a PyTorch
archive is read once with ``weights_only=True`` and kept as safetensors in the cache.

Revisions are pinned where one is known for certain; elsewhere None stands for the repository's "main".
Sizes are of the weight file and approximate.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from helpers.models.cache import cached
from helpers.models.convert import safetensors_from_archive
from helpers.settings import quiet

CONNECT_SECONDS = 4.0
RETRY_SECONDS = 300.0
_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_ARCHIVE = "pytorch_model.bin"
_SIDE_FILES = ["*.json", "*.txt", "*.jinja", "*.model"]
_UNUSED = ["onnx/*", "runs/*", "openvino/*"]

# Address of a hub -> when it last could not be reached: the second model of a lesson does not wait again.
_unreached: dict[str, float] = {}


@dataclass(frozen=True)
class HubModel:
    """One repository of the hub.

    Attributes:
        id: "organization/name".
        revision: a commit, or None for "main".
        kind: "language model", "image and text", "video" or "video and text".
        size_mb: size of the weights, approximate.
        license: of the weights.
        used_for: one sentence.
    """

    id: str
    revision: str | None
    kind: str
    size_mb: int
    license: str
    used_for: str


HUB: dict[str, HubModel] = {
    "smollm2-135m": HubModel(
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        None,
        "language model",
        270,
        "Apache-2.0",
        "the real language model of the CPU tier if it is on the machine already, else a packaged 4-bit copy",
    ),
    "smollm2-360m": HubModel(
        "HuggingFaceTB/SmolLM2-360M-Instruct",
        None,
        "language model",
        725,
        "Apache-2.0",
        "the real language model of the gpu tier",
    ),
    "qwen2.5-0.5b": HubModel(
        "Qwen/Qwen2.5-0.5B-Instruct",
        None,
        "language model",
        990,
        "Apache-2.0",
        "the real language model of the gpu24 tier",
    ),
    "clip": HubModel(
        "openai/clip-vit-base-patch32",
        None,
        "image and text",
        605,
        "MIT (its model card rules out deployment without testing)",
        "the image encoder of the GPU tiers and the field section on pictures and captions",
    ),
    "videomae": HubModel(
        "MCG-NJU/videomae-small-finetuned-kinetics",
        None,
        "video",
        90,
        "CC-BY-NC-4.0 (not for commercial use)",
        "the field sections on watching real films, on the GPU tiers",
    ),
    "xclip": HubModel(
        "microsoft/xclip-base-patch32",
        None,
        "video and text",
        790,
        "MIT",
        "the field section that asks a video-text model about the order of frames, on the GPU tiers",
    ),
    "smolvlm2": HubModel(
        "HuggingFaceTB/SmolVLM2-256M-Video-Instruct",
        None,
        "video and text",
        1000,
        "Apache-2.0",
        "the capstone's real captioner of films, on the GPU tiers",
    ),
}


def hub_folder(key: str) -> Path | None:
    """A local folder with the model's files, weights as safetensors: from this machine, else from the hub.

    Without a connection this takes at most about `CONNECT_SECONDS`, and nothing for the next
    `RETRY_SECONDS`; it writes one line to standard error and returns None. ``HF_HUB_OFFLINE``,
    ``HF_ENDPOINT``, ``HF_HOME`` and ``HF_HUB_CACHE`` are respected.
    """
    folder = local_folder(key)
    if folder is not None:
        return folder
    model = HUB[key]
    reason = _why_not_downloaded(model)
    if reason is None:
        folder = local_folder(key)
        reason = "its repository holds no weights that the course can read"
    if folder is None:
        print(f"{model.id} is not used: {reason}.", file=sys.stderr)
    return folder


def local_folder(key: str) -> Path | None:
    """Like `hub_folder`, but looks only on this machine and says nothing."""
    quiet()
    from huggingface_hub import try_to_load_from_cache

    model = HUB[key]
    config = try_to_load_from_cache(model.id, "config.json", revision=model.revision)
    if not isinstance(config, str):
        return None
    snapshot = Path(config).parent
    if _has_safetensors(snapshot):
        return snapshot
    if (snapshot / _ARCHIVE).is_file():
        return _as_safetensors(key, snapshot)
    return None


def _has_safetensors(snapshot: Path) -> bool:
    """Whether every weight file is there: an interrupted download leaves a folder without some of them."""
    if (snapshot / _WEIGHTS).is_file():
        return True
    if not (snapshot / _INDEX).is_file():
        return False
    shards = json.loads((snapshot / _INDEX).read_text(encoding="utf-8"))["weight_map"].values()
    return all((snapshot / shard).is_file() for shard in shards)


def _as_safetensors(key: str, snapshot: Path) -> Path:
    """A cached copy of a snapshot whose PyTorch archive is replaced by safetensors."""

    def build(folder: Path) -> None:
        for pattern in _SIDE_FILES:
            for file in snapshot.glob(pattern):
                shutil.copyfile(file, folder / file.name)
        safetensors_from_archive(snapshot / _ARCHIVE, folder / _WEIGHTS)

    return cached(f"hub-{key}", {"id": HUB[key].id, "commit": snapshot.name}, build)


def _why_not_downloaded(model: HubModel) -> str | None:
    """Download a model's files. None if that went well, otherwise the reason, to follow a colon."""
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    if constants.HF_HUB_OFFLINE:
        return "it is not on this machine, and HF_HUB_OFFLINE forbids a download"
    if time.monotonic() - _unreached.get(constants.ENDPOINT, -RETRY_SECONDS) < RETRY_SECONDS:
        return f"the hub at {constants.ENDPOINT} could not be reached a moment ago"
    found: list[list[str]] = []
    failure: list[Exception] = []

    def ask() -> None:
        try:
            info = HfApi().model_info(model.id, revision=model.revision, timeout=CONNECT_SECONDS)
            found.append([sibling.rfilename for sibling in info.siblings or []])
        except Exception as error:  # whatever it is, the lesson goes on without this model
            failure.append(error)

    # In a thread of its own, because looking up a host's name obeys no time-out.
    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    if failure and isinstance(failure[0], HfHubHTTPError):
        return f"the hub at {constants.ENDPOINT} refused it ({type(failure[0]).__name__})"
    if not found:
        _unreached[constants.ENDPOINT] = time.monotonic()
        kind = f" ({type(failure[0]).__name__})" if failure else f" within {CONNECT_SECONDS:.0f} seconds"
        return f"the hub at {constants.ENDPOINT} could not be reached{kind}"
    weights = "*.safetensors" if any(name.endswith(".safetensors") for name in found[0]) else _ARCHIVE
    try:
        snapshot_download(
            model.id, revision=model.revision, allow_patterns=[*_SIDE_FILES, weights], ignore_patterns=_UNUSED
        )
    except Exception as error:  # as above
        return f"its download failed ({type(error).__name__}); run the cell again to go on with it"
    return None
