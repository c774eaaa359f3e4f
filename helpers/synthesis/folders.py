"""What the operating system says about a folder, as a sentence that helps.

Knows error numbers. Knows nothing about what is in the folder.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.settings import CourseError

_FULL_DISK = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def explained(folder: Path, full: str) -> Iterator[None]:
    """Turn an error about `folder` into a CourseError; errors about other places stay as they are.

    Args:
        full: the sentence for a full disk.
    """
    try:
        yield
    except OSError as error:
        # Arrow reports the operating system's error as text only.
        if error.errno in _FULL_DISK or "No space left on device" in str(error):
            raise CourseError(full) from error
        where = None if error.filename is None else Path(error.filename)
        if where is None or not (where.is_relative_to(folder.parent) or folder.is_relative_to(where)):
            raise
        raise CourseError(
            f"{folder} cannot be written ({error.strerror or error}); choose a folder that you can write to."
        ) from error
