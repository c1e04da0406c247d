"""Records: the typed rows of a database. Frozen records are shared, thawed copies are private."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Never, SupportsIndex, TypeVar

from pydantic import BaseModel, ConfigDict

from tau2_core.state.shared_values import SCALARS, caches, freeze_other, thaw_other

T = TypeVar("T")


class FrozenRecordError(TypeError):
    """An attempt to change a record that all worlds share."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} is shared by all worlds and cannot be changed; a tool that changes records needs `kind: write`, "
            "and takes the record to change from `db`, not from `reading(db)`"
        )


class Record(BaseModel):
    """A row of a database. Creating one validates it; assigning to a field does not (spec/environment.md, 6)."""

    __slots__ = ("_frozen", "_text")
    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    @classmethod
    def __pydantic_init_subclass__(cls, **_kwargs: Any) -> None:
        if cls.model_config.get("extra") == "allow" or cls.__private_attributes__:
            raise TypeError(
                f"{cls.__name__} should have declared fields only: no `extra='allow'`, no private attribute"
            )
        caching = next(caches(cls), None)
        if caching is not None:
            raise TypeError(f"{cls.__name__}.{caching} caches its result, which all worlds would share")

    def __setattr__(self, name: str, value: Any) -> None:
        if getattr(self, "_frozen", False):
            raise FrozenRecordError(f"this {type(self).__name__}")
        if name not in type(self).model_fields:
            raise AttributeError(f"{type(self).__name__} has no field {name!r}")
        self.__dict__[name] = value

    def __delattr__(self, name: str) -> Never:
        raise TypeError(f"fields of {type(self).__name__} cannot be deleted")


class Database(Record):
    """The root of a database. Unknown top-level keys are refused."""

    model_config = ConfigDict(extra="forbid")


class Section(Record):
    """A part of a database with tables of its own, such as `db.accounts.rows`; a field of the root.

    Its fields of type `dict[str, …]` are tables like those at the root: an episode copies only the rows that it
    touches.
    """


class FrozenDict(dict[Any, Any]):
    """A read-only dict of the shared base."""

    __slots__ = ("flat",)
    flat: bool

    def _refuse(self, *_args: object, **_kwargs: object) -> Never:
        raise FrozenRecordError("this dict")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type[dict[Any, Any]], tuple[list[tuple[Any, Any]]]]:
        return dict, (list(self.items()),)  # copies and pickles are private, so ordinary dicts


class FrozenList(list[Any]):
    """A read-only list of the shared base."""

    __slots__ = ()

    def _refuse(self, *_args: object, **_kwargs: object) -> Never:
        raise FrozenRecordError("this list")

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type[list[Any]], tuple[list[Any]]]:
        return list, (list(iter(self)),)


def freeze(value: Any, place: str = "it") -> Any:
    """Make a value read-only, in place if possible, and return it. Dicts and lists are replaced by frozen copies.

    Raises UnshareableError, naming the `place`, for a type that cannot be made read-only.
    """
    if isinstance(value, dict):
        items = {
            key if key.__class__ is str else freeze(key, place): (
                item if item.__class__ in SCALARS else freeze(item, place)
            )
            for key, item in value.items()
        }
        frozen = FrozenDict(items)
        frozen.flat = all(item.__class__ in SCALARS for item in items.values())
        return frozen
    if isinstance(value, list):
        return FrozenList([item if item.__class__ in SCALARS else freeze(item, place) for item in value])
    if isinstance(value, Record):
        fields = value.__dict__
        for name, item in fields.items():
            if item.__class__ not in SCALARS:
                fields[name] = freeze(item, f"{type(value).__name__}.{name}")
        object.__setattr__(value, "_frozen", True)
        return value
    return freeze_other(value, place, freeze)


def cached_text(record: Record, make: Callable[[Record], str]) -> str:
    """Return `make(record)`. For a frozen record, which never changes, it is computed once."""
    if not getattr(record, "_frozen", False):
        return make(record)
    known: str | None = getattr(record, "_text", None)
    if known is None:
        known = make(record)
        object.__setattr__(record, "_text", known)
    return known


def thaw(value: T) -> T:
    """Return a private copy that may be changed; immutable parts are shared."""
    return _thaw(value)  # type: ignore[no-any-return]


def _thaw(value: Any) -> Any:
    kind = value.__class__
    if kind is FrozenDict and value.flat:
        return dict(value)
    if isinstance(value, Record):
        copy = kind.__new__(kind)
        set_slot = object.__setattr__
        set_slot(
            copy,
            "__dict__",
            {name: item if item.__class__ in SCALARS else _thaw(item) for name, item in value.__dict__.items()},
        )
        set_slot(copy, "__pydantic_fields_set__", value.__pydantic_fields_set__)
        set_slot(copy, "__pydantic_extra__", None)
        set_slot(copy, "__pydantic_private__", None)
        return copy
    if isinstance(value, dict):
        return {key: item if item.__class__ in SCALARS else _thaw(item) for key, item in value.items()}
    if isinstance(value, list):
        return [item if item.__class__ in SCALARS else _thaw(item) for item in value]
    return thaw_other(value, _thaw)


def unshared(value: T) -> T:
    """Return the value itself, or a private copy if all worlds share it."""
    if isinstance(value, FrozenDict | FrozenList) or (isinstance(value, Record) and getattr(value, "_frozen", False)):
        return thaw(value)
    return value


def plain(value: Any) -> Any:
    """Return records as dicts of all their fields, recursively; other values are unchanged."""
    if isinstance(value, BaseModel):
        return value.model_dump(warnings=False)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
