"""The doctor: what this machine can run, what is missing, and the one next command.

Works before and after set-up, on any Python from 3.8 on, with the standard library alone; asks no
network. Its page is made to be mailed: it names no user and no secret.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from helpers import __version__, settings
from helpers.course import setup

OK, NOTE, BROKEN = "✔", "·", "✘"
#: What the lessons need at their peak, and on the disk once the course is set up.
_MEMORY_GB = 1.5
_DISK_GB_AFTER = 1.0


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's page. `state` is OK, NOTE (fine without) or BROKEN (must be mended first)."""

    state: str
    what: str
    text: str


# --- the machine --------------------------------------------------------------------------------------------


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_limit(folder: Path = Path("/sys/fs/cgroup")) -> float | None:
    """A container's memory limit in GB (Docker, Binder), or None."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (folder / name).read_text().strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < 2**50:
            return int(text) / 2**30
    return None


def memory_gb() -> float | None:
    """This machine's memory in GB, or what its container may use; None where that cannot be told."""
    total = None
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        if os.name == "nt":
            total = _windows_memory_gb()
    limit = _memory_limit()
    known = [value for value in (total, limit) if value is not None]
    return min(known) if known else None


def _windows_memory_gb() -> float | None:
    import ctypes

    kilobytes = ctypes.c_ulonglong(0)
    if ctypes.windll.kernel32.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes)):  # type: ignore[attr-defined]
        return kilobytes.value / 2**20
    return None


def gpu() -> str | None:
    """The first NVIDIA GPU's name and memory, or None."""
    if not shutil.which("nvidia-smi"):
        return None
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = result.stdout.strip().splitlines()
    return lines[0] if result.returncode == 0 and lines else None


def _nearest(path: Path) -> Path:
    """The path itself or the closest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _machine(root: Path) -> list[Finding]:
    old = setup.too_old()
    python = Finding(BROKEN, "Python", old) if old else Finding(OK, "Python", platform.python_version())
    memory = memory_gb()
    if memory is None:
        about_memory = Finding(NOTE, "memory", f"cannot be told here; the lessons need {_MEMORY_GB} GB")
    elif memory < _MEMORY_GB:
        about_memory = Finding(BROKEN, "memory", f"{memory:.1f} GB; the lessons need {_MEMORY_GB} GB")
    else:
        about_memory = Finding(OK, "memory", f"{memory:.1f} GB")
    free = shutil.disk_usage(str(root)).free / 2**30
    needed = _DISK_GB_AFTER if setup.is_set_up(root) else setup.FREE_GB[setup.torch_build()]
    state = OK if free >= needed else BROKEN
    text = f"{free:.0f} GB free" + ("" if state == OK else f"; {needed:.0f} GB are needed")
    card = gpu()
    return [
        Finding(OK, "system", f"{platform.system()} {platform.machine()}, {cores()} cores"),
        python,
        about_memory,
        Finding(state, "disk", text),
        Finding(OK, "GPU", card)
        if card
        else Finding(NOTE, "GPU", "none found: the cpu tier is used; every lesson runs on it"),
    ]


# --- the course ---------------------------------------------------------------------------------------------


def _packages(root: Path) -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    wrong, count = [], 0
    for line in (root / "requirements.txt").read_text(encoding="utf-8").splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)==(\S+)", line)
        if not match:
            continue
        count += 1
        try:
            found = version(match.group(1))
        except PackageNotFoundError:
            wrong.append(f"{match.group(1)} is missing")
            continue
        # A local label such as +cpu names a build, not another version.
        if found.split("+")[0] != match.group(2):
            wrong.append(f"{match.group(1)} is {found} instead of {match.group(2)}")
    if wrong:
        more = f" and {len(wrong) - 2} more" if len(wrong) > 2 else ""
        return Finding(BROKEN, "packages", ", ".join(wrong[:2]) + more)
    return Finding(OK, "packages", "all {} are installed (torch {})".format(count, version("torch")))


def _real_models() -> Finding:
    from helpers.models import installed

    missing = [name for name, there in installed().items() if not there]
    if missing:
        return Finding(
            NOTE, "real models", "{} missing: lessons leave those parts out".format(" and ".join(missing))
        )
    return Finding(OK, "real models", ", ".join(installed()))


def _tier() -> Finding:
    from helpers.models import current_tier

    try:
        tier = current_tier()
    except settings.CourseError as error:
        return Finding(BROKEN, "tier", str(error))
    return Finding(OK, "tier", f"{tier.name}, computes in {tier.dtype}. {tier.note}".strip())


def _cache() -> Finding:
    folder = settings.cache_dir()
    nearest = _nearest(folder)
    why = "" if os.access(str(nearest), os.W_OK) else f"{_tidy(folder)} cannot be written to"
    if not nearest.is_dir():
        why = f"{_tidy(nearest)} is a file"
    if why:
        return Finding(BROKEN, "cache", f"{why}; set COURSE_HOME to a folder that can be written to")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.exists() else 0
    return Finding(OK, "cache", f"{_tidy(folder)}, {size / 2**20:.0f} MB")


def _tidy(path: Path) -> str:
    """A path without the user's name."""
    text = str(path)
    home = str(Path.home())
    return "~" + text[len(home) :] if text.startswith(home) else text


