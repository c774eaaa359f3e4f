"""The animals' portraits: drawn once with vector shapes, then scaled down.

Knows how each kind looks in each color. Knows nothing about scenes. All levels lie in 6..249, so that noise
can be added without clipping.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from helpers.world.caching import ByteCache
from helpers.world.chance import NOISE
from helpers.world.layout import ASLEEP, ASLEEP_TOO, AWAKE

if TYPE_CHECKING:
    from PIL import Image

RGB = tuple[int, int, int]

MASTER = 256  #: Side of the finest portrait, in pixels.
_MID = 128  # side of the bold portrait that small sprites are scaled from
_BOLD_BELOW = 34  # sprites smaller than this (pixels) get thicker lines
_CANVAS = 512  # side of the canvas that both are drawn on
_ROOM = 1.45  # a turned portrait needs a larger square

_PALETTE: dict[str, RGB] = {
    "white": (244, 244, 240),
    "black": (48, 45, 54),
    "gray": (142, 144, 150),
    "brown": (134, 84, 48),
    "orange": (242, 138, 36),
    "yellow": (246, 216, 56),
    "green": (74, 172, 66),
    "pink": (245, 148, 176),
    "blue": (66, 116, 226),
    "red": (214, 46, 46),
}
_WHITE, _INK, _ROSE, _BEAK = (249, 249, 246), (24, 21, 28), (240, 160, 170), (245, 170, 30)
_MOONLIGHT = (236, 238, 205)


class Sprite(NamedTuple):
    """A portrait ready to blend; both arrays are uint8 (side, side * 3).

    `paint` is its light, already times its opacity; `keep`, of 255, how much of what lies behind it shows.
    """

    paint: np.ndarray
    keep: np.ndarray


class _Pen:
    """Draws in units of 1/128 of the portrait's side, leaving a small margin on the canvas."""

    def __init__(self, color: str, bold: bool) -> None:
        from PIL import Image, ImageDraw

        self.image = Image.new("RGBA", (_CANVAS, _CANVAS), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self.image)
        self._line_scale = 1.5 if bold else 1.0
        self.bold = bold
        self.color = color
        self.fur = _PALETTE[color]
        self.pale = color == "white"
        self.dark = (82, 78, 92) if color == "black" else _shade(self.fur, 0.82 if self.pale else 0.70)
        self.light = self.fur if self.pale else _shade(self.fur, 1.25 if color == "black" else 1.7)
        self.mark = (168, 164, 176) if color == "black" else _INK  # noses, mouths: seen against the fur

    def _to(self, value: float) -> float:
        return (5 + value * 118 / 128) * _CANVAS / 128

    def _width(self, width: float) -> int:
        return max(1, round(width * self._line_scale * _CANVAS / 128))

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: RGB, line: float = 2.5) -> None:
        box = (self._to(x - rx), self._to(y - ry), self._to(x + rx), self._to(y + ry))
        self._draw.ellipse(box, fill, _INK if line else None, self._width(line) if line else 0)

    def polygon(self, points: list[tuple[float, float]], fill: RGB, line: float = 2.5) -> None:
        corners = [(self._to(x), self._to(y)) for x, y in points]
        self._draw.polygon(corners, fill)
        if line:
            self._draw.line([*corners, corners[0], corners[1]], _INK, self._width(line), joint="curve")

    def line(self, points: list[tuple[float, float]], fill: RGB, width: float) -> None:
        self._draw.line(
            [(self._to(x), self._to(y)) for x, y in points], fill, self._width(width), joint="curve"
        )

    def stroke(self, points: list[tuple[float, float]], fill: RGB, width: float) -> None:
        """A line with round ends whose width does not grow when bold: a limb, not an outline."""
        half, at = width / 2, [(self._to(x), self._to(y)) for x, y in points]
        self._draw.line(at, fill, round(width * 118 / 128 * _CANVAS / 128), joint="curve")
        for x, y in (points[0], points[-1]):
            self.ellipse(x, y, half, half, fill, 0)

    def arc(
        self, box: tuple[float, float, float, float], start: float, end: float, fill: RGB, width: float
    ) -> None:
        self._draw.arc([self._to(v) for v in box], start, end, fill, self._width(width))

    def curl(self, x: float, y: float, r: float, start: float, end: float, fill: RGB, width: float) -> None:
        """An outlined curved limb: a tail."""
        turns = [math.radians(start + (end - start) * i / 16) for i in range(17)]
        points = [(x + r * math.cos(t), y + r * math.sin(t)) for t in turns]
        self.stroke(points, _INK, width + 4 * self._line_scale)
        self.stroke(points, fill, width)


