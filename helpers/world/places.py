"""The four places: what lies behind the animals.

Knows sky, ground and what grows there. Knows nothing about animals. All levels lie in 6..249.
"""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from helpers.world.caching import ByteCache
from helpers.world.layout import HORIZONS, Stage

if TYPE_CHECKING:
    from PIL import ImageDraw

RGB = tuple[int, int, int]

# Sky at the top, sky at the horizon, ground at the horizon, ground at the bottom.
_BANDS: dict[str, tuple[RGB, RGB, RGB, RGB]] = {
    "meadow": ((150, 208, 242), (208, 234, 246), (150, 206, 118), (122, 188, 96)),
    "snow": ((160, 186, 216), (196, 212, 232), (222, 231, 243), (204, 217, 236)),
    "beach": ((168, 216, 246), (220, 240, 248), (240, 222, 174), (226, 202, 150)),
    "night": ((20, 24, 50), (44, 48, 88), (50, 66, 78), (34, 50, 58)),
}


class _Brush:
    """Draws in fractions of the picture's side."""

    def __init__(self, draw: ImageDraw.ImageDraw, side: int) -> None:
        self._draw, self.side = draw, side

    def disk(self, x: float, y: float, rx: float, fill: RGB, ry: float | None = None) -> None:
        ry = rx if ry is None else ry
        s = self.side
        self._draw.ellipse(((x - rx) * s, (y - ry) * s, (x + rx) * s, (y + ry) * s), fill)

    def polygon(self, points: list[tuple[float, float]], fill: RGB) -> None:
        self._draw.polygon([(x * self.side, y * self.side) for x, y in points], fill)

    def line(self, points: list[tuple[float, float]], fill: RGB, width: float) -> None:
        scaled = [(x * self.side, y * self.side) for x, y in points]
        self._draw.line(scaled, fill, max(1, round(width * self.side)), joint="curve")


def _cloud(brush: _Brush, x: float, y: float, size: float, fill: RGB) -> None:
    for dx, dy, r in ((-1.0, 0.1, 0.6), (0, -0.2, 0.8), (0.9, 0.1, 0.65), (1.6, 0.3, 0.4), (-1.7, 0.3, 0.4)):
        brush.disk(x + dx * size, y + dy * size, r * size, fill, 0.75 * r * size)


def _meadow(brush: _Brush, horizon: float, dice: Random) -> None:
    brush.disk(dice.choice((0.14, 0.86)), 0.12, 0.075, (249, 232, 140))
    for _ in range(2):
        x, y, size = dice.uniform(0.2, 0.8), dice.uniform(0.08, 0.26), dice.uniform(0.045, 0.07)
        _cloud(brush, x, y, size, (244, 248, 249))
    brush.disk(dice.uniform(0.1, 0.9), horizon + 0.03, 0.5, (138, 196, 110), 0.09)
    for _ in range(26):
        x, y = dice.random(), dice.uniform(horizon + 0.05, 1)
        tall = 0.018 + 0.02 * (y - horizon)
        for lean in (-0.012, 0, 0.012):
            brush.line([(x, y), (x + lean, y - tall)], (98, 164, 76), 0.006)
    for _ in range(9):
        x, y = dice.random(), dice.uniform(horizon + 0.06, 1)
        petals = dice.choice(((249, 249, 249), (246, 214, 96), (244, 176, 200)))
        for turn in range(5):
            angle = 2 * math.pi * turn / 5
            brush.disk(x + 0.010 * math.cos(angle), y + 0.010 * math.sin(angle), 0.008, petals)
        brush.disk(x, y, 0.006, (240, 170, 60))


def _fir(brush: _Brush, x: float, foot: float, tall: float) -> None:
    brush.polygon([(x - 0.01, foot), (x + 0.01, foot), (x, foot - tall * 0.4)], (104, 84, 74))
    for step in range(3):
        base = foot - tall * (0.12 + 0.26 * step)
        half = tall * (0.30 - 0.07 * step)
        brush.polygon([(x - half, base), (x + half, base), (x, base - tall * 0.42)], (96, 132, 132))
        top = base - tall * 0.42
        brush.polygon([(x - half * 0.45, top + tall * 0.19), (x + half * 0.45, top + tall * 0.19), (x, top)],
                      (236, 242, 248))  # fmt: skip


def _snow(brush: _Brush, horizon: float, dice: Random) -> None:
    brush.disk(dice.uniform(0.1, 0.9), horizon + 0.05, 0.6, (214, 225, 240), 0.13)
    for _ in range(4):
        _fir(brush, dice.uniform(0.03, 0.97), horizon + 0.01, dice.uniform(0.13, 0.21))
    for _ in range(5):
        x, y = dice.random(), dice.uniform(horizon + 0.08, 1)
        brush.disk(x, y, dice.uniform(0.08, 0.16), (196, 211, 233), 0.008)
    for _ in range(34):
        brush.disk(dice.random(), dice.random(), dice.uniform(0.006, 0.012), (249, 249, 249))


