"""Fixtures of the model tests."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.models.standin_hub import _standin_hub_folder, hub_at, standin_hub

__all__ = ["_standin_hub_folder", "hub_at", "standin_hub"]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty course cache of this test's own; gives its folder, which does not exist yet."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COURSE_CACHE", raising=False)
    return tmp_path / "home" / "cache"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any attempt to connect to another machine, or to look one up, fails the test."""

    def refuse(*arguments: object) -> None:
        pytest.fail(f"the network was asked for {arguments[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def packaged_models() -> None:
    """Skips the test where the packaged models are not installed; on CI that is a failure."""
    from helpers.models.real import HOW_TO_INSTALL, installed

    missing = [name for name, there in installed().items() if not there]
    if missing:
        line = f"{', '.join(missing)} not installed; to run this test: {HOW_TO_INSTALL}"
        if os.environ.get("CI") == "true":
            pytest.fail(line)
        pytest.skip(line)
