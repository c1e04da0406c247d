"""Finding records whose id differs from their key, in tables and in tables within records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from tau2_core.packs.source_error import SourcePath

_SCALARS = frozenset({str, int, float, bool, type(None)})
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass
class _Table:
    """All records at paths of one form, such as `users.*.cards`; `name` is the last name in it."""

    name: str
    rows: list[tuple[SourcePath, BaseModel]] = field(default_factory=list)


def differing_ids(fields: Mapping[str, Any]) -> Iterator[tuple[SourcePath, str, Any]]:
    """Yield each record whose id is not its key: the path of the id, the form of its table's path, and the id."""
    tables: dict[str, _Table] = {}
    for name, value in fields.items():
        _collect(value, (name,), (name,), tables)
    for form, table in tables.items():
        id_field = _id_field(table)
        for path, row in table.rows if id_field else ():
            value = getattr(row, id_field)
            if isinstance(value, str | int) and str(value) != str(path[-1]):
                yield (*path, id_field), form, value


def _collect(value: Any, path: SourcePath, form: Sequence[str], tables: dict[str, _Table]) -> None:
    if isinstance(value, BaseModel):
        for name, part in value.__dict__.items():
            if part.__class__ not in _SCALARS:
                _collect(part, (*path, name), (*form, name), tables)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            if isinstance(part, BaseModel) and isinstance(key, str | int):
                name = next((each for each in reversed(form) if each != "*"), "")
                tables.setdefault(".".join(form), _Table(name)).rows.append(((*path, key), part))
            if part.__class__ not in _SCALARS:
                _collect(part, (*path, key), (*form, "*"), tables)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            if part.__class__ not in _SCALARS:
                _collect(part, (*path, index), (*form, "*"), tables)


def _id_field(table: _Table) -> str:
    """Return the field that repeats the key, in at least half of the records or by its name; "" if there is none."""
    agreeing: dict[str, int] = {}
    for path, row in table.rows:
        for name, value in row.__dict__.items():
            if isinstance(value, str | int) and str(value) == str(path[-1]):
                agreeing[name] = agreeing.get(name, 0) + 1
    if agreeing:
        best = max(agreeing, key=lambda name: agreeing[name])
        if agreeing[best] * 2 >= len(table.rows):
            return best
    kinds = {type(row) for _, row in table.rows}
    singular = [table.name, table.name.removesuffix("s"), table.name.removesuffix("es")]
    singular += [f"{table.name.removesuffix('ies')}y", *(_WORDS.sub("_", kind.__name__).lower() for kind in kinds)]
    names = ["id", *(f"{name}_id" for name in singular)]
    return next((name for name in names if all(name in kind.model_fields for kind in kinds)), "")
