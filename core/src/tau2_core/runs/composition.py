"""Building a run from options: catalogue, models, participants, tasks, evaluators; for `run`, `serve` and the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tau2_core.agents.endpoint import address_of
from tau2_core.episode.customer_settings import choose_customers
from tau2_core.episode.limits import Limits
from tau2_core.episode.participants import Participants
from tau2_core.episode.setting import Setting
from tau2_core.episode.task_selection import Selection
from tau2_core.errors import PackError, UsageError
from tau2_core.llm.cassette import Cassette
from tau2_core.llm.limits import Patience
from tau2_core.llm.model import RoleModel
from tau2_core.model.llm import ModelRole
from tau2_core.model.registrations import AgentSpec, UserSpec
from tau2_core.model.tasks import Task
from tau2_core.packs.problems import Problems
from tau2_core.packs.task_checks import check_own_tasks
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.gates import refuse_gates
from tau2_core.records.judge_calibration import read_calibration
from tau2_core.records.judge_trust import refuse_other_judge
from tau2_core.records.run_names import default_name, refused_name
from tau2_core.runs.evaluator_sets import choose_evaluators
from tau2_core.runs.executors.choice import choose_executor
from tau2_core.runs.executors.players import Executor
from tau2_core.runs.executors.run_description import RunInputs
from tau2_core.runs.loading import load_setting, open_catalogue, open_faults, read_variant_options, with_dataset_args
from tau2_core.runs.model_clients import ModelPool, traced_roles
from tau2_core.runs.options import Options
from tau2_core.runs.plan import Plan, parse_shard
from tau2_core.terminal_text import printable_line

RoleModels = Mapping[ModelRole, RoleModel]
OwnTasks = Sequence[Task] | Callable[[Setting], Sequence[Task]]


@dataclass(frozen=True)
class Composition:
    """A run before its start: its plan and its folder. `left_out` tasks cannot be played solo."""

    catalogue: Catalogue
    plan: Plan
    folder: Path
    left_out: int
    executor: Executor


def compose(
    options: Options,
    *,
    agent: AgentSpec | None = None,
    user: UserSpec | None = None,
    tasks: OwnTasks | None = None,
) -> Composition:
    """Return the run that the options describe. Raises UsageError, PackError, DatasetError.

    `agent` and `user` are participants that no plugin registers. `tasks`, or the result of calling it with the setting,
    replaces the selection by options.
    """
    refuse_contradictions(options)
    catalogue = open_catalogue(options.pack, options.no_plugin)
    setting = run_setting(options, catalogue)
    pool = open_pool(options)
    models = open_role_models(pool, options, catalogue, setting)
    pool.refuse_unknown_limits()
    composed = compose_run(options, catalogue, models, agent, user, tasks, setting)
    if options.judge_calibration is None:
        return composed
    calibration, panel = read_calibration(options.judge_calibration), composed.plan.participants.panel
    refuse_other_judge(calibration, None if panel is None else panel.identity)
    return replace(composed, plan=replace(composed.plan, judge_calibration=calibration))


def compose_run(
    options: Options,
    catalogue: Catalogue,
    role_models: RoleModels,
    agent: AgentSpec | None = None,
    user: UserSpec | None = None,
    tasks: OwnTasks | None = None,
    setting: Setting | None = None,
) -> Composition:
    """Like `compose`, but with an existing catalogue and open models."""
    setting = setting or run_setting(options, catalogue)
    spec = agent or catalogue.agent(agent_name(options))
    participants = Participants(
        spec,
        user or catalogue.user(user_name(options, solo=options.solo)),
        Limits(options.max_steps, options.max_errors, options.timeout),
        catalogue.tool_call_wrappers(),
        role_models,
        open_faults(catalogue, options.fault),
        options.user_first,
        options.turn_timeout or options.call_timeout,
        choose_customers(
            setting.pack,
            options.user_prompt,
            options.persona,
            options.seed,
            catalogue.draft_detectors() if options.user_check else None,
        ),
        judge_rule=options.judge.rule,
    )
    if tasks is None:
        selection = _select(setting, options)
    else:
        made = list(tasks(setting) if callable(tasks) else tasks)
        refuse_own_tasks(setting, made)
        selection = Selection(made, 0)
    graded_by = choose_evaluators(catalogue, options.evaluators, setting)
    plan = Plan(
        setting,
        participants,
        selection.tasks,
        1 if options.trials is None else options.trials,
        options.seed,
        options.split,
        graded_by.name,
        options.concurrency,
        faults=options.fault,
        max_cost=options.max_cost,
        max_infrastructure_errors=options.max_infrastructure_errors,
        run_seconds=options.run_timeout,
        judge_all=options.judge_all,
        evaluator_set=graded_by,
        shard=None if options.shard is None else parse_shard(options.shard),
    )
    who = role_models["agent"].settings.model if spec.name == "llm" and "agent" in role_models else spec.name
    inputs = RunInputs(options=options, agent=agent, user=user, tasks=None if tasks is None else selection.tasks)
    return Composition(
        catalogue,
        plan,
        options.out / (options.name or default_name(setting.domain, who)),
        selection.left_out,
        choose_executor(catalogue, inputs, plan),
    )


def run_setting(options: Options, catalogue: Catalogue) -> Setting:
    """Return the setting of the run that the options describe. Raises UsageError, PackError, DatasetError."""
    if len(options.domain) != 1:
        raise UsageError("name one domain to play; `tau2-gym domains` lists them")
    if len(options.dataset) > 1:
        raise UsageError("a run plays one dataset: give --dataset once")
    (domain,) = options.domain
    return load_setting(
        catalogue,
        domain,
        dataset=options.dataset[0] if options.dataset else None,
        variant=options.variant,
        variant_options=read_variant_options(options.variant_option),
        solo=options.solo,
        mode=options.mode,
    )


def refuse_own_tasks(setting: Setting, tasks: Sequence[Task]) -> None:
    """Refuse a program's own tasks with calls that the pack does not know. Raises PackError."""
    problems = Problems(setting.domain)
    if setting.dataset is None:
        check_own_tasks(setting.pack, tasks, problems)
    if problems.found:
        raise PackError(problems.found)


