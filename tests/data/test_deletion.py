"""One person's thumbs leave every file, and nothing else does."""

from __future__ import annotations

import json
import os

import pytest

from helpers.data import deletion, thumbs
from helpers.settings import CourseError


def thumb(annotator, completion="x"):
    return thumbs.Thumb("a record", completion, True, annotator, "2026-01-01T10:00:00+00:00", "08")


@pytest.fixture
def folder(tmp_path):
    """Ann and Ben in a merged file, in files of their own, and in what a server and a crash left behind."""
    place = tmp_path / "class"
    thumbs.append(place / "all.jsonl", [thumb("Ann"), thumb("Ben"), thumb("Ann", "y")])
    thumbs.append(place / "ann" / "08.jsonl", [thumb("Ann")])
    thumbs.append(place / "ben" / "08.jsonl", [thumb("Ben")])
    thumbs.append(place / ".ipynb_checkpoints" / "ann-checkpoint.jsonl", [thumb("Ann")])
    thumbs.append(place / ".08.jsonl-1a2b3c4d.tmp", [thumb("Ann")])
    return place


def rows(path):
    return [json.loads(line)["annotator"] for line in path.read_text().splitlines()]


def test_everywhere_and_nobody_else(folder):
    done = deletion.delete(folder, "Ann")
    assert {path.relative_to(folder).as_posix(): count for path, count in done.rows.items()} == {
        ".08.jsonl-1a2b3c4d.tmp": 1,
        ".ipynb_checkpoints/ann-checkpoint.jsonl": 1,
        "all.jsonl": 2,
        "ann/08.jsonl": 1,
    }
    assert rows(folder / "all.jsonl") == ["Ben"]
    assert rows(folder / "ben" / "08.jsonl") == ["Ben"]
    assert done.names == {"Ben": 2}
    assert not done.left
    assert not deletion.delete(folder, "Ann").rows
    assert "Ann" not in "".join(path.read_text() for path in folder.rglob("*") if path.is_file())


def test_broken_lines_stay_byte_for_byte_and_are_named(folder):
    path = folder / "ben" / "08.jsonl"
    whole = path.read_bytes()
    mine = (json.dumps(thumbs.to_row(thumb("Ann"))) + "\n").encode()
    path.write_bytes(b"\xff\xfe\n" + mine + whole + b'{"half": ')
    done = deletion.delete(folder, "Ann")
    assert path.read_bytes() == b"\xff\xfe\n" + whole + b'{"half": '
    assert [(line.path, line.number) for line in done.broken] == [(path, 1), (path, 4)]


def test_a_row_that_is_no_whole_thumb_but_theirs_goes_too(folder):
    path = folder / "odd.jsonl"
    path.write_text('{"annotator": "Ann", "label": 3}\n{"annotator": 3}\n{"text": "foreign"}\n')
    deletion.delete(folder, "Ann")
    assert path.read_text() == '{"annotator": 3}\n{"text": "foreign"}\n'


def test_names_are_compared_as_the_widget_keeps_them(folder):
    thumbs.append(folder / "z.jsonl", [thumb("Zoé Lee"), thumb("Zoe\u0301  Lee"), thumb("zoé lee")])
    deletion.delete(folder, "Zoe\u0301 Lee")
    assert rows(folder / "z.jsonl") == ["zoé lee"]


def test_without_a_name_everything_goes(folder):
    done = deletion.delete(folder, None)
    assert sum(done.rows.values()) == 7
    assert all(path.read_bytes() == b"" for path in folder.rglob("*.jsonl"))


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_out_of_the_folder_is_left_alone(folder, tmp_path):
    outside = tmp_path / "outside.jsonl"
    thumbs.append(outside, [thumb("Ann")])
    (folder / "link.jsonl").symlink_to(outside)
    done = deletion.delete(folder, "Ann")
    assert rows(outside) == ["Ann"]
    assert [line for line in done.left if "link out of" in line]
    assert len(done.rows) == 4


def test_one_file_that_cannot_be_changed_does_not_stop_the_others(folder, monkeypatch):
    real = deletion._remove

    def remove(path, leaves):
        if path.name == "all.jsonl":
            raise CourseError("held by another notebook")
        return real(path, leaves)

    monkeypatch.setattr(deletion, "_remove", remove)
    done = deletion.delete(folder, "Ann")
    assert done.left == ["held by another notebook"]
    assert len(done.rows) == 3


def test_in_a_class_their_progress_goes_with_their_thumbs(folder):
    for number, names in (("a" * 32, ["Ann"]), ("b" * 32, ["Ann", "Ben"])):
        thumbs.append(folder / f"{number}-08.jsonl", [thumb(name) for name in names])
        (folder / f"{number}-progress.json").write_text("{}")
    done = deletion.delete(folder, "Ann")
    assert done.progress == [folder / f"{'a' * 32}-progress.json"]
    assert not done.progress[0].exists()
    assert (folder / f"{'b' * 32}-progress.json").exists()


def test_no_folder_is_one_sentence(tmp_path):
    with pytest.raises(CourseError, match="is no folder"):
        deletion.delete(tmp_path / "none", "Ann")


def test_progress_that_cannot_be_removed_is_named_and_the_rest_goes_on(folder, monkeypatch):
    first, later = folder / "aa-08.jsonl", folder / "zz-08.jsonl"
    for path in (first, later):
        path.write_text(json.dumps({"annotator": "Ana", "completion": "x"}) + "\n", encoding="utf-8")
    (folder / "aa-progress.json").write_text("{}")
    real = type(first).unlink

    def unlink(path, *given, **named):
        if path.name == "aa-progress.json":
            raise PermissionError(1, "Operation not permitted")
        return real(path, *given, **named)

    monkeypatch.setattr(type(first), "unlink", unlink)
    done = deletion.delete(folder, "Ana")
    assert later in done.rows
    assert any("aa-progress.json could not be removed" in said for said in done.left)
