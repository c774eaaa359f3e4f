from __future__ import annotations

import pytest

from helpers import world
from helpers.lesson import conversation
from helpers.models import base, small
from helpers.settings import CourseError
from helpers.synthesis import agents, endpoint, generate
from helpers.synthesis.agents import Agent, Cost, Transcript, Turn
from tests.models.conftest import packaged_models
from tests.synthesis.standin_server import Behavior, StandIn

__all__ = ["packaged_models"]


def said(text: str | None) -> agents.Answer:
    """An agent that always says the same."""
    return lambda conversations, seed: [text] * len(conversations)


def user(text: str) -> generate.Conversation:
    return [{"role": "user", "content": text}]


# --- asking -------------------------------------------------------------------------------------------------


def test_a_question_and_its_answer_are_written_down_with_their_cost():
    transcript = Transcript()
    answers = transcript.ask(Agent("writer", said("a red cat")), ["red cat, meadow"], seed=0, asker="critic")
    assert answers == ["a red cat"]
    assert transcript.turns == [
        Turn(0, "critic", "writer", "red cat, meadow"),
        Turn(0, "writer", "critic", "a red cat", read=3, written=3),
    ]
    assert transcript.costs == {"writer": Cost(asked=1, read=3, written=3)}
    assert transcript.tokens == 6


def test_a_text_is_asked_as_one_message_of_the_user_and_a_conversation_as_it_is():
    heard: list[object] = []

    def answer(conversations: object, seed: int) -> list[str]:
        heard.append((conversations, seed))
        return ["yes", "no"]

    long = [*user("one"), {"role": "assistant", "content": "two"}, *user("three")]
    transcript = Transcript()
    assert transcript.ask(Agent("judge", answer), ["is it?", long], seed=7) == ["yes", "no"]
    assert heard == [([user("is it?"), long], 7)]
    assert [turn.text for turn in transcript.conversation(1)] == ["three", "no"]
    assert transcript.turns[3].read == 3, "the whole conversation is read, not only its last message"


def test_costs_add_up_over_rounds_and_agents():
    transcript = Transcript()
    writer, critic = Agent("writer", said("one two")), Agent("critic", said("wrong"))
    for seed in range(3):
        transcript.ask(writer, ["a b c", "d"], seed)
    transcript.ask(critic, ["x y"], 0, rows=[1], asker="writer")
    assert transcript.costs == {"writer": Cost(6, 12, 12), "critic": Cost(1, 2, 1)}
    assert list(transcript.costs) == ["writer", "critic"]
    assert transcript.tokens == 27 == sum(turn.read + turn.written for turn in transcript.turns)


def test_several_samples_of_a_row_share_its_question():
    transcript = Transcript()
    answers = iter("abcd")
    agent = Agent("writer", lambda conversations, seed: [next(answers) for _ in conversations])
    transcript.ask(agent, ["p", "p", "q", "q"], 0, rows=[5, 5, 9, 9])
    assert [turn.text for turn in transcript.conversation(5)] == ["p", "a", "b"]
    assert [turn.text for turn in transcript.conversation(9)] == ["q", "c", "d"]
    assert transcript.costs["writer"].asked == 4


def test_a_question_that_comes_again_after_something_else_is_written_down_again():
    transcript = Transcript()
    writer = Agent("writer", said("cat"))
    transcript.ask(writer, ["p"], 0)
    transcript.tell("verifier", "writer", ["wrong"])
    transcript.ask(writer, ["p"], 1)
    assert [turn.text for turn in transcript.conversation(0)] == ["p", "cat", "wrong", "p", "cat"]


def test_what_no_agent_said_costs_nothing_until_an_agent_reads_it():
    transcript = Transcript()
    transcript.tell("world", "writer", ["this is a long verdict", "right"], rows=[3, 4])
    assert transcript.tokens == 0
    assert transcript.costs == {}
    transcript.ask(Agent("writer", said("oh")), ["this is a long verdict"], 0, rows=[3])
    assert transcript.costs["writer"].read == 5


def test_where_no_answer_came_none_stays_none_and_only_reading_costs():
    transcript = Transcript()
    answers = transcript.ask(Agent("writer", lambda c, s: ["a", None]), ["p q", "p q"], 0)
    assert answers == ["a", None]
    assert transcript.turns[-1] == Turn(1, "writer", "notebook", None, read=2, written=0)
    assert transcript.costs["writer"] == Cost(2, 4, 1)


def test_nothing_asked_nothing_called():
    def never(conversations: object, seed: int) -> list[str]:
        raise AssertionError("called")

    transcript = Transcript()
    assert transcript.ask(Agent("writer", never), [], 0) == []
    assert transcript.turns == []
    assert transcript.costs["writer"] == Cost()
    assert transcript.conversation(0) == []


