from __future__ import annotations

import json
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from datasets import Dataset

from helpers import settings
from helpers.settings import CourseError
from helpers.synthesis import endpoint as module
from helpers.synthesis.endpoint import Counts, endpoint, from_environment, json_answers
from helpers.synthesis.generate import Conversation, Generator, generate
from helpers.synthesis.shards import generate_in_shards
from tests.synthesis.standin_server import Behavior, StandIn, failing, half_json, slow_down

KEY = "sk-a-secret-of-mine"
LATE = Behavior(wait=30)
#: Seconds to wait for an answer: enough for one that comes, on a busy machine too.
PATIENT = 1.5


def questions(count: int) -> list[Conversation]:
    return [[{"role": "user", "content": f"row {number}"}] for number in range(count)]


def echo(request: dict) -> str:
    return request["messages"][-1]["content"]


def made(standin: StandIn, **options: object) -> Generator:
    return endpoint(standin.url, "m", **{"temperature": 0.7, "timeout": 5.0, **options})


def counts(generator: Generator) -> Counts:
    return generator.answer.counts


# --- when all goes well -------------------------------------------------------------------------------------


def test_what_is_sent_is_what_was_asked_for(standin: StandIn):
    generator = made(standin, longest=17, revision="abc", license="apache-2.0")
    assert (generator.name, generator.revision, generator.license) == ("m", "abc", "apache-2.0")
    assert generator.temperature == 0.7
    conversation = [{"role": "system", "content": "be short"}, {"role": "user", "content": "héllo ☃"}]
    assert generator.answer([conversation], 3) == ["a small orange cat"]
    (request,) = standin.requests
    assert request.pop("seed") in range(2**31)
    assert request == {"model": "m", "messages": conversation, "temperature": 0.7, "max_tokens": 17}


def test_many_questions_are_answered_in_order_and_a_few_at_a_time(standin: StandIn):
    standin.normal = Behavior(echo, wait=0.01)
    generator = made(standin, at_once=6)
    assert generator.answer(questions(200), 0) == [f"row {number}" for number in range(200)]
    assert 2 <= standin.busiest <= 6
    assert counts(generator) == Counts(
        asked=200, answered=200, read=400, written=400, served={"m fp_standin"}
    )
    assert str(counts(generator)) == "200 of 200 questions answered."


def test_each_question_has_a_random_seed_of_its_own_and_the_same_one_again(standin: StandIn):
    def seeds(seed: int) -> dict[str, int]:
        standin.requests.clear()
        made(standin).answer(questions(20), seed)
        return {echo(request): request["seed"] for request in standin.requests}

    first, second, other = seeds(0), seeds(0), seeds(1)
    assert len(set(first.values())) == 20
    assert first == second
    assert not set(first.values()) & set(other.values())


def test_nothing_is_sent_for_no_questions_nor_before_the_first(standin: StandIn):
    generator = made(standin)
    assert generator.answer([], 0) == []
    assert standin.requests == []
    assert counts(generator) == Counts()


def test_counts_add_up_over_calls_and_cut_answers_are_kept(standin: StandIn):
    standin.plan = [Behavior("a small", finish="length"), Behavior("")]
    generator = made(standin, at_once=1)
    assert generator.answer(questions(2), 0) == ["a small", ""]
    generator.answer(questions(1), 1)
    total = counts(generator)
    assert (total.asked, total.answered, total.cut, total.written) == (3, 3, 1, 6)
    assert str(total) == "3 of 3 questions answered, 1 × cut at the longest length."


def test_an_endpoint_that_does_not_count_tokens_or_name_its_type_is_good_enough(standin: StandIn):
    body = json.dumps({"choices": [{"message": {"content": "cat"}}], "usage": None}).encode()
    standin.plan = [Behavior(body=body, kind="text/plain")]
    generator = made(standin)
    assert generator.answer(questions(1), 0) == ["cat"]
    assert counts(generator) == Counts(asked=1, answered=1)


# --- the key ------------------------------------------------------------------------------------------------


