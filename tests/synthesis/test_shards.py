"""Shards: a run that was killed goes on where it was, and nothing that was answered is lost."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
from datasets import Dataset

from helpers import settings
from helpers.data import formats
from helpers.settings import CourseError
from helpers.synthesis import shards
from helpers.synthesis.generate import Generator
from helpers.synthesis.shards import generate_in_shards


def asked(count):
    prompts = [[{"role": "user", "content": f"q{number}"}] for number in range(count)]
    return Dataset.from_dict({"prompt": prompts, "row": list(range(count))})


class Speaker:
    """A generator that counts what it is asked, and can be told to stop after some questions."""

    def __init__(self, stop_after=None, silent=()):
        self.asked, self.stop_after, self.silent = [], stop_after, set(silent)

    def answer(self, chats, seed):
        questions = [chat[-1]["content"] for chat in chats]
        if self.stop_after is not None and len(self.asked) >= self.stop_after:
            raise CourseError("The endpoint is gone.")
        self.asked += questions
        return [None if question in self.silent else f"{question} {seed}" for question in questions]

    def generator(self, **changes):
        return Generator(
            **{"name": "speaker", "revision": "1", "license": "cc0-1.0", "temperature": 1.0} | changes,
            answer=self.answer,
        )


def test_shards_are_asked_once_and_give_the_same_table_again(tmp_path):
    first, second = Speaker(), Speaker()
    made = generate_in_shards(asked(10), first.generator(), 3, tmp_path / "new" / "shards", size=4)
    again = generate_in_shards(asked(10), second.generator(), 3, tmp_path / "new" / "shards", size=4)
    assert made.to_list() == again.to_list()
    assert (len(first.asked), second.asked) == (10, [])
    assert made["row"][:] == list(range(10))
    assert [answer for _, answer in formats.chats_of(made)] == [
        f"q{row} {seed}" for row, seed in zip(made["row"], made["seed"], strict=True)
    ]
    assert len(set(made["seed"])) == 3
    assert made.features == generate_in_shards(asked(10), second.generator(), 3, tmp_path / "b").features


def test_after_a_failure_only_the_rest_is_asked(tmp_path):
    with pytest.raises(CourseError, match="endpoint is gone"):
        generate_in_shards(asked(10), Speaker(stop_after=8).generator(), 3, tmp_path, size=4)
    rest = Speaker()
    made = generate_in_shards(asked(10), rest.generator(), 3, tmp_path, size=4)
    assert rest.asked == ["q8", "q9"]
    assert (
        made.to_list()
        == generate_in_shards(asked(10), Speaker().generator(), 3, tmp_path / "b", size=4).to_list()
    )


KILLED = """
import sys, time
from pathlib import Path
from tests.synthesis.test_shards import asked, Speaker
from helpers.synthesis.shards import generate_in_shards
slow = Speaker()
inner = slow.answer
def answer(chats, seed):
    if len(slow.asked) >= 8:
        (Path(sys.argv[1]) / ".shard-00002.jsonl.part").write_text('{"answer": "q8')  # half a shard
        print("in the middle", flush=True)
        time.sleep(60)
    return inner(chats, seed)
