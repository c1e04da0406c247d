"""`tau2-gym plugins`: who brings what, and what is broken and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from tau2_core.cli.options import JsonOption, NoPluginOption, PackOption, example

if TYPE_CHECKING:
    from tau2_core.plugins.catalogue import Catalogue, Plugin


@example("tau2-gym plugins --json")
def plugins(json_output: JsonOption = False, pack: PackOption = None, no_plugin: NoPluginOption = None) -> None:
    """List the plugins: where each is from, what it brings, and, if it is broken, the file, line and cause."""
    from rich.markup import escape
    from rich.table import Table

    from tau2_core.cli.tables import console
    from tau2_core.runs.prepare import open_catalogue

    catalogue = open_catalogue(pack or (), no_plugin or ())
    rows = [_row(catalogue, plugin) for plugin in catalogue.plugins]
    if json_output:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("plugin", "from", "status", "brings", box=None, pad_edge=False)
    colours = {"ok": "green", "broken": "red", "conflict": "red", "blocked": "yellow", "replaced": "yellow"}
    for row in rows:
        status = f"[{colours[row['status']]}]{row['status']}[/]"
        table.add_row(escape(row["name"]), escape(row["from"]), status, escape(", ".join(row["provides"])))
    screen = console()
    screen.print(table)
    for row in rows:
        if row["cause"]:
            place = (
                f"{row['file']}:{row['line']}: "
                if row["file"] and row["line"]
                else f"{row['file']}: "
                if row["file"]
                else ""
            )
            screen.print(f"{escape(row['name'])}: {escape(place + row['cause'])}", soft_wrap=True)


def _row(catalogue: Catalogue, plugin: Plugin) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": plugin.name,
        "from": plugin.origin,
        "target": plugin.target,
        "status": plugin.status,
        "cause": plugin.cause,
        "file": str(plugin.file) if plugin.file else None,
        "line": plugin.line,
        "provides": plugin.provides(),
    }
    return row | _trouble(catalogue, plugin)


def _trouble(catalogue: Catalogue, plugin: Plugin) -> dict[str, Any]:
    """A plugin that loads may still clash with another, or bring a pack whose files are wrong."""
    from tau2_core.errors import UsageError
    from tau2_core.packs.load import load_pack
    from tau2_core.packs.problems import Problems

    for provided, owners in catalogue.conflicts().items():
        if plugin in owners:
            others = ", ".join(owner.origin for owner in owners if owner is not plugin)
            return {
                "status": "conflict",
                "cause": f"{provided} is also brought by {others}; block one with --no-plugin",
            }
    for domain in plugin.records.get("domain", []):
        problems = Problems(domain.name)
        try:
            load_pack(domain, problems, catalogue.toolsets(domain.name))
        except (UsageError, ImportError) as error:
            return {"status": "broken", "cause": str(error)}
        if problems.found:
            first, more = problems.found[0], len(problems.found) - 1
            cause = first.message + (f" (and {more} more: tau2-gym check {domain.name})" if more else "")
            return {"status": "broken", "cause": cause, "file": str(first.file), "line": first.line}
    return {}
