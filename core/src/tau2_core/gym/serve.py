"""Running the server: over HTTP until a signal comes, or one episode over stdio."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import anyio
import uvicorn
from mcp.server.stdio import stdio_server
from starlette.types import ASGIApp

from tau2_core.errors import UsageError
from tau2_core.gym.application import LOOPBACK, build_application
from tau2_core.gym.data_plane import build_server
from tau2_core.gym.hosted import Blueprint
from tau2_core.gym.registry import Registry
from tau2_core.gym.settings import Settings
from tau2_core.runs.journal import Journal

GRACE_SECONDS = 5


def bind(host: str, port: int, token: str | None) -> socket.socket:
    """Return the listening socket. Raises UsageError for a port in use, or a public address without a token."""
    if host not in LOOPBACK and not token:
        raise UsageError(f"--host {host} is reachable by others: give a --token that the control plane will ask for")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, since asyncio switches Nagle's algorithm off only then; with it every answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error
    return listener


def lazy_journal(out: Path) -> Callable[[], Journal]:
    """Return a function that opens the run folder when the first record is to be kept."""
    opened: list[Journal] = []

    def journal() -> Journal:
        if not opened:
            opened.append(Journal(out / f"{datetime.now():%Y%m%d-%H%M%S-%f}-serve"))
        return opened[0]

    return journal


def serve_http(registry: Registry, settings: Settings, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; calls in flight are finished, then all records kept."""
    uvicorn.Server(uvicorn_config(build_application(registry, settings))).run(sockets=[listener])


def uvicorn_config(app: ASGIApp) -> uvicorn.Config:
    """Return how the application is served."""
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=120,
        server_header=False,
    )


def serve_stdio(registry: Registry, settings: Settings, blueprint: Blueprint) -> None:
    """Serve one episode to one client over standard input and output; its record is kept when the client leaves."""
    anyio.run(_stdio, registry, settings, blueprint)


async def _stdio(registry: Registry, settings: Settings, blueprint: Blueprint) -> None:
    episode = registry.create(blueprint)
    server = build_server(registry, lambda _context: (episode, "agent"), max_result_chars=settings.max_result_chars)
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())
    grade = await registry.grade(episode) if blueprint.task.evaluation_criteria else None
    await registry.close_all()
    if grade is not None:
        sys.stderr.write(f"{blueprint.task.id}: reward {grade.reward}\n")
