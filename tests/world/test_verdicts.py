"""Verdicts are exact: what is true is found true, and what is wrong is named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from helpers.settings import CourseError
from helpers.world import (
    COLORS,
    KINDS,
    PLACES,
    RELATIONS,
    REVERSE,
    SIZES,
    VERBS,
    Animal,
    Scene,
    Verdict,
    describe,
    reverse,
    verify,
)
from helpers.world.grammar import ATTRIBUTES
from helpers.world.layout import chase_relation
from tests.world.world_strategies import chases, reversible_scenes, scenes

CAT = Scene("cat", "orange", "small", "meadow", "walks left")
PAIR = Scene("cat", "orange", "big", "snow", "sleeps", Animal("mouse", "gray"), "left of")
CHASE = Scene("cat", "orange", "big", "night", "chases", Animal("mouse", "gray"))
WORDS = {"kind": KINDS, "color": COLORS, "size": SIZES, "place": PLACES, "verb": VERBS, "relation": RELATIONS}
caption_seeds = st.one_of(st.none(), st.integers(0, 10**6))


@settings(deadline=None, max_examples=300)
@given(scenes, caption_seeds)
def test_every_caption_is_true_and_complete(scene: Scene, seed: int | None) -> None:
    verdict = verify(describe(scene, seed), scene)
    assert verdict.true
    assert verdict.complete
    assert verdict.wrong == []


@settings(deadline=None, max_examples=100)
@given(scenes, caption_seeds, st.sets(st.sampled_from(ATTRIBUTES)))
def test_what_is_left_out_is_none_and_the_rest_is_true(
    scene: Scene, seed: int | None, mention: set[str]
) -> None:
    verdict = verify(describe(scene, seed, mention), scene)
    assert verdict.true
    for attribute in ("kind", "color", "size", "place", "verb"):
        assert getattr(verdict, attribute) is (True if attribute in mention else None)


@settings(deadline=None, max_examples=400)
@given(scenes, caption_seeds, st.sampled_from(ATTRIBUTES), st.data())
def test_a_caption_with_one_attribute_changed_is_wrong_in_exactly_that(
    scene: Scene, seed: int | None, attribute: str, data: st.DataObject
) -> None:
    word = data.draw(st.sampled_from(WORDS[attribute]))
    assume(word != getattr(scene, attribute))
    try:
        changed = replace(scene, **{attribute: word})
    except CourseError:
        assume(False)
    verdict = verify(describe(changed, seed), scene)
    assert verdict.wrong == [attribute]
    assert not verdict.true


@settings(deadline=None)
@given(scenes, caption_seeds, st.data())
def test_a_changed_second_animal_is_wrong_too(scene: Scene, seed: int | None, data: st.DataObject) -> None:
    assume(scene.other is not None)
    assert scene.other is not None
    kind = data.draw(st.sampled_from([kind for kind in KINDS if kind not in (scene.kind, scene.other.kind)]))
    changed = replace(scene, other=Animal(kind, scene.other.color))
    assert verify(describe(changed, seed), scene).wrong == ["kind"]


@settings(deadline=None)
@given(reversible_scenes, caption_seeds)
def test_a_reversed_scene_makes_the_caption_wrong_in_one_thing(scene: Scene, seed: int | None) -> None:
    wrong = verify(describe(reverse(scene), seed), scene).wrong
    assert wrong == (["relation"] if scene.verb == "chases" else ["verb"])


@pytest.mark.parametrize(
    ("sentence", "scene", "wrong"),
    [
        ("A dog walks left.", CAT, ["kind"]),
        ("A big red dog is walking right in the snow.", CAT, ["kind", "color", "size", "place", "verb"]),
        ("An animal.", CAT, []),
        ("A cat chases a mouse.", CAT, ["verb"]),
        ("A cat is to the left of a mouse.", CAT, ["relation"]),
        # two animals, told from either side
        ("A cat is to the left of a mouse.", PAIR, []),
        ("A mouse is to the right of a cat.", PAIR, []),
        ("A mouse is to the left of a cat.", PAIR, ["relation"]),
        ("A cat is above a mouse.", PAIR, ["relation"]),
        ("An orange animal is to the left of a gray animal.", PAIR, []),
        ("A gray cat is to the left of an orange mouse.", PAIR, ["color"]),
        ("A big cat is to the left of a small mouse.", PAIR, ["size"]),
        ("A mouse to the right of a cat sits.", PAIR, []),
        ("A mouse to the right of a cat sleeps.", PAIR, ["verb"]),
        ("A mouse sleeps.", PAIR, ["kind"]),
        ("A cat chases a mouse.", PAIR, ["verb"]),
        # a chase
        ("A mouse is chased by a cat.", CHASE, []),
        ("A mouse chases a cat.", CHASE, ["relation"]),
        ("A cat chases a dog.", CHASE, ["kind"]),
        ("A cat sits.", CHASE, ["verb"]),
    ],
)
def test_verdicts_by_hand(sentence: str, scene: Scene, wrong: list[str]) -> None:
    verdict = verify(sentence, scene)
    assert verdict.grammatical
    assert verdict.wrong == wrong
    assert verdict.true == (not wrong)


@settings(deadline=None)
@given(chases, st.sampled_from(RELATIONS))
def test_where_the_chaser_is_can_be_judged(scene: Scene, relation: str) -> None:
    assert scene.other is not None
    words = {"left of": "to the left of", "right of": "to the right of"}.get(relation, relation)
    who, whom = (
        f"{'an' if animal.color == 'orange' else 'a'} {animal.color} {animal.kind}"
        for animal in (scene, scene.other)
    )
    sentence = f"{who} is {words} {whom}"
    assert verify(sentence, scene).true == (relation == chase_relation(scene))


def test_complete_means_all_is_mentioned_rightly_or_wrongly() -> None:
    assert verify("A big red dog is walking right in the snow.", CAT).complete
    assert not verify("A big red dog is walking right.", CAT).complete
    assert not verify("A big orange cat sleeps in the snow.", PAIR).complete
    assert not verify("A big orange cat chases a mouse at night.", CHASE).complete
    assert not verify("nonsense", CAT).complete


@settings(deadline=None)
@given(scenes, st.one_of(st.text(), st.binary(), st.none(), st.integers(), st.floats(), st.lists(st.text())))
def test_anything_can_be_judged(scene: Scene, sentence: object) -> None:
    verdict = verify(sentence, scene)  # type: ignore[arg-type]
    if not verdict.grammatical:
        assert verdict == Verdict(grammatical=False)
        assert not verdict.true


def test_every_unordered_pair_of_verbs_is_told_apart() -> None:
    for verb in VERBS[:-1]:
        for said in VERBS[:-1]:
            caption = describe(replace(CAT, verb=said))
            assert verify(caption, replace(CAT, verb=verb)).true == (said == verb)
    assert set(REVERSE) < set(VERBS)
