"""A worker of a server: it hosts episodes, and answers the connections that the front gives it."""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

import anyio
import uvicorn

from tau2_core.errors import Tau2GymError
from tau2_core.gym.application import build_application
from tau2_core.gym.composition import compose_served_run, open_registry, open_settings, serves_a_run
from tau2_core.gym.control_plane import episode_state
from tau2_core.gym.expiry import expire
from tau2_core.gym.processes.addresses import Address, position_of
from tau2_core.gym.processes.content import blueprint_at, refuse_other_content
from tau2_core.gym.processes.messages import (
    Expire,
    GetFigures,
    GetStates,
    Known,
    Left,
    Moved,
    Notice,
    Prepared,
    Request,
    RunOver,
    Setup,
    Stop,
)
from tau2_core.gym.processes.moving import Destination
from tau2_core.gym.processes.open_records import OpenRecords
from tau2_core.gym.processes.peer import Peer
from tau2_core.gym.processes.placement import Placement
from tau2_core.gym.processes.remote_runs import RemoteFront, RemoteRuns
from tau2_core.gym.processes.serving import MovingServer, moving_configuration
from tau2_core.gym.registry import Registry
from tau2_core.gym.serve import BUSY_SECONDS, many_files
from tau2_core.gym.server_settings import ServerSettings
from tau2_core.gym.worker_threads import short_turns
from tau2_core.runs.composition import open_pool
from tau2_core.runs.executors.messages import Admitted, Refused
from tau2_core.runs.executors.remote_models import Admissions, cassette_of, reported
from tau2_core.runs.loading import open_catalogue
from tau2_core.runs.model_clients import close_models
from tau2_core.runs.options import Options
from tau2_core.runtime.event_loop import loop_factory
from tau2_core.runtime.garbage_collection import rare_garbage_collection
from tau2_core.runtime.watchdog import watched_for


def serve_worker(handle: int) -> None:
    """Host episodes for the front, at the other end of a socket, until the front stops it."""
    stream = socket.socket(fileno=handle)
    stream.set_inheritable(False)
    with many_files(), rare_garbage_collection(), short_turns():
        anyio.run(_work, stream, backend_options={"loop_factory": loop_factory()})


async def _work(stream: socket.socket) -> None:
    worker = _Worker(stream)
    setup = await worker.setup
    try:
        server = worker.prepare(setup)
    except Tau2GymError as error:
        worker.peer.send(Refused(str(error)))
        return
    try:
        with watched_for(BUSY_SECONDS):
            await server.serve(sockets=[])
    finally:
        await close_models(worker.settings.pool.opened)


