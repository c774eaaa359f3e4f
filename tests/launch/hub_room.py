"""A rehearsed room: JupyterHub with classroom/hub's own configuration, and students who use it.

Knows accounts, processes, the hub's pages, and the kernels' messages. Knows nothing about what is rehearsed.

Everything listens on 127.0.0.1 at free ports. As root, every student is a Unix account of its own, made and
removed by classroom/hub/room.py, so that rights are real; otherwise all students are this very user.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import websocket

from helpers import settings

HUB = settings.ROOT / "classroom" / "hub"
PROXY = "configurable-http-proxy@5.3.0"
COURSE = "cats-to-kto"  # the folder of the course in a student's home
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".*_cache", ".hypothesis")
_PATIENCE = 600  # seconds for one cell, or for a server to start, on a busy machine


def real_accounts() -> bool:
    """Whether students can be Unix accounts of their own here."""
    return os.name == "posix" and os.geteuid() == 0 and shutil.which("useradd") is not None


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_until(condition: Any, what: str, seconds: float = 60) -> Any:
    """The first true value of `condition`, asked again and again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            value = condition()
            if value:
                return value
        time.sleep(0.2)
    pytest.fail(f"{what}: not within {seconds:.0f} s")


# --- the room -----------------------------------------------------------------------------------------------


