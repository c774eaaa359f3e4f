"""Evidence: every experiment of a lesson, run for all its seeds.

A lesson's source marks the cells that its experiments need with the tag ``evidence`` and the cells that
state claims with the tag ``claim``. `run` executes the first kind in one plain process per lesson, calls each
experiment for every seed that is missing, and then executes the second kind, which read what was measured. So
the code that is measured is the code that the learner reads: there is no copy.

What trains a real model takes minutes a seed, so it stands apart, as a second `Part`: cells tagged
``real``, experiments decorated with ``@lesson.real_experiment``, a file of its own, and a command of its
own, `make real`. These cells are a program by themselves, with nothing but `lesson` given, so that no other
change of the lesson makes an hour of training stale.

Each experiment is kept under a key: a hash of the statements that it reaches in the lesson (its number of
seeds among them) and of the helpers modules that these import. Comments, docstrings and layout do not count;
data files that an experiment reads are not part of the key.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import io
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import manifest, settings
from helpers.lesson import claims, stored
from helpers.settings import CourseError

#: Layers that cannot change a measured number: they show and record it.
_SHOWING = ("helpers.lesson", "helpers.exercises", "helpers.course")


@dataclass(frozen=True)
class Part:
    """A part of a lesson's experiments that is measured by a command of its own, into a file of its own.

    Attributes:
        name: the command, ``make NAME``.
        title: what a run calls it.
        decorator: what makes a function an experiment of this part.
        real: whether its cells carry the tag ``real``; their claims do then, too.
    """

    name: str
    title: str
    decorator: str
    real: bool

    def cells(self, source: Path) -> list[str]:
        """The cells that its experiments need."""
        if self.real:
            return _tagged_cells(source, with_tags={"real"}, without=("claim",))
        return _tagged_cells(source, with_tags={"evidence"})

    def claim_cells(self, source: Path) -> list[str]:
        """The cells that state claims about its experiments."""
        if self.real:
            return _tagged_cells(source, with_tags={"real", "claim"})
        return _tagged_cells(source, with_tags={"claim"}, without=("real",))


EVIDENCE = Part("evidence", "Evidence", "lesson.experiment(", real=False)
REAL = Part("real", "Training of real models", "lesson.real_experiment(", real=True)


# --- keys ---------------------------------------------------------------------------------------------------


def _tagged_cells(source: Path, with_tags: set[str], without: Iterable[str] = ()) -> list[str]:
    """The code of the cells that carry all of `with_tags` and none of `without`, in order."""
    import jupytext

    notebook = jupytext.read(source, fmt="py:percent")
    return [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code"
        and with_tags <= set(tags := cell.metadata.get("tags", []))
        and not set(tags) & set(without)
    ]


def _effective(tree: ast.AST) -> ast.AST:
    """The tree without docstrings and without what only type checkers read."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return tree


