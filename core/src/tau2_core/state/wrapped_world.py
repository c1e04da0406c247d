"""Worlds whose database is an object of another framework: an episode gets a copy of the whole, and tools change it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol

from tau2_core.foreign_code import describe_error
from tau2_core.model.tools import Role
from tau2_core.state.digest import official_text
from tau2_core.state.records import Database
from tau2_core.state.table import GONE
from tau2_core.state.view import View
from tau2_core.state.world import Base, Unit, World


class Copies(Protocol):
    """Creates environments in the base state, and saves and restores the state of one."""

    def new(self) -> Any:
        """Return a new environment."""

    def save(self, environment: Any) -> Any:
        """Return the state of an environment, None if it cannot be kept."""

    def restore(self, saved: Any) -> Any:
        """Return an environment in a saved state."""


class HeldEnvironment:
    """The environment of one episode, copied when it is first used. Both sides' worlds share it.

    `version` grows with every use, since any use may change the databases.
    """

    __slots__ = ("_copies", "_environment", "_saved", "_saving", "version")

    def __init__(self, copies: Copies) -> None:
        self._copies = copies
        self._environment: Any = None
        self._saved: tuple[Any, bool] | None = None
        self._saving = False
        self.version = 0

    def use(self) -> Any:
        """Return the environment for a call."""
        if self._environment is None:
            self._environment = self._copies.new()
        self.version += 1
        return self._environment

    def look(self) -> Any:
        """Return the environment for reading only; None if it was never used."""
        return self._environment

    def begin(self) -> None:
        """Keep the present state for `rollback`, as far as it can be kept."""
        if not self._saving:
            self._saving = True
            untouched = self._environment is None
            self._saved = (None if untouched else self._copies.save(self._environment), untouched)

    def commit(self) -> None:
        self._saving, self._saved = False, None

    def rollback(self) -> None:
        """Return to the state at `begin`."""
        if self._saved is not None:
            saved, untouched = self._saved
            if untouched:
                self._environment = None
            elif saved is not None:
                self._environment = self._copies.restore(saved)
            self.version += 1
        self.commit()


class WrappedBase(Base):
    """The base state of one side's database as JSON values, with the hash that its own code gives."""

    def __init__(self, database: Database, own_hash: str | None) -> None:
        super().__init__(database)
        self._official = own_hash or World(self).compute_official_hash()


class WrappedWorld(World):
    """One side's database in a held environment.

    Differences are found by comparing the whole database with the base, and digests are those of its own code.
    """

    __slots__ = ("_hash", "_touched", "held", "role")

    def __init__(self, base: Base, held: HeldEnvironment, role: Role) -> None:
        super().__init__(base)
        self.held = held
        self.role: Role = role
        self._hash: tuple[int, str] | None = None
        self._touched: tuple[int, dict[Unit, Any]] | None = None

    def database(self) -> Any:
        """Return the database for a call."""
        return toolkit_of(self.held.use(), self.role).db

    def read_field(self, name: str) -> Any:
        return getattr(self.database(), name)

    def write_field(self, name: str) -> Any:
        return self.read_field(name)

    def set_field(self, name: str, value: Any) -> None:
        if name not in self.base.fields:
            raise AttributeError(f"the database has no field {name!r}")
        setattr(self.database(), name, value)

    def begin(self) -> None:
        self.held.begin()

    def commit(self) -> None:
        self.held.commit()

    def rollback(self) -> None:
        self.held.rollback()

    def merge(self, data: dict[str, Any] | None) -> None:
        """Merge nested data with the environment's own code. Raises ValueError."""
        tools = toolkit_of(self.held.use(), self.role)
        try:
            tools.update_db(data)
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(describe_error(error)) from error

    def share_with(self, role: Role) -> None:
        """Let the other side's tools work on this side's database, an official effect of initial data."""
        environment = self.held.use()
        other = toolkit_of(environment, role)
        if other.db is not None:
            other.db = toolkit_of(environment, self.role).db

    def touched(self) -> dict[Unit, Any]:
        """Return the differences from the base. The cost depends on the size of the database."""
        environment = self.held.look()
        if environment is None:
            return {}
        if self._touched is None or self._touched[0] != self.held.version:
            content = database_content(toolkit_of(environment, self.role).db)
            self._touched = (self.held.version, self._differing(content))
        return self._touched[1]

    def _differing(self, content: Mapping[str, Any]) -> dict[Unit, Any]:
        units: dict[Unit, Any] = {}
        for name in self.base.fields:
            now, before = content.get(name), self.base.fields[name]
            if name in self.base.tables and isinstance(now, dict):
                found: dict[Unit, Any] = {(name, key): now.get(key, GONE) for key in before | now}
            else:
                found = {(name, None): now}
            units |= {unit: value for unit, value in found.items() if self._differs(unit, value)}
        return units

    def _differs(self, unit: Unit, value: Any) -> bool:
        if unit[1] is not None and (value is GONE or self.base.unit(unit) is GONE):
            return True
        return official_text(value) != self.base.text(unit)

    def digest(self) -> str:
        return self.official_hash()

    def official_hash(self) -> str:
        """Return the hash that the environment's own code gives."""
        environment = self.held.look()
        if environment is None:
            return self.base.official()
        if self._hash is None or self._hash[0] != self.held.version:
            tools = toolkit_of(environment, self.role)
            self._hash = (self.held.version, own_hash(tools) or content_hash(database_content(tools.db)))
        return self._hash[1]


def wrapped_environment(db: object) -> Any:
    """Return the environment of another framework that a pack wraps: the copy that belongs to this episode.

    Args:
        db: the first argument of a handler, or a database of the sync.

    Raises:
        TypeError: the pack wraps no environment.
    """
    world = db._world if isinstance(db, View) else None
    if not isinstance(world, WrappedWorld):
        raise TypeError("this pack wraps no environment: its manifest has no `wraps`")
    return world.held.use()


def toolkit_of(environment: Any, role: Role) -> Any:
    """Return the tools of a side."""
    return environment.tools if role == "agent" else environment.user_tools


def own_hash(tools: Any) -> str | None:
    """Return the database hash that a toolkit's own code computes; None if it has none."""
    for owner, name in ((tools, "get_db_hash"), (getattr(tools, "db", None), "get_hash")):
        method = getattr(owner, name, None)
        if callable(method):
            found = method()
            return found if found is None else str(found)
    return None


def database_content(database: Any) -> dict[str, Any]:
    """Return a pydantic database as JSON values, as the official hash sees it; {} for none."""
    if database is None:
        return {}
    content: dict[str, Any] = json.loads(json.dumps(database.model_dump(warnings=False), default=str))
    return content


def content_hash(content: Mapping[str, Any]) -> str:
    """Return the official hash of some content (spec/environment.md, 5)."""
    return hashlib.sha256(official_text(content).encode()).hexdigest()
