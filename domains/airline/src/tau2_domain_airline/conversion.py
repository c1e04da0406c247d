"""Converting the objects in a tool's arguments into records."""

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from tau2_core import Record

R = TypeVar("R", bound=Record)


def as_records(values: Sequence[Any], record: type[R]) -> list[R]:
    """Build one record per object. Return the value unchanged if it contains anything else.

    Arguments may reach a tool unvalidated, so `values` can be text or an object too. An unchanged value
    is refused later, except by a tool that stores it (see "Kept for parity" in the README).
    """
    if all(isinstance(value, dict) for value in values):
        return [record.model_validate(value) for value in values]
    return cast("list[R]", values)
