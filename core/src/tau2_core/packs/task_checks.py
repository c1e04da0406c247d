"""What can be said of tasks without playing them: names, arguments and criteria fit the pack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tau2_core.model.tasks import Action, Assertion, FunctionCall, Task
from tau2_core.model.tools import Callee, Source
from tau2_core.names import did_you_mean
from tau2_core.packs.arguments import argument_problems
from tau2_core.packs.pack import Pack
from tau2_core.packs.problems import Problems
from tau2_core.packs.tasks import TaskSource

SIDES = {"assistant": "agent", "user": "user"}


def check_tasks(pack: Pack, problems: Problems) -> None:
    """Note every call of a task that its pack does not know or would refuse, and criteria that say nothing."""
    task_set = pack.task_set(problems)
    for task_id, task in task_set.tasks.items():
        source = task_set.sources[task_id]
        if not pack.incomplete:
            _check_calls(pack, task, source, problems)
        _check_criteria(task, source, problems)


def _check_calls(pack: Pack, task: Task, source: TaskSource, problems: Problems) -> None:
    for index, action in enumerate(task.gold()):
        path = ("evaluation_criteria", "actions", index)
        _check_action(pack, task, action, source, path, problems)
    criteria, initial = task.evaluation_criteria, task.initial_state
    for index, assertion in enumerate((criteria.env_assertions if criteria else None) or []):
        _check_function(pack, task, assertion, source, ("evaluation_criteria", "env_assertions", index), problems)
    for index, call in enumerate((initial.initialization_actions if initial else None) or []):
        _check_function(pack, task, call, source, ("initial_state", "initialization_actions", index), problems)
    user_tools = pack.tools.get("user", {})
    for index, name in enumerate(task.user_tools or []):
        if name not in user_tools and name not in pack.unbound:
            place = source.source("user_tools", index)
            problems.at(
                place, f"task {task.id!r}: the customer has no tool {name!r}", hint=did_you_mean(name, user_tools)
            )


def _check_action(
    pack: Pack, task: Task, action: Action, source: TaskSource, path: tuple[str | int, ...], problems: Problems
) -> None:
    tools: Mapping[str, Callee] = pack.tools["user" if action.requestor == "user" else "agent"]
    place = source.source(*path, "name")
    if action.name not in tools:
        if action.name not in pack.unbound:
            what = f"task {task.id!r}: the {action.requestor} has no tool {action.name!r}"
            problems.at(place, what, hint=did_you_mean(action.name, tools))
        return
    if action.name in pack.unsound:
        return
    _check_arguments(task, tools[action.name], action.arguments, source, path, problems)
    for index, name in enumerate(action.compare_args or []):
        if name not in tools[action.name].parameters["properties"]:
            where = source.source(*path, "compare_args", index)
            problems.at(where, f"task {task.id!r}: {action.name} has no parameter {name!r} to compare")


def _check_function(
    pack: Pack, task: Task, call: FunctionCall, source: TaskSource, path: tuple[str | int, ...], problems: Problems
) -> None:
    callees = pack.callees("user" if call.env_type == "user" else "agent")
    callee = callees.get(call.func_name)
    place = source.source(*path, "func_name")
    if callee is None:
        if call.func_name not in pack.unbound:
            what = f"task {task.id!r}: the {SIDES[call.env_type]} side has no function {call.func_name!r}"
            problems.at(place, what, hint=did_you_mean(call.func_name, callees))
        return
    if call.func_name in pack.unsound:
        return
    if isinstance(call, Assertion) and callee.kind != "assertion":
        problems.at(place, f"task {task.id!r}: {call.func_name} is of kind {callee.kind!r}, not an assertion")
    _check_arguments(task, callee, call.arguments, source, path, problems)


def _check_arguments(
    task: Task,
    callee: Callee,
    arguments: dict[str, Any],
    source: TaskSource,
    path: tuple[str | int, ...],
    problems: Problems,
) -> None:
    for problem in argument_problems(callee.parameters, arguments):
        place: Source = source.source(*path, "arguments", *problem.path)
        problems.at(place, f"task {task.id!r}: {callee.name}: {problem}")


def _check_criteria(task: Task, source: TaskSource, problems: Problems) -> None:
    criteria = task.evaluation_criteria
    if criteria is None:
        problems.at(source.source(), f"task {task.id!r} has no evaluation_criteria, so that every agent passes it")
        return
    named = {
        "ACTION": criteria.actions,
        "ENV_ASSERTION": criteria.env_assertions,
        "NL_ASSERTION": criteria.nl_assertions,
    }
    place = source.source("evaluation_criteria")
    for criterion in criteria.reward_basis:
        if criterion in named and not named[criterion]:
            problems.at(place, f"task {task.id!r}: {criterion} is in its reward basis, but it names nothing for it")
    if "DB" in criteria.reward_basis and criteria.actions is None:
        problems.at(
            place,
            f"task {task.id!r}: DB is in its reward basis, but it has no `actions`",
            hint="[] if nothing may change",
        )
    for index, text in enumerate(criteria.communicate_info or []):
        if "," in text:
            where = source.source("evaluation_criteria", "communicate_info", index)
            what = f"task {task.id!r}: {text!r} can never be found, as commas are taken out of what the agent says"
            problems.at(where, what, hint="write it without the comma")
    # ACTION and NL_ASSERTION are reported beside the reward too, so they are useful outside the basis.
    decisive = {"ENV_ASSERTION": criteria.env_assertions, "COMMUNICATE": criteria.communicate_info}
    for name, values in decisive.items():
        if values and name not in criteria.reward_basis:
            problems.at(place, f"task {task.id!r} names something for {name}, which is not in its reward basis")
