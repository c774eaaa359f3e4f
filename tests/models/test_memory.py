from __future__ import annotations

import sys

import pytest

from helpers.models.memory import give_back


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's call")
def test_freed_memory_goes_back_to_the_system() -> None:
    import psutil

    # Many small blocks lie in the heap; the last one keeps it from shrinking by itself.
    blocks = [bytearray(100_000) for _ in range(3000)]
    keep = blocks[-1]
    before = psutil.Process().memory_info().rss
    del blocks
    give_back()
    assert before - psutil.Process().memory_info().rss > 200 * 2**20
    assert len(keep) == 100_000


def test_elsewhere_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    give_back()
