"""A small language model of the Llama architecture: made, fitted, asked and scored, in seconds on one core.

Knows tokens, chats and log-probabilities. Knows nothing about what the texts say. All functions but
`tokenizer` and `new_model` take any causal language model of transformers, so that a lesson asks a real one
the same way.

A chat is written ``<|user|>QUESTION<|assistant|>ANSWER<|end|>``. Words carry the space before them, as in
GPT-2, so that decoding gives back the very text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.models.bars import without_bars
from helpers.settings import CourseError, quiet

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PAD, UNKNOWN, USER, ASSISTANT, END = "<|pad|>", "<|unknown|>", "<|user|>", "<|assistant|>", "<|end|>"
#: The longest chat that a small model takes, in tokens.
CONTEXT = 64

_WORD = r" ?\w+|[^\w\s]"
_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ '<|assistant|>' + message['content'] + '<|end|>' }}"
    "{% else %}{{ '<|user|>' + message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

#: A question and its answer.
Chat = tuple[str, str]


def tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerBase:
    """A tokenizer whose tokens are the words of `texts`, with the chat template; pads on the right."""
    quiet()
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = sorted({word for text in texts for word in re.findall(_WORD, text)})
    ids = {word: number for number, word in enumerate([PAD, UNKNOWN, USER, ASSISTANT, END, *words])}
    backend = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(_WORD), behavior="isolated")
    backend.decoder = decoders.Fuse()
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        model_max_length=CONTEXT,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )
    made.chat_template = _TEMPLATE
    return made


def new_model(
    vocabulary: int, seed: int, width: int = 64, layers: int = 2, heads: int = 4
) -> PreTrainedModel:
    """An untrained Llama: 0.1 million parameters at its defaults. The same seed gives the same weights."""
    quiet()
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=width * 5 // 2,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=CONTEXT,
        initializer_range=0.08,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=4,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()


# --- chats as tokens ----------------------------------------------------------------------------------------


def encode(tokenizer: PreTrainedTokenizerBase, chats: Sequence[Chat]) -> tuple[Tensor, Tensor]:
    """Chats as padded token ids (n, length), and where they are the answer's: bool (n, length).

    The answer ends with the end token that the chat template writes.
    """
    import torch

    prompts = prompt_ids(tokenizer, [question for question, _ in chats])
    whole = _templated(
        tokenizer,
        [
            [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            for question, answer in chats
        ],
        add_generation_prompt=False,
    )
    length = max(len(ids) for ids in whole)
    ids = torch.full((len(chats), length), tokenizer.pad_token_id)
    answer = torch.zeros(len(chats), length, dtype=torch.bool)
    for row, (prompt, chat) in enumerate(zip(prompts, whole, strict=True)):
        ids[row, : len(chat)] = torch.tensor(chat)
        answer[row, len(prompt) : len(chat)] = True
    return ids, answer


def prompt_ids(tokenizer: PreTrainedTokenizerBase, questions: Sequence[str]) -> list[list[int]]:
    """The tokens of each question, up to where the answer begins."""
    chats = [[{"role": "user", "content": question}] for question in questions]
    return _templated(tokenizer, chats, add_generation_prompt=True)


def _templated(
    tokenizer: PreTrainedTokenizerBase, chats: list[list[dict[str, str]]], add_generation_prompt: bool
) -> list[list[int]]:
    texts = tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=add_generation_prompt)
    # The template has written every special token already.
    return tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []


def logps(model: PreTrainedModel, ids: Tensor, answer: Tensor) -> Tensor:
    """Summed log-probability of each answer given its question: (n, length), (n, length) -> (n,), in nats.

    With gradients where they are enabled. Padding on the right needs no mask: what comes later is not seen.
    """
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    chosen = logits.log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
    return (chosen * answer[:, 1:]).sum(-1)


def score(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, chats: Sequence[Chat], batch: int = 512
) -> Tensor:
    """The log-probability of each chat's answer, without gradients: (n,)."""
    import torch

    if not chats:
        return torch.empty(0)
    with torch.no_grad():
        parts = [
            logps(model, *encode(tokenizer, chats[start : start + batch]))
            for start in range(0, len(chats), batch)
        ]
    return torch.cat(parts)


def sample(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[str],
    seed: int,
    temperature: float = 1.0,
    longest: int = 24,
    batch: int = 256,
) -> list[str]:
    """One answer to each question, drawn token by token; `temperature` 0 takes the likeliest token.

    An answer that has not ended after `longest` tokens is cut there.
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    prompts = prompt_ids(tokenizer, questions)
    answers: list[str] = []
    how: dict[str, Any] = (
        {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        if temperature > 0
        else {"do_sample": False}
    )
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        for start in range(0, len(prompts), batch):
            rows = [torch.tensor(ids) for ids in prompts[start : start + batch]]
            ids = pad_sequence(
                rows, batch_first=True, padding_value=tokenizer.pad_token_id, padding_side="left"
            )
            lengths = torch.tensor([len(row) for row in rows])
            mask = torch.arange(ids.shape[1]) >= ids.shape[1] - lengths[:, None]
            drawn = model.generate(
                input_ids=ids.to(model.device),
                attention_mask=mask.long().to(model.device),
                max_new_tokens=longest,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
                **how,
            )
            answers += tokenizer.batch_decode(drawn[:, ids.shape[1] :], skip_special_tokens=True)
    return answers


# --- fitting ------------------------------------------------------------------------------------------------


def fit(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    chats: Sequence[Chat],
    steps: int,
    seed: int,
    learning_rate: float = 3e-3,
    batch: int = 64,
    progress: Callable[[range], Iterator[int]] | None = None,
) -> float:
    """Train the model, in place, on the answers of `chats` by cross-entropy; gives the last batch's loss.

    AdamW, warmed up over 40 steps and then lowered in a straight line. The same arguments give the same
    weights on the same machine.
    """
    import torch
    from torch.nn.functional import cross_entropy

    ids, answer = encode(tokenizer, chats)
    targets = torch.where(answer, ids, -100)[:, 1:]
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / 40) * (0.05 + 0.95 * (1 - step / steps))
    )
    generator = torch.Generator().manual_seed(seed)
    model.train()
    loss = torch.zeros(())
    for _ in progress(range(steps)) if progress else range(steps):
        rows = torch.randint(len(chats), (batch,), generator=generator)
        logits = model(input_ids=ids[rows, :-1], use_cache=False).logits
        loss = cross_entropy(logits.flatten(0, 1), targets[rows].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.eval()
    return loss.item()


# --- storing ------------------------------------------------------------------------------------------------


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Store both in the ordinary `save_pretrained` layout, weights as safetensors."""
    with without_bars():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def load(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A stored model, in eval mode, and its tokenizer.

    Raises:
        CourseError: if the folder holds no such model.
    """
    quiet()
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        with without_bars():
            model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        made = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).rstrip(".").splitlines()[0]
        raise CourseError(f"{folder} holds no language model that can be read ({reason}).") from error
    return model.eval(), made
