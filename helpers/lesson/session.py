"""The `lesson` object that a notebook talks to.

Ties together what the other modules of this folder do, one method for each thing a cell may ask for. It
knows the lesson's number, its checks and its progress; the lesson's idea is in the notebook, never here.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from helpers import __version__, manifest, settings
from helpers.lesson import access, claims, clock, page, plots, stored
from helpers.lesson.progress import Progress
from helpers.lesson.reference import reference
from helpers.lesson.say import say
from helpers.manifest import LessonEntry
from helpers.settings import CourseError

Record = dict[str, float]


@dataclass(frozen=True)
class Experiment:
    """A function from a seed to measures by name, to be run for `seeds` seeds.

    A `real` one trains a real model, which takes minutes a seed: `make real` runs it, and no notebook does.
    """

    name: str
    seeds: int
    function: Callable[[int], Record]
    real: bool = False

    def __call__(self, seed: int) -> Record:
        return {measure: float(value) for measure, value in self.function(seed).items()}


@dataclass(frozen=True)
class Results:
    """What an experiment gave: records per seed, run live here or stored by `make evidence`."""

    experiment: Experiment
    live: dict[int, Record] = field(default_factory=dict)
    stored: dict[int, Record] = field(default_factory=dict)

    @property
    def records(self) -> dict[int, Record]:
        """Per seed, the stored record, or the live one where none is stored."""
        return {**self.live, **self.stored}

    def values(self, measure: str) -> list[float]:
        """One value per seed, in the order of the seeds.

        Raises:
            CourseError: if the experiment has no such measure.
        """
        return [_measure(record, measure) for _, record in sorted(self.records.items())]

    def interval(self, measure: str) -> claims.Interval:
        """Mean and 95% interval of `measure` over the seeds."""
        return claims.interval(self.values(measure))

    def row(self, measure: str, label: str) -> plots.IntervalRow:
        """`measure` as a row of an interval plot."""
        return interval_row(label, self.values(measure))


def interval_row(label: str, values: Sequence[float]) -> plots.IntervalRow:
    """A row of an interval plot: one value per seed, with their mean and 95% interval."""
    span = claims.interval(values)
    return plots.IntervalRow(label, values, span.mean, span.low, span.high)


def _measure(record: Record, measure: str) -> float:
    if measure not in record:
        raise CourseError(
            f"There is no measure {measure!r}; this experiment has {', '.join(sorted(record))}."
        )
    return record[measure]


class Lesson:
    """One lesson in one kernel. Made by :func:`helpers.begin`."""

    def __init__(self, entry: LessonEntry, following: str | None) -> None:
        """Open the lesson of a manifest `entry`; `following` is the next one's name."""
        self.number = entry.id
        self._entry = entry
        self._next = following
        self._started = time.perf_counter()
        self._exercises = importlib.import_module(f"helpers.exercises.e{entry.name}")
        self._progress = Progress(entry.id)
        self._evidence = self._read_evidence()
        self._predictions: dict[str, Any] = {}
        self.experiments: dict[str, Experiment] = {}
        self.results: dict[str, Results] = {}
        self.claims: dict[str, claims.Claim] = {}

    # --- experiments and claims -----------------------------------------------------------------------------

    def size(self, full: int, smoke: int) -> int:
        """`full`, or `smoke` when the course runs at its smallest size (COURSE_SMOKE=1)."""
        return smoke if settings.smoke() else full

    def experiment(self, seeds: int) -> Callable[[Callable[[int], Record]], Experiment]:
        """Decorator: make a function ``seed -> {measure: value}`` an experiment over `seeds` seeds.

        `make evidence` runs it for all of them; a notebook runs some live with :meth:`measure`.
        """
        return lambda function: self._register(function, seeds, real=False)

    def real_experiment(self, seeds: int) -> Callable[[Callable[[int], Record]], Experiment]:
        """Decorator like :meth:`experiment`, for one that trains a real model.

        `make real` runs it for all its seeds; a notebook reads what is stored, with ``measure(…, live=0)``.
        Its cells, and those of its claims, carry the tag ``real``.
        """
        return lambda function: self._register(function, seeds, real=True)

    def _register(self, function: Callable[[int], Record], seeds: int, real: bool) -> Experiment:
        experiment = Experiment(function.__name__, seeds, function, real)
        self.experiments[experiment.name] = experiment
        return experiment

    def measure(self, experiment: Experiment, live: int) -> Results:
        """Run the first `live` seeds here and now; take all the others from the evidence, and say so.

        Raises:
            CourseError: if a real experiment is to be run live.
        """
        if experiment.real and live:
            raise CourseError(
                f"{experiment.name} trains a real model, minutes a seed: read it with live=0; "
                "`make real` runs it."
            )
        chosen = settings.seeds(experiment.seeds)
        records = {seed: experiment(seed) for seed in chosen[:live]}
        results = Results(experiment, records, self._stored(experiment))
        self.results[experiment.name] = results
        rest = [seed for seed in chosen if seed in results.stored and seed not in records]
        sentences = []
        if records:
            sentences.append(f"Ran live just now: {_seed_words(list(records))}.")
        command = "make real" if experiment.real else "make evidence"
        if rest:
            path = stored.evidence_path(self.number, real=experiment.real)
            file = path.relative_to(settings.ROOT).as_posix()
            nothing = "Nothing is trained here. " if experiment.real else ""
            sentences.append(f"{nothing}Read from `{file}`, where `{command}` put them: {_seed_words(rest)}.")
        say(" ".join(sentences) or f"Nothing was run and nothing is stored: `{command}` measures this.")
        return results

    def results_of(self, experiment: Experiment) -> Results:
        """What :meth:`measure` gave, or the evidence alone when the experiment was not run in this kernel."""
        return self.results.get(experiment.name, Results(experiment, {}, self._stored(experiment)))

    def use_evidence(self, evidence: dict[str, Any]) -> None:
        """Take stored values from `evidence` (the content of an evidence file) from now on."""
        self._evidence = evidence

    def _read_evidence(self) -> dict[str, Any]:
        """The experiments of both evidence files; a damaged one is told, and the lesson goes without."""
        found = stored.nothing()
        for real in (False, True):
            try:
                evidence = stored.read_evidence(stored.evidence_path(self.number, real=real))
                found["experiments"].update(evidence["experiments"])
            except CourseError as error:
                say("{error}", error=str(error))
        return found

    def _stored(self, experiment: Experiment) -> dict[int, Record]:
        records = stored.stored_records(self._evidence, experiment.name)
        return {seed: records[seed] for seed in settings.seeds(experiment.seeds) if seed in records}

    def claim(
        self,
        experiment: Experiment,
        measure: str,
        *,
        name: str,
        statement: str,
        prediction: str,
        scope: Literal["world", "real"],
        unit: str,
        expected: claims.Verdict | None = None,
        talk: Sequence[str] = (),
        above: float | None = None,
        below: float | None = None,
        within: tuple[float, float] | None = None,
        tolerance: float = 0.02,
        repeatable: bool = True,
    ) -> None:
        """Record a claim about `measure` in the ledger, and show its row.

        Exactly one of `above`, `below` and `within` names the region in which the claim holds. `tolerance`
        (in `unit`) is how far a live value may lie from the stored value of the same seed; what another
        machine cannot repeat, such as a training, must only lie where one more seed would. On a GPU tier a
        real experiment runs live on another model than the stored values are of: they are not compared, and
        the row says so.

        Raises:
            CourseError: if the region is missing or doubled, or another statement has the claim's name.
        """
        results = self.results_of(experiment)
        pick = {seed: _measure(record, measure) for seed, record in sorted(results.records.items())}
        live = {seed: _measure(record, measure) for seed, record in results.live.items()}
        known = {seed: _measure(record, measure) for seed, record in results.stored.items()}
        apart = _other_models() if scope == "real" and known else None
        claim = claims.Claim(
            lesson=self.number,
            name=name,
            experiment=experiment.name,
            measure=measure,
            talk=list(talk),
            scope=scope,
            statement=statement,
            prediction=prediction,
            unit=unit,
            seeds=list(pick),
            values=list(pick.values()),
            rule=_rule(above, below, within),
            expected=expected,
            live=live,
            live_agrees=(
                None if settings.smoke() or apart else claims.agrees(live, known, tolerance, repeatable)
            ),
        )
        self._record(claim)
        if apart and live:
            say(
                "The interval is of the CPU tier's models; the live run, on those of tier {tier}, "
                "gave {values} {unit}.",
                tier=apart,
                values=", ".join(format(value, ".3g") for value in live.values()),
                unit=unit,
            )

    def forecast(
        self,
        values: Sequence[float],
        *,
        name: str,
        statement: str,
        prediction: str,
        unit: str,
        talk: Sequence[str] = (),
    ) -> None:
        """Record a forecast: `values` illustrate it, and it gets no verdict."""
        self._record(
            claims.Claim(
                lesson=self.number,
                name=name,
                experiment=None,
                measure=None,
                talk=list(talk),
                scope="forecast",
                statement=statement,
                prediction=prediction,
                unit=unit,
                seeds=[],
                values=list(values),
                rule=None,
                expected=None,
            )
        )

    def _record(self, claim: claims.Claim) -> None:
        earlier = self.claims.get(claim.name)
        if earlier and earlier.statement != claim.statement:
            raise CourseError(f"Two claims are named {claim.name!r}; give this one another name.")
        self.claims[claim.name] = claim
        _append_to_ledger(claim)
        _show_card(claim)

    # --- the learner ----------------------------------------------------------------------------------------

    def predict(self, key: str, question: str, **options: Any) -> None:
        """Ask the learner to commit to a guess before the result; the recap shows it beside the measurement.

        `options` are those of :func:`helpers.lesson.predict.predict`.
        """
        from helpers.lesson.predict import predict

        self._predictions[key] = predict(self._progress, key, question, **options)

    def check(self, attempt: Callable[..., Any]) -> Callable[..., Any]:
        """Judge the learner's function, and return the one to go on with: theirs if it passes, else the
        reference.

        It never raises for a wrong or missing attempt, so "Run All" reaches the end.
        """
        from helpers.lesson.checks import check_exercise

        name = getattr(attempt, "__name__", str(attempt))
        check = self._exercises.CHECKS.get(name)
        if check is None:
            known = ", ".join(self._exercises.CHECKS)
            raise CourseError(f"This lesson has no exercise {name!r}; it has {known}.")
        if getattr(attempt, "is_reference", False):
            # After a failed check the name stands for the reference; judging that would praise the learner.
            say(
                "Run the cell with your `{name}` first and see it end without an error, then this one.",
                name=name,
            )
            return attempt
        solution = self.reference(name)
        solution.is_reference = True
        function, status = check_exercise(check, attempt, solution)
        self._progress.set(f"exercise:{name}", status)
        return function

    def reference(self, name: str) -> Callable[..., Any]:
        """The course's own solution of exercise `name`."""
        return reference(self._entry.source(settings.ROOT), name)

    def widget(self, name: str, **data: Any) -> None:
        """Show the lesson's widget `name`, made from `data`."""
        self._exercises.WIDGETS[name](**data).show()

    def quiz(self, name: str) -> None:
        """Show the lesson's quiz `name`; answers are kept."""
        from helpers.lesson.quiz import Quiz

        advise = getattr(self._exercises, "ADVICE", {}).get(name)
        Quiz(self._exercises.QUIZZES[name], self._progress, f"quiz:{name}", advise).show()

    def say(self, template: str, **numbers: Any) -> None:
        """Show a sentence with computed numbers in it; see :func:`helpers.lesson.say.say`."""
        say(template, **numbers)

    def recap(self, **measured: str) -> None:
        """The learner's predictions beside what was `measured`; claims, costs, and what comes next."""
        for key, prediction in self._predictions.items():
            prediction.show_beside_result(measured[key])
        rows = [_claim_cells(claim) for claim in self.claims.values()]
        if rows:
            plots.table(rows, ["claim", "predicted", "measured (95% interval)", "verdict"])
        say(
            "This run took {seconds:.0f} s, and this kernel's memory peaked at {peak:.0f} MB.",
            seconds=time.perf_counter() - self._started,
            peak=peak_megabytes(),
        )
        self._progress.set("finished", True)
        self.download()
        if self._next:
            say("Next: {name}.", name=self._next)
        else:
            say("This is the last lesson so far.")

    def download(self, *folders: Path | str) -> None:
        """Show a button that packs the learner's results into one file, with whole `folders` if any."""
        from helpers.lesson.download import Download

        Download(self.number, [claim.row() for claim in self.claims.values()], folders).show()


