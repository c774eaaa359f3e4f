from __future__ import annotations

import codecs
import gzip
import os
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.grounding import corpus
from helpers.grounding.corpus import named_colors, read_corpus
from helpers.settings import CourseError
from helpers.world import COLORS, KINDS

TEXT = "A black sheep came. The café had a grey mouse! Was it so?\nThe cats are orange"
SENTENCES = ["A black sheep came.", "The café had a grey mouse!", "Was it so?", "The cats are orange"]


def count(text: str, kind: str, color: str) -> int:
    return int(named_colors([text]).counts[KINDS.index(kind), COLORS.index(color)])


# --- reading ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252", "utf-16-le", "utf-16-be"]
)
def test_a_text_is_read_in_any_common_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(TEXT.encode(encoding))
    assert read_corpus(path).sentences == SENTENCES


def test_a_big_endian_mark_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"))
    assert read_corpus(str(path)).sentences == SENTENCES


def test_a_broken_byte_late_in_the_file_costs_one_letter_only(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"A red fish swims. " * 10_000 + b"A caf\xe9 cat.")
    found = read_corpus(path)
    assert (len(found.sentences), found.encoding) == (10_001, "utf-8")
    assert found.sentences[-1] == "A caf\ufffd cat."


BAD = {
    "empty": b"",
    "blank": b" \n\n\t ",
    "zip": b"PK\x03\x04" + bytes(range(256)) * 8,
    "gzip": gzip.compress(os.urandom(4000)),
    "png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
    "pdf": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\n",
    "zeros": bytes(5000),
    "mark only": codecs.BOM_UTF16_LE,
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_text_is_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(BAD[name])
    with pytest.raises(CourseError, match=r"file\.txt") as raised:
        read_corpus(path)
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith(".")


def test_a_missing_file_and_a_folder_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="There is no file"):
        read_corpus(tmp_path / "nowhere.txt")
    with pytest.raises(CourseError, match="not a file"):
        read_corpus(tmp_path)


def test_an_unreadable_file_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.txt"
    path.write_text("A cat.")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CourseError, match="Permission denied"):
        read_corpus(path)


def test_a_huge_file_is_read_only_as_far_as_needed(tmp_path: Path) -> None:
    path = tmp_path / "huge.txt"
    with path.open("wb") as file:
        file.write(b"A black sheep sleeps in the meadow. " * 100_000)
        file.truncate(3 << 30)  # a sparse file of 3 GB
    tracemalloc.start()
    started = time.process_time()
    found = read_corpus(path, most=50_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(found.sentences), found.cut) == (50_000, True)
    assert peak < 60 << 20
    assert time.process_time() - started < 10


def test_a_text_of_exactly_the_limit_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("A cat. A dog. A cow.")
    assert not read_corpus(path, most=3).cut
    assert read_corpus(path, most=2).cut


def test_sentences_that_cross_a_chunk_stay_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    for size in (1, 2, 3, 7, 20):
        monkeypatch.setattr(corpus, "_CHUNK", size)
        assert read_corpus(path).sentences == SENTENCES


def test_a_text_without_full_stops_is_cut_into_pieces(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("word " * 500_000)
    lengths = [len(sentence) for sentence in read_corpus(path).sentences]
    assert max(lengths) <= corpus.LONGEST_SENTENCE
    assert sum(lengths) > 2_400_000


def test_a_megabyte_of_blanks_takes_no_time(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("A cat." + " " * 3_000_000 + "A dog.")
    started = time.process_time()
    assert read_corpus(path).sentences == ["A cat.", "A dog."]
    assert time.process_time() - started < 5


@given(st.text(max_size=300))
def test_any_text_gives_sentences_or_one_sentence_of_complaint(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        found = read_corpus(path).sentences
    except CourseError:
        return
    assert all(sentence.strip() == sentence != "" for sentence in found)
    named_colors(found)


# --- counting -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "color", "times"),
    [
        ("A black sheep.", "sheep", "black", 1),
        ("Two BLACK SHEEP and a Black\tsheep.", "sheep", "black", 2),
        ("The sheep is black.", "sheep", "black", 1),
        ("The mice were very gray.", "mouse", "gray", 1),
        ("A grey mouse.", "mouse", "gray", 1),
        ("A black, woolly sheep.", "sheep", "black", 1),
        ("A black dog saw a sheep.", "sheep", "black", 0),
        ("A black dog saw a sheep.", "dog", "black", 1),
        ("A black dog sheep.", "sheep", "black", 0),
        ("A scared cat.", "cat", "red", 0),
        ("A red catalog.", "cat", "red", 0),
        ("White snow lay on the sheep.", "sheep", "white", 0),
        ("Lions are yellow.", "lion", "yellow", 1),
    ],
)
def test_colors_are_counted_next_to_their_kind(text: str, kind: str, color: str, times: int) -> None:
    assert count(text, kind, color) == times


def test_kinds_that_no_sentence_mentions_are_reported() -> None:
    found = named_colors(["A black sheep.", "A cat sits.", "A cat sleeps."], ("sheep", "cat", "fish"))
    assert found.never_mentioned == ["fish"]
    assert found.coverage == pytest.approx(1 / 3)
    assert found.mentioned.tolist() == [1, 2, 0]


def test_no_sentence_at_all_covers_nothing() -> None:
    found = named_colors([])
    assert found.coverage == 0
    assert found.never_mentioned == list(KINDS)
    assert np.all(found.counts == 0)
