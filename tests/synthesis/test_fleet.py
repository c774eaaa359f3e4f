"""A fleet of endpoints: shared work, another endpoint for what one leaves, counts, resumption, throughput."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

import pytest
from datasets import Dataset

from helpers.course import bench_fleet
from helpers.settings import CourseError
from helpers.synthesis.endpoint import endpoint
from helpers.synthesis.fleet import fleet
from helpers.synthesis.generate import Generator
from helpers.synthesis.shards import generate_in_shards
from tests.synthesis.standin_server import Behavior, StandIn, failing


def questions(count):
    return [[{"role": "user", "content": f"row {number}"}] for number in range(count)]


def echo(request):
    """What was asked, and the seed that came with it."""
    return f"{request['messages'][-1]['content']}, seed {request['seed']}"


@pytest.fixture
def servers(monkeypatch):
    """Three stand-ins that echo."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with ExitStack() as stack:
        made = [stack.enter_context(StandIn()) for _ in range(3)]
        for one in made:
            one.normal = Behavior(echo)
        yield made


def made(standin, **options):
    return endpoint(
        standin.url, "m", **{"temperature": 0.7, "timeout": 5.0, "retries": 0, "at_once": 2, **options}
    )


def of(servers, **options):
    return fleet([made(one, **options) for one in servers])


# --- when all goes well -------------------------------------------------------------------------------------


def test_answers_come_in_order_and_are_those_of_a_single_endpoint(servers):
    for one in servers:
        one.normal = Behavior(echo, wait=0.01)
    generator = of(servers)
    answers = generator.answer(questions(30), 7)
    assert answers == made(servers[0]).answer(questions(30), 7)
    assert [answer.split(",")[0] for answer in answers] == [f"row {number}" for number in range(30)]
    assert len({answer.split()[-1] for answer in answers}) == 30
    counts = generator.answer.counts
    assert list(counts) == [one.url for one in servers]
    assert sum(one.answered for one in counts.values()) == 30
    assert all(one.asked == one.answered >= 5 for one in counts.values())


def test_each_endpoint_has_its_own_limit(servers):
    for one in servers:
        one.normal = Behavior(echo, wait=0.03)
    fleet([made(one, at_once=limit) for one, limit in zip(servers, (1, 2, 4), strict=True)]).answer(
        questions(40), 0
    )
    assert [one.busiest for one in servers] == [1, 2, 4]


def test_who_is_free_takes_the_next(servers):
    servers[0].normal = Behavior(echo, wait=0.3)
    generator = of(servers)
    generator.answer(questions(40), 0)
    slow, *quick = (len(one.requests) for one in servers)
    assert slow < 8 < min(quick)


def test_nothing_to_ask(servers):
    assert of(servers).answer([], 0) == []


def test_it_is_a_generator_like_any_other(servers):
    generator = of(servers, revision="r1", license="mit")
    assert (generator.name, generator.revision, generator.license) == ("m", "r1", "mit")
    assert generator.temperature == 0.7


# --- when something does not --------------------------------------------------------------------------------


def test_what_one_leaves_another_answers(servers, capsys):
    servers[0].normal = failing(500)
    generator = of(servers)
    assert None not in generator.answer(questions(40), 0)
    counts = list(generator.answer.counts.values())
    assert counts[0].answered == 0 < counts[0].failed["server error"] <= 9  # then it is left alone
    assert sum(one.answered for one in counts) == 40
    said = capsys.readouterr().err
    assert said.startswith(
        f"40 of 40 questions answered. {servers[0].url} has a problem of its own (500: internal)"
    )
    assert said.count("\n") == 1


def test_one_that_cannot_be_reached_is_asked_once_a_thread(servers):
    with StandIn() as gone:
        address = gone.url
    generator = fleet([endpoint(address, "m", 0.7, retries=0, at_once=2), made(servers[1])])
    assert None not in generator.answer(questions(20), 0)
    assert generator.answer.counts[address].asked <= 2


def test_one_that_goes_away_in_the_middle(servers):
    servers[0].plan = [Behavior(echo)] * 4 + [Behavior(hang_up=True)] * 100
    generator = of(servers[:2])
    assert None not in generator.answer(questions(60), 0)
    assert len(servers[0].requests) < 20


