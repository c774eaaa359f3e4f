"""How many answers a second a fleet of endpoints gives, against the number of its servers.

Knows a server that stands in for a model: it answers like an OpenAI-compatible endpoint, a few questions at a
time, each after a fixed time in which it only waits, as for a GPU. Each server is a process of its own, which
``python -m helpers.course.bench_fleet`` is. So what is measured is the client and the machine's network, and
the limit is the CPU that both share with the servers; no model runs here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from helpers import settings
from helpers.course.bench_synthesis import Row

#: What one server does: so many answers at a time, each in so many seconds.
AT_ONCE, SECONDS = 4, 0.2
#: Four servers must be at least so many times as fast as one.
LEAST = 3.0


def fleet_rows(servers: tuple[int, ...] = (1, 2, 4), seconds: float = SECONDS, each: int = 40) -> list[Row]:
    """Answers a second for each number of servers, and the last's ratio to the first's.

    Args:
        servers: how many there are in each measurement, one first.
        seconds: that an answer takes.
        each: questions for every server there is.
    """
    from helpers.synthesis.endpoint import endpoint
    from helpers.synthesis.fleet import fleet

    rates = []
    for count in servers:
        with ExitStack() as stack:
            urls = [stack.enter_context(_server(seconds)) for _ in range(count)]
            generator = fleet([endpoint(url, "stand-in", 1.0, at_once=AT_ONCE) for url in urls])
            questions = [[{"role": "user", "content": f"question {row}"}] for row in range(each * count)]
            generator.answer(questions[: AT_ONCE * count], 0)  # connections, and the import of the client
            started = time.perf_counter()
            answers = generator.answer(questions, 0)
            rates.append(len(answers) / (time.perf_counter() - started))
    rows = [
        Row(f"fleet, {count} server{'s' * (count > 1)}", rate, "answers/s")
        for count, rate in zip(servers, rates, strict=True)
    ]
    ratio = rates[-1] / rates[0]
    return [*rows, Row("… against one", ratio, f"times as fast with {servers[-1]} servers", least=LEAST)]


@contextmanager
def _server(seconds: float) -> Iterator[str]:
    """The address of a server in a process of its own, which ends with the with-block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "helpers.course.bench_fleet", str(seconds)],
        cwd=settings.ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
    finally:
        process.kill()
        process.communicate()


def serve(seconds: float) -> None:
    """Answer on a free port of this machine, which is printed, until the process is ended."""
    places = threading.Semaphore(AT_ONCE)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each answer waits 40 ms for the client's kernel

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with places:
                time.sleep(seconds)
            message = {"role": "assistant", "content": request["messages"][-1]["content"]}
            body = json.dumps(
                {
                    "id": "stand-in",
                    "object": "chat.completion",
                    "created": 0,
                    "model": request["model"],
                    "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                }
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(float(sys.argv[1]))
