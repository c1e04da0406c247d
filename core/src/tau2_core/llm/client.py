"""The interface of the clients of models, which make single requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tau2_core.model.episodes import Usage
from tau2_core.model.llm import Completion

REASON = 50  # characters of a finish reason that is counted


class Client(Protocol):
    """Makes single requests to one model of a provider."""

    provider: str

    def takes_seed(self) -> bool | None:
        """Tell whether the provider accepts a seed; None if that is not known."""

    def knows_price(self) -> bool:
        """Tell whether completions come with their cost."""

    async def complete(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
    ) -> Completion:
        """Make one request. Raises ModelError."""

    async def close(self) -> None:
        """Close connections to the provider; the client can still be used."""


def usage_of(completion: Completion) -> Usage:
    """Return the usage of one completion."""
    tokens = completion.usage or {}
    return Usage(
        requests=1,
        prompt_tokens=tokens.get("prompt_tokens", 0),
        completion_tokens=tokens.get("completion_tokens", 0),
        cost=completion.cost,
        cut_off=int(completion.cut_off),
        finish_reasons={(completion.finish_reason or "none")[:REASON]: 1},
    )
