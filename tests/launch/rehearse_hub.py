"""A class on JupyterHub: eight students at once, and what goes wrong in a room.

`make rehearse REHEARSALS=hub`. Run it as root in a container or a virtual machine, and the students are real
Unix accounts, made and removed again; otherwise they are all this user, and what rights forbid is not tested.
Lessons run at their smallest size unless COURSE_SMOKE=0 is set.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import nbformat
import psutil
import pytest
import websocket

from helpers.course import setup
from helpers.data import thumbs
from tests.launch.hub_room import COURSE, Kernel, Room, Student, git, open_room, wait_until

STUDENTS = 8
THUMBS = 12  # of each student
LESSON = "08_thumbs_up_thumbs_down.ipynb"
UP, DOWN, NAME = "👍 Thumb up", "👎 Thumb down", "Your name or a nickname:"
# Read now: a test runs with an environment of its own.
SMOKE = os.environ.get("COURSE_SMOKE", "1") != "0"
MEGABYTE = 2**20

Record = Callable[..., None]


@pytest.fixture(scope="module")
def room(tools: Path, artifacts: Path) -> Iterator[Room]:
    with open_room(tools, artifacts, STUDENTS + 1, SMOKE) as opened:
        yield opened


@pytest.fixture(scope="module")
def eight(room: Room) -> list[Student]:
    return list(room.students.values())[:STUDENTS]


def at_once(do: Callable[..., Any], *arguments: list[Any]) -> list[Any]:
    """Do it for all at the same time; the first error is raised."""
    with ThreadPoolExecutor(STUDENTS) as pool:
        return list(pool.map(do, *arguments))


class Memory:
    """The students' memory while it is watched: the highest proportional set sizes (PSS), in megabytes.

    PSS counts what processes share, such as libraries, in equal parts, so that the students' sum is right.
    """

    def __init__(self, room: Room) -> None:
        self.highest: dict[str, float] = {"server": 0, "kernel": 0, "student": 0, "class": 0}
        self._room = room
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(1.0):
            sums = [self._of(server) for server in self._room.servers().values()]
            now = {
                "server": max((server for server, _ in sums), default=0),
                "kernel": max((kernel for _, kernel in sums), default=0),
                "student": max((server + kernel for server, kernel in sums), default=0),
                "class": sum(server + kernel for server, kernel in sums),
            }
            self.highest = {name: max(now[name], value) for name, value in self.highest.items()}

    def _of(self, server: psutil.Process) -> tuple[float, float]:
        with contextlib.suppress(psutil.Error):
            return _pss(server), sum(map(_pss, server.children(recursive=True)))
        return 0, 0


def _pss(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        return process.memory_full_info().pss / MEGABYTE
    return 0


def here(room: Room, student: Student) -> Student:
    """The student, logged in and with the course in their home: so each test also runs alone."""
    if not student.token:
        student.log_in()
        assert student.follow(room.link())[-1] == "finished"
    return student


# --- eight at once ------------------------------------------------------------------------------------------


def work_through(room: Room, student: Student, number: int) -> dict[str, float]:
    """Log in, follow the link, run all of lesson 08 and give thumbs; gives the seconds."""
    started = time.monotonic()
    student.log_in()
    lines = student.follow(room.link())
    assert lines[-1] == "finished", lines
    with student.kernel(LESSON) as kernel:
        first, *rest = student.read(LESSON)
        kernel.run(first)
        seconds = {"first cell": time.monotonic() - started}
        started = time.monotonic()
        for source in rest:
            kernel.run(source)
        seconds["run all"] = time.monotonic() - started
        assert kernel.errors == []
        give_thumbs(kernel, f"Student {number}", number)
    return seconds


def give_thumbs(kernel: Kernel, name: str, number: int, count: int = THUMBS) -> None:
    """Press the widget's buttons; students differ in what they press."""
    kernel.fill(NAME, name)
    for position in range(count):
        kernel.click(UP if (position + number) % 3 else DOWN)
    assert kernel.errors == []


