"""Every lesson of the manifest: it runs, its claims are not contradicted, and its notebooks are well made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest

from helpers import settings
from helpers.course import build, execute
from helpers.manifest import LessonEntry, load
from tests.notebooks.conftest import PATIENCE

MANIFEST = load()
ROOT = settings.ROOT
each_lesson = pytest.mark.parametrize("entry", MANIFEST.lessons, ids=lambda entry: entry.id)
each_copy = pytest.mark.parametrize("copy", ["learner", "solution"])


def committed(entry: LessonEntry, copy: str) -> tuple[Path, Any]:
    path = getattr(entry, copy)(ROOT)
    return path, nbformat.read(path, 4)


# --- they run -----------------------------------------------------------------------------------------------


@pytest.mark.notebooks
@each_lesson
def test_the_solution_runs(execution, entry):
    lesson = execution.lesson(entry)
    assert (lesson["status"], lesson["problem"]) == ("passed", "")
    assert lesson["cell_seconds"]
    assert sum(lesson["cell_seconds"].values()) <= execute.BUDGET_FACTOR * entry.seconds
    assert lesson["peak_mb"] <= execute.BUDGET_FACTOR * entry.peak_mb


@pytest.mark.notebooks
@each_lesson
def test_no_claim_is_contradicted(execution, entry):
    judged = {claim["id"]: claim["judged"] for claim in execution.lesson(entry)["claims"]}
    assert not {name for name, word in judged.items() if word not in ("ok", "slipped")}


@pytest.mark.notebooks
def test_the_run_as_a_whole_succeeds(execution):
    assert (execution.status, execution.report["problems"]) == (0, [])
    assert (execution.folder / "report.html").stat().st_size > 10_000


@pytest.mark.notebooks
@each_lesson
def test_the_untouched_learners_copy_reaches_the_end(entry, tmp_path):
    built = build.notebook(entry, MANIFEST, ROOT, solution=False)
    folder = ROOT / "build" / "tests"
    environment = execute.kernel_environment(
        folder, {"COURSE_SMOKE": "1", "COURSE_PROGRESS": str(tmp_path / "progress.json")}
    )
    status, problem, _, _ = execute.execute(
        built,
        folder / "learner",
        folder,
        environment=environment,
        seconds=PATIENCE * entry.seconds,
        peak_mb=entry.peak_mb,
    )
    assert (status, problem) == ("passed", "")
    code = [cell for cell in built.cells if cell.cell_type == "code" and cell.source.strip()]
    assert all(cell.execution_count for cell in code)
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]


# --- they are well made -------------------------------------------------------------------------------------


def headings(built: Any) -> Iterator[tuple[int, str]]:
    for cell in built.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"```.*?```", "", cell.source, flags=re.S)
            for line in text.splitlines():
                match = re.match(r"(#{1,6}) (.+)", line)
                if match:
                    yield len(match[1]), match[2]


@each_copy
@each_lesson
def test_headings_come_in_order(entry, copy):
    _, built = committed(entry, copy)
    found = list(headings(built))
    assert found[0] == (1, entry.heading)
    assert [level for level, _ in found].count(1) == 1
    jumps = [after for (before, _), after in pairwise(found) if after[0] > before + 1]
    assert jumps == []


@each_copy
@each_lesson
def test_ids_are_unique_and_the_file_is_valid(entry, copy):
    _, built = committed(entry, copy)
    nbformat.validate(built)
    ids = [cell.id for cell in built.cells]
    assert len(set(ids)) == len(ids)


@each_lesson
def test_the_copies_share_their_ids(entry):
    learner, solution = committed(entry, "learner")[1], committed(entry, "solution")[1]
    own = {cell.id for cell in solution.cells if "solution-only" in cell.metadata.get("tags", [])}
    assert [cell.id for cell in learner.cells] == [cell.id for cell in solution.cells if cell.id not in own]


@each_lesson
def test_the_learners_copy_holds_no_solution_and_no_output(entry):
    _, learner = committed(entry, "learner")
    _, solution = committed(entry, "solution")
    gaps = sum(cell.source.count("raise NotImplementedError") for cell in learner.cells)
    regions = entry.source(ROOT).read_text(encoding="utf-8").count("# BEGIN SOLUTION")
    assert gaps >= regions
    assert "SOLUTION" not in "".join(cell.source for cell in [*learner.cells, *solution.cells])
    assert not [cell for cell in learner.cells if cell.get("outputs") or cell.get("execution_count")]


@each_lesson
def test_the_solution_is_committed_with_its_outputs(entry):
    _, solution = committed(entry, "solution")
    code = [cell for cell in solution.cells if cell.cell_type == "code"]
    assert sum(bool(cell.outputs) for cell in code) >= 3
    assert "widget-state" not in str(solution.metadata)


class Images(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.found.append(dict(attrs))


def images_of(built: Any) -> list[dict[str, str | None]]:
    """Every picture of a notebook as the attributes of its <img>, those of Markdown too."""
    parser = Images()
    markdown = []
    for cell in built.cells:
        if cell.cell_type == "markdown":
            parser.feed(cell.source)
            links = re.findall(r"!\[([^\]]*)\]\(([^)\s]+)", cell.source)
            markdown += [{"alt": alt, "src": source} for alt, source in links]
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            assert "image/png" not in data or "text/html" in data, (
                "show figures with helpers.lesson.plots.show"
            )
            parser.feed(data.get("text/html", ""))
    return [*parser.found, *markdown]


@pytest.mark.notebooks
@each_lesson
def test_every_picture_that_a_run_shows_has_words(execution, entry):
    pictures = images_of(execution.notebook(entry))
    assert pictures
    assert not [picture for picture in pictures if not (picture.get("alt") or "").strip()]


@each_lesson
def test_every_committed_picture_has_words(entry):
    pictures = images_of(committed(entry, "solution")[1])
    assert not [picture for picture in pictures if not (picture.get("alt") or "").strip()]


def local_links(text: str) -> set[str]:
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"(?:href|src)=[\"']([^\"']+)", text)
    return {link.split("#")[0] for link in found if not re.match(r"[a-z]+:|#", link)} - {""}


@each_copy
@each_lesson
def test_links_lead_to_files_that_exist(entry, copy):
    path, built = committed(entry, copy)
    text = "\n".join(cell.source for cell in built.cells if cell.cell_type == "markdown")
    assert [link for link in local_links(text) if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_of_the_other_pages_lead_to_files_that_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert [link for link in local_links(text) if not (ROOT / link).exists()] == []


def test_committed_files_name_no_folder_of_a_machine():
    for path in (ROOT / "notebooks").rglob("*.ipynb"):
        if ".ipynb_checkpoints" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"/(home|root|Users|tmp)/\w+", text), path


def test_every_generated_file_is_up_to_date():
    assert build.stale() == []
