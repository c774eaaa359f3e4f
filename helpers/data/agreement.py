"""Agreement: how far people who gave thumbs to the same answers agree, beyond chance, and with the world.

Knows Cohen's and Fleiss' kappa, their limits, and the world's exact verdict. Knows nothing about files, and
nothing about training. Whoever is listed here has no name: a rank at most.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from helpers import world
from helpers.data.thumbs import Thumb
from helpers.figures import short
from helpers.settings import CourseError
from helpers.world import Scene

#: Fewer answers than this give no interval: leaving out one of them would change too much.
FEWEST_ITEMS = 6
#: Two people need this many answers in common for a kappa of the two.
FEWEST_IN_COMMON = 5
#: With more people than this the pairs are not gone through one by one; Fleiss' kappa says it in one number.
MOST_PEOPLE = 100

_RECORD = re.compile(r"(\w+) (\w+) (\w+), ([\w ]+), (\w+)")


@dataclass(frozen=True)
class Votes:
    """What people said about one answer; skips are not counted."""

    prompt: str
    completion: str
    ups: int
    downs: int

    @property
    def raters(self) -> int:
        return self.ups + self.downs

    @property
    def majority(self) -> bool | None:
        """The thumb of most of them; None for a tie."""
        return None if self.ups == self.downs else self.ups > self.downs


@dataclass(frozen=True)
class Kappa:
    """A kappa with its 95% interval, either of which may be None; `why` says so in one sentence."""

    value: float | None
    interval: tuple[float, float] | None = None
    why: str = ""


@dataclass(frozen=True)
class Accuracy:
    """Of `judged` thumbs whose answer the world has a verdict on, `right` agree with it."""

    right: int
    judged: int

    @property
    def share(self) -> float:
        return self.right / self.judged


@dataclass(frozen=True)
class Agreement:
    """All of it.

    Attributes:
        votes: every answer with a thumb, those that divide people most first.
        people: how many gave a thumb up or down.
        observed: of all pairs of thumbs on one answer by two people, the share that agree; None without any.
        fleiss: Fleiss' kappa of all.
        cohen: Cohen's kappa of each two people with enough answers in common, where it is defined.
        undefined: how many such pairs have none, because both said the same thing about everything.
        accuracies: each person's, highest first, without names; those without any judged thumb are left out.
        majority: the majority's.
        unknown: thumbs on prompts that are no record of this world: there is no verdict on them.
    """

    votes: list[Votes]
    people: int
    observed: float | None
    fleiss: Kappa
    cohen: list[float]
    undefined: int
    accuracies: list[Accuracy]
    majority: Accuracy | None
    unknown: int


# --- kappa --------------------------------------------------------------------------------------------------


def votes_of(thumbs: Iterable[Thumb]) -> list[Votes]:
    """The thumbs by answer, in the order of their first thumb."""
    counts: dict[tuple[str, str], list[int]] = {}
    for thumb in thumbs:
        if thumb.label is not None:
            counts.setdefault(thumb.key, [0, 0])[0 if thumb.label else 1] += 1
    return [Votes(*key, *both) for key, both in counts.items()]


def fleiss(votes: Iterable[Votes]) -> Kappa:
    """Fleiss' kappa of thumbs up and down, with a 95% interval from leaving out one answer at a time.

    With m_i thumbs on answer i, x_i of them up, and p the share of ups among all:

        kappa = 1 − Σ x_i (m_i − x_i) / m_i / (Σ (m_i − 1) · p (1 − p))

    Where every answer has equally many thumbs this is the kappa of Fleiss, *Measuring nominal scale agreement
    among many raters*, 1971. For unequal numbers it is the generalization of Fleiss and Cuzick, *The
    reliability of dichotomous judgments: unequal numbers of judges per subject*, 1979. Answers with one thumb
    say nothing about agreement and are left out.

    The interval is the jackknife's, with Student's t. For twenty answers it covers what it should more often
    than percentiles of resampled answers do. It speaks of other answers, judged by the same people.
    """
    import numpy as np
    from scipy.special import stdtrit  # the quantiles of t; scipy.stats would take a second to import

    shared = [item for item in votes if item.raters > 1]
    if not shared:
        return Kappa(None, why="No answer has thumbs by two people, so there is nothing to compare.")
    ups = np.array([item.ups for item in shared], float)
    raters = np.array([item.raters for item in shared], float)
    apart = ups * (raters - ups) / raters
    count = len(shared)
    value = float(_kappa(ups.sum(), raters.sum(), apart.sum(), count))
    if np.isnan(value):
        which = "up" if ups.any() else "down"
        return Kappa(
            None, why=f"All thumbs are {which}, so chance alone would agree as much: kappa is undefined."
        )
    if count < FEWEST_ITEMS:
        return Kappa(value, why=f"No interval: it needs {FEWEST_ITEMS} answers with two thumbs or more.")
    without = _kappa(ups.sum() - ups, raters.sum() - raters, apart.sum() - apart, count - 1)
    if np.isnan(without).any():
        return Kappa(value, why="No interval: nearly all thumbs are of one kind.")
    error = float(np.sqrt((count - 1) * without.var()))
    half = float(stdtrit(count - 1, 0.975)) * error
    return Kappa(value, (max(-1.0, value - half), min(1.0, value + half)))


def _kappa(ups, thumbs, apart, answers):
    """The formula above, from its sums; NaN where all thumbs are of one kind."""
    import numpy as np

    share = np.asarray(ups / thumbs)
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa = 1 - apart / ((thumbs - answers) * share * (1 - share))
    return np.where((share == 0) | (share == 1), np.nan, kappa)


def cohen(thumbs: Iterable[Thumb]) -> tuple[list[float], int]:
    """Cohen's kappa of each two people with enough answers in common, and how many of them have none."""
    from sklearn.metrics import cohen_kappa_score

    said: dict[str, dict[tuple[str, str], bool]] = {}
    for thumb in thumbs:
        if thumb.label is not None:
            said.setdefault(thumb.annotator, {})[thumb.key] = thumb.label
    values, undefined = [], 0
    if len(said) > MOST_PEOPLE:
        return [], 0
    for one, two in combinations(said.values(), 2):
        common = [key for key in one if key in two]
        if len(common) < FEWEST_IN_COMMON:
            continue
        first, second = [one[key] for key in common], [two[key] for key in common]
        if len({*first, *second}) == 1:
            undefined += 1
        else:
            values.append(float(cohen_kappa_score(first, second, labels=[False, True])))
    return values, undefined


