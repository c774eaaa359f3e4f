"""Several endpoints of one model as one generator: who is free takes the next question.

Knows how to share questions out, to ask another endpoint what one has left without an answer, and to leave an
endpoint alone that answers nothing. Knows nothing about how one endpoint is asked, which
`helpers.synthesis.endpoint` does, nor about files: `helpers.synthesis.shards` keeps the answers of a fleet as
it keeps any generator's, and goes on after a crash.

Every question has the seed that a single endpoint would give it, so where the servers keep to seeds it does
not matter which of them answers.
"""

from __future__ import annotations

import sys
import threading
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from helpers.settings import CourseError
from helpers.synthesis import endpoint as single
from helpers.synthesis.endpoint import Counts, Endpoint
from helpers.synthesis.generate import Conversation, Generator

#: (endpoint, row, what came of it), in the order in which it came.
_Tries = list[tuple[int, int, Any]]


def fleet(generators: Sequence[Generator]) -> Generator:
    """Endpoints that run the same model, as one generator; nothing is sent before it is asked.

    Each endpoint has as many questions under way as its own `at_once` says, and tries a question again as
    often as its own `retries`; what is then still without an answer goes to the others, to each once. Its
    `answer` gives None where none of them had one, and says on standard error what went wrong at which
    endpoint; `generator.answer.counts` has the numbers of each endpoint.

    Args:
        generators: made by `helpers.synthesis.endpoint.endpoint`, alike but for their addresses and limits.

    Raises:
        CourseError: if there is none, one is no endpoint, two have one address, or their models differ.
    """
    if not generators:
        raise CourseError("A fleet needs at least one endpoint.")
    if not all(isinstance(one.answer, Endpoint) for one in generators):
        raise CourseError("A fleet is made of endpoints: make each with helpers.synthesis.endpoint.endpoint.")
    first = generators[0]
    for name in ("name", "revision", "license", "temperature"):
        differing = [one for one in generators if getattr(one, name) != getattr(first, name)]
        if differing:
            raise CourseError(
                f"The endpoints of a fleet run one model: {name} is {getattr(first, name)!r} at the first "
                f"and {getattr(differing[0], name)!r} at another."
            )
    endpoints = [one.answer for one in generators]
    if len({one.url for one in endpoints}) < len(endpoints):
        raise CourseError("Two endpoints of the fleet have the same address: name each once.")
    return Generator(first.name, first.revision, first.license, first.temperature, Fleet(endpoints))


@dataclass(eq=False)
class Fleet:
    """The `answer` of a fleet's generator; made by :func:`fleet`."""

    endpoints: list[Endpoint]

    @property
    def counts(self) -> dict[str, Counts]:
        """What became of the questions at each endpoint, by its address, over all calls so far.

        A question that two endpoints were asked counts at both.
        """
        return {one.place: one.counts for one in self.endpoints}

    def __call__(self, conversations: Sequence[Conversation], seed: int) -> list[str | None]:
        """Ask all questions; answers in their order, None where none came.

        Raises:
            CourseError: if there are questions and not one was answered.
        """
        if not conversations:
            return []
        with ExitStack() as stack:
            clients = [stack.enter_context(one._client()) for one in self.endpoints]
            tries = self._ask_all(clients, conversations, seed)
        texts = {row: reply.text for _, row, reply in tries if reply.text is not None}
        self._count(tries, len(texts), len(conversations))
        return [texts.get(row) for row in range(len(conversations))]

    def _ask_all(self, clients: Sequence[Any], conversations: Sequence[Conversation], seed: int) -> _Tries:
        """What came of every try."""
        work = _Work(len(conversations), [one.at_once for one in self.endpoints])
        tries: _Tries = []

        def ask(which: int) -> None:
            for row in work.rows_for(which):
                own_seed = zlib.crc32(b"%d %d" % (seed, row))  # as Endpoint has it
                reply = self.endpoints[which]._ask(clients[which], conversations[row], own_seed)
                tries.append((which, row, reply))
                work.done(which, row, reply.text is not None, reply.problem in single._HOPELESS)

        # Daemons, which an interrupted notebook does not wait for.
        threads = [
            threading.Thread(target=ask, args=(which,), daemon=True)
            for which, one in enumerate(self.endpoints)
            for _ in range(min(one.at_once, len(conversations)))
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            work.stop()
        return tries

    def _count(self, tries: _Tries, answered: int, asked: int) -> None:
        """Add to the counts, and say what went wrong."""
        said = []
        for which, one in enumerate(self.endpoints):
            replies = [reply for place, _, reply in tries if place == which]
            counts = single._counted(replies, len(replies))
            one._add(counts)
            if counts.failed:
                problem = counts.failed.most_common(1)[0][0]
                details = next(reply.details for reply in replies if reply.problem == problem)
                said.append(f"{one.place} {details}")
        if not answered:
            raise CourseError(f"No endpoint of the fleet answered: {'; '.join(said)}.")
        if said:
            print(f"{answered} of {asked} questions answered. {'. '.join(said)}.", file=sys.stderr)


@dataclass
class _Work:
    """Which questions are waiting, and for whom.

    A question that an endpoint has left without an answer waits for the others. An endpoint is left alone
    after a problem that no other question would be spared, or too many in a row, as `Endpoint` gives up.
    """

    count: int
    at_once: Sequence[int]
    waiting: deque[int] = field(init=False)
    failed_at: dict[int, set[int]] = field(init=False, default_factory=dict)
    under_way: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.waiting = deque(range(self.count))
        self.alive = set(range(len(self.at_once)))
        self.answered = [False] * len(self.at_once)
        self.in_a_row = [0] * len(self.at_once)
        self.changed = threading.Condition()

    def rows_for(self, which: int) -> Iterator[int]:
        """The questions for one thread of an endpoint, as long as there are any or may be."""
        while (row := self._next(which)) is not None:
            yield row

    def _next(self, which: int) -> int | None:
        with self.changed:
            while which in self.alive:
                row = next((row for row in self.waiting if which not in self.failed_at.get(row, ())), None)
                if row is not None:
                    self.waiting.remove(row)
                    self.under_way += 1
                    return row
                if not self.under_way:
                    return None  # nothing can come back any more
                self.changed.wait()
            return None

    def done(self, which: int, row: int, answered: bool, hopeless: bool) -> None:
        """A question came back from an endpoint."""
        with self.changed:
            self.under_way -= 1
            self.answered[which] |= answered
            self.in_a_row[which] = 0 if answered else self.in_a_row[which] + 1
            if not answered:
                self.failed_at.setdefault(row, set()).add(which)
                self.waiting.append(row)
                patience = max(single.GIVE_UP_AFTER, 2 * self.at_once[which])
                if (hopeless and not self.answered[which]) or self.in_a_row[which] >= patience:
                    self.alive.discard(which)
            self.changed.notify_all()

    def stop(self) -> None:
        with self.changed:
            self.alive.clear()
            self.changed.notify_all()
