from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.exercises import e00_start_here as e00
from helpers.exercises import e01_language_models_in_one_page as e01
from helpers.exercises import e02_words_without_a_world as e02
from helpers.world import COLORS, KINDS, TYPICAL_COLOR


def test_the_tour_judges_the_sentence_and_changes_its_pictures() -> None:
    widget = e00.tour_widget()
    assert "Your sentence is not true." in widget.html  # the cat walks right, the sentence says left
    assert "wrong about: verb" in widget.html
    before = widget.html
    widget.controls["verb"].value = "walks left"
    assert widget.error is None
    assert "Your sentence is true." in widget.html
    assert "silent about: place" in widget.html
    assert before.split("<img")[2] != widget.html.split("<img")[2]


@pytest.mark.parametrize("sentence", ["", "<img src=x onerror=alert(1)>", "qwerty " * 900, "{kind}"])
def test_the_tour_takes_any_sentence_and_escapes_it(sentence: str) -> None:
    widget = e00.tour_widget()
    widget.controls["sentence"].value = sentence
    assert widget.error is None
    assert "does not understand" in widget.html
    assert "<img src=x" not in widget.html


def test_every_choice_of_the_tour_can_be_drawn() -> None:
    widget = e00.tour_widget()
    for name in ("kind", "color", "size", "place", "verb"):
        for option in widget.controls[name].options:
            widget.controls[name].value = option
            assert widget.error is None, (name, option)


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=9), st.floats(0.2, 3.0))
def test_temperature_gives_probabilities_and_never_changes_the_favorite(
    logits: list[int], temperature: float
) -> None:
    probabilities = e01.tempered(torch.tensor(logits).float(), temperature)
    assert float(probabilities.sum()) == pytest.approx(1.0, abs=1e-5)
    assert logits[int(probabilities.argmax())] == max(logits)


def test_perplexity_by_hand() -> None:
    assert e01.perplexity(torch.full((8,), 1 / 8)) == pytest.approx(8.0, abs=1e-4)
    assert e01.perplexity(torch.tensor([1.0, 0.0])) == pytest.approx(1.0)
    expected = math.exp(0.75 * math.log(4 / 3) + 0.25 * math.log(4))
    assert e01.perplexity(torch.tensor([0.75, 0.25])) == pytest.approx(expected, abs=1e-5)


def test_the_temperature_slider_redraws() -> None:
    ends = {"a b": torch.arange(10.0), "<b>": torch.zeros(10)}
    widget = e01.temperature_widget(ends, lambda token: f"<{token}>")
    first = widget.html
    widget.controls["temperature"].value = 0.3
    assert widget.error is None
    assert widget.html != first
    assert "temperature 0.3" in widget.html
    widget.controls["prompt"].value = "<b>"
    assert "&lt;b&gt;" in widget.html
    assert "after “<b>”" not in widget.html


def test_hotter_is_flatter() -> None:
    logits = torch.tensor([3.0, 1.0, 0.0])
    hesitates = [e01.perplexity(e01.tempered(logits, t)) for t in (0.2, 0.5, 1.0, 2.0, 3.0)]
    assert hesitates == sorted(hesitates)


@pytest.mark.parametrize(
    ("score", "word"), [(6, "next lesson"), (5, "next lesson"), (4, "Stay"), (0, "Stay")]
)
def test_the_diagnostic_advises(score: int, word: str) -> None:
    assert word in e01.ADVICE["diagnostic"](score)


def _mention_answers(say_usual: float) -> tuple[np.ndarray, np.ndarray]:
    """The counter hears black 10 times and the usual color 100 * say_usual times; looking is right."""
    counted = np.zeros((len(KINDS), len(COLORS)))
    counted[:, COLORS.index("black")] = 10
    seen = np.zeros_like(counted)
    for i, kind in enumerate(KINDS):
        counted[i, COLORS.index(TYPICAL_COLOR[kind])] = round(100 * say_usual)
        seen[i, COLORS.index(TYPICAL_COLOR[kind])] = 1
    return counted, seen


def _mention_share(scores: np.ndarray) -> float:
    return float(
        np.mean([COLORS[i] == TYPICAL_COLOR[k] for k, i in zip(KINDS, scores.argmax(1), strict=True)])
    )


def test_the_slider_of_what_speakers_mention_turns_the_counter_right() -> None:
    widget = e02.mention_widget(_mention_answers, _mention_share)
    assert widget.html.count("✘ black (heard 10 times") == 11  # a black cow is usual
    before = widget.html.split("<table")[0]
    assert "✘ black sheep" in before
    widget.controls["say_usual"].value = 0.4
    assert widget.html.split("<table")[0] != before
    assert widget.error is None
    assert "✘" not in widget.html
    assert "100% by counting words, 100% by looking" in widget.html


def test_a_tie_is_undecided() -> None:
    widget = e02.mention_widget(_mention_answers, _mention_share)
    widget.controls["say_usual"].value = 0.1
    assert widget.html.split("<table")[1].count("? undecided") == 11
    assert "? undecided sheep<" in widget.html.split("<table")[0]