def _select(setting: Setting, options: Options) -> Selection:
    draw = options.seed if options.sample else None
    limit = options.sample or options.num_tasks
    return setting.selection(split=options.split, ids=options.task, limit=limit, draw_seed=draw)


def agent_name(options: Options) -> str:
    """Return the name of the agent: the given one, `llm` with a model, else `oracle`."""
    if options.agent.name is not None:
        return options.agent.name
    return "oracle" if options.agent.model is None else "llm"


def user_name(options: Options, *, solo: bool) -> str:
    """Return the name of the user: the given one, `none` in solo play, `llm` with a model, else `scripted`."""
    if options.user.name is not None:
        return options.user.name
    return "none" if solo else "llm" if options.user.model is not None else "scripted"


def open_pool(
    options: Options,
    cassette: Cassette | None = None,
    adapt: Callable[[RoleModel], RoleModel] = lambda role_model: role_model,
) -> ModelPool:
    """Return a pool of models with the options' timeouts and limits, and with their cassette if none is given."""
    if cassette is None and (options.replay or options.record):
        replaying = options.replay is not None
        cassette = Cassette(options.replay or options.record or Path(), replaying=replaying, resume=options.resume)
    return ModelPool(
        patience=Patience(options.call_timeout, options.turn_timeout, options.attempts),
        limits=options.provider_limit,
        rates=options.provider_rate,
        cassette=cassette,
        adapt=adapt,
        priced=options.max_cost is not None,
    )


def open_role_models(
    pool: ModelPool, options: Options, catalogue: Catalogue, setting: Setting | None = None
) -> dict[ModelRole, RoleModel]:
    """Open the model of each role, and the models that a setting's tools use.

    With a dataset, models get the arguments of the dataset's own runner. Raises UsageError, DatasetError.
    """
    chosen = with_dataset_args(catalogue, options.dataset, options.models())
    traced = traced_roles(chosen) if options.token_traces else frozenset()
    return pool.open(chosen | (setting.search_models if setting is not None else {}), traced)


def refuse_contradictions(options: Options) -> None:
    """Refuse options that contradict each other, before anything is opened. Raises UsageError."""
    name, threshold = options.name, options.fail_under
    if name is not None and refused_name(name):
        raise UsageError(f"--name {printable_line(name)!r} {refused_name(name)}")
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"--fail-under should be between 0 and 1, as rewards are, not {threshold:g}")
    if options.min_coverage is not None and not 0 <= options.min_coverage <= 1:
        raise UsageError(f"--min-coverage should be between 0 and 1, not {options.min_coverage:g}")
    refuse_gates(options.min_judge_accuracy, options.max_customer_faults)
    if options.shard is not None:
        parse_shard(options.shard)
        for option in ("fail_under", "min_coverage", "min_judge_accuracy", "max_customer_faults"):
            if getattr(options, option) is not None:
                flag = f"--{option.replace('_', '-')}"
                raise UsageError(f"{flag} is about a whole run, not a shard: merge the shards, then `tau2-gym report`")
    if options.resume and name is None:
        raise UsageError("--resume: name the run to continue with --name")
    if options.record and options.replay:
        raise UsageError("give --record or --replay, not both")
    if (options.record or options.replay) and options.agent.name and address_of(options.agent.name):
        what = f"agent {options.agent.name} gets new URLs in each run, so its answers cannot be replayed"
        raise UsageError(f"--record, --replay: {what}; leave them out")
    if options.sample and options.num_tasks:
        raise UsageError("--sample draws tasks at random, --num-tasks takes the first ones: give only one of them")
