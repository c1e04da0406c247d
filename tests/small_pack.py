"""Writing a small pack, whose handlers and tools a test chooses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SMALL_MODELS = """
from typing import Any
from tau2_core import Database, Record

class Part(Record):
    name: str
    sizes: list[int] = []

class Item(Record):
    name: str
    count: int = 0
    tags: list[str] = []
    prices: dict[str, float] = {}
    parts: list[Part] = []
    data: Any = None

class SmallDB(Database):
    items: dict[str, Item]
    log: list[Any] = []
"""
SMALL_DATA: dict[str, Any] = {
    "items": {
        "a": {"name": "A", "count": 1, "tags": ["x"], "prices": {"p": 1.5}, "parts": [{"name": "n", "sizes": [1]}]},
        "b": {"name": "B", "count": 2},
    },
    "log": ["start"],
}
SMALL_USER_MODELS = """
class Pocket(Record):
    coins: int = 0

class PocketDB(Database):
    pockets: dict[str, Pocket]
"""
SMALL_USER_DATA: dict[str, Any] = {"pockets": {"left": {"coins": 3}}}

Entries = dict[str, dict[str, Any]]


def write_small_pack(
    folder: Path,
    handlers: str,
    tools: Entries,
    user_tools: Entries | None,
    functions: Entries | None,
    manifest: dict[str, Any],
) -> None:
    """Write a pack named like its folder, as the fixture `small_pack` describes."""
    databases = {"agent": {"model": "models:SmallDB", "data": "db.json"}}
    content: dict[str, Any] = {
        "name": folder.name,
        "clock": "2025-03-01T09:00:00",
        "databases": databases,
        "tools": {"agent": "agent.yaml"},
        "prompts": {"policy": "policy.md.j2"},
        "tasks": {"files": "tasks/*.yaml", "splits": "splits.yaml"},
        **manifest,
    }
    files: dict[str, Any] = {
        "__init__.py": "",
        "handlers/__init__.py": "",
        "handlers/tools.py": handlers,
        "models.py": SMALL_MODELS + SMALL_USER_MODELS,
        "db.json": SMALL_DATA,
        "agent.yaml": _entries(tools, {"kind": "read"}),
        "policy.md.j2": "Be kind.",
    }
    if user_tools is not None:
        databases["user"] = {"model": "models:PocketDB", "data": "pockets.json"}
        content["tools"]["user"] = "user.yaml"
        files |= {"pockets.json": SMALL_USER_DATA, "user.yaml": _entries(user_tools, {"kind": "read"})}
    if functions is not None:
        content["functions"] = "functions.yaml"
        files["functions.yaml"] = _entries(functions, {"kind": "setup", "role": "agent"})
    files["domain.yaml"] = content
    for place, text in files.items():
        file = folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")


def _entries(entries: dict[str, dict[str, Any]], defaults: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Complete YAML entries: a parameter may be given by its JSON type alone."""
    return {
        name: {
            "description": f"Does {name}.",
            "handler": f"tools:{name}",
            **defaults,
            **entry,
            "parameters": {
                key: {"type": value} if isinstance(value, str) else value
                for key, value in entry.get("parameters", {}).items()
            },
        }
        for name, entry in entries.items()
    }
