"""The arguments of the Python API, converted to the options of the command line and configuration files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal, TypedDict, get_type_hints

from pydantic import ValidationError

from tau2_core.api.participants import AGENT, USER, AgentLike, ModelLike, UserLike, given_participant, role_options
from tau2_core.errors import UsageError
from tau2_core.model.episodes import ArgumentMode
from tau2_core.model.judges import JudgeRule
from tau2_core.model.registrations import AgentSpec, UserSpec
from tau2_core.model.tasks import Task
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.folder_domain import folder_domain
from tau2_core.packs.locations import MANIFEST
from tau2_core.runs.options import Options, merged, read_file


class EpisodeOptions(TypedDict, total=False):
    """The options of an episode and of a run. Defaults are those of `tau2-gym run`.

    agent: a registered name; a model, as `PROVIDER/NAME` or `{"model": …, "args": {…}}`; an async function of the
        messages so far; an object with an async method `reply`; or a class or function that creates such an object for
        each episode from an `AgentContext`. A single object plays all episodes, several at a time.
    user: the same forms; a class or function gets a `UserContext`.
    judge: the model that decides natural-language assertions, or a list of models that decide by `judge_rule`:
        "majority" (default), or "unanimous".
    agent_model, user_model: the model of a participant that is not itself given as a model.
    user_prompt: the name of a variant of the customer's prompt.
    persona: the name of a persona, or several that take turns: by trial in a run, by seed in other episodes.
    user_check: check what the customer's model is about to say, and ask it once more where a detector finds a fault.
    faults: rates from 0 to 1 by the name of a fault.
    packs: folders of packs that are not installed, or `tau2:MODULE` for a domain in Python for tau2-bench.
    blocked: plugins that are not imported.
    config: a configuration file; options given here override it.

    All others are the options of `tau2-gym run` with the same names.
    """

    agent: AgentLike
    user: UserLike
    judge: ModelLike | Sequence[ModelLike]
    judge_rule: JudgeRule
    agent_model: ModelLike
    user_model: ModelLike
    user_prompt: str
    persona: str | Sequence[str]
    user_check: bool
    config: str | Path
    dataset: str | Path
    variant: str
    variant_options: Mapping[str, Any]
    solo: bool
    user_first: bool
    mode: ArgumentMode
    evaluators: str | Path
    max_steps: int
    max_errors: int
    turn_timeout: float
    call_timeout: float
    attempts: int
    record: str | Path
    replay: str | Path
    token_traces: bool
    faults: Mapping[str, float]
    packs: Sequence[str | Path]
    blocked: Sequence[str]


class RunOptions(EpisodeOptions, total=False):
    """The options of a run.

    tasks: ids, or tasks that you created, instead of a split.
    provider_limits, provider_rates: concurrent requests, and requests per minute, by provider.
    executor_options: values by the names of the executor's own options.
    """

    split: str
    tasks: Sequence[str | Task]
    num_tasks: int
    sample: int
    trials: int
    seed: int
    shard: str
    timeout: float
    run_timeout: float
    provider_limits: Mapping[str, float]
    provider_rates: Mapping[str, float]
    max_cost: float
    max_infrastructure_errors: int
    judge_all: bool
    judge_calibration: str | Path
    resume: bool
    via: Literal["process", "mcp"]
    executor: str
    workers: int
    executor_options: Mapping[str, str]
    concurrency: int
    out: str | Path
    name: str


# Options with another name than on the command line, where they are repeated.
NAMES = {
    "tasks": "task",
    "faults": "fault",
    "provider_limits": "provider_limit",
    "provider_rates": "provider_rate",
    "executor_options": "executor_option",
    "variant_options": "variant_option",
    "packs": "pack",
    "blocked": "no_plugin",
}
_OWN_NAMES = {option: name for name, option in NAMES.items()}
_BY_NAME = {"executor_option", "fault", "provider_limit", "provider_rate", "variant_option"}
_PARTICIPANTS = {"agent", "user", "judge", "judge_rule", "agent_model", "user_model", "config"}


@dataclass(frozen=True)
class RunArguments:
    """A run as a program describes it: its options, and the objects that options cannot express."""

    options: Options
    agent: AgentSpec | None
    user: UserSpec | None
    tasks: list[Task] | None


def run_arguments(domain: str | Path, given: Mapping[str, Any]) -> RunArguments:
    """Read the arguments of `evaluate`. Raises UsageError for an unknown option or an invalid value."""
    known = get_type_hints(RunOptions)
    for name in given:
        if name not in known:
            raise UsageError(f"there is no option {name!r} ({did_you_mean(name, known)})")
    agent = given_participant(AGENT, given.get("agent"), given.get("agent_model"))
    user = given_participant(USER, given.get("user"), given.get("user_model"))
    judge = _judge_options(given.get("judge"), given.get("judge_rule"))
    plain = {NAMES.get(name, name): value for name, value in given.items() if name not in _PARTICIPANTS}
    plain = {name: _plain(name, value) for name, value in plain.items() if value is not None}
    own, ids = _chosen_tasks(plain.pop("task", None))
    if ids:
        plain["task"] = ids
    name, pack = find_domain(domain)
    plain["domain"] = [name]
    if pack is not None:
        plain["pack"] = [*plain.get("pack", ()), pack]
    config = given.get("config")
    if not isinstance(config, str | PathLike | None):
        raise UsageError(f"config: give a configuration file, not {config!r}")
    base = Options() if config is None else read_file(Path(config))
    roles = {"agent": agent.options, "user": user.options}
    changes = {role: options.model_dump(exclude_unset=True) for role, options in roles.items()} | {"judge": judge}
    try:
        return RunArguments(merged(base, plain, changes), agent.spec, user.spec, own)
    except ValidationError as error:
        what = error.errors(include_url=False)[0]
        name, *rest = map(str, what["loc"])
        place = ".".join([_OWN_NAMES.get(name, name), *rest])
        raise UsageError(f"{place}: {what['msg']}, not {what['input']!r}") from error


def _judge_options(given: Any, rule: Any) -> dict[str, Any]:
    """Return what a program says of the judges. Raises UsageError."""
    models = given if isinstance(given, list | tuple) else [given]
    if not models:
        raise UsageError("judge: the list is empty; leave it out to have no judge")
    first, *others = (role_options("judge", None, model) for model in models)
    said = first.model_dump(exclude_unset=True) | ({} if rule is None else {"rule": rule})
    return said | ({"also": others} if others else {})


def refuse_external(arguments: RunArguments) -> None:
    """Refuse a side that is played from outside where a whole run is played. Raises UsageError."""
    for spec in (arguments.agent, arguments.user):
        if spec is not None and spec.external:
            raise UsageError("evaluate plays both sides itself; to step a side yourself, use open_episode")


def find_domain(domain: str | Path) -> tuple[str, Path | None]:
    """Return a domain's name, and the folder of its pack if one was given. Raises UsageError, PackError."""
    if isinstance(domain, str) and not Path(domain, MANIFEST).is_file() and Path(domain).name == domain:
        return domain, None
    if not isinstance(domain, str | PathLike):
        raise UsageError(f"give a domain's name or a pack's folder, not {domain!r}")
    return folder_domain(Path(domain)).name, Path(domain)


