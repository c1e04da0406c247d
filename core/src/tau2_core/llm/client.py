"""The only importer of litellm: one request, its answer, and its errors in our words."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any

from tau2_core.model.llm import Completion, ModelError, ModelFailure, ModelSettings

# Fields of an assistant message that every chat-completions endpoint takes back.
STANDARD_FIELDS = frozenset({"role", "content", "tool_calls", "name", "refusal"})
# Providers that refuse messages with fields they do not list; all others get back what they sent.
STRICT_PROVIDERS = frozenset({"openai", "azure", "deepseek", "mistral", "groq", "cerebras"})


@cache
def _litellm() -> ModuleType:
    """Import litellm, which takes seconds, with everything switched off that would talk to others than the model."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")  # no .env file is read
    import litellm

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.drop_params = True
    return litellm


class LiteLLMClient:
    """Sends single requests for one model, with no retries of its own."""

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        self.provider = _litellm().get_llm_provider(settings.model, api_base=settings.args.get("api_base"))[1]

    async def complete(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
    ) -> Completion:
        """Make one request. Raises ModelError."""
        litellm = _litellm()
        arguments: dict[str, Any] = {**self.settings.args, **options, "num_retries": 0, "max_retries": 0}
        if tools:
            arguments["tools"] = list(tools)
            arguments.setdefault("tool_choice", "auto")
        try:
            response = await litellm.acompletion(
                model=self.settings.model, messages=[self.outgoing(message) for message in messages], **arguments
            )
        except Exception as error:
            raise as_model_error(error) from error
        return self._completion(response)

    def outgoing(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return a message as this provider takes it: its own reasoning state goes back, unless it refuses that."""
        if message.get("role") != "assistant" or self.provider not in STRICT_PROVIDERS:
            return dict(message)
        return {key: value for key, value in message.items() if key in STANDARD_FIELDS}

    def _completion(self, response: Any) -> Completion:
        if not getattr(response, "choices", None):
            raise ModelError(ModelFailure.UNREADABLE, "the answer has no choices")
        choice = response.choices[0]
        message = choice.message.model_dump(exclude_none=True)
        if not any(value is not None for value in message.get("provider_specific_fields", {}).values()):
            message.pop("provider_specific_fields", None)  # litellm's own frame, with nothing in it
        usage = getattr(response, "usage", None)
        counts = {
            name: int(getattr(usage, name))
            for name in ("prompt_tokens", "completion_tokens")
            if getattr(usage, name, None) is not None
        }
        return Completion(
            message=message, finish_reason=choice.finish_reason, usage=counts or None, cost=self._cost(response)
        )

    def _cost(self, response: Any) -> float | None:
        """Return the price by litellm's table; a model that is not in it has none, which is not the same as nothing."""
        litellm = _litellm()
        try:
            known = litellm.get_model_info(self.settings.model)
            if not known.get("input_cost_per_token") and not known.get("output_cost_per_token"):
                return None
            return float(litellm.completion_cost(response, model=self.settings.model))
        except Exception:  # noqa: BLE001 - litellm raises bare Exceptions for models without a price
            return None


def as_model_error(error: Exception) -> ModelError:
    """Return an exception of litellm's, or of the HTTP client below it, in our words."""
    known = _litellm().exceptions
    text = " ".join(str(error).split())[:500]
    kinds: list[tuple[type[BaseException] | tuple[type[BaseException], ...], ModelFailure]] = [
        (known.ContextWindowExceededError, ModelFailure.CONTEXT_LENGTH),
        (known.RateLimitError, ModelFailure.RATE_LIMIT),
        (known.Timeout, ModelFailure.TIMEOUT),
        ((known.AuthenticationError, known.PermissionDeniedError, known.NotFoundError), ModelFailure.CREDENTIALS),
        ((known.InternalServerError, known.ServiceUnavailableError, known.BadGatewayError), ModelFailure.SERVER),
        (known.APIConnectionError, ModelFailure.CONNECTION),
        ((known.BadRequestError, known.UnprocessableEntityError), ModelFailure.REFUSED_REQUEST),
        (known.APIResponseValidationError, ModelFailure.UNREADABLE),
        (known.APIError, ModelFailure.SERVER),
        ((ValueError, KeyError, TypeError), ModelFailure.UNREADABLE),
    ]
    kind = next((kind for types, kind in kinds if isinstance(error, types)), ModelFailure.CONNECTION)
    return ModelError(kind, text, _retry_after(error))


def _retry_after(error: Exception) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", None) or getattr(error, "headers", None) or {}
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return None
