"""Duplicates: rows that say what an earlier row said, word for word or nearly.

Knows texts, MinHash and locality-sensitive hashing (package datasketch). Knows nothing about why rows repeat
each other. What is compared is up to you: in text from templates most words are the template's, so different
facts look alike; compare the facts then, and measure with :func:`false_positive_rate`.

Two texts are near duplicates if their sets of word runs have a Jaccard similarity of `threshold` or more.
The hashes only propose pairs (Broder, "On the resemblance and containment of documents", 1997; the bands are
those of Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3); every proposed pair is then
compared as it is. So nothing is called a near duplicate that is none, and a few are missed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from helpers.settings import CourseError, quiet
from helpers.synthesis.stages import Table, require_table
from helpers.synthesis.texts import Text, normalized, runs, text_of, texts, words

if TYPE_CHECKING:
    from datasketch import MinHash

#: What a pair proposed in vain costs, against one that is missed: a missed one stays in the data.
_WEIGHTS = (0.2, 0.8)
#: The bands propose pairs as for this threshold where a higher one is asked for: finer ones miss a third.
_FINEST = 0.85
_FEWEST_HASHES = 16


# --- stages -------------------------------------------------------------------------------------------------


def without_exact(data: Table, text: Text = "completion") -> Table:
    """The rows whose text no earlier row has, but for capitals, spaces and forms of Unicode; in order.

    Streams too: it remembers 16 bytes of each text that it has seen.
    """

    def is_new() -> Callable[[str], bool]:
        seen: set[bytes] = set()

        def new(found: str) -> bool:
            before = len(seen)
            seen.add(fingerprint(found))
            return len(seen) > before

        return new

    return _in_order(data, text, is_new)


def without_near(
    data: Table,
    text: Text = "completion",
    threshold: float = 0.7,
    run: int = 3,
    num_perm: int = 128,
    seed: int = 1,
) -> Table:
    """The rows whose text is no near duplicate of an earlier row's that was kept; in order.

    Streams too: it remembers the texts and hashes that it keeps. See :class:`Index` for the settings.
    """
    Index(threshold, run, num_perm, seed)  # refuse wrong settings now, not when a stream is read

    def is_new() -> Callable[[str], bool]:
        index = Index(threshold, run, num_perm, seed)
        return lambda found: index.find_or_add(len(index), found) is None

    return _in_order(data, text, is_new)


def _in_order(data: Table, text: Text, is_new: Callable[[], Callable[[str], bool]]) -> Table:
    """The rows whose texts are new to a function that remembers; each pass over a stream gets its own."""
    quiet()
    from datasets import IterableDataset

    require_table(data)
    if not isinstance(data, IterableDataset):
        new = is_new()
        return data.select([number for number, found in enumerate(texts(data, text)) if new(found)])

    def rows() -> Iterator[dict[str, Any]]:
        new = is_new()
        return (row for row in data if new(text_of(row, text)))

    return IterableDataset.from_generator(rows, features=data.features)


# --- what is compared ---------------------------------------------------------------------------------------


def fingerprint(text: str) -> bytes:
    """16 bytes that exact duplicates share, and other texts do not."""
    return hashlib.blake2b(normalized(text).encode(errors="surrogatepass"), digest_size=16).digest()


def similarity(one: str, other: str, run: int = 3) -> float:
    """Jaccard similarity of two texts' sets of runs of `run` words: shared / all, from 0 to 1."""
    return _jaccard(_shingles(one, run), _shingles(other, run))


