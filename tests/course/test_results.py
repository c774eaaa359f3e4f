"""What lessons gave: rows of the ledger read, judged, and put into words."""

from __future__ import annotations

import json

import pytest

from helpers.course import results

MEASURED = {"mean": 0.6, "low": 0.53, "high": -0.67, "unit": "share"}


def test_the_last_row_of_a_claim_counts(tmp_path):
    rows = [{"name": "a", "mean": 1}, {"name": "b", "mean": 2}, {"name": "a", "mean": 3}]
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text("\n".join(map(json.dumps, rows)) + "\n")
    assert results.read_ledger(ledger) == [{"name": "a", "mean": 3}, {"name": "b", "mean": 2}]
    assert results.read_ledger(tmp_path / "none.jsonl") == []


def test_half_a_last_row_is_left_out_and_any_other_damage_is_not(tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_bytes('{"name": "a"}\n{"name": "b", "unit": "é"'.encode()[:-2])
    assert results.read_ledger(ledger) == [{"name": "a"}]
    ledger.write_text('{"name": "a\n{"name": "b"}\n')
    with pytest.raises(ValueError, match="Unterminated"):
        results.read_ledger(ledger)


@pytest.mark.parametrize(
    ("verdict", "expected", "agrees", "judged"),
    [
        ("holds", "holds", True, results.FINE),
        ("holds", "holds", None, results.FINE),
        ("holds", "fails", True, results.CONTRADICTED),
        ("fails", "holds", False, results.CONTRADICTED),
        ("inconclusive", "holds", True, results.SLIPPED),
        ("inconclusive", "inconclusive", None, results.FINE),
        ("holds", "inconclusive", None, results.FINE),
        ("holds", "holds", False, results.DISAGREES),
        (None, None, None, results.FINE),
    ],
)
def test_judging(verdict, expected, agrees, judged):
    assert results.judge({"verdict": verdict, "expected": expected, "live_agrees": agrees}) == judged


def test_measured_says_what_is_missing():
    assert results.measured(MEASURED) == "0.6 [0.53, −0.67] share"
    assert "too few seeds" in results.measured({**MEASURED, "low": None, "high": None})
    assert results.measured({**MEASURED, "mean": None}) == "not measured"


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ({"verdict": "holds", "expected": "holds"}, "✔ holds"),
        ({"verdict": None, "expected": None}, "— forecast"),
        ({"verdict": "fails", "expected": "holds"}, "✘ fails (expected: holds)"),
        ({"verdict": "inconclusive", "expected": "fails"}, "? inconclusive (expected: fails)"),
        ({"verdict": "holds", "expected": "holds", "live_agrees": False}, "✔ holds (live run disagrees)"),
    ],
)
def test_a_verdict_says_what_is_odd_about_it(claim, words):
    assert results.verdict_words(claim) == words


def test_the_line_on_a_lesson_has_its_problem():
    passed = results.LessonResult("00", "First", "passed", 1.4, 99.6)
    assert results.status_line(passed) == "✔ 00 First: passed, 1 s, 100 MB"
    failed = results.LessonResult("00", "First", "failed", 1.4, 99.6, "It broke.")
    assert results.status_line(failed) == "✘ 00 First: failed, 1 s, 100 MB. It broke."
    assert results.status_line(results.LessonResult("01", "Second")) == "· 01 Second"
