"""A class trains the model of lesson 08 on its own thumbs: before and after, beside its controls.

Knows which thumbs are used, what is trained and measured, and what the table and the page say. Knows nothing
about how KTO works, nor about who gave which thumb: no name leaves the merge.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import settings, world
from helpers.course import page
from helpers.data import agreement, thumbs
from helpers.data.agreement import Agreement, Votes
from helpers.data.thumbs import Merged
from helpers.figures import short
from helpers.lesson import claims
from helpers.lesson.claims import Interval
from helpers.lesson.page import escape
from helpers.settings import CourseError
from helpers.world import Scene

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from helpers.preference.runs import Settings

LESSON = "08"
#: As in lesson 08: fewer of one kind say too little about the other.
ENOUGH = 3
SEEDS = 6
TEST_SIZE = 240
#: The model reads 64 tokens, a record among them: a caption with more words and signs than this is left out.
LONGEST = 40

_PIECES = re.compile(r" ?\w+|[^\w]")

Row = tuple[str, str, bool]
Values = dict[str, float]

CLASS, VERDICT, SHUFFLED = "the class's thumbs", "the verdict's thumbs", "control: shuffled thumbs"
_ABOUT = {
    "right": "share right",
    "habit": "kinds with a habit",
    "false": "with a false word",
    "valid": "a sentence at all",
}


@dataclass(frozen=True)
class Example:
    """One scene that nobody was asked about, and what the model writes before and after, each judged."""

    scene: Scene
    before: str
    after: str


@dataclass(frozen=True)
class Found:
    """What a training on a class's thumbs gave.

    Attributes:
        rows: one per answer: the majority's thumb.
        ties: answers on which as many said up as down: they are left out.
        left_out: thumbs of other lessons, or on what this lesson's model was never asked.
        base: what the model did before, one value per seed and measure.
        arms: by name, what it does after training, likewise.
        examples: six scenes, captioned before and after by the first seed's model.
        seconds: what training and measuring took.
    """

    rows: list[Row]
    ties: int
    left_out: int
    base: list[Values]
    arms: dict[str, list[Values]]
    examples: list[Example]
    seconds: float

    def interval(self, arm: str, measure: str) -> Interval:
        """Mean and 95% interval over the seeds; "before" is the model as it was."""
        return claims.interval([values[measure] for values in self._of(arm)])

    def gain(self, arm: str, over: str, measure: str = "right") -> Interval:
        """`arm` minus `over`, paired by seed."""
        pairs = zip(self._of(arm), self._of(over), strict=True)
        return claims.interval([one[measure] - other[measure] for one, other in pairs])

    def _of(self, arm: str) -> list[Values]:
        return self.base if arm == "before" else self.arms[arm]


def lesson_settings() -> Settings:
    """KTO as lesson 08 runs it; a test holds it to the notebook's own line."""
    from helpers.preference.runs import Settings

    return Settings("apo_zero_unpaired", learning_rate=3e-4, steps=60, batch_size=32, beta=2.0)


# --- which thumbs -------------------------------------------------------------------------------------------


def usable(merged: Merged) -> tuple[list[Votes], int]:
    """The lesson's answers with their votes, and how many thumbs are on anything else.

    A thumb of another lesson, on a prompt that is no record of the world, or on a caption longer than the
    model reads, is left out: one learner's odd file must not stop a class.
    """
    given = [thumb for thumb in merged.thumbs if thumb.label is not None]
    fits = [
        thumb
        for thumb in given
        if thumb.lesson == LESSON
        and agreement.scene_told(thumb.prompt) is not None
        and len(thumb.completion) <= 10 * LONGEST
        and len(_PIECES.findall(thumb.completion)) <= LONGEST
    ]
    return agreement.votes_of(fits), len(given) - len(fits)


def majority(votes: Sequence[Votes]) -> tuple[list[Row], int]:
    """One row per answer, with the majority's thumb, and how many ties were left out.

    Raises:
        CourseError: if there are too few of one kind to learn from.
    """
    rows = [(v.prompt, v.completion, v.majority) for v in votes if v.majority is not None]
    ups = sum(row[2] for row in rows)
    if min(ups, len(rows) - ups) < ENOUGH:
        raise CourseError(
            f"Too few thumbs to train on: the class's majority has {ups} up and {len(rows) - ups} down for "
            f"lesson {LESSON}; let people judge more, until there are at least {ENOUGH} up and {ENOUGH} down."
        )
    return rows, len(votes) - len(rows)


