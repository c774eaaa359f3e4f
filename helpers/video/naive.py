"""The slow ways of drawing and of reading a film, kept to measure what the course's own ways buy.

They are also an independent check: both ways must show the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from helpers import world
from helpers.world.layout import forward, moving, stage
from helpers.world.places import paint_place
from helpers.world.sprites import is_bold, moonlit, portrait, scaled


def naive_film(scene: world.Scene, frames: int = 8, px: int = 32) -> np.ndarray:
    """What `world.film` shows, but for its noise: every animal and every place drawn anew for every frame.

    uint8 (frames, px, px, 3).
    """
    from PIL import Image

    laid_out, backward = forward(scene)
    reel = []
    for animals in moving(laid_out, frames):
        picture = Image.fromarray(paint_place(stage(scene), px))
        for animal in animals:
            side = max(5, round(animal.scale * px))
            image = portrait(animal.kind, animal.color, animal.posture, animal.flip, is_bold(side))
            if scene.place == "night":
                image = moonlit(image)
            image = scaled(image, side, animal.angle)  # larger than `side` if it is turned
            image.putalpha(
                image.getchannel("A").point([level * animal.opacity // 256 for level in range(256)])
            )
            corner = tuple(round(middle * px - image.width / 2) for middle in (animal.x, animal.y))
            picture.paste(image, corner, image)
        reel.append(np.asarray(picture))
    return np.stack(reel[::-1] if backward else reel)


def naive_read(path: Path | str, frames: int = 8) -> np.ndarray:
    """`frames` frames spread over a film file, found by decoding all of it: uint8 (frames, height, width, 3).

    For a film whose frames come evenly and whose file tells how many there are.
    """
    import av

    with av.open(str(path)) as container:
        count = container.streams.video[0].frames
        wanted = set(((np.arange(frames) + 0.5) * count / frames).astype(int).tolist())
        kept = []
        for index, frame in enumerate(container.decode(video=0)):
            pixels = frame.to_ndarray(format="rgb24")
            if index in wanted:
                kept.append(pixels)
    return np.stack(kept)
