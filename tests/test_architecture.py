"""The shape of the code: imports point one way, importing is instant, every module says what it is for."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import settings

HELPERS = settings.ROOT / "helpers"
#: From the foundation up. A package may import from rows above its own, never from its neighbors in a row.
LAYERS = [
    ["settings", "figures"],
    ["manifest"],
    ["world"],
    ["models"],
    ["data"],
    ["grounding", "synthesis", "preference", "video"],
    ["lesson"],
    ["exercises"],
    ["course"],
]
LEVEL = {name: level for level, row in enumerate(LAYERS) for name in row}
HEAVY = [
    "torch",
    "transformers",
    "trl",
    "datasets",
    "peft",
    "accelerate",
    "matplotlib",
    "IPython",
    "ipywidgets",
    "scipy",
    "nbformat",
    "pandas",
    "PIL",
    "tqdm",
    "openai",
    "datasketch",
    "av",
    "sklearn",
]
MODULES = sorted(HELPERS.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(settings.ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST) -> set[str]:
    """Every module that a tree imports, also inside functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide where a module lies"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def package_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "helpers" and len(parts) > 1 and parts[1] in LEVEL else None


def wrong_imports(module: str, tree: ast.AST) -> list[str]:
    own = package_of(module)
    if own is None:
        return []  # helpers itself and its commands stand above all layers
    others = {package_of(name) for name in imports(tree)} - {None, own}
    return sorted(other for other in others if LEVEL[other] >= LEVEL[own])


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_one_way(path):
    assert wrong_imports(name_of(path), ast.parse(path.read_text(encoding="utf-8"))) == []


def test_every_package_has_a_layer():
    packages = {path.parent.name for path in HELPERS.glob("*/__init__.py")}
    assert packages <= set(LEVEL)


@pytest.mark.parametrize(
    ("module", "code", "wrong"),
    [
        ("helpers.world.scenes", "def f():\n    from helpers.lesson import plots", ["lesson"]),
        ("helpers.synthesis.filters", "import helpers.preference.losses", ["preference"]),
        ("helpers.course.run", "from helpers import world, settings", []),
        ("helpers.models.hub", "from helpers import lesson", ["lesson"]),
    ],
)
def test_the_rule_itself_catches_what_it_should(module, code, wrong):
    assert wrong_imports(module, ast.parse(code)) == wrong


def without_type_checking(tree: ast.AST) -> ast.AST:
    """The tree without what only a type checker reads, which imports nothing when it runs."""

    class Remove(ast.NodeTransformer):
        def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
            self.generic_visit(node)
            return node.orelse if ast.unparse(node.test).endswith("TYPE_CHECKING") else node

    return Remove().visit(tree)


