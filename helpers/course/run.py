"""Executing lessons: fresh solution notebooks, each in a kernel of its own, watched from outside.

Knows how to start, watch and end a kernel, and when a run has failed: an error (also one that a widget's
Output swallowed), a dead or hanging kernel, more than twice the budget of time or memory, a contradicted
claim. Knows nothing about what the lessons do. Writes only below its build folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from helpers import settings
from helpers.course import page, report
from helpers.manifest import LessonEntry, Manifest, load
from helpers.models.tiers import current_tier

Status = Literal["passed", "failed", "interrupted", "not run"]

#: How often the kernel's memory and clock are looked at, in seconds.
_TICK = 0.05
#: A lesson fails when it takes more than this many times its budget of seconds or megabytes.
BUDGET_FACTOR = 2
_LONGEST_SOCKET_PATH = 100
_COLORS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class LessonResult:
    """What one lesson's execution gave. `peak_mb` counts the kernel and all its child processes."""

    id: str
    title: str
    status: Status = "not run"
    seconds: float = 0.0
    peak_mb: float = 0.0
    problem: str = ""
    claims: list[dict[str, Any]] = field(default_factory=list)
    notebook: Any = None


# --- one notebook in one kernel -----------------------------------------------------------------------------


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
        import psutil

        pid = getattr(getattr(self._client.km, "provisioner", None), "pid", None)
        if not pid:
            return
        with contextlib.suppress(psutil.Error):
            kernel = psutil.Process(pid)
            self._processes = [kernel, *kernel.children(recursive=True)]
        total = 0
        for process in self._processes:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        self.peak_mb = max(self.peak_mb, total / 2**20)

    def kill(self) -> None:
        import psutil

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
) -> tuple[Status, str, float, float]:
    """Execute a notebook in place, in a kernel of its own with `folder` as its working directory.

    `seconds` and `peak_mb` are budgets: at more than twice the time the kernel is ended, more than twice
    the memory fails the lesson at its end. Returns status, one sentence on what went wrong (or the empty
    string), the seconds that it took, and the peak of the kernel's process tree in megabytes.
    """
    from nbclient import NotebookClient

    folder.mkdir(parents=True, exist_ok=True)
    code_cells = [index for index, cell in enumerate(built.cells) if cell.cell_type == "code"]
    at = {"cell": 0}

    def cell_begins(cell: Any, cell_index: int) -> None:
        if cell_index in code_cells:
            at["cell"] = code_cells.index(cell_index) + 1
            on_cell(at["cell"], len(code_cells))

    def where() -> str:
        return f"code cell {at['cell']} of {len(code_cells)}"

    client = NotebookClient(
        built,
        km=_kernel_manager(build_dir / "runtime"),
        timeout=None,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
        on_cell_start=cell_begins,
    )
    client.owns_km = True
    failure: list[BaseException] = []

    def work() -> None:
        import asyncio

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


# --- lessons ------------------------------------------------------------------------------------------------


def read_ledger(path: Path) -> list[dict[str, Any]]:
    """The claims that a lesson appended to its ledger; the last row counts where a name stands twice.

    A kernel that is killed may leave half a last line, which is left out.
    """
    if not path.exists():
        return []
    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    rows = []
    for position, line in enumerate(lines):
        try:
            rows.append(json.loads(line))
        except ValueError:
            if position < len(lines) - 1:
                raise
    return list({row["name"]: row for row in rows}.values())


