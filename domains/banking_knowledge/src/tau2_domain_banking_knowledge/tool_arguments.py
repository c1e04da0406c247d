"""The arguments of hidden tools, which are given as JSON text, and the description of such a tool."""

import json
from typing import Any

from tau2_core import Refusal, Tool


def read_arguments(arguments: str) -> Any:
    """Return arguments that are given as JSON text. Raises Refusal if the text is not valid JSON."""
    try:
        return json.loads(arguments)
    except json.JSONDecodeError as error:
        raise Refusal(f"arguments should be a JSON object as text: {error}") from error


def with_floats(value: Any) -> Any:
    """Return a JSON value with all whole numbers as floats, so that 33 and 33.0 are the same."""
    if isinstance(value, dict):
        return {name: with_floats(each) for name, each in value.items()}
    if isinstance(value, list):
        return [with_floats(each) for each in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def described(tool: Tool) -> str:
    """Return a tool's name, description and parameters."""
    lines = [f"{tool.name}: {tool.description}"]
    for name, schema in tool.parameters["properties"].items():
        kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
        need = "required" if name in tool.parameters["required"] else "optional"
        lines.append(f"- {name} ({kind}, {need}): {schema['description']}")
    if not tool.parameters["properties"]:
        lines.append("It has no parameters.")
    return "\n".join(lines)
