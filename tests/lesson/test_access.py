"""What a page gets for the keyboard and for screen readers; a real browser tries it in rehearse_lessons."""

from __future__ import annotations

from typing import Any

from helpers.lesson import access, widgets


def test_nothing_is_put_where_there_is_no_notebook(shown: list[dict[str, Any]]) -> None:
    access.install()
    assert shown == []


def test_every_kind_of_control_has_a_ring() -> None:
    ring = widgets.STYLE[widgets.STYLE.index(":is(") :]
    for control in ("button", "input", "select", "summary", "video", ".noUi-handle", ".widget-readout"):
        assert control in ring
    assert access.RING in ring
    assert "!important" in access.RING  # ipywidgets takes the ring from selects and inputs
