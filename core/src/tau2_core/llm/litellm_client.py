"""The litellm client for chat, and the only importer of litellm: one request, its answer, and its price."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from functools import cache, cached_property, partial
from importlib import import_module
from math import isfinite
from types import ModuleType
from typing import Any

from tau2_core.errors import MissingExtraError, UsageError
from tau2_core.json_values import copy_json
from tau2_core.llm.answers import completion, read_answer
from tau2_core.llm.chat import request_arguments, standard_message
from tau2_core.llm.failures import as_model_error, was_refused
from tau2_core.llm.keys import refuse_bad_keys, refuse_missing_key, refuse_missing_package
from tau2_core.llm.raw_response import (
    RAW_RESPONSE,
    RawResponse,
    capture_cohere_responses,
    capture_responses,
    close_session,
)
from tau2_core.model.llm import PRICES, Completion, ModelError, ModelFailure, ModelSettings
from tau2_core.runtime.garbage_collection import no_garbage_collection

# They refuse messages with unknown fields. Others accept the fields that they sent, and some require them: DeepSeek
# and Moonshot `reasoning_content`, OpenRouter `reasoning_details`, Anthropic signed thinking.
STRICT_PROVIDERS = frozenset({"azure", "cerebras", "groq", "mistral"})
# litellm reports `stop` for all of their answers.
SAYS_STOP = frozenset({"cohere", "cohere_chat"})
OPENAI_HOSTS = ("api.openai.com", "openai.azure.com")
# They use OpenAI's protocol but are not on litellm's list of such providers.
_OPENAI_PROTOCOL = frozenset({"openai", "azure", "openrouter", "mistral", "databricks"})


@cache
def load_litellm() -> ModuleType:
    """Import litellm, which takes seconds, and disable all its network access except to models."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")  # do not read .env files
    try:
        with no_garbage_collection():
            import litellm
    except ImportError as error:
        words = "models other than endpoint/NAME"
        raise MissingExtraError(words, "litellm", "models") from error
    # litellm would import mcp in a thread at its first tool call, while openai inspects the half-imported module.
    import_module("mcp")
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.drop_params = True
    # It ignores a 0 among the arguments of embeddings, and would try again itself.
    litellm.DEFAULT_MAX_RETRIES = 0  # type: ignore[attr-defined]
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)  # its messages may contain keys
    # It copies answers with pydantic, which warns about every field of an unexpected type.
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
    warnings.filterwarnings("ignore", message=".*`ReadOnly` qualifier", category=UserWarning)  # from its Cohere classes
    # It creates a coroutine in a thread; if a deadline passes meanwhile, the coroutine is never awaited.
    warnings.filterwarnings("ignore", message="coroutine '.*acompletion' was never awaited", category=RuntimeWarning)
    return litellm


def _listen(heard: list[Any], details: Mapping[str, Any]) -> None:
    """Keep the body of an answer from litellm's log of raw responses, which also contains error texts."""
    body = details.get("original_response")
    if isinstance(body, str) and body.lstrip().startswith("{") and '"choices"' in body:
        heard.append(body)


def _api_base(settings: ModelSettings) -> str | None:
    given = settings.args.get("api_base") or settings.args.get("base_url")
    return given or os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE") or None


