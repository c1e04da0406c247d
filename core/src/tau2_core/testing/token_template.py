"""A chat template and a byte tokeniser for the scripted endpoint: the tokens that an engine would report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

ROLES = {"system": 256, "user": 257, "assistant": 258, "tool": 259}
END = 260
DRIFT = 261


class ByteTemplate:
    """Renders each message as a mark for the role, the bytes of its text, and an end mark.

    With `drifts_from` it imitates a flaw of some templates: once a prompt has this number of assistant messages, it
    renders the first of them differently than it was sampled. `logprobs` and `ids`: whether they are returned.
    """

    def __init__(self, *, drifts_from: int | None = None, logprobs: bool = True, ids: bool = True) -> None:
        self.drifts_from = drifts_from
        self.logprobs = logprobs
        self.ids = ids

    def prompt(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any]) -> list[int]:
        """Return the ids of a prompt, up to where the assistant's message begins."""
        ids = [*msgspec.json.encode(list(tools)), END] if tools else []
        answers = 0
        for message in messages:
            ids.append(ROLES[str(message["role"])])
            if message["role"] == "assistant":
                answers += 1
                if answers == 1 and self.drifts_from is not None and self._count(messages) >= self.drifts_from:
                    ids.append(DRIFT)
            ids += self.spoken(message)
        return [*ids, ROLES["assistant"]]

    @staticmethod
    def _count(messages: Sequence[Mapping[str, Any]]) -> int:
        return sum(message["role"] == "assistant" for message in messages)

    def spoken(self, message: Mapping[str, Any]) -> list[int]:
        """Return the ids of a message's content, including its end mark."""
        calls = [[call["function"]["name"], call["function"]["arguments"]] for call in message.get("tool_calls") or []]
        text = str(message.get("content") or "").encode()
        return [*text, *(msgspec.json.encode(calls) if calls else b""), END]

    def told(self, body: Mapping[str, Any], message: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the additional fields of an answer and of its choice."""
        answer: dict[str, Any] = {}
        choice: dict[str, Any] = {}
        completion = self.spoken(message)
        if body.get("return_token_ids") and self.ids:
            answer["prompt_token_ids"] = self.prompt(body["messages"], body.get("tools") or ())
            choice["token_ids"] = completion
        if body.get("logprobs") and self.logprobs:
            choice["logprobs"] = {"content": [{"token": "", "logprob": -each / 1000} for each in completion]}
        return answer, choice
