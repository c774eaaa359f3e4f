"""A clip on a notebook page: a film that plays, and beside it everything for those for whom it does not.

Knows what JupyterLab, Colab and static pages let through. Knows nothing about where a film is from.

The film is VP9 in WebM, inside the page: Chromium plays it even where it is built without H.264, Firefox
does, and Safari unless it is old. It stands in the attribute `src`: of a notebook that it does not trust,
such as a solution that somebody just opened, JupyterLab drops the addresses of <source> elements, so there
is no second choice. It does not start by itself, and its controls pause it and go through it. Where a film
is left out or not played, a still of its middle and its frames, as pictures, remain.
"""

from __future__ import annotations

import base64
import io

import numpy as np

from helpers.lesson import page, plots
from helpers.settings import CourseError
from helpers.video.clips import Clip
from helpers.video.writing import webm

WIDTH = 320  # CSS pixels: small drawings are enlarged to about this
MAX_KILOBYTES = 1500  # of one film in a notebook
_STRIP = 8  # frames of the picture below the film
_STRIP_SIDE = 96  # pixels


def show_clip(clip: Clip | np.ndarray, alt: str, rate: float | None = None) -> None:
    """Display a clip with controls, and its frames below it; see `clip_html`."""
    page.show_html(clip_html(clip, alt, rate), alt)


def clip_html(clip: Clip | np.ndarray, alt: str, rate: float | None = None) -> str:
    """A clip that plays in the page, with a still picture of its middle and its frames in a fold below.

    Args:
        clip: what `read_clip` gave, or uint8 (frames, height, width, 3). The frames of small drawings are
            enlarged, every pixel to a square.
        alt: what happens in it, in words.
        rate: frames a second; if None, as fast as the clip's frames were taken, at least two a second, and
            six a second for an array.

    Raises:
        CourseError: without a text alternative, for frames that are no film, or for more than a notebook
            should hold.
    """
    if not alt.strip():
        raise CourseError("Every clip needs a text alternative: say in a sentence what happens (alt=...).")
    frames = clip.frames if isinstance(clip, Clip) else clip
    rate = rate or _own_rate(clip)
    height, width = np.shape(frames)[1:3] if np.ndim(frames) == 4 else (1, 1)
    scale = max(1, round(WIDTH / max(height, width, 1)))
    film = webm(frames, rate, scale)
    if len(film) > 1000 * MAX_KILOBYTES:
        raise CourseError(
            f"This clip takes {len(film) / 1e6:.1f} MB, more than a notebook should hold: "
            "show fewer or smaller frames."
        )
    poster = frames[len(frames) // 2].repeat(scale, axis=0).repeat(scale, axis=1)
    words = page.escape(alt)
    # Between the tags: for pages without films. `title` names it where `aria-label` is dropped.
    still, moving = _address("image/jpeg", _jpeg(poster)), _address("video/webm", film)
    player = (
        f'<video controls loop muted playsinline preload="auto" width="{width * scale}" '
        f'height="{height * scale}" poster="{still}" src="{moving}" aria-label="{words}" title="{words}" '
        'style="max-width:100%;height:auto;border-radius:4px;background:#000">'
        "This page shows no films; its frames stand below.</video>"
    )
    picked = np.linspace(0, len(frames) - 1, min(len(frames), _STRIP)).round().astype(int)
    titles = [f"{index / rate:.1f} s" for index in picked]
    strip = plots.picture_strip_html([_small(frames[index]) for index in picked], titles, alt)
    which = f"{len(picked)} of {len(frames)} frames, in order"
    fold = f'<details style="margin:2px 0 6px"><summary>{which}</summary>{strip}</details>'
    return f'<div class="{page.NO_MATH}" style="{page.TEXT_STYLE}">{player}{fold}</div>'


def _own_rate(clip: Clip | np.ndarray) -> float:
    """Frames a second as they were taken, but two at least, or it would look still; six for an array."""
    if not isinstance(clip, Clip):
        return 6.0
    span = float(clip.times[-1] - clip.times[0])
    return min(60.0, max(2.0, (len(clip.times) - 1) / span)) if span > 0 else 2.0


def _small(picture: np.ndarray) -> np.ndarray:
    """The picture, at most 96 pixels wide and high; one that is very high gets white sides."""
    from PIL import Image, ImageOps

    image = Image.fromarray(picture)
    image.thumbnail((_STRIP_SIDE, _STRIP_SIDE))
    if image.height > 2 * image.width:  # a strip fills the page's width, and would grow as high as a house
        image = ImageOps.pad(image, (image.height // 2, image.height), color="white")
    return np.asarray(image)


def _jpeg(picture: np.ndarray) -> bytes:
    from PIL import Image

    with io.BytesIO() as buffer:
        Image.fromarray(picture).save(buffer, format="JPEG", quality=80)
        return buffer.getvalue()


def _address(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
