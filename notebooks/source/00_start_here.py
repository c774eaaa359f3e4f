# %% [markdown]
# # 00 · Start here
#
# What does a machine need in order to know what "cat" means?
#
# That question runs through the whole course. It grows out of a talk, *Role of Synthetic Data and Multimodal Systems in AI Development* (on the channel Redpoint AI), and turns each of the talk's eleven claims, T1 to T11, into an experiment; README lists them. This first lesson checks your machine, shows you the small world in which we look for answers, and lets you take part in one complete experiment. After it you can
#
# - say what your machine can run;
# - write a sentence about a scene, and have it judged exactly;
# - explain what a claim, a control, a seed, an interval and a verdict are in this course;
# - say why one picture of our world cannot show which way an animal walks, and how a careless test hides that.

# %% tags=["volatile", "evidence"]
import helpers

lesson = helpers.begin("00")

# %% [markdown]
# ## Your machine
#
# Every lesson runs on two processor cores, without a graphics card and without a network. Where there is more, the course uses it.

# %% tags=["volatile"]
from helpers.course import doctor
from helpers.lesson import plots

findings = [f for f in doctor.examine() if f.what not in ("browser tests", "environment")]
plots.table([[f.what, f"{f.state} {f.text}"] for f in findings], ["part", "finding"])
lesson.say(
    "✔ is fine, · is fine too (the course goes on without it), ✘ must be mended first. Your next command, in a terminal: `{command}`",
    command=doctor.next_command(findings),
)

# %% [markdown]
# ## A small world that knows the truth
#
# A *scene* is a few words: a kind of animal, a color, a size, a place and a verb. From it the course draws a picture and a film and writes a caption. Because it knows what is so, it can judge any sentence: "the model makes up three verbs in ten" is a measurement here, not an impression.

# %%
from helpers import world

scene = world.Scene("cat", "orange", "big", "meadow", "walks left", seed=5)
print(world.describe(scene))
plots.picture_strip([world.draw(scene, 128)], ["a picture of it"], alt="A big orange cat in a green meadow.")
plots.film_strip(
    world.film(scene, frames=8, px=96), alt="Eight frames of a film: the cat moves from right to left."
)

# %% [markdown] tags=["slide-note"]
# Four animals, four places. The models of later lessons see pictures as small as 32 pixels.

# %%
scenes = [
    world.Scene("cat", "orange", "big", "meadow", "sits"),
    world.Scene("sheep", "white", "small", "snow", "sleeps"),
    world.Scene("elephant", "gray", "big", "beach", "sits"),
    world.Scene("frog", "green", "small", "night", "sits"),
]
plots.picture_strip(
    [world.draw(s, 96) for s in scenes],
    [world.describe(s) for s in scenes],
    alt="Four pictures: a cat in a meadow, a sleeping sheep in the snow, an elephant on a beach, a frog at night.",
)

# %% [markdown]
# ### Try it
#
# Choose an animal and what it does, then write a sentence of your own. What is it right about, and what does the world not understand?

# %%
lesson.widget("tour")

# %% [markdown]
# ## Your first exercise
#
# Exercises look like this card. Write the function, run its cell, then run the check below it. A check names the property that failed and the input it failed on, and never the answer. If you skip an exercise, the course uses its own solution, so everything after it still runs.
#
# > **Exercise 1 · `caption_for`** · ★☆☆ · 5 minutes
# >
# > Write a function that turns *any* scene into a true sentence which mentions its size, color, kind, verb and place, such as "A big orange cat walks left in the meadow."
# >
# > <details><summary>Hint 1</summary>An f-string does it: <code>f"A {scene.size} ..."</code>. Read the scene's words as <code>scene.color</code>, <code>scene.kind</code> and so on.</details>
# > <details><summary>Hint 2</summary>The words of <code>WHERE</code> fit behind the verb: <code>WHERE[scene.place]</code>.</details>

# %%
WHERE = {"meadow": "in the meadow", "snow": "in the snow", "beach": "on the beach", "night": "at night"}


def caption_for(scene: world.Scene) -> str:
    """A sentence about the scene that is true and leaves nothing out."""
    # BEGIN SOLUTION
    return f"A {scene.size} {scene.color} {scene.kind} {scene.verb} {WHERE[scene.place]}."
    # END SOLUTION


# %%
caption_for = lesson.check(caption_for)

# %% [markdown]
# Now your function writes the captions, and the world judges them.

# %%
for s in scenes:
    print(caption_for(s), "→ true" if world.verify(caption_for(s), s).true else "→ not true")

# %% [markdown]
# ## One experiment from beginning to end
#
# The talk behind this course says that film is a large untapped source of knowledge: "cat videos". So let us ask what a film holds that a picture does not. **Which way does the animal walk?** A film shows it at once. Does a single picture show it too?
#
# First commit to a guess. There is nothing to lose: the recap shows it beside the result.

# %%
lesson.predict(
    "one_frame",
    "Someone shows you one frame, drawn at random, of a film in which an animal walks. How often will you name its direction correctly?",
    choices=["nearly always", "in about 7 of 10 films", "in about half of the films", "hardly ever"],
)

