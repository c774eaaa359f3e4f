"""Lesson 12: what its exercises must fulfill, its quiz, and the widget about gaps in films.

The reference solutions are in the lesson's source. Properties compare with cases worked out by hand, never
with the reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import ipywidgets
import numpy as np
import torch
from torch import Tensor

from helpers.lesson import page, plots
from helpers.lesson.checks import Answer, Check, Property, call
from helpers.lesson.quiz import QuizQuestion
from helpers.lesson.widgets import WhatIf

Function = Callable[..., object]


# --- exercise 1: motion -------------------------------------------------------------------------------------


def _clips(*levels: list[int]) -> np.ndarray:
    """One clip for each list of gray levels, a 2 x 3 picture for each level, the median picture last."""
    return np.stack([np.tile(np.array(row, np.uint8)[:, None, None, None], (1, 2, 3, 3)) for row in levels])


def _motion(function: Function, clips: np.ndarray) -> Answer:
    answer = call(function, clips=clips)
    shape = np.shape(answer.value)
    answer.should(
        "have one frame less than the clips, the median picture being none",
        len(shape) == 5 and shape[1] == clips.shape[1] - 1,
        f"of shape {shape}",
    )
    return answer


def _motion_brighter(function: Function) -> None:
    # Two films, so that a median picture without its axis of frames does not fit.
    _motion(function, _clips([10, 50, 90, 10], [20, 20, 60, 20])).close(_pictures([[0, 40, 80], [0, 0, 40]]))


def _motion_darker(function: Function) -> None:
    _motion(function, _clips([200, 30, 0, 200])).close(_pictures([[0, -170, -200]]))


def _motion_full_range(function: Function) -> None:
    # A byte with a sign reaches from -128 to 127 only.
    _motion(function, _clips([255, 0, 0], [0, 255, 255])).close(_pictures([[255, 0], [-255, 0]]))


def _motion_own_median(function: Function) -> None:
    _motion(function, _clips([10, 20, 10], [110, 90, 100])).close(_pictures([[0, 10], [10, -10]]))


def _motion_places(function: Function) -> None:
    clips = np.zeros((1, 3, 2, 2, 3), np.uint8)
    clips[0, 2] = 100
    clips[0, 0] = clips[0, 1] = 100
    clips[0, 1, 0, 1, 2] = 130  # the second frame, its upper right pixel, blue
    expected = np.zeros((1, 2, 2, 2, 3))
    expected[0, 1, 0, 1, 2] = 30
    _motion(function, clips).close(expected)


def _pictures(levels: list[list[int]]) -> np.ndarray:
    return np.tile(np.array(levels, float)[:, :, None, None, None], (1, 1, 2, 3, 3))


# --- exercise 2: cloze_loss ---------------------------------------------------------------------------------


def _hidden(*places: list[int], frames: int = 8) -> Tensor:
    hidden = torch.zeros(len(places), frames, dtype=torch.bool)
    for row, gone in zip(hidden, places, strict=True):
        row[gone] = True
    return hidden


def _cloze_blind(function: Function) -> None:
    call(function, scores=torch.zeros(2, 8, 8), hidden=_hidden([0, 2, 4, 6], [1, 2, 3, 7])).close(math.log(4))


def _cloze_others(function: Function) -> None:
    # Two of the film's own frames and three of other films, all alike.
    call(function, scores=torch.zeros(1, 8, 11), hidden=_hidden([3, 5])).close(math.log(5))


def _cloze_shown_are_out(function: Function) -> None:
    scores = torch.zeros(1, 8, 8)
    scores[0, :, 0] = 9.0  # frame 1 would fit everywhere, but it can be seen
    call(function, scores=scores, hidden=_hidden([2, 3, 4, 5])).close(math.log(4))


def _cloze_shown_not_asked(function: Function) -> None:
    scores = torch.zeros(1, 8, 8)
    scores[0, 0, 5] = 9.0  # nonsense at a place that can be seen
    call(function, scores=scores, hidden=_hidden([2, 5])).close(math.log(2))


def _cloze_by_hand(function: Function) -> None:
    # Places 1 and 4 are hidden: exp of their scores is [[3, 1], [4, 2]], so the right ones get 3/4 and 2/6.
    scores = torch.zeros(1, 8, 8)
    scores[0, 1, 1], scores[0, 4, 1], scores[0, 4, 4] = math.log(3), math.log(4), math.log(2)
    call(function, scores=scores, hidden=_hidden([1, 4])).close((math.log(4 / 3) + math.log(3)) / 2)


def _cloze_mean(function: Function) -> None:
    # The mean is over hidden places, not over films: one film hides one frame (loss 0), the other three.
    call(function, scores=torch.zeros(2, 8, 8), hidden=_hidden([5], [0, 1, 2])).close(0.75 * math.log(3))


# --- exercise 3: mirror -------------------------------------------------------------------------------------


def _mirrored(
    function: Function, clips: np.ndarray, verbs: list[str]
) -> tuple[Answer, np.ndarray, list[str]]:
    answer = call(function, clips=clips, verbs=verbs)
    is_pair = isinstance(answer.value, tuple | list) and len(answer.value) == 2
    answer.should("be two things, clips and verbs", is_pair)
    turned, names = answer.value
    answer.should("hold clips of the same shape", np.shape(turned) == clips.shape, np.shape(turned))
    is_list = isinstance(names, list) and len(names) == len(verbs)
    answer.should("hold a list of as many verbs", is_list, f"{names!r} ({type(names).__name__})")
    return answer, np.asarray(turned), names


def _mirror_pixels(function: Function) -> None:
    clips = np.zeros((1, 2, 3, 4, 3), np.uint8)
    clips[0, 0, 0, 0, 0] = 9  # first frame, upper left, red
    answer, turned, _ = _mirrored(function, clips, ["sits"])
    answer.should(
        "have the upper left pixel of a frame in its upper right corner, in the same color",
        turned[0, 0, 0, 3, 0] == 9 and turned.sum() == 9,
        f"nonzero at {[tuple(map(int, place)) for place in np.argwhere(turned)]}",
    )


def _mirror_sides(function: Function) -> None:
    verbs = ["walks left", "spins right", "walks right", "spins left"]
    answer, _, names = _mirrored(function, np.zeros((4, 2, 2, 2, 3), np.uint8), verbs)
    right = ["walks right", "spins left", "walks left", "spins right"]
    answer.should("have left and right exchanged in these verbs", names == right, names)


def _mirror_others(function: Function) -> None:
    verbs = ["sits", "vanishes", "comes closer", "jumps"]
    answer, _, names = _mirrored(function, np.zeros((4, 2, 2, 2, 3), np.uint8), verbs)
    answer.should("leave these verbs as they are: a mirror does not turn time around", names == verbs, names)


def _mirror_twice(function: Function) -> None:
    clips = np.random.default_rng(3).integers(0, 256, size=(2, 3, 4, 5, 3), dtype=np.uint8)
    verbs = ["walks left", "appears"]
    once = call(function, clips=clips, verbs=verbs).value
    again = call(function, clips=np.ascontiguousarray(once[0]), verbs=list(once[1]))
    same = np.array_equal(again.value[0], clips) and list(again.value[1]) == verbs
    again.should("be what it was, mirrored a second time", same, again.value[1])


# --- exercise 4: crossing -----------------------------------------------------------------------------------


def _crossing(function: Function, amounts: list[int], ours: list[float], theirs: list[float]) -> Answer:
    return call(function, amounts=amounts, ours=ours, theirs=theirs)


def _never(function: Function, ours: list[float], theirs: list[float]) -> None:
    # `call` takes None for a forgotten return, which is the right answer here.
    found = function([1, 10, 100], ours, theirs)
    Answer(found, f"for amounts [1, 10, 100], ours {ours} and theirs {theirs}: ").should(
        "be None: they never catch up", found is None
    )


def _crossing_middle(function: Function) -> None:
    # The lead goes from .2 to -.2: half the way between log 1 and log 100.
    _crossing(function, [1, 100], [0.5, 0.6], [0.3, 0.8]).close(10.0)


def _crossing_third(function: Function) -> None:
    # .1 ahead at 10, .3 behind at 160: a quarter of the way, and 16 ** .25 is 2.
    _crossing(function, [1, 10, 160], [0.5, 0.5, 0.5], [0.1, 0.4, 0.8]).close(20.0)


def _crossing_at_a_point(function: Function) -> None:
    _crossing(function, [1, 3, 10], [0.5, 0.6, 0.7], [0.2, 0.6, 0.9]).close(3.0)


def _crossing_at_once(function: Function) -> None:
    _crossing(function, [1, 3, 10], [0.2, 0.9, 0.9], [0.2, 0.3, 0.95]).close(1.0)


def _crossing_never(function: Function) -> None:
    _never(function, [0.5, 0.7, 0.9], [0.2, 0.6, 0.8])


def _crossing_first(function: Function) -> None:
    # They cross at 2, part again, and cross again later: the first time counts.
    answer = _crossing(function, [1, 4, 16, 64], [0.6, 0.6, 0.6, 0.6], [0.4, 0.8, 0.5, 0.9])
    answer.close(2.0)


CHECKS: dict[str, Check] = {
    "motion": Check(
        "motion",
        [
            Property("what is brighter than the median picture is positive", _motion_brighter),
            Property("what is darker is negative", _motion_darker),
            Property("the whole range of differences fits in", _motion_full_range),
            Property("each film has its own median picture", _motion_own_median),
            Property("every pixel and color stays in its place", _motion_places),
        ],
    ),
    "cloze_loss": Check(
        "cloze_loss",
        [
            Property("who cannot tell four hidden frames apart loses ln 4", _cloze_blind),
            Property("frames of other films are on offer as well", _cloze_others),
            Property("frames that can be seen are no candidates", _cloze_shown_are_out),
            Property("nobody is asked about places that can be seen", _cloze_shown_not_asked),
            Property("two gaps worked out by hand", _cloze_by_hand),
            Property("every hidden place counts the same", _cloze_mean),
        ],
    ),
    "mirror": Check(
        "mirror",
        [
            Property("left and right change places in the pictures, and nothing else", _mirror_pixels),
            Property("left and right change places in the verbs", _mirror_sides),
            Property("other verbs stay", _mirror_others),
            Property("mirrored twice is as before", _mirror_twice),
        ],
    ),
    "crossing": Check(
        "crossing",
        [
            Property("halfway between two amounts, on the logarithm", _crossing_middle),
            Property("a quarter of the way", _crossing_third),
            Property("at an amount that was measured", _crossing_at_a_point),
            Property("level from the start", _crossing_at_once),
            Property("never", _crossing_never),
            Property("the first crossing counts", _crossing_first),
        ],
    ),
}


# --- gaps in films ------------------------------------------------------------------------------------------

Fill = Callable[[np.ndarray, list[int]], np.ndarray]
BLANK = 205  # gray level of a hidden frame
HIDDEN = {
    "2, 4, 5 and 7": [1, 3, 4, 6],
    "1 to 4": [0, 1, 2, 3],
    "5 to 8": [4, 5, 6, 7],
    "all but the first": [1, 2, 3, 4, 5, 6, 7],
    "all but two in the middle": [0, 1, 2, 5, 6, 7],
    "only 4 and 5": [3, 4],
}
PLAYED = {
    "as filmed": list(range(8)),
    "backwards": list(range(7, -1, -1)),
    "shuffled": [3, 6, 1, 4, 7, 2, 5, 0],
}


def _gaps_html(films: Mapping[str, np.ndarray], fill: Fill, film: str, hidden: str, played: str) -> str:
    frames, gone = films[film][PLAYED[played]], HIDDEN[hidden]
    probable = fill(frames, gone)
    chosen = probable.argmax(1)
    blank = np.full_like(frames[0], BLANK)
    seen = plots.picture_strip_html(
        [blank if i in gone else frame for i, frame in enumerate(frames)],
        [f"{i + 1}: ?" if i in gone else str(i + 1) for i in range(len(frames))],
        f"{film} Played {played}; hidden frames, in gray: {hidden}.",
    )
    marks = ["✔" if candidate == place else "✘" for place, candidate in enumerate(chosen)]
    said = plots.picture_strip_html(
        [frames[gone[candidate]] for candidate in chosen],
        [f"{gone[i] + 1}: {mark} {probable[i].max():.0%}" for i, mark in enumerate(marks)],
        "The frames that the network puts into the gaps; the sentence below says which are right.",
    )
    right = sum(candidate == place for place, candidate in enumerate(chosen))
    sentence = (
        f"{right} of {len(gone)} gaps filled with the right frame (blindly 1 on average). Below each frame: "
        "its gap, whether it is right there, and how sure the network was."
    )
    return seen + page.paragraph_html(sentence) + said


def gaps_widget(films: Mapping[str, np.ndarray], fill: Fill) -> WhatIf:
    """A film with gaps, and the frames that a network puts into them.

    Args:
        films: by a sentence that says what happens, uint8 (8, h, w, 3).
        fill: from a film and the numbers of its hidden frames to probabilities (gaps, gaps): how likely each
            hidden frame is at each hidden place.
    """
    controls = {
        "film": ipywidgets.Dropdown(options=list(films), value=next(iter(films))),
        "hidden": ipywidgets.Dropdown(
            options=list(HIDDEN), value=next(iter(HIDDEN)), description="hidden frames"
        ),
        "played": ipywidgets.Dropdown(options=list(PLAYED), value=next(iter(PLAYED))),
    }
    return WhatIf(
        controls,
        lambda film, hidden, played: _gaps_html(films, fill, film, hidden, played),
        "Which gaps can it fill, and when does it only guess?",
    )


WIDGETS = {"gaps": gaps_widget}


# --- quiz ---------------------------------------------------------------------------------------------------

QUIZZES: dict[str, list[QuizQuestion]] = {
    "recap": [
        QuizQuestion(
            "A paper reports that self-supervised features beat training from scratch at 1% of the labels. What do you ask first?",
            [
                "whether a linear probe or an attentive one was trained on the features",
                "whether the rival's training was as strong and as long as it could be",
                "whether the lead over a random encoder is as large as the lead over the rival",
            ],
            1,
            "A rival that may not mirror and move its few films, or stops early, is easily beaten. A random encoder says what the architecture gives, and nothing about who trains on labels.",
        ),
        QuizQuestion(
            "The watcher saw hundreds of cats, and a linear probe reads their kind from it hardly better than from PCA. A network trained on kind labels reads it better, from the same films. What does that rule out?",
            [
                "that the films do not show the kind clearly enough for anybody",
                "that the quiz can be solved without knowing whose film it is",
                "that another pretext would have taught kinds",
            ],
            0,
            "What one network finds in the films is in them. That the quiz hardly asks for it is then the nearest explanation; whether another pretext would do better is open until somebody tries.",
        ),
        QuizQuestion(
            "A watcher of shuffled films does worse than one of films in order, and better than a random encoder. What follows?",
            [
                "the quiz has taught nothing without order",
                "shuffling was too strong a variation for a small network",
                "a part is owed to order, and another part to the pictures alone",
            ],
            2,
            "Both saw the same pictures, so their difference is order; what the shuffled one has over no training at all came without it.",
        ),
        QuizQuestion(
            "A network is trained to guess its own features of the whole film, and the loss falls to nearly nothing within a hundred steps. What do you look at?",
            [
                "the loss on films that were not watched, for it may know these by heart",
                "how much the features differ from one film to another",
                "the learning rate at the start",
            ],
            1,
            "If all films get the same features, each guess is perfect and worthless, on new films as well. The target grades itself.",
        ),
        QuizQuestion(
            "“One film is worth 20 captions.” For which question does that make no sense?",
            [
                "what color most sheep have, where captions seldom mention it",
                "what most lions do, where one frame would not show it",
                "what the animal in this film does",
            ],
            2,
            "No caption of other films tells it, however many there are. The other two are usual properties, which captions could tell in the end.",
        ),
    ],
}
