"""The generations of lesson 05, taken from its source, against closed forms and cases worked out by hand."""

from __future__ import annotations

import ast
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from helpers import settings
from helpers.synthesis.menagerie import Menagerie

SOURCE = settings.ROOT / "notebooks" / "source" / "05_learning_from_your_own_data.py"
_WANTED = ast.FunctionDef | ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Import | ast.ImportFrom


@pytest.fixture(scope="module")
def lesson() -> SimpleNamespace:
    """The functions and constants of the lesson, without what its cells run or show."""
    scope: dict[str, Any] = {
        "__name__": "lesson_05",
        "lesson": SimpleNamespace(size=lambda full, smoke: full),
    }
    for statement in ast.parse(SOURCE.read_text(encoding="utf-8")).body:
        text = ast.unparse(statement)
        if isinstance(statement, ast.FunctionDef) and statement.decorator_list:
            continue  # experiments, and what asks the real model
        if not isinstance(statement, _WANTED) or "lesson.check" in text or "real." in text:
            continue
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            name = ast.unparse(targets[0]).strip("()").split(",")[0]
            if not (name.isupper() or name in ("Read", "Filter")) or name in ("SEED", "MY_TEXT", "TOKENS"):
                continue
        exec(compile(ast.Module([statement], []), str(SOURCE), "exec"), scope)
    return SimpleNamespace(**scope)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng([900, seed])


# --- texts of texts -----------------------------------------------------------------------------------------


def test_the_world_has_zipfs_kinds_and_three_true_colors_each(lesson: SimpleNamespace) -> None:
    world = lesson.animals(900)
    assert world.sum() == pytest.approx(1)
    assert ((world > 0).sum(1) == 3).all()
    assert np.sort(world / world.sum(1, keepdims=True))[:, -3:] == pytest.approx(
        np.tile([0.1, 0.2, 0.7], (1000, 1))
    )
    assert world.sum(1)[0] / world.sum(1)[99] == pytest.approx(100)


def test_a_model_guesses_half_of_the_time_about_what_it_has_read_once(lesson: SimpleNamespace) -> None:
    text = np.zeros((2, 10), dtype=int)
    text[0, 3], text[1, 0] = 1, 99
    model = lesson.learn(text)
    assert model.sum() == pytest.approx(1)
    assert model.sum(1) == pytest.approx([0.01, 0.99])
    assert model[0, 3] / model[0].sum() == pytest.approx(0.5 + 0.05)
    assert model[1, 0] / model[1].sum() == pytest.approx(0.99 + 0.001)


def test_some_of_a_text_is_drawn_without_putting_back(lesson: SimpleNamespace) -> None:
    text = np.array([[3, 0], [1, 2]])
    assert (lesson.some_of(text, 6, rng()) == text).all()
    assert (lesson.some_of(text, 99, rng()) == text).all()
    few = lesson.some_of(text, 2, rng())
    assert few.sum() == 2
    assert (few <= text).all()


def test_a_part_is_replaced_by_real_sentences(lesson: SimpleNamespace) -> None:
    world, text = np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0, 0], [50, 50]])
    mixed = lesson.part_real(text, 0.2, world, rng())
    assert mixed[0].tolist() == [0, 20]
    assert mixed[1].sum() == 80


def test_every_way_reads_as_much_as_it_says(lesson: SimpleNamespace) -> None:
    world = lesson.animals(900)
    texts = [lesson.write(world, rng(i)) for i in range(3)]
    read = {way: int(read(texts, world, rng()).sum()) for way, read in lesson.WAYS.items()}
    assert {way for way, size in read.items() if size == 15_000} == {"accumulate", "as much real text"}
    assert {size for way, size in read.items()} == {5000, 15_000}


def test_replace_follows_the_closed_form(lesson: SimpleNamespace) -> None:
    expected = lesson.surviving_kinds(lesson.SHARES, 5000, 6)
    assert [round(kinds) for kinds in expected[:2]] == [752, 626]
    counted = []
    for seed in range(8):
        generator = rng(seed)
        text = lesson.write(lesson.animals(900), generator)
        for _ in range(6):
            text = lesson.write(lesson.learn(text), generator)
        counted.append(lesson.kinds_in(text))
    assert np.mean(counted) == pytest.approx(expected[6], rel=0.06)


