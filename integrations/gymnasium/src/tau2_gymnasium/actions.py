"""Actions as text, in the formats of tau2-bench's gym."""

from __future__ import annotations

import ast
import json
from typing import Any

import gymnasium
import msgspec

DONE = "done"
MAX_LENGTH = 10_000_000
NO_CALL = "invalid_action"


class ActionCall(msgspec.Struct, frozen=True):
    """A tool call requested by an action."""

    name: str
    arguments: dict[str, Any] = {}


_DECODER = msgspec.json.Decoder(ActionCall)  # unlike json.loads, it accepts only what a record can hold


class UnicodeText(gymnasium.spaces.Text):
    """Any text up to a length. Gymnasium's own space rejects characters outside its list, such as ü or “."""

    def __init__(self, max_length: int = MAX_LENGTH) -> None:
        super().__init__(max_length, min_length=0)

    def contains(self, x: Any) -> bool:
        return isinstance(x, str) and len(x) <= self.max_length

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """Return up to 100 random characters."""
        if mask is None and probability is None:
            mask = (int(self.np_random.integers(1, 100)), None)
        return str(super().sample(mask, probability))


def read_action(text: str) -> ActionCall | str:
    """Return the tool call in an action, or the text to say.

    Calls are a JSON object `{"name": …, "arguments": {…}}`, or Python syntax, `name(argument='value')`. A text that
    begins with `{` but is not such an object becomes a call of a tool that does not exist, so it counts as a failed
    call and the other side never sees it.
    """
    stripped = text.strip()
    if stripped.startswith("{"):
        return _json_call(stripped)
    if stripped.endswith(")"):
        return _python_call(stripped) or text
    return text


def _json_call(text: str) -> ActionCall:
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):  # the first is a ValueError only in new versions
        return _no_call(text)


def _python_call(text: str) -> ActionCall | None:
    try:
        call = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
        return None
    arguments: dict[str, Any] = {}
    for keyword in call.keywords:
        try:
            value = ast.literal_eval(keyword.value)
        except (ValueError, TypeError, RecursionError, MemoryError):
            return None
        if keyword.arg is None:
            return None
        arguments[keyword.arg] = value
    return ActionCall(call.func.id, arguments) if _is_json(arguments) else _no_call(text)


def _no_call(text: str) -> ActionCall:
    return ActionCall(NO_CALL, {"action": text.encode("utf-8", "backslashreplace").decode()})


def _is_json(value: Any) -> bool:
    """Return whether a value is valid JSON, as a record requires: not NaN, a set, bytes or a lone surrogate."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, TypeError, RecursionError):
        return False
    return True
