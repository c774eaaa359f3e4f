"""Two processes of one training on this machine, over gloo: started, watched, and ended by their tests.

`start` starts a worker script once per rank; `finish` waits for all and gives what they printed. Only
processes that were started here are ever ended.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from helpers import settings

#: Seconds after which a test gives up on its processes.
PATIENCE = 150


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(**more: str) -> dict[str, str]:
    """This one's, with one thread, no bars, and the CPU as device."""
    plain = {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "COURSE_TIER": "cpu", "HF_HUB_OFFLINE": "1"}
    return {**os.environ, **plain, "PYTHONPATH": str(settings.ROOT), **more}


def start(worker: Path, *arguments: str, count: int = 2, **more: str) -> list[subprocess.Popen[str]]:
    """One process per rank, which find each other on a free port."""
    group = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), **more}
    return [
        subprocess.Popen(
            [sys.executable, str(worker), *arguments],
            cwd=settings.ROOT,
            env=environment(RANK=str(rank), LOCAL_RANK=str(rank), **group),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]


def finish(processes: list[subprocess.Popen[str]]) -> list[str]:
    """What each printed; fails with their errors if one failed, and ends them all if one takes too long."""
    try:
        said = [process.communicate(timeout=PATIENCE) for process in processes]
    finally:
        end(processes)
    failed = [errors for process, (_, errors) in zip(processes, said, strict=True) if process.returncode]
    assert not failed, failed[0][-3000:]
    return [output for output, _ in said]


def end(processes: list[subprocess.Popen[str]]) -> None:
    """SIGKILL, where they still run: no handler, no farewell."""
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
