"""Requests to a language model: settings, completions and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from math import isfinite
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.errors import Tau2GymError, UsageError
from tau2_core.redaction import without_secrets

ModelRole = Literal[
    "agent", "user", "judge", "judge_2", "judge_3", "judge_4", "judge_5", "reviewer", "embedding", "reranker"
]
JUDGES: tuple[ModelRole, ...] = ("judge", "judge_2", "judge_3", "judge_4", "judge_5")
AGENT_PROVIDER = "agent"  # of agents that are reached as if they were models, and call tools themselves


# Arguments that do not affect a model's answer: its address, access and timeouts.
ADDRESSES = frozenset({"api_base", "base_url"})
_CONNECTION = ADDRESSES | {"timeout", "organization", "max_retries", "num_retries"}

# In US dollars; a price given for a run overrides a listed one.
PRICES = ("input_cost_per_token", "output_cost_per_token")

_MOST_DOLLARS = 10**6  # price per token

Carry = Literal["auto", "all", "standard"]


def decides(argument: str) -> bool:
    """Tell whether an argument affects a model's answer: it is neither about the connection nor a price."""
    return argument not in _CONNECTION and not argument.endswith("_cost_per_token")


def how_to_give(role: ModelRole, arguments: str) -> str:
    """Return how arguments of a role's model are given, for error messages. Tools' models have no option of a run."""
    if role in ("embedding", "reranker"):
        return f"{arguments} among its arguments, an option of the variant (--variant-option)"
    return f"--{role}-args '{arguments}'"


class ModelSettings(BaseModel):
    """Which model plays a role, and the arguments of every request (temperature, api_base, …).

    `carry` decides whether provider-specific fields (reasoning, signatures) are sent back with the model's earlier
    messages: `all`, `standard` for none, or `auto` by what is known about the provider. `from_dataset` names the
    arguments that come from the dataset's own runner and not from the user.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    args: dict[str, Any] = Field(default_factory=dict)
    carry: Carry = "auto"
    from_dataset: list[str] = Field(default_factory=list)

    def with_dataset_args(self, args: Mapping[str, Any]) -> ModelSettings:
        """Return the settings with a dataset's arguments as defaults. A null in these settings removes one."""
        own = {name: value for name, value in self.args.items() if value is not None or name not in args}
        added = {name: value for name, value in args.items() if name not in self.args}
        return self.model_copy(update={"args": {**added, **own}, "from_dataset": sorted(added)})

    def public_args(self) -> dict[str, Any]:
        """Return the arguments without secrets, at any depth, so that they may be recorded."""
        public: dict[str, Any] = without_secrets(self.args)
        return public

    def deciding_args(self) -> dict[str, Any]:
        """Return the arguments that affect an answer: no secrets, no connection settings, no prices."""
        return {name: value for name, value in self.public_args().items() if decides(name)}

    @cached_property
    def price(self) -> tuple[float, float] | None:
        """The price in dollars of a prompt token and of a completion token, if the arguments name both.

        Raises UsageError for an invalid price.
        """
        given = [_dollars(name, self.args[name]) for name in PRICES if self.args.get(name) is not None]
        return (given[0], given[1]) if len(given) == len(PRICES) else None

    def cost(self, counts: Mapping[str, int]) -> float | None:
        """Return the cost of `prompt_tokens` and `completion_tokens` at that price, None if it is unknown."""
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


class CallTokens(BaseModel):
    """The tokens of one call, as the engine sent them; None for what it did not send.

    `template` is a digest of the chat template that the settings name.
    """

    model_config = ConfigDict(extra="forbid")

    prompt_ids: list[int]
    completion_ids: list[int]
    logprobs: list[float | None] | None = None
    model: str | None = None
    weight_version: str | None = None
    template: str | None = None


class Completion(BaseModel):
    """One answer of a model: the message as the provider sent it, including unknown fields.

    `usage` counts tokens; `cost` is in US dollars, None if the price is unknown. `tokens` is set if tokens were
    requested.
    """

    model_config = ConfigDict(extra="forbid")

    message: dict[str, Any]
    finish_reason: str | None = None
    usage: dict[str, int] | None = None
    cost: float | None = None
    tokens: CallTokens | None = None

    @property
    def cut_off(self) -> bool:
        """Whether the token limit cut the answer off."""
        return is_cut_off(self.finish_reason)


# "length" in OpenAI's protocol, and other providers' names for it.
_CUT_OFF = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"})


def is_cut_off(finish_reason: str | None) -> bool:
    """Tell whether a finish reason says that the token limit cut an answer off."""
    return (finish_reason or "").lower() in _CUT_OFF


class ModelFailure(StrEnum):
    """Why a model gave no answer. `context_length` and `refused_request` are caused by the conversation.

    `settings` means that the very first request was refused, so the conversation is not the cause.
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
# Failures that would end every episode of a run; and those that would if the model has never answered.
DEFINITE = frozenset({ModelFailure.CREDENTIALS, ModelFailure.CASSETTE})
NOTHING_ANSWERS = frozenset({ModelFailure.CONNECTION, ModelFailure.TIMEOUT, ModelFailure.UNREADABLE})
OWN_DOING = frozenset({ModelFailure.CONTEXT_LENGTH, ModelFailure.REFUSED_REQUEST})


class ModelError(Tau2GymError):
    """A model gave no usable answer. `retry_after` is the wait that the provider requested, in seconds."""

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
        """Answer chat-completions messages. Raises ModelError when every attempt has failed."""