def neighbors(trees: dict[str, ast.AST]) -> dict[str, set[str]]:
    """For each module by name, which of the others it imports, also inside functions."""
    found: dict[str, set[str]] = {}
    for module, tree in trees.items():
        found[module] = set()
        for node in ast.walk(without_type_checking(tree)):
            if isinstance(node, ast.Import):
                found[module] |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                # Either a module of a package, or a name of the module itself.
                names = {f"{node.module}.{alias.name}": node.module for alias in node.names}
                found[module] |= {name if name in trees else home for name, home in names.items()}
        found[module] &= set(trees)
    return found


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The modules that import themselves, most by way of others."""

    def reached_from(module: str) -> set[str]:
        reached: set[str] = set()
        ahead = set(graph[module])
        while ahead:
            reached |= ahead
            ahead = set().union(*(graph[one] for one in ahead)) - reached
        return reached

    return sorted(module for module in graph if module in reached_from(module))


PACKAGES = sorted({path.parent for path in MODULES})


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.name)
def test_no_package_has_an_import_circle(folder):
    paths = {name_of(path): path for path in sorted(folder.glob("*.py"))}
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in paths.items()}
    assert circle(neighbors(trees)) == []


@pytest.mark.parametrize(
    ("modules", "in_a_circle"),
    [
        ({"p.a": "from p import b", "p.b": "def f():\n    from p.a import g"}, ["p.a", "p.b"]),
        ({"p.a": "import p.b", "p.b": "import p.c", "p.c": "import p.a"}, ["p.a", "p.b", "p.c"]),
        ({"p": "from p.a import f", "p.a": "from p import b", "p.b": ""}, []),
        ({"p": "from p.a import f", "p.a": "from p import g"}, ["p", "p.a"]),
        ({"p.a": "from p import b", "p.b": "if TYPE_CHECKING:\n    from p import a"}, []),
        (
            {"p.a": "from p import b", "p.b": "if TYPE_CHECKING:\n    pass\nelse:\n    import p.a"},
            ["p.a", "p.b"],
        ),
        ({"p.a": "import p.b, p.c", "p.b": "import p.c", "p.c": "import os"}, []),
        ({"p.a": "import p.b", "p.b": "import p.c", "p.c": "import p.b"}, ["p.b", "p.c"]),
    ],
)
def test_a_circle_is_found_where_there_is_one(modules, in_a_circle):
    trees = {name: ast.parse(code) for name, code in modules.items()}
    assert circle(neighbors(trees)) == in_a_circle


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is_for(path):
    text = path.read_text(encoding="utf-8")
    if not text.strip():
        pytest.skip("an empty package")
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", ":", "?"))


def loaded_by(code: str) -> set[str]:
    """The heavy modules that are loaded after `code` has run in a fresh Python."""
    listing = f"{code}; import sys; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", listing], cwd=settings.ROOT, capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_importing_helpers_loads_nothing_heavy():
    assert loaded_by("import helpers") == set()


@pytest.mark.parametrize(
    "module",
    [
        "helpers.world",
        "helpers.models",
        "helpers.synthesis.generate, helpers.synthesis.stages, helpers.synthesis.duplicates, "
        "helpers.synthesis.contamination, helpers.synthesis.diversity, helpers.synthesis.splits, "
        "helpers.synthesis.shards, helpers.synthesis.card, helpers.synthesis.audit",
        "helpers.data",
        "helpers.preference.losses, helpers.preference.train, helpers.preference.fast, "
        "helpers.preference.measure",
        "helpers.synthesis.agents, helpers.synthesis.endpoint",
        "helpers.video.clips, helpers.video.film, helpers.video.writing, helpers.video.naive, "
        "helpers.video.probes, helpers.video.controls",
        "helpers.__main__",
    ],
)
def test_these_load_no_framework(module):
    assert not loaded_by(f"import {module}") & {
        "torch",
        "transformers",
        "trl",
        "datasets",
        "matplotlib",
        "IPython",
        "ipywidgets",
        "openai",
        "av",
        "sklearn",
    }


def test_importing_helpers_is_instant():
    def seconds(code: str) -> float:
        before = os.times()
        subprocess.run([sys.executable, "-c", code], cwd=settings.ROOT, check=True)
        after = os.times()  # the processor's, which nobody else's work adds to
        return sum(after[2:4]) - sum(before[2:4])

    # In turns, and the best of three of each: what keeps a machine busy for a moment slows both or neither.
    pairs = [(seconds("import helpers"), seconds("pass")) for _ in range(3)]
    assert min(with_helpers for with_helpers, _ in pairs) - min(empty for _, empty in pairs) < 0.3


def test_no_way_to_run_code_from_data():
    """No pickle, no remote code, no unsafe torch.load anywhere in the course."""
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not {"pickle", "dill", "joblib", "marshal", "shelve"} & {
            name.split(".")[0] for name in imports(tree)
        }, path
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert keywords.get("trust_remote_code", "False") == "False", path
                if ast.unparse(node.func) == "torch.load":
                    assert keywords.get("weights_only") == "True", path


def test_code_is_clean():
    result = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--output-format=concise", "."],
        cwd=settings.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:]
