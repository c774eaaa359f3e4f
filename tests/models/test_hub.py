"""The way to the hub: what is on this machine first, then the hub, quickly or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from helpers.models import hub
from helpers.models.hub import HUB, hub_folder, local_folder
from helpers.settings import ROOT
from tests.models.standin_hub import MODELS, save_language_model, store_snapshot

SMALL = "HuggingFaceTB/SmolLM2-135M-Instruct"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
# Asks for the small model, then for one not to be had; prints the seconds of both and the first's folder.
ASK = """
import time
import huggingface_hub
from helpers.models.hub import hub_folder
start = time.perf_counter()
folder = hub_folder("smollm2-135m")
assert hub_folder("clip") is None
print(time.perf_counter() - start, folder)
"""


def ask(home: Path, **environment: str) -> tuple[float, str, str]:
    """Seconds, folder ("None" without one) and standard error of `hub_folder` in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    proxies = {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    answer = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        env={**kept, **proxies, "HF_HOME": str(home), "COURSE_HOME": str(home / "course"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    seconds, folder = answer.stdout.split()
    return float(seconds), folder, answer.stderr


def test_the_table_is_complete() -> None:
    for key, model in HUB.items():
        assert key == key.lower()
        assert model.id.count("/") == 1
        assert model.revision is None or len(model.revision) == 40
        assert model.kind in {"language model", "image and text", "video", "video and text"}
        assert 10 < model.size_mb < 20_000
        assert model.license
        assert model.used_for
    assert set(MODELS) <= {model.id for model in HUB.values()}


def test_a_downloaded_model_is_found_without_the_network(standin_hub: Path, no_network: None) -> None:
    for key in ("smollm2-135m", "smollm2-360m", "qwen2.5-0.5b"):
        folder = hub_folder(key)
        assert folder is not None
        assert folder.is_relative_to(standin_hub)
        assert (folder / "model.safetensors").is_file()


def test_what_is_missing_offline_costs_one_line(
    standin_hub: Path, no_network: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hub_folder("xclip") is None
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "microsoft/xclip-base-patch32 is not used: it is not on this machine, "
        "and HF_HUB_OFFLINE forbids a download.\n"
    )
    assert local_folder("xclip") is None
    assert capsys.readouterr().err == ""


def test_an_interrupted_download_is_not_a_model(hub_at: Callable[[Path], None], tmp_path: Path) -> None:
    hub_at(tmp_path / "hub")
    plain = tmp_path / "plain"
    save_language_model(plain, "llama")
    snapshot = store_snapshot(tmp_path / "hub", SMALL, plain)
    assert local_folder("smollm2-135m") == snapshot
    weights = snapshot / "model.safetensors"
    blob = weights.resolve()
    weights.unlink()
    assert local_folder("smollm2-135m") is None

    # In shards: all of those that the index names must be there.
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    (snapshot / "model-1.safetensors").symlink_to(blob)
    assert local_folder("smollm2-135m") is None
    (snapshot / "model-2.safetensors").symlink_to(blob)
    assert local_folder("smollm2-135m") == snapshot


def test_an_archive_is_kept_as_safetensors_in_the_course_cache(standin_hub: Path, tmp_path: Path) -> None:
    folder = hub_folder("clip")
    assert folder is not None
    assert folder.is_relative_to(tmp_path / "home" / "cache")
    names = {path.name for path in folder.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= names
    assert not {"pytorch_model.bin"} & names
    assert hub_folder("clip") == folder


def test_a_hub_that_refuses_costs_one_line(tmp_path: Path) -> None:
    seconds, folder, said = ask(tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert folder == "None"
    assert seconds < 5
    assert said.count("\n") == 2  # one for each model
    assert f"{SMALL} is not used: the hub at http://127.0.0.1:9 could not be reached" in said


def test_a_hub_that_never_answers_costs_seconds(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        seconds, folder, said = ask(tmp_path, HF_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert folder == "None"
    assert seconds < 2 * hub.CONNECT_SECONDS  # it waited for one of the two models only
    assert said.count("\n") == 2
    assert "could not be reached a moment ago" in said.splitlines()[1]


def test_a_name_server_that_never_answers_costs_seconds(
    hub_at: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from huggingface_hub import constants

    hub_at(tmp_path / "hub")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(hub, "_unreached", {})
    # Such a look-up obeys no time-out of the request.
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: time.sleep(3))
    start = time.perf_counter()
    assert hub_folder("xclip") is None
    assert time.perf_counter() - start < 2.5
    assert "could not be reached within" in capsys.readouterr().err


def test_offline_mode_is_respected(tmp_path: Path) -> None:
    seconds, folder, said = ask(tmp_path, HF_HUB_OFFLINE="1", HF_ENDPOINT="http://127.0.0.1:9")
    assert folder == "None"
    assert seconds < hub.CONNECT_SECONDS
    assert "HF_HUB_OFFLINE" in said


def digest(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@pytest.fixture
def http_hub(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A hub over HTTP that holds the tiny small model; gives its address and the files that were fetched."""
    plain = tmp_path / "served"
    save_language_model(plain, "llama")
    (plain / "pytorch_model.bin").write_bytes(b"an archive that nobody should fetch")
    fetched: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path.startswith(f"/api/models/{SMALL}"):
                files = sorted(plain.iterdir())
                answer: object = {
                    "id": SMALL,
                    "sha": COMMIT,
                    "siblings": [{"rfilename": f.name} for f in files],
                }
                if "/tree/" in path:
                    answer = [
                        {
                            "type": "file",
                            "path": f.name,
                            "size": f.stat().st_size,
                            "oid": digest(f.read_bytes()),
                        }
                        for f in files
                    ]
                self.answer(json.dumps(answer).encode(), "application/json", {})
                return
            file = plain / path.rpartition("/")[2]
            if not path.startswith(f"/{SMALL}/resolve/") or not file.is_file():
                self.send_error(404)
                return
            body = file.read_bytes()
            tag = {"ETag": f'"{digest(body)}"', "X-Repo-Commit": COMMIT}
            if self.command == "GET":
                fetched.append(file.name)
            self.answer(body, "application/octet-stream", tag)

        do_HEAD = do_GET  # noqa: N815

        def answer(self, body: bytes, kind: str, headers: dict[str, str]) -> None:
            self.send_response(200)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", fetched
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_model_is_downloaded_once_without_its_archive(
    http_hub: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, fetched = http_hub
    home = tmp_path / "home"
    _, folder, said = ask(home, HF_ENDPOINT=address)
    assert folder != "None", said
    assert Path(folder).name == COMMIT
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(fetched)
    assert "pytorch_model.bin" not in fetched
    # A model that this hub does not have does not count as a hub out of reach.
    assert f"the hub at {address} refused it (HfHubHTTPError)" in said

    before = list(fetched)
    assert ask(home, HF_ENDPOINT="http://127.0.0.1:9")[1] == folder  # now from this machine
    assert fetched == before
