"""A real browser: JupyterLab opens each lesson, runs all of it, and its widget answers the keyboard."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import settings
from helpers.manifest import LessonEntry, load

pytestmark = pytest.mark.browser

LESSONS = load().lessons
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".*_cache", ".hypothesis")
#: No sandbox, as CI runs as root; nothing that asks the network.
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "docmanager-extension/plugin": {"autosave": False},
}
# The page says "idle" before a kernel exists, and Run All would then ask for one and wait for ever.
_KERNEL_IDLE = """() => {
    const context = window.jupyterapp.shell.currentWidget?.sessionContext;
    return context?.isReady && !context.hasNoKernel && context.session?.kernel?.status === 'idle' }"""
# Cells out of sight are not in the page, so the notebook's model is asked.
_STATE = """() => {
    const model = window.jupyterapp.shell.currentWidget.content.model;
    const cells = [...model.cells].filter(cell => cell.type === 'code');
    return {
        cells: cells.length,
        done: cells.filter(cell => cell.executionCount !== null).length,
        running: cells.filter(cell => cell.executionState === 'running').length,
        errors: cells.flatMap(cell => cell.outputs.toJSON()).filter(output => output.output_type === 'error')
            .map(output => `${output.ename}: ${output.evalue}`) } }"""
# JupyterLab keeps the arrow keys for moving between cells while a menu is closed.
_KEYS = {"SELECT": ["Space", "ArrowDown", "Enter"], "DIV": ["ArrowRight"]}
_PICTURES = """widget => [...widget.querySelectorAll('img')].map(picture => picture.src).join(' ')"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab on a copy of the course, so that nothing is saved into this one.

    Lessons run at their smallest size. Gives a notebook's address, with ``{name}`` for its name.
    """
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(settings.ROOT, folder / "course", ignore=_LEFT_OUT)
    for name, values in _SETTINGS.items():
        file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(8)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COURSE_S")}
    environment |= {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
        "COURSE_PROGRESS": str(folder / "progress.json"),
        "COURSE_SMOKE": "1",
    }
    command = [
        *(sys.executable, "-m", "helpers", "lab", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *(f"--IdentityProvider.token={token}", "--LabApp.expose_app_in_browser=True"),
    ]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=folder / "course", env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/api/status?token={token}", server, folder / "server.log")
        yield f"{address}/lab/tree/notebooks/{{name}}.ipynb?reset&token={token}"
    finally:
        _end(server)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2):
            return
        time.sleep(0.25)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and its kernels."""
    import psutil

    processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    for process in psutil.wait_procs(processes, timeout=10)[1]:
        process.kill()


def _run_all(page: Any, seconds: float) -> dict[str, Any]:
    """Run every cell; gives the notebook's state when it is done or has an error."""
    page.wait_for_function(_KERNEL_IDLE, timeout=90_000)
    # Braces, so that the page does not wait for the command: evaluating has no time limit.
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
    end = time.monotonic() + 60 + 2 * seconds
    while True:
        state = page.evaluate(_STATE)
        finished = state["done"] == state["cells"] and not state["running"]
        if state["errors"] or finished or time.monotonic() > end:
            return state
        time.sleep(0.25)


@pytest.mark.parametrize("entry", LESSONS, ids=lambda entry: entry.id)
def test_a_lesson_in_jupyterlab(entry: LessonEntry, chromium: str, lab: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=_FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1400})
        page_errors: list[str] = []
        elsewhere: list[str] = []
        page.on("pageerror", lambda error: page_errors.append(str(error)))
        page.on(
            "request", lambda request: elsewhere.append(request.url) if _is_elsewhere(request.url) else None
        )
        page.goto(lab.format(name=entry.name))
        page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=90_000)
        notebook = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        notebook.wait_for(timeout=60_000)

        state = _run_all(page, entry.seconds)
        assert state["errors"] == []
        assert state["done"] == state["cells"]

        # The first widget that shows a picture, and the first control in it that the keyboard moves.
        movable = page.locator("select, .noUi-handle")
        widget = notebook.locator(".course-widget").filter(has=page.locator("img")).filter(has=movable).first
        _bring_into_view(page, notebook, widget)
        control = widget.locator("select, .noUi-handle").first
        before = widget.evaluate(_PICTURES)
        assert before
        control.focus()
        for key in _KEYS[control.evaluate("it => it.tagName")]:
            page.keyboard.press(key)
        end = time.monotonic() + 20
        while widget.evaluate(_PICTURES) == before and time.monotonic() < end:
            time.sleep(0.1)
        assert widget.evaluate(_PICTURES) != before
        assert widget.locator("img").first.get_attribute("alt")

        assert page.evaluate(_STATE)["errors"] == []
        assert page_errors == []
        assert elsewhere == []
        browser.close()


def _is_elsewhere(address: str) -> bool:
    return not re.match(r"(https?|wss?)://127\.0\.0\.1|data:|blob:", address)


def _bring_into_view(page: Any, notebook: Any, widget: Any) -> None:
    """Scroll through the notebook until the widget is drawn: cells out of sight are not in the page."""
    page.evaluate("() => window.jupyterapp.shell.currentWidget.content.scrollToItem(0)")
    count = page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length")
    for index in range(count):
        if widget.count():
            break
        page.evaluate(f"() => window.jupyterapp.shell.currentWidget.content.scrollToItem({index})")
        page.wait_for_timeout(150)
    widget.wait_for(timeout=20_000)
    widget.scroll_into_view_if_needed()
