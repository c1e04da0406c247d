"""Request bodies: finite, of valid text and bounded depth, so that whatever is let in can be written out again."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from tau2_core.gym.errors import RefusedError
from tau2_core.json_values import json_problem


def parse_body(body: bytes) -> Any:
    """Return a request body's value. Raises RefusedError (400) for what is not JSON, (422) for what is too deep."""
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise RefusedError(400, "not_json", f"the body is not JSON: {error}") from error
    problem = json_problem(value)
    if problem:
        raise RefusedError(422, "invalid_request", f"body: {problem}")
    return value
