from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from helpers import manifest, settings
from helpers.course import evidence
from helpers.lesson import stored

if TYPE_CHECKING:
    from tests.course.conftest import Course

LESSON = """\
# %% [markdown]
# # 00 · First

# %% tags=["volatile", "evidence"]
import helpers
lesson = helpers.begin("00")

# %% tags=["evidence"]
from helpers.world import sample

FACTOR = 2

def twice(x):
    "Twice x."
    return FACTOR * x

# %% tags=["evidence"]
UNUSED = 1

@lesson.experiment(seeds=6)
def doubling(seed):
    return {"x": twice(seed + len(sample(1, seed)))}

@lesson.experiment(seeds=6)
def constant(seed):
    return {"x": 1.0}

# %%
raise RuntimeError("a cell without a tag is not executed")

# %% tags=["claim"]
lesson.claim(doubling, "x", name="n", statement="s", prediction="p", scope="world", unit="u", above=1.0)
"""


@pytest.fixture
def source(course: Course) -> Path:
    course.source("00_first", LESSON)
    return course.root / "notebooks" / "source" / "00_first.py"


def keys_after(source: Path, old: str, new: str) -> dict[str, str]:
    text = source.read_text(encoding="utf-8")
    assert old in text
    source.write_text(text.replace(old, new), encoding="utf-8")
    return evidence.keys(source)


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"Twice x."', '"Two times x."', set()),  # a docstring
        ("FACTOR = 2", "FACTOR = 2  # a comment", set()),
        ("FACTOR = 2", "FACTOR = 3", {"doubling", "claims"}),  # reached through twice()
        ("return FACTOR * x", "return FACTOR * x + 0", {"doubling", "claims"}),
        ("UNUSED = 1", "UNUSED = 2", set()),
        ('{"x": 1.0}', '{"x": 2.0}', {"constant", "claims"}),
        ("above=1.0", "above=2.0", {"claims"}),
        ('RuntimeError("a cell', 'RuntimeError("one cell', set()),
        # Statements that bind no name may change anything.
        ("UNUSED = 1", "UNUSED = 1\nprint()", {"doubling", "constant", "claims"}),
        ("UNUSED = 1", "CONFIG = {}\nCONFIG['a'] = FACTOR", {"doubling", "constant", "claims"}),
    ],
)
def test_a_key_changes_with_what_can_change_the_number(
    source: Path, old: str, new: str, expected: set[str]
) -> None:
    before = evidence.keys(source)
    assert changed(before, keys_after(source, old, new)) == expected


def test_the_number_of_seeds_is_part_of_the_key(source: Path) -> None:
    before = evidence.keys(source)
    text = "@lesson.experiment(seeds=6)\ndef constant"
    assert changed(before, keys_after(source, text, text.replace("6", "7"))) == {"constant", "claims"}


def test_a_helpers_module_that_an_experiment_imports_is_part_of_its_key(source: Path, tmp_path: Path) -> None:
    for name, text in {
        "world/__init__.py": "from helpers.world.scenes import sample",
        "world/scenes.py": "def sample(n, seed):\n    return [1]",
        "world/other.py": "A = 1",
    }.items():
        path = tmp_path / "helpers" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    before = evidence.keys(source, tmp_path)
    (tmp_path / "helpers" / "world" / "other.py").write_text("A = 2")
    assert changed(before, evidence.keys(source, tmp_path)) == set()
    (tmp_path / "helpers" / "world" / "scenes.py").write_text("def sample(n, seed):\n    return [2]")
    assert changed(before, evidence.keys(source, tmp_path)) == {"doubling", "claims"}


