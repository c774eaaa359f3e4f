"""JupyterLab in a real browser, for tests and rehearsals that drive it.

Knows how to serve a copy of the course and how to run, type into and read a notebook on its page. Knows
nothing about lessons.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helpers import settings

_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".*_cache", ".hypothesis")
#: No sandbox, as CI runs as root; nothing that asks the network.
FLAGS = [
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
_CELLS = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map(cell => ({
    id: cell.id, type: cell.type, source: cell.sharedModel.getSource() }))"""
_OUTPUTS = """index => {
    const cell = window.jupyterapp.shell.currentWidget.content.widgets[index].model;
    return {count: cell.executionCount, running: cell.executionState === 'running',
        outputs: cell.outputs.toJSON() } }"""
# The kernel answers in order, so its answer to a question comes after what the page has sent before. A slider
# holds back what is new until the last change is answered: hence more than one question.
_ANSWERED = """async () => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    for (let question = 0; question < 3; question++) {
        await kernel.requestKernelInfo();
        await new Promise(resolve => setTimeout(resolve, 200)) }
    return kernel.status === 'idle' }"""
# A function's body in braces: the page would otherwise wait for what it returns, without a time limit.
_SELECT = """index => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    notebook.deselectAll();
    notebook.activeCellIndex = index;
    notebook.scrollToItem(index);
    notebook.mode = 'edit' }"""