def test_the_key_comes_from_its_variable_and_is_shown_nowhere(standin: StandIn, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_ENDPOINT_KEY", f" {KEY}\n")
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "of-openai")
    standin.plan = [Behavior(), Behavior(f"no credit for {KEY}", status=402)]
    generator = made(standin, at_once=1)
    assert generator.answer(questions(2), 0) == ["a small orange cat", None]
    assert standin.headers[0]["authorization"] == f"Bearer {KEY}"
    assert "of-openai" not in str(standin.headers)
    said = capsys.readouterr().err
    assert "402: no credit for •••" in said
    assert KEY not in said + repr(generator) + str(counts(generator)) + str(pickle.dumps(generator))


def test_another_variable_may_hold_it_and_without_one_none_is_sent(standin: StandIn, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "of-openai")
    monkeypatch.setenv("MY_KEY", KEY)
    made(standin).answer(questions(1), 0)
    made(standin, key_variable="MY_KEY").answer(questions(1), 0)
    assert [headers["authorization"] for headers in standin.headers] == ["Bearer none", f"Bearer {KEY}"]


@pytest.mark.parametrize("key", [KEY, ""])
@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_ends_it_at_once(standin: StandIn, monkeypatch, status, key):
    monkeypatch.setenv("COURSE_ENDPOINT_KEY", key)
    standin.normal = Behavior(f"Incorrect API key: {KEY}", status=status)
    generator = made(standin)
    with pytest.raises(CourseError) as caught:
        generator.answer(questions(200), 0)
    assert "COURSE_ENDPOINT_KEY" in str(caught.value)
    assert ("refused the key" in str(caught.value)) == bool(key)
    assert ("wants a key" in str(caught.value)) == (not key)
    if key:
        assert KEY not in str(caught.value)
    assert len(standin.requests) <= 8
    assert counts(generator).given_up == 200 - len(standin.requests)


@pytest.mark.parametrize("key", ["sk-\u2026", "sk-a\nb", "sk-a\x00"])
def test_a_key_that_cannot_be_sent_is_one_sentence_without_it(standin: StandIn, monkeypatch, key):
    if "\x00" in key:  # which no environment holds
        monkeypatch.setattr(module.os, "environ", {"COURSE_ENDPOINT_KEY": key})
    else:
        monkeypatch.setenv("COURSE_ENDPOINT_KEY", key)
    with pytest.raises(CourseError, match="copy the key again") as caught:
        made(standin).answer(questions(1), 0)
    assert "sk-" not in str(caught.value)
    assert standin.requests == []


# --- what goes wrong and is tried again ---------------------------------------------------------------------


def test_slow_down_is_obeyed_and_tried_again(standin: StandIn):
    standin.plan = [slow_down(0.2), slow_down(0.2)]
    generator = made(standin, at_once=1)
    start = time.monotonic()
    assert generator.answer(questions(2), 0) == ["a small orange cat"] * 2
    assert time.monotonic() - start >= 0.4
    assert counts(generator).retried == 2
    assert len(standin.requests) == 4


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_errors_that_pass_are_tried_again(standin: StandIn, status):
    standin.plan = [failing(status)] * 3
    generator = made(standin, at_once=1)
    assert generator.answer(questions(1), 0) == ["a small orange cat"]
    assert counts(generator).retried == 3


def test_a_connection_that_breaks_and_a_time_out_are_tried_again(standin: StandIn):
    standin.plan = [Behavior(hang_up=True), LATE]
    generator = made(standin, at_once=1, timeout=PATIENT)
    assert generator.answer(questions(1), 0) == ["a small orange cat"]
    assert counts(generator).retried == 2


# --- what goes wrong and stays so: the others' answers are kept ---------------------------------------------