def test_filters_hand_on_5000_true_sentences_or_all_as_written(lesson: SimpleNamespace) -> None:
    world = lesson.animals(900)
    model = lesson.learn(lesson.write(world, rng()))
    for name, passed in lesson.FILTERS.items():
        text = passed(model, world > 0, rng())
        assert text.sum() == 5000
        assert (text[world == 0].sum() > 0) == (name == "no filter")


def test_rebalancing_restores_the_shares_of_kinds(lesson: SimpleNamespace) -> None:
    written = np.array([[50, 50], [10, 90]])
    accepted = np.array([[50, 0], [0, 2]])
    assert lesson.rebalance(written, accepted) == pytest.approx(np.array([[0.5, 0.0], [0.0, 0.5]]))


# --- bell curves --------------------------------------------------------------------------------------------


def test_the_median_spread_follows_its_closed_form(lesson: SimpleNamespace) -> None:
    sigmas = lesson.bell_curves("replace", 900)[1]
    assert sigmas.shape == (101, 400)
    for t in (0, 10, 50):
        assert np.median(sigmas[t]) == pytest.approx(lesson.median_spread(t), rel=0.12)


def test_accumulating_has_the_error_of_the_sum_of_inverse_squares(lesson: SimpleNamespace) -> None:
    means, sigmas = lesson.bell_curves("accumulate", 901)
    for t in (0, 9, 100):
        theory = sum(1 / i**2 for i in range(1, t + 2))
        assert (means[t] ** 2).mean() * 50 == pytest.approx(theory, rel=0.2)
    assert np.median(sigmas[100]) > 0.9


def test_the_plausible_shrink_and_the_bias_adds_up(lesson: SimpleNamespace) -> None:
    plain = np.median(lesson.bell_curves("replace", 902)[1][30])
    assert np.median(lesson.bell_curves("only the plausible", 902)[1][30]) < 0.6 * plain
    assert lesson.bell_curves("replace", 902, shift=0.1)[0].mean(1)[100] == pytest.approx(10, abs=0.2)
    assert lesson.bell_curves("fresh real", 902, real=10, shift=0.1)[0].mean(1)[100] == pytest.approx(
        0.4, abs=0.06
    )


# --- noise --------------------------------------------------------------------------------------------------


def test_a_rising_curve_is_read_on_a_log_scale(lesson: SimpleNamespace) -> None:
    amounts = np.array([10, 1000])
    assert lesson.needed(amounts, np.array([0.5, 0.7]), 0.6) == pytest.approx(100)
    assert lesson.needed(amounts, np.array([0.5, 0.7]), 0.9) == pytest.approx(1000)


def test_what_a_label_is_worth(lesson: SimpleNamespace) -> None:
    assert lesson.worth(0.2, 2) == pytest.approx(1 / 0.36)
    assert lesson.worth(0.4, 10) == pytest.approx(1 / (1 - 4 / 9) ** 2)
    assert lesson.worth(0.9, 10) == math.inf


def test_the_majority_decides_what_a_crew_teaches(lesson: SimpleNamespace) -> None:
    assert lesson.right_kinds(0.8, False, 4000, rng()) == 1.0
    assert lesson.right_kinds(0.4, True, 4000, rng()) == 1.0
    assert lesson.right_kinds(0.6, True, 4000, rng()) == pytest.approx(0.8)


# --- the language model's texts -----------------------------------------------------------------------------


def test_only_true_sentences_pass_and_balance_follows_what_was_written(lesson: SimpleNamespace) -> None:
    zoo = Menagerie(900)
    true = zoo.text(400, rng())
    common = [s for s in true if zoo.judge(s)[0] == 0][:40]
    rare = next(s for s in true if zoo.judge(s)[0] == 1)
    false = f"the fox {' '.join(rare.split()[2:3])} fox and fox"
    many = [*common, rare, *[false] * 39, "babble"]
    kept = lesson.only_true(many, False, 50, zoo, rng())
    assert sorted(kept) == sorted([*common, rare])
    drawn = lesson.only_true(many, True, 1000, zoo, rng())
    assert len(drawn) == 1000
    assert np.mean([s == rare for s in drawn]) == pytest.approx(0.5, abs=0.06)
    assert lesson.only_true(["babble"], True, 5, zoo, rng()) == []


def test_different_words_are_counted_once(lesson: SimpleNamespace) -> None:
    assert lesson.different_words(["A cat, the cat", "The dog's cat 3"]) == 4
