"""The page of the site that shows the JSON schemas of a pack's files as tables of their keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HEAD = """# Schemas of a pack's files

Every YAML file of a pack has a JSON schema. Editors use it to complete and check the file
([how](../how-to/starting-a-pack.md#schemas-for-your-editor)), and `tau2-gym schema` prints it. Schemas are generated
from the code that reads the files, and so are these tables. Keys in **bold** are required.
"""


def schema_page(folder: Path) -> str:
    """Return the page for all schemas of a folder, one section each."""
    sections = [
        _section(file.stem, json.loads(file.read_text(encoding="utf-8"))) for file in sorted(folder.glob("*.json"))
    ]
    return "\n\n".join([HEAD, *sections]) + "\n"


def _section(name: str, schema: dict[str, Any]) -> str:
    parts = [f"## {name}", f"{schema['description']} [JSON schema](schemas/{name}.json)"]
    if "properties" in schema:
        parts.append(_table(schema))
    else:
        parts.append(f"The file is {_type_of(schema)}.")
    for title, definition in schema.get("$defs", {}).items():
        if "properties" in definition:
            parts += [f"### {name}: {title}", definition.get("description", "").strip(), _table(definition)]
    return "\n\n".join(part for part in parts if part)


def _table(schema: dict[str, Any]) -> str:
    required = set(schema.get("required", []))
    rows = ["| key | value | meaning |", "|---|---|---|"]
    for key, value in schema["properties"].items():
        shown = f"**`{key}`**" if key in required else f"`{key}`"
        rows.append(f"| {shown} | {_type_of(value)} | {_meaning(value)} |")
    return "\n".join(rows)


def _meaning(schema: dict[str, Any]) -> str:
    text = " ".join(schema.get("description", "").split())
    default = schema.get("default")
    if default not in (None, "", [], {}):
        text = f"{text} Default: `{json.dumps(default, ensure_ascii=False)}`."
    return _cell(text.strip())


def _type_of(schema: dict[str, Any]) -> str:
    """Describe the values that a schema allows."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(_type_of(each) for each in schema[word]))
    if "enum" in schema:
        return ", ".join(f"`{_cell(str(each))}`" for each in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    kind = schema.get("type", "any value")
    if kind == "array":
        return f"list of {_type_of(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"mapping of names to {_type_of(schema['additionalProperties'])}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
