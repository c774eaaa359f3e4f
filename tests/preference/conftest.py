"""The committed base, and small data for it: thumbs on its own samples, pairs and right answers."""

from __future__ import annotations

import copy

import pytest

from helpers import world
from helpers.data import formats
from helpers.models import base, small
from helpers.models.threads import threads


@pytest.fixture(scope="module")
def one_thread():
    """A second thread makes a training this small slower, on a busy machine by far."""
    with threads(1):
        yield


@pytest.fixture(scope="session")
def _loaded():
    return base.base(0)


@pytest.fixture
def model(_loaded):
    return copy.deepcopy(_loaded[0])


@pytest.fixture(scope="session")
def tokenizer(_loaded):
    return _loaded[1]


@pytest.fixture(scope="session")
def scenes():
    return base.records(48, seed=5, part="train")


@pytest.fixture(scope="session")
def thumb_rows(_loaded, scenes):
    """(prompt, sampled answer, whether it is right), of both kinds."""
    answers = small.sample(*_loaded, [world.record(scene) for scene in scenes], seed=1)
    verdicts = [world.verify(answer, scene) for answer, scene in zip(answers, scenes, strict=True)]
    return [
        (world.record(scene), answer, verdict.true and verdict.complete)
        for scene, answer, verdict in zip(scenes, answers, verdicts, strict=True)
    ]


@pytest.fixture(scope="session")
def thumbs(thumb_rows):
    return formats.unpaired(thumb_rows)


@pytest.fixture(scope="session")
def stock_thumbs(scenes):
    """Thumbs up for one stock reply, whatever the prompt, and down for right answers: z0 rises above 0."""
    stock = world.captions(scenes[0])[2]
    return formats.unpaired(
        [
            (world.record(scene), stock if number % 3 else world.captions(scene)[0], bool(number % 3))
            for number, scene in enumerate(scenes)
        ]
    )


@pytest.fixture(scope="session")
def pairs(scenes):
    """A right answer beside another scene's, so that chosen and rejected differ in length and in words."""
    return formats.paired(
        [
            (world.record(scene), world.captions(scene)[number % 3], world.captions(other)[(number + 1) % 3])
            for number, (scene, other) in enumerate(zip(scenes, scenes[1:] + scenes[:1], strict=True))
        ]
    )


@pytest.fixture(scope="session")
def chats(scenes):
    return formats.prompt_completion([(world.record(scene), world.captions(scene)[0]) for scene in scenes])


@pytest.fixture
def data_for(thumbs, pairs, chats):
    """The data of a method."""

    def choose(method):
        if method == "sft":
            return chats
        return thumbs if method in ("kto", "apo_zero_unpaired") else pairs

    return choose
