#!/usr/bin/env python3
"""The folders and accounts of a class on one Linux machine, for the hub that README.md describes.

    room.py folders             the shared folders, and the two groups
    room.py add NAMES.txt       an account for every line of the file; prints names and passwords
    room.py remove NAMES.txt    remove these students' accounts and their homes

Run it as root. Standard library only. Knows accounts and rights; knows nothing about the hub or the course.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

#: No letters that are read wrongly from a slip of paper.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
#: Setgid: a file gets the instructors' group. Sticky: nobody removes another's. Others write and do not list.
_DROP_BOX = 0o3773


class RoomError(Exception):
    """One sentence that says what to do."""


def names_in(file: Path) -> list[str]:
    """The account names in a file, one a line; empty lines are passed over.

    Raises:
        RoomError: if a line is no name that an account can have, or stands there twice.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise RoomError(f"{file} cannot be read ({error}).") from error
    names = [line for line in lines if line]
    for number, name in enumerate(names):
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", name):
            raise RoomError(
                f"{name!r} cannot be an account's name: take at most 20 small letters a to z, "
                "digits and hyphens, a letter first."
            )
        if name in names[:number]:
            raise RoomError(f"{name} stands in {file} twice; give the second one another name.")
    if not names:
        raise RoomError(f"{file} holds no names; write one on each line.")
    return names


def make_folders(folder: Path, students: str, instructors: str) -> None:
    """The groups, the folder of the shared cache, and the drop box for thumbs."""
    import grp

    for group in (students, instructors):
        _run("groupadd", "--force", group)
    for name, mode, group in (("", 0o755, 0), ("cache", 0o755, 0), ("class", _DROP_BOX, instructors)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        gid = group if isinstance(group, int) else grp.getgrnam(group).gr_gid
        os.chown(folder / name, 0, gid)
        os.chmod(folder / name, mode)


def add(names: list[str], group: str, homes: Path) -> Iterator[tuple[str, str]]:
    """Make the accounts that do not exist yet, each with a home that nobody else reads.

    Gives each name with its password at once, so that none is lost if a later account cannot be made.

    Raises:
        RoomError: if an account cannot be made; nothing of it is left.
    """
    for name in names:
        if _exists(name):
            print(f"{name} has an account already; it stays as it is.", file=sys.stderr)
            continue
        _run(
            "useradd",
            "--create-home",
            "--base-dir",
            str(homes),
            "--groups",
            group,
            "--shell",
            "/bin/bash",
            name,
        )
        os.chmod(homes / name, 0o700)
        password = "".join(secrets.choice(_LETTERS) for _ in range(10))
        try:
            _run("chpasswd", given=f"{name}:{password}\n")
        except RoomError:
            _run("userdel", "--remove", name)
            raise
        yield name, password


def remove(names: list[str], group: str) -> None:
    """Remove students' accounts and homes.

    Raises:
        RoomError: if one of them is no student; then none is removed.
    """
    import grp

    students = set(grp.getgrnam(group).gr_mem)
    for name in names:
        if _exists(name) and name not in students:
            raise RoomError(f"{name} is not in the group {group}, so no account was removed.")
    for name in names:
        if _exists(name):
            _run("userdel", "--remove", name)


# --- plumbing -----------------------------------------------------------------------------------------------


def _exists(name: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _run(*command: str, given: str | None = None) -> None:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RoomError(f"{command[0]} failed: {done.stderr.strip() or done.returncode}")


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns an exit status."""
    parser = argparse.ArgumentParser(description="Folders and accounts of a class on one Linux machine.")
    parser.add_argument("command", choices=["folders", "add", "remove"])
    parser.add_argument("names", metavar="NAMES.txt", type=Path, nargs="?", help="one account name a line")
    parser.add_argument("--folder", type=Path, default=Path("/srv/cats-to-kto"), help="the shared folders")
    parser.add_argument(
        "--homes", type=Path, default=Path("/home"), help="where the students' homes are made"
    )
    parser.add_argument("--students", default="students", help="the students' group")
    parser.add_argument("--instructors", default="instructors", help="the instructors' group")
    options = parser.parse_args(arguments)
    if options.command != "folders" and options.names is None:
        parser.error(f"{options.command} needs a file of names")
    try:
        if os.name != "posix" or os.geteuid() != 0:
            raise RoomError("Only root makes accounts; run this with sudo.")
        if options.command == "folders":
            make_folders(options.folder, options.students, options.instructors)
        elif options.command == "add":
            for name, password in add(names_in(options.names), options.students, options.homes):
                print(name, password, flush=True)
        else:
            remove(names_in(options.names), options.students)
    except RoomError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
