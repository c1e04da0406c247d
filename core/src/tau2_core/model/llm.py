"""Talking to a language model: what is asked, what comes back, and what can go wrong."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.errors import Tau2GymError

ModelRole = Literal["agent", "user", "judge"]


class ModelSettings(BaseModel):
    """Which model plays a role, and what goes along with every request (temperature, api_base, …)."""

    model_config = ConfigDict(extra="forbid")

    model: str
    args: dict[str, Any] = Field(default_factory=dict)


class Completion(BaseModel):
    """One answer of a model: the message as the provider sent it, unknown fields included.

    `usage` counts tokens; `cost` is in US dollars, None where the price is unknown.
    """

    model_config = ConfigDict(extra="forbid")

    message: dict[str, Any]
    finish_reason: str | None = None
    usage: dict[str, int] | None = None
    cost: float | None = None


class ModelFailure(StrEnum):
    """Why a model gave no answer; `context_length` and `refused_request` are the conversation's own doing."""

    RATE_LIMIT = "rate_limit"
    SERVER = "server"
    CONNECTION = "connection"
    TIMEOUT = "timeout"
    CREDENTIALS = "credentials"
    CONTEXT_LENGTH = "context_length"
    REFUSED_REQUEST = "refused_request"
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
OWN_DOING = frozenset({ModelFailure.CONTEXT_LENGTH, ModelFailure.REFUSED_REQUEST})


class ModelError(Tau2GymError):
    """A model gave no usable answer. `retry_after` is what the provider asked for, in seconds."""

    def __init__(self, kind: ModelFailure, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{kind.value}: {message}")
        self.kind = kind
        self.retry_after = retry_after


class Model(Protocol):
    """A language model in one role of one episode."""

    async def complete(
        self, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]] = (), **options: Any
    ) -> Completion:
        """Answer chat-completions messages. Raises ModelError when every try has failed."""
