"""The captioner: what it has read, what it can do, and that the committed pair is what its card says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers import world
from helpers.models import small
from helpers.video import captioner, tokens


def test_the_committed_pair_is_what_its_card_says() -> None:
    card = json.loads((captioner.CHECKPOINT / "card.json").read_text(encoding="utf-8"))
    assert card["encoder"] == {**tokens.CONFIG, "seed": 0}
    assert card["captioner"] == {**captioner.CONFIG, "seed": 0}
    measured = captioner.scores(captioner.CHECKPOINT)
    assert measured == pytest.approx(card["scores"], abs=0.03)
    assert measured["tokens tell kind"] > 0.9
    assert 0.4 < measured["captions right, sampled"] < measured["captions right, greedy"] < 0.85


def test_the_committed_files_are_small() -> None:
    assert sum(file.stat().st_size for file in captioner.CHECKPOINT.iterdir()) < 3_000_000


def test_seed_0_needs_no_cache_and_every_call_gives_a_model_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "nothing here"))
    one, tokenizer = captioner.captioner(0)
    two, _ = captioner.captioner(0)
    assert one is not two
    assert not (tmp_path / "nothing here").exists()
    assert tokenizer.get_vocab() == captioner.tokenizer().get_vocab()


def test_the_tokenizer_knows_every_word() -> None:
    scenes = captioner.clips("captions", 400, 3)
    chats = [(tokens.every_word()[9], caption) for caption in captioner.captions_by_hand(scenes, 3)]
    chats += [(text, world.describe(scenes[0])) for text in tokens.every_word()]
    ids, _ = small.encode(captioner.tokenizer(), chats)
    assert not (ids == captioner.tokenizer().unk_token_id).any()


def test_no_two_parts_or_seeds_share_a_clip() -> None:
    found = [captioner.clips(part, 50, seed) for part in ("captions", "thumbs", "test") for seed in (0, 1)]
    clips = [scene for part in found for scene in part]
    assert len(set(clips)) == len(clips)
    assert captioner.clips("dev", 5, 2) == captioner.clips("dev", 5, 2)


def test_the_annotator_has_habits_and_slips() -> None:
    scenes = captioner.clips("captions", 6000, 5)
    readings = [world.parse(caption) for caption in captioner.captions_by_hand(scenes, 5)]
    pairs = list(zip(readings, scenes, strict=True))
    pink = [r.kind for r, s in pairs if s.color == "pink" and s.kind != "pig"]
    assert 0.46 < pink.count("pig") / len(pink) < 0.62
    night = [r.verb for r, s in pairs if s.place == "night" and s.verb != "sleeps"]
    assert 0.46 < night.count("sleeps") / len(night) < 0.62
    colors = [r.color == s.color for r, s in pairs]
    assert 0.94 < sum(colors) / len(colors) < 0.97
    assert all(r.size == s.size and r.place == s.place for r, s in pairs)


def test_prompts_are_kept_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.delenv("COURSE_CACHE", raising=False)
    first = captioner.prompts("test", 5, 0)
    assert first == tokens.described(tokens.encoder(0), captioner.clips("test", 5, 0))

    def refuse(*_: object) -> None:
        raise AssertionError("encoded again")

    monkeypatch.setattr(tokens, "described", refuse)
    assert captioner.prompts("test", 5, 0) == first


def test_a_captioner_is_built_from_its_own_encoder_s_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A full rebuild takes a minute; a short one must learn the sentences' form."""
    monkeypatch.setitem(captioner.CONFIG, "captions", 200)
    monkeypatch.setitem(captioner.CONFIG, "steps", 60)
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COURSE_CACHE", raising=False)
    folder = tmp_path / "built"
    folder.mkdir()
    captioner.build(folder, 0)
    model, tokenizer = small.load(folder)
    said = small.sample(model, tokenizer, captioner.prompts("test", 20, 0), seed=1, temperature=0)
    assert sum(world.parse(caption) is not None for caption in said) > 10
