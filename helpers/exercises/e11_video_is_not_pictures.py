"""Lesson 11: what its exercises must fulfill, its quiz, and the widget that reorders frames.

The reference solutions are in the lesson's source. Properties compare with numbers worked out by hand or by
another route, never with the reference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import ipywidgets
import numpy as np

from helpers.lesson import page, plots
from helpers.lesson.checks import Check, Property, call
from helpers.lesson.quiz import QuizQuestion
from helpers.lesson.widgets import WhatIf

Function = Callable[..., object]


# --- exercise 1: shuffle_frames -----------------------------------------------------------------------------

# Every number says where it came from: film, frame and place in the frame.
_FILMS, _FRAMES, _NUMBERS = 40, 8, 3
_MARKED = 100.0 * np.arange(_FILMS)[:, None, None] + 10.0 * np.arange(_FRAMES)[:, None] + np.arange(_NUMBERS)


def _shuffle_shape(function: Function) -> None:
    answer = call(function, features=_MARKED, seed=3)
    answer.should(
        "be one NumPy array", isinstance(answer.value, np.ndarray), yours=type(answer.value).__name__
    )
    shape = np.shape(answer.value)
    answer.should(f"have the shape {_MARKED.shape}", shape == _MARKED.shape, yours=shape)


def _orders(found: np.ndarray) -> np.ndarray:
    """Which frame of the original stands at each place: (films, frames)."""
    return (found[:, :, 0] % 100 // 10).astype(int)


def _shuffle_keeps_frames(function: Function) -> None:
    answer = call(function, features=_MARKED, seed=3)
    found = np.asarray(answer.value)
    whole = found.shape == _MARKED.shape and bool((found - found[:, :, :1] == np.arange(_NUMBERS)).all())
    answer.should("keep the numbers of a frame together", whole)


def _shuffle_takes_pictures(function: Function) -> None:
    pictures = np.arange(3.0 * 4 * 2 * 5).reshape(3, 4, 2, 5)
    answer = call(function, features=pictures, seed=3)
    shape = np.shape(answer.value)
    answer.should(f"have the shape {pictures.shape}", shape == pictures.shape, yours=shape)


def _shuffle_keeps_films(function: Function) -> None:
    answer = call(function, features=_MARKED, seed=3)
    found = np.asarray(answer.value)
    same = found.shape == _MARKED.shape and bool((np.sort(found, axis=1) == _MARKED).all())
    answer.should("give every film its own eight frames, each once", same)


def _shuffle_each(function: Function) -> None:
    answer = call(function, features=_MARKED, seed=3)
    different = len({tuple(order) for order in _orders(np.asarray(answer.value)).tolist()})
    # Of 40! draws from 40,320 orders, fewer than 35 different ones are out of the question.
    answer.should("give (nearly) every film another order", different >= 35)


def _shuffle_everywhere(function: Function) -> None:
    films = np.tile(_MARKED[:1], (400, 1, 1))
    answer = call(function, features=films, seed=5)
    first = Counter(_orders(np.asarray(answer.value))[:, 0].tolist())
    # 50 expected for each of the eight; 20 is more than four deviations away.
    fair = len(first) == _FRAMES and min(first.values()) >= 20
    answer.should("bring every frame to the front about equally often", fair)


def _shuffle_repeats(function: Function) -> None:
    one = call(function, features=_MARKED, seed=7)
    same = np.array_equal(np.asarray(one.value), np.asarray(call(function, features=_MARKED, seed=7).value))
    one.should("give the same result for the same seed", same)
    other = np.asarray(call(function, features=_MARKED, seed=8).value)
    one.should("give another result for another seed", not np.array_equal(np.asarray(one.value), other))


# --- exercise 2: control_labels -----------------------------------------------------------------------------

_TYPES = [f"type {number % 30}" for number in range(300)]
# The first ten types are all "sits", the others all "jumps": whoever looks at the task gives itself away.
_LABELS = ["sits" if number % 30 < 10 else "jumps" for number in range(300)]


def _control_one_each(function: Function) -> None:
    answer = call(function, types=["a", "b", "a", "c", "b", "a"], labels=list("xyzxyz"), seed=1)
    found = list(np.asarray(answer.value))
    answer.should("have six labels", len(found) == 6)
    shared = found[0] == found[2] == found[5] and found[1] == found[4]
    answer.should("give films of one type the same label", bool(shared))


def _control_known(function: Function) -> None:
    answer = call(function, types=_TYPES, labels=_LABELS, seed=2)
    answer.should(
        "use only labels that there are", set(np.asarray(answer.value).tolist()) == {"sits", "jumps"}
    )


def _control_is_random(function: Function) -> None:
    # Over many seeds, whether the label of a type is the real one must be luck.
    hits = [
        np.mean(
            np.asarray(call(function, types=_TYPES, labels=_LABELS, seed=seed).value) == np.array(_LABELS)
        )
        for seed in range(12)
    ]
    answer = call(function, types=_TYPES, labels=_LABELS, seed=0)
    # Drawn with their frequencies: (1/3)^2 + (2/3)^2 = 5/9 agree; 12 seeds of 30 types vary by 0.026.
    answer.should("draw labels by chance, not from the films of the type", bool(np.mean(hits) < 0.7))


def _control_frequencies(function: Function) -> None:
    types, labels = [str(number) for number in range(900)], ["rare"] * 100 + ["common"] * 800
    answer = call(function, types=types, labels=labels, seed=4)
    share = float(np.mean(np.asarray(answer.value) == "rare"))
    answer.should("draw a label as often as the list has it (a rare one stays rare)", 0.05 < share < 0.2)


def _control_seed(function: Function) -> None:
    one = call(function, types=_TYPES, labels=_LABELS, seed=6)
    again = np.asarray(call(function, types=_TYPES, labels=_LABELS, seed=6).value)
    one.should("give the same result for the same seed", np.array_equal(np.asarray(one.value), again))
    other = np.asarray(call(function, types=_TYPES, labels=_LABELS, seed=7).value)
    one.should("give another result for another seed", not np.array_equal(np.asarray(one.value), other))


# --- exercise 3: apparent_turn ------------------------------------------------------------------------------


def _turn_small(function: Function) -> None:
    for degrees in (0.0, 30.0, 179.0):
        call(function, degrees=degrees).close(degrees)


def _turn_wheel(function: Function) -> None:
    call(function, degrees=330.0).close(-30.0)
    call(function, degrees=350.0).close(-10.0)


def _turn_half(function: Function) -> None:
    call(function, degrees=180.0).close(180.0)
    call(function, degrees=540.0).close(180.0)


def _turn_rounds(function: Function) -> None:
    call(function, degrees=360.0).close(0.0)
    call(function, degrees=765.0).close(45.0)


def _turn_right(function: Function) -> None:
    call(function, degrees=-30.0).close(-30.0)
    call(function, degrees=-330.0).close(30.0)


CHECKS: dict[str, Check] = {
    "shuffle_frames": Check(
        "shuffle_frames",
        [
            Property("an array of the same shape", _shuffle_shape),
            Property("a frame's numbers stay together", _shuffle_keeps_frames),
            Property("a film keeps its frames", _shuffle_keeps_films),
            Property("every film gets an order of its own", _shuffle_each),
            Property("all orders can come up", _shuffle_everywhere),
            Property("the seed decides", _shuffle_repeats),
            Property("a frame may be a picture: (films, frames, height, width)", _shuffle_takes_pictures),
        ],
    ),
    "control_labels": Check(
        "control_labels",
        [
            Property("one label for all films of a type", _control_one_each),
            Property("labels that there are", _control_known),
            Property("the labels know nothing of the task", _control_is_random),
            Property("the labels keep their frequencies", _control_frequencies),
            Property("the seed decides", _control_seed),
        ],
    ),
    "apparent_turn": Check(
        "apparent_turn",
        [
            Property("small turns look as they are", _turn_small),
            Property("nearly a whole turn looks like a small one the other way", _turn_wheel),
            Property("half a turn is 180, never -180", _turn_half),
            Property("whole turns are not seen", _turn_rounds),
            Property("turns to the right", _turn_right),
        ],
    ),
}


# --- scrub and reorder --------------------------------------------------------------------------------------

Reader = Callable[[np.ndarray, int], Mapping[str, float]]
ORDERS: dict[str, list[int]] = {
    "as filmed": [0, 1, 2, 3, 4, 5, 6, 7],
    "backwards": [7, 6, 5, 4, 3, 2, 1, 0],
    "shuffled": [4, 0, 6, 2, 7, 1, 5, 3],
    "shuffled otherwise": [3, 7, 1, 5, 0, 6, 2, 4],
    "neighbors swapped": [1, 0, 3, 2, 5, 4, 7, 6],
    "the first frame eight times": [0] * 8,
}


def _scrub_html(
    films: Mapping[str, np.ndarray],
    features: Mapping[str, np.ndarray],
    readers: Mapping[str, Reader],
    film: str,
    order: str,
    frame: int,
) -> str:
    """The frames in the chosen order, the picked one large, and what every probe answers."""
    places = ORDERS[order]
    frames, rows = films[film][places], features[film][places]
    picked = frame - 1
    strip = plots.film_strip_html(frames, f"{film} The eight frames, {order}.")
    large = plots.picture_html(frames[picked], f"Frame {frame} of the order above: the picked one.")
    cells = []
    for name, reader in readers.items():
        answers = sorted(reader(rows, picked).items(), key=lambda pair: -pair[1])[:2]
        said = [f"{answer} ({probability:.2f})" for answer, probability in answers]
        cells.append([name, *said, *[""] * (2 - len(said))])
    table = plots.table_html(
        cells, ["question (what the probe sees)", "first answer", "second"], f"Asked of: {film}"
    )
    about = page.paragraph_html(f"Frame {frame} is picked; it is number {places[picked] + 1} of the film.")
    return f"{strip}{about}{large}{table}"


def scrub_widget(
    films: Mapping[str, np.ndarray], features: Mapping[str, np.ndarray], readers: Mapping[str, Reader]
) -> WhatIf:
    """A film whose frames can be picked and reordered, and what probes with different views say of it.

    Args:
        films: by caption, uint8 (8, height, width, 3).
        features: by the same captions, (8, numbers): what the probes know of each frame.
        readers: by question, a function from features (8, numbers) in the chosen order and the place of the
            picked frame to the probability of each answer.
    """
    controls = {
        "film": ipywidgets.Dropdown(options=list(films), value=next(iter(films))),
        "order": ipywidgets.Dropdown(options=list(ORDERS), value="as filmed"),
        "frame": ipywidgets.IntSlider(value=1, min=1, max=8, description="picked frame"),
    }
    return WhatIf(
        controls,
        lambda film, order, frame: _scrub_html(films, features, readers, film, order, frame),
        "Which answers change with the order, and which with the picked frame?",
    )


WIDGETS = {"scrub": scrub_widget}


# --- quiz ---------------------------------------------------------------------------------------------------

QUIZZES: dict[str, list[QuizQuestion]] = {
    "recap": [
        QuizQuestion(
            "A video model names actions with 80% accuracy; one random frame of each film gives 74%. What follows?",
            [
                "the model is bad at using time: all the other frames brought it only six points",
                "one frame tells most of the answers in this test",
                "a random frame is no fair baseline for a model that sees all of them",
            ],
            1,
            "It says as much about the test as about the model: other questions are needed to see whether time is used.",
        ),
        QuizQuestion(
            "Why a random frame and not always the middle one?",
            [
                "a frame with a known place can give away what order tells",
                "the middle frame is the sharpest of them, which would make the baseline too strong",
                "a random frame makes the probe more accurate than any fixed one",
            ],
            0,
            "In the drill even the middle frames of the film leaked, the first and the last ones most.",
        ),
        QuizQuestion(
            "Frames in order answer a question in 90% of the films, frames shuffled film by film in 55%, always the first frame alone in 88%. What tells the answer?",
            [
                "the motion from frame to frame, since shuffling destroys it",
                "what all eight frames show together, in any order",
                "mostly what the first frame shows",
            ],
            2,
            "Shuffling hides motion, but it also hides which frame was the first. The fixed frame tells the two apart.",
        ),
        QuizQuestion(
            "A probe on a new encoder tells left from right in 99% of films in order. A random encoder: 99%. So?",
            [
                "the encoder has learned about motion, as 99% is far above one half",
                "its training was not needed for this",
                "the probe is broken, as a random encoder has to be at chance",
            ],
            1,
            "What a random encoder shares was not learned: any map of places tells it.",
        ),
        QuizQuestion(
            "A probe names the verbs of films. Films are played backwards at test, and it goes on naming the verb that was filmed. What does it use?",
            [
                "something that both directions share",
                "the order of the frames, so well that it sees through the trick",
                "the order of the frames, but only that of neighbors",
            ],
            0,
            "Who uses order must name the reversed verb now. Ours did, mostly.",
        ),
    ],
}
