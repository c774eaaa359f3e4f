"""How long a cell takes: said before a long one, and shown while it runs.

Knows the clock, the table of what cells took elsewhere, and one line of output. Knows nothing about what a
cell does.

A long cell says at once how long it usually takes; any cell that runs for two seconds gets a line with the
seconds so far, and a bar where the table knows the cell. The line goes when the cell ends. The table is
measured by ``make run TIMES=1``; while a lesson runs, its estimates follow the pace of this very machine.
"""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import json
import os
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from helpers import settings
from helpers.lesson import page

#: Measured seconds of the cells that are not instant: lesson -> cell -> seconds.
TABLE = Path(__file__).with_name("cell_seconds.json")
LONG = 5.0  # seconds from which a cell says beforehand how long it usually takes
PATIENCE = 2.0  # seconds that a cell may run with nothing shown
_TICK = 1.0
#: Seconds of measured cells that must have run here before their pace counts.
_ENOUGH = 5.0
#: A cell that needs less than this share of its usual seconds has its result from the cache, as after a
#: kernel's restart: that says nothing about the pace of those that have none there.
_CACHED = 0.25

_installed: Clock | None = None


def cell_name(cell_type: str, text: str) -> str:
    """What a cell of this text is called in the notebooks: a hash."""
    return hashlib.sha256(f"{cell_type}\n{text}".encode()).hexdigest()[:12]


def measured(lesson: str) -> dict[str, float]:
    """The lesson's measured cells; nothing where lessons run at another size or on another tier."""
    from helpers.models.tiers import current_tier

    if settings.smoke() or current_tier().name != "cpu":
        return {}
    try:
        found = json.loads(TABLE.read_text(encoding="utf-8"))["lessons"].get(lesson, {})
        return {str(cell): float(seconds) for cell, seconds in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # an estimate is no reason to stop a lesson


def words(seconds: float) -> str:
    """Seconds as one says them: "8 s", "25 s", "1 min 10 s"."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    whole = round(seconds / 5) * 5
    minutes, rest = divmod(whole, 60)
    return " ".join(([f"{minutes} min"] if minutes else []) + ([f"{rest} s"] if rest else []))


class Clock:
    """Watches the cells of one kernel.

    Attributes:
        usual: seconds by cell, as measured elsewhere.
    """

    def __init__(self, shell: Any, usual: dict[str, float]) -> None:
        """Watch nothing yet; `shell` is IPython's."""
        self.usual = usual
        # Kept, because a cell that captures what it shows would capture the line, too.
        self._publisher = shell.display_pub
        self._shell = shell
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._name = ""
        self._began = 0.0
        self._expected = self._taken = 0.0  # of the measured cells that have run here

    def install(self) -> None:
        self._shell.events.register("pre_run_cell", self.begin)
        self._shell.events.register("post_run_cell", self.end)

    def remove(self) -> None:
        """Watch no more, not even the cell that runs now: its end would never be heard of."""
        self.end()
        for event, hook in (("pre_run_cell", self.begin), ("post_run_cell", self.end)):
            with contextlib.suppress(ValueError):
                self._shell.events.unregister(event, hook)

    def estimate(self, name: str) -> tuple[float | None, str]:
        """How long the cell should take here, if that is known, and what the number rests on."""
        usual = self.usual.get(name)
        if usual is None:
            return None, ""
        if self._expected >= _ENOUGH:
            return usual * self._taken / self._expected, "at this machine's pace so far"
        return usual, "where it was measured, on 2 cores"

    def begin(self, info: Any) -> None:
        """A cell begins (IPython's hook)."""
        if self._thread is not None:
            return  # a cell that runs another
        name = cell_name("code", info.raw_cell or "")
        # A learner who has changed a cell still has the cell.
        self._name = name if name in self.usual else str(getattr(info, "cell_id", None) or "")
        self._began = time.perf_counter()
        self._ended = threading.Event()
        expected, ground = self.estimate(self._name)
        line = _Line(self._publisher)
        if expected is not None and expected >= LONG:
            line.show(0.0, expected, f"usually about {words(expected)} ({ground})")
        # The thread's messages belong to this cell: its context knows which request is being answered.
        context = contextvars.copy_context()
        watch = (self._watch, line, expected, self._ended, self._began)
        self._thread = threading.Thread(target=context.run, args=watch, name="clock", daemon=True)
        self._thread.start()

    def end(self, result: Any = None) -> None:
        """A cell ends, however it ends (IPython's hook); one that failed says nothing about the pace."""
        if self._thread is None:
            return
        self._ended.set()
        self._thread.join()
        self._thread = None
        taken = time.perf_counter() - self._began
        usual = self.usual.get(self._name)
        if usual is not None and taken >= _CACHED * usual and getattr(result, "success", True):
            self._expected += usual
            self._taken += taken

    def _watch(self, line: _Line, expected: float | None, ended: threading.Event, began: float) -> None:
        pause = PATIENCE
        while not ended.wait(pause):
            pause = _TICK
            line.show(time.perf_counter() - began, expected)
        line.clear()


class _Line:
    """One line of a cell's output that changes and goes."""

    def __init__(self, publisher: Any) -> None:
        self._publisher = publisher
        self._id = f"clock-{uuid.uuid4().hex}"
        self._shown = False

    def show(self, seconds: float, expected: float | None, text: str = "") -> None:
        """The seconds so far, of those `expected`; `text` in place of the words for both."""
        bar = ""
        if not text:
            text = f"{seconds:.0f} s"
            if expected is not None:
                text += (
                    f" of about {words(expected)}" if seconds < expected else f", usually {words(expected)}"
                )
            text = f"running: {text}"
        if expected is not None:
            share = min(1.0, seconds / expected)
            bar = (
                f'<progress value="{share:.2f}" style="width:160px;vertical-align:middle" aria-hidden="true">'
            )
            bar += "</progress> "
        html = f'<div style="{page.TEXT_STYLE}">{bar}{page.escape(text)}</div>'
        self._publish(html, text)

    def clear(self) -> None:
        if self._shown:
            self._publish("", "")

    def _publish(self, html: str, text: str) -> None:
        self._publisher.publish(
            data={"text/html": html, "text/plain": text},
            metadata={},
            transient={"display_id": self._id},
            update=self._shown,
        )
        self._shown = True


def install(lesson: str) -> None:
    """Watch this kernel's cells, in place of an earlier lesson's clock; nothing where there is no notebook.

    ``COURSE_CLOCK=0`` switches it off: a run by the course, whose outputs are kept, sets it.
    """
    global _installed
    from IPython.core.interactiveshell import InteractiveShell

    if not InteractiveShell.initialized() or os.environ.get("COURSE_CLOCK") == "0":
        return
    shell = InteractiveShell.instance()
    if getattr(shell, "kernel", None) is None:  # a terminal, where a line cannot change and go
        return
    if _installed is not None:
        _installed.remove()
    _installed = Clock(shell, measured(lesson))
    _installed.install()
