"""Checks of a learner's function: named properties, short messages, and the function to go on with.

Knows how to call a learner's function safely and how to say which property failed on which input.
Knows nothing about any exercise. The messages never hold the expected value.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import linecache
import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from helpers.lesson import page

GO_ON = "the reference is used, so the notebook runs on."
RETRY = f"Change it and run both cells again; until then {GO_ON}"
Status = Literal["passed", "failed", "open"]
SHOWN_CHARACTERS = 120  # of a value or of printed text in a message


class CheckFailed(AssertionError):  # noqa: N818 - reads as a verdict on the attempt, not as an error of the course
    """A property does not hold; the message says on which input, and what the attempt gave."""


@dataclass(frozen=True)
class Property:
    """One thing that a right function does.

    Attributes:
        says: the property as a short clause ("a longer sequence is never more probable").
        test: called with the function; raises `CheckFailed` (as `call`, `expect` and `close` do) if it fails.
    """

    says: str
    test: Callable[[Callable[..., Any]], None]


@dataclass(frozen=True)
class Check:
    """The check of one exercise: the function's name and its properties, the simplest first."""

    name: str
    properties: Sequence[Property]


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Attributes:
        status: "passed", "failed", or "open" (not attempted).
        title: one plain sentence that starts with the function's name.
        message: what failed, in plain text; empty unless failed.
        line: the learner's own line that raised, or an empty string.
        printed: what the function printed while it was checked; empty unless failed.
    """

    status: Status
    title: str
    message: str = ""
    line: str = ""
    printed: str = ""


@dataclass(frozen=True)
class Answer:
    """What a function returned for some inputs; made by `call`.

    Attributes:
        value: the returned value; never None, and free of NaN.
        given: "for logits [0.1, 2.0] and tokens [1]: ".
    """

    value: Any
    given: str

    def should(self, be: str, holds: Any, yours: Any = None) -> None:
        """Fail unless `holds`: "for ...: the result should `be`, yours is `yours`" (or all of it)."""
        expect(holds, f"{self.given}the result", be, self.value if yours is None else yours)

    def close(self, expected: Any, tolerance: float = 1e-4) -> None:
        """Fail unless the whole result is within `tolerance` of `expected`, with the same shape."""
        close(self.value, expected, f"{self.given}the result", tolerance)


def call(function: Callable[..., Any], /, **inputs: Any) -> Answer:
    """Call the function with copies of the inputs, by position; their names are for the messages.

    Raises:
        CheckFailed: if it cannot take so many arguments, changes an input, returns nothing, or returns NaN.
    """
    given = _given(inputs)
    with contextlib.suppress(TypeError, ValueError):  # built-ins and some callables have no signature
        signature = inspect.signature(function)
        try:
            signature.bind(*inputs.values())
        except TypeError:
            raise CheckFailed(
                f"your function takes {signature}, and is called with {len(inputs)} "
                f"argument{'s' if len(inputs) != 1 else ''} ({', '.join(inputs)})"
            ) from None
    copies = {name: _copy(value) for name, value in inputs.items()}
    value = function(*copies.values())
    for name, original in inputs.items():
        if not _same(copies[name], original):
            raise CheckFailed(f"{given}your function changes its input `{name}`: work on a copy")
    if value is None:
        raise CheckFailed(f"{given}your function returns None: did you forget `return`?")
    if _has_nan(value):
        raise CheckFailed(f"{given}the result should be a number everywhere, yours is {brief(value)} (NaN)")
    return Answer(value, given)


def expect(holds: Any, what: str, should: str, yours: Any) -> None:
    """Fail unless `holds` is true: "`what` should `should`, yours is `yours`"."""
    if not bool(holds):
        raise CheckFailed(f"{what} should {should}, yours is {brief(yours)}")


def close(actual: Any, expected: Any, what: str, tolerance: float = 1e-4) -> None:
    """Fail unless `actual` is within `tolerance` of `expected` everywhere, without showing `expected`.

    Numbers, nested lists, arrays and tensors are compared; shapes must agree.
    """
    import numpy as np

    wanted = np.asarray(_plain(expected), dtype=float)
    try:
        if actual is None:  # numpy would take it for NaN
            raise TypeError
        got = np.asarray(_plain(actual), dtype=float)
    except (TypeError, ValueError):
        kind = "a number" if wanted.ndim == 0 else "numbers"
        found = f"{brief(actual)} ({type(actual).__name__})"
        raise CheckFailed(f"{what} should be {kind}, yours is {found}") from None
    if got.shape != wanted.shape:
        raise CheckFailed(f"{what} should {_shape(wanted.shape)}, yours {_shape(got.shape, 'is', 'has')}")
    with np.errstate(invalid="ignore"):
        wrong = ~((got == wanted) | (np.abs(got - wanted) <= tolerance))
    if not wrong.any():
        return
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    direction = "large" if got[first] > wanted[first] else "small"
    if math.isnan(got[first]):
        raise CheckFailed(f"{what} should be a number everywhere, yours is {brief(actual)} (NaN)")
    if not first:
        raise CheckFailed(f"{what} is not right: yours is {brief(actual)}, too {direction}")
    where = f"element {first[0] if len(first) == 1 else first}"
    raise CheckFailed(
        f"{what} is not right: {int(wrong.sum())} of {wrong.size} values differ; "
        f"in yours, {where} is {brief(float(got[first]))}, too {direction}"
    )


def run_check(check: Check, attempt: Any) -> Outcome:
    """Test the properties in order, up to the first that does not hold. KeyboardInterrupt passes through."""
    if not callable(attempt):
        message = f"it should be a function, yours is {brief(attempt)}"
        return Outcome("failed", f"{check.name}: not a function.", message)
    printed = io.StringIO()
    for number, prop in enumerate(check.properties, start=1):
        title = f"{check.name}: property {number} of {len(check.properties)} does not hold: {prop.says}."
        try:
            with contextlib.redirect_stdout(printed):
                prop.test(attempt)
        except CheckFailed as failure:
            return Outcome("failed", title, _sentence(str(failure)), printed=printed.getvalue())
        except AssertionError:
            return Outcome("failed", title, "", printed=printed.getvalue())
        except Exception as error:
            frame = _learner_frame(error, attempt)
            innermost = traceback.extract_tb(error.__traceback__)[-1]
            if isinstance(error, NotImplementedError) and frame == innermost:
                return Outcome("open", f"{check.name}: not attempted yet; {GO_ON}")
            return _raised(title, error, frame, printed.getvalue())
    count = len(check.properties)
    says = "its property holds" if count == 1 else f"all {count} properties hold"
    return Outcome("passed", f"{check.name}: {says}.")


def outcome_html(outcome: Outcome) -> str:
    """The card of an outcome: icon, sentence, and below it what failed."""
    lines = []
    if outcome.message:
        lines.append(page.prose_html(outcome.message))
    if outcome.line:
        lines.append(f"Your line: {page.code_html(outcome.line)}")
    if outcome.printed.strip():
        lines.append(f"Your function printed: {page.code_html(_cut(outcome.printed.strip()))}")
    if outcome.status == "failed":
        lines.append(RETRY)
    return page.card_html(outcome.status, outcome.title, "<br>".join(lines))


def outcome_text(outcome: Outcome) -> str:
    """The same card as plain text."""
    parts = [outcome.message, f"Your line: {outcome.line}" if outcome.line else ""]
    if outcome.status == "failed":
        parts.append(RETRY)
    return page.card_text(outcome.status, outcome.title, " ".join(part for part in parts if part))


def check_exercise(
    check: Check, attempt: Any, reference: Callable[..., Any]
) -> tuple[Callable[..., Any], Status]:
    """Check the attempt and show its card; give the function to use from now on, and the status.

    The function is the attempt when it passes and the reference otherwise.
    """
    outcome = run_check(check, attempt)
    page.show_html(outcome_html(outcome), outcome_text(outcome))
    return (attempt if outcome.status == "passed" else reference), outcome.status


def brief(value: Any) -> str:
    """A value as short text for a message: numbers to four digits, long values cut."""
    plain = _plain(value)
    if isinstance(plain, float):
        return f"{plain:.4g}"
    if isinstance(plain, dict):
        return _cut("{" + ", ".join(f"{key!r}: {brief(item)}" for key, item in plain.items()) + "}")
    if isinstance(plain, (list, tuple)):
        left, right = "[]" if isinstance(plain, list) else "()"
        return _cut(left + ", ".join(brief(item) for item in plain) + right)
    return _cut(repr(plain))


def _given(inputs: Mapping[str, Any]) -> str:
    """ "for a 1, b 2 and c 3: ", or nothing without inputs."""
    named = [f"{name} {brief(value)}" for name, value in inputs.items()]
    if not named:
        return ""
    return f"for {' and '.join(filter(None, [', '.join(named[:-1]), named[-1]]))}: "


def _raised(title: str, error: Exception, frame: traceback.FrameSummary | None, printed: str) -> Outcome:
    """The outcome of a property during which something raised."""
    what = f"{type(error).__name__}: {_cut(str(error))}".rstrip(": ")
    if frame is None:
        message = f"What your function returned could not be tested ({what}): look at its type and shape."
        return Outcome("failed", title, message, printed=printed)
    line = (linecache.getline(frame.filename, frame.lineno or 0) or frame.line or "").strip()
    message = f"Your function raised {_sentence(what, capital=False)}"
    return Outcome("failed", title, message, line=f"{frame.lineno}: {line}" if line else "", printed=printed)


def _learner_frame(error: Exception, attempt: Any) -> traceback.FrameSummary | None:
    """The last frame in the attempt's own file or in any notebook cell."""
    own = getattr(getattr(inspect.unwrap(attempt), "__code__", None), "co_filename", None)
    found = None
    for frame in traceback.extract_tb(error.__traceback__):
        is_cell = "ipykernel_" in frame.filename or frame.filename.startswith("<ipython-input")
        if is_cell or frame.filename == own:
            found = frame
    return found


