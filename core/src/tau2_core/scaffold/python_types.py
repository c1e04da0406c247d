"""Python annotations for JSON schemas, as the binding of handlers compares them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tau2_core.packs.binding import schema_types

_PYTHON = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list[Any]",
    "object": "dict[str, Any]",
    "null": "None",
}


def annotation(schema: Mapping[str, Any], *, optional: bool = False) -> str:
    """Return the annotation for a schema; `Any` if it states no type."""
    try:
        types = schema_types(schema)
    except (TypeError, AttributeError):
        return "Any"
    if types is None or not types <= _PYTHON.keys():
        return "Any"
    values = schema.get("enum")
    plain = isinstance(values, list) and values and all(isinstance(value, str) for value in values)
    if plain and types == {"string"}:
        return _with_none(f"Literal[{', '.join(map(_quoted, dict.fromkeys(values or ())))}]", optional=optional)
    names = [_PYTHON[name] for name in _PYTHON if name in types and name != "null"]
    if "array" in types and isinstance(items := schema.get("items"), Mapping) and annotation(items) != "Any":
        names = [f"list[{annotation(items)}]" if name == "list[Any]" else name for name in names]
    return _with_none(" | ".join(names) or "None", optional=optional or "null" in types)


def _with_none(text: str, *, optional: bool) -> str:
    return f"{text} | None" if optional and text != "None" else text


def _quoted(text: str) -> str:
    return '"' + text.encode("unicode_escape").decode().replace('"', '\\"') + '"'
