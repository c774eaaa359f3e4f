"""A small course in a folder of its own, for tests of the machinery that builds and runs courses."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import settings
from helpers.course import evidence, readme, run

MANIFEST = """\
# A comment that must survive.
[course]
title = "A small course"
version = "0.1.0"
repository = ""   # set by a command
branch = "main"

[[lessons]]
id = "00"
name = "00_first"
title = "First"
part = "Foundations"
finds = "what a | bar does"
core = 10
full = 25
requires = []
seconds = 30
peak_mb = 600

[[lessons]]
id = "01"
name = "01_second"
title = "Second"
part = "Foundations"
finds = "more"
core = 5
full = 5
requires = ["00"]
seconds = 30
peak_mb = 600

[[planned]]
id = "02"
title = "Third"
part = "Later"
finds = "the rest"
"""

FIRST = '''\
# %% [markdown]
# # 00 · First
#
# One sentence.

# %%
import base64, json, os

# %% [markdown]
# ## An exercise

# %%
def double(x):
    """Twice x."""
    # BEGIN SOLUTION
    return 2 * x
    # END SOLUTION

# %% tags=["solution-only"]
assert double(2) == 4

# %%
print("the same")

# %%
print("the same")

# %% tags=["volatile"]
import time
print(time.time())
'''

SECOND = """\
# %% [markdown]
# # 01 · Second
#
# Another sentence.

# %%
print("hello")
"""

README = """\
# A small course

<!-- begin: launch -->
<!-- end: launch -->

Between.

<!-- begin: syllabus -->
stale
<!-- end: syllabus -->
<!-- begin: found -->
<!-- end: found -->
<!-- begin: models -->
<!-- end: models -->
After.
"""


class Course:
    """A course's folder, with shorthands for changing it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def source(self, name: str, text: str) -> None:
        path = self.root / "notebooks" / "source" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")

    def add_to_source(self, name: str, text: str) -> None:
        path = self.root / "notebooks" / "source" / f"{name}.py"
        path.write_text(path.read_text(encoding="utf-8") + textwrap.dedent(text), encoding="utf-8")

    def change(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def files(self) -> dict[str, bytes]:
        """Every file but those below build/, by its path."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and "build" not in path.relative_to(self.root).parts
        }


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Course:
    """The small course: two lessons and a planned one, its folder's name with a space in it."""
    import numpy as np

    root = tmp_path / "my course"
    root.mkdir()
    (root / "course.toml").write_text(MANIFEST, encoding="utf-8")
    (root / "README.md").write_text(README, encoding="utf-8")
    (root / "helpers").symlink_to(settings.ROOT / "helpers")
    made = Course(root)
    made.source("00_first", FIRST)
    made.source("01_second", SECOND)
    # The world has tests of its own; here any picture does.
    monkeypatch.setattr(readme, "_pixels", lambda: np.zeros((4, 6, 3), np.uint8))
    return made


@pytest.fixture
def fresh_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small course's lessons have no evidence to go stale."""
    monkeypatch.setattr(evidence, "stale", lambda lesson, root: None)


@pytest.fixture
def no_warm_up(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A run that does not convert real models first."""
    nothing: Callable[..., None] = lambda build_dir: None  # noqa: E731
    monkeypatch.setattr(run, "warm_up", nothing)
    return nothing
