# %% [markdown]
# # 07 · Losses by hand
#
# How do you turn "this answer is better than that one" into a number that a model can be trained on?
#
# After this lesson you can
#
# - derive the loss of DPO (direct preference optimization) from a coin and a leash, and check each step on a world small enough to be computed exactly;
# - write DPO, KTO (Kahneman-Tversky optimization) and APO-zero and APO-down (anchored preference optimization) in a few lines each, and show that they are TRL's;
# - say of each loss what it pushes up, what it pushes down, and when its push fades;
# - say what KTO's reference point is, what it is not, and why a batch of one breaks it.

# %% tags=["volatile", "evidence"]
import helpers

lesson = helpers.begin("07")

# %% [markdown]
# ## A guess before you measure
#
# A small model turns records such as *small blue cat, sits, snow* into captions, and it is often wrong: it writes that cats are orange. Below it is trained for forty steps with the best-known preference loss, DPO, on pairs of a right caption (*chosen*) and a wrong one that it wrote itself (*rejected*). DPO asks that the chosen caption should gain on the rejected one.
# **What happens to the log-probability of right captions that it was not trained on?** Commit to a guess; the recap holds it against the measurement.

# %%
lesson.predict(
    "dpo_chosen",
    "After forty steps of DPO, the log-probability of right captions of other scenes …",
    choices=["has risen", "is about where it was", "has fallen"],
)

# %% [markdown]
# ## 1 · A preference is a coin
#
# Six captions for one scene. A person sees two of them and says which one is better. People waver, so we do not model the answer but its probability. Bradley and Terry (1952): every answer $y$ has a hidden **reward** $r(y)$, and the preference is the toss of a coin whose bias depends on the difference alone:
#
# $$P(y_w \succ y_l) = \sigma\big(r(y_w) - r(y_l)\big), \qquad \sigma(z) = \frac{1}{1 + e^{-z}}$$
#
# ($w$ is the winner, $l$ the loser.) We make the rewards up, so that we can see whether they are found again.

# %% tags=["evidence"]
import copy
import math
import random
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from helpers import world
from helpers.lesson import plots
from helpers.models import base, small
from helpers.models.threads import threads

# %%
scene = world.Scene("cat", "blue", "small", "snow", "sits")
ANSWERS = {
    "right": ("A small blue cat sits in the snow.", 2.0),
    "right, other words": ("There is a small blue cat sitting in the snow.", 1.5),
    "orange": ("A small orange cat sits in the snow.", 0.5),
    "on the beach": ("A small blue cat sits on the beach.", 0.0),
    "a dog": ("A small blue dog sits in the snow.", -1.0),
    "orange, on the beach": ("A small orange cat sits on the beach.", -1.5),
}
LABELS = list(ANSWERS)
reward = torch.tensor([r for _, r in ANSWERS.values()])
plots.picture_strip([world.draw(scene, 96)], [world.record(scene)], alt="A small blue cat sits in the snow.")
plots.table([[label, text, r] for label, (text, r) in ANSWERS.items()], ["", "answer", "hidden reward"])

# %% [markdown]
# Toss the coin for many pairs, and find the rewards under which what was said is most probable. The loss of a comparison is the surprise about it, $-\log \sigma(r(y_w) - r(y_l))$:


