"""The diagnostic before and after a class: sheets to print, and what learners gained, objective by objective.

Knows ``classroom/diagnostic.toml``, tables of answers (code, item, choice) and how to compare them learner by
learner. Knows nothing about people: a code stands for a learner, and what is in a table is only ever shown.
"""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from helpers import settings
from helpers.figures import short
from helpers.lesson import claims
from helpers.lesson.page import escape
from helpers.manifest import load
from helpers.settings import CourseError

FORMS = ("A", "B")
LETTERS = "abcd"
COLUMNS = ["code", "item", "choice"]
#: Fewer learners than this, and the report says that an interval of so few says little.
FEW = 10
#: A table of answers of a whole class is some kilobytes; a larger file is something else.
MOST_BYTES = 2_000_000
LONGEST_CODE = 40  # characters
LONGEST_LIST = 20  # broken rows that are listed


@dataclass(frozen=True)
class Item:
    """One question of one form.

    Attributes:
        id: the form and the lesson, such as "A08".
        form: "A" or "B".
        lesson: the lesson's number.
        objective: the lesson's objective that is asked about, in its own words.
        question: plain text.
        options: four answers.
        right: the right one's letter.
        why: why it is right.
    """

    id: str
    form: str
    lesson: str
    objective: str
    question: str
    options: tuple[str, ...]
    right: str
    why: str