def begin(number: str) -> Lesson:
    """Start lesson `number`, print what this kernel runs on, and return the lesson.

    Raises:
        CourseError: if the course has no such lesson.
    """
    settings.quiet()
    # Every table that is put together would leave a bar in the notebook; datasets reads this when it loads.
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    entries = manifest.load().lessons
    ids = [entry.id for entry in entries]
    if number not in ids:
        raise CourseError(f"There is no lesson {number!r}; the course has {', '.join(ids)}.")
    position = ids.index(number)
    following = entries[position + 1].name if position + 1 < len(entries) else None
    lesson = Lesson(entries[position], following)
    access.install()
    print(_environment_line(number))
    clock.install(number)
    return lesson


def peak_megabytes() -> float:
    """The highest resident memory of this process so far, in megabytes (the present one on Windows)."""
    try:
        import resource
    except ImportError:
        import psutil

        return psutil.Process().memory_info().rss / 2**20
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (2**20 if platform.system() == "Darwin" else 2**10)


def _other_models() -> str | None:
    """The name of the tier if its real models are not those that evidence is made with, which are "cpu"'s."""
    from helpers.models.tiers import current_tier

    name = current_tier().name
    return None if name == "cpu" else name


def _environment_line(number: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    from helpers.models.tiers import current_tier

    parts = [f"Lesson {number}", f"course {__version__}", f"Python {platform.python_version()}"]
    for package in ("torch", "transformers"):
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            parts.append(f"{package} missing")
    tier = current_tier()
    parts += [f"tier {tier.name}", f"seed {settings.course_seed()}"]
    return " · ".join(parts) + (f"\n{tier.note}" if tier.note else "")


def _seed_words(seeds: list[int]) -> str:
    if not seeds:
        return "no seed"
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    return f"seeds {seeds[0]} to {seeds[-1]}"


def _rule(above: float | None, below: float | None, within: tuple[float, float] | None) -> claims.Rule:
    if sum(region is not None for region in (above, below, within)) != 1:
        raise CourseError("Give a claim exactly one of above, below and within.")
    if within is not None:
        return claims.Rule(*within)
    return claims.Rule(low=above) if above is not None else claims.Rule(high=below)


def _claim_cells(claim: claims.Claim) -> list[str]:
    measured = f"{claim.measured} {claim.unit}" if claim.measured else "not measured yet"
    if claim.live_agrees is False:
        measured += " — but the live run disagrees"
    return [claim.statement, claim.prediction, measured, claim.verdict or "forecast"]


def _show_card(claim: claims.Claim) -> None:
    statement, prediction, measured, verdict = _claim_cells(claim)
    if claim.rule is None:
        title = f"Forecast: {statement}"
        about = [f"Predicted: {prediction}", f"Illustrated by {len(claim.values)} runs: {measured}"]
    else:
        title = f"Claim, {verdict}: {statement}"
        about = [f"Predicted: {prediction}", f"Measured over {len(claim.values)} seeds: {measured}"]
    facts = [f"scope {claim.scope}"] + [f"claim {talk} of the talk" for talk in claim.talk]
    about.append(" · ".join([f"holds if {claim.rule}", *facts] if claim.rule else facts))
    body = "<br>".join(page.escape(line) for line in about)
    # The same neutral mark whatever the verdict: a claim that fails is a finding, not an error.
    page.show_html(page.card_html("note", title, body), page.card_text("note", title, "; ".join(about)))


def _append_to_ledger(claim: claims.Claim) -> None:
    path = os.environ.get("COURSE_LEDGER")
    if path:
        with open(path, "a", encoding="utf-8") as ledger:
            ledger.write(json.dumps(claim.row(), ensure_ascii=False) + "\n")
