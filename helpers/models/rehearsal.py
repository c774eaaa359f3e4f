"""A stand-in for a real model: a tiny Llama that has read nothing but your own file, to rehearse a run with.

Knows how to cut any text into byte-level tokens and to make a folder that loads as a real model's does, with
a chat template, so that every stage of a training can be tried in seconds. Knows nothing about preferences.
What it writes is worth nothing; that it trains, stops, resumes, merges and exports is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.models import small
from helpers.models.threads import threads
from helpers.settings import CourseError, quiet

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: ChatML, as SmolLM2 and Qwen2.5 have it, without a system message.
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_END, _OPEN, _CLOSE = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
_TOKENS = 600


def stand_in(chats: Sequence[small.Chat], folder: Path, steps: int = 60, seed: int = 0) -> None:
    """Write a tiny Llama that has read `chats` into a folder, as `save_pretrained` does; some seconds.

    Its tokens are byte pairs of these texts (Sennrich et al., 2016, on bytes), so that any language fits.

    Raises:
        CourseError: if there is no chat.
    """
    if not chats:
        raise CourseError("There is nothing that a stand-in could read: give it some answers.")
    tokenizer = _tokenizer([text for chat in chats for text in chat])
    longest = max(len(row) for row in small.encode(tokenizer, chats)[0])
    model = small.new_model(len(tokenizer), seed)
    model.config.max_position_embeddings = max(small.CONTEXT, 2 * longest)
    model.config.pad_token_id, model.config.eos_token_id = tokenizer.pad_token_id, tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    with threads(1):
        small.fit(model, tokenizer, list(chats), steps, seed)
    small.save(model, tokenizer, folder)


def _tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerBase:
    quiet()
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_TOKENS,
        special_tokens=[_END, _OPEN, _CLOSE],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # The names of the roles stand in every chat, whatever the texts are.
    backend.train_from_iterator([*texts, *["user\n", "assistant\n"] * 100], trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=_END,
        bos_token=_OPEN,
        eos_token=_CLOSE,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )
    made.chat_template = CHAT
    return made
