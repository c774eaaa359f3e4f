"""Reference solutions, read from the lesson's own source.

The solution of an exercise is written once, between the solution marks of ``notebooks/source``. This module
takes it from there by name. It knows nothing about how a check judges it.
"""

from __future__ import annotations
import __future__

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.settings import CourseError


def reference(source: Path, name: str) -> Callable[..., Any]:
    """The function `name` of a percent source, executed with the imports and constants that it uses.

    Raises:
        CourseError: if the source is gone or has no such top-level function.
    """
    if not source.exists():
        raise CourseError(f"The lesson's source {source.name} is missing; get the whole course folder again.")
    tree = ast.parse(source.read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not functions:
        raise CourseError(f"{source.name} has no top-level function {name!r} to take as the reference.")
    used = {node.id for node in ast.walk(functions[0]) if isinstance(node, ast.Name)}
    needed = [node for node in tree.body if _binds(node) & used]
    # Annotations stay text, so that names which only they mention need not exist.
    lazy = __future__.annotations.compiler_flag
    scope: dict[str, Any] = {}
    program = ast.Module([*needed, functions[0]], type_ignores=[])
    exec(compile(program, str(source), "exec", flags=lazy), scope)
    return scope[name]


def _binds(node: ast.stmt) -> set[str]:
    """The names that an import, or the assignment of a literal to one name, binds."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        try:
            ast.literal_eval(node.value)
        except ValueError:
            return set()
        return {node.targets[0].id}
    return set()
