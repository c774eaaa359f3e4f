"""The warm-up and the benchmark: one line each, and no failure for what is merely missing."""

from __future__ import annotations

import time

import pytest

import helpers.models
from helpers.course import bench, warm
from helpers.settings import CourseError


class Model:
    source = "From a package."


@pytest.mark.parametrize(
    ("load", "status", "told"),
    [
        (lambda: Model(), 0, "The real language model is ready"),
        (lambda: None, 0, ""),
        (lambda: (_ for _ in ()).throw(CourseError("The disk is full.")), 1, "The disk is full."),
    ],
)
def test_warming_says_what_it_did(monkeypatch, capsys, load, status, told):
    monkeypatch.setattr(helpers.models, "language_model", load, raising=False)
    monkeypatch.setattr(helpers.models, "image_encoder", lambda: None, raising=False)
    assert warm.run() == status
    assert told in capsys.readouterr().out


def test_a_rate_is_scenes_a_second():
    assert bench.rate(lambda scenes: time.sleep(0.02), [[None] * 10, [None] * 10]) == pytest.approx(
        500, rel=0.5
    )


def test_the_benchmark_measures_the_world_and_prints_ratios(monkeypatch, capsys):
    rates = bench.world_rates(pictures=200, films=30, naive=5)
    assert all(entry.per_second > 0 for entry in rates)
    monkeypatch.setattr(bench, "world_rates", lambda: rates)
    assert bench.run() == 0
    printed = capsys.readouterr().out
    assert "times as fast" in printed
    assert "(wanted: 5,000)" in printed
