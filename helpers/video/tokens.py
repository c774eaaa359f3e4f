"""Clips as words: a small encoder that writes what it sees in a film as fourteen tokens.

Knows frames, convolutions and finite scalar quantization (FSQ). Knows words only while it is trained: its
tokens must let somebody tell kind, color, size, place and verb of clean scenes. Knows nothing about sentences
or language models.

Eight frames become six "what" tokens of 64 values, for the clip as a whole, and one "where" token of 256
values for each frame. Imports torch at once: import it where it is used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from helpers import world
from helpers.models.cache import cached
from helpers.models.threads import threads
from helpers.settings import CourseError
from helpers.world import Scene

PRESET = world.PRESETS["capstone"]
FRAMES, PX = 8, PRESET.px
#: Every number of a token takes one of as many values.
LEVELS = 4
#: What tokens: how many, and of how many numbers. Where tokens: of how many numbers; one a frame.
WHAT, WHAT_NUMBERS, WHERE_NUMBERS = 6, 3, 4
#: A letter for each what token and, last, one for all where tokens: "c39" is value 39 of the third token.
LETTERS = "abcdefx"
#: What the tokens are trained to tell.
TOLD: dict[str, tuple[str, ...]] = {
    "kind": PRESET.kinds,
    "color": PRESET.colors,
    "size": PRESET.sizes,
    "place": PRESET.places,
    "verb": PRESET.verbs,
}

CHECKPOINT = Path(__file__).parent.parent / "models" / "checkpoints" / "clips-0" / "encoder.safetensors"

#: Everything but the seed that decides an encoder's weights. Raise `version` when the code below changes.
CONFIG: dict[str, Any] = {
    "version": 1,
    "steps": 800,
    "batch": 48,
    "clips": 1024,
    "passes": 2,
    "learning rate": 3e-3,
    "weight decay": 0.02,
}


def fsq(numbers: Tensor, levels: int = LEVELS) -> Tensor:
    """Finite scalar quantization: each number squeezed to 0 … levels − 1 and rounded, of the same shape.

    The gradient passes as if nothing had been rounded ("straight through").

    Source: Mentzer et al., 2023, arXiv:2309.15505, section 3.
    """
    squeezed = (numbers.tanh() + 1) / 2 * (levels - 1)
    return squeezed + (squeezed.round() - squeezed).detach()


class Encoder(nn.Module):
    """Frames to numbers of `LEVELS` values each, and from these numbers, while training, to words."""

    def __init__(self) -> None:
        super().__init__()
        self.frames = nn.Sequential(*_seen(3, 16, 2), *_seen(16, 32, 2), *_seen(32, 64, 2))
        self.look = nn.Sequential(*_seen(64, 96, 1))
        side = PX // 8
        self.spot = nn.Sequential(*_seen(64, 24, 1), nn.Flatten(), nn.Linear(24 * side * side, 48), nn.ReLU())
        self.what = nn.Sequential(nn.Linear(192, WHAT * WHAT_NUMBERS), nn.BatchNorm1d(WHAT * WHAT_NUMBERS))
        self.where = nn.Sequential(nn.Linear(48, WHERE_NUMBERS), nn.BatchNorm1d(WHERE_NUMBERS))
        still, verbs = [len(words) for name, words in TOLD.items() if name != "verb"], len(PRESET.verbs)
        self.sizes = still
        numbers = WHAT * WHAT_NUMBERS
        # What is told from the tokens, and what is told before anything is rounded, which trains faster.
        self.tell_still = _two_layers(numbers, 128, sum(still))
        self.tell_verb = _two_layers(numbers + FRAMES * WHERE_NUMBERS, 160, verbs)
        self.tell_still_early = nn.Linear(192, sum(still))
        self.tell_verb_early = _two_layers(48 * FRAMES, 96, verbs)

    def features(self, films: Tensor) -> tuple[Tensor, Tensor]:
        """What is seen, (clips, 192), and where in each frame, (clips * frames, 48), before any rounding.

        What: the strongest answer anywhere in a frame, its mean and its maximum over the frames.
        """
        shared = self.frames(films.flatten(0, 1))
        seen = self.look(shared).amax((2, 3)).unflatten(0, (-1, FRAMES))
        return torch.cat([seen.mean(1), seen.amax(1)], 1), self.spot(shared)

    def numbers(self, films: Tensor) -> tuple[Tensor, Tensor]:
        """Films, float (clips, 8, 3, px, px), to whole numbers from 0 to 3: (clips, 18) and (clips, 32)."""
        seen, spots = self.features(films)
        return fsq(self.what(seen)), fsq(self.where(spots)).view(len(films), -1)

    def forward(self, films: Tensor) -> list[Tensor]:
        """Scores of the words of `TOLD`, from the tokens and then once more from before the rounding."""
        seen, spots = self.features(films)
        what, where = fsq(self.what(seen)), fsq(self.where(spots)).view(len(films), -1)
        center = (LEVELS - 1) / 2
        what, both = what / center - 1, torch.cat([what, where], 1) / center - 1
        late = [*self.tell_still(what).split(self.sizes, 1), self.tell_verb(both)]
        early = [*self.tell_still_early(seen).split(self.sizes, 1)]
        return [*late, *early, self.tell_verb_early(spots.view(len(films), -1))]


def _seen(channels: int, out: int, stride: int) -> list[nn.Module]:
    """A look at each pixel with its eight neighbors; every second pixel only, with a stride of 2."""
    return [nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]


def _two_layers(numbers: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(numbers, hidden), nn.ReLU(), nn.Linear(hidden, out))


def pixels(films: np.ndarray) -> Tensor:
    """uint8 (clips, frames, px, px, 3) to float (clips, frames, 3, px, px) from −1 to 1."""
    return torch.from_numpy(films).permute(0, 1, 4, 2, 3).float().div_(127.5).sub_(1)


@torch.no_grad()
def numbers_of(encoder: Encoder, films: np.ndarray, batch: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """The numbers that the encoder writes for films: ints from 0 to 3, (clips, 6, 3) and (clips, 8, 4).

    Args:
        films: uint8 (clips, 8, 48, 48, 3).

    Raises:
        CourseError: for films of another shape or type.
    """
    if films.dtype != np.uint8 or films.shape[1:] != (FRAMES, PX, PX, 3):
        raise CourseError(
            f"The encoder reads uint8 films of shape (clips, {FRAMES}, {PX}, {PX}, 3), not {films.dtype} "
            f"{films.shape}."
        )
    found = [encoder.numbers(pixels(films[at : at + batch])) for at in range(0, len(films), batch)]
    what, where = (torch.cat(part).round().int().numpy() for part in zip(*found, strict=True))
    return what.reshape(-1, WHAT, WHAT_NUMBERS), where.reshape(-1, FRAMES, WHERE_NUMBERS)


def spell(what: np.ndarray, where: np.ndarray) -> list[str]:
    """Numbers as `numbers_of` gives them to fourteen words a clip, such as "a52 b7 … f30 x255 … x12".

    The numbers of a token are the digits of its value, to base 4, the first one the highest.
    """
    values = [digits @ LEVELS ** np.arange(digits.shape[-1])[::-1] for digits in (what, where)]
    letters = LETTERS[:WHAT] + LETTERS[WHAT] * FRAMES
    return [
        " ".join(f"{letter}{value}" for letter, value in zip(letters, row, strict=True))
        for row in np.concatenate(values, axis=1).tolist()
    ]


def every_word() -> list[str]:
    """Texts that hold every word that `spell` can write, where it would stand."""
    whats = [" ".join(f"{letter}{value}" for letter in LETTERS[:WHAT]) for value in range(64)]
    return [*whats, *(f"a0 {LETTERS[WHAT]}{value}" for value in range(256))]


def described(encoder: Encoder, scenes: Sequence[Scene], chunk: int = 250) -> list[str]:
    """The films of scenes in the encoder's words, a few films at a time."""
    prompts: list[str] = []
    with threads(1):
        for at in range(0, len(scenes), chunk):
            prompts += spell(*numbers_of(encoder, world.films(scenes[at : at + chunk], FRAMES, PX)))
    return prompts


