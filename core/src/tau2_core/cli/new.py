"""`tau2-gym new`: the files of a new pack."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tau2_core.cli.options import example
from tau2_core.cli.safe_text import say

if TYPE_CHECKING:
    from tau2_core.scaffold.pack_name import PackName


@example("tau2-gym new bike_shop")
def new(
    name: Annotated[str, typer.Argument(help="The domain's name, such as bike_shop.")],
    directory: Annotated[Path, typer.Option("--dir", help="Where to write the new folder.")] = Path(),
    minimal: Annotated[bool, typer.Option("--minimal", help="As few files as possible: one tool, one task.")] = False,
    with_customer_tools: Annotated[
        bool, typer.Option("--with-customer-tools", help="Give the customer a database and tools of their own.")
    ] = False,
    package: Annotated[
        bool, typer.Option("--package", help="Create a distribution that pip can build and install.")
    ] = False,
    from_openapi: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Create tools and records from an OpenAPI document, 3.0 or 3.1.")
    ] = None,
    from_mcp: Annotated[
        str | None, typer.Option(metavar="URL|COMMAND", help="Create tools from those of an MCP server.")
    ] = None,
    from_tau2: Annotated[
        str | None,
        typer.Option(metavar="MODULE[:FACTORY]", help="Wrap a domain written in Python for tau2-bench, to be moved."),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.1, help="--from-mcp: how long to wait for the server; default: 60."),
    ] = None,
) -> None:
    """Write a new pack that passes `check`, as a starting point for your own."""
    from tau2_core.errors import UsageError
    from tau2_core.runs.loading import open_catalogue
    from tau2_core.scaffold.folder import write_folder
    from tau2_core.scaffold.new_pack import new_pack
    from tau2_core.scaffold.pack_name import new_pack_name
    from tau2_core.scaffold.wrapped_pack import wrapped_pack

    catalogue = open_catalogue()
    taken = {domain: catalogue.origin("domain", domain) for domain in catalogue.domain_names()}
    pack = new_pack_name(name, taken, distributed=package)
    folder = directory / name
    notes: list[str] = []
    if timeout is not None and from_mcp is None:
        raise UsageError("--timeout is an option of --from-mcp")
    sources = [source for source in (from_openapi, from_mcp, from_tau2) if source is not None]
    if not sources:
        files = new_pack(pack, minimal=minimal, customer_tools=with_customer_tools)
    elif minimal or with_customer_tools or len(sources) > 1:
        options = "--from-openapi, --from-mcp, --from-tau2, --minimal and --with-customer-tools"
        raise UsageError(f"{options} exclude each other: give only one of them")
    elif from_tau2 is not None:
        files, notes = wrapped_pack(pack, from_tau2)
    else:
        files, notes = _from_source(pack, from_openapi, from_mcp, timeout or 60.0)
    write_folder(folder, files)
    for note in notes:
        say(note)
    say(f"{folder}: {len(files)} files")
    say("Next:")
    place = shlex.quote(str(folder))
    say(f"  tau2-gym check --pack {place}")
    say(f"  tau2-gym run {name} --pack {place}")
    say(f"  python -m pytest {place}")


def _from_source(
    pack: PackName, openapi: Path | None, mcp: str | None, seconds: float
) -> tuple[dict[str, str], list[str]]:
    """Return the files of a pack for a document or a server, and notes for the user."""
    from tau2_core.scaffold.imported_pack import imported_pack

    if openapi is not None:
        from tau2_core.scaffold.openapi import read_openapi

        imported = read_openapi(openapi)
    else:
        from tau2_core.scaffold.mcp_server import read_mcp

        imported = read_mcp(mcp or "", seconds)
    files = imported_pack(pack, imported)
    return files, [*imported.notes(), f"imported: {len(imported.tools)} tools, {len(imported.records)} records"]
