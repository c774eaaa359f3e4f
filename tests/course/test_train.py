"""The training from the command line: what it prints, once for all processes together, and its errors."""

from __future__ import annotations

import json
import os

import pytest
import torch

import helpers.__main__ as commands
from helpers.models import base
from helpers.preference import recipe as recipes


@pytest.fixture(autouse=True)
def _stay_here(monkeypatch):
    monkeypatch.setattr(commands, "_go_inside", lambda arguments: None)
    monkeypatch.setenv("COURSE_TIER", "cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # so that what the command sets is taken back


@pytest.fixture
def config(tmp_path):
    rows = [{"prompt": "cat", "completion": "a cat", "label": True}] * 2
    rows += [{"prompt": "cat", "completion": "a dog", "label": False}] * 2
    (tmp_path / "thumbs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = tmp_path / "kto.yaml"
    path.write_text(
        f"model: {base.CHECKPOINT}\ndata: thumbs.jsonl\nmethod: kto\noutput: run\nlearning_rate: 1e-4\n"
        "steps: 2\nbatch_size: 4\n",
        encoding="utf-8",
    )
    return path


def test_it_trains_and_says_where_the_result_lies(config, capsys):
    assert commands.main(["train", str(config)]) == 0
    output = config.parent / "run"
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "kto, 2 steps: loss 0.5 at the first, 0.5 at the last.",
        f"Result: {output / 'adapter'}, with log.jsonl and recipe.yaml in {output}.",
    ]
    assert commands.main(["train", str(config)]) == 0  # finished: nothing to do
    assert capsys.readouterr().out.splitlines() == said


def test_a_recipe_that_is_wrong_is_one_sentence(config, capsys):
    config.write_text(config.read_text().replace("steps: 2", "steps: no"), encoding="utf-8")
    assert commands.main(["train", str(config)]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "kto.yaml: steps must be a whole number, not False.\n")


def test_of_several_processes_one_speaks(config, capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    for rank in ("1", "0"):
        monkeypatch.setenv("RANK", rank)
        assert commands.main(["train", str(config)]) == 1
    said = capsys.readouterr().err
    assert (
        said
        == "A batch of 4 rows cannot be shared by 3 processes: make batch_size a multiple of their number.\n"
    )


def test_a_full_memory_is_one_sentence(config, capsys, monkeypatch):
    def full(recipe):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(recipes, "run_recipe", full)
    assert commands.main(["train", str(config)]) == 1
    assert capsys.readouterr().err.startswith("The GPU's memory is full: halve micro_batch_size")


@pytest.mark.parametrize(
    ("given", "seen"), [({}, "0"), ({"CUDA_VISIBLE_DEVICES": "1"}, "1"), ({"WORLD_SIZE": "2"}, None)]
)
def test_one_process_takes_one_gpu(given, seen, config, monkeypatch):
    found = []
    monkeypatch.setattr(recipes, "run_recipe", lambda _: found.append(os.environ.get("CUDA_VISIBLE_DEVICES")))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("RANK", "1")  # says nothing
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    commands.main(["train", str(config)])
    assert found == [seen]
