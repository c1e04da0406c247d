"""Tables as one world sees them: the shared base, overlaid with the changes of this world."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Final, Self

from tau2_core.state.records import FrozenDict, thaw, unshared


class Gone:
    """Marks a base record that this world deleted."""


GONE: Final = Gone()


class Overlay:
    """The changes of one world in one table.

    `own` holds changed base records (or GONE), which keep their place; `new` holds added records in order. A base key
    that was deleted and set again is GONE in `own` and comes last, in `new`, as in a dict.
    """

    __slots__ = ("_saved", "base", "new", "own")

    def __init__(self, base: FrozenDict) -> None:
        self.base = base
        self.own: dict[str, Any] = {}
        self.new: dict[str, Any] = {}
        self._saved: tuple[dict[str, Any], dict[str, Any], dict[str, Any]] | None = None

    def begin(self) -> None:
        """Remember the present state for `rollback`. Records are copied only when they are fetched for change."""
        self._saved = (dict(self.own), dict(self.new), {})

    def commit(self) -> None:
        self._saved = None

    def rollback(self) -> None:
        """Return to the state at `begin`."""
        if self._saved is None:
            return
        self.own, self.new, records = self._saved
        for key, record in records.items():
            (self.new if key in self.new else self.own)[key] = record
        self._saved = None

    def peek(self, key: str) -> Any:
        """Return a record for reading: this world's own, or the shared one. Raises KeyError."""
        if key in self.new:
            return self.new[key]
        value = self.own[key] if key in self.own else self.base[key]
        if value is GONE:
            raise KeyError(key)
        return value

    def fetch(self, key: str) -> Any:
        """Return a record for change: this world's own copy, made now if necessary. Raises KeyError."""
        place = self.new if key in self.new else self.own
        if key not in place:
            value = place[key] = thaw(self.base[key])
            return value
        value = place[key]
        if value is GONE:
            raise KeyError(key)
        if self._saved is not None:
            own, new, records = self._saved
            if key not in records and (new if key in new else own).get(key) is value:
                records[key] = thaw(value)
        return value

    def put(self, key: str, value: Any) -> None:
        value = unshared(value)
        if key in self.base and self.own.get(key) is not GONE:
            self.own[key] = value
        else:
            self.new[key] = value

    def remove(self, key: str) -> None:
        if key in self.new:
            del self.new[key]
        elif key in self.base and self.own.get(key) is not GONE:
            self.own[key] = GONE
        else:
            raise KeyError(key)

    def has(self, key: object) -> bool:
        return key in self.new or (key in self.base and self.own.get(key) is not GONE)  # type: ignore[call-overload]

    def keys(self) -> Iterator[str]:
        own = self.own
        for key in self.base:
            if key not in own or own[key] is not GONE:
                yield key
        yield from self.new

    def count(self) -> int:
        return len(self.base) - sum(value is GONE for value in self.own.values()) + len(self.new)


class TableView(Mapping[str, Any]):
    """The read-only dict interface, which tables for reading and for writing share."""

    __slots__ = ("_overlay",)

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay

    def __contains__(self, key: object) -> bool:
        return self._overlay.has(key)

    def __iter__(self) -> Iterator[str]:
        return self._overlay.keys()

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self))

    def __len__(self) -> int:
        return self._overlay.count()

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self) | dict(other)

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return dict(other) | dict(self)

    def __repr__(self) -> str:
        return repr({key: self._overlay.peek(key) for key in self})

    def copy(self) -> dict[str, Any]:
        return dict(self)

    def private_copies(self) -> dict[str, Any]:
        """Return copies of all records, which another world or table may own."""
        return {key: thaw(self._overlay.peek(key)) for key in self}


class ReadTable(TableView):
    """A table for reading."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        return self._overlay.peek(key)


class Table(TableView, MutableMapping[str, Any]):
    """A table for writing: every record taken from it belongs to this world alone."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        return self._overlay.fetch(key)

    def __setitem__(self, key: str, value: Any) -> None:
        self._overlay.put(key, value)

    def __delitem__(self, key: str) -> None:
        self._overlay.remove(key)

    def update(self, other: Any = (), /, **entries: Any) -> None:
        """Set entries as `dict.update` does; records of another table are copied, since each belongs to one world."""
        foreign_table = isinstance(other, TableView) and not self.shows(other._overlay)
        super().update(other.private_copies() if foreign_table else other, **entries)

    def __ior__(self, other: Mapping[str, Any]) -> Self:  # type: ignore[override]
        self.update(other)
        return self

    def popitem(self) -> tuple[str, Any]:
        """Remove and return the last entry. Raises KeyError if there is none."""
        for key in reversed(self):
            return key, self.pop(key)
        raise KeyError("the table is empty")

    def shows(self, overlay: Overlay) -> bool:
        """Tell whether this is a view of that overlay."""
        return self._overlay is overlay
