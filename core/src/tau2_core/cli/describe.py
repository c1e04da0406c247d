"""`tau2-gym describe`: a domain's tools, or one tool with its parameters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tau2_core.cli.options import (
    DatasetOption,
    JsonOption,
    NoPluginOption,
    PackOption,
    PackTau2Option,
    all_packs,
    example,
)
from tau2_core.cli.safe_text import safe, safe_lines, say_json

if TYPE_CHECKING:
    from tau2_core.episode.setting import Setting
    from tau2_core.model.tools import Tool


@example("tau2-gym describe airline cancel_reservation")
def describe(
    domain: Annotated[str, typer.Argument(help="The domain.")],
    tool: Annotated[str | None, typer.Argument(help="One of its tools.")] = None,
    dataset: DatasetOption = None,
    json_output: JsonOption = False,
    pack: PackOption = None,
    pack_tau2: PackTau2Option = None,
    no_plugin: NoPluginOption = None,
) -> None:
    """Show a domain's tools as a model sees them, or one tool with its parameters and its location in the code.

    Without a tool, the prompts and personas of its simulated customers are shown too.
    """
    from tau2_core.errors import UsageError
    from tau2_core.name_suggestions import did_you_mean
    from tau2_core.runs.loading import load_setting, open_catalogue

    setting = load_setting(open_catalogue(all_packs(pack, pack_tau2), no_plugin or ()), domain, dataset=dataset)
    tools = [item for role in setting.pack.tools for item in setting.tools(role).values()]
    if tool is not None:
        chosen = [item for item in tools if item.name == tool]
        if not chosen:
            raise UsageError(f"{domain} has no tool {tool!r} ({did_you_mean(tool, [item.name for item in tools])})")
        tools = chosen
    if json_output:
        say_json(json.dumps([_as_json(item) for item in tools], indent=2))
    elif tool is not None:
        for item in tools:
            _show_tool(item)
    else:
        _show_domain(setting, tools)


def _as_json(tool: Tool) -> dict[str, Any]:
    return {"role": tool.role, "kind": tool.kind, **tool.chat_function()["function"]}


def _show_domain(setting: Setting, tools: list[Tool]) -> None:
    from tau2_core.cli.tables import console, folding_table

    manifest = setting.pack.manifest
    screen = console()
    screen.print(f"[bold]{safe(manifest.name)}[/bold]: {safe(manifest.description)}")
    screen.print(f"now {manifest.clock.isoformat(sep=' ')} · {safe(setting.pack.folder)}", soft_wrap=True)
    if setting.pack.wrapped is not None:
        screen.print(safe(setting.pack.wrapped.note()), soft_wrap=True)
    titles = ("tool", "role", "kind", "parameters", "what it does")
    table = folding_table(titles, [item.name for item in tools])
    for item in tools:
        required = item.parameters["required"]
        names = [name if name in required else f"[{name}]" for name in item.parameters["properties"]]
        table.add_row(
            safe(item.name), item.role, item.kind, safe(", ".join(names)), safe(item.description.split(". ")[0].strip())
        )
    screen.print(table)
    customers = setting.pack.customers
    for title, known in (("prompt of the customer", customers.prompts), ("persona", customers.personas)):
        table = folding_table((title, "what it is"), known)
        for name, each in known.items():
            table.add_row(safe(name), safe(each.summary))
        screen.print()
        screen.print(table)


def _show_tool(tool: Tool) -> None:
    from tau2_core.cli.tables import console, folding_table

    screen = console()
    screen.print(
        f"[bold]{safe(tool.name)}[/bold] · {tool.role} · {tool.kind}{' · transfers' if tool.transfers else ''}"
    )
    screen.print(safe_lines(tool.description))
    table = folding_table(("parameter", "needed", "schema"), tool.parameters["properties"])
    for name, schema in tool.parameters["properties"].items():
        needed = "yes" if name in tool.parameters["required"] else "no"
        table.add_row(safe(name), needed, safe(json.dumps(schema)))
    if tool.parameters["properties"]:
        screen.print(table)
    code = tool.handler.__code__
    screen.print(
        f"declared {safe(tool.source)} · handler {safe(code.co_filename)}:{code.co_firstlineno}", soft_wrap=True
    )
