"""A learner's own text: read sentence by sentence, and the colors that it names next to animals.

Knows encodings, sizes and what can be wrong with a file. Knows nothing about what is typical of an animal,
nor about pictures.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from helpers.settings import CourseError
from helpers.world import COLORS, KINDS

MOST_SENTENCES = 1_000_000  # kept in memory; what a larger file has beyond them is left out, and said
LONGEST_SENTENCE = 2_000  # characters; a text without full stops is cut here

_CHUNK = 1 << 20  # bytes read at a time
_SAMPLE = 1 << 16  # bytes that decide the encoding
_MARKS = (  # UTF-32 first: its little-endian mark begins like that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+|\n")
_PLURALS = {"sheep": ["sheep"], "fish": ["fish", "fishes"], "mouse": ["mice"]}
_SPELLED = {"grey": "gray"}


@dataclass(frozen=True)
class Corpus:
    """Sentences of a text, in order.

    Attributes:
        encoding: how the file was decoded; "cp1252" covers Latin-1.
        cut: whether the file went on after the last sentence kept.
    """

    sentences: list[str]
    encoding: str
    cut: bool = False


@dataclass(frozen=True)
class NamedColors:
    """How often a text names each color next to each kind.

    Attributes:
        counts: int (kinds, colors).
        mentioned: int (kinds,), sentences that mention the kind at all.
    """

    kinds: tuple[str, ...]
    colors: tuple[str, ...]
    counts: np.ndarray
    mentioned: np.ndarray

    @property
    def never_mentioned(self) -> list[str]:
        """The kinds that no sentence mentions."""
        return [kind for kind, count in zip(self.kinds, self.mentioned, strict=True) if not count]

    @property
    def coverage(self) -> float:
        """The share of the kinds that are named with a color at least once."""
        return float((self.counts.sum(1) > 0).mean())


def read_corpus(path: str | Path, most: int = MOST_SENTENCES) -> Corpus:
    """The first `most` sentences of a plain text file in UTF-8, UTF-16, UTF-32 or Latin-1.

    The file is read a megabyte at a time, and no further than needed.

    Raises:
        CourseError: if there is no such file, it cannot be read, is empty, or is not text.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise CourseError(f"There is no file {path}: give the path of a plain text file.")
    if not path.is_file():
        raise CourseError(f"{path} is not a file: give the path of a plain text file.")
    try:
        with path.open("rb") as file:
            encoding = _encoding(file.read(_SAMPLE), path)
        found = _sentences(path, encoding)
        sentences = list(islice(found, most))
        cut = len(sentences) == most and next(found, None) is not None
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror or error}.") from None
    if not sentences:
        raise CourseError(f"{path} has no sentence in it: give a text with a few sentences about animals.")
    return Corpus(sentences, encoding, cut)


def named_colors(
    sentences: Iterable[str], kinds: Sequence[str] = KINDS, colors: Sequence[str] = COLORS
) -> NamedColors:
    """Count "a black sheep", "black woolly sheep" and "the sheep is black"; plurals and "grey" count too.

    A kind that no sentence mentions has a row of zeros.
    """
    form_of = {form: kind for kind in kinds for form in (kind, *_PLURALS.get(kind, [f"{kind}s"]))}
    spelled = {color: color for color in colors} | {k: v for k, v in _SPELLED.items() if v in colors}
    kind, color = ("|".join(map(re.escape, words)) for words in (form_of, spelled))
    before = re.compile(rf"\b(?P<color>{color})(?:,? (?!(?:{kind})\b)\w+)? (?P<kind>{kind})\b")
    after = re.compile(rf"\b(?P<kind>{kind}) (?:is|are|was|were)(?: \w+)? (?P<color>{color})\b")
    animal = re.compile(rf"\b(?:{kind})\b")
    row, column = ({name: i for i, name in enumerate(names)} for names in (kinds, colors))
    counts = np.zeros((len(kinds), len(colors)), dtype=int)
    mentioned = np.zeros(len(kinds), dtype=int)
    for sentence in sentences:
        plain = " ".join(sentence.lower().split())
        for name in {form_of[form] for form in animal.findall(plain)}:
            mentioned[row[name]] += 1
        for expression in (before, after):
            for match in expression.finditer(plain):
                counts[row[form_of[match["kind"]]], column[spelled[match["color"]]]] += 1
    return NamedColors(tuple(kinds), tuple(colors), counts, mentioned)


def _encoding(sample: bytes, path: Path) -> str:
    """The encoding of a text that starts with `sample`."""
    if not sample.strip():
        raise CourseError(f"{path} is empty: give a text with a few sentences about animals.")
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding
    if b"\0" in sample:
        # English in UTF-16 has a zero in every second byte, always on the same side.
        zeros = [sample[side::2].count(0) / max(1, len(sample[side::2])) for side in (0, 1)]
        if max(zeros) > 0.7 and min(zeros) < 0.05:
            return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
        raise _not_text(path)
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\v\x1b" for byte in sample)
    if controls > len(sample) / 100 or sample.startswith(b"%PDF"):
        raise _not_text(path)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
        return "utf-8"
    except UnicodeDecodeError:
        pass
    # Few bytes of a text in Latin-1 are accented letters; of a compressed file half of all are above 127.
    if sum(byte > 127 for byte in sample) > 0.3 * len(sample):
        raise _not_text(path)
    return "cp1252"


def _not_text(path: Path) -> CourseError:
    return CourseError(f"{path} is not plain text: open it in its own program and save it as a .txt file.")


def _sentences(path: Path, encoding: str) -> Iterator[str]:
    """The sentences of a file of any size, one after another; bytes that cannot be decoded are replaced."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    rest = ""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            *whole, rest = _SENTENCE_END.split(rest + decoder.decode(chunk))
            for text in whole:
                yield from _pieces(text)
            if len(rest) > LONGEST_SENTENCE:
                *full, rest = _pieces(rest) or [""]
                yield from full
        for text in _SENTENCE_END.split(rest + decoder.decode(b"", True)):
            yield from _pieces(text)


def _pieces(text: str) -> list[str]:
    """The text without white space around it, in pieces of at most LONGEST_SENTENCE; nothing for nothing."""
    text = text.strip()
    pieces = (text[start : start + LONGEST_SENTENCE] for start in range(0, len(text), LONGEST_SENTENCE))
    return [stripped for piece in pieces if (stripped := piece.strip())]