@pytest.mark.parametrize(
    ("behavior", "problem", "words"),
    [
        (half_json(), "half a JSON object", "half a JSON object"),
        (Behavior(body=b"", kind="application/json"), "half a JSON object", "half a JSON object"),
        (Behavior(body=b"[" * 100_000), "half a JSON object", "broken"),
        (Behavior(body=b"\xff\xfe{}"), "half a JSON object", "broken"),
        (Behavior(promise=50), "broken off", "peer closed"),
        (Behavior(body=b"<html>Log in", kind="text/html"), "no chat completion", r"text/html.*/v1"),
        (Behavior(body=b"[1, 2]"), "no chat completion", "no chat completion"),
        (Behavior(body=b'{"choices": null}'), "no chat completion", "no chat completion"),
        (Behavior(body=b'{"choices": []}'), "no text", "without text"),
        (Behavior(body=b'{"choices": [null]}'), "no text", "without text"),
        (Behavior(body=b'{"choices": [{"message": {"content": ["a"]}}]}'), "no text", "without text"),
        (Behavior(None, finish="content_filter"), "no text", "content_filter"),
        (Behavior(body=b'{"error": {"message": "overloaded"}}'), "server error", "an error in place of"),
        (Behavior(body=b'{"a": "' + b"x" * 2**22 + b'"}'), "too large", "more than 4,194,304 bytes"),
        (Behavior("too long", status=400), "refused with 400", "400: too long"),
        (Behavior(status=418, body=b'{"error": "a teapot"}'), "refused with 418", "418: a teapot"),
        (Behavior(status=422, body=b'{"detail": "no seed"}'), "refused with 422", "422: no seed"),
        (Behavior(status=400, body=b"<b>Bad</b>", kind="text/html"), "refused with 400", r"request \(400\)"),
        (slow_down(3600), "too many requests", "asked to slow down"),
        (failing(500, "<script>\x1b[31m"), "server error", r"500: <script>\[31m\)"),
        (LATE, "timed out", f"within {PATIENT} seconds"),
        (Behavior(drip=0.02), "timed out", f"within {PATIENT} seconds"),
    ],
)
def test_one_bad_answer_is_counted_and_the_others_are_kept(
    standin: StandIn, capsys, behavior, problem, words
):
    standin.plan = [Behavior(), behavior]
    generator = made(standin, at_once=1, timeout=PATIENT if problem == "timed out" else 5.0, retries=0)
    answers = generator.answer(questions(4), 0)
    assert answers == ["a small orange cat", None, "a small orange cat", "a small orange cat"]
    total = counts(generator)
    assert total.failed == {problem: 1}
    assert (total.asked, total.answered, total.given_up) == (4, 3, 0)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "3 of 4 questions answered" in said
    assert re.search(words, said)


@pytest.mark.parametrize(
    ("behavior", "words"),
    [
        (
            Behavior("The model `m` does not exist.", status=404),
            "knows no model 'm'.*404: The model `m` does",
        ),
        (half_json(), "half a JSON object"),
        (Behavior(body=b"<html>", kind="text/html"), "usually ends in /v1"),
        (failing(503, "loading"), "problem of its own .503: loading"),
        (slow_down(3600), "wait a while, or ask fewer"),
    ],
)
def test_when_nothing_was_answered_it_is_one_sentence(standin: StandIn, capsys, behavior, words):
    standin.normal = behavior
    generator = made(standin, retries=1)
    with pytest.raises(CourseError, match=words) as caught:
        generator.answer(questions(3), 0)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(standin.url)
    assert str(caught.value).endswith(".")
    assert capsys.readouterr().err == ""
    assert counts(generator).answered == 0


def test_no_network_is_one_sentence_and_does_not_take_all_day():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        generator = endpoint(f"http://127.0.0.1:{port}/v1", "m", 1.0, retries=1)
        start = time.monotonic()
        with pytest.raises(CourseError, match=r"cannot be reached \(.*\): start the server"):
            generator.answer(questions(1000), 0)
    assert time.monotonic() - start < 15
    total = counts(generator)
    assert total.failed["no connection"] == total.retried <= 8
    assert total.given_up == 1000 - total.failed["no connection"]


def test_a_server_that_never_answers_is_one_sentence(standin: StandIn):
    standin.normal = LATE
    start = time.monotonic()
    with pytest.raises(CourseError, match=r"did not answer within 0\.2 seconds"):
        made(standin, timeout=0.2, retries=0).answer(questions(100), 0)
    assert time.monotonic() - start < LATE.wait / 2
    assert len(standin.requests) <= 8