# --- training and measuring ---------------------------------------------------------------------------------


def train(merged: Merged, progress: Callable[[str], None] = lambda what: None) -> Found:
    """Train lesson 08's base on a class's thumbs, and on two comparisons, over six seeds.

    A seed decides the order of the rows, which thumbs the control exchanges, and its own 240 records of the
    test. The base is one and the same: the one whose captions were judged.

    Args:
        progress: told what was just done, once per model that is measured.

    Raises:
        CourseError: if there are too few thumbs.
    """
    from helpers.models import base

    votes, left_out = usable(merged)
    rows, ties = majority(votes)
    began = time.perf_counter()
    model, tokenizer = base.base(settings.seeds(1)[0])
    arms: dict[str, list[Values]] = {CLASS: [], VERDICT: [], SHUFFLED: []}
    before, examples = [], []
    for seed in settings.seeds(SEEDS):
        before.append(measured(model, tokenizer, seed))
        progress(f"seed {seed}: before")
        for arm, given in _arms(rows, seed).items():
            trained = _trained(model, tokenizer, given, seed)
            arms[arm].append(measured(trained, tokenizer, seed))
            progress(f"seed {seed}: {arm}")
            if arm == CLASS and not examples:
                examples = _examples(model, trained, tokenizer)
    return Found(rows, ties, left_out, before, arms, examples, time.perf_counter() - began)


def _arms(rows: Sequence[Row], seed: int) -> dict[str, list[Row]]:
    """The same answers with the class's thumbs, the world's, and the class's in random order."""
    labels = [up for _, _, up in rows]
    random.Random(seed).shuffle(labels)
    return {
        CLASS: list(rows),
        VERDICT: [(prompt, answer, bool(agreement.verdict(prompt, answer))) for prompt, answer, _ in rows],
        SHUFFLED: [(prompt, answer, up) for (prompt, answer, _), up in zip(rows, labels, strict=True)],
    }


def _trained(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: list[Row], seed: int
) -> PreTrainedModel:
    """The model after KTO on these rows, weighted by the counts; as it was, if all thumbs are of one kind."""
    from helpers import data
    from helpers.preference.fast import train_fast

    ups = sum(up for *_, up in rows)
    downs = len(rows) - ups
    if not (ups and downs):
        return model
    weights = {"desirable_weight": max(1.0, downs / ups), "undesirable_weight": max(1.0, ups / downs)}
    return train_fast(
        model, tokenizer, data.unpaired(rows), replace(lesson_settings(), seed=seed, **weights)
    ).model


def measured(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, seed: int) -> Values:
    """What a model does on 240 records of the test, whose pairs of color and kind nobody was asked about."""
    from helpers.models import base
    from helpers.preference import measure

    scenes = base.records(TEST_SIZE, 50_000 + seed, "test")
    right = measure.accuracy(model, tokenizer, scenes)
    said = measure.samples(model, tokenizer, scenes, seed)
    verdicts = [world.verify(caption, scene) for caption, scene in zip(said.captions, scenes, strict=True)]
    habit = [scene.kind in base.HABITS for scene in scenes]
    return {
        "right": right.mean().item(),
        "habit": right[habit].mean().item(),
        "false": sum(bool(verdict.wrong) for verdict in verdicts) / len(verdicts),
        "valid": said.valid,
    }


