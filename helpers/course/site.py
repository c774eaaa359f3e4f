"""The course as a web site, from the executed solutions: nothing is run, nothing on it asks the network.

Knows which pages there are, how links inside the course become links of the site, and how to start Sphinx.
Knows nothing about how lessons are built or run; how pages look is in the folder `site/`.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from html import escape
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from helpers import settings
from helpers.course import build, readme
from helpers.manifest import LessonEntry, Manifest, load
from helpers.settings import CourseError

#: Settings, styles and scripts of the site, as they are committed.
SITE = settings.ROOT / "site"
_SET_UP = "run: python3 -m helpers setup --site"

#: MathJax in one file, out of a package that carries it; the same bytes as the project's own release 3.2.2.
_MATHJAX_PACKAGE = "sphinx-mathjax-offline"
_MATHJAX_FILE = "tex-svg.js"
_MATHJAX_SHA256 = "d4295dc33744836935c1399feece5159577b34c5c8ffb9f1c6324cd82e03a882"

#: Sections of README that have a page of their own; all others stand on the page "How to run it".
_LEDGER_SECTIONS = ("The talk's claims", "What we found")
_MODEL_SECTIONS = ("Tiers, and what was run on what",)
_REPLACED_SECTIONS = ("Syllabus",)

#: Beside the site while it is built: what it is made in, and the site before while it is replaced.
_WORK, _ASIDE = "work", "earlier"

_NOT_KEPT = "*What this cell shows depends on the machine, so it is not kept here.*"
# A fenced block, a piece of inline code, or a link or picture: only the last is looked at.
_LINK = re.compile(
    r"(?P<code>^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)[ \t]*$|(?P<tick>`+)(?!`).*?(?<!`)(?P=tick)(?!`))"
    r"|(?P<bang>!?)\[(?P<text>(?:!\[[^\]]*\]\([^)]*\)|\\.|[^\[\]\\])*)\]\((?P<target>[^()\s]+)\)",
    re.M | re.S,
)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|#|//", re.I)


# --- links --------------------------------------------------------------------------------------------------


@dataclass
class Map:
    """Which file of the course stands on which page of the site, and which pictures pages show.

    Paths are relative to the course's root, with slashes; pages are names without an ending. `anchors` names
    the page of ``FILE#SECTION`` where a file's sections stand on several pages.
    """

    manifest: Manifest
    root: Path
    pages: dict[str, str] = field(default_factory=dict)
    anchors: dict[str, str] = field(default_factory=dict)
    pictures: set[str] = field(default_factory=set)

    def rewritten(self, text: str, origin: str, page: str) -> str:
        """Markdown of the file `origin` with links that hold on the site's page `page`.

        A link to a file that is no page goes to the code host where the course has an address; until then
        only its words remain. Pictures that are met are noted.

        Raises:
            CourseError: for a link to a file that does not exist.
        """

        def link(match: re.Match[str]) -> str:
            if match["code"]:
                return match[0]
            words = self.rewritten(match["text"], origin, page)
            if _ELSEWHERE.match(match["target"]):
                if match["bang"]:
                    target = match["target"]
                    raise CourseError(f"{origin} shows a picture from elsewhere, {target}; bring it here.")
                return f"[{words}]({match['target']})"
            path, anchor = self._file(match["target"], origin)
            if match["bang"]:
                self.pictures.add(path)
                return f"![{match['text']}]({_relative(path, page)})"
            found = self.anchors.get(path + anchor) or self.pages.get(path)
            if found:
                suffix = ".ipynb" if found.startswith("lessons/") else ".md"
                return f"[{words}]({_relative(found + suffix, page)}{anchor})"
            if not self.manifest.repository:
                return words
            return f"[{words}]({_on_code_host(self.manifest, self.root, path)}{anchor})"

        return _LINK.sub(link, text)

    def _file(self, target: str, origin: str) -> tuple[str, str]:
        """The file of the course that a link in `origin` leads to, and the anchor in it."""
        path, sign, anchor = target.partition("#")
        joined = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
        if joined.startswith("..") or not (self.root / joined).exists():
            raise CourseError(f"{origin} links to {target}, which does not exist; mend the link.")
        return joined, sign + anchor


def _relative(path: str, page: str) -> str:
    return posixpath.relpath(path, posixpath.dirname(page) or ".")


def _on_code_host(manifest: Manifest, root: Path, path: str) -> str:
    kind = "tree" if (root / path).is_dir() else "blob"
    return f"{manifest.repository}/{kind}/{quote(manifest.branch)}/{quote(path)}"


def _lesson_page(entry: LessonEntry) -> str:
    return f"lessons/{entry.name}"


# --- pages from README and the manifest ---------------------------------------------------------------------


def sections(text: str) -> dict[str, str]:
    """README's sections by their heading, in order; what stands before the first is under ``""``."""
    parts = re.split(r"(?m)^## (.+)\n", text)
    return dict(zip(["", *parts[1::2]], parts[0::2], strict=True))


