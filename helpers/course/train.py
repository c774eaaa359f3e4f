"""A training from the command line: ``python -m helpers train CONFIG.yaml``, in one process or in several.

Knows what to print, and that of several processes one speaks. Knows nothing about how a training is done.
"""

from __future__ import annotations

import os
from pathlib import Path

from helpers.settings import CourseError


def run(path: Path) -> int:
    """Train as a recipe says, or go on with it; say where the result lies. Returns 0, or 1 if it failed.

    Raises:
        CourseError: if the recipe cannot be used, or its training fails; in the first process only.
    """
    from helpers.preference import recipe as recipes

    first = os.environ.get("RANK", "0") == "0"
    try:
        recipe = recipes.read_recipe(path)
        trained = recipes.run_recipe(recipe)
    except CourseError:
        if first:
            raise
        return 1
    finally:
        _leave()
    if first:
        began, ended = trained.curve("loss")[0], trained.curve("loss")[-1]
        print(
            f"{recipe.method}, {trained.steps} steps: loss {began:.4g} at the first, {ended:.4g} at the last."
        )
        print(f"Result: {trained.weights}, with {recipes.LOG} and {recipes.RECIPE} in {trained.folder}.")
    return 0


def _leave() -> None:
    """Leave the group of processes, if there is one."""
    if "WORLD_SIZE" in os.environ:
        import torch.distributed

        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
