"""Lesson 14 with a file of one's own: pairs in another language run; what is no file is one sentence."""

from __future__ import annotations

import json

import pytest

from helpers import settings
from helpers.course import build, execute
from helpers.manifest import load
from tests.notebooks.conftest import PATIENCE

MANIFEST = load()
ENTRY = next(entry for entry in MANIFEST.lessons if entry.id == "14")


def run(tmp_path, text: str):
    """Execute the lesson at its smallest size on a file with this text: status and problem."""
    data = tmp_path / "mine.jsonl"
    data.write_text(text, encoding="utf-8")
    folder = settings.ROOT / "build" / "tests"
    environment = execute.kernel_environment(
        folder,
        {
            "COURSE_SMOKE": "1",
            "COURSE_DATA": str(data),
            "COURSE_PROGRESS": str(tmp_path / "progress.json"),
        },
    )
    built = build.notebook(ENTRY, MANIFEST, settings.ROOT, solution=True)
    status, problem, _, _ = execute.execute(
        built,
        folder / "own",
        folder,
        environment=environment,
        seconds=PATIENCE * ENTRY.seconds,
        peak_mb=ENTRY.peak_mb,
    )
    return status, problem, built


@pytest.mark.notebooks
def test_pairs_in_another_language_run_to_the_end(tmp_path):
    rows = [
        {"prompt": f"Was frisst Tier {n}?", "chosen": f"Tier {n} frisst gern Käse.", "rejected": "Nichts."}
        for n in range(30)
    ]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    status, problem, built = run(tmp_path, f'{text}\n{{"prompt": "half')
    assert (status, problem) == ("passed", "")
    shown = str([cell.get("outputs") for cell in built.cells])
    assert "60 judged answers can be used, 30 up and 30 down." in shown
    assert "This is the course's sample" not in shown


@pytest.mark.notebooks
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "mine.jsonl is empty."),
        ('{"question": "q", "answer": "a"}\n', "needs prompt, completion and label"),
        ('{"prompt": "p", "compl', "holds no line of JSON that can be read"),
    ],
)
def test_no_such_file_is_one_sentence(tmp_path, text, says):
    status, problem, _ = run(tmp_path, text)
    assert status == "failed"
    assert says in problem
    assert "Traceback" not in problem