@dataclass
class Answers:
    """What a class answered at one time: by learner's code and objective (a lesson's number), was it right?

    `forms` keeps which form each learner had; `problems` has a sentence for each row that was left out.
    """

    right: dict[str, dict[str, bool]] = field(default_factory=dict)
    forms: dict[str, set[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Gain:
    """One row of the report: shares right before and after, and the paired gain with its 95% interval."""

    what: str
    before: float
    after: float
    gain: claims.Interval


# --- the questions ------------------------------------------------------------------------------------------


def items(form: str, lessons: Iterable[str] = (), root: Path = settings.ROOT) -> list[Item]:
    """The questions of a form, in the order of the lessons; only those of `lessons` if any are named.

    Raises:
        CourseError: if there is no such form or lesson, or the file of questions is not what it should be.
    """
    if form not in FORMS:
        raise CourseError(f"The diagnostic has the forms {' and '.join(FORMS)}, not {form!r}.")
    chosen = {entry.id for entry in load(root).choose(lessons)}
    return [item for item in _all(root) if item.form == form and item.lesson in chosen]


def _all(root: Path) -> list[Item]:
    path = root / "classroom" / "diagnostic.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        found = [
            Item(
                form + objective["lesson"],
                form,
                objective["lesson"],
                objective["text"],
                objective[form]["question"],
                tuple(objective[form]["options"]),
                objective[form]["right"],
                objective[form]["why"],
            )
            for objective in table["objectives"]
            for form in FORMS
        ]
    except OSError as error:
        raise CourseError(f"{path} cannot be read; get the whole course folder again.") from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise CourseError(f"{path.name} is damaged ({error}); get it again from the course.") from error
    for item in found:
        if len(item.options) != len(LETTERS) or item.right not in LETTERS:
            raise CourseError(f"{path.name}: {item.id} needs four options, and a right one of a to d.")
    return found


# --- what is printed ----------------------------------------------------------------------------------------

_HEAD = (
    "Your code: ______________ (not your name; the same one both times)",
    "Choose one answer to each question. If you do not know, leave it empty: that is an answer, too.",
)


def write(form: str, lessons: Sequence[str], out: Path) -> int:
    """Write a form's sheet (Markdown and HTML), its key and an empty table of answers into `out`. Returns 0.

    Raises:
        CourseError: if `out` cannot be written.
    """
    questions = items(form, lessons)
    name = f"diagnostic-{form}"
    files = {
        f"{name}.md": sheet(questions),
        f"{name}.html": sheet_html(questions),
        f"{name}-key.md": key(questions),
        f"{name}-answers.csv": "".join(
            f"{line}\n" for line in (",".join(COLUMNS), *(f",{item.id}," for item in questions))
        ),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (out / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CourseError(
            f"{out} cannot be written ({error.strerror or error}); name another folder with --out."
        ) from error
    for file in files:
        print(f"wrote {out / file}")
    return 0


def sheet(questions: Sequence[Item]) -> str:
    """The sheet that learners fill in, as Markdown."""
    lines = [f"# Cats to KTO: before and after, form {questions[0].form}", "", *_double(_HEAD)]
    for number, item in enumerate(questions, start=1):
        lines += [f"**{number}.** {item.question} *({item.id})*", ""]
        lines += [f"- [ ] {letter}) {option}" for letter, option in zip(LETTERS, item.options, strict=True)]
        lines.append("")
    return "\n".join(lines)


def key(questions: Sequence[Item]) -> str:
    """The right answers with their reasons and objectives, as Markdown."""
    lines = [f"# Key of form {questions[0].form}", "", "| item | right | why | objective |"]
    lines.append("| --- | --- | --- | --- |")
    for item in questions:
        answer = f"{item.right}) {item.options[LETTERS.index(item.right)]}"
        lines.append(f"| {item.id} | {answer} | {item.why} | lesson {item.lesson}: {item.objective} |")
    return "\n".join([*lines, ""])


_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.45 system-ui, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; max-width: 42em;
  margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.35em; }
li.item { margin: 0 0 1.1em; break-inside: avoid; }
ul { list-style: none; padding: 0; margin: .3em 0 0; }
.box { display: inline-block; width: .85em; height: .85em; border: 1.5px solid; margin-right: .6em; }
.id { opacity: .7; font-size: .85em; }
@media print { body { font-size: 11pt; margin: 0; max-width: none; color-scheme: light; } }
"""


def sheet_html(questions: Sequence[Item]) -> str:
    """The same sheet as a page to print."""
    parts = []
    for item in questions:
        options = "".join(
            f"<li><span class='box' aria-hidden='true'></span>{letter}) {escape(option)}</li>"
            for letter, option in zip(LETTERS, item.options, strict=True)
        )
        parts.append(
            f"<li class='item'>{escape(item.question)} <span class='id'>({item.id})</span>"
            f"<ul>{options}</ul></li>"
        )
    title = f"Cats to KTO: before and after, form {questions[0].form}"
    head = "".join(f"<p>{escape(line)}</p>" for line in _HEAD)
    return (
        "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n{head}\n<ol>\n{chr(10).join(parts)}\n</ol>\n</body>\n</html>\n"
    )


def _double(lines: Iterable[str]) -> list[str]:
    return [line for text in lines for line in (text, "")]


# --- what was answered --------------------------------------------------------------------------------------


def read(place: Path, root: Path = settings.ROOT) -> Answers:
    """The answers in a table (CSV), or in all ``.csv`` files of a folder and its subfolders.

    A row that cannot be used is left out, and named in one sentence. Of several answers by one learner to one
    item the last one counts. An empty choice is an answer that is not right.

    Raises:
        CourseError: if there is nothing to read.
    """
    if place.is_dir():
        files = sorted(p for p in place.rglob("*") if p.suffix.lower() == ".csv" and p.name[0] != ".")
    else:
        files = [place] if place.is_file() else []
    if not files:
        raise CourseError(f"There is no table of answers at {place}: give a .csv file or a folder of them.")
    known = {item.id: item for item in _all(root)}
    found = Answers()
    for path in files:
        _read_table(path, known, found)
    return found


def _read_table(path: Path, known: dict[str, Item], found: Answers) -> None:
    try:
        if path.stat().st_size > MOST_BYTES:
            found.problems.append(
                f"{path.name} is larger than {MOST_BYTES // 1_000_000} MB: no table of answers."
            )
            return
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        found.problems.append(f"{path.name} is not UTF-8: save it again as CSV, UTF-8.")
        return
    except OSError as error:
        found.problems.append(f"{path.name} cannot be read ({error.strerror or error}).")
        return
    first = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",")
    try:
        head = [cell.strip().lower() for cell in next(rows, [])]
        if any(column not in head for column in COLUMNS):
            wanted = ", ".join(COLUMNS)
            found.problems.append(
                f"{path.name} has no first row with the columns {wanted}: all of it is left out."
            )
            return
        for row in rows:
            if any(cell.strip() for cell in row):
                problem = _add(dict(zip(head, (cell.strip() for cell in row), strict=False)), known, found)
                if problem:
                    found.problems.append(f"{path.name}, row {rows.line_num}: {problem}.")
    except csv.Error as error:
        found.problems.append(
            f"{path.name}, row {rows.line_num}: is no row of a table ({error}); what follows is left out."
        )


def _add(row: dict[str, str], known: dict[str, Item], found: Answers) -> str:
    """Take a row in. Returns what is wrong with it, or the empty string."""
    # One learner writes ma05 in the morning and MA05 in the evening.
    code, number = row.get("code", "").upper(), row.get("item", "").upper()
    choice = row.get("choice", "").lower()
    if not code:
        return "has no code"
    if len(code) > LONGEST_CODE or not code.isprintable():
        return f"its code is longer than {LONGEST_CODE} characters, or holds some that cannot be printed"
    item = known.get(number)
    if item is None:
        return f"there is no item {_plain(number)!r}"
    if choice and choice not in LETTERS:
        return f"its choice is {_plain(choice)!r}, not one of a, b, c and d"
    found.right.setdefault(code, {})[item.lesson] = choice == item.right
    found.forms.setdefault(code, set()).add(item.form)
    return ""


def _plain(text: str) -> str:
    """Text from a table in one line without control characters, cut where it is long."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= LONGEST_CODE else f"{line[: LONGEST_CODE - 1]}…"


# --- what was gained ----------------------------------------------------------------------------------------


def gains(before: Answers, after: Answers, root: Path = settings.ROOT) -> list[Gain]:
    """The gain over all items first, then by objective, paired by learner: who answered both times counts.

    Over all items a learner's difference is that of the shares right among the objectives that they were
    asked about both times.
    """
    both: dict[str, dict[str, tuple[bool, bool]]] = {}
    for code in sorted(set(before.right) & set(after.right)):
        shared = set(before.right[code]) & set(after.right[code])
        if shared:
            both[code] = {
                lesson: (before.right[code][lesson], after.right[code][lesson]) for lesson in shared
            }
    if not both:
        return []
    rows = [_gain("all items", [_shares(pairs.values()) for pairs in both.values()])]
    objectives = {item.lesson: item.objective for item in _all(root)}
    for lesson, objective in objectives.items():
        pairs = [(float(p[lesson][0]), float(p[lesson][1])) for p in both.values() if lesson in p]
        if pairs:
            rows.append(_gain(f"{lesson}: {objective}", pairs))
    return rows


def _shares(pairs: Iterable[tuple[bool, bool]]) -> tuple[float, float]:
    known = list(pairs)
    return sum(one for one, _ in known) / len(known), sum(two for _, two in known) / len(known)


def _gain(what: str, pairs: Sequence[tuple[float, float]]) -> Gain:
    count = len(pairs)
    return Gain(
        what,
        sum(one for one, _ in pairs) / count,
        sum(two for _, two in pairs) / count,
        claims.interval([two - one for one, two in pairs]),
    )


def report(before: Answers, after: Answers, root: Path = settings.ROOT) -> str:
    """What a class gained, in lines of plain text, and what could not be used."""
    rows = gains(before, after, root)
    lines = []
    if rows:
        learners = rows[0].gain.count
        lines.append(f"{_many(learners, 'learner')} answered both times.")
        if learners < FEW:
            lines.append(f"An interval of fewer than {FEW} learners says little: read it as an anecdote.")
        lines += ["", "learners  before  after   gain [95% interval]      objective"]
        for row in rows:
            shares = f"{row.gain.count:8d}  {row.before:6.2f}  {row.after:5.2f}"
            lines.append(f"{shares}   {_interval(row.gain):<22}  {row.what}")
        lines += [
            "",
            "Paired by learner, Student's t. The verdict of an interval that crosses 0 is: not settled.",
        ]
    else:
        lines.append(
            "Nobody answered the same objective before and after: are the codes the same both times?"
        )
    for name, only in (
        ("before", set(before.right) - set(after.right)),
        ("after", set(after.right) - set(before.right)),
    ):
        if only:
            lines.append(f"{_many(len(only), 'learner')} answered {name} only, and cannot be compared.")
    same = [code for code in before.forms if before.forms[code] & after.forms.get(code, set())]
    if same:
        lines.append(f"{_many(len(same), 'learner')} had the same form both times: their gain may be memory.")
    problems = [f"before: {text}" for text in before.problems] + [f"after: {text}" for text in after.problems]
    lines += problems[:LONGEST_LIST]
    if len(problems) > LONGEST_LIST:
        lines.append(f"… and {len(problems) - LONGEST_LIST} more that could not be used.")
    return "\n".join(lines)


def _interval(gain: claims.Interval) -> str:
    if gain.count < 2:
        return f"{gain.mean:+.2f} (one learner)"
    if gain.low == gain.high:
        return f"{gain.mean:+.2f} (all alike)"
    return f"{gain.mean:+.2f} [{short(gain.low)}, {short(gain.high)}]"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def run(
    form: str | None, lessons: Sequence[str], out: Path | None, before: Path | None, after: Path | None
) -> int:
    """Write a form, or evaluate answers. Returns 0.

    Raises:
        CourseError: if it is not clear which.
    """
    if form and not (before or after):
        return write(form, lessons, out or settings.build_dir() / "diagnostic")
    if before and after and not form:
        print(report(read(before), read(after)))
        return 0
    raise CourseError("Say --form A or --form B to print a sheet, or --before FILE --after FILE to evaluate.")
