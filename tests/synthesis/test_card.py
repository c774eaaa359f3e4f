"""The card and the dataset on disk: what is told, what is stored, and that nothing leaves unasked."""

from __future__ import annotations

import errno
import os

import pytest
import yaml
from datasets import Dataset, DatasetDict
from huggingface_hub import DatasetCard, HfApi

from helpers.settings import CourseError
from helpers.synthesis import card as cards
from helpers.synthesis.card import acceptance, card, load, provenance, push, save
from helpers.synthesis.generate import Generator


def rows(generator, count, **columns):
    same = {"generator": generator, "revision": "1", "temperature": None, "seed": 0, "judge": "world.verify"}
    return [{"text": f"{generator} {number}", **same, **columns} for number in range(count)]


@pytest.fixture
def data():
    made = rows("tiny", 3, temperature=0.7) + rows("tiny", 2, temperature=1.0, seed=1) + rows("a | <b>", 1)
    return DatasetDict({"train": Dataset.from_list(made[:4]), "test": Dataset.from_list(made[4:])})


def all_of(data):
    return Dataset.from_list([row for part in data.values() for row in part])


def test_provenance_has_a_line_for_each_slice(data):
    assert provenance(all_of(data)) == [
        {
            "generator": "tiny",
            "revision": "1",
            "temperature": "0.7, 1.0",
            "judge": "world.verify",
            "seeds": 2,
            "rows": 5,
        },
        {
            "generator": "a | <b>",
            "revision": "1",
            "temperature": "unknown",
            "judge": "world.verify",
            "seeds": 1,
            "rows": 1,
        },
    ]
    by_text = provenance(Dataset.from_dict({"text": ["a", "a", "b"]}), by="text")
    assert [(line["text"], line["generator"], line["rows"]) for line in by_text] == [
        ("a", "unknown", 2),
        ("b", "unknown", 1),
    ]


def test_acceptance_counts_what_was_asked_and_kept(data):
    asked = Dataset.from_list(rows("tiny", 10) + rows("silent", 4) + rows("a | <b>", 1))
    expected = [
        {"generator": "tiny", "asked": 10, "kept": 5, "accepted": 0.5},
        {"generator": "silent", "asked": 4, "kept": 0, "accepted": 0.0},
        {"generator": "a | <b>", "asked": 1, "kept": 1, "accepted": 1.0},
    ]
    assert acceptance(asked, all_of(data)) == expected
    assert acceptance({"tiny": 10, "silent": 4, "a | <b>": 1}, all_of(data)) == expected
    assert acceptance({"x": 0}, all_of(data).select([]))[0]["accepted"] is None
    with pytest.raises(CourseError, match="5 rows are kept of tiny, but 3 were asked for"):
        acceptance({"tiny": 3}, all_of(data))
    with pytest.raises(CourseError, match="no column persona"):
        acceptance({}, all_of(data), by="persona")


def test_a_card_has_a_header_that_the_hub_reads_and_tables_that_nothing_breaks(data):
    made = card(
        data,
        "Cats: a test",
        "cc-by-4.0",
        "Captions of *scenes*.",
        generators=[Generator("tiny", "1", "apache-2.0", 1.0, lambda chats, seed: [])],
        asked={"tiny": 10, "a | <b>": 2},
        counts=[
            {"stage": "verify", "rows in": 12, "rows out": 6, "kept": 0.5},
            {"stage": "none", "kept": None},
        ],
    )
    _, header, body = str(made).split("---\n", 2)
    assert yaml.safe_load(header) == {
        "pretty_name": "Cats: a test",
        "license": "cc-by-4.0",
        "language": "en",
        "size_categories": "n<1K",
        "tags": ["synthetic", "cats-to-kto"],
    }
    assert DatasetCard(str(made)).data.license == "cc-by-4.0"
    lines = body.splitlines()
    assert "| tiny | 1 | 0.7, 1.0 | world.verify | 2 | 5 |" in lines
    assert "| a \\| &lt;b> | 2 | 1 | 0.5 |" in lines
    assert "| tiny | 1 | apache-2.0 |" in lines
    assert "| verify | 12 | 6 | 0.5 |" in lines
    assert "| none | – | – | – |" in lines
    assert "| train | 4 |" in lines
    assert "Captions of *scenes*." in lines


def test_a_card_without_provenance_leaves_its_tables_out():
    plain = DatasetDict({"train": Dataset.from_dict({"text": ["a"]})})
    assert "Where the rows are from" not in str(card(plain, "x", "mit", ""))
    assert "| train | 0 |" in str(card(DatasetDict({"train": plain["train"].select([])}), "x", "mit", ""))
    for wrong in ((DatasetDict(), "x", "mit"), (plain, " ", "mit"), (plain, "x", "")):
        with pytest.raises(CourseError, match="card needs a"):
            card(*wrong, "")


