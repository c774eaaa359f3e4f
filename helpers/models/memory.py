"""Memory that this process has freed but still holds.

Knows one call of the C library. Knows nothing about models.
"""

from __future__ import annotations

import ctypes
import gc
import sys


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
