"""The errors of a failed validation: the wrong part, and why it is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


def dotted(path: Sequence[str | int]) -> str:
    """Return a path into nested data as text, such as `usage.0.cost`; "" for the whole."""
    return ".".join(map(str, path))


def wrong_parts(error: ValidationError) -> list[str]:
    """Return the wrong parts in order, such as `usage.0.cost: Input should be a valid number`."""
    details = error.errors(include_url=False, include_input=False, include_context=False)
    return [f"{dotted(detail['loc'])}: {detail['msg']}" if detail["loc"] else detail["msg"] for detail in details]


def first_wrong_part(error: ValidationError) -> str:
    """Return the first of the wrong parts."""
    return wrong_parts(error)[0]
