"""A training in two processes on this machine is the training in one; killed, it goes on where it was."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from helpers import settings
from helpers.models import base
from helpers.preference.recipe import Trained, load_trained, read_recipe, run_recipe
from tests.preference import fsdp_worker
from tests.preference.process_group import PATIENCE, end, environment, finish, start

pytestmark = pytest.mark.usefixtures("one_thread")

HERE = Path(__file__).parent
METHODS = ("sft", "kto", "dpo")


def rows_of(data):
    return [{name: row[name] for name in data.column_names} for row in data]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def recipe_of(folder, thumbs, stock_thumbs, pairs):
    """The path of a recipe for a method, with its data."""
    for name, data in (("thumbs", thumbs), ("stock", stock_thumbs), ("pairs", pairs)):
        text = "".join(json.dumps(row) + "\n" for row in rows_of(data))
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")

    def write(method, output, data=None, **changes):
        settings = {
            "model": str(base.CHECKPOINT),
            "data": f"{data or ('pairs' if method != 'kto' else 'thumbs')}.jsonl",
            "method": method,
            "output": output,
            "learning_rate": 1e-3,
            "steps": 12,
            "batch_size": 8,
            "rank": 4,
            "alpha": 8,
            "beta": 0.5,
            "save_every": 4,
            **changes,
        }
        path = folder / f"{output}.yaml"
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture(scope="module")
def in_two(folder, recipe_of):
    """Every method in two processes, and KTO on thumbs that move its reference point; one pair runs all."""
    recipes = {method: recipe_of(method, f"{method}-two") for method in METHODS}
    recipes["stock"] = recipe_of("kto", "stock-two", "stock", learning_rate=2e-3)
    finish(start(HERE / "recipe_worker.py", *recipes.values()))
    return {name: finished(path) for name, path in recipes.items()}


def finished(path):
    """The run that a recipe's folder holds; it is read, not trained."""
    recipe = read_recipe(path)
    log = [json.loads(line) for line in (recipe.output / "log.jsonl").read_text().splitlines()]
    done = Trained(recipe.output, log, recipe.steps)
    assert done.weights.is_dir()
    return done


def furthest(one, two):
    """The largest difference of any weight of two runs."""
    models = [load_trained(run.folder)[0] for run in (one, two)]
    pairs = zip(*(model.parameters() for model in models), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


def furthest_loss(one, two):
    pairs = zip(one.curve("loss"), two.curve("loss"), strict=True)
    return max(abs(a - b) for a, b in pairs)


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_are_one_at_the_same_global_batch(method, in_two, recipe_of):
    """Losses within 1e-5 and weights within 1e-4, of which training moves some by more than 1e-3."""
    two = in_two[method]
    assert len(two.log) == 12
    one = run_recipe(read_recipe(recipe_of(method, f"{method}-one")))
    assert furthest_loss(one, two) < 1e-5
    assert furthest(one, two) < 1e-4
    moved = load_trained(two.folder)[0]
    assert max((a - b).abs().max().item() for a, b in zip(moved.parameters(), _base(), strict=True)) > 1e-3


def _base():
    return base.base(0)[0].parameters()


def test_all_ranks_end_with_the_same_weights(in_two):
    for run in in_two.values():
        kept = json.loads((run.folder / "run.json").read_text())
        assert kept["processes"] == len(kept["weights"]) == 2
        assert kept["weights"][0] == kept["weights"][1]


def test_kto_depends_on_the_rows_at_once_where_its_reference_point_moves(in_two, recipe_of):
    """z0 over eight rows in two processes, over four at a time in one: the same mean, another loss."""
    two = in_two["stock"]
    assert sum(kl > 0 for kl in two.curve("kl")) >= 6
    path = recipe_of("kto", "stock-parts", "stock", learning_rate=2e-3, micro_batch_size=4)
    parts = run_recipe(read_recipe(path))
    assert parts.curve("kl")[:6] == pytest.approx(two.curve("kl")[:6], abs=0.02)
    assert 1e-3 < furthest_loss(parts, two) < 0.1


# --- killed -------------------------------------------------------------------------------------------------


def killed(path, step):
    """Start the recipe in two slow processes and kill both, unwarned, after the checkpoint of a step."""
    output = read_recipe(path).output
    processes = start(HERE / "recipe_worker.py", path, PAUSE="0.15")
    deadline = time.monotonic() + PATIENCE
    try:
        while not (output / "checkpoints" / f"checkpoint-{step}" / "whole").exists():
            assert time.monotonic() < deadline, "no checkpoint came"
            assert all(one.poll() is None for one in processes), processes[0].communicate()[1][-3000:]
            time.sleep(0.01)
    finally:
        end(processes)
    return output


def test_killed_and_launched_again_it_ends_as_if_nothing_had_happened(in_two, recipe_of):
    path = recipe_of("kto", "kto-killed")
    output = killed(path, 8)
    before = (output / "log.jsonl").read_text().splitlines()
    assert not (output / "adapter").exists()
    # What a kill in the middle of saving leaves.
    shutil.copytree(output / "checkpoints/checkpoint-8", output / "checkpoints/checkpoint-11")
    (output / "checkpoints/checkpoint-11/whole").unlink()
    (output / "checkpoints/checkpoint-11/trainer_state.json").write_text("{")

    again = launched(path)
    assert again.returncode == 0, again.stderr[-3000:]
    assert again.stdout.startswith("kto, 12 steps: loss ")
    run = finished(path)
    assert (output / "log.jsonl").read_text().splitlines()[:8] == before[:8]  # not computed again
    assert [entry["step"] for entry in run.log] == list(range(1, 13))
    assert furthest_loss(run, in_two["kto"]) < 1e-6
    assert furthest(run, in_two["kto"]) < 1e-6
    assert not (output / "checkpoints").exists()
    assert json.loads((output / "run.json").read_text())["processes"] == 2


def launched(path):
    """The line of the documentation. Without GPUs ``--multi_gpu`` starts processes on the CPU."""
    line = ["launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]
    return subprocess.run(
        [sys.executable, "-m", "accelerate.commands.accelerate_cli", *line, "-m", "helpers", "train", path],
        cwd=settings.ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


# --- sharded ------------------------------------------------------------------------------------------------


def test_weights_sharded_over_two_processes_train_as_in_one(folder, recipe_of):
    """fully_shard over gloo, with the course's own KTO loss: accelerate would quietly use DDP on a CPU."""
    recipe_of("kto", "unused")  # writes the data
    path = str(folder / "thumbs.jsonl")
    one, (first, second) = (
        fsdp_worker.train(path),
        map(json.loads, finish(start(HERE / "fsdp_worker.py", path))),
    )
    assert first["losses"] == second["losses"] == pytest.approx(one["losses"], abs=1e-5)
    assert first["weights"] == second["weights"] != one["weights"][:0]
    assert first["here"] + second["here"] == one["here"]
    assert abs(first["here"] - second["here"]) < 0.1 * one["here"]
    assert one["losses"][-1] < one["losses"][0] - 0.05
