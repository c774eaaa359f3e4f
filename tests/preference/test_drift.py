"""TRL's, transformers' and peft's classes take exactly the arguments that the course gives them.

The uses are read from the sources, so a new one is included here or fails. After an update of a library, an
argument that it has dropped is named, with the line that uses it.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from helpers.settings import ROOT

LIBRARIES = ("trl", "transformers", "peft")
SOURCES = sorted([*(ROOT / "helpers").rglob("*.py"), *(ROOT / "notebooks" / "source").glob("*.py")])
#: In place of what a line computes, by argument: small, and right on a machine without a GPU.
STANDINS: dict[str, Any] = {
    "use_cpu": True,
    "bf16": False,
    "fp16": False,
    "bnb_4bit_compute_dtype": "float16",
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 16,
    "max_position_embeddings": 32,
    "target_modules": ["q_proj"],
    "r": 4,
    "lora_alpha": 8,
    "desirable_weight": 1.0,
    "undesirable_weight": 1.0,
    "gradient_accumulation_steps": 1,
    "learning_rate": 1e-4,
    "max_steps": 2,
    "per_device_train_batch_size": 2,
    "save_steps": 1,
    "seed": 0,
    "warmup_steps": 1,
    "activation_checkpointing": False,
}
#: The same where it depends on the class.
LOSSES: dict[str, dict[str, Any]] = {
    "DPOConfig": {"loss_type": ["sigmoid"], "loss_weights": [1.0], "beta": 0.1},
    "KTOConfig": {"loss_type": "kto", "beta": 0.1},
}


@dataclass
class Use:
    """One call of a library's class: what it always gets, and what it gets in some branches only."""

    where: str
    classes: list[str]
    always: dict[str, ast.expr] = field(default_factory=dict)
    sometimes: dict[str, ast.expr] = field(default_factory=dict)


# --- reading the sources ------------------------------------------------------------------------------------


def is_checked(name: str) -> bool:
    return name.endswith(("Config", "Arguments", "Trainer")) and not name.startswith("Auto")


def imported(tree: ast.AST) -> dict[str, str]:
    """Local names of the libraries' classes -> "library:Class"."""
    return {
        alias.asname or alias.name: f"{node.module.split('.')[0]}:{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LIBRARIES
        for alias in node.names
        if is_checked(alias.name)
    }


def assigned(tree: ast.AST, name: str) -> list[ast.expr]:
    """What a name is set to: the whole value, or for `a, b = {…: (x, y)}[key]` the part that it gets."""
    found: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            found += [node.value] * (node.target.id == name)
        for target in node.targets if isinstance(node, ast.Assign) else []:
            if isinstance(target, ast.Name) and target.id == name:
                found.append(node.value)
            for i, part in enumerate(target.elts if isinstance(target, ast.Tuple) else []):
                if isinstance(part, ast.Name) and part.id == name:
                    found += [
                        tuple_.elts[i] for tuple_ in ast.walk(node.value) if isinstance(tuple_, ast.Tuple)
                    ]
    return found


def dictionaries(
    value: ast.expr, scope: ast.AST, tree: ast.AST, where: str
) -> Iterator[tuple[ast.Dict, bool]]:
    """The dictionaries that `**value` may stand for in a function; whether it stands for nothing else."""
    if isinstance(value, ast.Dict):
        yield value, True
    elif isinstance(value, ast.IfExp):
        for branch in (value.body, value.orelse):
            yield from ((found, False) for found, _ in dictionaries(branch, scope, tree, where))
    elif isinstance(value, ast.Name) and assigned(scope, value.id):
        for one in assigned(scope, value.id):
            yield from dictionaries(one, scope, tree, where)
    elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        made = [
            node.value
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef) and function.name == value.func.id
            for node in ast.walk(function)
            if isinstance(node, ast.Return) and node.value
        ]
        assert made, f"{where}: ** of something that this test cannot read; write it out, or teach it"
        for one in made:
            yield from dictionaries(one, scope, tree, where)
    else:
        raise AssertionError(
            f"{where}: ** of something that this test cannot read; write it out, or teach it"
        )


def spread(
    value: ast.expr, scope: ast.AST, tree: ast.AST, where: str
) -> Iterator[tuple[str, ast.expr, bool]]:
    """Names and values in `**value`, and whether they are always there."""
    for found, always in dictionaries(value, scope, tree, where):
        for key, item in zip(found.keys, found.values, strict=True):
            if key is None:
                yield from spread(item, scope, tree, where)
            else:
                yield ast.literal_eval(key), item, always


def classes_of(call: ast.Call, tree: ast.AST, known: dict[str, str]) -> list[str]:
    """The classes that a call makes: one by its name, or those that a local name may stand for."""
    if not isinstance(call.func, ast.Name):
        return []
    if call.func.id in known:
        return [known[call.func.id]]
    values = assigned(tree, call.func.id)
    names = [node.id for value in values for node in ast.walk(value) if isinstance(node, ast.Name)]
    return sorted({known[name] for name in names if name in known})