# %% [markdown]
# We need something that looks. This function finds the animal's horizontal place in a frame: in every row of pixels the median color is taken as background, and what differs from it as animal.

# %% tags=["evidence"]
import numpy as np


def position(frame: np.ndarray) -> float:
    """Horizontal place of the animal in a frame (height, width, 3): 0 is the left edge, 1 the right one."""
    pixels = frame.astype(float)
    background = np.median(pixels, axis=1, keepdims=True)
    animal = (np.abs(pixels - background).sum(axis=-1) ** 2).sum(axis=0)  # one number per column
    return float((animal * np.arange(len(animal))).sum() / animal.sum() / len(animal))


# %% [markdown]
# > **Exercise 2 · `direction`** · ★☆☆ · 3 minutes
# >
# > From two positions, an earlier and a later one, say "walks left" or "walks right".
# >
# > <details><summary>Hint</summary>Positions grow from left to right.</details>


# %% tags=["evidence"]
def direction(earlier: float, later: float) -> str:
    """Which way something went that was at `earlier` first and at `later` afterwards."""
    # BEGIN SOLUTION
    return "walks right" if later > earlier else "walks left"
    # END SOLUTION


# %% tags=["evidence"]
direction = lesson.check(direction)

# %% [markdown]
# Now three ways to answer, on the same films. Each is called an *arm* of the experiment:
#
# - **two frames**: compare the first position with the last;
# - **one random frame**: an animal in the left half has probably walked to the left. This is the *control*, the arm that could sink the claim: if a single frame did as well as two, films would hold nothing new;
# - **always the first frame**: one frame as well, but a fixed one. A careless test might do this. Does it matter?
#
# Theory has a prediction for single frames. Play a film of "walks left" backwards, and you have a film of "walks right" with exactly the same frames. So a frame drawn at random is as likely in the one as in the other, and *no* method, however clever, can tell from it.

# %% tags=["evidence"]
from dataclasses import replace

from helpers.world import films, sample


