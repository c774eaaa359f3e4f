from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import helpers
from helpers import settings
from helpers.lesson import claims
from helpers.lesson.session import Lesson
from helpers.settings import CourseError

STORED = {
    "experiments": {
        "noise": {"key": "k", "complete": True, "values": {str(s): {"x": 0.5 + s / 100} for s in range(6)}}
    },
    "claims": [],
}


@pytest.fixture
def lesson(shown: list[dict[str, Any]]) -> Lesson:
    """Lesson 00 with evidence of one made-up experiment."""
    made = helpers.begin("00")
    made.use_evidence(STORED)
    return made


def claim_about(lesson: Lesson, experiment: Any, **changes: Any) -> None:
    options = {"name": "n", "statement": "s", "prediction": "p", "scope": "world", "unit": "u", "above": 0.1}
    lesson.claim(experiment, "x", **{**options, **changes})


def test_an_unknown_lesson_is_one_sentence() -> None:
    with pytest.raises(CourseError, match="no lesson '99'; the course has 00, 01"):
        helpers.begin("99")


def test_live_seeds_run_and_the_others_are_read_and_said(lesson: Lesson, shown: list[dict[str, Any]]) -> None:
    ran = []

    @lesson.experiment(seeds=6)
    def noise(seed: int) -> dict[str, float]:
        ran.append(seed)
        return {"x": 0.5 + seed / 100}

    results = lesson.measure(noise, live=2)
    assert ran == [0, 1]
    assert results.values("x") == [0.5, 0.51, 0.52, 0.53, 0.54, 0.55]
    said = shown[-1]["text/plain"]
    assert "seeds 0 to 1" in said
    assert "seeds 2 to 5" in said
    assert "make evidence" in said
    with pytest.raises(CourseError, match="no measure 'y'"):
        results.values("y")


