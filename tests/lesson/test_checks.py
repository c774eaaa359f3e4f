from __future__ import annotations

import linecache
import math
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from helpers.lesson import checks
from helpers.lesson.checks import Check, CheckFailed, Property, call, check_exercise, close, run_check

LOGITS, TOKENS = [1.0, 2.0], [0, 1]


def from_cell(code: str, name: str = "f") -> Callable[..., Any]:
    """The function that a notebook cell with this code defines."""
    code = textwrap.dedent(code).lstrip()
    file = f"/tmp/ipykernel_1/{abs(hash(code))}.py"
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    scope: dict[str, Any] = {}
    exec(compile(code, file, "exec"), scope)
    return scope[name]


def negative(function: Callable[..., Any]) -> None:
    answer = call(function, logits=LOGITS, tokens=TOKENS)
    answer.should("be negative", answer.value < 0)


def right(function: Callable[..., Any]) -> None:
    call(function, logits=LOGITS, tokens=TOKENS).close(-1.25)


CHECK = Check("logp", [Property("it is negative", negative), Property("it is the sum", right)])


def solution(logits: list[float], tokens: list[int]) -> float:
    return -1.25


def test_a_right_attempt_is_used_from_now_on(shown: list[dict[str, Any]]) -> None:
    attempt = from_cell("def f(logits, tokens): return -1.25")
    assert check_exercise(CHECK, attempt, solution) == (attempt, "passed")
    assert shown[0]["text/plain"] == "✔ logp: all 2 properties hold."


def test_an_untouched_exercise_falls_back_to_the_reference(shown: list[dict[str, Any]]) -> None:
    attempt = from_cell(
        """
        def f(logits, tokens):
            # YOUR CODE HERE
            raise NotImplementedError
        """
    )
    assert check_exercise(CHECK, attempt, solution) == (solution, "open")
    text = shown[0]["text/plain"]
    assert text == "○ logp: not attempted yet; the reference is used, so the notebook runs on."


def test_a_wrong_attempt_learns_the_property_and_the_input_but_not_the_answer(
    shown: list[dict[str, Any]],
) -> None:
    assert check_exercise(CHECK, lambda logits, tokens: 3.1, solution) == (solution, "failed")
    text = shown[0]["text/plain"]
    assert "property 1 of 2 does not hold: it is negative" in text
    assert "For logits [1, 2] and tokens [0, 1]: the result should be negative, yours is 3.1." in text
    check_exercise(CHECK, lambda logits, tokens: -7, solution)
    assert "yours is -7, too small" in shown[1]["text/plain"]
    assert all("1.25" not in bundle["text/html"] for bundle in shown)


def test_an_error_is_shown_with_the_learners_own_line() -> None:
    attempt = from_cell(
        """
        import json
        def f(logits, tokens):
            total = 0
            return json.loads("{<" + str(total))
        """
    )
    outcome = run_check(CHECK, attempt)
    assert outcome.status == "failed"
    assert "JSONDecodeError" in outcome.message
    assert outcome.line == '4: return json.loads("{<" + str(total))'
    html = checks.outcome_html(outcome)
    assert "Traceback" not in html
    assert "&lt;" in html
    assert "{<" not in html


def test_not_implemented_by_a_library_is_an_error_and_not_an_open_exercise() -> None:
    attempt = from_cell(
        """
        import asyncio
        def f(logits, tokens):
            return asyncio.AbstractEventLoop().stop()
        """
    )
    outcome = run_check(CHECK, attempt)
    assert outcome.status == "failed"
    assert "NotImplementedError" in outcome.message
    assert outcome.line.startswith("3:")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def f(logits, tokens): pass", "did you forget `return`"),
        ("def f(logits, tokens): print('-1.25')", "did you forget `return`"),
        ("def f(logits, tokens): logits.append(1); return -1.25", "changes its input `logits`"),
        ("def f(logits, tokens): return float('nan')", "NaN"),
        ("def f(logits, tokens): return [-1.25, float('nan')]", "NaN"),
        ("def f(logits): return -1.25", "takes (logits), and is called with 2 arguments (logits, tokens)"),
        ("def f(logits, tokens): return 'no'", "could not be tested (TypeError"),
        ("def f(logits, tokens): return f(logits, tokens)", "RecursionError"),
        ("f = 3", "should be a function, yours is 3"),
    ],
)
def test_common_mistakes_get_a_helpful_message(code: str, expected: str) -> None:
    outcome = run_check(CHECK, from_cell(code))
    assert outcome.status == "failed"
    assert expected in outcome.message


