"""Executing one notebook in a kernel of its own, watched from outside.

Knows how to start, watch and end a kernel, and when an execution has failed: an error (also one that a
widget's Output swallowed), a dead or hanging kernel, more than twice the budget of time or memory. Knows
nothing about lessons, their claims, or where a notebook comes from. Writes only below its build folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from helpers.course.results import Status

#: How often the kernel's memory and clock are looked at, in seconds.
_TICK = 0.05
#: An execution fails when it takes more than this many times its budget of seconds or megabytes.
BUDGET_FACTOR = 2
_LONGEST_SOCKET_PATH = 100
_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
#: The last line of a progress bar, as tqdm writes it.
_BAR = re.compile(r"\d+%\|.*\| *\d+/\d+ \[")
_COLORS = re.compile(r"\x1b\[[0-9;]*m")


def _kernel_manager(runtime: Path) -> Any:
    """A manager that starts this very Python, whatever kernels are installed, by local sockets if it can."""
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

    class ThisPython(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            launch = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=launch, display_name=kernel_name, language="python")

    runtime.mkdir(parents=True, exist_ok=True)
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=ThisPython())
    manager.connection_file = str(runtime / f"{uuid.uuid4().hex[:8]}.json")
    # Sockets in a folder spare a warning about TCP, but their path has a limit, and Windows has none.
    if os.name == "posix" and len(manager.connection_file) + len("-ipc-5") < _LONGEST_SOCKET_PATH:
        manager.transport = "ipc"
    return manager


def kernel_environment(build_dir: Path, extra: dict[str, str]) -> dict[str, str]:
    """This process's environment for a kernel that writes only below `build_dir`, with `extra` on top."""
    return {
        **os.environ,
        # Whatever a kernel would put into the user's home goes below the build folder.
        "IPYTHONDIR": str(build_dir / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(build_dir / "runtime"),
        "MPLCONFIGDIR": str(build_dir / "matplotlib"),
        "COURSE_PROGRESS": str(build_dir / "progress.json"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "COURSE_CLOCK": "0",  # its lines go when a cell ends, but an empty output stays
        **extra,
    }


class _Kernel:
    """The kernel's processes, seen from outside."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.peak_mb = 0.0
        self._processes: list[Any] = []

    def look(self) -> None:
        """Note the memory that the kernel and its children hold now."""
        pid = getattr(getattr(self._client.km, "provisioner", None), "pid", None)
        if not pid:
            return
        with contextlib.suppress(psutil.Error):
            kernel = psutil.Process(pid)
            self._processes = [kernel, *kernel.children(recursive=True)]
        total = 0
        for process in self._processes[:1]:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        for child in self._processes[1:]:
            # What is the child's own: one that was forked a moment ago shares all of its parent's memory.
            with contextlib.suppress(psutil.Error):
                total += child.memory_full_info().uss
        self.peak_mb = max(self.peak_mb, total / 2**20)

    def processor_seconds(self) -> float:
        """What the kernel has computed so far, and those of its children that have ended."""
        with contextlib.suppress(psutil.Error, IndexError):
            return sum(self._processes[0].cpu_times()[:4])
        return 0.0

    def kill(self) -> None:
        self.look()
        for process in self._processes:
            with contextlib.suppress(psutil.Error):
                process.kill()


def hidden_errors(executed: Any) -> list[str]:
    """Errors that widgets' Output areas swallowed: the notebook ran on, but a learner would see them."""
    state = (
        executed.metadata.get("widgets", {})
        .get("application/vnd.jupyter.widget-state+json", {})
        .get("state", {})
    )
    return [
        f"{output.get('ename', 'Error')}: {output.get('evalue', '')}"
        for widget in state.values()
        for output in widget.get("state", {}).get("outputs", [])
        if output.get("output_type") == "error"
    ]


def drop_bars(executed: Any) -> None:
    """Drop progress bars that were widgets: a page without their state shows how they began, for good."""
    for cell in executed.cells:
        if cell.cell_type == "code":
            cell.outputs = [
                output
                for output in cell.outputs
                if _WIDGET_VIEW not in (data := output.get("data", {}))
                or not _BAR.search(data.get("text/plain", ""))
            ]


def _one_sentence(error: BaseException) -> str:
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    if isinstance(error, CellExecutionError):
        return f"A cell raised {error.ename}: {_COLORS.sub('', error.evalue).strip() or 'no message'}"
    if isinstance(error, DeadKernelError):
        return "Its kernel died; that is mostly a lack of memory."
    return f"It could not be executed ({type(error).__name__}: {error})"


def execute(
    built: Any,
    folder: Path,
    build_dir: Path,
    *,
    environment: dict[str, str],
    seconds: float,
    peak_mb: float,
    on_cell: Callable[[int, int], None] = lambda cell, count: None,
    cell_seconds: dict[str, float] | None = None,
) -> tuple[Status, str, float, float]:
    """Execute a notebook in place, in a kernel of its own with `folder` as its working directory.

    `seconds` and `peak_mb` are budgets: at more than twice the time the kernel is ended, more than twice
    the memory fails the lesson at its end. `cell_seconds` takes what each code cell took, by its id: on a
    machine that others use too the time that it computed, where that is less. Returns status, one sentence
    on what went wrong (or the empty string), the seconds that it took, and the peak of the kernel's process
    tree in megabytes.
    """
    from nbclient import NotebookClient

    folder.mkdir(parents=True, exist_ok=True)
    code_cells = [index for index, cell in enumerate(built.cells) if cell.cell_type == "code"]
    at = {"cell": 0}
    began = {}

    def clocks() -> tuple[float, float]:
        return time.perf_counter(), kernel.processor_seconds()

    def cell_begins(cell: Any, cell_index: int) -> None:
        if cell_index in code_cells:
            at["cell"] = code_cells.index(cell_index) + 1
            began[cell_index] = clocks()
            on_cell(at["cell"], len(code_cells))

    def cell_ends(cell: Any, cell_index: int, execute_reply: Any) -> None:
        if cell_index in began and cell_seconds is not None:
            spans = (now - then for now, then in zip(clocks(), began[cell_index], strict=True))
            cell_seconds[cell.id] = min(spans)

    def where() -> str:
        return f"code cell {at['cell']} of {len(code_cells)}"

    client = NotebookClient(
        built,
        km=_kernel_manager(build_dir / "runtime"),
        timeout=None,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
        on_cell_start=cell_begins,
        on_cell_executed=cell_ends,
    )
    client.owns_km = True
    failure: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(client.async_execute(env=environment))
        except BaseException as error:
            failure.append(error)

    kernel = _Kernel(client)
    started = time.perf_counter()
    limit = BUDGET_FACTOR * seconds
    status: Status = "passed"
    problem = ""
    # In a thread of its own, so that this one can watch the clock and hear Ctrl-C whatever the kernel does.
    worker = threading.Thread(target=work, name="notebook", daemon=True)
    worker.start()
    try:
        while worker.is_alive():
            worker.join(_TICK)
            kernel.look()
            if not problem and time.perf_counter() - started > limit:
                status = "failed"
                problem = f"After {limit:.0f} s, twice its budget, it was at {where()}."
                kernel.kill()
    except KeyboardInterrupt:
        status, problem = "interrupted", "You stopped it."
        kernel.kill()
        worker.join(10)
    took = time.perf_counter() - started
    drop_bars(built)
    if status == "passed":
        swallowed = hidden_errors(built)
        if failure:
            status, problem = "failed", f"{_one_sentence(failure[0])} ({where()})"
        elif swallowed:
            status, problem = "failed", f"A widget's output holds an error: {swallowed[0]}"
        elif kernel.peak_mb > BUDGET_FACTOR * peak_mb:
            status = "failed"
            problem = (
                f"It held {kernel.peak_mb:.0f} MB at its peak, more than twice its budget of {peak_mb:g} MB."
            )
    return status, problem, took, kernel.peak_mb
