"""Reading the token ids and logprobs of a chat-completions answer, as vLLM sends them on request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from tau2_core.model.llm import CallTokens, ModelError, ModelFailure

_TEMPLATE = ("chat_template", "chat_template_kwargs")
_VERSIONS = ("weight_version", "system_fingerprint")


def read_tokens(answer: Mapping[str, Any], choice: Mapping[str, Any]) -> CallTokens:
    """Return an answer's tokens. Raises ModelError if it has no ids or invalid ones."""
    prompt, completion = answer.get("prompt_token_ids"), choice.get("token_ids")
    if prompt is None or completion is None:
        missing = "prompt_token_ids" if prompt is None else "choices[0].token_ids"
        raise ModelError(
            ModelFailure.SETTINGS,
            f"the endpoint sent no {missing}, which --token-traces needs; use one that knows `return_token_ids`, such "
            "as vLLM, or omit --token-traces",
        )
    version = next((answer[name] for name in _VERSIONS if answer.get(name) is not None), None)
    return CallTokens(
        prompt_ids=_ids("prompt_token_ids", prompt),
        completion_ids=_ids("token_ids", completion),
        logprobs=_logprobs(choice.get("logprobs")),
        model=None if answer.get("model") is None else str(answer["model"]),
        weight_version=None if version is None else str(version),
    )


def template_digest(args: Mapping[str, Any]) -> str | None:
    """Return a digest of the chat template that a model's arguments name; None if they name none."""
    named = {name: args[name] for name in _TEMPLATE if args.get(name) is not None}
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:12] if named else None


def _ids(name: str, value: Any) -> list[int]:
    if not isinstance(value, list) or not all(type(each) is int and each >= 0 for each in value):
        raise ModelError(ModelFailure.UNREADABLE, f"the answer cannot be read: {name} should be a list of token ids")
    return value


def _logprobs(value: Any) -> list[float | None] | None:
    content = value.get("content") if isinstance(value, Mapping) else None
    return [_logprob(each) for each in content] if isinstance(content, list) else None


def _logprob(token: Any) -> float | None:
    number = token.get("logprob") if isinstance(token, Mapping) else None
    known = isinstance(number, int | float) and not isinstance(number, bool) and isfinite(number)
    return float(number) if known else None  # type: ignore[arg-type]
