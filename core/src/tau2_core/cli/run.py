"""`tau2-gym run`: play tasks, grade them, show the results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tau2_core.cli.options import (
    ConfigOption,
    DatasetOption,
    EvaluatorsOption,
    JsonOption,
    JudgeArgsOption,
    JudgeCalibrationOption,
    JudgeModelOption,
    JudgeRuleOption,
    MaxCustomerFaultsOption,
    MinJudgeAccuracyOption,
    NoPluginOption,
    PackOption,
    PackTau2Option,
    PersonaOption,
    ShowConfigOption,
    UserCheckOption,
    UserPromptOption,
    example,
    given,
)
from tau2_core.cli.safe_text import say, say_json

if TYPE_CHECKING:
    from tau2_core.runs.composition import Composition
    from tau2_core.runs.execute import RunResult


@example("tau2-gym run airline --agent oracle --split train --trials 2")
def run(
    ctx: typer.Context,
    domain: Annotated[
        str | None, typer.Argument(help="The domain to play; `tau2-gym domains` lists them.", show_default=False)
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(help="The agent: oracle (default), llm, human, …, http:URL, python:MODULE:NAME, or a plugin's."),
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="The customer: scripted (default), llm, human, none (solo), or a plugin's.")
    ] = None,
    agent_model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The agent's model; implies --agent llm.")
    ] = None,
    user_model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The customer's model; implies --user llm.")
    ] = None,
    judge_model: JudgeModelOption = None,
    agent_args: Annotated[str | None, typer.Option(metavar="JSON", help="Arguments of the agent's model.")] = None,
    user_args: Annotated[str | None, typer.Option(metavar="JSON", help="Arguments of the customer's model.")] = None,
    user_prompt: UserPromptOption = None,
    persona: PersonaOption = None,
    judge_args: JudgeArgsOption = None,
    judge_rule: JudgeRuleOption = "majority",
    judge_calibration: JudgeCalibrationOption = None,
    user_check: UserCheckOption = False,
    config: ConfigOption = None,
    show_config: ShowConfigOption = False,
    dataset: DatasetOption = None,
    split: Annotated[str | None, typer.Option(help="A split of the tasks; default: base.")] = None,
    task: Annotated[
        list[str] | None, typer.Option("--task", metavar="ID", help="Only this task; may be repeated.")
    ] = None,
    num_tasks: Annotated[int | None, typer.Option(min=1, help="Only the first N tasks.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Only N tasks, drawn at random with the seed.")] = None,
    trials: Annotated[int, typer.Option(help="Episodes per task.")] = 1,
    seed: Annotated[int, typer.Option(help="Determines the seed of every trial.")] = 300,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Play only part I of N; `tau2-gym merge` merges them.")
    ] = None,
    variant: Annotated[str, typer.Option(help="Other texts or tools for the same domain.")] = "",
    variant_option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="An option of the variant, such as top_k=5.")
    ] = None,
    solo: Annotated[bool, typer.Option("--solo", help="The agent works alone on a ticket.")] = False,
    user_first: Annotated[
        bool, typer.Option("--user-first", help="Do not show the agent's own opening line to its model.")
    ] = False,
    mode: Annotated[
        Literal["strict", "tau2"] | None,
        typer.Option(help="The argument mode: strict (default), or tau2, as in tau2-bench (default with --dataset)."),
    ] = None,
    evaluators: EvaluatorsOption = None,
    max_steps: Annotated[int, typer.Option(help="Maximum number of steps per episode.")] = 200,
    max_errors: Annotated[int, typer.Option(help="Maximum number of failed calls per episode.")] = 10,
    timeout: Annotated[float | None, typer.Option(help="Maximum seconds per episode.")] = None,
    run_timeout: Annotated[float | None, typer.Option(help="Maximum seconds of the run.")] = None,
    turn_timeout: Annotated[
        float | None, typer.Option(help="Maximum seconds for a model's turn, including retries.")
    ] = None,
    call_timeout: Annotated[float, typer.Option(help="Maximum seconds for one request to a model.")] = 120.0,
    attempts: Annotated[int, typer.Option(min=1, help="Attempts per request.")] = 5,
    provider_limit: Annotated[
        list[str] | None, typer.Option(metavar="NAME=N", help="At most N concurrent requests to a provider.")
    ] = None,
    provider_rate: Annotated[
        list[str] | None, typer.Option(metavar="NAME=N", help="At most N requests per minute to a provider.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(metavar="DOLLARS", help="Start no more episodes once this cost is reached.")
    ] = None,
    max_infrastructure_errors: Annotated[
        int, typer.Option(metavar="N", help="Stop after N consecutive infrastructure errors of one kind.")
    ] = 5,
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="Store every exchange with a model.")] = None,
    replay: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Take the models' answers from such a file, without network or keys."),
    ] = None,
    token_traces: Annotated[
        bool, typer.Option("--token-traces", help="Keep token ids and logprobs of models at an endpoint.")
    ] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=RATE", help="Disturb tool calls: tool-error=0.1, latency, truncated."),
    ] = None,
    judge_all: Annotated[
        bool, typer.Option("--judge-all", help="Judge assertions outside the reward basis too.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run of this --name.")] = False,
    via: Annotated[
        Literal["process", "mcp"], typer.Option(help="Where tool calls go: this process, or a server over MCP.")
    ] = "process",
    executor: Annotated[
        str, typer.Option(help="Where episodes are played: async (this process), processes, or a plugin's.")
    ] = "async",
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How many processes play; default: one per processor.")
    ] = None,
    executor_option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="An option of the executor.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Episodes at a time, by all workers; default: 8, or 4 per worker.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder for run folders.")] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="The run folder's name; default: time, domain and agent.")] = None,
    min_coverage: Annotated[
        float | None,
        typer.Option(metavar="X", help="Exit with 1 if the share of episodes with a reward is lower, 0 to 1."),
    ] = None,
    min_judge_accuracy: MinJudgeAccuracyOption = None,
    max_customer_faults: MaxCustomerFaultsOption = None,
    fail_under: Annotated[
        float | None, typer.Option(metavar="X", help="Exit with 1 if the mean reward is lower.")
    ] = None,
    json_output: JsonOption = False,
    pack: PackOption = None,
    pack_tau2: PackTau2Option = None,
    no_plugin: NoPluginOption = None,
) -> None:
    """Play tasks of a domain, grade every episode, and show the results."""
    from tau2_core.cli.evaluator_crashes import show_crashes
    from tau2_core.cli.gates import passes_gates
    from tau2_core.runs.composition import compose
    from tau2_core.runs.options import read_options

    options = read_options(config, given(ctx))
    if show_config:
        typer.echo(options.shown(ctx.params), nl=False)
        return
    run = compose(options)
    if run.left_out:
        left = f"{run.left_out} tasks of {run.plan.setting.domain} need a customer and are left out"
        say(f"solo: {left}", err=True)
    wrapped = run.plan.setting.pack.wrapped
    if wrapped is not None:
        say(f"note: {wrapped.note()}", err=True)
    result = _play(run, quiet=json_output, via=options.via, resume=options.resume)
    _show(result, json_output=json_output)
    mean = result.summary.mean_reward
    failed = options.fail_under is not None and (mean is None or mean < options.fail_under)
    crashed = show_crashes(result.crashes(), result.summary.folder)
    uncovered = _uncovered(result, options.min_coverage)
    if uncovered:
        say(f"error: {uncovered}", err=True)
    kept = passes_gates(
        result.summary.customer_faults,
        result.summary.judge,
        min_judge_accuracy=options.min_judge_accuracy,
        max_customer_faults=options.max_customer_faults,
    )
    if crashed or uncovered or result.stopped or failed or not kept:
        raise typer.Exit(1)


def _uncovered(result: RunResult, least: float | None) -> str:
    """Return a message that too few episodes have a reward, "" if enough have."""
    summary = result.summary
    if summary.finished and not summary.evaluable:
        return f"no episode could be evaluated: {', '.join(f'{n} {what}' for what, n in summary.outcomes.items())}"
    if least is not None and summary.coverage < least:
        return f"coverage {summary.coverage:.4f} is below --min-coverage {least:g}"
    return ""


def _play(composed: Composition, *, quiet: bool, via: str, resume: bool) -> RunResult:
    from tau2_core.api.evaluate import play_composed
    from tau2_core.cli.progress import progress
    from tau2_core.errors import RunError
    from tau2_core.runtime import event_loop

    plan = composed.plan
    title = f"{plan.setting.domain} · {plan.participants.agent.name}"
    with progress(title, plan.own_size, quiet=quiet or plan.interactive) as bar:
        work = play_composed(composed, via=via, resume=resume, on_begun=bar.begin_at, on_graded=bar.advance)
        try:
            return event_loop.run_async(work)
        except KeyboardInterrupt:  # after a second Ctrl-C, if something still blocks after the first
            raise RunError(f"interrupted; finished episodes are kept in {composed.folder}") from None


def _show(result: RunResult, *, json_output: bool) -> None:
    from tau2_core.cli.tables import show_run

    summary = result.summary
    if json_output:
        say_json(summary.model_dump_json(indent=2))
    else:
        show_run(result)
    if result.stopped:
        kept = f"{summary.finished} of {summary.slots} episodes are kept in {summary.folder}"
        say(f"{result.stopped}: {kept}; continue with --resume --name {summary.name}", err=True)
