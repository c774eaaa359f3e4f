"""Warm-up: build ahead of time what lessons would build on first use, into the cache.

Knows which models the lessons share. Knows nothing about how they are built. Resumable: what is in the
cache stays.
"""

from __future__ import annotations

import sys
import time

from helpers import settings


def run() -> int:
    """Build what is missing, a line each. Returns an exit status: 1 if something could not be stored."""
    from helpers.models import image_encoder, language_model

    settings.quiet()
    for what, load in (("language model", language_model), ("image encoder", image_encoder)):
        started = time.perf_counter()
        try:
            model = load()
        except settings.CourseError as error:
            print(f"The real {what}: {error}")
            return 1
        # A model that is missing has said so in its own line.
        if model is not None:
            print(
                f"The real {what} is ready ({time.perf_counter() - started:.1f} s). {model.source}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(run())