# %%
def toss(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """So many comparisons of two random answers: the winners' and the losers' numbers, (count,) each."""
    generator = torch.Generator().manual_seed(seed)
    one = torch.randint(6, (count,), generator=generator)
    other = (one + torch.randint(1, 6, (count,), generator=generator)) % 6
    first_wins = torch.rand(count, generator=generator) < (reward[one] - reward[other]).sigmoid()
    return torch.where(first_wins, one, other), torch.where(first_wins, other, one)


def fit_rewards(winners: Tensor, losers: Tensor) -> Tensor:
    rewards = torch.zeros(6, requires_grad=True)
    optimizer = torch.optim.Adam([rewards], lr=0.1)
    for _ in range(300):
        loss = -logsigmoid(rewards[winners] - rewards[losers]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return rewards.detach()


# %%
winners, losers = toss(600, seed=1)
gaps, shares = [], []
for i in range(6):
    for j in range(i + 1, 6):
        wins = int(((winners == i) & (losers == j)).sum())
        defeats = int(((winners == j) & (losers == i)).sum())
        gaps.append(float(reward[i] - reward[j]))
        shares.append(wins / (wins + defeats))
figure, axes = plots.new_figure(560, 320)
line = torch.linspace(-1, 4, 60)
axes.plot(line, line.sigmoid(), marker="", label="σ: the coin's bias")
axes.plot(gaps, shares, linestyle="none", label="how often the first of two answers won")
axes.set_xlabel("difference of the hidden rewards")
axes.set_ylabel("share of comparisons")
axes.legend(frameon=False)
plots.show(
    figure,
    alt="The S-shaped curve of the logistic function with fifteen dots near it, one for each pair of answers.",
)
fits = {count: fit_rewards(*toss(count, seed=1)) for count in (60, 600, 60_000)}
plots.table(
    [
        [label, float(reward[i] - reward[0]), *(float(fit[i] - fit[0]) for fit in fits.values())]
        for i, label in enumerate(LABELS)
    ],
    ["reward, minus that of the first", "true", *(f"from {count:,} comparisons" for count in fits)],
)

# %% [markdown]
# The table shows *differences* to the first answer, for good reason: add 7 to every reward, and no coin changes. Comparisons can never tell where zero is. Keep this in mind; in a moment it removes the one term that nobody could compute.

# %% [markdown]
# ## 2 · The best model on a leash
#
# Given rewards, what should a model do? Always saying the best answer would be one way, and what a reward found from a few comparisons calls best is often an exploit. So the model $\pi$ gets the leash of lesson 01 (its section 7, under *Dig deeper*): it pays $\beta$ for each nat of KL divergence from a frozen reference $\pi_\mathrm{ref}$,
#
# $$\max_\pi \; \mathbb{E}_{y \sim \pi}\, r(y) \;-\; \beta \, \mathrm{KL}(\pi \,\|\, \pi_\mathrm{ref}).$$
#
# The solution is known, and short: take the reference, and multiply each answer's probability by $e^{r/\beta}$. ($Z$ only makes the sum 1.)
#
# $$\pi^*(y) = \frac{1}{Z}\, \pi_\mathrm{ref}(y)\, e^{r(y)/\beta}$$


# %% tags=["evidence"]
def optimum(ref_logps: Tensor, rewards: Tensor, beta: float) -> Tensor:
    """Log-probabilities of the best policy on a leash of strength beta: (answers,), (answers,) -> (answers,)."""
    return (ref_logps + rewards / beta).log_softmax(-1)


# %% [markdown]
# Our reference is a real (small) language model, with 103 thousand parameters: the course's *base*. It has read captions by people of habit, who wrote "orange" for nine cats of ten. Its log-probability of an answer is that of lesson 01, a sum over the answer's own tokens. For this scene we pretend that the six answers are all that can be said, and take the model at temperature 3, so that most of the bars can be seen (a dog's stays too low).

# %%
reference, tokenizer = base.base(0)
scores = small.score(reference, tokenizer, [(world.record(scene), text) for text, _ in ANSWERS.values()])
ref_logps = (scores / 3).log_softmax(-1)
bars = {"the reference": ref_logps.exp().tolist()}
for beta in (2.0, 0.5, 0.2):
    bars[f"optimum, β = {beta}"] = optimum(ref_logps, reward, beta).exp().tolist()
plots.paired_bars(
    LABELS,
    bars,
    "probability",
    alt="Bars of the probability of six answers. The reference mostly says orange; the smaller beta is, "
    "the more of the probability moves to the right answers, which have the highest reward.",
)

# %% [markdown]
# A large $\beta$ is a short leash: the policy stays with its habit. A small one lets it run to the reward. In between, the answers share the probability in the ratio $\pi_\mathrm{ref}\, e^{r/\beta}$: the reference has a say, too.
#
# Do not take the formula on trust: climb the objective itself, step by step, and see where you end.

# %%
logits = ref_logps.clone().requires_grad_(True)
climber = torch.optim.Adam([logits], lr=0.05)
for _ in range(1500):
    logps = logits.log_softmax(-1)
    objective = (logps.exp() * (reward - 0.5 * (logps - ref_logps))).sum()
    climber.zero_grad()
    (-objective).backward()
    climber.step()
climbed = logits.detach().log_softmax(-1)
lesson.say(
    "Largest difference between the climbed policy and the formula, in probability: {gap:.0e}.",
    gap=(climbed.exp() - optimum(ref_logps, reward, 0.5).exp()).abs().max(),
)

# %% [markdown]
# Now read the formula from right to left. Take logarithms and solve for the reward:
#
# $$r(y) = \beta \log \frac{\pi^*(y)}{\pi_\mathrm{ref}(y)} + \beta \log Z$$
#
# Every policy is the optimum of *some* reward: of $\beta$ times its own **log-ratio** to the reference, up to a constant. The policy is a reward model in disguise.

# %%
log_ratio = optimum(ref_logps, reward, 0.5) - ref_logps
plots.table(
    [
        [label, float(reward[i]), float(0.5 * log_ratio[i]), float(reward[i] - 0.5 * log_ratio[i])]
        for i, label in enumerate(LABELS)
    ],
    ["answer", "reward", "β · log-ratio of the optimum", "difference"],
    caption="β = 0.5: the difference is the same in every row, β log Z",
)

# %% [markdown]
# ## 3 · DPO: put one into the other
#
# $Z$ is a sum over *everything that can be said*. For six answers that is easy; for a language model it is hopeless. But a comparison needs only a difference of rewards, both about the same prompt, and there $\beta \log Z$ cancels. Put the log-ratios into Bradley and Terry's coin, and the loss of a comparison (Rafailov et al., 2023) needs four log-probabilities and no reward model:
#
# $$\mathcal{L}_\mathrm{DPO} = -\log \sigma\Big(\beta \log \frac{\pi(y_w)}{\pi_\mathrm{ref}(y_w)} - \beta \log \frac{\pi(y_l)}{\pi_\mathrm{ref}(y_l)}\Big)$$
#
# TRL, the library that most people train with, calls the winner *chosen* and the loser *rejected*, and logs $\beta$ times the log-ratio of each as its *reward*. We keep its names. (The prompt's own log-probability is left out. Left in by mistake, it would be the same on both sides and cancel like $Z$; in KTO and APO, below, where an answer stands by itself, it would not.)
#
# > **Exercise 1 · `dpo_loss`** · ★★☆ · 10 minutes
# >
# > Given the summed log-probabilities of chosen and rejected answers under the policy and under the reference, each of shape `(batch,)`, return three tensors of shape `(batch,)`: the losses, the chosen rewards and the rejected rewards. The rewards are for looking at: `detach()` them, so that no gradient flows through them.
# >
# > <details><summary>Hint 1</summary>Two log-ratios first: chosen minus its reference, rejected minus its reference.</details>
# > <details><summary>Hint 2</summary><code>logsigmoid(z)</code> is log σ(z), and stays finite where <code>log(sigmoid(z))</code> does not.</details>
# > <details><summary>Hint 3</summary>β multiplies the <em>difference</em> of the log-ratios in the loss, and each log-ratio in the rewards. Do not average over the batch.</details>


# %% tags=["evidence"]
def dpo_loss(
    policy_chosen_logps: Tensor,
    policy_rejected_logps: Tensor,
    ref_chosen_logps: Tensor,
    ref_rejected_logps: Tensor,
    beta: float = 0.1,
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses, chosen rewards, rejected rewards: (batch,) each."""
    # BEGIN SOLUTION
    chosen = policy_chosen_logps - ref_chosen_logps
    rejected = policy_rejected_logps - ref_rejected_logps
    losses = -logsigmoid(beta * (chosen - rejected))
    return losses, beta * chosen.detach(), beta * rejected.detach()
    # END SOLUTION


# %% tags=["evidence"]
dpo_loss = lesson.check(dpo_loss)

# %% [markdown]
# The promise: minimize this on comparisons alone, never seeing a reward, and you get the policy that is best for the hidden reward on the leash. In a world with a handful of answers a "model" is a table with one logit per answer, and the promise can be tested to the last digit. First on our cat:


# %% tags=["evidence"]
def dpo_on_a_table(
    ref_logps: Tensor, winners: Tensor, losers: Tensor, weights: Tensor, beta: float
) -> Tensor:
    """Log-probabilities (answers,) after DPO on weighted comparisons; the model is one logit per answer."""
    logits = ref_logps.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([logits], lr=0.05)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, 800)
    for _ in range(800):
        logps = logits.log_softmax(-1)
        losses, _, _ = dpo_loss(logps[winners], logps[losers], ref_logps[winners], ref_logps[losers], beta)
        optimizer.zero_grad()
        (weights * losses).sum().backward()
        optimizer.step()
        schedule.step()
    return logits.detach().log_softmax(-1)


# %%
bars = {"the reference": ref_logps.exp().tolist()}
for count in (60, 60_000):
    each, times = torch.stack(toss(count, seed=1), 1).unique(dim=0, return_counts=True)
    found = dpo_on_a_table(ref_logps, each[:, 0], each[:, 1], times / count, beta=0.5)
    bars[f"DPO, {count:,} comparisons"] = found.exp().tolist()
bars["the optimum"] = optimum(ref_logps, reward, 0.5).exp().tolist()
plots.paired_bars(
    LABELS,
    bars,
    "probability",
    alt="Bars of the probability of six answers: reference, DPO from 60 and from 60,000 comparisons, optimum. "
    "With many comparisons the bars of DPO and of the optimum are of equal height.",
)
lesson.say(
    "“Orange” has a probability of {before:.2f} under the reference and {best:.2f} in the optimum; DPO makes it {few:.2f} from 60 comparisons and {many:.2f} from 60,000.",
    before=bars["the reference"][2],
    best=bars["the optimum"][2],
    few=bars["DPO, 60 comparisons"][2],
    many=bars["DPO, 60,000 comparisons"][2],
)

# %% [markdown]
# DPO believes what it is shown: where sixty tosses came out by luck (the table of section 1 shows which rewards they suggest), the policy is wrong in the same way.
#
# And now as an experiment, in random worlds of eight answers: random references, random rewards. Comparisons come without noise of drawing (each pair with its exact probability), or a hundred to ten thousand are drawn. We measure the **total variation** between what DPO learned and the exact optimum: the share of probability that is in the wrong place. The control trains with twice the $\beta$: if *any* preference training ended near the optimum, that one would too.


# %% tags=["evidence"]
DRAWN = [100, 1_000, 10_000]


@lesson.experiment(seeds=6)
@threads(1)
def tiny_worlds(seed: int) -> dict[str, float]:
    generator = torch.Generator().manual_seed(10_000 + seed)
    ref = torch.randn(8, generator=generator).log_softmax(-1)
    rewards = torch.randn(8, generator=generator)
    winners, losers = (~torch.eye(8, dtype=torch.bool)).nonzero().T  # every ordered pair
    exact = (rewards[winners] - rewards[losers]).sigmoid() / (8 * 7 / 2)
    best = optimum(ref, rewards, beta=0.5)

    def misplaced(weights: Tensor, beta: float) -> float:
        found = dpo_on_a_table(ref, winners, losers, weights, beta)
        return (found.exp() - best.exp()).abs().sum().item() / 2

    measures = {"exact": misplaced(exact, 0.5), "wrong beta": misplaced(exact, 1.0)}
    for count in DRAWN:
        drawn = torch.multinomial(exact, count, replacement=True, generator=generator)
        measures[f"drawn {count}"] = misplaced(torch.bincount(drawn, minlength=56) / count, 0.5)
    measures["untrained"] = (ref.exp() - best.exp()).abs().sum().item() / 2
    return measures


# %%
tiny = lesson.measure(tiny_worlds, live=1)
plots.interval_plot(
    [
        tiny.row("untrained", "the reference, untrained"),
        *(tiny.row(f"drawn {count}", f"DPO, {count:,} comparisons") for count in DRAWN),
        tiny.row("exact", "DPO, exact probabilities"),
        tiny.row("wrong beta", "the same with twice the β"),
    ],
    "probability in the wrong place (total variation to the optimum)",
    alt="Interval plot. The distance to the optimum shrinks with the number of comparisons and is zero for "
    "exact probabilities; with twice the beta it is not.",
)

# %% tags=["claim"]
lesson.claim(
    tiny_worlds,
    "exact",
    name="DPO finds the optimum",
    statement="DPO on exact preference probabilities finds the exact optimum of the hidden reward on its leash.",
    prediction="less than 0.01 of the probability is in the wrong place",
    talk=["T6"],
    scope="world",
    unit="of probability",
    below=0.01,
    expected="holds",
)
lesson.claim(
    tiny_worlds,
    "wrong beta",
    name="control: twice the beta",
    statement="With twice the β in the loss, the same comparisons lead elsewhere.",
    prediction="more than 0.05 of the probability is in the wrong place",
    talk=["T6"],
    scope="world",
    unit="of probability",
    above=0.05,
    expected="holds",
)

# %% [markdown]
# So in a table the derivation holds to the digits. Note what it took: exact probabilities or very many comparisons, every pair compared, and a model that can move each answer by itself. A language model has none of these. What follows looks at what the loss *does*, step by step.

# %% [markdown]
# ## 4 · What pushes what
#
# Differentiate. With the margin $m = \log\frac{\pi(y_w)}{\pi_\mathrm{ref}(y_w)} - \log\frac{\pi(y_l)}{\pi_\mathrm{ref}(y_l)}$,
#
# $$-\frac{\partial \mathcal{L}_\mathrm{DPO}}{\partial \log \pi(y_w)} = +\,\beta\, \sigma(-\beta m), \qquad -\frac{\partial \mathcal{L}_\mathrm{DPO}}{\partial \log \pi(y_l)} = -\,\beta\, \sigma(-\beta m)$$
#
# Two equal and opposite pushes. They are strongest where the policy has moved *toward* the rejected answer ($m < 0$), and fade as the margin grows; $\beta$ decides how soon.

# %%
figure, axes = plots.new_figure(600, 320)
margin = torch.linspace(-12, 12, 25)
for beta in (0.1, 0.5, 2.0):
    chosen = margin.clone().requires_grad_(True)
    zero = torch.zeros_like(margin)
    dpo_loss(chosen, zero, zero, zero, beta)[0].sum().backward()
    axes.plot(margin, -chosen.grad / beta, label=f"β = {beta}", markevery=4)
axes.set_xlabel("margin m: log-ratio of the chosen minus that of the rejected answer")
axes.set_ylabel("push on the chosen answer / β")
axes.legend(frameon=False)
plots.show(
    figure,
    alt="Three falling S-curves of the push over the margin: from one at the left to zero at the right, "
    "all through one half at margin zero, steeper for larger beta.",
)

# %% [markdown]
# Equal pushes do not mean equal movements. Log-probabilities are not free: probabilities add up to 1. In a table of logits, one small gradient step of size $\eta$ from the reference changes
#
# $$\Delta \log \pi(y_w) = \tfrac{\eta\beta}{2}\,\big(1 - \pi(y_w) + \pi(y_l)\big), \qquad \Delta \log \pi(y_l) = -\tfrac{\eta\beta}{2}\,\big(1 + \pi(y_w) - \pi(y_l)\big).$$
#
# (The two logits move by $\pm\eta\beta/2$; softmax's normalization then shifts every answer's log-probability by the same amount.) Whichever of the two is *likelier* moves less, and everything else moves too. Here is such a step on our cat, twice: with the right answer chosen and the habit rejected, and the other way round.


# %%
def signed(value: Tensor | float, digits: int = 2) -> str:
    return f"{round(float(value), digits) + 0.0:+.{digits}f}".replace("-", "−")


rows = {label: [label, float(ref_logps[i].exp())] for i, label in enumerate(LABELS)}
for better, worse in [([0], [2]), ([2], [0])]:
    logits = ref_logps.clone().requires_grad_(True)
    logps = logits.log_softmax(-1)
    loss, _, _ = dpo_loss(logps[better], logps[worse], ref_logps[better], ref_logps[worse], beta=0.5)
    loss.sum().backward()
    change = (logits - 0.1 * logits.grad).detach().log_softmax(-1) - ref_logps
    for i, label in enumerate(LABELS):
        side = " (chosen)" if i in better else " (rejected)" if i in worse else ""
        rows[label].append(signed(change[i], 4) + side)
plots.table(
    list(rows.values()),
    ["answer", "probability", "after a step: “right” over “orange”", "“orange” over “right”"],
    caption="Change of the log-probability in nats, η = 0.1, β = 0.5",
)

# %% [markdown]
# In a table, and for a single pair, the first step can never lower the chosen answer: $1 - \pi(y_w) + \pi(y_l)$ is not negative. If a language model's chosen answers fall under DPO, and people report that they do, then what lowers them comes from elsewhere: from other pairs, and from answers that *share* parameters. Section 9 looks.

# %% [markdown]
# ## 5 · KTO: thumbs instead of pairs
#
# Pairs are rare; a thumb up or down on one answer is cheap. What is the value of one answer by itself? Kahneman and Tversky asked people, about money. People judge a gain or a loss against a **reference point**; further gains matter less and less (*concave*), further losses too (*convex*), and a loss weighs more than an equal gain (*loss aversion*). Tversky and Kahneman's (1992) fit, for an outcome $z$ relative to the reference point:
#
# $$v(z) = z^{0.88} \text{ for } z \ge 0, \qquad v(z) = -2.25\,(-z)^{0.88} \text{ for } z < 0$$
#
# KTO (Ethayarajh et al., 2024) keeps the shape and takes a function that is easier to train with, the logistic one. The outcome is the answer's log-ratio $\rho = \log\frac{\pi(y)}{\pi_\mathrm{ref}(y)}$, the reference point a number $z_0$:
#
# $$v = \lambda_D\, \sigma\big(\beta(\rho - z_0)\big) \text{ for a thumb up}, \qquad v = \lambda_U\, \sigma\big(\beta(z_0 - \rho)\big) \text{ for a thumb down}, \qquad \mathcal{L}_\mathrm{KTO} = \lambda_y - v$$
#
# $\lambda_D$ weighs thumbs up (*desirable* answers), $\lambda_U$ thumbs down (*undesirable* ones), and $\lambda_y$ is the one of the two that applies.

# %%
figure, axes = plots.new_figure(640, 340)
z = torch.linspace(-5, 5, 101)
human = torch.where(z >= 0, z.abs() ** 0.88, -2.25 * z.abs() ** 0.88)
axes.plot(z, human, marker="", label="people and money (Tversky and Kahneman, 1992)")
for beta in (0.5, 2.0):
    axes.plot(z, 4 / beta * ((beta * z).sigmoid() - 0.5), marker="", label=f"KTO, thumb up, β = {beta}")
axes.axvline(0, color="#6b6b6b", linewidth=0.8)
axes.axhline(0, color="#6b6b6b", linewidth=0.8)
axes.set_xlabel("outcome minus the reference point")
axes.set_ylabel("value (KTO: shifted, slope 1 at 0)")
axes.legend(frameon=False)
plots.show(
    figure,
    alt="People's value function rises with a kink at zero and falls twice as steeply on the side of losses. "
    "KTO's two logistic curves pass smoothly through zero and flatten at both ends, sooner for a larger beta.",
)

# %% [markdown]
# Concave above, convex below: that is kept, and $\beta$ sets how soon value saturates. The kink is not: a logistic curve is the same on both sides. What stands for loss aversion in KTO is the weights, $\lambda_U$ against $\lambda_D$, on *thumbs*, not on the two sides of one curve; by default both are 1.
#
# ### The reference point
#
# In the derivation $z_0$ is $\mathrm{KL}(\pi\,\|\,\pi_\mathrm{ref})$, how far the policy has moved on the whole: an answer is a gain if the policy prefers it by more than that. Computing it would take samples from the policy at every step. So a batch's own answers are used again, **each beside a prompt that it does not belong to**, its neighbor's:

# %%
batch = ["first prompt", "second prompt", "third prompt"], ["first answer", "second answer", "third answer"]
prompts, answers = batch
plots.table(
    [[p, own, other] for p, own, other in zip(prompts, answers, [answers[-1], *answers[:-1]], strict=True)],
    ["prompt", "its own answer: for ρ", "its neighbor's: for z₀"],
)

# %% [markdown]
# $z_0$ is the mean of the log-ratios of these mismatched answers, set to 0 if it is negative, and treated as a constant (no gradient). It is called `kl` everywhere, but **it is not a KL divergence**: nobody drew those answers from the policy. (A KL is never negative. This mean may well be, hence the clamp. Section 10 measures both.)
# And a batch of *one* has no neighbor: its answer is paired with its own prompt, and $z_0$ becomes the answer's own log-ratio. A good answer then never counts as a gain, however far it rises. (The drill at the end shows it.)
#
# > **Exercise 2 · `kto_reference_point`** · ★☆☆ · 5 minutes
# >
# > Given the log-probabilities of a batch's mismatched answers under the policy and under the reference, each of shape `(batch,)`, return $z_0$: one number, not below 0, without a gradient.
# >
# > <details><summary>Hint 1</summary>First the mean of the log-ratios, then the clamp: single log-ratios may be negative.</details>
# > <details><summary>Hint 2</summary><code>.clamp(min=0)</code> and <code>.detach()</code>.</details>


# %% tags=["evidence"]
def kto_reference_point(policy_kl_logps: Tensor, ref_kl_logps: Tensor) -> Tensor:
    """The reference point z0 of a batch: (batch,), (batch,) -> ()."""
    # BEGIN SOLUTION
    return (policy_kl_logps - ref_kl_logps).mean().clamp(min=0).detach()
    # END SOLUTION


# %% tags=["evidence"]
kto_reference_point = lesson.check(kto_reference_point)

# %% [markdown]
# Several numbers go by similar names. Here they are side by side:
#
# | name | what it is | where |
# | --- | --- | --- |
# | hidden reward $r(y)$ | what the coin tosses by; nobody sees it | sections 1 to 3 |
# | log-ratio $\rho(y) = \log\frac{\pi(y)}{\pi_\mathrm{ref}(y)}$ | how far the policy has moved for one answer, in nats | everywhere |
# | margin $m = \rho_w - \rho_l$ | how far the chosen answer has gained on the rejected one | DPO, APO-down |
# | TRL's *reward* $\beta\rho$ | logged to be looked at; also called the implicit reward | every loss |
# | $\lambda_D$, $\lambda_U$ | weights of thumbs up and thumbs down: `desirable_weight`, `undesirable_weight` | KTO, APO-zero for thumbs |
# | $z_0$ | KTO's reference point, `kl` | KTO |
#
# > **Exercise 3 · `kto_loss`** · ★★☆ · 10 minutes
# >
# > Given log-probabilities of answers under the policy and the reference and booleans `desirable` (a thumb up), each of shape `(batch,)`, and the reference point `kl`, return the losses $\lambda_y - v$ and the rewards $\beta\rho$ (without $z_0$, and detached), both of shape `(batch,)`.
# >
# > <details><summary>Hint 1</summary>Compute both losses for every row: λ_D (1 − σ(β(ρ − z₀))), and λ_U (1 − σ(β(z₀ − ρ))).</details>
# > <details><summary>Hint 2</summary><code>torch.where(desirable, up, down)</code> picks one of the two for each row.</details>


# %% tags=["evidence"]
def kto_loss(
    policy_logps: Tensor,
    ref_logps: Tensor,
    desirable: Tensor,
    kl: Tensor,
    beta: float = 0.1,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Losses and rewards: (batch,) each; `desirable` is bool (batch,), `kl` the reference point ()."""
    # BEGIN SOLUTION
    ratios = policy_logps - ref_logps
    up = desirable_weight * (1 - (beta * (ratios - kl)).sigmoid())
    down = undesirable_weight * (1 - (beta * (kl - ratios)).sigmoid())
    return torch.where(desirable, up, down), beta * ratios.detach()
    # END SOLUTION


# %% tags=["evidence"]
kto_loss = lesson.check(kto_loss)

# %% [markdown]
# ## 6 · APO: which side is the anchor?
#
# DPO fixes a *difference*. Whether it grows because the chosen answer rises or because the rejected one falls, the loss does not care. D'Oosterlinck et al. (2024) decide it, by giving each side its own term, anchored at the reference. If the chosen answers are **better than what the model would say**, they should rise and the rejected ones fall (**APO-zero**):
#
# $$\mathcal{L}_\mathrm{zero} = -\,\sigma(\beta \rho_w) + \sigma(\beta \rho_l) \;(+\,1)$$
#
# Here $\rho_w$ and $\rho_l$ are the log-ratios of the chosen and the rejected answer; the 1 is TRL's, so that the loss is not negative.


# %% tags=["evidence"]
def apo_zero_loss(
    policy_chosen_logps: Tensor,
    policy_rejected_logps: Tensor,
    ref_chosen_logps: Tensor,
    ref_rejected_logps: Tensor,
    beta: float = 0.1,
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses, chosen rewards, rejected rewards: (batch,) each."""
    chosen = policy_chosen_logps - ref_chosen_logps
    rejected = policy_rejected_logps - ref_rejected_logps
    losses = 1 - (beta * chosen).sigmoid() + (beta * rejected).sigmoid()
    return losses, beta * chosen.detach(), beta * rejected.detach()


# %% [markdown]
# If the model is **better than both answers** already, even the chosen one should fall, and the rejected one should fall further (**APO-down**):
#
# $$\mathcal{L}_\mathrm{down} = \sigma(\beta \rho_w) - \sigma\big(\beta (\rho_w - \rho_l)\big) \;(+\,1)$$
#
# > **Exercise 4 · `apo_down_loss`** · ★☆☆ · 6 minutes
# >
# > Same arguments and results as `apo_zero_loss`, with TRL's constant 1.
# >
# > <details><summary>Hint 1</summary>The first term wants the chosen log-ratio small, the second wants the margin large.</details>
# > <details><summary>Hint 2</summary>Only the line with <code>losses =</code> differs from <code>apo_zero_loss</code>.</details>


# %% tags=["evidence"]
def apo_down_loss(
    policy_chosen_logps: Tensor,
    policy_rejected_logps: Tensor,
    ref_chosen_logps: Tensor,
    ref_rejected_logps: Tensor,
    beta: float = 0.1,
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses, chosen rewards, rejected rewards: (batch,) each."""
    # BEGIN SOLUTION
    chosen = policy_chosen_logps - ref_chosen_logps
    rejected = policy_rejected_logps - ref_rejected_logps
    losses = (beta * chosen).sigmoid() + 1 - (beta * (chosen - rejected)).sigmoid()
    return losses, beta * chosen.detach(), beta * rejected.detach()
    # END SOLUTION


# %% tags=["evidence"]
apo_down_loss = lesson.check(apo_down_loss)

# %% [markdown]
# APO-zero treats its two sides separately, so it needs no pairs. For thumbs it is KTO without a reference point, and that is all there is to it:


# %% tags=["evidence"]
def apo_zero_unpaired_loss(
    policy_logps: Tensor,
    ref_logps: Tensor,
    desirable: Tensor,
    beta: float = 0.1,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Losses and rewards: (batch,) each."""
    no_kl = torch.zeros(())
    return kto_loss(policy_logps, ref_logps, desirable, no_kl, beta, desirable_weight, undesirable_weight)


# %% [markdown]
# Here are the pushes as arrows. Each point of a map is a pair of log-ratios, chosen to the right, rejected upward; the arrow says where the loss pushes them (its length is drawn to another scale in each map); the thick line starts at the reference and follows the arrows, *as if each side could move freely*.


# %%
def pushes(
    loss: Callable[..., tuple[Tensor, ...]], chosen: Tensor, rejected: Tensor
) -> tuple[Tensor, Tensor]:
    """Minus the gradient with respect to both sides' log-probabilities, at these log-ratios (beta = 0.5)."""
    chosen, rejected = chosen.clone().requires_grad_(True), rejected.clone().requires_grad_(True)
    zero = torch.zeros_like(chosen)
    loss(chosen, rejected, zero, zero, 0.5)[0].sum().backward()
    return -chosen.grad, -rejected.grad


figure, axes = plots.new_figure(820, 340)
axes.remove()
panels = figure.subplots(1, 3, sharex=True, sharey=True)
grid = torch.arange(-6.0, 7.0, 2.0)
across, along = (values.flatten() for values in torch.meshgrid(grid, grid, indexing="xy"))
three = {"DPO": dpo_loss, "APO-zero": apo_zero_loss, "APO-down": apo_down_loss}
for panel, (name, loss) in zip(panels, three.items(), strict=True):
    right, up = pushes(loss, across, along)
    longest = (right**2 + up**2).sqrt().max()
    panel.quiver(across, along, right / longest, up / longest, color="#6b6b6b", scale=8, width=0.012)
    path = [torch.zeros(2, 1)]
    while len(path) < 900 and path[-1].abs().max() < 8:
        path.append(path[-1] + torch.stack(pushes(loss, *path[-1])))
    panel.plot(*torch.cat(path, 1), color=plots.COLORS[1], linewidth=3)
    panel.plot(0, 0, "o", color=plots.COLORS[1], markersize=9)
    panel.set(title=name, xlim=(-8.5, 8.5), ylim=(-8.5, 8.5), xlabel="chosen: log-ratio", aspect="equal")
panels[0].set_ylabel("rejected: log-ratio")
plots.show(
    figure,
    alt="Three maps with arrows. DPO: all arrows point down to the right, along the diagonal. APO-zero: down "
    "to the right in the middle, straight down at the left and right edges, to the right at the top and bottom, "
    "and next to nothing in the corners. APO-down: from the reference straight down at first, then down to the left.",
)

# %% [markdown]
# DPO's arrows all point along one diagonal, and depend on the margin only: it would be content with both sides falling. In APO-zero each side's push fades with that side's own log-ratio; only in the corners do both vanish. APO-down starts straight down: it has nothing to say about the chosen answer until the rejected one has moved. The numbers at the start, measured:

# %%
zero = torch.zeros(1)
rows = []
for name, loss in three.items():
    right, up = (float(push) / 0.5 for push in pushes(loss, zero, zero))
    value = float(loss(zero, zero, zero, zero, 0.5)[0])
    rows.append([name, f"{value:.4f}", signed(right), signed(up)])
for name, loss in {
    "KTO": lambda logps, thumb: kto_loss(logps, zero, thumb, zero[0], 0.5)[0],
    "APO-zero, unpaired": lambda logps, thumb: apo_zero_unpaired_loss(logps, zero, thumb, 0.5)[0],
}.items():
    logps = {thumb: torch.zeros(1, requires_grad=True) for thumb in (True, False)}
    values = [loss(logps[thumb], torch.tensor([thumb])) for thumb in logps]
    sum(values).backward()
    pushed = [signed(-x.grad / 0.5) for x in logps.values()]
    rows.append([name, f"{values[0].item():.4f}", *pushed])
plots.table(
    rows,
    ["loss", "its value", "push on a chosen (or 👍) answer", "push on a rejected (or 👎) answer"],
    caption="At step 0, where policy and reference are the same; pushes in units of β",
)

# %% [markdown]
# ln 2, 1, 1, ½, ½: whatever the data, the model and the β (with both weights at 1). If the loss of the first *step* of your own run, with dropout off, is anything else, your reference is not the model that you train.

# %% [markdown]
# ## 7 · All five, and β
#
# Move β: how far from the reference is each side still pushed? For thumbs, move $z_0$ as well: what does a reference point above 0 do to a good answer that has risen, and to a bad one?

# %%
lesson.widget(
    "plane",
    paired={"DPO": dpo_loss, "APO-zero": apo_zero_loss, "APO-down": apo_down_loss},
    thumbs={
        "KTO": kto_loss,
        "APO-zero, unpaired": lambda policy, ref, thumb, kl, beta: apo_zero_unpaired_loss(
            policy, ref, thumb, beta
        ),
    },
)

# %% [markdown]
# <details><summary>What a reference point above 0 does</summary>KTO's push is strongest at ρ = z₀, on both sides. With z₀ above 0 a good answer that has risen is pushed on for longer, and a bad one that has fallen is farther from z₀ than before and pushed less.</details>
#
# In one table, with $\rho$ for an answer's log-ratio and $m = \rho_w - \rho_l$ for the margin:
#
# | loss | pushes up | pushes down | strongest where | fades when |
# | --- | --- | --- | --- | --- |
# | DPO | chosen | rejected, with equal force | the margin is far below 0 | the margin is large, whichever side made it so |
# | APO-zero | chosen | rejected | each side at its own $\rho = 0$ | that side's $\rho$ is far from 0, whichever way |
# | APO-down | chosen, only where it is farther from 0 than the margin is | rejected; and chosen, where it is nearer to 0 than the margin | rejected: at $m = 0$. Chosen, downward: at $\rho_w = 0$ with a large margin | rejected: $m$ is far from 0. Chosen: $\rho_w$ is far below 0 and the margin large |
# | KTO | thumbs up | thumbs down | $\rho = z_0$ | $\rho$ is far from $z_0$, whichever way |
# | APO-zero, unpaired | thumbs up | thumbs down | $\rho = 0$ | $\rho$ is far from 0, whichever way |
#
# No loss has a point where it is done: its pushes only fade. And DPO alone pushes hardest where things have gone wrong; the others give up on an answer that is far on the wrong side.

# %% [markdown]
# ## 8 · Equal to TRL's?
#
# A loss by hand is worth something if it is *the* loss. So we take a language model, put each loss into an ordinary training step, and hold every number against TRL's own trainers. Each step: log-probabilities of a batch under both models, the loss, its gradient (clipped to norm 1), AdamW.

# %% tags=["evidence"]
BETA, PER_STEP = 0.5, {"pairs": 16, "thumbs": 32}
Rows = list[tuple[str, str, str | bool]]  # (prompt, chosen, rejected), or (prompt, answer, thumb up)


def logps_of(model: torch.nn.Module, tokenizer: object, chats: list[tuple[str, str]]) -> Tensor:
    """The summed log-probability of each answer, prompt and padding left out: (chats,). As in lesson 01."""
    return small.logps(model, *small.encode(tokenizer, chats))


def on_pairs(
    loss: Callable, policy: torch.nn.Module, reference: torch.nn.Module, tokenizer: object, batch: Rows
) -> tuple[Tensor, ...]:
    sides = [(q, chosen) for q, chosen, _ in batch], [(q, rejected) for q, _, rejected in batch]
    with torch.no_grad():
        ref = [logps_of(reference, tokenizer, side) for side in sides]
    return loss(*(logps_of(policy, tokenizer, side) for side in sides), *ref, BETA)


def on_thumbs(
    loss: Callable, policy: torch.nn.Module, reference: torch.nn.Module, tokenizer: object, batch: Rows
) -> tuple[Tensor, ...]:
    chats, thumbs = [(q, answer) for q, answer, _ in batch], torch.tensor([thumb for _, _, thumb in batch])
    neighbors = [answer for _, answer in [chats[-1], *chats[:-1]]]
    mismatched = [(q, answer) for (q, _), answer in zip(chats, neighbors, strict=True)]
    with torch.no_grad():
        ref = logps_of(reference, tokenizer, chats)
        kl = kto_reference_point(
            logps_of(policy, tokenizer, mismatched), logps_of(reference, tokenizer, mismatched)
        )
    return loss(logps_of(policy, tokenizer, chats), ref, thumbs, kl, BETA)


def on_demonstrations(
    policy: torch.nn.Module, reference: torch.nn.Module, tokenizer: object, batch: Rows
) -> tuple[Tensor, ...]:
    """SFT on the chosen answers: the mean surprise per token."""
    ids, answer = small.encode(tokenizer, [(q, chosen) for q, chosen, _ in batch])
    return (-small.logps(policy, ids, answer).sum() / answer.sum(),)


# %% tags=["evidence"]
METHODS = {
    "dpo": partial(on_pairs, dpo_loss),
    "apo_zero": partial(on_pairs, apo_zero_loss),
    "apo_down": partial(on_pairs, apo_down_loss),
    "kto": partial(on_thumbs, kto_loss),
    "apo_zero_unpaired": partial(
        on_thumbs, lambda policy, ref, thumbs, kl, beta: apo_zero_unpaired_loss(policy, ref, thumbs, beta)
    ),
    "sft": on_demonstrations,
}
NAMES = {
    "dpo": "DPO",
    "apo_zero": "APO-zero",
    "apo_down": "APO-down",
    "kto": "KTO",
    "apo_zero_unpaired": "APO-zero, unpaired",
    "sft": "SFT",
}


@threads(1)  # so small a model is faster on one thread
def train_by_hand(
    step_losses: Callable[..., tuple[Tensor, ...]],
    start: torch.nn.Module,
    reference: torch.nn.Module,
    tokenizer: object,
    rows: Rows,
    steps: int,
    rate: float,
    watch: Callable[[int, torch.nn.Module], None] = lambda step, model: None,
) -> torch.nn.Module:
    """A trained copy of `start`. `watch` is called with the number of steps done and the model."""
    policy = copy.deepcopy(start)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=rate, betas=(0.9, 0.999), weight_decay=0.0)
    size = PER_STEP["thumbs" if isinstance(rows[0][2], bool) else "pairs"]
    watch(0, policy)
    for step in range(steps):
        batch = [rows[i % len(rows)] for i in range(step * size, (step + 1) * size)]
        losses, *_ = step_losses(policy, reference, tokenizer, batch)
        optimizer.zero_grad()
        losses.mean().backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        watch(step + 1, policy)
    return policy


# %% [markdown]
# The data: the base reads records and writes captions; the world's verdict says which are false. Those are the rejected answers. The chosen one is a right caption of the same scene, in one of three styles.


# %% tags=["evidence"]
def mistakes(
    model: torch.nn.Module, tokenizer: object, count: int, seed: int, part: world.records.Part
) -> Rows:
    """Pairs (record, right caption, what the model wrote instead), from one part of the data."""
    scenes = base.records(6 * count, seed, part)
    written = small.sample(model, tokenizer, [world.record(s) for s in scenes], seed)
    rng = random.Random(seed)
    pairs = [
        (world.record(s), rng.choice(world.captions(s)), caption)
        for s, caption in zip(scenes, written, strict=True)
        if not world.verify(caption, s).true
    ]
    return pairs[:count]


def as_thumbs(pairs: Rows, seed: int) -> Rows:
    """Both answers of each pair with a thumb, shuffled."""
    thumbs = [row for q, good, bad in pairs for row in ((q, good, True), (q, bad, False))]
    random.Random(seed).shuffle(thumbs)
    return thumbs


# %%
plots.table(
    [list(pair) for pair in mistakes(reference, tokenizer, 4, seed=900, part="train")],
    ["record (the prompt)", "chosen", "rejected: the base's own words"],
)

# %% [markdown]
# At step 0 all log-ratios are 0, and every loss is its constant, which would be too easy. So the policy that we compare on has first been pushed off its reference, by a few steps of SFT toward *mismatched* captions: that makes log-ratios of all sizes, and $z_0$ above 0. Then, for each loss: the first step's loss, rewards and gradient, and the weights after ten steps, by hand and by TRL.

# %% tags=["evidence"]
from helpers.data import formats
from helpers.preference import losses as library
from helpers.preference.parity import first_gradient
from helpers.preference.train import Settings, train

COMPARED = ["dpo", "apo_zero", "apo_down", "kto", "apo_zero_unpaired"]
SLOW = 1e-4  # learning rate


def pushed_off(reference: torch.nn.Module, tokenizer: object, pairs: Rows) -> torch.nn.Module:
    """The reference after 3 steps of SFT on captions of other scenes."""
    wrong = [(q, other, "") for (q, _, _), (_, other, _) in zip(pairs, pairs[1:] + pairs[:1], strict=True)]
    return train_by_hand(METHODS["sft"], reference, reference, tokenizer, wrong, steps=3, rate=1e-3)


def by_hand_against_trl(
    method: str, policy: torch.nn.Module, reference: torch.nn.Module, tokenizer: object, pairs: Rows
) -> dict[str, float]:
    """The largest differences between our numbers and TRL's on the same rows."""
    rows = as_thumbs(pairs, seed=0) if method in ("kto", "apo_zero_unpaired") else pairs
    size = PER_STEP["thumbs" if rows is not pairs else "pairs"]
    settings = Settings(method, SLOW, 10, size, beta=BETA, warmup_steps=0, shuffle=False)
    data = formats.unpaired(rows) if rows is not pairs else formats.paired(rows)
    gradient: dict[str, Tensor] = {}
    theirs = train(policy, tokenizer, data, settings, reference, [first_gradient(gradient)])

    ours = copy.deepcopy(policy)
    losses, *rewards = METHODS[method](ours, reference, tokenizer, rows[:size])
    losses.mean().backward()
    torch.nn.utils.clip_grad_norm_(ours.parameters(), 1.0)
    if len(rewards) == 1:
        thumbs = torch.tensor([thumb for _, _, thumb in rows[:size]])
        rewards = [rewards[0][thumbs], rewards[0][~thumbs]]
    logged = theirs.log[0]
    off = [(w.grad - gradient[name]).norm() / gradient[name].norm() for name, w in ours.named_parameters()]
    trained = train_by_hand(METHODS[method], policy, reference, tokenizer, rows, steps=10, rate=SLOW)
    weights = zip(trained.parameters(), theirs.model.parameters(), strict=True)
    return {
        "loss": abs(losses.mean().item() - logged["loss"]),
        "reward": max(
            abs(rewards[0].mean().item() - logged["rewards/chosen"]),
            abs(rewards[1].mean().item() - logged["rewards/rejected"]),
        ),
        "gradient": max(off).item(),
        "weights": max((one - other).abs().max().item() for one, other in weights),
        "kl": logged.get("kl", 0.0),
        "step 0": METHODS[method](reference, reference, tokenizer, rows[:size])[0].mean().item(),
    }


# %% [markdown]
# Beside TRL's, the course has its own tested versions of these functions, in `helpers/preference/losses.py`; later lessons use them. They should be yours to the last bit or two, in 64-bit numbers, gradients included.

# %% tags=["evidence"]
TWINS = {
    "dpo": (dpo_loss, library.dpo_loss),
    "apo_zero": (apo_zero_loss, library.apo_zero_loss),
    "apo_down": (apo_down_loss, library.apo_down_loss),
    "kto": (kto_loss, library.kto_loss),
    "apo_zero_unpaired": (apo_zero_unpaired_loss, library.apo_zero_unpaired_loss),
}


def by_hand_against_library(method: str, seed: int) -> float:
    """The largest difference in losses, rewards and gradients, on random numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    results = []
    numbers = [-30 * torch.rand(64, generator=generator, dtype=torch.float64) for _ in range(4)]
    thumbs = torch.rand(64, generator=generator) < 0.5
    for loss in TWINS[method]:
        inputs = [values.clone().requires_grad_(True) for values in numbers]
        if method == "kto":
            out = loss(*inputs[:2], thumbs, torch.tensor(1.5, dtype=torch.float64), 0.3, 1.0, 2.0)
        elif method == "apo_zero_unpaired":
            out = loss(*inputs[:2], thumbs, 0.3, 1.0, 2.0)
        else:
            out = loss(*inputs, 0.3)
        out[0].sum().backward()
        gradients = [values.grad for values in inputs if values.grad is not None]
        results.append(torch.stack([*out, *gradients]))
    return (results[0] - results[1]).abs().max().item()


# %% tags=["evidence"]
@lesson.experiment(seeds=6)
def parity(seed: int) -> dict[str, float]:
    reference, tokenizer = base.base(seed)
    pairs = mistakes(reference, tokenizer, 160, seed, "train")
    policy = pushed_off(reference, tokenizer, pairs)
    measures = {}
    for method in COMPARED:
        for what, value in by_hand_against_trl(method, policy, reference, tokenizer, pairs).items():
            measures[f"{method} {what}"] = value
        measures[f"{method} library"] = by_hand_against_library(method, seed)
    for what in ("loss", "reward", "gradient", "weights", "library"):
        measures[f"worst {what}"] = max(measures[f"{method} {what}"] for method in COMPARED)
    return measures


# %%
equal = lesson.measure(parity, live=1)
plots.table(
    [
        [
            NAMES[method],
            f"{equal.interval(f'{method} step 0').mean:.4f}",
            *(
                f"{max(equal.values(f'{method} {what}')):.1e}"
                for what in ("library", "loss", "reward", "gradient", "weights")
            ),
        ]
        for method in COMPARED
    ],
    [
        "by hand",
        "loss at step 0",
        "helpers.preference",
        "TRL: loss",
        "TRL: mean reward",
        "TRL: gradient",
        "TRL: weights after 10 steps",
    ],
    caption="The constant of step 0, measured on the model; then the largest differences over the seeds. Gradient: relative, the worst parameter. Weights: any single one",
)
lesson.say(
    "In these batches z₀ was between {low:.2f} and {high:.2f}.",
    low=min(equal.values("kto kl")),
    high=max(equal.values("kto kl")),
)

# %% tags=["claim"]
for measure, what, limit, unit in [
    ("worst loss", "losses", 1e-5, "difference of the mean loss"),
    ("worst reward", "rewards", 1e-5, "difference of the mean reward"),
    ("worst gradient", "gradients", 1e-4, "relative difference of the gradient"),
    ("worst weights", "weights after ten steps", 1e-4, "difference of a weight"),
]:
    lesson.claim(
        parity,
        measure,
        name=f"parity: {what}",
        statement=f"Written by hand, the {what} of all five methods are TRL's.",
        prediction=f"the largest difference is below {limit:g}, what 32-bit numbers allow",
        talk=["T6"],
        scope="world",
        unit=unit,
        below=limit,
        expected="holds",
    )

# %% [markdown]
# Rounding, and nothing else: your few lines *are* the loss. (Weights differ by more than losses do, since AdamW divides each gradient by its own size: where that is nearly 0, rounding is all there is to divide.) Everything that TRL has beyond this is comfort and scale: batching, logging, precision, several devices.

# %% [markdown]
# ## 9 · Forty steps: what really moves
#
# The arrows of section 6 moved each side freely. A language model cannot: two captions of one scene share most of their words and all of their parameters. So we train one base with each loss on the same 128 pairs (KTO gets both answers of each as thumbs, shuffled; forty steps of 16 pairs are five passes), and follow the mean log-ratio of both sides **on other mistakes, of scenes it was not trained on** (kinds in colors that no training example has). SFT on the chosen answers alone is the control that knows nothing of rejected ones.

# %% tags=["evidence"]
STEPS, EVERY = lesson.size(40, smoke=10), 5
RATE, FAST = 3e-4, 1e-3
RUNS = {NAMES[method]: (method, RATE) for method in ("sft", "dpo", "kto", "apo_zero", "apo_down")}
RUNS |= {"DPO, fast": ("dpo", FAST), "APO-zero, fast": ("apo_zero", FAST)}


def both_sides(model: torch.nn.Module, tokenizer: object, pairs: Rows) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        chosen = logps_of(model, tokenizer, [(q, good) for q, good, _ in pairs])
        return chosen, logps_of(model, tokenizer, [(q, bad) for q, _, bad in pairs])


@lesson.experiment(seeds=6)
def forty_steps(seed: int) -> dict[str, float]:
    reference, tokenizer = base.base(seed)
    pairs = mistakes(reference, tokenizer, 128, seed, "train")
    others = mistakes(reference, tokenizer, lesson.size(96, smoke=16), 1_000_000 + seed, "validation")
    before = both_sides(reference, tokenizer, others)
    measures: dict[str, float] = {}

    def follow(name: str, step: int, model: torch.nn.Module) -> None:
        if step % EVERY == 0:
            for side, now, then in zip(
                ("chosen", "rejected"), both_sides(model, tokenizer, others), before, strict=True
            ):
                measures[f"{name} {side} {step}"] = (now - then).mean().item()

    for name, (method, rate) in RUNS.items():
        rows = as_thumbs(pairs, seed) if method == "kto" else pairs
        model = train_by_hand(
            METHODS[method], reference, reference, tokenizer, rows, STEPS, rate, partial(follow, name)
        )
        if method == "kto":
            measures |= moved(model, reference, tokenizer, others, seed)
    measures["DPO: rose more at first"] = measures[f"DPO chosen {EVERY}"] + measures[f"DPO rejected {EVERY}"]
    measures["DPO: fell more than rose"] = (
        -measures[f"DPO rejected {STEPS}"] - measures[f"DPO chosen {STEPS}"]
    )
    measures["DPO under APO-zero, fast"] = (
        measures[f"DPO, fast chosen {STEPS}"] - measures[f"APO-zero, fast chosen {STEPS}"]
    )
    measures["APO-down: first gradient"] = through_chosen(reference, tokenizer, pairs)
    return measures


# %% [markdown]
# Two measurements that the experiment takes on the way: how much of APO-down's first gradient goes through the chosen answers, and, for section 10, how far KTO has moved the policy.


# %% tags=["evidence"]
def through_chosen(reference: torch.nn.Module, tokenizer: object, pairs: Rows) -> float:
    """The part of APO-down's first gradient that comes through the chosen answers: its norm over DPO's."""
    norms = []
    for loss in (apo_down_loss, dpo_loss):
        policy = copy.deepcopy(reference)
        chosen = logps_of(policy, tokenizer, [(q, good) for q, good, _ in pairs[:16]])
        rejected = logps_of(policy, tokenizer, [(q, bad) for q, _, bad in pairs[:16]]).detach()
        loss(chosen, rejected, chosen.detach(), rejected, BETA)[0].mean().backward()
        norms.append(torch.stack([weights.grad.norm() for weights in policy.parameters()]).norm())
    return (norms[0] / norms[1]).item()


def moved(
    model: torch.nn.Module, reference: torch.nn.Module, tokenizer: object, pairs: Rows, seed: int
) -> dict[str, float]:
    """KL(model || reference) from the model's own answers, and the mean log-ratio of mismatched ones."""
    questions = [q for q, _, _ in pairs]
    own = list(zip(questions, small.sample(model, tokenizer, questions, seed), strict=True))
    answers = [(good, bad)[i % 2] for i, (_, good, bad) in enumerate(pairs)]
    mismatched = list(zip(questions, answers[-1:] + answers[:-1], strict=True))
    with torch.no_grad():
        kl, mean = (
            (logps_of(model, tokenizer, chats) - logps_of(reference, tokenizer, chats)).mean().item()
            for chats in (own, mismatched)
        )
    return {"KL": kl, "mismatched": mean, "KL over z0": kl - max(0.0, mean)}


# %%
after = lesson.measure(forty_steps, live=1)
MARKS = range(0, STEPS + 1, EVERY)


def course_of(name: str, side: str) -> list[float]:
    """The mean change of the log-probability on one side, every five steps."""
    return [after.interval(f"{name} {side} {step}").mean for step in MARKS]


figure, panels = plots.new_panels(1, 3, 820, 380)
for i, name in enumerate(["SFT", "DPO", "KTO", "APO-zero", "APO-down"]):
    look = {"label": name, "color": plots.COLORS[i], "marker": plots.MARKERS[i], "markersize": 5}
    panels[int(name == "APO-down")].plot(course_of(name, "chosen"), course_of(name, "rejected"), **look)
for panel in panels[:2]:
    panel.axvline(0, color="#6b6b6b", linewidth=0.8)
    panel.axhline(0, color="#6b6b6b", linewidth=0.8)
    panel.set_xlabel("right captions: change (nats)")
panels[0].set(title="Paths, four losses", xlim=(-0.2, 3), ylabel="wrong captions: change (nats)")
panels[0].legend(frameon=False, loc="lower left")
panels[1].set(title="Path of APO-down")
for name, i in {"DPO, fast": 1, "APO-zero, fast": 3}.items():
    look = {"label": name, "color": plots.COLORS[i], "marker": plots.MARKERS[i], "markersize": 5}
    panels[2].plot(MARKS, course_of(name, "chosen"), **look)
panels[2].set(title="Fast learning rate", xlabel="step", ylabel="right captions: change (nats)")
panels[2].axhline(0, color="#6b6b6b", linewidth=0.8)
panels[2].legend(frameon=False, loc="lower right")
plots.show(
    figure,
    alt="Three plots with a marker every five steps. Paths of SFT, DPO, KTO and APO-zero, right captions to the right "
    "and wrong ones down: first to the right, then down, SFT falling least. Path of APO-down: to the right at first, "
    "then back and far down to the left. At the fast rate, right captions over steps: both losses rise; then DPO "
    "comes back down and APO-zero does not.",
)
plots.table(
    [
        [name, *(str(after.interval(f"{name} {side} {STEPS}")) for side in ("chosen", "rejected"))]
        for name in RUNS
    ],
    ["after forty steps", "right captions", "wrong captions"],
    caption=f"Mean change of the log-probability in nats, with 95% intervals; learning rate {RATE:g}, fast: {FAST:g}",
)
start = both_sides(reference, tokenizer, mistakes(reference, tokenizer, 96, 1_000_000, "validation"))[
    0
].mean()
lesson.say(
    "Right captions start at {start:.2f} nats on average (the base of seed 0). Each of them shares its scene's probability with two other styles, so {top:.2f} = −ln 3 is about as high as their mean can get: {room:.2f} nats of room.",
    start=start,
    top=-math.log(3),
    room=-math.log(3) - start,
)
down = course_of("APO-down", "chosen")
lesson.say(
    "Under APO-down right captions rise by {peak:.2f} nats until step {turn}, and end at {end}.",
    peak=max(down),
    turn=MARKS[down.index(max(down))],
    end=signed(down[-1]),
)

# %% tags=["claim"]
for measure, name, statement, prediction, region, expected in [
    (
        f"DPO chosen {STEPS}",
        "DPO lowers the good answer",
        "Forty steps of DPO lower the log-probability of right captions.",
        "below 0: people report that chosen answers fall under DPO",
        {"below": 0.0},
        "fails",
    ),
    (
        "DPO: rose more at first",
        "DPO: up more than down at first",
        "In its first five steps DPO moves the right captions up by more than the wrong ones down.",
        "above 0: by section 4's formula the likelier side, what the model wrote itself, moves less",
        {"above": 0.0},
        "holds",
    ),
    (
        "DPO: fell more than rose",
        "DPO: down more than up in the end",
        "After forty steps DPO has moved the wrong captions down by more than the right ones up.",
        "above 0: a right caption can rise to probability 1 at most, a wrong one can fall without end",
        {"above": 0.0},
        "holds",
    ),
    (
        "DPO under APO-zero, fast",
        "DPO ends below APO-zero",
        "At about three times the learning rate, DPO leaves right captions less probable than APO-zero does.",
        "a negative difference, paired by seed: APO-zero holds the chosen side by itself",
        {"below": 0.0},
        "inconclusive",
    ),
    (
        "APO-down: first gradient",
        "APO-down: no first push on the chosen",
        "No gradient of APO-down's first step comes through the chosen answers.",
        "less than a millionth of DPO's",
        {"below": 1e-6},
        "holds",
    ),
    (
        "APO-down chosen 10",
        "APO-down: the chosen stay at first",
        "After ten steps of APO-down right captions are still where they were (margin ±0.05).",
        "within 0.05 of 0, as nothing pushes them",
        {"within": (-0.05, 0.05)},
        "fails",
    ),
    (
        f"APO-down chosen {STEPS}",
        "APO-down lowers the chosen in the end",
        "After forty steps of APO-down right captions are less probable than before.",
        "below 0, as the name says",
        {"below": 0.0},
        "holds",
    ),
]:
    lesson.claim(
        forty_steps,
        measure,
        name=name,
        statement=statement,
        prediction=prediction,
        talk=["T6"],
        scope="world",
        unit="of DPO's" if "gradient" in measure else "nats",
        **region,
        expected=expected,
        repeatable=False,
    )

# %% [markdown]
# Three things to read from the paths.
#
# **All losses begin alike**, SFT included (APO-down more slowly): right captions gain much and wrong ones lose little. It fits section 4's formula: the wrong captions are the model's own words, the likelier side, and the likelier side moves less. But SFT, which pushes no wrong caption at all, does it too: raising the right captions is enough. Then the right ones run out of room: three of them share the probability, so they cannot rise much above −ln 3. The wrong ones go on falling: nothing holds them, and the pushes fade only slowly.
#
# **DPO did not lower the good answer here**, at the gentle learning rate, though people report that it does. At the fast one the third plot shows how it may start: right captions rise at first, DPO goes on being paid for pushing the rejected answer down, and right captions are dragged along. APO-zero, which holds the chosen side by itself, keeps more of them. How sure is that? The differences of the single seeds are printed below. Lesson 09 asks it again, in settings made for it.
#
# **"No push" does not mean "no movement".** APO-down's first gradient leaves the chosen answers alone, and they *rise*: what is taken from a wrong caption goes to its neighbors, and those are the right ones. Some steps later the loss notices and drags them down, far below where they started. It is made for models that are better than the answers they are shown; this base is not, so it is the wrong anchor here.

# %%
gaps, between = after.values("DPO under APO-zero, fast"), after.interval("DPO under APO-zero, fast")
lesson.say(
    "DPO minus APO-zero at the fast rate, right captions after forty steps, seed by seed: {differences} nats. {negative} of {count} are negative, between {least} and {most}. Mean and interval: {interval}; the interval {reaches}.",
    differences=", ".join(map(signed, gaps)),
    negative=sum(value < 0 for value in gaps),
    count=len(gaps),
    least=signed(min(gaps)),
    most=signed(max(gaps)),
    interval=str(between),
    reaches="stays below 0" if between.high < 0 else "reaches 0, so that the claim is not settled",
)

# %% [markdown]
# ---
# ## Dig deeper
#
# Two independent sections and a drill; none is needed for the next lesson.
#
# ### 10 · The reference point is not a KL
#
# After KTO's forty steps: how far has the policy moved from its reference? The KL divergence is the mean log-ratio of answers **drawn from the policy itself**. The reference point takes the batch's answers beside prompts that they do not belong to.

# %%
plots.interval_plot(
    [
        after.row("KL", "KL: the policy's own answers"),
        after.row("mismatched", "mismatched answers, before the clamp"),
    ],
    "mean log-ratio (nats)",
    alt="Interval plot: the mean log-ratio of the policy's own answers is above zero, that of mismatched "
    "answers below it.",
    threshold=0.0,
    threshold_name="clamp at",
)

# %% tags=["claim"]
lesson.claim(
    forty_steps,
    "KL over z0",
    name="z0 is not the KL",
    statement="After KTO the KL from the reference is larger than the reference point that stands for it.",
    prediction="a difference above 0: mismatched answers are wrong ones, and those have fallen",
    talk=["T6"],
    scope="world",
    unit="nats",
    above=0.0,
    expected="holds",
    repeatable=False,
)

# %% [markdown]
# The captions of another scene are false of this one, and KTO has just taught the policy to give false captions less. So their mean log-ratio turns negative, the clamp makes it 0, and **KTO is then APO-zero for thumbs**, at the price of extra forward passes for every batch. In settings where any answer fits any prompt (praise, refusals, a stock reply) $z_0$ does rise. Whether that helps is a question for lesson 08.

# %% [markdown]
# ### 11 · A real model: log-probability is not quality
#
# SmolLM2-135M-Instruct reads a record and is asked for a caption. What does it give to a chosen and to a rejected answer before any preference training? Three numbers, and what we expect of them, said beforehand:
#
# - a right caption against one with a **single false word**: the right one should be likelier (the prompt holds the facts; a margin above 0);
# - a right caption *followed by the same in other words* (longer, and all of it true) against the short false one. A log-probability is a **sum** over tokens, and every token costs: we expect the sum to prefer the **false** one in most pairs;
# - the same pairs by the mean **per token**: we expect the true one to win in most.

# %% tags=["evidence"]
from dataclasses import replace

from helpers.models import real
from helpers.models.memory import give_back

give_back()  # what the trainers have left behind
lm = real.language_model()
FACTS = {
    "kind": world.KINDS,
    "color": world.COLORS,
    "size": world.SIZES,
    "place": world.PLACES,
    "verb": world.PRESETS["full"].verbs,
}


def with_one_lie(scene: world.Scene, rng: random.Random) -> world.Scene:
    fact = rng.choice(list(FACTS))
    return replace(scene, **{fact: rng.choice([v for v in FACTS[fact] if v != getattr(scene, fact)])})


@torch.no_grad()
def sums_and_lengths(prompts: list[str], answers: list[str]) -> tuple[Tensor, Tensor]:
    """Summed log-probability and number of tokens of each answer: (chats,), (chats,)."""
    sums, lengths = [], []
    for chat in zip(prompts, answers, strict=True):
        ids, is_answer = (rows.to(lm.model.device) for rows in small.encode(lm.tokenizer, [chat]))
        hidden = lm.model.model(ids[:, :-1]).last_hidden_state
        # Logits of the answer's positions only, one chat at a time: with 49,152 tokens they are large.
        logps = lm.model.lm_head(hidden[is_answer[:, 1:]]).float().log_softmax(-1)
        sums.append(logps.gather(1, ids[is_answer][:, None]).sum().cpu())
        lengths.append(int(is_answer.sum()))
    return torch.stack(sums), torch.tensor(lengths)


@lesson.experiment(seeds=6)
def real_pairs(seed: int) -> dict[str, float]:
    rng = random.Random(seed)
    scenes = world.sample(lesson.size(16, smoke=2), seed=600_000 + seed)
    prompts = [f"Write a caption for this scene: {world.record(s)}" for s in scenes]
    chosen, _ = sums_and_lengths(prompts, [world.captions(s)[0] for s in scenes])
    lies = [world.captions(with_one_lie(s, rng))[0] for s in scenes]
    rejected, rejected_length = sums_and_lengths(prompts, lies)
    twice, twice_length = sums_and_lengths(
        prompts, [f"{world.captions(s)[0]} {world.captions(s)[2]}" for s in scenes]
    )
    return {
        "chosen": chosen.mean(),
        "rejected": rejected.mean(),
        "twice": twice.mean(),
        "margin": (chosen - rejected).mean(),
        "long by sum": (twice > rejected).float().mean(),
        "long by mean": (twice / twice_length > rejected / rejected_length).float().mean(),
        "tokens more": (twice_length - rejected_length).float().mean(),
    }


# %%
if lm:
    lesson.measure(real_pairs, live=1)
smol = lesson.results_of(real_pairs)
if smol.records:
    plots.table(
        [
            ["right", str(smol.interval("chosen"))],
            ["one word false", str(smol.interval("rejected"))],
            ["right, twice in other words", str(smol.interval("twice"))],
        ],
        ["answer", "log-probability (nats)"],
        caption="SmolLM2-135M-Instruct, told the record; means over sets of scenes, with 95% intervals",
    )
    lesson.say(
        "The long true answer has {more:.0f} tokens more than the short false one. By the sum it wins in {sum} of the pairs, by the mean per token in {mean}. Its second sentence costs {second:.1f} nats, the one false word {lie:.1f}.",
        second=smol.interval("chosen").mean - smol.interval("twice").mean,
        lie=smol.interval("margin").mean,
        more=smol.interval("tokens more").mean,
        sum=str(smol.interval("long by sum")),
        mean=str(smol.interval("long by mean")),
    )

# %% tags=["claim"]
for measure, name, statement, prediction, region, unit in [
    (
        "margin",
        "real: chosen over rejected",
        "SmolLM2, told the record, gives a right caption more than one with a false word.",
        "a margin above 0",
        {"above": 0.0},
        "nats",
    ),
    (
        "long by sum",
        "real: the sum prefers the short one",
        "By summed log-probability SmolLM2 prefers a short false caption to a long true one.",
        "the true one wins in fewer than half of the pairs",
        {"below": 0.5},
        "of pairs won by the true one",
    ),
    (
        "long by mean",
        "real: the mean prefers the true one",
        "By its mean log-probability per token SmolLM2 prefers the long true caption.",
        "the true one wins in more than half of the pairs",
        {"above": 0.5},
        "of pairs won by the true one",
    ),
]:
    lesson.claim(
        real_pairs,
        measure,
        name=name,
        statement=statement,
        prediction=prediction,
        scope="real",
        unit=unit,
        **region,
        expected="holds",
        tolerance=0.2,
    )

# %% [markdown]
# Neither ranking is "right": the sum is the honest probability of saying exactly that, and saying more is always less probable. The mean per token does not charge for length: a second true sentence brings its own tokens to spread its cost over, while one false word weighs on the few tokens of a short caption. **So never read raw log-probabilities as quality.** DPO, KTO and APO never do: each answer is compared with *itself* under the reference, so at step 0 a long answer and a short one start at 0 alike. (Length comes back later: a log-ratio is a sum over tokens too, and a longer answer has more of them to move.) Replacing the sum by the mean inside these losses gives other losses, with other names and another β; do it knowingly or not at all.

# %% [markdown]
# ### Failure drill: a batch of one
#
# Memory is short, so you set the batch size to 1 and accumulate gradients over 32 steps. For DPO that changes nothing. For KTO it does: the "mismatched" answer of a batch of one is the row's own. TRL refuses, and so does the course:

# %%
try:
    Settings("kto", learning_rate=RATE, steps=40, batch_size=1)
except helpers.settings.CourseError as error:
    print(error)

# %% [markdown]
# A loop by hand refuses nothing (and where only the *last* batch of an epoch is a single row, the TRL of this course does not notice either). Here is the mistake, in the same training, and the two losses of thumbs up:


# %%
def alone(policy: torch.nn.Module, reference: torch.nn.Module, tokenizer: object, batch: Rows) -> tuple:
    """The mistake: every row is a batch of its own, and so its own neighbor."""
    chats, thumbs = [(q, answer) for q, answer, _ in batch], torch.tensor([thumb for _, _, thumb in batch])
    with torch.no_grad():
        ref = logps_of(reference, tokenizer, chats)
    logps, losses = logps_of(policy, tokenizer, chats), []
    for row in torch.arange(len(batch)).split(1):
        kl = kto_reference_point(logps[row], ref[row])
        losses.append(kto_loss(logps[row], ref[row], thumbs[row], kl, BETA)[0])
    return (torch.cat(losses),)


def watched(step_losses: Callable, curve: list[float]) -> Callable:
    """The same losses; the mean loss of the thumbs up is noted in `curve`."""

    def noted(policy: torch.nn.Module, reference: torch.nn.Module, tokenizer: object, batch: Rows) -> tuple:
        losses, *_ = step_losses(policy, reference, tokenizer, batch)
        curve.append(losses[torch.tensor([thumb for _, _, thumb in batch])].mean().item())
        return (losses,)

    return noted


thumbs = as_thumbs(mistakes(reference, tokenizer, 128, seed=901, part="train"), seed=901)
curves: dict[str, list[float]] = {"neighbors": [], "alone": []}
drilled = {
    name: train_by_hand(
        watched(losses, curves[name]), reference, reference, tokenizer, thumbs, lesson.size(20, smoke=2), FAST
    )
    for name, losses in {"neighbors": METHODS["kto"], "alone": alone}.items()
}
figure, axes = plots.new_figure(600, 300)
for name, label in {"neighbors": "32 rows a batch", "alone": "32 batches of one row"}.items():
    axes.plot(range(1, len(curves[name]) + 1), curves[name], label=label, markevery=2)
axes.set_ylim(0, 0.6)
axes.set_xticks(range(0, len(curves["alone"]) + 1, 5))
axes.set_xlabel("step")
axes.set_ylabel("KTO's loss of thumbs up")
axes.legend(frameon=False)
plots.show(
    figure,
    alt="With neighbors the loss of thumbs up falls from one half; alone it stays at one half or above.",
)
good = [(q, answer) for q, answer, thumb in thumbs if thumb]
with torch.no_grad():
    gains = {
        name: (logps_of(model, tokenizer, good) - logps_of(reference, tokenizer, good)).mean()
        for name, model in drilled.items()
    }
lesson.say(
    "Yet the thumbs-up answers' log-probability has risen by {neighbors:.2f} nats with neighbors, and by {alone:.2f} alone.",
    **gains,
)

# %% [markdown]
# Alone, a good answer's own rise is subtracted from it: once it has risen, $\rho - z_0 = 0$, the loss reads ½, and its push stays at full strength forever. The curve says "nothing is learned", and the sentence below it says otherwise. In a run as short as this one the model itself hardly differs. What is lost is the brake (β no longer limits how far good answers are pushed) and the gauge: a loss that cannot fall tells you nothing. Bad answers keep theirs, since they fall, and the clamp puts their $z_0$ at 0.

# %% [markdown]
# ## Quiz

# %%
lesson.quiz("recap")

# %% [markdown]
# ## Recap
#
# - A preference is a coin biased by a difference of rewards; on a KL leash the best policy is the reference times $e^{r/\beta}$; so a policy's log-ratio *is* a reward, and DPO needs no other.
# - DPO pushes both sides with equal force and looks at their difference only. APO gives each side its own anchor. KTO values one answer against a reference point, and without it is APO-zero for thumbs.
# - What the loss pushes and what the model moves are two things: answers share parameters, and probabilities add up to 1.
# - The step-0 constants (ln 2, ½, 1) and a comparison with a trusted implementation find most mistakes before they cost a training run.
#
# **Limits of this demo.** The tables of sections 1 to 4 have a handful of answers; the base has 0.1 million parameters, answers of about ten tokens, and one kind of mistake. Forty steps at two learning rates say little about long runs, and nothing about models that are better than the chosen answers. SmolLM2's weights were quantized to about four bits and expanded again.
#
# **References.** Bradley and Terry, *Rank analysis of incomplete block designs: I. The method of paired comparisons*, 1952. Tversky and Kahneman, *Advances in prospect theory: cumulative representation of uncertainty*, 1992. Rafailov et al., *Direct preference optimization: your language model is secretly a reward model*, 2023 (DPO). Ethayarajh et al., *KTO: model alignment as prospect theoretic optimization*, 2024. D'Oosterlinck et al., *Anchored preference optimization and contrastive revisions: addressing underspecification in alignment*, 2024 (APO).

# %% tags=["volatile"]
dpo_change = lesson.results_of(forty_steps).interval(f"DPO chosen {STEPS}").mean
lesson.recap(dpo_chosen=f"it changed by {dpo_change:+.2f} nats")
