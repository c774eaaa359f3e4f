"""The pages of the course's site: what stands on them, where their links lead, and what cannot be built."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest

from helpers.course import build, readme, site
from helpers.manifest import load
from helpers.settings import CourseError

ADDRESS = "https://github.com/someone/cats"
MORE = """
## Two commands

See [the law](LICENSE) and [the first](notebooks/00_first.ipynb).

## Open it elsewhere

<!-- begin: launch -->
<!-- end: launch -->

## Syllabus

<!-- begin: syllabus -->
<!-- end: syllabus -->

## The talk's claims

None.

## What we found

<!-- begin: found -->
<!-- end: found -->

## Tiers, and what was run on what

<!-- begin: models -->
<!-- end: models -->
"""


@pytest.fixture
def executed(course):
    """The small course with a README like the real one, and solutions as if they had been executed."""
    (course.root / "README.md").write_text(f"# A small course\n\nWith cats.\n{MORE}", encoding="utf-8")
    (course.root / "LICENSE").write_text("MIT\n")
    pretend_executed(course.root)
    return course


def pretend_executed(root: Path) -> None:
    build.build(root)
    manifest = load(root)
    for entry in manifest.lessons:
        built = build.notebook(entry, manifest, root, solution=True)
        for cell in built.cells:
            if cell.cell_type == "code":
                cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=f"out of {cell.id}\n")]
        build.keep_outputs(entry, manifest, built, root)


def place_of(root: Path) -> site.Map:
    (root / "a").mkdir(exist_ok=True)
    for name in ("a/x.md", "a/y.md", "z.txt", "p.png"):
        (root / name).write_text("")
    known = {"a/x.md": "a/x", "a/y.md": "a/y", "README.md": "run"}
    return site.Map(load(root), root, pages=known, anchors={"README.md#what-we-found": "ledger"})


# --- links --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[y](y.md)", "[y](y.md)"),
        ("[y](y.md#part)", "[y](y.md#part)"),
        ("[two\nlines](./y.md)", "[two\nlines](y.md)"),
        ("[r](../README.md#two-commands)", "[r](../run.md#two-commands)"),
        ("[r](../README.md#what-we-found)", "[r](../ledger.md#what-we-found)"),
        ("[z](../z.txt) and [y](y.md)", "z and [y](y.md)"),
        ("[out](https://example.org/a.md)", "[out](https://example.org/a.md)"),
        ("[here](#part)", "[here](#part)"),
        ("`[y](gone.md)`", "`[y](gone.md)`"),
        ("```\n[y](gone.md)\n```", "```\n[y](gone.md)\n```"),
        ("[a `code]` b](y.md)", "[a `code]` b](y.md)"),
        ("not a [link] (gone.md)", "not a [link] (gone.md)"),
    ],
)
def test_links_lead_to_pages(course, text, expected):
    assert place_of(course.root).rewritten(text, "a/x.md", "a/x") == expected


def test_links_follow_a_page_that_stands_elsewhere(course):
    place = place_of(course.root)
    place.pages["a/x.md"] = "far/away/x"
    assert place.rewritten("[x](a/x.md)", "README.md", "run") == "[x](far/away/x.md)"
    assert place.rewritten("[y](y.md)", "a/x.md", "far/away/x") == "[y](../../a/y.md)"


def test_with_an_address_other_files_are_on_the_code_host(course):
    course.change("course.toml", 'repository = ""', f'repository = "{ADDRESS}"')
    place = place_of(course.root)
    assert place.rewritten("[z](../z.txt)", "a/x.md", "a/x") == f"[z]({ADDRESS}/blob/main/z.txt)"
    assert place.rewritten("[a](../a)", "a/x.md", "a/x") == f"[a]({ADDRESS}/tree/main/a)"


def test_pictures_are_brought_along(course):
    place = place_of(course.root)
    assert place.rewritten("![p](../p.png)", "a/x.md", "a/x") == "![p](../p.png)"
    assert place.pictures == {"p.png"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[y](gone.md)", "a/x.md links to gone.md, which does not exist"),
        ("[y](../../elsewhere.md)", "a/x.md links to ../../elsewhere.md, which does not exist"),
        ("![p](https://example.org/p.png)", "a/x.md shows a picture from elsewhere"),
        ("[![p](https://example.org/p.png)](y.md)", "a/x.md shows a picture from elsewhere"),
    ],
)
def test_a_link_that_leads_nowhere_is_one_sentence(course, text, sentence):
    (course.root.parent / "elsewhere.md").write_text("A file, but none of the course.")
    with pytest.raises(CourseError, match=sentence):
        place_of(course.root).rewritten(text, "a/x.md", "a/x")


# --- what the pages hold ------------------------------------------------------------------------------------


def test_the_pages(executed, tmp_path):
    count = site.lay_out(tmp_path / "source", executed.root)
    names = {path.relative_to(tmp_path / "source").as_posix() for path in (tmp_path / "source").rglob("*.*")}
    assert {"index.md", "syllabus.md", "run.md", "ledger.md", "models.md", "conf.py"} <= names
    assert {"lessons/00_first.ipynb", "lessons/01_second.ipynb", "learner/00_first.ipynb"} <= names
    assert count == 7
    run = (tmp_path / "source" / "run.md").read_text()
    assert "See the law and [the first](lessons/00_first.ipynb)." in run
    assert "## Syllabus" not in run
    index = (tmp_path / "source" / "index.md").read_text()
    assert index.startswith("# A small course\n\nWith cats.")
    assert "does not know its own address yet; [how to run it](run.md)" in index
    assert "Third" in (tmp_path / "source" / "syllabus.md").read_text()


def test_pictures_of_pages_are_copied(executed, tmp_path):
    executed.change("README.md", "With cats.", "With ![cats](notebooks/images/world.png).")
    site.lay_out(tmp_path / "source", executed.root)
    assert (
        (tmp_path / "source/index.md").read_text().startswith("# A small course\n\nWith ![cats](notebooks/")
    )
    copied = (tmp_path / "source/notebooks/images/world.png").read_bytes()
    assert copied == (executed.root / "notebooks/images/world.png").read_bytes()


def test_the_ledger_counts_every_verdict(executed, monkeypatch):
    verdicts = ["✔ holds", "✔ holds", "✘ fails", "? inconclusive", "forecast"]
    rows = [["00", "It is so.", "much", verdict] for verdict in verdicts]
    monkeypatch.setattr(readme, "claim_rows", lambda entry, root: rows if entry.id == "00" else [])
    text = site.found(load(executed.root), executed.root)
    assert text.startswith("Of 5 claims 2 hold, 1 fail, 1 are inconclusive, 1 is a forecast.")
    assert text.count("It is so.") == 5
    assert text.count("### [") == 1  # a lesson without claims has no table


def test_a_lesson_shows_gaps_first_and_folds_solutions(executed):
    place = site.Map(load(executed.root), executed.root)
    place.pages = {"README.md": "run"}
    shown, learner = site.lesson(place.manifest.lessons[0], place)
    assert "bootstrap" not in [cell.id for cell in shown.cells]
    texts = [cell.source for cell in shown.cells]
    gap = next(i for i, text in enumerate(texts) if "# YOUR CODE HERE" in text)
    assert "return 2 * x" in texts[gap + 1]
    assert shown.cells[gap + 1].metadata.tags == ["hide-input"]
    assert shown.cells[gap].outputs == []
    assert "out of" in shown.cells[gap + 1].outputs[0].text
    assert [cell.source for cell in learner.cells].count("") == 0
    only = next(cell for cell in shown.cells if "assert double(2)" in cell.source)
    assert only.metadata.tags == ["hide-input"]
    volatile = shown.cells[-1]
    assert "not kept here" in volatile.outputs[0].data["text/markdown"]
    assert "solution, executed" not in texts[0]
    assert "<../learner/00_first.ipynb>" in texts[0]


def test_with_an_address_a_lesson_has_launch_buttons(executed):
    executed.change("course.toml", 'repository = ""', f'repository = "{ADDRESS}"')
    (executed.root / "binder").mkdir()
    pretend_executed(executed.root)
    place = site.Map(load(executed.root), executed.root)
    place.pages = {"README.md": "run"}
    title = site.lesson(place.manifest.lessons[0], place)[0].cells[0].source
    assert (
        'href="https://colab.research.google.com/github/someone/cats/blob/main/notebooks/00_first.ipynb"'
        in title
    )
    assert 'href="https://mybinder.org/v2/gh/someone/cats/main?urlpath=' in title
    assert "[Open in Colab]" not in title
    assert "no button" not in title


def test_with_an_address_pages_have_launch_buttons_and_no_badges(executed, tmp_path):
    executed.change("course.toml", 'repository = ""', f'repository = "{ADDRESS}"')
    pretend_executed(executed.root)
    assert "![" in (executed.root / "README.md").read_text().split("<!-- begin: launch -->")[1]
    site.lay_out(tmp_path / "source", executed.root)
    for name in ("index.md", "run.md"):
        text = (tmp_path / "source" / name).read_text()
        assert 'class="launch" href="https://colab.research.google.com/' in text
        assert "![" not in text
        assert "mybinder.org" not in text  # there is no folder binder/


def test_a_class_gets_its_pages(executed, tmp_path):
    for name in ("README.md", "guide/00.md", "hub/README.md", "hub/more.md"):
        path = executed.root / "classroom" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n\nText.\n")
    site.lay_out(tmp_path / "source", executed.root)
    folder = tmp_path / "source" / "classroom"
    own, made = ((folder / name).read_text() for name in ("index.md", "guide/index.md"))
    assert "guide/index\nhub/index" in own
    assert made.startswith("# Guide\n")
    assert (":hidden:" in own, ":hidden:" in made) == (True, False)  # a README lists its pages itself
    assert "\nmore\n" in (folder / "hub" / "index.md").read_text()
    assert "classroom/index" in (tmp_path / "source" / "index.md").read_text()


# --- what cannot be built -----------------------------------------------------------------------------------


def test_a_missing_solution_is_one_sentence(executed, tmp_path):
    (executed.root / "notebooks/solutions/01_second.ipynb").unlink()
    with pytest.raises(
        CourseError, match=r"no notebooks/solutions/01_second.ipynb; run: .*EXECUTE=1 LESSONS=01"
    ):
        site.lay_out(tmp_path / "source", executed.root)


def test_a_solution_that_was_not_executed_is_one_sentence(executed, tmp_path):
    executed.change("notebooks/source/00_first.py", "return 2 * x", "return x + x")
    with pytest.raises(CourseError, match=r"outputs in notebooks/solutions/00_first.ipynb are stale; run: "):
        site.lay_out(tmp_path / "source", executed.root)


def test_a_broken_notebook_is_one_sentence(executed, tmp_path):
    (executed.root / "notebooks/solutions/00_first.ipynb").write_text("<<<<<<< HEAD\n")
    with pytest.raises(CourseError, match=r"00_first.ipynb cannot be read; run: "):
        site.lay_out(tmp_path / "source", executed.root)


def test_a_text_that_is_none_is_one_sentence(executed, tmp_path):
    path = executed.root / "classroom" / "README.md"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes("# Début".encode("latin-1"))
    with pytest.raises(CourseError, match=r"^classroom/README\.md is missing or is not UTF-8 text"):
        site.lay_out(tmp_path / "source", executed.root)


def test_copies_that_jupyterlab_keeps_are_no_pages(executed, tmp_path):
    for name in ("README.md", ".ipynb_checkpoints/README-checkpoint.md"):
        path = executed.root / "classroom" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# For a class\n\n[The law](../LICENSE).\n")
    site.lay_out(tmp_path / "source", executed.root)
    assert [path.name for path in (tmp_path / "source" / "classroom").rglob("*.md")] == ["index.md"]


def test_a_readme_without_a_section_is_one_sentence(executed, tmp_path):
    executed.change("README.md", "## What we found", "## Found")
    with pytest.raises(CourseError, match=r"README\.md has no section 'What we found'"):
        site.lay_out(tmp_path / "source", executed.root)


def test_without_sphinx_it_says_what_to_run(executed, monkeypatch):
    monkeypatch.setattr(site, "find_spec", lambda name: None)
    with pytest.raises(CourseError, match=r"'sphinx', .* is missing; run: python3 -m helpers setup --site"):
        site.run(executed.root)


def test_without_mathjax_it_says_what_to_run(monkeypatch):
    monkeypatch.setattr(site, "_MATHJAX_PACKAGE", "no-such-package")
    with pytest.raises(
        CourseError, match=r"no-such-package is missing; run: python3 -m helpers setup --site"
    ):
        site.mathjax()


def test_another_mathjax_is_refused(monkeypatch):
    pytest.importorskip("sphinx")
    monkeypatch.setattr(site, "_MATHJAX_SHA256", "0" * 64)
    with pytest.raises(CourseError, match="holds another MathJax"):
        site.mathjax()


@pytest.fixture
def quick(monkeypatch):
    """Everything but Sphinx itself."""

    def pretend(source, folder, manifest):
        (folder / "html").mkdir()
        (folder / "html" / "index.html").write_text("new")

    monkeypatch.setattr(site, "_need_sphinx", lambda: None)
    monkeypatch.setattr(site, "mathjax", lambda: b"")
    monkeypatch.setattr(site, "_sphinx", pretend)


def test_a_folder_that_cannot_be_written_is_one_sentence(executed, quick):
    (executed.root / "build").mkdir(exist_ok=True)
    (executed.root / "build" / "site").write_text("a file where the folder should be")
    with pytest.raises(CourseError, match=r"The site cannot be written to .*run the same command again"):
        site.run(executed.root)


def test_a_failure_leaves_the_earlier_site(executed, quick, monkeypatch):
    assert site.run(executed.root) == 0
    index = executed.root / "build/site/html/index.html"
    index.write_text("earlier")

    def full(source, folder, manifest):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(site, "_sphinx", full)
    with pytest.raises(CourseError, match="No space left on device"):
        site.run(executed.root)
    assert index.read_text() == "earlier"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a process that begins in the middle of this one")
@pytest.mark.parametrize("moves", [0, 1, 2])
def test_whoever_is_killed_between_the_moves_loses_no_site(executed, quick, monkeypatch, moves):
    site.run(executed.root)
    html = executed.root / "build/site/html"
    (html / "index.html").write_text("earlier")
    replace, done = os.replace, []

    def killed(*paths, **_):
        if len(done) == moves:
            os._exit(9)
        done.append(replace(*paths))

    child = os.fork()
    if not child:
        os.replace = shutil.rmtree = killed
        site.run(executed.root)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert html.exists() == (moves != 1)

    def broken(*_):
        raise CourseError("Sphinx broke.")

    monkeypatch.setattr(site, "_sphinx", broken)
    with pytest.raises(CourseError, match="Sphinx broke"):
        site.run(executed.root)
    assert (html / "index.html").read_text() == ("new" if moves == 2 else "earlier")
    assert sorted(path.name for path in html.parent.iterdir()) == [".lock", "html"]


def test_a_second_build_at_the_same_time_is_refused(executed, quick, monkeypatch):
    site.run(executed.root)  # so that there is an earlier one to put aside
    pretend = site._sphinx

    def meanwhile(*arguments):
        with pytest.raises(CourseError, match=r"is being built in .* already; wait for that"):
            site.run(executed.root)
        pretend(*arguments)

    monkeypatch.setattr(site, "_sphinx", meanwhile)
    assert site.run(executed.root) == 0
    assert (executed.root / "build/site/html/index.html").read_text() == "new"
    assert sorted(path.name for path in (executed.root / "build/site").iterdir()) == [".lock", "html"]


def test_what_sphinx_complains_about_is_one_sentence(tmp_path, course, monkeypatch):
    def complain(command, **_):
        assert "--fail-on-warning" in command
        text = f"\n{tmp_path}/a.md:3: WARNING: image file not readable: p.png\nmore\n"
        return subprocess.CompletedProcess(command, 1, "", text)

    monkeypatch.setattr(subprocess, "run", complain)
    with pytest.raises(
        CourseError, match=r"^Sphinx did not build the site: a.md:3: WARNING: image file not readable"
    ):
        site._sphinx(tmp_path, tmp_path, load(course.root))


def test_the_small_course_is_built(executed, capsys):
    pytest.importorskip("sphinx")
    assert site.run(executed.root) == 0
    assert "7 pages" in capsys.readouterr().out
    html = executed.root / "build" / "site" / "html"
    page = (html / "lessons" / "00_first.html").read_text(encoding="utf-8")
    assert '<html lang="en"' in page
    assert "Show a solution" in page
    assert (html / "_static" / "tex-svg.js").exists()
    assert list(html.glob("_downloads/*/00_first.ipynb"))
    index = (html / "searchindex.js").read_text(encoding="utf-8")
    assert '"doubl"' in index or "doubl:" in index


def test_an_earlier_site_comes_back_when_the_new_one_cannot_take_its_place(tmp_path):
    place = tmp_path / "html"
    place.mkdir()
    (place / "index.html").write_text("earlier")
    with pytest.raises(FileNotFoundError):
        site._swap(tmp_path / "absent", place, tmp_path / "aside")
    assert (place / "index.html").read_text() == "earlier"
