"""Reading the options of a retriever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tau2_core.errors import UsageError

LONGEST_QUERY = 100_000
SECONDS = 5.0


def positive(options: Mapping[str, Any], name: str, default: int) -> int:
    """Return an option that is a whole number from 1. Raises UsageError."""
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"option {name} of the retriever should be a whole number from 1, not {value!r}")
    return value


def switch(options: Mapping[str, Any], name: str) -> bool:
    """Return an option that is true or false; it is false by default. Raises UsageError."""
    value = options.get(name, False)
    if not isinstance(value, bool):
        raise UsageError(f"option {name} of the retriever should be true or false, not {value!r}")
    return value


def seconds(options: Mapping[str, Any]) -> float:
    """Return the time limit of a search. Raises UsageError."""
    value = options.get("seconds", SECONDS)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise UsageError(f"option seconds of the retriever should be a number above 0, not {value!r}")
    return float(value)
