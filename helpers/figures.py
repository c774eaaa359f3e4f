"""Numbers as people read them: the one way in which the course rounds what it measured.

Knows digits and signs. Knows nothing about units, claims or where a number is shown.
"""

from __future__ import annotations

import math

_NOTHING = 1e-9


def short(value: float) -> str:
    """`value` to three significant digits, with a real minus sign and without a negative zero.

    From 1e-4 to 1e6 without an exponent; whole digits are never cut (1234.5 is "1234"). An infinite value is
    "∞", and what is not a number is "–". Below a billionth it is "0": what is left of a sum that is 0.
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if abs(value) < _NOTHING:
        return "0"
    text = f"{value:.0f}" if 999.5 <= abs(value) <= 1e6 else f"{value:.3g}"
    return tidy_number(text)


def tidy_number(text: str) -> str:
    """A formatted number with a real minus sign and without a negative zero: ``-0.00`` is ``0.00``."""
    if text.lstrip().startswith("-") and not any(c in "123456789" for c in text):
        text = text.replace("-", "", 1)
    return text.replace("-", "−")
