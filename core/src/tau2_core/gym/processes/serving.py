"""Running the front: it listens, and workers answer most requests."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import uvicorn
from starlette.types import ASGIApp

from tau2_core.gym.application import build_application
from tau2_core.gym.connections import ConnectionLimits, bounded_protocol
from tau2_core.gym.processes.addresses import Address
from tau2_core.gym.processes.front import Front
from tau2_core.gym.processes.moving import Destination, adopting, movable_protocol
from tau2_core.gym.processes.placement import Placement
from tau2_core.gym.registry import Registry
from tau2_core.gym.serve import RESERVED_FILES, RecordKeepingServer, many_files, run_server, uvicorn_config
from tau2_core.gym.served_runs import ServedRuns
from tau2_core.gym.server_settings import ServerSettings
from tau2_core.gym.worker_threads import short_turns
from tau2_core.runs.options import Options
from tau2_core.runtime.event_loop import loop_factory
from tau2_core.runtime.garbage_collection import rare_garbage_collection

log = logging.getLogger(__name__)


def serve_with_workers(
    options: Options,
    registry: Registry,
    settings: ServerSettings,
    runs: ServedRuns,
    listeners: Sequence[socket.socket],
    begin: Callable[[], None],
    count: int,
) -> None:
    """Serve as `serve_http` does, with this number of worker processes. Raises RunError."""
    with many_files() as files:
        limits = replace(
            settings.connections, connections=min(settings.connections.connections, files - RESERVED_FILES)
        )
        front = registry.worker_processes = Front(options, settings, registry, runs, count)
        app = Placement(
            build_application(registry, settings),
            front.place,
            max_body_bytes=settings.max_body_bytes,
            reads_bodies=True,
        )
        config = moving_configuration(app, settings, limits, front.placed_at_once, front.clients)
        with rare_garbage_collection(), short_turns():
            anyio.run(
                _serve, registry, settings, front, config, listeners, begin,
                backend_options={"loop_factory": loop_factory()},
            )  # fmt: skip


async def _serve(
    registry: Registry,
    settings: ServerSettings,
    front: Front,
    config: uvicorn.Config,
    listeners: Sequence[socket.socket],
    begin: Callable[[], None],
) -> None:
    server = MovingServer(config, registry)
    front.back = partial(server.adopt, placed=False)
    await front.start()
    try:
        await run_server(registry, settings, partial(server.serve, sockets=[*listeners]), begin)
    finally:
        front.hurry()  # only after an error; otherwise the workers have already ended
        await front.stop()


def moving_configuration(
    app: ASGIApp,
    settings: ServerSettings,
    limits: ConnectionLimits,
    placed_at_once: Callable[[Address], Destination | None],
    other_connections: Callable[[], int] = lambda: 0,
) -> uvicorn.Config:
    """Return uvicorn's configuration for a process of a server, whose connections can move."""
    protocol = movable_protocol(bounded_protocol(limits, other_connections), settings.max_body_bytes, placed_at_once)
    return uvicorn_config(app, limits, settings.max_body_bytes, protocol)


class MovingServer(RecordKeepingServer):
    """A server that accepts connections from other processes. `adopting` counts those that are being transferred."""

    adopting = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._adoptions: set[asyncio.Task[None]] = set()

    def adopt(self, handle: int, received: bytes, *, placed: bool) -> None:
        """Take over a connection that has received this. `placed`: its next request is for this process."""
        stream = socket.socket(fileno=handle)
        if self.should_exit or not self.started:
            stream.close()
            return
        task = asyncio.create_task(self._adopt(stream, received, placed=placed))
        self._adoptions.add(task)
        task.add_done_callback(self._adoptions.discard)

    async def _adopt(self, stream: socket.socket, received: bytes, *, placed: bool) -> None:
        stream.setblocking(False)
        protocol: Any = self.config.http_protocol_class
        make: Callable[[], Any] = partial(
            protocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        self.adopting += 1
        try:
            await self._loop.connect_accepted_socket(adopting(make, received, placed=placed), stream)
        except OSError as error:
            log.debug("a connection was lost on its way to another process: %s", error)
            stream.close()
        finally:
            self.adopting -= 1
