"""Reading the options of a retriever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tau2_core.errors import ToolError, UsageError
from tau2_core.model.llm import ModelSettings
from tau2_core.redaction import without_secrets

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


def seconds(options: Mapping[str, Any], default: float = SECONDS) -> float:
    """Return the time limit of a search. Raises UsageError."""
    value = options.get("seconds", default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise UsageError(f"option seconds of the retriever should be a number above 0, not {value!r}")
    return float(value)


def text(options: Mapping[str, Any], name: str, default: str = "") -> str:
    """Return an option that is a text. Raises UsageError."""
    value = options.get(name, default)
    if not isinstance(value, str):
        raise UsageError(f"option {name} of the retriever should be a text, not {value!r}")
    return value


def model_of(options: Mapping[str, Any], name: str, args_name: str) -> ModelSettings:
    """Return the model that two options name: PROVIDER/NAME, and an object of arguments. Raises UsageError.

    Options are written into run.json, so they must contain no key.
    """
    args = options.get(args_name, {})
    if not isinstance(args, Mapping):
        raise UsageError(f"option {args_name} of the retriever should be an object, not {args!r}")
    if without_secrets(dict(args)) != args:
        raise UsageError(f"option {args_name} contains a key, and options are recorded; set an environment variable")
    model = text(options, name)
    if "/" not in model:
        raise UsageError(f"option {name} of the retriever should be a model, as PROVIDER/NAME, not {model!r}")
    settings = ModelSettings(model=model, args=dict(args))
    _ = settings.price  # refuses an invalid one
    return settings


def query_text(query: Any, what: str = "query") -> str:
    """Return a query, possibly a blank one. Raises TypeError for another value, ToolError if it is far too long."""
    if not isinstance(query, str):
        raise TypeError(f"the {what} should be a text, not {type(query).__name__}")
    if len(query) > LONGEST_QUERY:
        raise ToolError(f"the {what} has {len(query)} characters; give one of at most {LONGEST_QUERY}")
    return query