def _bound_names(statement: ast.stmt) -> set[str]:
    """The names that a top-level statement binds."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    names = {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    for node in ast.walk(statement):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return names


def _used_names(statement: ast.stmt) -> set[str]:
    return {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


def _reached(statements: list[ast.stmt], name: str) -> list[ast.stmt]:
    """The statements, in order, that the definition of `name` needs, directly or through others.

    A statement that binds no name (``CONFIG["lr"] = 2``, a bare call) may change anything: it always counts.
    """
    wanted = {name}
    reached = {i for i, statement in enumerate(statements) if not _bound_names(statement)}
    for i in reached:
        wanted |= _used_names(statements[i])
    while True:
        more = {
            i
            for i, statement in enumerate(statements)
            if i not in reached and _bound_names(statement) & wanted
        }
        if not more:
            return [statement for i, statement in enumerate(statements) if i in reached]
        reached |= more
        for i in more:
            wanted |= _used_names(statements[i])


def _module_file(module: str, root: Path) -> Path | None:
    base = root.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


def _imported_helpers(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "helpers" and not name.startswith(_SHOWING)}


def _helpers_closure(trees: Iterable[ast.AST], root: Path) -> dict[str, str]:
    """Every helpers module that `trees` import, directly or through others, with its code."""
    closure: dict[str, str] = {}
    waiting = set().union(*(_imported_helpers(tree) for tree in trees))
    while waiting:
        module = waiting.pop()
        file = _module_file(module, root)
        # The package's own __init__ holds the version and `begin`; neither changes a number.
        if file is None or module in closure or module == "helpers":
            continue
        tree = _effective(ast.parse(file.read_text(encoding="utf-8")))
        closure[module] = _canonical(tree)
        parents = {module.rsplit(".", 1)[0]} if "." in module else set()
        waiting |= (_imported_helpers(tree) | parents) - set(closure)
    return closure


def _canonical(node: object) -> str:
    """A syntax tree as text that is the same under every Python (``ast.unparse`` is not).

    Fields that are empty are left out: newer Pythons have more of them.
    """
    if isinstance(node, ast.AST):
        fields = ((name, getattr(node, name, None)) for name in sorted(node._fields) if name != "kind")
        inside = ",".join(f"{name}={_canonical(value)}" for name, value in fields if value not in (None, []))
        return f"{type(node).__name__}({inside})"
    if isinstance(node, list):
        return f"[{','.join(map(_canonical, node))}]"
    return repr(node)


def _hash(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]


def _experiments(statements: list[ast.stmt], decorator: str) -> list[str]:
    """The names of the functions that are decorated with ``@`` + `decorator`."""
    return [
        statement.name
        for statement in statements
        if isinstance(statement, ast.FunctionDef)
        and any(ast.unparse(found).startswith(decorator) for found in statement.decorator_list)
    ]


def keys(source: Path, root: Path = settings.ROOT, part: Part = EVIDENCE) -> dict[str, str]:
    """The key of each experiment of a lesson's source, and of its claims under the name ``claims``."""
    cells = part.cells(source)
    statements = _effective(ast.parse("\n".join(cells))).body  # type: ignore[attr-defined]
    found = {}
    for name in _experiments(statements, part.decorator):
        reached = _reached(statements, name)
        helpers = _helpers_closure(reached, root)
        code = [_canonical(statement) for statement in reached]
        found[name] = _hash([*code, *(f"{module}\n{text}" for module, text in sorted(helpers.items()))])
    stated = ast.parse("\n".join(part.claim_cells(source)))
    found["claims"] = _hash([_canonical(stated), *(key for _, key in sorted(found.items()))])
    return found


def source_of(lesson: str, root: Path = settings.ROOT) -> Path:
    """The percent source of lesson `lesson`.

    Raises:
        CourseError: if there is none.
    """
    sources = [entry.source(root) for entry in manifest.load(root).lessons if entry.id == lesson]
    if not sources or not sources[0].exists():
        raise CourseError(f"The manifest has no lesson {lesson!r} with a source.")
    return sources[0]


def has_real(lesson: str, root: Path = settings.ROOT) -> bool:
    """Whether `make real` has something to measure for a lesson."""
    return bool(REAL.cells(source_of(lesson, root)))


def stale(lesson: str, root: Path = settings.ROOT) -> str | None:
    """A sentence that says what to run when a lesson's evidence does not fit its source; else None."""
    return _stale(lesson, root, EVIDENCE) or _stale(lesson, root, REAL)


def _stale(lesson: str, root: Path, part: Part) -> str | None:
    file = f"evidence/{stored.evidence_name(lesson, part.real)}"
    if part.real and not has_real(lesson, root):
        return f"{file} belongs to no experiment; delete it" if (root / file).exists() else None
    evidence = stored.read_evidence(root / file)
    expected = keys(source_of(lesson, root), root, part)
    claims_key = expected.pop("claims")
    found = {name: entry.get("key") for name, entry in evidence["experiments"].items()}
    incomplete = [name for name, entry in evidence["experiments"].items() if not entry.get("complete")]
    command = f"run: make {part.name} LESSONS={lesson}"
    if found != expected or incomplete or evidence.get("claims_key") != claims_key:
        return f"{file} is stale; {command}"
    changed = [row["name"] for row in evidence["claims"] if not _follows(row, evidence)]
    if changed:
        return f"{file} was changed by hand ({', '.join(changed)}); {command}"
    return None


