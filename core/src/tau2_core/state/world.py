"""A base that is parsed once and shared, and worlds that own only what they changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from tau2_core.state.digest import MODULUS, official_text, unit_digest
from tau2_core.state.records import Database, FrozenDict, Section, freeze, plain, thaw, unshared
from tau2_core.state.table import GONE, Overlay, ReadTable, Table, TableView

T = TypeVar("T")
Side = TypeVar("Side", bound=str)
Unit = tuple[str, str | None]


class Base:
    """A validated database, frozen and shared by all worlds of a process, with memoised digests."""

    def __init__(self, database: Database) -> None:
        self.model = type(database)
        self.hints: dict[str, Any] = {
            name: hint
            for name, hint in get_type_hints(self.model, include_extras=True).items()
            if name in self.model.model_fields
        }
        freeze(database)
        self.fields: dict[str, Any] = {}
        self.sections: dict[str, list[str]] = {}
        for name, hint in list(self.hints.items()):
            if isinstance(hint, type) and issubclass(hint, Section):
                del self.hints[name]
                self.sections[name] = self._take_section(name, hint, database.__dict__[name])
            else:
                self.fields[name] = database.__dict__[name]
        self.tables = frozenset(
            name for name, hint in self.hints.items() if get_origin(hint) is dict and get_args(hint)[0] is str
        )
        self._digests: dict[Unit, int] = {}
        self._total: int | None = None
        self._texts: dict[Unit, str] = {}
        self._official: str | None = None

    def _take_section(self, name: str, kind: type[Section], section: Section) -> list[str]:
        """Note a section's fields under dotted names, such as `accounts.rows`, and return these."""
        hints = get_type_hints(kind, include_extras=True)
        names = {f"{name}.{field}": field for field in kind.model_fields}
        for dotted, field in names.items():
            self.hints[dotted] = hints[field]
            self.fields[dotted] = section.__dict__[field]
        return list(names)

    def nested(self, fields: Mapping[str, T]) -> dict[str, T | dict[str, T]]:
        """Return values of fields in the shape of the database: those of a section in a dict of their own."""
        found: dict[str, T | dict[str, T]] = {}
        for name in self.model.model_fields:
            if name in self.sections:
                found[name] = {each.partition(".")[2]: fields[each] for each in self.sections[name]}
            else:
                found[name] = fields[name]
        return found

    def row_type(self, table: str) -> Any:
        """Return the declared type of a table's rows."""
        return get_args(self.hints[table])[1]

    def units(self) -> Iterator[tuple[Unit, Any]]:
        """Yield every record of every table, and every other field, with its place."""
        for name, value in self.fields.items():
            if name in self.tables:
                for key, record in value.items():
                    yield (name, key), record
            else:
                yield (name, None), value

    def unit(self, unit: Unit) -> Any:
        """Return the content at a place, GONE if there is none."""
        name, key = unit
        return self.fields[name] if key is None else self.fields[name].get(key, GONE)

    def unit_digest(self, unit: Unit) -> int:
        known = self._digests.get(unit)
        if known is None:
            known = self._digests[unit] = unit_digest(*unit, self.unit(unit))
        return known

    def total(self) -> int:
        """Return the digest of the whole base; computed once."""
        if self._total is None:
            self._total = sum(self.unit_digest(unit) for unit, _ in self.units()) % MODULUS
        return self._total

    def text(self, unit: Unit) -> str:
        known = self._texts.get(unit)
        if known is None:
            known = self._texts[unit] = official_text(plain(self.unit(unit)))
        return known

    def official(self) -> str:
        """Return the official hash of the untouched base; computed once."""
        if self._official is None:
            self._official = World(self).compute_official_hash()
        return self._official


