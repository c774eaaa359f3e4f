"""Scenes become pictures and films.

Knows how to blend sprites over a background. Knows nothing about motion (layout) or words. Everything is a
pure function of its arguments; caches only make it fast.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers.settings import CourseError
from helpers.world.chance import noise
from helpers.world.layout import Placed, forward, moving, stage, still
from helpers.world.places import background, paint_place
from helpers.world.scenes import Scene
from helpers.world.sprites import is_bold, moonlit, portrait, scaled, sprite

MIN_PX, MAX_PX = 16, 256
MIN_FRAMES, MAX_FRAMES = 2, 64
_NOISE_UP_TO = 64  # larger pictures are for people, and clean


def _check_px(px: int) -> None:
    if not MIN_PX <= px <= MAX_PX:
        raise CourseError(f"px, the side of a picture, must be from {MIN_PX} to {MAX_PX}; not {px}.")


def _check_frames(frames: int) -> None:
    if not MIN_FRAMES <= frames <= MAX_FRAMES:
        raise CourseError(f"A film has from {MIN_FRAMES} to {MAX_FRAMES} frames; not {frames}.")


def _side(animal: Placed, px: int) -> int:
    return max(5, round(animal.scale * px))


def _corner(center: float, px: int, side: int) -> int:
    return round(center * px - side / 2)


def _blend(rows: np.ndarray, animal: Placed, px: int, night: bool) -> None:
    """Blend one animal into `rows`, a frame seen as uint8 (px, px * 3)."""
    kind, color, x, y, _, flip, posture, angle, opacity = animal
    paint, keep = sprite(kind, color, _side(animal, px), flip, posture, angle, night)
    side = len(paint)
    left, top = _corner(x, px, side), _corner(y, px, side)
    if left < 0 or top < 0 or left + side > px or top + side > px:
        cut_y = slice(max(0, -top), max(0, min(side, px - top)))
        cut_x = slice(3 * max(0, -left), 3 * max(0, min(side, px - left)))
        paint, keep = paint[cut_y, cut_x], keep[cut_y, cut_x]
        left, top = max(0, left), max(0, top)
    spot = rows[top : top + paint.shape[0], 3 * left : 3 * left + paint.shape[1]]
    if opacity < 256:
        paint = (paint * np.uint16(opacity)) >> 8
        keep = 255 - (((255 - keep) * np.uint16(opacity)) >> 8)
    mixed = np.multiply(spot, keep, dtype=np.uint16)
    mixed += 255
    mixed >>= 8
    mixed += paint
    spot[...] = mixed


def _paint(frame: np.ndarray, scenery: np.ndarray, animals: list[Placed], night: bool) -> None:
    px = len(frame)
    frame[...] = scenery
    rows = frame.reshape(px, px * 3)
    for animal in animals:
        _blend(rows, animal, px, night)


def _add_noise(frame: np.ndarray, seed: int, index: int) -> None:
    if len(frame) <= _NOISE_UP_TO:
        flat = frame.reshape(-1)
        flat += noise(seed, index, flat.size)


def _picture_into(frame: np.ndarray, scene: Scene) -> None:
    _paint(frame, background(stage(scene), len(frame)), still(scene), scene.place == "night")
    _add_noise(frame, scene.seed, 0)


def _film_into(reel: np.ndarray, scene: Scene) -> None:
    laid_out, backward = forward(scene)
    if backward:
        reel = reel[::-1]
    scenery, night = background(stage(scene), reel.shape[1]), scene.place == "night"
    for index, animals in enumerate(moving(laid_out, len(reel))):
        _paint(reel[index], scenery, animals, night)
        _add_noise(reel[index], scene.seed, index)


def pictures(scenes: Sequence[Scene], px: int = 32) -> np.ndarray:
    """A picture of each scene: uint8 (len(scenes), px, px, 3).

    Raises:
        CourseError: if `px` is not from 16 to 256.
    """
    _check_px(px)
    out = np.empty((len(scenes), px, px, 3), np.uint8)
    for frame, scene in zip(out, scenes, strict=True):
        _picture_into(frame, scene)
    return out


def draw(scene: Scene, px: int = 32) -> np.ndarray:
    """A picture of the scene at rest: uint8 (px, px, 3). The animal sleeps where the verb says so.

    Other verbs leave no trace: a scene and its reversal have the same picture. Up to 64 px the picture has a
    little noise; larger ones are clean.

    Raises:
        CourseError: if `px` is not from 16 to 256.
    """
    return pictures([scene], px)[0]


def films(scenes: Sequence[Scene], frames: int = 8, px: int = 32) -> np.ndarray:
    """A film of each scene: uint8 (len(scenes), frames, px, px, 3).

    Raises:
        CourseError: if `px` is not from 16 to 256 or `frames` not from 2 to 64.
    """
    _check_px(px)
    _check_frames(frames)
    out = np.empty((len(scenes), frames, px, px, 3), np.uint8)
    for reel, scene in zip(out, scenes, strict=True):
        _film_into(reel, scene)
    return out


def film(scene: Scene, frames: int = 8, px: int = 32) -> np.ndarray:
    """The scene in motion: uint8 (frames, px, px, 3).

    Verbs of a pair show the same frames in opposite order, byte for byte; so do a chase and its reversal.

    Raises:
        CourseError: if `px` is not from 16 to 256 or `frames` not from 2 to 64.
    """
    return films([scene], frames, px)[0]


def naive_picture(scene: Scene, px: int = 32) -> np.ndarray:
    """What `draw` returns (to within a few levels), with every portrait and the place drawn anew: slow.

    Kept as the measure of what the caches buy, and as an independent check of the blending.
    """
    from PIL import Image

    _check_px(px)
    picture = Image.fromarray(paint_place(stage(scene), px))
    for animal in still(scene):
        side = _side(animal, px)
        image = portrait(animal.kind, animal.color, animal.posture, animal.flip, is_bold(side))
        if scene.place == "night":
            image = moonlit(image)
        image = scaled(image, side, animal.angle)
        picture.paste(image, (_corner(animal.x, px, side), _corner(animal.y, px, side)), image)
    frame = np.array(picture)
    _add_noise(frame, scene.seed, 0)
    return frame
