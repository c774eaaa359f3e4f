"""The doctor: before and after set-up, in a container, with something broken; one next command."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import settings
from helpers.course import doctor, setup
from helpers.course.doctor import BROKEN, NOTE, OK, Finding


def by_name(findings):
    return {finding.what: finding for finding in findings}


def test_here_all_that_is_essential_is_fine(capsys):
    assert doctor.run() == 0
    page = capsys.readouterr().out
    assert page.splitlines()[-1] == "Next: make lab" or not shutil.which("make")
    assert "packages" in page
    assert BROKEN not in page


def test_before_set_up(tmp_path, monkeypatch):
    (tmp_path / "requirements.txt").write_text("one==1\n")
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/make" if name == "make" else None)
    findings = doctor.examine(tmp_path)
    assert by_name(findings)["set-up"].text == "not done yet"
    assert doctor.next_command(findings, tmp_path) == "make run"


def test_without_make_the_plain_command(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert doctor.next_command([]).endswith("-m helpers setup")
    assert doctor.next_command([Finding(OK, "packages", "")]).endswith("-m helpers lab")


def test_it_runs_on_a_python_with_nothing_installed():
    """As on a stranger's machine: isolated from site-packages, not inside .venv."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
        "from helpers.course import doctor; print(doctor._machine(Path(sys.argv[1]))[0].text)"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(settings.ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "cores" in result.stdout


def test_little_memory_is_broken(monkeypatch):
    monkeypatch.setattr(doctor, "memory_gb", lambda: 1.0)
    findings = doctor._machine(settings.ROOT)
    assert by_name(findings)["memory"].state == BROKEN
    assert "mend" in doctor.next_command(findings)


def test_a_containers_limit_counts(tmp_path):
    assert doctor._memory_limit(tmp_path) is None
    (tmp_path / "memory.max").write_text("max\n")
    assert doctor._memory_limit(tmp_path) is None
    (tmp_path / "memory.max").write_text(f"{2 * 2**30}\n")
    assert doctor._memory_limit(tmp_path) == 2.0


def test_wrong_and_missing_packages_are_named(tmp_path):
    (tmp_path / "requirements.txt").write_text("numpy==0.0.1\nnot-there==1\nnor-this==1\npillow==0\n")
    finding = doctor._packages(tmp_path)
    assert finding.state == BROKEN
    assert "numpy is " in finding.text
    assert "not-there is missing and 2 more" in finding.text
    assert doctor.next_command([finding]).endswith(("make run", "setup"))


def test_a_wrong_tier_is_named(monkeypatch):
    monkeypatch.setenv("COURSE_TIER", "huge")
    assert doctor._tier().state == BROKEN
    assert "gpu24" in doctor._tier().text


def test_a_wrong_seed_is_named(monkeypatch):
    monkeypatch.setenv("COURSE_SEED", "x")
    findings = doctor.examine()
    assert by_name(findings)["seed"].state == BROKEN
    assert "COURSE_SEED must be a whole number" in by_name(findings)["seed"].text
    monkeypatch.setenv("COURSE_SEED", "3")
    assert "seed" not in by_name(doctor.examine())


@pytest.mark.parametrize("set_up", [True, False])
def test_a_file_in_place_of_the_learners_folder_is_named(monkeypatch, tmp_path, set_up):
    (tmp_path / "requirements.txt").write_text("one==1\n")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file"))
    finding = by_name(doctor.examine(settings.ROOT if set_up else tmp_path))["cache"]
    assert finding.state == BROKEN
    assert "file is a file; set COURSE_HOME to a folder" in finding.text


def test_the_disk_must_hold_what_set_up_brings(monkeypatch, tmp_path):
    (tmp_path / "requirements.txt").write_text("one==1\n")
    usage = shutil.disk_usage(tmp_path)
    for gigabytes, state in ((5, BROKEN), (9, OK)):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, n=gigabytes: usage._replace(free=n * 2**30))
        monkeypatch.setattr(setup, "torch_build", lambda: "cuda")
        assert by_name(doctor._machine(tmp_path))["disk"].state == state
    assert by_name(doctor._machine(settings.ROOT))["disk"].state == OK


def test_the_page_names_no_user(monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(Path.home() / "somewhere"))
    assert "COURSE_HOME=~" in doctor._variables()[0].text
    assert str(Path.home()) not in doctor._cache().text


def test_no_gpu_is_only_a_note(monkeypatch):
    monkeypatch.setattr(doctor, "gpu", lambda: None)
    assert by_name(doctor._machine(settings.ROOT))["GPU"].state == NOTE


def test_a_gpu_that_does_not_answer_is_none(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi")

    def hang(*arguments, **options):
        raise subprocess.TimeoutExpired("nvidia-smi", 10)

    monkeypatch.setattr(subprocess, "run", hang)
    assert doctor.gpu() is None


@pytest.mark.parametrize("version", [(3, 9, 1)])
def test_an_old_python_is_broken(monkeypatch, version):
    monkeypatch.setattr(setup, "too_old", lambda: "The course needs Python 3.11 or newer, and this is 3.9.1.")
    assert by_name(doctor._machine(settings.ROOT))["Python"].state == BROKEN
