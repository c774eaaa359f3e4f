from __future__ import annotations

from typing import Any

import ipywidgets
import pytest

from helpers.lesson import widgets


def draw(size: int, color: str) -> str:
    if size == 9:
        raise ValueError("<b>too large</b>")
    return f"<p>{size} {color}</p>"


def make() -> widgets.WhatIf:
    controls = {
        "size": ipywidgets.IntSlider(value=2, min=0, max=9, description="size of the cat"),
        "color": ipywidgets.Dropdown(options=["gray", "black"]),
    }
    return widgets.WhatIf(controls, draw, "What if it grows & changes?")


def test_a_moved_control_draws_again() -> None:
    what_if = make()
    assert what_if.html == "<p>2 gray</p>"
    what_if.controls["size"].value = 3
    what_if.controls["color"].value = "black"
    assert what_if.html == "<p>3 black</p>"
    assert what_if.values == {"size": 3, "color": "black"}


def test_every_control_has_its_whole_description_visible() -> None:
    what_if = make()
    assert what_if.controls["size"].description == "size of the cat"
    assert what_if.controls["color"].description == "color"
    assert all(control.style.description_width == "initial" for control in what_if.controls.values())


def test_an_error_is_shown_and_kept_and_goes_away() -> None:
    what_if = make()
    what_if.controls["size"].value = 9
    assert isinstance(what_if.error, ValueError)
    assert "ValueError: &lt;b&gt;too large" in what_if.html
    what_if.controls["size"].value = 1
    assert what_if.error is None
    assert what_if.html == "<p>1 gray</p>"


def test_an_error_in_the_first_state_is_raised() -> None:
    with pytest.raises(ValueError, match="too large"):
        widgets.WhatIf({"size": ipywidgets.IntSlider(value=9)}, lambda size: draw(size, "x"), "What if?")


def test_choices_start_with_nothing_selected_and_tell_what_is() -> None:
    group = widgets.choices(["cats", "dogs & co."])
    heard: list[str] = []
    group.observe(lambda change: heard.append(change["new"]), names="value")
    assert group.value is None
    group.set_state({"index": 1})  # what a click or the keyboard sends
    assert group.value == "dogs & co."
    assert heard == ["dogs & co."]


def test_choices_are_buttons_whose_state_is_more_than_a_color() -> None:
    # Every toggle button is a tab stop; of a group of radio buttons only one is.
    assert isinstance(widgets.choices(["a", "b"]), ipywidgets.ToggleButtons)
    assert "course-choices" in widgets.choices(["a", "b"])._dom_classes
    active = widgets.STYLE.partition(".mod-active::before")[2].partition("}")[0]
    assert '"selected: "' in active
    assert "border" in active


def test_a_finished_button_says_so_and_can_keep_the_focus() -> None:
    made = widgets.button("Commit", lambda: None)
    widgets.finish(made, "Committed")
    assert made.description == "Committed"
    assert not made.disabled


def test_static_pages_get_the_first_state(shown: list[dict[str, Any]]) -> None:
    make().show()
    (bundle,) = shown
    view = bundle["application/vnd.jupyter.widget-view+json"]
    assert isinstance(view["model_id"], str)
    assert view["version_major"] == 2
    assert "What if it grows &amp; changes?" in bundle["text/html"]
    assert "<p>2 gray</p>" in bundle["text/html"]
    assert "size = 2, color = gray" in bundle["text/plain"]
