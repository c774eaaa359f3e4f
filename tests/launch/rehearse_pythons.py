"""The matrix: the first cell, the first lesson and the helpers' tests on other Pythons and packages.

Each machine is an environment of its own below build/rehearse/pythons (5 GB in all). On those like Colab only
google.colab and the address that git fetches from are faked: pip really installs what the cell asks for.
torch comes from PyTorch's own CPU index, into a folder beside the environments; where that cannot be reached,
and the folder is not there from elsewhere, the machine runs what needs no torch, and says so.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from helpers import __version__, manifest, settings
from helpers.course import bootstrap, colab

ADDRESS = "https://github.com/someone/a-course"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
#: Widgets, session, losses, drift, training of a tiny model, parity with TRL, thumbs, datasets, films.
TESTS = [
    *[
        f"tests/lesson/test_{name}.py"
        for name in ("widgets", "session", "quiz", "predict", "checks", "thumbs")
    ],
    *[f"tests/exercises/test_widget_{number}.py" for number in ("07", "13")],
    *[f"tests/preference/test_{name}.py" for name in ("losses", "drift", "parity")],
    *["tests/models/test_small.py", "tests/synthesis/test_duplicates.py", "tests/video/test_writing.py"],
]
WITHOUT_TORCH = [
    "tests/lesson",
    "tests/world",
    "tests/course/test_bootstrap.py",
    "tests/course/test_manifest.py",
]
#: Older than the course accepts, and not loaded by a fresh kernel: what Colab had of these in June 2026.
JUNE = ["transformers==5.9.0", "tokenizers==0.22.2", "huggingface_hub==1.17.0", "safetensors==0.7.0"]


@dataclass(frozen=True)
class Machine:
    """A kind of machine: its Python, its packages (a requirements file of the course, and changes to it)."""

    name: str
    python: str
    packages: str
    changes: tuple[str, ...] = ()
    on_colab: bool = True

    @property
    def pins(self) -> dict[str, str]:
        pins = colab.pins(settings.ROOT / self.packages)
        return {**pins, **{name: pin for name, _, pin in (one.partition("==") for one in self.changes)}}


THIS = "{}.{}".format(*sys.version_info)
MACHINES = [
    Machine("laptop", THIS, "requirements.txt", on_colab=False),
    Machine("colab-oldest", "3.12", colab.OLDEST),
    Machine("colab-newest", "3.13", "requirements.txt", ("ipywidgets==7.7.1",)),
]


def interpreter(wanted: str) -> Path | None:
    """A Python of this version that starts: this one, one on the path, or one of pyenv's."""
    if wanted == THIS:
        return Path(sys.executable)
    found = [Path(path) for path in [shutil.which(f"python{wanted}")] if path]
    found += sorted((Path.home() / ".pyenv" / "versions").glob(f"{wanted}.*/bin/python"))
    check = ["-c", "import venv, ensurepip"]
    starts = (path for path in found if not subprocess.run([path, *check], capture_output=True).returncode)
    return next(starts, None)


