"""Private copies of JSON values, for whoever may keep or change what it is given."""

from __future__ import annotations

from typing import Any


def copy_json(value: Any) -> Any:
    """Return a copy of objects and lists, at every depth; anything else as it is."""
    if isinstance(value, dict):
        return {key: copy_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copy_json(item) for item in value]
    return value
