"""A learner's results as one file to take home: a button, and then a link.

Knows where results lie and how to pack them. Knows nothing about what is in them.

The file is packed in memory and stands in the link itself, so it needs no room on a disk and no server: it
works in JupyterLab, in Notebook 7, on Binder and from a read-only folder. A server passes on about three
megabytes at a time, which limits what a link may hold.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ipywidgets

from helpers import settings
from helpers.data import handed_in
from helpers.lesson import page, widgets
from helpers.settings import CourseError

#: Of the packed file: as text in a message it takes a third more.
MAX_MEGABYTES = 1.5

_ABOUT = """Your results from the course *Cats to KTO*, packed in lesson {lesson}.

progress.json       what you have done in every lesson: predictions, exercises, quiz answers
thumbs/NN.jsonl     the thumbs that you gave in lesson NN, one a line
ledger-{lesson}.jsonl     what lesson {lesson} measured in this kernel, one claim a line
about.json          the course's version
other folders       what you asked for, such as a model
"""


def pack(lesson: str, claims: Iterable[Mapping[str, Any]], folders: Iterable[Path | str] = ()) -> bytes:
    """The learner's results as a zip file: progress, thumbs, the lesson's ledger, and whole `folders`.

    Raises:
        CourseError: if a folder is missing, something cannot be read, or it is too much for a link.
    """
    packed = io.BytesIO()
    try:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("README.txt", _ABOUT.format(lesson=lesson))
            archive.writestr(handed_in.ABOUT, handed_in.about(lesson))
            rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in claims)
            archive.writestr(f"ledger-{lesson}.jsonl", rows)
            for path, name in _files(folders):
                archive.write(path, name)
                if packed.tell() > MAX_MEGABYTES * 1e6:
                    raise CourseError(
                        f"This is more than the {MAX_MEGABYTES:g} MB that a link holds: copy "
                        f"{path.parent} from where it lies, or leave it out."
                    )
    except OSError as error:
        raise CourseError(
            f"{error.filename or 'A file of yours'} cannot be read ({error.strerror}): "
            "mend that, or copy the other files from where they lie."
        ) from None
    return packed.getvalue()


def _files(folders: Iterable[Path | str]) -> Iterable[tuple[Path, str]]:
    """The files to be packed and their names in the archive; links that lead elsewhere are left out."""
    progress = settings.progress_path()
    if progress.is_file():
        yield progress, "progress.json"
    for path in sorted((progress.parent / "thumbs").glob("*.jsonl")):
        yield path, f"thumbs/{path.name}"
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise CourseError(f"There is no folder {folder}: give the name of one that exists.")
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path, f"{folder.name}/{path.relative_to(folder).as_posix()}"


class Download:
    """A button that packs what there is at that moment, and the link to it below.

    Attributes:
        widget: the live widget.
        button: its button.
    """

    def __init__(self, lesson: str, claims: Iterable[Mapping[str, Any]], folders: Iterable[Path | str]):
        self._lesson, self._claims, self._folders = lesson, list(claims), list(folders)
        self.button = widgets.button("Download my results", self.prepare)
        self._status = ipywidgets.HTML()
        self.widget = widgets.panel([self.button, self._status])

    @property
    def html(self) -> str:
        return self._status.value

    def prepare(self) -> None:
        """Pack, and show the link, or the one sentence that says why there is none."""
        try:
            packed = pack(self._lesson, self._claims, self._folders)
        except CourseError as error:
            card = page.card_html("error", "Your results could not be packed.", page.escape(error))
            self._status.value = f'<div role="status">{card}</div>'
            return
        # In a class many such files meet in one folder, and none may take another's place.
        name = f"cats-to-kto-{self._lesson}-{hashlib.sha256(packed).hexdigest()[:6]}.zip"
        address = f"data:application/zip;base64,{base64.b64encode(packed).decode('ascii')}"
        size = max(1, round(len(packed) / 1000))
        self._status.value = (
            f'<div role="status" style="{page.TEXT_STYLE}">Ready: '
            f'<a download="{name}" href="{address}" style="color:{widgets.ACCENT};text-decoration:underline">'
            f"{name}</a> ({size} kB: your progress, your thumbs and this lesson's ledger).</div>"
        )

    def show(self) -> None:
        """Display it; a static page has nothing to download."""
        text = "Run the notebook to download your results."
        widgets.display_widget(self.widget, page.paragraph_html(text), text)