def test_another_course_seed_runs_other_seeds(lesson: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_SEED", "2")
    ran = []

    @lesson.experiment(seeds=6)
    def noise(seed: int) -> dict[str, float]:
        ran.append(seed)
        return {"x": 0.0}

    lesson.measure(noise, live=3)
    assert ran == [2000, 2001, 2002]
    assert lesson.results_of(noise).stored == {}  # the stored ones belong to other seeds


def test_a_claim_is_judged_on_all_seeds_and_written_to_the_ledger(
    lesson: Lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_LEDGER", str(tmp_path / "ledger.jsonl"))

    @lesson.experiment(seeds=6)
    def noise(seed: int) -> dict[str, float]:
        return {"x": 0.5 + seed / 100}

    lesson.measure(noise, live=1)
    claim_about(lesson, noise)
    row = json.loads((tmp_path / "ledger.jsonl").read_text())
    assert row["verdict"] == "holds"
    assert row["seeds"] == [0, 1, 2, 3, 4, 5]
    assert row["live"] == {"0": 0.5}
    assert row["live_agrees"] is True


def test_a_live_run_elsewhere_than_the_evidence_is_told(lesson: Lesson, shown: list[dict[str, Any]]) -> None:
    @lesson.experiment(seeds=6)
    def noise(seed: int) -> dict[str, float]:
        return {"x": 0.9}

    lesson.measure(noise, live=1)
    claim_about(lesson, noise)
    assert lesson.claims["n"].live_agrees is False
    assert "the live run disagrees" in shown[-1]["text/html"]


def test_on_a_gpu_tier_a_real_model_is_not_compared_with_another(
    lesson: Lesson, shown: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_TIER", "gpu")

    @lesson.experiment(seeds=6)
    def noise(seed: int) -> dict[str, float]:
        return {"x": 0.9}

    lesson.measure(noise, live=1)
    claim_about(lesson, noise, scope="real")
    assert lesson.claims["n"].live_agrees is None
    assert lesson.claims["n"].verdict == "holds"  # of the stored values
    assert shown[-1]["text/plain"] == (
        "The interval is of the CPU tier's models; the live run, on those of tier gpu, gave 0.9 u."
    )
    claim_about(lesson, noise, name="w", scope="world")  # the world's models are the same everywhere
    assert lesson.claims["w"].live_agrees is False


def test_a_tier_that_is_not_what_was_asked_for_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COURSE_TIER", "gpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    helpers.begin("00")
    first, second = capsys.readouterr().out.splitlines()
    assert "tier gpu" in first
    assert second.startswith("COURSE_TIER=gpu is set, but there is no CUDA device")


def test_without_evidence_one_live_seed_gives_no_verdict(lesson: Lesson) -> None:
    @lesson.experiment(seeds=6)
    def unheard_of(seed: int) -> dict[str, float]:
        return {"x": 0.9}

    lesson.measure(unheard_of, live=1)
    claim_about(lesson, unheard_of)
    assert lesson.claims["n"].verdict == "inconclusive"


@pytest.mark.parametrize("regions", [{"above": None}, {"above": 0.1, "below": 0.9}])
def test_a_claim_names_one_region(lesson: Lesson, regions: dict[str, Any]) -> None:
    @lesson.experiment(seeds=6)
    def noise(seed: int) -> dict[str, float]:
        return {"x": 0.0}

    with pytest.raises(CourseError, match="exactly one"):
        claim_about(lesson, noise, **regions)


def test_a_claim_may_be_run_twice_but_its_name_is_its_own(lesson: Lesson) -> None:
    @lesson.experiment(seeds=6)
    def noise(seed: int) -> dict[str, float]:
        return {"x": 0.0}

    claim_about(lesson, noise)
    claim_about(lesson, noise)
    assert len(lesson.claims) == 1
    with pytest.raises(CourseError, match="another name"):
        claim_about(lesson, noise, statement="something else")


def test_a_forecast_is_recorded_without_a_verdict(lesson: Lesson) -> None:
    lesson.forecast([0.9, 0.8], name="f", statement="s", prediction="p", unit="u")
    assert lesson.claims["f"].verdict is None
    assert lesson.claims["f"].row()["scope"] == "forecast"


def test_smoke_size_is_small_and_compares_nothing(lesson: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lesson.size(400, smoke=4) == 400
    monkeypatch.setenv("COURSE_SMOKE", "1")
    assert lesson.size(400, smoke=4) == 4

    @lesson.experiment(seeds=6)
    def noise(seed: int) -> dict[str, float]:
        return {"x": 99.0}

    lesson.measure(noise, live=1)
    claim_about(lesson, noise)
    assert lesson.claims["n"].live_agrees is None


def test_after_a_failed_check_the_reference_is_not_praised_as_the_learners(
    lesson: Lesson, shown: list[dict[str, Any]]
) -> None:
    def direction(earlier: float, later: float) -> str:
        return "walks left"

    function = lesson.check(direction)
    assert function is not direction
    assert function(0.1, 0.9) == "walks right"
    again = lesson.check(function)  # the check's cell is run again, the function's cell is not
    assert again is function
    assert "then this one" in shown[-1]["text/plain"]
    assert "hold" not in shown[-1]["text/plain"]


def test_a_right_function_is_kept_through_run_all_twice(lesson: Lesson) -> None:
    def direction(earlier: float, later: float) -> str:
        return "walks right" if later > earlier else "walks left"

    assert lesson.check(direction) is direction
    assert lesson.check(direction) is direction


def test_an_unknown_exercise_is_one_sentence(lesson: Lesson) -> None:
    def nonsense() -> None:
        return None

    with pytest.raises(CourseError, match="no exercise 'nonsense'; it has caption_for, direction"):
        lesson.check(nonsense)


def test_recap_shows_guesses_costs_and_what_comes_next(lesson: Lesson, shown: list[dict[str, Any]]) -> None:
    lesson.predict("k", "How many?", minimum=0, maximum=10)
    shown.clear()
    lesson.recap(k="seven")
    text = "\n".join(bundle["text/plain"] for bundle in shown)
    assert "seven" in text
    assert "memory peaked" in text
    assert "01_language_models_in_one_page" in text


def test_intervals_of_the_session_are_those_of_the_claims(lesson: Lesson) -> None:
    @lesson.experiment(seeds=6)
    def noise(seed: int) -> dict[str, float]:
        return {"x": 0.0}

    row = lesson.results_of(noise).row("x", "label")
    assert (row.mean, row.low, row.high) == pytest.approx(
        (claims.interval(row.values).mean, claims.interval(row.values).low, claims.interval(row.values).high)
    )


def test_a_damaged_evidence_file_is_told_and_the_lesson_goes_on(
    shown: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helpers.lesson import stored

    damaged = tmp_path / "00.json"
    damaged.write_text("{")
    monkeypatch.setattr(stored, "evidence_path", lambda lesson, real: damaged)
    made = helpers.begin("00")
    assert "is damaged" in shown[-1]["text/plain"]

    @made.experiment(seeds=6)
    def noise(seed: int) -> dict[str, float]:
        return {"x": 0.0}

    assert made.measure(noise, live=1).values("x") == [0.0]


def test_what_trains_a_real_model_is_read_and_never_run(
    shown: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helpers import settings
    from helpers.lesson import stored

    values = {"slow": {"key": "k", "complete": True, "values": {str(s): {"x": s / 10} for s in range(6)}}}
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "00.json").write_text(json.dumps(STORED))
    (tmp_path / "evidence" / "real-00.json").write_text(json.dumps({"experiments": values, "claims": []}))
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    monkeypatch.setattr(
        stored,
        "evidence_path",
        lambda lesson, real=False: tmp_path / "evidence" / stored.evidence_name(lesson, real),
    )
    monkeypatch.setattr("helpers.manifest.load.__defaults__", (Path(helpers.__file__).parents[1],))
    made = helpers.begin("00")

    @made.real_experiment(seeds=6)
    def slow(seed: int) -> dict[str, float]:
        raise AssertionError("trained in a notebook")

    @made.experiment(seeds=6)
    def noise(seed: int) -> dict[str, float]:
        return {"x": 0.0}

    with pytest.raises(CourseError, match="live=0"):
        made.measure(slow, live=1)
    assert made.measure(slow, live=0).values("x") == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert shown[-1]["text/plain"] == (
        "Nothing is trained here. "
        "Read from `evidence/real-00.json`, where `make real` put them: seeds 0 to 5."
    )
    assert made.measure(noise, live=0).values("x")[0] == 0.5
    claim_about(made, slow, scope="real")
    assert made.claims["n"].verdict == "inconclusive"

    (tmp_path / "evidence" / "real-00.json").unlink()
    unmeasured = helpers.begin("00")
    assert unmeasured.measure(slow, live=0).records == {}
    assert "`make real` measures this" in shown[-1]["text/plain"]


def test_tables_that_are_put_together_leave_no_bars_in_a_notebook():
    program = (
        "import helpers; helpers.begin('01')\n"
        "from datasets import are_progress_bars_disabled\n"
        "print(are_progress_bars_disabled())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=settings.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "True"
