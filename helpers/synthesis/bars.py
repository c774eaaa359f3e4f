"""Progress bars of datasets, kept out of notebooks.

Knows one setting of datasets. Knows nothing about tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_bars() -> Iterator[None]:
    """Keep bars, which a notebook would store as widgets, out of work of a few seconds."""
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    were_hidden = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not were_hidden:
            enable_progress_bars()
