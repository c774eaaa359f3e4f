"""An audit of a file of JSON lines, your own or another's: what is in it, what repeats, leaks, and varies.

Knows files of four forms: ``messages``, ``prompt`` with ``chosen`` and ``rejected``, ``prompt`` with
``completion`` (and perhaps ``label``), and ``text``. Reads them line by line, and remembers about 0.2 kB of
each, so that large files fit. Knows nothing about whether what stands there is true. No prompt and no answer
of the file becomes part of the report: it may be shown to others.
"""

from __future__ import annotations

import contextlib
import json
import random
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.data import jsonl
from helpers.settings import CourseError
from helpers.synthesis import contamination, diversity
from helpers.synthesis.card import README, assembled, section
from helpers.synthesis.duplicates import Index, fingerprint
from helpers.synthesis.folders import explained
from helpers.synthesis.texts import text_of, words

if TYPE_CHECKING:
    from huggingface_hub import DatasetCard

#: Each form, and the columns that make it; a row is of the first that it has.
FORMS: dict[str, tuple[str, ...]] = {
    "messages": ("messages",),
    "prompt, chosen, rejected": ("prompt", "chosen", "rejected"),
    "prompt, completion": ("prompt", "completion"),
    "text": ("text",),
}
#: Rows among which near duplicates are looked for (64 hashes and the text of each are kept: about 4 kB).
NEAR_ROWS = 50_000
#: Answers drawn from the whole file that stand for its diversity.
SAMPLE = 500
#: Lines that are named for each problem; the rest are only counted.
NAMED = 1000
REPORT = "report.json"

_NEAR = {"threshold": 0.7, "run": 3, "num_perm": 64}
#: A test row that was reworded here and there is still to be found, at the price of some that are none.
_LEAK = {"threshold": 0.5, "run": 3}
_RUN = 13
_MOST_COLUMNS = 50
_MOST_BROKEN = 100_000
_MOST_LABELS = 10
_FOREIGN = {
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
    b"PAR1": "a Parquet file; write it as JSON lines first",
    b"\x1f\x8b": "compressed; unpack it first",
    b"PK": "compressed; unpack it first",
    b"[": "one JSON list; write one object a line",
}


@dataclass(frozen=True)
class Leaks:
    """What of a test file is in the data, in rows of the data. A row is counted for each way that finds it.

    Attributes:
        test_rows: of the test file that could be read.
        exact: rows that are a test row.
        prompts: rows that ask what a test row asks.
        near: rows that nearly are a test row.
        overlap: rows that share a run of 13 words with a test row, or hold a shorter one whole.
        control: how many test rows, each without one of its words, the search for near ones finds.
        control_of: of how many.
    """

    test_rows: int
    exact: int
    prompts: int
    near: int
    overlap: int
    control: int
    control_of: int


@dataclass(frozen=True)
class Audit:
    """What was found in a file.

    Attributes:
        name: of the file.
        lines: lines that are not empty.
        rows: lines with a text in the form of the file.
        form: that which most rows have; see `FORMS`.
        columns: how many objects have each column, the first 50 columns.
        broken: lines that are no JSON object, by problem.
        other: objects that are not of the form, or whose columns hold no text.
        exact_duplicates, near_duplicates: rows that repeat an earlier one; `near_rows` were compared.
        different_answers: how many different answers there are.
        empty_answers: how many are empty.
        words: words an answer: 5%, 50%, 95% and the most.
        distinct_1, distinct_2, self_bleu, vendi: diversity of `sample` answers drawn from all; None of fewer
            than two.
        labels: how many rows have each value of the column `label`; None for no label.
        leaks: None where no test file was given.
        remarks: problems by line, at most `NAMED` of each kind.
    """

    name: str
    lines: int
    rows: int
    form: str
    columns: dict[str, int]
    broken: dict[str, int]
    other: int
    exact_duplicates: int
    near_duplicates: int
    near_rows: int
    different_answers: int
    empty_answers: int
    words: tuple[int, int, int, int]
    sample: int
    distinct_1: float | None
    distinct_2: float | None
    self_bleu: float | None
    vendi: float | None
    labels: dict[str, int] | None
    leaks: Leaks | None
    remarks: list[tuple[int, str]] = field(repr=False)

    def findings(self) -> list[dict[str, str]]:
        """The report as lines of a table: ``{"what": …, "found": …}``."""
        return [{"what": what, "found": found} for what, found in _findings(self)]

    def __str__(self) -> str:
        width = max(len(what) for what, _ in _findings(self))
        return "\n".join(f"{what:{width}}  {found}" for what, found in _findings(self))