class World:
    """One episode's database: reads fall through to the base, changes are kept here."""

    __slots__ = ("_fields", "_saved", "_tables", "base")

    def __init__(self, base: Base) -> None:
        self.base = base
        self._tables: dict[str, Overlay] = {}
        self._fields: dict[str, Any] = {}
        self._saved: dict[str, Any] | None = None

    def read_field(self, name: str) -> Any:
        overlay = self._tables.get(name)
        if overlay is not None:
            return ReadTable(overlay)
        return self._fields[name] if name in self._fields else self.base.fields[name]

    def write_field(self, name: str) -> Any:
        if name in self.base.tables:
            return Table(self._overlay(name))
        if name not in self._fields:
            self._fields[name] = thaw(self.base.fields[name])
            if self._saved is not None:
                self._saved[name] = GONE
        elif self._saved is not None and name not in self._saved:
            self._saved[name] = thaw(self._fields[name])
        return self._fields[name]

    def set_field(self, name: str, value: Any) -> None:
        """Replace a whole field; a table gets the new entries in their order. Records of another table are copied."""
        if name not in self.base.fields:
            raise AttributeError(f"{self.base.model.__name__} has no field {name!r}")
        if name not in self.base.tables:
            self.write_field(name)
            self._fields[name] = unshared(value)
            return
        overlay = self._overlay(name)
        if isinstance(value, Table) and value.shows(overlay):  # from `db.table |= …`
            return
        entries = value.private_copies() if isinstance(value, TableView) else dict(value)
        table = Table(overlay)
        for key in list(table):
            del table[key]
        for key, record in entries.items():
            table[key] = record

    def _overlay(self, name: str) -> Overlay:
        overlay = self._tables.get(name)
        if overlay is None:
            overlay = self._tables[name] = Overlay(cast("FrozenDict", self.base.fields[name]))
            if self._saved is not None:
                overlay.begin()
        return overlay

    def begin(self) -> None:
        """Start a call that `rollback` can undo."""
        self._saved = {}
        for overlay in self._tables.values():
            overlay.begin()

    def commit(self) -> None:
        """Keep the changes since `begin`."""
        self._saved = None
        for overlay in self._tables.values():
            overlay.commit()

    def rollback(self) -> None:
        """Undo the changes since `begin`."""
        for overlay in self._tables.values():
            overlay.rollback()
        for name, value in (self._saved or {}).items():
            if value is GONE:
                del self._fields[name]
            else:
                self._fields[name] = value
        self._saved = None

    def touched(self) -> dict[Unit, Any]:
        """Return the present content of the units that this world owns, by place (GONE if deleted)."""
        units: dict[Unit, Any] = {(name, None): value for name, value in self._fields.items()}
        for name, overlay in self._tables.items():
            for key, record in overlay.own.items():
                units[name, key] = record
            for key, record in overlay.new.items():
                units[name, key] = record
        return units

    def plain(self) -> dict[str, Any]:
        """Return a copy of the whole database as JSON values."""
        content: dict[str, Any] = {name: {} if name in self.base.tables else None for name in self.base.fields}
        touched = self.touched()
        for name, key in [*(unit for unit, _ in self.base.units()), *touched]:
            value = touched.get((name, key), self.base.unit((name, key)))
            if key is None:
                content[name] = plain(value)
            elif value is not GONE:
                content[name][key] = plain(value)
        return self.base.nested(content)

    def digest(self) -> str:
        """Return a digest of the content, 64 hex digits. The cost depends on what was changed."""
        total = self.base.total()
        for unit, value in self.touched().items():
            if self.base.unit(unit) is not GONE:
                total -= self.base.unit_digest(unit)
            if value is not GONE:
                total += unit_digest(*unit, value)
        return f"{total % MODULUS:064x}"

    def official_hash(self) -> str:
        """Return the official benchmark's hash of the same content (spec/environment.md, 5)."""
        return self.compute_official_hash() if self._tables or self._fields else self.base.official()

    def compute_official_hash(self) -> str:
        touched = self.touched()
        texts: dict[str, str] = {}
        for name in self.base.fields:
            if name in self.base.tables:
                texts[name] = _object_text(
                    {key: self._text((name, key), touched) for key in self.read_field(name)},
                )
            else:
                texts[name] = self._text((name, None), touched)
        nested = self.base.nested(texts)
        whole = {name: _object_text(part) if isinstance(part, dict) else part for name, part in nested.items()}
        return hashlib.sha256(_object_text(whole).encode()).hexdigest()

    def _text(self, unit: Unit, touched: dict[Unit, Any]) -> str:
        return official_text(plain(touched[unit])) if unit in touched else self.base.text(unit)


def own_worlds(worlds: Mapping[Side, World]) -> dict[Side, World]:
    """Return each world once, under the first side that sees it."""
    found: dict[Side, World] = {}
    for side, world in worlds.items():
        if all(world is not known for known in found.values()):
            found[side] = world
    return found


def _object_text(members: Mapping[str, str]) -> str:
    """Return a JSON object with sorted keys from members whose values are already JSON texts."""
    return f"{{{', '.join(f'{json.dumps(key)}: {members[key]}' for key in sorted(members))}}}"
