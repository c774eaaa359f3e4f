"""The cell of lesson 14 that counts the learner's own verdicts on answers whose authors are not named."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from helpers import settings, world
from helpers.data import sample_thumbs, thumbs

SOURCE = settings.ROOT / "notebooks" / "source" / "14_your_own_model.py"
SCENES = sample_thumbs.scenes(2, 900)
PROMPTS = [sample_thumbs.question(scene) for scene in SCENES]
#: Both models answer the second prompt alike, and SFT gives one answer to both prompts.
BLIND = [
    ("SFT", PROMPTS[0], "same"),
    ("KTO", PROMPTS[0], "other"),
    ("KTO", PROMPTS[1], "same"),
    ("SFT", PROMPTS[1], "same"),
]


def counted(good: str, *, sample: bool) -> list[str]:
    """What the cell says of each model, where the learner has typed `good`."""
    (cell,) = [one for one in SOURCE.read_text(encoding="utf-8").split("\n# %%") if "GOOD: list[int]" in one]
    said: list[str] = []
    scope: dict[str, Any] = {
        "world": world,
        "blind": BLIND,
        "written": {"SFT": [], "KTO": []},
        "IS_SAMPLE": sample,
        "scene_of": dict(zip(PROMPTS, SCENES, strict=True)),
        "lesson": SimpleNamespace(say=lambda text, **values: said.append(text.format(**values))),
    }
    typed = cell.split("\n", 1)[1].replace("GOOD: list[int] = []", f"GOOD: list[int] = {good}")
    exec(compile(typed, str(SOURCE), "exec"), scope)
    return said


def test_numbers_count_for_the_answer_that_they_name_whatever_its_text(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    assert counted("[1]", sample=False) == [
        "SFT: 1 of 2 answers are fine for you.",
        "KTO: 0 of 2 answers are fine for you.",
    ]
    assert all("judged none" in one for one in counted("[]", sample=False))


def test_a_thumb_counts_for_its_own_prompt_only(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    one = thumbs.Thumb(world.record(SCENES[1]), "same", True, "me", "2026-11-22T00:00:00+00:00", "14")
    thumbs.append(thumbs.thumbs_path("14"), [one])
    assert counted("[]", sample=True) == [
        "SFT: 1 of 1 answers are fine for you.",
        "KTO: 1 of 1 answers are fine for you.",
    ]
