"""The table that rollouts of one model sit around: the setting, who plays, who grades, and the folder that keeps it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tau2_core.adapters.eval_protocol.dataset_rows import as_task
from tau2_core.agents.llm import LLMAgent
from tau2_core.episode.conversation import Limits
from tau2_core.episode.participants import Participants
from tau2_core.episode.setting import Setting
from tau2_core.errors import UsageError
from tau2_core.evaluators.grade import Grader
from tau2_core.llm.model import Patience, RoleModel
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Grade
from tau2_core.model.llm import ModelRole, ModelSettings
from tau2_core.model.participants import Agent, AgentContext
from tau2_core.model.registrations import AgentSpec
from tau2_core.model.tasks import Task
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.journal import CONFIGURATION, GRADES, SUMMARY, TASKS, Journal
from tau2_core.records.summary import summarise
from tau2_core.records.tally import Tally
from tau2_core.runs.configuration import configuration
from tau2_core.runs.evaluator_sets import choose_evaluators
from tau2_core.runs.judgements import Judging, probe_judge
from tau2_core.runs.listeners import Listeners
from tau2_core.runs.loading import load_setting, open_catalogue, with_dataset_args
from tau2_core.runs.model_clients import open_models
from tau2_core.runs.plan import DEFAULT_SEED, Plan
from tau2_core.testing.processors import RolloutProcessorConfig
from tau2_core.testing.rows import EvaluationRow

KNOWN = {
    "domain", "dataset", "variant", "solo", "mode", "packs", "evaluators", "agent", "user", "judge", "seed",
    "max_errors", "timeout", "user_first", "url", "token", "port", "server_mode", "start_server",
}  # fmt: skip
OURS = ("agent", "max_tools_per_turn", "max_tool_calls")


def split_params(params: Mapping[str, Any]) -> tuple[str | None, ModelSettings | None]:
    """Return the agent's name (None if not given) and the model that completion parameters describe."""
    args = {name: value for name, value in params.items() if name not in ("model", *OURS)}
    args |= args.pop("extra_body", None) or {}
    if "base_url" in args:
        args["api_base"] = args.pop("base_url")
    model = params.get("model")
    if isinstance(model, str) and model.startswith("accounts/"):
        model = f"fireworks_ai/{model}"
    return params.get("agent"), ModelSettings(model=model, args=args) if model else None


