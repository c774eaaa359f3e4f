"""One process of a training whose weights are sharded over all of them: KTO with the course's own loss.

Prints, as JSON, the losses, a checksum of the final weights put together again, and how many of them this
process holds. `train` without a group is the same training in one process.
"""

from __future__ import annotations

import hashlib
import json
import sys

import torch
from torch import distributed

from helpers.data import formats, tables
from helpers.models import base, small
from helpers.preference import losses

STEPS, BATCH = 5, 16


def train(path, rank=0, count=1):
    """(losses of the steps, checksum of the whole weights, numbers that this process holds)"""
    rows = tables.read(path)[1]
    rows = [(*chat, label) for chat, label in zip(formats.chats_of(rows), rows["label"], strict=True)]
    (policy, tokenizer), (reference, _) = base.base(0), base.base(0)
    if count > 1:
        from torch.distributed.fsdp import fully_shard

        for layer in policy.model.layers:
            fully_shard(layer)
        fully_shard(policy)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=2e-3, weight_decay=0.0)
    found = []
    for step in range(STEPS):
        batch = [rows[(step * BATCH + row) % len(rows)] for row in range(BATCH)]
        loss = kto(policy, reference, tokenizer, batch, rank, count)
        loss.backward()  # of a mean over the shard of the batch; fully_shard takes the mean over processes
        optimizer.step()
        optimizer.zero_grad()
        found.append(mean_of_all(loss.detach(), count).item())
    whole = [weights.full_tensor() if count > 1 else weights for weights in policy.parameters()]
    here = sum((weights.to_local() if count > 1 else weights).numel() for weights in policy.parameters())
    digest = hashlib.sha256(b"".join(weights.detach().numpy().tobytes() for weights in whole))
    return {"losses": found, "weights": digest.hexdigest(), "here": here}


def kto(policy, reference, tokenizer, batch, rank, count):
    """The mean loss of this process's part of the batch; the reference point is that of the whole batch."""
    chats = [(prompt, completion) for prompt, completion, _ in batch]
    mismatched = [(prompt, chats[number - 1][1]) for number, (prompt, _) in enumerate(chats)]
    chats, mismatched = chats[rank::count], mismatched[rank::count]
    with torch.no_grad():
        ref_logps, ref_kl_logps = (small.score(reference, tokenizer, some) for some in (chats, mismatched))
        policy_kl_logps = small.score(policy, tokenizer, mismatched)
    kl = mean_of_all((policy_kl_logps - ref_kl_logps).mean(), count).clamp(min=0)
    logps = small.logps(policy, *small.encode(tokenizer, chats))
    desirable = torch.tensor([label for *_, label in batch[rank::count]])
    return losses.kto_loss(logps, ref_logps, desirable, kl, beta=0.5)[0].mean()


def mean_of_all(value, count):
    if count > 1:
        value = value.clone()
        distributed.all_reduce(value)
    return value / count


if __name__ == "__main__":
    distributed.init_process_group("gloo")
    found = train(sys.argv[1], distributed.get_rank(), distributed.get_world_size())
    distributed.destroy_process_group()
    print(json.dumps(found))
