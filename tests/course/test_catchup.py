"""Catching up: the right lessons, what they leave a learner, and links that lead somewhere."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import nbformat
import pytest

from helpers import settings
from helpers.course import build, catchup, warm
from helpers.manifest import load
from helpers.settings import CourseError

MANIFEST = load()
STARTS = [entry for entry in MANIFEST.lessons if entry.requires]


@pytest.fixture(autouse=True)
def _nothing_to_build(monkeypatch):
    monkeypatch.setattr(warm, "run", lambda: 0)


@pytest.mark.parametrize("entry", STARTS, ids=lambda entry: entry.id)
def test_every_start_has_a_notebook_that_leads_on(entry, tmp_path, capsys):
    assert catchup.run(entry.id, settings.ROOT, tmp_path) == 0
    path = tmp_path / "catchup" / f"to_{entry.id}.ipynb"
    made = nbformat.read(path, 4)
    nbformat.validate(made)
    assert made.metadata.kernelspec.name == "python3"  # else JupyterLab asks for a kernel first
    text = "\n".join(cell.source for cell in made.cells)
    before = catchup.lessons_before(entry, MANIFEST)
    headings = [f"## {lesson.heading}" for lesson in before]
    assert [line for line in text.splitlines() if line.startswith("## ")] == [*headings, "## Go on"]
    for address in re.findall(r"\]\(\.\./\.\./([^)]*)\)", text):
        assert (settings.ROOT / address).is_file()
    assert "BEGIN SOLUTION" not in text
    assert str(path) in capsys.readouterr().out


def test_what_comes_before_is_followed_to_the_first_lesson():
    by_id = {entry.id: entry for entry in MANIFEST.lessons}
    assert [lesson.id for lesson in catchup.lessons_before(by_id["08"], MANIFEST)] == ["00", "01", "07"]
    assert catchup.lessons_before(by_id["00"], MANIFEST) == []


def test_the_minutes_are_those_of_its_words():
    (first,) = [entry for entry in MANIFEST.lessons if entry.id == "07"]
    parts = catchup.takeaways(first, MANIFEST)
    words = len(re.findall(r"\w+", " ".join(parts)))
    assert words > 100
    assert catchup.minutes([first], MANIFEST) == round(words / 180)


@pytest.mark.parametrize(
    ("lesson", "sentence"),
    [
        ("00", "Nothing comes before 00 · Start here"),
        ("07 08", "Name one lesson"),
        ("99", "99"),
    ],
)
def test_wrong_lessons_are_one_sentence(lesson, sentence, tmp_path):
    with pytest.raises(CourseError, match=sentence):
        catchup.run(lesson, settings.ROOT, tmp_path)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "catchup").touch()
    with pytest.raises(CourseError, match="cannot be written to"):
        catchup.run("08", settings.ROOT, tmp_path)


def test_a_full_disk_is_said_as_such(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(CourseError, match="is full; make room and run the same command again"):
        catchup.run("08", settings.ROOT, tmp_path)


def test_a_learners_notes_are_kept_and_an_untouched_notebook_is_written_again(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(build, "keep_aside", lambda path, root: kept.append(nbformat.read(path, 4)))
    path = tmp_path / "catchup" / "to_08.ipynb"
    for _ in range(2):
        catchup.run("08", settings.ROOT, tmp_path)
    made = nbformat.read(path, 4)
    made.metadata["language_info"] = {"name": "python"}  # as JupyterLab saves it
    nbformat.write(made, path)
    catchup.run("08", settings.ROOT, tmp_path)
    assert not kept
    made.cells.append(nbformat.v4.new_markdown_cell("my note"))
    nbformat.write(made, path)
    catchup.run("08", settings.ROOT, tmp_path)
    assert [notebook.cells[-1].source for notebook in kept] == ["my note"]


def test_the_status_is_that_of_the_models(tmp_path, monkeypatch):
    monkeypatch.setattr(warm, "run", lambda: 1)
    assert catchup.run("08", settings.ROOT, tmp_path) == 1


def test_it_takes_objectives_and_points_and_no_limits(tmp_path):
    (entry,) = MANIFEST.choose(["07"])
    source = entry.source(tmp_path)
    source.parent.mkdir(parents=True)
    cells = [
        "# %% [markdown]\n# # A\n#\n# - can\n",
        "# %% [markdown]\n# ## Recap\n#\n# - point\n#\n# **Limits of this demo.**\n#\n# - limit\n",
    ]
    source.write_text("".join(cells))
    assert catchup.takeaways(entry, MANIFEST, tmp_path) == ("- can", "- point")
    source.write_text(cells[0])
    with pytest.raises(CourseError, match="says no objectives, or no points in its recap"):
        catchup.takeaways(entry, MANIFEST, tmp_path)
