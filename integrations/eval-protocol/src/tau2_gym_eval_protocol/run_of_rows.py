"""Compose a run of tau2-gym from rows: their tasks, the options of the run, and the participants."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tau2_core.agents.llm import LLMAgent
from tau2_core.api.options import refuse_external, run_arguments
from tau2_core.episode.participants import Participants
from tau2_core.episode.play import OnSidecar, OpenEpisode
from tau2_core.episode.setting import Setting
from tau2_core.errors import UsageError
from tau2_core.llm.model import RoleModel
from tau2_core.model.episodes import EpisodeRecord, Slot, Termination
from tau2_core.model.llm import ModelSettings
from tau2_core.model.participants import Agent, AgentContext
from tau2_core.model.registrations import AgentSpec
from tau2_core.model.tasks import Task
from tau2_core.runs.composition import Composition, compose, open_pool, open_role_models
from tau2_core.runs.executors.players import PlayEpisode
from tau2_core.runs.model_clients import close_models
from tau2_core.runs.options import JudgeOptions, Options, RoleOptions

from tau2_gym_eval_protocol.datasets import as_task
from tau2_gym_eval_protocol.retries import ExceptionHandlerConfig, RolloutError
from tau2_gym_eval_protocol.rollout_processors import Playing
from tau2_gym_eval_protocol.rows import EvaluationRow

# Options of the processors; the last two are eval-protocol's and have no effect here.
OF_PROCESSORS = {"url", "token", "port", "server_mode", "start_server"}
ELSEWHERE = {
    "tasks": "the rows contain the tasks",
    "split": "the rows contain the tasks",
    "num_tasks": "use max_dataset_rows",
    "sample": "the rows contain the tasks",
    "trials": "use num_runs",
    "concurrency": "use max_concurrent_rollouts",
    "max_steps": "use steps",
    "via": "choose the rollout_processor",
    "resume": "each test is a new run",
    "shard": "distribute the tests with pytest-xdist",
    "out": "use pytest's option --gym-out",
    "name": "a run is named after its test",
}
NOT_SENT = ("model", "agent", "max_tools_per_turn", "max_tool_calls")  # parameters that are not sent to a model


@dataclass(frozen=True)
class RunSettings:
    """The options of an experiment's run, apart from the rows."""

    completion_params: Mapping[str, Any]
    kwargs: Mapping[str, Any]
    steps: int
    num_runs: int
    concurrency: int
    folder: Path


@dataclass(frozen=True, eq=False)
class RunOfRows:
    """A composed run that plays the tasks of rows; `rows` maps task ids to rows.

    `customers` maps settings as JSON to the models of the rows' own customers; None if the rows specify none.
    """

    composed: Composition
    rows: Mapping[str, EvaluationRow]
    customers: Mapping[str, RoleModel] | None

    def play_episode(self, how: Playing, handler: ExceptionHandlerConfig) -> PlayEpisode:
        """Return a function that plays an episode with its row's participants, and with the retries of `handler`."""

        async def play_row(
            setting: Setting,
            task: Task,
            _participants: Participants,
            slot: Slot,
            seed: int,
            open_episode: OpenEpisode,
            on_sidecar: OnSidecar | None,
        ) -> EpisodeRecord:
            participants = self._participants(self.rows[task.id])
            for retry in itertools.count():
                record = await how.play_episode(setting, task, participants, slot, seed, open_episode, on_sidecar)
                if record.termination is not Termination.INFRASTRUCTURE_ERROR or not how.can_repeat:
                    break
                refused = any(role_model.refused() for role_model in participants.role_models.values())
                error = RolloutError(record.error or "")
                if refused or retry >= handler.backoff_config.max_tries or not handler.is_worth_retrying(error):
                    break
                await asyncio.sleep(handler.backoff_config.wait(retry))
            return record

        return play_row

    def _participants(self, row: EvaluationRow) -> Participants:
        """Return the participants for a row, which may specify its customer's model and its agent's system prompt."""
        participants = self.composed.plan.participants
        system = next((message.text for message in row.messages if message.role == "system"), None)
        if system and participants.agent.name == "llm":
            participants = replace(participants, agent=_prompted(participants.agent, system))
        if self.customers is None:
            return participants
        model = customer(row)
        if model is None:
            return replace(participants, user=self.composed.catalogue.user("scripted"))
        role_models = {**participants.role_models, "user": self.customers[model.model_dump_json()]}
        return replace(participants, role_models=role_models)

    async def close(self) -> None:
        """Close the connections to the models."""
        await close_models([*self.composed.plan.participants.role_models.values(), *(self.customers or {}).values()])


