"""Binder without Docker: the Dockerfile is rendered; its steps run here, by an ordinary user, under a cap.

Needs root, for a user of its own and a memory cap; without, everything but the rendering is skipped. Packages
come from this machine's index, where the image takes torch's CPU build from PyTorch's own. What is rehearsed
is the last commit, cloned without tags, as Binder clones it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import resource
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from helpers import settings
from helpers.manifest import load
from tests.browser.lab import FLAGS, Notebook, end

_USER = f"course-{os.getpid()}"  # two rehearsals at once do not end each other's
_CAP_MB = 1536
_AIM_GB = 2.5
_CGROUP = Path("/sys/fs/cgroup")
#: A lesson's budget of seconds is for a machine that is not shared: here they are recorded, hardly judged.
_PATIENCE = 10
_POPPED_UP = ".Toastify__toast, .jp-Dialog"
_ALL_OUTPUTS = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
    .filter(cell => cell.type === 'code').flatMap(cell => cell.outputs.toJSON())"""
_FIRST_FIGURE = """() => {
    const area = document.querySelector('.jp-OutputArea-output img');
    return area && area.complete && area.naturalWidth > 0 }"""


def test_repo2docker_renders_the_steps_that_follow(tools: Path, artifacts: Path) -> None:
    command = [str(tools.with_name("jupyter-repo2docker")), "--no-build", "--no-run", "--debug"]
    done = subprocess.run(
        [*command, "--user-id", "1000", "--user-name", "jovyan", str(settings.ROOT)],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
    (artifacts / "Dockerfile").write_text("\n".join(lines) + "\n", encoding="utf-8")
    steps = [
        'RUN ${KERNEL_PYTHON_PREFIX}/bin/pip install --no-cache-dir -r "binder/requirements.txt"',
        "RUN ./binder/postBuild",
        'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"',
    ]
    places = [lines.index(step) for step in steps]
    assert places == sorted(places)
    assert any("environment-2epy-2d3-2e11" in line for line in lines), "the image is not of Python 3.11"
    # A file that names another is installed after the course's files are there, never before.
    assert lines.index("COPY --chown=1000:1000 src/ ${REPO_DIR}/") < places[0]


@dataclass(frozen=True)
class Image:
    """What the image would hold: an environment, and the course's folder, which is the home as well.

    `nowhere` is a home that nobody can write to.
    """

    place: Path
    user: int

    @property
    def environment(self) -> Path:
        return self.place / "srv" / "notebook"

    @property
    def course(self) -> Path:
        return self.place / "home"

    @property
    def nowhere(self) -> Path:
        return self.place / "nowhere"

    def variables(self, **extra: str) -> dict[str, str]:
        """A user's environment: nothing of the rehearsal's own but what pip needs to find its index."""
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
        path = f"{self.environment / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        return {**kept, "PATH": path, "HOME": str(self.course), "LANG": "C.UTF-8", **extra}

    def run(self, command: list[str], **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the course's folder as the user."""
        return subprocess.run(
            command,
            cwd=self.course,
            env=self.variables(**extra),
            user=self.user,
            group=self.user,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )


def _megabytes(folder: Path) -> float:
    done = subprocess.run(["du", "-sk", str(folder)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0]) / 1024


@pytest.fixture(scope="module")
def image(record: Callable[..., None]) -> Iterator[Image]:
    """The steps of the Dockerfile: the packages, then postBuild, by the user who will run the lessons."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be another user and to cap memory")
    subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", _USER], check=False)
    user = pwd.getpwnam(_USER).pw_uid
    place = Path(tempfile.mkdtemp(prefix="binder-"))
    place.chmod(0o755)
    try:
        made = Image(place, user)
        clone = ["git", "clone", "--quiet", "--no-tags", "--depth=1", settings.ROOT.as_uri()]
        subprocess.run([*clone, str(made.course)], check=True)
        made.environment.parent.mkdir()
        subprocess.run(["chown", "-R", f"{user}:{user}", str(place)], check=True)
        made.nowhere.mkdir(mode=0o555)
        _build(made, record)
        yield made
    finally:
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run(["userdel", _USER], check=False)


def _everybodys_python() -> str:
    """A Python of the image's version outside of anybody's home."""
    python = shutil.which("python3.11", path="/usr/local/bin:/usr/bin:/opt/homebrew/bin")
    if python is None:
        pytest.skip("needs a Python 3.11 that every user may run, such as Debian's python3.11 and -venv")
    return python


def _build(image: Image, record: Callable[..., None]) -> None:
    made = image.run([_everybodys_python(), "-m", "venv", str(image.environment)])
    assert made.returncode == 0, made.stderr
    started = time.monotonic()
    # The one line that names PyTorch's own index is left out: it cannot be reached from here.
    wanted = (image.course / "binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    kept = [line for line in wanted if not line.startswith("--extra-index-url")]
    assert len(kept) == len(wanted) - 1
    (image.course / "binder" / "here.txt").write_text("\n".join(kept) + "\n")
    installed = image.run(["pip", "install", "--quiet", "--no-cache-dir", "-r", "binder/here.txt"])
    assert installed.returncode == 0, installed.stderr
    version = image.run(["python", "-c", "import torch; print(torch.__version__)"]).stdout.strip()
    assert version == "2.13.0+cpu", "pip prefers the CPU build where it has the choice"
    record(seconds_to_install=round(time.monotonic() - started))
    started = time.monotonic()
    built = image.run(["./binder/postBuild"])
    assert built.returncode == 0, built.stdout + built.stderr
    assert "Going on without" not in built.stdout
    models = _megabytes(image.environment / "share" / settings.APP_NAME) / 1024
    packages = _megabytes(image.environment) / 1024 - models
    record(
        seconds_of_postbuild=round(time.monotonic() - started),
        packages_gb=round(packages, 2),
        models_gb=round(models, 2),
    )
    assert packages < _AIM_GB
    again = image.run(["./binder/postBuild"])
    assert again.returncode == 0, "postBuild runs twice"


def test_start_finds_what_postbuild_made(image: Image) -> None:
    done = image.run(["./binder/start", "python", "-c", "import os; print(os.environ['COURSE_CACHE'])"])
    assert done.returncode == 0, done.stderr
    assert list(Path(done.stdout.strip()).glob("smollm2-135m-*/model.safetensors"))


def test_there_is_nothing_left_to_set_up(image: Image) -> None:
    doctor = image.run(["./binder/start", "python", "-m", "helpers", "doctor"])
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "not done yet" not in doctor.stdout
    assert image.run(["python", "-m", "helpers", "setup"]).returncode == 0
    assert not (image.course / ".venv").exists(), "a second environment would fill the container's disk"


@contextlib.contextmanager
def _server(image: Image, **extra: str) -> Iterator[str]:
    """A server started through `start`, as Binder starts it; nothing of JupyterLab is set from outside."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(8)
    command = ["./binder/start", "jupyter", "lab", "--no-browser", "--ServerApp.ip=127.0.0.1"]
    command += [f"--ServerApp.port={port}", f"--IdentityProvider.token={token}"]
    command += ["--LabApp.expose_app_in_browser=True"]
    with (image.place / "server.log").open("ab") as log:
        server = subprocess.Popen(
            command,
            cwd=image.course,
            env=image.variables(**extra),
            user=image.user,
            group=image.user,
            extra_groups=[],
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}/?token={token}"
    finally:
        end(server)


def test_the_start_page_and_its_first_figure(
    chromium: str, image: Image, artifacts: Path, record: Callable[..., None]
) -> None:
    from playwright.sync_api import sync_playwright

    started = time.monotonic()
    with _server(image) as address, sync_playwright() as playwright:
        _wait_for(address, image)
        record(seconds_to_answer=round(time.monotonic() - started, 1))
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        notebook = Notebook(browser, address)
        page = notebook.page
        assert page.url.endswith(f"/lab/tree/notebooks/{load().lessons[0].name}.ipynb")
        opened = time.monotonic() - started
        notebook.command("notebook:run-all-cells")
        page.wait_for_function(_FIRST_FIGURE, timeout=120_000)
        record(
            seconds_to_kernel=round(opened, 1), seconds_to_first_figure=round(time.monotonic() - started, 1)
        )
        page.locator(".jp-OutputArea-output img").first.scroll_into_view_if_needed()
        page.screenshot(path=artifacts / "first-figure.png")
        assert page.locator(_POPPED_UP).count() == 0, "something pops up"
        assert not notebook.elsewhere
        browser.close()


def _wait_for(address: str, image: Image) -> None:
    limit = time.monotonic() + 120
    while time.monotonic() < limit:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2):
            return
        time.sleep(0.25)
    log = (image.place / "server.log").read_text(errors="replace")
    pytest.fail(f"the server did not start: {log[-3000:]}")


def test_a_full_disk_in_postbuild_is_one_sentence(image: Image) -> None:
    small = image.place / "small"
    small.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m,mode=0777", "tmpfs", str(small)], check=True)
    try:
        done = image.run(["python", "-m", "helpers", "warm"], COURSE_HOME=str(small))
        assert done.returncode == 1
        assert "The disk is full" in done.stdout
        assert "Traceback" not in done.stderr
        assert not list(small.glob("cache/*.part"))
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_nothing_can_be_written_anywhere(chromium: str, image: Image, artifacts: Path) -> None:
    """A course that cannot be written to, and a home neither: the lesson says so once and goes on."""
    from playwright.sync_api import sync_playwright

    read_only = ["chmod", "-R", "a-w", str(image.course)]
    subprocess.run(read_only, check=True)
    subprocess.run(["chown", "-R", "root:root", str(image.course)], check=True)
    try:
        with (
            _server(image, HOME=str(image.nowhere), COURSE_SMOKE="1") as address,
            sync_playwright() as playwright,
        ):
            _wait_for(address, image)
            browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
            notebook = Notebook(browser, address)
            state = notebook.run_all(120)
            said = json.dumps(notebook.page.evaluate(_ALL_OUTPUTS))
            notebook.page.screenshot(path=artifacts / "read-only.png")
            assert notebook.page.locator(_POPPED_UP).count() == 0, "something pops up"
            browser.close()
        assert state["errors"] == []
        assert state["done"] == state["cells"]
        assert said.count("Your progress cannot be saved") == 1
        assert "cannot be written to" in (image.place / "server.log").read_text()
    finally:
        subprocess.run(["chown", "-R", f"{image.user}:{image.user}", str(image.course)], check=True)
        subprocess.run(["chmod", "-R", "u+w", str(image.course)], check=True)


@contextlib.contextmanager
def _capped(megabytes: int) -> Iterator[Path]:
    """A control group whose processes together get no more memory than this: the file to join it by."""
    old = (_CGROUP / "memory" / "memory.limit_in_bytes").exists()
    group = (_CGROUP / "memory" if old else _CGROUP) / f"course-{secrets.token_hex(4)}"
    group.mkdir()
    try:
        limit = "memory.limit_in_bytes" if old else "memory.max"
        (group / limit).write_text(str(megabytes * 2**20))
        yield group / ("tasks" if old else "cgroup.procs")
    finally:
        group.rmdir()


def _patient(image: Image) -> None:
    """Give the copy's lessons more time than their budgets, once."""
    manifest = image.course / "course.toml"
    kept = image.place / "course.toml"
    if not kept.exists():
        shutil.copy(manifest, kept)
    more = re.sub(
        r"(?m)^seconds = (\d+)$",
        lambda match: f"seconds = {int(match[1]) * _PATIENCE}",
        kept.read_text(encoding="utf-8"),
    )
    manifest.write_text(more, encoding="utf-8")


@pytest.mark.parametrize("lesson", [entry.id for entry in load().lessons])
def test_a_lesson_passes_on_one_core_under_the_cap(
    lesson: str, image: Image, artifacts: Path, record: Callable[..., None]
) -> None:
    """The cap counts more than the kernel: also the process that drives it, and what looks into the cache."""
    _patient(image)
    with _capped(_CAP_MB) as join:

        def enter() -> None:
            join.write_text(str(os.getpid()))
            os.sched_setaffinity(0, {0})
            os.setgroups([])
            os.setgid(image.user)
            os.setuid(image.user)

        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            ["./binder/start", "python", "-m", "helpers", "run", lesson],
            cwd=image.course,
            env=image.variables(HOME=str(image.nowhere)),
            preexec_fn=enter,
            capture_output=True,
            text=True,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    (artifacts / f"lesson-{lesson}.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    (report,) = json.loads((image.course / "build" / "report.json").read_text(encoding="utf-8"))["lessons"]
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    numbers = f"{report['peak_mb']:.0f} MB, {report['seconds']:.0f} s, {used:.0f} CPU s in all"
    record(**{f"lesson_{lesson}": numbers})
    assert report["status"] == "passed"
