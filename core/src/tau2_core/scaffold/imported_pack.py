"""Creating a pack for imported tools: entries, stubs of typed handlers, and records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from tau2_core.packs.declarations import ToolEntry
from tau2_core.packs.schemas import schema_problems
from tau2_core.packs.yaml_writer import yaml_text
from tau2_core.scaffold.imported_tools import Imported, ImportedTool
from tau2_core.scaffold.new_pack import add_files, finish_package, template_values
from tau2_core.scaffold.pack_name import PackName
from tau2_core.scaffold.python_source import GuessedTable, handlers_source, models_source, python_parameters
from tau2_core.scaffold.templates import schema_line_for

MAX_REPAIRS = 20


def imported_pack(name: PackName, imported: Imported) -> dict[str, str]:
    """Return the files of a pack with these tools and records, by their path below its folder."""
    values = template_values(name)
    files: dict[str, str] = {}
    add_files(files, "imported", name, values)
    folder = f"src/{name.package}/" if name.distributed else ""
    tools = [_usable(tool, imported) for tool in imported.tools]
    groups: dict[str, list[ImportedTool]] = {}
    for tool in tools:
        groups.setdefault(tool.group, []).append(tool)
    names: dict[str, str] = {}
    for group, members in groups.items():
        source, functions = handlers_source(name, group, members, imported)
        files[f"{folder}handlers/{group}.py"] = source
        names |= functions
    models, tables = models_source(name, imported)
    files[f"{folder}models.py"] = models
    files[f"{folder}data/db.yaml"] = _data(tables)
    target = f"{folder}tools/agent.yaml"
    entries = {tool.name: _entry(tool, names[tool.name]) for tool in tools}
    files[target] = f"{schema_line_for(target)('tools')}\n{yaml_text(entries)}"
    finish_package(files, name, values)
    return dict(sorted(files.items()))


def _data(tables: list[GuessedTable]) -> str:
    return yaml.safe_dump({table.name: {} for table in tables}, sort_keys=False) if tables else "{}\n"


def _entry(tool: ImportedTool, function: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "description": tool.description,
        "kind": tool.kind,
        "handler": f"{tool.group}:{function}",
    }
    if tool.parameters:
        aliases = python_parameters(tool)
        entry["parameters"] = {
            name: {**schema, **({"alias": aliases[name]} if aliases[name] != name else {})}
            for name, schema in tool.parameters.items()
        }
    return entry


def _usable(tool: ImportedTool, imported: Imported) -> ImportedTool:
    """Return the tool without unusable parts of its schemas, which are reported."""
    parameters: dict[str, Any] = json.loads(json.dumps(dict(tool.parameters), default=str))
    for name in parameters:
        for _ in range(MAX_REPAIRS):
            found = _problems({name: parameters[name]})
            if not found:
                break
            path, what = found[0]
            imported.leave_out("parts of schemas that cannot be used", f"{tool.name}.{name}: {what}")
            if not _remove(parameters[name], path[2:]):
                break
        if _problems({name: parameters[name]}):
            kept = {key: parameters[name][key] for key in ("optional",) if key in parameters[name]}
            parameters[name] = kept
    return ImportedTool(tool.name, tool.group, tool.description, tool.kind, parameters, tool.returns)


def _problems(parameters: Mapping[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    entry = ToolEntry(description="-", handler="a:b", kind="read", parameters=dict(parameters))
    return schema_problems(entry.schema_object())


def _remove(part: Any, path: tuple[str | int, ...]) -> bool:
    """Remove the value at a path; return whether it existed."""
    *above, last = path or (None,)
    for key in above:
        try:
            part = part[key]
        except (KeyError, IndexError, TypeError):
            return False
    if isinstance(part, dict) and last in part:
        del part[last]
        return True
    return False