class _Worker:
    """The worker's side of the communication with the front."""

    settings: ServerSettings
    registry: Registry
    runs: RemoteRuns
    server: WorkerServer

    def __init__(self, stream: socket.socket) -> None:
        self.setup: asyncio.Future[Setup] = asyncio.get_running_loop().create_future()
        self.peer = Peer(stream, self._answer, self._hear, _end)
        self.admissions = Admissions(self.peer)
        self._position = self._count = 0

    def prepare(self, setup: Setup) -> WorkerServer:
        """Load the front's content, and return the server. Raises Tau2GymError."""
        options: Options = pickle.loads(setup.options)  # noqa: S301 - the front has started this process
        self._position, self._count = setup.position, setup.count
        catalogue = open_catalogue(options.pack, options.no_plugin)
        cassette = cassette_of(options, self.peer)
        pool = open_pool(options, cassette, lambda opened: reported(opened, self.admissions, self.peer))
        self.settings = settings = open_settings(options, catalogue, pool)
        settings.port, settings.overview_token = setup.port, setup.overview_token
        settings.new_session_id = self._new_session_id
        open_records = OpenRecords(Path(setup.open_folder))
        self.runs = RemoteRuns(
            self.peer,
            settings,
            open_records,
            plan=compose_served_run(options, catalogue, settings).plan if serves_a_run(options) else None,
            slot_attempts=options.slot_attempts,
            slot_seconds=options.slot_timeout,
            judge_all=options.judge_all,
            cassette=cassette,
        )
        self.registry = open_registry(options, catalogue, self.runs)
        self.registry.front = RemoteFront(self.runs)
        self._refuse_other_content(setup.known)
        for name, why in setup.gone.items():
            self.registry.remember_gone([name], why)
        return self._server()

    def _refuse_other_content(self, known: Sequence[Known]) -> None:
        """Load the front's content. Raises RunError if it differs here."""
        for each in known:
            blueprint = self.runs.any_slot() if each.where is None else blueprint_at(self.settings, each.where)
            self.runs.prepare(blueprint, self.registry.graded_by)
            refuse_other_content(blueprint.setting.domain, each.content, self.runs.content(blueprint))

    def _server(self) -> WorkerServer:
        app = Placement(
            build_application(self.registry, self.settings),
            self._place,
            max_body_bytes=self.settings.max_body_bytes,
            reads_bodies=False,
        )
        limits = replace(self.settings.connections, connections=sys.maxsize)  # the front limits their number
        config = moving_configuration(app, self.settings, limits, self._placed_at_once)
        self.server = WorkerServer(config, self.registry, self.peer)
        return self.server

    def _new_session_id(self) -> str:
        """Return an id for a dialect's session that routes its requests to this worker."""
        while True:
            session_id = uuid4().hex
            if position_of(session_id, self._count) == self._position:
                return session_id

    async def _place(self, where: Address) -> Destination | None:
        return self._placed_at_once(where)

    def _placed_at_once(self, where: Address) -> Destination | None:
        """Keep WebSockets for this worker's episodes and sessions; return the front for all others."""
        if where.kind == "name" and (self.registry.find(where.name) or self.registry.opens(where.name)):
            return None
        if where.kind == "session" and position_of(where.name, self._count) == self._position:
            return None
        return self

    def take(self, handle: int, received: bytes) -> None:
        """Transfer a connection to the front."""
        self.peer.send(Moved(received), handle)

    async def _answer(self, request: Request) -> Any:
        if isinstance(request, GetStates):
            states = [episode_state(self.registry, episode) for episode in self.registry.all()]
            return [state.model_dump(mode="json") for state in states]
        if isinstance(request, Expire):
            await expire(self.registry)
            return None
        assert isinstance(request, GetFigures)
        return self.registry.figures()

    def _hear(self, notice: Notice, handle: int | None) -> None:
        match notice:
            case Setup():
                self.setup.set_result(notice)
            case Moved(received) if handle is not None:
                self.server.take_over(handle, received)
            case Admitted(number):
                self.admissions.admit(number)
            case RunOver():
                self.runs.over = True
            case Stop(hurry):
                self.server.stop(hurry=hurry)


class WorkerServer(MovingServer):
    """The server of a worker, which listens on no port. It ignores signals; the front stops its workers."""

    def __init__(self, config: uvicorn.Config, registry: Registry, peer: Peer) -> None:
        super().__init__(config, registry)
        self._peer = peer
        self._taken = 0
        self._left = 0
        self.server_state.connections = _Connections(self._changed)
        self._noting = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._peer.send(Prepared())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Ignore signals: a terminal and a service manager send them to all processes, and the front handles them."""

    def stop(self, *, hurry: bool) -> None:
        """Finish or abort calls in progress, keep all records, and end."""
        self.should_exit = True
        self.registry.tool_lists.close_all()
        if hurry:
            self.hurry()

    def take_over(self, handle: int, received: bytes) -> None:
        """Take over a connection whose next request is for this process."""
        self._taken += 1
        self.adopt(handle, received, placed=True)
        self._changed()

    def _changed(self) -> None:
        """Report how many connections have ended or moved, once per turn of the event loop."""
        if not self._noting:
            self._noting = True
            self._loop.call_soon(self._note)

    def _note(self) -> None:
        self._noting = False
        left = self._taken - self.adopting - len(self.server_state.connections)
        if left != self._left:
            self._left = left
            self._peer.send(Left(left))


class _Connections(set[Any]):
    """The open connections of a server; calls a function when one has ended."""

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._ended = changed

    def discard(self, connection: Any) -> None:
        super().discard(connection)
        self._ended()


def _end() -> None:
    """End at once: the front is gone, and the messages of open episodes are on disk."""
    os._exit(1)
