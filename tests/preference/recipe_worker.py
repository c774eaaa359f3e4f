"""One process of a training: runs the recipes that it is given, one after another.

With PAUSE in the environment it waits so many seconds at every step, so that a test can kill it meanwhile.
"""

from __future__ import annotations

import os
import sys
import time

import torch.distributed
from transformers import TrainerCallback

from helpers.preference.recipe import read_recipe, run_recipe


class Pause(TrainerCallback):
    def on_step_begin(self, *_, **__):
        time.sleep(float(os.environ.get("PAUSE", "0")))


if __name__ == "__main__":
    for path in sys.argv[1:]:
        run_recipe(read_recipe(path), callbacks=(Pause(),))
    torch.distributed.destroy_process_group()
