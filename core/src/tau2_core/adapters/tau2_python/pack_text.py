"""The files of a pack that wraps a domain written for tau2-bench."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tau2_core.adapters.tau2_python.handlers_text import (
    SYNC,
    function_name,
    functions_code,
    parameter_name,
    tools_code,
)
from tau2_core.adapters.tau2_python.source import Tau2Source
from tau2_core.adapters.tau2_python.tools import TRANSFER, SourceFunction, SourceTool
from tau2_core.model.tasks import ExpectedOutcome, Task
from tau2_core.model.tools import Role
from tau2_core.packs.yaml_writer import yaml_text

TASKS = "data/tasks/tasks.yaml"
CLOCK = "2025-01-01T00:00:00"
_ROLES: tuple[Role, ...] = ("agent", "user")
_TEMPLATE = re.compile(r"\{[{%#]")
_RAW_ENDS = re.compile(r"(\{%[-+]?\s*endraw)")
_AS_GIVEN = ("arguments", "agent_data", "user_data")  # parts of a task in which null is a value


def pack_text(source: Tau2Source, name: str, *, to_edit: bool = True) -> dict[str, str]:
    """Return the files of a pack by their path below its folder.

    The tasks are YAML if people are going `to_edit` them, otherwise JSON: thousands of tasks take seconds to write as
    YAML.
    """
    tasks = TASKS if to_edit else TASKS.replace(".yaml", ".json")
    files = {
        "__init__.py": f'"""The domain {source.name}, which {source.wraps} implements."""\n',
        "handlers/__init__.py": '"""The tools, one public function each."""\n',
        "domain.yaml": _manifest(source, name, tasks),
        "prompts/policy.md.j2": template_of(source.policy),
        tasks: yaml_text(_tasks(source)) if to_edit else json.dumps(_tasks(source)),
        "data/splits.yaml": yaml_text({split: list(ids) for split, ids in source.splits.items()}),
    }
    for role in _ROLES:
        if role in source.tools:
            entries = {tool.name: _tool(tool) for tool in source.tools[role]}
            files[f"tools/{role}.yaml"] = yaml_text(entries) or "{}\n"
            files[f"handlers/{role}_tools.py"] = tools_code(role, source.tools[role])
    if source.functions:
        files["tools/functions.yaml"] = yaml_text({each.name: _function(each) for each in source.functions})
        files["handlers/functions.py"] = functions_code(source.functions)
    if source.syncs:
        files["handlers/sync.py"] = SYNC
    if source.solo_policy is not None:
        files["prompts/solo.md.j2"] = template_of(source.solo_policy)
    return files


def _manifest(source: Tau2Source, name: str, tasks: str) -> str:
    prompts = {"policy": "prompts/policy.md.j2"}
    if source.solo_policy is not None:
        prompts["solo"] = "prompts/solo.md.j2"
    manifest: dict[str, Any] = {
        "name": name,
        "description": f"{source.name}, written for tau2-bench",
        "clock": CLOCK,
        "wraps": source.wraps,
        "tools": {role: f"tools/{role}.yaml" for role in _ROLES if role in source.tools},
    }
    if source.functions:
        manifest["functions"] = "tools/functions.yaml"
    if source.syncs:
        manifest["sync"] = "handlers.sync:sync"
    manifest |= {
        "prompts": prompts,
        "tasks": {"files": tasks, "splits": "data/splits.yaml"},
    }
    return yaml_text(manifest, between="")


def _tool(tool: SourceTool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "description": tool.description,
        "kind": tool.kind,
        "handler": f"{tool.role}_tools:{function_name(tool.name)}",
    }
    if tool.mutates != (tool.kind == "write"):
        entry["mutates"] = tool.mutates
    if tool.name == TRANSFER and tool.role == "agent":
        entry["transfers"] = True
    if tool.parameters:
        entry["parameters"] = {name: _parameter(tool, name) for name in tool.parameters}
    return entry


def _parameter(tool: SourceTool, name: str) -> dict[str, Any]:
    schema = dict(tool.parameters[name])
    if name in tool.defaults:
        schema["optional"] = True
    if parameter_name(name) != name:
        schema["alias"] = parameter_name(name)
    return schema


def _function(function: SourceFunction) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "role": function.role,
        "kind": function.kind,
        "description": f"{function.name} of the wrapped domain.",
        "handler": f"functions:{function_name(function.name)}",
    }
    if function.parameters:
        entry["parameters"] = {
            name: {
                **({"optional": True} if name in function.defaults else {}),
                **({"alias": parameter_name(name)} if parameter_name(name) != name else {}),
            }
            for name in function.parameters
        }
    return entry


def template_of(text: str) -> str:
    """Return a Jinja template that renders to exactly this text."""
    if _TEMPLATE.search(text):
        parts = _RAW_ENDS.split(text)
        text = "".join(
            f'{{{{ "{part}" }}}}' if _RAW_ENDS.fullmatch(part) else f"{{% raw %}}{part}{{% endraw %}}"
            for part in parts
            if part
        )
    return f"{text}\n"  # Jinja removes one newline at the end


def _tasks(source: Tau2Source) -> list[dict[str, Any]]:
    changing = {(tool.role, tool.name) for tools in source.tools.values() for tool in tools if tool.mutates}
    return [_entry(task, _outcome(task, changing)) for task in source.tasks]


def _entry(task: Task, outcome: ExpectedOutcome) -> dict[str, Any]:
    plain = _without_nulls(task.model_dump(mode="json", exclude_unset=True))
    return {"id": plain.pop("id"), "outcome": outcome, **plain}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: part if key in _AS_GIVEN else _without_nulls(part) for key, part in value.items() if part is not None
        }
    return [_without_nulls(part) for part in value] if isinstance(value, list) else value


def _outcome(task: Task, changing: set[tuple[Role, str]]) -> ExpectedOutcome:
    """Guess a task's outcome, which tau2-bench does not state. Only the set `strict` grades it."""
    gold = task.gold()
    if any(action.name == TRANSFER for action in gold):
        return "transferred"
    criteria = task.evaluation_criteria
    told = criteria is not None and bool(criteria.communicate_info or criteria.env_assertions)
    changes = any(("user" if action.requestor == "user" else "agent", action.name) in changing for action in gold)
    return "done" if told or changes else "refused"


def guessed(tasks: Sequence[Task]) -> str:
    """Return the note about what is guessed."""
    return f"guessed: the outcome of {len(tasks)} tasks, which tau2-bench does not state; only the set strict grades it"