def in_a_browser(room: Room, student: Student, number: int, chromium: str, artifacts: Path) -> None:
    """The same, in Chromium: the login page, the link, Run All Cells in the menu, the widget."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 1200})
        page.set_default_timeout(600_000)
        page.goto(room.link())
        page.screenshot(path=artifacts / "login.png")
        page.fill("#username_input", student.name)
        page.fill("#password_input", student.password)
        page.click("#login_submit")
        page.wait_for_url(f"**/lab/tree/{COURSE}/notebooks/{LESSON}*")
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        page.screenshot(path=artifacts / "lab.png")
        assert not page.get_by_text("Would you like").count()  # nothing stands before the lesson
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        finished(room, student, 900)
        notebook = page.locator(".jp-WindowedPanel-outer").first
        notebook.hover()
        up = page.get_by_role("button", name=UP)
        # Cells out of sight are not in the page.
        for _ in range(200):
            if up.count():
                break
            page.mouse.wheel(0, -600)
            page.wait_for_timeout(150)
        up.scroll_into_view_if_needed()
        page.get_by_label(NAME).fill(f"Student {number}")
        page.get_by_label(NAME).press("Enter")
        for position in range(THUMBS):
            page.get_by_role("button", name=UP if (position + number) % 3 else DOWN).click()
            page.get_by_text(f"Answer {position + 2} of").first.wait_for()
        page.screenshot(path=artifacts / "thumbs.png")
        browser.close()


def progress(room: Room, student: Student) -> dict[str, Any]:
    """What a student's progress file keeps of lesson 08."""
    path = room.work(student.name) / "progress.json"
    return json.loads(path.read_text())["lessons"].get("08", {}) if path.exists() else {}


def finished(room: Room, student: Student, seconds: float) -> None:
    """Wait for the student's last cell."""
    wait_until(lambda: progress(room, student).get("finished"), f"{student.name}'s last cell", seconds)


