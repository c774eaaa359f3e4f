"""Binder without Docker: the Dockerfile is rendered; its steps run here, by an ordinary user, under a cap.

Needs root, for a user of its own and a memory cap; without, everything but the rendering is skipped. Packages
come from this machine's index, where the image takes torch's CPU build from PyTorch's own.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
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
from typing import Any

import pytest

from helpers import settings
from helpers.manifest import load
from tests.browser.lab import FLAGS, Notebook, end

_USER = "course-rehearsal"
_CAP_MB = 1536
_AIM_GB = 2.5
_CGROUP = Path("/sys/fs/cgroup")
_LEFT_OUT = shutil.ignore_patterns(".venv", "build", "__pycache__", ".*_cache", ".hypothesis")
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
    """What the image would hold: an environment, and the course's folder, which is the home as well."""

    place: Path
    user: int

    @property
    def environment(self) -> Path:
        return self.place / "srv" / "notebook"

    @property
    def home(self) -> Path:
        return self.place / "home"

    @property
    def course(self) -> Path:
        return self.home / "course"

    def variables(self, **extra: str) -> dict[str, str]:
        """A user's environment: nothing of the rehearsal's own but what pip needs to find its index."""
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
        path = f"{self.environment / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        return {**kept, "PATH": path, "HOME": str(self.home), "LANG": "C.UTF-8", **extra}

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
        shutil.copytree(settings.ROOT, made.course, ignore=_LEFT_OUT, symlinks=True)
        made.environment.parent.mkdir()
        subprocess.run(["chown", "-R", f"{user}:{user}", str(place)], check=True)
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


def test_every_lesson_passes_on_one_core_under_the_cap(
    image: Image, artifacts: Path, record: Callable[..., None]
) -> None:
    """The cap counts what a user runs: the kernel and the process that drives it."""
    nothing = image.place / "read-only"
    nothing.mkdir(mode=0o555, exist_ok=True)
    with _capped(_CAP_MB) as join:

        def enter() -> None:
            join.write_text(str(os.getpid()))
            os.sched_setaffinity(0, {0})
            os.setgroups([])
            os.setgid(image.user)
            os.setuid(image.user)

        started = time.monotonic()
        done = subprocess.run(
            ["./binder/start", "python", "-m", "helpers", "run"],
            cwd=image.course,
            env=image.variables(HOME=str(nothing)),
            preexec_fn=enter,
            capture_output=True,
            text=True,
            check=False,
        )
    (artifacts / "run.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    report = json.loads((image.course / "build" / "report.json").read_text(encoding="utf-8"))
    for lesson in report["lessons"]:
        record(**{f"lesson_{lesson['id']}": f"{lesson['seconds']:.0f} s, {lesson['peak_mb']:.0f} MB"})
    record(lessons_seconds=round(time.monotonic() - started))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert [lesson["status"] for lesson in report["lessons"]] == ["passed"] * len(load().lessons)


@pytest.fixture
def address(image: Image) -> Iterator[str]:
    """A server started through `start`, as Binder starts it; nothing of JupyterLab is set from outside."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(8)
    command = ["./binder/start", "jupyter", "lab", "--no-browser", "--ServerApp.ip=127.0.0.1"]
    command += [f"--ServerApp.port={port}", f"--IdentityProvider.token={token}"]
    command += ["--LabApp.expose_app_in_browser=True"]
    server = subprocess.Popen(
        command,
        cwd=image.course,
        env=image.variables(),
        user=image.user,
        group=image.user,
        extra_groups=[],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}/?token={token}"
    finally:
        end(server)


def test_the_start_page_and_its_first_figure(
    chromium: str, image: Image, address: str, artifacts: Path, record: Callable[..., None]
) -> None:
    from playwright.sync_api import sync_playwright

    started = time.monotonic()
    _wait_for(address)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        notebook = Notebook(browser, address)
        page = notebook.page
        assert page.url.endswith(f"/lab/tree/notebooks/{load().lessons[0].name}.ipynb")
        opened = time.monotonic() - started
        notebook.command("notebook:run-all-cells")
        page.wait_for_function(_FIRST_FIGURE, timeout=120_000)
        record(seconds_to_open=round(opened), seconds_to_first_figure=round(time.monotonic() - started))
        page.screenshot(path=artifacts / "first-figure.png")
        assert page.locator(".Toastify__toast").count() == 0, "something pops up"
        assert not notebook.elsewhere
        browser.close()


def _wait_for(address: str) -> None:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2):
            return
        time.sleep(0.25)
    pytest.fail("the server did not start")


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


def test_nothing_can_be_written_anywhere(image: Image) -> None:
    """A course that cannot be written to, and a home neither: a lesson says so and goes on."""
    nothing = image.place / "read-only"
    nothing.mkdir(mode=0o555, exist_ok=True)
    code: Any = (
        "import helpers; lesson = helpers.begin('00'); lesson.predict('p', 'Which?', choices=['a', 'b'])"
    )
    done = image.run(
        ["./binder/start", "python", "-c", f"{code}; lesson._progress.set('a', 1)"], HOME=str(nothing)
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Your progress cannot be saved") == 1