def _follows(row: dict[str, Any], evidence: dict[str, Any]) -> bool:
    """Whether a claim's row is what its experiment's values and its region give."""
    if row["scope"] == "forecast":
        return True
    records = stored.stored_records(evidence, row["experiment"])
    values = [records[seed][row["measure"]] for seed in row["seeds"]]
    measured = claims.interval(values)
    low, high = row["region"]
    rule = claims.Rule(-math.inf if low is None else low, math.inf if high is None else high)
    return (
        values == row["values"]
        and [measured.mean, measured.low, measured.high] == [row["mean"], row["low"], row["high"]]
        and rule.verdict(measured) == row["verdict"]
    )


# --- running ------------------------------------------------------------------------------------------------


def _write(path: Path, evidence: dict[str, Any]) -> None:
    """Write atomically, so that a kill leaves the last finished seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8"
    ) as part:
        part.write(json.dumps(evidence, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    os.chmod(part.name, 0o644)
    os.replace(part.name, path)


def _execute(cells: list[str], scope: dict[str, Any]) -> None:
    """Execute cells as a plain script; what they show goes nowhere."""
    with contextlib.redirect_stdout(io.StringIO()):
        for number, cell in enumerate(cells):
            exec(compile(cell, f"<cell {number}>", "exec"), scope)


def run_lesson(lesson: str, root: Path = settings.ROOT, part: Part = EVIDENCE) -> None:
    """Run what is missing of one part of a lesson, in this process, and write it after every seed."""
    source = source_of(lesson, root)
    expected = keys(source, root, part)
    path = stored.evidence_path(lesson, root, part.real)
    evidence = stored.read_evidence(path)
    old = evidence["experiments"]
    evidence["lesson"] = lesson
    evidence["experiments"] = {
        name: old[name]
        if old.get(name, {}).get("key") == key
        else {"key": key, "complete": False, "values": {}}
        for name, key in expected.items()
        if name != "claims"
    }
    scope: dict[str, Any] = {"__name__": "__main__"}
    if part.real:
        _execute([f"import helpers\nlesson = helpers.begin({lesson!r})"], scope)
    _execute(part.cells(source), scope)
    for name, experiment in scope["lesson"].experiments.items():
        entry = evidence["experiments"][name]
        chosen = settings.seeds(experiment.seeds)
        for position, seed in enumerate(chosen, 1):
            print(f"  {lesson} {name}: seed {seed} ({position} of {len(chosen)})", flush=True)
            if str(seed) not in entry["values"]:
                entry["values"][str(seed)] = experiment(seed)
                _write(path, evidence)
        entry["complete"] = True
        _write(path, evidence)
    scope["lesson"].use_evidence(evidence)
    _execute(part.claim_cells(source), scope)
    evidence["claims"] = [claim.row() for claim in scope["lesson"].claims.values()]
    evidence["claims_key"] = expected["claims"]
    _write(path, evidence)


def _run_alone(lesson: str, part: Part = EVIDENCE) -> int:
    """What one lesson's process does; a mendable error is one sentence."""
    try:
        run_lesson(lesson, part=part)
    except CourseError as error:
        print(f"⚠ {error}")
        return 1
    return 0


def run(lessons: Iterable[str], part: Part = EVIDENCE) -> int:
    """Run one part of `lessons`, each in its own process, one after another. Returns an exit status.

    Raises:
        CourseError: if COURSE_SEED is no seed.
    """
    settings.course_seed()
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        # Evidence is of the CPU tier at full size, and must not touch the learner's own progress.
        environment = {
            **os.environ,
            "COURSE_TIER": "cpu",
            "COURSE_PROGRESS": f"{folder}/progress.json",
            "TQDM_DISABLE": "1",
        }
        for name in ("COURSE_SMOKE", "COURSE_LEDGER"):
            environment.pop(name, None)
        for lesson in lessons:
            print(f"{part.title}, lesson {lesson}", flush=True)
            call = f"e._run_alone({lesson!r}, e.{part.name.upper()})"
            code = f"import sys; from helpers.course import evidence as e; sys.exit({call})"
            process = [sys.executable, "-c", code]
            if subprocess.run(process, cwd=settings.ROOT, env=environment, check=False).returncode:
                failed.append(lesson)
    if failed:
        print(f"Not finished: {' '.join(failed)}. Seeds that were finished are kept for the next run.")
    return int(bool(failed))
