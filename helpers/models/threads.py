"""How many threads torch uses for a while.

Knows one number of torch. Knows nothing about models.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run what is inside with `count` threads in torch, then go back.

    A model of a few thousand parameters is about twice as fast on one: its work is too small to share.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