@pytest.mark.parametrize(
    ("answer", "arguments", "sentence"),
    [
        (lambda c, s: ["a"], {}, "writer gave 1 answers to 2 questions"),
        (lambda c, s: ["a", 3], {}, "writer answered 3: an answer is a text"),
        (lambda c, s: ["a", "b"], {"rows": [1]}, "1 rows for 2 questions"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_leaves_no_trace(answer, arguments, sentence):
    transcript = Transcript()
    with pytest.raises(CourseError, match=sentence):
        transcript.ask(Agent("writer", answer), ["p", "q"], 0, **arguments)
    assert transcript.turns == []
    assert transcript.tokens == 0


def test_an_empty_conversation_asks_nothing():
    with pytest.raises(CourseError, match="without messages"):
        Transcript().ask(Agent("writer", said("a")), [[]], 0)


def test_texts_that_are_told_need_their_rows():
    with pytest.raises(CourseError, match="2 rows for 1 texts"):
        Transcript().tell("a", "b", ["x"], rows=[1, 2])


def test_costs_cannot_be_changed_from_outside():
    transcript = Transcript()
    transcript.ask(Agent("writer", said("a")), ["p"], 0)
    transcript.costs.clear()
    assert transcript.costs["writer"].asked == 1


# --- counting -----------------------------------------------------------------------------------------------


def test_tokens_are_those_that_the_model_reads_and_is_scored_on():
    _, tokenizer = base.base(0)
    scenes = base.records(20, 0, "test")
    questions = [world.record(scene) for scene in scenes]
    answers = [world.captions(scene)[0] for scene in scenes]
    transcript = Transcript()
    transcript.ask(Agent("writer", lambda c, s: answers, agents.tokens(tokenizer)), questions, 0)
    read = [len(ids) for ids in small.prompt_ids(tokenizer, questions)]
    _, answer = small.encode(tokenizer, list(zip(questions, answers, strict=True)))
    turns = [turn for turn in transcript.turns if turn.speaker == "writer"]
    assert [turn.read for turn in turns] == read
    assert [turn.written for turn in turns] == answer.sum(1).tolist()
    assert agents.tokens(tokenizer)([]) == []


# --- one loop, three kinds of agents ------------------------------------------------------------------------


def revise(
    writer: Agent, critic: Agent, questions: list[str], transcript: Transcript
) -> list[tuple[str | None, str | None, str | None]]:
    """The shape of lesson 06's loops: a draft, a remark on it, and a second try that knows both."""
    drafts = transcript.ask(writer, questions, seed=0)
    remarks = transcript.ask(critic, [f"Is this right? {d}" for d in drafts], seed=1, asker=writer.name)
    again = [f"{q} {d} {r}" for q, d, r in zip(questions, drafts, remarks, strict=True)]
    finals = transcript.ask(writer, again, seed=2, asker=critic.name)
    return list(zip(drafts, remarks, finals, strict=True))


def check_loop(writer: Agent, critic: Agent, questions: list[str]) -> None:
    transcript = Transcript()
    for row in revise(writer, critic, questions, transcript):
        assert all(isinstance(text, str) for text in row)
    assert {name: cost.asked for name, cost in transcript.costs.items()} == {
        writer.name: 2 * len(questions),
        critic.name: len(questions),
    }
    assert all(cost.read > 0 and cost.written > 0 for cost in transcript.costs.values())
    turns = transcript.conversation(len(questions) - 1)
    assert [(turn.speaker, turn.to) for turn in turns] == [
        ("notebook", writer.name),
        (writer.name, "notebook"),
        (writer.name, critic.name),
        (critic.name, writer.name),
        (critic.name, writer.name),
        (writer.name, critic.name),
    ]
    assert conversation.conversation_text(turns, "A loop.").count("\n") >= 6


def test_a_small_model_drives_the_loop():
    model, tokenizer = base.base(0)
    answer = generate.local(model, tokenizer, "base", "seed 0", "cc-by-4.0").answer
    questions = [world.record(scene) for scene in base.records(4, 0, "test")]
    count = agents.tokens(tokenizer)
    check_loop(Agent("writer", answer, count), Agent("critic", answer, count), questions)


@pytest.mark.real
def test_a_real_model_drives_the_loop(packaged_models: None):
    from helpers.models import real

    found = real.language_model()
    assert found is not None
    answer = generate.local(
        found.model, found.tokenizer, found.name, "Q4_1", "apache-2.0", longest=12, batch=2
    ).answer
    count = agents.tokens(found.tokenizer)
    check_loop(Agent("writer", answer, count), Agent("critic", answer, count), ["Say hello.", "Name a cat."])


def test_an_endpoint_drives_the_loop(standin: StandIn):
    standin.normal = Behavior(lambda request: f"You said: {request['messages'][-1]['content']}")
    answer = endpoint.endpoint(standin.url, "m", temperature=1.0).answer
    check_loop(Agent("writer", answer), Agent("critic", answer), ["red cat", "blue dog"])
    assert len(standin.requests) == 6
