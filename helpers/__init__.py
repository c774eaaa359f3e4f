"""Helpers of the course *Cats to KTO*: the plumbing, so that notebooks hold the ideas.

Importing this package is instant: torch, transformers and matplotlib load when a function needs them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helpers.lesson.session import Lesson

__version__ = "0.1.0"

# Where it is installed, it warns on import, on some processors, of a package that only inference would use.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def begin(number: str) -> Lesson:
    """Start lesson `number` (such as "00"): print versions, tier and seed, and return the lesson object.

    Raises:
        CourseError: if the course has no such lesson.
    """
    from helpers.lesson.session import begin as begin_lesson

    return begin_lesson(number)


def slides(number: str) -> None:
    """Show the slides of lesson `number` (such as "08") inside the notebook.

    Raises:
        CourseError: if the course has no such lesson.
    """
    from helpers.course.slides import show

    show(number)
