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
    """The function `name` of a percent source, executed with the imports, constants and functions it uses.

    Raises:
        CourseError: if the source is gone or has no such top-level function.
    """
    if not source.exists():
        raise CourseError(f"The lesson's source {source.name} is missing; get the whole course folder again.")
    tree = ast.parse(source.read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not functions:
        raise CourseError(f"{source.name} has no top-level function {name!r} to take as the reference.")
    needed = _needed(tree.body, functions[0])
    # Annotations stay text, so that names which only they mention need not exist.
    lazy = __future__.annotations.compiler_flag
    scope: dict[str, Any] = {}
    program = ast.Module([*needed, functions[0]], type_ignores=[])
    exec(compile(program, str(source), "exec", flags=lazy), scope)
    return scope[name]


def _needed(body: list[ast.stmt], function: ast.FunctionDef) -> list[ast.stmt]:
    """The statements, in order, that the function uses, directly or through other functions."""
    needed: list[ast.stmt] = []
    used = _names(function)
    while more := [
        node for node in body if node not in needed and node is not function and _binds(node) & used
    ]:
        needed += more
        used |= {name for node in more if isinstance(node, ast.FunctionDef) for name in _names(node)}
    return [node for node in body if node in needed]


def _names(node: ast.AST) -> set[str]:
    return {found.id for found in ast.walk(node) if isinstance(found, ast.Name)}


def _binds(node: ast.stmt) -> set[str]:
    """The names that an import, a plain function, or the assignment of a literal to one name, binds."""
    if isinstance(node, ast.FunctionDef) and not node.decorator_list:
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        try:
            ast.literal_eval(node.value)
        except ValueError:
            return set()
        return {node.targets[0].id}
    return set()