def audit(path: str | Path, test: str | Path | None = None) -> Audit:
    """Read a file of JSON lines and say what is in it.

    Args:
        test: a file of what the data must not hold, in one of the same forms.

    Raises:
        CourseError: if a file is missing, empty, cannot be read, or no line of it is of a known form.
    """
    path = Path(path)
    search = None if test is None else _Search(Path(test))
    form = _form_of(path)
    seen = _Seen(search)
    for item in jsonl.read(path):
        seen.line(item, form)
    return seen.audit(path.name, form)


def card(found: Audit, license: str = "unknown") -> DatasetCard:
    """A dataset card of what was found, for you to complete: what the rows are for and who made them."""
    return assembled(
        found.name,
        license,
        found.rows,
        [
            "What these rows are for, who wrote them and how: *please add*.",
            section("Audit", found.findings()),
        ],
        language=None,
        tags=["cats-to-kto"],
    )


def write(found: Audit, folder: str | Path) -> None:
    """Store the card as README.md, and all that was found, with line numbers, as report.json.

    Raises:
        CourseError: if the folder holds something else, or cannot be written.
    """
    folder = Path(folder)
    with explained(folder, f"The disk is full, so {folder} was not written; free some space there."):
        if (
            folder.exists()
            and not (folder / REPORT).is_file()
            and (folder.is_file() or any(folder.iterdir()))
        ):
            raise CourseError(f"{folder} holds something that is no audit; choose another folder.")
        folder.mkdir(parents=True, exist_ok=True)
        report = json.dumps(asdict(found), ensure_ascii=False, indent=1)
        (folder / REPORT).write_text(report + "\n", encoding="utf-8")
        (folder / README).write_text(str(card(found)), encoding="utf-8")


# --- reading ------------------------------------------------------------------------------------------------


def _form_of(path: Path) -> str:
    """The form that most of the first thousand objects of a file have; a row of no known form has none."""
    forms: Counter[str] = Counter()
    problems: Counter[str] = Counter()
    others: Counter[str] = Counter()
    objects = 0
    for item in jsonl.read(path):
        if isinstance(item, jsonl.BrokenLine):
            problems[item.problem] += 1
        else:
            objects += 1
            others.update(list(item[1])[:_MOST_COLUMNS])
            forms.update(name for name in FORMS if _of_form(item[1], name))
        if objects >= NAMED or problems.total() >= _MOST_BROKEN:
            break
    if forms and not _start_of(path).startswith(b"["):
        # A row with messages and a text is of both: the first of the forms that are as frequent.
        return max(FORMS, key=lambda name: forms[name])
    raise CourseError(_why_none(path, problems, objects, [name for name, _ in others.most_common(8)]))


def _of_form(row: jsonl.Row, form: str) -> bool:
    return all(column in row for column in FORMS[form])


def _start_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()


def _why_none(path: Path, problems: Counter[str], objects: int, columns: list[str]) -> str:
    """Why no line of a file is of a known form."""
    if not path.exists():
        return f"There is no file {path}."
    if not objects and not problems:
        return f"{path} is empty."
    kind = next((kind for mark, kind in _FOREIGN.items() if _start_of(path).startswith(mark)), None)
    if kind:
        return f"{path} is {kind}."
    if objects:
        return (
            f"{path} has no rows of a known form: rename its columns to {' or to '.join(FORMS)} "
            f"(found: {', '.join(map(_plain, columns)) or 'none'})."
        )
    problem = problems.most_common(1)[0][0]
    return f"{path} holds no JSON object in {_count(problems.total(), 'line')} (most: {problem})."


def _texts(row: jsonl.Row, form: str) -> tuple[str, str, str]:
    """A row's prompt (or ""), its answer, and its whole text; CourseError if a column holds no text."""
    if form == "messages":
        whole = text_of(row, "messages")
        last = row["messages"][-1:] if isinstance(row["messages"], list) else []
        answer = last[0]["content"] if last else ""
        return whole.removesuffix(answer).strip(), answer, whole
    if form == "text":
        return "", text_of(row, "text"), text_of(row, "text")
    prompt, answer, *rest = (text_of(row, column) for column in FORMS[form])
    return prompt, answer, "\n".join([prompt, answer, *rest])


