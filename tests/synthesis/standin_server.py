"""A stand-in for an OpenAI-compatible endpoint, on this machine: it answers, or fails as it is told to.

`StandIn` is the server, to be used in a with-block; the fixture `standin` gives one, in an environment
without a proxy. Each request is answered by the next of `plan`, and then by `normal`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Request = dict[str, Any]


@dataclass
class Behavior:
    """How one request is answered.

    Attributes:
        text: what the model says: a text, or a function of the request; None for an answer without text.
        finish: the finish reason.
        status: of HTTP. An error's body says `text`.
        headers: more of them, such as Retry-After.
        kind: the content type.
        body: sent in place of a chat completion.
        wait: seconds before anything is sent.
        drip: seconds between one byte of the body and the next.
        promise: bytes that the header promises over what is sent before the connection closes.
        hang_up: close the connection without a word.
    """

    text: str | Callable[[Request], str] | None = "a small orange cat"
    finish: str = "stop"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    body: bytes | None = None
    wait: float = 0.0
    drip: float = 0.0
    promise: int = 0
    hang_up: bool = False

    def bytes(self, request: Request) -> bytes:
        if self.body is not None:
            return self.body
        text = self.text(request) if callable(self.text) else self.text
        if self.status >= 400:
            return json.dumps({"error": {"message": text}}).encode()
        prompt = " ".join(message["content"] for message in request["messages"])
        message = {"role": "assistant", "content": text}
        return json.dumps(
            {
                "id": "chatcmpl-0",
                "object": "chat.completion",
                "created": 0,
                "model": request["model"],
                "system_fingerprint": "fp_standin",
                "choices": [{"index": 0, "message": message, "finish_reason": self.finish}],
                "usage": {
                    "prompt_tokens": len(prompt.split()),
                    "completion_tokens": len((text or "").split()),
                    "total_tokens": len(prompt.split()) + len((text or "").split()),
                },
            }
        ).encode()


def slow_down(after: float, text: str = "slow down") -> Behavior:
    """429 with a Retry-After of `after` seconds."""
    return Behavior(text, status=429, headers={"Retry-After": f"{after}"})


def failing(status: int, text: str = "internal", after: float = 0.01) -> Behavior:
    """An error of the server; a client that tries again does so after `after` seconds."""
    return Behavior(text, status=status, headers={"Retry-After": f"{after}"})


def half_json() -> Behavior:
    """The first half of a completion, as JSON, in a response that is complete by itself."""
    return Behavior(body=b'{"id": "chatcmpl-0", "choices": [{"index": 0, "message": {"role": "assist')


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that give up close their connections."""


class StandIn:
    """The server, on a free port of this machine.

    Attributes:
        url: as a client's base URL.
        plan: behaviors of the next requests.
        normal: the behavior when the plan is used up.
        requests: the bodies that came, in order.
        headers: their headers, by lower-case name.
        busiest: the most requests that were under way at the same time.
    """

    def __init__(self) -> None:
        self.plan: list[Behavior] = []
        self.normal = Behavior()
        self.requests: list[Request] = []
        self.headers: list[dict[str, str]] = []
        self.busiest = 0
        self._busy = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> StandIn:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def _take(self, request: Request, headers: dict[str, str]) -> Behavior:
        with self._lock:
            self.requests.append(request)
            self.headers.append(headers)
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
            return self.plan.pop(0) if self.plan else self.normal

    def _done(self) -> None:
        with self._lock:
            self._busy -= 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        standin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # or each answer waits 40 ms for the client's kernel

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                request = json.loads(self.rfile.read(length))
                behavior = standin._take(request, {k.lower(): v for k, v in self.headers.items()})
                if self.path != "/v1/chat/completions":
                    behavior = Behavior(f"no such path {self.path}", status=404)
                try:
                    self.reply(behavior, request)
                finally:
                    standin._done()

            def reply(self, behavior: Behavior, request: Request) -> None:
                standin._closing.wait(behavior.wait)
                if behavior.hang_up:
                    self.close_connection = True
                    return
                body = behavior.bytes(request)
                self.send_response(behavior.status)
                self.send_header("Content-Type", behavior.kind)
                self.send_header("Content-Length", str(len(body) + behavior.promise))
                for name, value in behavior.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if behavior.drip:
                    for byte in body:
                        self.wfile.write(bytes([byte]))
                        if standin._closing.wait(behavior.drip):
                            return
                else:
                    self.wfile.write(body)
                self.close_connection = self.close_connection or bool(behavior.promise)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with StandIn() as server:
        yield server
