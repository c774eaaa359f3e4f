"""The whole course in one folder, such as a USB stick, for a room without a network.

Knows what a machine needs in order to set the course up and run it offline: the course's files, its packages
as wheels, the packages that carry real models, and the cache of converted models. Knows nothing about
lessons. The hub's models of the GPU tiers are `helpers.course.fetch`'s.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from helpers import settings
from helpers.course import setup
from helpers.course.fetch import require_writable
from helpers.settings import CourseError

#: What a stick must have free beside what lies on it already: wheels, real models, cache (measured: 0.5 GB,
#: 0.1 GB and 0.5 GB with a CPU build of torch; a CUDA build adds about 3 GB).
FREE_GB = {"cpu": 1.5, "cuda": 4.5}
_LEFT_OUT = {".git", ".venv", "build", "__pycache__", ".ipynb_checkpoints", "my_pictures", "my_films"}
_README = """\
Cats to KTO, for a room without a network
=========================================

You need Python {python} on {platform} (this stick serves: {served}).

1. Copy the folder "course" from this stick to your disk.
2. In a terminal, in that copy:

       python3 -m helpers setup --from PATH-OF-THIS-STICK
       python3 -m helpers lab

   (on Windows: py -m helpers …). The first takes a few minutes and never asks the network.
3. Give the stick to your neighbor.

The wheels' licenses are in their own files; the course's are in course/LICENSE and course/LICENSE-CC-BY-4.0.
"""


def fill(folder: Path, root: Path = settings.ROOT) -> int:
    """Put everything into `folder`; run again, it only adds what is missing or changed. Returns 0.

    Run it on each kind of machine in the room: wheels of other systems and Pythons lie beside each other.

    Raises:
        CourseError: if the folder cannot be written, is inside the course, or too small, or if a package
            cannot be had.
    """
    folder = folder.expanduser().resolve()
    if folder.is_relative_to(root) or root.is_relative_to(folder):
        raise CourseError(f"Name a folder outside of the course ({root}), such as a USB stick.")
    _require_room(folder)
    try:
        _copy_course(root, folder / "course")
        _bring_wheels(root, folder / "wheels")
        _copy_cache(folder / "cache")
        served = _note_machine(folder)
        python, platform = setup.this_machine()
        text = _README.format(python=python, platform=platform, served="; ".join(served))
        (folder / "README.txt").write_text(text, encoding="utf-8")
    except OSError as error:
        raise explained(error, folder) from error
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9
    print(f"All is in {folder} ({size:.1f} GB). Its README.txt says what a learner types.")
    print(f"It serves {'; '.join(served)}. For other machines, run this command again on one of them.")
    return 0


def take_cache(folder: Path) -> int:
    """Copy what is in a filled folder's cache, and not in this learner's, to there. Returns 0.

    Raises:
        CourseError: if the disk is full or the cache cannot be written.
    """
    try:
        _copy_entries(folder / "cache", settings.cache_dir())
    except OSError as error:
        raise explained(error, settings.cache_dir()) from error
    return 0


def _require_room(folder: Path) -> None:
    """
    Raises:
        CourseError: if `folder` cannot be written to or has too little room.
    """
    require_writable(folder, "name another folder")
    if (folder / setup.SERVED).exists():
        return  # filled before: what is missing is little
    needed, free = FREE_GB[setup.torch_build()], shutil.disk_usage(folder).free / 1e9
    if free < needed:
        raise CourseError(
            f"{folder} has {free:.1f} GB left, and the course needs about {needed:g}; make room there."
        )


def explained(error: OSError, folder: Path, advice: str = "name another folder") -> CourseError:
    """One sentence for a folder that could not be written."""
    # Copying a whole folder reports its files' errors only as text.
    if error.errno in {errno.ENOSPC, errno.EDQUOT} or "No space left" in str(error):
        return CourseError(
            f"The disk of {folder} is full; make room and run the same command again: what is there stays."
        )
    return CourseError(f"{folder} cannot be written to ({error.strerror or error}); {advice}.")


def _copy_course(root: Path, target: Path) -> None:
    """The course's own files; those that it no longer has are removed from the copy."""
    kept = set()
    for path in _files(root):
        relative = path.relative_to(root)
        kept.add(relative)
        copy_file(path, target / relative)
    for path in list(_files(target)):
        if path.relative_to(target) not in kept:
            path.unlink()
    print("The course's files are copied.", flush=True)


def _files(root: Path) -> Iterator[Path]:
    """Files of a course, without what a learner or a tool put beside them."""
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name not in _LEFT_OUT and not name.endswith("_cache")]
        yield from (Path(folder) / name for name in files if not name.endswith(".pyc"))


def copy_file(source: Path, target: Path) -> None:
    """Copy whole or not at all; a file of the same size and age is there already."""
    if target.exists():
        old, new = target.stat(), source.stat()
        # File systems of USB sticks keep times in steps of two seconds.
        if old.st_size == new.st_size and abs(old.st_mtime - new.st_mtime) <= 2:
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        shutil.copy2(source, part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _bring_wheels(root: Path, wheels: Path) -> None:
    """Every package as a wheel of this machine's kind; what an index has only as source is built here."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    command += ["--wheel-dir", str(wheels), "--find-links", str(wheels)]
    for name, options in (
        ("requirements.txt", []),
        ("requirements-real.txt", ["--no-deps", "--require-hashes"]),
    ):
        print(f"Fetching the packages of {name} …", flush=True)
        wanted = [*command, *options, "-r", str(root / name)]
        result = subprocess.run(wanted, capture_output=True, text=True, check=False)
        if result.returncode:
            raise CourseError(setup.explain(result.stdout + result.stderr))


def _copy_cache(target: Path) -> None:
    """The models that lessons share, built here first if they are not yet."""
    from helpers.course import warm

    if warm.run():
        raise CourseError("The cache could not be built (the line above says why); mend that and run again.")
    _copy_entries(settings.cache_dir(), target)


def _copy_entries(source: Path, target: Path) -> None:
    """Copy whole entries of a cache, each under its name only when it is complete; what is there stays."""
    for entry in _entries(source):
        if (target / entry.name / "card.json").exists():
            continue
        part = target / f"{entry.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        try:
            shutil.copytree(entry, part)
            shutil.rmtree(target / entry.name, ignore_errors=True)
            part.rename(target / entry.name)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _entries(cache: Path) -> Iterable[Path]:
    return sorted(path.parent for path in cache.glob("*/card.json") if path.parent.suffix != ".part")


def _note_machine(folder: Path) -> list[str]:
    """Add this machine's kind to those that the folder serves; gives all of them."""
    path = folder / setup.SERVED
    served = set(path.read_text(encoding="utf-8").splitlines()) if path.exists() else set()
    served.add("Python {} on {}".format(*setup.this_machine()))
    path.write_text("\n".join(sorted(served)) + "\n", encoding="utf-8")
    return sorted(served)


if __name__ == "__main__":
    try:
        sys.exit(take_cache(Path(sys.argv[1])))
    except CourseError as problem:
        sys.exit(str(problem))
