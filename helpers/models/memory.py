"""Memory of this process: giving back what it has freed but still holds, and how high it rises meanwhile.

Knows one call of the C library, and clocks. Knows nothing about models.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread


@dataclass
class Use:
    """What something took: wall seconds, and the highest resident memory in megabytes."""

    seconds: float = 0.0
    peak_mb: float = 0.0


def give_back() -> None:
    """Return freed memory to the system; does nothing where the C library has no such call (it is glibc's).

    A training with tensors a little below 32 MB leaves glibc's heap in pieces: hundreds of megabytes may be
    free and still count as this process's own. Worth a call before something large is loaded.
    """
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


@contextmanager
def watched(seconds: float = 0.02) -> Iterator[Use]:
    """The time and the highest memory of what is inside: read them from the `Use` that it gives, afterwards.

    Memory is the resident one of this process, looked at every `seconds`, so a shorter peak may be missed.
    """
    import psutil

    process = psutil.Process()
    use = Use()
    stop = Event()

    def look() -> None:
        while True:
            use.peak_mb = max(use.peak_mb, process.memory_info().rss / 2**20)
            if stop.wait(seconds):
                return

    watcher = Thread(target=look, daemon=True)
    started = time.perf_counter()
    watcher.start()
    try:
        yield use
    finally:
        use.seconds = time.perf_counter() - started
        stop.set()
        watcher.join()
