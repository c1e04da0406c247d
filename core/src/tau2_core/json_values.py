"""JSON values from outside: whether they can be recorded, how large they are, and copies of them."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

MAX_DEPTH = 64  # depth of messages and calls
DEEPEST = 200  # depth of data that is read from a file
MAX_DIGITS = 1000
_HUGE = 10**MAX_DIGITS
_CONTAINERS = (dict, list)


def json_problem(value: Any, depth: int = 0, *, strict: bool = True) -> str | None:
    """Return why a value cannot be recorded, None if it can.

    Parsers accept values that are too deep or too large for a record, and values that are not JSON (NaN, a lone
    surrogate). Our own records can hold the latter, so only `strict` refuses them.
    """
    if depth > MAX_DEPTH:
        return f"nested more than {MAX_DEPTH} levels deep"
    if isinstance(value, str):
        return _text_problem(value) if strict else None
    if isinstance(value, dict):
        parts = [*value, *value.values()]
    elif isinstance(value, list | tuple):
        parts = [*value]
    elif isinstance(value, float):
        return None if isfinite(value) or not strict else f"{value} is not a JSON number"
    elif isinstance(value, int):
        return None if -_HUGE < value < _HUGE else f"a number with more than {MAX_DIGITS} digits"
    else:
        return None if value is None else f"a {type(value).__name__} is not a JSON value"
    for part in parts:
        if type(part) is str and (not strict or part.isascii()) and depth < MAX_DEPTH:
            continue
        problem = json_problem(part, depth + 1, strict=strict)
        if problem:
            return problem
    return None


def _text_problem(value: str) -> str | None:
    if value.isascii():
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return "a text with a lone surrogate"
    return None


def writable(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object unchanged. Raises ValueError if it is nested too deeply to be written as JSON."""
    for part in value.values():
        if isinstance(part, _CONTAINERS):
            break
    else:
        return value  # at once, since most are flat
    level: list[Any] = [part for part in value.values() if isinstance(part, _CONTAINERS)]
    for _ in range(DEEPEST):
        if not level:
            return value
        parts = (part for each in level for part in (each.values() if isinstance(each, dict) else each))
        level = [part for part in parts if isinstance(part, _CONTAINERS)]
    raise ValueError(f"nested more than {DEEPEST} levels deep")


def is_small(value: Any, parts: int, *, characters_a_part: int | None = None) -> bool:
    """Tell whether a value holds at most `parts` values. With `characters_a_part`, a long text counts as several.

    The check stops at the limit, however large the value is.
    """
    left = parts
    pending: list[Any] = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            left -= 1 + len(part) // characters_a_part if characters_a_part else 0
        elif isinstance(part, Mapping):
            left -= len(part)
            if left >= 0:
                pending += part.values()
        elif isinstance(part, list):
            left -= len(part)
            if left >= 0:
                pending += part
        if left < 0:
            return False
    return True


def shortened(text: str, most: int) -> str:
    """Return a text of about `most` characters at most, without its middle if it is longer."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} … {text[-half:]}"


def copy_json(value: Any) -> Any:
    """Return a deep copy of objects and lists; other values are shared."""
    if isinstance(value, dict):
        return {key: copy_json(item) if isinstance(item, _CONTAINERS) else item for key, item in value.items()}
    if isinstance(value, list):
        return [copy_json(item) if isinstance(item, _CONTAINERS) else item for item in value]
    return value


def encodable(text: str) -> str:
    """Return a text with � for each lone surrogate; UTF-8 cannot encode those."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
