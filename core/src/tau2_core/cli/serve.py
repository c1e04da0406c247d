"""`tau2-gym serve`: private worlds over MCP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tau2_core.cli.options import EvaluatorsOption, NoPluginOption, PackOption, example
from tau2_core.cli.safe_text import say

YEAR = 365 * 24 * 3600


@example("tau2-gym serve airline retail --port 8700")
def serve(
    domain: Annotated[list[str] | None, typer.Argument(help="Domains to serve; default: all.")] = None,
    host: Annotated[str, typer.Option(help="The address; anything but loopback needs --token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8700,
    token: Annotated[
        str | None, typer.Option(envvar="TAU2_GYM_TOKEN", help="What the control plane asks for as a bearer token.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Let web pages of this origin use the server; may be repeated."),
    ] = None,
    max_episodes: Annotated[int, typer.Option(min=1, help="How many episodes may be open at once.")] = 10_000,
    idle_timeout: Annotated[float, typer.Option(help="Seconds until an unused episode expires.")] = 1800.0,
    max_steps: Annotated[int, typer.Option(min=1, help="Cut an episode off after so many steps.")] = 200,
    max_errors: Annotated[int, typer.Option(min=1, help="Cut an episode off after so many failed calls.")] = 10,
    max_connections: Annotated[int, typer.Option(min=1, help="How many clients may be connected at once.")] = 16_384,
    request_timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds a request has to arrive, from its first byte to its last.")
    ] = 30.0,
    transport: Annotated[
        Literal["http", "stdio"], typer.Option(help="stdio serves one episode of one domain.")
    ] = "http",
    task: Annotated[str | None, typer.Option(help="With stdio: the task; without it, a free world.")] = None,
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
    from tau2_core.episode.conversation import Limits
    from tau2_core.errors import UsageError
    from tau2_core.gym.connections import ConnectionLimits
    from tau2_core.gym.registry import Registry
    from tau2_core.gym.serve import bind, lazy_journal, serve_http, serve_stdio
    from tau2_core.gym.settings import Settings, named_datasets
    from tau2_core.runs.evaluation import choose_evaluators
    from tau2_core.runs.prepare import load_domain, open_catalogue

    if not 0 < idle_timeout <= YEAR:
        raise UsageError(f"--idle-timeout should be more than 0 and at most {YEAR} seconds, not {idle_timeout}")
    catalogue = open_catalogue(pack or (), no_plugin or ())
    domains = list(dict.fromkeys(domain or catalogue.domain_names()))
    for name in domain or ():  # of all domains, one that is broken does not keep the others from being served
        load_domain(catalogue, name)
    limits = Limits(max_steps, max_errors)
    datasets = named_datasets(dataset or ())
    settings = Settings(catalogue, domains, datasets, host, port, token or None, limits, owns_process=True)
    settings.origins = allow_origin or ()
    settings.connections = ConnectionLimits(connections=max_connections, request_seconds=request_timeout)
    if evaluators is not None:
        choose_evaluators(catalogue, evaluators)  # a wrong name or file is refused now, and not by the first episode
    registry = Registry(
        catalogue,
        lazy_journal(out),
        max_episodes=max_episodes,
        idle_seconds=idle_timeout,
        evaluators=evaluators,
    )
    if transport == "stdio":
        if len(domains) != 1:
            raise UsageError("stdio serves one domain: name it")
        serve_stdio(registry, settings, settings.blueprint(domains[0], task_id=task))
        return
    if task is not None:
        raise UsageError("--task is for --transport stdio; over HTTP, whoever creates an episode names its task")
    listeners = bind(host, port, settings.token)
    settings.port = listeners[0].getsockname()[1]
    guard = "asks for the token" if settings.token else "is open to every process of this machine (see --token)"
    say(f"serving {', '.join(domains)} at {settings.base_url}; the control plane {guard}")
    serve_http(registry, settings, listeners)