# --- one encoder a seed -------------------------------------------------------------------------------------


def encoder(seed: int) -> Encoder:
    """The encoder of this seed: committed for seed 0, else cached, else built now (about three minutes).

    If the committed one is missing or damaged, one sentence says so and it is built like the others.
    """
    if seed == 0:
        try:
            return load(CHECKPOINT)
        except CourseError as error:
            print(f"{error} It is built again, into the cache.", file=sys.stderr)
    return load(cached_encoder(seed))


def cached_encoder(seed: int) -> Path:
    """The file of this seed's encoder in the cache; built if need be."""
    folder = cached("clip-encoder", {**CONFIG, "seed": seed}, lambda folder: build(folder, seed))
    return folder / CHECKPOINT.name


def build(folder: Path, seed: int) -> None:
    """Train the encoder of this seed into an empty folder, with a progress bar."""
    from safetensors.torch import save_file
    from tqdm.auto import tqdm

    def bar(steps: range) -> Any:
        return tqdm(steps, desc=f"An encoder of clips, seed {seed}, built once", leave=False)

    with threads(1):
        trained = train(seed, CONFIG["steps"], bar)
    save_file(
        {name: value.contiguous() for name, value in trained.state_dict().items()}, folder / CHECKPOINT.name
    )


def load(file: Path) -> Encoder:
    """A stored encoder, in eval mode.

    Raises:
        CourseError: if the file holds none.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    made = Encoder()
    try:
        made.load_state_dict(load_file(file))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).rstrip(".").splitlines()[0]
        raise CourseError(f"{file} holds no encoder of clips that can be read ({reason}).") from error
    return made.to(memory_format=torch.channels_last).eval()


# --- training -----------------------------------------------------------------------------------------------


def train(seed: int, steps: int, progress: Callable[[range], Any] | None = None) -> Encoder:
    """A trained encoder, in eval mode: cross-entropy of the words of clean scenes, on fresh clips throughout.

    AdamW, warmed up over 100 steps and then lowered in a straight line. The same arguments give the same
    weights on the same machine.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = Encoder().to(memory_format=torch.channels_last)
        rate = CONFIG["learning rate"]
        optimizer = torch.optim.AdamW(encoder.parameters(), lr=rate, weight_decay=CONFIG["weight decay"])
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1.0, (step + 1) / 100) * max(0.02, 1 - step / steps)
        )
        batches = _batches(seed)
        for _ in progress(range(steps)) if progress else range(steps):
            films, words = next(batches)
            scores = encoder(pixels(films))
            loss = sum(
                cross_entropy(score, word) for score, word in zip(scores, [*words, *words], strict=True)
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return encoder.eval()


def _batches(seed: int) -> Iterator[tuple[np.ndarray, list[Tensor]]]:
    """Films and the numbers of their words, without end: clips are drawn, seen twice, and forgotten."""
    size, turn = CONFIG["clips"], 0
    while True:
        scenes = world.sample(size, seed=13_000_000_000 + 100_000 * seed + turn, preset="capstone")
        films, words = world.films(scenes, FRAMES, PX), words_of(scenes)
        turn += 1
        for _ in range(CONFIG["passes"]):
            for rows in torch.randperm(size).split(CONFIG["batch"]):
                yield films[rows.numpy()], [word[rows] for word in words]


def words_of(scenes: Sequence[Scene]) -> list[Tensor]:
    """The scenes' words as numbers, (scenes,) for each name of `TOLD`."""
    return [
        torch.tensor([words.index(getattr(scene, name)) for scene in scenes]) for name, words in TOLD.items()
    ]
