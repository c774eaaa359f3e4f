"""Real models that take whole films: VideoMAE describes one, X-CLIP compares it to texts, SmolVLM2 answers.

Knows how to load and feed them, from the hub on a GPU tier and from this machine otherwise. Knows nothing
about lessons. What is missing is said in one line on standard error, and None returned.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.models.bars import without_bars
from helpers.models.hub import HUB, hub_folder, local_folder
from helpers.models.tiers import Tier, current_tier
from helpers.settings import CourseError, quiet

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

_BATCH = {"cpu": 2, "cuda": 16}  # films at a time
_SHOWN = 8  # frames that SmolVLM2 is shown; its prompt says "eight"
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_SIGLIP = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@dataclass(frozen=True, eq=False)
class FilmEncoder:
    """VideoMAE (Tong et al. 2022, arXiv:2203.12602), as trained on Kinetics-400.

    Attributes:
        name: short, for tables.
        frames: how many frames it takes; films of another number are sampled evenly.
        dimension: length of an embedding.
    """

    name: str
    frames: int
    dimension: int
    _features: Callable[[list[np.ndarray]], Tensor]
    _batch: int

    def embed(self, films: Sequence[np.ndarray]) -> np.ndarray:
        """The mean of its last hidden states.

        Args:
            films: uint8 (frames, height, width, 3) each; frames are made square.

        Returns:
            float32 (len(films), `dimension`).

        Raises:
            CourseError: if a film has another shape or type.
        """
        found = _in_batches(films, self._features, self._batch)
        return np.concatenate([np.empty((0, self.dimension), np.float32), *found])


@dataclass(frozen=True, eq=False)
class FilmMatcher:
    """X-CLIP (Ni et al. 2022, arXiv:2208.02816): CLIP for films.

    Attributes:
        name: short, for tables.
        frames: how many frames it takes; films of another number are sampled evenly.
    """

    name: str
    frames: int
    _logits: Callable[[list[np.ndarray], list[str]], Tensor]
    _batch: int

    def match(self, films: Sequence[np.ndarray], texts: list[str]) -> np.ndarray:
        """Which text fits: probabilities over `texts` for each film, float32 (len(films), len(texts)).

        Raises:
            CourseError: if a film has another shape or type than `FilmEncoder.embed` takes.
        """

        def probabilities(batch: list[np.ndarray]) -> Tensor:
            return self._logits(batch, texts).float().softmax(-1)

        return np.concatenate(
            [np.empty((0, len(texts)), np.float32), *_in_batches(films, probabilities, self._batch)]
        )


@dataclass(frozen=True, eq=False)
class FilmAnswerer:
    """SmolVLM2 (Marafioti et al. 2025, arXiv:2504.05299): a language model that is shown frames.

    Attributes:
        name: short, for tables.
        frames: how many frames it is shown; films of another number are sampled evenly.
    """

    name: str
    frames: int
    _logps: Callable[[np.ndarray, str, list[str]], Tensor]

    def choose(self, films: Sequence[np.ndarray], question: str, answers: list[str]) -> np.ndarray:
        """Which answer it finds likeliest: probabilities over `answers`, float32 (len(films), len(answers)).

        Raises:
            CourseError: if a film has another shape or type than `FilmEncoder.embed` takes.
        """

        def probabilities(batch: list[np.ndarray]) -> Tensor:
            return self._logps(batch[0], question, answers).float().softmax(-1)[None]

        return np.concatenate(
            [np.empty((0, len(answers)), np.float32), *_in_batches(films, probabilities, 1)]
        )


def film_encoder() -> FilmEncoder | None:
    """VideoMAE on the tier's device, or None if it cannot be had. The CPU tier never asks the network."""
    from transformers import VideoMAEModel

    loaded = _loaded("videomae", VideoMAEModel)
    if loaded is None:
        return None
    network, _, tier = loaded
    frames, side = network.config.num_frames, network.config.image_size

    def features(films: list[np.ndarray]) -> Tensor:
        pixels = _pixels(films, frames, side, _IMAGENET).to(tier.device, network.dtype)
        return network(pixel_values=pixels).last_hidden_state.mean(1)

    name = HUB["videomae"].id.partition("/")[2]
    return FilmEncoder(name, frames, network.config.hidden_size, features, _BATCH[tier.device])