def slug(heading: str) -> str:
    """The anchor of a heading, as code hosts and MyST make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _with_headings(readme_sections: dict[str, str], names: tuple[str, ...]) -> str:
    missing = [name for name in names if name not in readme_sections]
    if missing:
        raise CourseError(
            f"README.md has no section {missing[0]!r}, of which helpers/course/site.py makes a page."
        )
    return "\n".join(f"## {name}\n{readme_sections[name]}" for name in names)


def _home(head: str, place: Map, for_a_class: str | None) -> str:
    """README's head, ways into the course, and the tree of all pages."""
    manifest, first = place.manifest, place.manifest.lessons[0]
    ways = [
        f"[Begin with lesson {first.id}, *{first.title}*]({_lesson_page(first)}.ipynb)",
        "[Choose in the syllabus](syllabus.md)",
        "[Run it yourself](run.md): two commands, no GPU",
        "[See what we found](ledger.md), also where it goes against the talk",
        "[Look up tiers, models and licenses](models.md)",
        *([f"[Teach it]({for_a_class}.md)"] if for_a_class else []),
    ]
    listed = "\n".join(f"- {way}" for way in ways)
    note = (
        "Each lesson stands here as its executed solution, with every figure. Solutions of exercises are "
        "folded away: try first. Widgets show their first state; they move where you run the lesson."
    )
    launch = _launch(place, f"notebooks/{first.name}.ipynb", "run.md")
    trees = _contents(manifest, for_a_class)
    return f"{head}\n{launch}\n\n## Where to begin\n\n{listed}\n\n{note}\n\n{trees}\n"


def _toctree(caption: str, pages: list[str]) -> str:
    return "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```"])


def _contents(manifest: Manifest, for_a_class: str | None) -> str:
    """The tree of pages: the course, the lessons by part, and what a class needs."""
    trees = [_toctree("The course", ["syllabus", "run", "ledger", "models"])]
    for part in dict.fromkeys(entry.part for entry in manifest.lessons):
        pages = [_lesson_page(entry) for entry in manifest.lessons if entry.part == part]
        trees.append(_toctree(part, pages))
    if for_a_class:
        trees.append(_toctree("For a class", [for_a_class]))
    return "\n\n".join(trees)


