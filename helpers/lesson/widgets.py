"""Widgets that static pages can show too, and the what-if widget.

Uses only what ipywidgets 7.7 (Colab) and 8 (JupyterLab) share. Knows nothing about what a widget teaches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets

from helpers.lesson import access, page

ACCENT = page.MARKS["note"].color

# Long questions and choices wrap instead of being cut, a slider keeps its length beside a long name, and no
# box cuts a focus ring; the gaps and fonts follow the page. A selected choice has a filled ring, a border and
# a tint; the ring is a border itself, as forced colors keep those. Screen readers say the words after the
# slash as part of the button's name; older browsers have only the circle.
STYLE = f"""<style>
.course-widget {{max-width: {page.MAX_WIDTH}px; overflow: visible;}}
.course-widget {{margin: 4px 0 14px 0;}}
.course-widget .widget-label, .course-widget .widget-readout {{
  font-size: 14px; color: var(--jp-ui-font-color1, inherit);}}
.course-widget .widget-html-content {{
  font-size: 14px; line-height: 1.5; color: var(--jp-ui-font-color1, inherit);}}
.course-widget .widget-hslider {{width: auto; min-width: 300px; max-width: 100%;}}
.course-widget .widget-hslider .slider-container {{min-width: 150px;}}
.course-widget .widget-inline-hbox, .course-widget .widget-hbox {{overflow: visible;}}
.course-widget .widget-hbox {{gap: 2px 14px;}}
.course-choices.widget-toggle-buttons {{
  display: block; width: auto; height: auto; margin: 3px; overflow: visible;}}
.course-choices > div {{display: flex; flex-direction: column; gap: 6px; margin: 0;}}
.course-choices .widget-toggle-button {{
  display: flex; align-items: flex-start; gap: 10px; box-sizing: border-box; width: 100%; height: auto;
  margin: 0; padding: 7px 12px; text-align: left; white-space: normal; overflow-wrap: anywhere;
  font-size: 14px; line-height: 20px; color: var(--jp-ui-font-color1, inherit); background: transparent;
  border: 1px solid {page.BORDER}; border-radius: 6px; box-shadow: none;}}
.course-choices .widget-toggle-button > i {{display: none;}}
.course-choices .widget-toggle-button::before {{
  content: "○"; content: "○" / "not selected: "; font-size: 0; flex: none; box-sizing: border-box;
  width: 16px; height: 16px; margin-top: 2px; border-radius: 50%;
  border: 2px solid var(--jp-ui-font-color2, currentColor);}}
.course-choices .widget-toggle-button:hover:enabled {{
  border-color: {ACCENT}; background: rgba(128, 128, 128, .12); box-shadow: none;}}
.course-choices .widget-toggle-button.mod-active {{
  border-color: {ACCENT}; background: rgba(40, 120, 176, .16); box-shadow: inset 0 0 0 1px {ACCENT};}}
.course-choices .widget-toggle-button.mod-active::before {{
  content: "●"; content: "●" / "selected: "; border: 5px solid {ACCENT};}}
.course-choices .widget-toggle-button.mod-active:disabled {{opacity: 1;}}
.course-widget .course-done, .course-widget .course-done:hover:enabled {{
  color: var(--jp-ui-font-color2, inherit); background: transparent; cursor: default; box-shadow: none;}}
.course-widget :is(button, input, select, summary, video, a, .noUi-handle, .widget-readout):focus-visible {{
  {access.RING}}}
</style>"""


def panel(children: list[ipywidgets.Widget]) -> ipywidgets.VBox:
    """The children in a column, in the course's style."""
    box = ipywidgets.VBox([ipywidgets.HTML(STYLE, layout={"display": "none"}), *children])
    box.add_class("course-widget")
    return box


def labeled(control: ipywidgets.Widget) -> ipywidgets.Widget:
    """The control, with its whole description visible; hovering shows it too."""
    control.style.description_width = "initial"
    if control.has_trait("tooltip"):  # ipywidgets 8 shows the word "null" without one
        control.tooltip = control.description
    return control


