"""What providers need before a request: keys, addresses and packages, and the environment variables for them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from tau2_core.errors import UsageError
from tau2_core.model.llm import ModelSettings

# Providers that need exactly one key, with the variables that litellm reads it from.
KEY_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    "azure": ("AZURE_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_AD_TOKEN"),
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
# Other variables with credentials that are read from the environment.
_OTHER_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "agent": ("AGENT_API_KEY",),
    "endpoint": ("OPENAI_API_KEY",),
    "bedrock": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"),
}
# Other credentials: arguments, and variables that are not secret.
_OTHER_WAYS: Mapping[str, tuple[str, ...]] = {
    "azure": ("azure_ad_token", "azure_ad_token_provider", "client_id", "azure_username", "AZURE_CLIENT_ID"),
}
_WHAT_TO_SET: Mapping[str, str] = {
    "bedrock": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_BEARER_TOKEN_BEDROCK, to a key",
    "vertex_ai": "GOOGLE_APPLICATION_CREDENTIALS to the file of an account",
}
# Variables with the address of a provider, if it is not among a model's arguments.
_ADDRESS_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
    "azure": ("AZURE_API_BASE", "AZURE_OPENAI_ENDPOINT"),
    "bedrock": ("AWS_BEDROCK_RUNTIME_ENDPOINT",),
    "cohere": ("COHERE_API_BASE",),
    "cohere_chat": ("COHERE_API_BASE",),
    "deepseek": ("DEEPSEEK_API_BASE",),
    "gemini": ("GEMINI_API_BASE",),
    "groq": ("GROQ_API_BASE",),
    "mistral": ("MISTRAL_API_BASE",),
    "openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    "openrouter": ("OPENROUTER_API_BASE",),
    "together_ai": ("TOGETHER_AI_API_BASE",),
    "vertex_ai": ("VERTEXAI_API_BASE", "VERTEX_API_BASE"),
}
# Modules that litellm needs for a provider but does not install, with the names of their packages.
_PACKAGES: Mapping[str, tuple[str, str]] = {"bedrock": ("boto3", "boto3"), "vertex_ai": ("google.auth", "google-auth")}


def what_to_set(provider: str) -> str:
    """Return which variables to set for access to a provider."""
    provider = _family(provider)
    return _WHAT_TO_SET.get(provider) or f"{variables_of(provider)[0]} to a key"


def address_variables(provider: str) -> tuple[str, ...]:
    """Return the environment variables for a provider's address, the usual one first."""
    return _ADDRESS_VARIABLES.get(_family(provider), ())


def address_of(settings: ModelSettings, provider: str) -> str:
    """Return a provider's address from the arguments or the environment; "" for its default address."""
    given = settings.args.get("api_base") or settings.args.get("base_url")
    found = (os.environ.get(name) for name in address_variables(provider))
    return str(given or next(filter(None, found), ""))


def _family(provider: str) -> str:
    return "vertex_ai" if provider.startswith("vertex_ai") else provider


def variables_of(provider: str) -> tuple[str, ...]:
    """Return the environment variables for a provider's key, the usual one first."""
    return KEY_VARIABLES.get(provider) or _OTHER_VARIABLES.get(provider) or (f"{provider.upper()}_API_KEY",)


def refuse_bad_keys(settings: ModelSettings, provider: str) -> None:
    """Refuse keys and headers that cannot be sent, such as a key with a line end. Raises UsageError."""
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
    """Refuse a model whose provider needs a key if there is none. Raises UsageError."""
    variables = KEY_VARIABLES.get(provider, ())
    args = settings.args
    ways = _OTHER_WAYS.get(provider, ())
    given = any(args.get(name) for name in ("api_key", "extra_headers", "headers", *ways))
    given = given or any(os.environ.get(name) for name in ways)
    if variables and not given and not any(os.environ.get(name) for name in variables):
        raise UsageError(
            f"credentials: model {settings.model!r} needs a key of the provider {provider!r}, and there is none: set "
            f"the environment variable {variables[0]}, or give api_key among its arguments"
        )
    if provider == "azure" and not address_of(settings, provider):
        raise UsageError(
            f"settings: model {settings.model!r} needs the address of the resource of the provider 'azure': set the "
            "environment variable AZURE_API_BASE, or give api_base among its arguments"
        )


def refuse_missing_package(settings: ModelSettings, provider: str) -> None:
    """Refuse a model for whose provider litellm needs a package that is not installed. Raises UsageError."""
    module, package = _PACKAGES.get(_family(provider), ("", ""))
    try:
        found = not module or find_spec(module) is not None
    except (ImportError, ValueError):
        found = False
    if not found:
        raise UsageError(
            f"settings: model {settings.model!r} needs the package {package} for the provider {provider!r}, which is "
            f"not installed: pip install {package}, and set {what_to_set(provider)} that may use this model"
        )


def _wrong(value: Any) -> str:
    """Return what is wrong with a key or header, "" if nothing, without showing the value."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return f"should be text, not {type(value).__name__}"
    if value != value.rstrip("\r\n"):
        return "ends with a line end (from a file?)"
    if value != value.strip():
        return "begins or ends with a space"
    if not value.isprintable():
        return "contains a character that is not allowed in a header"
    return ""