def test_a_question_that_nobody_answers_is_none_and_each_was_asked_once(servers, capsys):
    poor = "row 5,"
    for one in servers:
        one.normal = Behavior(lambda request: echo(request))
        take = one._take

        def refuse(request, headers, take=take):
            found = take(request, headers)
            return failing(400, "too long") if echo(request).startswith(poor) else found

        one._take = refuse
    generator = of(servers)
    answers = generator.answer(questions(12), 0)
    assert [row for row, answer in enumerate(answers) if answer is None] == [5]
    asked = [[echo(request).startswith(poor) for request in one.requests].count(True) for one in servers]
    assert asked == [1, 1, 1]
    assert capsys.readouterr().err.startswith("11 of 12 questions answered. ")


def test_where_nothing_is_answered_it_is_one_sentence(servers):
    for one in servers:
        one.normal = failing(401, "no key")
    with pytest.raises(CourseError, match=r"No endpoint of the fleet answered: http.* wants a key") as raised:
        of(servers).answer(questions(50), 0)
    assert "\n" not in str(raised.value)
    assert sum(len(one.requests) for one in servers) <= 6


def test_an_interrupt_sends_nothing_more(servers):
    for one in servers:
        one.normal = Behavior(echo, wait=0.05)
    generator = of(servers)
    before = threading.active_count()

    def stop(*_):
        raise KeyboardInterrupt

    join = threading.Thread.join
    threading.Thread.join = stop
    try:
        with pytest.raises(KeyboardInterrupt):
            generator.answer(questions(200), 0)
    finally:
        threading.Thread.join = join
    # What was under way arrives, however busy the machine is, and after half a quiet second nothing comes.
    sent, until = [-1], time.monotonic() + 20
    while sent[-1] != sent[0] or len(sent) < 11:
        assert time.monotonic() < until, "requests keep coming"
        sent = [*sent[-10:], sum(len(one.requests) for one in servers)]
        time.sleep(0.05)
    assert sent[-1] <= 12
    assert threading.active_count() <= before + 12


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda one, two: [], "at least one endpoint"),
        (
            lambda one, two: [made(one), Generator("m", "unknown", "unknown", 0.7, list)],
            "is made of endpoints",
        ),
        (lambda one, two: [made(one), endpoint(two.url, "n", 0.7)], "name is 'm' at the first and 'n'"),
        (lambda one, two: [made(one), made(two, temperature=1.0)], "temperature is 0.7 at the first and 1.0"),
        (lambda one, two: [made(one), made(one)], "the same address"),
    ],
)
def test_what_is_no_fleet(make, message, servers):
    with pytest.raises(CourseError, match=message):
        fleet(make(*servers[:2]))


# --- in shards ----------------------------------------------------------------------------------------------


def test_a_run_that_was_stopped_goes_on_with_another_number_of_servers(servers, tmp_path):
    data = Dataset.from_dict({"prompt": questions(20)})
    whole = generate_in_shards(data, made(servers[0]), 3, tmp_path / "whole", size=5)
    servers[0].requests.clear()

    class CrashError(Exception):
        pass

    one = of(servers[:1])
    answer, calls = one.answer, []

    def breaks(conversations, seed):
        calls.append(seed)
        if len(calls) == 3:
            raise CrashError
        return answer(conversations, seed)

    broken = Generator(one.name, one.revision, one.license, one.temperature, breaks)
    with pytest.raises(CrashError):
        generate_in_shards(data, broken, 3, tmp_path / "parts", size=5)
    assert len(servers[0].requests) == 10
    done = generate_in_shards(data, of(servers), 3, tmp_path / "parts", size=5)
    assert sum(len(server.requests) for server in servers) == 20
    assert done.to_list() == whole.to_list()


# --- how quick it is ----------------------------------------------------------------------------------------


def test_servers_add_up(servers):
    """Three servers that wait do in the time of one almost three times as much."""

    def seconds(some):
        generator = of(some)
        generator.answer(questions(4), 0)
        started = time.perf_counter()
        generator.answer(questions(12), 1)
        return time.perf_counter() - started

    for one in servers:
        one.normal = Behavior(echo, wait=0.4)
    assert seconds(servers[:1]) > 1.6 * seconds(servers)  # 3, but for a busy machine


def test_the_benchmark_measures_every_number_of_servers():
    rows = bench_fleet.fleet_rows(servers=(1, 2), seconds=0.02, each=8)
    assert [row.name for row in rows] == ["fleet, 1 server", "fleet, 2 servers", "… against one"]
    assert all(row.value > 0 for row in rows)
    assert rows[-1].least == bench_fleet.LEAST