def syllabus(manifest: Manifest) -> str:
    """All lessons by part, each with its minutes, what comes before it and what it finds out."""
    lines = [
        "# Syllabus",
        "",
        "*Core* is a lesson's one question and its decisive figure; "
        "*full* adds everything under *Dig deeper*.",
    ]
    core = sum(entry.minutes_core for entry in manifest.lessons)
    full = sum(entry.minutes_full for entry in manifest.lessons)
    lines.append(
        f"All {len(manifest.lessons)} lessons take about {core / 60:.0f} hours for the cores, "
        f"{full / 60:.0f} for everything."
    )
    for part in dict.fromkeys(entry.part for entry in manifest.lessons):
        rows = [
            [
                entry.id,
                f"[{readme.cell(entry.title)}]({_lesson_page(entry)}.ipynb)",
                f"{entry.minutes_core} / {entry.minutes_full}",
                ", ".join(entry.requires) or "–",
                readme.cell(entry.finds),
            ]
            for entry in manifest.lessons
            if entry.part == part
        ]
        head = ["no.", "lesson", "minutes, core / full", "after", "you find out"]
        lines += ["", f"## {part}", "", readme.table(head, rows)]
    if manifest.planned:
        rows = [[entry.id, readme.cell(entry.title), readme.cell(entry.finds)] for entry in manifest.planned]
        lines += ["", "## Planned", "", readme.table(["no.", "lesson", "you find out"], rows)]
    return "\n".join([*lines, ""])


def found(manifest: Manifest, root: Path) -> str:
    """The ledger: how many claims held, then a table for each lesson."""
    tables, verdicts = [], []
    for entry in manifest.lessons:
        rows = [row[1:] for row in readme.claim_rows(entry, root)]
        verdicts += [row[-1] for row in rows]
        if rows:
            link = f"### [{entry.heading}]({_lesson_page(entry)}.ipynb)"
            tables.append(f"{link}\n\n{readme.table(readme.CLAIM_HEAD[1:], rows)}")
    if not tables:
        return readme.NOTHING_MEASURED
    kinds = {"✔ holds": "hold", "✘ fails": "fail", "? inconclusive": "are inconclusive"}
    counts = [f"{verdicts.count(verdict)} {words}" for verdict, words in kinds.items()]
    rest = len(verdicts) - sum(map(verdicts.count, kinds))
    counts += [f"{rest} {'is a forecast' if rest == 1 else 'are forecasts'}"] if rest else []
    return "\n\n".join([f"Of {len(verdicts)} claims {', '.join(counts)}.", *tables])


# --- lessons ------------------------------------------------------------------------------------------------


def _launch(place: Map, notebook: str, how: str) -> str:
    """Buttons that open a notebook elsewhere; until the course has an address, a sentence.

    Args:
        place: what is known about the site.
        notebook: the notebook's file.
        how: a link to how the course is run.
    """
    manifest = place.manifest
    if not manifest.repository:
        return (
            "*There is no button here that opens the course in Colab or on Binder, because this copy does "
            f"not know its own address yet; [how to run it]({how}) says what to do.*"
        )
    buttons = [("Open in Colab", readme.colab_url(manifest, notebook))]
    if (place.root / "binder").is_dir():
        buttons.append(("Open on Binder", readme.binder_url(manifest, notebook)))
    links = " ".join(f'<a class="launch" href="{escape(url)}">{words}</a>' for words, url in buttons)
    return f"<p>{links}</p>"


def _title(text: str, entry: LessonEntry, place: Map) -> str:
    """A lesson's first cell with the site's own ways to open it instead of the notebook's."""
    launch = _launch(place, f"notebooks/{entry.name}.ipynb", "../../README.md#open-it-elsewhere")
    ways = (
        f"This is the executed solution. To do the lesson yourself, open it inside a copy of the course: "
        f"{{download}}`download the notebook with gaps to fill <../learner/{entry.name}.ipynb>`."
    )
    return text.replace(
        build.facts_line(entry, place.manifest, place.root),
        f"{launch}\n\n{build.facts(entry)}",
    ).replace(build.solution_line(entry), ways)


def _as_exercise(solution: Any, learner: Any) -> list[Any]:
    """A cell with a solution as two: what a learner finds, then the solution in a fold, with the outputs."""
    from nbformat import v4

    solution.metadata["tags"] = ["hide-input"]
    solution.metadata["mystnb"] = {
        "code_prompt_show": "Show a solution",
        "code_prompt_hide": "Hide the solution",
    }
    return [v4.new_code_cell(learner.source, id=f"{learner.id}-exercise"), solution]


