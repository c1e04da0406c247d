"""A model in one role: limits shared by a run, retries, deadlines, a cassette, and its usage."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from random import Random
from typing import Any

from tau2_core.llm.cassette import Cassette
from tau2_core.llm.client import Client, usage_of
from tau2_core.llm.keys import address_of, address_variables, what_to_set
from tau2_core.llm.limits import Patience, RequestLimit
from tau2_core.model.episodes import Usage
from tau2_core.model.llm import (
    DEFINITE,
    NOTHING_ANSWERS,
    Completion,
    ModelError,
    ModelFailure,
    ModelRole,
    ModelSettings,
    how_to_give,
)
from tau2_core.model.observation import ModelStep
from tau2_core.model.tokens import TokenTrace
from tau2_core.observing import Watch
from tau2_core.redaction import Redactor
from tau2_core.runtime.watchdog import running_code

SHOWN = 500  # characters of an error message


SendRequest = Callable[[], Awaitable[Completion]]


@dataclass(eq=False)
class RoleModel:
    """The model of one role in a run; `model_for` gives each episode its own view of it.

    `tried` is set once it has answered or finally failed. Without a client, answers come from the cassette. `redactor`
    removes secrets from answers and errors, so that they may be recorded.
    """

    role: ModelRole
    settings: ModelSettings
    client: Client | None
    gate: RequestLimit = field(default_factory=RequestLimit)
    patience: Patience = field(default_factory=Patience)
    cassette: Cassette | None = None
    token_traces: bool = False
    usage: Usage = field(default_factory=Usage.nothing)
    redactor: Redactor = field(default_factory=Redactor)
    refusal: ModelError | None = None
    tried: asyncio.Event = field(default_factory=asyncio.Event)

    @cached_property
    def key(self) -> str:
        """Its unique name among the models of a run or a server, the same in all processes."""
        return f"{self.role} {hashlib.sha256(self.settings.model_dump_json().encode()).hexdigest()}"

    def fail(self, error: ModelError) -> None:
        """Note a request that finally failed.

        If every other episode would fail in the same way, it becomes the `refusal`.
        """
        never_answered = not self.usage.requests
        if error.kind in DEFINITE or (never_answered and error.kind in (ModelFailure.SETTINGS, *NOTHING_ANSWERS)):
            self.refusal = self.refusal or error
        self.tried.set()

    def used(self, usage: Usage) -> None:
        """Note the usage of a request that was answered."""
        self.usage.add(usage)
        self.tried.set()

    def refused(self) -> str:
        """Return why the model cannot be used, its address, and what to set; "" if it can be used."""
        if self.refusal is None:
            return ""
        provider = self.client.provider if self.client else self.settings.model.partition("/")[0]
        where = address_of(self.settings, provider)
        place = f"provider {provider}, at {self.redactor.error(where)}" if where else f"provider {provider}"
        text = f"the {self.role}'s model {self.settings.model} ({place}) cannot be used: {self.refusal}"
        if self.refusal.kind is ModelFailure.CREDENTIALS:
            return f"{text}; set {what_to_set(provider)} with access to this model, and check the model's name"
        if self.refusal.kind in NOTHING_ANSWERS:
            variable = " or ".join(["", *address_variables(provider)[:1]])
            wrong = "start it, or correct the address" if where else "check the network, or name another address"
            how = how_to_give(self.role, '{"api_base": …}')
            return f"{text}; {wrong} with {how}{variable}"
        return text

    def model_for(self, episode: str, seed: int | None = None) -> EpisodeModel:
        """Return the model for one episode. The seed is sent with every request."""
        return EpisodeModel(self, episode, {} if seed is None else {"seed": seed})


def _first_turn() -> int:
    return 0


class EpisodeModel:
    """A model in one role of one episode. Raises ModelError when every attempt has failed."""

    def __init__(self, role_model: RoleModel, episode: str, options: Mapping[str, Any]) -> None:
        self.role_model = role_model
        self.episode = episode
        self.options = options
        self.asked = 0
        self.usage = Usage.nothing()
        self.waiting = 0
        self.trace = TokenTrace(role_model.role) if role_model.token_traces else None
        self.turn: Callable[[], int] = _first_turn
        self.watch: Watch | None = None
        self._random = Random(f"{episode}/{role_model.role}")

    async def complete(
        self, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]] = (), **options: Any
    ) -> Completion:
        """Send a request, retry if that may help, and count the cost. Raises ModelError."""
        options = {**options, **self.options}
        if self.watch is None:
            return await self._completed(messages, tools, options, options)
        step = ModelStep(self.role_model.role, self.role_model.settings, messages, tools, options)
        with self.watch.step(step):
            sent = {**options, "extra_headers": step.headers} if step.headers else options
            step.completion = await self._completed(messages, tools, options, sent)
            return step.completion

    async def _completed(
        self,
        messages: Sequence[dict[str, Any]],
        tools: Sequence[dict[str, Any]],
        options: Mapping[str, Any],
        sent: Mapping[str, Any],
    ) -> Completion:
        """Make a request; the options in `sent` may contain headers, which do not affect the answer."""
        client = self.role_model.client
        send = self._no_client if client is None else partial(client.complete, messages, tools, sent)
        with running_code(None):
            return await self.exchange({"options": options, "tools": list(tools), "messages": list(messages)}, send)

    async def exchange(self, asked: Mapping[str, Any], send: SendRequest) -> Completion:
        """Make a request by `send`, or return the recorded answer from a cassette; otherwise like `complete`.

        `asked` is JSON with `messages`: everything besides the model and its arguments that decides the answer.
        """
        role_model = self.role_model
        place = (self.episode, role_model.role, self.asked)
        self.asked += 1
        request: dict[str, Any] = {}  # only compared by a cassette
        if role_model.cassette is not None:
            request = {"model": role_model.settings.model, "args": role_model.settings.deciding_args(), **asked}
            request = role_model.redactor.value(request)
        try:
            if role_model.client is None:
                completion = self._cassette().play(place, request)
                if self.trace is not None and completion.tokens is None:
                    raise ModelError(
                        ModelFailure.CASSETTE,
                        f"{self._cassette().file}: was recorded without --token-traces; record it again, with them",
                    )
            else:
                completion = await self._within_turn(send)
        except ModelError as error:
            failure = self._failed(error)
            if role_model.client is not None and role_model.cassette is not None:
                role_model.cassette.record(place, request, failure)
            raise failure from None  # the client's error is not redacted
        completion.message = role_model.redactor.value(completion.message)
        if role_model.client is not None and role_model.cassette is not None:
            role_model.cassette.record(place, request, completion)
        if self.trace is not None and completion.tokens is not None:
            task_id, _, trial = self.episode.rpartition("#")
            self.trace.add(task_id, int(trial), self.turn(), completion.tokens, completion.finish_reason)
        self._used(completion)
        return completion

    async def ask(self, messages: Sequence[dict[str, Any]]) -> Completion:
        """Make a request that belongs to no episode, so no cassette records it; otherwise like `complete`."""
        client = self.role_model.client
        send = self._no_client if client is None else partial(client.complete, messages, (), {})
        try:
            with running_code(None):
                completion = await self._within_turn(send)
        except ModelError as error:
            raise self._failed(error) from None  # the client's error is not redacted
        self._used(completion)
        return completion

    @property
    def replays(self) -> bool:
        """Whether the answers come from a cassette."""
        return self.role_model.client is None

    async def _no_client(self) -> Completion:
        raise ModelError(ModelFailure.CASSETTE, "there is no client: a cassette answers")

    def _failed(self, error: ModelError) -> ModelError:
        """Note a final failure, and return its error without secrets."""
        failure = self._attributed(error)
        self.role_model.fail(failure)
        return failure

    def _used(self, completion: Completion) -> None:
        used = usage_of(completion)
        self.role_model.used(used)
        self.usage.add(used)

    def _cassette(self) -> Cassette:
        if self.role_model.cassette is None:
            raise ModelError(ModelFailure.CASSETTE, "there is neither a client nor a cassette")
        return self.role_model.cassette

    def _attributed(self, error: ModelError) -> ModelError:
        """Return the error without secrets and with the right cause.

        If the very first request is refused, the settings are the cause and not the conversation.
        """
        text = self.role_model.redactor.error(error.message)  # before shortening, which could cut a key in half
        text = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
        if error.kind is ModelFailure.REFUSED_REQUEST and not self.usage.requests:
            return ModelError(ModelFailure.SETTINGS, f"the first request was refused: {text}")
        return ModelError(error.kind, text, error.retry_after)

    async def _within_turn(self, request: SendRequest) -> Completion:
        seconds = self.role_model.patience.turn_seconds
        self.waiting += 1  # stays positive if an outer deadline passes here, which shows what was being waited for
        try:
            if seconds is None:
                return await self._ask(request)
            async with asyncio.timeout(seconds) as deadline:
                return await self._ask(request)
        except TimeoutError as error:
            if seconds is None or not deadline.expired():
                raise
            raise ModelError(ModelFailure.TIMEOUT, f"no answer within the turn's {seconds:g} s") from error
        except asyncio.CancelledError:
            self.waiting += 1
            raise
        finally:
            self.waiting -= 1

    async def _ask(self, request: SendRequest) -> Completion:
        """Make attempts with pauses. A library would need more code than all the rest (docs/decisions/0014)."""
        patience, said = self.role_model.patience, self.turn()
        for attempt in range(1, patience.attempts):
            try:
                return await self._once(request)
            except ModelError as error:
                # An agent that has called tools meanwhile would call them again.
                if not patience.worth_retrying(error) or self.turn() != said:
                    raise
                seconds = self._pause(attempt, error.retry_after)
            await asyncio.sleep(seconds)
        return await self._once(request)

    async def _once(self, request: SendRequest) -> Completion:
        seconds = self.role_model.patience.call_seconds
        async with self.role_model.gate.pass_through():
            try:
                async with asyncio.timeout(seconds):
                    return await request()
            except TimeoutError as error:
                raise ModelError(ModelFailure.TIMEOUT, f"no answer within {seconds:g} s") from error

    def _pause(self, attempt: int, asked: float | None) -> float:
        """Return the seconds that the provider requests, or an exponential backoff with jitter."""
        if asked is not None:
            return asked
        patience = self.role_model.patience
        longest = min(patience.first_wait_seconds * 2 ** (attempt - 1), patience.longest_wait_seconds)
        return float(longest) * self._random.uniform(0.5, 1.0)
