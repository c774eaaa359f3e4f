"""How glibc keeps large blocks: one setting that stops freed tensors from staying in the heap in pieces.

Knows one call of the C library. Knows nothing about models.
"""

from __future__ import annotations

import ctypes
import sys

_MMAP_THRESHOLD = -3  # glibc's malloc.h: M_MMAP_THRESHOLD


def map_large_blocks(size: int = 1 << 20) -> bool:
    """From now on every block of `size` bytes or more goes back to the system as soon as it is freed.

    glibc by itself raises this size up to 32 MB as a program runs, and keeps what is smaller in its heap.
    Gives whether the setting was taken; there is none but in glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return bool(mallopt and mallopt(_MMAP_THRESHOLD, size))