def _rows(path: Path, form: str) -> Iterator[tuple[str, str, str]]:
    for item in jsonl.read(path):
        if not isinstance(item, jsonl.BrokenLine):
            with contextlib.suppress(CourseError):
                yield _texts(item[1], form)


class _Search:
    """What is looked for of a test file, and how much of it was found."""

    def __init__(self, path: Path) -> None:
        rows = list(_rows(path, _form_of(path)))
        texts = [whole for _, _, whole in rows if words(whole)]
        if not texts:
            raise CourseError(f"{path} has no text to look for.")
        self.test_rows = len(rows)
        self._exact = contamination.exact(texts)
        self._near = contamination.near(texts, **_LEAK)
        self._overlap = contamination.overlap(texts, _RUN)
        self._prompts = {fingerprint(prompt) for prompt, _, _ in rows if words(prompt)}
        self._control = [_shortened(text) for text in texts[:100] if len(words(text)) > 10]
        self._found: Counter[str] = Counter()

    def look(self, prompt: str, whole: str) -> list[str]:
        """The ways in which a row leaks the test."""
        ways = {
            "is a test row": self._exact(whole) is not None,
            "asks what a test row asks": fingerprint(prompt) in self._prompts,
            "nearly is a test row": self._near(whole) is not None,
            "shares words with a test row": self._overlap(whole) is not None,
        }
        found = [way for way, leaks in ways.items() if leaks]
        self._found.update(found)
        return found

    def leaks(self) -> Leaks:
        return Leaks(
            self.test_rows,
            self._found["is a test row"],
            self._found["asks what a test row asks"],
            self._found["nearly is a test row"],
            self._found["shares words with a test row"],
            sum(self._near(text) is not None for text in self._control),
            len(self._control),
        )


