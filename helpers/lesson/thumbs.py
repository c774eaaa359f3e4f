"""A widget that asks for thumbs: a scene, what a model wrote about it, up, down or skip, and undo.

Knows how to ask and how to show what was said. Files of thumbs are `helpers.data.thumbs`'s; what is done
with them, and which answers are worth asking about, is the notebook's.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import ipywidgets

from helpers import world
from helpers.data import share, thumbs
from helpers.data.thumbs import Thumb
from helpers.lesson import page, plots, widgets
from helpers.settings import CourseError
from helpers.world import Scene

LONGEST_NAME = 40  # characters
SHOWN_WITHOUT_KERNEL = 3  # answers on a static page

LONGEST_QUOTE = 80  # characters of an answer that a remark repeats

_WORDS = {True: "thumb up", False: "thumb down", None: "skip"}

# What could not be saved, by file: in the module, so that a cell that runs again loses nothing.
_unsaved: dict[Path, list[Thumb]] = {}


@dataclass(frozen=True)
class _Item:
    """One answer to be judged."""

    scene: Scene
    completion: str

    @property
    def prompt(self) -> str:
        return world.record(self.scene)

    @property
    def key(self) -> tuple[str, str]:
        return self.prompt, self.completion


class ThumbsWidget:
    """Asks for a thumb on one answer after another; each is saved before the next one is shown.

    What has been judged is read from the file, so a new widget over the same file goes on where the last one
    was, and two notebooks may share one. An annotator with another name starts from the first answer.

    Attributes:
        path: the file of thumbs.
        widget: the live widget.
        up, down, skip, undo, save, name, shared: its controls; `shared` is seen where a class has a folder.
    """

    def __init__(
        self,
        answers: Sequence[tuple[Scene, str]],
        lesson: str,
        path: Path | None = None,
        annotator: str | None = None,
        question: str = "Is the model's answer right?",
        record_shown: bool = True,
    ) -> None:
        """Build the widget, at the first answer that has no thumb yet.

        Args:
            answers: scenes with one animal, each with what a model wrote for its record. The same answer to
                the same record is asked about once.
            lesson: the lesson's number, kept in each thumb.
            path: the file of thumbs, by default the learner's own for this lesson.
            annotator: the first value of the name; by default who gave the file's last thumb, or an invented
                name.
            question: what is asked about each answer, in plain text.
            record_shown: whether the scene's record is shown; False where one should judge by watching.

        Raises:
            CourseError: if there are no answers.
        """
        items = {item.key: item for item in (_Item(scene, completion) for scene, completion in answers)}
        if not items:
            raise CourseError("There are no answers to judge: give pairs of a scene and an answer.")
        self.path = path or thumbs.thumbs_path(lesson)
        self._items = list(items.values())
        self._lesson = lesson
        self._question = question
        self._record_shown = record_shown
        self._in_file: list[Thumb] = []
        self._note = ""  # on lines of the file that are no thumbs
        self._unreadable = ""  # why the file could not be read just now
        self._unwritable = ""  # why it could not be written the last time
        self._unshared = ""  # why the class's folder has no fresh copy of it
        self._read()
        self._annotator = _clean(annotator or "") or self._last_annotator()
        self._current: _Item | None = None
        self._build()
        self._share()  # what could not be copied when it was given
        self._go_on()

    @property
    def thumbs(self) -> list[Thumb]:
        """The annotator's thumbs on these answers as the widget knows them, one per answer, skips too."""
        return list({thumb.key: thumb for thumb in self._given()}.values())

    def show(self) -> None:
        """Display the widget; static pages show the first answers and say how to judge them."""
        lines = [f"“{item.completion}” (the record was: {item.prompt})" for item in self._first()]
        widgets.display_widget(self.widget, self.fallback_html(), "\n".join([self._question, *lines]))

    def fallback_html(self) -> str:
        """The first answers with their pictures, for pages without a kernel."""
        shown = self._first()
        rows = "".join(_row_html(self._still_html(item), self._facts_html(item)) for item in shown)
        hint = f"(the first {len(shown)} of {len(self._items)}; run the notebook to give them thumbs)"
        return (
            f'<div class="{page.NO_MATH}" style="{page.TEXT_STYLE}">'
            f"<strong>{page.escape(self._question)}</strong> {page.escape(hint)}{rows}</div>"
        )

    # --- what the buttons do --------------------------------------------------------------------------------

    def _give(self, label: bool | None) -> None:
        """Keep a thumb on the answer that is shown, and show the next one."""
        item = self._current
        if item is None:
            self._go_on("There is nothing left to judge; Undo goes back.")
            return
        texts = {"prompt": item.prompt, "completion": item.completion, "lesson": self._lesson}
        thumb = Thumb(
            **texts, label=label, annotator=self._annotator, time=thumbs.now(), scene=asdict(item.scene)
        )
        _unsaved.setdefault(self.path, []).append(thumb)
        self._save(_words(thumb))

    def _take_back(self) -> None:
        """Take back the annotator's last thumb on these answers, and show its answer again."""
        self._read()
        given = self._given()
        if not given:
            self._go_on("There is nothing to take back.")
            return
        last, waiting = given[-1], _unsaved.get(self.path, [])
        if last in waiting:
            waiting.remove(last)
        else:
            try:
                thumbs.undo(self.path, last)
            except CourseError as error:
                self._unwritable = str(error)
                self._show(f"Not taken back: {_words(last)}")
                return
        self._unwritable = self._unwritable if waiting else ""
        self._share()
        self._read()
        self._current = next(item for item in self._items if item.key == last.key)
        self._show(f"Taken back: {_words(last)}")

    def _save(self, said: str) -> None:
        """Save what waits to be saved; if that fails, it goes on waiting."""
        waiting = _unsaved.get(self.path, [])
        try:
            thumbs.append(self.path, waiting)
        except CourseError as error:
            self._unwritable = str(error)
            self._go_on(f"Not saved yet: {said}")
        else:
            waiting.clear()
            self._unwritable = ""
            self._share()
            self._go_on(f"Saved: {said}")

    def _share(self) -> None:
        """Bring the copy in the class's folder up to date, if the class has one and the learner shares."""
        try:
            share.copy(self.path)
        except CourseError as error:
            self._unshared = str(error)
        else:
            self._unshared = ""

    def _choose(self, wanted: bool) -> None:
        """Share with the class from now on, or take the copy back."""
        try:
            share.choose(self.path, wanted)
        except CourseError as error:
            self._unshared = str(error)
            self._show("Not changed.")
        else:
            self._unshared = ""
            self._show("Your class has a copy now." if wanted else "Your class has no copy any more.")

    def _rename(self, name: str) -> None:
        """Go on as another annotator; an empty name changes nothing."""
        annotator = _clean(name) or self._annotator
        self.name.value = annotator
        if annotator != self._annotator:
            said = f"You are {annotator} now."
            if self._given():
                said += f" The thumbs of {self._annotator} stay under that name."
            self._annotator = annotator
            self._go_on(said)

    # --- what is known --------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Read the file again: another notebook may have written to it."""
        try:
            loaded = thumbs.load(self.path)
        except CourseError as error:
            self._unreadable = str(error)
            return
        self._unreadable = ""
        self._in_file = loaded.thumbs
        self._note = ""
        if loaded.broken:
            self._note = f"Passed over in the file, and left as it is: {loaded.broken[0]}"
            more = loaded.broken_count - 1
            self._note += f", and {more} more such lines." if more else "."

    def _given(self) -> list[Thumb]:
        """The annotator's thumbs on these answers, the last one last."""
        keys = {item.key for item in self._items}
        known = [*self._in_file, *_unsaved.get(self.path, [])]
        return [thumb for thumb in known if thumb.annotator == self._annotator and thumb.key in keys]

    def _last_annotator(self) -> str:
        known = [*self._in_file, *_unsaved.get(self.path, [])]
        return known[-1].annotator if known else f"learner-{secrets.token_hex(3)}"

    # --- what is shown --------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.up = widgets.button("👍 Thumb up", lambda: self._give(True))
        self.down = widgets.button("👎 Thumb down", lambda: self._give(False))
        self.skip = widgets.button("Skip", lambda: self._give(None))
        self.undo = widgets.button("Undo", self._take_back)
        self.skip.button_style = self.undo.button_style = ""
        self.save = widgets.button("Save again", lambda: self._save("what was waiting"))
        self.name = widgets.labeled(
            ipywidgets.Text(
                value=self._annotator,
                description="Your name or a nickname:",
                continuous_update=False,
                layout={"width": "380px", "max_width": "100%"},
            )
        )
        self.name.observe(lambda change: self._rename(change["new"]), names="value")
        self.shared = widgets.labeled(
            ipywidgets.Checkbox(
                value=share.wanted(self.path),
                description="Share my thumbs, under this name, and which exercises I solved, with my class",
                indent=False,
                layout={"width": "auto", "display": "none" if share.folder() is None else None},
            )
        )
        self.shared.observe(lambda change: self._choose(change["new"]), names="value")
        self._area = ipywidgets.HTML()
        self._status = ipywidgets.HTML()
        self._where = ipywidgets.HTML()
        buttons = [self.up, self.down, self.skip, self.undo]
        self.widget = widgets.panel(
            [
                self.name,
                widgets.question(self._question),
                self._area,
                ipywidgets.HBox(buttons, layout={"flex_flow": "row wrap"}),
                self._status,
                self.save,
                self.shared,
                self._where,
            ]
        )

    def _go_on(self, said: str = "") -> None:
        """Show the first answer that has no thumb yet."""
        self._read()
        judged = {thumb.key for thumb in self._given()}
        self._current = next((item for item in self._items if item.key not in judged), None)
        self._show(said)

    def _show(self, said: str) -> None:
        item = self._current
        counts = Counter(thumb.label for thumb in self.thumbs)
        tally = f"{counts[True]} up, {counts[False]} down, {counts[None]} skipped"
        if item is None:
            title = f"All {len(self._items)} answers are judged: {tally}."
            self._area.value = page.card_html("passed", title, "Undo goes back to the last one.")
        else:
            film = plots.film_player_html(world.film(item.scene), _alt("A film", item))
            where = f"Answer {self._items.index(item) + 1} of {len(self._items)}"
            facts = f'<div role="status">{self._facts_html(item)}</div>'
            self._area.value = _row_html(film, f"{where} ({tally} so far){facts}")
        for button in (self.up, self.down, self.skip):
            _dim(button, item is None)
        _dim(self.undo, not self._given())
        self._status.value = self._status_html(said)
        waiting = bool(_unsaved.get(self.path))
        self.save.layout.display = None if waiting or self._unshared else "none"
        where = "" if waiting else f"Each thumb is saved at once, in {self.path}. "
        if share.folder() is not None and self.shared.value and not waiting and not self._unshared:
            where += f"Your class's folder gets a copy ({share.folder()}). "
        self._where.value = f'<span class="{page.NO_MATH}">{page.escape(where + self._note)}</span>'

    def _status_html(self, said: str) -> str:
        line = f'<span role="status" class="{page.NO_MATH}">{page.escape(said)}</span>' if said else ""
        problem = self._unwritable or self._unreadable or self._unshared
        if not problem:
            return line
        waiting = len(_unsaved.get(self.path, []))
        title = "The file of thumbs cannot be used."
        if problem == self._unshared:
            title = "Saved, but not shared with your class."
        if waiting:
            title = f"Not saved yet: {waiting} (kept until this notebook's kernel ends)."
        return line + page.card_html("error", title, page.escape(problem))

    def _facts_html(self, item: _Item) -> str:
        """What the model was told, if that is shown, and what it wrote, escaped."""
        told = f"The model was told:<br>{page.escape(item.prompt)}" if self._record_shown else ""
        answer = page.escape(item.completion) or "<em>nothing at all</em>"
        return (
            f'<div style="margin-top:8px">{told or "The model was given this film."}</div>'
            f'<div style="margin-top:8px">It wrote:<br><strong style="font-size:18px">{answer}</strong></div>'
        )

    def _still_html(self, item: _Item) -> str:
        """The scene for a page without a kernel: a picture, or the film where it must be watched."""
        if self._record_shown:
            return plots.picture_html(world.draw(item.scene), _alt("A picture", item))
        return plots.film_player_html(world.film(item.scene), _alt("A film", item))

    def _first(self) -> list[_Item]:
        return self._items[:SHOWN_WITHOUT_KERNEL]


