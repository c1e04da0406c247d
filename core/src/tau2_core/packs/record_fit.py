"""Finding records of a world that no longer fit their models; assigning to a field does not validate."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tau2_core.packs.source_error import SourcePath
from tau2_core.state.records import plain
from tau2_core.state.table import GONE
from tau2_core.state.world import World


def unfit_parts(world: World) -> Iterator[tuple[SourcePath, str]]:
    """Yield the path and the error of each changed value of a world that its model does not allow."""
    for (name, key), value in world.touched().items():
        if value is GONE:
            continue
        declared = world.base.hints[name] if key is None else world.base.row_type(name)
        place: SourcePath = (name,) if key is None else (name, key)
        try:
            _adapter(declared).validate_python(plain(value))
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                path = (*place, *(part for part in detail["loc"] if isinstance(part, str | int)))
                given = "" if isinstance(detail["input"], dict | list) else f", not {detail['input']!r}"
                yield path, f"{detail['msg']}{given}"


@lru_cache(maxsize=256)
def _adapter(declared: Any) -> TypeAdapter[Any]:
    return TypeAdapter(declared)
