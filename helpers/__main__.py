"""The course's commands: ``python -m helpers COMMAND``.

Standard library only while it is imported: it starts on a bare Python, where ``setup`` and ``doctor``
work, and hands every other command to the Python inside `.venv`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from helpers import settings
from helpers.course import setup
from helpers.settings import CourseError

#: Commands that hand what follows them to another program.
_PASS_ON = {"lab": "JupyterLab", "test": "pytest"}


def _handed_on(command: str) -> str:
    return f"Whatever else stands on the line is handed on to {_PASS_ON[command]}."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m helpers", description="Commands of the course Cats to KTO."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")

    one = add("setup", "create .venv and install what the course needs; quick when that is done")
    one.add_argument(
        "--test", action="store_true", help="also what the tests need, and Chromium where possible"
    )
    one.add_argument(
        "--from", dest="stick", metavar="FOLDER", type=Path, help="a folder of `fetch --all`: asks no network"
    )
    one.add_argument("--site", action="store_true", help="also what builds the course's web site")
    lessons = "numbers of lessons, such as 00 01; all when left out"
    one = add("run", "run the lessons' solutions, print what they found and write build/report.html")
    one.add_argument("lessons", nargs="*", metavar="LESSON", help=lessons)
    one.add_argument(
        "--times", action="store_true", help="also keep what cells take, for the estimates that learners see"
    )
    add("lab", "open JupyterLab on the first lesson").epilog = _handed_on("lab")
    add("test", "run the tests, those in notebooks and in a real browser too").epilog = _handed_on("test")
    add("doctor", "say what this machine can run, what is missing, and the one next command")
    one = add("lessons", "rebuild every generated file: notebooks, README tables, links")
    either = one.add_mutually_exclusive_group()
    either.add_argument(
        "--execute", action="store_true", help="run the solutions first and keep their outputs"
    )
    either.add_argument(
        "--check", action="store_true", help="change nothing; fail, naming what to run, if a file is stale"
    )
    one.add_argument("lessons", nargs="*", metavar="LESSON", help=f"with --execute: {lessons}")
    add("warm", "build what lessons would build on first use, into the cache; resumable")
    one = add("fetch", "download what the lessons of a GPU tier ask the hub for, or all for a room offline")
    one.add_argument(
        "--all",
        dest="stick",
        metavar="FOLDER",
        type=Path,
        help="instead, put the course, its packages and its CPU tier's models into a folder (a USB stick)",
    )
    one.add_argument("--tier", choices=["gpu", "gpu24"], default="gpu", help="gpu (16 GB) if left out")
    one.add_argument("--into", metavar="FOLDER", type=Path, help="the hub's own cache if left out")
    one = add("catchup", "write a short notebook for whoever starts in the middle, and build its models")
    one.add_argument("lesson", metavar="LESSON", help="the lesson to start at, such as 08")
    add("evidence", "run every claim with all its seeds, into evidence/; resumable").add_argument(
        "lessons", nargs="*", metavar="LESSON", help=lessons
    )
    add("real", "train the real models of experiments, into evidence/; takes long, resumable").add_argument(
        "lessons", nargs="*", metavar="LESSON", help=lessons
    )
    add("site", "build the course's web site from the executed solutions, into build/site")
    add("slides", "make slides of the lessons from their executed solutions, into build/slides").add_argument(
        "lessons", nargs="*", metavar="LESSON", help=lessons
    )
    add("sheets", "make the printable sheets for learners and helpers, into build/sheets")
    one = add("nbgrader", "write a course folder for nbgrader, or look through what students submitted to it")
    one.add_argument("folder", metavar="FOLDER", type=Path, help="nbgrader's course folder")
    one.add_argument("lessons", nargs="*", metavar="LESSON", help=lessons)
    one.add_argument(
        "--look", action="store_true", help="set aside submitted files that cannot be graded, and say why"
    )
    add("rehearse", "rehearse what is too long for the tests: Binder, a hub, a class").add_argument(
        "rehearsals", nargs="*", metavar="NAME", help="such as binder or hub; all when left out"
    )
    add("bench", "measure the rates of the world, and how long the import takes")
    actions = add(
        "thumbs", "merge the thumbs of a class, train a model on them, or delete one person's"
    ).add_subparsers(dest="action", metavar="ACTION", required=True)
    one = actions.add_parser(
        "merge", help="merge what learners handed in, zips or .jsonl files; say how they agree"
    )
    one.add_argument("folder", metavar="FOLDER", type=Path, help="a folder with what learners handed in")
    one.add_argument("--into", metavar="FILE", type=Path, help="also write one file of all thumbs")
    one = add("diagnostic", "print the questions before and after a class, or say what learners gained")
    one.add_argument("--form", choices=["A", "B"], help="write this form's sheet, key and table of answers")
    one.add_argument("--lessons", nargs="*", default=[], metavar="LESSON", help=f"with --form: {lessons}")
    one.add_argument("--out", metavar="FOLDER", type=Path, help="build/diagnostic if left out")
    one.add_argument("--before", metavar="FILE", type=Path, help="answers before: a .csv file or a folder")
    one.add_argument("--after", metavar="FILE", type=Path, help="answers after: a .csv file or a folder")
    one = actions.add_parser("train", help="train lesson 08's model on them: before, after, controls, a page")
    one.add_argument("folder", metavar="FOLDER", type=Path, help="a folder with what learners handed in")
    one = actions.add_parser("delete", help="remove one person's thumbs from every file below a folder")
    one.add_argument("folder", metavar="FOLDER", type=Path, nargs="?", help="a folder with .jsonl files")
    one.add_argument("--annotator", metavar="NAME", help="whose, by the name that the thumbs bear")
    one.add_argument("--mine", action="store_true", help="all of the learner's own on this machine")
    one = add("board", "make a page of a class's progress: who is where, and what to explain next")
    one.add_argument("folder", metavar="FOLDER", type=Path, help="a folder with the learners' progress files")
    one.add_argument("--out", metavar="FOLDER", type=Path, help="build/board if left out")
    one.add_argument("--watch", metavar="SECONDS", type=int, help="make it again and again; Ctrl-C ends it")
    one = add("audit", "say what is in a file of JSON lines: duplicates, leaks, diversity, labels")
    one.add_argument("file", metavar="FILE", type=Path, help="messages, prompts with answers, pairs or texts")
    one.add_argument("--test", metavar="FILE", type=Path, help="a file of what the data must not hold")
    one.add_argument("--out", metavar="FOLDER", type=Path, help="also write the report and a dataset card")
    one = add("train", "train as a recipe says, or go on where it stopped; also under accelerate launch")
    one.add_argument("recipe", metavar="CONFIG.yaml", type=Path, help="the settings of the training")
    add("address", "set the address that launch links use, and rebuild them").add_argument(
        "url", metavar="URL", help="https://github.com/OWNER/NAME"
    )
    return parser


def _inside_venv() -> bool:
    return Path(sys.prefix).resolve() == setup.venv_folder().resolve()


def _go_inside(arguments: list[str]) -> None:
    """Start this command again in `.venv`. Returns only if there is none, or we are inside.

    Raises:
        CourseError: if its Python cannot be started.
        SystemExit: where a process cannot be replaced (Windows), with the status of the command.
    """
    python = setup.venv_python()
    if _inside_venv() or not python.exists():
        return
    command = [str(python), "-m", "helpers", *arguments]
    if os.name == "posix":
        try:
            os.execv(str(python), command)
        except OSError:
            raise CourseError(".venv is damaged; run: python3 -m helpers setup") from None
    raise SystemExit(subprocess.run(command, check=False).returncode)


def _lab(rest: list[str]) -> int:
    """JupyterLab with the course as its root, opened on the first lesson, without the news pop-up."""
    from helpers.manifest import load

    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={settings.ROOT}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    if not any(argument.endswith(".ipynb") for argument in rest):
        # An address to open, not a file: a file would make its own folder the root.
        command.append(f"--LabApp.default_url=/lab/tree/notebooks/{load().lessons[0].name}.ipynb")
    # So that a kernel has the course also where somebody skips a notebook's first cell.
    paths = filter(None, [str(settings.ROOT), os.environ.get("PYTHONPATH")])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    try:
        return subprocess.run([*command, *rest], env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 0


def _test(rest: list[str]) -> int:
    # All of them: two files at a time, each file in one process, in the order of tests/conftest.py.
    options = rest or ["--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder"]
    command = [sys.executable, "-m", "pytest", *options]
    return subprocess.run(command, cwd=settings.ROOT, check=False).returncode


def _lessons(options: argparse.Namespace) -> int:
    from helpers.course import build, refresh
    from helpers.manifest import load

    load().choose(options.lessons)  # an unknown one is refused, also where all are looked at
    if options.check:
        return build.check()
    if options.execute:
        return refresh.refresh(options.lessons)
    build.build()
    return 0


def _dispatch(options: argparse.Namespace, rest: list[str]) -> int:
    command = options.command
    if command == "lab":
        return _lab(rest)
    if command == "test":
        return _test(rest)
    if command == "run":
        from helpers.course import run

        return run.run(options.lessons, times=options.times)
    if command == "lessons":
        return _lessons(options)
    if command == "evidence":
        from helpers.course import evidence
        from helpers.manifest import load

        return evidence.run([entry.id for entry in load().choose(options.lessons)])
    if command == "real":
        from helpers.course import real
        from helpers.manifest import load

        return real.run([entry.id for entry in load().choose(options.lessons)])
    if command == "warm":
        from helpers.course import warm

        return warm.run()
    if command == "catchup":
        from helpers.course import catchup

        return catchup.run(options.lesson)
    if command == "fetch" and options.stick:
        from helpers.course import stick

        return stick.fill(options.stick)
    if command == "fetch":
        from helpers.course import fetch

        os.environ["COURSE_TIER"] = options.tier
        return fetch.run(options.into)
    if command == "site":
        from helpers.course import site

        return site.run()
    if command == "slides":
        from helpers.course import slides

        return slides.run(options.lessons)
    if command == "sheets":
        from helpers.course import sheets

        return sheets.run()
    if command == "nbgrader":
        from helpers.course import nbgrader

        return nbgrader.run(options.folder, options.lessons, look=options.look)
    if command == "rehearse":
        from helpers.course import rehearse

        return rehearse.run(options.rehearsals)
    if command == "bench":
        from helpers.course import bench

        return bench.run()
    if command == "thumbs":
        from helpers.course import thumbs

        if options.action == "train":
            from helpers.course import class_thumbs

            return class_thumbs.run(options.folder)
        if options.action == "delete":
            return thumbs.delete(options.annotator, options.folder, options.mine)
        return thumbs.merge(options.folder, options.into)
    if command == "diagnostic":
        from helpers.course import diagnostic

        return diagnostic.run(options.form, options.lessons, options.out, options.before, options.after)
    if command == "board":
        from helpers.course import board

        return board.run(options.folder, options.out, options.watch)
    if command == "audit":
        from helpers.course import audit

        return audit.run(options.file, options.test, options.out)
    if command == "train":
        from helpers.course import train

        return train.run(options.recipe)
    from helpers.course import build
    from helpers.manifest import set_address

    print(f"The course's address is now {set_address(options.url)}.")
    build.build()
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns 0 if all is well, 1 if not, 2 for a wrong command, 130 if it was stopped."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command not in _PASS_ON:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        if options.command == "setup":
            setup.set_up(test=options.test, site=options.site, stick=options.stick)
            return 0
        _go_inside(arguments)
        if options.command == "doctor":
            from helpers.course import doctor

            return doctor.run()
        old = setup.too_old()
        if old:
            raise CourseError(old)
        if find_spec("nbclient") is None:
            raise CourseError("The course is not set up yet; run: python3 -m helpers setup")
        return _dispatch(options, rest)
    except CourseError as error:
        print(f"{error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "helpers":
            raise
        print(f"The package {error.name!r} is missing; run: python3 -m helpers setup", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