# --- the world's verdict ------------------------------------------------------------------------------------


def scene_told(prompt: str) -> Scene | None:
    """The scene whose record a prompt is, or None: then the world has no verdict on the answer."""
    words = _RECORD.fullmatch(prompt)
    if words is None:
        return None
    size, color, kind, verb, place = words.groups()
    try:
        return Scene(kind, color, size, place, verb)
    except CourseError:
        return None


def verdict(prompt: str, completion: str) -> bool | None:
    """The thumb that the world gives: up for what is true and complete; None for a prompt without a scene."""
    scene = scene_told(prompt)
    if scene is None:
        return None
    found = world.verify(completion, scene)
    return found.true and found.complete


def measure(thumbs: Sequence[Thumb]) -> Agreement:
    """How far these thumbs agree with each other and with the world. One thumb per person and answer."""
    given = [thumb for thumb in thumbs if thumb.label is not None]
    votes = votes_of(given)
    pairs = sum(item.raters * (item.raters - 1) for item in votes)
    apart = sum(2 * item.ups * item.downs for item in votes)
    truth = {(item.prompt, item.completion): verdict(item.prompt, item.completion) for item in votes}
    by_person: dict[str, list[bool]] = {}
    for thumb in given:
        if (wanted := truth[thumb.key]) is not None:
            by_person.setdefault(thumb.annotator, []).append(thumb.label == wanted)
    decided = [
        item.majority == wanted
        for item in votes
        if item.majority is not None and (wanted := truth[item.prompt, item.completion]) is not None
    ]
    kappas, undefined = cohen(given)
    accuracies = [Accuracy(sum(right), len(right)) for right in by_person.values()]
    return Agreement(
        votes=sorted(votes, key=lambda item: (-min(item.ups, item.downs) / item.raters, -item.raters)),
        people=len({thumb.annotator for thumb in given}),
        observed=1 - apart / pairs if pairs else None,
        fleiss=fleiss(votes),
        cohen=kappas,
        undefined=undefined,
        accuracies=sorted(accuracies, key=lambda one: (-one.share, -one.judged)),
        majority=Accuracy(sum(decided), len(decided)) if decided else None,
        unknown=sum(truth[thumb.key] is None for thumb in given),
    )


