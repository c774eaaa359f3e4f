"""Public preference data: a slice from this machine or from the hub, and the training on it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import helpers
from helpers.course import evidence
from helpers.models import hub_data
from helpers.models.hub_data import DATASETS, hub_slice
from helpers.settings import ROOT
from tests.models.standin_hub import build_standin_data, said, thumbs

#: Where the section that trains a real model stands.
SOURCES = sorted((ROOT / "notebooks" / "source").glob("*.py"))


@pytest.fixture
def downloaded(standin_hub: Path, tmp_path: Path, hub_at: Callable[[Path], None]) -> Path:
    """A machine that has the tiny models and a few rows of each data set, and no network."""
    hub = tmp_path / "hub"
    hub.mkdir()
    for repository in standin_hub.iterdir():
        (hub / repository.name).symlink_to(repository)
    build_standin_data(hub)
    hub_at(hub)
    return hub


def test_the_table_is_complete() -> None:
    for key, data in DATASETS.items():
        assert key == key.lower()
        assert data.id.count("/") == 1
        assert len(data.revision) == 40
        assert data.file.endswith(".parquet")
        assert 1 < data.size_mb < 1000
        assert data.license
        assert data.used_for


def test_a_slice_of_thumbs(downloaded: Path, no_network: None) -> None:
    data = hub_slice("kto-mix", 10, longest=60)
    assert data is not None
    assert data.column_names == ["prompt", "completion", "label"]
    assert len(data) == 10
    assert all(row in thumbs(60) for row in data)
    assert {row["completion"][0]["content"] for row in data} == {"Yes."}  # the long ones are left out
    assert set(data["label"]) == {True, False}
    assert hub_slice("kto-mix", 10, longest=60)["prompt"] == data["prompt"]
    assert len(hub_slice("kto-mix", 1000, longest=1000)) == 60


def test_a_slice_of_revisions_is_split_where_the_answers_differ(downloaded: Path, no_network: None) -> None:
    data = hub_slice("clair", 5, longest=1000)
    assert data is not None
    assert data.column_names == ["prompt", "chosen", "rejected"]
    for row in data:
        (prompt,), (chosen,), (rejected,) = row["prompt"], row["chosen"], row["rejected"]
        assert prompt["content"].startswith("Is ")
        assert chosen["content"].startswith("It is ")
        assert rejected == said("assistant", "I don't know.")


def test_what_is_missing_offline_costs_one_line(
    standin_hub: Path, no_network: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hub_slice("kto-mix", 10, longest=60) is None
    assert capsys.readouterr().err == (
        "trl-lib/kto-mix-14k is not used: it is not on this machine, and HF_HUB_OFFLINE forbids a download.\n"
    )


def test_a_download_that_fails_costs_one_line(
    standin_hub: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from huggingface_hub import constants

    def fail(*arguments: Any, **options: Any) -> str:
        assert options["revision"] == DATASETS["clair"].revision
        assert options["repo_type"] == "dataset"
        assert options["etag_timeout"] == hub_data.CONNECT_SECONDS
        raise ConnectionError("no route")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub_data, "_answers", lambda data: True)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    assert hub_slice("clair", 10, longest=60) is None
    assert capsys.readouterr().err.endswith("is not used: its download failed (ConnectionError).\n")


# --- the section that trains a real model, with a tiny one in its place -------------------------------------


@pytest.fixture
def section(downloaded: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the section's cells define, at the smallest size, with the tiny model as the real one."""
    source = next(path for path in SOURCES if "def real_thumbs(" in path.read_text(encoding="utf-8"))
    monkeypatch.setenv("COURSE_SMOKE", "1")
    scope: dict[str, Any] = {"lesson": helpers.begin("00")}
    for cell in evidence.REAL.cells(source):
        exec(compile(cell, str(source), "exec"), scope)
    return scope


def mixed_thumbs(model: Any, tokenizer: Any, scenes: list[Any], seed: int) -> list[tuple[str, str, bool]]:
    """What a better model than the tiny one would give: right and wrong captions of the same records."""
    from helpers import world

    return [
        (f"Caption: {world.record(s)}", world.captions(s)[n % 3], n % 2 == 0) for n, s in enumerate(scenes)
    ]


