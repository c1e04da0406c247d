"""A model in one role: limits shared by a run, retries, deadlines, a cassette, and the bill."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from tau2_core.llm.cassette import Cassette
from tau2_core.model.episodes import Usage
from tau2_core.model.llm import WORTH_RETRYING, Completion, ModelError, ModelFailure, ModelRole, ModelSettings


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a run waits for models, in seconds, and how often it tries."""

    call_seconds: float = 120.0
    turn_seconds: float | None = None
    attempts: int = 5
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 60.0


class Client(Protocol):
    """Makes single requests."""

    async def complete(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
    ) -> Completion:
        """Make one request. Raises ModelError."""


class Gate:
    """Keeps a provider's requests below a number at once, and below a number a minute."""

    def __init__(self, concurrency: int | None = None, per_minute: float | None = None) -> None:
        self._semaphore = asyncio.Semaphore(concurrency) if concurrency else None
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0

    @asynccontextmanager
    async def pass_through(self) -> AsyncIterator[None]:
        """Wait for a turn, and hold it for as long as the block lasts."""
        if self._interval:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._interval
            await asyncio.sleep(turn - now)
        if self._semaphore is None:
            yield
            return
        async with self._semaphore:
            yield


def add_to(usage: Usage, completion: Completion) -> None:
    """Add one completion; a cost is unknown from the first completion on whose price is."""
    tokens = completion.usage or {}
    usage.requests += 1
    usage.prompt_tokens += tokens.get("prompt_tokens", 0)
    usage.completion_tokens += tokens.get("completion_tokens", 0)
    usage.cost = None if usage.cost is None or completion.cost is None else usage.cost + completion.cost


@dataclass(eq=False)
class Line:
    """A model that a run has hired for a role; `model_for` gives each episode its own end of it."""

    role: ModelRole
    settings: ModelSettings
    open_client: Callable[[ModelSettings], Client]
    gate: Gate = field(default_factory=Gate)
    patience: Patience = field(default_factory=Patience)
    cassette: Cassette | None = None
    usage: Usage = field(default_factory=lambda: Usage(cost=0.0))
    retries: int = 0
    _client: Client | None = field(default=None, repr=False)

    def client(self) -> Client:
        """Return the client, opened when the first request is made: a replayed run never needs one."""
        if self._client is None:
            self._client = self.open_client(self.settings)
        return self._client

    def model_for(self, episode: str, seed: int | None = None) -> EpisodeModel:
        """Return the model as one episode uses it. The seed goes along with every request."""
        return EpisodeModel(self, episode, {} if seed is None else {"seed": seed})


class EpisodeModel:
    """A model in one role of one episode. Raises ModelError when every try has failed."""

    def __init__(self, line: Line, episode: str, options: Mapping[str, Any]) -> None:
        self.line = line
        self.episode = episode
        self.options = options
        self.asked = 0
        self.usage = Usage(cost=0.0)
        self.waiting = False
        self._random = Random(f"{episode}/{line.role}")

    async def complete(
        self, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]] = (), **options: Any
    ) -> Completion:
        line = self.line
        place = (self.episode, line.role, self.asked)
        self.asked += 1
        request = {"model": line.settings.model, "messages": list(messages), "tools": list(tools)}
        if line.cassette is not None and line.cassette.replaying:
            completion = line.cassette.play(place, request)
        else:
            completion = await self._within_turn(messages, tools, {**self.options, **options})
            if line.cassette is not None:
                line.cassette.record(place, request, completion)
        add_to(line.usage, completion)
        add_to(self.usage, completion)
        return completion

    async def _within_turn(
        self, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]], options: Mapping[str, Any]
    ) -> Completion:
        seconds = self.line.patience.turn_seconds
        self.waiting = True
        try:
            async with asyncio.timeout(seconds) as deadline:
                completion = await self._ask(messages, tools, options)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise ModelError(ModelFailure.TIMEOUT, f"no answer within the turn's {seconds:g} s") from error
        self.waiting = False  # stays set if a deadline of others strikes here: that is how it is attributed
        return completion

    async def _ask(
        self, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]], options: Mapping[str, Any]
    ) -> Completion:
        patience = self.line.patience
        retrying = AsyncRetrying(
            stop=stop_after_attempt(patience.attempts),
            retry=retry_if_exception(lambda error: isinstance(error, ModelError) and error.kind in WORTH_RETRYING),
            wait=self._wait,
            before_sleep=self._count_retry,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                return await self._once(messages, tools, options)
        raise AssertionError("tenacity either returns or raises")

    async def _once(
        self, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]], options: Mapping[str, Any]
    ) -> Completion:
        seconds = self.line.patience.call_seconds
        async with self.line.gate.pass_through():
            try:
                async with asyncio.timeout(seconds):
                    return await self.line.client().complete(messages, tools, options)
            except TimeoutError as error:
                raise ModelError(ModelFailure.TIMEOUT, f"no answer within {seconds:g} s") from error

    def _wait(self, state: RetryCallState) -> float:
        """Wait as long as the provider asks for; otherwise twice as long each time, with jitter."""
        patience = self.line.patience
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, ModelError) else None
        if asked is not None:
            return min(asked, patience.longest_wait_seconds)
        longest = min(patience.first_wait_seconds * 2 ** (state.attempt_number - 1), patience.longest_wait_seconds)
        return float(longest) * self._random.uniform(0.5, 1.0)

    def _count_retry(self, _state: RetryCallState) -> None:
        self.line.retries += 1
