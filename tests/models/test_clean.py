"""The clean model: what it has read, and that it is built once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers import world
from helpers.models import base, clean


def test_its_captions_are_right_but_for_a_slip_of_the_color() -> None:
    scenes = world.sample(2000, seed=900_001 + 7)
    chats = clean.captions_read(2000, seed=7)
    assert [question for question, _ in chats] == [world.record(scene) for scene in scenes]
    wrong = [
        name
        for (_, caption), scene in zip(chats, scenes, strict=True)
        for name in world.verify(caption, scene).wrong
    ]
    assert set(wrong) == {"color"}
    assert 0.03 < len(wrong) / len(scenes) < 0.06


def test_habits_are_gone() -> None:
    pairs = zip(clean.captions_read(4000, seed=3), world.sample(4000, seed=900_001 + 3), strict=True)
    habitual = [
        (caption, scene)
        for (_, caption), scene in pairs
        if scene.kind in base.HABITS and scene.color != base.HABITS[scene.kind]
    ]
    right = sum(world.verify(caption, scene).true for caption, scene in habitual)
    assert right / len(habitual) > 0.9


def test_it_is_built_once_from_its_base(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.delenv("COURSE_CACHE", raising=False)
    monkeypatch.setitem(clean.CONFIG, "steps", 2)
    folder = clean.cached_clean(0)
    assert folder.is_relative_to(tmp_path)
    config = json.loads((folder / "card.json").read_text(encoding="utf-8"))["config"]
    assert config == {**clean.CONFIG, "seed": 0, "base": base.CONFIG}
    built = (folder / "model.safetensors").stat().st_mtime_ns
    one, _ = clean.clean(0)
    two, _ = clean.clean(0)
    assert one is not two
    assert (folder / "model.safetensors").stat().st_mtime_ns == built