def lesson(entry: LessonEntry, place: Map) -> tuple[Any, Any]:
    """A lesson's notebook as the site shows it, and the learner's copy to download.

    Raises:
        CourseError: if its solution is missing, or was not executed since its source changed.
    """
    import nbformat

    path = entry.solution(place.root)
    origin = path.relative_to(place.root).as_posix()
    again = f"run: {build.EXECUTE} LESSONS={entry.id}"
    if not path.exists():
        raise CourseError(f"There is no {origin}; {again}")
    try:
        solved = nbformat.read(path, 4)
    except Exception:  # nbformat raises whatever its parts raise
        raise CourseError(f"{origin} cannot be read; {again}") from None
    expected = build.notebook(entry, place.manifest, place.root, solution=True)
    if solved.metadata.get("course", {}).get("executed") != build.code_hash(expected):
        raise CourseError(f"The outputs in {origin} are stale; {again}")
    outputs = {cell.id: cell.outputs for cell in solved.cells if cell.cell_type == "code"}
    learner = build.notebook(entry, place.manifest, place.root, solution=False)
    gaps = {cell.id: cell for cell in learner.cells}
    cells: list[Any] = []
    for cell in expected.cells:
        if cell.cell_type == "code":
            cells += _code_cells(cell, outputs.get(cell.id, []), gaps.get(cell.id))
        else:
            if not cells:
                cell.source = _title(cell.source, entry, place)
            cell.source = place.rewritten(cell.source, origin, _lesson_page(entry))
            cells.append(cell)
    expected.cells = cells
    return expected, learner


def _code_cells(cell: Any, outputs: list[Any], gap: Any | None) -> list[Any]:
    """A code cell with its outputs, as the site shows it; none for the one that finds the course."""
    from nbformat import v4

    tags = cell.metadata.get("tags", [])
    if "bootstrap" in tags:
        return []
    cell.outputs = outputs
    if "volatile" in tags and not outputs:
        cell.outputs = [v4.new_output("display_data", data={"text/markdown": _NOT_KEPT})]
    if gap is None:
        return _as_exercise(cell, cell)[1:]
    if gap.source != cell.source:
        return _as_exercise(cell, gap)
    cell.metadata["tags"] = []
    return [cell]


# --- a class ------------------------------------------------------------------------------------------------


def class_pages(root: Path) -> dict[str, str]:
    """The files of the facilitator guide and the pages that they become; a README is its folder's index.

    What lies in hidden folders is none of them: JupyterLab keeps a copy there of each file that one saves.
    """
    pages = {}
    for path in sorted((root / "classroom").rglob("*.md")):
        name = path.relative_to(root).as_posix()
        if "/." not in name:
            pages[name] = re.sub(r"README$", "index", name.removesuffix(".md"))
    return pages


def _class_indexes(pages: list[str]) -> dict[str, str]:
    """For each folder of pages: what its index adds, a list of the pages below it."""
    folders = {posixpath.dirname(page) for page in pages}
    folders |= {posixpath.dirname(folder) for folder in folders if "/" in folder}
    added = {}
    for folder in sorted(folders):
        index = f"{folder}/index"
        inside = [page for page in pages if posixpath.dirname(page) == folder and page != index]
        below = [f"{other}/index" for other in sorted(folders) if posixpath.dirname(other) == folder]
        title = "For a class" if folder == "classroom" else posixpath.basename(folder).capitalize()
        text = "" if index in pages else f"# {title}\n"
        listed = "\n".join(_relative(page, index) for page in [*inside, *below])
        hidden = ":hidden:\n" if index in pages else ""
        added[index] = f"{text}\n```{{toctree}}\n{hidden}:maxdepth: 1\n\n{listed}\n```\n" if listed else text
    return added


# --- the source of the site ---------------------------------------------------------------------------------