class Index:
    """Texts that can be asked for one that nearly is a given one, in about constant time.

    Args:
        threshold: Jaccard similarity from which two texts are near duplicates, above 0 and at most 1.
        run: how many neighboring words are one item of a text's set.
        num_perm: hashes per text, 16 or more; more of them miss fewer pairs and take longer.
        seed: of the hashes.

    Raises:
        CourseError: if one of these cannot be.
    """

    def __init__(self, threshold: float = 0.7, run: int = 3, num_perm: int = 128, seed: int = 1) -> None:
        if not 0 < threshold <= 1:
            raise CourseError(f"threshold is a similarity above 0 and at most 1, not {threshold!r}.")
        if run < 1 or num_perm < _FEWEST_HASHES:
            raise CourseError(
                f"run must be at least 1 word and num_perm at least {_FEWEST_HASHES} hashes, not {run!r} and "
                f"{num_perm!r}."
            )
        from datasketch import MinHash, MinHashLSH

        self.threshold, self.run = threshold, run
        self._blank = MinHash(num_perm=num_perm, seed=seed)
        self._tables = MinHashLSH(min(threshold, _FINEST), num_perm, weights=_WEIGHTS)
        self._texts: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, key: int, text: str) -> None:
        """Add a text under a number that no other has."""
        self._insert(key, text, self._hashed(_shingles(text, self.run)))

    def find(self, text: str) -> int | None:
        """The lowest key of the near duplicates of `text`, None if there is none."""
        own = _shingles(text, self.run)
        return self._first(own, self._hashed(own))

    def find_or_add(self, key: int, text: str) -> int | None:
        """What `find` gives; where that is None, the text is added as `key`."""
        own = _shingles(text, self.run)
        hashed = self._hashed(own)
        found = self._first(own, hashed)
        if found is None:
            self._insert(key, text, hashed)
        return found

    def _hashed(self, own: set[str]) -> MinHash:
        hashed = self._blank.copy()
        hashed.update_batch([item.encode(errors="surrogatepass") for item in own])
        return hashed

    def _first(self, own: set[str], hashed: MinHash) -> int | None:
        for key in sorted(self._tables.query(hashed)):
            if _jaccard(own, _shingles(self._texts[key], self.run)) >= self.threshold:
                return key
        return None

    def _insert(self, key: int, text: str, hashed: MinHash) -> None:
        self._tables.insert(key, hashed, check_duplication=False)
        self._texts[key] = text


# --- what was found -----------------------------------------------------------------------------------------


def twins(
    found: Iterable[str], threshold: float = 0.7, run: int = 3, num_perm: int = 128, seed: int = 1
) -> list[int | None]:
    """For each text, the number (from 0) of the earlier kept text that it nearly repeats; None keeps it."""
    index = Index(threshold, run, num_perm, seed)
    return [index.find_or_add(number, text) for number, text in enumerate(found)]


def naive_twins(found: Iterable[str], threshold: float = 0.7, run: int = 3) -> list[int | None]:
    """As :func:`twins`, missing none, by comparing every text with all kept ones: for tests and timings."""
    kept: dict[int, set[str]] = {}
    repeated: list[int | None] = []
    for number, text in enumerate(found):
        own = _shingles(text, run)
        twin = next((key for key, other in kept.items() if _jaccard(own, other) >= threshold), None)
        repeated.append(twin)
        if twin is None:
            kept[number] = own
    return repeated


def false_positive_rate(repeated: Sequence[int | None], contents: Sequence[Any]) -> float:
    """The share of new rows that are taken for repetitions: flagged rows with new content / rows with it.

    Args:
        repeated: for each row what it is said to repeat, as :func:`twins` gives it.
        contents: what each row says, hashable; a row is new if no earlier row says the same.

    Raises:
        CourseError: if the two differ in length, or there is no row.
    """
    if len(repeated) != len(contents) or not contents:
        raise CourseError(
            f"There are {len(repeated)} rows and {len(contents)} contents: need as many, and some."
        )
    first: dict[Any, int] = {}
    for number, content in enumerate(contents):
        first.setdefault(content, number)
    new = [repeated[number] is not None for number in first.values()]
    return sum(new) / len(new)


def _shingles(text: str, run: int) -> set[str]:
    return set(runs(words(text), run))


def _jaccard(one: set[str], other: set[str]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