def _examples(
    before: PreTrainedModel, after: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> list[Example]:
    """The six scenes of the lesson's section 5, with each model's likeliest caption."""
    from helpers.models import base, small

    unseen = base.records(60, seed=9, part="test")
    scenes = [s for s in unseen if s.kind in base.HABITS][:4]
    scenes += [s for s in unseen if s.kind not in base.HABITS][:2]
    prompts = [world.record(scene) for scene in scenes]
    said = [small.sample(model, tokenizer, prompts, seed=3, temperature=0) for model in (before, after)]
    return [Example(*one) for one in zip(scenes, *said, strict=True)]


# --- in words -----------------------------------------------------------------------------------------------


def verdict_words(found: Found) -> str:
    """What came out, in one sentence that follows from the intervals."""
    gain, control = found.gain(CLASS, "before"), found.gain(CLASS, SHUFFLED)
    if gain.low > 0 and control.low > 0:
        return (
            f"The class's thumbs taught the model: {_signed(gain)} right, and more than shuffled thumbs do."
        )
    if gain.low > 0:
        return (
            f"The model got better ({_signed(gain)} right), but not surely more than with the same thumbs "
            "shuffled: what the class said is not shown to be the reason."
        )
    if gain.high < 0:
        return f"The class's thumbs made the model worse: {_signed(gain)} right. What did they reward?"
    return f"No sure change: {_signed(gain)} right, and the interval holds 0."


def table(found: Found) -> list[list[str]]:
    """A row per arm: its name, then mean and interval of each measure."""
    arms = ["before", *found.arms]
    return [[arm, *(_brief(found.interval(arm, measure)) for measure in _ABOUT)] for arm in arms]


def report(found: Found) -> str:
    """The result for a terminal."""
    rows = [["", *_ABOUT.values()], *table(found)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["", _used(found), ""]
    lines += [
        "  ".join(cell.ljust(width) for cell, width in zip(r, widths, strict=True)).rstrip() for r in rows
    ]
    return "\n".join([*lines, "", verdict_words(found), _COVERS, f"{found.seconds:.0f} s."])


_COVERS = (
    f"Mean and 95% interval (Student t) over {SEEDS} seeds: each its own order of the thumbs and its own "
    f"{TEST_SIZE} test records. Another class, or another base, may differ by more."
)


def _used(found: Found) -> str:
    ups = sum(up for *_, up in found.rows)
    downs = len(found.rows) - ups
    words = f"Trained on {len(found.rows)} answers, the majority's thumb each: {ups} up, {downs} down."
    if found.ties:
        words += f" Left out: {found.ties} with as many up as down."
    if found.left_out:
        words += f" Not used: {found.left_out} thumbs of other lessons or on other prompts."
    return words


def _brief(span: Interval) -> str:
    return f"{span.mean:.2f} [{span.low:.2f}, {span.high:.2f}]".replace("-", "−")


def _signed(span: Interval) -> str:
    sign = "+" if span.mean > 0 else ""
    return f"{sign}{short(span.mean)} [{short(span.low)}, {short(span.high)}]"


# --- the page -----------------------------------------------------------------------------------------------


def run(folder: Path, build_dir: Path | None = None) -> int:
    """Merge, train, print the table, and write ``class/index.html``. Returns 0.

    Raises:
        CourseError: if there is nothing to merge or too few thumbs to train on.
    """
    from tqdm.auto import tqdm

    merged = thumbs.merge(folder)
    measured_agreement = agreement.measure(merged.thumbs)
    print("\n".join([thumbs.totals(merged), *thumbs.to_look_at(merged)]))
    print(agreement.report(measured_agreement))
    majority(usable(merged)[0])  # refused before anything is loaded
    with tqdm(total=SEEDS * 4, desc="Training and measuring", leave=False) as bar:
        found = train(merged, lambda what: bar.update())
    print(report(found))
    path = (build_dir or settings.build_dir()) / "class" / "index.html"
    page.save(path, page.document("What our thumbs taught the model", _body(measured_agreement, found)))
    print(f"The page for the projector: {path}")
    return 0


def _body(agreed: Agreement, found: Found) -> str:
    parts = [
        "<h1>What our thumbs taught the model</h1>",
        f"<p class='lead'>{escape(verdict_words(found))}</p>",
        f"<p class='soft'>{escape(_used(found))}</p>",
        _picture(found),
        f"<p class='soft'>{escape(_COVERS)}</p>",
        _numbers(["", *_ABOUT.values()], table(found), "Before and after"),
        "<p class='soft'>Shares of captions, all by the world's exact verdict. Kinds with a habit: the share "
        "right where the model has read, say, that pigs are pink, whatever the record said. With a false "
        "word: the caption says something of the scene that is not so. The verdict's thumbs: what a judge "
        "who never errs would have taught with the same captions. Shuffled: the class's thumbs, dealt out "
        "to the same captions at random.</p>",
        "<h2>Six scenes that nobody was asked about</h2>",
        _examples_html(found.examples),
        *_agreement_html(agreed),
    ]
    return "\n".join(part for part in parts if part)


def _picture(found: Found) -> str:
    """A bar per arm on one axis from 0 to 1: its mean as a diamond, its interval as a line."""
    rows, height = ["before", *found.arms], 34
    left, width = 210, 440
    spans = [found.interval(arm, "right") for arm in rows]

    def x(value: float) -> float:
        return left + width * min(1.0, max(0.0, value))

    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(
            f"<path d='M{x(tick):.0f} 4v{height * len(rows)}' stroke='var(--line)'/>"
            f"<text x='{x(tick):.0f}' y='{height * len(rows) + 22}' text-anchor='middle'>{tick:g}</text>"
        )
    for number, (arm, span) in enumerate(zip(rows, spans, strict=True)):
        y = height * number + 22
        parts.append(
            f"<text x='{left - 12}' y='{y + 5}' text-anchor='end'>{escape(arm)}</text>"
            f"<path d='M{x(span.low):.1f} {y}H{x(span.high):.1f}' stroke='var(--accent)' stroke-width='4'/>"
            f"<path d='M{x(span.mean):.1f} {y - 7}l7 7-7 7-7-7z' fill='var(--accent)'/>"
            f"<text x='{x(max(span.high, span.mean)) + 10:.0f}' y='{y + 5}'>{span.mean:.2f}</text>"
        )
    alt = "Share of right captions: " + "; ".join(
        f"{arm} {_brief(span)}" for arm, span in zip(rows, spans, strict=True)
    )
    return (
        f"<figure><svg class='wide' viewBox='0 0 {left + width + 60} {height * len(rows) + 32}' "
        f"role='img' aria-label='{escape(alt)}' font-size='14' fill='currentColor'>{''.join(parts)}</svg>"
        "<figcaption>Share of right captions on records that nobody was asked about</figcaption></figure>"
    )


def _examples_html(examples: Sequence[Example]) -> str:
    from helpers.lesson import plots

    cards = []
    for one in examples:
        told = world.record(one.scene)
        picture = plots.picture_html(world.draw(one.scene), f"A picture of this scene: {told}.", scale=2)
        lines = "".join(
            f"<p><small>{when}</small>{_judged(caption, one.scene)}</p>"
            for when, caption in (("before", one.before), ("after", one.after))
        )
        cards.append(f"<figure>{picture}<figcaption>The record: {escape(told)}</figcaption>{lines}</figure>")
    return f"<div class='cards'>{''.join(cards)}</div>"


def _judged(caption: str, scene: Scene) -> str:
    verdict = world.verify(caption, scene)
    good = verdict.true and verdict.complete
    mark = "<span class='good'>✔ right</span>" if good else "<span class='bad'>✘ not right</span>"
    return f"{escape(caption) or '<em>nothing at all</em>'} {mark}"


def _agreement_html(found: Agreement) -> list[str]:
    parts = ["<h2>Do we agree with each other?</h2>"]
    if found.observed is not None:
        parts.append(f"<p>Two thumbs on one caption agree in {found.observed:.0%} of cases.</p>")
    parts.append(f"<p>{escape(agreement.fleiss_words(found))} {escape(agreement.cohen_words(found))}</p>")
    worst = agreement.divided(found, 10)
    if worst:
        rows = [[_cut(v.completion), _cut(v.prompt), str(v.ups), str(v.downs)] for v in worst]
        parts.append("<h3>The captions that divide us most</h3>")
        parts.append(_numbers(["caption", "the record", "up", "down"], rows, "Captions that divide us", 2))
    if found.accuracies:
        parts.append("<h2>Do we agree with the world?</h2>")
        if found.majority:
            parts.append(
                f"<p>The majority agrees with the world's verdict on {found.majority.right} of "
                f"{found.majority.judged} captions. Here is everybody, from the highest to the lowest; "
                "who is who is not kept.</p>"
            )
        rows = [
            [f"student {rank}", f"{one.right} of {one.judged}", f"{one.share:.0%}"]
            for rank, one in enumerate(found.accuracies, start=1)
        ]
        parts.append(_numbers(["", "thumbs as the verdict's", "share"], rows, "Each student"))
    return parts


def _numbers(head: list[str], rows: list[list[str]], caption: str, texts: int = 1) -> str:
    """A table whose first `texts` columns are text and the others numbers; all of it is escaped."""
    made = []
    for row in rows:
        first = f"<th scope='row'>{escape(row[0])}</th>"
        cells = "".join(
            f"<td class='{'text' if i < texts else 'number'}'>{escape(cell)}</td>"
            for i, cell in enumerate(row[1:], start=1)
        )
        made.append(f"<tr>{first}{cells}</tr>")
    return page.table(head, made, caption, head[texts:])


def _cut(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:119]}…"