slow.answer = answer
generate_in_shards(asked(10), slow.generator(), 3, sys.argv[1], size=4)
"""


def test_a_kill_in_the_middle_of_a_shard_costs_that_shard_only(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)],
        cwd=settings.ROOT,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout.readline() == b"in the middle\n"
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    rest = Speaker()
    made = generate_in_shards(asked(10), rest.generator(), 3, tmp_path, size=4)
    assert rest.asked == ["q8", "q9"]
    assert (
        made.to_list()
        == generate_in_shards(asked(10), Speaker().generator(), 3, tmp_path / "b", size=4).to_list()
    )
    assert not list(tmp_path.glob(".*.part"))


def test_two_at_once_ask_each_question_once(tmp_path, monkeypatch):
    speaker = Speaker()
    inner, said, waits = speaker.answer, [], threading.Event()
    # The first gets answers only when the other has said that it waits.
    monkeypatch.setattr(shards, "_remark", lambda text: (said.append(text), waits.set()))
    speaker.answer = lambda chats, seed: waits.wait(30) and inner(chats, seed)
    made = []
    threads = [
        threading.Thread(
            target=lambda: made.append(generate_in_shards(asked(6), speaker.generator(), 0, tmp_path, 2))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(speaker.asked) == [f"q{number}" for number in range(6)]
    assert made[0].to_list() == made[1].to_list()
    assert said == [f"Another process is generating in {tmp_path}; waiting for it."]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "seed 0, not 1"),
        ({"size": 3}, "size 2, not 3"),
        ({"revision": "2"}, "revision '1', not '2'"),
        ({"temperature": 0.5}, "temperature 1.0, not 0.5"),
        ({"data": asked(5)}, "rows 4, not 5"),
        ({"data": asked(5).select(range(1, 5))}, "prompts '"),
    ],
)
def test_other_settings_in_the_same_folder_are_refused(tmp_path, changes, message):
    def run(data=None, seed=0, size=2, **changes):
        return generate_in_shards(data or asked(4), Speaker().generator(**changes), seed, tmp_path, size)

    made = run()
    with pytest.raises(CourseError, match=f"holds shards of other settings.*{message}.*another folder"):
        run(**changes)
    assert run().to_list() == made.to_list()


@pytest.mark.parametrize(
    "damage", [b"", b'{"answer": "x"}\n', b'{"answer": 3}\n{"answer": "x"}\n', b'{"answer": "q2']
)
def test_a_damaged_shard_is_generated_again(tmp_path, damage, capsys):
    made = generate_in_shards(asked(4), Speaker().generator(), 0, tmp_path, size=2)
    (tmp_path / "shard-00001.jsonl").write_bytes(damage)
    again = Speaker()
    assert generate_in_shards(asked(4), again.generator(), 0, tmp_path, size=2).to_list() == made.to_list()
    assert again.asked == ["q2", "q3"]
    assert "shard-00001.jsonl is damaged" in capsys.readouterr().err


def test_lost_settings_are_not_taken_for_any(tmp_path):
    generate_in_shards(asked(4), Speaker().generator(), 0, tmp_path, size=2)
    (tmp_path / "settings.jsonl").unlink()
    with pytest.raises(CourseError, match="holds shards of other settings"):
        generate_in_shards(asked(4), Speaker().generator(), 0, tmp_path, size=2)


def test_unanswered_rows_stay_out_and_unanswered_shards_are_asked_again(tmp_path, capsys):
    speaker = Speaker(silent={"q1", "q2", "q3"})
    made = generate_in_shards(asked(4), speaker.generator(), 0, tmp_path, size=2)
    assert made["row"][:] == [0]
    assert "1 of 2 shards got no answer at all" in capsys.readouterr().err
    later = Speaker()
    assert generate_in_shards(asked(4), later.generator(), 0, tmp_path, size=2)["row"][:] == [0, 2, 3]
    assert later.asked == ["q2", "q3"]
    nothing = generate_in_shards(
        asked(2), Speaker(silent={"q0", "q1"}).generator(), 0, tmp_path / "b", size=1
    )
    assert (len(nothing), nothing.features) == (0, made.features)
    assert len(generate_in_shards(asked(1).select([]), speaker.generator(), 0, tmp_path / "c")) == 0


def test_a_full_disk_keeps_what_is_there(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    generate_in_shards(asked(4), Speaker().generator(), 0, tmp_path, size=2)
    (tmp_path / "shard-00001.jsonl").unlink()
    monkeypatch.setattr(shards.os, "fsync", full)
    with pytest.raises(CourseError, match="disk is full: the shards so far are in"):
        generate_in_shards(asked(4), Speaker().generator(), 0, tmp_path, size=2)
    assert sorted(path.name for path in tmp_path.glob("*shard*")) == ["shard-00000.jsonl"]


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "deep" / "shards"):
        with pytest.raises(CourseError, match=r"cannot be written.*choose a folder"):
            generate_in_shards(asked(2), Speaker().generator(), 0, folder)


def test_other_errors_of_the_system_are_not_blamed_on_the_folder(tmp_path):
    def answer(chats, seed):
        raise FileNotFoundError(errno.ENOENT, "gone", "/some/model.safetensors")

    with pytest.raises(FileNotFoundError):
        generate_in_shards(asked(2), Generator("x", "1", "cc0-1.0", None, answer), 0, tmp_path)


def test_a_shard_has_a_row_at_least_and_a_seed(tmp_path):
    with pytest.raises(CourseError, match="from 0 up, not -1"):
        generate_in_shards(asked(2), Speaker().generator(), -1, tmp_path)
    with pytest.raises(CourseError, match="at least 1 row"):
        generate_in_shards(asked(2), Speaker().generator(), 0, tmp_path, size=0)