def _shortened(text: str) -> str:
    """A text without its middle word."""
    found = words(text)
    return " ".join(found[: len(found) // 2] + found[len(found) // 2 + 1 :])


class _Seen:
    """What has been seen so far, in memory that hardly grows: fingerprints, counts and a sample."""

    def __init__(self, search: _Search | None) -> None:
        self.search = search
        self.lines = self.rows = self.other = self.exact = self.near = self.empty = 0
        self.columns: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()
        self.lengths = array("L")
        self.sample: list[str] = []
        self.remarks: list[tuple[int, str]] = []
        self._named: Counter[str] = Counter()
        self._index = Index(**_NEAR)
        self._line_of: dict[int, int] = {}
        self._compared = 0
        self._texts: set[bytes] = set()
        self._answers: set[bytes] = set()
        self._rng = random.Random(0)

    def line(self, item: tuple[int, jsonl.Row] | jsonl.BrokenLine, form: str) -> None:
        self.lines += 1
        if isinstance(item, jsonl.BrokenLine):
            self.broken[item.problem] += 1
            self._remark(item.number, "broken", item.problem)
            return
        number, row = item
        self.columns.update(name for name in row if name in self.columns or len(self.columns) < _MOST_COLUMNS)
        try:
            prompt, answer, whole = _texts(row, form)
        except CourseError:  # whose sentence shows the value
            self.other += 1
            self._remark(number, "other", "has another form, or no text in its columns")
            return
        self.rows += 1
        if "label" in row:
            label = json.dumps(row["label"], ensure_ascii=False)[:40]
            self.labels[label if label in self.labels or len(self.labels) < _MOST_LABELS else "others"] += 1
        self._text(number, prompt, answer, whole)

    def _text(self, number: int, prompt: str, answer: str, whole: str) -> None:
        if not answer.strip():
            self.empty += 1
            self._remark(number, "empty", "has an empty answer")
        self.lengths.append(len(words(answer)))
        self._answers.add(fingerprint(answer))
        self._draw(answer)
        for way in self.search.look(prompt, whole) if self.search else ():
            self._remark(number, way, way)
        own = fingerprint(whole)
        if own in self._texts:
            self.exact += 1
            self._remark(number, "exact", "repeats an earlier line")
            return
        self._texts.add(own)
        if self._compared < NEAR_ROWS and words(whole):
            twin = self._index.find_or_add(self._compared, whole)
            if twin is None:
                self._line_of[self._compared] = number
            else:
                self.near += 1
                self._remark(number, "near", f"nearly repeats line {self._line_of[twin]}")
            self._compared += 1

    def _draw(self, answer: str) -> None:
        """Keep a sample in which every answer so far is as likely (reservoir sampling)."""
        if len(self.sample) < SAMPLE:
            self.sample.append(answer)
        elif (place := self._rng.randrange(self.rows)) < SAMPLE:
            self.sample[place] = answer

    def _remark(self, number: int, kind: str, text: str) -> None:
        self._named[kind] += 1
        if self._named[kind] <= NAMED:
            self.remarks.append((number, text))

    def audit(self, name: str, form: str) -> Audit:
        several = len(self.sample) > 1
        lengths = sorted(self.lengths) or [0]
        return Audit(
            name=name,
            lines=self.lines,
            rows=self.rows,
            form=form,
            columns=dict(self.columns),
            broken=dict(self.broken),
            other=self.other,
            exact_duplicates=self.exact,
            near_duplicates=self.near,
            near_rows=self._compared,
            different_answers=len(self._answers),
            empty_answers=self.empty,
            words=tuple(lengths[int(share * (len(lengths) - 1))] for share in (0.05, 0.5, 0.95, 1)),
            sample=len(self.sample),
            distinct_1=diversity.distinct_n(self.sample, 1) if several else None,
            distinct_2=diversity.distinct_n(self.sample, 2) if several else None,
            self_bleu=diversity.self_bleu(self.sample, SAMPLE) if several else None,
            vendi=diversity.vendi(diversity.similarities(self.sample)) if several else None,
            labels=dict(self.labels) or None,
            leaks=self.search.leaks() if self.search else None,
            remarks=self.remarks,
        )


# --- saying it ----------------------------------------------------------------------------------------------


def _findings(found: Audit) -> Iterator[tuple[str, str]]:
    rows = f"{_count(found.rows, 'row')} of the form {found.form}"
    yield "file", f"{_plain(found.name)}: {_count(found.lines, 'line')}, {rows}"
    yield "columns", ", ".join(f"{_plain(name)} ({count:,})" for name, count in found.columns.items())
    if found.broken:
        problems = ", ".join(f"{problem}: {count:,}" for problem, count in found.broken.items())
        hint = "; lines that are not UTF-8 may be Latin-1" if "is not UTF-8" in found.broken else ""
        yield "broken lines", f"{sum(found.broken.values()):,} ({problems}{hint})"
    if found.other:
        yield "other lines", f"{found.other:,} are not of that form, or hold no text there"
    yield "exact duplicates", _share(found.exact_duplicates, found.rows)
    of = f" of the first {found.near_rows:,} different rows" if found.near_rows >= NEAR_ROWS else ""
    yield "near duplicates", f"{_share(found.near_duplicates, found.near_rows)}{of}"
    yield "different answers", _share(found.different_answers, found.rows)
    if found.empty_answers:
        yield "empty answers", _share(found.empty_answers, found.rows)
    low, middle, high, most = found.words
    yield "words an answer", f"{middle} (5% to 95%: {low} to {high}; most: {most:,})"
    if found.vendi is not None:
        yield (
            f"diversity of {found.sample}",
            f"distinct-1 {found.distinct_1:.2f}, distinct-2 {found.distinct_2:.2f}, "
            f"self-BLEU {found.self_bleu:.2f}, Vendi {found.vendi:.0f}",
        )
    if found.labels:
        yield (
            "labels",
            ", ".join(f"{_plain(name)}: {_share(n, found.rows)}" for name, n in found.labels.items()),
        )
    if found.leaks:
        leaks = found.leaks
        yield "test rows", f"{leaks.test_rows:,}"
        yield "… in the data", f"{leaks.exact:,} word for word, {leaks.near:,} nearly"
        yield "… the same prompt", f"{leaks.prompts:,}"
        yield f"… {_RUN} words in a row", f"{leaks.overlap:,}, or a shorter test row whole"
        control = f"{leaks.control} of {leaks.control_of} reworded test rows are found"
        yield "… control", control if leaks.control_of else "none: the test rows have ten words at most"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.1%})" if whole else f"{part:,}"


def _plain(text: str) -> str:
    """A name from the file in one line of a terminal, at most 40 characters."""
    shown = "".join(letter if letter.isprintable() else "�" for letter in text[:41])
    return shown if len(shown) <= 40 else f"{shown[:39]}…"