@dataclass(eq=False)
class Table:
    """What all rollouts of one model share. Raises UsageError where the rows and the options do not fit."""

    config: RolloutProcessorConfig
    catalogue: Catalogue
    plan: Plan
    grader: Grader
    tasks: Mapping[str, Task]
    journal: Journal
    listeners: Listeners
    started: float = field(default_factory=time.monotonic)
    records: dict[Slot, EpisodeRecord] = field(default_factory=dict)
    grades: dict[Slot, Grade] = field(default_factory=dict)
    role_models: dict[str, RoleModel] = field(default_factory=dict)

    @cached_property
    def judging(self) -> Judging:
        """The judge's part, which keeps what is said beside the episodes."""
        return Judging(self.plan.participants.role_models.get("judge"), self.grader, self.journal, {})

    _probing: asyncio.Task[None] | None = None

    async def probe(self) -> None:
        """See once, before anything is played, that there is a judge of use where one is named. Raises RunError."""
        if self._probing is None:
            self._probing = asyncio.create_task(probe_judge(self.plan.participants.role_models.get("judge")))
        await asyncio.shield(self._probing)

    def all_lines(self) -> list[RoleModel]:
        """Return the models that were opened."""
        return [*self.plan.participants.role_models.values(), *self.role_models.values()]

    @property
    def setting(self) -> Setting:
        return self.plan.setting

    def cast_for(self, row: EvaluationRow) -> Participants:
        """Return who plays a row: the customer's model and the agent's system prompt may be the row's own."""
        participants = self.plan.participants
        system = next((message.text for message in row.messages if message.role == "system"), None)
        if system and participants.agent.name == "llm":
            participants = replace(participants, agent=_prompted(participants.agent, system))
        if self.config.kwargs.get("user") is not None or self.setting.solo:
            return participants
        wished = customer(row)
        if wished is None:
            return replace(participants, user=self.catalogue.user("scripted"))
        model = with_dataset_args(self.catalogue, _datasets(self.config), {"user": wished})["user"]
        if model != participants.role_models["user"].settings:
            key = model.model_dump_json()
            if key not in self.role_models:
                self.role_models.update({key: open_models({"user": model}, patience=Patience())["user"]})
            participants = replace(
                participants, role_models={**participants.role_models, "user": self.role_models[key]}
            )
        return participants

    async def grade(self, record: EpisodeRecord) -> Grade:
        """Grade an episode that is on disk already, with the judge where its word counts, and keep the grade."""
        task = self.tasks_by_id[record.task_id]
        grade = await self.grader.grade_aside(record, task, await self.judging.judgement(record, task))
        self.journal.append(GRADES, grade.model_dump(mode="json"))
        self.records[record.slot], self.grades[record.slot] = record, grade
        return grade

    @cached_property
    def tasks_by_id(self) -> dict[str, Task]:
        return {task.id: task for task in self.plan.tasks}

    def close(self) -> None:
        """Write the figures of what was played, and tell plugins. Raises RunError if one of them raises."""
        folder, seconds = self.journal.folder, time.monotonic() - self.started
        records, grades, said = ([*each.values()] for each in (self.records, self.grades, self.judging.known))
        inventory = self.plan.inventory()
        tally = Tally(inventory.tasks, inventory.trials, grades, records, said)
        summary = summarise(inventory, folder.name, str(folder), tally, seconds)
        self.journal.write(SUMMARY, summary.model_dump(mode="json"))
        self.listeners.notify_now("run_finished", summary)
        self.listeners.close()


def open_table(config: RolloutProcessorConfig) -> Table:
    """Prepare what rows ask for, and write down what the run is told. Raises UsageError, PackError, DatasetError."""
    kwargs, rows = config.kwargs, config.all_rows
    unknown = kwargs.keys() - KNOWN
    if unknown:
        known = ", ".join(sorted(KNOWN))
        raise UsageError(f"rollout_processor_kwargs: {', '.join(sorted(unknown))} is not known; there is: {known}")
    catalogue = open_catalogue([Path(pack) for pack in kwargs.get("packs", ())])
    datasets = _datasets(config)
    solo = kwargs.get("solo", context_of(rows, "solo") or False)
    setting = load_setting(
        catalogue,
        kwargs.get("domain") or context_of(rows, "domain") or _no_domain(),
        dataset=datasets[0] if datasets else None,
        variant=kwargs.get("variant", context_of(rows, "variant") or ""),
        solo=bool(solo),
        mode=kwargs.get("mode"),
    )
    tasks = read_tasks(setting, rows)
    participants = _participants(catalogue, setting, config)
    graded_by = choose_evaluators(catalogue, kwargs.get("evaluators"), setting)
    grader = graded_by.grader(setting)
    seed, at_once = kwargs.get("seed", DEFAULT_SEED), config.concurrency
    chosen = list(tasks.values())
    plan = Plan(
        setting, participants, chosen, config.num_runs, seed, None, graded_by.name, at_once, evaluator_set=graded_by
    )
    graded_by.refuse_ungradable(grader, chosen)
    _refuse_what_nobody_judges(tasks, participants, grader)
    config.journal.rewrite(TASKS, (task.model_dump(mode="json", exclude_none=True) for task in plan.tasks))
    config.journal.write(CONFIGURATION, configuration(plan, catalogue))
    setting.bases()
    listeners = Listeners(catalogue, config.journal.folder, participants.limits.timeout_seconds)
    listeners.notify_now("run_started", plan.run_start(config.journal.folder))
    return Table(config, catalogue, plan, grader, tasks, config.journal, listeners)