def _plain(name: str, value: Any) -> Any:
    if name == "variant_option" and isinstance(value, Mapping):
        return [f"{key}={_json(key, option)}" for key, option in value.items()]
    if name in _BY_NAME and isinstance(value, Mapping):
        return [f"{key}={number}" for key, number in value.items()]
    if isinstance(value, PathLike):
        return fspath(value)
    return value


def _json(name: str, value: Any) -> str:
    """Return an option's value as the command line takes it. Raises UsageError."""
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"variant_options: {name} should be a JSON value, not {value!r}") from error


def _chosen_tasks(tasks: Any) -> tuple[list[Task] | None, list[str]]:
    """Return the program's own tasks, or None and the ids that it gives. Raises UsageError."""
    if tasks is None:
        return None, []
    if isinstance(tasks, str | Task):
        raise UsageError(f"tasks: give a list, such as [{tasks if isinstance(tasks, str) else tasks.id!r}]")
    try:
        found = list(tasks)
    except TypeError:
        raise UsageError(f"tasks: give a list of ids or tasks, not {tasks!r}") from None
    if not found:
        raise UsageError("tasks: the list is empty; leave it out to play a split")
    made = [task for task in found if isinstance(task, Task)]
    if not made:
        return None, found
    if len(made) < len(found):
        raise UsageError("tasks: give ids or tasks that you created, not both")
    ids = [task.id for task in made]
    if twice := next((task_id for task_id in ids if ids.count(task_id) > 1), None):
        raise UsageError(f"tasks: two of them have the id {twice!r}")
    return made, []


def refuse_running_loop(instead: str) -> None:
    """Raise UsageError if an event loop is running in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError(f"an event loop is running here: use {instead}")
