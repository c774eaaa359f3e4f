"""The base: what it has read, what it can do, and that the committed one is what its card says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from helpers import world
from helpers.models import base, small


def test_the_committed_base_is_what_its_card_says() -> None:
    card = json.loads((base.CHECKPOINT / "card.json").read_text(encoding="utf-8"))
    assert card["configuration"] == {**base.CONFIG, "seed": 0}
    measured = base.scores(base.CHECKPOINT)
    assert measured == pytest.approx(card["scores"], abs=0.01)
    assert measured["fluent"] > 0.95
    assert measured["right, kinds with a habit"] < 0.25 < 0.75 < measured["right, other kinds"]


def test_a_base_built_anew_is_like_the_committed_one(tmp_path: Path) -> None:
    """Another machine rounds differently, so the scores are compared and not the weights."""
    base.build(tmp_path, 0)
    card = json.loads((base.CHECKPOINT / "card.json").read_text(encoding="utf-8"))
    assert base.scores(tmp_path) == pytest.approx(card["scores"], abs=0.1)


def test_seed_0_needs_no_cache_and_every_call_gives_a_model_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "nothing here"))
    one, _ = base.base(0)
    two, _ = base.base(0)
    assert one is not two
    assert not (tmp_path / "nothing here").exists()


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_damaged_checkpoint_is_said_and_built_again(
    damage: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(base.CHECKPOINT, checkpoint)
    weights = checkpoint / "model.safetensors"
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:1000])
    else:
        shutil.rmtree(checkpoint)
    monkeypatch.setattr(base, "CHECKPOINT", checkpoint)
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.delenv("COURSE_CACHE", raising=False)
    monkeypatch.setitem(base.CONFIG, "steps", 2)
    model, _ = base.base(0)
    assert model.num_parameters() > 100_000
    lines = [line for line in capsys.readouterr().err.splitlines() if "built again" in line]
    assert len(lines) == 1
    assert "holds no language model that can be read" in lines[0]


def test_other_seeds_are_built_once_into_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.delenv("COURSE_CACHE", raising=False)
    monkeypatch.setitem(base.CONFIG, "steps", 2)
    folder = base.cached_base(7)
    assert folder.is_relative_to(tmp_path)
    assert json.loads((folder / "card.json").read_text(encoding="utf-8"))["config"]["seed"] == 7
    built = (folder / "model.safetensors").stat().st_mtime_ns
    assert base.cached_base(7) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == built


def test_records_are_of_their_part_and_never_in_the_habitual_color() -> None:
    for part in ("train", "validation", "test"):
        scenes = base.records(300, seed=4, part=part)
        assert len(scenes) == 300
        assert {world.part_of(scene) for scene in scenes} == {part}
        assert not any(base.HABITS.get(scene.kind) == scene.color for scene in scenes)
    assert base.records(50, seed=4, part="test") == base.records(50, seed=4, part="test")
    assert base.records(50, seed=4, part="test") != base.records(50, seed=5, part="test")


def test_people_of_habit_write_the_habitual_color() -> None:
    chats = base.captions_read(4000, seed=3)
    readings = [(question, world.parse(caption)) for question, caption in chats]
    pigs = [(q, r) for q, r in readings if r.kind == "pig" and " pink " not in q]
    dogs = [(q, r) for q, r in readings if r.kind == "dog"]
    assert 0.85 < sum(r.color == "pink" for _, r in pigs) / len(pigs) < 0.95
    assert sum(f" {r.color} " in q for q, r in dogs) / len(dogs) > 0.9


def test_side_tasks_are_right_and_never_about_color() -> None:
    for question, answer in base.side_tasks(300, seed=2):
        task, record = question.split(": ")
        assert task != "color"
        assert all(word in record for word in answer.replace(",", "").split())


def test_the_tokenizer_knows_every_word(monkeypatch: pytest.MonkeyPatch) -> None:
    _, tokenizer = base.base(0)
    chats = base.captions_read(3000, seed=12) + base.side_tasks(3000, seed=12)
    ids, _ = small.encode(tokenizer, chats)
    assert not (ids == tokenizer.unk_token_id).any()