def uses(text: str, name: str) -> Iterator[Use]:
    tree = ast.parse(text)
    known = imported(tree)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        # The innermost function around the call; its names, not those of its neighbors.
        around = [f for f in functions if f.lineno <= call.lineno <= (f.end_lineno or 0)]
        scope: ast.AST = max(around, key=lambda f: f.lineno, default=tree)
        where = f"{name}:{call.lineno}"
        classes = classes_of(call, scope, known)
        if ast.unparse(call.func) == "dataclasses.replace" and "arguments(" in ast.unparse(call.args[0]):
            classes = ["trl:DPOConfig", "trl:KTOConfig", "trl:SFTConfig"]  # of helpers.preference.train
        if not classes:
            continue
        use = Use(where, classes)
        for keyword in call.keywords:
            if keyword.arg:
                use.always[keyword.arg] = keyword.value
            else:
                for key, value, always in spread(keyword.value, scope, tree, where):
                    (use.always if always else use.sometimes)[key] = value
        yield use


def load(name: str) -> type:
    library, _, attribute = name.partition(":")
    return getattr(import_module(library), attribute)


def accepted(made: Callable[..., Any]) -> set[str]:
    """The names of arguments that a class declares; `**kwargs` accepts nothing here."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name for name, one in inspect.signature(made).parameters.items() if one.kind in named}


def dropped(use: Use, accept: Callable[[str], set[str]] = lambda name: accepted(load(name))) -> list[str]:
    """A sentence for every argument that its class does not have any more."""
    taken = {name: accept(name) for name in use.classes}
    wrong = [
        f"{use.where}: {name.partition(':')[2]} takes no {argument!r} any more"
        for name, names in taken.items()
        for argument in use.always
        if argument not in names
    ]
    everywhere = set().union(*taken.values())
    return wrong + [
        f"{use.where}: none of {', '.join(use.classes)} takes {argument!r} any more"
        for argument in use.sometimes
        if argument not in everywhere
    ]


ALL = [
    use
    for path in SOURCES
    for use in uses(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
]
CONFIGURATIONS = [
    (use, name) for use in ALL for name in use.classes if not name.endswith("Trainer") and len(use.always) > 0
]


# --- the tests ----------------------------------------------------------------------------------------------


def test_the_classes_that_the_course_makes_are_found():
    found = {name for use in ALL for name in use.classes}
    assert found >= {f"trl:{kind}{what}" for kind in ("SFT", "DPO", "KTO") for what in ("Config", "Trainer")}
    assert found >= {"transformers:LlamaConfig", "transformers:BitsAndBytesConfig", "peft:LoraConfig"}


@pytest.mark.parametrize("use", ALL, ids=lambda use: use.where)
def test_no_argument_has_been_dropped(use):
    assert dropped(use) == []


def value_of(argument: str, given: ast.expr, kind: str, folder: Path) -> Any:
    if argument == "output_dir":
        return str(folder)
    if argument in LOSSES.get(kind, {}):
        return LOSSES[kind][argument]
    try:
        return ast.literal_eval(given)
    except ValueError:
        assert argument in STANDINS, f"give STANDINS a value for {argument!r}"
        return STANDINS[argument]


@pytest.mark.parametrize(("use", "name"), CONFIGURATIONS, ids=lambda one: getattr(one, "where", one))
def test_every_configuration_can_be_made_with_what_it_gets(use, name, tmp_path):
    if name.endswith("BitsAndBytesConfig") and find_spec("bitsandbytes") is None:
        pytest.skip("bitsandbytes is not installed")
    made, kind = load(name), name.partition(":")[2]
    own = {key: use.sometimes[key] for key in set(use.sometimes) & set(LOSSES.get(kind, {}))}
    assert set(use.sometimes) <= set(LOSSES["DPOConfig"]), "give LOSSES a value for it"
    given = {key: value_of(key, value, kind, tmp_path) for key, value in (own | use.always).items()}
    if name.startswith("trl:"):  # dataclasses.replace takes the rest from a configuration that has it
        given = {"output_dir": str(tmp_path), "use_cpu": True, "bf16": False} | given
    configuration = made(**given)
    for key, value in given.items():
        if key not in ("target_modules", "bnb_4bit_compute_dtype", "report_to"):  # kept in another form
            assert getattr(configuration, key) == value, key


# --- and they can fail --------------------------------------------------------------------------------------

SAMPLE = """
from trl import KTOConfig as Config, SFTTrainer

def more(x):
    return {"beta": x}

def kto(folder, hot):
    base: dict = {"output_dir": folder, **more(1)}
    loss = {} if hot else {"loss_type": "kto"}
    return Config(**base, **loss, max_steps=3)

def pick(which):
    kind, config = {"a": (SFTTrainer, Config)}[which]
    return config(seed=1)
"""


def test_the_sources_are_read_rightly():
    one, other = uses(SAMPLE, "sample.py")
    assert (one.classes, set(one.always), set(one.sometimes)) == (
        ["trl:KTOConfig"],
        {"output_dir", "beta", "max_steps"},
        {"loss_type"},
    )
    assert (other.classes, set(other.always)) == (["trl:KTOConfig"], {"seed"})


def test_a_dropped_argument_is_named_with_its_line():
    use, _ = uses(SAMPLE, "sample.py")
    assert dropped(use, lambda name: {"output_dir", "max_steps", "loss_type"}) == [
        "sample.py:10: KTOConfig takes no 'beta' any more"
    ]
    assert dropped(use, lambda name: {"output_dir", "max_steps", "beta"}) == [
        "sample.py:10: none of trl:KTOConfig takes 'loss_type' any more"
    ]


def test_what_cannot_be_read_fails():
    with pytest.raises(AssertionError, match=r"sample\.py:3: \*\* of something that this test cannot read"):
        list(uses("from trl import KTOConfig\ndef f(x):\n    return KTOConfig(**x.y)\n", "sample.py"))
