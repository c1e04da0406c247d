"""Values of a shared base other than records, dicts and lists: deeply frozen by type, or refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cached_property
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath
from types import NoneType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AnyUrl, BaseModel, SecretBytes, SecretStr
from pydantic_core import MultiHostUrl, Url

SCALARS = frozenset({str, int, float, bool, NoneType})
_UNCHANGING = frozenset(
    {bytes, complex, range, date, datetime, time, timedelta, timezone, Decimal, Fraction, UUID, ZoneInfo, re.Pattern}
    | {Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath, SecretStr, SecretBytes, Url, MultiHostUrl}
    | {IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network}
)
Convert = Callable[[Any, str], Any]


class UnshareableError(TypeError):
    """A database holds a value that cannot be made read-only."""

    def __init__(self, place: str, value: object, why: str = "") -> None:
        because = f" ({why})" if why else ""
        super().__init__(
            f"{place} holds a {type(value).__name__}{because}, which all worlds would share and could change; "
            "use a list, a dict, a tuple or a tau2_core.Record"
        )


def freeze_other(value: Any, place: str, freeze: Convert) -> Any:
    """Make a value read-only and return it; `freeze` does the same for its contents.

    Frozen dataclasses and frozen pydantic models are changed in place, tuples and frozensets are rebuilt.
    Raises UnshareableError.
    """
    kind = value.__class__
    if _cannot_change(value):
        return value
    if isinstance(value, Enum):
        if not _is_deeply_unchanging(value.value):
            raise UnshareableError(place, value, "its value can be changed")
        return value
    if isinstance(value, tuple):
        return _tuple(value, [freeze(item, place) for item in value])
    if kind is frozenset:
        return frozenset(freeze(item, place) for item in value)
    if is_frozen_holder(value):
        caching = next(caches(kind), None)
        if caching is not None:
            raise UnshareableError(place, value, f"its {caching} caches its result")
        for name, item in _items(value):
            if item.__class__ not in SCALARS:
                _put(value, name, freeze(item, f"{kind.__name__}.{name}"))
        return value
    raise UnshareableError(place, value)


def thaw_other(value: Any, thaw: Callable[[Any], Any]) -> Any:
    """Return a private copy of a value that `freeze_other` froze; `thaw` does the same for its contents."""
    kind = value.__class__
    if isinstance(value, tuple):
        return _tuple(value, [thaw(item) for item in value])
    if kind is set:  # not in a base, but a handler may store one
        return set(value)
    if not isinstance(value, type) and is_frozen_holder(value):
        copy = kind.__new__(kind)
        if isinstance(value, BaseModel):
            set_slot = object.__setattr__
            set_slot(copy, "__dict__", {name: thaw(item) for name, item in value.__dict__.items()})
            set_slot(copy, "__pydantic_fields_set__", value.__pydantic_fields_set__)
            set_slot(copy, "__pydantic_extra__", None)
            set_slot(copy, "__pydantic_private__", None)
            return copy
        for name, item in _items(value):
            _put(copy, name, thaw(item))
        return copy
    return value


def is_frozen_holder(value: object) -> bool:
    """Tell whether a value is a frozen dataclass, or a frozen pydantic model with declared fields only."""
    if isinstance(value, BaseModel):
        config = value.model_config
        return bool(config.get("frozen")) and config.get("extra") != "allow" and not value.__private_attributes__
    return is_dataclass(value) and bool(getattr(type(value), "__dataclass_params__").frozen)  # noqa: B009 - unknown to mypy


def caches(kind: type) -> Iterator[str]:
    """Yield the names of a class's properties and methods that cache results, which worlds would share."""
    for base in kind.__mro__:
        if base in (BaseModel, object):
            return
        for name, member in vars(base).items():
            inner = getattr(member, "wrapped", member)
            if isinstance(inner, cached_property) or hasattr(getattr(inner, "__func__", inner), "cache_info"):
                yield name


def _cannot_change(value: Any) -> bool:
    kind = value.__class__
    if kind in SCALARS or kind in _UNCHANGING or isinstance(value, AnyUrl | type):
        return True
    plain = isinstance(value, str | int | float | bytes | date | time | timedelta | Decimal | UUID)
    return plain and not isinstance(value, Enum) and not getattr(value, "__dict__", None)


def _is_deeply_unchanging(value: Any) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(_is_deeply_unchanging(item) for item in value)
    return _cannot_change(value)


def _tuple(like: tuple[Any, ...], items: list[Any]) -> tuple[Any, ...]:
    kind = like.__class__
    if kind is tuple:
        return tuple(items)
    copy = tuple.__new__(kind, items)
    for name, item in getattr(like, "__dict__", {}).items():
        object.__setattr__(copy, name, item)
    return copy


def _items(value: Any) -> list[tuple[str, Any]]:
    """Return the fields of a value, and the other entries of its `__dict__`, by name."""
    found = dict(getattr(value, "__dict__", {}))
    if is_dataclass(value):
        found.update({field.name: getattr(value, field.name) for field in fields(value) if hasattr(value, field.name)})
    return list(found.items())


def _put(value: Any, name: str, item: Any) -> None:
    if isinstance(value, BaseModel):
        value.__dict__[name] = item
    else:
        object.__setattr__(value, name, item)
