"""`tau2-gym domains`: what can be played."""

from __future__ import annotations

import json
from typing import Any

import typer

from tau2_core.cli.options import JsonOption, NoPluginOption, PackOption, example
from tau2_core.cli.safe_text import safe, say, say_json


@example("tau2-gym domains")
def domains(json_output: JsonOption = False, pack: PackOption = None, no_plugin: NoPluginOption = None) -> None:
    """List the domains: origin, tools, tasks, splits and variants.

    Exits with 1 if none can be played because of broken plugins.
    """
    from tau2_core.errors import PackError, UsageError
    from tau2_core.runs.loading import load_domain_pack, open_catalogue

    catalogue = open_catalogue(pack or (), no_plugin or ())
    rows: list[dict[str, Any]] = []
    for name in catalogue.domain_names():
        row: dict[str, Any] = {"name": name, "from": catalogue.origin("domain", name)}
        try:
            loaded = load_domain_pack(catalogue, name)
            tasks = loaded.task_set()
        except (PackError, UsageError) as error:
            row["broken"] = str(error).split("\n", 1)[0]
        else:
            row |= {
                "description": loaded.manifest.description,
                "tools": {role: len(tools) for role, tools in loaded.tools.items() if tools},
                "tasks": len(tasks.tasks),
                "splits": {split: len(ids) for split, ids in tasks.splits.items()},
                "variants": list(loaded.manifest.variants),
                "solo": loaded.supports_solo,
                "user_prompts": list(loaded.customers.prompts),
                "personas": list(loaded.customers.personas),
            }
        rows.append(row)
    for problem in catalogue.broken():
        say(f"error: {problem}", err=True)
    if json_output:
        say_json(json.dumps(rows, indent=2))
    else:
        _show(rows)
    if all("broken" in row for row in rows):
        raise typer.Exit(1)


def _show(rows: list[dict[str, Any]]) -> None:
    from tau2_core.cli.tables import console, folding_table

    titles = ("domain", "from", "tools", "tasks", "splits", "variants", "what it is")
    table = folding_table(titles, [row["name"] for row in rows])
    for row in rows:
        if "broken" in row:
            table.add_row(
                safe(row["name"]), safe(row["from"]), "", "", "", "", f"[red]broken:[/red] {safe(row['broken'])}"
            )
            continue
        tools = ", ".join(f"{count} {role}" for role, count in row["tools"].items())
        splits = ", ".join(f"{split} {count}" for split, count in row["splits"].items())
        variants = ", ".join([*row["variants"], *(["solo"] if row["solo"] else [])])
        table.add_row(
            safe(row["name"]),
            safe(row["from"]),
            safe(tools),
            str(row["tasks"]),
            safe(splits),
            safe(variants),
            safe(row["description"]),
        )
    console().print(table)