def _shade(color: RGB, factor: float) -> RGB:
    """Darker below 1, lighter above."""
    low, high = NOISE + 2, 255 - NOISE - 2

    def level(v: int) -> int:
        mixed = v * factor if factor <= 1 else 255 - (255 - v) / factor
        return int(min(high, max(low, mixed)))

    return level(color[0]), level(color[1]), level(color[2])


def _feet(pen: _Pen, reach: float, y: float = 117) -> None:
    for side in (-1, 1):
        pen.ellipse(64 + side * reach, y, 10, 8, pen.dark)


def _whiskers(pen: _Pen, y: float) -> None:
    if not pen.bold:  # at a few pixels they only smear the face
        for side in (-1, 1):
            for tilt in (-4, 5):
                pen.line([(64 + side * 15, y + tilt * 0.4), (64 + side * 43, y + tilt * 1.6)], _INK, 1.6)


def _cat(pen: _Pen) -> list[tuple[float, float]]:
    pen.curl(92, 94, 21, 80, -95, pen.fur, 9)
    pen.ellipse(62, 97, 26, 25, pen.fur)
    _feet(pen, 14)
    for side in (-1, 1):
        pen.polygon([(64 + side * 33, 46), (64 + side * 32, 3), (64 + side * 4, 24)], pen.fur)
        pen.polygon([(64 + side * 27, 32), (64 + side * 27, 14), (64 + side * 14, 24)], _ROSE, 0)
    pen.ellipse(64, 52, 36, 32, pen.fur)
    if not pen.bold:
        for x in (52, 64, 76):
            pen.line([(x, 23), (x + (64 - x) * 0.15, 33)], pen.dark, 3)
    pen.polygon([(58, 58), (70, 58), (64, 65)], _ROSE, 1.2)
    pen.arc((50, 56, 64, 72), 25, 130, pen.mark, 2)
    pen.arc((64, 56, 78, 72), 50, 155, pen.mark, 2)
    _whiskers(pen, 63)
    return [(49, 46), (79, 46)]


def _dog(pen: _Pen) -> list[tuple[float, float]]:
    pen.curl(88, 86, 22, 60, -30, pen.fur, 8)
    pen.ellipse(64, 98, 29, 25, pen.fur)
    _feet(pen, 17)
    pen.ellipse(64, 50, 33, 33, pen.fur)
    for side in (-1, 1):
        pen.ellipse(64 + side * 35, 52, 13, 29, pen.dark)
    pen.ellipse(64, 79, 7, 11, (232, 84, 98), 1.5)
    pen.ellipse(64, 66, 18, 14, pen.light, 2)
    pen.ellipse(64, 59, 8, 6, _INK, 0)
    return [(50, 42), (78, 42)]


def _rabbit(pen: _Pen) -> list[tuple[float, float]]:
    pen.ellipse(88, 106, 10, 10, pen.light)
    pen.ellipse(64, 100, 25, 23, pen.fur)
    _feet(pen, 15)
    for side in (-1, 1):
        pen.ellipse(64 + side * 17, 25, 11, 27, pen.fur)
        pen.ellipse(64 + side * 17, 27, 5, 19, _ROSE, 0)
    pen.ellipse(64, 64, 29, 26, pen.fur)
    pen.polygon([(59, 66), (69, 66), (64, 72)], _ROSE, 1.2)
    pen.polygon([(59, 76), (69, 76), (69, 87), (59, 87)], _WHITE, 1.2)
    return [(52, 58), (76, 58)]


def _pig(pen: _Pen) -> list[tuple[float, float]]:
    pen.curl(102, 92, 8, 160, -120, pen.dark, 4)
    pen.ellipse(64, 97, 37, 26, pen.fur)
    _feet(pen, 21)
    for side in (-1, 1):
        ear = [(20, 24), (30, 8), (46, 34), (32, 40)]
        pen.polygon([(64 + side * x, y) for x, y in ear], pen.dark)
    pen.ellipse(64, 53, 37, 34, pen.fur)
    pen.ellipse(64, 63, 20, 15, _ROSE if pen.color != "pink" else (222, 104, 138))
    for side in (-1, 1):
        pen.ellipse(64 + side * 8, 63, 3.5, 5.5, _INK, 0)
    return [(47, 43), (81, 43)]