def _variables() -> list[Finding]:
    names = sorted(
        name for name in os.environ if name.startswith("COURSE_") or name in ("HF_HOME", "HF_HUB_OFFLINE")
    )
    text = ", ".join(f"{name}={_tidy(Path(os.environ[name]))}" for name in names)
    return [Finding(NOTE, "environment", text)] if names else []


def _seed() -> list[Finding]:
    try:
        settings.course_seed()
    except settings.CourseError as error:
        return [Finding(BROKEN, "seed", str(error))]
    return []


def _course(root: Path) -> list[Finding]:
    if sys.version_info < setup.MINIMUM:
        return []
    in_venv = Path(sys.prefix).resolve() == setup.venv_folder(root).resolve()
    if not in_venv and not setup.is_set_up(root):
        not_yet = Finding(NOTE, "set-up", "not done yet")
        return [not_yet, _cache()] if "COURSE_HOME" in os.environ else [not_yet]
    packages = _packages(root)
    findings = [packages]
    if packages.state == OK:
        findings += [_real_models(), _tier(), _cache()]
    browser = setup.chromium()
    findings.append(
        Finding(OK, "browser tests", "Chromium found")
        if browser
        else Finding(NOTE, "browser tests", "no Chromium: they are skipped")
    )
    return findings


# --- the page -----------------------------------------------------------------------------------------------


def examine(root: Path = settings.ROOT) -> list[Finding]:
    """All findings, the machine's first."""
    return _machine(root) + _course(root) + _seed() + _variables()


def next_command(findings: list[Finding], root: Path = settings.ROOT) -> str:
    """The one thing to do next."""
    broken = [finding for finding in findings if finding.state == BROKEN]
    beyond_setup = [finding for finding in broken if finding.what != "packages"]
    if beyond_setup:
        return f"mend what is marked {BROKEN} above, then run this again"
    has_make = shutil.which("make") is not None
    python = "python3" if os.name == "posix" else "python"
    if broken or not any(finding.what == "packages" for finding in findings):
        return "make run" if has_make else f"{python} -m helpers setup"
    return "make lab" if has_make else f"{python} -m helpers lab"


def run(root: Path = settings.ROOT) -> int:
    """Print the page. Returns 1 if something must be mended before the course can run, else 0."""
    findings = examine(root)
    print(f"Cats to KTO, course version {__version__}: what this machine can run\n")
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        print(f"  {finding.state} {finding.what.ljust(width)}  {finding.text}")
    print(f"\nNext: {next_command(findings, root)}")
    return int(any(finding.state == BROKEN for finding in findings))
