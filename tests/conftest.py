"""What all tests share: nothing of the learner's is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

# What passes here passes on CI: the same examples every time, however busy the machine is.
hypothesis_settings.register_profile("course", deadline=None, derandomize=True)
hypothesis_settings.load_profile("course")

if "PYTEST_XDIST_WORKER" in os.environ:  # two processes with two threads each would wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")

#: The files that take minutes. `make test` starts with them: at the end one process would wait for the other.
LONGEST = ["test_lessons.py", "test_lab.py", "test_gpu_tier.py"]
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several processes
        rank = {name: place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: rank.get(item.path.name, len(rank)))
