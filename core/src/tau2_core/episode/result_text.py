"""The text of a successful result, byte for byte as the official environment writes it (spec/environment.md, 4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from enum import Enum
from typing import Any

from pydantic import BaseModel

from tau2_core.state.records import Record, cached_text

_ENCODER = json.JSONEncoder(default=str, check_circular=False)  # `_convert` leaves no cycles


def result_text(value: Any) -> str:
    """Return the text of a result, as a model sees it. Raises TypeError for a value without a text form."""
    if isinstance(value, str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, Record):
        return cached_text(value, _text)
    return _text(value)


def _text(value: Any) -> str:
    return _ENCODER.encode(_convert(value))


def _convert(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(warnings=False)
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return [_convert(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _convert(item) for key, item in value.items()}
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"a handler returned a {type(value).__name__}, which has no text form")
