"""What an instructor copies to set up a hub: it says what its README says, and refuses what it must."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import urllib.parse
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from traitlets.config import Config

from helpers import manifest, settings

HUB = settings.ROOT / "classroom" / "hub"
README = (HUB / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def room() -> ModuleType:
    """room.py, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("room", HUB / "room.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def configured(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Any:
    """What jupyterhub_config.py sets in this environment."""
    for name in ("COURSE_HOME", "COURSE_CACHE", "COURSE_CLASS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    config = Config()
    source = (HUB / "jupyterhub_config.py").read_text(encoding="utf-8")
    exec(compile(source, "jupyterhub_config.py", "exec"), {"get_config": lambda: config})
    return config


def test_a_room_is_closed_until_someone_opens_it(monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(monkeypatch)
    assert config.JupyterHub.bind_url.startswith("http://127.0.0.1:")
    assert config.PAMAuthenticator.allowed_groups == {"students", "instructors"}
    assert "allow_all" not in str(config)
    assert config.Spawner.mem_limit == "2G"
    assert "--KernelManager.transport=ipc" in config.Spawner.args


def test_what_the_instructor_set_reaches_the_students(monkeypatch: pytest.MonkeyPatch) -> None:
    given = configured(monkeypatch, ROOM_FOLDER="/room", COURSE_SEED="3").Spawner.environment
    assert given["COURSE_CACHE"] == "/room/cache"
    assert given["COURSE_CLASS"] == "/room/class"
    assert given["COURSE_SEED"] == "3"
    mine = configured(monkeypatch, ROOM_FOLDER="/room", COURSE_HOME="/me", COURSE_ENDPOINT_KEY="secret")
    assert mine.Spawner.environment["COURSE_HOME"].startswith("~/")
    assert "COURSE_ENDPOINT_KEY" not in mine.Spawner.environment
    assert given["COURSE_HOME"].startswith("~/")
    assert given["PATH"].startswith(str(Path(sys.executable).parent))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no names"),
        ("ann\nann\n", "ann stands in .* twice"),
        ("Ann\n", "'Ann' cannot be an account's name"),
        ("ann; reboot\n", "cannot be an account's name"),
        ("../root\n", "cannot be an account's name"),
        ("a" * 21 + "\n", "cannot be an account's name"),
        ("-ann\n", "cannot be an account's name"),
    ],
)
def test_a_bad_list_of_names_makes_no_account(
    room: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, text: str, sentence: str
) -> None:
    (tmp_path / "names.txt").write_text(text)
    commands = []
    monkeypatch.setattr(room, "_run", lambda *command, **_: commands.append(command))
    monkeypatch.setattr(room.os, "geteuid", lambda: 0, raising=False)
    assert room.main(["add", str(tmp_path / "names.txt")]) == 1
    assert re.search(sentence, capsys.readouterr().err)
    assert commands == []


def test_names_may_have_empty_lines_and_spaces_around(room: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text(" ann \n\nben-2\n")
    assert room.names_in(tmp_path / "names.txt") == ["ann", "ben-2"]


def test_an_account_that_fails_costs_no_other_its_password(
    room: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (tmp_path / "names.txt").write_text("ann\nben\ncleo\n")
    commands = []

    def run(*command: str, given: str | None = None) -> None:
        commands.append(command)
        if command[0] == "chpasswd" and given.startswith("ben:"):
            raise room.RoomError("chpasswd failed: no")
        if command[0] == "useradd":
            (tmp_path / command[-1]).mkdir()

    monkeypatch.setattr(room, "_run", run)
    monkeypatch.setattr(room, "_exists", lambda name: False)
    monkeypatch.setattr(room.os, "geteuid", lambda: 0, raising=False)
    assert room.main(["add", str(tmp_path / "names.txt"), "--homes", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()] == ["ann"]
    assert printed.err == "chpasswd failed: no\n"
    assert commands[-1] == ("userdel", "--remove", "ben")


def test_only_root_makes_accounts(room: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(room.os, "geteuid", lambda: 1000, raising=False)
    assert room.main(["folders"]) == 1
    assert capsys.readouterr().err == "Only root makes accounts; run this with sudo.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no groups of this kind")
def test_an_account_that_is_no_students_is_never_removed(
    room: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    import grp
    import pwd

    someone = pwd.getpwuid(0).pw_name
    (tmp_path / "names.txt").write_text(f"{someone}\n")
    commands = []
    monkeypatch.setattr(room, "_run", lambda *command, **_: commands.append(command))
    monkeypatch.setattr(room.os, "geteuid", lambda: 0)
    group = next(one.gr_name for one in grp.getgrall() if someone not in one.gr_mem)
    assert room.main(["remove", str(tmp_path / "names.txt"), "--students", group]) == 1
    assert "no account was removed" in capsys.readouterr().err
    assert commands == []


def test_the_readme_names_files_and_links_that_work() -> None:
    for name in re.findall(r"classroom/hub/([\w.]+)", README):
        assert (HUB / name).exists(), name
    (link,) = re.findall(r"https://\S+git-pull\?\S+", README)
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(link).query))
    assert set(asked) == {"repo", "branch", "targetpath", "urlpath"}
    opened = asked["urlpath"].removeprefix(f"lab/tree/{asked['targetpath']}/")
    assert (settings.ROOT / opened).exists()


def test_the_other_files_can_be_read_and_agree() -> None:
    overrides = json.loads((HUB / "default_setting_overrides.json").read_text(encoding="utf-8"))
    assert overrides["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    values = yaml.safe_load((HUB / "values.yaml").read_text(encoding="utf-8"))
    assert values["singleuser"]["image"]["tag"] == manifest.load().version
    assert values["singleuser"]["extraEnv"]["COURSE_CLASS"] == "/srv/cats-to-kto/class"
    pins = (HUB / "requirements.txt").read_text(encoding="utf-8")
    for pin in re.findall(r"(?:jupyterhub|nbgitpuller)==[\d.]+", README):
        assert pin in pins.splitlines()