def as_instructor(room: Room, *command: str) -> str:
    """What a command prints that someone runs who is in the instructors' group and nothing else."""
    who = {"user": "nobody", "group": room.groups[1], "extra_groups": []} if room.groups else {}
    done = subprocess.run(
        [str(room.python), "-m", "helpers", *command],
        cwd=room.upstream, env=room.environment("nobody", {}),
        capture_output=True, text=True, check=False, **who,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_eight_students_at_once(room: Room, eight: list[Student], artifacts: Path, record: Record) -> None:
    chromium = setup.chromium()
    by_hand = eight if chromium is None else eight[:-1]
    numbers = list(range(1, len(by_hand) + 1))
    with Memory(room) as memory, ThreadPoolExecutor(1) as one:
        browser = chromium and one.submit(in_a_browser, room, eight[-1], STUDENTS, chromium, artifacts)
        seconds = at_once(work_through, [room] * len(by_hand), by_hand, numbers)
        if browser:
            browser.result()
    hub = [room.hub, *(child for child in room.hub.children() if child.name() == "node")]
    record(
        students=STUDENTS,
        in_chromium=int(chromium is not None),
        full_size=not SMOKE,
        cores=os.cpu_count(),
        seconds_to_first_cell=[round(one["first cell"], 1) for one in seconds],
        seconds_to_run_all=[round(one["run all"], 1) for one in seconds],
        median_seconds_to_first_cell=round(median(one["first cell"] for one in seconds), 1),
        median_seconds_to_run_all=round(median(one["run all"] for one in seconds), 1),
        **{f"highest_pss_mb_{name}": round(value) for name, value in memory.highest.items()},
        hub_and_proxy_mb=round(sum(map(_pss, hub))),
        home_mb=round(_megabytes(room.homes / eight[0].name)),
    )


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / MEGABYTE


def test_nothing_is_lost(room: Room, eight: list[Student], record: Record) -> None:
    for student in eight:
        own = room.work(student.name)
        assert progress(room, student)["finished"] is True
        assert len(thumbs.load(own / "thumbs" / "08.jsonl").thumbs) == THUMBS
        if room.groups:
            assert {path.owner() for path in own.rglob("*")} == {student.name}
    merged = thumbs.merge(room.shared / "class")
    record(files_merged=len(merged.files), thumbs_given=STUDENTS * THUMBS, thumbs_merged=len(merged.thumbs))
    assert len(merged.files) == STUDENTS
    assert {thumb.annotator for thumb in merged.thumbs} == {f"Student {i}" for i in range(1, STUDENTS + 1)}
    assert len(merged.thumbs) == STUDENTS * THUMBS
    assert not merged.broken
    assert "8 files, 8 annotators" in as_instructor(room, "thumbs", "merge", str(room.shared / "class"))


def listening(processes: list[psutil.Process]) -> set[str]:
    """The addresses at which processes wait for others."""
    connections = [one for process in processes for one in process.net_connections("inet")]
    return {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN}


def test_only_this_machine_is_listened_to(room: Room, eight: list[Student]) -> None:
    with here(room, eight[0]).kernel(LESSON) as kernel:
        kernel.run("1")
        server = room.servers()[eight[0].name]
        assert listening([room.hub, *room.hub.children(recursive=True)]) == {"127.0.0.1"}
        assert listening(server.children(recursive=True)) == set()  # who could listen to a notebook's output?


_REACH = """
import os
from pathlib import Path
def tried(what, do):
    try:
        do()
    except OSError as error:
        print(what, error.strerror)
    else:
        print(what, "DONE")
home, copy, room = Path({home!r}), Path({copy!r}), Path({room!r})
tried("list the home:", lambda: os.listdir(home))
tried("read the progress:", (home / "cats-to-kto-work/progress.json").read_text)
tried("read the thumbs:", (home / "cats-to-kto-work/thumbs/08.jsonl").read_text)
tried("list the class:", lambda: os.listdir(room))
tried("read the copy:", copy.read_text)
tried("change the copy:", lambda: copy.open("a"))
tried("remove the copy:", copy.unlink)
tried("rename the copy:", lambda: copy.rename(room / "mine.jsonl"))
tried("change the cache:", lambda: (room.parent / "cache" / "x").touch())
"""


def test_nobody_reads_anothers_folder(room: Room, eight: list[Student], record: Record) -> None:
    if not room.groups:
        pytest.skip("all students are this very user here; run this as root to test rights")
    ada, ben = (here(room, student) for student in eight[:2])
    bens = [path for path in (room.shared / "class").iterdir() if path.owner() == ben.name]
    code = _REACH.format(home=str(room.homes / ben.name), copy=str(bens[0]), room=str(room.shared / "class"))
    with ada.kernel(LESSON) as kernel:
        lines = kernel.run(code).splitlines()
    assert len(lines) == 9
    refusals = ("Permission denied", "Operation not permitted")
    assert [line for line in lines if not line.endswith(refusals)] == []
    strangers = ada.web.get(f"{ben.server}/api/contents", timeout=60)
    assert strangers.status_code in (403, 404)
    record(ways_into_anothers_folder_denied=len(lines) + 1)


# --- what goes wrong ----------------------------------------------------------------------------------------


def edited(room: Room, student: Student) -> Path:
    return room.homes / student.name / COURSE / "notebooks" / LESSON


def save(student: Student, notebook: Any) -> None:
    """Save lesson 08, as JupyterLab does every two minutes."""
    content = {"type": "notebook", "format": "json", "content": notebook}
    answer = student.api("PUT", f"contents/{COURSE}/notebooks/{LESSON}", content)
    assert answer.ok, answer.text


def test_a_second_pull_keeps_what_a_student_wrote(room: Room, eight: list[Student]) -> None:
    """Upstream changes a cell that the student changed too, and another; a new file has a name they took."""
    student = here(room, eight[0])
    path = edited(room, student)
    own = nbformat.read(path, 4)
    answered = next(cell for cell in own.cells if "YOUR CODE HERE" in cell.source)
    changed_by_both = answered.source
    answered.source = answered.source.replace("# YOUR CODE HERE", "# my own answer")
    save(student, own)
    mine = {"type": "file", "format": "text", "content": "mine"}
    assert student.api("PUT", f"contents/{COURSE}/notebooks/new.md", mine).ok

    other = here(room, eight[1])
    (edited(room, other).parent / "09_anchors.ipynb").unlink()

    upstream = room.upstream / "notebooks" / LESSON
    theirs = nbformat.read(upstream, 4)
    same = next(cell for cell in theirs.cells if cell.source == changed_by_both)
    same.source = same.source.replace("# YOUR CODE HERE", "# YOUR CODE HERE, please")
    theirs.cells[-1].source += "\n\nA correction."
    nbformat.write(theirs, upstream)
    (room.upstream / "notebooks" / "new.md").write_text("the instructor's")
    git(room.upstream, "add", "--all")
    room.publish("Corrections")

    lines = student.follow(room.link())
    assert lines[-1] == "finished", lines
    merged = nbformat.read(path, 4)
    nbformat.validate(merged)
    text = "\n".join(cell.source for cell in merged.cells)
    assert "# my own answer" in text
    assert "YOUR CODE HERE, please" not in text
    assert "A correction." in text
    notes = {file.name.split("__")[0]: file.read_text() for file in path.parent.glob("new__*.md")}
    assert notes == {"new": "mine"}
    assert (path.parent / "new.md").read_text() == "the instructor's"
    assert other.follow(room.link())[-1] == "finished"
    assert "YOUR CODE HERE, please" in edited(room, other).read_text()
    assert (edited(room, other).parent / "09_anchors.ipynb").exists()  # deleted: a fresh one comes


_OPENED = """
import sys
sys.path.insert(0, "..")
import helpers
lesson = helpers.begin("08")
from helpers import world
lesson.widget("thumbs", answers=[(scene, world.captions(scene)[0]) for scene in world.sample(40, 5)])
"""


def test_a_notebook_opened_twice(room: Room, eight: list[Student]) -> None:
    """Two kernels press thumbs and keep progress at the same time: all of it is there afterwards."""
    student = here(room, eight[2])
    before = len(thumbs.load(room.work(student.name) / "thumbs" / "08.jsonl").thumbs)

    def use(tab: int) -> None:
        with student.kernel(LESSON) as kernel:
            kernel.run(_OPENED)
            assert kernel.errors == []
            kernel.fill(NAME, f"Tab {tab}")
            for position in range(THUMBS):
                kernel.click(UP if position % 2 else DOWN)
                kernel.run(f'lesson._progress.set("tab {tab}, {position}", True)')
            assert kernel.errors == []

    at_once(use, [1, 2])
    own = thumbs.load(room.work(student.name) / "thumbs" / "08.jsonl")
    assert not own.broken
    assert len(own.thumbs) == before + 2 * THUMBS
    kept = progress(room, student)
    assert sum(key.startswith("tab ") for key in kept) == 2 * THUMBS
    in_class = [one for one in thumbs.merge(room.shared / "class").thumbs if one.annotator.startswith("Tab ")]
    assert len(in_class) == 2 * THUMBS


def test_a_server_killed_in_the_middle(room: Room, eight: list[Student], record: Record) -> None:
    student = here(room, eight[3])
    notebook = nbformat.read(edited(room, student), 4)
    notebook.cells[0].source += "\n\nA note of mine."
    save(student, notebook)
    server = room.servers()[student.name]
    with student.kernel(LESSON) as kernel:
        kernel.run(_OPENED)
        give_thumbs(kernel, "Killed", 0, count=3)
        kernel.run('lesson._progress.set("tab 0", True)')
        assert kernel.errors == []
        family = [server, *server.children(recursive=True)]
        server.kill()
        with pytest.raises((OSError, websocket.WebSocketException)):
            kernel.run("import time; time.sleep(60)")
    started = time.monotonic()
    lines = student.follow(room.link())
    assert lines[-1] == "finished", lines
    record(seconds_until_a_killed_server_is_back=round(time.monotonic() - started, 1))
    _, left = psutil.wait_procs(family, timeout=60)
    assert left == []  # a kernel ends with its server
    assert progress(room, student)["tab 0"] is True
    assert "A note of mine." in edited(room, student).read_text()
    given = thumbs.load(room.work(student.name) / "thumbs" / "08.jsonl").thumbs
    assert sum(thumb.annotator == "Killed" for thumb in given) == 3
    with student.kernel(LESSON) as kernel:
        kernel.run(_OPENED)
        assert kernel.errors == []
        assert kernel.shows("3 up") or kernel.shows("2 up")


def test_no_disk_left(room: Room) -> None:
    """A student's home is full: a sentence each, nothing is lost, and with space it goes on."""
    student = list(room.students.values())[-1]
    home = room.homes / student.name
    if not room.groups or not _mount(home, megabytes=120):
        pytest.skip("only root, and only where file systems may be mounted, can make a small disk")
    try:
        shutil.chown(home, student.name, student.name)
        home.chmod(0o700)
        student.log_in()
        assert student.follow(room.link())[-1] == "finished"
        with student.kernel(LESSON) as kernel:
            kernel.run(_OPENED)
            kernel.fill(NAME, "Full")
            kernel.click(UP)
            ballast = home / "ballast"
            _fill(ballast)
            kernel.click(DOWN)
            assert kernel.shows("Not saved yet: 1")
            assert kernel.shows("The disk is full")
            printed = kernel.run('lesson._progress.set("full", True)')
            assert printed.count("\n") == 1
            assert "Your progress cannot be saved" in printed
            assert [len(_read(copy)) for copy in _copies(room, student)] == [1]  # the class has what it had
            ballast.unlink()
            kernel.click("Save again")
            kernel.run('lesson._progress.set("space", True)')
            assert kernel.errors == []
        own = _read(room.work(student.name) / "thumbs" / "08.jsonl")
        assert [thumb.label for thumb in own] == [True, False]
        assert [len(_read(copy)) for copy in _copies(room, student)] == [2]
        kept = json.loads((room.work(student.name) / "progress.json").read_text())["lessons"]["08"]
        assert (kept["full"], kept["space"]) == (True, True)
    finally:
        student.stop()
        wait_until(lambda: student.name not in room.servers(), "the end of the server")
        subprocess.run(["umount", "--lazy", str(home)], check=True)


def _mount(home: Path, megabytes: int) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(home)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _fill(file: Path) -> None:
    """Write until there is no space."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as ballast:
        while True:
            ballast.write(b"\0" * 4096)


def _copies(room: Room, student: Student) -> list[Path]:
    return [path for path in (room.shared / "class").glob("*.jsonl") if path.owner() == student.name]


def _read(path: Path) -> list[thumbs.Thumb]:
    return thumbs.load(path).thumbs


# --- the cache ----------------------------------------------------------------------------------------------


def warm(room: Room, students: list[Student], **environment: str) -> tuple[float, list[str]]:
    """`helpers warm` by all of them at once: seconds, and what each said."""
    started = time.monotonic()

    def one(student: Student) -> str:
        done = room.run_as(student.name, str(room.python), "-m", "helpers", "warm", **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    said = at_once(one, students)
    return time.monotonic() - started, said


def test_eight_warm_the_cache_at_once(room: Room, eight: list[Student], record: Record) -> None:
    for student in eight:
        here(room, student).stop()
    shared = room.shared / "cache"
    # One cache that all may write to: one of them builds, seven wait for the lock.
    common = room.folder / "common"
    common.mkdir()
    common.chmod(0o1777)
    seconds, said = warm(room, [eight[0]] * STUDENTS, COURSE_HOME=str(common), COURSE_CACHE="")
    assert not list((common / "cache").glob("*.part"))
    assert any("waiting for it" in text for text in said)
    record(
        seconds_eight_warm_one_cache=round(seconds, 1),
        entries_built_once=len(list((common / "cache").glob("*/card.json"))),
        cache_mb=round(_megabytes(common / "cache")),
    )
    # The instructor's way out: what one account has built is copied, and nobody can write to it.
    shutil.copytree(common / "cache", shared, dirs_exist_ok=True)
    before = sorted((path.name, path.stat().st_mtime_ns) for path in shared.rglob("*"))
    seconds, said = warm(room, eight)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in shared.rglob("*")) == before
    assert not [path for student in eight for path in (room.work(student.name) / "cache").glob("*/card.json")]
    record(seconds_eight_warm_with_a_read_only_cache=round(seconds, 1))