def test_what_was_printed_is_shown_on_failure_only(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = run_check(CHECK, from_cell("def f(logits, tokens): print('<b>hello')"))
    assert "&lt;b&gt;hello" in checks.outcome_html(outcome)
    assert run_check(CHECK, from_cell("def f(logits, tokens): print('x'); return -1.25")).printed == ""
    assert capsys.readouterr().out == ""


def test_an_interrupt_passes_through() -> None:
    def interrupted(logits: list[float], tokens: list[int]) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_check(CHECK, interrupted)


def test_a_bare_assertion_never_shows_its_values() -> None:
    def bare(function: Callable[..., Any]) -> None:
        assert function() == 1.25, "the answer is 1.25"

    outcome = run_check(Check("logp", [Property("it is right", bare)]), lambda: 1)
    assert outcome.status == "failed"
    assert "1.25" not in checks.outcome_text(outcome)


def test_a_learners_values_are_escaped() -> None:
    attempt = from_cell("def f(logits, tokens): return '<script>'")
    prop = Property("it is a number", lambda f: call(f, logits=LOGITS, tokens=TOKENS).close(1.0))
    html = checks.outcome_html(run_check(Check("logp", [prop]), attempt))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_a_shown_text_with_line_breaks_is_put_on_one_line_and_others_keep_their_blanks() -> None:
    assert checks._cut("tensor([[1],\n        [2]])") == "tensor([[1], [2]])"
    assert checks._cut("a  b") == "a  b"
    assert checks._cut("x" * 10_000).endswith("x…")


def test_close_accepts_within_the_tolerance() -> None:
    close(1.0, 1.00005, "the result")
    close([1, 2], np.array([1.0, 2.0]), "the result")
    close(-math.inf, -math.inf, "the result")
    close(True, 1.0, "the result")


@pytest.mark.parametrize(
    ("actual", "expected", "message"),
    [
        (1.2, 1.0, "too large"),
        (-math.inf, 1.0, "too small"),
        ([1.0, 2.0, 9.0], [1.0, 2.0, 3.0], r"1 of 3 values differ; in yours, element 2 is 9, too large"),
        ([[1.0, 0.0]], [[1.0, 2.0]], r"element \(0, 1\) is 0, too small"),
        ([1.0], 1.0, r"should be one number, yours has shape \(1,\)"),
        (1.0, [1.0, 2.0], r"should have shape \(2,\), yours is one number"),
        (None, 1.0, "should be a number, yours is None"),
        ([[1.0], [1.0, 2.0]], [1.0], "should be numbers"),
        (float("nan"), 1.0, "NaN"),
    ],
)
def test_close_says_what_is_off(actual: Any, expected: Any, message: str) -> None:
    with pytest.raises(CheckFailed, match=message):
        close(actual, expected, "the result")


def test_tensors_are_copied_compared_and_shown() -> None:
    torch = pytest.importorskip("torch")
    logits = torch.tensor([[0.5, 1.0]], requires_grad=True)

    def in_place(logits: Any) -> Any:
        logits.data.zero_()
        return logits

    with pytest.raises(CheckFailed, match=r"for logits \[\[0.5, 1\]\]: your function changes its input"):
        call(in_place, logits=logits)
    assert logits.tolist() == [[0.5, 1.0]]
    call(lambda logits: logits * 2, logits=logits).close(torch.tensor([[1.0, 2.0]]))
    call(lambda logits: logits.to(torch.bfloat16), logits=logits).close(logits)
    with pytest.raises(CheckFailed, match="NaN"):
        call(lambda logits: logits / 0 - logits / 0, logits=logits)
    with pytest.raises(CheckFailed, match="the result should have one row, yours is 2"):
        call(lambda logits: logits, logits=logits).should("have one row", False, yours=2)


def test_models_are_passed_as_they_are() -> None:
    class Model:
        pass

    model = Model()
    assert call(lambda model, data: model, model=model, data={"a": np.zeros(2)}).value is model


def test_changes_inside_containers_are_noticed() -> None:
    def change(data: dict[str, Any]) -> int:
        data["a"][0][0] = 5
        return 1

    data = {"a": [np.zeros(2)]}
    with pytest.raises(CheckFailed, match="changes its input `data`"):
        call(change, data=data)
    assert data["a"][0][0] == 0


def test_long_values_are_cut() -> None:
    assert len(checks.brief(list(range(1000)))) <= checks.SHOWN_CHARACTERS


def test_the_module_does_not_import_torch() -> None:
    import subprocess
    import sys

    code = "import sys; from helpers.lesson import checks, plots, say, progress; print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(eval(out))
    assert not loaded & {"torch", "matplotlib", "ipywidgets", "IPython"}