def _text(path: str, root: Path) -> str:
    """The text of a file of the course.

    Raises:
        CourseError: if there is none.
    """
    try:
        return (root / path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise CourseError(f"{path} is missing or is not UTF-8 text; mend it and run that again.") from None


def lay_out(folder: Path, root: Path = settings.ROOT) -> int:
    """Write all that Sphinx reads into `folder`. Returns the number of pages.

    Raises:
        CourseError: if a solution is missing or stale, a text cannot be read, or a link leads nowhere.
    """
    manifest = load(root)
    place = Map(manifest, root)
    for entry in manifest.lessons:
        for path in (entry.learner(root), entry.solution(root)):
            place.pages[path.relative_to(root).as_posix()] = _lesson_page(entry)
    guide = class_pages(root)
    place.pages |= guide
    place.pages["README.md"] = "run"
    own_pages = {"ledger": _LEDGER_SECTIONS, "models": _MODEL_SECTIONS, "syllabus": _REPLACED_SECTIONS}
    place.anchors = {f"README.md#{slug(name)}": page for page, names in own_pages.items() for name in names}

    written: dict[str, str] = {}
    for entry in manifest.lessons:
        shown, learner = lesson(entry, place)
        written[f"{_lesson_page(entry)}.ipynb"] = build.to_text(shown)
        written[f"learner/{entry.name}.ipynb"] = build.to_text(learner)
    for path, page in guide.items():
        written[f"{page}.md"] = place.rewritten(_text(path, root), path, page)
    for index, added in _class_indexes(list(guide.values())).items():
        written[f"{index}.md"] = written.get(f"{index}.md", "") + added
    for page, text in _course_pages(place).items():
        written[f"{page}.md"] = text

    shutil.copytree(SITE, folder)
    for name, text in written.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for picture in sorted(place.pictures):
        (folder / picture).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / picture, folder / picture)
    return sum(not name.startswith("learner/") for name in written)


def _course_pages(place: Map) -> dict[str, str]:
    """The pages that README, the manifest and the evidence give."""
    manifest, root = place.manifest, place.root
    text = _text("README.md", root)
    launch = _launch(place, f"notebooks/{manifest.lessons[0].name}.ipynb", "run")
    if manifest.repository:  # README's badges are pictures of other servers
        text = readme.with_block(text, "launch", launch)
    text = readme.with_block(text, "found", "@found@")
    parts = sections(re.sub(r"<!--.*?-->\n?", "", text, flags=re.S))
    own = (*_LEDGER_SECTIONS, *_MODEL_SECTIONS, *_REPLACED_SECTIONS)
    pages = {
        "run": ("How to run it", tuple(name for name in parts if name and name not in own)),
        "ledger": ("Ledger", _LEDGER_SECTIONS),
        "models": ("Tiers and models", _MODEL_SECTIONS),
    }
    texts = {
        page: place.rewritten(f"# {title}\n\n{_with_headings(parts, names)}", "README.md", page)
        for page, (title, names) in pages.items()
    }
    texts["ledger"] = texts["ledger"].replace("@found@", found(manifest, root))
    texts["syllabus"] = syllabus(manifest)
    for_a_class = "classroom/index" if (root / "classroom").is_dir() else None
    texts["index"] = _home(place.rewritten(parts[""], "README.md", "index"), place, for_a_class)
    return texts


# --- pictures and MathJax -----------------------------------------------------------------------------------


def _draw_cat(path: Path) -> None:
    """The cat that stands beside the site's title, as the course's world draws it."""
    from PIL import Image

    from helpers import world

    scene = world.Scene("cat", "orange", "big", "meadow", "sits", seed=5)
    Image.fromarray(world.draw(scene, 96)).save(path, optimize=True)


def mathjax() -> bytes:
    """MathJax as one file.

    Raises:
        CourseError: if its package is not installed, or does not hold what it should.
    """
    try:
        files = metadata.files(_MATHJAX_PACKAGE) or []
        path = next(Path(str(file.locate())) for file in files if file.name == _MATHJAX_FILE)
        data = path.read_bytes()
    except (metadata.PackageNotFoundError, StopIteration, OSError):
        raise CourseError(f"The package {_MATHJAX_PACKAGE} is missing; {_SET_UP}") from None
    if hashlib.sha256(data).hexdigest() != _MATHJAX_SHA256:
        raise CourseError(f"{_MATHJAX_PACKAGE} holds another MathJax than the course names; {_SET_UP}")
    return data


