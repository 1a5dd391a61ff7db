# SPDX-License-Identifier: Apache-2.0
"""The line of a script that sets a variable."""
from __future__ import annotations

import ast
import functools
import re


def line_that_sets(file: str, name: str) -> int:
    """Where `name` gets a value last in the source, a line that adds to it before others; 0: it is not seen."""
    return last_setting(file, name)[1]


def is_enumerated(file: str, name: str) -> bool:
    """Whether that line is a `for` that enumerates."""
    return last_setting(file, name)[2]


def last_setting(file: str, name: str) -> tuple[bool, int, bool]:
    last = re.sub(r"\[[^]]*\]", "", name.split(" in ")[0]).rpartition(".")[2]
    return max(lines_of(file).get(last, ()), default=(False, 0, False))


@functools.lru_cache
def lines_of(file: str) -> dict[str, list[tuple[bool, int, bool]]]:
    """name -> (does the statement add to it, line, does it enumerate) of all assignments in a file."""
    found: dict[str, list] = {}
    try:
        with open(file) as source:
            tree = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):
        return found
    for node in ast.walk(tree):
        for target in targets_of(node):
            found.setdefault(target, []).append((isinstance(node, ast.AugAssign), node.lineno, enumerates(node)))
    return found


def enumerates(node) -> bool:
    names = [inner.id for inner in ast.walk(node.iter) if isinstance(inner, ast.Name)] if isinstance(node, ast.For) else []
    return "enumerate" in names or "zip" in names


def targets_of(node):
    if isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.NamedExpr, ast.For)):
        places = [node.target]
    else:
        places = node.targets if isinstance(node, ast.Assign) else []
    for place in (inner for outer in places for inner in ast.walk(outer)):
        if isinstance(place, (ast.Name, ast.Attribute)) and isinstance(place.ctx, ast.Store):
            yield place.id if isinstance(place, ast.Name) else place.attr
