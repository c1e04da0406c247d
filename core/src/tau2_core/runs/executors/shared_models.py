"""The models of a run whose workers send the requests: shared costs, failures, limits and cassette."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from tau2_core.llm.cassette import Cassette
from tau2_core.llm.model import RoleModel
from tau2_core.model.episodes import Slot
from tau2_core.model.llm import ModelError
from tau2_core.runs.executors.messages import Admitted, Failed, Recorded, Released, Used, Wanted


class SharedModels:
    """Collects what workers report about their requests in the run's own role models, of which a server opens more."""

    def __init__(self, role_models: Collection[RoleModel]) -> None:
        self._role_models = role_models

    @property
    def _cassette(self) -> Cassette | None:
        return next((each.cassette for each in self._role_models), None)

    def _model(self, key: str) -> RoleModel:
        return next(each for each in self._role_models if each.key == key)

    def exchanges(self, slot: Slot) -> list[bytes]:
        """Return the cassette's lines of a slot, if one is replayed."""
        return [] if self._cassette is None else self._cassette.lines_of(str(slot))

    def note(self, message: Used | Failed | Recorded) -> None:
        """Note a worker's report about a request."""
        if isinstance(message, Used):
            self._model(message.model).used(message.usage)
        elif isinstance(message, Failed):
            error = ModelError(message.kind, message.why, message.retry_after)
            self._model(message.model).fail(error)
        elif self._cassette is not None:
            try:
                self._cassette.append_line(message.line)
            except ModelError as error:  # the run stops because of it
                next(iter(self._role_models)).fail(error)

    async def turn(self, model: str, admit: Callable[[], None]) -> None:
        """Hold a turn of a provider until this is cancelled; `admit` is called when the turn begins."""
        async with self._model(model).gate.pass_through():
            admit()
            await asyncio.get_running_loop().create_future()


class Turns:
    """The turns of one worker's requests to models with limits; `send` sends a message to the worker."""

    def __init__(self, models: SharedModels, send: Callable[[Admitted], None]) -> None:
        self._models = models
        self._send = send
        self._turns: dict[int, asyncio.Task[None]] = {}

    def take(self, message: Wanted) -> None:
        """Let a request wait for its turn, and hold it."""
        turn = self._models.turn(message.model, lambda: self._send(Admitted(message.number)))
        self._turns[message.number] = asyncio.create_task(turn)

    def release(self, message: Released) -> None:
        """End a turn."""
        turn = self._turns.pop(message.number, None)
        if turn is not None:
            turn.cancel()

    def give_up(self) -> None:
        """End all turns."""
        for turn in self._turns.values():
            turn.cancel()
        self._turns.clear()
