"""Checks that tools give the same results in every process, by calling them in several.

They differ in their hash seed and time zone, and run at different times.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tau2_core.model.lazy import Lazy
from tau2_core.model.registrations import Domain, RetrieverSpec, Toolset
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Callee, Source, role_of
from tau2_core.packs.pack import Pack
from tau2_core.packs.problems import Problems
from tau2_core.problem_kinds import ProblemKind
from tau2_core.runs import gold_probe
from tau2_core.runs.digests import pack_files

HASH_SEEDS = (1, 2, 3)  # two processes would iterate over a set of two elements in the same order half of the time
ZONES = {1: "UTC0", 2: "EAST-14", 3: "WEST12"}  # the date is never the same in the last two
AT_LEAST = 10
SECONDS = 120
_SHOWN = 80
_HINT = "results must not depend on hash(), the order of a set, or any clock or randomness except the Context's"
# Modules with deterministic results. A pack that imports others, or uses sets or hash(), is played.
_STEADY = frozenset(
    {
        *("__future__", "abc", "bisect", "calendar", "collections", "copy", "dataclasses", "datetime", "decimal"),
        *("enum", "fractions", "functools", "heapq", "itertools", "json", "math", "operator", "pydantic", "re"),
        *("statistics", "string", "tau2_core", "textwrap", "types", "typing", "unicodedata"),
    }
)
_NAMES = frozenset({"hash", "set", "frozenset"})
_FUNCTIONS = frozenset({"id", "open", "vars", "dir", "globals", "__import__"})
_METHODS = frozenset({"now", "today", "utcnow", "union", "intersection", "difference", "symmetric_difference"})


def check_reproducible(
    pack: Pack,
    domain: Domain,
    toolsets: Sequence[Toolset],
    tasks: Sequence[Task],
    problems: Problems,
    warnings: Problems,
) -> None:
    """Note each tool whose results differ between processes.

    A pack whose code (apart from its tests) cannot vary is not played. `tasks` are those whose gold works. A subset is
    played that calls every tool and function which any of them calls.
    """
    files = [file for file in pack_files(pack).files.values() if not file.is_relative_to(pack.folder / "tests")]
    varies = pack.wrapped is not None or any(_may_vary(each, pack.package) for each in files if each.suffix == ".py")
    if not tasks or not varies:
        return
    try:
        retrievers = [_described(spec) for spec in pack.parts.retrievers.values()]
        played = _play(domain, toolsets, retrievers, [task.id for task in _covering(tasks)])
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        what = f"could not check whether results are the same in every process: {error}"
        warnings.at(pack.manifest_source, ProblemKind.UNPROVEN, what)
        return
    for file in played[0].outside:
        what = f"its code reads {file}, which is not part of any digest, so changes to it go unnoticed"
        problems.at(pack.manifest_source, ProblemKind.OUTSIDE_FILE, what, hint="move the file into the pack's folder")
    for task_id, steps in played[0].steps.items():
        for other in played[1:]:
            _compare(pack, task_id, steps, other.steps.get(task_id, []), "in different processes", problems)
        again = played[0].again.get(task_id, [])
        _compare(pack, task_id, steps, again, "played twice in one process", problems)


def _compare(
    pack: Pack,
    task_id: str,
    steps: Sequence[gold_probe.Step],
    others: Sequence[gold_probe.Step],
    how: str,
    problems: Problems,
) -> None:
    """Note the first step of a task that differs."""
    for (side, name, before), (_, _, after) in zip(steps, others, strict=False):
        if before != after:
            _note(pack, task_id, side, name, (before, after), how, problems)
            return


def _covering(tasks: Sequence[Task]) -> list[Task]:
    """Return the tasks that call something new, then the first of the others."""
    called: set[str] = set()
    chosen: dict[str, Task] = {}
    for task in tasks:
        set_up = (task.initial_state.initialization_actions if task.initial_state else None) or []
        names = {action.name for action in task.gold()} | {call.func_name for call in set_up}
        if not names <= called:
            called |= names
            chosen[task.id] = task
    rest = [task for task in tasks if task.id not in chosen]
    return [*chosen.values(), *rest[: max(0, AT_LEAST - len(chosen))]]


def _note(
    pack: Pack, task_id: str, side: str, name: str, values: tuple[str, str], how: str, problems: Problems
) -> None:
    tool: Callee | None = pack.tools[role_of(side)].get(name) if name else None
    if tool is None:
        if not any("not reproducible" in problem.message for problem in problems.found):
            what = f"task {task_id!r}: the databases are not reproducible: {how} they differ"
            problems.at(pack.manifest_source, ProblemKind.NOT_REPRODUCIBLE, what, hint=_HINT)
        return
    what = f"tool {name!r} is not reproducible: "
    if any(what in problem.message for problem in problems.found):
        return
    code = tool.handler.__code__
    before, after = (_short(value, values) for value in values)
    problems.at(
        Source(Path(code.co_filename), code.co_firstlineno),
        ProblemKind.NOT_REPRODUCIBLE,
        f"{what}{how} it gives {before} or {after} in task {task_id!r}",
        hint=_HINT,
    )


def _short(text: str, both: tuple[str, str]) -> str:
    """Return an excerpt around the first difference."""
    pairs = zip(*both, strict=False)
    same = next((index for index, (one, other) in enumerate(pairs) if one != other), min(map(len, both)))
    start = max(0, same - _SHOWN // 2)
    return repr(f"{'…' if start else ''}{text[start : start + _SHOWN]}{'…' if len(text) > start + _SHOWN else ''}")


def _described(spec: RetrieverSpec) -> dict[str, Any]:
    """Return a retriever as JSON values, with its code by name."""
    code: Any = spec.create
    target = code.target if isinstance(code, Lazy) else f"{code.__module__}:{code.__qualname__}"
    return {
        "name": spec.name,
        "summary": spec.summary,
        "create": target,
        "options": dict(spec.options),
        "composes": spec.composes,
    }


def _play(
    domain: Domain, toolsets: Sequence[Toolset], retrievers: Sequence[dict[str, Any]], tasks: Sequence[str]
) -> list[gold_probe.ProbeResult]:
    """Play tasks in several processes at once, and return the results of their calls."""
    described = {
        "name": domain.name,
        "package": domain.package,
        "folder": str(domain.folder) if domain.folder else None,
        "manifest": domain.manifest,
    }
    path = os.pathsep.join(place for place in sys.path if place)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tau2-gym-")))
        children = []
        for seed in HASH_SEEDS:
            request: dict[str, object] = {
                "domain": described,
                "toolsets": [asdict(each) for each in toolsets],
                "retrievers": list(retrievers),
                "tasks": list(tasks),
            }
            request["answer"] = str(folder / f"{seed}.out")
            (folder / f"{seed}.in").write_text(json.dumps(request), encoding="utf-8")
            child = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", gold_probe.__name__],
                stdin=stack.enter_context((folder / f"{seed}.in").open("rb")),
                stdout=subprocess.DEVNULL,
                stderr=stack.enter_context((folder / f"{seed}.err").open("wb")),
                env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": str(seed), "TZ": ZONES[seed]},
            )
            stack.callback(child.wait)
            stack.callback(child.kill)
            children.append(child)
        for seed, child in zip(HASH_SEEDS, children, strict=True):
            if child.wait(SECONDS) != 0:
                said = (folder / f"{seed}.err").read_text(encoding="utf-8", errors="replace").strip().splitlines()
                raise ValueError(said[-1] if said else f"the process ended with {child.returncode}")
        return [gold_probe.read_probe_result(folder / f"{seed}.out") for seed in HASH_SEEDS]


def _may_vary(file: Path, package: str) -> bool:
    """Tell whether code uses anything that may differ between processes."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return False  # already noted
    return any(_varies(node, package) for node in ast.walk(tree))


def _varies(node: ast.AST, package: str) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Name(id=name):
            return name in _NAMES
        case ast.Call(func=ast.Name(id=name)):
            return name in _FUNCTIONS
        case ast.Call(func=ast.Attribute(attr=name)):
            return name in _METHODS
        case ast.BinOp(op=ast.BitAnd() | ast.BitOr() | ast.BitXor() | ast.Sub(), left=left, right=right):
            return any(isinstance(each, ast.Call) and _is_view(each) for each in (left, right))
        case ast.Import() | ast.ImportFrom():
            return not all(_is_steady(name, package) for name in _imported(node))
    return False


def _is_view(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in ("keys", "items")


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif not node.level:
        yield node.module or ""


def _is_steady(name: str, package: str) -> bool:
    return name.partition(".")[0] in _STEADY or name == package or name.startswith(f"{package}.")
