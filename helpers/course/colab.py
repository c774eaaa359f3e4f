"""On Colab: the packages that the course needs, beside those that Colab brings.

Knows what may be installed into a kernel that runs already, and how old Colab's own packages may be:
requirements-oldest.txt, the one place for that. Knows nothing about how the course's folder came here: that
is the notebooks' first cell, in :mod:`helpers.course.bootstrap`, which ends by calling `prepare`.
"""

from __future__ import annotations

import importlib
import re
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distributions, requires, version
from pathlib import Path
from typing import Any

from helpers.course import setup
from helpers.settings import ROOT, CourseError

OLDEST = "requirements-oldest.txt"
#: What the course may install, also over a version that is too old: no fresh kernel has loaded it. Everything
#: else is Colab's own and stays as it is, above all torch, numpy and ipywidgets.
RENEWED = {
    "accelerate",
    "av",
    "datasets",
    "datasketch",
    "gguf",
    "huggingface-hub",
    "openai",
    "peft",
    "safetensors",
    "tokenizers",
    "transformers",
    "trl",
}
#: What a person does about all the others.
_LATEST = "choose the latest runtime version (Runtime, Change runtime type), then run this cell again"


def prepare(root: Path = ROOT) -> None:
    """Make a fresh Colab kernel fit for the lessons: packages, real models, widgets. Quick when it is.

    Raises:
        CourseError: with one sentence, if that is impossible here.
    """
    old = setup.too_old()
    if old:
        raise CourseError(f"{old[:-1]}: {_LATEST}.")
    _require_new_enough(root)
    wanted = missing(root)
    loaded = [name for name in map(_name, wanted) if _version(name) and _module(name) in sys.modules]
    if wanted:
        _install(wanted)
        _say_conflicts(wanted)
    _add_real_models(root)
    importlib.invalidate_caches()
    if loaded:
        raise CourseError(
            f"This session had loaded an older {' and '.join(loaded)} before this cell ran; the course's is "
            "installed now: restart the session (Runtime, Restart session), then run this cell again."
        )
    _enable_widgets()


# --- what is there ------------------------------------------------------------------------------------------


def _normal(name: str) -> str:
    """A distribution's name as all its spellings compare."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _name(line: str) -> str:
    return _normal(line.split("==")[0])


def pins(path: Path) -> dict[str, str]:
    """The versions that a requirements file names, by package."""
    found = re.findall(r"(?m)^([A-Za-z0-9._-]+)==([^\s;]+)", path.read_text(encoding="utf-8"))
    return {_normal(name): wanted for name, wanted in found}


def _version(name: str) -> str | None:
    """The version of a package that is installed here, else None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _module(name: str) -> str:
    """What a package of RENEWED is called when it is imported."""
    return name.replace("-", "_")


def _is_older(have: str, than: str) -> bool:
    from packaging.version import Version

    return Version(have) < Version(than)


def _require_new_enough(root: Path) -> None:
    """Refuse a machine whose own packages are older than the course accepts."""
    old = []
    for name, oldest in pins(root / OLDEST).items():
        have = _version(name)
        if name not in RENEWED and (have is None or _is_older(have, oldest)):
            old.append(f"{name} {oldest} or newer (here {have or 'none'})")
    if old:
        raise CourseError(f"The course needs {' and '.join(old)}: {_LATEST}.")


def missing(root: Path = ROOT) -> list[str]:
    """The pins of requirements.txt to install here: of RENEWED what is absent, and what is too old."""
    wanted = pins(root / "requirements.txt")
    oldest = {**wanted, **pins(root / OLDEST)}
    there = {name: _version(name) for name in wanted if name in RENEWED}
    return [
        f"{name}=={wanted[name]}"
        for name, have in there.items()
        if have is None or _is_older(have, oldest[name])
    ]


# --- installing ---------------------------------------------------------------------------------------------


def _install(lines: list[str]) -> None:
    """Install exactly these, then whatever they need that is absent; nothing else that is there changes.

    Raises:
        CourseError: with one sentence, if pip fails.
    """
    names = ", ".join(map(_name, lines))
    _pip("--no-deps", *lines, label=f"Installing {names} …")
    absent = _absent_needs(lines)
    if not absent:
        return
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "kept.txt"
        there = {_normal(found.name): found.version for found in distributions() if found.name}
        kept.write_text("".join(f"{name}=={have}\n" for name, have in sorted(there.items())), "utf-8")
        _pip("--constraint", str(kept), *absent, label=f"Installing what they need: {', '.join(absent)} …")


def _pip(*arguments: str, label: str) -> None:
    code, output = setup.pip_install(sys.executable, "--only-binary=:all:", *arguments, label=label)
    importlib.invalidate_caches()
    if code and "ResolutionImpossible" in output:
        raise CourseError(f"What the course installs does not fit the packages of this machine: {_LATEST}.")
    if code:
        raise CourseError(setup.explain(output))


def _needs(line: str) -> list[Any]:
    """What an installed package asks for here, without extras, as packaging's requirements."""
    from packaging.requirements import Requirement

    try:
        texts = requires(_name(line)) or []
    except PackageNotFoundError:
        return []
    found = map(Requirement, texts)
    return [need for need in found if need.marker is None or need.marker.evaluate({"extra": ""})]


def _absent_needs(lines: list[str]) -> list[str]:
    needs = {
        f"{need.name}{need.specifier}"
        for line in lines
        for need in _needs(line)
        if _version(need.name) is None
    }
    return sorted(needs)


def _say_conflicts(lines: list[str]) -> None:
    """One sentence if what was installed asks for other versions than those that stay."""
    asked = []
    for line in lines:
        for need in _needs(line):
            have = _version(need.name)
            if have and not need.specifier.contains(have, prereleases=True):
                asked.append(f"{_name(line)} asks for {need.name}{need.specifier} (here {have})")
    if asked:
        print(f"Left as it is, which the course is tested with: {'; '.join(asked)}.")


def _add_real_models(root: Path) -> None:
    wanted = pins(root / setup.REAL)
    if any(_version(name) != pin for name, pin in wanted.items()):
        code, output = setup.install_real(sys.executable, [], root)
        if code:
            print(setup.without_real(output))


def _enable_widgets() -> None:
    """Let Colab show widgets that are not its own; it forgets this with every session."""
    try:
        from google.colab import output

        output.enable_custom_widget_manager()
    except (ImportError, AttributeError) as error:
        print(f"Colab's widget manager did not start ({error}); sliders and buttons may not show.")
