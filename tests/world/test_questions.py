"""Questions have the right answer, and need what they say they need."""

from __future__ import annotations

from hypothesis import given, settings

from helpers.world import REVERSE, Scene, ask, reverse
from tests.world.world_strategies import reversible_scenes, scenes


@settings(deadline=None)
@given(scenes)
def test_each_question_has_its_answer_among_the_choices(scene: Scene) -> None:
    questions = ask(scene)
    for question in questions:
        assert question.answer in question.choices
        assert len(set(question.choices)) == len(question.choices) >= 2
        assert question.text.endswith("?")
        assert question.answer not in question.text or question.attribute in ("chase", "presence", "distance")
    assert len({question.text for question in questions}) == len(questions)
    for question in questions:
        if question.attribute in ("kind", "color", "size", "place", "relation"):
            assert question.answer == getattr(scene, question.attribute)
            assert question.needs == "one frame"


@settings(deadline=None)
@given(scenes)
def test_a_scene_is_asked_about_its_order_exactly_if_it_can_be_reversed(scene: Scene) -> None:
    needs = [question.needs for question in ask(scene)]
    assert needs.count("many frames") == 1
    assert needs.count("order") == (scene.verb in REVERSE)
    assert needs.count("one frame") >= 2


@settings(deadline=None)
@given(reversible_scenes)
def test_the_order_question_is_the_same_backwards_with_another_answer(scene: Scene) -> None:
    (forward,) = (question for question in ask(scene) if question.needs == "order")
    (backward,) = (question for question in ask(reverse(scene)) if question.needs == "order")
    assert (forward.text, forward.choices) == (backward.text, backward.choices)
    assert forward.answer != backward.answer


@settings(deadline=None)
@given(scenes)
def test_change_is_asked_of_every_scene(scene: Scene) -> None:
    (question,) = (q for q in ask(scene) if q.attribute == "change")
    assert question.answer == ("no" if scene.verb in ("sits", "sleeps") else "yes")