def _sentence(text: str, capital: bool = True) -> str:
    text = text.strip()
    text = text[:1].upper() + text[1:] if capital else text
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _shape(shape: tuple[int, ...], is_word: str = "be", has_word: str = "have") -> str:
    if not shape:
        return f"{is_word} one number"
    return f"{has_word} shape ({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _cut(text: str) -> str:
    text = " ".join(text.split()) if "\n" in text else text
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def _is_tensor(value: Any) -> bool:
    """Whether the value is a torch tensor, found out without importing torch."""
    return all(hasattr(value, name) for name in ("detach", "clone", "requires_grad", "tolist"))


def _plain(value: Any) -> Any:
    """Tensors and arrays as (nested lists of) Python numbers, containers likewise."""
    if _is_tensor(value):
        return value.detach().cpu().tolist()
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_plain, value)) if type(value) in (list, tuple) else [_plain(v) for v in value]
    return value


def _copy(value: Any) -> Any:
    """A copy of data; models, functions and other objects are passed as they are."""
    if _is_tensor(value):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if hasattr(value, "dtype") and hasattr(value, "copy"):
        return value.copy()
    if type(value) is dict:
        return {key: _copy(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_copy(item) for item in value)
    return set(value) if type(value) is set else value


def _same(one: Any, other: Any) -> bool:
    """Whether two data values are equal to the last bit; NaN equals NaN."""
    if type(one) is not type(other):
        return False
    if _is_tensor(one) or hasattr(one, "dtype"):
        return one.shape == other.shape and one.dtype == other.dtype and _same(_plain(one), _plain(other))
    if type(one) is dict:
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if type(one) in (list, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return one is other or type(one) not in (int, str, bool, set) or one == other


def _has_nan(value: Any) -> bool:
    plain = _plain(value)
    if isinstance(plain, float):
        return math.isnan(plain)
    if isinstance(plain, dict):
        return any(map(_has_nan, plain.values()))
    return isinstance(plain, (list, tuple)) and any(map(_has_nan, plain))
