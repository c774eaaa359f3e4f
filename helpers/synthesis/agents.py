"""Agents that talk to each other: plain functions, and a transcript of who said what to whom at which cost.

Knows names, questions, answers and tokens. Knows nothing about critics, judges or teams: such a loop is a few
lines that call `Transcript.ask`, and what answers may be a small model, a real one, an endpoint or a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from helpers.settings import CourseError
from helpers.synthesis.generate import Conversation

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: What an agent is: (conversations, seed) -> one answer each, None where no answer came.
Answer = Callable[[Sequence[Conversation], int], Sequence[str | None]]
#: The length of each conversation, in tokens.
Count = Callable[[Sequence[Conversation]], list[int]]


def words(conversations: Sequence[Conversation]) -> list[int]:
    """The length of each conversation in words, for agents whose tokens nobody knows."""
    return [sum(len(message["content"].split()) for message in messages) for messages in conversations]


def tokens(tokenizer: PreTrainedTokenizerBase) -> Count:
    """Counts the tokens of a conversation as the model sees it: with all that its chat template adds."""

    def count(conversations: Sequence[Conversation]) -> list[int]:
        texts = [
            tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=messages[-1]["role"] != "assistant"
            )
            for messages in conversations
        ]
        if not texts:
            return []
        # The template has written every special token already; a long conversation is only counted here.
        ids = tokenizer(texts, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
        return [len(row) for row in ids]

    return count


@dataclass(frozen=True)
class Agent:
    """A function that answers, with the name under which the transcript knows it.

    Attributes:
        answer: (conversations, seed) -> one answer each; a `Generator`'s `answer`, or any function like it.
        count: measures what it reads and writes: `tokens(tokenizer)`, or `words`.
    """

    name: str
    answer: Answer
    count: Count = words


@dataclass(frozen=True)
class Turn:
    """One thing that was said.

    Attributes:
        row: which of the many conversations it belongs to.
        speaker, to: names; of agents, or of whoever else took part.
        text: None where an agent was asked and no answer came.
        read, written: tokens that the speaker read in order to say it, and that it wrote. Both are 0 for what
            no agent said.
    """

    row: int
    speaker: str
    to: str
    text: str | None
    read: int = 0
    written: int = 0


@dataclass(frozen=True)
class Cost:
    """What an agent was asked, and the tokens that it read and wrote for that."""

    asked: int = 0
    read: int = 0
    written: int = 0

    @property
    def tokens(self) -> int:
        """Read and written together: by this, two teams are made to cost the same."""
        return self.read + self.written


class Transcript:
    """What was said in many conversations at once, row by row, and what it cost.

    Attributes:
        turns: in the order in which they were said.
    """

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._costs: dict[str, Cost] = {}
        self._last: dict[int, Turn] = {}  # by row, what was last said to an agent

    def ask(
        self,
        agent: Agent,
        questions: Sequence[str | Conversation],
        seed: int,
        rows: Sequence[int] | None = None,
        asker: str = "notebook",
    ) -> list[str | None]:
        """The agent's answers, one to each question; both are added to the transcript.

        Args:
            questions: texts, or conversations whose last message is what is asked now. The agent knows
                nothing but what stands in them, and each token in them counts as read.
            seed: given to the agent.
            rows: which conversation each question belongs to, by default 0, 1, 2, … A row may be asked
                several times at once; its question is then written down once.
            asker: who asks.

        Raises:
            CourseError: if there are not as many rows or answers as questions, or an answer is no text.
        """
        conversations = [_conversation(question) for question in questions]
        numbers = _rows(rows, len(conversations), "questions")
        answers = list(agent.answer(conversations, seed)) if conversations else []
        if len(answers) != len(conversations):
            raise CourseError(f"{agent.name} gave {len(answers)} answers to {len(conversations)} questions.")
        for answer in answers:
            if answer is not None and not isinstance(answer, str):
                raise CourseError(
                    f"{agent.name} answered {repr(answer)[:60]}: an answer is a text, None if there is none."
                )
        read = agent.count(conversations)
        replies = [{"role": "assistant", "content": answer or ""} for answer in answers]
        both = agent.count([[*c, reply] for c, reply in zip(conversations, replies, strict=True)])
        cost = self._costs.get(agent.name, Cost())
        for row, conversation, answer, n_read, n_both in zip(
            numbers, conversations, answers, read, both, strict=True
        ):
            written = 0 if answer is None else n_both - n_read
            self._say(Turn(row, asker, agent.name, conversation[-1]["content"]))
            self.turns.append(Turn(row, agent.name, asker, answer, n_read, written))
            cost = replace(
                cost, asked=cost.asked + 1, read=cost.read + n_read, written=cost.written + written
            )
        self._costs[agent.name] = cost
        return answers

    def tell(self, speaker: str, to: str, texts: Sequence[str], rows: Sequence[int] | None = None) -> None:
        """Add what no agent said, such as a verdict of the world; it costs nothing until an agent reads it.

        Raises:
            CourseError: if there are not as many rows as texts.
        """
        for row, text in zip(_rows(rows, len(texts), "texts"), texts, strict=True):
            self._say(Turn(row, speaker, to, text))

    def conversation(self, row: int) -> list[Turn]:
        """All that was said in one row, in order."""
        return [turn for turn in self.turns if turn.row == row]

    @property
    def costs(self) -> dict[str, Cost]:
        """By agent, in the order in which they were first asked."""
        return dict(self._costs)

    @property
    def tokens(self) -> int:
        """All tokens that were read and written so far."""
        return sum(cost.tokens for cost in self._costs.values())

    def _say(self, turn: Turn) -> None:
        """Write down what no agent answered, unless it is what was last said to the agents of its row."""
        if self._last.get(turn.row) != turn:
            self._last[turn.row] = turn
            self.turns.append(turn)


def _conversation(question: str | Conversation) -> Conversation:
    if isinstance(question, str):
        return [{"role": "user", "content": question}]
    if not question:
        raise CourseError("A conversation without messages asks nothing: end it with the user's question.")
    return question


def _rows(rows: Sequence[int] | None, count: int, what: str) -> Sequence[int]:
    if rows is None:
        return range(count)
    if len(rows) != count:
        raise CourseError(f"There are {len(rows)} rows for {count} {what}: give one row for each.")
    return rows
