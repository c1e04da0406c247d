"""Checks of tasks without playing them: whether names, arguments and criteria fit the pack."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from tau2_core.model.tasks import Action, Assertion, FunctionCall, Task
from tau2_core.model.tools import Callee, Source, role_of
from tau2_core.name_suggestions import close_name, did_you_mean
from tau2_core.packs.arguments import argument_problems
from tau2_core.packs.pack import Pack
from tau2_core.packs.problems import Problems
from tau2_core.packs.provider_names import is_provider_name
from tau2_core.packs.source_error import SourcePath
from tau2_core.problem_kinds import ProblemKind

SIDES = {"assistant": "agent", "user": "user"}


class Part(Protocol):
    """Gives the location of a part of a task."""

    def source(self, *path: str | int) -> Source: ...


@dataclass(frozen=True)
class MadeByProgram:
    """The location of a task that is in no file."""

    task_id: str

    def source(self, *path: str | int) -> Source:
        return Source(Path(".".join(["tasks", self.task_id, *map(str, path)])))


class Where(Protocol):
    """Gives the location of a part of a call."""

    def __call__(self, *path: str | int) -> Source: ...


def check_tasks(pack: Pack, problems: Problems, only: Container[str] | None = None) -> None:
    """Note calls of hand-written tasks that the pack does not know or would refuse, and criteria without content.

    With `only`, check just these tasks, of a pack whose task files are already known to be valid.
    """
    task_set = pack.task_set(problems) if only is None else pack.task_set()
    for task_id, task in task_set.written.items():
        if only is not None and task_id not in only:
            continue
        source = task_set.source(task_id)
        if not pack.incomplete:
            _check_calls(pack, task, source, problems)
        check_criteria(f"task {task_id!r}", task, source, problems)


def check_own_tasks(pack: Pack, tasks: Iterable[Task], problems: Problems) -> None:
    """Note calls of a program's own tasks that the pack does not know or would refuse."""
    for task in tasks:
        _check_calls(pack, task, MadeByProgram(task.id), problems)


def _check_calls(pack: Pack, task: Task, source: Part, problems: Problems) -> None:
    owner = f"task {task.id!r}"
    for index, action in enumerate(task.gold()):
        check_action(pack, owner, action, partial(source.source, "evaluation_criteria", "actions", index), problems)
    criteria, initial = task.evaluation_criteria, task.initial_state
    for index, assertion in enumerate((criteria.env_assertions if criteria else None) or []):
        where = partial(source.source, "evaluation_criteria", "env_assertions", index)
        check_function(pack, owner, assertion, where, problems)
    for index, call in enumerate((initial.initialization_actions if initial else None) or []):
        where = partial(source.source, "initial_state", "initialization_actions", index)
        check_function(pack, owner, call, where, problems)
    check_user_tools(pack, owner, task, source, problems)


def check_user_tools(pack: Pack, owner: str, task: Task, source: Part, problems: Problems) -> None:
    """Note names in `user_tools` that are not tools of the customer."""
    user_tools = pack.tools.get("user", {})
    for index, name in enumerate(task.user_tools or []):
        close = close_name(name, user_tools)
        renamed = close and not is_provider_name(close)  # the name of the tool is the mistake, and it is already noted
        if name not in user_tools and name not in pack.unbound and not renamed:
            place = source.source("user_tools", index)
            problems.at(
                place,
                ProblemKind.UNKNOWN_TOOL,
                f"{owner}: the customer has no tool {name!r}",
                hint=did_you_mean(name, user_tools),
            )


