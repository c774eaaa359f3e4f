"""Results to take home: what is in the file, and one sentence where there is none."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from pathlib import Path

import pytest

import helpers
from helpers.lesson import download
from helpers.lesson.download import Download, pack
from helpers.settings import CourseError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    (folder / "thumbs").mkdir(parents=True)
    (folder / "progress.json").write_text('{"version": 1}')
    (folder / "thumbs" / "08.jsonl").write_text("{}\n")
    monkeypatch.setenv("COURSE_PROGRESS", str(folder / "progress.json"))
    return folder


def unpacked(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_progress_thumbs_ledger_and_a_folder(home: Path, tmp_path: Path) -> None:
    model = tmp_path / "my-model"
    (model / "deep").mkdir(parents=True)
    (model / "deep" / "a.txt").write_text("weights")
    (model / "elsewhere").symlink_to(home / "progress.json")
    found = unpacked(pack("08", [{"name": "ein Öl"}], [model]))
    assert found.pop("README.txt").startswith("Your results")
    assert json.loads(found.pop("about.json"))["version"] == helpers.__version__
    assert found == {
        "ledger-08.jsonl": '{"name": "ein Öl"}\n',
        "progress.json": '{"version": 1}',
        "thumbs/08.jsonl": "{}\n",
        "my-model/deep/a.txt": "weights",
    }


def test_a_learner_who_has_done_nothing_gets_an_empty_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "nowhere" / "progress.json"))
    assert set(unpacked(pack("00", []))) == {"README.txt", "about.json", "ledger-00.jsonl"}


def test_the_link_holds_the_file(home: Path) -> None:
    made = Download("08", [], [])
    assert "<a" not in made.html
    made.button.click()
    address = re.search(
        r'download="cats-to-kto-08-[0-9a-f]{6}.zip" href="data:application/zip;base64,([^"]+)"', made.html
    )
    assert "progress.json" in unpacked(base64.b64decode(address[1]))
    assert 'role="status"' in made.html


def test_files_of_two_learners_have_two_names(home: Path) -> None:
    def name() -> str:
        made = Download("08", [], [])
        made.button.click()
        return re.search(r'download="([^"]+)"', made.html)[1]

    first = name()
    (home / "thumbs" / "08.jsonl").write_text("{}\n{}\n")
    assert name() != first


def test_too_much_is_one_sentence(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MAX_MEGABYTES", 1e-5)
    made = Download("08", [], [])
    made.button.click()
    assert "more than the 1e-05 MB that a link holds" in made.html
    assert "<a" not in made.html


def test_a_missing_folder_is_one_escaped_sentence(home: Path) -> None:
    made = Download("08", [], ["<b>no</b>"])
    made.button.click()
    assert "There is no folder &lt;b&gt;no&lt;/b&gt;" in made.html


def test_what_cannot_be_read_is_one_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(home / "progress.json"))

    monkeypatch.setattr(zipfile.ZipFile, "write", refused)
    with pytest.raises(CourseError, match=r"progress.json cannot be read \(Permission denied\)"):
        pack("08", [])


def test_the_recap_offers_it(shown: list, home: Path) -> None:
    lesson = helpers.begin("00")
    lesson.recap()
    assert any("download your results" in bundle["text/plain"] for bundle in shown)
