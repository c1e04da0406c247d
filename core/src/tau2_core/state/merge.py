"""Merging a task's initial data into a world (spec/environment.md, 8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from tau2_core.state.records import plain
from tau2_core.state.world import Base, World
from tau2_core.state.wrapped_world import WrappedWorld


def merge_data(world: World, data: dict[str, Any] | None) -> None:
    """Merge nested data into the world, completely or not at all.

    Objects are merged key by key, other values are replaced. The result is validated as its record type.
    Raises ValueError (pydantic's ValidationError is one) and leaves the world as it was.
    """
    if isinstance(world, WrappedWorld):
        world.merge(data)
        return
    merged: list[tuple[str, str | None, Any]] = []
    for name, patch in _by_field(world.base, data or {}):
        current = world.read_field(name)
        if name in world.base.tables and isinstance(patch, dict):
            adapter = TypeAdapter(world.base.row_type(name))
            for key, row in patch.items():
                if not isinstance(key, str):
                    raise ValueError(f"{name} should have strings as keys, not {key!r}")
                content = deep_merge(plain(current[key]), row) if key in current else row
                merged.append((name, key, adapter.validate_python(content)))
        else:
            content = deep_merge(plain(current), patch)
            merged.append((name, None, TypeAdapter(world.base.hints[name]).validate_python(content)))
    for name, key, value in merged:
        if key is None:
            world.set_field(name, value)
        else:
            world.write_field(name)[key] = value


def _by_field(base: Base, data: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each field with its patch, those of a section under dotted names. Raises ValueError."""
    for name, patch in data.items():
        if name in base.sections:
            if not isinstance(patch, dict):
                raise ValueError(f"{name} should be an object, not {patch!r}")
            for part, value in patch.items():
                if f"{name}.{part}" in base.fields:  # unknown keys are dropped, as in every record
                    yield f"{name}.{part}", value
        elif name in base.fields:
            yield name, patch
        else:
            raise ValueError(f"{base.model.__name__} has no field {name!r}")


def deep_merge(old: Any, patch: Any) -> Any:
    """Return `old` merged with `patch`; lists and scalars are replaced."""
    if not (isinstance(old, dict) and isinstance(patch, dict)):
        return patch
    return old | {key: deep_merge(old[key], value) if key in old else value for key, value in patch.items()}
