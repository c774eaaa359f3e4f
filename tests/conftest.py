"""What all tests share: nothing of the learner's is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

#: Tests that run whole notebooks or real models use the machine's own cache: filling one takes half a minute.
_REAL_CACHE = {"notebooks", "browser", "real"}


@pytest.fixture(autouse=True)
def _own_home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress and cache of unit tests lie in a folder of their own, and no course setting leaks in."""
    for name in (
        "COURSE_SEED",
        "COURSE_SMOKE",
        "COURSE_TIER",
        "COURSE_LEDGER",
        "COURSE_PROGRESS",
        "COURSE_CLASS",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("COURSE_ENDPOINT", "COURSE_ENDPOINT_MODEL", "COURSE_ENDPOINT_KEY"):
        monkeypatch.delenv(name, raising=False)
    if not _REAL_CACHE & {mark.name for mark in request.node.iter_markers()}:
        home: Path = tmp_path_factory.mktemp("home")
        monkeypatch.setenv("COURSE_HOME", str(home))