def _sheep(pen: _Pen) -> list[tuple[float, float]]:
    wool = pen.light
    for x in (44, 84):
        pen.stroke([(x, 106), (x, 119)], _INK, 10)
    for i in range(12):
        turn = math.radians(30 * i)
        pen.ellipse(64 + 37 * math.cos(turn), 80 + 25 * math.sin(turn), 14, 14, pen.fur, 2.2)
    pen.ellipse(64, 80, 39, 27, pen.fur, 0)
    for side in (-1, 1):
        pen.ellipse(64 + side * 35, 50, 14, 8, pen.dark)
    pen.ellipse(64, 56, 26, 27, pen.dark)
    for x, y in ((46, 31), (58, 24), (71, 24), (83, 31)):
        pen.ellipse(x, y, 11, 11, wool, 2.2)
    pen.ellipse(64, 33, 18, 8, wool, 0)
    pen.polygon([(58, 68), (70, 68), (64, 74)], pen.mark, 0)
    return [(54, 53), (74, 53)]


def _cow(pen: _Pen) -> list[tuple[float, float]]:
    patch = (236, 236, 234) if pen.color in ("black", "brown") else _shade(pen.fur, 0.35)
    pen.ellipse(64, 97, 36, 25, pen.fur)
    pen.ellipse(86, 94, 11, 11, patch, 0)
    _feet(pen, 20)
    for side in (-1, 1):
        pen.polygon([(64 + side * 22, 30), (64 + side * 38, 2), (64 + side * 8, 20)], (236, 226, 192))
        pen.ellipse(64 + side * 42, 42, 16, 9, pen.dark)
    pen.ellipse(64, 51, 31, 33, pen.fur)
    pen.ellipse(80, 38, 10, 13, patch, 0)
    pen.ellipse(64, 70, 25, 15, _ROSE)
    for side in (-1, 1):
        pen.ellipse(64 + side * 10, 70, 3.2, 4.5, _INK, 0)
    return [(50, 44), (78, 44)]


def _bird(pen: _Pen) -> list[tuple[float, float]]:
    pen.polygon([(46, 88), (64, 122), (82, 88)], pen.dark)
    for x, foot in ((50, 46), (78, 82)):
        pen.line([(x, 98), (foot, 121)], (226, 136, 30), 4)
    for side in (-1, 1):
        pen.polygon([(64 + side * 30, 46), (64 + side * 63, 60), (64 + side * 32, 90)], pen.dark)
    for dx in (-9, 9, 0):
        pen.polygon([(64 - 5, 30), (64 + dx, 3), (64 + 5, 30)], pen.dark)
    pen.ellipse(64, 62, 37, 40, pen.fur)
    pen.ellipse(64, 84, 20, 15, pen.light, 0)
    pen.polygon([(50, 58), (78, 58), (64, 80)], _BEAK)
    return [(49, 45), (79, 45)]


def _fish(pen: _Pen) -> list[tuple[float, float]]:
    pen.polygon([(90, 64), (126, 32), (118, 64), (126, 96)], pen.dark)
    pen.polygon([(44, 36), (68, 10), (88, 42)], pen.dark)
    pen.polygon([(52, 92), (66, 114), (82, 88)], pen.dark)
    pen.ellipse(54, 64, 50, 33, pen.fur)
    for x in (62, 78):
        pen.arc((x - 22, 44, x + 6, 84), -60, 60, pen.dark, 3)
    pen.arc((0, 62, 26, 84), 0, 80, pen.mark, 3)
    return [(30, 56)]


def _frog(pen: _Pen) -> list[tuple[float, float]]:
    for side in (-1, 1):
        pen.ellipse(64 + side * 42, 100, 18, 20, pen.dark)
        pen.ellipse(64 + side * 44, 116, 19, 8, pen.dark)
    pen.ellipse(64, 95, 38, 25, pen.fur)
    pen.ellipse(64, 100, 24, 17, pen.light, 0)
    for side in (-1, 1):
        pen.ellipse(64 + side * 26, 36, 18, 18, pen.fur)
    pen.ellipse(64, 64, 49, 29, pen.fur)
    for side in (-1, 1):
        pen.ellipse(64 + side * 26, 40, 14, 14, pen.fur, 0)
    pen.arc((26, 44, 102, 84), 20, 160, pen.mark, 3.5)
    return [(38, 35), (90, 35)]


