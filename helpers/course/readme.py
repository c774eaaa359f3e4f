"""The generated blocks of README, and the picture of the world at its head.

Knows the marks ``<!-- begin: NAME -->`` and ``<!-- end: NAME -->``, the manifest and the ledger rows in
``evidence/``. Knows nothing about how these came about.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from helpers import settings
from helpers.course.results import VERDICT_MARKS, measured
from helpers.lesson.stored import evidence_name, read_evidence
from helpers.manifest import LessonEntry, Manifest
from helpers.settings import CourseError

PICTURE = Path("notebooks") / "images" / "world.png"
_REBUILD = "make lessons"
_VERDICTS = {**VERDICT_MARKS, None: "— (forecast)"}
CLAIM_HEAD = ["", "claim", "talk", "scope", "predicted", "measured, 95% interval", "verdict"]
NOTHING_MEASURED = "Nothing has been measured yet: `make evidence` fills this table."
_PICTURE_COLUMNS = 6
_PICTURE_PX = 96


# --- addresses ----------------------------------------------------------------------------------------------


def colab_url(manifest: Manifest, path: str) -> str:
    """The address that opens a notebook of the repository in Colab."""
    return f"https://colab.research.google.com/github/{manifest.slug}/blob/{quote(manifest.branch)}/{path}"


def binder_url(manifest: Manifest, path: str) -> str:
    """The address that opens a notebook of the repository on Binder."""
    branch = quote(manifest.branch, safe="")
    return f"https://mybinder.org/v2/gh/{manifest.slug}/{branch}?urlpath={quote(f'lab/tree/{path}', safe='')}"


# --- blocks -------------------------------------------------------------------------------------------------


def cell(text: Any) -> str:
    """Text as one cell of a Markdown table."""
    return str(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table of cells that are Markdown already."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _syllabus_row(entry: LessonEntry) -> list[str]:
    if entry.planned:
        return [cell(entry.id), f"{cell(entry.title)} *(planned)*", "", cell(entry.finds)]
    learner, solution = f"notebooks/{entry.name}.ipynb", f"notebooks/solutions/{entry.name}.ipynb"
    links = f"[{cell(entry.title)}]({learner}) ([solution]({solution}))"
    return [cell(entry.id), links, f"{entry.minutes_core} / {entry.minutes_full}", cell(entry.finds)]


def syllabus(manifest: Manifest) -> str:
    """All lessons by part, the planned ones too, in the order of their numbers."""
    rows: list[list[str]] = []
    part = ""
    for entry in sorted((*manifest.lessons, *manifest.planned), key=lambda entry: entry.id):
        if entry.part != part:
            part = entry.part
            rows.append(["", f"**{cell(part)}**", "", ""])
        rows.append(_syllabus_row(entry))
    return table(["", "lesson", "minutes, core / full", "you find out"], rows)


def claim_rows(entry: LessonEntry, root: Path) -> list[list[str]]:
    """A lesson's rows of the ledger as ``evidence/`` holds it, each with the cells of CLAIM_HEAD."""
    # Committed evidence is that of COURSE_SEED 0, whatever seed this process has.
    files = [root / "evidence" / evidence_name(entry.id, real) for real in (False, True)]
    return [
        [
            entry.id,
            cell(claim["statement"]),
            cell(", ".join(claim["talk"]) or "–"),
            cell(claim["scope"]),
            cell(claim["prediction"]),
            cell(measured(claim)),
            _VERDICTS.get(claim["verdict"], cell(claim["verdict"])),
        ]
        for file in files
        for claim in read_evidence(file)["claims"]
    ]


def found(manifest: Manifest, root: Path) -> str:
    """The ledger as ``evidence/`` holds it, also where it goes against the talk."""
    rows = [row for entry in manifest.lessons for row in claim_rows(entry, root)]
    return table(CLAIM_HEAD, rows) if rows else NOTHING_MEASURED


def launch(manifest: Manifest, root: Path) -> str:
    """Links that open the first lesson elsewhere; until the course has an address, how to give it one."""
    if not manifest.repository:
        return (
            "This copy does not know its own address yet, so it has no links to Colab or Binder. One command "
            "sets it, for a fork too, and rebuilds the links here and in the notebooks:\n\n"
            "```\npython3 -m helpers address https://github.com/OWNER/NAME\n```"
        )
    path = f"notebooks/{manifest.lessons[0].name}.ipynb"
    badge = "https://colab.research.google.com/assets/colab-badge.svg"
    badges = [f"[![Open in Colab]({badge})]({colab_url(manifest, path)})"]
    if (root / "binder").is_dir():
        logo = "https://mybinder.org/badge_logo.svg"
        badges.append(f"[![Open on Binder]({logo})]({binder_url(manifest, path)})")
    return (
        f"{' '.join(badges)}\n\nEach notebook has its own links below its title. "
        "A fork sets its address with `python3 -m helpers address https://github.com/OWNER/NAME`."
    )


