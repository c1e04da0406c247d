"""Validation of arguments against a tool's JSON schema."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import jsonschema_rs

from tau2_core.json_values import is_small, shortened
from tau2_core.model.tools import Callee
from tau2_core.packs.schemas import compile_schema

MAX_PROBLEMS = 20
MAX_VALUES = 1000
MAX_MESSAGE = 500


@dataclass(frozen=True)
class ArgumentProblem:
    """One value that violates the schema: where, and why."""

    path: tuple[str | int, ...]
    message: str

    @property
    def where(self) -> str:
        """The place as `passengers[0].dob`; "" for the arguments as a whole."""
        parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return shortened(parts.removeprefix("."), MAX_MESSAGE)

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.path else self.message


@lru_cache(maxsize=4096)
def _validator(callee: Callee) -> jsonschema_rs.Validator:
    return compile_schema(callee.parameters)


def argument_problems(callee: Callee, arguments: Any) -> list[ArgumentProblem]:
    """Return how arguments violate the schema of a tool or function, in the order of its checks; [] if they fit.

    At most MAX_PROBLEMS are returned, with short messages. Very many values are not checked one by one, since an error
    message with the whole value for each of them would take minutes.
    """
    validator = _validator(callee)
    try:
        if validator.is_valid(arguments):
            return []
        if not is_small(arguments, MAX_VALUES):
            return [
                ArgumentProblem((), f"they do not fit the tool's schema, and contain more than {MAX_VALUES} values")
            ]
        return [
            ArgumentProblem(tuple(error.instance_path), shortened(error.message, MAX_MESSAGE))
            for error in islice(validator.iter_errors(arguments), MAX_PROBLEMS)
        ]
    except (ValueError, RecursionError) as error:  # not JSON: NaN, a lone surrogate, too deep
        return [ArgumentProblem((), f"not a JSON value: {error}")]
