"""A class trains lesson 08's model: which thumbs count, what is refused, and what the words say."""

from __future__ import annotations

import ast
import random
from dataclasses import asdict, replace

import pytest

import helpers.__main__ as commands
from helpers import settings, world
from helpers.course import class_thumbs
from helpers.data import thumbs

SCENES = [replace(scene, seed=0) for scene in world.sample(40, 3) if scene.other is None]


def thumb(scene, up, annotator="Ann", lesson="08", caption=None, prompt=None):
    told = world.record(scene) if prompt is None else prompt
    said = world.captions(scene)[0] if caption is None else caption
    return thumbs.Thumb(told, said, up, annotator, "2026-01-01T10:00:00+00:00", lesson, asdict(scene))


def merged(given):
    return thumbs.Merged([], given, 0, [], [], 0)


def found(right, shuffled=0.4, before=0.46):
    def arm(mean):
        return [dict.fromkeys(class_thumbs._ABOUT, mean + 0.01 * i) for i in (-3, -2, -1, 1, 2, 3)]

    arms = {
        class_thumbs.CLASS: arm(right),
        class_thumbs.VERDICT: arm(0.8),
        class_thumbs.SHUFFLED: arm(shuffled),
    }
    return class_thumbs.Found([("p", "c", True)] * 5, 0, 0, arm(before), arms, [], 2.0)


