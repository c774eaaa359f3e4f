"""Downloading beforehand: everything of a tier, into a folder that is carried to a room with no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.course import fetch
from helpers.models.hub import HUB
from helpers.models.tiers import current_tier
from helpers.settings import ROOT, CourseError
from tests.models.standin_hub import FILM_MODELS, MODELS, build_standin_data, build_standin_hub, hub_at

__all__ = ["hub_at"]


@pytest.fixture(scope="module")
def whole_hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `fetch` fills it, with the tiny stand-ins of all models and data."""
    hub = tmp_path_factory.mktemp("hub")
    build_standin_hub(hub, tmp_path_factory.mktemp("plain"), MODELS | FILM_MODELS)
    build_standin_data(hub)
    return hub


def course(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    return subprocess.run(
        [sys.executable, "-m", "helpers", "fetch", *arguments],
        cwd=ROOT,
        env={**kept, "COURSE_HOME": str(home / "course"), "HF_HOME": str(home / "hf"), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_copied_folder_serves_a_room_without_network(whole_hub: Path, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    shutil.copytree(whole_hub, stick, symlinks=True)
    done = course(tmp_path, "--tier", "gpu", "--into", str(stick), HF_HUB_OFFLINE="1")
    assert (done.returncode, done.stderr) == (0, "")
    ready = [line.split()[0] for line in done.stdout.splitlines() if " is ready (" in line]
    assert ready == [
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        "HuggingFaceTB/SmolLM2-360M-Instruct",
        "openai/clip-vit-base-patch32",
        "MCG-NJU/videomae-small-finetuned-kinetics",
        "microsoft/xclip-base-patch32",
        "trl-lib/kto-mix-14k",
        "ContextualAI/ultrafeedback_clair_32k",
    ]
    assert "CC-BY-NC-4.0 (not for commercial use)" in done.stdout
    assert f"All is in {stick}." in done.stdout


def test_what_cannot_be_had_is_named_and_the_rest_is_kept(whole_hub: Path, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    shutil.copytree(whole_hub, stick, symlinks=True)
    shutil.rmtree(stick / "models--microsoft--xclip-base-patch32")
    shutil.rmtree(stick / "datasets--trl-lib--kto-mix-14k")
    done = course(tmp_path, "--tier", "gpu24", "--into", str(stick), HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 2
    assert "microsoft/xclip-base-patch32 is not used: the hub at http://127.0.0.1:9" in done.stderr
    assert "trl-lib/kto-mix-14k is not used: the hub at http://127.0.0.1:9 does not answer" in done.stderr
    assert done.stdout.count(" is ready (") == 5
    assert "Qwen/Qwen2.5-0.5B-Instruct is ready" in done.stdout
    assert done.stdout.endswith("2 are missing. Run the same command again: what is there stays.\n")


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    done = course(tmp_path, "--into", str(tmp_path / "taken"), HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert done.stderr.endswith("name another with --into.\n")
    assert done.stderr.count("\n") == 1


def test_a_disk_that_is_too_small_is_told_before_the_first_byte(
    tmp_path: Path,
    hub_at: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hub_at(tmp_path)
    monkeypatch.setenv("COURSE_TIER", "gpu")
    full = shutil.disk_usage(tmp_path)._replace(free=300 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: full)
    with pytest.raises(CourseError, match="has 300 MB left, and the downloads need about"):
        fetch.run()
    assert capsys.readouterr() == ("", "")


def test_the_tiers_ask_only_for_what_the_table_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}
    for name in ("gpu", "gpu24"):
        monkeypatch.setenv("COURSE_TIER", name)
        asked[name] = set(fetch._models(current_tier()))
        assert asked[name] <= set(HUB)
    assert asked["gpu"] ^ asked["gpu24"] == {"smollm2-360m", "qwen2.5-0.5b"}
