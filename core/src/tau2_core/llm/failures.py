"""Classification of failed requests, from an HTTP response, or from an exception and its causes.

litellm's own classes are too coarse: a dropped connection, a damaged answer and a real 500 are all InternalServerError.
So the HTTP response, or the client's exception at the root of the chain, decides if there is one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tau2_core.model.llm import ModelError, ModelFailure

# Names of exception classes, so that nothing has to be imported for the check.
_DAMAGED = {"JSONDecodeError", "DecodeError", "DecodingError", "APIResponseValidationError", "ValidationError"}
_TOO_LATE = {"TimeoutException", "Timeout", "APITimeoutError", "TimeoutError"}
_LOST = {"TransportError", "ClientError", "ConnectionError", "OSError"}
_BY_STATUS = {
    400: ModelFailure.REFUSED_REQUEST,
    401: ModelFailure.CREDENTIALS,
    402: ModelFailure.CREDENTIALS,
    403: ModelFailure.CREDENTIALS,
    404: ModelFailure.CREDENTIALS,
    405: ModelFailure.SETTINGS,
    406: ModelFailure.SETTINGS,
    407: ModelFailure.CREDENTIALS,
    408: ModelFailure.TIMEOUT,
    410: ModelFailure.CREDENTIALS,  # a model that is no longer served
    411: ModelFailure.SETTINGS,
    413: ModelFailure.CONTEXT_LENGTH,
    415: ModelFailure.SETTINGS,
    422: ModelFailure.REFUSED_REQUEST,
    426: ModelFailure.SETTINGS,
    429: ModelFailure.RATE_LIMIT,
    431: ModelFailure.SETTINGS,
    451: ModelFailure.REFUSED_REQUEST,
    495: ModelFailure.CREDENTIALS,
    496: ModelFailure.CREDENTIALS,
    501: ModelFailure.SETTINGS,
    504: ModelFailure.TIMEOUT,
    505: ModelFailure.SETTINGS,
    511: ModelFailure.CREDENTIALS,
    524: ModelFailure.TIMEOUT,
}
# Error codes of gateways inside a response with status 200.
_BY_CODE = {
    "insufficient_quota": ModelFailure.CREDENTIALS,
    "invalid_api_key": ModelFailure.CREDENTIALS,
    "authentication_error": ModelFailure.CREDENTIALS,
    "permission_error": ModelFailure.CREDENTIALS,
    "model_not_found": ModelFailure.CREDENTIALS,
    "rate_limit_exceeded": ModelFailure.RATE_LIMIT,
    "rate_limit_error": ModelFailure.RATE_LIMIT,
    "timeout": ModelFailure.TIMEOUT,
}
# Without a response: litellm's errors for requests that it refused itself, and for errors inside a 200.
_BY_CLASS = {
    "AuthenticationError": ModelFailure.CREDENTIALS,
    "BadRequestError": ModelFailure.REFUSED_REQUEST,
    "InternalServerError": ModelFailure.SERVER,
    "APIError": ModelFailure.SERVER,
}

# Messages about a conversation that is too long, from servers without a code for it: vLLM, SGLang, TGI, llama.cpp.
_TOO_LONG = (
    "context_length_exceeded",
    "maximum context length is",
    "is longer than the model's context length",
    "`inputs` tokens + `max_new_tokens` must be",
    "exceeds the available context size",
)


# Messages about a wrong key in responses with another status than 401: Gemini and xAI use 400.
_BAD_KEY = (
    "API_KEY_INVALID",
    "API key not valid",
    "Incorrect API key",
    "invalid_api_key",
    "invalid x-api-key",
    "Invalid API Key",
    "Missing Authentication header",
    "No auth credentials found",
)
# Messages about a model that does not exist or is not allowed, in responses with another status than 404: DeepSeek,
# Mistral, OpenRouter and Bedrock use 400.
_NO_MODEL = (
    "model_not_found",
    "model_not_available",
    "Model Not Exist",
    '"invalid_model"',
    "is not a valid model ID",
    "The provided model identifier is invalid",
)
# Exceptions of libraries that find no key, before anything is sent.
_NO_KEY_CLASSES = {"NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError"}
_NO_KEY = (
    "api_key client option must be set",
    "Missing credentials",
    "Missing API Key",
    "Missing Anthropic API Key",
    "Unable to load vertex credentials",
)


def refusal(status: int, headers: Mapping[str, str], body: str) -> ModelError:
    """Return the error for an HTTP response without an answer."""
    text = f"HTTP {status}: {' '.join(body.split())}"
    too_long = 400 <= status < 500 and any(words in body for words in _TOO_LONG)
    kind = ModelFailure.CONTEXT_LENGTH if too_long else _of_status(status, body)
    return ModelError(kind, text, _asked_to_wait(headers))


def error_in_answer(error: Any) -> ModelError:
    """Return the error for an error inside a 200. A refused request there is the gateway's error, and retried."""
    content = error if isinstance(error, Mapping) else {}
    text = json.dumps(error, ensure_ascii=False, default=str) if content else str(error)
    kind = ModelFailure.SERVER
    if any(words in text for words in _TOO_LONG):
        kind = ModelFailure.CONTEXT_LENGTH
    else:
        for code in (content.get("code"), content.get("type"), content.get("status")):
            text_code = str(code)
            status = int(text_code) if text_code.isdecimal() and len(text_code) == 3 else 0
            found = _BY_CODE.get(text_code) or _BY_STATUS.get(status)
            if found is not None and found is not ModelFailure.REFUSED_REQUEST:
                kind = found
                break
    return ModelError(kind, f"the answer is an error: {' '.join(text.split())}")


