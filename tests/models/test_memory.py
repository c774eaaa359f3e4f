from __future__ import annotations

import ctypes
import sys
import time

import pytest

from helpers.models.memory import give_back, watched


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
    monkeypatch.setattr(ctypes, "CDLL", lambda *_: pytest.fail("the C library was asked"))
    give_back()


def test_a_watch_sees_time_and_the_peak_of_memory() -> None:
    with watched() as idle:
        time.sleep(0.1)
    with watched() as busy:
        block = bytearray(b"x" * 200 * 2**20)
        time.sleep(0.1)
        del block
    assert 0.1 <= idle.seconds < 1
    assert busy.peak_mb > idle.peak_mb + 150


def test_a_watch_ends_with_an_error_too() -> None:
    with pytest.raises(ValueError, match="inside"), watched() as use:
        raise ValueError("inside")
    assert use.seconds > 0
