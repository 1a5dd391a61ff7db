# SPDX-License-Identifier: Apache-2.0
"""The line of a script that sets a variable."""
from __future__ import annotations

import ast
import functools
import re


def line_that_sets(file: str, name: str) -> int:
    """Where `name` gets a value last in the source, a line that adds to it before others; 0: it is not seen."""
    last = re.sub(r"\[[^]]*\]", "", name.split(" in ")[0]).rpartition(".")[2]
    return max(lines_of(file).get(last, ()), default=(False, 0))[1]


@functools.lru_cache
def lines_of(file: str) -> dict[str, list[tuple[bool, int]]]:
    """name -> (does the statement add to it, line) of all assignments in a file."""
    found: dict[str, list] = {}
    try:
        with open(file) as source:
            tree = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):
        return found
    for node in ast.walk(tree):
        for target in targets_of(node):
            found.setdefault(target, []).append((isinstance(node, ast.AugAssign), node.lineno))
    return found


def targets_of(node):
    if isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.NamedExpr, ast.For)):
        places = [node.target]
    else:
        places = node.targets if isinstance(node, ast.Assign) else []
    for place in (inner for outer in places for inner in ast.walk(outer)):
        if isinstance(place, (ast.Name, ast.Attribute)) and isinstance(place.ctx, ast.Store):
            yield place.id if isinstance(place, ast.Name) else place.attr
