"""Talking to a language model: what is asked, what comes back, and what can go wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from math import isfinite
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.errors import Tau2GymError, UsageError
from tau2_core.redaction import without_secrets

ModelRole = Literal["agent", "user", "judge"]


# What reaches a model but does not decide its answer: where it is, how one gets in, how long one waits.
ADDRESSES = frozenset({"api_base", "base_url"})
_CONNECTION = ADDRESSES | {"timeout", "organization", "max_retries", "num_retries"}

# In US dollars; a price of a run's own wins over a listed one.
PRICES = ("input_cost_per_token", "output_cost_per_token")

_MOST_DOLLARS = 10**6  # for a token

Carry = Literal["auto", "all", "standard"]


def decides(argument: str) -> bool:
    """Tell whether an argument of a model decides its answer: it is nothing of the connection, and no price."""
    return argument not in _CONNECTION and not argument.endswith("_cost_per_token")


class ModelSettings(BaseModel):
    """Which model plays a role, and what goes along with every request (temperature, api_base, …).

    `carry` tells whether fields of the provider's own (reasoning, signatures) go back with the model's earlier
    messages: `all`, none of them (`standard`), or as is known of the provider. `from_dataset` names the arguments
    that nobody chose, and that a dataset's own runner sends.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    args: dict[str, Any] = Field(default_factory=dict)
    carry: Carry = "auto"
    from_dataset: list[str] = Field(default_factory=list)

    def with_dataset_args(self, args: Mapping[str, Any]) -> ModelSettings:
        """Return the settings with a dataset's arguments where these name none; a null here leaves one out."""
        own = {name: value for name, value in self.args.items() if value is not None or name not in args}
        added = {name: value for name, value in args.items() if name not in self.args}
        return self.model_copy(update={"args": {**added, **own}, "from_dataset": sorted(added)})

    def public_args(self) -> dict[str, Any]:
        """Return the arguments as they may be written down: secrets are left out, at any depth."""
        public: dict[str, Any] = without_secrets(self.args)
        return public

    def deciding_args(self) -> dict[str, Any]:
        """Return the arguments that decide an answer: no secrets, nothing of the connection, no prices."""
        return {name: value for name, value in self.public_args().items() if decides(name)}

    @cached_property
    def price(self) -> tuple[float, float] | None:
        """The dollars that a token of a prompt and one of a completion cost, if the arguments name both.

        Raises UsageError for what is no price.
        """
        given = [_dollars(name, self.args[name]) for name in PRICES if self.args.get(name) is not None]
        return (given[0], given[1]) if len(given) == len(PRICES) else None

    def cost(self, counts: Mapping[str, int]) -> float | None:
        """Return what so many `prompt_tokens` and `completion_tokens` cost at that price, None where it is unknown."""
        if self.price is None or not {"prompt_tokens", "completion_tokens"} <= counts.keys():
            return None
        prompt, completion = self.price
        return prompt * counts["prompt_tokens"] + completion * counts["completion_tokens"]


def _dollars(name: str, value: Any) -> float:
    try:
        price = float(value)
    except (ValueError, TypeError, OverflowError):
        price = -1.0
    if isinstance(value, bool) or not isfinite(price) or not 0 <= price <= _MOST_DOLLARS:
        raise UsageError(f"{name}: a price in dollars should be a number from 0 to {_MOST_DOLLARS}, not {value!r}")
    return price


class Completion(BaseModel):
    """One answer of a model: the message as the provider sent it, unknown fields included.

    `usage` counts tokens; `cost` is in US dollars, None where the price is unknown.
    """

    model_config = ConfigDict(extra="forbid")

    message: dict[str, Any]
    finish_reason: str | None = None
    usage: dict[str, int] | None = None
    cost: float | None = None

    @property
    def cut_off(self) -> bool:
        """Whether the token limit cut the answer off."""
        return is_cut_off(self.finish_reason)


# "length" in OpenAI's protocol, and what providers call it that do not keep to it.
_CUT_OFF = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"})


def is_cut_off(finish_reason: str | None) -> bool:
    """Tell whether a finish reason says that the token limit cut an answer off."""
    return (finish_reason or "").lower() in _CUT_OFF


class ModelFailure(StrEnum):
    """Why a model gave no answer; `context_length` and `refused_request` are the conversation's own doing.

    `settings` is a request that was refused before the model had answered once: then it is not the conversation.
    """

    RATE_LIMIT = "rate_limit"
    SERVER = "server"
    CONNECTION = "connection"
    TIMEOUT = "timeout"
    CREDENTIALS = "credentials"
    CONTEXT_LENGTH = "context_length"
    REFUSED_REQUEST = "refused_request"
    SETTINGS = "settings"
    UNREADABLE = "unreadable"
    CASSETTE = "cassette"


WORTH_RETRYING = frozenset(
    {
        ModelFailure.RATE_LIMIT,
        ModelFailure.SERVER,
        ModelFailure.CONNECTION,
        ModelFailure.TIMEOUT,
        ModelFailure.UNREADABLE,
    }
)
# What ends every other episode of a run in the same way; and what does so if the model has never answered.
DEFINITE = frozenset({ModelFailure.CREDENTIALS, ModelFailure.CASSETTE})
NOTHING_ANSWERS = frozenset({ModelFailure.CONNECTION, ModelFailure.TIMEOUT, ModelFailure.UNREADABLE})
OWN_DOING = frozenset({ModelFailure.CONTEXT_LENGTH, ModelFailure.REFUSED_REQUEST})


class ModelError(Tau2GymError):
    """A model gave no usable answer. `retry_after` is what the provider asked for, in seconds."""

    def __init__(self, kind: ModelFailure, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{kind.value}: {message}")
        self.kind = kind
        self.message = message
        self.retry_after = retry_after


class Model(Protocol):
    """A language model in one role of one episode."""

    async def complete(
        self, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]] = (), **options: Any
    ) -> Completion:
        """Answer chat-completions messages. Raises ModelError when every try has failed."""
