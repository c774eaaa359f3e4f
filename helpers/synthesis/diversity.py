"""Diversity: how much of a set of texts is not the same again, by four measures.

Knows texts, similarities and points. Knows nothing about whether the texts are right: nonsense is diverse.
All four depend on how many texts there are, so compare sets of one size.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers.settings import CourseError
from helpers.synthesis.texts import runs, words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]


def distinct_n(texts: Sequence[str], n: int = 2) -> float:
    """Different runs of `n` words / all runs of `n` words, 0 to 1; higher is more diverse.

    Li et al., "A diversity-promoting objective function for neural conversation models" (2016). Texts of
    fewer words have no such run; 0 if none has.
    """
    found = [run for text in texts if len(split := words(text)) >= n for run in runs(split, n)]
    return len(set(found)) / len(found) if found else 0.0


def self_bleu(texts: Sequence[str], most: int = 500, seed: int = 0) -> float:
    """The mean BLEU-4 of each text against all others, 0 to 1; *lower* is more diverse.

    Zhu et al., "Texygen" (2018), with sacrebleu's BLEU of a sentence: exponential smoothing, and only the
    orders up to 4 that a text is long enough for. In linear, not quadratic, time: against "all others" a run
    may count as often as in that other text which has it most.

    Args:
        most: of more texts, this many drawn by `seed` stand for all.

    Raises:
        CourseError: if there are fewer than two texts.
    """
    if len(texts) < 2:
        raise CourseError("Self-BLEU compares texts with each other: it needs at least two.")
    if len(texts) > most:
        texts = random.Random(seed).sample(list(texts), most)
    split = [words(text) for text in texts]
    orders = [[Counter(_tuples(found, n)) for found in split] for n in range(1, 5)]
    highest = [_two_highest(counters) for counters in orders]
    lengths = Counter(len(found) for found in split)
    return float(
        np.mean(
            [
                _bleu(
                    [
                        (_matches(counters[i], top, i), counters[i].total())
                        for counters, top in zip(orders, highest, strict=True)
                    ],
                    len(found),
                    _closest(len(found), lengths),
                )
                for i, found in enumerate(split)
            ]
        )
    )


def similarities(texts: Sequence[str], n: int = 2) -> Floats:
    """Cosine similarity of the texts' counts of runs of 1 to `n` words: (texts, texts), from 0 to 1.

    A text without words is like nothing but itself.
    """
    from scipy.sparse import csr_matrix

    places: dict[str, int] = {}
    rows, columns, values = [], [], []
    for row, text in enumerate(texts):
        found = words(text)
        counts = Counter(
            run for length in range(1, n + 1) if len(found) >= length for run in runs(found, length)
        )
        norm = math.sqrt(sum(count**2 for count in counts.values()))
        for run, count in counts.items():
            rows.append(row)
            columns.append(places.setdefault(run, len(places)))
            values.append(count / norm)
    unit = csr_matrix((values, (rows, columns)), shape=(len(texts), max(1, len(places))))
    found = (unit @ unit.T).toarray()
    np.fill_diagonal(found, 1.0)
    return found


def vendi(similarity: Floats) -> float:
    """How many different texts the set is worth: from 1 (all the same) to n (nothing shared).

    The exponential of the entropy of the eigenvalues of K / n. Friedman and Dieng, "The Vendi score" (2023),
    equation 2.

    Args:
        similarity: K: (n, n), symmetric, positive semi-definite, with ones on the diagonal.

    Raises:
        CourseError: if it is not of that form.
    """
    kernel = np.asarray(similarity, dtype=np.float64)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or not kernel.size:
        raise CourseError(f"The Vendi score needs a square matrix of similarities, not shape {kernel.shape}.")
    if not np.allclose(np.diag(kernel), 1.0) or not np.allclose(kernel, kernel.T):
        raise CourseError("The Vendi score needs symmetric similarities, with 1 of each text with itself.")
    values = np.linalg.eigvalsh(kernel / len(kernel))
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


def coverage(made: Floats, real: Floats, k: int = 5) -> float:
    """The share of real points that have a made point nearer than their k-th nearest real neighbor, 0 to 1.

    Naeem et al., "Reliable fidelity and diversity metrics for generative models" (2020), equation 4.

    Args:
        made, real: embeddings, (n, d) and (m, d).

    Raises:
        CourseError: if they are not of that shape, none is made, or not more than `k` are real.
    """
    from sklearn.neighbors import NearestNeighbors

    made, real = np.asarray(made), np.asarray(real)
    if made.ndim != 2 or real.ndim != 2 or not len(made) or len(real) <= k:
        raise CourseError(f"Coverage needs some made points and more than {k} real ones, a row each.")
    radius = NearestNeighbors(n_neighbors=k + 1).fit(real).kneighbors(real)[0][:, -1]  # itself is the first
    nearest = NearestNeighbors(n_neighbors=1).fit(made).kneighbors(real)[0][:, 0]
    return float((nearest <= radius).mean())


# --- BLEU ---------------------------------------------------------------------------------------------------

_Run = tuple[str, ...]


def _tuples(found: list[str], n: int) -> list[_Run]:
    return [tuple(found[start : start + n]) for start in range(len(found) - n + 1)]


def _two_highest(counters: list[Counter[_Run]]) -> dict[_Run, tuple[int, int, int]]:
    """Of each run the highest count in a text, that text's number, and the highest count in another text."""
    top: dict[_Run, tuple[int, int, int]] = {}
    for number, counter in enumerate(counters):
        for run, count in counter.items():
            first, owner, second = top.get(run, (0, -1, 0))
            top[run] = (count, number, first) if count > first else (first, owner, max(second, count))
    return top


def _matches(counter: Counter[_Run], top: dict[_Run, tuple[int, int, int]], own: int) -> int:
    """How many of a text's runs other texts have too, each no more often than the one that has it most."""
    total = 0
    for run, count in counter.items():
        first, owner, second = top[run]
        total += min(count, second if owner == own else first)
    return total


def _closest(length: int, lengths: Counter[int]) -> int:
    """The length of another text that is closest to this one's; of two the shorter."""
    others = [other for other, count in lengths.items() if count > (other == length)]
    return min(others, key=lambda other: (abs(other - length), other))


def _bleu(orders: list[tuple[int, int]], length: int, reference: int) -> float:
    """BLEU of one text, from (matches, runs) of each order; smoothed as by default in sacrebleu."""
    logs, smooth = [], 1.0
    for matches, total in orders:
        if not total:
            break
        if not matches:
            smooth *= 2
        logs.append(math.log(matches / total if matches else 1 / (smooth * total)))
    if not logs or not any(matches for matches, _ in orders):
        return 0.0
    brevity = min(1.0, math.exp(1 - reference / length))
    return brevity * math.exp(sum(logs) / len(logs))
