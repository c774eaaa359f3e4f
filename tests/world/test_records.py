"""Records, their plain captions, and the parts of the data."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest

from helpers import world
from helpers.settings import CourseError
from helpers.world import COLORS, KINDS, STYLES, Scene


@pytest.mark.parametrize("scene", world.sample(40, seed=3), ids=world.record)
def test_every_plain_caption_is_true_and_complete_and_has_its_style(scene: Scene) -> None:
    for style, caption in enumerate(world.captions(scene)):
        verdict = world.verify(caption, scene)
        assert verdict.true
        assert verdict.complete
        assert world.style_of(caption) == style


def test_records_tell_scenes_apart_exactly_by_their_words() -> None:
    scene = Scene("cat", "orange", "small", "meadow", "walks left", seed=1)
    assert world.record(scene) == "small orange cat, walks left, meadow"
    assert world.record(scene) == world.record(
        Scene("cat", "orange", "small", "meadow", "walks left", seed=2)
    )


def test_other_sentences_have_no_style() -> None:
    assert world.style_of("We see a small cat sitting in the snow.") is None
    assert world.style_of("cat the small") is None


def test_a_pattern_that_does_not_fit_is_refused() -> None:
    with pytest.raises(CourseError, match="does not fit"):
        world.describe(world.sample(1, seed=0)[0], pattern="{who} {chases} {whom}")
    assert len(STYLES) == 3


def test_parts_are_disjoint_and_every_kind_and_color_is_in_each() -> None:
    parts = {
        (kind, color): world.part_of(Scene(kind, color, "small", "snow", "sits"))
        for kind, color in product(KINDS, COLORS)
    }
    assert Counter(parts.values()) == {"train": 80, "validation": 20, "test": 20}
    for part in ("train", "validation", "test"):
        assert {kind for (kind, _), where in parts.items() if where == part} == set(KINDS)
        assert {color for (_, color), where in parts.items() if where == part} == set(COLORS)
