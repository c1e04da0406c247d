"""Differences between two states, as paths with both values; they explain a database verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tau2_core.state.digest import official_text
from tau2_core.state.records import plain
from tau2_core.state.table import GONE
from tau2_core.state.world import Unit, World

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """Marks a value that exists on one side only."""

    def __repr__(self) -> str:
        return "(absent)"


ABSENT = Absent()


@dataclass(frozen=True, slots=True)
class Change:
    """One place where two states differ."""

    path: Path
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{path_text(self.path)}: {self.old!r} → {self.new!r}"

    def as_json(self) -> dict[str, Any]:
        """Return the path and both values; an absent value has no key."""
        sides = {"old": self.old, "new": self.new}
        return {"path": path_text(self.path)} | {k: v for k, v in sides.items() if v is not ABSENT}


def path_text(path: Path) -> str:
    """Return a path as text, such as `reservations.HATHAT.passengers[0].dob`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def unit_path(unit: Unit) -> Path:
    """Return the path of a unit; the name of a field in a section, such as `accounts.rows`, has two parts."""
    name, key = unit
    return tuple(name.split(".")) if key is None else (*name.split("."), key)


def world_changes(old: World, new: World) -> list[Change]:
    """Return where two worlds of the same base differ, sorted by path. The cost depends on what they changed."""
    if old.base is not new.base:
        raise ValueError("only worlds of the same database can be compared")
    old_units, new_units = old.touched(), new.touched()
    changes: list[Change] = []
    for unit in sorted(old_units.keys() | new_units.keys(), key=lambda unit: (unit[0], unit[1] or "")):
        before, after = content_at(old, unit, old_units), content_at(new, unit, new_units)
        changes.extend(value_changes(before, after, unit_path(unit)))
    return changes


def content_at(world: World, unit: Unit, touched: dict[Unit, Any]) -> Any:
    """Return the plain content of a unit, ABSENT if there is none; `touched` is what the world owns."""
    value = touched[unit] if unit in touched else world.base.unit(unit)
    return ABSENT if value is GONE else plain(value)


def value_changes(old: Any, new: Any, path: Path = ()) -> Iterator[Change]:
    """Yield the differences of two plain values, as the official hash sees them: 1, 1.0 and true differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from value_changes(old.get(key, ABSENT), new.get(key, ABSENT), (*path, key))
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else ABSENT
            after = new[index] if index < len(new) else ABSENT
            yield from value_changes(before, after, (*path, index))
    elif (old is ABSENT) is not (new is ABSENT) or official_text(old) != official_text(new):
        yield Change(path, old, new)
