"""Where things lie and what the environment asks for.

Knows folders, seeds and environment variables. Knows nothing about models, lessons or notebooks;
everything else in the course may import it, and it imports nothing of the course.
"""

from __future__ import annotations

import os
from pathlib import Path

APP_NAME = "cats-to-kto"
ROOT = Path(__file__).resolve().parent.parent


class CourseError(Exception):
    """An error that a learner can mend: one sentence that says what to do.

    In a notebook it is shown as that sentence, without a traceback.
    """

    def _render_traceback_(self) -> list[str]:
        return [f"⚠ {self}"]


def course_seed() -> int:
    """The seed that all others derive from: ``COURSE_SEED``, 0 unless set.

    Raises:
        CourseError: if the variable is not a whole number from 0 up.
    """
    text = os.environ.get("COURSE_SEED", "0").strip() or "0"
    if not (text.isascii() and text.isdecimal()):
        raise CourseError(f"COURSE_SEED must be a whole number such as 0 or 3, not {text!r}.")
    return int(text)


def seeds(count: int) -> list[int]:
    """The first `count` seeds of this run: 1000 * COURSE_SEED + i."""
    return [1000 * course_seed() + i for i in range(count)]


def smoke() -> bool:
    """Whether lessons should run at the smallest size that still executes every line."""
    return os.environ.get("COURSE_SMOKE", "") == "1"


def home() -> Path:
    """The folder of what belongs to the learner: ``COURSE_HOME`` or the user's data folder."""
    override = os.environ.get("COURSE_HOME")
    if override:
        return Path(override).expanduser()
    from platformdirs import user_data_path

    return user_data_path(APP_NAME)


def progress_path() -> Path:
    """The learner's progress file, or ``COURSE_PROGRESS``: a run of the course leaves theirs alone."""
    override = os.environ.get("COURSE_PROGRESS")
    return Path(override) if override else home() / "progress.json"


def cache_dir() -> Path:
    """The folder of what can be rebuilt: ``COURSE_HOME/cache`` or the user's cache folder."""
    override = os.environ.get("COURSE_HOME")
    if override:
        return Path(override).expanduser() / "cache"
    from platformdirs import user_cache_path

    return user_cache_path(APP_NAME)


def shared_cache() -> Path | None:
    """A class's folder, looked into before the learner's own and never written to: ``COURSE_CACHE``."""
    folder = os.environ.get("COURSE_CACHE")
    return Path(folder).expanduser() if folder else None


def build_dir() -> Path:
    """The one folder below the course root that `run` writes to."""
    return ROOT / "build"


def quiet() -> None:
    """Set what must be set before transformers is imported: no telemetry, no thread warnings."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    # Idle OpenMP threads spin; on a busy two-core machine letting them sleep is up to 50 times faster.
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