def run_lesson(
    entry: LessonEntry,
    manifest: Manifest,
    root: Path,
    build_dir: Path,
    extra: dict[str, str],
    on_cell: Callable[[int, int], None],
) -> LessonResult:
    """Execute one lesson's solution, freshly built, and leave the executed notebook below `build_dir`."""
    from helpers.course import build

    result = LessonResult(entry.id, entry.title)
    target = build_dir / "notebooks" / f"{entry.name}.ipynb"
    ledger = build_dir / "ledger" / f"{entry.id}.jsonl"
    for path in (target, ledger):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
    built = build.notebook(entry, manifest, root, solution=True)
    environment = kernel_environment(build_dir, {"COURSE_LEDGER": str(ledger), **extra})
    result.status, result.problem, result.seconds, result.peak_mb = execute(
        built,
        target.parent,
        build_dir,
        environment=environment,
        seconds=entry.seconds,
        peak_mb=entry.peak_mb,
        on_cell=on_cell,
    )
    result.notebook = built
    result.claims = read_ledger(ledger)
    target.write_text(build.to_text(built), encoding="utf-8")
    return result


def run_lessons(
    entries: Sequence[LessonEntry],
    manifest: Manifest,
    root: Path,
    build_dir: Path,
    extra: dict[str, str] | None = None,
) -> list[LessonResult]:
    """Execute lessons one after another, with a progress bar; a failed one does not stop the others."""
    from tqdm import tqdm

    build_dir.mkdir(parents=True, exist_ok=True)
    (build_dir / "progress.json").unlink(missing_ok=True)
    results = []
    with tqdm(
        entries, unit="lesson", disable=None, bar_format="{desc} |{bar:24}| {n_fmt}/{total_fmt}{postfix}"
    ) as bar:
        for entry in entries:
            bar.set_description_str(entry.heading)

            def show(cell: int, count: int, bar: Any = bar) -> None:
                bar.set_postfix_str(f"cell {cell} of {count}")

            if any(result.status == "interrupted" for result in results):
                results.append(LessonResult(entry.id, entry.title))
                continue
            try:
                result = run_lesson(entry, manifest, root, build_dir, extra or {}, show)
            except settings.CourseError as error:
                result = LessonResult(entry.id, entry.title, "failed", problem=str(error))
            except Exception as error:  # whatever it is, the other lessons run and the report is written
                problem = f"It could not be run ({type(error).__name__}: {error})."
                result = LessonResult(entry.id, entry.title, "failed", problem=problem)
            results.append(result)
            bar.write(report.status_line(result))
            bar.update()
    return results


def _make_writable(folder: Path) -> None:
    """Create the folder, and try whether it takes a file.

    Raises:
        CourseError: if it does not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise settings.CourseError(
            f"A run writes into {folder}, which is impossible here ({error.strerror}); "
            "copy the course to a folder that you can write to, and run it there."
        ) from None


def warm_up(build_dir: Path) -> None:
    """Convert the real models, if that has not been done yet, so that no lesson's budget pays for it."""
    import subprocess

    environment = kernel_environment(build_dir, {})
    subprocess.run(
        [sys.executable, "-m", "helpers.course.warm"], cwd=settings.ROOT, env=environment, check=False
    )


def run(lessons: Iterable[str] = (), root: Path = settings.ROOT, build_dir: Path | None = None) -> int:
    """Execute the solutions of `lessons` (all, if empty), print the ledger, and write the report.

    Returns 0 if every lesson passed and no claim was contradicted, 130 after Ctrl-C, else 1.

    Raises:
        CourseError: before anything runs, if a lesson, the seed or the tier is unknown, or `build_dir` cannot
            be written to.
    """
    manifest = load(root)
    entries = manifest.choose(lessons)
    settings.course_seed()  # a wrong one is one sentence here, instead of one failure per lesson
    current_tier()
    build_dir = build_dir or root / "build"
    _make_writable(build_dir)
    started = time.perf_counter()
    warm_up(build_dir)
    results = run_lessons(entries, manifest, root, build_dir)
    document = report.document(manifest, results, time.perf_counter() - started)
    report.write(document, build_dir)
    executed = {result.id: result.notebook for result in results if result.notebook is not None}
    page.write(document, executed, build_dir)
    print(report.table(document))
    print(f"\nReport: {build_dir / 'report.html'} · executed notebooks: {build_dir / 'notebooks'}")
    if any(result.status == "interrupted" for result in results):
        return 130
    return 0 if document["ok"] else 1
