"""The manifest: reading, choosing, refusing what contradicts itself."""

from __future__ import annotations

import tomllib

import pytest

import helpers
from helpers.manifest import address_parts, load, set_address
from helpers.settings import CourseError


def test_the_courses_own_manifest_is_sound():
    manifest = load()
    assert manifest.version == helpers.__version__
    ids = sorted(entry.id for entry in (*manifest.lessons, *manifest.planned))
    assert ids == [f"{i:02}" for i in range(15)]


def test_fields_and_paths(course):
    manifest = load(course.root)
    first, second = manifest.lessons
    assert (first.minutes_core, first.minutes_full, first.seconds, first.peak_mb) == (10, 25, 30, 600)
    assert second.requires == ("00",)
    assert not first.planned
    assert manifest.planned[0].planned
    assert first.learner(course.root).name == "00_first.ipynb"


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ([], ["00", "01"]),
        (["1"], ["01"]),
        (["01 00"], ["00", "01"]),
        (["01,00", "00"], ["00", "01"]),
        (["01_second"], ["01"]),
    ],
)
def test_choose(course, wanted, ids):
    assert [entry.id for entry in load(course.root).choose(wanted)] == ids


def test_choosing_an_unknown_lesson_names_the_known_ones(course):
    with pytest.raises(CourseError, match="'07'; choose among 00 01"):
        load(course.root).choose(["7"])


def test_a_planned_lesson_is_said_to_be_planned(course):
    with pytest.raises(CourseError, match="Lesson 02 is planned and does not exist yet; choose among 00 01"):
        load(course.root).choose(["2"])


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('requires = ["00"]', 'requires = ["02"]', "does not come before"),
        ('id = "02"', 'id = "00"', "two lessons '00'"),
        ('name = "01_second"', 'name = "second"', "must be 01_"),
        ("core = 10", "core = 99", "0 < core <= full"),
        ("peak_mb = 600", "", "lacks the field 'peak_mb'"),
        ("[course]", "[course", "cannot be read"),
        ('repository = ""', 'repository = "ftp://x/y"', "is not an address"),
        ('repository = ""', "repository = 3", "repository must be a text in quotes, not 3"),
        ('title = "First"', "title = ['a']", "title must be a text"),
        ("core = 10", "core = 2.5", "core must be a whole number, not 2.5"),
        ("core = 10", "core = true", "core must be a whole number, not True"),
        ("seconds = 30", 'seconds = "x"', "seconds must be a number, not 'x'"),
        ("seconds = 30", "seconds = -1", "needs 0 < core <= full, seconds"),
        ("peak_mb = 600", "peak_mb = nan", "needs 0 < core <= full, seconds"),
        ('requires = ["00"]', 'requires = "00"', "requires must be a list of texts"),
        ('requires = ["00"]', "requires = [0]", "requires must be a list of texts"),
        ("[[planned]]", "[planned]", r"stand below \[\[planned\]\]"),
    ],
)
def test_contradictions_are_refused(course, old, new, complaint):
    course.change("course.toml", old, new)
    with pytest.raises(CourseError, match=complaint):
        load(course.root)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/o/n",
        "https://github.com/o/n/",
        "https://github.com/o/n.git",
        " https://github.com/o/n ",
    ],
)
def test_addresses(url):
    assert address_parts(url) == ("o", "n")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "github.com/o/n",
        "http://github.com/o/n",
        "https://github.com/o",
        "https://github.com/o/n/tree/main",
        'https://github.com/o/n"',
        "https://github.com/-o/n",
        "https://example.org/o/n",
    ],
)
def test_other_addresses_are_refused(url):
    with pytest.raises(CourseError, match="is not an address"):
        address_parts(url)


def test_setting_the_address_changes_nothing_else(course):
    before = (course.root / "course.toml").read_text()
    assert set_address("https://github.com/me/my.fork/", course.root) == "https://github.com/me/my.fork"
    after = (course.root / "course.toml").read_text()
    assert after == before.replace('repository = ""', 'repository = "https://github.com/me/my.fork"')
    assert tomllib.loads(after)
    set_address("https://github.com/you/other", course.root)
    assert load(course.root).slug == "you/other"
