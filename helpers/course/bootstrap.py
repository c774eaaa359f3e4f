"""The first code cell of every notebook: it finds the course, or brings it to Colab.

Knows the text of that cell. The cell itself must run where nothing of the course can be imported yet, so it
is standard library only; whatever can wait until the course is found is in :mod:`helpers.course.colab`.
"""

from __future__ import annotations

import json

from helpers.manifest import Manifest

_TEMPLATE = """\
# @title Find the course { display-mode: "form" }
# Nothing to change here. On Colab it fetches the course first; elsewhere it only looks for the folder.
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

REPOSITORY, VERSION, BRANCH = @repository@, @version@, @branch@


class CourseNotFound(Exception):
    def _render_traceback_(self):
        return [f"⚠ {self}"]


def is_course(folder):
    return (folder / "course.toml").exists() and (folder / "helpers").is_dir()


def clone(folder):
    "Fetch this notebook's release, or the newest state where there is none. Returns why not, in git's words."
    plain = {**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    for ref in (f"v{VERSION}", BRANCH):
        command = ["git", "clone", "--quiet", "--depth", "1", "--branch", ref, REPOSITORY, str(folder)]
        result = subprocess.run(command, capture_output=True, text=True, env=plain)
        if result.returncode == 0:
            return "" if is_course(folder) else "no course in it"
        if "not found in upstream" not in result.stderr:
            break
    return result.stderr.strip() or "no reason given"


def fetch_course(root):
    if root.exists():
        raise CourseNotFound(f"{root} exists and is not the course; rename it, then run this cell again.")
    part = root.with_name(f".{root.name}.part")  # only a clone that is complete gets the course's name
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir()
        problem = clone(part)
        if not problem:
            part.rename(root)
            return
    except OSError as error:
        problem = str(error) if shutil.which("git") else "no git"
    shutil.rmtree(part, ignore_errors=True)
    denied = f"{root.parent} cannot be written to; open this notebook in a folder of your own"
    advice = {
        "no git": "git is missing here; install it, then run this cell again",
        "No space left": "the disk is full; make room, then run this cell again",
        "not found in upstream": f"it has no release v{VERSION} and no branch {BRANCH}; ask for a newer link",
        "no course in it": "there is no course in it; ask for a newer link",
        **dict.fromkeys(["denied", "not permitted", "Read-only", "No such file or directory: '"], denied),
    }
    network = f"check the network, then run this cell again ({problem.splitlines()[0]})"
    why = next((text for sign, text in advice.items() if sign in problem), network)
    raise CourseNotFound(f"{REPOSITORY} could not be fetched: {why}.")


on_colab = "google.colab" in sys.modules or bool(find_spec("google") and find_spec("google.colab"))
root = next(filter(is_course, [Path.cwd(), *Path.cwd().parents]), None)
if root is None and on_colab and REPOSITORY:
    root = Path.cwd() / REPOSITORY.rsplit("/", 1)[-1]
    if not is_course(root):
        print("Fetching the course …", flush=True)
        fetch_course(root)
if root is None and on_colab:
    raise CourseNotFound("This notebook has no address to fetch its course from; ask for a newer link to it.")
if root is None:
    where = f" (git clone {REPOSITORY})" if REPOSITORY else ""
    raise CourseNotFound(f"Open this notebook from inside a copy of the course{where}, not by itself.")
if str(root) not in sys.path:
    sys.path.insert(0, str(root))
import helpers

if helpers.__version__ != VERSION:
    print(
        f"This notebook is of course version {VERSION}, the course's folder of {helpers.__version__}: "
        f"where they do not fit, open the notebook of this name in {root / 'notebooks'}."
    )
if on_colab:
    from helpers.course.colab import prepare

    prepare(root)"""


def cell_source(manifest: Manifest) -> str:
    """The text of the bootstrap cell; the same in all notebooks of a course."""
    text = _TEMPLATE
    for name in ("repository", "version", "branch"):
        text = text.replace(f"@{name}@", json.dumps(getattr(manifest, name)))
    return text