def _mouse(pen: _Pen) -> list[tuple[float, float]]:
    pen.curl(94, 98, 18, 120, -60, _ROSE, 5)
    pen.ellipse(64, 101, 22, 21, pen.fur)
    _feet(pen, 13)
    for side in (-1, 1):
        pen.ellipse(64 + side * 33, 31, 25, 25, pen.fur)
        pen.ellipse(64 + side * 33, 32, 15, 15, _ROSE, 0)
    pen.polygon([(37, 62), (91, 62), (64, 96)], pen.fur)
    pen.ellipse(64, 62, 28, 24, pen.fur)
    pen.polygon([(46, 78), (82, 78), (64, 93)], pen.fur, 0)
    _whiskers(pen, 80)
    pen.ellipse(64, 88, 7, 6, (70, 40, 50), 0)
    return [(53, 60), (75, 60)]


def _elephant(pen: _Pen) -> list[tuple[float, float]]:
    pen.ellipse(64, 95, 41, 28, pen.fur)
    for x in (38, 90):
        pen.ellipse(x, 114, 14, 11, pen.dark)
    for side in (-1, 1):
        pen.ellipse(64 + side * 39, 47, 24, 33, pen.dark)
    pen.ellipse(64, 47, 33, 32, pen.fur)
    for side in (-1, 1):
        pen.stroke([(64 + side * 17, 70), (64 + side * 22, 90)], _INK, 10)
        pen.stroke([(64 + side * 17, 70), (64 + side * 22, 90)], _WHITE, 6)
    trunk = [(64, 54), (64, 92), (68, 104), (78, 106)]
    pen.stroke(trunk, _INK, 24)
    pen.stroke(trunk, pen.fur, 17)
    for y in (70, 80, 90):
        pen.line([(58, y), (70, y)], pen.dark, 2)
    return [(48, 41), (80, 41)]


def _lion(pen: _Pen) -> list[tuple[float, float]]:
    mane = pen.dark if pen.pale or pen.color == "black" else _shade(pen.fur, 0.60)
    pen.curl(92, 96, 20, 85, -40, pen.fur, 6)
    pen.ellipse(108, 80, 8, 9, mane)
    pen.ellipse(64, 99, 28, 23, pen.fur)
    _feet(pen, 17)
    for i in range(14):
        turn = math.radians(360 / 14 * i)
        pen.ellipse(64 + 36 * math.cos(turn), 51 + 34 * math.sin(turn), 14, 14, mane, 2.2)
    pen.ellipse(64, 51, 38, 36, mane, 0)
    for side in (-1, 1):
        pen.ellipse(64 + side * 24, 28, 9, 9, pen.fur)
    pen.ellipse(64, 53, 29, 28, pen.fur)
    pen.ellipse(64, 66, 15, 11, pen.light, 0)
    pen.polygon([(56, 57), (72, 57), (64, 66)], pen.mark, 0)
    pen.arc((50, 62, 64, 76), 20, 150, pen.mark, 2.5)
    pen.arc((64, 62, 78, 76), 30, 160, pen.mark, 2.5)
    return [(51, 48), (77, 48)]


_PORTRAITS = {
    "cat": _cat,
    "dog": _dog,
    "rabbit": _rabbit,
    "pig": _pig,
    "sheep": _sheep,
    "cow": _cow,
    "bird": _bird,
    "fish": _fish,
    "frog": _frog,
    "mouse": _mouse,
    "elephant": _elephant,
    "lion": _lion,
}


def _eyes(pen: _Pen, at: list[tuple[float, float]], asleep: bool) -> None:
    for x, y in at:
        if asleep:
            pen.arc((x - 9, y - 7, x + 9, y + 6), 10, 170, pen.mark, 3.5 if not pen.bold else 2.5)
        elif pen.bold:  # a large dark eye would hide the color of a small face
            pen.ellipse(x, y, 7.5, 8.5, _WHITE, 0)
            pen.ellipse(x, y + 1, 5, 6.5, (15, 14, 20), 0)
        else:
            pen.ellipse(x, y, 8.5, 9.5, _WHITE, 1.5)
            pen.ellipse(x, y + 1, 5, 6, (15, 14, 20), 0)
            pen.ellipse(x + 2, y - 2, 1.8, 1.8, _WHITE, 0)