def test_what_is_saved_is_an_ordinary_dataset_with_its_card(data, tmp_path, capfd):
    folder = tmp_path / "new" / "cats"
    for number in range(2):  # the second time it replaces the first
        save(data, folder, card(data, f"Cats {number}", "mit", ""))
        assert {name: part.to_list() for name, part in load(folder).items()} == {
            name: part.to_list() for name, part in data.items()
        }
        assert f"# Cats {number}" in (folder / "README.md").read_text(encoding="utf-8")
    assert {name: len(part) for name, part in DatasetDict.load_from_disk(folder).items()} == {
        "train": 4,
        "test": 2,
    }
    save(load(folder), folder, card(data, "Cats 2", "mit", ""))  # over itself
    assert len(load(folder)["train"]) == 4
    assert [path.name for path in folder.parent.iterdir()] == ["cats"]
    assert capfd.readouterr().err == ""


def test_what_is_no_dataset_is_neither_replaced_nor_loaded(data, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("x")
    for name in ("mine", "file"):
        with pytest.raises(CourseError, match="holds something that is no dataset"):
            save(data, tmp_path / name, card(data, "x", "mit", ""))
        with pytest.raises(CourseError, match="holds no dataset that can be read"):
            load(tmp_path / name)
    with pytest.raises(CourseError, match="holds no dataset"):
        load(tmp_path / "nothing")
    with pytest.raises(CourseError, match="cannot be written"):
        save(data, tmp_path / "file" / "deep", card(data, "x", "mit", ""))
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), OSError("No space left on device")])
def test_a_full_disk_leaves_the_old_dataset(data, tmp_path, monkeypatch, error):
    def full(self, folder):
        os.mkdir(folder)
        raise error

    save(data, tmp_path / "cats", card(data, "x", "mit", ""))
    monkeypatch.setattr(DatasetDict, "save_to_disk", full)
    with pytest.raises(CourseError, match="disk is full"):
        save(data, tmp_path / "cats", card(data, "y", "mit", ""))
    assert len(load(tmp_path / "cats")["train"]) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["cats"]


def test_a_swap_that_fails_puts_the_old_dataset_back(data, tmp_path):
    save(data, tmp_path / "cats", card(data, "x", "mit", ""))
    with pytest.raises(OSError, match="nothing"):
        cards._swap(tmp_path / "nothing", tmp_path / "cats")
    assert len(load(tmp_path / "cats")["train"]) == 4


# --- the hub, by a stand-in that records --------------------------------------------------------------------


class Hub:
    """Records what would be sent. `public` is what already exists under the name."""

    def __init__(self, monkeypatch, public=False, error=None):
        self.calls, self.public, self.error = [], public, error
        monkeypatch.setattr(HfApi, "create_repo", lambda api, repo, **how: self.note("create", repo, **how))
        monkeypatch.setattr(HfApi, "repo_info", lambda api, repo, **how: self)
        monkeypatch.setattr(
            DatasetCard, "push_to_hub", lambda card, repo, **how: self.note("card", repo, **how)
        )
        monkeypatch.setattr(
            DatasetDict, "push_to_hub", lambda data, repo, **how: self.note("data", repo, **how)
        )

    @property
    def private(self):
        return not self.public

    def note(self, what, repo, **how):
        if self.error and what == "create":
            raise self.error
        self.calls.append((what, repo, how.get("private")))


def test_a_push_is_private_unless_asked_otherwise(data, monkeypatch):
    made = card(data, "x", "mit", "")
    hub = Hub(monkeypatch)
    push(data, made, "me/cats")
    assert hub.calls == [("create", "me/cats", True), ("card", "me/cats", None), ("data", "me/cats", True)]
    hub = Hub(monkeypatch, public=True)
    push(data, made, "me/cats", private=False)
    assert [call[2] for call in hub.calls] == [False, None, False]


def test_nothing_is_sent_to_a_public_repository_unasked(data, monkeypatch):
    hub = Hub(monkeypatch, public=True)
    with pytest.raises(CourseError, match="me/cats is public, so nothing was sent"):
        push(data, card(data, "x", "mit", ""), "me/cats")
    assert [call[0] for call in hub.calls] == ["create"]


@pytest.mark.parametrize("error", [ConnectionError("no network\nat all"), ValueError("bad name"), OSError()])
def test_a_hub_that_refuses_is_one_sentence(data, monkeypatch, error):
    Hub(monkeypatch, error=error)
    with pytest.raises(
        CourseError, match=r"me/cats could not be pushed to the hub \((no network|bad name|OSError)\)\.$"
    ):
        push(data, card(data, "x", "mit", ""), "me/cats")


def test_saving_sends_nothing(data, tmp_path, monkeypatch):
    hub = Hub(monkeypatch)
    save(data, tmp_path / "cats", card(data, "x", "mit", ""))
    assert hub.calls == []
