"""Shared by the tests that need a browser: which one."""

from __future__ import annotations

import os

import pytest

from helpers.course import setup


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium; without one the test is skipped, and on CI it fails."""
    path = setup.chromium()
    if path is None:
        line = (
            "no Chromium found; to run browser tests: python -m helpers setup --test, or install 'chromium'"
        )
        if os.environ.get("CI") == "true":
            pytest.fail(line)
        pytest.skip(line)
    return path
