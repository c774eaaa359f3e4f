"""Running lessons: what passes, what fails, and that one bad lesson does not take the others with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from helpers import settings
from helpers.course import run
from helpers.lesson import clock

pytestmark = pytest.mark.usefixtures("no_warm_up")

CLAIM = {
    "lesson": "00",
    "name": "twice",
    "talk": ["T1"],
    "scope": "world",
    "statement": "Twice is more.",
    "prediction": "about 2",
    "values": [1.9, 2.0, 2.1, 2.0, 2.0, 2.0],
    "seeds": [0, 1, 2, 3, 4, 5],
    "mean": 2.0,
    "low": 1.93,
    "high": 2.07,
    "unit": "times",
    "verdict": "holds",
    "expected": "holds",
    "rule": "above 1",
    "live": {"0": 1.9},
    "live_agrees": True,
}


def claiming(**changes):
    row = {**CLAIM, **changes}
    return f"""

# %%
with open(os.environ["COURSE_LEDGER"], "a") as ledger:
    ledger.write(json.dumps(json.loads({json.dumps(row)!r})) + "\\n")
"""


def run_course(course, *lessons):
    status = run.run(lessons, course.root)
    return status, json.loads((course.root / "build" / "report.json").read_text(encoding="utf-8"))


def test_a_run_reports_and_writes_only_below_build(course, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")  # the table folds its words to the width of the terminal
    course.add_to_source("00_first", claiming())
    before = course.files()
    status, report = run_course(course)
    assert status == 0
    assert report["ok"]
    assert course.files() == before
    first, second = report["lessons"]
    assert (first["id"], first["status"], second["status"]) == ("00", "passed", "passed")
    assert 0 < first["seconds"] < 30
    assert 30 < first["peak_mb"] < 600
    claim = first["claims"][0]
    assert claim["id"] == "00/twice"
    for name in (
        "talk",
        "scope",
        "statement",
        "prediction",
        "values",
        "mean",
        "low",
        "high",
        "unit",
        "verdict",
    ):
        assert claim[name] == CLAIM[name]
    assert claim["expected"] == "holds"
    assert {"version", "tier", "course_seed", "machine"} <= set(report)
    executed = nbformat.read(course.root / "build" / "notebooks" / "00_first.ipynb", 4)
    assert any("the same" in str(cell.get("outputs")) for cell in executed.cells)
    printed = capsys.readouterr().out
    assert "Twice is more. (T1)" in printed
    assert "✔ holds" in printed
    assert "2 of 2 lessons passed, 1 claims" in printed


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("raise ValueError('this went wrong')", "ValueError: this went wrong"),
        (
            "import ipywidgets\nout = ipywidgets.Output()\nwith out:\n    raise KeyError('swallowed')\nout",
            "A widget's output holds an error: KeyError: 'swallowed'",
        ),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "Its kernel died"),
    ],
)
def test_a_bad_lesson_fails_and_the_next_one_still_runs(course, capsys, cell, told):
    course.add_to_source("00_first", f"\n# %%\n{cell}\n")
    status, report = run_course(course)
    assert status == 1
    assert [lesson["status"] for lesson in report["lessons"]] == ["failed", "passed"]
    assert told in report["lessons"][0]["problem"]
    assert told in capsys.readouterr().out


def test_a_hanging_cell_ends_at_twice_the_budget_and_leaves_no_process(course, capsys):
    course.change("course.toml", "seconds = 30", "seconds = 4")
    course.source(
        "00_first",
        """\
        # %% [markdown]
        # # 00 · First

        # %%
        import signal, subprocess, sys, time
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(77.5)"])
        time.sleep(77)
        """,
    )
    started = time.perf_counter()
    status, report = run_course(course, "00")
    assert status == 1
    assert time.perf_counter() - started < 40
    assert "After 8 s, twice its budget, it was at code cell 2 of 2." in report["lessons"][0]["problem"]
    assert not [
        p for p in psutil.process_iter(["cmdline"]) if "time.sleep(77.5)" in " ".join(p.info["cmdline"] or [])
    ]


def test_too_much_memory_fails_also_in_a_child_process(course, capsys):
    course.change("course.toml", "peak_mb = 600", "peak_mb = 100")
    course.add_to_source(
        "01_second",
        """
        # %%
        import subprocess, sys
        code = "import time; x = bytearray(250_000_000); time.sleep(1)"
        subprocess.run([sys.executable, "-c", code], check=True)
        """,
    )
    status, report = run_course(course, "01")
    assert status == 1
    assert report["lessons"][0]["peak_mb"] > 250
    assert "more than twice its budget of 100 MB" in report["lessons"][0]["problem"]


@pytest.mark.parametrize(
    ("changes", "status", "printed"),
    [
        ({"verdict": "fails"}, 1, "its source expects 'holds', its interval says 'fails'"),
        (
            {"verdict": "holds", "expected": "fails"},
            1,
            "its source expects 'fails', its interval says 'holds'",
        ),
        ({"verdict": "inconclusive"}, 0, "Slipped to inconclusive (reported, not an error): 00/twice"),
        ({"verdict": "fails", "expected": "fails"}, 0, "✘ fails"),
        ({"verdict": "inconclusive", "expected": "inconclusive"}, 0, "? inconclusive"),
        ({"scope": "forecast", "verdict": None, "expected": None, "rule": None}, 0, "forecast"),
        ({"live_agrees": False}, 1, "the live run lies elsewhere"),
    ],
)
def test_verdicts_decide_the_exit_status(course, capsys, changes, status, printed):
    course.add_to_source("00_first", claiming(**changes))
    assert run_course(course, "00")[0] == status
    assert printed in capsys.readouterr().out


def test_kernels_leave_the_users_home_alone(course, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    course.add_to_source(
        "01_second",
        """
        # %%
        import os
        import matplotlib.pyplot as plt
        print(os.environ["COURSE_PROGRESS"], os.environ["MPLCONFIGDIR"], os.environ["IPYTHONDIR"])
        """,
    )
    assert run_course(course, "01")[0] == 0
    assert list((tmp_path / "home").rglob("*")) == []
    executed = (course.root / "build" / "notebooks" / "01_second.ipynb").read_text()
    assert executed.count(str(course.root / "build")) == 3


def test_a_long_path_is_no_obstacle(course, capsys):
    """Local sockets have a limit of about 100 characters; past it the kernel must use another way."""
    deep = course.root / "build" / ("x" * 60) / ("y" * 60)
    assert run.run(["01"], course.root, build_dir=deep) == 0


def test_any_error_about_one_lesson_leaves_the_others_alone(course, capsys, monkeypatch):
    really = run.run_lesson

    def stumble(entry, *arguments):
        if entry.id == "00":
            raise RuntimeError("the sky fell")
        return really(entry, *arguments)

    monkeypatch.setattr(run, "run_lesson", stumble)
    status, report = run_course(course)
    assert status == 1
    assert [lesson["status"] for lesson in report["lessons"]] == ["failed", "passed"]
    assert report["lessons"][0]["problem"] == "It could not be run (RuntimeError: the sky fell)."
    assert (course.root / "build" / "report.html").exists()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that nobody may write to")
def test_a_folder_that_cannot_be_written_to_is_one_sentence(course):
    for build_dir in (Path("/proc/build"), course.root / "course.toml"):
        with pytest.raises(settings.CourseError, match="copy the course to a folder that you can write to"):
            run.run([], course.root, build_dir)


@pytest.mark.parametrize(("name", "value"), [("COURSE_TIER", "foo"), ("COURSE_SEED", "x")])
def test_a_wrong_setting_stops_the_run_before_it_begins(course, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(settings.CourseError, match=name):
        run.run([], course.root)
    assert not (course.root / "build").exists()


def test_a_lesson_that_cannot_be_built_fails_alone(course, capsys):
    course.add_to_source("00_first", "\n# %%\n# BEGIN SOLUTION\nx = 1\n# END SOLUTION\n")
    status, report = run_course(course)
    assert status == 1
    assert [lesson["status"] for lesson in report["lessons"]] == ["failed", "passed"]
    assert "inside a function" in report["lessons"][0]["problem"]


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_ends_the_kernel_and_reports_what_ran(course):
    course.add_to_source("01_second", "\n# %%\nimport time\nprint('now', flush=True)\ntime.sleep(66.5)\n")
    code = (
        "import signal, sys; from pathlib import Path; from helpers.course import run;"
        # A shell that started the tests in the background has them ignore Ctrl-C, and their children too.
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        "run.warm_up = lambda build_dir: None; sys.exit(run.run([], Path(sys.argv[1])))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(course.root)],
        cwd=settings.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    marker = course.root / "build" / "notebooks" / "00_first.ipynb"
    end = time.monotonic() + 60
    while not marker.exists() and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(3)  # the second lesson's kernel is at its long cell, or on its way there
    kernels = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    report = json.loads((course.root / "build" / "report.json").read_text(encoding="utf-8"))
    assert [lesson["status"] for lesson in report["lessons"]] == ["passed", "interrupted"]
    assert kernels
    assert not any(kernel.is_running() and kernel.status() != psutil.STATUS_ZOMBIE for kernel in kernels)


def test_the_times_of_slow_cells_are_kept_for_estimates(course, tmp_path, monkeypatch):
    table = tmp_path / "cell_seconds.json"
    table.write_text(json.dumps({"lessons": {"00": {"gone": 9.0}, "02": {"other": 7.0}}}))
    monkeypatch.setattr(run.clock, "TABLE", table)
    monkeypatch.setattr(run.clock, "PATIENCE", 0.2)
    monkeypatch.setenv("COURSE_TIER", "cpu")
    monkeypatch.delenv("COURSE_SMOKE", raising=False)
    slow = "import time\nend = time.process_time() + 0.4\nwhile time.process_time() < end: pass"
    course.add_to_source("00_first", f"\n# %%\n{slow}\n")
    course.add_to_source("01_second", "\n# %%\nraise ValueError('a failed lesson has no times')\n")
    run.run([], course.root, times=True)
    kept = json.loads(table.read_text())["lessons"]
    assert list(kept) == ["00", "02"]
    assert list(kept["00"]) == [clock.cell_name("code", slow)]
    assert 0.3 < kept["00"][clock.cell_name("code", slow)] < 1.5


def test_times_are_only_kept_at_full_size(course, monkeypatch):
    monkeypatch.setenv("COURSE_SMOKE", "1")
    with pytest.raises(settings.CourseError, match="full size on the CPU tier"):
        run.run([], course.root, times=True)