@dataclass
class Room:
    """A running hub and those who have an account there.

    Attributes:
        folder: of all that belongs to it, removed afterwards.
        address: of the hub, without the slash at its end.
        hub: the hub's process.
        python: the Python of hub and students.
        remote: the address of the git repository that students pull.
        upstream: the instructor's own clone of it.
        students: by account name, in order.
        groups: of students and of instructors; empty without accounts.
    """

    folder: Path
    address: str
    hub: psutil.Process
    python: Path
    remote: str
    upstream: Path
    students: dict[str, Student]
    groups: tuple[str, ...]

    @property
    def shared(self) -> Path:
        """What the configuration calls FOLDER: the shared cache and the class's thumbs."""
        return self.folder / "srv"

    @property
    def homes(self) -> Path:
        return self.folder / "h"

    def link(self, notebook: str = "notebooks/08_thumbs_up_thumbs_down.ipynb") -> str:
        """The nbgitpuller link that an instructor hands out."""
        asked = {
            "repo": self.remote,
            "branch": "main",
            "targetpath": COURSE,
            "urlpath": f"lab/tree/{COURSE}/{notebook}",
        }
        return f"{self.address}/hub/user-redirect/git-pull?{urllib.parse.urlencode(asked)}"

    def publish(self, message: str) -> None:
        """Push what the instructor has changed."""
        git(self.upstream, "commit", "--quiet", "--all", "--message", message)
        git(self.upstream, "push", "--quiet")

    def run_as(self, student: str, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command in a student's course folder, with the environment that the hub gives them."""
        return subprocess.run(
            command, env=self.environment(student, environment), cwd=self.homes / student / COURSE,
            capture_output=True, text=True, check=False, **self.account(student),
        )  # fmt: skip

    def account(self, student: str) -> dict[str, Any]:
        """What makes subprocess start a process as this student."""
        return {"user": student, "group": student, "extra_groups": []} if self.groups else {}

    def environment(self, student: str, more: dict[str, str]) -> dict[str, str]:
        return {
            "HOME": str(self.homes / student),
            "PATH": f"{self.python.parent}:/usr/bin:/bin",
            "COURSE_HOME": "~/cats-to-kto-work",
            "COURSE_CACHE": str(self.shared / "cache"),
            "COURSE_CLASS": str(self.shared / "class"),
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **more,
        }

    def work(self, student: str) -> Path:
        """A student's COURSE_HOME."""
        return self.homes / student / "cats-to-kto-work"

    def servers(self) -> dict[str, psutil.Process]:
        """The students' running servers."""
        found = {}
        for process in self.hub.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "jupyterhub.singleuser" in process.cmdline():
                    found[process.environ()["JUPYTERHUB_USER"]] = process
        return found


@contextlib.contextmanager
def open_room(tools: Path, artifacts: Path, count: int, smoke: bool) -> Iterator[Room]:
    """A hub with `count` students."""
    folder = Path(subprocess.check_output(["mktemp", "-d", "-t", "r-XXXX"], text=True).strip())
    folder.chmod(0o755)
    suffix = secrets.token_hex(2)
    names = [f"cat{suffix}-{i}" for i in range(1, count + 1)]  # short: the path of a socket has a limit
    groups = (f"cat{suffix}s", f"cat{suffix}i") if real_accounts() else ()
    with contextlib.ExitStack() as closing:
        closing.callback(shutil.rmtree, folder, ignore_errors=True)
        passwords = _accounts(folder, names, groups, closing)
        python = _python(folder, tools)
        upstream, remote = _repository(folder, closing)
        address, hub = _hub(folder, artifacts, python, groups, smoke, closing)
        students = {name: Student(name, passwords[name], address) for name in names}
        yield Room(folder, address, hub, python, remote, upstream, students, groups)


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=Instructor", "-c", "user.email=instructor@example.org"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _room_py(*arguments: object) -> str:
    command = [sys.executable, str(HUB / "room.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _accounts(
    folder: Path, names: list[str], groups: tuple[str, ...], closing: contextlib.ExitStack
) -> dict[str, str]:
    """Shared folders and accounts, as README.md has them made; passwords by name."""
    homes, shared, listed = folder / "h", folder / "srv", folder / "names.txt"
    homes.mkdir()
    listed.write_text("\n".join(names) + "\n")
    if not groups:
        for name in ("cache", "class"):
            (shared / name).mkdir(parents=True)
        for name in names:
            (homes / name).mkdir()
        (folder / "password").write_text(secrets.token_hex(8))
        return dict.fromkeys(names, (folder / "password").read_text())
    students, instructors = groups
    for group in groups:
        closing.callback(subprocess.run, ["groupdel", group], check=False, capture_output=True)
    _room_py("folders", "--folder", shared, "--students", students, "--instructors", instructors)
    closing.callback(_room_py, "remove", listed, "--students", students)
    made = _room_py("add", listed, "--students", students, "--homes", homes)
    return dict(line.split() for line in made.splitlines())


def _python(folder: Path, tools: Path) -> Path:
    """A Python that every account may run, with the packages of the hub and of the course."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    as_nobody = {"user": "nobody", "group": "nogroup", "extra_groups": []} if real_accounts() else {}
    for base in (Path(sys.executable).resolve(), Path("/usr/bin") / version):
        with contextlib.suppress(OSError):
            if not subprocess.run([base, "-c", "import venv"], check=False, **as_nobody).returncode:
                break
    else:
        pytest.skip(f"no {version} that accounts other than root's may run; install one in /usr/bin")
    venv = folder / "venv"
    subprocess.run([base, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin" / "python"
    borrowed = [Path(sysconfig.get_path("purelib")), _purelib(tools)]
    (_purelib(python) / "borrowed.pth").write_text("".join(f"{path}\n" for path in borrowed))
    for prefix in (Path(sys.prefix), tools.parent.parent):
        for place in ("share/jupyter/lab", "share/jupyter/labextensions", "share/jupyterhub"):
            _link(prefix / place, venv / place)
        wanted = "*.json" if prefix == Path(sys.prefix) else "nbgitpuller.json"
        for file in (prefix / "etc/jupyter/jupyter_server_config.d").glob(wanted):
            _link(file, venv / "etc/jupyter/jupyter_server_config.d" / file.name)
    labconfig = venv / "etc" / "jupyter" / "labconfig"
    labconfig.mkdir(parents=True)
    shutil.copy(HUB / "default_setting_overrides.json", labconfig)
    probe = "import jupyterhub, nbgitpuller, torch"
    if subprocess.run([python, "-c", probe], check=False, **as_nobody, cwd="/").returncode:
        pytest.skip("accounts other than root's cannot read the installed packages; move the course")
    return python


def _purelib(python: Path) -> Path:
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    return Path(subprocess.check_output(asked, text=True).strip())


def _link(target: Path, place: Path) -> None:
    if target.exists() and not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)


def _repository(folder: Path, closing: contextlib.ExitStack) -> tuple[Path, str]:
    """This course in a bare repository that git's own daemon serves: the instructor's clone, the address."""
    upstream, bare = folder / "upstream", folder / "git" / "course.git"
    shutil.copytree(settings.ROOT, upstream, ignore=_LEFT_OUT)
    git(upstream, "init", "--quiet", "--initial-branch=main")
    git(upstream, "add", "--all")
    git(upstream, "commit", "--quiet", "--message", "The course")
    git(folder, "clone", "--quiet", "--bare", str(upstream), str(bare))
    git(upstream, "remote", "add", "origin", str(bare))
    git(upstream, "push", "--quiet", "--set-upstream", "origin", "main")
    port = free_port()
    daemon = subprocess.Popen(
        ["git", "daemon", "--export-all", "--listen=127.0.0.1", f"--port={port}", "--reuseaddr",
         f"--base-path={bare.parent}", str(bare.parent)],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    closing.callback(end, daemon.pid)
    return upstream, f"git://127.0.0.1:{port}/course.git"


def _proxy(artifacts: Path) -> Path:
    """The folder of the proxy's command, installed once by npm."""
    commands = artifacts / "node_modules" / ".bin"
    if not (commands / "configurable-http-proxy").exists():
        if shutil.which("npm") is None:
            pytest.skip("JupyterHub's proxy needs node; install node and npm")
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(artifacts), PROXY]
        subprocess.run(install, check=True)
    return commands


def _hub(
    folder: Path, artifacts: Path, python: Path, groups: tuple[str, ...], smoke: bool,
    closing: contextlib.ExitStack,
) -> tuple[str, psutil.Process]:  # fmt: skip
    """Start the hub with its own configuration; only the command line differs from a real room."""
    address = f"http://127.0.0.1:{free_port()}"
    options = [
        f"--JupyterHub.bind_url={address}",
        f"--JupyterHub.hub_bind_url=http://127.0.0.1:{free_port()}",
        f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{free_port()}",
        f"--JupyterHub.db_url=sqlite:///{folder}/hub.sqlite",
        f"--JupyterHub.cookie_secret_file={folder}/cookie_secret",
        f"--ConfigurableHTTPProxy.pid_file={folder}/proxy.pid",
        "--JupyterHub.log_level=INFO",
    ]
    if groups:
        students, instructors = groups
        options += [
            "--JupyterHub.spawner_class=localprocess",
            f"--PAMAuthenticator.allowed_groups={{{students!r}}}",
            f"--PAMAuthenticator.admin_groups={{{instructors!r}}}",
        ]
    else:
        password = (folder / "password").read_text()
        options += [
            "--JupyterHub.spawner_class=simple",
            f"--SimpleLocalProcessSpawner.home_dir_template={folder}/h/{{username}}",
            "--JupyterHub.authenticator_class=shared-password",
            f"--SharedPasswordAuthenticator.user_password={password}",
            "--Authenticator.allow_all=True",
        ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COURSE_")}
    environment |= {
        "PATH": f"{_proxy(artifacts)}:{os.environ['PATH']}",
        "ROOM_FOLDER": str(folder / "srv"),
        "COURSE_SMOKE": "1" if smoke else "0",
    }
    log = artifacts / "hub.log"
    with log.open("wb") as output:
        started = subprocess.Popen(
            [str(python), "-m", "jupyterhub", "-f", str(HUB / "jupyterhub_config.py"), *options],
            cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    closing.callback(end, started.pid)
    wait_until(
        lambda: started.poll() is not None or requests.get(f"{address}/hub/health", timeout=5).ok, "the hub"
    )
    assert started.poll() is None, log.read_text()[-3000:]
    return address, psutil.Process(started.pid)


def end(pid: int) -> None:
    """End a process that this rehearsal started, and what it started: kindly first."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        family = [*process.children(recursive=True), process]
        process.send_signal(signal.SIGTERM)
        psutil.wait_procs([process], timeout=30)
        for left in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()
        psutil.wait_procs(family, timeout=10)


# --- students -----------------------------------------------------------------------------------------------


@dataclass
class Student:
    """Someone who logs in, follows a link and runs a notebook, by the requests that a browser makes."""

    name: str
    password: str
    hub: str
    web: requests.Session = field(default_factory=requests.Session)
    token: str = ""

    @property
    def server(self) -> str:
        return f"{self.hub}/user/{self.name}"

    def log_in(self) -> requests.Response:
        """Fill in the hub's form; gives the page that comes back."""
        self.web.get(f"{self.hub}/hub/login", timeout=60)
        form = {"username": self.name, "password": self.password, "_xsrf": self._xsrf("/hub/")}
        return self.web.post(f"{self.hub}/hub/login", data=form, timeout=60)

    def follow(self, link: str) -> list[str]:
        """Follow an nbgitpuller link until the course is there; gives the lines that its page shows."""
        page = f"{self.server}/git-pull"

        def arrived() -> bool:
            return self.web.get(link, timeout=_PATIENCE).url.startswith(page)

        wait_until(arrived, f"{self.name}'s server", _PATIENCE)
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(link).query))
        wanted = {name: asked[name] for name in ("repo", "branch", "targetpath")}
        answer = self.web.get(f"{page}/api", params=wanted, timeout=_PATIENCE)
        assert answer.ok, answer.text
        events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
        return [event.get("message") or event.get("output") or event["phase"] for event in events]

    def api(self, method: str, what: str, content: dict[str, Any] | None = None) -> requests.Response:
        """Ask the student's own server."""
        address = f"{self.server}/api/{what}"
        return requests.request(method, address, headers=self._authorized(), json=content, timeout=120)

    def stop(self) -> None:
        """Stop the student's server, from the hub's page."""
        headers = self._authorized()
        requests.delete(f"{self.hub}/hub/api/users/{self.name}/server", headers=headers, timeout=60)

    @contextlib.contextmanager
    def kernel(self, notebook: str) -> Iterator[Kernel]:
        """A kernel of a notebook in the course's folder, with a session of its own as in a second tab."""
        started = self.api("POST", "kernels", {"name": "python3", "path": f"{COURSE}/notebooks/{notebook}"})
        assert started.status_code == 201, started.text
        number = started.json()["id"]
        address = self.server.replace("http://", "ws://", 1)
        socket_ = websocket.create_connection(
            f"{address}/api/kernels/{number}/channels?session_id={uuid.uuid4().hex}",
            header=[f"Authorization: token {self._token()}"],
            timeout=_PATIENCE,
        )
        try:
            yield Kernel(socket_)
        finally:
            socket_.close()
            with contextlib.suppress(requests.RequestException):
                self.api("DELETE", f"kernels/{number}")

    def read(self, notebook: str) -> list[str]:
        """The sources of a notebook's code cells, as the student's server gives them."""
        answer = self.api("GET", f"contents/{COURSE}/notebooks/{notebook}")
        assert answer.ok, answer.text
        return [cell["source"] for cell in answer.json()["content"]["cells"] if cell["cell_type"] == "code"]

    def _authorized(self) -> dict[str, str]:
        return {"Authorization": f"token {self._token()}"}

    def _token(self) -> str:
        if not self.token:
            answer = self.web.post(
                f"{self.hub}/hub/api/users/{self.name}/tokens",
                json={"note": "rehearsal"},
                headers={"X-XSRFToken": self._xsrf("/hub/"), "Referer": f"{self.hub}/hub/token"},
                timeout=60,
            )
            assert answer.ok, answer.text
            self.token = answer.json()["token"]
        return self.token

    def _xsrf(self, path: str) -> str:
        return next(
            (cookie.value for cookie in self.web.cookies if (cookie.name, cookie.path) == ("_xsrf", path)), ""
        )


class Kernel:
    """A kernel over its websocket, and the widgets that it has shown."""

    def __init__(self, connection: websocket.WebSocket) -> None:
        self._connection = connection
        self.widgets: dict[str, dict[str, Any]] = {}
        self.errors: list[str] = []
        self.printed = ""

    def run(self, code: str) -> str:
        """Run code to its end; gives what it printed. Errors are also kept in `errors`."""
        self.printed = ""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        self._send("execute_request", content)
        return self.printed

    def click(self, description: str) -> None:
        """Press a button, as the browser tells the kernel."""
        self._tell(description, {"method": "custom", "content": {"event": "click"}})

    def fill(self, description: str, value: Any) -> None:
        """Give a control a value."""
        self._tell(description, {"method": "update", "state": {"value": value}, "buffer_paths": []})

    def shows(self, text: str) -> bool:
        """Whether any widget's value holds this text."""
        return any(text in str(state.get("value", "")) for state in self.widgets.values())

    def _tell(self, description: str, data: dict[str, Any]) -> None:
        # The last one of this name: a cell that ran again has left an earlier one behind.
        number = [key for key, state in self.widgets.items() if state.get("description") == description][-1]
        self._send("comm_msg", {"comm_id": number, "data": data})

    def _send(self, kind: str, content: dict[str, Any]) -> None:
        """Send a request and take in what comes until the kernel is idle again."""
        number = uuid.uuid4().hex
        header = {
            "msg_id": number, "msg_type": kind, "session": "rehearsal", "username": "", "version": "5.3",
            "date": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "channel": "shell",
        }
        self._connection.send(json.dumps(message))
        awaited = {"idle", "execute_reply"} if kind == "execute_request" else {"idle"}
        while awaited:  # they come over two channels, in either order
            came = _message(self._connection.recv())
            if came["parent_header"].get("msg_id") == number:
                self._take_in(came)
                awaited -= {came["msg_type"], came["content"].get("execution_state")}

    def _take_in(self, came: dict[str, Any]) -> None:
        """Keep what a message says."""
        kind, content = came["msg_type"], came["content"]
        if kind == "error":
            self.errors.append(f"{content['ename']}: {content['evalue']}")
        elif kind == "stream":
            self.printed += content["text"]
        elif kind == "comm_open":
            self.widgets[content["comm_id"]] = dict(content["data"].get("state", {}))
        elif kind == "comm_msg":
            self.widgets.setdefault(content["comm_id"], {}).update(content["data"].get("state", {}))


def _message(data: str | bytes) -> dict[str, Any]:
    """A message of Jupyter's default websocket protocol; with buffers it is binary, and they are left out."""
    if isinstance(data, bytes):
        count = struct.unpack(">I", data[:4])[0]
        places = [*struct.unpack(f">{count}I", data[4 : 4 * (count + 1)]), len(data)]
        data = data[places[0] : places[1]].decode()
    message = json.loads(data)
    message.setdefault("msg_type", message["header"]["msg_type"])
    return message