def test_the_settings_are_those_of_the_lesson():
    source = (settings.ROOT / "notebooks" / "source" / "08_thumbs_up_thumbs_down.py").read_text(
        encoding="utf-8"
    )
    assigned = {
        node.targets[0].id: node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    call = assigned["KTO"]
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    own = class_thumbs.lesson_settings()
    assert ast.literal_eval(call.args[0]) == own.method
    assert ast.unparse(given.pop("steps")) == "STEPS"
    assert assigned["STEPS"].args[0].value == own.steps
    assert {name: ast.literal_eval(value) for name, value in given.items()} == {
        name: getattr(own, name) for name in given
    }
    assert assigned["ENOUGH"].value == class_thumbs.ENOUGH
    assert assigned["TEST_SIZE"].args[0].value == class_thumbs.TEST_SIZE


def test_odd_thumbs_are_left_out_and_counted():
    one = SCENES[0]
    given = [
        thumb(one, True),
        thumb(one, None, "Ben"),
        thumb(one, True, lesson="13", caption="of another lesson"),
        thumb(one, True, prompt="my own question"),
        thumb(one, True, caption="word " * 40),
        thumb(one, True, caption="x" * 100_000),
        thumb(one, False, caption=""),
    ]
    votes, left_out = class_thumbs.usable(merged(given))
    assert [(v.completion, v.ups, v.downs) for v in votes] == [(world.captions(one)[0], 1, 0), ("", 0, 1)]
    assert left_out == 4


@pytest.mark.parametrize("piece", ["cat ", ".", " ", "\n", "é😀", "👍🏽"])
def test_what_counts_as_short_enough_fits_the_model(piece):
    from helpers.models import base, small

    _, tokenizer = base.base(0)
    one = max(SCENES, key=lambda scene: len(world.record(scene).split()))
    fits = [
        piece * n
        for n in range(1, 70)
        if not class_thumbs.usable(merged([thumb(one, True, caption=piece * n)]))[1]
    ]
    ids, _ = small.encode(tokenizer, [(world.record(one), caption) for caption in fits])
    assert len(fits) >= 10
    assert ids.shape[1] <= small.CONTEXT


def test_the_majority_decides_and_ties_are_left_out():
    given = [thumb(scene, i < 3, name) for i, scene in enumerate(SCENES[:6]) for name in ("Ann", "Ben")]
    given += [thumb(SCENES[0], False, "Cy"), thumb(SCENES[6], True), thumb(SCENES[6], False, "Ben")]
    rows, ties = class_thumbs.majority(class_thumbs.usable(merged(given))[0])
    assert [up for *_, up in rows] == [True] * 3 + [False] * 3
    assert ties == 1


@pytest.mark.parametrize(("ups", "downs"), [(0, 0), (20, 0), (20, 2), (2, 20)])
def test_too_few_of_a_kind_is_one_sentence(ups, downs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(commands, "_go_inside", lambda arguments: None)
    given = [thumb(scene, i < ups) for i, scene in enumerate(SCENES[: ups + downs])]
    thumbs.append(tmp_path / "08.jsonl", given or [thumb(SCENES[0], None)])
    assert commands.main(["thumbs", "train", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert f"Too few thumbs to train on: the class's majority has {ups} up and {downs} down" in error
    assert "at least 3 up and 3 down" in error


def test_the_control_has_the_same_answers_and_as_many_ups():
    rows = [(str(i), "answer", i < 7) for i in range(20)]
    arms = class_thumbs._arms(rows, 0)
    shuffled = arms[class_thumbs.SHUFFLED]
    assert arms[class_thumbs.CLASS] == rows
    assert [row[:2] for row in shuffled] == [row[:2] for row in rows]
    assert sum(up for *_, up in shuffled) == 7
    assert shuffled != rows


def test_each_seed_shuffles_in_its_own_way():
    rows = [(str(i), "answer", i < 7) for i in range(20)]
    dealt = [class_thumbs._arms(rows, seed)[class_thumbs.SHUFFLED] for seed in range(6)]
    assert all(one != other for i, one in enumerate(dealt) for other in dealt[:i])


def test_what_is_rare_weighs_more(monkeypatch):
    from types import SimpleNamespace

    from helpers.preference import fast

    given = []
    monkeypatch.setattr(
        fast, "train_fast", lambda *all: given.append(all[-1]) or SimpleNamespace(model="trained")
    )
    rows = [("p", str(i), i < 3) for i in range(12)]
    assert class_thumbs._trained("model", None, rows, 4) == "trained"
    assert (given[0].desirable_weight, given[0].undesirable_weight, given[0].seed) == (3.0, 1.0, 4)
    assert class_thumbs._trained("model", None, rows[:3], 4) == "model"


def test_the_verdicts_thumbs_are_the_worlds():
    right = world.captions(SCENES[0])[0]
    rows = [(world.record(SCENES[0]), right, False), (world.record(SCENES[0]), "pig", True)]
    assert [up for *_, up in class_thumbs._arms(rows, 0)[class_thumbs.VERDICT]] == [True, False]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (found(0.78), "taught the model"),
        (found(0.6, shuffled=0.62), "not surely more than with the same thumbs shuffled"),
        (found(0.3), "made the model worse"),
        (found(0.46), "No sure change"),
    ],
)
def test_the_sentence_follows_from_the_intervals(result, words):
    if "No sure" in words:
        result = replace(
            result, arms={**result.arms, class_thumbs.CLASS: random.Random(1).sample(result.base, 6)}
        )
    assert words in class_thumbs.verdict_words(result)
    assert words in class_thumbs.report(result)


def test_a_table_has_a_row_for_each_arm_and_an_interval_in_each_cell():
    rows = class_thumbs.table(found(0.78))
    assert [row[0] for row in rows] == ["before", *found(0.78).arms]
    assert rows[1][1] == "0.78 [0.76, 0.80]"


def test_training_on_thumbs_moves_the_model_their_way(monkeypatch):
    from helpers.models import base, small

    monkeypatch.setattr(class_thumbs, "SEEDS", 1)
    monkeypatch.setattr(class_thumbs, "TEST_SIZE", 24)
    scenes = base.records(24, seed=4, part="train")
    model, tokenizer = base.base(0)
    said = small.sample(model, tokenizer, [world.record(scene) for scene in scenes], seed=4)
    verdicts = [world.verify(caption, scene) for caption, scene in zip(said, scenes, strict=True)]
    given = [
        thumb(scene, verdict.true and verdict.complete, caption=caption)
        for scene, caption, verdict in zip(scenes, said, verdicts, strict=True)
    ]
    told = []
    result = class_thumbs.train(merged(given), told.append)
    assert result.arms[class_thumbs.CLASS] == result.arms[class_thumbs.VERDICT]
    assert result.arms[class_thumbs.CLASS][0]["right"] > result.base[0]["right"]
    assert len(told) == 4
    assert len(result.examples) == 6
