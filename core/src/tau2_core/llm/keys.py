"""The keys of providers: which variables hold them, and what no key or header can be."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tau2_core.errors import UsageError
from tau2_core.model.llm import ModelSettings

# Providers whose requests need one key, and nothing else, with the variables that litellm reads it from.
KEY_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    "cerebras": ("CEREBRAS_API_KEY",),
    "cohere": ("COHERE_API_KEY", "CO_API_KEY"),
    "cohere_chat": ("COHERE_API_KEY", "CO_API_KEY"),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "fireworks_ai": ("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY", "FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY", "OR_API_KEY"),
    "together_ai": ("TOGETHERAI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHER_AI_TOKEN"),
    "xai": ("XAI_API_KEY",),
}
# Read from the environment where a provider is reached, beside the keys above.
_OTHER_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "endpoint": ("OPENAI_API_KEY",),
    "azure": ("AZURE_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_AD_TOKEN"),
    "bedrock": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"),
}


def variables_of(provider: str) -> tuple[str, ...]:
    """Return the environment variables that may hold a provider's key, the usual one first."""
    return KEY_VARIABLES.get(provider) or _OTHER_VARIABLES.get(provider) or (f"{provider.upper()}_API_KEY",)


def refuse_bad_keys(settings: ModelSettings, provider: str) -> None:
    """Refuse keys and headers that no request can carry, such as a key with the end of a line. Raises UsageError."""
    args = settings.args
    places = {f"api_key of {settings.model}": args.get("api_key")}
    if not args.get("api_key"):
        places = {f"the environment variable {name}": os.environ.get(name) for name in variables_of(provider)}
    for name in ("extra_headers", "headers"):
        headers = args.get(name) or {}
        if not isinstance(headers, Mapping):
            raise UsageError(f"{settings.model}: {name} should be an object of names and values")
        places |= {f"{name}.{header} of {settings.model}": value for header, value in headers.items()}
    for place, value in places.items():
        wrong = _wrong(value)
        if wrong:
            raise UsageError(f"the key or header in {place} {wrong}; correct it")


def refuse_missing_key(settings: ModelSettings, provider: str) -> None:
    """Refuse a model of a provider that wants a key, where there is none. Raises UsageError."""
    variables = KEY_VARIABLES.get(provider, ())
    args = settings.args
    given = any(args.get(name) for name in ("api_key", "extra_headers", "headers"))
    if variables and not given and not any(os.environ.get(name) for name in variables):
        raise UsageError(
            f"credentials: model {settings.model!r} needs a key of the provider {provider!r}, and there is none: set "
            f"the environment variable {variables[0]}, or give api_key among its arguments"
        )


def _wrong(value: Any) -> str:
    """Return what is wrong with a key or header, "" if nothing; the value itself is not shown."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return f"should be text, not {type(value).__name__}"
    if value != value.rstrip("\r\n"):
        return "ends with the end of a line (as read from a file?)"
    if value != value.strip():
        return "begins or ends with a space"
    if not value.isprintable():
        return "holds a character that no header can carry"
    return ""
