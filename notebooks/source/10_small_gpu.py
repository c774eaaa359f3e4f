# %% [markdown]
# # 10 · Small GPU
#
# The card is full. What takes the memory, which part of it can you do without, and what does the training cost then?
#
# After this lesson you can
#
# - say from a model's shapes where the memory of a training goes, and predict its peak before you start;
# - write LoRA in ten lines, count what it trains, and say what it saves and what it does not;
# - climb the out-of-memory ladder: know each rung, what it saves, and what it costs in time or in exactness;
# - name three ways in which 16-bit numbers spoil a training (gradients that vanish, updates that vanish, sums that are rounded), and the remedy of each;
# - estimate the hours and the money of a KTO training, and say which of your numbers are assumptions.
#
# You need no GPU for it. Nothing here ran on one, either: the memory is that of real models trained on a CPU, where every byte can be counted.

# %% tags=["volatile", "evidence"]
import helpers

lesson = helpers.begin("10")

# %% [markdown]
# ## A guess before you measure
#
# SmolLM2-135M has 135 million parameters; with two bytes for each its file has 270 MB. Now train all of them with KTO: 32-bit numbers (four bytes each), the usual optimizer AdamW, a second copy of the model as the reference, four answers of 512 tokens in a batch. Commit to a guess; the recap holds it against the measurement.

# %%
lesson.predict(
    "peak",
    "How many GB does one step of this training take at its highest moment?",
    minimum=0.0,
    maximum=20.0,
    unit="GB",
)

# %% [markdown]
# ## 1 · Where the memory goes
#
# A step of training keeps six kinds of numbers. The first four depend on the parameters alone, the last two on how many tokens you train on at once:
#
# | part | how many numbers |
# | --- | --- |
# | **weights** | one per parameter |
# | **reference** | as many again, if KTO or DPO compares with a second copy of the model |
# | **gradients** | one per *trained* parameter |
# | **optimizer** | two per trained parameter: AdamW keeps a running mean of the gradient and one of its square |
# | **activations** | what each layer writes down in the forward pass, since the backward pass needs it: per token, per layer, a dozen vectors |
# | **logits** | one per token *and word of the vocabulary*: 49,152 for SmolLM2, 151,936 for Qwen2.5 |
#
# `helpers.models.planner` adds them up from a model's configuration. It goes through the moments of a step (the forward pass, the loss, the backward pass, the optimizer's update), since not everything is there at once, and says which is the highest. `GB` here means 10⁹ bytes.

# %% tags=["evidence", "real"]
import time
from dataclasses import replace

from helpers.lesson import plots
from helpers.lesson.memory_bars import GIGA, PARTS, Bar, in_words, memory_figure
from helpers.models.planner import CONFIGS, Job, moments, predict

guessed = Job("smollm2-135m", method="kto", trained="full", reference="copy", batch=4, sequence=512)

# %%
planned = predict(guessed)
plots.table(
    [
        [part, getattr(planned, part) / GIGA, f"{getattr(planned, part) / planned.total:.0%}"]
        for part in PARTS
    ],
    ["part", "GB", "of the whole"],
    caption=f"The highest moment: {planned.moment}",
)
lesson.say(
    "Predicted: {total:.1f} GB, {times:.0f} times the file. The numbers that depend on the tokens (activations and logits) are {share:.0%} of it.",
    total=planned.total / GIGA,
    times=planned.total / (2 * guessed.sizes.parameters),
    share=(planned.activations + planned.logits) / planned.total,
)

# %% [markdown]
# The row *gradients* may look too small. It is right: at the highest moment the backward pass has not begun, or not got far, and when all gradients are there, the logits are gone. (In the bars of section 4 you will see more than one number per parameter: the embedding and the last layer are one matrix here, each end of the model has a gradient for it, and while the two are added up there are copies.)
#
# And the logits may look too large. One copy of them is quickly counted, and there are three. In the backward pass of a loss: the logits, their softmax, and their gradient. At the moment *reference's logits*: the model's own log-softmax, which waits for the backward pass, the reference's logits, and their log-softmax; the model's activations wait meanwhile, too.
#
# > **Exercise 1 · `largest_batch`** · ★☆☆ · 5 minutes
# >
# > `free_bytes` of memory are left for the logits (below 0 if the rest is too large already). A row has `length` tokens; each token has one number of `bytes_per_number` bytes for each word of the `vocabulary`; of all that there are `copies` at the same time. How many rows may a batch have? Return a whole number, 0 if not even one row fits.
# >
# > <details><summary>Hint 1</summary>How many bytes does one row take?</details>
# > <details><summary>Hint 2</summary>Division of whole numbers, <code>//</code>, rounds down; below 0 too. What is the smallest batch that makes sense?</details>


