"""Options that several commands share, and the example that each command's help shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

Command = TypeVar("Command", bound=Callable[..., None])

PackOption = Annotated[
    list[Path] | None, typer.Option("--pack", metavar="PATH", help="Load a pack from a folder, without installing it.")
]
NoPluginOption = Annotated[
    list[str] | None, typer.Option("--no-plugin", metavar="NAME", help="Block a plugin before it is imported.")
]
DatasetOption = Annotated[
    Path | None, typer.Option("--dataset", metavar="DIR", help="Play a dataset, such as a checkout of tau2-bench.")
]
EvaluatorsOption = Annotated[
    str | None,
    typer.Option(metavar="SET|FILE", help="What grades: tau2, strict, a plugin's, an evaluation.yaml; default: tau2."),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A YAML file with any of these options; what the command line names wins."),
]
ShowConfigOption = Annotated[
    bool, typer.Option("--show-config", help="Print all options as such a file, without secrets, and do nothing.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else.")]


def given(ctx: typer.Context) -> dict[str, Any]:
    """Return the parameters that the command line or the environment names; the others have their defaults."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    named = {name for name, source in sources.items() if source and source.name in ("COMMANDLINE", "ENVIRONMENT")}
    return {name: value for name, value in ctx.params.items() if name in named}


def example(*commands: str) -> Callable[[Command], Command]:
    """Attach the example that a command's help ends with: lines for a shell, which work in this order in any folder."""

    def attach(command: Command) -> Command:
        vars(command)["example"] = commands
        return command

    return attach
