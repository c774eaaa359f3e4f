"""Generators behind a network: any OpenAI-compatible endpoint (vLLM, TGI, llama.cpp's server, a paid one).

Knows how to ask many questions at once, what went wrong and how often, and JSON in answers. Knows nothing
about what is asked. The package `openai` does the talking: it tries again, ever more slowly or when the
server says, after a lost connection, a time-out, 408, 409, 429 and 5xx (`openai._base_client`).

The key comes from an environment variable, goes nowhere but to the endpoint, and is never shown or stored.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
import zlib
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from helpers.settings import CourseError
from helpers.synthesis.generate import Conversation, Generator

if TYPE_CHECKING:
    import openai

URL_VARIABLE, MODEL_VARIABLE = "COURSE_ENDPOINT", "COURSE_ENDPOINT_MODEL"
KEY_VARIABLE = "COURSE_ENDPOINT_KEY"

RETRIES = 4  # of one question: about 8 seconds of waiting in all, where the server asks for none
CONNECT_SECONDS = 10.0
#: So many questions in a row without an answer, and the others are not asked; at least twice `at_once`.
GIVE_UP_AFTER = 8
LARGEST_ANSWER = 2**22  # bytes of the whole response
SHOWN_CHARACTERS = 120  # of what a server says about an error
_OBJECTS_TRIED = 100  # opening braces in one answer

#: Problems that no other question would be spared, while nothing has been answered yet.
_HOPELESS = {"no connection", "timed out", "key refused", "not found"}


@dataclass
class Counts:
    """What became of the questions to an endpoint, over all calls so far.

    Attributes:
        asked: questions; each was answered, failed or was given up.
        answered: with a text, perhaps an empty one.
        cut: answered, but cut at the longest allowed length.
        failed: problem -> questions that it left without an answer.
        given_up: not sent, because too many before them had failed.
        retried: requests that were sent again.
        read, written: tokens, as the endpoint counts them; 0 where it does not say.
        served: what the endpoint says it runs: names of models, with a fingerprint where there is one.
    """

    asked: int = 0
    answered: int = 0
    cut: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    given_up: int = 0
    retried: int = 0
    read: int = 0
    written: int = 0
    served: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        """One plain sentence."""
        parts = [f"{self.answered} of {self.asked} questions answered"]
        parts += [f"{count} × {problem}" for problem, count in self.failed.most_common()]
        notes = {
            "not asked any more": self.given_up,
            "cut at the longest length": self.cut,
            "sent again": self.retried,
        }
        parts += [f"{count} × {note}" for note, count in notes.items() if count]
        return ", ".join(parts) + "."


@dataclass(frozen=True)
class _Reply:
    """What came of one question: a text, or a problem in two words and in a sentence."""

    text: str | None = None
    problem: str = ""
    details: str = ""
    cut: bool = False
    retried: int = 0
    read: int = 0
    written: int = 0
    served: str = ""


def endpoint(
    url: str,
    model: str,
    temperature: float,
    longest: int = 256,
    timeout: float = 60.0,
    at_once: int = 8,
    retries: int = RETRIES,
    revision: str = "unknown",
    license: str = "unknown",
    key_variable: str = KEY_VARIABLE,
) -> Generator:
    """An OpenAI-compatible endpoint as a generator; nothing is sent before it is asked.

    Its `answer` gives None for a question that stays without an answer, and says on standard error how many
    did and why; `generator.answer.counts` has the numbers. It raises a CourseError, one sentence, only where
    nothing was answered at all. Every question gets a random seed of its own, made of the seed given and its
    place, so that the same prompt twice is answered twice; whether the same seed gives the same answer is up
    to the endpoint.

    Args:
        url: of the API, which usually ends in ``/v1``: ``http://localhost:8000/v1``.
        model: as the endpoint calls it.
        longest: tokens after which an answer is cut.
        timeout: seconds in which each request must be answered.
        at_once: questions under way at the same time.
        retries: of one question.
        revision, license: of the model, for the provenance of what it writes. An endpoint does not tell.
        key_variable: the environment variable with the key; where it is not set, the
            word "none" is sent.

    Raises:
        CourseError: if the address is none, or a number is out of range.
    """
    if not _is_address(url):
        raise CourseError(
            f"An endpoint's address looks like http://localhost:8000/v1, not {_clean(str(url)) or 'nothing'}."
        )
    if not model:
        raise CourseError("Name the model that the endpoint is to run, as the endpoint calls it.")
    for what, number in {"timeout": timeout, "at_once": at_once, "longest": longest}.items():
        if not number > 0:
            raise CourseError(f"{what} must be more than 0, not {number}.")
    if retries < 0:
        raise CourseError(f"retries must be 0 or more, not {retries}.")
    answer = Endpoint(url, model, temperature, longest, timeout, at_once, retries, key_variable)
    return Generator(model, revision, license, temperature, answer)


def from_environment(temperature: float, **options: Any) -> Generator | None:
    """The endpoint that ``COURSE_ENDPOINT`` and ``COURSE_ENDPOINT_MODEL`` name; None if there is none.

    Args:
        options: of :func:`endpoint`.

    Raises:
        CourseError: if only the model is missing, or the address is none.
    """
    url = os.environ.get(URL_VARIABLE, "").strip()
    if not url:
        return None
    model = os.environ.get(MODEL_VARIABLE, "").strip()
    if not model:
        raise CourseError(f"{URL_VARIABLE} is set, but {MODEL_VARIABLE} is not: name the model that it runs.")
    return endpoint(url, model, temperature, **options)


@dataclass(eq=False)
class Endpoint:
    """The `answer` of an endpoint's generator; made by :func:`endpoint`. Keeps counts, and never the key."""

    url: str = field(repr=False)  # it may hold a password
    model: str
    temperature: float
    longest: int
    timeout: float
    at_once: int
    retries: int
    key_variable: str
    counts: Counts = field(default_factory=Counts)

    def __call__(self, conversations: Sequence[Conversation], seed: int) -> list[str | None]:
        """Ask all questions, `at_once` at a time; answers in their order, None where none came.

        Raises:
            CourseError: if there are questions and not one was answered.
        """
        if not conversations:
            return []
        with self._client() as client:
            replies = self._ask_all(client, conversations, seed)
        counts = _counted(list(replies.values()), len(conversations))
        self._add(counts)
        if counts.failed:
            problem = counts.failed.most_common(1)[0][0]
            details = next(reply.details for reply in replies.values() if reply.problem == problem)
            if not counts.answered:
                raise CourseError(f"{self.place} {details}.")
            print(f"{self.place}: {counts} Most often, it {details}.", file=sys.stderr)
        return [replies[row].text if row in replies else None for row in range(len(conversations))]

    @property
    def place(self) -> str:
        """The address as it may be shown: without a user, a password or a query."""
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = f":{parts.port}" if parts.port else ""
        return _clean(f"{parts.scheme}://{host}{port}{parts.path}")

    # --- plumbing -------------------------------------------------------------------------------------------

    def _key(self) -> str:
        key = os.environ.get(self.key_variable, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise CourseError(f"{self.key_variable} holds a character that no key has: copy the key again.")
        return key

    def _client(self) -> openai.OpenAI:
        import openai

        client = openai.OpenAI(
            base_url=self.url,
            api_key=self._key() or "none",  # the package insists on one, and would take OPENAI_API_KEY
            timeout=openai.Timeout(self.timeout, connect=min(self.timeout, CONNECT_SECONDS)),
            max_retries=self.retries,
        )
        # The package read these from the environment, for OpenAI; this may be somebody else's machine.
        client.organization = client.project = client.admin_api_key = None
        return client

    def _ask_all(
        self, client: openai.OpenAI, conversations: Sequence[Conversation], seed: int
    ) -> dict[int, _Reply]:
        """What came of each question that was sent, by its place."""
        waiting = deque(range(len(conversations)))
        replies: dict[int, _Reply] = {}
        lock = threading.Lock()
        answered, in_a_row = False, 0

        def keep(row: int, reply: _Reply) -> None:
            nonlocal answered, in_a_row
            replies[row] = reply
            answered = answered or reply.text is not None
            in_a_row = 0 if reply.text is not None else in_a_row + 1
            hopeless = not answered and reply.problem in _HOPELESS
            if hopeless or in_a_row >= max(GIVE_UP_AFTER, 2 * self.at_once):
                waiting.clear()

        def work() -> None:
            while True:
                with lock:
                    if not waiting:
                        return
                    row = waiting.popleft()
                reply = self._ask(client, conversations[row], zlib.crc32(b"%d %d" % (seed, row)))
                with lock:
                    keep(row, reply)

        # Daemons, which an interrupted notebook does not wait for: concurrent.futures would.
        count = min(self.at_once, len(conversations))
        threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            with lock:
                waiting.clear()
        return replies

    def _ask(self, client: openai.OpenAI, conversation: Conversation, seed: int) -> _Reply:
        """What came of one question; never raises."""
        import openai

        deadline, retried = math.inf, 0
        try:
            with client.chat.completions.with_streaming_response.create(
                model=self.model,
                messages=conversation,
                temperature=self.temperature,
                max_tokens=self.longest,
                seed=seed & 0x7FFFFFFF,
            ) as response:
                deadline, retried = time.monotonic() + self.timeout, response.retries_taken
                body = bytearray()
                for piece in response.iter_bytes():
                    body += piece
                    if time.monotonic() > deadline:  # a drop now and then never times out by itself
                        return self._timed_out(retried)
                    if len(body) > LARGEST_ANSWER:
                        details = f"sent more than {LARGEST_ANSWER:,} bytes"
                        return _Reply(problem="too large", details=details, retried=retried)
                return _read(bytes(body), response.headers.get("content-type", ""), retried)
        except openai.APITimeoutError as error:
            return self._timed_out(_retried(error))
        except openai.APIStatusError as error:
            return self._refused(error)
        except openai.APIConnectionError as error:
            why = self._quoted(str(error.__cause__ or error))
            details = f"cannot be reached ({why}): start the server, or see whether there is a network"
            return _Reply(problem="no connection", details=details, retried=_retried(error))
        except Exception as error:  # one question must not take the others' answers with it
            if time.monotonic() > deadline:
                return self._timed_out(retried)
            why = self._quoted(f"{type(error).__name__}: {error}")
            return _Reply(problem="broken off", details=f"broke off ({why})", retried=retried)

    def _quoted(self, text: str) -> str:
        """What a server or a library said, fit to be shown: without the key, which both may repeat."""
        key = os.environ.get(self.key_variable, "").strip()
        return _clean(text.replace(key, "•••") if key else text)

    def _timed_out(self, retried: int) -> _Reply:
        details = f"did not answer within {self.timeout:g} seconds: raise timeout, or ask fewer at once"
        return _Reply(problem="timed out", details=details, retried=retried)

    def _refused(self, error: openai.APIStatusError) -> _Reply:
        """A status that is an error, in words."""
        status = error.status_code
        says = self._quoted(_message(error.response))
        quoted = f"{status}: {says}" if says else f"{status}"
        if status in (401, 403):
            sent = os.environ.get(self.key_variable, "").strip()
            what = "refused the key in" if sent else "wants a key: put it into"
            problem, details = (
                "key refused",
                f"{what} the environment variable {self.key_variable} ({quoted})",
            )
        elif status == 404:
            problem = "not found"
            details = (
                f"knows no model {self.model!r}, or its address is not complete: most end in /v1 ({quoted})"
            )
        elif status == 429:
            problem = "too many requests"
            details = f"asked to slow down ({quoted}): wait a while, or ask fewer at once"
        elif status >= 500:
            problem, details = "server error", f"has a problem of its own ({quoted})"
        else:
            problem, details = f"refused with {status}", f"refused the request ({quoted})"
        return _Reply(problem=problem, details=details, retried=_retried(error))

    def _add(self, more: Counts) -> None:
        total = self.counts
        total.failed.update(more.failed)
        total.served |= more.served
        for name in ("asked", "answered", "cut", "given_up", "retried", "read", "written"):
            setattr(total, name, getattr(total, name) + getattr(more, name))


def _counted(replies: list[_Reply], asked: int) -> Counts:
    came = [reply for reply in replies if reply.text is not None]
    return Counts(
        asked=asked,
        answered=len(came),
        cut=sum(reply.cut for reply in came),
        failed=Counter(reply.problem for reply in replies if reply.text is None),
        given_up=asked - len(replies),
        retried=sum(reply.retried for reply in replies),
        read=sum(reply.read for reply in came),
        written=sum(reply.written for reply in came),
        served={reply.served for reply in came if reply.served},
    )


def _read(body: bytes, kind: str, retried: int) -> _Reply:
    """The reply in the body of a successful response."""
    try:
        completion = json.loads(body)
    except (ValueError, RecursionError):
        if "json" in kind:
            details = "sent half a JSON object, or a broken one"
            return _Reply(problem="half a JSON object", details=details, retried=retried)
        completion = None
    if isinstance(completion, dict) and completion.get("error"):
        return _Reply(problem="server error", details="sent an error in place of an answer", retried=retried)
    if not isinstance(completion, dict) or not isinstance(completion.get("choices"), list):
        details = (
            f"sent something that is no chat completion ({_clean(kind) or 'of no type'}): "
            "is the address right? It usually ends in /v1"
        )
        return _Reply(problem="no chat completion", details=details, retried=retried)
    choice = _first(completion["choices"])
    text = _mapping(choice.get("message")).get("content")
    if not isinstance(text, str):
        why = _clean(str(choice.get("finish_reason") or "it does not say why"))
        return _Reply(problem="no text", details=f"sent an answer without text ({why})", retried=retried)
    usage = _mapping(completion.get("usage"))
    names = [completion.get("model"), completion.get("system_fingerprint")]
    return _Reply(
        text=text,
        cut=choice.get("finish_reason") == "length",
        retried=retried,
        read=_whole(usage.get("prompt_tokens")),
        written=_whole(usage.get("completion_tokens")),
        served=_clean(" ".join(name for name in names if isinstance(name, str))),
    )


def json_answers(answers: Iterable[str | None]) -> tuple[list[dict[str, Any] | None], Counter[str]]:
    """The JSON object in each answer, or None; and how many answers have none, by problem.

    A fence of code and prose around the object are passed over. Nothing is guessed: an object that breaks off
    (the answer was cut at its longest length) counts as half, with all that is in it.
    """
    objects, problems = [], Counter[str]()
    for answer in answers:
        found, problem = (None, "no answer") if answer is None else _object(answer)
        objects.append(found)
        if problem:
            problems[problem] += 1
    return objects, problems


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


#: Takes the line ends that models write inside of texts, and no NaN.
_DECODER = json.JSONDecoder(strict=False, parse_constant=_refuse)


def _object(text: str) -> tuple[dict[str, Any] | None, str]:
    """The first whole object of a text, or why there is none."""
    start = text.find("{")
    for _ in range(_OBJECTS_TRIED):
        if start < 0:
            break
        try:
            return _DECODER.raw_decode(text, start)[0], ""
        except json.JSONDecodeError as error:
            if error.msg.startswith("Unterminated string") or text.find("}", error.pos) < 0:
                return None, "half a JSON object"
            # After the error, never before it: what stands there is inside of the object that is broken.
            start = text.find("{", max(error.pos, start + 1))
        except (ValueError, RecursionError):  # a number of thousands of digits, or thousands of brackets
            break
    return None, "no JSON object"


def _is_address(url: Any) -> bool:
    if not (isinstance(url, str) and url.isprintable() and " " not in url):
        return False
    try:
        parts = urlsplit(url)
        parts.hostname.encode("idna")  # a name that can be looked up
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (ValueError, AttributeError):
        return False


def _retried(error: openai.APIError) -> int:
    """How often the request that failed in the end had been sent again, which the package notes in it."""
    text = error.request.headers.get("x-stainless-retry-count", "0")
    return int(text) if text.isdecimal() else 0


def _message(response: Any) -> str:
    """What the server said about an error, or nothing: a page of HTML is not shown."""
    try:
        body = _mapping(response.json())
    except Exception:  # whatever it was, it is no message
        return ""
    error = body.get("error")
    said = [error, _mapping(error).get("message"), body.get("message"), body.get("detail")]
    return next((text for text in said if isinstance(text, str)), "")


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _first(values: list[Any]) -> dict[str, Any]:
    return _mapping(values[0]) if values else {}


def _whole(value: Any) -> int:
    return value if type(value) is int and value > 0 else 0


def _clean(text: str, longest: int = SHOWN_CHARACTERS) -> str:
    """One printable line, cut, without a full stop at its end."""
    line = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return (line if len(line) <= longest else f"{line[: longest - 1]}…").rstrip(".")
