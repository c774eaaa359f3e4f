"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.figures import short, tidy_number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"),
        (-2.0, "−2"),
        (0.0, "0"),
        (-0.0, "0"),
        (999.4, "999"),
        (999.6, "1000"),
        (12345.6, "12346"),
        (1e6, "1000000"),
        (1e-4, "0.0001"),
        (-0.00015625, "−0.000156"),
        (2e-9, "2e−09"),
        (7.2e-20, "0"),
        (-1.4e-19, "0"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "–"),
    ],
)
def test_three_digits_and_a_real_minus_sign(value, text):
    assert short(value) == text


@given(st.floats(1e-4, 1e6), st.booleans())
def test_the_text_is_the_number_and_has_no_exponent(size, negative):
    text = short(-size if negative else size)
    assert text.startswith("−") == negative
    digits = text.removeprefix("−")
    assert set(digits) <= set("0123456789.")
    assert float(digits) == pytest.approx(size, rel=0.005)


@pytest.mark.parametrize(
    ("text", "tidied"), [("-0.00", "0.00"), ("-0.01", "−0.01"), ("+1.5%", "+1.5%"), (" -0", " 0")]
)
def test_a_formatted_number_is_tidied(text, tidied):
    assert tidy_number(text) == tidied
