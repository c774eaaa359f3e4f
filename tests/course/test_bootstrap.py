"""The first cell of every notebook: at home, on a stand-in for Colab, and where there is no course."""

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
    assert "Open this notebook from inside a copy of the course." in result.stderr.splitlines()[-1]
    result = run_cell(cell(ADDRESS), tmp_path)
    assert f"git clone {ADDRESS}" in result.stderr.splitlines()[-1]


def test_it_remarks_another_version():
    result = run_cell(cell(version="0.0.9"), settings.ROOT)
    assert result.stdout.strip() == (
        f"This notebook is of course version 0.0.9, the course's folder of {__version__}."
    )


@pytest.fixture
def colab(tmp_path):
    """A stand-in for Colab: a google.colab package, a pip that only writes down what it is asked for."""
    fake = tmp_path / "fake"
    (fake / "google" / "colab").mkdir(parents=True)
    (fake / "google" / "__init__.py").write_text("")
    (fake / "google" / "colab" / "__init__.py").write_text("")
    (fake / "pip").mkdir()
    (fake / "pip" / "__init__.py").write_text("")
    (fake / "pip" / "__main__.py").write_text(
        f"import sys; open({str(tmp_path / 'pip.log')!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))"
    )
    return fake


@pytest.fixture
def remote(tmp_path):
    """A local repository behind the course's address: settings and set-up, with a package to miss."""
    source = tmp_path / "remote"
    (source / "helpers" / "course").mkdir(parents=True)
    for name in (
        "helpers/__init__.py",
        "helpers/settings.py",
        "helpers/course/__init__.py",
        "helpers/course/setup.py",
    ):
        (source / name).write_text((settings.ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    (source / "course.toml").write_text("")
    pins = "torch==1.0\nnumpy==1.0\nipywidgets==1.0\npillow==1.0\nnot-there-at-all==1.2\n# remark\n"
    (source / "requirements.txt").write_text(pins)
    git = ["git", "-C", str(source), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "init", "-q", "-b", "main", str(source)], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    return source


def on_colab(code: str, tmp_path: Path, fake: Path, source: Path) -> subprocess.CompletedProcess[str]:
    content = tmp_path / "content"
    content.mkdir(exist_ok=True)
    return run_cell(
        code,
        content,
        PYTHONPATH=str(fake),
        GIT_CONFIG_COUNT="1",
        GIT_CONFIG_KEY_0=f"url.file://{source}.insteadOf",
        GIT_CONFIG_VALUE_0=ADDRESS,
        GIT_TERMINAL_PROMPT="0",
    )


def test_on_colab_it_fetches_the_course_and_adds_only_what_is_missing(tmp_path, colab, remote):
    code = cell(ADDRESS) + "\nprint(Path(helpers.__file__).parent)"
    for _ in range(2):  # running the cell again must not fetch again
        result = on_colab(code, tmp_path, colab, remote)
        assert result.returncode == 0, result.stderr
        assert result.stdout.strip() == str(tmp_path / "content" / "a-course" / "helpers")
    asked = (tmp_path / "pip.log").read_text().splitlines()
    assert asked == ["install --quiet not-there-at-all==1.2"] * 2
    depth = subprocess.run(
        ["git", "-C", str(tmp_path / "content" / "a-course"), "rev-list", "--count", "HEAD"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert depth.stdout.strip() == "1"


def test_on_colab_the_release_of_the_notebook_is_preferred(tmp_path, colab, remote):
    git = ["git", "-C", str(remote), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "tag", f"v{__version__}"], check=True)
    (remote / "later.txt").write_text("newer")
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "two"], check=True)
    assert on_colab(cell(ADDRESS), tmp_path, colab, remote).returncode == 0
    assert not (tmp_path / "content" / "a-course" / "later.txt").exists()


def test_on_colab_without_network_it_says_one_sentence(tmp_path, colab):
    result = on_colab(cell(ADDRESS), tmp_path, colab, tmp_path / "nothing-here")
    assert result.returncode == 1
    assert "could not be fetched; check the network" in result.stderr.splitlines()[-1]


def test_on_colab_without_an_address_it_says_one_sentence(tmp_path, colab):
    result = on_colab(cell(), tmp_path, colab, tmp_path)
    assert result.returncode == 1
    assert "The course's folder was not found" in result.stderr.splitlines()[-1]