def as_model_error(error: Exception) -> ModelError:
    """Return the error for an exception, with the wait that the provider requested."""
    chain = list(_chain(error))
    missing = next((each.name for each in chain if isinstance(each, ImportError) and each.name), None)
    if missing is not None:
        return ModelError(ModelFailure.SETTINGS, f"the package {missing}, which this provider needs, is not installed")
    text = " ".join(str(error).partition("Traceback (most recent call last)")[0].split())
    kind = _kind(chain)
    cause = " ".join(str(chain[-1]).split())
    if kind is ModelFailure.CONNECTION and cause not in text:  # litellm only says that there is no connection
        text = f"{text} ({cause})"
    return ModelError(kind, text, _retry_after(chain))


def was_refused(error: Exception) -> bool:
    """Tell whether an exception comes from an error response, and not from reading an answer."""
    return _status(list(_chain(error))) is not None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _kind(chain: list[BaseException]) -> ModelFailure:
    names = {kind.__name__ for error in chain for kind in type(error).__mro__}
    if "ContextWindowExceededError" in names or _says(chain, "context_length_exceeded"):
        return ModelFailure.CONTEXT_LENGTH
    status = _status(chain)
    if status is not None:
        return _of_status(status, " ".join(map(str, chain)))
    if names & _NO_KEY_CLASSES or any(_says(chain, words) for words in _NO_KEY):
        return ModelFailure.CREDENTIALS
    if names & _DAMAGED:
        return ModelFailure.UNREADABLE
    if names & _TOO_LATE:
        return ModelFailure.TIMEOUT
    if names & _LOST:
        return ModelFailure.CONNECTION
    mine = [kind.__name__ for kind in type(chain[0]).__mro__]
    return next((_BY_CLASS[name] for name in mine if name in _BY_CLASS), ModelFailure.UNREADABLE)


def _says(chain: list[BaseException], code: str) -> bool:
    """Tell whether an error contains a code of OpenAI's protocol; its client includes the body in the message."""
    return any(code in str(error) for error in chain)


def _status(chain: list[BaseException]) -> int | None:
    """Return the status of the real response; litellm's exceptions have invented ones."""
    for error in reversed(chain):
        if type(error).__name__ == "HTTPStatusError":
            status: int = error.response.status_code  # type: ignore[attr-defined]
            return status
    return None


def _of_status(status: int, body: str) -> ModelFailure:
    if status == 403 and any(words in body.lower() for words in ("flagged", "moderation")):
        return ModelFailure.REFUSED_REQUEST  # the conversation was blocked by the provider's filter
    if status in (400, 403, 422) and any(words in body for words in (*_BAD_KEY, *_NO_MODEL)):
        return ModelFailure.CREDENTIALS
    if status == 429 and "insufficient_quota" in body:
        return ModelFailure.CREDENTIALS  # the account has no credit left, so waiting does not help
    if status < 300:
        return ModelFailure.UNREADABLE
    if 300 <= status < 400:
        return ModelFailure.SETTINGS  # redirects are not followed
    # None of the others (409, 424, 425, 498, 499, …) means that the conversation is wrong.
    return _BY_STATUS.get(status, ModelFailure.SERVER)


def _retry_after(chain: list[BaseException]) -> float | None:
    asked = (_asked_to_wait(headers) for headers in filter(None, map(_headers, chain)))
    return next((seconds for seconds in asked if seconds is not None), None)


def _asked_to_wait(headers: Mapping[str, Any]) -> float | None:
    """Return the seconds of a `retry-after-ms` or `retry-after` header (a number, or a date)."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name)
        if text is not None:
            try:
                return max(0.0, float(text) / unit)
            except ValueError:
                return _seconds_until(text)
    return None


def _headers(error: BaseException) -> Mapping[str, Any] | None:
    found = getattr(error, "litellm_response_headers", None)
    return found or getattr(getattr(error, "response", None), "headers", None)


def _seconds_until(date: str) -> float | None:
    try:
        when = parsedate_to_datetime(date)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
