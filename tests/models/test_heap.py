"""Large blocks go back to the system."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import psutil
from helpers.models.heap import map_large_blocks
print(map_large_blocks(1 << 20))
rss = lambda: psutil.Process().memory_info().rss
import torch
before = rss()
for _ in range(3):
    blocks = [torch.ones(2_000_000) for _ in range(20)]  # 8 MB each
    kept = blocks[10]
    del blocks
print(rss() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's own setting")
def test_freed_blocks_do_not_stay_in_the_heap() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env={**os.environ}
    )
    taken, grown = done.stdout.split()
    if taken == "True":
        assert int(grown) < 60e6  # one block of 8 MB is kept, and torch's own
