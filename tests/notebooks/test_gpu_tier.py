"""Every lesson on the GPU tier: each line that a graphics card would run but the weights, on this CPU.

A local hub cache holds tiny random models of the real classes under the real ids, and a few rows of each
public data set. What is measured is nonsense, so nothing is judged; that it runs, and on those models, is
the test.
"""

from __future__ import annotations

from typing import Any

import pytest

from helpers import settings
from helpers.course import build, execute
from helpers.manifest import LessonEntry, load
from tests.models.standin_hub import FILM_MODELS, MODELS, build_standin_data, build_standin_hub
from tests.notebooks.conftest import PATIENCE

MANIFEST = load()
#: What `hub_folder` and its kin say where a model or a file is missing.
MISSING = "is not used:"
#: What a lesson's outputs must name, where they name their models and data at all.
NAMED = {
    "03": ["clip-vit-base-patch32"],
    "04": ["SmolLM2-360M-Instruct"],
    "09": ["trl-lib/kto-mix-14k", "ContextualAI/ultrafeedback_clair_32k"],
    "11": ["clip-vit-base-patch32", "videomae-small", "xclip-base", "SmolVLM2-256M"],
    "13": ["SmolVLM2-256M"],
}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a machine of the GPU tier whose downloads are done and whose network is gone."""
    hub, plain = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("plain")
    build_standin_hub(hub, plain, MODELS | FILM_MODELS)
    build_standin_data(hub)
    home = tmp_path_factory.mktemp("home")
    return {
        "COURSE_TIER": "gpu",
        "COURSE_SMOKE": "1",
        "COURSE_HOME": str(home),
        "COURSE_PROGRESS": str(home / "progress.json"),
        "HF_HUB_CACHE": str(hub),
        "HF_HUB_OFFLINE": "1",
    }


def said(built: Any) -> str:
    """Everything that the cells showed, as text or as HTML."""
    outputs = [output for cell in built.cells for output in cell.get("outputs", [])]
    return "\n".join(
        str(output.get("text", output.get("data", {}).get("text/html", ""))) for output in outputs
    )


@pytest.mark.notebooks
@pytest.mark.parametrize("entry", MANIFEST.lessons, ids=lambda entry: entry.id)
def test_the_solution_runs_on_the_hubs_models(entry: LessonEntry, machine: dict[str, str]) -> None:
    built = build.notebook(entry, MANIFEST, settings.ROOT, solution=True)
    folder = settings.ROOT / "build" / "tests"
    status, problem, _, _ = execute.execute(
        built,
        folder / "gpu",
        folder,
        environment=execute.kernel_environment(folder, machine),
        seconds=PATIENCE * entry.seconds,
        peak_mb=entry.peak_mb,
    )
    assert (status, problem) == ("passed", "")
    text = said(built)
    assert "tier gpu" in text
    assert MISSING not in text
    assert [name for name in NAMED.get(entry.id, []) if name not in text] == []
