"""What trains a real model: `make real`, for the lessons that have such experiments.

Knows which lessons these are, and whether this machine has the model. Knows nothing about how an experiment
is run and stored: `helpers.course.evidence` does that, in a part of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from helpers.course import evidence
from helpers.settings import CourseError


def run(lessons: Iterable[str]) -> int:
    """Train what is missing of the real experiments of `lessons`, resumable. Returns an exit status.

    Raises:
        CourseError: if COURSE_SEED is no seed, or the real language model is missing on this machine.
    """
    chosen = [lesson for lesson in lessons if evidence.has_real(lesson)]
    if not chosen:
        print("None of these lessons trains a real model.")
        return 0
    _require_model()
    print(
        "A seed takes minutes on one core. Stop when you like: seeds that are finished are kept.", flush=True
    )
    return evidence.run(chosen, evidence.REAL)


def _require_model() -> None:
    from helpers.models import real

    if real.language_weights() is None:
        raise CourseError(f"`make real` needs the real language model; to get it: {real.HOW_TO_INSTALL}")
