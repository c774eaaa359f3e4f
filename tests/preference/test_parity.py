"""The losses against TRL's trainers on the same batch: loss, rewards and gradients.

TRL's own code computes its side. In float64 its loss is fed with made-up log-probabilities of tokens in place
of a model, as its kernel for real ones works in float32; with a real model both sides are float32.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from helpers.models import small
from helpers.preference import fast, losses
from helpers.preference import train as with_trl
from helpers.preference.runs import PAIRED, UNPAIRED, Settings

ROWS = 16
BETA, UP, DOWN, SFT = 0.4, 1.5, 0.6, 0.7
OF_PAIRS = {
    "dpo": losses.dpo_loss,
    "dpo+sft": losses.dpo_loss,
    "apo_zero": losses.apo_zero_loss,
    "apo_down": losses.apo_down_loss,
}
# What rounding may do; in float32 five times that to rewards, as whole answers are summed.
FLOAT64, FLOAT32 = 1e-12, 1e-6


def settings(method):
    return Settings(method, 1e-3, 1, ROWS, BETA, UP, DOWN, SFT, warmup_steps=0)


@pytest.fixture
def moved(model, tokenizer, stock_thumbs):
    """A policy that has moved from the reference so that mismatched answers have become likelier: z0 > 0."""
    taught = Settings("apo_zero_unpaired", 1e-3, 12, 16, beta=0.5)
    return fast.train_fast(model, tokenizer, stock_thumbs, taught).model


@pytest.fixture
def make_trainer(tokenizer, moved, model, data_for, tmp_path):
    def make(method):
        rows = data_for(method).select(range(ROWS))
        with with_trl._random_state_kept(), with_trl._silence():
            made = with_trl.trainer(moved, tokenizer, rows, settings(method), str(tmp_path), model)
        moved.train()
        return made, next(iter(made.get_train_dataloader()))

    return make


def ours(method, policy, ref, tokens, desirable=None, policy_kl=None, ref_kl=None):
    """Our loss, rewards and z0 from log-probabilities; `tokens` are those of all chosen answers' tokens."""
    if method in PAIRED:
        values, *rewards = OF_PAIRS[method](*policy.chunk(2), *ref.chunk(2), beta=BETA)
        loss = values.mean()
        return (loss - SFT * tokens.mean() if method == "dpo+sft" else loss), torch.cat(rewards), 0.0
    if method == "kto":
        kl = losses.kto_reference_point(policy_kl, ref_kl)
        values, rewards = losses.kto_loss(policy, ref, desirable, kl, BETA, UP, DOWN)
        return values.mean(), rewards, kl.item()
    values, rewards = losses.apo_zero_unpaired_loss(policy, ref, desirable, BETA, UP, DOWN)
    return values.mean(), rewards, 0.0


def logged(made, name):
    (value,) = made._metrics["train"][name]
    return value


def compare_rewards(made, method, rewards, desirable, tolerance):
    up, down = rewards.chunk(2) if method in PAIRED else (rewards[desirable], rewards[~desirable])
    assert logged(made, "rewards/chosen") == pytest.approx(up.mean().item(), abs=tolerance)
    assert logged(made, "rewards/rejected") == pytest.approx(down.mean().item(), abs=tolerance)


# --- float64: TRL's formulas --------------------------------------------------------------------------------


class MadeUp:
    """Stands for a model: made-up float64 log-probabilities for the tokens of batches it is asked for."""

    def __init__(self, seed, *batches):
        generator = torch.Generator().manual_seed(seed)
        self.known = []
        for ids, mask in batches:
            values = -3 * torch.rand(ids.shape[0], ids.shape[1] - 1, generator=generator).double()
            self.known.append((ids, (values * mask[:, 1:]).requires_grad_()))

    def __call__(self, input_ids, **_):
        (values,) = (values for ids, values in self.known if torch.equal(ids, input_ids))
        plain = values.detach()
        return SimpleNamespace(log_probs=values, entropy=plain, mean_logits=plain, is_top1=plain > -1)


