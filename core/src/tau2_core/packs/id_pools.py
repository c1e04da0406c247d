"""Checks that the pools of identifiers that handlers use are declared in the manifest."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from pathlib import Path

from tau2_core.model.tools import Source
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.pack_files import matching_files
from tau2_core.packs.problems import Problems
from tau2_core.problem_kinds import ProblemKind


def check_id_pools(folder: Path, pools: Collection[str], manifest: Source, problems: Problems) -> list[Source]:
    """Note every `context.free_id("name", …)` in a pack's handlers that names no pool; return their locations."""
    found = []
    for file in matching_files(folder / "handlers", "**/*.py"):
        for name, line in _asked_for(file):
            if name not in pools:
                source = Source(file, line)
                hint = f"declare it under `ids` in {manifest}; {did_you_mean(name, pools)}"
                problems.at(source, ProblemKind.ID_POOL, f"there is no pool of ids {name!r}", hint=hint)
                found.append(source)
    return found


def _asked_for(file: Path) -> Iterator[tuple[str, int]]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return  # noted at the import of the module
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "free_id":
            given = (
                node.args[0] if node.args else next((each.value for each in node.keywords if each.arg == "pool"), None)
            )
            if isinstance(given, ast.Constant) and isinstance(given.value, str):
                yield given.value, given.lineno