def context_of(rows: Sequence[EvaluationRow], key: str) -> Any:
    """Return what all rows' `environment_context` says of a key, None if they say nothing. Raises UsageError."""
    said = {((row.input_metadata.dataset_info or {}).get("environment_context") or {}).get(key) for row in rows}
    if len(said) > 1:
        raise UsageError(f"the rows name several of {key}: {sorted(map(str, said))}; evaluate them one by one")
    return next(iter(said), None)


def _no_domain() -> str:
    raise UsageError('no row\'s environment_context names a domain; give rollout_processor_kwargs={"domain": …}')


def read_tasks(setting: Setting, rows: Sequence[EvaluationRow]) -> dict[str, Task]:
    """Return the rows' tasks by row id; of tasks with one id, all but the first are called as their rows are."""
    tasks: dict[str, Task] = {}
    taken: set[str] = set()
    for row in rows:
        task = as_task(row.row_id, row.input_metadata.dataset_info or {}, setting.tasks())
        if task.id in taken:
            task = task.model_copy(update={"id": row.row_id})
        taken.add(task.id)
        tasks[row.row_id] = task
    return tasks


def _participants(catalogue: Catalogue, setting: Setting, config: RolloutProcessorConfig) -> Participants:
    kwargs = config.kwargs
    name, model = split_params(config.completion_params)
    models: dict[ModelRole, ModelSettings] = {"agent": model} if model else {}
    user = kwargs.get("user")
    if isinstance(user, Mapping):
        models["user"] = _settings("user", user)
        user = "llm"
    elif user is None and not setting.solo and (wished := [*filter(None, map(customer, config.all_rows))]):
        models["user"] = wished[0]
        user = "llm"
    if kwargs.get("judge"):
        models["judge"] = _settings("judge", kwargs["judge"])
    name = name or kwargs.get("agent") or ("llm" if model else None)
    if name is None:
        raise UsageError('nobody plays: give completion_params=[{"model": …}], or {"agent": …} for one without a model')
    limits = Limits(config.steps, kwargs.get("max_errors", 10), kwargs.get("timeout"))
    spec = catalogue.user(user or ("none" if setting.solo else "scripted"))
    role_models = open_models(with_dataset_args(catalogue, _datasets(config), models), patience=Patience())
    wrappers, user_first = catalogue.tool_call_wrappers(), bool(kwargs.get("user_first"))
    return Participants(catalogue.agent(name), spec, limits, wrappers, role_models, user_first=user_first)


def _datasets(config: RolloutProcessorConfig) -> list[Path]:
    return [Path(config.kwargs["dataset"])] if config.kwargs.get("dataset") else []


def _settings(role: str, given: Mapping[str, Any]) -> ModelSettings:
    _, model = split_params(given)
    if model is None:
        raise UsageError(f"rollout_processor_kwargs: {role}: should name a `model`")
    return model


def customer(row: EvaluationRow) -> ModelSettings | None:
    """Return the model that a row wants its customer to be played by, None without one."""
    simulation = (row.input_metadata.dataset_info or {}).get("user_simulation") or {}
    if not simulation.get("enabled") or not simulation.get("llm"):
        return None
    return split_params({"model": simulation["llm"], **(simulation.get("llm_args") or {})})[1]


def _prompted(spec: AgentSpec, system: str) -> AgentSpec:
    def create(context: AgentContext) -> Agent:
        return LLMAgent(context, system)

    return replace(spec, create=create)


def _refuse_what_nobody_judges(tasks: Mapping[str, Task], participants: Participants, grader: Grader) -> None:
    if "judge" in participants.role_models:
        return
    for name, task in tasks.items():
        criteria = task.evaluation_criteria
        if criteria and criteria.nl_assertions and "NL_ASSERTION" in grader.basis(task):
            raise UsageError(
                f"row {name!r} counts natural-language assertions, which a model has to judge: give "
                'rollout_processor_kwargs={"judge": {"model": …}}, or take NL_ASSERTION out of its reward_basis'
            )
