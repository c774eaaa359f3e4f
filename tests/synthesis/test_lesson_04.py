"""The cell of lesson 04 that asks an endpoint, its very code, against the stand-in server."""

from __future__ import annotations

import ast
import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from datasets import Dataset

from helpers import settings, world
from helpers.settings import CourseError
from helpers.synthesis.generate import generate
from helpers.world import Scene, record
from tests.synthesis.standin_server import Behavior, StandIn, failing

SOURCE = settings.ROOT / "notebooks" / "source" / "04_making_data.py"


def cell_with(text: str) -> str:
    (found,) = [cell for cell in SOURCE.read_text(encoding="utf-8").split("\n# %%") if text in cell]
    return found.split("\n", 1)[1]  # without the rest of the mark


def run() -> tuple[list[tuple[Any, ...]], list[str]]:
    """Run the cell as the lesson does; the tables that it showed, and the sentences that it said."""
    tables: list[tuple[Any, ...]] = []
    said: list[str] = []
    scope: dict[str, Any] = {
        "itertools": itertools,
        "world": world,
        "Scene": Scene,
        "record": record,
        "Dataset": Dataset,
        "generate": generate,
        "SEED": 900,
        "lesson": SimpleNamespace(say=said.append),
        "plots": SimpleNamespace(table=lambda *table: tables.append(table)),
    }
    for statement in ast.parse(SOURCE.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.FunctionDef) and statement.name in ("scenes", "message", "prompts"):
            exec(compile(ast.Module([statement], []), str(SOURCE), "exec"), scope)
    exec(compile(cell_with("endpoint.from_environment"), str(SOURCE), "exec"), scope)
    return tables, said


@pytest.fixture
def asked(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setenv("COURSE_ENDPOINT", standin.url)
    monkeypatch.setenv("COURSE_ENDPOINT_MODEL", "a-model")
    monkeypatch.setenv("COURSE_ENDPOINT_KEY", "a-key")
    return standin


def told(request: dict[str, Any]) -> str:
    return request["messages"][-1]["content"].rpartition(": ")[2]


def test_the_cell_asks_for_eight_captions_and_shows_the_answers(asked: StandIn, capsys) -> None:
    asked.normal = Behavior(lambda request: f"A caption of {told(request)}")
    ((rows, heads),), said = run()
    assert heads == ["caption by the endpoint"]
    assert not said
    facts = [told(request) for request in asked.requests]
    assert len(facts) == len(set(facts)) == 8
    assert {row[0] for row in rows} == {f"A caption of {one}" for one in facts}
    assert {(request["model"], request["temperature"]) for request in asked.requests} == {("a-model", 0.7)}
    assert {headers["authorization"] for headers in asked.headers} == {"Bearer a-key"}
    shown = capsys.readouterr().out
    assert "8" in shown
    assert "a-key" not in shown


def test_a_busy_server_is_asked_again(asked: StandIn, capsys) -> None:
    asked.plan = [failing(503)]
    ((rows, _),), _ = run()
    assert len(rows) == 8
    assert len(asked.requests) == 9
    assert capsys.readouterr().out


def test_without_an_endpoint_the_cell_says_so(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COURSE_ENDPOINT", raising=False)
    tables, said = run()
    assert not tables
    assert "not set" in said[0]
    assert not standin.requests


def test_without_a_models_name_one_sentence_says_what_to_set(
    asked: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COURSE_ENDPOINT_MODEL")
    with pytest.raises(CourseError, match="COURSE_ENDPOINT_MODEL"):
        run()
