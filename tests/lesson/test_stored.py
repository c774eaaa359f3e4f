from __future__ import annotations

from pathlib import Path

import pytest

from helpers.lesson import stored
from helpers.settings import CourseError


def test_another_course_seed_has_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stored.evidence_path("01", tmp_path) == tmp_path / "evidence" / "01.json"
    monkeypatch.setenv("COURSE_SEED", "3")
    assert stored.evidence_path("01", tmp_path) == tmp_path / "build" / "evidence-seed-3" / "01.json"


def test_no_file_is_an_empty_record(tmp_path: Path) -> None:
    assert stored.read_evidence(tmp_path / "01.json") == {"experiments": {}, "claims": []}


@pytest.mark.parametrize("content", ["{", "", "[1, 2]", "\xff", "{}", '{"experiments": [], "claims": []}'])
def test_a_damaged_file_names_the_command(tmp_path: Path, content: str) -> None:
    path = tmp_path / "01.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(CourseError, match=r"git checkout evidence/01\.json"):
        stored.read_evidence(path)


def test_records_by_seed() -> None:
    evidence = {"experiments": {"a": {"values": {"0": {"x": 1.0}, "1001": {"x": 2.0}}}}}
    assert stored.stored_records(evidence, "a") == {0: {"x": 1.0}, 1001: {"x": 2.0}}
    assert stored.stored_records(evidence, "b") == {}
