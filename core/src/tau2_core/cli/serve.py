"""`tau2-gym serve`: private worlds over MCP."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tau2_core.cli.options import (
    ConfigOption,
    EvaluatorsOption,
    JudgeArgsOption,
    JudgeModelOption,
    JudgeRuleOption,
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
from tau2_core.cli.safe_text import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from tau2_core.gym.hosted_episode import Blueprint
    from tau2_core.gym.served_runs import ServedRuns
    from tau2_core.gym.server_settings import ServerSettings
    from tau2_core.runs.composition import Composition
    from tau2_core.runs.options import Options


@example("tau2-gym serve airline retail --port 8700")
def serve(
    ctx: typer.Context,
    domain: Annotated[list[str] | None, typer.Argument(help="Domains to serve; default: all.")] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for a free one.")] = 8700,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="TAU2_GYM_TOKEN", help="The control plane's bearer token; default: a new one, printed once."
        ),
    ] = None,
    no_token: Annotated[
        bool, typer.Option("--no-token", help="On loopback: require no token for lists, metrics and slots.")
    ] = False,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Allow web pages of this origin; may be repeated."),
    ] = None,
    max_episodes: Annotated[int, typer.Option(min=1, help="Maximum number of open episodes.")] = 10_000,
    idle_timeout: Annotated[float, typer.Option(help="Seconds until an unused episode expires.")] = 1800.0,
    max_steps: Annotated[int, typer.Option(min=1, help="Maximum number of steps per episode.")] = 200,
    max_errors: Annotated[int, typer.Option(min=1, help="Maximum number of failed calls per episode.")] = 10,
    timeout: Annotated[float | None, typer.Option(help="Maximum seconds per episode.")] = None,
    max_cost: Annotated[
        float | None, typer.Option(metavar="DOLLARS", help="Start no more episodes once this cost is reached.")
    ] = None,
    max_connections: Annotated[int, typer.Option(min=1, help="Maximum number of connected clients.")] = 16_384,
    request_timeout: Annotated[float, typer.Option(min=0.001, help="Maximum seconds for a request to arrive.")] = 30.0,
    transport: Annotated[
        Literal["http", "stdio"], typer.Option(help="stdio serves one episode of one domain.")
    ] = "http",
    public_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where clients reach this server, for the URLs that it hands out."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Serve with N processes behind one port.")] = 1,
    conversation_tools: Annotated[
        bool, typer.Option("--conversation-tools", help="Let agents talk to the customer by MCP tools too.")
    ] = False,
    user: Annotated[str | None, typer.Option(help="The customer: scripted (default), llm, or a plugin's.")] = None,
    user_model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The customer's model; implies --user llm.")
    ] = None,
    judge_model: JudgeModelOption = None,
    user_args: Annotated[str | None, typer.Option(metavar="JSON", help="Arguments of the customer's model.")] = None,
    user_prompt: UserPromptOption = None,
    persona: PersonaOption = None,
    judge_args: JudgeArgsOption = None,
    judge_rule: JudgeRuleOption = "majority",
    user_check: UserCheckOption = False,
    config: ConfigOption = None,
    show_config: ShowConfigOption = False,
    split: Annotated[str | None, typer.Option(help="Serve a run of this split, slot by slot.")] = None,
    task: Annotated[
        list[str] | None, typer.Option("--task", metavar="ID", help="Serve a run of this task; with stdio, play it.")
    ] = None,
    num_tasks: Annotated[int | None, typer.Option(min=1, help="Serve a run of the first N tasks.")] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Serve a run of N tasks, drawn at random with the seed.")
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Serve a run with this number of trials per task.")] = None,
    seed: Annotated[int, typer.Option(help="Determines the seed of every trial.")] = 300,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Serve only part I of N of the run.")] = None,
    variant: Annotated[str, typer.Option(help="The run's variant: other texts or tools for the same domain.")] = "",
    variant_option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="An option of the run's variant, such as top_k=5.")
    ] = None,
    solo: Annotated[bool, typer.Option("--solo", help="The run is played solo.")] = False,
    mode: Annotated[Literal["strict", "tau2"] | None, typer.Option(help="The run's argument mode.")] = None,
    agent_name: Annotated[str | None, typer.Option(help="The agent's name in reports.")] = None,
    slot_timeout: Annotated[float, typer.Option(help="Maximum seconds for an agent to play a slot.")] = 1800.0,
    slot_attempts: Annotated[int, typer.Option(min=1, help="How often a lost slot is handed out in total.")] = 3,
    run_timeout: Annotated[float | None, typer.Option(help="Maximum seconds of the served run.")] = None,
    max_infrastructure_errors: Annotated[
        int,
        typer.Option(metavar="N", help="Stop the served run after N consecutive infrastructure errors of one kind."),
    ] = 5,
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
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="Store every exchange with a model.")] = None,
    replay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the models' answers from such a file.")
    ] = None,
    token_traces: Annotated[
        bool, typer.Option("--token-traces", help="Keep token ids and logprobs of the customer's endpoint model.")
    ] = False,
    fault: Annotated[
        list[str] | None, typer.Option(metavar="NAME=RATE", help="Disturb tool calls: tool-error=0.1, …")
    ] = None,
    judge_all: Annotated[
        bool, typer.Option("--judge-all", help="Judge assertions outside the reward basis too.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="The name of the served run's folder.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run of this --name.")] = False,
    dataset: Annotated[
        list[Path] | None,
        typer.Option(
            "--dataset", metavar="DIR", help="A dataset, which clients name by its folder name; may be repeated."
        ),
    ] = None,
    evaluators: EvaluatorsOption = None,
    out: Annotated[Path, typer.Option(help="The folder for run folders.")] = Path("runs"),
    pack: PackOption = None,
    pack_tau2: PackTau2Option = None,
    no_plugin: NoPluginOption = None,
) -> None:
    """Serve domains over MCP: graded episodes with private worlds, for agents in any language."""
    from tau2_core.runs.options import read_options

    options = read_options(config, given(ctx))
    if show_config:
        typer.echo(options.shown(ctx.params), nl=False)
        return
    _serve(options)


def _serve(options: Options) -> None:
    from tau2_core.cli.serve_options import left_to_run, refuse_without_effect, worker_count
    from tau2_core.errors import UsageError
    from tau2_core.gym.composition import (
        compose_served_run,
        open_registry,
        open_settings,
        providers_of_searches,
        serves_a_run,
    )
    from tau2_core.gym.listening import bind
    from tau2_core.gym.middleware import LOOPBACK
    from tau2_core.gym.processes.orphaned_episodes import keep_orphaned_episodes
    from tau2_core.gym.processes.serving import serve_with_workers
    from tau2_core.gym.serve import serve_http, serve_stdio
    from tau2_core.gym.served_runs import ServedRuns
    from tau2_core.redaction import remember, run_redactor
    from tau2_core.runs.composition import open_pool, refuse_contradictions
    from tau2_core.runs.loading import open_catalogue
    from tau2_core.runs.stopping import Stopping

    refuse_contradictions(options)
    refuse_without_effect(options)
    for note in left_to_run(options):
        say(f"--config: {note}", err=True)
    if options.no_token and (options.token or options.host not in LOOPBACK):
        raise UsageError("--no-token is for loopback only, and not together with --token")
    stdio = options.transport == "stdio"
    workers = worker_count(options)
    catalogue = open_catalogue(options.pack, options.no_plugin)
    settings = open_settings(options, catalogue, open_pool(options))
    run = compose_served_run(options, catalogue, settings) if serves_a_run(options) else None
    settings.pool.refuse_unknown_limits(lambda: providers_of_searches(catalogue, settings.domains))
    role_models = settings.role_models if run is None else run.plan.participants.role_models
    stopping = Stopping(
        role_models.values(),
        max_cost=options.max_cost,
        max_infrastructure_errors=options.max_infrastructure_errors,
        paid=settings.pool.opened,
    )
    runs = ServedRuns(
        catalogue, options.out, stopping, judge_all=options.judge_all, conversation_tools=options.conversation_tools
    )
    registry = open_registry(options, catalogue, runs)
    if stdio:
        if len(settings.domains) != 1 or len(options.task) > 1:
            raise UsageError("stdio serves one domain, and one task of it: name it")
        serve_stdio(registry, settings, _only_episode(options, settings))
        return
    remember(run_redactor([{"token": options.token}]))
    if options.token is None and not options.no_token and options.host in LOOPBACK:
        settings.overview_token = secrets.token_urlsafe(24)
    open_run = _opening(run, options, settings, runs)
    for done in keep_orphaned_episodes(options.out, settings.redactor):
        say(done, err=True)
    with ExitStack() as stack:
        listeners = [stack.enter_context(each) for each in bind(options.host, options.port, settings.token)]
        settings.port = listeners[0].getsockname()[1]

        def begin() -> None:
            run = open_run()
            say(f"serving {', '.join(settings.domains)} at {settings.base_url}; {_guard(settings)}{run}")

        if workers > 1:
            serve_with_workers(options, registry, settings, runs, listeners, begin, workers)
        else:
            serve_http(registry, settings, listeners, begin)


def _only_episode(options: Options, settings: ServerSettings) -> Blueprint:
    """Return the blueprint of the episode over stdio; a task is played as the first trial of a run."""
    from tau2_core.runs.composition import run_setting
    from tau2_core.runs.loading import read_variant_options
    from tau2_core.runs.plan import trial_seeds

    (domain,) = settings.domains
    chosen = run_setting(options.model_copy(update={"domain": [domain]}), settings.catalogue)
    settings.pool.open(chosen.search_models)
    return settings.blueprint(
        domain,
        task_id=options.task[0] if options.task else None,
        variant=options.variant,
        variant_options=read_variant_options(options.variant_option),
        solo=options.solo,
        seed=trial_seeds(options.seed, 1)[0],
        mode=options.mode,
    )


def _opening(
    run: Composition | None, options: Options, settings: ServerSettings, runs: ServedRuns
) -> Callable[[], str]:
    """Check the run to serve, if there is one; return a function that opens it and returns a message."""
    from tau2_core.runs.checked_plan import check_plan

    if run is None:
        return lambda: ""
    composed = run
    checked = runs.planned = check_plan(composed.plan, composed.catalogue)

    def open_run() -> str:
        attempts, seconds = options.slot_attempts, options.slot_timeout
        runs.open_inventory(checked, composed.folder, resume=options.resume, attempts=attempts, seconds=seconds)
        slots = f"{composed.plan.own_size} slots of {composed.folder}"
        return f"\n{slots}: POST {settings.base_url}/v1/slots claims the next one"

    return open_run


def _guard(settings: ServerSettings) -> str:
    if settings.token is not None:
        return "the control plane requires the token"
    if settings.overview_token is not None:
        return f"lists, metrics and slots require the token {settings.overview_token}"
    return "the control plane is open to every process of this machine"