# --- the command --------------------------------------------------------------------------------------------


def _need_sphinx() -> None:
    missing = [name for name in ("sphinx", "myst_nb", "sphinx_book_theme") if find_spec(name) is None]
    if missing:
        raise CourseError(f"The package {missing[0]!r}, which builds the site, is missing; {_SET_UP}")


def _sphinx(source: Path, folder: Path, manifest: Manifest) -> None:
    """Let Sphinx make pages of `source`; whatever it complains about is an error.

    Raises:
        CourseError: with its first complaint.
    """
    options = ["-b", "html", "-q", "--fail-on-warning", "--keep-going", "-d", str(folder / "doctrees")]
    environment = {**os.environ, "SITE_TITLE": manifest.title, "SITE_VERSION": manifest.version}
    result = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, str(source), str(folder / "html")],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**environment, "NO_COLOR": "1", "PYTHONUTF8": "1"},
        check=False,
    )
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        first = next((line for line in lines if "WARNING" in line or "ERROR" in line or "Errno" in line), "")
        reason = (first or (lines or ["it gave no message"])[-1]).replace(f"{source}{os.sep}", "")
        raise CourseError(f"Sphinx did not build the site: {reason}")


def _swap(new: Path, place: Path, aside: Path) -> None:
    """Put a folder into its place; what was there goes aside, and comes back if that fails."""
    had = place.exists()
    if had:
        os.replace(place, aside)
    try:
        os.replace(new, place)
    except BaseException:
        if had:
            os.replace(aside, place)
        raise


def _tidy(site: Path) -> None:
    """Clear away what a run left that was killed; an earlier site that it had put aside comes back."""
    aside, place = site / _ASIDE, site / "html"
    if aside.exists() and not place.exists():
        os.replace(aside, place)
    for left in [aside, *site.glob(f"{_WORK}*")]:
        if left.exists():
            shutil.rmtree(left)


def _build(site: Path, script: bytes, root: Path) -> int:
    """Build the site in a folder of its own, then put it into its place. Returns the number of pages."""
    with tempfile.TemporaryDirectory(prefix=_WORK, dir=site, ignore_cleanup_errors=True) as name:
        work = Path(name)
        pages = lay_out(work / "source", root)
        (work / "source" / "static" / _MATHJAX_FILE).write_bytes(script)
        _draw_cat(work / "source" / "static" / "cat.png")
        _sphinx(work / "source", work, load(root))
        _swap(work / "html", site / "html", site / _ASIDE)
    shutil.rmtree(site / _ASIDE, ignore_errors=True)
    return pages


def run(root: Path = settings.ROOT) -> int:
    """Build the site into ``build/site/html``. An earlier one stays as it was if that fails.

    Raises:
        CourseError: with one sentence, if something is missing, stale or cannot be written, or if the site is
            being built already.
    """
    from filelock import FileLock, Timeout

    _need_sphinx()
    script = mathjax()
    started = time.monotonic()
    site = root / "build" / "site"
    try:
        site.mkdir(parents=True, exist_ok=True)
        with FileLock(site / ".lock", timeout=0):
            _tidy(site)
            pages = _build(site, script, root)
    except Timeout:
        raise CourseError(
            f"The site is being built in {site} already; wait for that, then run the same command again."
        ) from None
    except OSError as error:
        raise CourseError(
            f"The site cannot be written to {site}: {error.strerror or error}. "
            "Free or unlock that folder and run the same command again."
        ) from None
    size = sum(path.stat().st_size for path in (site / "html").rglob("*") if path.is_file())
    print(
        f"{pages} pages, {size / 1e6:.0f} MB, {time.monotonic() - started:.0f} s. "
        f"Open {site / 'html' / 'index.html'} in a browser; any web server can serve the folder."
    )
    return 0
