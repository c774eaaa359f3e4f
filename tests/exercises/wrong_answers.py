"""Plausible wrong answers to every exercise: what people really write. Each must fail its check."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy, logsigmoid

from helpers import world

# --- lesson 00 ----------------------------------------------------------------------------------------------


def caption_forgets_place(scene: Any) -> str:
    return f"A {scene.size} {scene.color} {scene.kind} {scene.verb}."


def caption_of_one_scene(scene: Any) -> str:
    return "A big orange cat walks left in the meadow."


def caption_with_raw_place(scene: Any) -> str:
    return f"A {scene.size} {scene.color} {scene.kind} {scene.verb} {scene.place}."


def caption_swaps_size(scene: Any) -> str:
    other = {"small": "big", "big": "small"}[scene.size]
    return world.describe(scene).replace(scene.size, other)


def caption_printed_not_returned(scene: Any) -> None:
    print(world.describe(scene))


def direction_reversed(earlier: float, later: float) -> str:
    return "walks left" if later > earlier else "walks right"


def direction_by_half(earlier: float, later: float) -> str:
    return "walks right" if later > 0.5 else "walks left"


def direction_other_words(earlier: float, later: float) -> str:
    return "right" if later > earlier else "left"


# --- lesson 01 ----------------------------------------------------------------------------------------------


def token_logps_unshifted(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    return logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0][:, 1:]


def token_logps_all_positions(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    return logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0]


def token_logps_raw_logits(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    return logits[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]


def token_logps_probabilities(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    return logits[:, :-1].softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]


def token_logps_wrong_dimension(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    return logits[:, :-1].log_softmax(1).gather(-1, ids[:, 1:, None])[..., 0]


def answer_without_shift(logps: torch.Tensor, is_answer: torch.Tensor) -> torch.Tensor:
    return (logps * is_answer[:, :-1]).sum(-1)


def answer_with_prompt(logps: torch.Tensor, is_answer: torch.Tensor) -> torch.Tensor:
    return logps.sum(-1)


def answer_mean(logps: torch.Tensor, is_answer: torch.Tensor) -> torch.Tensor:
    return (logps * is_answer[:, 1:]).mean(-1)


def answer_over_batch(logps: torch.Tensor, is_answer: torch.Tensor) -> torch.Tensor:
    return (logps * is_answer[:, 1:]).sum()


def interval_population_sd(values: list[float]) -> tuple[float, float]:
    mean, half = statistics.fmean(values), 2.571 * statistics.pstdev(values) / 6**0.5
    return mean - half, mean + half


def interval_without_root(values: list[float]) -> tuple[float, float]:
    mean, half = statistics.fmean(values), 2.571 * statistics.stdev(values) / 6
    return mean - half, mean + half


def interval_with_normal_quantile(values: list[float]) -> tuple[float, float]:
    mean, half = statistics.fmean(values), 1.96 * statistics.stdev(values) / 6**0.5
    return mean - half, mean + half


def interval_reversed(values: list[float]) -> tuple[float, float]:
    mean, half = statistics.fmean(values), 2.571 * statistics.stdev(values) / 6**0.5
    return mean + half, mean - half


def kl_reversed(logits: torch.Tensor, ref_logits: torch.Tensor) -> torch.Tensor:
    logps, ref_logps = logits.log_softmax(-1), ref_logits.log_softmax(-1)
    return (ref_logps.exp() * (ref_logps - logps)).sum(-1)


def kl_unweighted(logits: torch.Tensor, ref_logits: torch.Tensor) -> torch.Tensor:
    return (logits.log_softmax(-1) - ref_logits.log_softmax(-1)).sum(-1)


def kl_of_logits(logits: torch.Tensor, ref_logits: torch.Tensor) -> torch.Tensor:
    return (logits.softmax(-1) * (logits - ref_logits)).sum(-1)


def kl_mean(logits: torch.Tensor, ref_logits: torch.Tensor) -> torch.Tensor:
    logps, ref_logps = logits.log_softmax(-1), ref_logits.log_softmax(-1)
    return (logps.exp() * (logps - ref_logps)).mean(-1)


# --- lesson 02 ----------------------------------------------------------------------------------------------


def crossover_upside_down(usual: float, other: float, say_other: float) -> float:
    return usual / (other * say_other) if say_other else 0.0


def crossover_without_speech(usual: float, other: float, say_other: float) -> float:
    return other / usual


def crossover_without_usual(usual: float, other: float, say_other: float) -> float:
    return other * say_other


def crossover_of_silence(usual: float, other: float, say_other: float) -> float:
    return other * (1 - say_other) / usual


def ppmi_not_clipped(counts: np.ndarray) -> np.ndarray:
    expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / counts.sum()
    return np.log(np.divide(counts, expected, out=np.ones(counts.shape), where=counts > 0))


def ppmi_in_bits(counts: np.ndarray) -> np.ndarray:
    return np.maximum(0.0, ppmi_not_clipped(counts)) / np.log(2)


def ppmi_not_a_number(counts: np.ndarray) -> np.ndarray:
    expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / counts.sum()
    with np.errstate(all="ignore"):
        return np.maximum(0.0, np.log(counts / expected))


def ppmi_without_total(counts: np.ndarray) -> np.ndarray:
    expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True)
    return np.maximum(0.0, np.log(np.divide(counts, expected, out=np.ones(counts.shape), where=counts > 0)))


def ppmi_smoothed(counts: np.ndarray) -> np.ndarray:
    return np.maximum(0.0, ppmi_not_clipped(counts + 1))


def histogram_of_counts(picture: np.ndarray) -> np.ndarray:
    levels = picture.astype(int) // 64
    return np.bincount((levels @ [16, 4, 1]).ravel(), minlength=64)


def histogram_blue_first(picture: np.ndarray) -> np.ndarray:
    levels = picture.astype(int) // 64
    return np.bincount((levels @ [1, 4, 16]).ravel(), minlength=64) / levels[..., 0].size


def histogram_too_short(picture: np.ndarray) -> np.ndarray:
    levels = picture.astype(int) // 64
    return np.bincount((levels @ [16, 4, 1]).ravel()) / levels[..., 0].size


def histogram_of_channels(picture: np.ndarray) -> np.ndarray:
    return np.bincount((picture // 4).ravel(), minlength=64) / picture.size


def histogram_overflows(picture: np.ndarray) -> np.ndarray:
    # 16 * 255 does not fit into a byte: the product wraps around before it is divided.
    bins = (picture[..., 0] * np.uint8(16) + picture[..., 1] * np.uint8(4) + picture[..., 2]) // 64
    return np.bincount(bins.ravel(), minlength=64) / bins.size


# --- lesson 03 ----------------------------------------------------------------------------------------------


def _z(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


def fuse_raw(text: np.ndarray, pictures: np.ndarray, weight: float) -> np.ndarray:
    return (1 - weight) * text + weight * pictures


def fuse_weights_exchanged(text: np.ndarray, pictures: np.ndarray, weight: float) -> np.ndarray:
    return weight * _z(text) + (1 - weight) * _z(pictures)


def fuse_ignores_weight(text: np.ndarray, pictures: np.ndarray, weight: float) -> np.ndarray:
    return (_z(text) + _z(pictures)) / 2


def fuse_centers_only(text: np.ndarray, pictures: np.ndarray, weight: float) -> np.ndarray:
    return (1 - weight) * (text - text.mean()) + weight * (pictures - pictures.mean())


def _nce(logits: torch.Tensor) -> torch.Tensor:
    return cross_entropy(logits, torch.arange(len(logits)))


def nce_without_mask(similarities: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    return (_nce(similarities) + _nce(similarities.T)) / 2


def nce_rows_only(similarities: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    return _nce(similarities.masked_fill(same & ~torch.eye(len(same), dtype=torch.bool), -torch.inf))


def nce_sum(similarities: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    logits = similarities.masked_fill(same & ~torch.eye(len(same), dtype=torch.bool), -torch.inf)
    return _nce(logits) + _nce(logits.T)


def nce_masks_the_diagonal(similarities: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    logits = similarities.masked_fill(same, -1e4)
    return (_nce(logits) + _nce(logits.T)) / 2


def nce_masks_with_zero(similarities: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    logits = similarities.masked_fill(same & ~torch.eye(len(same), dtype=torch.bool), 0.0)
    return (_nce(logits) + _nce(logits.T)) / 2


def duel_ties_win(true: torch.Tensor, false: torch.Tensor) -> torch.Tensor:
    return (true >= false).float().mean()


def duel_ties_lose(true: torch.Tensor, false: torch.Tensor) -> torch.Tensor:
    return (true > false).float().mean()


def duel_not_averaged(true: torch.Tensor, false: torch.Tensor) -> torch.Tensor:
    return (true > false).float() + 0.5 * (true == false).float()


def duel_reversed(true: torch.Tensor, false: torch.Tensor) -> torch.Tensor:
    return (true < false).float().mean() + 0.5 * (true == false).float().mean()


# --- lesson 09 ----------------------------------------------------------------------------------------------


def arrow_winners_first(
    policy_chosen: torch.Tensor,
    policy_rejected: torch.Tensor,
    ref_chosen: torch.Tensor,
    ref_rejected: torch.Tensor,
) -> tuple[float, float]:
    return float((policy_chosen - ref_chosen).mean()), float((policy_rejected - ref_rejected).mean())


def arrow_backwards(
    policy_chosen: torch.Tensor,
    policy_rejected: torch.Tensor,
    ref_chosen: torch.Tensor,
    ref_rejected: torch.Tensor,
) -> tuple[float, float]:
    return float((ref_rejected - policy_rejected).mean()), float((ref_chosen - policy_chosen).mean())


def arrow_without_reference(
    policy_chosen: torch.Tensor,
    policy_rejected: torch.Tensor,
    ref_chosen: torch.Tensor,
    ref_rejected: torch.Tensor,
) -> tuple[float, float]:
    return float(policy_rejected.mean()), float(policy_chosen.mean())


def arrow_summed(
    policy_chosen: torch.Tensor,
    policy_rejected: torch.Tensor,
    ref_chosen: torch.Tensor,
    ref_rejected: torch.Tensor,
) -> tuple[float, float]:
    return float((policy_rejected - ref_rejected).sum()), float((policy_chosen - ref_chosen).sum())


def revision_in_one_style(caption: str, scene: Any) -> str:
    return world.captions(scene)[0]


def revision_of_the_color_only(caption: str, scene: Any) -> str:
    reading = world.parse(caption)
    return caption if reading is None else caption.replace(reading.color or " ", scene.color)


def revision_trusts_the_grammar(caption: str, scene: Any) -> str:
    return world.describe(scene, pattern=world.parse(caption).pattern)


def revision_changes_nothing(caption: str, scene: Any) -> str:
    return caption


def variation_not_halved(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return (p - q).abs().sum()


def variation_signed(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return (p - q).sum() / 2


def variation_mean(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return (p - q).abs().mean()


def variation_largest(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return (p - q).abs().max()


def choose_by_fashion(feedback: str, better: bool) -> str:
    return "kto"


def choose_without_asking(feedback: str, better: bool) -> str:
    return {"answers": "sft", "thumbs": "kto", "pairs": "apo_zero"}[feedback]


def choose_anchors_exchanged(feedback: str, better: bool) -> str:
    if feedback == "pairs":
        return "apo_down" if better else "apo_zero"
    return {"answers": "sft" if better else "none", "thumbs": "kto"}[feedback]


def choose_never_when_worse(feedback: str, better: bool) -> str:
    return {"answers": "sft", "thumbs": "kto", "pairs": "apo_zero"}[feedback] if better else "none"


def choose_imitation_of_pairs(feedback: str, better: bool) -> str:
    return {"answers": "sft" if better else "none", "thumbs": "kto", "pairs": "sft"}[feedback]


def choose_pairs_from_thumbs(feedback: str, better: bool) -> str:
    if feedback == "answers":
        return "sft" if better else "none"
    return "apo_zero" if better else "dpo"


# --- lesson 07 ----------------------------------------------------------------------------------------------

Pairs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _ratios(
    pc: torch.Tensor, pr: torch.Tensor, rc: torch.Tensor, rr: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    return pc - rc, pr - rr


def dpo_without_reference(pc: Any, pr: Any, rc: Any, rr: Any, beta: float = 0.1) -> Pairs:
    return -logsigmoid(beta * (pc - pr)), beta * pc.detach(), beta * pr.detach()


def dpo_sides_exchanged(pc: Any, pr: Any, rc: Any, rr: Any, beta: float = 0.1) -> Pairs:
    c, r = _ratios(pc, pr, rc, rr)
    return -logsigmoid(beta * (r - c)), beta * c.detach(), beta * r.detach()


def dpo_without_beta(pc: Any, pr: Any, rc: Any, rr: Any, beta: float = 0.1) -> Pairs:
    c, r = _ratios(pc, pr, rc, rr)
    return -logsigmoid(c - r), c.detach(), r.detach()


def dpo_log_of_sigmoid(pc: Any, pr: Any, rc: Any, rr: Any, beta: float = 0.1) -> Pairs:
    c, r = _ratios(pc, pr, rc, rr)
    return -torch.log(torch.sigmoid(beta * (c - r))), beta * c.detach(), beta * r.detach()


def dpo_averaged(pc: Any, pr: Any, rc: Any, rr: Any, beta: float = 0.1) -> Pairs:
    c, r = _ratios(pc, pr, rc, rr)
    return -logsigmoid(beta * (c - r)).mean(), beta * c.detach(), beta * r.detach()


def dpo_rewards_with_gradient(pc: Any, pr: Any, rc: Any, rr: Any, beta: float = 0.1) -> Pairs:
    c, r = _ratios(pc, pr, rc, rr)
    return -logsigmoid(beta * (c - r)), beta * c, beta * r


def dpo_rewards_without_beta(pc: Any, pr: Any, rc: Any, rr: Any, beta: float = 0.1) -> Pairs:
    c, r = _ratios(pc, pr, rc, rr)
    return -logsigmoid(beta * (c - r)), c.detach(), r.detach()


def dpo_all_detached(pc: Any, pr: Any, rc: Any, rr: Any, beta: float = 0.1) -> Pairs:
    c, r = (ratio.detach() for ratio in _ratios(pc, pr, rc, rr))
    return -logsigmoid(beta * (c - r)), beta * c, beta * r


def dpo_losses_only(pc: Any, pr: Any, rc: Any, rr: Any, beta: float = 0.1) -> torch.Tensor:
    c, r = _ratios(pc, pr, rc, rr)
    return -logsigmoid(beta * (c - r))


def point_not_clamped(policy: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
    return (policy - ref).mean().detach()


def point_clamped_first(policy: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
    return (policy - ref).clamp(min=0).mean().detach()


def point_with_gradient(policy: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
    return (policy - ref).mean().clamp(min=0)


def point_per_row(policy: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
    return (policy - ref).clamp(min=0).detach()


def point_reversed(policy: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
    return (ref - policy).mean().clamp(min=0).detach()


def _kto(
    policy: Any, ref: Any, up: Any, kl: Any, beta: float = 0.1, good: float = 1.0, bad: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    ratios = policy - ref
    one, other = good * (1 - (beta * (ratios - kl)).sigmoid()), bad * (1 - (beta * (kl - ratios)).sigmoid())
    return torch.where(up, one, other), beta * ratios.detach()


def kto_without_point(
    p: Any, r: Any, up: Any, kl: Any, beta: float = 0.1, g: float = 1.0, b: float = 1.0
) -> Any:
    return _kto(p, r, up, 0.0, beta, g, b)


def kto_thumbs_exchanged(
    p: Any, r: Any, up: Any, kl: Any, beta: float = 0.1, g: float = 1.0, b: float = 1.0
) -> Any:
    return _kto(p, r, ~up, kl, beta, g, b)


def kto_weights_exchanged(
    p: Any, r: Any, up: Any, kl: Any, beta: float = 0.1, g: float = 1.0, b: float = 1.0
) -> Any:
    return _kto(p, r, up, kl, beta, b, g)


def kto_without_weights(
    p: Any, r: Any, up: Any, kl: Any, beta: float = 0.1, g: float = 1.0, b: float = 1.0
) -> Any:
    return _kto(p, r, up, kl, beta)


def kto_value_not_loss(
    p: Any, r: Any, up: Any, kl: Any, beta: float = 0.1, g: float = 1.0, b: float = 1.0
) -> Any:
    losses, rewards = _kto(p, r, up, kl, beta, g, b)
    return -losses, rewards


def kto_point_in_rewards(
    p: Any, r: Any, up: Any, kl: Any, beta: float = 0.1, g: float = 1.0, b: float = 1.0
) -> Any:
    losses, rewards = _kto(p, r, up, kl, beta, g, b)
    return losses, rewards - beta * kl


def kto_point_outside_beta(
    p: Any, r: Any, up: Any, kl: Any, beta: float = 0.1, g: float = 1.0, b: float = 1.0
) -> Any:
    return _kto(p, r, up, kl / beta, beta, g, b)


def kto_rewards_with_gradient(
    p: Any, r: Any, up: Any, kl: Any, beta: float = 0.1, g: float = 1.0, b: float = 1.0
) -> Any:
    return _kto(p, r, up, kl, beta, g, b)[0], beta * (p - r)


def down_is_zero(pc: Any, pr: Any, rc: Any, rr: Any, beta: float = 0.1) -> Pairs:
    c, r = _ratios(pc, pr, rc, rr)
    return 1 - (beta * c).sigmoid() + (beta * r).sigmoid(), beta * c.detach(), beta * r.detach()


def down_without_constant(pc: Any, pr: Any, rc: Any, rr: Any, beta: float = 0.1) -> Pairs:
    c, r = _ratios(pc, pr, rc, rr)
    return (beta * c).sigmoid() - (beta * (c - r)).sigmoid(), beta * c.detach(), beta * r.detach()


def down_margin_reversed(pc: Any, pr: Any, rc: Any, rr: Any, beta: float = 0.1) -> Pairs:
    c, r = _ratios(pc, pr, rc, rr)
    return (beta * c).sigmoid() + 1 - (beta * (r - c)).sigmoid(), beta * c.detach(), beta * r.detach()


def down_both_sides_alone(pc: Any, pr: Any, rc: Any, rr: Any, beta: float = 0.1) -> Pairs:
    c, r = _ratios(pc, pr, rc, rr)
    return (beta * c).sigmoid() + (beta * r).sigmoid(), beta * c.detach(), beta * r.detach()


def down_chosen_detached(pc: Any, pr: Any, rc: Any, rr: Any, beta: float = 0.1) -> Pairs:
    c, r = _ratios(pc, pr, rc, rr)
    return (
        (beta * c).sigmoid() + 1 - (beta * (c.detach() - r)).sigmoid(),
        beta * c.detach(),
        beta * r.detach(),
    )


# --- lesson 08 ----------------------------------------------------------------------------------------------

Rows = list[tuple[str, str, bool]]


def thumbs_true_only(captions: list[str], scenes: list[world.Scene]) -> list[bool]:
    return [world.verify(caption, scene).true for caption, scene in zip(captions, scenes, strict=True)]


def thumbs_complete_only(captions: list[str], scenes: list[world.Scene]) -> list[bool]:
    return [world.verify(caption, scene).complete for caption, scene in zip(captions, scenes, strict=True)]


def thumbs_all_in_one(captions: list[str], scenes: list[world.Scene]) -> bool:
    verdicts = [world.verify(caption, scene) for caption, scene in zip(captions, scenes, strict=True)]
    return all(verdict.true and verdict.complete for verdict in verdicts)


def thumbs_plain_template(captions: list[str], scenes: list[world.Scene]) -> list[bool]:
    return [caption == world.describe(scene) for caption, scene in zip(captions, scenes, strict=True)]


def weights_inverted(ups: int, downs: int) -> tuple[float, float]:
    return max(1.0, ups / downs), max(1.0, downs / ups)


def weights_below_one(ups: int, downs: int) -> tuple[float, float]:
    return downs / ups, 1.0


def weights_shares(ups: int, downs: int) -> tuple[float, float]:
    return downs / (ups + downs), ups / (ups + downs)


def weights_whole(ups: int, downs: int) -> tuple[float, float]:
    return max(1, downs // ups), max(1, ups // downs)


def _by_prompt(rows: Rows) -> dict[str, tuple[list[str], list[str]]]:
    found: dict[str, tuple[list[str], list[str]]] = {}
    for prompt, answer, up in rows:
        found.setdefault(prompt, ([], []))[0 if up else 1].append(answer)
    return found


def pairs_of_neighbors(rows: Rows) -> list[tuple[str, str, str]]:
    return [
        (one[0], one[1], two[1])
        for one, two in zip(rows[::2], rows[1::2], strict=False)
        if one[0] == two[0] and one[2] != two[2]
    ]


def pairs_swapped(rows: Rows) -> list[tuple[str, str, str]]:
    return [
        (q, bad, good)
        for q, (ups, downs) in _by_prompt(rows).items()
        for good, bad in zip(ups, downs, strict=False)
    ]


def pairs_all_combinations(rows: Rows) -> list[tuple[str, str, str]]:
    return [(q, good, bad) for q, (ups, downs) in _by_prompt(rows).items() for good in ups for bad in downs]


def pairs_across_prompts(rows: Rows) -> list[tuple[str, str, str]]:
    ups = [row for row in rows if row[2]]
    downs = [row for row in rows if not row[2]]
    return [(up[0], up[1], down[1]) for up, down in zip(ups, downs, strict=False)]


def pairs_one_per_prompt(rows: Rows) -> list[tuple[str, str, str]]:
    return [(q, ups[0], downs[0]) for q, (ups, downs) in _by_prompt(rows).items() if ups and downs]


def pairs_last_with_last(rows: Rows) -> list[tuple[str, str, str]]:
    good = {q: answer for q, answer, up in rows if up}
    bad = {q: answer for q, answer, up in rows if not up}
    return [(q, good[q], bad[q]) for q in good if q in bad]


def pairs_first_with_last(rows: Rows) -> list[tuple[str, str, str]]:
    return [
        (q, good, bad)
        for q, (ups, downs) in _by_prompt(rows).items()
        for good, bad in zip(ups, reversed(downs), strict=False)
    ]


# --- lesson 12 ----------------------------------------------------------------------------------------------


def motion_in_bytes(clips: np.ndarray) -> np.ndarray:
    return clips[:, :-1] - clips[:, -1:]


def motion_in_signed_bytes(clips: np.ndarray) -> np.ndarray:
    return (clips[:, :-1].astype(np.int16) - clips[:, -1:]).astype(np.int8)


def motion_without_sign(clips: np.ndarray) -> np.ndarray:
    return np.abs(clips[:, :-1].astype(np.int16) - clips[:, -1:])


def motion_with_the_median(clips: np.ndarray) -> np.ndarray:
    return clips.astype(np.int16) - clips[:, -1:]


def motion_between_frames(clips: np.ndarray) -> np.ndarray:
    return np.diff(clips.astype(np.int16), axis=1)


def motion_from_the_first_film(clips: np.ndarray) -> np.ndarray:
    return clips[:, :-1].astype(np.int16) - clips[0, -1]


def _cloze(scores: torch.Tensor, hidden: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    right = torch.arange(8).expand(len(scores), 8)
    return cross_entropy(scores.masked_fill(out, -torch.inf)[hidden], right[hidden])


def _shown_columns(scores: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    out = torch.zeros_like(scores, dtype=torch.bool)
    out[:, :, :8] = ~hidden[:, None, :]
    return out


def cloze_all_candidates(scores: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    return _cloze(scores, hidden, torch.zeros_like(scores, dtype=torch.bool))


def cloze_without_others(scores: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    return _cloze(scores[:, :, :8], hidden, ~hidden[:, None, :].expand(-1, 8, -1))


def cloze_of_all_places(scores: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    flat = scores.masked_fill(_shown_columns(scores, hidden), -30.0).flatten(0, 1)
    return cross_entropy(flat, torch.arange(8).repeat(len(scores)))


def cloze_rows_masked(scores: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    out = torch.zeros_like(scores, dtype=torch.bool)
    out[:, :, :8] = ~hidden[:, :, None]
    return _cloze(scores, hidden, out)


def cloze_summed(scores: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    return _cloze(scores, hidden, _shown_columns(scores, hidden)) * hidden.sum()


def cloze_mean_of_films(scores: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    out = _shown_columns(scores, hidden)
    return torch.stack([_cloze(scores[[i]], hidden[[i]], out[[i]]) for i in range(len(scores))]).mean()


def cloze_hidden_and_shown_exchanged(scores: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    return _cloze(scores, ~hidden, _shown_columns(scores, ~hidden))


_SIDES = {
    "walks left": "walks right",
    "walks right": "walks left",
    "spins left": "spins right",
    "spins right": "spins left",
}


def mirror_keeps_labels(clips: np.ndarray, verbs: list[str]) -> tuple[np.ndarray, list[str]]:
    return clips[:, :, :, ::-1], list(verbs)


def mirror_upside_down(clips: np.ndarray, verbs: list[str]) -> tuple[np.ndarray, list[str]]:
    return clips[:, :, ::-1], [_SIDES.get(verb, verb) for verb in verbs]


def mirror_in_time(clips: np.ndarray, verbs: list[str]) -> tuple[np.ndarray, list[str]]:
    return clips[:, ::-1], [_SIDES.get(verb, verb) for verb in verbs]


def mirror_in_color(clips: np.ndarray, verbs: list[str]) -> tuple[np.ndarray, list[str]]:
    return clips[..., ::-1], [_SIDES.get(verb, verb) for verb in verbs]


def mirror_reverses_all_pairs(clips: np.ndarray, verbs: list[str]) -> tuple[np.ndarray, list[str]]:
    return clips[:, :, :, ::-1], [world.REVERSE.get(verb, verb) for verb in verbs]


def mirror_walks_only(clips: np.ndarray, verbs: list[str]) -> tuple[np.ndarray, list[str]]:
    return clips[:, :, :, ::-1], [_SIDES[verb] if "walks" in verb else verb for verb in verbs]


def mirror_drops_the_others(clips: np.ndarray, verbs: list[str]) -> tuple[np.ndarray, list[str]]:
    return clips[:, :, :, ::-1], [_SIDES[verb] for verb in verbs if verb in _SIDES]


def _crossed(amounts: list[float], ours: list[float], theirs: list[float], between: Callable) -> float | None:
    lead = [mine - other for mine, other in zip(ours, theirs, strict=True)]
    if lead[0] <= 0:
        return amounts[0]
    for i in range(1, len(lead)):
        if lead[i] <= 0:
            return between(amounts[i - 1], amounts[i], lead[i - 1] / (lead[i - 1] - lead[i]))
    return None


def crossing_not_on_the_logarithm(amounts: list, ours: list, theirs: list) -> float | None:
    return _crossed(amounts, ours, theirs, lambda a, b, share: a + (b - a) * share)


def crossing_at_the_next_amount(amounts: list, ours: list, theirs: list) -> float | None:
    return _crossed(amounts, ours, theirs, lambda a, b, share: b)


def crossing_share_turned(amounts: list, ours: list, theirs: list) -> float | None:
    return _crossed(amounts, ours, theirs, lambda a, b, share: a * (b / a) ** (1 - share))


def crossing_last_when_never(amounts: list, ours: list, theirs: list) -> float:
    found = _crossed(amounts, ours, theirs, lambda a, b, share: a * (b / a) ** share)
    return amounts[-1] if found is None else found


def crossing_zero_at_once(amounts: list, ours: list, theirs: list) -> float | None:
    found = _crossed(amounts, ours, theirs, lambda a, b, share: a * (b / a) ** share)
    return 0.0 if ours[0] <= theirs[0] else found


def crossing_the_last_time(amounts: list, ours: list, theirs: list) -> float | None:
    lead = [mine - other for mine, other in zip(ours, theirs, strict=True)]
    found = amounts[0] if lead[0] <= 0 else None
    for i in range(1, len(lead)):
        if lead[i - 1] > 0 >= lead[i]:
            share = lead[i - 1] / (lead[i - 1] - lead[i])
            found = amounts[i - 1] * (amounts[i] / amounts[i - 1]) ** share
    return found


WRONG: dict[str, list[Callable[..., Any]]] = {
    "caption_for": [
        caption_forgets_place,
        caption_of_one_scene,
        caption_with_raw_place,
        caption_swaps_size,
        caption_printed_not_returned,
    ],
    "direction": [direction_reversed, direction_by_half, direction_other_words],
    "token_logps": [
        token_logps_unshifted,
        token_logps_all_positions,
        token_logps_raw_logits,
        token_logps_probabilities,
        token_logps_wrong_dimension,
    ],
    "answer_logps": [answer_without_shift, answer_with_prompt, answer_mean, answer_over_batch],
    "interval_of_six": [
        interval_population_sd,
        interval_without_root,
        interval_with_normal_quantile,
        interval_reversed,
    ],
    "token_kl": [kl_reversed, kl_unweighted, kl_of_logits, kl_mean],
    "predicted_crossover": [
        crossover_upside_down,
        crossover_without_speech,
        crossover_without_usual,
        crossover_of_silence,
    ],
    "ppmi": [ppmi_not_clipped, ppmi_in_bits, ppmi_not_a_number, ppmi_without_total, ppmi_smoothed],
    "color_histogram": [
        histogram_of_counts,
        histogram_blue_first,
        histogram_too_short,
        histogram_of_channels,
        histogram_overflows,
    ],
    "fuse": [fuse_raw, fuse_weights_exchanged, fuse_ignores_weight, fuse_centers_only],
    "info_nce": [
        nce_without_mask,
        nce_rows_only,
        nce_sum,
        nce_masks_the_diagonal,
        nce_masks_with_zero,
    ],
    "duel_accuracy": [duel_ties_win, duel_ties_lose, duel_not_averaged, duel_reversed],
    "arrow": [arrow_winners_first, arrow_backwards, arrow_without_reference, arrow_summed],
    "minimal_revision": [
        revision_in_one_style,
        revision_of_the_color_only,
        revision_trusts_the_grammar,
        revision_changes_nothing,
    ],
    "total_variation": [variation_not_halved, variation_signed, variation_mean, variation_largest],
    "choose_method": [
        choose_by_fashion,
        choose_without_asking,
        choose_anchors_exchanged,
        choose_pairs_from_thumbs,
        choose_never_when_worse,
        choose_imitation_of_pairs,
    ],
    "dpo_loss": [
        dpo_without_reference,
        dpo_sides_exchanged,
        dpo_without_beta,
        dpo_log_of_sigmoid,
        dpo_averaged,
        dpo_rewards_with_gradient,
        dpo_rewards_without_beta,
        dpo_all_detached,
        dpo_losses_only,
    ],
    "kto_reference_point": [
        point_not_clamped,
        point_clamped_first,
        point_with_gradient,
        point_per_row,
        point_reversed,
    ],
    "kto_loss": [
        kto_without_point,
        kto_thumbs_exchanged,
        kto_weights_exchanged,
        kto_without_weights,
        kto_value_not_loss,
        kto_point_in_rewards,
        kto_point_outside_beta,
        kto_rewards_with_gradient,
    ],
    "apo_down_loss": [
        down_is_zero,
        down_without_constant,
        down_margin_reversed,
        down_both_sides_alone,
        down_chosen_detached,
    ],
    "thumbs_from": [thumbs_true_only, thumbs_complete_only, thumbs_all_in_one, thumbs_plain_template],
    "kto_weights": [weights_inverted, weights_below_one, weights_shares, weights_whole],
    "mixed_pairs": [
        pairs_of_neighbors,
        pairs_swapped,
        pairs_all_combinations,
        pairs_across_prompts,
        pairs_one_per_prompt,
        pairs_last_with_last,
        pairs_first_with_last,
    ],
    "motion": [
        motion_in_bytes,
        motion_in_signed_bytes,
        motion_without_sign,
        motion_with_the_median,
        motion_between_frames,
        motion_from_the_first_film,
    ],
    "cloze_loss": [
        cloze_all_candidates,
        cloze_without_others,
        cloze_of_all_places,
        cloze_rows_masked,
        cloze_summed,
        cloze_mean_of_films,
        cloze_hidden_and_shown_exchanged,
    ],
    "mirror": [
        mirror_keeps_labels,
        mirror_upside_down,
        mirror_in_time,
        mirror_in_color,
        mirror_reverses_all_pairs,
        mirror_walks_only,
        mirror_drops_the_others,
    ],
    "crossing": [
        crossing_not_on_the_logarithm,
        crossing_at_the_next_amount,
        crossing_share_turned,
        crossing_last_when_never,
        crossing_zero_at_once,
        crossing_the_last_time,
    ],
}
