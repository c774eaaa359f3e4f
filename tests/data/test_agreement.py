"""Agreement between annotators: the kappas against worked examples, and where there is none."""

from __future__ import annotations

import statistics
from dataclasses import replace

import numpy as np
import pytest

from helpers import world
from helpers.data import agreement
from helpers.data.agreement import Kappa, Votes
from helpers.data.thumbs import Thumb

PIG = world.Scene("pig", "blue", "small", "meadow", "sleeps")


def votes(*pairs):
    return [Votes("p", str(i), ups, downs) for i, (ups, downs) in enumerate(pairs)]


def thumb(completion, label, annotator="Ann", prompt="p"):
    return Thumb(prompt, completion, label, annotator, "2026-01-01T10:00:00+00:00", "08")


def by_pairs(counts):
    """Fleiss (1971) as he wrote it, for equally many raters: mean agreement of pairs, and that of chance."""
    raters = sum(counts[0])
    mean = sum(u * (u - 1) + d * (d - 1) for u, d in counts) / len(counts) / raters / (raters - 1)
    up = sum(u for u, _ in counts) / len(counts) / raters
    chance = up**2 + (1 - up) ** 2
    return (mean - chance) / (1 - chance)


@pytest.mark.parametrize(
    "counts",
    [
        [(4, 0), (3, 1), (0, 4), (2, 2), (1, 3)],
        [(2, 0), (0, 2), (1, 1)],
        [(5, 3), (8, 0), (0, 8), (7, 1)],
        [(1, 1), (1, 1)],
    ],
)
def test_fleiss_is_that_of_1971_where_all_are_equally_many(counts):
    assert agreement.fleiss(votes(*counts)).value == pytest.approx(by_pairs(counts))


def test_fleiss_with_unequal_numbers_by_hand():
    # x(m - x)/m: 2/3 and 1/2; p = 6/9; sum of m - 1: 6. One thumb alone counts for nothing.
    found = agreement.fleiss(votes((2, 1), (1, 1), (3, 1 - 1), (0, 1), (0, 1), (1, 0)))
    assert found.value == pytest.approx(1 - (2 / 3 + 1 / 2) / (5 * (6 / 8) * (2 / 8)))


def test_fleiss_of_the_textbook():
    """Fleiss, *Statistical Methods for Rates and Proportions*: 25 subjects, two to five ratings: 0.54."""
    rated = "22 20 32 43 33 41 30 50 20 44 55 33 44 43 20 22 31 21 41 54 32 40 30 33 22"
    given = votes(*((int(x), int(m) - int(x)) for m, x in rated.split()))
    assert (sum(one.raters for one in given), sum(one.ups for one in given)) == (81, 46)
    found = agreement.fleiss(given)
    assert found.value == pytest.approx(0.54, abs=0.005)
    # The jackknife from its definition: the mean of 25 pseudo-values, and 2.064 of its standard errors.
    rest = [agreement.fleiss(given[:i] + given[i + 1 :]).value for i in range(25)]
    half = 2.064 * statistics.stdev(25 * found.value - 24 * one for one in rest) / 5
    assert found.interval == pytest.approx((found.value - half, found.value + half), abs=1e-4)


def test_the_interval_covers_what_it_should_and_many_answers_need_little_memory():
    """Twenty answers, each with eight thumbs that are right four times in five."""
    rng = np.random.default_rng(1)

    def drawn(count):
        ups = rng.binomial(8, rng.choice([0.2, 0.8], count))
        return agreement.fleiss(votes(*((int(x), 8 - int(x)) for x in ups)))

    truth = drawn(100_000)
    found = [drawn(20).interval for _ in range(400)]
    assert truth.interval[1] - truth.interval[0] < 0.01
    assert sum(low <= truth.value <= high for low, high in found) >= 0.93 * len(found)


def test_perfect_agreement_is_one_and_opposites_are_minus_one():
    assert agreement.fleiss(votes(*[(3, 0), (0, 3)] * 4)) == Kappa(1.0, (1.0, 1.0))
    assert agreement.fleiss(votes(*[(1, 1)] * 8)).value == -1


def test_the_interval_is_the_same_each_time_and_holds_the_value():
    given = votes(*[(4, 0), (3, 1), (0, 4), (2, 2), (1, 3)] * 4)
    first, second = agreement.fleiss(given), agreement.fleiss(given)
    assert first == second
    low, high = first.interval
    assert low < first.value < high
    wider = agreement.fleiss(given[:10])
    assert wider.interval[1] - wider.interval[0] > high - low


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([], "No answer has thumbs by two people"),
        ([(1, 0), (0, 1)], "No answer has thumbs by two people"),
        ([(3, 0), (2, 0)], "All thumbs are up, so chance alone would agree as much: kappa is undefined."),
        ([(0, 3), (0, 2)], "All thumbs are down"),
    ],
)
def test_where_kappa_is_undefined_one_sentence_says_so(given, why):
    found = agreement.fleiss(votes(*given))
    assert found.value is None
    assert why in found.why


def test_few_or_one_sided_answers_get_no_interval():
    assert agreement.fleiss(votes((2, 0), (0, 2))).why.startswith("No interval: it needs 6 answers")
    one_sided = agreement.fleiss(votes(*[(3, 0)] * 9, (2, 1)))
    assert one_sided.interval is None
    assert one_sided.value is not None
    assert "nearly all" in one_sided.why


