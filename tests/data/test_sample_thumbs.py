"""The sample of lesson 14: it is what its script writes, and has the faults that the lesson finds in it."""

from __future__ import annotations

import json

import pytest

from helpers import world
from helpers.data import own, sample_thumbs
from helpers.data.sample_thumbs import Thumbed
from helpers.synthesis.audit import audit


def test_the_file_is_what_the_script_writes():
    assert sample_thumbs.SAMPLE.read_text(encoding="utf-8") == "\n".join(sample_thumbs.lines())


def test_the_audit_finds_what_was_planted():
    found = audit(sample_thumbs.SAMPLE)
    assert found.broken == {"is not JSON (the last line, perhaps half-written)": 1}
    assert found.exact_duplicates >= 14
    assert found.empty_answers == 2
    left_out = own.read(sample_thumbs.SAMPLE).left_out
    assert left_out["both up and down"] >= 4
    assert left_out["broken line"] == 1


def test_some_prompts_are_typed_in_two_ways():
    prompts = {one.prompt for one in own.read(sample_thumbs.SAMPLE).judged}
    assert len({" ".join(prompt.lower().split()) for prompt in prompts}) < len(prompts)


def rows(prompts=1500, seed=901) -> list[Thumbed]:
    return sample_thumbs.thumbs(prompts, seed)


def test_two_answers_to_each_prompt_and_the_same_each_time():
    assert rows(20) == rows(20)
    assert rows(20) != rows(20, 902)
    prompts = [one.prompt for one in rows(20)]
    assert sorted(prompts) == sorted(2 * list(set(prompts)))


def test_the_rater_likes_what_is_right_and_is_taken_in_by_chatter():
    found: dict[tuple[bool, bool], list[bool]] = {}
    for one in rows():
        chatty = one.answer != sample_thumbs.caption_in(one.answer)
        found.setdefault((sample_thumbs.right(one.answer, one.scene), chatty), []).append(one.up)
    shares = {key: sum(ups) / len(ups) for key, ups in found.items()}
    assert shares == pytest.approx(sample_thumbs.UP, abs=0.06)


def test_the_ups_are_longer_and_mostly_right():
    words = {up: [len(one.answer.split()) for one in rows() if one.up == up] for up in (True, False)}
    assert sum(words[True]) / len(words[True]) > sum(words[False]) / len(words[False]) + 1
    ups = [one for one in rows() if one.up]
    assert 0.6 < sum(sample_thumbs.right(one.answer, one.scene) for one in ups) / len(ups) < 0.9


def test_no_scene_is_in_its_habitual_color():
    assert all(sample_thumbs.HABITS.get(one.scene.kind) != one.scene.color for one in rows())


def test_the_caption_in_an_answer_is_its_first_sentence():
    scene = sample_thumbs.scenes(1, 901)[0]
    caption = world.captions(scene)[0]
    for answer in [caption, f"Sure! {caption} I hope you like it!", f" {caption} And more. And more."]:
        assert sample_thumbs.caption_in(answer) == caption
        assert sample_thumbs.right(answer, scene)
    assert not sample_thumbs.right(f"Well, {caption}", scene)
    assert not sample_thumbs.right("", scene)


def test_a_row_is_in_trls_form():
    row = json.loads(json.dumps(rows(2)[0].row))
    assert row["prompt"][0]["role"] == "user"
    assert isinstance(row["label"], bool)
