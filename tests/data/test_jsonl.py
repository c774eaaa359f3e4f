"""JSON lines: what is read, what is reported, and that nothing else is lost."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading

import pytest

from helpers import settings
from helpers.data import jsonl
from helpers.settings import CourseError


def rows_of(path):
    return [item[1] for item in jsonl.read(path) if not isinstance(item, jsonl.BrokenLine)]


def broken_of(path):
    found = [item for item in jsonl.read(path) if isinstance(item, jsonl.BrokenLine)]
    return [(line.number, line.problem) for line in found]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "rows.jsonl"


def test_rows_come_back_as_they_were(path):
    rows = [{"text": 'a "b"\n\u2028 猫 👍', "none": None}, {}, {"nested": [{"a": [1, 2.5, True]}]}]
    jsonl.write(path, rows)
    jsonl.append(path, rows)
    assert rows_of(path) == rows * 2
    assert len(path.read_bytes().splitlines()) == 6  # U+2028 ends no line of bytes
    assert "猫" in path.read_text(encoding="utf-8")


def test_no_file_has_no_rows(path):
    assert list(jsonl.read(path)) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"words", "is not JSON"),
        (b'{"a": 1', "is not JSON"),
        (b'{"a": 1} {"b": 2}', "is not JSON"),
        (b"[1]", "is JSON but no object"),
        (b"3", "is JSON but no object"),
        (b'{"a": NaN}', "holds NaN, which is not JSON"),
        (b'{"a": -Infinity}', "holds -Infinity, which is not JSON"),
        (b'{"a": "\xe9"}', "is not UTF-8"),
        (b"\x00\xff\xfe", "is not UTF-8"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"a": "' + b"x" * 2**20 + b'"}', "is longer than 1,048,576 bytes"),
        (b"x" * (3 * 2**20), "is longer than 1,048,576 bytes"),
    ],
)
def test_a_broken_line_is_reported_by_number_and_the_others_are_read(path, line, problem):
    path.parent.mkdir()
    path.write_bytes(b'{"n": 1}\n\n' + line + b'\n{"n": 2}\r\n')
    assert rows_of(path) == [{"n": 1}, {"n": 2}]
    assert broken_of(path) == [(3, problem)]


def test_a_half_written_last_line_says_so(path):
    path.parent.mkdir()
    path.write_bytes(b'{"n": 1}\n{"n": 2}\n{"n":')
    assert rows_of(path) == [{"n": 1}, {"n": 2}]
    assert broken_of(path) == [(3, "is not JSON (the last line, perhaps half-written)")]
    (found,) = [item for item in jsonl.read(path) if isinstance(item, jsonl.BrokenLine)]
    assert str(found) == "rows.jsonl, line 3: is not JSON (the last line, perhaps half-written)"


def test_a_whole_last_line_needs_no_end(path):
    path.parent.mkdir()
    path.write_bytes(b'{"n": 1}\n{"n": 2}')
    assert rows_of(path) == [{"n": 1}, {"n": 2}]


def test_what_is_added_after_a_half_written_line_is_not_swallowed_by_it(path):
    path.parent.mkdir()
    path.write_bytes(b'{"n": 1}\n{"n":')
    jsonl.append(path, [{"n": 2}])
    assert rows_of(path) == [{"n": 1}, {"n": 2}]
    assert [number for number, _ in broken_of(path)] == [2]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_of_editors_that_mark_their_encoding(path, encoding):
    path.parent.mkdir()
    path.write_text('{"n": 1}\n{"n": 2}\n', encoding=encoding)
    if encoding == "utf-8-sig":
        assert rows_of(path) == [{"n": 1}, {"n": 2}]
    else:
        assert rows_of(path) == []
        assert broken_of(path)


def test_a_long_file_is_read_line_by_line(path):
    import tracemalloc

    path.parent.mkdir()
    with path.open("wb") as file:
        for n in range(60):
            file.write(b'{"n": %d, "pad": "%s"}\n' % (n, b"x" * 500_000))
        file.write(b"y" * 20_000_000)
    tracemalloc.start()
    count = sum(1 for _ in jsonl.read(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 61
    assert peak < 10_000_000 < path.stat().st_size


# --- changing a file ----------------------------------------------------------------------------------------


def test_the_last_wanted_row_is_removed_and_all_else_stays(path):
    path.parent.mkdir()
    content = [b'{"n": 1}\n', b"foreign \xff\n", b'{"n":  1}\r\n', b"\n", b'{"n": 2}\n', b'{"half":']
    path.write_bytes(b"".join(content))
    assert jsonl.remove_last(path, lambda row: row == {"n": 1})
    assert path.read_bytes() == b"".join([*content[:2], *content[3:]])
    assert not jsonl.remove_last(path, lambda row: row == {"n": 9})
    assert path.read_bytes() == b"".join([*content[:2], *content[3:]])


def test_nothing_is_left_beside_the_file_but_its_lock(path):
    jsonl.append(path, [{"n": 1}, {"n": 2}])
    jsonl.remove_last(path, lambda row: True)
    jsonl.write(path, [{"n": 3}])
    names = {file.name for file in path.parent.iterdir()}
    assert names <= {"rows.jsonl", "rows.jsonl.lock"}
    assert rows_of(path) == [{"n": 3}]


@pytest.mark.skipif(os.name == "nt", reason="no such permissions there")
def test_permissions_and_links_survive(path, tmp_path):
    real = tmp_path / "real.jsonl"
    jsonl.write(real, [{"n": 1}, {"n": 2}])
    real.chmod(0o640)
    path.parent.mkdir()
    path.symlink_to(real)
    jsonl.remove_last(path, lambda row: row == {"n": 2})
    assert path.is_symlink()
    assert rows_of(real) == [{"n": 1}]
    assert real.stat().st_mode & 0o777 == 0o640


def full_after(monkeypatch, calls):
    """From the given call of fsync on the disk is full."""
    real, count = os.fsync, iter(range(1000))

    def fsync(handle):
        if next(count) >= calls:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)


def test_a_full_disk_is_one_sentence_and_leaves_the_file_as_it_was(path, monkeypatch):
    jsonl.append(path, [{"n": 1}, {"n": 2}])
    before = path.read_bytes()
    full_after(monkeypatch, 0)
    for change in (
        lambda: jsonl.append(path, [{"n": 3}]),
        lambda: jsonl.remove_last(path, lambda row: True),
        lambda: jsonl.write(path, [{"n": 4}]),
    ):
        with pytest.raises(CourseError, match="disk is full"):
            change()
        assert path.read_bytes() == before
    assert {file.name for file in path.parent.iterdir()} <= {"rows.jsonl", "rows.jsonl.lock"}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_really_full_disk(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.symlink_to("/dev/full")
    with pytest.raises(CourseError, match="disk is full"):
        jsonl.append(path, [{"n": 1}])


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match=r"cannot be written \(.+\); make sure"):
        jsonl.append(tmp_path / "file" / "rows.jsonl", [{"n": 1}])


def test_a_folder_in_the_place_of_the_file_cannot_be_read(tmp_path):
    with pytest.raises(CourseError, match="cannot be read"):
        list(jsonl.read(tmp_path))


def test_a_lock_that_is_not_given_is_one_sentence(path, monkeypatch):
    from filelock import FileLock

    jsonl.append(path, [{"n": 1}])
    monkeypatch.setattr(jsonl, "LOCK_SECONDS", 0.1)
    told = []

    def other_notebook():
        try:
            jsonl.append(path, [{"n": 2}])
        except CourseError as error:
            told.append(str(error))

    with FileLock(f"{path}.lock"):
        thread = threading.Thread(target=other_notebook)
        thread.start()
        thread.join()
    assert len(told) == 1
    assert "held by another notebook" in told[0]
    assert rows_of(path) == [{"n": 1}]


ADD_MANY = """
import sys
from pathlib import Path
from helpers.data import jsonl
path, name = Path(sys.argv[1]), sys.argv[2]
for n in range(30):
    jsonl.append(path, [{"name": name, "n": n}])
    if n % 3 == 2:  # every third is taken back
        jsonl.remove_last(path, lambda row: row == {"name": name, "n": n})
"""


def test_several_processes_lose_nothing(path):
    running = [
        subprocess.Popen([sys.executable, "-c", ADD_MANY, str(path), name], cwd=settings.ROOT)
        for name in "abc"
    ]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    kept = [n for n in range(30) if n % 3 != 2]
    assert broken_of(path) == []
    for name in "abc":
        assert [row["n"] for row in rows_of(path) if row["name"] == name] == kept
