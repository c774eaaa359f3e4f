"""Asking a generator: whatever answers conversations, and a table of answers that says where each is from.

Knows what a generator is, the small models as one, and the columns of provenance. Knows nothing about whether
an answer is right, about endpoints, or about files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from helpers.data.formats import storable
from helpers.settings import CourseError, quiet
from helpers.synthesis.stages import require_table

if TYPE_CHECKING:
    from datasets import Dataset, Features
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: One message of a chat: its `role` (system, user or assistant) and its `content`.
Message = dict[str, str]
#: The messages that stand before an answer; the last one is what is asked.
Conversation = list[Message]

#: What `generate` adds to every row besides the completion.
PROVENANCE = ("generator", "revision", "temperature", "seed")


@dataclass(frozen=True)
class Generator:
    """Something that answers conversations, and what must be known of it to make its answers again.

    Attributes:
        name: of the model or the template, as a dataset card would name it.
        revision: which version of it: a commit, a seed of training, or a date.
        license: of what it writes, such as "cc-by-4.0"; for a model, the model's own.
        temperature: at which it draws; None where nothing is drawn by temperature.
        answer: (conversations, seed) -> one answer each, in the same order; None where no answer came.
    """

    name: str
    revision: str
    license: str
    temperature: float | None
    answer: Callable[[Sequence[Conversation], int], Sequence[str | None]]


def local(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    name: str,
    revision: str,
    license: str,
    temperature: float = 1.0,
    longest: int = 24,
    batch: int = 256,
) -> Generator:
    """A causal language model in memory as a generator, by `helpers.models.small.sample`.

    It answers single questions: conversations of one user's message each.

    Args:
        longest: tokens after which an answer is cut.
        batch: conversations at a time; what a model of 135 million parameters holds of 256 is over 0.5 GB.
    """

    def answer(conversations: Sequence[Conversation], seed: int) -> list[str | None]:
        from helpers.models import small

        questions = [_question(conversation, name) for conversation in conversations]
        return list(small.sample(model, tokenizer, questions, seed, temperature, longest, batch))

    return Generator(name, revision, license, temperature, answer)


def generate(data: Dataset, generator: Generator, seed: int) -> Dataset:
    """Every row's `prompt` answered: the rows with `completion`, generator, revision, temperature and seed.

    Rows without an answer (None, or text that no file can hold) are left out, so the result is shorter by
    their number, which `helpers.synthesis.stages.funnel` counts. An empty answer is an answer.

    Args:
        data: with the conversational column `prompt`; other columns stay, but for those named above.
        seed: given to the generator. The same data, generator and seed give the same answers, where the
            generator itself keeps that promise.

    Raises:
        CourseError: if a prompt is not a list of messages, or there are not as many answers as prompts.
    """
    return with_answers(data, ask(data, generator, seed), generator, seed)


def ask(data: Dataset, generator: Generator, seed: int) -> list[str | None]:
    """The generator's answer to each row's `prompt`; None where there is none that a file can hold.

    Raises:
        CourseError: as :func:`generate`.
    """
    prompts = _prompts(data)
    answers = generator.answer(prompts, seed) if prompts else []
    if not isinstance(answers, list | tuple) or not all(isinstance(one, str | None) for one in answers):
        raise CourseError(f"{generator.name} must give a list of texts, with None where there is no answer.")
    if len(answers) != len(prompts):
        raise CourseError(
            f"{generator.name} gave {len(answers)} answers to {len(prompts)} prompts; a generator gives one "
            "each, None where there is none."
        )
    return [answer if answer is not None and storable(answer) else None for answer in answers]


def with_answers(data: Dataset, answers: Sequence[str | None], generator: Generator, seed: int) -> Dataset:
    """The rows that have an answer, with it and its provenance; what :func:`generate` makes of them."""
    quiet()
    from datasets import Dataset, Features, concatenate_datasets

    kept = [number for number, answer in enumerate(answers) if answer is not None]
    made: dict[str, list[Any]] = {
        "completion": [[{"role": "assistant", "content": answers[number]}] for number in kept],
        "generator": [generator.name] * len(kept),
        "revision": [generator.revision] * len(kept),
        "temperature": [generator.temperature] * len(kept),
        "seed": [seed] * len(kept),
    }
    old = data.select(kept).remove_columns([name for name in data.column_names if name in made])
    features = _features()
    if not kept:  # which datasets would leave out of a concatenation, columns and all
        features = Features({**old.features, **features})
        return Dataset.from_dict({name: [] for name in features}, features=features)
    return concatenate_datasets([old, Dataset.from_dict(made, features=features)], axis=1)


def _prompts(data: Dataset) -> list[Conversation]:
    require_table(data, streams=False)
    if "prompt" not in data.column_names:
        raise CourseError(
            "Generating needs the column prompt, each a list of messages such as "
            f"[{{'role': 'user', 'content': '…'}}] (found: {', '.join(data.column_names) or 'none'})."
        )
    prompts = list(data["prompt"])
    for number, prompt in enumerate(prompts, start=1):
        if not isinstance(prompt, list) or not prompt or not all(map(_is_message, prompt)):
            raise CourseError(
                f"The prompt of row {number} must be a list of messages such as "
                f"[{{'role': 'user', 'content': '…'}}], not {repr(prompt)[:60]}."
            )
    return prompts


def _is_message(message: Any) -> bool:
    return isinstance(message, dict) and all(isinstance(message.get(key), str) for key in ("role", "content"))


def _question(conversation: Conversation, name: str) -> str:
    if [message["role"] for message in conversation] != ["user"]:
        raise CourseError(
            f"{name} answers single questions: give it conversations of one user's message each, with "
            "all that it has to know in that message."
        )
    return conversation[0]["content"]


def _features() -> Features:
    from datasets import Features, Value

    return Features(
        {
            "completion": [{"role": Value("string"), "content": Value("string")}],
            "generator": Value("string"),
            "revision": Value("string"),
            "temperature": Value("float64"),
            "seed": Value("int64"),
        }
    )
