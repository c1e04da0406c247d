"""`tau2-gym schema`: JSON schemas of the YAML files of packs and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from tau2_core.cli import run, serve
from tau2_core.cli.options import example
from tau2_core.cli.safe_text import say, say_json


@example("tau2-gym schema", "tau2-gym schema tools")
def schema(
    name: Annotated[str | None, typer.Argument(help="Which schema; default: list them.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write it to this folder as NAME.json; without a name, write all."),
    ] = None,
) -> None:
    """Print the JSON schema of a kind of YAML file, for editors; without a name, list the kinds."""
    from tau2_core.scaffold.schemas import SOURCES, schema_text

    option_help = dict(_option_help())
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for each in [name] if name else SOURCES:
            file = out / f"{each}.json"
            file.write_text(schema_text(each, option_help), encoding="utf-8")
            say(file)
    elif name is None:
        width = max(map(len, SOURCES))
        for each, source in SOURCES.items():
            say(f"{each:{width}}  {source.about}")
    else:
        say_json(schema_text(name, option_help).rstrip())


def _option_help() -> Iterator[tuple[str, str]]:
    """Yield the help of every option of `run` and `serve`, by its name in a file."""
    commands: list[Callable[..., Any]] = [serve.serve, run.run]
    for command in commands:
        for parameter, hint in get_type_hints(command, include_extras=True).items():
            for about in getattr(hint, "__metadata__", ()):
                if getattr(about, "help", None):
                    yield parameter, about.help
