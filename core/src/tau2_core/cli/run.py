"""`tau2-gym run`: play tasks, grade them, show the results."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tau2_core.cli.options import DatasetOption, JsonOption, NoPluginOption, PackOption, example

if TYPE_CHECKING:
    from tau2_core.plugins.catalogue import Catalogue
    from tau2_core.runs.execute import RunResult
    from tau2_core.runs.plan import Plan


@example("tau2-gym run airline --agent oracle --split train --trials 2")
def run(
    domain: Annotated[str, typer.Argument(help="The domain to play; `tau2-gym domains` lists them.")],
    agent: Annotated[
        str, typer.Option(help="Who serves: oracle, silent, always-transfer, random, or a plugin's.")
    ] = "oracle",
    user: Annotated[str | None, typer.Option(help="Who calls: scripted, none (solo), or a plugin's.")] = None,
    dataset: DatasetOption = None,
    split: Annotated[str | None, typer.Option(help="A split of the tasks; default: base.")] = None,
    task: Annotated[
        list[str] | None, typer.Option("--task", metavar="ID", help="Only this task; may be repeated.")
    ] = None,
    num_tasks: Annotated[int | None, typer.Option(min=1, help="Only the first N tasks.")] = None,
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
    evaluators: Annotated[str, typer.Option(help="The set of evaluators that grades.")] = "tau2",
    max_steps: Annotated[int, typer.Option(help="Cut an episode off after so many steps.")] = 200,
    max_errors: Annotated[int, typer.Option(help="Cut an episode off after so many failed calls in all.")] = 10,
    timeout: Annotated[float | None, typer.Option(help="Cut an episode off after so many seconds.")] = None,
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
    from tau2_core.episode.conversation import Limits
    from tau2_core.episode.play import Cast
    from tau2_core.errors import UsageError
    from tau2_core.runs.journal import default_name
    from tau2_core.runs.plan import Plan
    from tau2_core.runs.prepare import open_catalogue, prepare

    if name is not None and (Path(name).name != name or name == ".."):
        raise UsageError(f"--name {name!r} should be a folder's name alone; say with --out where it goes")
    catalogue = open_catalogue(pack or (), no_plugin or ())
    setting = prepare(catalogue, domain, dataset=dataset, variant=variant, solo=solo, mode=mode)
    cast = Cast(
        catalogue.agent(agent),
        catalogue.user(user or ("none" if solo else "scripted")),
        Limits(max_steps, max_errors, timeout),
        catalogue.tool_call_wrappers(),
    )
    selection = setting.selection(split=split, ids=task or (), limit=num_tasks)
    if selection.left_out:
        typer.echo(f"solo: {selection.left_out} tasks of {domain} need a customer and are left out", err=True)
    plan = Plan(setting, cast, selection.tasks, trials, seed, split, evaluators, concurrency)
    result = _play(plan, catalogue, out / (name or default_name(domain, agent)), quiet=json_output, via=via)
    _show(result, json_output=json_output)
    mean = result.summary.mean_reward
    if result.interrupted or (fail_under is not None and (mean is None or mean < fail_under)):
        raise typer.Exit(1)


def _play(plan: Plan, catalogue: Catalogue, folder: Path, *, quiet: bool, via: str) -> RunResult:
    from tau2_core.cli.progress import progress
    from tau2_core.errors import RunError
    from tau2_core.runs.execute import execute

    with progress(f"{plan.setting.domain} · {plan.cast.agent.name}", len(plan.slots()), quiet=quiet) as advance:
        try:
            if via == "mcp":
                from tau2_core.gym.via import execute_via_mcp

                return asyncio.run(execute_via_mcp(plan, catalogue, folder, lambda _finished: advance()))
            return asyncio.run(execute(plan, catalogue, folder, on_finished=lambda _finished: advance()))
        except KeyboardInterrupt:  # a second Ctrl-C, when something would not let go after the first
            raise RunError(f"interrupted; finished episodes are kept in {folder}") from None


def _show(result: RunResult, *, json_output: bool) -> None:
    from tau2_core.cli.tables import show_run

    summary = result.summary
    if json_output:
        typer.echo(summary.model_dump_json(indent=2))
    else:
        show_run(result)
    if result.interrupted:
        typer.echo(
            f"interrupted: {summary.finished} of {summary.slots} episodes are kept in {summary.folder}", err=True
        )
