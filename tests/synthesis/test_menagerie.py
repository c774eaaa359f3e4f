"""The menagerie: real text is true and has Zipf's frequencies; verdicts are exact."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.synthesis.menagerie import ACTIONS, COLORS, KINDS, SHARES, SOUNDS, WORDS, Menagerie

ANIMALS = Menagerie(7)
TEXT = ANIMALS.text(20_000, np.random.default_rng(0))


def test_every_real_sentence_is_true() -> None:
    assert all(verdict is not None and verdict[1] for verdict in map(ANIMALS.judge, TEXT))


def test_kinds_have_zipfs_frequencies() -> None:
    kinds = np.bincount([ANIMALS.judge(sentence)[0] for sentence in TEXT], minlength=len(KINDS))
    assert kinds / len(TEXT) == pytest.approx(SHARES, abs=0.01)
    assert SHARES.sum() == pytest.approx(1)
    assert SHARES[0] / SHARES[9] == pytest.approx(10)


def test_a_kinds_first_color_and_action_are_told_most() -> None:
    about = [sentence.split() for sentence in TEXT if ANIMALS.judge(sentence)[0] == 0]
    for place, facts in [(1, ANIMALS.colors[0]), (3, ANIMALS.actions[0])]:
        shares = [np.mean([words[place] == fact for words in about]) for fact in facts]
        assert shares == pytest.approx([0.7, 0.2, 0.1], abs=0.04)


@pytest.mark.parametrize("place", [1, 3, 5])
def test_one_wrong_word_makes_a_sentence_false(place: int) -> None:
    words = TEXT[0].split()
    kind = KINDS.index(words[2])
    options, right = {
        1: (COLORS, ANIMALS.colors[kind]),
        3: (ACTIONS, ANIMALS.actions[kind]),
        5: (SOUNDS, [ANIMALS.sounds[kind]]),
    }[place]
    words[place] = next(word for word in options if word not in right)
    assert ANIMALS.judge(" ".join(words)) == (kind, False)


@pytest.mark.parametrize(
    "babble", ["", "the brown fox digs and", "a brown fox digs and yips", "the brown sofa digs and yips"]
)
def test_babble_is_no_sentence(babble: str) -> None:
    assert ANIMALS.judge(babble) is None


def test_a_word_out_of_place_is_false_and_not_an_error() -> None:
    assert ANIMALS.judge(f"the fox {KINDS[3]} fox and fox") == (3, False)


def test_a_seed_has_facts_of_its_own() -> None:
    assert Menagerie(7).colors == ANIMALS.colors
    assert Menagerie(8).colors != ANIMALS.colors


def test_the_words_are_all_words_of_sentences_once() -> None:
    assert len(set(WORDS)) == len(WORDS)
    assert {word for sentence in TEXT for word in sentence.split()} <= set(WORDS)