def run(command: list[str | Path], **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, command)), text=True, capture_output=True, check=False, **more)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def remote(tmp_path_factory) -> Path:
    """The course as it is now, committed or not, as a repository with one branch."""
    folder = tmp_path_factory.mktemp("remote") / "course"
    listed = run(["git", "-C", settings.ROOT, "ls-files", "-co", "--exclude-standard", "-z"]).stdout
    for name in filter(None, listed.split("\0")):
        if (settings.ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(settings.ROOT / name, folder / name)
    git = ["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@example.org"]
    run(["git", "init", "-q", "-b", "main", folder])
    run([*git, "add", "-A"])
    assert run([*git, "commit", "-qm", "one"]).returncode == 0
    return folder


@dataclass
class Built:
    machine: Machine
    python: Path
    has_torch: bool


def torch_folder(pin: str, machine: Machine, python: Path, artifacts: Path) -> Path | None:
    # Its name matters: dill copies the state of any module that lies outside of a site-packages.
    folder = artifacts / f"torch-{pin}-python{machine.python}" / "site-packages"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        target = ["--no-deps", "--target", f"{folder}.part", f"torch=={pin}", "--index-url", TORCH_INDEX]
        quick = ["--quiet", "--retries", "0", "--timeout", "15"]
        if run([python, "-m", "pip", "install", *quick, *target]).returncode:
            return None
        Path(f"{folder}.part").rename(folder)
    return folder


@pytest.fixture(scope="module", params=MACHINES, ids=lambda machine: machine.name)
def built(request, artifacts) -> Built:
    """The machine's environment, built once; on Colab's kind without what the cell is to bring."""
    machine: Machine = request.param
    python = interpreter(machine.python)
    if python is None:
        pytest.skip(f"there is no Python {machine.python} here")
    if not machine.on_colab:
        return Built(machine, python, True)
    folder = artifacts / machine.name
    made = folder / "bin" / "python"
    torch = torch_folder(machine.pins["torch"], machine, python, artifacts)
    left_out = {"torch", "trl", "av", "datasketch", "gguf", "jupyterlab", "jupytext", "nbclient"}
    lines = [f"{name}=={pin}" for name, pin in machine.pins.items() if name not in left_out]
    if torch is None:  # these need it, and pip would bring a build with CUDA
        lines = [line for line in lines if not line.startswith(("accelerate", "peft"))]
    tests = colab.pins(settings.ROOT / "requirements-test.txt")
    lines += [f"{name}=={tests[name]}" for name in ("pytest", "hypothesis", "ruff")]
    stamp = folder / "packages.txt"
    if not (stamp.exists() and stamp.read_text() == "\n".join([*lines, str(torch)])):
        assert run([python, "-m", "venv", "--clear", folder]).returncode == 0
        packages = folder / "lib" / f"python{machine.python}" / "site-packages"
        if torch is not None:
            (packages / "torch.pth").write_text(f"{torch}\n")
        outcome = run([made, "-m", "pip", "install", "--quiet", "--no-compile", *lines])
        assert outcome.returncode == 0, outcome.stderr[-2000:]
        stamp.write_text("\n".join([*lines, str(torch)]))
    return Built(machine, made, torch is not None)


def surroundings(built: Built, remote: Path, folder: Path) -> dict[str, str]:
    """The environment variables of a kernel: an empty home, and what looks like Colab."""
    fake = folder / "fake"
    (fake / "google" / "colab").mkdir(parents=True)
    for name, text in {"__init__.py": "", "output.py": "def enable_custom_widget_manager(): pass\n"}.items():
        (fake / "google" / "colab" / name).write_text(text)
    return {
        **os.environ,
        **({"PYTHONPATH": str(fake)} if built.machine.on_colab else {}),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{remote}.insteadOf",
        "GIT_CONFIG_VALUE_0": ADDRESS,
        "COURSE_HOME": str(folder / "home"),
        "IPYTHONDIR": str(folder / "ipython"),
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "OMP_NUM_THREADS": "1",
    }


def has_figure(cell) -> bool:
    texts = ["".join(output.get("data", {}).get("text/html", "")) for output in cell.get("outputs", [])]
    return any("<img" in text or "<svg" in text for text in texts) or any(
        "image/png" in output.get("data", {}) for output in cell.get("outputs", [])
    )


def client(built: Built, cells: list, folder: Path):
    """What executes a notebook in a kernel of the machine's Python."""
    import nbformat
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from nbclient import NotebookClient

    class Theirs(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            launch = [str(built.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=launch, display_name=kernel_name, language="python")

    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=Theirs())
    notebook = nbformat.v4.new_notebook(cells=cells)
    return NotebookClient(
        notebook,
        km=manager,
        timeout=900,
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
    )


def first_lesson(built: Built, remote: Path, folder: Path) -> tuple[dict[str, float], str]:
    """Execute the learner's first notebook from an empty folder; its times, and what its first cell said."""
    import asyncio

    import nbformat

    content = folder / "content" if built.machine.on_colab else settings.ROOT / "notebooks"
    content.mkdir(parents=True, exist_ok=True)
    path = manifest.load().lessons[0].learner(settings.ROOT)
    cells = nbformat.read(path, 4).cells
    plain = manifest.Manifest("Course", __version__, ADDRESS, "main", ())
    cells[1].source = bootstrap.cell_source(plain)
    runner = client(built, cells, content)
    at: dict[str, float] = {}

    async def execute() -> None:
        started = time.perf_counter()
        async with runner.async_setup_kernel(env=surroundings(built, remote, folder)):
            try:
                for number, cell in enumerate(runner.nb.cells):
                    await runner.async_execute_cell(cell, number)
                    now = round(time.perf_counter() - started, 1)
                    if number == 1:
                        at["bootstrap"] = now
                    if has_figure(cell):
                        at.setdefault("first figure", now)
                at["last cell"] = now
            finally:
                await runner.km.shutdown_kernel(now=True)

    asyncio.run(execute())
    said = "".join(output.get("text", "") for output in runner.nb.cells[1].outputs)
    return at, said


def test_from_an_empty_folder_to_the_first_figure(built, remote, record, tmp_path):
    """Twice on Colab's kind: first pip installs what is missing, then everything is there."""
    if not built.has_torch:
        pytest.skip("no torch for this Python here")
    at, said = first_lesson(built, remote, tmp_path / "first")
    name = built.machine.name
    record(**{f"{name}, seconds to": at})
    if built.machine.on_colab:
        assert "Fetching the course" in said
        at, again = first_lesson(built, remote, tmp_path / "again")
        record(**{f"{name}, all installed, seconds to": at, f"{name}, its first cell said": said})
        assert again == "Fetching the course …\n"
    torch = run([built.python, "-c", "import torch; print(torch.__version__)"]).stdout
    assert torch.split("+")[0].strip() == built.machine.pins["torch"]  # nothing has replaced it


def helpers_tests(built: Built, home: Path) -> tuple[str, str]:
    """Run them on a machine: the closing line, and the end of what they printed if one failed."""
    chosen = TESTS if built.has_torch else WITHOUT_TORCH
    quiet = ["-q", "-p", "no:cacheprovider", "--no-header"]
    environment = {**os.environ, "COURSE_HOME": str(home), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    outcome = run([built.python, "-m", "pytest", *quiet, *chosen], cwd=settings.ROOT, env=environment)
    said = outcome.stdout.strip()
    return re.sub(r" in .*", "", said.splitlines()[-1]), said[-3000:] if outcome.returncode else ""


def versions(built: Built, *names: str) -> dict[str, str]:
    """What is installed there, by name."""
    code = "import sys; from importlib.metadata import version as v; print(*map(v, sys.argv[1:]))"
    return dict(zip(names, run([built.python, "-c", code, *names]).stdout.split(), strict=True))


def test_the_helpers_tests_pass(built, record, tmp_path):
    name = built.machine.name
    names = ["transformers", "trl", "datasets", "ipywidgets", "ipython", "numpy"]
    record(**{f"{name}, packages": versions(built, *(["torch", *names] if built.has_torch else names[-3:]))})
    summary, failures = helpers_tests(built, tmp_path)
    record(**{f"{name}, helpers' tests": summary})
    assert not failures, failures


def test_what_is_too_old_and_not_loaded_is_renewed(built, remote, record, tmp_path):
    """Colab's list of June 2026: the cell brings four packages up to the pins, and the lesson runs."""
    if built.machine.packages != colab.OLDEST or not built.has_torch:
        pytest.skip("only where the oldest packages are")
    (built.python.parent.parent / "packages.txt").unlink()  # what follows leaves newer packages behind
    pip = [built.python, "-m", "pip", "install", "--quiet", "--no-deps"]
    assert run([*pip, *JUNE]).returncode == 0
    at, said = first_lesson(built, remote, tmp_path)
    record(**{f"{built.machine.name}, June 2026, seconds to": at, f"{built.machine.name}, June, said": said})
    pins = colab.pins(settings.ROOT / "requirements.txt")
    found = versions(built, *(line.split("==")[0] for line in JUNE))
    assert found == {name: pins[name.replace("_", "-")] for name in found}
    summary, failures = helpers_tests(built, tmp_path)
    record(**{f"{built.machine.name}, June 2026, helpers' tests": summary})
    assert not failures, failures