class LiteLLMClient:
    """Sends single requests for one model, without retries. Raises UsageError for an unknown provider."""

    def __init__(self, settings: ModelSettings) -> None:
        litellm = load_litellm()
        self.settings = settings
        base = _api_base(settings)
        try:
            self.name, self.provider, *_ = litellm.get_llm_provider(
                settings.model,
                custom_llm_provider=settings.args.get("custom_llm_provider"),
                api_base=settings.args.get("api_base"),
            )
        except litellm.exceptions.BadRequestError as error:
            raise UsageError(
                f"model {settings.model!r}: there is no such provider; write PROVIDER/NAME, such as "
                f"anthropic/{settings.model}, or openai/{settings.model} with api_base for an endpoint with "
                "OpenAI's protocol"
            ) from error
        refuse_missing_package(settings, self.provider)
        refuse_bad_keys(settings, self.provider)
        own_endpoint = self.provider == "openai" and base and not any(host in str(base) for host in OPENAI_HOSTS)
        strict = self.provider in STRICT_PROVIDERS or (self.provider == "openai" and not own_endpoint)
        self.carries_all = settings.carry == "all" or (settings.carry == "auto" and not strict)
        self.speaks_openai = self.provider in _OPENAI_PROTOCOL or self.provider in litellm.openai_compatible_providers
        if self.speaks_openai:
            import_module("openai.resources")  # else the first request would, and block all others for seconds
        self._args = {name: value for name, value in settings.args.items() if name not in PRICES}
        if own_endpoint and not os.environ.get("OPENAI_API_KEY"):
            self._args.setdefault("api_key", "none")  # a local endpoint needs no key, but the client requires one
        else:
            refuse_missing_key(settings, self.provider)

    async def complete(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
    ) -> Completion:
        """Make one request. Raises ModelError."""
        arguments = {**request_arguments(self._args, options, tools), "num_retries": 0, "max_retries": 0}
        if "extra_headers" in options:
            arguments["extra_headers"] = {**(self._args.get("extra_headers") or {}), **options["extra_headers"]}
        arguments["messages"] = [self.outgoing(message) for message in messages]
        exchange = RawResponse()
        token = RAW_RESPONSE.set(exchange)
        failed: Exception | None = None
        response = None
        heard: list[Any] = []
        try:
            capture_responses(load_litellm())
            if self.provider in SAYS_STOP:
                capture_cohere_responses(load_litellm())
            # A copy, since litellm may change its arguments, and the messages are also part of the next request.
            response = await load_litellm().acompletion(
                model=self.settings.model, logger_fn=partial(_listen, heard), **copy_json(arguments)
            )
        except Exception as error:  # noqa: BLE001 - the answer itself says more than the error
            failed = error
        finally:
            RAW_RESPONSE.reset(token)
        if exchange.body is not None and self.provider not in SAYS_STOP:
            answered = exchange.read()
        elif failed is not None:
            if not heard or not self.speaks_openai or was_refused(failed):
                raise as_model_error(failed) from failed
            answered = read_answer(
                heard[-1].encode("utf-8", "replace")
            )  # an answer arrived, but litellm failed to read it
        elif response is None:  # litellm returns None after a provider refused every parameter
            raise ModelError(ModelFailure.REFUSED_REQUEST, "the provider cannot process the request (422)")
        else:
            answered = self._completion(response, exchange.finish_reason())
        answered.cost = self._cost(response, answered.usage or {})
        return answered

    async def close(self) -> None:
        """Close the connections of all litellm clients in this process, which litellm shares."""
        litellm = load_litellm()
        await close_session(litellm)
        await litellm.close_litellm_async_clients()
        litellm.in_memory_llm_clients_cache.flush_cache()

    def outgoing(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return a message as this provider accepts it: with its own reasoning fields, unless it refuses them."""
        if message.get("role") != "assistant" or self.carries_all:
            return dict(message)
        return standard_message(message)

    def takes_seed(self) -> bool | None:
        """Tell whether the provider accepts a seed for this model; None if litellm does not know the model."""
        known = load_litellm().get_supported_openai_params(self.name, self.provider)
        return None if known is None else "seed" in known

    def knows_price(self) -> bool:
        """Tell whether the cost of completions is known."""
        return self.settings.price is not None or self._listed_price

    def _completion(self, response: Any, reason: str | None) -> Completion:
        """Return an answer as litellm parsed it. With OpenAI's protocol the raw answer is read instead.

        `reason` is the finish reason as the provider wrote it, if that is known.
        """
        if not getattr(response, "choices", None):
            raise ModelError(ModelFailure.UNREADABLE, "the answer has no choices")
        choice = response.choices[0]
        usage = getattr(response, "usage", None)
        counts = {name: getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")}
        # litellm maps finish reasons, and for Gemini reports every answer with calls as ending with them.
        own_words = getattr(choice, "provider_specific_fields", None) or {}
        reason = reason or own_words.get("native_finish_reason") or choice.finish_reason
        return completion(self._message(choice.message), reason, counts)

    def _message(self, answered: Any) -> dict[str, Any]:
        """Return the message as the provider wrote it, as far as litellm preserves it.

        With OpenAI's protocol, litellm moves unknown fields into a field of its own, and adds `reasoning_content` to a
        message with `reasoning`.
        """
        message: dict[str, Any] = {"content": None, **answered.model_dump(exclude_none=True)}
        own = {
            key: value for key, value in (message.get("provider_specific_fields") or {}).items() if value is not None
        }
        message.pop("provider_specific_fields", None)
        if isinstance(message["content"], str) and message.get("reasoning_content"):
            message["content"] = message["content"].strip()  # litellm removes a block of thinking and leaves the blanks
        if not own:
            return message
        if not self.speaks_openai:
            return {**message, "provider_specific_fields": own}
        if own.get("reasoning") is not None and own["reasoning"] == message.get("reasoning_content"):
            del message["reasoning_content"]
        return {**own, **message}

    def _cost(self, response: Any, counts: Mapping[str, int]) -> float | None:
        """Return the cost in dollars, None if it is unknown."""
        if len(counts) < 2:
            return None
        if self.settings.price is not None:
            return self.settings.cost(counts)
        if not self._listed_price:
            return None
        cost = getattr(response, "_hidden_params", {}).get("response_cost")
        if cost is None:
            cost = sum(load_litellm().cost_per_token(model=self.name, custom_llm_provider=self.provider, **counts))
        return float(cost) if isfinite(cost) and cost >= 0 else None

    @cached_property
    def _listed_price(self) -> bool:
        try:
            listed = load_litellm().get_model_info(self.name, self.provider)
        except Exception:  # noqa: BLE001 - litellm raises bare Exceptions for unlisted models
            return False
        return any(listed.get(name) for name in PRICES)