@pytest.fixture
def in_process(source: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small course's evidence, run here; `helpers.begin` reads the real course's lesson 00."""
    return source.parents[2]


def test_run_keeps_every_seed_and_the_claims(in_process: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = in_process
    evidence.run_lesson("00", root)
    written = json.loads((root / "evidence" / "00.json").read_text())
    assert written["experiments"]["doubling"]["values"] == {str(s): {"x": 2.0 * (s + 1)} for s in range(6)}
    assert "seed 5 (6 of 6)" in capsys.readouterr().out
    assert evidence.stale("00", root) is None


def test_run_resumes_where_it_was_stopped(in_process: Path) -> None:
    root = in_process
    evidence.run_lesson("00", root)
    path = root / "evidence" / "00.json"
    written = json.loads(path.read_text())
    # As if it had been killed after seed 3; the kept values are marked, to see that they are not run again.
    entry = written["experiments"]["doubling"]
    entry["complete"] = False
    entry["values"] = {str(s): {"x": 100.0 + s} for s in range(4)}
    path.write_text(json.dumps(written))
    assert "make evidence LESSONS=00" in str(evidence.stale("00", root))
    evidence.run_lesson("00", root)
    values = json.loads(path.read_text())["experiments"]["doubling"]["values"]
    assert [values[str(s)]["x"] for s in range(6)] == [100.0, 101.0, 102.0, 103.0, 10.0, 12.0]


def test_changed_code_is_stale_and_runs_again(in_process: Path, source: Path) -> None:
    root = in_process
    evidence.run_lesson("00", root)
    keys_after(source, "FACTOR = 2", "FACTOR = 3")
    assert evidence.stale("00", root)
    evidence.run_lesson("00", root)
    values = json.loads((root / "evidence" / "00.json").read_text())["experiments"]["doubling"]["values"]
    assert values["1"] == {"x": 6.0}
    assert evidence.stale("00", root) is None


def test_another_course_seed_is_written_elsewhere(in_process: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_SEED", "2")
    evidence.run_lesson("00", in_process)
    assert not (in_process / "evidence").exists()
    written = json.loads((in_process / "build" / "evidence-seed-2" / "00.json").read_text())
    assert sorted(written["experiments"]["constant"]["values"]) == [str(2000 + i) for i in range(6)]


def test_a_lesson_without_a_source_is_one_sentence(course: Course) -> None:
    with pytest.raises(settings.CourseError, match="no lesson '77'"):
        evidence.source_of("77", course.root)


@pytest.mark.parametrize("lesson", [entry.id for entry in manifest.load().lessons])
def test_the_committed_evidence_fits_the_code(lesson: str) -> None:
    assert evidence.stale(lesson) is None


@pytest.mark.parametrize("lesson", [entry.id for entry in manifest.load().lessons])
def test_no_committed_verdict_contradicts_its_source(lesson: str) -> None:
    files = [settings.ROOT / "evidence" / stored.evidence_name(lesson, real) for real in (False, True)]
    rows = [row for file in files for row in stored.read_evidence(file)["claims"]]
    judged = [claim for claim in rows if claim["scope"] != "forecast"]
    assert judged
    for claim in judged:
        assert len(claim["values"]) >= 6, claim["name"]
        assert {claim["verdict"], claim["expected"]} != {"holds", "fails"}, claim["name"]


def test_a_key_is_the_same_under_every_python() -> None:
    """Pinned: a change of how keys are made must be meant, since it makes all evidence stale."""
    import ast

    tree = ast.parse("def f(x: int = 1, *rest: str) -> str:\n    return f'{x!r} and {x:.2f}' + 'a'")
    assert evidence._hash([evidence._canonical(tree)]) == "0273ad2e1cdab1cb"


def test_a_claim_changed_by_hand_is_told(in_process: Path) -> None:
    evidence.run_lesson("00", in_process)
    path = in_process / "evidence" / "00.json"
    for field, value in [("mean", 99.0), ("verdict", "fails"), ("values", [9.0] * 6)]:
        written = json.loads(path.read_text())
        written["claims"][0][field] = value
        path.write_text(json.dumps(written))
        assert "changed by hand (n)" in str(evidence.stale("00", in_process))
        evidence.run_lesson("00", in_process)
    assert evidence.stale("00", in_process) is None


def test_a_bad_seed_and_a_damaged_file_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, in_process: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COURSE_SEED", "abc")
    with pytest.raises(settings.CourseError, match="COURSE_SEED"):
        evidence.run(["00"])
    monkeypatch.setenv("COURSE_SEED", "0")
    monkeypatch.setattr(settings, "ROOT", in_process)
    monkeypatch.setattr(evidence.run_lesson, "__defaults__", (in_process, evidence.EVIDENCE))
    (in_process / "evidence").mkdir()
    (in_process / "evidence" / "00.json").write_text("{")
    assert evidence._run_alone("00") == 1
    assert "git checkout evidence/00.json" in capsys.readouterr().out


def test_what_only_type_checkers_read_is_not_part_of_a_key(source: Path, tmp_path: Path) -> None:
    world = tmp_path / "helpers" / "world" / "__init__.py"
    world.parent.mkdir(parents=True)
    before = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from helpers.world.other import A\n"
    world.write_text(before)
    (world.parent / "other.py").write_text("A = 1")
    first = evidence.keys(source, tmp_path)
    (world.parent / "other.py").write_text("A = 2")
    world.write_text(before.replace("import A", "import B"))
    assert changed(first, evidence.keys(source, tmp_path)) == set()