@lesson.experiment(seeds=6)
def which_way(seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    count = lesson.size(200, smoke=20)
    verbs = rng.choice(["walks left", "walks right"], size=count)
    walks = [replace(s, verb=str(verb)) for s, verb in zip(sample(count, seed=seed), verbs, strict=True)]
    right = {"two frames": 0, "one random frame": 0, "first frame": 0}
    for scene, film in zip(walks, films(walks), strict=True):
        x = [position(frame) for frame in film]
        right["two frames"] += direction(x[0], x[-1]) == scene.verb
        # Is it right of the middle? Then it went right. Does it start left of the middle? Then it will go right.
        right["one random frame"] += direction(0.5, rng.choice(x)) == scene.verb
        right["first frame"] += direction(x[0], 0.5) == scene.verb
    return {way: hits / count for way, hits in right.items()}


# %% [markdown]
# One run could be luck. A **seed** fixes every random choice of a run; we repeat the experiment with six seeds that were chosen beforehand. Here all six run in front of you. Longer experiments run one seed live and read the others from files that `make evidence` wrote; they always say so.

# %%
ways = lesson.measure(which_way, live=6)

# %%
plots.interval_plot(
    [ways.row(way, way) for way in ("two frames", "one random frame", "first frame")],
    "share of films whose direction is named correctly",
    alt="Interval plot. Two frames: nearly all films right. One random frame: about half. Always the first frame: nearly all.",
    threshold=0.5,
    threshold_name="chance",
    band=(0.4, 0.6),
)

# %% [markdown]
# Each light dot is one seed. The diamond is their mean, and the bar is a 95% **interval**: were the experiment repeated many times, intervals made like this would catch the true value in 95 of 100 cases (lesson 01 builds one by hand). With two answers to choose from, guessing is right half of the time. Where two frames miss, our simple `position` was mistaken about where the animal is.
#
# A **claim** is a sentence with a region in which it holds, written down beforehand. Its **verdict** comes from the interval, never from the mean: it *holds* if the whole interval lies in the region, it *fails* if the whole interval lies outside, and otherwise it is *inconclusive*. A claim that there is nothing to see (a *null*) holds only if the whole interval lies within a margin around chance, the hatched band of the figure.

# %% tags=["claim"]
lesson.claim(
    which_way,
    "two frames",
    name="two frames show the direction",
    statement="Two frames of a film show which way an animal walks.",
    prediction="right in more than 9 of 10 films",
    talk=["T9"],
    scope="world",
    unit="of films",
    above=0.9,
    expected="holds",
)
lesson.claim(
    which_way,
    "one random frame",
    name="one random frame does not",
    statement="One frame, drawn at random, leaves one at chance (a null: margin ±0.1).",
    prediction="0.5: every single frame also occurs in the film played backwards",
    talk=["T9"],
    scope="world",
    unit="of films",
    within=(0.4, 0.6),
    expected="holds",
)
lesson.claim(
    which_way,
    "first frame",
    name="a fixed frame does not either",
    statement="Any one frame leaves one at chance, also when it is always the first.",
    prediction="0.5, for the same reason",
    talk=["T9"],
    scope="world",
    unit="of films",
    within=(0.4, 0.6),
    expected="fails",
)

# %% [markdown]
# ### Failure drill: the test that leaks
#
# The third claim fails, and that is the most useful of the three. (We had seen it fail in a trial run; it stands here because so many tests are built like it. The other seeds of LOG.md were fresh, and agree.) A walker that will go right starts on the left, so *where* it starts gives away where it goes. Nobody saw any motion; the test leaked. Had we reported only this test, we would have concluded that pictures hold the direction.
#
# The cure was the control: draw the frame at random, and the leak closes. Wherever a result of this course could have another cause, there is such a control beside it.

# %% [markdown]
# ## Where the course ends
#
# In the last part you build a model that watches films and writes captions. At first it makes things up; then it learns from thumbs up and thumbs down on its own captions, with a method called KTO, in one round or two.
# Lesson 13 measures this. The figure shows its runs, read from its file in `evidence/`; here they are a **forecast**: an illustration without a verdict. (The verdicts stand in lesson 13.)

# %% tags=["claim"]
from helpers.lesson import stored

RUNS = stored.read_evidence(stored.evidence_path("13"))
ARMS = {
    "before thumbs": ("two_rounds", "before: right"),
    "KTO on shuffled thumbs": ("other_stories", "shuffled thumbs: right"),
    "fine-tuning on thumbs up only": ("two_rounds", "imitator 1: right"),
    "KTO on thumbs, round 1": ("two_rounds", "KTO 1: right"),
    "KTO on thumbs, round 2": ("two_rounds", "KTO 2: right"),
    "fine-tuning on true captions": ("other_stories", "true captions: right"),
}
PREVIEW = {
    arm: [record[measure] for record in stored.stored_records(RUNS, experiment).values()]
    for arm, (experiment, measure) in ARMS.items()
}

# %%
from helpers.lesson.session import interval_row

if all(PREVIEW.values()):
    plots.interval_plot(
        [interval_row(arm, runs) for arm, runs in PREVIEW.items()],
        "share of captions of new films that are right in kind, color and verb",
        alt="Interval plot of six arms, a dot for each run; the means are "
        + ", ".join(f"{arm} {sum(runs) / len(runs):.2f}" for arm, runs in PREVIEW.items())
        + ".",
    )

# %% tags=["claim"]
lesson.forecast(
    PREVIEW["KTO on thumbs, round 2"],
    name="preview of lesson 13",
    statement="Thumbs teach a captioner to stop making things up (the runs of lesson 13).",
    prediction="more captions right than before thumbs (the first row of the figure)",
    talk=["T6", "T10"],
    unit="of captions",
)

# %% [markdown]
# Read the other rows too; each is there to keep the first impression honest. Shuffled thumbs do not help, so what helps should be the thumbs' meaning. Plain fine-tuning on the captions with a thumb up does as well in round 1: "KTO wins" would be more than these runs say. And where true captions can be had, fine-tuning on them does the job as well. Expect this course to tell you such things.

# %% [markdown]
# ## Dig deeper
#
# ### How the course works
#
# - **Tiers.** `cpu` is the default and needs nothing. With a CUDA graphics card of about 16 GB the tier `gpu` starts by itself, and the same lessons use larger models. `COURSE_TIER=cpu` switches it off.
# - **Live, cache, evidence.** What a cell says it ran, ran just now. Models that several lessons share are built once and kept in a *cache*. All seeds of all experiments are in `evidence/`, written by `make evidence`, and a test fails when they no longer fit the code.
# - **Scopes.** A claim about our small world has the scope *world*; one about a pretrained model or real pictures has the scope *real*; a *forecast* is only illustrated.
# - **Progress.** Quiz answers, predictions and exercises are kept on this computer and survive a restart.
# - **Stuck?** Open the hints of the card; then the folder `notebooks/solutions`, which has every lesson with its outputs.

# %% [markdown]
# ## Quiz

# %%
lesson.quiz("recap")

# %% [markdown]
# ## Recap
#
# - The course's world knows the truth about every scene, so that claims about models can be measured.
# - Order makes a film more than a heap of pictures; a careless test can hide that.
# - A claim has a control, several seeds, an interval and a verdict, and it may fail.
#
# **Limits of this demo.** Our animals look at you while they walk. In a photograph of a real cat the head shows where it is going; that clue is missing here on purpose. And one animal that walks at constant speed is the easiest film there is. The leak, too, had a simple cause; in real data sets it hides in the lighting, the camera or the caption.
#
# **References.** Kiela and colleagues' work on grounding words in pictures began the line that the talk draws (lessons 02 and 03 have the papers). Student, *The probable error of a mean*, 1908 (the interval). Ethayarajh et al., *KTO: Model alignment as prospect theoretic optimization*, 2024.

# %% tags=["volatile"]
lesson.recap(one_frame=f"right in {100 * ways.interval('one random frame').mean:.0f} of 100 films")
