"""`tau2-gym run`: play tasks, grade them, show the results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tau2_core import own_process
from tau2_core.cli.options import DatasetOption, EvaluatorsOption, JsonOption, NoPluginOption, PackOption, example
from tau2_core.cli.safe_text import say, say_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tau2_core.plugins.catalogue import Catalogue
    from tau2_core.runs.execute import RunResult
    from tau2_core.runs.plan import Plan


@example("tau2-gym run airline --agent oracle --split train --trials 2")
def run(
    domain: Annotated[str, typer.Argument(help="The domain to play; `tau2-gym domains` lists them.")],
    agent: Annotated[
        str | None, typer.Option(help="Who serves: oracle (default), llm, silent, human, … or a plugin's.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="Who calls: scripted (default), llm, human, none (solo), or a plugin's.")
    ] = None,
    agent_model: Annotated[str | None, typer.Option(metavar="MODEL", help="The agent's model; makes it llm.")] = None,
    user_model: Annotated[str | None, typer.Option(metavar="MODEL", help="The customer's model; makes it llm.")] = None,
    judge_model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The model that decides natural-language assertions.")
    ] = None,
    agent_args: Annotated[str | None, typer.Option(metavar="JSON", help="Arguments of the agent's model.")] = None,
    user_args: Annotated[str | None, typer.Option(metavar="JSON", help="Arguments of the customer's model.")] = None,
    judge_args: Annotated[str | None, typer.Option(metavar="JSON", help="Arguments of the judge's model.")] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A YAML file with model and args for agent, user, judge.")
    ] = None,
    dataset: DatasetOption = None,
    split: Annotated[str | None, typer.Option(help="A split of the tasks; default: base.")] = None,
    task: Annotated[
        list[str] | None, typer.Option("--task", metavar="ID", help="Only this task; may be repeated.")
    ] = None,
    num_tasks: Annotated[int | None, typer.Option(min=1, help="Only the first N tasks.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Only N tasks, drawn by the seed.")] = None,
    trials: Annotated[int, typer.Option(help="How often each task is played.")] = 1,
    seed: Annotated[int, typer.Option(help="Decides every trial's seed.")] = 300,
    variant: Annotated[str, typer.Option(help="Other prompts over the same world.")] = "",
    solo: Annotated[bool, typer.Option("--solo", help="The agent works alone on a ticket.")] = False,
    mode: Annotated[
        Literal["strict", "tau2"] | None,
        typer.Option(
            help="Arguments against the schema: strict (default), or tau2, as officially (default with --dataset)."
        ),
    ] = None,
    evaluators: EvaluatorsOption = None,
    max_steps: Annotated[int, typer.Option(help="Cut an episode off after so many steps.")] = 200,
    max_errors: Annotated[int, typer.Option(help="Cut an episode off after so many failed calls in all.")] = 10,
    timeout: Annotated[float | None, typer.Option(help="Cut an episode off after so many seconds.")] = None,
    run_timeout: Annotated[float | None, typer.Option(help="Stop the run after so many seconds.")] = None,
    turn_timeout: Annotated[float | None, typer.Option(help="Seconds a model has for a turn, retries and all.")] = None,
    call_timeout: Annotated[float, typer.Option(help="Seconds a model has for one request.")] = 120.0,
    attempts: Annotated[int, typer.Option(min=1, help="How often a request is tried.")] = 5,
    provider_limit: Annotated[
        list[str] | None, typer.Option(metavar="NAME=N", help="At most N requests at once to a provider.")
    ] = None,
    provider_rate: Annotated[
        list[str] | None, typer.Option(metavar="NAME=N", help="At most N requests a minute to a provider.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(metavar="DOLLARS", help="Start no more episodes once this much is spent.")
    ] = None,
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="Store every exchange with a model.")] = None,
    replay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the models' answers from such a file: no network, no key.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=RATE", help="Disturb tool calls: tool-error=0.1, latency, truncated."),
    ] = None,
    judge_all: Annotated[
        bool, typer.Option("--judge-all", help="Judge assertions outside the reward basis too.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run of this --name.")] = False,
    via: Annotated[
        Literal["process", "mcp"], typer.Option(help="Where tool calls go: this process, or a server, over MCP.")
    ] = "process",
    concurrency: Annotated[int, typer.Option(help="How many episodes are played side by side.")] = 8,
    out: Annotated[Path, typer.Option(help="Where run folders go.")] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="The run folder's name; default: time, domain and agent.")] = None,
    fail_under: Annotated[
        float | None, typer.Option(metavar="X", help="Exit with 1 if the mean reward is lower.")
    ] = None,
    json_output: JsonOption = False,
    pack: PackOption = None,
    no_plugin: NoPluginOption = None,
) -> None:
    """Play tasks of a domain, grade every episode, and show the results."""
    from tau2_core.cli.crashes import show_crashes
    from tau2_core.episode.conversation import Limits
    from tau2_core.episode.play import Cast
    from tau2_core.errors import UsageError
    from tau2_core.llm.cassette import Cassette
    from tau2_core.llm.model import Patience
    from tau2_core.runs.evaluation import choose_evaluators
    from tau2_core.runs.journal import default_name, refused_name
    from tau2_core.runs.models import hire, read_models
    from tau2_core.runs.plan import Plan
    from tau2_core.runs.prepare import open_catalogue, open_faults, prepare
    from tau2_core.terminal_text import plain_line

    if name is not None and refused_name(name):
        raise UsageError(f"--name {plain_line(name)!r} {refused_name(name)}")
    if fail_under is not None and not 0 <= fail_under <= 1:
        raise UsageError(f"--fail-under should be between 0 and 1, as rewards are, not {fail_under:g}")
    if resume and name is None:
        raise UsageError("--resume: say with --name which run to go on with")
    if record and replay:
        raise UsageError("give --record or --replay, not both")
    models = read_models(
        config,
        {"agent": agent_model, "user": user_model, "judge": judge_model},
        {"agent": agent_args, "user": user_args, "judge": judge_args},
    )
    cassette = None
    if replay or record:
        cassette = Cassette(replay or record or Path(), replaying=replay is not None, resume=resume)
    catalogue = open_catalogue(pack or (), no_plugin or ())
    setting = prepare(catalogue, domain, dataset=dataset, variant=variant, solo=solo, mode=mode)
    agent = agent or ("llm" if "agent" in models else "oracle")
    cast = Cast(
        catalogue.agent(agent),
        catalogue.user(user or ("none" if solo else "llm" if "user" in models else "scripted")),
        Limits(max_steps, max_errors, timeout),
        catalogue.tool_call_wrappers(),
        hire(
            models,
            patience=Patience(call_timeout, turn_timeout, attempts),
            limits=provider_limit or (),
            rates=provider_rate or (),
            cassette=cassette,
        ),
        open_faults(catalogue, fault or ()),
    )
    if sample and num_tasks:
        raise UsageError("--sample draws tasks, --num-tasks takes the first ones: give one of them")
    draw = seed if sample else None
    selection = setting.selection(split=split, ids=task or (), limit=sample or num_tasks, draw_seed=draw)
    graded_by = choose_evaluators(catalogue, evaluators, setting)
    plan = Plan(
        setting,
        cast,
        selection.tasks,
        trials,
        seed,
        split,
        graded_by.name,
        concurrency,
        faults=fault or (),
        max_cost=max_cost,
        run_seconds=run_timeout,
        judge_all=judge_all,
        evaluator_set=graded_by,
    )
    if selection.left_out:
        say(f"solo: {selection.left_out} tasks of {domain} need a customer and are left out", err=True)
    folder = out / (name or default_name(domain, models["agent"].model if agent == "llm" else agent))
    result = _play(plan, catalogue, folder, quiet=json_output, via=via, resume=resume)
    _show(result, json_output=json_output)
    mean = result.summary.mean_reward
    crashed = show_crashes((each.grade for each in result.finished), result.summary.folder)
    if crashed or result.stopped or (fail_under is not None and (mean is None or mean < fail_under)):
        raise typer.Exit(1)


def _play(plan: Plan, catalogue: Catalogue, folder: Path, *, quiet: bool, via: str, resume: bool) -> RunResult:
    from tau2_core.cli.progress import progress
    from tau2_core.errors import RunError
    from tau2_core.runs.models import closing

    title = f"{plan.setting.domain} · {plan.cast.agent.name}"
    with progress(title, len(plan.slots()), quiet=quiet or plan.interactive) as advance:
        work = _executor(via)(plan, catalogue, folder, resume=resume, on_finished=lambda _finished: advance())
        try:
            return own_process.run(closing(plan.cast.lines, work))
        except KeyboardInterrupt:  # a second Ctrl-C, when something would not let go after the first
            raise RunError(f"interrupted; finished episodes are kept in {folder}") from None


def _executor(via: str) -> Callable[..., Awaitable[RunResult]]:
    if via == "mcp":
        from tau2_core.gym.via import execute_via_mcp

        return execute_via_mcp
    from tau2_core.runs.execute import execute

    return execute


def _show(result: RunResult, *, json_output: bool) -> None:
    from tau2_core.cli.tables import show_run

    summary = result.summary
    if json_output:
        say_json(summary.model_dump_json(indent=2))
    else:
        show_run(result)
    if result.stopped:
        kept = f"{summary.finished} of {summary.slots} episodes are kept in {summary.folder}"
        say(f"{result.stopped}: {kept}; --resume --name {summary.name} goes on", err=True)
