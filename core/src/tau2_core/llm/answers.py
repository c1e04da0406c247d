"""Reading the body of a chat-completions answer, including unusual fields; the same for every client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import ceil, isfinite
from typing import Any

import msgspec

from tau2_core.json_values import encodable
from tau2_core.llm.failures import error_in_answer
from tau2_core.llm.thinking import split_thinking
from tau2_core.llm.token_answers import read_tokens
from tau2_core.model.llm import Completion, ModelError, ModelFailure

_BOM = b"\xef\xbb\xbf"
_COUNTS = ("prompt_tokens", "completion_tokens")
MOST_TOKENS = 10**9
MOST_DOLLARS = 10**6  # number of calls in one message
# Finish reasons of a failed generation, whose partial answer must not be used.
_FAILED = frozenset(
    {
        "error",
        "abort",
        "aborted",
        "cancelled",
        "canceled",
        "engine_error",
        "server_error",
        "network_error",
        "timeout",
        "insufficient_system_resource",
    }
)


def read_answer(body: bytes, *, tokens: bool = False) -> Completion:
    """Read an answer's body; its cost is not known yet. `tokens`: it must have the ids of its tokens.

    Raises ModelError if it has no usable answer.
    """
    answer = decoded_object(body)
    if answer.get("error"):
        raise error_in_answer(answer["error"])
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise _unreadable("it has no choices")
    choice = choices[0]
    read = completion(choice.get("message"), choice.get("finish_reason"), answer.get("usage"), choice.get("error"))
    if tokens:
        read.tokens = read_tokens(answer, choice)
    return read


def decoded_object(body: bytes) -> dict[str, Any]:
    """Return an answer's body as the JSON object that it should be. Raises ModelError."""
    answer = _json(body)
    if not isinstance(answer, dict):
        raise _unreadable(f"it should be a JSON object, not {_kind(answer)}")
    return answer


def completion(message: Any, finish_reason: Any, usage: Any, error: Any = None) -> Completion:
    """Return a Completion; its cost is set later. Raises ModelError if the answer is not usable."""
    reason = None if finish_reason is None else str(finish_reason)
    if isinstance(message, dict):
        error = error or message.get("error")
    if error or (reason or "").lower() in _FAILED:
        raise error_in_answer(error or f"finish_reason {reason}")
    return Completion(message=_message(message), finish_reason=reason, usage=token_counts(usage) or None)


def token_counts(usage: Any) -> dict[str, int]:
    """Return the token counts of an answer, {} if it has none.

    Numbers as text and fractions are accepted (fractions are rounded up). Impossible counts are left out; the cost is
    then unknown.
    """
    if not isinstance(usage, Mapping):
        return {}
    counts = {name: _count(usage.get(name)) for name in _COUNTS}
    known = {name: count for name, count in counts.items() if count is not None}
    return known if any(known.values()) else {}  # every request has a prompt, so zeros mean that nothing was counted


def _count(value: Any) -> int | None:
    number = _number(value, MOST_TOKENS)
    return None if number is None else ceil(number)


def reported_figures(cost: Any, usage: Any) -> dict[str, Any]:
    """Return the plausible part of the `cost` and `usage` that a custom agent or customer reports for a message.

    Impossible figures are left out, as with those of a provider; the cost is then unknown.
    """
    found: dict[str, Any] = {"cost": _number(cost, MOST_DOLLARS), "usage": None}
    if isinstance(usage, Mapping):
        others = {name: value for name, value in usage.items() if name not in _COUNTS}
        counts = {name: _count(usage.get(name)) for name in _COUNTS}
        found["usage"] = _recordable(others) | {name: count for name, count in counts.items() if count is not None}
    return found


def _number(value: Any, most: int) -> float | None:
    """Return a number from 0 to `most`, also from text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) and 0 <= number <= most else None


def _message(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise _unreadable(f"its message should be an object, not {_kind(raw)}")
    message = {"content": None, **{name: part for name, part in raw.items() if part is not None}}
    content = message["content"]
    if isinstance(content, str):
        message["content"], thought = split_thinking(content)
        if thought and not message.get("reasoning_content") and not message.get("reasoning"):
            message["reasoning_content"] = thought
    elif content is not None and not isinstance(content, list):
        raise _unreadable(f"its content should be text, not {_kind(content)}")
    calls = message.get("tool_calls")
    if calls is not None:
        if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
            raise _unreadable("its tool_calls should be a list of objects")
        message["tool_calls"] = [_call(call) for call in calls]
    return message


def _call(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a tool call whose id is text or missing and whose name is text."""
    function = raw.get("function")
    if function is not None and not isinstance(function, dict):
        raise _unreadable(f"the function of a tool call should be an object, not {_kind(function)}")
    name = (function or {}).get("name")
    if name is not None and not isinstance(name, str):
        raw = {**raw, "function": {**(function or {}), "name": str(name)}}
    identity = raw.get("id")
    if isinstance(identity, str) or "id" not in raw:
        return raw
    if isinstance(identity, int | float) and not isinstance(identity, bool):
        return {**raw, "id": str(identity)}
    return {key: value for key, value in raw.items() if key != "id"}


def _json(body: bytes) -> Any:
    content = body.removeprefix(_BOM)
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:  # accept NaN and lone surrogates, which are not JSON
        return _recordable(json.loads(content))
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"it is not JSON: {error}") from error


def _recordable(value: Any) -> Any:
    """Return a value that fits UTF-8 and JSON: � for a lone surrogate, text for NaN and infinities."""
    if isinstance(value, dict):
        return {_recordable(key): _recordable(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_recordable(part) for part in value]
    if isinstance(value, str):
        return encodable(value)
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def _unreadable(why: str) -> ModelError:
    return ModelError(ModelFailure.UNREADABLE, f"the answer cannot be read: {why}")


def _kind(value: Any) -> str:
    names = {type(None): "null", bool: "a boolean", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")
