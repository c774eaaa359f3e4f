"""The first cell of every notebook at home; tests/launch/test_colab.py runs it on a stand-in for Colab."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import __version__, settings
from helpers.course import bootstrap
from helpers.manifest import Manifest

ADDRESS = "https://github.com/someone/a-course"


def cell(repository: str = "", version: str = __version__) -> str:
    return bootstrap.cell_source(Manifest("Course", version, repository, "main", ()))


def run_cell(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the cell as a script in `folder`, where nothing of the course can be imported."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("folder", ["notebooks", "helpers/course", "."])
def test_at_home_it_finds_the_course_from_any_folder_inside(folder):
    result = run_cell(cell() + "\nprint(Path(helpers.__file__).parent)", settings.ROOT / folder)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(settings.ROOT / "helpers")


def test_without_a_course_it_says_one_sentence(tmp_path):
    result = run_cell(cell(), tmp_path)
    assert result.returncode == 1
    last = "Open this notebook from inside a copy of the course, not by itself."
    assert result.stderr.splitlines()[-1].endswith(last)
    result = run_cell(cell(ADDRESS), tmp_path)
    assert f"a copy of the course (git clone {ADDRESS}), not by itself." in result.stderr.splitlines()[-1]


def test_it_remarks_another_version():
    result = run_cell(cell(version="0.0.9"), settings.ROOT)
    assert result.stdout == (
        f"This notebook is of course version 0.0.9, the course's folder of {__version__}: "
        f"where they do not fit, open the notebook of this name in {settings.ROOT / 'notebooks'}.\n"
    )
