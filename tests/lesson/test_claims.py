from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.lesson import claims
from helpers.lesson.claims import Claim, Interval, Rule, agrees, contradicts, interval
from helpers.settings import CourseError

finite = st.floats(-1e6, 1e6, allow_nan=False)


def test_interval_against_a_hand_worked_one() -> None:
    # n = 6, mean 3.5, sum of squares 17.5, s = √3.5, t(0.975, 5) = 2.5706 (any table of t).
    found = interval([1, 2, 3, 4, 5, 6])
    half = 2.5706 * math.sqrt(3.5) / math.sqrt(6)
    assert found.mean == 3.5
    assert found.low == pytest.approx(3.5 - half, abs=1e-3)
    assert found.high == pytest.approx(3.5 + half, abs=1e-3)


@pytest.mark.parametrize(("count", "t"), [(2, 12.706), (3, 4.303), (10, 2.262)])
def test_interval_uses_the_quantile_of_its_own_number_of_values(count: int, t: float) -> None:
    values = [float(i % 2) for i in range(count)]
    mean = sum(values) / count
    s = math.sqrt(sum((v - mean) ** 2 for v in values) / (count - 1))
    assert interval(values).high - mean == pytest.approx(t * s / math.sqrt(count), rel=1e-3)


def test_interval_of_one_value_is_infinite() -> None:
    assert interval([0.4]) == Interval(0.4, -math.inf, math.inf, 1)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_interval_refuses(values: list[float]) -> None:
    with pytest.raises(CourseError):
        interval(values)


@given(st.lists(finite, min_size=2, max_size=12), finite)
def test_interval_moves_with_its_values(values: list[float], shift: float) -> None:
    here, there = interval(values), interval([v + shift for v in values])
    assert there.mean == pytest.approx(here.mean + shift, abs=1e-3)
    assert there.high - there.low == pytest.approx(here.high - here.low, rel=1e-3, abs=1e-3)


SIX = [0.50, 0.52, 0.54, 0.56, 0.58, 0.60]  # interval about [0.511, 0.589]


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        (Rule(low=0.5), "holds"),
        (Rule(low=0.6), "fails"),
        (Rule(low=0.55), "inconclusive"),  # the mean lies on the boundary
        (
            Rule(low=0.52),
            "inconclusive",
        ),  # the mean is inside, not the interval
        (Rule(high=0.6), "holds"),
        (Rule(high=0.5), "fails"),
        (Rule(high=0.57), "inconclusive"),
        (Rule(0.5, 0.6), "holds"),
        (Rule(0.52, 0.6), "inconclusive"),
        (Rule(0.6, 0.7), "fails"),
        (Rule(0.3, 0.5), "fails"),
    ],
)
def test_verdicts_by_hand(rule: Rule, verdict: str) -> None:
    assert rule.verdict(interval(SIX)) == verdict


def test_fewer_than_six_seeds_give_no_verdict() -> None:
    assert Rule(low=0.0).verdict(interval(SIX[:5])) == "inconclusive"
    assert Rule(low=0.9).verdict(interval(SIX[:5])) == "inconclusive"


@pytest.mark.parametrize("bounds", [(), (0.6, 0.4), (0.5, 0.5)])
def test_a_rule_needs_a_region(bounds: tuple[float, ...]) -> None:
    with pytest.raises(CourseError):
        Rule(*bounds)


def test_contradiction_is_holds_against_fails_only() -> None:
    assert contradicts("holds", "fails")
    assert contradicts("fails", "holds")
    for pair in [("holds", "holds"), ("inconclusive", "holds"), ("fails", "inconclusive"), (None, None)]:
        assert not contradicts(*pair)  # type: ignore[arg-type]


def test_agreement() -> None:
    stored = dict(enumerate(SIX))
    assert agrees({0: 0.505}, stored, 0.02, repeatable=True)  # near its own seed's value
    assert agrees({7: 0.56}, stored, 0.0, repeatable=True)  # another seed, inside the prediction interval
    assert not agrees({7: 0.9}, stored, 0.0, repeatable=True)
    assert not agrees({0: 0.9}, stored, 0.02, repeatable=True)
    assert not agrees({0: 0.56}, stored, 0.02, repeatable=True)  # where another seed lies, but not its own
    assert agrees({0: 0.56}, stored, 0.02, repeatable=False)  # a training may come out like another seed's
    assert not agrees({0: 0.9}, stored, 0.02, repeatable=False)
    assert agrees({0: 0.99}, dict.fromkeys(range(6), 1.0), 0.02, repeatable=False)  # no spread among seeds
    assert not agrees({0: 0.50, 1: 0.9}, stored, 0.02, repeatable=True)  # one of two is off
    assert agrees({}, stored, 0.02, repeatable=True) is None
    assert agrees({0: 0.5}, {}, 0.02, repeatable=True) is None


def test_a_row_of_the_ledger_has_json_types_only() -> None:
    claim = Claim(
        "01",
        "n",
        "e",
        "m",
        ["T1"],
        "world",
        "s",
        "p",
        "u",
        [0],
        [0.5],
        Rule(low=0.1),
        "holds",
        {0: 0.5},
        None,
    )
    row = claim.row()
    assert row["low"] is None
    assert row["high"] is None
    assert row["mean"] == 0.5
    assert row["verdict"] == "inconclusive"
    assert row["rule"] == "above 0.1"
    assert row["region"] == [0.1, None]
    assert row["live"] == {"0": 0.5}


def test_a_forecast_has_no_verdict_and_an_unmeasured_claim_is_inconclusive() -> None:
    forecast = Claim("00", "n", None, None, [], "forecast", "s", "p", "u", [0], [0.5], None, None)
    unmeasured = Claim("00", "n", "e", "m", [], "world", "s", "p", "u", [], [], Rule(low=0), "holds")
    assert forecast.verdict is None
    assert unmeasured.verdict == "inconclusive"
    assert unmeasured.row()["mean"] is None
    assert claims.MIN_SEEDS == 6