def compose_rows(rows: Sequence[EvaluationRow], settings: RunSettings) -> RunOfRows:
    """Compose a run of rows. Raises UsageError, PackError, DatasetError."""
    kwargs = {name: value for name, value in settings.kwargs.items() if name not in OF_PROCESSORS and value is not None}
    for name in kwargs.keys() & ELSEWHERE.keys():
        raise UsageError(f"rollout_processor_kwargs: {name!r} is not an option of a processor: {ELSEWHERE[name]}")
    domain = kwargs.pop("domain", None) or context_of(rows, "domain")
    if not domain:
        raise UsageError('no row\'s environment_context names a domain; give rollout_processor_kwargs={"domain": …}')
    for name in ("solo", "variant", "variant_options"):
        if said := context_of(rows, name):
            kwargs.setdefault(name, said)
    own_user = "user" in kwargs or "user_model" in kwargs or bool(kwargs.get("solo"))
    models = [] if own_user else [*filter(None, map(customer, rows))]
    given: dict[str, Any] = {
        **kwargs,
        **_agent(settings.completion_params, kwargs),
        **{role: _participant(role, kwargs[role]) for role in ("user", "judge") if role in kwargs},
        **({"user": models[0]} if models else {}),
        "trials": settings.num_runs,
        "concurrency": settings.concurrency,
        "max_steps": settings.steps,
        "out": settings.folder.parent,
        "name": settings.folder.name,
    }
    try:
        told = run_arguments(domain, given)
    except UsageError as error:
        raise UsageError(f"rollout_processor_kwargs: {error}") from error
    refuse_external(told)
    found: dict[str, EvaluationRow] = {}

    def tasks_of(setting: Setting) -> list[Task]:
        tasks = read_tasks(setting, rows)
        found.update(zip((task.id for task in tasks), rows, strict=True))
        return tasks

    composed = compose(told.options, agent=told.agent, user=told.user, tasks=tasks_of)
    _refuse_unjudged(composed, found)
    return RunOfRows(composed, found, _customers(composed, told.options, models) if models else None)


def _customers(composed: Composition, options: Options, models: Sequence[ModelSettings]) -> dict[str, RoleModel]:
    """Open the models of the rows' customers; the first is the run's customer. Raises UsageError."""
    settings = {model.model_dump_json(): model for model in models}
    first, *others = settings
    found = {first: composed.plan.participants.role_models["user"]}
    if others and (options.record or options.replay):
        raise UsageError("the rows specify several models for customers, but a cassette supports only one: give `user`")
    for key in others:
        model = settings[key]
        user = RoleOptions(model=model.model, args=model.args)
        alone = options.model_copy(update={"agent": RoleOptions(), "judge": JudgeOptions(), "user": user})
        found[key] = open_role_models(open_pool(alone), alone, composed.catalogue)["user"]
    return found


def context_of(rows: Sequence[EvaluationRow], key: str) -> Any:
    """Return a key's value in all rows' `environment_context`, or None. Raises UsageError if they differ."""
    values = [((row.input_metadata.dataset_info or {}).get("environment_context") or {}).get(key) for row in rows]
    said = {json.dumps(value, sort_keys=True, default=str): value for value in values}
    if len(said) > 1:
        named = sorted(map(str, said.values()))
        raise UsageError(f"the rows have several values of {key}: {named}; evaluate them separately")
    return next(iter(said.values()), None)


def read_tasks(setting: Setting, rows: Sequence[EvaluationRow]) -> list[Task]:
    """Return the rows' tasks in order. If tasks share an id, all but the first get their row's id instead."""
    tasks: dict[str, Task] = {}
    for row in rows:
        task = as_task(row.row_id, row.input_metadata.dataset_info or {}, setting.tasks())
        if task.id in tasks:
            task = task.model_copy(update={"id": row.row_id})
        tasks[task.id] = task
    return list(tasks.values())


def split_params(params: Mapping[str, Any]) -> tuple[Any, ModelSettings | None]:
    """Return the agent (None if not given) and the model of completion parameters."""
    args = {name: value for name, value in params.items() if name not in NOT_SENT}
    args |= args.pop("extra_body", None) or {}
    if "base_url" in args:
        args["api_base"] = args.pop("base_url")
    model = params.get("model")
    if isinstance(model, str) and model.startswith("accounts/"):
        model = f"fireworks_ai/{model}"
    return params.get("agent"), ModelSettings(model=model, args=args) if model else None


def customer(row: EvaluationRow) -> ModelSettings | None:
    """Return the model that a row specifies for its customer, or None."""
    simulation = (row.input_metadata.dataset_info or {}).get("user_simulation") or {}
    if not simulation.get("enabled") or not simulation.get("llm"):
        return None
    return split_params({"model": simulation["llm"], **(simulation.get("llm_args") or {})})[1]


def _agent(params: Mapping[str, Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    agent, model = split_params(params)
    agent = agent or kwargs.get("agent")
    if agent is None and model is None and "agent_model" not in kwargs:
        raise UsageError('no agent: give completion_params=[{"model": …}], or {"agent": …} for one without a model')
    if agent is None:
        return {"agent": model} if model else {}
    return {"agent": agent, **({"agent_model": model} if model else {})}


def _participant(role: str, given: Any) -> Any:
    """Return a participant as a run's option: a mapping becomes a model, anything else is unchanged."""
    if not isinstance(given, Mapping):
        return given
    _, model = split_params(given)
    if model is None:
        raise UsageError(f"rollout_processor_kwargs: {role}: should name a `model`")
    return model


def _prompted(spec: AgentSpec, system: str) -> AgentSpec:
    def create(context: AgentContext) -> Agent:
        return LLMAgent(context, system)

    return replace(spec, create=create)


def _refuse_unjudged(composed: Composition, rows: Mapping[str, EvaluationRow]) -> None:
    plan = composed.plan
    if "judge" in plan.participants.role_models or plan.evaluator_set is None:
        return
    grader = plan.evaluator_set.grader(plan.setting)
    for task in plan.tasks:
        criteria = task.evaluation_criteria
        if criteria and criteria.nl_assertions and "NL_ASSERTION" in grader.basis(task):
            raise UsageError(
                f"row {rows[task.id].row_id!r} counts natural-language assertions, which need a judge: give "
                'rollout_processor_kwargs={"judge": {"model": …}}, or remove NL_ASSERTION from its reward_basis'
            )
