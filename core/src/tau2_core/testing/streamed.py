"""A chat completion as a stream: the server-sent events that an endpoint sends instead of one JSON body."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def events(completion: Mapping[str, Any], *, include_usage: bool) -> bytes:
    """Return a completion as server-sent events, up to `[DONE]`; texts and arguments are sent in two pieces.

    The usage is sent in a chunk of its own, and only if the request asked for it (`stream_options.include_usage`).
    """
    chunks = [*_chunks(completion)]
    if include_usage and "usage" in completion:
        chunks.append(_envelope(completion) | {"choices": [], "usage": completion["usage"]})
    return b"".join(b"data: %b\n\n" % text for text in (*(json.dumps(each).encode() for each in chunks), b"[DONE]"))


def _chunks(completion: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the opening chunk with the token fields, the message in pieces, and the finish reason."""
    (choice,) = completion["choices"]
    envelope = _envelope(completion)
    told = {name: value for name, value in completion.items() if name not in {*envelope, "choices", "usage"}}
    of_choice = {name: value for name, value in choice.items() if name not in {"index", "message", "finish_reason"}}
    opening = {"index": choice["index"], "delta": {"role": choice["message"]["role"]}, "finish_reason": None}
    yield envelope | told | {"choices": [opening | of_choice]}
    for delta in _deltas(choice["message"]):
        yield envelope | {"choices": [{"index": choice["index"], "delta": delta, "finish_reason": None}]}
    end = {"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]}
    yield envelope | {"choices": [end]}


def _envelope(completion: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: completion[name] for name in ("id", "created", "model")}
    return {**kept, "object": "chat.completion.chunk"}


def _deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in message.items():
        if name == "tool_calls":
            for index, call in enumerate(value or ()):
                first, second = _halves(call["function"]["arguments"])
                function = {**call["function"], "arguments": first}
                yield {"tool_calls": [{**call, "index": index, "function": function}]}
                yield {"tool_calls": [{"index": index, "function": {"arguments": second}}]}
        elif isinstance(value, str) and name != "role":
            yield from ({name: half} for half in _halves(value))
        elif name != "role":
            yield {name: value}


def _halves(text: str) -> tuple[str, str]:
    middle = len(text) // 2
    return text[:middle], text[middle:]