def _beach(brush: _Brush, horizon: float, dice: Random) -> None:
    brush.disk(dice.choice((0.16, 0.84)), 0.13, 0.08, (249, 228, 130))
    _cloud(brush, dice.uniform(0.25, 0.75), dice.uniform(0.10, 0.2), 0.05, (249, 249, 249))
    top = horizon - 0.15
    brush.polygon([(0, top), (1, top), (1, horizon), (0, horizon)], (84, 162, 208))
    shore = [(i / 40, horizon + 0.012 * math.sin(i * 0.9 + 2 * dice.random())) for i in range(41)]
    brush.polygon([(0, top + 0.07), (1, top + 0.07), *reversed(shore)], (118, 190, 222))
    brush.line(shore, (244, 249, 249), 0.018)
    for _ in range(4):
        x, y = dice.random(), dice.uniform(top + 0.03, horizon - 0.04)
        crest = [(x + 0.012 * i, y + 0.006 * math.sin(i * 1.6)) for i in range(8)]
        brush.line(crest, (222, 240, 247), 0.007)
    for _ in range(26):
        brush.disk(dice.random(), dice.uniform(horizon + 0.05, 1), 0.006, (206, 180, 130))
    x, y = dice.random(), dice.uniform(horizon + 0.1, 0.95)
    for turn in range(5):
        angle = 2 * math.pi * turn / 5 - math.pi / 2
        tip = (x + 0.025 * math.cos(angle), y + 0.025 * math.sin(angle))
        brush.line([(x, y), tip], (240, 156, 130), 0.013)


def _night(brush: _Brush, horizon: float, dice: Random) -> None:
    side = dice.choice((0.15, 0.85))
    brush.disk(side, 0.13, 0.075, (244, 240, 206))
    brush.disk(side + 0.035, 0.11, 0.065, (26, 30, 58))
    for _ in range(18):
        x, y, r = dice.random(), dice.uniform(0.02, max(0.1, horizon - 0.06)), dice.uniform(0.005, 0.009)
        if abs(x - side) > 0.12 or y > 0.24:
            brush.polygon([(x - r * 1.7, y), (x, y - r * 0.5), (x, y - r * 1.7), (x, y - r * 0.5),
                           (x + r * 1.7, y), (x, y + r * 0.5), (x, y + r * 1.7), (x, y + r * 0.5)],
                          (236, 236, 214))  # fmt: skip
            brush.disk(x, y, r * 0.8, (240, 240, 220))
    brush.disk(dice.uniform(0.1, 0.9), horizon + 0.04, 0.55, (46, 62, 76), 0.10)
    for _ in range(22):
        x, y = dice.random(), dice.uniform(horizon + 0.05, 1)
        for lean in (-0.012, 0, 0.012):
            brush.line([(x, y), (x + lean, y - 0.03)], (60, 82, 86), 0.006)


_SCENERY = {"meadow": _meadow, "snow": _snow, "beach": _beach, "night": _night}


def paint_place(stage: Stage, px: int) -> np.ndarray:
    """The place without animals, drawn anew: uint8 (px, px, 3)."""
    from PIL import Image, ImageDraw

    fine = 4 if px <= 64 else 2
    side = px * fine
    horizon = 0.40 + 0.25 * stage.horizon / (HORIZONS - 1)
    sky_top, sky_low, ground_high, ground_low = (np.array(c, float) for c in _BANDS[stage.place])
    y = (np.arange(side) / side)[:, None]
    sky = sky_top + (sky_low - sky_top) * (y / horizon)
    ground = ground_high + (ground_low - ground_high) * ((y - horizon) / (1 - horizon))
    rows = np.where(y < horizon, sky, ground)
    image = Image.fromarray(np.repeat(rows.clip(6, 249).astype(np.uint8)[:, None], side, axis=1))
    dice = Random(f"{stage.place} {stage.variant}")
    _SCENERY[stage.place](_Brush(ImageDraw.Draw(image), side), horizon, dice)
    return np.asarray(image.reduce(fine))


_places: ByteCache[np.ndarray] = ByteCache(24_000_000, lambda pixels: pixels.nbytes)


def background(stage: Stage, px: int) -> np.ndarray:
    """The place without animals, cached: uint8 (px, px, 3), not to be written to."""
    return _places.get((stage, px), lambda: paint_place(stage, px))
