"""The models of a worker: limits, costs, failures and cassettes are those of the run, to which it reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

from tau2_core.llm.cassette import Cassette
from tau2_core.llm.limits import RequestLimit
from tau2_core.llm.model import RoleModel
from tau2_core.model.episodes import Usage
from tau2_core.model.llm import ModelError
from tau2_core.runs.executors.messages import Failed, Recorded, Released, Used, Wanted
from tau2_core.runs.options import Options


class Sender(Protocol):
    """The connection to the run, as models use it."""

    def send(self, message: Any) -> None:
        """Queue a message."""


class Admissions:
    """Asks the run for turns of requests to models with limits."""

    def __init__(self, connection: Sender) -> None:
        self._connection = connection
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._count = 0

    @asynccontextmanager
    async def turn(self, model: str) -> AsyncIterator[None]:
        """Wait for a turn and hold it within the block."""
        number, self._count = self._count, self._count + 1
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self._connection.send(Wanted(number, model))
        try:
            await self._waiting[number]
            yield
        finally:
            self._waiting.pop(number, None)
            self._connection.send(Released(number))

    def admit(self, number: int) -> None:
        """Begin a turn that the run has granted."""
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)


class RunLimit(RequestLimit):
    """The limits of a model's provider, shared by all workers."""

    def __init__(self, admissions: Admissions, model: str) -> None:
        super().__init__()
        self._admissions = admissions
        self._model = model

    def pass_through(self) -> AbstractAsyncContextManager[None]:
        return self._admissions.turn(self._model)


@dataclass(eq=False, kw_only=True)
class ReportedRoleModel(RoleModel):
    """The model of one role in a worker. It reports usage and failures to the run, which decides what to do."""

    connection: Sender = field(repr=False)

    def used(self, usage: Usage) -> None:
        super().used(usage)
        self.connection.send(Used(self.key, usage))

    def fail(self, error: ModelError) -> None:
        super().fail(error)
        self.connection.send(Failed(self.key, error.kind, error.message, error.retry_after))


def cassette_of(options: Options, connection: Sender) -> Cassette | None:
    """Return a worker's cassette if the run replays or records one."""
    file = options.replay or options.record
    if file is None:
        return None

    def record(line: str) -> None:
        connection.send(Recorded(line))

    return Cassette(Path(file), replaying=options.replay is not None, record_line=record)


def reported(role_model: RoleModel, admissions: Admissions, connection: Sender) -> RoleModel:
    """Return a worker's model, with the limits of its run."""
    known: dict[str, Any] = {each.name: getattr(role_model, each.name) for each in fields(role_model)}
    if role_model.gate.limits:
        known["gate"] = RunLimit(admissions, role_model.key)
    return ReportedRoleModel(**known, connection=connection)