def film_matcher() -> FilmMatcher | None:
    """X-CLIP on the tier's device, or None if it cannot be had. The CPU tier never asks the network."""
    from transformers import AutoTokenizer, XCLIPModel

    loaded = _loaded("xclip", XCLIPModel)
    if loaded is None:
        return None
    network, folder, tier = loaded
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    vision = network.config.vision_config

    def logits(films: list[np.ndarray], texts: list[str]) -> Tensor:
        pixels = _pixels(films, vision.num_frames, vision.image_size, _CLIP).to(tier.device, network.dtype)
        tokens = tokenizer(texts, padding=True, return_tensors="pt").to(tier.device)
        return network(
            input_ids=tokens.input_ids, attention_mask=tokens.attention_mask, pixel_values=pixels
        ).logits_per_video

    return FilmMatcher(HUB["xclip"].id.partition("/")[2], vision.num_frames, logits, _BATCH[tier.device])


def film_answerer() -> FilmAnswerer | None:
    """SmolVLM2 on the tier's device, or None if it cannot be had. The CPU tier never asks the network.

    Its prompt is put together here: transformers' processor for it needs torchvision and num2words.
    """
    from transformers import AutoTokenizer, SmolVLMForConditionalGeneration

    loaded = _loaded("smolvlm2", SmolVLMForConditionalGeneration)
    if loaded is None:
        return None
    network, folder, tier = loaded
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    vision = network.config.vision_config
    per_frame = (vision.image_size // vision.patch_size // network.config.scale_factor) ** 2

    def logps(film: np.ndarray, question: str, answers: list[str]) -> Tensor:
        import torch

        pixels = _pixels([film], _SHOWN, vision.image_size, _SIGLIP).to(tier.device, network.dtype)
        opening = tokenizer(_film_prompt(question, per_frame), add_special_tokens=False).input_ids
        found = []
        for answer in answers:
            said = tokenizer(f" {answer}", add_special_tokens=False).input_ids
            ids = torch.tensor([opening + said], device=tier.device)
            logits = network(input_ids=ids, pixel_values=pixels, logits_to_keep=len(said) + 1).logits
            steps = logits[0, :-1].float().log_softmax(-1)
            found.append(steps.gather(-1, ids[0, -len(said) :, None]).sum())
        return torch.stack(found)

    return FilmAnswerer(HUB["smolvlm2"].id.partition("/")[2], _SHOWN, logps)


def _film_prompt(question: str, per_frame: int) -> str:
    """A question about `_SHOWN` frames, one a second, in the words of SmolVLM2's training.

    Args:
        per_frame: how many tokens the network turns a frame into; as many places are kept for it.
    """
    place = f"<fake_token_around_image><global-img>{'<image>' * per_frame}<fake_token_around_image>"
    frames = "".join(f"\nFrame from 00:{second:02d}:{place}" for second in range(_SHOWN))
    return (
        "<|im_start|>User: You are provided the following series of eight frames "
        f"from a 0:00:08 [H:MM:SS] video.\n{frames}\n\n{question}<end_of_utterance>\nAssistant:"
    )


def _loaded(key: str, kind: Any) -> tuple[PreTrainedModel, Path, Tier] | None:
    """A model of a transformers class in eval mode on the tier's device, with its folder; None if missing."""
    quiet()
    tier = current_tier()
    folder = local_folder(key) if tier.name == "cpu" else hub_folder(key)
    if folder is None:
        return None
    with without_bars():
        network, report = kind.from_pretrained(
            folder, dtype=tier.dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    if report["missing_keys"]:  # transformers leaves these random
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        print(f"{HUB[key].id} is not used: its weights lack {missing}; delete {folder}.", file=sys.stderr)
        return None
    return network.eval().to(tier.device), folder, tier


def _in_batches(
    films: Sequence[np.ndarray], compute: Callable[[list[np.ndarray]], Tensor], batch: int
) -> list[np.ndarray]:
    import torch

    for number, film in enumerate(films):
        if (
            getattr(film, "dtype", None) != np.uint8
            or film.ndim != 4
            or film.shape[3] != 3
            or 0 in film.shape
        ):
            raise CourseError(f"Film {number} must be a uint8 array of shape (frames, height, width, 3).")
    with torch.inference_mode():
        return [
            compute(list(films[i : i + batch])).float().cpu().numpy() for i in range(0, len(films), batch)
        ]


def _pixels(
    films: list[np.ndarray],
    frames: int,
    side: int,
    scale: tuple[tuple[float, float, float], tuple[float, float, float]],
) -> Tensor:
    """Films of equal length and size, normalized: (films, frames, 3, side, side)."""
    import torch
    from torch.nn.functional import interpolate

    mean, spread = (torch.tensor(values).view(3, 1, 1) for values in scale)
    made = []
    for film in films:
        picked = film[np.linspace(0, len(film) - 1, frames).round().astype(int)]
        pixels = torch.from_numpy(picked.copy()).permute(0, 3, 1, 2).float().div(255)
        made.append((interpolate(pixels, (side, side), mode="bilinear", antialias=True) - mean) / spread)
    return torch.stack(made)
