"""`tau2-gym serve`: private worlds over MCP."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tau2_core.cli.options import (
    ConfigOption,
    EvaluatorsOption,
    NoPluginOption,
    PackOption,
    ShowConfigOption,
    example,
    given,
)
from tau2_core.cli.safe_text import say

if TYPE_CHECKING:
    from tau2_core.gym.hosted_episode import Blueprint
    from tau2_core.gym.served_runs import ServedRuns
    from tau2_core.gym.server_settings import ServerSettings
    from tau2_core.plugins.catalogue import Catalogue
    from tau2_core.runs.options import Options


@example("tau2-gym serve airline retail --port 8700")
def serve(
    ctx: typer.Context,
    domain: Annotated[list[str] | None, typer.Argument(help="Domains to serve; default: all.")] = None,
    host: Annotated[str, typer.Option(help="The address; loopback by default.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8700,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="TAU2_GYM_TOKEN", help="The control plane's bearer token; default: a new one, printed once."
        ),
    ] = None,
    no_token: Annotated[
        bool, typer.Option("--no-token", help="On loopback: generate no token for lists, figures and slots.")
    ] = False,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Let web pages of this origin use the server; may be repeated."),
    ] = None,
    max_episodes: Annotated[int, typer.Option(min=1, help="How many episodes may be open at once.")] = 10_000,
    idle_timeout: Annotated[float, typer.Option(help="Seconds until an unused episode expires.")] = 1800.0,
    max_steps: Annotated[int, typer.Option(min=1, help="Cut an episode off after so many steps.")] = 200,
    max_errors: Annotated[int, typer.Option(min=1, help="Cut an episode off after so many failed calls.")] = 10,
    timeout: Annotated[float | None, typer.Option(help="Cut an episode off after so many seconds.")] = None,
    max_cost: Annotated[
        float | None, typer.Option(metavar="DOLLARS", help="Start no more episodes once this much is spent.")
    ] = None,
    max_connections: Annotated[int, typer.Option(min=1, help="How many clients may be connected at once.")] = 16_384,
    request_timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds a request has to arrive, from its first byte to its last.")
    ] = 30.0,
    transport: Annotated[
        Literal["http", "stdio"], typer.Option(help="stdio serves one episode of one domain.")
    ] = "http",
    conversation_tools: Annotated[
        bool, typer.Option("--conversation-tools", help="Let agents talk to the customer by MCP tools too.")
    ] = False,
    user: Annotated[str | None, typer.Option(help="Who calls: scripted (default), llm, or a plugin's.")] = None,
    user_model: Annotated[str | None, typer.Option(metavar="MODEL", help="The customer's model; makes it llm.")] = None,
    judge_model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The model that decides natural-language assertions.")
    ] = None,
    user_args: Annotated[str | None, typer.Option(metavar="JSON", help="Arguments of the customer's model.")] = None,
    judge_args: Annotated[str | None, typer.Option(metavar="JSON", help="Arguments of the judge's model.")] = None,
    config: ConfigOption = None,
    show_config: ShowConfigOption = False,
    split: Annotated[str | None, typer.Option(help="Serve a run of this split, slot by slot.")] = None,
    task: Annotated[
        list[str] | None, typer.Option("--task", metavar="ID", help="Serve a run of this task; with stdio, play it.")
    ] = None,
    num_tasks: Annotated[int | None, typer.Option(min=1, help="Serve a run of the first N tasks.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Serve a run of N tasks, drawn by the seed.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Serve a run with so many trials of each task.")] = None,
    seed: Annotated[int, typer.Option(help="Decides every trial's seed.")] = 300,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Serve only part I of N of the run.")] = None,
    variant: Annotated[str, typer.Option(help="The run's prompts.")] = "",
    solo: Annotated[bool, typer.Option("--solo", help="The run is played solo.")] = False,
    mode: Annotated[Literal["strict", "tau2"] | None, typer.Option(help="The run's mode.")] = None,
    agent_name: Annotated[str | None, typer.Option(help="What reports call the agent that plays.")] = None,
    slot_timeout: Annotated[float, typer.Option(help="Seconds an agent has for a slot.")] = 1800.0,
    slot_attempts: Annotated[int, typer.Option(min=1, help="How often a lost slot is handed out in all.")] = 3,
    run_timeout: Annotated[
        float | None, typer.Option(help="Stop the run that is served after so many seconds.")
    ] = None,
    max_infrastructure_errors: Annotated[
        int, typer.Option(metavar="N", help="Stop the run that is served after N such errors of one kind in a row.")
    ] = 5,
    turn_timeout: Annotated[float | None, typer.Option(help="Seconds a model has for a turn, retries and all.")] = None,
    call_timeout: Annotated[float, typer.Option(help="Seconds a model has for one request.")] = 120.0,
    attempts: Annotated[int, typer.Option(min=1, help="How often a request is tried.")] = 5,
    provider_limit: Annotated[
        list[str] | None, typer.Option(metavar="NAME=N", help="At most N requests at once to a provider.")
    ] = None,
    provider_rate: Annotated[
        list[str] | None, typer.Option(metavar="NAME=N", help="At most N requests a minute to a provider.")
    ] = None,
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="Store every exchange with a model.")] = None,
    replay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the models' answers from such a file.")
    ] = None,
    fault: Annotated[
        list[str] | None, typer.Option(metavar="NAME=RATE", help="Disturb tool calls: tool-error=0.1, …")
    ] = None,
    judge_all: Annotated[
        bool, typer.Option("--judge-all", help="Judge assertions outside the reward basis too.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="The folder's name of the run that is served.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run of this --name.")] = False,
    dataset: Annotated[
        list[Path] | None,
        typer.Option("--dataset", metavar="DIR", help="Datasets that clients may name by folder name."),
    ] = None,
    evaluators: EvaluatorsOption = None,
    out: Annotated[Path, typer.Option(help="Where the folder with the records goes.")] = Path("runs"),
    pack: PackOption = None,
    no_plugin: NoPluginOption = None,
) -> None:
    """Serve domains over MCP: episodes with private worlds, graded, for agents in any language."""
    from tau2_core.runs.options import read_options

    options = read_options(config, given(ctx))
    if show_config:
        typer.echo(options.shown(ctx.params), nl=False)
        return
    _serve(options)


def _serve(options: Options) -> None:
    from tau2_core.cli.serve_options import left_to_run, refuse_without_effect
    from tau2_core.errors import UsageError
    from tau2_core.gym.listening import bind
    from tau2_core.gym.middleware import LOOPBACK
    from tau2_core.gym.registry import Registry
    from tau2_core.gym.serve import serve_http, serve_stdio
    from tau2_core.gym.served_runs import ServedRuns
    from tau2_core.redaction import remember, run_redactor
    from tau2_core.runs.composition import refuse_contradictions
    from tau2_core.runs.loading import open_catalogue
    from tau2_core.runs.stopping import Stopping

    refuse_contradictions(options)
    refuse_without_effect(options)
    for note in left_to_run(options):
        say(f"--config: {note}", err=True)
    if options.no_token and (options.token or options.host not in LOOPBACK):
        raise UsageError("--no-token is for loopback alone, and not beside --token")
    stdio = options.transport == "stdio"
    catalogue = open_catalogue(options.pack, options.no_plugin)
    settings = _settings(options, catalogue)
    stopping = Stopping(
        settings.role_models, max_cost=options.max_cost, max_infrastructure_errors=options.max_infrastructure_errors
    )
    runs = ServedRuns(
        catalogue, options.out, stopping, judge_all=options.judge_all, conversation_tools=options.conversation_tools
    )
    registry = Registry(
        catalogue,
        runs,
        max_episodes=options.max_episodes,
        idle_seconds=options.idle_timeout,
        evaluators=options.evaluators,
    )
    if stdio:
        if len(settings.domains) != 1 or len(options.task) > 1:
            raise UsageError("stdio serves one domain, and one task of it: name it")
        serve_stdio(registry, settings, _only_episode(options, settings))
        return
    remember(run_redactor([{"token": options.token}]))
    if options.token is None and not options.no_token and options.host in LOOPBACK:
        settings.overview_token = secrets.token_urlsafe(24)
    with ExitStack() as stack:
        listeners = [stack.enter_context(each) for each in bind(options.host, options.port, settings.token)]
        settings.port = listeners[0].getsockname()[1]

        def begin() -> None:
            run = _open_run(options, catalogue, settings, runs)
            say(f"serving {', '.join(settings.domains)} at {settings.base_url}; {_guard(settings)}{run}")

        serve_http(registry, settings, listeners, begin)


def _only_episode(options: Options, settings: ServerSettings) -> Blueprint:
    """Return what is played over stdio; a task as the first trial of a run."""
    from tau2_core.runs.plan import trial_seeds

    return settings.blueprint(
        settings.domains[0],
        task_id=options.task[0] if options.task else None,
        variant=options.variant,
        solo=options.solo,
        seed=trial_seeds(options.seed, 1)[0],
        mode=options.mode,
    )


def _settings(options: Options, catalogue: Catalogue) -> ServerSettings:
    from tau2_core.episode.conversation import Limits
    from tau2_core.episode.participants import EXTERNAL_AGENT
    from tau2_core.gym.connections import ConnectionLimits
    from tau2_core.gym.server_settings import ServerSettings, named_datasets
    from tau2_core.runs.composition import open_role_models
    from tau2_core.runs.evaluator_sets import choose_evaluators
    from tau2_core.runs.loading import load_domain_pack, open_faults
    from tau2_core.runs.options import RoleOptions
    from tau2_core.runs.stopping import refuse_unknown_prices

    domains = list(dict.fromkeys(options.domain or catalogue.domain_names()))
    for name in options.domain:  # of all domains, one that is broken does not keep the others from being served
        load_domain_pack(catalogue, name)
    if options.evaluators is not None:
        choose_evaluators(catalogue, options.evaluators)  # a wrong name is refused now, not by the first episode
    # The agent is at the other end of the network, so a model of its own needs no key here.
    role_models = open_role_models(options.model_copy(update={"agent": RoleOptions()}), catalogue)
    if options.max_cost is not None:
        refuse_unknown_prices(role_models)
    settings = ServerSettings(
        catalogue,
        domains,
        named_datasets(options.dataset),
        options.host,
        options.port,
        options.token or None,
        Limits(options.max_steps, options.max_errors, options.timeout),
        owns_process=True,
    )
    settings.origins = options.allow_origin
    settings.connections = ConnectionLimits(
        connections=options.max_connections, request_seconds=options.request_timeout
    )
    settings.role_models = role_models
    settings.conversation_tools = options.conversation_tools
    settings.user = options.user.name
    if settings.user is not None:
        settings.refuse_person(catalogue.user(settings.user))
    settings.faults = open_faults(catalogue, options.fault)
    settings.agent = replace(EXTERNAL_AGENT, name=options.agent_name or EXTERNAL_AGENT.name)
    return settings


def _open_run(options: Options, catalogue: Catalogue, settings: ServerSettings, runs: ServedRuns) -> str:
    """Open the run that the options describe, if they do; return what to say of it."""
    from tau2_core.cli.serve_options import serves_a_run
    from tau2_core.runs.checked_plan import check_plan
    from tau2_core.runs.composition import compose_run

    if not serves_a_run(options):
        return ""
    run = compose_run(options, catalogue, settings.role_models, settings.agent)
    attempts, seconds = options.slot_attempts, options.slot_timeout
    checked = check_plan(run.plan, catalogue)
    runs.open_inventory(checked, run.folder, resume=options.resume, attempts=attempts, seconds=seconds)
    return f"\n{len(run.plan.own_slots())} slots of {run.folder}: POST {settings.base_url}/v1/slots claims the next one"


def _guard(settings: ServerSettings) -> str:
    if settings.token is not None:
        return "the control plane asks for the token"
    if settings.overview_token is not None:
        return f"lists, figures and slots ask for the token {settings.overview_token}"
    return "the control plane is open to every process of this machine"