@contextlib.contextmanager
def serve(folder: Path, *, smoke: bool = True) -> Iterator[str]:
    """JupyterLab on a copy of the course below `folder`, so that nothing is saved into this one.

    Lessons run at their smallest size if `smoke`. Gives a notebook's address, with ``{name}`` for its name.
    """
    shutil.copytree(settings.ROOT, folder / "course", ignore=_LEFT_OUT)
    for name, values in _SETTINGS.items():
        file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
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
        **({"COURSE_SMOKE": "1"} if smoke else {}),
    }
    command = [
        *(sys.executable, "-m", "helpers", "lab", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"),  # a free one, taken when it is bound
        *(f"--IdentityProvider.token={token}", "--LabApp.expose_app_in_browser=True"),
    ]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=folder / "course", env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        port = _port(folder, server, token)
        yield f"http://127.0.0.1:{port}/lab/tree/notebooks/{{name}}.ipynb?reset&token={token}"
    finally:
        end(server)


def _port(folder: Path, server: subprocess.Popen[bytes], token: str) -> int:
    """The port that the server has taken, as it says in its runtime folder, once it answers there."""
    limit = time.monotonic() + 120
    while time.monotonic() < limit and server.poll() is None:
        for file in (folder / "runtime").glob("jpserver-*.json"):
            with contextlib.suppress(OSError, ValueError):  # not there yet, half written, or no answer yet
                port = json.loads(file.read_text())["port"]
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status?token={token}", timeout=5):
                    return port
        time.sleep(0.25)
    log = (folder / "server.log").read_text(errors="replace")
    raise AssertionError(f"JupyterLab did not start:\n{log[-2000:]}")


def end(server: subprocess.Popen[bytes]) -> None:
    """End the server and its kernels."""
    import psutil

    processes = []
    with contextlib.suppress(psutil.NoSuchProcess):  # it may never have started
        processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    for process in psutil.wait_procs(processes, timeout=10)[1]:
        process.kill()


def _is_elsewhere(address: str) -> bool:
    return not re.match(r"(https?|wss?)://127\.0\.0\.1|data:|blob:", address)


class Notebook:
    """A notebook on a page of its own.

    Attributes:
        page: Playwright's page.
        panel: the notebook on it.
        problems: errors of the page and of its console so far.
        elsewhere: addresses outside of this machine that it asked for.
    """

    def __init__(self, browser: Any, address: str, height: int = 1400) -> None:
        """Open the notebook at `address` in a new page of `browser`, and wait for its kernel."""
        self.page = browser.new_page(viewport={"width": 1280, "height": height})
        self.page.set_default_timeout(120_000)  # rehearsals and tests run beside other work
        self.problems: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._note_console)
        self.page.on("request", self._note_request)
        self.page.goto(address)
        self.page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=120_000)
        self.panel = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        self.panel.wait_for()
        self.page.wait_for_function(_KERNEL_IDLE, timeout=120_000)

    def _note_console(self, message: Any) -> None:
        if message.type == "error":
            self.problems.append(message.text)

    def _note_request(self, request: Any) -> None:
        if _is_elsewhere(request.url):
            self.elsewhere.append(request.url)

    @property
    def state(self) -> dict[str, Any]:
        """How many code cells there are, are done and run now, and the errors in their outputs."""
        return self.page.evaluate(_STATE)

    @property
    def cells(self) -> list[dict[str, str]]:
        """Every cell's id, type and source."""
        return self.page.evaluate(_CELLS)

    def command(self, name: str) -> None:
        """Start a command of JupyterLab; the page does not wait for it: evaluating has no time limit."""
        self.page.evaluate("name => { window.jupyterapp.commands.execute(name) }", name)

    def set_theme(self, name: str) -> None:
        """Show the page in another theme, such as "JupyterLab Dark"."""
        self.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", name
        )
        light = "true" if "Light" in name else "false"
        self.page.wait_for_selector(f'body[data-jp-theme-light="{light}"]', state="attached")

    def close(self) -> None:
        """End the kernel, and close the page: opened again, the notebook begins as it was saved."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        self.page.close()

    def run_all(self, seconds: float) -> dict[str, Any]:
        """Run every cell; gives the notebook's state when it is done or has an error.

        `seconds` is what it should take; twice that and a minute more it may take.
        """
        before = self.page.evaluate(_CELLS_RUN)
        self.command("notebook:run-all-cells")
        limit = time.monotonic() + 60 + 2 * seconds
        while True:
            state = self.state
            counts = self.page.evaluate(_CELLS_RUN)
            new = all(now and now != then for now, then in zip(counts, before, strict=True))
            if state["errors"] or (new and not state["running"]) or time.monotonic() > limit:
                return state
            time.sleep(0.25)

    def settle(self) -> None:
        """Wait until the kernel has answered all that widgets have sent to it, and is idle."""
        self.page.wait_for_function(_ANSWERED)

    def find(self, text: str) -> int:
        """The index of the first code cell whose source holds `text`."""
        found = [i for i, cell in enumerate(self.cells) if cell["type"] == "code" and text in cell["source"]]
        if not found:
            raise AssertionError(f"no code cell holds {text!r}")
        return found[0]

    def type_into(self, index: int, source: str) -> None:
        """Replace a code cell's source, through its editor."""
        self.page.evaluate(_SELECT, index)
        editor = self.panel.locator(".jp-Cell.jp-mod-active .cm-content")
        editor.focus()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(source)
        typed = self.cells[index]["source"]
        if typed != source:
            raise AssertionError(f"typed {source!r}, and the cell holds {typed!r}")

    def run_cell(self, index: int, seconds: float = 60) -> str:
        """Run a cell by Ctrl+Enter in its editor; gives its outputs as plain text, errors too."""
        self.page.evaluate(_SELECT, index)
        before = self.page.evaluate(_OUTPUTS, index)["count"]
        self.panel.locator(".jp-Cell.jp-mod-active .cm-content").focus()
        self.page.keyboard.press("Control+Enter")
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            now = self.page.evaluate(_OUTPUTS, index)
            if now["count"] not in (None, before) and not now["running"]:
                return "\n".join(map(_plain, now["outputs"]))
            time.sleep(0.1)
        raise AssertionError(f"cell {index} did not end within {seconds} s")

    def output(self, index: int) -> Any:
        """The outputs of a cell on the page, in view."""
        self.page.evaluate(_SELECT, index)
        area = self.panel.locator(".jp-Cell.jp-mod-active .jp-OutputArea-output").first
        area.scroll_into_view_if_needed()
        return area

    def bring_into_view(self, widget: Any) -> None:
        """Scroll until the widget is drawn: cells out of sight are not in the page."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.scrollToItem(0)")
        count = self.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length")
        for index in range(count):
            if widget.count():
                break
            self.page.evaluate(f"() => window.jupyterapp.shell.currentWidget.content.scrollToItem({index})")
            self.page.wait_for_timeout(150)
        widget.wait_for()
        widget.scroll_into_view_if_needed()


_CELLS_RUN = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
    .filter(cell => cell.type === 'code').map(cell => cell.executionCount)"""


def _plain(output: dict[str, Any]) -> str:
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}"
    text = output.get("text") or output.get("data", {}).get("text/plain", "")
    return text if isinstance(text, str) else "".join(text)