# %%
def largest_batch(free_bytes: float, length: int, vocabulary: int, bytes_per_number: int, copies: int) -> int:
    """How many rows have room for their logits."""
    # BEGIN SOLUTION
    row = length * vocabulary * bytes_per_number * copies
    return max(0, int(free_bytes // row))
    # END SOLUTION


# %%
largest_batch = lesson.check(largest_batch)
plots.table(
    [
        [
            name,
            values["vocab_size"],
            *(largest_batch(4e9, length, values["vocab_size"], 4, 3) for length in (128, 512, 2048)),
        ]
        for name, values in CONFIGS.items()
    ],
    ["model", "vocabulary", "128 tokens", "512 tokens", "2,048 tokens"],
    caption="Rows whose logits fit into 4 GB, three copies in 32 bits, by the length of a row",
)

# %% [markdown]
# A vocabulary three times as large means a third of the rows, whatever the size of the model. The vocabulary does not shrink with the layers, so in a small model this term weighs more beside the rest.

# %% [markdown]
# ## 2 · Predicted and measured
#
# A prediction is worth what its test is worth. Each dot below is one real training step: a fresh process makes a model with the exact shapes of the real one (its weights are random, which takes the same room), takes one step, and reports the highest memory that the system saw, less what it held before the model was there. Nothing is simulated.
#
# No constant of the planner is fitted to a measured peak; it counts tensors. But it was written with a handful of small jobs in view (gray triangles). The others were measured when it was finished, and judge it.
#
# Steps of up to eleven GB take an hour together, so nothing is measured when you run this notebook: `python -m helpers.models.peaks` did it, on a machine with two CPU cores and no GPU, and left its table beside the planner. There is no chance in a peak, so jobs stand in the place of seeds here and in section 4: where a note says that seeds *ran live*, a prediction was computed and compared with the peak in that table.

# %% tags=["evidence"]
from helpers.models.jobs import FITTED, JUDGED, LADDER
from helpers.models.peaks import measured

JOBS = {"fitted": FITTED, "judged": JUDGED, "ladder": LADDER}


def error_of(part: str, number: int) -> dict[str, float]:
    """How far a prediction is off, as a share of what was measured."""
    name, step = list(measured(part).items())[number]
    off = predict(JOBS[part][name]).total / step.peak - 1
    return {"off": abs(off), "signed": off}


@lesson.experiment(seeds=len(measured("judged")))
def planner_error(seed: int) -> dict[str, float]:
    return error_of("judged", seed % 1000)


@lesson.experiment(seeds=len(measured("ladder")))
def ladder_error(seed: int) -> dict[str, float]:
    return error_of("ladder", seed % 1000)


# %%
judged = lesson.measure(planner_error, live=planner_error.seeds)


def mostly_tokens(job: Job) -> bool:
    """Whether activations and logits are more than half of it."""
    memory = predict(job)
    return 2 * (memory.activations + memory.logits) > memory.total


LOOKS = {
    "seen while it was written": ("^", plots.FAINT),
    "judges it, mostly activations and logits": ("o", plots.COLORS[0]),
    "judges it, others": ("s", plots.COLORS[1]),
}
figure, axes = plots.new_figure(820, 640)
axes.axvspan(-15, 15, facecolor="#f1f1f1", edgecolor="#c8c8c8", hatch="///", linewidth=0, label="±15%")
points, labels = {name: [] for name in LOOKS}, []
for part in ("fitted", "judged"):
    for number, (name, step) in enumerate(measured(part).items()):
        kind = list(LOOKS)[0 if part == "fitted" else 1 if mostly_tokens(JOBS[part][name]) else 2]
        points[kind].append((100 * error_of(part, number)["signed"], len(labels)))
        labels.append(f"{name} ({step.peak / GIGA:.1f} GB)")
for name, (marker, color) in LOOKS.items():
    look = {"linestyle": "none", "marker": marker, "markersize": 7, "color": color}
    axes.plot(*zip(*points[name], strict=True), **look, label=name)
axes.axvline(0, color=plots.INK, linewidth=1, marker="")
axes.set_yticks(range(len(labels)), labels, fontsize=8)
axes.set_ylim(len(labels) - 0.5, -0.5)
axes.set_xlabel("error of the prediction (%)")
figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=9.5)
off = judged.values("off")
plots.show(
    figure,
    alt=f"Dot plot of the planner's error for {len(points['seen while it was written'])} jobs seen while it was written and {len(off)} that judge it, "
    f"with a band of ±15%. Of those that judge it, {sum(one <= 0.15 for one in off)} lie inside; the largest error is {max(off):.0%}.",
)
guessed_peak = measured("judged")["135M: KTO, with a copy, 4 × 512"].peak
lesson.say(
    "Of {count} steps that judge the planner, {inside} are predicted within 15%; {tokens} of them are mostly activations and logits. The training of your guess took {peak:.2f} GB; predicted were {predicted:.2f}.",
    count=len(off),
    inside=sum(one <= 0.15 for one in off),
    tokens=len(points["judges it, mostly activations and logits"]),
    peak=guessed_peak / GIGA,
    predicted=planned.total / GIGA,
)
seen = [error_of("fitted", number)["signed"] for number in range(len(measured("fitted")))]
lesson.say(
    "The worst error on a job that judges it is {worst:.1%}; on a job that was seen while it was written, {seen:.1%}. Both are errors of jobs that its author chose.",
    worst=max(off),
    seen=max(map(abs, seen)),
)
elsewhere = measured("fitted") | measured("judged")
lesson.say(
    "In these processes a freed tensor goes back to the system at once. Left to its own rule the C library keeps some for later; {count} of the steps were measured so, too, and held up to {more:.0%} more.",
    count=len(measured("heap")),
    more=max(step.peak / elsewhere[name].peak for name, step in measured("heap").items()) - 1,
)

# %% tags=["claim"]
lesson.claim(
    planner_error,
    "off",
    name="the planner predicts peaks",
    statement="The peak memory of a training step can be predicted from the model's shapes within 15%, averaged over jobs that nobody had measured when the planner was finished, if freed memory goes back to the system at once.",
    prediction="a mean error below 0.15 (interval over the jobs, which stand in the place of seeds)",
    scope="real",
    unit="of the measured peak",
    below=0.15,
    expected="holds",
)

# %% [markdown]
# ## 3 · LoRA in ten lines
#
# Weights, gradients and optimizer: 16 bytes for every parameter that is trained in 32 bits, and 4 for one that is not. So train fewer. **LoRA** freezes a matrix $W$ and adds a product of two thin ones beside it:
#
# $$y = W x + \frac{\alpha}{r}\, B A\, x$$
#
# $A$ has $r$ rows and as many columns as $x$ has numbers, $B$ brings the $r$ numbers back to the size of $y$. The *rank* $r$ is small, 16 say. $B$ starts at 0, so that the first step starts from the model as it was. $\alpha$ is a constant: dividing by $r$ keeps the added part about as large when you change the rank and leave $\alpha$ alone. (Many recipes set $\alpha = 2r$ instead, ours too; then nothing is divided out, and "Dig deeper" meets what follows.)
#
# > **Exercise 2 · `lora_forward`** · ★★☆ · 6 minutes
# >
# > `x` has the shape `(…, inputs)`, `frozen_output` ($Wx$, computed already) the shape `(…, outputs)`, `A` the shape `(rank, inputs)` and `B` the shape `(outputs, rank)`. Return $y$.
# >
# > <details><summary>Hint 1</summary>Tokens stand in rows here, so the matrices come from the right, transposed.</details>
# > <details><summary>Hint 2</summary><code>x @ A.T</code> has the shape <code>(…, rank)</code>. The rank is <code>A.shape[0]</code>.</details>

# %% tags=["evidence", "real"]
import math

import torch
from torch import Tensor, nn


# %% tags=["evidence", "real"]
def lora_forward(x: Tensor, frozen_output: Tensor, A: Tensor, B: Tensor, alpha: float) -> Tensor:  # noqa: N803
    """The frozen layer's output with the adapter's added: (…, inputs), (…, outputs) -> (…, outputs)."""
    # BEGIN SOLUTION
    return frozen_output + (alpha / A.shape[0]) * (x @ A.T @ B.T)
    # END SOLUTION


# %%
lora_forward = lesson.check(lora_forward)


# %% tags=["evidence", "real"]
class LoRA(nn.Module):
    """A frozen linear layer with an adapter of this rank beside it."""

    def __init__(self, frozen: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.frozen, self.alpha = frozen.requires_grad_(False), alpha
        self.A = nn.Parameter(torch.empty(rank, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        return lora_forward(x, self.frozen(x), self.A, self.B, self.alpha)


# %% [markdown]
# Is that all? Against `peft`, the library that everybody uses: the same layer of the real model (a random one of the same size where the model is missing), the same $A$ and $B$, the same input. Outputs and gradients should agree to the last digits.

# %% tags=["evidence"]
from helpers.models import real

lm = real.language_model()

# %%
import copy
import logging

logging.getLogger("bitsandbytes").setLevel(
    logging.ERROR
)  # peft looks for it and may complain about its parts
from peft import LoraConfig, inject_adapter_in_model

torch.manual_seed(0)
layer = lm.model.model.layers[0].self_attn.q_proj if lm else nn.Linear(576, 576, bias=False)
layer = copy.deepcopy(getattr(layer, "frozen", layer))  # without the adapter that section 6 puts there
mine = LoRA(layer.float().cpu(), rank=16, alpha=32)
holder = nn.Module()
holder.q_proj = copy.deepcopy(mine.frozen)
theirs = inject_adapter_in_model(LoraConfig(r=16, lora_alpha=32, target_modules=["q_proj"]), holder).q_proj
with torch.no_grad():
    mine.B.normal_()
    theirs.lora_A["default"].weight.copy_(mine.A)
    theirs.lora_B["default"].weight.copy_(mine.B)
x = torch.randn(4, 32, layer.in_features)
outputs = [mine(x), theirs(x)]
for output in outputs:
    output.square().mean().backward()
gradients = [
    (mine.A.grad, theirs.lora_A["default"].weight.grad),
    (mine.B.grad, theirs.lora_B["default"].weight.grad),
]
worst = max(
    float((a - b).abs().max() / b.abs().max()) for a, b in [tuple(map(Tensor.detach, outputs)), *gradients]
)
assert worst < 1e-5
lesson.say(
    "Largest difference of outputs and gradients, relative to the largest value: below {bound}.",
    bound="0.00001",
)

# %% [markdown]
# So there is no secret in it. What does it save? That is a matter of counting.
#
# > **Exercise 3 · `trainable_parameters`** · ★☆☆ · 4 minutes
# >
# > `shapes` lists `(outputs, inputs)` of every matrix that gets an adapter. Return how many numbers the adapters of this rank have together.
# >
# > <details><summary>Hint 1</summary>How many numbers has <code>A</code>, and how many has <code>B</code>?</details>


# %%
def trainable_parameters(shapes: list[tuple[int, int]], rank: int) -> int:
    """How many numbers LoRA trains."""
    # BEGIN SOLUTION
    return sum(rank * (outputs + inputs) for outputs, inputs in shapes)
    # END SOLUTION


# %%
trainable_parameters = lesson.check(trainable_parameters)
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
rows = []
for name in CONFIGS:
    sizes = Job(name).sizes
    shapes = [sizes.projections[target][::-1] for target in ATTENTION] * sizes.layers
    for rank in (1, 16, 64):
        count = trainable_parameters(shapes, rank)
        assert count == sizes.adapter(rank)
        rows.append(
            [
                name,
                rank,
                f"{count:,}",
                f"{count / sizes.parameters:.2%}",
                f"{16 * count / 1e6:.0f}",
                f"{16 * sizes.parameters / 1e6:,.0f}",
            ]
        )
plots.table(
    rows,
    ["model", "rank", "trained with LoRA", "of all parameters", "MB for them", "MB for all"],
    caption="LoRA on the four attention matrices of every layer; MB for weights, gradients and optimizer, at 16 bytes a trained parameter",
)

# %% [markdown]
# Gradients and optimizer all but disappear, and the reference comes for free: switch the adapter off, and the frozen weights *are* the model before training (section 6 uses it). Some of the activations go, too: a frozen layer needs no gradient of its weights, so its input need not be kept for one (the calculator below shows how much that is). What LoRA does **not** save: the frozen weights are still there, tokens still pass through all of them, forward and backward, so most activations stay, and the logits do not notice it at all.
#
# Whether so few numbers can learn enough is another question; below "Dig deeper" rank 1 and rank 16 are trained on the real model.

# %% [markdown]
# ## 4 · The out-of-memory ladder
#
# Out of memory! What now? There is a ladder of remedies. Every rung saves something else, and has its price:
#
# | rung | saves | price |
# | --- | --- | --- |
# | **batch and accumulation**: fewer rows at a time, gradients added up over several passes | activations, logits | a little time. KTO's reference point z₀ comes from each *small* batch then, and needs two rows at least |
# | **checkpointing**: keep each layer's input only, and compute the rest again when it is needed | activations | one more forward pass |
# | **LoRA** | gradients, optimizer, the reference's copy, some activations | fewer numbers to learn with |
# | **precomputed reference**: its log-probabilities once, beforehand | the reference's copy | a pass over the data before the start |
# | **8-bit optimizer**: AdamW's two means in one byte each | optimizer | rounding |
# | **loss in chunks**: the logits of 256 tokens at a time, not of all at once | logits | a little time; the trainer must offer it |
# | **16-bit numbers** | weights, gradients, reference and optimizer by half, activations by less; not the logits, whose loss stays in 32 bits | section 5 |
# | **QLoRA**: LoRA on frozen weights of 4 bits | weights | rounding, and time to unpack them |
#
# Which helps most? That depends on what is large. First the training of your guess. Look at its table in section 1 and choose:

# %%
ALONE = {
    "checkpointing": {"checkpointing": True},
    "LoRA": {"trained": "lora", "reference": "adapter off"},
    "precomputed reference": {"reference": "precomputed"},
    "8-bit optimizer": {"optimizer": "adamw_8bit"},
    "loss in chunks": {"chunked_loss": True},
}
lesson.predict(
    "rung",
    "Four rows of 512 tokens, all parameters, a copy as reference: which of these rungs alone saves most?",
    choices=list(ALONE),
)

# %%
saved = {name: planned.total - predict(replace(guessed, **change)).total for name, change in ALONE.items()}
plots.table(
    [[name, saved[name] / GIGA] for name in sorted(ALONE, key=saved.get, reverse=True)],
    ["one rung alone", "GB saved"],
    caption=f"Predicted, from {planned.total / GIGA:.1f} GB",
)

# %% [markdown]
# Rungs do not add up: what one has made small, the next cannot save again, and the highest moment of a step moves elsewhere. So here is a whole climb, KTO of the same model with eight rows of 128 tokens. Each bar keeps all that the earlier ones changed. Bars are predicted, part by part; black diamonds are measured.

# %%
climbed = lesson.measure(ladder_error, live=ladder_error.seeds)
bars = [
    Bar(f"+ {name}" if number else name, predict(LADDER[name]), step.peak)
    for number, (name, step) in enumerate(measured("ladder").items())
]
plots.show(
    memory_figure(bars, xlabel="peak of one step (GB): predicted, and in brackets measured"),
    alt=in_words(bars),
)
lesson.say(
    "From {first:.2f} GB to {last:.2f} GB predicted: the last rung needs {share:.0%} of the first.",
    first=bars[0].memory.total / GIGA,
    last=bars[-1].memory.total / GIGA,
    share=bars[-1].memory.total / bars[0].memory.total,
)

# %% tags=["claim"]
lesson.claim(
    ladder_error,
    "off",
    name="every rung is predicted",
    statement="The planner predicts the rungs of the ladder within 15%, too.",
    prediction="a mean error below 0.15 (interval over the rungs)",
    scope="real",
    unit="of the measured peak",
    below=0.15,
    expected="holds",
)

# %% [markdown]
# Read it from top to bottom, and watch *which color* shrinks.
#
# - The second bar is a smaller training, not the same one: two rows instead of eight. The third adds up gradients over four passes; for that they must all be kept, so some memory comes back. For SFT and DPO that is the training with eight rows again; for KTO almost, as its z₀ remains that of two rows.
# - Checkpointing takes from the activations. Where those do not make the highest moment any more, it saves little, although it works: the peak has moved to another moment.
# - The loss in chunks takes nothing here: two rows of 128 tokens are just one chunk of 256, so all logits are there at once as before. With four rows of 512 tokens, in the table above, it takes nearly a gigabyte.
# - After that only parameters are left, and it is the turn of the rungs that save those: the copy, the optimizer, at last all but the frozen weights.
#
# (Two rungs of the table are missing: 16-bit numbers wait for section 5, and weights of 4 bits for a GPU. And one bar is a CPU's own: bitsandbytes, which has the 8-bit optimizer, cannot update in 8 bits there and unpacks whole tensors on the way. On a card this rung saves more; the calculator below counts as on a card.)
#
# The order is ours. Start with the largest part *you* have.

# %% [markdown]
# ### Will it fit on my card?
#
# The same for other models, cards and methods. Each bar below the first is the training with *one* rung added, the best rung first; the dashed line is the card. The sentence below also counts what a GPU needs besides: about 0.6 GB for itself and a tenth lost between tensors, which are assumptions, not measurements.
#
# A rung may also cost memory: with few tokens there is one chunk only, and its bookkeeping comes on top. Try: Does the order of the rungs stay the same with 128 tokens in a row? With Qwen's vocabulary? For LoRA, which rung is now worth nothing?
#
# A puzzle: KTO with LoRA of the 360M model, four rows, a card of 8 GB. What are the longest rows that fit, and which of the three boxes do they need?
#
# <details><summary>Answer</summary>2,048 tokens, and only with all three boxes ticked: 7.4 GB. Without checkpointing 512 is the end; with it alone, 1,024.</details>

# %%
lesson.widget("calculator")

# %% [markdown]
# ## 5 · Sixteen bits, three traps
#
# Two bytes a number instead of four: half the memory, and on a GPU several times the speed. There are two kinds. **float16** spends its bits on digits, **bfloat16** on range:

# %% tags=["evidence"]
kinds = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

# %%
plots.table(
    [
        [
            name,
            f"{info.max:.2g}",
            f"{info.smallest_normal:.2g}",
            f"{info.smallest_normal * info.eps:.2g}",
            f"{torch.nextafter(torch.tensor(256.0, dtype=kind), torch.tensor(1e4, dtype=kind)) - 256:.2g}",
        ]
        for name, kind in kinds.items()
        for info in [torch.finfo(kind)]
    ],
    ["kind", "largest", "smallest with all digits", "smallest at all", "step from 256 to the next number"],
    caption="Three kinds of numbers",
)

# %% [markdown]
# Cards before Ampere (such as the T4) cannot compute in bfloat16 quickly; newer ones can. Both kinds have traps, and we look at each with the real model's own numbers. First the thumbs that we use from here on: captions of records, true ones with thumbs up and false ones with thumbs down.

# %% tags=["evidence", "real"]
import random

from helpers import world
from helpers.models import real, small
from helpers.models.tiers import current_tier
from helpers.world import Scene

FACTS = {"color": world.COLORS, "size": world.SIZES, "place": world.PLACES}
SHORT_CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
Thumb = tuple[str, str, bool]  # question, answer, thumb up?


def true_and_false(scene: Scene, rng: random.Random) -> tuple[str, str, str]:
    """The question about a scene, a true caption, and the same with one wrong fact."""
    fact, style = rng.choice(list(FACTS)), rng.randrange(3)
    wrong = rng.choice([value for value in FACTS[fact] if value != getattr(scene, fact)])
    other = replace(scene, **{fact: wrong})
    return f"Caption: {world.record(scene)}", world.captions(scene)[style], world.captions(other)[style]


def thumbs(count: int, seed: int) -> list[Thumb]:
    """Every other caption is true and gets a thumb up."""
    rng = random.Random(seed)
    asked = [true_and_false(scene, rng) for scene in world.sample(count, seed=seed)]
    return [(q, false if i % 2 else true, i % 2 == 0) for i, (q, true, false) in enumerate(asked)]


# %% [markdown]
# ### Trap 1: gradients that vanish
#
# In float16 nothing below 0.00000006 exists. How large are gradients? KTO's loss multiplies each by β/4 at the start and divides it by the batch. So: two answers, a step of KTO, and the gradient that arrives at each layer of the real model, with the loss divided by 32 as it would be for a batch of 64 in 32 passes. These are gradients of the layers' inputs, not of their weights, and more passes would make them smaller still. We compute in 32 bits and count which of these numbers float16 would turn into 0, as they are and multiplied by 65,536 before the backward pass (**loss scaling**).

# %% tags=["evidence"]
from helpers.preference import losses

if lm:
    lm.tokenizer.chat_template = SHORT_CHAT
    lm.model.requires_grad_(False).float()  # in 32 bits on every tier
SMALLEST = 2.0**-25  # float16 rounds what is smaller to 0


def answer_logps(hidden: Tensor, ids: Tensor, answer: Tensor) -> Tensor:
    """Log-probabilities of the answers' tokens, one answer after the other: (tokens,)."""
    where = answer[:, 1:]
    logits = lm.model.lm_head(hidden[:, :-1][where])
    return logits.float().log_softmax(-1).gather(-1, ids[:, 1:][where][:, None])[:, 0]


def summed(token_logps: Tensor, answer: Tensor) -> Tensor:
    """The log-probability of each answer: (tokens,), (n, length) -> (n,)."""
    where = answer[:, 1:]
    return token_logps.new_zeros(where.shape).masked_scatter(where, token_logps).sum(1)


# %% tags=["evidence"]
def gradients_at_layers(rows: list[Thumb], passes: int) -> Tensor:
    """The sizes of the gradients at every layer's input and at the end, in one tensor."""
    ids, answer = small.encode(lm.tokenizer, [(question, caption) for question, caption, _ in rows])
    ids, answer = ids.to(lm.model.device), answer.to(lm.model.device)
    embedded = lm.model.get_input_embeddings()(ids).requires_grad_()
    out = lm.model.model(inputs_embeds=embedded, use_cache=False, output_hidden_states=True)
    layers = [embedded, *out.hidden_states[1:]]
    for hidden in layers:
        hidden.retain_grad()
    logps = summed(answer_logps(out.last_hidden_state, ids, answer), answer)
    up = torch.tensor([thumb for _, _, thumb in rows], device=logps.device)
    values, _ = losses.kto_loss(logps, logps.detach(), up, torch.zeros((), device=logps.device), beta=0.1)
    (values.mean() / passes).backward()
    return torch.cat([hidden.grad.float().abs().flatten().cpu() for hidden in layers])


@lesson.experiment(seeds=6)
def vanishing(seed: int) -> dict[str, float]:
    found = gradients_at_layers(thumbs(2, 30_000 + seed), passes=32)
    found = found[found > 0]  # padding has none
    share = {
        "lost": found < SMALLEST,
        "few digits": found < 2.0**-14,
        "lost, scaled": found * 2**16 < SMALLEST,
    }
    measures = {name: float(which.float().mean()) for name, which in share.items()}
    return measures | {"largest, scaled": float(found.max() * 2**16)}


# %%
vanished = lesson.measure(vanishing, live=1 if lm else 0)
if vanished.records:
    plots.interval_plot(
        [
            vanished.row("lost", "as they are: turned into 0"),
            vanished.row("few digits", "as they are: too small for all digits"),
            vanished.row("lost, scaled", "scaled: turned into 0"),
        ],
        "share of the gradients at the layers of SmolLM2",
        alt="Interval plot of three shares of gradients in float16, means: "
        f"turned into 0 as they are {vanished.interval('lost').mean:.1%}, too small for all digits as they are "
        f"{vanished.interval('few digits').mean:.0%}, turned into 0 after scaling {vanished.interval('lost, scaled').mean:.1%}.",
    )
    lesson.say(
        "The largest of them, scaled, is {largest:,.0f}; float16 ends at 65,504.",
        largest=max(vanished.values("largest, scaled")),
    )

# %% tags=["claim"]
lesson.claim(
    vanishing,
    "lost",
    name="float16 loses gradients",
    statement="Without loss scaling, float16 turns more than a twentieth of the gradients at the inputs of SmolLM2's layers into 0, in a step of KTO on a batch of 64 in 32 passes.",
    prediction="a share above 0.05",
    scope="real",
    unit="of the gradients",
    above=0.05,
    expected="holds",
    tolerance=0.02,
)
lesson.claim(
    vanishing,
    "lost, scaled",
    name="loss scaling saves them",
    statement="With the loss scaled by 65,536 it is less than a hundredth.",
    prediction="a share below 0.01",
    scope="real",
    unit="of the gradients",
    below=0.01,
    expected="holds",
    tolerance=0.005,
)

# %% [markdown]
# Look at the second row as well: most gradients survive with only *some* of their digits. Scaling the loss moves all of them up, and costs nothing. Bfloat16 has the range of 32 bits and needs no scaling.
#
# The scale has to be taken out again before the weights move. And it must not be too large: a gradient that overflows becomes infinite and would ruin the weights at once. So a **gradient scaler** looks first: is any gradient infinite or not a number, the step is skipped and the scale is halved; after many good steps it is doubled again.
#
# > **Exercise 4 · `scaled_step`** · ★★★ · 8 minutes
# >
# > One step of plain gradient descent: `weight` is float32, `scaled_gradient` is **float16** and too large by the factor `scale`. Return the new weight and the scale for the next step. If any entry of the gradient is infinite or NaN, the weight stays as it is and the scale is halved. (Doubling again is not asked for.)
# >
# > <details><summary>Hint 1</summary><code>tensor.isfinite()</code> is True where a number is neither infinite nor NaN.</details>
# > <details><summary>Hint 2</summary>Why was the loss scaled at all? In which kind of number should the division be done?</details>


# %%
def scaled_step(
    weight: Tensor, scaled_gradient: Tensor, scale: float, learning_rate: float
) -> tuple[Tensor, float]:
    """The weight after a step with a scaled gradient, and the next scale."""
    # BEGIN SOLUTION
    if not scaled_gradient.isfinite().all():
        return weight, scale / 2
    return weight - learning_rate * (scaled_gradient.float() / scale), scale
    # END SOLUTION


# %%
scaled_step = lesson.check(scaled_step)

# %% [markdown]
# A weight, a gradient of one hundred-millionth that is always the same, and a first scale that is much too large. (The learning rate is a million, only so that a gradient this small moves the weight visibly.) Watch it find its scale:

# %%
weight, scale, rows = torch.tensor([1.0]), 2.0**46, []
for step in range(1, 9):
    scaled_gradient = (torch.tensor([1e-8], dtype=torch.float64) * scale).to(torch.float16)
    before, used = weight, scale
    weight, scale = scaled_step(weight, scaled_gradient, scale, learning_rate=1e6)
    did = "stepped" if scale == used else "skipped"
    rows.append([step, f"2^{math.log2(used):.0f}", float(scaled_gradient), did, f"{float(weight):.4f}"])
plots.table(rows, ["step", "scale", "gradient in float16", "", "weight"], caption="A scaler at work")
lesson.say(
    "Without a scale the same gradient in float16 is {zero:g}.",
    zero=float(torch.tensor(1e-8, dtype=torch.float16)),
)

# %% [markdown]
# ### Trap 2: updates that vanish
#
# AdamW's first step moves every weight by about the learning rate, whatever the gradient. A 16-bit number near 0.1 has its next neighbor at a distance of 0.0005 (bfloat16) or 0.00006 (float16). What is less than half of that changes nothing. How many of SmolLM2's own weights would not move at all?

# %% tags=["evidence"]
RATES = [5e-6, 5e-5, 5e-4]


@lesson.experiment(seeds=6)
def lost_updates(seed: int) -> dict[str, float]:
    """Instead of a seed: a group of five of the thirty layers."""
    layers = lm.model.model.layers
    size = max(1, len(layers) // 6)
    group = layers[(seed % 6) * size : (seed % 6 + 1) * size]
    matrices = [weights.detach() for weights in group.parameters() if weights.ndim == 2]
    count = sum(weights.numel() for weights in matrices)
    measures = {}
    for name, kind in kinds.items():
        for rate in RATES:
            stay = sum(int((kept - rate == kept).sum()) for kept in (w.to(kind) for w in matrices))
            measures[f"{name} {rate:g}"] = stay / count
    return measures


# %%
stuck = lesson.measure(lost_updates, live=1 if lm else 0)
if stuck.records:
    plots.paired_bars(
        [f"rate {rate:.6f}".rstrip("0") for rate in RATES],
        {name: [stuck.interval(f"{name} {rate:g}").mean for rate in RATES] for name in kinds},
        ylabel="share that does not move",
        alt="Groups of bars for three learning rates: share of weights that a step of that size leaves unchanged. "
        + "; ".join(
            f"rate {rate:g}: "
            + ", ".join(f"{name} {stuck.interval(f'{name} {rate:g}').mean:.0%}" for name in kinds)
            for rate in RATES
        )
        + ".",
    )

# %% tags=["claim"]
for name, region, said, expected in [
    (
        "bfloat16",
        {"above": 0.5},
        "leaves more than half of the weights in the matrices of SmolLM2's layers where they are, in bfloat16",
        "holds",
    ),
    (
        "float16",
        {"above": 0.5},
        "leaves more than half of the weights in these matrices where they are in float16, too",
        "holds",
    ),
]:
    lesson.claim(
        lost_updates,
        f"{name} 5e-06",
        name=f"lost updates: {name}",
        statement=f"A step of AdamW at the KTO paper's learning rate of 0.000005 {said}.",
        prediction="a share above 0.5: half the distance to the next number is larger (six groups of layers in the place of seeds)",
        scope="real",
        unit="of the weights",
        **region,
        expected=expected,
        tolerance=0.01,
    )

# %% [markdown]
# The loss would fall on no curve and no error would be raised: most weights simply stay where they are. So weights that are *trained* are kept in 32 bits (a *master copy*), and only the multiplications are done in 16; libraries call it mixed precision, or *autocast*, as numbers are cast to 16 bits and back by themselves. It is one more reason for LoRA: the frozen weights may stay in 16 bits, or in 4, as nobody moves them; the small matrices are kept in 32.
#
# ### Trap 3: sums that are rounded
#
# KTO compares two sums: the answer's log-probability under the model, and under the reference. An answer of some eighty tokens may have −250 nats. Between 128 and 256 bfloat16 knows whole numbers only, and above that the even ones: a log-ratio of 0.3 is finer than its steps. How far off are real sums?

# %% tags=["evidence"]
LINES = lesson.size(8, smoke=2)


@lesson.experiment(seeds=6)
@torch.no_grad()
def rounded_sums(seed: int) -> dict[str, float]:
    """Answers of eight captions each: how far off is their summed log-probability in 16 bits?"""
    rng, off, totals = random.Random(seed), {name: [] for name in kinds}, []
    for number in range(LINES):
        scenes = world.sample(8, seed=40_000_000 + 100 * seed + number)
        text = " ".join(rng.choice(world.captions(scene)) for scene in scenes)
        ids, answer = small.encode(lm.tokenizer, [("Describe the pictures.", text)])
        hidden = lm.model.model(ids.to(lm.model.device), use_cache=False).last_hidden_state
        logps = answer_logps(hidden, ids.to(hidden.device), answer.to(hidden.device)).cpu()
        totals.append(float(logps.double().sum()))
        for name, kind in kinds.items():
            off[name].append(abs(float(logps.to(kind).sum()) - totals[-1]))
    means = {name: sum(values) / len(values) for name, values in off.items()}
    return means | {"log-probability": sum(totals) / len(totals), "tokens": float(len(logps))}


# %%
rounded = lesson.measure(rounded_sums, live=1 if lm else 0)
if rounded.records:
    plots.interval_plot(
        [rounded.row(name, f"summed in {name}") for name in kinds],
        "mean error of an answer's log-probability (nats)",
        alt="Interval plot of the error of summed log-probabilities, means in nats: "
        + ", ".join(f"{name} {rounded.interval(name).mean:.3f}" for name in kinds)
        + ".",
        threshold=0.1,
        threshold_name="a tenth of a nat",
    )
    lesson.say(
        "The answers have {logp:.0f} nats on average. With β = 0.1, an error of {error:.2f} nats is one of {reward:.3f} in the reward.",
        logp=rounded.interval("log-probability").mean,
        error=rounded.interval("bfloat16").mean,
        reward=0.1 * rounded.interval("bfloat16").mean,
    )

# %% tags=["claim"]
for name, region, expected in [("bfloat16", {"above": 0.1}, "holds"), ("float16", {"below": 0.1}, "holds")]:
    lesson.claim(
        rounded_sums,
        name,
        name=f"rounded sums: {name}",
        statement=f"Summed in {name}, the log-probability of an answer of eight captions is off by {'more' if 'above' in region else 'less'} than a tenth of a nat.",
        prediction=f"a mean error {'above' if 'above' in region else 'below'} 0.1 nats: numbers near 200 are {'1' if name == 'bfloat16' else '0.125'} apart, a quarter of which is lost on average",
        scope="real",
        unit="nats",
        **region,
        expected=expected,
        tolerance=0.05,
    )

# %% [markdown]
# Much of this follows from the format alone. Model and reference are rounded each by itself, so do not count on their errors to cancel (that was not measured). The remedy is cheap: logits to 32 bits *before* the softmax, and sums in 32 bits. Look for it in any loss that you did not write yourself. And look at where the two kinds change places: in trap 1 float16 was the bad one, here it is bfloat16.
#
# ## 6 · KTO on a real model, here and now
#
# Put together: SmolLM2-135M, your `lora_forward` in all four attention matrices of its thirty layers, KTO's loss from lesson 07, and a few steps on two thumbs, one up and one down. The reference is the same model with the adapters switched off.


# %% tags=["evidence", "real"]
def with_lora(model: nn.Module, rank: int) -> nn.Module:
    """The model itself, frozen, with trainable adapters in the attention of every layer."""
    model.requires_grad_(False)
    for layer in model.model.layers:
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            frozen = getattr(layer.self_attn, name)
            setattr(layer.self_attn, name, LoRA(frozen, rank, alpha=2 * rank).to(frozen.weight.device))
    return model


# %%
from helpers.models.memory import give_back


def without_lora(model: nn.Module) -> nn.Module:
    """The model itself, its adapters taken off again, so that the next cell can run twice."""
    for layer in model.model.layers:
        for name, module in list(layer.self_attn.named_children()):
            setattr(layer.self_attn, name, getattr(module, "frozen", module))
    return model


def switched(model: nn.Module, on: bool) -> None:
    """Switch all adapters off, or on again: with alpha = 0 nothing is added."""
    for module in model.modules():
        if isinstance(module, LoRA):
            module.alpha = 2.0 * module.A.shape[0] if on else 0.0


def logps_of_batch(ids: Tensor, answer: Tensor) -> Tensor:
    return summed(answer_logps(lm.model.model(ids, use_cache=False).last_hidden_state, ids, answer), answer)


def kto_step(batch: list[Thumb], optimizer: torch.optim.Optimizer, beta: float = 0.1) -> tuple[float, float]:
    """One step; the loss before it, and the margin: the mean reward of thumbs up less that of thumbs down."""
    questions, captions, labels = zip(*batch, strict=True)
    up = torch.tensor(labels)
    pairs = list(zip(questions, captions, strict=True))
    mismatched = list(zip(questions, captions[-1:] + captions[:-1], strict=True))
    ids, answer = small.encode(lm.tokenizer, pairs)
    other = small.encode(lm.tokenizer, mismatched)
    with torch.no_grad():
        kl_logps = logps_of_batch(*other)
        switched(lm.model, on=False)
        ref, ref_kl = logps_of_batch(ids, answer), logps_of_batch(*other)
        switched(lm.model, on=True)
    z0 = losses.kto_reference_point(kl_logps, ref_kl)
    values, rewards = losses.kto_loss(logps_of_batch(ids, answer), ref, up, z0, beta=beta)
    values.mean().backward()
    optimizer.step()
    optimizer.zero_grad()
    return float(values.detach().mean()), float(rewards[up].mean() - rewards[~up].mean())


# %%
STEPS, seconds, tokens = lesson.size(4, smoke=2), [], 0
on_cpu = lm is not None and current_tier().device == "cpu"
if on_cpu:
    give_back()
    torch.manual_seed(0)
    adapted = with_lora(without_lora(lm.model), rank=8)
    optimizer = torch.optim.AdamW(
        [p for p in adapted.parameters() if p.requires_grad], lr=1e-3, weight_decay=0.0
    )
    batch, rows = thumbs(2, seed=1), []
    for step in range(1, STEPS + 1):
        started = time.perf_counter()
        loss, margin = kto_step(batch, optimizer)
        seconds.append(time.perf_counter() - started)
        rows.append([step, loss, margin])
    tokens = small.encode(lm.tokenizer, [(question, caption) for question, caption, _ in batch])[0].numel()
    plots.table(
        rows, ["step", "loss", "margin of the rewards"], caption="KTO with LoRA on the same two thumbs"
    )
else:
    lesson.say(
        "The real model is missing on this machine, or has a GPU to itself (see the last section): no live steps."
    )

# %% [markdown]
# The first loss is exactly one half and the first margin 0: the reference is the model itself, as the adapters start at nothing. Then the margin opens. Two thumbs seen again and again prove nothing about learning, only that everything is wired up; "Dig deeper" trains on more and measures on held-out records.
#
# ## 7 · What does it cost?
#
# A **token pass** is one token read once by one model, forward or as much work as that; lesson 09 counts them, but you need nothing else of it here. A forward pass takes about two operations (a multiplication and an addition) per parameter and token; a backward pass twice as many, or *once* as many if the weights are frozen, since only the gradients of activations are needed. So per token of a KTO batch:
#
# | | full | LoRA |
# | --- | --- | --- |
# | model: forward and backward | 1 + 2 | 1 + 1 |
# | model on mismatched answers, for z₀ | 1 | 1 |
# | reference, on both | 2 | 2 |
# | **passes** | 6 | 5 |
#
# (SFT has only the first row. With checkpointing one more; a precomputed reference is paid once, not in every epoch.) That gives a formula:
#
# $$\text{hours} = \frac{\text{tokens} \times \text{passes} \times 2 \times \text{parameters}}{\text{operations per second of the card} \times \text{utilization} \times 3600}$$
#
# The **utilization** is the honest part: the share of its data-sheet speed that a card reaches. Small models with short rows reach little, one tenth perhaps; large ones well fed four tenths. Nobody knows yours before it has been measured.

# %%
CARDS = {  # operations per second by the data sheets, dense, in 16 bits with tensor cores; dollars an hour: assumed
    "T4 (16 GB)": (65e12, 0.40),
    "L4 (24 GB)": (121e12, 0.80),
    "A100 (40 GB)": (312e12, 2.00),
}
THUMBS, LENGTH, PASSES = 14_000, 300, 5  # one epoch over a public set of thumbs, with LoRA


def hours(
    all_tokens: float, passes: float, parameters: float, operations: float, utilization: float
) -> float:
    return all_tokens * passes * 2 * parameters / (operations * utilization) / 3600


table = []
for card, (operations, price) in CARDS.items():
    for name in CONFIGS:
        slow, quick = (
            hours(THUMBS * LENGTH, PASSES, Job(name).sizes.parameters, operations, u) for u in (0.1, 0.4)
        )
        table.append(
            [card, name, f"{60 * quick:.0f} to {60 * slow:.0f}", f"{price * quick:.2f} to {price * slow:.2f}"]
        )
plots.table(
    table,
    ["card", "model", "minutes", "dollars"],
    caption=f"One epoch of KTO with LoRA over {THUMBS:,} thumbs of {LENGTH} tokens, at a utilization of 0.4 to 0.1. Assumed, not measured: utilization, and prices of 0.40, 0.80 and 2.00 dollars an hour",
)

# %% [markdown]
# Put in your own price and, after a first minute of training, your own utilization. What was measured is this machine:

# %% tags=["volatile"]
if seconds:
    quickest = min(seconds)
    speed = tokens * PASSES * 2 * Job("smollm2-135m").sizes.parameters / quickest
    lesson.say(
        "The quickest step took {step:.2f} s for {tokens} tokens: {speed:.0f} billion operations a second. At that speed the epoch above would take SmolLM2-135M {hours:.0f} hours here, if nothing but the number of tokens changed.",
        step=quickest,
        tokens=tokens,
        speed=speed / 1e9,
        hours=THUMBS * LENGTH / tokens * quickest / 3600,
    )

# %% [markdown]
# Is counting passes good enough? The step times measured below ("Dig deeper") say how far off it was on this kind of machine.
#
# ---
# ## Dig deeper
#
# Three sections, independent of each other; none is needed to go on.
#
# ### Failure drill: the card is full
#
# A pretend card of 2.5 GB, which fails as CUDA does when it is full, but, unlike CUDA, names the part. (On a real card you have only the size to go by; the quiz has such a message.) Somebody wants to run the training of your guess on it, and when that fails, halves the batch. Read the messages before you read on: *which part* did not fit?


# %%
class PretendCard:
    """Takes what a step holds at each of its moments, part by part, and complains when it is full."""

    def __init__(self, gigabytes: float) -> None:
        self.size = gigabytes * GIGA

    def run(self, job: Job) -> str:
        for moment in moments(job):
            used = 0.0
            for part in PARTS:
                wanted = getattr(moment, part)
                if used + wanted > self.size:
                    raise MemoryError(
                        f"Tried to allocate {wanted / 2**20:.0f} MiB for {part} ({moment.moment}); {(self.size - used) / 2**20:.0f} MiB are free."
                    )
                used += wanted
        return f"fits: {predict(job).total / GIGA:.2f} GB at most"


def tried(job: Job, card: PretendCard) -> str:
    try:
        return card.run(job)
    except MemoryError as error:
        return f"out of memory. {error}"


card = PretendCard(2.5)
hasty = replace(guessed, batch=2)
lesson.say("Batch 4: {first}", first=tried(guessed, card))
lesson.say("Batch 2: {second}", second=tried(hasty, card))

# %% [markdown]
# The usual panic is to go down with the batch until it runs. Here that does not end well: KTO cannot go below two rows, since its reference point pairs each prompt with its neighbor's answer; and a batch that became smaller *without* accumulation is another training, with noisier steps. The message says what to do instead: it names the part. Take the rung that makes *that* part small, run again, read again.

# %%
repaired, rows = guessed, []
for label, change in [
    ("as it was", {}),
    ("checkpointing", {"checkpointing": True}),
    ("and the loss in chunks", {"chunked_loss": True}),
    ("and the reference precomputed", {"reference": "precomputed"}),
]:
    repaired = replace(repaired, **change)
    rows.append([label, tried(repaired, card)])
plots.table(
    rows,
    ["the training", "on a card of 2.5 GB"],
    caption="Four answers of 512 tokens, all parameters trained",
)

# %% [markdown]
# The brackets name the moment of the step, not the owner: activations that wait while the reference reads its rows are the trained model's own.
#
# It fits, with the batch as it was and the result the same: these rungs cost time, and nothing else. (The last message names whatever came on top when the card was full. If that cannot be made smaller, look for the part beneath it that can be done without: here the reference's copy.)
#
# A second trap comes *after* the error. In a notebook an exception is kept, with its traceback, with the variables of every function that it went through, with their tensors. So the memory is not given back, and the smaller training fails as well.

# %%
import weakref


def too_much() -> None:
    activations = torch.zeros(1000, 1000)
    watched.append(weakref.ref(activations))
    raise MemoryError("out of memory")


watched: list[weakref.ref] = []
try:
    too_much()
except MemoryError as error:
    kept = error  # as a notebook keeps the last error
still_there = watched[0]() is not None
kept = None
gone = watched[0]() is None
lesson.say(
    "While the error is kept, the tensor is {before}. After it is forgotten, it is {after}.",
    before="still in memory" if still_there else "gone",
    after="gone" if gone else "still in memory",
)

# %% [markdown]
# The remedy: restart the kernel after an out-of-memory error. It is the only one that always works.
#
# ### Real steps, timed and compared
#
# What follows trains the real model for some minutes a seed, so nothing is trained when you run this notebook: `make real` did it on a machine with two CPU cores, for six seeds (other scenes, other batches, other first matrices), and the cells read what it stored.
#
# **Step times.** KTO with LoRA on SmolLM2-135M, two ways: through TRL with `peft`, where the reference is the adapter switched off, as one does it in practice; and our ten lines of LoRA with the course's own plain loop (`helpers.preference.fast`), which asks the reference about all answers once, before the first step (so that one of the five passes is not in its step time), and makes logits for the answers' tokens only. The losses must be the same, or a comparison of times means nothing. Times are seconds of *work* of one core: the machine had other things to do.

# %% tags=["real"]
import copy
import tempfile

from helpers.data import formats
from helpers.models.threads import threads
from helpers.preference.fast import train_fast
from helpers.preference.runs import Settings, order
from helpers.preference.train import trainer


def short_chat_model():
    """A fresh real model, and its tokenizer with the short chat format."""
    loaded = real.language_model()
    loaded.tokenizer.chat_template = SHORT_CHAT
    return loaded.model, loaded.tokenizer


def with_peft(model, like):
    """A copy of the model with peft's adapters, which start as those of `like` do."""
    from peft import LoraConfig, get_peft_model

    targets = ["q_proj", "k_proj", "v_proj", "o_proj"]
    adapted = get_peft_model(copy.deepcopy(model), LoraConfig(r=16, lora_alpha=32, target_modules=targets))
    theirs = [m for m in adapted.modules() if hasattr(m, "lora_A")]
    ours = [m for m in like.modules() if isinstance(m, LoRA)]
    with torch.no_grad():
        for module, source in zip(theirs, ours, strict=True):
            module.lora_A["default"].weight.copy_(source.A)
    return adapted


def train_peft(model, tokenizer, data, settings: Settings) -> list[dict]:
    """TRL's KTO with peft's adapters, the rows in the order of the plain loop; its log."""
    rows = data.select([row for step in order(len(data), settings) for row in step])
    with tempfile.TemporaryDirectory() as folder:
        made = trainer(model, tokenizer, rows, settings, folder, ref_model=None)
        made.train()
    return [entry for entry in made.state.log_history if "loss" in entry]


# %% tags=["real"]
FEW, MANY = 1, lesson.size(5, smoke=2)


def work_per_step(run) -> tuple[float, list[float]]:
    """Seconds of one core per step, without what comes before the first one; and the losses."""
    spent = {}
    for steps in (FEW, MANY):
        started = time.process_time()
        log = run(steps)
        spent[steps] = time.process_time() - started
    return (spent[MANY] - spent[FEW]) / (MANY - FEW), [entry["loss"] for entry in log]


@lesson.real_experiment(seeds=6)
@threads(1)
def step_times(seed: int) -> dict[str, float]:
    plain, tokenizer = short_chat_model()
    torch.manual_seed(seed)
    model = with_lora(copy.deepcopy(plain), rank=16)
    rows = thumbs(24, 50_000 + seed)
    data = formats.unpaired(rows)
    told = formats.prompt_completion([(question, caption) for question, caption, _ in rows])

    def setting(steps: int, method: str = "kto") -> Settings:
        return Settings(method, 3e-4, steps, batch_size=4, beta=0.1, warmup_steps=0, seed=seed)

    arms = {
        "ours": lambda steps: train_fast(model, tokenizer, data, setting(steps)).log,
        "TRL": lambda steps: train_peft(with_peft(plain, model), tokenizer, data, setting(steps)),
        "ours, SFT": lambda steps: train_fast(model, tokenizer, told, setting(steps, "sft")).log,
    }
    measures, losses_of = {}, {}
    for name, run in arms.items():
        measures[f"{name}: seconds"], losses_of[name] = work_per_step(run)
        print(f"    {name}: {measures[f'{name}: seconds']:.2f} s a step", flush=True)
    apart = zip(losses_of["ours"], losses_of["TRL"], strict=True)
    measures["losses apart"] = max(abs(one - other) for one, other in apart)
    measures["TRL over ours"] = measures["TRL: seconds"] / measures["ours: seconds"]
    measures["KTO over SFT"] = measures["ours: seconds"] / measures["ours, SFT: seconds"]
    return measures


# %%
timed = lesson.measure(step_times, live=0)
if timed.records:
    plots.interval_plot(
        [
            timed.row("TRL over ours", "KTO: TRL and peft, times the plain loop"),
            timed.row("KTO over SFT", "plain loop: KTO, times SFT"),
        ],
        "ratio of the work of one step",
        alt="Interval plot of two ratios of step times, means: TRL with peft over the plain loop "
        f"{timed.interval('TRL over ours').mean:.2f}, KTO over SFT in the plain loop {timed.interval('KTO over SFT').mean:.2f}.",
        threshold=1.0,
        threshold_name="equal",
    )
    lesson.say(
        "A KTO step on four captions took {ours:.1f} s in the plain loop and {peft:.1f} s with TRL and peft (one core). Over {steps} steps their losses were never further apart than {apart:.0e}.",
        ours=timed.interval("ours: seconds").mean,
        peft=timed.interval("TRL: seconds").mean,
        steps=MANY,
        apart=max(timed.values("losses apart")),
    )

# %% tags=["real", "claim"]
lesson.claim(
    step_times,
    "TRL over ours",
    name="real: the plain loop is faster",
    statement="A step of KTO on SmolLM2-135M costs TRL's trainer more work than the plain loop, at the same losses.",
    prediction="a ratio above 1: logits for all tokens, and the reference asked at every step",
    scope="real",
    unit="times the work",
    above=1.0,
    expected="holds",
)
lesson.claim(
    step_times,
    "KTO over SFT",
    name="real: passes predict the ratio",
    statement="Counting token passes (4 for KTO's step in the plain loop, 2 for SFT's) predicts the ratio of their work within a fifth.",
    prediction="twice the work, within [1.6, 2.4]",
    talk=["T6"],
    scope="real",
    unit="times the work",
    within=(1.6, 2.4),
    expected="holds",
)

# %% [markdown]
# Where does TRL's extra work go? It makes logits for all tokens, the prompts' too, and asks the reference anew at every step; the rest is bookkeeping that the plain loop does without, and that you will want on several cards, or in mixed precision, or after a crash. If your data are seen more than once, `precompute_ref_log_probs` takes the reference out of TRL's steps as well.
#
# And the cost formula? For KTO against SFT, counting passes said twice the work. How far off that is, and to which side, can be read from the second row: on one machine, for short rows, no more is claimed.
#
# **What a rank buys.** 32 thumbs on captions, each seen once in 4 steps of KTO with LoRA, once with rank 16 and once with rank 1 (a sixteenth of the numbers). On held-out records in colors that nobody trained on: how often does the true caption's reward exceed the false one's (chance: one half), and by how many nats of log-ratio?

# %% tags=["real"]
RANK_STEPS = lesson.size(4, smoke=2)


def of_part(count: int, seed: int, part: str) -> list[tuple[str, str, str]]:
    """Questions with a true and a false caption, about scenes of one part of the data."""
    rng = random.Random(seed)
    scenes = [scene for scene in world.sample(12 * count + 100, seed=seed) if world.part_of(scene) == part]
    return [true_and_false(scene, rng) for scene in scenes[:count]]


def both_sides(model, tokenizer, triples) -> Tensor:
    """Log-probabilities of the true and of the false captions: (2, n), in nats."""
    sides = [[(triple[0], triple[side]) for triple in triples] for side in (1, 2)]
    return torch.stack([small.score(model, tokenizer, chats, batch=8) for chats in sides])


@lesson.real_experiment(seeds=6)
@threads(1)
def ranks(seed: int) -> dict[str, float]:
    plain, tokenizer = short_chat_model()
    triples = of_part(lesson.size(32, smoke=8), 60_000_000 + seed, "train")
    rows = [(q, false if i % 2 else true, i % 2 == 0) for i, (q, true, false) in enumerate(triples)]
    held_out = of_part(lesson.size(16, smoke=4), 70_000_000 + seed, "test")
    before, measures = both_sides(plain, tokenizer, held_out), {}
    for rank in (16, 1):
        torch.manual_seed(seed)
        model = with_lora(copy.deepcopy(plain), rank)
        settings = Settings("kto", 3e-4, RANK_STEPS, batch_size=8, beta=0.1, warmup_steps=0, seed=seed)
        started = time.process_time()
        run = train_fast(model, tokenizer, formats.unpaired(rows), settings)
        measures[f"rank {rank}: seconds"] = time.process_time() - started
        true, false = both_sides(run.model, tokenizer, held_out) - before
        measures[f"rank {rank}: accuracy"] = float((true > false).float().mean())
        measures[f"rank {rank}: margin"] = float((true - false).mean())
        measures[f"rank {rank}: true"] = float(true.mean())
        measures[f"rank {rank}: false"] = float(false.mean())
        measures[f"rank {rank}: last loss"] = run.log[-1]["loss"]
        print(f"    rank {rank}: accuracy {measures[f'rank {rank}: accuracy']:.3f}", flush=True)
    for name in ("accuracy", "margin"):
        measures[f"rank 1 less: {name}"] = measures[f"rank 1: {name}"] - measures[f"rank 16: {name}"]
    return measures


# %%
ranked = lesson.measure(ranks, live=0)
if ranked.records:
    plots.interval_plot(
        [
            ranked.row("rank 16: accuracy", "rank 16"),
            ranked.row("rank 1: accuracy", "rank 1"),
        ],
        "share of held-out records on which the true caption has the higher reward",
        alt="Interval plot of the reward accuracy on held-out records after KTO, means: rank 16 "
        f"{ranked.interval('rank 16: accuracy').mean:.2f}, rank 1 {ranked.interval('rank 1: accuracy').mean:.2f}; a line at chance, one half.",
        threshold=0.5,
        threshold_name="chance",
    )
    plots.table(
        [
            [
                f"rank {rank}",
                *(
                    ranked.interval(f"rank {rank}: {name}").mean
                    for name in ("accuracy", "margin", "true", "false")
                ),
            ]
            for rank in (16, 1)
        ],
        ["LoRA", "accuracy", "margin (nats)", "true captions moved", "false captions moved"],
        caption="Held-out records after 4 steps of KTO; means over the seeds",
    )

# %% tags=["real", "claim"]
lesson.claim(
    ranks,
    "rank 16: accuracy",
    name="real: KTO with LoRA learns",
    statement="Four steps of KTO with LoRA of rank 16 teach SmolLM2-135M to prefer true captions of held-out records to false ones, more than it did.",
    prediction="the true caption's reward is the higher one in more than half of the cases",
    talk=["T6"],
    scope="real",
    unit="of held-out records",
    above=0.5,
    expected="holds",
)
lesson.claim(
    ranks,
    "rank 1 less: accuracy",
    name="real: rank 1 is enough here",
    statement="Rank 1 prefers the true captions as often as rank 16 does.",
    prediction="equal within ±0.05: the LoRA paper reports that very small ranks suffice",
    scope="real",
    unit="of held-out records",
    within=(-0.05, 0.05),
    expected="inconclusive",
)
lesson.claim(
    ranks,
    "rank 1 less: margin",
    name="real: rank 1 moves less",
    statement="At the same learning rate rank 1 opens a smaller margin in four steps than rank 16.",
    prediction="a difference below 0: fewer numbers, each moved by as much",
    scope="real",
    unit="nats",
    below=0.0,
    expected="holds",
)


# %%
if ranked.records:
    lesson.say(
        "Rank 16 opens {times:.0f} times the margin of rank 1 ({wide:.2f} against {narrow:.2f} nats); rank 1 less rank 16 in accuracy: {less}.",
        times=ranked.interval("rank 16: margin").mean / ranked.interval("rank 1: margin").mean,
        wide=ranked.interval("rank 16: margin").mean,
        narrow=ranked.interval("rank 1: margin").mean,
        less=str(ranked.interval("rank 1 less: accuracy")),
    )

# %% [markdown]
# Compare the factor with that of the ranks. It is no sign of what rank 1 *could* learn. Our $\alpha$ grows with the rank, so $\alpha / r$ is 2 for both and the division of section 3 evens nothing out; AdamW moves every entry of $B$ by about the learning rate, and $B A x$ adds up $r$ such moves: so in the first steps the same learning rate would be a step about $r$ times as long. That would explain the factor; it was not tested with other learning rates. Still: whoever compares ranks at one learning rate compares learning rates. In accuracy, which asks for the direction only, rank 1 is not behind; with sixteen held-out records a seed the interval is too wide to call them equal. (An interval is symmetric, so it may run past 1.)

# %% [markdown]
# ### On a GPU
#
# Nobody has run this cell on a GPU yet; it was tried with stand-ins on a CPU only. Take what follows as a plan.
#
# The full run: the model of your machine's *tier* (its class by memory, found when the course starts; SmolLM2-360M-Instruct on 16 GB, Qwen2.5-0.5B-Instruct on 24 GB), some hundred public thumbs from `trl-lib/kto-mix-14k`, LoRA of rank 16. It is to print answers before and after, and what it cost beside what was predicted. On a T4 the frozen weights are in float16, the adapters in float32, and a scaler works as yours does; newer cards use bfloat16.


# %% tags=["real"]
PROBES = [
    "Why is the sky blue?",
    "Write two sentences about a cat.",
    "What should I do when my card is out of memory?",
]


def answers_of(model, tokenizer) -> list[str]:
    """One greedy answer to each probe."""
    answers = []
    for question in PROBES:
        chat = [{"role": "user", "content": question}]
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        asked = tokenizer(text, return_tensors="pt", add_special_tokens=False).to(model.device)
        drawn = model.generate(**asked, max_new_tokens=lesson.size(60, smoke=8), do_sample=False)
        answers.append(
            tokenizer.decode(drawn[0, asked.input_ids.shape[1] :], skip_special_tokens=True).strip()
        )
    return answers


def kto_arguments(steps: int, folder: str):
    from trl import KTOConfig

    tier = current_tier()
    return KTOConfig(
        output_dir=folder,
        max_steps=steps,
        per_device_train_batch_size=4,
        gradient_accumulation_steps=2,
        learning_rate=1e-4,
        warmup_steps=5,
        beta=0.1,
        logging_steps=1,
        max_length=512,
        use_cpu=tier.device == "cpu",
        fp16=tier.dtype == "float16",
        bf16=tier.dtype == "bfloat16",
        activation_checkpointing=False,
        dataloader_pin_memory=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


# %% tags=["real"]
def kto_on_public_thumbs(steps: int) -> dict | None:
    """Train the tier's model; its answers before and after, and what it cost. None if anything is missing."""
    from peft import LoraConfig
    from transformers import PrinterCallback
    from trl import KTOTrainer

    from helpers.models.hub_data import hub_slice

    loaded, data = real.language_model(), hub_slice("kto-mix", 8 * steps, longest=1500)
    if loaded is None or data is None:
        return None
    before = answers_of(loaded.model, loaded.tokenizer)
    cuda = loaded.model.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        adapter = LoraConfig(r=16, lora_alpha=32, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"])
        made = KTOTrainer(
            loaded.model,
            args=kto_arguments(steps, folder),
            train_dataset=data,
            processing_class=loaded.tokenizer,
            peft_config=adapter,
        )
        made.remove_callback(PrinterCallback)
        started = time.perf_counter()
        made.train()
        spent = time.perf_counter() - started
    after = answers_of(made.model.eval(), loaded.tokenizer)
    read = [tokens_of(loaded.tokenizer, row) for row in data]
    return {
        "model": loaded.name,
        "samples": list(zip(PROBES, before, after, strict=True)),
        "margins": [
            entry["rewards/margins"] for entry in made.state.log_history if "rewards/margins" in entry
        ],
        "seconds": spent,
        "tokens": sum(read),
        "longest": min(max(read), 512),
        "peak": torch.cuda.max_memory_allocated() if cuda else None,
        "config": loaded.model.config,
    }


def tokens_of(tokenizer, row: dict) -> int:
    text = tokenizer.apply_chat_template(row["prompt"] + row["completion"], tokenize=False)
    return len(tokenizer(text, add_special_tokens=False).input_ids)


# %% tags=["volatile"]
if current_tier().name == "cpu":
    lesson.say(
        "This machine's tier is cpu: nothing to do here. On a GPU tier this cell trains for some minutes."
    )
else:
    full_run = kto_on_public_thumbs(steps=lesson.size(100, smoke=3))
    if full_run:
        plots.table(full_run["samples"], ["question", "before", "after"], caption=full_run["model"])
        job = Job(
            full_run["config"],
            method="kto",
            trained="lora",
            reference="adapter off",
            precision=current_tier().dtype,
            batch=4,
            sequence=full_run["longest"],
        )
        peak = "unknown without CUDA" if full_run["peak"] is None else f"{full_run['peak'] / GIGA:.1f} GB"
        lesson.say(
            "{seconds:.0f} s for {tokens} tokens. Margin of the rewards: {first:.3f} at the first step, {last:.3f} at the last. Peak: {peak}; predicted for rows of the longest kind: {planned:.1f} GB.",
            seconds=full_run["seconds"],
            tokens=full_run["tokens"],
            first=full_run["margins"][0],
            last=full_run["margins"][-1],
            peak=peak,
            planned=predict(job).total / GIGA,
        )

# %% [markdown]
# ## Quiz

# %%
lesson.quiz("recap")

# %% [markdown]
# ## Recap
#
# - Four parts of the memory belong to parameters, two to tokens. With a small model and long rows the tokens' part is the larger one, and logits with a large vocabulary are a good deal of it: halve them, and the count of parameters has not changed.
# - The shapes are enough to predict the peak, here on a CPU; leave a margin for what an allocator keeps. Predict first, rent second.
# - Take the rung that makes the *largest* part small. Checkpointing, a precomputed reference and a loss in chunks leave the result as it is; LoRA, 8 bits and 4 bits change it a little; a smaller batch without accumulation changes it, too (with accumulation only KTO's z₀ does).
# - LoRA is one line. It saves gradients, optimizer, the reference's copy and some of the activations, but not most of them and not the logits.
# - float16 needs a scaler, bfloat16 needs sums in 32 bits, and both need 32-bit copies of whatever is trained.
# - Cost is a formula with one unknown, the utilization. Measure it in the first minute.
#
# **Limits of this demo.** Nothing here ran on a GPU: peaks are those of a CPU, where there is no CUDA context, no reserve that is lost between tensors and no kernels of another kind; the sentence of the calculator adds assumptions for them, and no measurement stands behind these. The planner was judged on jobs chosen by its author, and with the C library's default rule steps held more than predicted (section 2 says how much). Peaks are of one training step written for this course (all tokens of a row are scored), not of TRL's trainer, which makes its logits in tiles of its own. Mixed precision by autocast is not in the planner: its 16 bits mean weights in 16 bits. The traps of 16 bits are counted on numbers that were computed in 32 bits and then rounded, not in a training that runs in 16. Weights of the real model come from a 4-bit package, unless the hub's are on this machine. Prices are assumed. The comparison of ranks is one task, one setting of learning rate and four steps; full training was not compared.
#
# **References.** Hu et al., *LoRA: low-rank adaptation of large language models*, 2021. Dettmers et al., *QLoRA: efficient finetuning of quantized LLMs*, 2023, and *8-bit optimizers via block-wise quantization*, 2021. Micikevicius et al., *Mixed precision training*, 2017 (master weights and loss scaling). Chen et al., *Training deep nets with sublinear memory cost*, 2016 (checkpointing). Kaplan et al., *Scaling laws for neural language models*, 2020 (two operations per parameter and token). Ethayarajh et al., *KTO: model alignment as prospect theoretic optimization*, 2024.

# %% tags=["volatile"]
lesson.recap(peak=f"{guessed_peak / GIGA:.1f} GB", rung=f"{max(saved, key=saved.get)}, as the planner has it")
