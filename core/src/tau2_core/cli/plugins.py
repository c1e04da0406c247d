"""`tau2-gym plugins`: what each plugin provides, and which ones are broken and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tau2_core.cli.options import JsonOption, NoPluginOption, PackOption, example
from tau2_core.cli.safe_text import safe, say_json
from tau2_core.problem_kinds import ProblemKind

if TYPE_CHECKING:
    from tau2_core.errors import Problem
    from tau2_core.model.registrations import Domain, Toolset
    from tau2_core.plugins.catalogue import Catalogue
    from tau2_core.plugins.plugin import Plugin

WIDE = 100  # columns of a terminal


@example("tau2-gym plugins --json")
def plugins(json_output: JsonOption = False, pack: PackOption = None, no_plugin: NoPluginOption = None) -> None:
    """List the plugins: origin, what each provides and, if it is broken, the file, line and cause."""
    from tau2_core.cli.tables import console, folding_table
    from tau2_core.runs.loading import open_catalogue

    catalogue = open_catalogue(pack or (), no_plugin or ())
    rows = [_row(catalogue, plugin) for plugin in catalogue.plugins]
    if json_output:
        say_json(json.dumps(rows, indent=2))
        return
    table = folding_table(("plugin", "from", "status", "brings"), [row["name"] for row in rows])
    screen = console()
    if screen.width < WIDE:  # so that names are not broken across lines
        table.columns[1].max_width = 22
    colours = {"ok": "green", "broken": "red", "conflict": "red", "blocked": "yellow", "replaced": "yellow"}
    for row in rows:
        status = f"[{colours[row['status']]}]{row['status']}[/]"
        table.add_row(safe(row["name"]), safe(row["from"]), status, safe(", ".join(row["provides"])))
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
            screen.print(f"{safe(row['name'])}: {safe(place + row['cause'])}", soft_wrap=True)


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
    """Check a loaded plugin for conflicts with others, and for packs or tools with wrong files."""
    from tau2_core.name_suggestions import did_you_mean

    for provided, owners in catalogue.conflicts().items():
        if plugin in owners:
            others = ", ".join(owner.origin for owner in owners if owner is not plugin) or "the same plugin"
            cause = f"{provided} is also provided by {others}; block one of these packages with --no-plugin"
            return {"status": "conflict", "cause": cause}
    for command in plugin.records.get("command", []):
        if command.name in _own_commands():
            return {
                "status": "conflict",
                "cause": f"tau2-gym has its own command {command.name!r}, which takes precedence",
            }
    for domain in plugin.records.get("domain", []):
        found = _problems(catalogue, domain)
        if found:
            return _broken(plugin, domain.name, found)
    domains = {domain.name: domain for domain in catalogue.domains()}
    for toolset in plugin.records.get("toolset", []):
        domain = domains.get(toolset.domain)
        if domain is None:
            hint = did_you_mean(toolset.domain, domains)
            return {
                "cause": f"toolset {toolset.name!r} adds to domain {toolset.domain!r}, which does not exist ({hint})"
            }
        own = _problems(catalogue, domain)
        found = [problem for problem in _problems(catalogue, domain, [toolset]) if problem not in own]
        if found:
            return _broken(plugin, domain.name, found)
    return {}


def _own_commands() -> set[str]:
    from tau2_core.cli.app import OWN_COMMANDS

    return set(OWN_COMMANDS)


def _problems(catalogue: Catalogue, domain: Domain, toolsets: Sequence[Toolset] = ()) -> list[Problem]:
    from tau2_core.errors import UsageError
    from tau2_core.packs.load import load_pack
    from tau2_core.packs.problems import Problems

    problems = Problems(domain.name)
    try:
        pack = load_pack(domain, problems, toolsets, catalogue.search_parts())
    except UsageError as error:
        problems.add(domain.folder or Path(domain.package or ""), ProblemKind.PLUGIN, str(error))
        return problems.found
    if pack is not None:
        pack.task_set(problems)
    return problems.found


def _broken(plugin: Plugin, domain: str, found: Sequence[Problem]) -> dict[str, Any]:
    first, more = found[0], len(found) - 1
    if not first.file.is_absolute():  # without an installed package, the file of the plugin is shown
        first = replace(first, file=Path(getattr(plugin.module, "__file__", None) or plugin.target), line=None)
    cause = first.message + (f" (and {more} more: tau2-gym check {domain})" if more else "")
    return {"status": "broken", "cause": cause, "file": str(first.file), "line": first.line}
