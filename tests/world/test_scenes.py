"""What a scene may be, and how it is sampled."""

from __future__ import annotations

from collections import Counter
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given

from helpers.settings import CourseError
from helpers.world import (
    COLORS,
    KINDS,
    PLACES,
    PRESETS,
    RELATIONS,
    REVERSE,
    SIZES,
    TYPICAL_COLOR,
    VERBS,
    Animal,
    Preset,
    Scene,
    reverse,
    sample,
)
from tests.world.world_strategies import reversible_scenes

CAT = {"kind": "cat", "color": "orange", "size": "big", "place": "meadow", "verb": "sits"}
MOUSE = Animal("mouse", "gray")


def test_the_word_lists_have_the_agreed_sizes() -> None:
    assert [len(words) for words in (KINDS, COLORS, SIZES, PLACES, VERBS)] == [12, 10, 2, 4, 12]
    assert set(TYPICAL_COLOR) == set(KINDS)
    assert set(TYPICAL_COLOR.values()) <= set(COLORS)
    assert all(REVERSE[REVERSE[verb]] == verb for verb in REVERSE)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"kind": "horse"}, "elephant"),
        ({"kind": ["cat"]}, "elephant"),
        ({"color": "grey"}, "gray"),
        ({"size": "tiny"}, "small"),
        ({"place": "moon"}, "night"),
        ({"verb": "flies"}, "jumps"),
        ({"seed": -1}, "whole number"),
        ({"seed": 2**63}, "whole number"),
        ({"seed": 1.5}, "whole number"),
        ({"verb": "chases"}, "other="),
        ({"relation": "above"}, "other="),
        ({"other": MOUSE}, "left of"),
        ({"other": MOUSE, "relation": "near"}, "left of"),
        ({"other": ("mouse", "gray"), "relation": "above"}, "Animal"),
        ({"other": Animal("cat", "orange"), "relation": "above"}, "differ"),
        ({"other": MOUSE, "relation": "above", "verb": "chases"}, "no relation"),
    ],
)
def test_a_scene_that_makes_no_sense_is_refused_and_the_message_helps(change: dict, named: str) -> None:
    with pytest.raises(CourseError, match=named):
        Scene(**{**CAT, **change})


def test_an_animal_needs_words_of_the_world() -> None:
    with pytest.raises(CourseError, match="kind"):
        Animal("horse", "gray")
    with pytest.raises(CourseError, match="color"):
        Animal("mouse", "grey")


def test_a_scene_is_frozen_hashable_and_takes_numpy_seeds() -> None:
    scene = Scene(**CAT, seed=np.int64(3))
    assert scene == Scene(**CAT, seed=3)
    assert len({scene, Scene(**CAT, seed=3)}) == 1
    assert type(scene.seed) is int
    with pytest.raises(FrozenInstanceError):
        scene.kind = "dog"


@given(reversible_scenes)
def test_reversing_twice_gives_the_scene_back(scene: Scene) -> None:
    assert reverse(scene) != scene
    assert reverse(reverse(scene)) == scene


def test_reversing_a_chase_swaps_the_animals() -> None:
    chase = Scene(**{**CAT, "verb": "chases"}, other=MOUSE)
    swapped = reverse(chase)
    assert (swapped.kind, swapped.color, swapped.other) == ("mouse", "gray", Animal("cat", "orange"))


@pytest.mark.parametrize("verb", ["sits", "sleeps", "jumps"])
def test_a_verb_without_a_reversal_says_so(verb: str) -> None:
    with pytest.raises(CourseError, match=verb):
        reverse(Scene(**{**CAT, "verb": verb}))


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_samples_its_own_words_only_and_all_of_them(name: str) -> None:
    preset, scenes = PRESETS[name], sample(3000, 5, name)
    for attribute in ("kind", "color", "size", "place", "verb"):
        assert {getattr(scene, attribute) for scene in scenes} == set(getattr(preset, f"{attribute}s"))
    others = [scene.other for scene in scenes if scene.other]
    assert len(others) == (3000 if preset.companions else 0)
    assert all(scene.other.kind != scene.kind for scene in scenes if scene.other)
    if name == "pairs":
        assert {scene.relation for scene in scenes} == set(RELATIONS)


def test_the_presets_are_what_the_lessons_count_on() -> None:
    counts = {n: (len(p.kinds), len(p.colors), len(p.verbs), p.px) for n, p in PRESETS.items()}
    assert counts["full"] == (12, 10, 11, 32)
    assert counts["tiny"] == (4, 4, 4, 32)
    assert counts["capstone"] == (8, 8, 9, 48)
    assert not any("spins" in verb for verb in PRESETS["capstone"].verbs)
    assert PRESETS["chase"].verbs == ("chases",)


def test_sampling_is_uniform_independent_and_repeatable() -> None:
    scenes = sample(12000, 0)
    assert scenes == sample(12000, 0)
    assert scenes[:5] != sample(12000, 1)[:5]
    for count in Counter((scene.kind, scene.color) for scene in scenes).values():
        assert 50 < count < 160  # 100 expected, sd 10
    assert len({scene.seed for scene in scenes}) > 11900


def test_sampling_other_words_and_wrong_calls() -> None:
    scenes = sample(50, 0, Preset(kinds=("cat", "dog"), verbs=("chases",), companions=True))
    assert all({scene.kind, scene.other.kind} == {"cat", "dog"} for scene in scenes if scene.other)
    assert sample(0, 0) == []
    with pytest.raises(CourseError, match="capstone"):
        sample(1, 0, "huge")
    with pytest.raises(CourseError, match="whole numbers"):
        sample(-1, 0)
    with pytest.raises(CourseError, match="at least one"):
        Preset(kinds=())
    with pytest.raises(CourseError, match="companions"):
        Preset(verbs=("chases",))
    with pytest.raises(CourseError, match="two kinds"):
        Preset(kinds=("cat",), companions=True)
