"""Measures against what they mean: probabilities by enumeration, verdicts on samples, and KL by hand."""

from __future__ import annotations

import math

import pytest
import torch

from helpers import world
from helpers.models import base, small
from helpers.preference import measure
from helpers.settings import CourseError


def test_accuracy_is_the_probability_of_the_three_right_captions(model, tokenizer, scenes):
    few = scenes[:4]
    found = measure.accuracy(model, tokenizer, few)
    assert found.shape == (4,)
    for value, scene in zip(found, few, strict=True):
        ids, answer = small.encode(tokenizer, [(world.record(scene), text) for text in world.captions(scene)])
        assert value.item() == pytest.approx(small.logps(model, ids, answer).exp().sum().item(), abs=1e-6)
    assert found.max() < 1 + 1e-6


def test_accuracy_knows_the_habits_of_the_base(model, tokenizer):
    test = base.records(80, seed=6, part="test")
    found = measure.accuracy(model, tokenizer, test)
    habit = torch.tensor([scene.kind in base.HABITS for scene in test])
    assert found[habit].mean() < 0.3
    assert found[~habit].mean() > 0.7


def test_samples_are_judged(model, tokenizer, scenes, monkeypatch):
    said = [
        *world.captions(scenes[0]),  # right, one of each style
        world.captions(scenes[1])[0] + " cat cat",  # not a sentence
        world.captions(next(scene for scene in scenes if scene.kind != scenes[4].kind))[0],  # wrong
    ]
    monkeypatch.setattr(small, "sample", lambda *_, **__: said)
    found = measure.samples(model, tokenizer, [scenes[0]] * 3 + [scenes[1], scenes[4]], seed=0)
    assert found.captions == said
    assert (found.right, found.valid) == (3 / 5, 4 / 5)
    assert found.styles == (2 / 4, 1 / 4, 1 / 4)


def test_samples_agree_with_the_exact_accuracy(model, tokenizer):
    test = base.records(300, seed=6, part="test")
    found = measure.samples(model, tokenizer, test, seed=2)
    exact = measure.accuracy(model, tokenizer, test).mean().item()
    assert abs(found.right - exact) < 3 * math.sqrt(exact * (1 - exact) / 300)
    assert found.valid > 0.95
    assert sum(found.styles) == pytest.approx(1)
    again = measure.samples(model, tokenizer, test[:5], seed=2)
    assert again == measure.samples(model, tokenizer, test[:5], seed=2)


def test_samples_without_a_style_have_no_shares(model, tokenizer, scenes, monkeypatch):
    monkeypatch.setattr(small, "sample", lambda *_, **__: ["cat cat cat"])
    found = measure.samples(model, tokenizer, scenes[:1], seed=0)
    assert (found.right, found.valid, found.styles) == (0, 0, (0, 0, 0))


def test_drift_is_the_kl_along_the_right_answer(model, tokenizer):
    chats = base.side_tasks(6, seed=1)
    other, _ = base.base(0)
    with torch.no_grad():
        other.lm_head.weight *= 1.3
    found = measure.drift(other, model, tokenizer, chats)
    for value, (question, answer) in zip(found, chats, strict=True):
        ids, mask = small.encode(tokenizer, [(question, answer)])
        by_hand = 0.0
        with torch.no_grad():
            for place in mask[0].nonzero().flatten().tolist():
                new, old = (
                    one(input_ids=ids[:, :place]).logits[0, -1].log_softmax(-1) for one in (other, model)
                )
                by_hand += (new.exp() * (new - old)).sum().item()
        assert value.item() == pytest.approx(by_hand, abs=1e-4)
    assert found.min() > 0
    assert measure.drift(model, model, tokenizer, chats).abs().max() == 0
    forward, backward = (measure.drift(*both, tokenizer, chats) for both in ((other, model), (model, other)))
    assert not torch.allclose(
        forward, backward, rtol=0.01
    )  # the first argument is the one that is averaged over


def test_drift_takes_as_many_prompts_as_there_are(model, tokenizer):
    chats = base.side_tasks(measure._BATCH + 3, seed=1)
    other = small.new_model(len(tokenizer), seed=1)
    found = measure.drift(other, model, tokenizer, chats)
    assert found.shape == (len(chats),)
    torch.testing.assert_close(found[-3:], measure.drift(other, model, tokenizer, chats[-3:]))


def test_mean_logps_of_both_sides(model, tokenizer, scenes):
    pairs = [(world.record(scene), world.captions(scene)[0], "the cat") for scene in scenes[:5]]
    chosen, rejected = measure.mean_logps(model, tokenizer, pairs)
    expected = small.score(model, tokenizer, [(question, good) for question, good, _ in pairs]).mean()
    assert chosen == pytest.approx(expected.item())
    assert rejected < chosen


def test_nothing_to_measure_is_said(model, tokenizer):
    for measured in (
        lambda: measure.accuracy(model, tokenizer, []),
        lambda: measure.samples(model, tokenizer, [], seed=0),
        lambda: measure.drift(model, model, tokenizer, []),
        lambda: measure.mean_logps(model, tokenizer, []),
    ):
        with pytest.raises(CourseError, match="at least one"):
            measured()
