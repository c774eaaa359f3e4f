"""Who stands where, in every frame: numbers only, as fractions of the picture's side.

Knows motion. Knows nothing about pixels. Of each pair of verbs only one is laid out; the other is the
same film played backwards, so a frame taken at random can never tell the two apart. (A fixed frame can, a
little: the first frame of "appears" is the empty one.)
"""

from __future__ import annotations

import math
from typing import NamedTuple

from helpers.world.chance import uniforms
from helpers.world.scenes import Scene, reverse

HORIZONS = 9  #: How many heights the horizon may have.
VARIANTS = 4  #: How many sceneries each place has.
AWAKE, ASLEEP, ASLEEP_TOO = 0, 1, 2  #: Postures; the two last differ in where the "z" floats.

_BACKWARD = ("walks left", "vanishes", "goes away", "spins right")
_SOLO_SCALE = {"small": 0.50, "big": 0.73}
_PAIR_SCALE = {"small": 0.34, "big": 0.46}


class Placed(NamedTuple):
    """One animal in one frame: center `x`, `y` and side `scale`, as fractions of the picture's side."""

    kind: str
    color: str
    x: float
    y: float
    scale: float
    flip: bool
    posture: int = AWAKE
    angle: int = 0  # degrees, counter-clockwise
    opacity: int = 256  # of 256


class Stage(NamedTuple):
    """What lies behind the animals."""

    place: str
    horizon: int  # 0 to HORIZONS - 1
    variant: int  # 0 to VARIANTS - 1


def _between(low: float, high: float, u: float) -> float:
    return low + (high - low) * u


def _even(low: float, high: float, frames: int) -> list[float]:
    return [low + (high - low) * i / (frames - 1) for i in range(frames)]


def stage(scene: Scene) -> Stage:
    """The background of every frame of a scene."""
    u = uniforms(scene.seed)
    return Stage(scene.place, int(u[4] * HORIZONS), int(u[5] * VARIANTS))


def forward(scene: Scene) -> tuple[Scene, bool]:
    """The scene as it is laid out, and whether its film must then be played backwards.

    A chase is laid out with its two animals in alphabetical order.
    """
    if scene.verb == "chases":
        assert scene.other is not None
        backward = (scene.kind, scene.color) > (scene.other.kind, scene.other.color)
    else:
        backward = scene.verb in _BACKWARD
    return (reverse(scene), True) if backward else (scene, False)


def chase_relation(scene: Scene) -> str:
    """Where the chasing animal of a chase is, seen from the chased one: "left of" or "right of"."""
    laid_out, backward = forward(scene)
    rightward = uniforms(laid_out.seed)[12] < 0.5
    return "left of" if rightward != backward else "right of"


def _solo(scene: Scene, u: list[float]) -> Placed:
    scale = _SOLO_SCALE[scene.size] * _between(0.94, 1.06, u[2])
    x = _between(scale / 2, 1 - scale / 2, u[0])
    y = _between(max(0.42, scale / 2), 1 - scale / 2, u[1])
    return Placed(scene.kind, scene.color, x, y, scale, u[3] < 0.5)


def _couple(scene: Scene, u: list[float]) -> tuple[Placed, Placed]:
    """Two animals of about the same size, not yet in their places."""
    assert scene.other is not None
    scale = _PAIR_SCALE[scene.size]
    main, other = scale * _between(0.95, 1.05, u[2]), scale * _between(0.95, 1.05, u[10])
    return (
        Placed(scene.kind, scene.color, 0, 0, main, u[3] < 0.5),
        Placed(scene.other.kind, scene.other.color, 0, 0, other, u[11] < 0.5),
    )


def _pair(scene: Scene, u: list[float]) -> tuple[Placed, Placed]:
    """Two animals at rest, in their relation; of a chase, the middle of its film."""
    if scene.verb == "chases":
        return _chase(scene, u, 3)[1]
    near, far = _between(0.24, 0.30, u[0]), _between(0.70, 0.76, u[8])
    if scene.relation in ("left of", "right of"):
        level = _between(0.42, 0.70, u[1])
        first, second = (near, level), (far, level)
    else:
        column = _between(0.34, 0.66, u[1])
        first, second = (column, near), (column, far)
    if scene.relation in ("right of", "below"):
        first, second = second, first
    main, other = _couple(scene, u)
    return main._replace(x=first[0], y=first[1]), other._replace(x=second[0], y=second[1])


