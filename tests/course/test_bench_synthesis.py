"""The benchmark of the pipeline: what it measures, and when it fails."""

from __future__ import annotations

import pytest

from helpers.course import bench, bench_synthesis
from helpers.course.bench_synthesis import Row, documents, synthesis_rows


def test_it_measures_growth_ratio_and_processes():
    rows = synthesis_rows(sizes=(50, 100, 200), compared=300, verified=20)
    assert [row.name for row in rows] == [
        "near duplicates, 50",
        "near duplicates, 100",
        "near duplicates, 200",
        "… a row",
        "… against all pairs",
        "verified, 1 process",
        "verified, 2 processes",
    ]
    assert min(row.value for row in rows) > 0


def test_a_third_of_the_documents_are_nearly_earlier_ones():
    from helpers.synthesis.duplicates import naive_twins

    found = naive_twins(documents(90, seed=1))
    assert 20 <= sum(twin is not None for twin in found) <= 30
    assert documents(9, seed=1) == documents(9, seed=1) != documents(9, seed=2)


@pytest.mark.parametrize(
    ("row", "slow"),
    [
        (Row("a", 3.9, "times", least=4), True),
        (Row("a", 4.0, "times", least=4), False),
        (Row("a", 2.1, "times", most=2), True),
        (Row("a", 2.0, "times", most=2), False),
        (Row("a", 0.0, "s"), False),
    ],
)
def test_what_is_below_or_above_the_limit_fails_the_benchmark(monkeypatch, capsys, row, slow):
    pictures = bench.Rate("pictures, 32 px", 9000.0, "pictures/s", 5000)
    monkeypatch.setattr(
        bench, "world_rates", lambda: [pictures, bench.Rate("naive: every sprite anew", 100.0, "pictures/s")]
    )
    monkeypatch.setattr(bench, "video_ratios", list)
    monkeypatch.setattr(bench, "training_speedups", list)
    monkeypatch.setattr(bench, "synthesis_rows", lambda: [row])
    monkeypatch.setattr(bench, "fleet_rows", list)
    assert bench.run() == int(slow)
    assert ("✘ too slow" in capsys.readouterr().out) == slow


def test_numbers_are_shown_as_wanted():
    assert str(Row("a", 1234.5, "rows/s")) == f"{'a':28} {'1,234':>12} rows/s"
    assert str(Row("b", 7.25, "times", least=4)) == f"{'b':28} {'7.2':>12} times  (wanted: at least 4)"
    assert bench_synthesis.documents(0, seed=0) == []
