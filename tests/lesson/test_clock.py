"""The clock of cells: what it says, when it says nothing, and that it always goes."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from helpers import manifest, settings
from helpers.lesson import clock
from helpers.lesson.clock import Clock, cell_name


class Shell:
    """As much of IPython as a clock sees."""

    def __init__(self) -> None:
        self.time = 0.0  # it stands still until a test moves it
        self.hooks: dict[str, list[Any]] = {"pre_run_cell": [], "post_run_cell": []}
        self.published: list[dict[str, Any]] = []
        self.events = SimpleNamespace(register=self._register, unregister=self._unregister)
        self.display_pub = SimpleNamespace(publish=lambda **message: self.published.append(message))

    def _register(self, event: str, hook: Any) -> None:
        self.hooks[event].append(hook)

    def _unregister(self, event: str, hook: Any) -> None:
        self.hooks[event].remove(hook)

    @property
    def lines(self) -> list[str]:
        return [message["data"]["text/plain"] for message in self.published]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setattr(clock, "PATIENCE", 0.1)
    monkeypatch.setattr(clock, "_TICK", 0.05)
    made = Shell()
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=lambda: made.time))
    return made


def cell(source: str = "train()", name: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(raw_cell=source, cell_id=name)


def run(
    shell: Shell, watching: Clock, lines: int = 0, seconds: float = 0.0, source: str = "train()"
) -> list[str]:
    """What a cell of `source` shows that ends after so many lines, or later, and takes so long."""
    shell.published.clear()
    watching.begin(cell(source))
    shell.time += seconds
    limit = time.monotonic() + 20
    while len(shell.published) < lines and time.monotonic() < limit:
        time.sleep(0.01)
    watching.end()
    return shell.lines


def test_a_quick_cell_shows_nothing(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "PATIENCE", 30.0)  # quick, however busy the machine is
    assert run(shell, Clock(shell, {})) == []
    assert run(shell, Clock(shell, {cell_name("code", "train()"): 3.0})) == []


def test_a_slow_cell_shows_its_seconds_in_one_line_that_goes(shell: Shell) -> None:
    lines = run(shell, Clock(shell, {}), 2)
    assert len(lines) >= 3
    assert lines[0] == "running: 0 s"
    assert lines[-1] == ""
    first, *later = shell.published
    assert not first["update"]
    assert all(message["update"] for message in later)
    assert len({message["transient"]["display_id"] for message in shell.published}) == 1


def test_a_long_cell_says_at_once_how_long_and_shows_a_bar(shell: Shell) -> None:
    watching = Clock(shell, {cell_name("code", "train()"): 24.0})
    lines = run(shell, watching, 2)
    assert lines[0] == "usually about 25 s (where it was measured, on 2 cores)"
    assert lines[1] == "running: 0 s of about 25 s"
    assert "<progress" in shell.published[1]["data"]["text/html"]
    assert lines[-1] == ""


def test_a_changed_cell_is_known_by_its_place(shell: Shell) -> None:
    watching = Clock(shell, {cell_name("code", "train()"): 24.0})
    watching.begin(cell("train() # twice", cell_name("code", "train()")))
    watching.end()
    assert shell.lines[0].startswith("usually about 25 s")


def test_estimates_follow_the_pace_of_the_machine(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_ENOUGH", 0.1)
    watching = Clock(shell, {cell_name("code", "warm_up()"): 0.1, cell_name("code", "train()"): 10.0})
    run(shell, watching, seconds=0.2, source="warm_up()")
    assert run(shell, watching)[0] == "usually about 20 s (at this machine's pace so far)"


def test_a_cell_that_failed_says_nothing_about_the_pace(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "_ENOUGH", 0.1)
    watching = Clock(shell, {cell_name("code", "warm_up()"): 0.1, cell_name("code", "train()"): 10.0})
    watching.begin(cell("warm_up()"))
    watching.end(SimpleNamespace(success=False))
    assert "where it was measured" in run(shell, watching)[0]


def test_a_result_that_was_kept_says_nothing_about_the_pace(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart twenty seconds of training are read from the cache; the next cell must train."""
    monkeypatch.setattr(clock, "_ENOUGH", 1.0)
    watching = Clock(shell, {cell_name("code", "kept()"): 20.0, cell_name("code", "train()"): 10.0})
    run(shell, watching, seconds=0.1, source="kept()")
    assert run(shell, watching)[0] == "usually about 10 s (where it was measured, on 2 cores)"


