"""JSON from outside: finite, of valid text and bounded depth, so that whatever is let in can be written out again."""

from __future__ import annotations

from math import isfinite
from typing import Any

from pydantic_core import from_json

from tau2_core.gym.errors import RefusedError

MAX_DEPTH = 64
MAX_DIGITS = 1000
_HUGE = 10**MAX_DIGITS


def parse(body: bytes) -> Any:
    """Return a request body's value. Raises RefusedError (400) for what is not JSON, (422) for what is too deep."""
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise RefusedError(400, "not_json", f"the body is not JSON: {error}") from error
    problem = json_problem(value)
    if problem:
        raise RefusedError(422, "invalid_request", f"body: {problem}")
    return value


def json_problem(value: Any, depth: int = 0) -> str | None:
    """Return why a parsed value is refused, None if it is not.

    Parsers let through what is no JSON (NaN, half a surrogate pair) and what no record could be written with.
    """
    if depth > MAX_DEPTH:
        return f"nested more than {MAX_DEPTH} levels deep"
    if isinstance(value, str):
        return None if value.isascii() else _text_problem(value)
    if isinstance(value, float):
        return None if isfinite(value) else f"{value} is not a JSON number"
    if isinstance(value, int):
        return None if -_HUGE < value < _HUGE else f"a number of more than {MAX_DIGITS} digits"
    if isinstance(value, dict):
        parts = [*value, *value.values()]
    elif isinstance(value, list):
        parts = value
    else:
        return None
    for part in parts:
        problem = json_problem(part, depth + 1)
        if problem:
            return problem
    return None


def _text_problem(value: str) -> str | None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return "a text with half a surrogate pair"
    return None
