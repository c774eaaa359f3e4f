"""Plausible wrong answers to every exercise: what people really write. Each must fail its check."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy, logsigmoid

from helpers import world
from helpers.settings import CourseError

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


# --- lesson 06 ----------------------------------------------------------------------------------------------


def pick_always(scores: list[list[float]]) -> list[int | None]:
    return [row.index(max(row)) for row in scores]


def pick_by_truth_of_place(scores: list[list[float]]) -> list[int | None]:
    best = [row.index(max(row)) if max(row) > 0 else None for row in scores]
    return [place or None for place in best]


def pick_last_of_level(scores: list[list[float]]) -> list[int | None]:
    return [max(range(len(row)), key=lambda i: (row[i], i)) if max(row) > 0 else None for row in scores]


def pick_scores_themselves(scores: list[list[float]]) -> list[float | None]:
    return [max(row) if max(row) > 0 else None for row in scores]


def pick_leaves_out(scores: list[list[float]]) -> list[int]:
    return [row.index(max(row)) for row in scores if max(row) > 0]


def prefers_over_everything(scores: list[list[float]], rights: list[list[bool]]) -> float:
    flat = [
        (score, right)
        for row, truth in zip(scores, rights, strict=True)
        for score, right in zip(row, truth, strict=True)
    ]
    pairs = [(a > b) + 0.5 * (a == b) for a, x in flat for b, y in flat if x and not y]
    return sum(pairs) / len(pairs) if pairs else 0.5


def _pairs_of(scores: list[float], rights: list[bool], level: float) -> list[float]:
    both = list(zip(scores, rights, strict=True))
    return [(a > b) + level * (a == b) for a, x in both for b, y in both if x and not y]


def prefers_without_half(scores: list[list[float]], rights: list[list[bool]]) -> float:
    pairs = [pair for row, truth in zip(scores, rights, strict=True) for pair in _pairs_of(row, truth, 0.0)]
    return sum(pairs) / len(pairs) if pairs else 0.5


def prefers_mean_of_records(scores: list[list[float]], rights: list[list[bool]]) -> float:
    rows = [_pairs_of(row, truth, 0.5) for row, truth in zip(scores, rights, strict=True)]
    means = [sum(row) / len(row) for row in rows if row]
    return sum(means) / len(means) if means else 0.5


def prefers_nothing_is_zero(scores: list[list[float]], rights: list[list[bool]]) -> float:
    pairs = [pair for row, truth in zip(scores, rights, strict=True) for pair in _pairs_of(row, truth, 0.5)]
    return sum(pairs) / max(1, len(pairs))


def prefers_best_is_right(scores: list[list[float]], rights: list[list[bool]]) -> float:
    hits = [truth[row.index(max(row))] for row, truth in zip(scores, rights, strict=True)]
    return sum(hits) / len(hits)


def critique_only_wrong(caption: str, facts: dict[str, str]) -> dict[str, str]:
    reading = world.parse(caption)
    if reading is None:
        return dict(facts)
    return {name: value for name, value in facts.items() if getattr(reading, name) not in (None, value)}


def critique_by_words(caption: str, facts: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in facts.items() if value not in caption}


def critique_says_what_is_written(caption: str, facts: dict[str, str]) -> dict[str, str]:
    reading = world.parse(caption)
    if reading is None:
        return dict(facts)
    return {name: getattr(reading, name) for name, value in facts.items() if getattr(reading, name) != value}


def critique_silent_about_babble(caption: str, facts: dict[str, str]) -> dict[str, str]:
    reading = world.parse(caption)
    return (
        {name: value for name, value in facts.items() if getattr(reading, name) != value} if reading else {}
    )


def gap_of_ceiling(supervisor: float, student: float, ceiling: float) -> float:
    return student / ceiling


def gap_cut_off(supervisor: float, student: float, ceiling: float) -> float:
    if ceiling <= supervisor:
        return 0.0
    return min(1.0, max(0.0, (student - supervisor) / (ceiling - supervisor)))


def gap_left(supervisor: float, student: float, ceiling: float) -> float:
    return (ceiling - student) / (ceiling - supervisor) if ceiling > supervisor else 0.0


def gap_not_divided(supervisor: float, student: float, ceiling: float) -> float:
    return student - supervisor if ceiling > supervisor else 0.0


def gap_without_guard(supervisor: float, student: float, ceiling: float) -> float:
    return (student - supervisor) / (ceiling - supervisor or 1.0)


# --- lesson 04 ----------------------------------------------------------------------------------------------


def _scene_of(told: str) -> world.Scene | None:
    try:
        animal, verb, place = told.split(", ")
        size, color, kind = animal.split(" ")
        return world.Scene(kind, color, size, place, verb)
    except (ValueError, CourseError):
        return None


def accepted_if_true(caption: str, told: str) -> bool:
    scene = _scene_of(told)
    return scene is not None and world.verify(caption, scene).true


def accepted_if_complete(caption: str, told: str) -> bool:
    scene = _scene_of(told)
    return scene is not None and world.verify(caption, scene).complete


def accepted_trusts_the_record(caption: str, told: str) -> bool:
    verdict = world.verify(caption, _scene_of(told))
    return verdict.true and verdict.complete


def accepted_plain_captions_only(caption: str, told: str) -> bool:
    scene = _scene_of(told)
    return scene is not None and caption in world.captions(scene)


def accepted_if_grammatical(caption: str, told: str) -> bool:
    return _scene_of(told) is not None and world.parse(caption) is not None


def _runs(text: str, run: int) -> list[tuple[str, ...]]:
    words = text.split()
    return [tuple(words[i : i + run]) for i in range(max(1, len(words) - run + 1))]


def jaccard_of_words(one: str, other: str, run: int) -> float:
    first, second = set(one.split()), set(other.split())
    return len(first & second) / len(first | second)


def jaccard_over_both(one: str, other: str, run: int) -> float:
    first, second = set(_runs(one, run)), set(_runs(other, run))
    return len(first & second) / (len(first) + len(second))


def jaccard_of_the_first(one: str, other: str, run: int) -> float:
    first, second = set(_runs(one, run)), set(_runs(other, run))
    return len(first & second) / len(first)


def jaccard_of_letters(one: str, other: str, run: int) -> float:
    first, second = ({text[i : i + run] for i in range(len(text) - run + 1)} for text in (one, other))
    return len(first & second) / len(first | second)


def jaccard_drops_short_texts(one: str, other: str, run: int) -> float:
    first, second = (
        {tuple(text.split()[i : i + run]) for i in range(len(text.split()) - run + 1)}
        for text in (one, other)
    )
    return len(first & second) / max(1, len(first | second))


def jaccard_with_repeats(one: str, other: str, run: int) -> float:
    first, second = _runs(one, run), _runs(other, run)
    shared = sum(item in second for item in first)
    return shared / (len(first) + len(second) - shared)


def worth_straight(target: float, labels: list[int], shares: list[float]) -> float:
    if max(shares) < target:
        return math.inf
    return float(np.interp(target, shares, labels))


def worth_nearest(target: float, labels: list[int], shares: list[float]) -> float:
    return float(next((n for n, share in zip(labels, shares, strict=True) if share >= target), math.inf))


def worth_never_infinite(target: float, labels: list[int], shares: list[float]) -> float:
    return float(np.exp(np.interp(target, shares, np.log(labels))))


def worth_sorted(target: float, labels: list[int], shares: list[float]) -> float:
    if target > max(shares):
        return math.inf
    return float(np.exp(np.interp(target, sorted(shares), np.log(labels))))


def worth_extrapolates(target: float, labels: list[int], shares: list[float]) -> float:
    for a, b, low, high in zip(labels, labels[1:], shares, shares[1:], strict=False):
        if high >= target:
            return a * (b / a) ** ((target - low) / (high - low))
    return math.inf


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


# --- lesson 05 ----------------------------------------------------------------------------------------------


def kinds_without_founders(shares: np.ndarray, sentences: int, last: int) -> list[float]:
    q, kinds = 1.0, []
    for _ in range(last + 1):
        kinds.append(len(shares) * q)
        q = 1 - np.exp(-q)
    return kinds


def kinds_one_text_late(shares: np.ndarray, sentences: int, last: int) -> list[float]:
    q, kinds = 1.0, []
    for _ in range(last + 1):
        q = 1 - np.exp(-q)
        kinds.append(float((1 - np.exp(-sentences * shares * q)).sum()))
    return kinds


def kinds_last_only(shares: np.ndarray, sentences: int, last: int) -> float:
    q = 1.0
    for _ in range(last):
        q = 1 - np.exp(-q)
    return float((1 - np.exp(-sentences * shares * q)).sum())


def kinds_never_dying(shares: np.ndarray, sentences: int, last: int) -> list[float]:
    return [float((1 - np.exp(-sentences * shares)).sum())] * (last + 1)


def kinds_of_the_mean_share(shares: np.ndarray, sentences: int, last: int) -> list[float]:
    q, kinds = 1.0, []
    for _ in range(last + 1):
        kinds.append(float(len(shares) * (1 - np.exp(-sentences * shares.mean() * q))))
        q = 1 - np.exp(-q)
    return kinds


def true_kinds_any(text: np.ndarray, true: np.ndarray) -> int:
    return int((text.sum(1) > 0).sum())


def true_kinds_facts(text: np.ndarray, true: np.ndarray) -> int:
    return int(((text > 0) & true).sum())


def true_kinds_only_true(text: np.ndarray, true: np.ndarray) -> int:
    return int((((text * true).sum(1) > 0) & ((text * ~true).sum(1) == 0)).sum())


def true_kinds_sentences(text: np.ndarray, true: np.ndarray) -> int:
    return int((text * true).sum())


def balance_not_at_all(written: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    return accepted / accepted.sum()


def balance_evenly(written: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    weights = accepted / np.maximum(accepted.sum(1, keepdims=True), 1)
    return weights / weights.sum()


def balance_dividing_by_zero(written: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        weights = accepted / accepted.sum(1, keepdims=True) * written.sum(1, keepdims=True)
    return weights / weights.sum()


def balance_unnormalized(written: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    within = accepted / np.maximum(accepted.sum(1, keepdims=True), 1)
    return within * written.sum(1, keepdims=True) / written.sum()


def balance_by_sentence(written: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    weights = np.where(accepted > 0, written, 0)
    return weights / weights.sum()


def worth_folk(p: float, classes: int) -> float:
    return 1 / (1 - 2 * p) ** 2 if p < 0.5 else math.inf


def worth_without_square(p: float, classes: int) -> float:
    remains = 1 - p - p / (classes - 1)
    return 1 / remains if remains > 1e-9 else math.inf


def worth_past_the_end(p: float, classes: int) -> float:
    remains = 1 - p - p / (classes - 1)
    return 1 / remains**2 if abs(remains) > 1e-9 else math.inf


def worth_over_all_classes(p: float, classes: int) -> float:
    remains = 1 - p - p / classes
    return 1 / remains**2 if remains > 1e-9 else math.inf


# --- lesson 10 ----------------------------------------------------------------------------------------------


def batch_rounded(free_bytes: float, length: int, vocabulary: int, numbers: int, copies: int) -> int:
    return round(free_bytes / (length * vocabulary * numbers * copies))


def batch_below_zero(free_bytes: float, length: int, vocabulary: int, numbers: int, copies: int) -> int:
    return int(free_bytes // (length * vocabulary * numbers * copies))


def batch_one_copy(free_bytes: float, length: int, vocabulary: int, numbers: int, copies: int) -> int:
    return max(0, int(free_bytes // (length * vocabulary * numbers)))


def batch_of_four_bytes(free_bytes: float, length: int, vocabulary: int, numbers: int, copies: int) -> int:
    return max(0, int(free_bytes // (length * vocabulary * 4 * copies)))


def batch_of_fractions(free_bytes: float, length: int, vocabulary: int, numbers: int, copies: int) -> float:
    return max(0.0, free_bytes / (length * vocabulary * numbers * copies))


def batch_as_float(free_bytes: float, length: int, vocabulary: int, numbers: int, copies: int) -> float:
    return max(0.0, free_bytes // (length * vocabulary * numbers * copies))


def batch_at_least_one(free_bytes: float, length: int, vocabulary: int, numbers: int, copies: int) -> int:
    return max(1, int(free_bytes // (length * vocabulary * numbers * copies)))


def lora_without_rank(x, frozen_output, a, b, alpha):
    return frozen_output + alpha * (x @ a.T @ b.T)


def lora_without_alpha(x, frozen_output, a, b, alpha):
    return frozen_output + (x @ a.T @ b.T) / a.shape[0]


def lora_divided_by_inputs(x, frozen_output, a, b, alpha):
    return frozen_output + alpha / a.shape[1] * (x @ a.T @ b.T)


def lora_adapter_alone(x, frozen_output, a, b, alpha):
    return alpha / a.shape[0] * (x @ a.T @ b.T)


def lora_in_place(x, frozen_output, a, b, alpha):
    frozen_output += alpha / a.shape[0] * (x @ a.T @ b.T)
    return frozen_output


def lora_not_transposed(x, frozen_output, a, b, alpha):
    return frozen_output + alpha / a.shape[0] * (b @ a @ x)


def lora_detached(x, frozen_output, a, b, alpha):
    return frozen_output + alpha / a.shape[0] * (x @ a.detach().T @ b.detach().T)


def lora_only_b_trained(x, frozen_output, a, b, alpha):
    return frozen_output + alpha / a.shape[0] * (x @ a.detach().T @ b.T)


def count_whole_matrices(shapes, rank):
    return sum(rank * outputs * inputs for outputs, inputs in shapes)


def count_only_a(shapes, rank):
    return sum(rank * inputs for _, inputs in shapes)


def count_without_rank(shapes, rank):
    return sum(outputs + inputs for outputs, inputs in shapes)


def count_square(shapes, rank):
    return sum(2 * rank * inputs for _, inputs in shapes)


def count_first_only(shapes, rank):
    return rank * sum(shapes[0]) if shapes else 0


def step_unscaled_in_float16(weight, scaled_gradient, scale, learning_rate):
    if not scaled_gradient.isfinite().all():
        return weight, scale / 2
    return weight - learning_rate * (scaled_gradient / scale).float(), scale


def step_not_unscaled(weight, scaled_gradient, scale, learning_rate):
    if not scaled_gradient.isfinite().all():
        return weight, scale / 2
    return weight - learning_rate * scaled_gradient.float(), scale


def step_never_skipped(weight, scaled_gradient, scale, learning_rate):
    return weight - learning_rate * scaled_gradient.float() / scale, scale


def step_looks_for_inf_only(weight, scaled_gradient, scale, learning_rate):
    if scaled_gradient.isinf().any():
        return weight, scale / 2
    return weight - learning_rate * scaled_gradient.float() / scale, scale


def step_scale_kept(weight, scaled_gradient, scale, learning_rate):
    if not scaled_gradient.isfinite().all():
        return weight, scale
    return weight - learning_rate * scaled_gradient.float() / scale, scale


def step_scale_doubled(weight, scaled_gradient, scale, learning_rate):
    if not scaled_gradient.isfinite().all():
        return weight, scale * 2
    return weight - learning_rate * scaled_gradient.float() / scale, scale


def step_of_good_entries(weight, scaled_gradient, scale, learning_rate):
    good = scaled_gradient.isfinite()
    gradient = torch.where(good, scaled_gradient, 0).float() / scale
    return weight - learning_rate * gradient, scale if good.all() else scale / 2


def step_in_float16(weight, scaled_gradient, scale, learning_rate):
    if not scaled_gradient.isfinite().all():
        return weight, scale / 2
    return (weight.half() - learning_rate * scaled_gradient / scale), scale


def step_uphill(weight, scaled_gradient, scale, learning_rate):
    if not scaled_gradient.isfinite().all():
        return weight, scale / 2
    return weight + learning_rate * scaled_gradient.float() / scale, scale


# --- lesson 11 ----------------------------------------------------------------------------------------------


def shuffle_all_alike(features: np.ndarray, seed: int) -> np.ndarray:
    return features[:, np.random.default_rng(seed).permutation(features.shape[1])]


def shuffle_films(features: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(features)


def shuffle_tears_frames(features: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permuted(features, axis=1)


def shuffle_in_place(features: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    for film in features:
        rng.shuffle(film)
    return features


def shuffle_draws_again(features: np.ndarray, seed: int) -> np.ndarray:
    films, frames = features.shape[:2]
    order = np.random.default_rng(seed).integers(frames, size=(films, frames))
    return features[np.arange(films)[:, None], order]


def shuffle_without_seed(features: np.ndarray, seed: int) -> np.ndarray:
    films, frames = features.shape[:2]
    order = np.random.default_rng().permuted(np.tile(np.arange(frames), (films, 1)), axis=1)
    return features[np.arange(films)[:, None], order]


def shuffle_only_vectors(features: np.ndarray, seed: int) -> np.ndarray:
    films, frames, _ = features.shape
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(frames), (films, 1)), axis=1)
    return np.take_along_axis(features, order[:, :, None], 1)


def shuffle_as_list(features: np.ndarray, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [film[rng.permutation(len(film))] for film in features]


def shuffle_rotates(features: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([np.roll(film, rng.integers(8), axis=0) for film in features])


def control_per_film(types: list[str], labels: list[str], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(labels)


def control_knows_the_task(types: list[str], labels: list[str], seed: int) -> np.ndarray:
    seen = dict(zip(types, labels, strict=True))
    return np.array([seen[kind] for kind in types])


def control_one_for_all(types: list[str], labels: list[str], seed: int) -> np.ndarray:
    return np.full(len(types), np.random.default_rng(seed).choice(labels))


def control_uniform(types: list[str], labels: list[str], seed: int) -> np.ndarray:
    rng, names = np.random.default_rng(seed), sorted(set(labels))
    drawn = {kind: rng.choice(names) for kind in dict.fromkeys(types)}
    return np.array([drawn[kind] for kind in types])


def control_ignores_seed(types: list[str], labels: list[str], seed: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    drawn = {kind: rng.choice(labels) for kind in dict.fromkeys(types)}
    return np.array([drawn[kind] for kind in types])


def turn_modulo(degrees: float) -> float:
    return degrees % 360


def turn_other_half(degrees: float) -> float:
    return (degrees + 180) % 360 - 180


def turn_mirrored(degrees: float) -> float:
    turn = degrees % 360
    return 360 - turn if turn > 180 else turn


def turn_once(degrees: float) -> float:
    return degrees - 360 if degrees > 180 else degrees


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


def motion_without_the_axis_of_frames(clips: np.ndarray) -> np.ndarray:
    return clips[:, :-1].astype(np.int16) - clips[:, -1]


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


# --- lesson 13 ----------------------------------------------------------------------------------------------


def _squeezed(numbers, levels):
    return (numbers.tanh() + 1) / 2 * (levels - 1)


def fsq_without_gradient(numbers, levels):
    return _squeezed(numbers, levels).round()


def fsq_not_rounded(numbers, levels):
    return _squeezed(numbers, levels)


def fsq_detached(numbers, levels):
    return _squeezed(numbers, levels).round().detach()


def fsq_one_level_more(numbers, levels):
    squeezed = (numbers.tanh() + 1) / 2 * levels
    return squeezed + (squeezed.round() - squeezed).detach()


def fsq_cut_off(numbers, levels):
    squeezed = _squeezed(numbers, levels)
    return squeezed + (squeezed.floor() - squeezed).detach()


def fsq_four_levels(numbers, levels):
    squeezed = _squeezed(numbers, 4)
    return squeezed + (squeezed.round() - squeezed).detach()


def fsq_identity_gradient(numbers, levels):
    # Past the squeezing too: the gradient is 1 everywhere.
    return numbers + (_squeezed(numbers, levels).round() - numbers).detach()


def fsq_doubled_gradient(numbers, levels):
    squeezed = _squeezed(numbers, levels)
    return 2 * squeezed + (squeezed.round() - 2 * squeezed).detach()


_FACTS = ("kind", "color", "verb")


def made_up_not_true(caption, scene):
    verdict = world.verify(caption, scene)
    return [name for name in _FACTS if not getattr(verdict, name)], []


def made_up_swapped(caption, scene):
    verdict = world.verify(caption, scene)
    omitted = [name for name in _FACTS if getattr(verdict, name) is None]
    return omitted, [name for name in _FACTS if getattr(verdict, name) is False]


def made_up_everything(caption, scene):
    verdict = world.verify(caption, scene)
    names = ("kind", "color", "size", "place", "verb")
    return verdict.wrong, [name for name in names if getattr(verdict, name) is None]


def made_up_babble_is_fine(caption, scene):
    verdict = world.verify(caption, scene)
    if not verdict.grammatical:
        return [], []
    omitted = [name for name in _FACTS if getattr(verdict, name) is None]
    return [name for name in _FACTS if getattr(verdict, name) is False], omitted


def made_up_by_words(caption, scene):
    missing = [name for name in _FACTS if getattr(scene, name) not in caption]
    return missing, []


def made_up_first_only(caption, scene):
    verdict = world.verify(caption, scene)
    omitted = [name for name in _FACTS if getattr(verdict, name) is None]
    return [name for name in _FACTS if getattr(verdict, name) is False][:1], omitted


def wrong_films_by_one_row(rows, samples):
    prompts = [prompt for prompt, _, _ in rows]
    moved = prompts[1:] + prompts[:1]
    return [(prompt, caption, up) for prompt, (_, caption, up) in zip(moved, rows, strict=True)]


def wrong_films_previous(rows, samples):
    prompts = [prompt for prompt, _, _ in rows]
    moved = prompts[-samples:] + prompts[:-samples]
    return [(prompt, caption, up) for prompt, (_, caption, up) in zip(moved, rows, strict=True)]


def wrong_films_whole_rows(rows, samples):
    return rows[samples:] + rows[:samples]


def wrong_films_of_three(rows, samples):
    prompts = [prompt for prompt, _, _ in rows]
    moved = prompts[3:] + prompts[:3]
    return [(prompt, caption, up) for prompt, (_, caption, up) in zip(moved, rows, strict=True)]


def wrong_films_backwards(rows, samples):
    prompts = [prompt for prompt, _, _ in rows][::-1]
    return [(prompt, caption, up) for prompt, (_, caption, up) in zip(prompts, rows, strict=True)]


def wrong_films_loses_the_last(rows, samples):
    prompts = [prompt for prompt, _, _ in rows][samples:]
    return [(prompt, caption, up) for prompt, (_, caption, up) in zip(prompts, rows, strict=False)]


def wrong_films_in_place(rows, samples):
    prompts = [prompt for prompt, _, _ in rows]
    moved = prompts[samples:] + prompts[:samples]
    rows[:] = [(prompt, caption, up) for prompt, (_, caption, up) in zip(moved, rows, strict=True)]
    return rows


# --- lesson 14 ----------------------------------------------------------------------------------------------


def _plain_prompt(prompt: str) -> str:
    return " ".join(prompt.lower().split())


def held_out_rows(prompts: list[str], share: float, seed: int) -> list[bool]:
    draw = random.Random(seed)
    return [draw.random() < share for _ in prompts]


def held_out_as_typed(prompts: list[str], share: float, seed: int) -> list[bool]:
    different = sorted(set(prompts))
    kept = random.Random(seed).sample(different, max(1, round(share * len(different))))
    return [prompt in kept for prompt in prompts]


def held_out_capitals_only(prompts: list[str], share: float, seed: int) -> list[bool]:
    return held_out_as_typed([prompt.lower() for prompt in prompts], share, seed)


def held_out_stripped_only(prompts: list[str], share: float, seed: int) -> list[bool]:
    return held_out_as_typed([prompt.lower().strip() for prompt in prompts], share, seed)


def held_out_share_of_rows(prompts: list[str], share: float, seed: int) -> list[bool]:
    forms = [_plain_prompt(prompt) for prompt in prompts]
    kept = random.Random(seed).sample(sorted(set(forms)), min(len(set(forms)), round(share * len(forms))))
    return [form in kept for form in forms]


def held_out_perhaps_none(prompts: list[str], share: float, seed: int) -> list[bool]:
    forms = [_plain_prompt(prompt) for prompt in prompts]
    kept = random.Random(seed).sample(sorted(set(forms)), round(share * len(set(forms))))
    return [form in kept for form in forms]


def held_out_first(prompts: list[str], share: float, seed: int) -> list[bool]:
    forms = [_plain_prompt(prompt) for prompt in prompts]
    different = sorted(set(forms))
    kept = different[: max(1, round(share * len(different)))]
    return [form in kept for form in forms]


def held_out_in_order_of_rows(prompts: list[str], share: float, seed: int) -> list[bool]:
    forms = [_plain_prompt(prompt) for prompt in prompts]
    different = list(dict.fromkeys(forms))
    kept = random.Random(seed).sample(different, max(1, round(share * len(different))))
    return [form in kept for form in forms]


def held_out_by_coins(prompts: list[str], share: float, seed: int) -> list[bool]:
    forms = [_plain_prompt(prompt) for prompt in prompts]
    coins = random.Random(seed)
    side = {form: coins.random() < share for form in sorted(set(forms))}
    return [side[form] for form in forms]


def held_out_prompts(prompts: list[str], share: float, seed: int) -> list[str]:
    different = sorted({_plain_prompt(prompt) for prompt in prompts})
    return random.Random(seed).sample(different, max(1, round(share * len(different))))


def wins_once(first: list[bool], second: list[bool]) -> float:
    return sum(first) / len(first)


def wins_both_only(first: list[bool], second: list[bool]) -> float:
    return sum(one and two for one, two in zip(first, second, strict=True)) / len(first)


def wins_either(first: list[bool], second: list[bool]) -> float:
    return sum(one or two for one, two in zip(first, second, strict=True)) / len(first)


def wins_without_ties(first: list[bool], second: list[bool]) -> float:
    clear = [one for one, two in zip(first, second, strict=True) if one == two]
    return sum(clear) / len(clear) if clear else 0.5


def wins_second_turned(first: list[bool], second: list[bool]) -> float:
    return sum(one + (not two) for one, two in zip(first, second, strict=True)) / (2 * len(first))


def wins_summed(first: list[bool], second: list[bool]) -> float:
    return sum(first) + sum(second)


def equal_length_plain(wins: list[float], extra_words: list[float]) -> float:
    return float(np.mean(wins))


def equal_length_slope(wins: list[float], extra_words: list[float]) -> float:
    if len(set(extra_words)) == 1:
        return float(np.mean(wins))
    return float(np.polyfit(extra_words, wins, 1)[0])


def equal_length_at_the_mean(wins: list[float], extra_words: list[float]) -> float:
    if len(set(extra_words)) == 1:
        return float(np.mean(wins))
    slope, at_zero = np.polyfit(extra_words, wins, 1)
    return float(at_zero + slope * np.mean(extra_words))


def equal_length_axes_swapped(wins: list[float], extra_words: list[float]) -> float:
    if len(set(extra_words)) == 1 or len(set(wins)) == 1:
        return float(np.mean(wins))
    return float(np.polyfit(wins, extra_words, 1)[1])


def equal_length_ties_only(wins: list[float], extra_words: list[float]) -> float:
    equal = [win for win, words in zip(wins, extra_words, strict=True) if words == 0]
    return float(np.mean(equal)) if equal else float(np.mean(wins))


def equal_length_without_guard(wins: list[float], extra_words: list[float]) -> float:
    extra = np.array(extra_words) - np.mean(extra_words)
    slope = float((extra * wins).sum() / (extra**2).sum())
    return float(np.mean(wins)) - slope * float(np.mean(extra_words))


WRONG: dict[str, list[Callable[..., Any]]] = {
    "largest_batch": [
        batch_rounded,
        batch_below_zero,
        batch_one_copy,
        batch_of_four_bytes,
        batch_of_fractions,
        batch_as_float,
        batch_at_least_one,
    ],
    "lora_forward": [
        lora_without_rank,
        lora_without_alpha,
        lora_divided_by_inputs,
        lora_adapter_alone,
        lora_in_place,
        lora_not_transposed,
        lora_detached,
        lora_only_b_trained,
    ],
    "trainable_parameters": [
        count_whole_matrices,
        count_only_a,
        count_without_rank,
        count_square,
        count_first_only,
    ],
    "scaled_step": [
        step_unscaled_in_float16,
        step_not_unscaled,
        step_never_skipped,
        step_looks_for_inf_only,
        step_scale_kept,
        step_scale_doubled,
        step_of_good_entries,
        step_in_float16,
        step_uphill,
    ],
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
    "accepted": [
        accepted_if_true,
        accepted_if_complete,
        accepted_trusts_the_record,
        accepted_plain_captions_only,
        accepted_if_grammatical,
    ],
    "jaccard": [
        jaccard_of_words,
        jaccard_over_both,
        jaccard_of_the_first,
        jaccard_of_letters,
        jaccard_drops_short_texts,
        jaccard_with_repeats,
    ],
    "labels_worth": [worth_straight, worth_nearest, worth_never_infinite, worth_sorted, worth_extrapolates],
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
    "surviving_kinds": [
        kinds_without_founders,
        kinds_one_text_late,
        kinds_last_only,
        kinds_never_dying,
        kinds_of_the_mean_share,
    ],
    "true_kinds": [true_kinds_any, true_kinds_facts, true_kinds_only_true, true_kinds_sentences],
    "rebalance": [
        balance_not_at_all,
        balance_evenly,
        balance_dividing_by_zero,
        balance_unnormalized,
        balance_by_sentence,
    ],
    "worth": [worth_folk, worth_without_square, worth_past_the_end, worth_over_all_classes],
    "pick_best": [
        pick_always,
        pick_by_truth_of_place,
        pick_last_of_level,
        pick_scores_themselves,
        pick_leaves_out,
    ],
    "prefers_right": [
        prefers_over_everything,
        prefers_without_half,
        prefers_mean_of_records,
        prefers_nothing_is_zero,
        prefers_best_is_right,
    ],
    "critique": [
        critique_only_wrong,
        critique_by_words,
        critique_says_what_is_written,
        critique_silent_about_babble,
    ],
    "gap_recovered": [gap_of_ceiling, gap_cut_off, gap_left, gap_not_divided, gap_without_guard],
    "shuffle_frames": [
        shuffle_all_alike,
        shuffle_films,
        shuffle_tears_frames,
        shuffle_in_place,
        shuffle_draws_again,
        shuffle_without_seed,
        shuffle_rotates,
        shuffle_only_vectors,
        shuffle_as_list,
    ],
    "control_labels": [
        control_per_film,
        control_knows_the_task,
        control_one_for_all,
        control_uniform,
        control_ignores_seed,
    ],
    "apparent_turn": [turn_modulo, turn_other_half, turn_mirrored, turn_once],
    "motion": [
        motion_in_bytes,
        motion_in_signed_bytes,
        motion_without_sign,
        motion_with_the_median,
        motion_between_frames,
        motion_from_the_first_film,
        motion_without_the_axis_of_frames,
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
    "fsq": [
        fsq_without_gradient,
        fsq_not_rounded,
        fsq_detached,
        fsq_one_level_more,
        fsq_cut_off,
        fsq_four_levels,
        fsq_identity_gradient,
        fsq_doubled_gradient,
    ],
    "made_up": [
        made_up_not_true,
        made_up_swapped,
        made_up_everything,
        made_up_babble_is_fine,
        made_up_by_words,
        made_up_first_only,
    ],
    "wrong_films": [
        wrong_films_by_one_row,
        wrong_films_previous,
        wrong_films_whole_rows,
        wrong_films_of_three,
        wrong_films_backwards,
        wrong_films_loses_the_last,
        wrong_films_in_place,
    ],
    "held_out": [
        held_out_rows,
        held_out_as_typed,
        held_out_capitals_only,
        held_out_stripped_only,
        held_out_share_of_rows,
        held_out_perhaps_none,
        held_out_first,
        held_out_in_order_of_rows,
        held_out_by_coins,
        held_out_prompts,
    ],
    "win_rate": [
        wins_once,
        wins_both_only,
        wins_either,
        wins_without_ties,
        wins_second_turned,
        wins_summed,
    ],
    "at_equal_length": [
        equal_length_plain,
        equal_length_slope,
        equal_length_at_the_mean,
        equal_length_axes_swapped,
        equal_length_ties_only,
        equal_length_without_guard,
    ],
}