def question(text: str) -> ipywidgets.HTML:
    """A question in bold, to stand above what answers it; plain text, escaped here."""
    return ipywidgets.HTML(f'<strong class="{page.NO_MATH}">{page.escape(text)}</strong>')


def choices(options: list[str]) -> ipywidgets.ToggleButtons:
    """One choice out of a column of buttons, nothing selected at first: its `value` is an option or None.

    Tab reaches every choice; Space or Enter selects it. In a group of radio buttons Tab reaches only one, and
    JupyterLab takes the arrow keys, which should reach the others, to move between cells.
    """
    group = ipywidgets.ToggleButtons(options=options, value=None)
    group.add_class("course-choices")
    return group


def button(text: str, on_click: Callable[[], None]) -> ipywidgets.Button:
    """A button that calls `on_click` without arguments."""
    layout = {"width": "auto", "align_self": "flex-start", "margin": "6px 3px"}
    made = ipywidgets.Button(description=text, button_style="primary", layout=layout)
    made.on_click(lambda _: on_click())
    return made


def finish(done: ipywidgets.Button, text: str) -> None:
    """Show that a button has done its work; unlike a disabled one it keeps the keyboard's focus."""
    done.description = text
    done.button_style = ""
    done.add_class("course-done")


def display_widget(widget: ipywidgets.DOMWidget, fallback_html: str, fallback_text: str) -> None:
    """Display one output: the live widget, and what pages without a kernel show in its place.

    Args:
        widget: what a notebook with a kernel shows.
        fallback_html: safe HTML for static pages.
        fallback_text: the same in plain text.
    """
    page.publish(
        {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": widget.model_id,
            },
            "text/html": fallback_html,
            "text/plain": fallback_text,
        }
    )


class WhatIf:
    """Controls, and an area below them that an ordinary function draws from their values.

    Attributes:
        widget: the live widget.
        html: what the area shows now.
        error: the exception of the last drawing, or None.
    """

    def __init__(
        self, controls: Mapping[str, ipywidgets.Widget], draw: Callable[..., str], label: str
    ) -> None:
        """Draw the first state; an error in it is raised here.

        Args:
            controls: by the name of the argument of `draw` that takes its value. A control without a
                description gets its name.
            draw: the controls' values as keywords -> safe HTML, each picture with a text alternative.
            label: one plain sentence that says what to try.
        """
        self.controls = dict(controls)
        self.label = label
        self.error: Exception | None = None
        self._draw = draw
        for name, control in self.controls.items():
            control.description = control.description or name
            labeled(control)
        self._area = ipywidgets.HTML(draw(**self.values), layout={"width": "auto", "margin": "6px 0 0 2px"})
        for control in self.controls.values():
            control.observe(self._redraw, names="value")
        self.widget = panel(
            [
                question(label),
                ipywidgets.HBox(list(self.controls.values()), layout={"flex_flow": "row wrap"}),
                self._area,
            ]
        )

    @property
    def values(self) -> dict[str, Any]:
        """The controls' present values by name."""
        return {name: control.value for name, control in self.controls.items()}

    @property
    def html(self) -> str:
        return self._area.value

    def show(self) -> None:
        """Display the widget; static pages show its first state."""
        state = ", ".join(f"{name} = {value}" for name, value in self.values.items())
        fallback = (
            f'<div style="{page.TEXT_STYLE}"><strong>{page.escape(self.label)}</strong> '
            f"(shown for {page.escape(state)}; run the notebook to change it)</div>{self.html}"
        )
        display_widget(self.widget, fallback, f"{self.label} (shown for {state})")

    def _redraw(self, _change: Any) -> None:
        try:
            self._area.value = self._draw(**self.values)
            self.error = None
        except Exception as error:
            self.error = error
            what = f"{type(error).__name__}: {error}"
            self._area.value = page.card_html("error", "This could not be drawn.", page.code_html(what))