@pytest.mark.parametrize("method", [*PAIRED, *UNPAIRED])
def test_losses_rewards_and_gradients_are_trls_in_float64(make_trainer, method):
    made, batch = make_trainer(method)
    asked = [(batch["input_ids"], batch["completion_mask"])]
    if method == "kto":
        asked.append((batch["KL_input_ids"], batch["KL_completion_mask"]))
    policy, made.ref_model = MadeUp(1, *asked), MadeUp(2, *asked)
    with with_trl._silence():
        theirs = made._compute_loss(policy, batch, False)
    theirs.backward()

    tokens = [values.detach().clone().requires_grad_() for _, values in policy.known]
    ref = [values.detach().sum(1) for _, values in made.ref_model.known]
    chosen = batch["completion_mask"][:ROWS, 1:].bool()
    loss, rewards, kl = ours(
        method,
        tokens[0].sum(1),
        ref[0],
        tokens[0][:ROWS][chosen],
        batch.get("label"),
        *([tokens[1].detach().sum(1), ref[1]] if method == "kto" else []),
    )
    loss.backward()
    if method == "kto":
        assert kl > 0.1
        assert logged(made, "kl") == pytest.approx(kl, abs=FLOAT64)
    assert theirs.dtype == torch.float64
    assert theirs.item() == pytest.approx(loss.item(), abs=FLOAT64)
    torch.testing.assert_close(tokens[0].grad, policy.known[0][1].grad, atol=FLOAT64, rtol=0)
    compare_rewards(made, method, rewards, batch.get("label"), FLOAT64)


# --- float32: a real model ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["sft", *PAIRED, *UNPAIRED])
def test_losses_rewards_and_gradients_are_trls_with_a_real_model(
    make_trainer, method, model, moved, tokenizer, data_for
):
    made, batch = make_trainer(method)
    with with_trl._silence():
        theirs = made.compute_loss(made.model, batch)
    theirs.backward()
    gradients = [one.grad.clone() for one in moved.parameters()]
    moved.zero_grad()

    rows = data_for(method).select(range(ROWS))
    answers = [*rows["chosen"], *rows["rejected"]] if method in PAIRED else list(rows["completion"])
    questions = [prompt[0]["content"] for prompt in rows["prompt"]] * (len(answers) // ROWS)
    said = [answer[0]["content"] for answer in answers]
    ids, answer = small.encode(tokenizer, list(zip(questions, said, strict=True)))
    logits = made.model(input_ids=ids[:, :-1]).logits.log_softmax(-1)
    per_token = logits.gather(2, ids[:, 1:, None])[..., 0] * answer[:, 1:]
    if method == "sft":
        loss = -per_token.sum() / answer.sum()
    else:
        desirable = torch.tensor(rows["label"][:]) if method in UNPAIRED else None
        mismatched = list(zip(questions, said[-1:] + said[:-1], strict=True))
        kl_logps = [small.score(one, tokenizer, mismatched) for one in (moved, model)]
        ref = small.score(model, tokenizer, list(zip(questions, said, strict=True)))
        tokens = per_token[:ROWS][answer[:ROWS, 1:]]
        loss, rewards, kl = ours(method, per_token.sum(1), ref, tokens, desirable, *kl_logps)
        compare_rewards(made, method, rewards, desirable, 5 * FLOAT32)
        if method == "kto":
            assert kl > 0.1
            assert logged(made, "kl") == pytest.approx(kl, abs=5 * FLOAT32)
    loss.backward()
    assert theirs.item() == pytest.approx(loss.item(), abs=FLOAT32)
    assert max(gradient.abs().max().item() for gradient in gradients) > 1e-2
    for mine, one in zip(moved.parameters(), gradients, strict=True):
        torch.testing.assert_close(mine.grad, one, atol=FLOAT32, rtol=1e-4)
