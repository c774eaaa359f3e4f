"""The first code cell of every notebook: it finds the course, or brings it to Colab.

Knows the text of that cell. The cell itself must run where nothing of the course can be imported yet, so it
is standard library only; whatever can wait until the course is found is in :mod:`helpers.course.setup`.
"""

from __future__ import annotations

import json

from helpers.manifest import Manifest

_TEMPLATE = """\
# @title Find the course { display-mode: "form" }
# Nothing to change here. On Colab it fetches the course first; elsewhere it only looks for the folder.
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

REPOSITORY, VERSION, BRANCH = @repository@, @version@, @branch@


class CourseNotFound(Exception):
    def _render_traceback_(self):
        return [f"⚠ {self}"]


def find_course():
    folders = [Path.cwd(), *Path.cwd().parents]
    return next((p for p in folders if (p / "course.toml").exists() and (p / "helpers").is_dir()), None)


on_colab = "google.colab" in sys.modules or bool(find_spec("google") and find_spec("google.colab"))
root = find_course()
if root is None and on_colab and REPOSITORY:
    root = Path.cwd() / REPOSITORY.rsplit("/", 1)[-1]
    for ref in (f"v{VERSION}", BRANCH):  # the release that this notebook came with, else the newest state
        if not root.exists():
            clone = ["git", "clone", "--quiet", "--depth", "1", "--branch", ref, REPOSITORY, str(root)]
            subprocess.run(clone, capture_output=True)
    if not root.exists():
        raise CourseNotFound(f"{REPOSITORY} could not be fetched; check the network and run this cell again.")
if root is None:
    raise CourseNotFound(
        "The course's folder was not found. Open this notebook from inside a copy of the course"
        + (f": git clone {REPOSITORY}" if REPOSITORY else ".")
    )
if str(root) not in sys.path:
    sys.path.insert(0, str(root))
if on_colab:
    from helpers.course.setup import install_missing

    install_missing(root)
import helpers

if helpers.__version__ != VERSION:
    print(f"This notebook is of course version {VERSION}, the course's folder of {helpers.__version__}.")"""


def cell_source(manifest: Manifest) -> str:
    """The text of the bootstrap cell; the same in all notebooks of a course."""
    text = _TEMPLATE
    for name in ("repository", "version", "branch"):
        text = text.replace(f"@{name}@", json.dumps(getattr(manifest, name)))
    return text