def test_a_server_that_dies_in_the_middle_is_given_up_and_what_came_is_kept(standin: StandIn, capsys):
    standin.plan = [Behavior(echo)] * 30
    standin.normal = failing(500)
    generator = made(standin, at_once=3, retries=0)
    answers = generator.answer(questions(500), 0)
    assert sum(answer is not None for answer in answers) == 30
    assert all(answer in (None, f"row {number}") for number, answer in enumerate(answers))
    total = counts(generator)
    # The count starts anew when a good answer arrives late: at most two are still on their way when the first
    # failure arrives, each after seven failures at most, and two more questions are asked beside the eighth.
    assert 8 <= total.failed["server error"] <= 2 * 7 + 8 + 2
    assert total.answered + sum(total.failed.values()) + total.given_up == total.asked == 500
    assert "not asked any more" in capsys.readouterr().err


def test_failures_that_are_not_in_a_row_stop_nothing(standin: StandIn):
    standin.plan = [Behavior(), half_json()] * 40
    generator = made(standin, at_once=1)
    assert sum(answer is None for answer in generator.answer(questions(80), 0)) == 40
    assert counts(generator).given_up == 0


def test_an_interrupt_ends_it_at_once(standin: StandIn):
    standin.normal = LATE
    program = (
        "import signal\n"
        # where the tests run in the background, children start with interrupts ignored
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from helpers.synthesis.endpoint import endpoint\n"
        f"generator = endpoint({standin.url!r}, 'm', 1.0)\n"
        "print('asking', flush=True)\n"
        "generator.answer([[{'role': 'user', 'content': 'q'}]] * 100, 0)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", program],
        cwd=settings.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
        text=True,
    )
    assert process.stdout.readline() == "asking\n"
    until = time.monotonic() + 20
    while standin.busiest < 8 and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    _, error = process.communicate(timeout=25)
    assert time.monotonic() - start < LATE.wait / 2
    assert "KeyboardInterrupt" in error
    assert len(standin.requests) == 8


def test_a_table_keeps_what_came_with_its_provenance(standin: StandIn):
    standin.plan = [Behavior(), half_json(), Behavior("<b>a & b</b>")]
    prompts = [{"prompt": question, "number": n} for n, question in enumerate(questions(3))]
    table = generate(Dataset.from_list(prompts), made(standin, at_once=1, revision="r1"), seed=5)
    assert table["number"] == [0, 2]
    assert [row[0]["content"] for row in table["completion"]] == ["a small orange cat", "<b>a & b</b>"]
    assert table[0]["generator"] == "m"
    assert table[0]["revision"] == "r1"
    assert table[0]["seed"] == 5


def test_shards_keep_what_came_before_the_server_died(standin: StandIn, tmp_path):
    data = Dataset.from_list([{"prompt": question} for question in questions(60)])
    generator = made(standin, at_once=1, retries=0)
    standin.plan = [Behavior(echo)] * 25
    standin.normal = failing(500)
    with pytest.raises(CourseError, match="a problem of its own"):
        generate_in_shards(data, generator, 0, tmp_path / "run", size=20)
    asked = len(standin.requests)
    standin.normal = Behavior(echo)
    table = generate_in_shards(data, made(standin), 0, tmp_path / "run", size=20)
    came = [row[0]["content"] for row in table["completion"]]
    assert came == [f"row {number}" for number in [*range(25), *range(40, 60)]]
    assert len(standin.requests) - asked == 20, "only the shard without any answer is asked again"


# --- addresses and settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        *["", "localhost:8000", "ftp://x/v1", "http://", "/v1", None, 3, "http://[::1", "http://x:port/v1"],
        *["http://x:99999/v1", "http://x y/v1", "http://x\n/v1", "http://" + "x" * 70 + "\u2026/v1"],
    ],
)
def test_what_is_no_address_is_one_sentence(url):
    with pytest.raises(CourseError, match="looks like http://localhost:8000/v1"):
        endpoint(url, "m", 1.0)


