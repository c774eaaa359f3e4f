"""The widget of lesson 05: texts of texts."""

from __future__ import annotations

from helpers.exercises import e05_learning_from_your_own_data as e05


def shrinking(way: str, sentences: int, real: float) -> list[int]:
    return [round(sentences / 10 * (1 + real) / (t + 1)) + len(way) for t in range(20)]


def widget() -> e05.WhatIf:
    return e05.generations_widget(shrinking, lambda sentences: [sentences / 10 / (t + 1) for t in range(20)])


def test_the_first_state_says_what_is_drawn() -> None:
    html = widget().html
    assert "Replace, 5,000 sentences a text, 0% of what each model reads fresh and real" in html
    assert "507 kinds in text 0, 32 in text 19 (6%)" in html
    assert "expected to keep 25" in html
    assert "alt=" in html


def test_every_choice_can_be_drawn_and_shows() -> None:
    made = widget()
    for name, values in [
        ("way", ["fixed budget", "accumulate", "replace"]),
        ("sentences", e05.LENGTHS[::-1]),
        ("real", [50, 5, 0]),
    ]:
        for value in values:
            before = made.html
            made.controls[name].value = value
            assert made.error is None, (name, value)
            assert made.html != before or value == values[0]


def test_the_share_is_handed_on_as_a_share() -> None:
    seen = []
    made = e05.generations_widget(
        lambda way, sentences, real: seen.append((way, sentences, real)) or [3, 2],
        lambda sentences: [3.0, 2.0],
    )
    made.controls["real"].value = 25
    assert seen == [("replace", 5000, 0.0), ("replace", 5000, 0.25)]
