from __future__ import annotations

from pathlib import Path

import pytest

from helpers.course import sheets
from helpers.settings import CourseError


def folder(root: Path) -> Path:
    made = root / "classroom" / "sheets"
    made.mkdir(parents=True)
    return made


def test_every_sheet_becomes_a_page_without_tags_of_its_own(tmp_path: Path) -> None:
    source = folder(tmp_path)
    (source / "learner.md").write_text(
        "# Learner's sheet\n\n- **Run** it <script>x</script>\n", encoding="utf-8"
    )
    (source / "helper.md").write_text("<!-- note -->\n# Helper\n\n| it | fix |\n| --- | --- |\n| a | b |\n")
    assert [path.name for path in sheets.write(tmp_path)] == ["helper.html", "learner.html"]
    learner = (tmp_path / "build" / "sheets" / "learner.html").read_text(encoding="utf-8")
    assert "<title>Learner&#x27;s sheet</title>" in learner
    assert "&lt;script&gt;" in learner
    assert "class='short'" in learner
    helper = (tmp_path / "build" / "sheets" / "helper.html").read_text(encoding="utf-8")
    assert "note" not in helper


def test_no_sheets_and_a_broken_one_are_one_sentence_each(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="no Markdown file"):
        sheets.write(tmp_path)
    (folder(tmp_path) / "bad.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CourseError, match=r"bad\.md is not UTF-8"):
        sheets.write(tmp_path)


def test_much_text_is_set_smaller_and_nothing_is_not_a_page_without_a_title() -> None:
    assert "<main class='long'>" in sheets.sheet("# A\n\n" + "word " * 1000)
    assert "<title>Sheet</title>" in sheets.sheet("")


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (folder(tmp_path) / "learner.md").write_text("# A")
    (tmp_path / "build").touch()
    with pytest.raises(
        CourseError, match=r"cannot be written to .*; copy the course to a folder of your own"
    ):
        sheets.write(tmp_path)
