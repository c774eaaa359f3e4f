from __future__ import annotations

from pathlib import Path

import pytest

from helpers.lesson.reference import reference
from helpers.settings import CourseError

SOURCE = """\
# %% [markdown]
# # A lesson
# %%
import math as m
import a_package_that_does_not_exist
EXPONENT = 2

# %%
def power(r):
    return r**EXPONENT

@not_defined_either
def unused(r):
    return r

def area(r: NotDefinedAnywhere) -> float:
    # BEGIN SOLUTION
    return m.pi * power(r)
    # END SOLUTION

# %%
area = check(area)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "07_x.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


def test_takes_the_function_with_what_it_uses_and_no_other(source: Path) -> None:
    assert reference(source, "area")(2.0) == pytest.approx(12.566, abs=1e-3)


def test_unknown_function_and_missing_source(source: Path) -> None:
    with pytest.raises(CourseError, match="no top-level function 'volume'"):
        reference(source, "volume")
    with pytest.raises(CourseError, match="missing"):
        reference(source.with_name("gone.py"), "area")