@pytest.mark.parametrize(
    "options", [{"timeout": 0}, {"timeout": float("nan")}, {"at_once": 0}, {"longest": -1}, {"retries": -1}]
)
def test_numbers_out_of_range_are_one_sentence(options):
    with pytest.raises(CourseError, match=next(iter(options))):
        endpoint("http://localhost/v1", "m", 1.0, **options)


def test_a_model_has_a_name():
    with pytest.raises(CourseError, match="Name the model"):
        endpoint("http://localhost/v1", "", 1.0)


def test_a_password_in_the_address_is_not_shown():
    generator = endpoint("http://me:secret@127.0.0.1:9/v1?token=secret", "m", 1.0, retries=0)
    with pytest.raises(CourseError, match=r"^http://127\.0\.0\.1:9/v1 cannot") as caught:
        generator.answer(questions(1), 0)
    assert "secret" not in str(caught.value) + repr(generator)


def test_a_wrong_path_says_what_addresses_look_like(standin: StandIn):
    with pytest.raises(CourseError, match="most end in /v1"):
        endpoint(standin.url.removesuffix("/v1"), "m", 1.0).answer(questions(1), 0)


def test_the_environment_may_name_an_endpoint(standin: StandIn, monkeypatch):
    assert from_environment(1.0) is None
    monkeypatch.setenv("COURSE_ENDPOINT", " ")
    assert from_environment(1.0) is None
    monkeypatch.setenv("COURSE_ENDPOINT", standin.url)
    with pytest.raises(CourseError, match="COURSE_ENDPOINT_MODEL is not"):
        from_environment(1.0)
    monkeypatch.setenv("COURSE_ENDPOINT_MODEL", "big")
    generator = from_environment(0.5, license="mit", longest=9)
    assert (generator.name, generator.temperature, generator.license) == ("big", 0.5, "mit")
    assert generator.answer(questions(1), 0) == ["a small orange cat"]
    assert standin.requests[0]["max_tokens"] == 9


# --- JSON in answers ----------------------------------------------------------------------------------------

CAT = {"caption": 'a "red" {cat}', "parts": [{"n": 1, "ok": True}, {"n": -2.5e3, "ok": None}]}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(CAT),
        json.dumps(CAT, indent=2),
        f"```json\n{json.dumps(CAT)}\n```",
        f"Sure! Here it is:\n\n{json.dumps(CAT)}\n\nAnything else {{such as this}}?",
        f"With {{braces}} before: {json.dumps(CAT)}",
        f"\ufeff{json.dumps(CAT)}",
    ],
)
def test_an_object_is_found_in_what_stands_around_it(text):
    assert json_answers([text]) == ([CAT], {})


def test_every_cut_of_an_object_is_half_of_one_and_never_a_part_of_it():
    text = json.dumps(CAT)
    cuts = [text[:end] for end in range(1, len(text))]
    objects, problems = json_answers(cuts)
    assert objects == [None] * len(cuts)
    assert problems == {"half a JSON object": len(cuts)}
    fenced, problems = json_answers([f"```json\n{text[:20]}"])
    assert fenced == [None]
    assert problems == {"half a JSON object": 1}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no idea",
        "[1, 2]",
        '"{"',
        "{'a': 1}",
        '{"a": NaN}',
        '{"a": ' + "9" * 5000 + "}",
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        "{ x } " * 100_000,
        '{"outer": {"inner": 1} and so on}',
    ],
)
def test_what_is_no_object_is_counted_and_quick(text):
    start = time.process_time()
    objects, problems = json_answers([text])
    assert time.process_time() - start < 1
    assert objects == [None]
    assert sum(problems.values()) == 1


def test_line_ends_inside_of_a_text_are_taken_as_models_write_them():
    assert json_answers(['{"a": "one\ntwo"}'])[0] == [{"a": "one\ntwo"}]


def test_answers_keep_their_places_and_problems_their_counts():
    objects, problems = json_answers(['{"a": 1}', None, "no", '{"a": ', None, "{}"])
    assert objects == [{"a": 1}, None, None, None, None, {}]
    assert problems == {"no answer": 2, "no JSON object": 1, "half a JSON object": 1}