def models() -> str:
    """Every pretrained model that the course can use, with its license, and the data of the GPU tiers."""
    from helpers.models.hub import HUB
    from helpers.models.hub_data import DATASETS
    from helpers.models.real import PACKAGED
    from helpers.video.samples import DISTRIBUTION as FILMS

    rows = [
        [cell(model.name), ", ".join(f"`{package}`" for package in model.packages), model]
        for model in PACKAGED
    ]
    rows += [[f"`{entry.id}`", "hub", entry] for entry in (*HUB.values(), *DATASETS.values())]
    cells = [
        [name, source, f"{model.size_mb} MB", cell(model.license), cell(model.used_for)]
        for name, source, model in rows
    ]
    labels = "the names of ImageNet's 1000 classes, `helpers/models/imagenet_labels.txt`"
    cells.append([labels, "torchvision", "–", "BSD-3-Clause", "naming what the image encoder sees"])
    license_of_films = "BSD (package); Big Buck Bunny: © 2008 Blender Foundation, CC BY 3.0"
    cells.append(
        ["three short films", f"`{FILMS}`", "2 MB", license_of_films, "the field sections on real films"]
    )
    return table(["model or data", "from", "size", "license", "used for"], cells)


def blocks(manifest: Manifest, root: Path) -> dict[str, str]:
    """Every generated block by the name that its marks have."""
    return {
        "syllabus": syllabus(manifest),
        "found": found(manifest, root),
        "launch": launch(manifest, root),
        "models": models(),
    }


def with_blocks(text: str, generated: dict[str, str]) -> str:
    """`text` with the generated blocks between their marks.

    Raises:
        CourseError: if a mark is missing, or a mark names a block that nothing generates.
    """
    named = re.findall(r"<!-- begin: (\w+) -->", text)
    unknown = sorted(set(named) ^ set(generated))
    if unknown:
        raise CourseError(f"README.md and helpers/course/readme.py disagree about the block {unknown[0]!r}.")
    for name, block in generated.items():
        text = with_block(text, name, block)
    return text


def with_block(text: str, name: str, block: str) -> str:
    """`text` with one block between its marks.

    Raises:
        CourseError: if its marks do not stand there once.
    """
    pattern = rf"(<!-- begin: {name} -->\n).*?(<!-- end: {name} -->)"
    text, count = re.subn(pattern, lambda match: f"{match[1]}{block}\n{match[2]}", text, flags=re.S)
    if count != 1:
        raise CourseError(
            f"README.md needs '<!-- begin: {name} -->' once, and '<!-- end: {name} -->' after it."
        )
    return text


# --- the picture --------------------------------------------------------------------------------------------


def _pixels() -> Any:
    """One animal of each kind in its own color, place and pose: uint8 (height, width, 3)."""
    import numpy as np

    from helpers.world import COLORS, KINDS, PLACES, SIZES, Scene, draw

    verbs = ["sits", "jumps", "walks left", "sleeps"]
    scenes = [
        Scene(
            kind=kind,
            color=COLORS[(3 * i + 4) % len(COLORS)],
            size=SIZES[(i // 2) % len(SIZES)],
            place=PLACES[i % len(PLACES)],
            verb=verbs[(i + i // 4) % len(verbs)],
            seed=i,
        )
        for i, kind in enumerate(KINDS)
    ]
    tiles = [draw(scene, px=_PICTURE_PX) for scene in scenes]
    rows = [
        np.concatenate(tiles[i : i + _PICTURE_COLUMNS], axis=1)
        for i in range(0, len(tiles), _PICTURE_COLUMNS)
    ]
    return np.concatenate(rows, axis=0)


def _picture_is_fresh(path: Path) -> bool:
    """Whether the file shows what would be drawn now. Pixels count: compressors differ between machines."""
    import numpy as np
    from PIL import Image

    if not path.exists():
        return False
    with Image.open(path) as picture:
        return bool(np.array_equal(np.asarray(picture.convert("RGB")), _pixels()))


# --- files --------------------------------------------------------------------------------------------------


def update(manifest: Manifest, root: Path = settings.ROOT) -> list[Path]:
    """Rewrite what is stale of README, the citation file and the picture. Returns the files that changed."""
    from PIL import Image

    changed = rewrite(_texts(manifest, root))
    picture = root / PICTURE
    if not _picture_is_fresh(picture):
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(_pixels()).save(picture, optimize=True)
        changed.append(picture)
    return changed


def rewrite(texts: dict[Path, str]) -> list[Path]:
    """Give files their texts. Returns those that had another."""
    changed = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    for path in changed:
        path.write_text(texts[path], encoding="utf-8")
    return changed


def stale(manifest: Manifest, root: Path = settings.ROOT) -> list[str]:
    """A sentence for each file that `update` would change."""
    names = [
        path.name for path, text in _texts(manifest, root).items() if path.read_text(encoding="utf-8") != text
    ]
    if not _picture_is_fresh(root / PICTURE):
        names.append(PICTURE.as_posix())
    return [f"{name} is stale; run: {_REBUILD}" for name in names]


def _texts(manifest: Manifest, root: Path) -> dict[Path, str]:
    path = root / "README.md"
    if not path.exists():
        raise CourseError(f"There is no {path}.")
    texts = {path: with_blocks(path.read_text(encoding="utf-8"), blocks(manifest, root))}
    citation = root / "CITATION.cff"
    if citation.exists():
        texts[citation] = _citation(citation.read_text(encoding="utf-8"), manifest)
    return texts


def _citation(text: str, manifest: Manifest) -> str:
    """The citation file with the manifest's version and, once it is set, address."""
    text = re.sub(r"(?m)^version: .*$", lambda _: f"version: {json.dumps(manifest.version)}", text)
    text = re.sub(r"(?m)^repository-code: .*\n", "", text)
    return (
        text.rstrip("\n")
        + "\n"
        + (f"repository-code: {json.dumps(manifest.repository)}\n" if manifest.repository else "")
    )