def check_action(pack: Pack, owner: str, action: Action, where: Where, problems: Problems) -> None:
    """Note problems of a gold call; `owner` names the task or block."""
    tools: Mapping[str, Callee] = pack.tools[role_of(action.requestor)]
    if action.name not in tools:
        if action.name not in pack.unbound:
            close = close_name(action.name, tools)
            if close and not is_provider_name(close):
                return  # the name of the tool is the mistake, and it is already noted
            what = f"{owner}: the {action.requestor} has no tool {action.name!r}"
            hint = did_you_mean(action.name, tools)
            problems.at(where("name"), ProblemKind.UNKNOWN_TOOL, what, hint=hint, replace=(action.name, close))
        return
    if action.name in pack.unsound:
        return
    _check_arguments(owner, tools[action.name], action.arguments, where, problems)
    for index, name in enumerate(action.compare_args or []):
        if name not in tools[action.name].parameters["properties"]:
            what = f"{owner}: {action.name} has no parameter {name!r} to compare"
            problems.at(where("compare_args", index), ProblemKind.COMPARED_ARGUMENT, what)


def check_function(pack: Pack, owner: str, call: FunctionCall, where: Where, problems: Problems) -> None:
    """Note problems of a set-up call or an assertion; `owner` names the task or block."""
    callees = pack.callees(role_of(call.env_type))
    callee = callees.get(call.func_name)
    if callee is None:
        if call.func_name not in pack.unbound:
            what = f"{owner}: the {SIDES[call.env_type]} side has no function {call.func_name!r}"
            problems.at(
                where("func_name"), ProblemKind.UNKNOWN_FUNCTION, what, hint=did_you_mean(call.func_name, callees)
            )
        return
    if call.func_name in pack.unsound:
        return
    if isinstance(call, Assertion) and callee.kind != "assertion":
        what = f"{owner}: {call.func_name} is of kind {callee.kind!r}, not an assertion"
        problems.at(where("func_name"), ProblemKind.UNKNOWN_FUNCTION, what)
    _check_arguments(owner, callee, call.arguments, where, problems)


def _check_arguments(owner: str, callee: Callee, arguments: dict[str, Any], where: Where, problems: Problems) -> None:
    by_place: dict[SourcePath, list[str]] = {}
    for problem in argument_problems(callee, arguments):
        by_place.setdefault(problem.path, []).append(str(problem))
    for path, words in by_place.items():  # a misspelt name is both unknown and missing
        what = f"{owner}: {callee.name}: {'; '.join(words)}"
        problems.at(where("arguments", *path), ProblemKind.ARGUMENTS, what)


def check_criteria(owner: str, task: Task, source: Part, problems: Problems) -> None:
    """Note criteria that grade nothing, and content that is not graded."""
    criteria = task.evaluation_criteria
    if criteria is None:
        problems.at(
            source.source(), ProblemKind.CRITERIA, f"{owner} has no evaluation_criteria, so every agent passes it"
        )
        return
    named = {
        "ACTION": criteria.actions,
        "ENV_ASSERTION": criteria.env_assertions,
        "NL_ASSERTION": criteria.nl_assertions,
    }
    place = source.source("evaluation_criteria")
    for criterion in criteria.reward_basis:
        if criterion in named and not named[criterion]:
            problems.at(
                source.source("evaluation_criteria", "reward_basis"),
                ProblemKind.CRITERIA,
                f"{owner}: {criterion} is in its reward basis, but it specifies nothing for it",
            )
    if "DB" in criteria.reward_basis and criteria.actions is None:
        problems.at(
            place,
            ProblemKind.CRITERIA,
            f"{owner}: DB is in its reward basis, but it has no `actions`",
            hint="[] if nothing may change",
        )
    for index, text in enumerate(criteria.communicate_info or []):
        if "," in text:
            where = source.source("evaluation_criteria", "communicate_info", index)
            what = f"{owner}: {text!r} can never be found, as commas are removed from what the agent says"
            problems.at(where, ProblemKind.UNSAYABLE, what, hint="write it without the comma")
    # ACTION and NL_ASSERTION are reported even outside the basis, so they are useful there.
    decisive = {"ENV_ASSERTION": criteria.env_assertions, "COMMUNICATE": criteria.communicate_info}
    for name, values in decisive.items():
        if values and name not in criteria.reward_basis:
            problems.at(
                place, ProblemKind.CRITERIA, f"{owner} names something for {name}, which is not in its reward basis"
            )