# --- in words -----------------------------------------------------------------------------------------------


def fleiss_words(found: Agreement) -> str:
    """Fleiss' kappa in one sentence."""
    kappa = found.fleiss
    if kappa.value is None:
        return kappa.why
    words = f"Fleiss' kappa is {short(kappa.value)}"
    if kappa.interval is None:
        return f"{words}. {kappa.why}"
    low, high = map(short, kappa.interval)
    return f"{words}, 95% interval [{low}, {high}] (1: all agree; 0: as often as by chance)."


def cohen_words(found: Agreement) -> str:
    """Cohen's kappas in one sentence."""
    none = f" {found.undefined} more have none: both gave one and the same thumb to all."
    if found.people > MOST_PEOPLE:
        return f"Cohen's kappa is not gone through for more than {MOST_PEOPLE} people."
    if not found.cohen:
        if found.undefined:
            return f"Cohen's kappa is undefined for all {found.undefined} pairs: each gave one thumb to all."
        return f"No two people judged {FEWEST_IN_COMMON} answers in common, so there is no Cohen's kappa."
    middle, low, high = statistics.median(found.cohen), min(found.cohen), max(found.cohen)
    count = len(found.cohen)
    words = f"Cohen's kappa of {count} pair{'' if count == 1 else 's'} of people"
    words += f": median {short(middle)}, from {short(low)} to {short(high)}."
    return words + (none if found.undefined else "")


def divided(found: Agreement, longest: int) -> list[Votes]:
    """The answers that divide people most; those on which all agree are none of them."""
    return [item for item in found.votes if item.ups and item.downs][:longest]


def report(found: Agreement, longest: int = 10) -> str:
    """The agreement in lines of plain text, without names."""
    shared = sum(item.raters > 1 for item in found.votes)
    lines = ["", f"Agreement: {found.people} annotators, {shared} answers with thumbs by two or more"]
    if found.observed is not None:
        lines.append(f"  Two thumbs on one answer agree in {found.observed:.0%} of cases.")
    lines += [f"  {fleiss_words(found)}", f"  {cohen_words(found)}"]
    worst = divided(found, longest)
    if worst:
        lines.append("  What divides them most:")
        lines += [f"    {v.ups} up, {v.downs} down: {_plain(v.completion, v.prompt)}" for v in worst]
    if found.majority or found.accuracies:
        lines.append("Against the world's verdict (up: all true, nothing left out)")
    if found.majority:
        lines.append(f"  majority: {found.majority.right} of {found.majority.judged} answers")
    lines += [
        f"  student {rank}: {one.right} of {one.judged} ({one.share:.0%})"
        for rank, one in enumerate(found.accuracies, start=1)
    ]
    if found.accuracies:
        lines.append("  (from the highest to the lowest; who is who is not kept)")
    if found.unknown:
        lines.append(f"  without a verdict: {found.unknown} thumbs, as their prompts are no records here")
    return "\n".join(lines)


def _plain(completion: str, prompt: str) -> str:
    """Both in one line for a terminal, without control characters, cut where long."""

    def one(text: str) -> str:
        line = "".join(letter if letter.isprintable() else " " for letter in text)
        return line if len(line) <= 80 else f"{line[:79]}…"

    return f"“{one(completion)}” for “{one(prompt)}”"
