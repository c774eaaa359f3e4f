"""The arrows of lesson 09."""

from __future__ import annotations

from helpers.exercises import e09_anchors as e09


def drawn(regime: str, method: str, setting: str) -> str:
    return f'<img alt="{regime} {method} {setting}">'


def widget() -> object:
    return e09.arrows_widget(
        drawn, ["winners better", "model better"], {"sft": "SFT", "kto": "KTO"}, ["shared", "best"]
    )


def test_the_first_state_is_drawn():
    assert widget().html == '<img alt="winners better sft shared">'


def test_every_choice_changes_the_picture():
    shown = widget()
    seen = {shown.html}
    for name, value in [("regime", "model better"), ("method", "kto"), ("setting", "best")]:
        shown.controls[name].value = value
        assert shown.error is None
        assert shown.html not in seen
        seen.add(shown.html)
    assert shown.html == '<img alt="model better kto best">'


def test_methods_are_chosen_by_their_names():
    assert [name for name, _ in widget().controls["method"].options] == ["SFT", "KTO"]
