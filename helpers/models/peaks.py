"""Peak memory of a training step, measured: the very step, in a fresh process.

Knows how to start `helpers.models.peak_worker` and read what it says. Knows nothing about predictions.

What is measured: the resident memory of the process at its highest during one step, less what it held after
its imports (torch, transformers, and peft or bitsandbytes where the job needs them) and one step of a model
of 64 units, which starts the libraries' own buffers. Weights, reference and the optimizer's state are built
after that baseline, and the count of the peak starts anew (Linux) once they stand, so that what only their
making took does not count.

The process runs with one thread, and with ``MALLOC_MMAP_THRESHOLD_`` fixed at 128 KB: every larger tensor goes
back to the system the moment it is freed. By its own rule glibc keeps freed tensors up to 32 MB in a heap
with holes, and the same step holds more, by how much differs from step to step; `measure` shows that too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, fields

from helpers import settings
from helpers.models import peak_worker
from helpers.models.jobs import Job
from helpers.settings import CourseError


@dataclass(frozen=True)
class Measured:
    """What one step took.

    Attributes:
        peak: bytes, above what the process held before the model was made.
        held: bytes of weights, reference and the optimizer's state, before the step.
        seconds: of the step, by the clock, without the making of anything; more on a busy machine.
        cpu_seconds: of the one thread's work for the step.
        tokens_per_second: tokens trained on (both sequences of a pair) by `cpu_seconds`.
    """

    peak: int
    held: int
    seconds: float
    cpu_seconds: float
    tokens_per_second: float


def measure(job: Job, glibc_heap: bool = False) -> Measured:
    """Take one training step of `job` on the CPU in a fresh process, and say what it held at most.

    Args:
        glibc_heap: let the C library keep freed tensors by its own rule (see above).

    Raises:
        CourseError: if the process fails, most often for want of memory.
    """
    values = {field.name: getattr(job, field.name) for field in fields(job)} | {"config": dict(job.values)}
    command = [sys.executable, "-m", peak_worker.__name__, json.dumps(values)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    for name in [name for name in environment if name.startswith("MALLOC_")]:
        del environment[name]
    if not glibc_heap:
        environment["MALLOC_MMAP_THRESHOLD_"] = str(128 * 1024)
    done = subprocess.run(
        command, cwd=settings.ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"])[-1]
        raise CourseError(f"The step could not be measured; a smaller job may fit this machine ({why}).")
    found = json.loads(done.stdout.splitlines()[-1])
    tokens = job.tokens * job.accumulation
    return Measured(tokens_per_second=tokens / found["cpu_seconds"], **found)
