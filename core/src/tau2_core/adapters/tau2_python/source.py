"""Reading a domain written in Python for tau2-bench, from its environment and its module."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from tau2_core.adapters.tau2_python.tasks import read_splits, read_tasks
from tau2_core.adapters.tau2_python.tools import SourceFunction, SourceTool, read_functions, read_tools
from tau2_core.errors import UsageError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Role
from tau2_core.packs.wrapped_domain import FACTORY, WrappedDomain, find_factory, open_wrapped

_NAME = re.compile(r"[A-Za-z][\w-]*\Z", re.ASCII)
_TASKS = "get_tasks"
_SPLITS = ("get_tasks_split", "get_task_splits", "get_tasks_splits")


@dataclass(frozen=True)
class Tau2Source:
    """A domain's content: policies, tools by side, the functions that its tasks name, tasks and splits.

    `wraps` is its target with the factory. `solo_policy` is None if it cannot be played solo. `syncs` tells whether its
    `sync_tools` does anything.
    """

    wraps: str
    name: str
    policy: str
    solo_policy: str | None
    tools: Mapping[Role, Sequence[SourceTool]]
    functions: Sequence[SourceFunction]
    tasks: Sequence[Task]
    splits: Mapping[str, Sequence[str]]
    syncs: bool
    domain: WrappedDomain


def read_source(target: str) -> Tau2Source:
    """Read the domain that `MODULE` or `MODULE:FACTORY` names.

    Raises UsageError, which names the module, what is wrong, and the next step.
    """
    domain = open_wrapped(target)
    module, create = find_factory(target)
    environment = domain.environment
    tools: dict[Role, Sequence[SourceTool]] = {"agent": read_tools(target, environment.tools, "agent")}
    if getattr(environment, "user_tools", None) is not None:
        tools["user"] = read_tools(target, environment.user_tools, "user")
    tasks = read_tasks(target, _call(target, module, _TASKS, _task_function(target, module)))
    splits = next((name for name in _SPLITS if callable(getattr(module, name, None))), None)
    found = None if splits is None else _call(target, module, splits, getattr(module, splits))
    return Tau2Source(
        wraps=target if ":" in target else f"{target}:{FACTORY}",
        name=_domain_name(target, environment),
        policy=_policy(target, environment),
        solo_policy=_solo_policy(create),
        tools=tools,
        functions=read_functions(target, environment, tasks, tools),
        tasks=tasks,
        splits=read_splits(target, found, tasks),
        syncs=_does_something(getattr(environment, "sync_tools", None)),
        domain=domain,
    )


def _domain_name(target: str, environment: Any) -> str:
    name = getattr(environment, "domain_name", None)
    if not isinstance(name, str) or not _NAME.match(name):
        what = f"the `domain_name` of its environment is {name!r}"
        raise UsageError(f"{target}: {what}; it should be a word of letters, digits, `_` and `-`")
    return name


def _policy(target: str, environment: Any) -> str:
    policy = getattr(environment, "policy", None)
    if not isinstance(policy, str) or not policy.strip():
        raise UsageError(f"{target}: the `policy` of its environment is {policy!r:.80}; it should be a text")
    return policy


def _solo_policy(create: Callable[..., Any]) -> str | None:
    """Return the policy for solo play; None if the factory refuses it, as it does in domains without solo play."""
    try:
        if "solo_mode" not in inspect.signature(create).parameters:
            return None
        with foreign():
            policy = create(solo_mode=True).policy
    except Exception:  # noqa: BLE001 - raising is how a domain says that it has no solo play
        return None
    return policy if isinstance(policy, str) and policy.strip() else None


def _task_function(target: str, module: ModuleType) -> Callable[..., Any]:
    function: Any = getattr(module, _TASKS, None)
    if not callable(function):
        what = f"module {module.__name__} has no function {_TASKS!r}"
        raise UsageError(f"{target}: {what}; write one that returns its tasks, next to the factory")
    return function  # type: ignore[no-any-return]


def _call(target: str, module: ModuleType, name: str, function: Callable[..., Any]) -> Any:
    """Call a function for all tasks: without arguments, except that None stands for no split, if it may."""
    try:
        with foreign():
            split = [each for each in inspect.signature(function).parameters if "split" in each]
            with suppress(Exception):
                return function(**dict.fromkeys(split))
            return function()
    except Exception as error:
        what = f"{name} of module {module.__name__} raised {describe_error(error)}"
        raise UsageError(f"{target}: {what}; correct it, so that it can be called without arguments") from error


def _does_something(sync: Any) -> bool:
    """Tell whether a method uses or calls anything; the default of tau2-bench does not."""
    code = getattr(sync, "__code__", None)
    return callable(sync) and (code is None or bool(code.co_names))