def _sleep_sign(pen: _Pen, too: bool) -> None:
    """A "z" that is drawn after mirroring, so that it always reads as a z."""
    x, y, size = (100, 2, 24) if too else (94, 10, 27)
    letter = [(x, y), (x + size, y), (x, y + size), (x + size, y + size)]
    thick = 0.75 if pen.bold else 1.0
    pen.line(letter, _INK, 11 * thick)
    pen.line(letter, _WHITE, 5.5 * thick)


def portrait(kind: str, color: str, posture: int, flip: bool, bold: bool) -> Image.Image:
    """A portrait drawn anew: RGBA, MASTER pixels a side, or 128 with the thicker lines of `bold`."""
    from PIL import Image

    pen = _Pen(color, bold)
    asleep = posture in (ASLEEP, ASLEEP_TOO)
    _eyes(pen, _PORTRAITS[kind](pen), asleep)
    if flip:
        pen.image.paste(pen.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    if asleep:
        _sleep_sign(pen, posture == ASLEEP_TOO)
    return pen.image.reduce(_CANVAS // (_MID if bold else MASTER))


def moonlit(image: Image.Image) -> Image.Image:
    """The portrait with a pale rim around it, so that a dark animal can be told from a dark night."""
    from PIL import Image, ImageFilter

    radius = 3.5 if image.width == _MID else 4.0
    spread = image.getchannel("A").filter(ImageFilter.GaussianBlur(radius))
    rim = Image.new("RGBA", image.size, (*_MOONLIGHT, 0))
    rim.putalpha(spread.point(lambda level: min(235, level * 3)))
    return Image.alpha_composite(rim, image)


def scaled(image: Image.Image, side: int, angle: int) -> Image.Image:
    """The portrait `side` pixels wide; turned portraits get a larger square, so that no corner is cut."""
    from PIL import Image

    if angle:
        room = round(image.width * _ROOM)
        wide = Image.new("RGBA", (room, room), (0, 0, 0, 0))
        wide.paste(image, ((room - image.width) // 2,) * 2)
        image = wide.rotate(angle, Image.Resampling.BILINEAR)
        side = round(side * _ROOM)
    return image.resize((side, side), Image.Resampling.BOX if side < 48 else Image.Resampling.HAMMING)


def is_bold(side: int) -> bool:
    """Whether a sprite of that many pixels is scaled from the portrait with thicker lines."""
    return side < _BOLD_BELOW


def _ready(image: Image.Image) -> Sprite:
    pixels = np.asarray(image).astype(np.uint16)
    opacity = pixels[..., 3:]
    side = image.width
    paint = ((pixels[..., :3] * opacity + 127) // 255).astype(np.uint8).reshape(side, side * 3)
    keep = np.repeat(255 - opacity, 3, axis=2).astype(np.uint8).reshape(side, side * 3)
    return Sprite(paint, keep)


_portraits: ByteCache[Image.Image] = ByteCache(36_000_000, lambda image: 4 * image.width * image.height)
_sprites: ByteCache[Sprite] = ByteCache(56_000_000, lambda sprite: 2 * sprite.paint.nbytes + 400)


def sprite(
    kind: str,
    color: str,
    side: int,
    flip: bool = False,
    posture: int = AWAKE,
    angle: int = 0,
    night: bool = False,
) -> Sprite:
    """A cached portrait, `side` pixels wide before turning, mirrored, turned and moonlit as asked."""
    key = (kind, color, side, flip, posture, angle, night)

    def build() -> Sprite:
        from PIL import Image

        # A "z" must not be mirrored; all other portraits are kept once and mirrored afterwards.
        mirror = flip and posture == AWAKE
        plain = (kind, color, posture, flip and not mirror, is_bold(side))
        image = _portraits.get(plain, lambda: portrait(*plain))
        if night:
            image = _portraits.get((*plain, "night"), lambda: moonlit(image))
        if mirror:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return _ready(scaled(image, side, angle))

    return _sprites.get(key, build)