# --- plumbing -----------------------------------------------------------------------------------------------


def _row_html(picture_html: str, text_html: str) -> str:
    """A picture with text beside it, or below it on a narrow page."""
    beside = f'<div class="{page.NO_MATH}" style="flex:1 1 260px;{page.TEXT_STYLE}">{text_html}</div>'
    row = "display:flex;flex-wrap:wrap;gap:8px 18px;align-items:flex-start;margin:8px 0"
    return f'<div style="{row}">{picture_html}{beside}</div>'


def _words(thumb: Thumb) -> str:
    """A thumb in words, for a remark."""
    said = thumb.completion or "nothing at all"
    said = said if len(said) <= LONGEST_QUOTE else f"{said[: LONGEST_QUOTE - 1]}…"
    return f"{_WORDS[thumb.label]} for “{said}”"


def _alt(what: str, item: _Item) -> str:
    return f"{what} of this scene: {item.prompt}."


def _clean(name: str) -> str:
    """A name in one line of printable characters, composed, and not too long."""
    line = " ".join(unicodedata.normalize("NFC", name).split())
    return "".join(letter for letter in line if letter.isprintable())[:LONGEST_NAME].strip()


def _dim(button: ipywidgets.Button, dim: bool) -> None:
    """Show whether a button has something to do; unlike a disabled one it keeps the keyboard's focus."""
    (button.add_class if dim else button.remove_class)("course-done")
