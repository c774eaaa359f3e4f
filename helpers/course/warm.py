"""Warm-up: build ahead of time what lessons would build on first use, into the cache.

Knows which models the lessons share. Knows nothing about how they are built, and loads none. Resumable: what
is in the cache stays.
"""

from __future__ import annotations

import sys
import time

from helpers import settings


def run() -> int:
    """Build what is missing, a line each. Returns an exit status: 1 if something could not be stored."""
    from helpers.models import base, real

    seed = settings.seeds(1)[0]  # the one that lessons run live; that of COURSE_SEED=0 comes with the course
    if seed:
        try:
            base.cached_base(seed)
        except settings.CourseError as error:
            print(f"No base model of seed {seed}: {error}")
            return 1
        print(f"The base model of seed {seed} is ready.", flush=True)
    for what, prepare in (("language model", real.language_weights), ("image encoder", real.image_weights)):
        started = time.perf_counter()
        try:
            weights = prepare()
        except settings.CourseError as error:
            print(f"No real {what}: {error}")
            return 1
        # A model that is missing has said so in its own line.
        if weights is not None:
            print(
                f"The real {what} is ready ({time.perf_counter() - started:.1f} s). {weights.source}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(run())
