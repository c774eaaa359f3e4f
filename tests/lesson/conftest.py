"""Shared by the tests of the lesson machinery: a fresh progress file, and outputs caught instead of shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.lesson import page
from helpers.lesson import progress as progress_module
from helpers.lesson.progress import Progress


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The MIME bundles that were displayed, in order."""
    bundles: list[dict[str, Any]] = []
    monkeypatch.setattr(page, "publish", bundles.append)
    return bundles


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    return Progress("01", tmp_path / "home" / "progress.json")


@pytest.fixture(autouse=True)
def _nothing_said_yet() -> None:
    progress_module._told.clear()
    progress_module._unsaved.clear()