def test_beyond_the_usual_it_says_so(shell: Shell) -> None:
    lines = run(shell, Clock(shell, {cell_name("code", "train()"): 0.1}), 5, seconds=0.3)
    assert "running: 0 s, usually 1 s" in lines


def test_a_cell_within_a_cell_has_no_clock_of_its_own(shell: Shell) -> None:
    watching = Clock(shell, {cell_name("code", "train()"): 24.0})
    watching.begin(cell())
    watching.begin(cell())
    watching.end()
    watching.end()
    assert [line for line in shell.lines if line.startswith("usually")] == [shell.lines[0]]


def test_the_cell_that_begins_a_lesson_may_end_before_it_began(shell: Shell) -> None:
    Clock(shell, {}).end()
    assert shell.lines == []


def test_a_lesson_that_begins_again_ends_the_old_clock_within_the_cell(shell: Shell) -> None:
    watching = Clock(shell, {})
    watching.install()
    watching.begin(cell("lesson = helpers.begin('00')"))
    watching.remove()
    shell.published.clear()
    time.sleep(0.3)
    assert shell.lines == []


def test_it_is_taken_off_again(shell: Shell) -> None:
    watching = Clock(shell, {})
    watching.install()
    assert shell.hooks["pre_run_cell"]
    watching.remove()
    watching.remove()
    assert not any(shell.hooks.values())


def test_it_watches_notebooks_only_and_one_lesson_at_a_time(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.setattr(clock, "_installed", None)
    monkeypatch.setattr(InteractiveShell, "initialized", lambda: True)
    monkeypatch.setattr(InteractiveShell, "instance", lambda: shell)
    monkeypatch.delenv("COURSE_CLOCK", raising=False)
    clock.install("00")
    assert not any(shell.hooks.values())  # a terminal
    shell.kernel = object()
    monkeypatch.setenv("COURSE_CLOCK", "0")
    clock.install("00")
    assert not any(shell.hooks.values())
    monkeypatch.delenv("COURSE_CLOCK")
    clock.install("00")
    clock.install("01")
    assert [len(hooks) for hooks in shell.hooks.values()] == [1, 1]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 s"), (8.4, "8 s"), (23.0, "25 s"), (58.0, "1 min"), (71.0, "1 min 10 s"), (120.0, "2 min")],
)
def test_seconds_in_words(seconds: float, said: str) -> None:
    assert clock.words(seconds) == said


@pytest.mark.parametrize("content", ["", "[]", '{"lessons": 3}', '{"lessons": {"00": {"a": "x"}}}'])
def test_a_damaged_table_is_no_table(content: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "table.json"
    monkeypatch.setattr(clock, "TABLE", table)
    monkeypatch.delenv("COURSE_SMOKE", raising=False)
    assert clock.measured("00") == {}
    table.write_text(content)
    assert clock.measured("00") == {}


def test_other_sizes_have_no_estimates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_SMOKE", "1")
    assert clock.measured("07") == {}


def test_the_table_holds_what_lessons_may_take() -> None:
    lessons = json.loads(clock.TABLE.read_text(encoding="utf-8"))["lessons"]
    entries = {entry.id: entry for entry in manifest.load(settings.ROOT).lessons}
    assert lessons
    assert set(lessons) <= set(entries)
    for lesson, cells in lessons.items():
        assert sum(cells.values()) < 2 * entries[lesson].seconds
        assert all(seconds >= 2 for seconds in cells.values())
