"""The warm-up and the benchmark: one line each, and no failure for what is merely missing."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.course import bench, warm
from helpers.models import base, clean, real
from helpers.settings import CourseError


def found():
    return real.Weights(Path("x"), "A model", "From a package.", original=False)


def full(*_: int):
    raise CourseError("The disk is full.")


@pytest.mark.parametrize(
    ("prepare", "status", "printed"),
    [
        (found, 0, r"The real language model is ready \(\d+\.\d s\)\. From a package\.\n"),
        (lambda: None, 0, ""),  # the model itself says so
        (full, 1, r"No real language model: The disk is full\.\n"),
    ],
)
def test_warming_says_what_it_did(monkeypatch, capsys, prepare, status, printed):
    monkeypatch.setattr(clean, "cached_clean", lambda seed: None)
    monkeypatch.setattr(real, "language_weights", prepare)
    monkeypatch.setattr(real, "image_weights", lambda: None)
    assert warm.run() == status
    assert re.fullmatch(rf"The clean model of seed \d+ is ready\.\n{printed}", capsys.readouterr().out)


def test_a_small_model_that_cannot_be_stored_is_told(monkeypatch, capsys):
    monkeypatch.setattr(clean, "cached_clean", full)
    assert warm.run() == 1
    assert re.fullmatch(r"No clean model of seed \d+: The disk is full\.\n", capsys.readouterr().out)


@pytest.mark.parametrize(("course_seed", "built"), [("0", ["clean 0"]), ("2", ["base 2000", "clean 2000"])])
def test_warming_builds_the_small_models_that_lessons_run_live(monkeypatch, course_seed, built):
    asked = []
    monkeypatch.setenv("COURSE_SEED", course_seed)
    monkeypatch.setattr(base, "cached_base", lambda seed: asked.append(f"base {seed}"))
    monkeypatch.setattr(clean, "cached_clean", lambda seed: asked.append(f"clean {seed}"))
    monkeypatch.setattr(real, "language_weights", lambda: None)
    monkeypatch.setattr(real, "image_weights", lambda: None)
    assert warm.run() == 0
    assert asked == built


def test_a_rate_is_scenes_a_second_at_its_best(monkeypatch):
    clock = iter([0.0, 0.04, 1.0, 1.02, 2.0, 2.08])  # the second batch is the quickest
    monkeypatch.setattr(bench, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    worked = []
    assert bench.rate(worked.append, [[1] * 10, [2] * 10, [3] * 10]) == pytest.approx(500)
    assert worked == [[1] * 10, [2] * 10, [3] * 10]


@pytest.fixture
def _nothing_compared(monkeypatch):
    for name in ("video_ratios", "training_speedups", "synthesis_rows", "fleet_rows"):
        monkeypatch.setattr(bench, name, list)


@pytest.mark.usefixtures("_nothing_compared")
def test_the_benchmark_measures_the_world_and_prints_ratios(monkeypatch, capsys):
    rates = bench.world_rates(pictures=200, films=30, naive=5)
    by_name = {entry.name: entry.per_second for entry in rates}
    assert min(by_name.values()) > 0
    assert by_name["pictures, 32 px"] > 3 * by_name["naive: every sprite anew"]
    monkeypatch.setattr(bench, "world_rates", lambda: rates)
    bench.run()
    printed = capsys.readouterr().out
    assert "times as fast" in printed
    assert "(wanted: 5,000" in printed


@pytest.mark.usefixtures("_nothing_compared")
@pytest.mark.parametrize(("per_second", "status"), [(4999.0, 1), (5000.0, 0)])
def test_a_rate_below_what_the_course_wants_fails_the_benchmark(monkeypatch, capsys, per_second, status):
    pictures = bench.Rate("pictures, 32 px", per_second, "pictures/s", 5000)
    naive = bench.Rate("naive: every sprite anew", 100.0, "pictures/s")
    monkeypatch.setattr(bench, "world_rates", lambda: [pictures, naive])
    assert bench.run() == status
    assert ("✘ too slow" in capsys.readouterr().out) == bool(status)


def test_trainings_are_timed_beside_each_other(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    kto, dpo, sft = bench.training_speedups(steps=3, rows=36, repeats=1)
    assert [entry.name for entry in (kto, dpo, sft)] == ["KTO, own loop", "DPO, own loop", "SFT, own loop"]
    assert kto.wanted == 1.8
    assert min(entry.ratio for entry in (kto, dpo, sft)) > 1


def test_films_are_drawn_and_read_faster_than_the_naive_way():
    drawn, read = bench.video_ratios(films=12, naive=2, seconds=40)
    assert (drawn.unit, read.unit) == ("films/s", "clips/s")
    assert drawn.ratio > 2
    assert read.ratio > 2


@pytest.mark.usefixtures("_nothing_compared")
@pytest.mark.parametrize(("fast", "status"), [(7.9, 1), (8.1, 0)])
def test_a_way_that_is_not_fast_enough_fails_the_benchmark(monkeypatch, capsys, fast, status):
    monkeypatch.setattr(
        bench,
        "world_rates",
        lambda: [
            bench.Rate("pictures, 32 px", 9000.0, "pictures/s", 5000),
            bench.Rate("naive: every sprite anew", 100.0, "pictures/s"),
        ],
    )
    monkeypatch.setattr(bench, "video_ratios", lambda: [bench.Ratio("a film", fast, 1.0, "clips/s", 8)])
    assert bench.run() == status
    assert ("✘ too slow" in capsys.readouterr().out) == bool(status)


@pytest.mark.usefixtures("_nothing_compared")
@pytest.mark.parametrize(("trl", "status"), [(3.5, 1), (3.7, 0)])
def test_a_loop_that_is_not_fast_enough_fails_the_benchmark(monkeypatch, capsys, trl, status):
    pictures = bench.Rate("pictures, 32 px", 9000.0, "pictures/s", 5000)
    naive = bench.Rate("naive: every sprite anew", 100.0, "pictures/s")
    monkeypatch.setattr(bench, "world_rates", lambda: [pictures, naive])
    loop = bench.Speedup("KTO, own loop", trl, 2.0, steps=40, wanted=1.8)
    monkeypatch.setattr(bench, "training_speedups", lambda: [loop])
    assert bench.run() == status
    printed = capsys.readouterr().out
    assert "50 for " in printed
    assert ("✘ too slow" in printed) == bool(status)