def _chase(scene: Scene, u: list[float], frames: int) -> list[tuple[Placed, Placed]]:
    """The first animal behind the second, both running the same way at the same speed."""
    gap, span = _between(0.42, 0.48, u[6]), _between(0.20, 0.27, u[7])
    room = 1 - gap - span - 2 * 0.11
    start = 0.11 + room * u[0]
    y, bounce = _between(0.50, 0.70, u[1]), 0.03
    chaser, chased = _couple(scene, u)
    steps = []
    for i, x in enumerate(_even(start, start + span, frames)):
        behind, ahead = (x, x + gap) if u[12] < 0.5 else (1 - x, 1 - x - gap)
        up = bounce * ((i + (u[9] < 0.5)) % 2)
        steps.append((chaser._replace(x=behind, y=y - up), chased._replace(x=ahead, y=y - bounce + up)))
    return steps


def still(scene: Scene) -> list[Placed]:
    """The animals of a picture, back to front: at rest, asleep if that is the verb.

    Verbs of a pair, and the two directions of a chase, give the same list.
    """
    laid_out, _ = forward(scene)
    u = uniforms(scene.seed)
    main, *rest = [_solo(laid_out, u)] if laid_out.other is None else _pair(laid_out, u)
    if scene.verb == "sleeps":
        main = main._replace(posture=ASLEEP)
    return [*rest, main]


def _walk(main: Placed, u: list[float], frames: int, scene: Scene) -> list[Placed]:
    span = _between(0.36, 0.60, u[6])
    if scene.relation in ("left of", "right of"):  # it must not walk past the other animal
        span = 0.4 * span
        middle = main.x
    else:
        margin = main.scale / 3
        span = min(span, 1 - 2 * margin)
        middle = _between(margin + span / 2, 1 - margin - span / 2, u[0])
    return [
        main._replace(x=x, y=main.y - 0.025 * ((i + (u[9] < 0.5)) % 2))
        for i, x in enumerate(_even(middle - span / 2, middle + span / 2, frames))
    ]


def _jump(main: Placed, u: list[float], frames: int, scene: Scene) -> list[Placed]:
    height = _between(0.24, 0.38, u[6]) * (1.0 if scene.other is None else 0.65)
    ground = min(1 - main.scale / 2, main.y + height / 2) if scene.other is None else main.y + height / 2
    jumps = max(2, frames // 4)  # four frames or more to a jump, so that it can be seen
    return [
        main._replace(y=ground - height * abs(math.sin(math.pi * (jumps * i / frames + u[7]))))
        for i in range(frames)
    ]


def _sleep(main: Placed, u: list[float], frames: int) -> list[Placed]:
    beat = int(u[9] < 0.5)
    return [main._replace(posture=(ASLEEP, ASLEEP_TOO)[(i // 2 + beat) % 2]) for i in range(frames)]


def _approach(main: Placed, u: list[float], frames: int) -> list[Placed]:
    nearness = _even(_between(0.38, 0.46, u[6]), 1.18, frames)
    return [main._replace(scale=main.scale * n, y=main.y + 0.12 * (n - 0.9)) for n in nearness]


def _spin(main: Placed, u: list[float], frames: int) -> list[Placed]:
    step = 30 if frames <= 10 else 15
    start = 30 * int(u[7] * 12)
    return [main._replace(angle=(start + step * i) % 360) for i in range(frames)]


def moving(scene: Scene, frames: int) -> list[list[Placed]]:
    """The animals of every frame, back to front, of a scene that `forward` returned."""
    u = uniforms(scene.seed)
    if scene.verb == "chases":
        return [list(step) for step in _chase(scene, u, frames)]
    main, *rest = [_solo(scene, u)] if scene.other is None else _pair(scene, u)
    if scene.verb == "sits":
        path = [main] * frames
    elif scene.verb == "sleeps":
        path = _sleep(main, u, frames)
    elif scene.verb == "jumps":
        path = _jump(main, u, frames, scene)
    elif scene.verb == "walks right":
        path = _walk(main, u, frames, scene)
    elif scene.verb == "appears":
        path = [main._replace(opacity=round(opacity)) for opacity in _even(10, 256, frames)]
    elif scene.verb == "comes closer":
        path = _approach(main, u, frames)
    else:
        path = _spin(main, u, frames)
    return [[*rest, step] for step in path]