def test_the_experiment_reports_every_stage(section: dict[str, Any], no_network: None) -> None:
    section["thumbs_on_samples"] = mixed_thumbs
    measures = section["real_thumbs"](0)
    assert all(math.isfinite(value) for value in measures.values())
    for name in ["base", "SFT", "KTO", "APO-zero", "more SFT"]:
        assert 0 <= measures[f"{name}: accuracy"] <= 1
    for name in ["SFT", "thumbs", "KTO", "APO-zero", "more SFT"]:
        assert measures[f"{name}: seconds"] > 0
        assert measures[f"{name}: peak MB"] > 100
    # The reference is the SFT model itself: at the first step there is no reward, and the losses are known.
    assert measures["KTO: loss 0"] == pytest.approx(0.5, abs=1e-4)
    assert measures["APO-zero: loss 0"] == pytest.approx(1.0, abs=1e-4)
    assert measures["APO-zero: rewards/chosen 0"] == 0
    assert measures["KTO: over more SFT"] == measures["KTO: accuracy"] - measures["more SFT: accuracy"]


def test_an_adapter_that_is_not_merged_gives_the_wrong_reference(
    section: dict[str, Any], no_network: None
) -> None:
    """The trap of which the section warns: switched off, an adapter leaves the model before it."""
    import torch
    from peft import LoraConfig, get_peft_model

    from helpers.models import real

    lm = real.language_model()
    assert lm is not None
    model = get_peft_model(lm.model, LoraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    before = section["scored_answers"](model, lm.tokenizer, [("one", "two")])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(generator=torch.Generator().manual_seed(0))
    after = section["scored_answers"](model, lm.tokenizer, [("one", "two")])
    assert abs(after - before) > 0.01
    with model.disable_adapter():
        assert section["scored_answers"](model, lm.tokenizer, [("one", "two")]) == pytest.approx(before)
    recipe = section["Recipe"]("kto", 1e-3, steps=1, batch=2)
    rows = section["trl_rows"]("kto", [("one", "two", True), ("three", "four", False)])
    with pytest.raises(ValueError, match="first merge"):  # TRL catches a second adapter
        section["train_lora"](model, lm.tokenizer, rows, recipe, seed=0)
    merged = section["without_patch"](model.merge_and_unload())
    assert section["scored_answers"](merged, lm.tokenizer, [("one", "two")]) == pytest.approx(after, abs=1e-3)


def test_scores_are_those_of_one_chat_at_a_time(section: dict[str, Any], no_network: None) -> None:
    from helpers.models import real

    lm = real.language_model()
    assert lm is not None
    chats = [("a b c", "one"), ("d", "two three four"), ("e f", "a longer answer than the others")]
    together = section["scored_answers"](lm.model, lm.tokenizer, chats)
    alone = [float(section["scored_answers"](lm.model, lm.tokenizer, [chat])[0]) for chat in chats]
    assert together.tolist() == pytest.approx(alone, abs=1e-3)


def test_pairs_are_within_one_question(section: dict[str, Any]) -> None:
    rows = [("p", "a", True), ("q", "b", False), ("p", "c", False), ("p", "d", False), ("q", "e", False)]
    assert section["pairs_within_questions"](rows) == [("p", "a", "c"), ("p", "a", "d")]


def test_scenes_are_of_their_part_and_against_habit(section: dict[str, Any]) -> None:
    from helpers import world

    scenes = section["scenes_against_habit"](192, 1_000_000, "train")
    assert len(scenes) == 192
    assert {world.part_of(scene) for scene in scenes} == {"train"}
    assert all(section["HABITUAL"].get(scene.kind) != scene.color for scene in scenes)
    assert len(section["scenes_against_habit"](24, 3_000_000, "test")) == 24
    rng = random.Random(0)
    read = [section["written_by_habit"](scene, rng) for scene in scenes if scene.kind == "pig"]
    assert sum("pink" in caption for _, caption in read) > len(read) / 2


def test_the_same_calls_train_on_public_data(
    section: dict[str, Any], no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_TIER", "gpu")  # its models, on this CPU
    table = section["train_on_public_data"](steps=3)
    assert [row[0] for row in table] == [
        "kto on trl-lib/kto-mix-14k",
        "apo_zero on ContextualAI/ultrafeedback_clair_32k",
    ]
    assert [row[1] for row in table] == [24, 24]
