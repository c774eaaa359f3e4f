"""The learners of lesson 02, taken from its source, on small cases worked out by hand."""

from __future__ import annotations

import ast
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from helpers import settings, world
from helpers.world import COLORS, KINDS, TYPICAL_COLOR, verify

SOURCE = settings.ROOT / "notebooks" / "source" / "02_words_without_a_world.py"
_WANTED = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.Import | ast.ImportFrom


@pytest.fixture(scope="module")
def lesson() -> SimpleNamespace:
    """The functions and constants of the lesson, without what its cells run or show."""
    scope: dict[str, Any] = {"__name__": "lesson_02"}
    for statement in ast.parse(SOURCE.read_text(encoding="utf-8")).body:
        experiment = getattr(statement, "decorator_list", []) and "experiment" in ast.unparse(
            statement.decorator_list[0]
        )
        if not isinstance(statement, _WANTED) or experiment or "lesson." in ast.unparse(statement)[:60]:
            continue
        if isinstance(statement, ast.Assign) and not ast.unparse(statement.targets[0]).isupper():
            continue  # a result, not a constant
        if "read_corpus" in ast.unparse(statement) or ast.unparse(statement).startswith("MY_TEXT"):
            continue
        exec(compile(ast.Module([statement], []), str(SOURCE), "exec"), scope)
    return SimpleNamespace(**scope)


# --- the world and its speakers -----------------------------------------------------------------------------


def test_colors_are_as_common_as_the_text_says(lesson: SimpleNamespace) -> None:
    scenes = lesson.biased_scenes(6000, seed=900)
    usual = np.mean([s.color == TYPICAL_COLOR[s.kind] for s in scenes])
    other = np.mean([s.color == lesson.OTHER_COLOR[s.kind] for s in scenes])
    assert usual == pytest.approx(0.75, abs=0.02)
    assert other == pytest.approx(0.15, abs=0.02)


def test_no_other_color_is_the_usual_one(lesson: SimpleNamespace) -> None:
    assert set(lesson.OTHER_COLOR) == set(KINDS)
    assert not [kind for kind in KINDS if lesson.OTHER_COLOR[kind] == TYPICAL_COLOR[kind]]


def test_every_caption_is_true_and_tells_kind_place_and_verb(lesson: SimpleNamespace) -> None:
    scenes = lesson.biased_scenes(300, seed=901)
    for scene, caption in zip(scenes, lesson.captions(scenes, 901, say_usual=0.5), strict=True):
        verdict = verify(caption, scene)
        assert verdict.true
        assert (verdict.kind, verdict.place, verdict.verb) == (True, True, True)


@pytest.mark.parametrize(("say_usual", "say_other"), [(0.0, 1.0), (1.0, 0.0)])
def test_speakers_name_what_they_are_told_to(
    lesson: SimpleNamespace, say_usual: float, say_other: float
) -> None:
    scenes = lesson.biased_scenes(300, seed=902)
    heard = lesson.captions(scenes, 902, say_usual, say_other)
    for scene, caption in zip(scenes, heard, strict=True):
        usual = scene.color == TYPICAL_COLOR[scene.kind]
        assert (lesson.said(caption, COLORS) >= 0) == (say_usual == 1.0 if usual else say_other == 1.0)


def test_in_the_changed_world_no_kind_keeps_a_habit(lesson: SimpleNamespace) -> None:
    for values, step in zip(
        (TYPICAL_COLOR, lesson.USUAL_PLACE, lesson.USUAL_VERB), lesson.SHIFT, strict=True
    ):
        row = [values[kind] for kind in KINDS]
        assert all(old != new for old, new in zip(row, np.roll(row, -step), strict=True))


# --- the readers --------------------------------------------------------------------------------------------


def test_counts_by_hand(lesson: SimpleNamespace) -> None:
    table = lesson.count_words(["A black sheep sits.", "A sheep sits.", "There is a black cat."])
    sheep, cat = KINDS.index("sheep"), KINDS.index("cat")
    assert table[sheep, lesson.POSITION["black"]] == 1
    assert table[sheep, lesson.POSITION["sits"]] == 2
    assert table[cat, lesson.POSITION["black"]] == 1
    assert table.sum() == 4 + 3 + 5


def test_a_tie_is_shared_and_an_empty_row_is_chance(lesson: SimpleNamespace) -> None:
    assert lesson.share_right(np.zeros((12, 10))) == pytest.approx(0.1)
    scores = np.array([[2.0, 2.0, 0.0], [0.0, 1.0, 3.0]])
    assert lesson.share_right(scores, np.array([0, 2])) == pytest.approx((0.5 + 1) / 2)


def test_the_crossing_is_interpolated(lesson: SimpleNamespace) -> None:
    assert lesson.crossing([0.0, 1.0, 3.0], [0.0, 0.25, 0.75]) == pytest.approx(2.0)
    assert lesson.crossing([0.0, 1.0], [0.1, 0.2]) == 1.0  # it never does


def test_whoever_knows_the_bias_explains_away_what_is_said_most(lesson: SimpleNamespace) -> None:
    # At m = 0.08 the usual color is said in 0.06, the other in 0.12, each rare one in 0.01 of the captions.
    counts = np.full((1, 10), 1.0)
    counts[0, 3], counts[0, 7] = 6, 12
    assert counts.argmax() == 7
    assert lesson.log_likelihoods(counts, 0.08).argmax() == 3
    by_hand = 6 * math.log(6) + 12 * math.log(12)
    assert lesson.log_likelihoods(counts, 0.08)[0, 3] == pytest.approx(by_hand)


def test_the_language_model_learns_what_is_said(lesson: SimpleNamespace) -> None:
    heard = [f"There is a {'black' if kind == 'sheep' else 'white'} {kind}." for kind in KINDS] * 40
    scores = lesson.language_model_colors(heard, seed=900, steps=60)
    assert scores.shape == (12, 10)
    assert (scores <= 0).all()
    answers = [COLORS[i] for i in scores.argmax(1)]
    assert answers == ["black" if kind == "sheep" else "white" for kind in KINDS]


# --- the one who looks --------------------------------------------------------------------------------------


def test_words_are_learned_from_named_pictures_and_used_for_all(lesson: SimpleNamespace) -> None:
    seen = np.eye(64)[[0, 0, 1, 1, 1]]
    named = np.array([0, -1, 2, -1, -1])  # one picture of each sort has a name
    weights = lesson.learn_words(seen, named, options=3)
    table = lesson.count_seen(weights, seen, kinds=np.array([4, 4, 4, 4, 5]))
    assert weights.shape == (65, 3)
    assert table[4].tolist() == [2, 0, 2]
    assert table[5].tolist() == [0, 0, 1]
    assert table.sum() == 5


def test_what_is_seen_does_not_depend_on_chunks(lesson: SimpleNamespace) -> None:
    scenes = lesson.biased_scenes(510, seed=903)
    seen = lesson.look(scenes)
    assert seen.shape == (510, 64)
    one = lesson.color_histogram(world.draw(scenes[505], 32))
    assert np.allclose(seen[505] ** 2, one)
