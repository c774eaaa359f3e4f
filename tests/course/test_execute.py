"""Executing one notebook: what is told of it. Whole lessons, good and bad, are run in test_run.py."""

from __future__ import annotations

import os

import pytest
from nbformat import v4

from helpers.course import execute

WIDGETS = "application/vnd.jupyter.widget-state+json"


def executed(build_dir, *code, seconds=30, peak_mb=600):
    """A notebook of these cells, executed; and what `execute` told of it."""
    built = v4.new_notebook(cells=[v4.new_markdown_cell("# A title"), *map(v4.new_code_cell, code)])
    seen = []
    environment = execute.kernel_environment(build_dir, {"HUE": "green"})
    told = execute.execute(
        built,
        build_dir / "work",
        build_dir,
        environment=environment,
        seconds=seconds,
        peak_mb=peak_mb,
        on_cell=lambda cell, count: seen.append((cell, count)),
    )
    return built, told, seen


def test_a_notebook_is_executed_in_place_and_in_its_folder(tmp_path):
    code = ["import os", "print(os.environ['HUE'], os.path.basename(os.getcwd()))"]
    built, (status, problem, seconds, peak_mb), seen = executed(tmp_path, *code)
    assert (status, problem) == ("passed", "")
    assert built.cells[2].outputs[0].text == "green work\n"
    assert seen == [(1, 2), (2, 2)]
    assert 0 < seconds < 30
    assert 30 < peak_mb < 600


def test_an_error_is_one_sentence_that_names_the_cell(tmp_path):
    _, (status, problem, _, _), seen = executed(tmp_path, "1", "1 / 0", "2")
    assert status == "failed"
    assert problem == "A cell raised ZeroDivisionError: division by zero (code cell 2 of 3)"
    assert seen[-1] == (2, 3)


@pytest.mark.parametrize(
    ("outputs", "errors"),
    [
        ([], []),
        ([{"output_type": "stream", "text": "KeyError"}], []),
        ([{"output_type": "error", "ename": "KeyError", "evalue": "'x'"}], ["KeyError: 'x'"]),
        ([{"output_type": "error"}], ["Error: "]),
    ],
)
def test_errors_that_a_widget_swallowed_are_found(outputs, errors):
    built = v4.new_notebook()
    assert execute.hidden_errors(built) == []
    state = {"one": {"state": {"outputs": outputs}}, "two": {"state": {}}}
    built.metadata["widgets"] = {WIDGETS: {"state": state}}
    assert execute.hidden_errors(built) == errors


def test_progress_bars_leave_the_executed_notebook_and_other_outputs_stay():
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}
    bar = "dpo:   0%|          | 0/10 [00:00<?, ?it/s]"
    kept = [
        v4.new_output("display_data", data={**view, "text/plain": "a quiz"}),
        v4.new_output("display_data", data={"text/plain": bar}),
        v4.new_output("stream", text=bar),
    ]
    cell = v4.new_code_cell(
        "x", outputs=[v4.new_output("display_data", data={**view, "text/plain": bar}), *kept]
    )
    built = v4.new_notebook(cells=[v4.new_markdown_cell("# A title"), cell])
    execute.drop_bars(built)
    assert built.cells[1].outputs == kept


def test_a_kernels_environment_is_this_one_with_its_folders_below_build(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLCONFIGDIR", "elsewhere")
    environment = execute.kernel_environment(tmp_path, {"COURSE_SEED": "3"})
    assert environment["PATH"] == os.environ["PATH"]
    assert environment["MPLCONFIGDIR"] == str(tmp_path / "matplotlib")
    assert environment["COURSE_SEED"] == "3"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_not_counted_twice_and_its_own_memory_is(tmp_path):
    """A child that shares the kernel's 300 MB adds nothing to them; one that takes 200 MB more adds those."""

    def peak(child):
        code = (
            "import os, time\nblock = bytearray(os.urandom(1)) * (300 * 2**20)\n"
            f"if (pid := os.fork()) == 0:\n    {child}\n    time.sleep(1.5)\n    os._exit(0)\n"
            "else:\n    os.waitpid(pid, 0)"
        )
        return executed(tmp_path, code, peak_mb=4000)[1][3]

    sharing, taking = peak("pass"), peak("own = bytearray(os.urandom(1)) * (200 * 2**20)")
    assert 300 < sharing < 500
    assert 150 < taking - sharing < 300