def test_cohen_by_hand_and_only_where_two_share_enough():
    ann = [thumb(str(i), i < 5) for i in range(10)]
    ben = [thumb(str(i), i < 4 or i == 9, "Ben") for i in range(10)]
    values, undefined = agreement.cohen([*ann, *ben, *(thumb(str(i), True, "Cy") for i in range(4))])
    # 8 of 10 agree; both say up to half, so chance agrees in half.
    assert values == [pytest.approx((0.8 - 0.5) / 0.5)]
    assert undefined == 0


def test_cohen_of_a_well_known_table():
    """Two readers of 50 proposals: 20 times both yes, 15 times both no, 5 and 10 apart: 0.4."""
    said = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    given = [
        thumb(str(i), up, name) for i, both in enumerate(said) for name, up in zip("AB", both, strict=True)
    ]
    assert agreement.cohen(given) == ([pytest.approx(0.4)], 0)


def test_one_who_always_says_up_agrees_by_chance_and_skips_are_missing():
    given = [thumb(str(i), True) for i in range(8)] + [thumb(str(i), i < 4, "Ben") for i in range(8)]
    given += [thumb(str(i), None, "Cy") for i in range(8)]
    assert agreement.cohen(given) == ([pytest.approx(0.0)], 0)
    assert agreement.measure(given).people == 2


def test_five_answers_in_common_and_six_answers_are_enough():
    def pair(count):
        return [thumb(str(i), i % 2 == 0, name) for i in range(count) for name in ("Ann", "Ben")]

    assert agreement.cohen(pair(4)) == ([], 0)
    assert agreement.cohen(pair(5)) == ([pytest.approx(1.0)], 0)
    assert agreement.fleiss(agreement.votes_of(pair(5))).interval is None
    assert agreement.fleiss(agreement.votes_of(pair(6))).interval == (1.0, 1.0)


def test_what_is_true_but_leaves_something_out_gets_a_thumb_down():
    told = world.record(PIG)
    short = next(text for text in ("A pig sleeps.", "A blue pig.") if world.verify(text, PIG).true)
    assert not world.verify(short, PIG).complete
    assert agreement.verdict(told, short) is False
    assert agreement.verdict(told, world.captions(PIG)[0]) is True


def test_two_who_always_say_up_have_no_cohens_kappa():
    given = [thumb(str(i), True, name) for i in range(6) for name in ("Ann", "Ben")]
    assert agreement.cohen(given) == ([], 1)
    found = agreement.measure(given)
    assert agreement.cohen_words(found) == (
        "Cohen's kappa is undefined for all 1 pairs: each gave one thumb to all."
    )
    assert "undefined" in agreement.fleiss_words(found)


def test_a_crowd_is_not_gone_through_by_pairs():
    given = [thumb(str(i), i % 2 == 0, f"n{n}") for n in range(101) for i in range(6)]
    found = agreement.measure(given)
    assert found.cohen == []
    assert "more than 100 people" in agreement.cohen_words(found)
    assert found.fleiss.value == 1


def test_the_scene_is_read_from_the_record_alone():
    assert agreement.scene_told(world.record(PIG)) == PIG
    for scene in world.sample(50, 1):
        if scene.other is None:
            assert agreement.scene_told(world.record(scene)) == replace(scene, seed=0)
    for text in ("", "a question", "small blue pig, chases, meadow", "small blue car, sleeps, meadow"):
        assert agreement.scene_told(text) is None


def test_the_worlds_verdict_ranks_people_without_their_names():
    right, wrong = world.captions(PIG)[0], world.captions(replace(PIG, color="pink"))[0]
    told = world.record(PIG)
    given = [
        thumb(right, True, "Ann", told),
        thumb(wrong, False, "Ann", told),
        thumb(right, True, "Ben", told),
        thumb(wrong, True, "Ben", told),
        thumb(wrong, False, "Cy", told),
        thumb("own data", True, "Cy", "own prompt"),
        thumb(right, None, "Di", told),
    ]
    found = agreement.measure(given)
    assert [(one.right, one.judged) for one in found.accuracies] == [(2, 2), (1, 1), (1, 2)]
    assert found.majority == agreement.Accuracy(2, 2)
    assert (found.people, found.unknown) == (3, 1)
    assert found.observed == pytest.approx(1 - 4 / 8)
    text = agreement.report(found)
    assert not any(name in text for name in ("Ann", "Ben", "Cy", "Di"))
    assert "student 1: 2 of 2 (100%)" in text
    assert "majority: 2 of 2 answers" in text
    assert "2 up" not in text.split("divides")[0]
    assert f"1 up, 2 down: “{wrong}”" in text
    assert "without a verdict: 1 thumbs" in text


def test_a_tie_has_no_majority_and_what_divides_most_comes_first():
    found = agreement.measure(
        [
            thumb(c, up, f"n{i}")
            for c, ups in (("a", "101"), ("b", "10"), ("c", "11"))
            for i, up in enumerate(u == "1" for u in ups)
        ]
    )
    assert [item.completion for item in found.votes] == ["b", "a", "c"]
    assert [item.majority for item in found.votes] == [None, True, True]
    assert [item.completion for item in agreement.divided(found, 5)] == ["b", "a"]


def test_nothing_at_all_is_said_plainly():
    text = agreement.report(agreement.measure([]))
    assert "0 annotators" in text
    assert "No answer has thumbs by two people" in text


def test_a_report_has_no_control_characters():
    given = [thumb("\x1b[31m" + "long " * 99, up, name) for name, up in (("Ann", True), ("Ben", False))]
    text = agreement.report(agreement.measure(given))
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert max(map(len, text.splitlines())) < 220
