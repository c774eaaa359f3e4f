"""A training from the command line: ``python -m helpers train CONFIG.yaml``, in one process or in several.

Knows what to print, that of several processes one speaks, and that one process takes one GPU. Knows nothing
about how a training is done.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.settings import CourseError


def run(path: Path) -> int:
    """Train as a recipe says, or go on with it; say where the result lies. Returns 0, or 1 if it failed.

    Raises:
        CourseError: if the recipe cannot be used, or its training fails; in the first process only.
    """
    from helpers.preference import recipe as recipes

    first = os.environ.get("RANK", "0") == "0"
    if "WORLD_SIZE" not in os.environ:  # left to itself, one process would copy the model to all GPUs
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    try:
        recipe = recipes.read_recipe(path)
        with _memory_explained():
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


@contextmanager
def _memory_explained() -> Iterator[None]:
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise CourseError(
            "The GPU's memory is full: halve micro_batch_size, set checkpointing to true or trained to "
            "qlora, and name another output folder."
        ) from error


def _leave() -> None:
    """Leave the group of processes, if there is one."""
    if "WORLD_SIZE" in os.environ:
        import torch.distributed

        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
