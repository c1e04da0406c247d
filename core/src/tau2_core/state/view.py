"""The `db` of a handler: one world's database as plain fields, for reading or for writing."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from tau2_core.state.world import World

Db = TypeVar("Db")


class View:
    """The `db` of a handler: the fields of its database, for reading or for writing."""

    __slots__ = ("_world", "_writing")
    _world: World
    _writing: bool

    def __init__(self, world: World, *, writing: bool) -> None:
        object.__setattr__(self, "_world", world)
        object.__setattr__(self, "_writing", writing)

    def __getattr__(self, name: str) -> Any:
        base = self._world.base
        if name in base.sections:
            return SectionView(self, name)
        if name not in base.fields:
            raise AttributeError(f"{base.model.__name__} has no field {name!r}")
        return self._world.write_field(name) if self._writing else self._world.read_field(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not self._writing:
            raise TypeError(
                f"this tool is read-only: `{name}` cannot be set; a tool that changes records needs `kind: write`"
            )
        self._world.set_field(name, value)


class SectionView:
    """A section of a handler's `db`: its tables and other fields."""

    __slots__ = ("_name", "_view")
    _name: str
    _view: View

    def __init__(self, view: View, name: str) -> None:
        object.__setattr__(self, "_view", view)
        object.__setattr__(self, "_name", name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, f"{self._name}.{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._view, f"{self._name}.{name}", value)


def reading(db: Db) -> Db:
    """Return the same database for reading, so that searching a table copies no records."""
    if isinstance(db, SectionView):
        return cast("Db", SectionView(reading(db._view), db._name))
    if isinstance(db, View):
        return cast("Db", View(db._world, writing=False))
    return db
