"""Running lessons: fresh solution notebooks, executed one after another, and the report of what they gave.

Knows what surrounds an execution: the warm-up, the ledger that a lesson's claims go to, the progress bar, and
that one bad lesson does not stop the others. Knows nothing about kernels or about what the lessons do. Writes
only below its build folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from helpers import settings
from helpers.course import build, page, report
from helpers.course.execute import execute, kernel_environment
from helpers.course.results import LessonResult, read_ledger, status_line
from helpers.lesson import clock
from helpers.manifest import LessonEntry, Manifest, load
from helpers.models.tiers import current_tier


def run_lesson(
    entry: LessonEntry,
    manifest: Manifest,
    root: Path,
    build_dir: Path,
    extra: dict[str, str],
    on_cell: Callable[[int, int], None],
) -> LessonResult:
    """Execute one lesson's solution, freshly built, and leave the executed notebook below `build_dir`."""
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
        cell_seconds=result.cell_seconds,
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
            bar.write(status_line(result))
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
    environment = kernel_environment(build_dir, {})
    subprocess.run(
        [sys.executable, "-m", "helpers.course.warm"], cwd=settings.ROOT, env=environment, check=False
    )


def keep_times(results: Sequence[LessonResult]) -> None:
    """Put what the cells of lessons that passed took into the table that estimates come from."""
    table = clock.TABLE
    known = json.loads(table.read_text(encoding="utf-8")) if table.exists() else {"lessons": {}}
    for result in results:
        if result.status == "passed":
            taken = {cell: round(s, 1) for cell, s in result.cell_seconds.items() if s >= clock.PATIENCE}
            known["lessons"][result.id] = taken
    table.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def run(
    lessons: Iterable[str] = (),
    root: Path = settings.ROOT,
    build_dir: Path | None = None,
    times: bool = False,
) -> int:
    """Execute the solutions of `lessons` (all, if empty), print the ledger, and write the report.

    With `times`, what their cells took goes into the table of estimates.

    Returns 0 if every lesson passed and no claim was contradicted, 130 after Ctrl-C, else 1.

    Raises:
        CourseError: before anything runs, if a lesson, the seed or the tier is unknown, `build_dir` cannot be
            written to, or times are to be kept of another size or tier than estimates are for.
    """
    manifest = load(root)
    entries = manifest.choose(lessons)
    settings.course_seed()  # a wrong one is one sentence here, instead of one failure per lesson
    tier = current_tier().name
    if times and (settings.smoke() or tier != "cpu"):
        raise settings.CourseError("Times are kept of a run at full size on the CPU tier; this is another.")
    build_dir = build_dir or root / "build"
    _make_writable(build_dir)
    started = time.perf_counter()
    warm_up(build_dir)
    results = run_lessons(entries, manifest, root, build_dir)
    if times:
        keep_times(results)
    document = report.document(manifest, results, time.perf_counter() - started)
    report.write(document, build_dir)
    executed = {result.id: result.notebook for result in results if result.notebook is not None}
    page.write(document, executed, build_dir)
    print(report.table(document))
    print(f"\nReport: {build_dir / 'report.html'} · executed notebooks: {build_dir / 'notebooks'}")
    if any(result.status == "interrupted" for result in results):
        return 130
    return 0 if document["ok"] else 1
