"""Running the server: over HTTP until a signal comes, or one episode over stdio."""

from __future__ import annotations

import resource
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import anyio
import uvicorn
from mcp.server.stdio import stdio_server
from starlette.types import ASGIApp

from tau2_core.errors import UsageError
from tau2_core.gym.application import LOOPBACK, build_application
from tau2_core.gym.connections import ConnectionLimits, bounded_protocol
from tau2_core.gym.data_plane import build_server
from tau2_core.gym.hosted import Blueprint, HostedEpisode
from tau2_core.gym.registry import Registry
from tau2_core.gym.settings import Settings
from tau2_core.gym.workers import short_turns
from tau2_core.own_process import loop_factory, seldom_collected
from tau2_core.runs.judgements import probe_judge
from tau2_core.runs.models import dismiss

GRACE_SECONDS = 3  # with what the application adds, less than the five seconds after which eval-protocol kills


def bind(host: str, port: int, token: str | None) -> list[socket.socket]:
    """Return the listening sockets, all on one port: one, or for a name that has several addresses one for each.

    Raises UsageError for a port in use, or a public address without a token.
    """
    if host not in LOOPBACK and not token:
        raise UsageError(f"--host {host} is reachable by others: give a --token that the control plane will ask for")
    listeners: list[socket.socket] = []
    try:
        for family, _, _, _, address in socket.getaddrinfo(host, port, proto=socket.IPPROTO_TCP):
            listeners.append(_listen(family, (address[0], port)))
            port = listeners[0].getsockname()[1]
    except OSError as error:
        for listener in listeners:
            listener.close()
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error
    return listeners


def _listen(family: socket.AddressFamily, address: tuple[str | int, int]) -> socket.socket:
    # Named as TCP, since asyncio switches Nagle's algorithm off only then; with it every answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def serve_http(registry: Registry, settings: Settings, listeners: Sequence[socket.socket]) -> None:
    """Serve until SIGINT or SIGTERM; calls in flight are finished, then all records kept."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a connection is a file, and a client may have several
    try:
        server = uvicorn.Server(uvicorn_config(build_application(registry, settings), settings.connections))
        with seldom_collected(), short_turns():
            # Run by anyio, which then need not find out anew, some twenty times a request, what runs it.
            loop = {"loop_factory": loop_factory()}
            anyio.run(_run, registry, settings, partial(server.serve, sockets=[*listeners]), backend_options=loop)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _run(registry: Registry, settings: Settings, serve: Callable[[], Awaitable[None]]) -> None:
    """Try the judge, grade what an earlier part of the run left, then serve. Raises RunError."""
    try:
        await probe_judge(settings.lines.get("judge"))
        if registry.runs is not None and registry.runs.inventory is not None:
            await registry.runs.inventory.grade_what_is_left()
        await serve()
    finally:
        await dismiss(settings.lines.values())


def uvicorn_config(app: ASGIApp, limits: ConnectionLimits | None = None) -> uvicorn.Config:
    """Return how the application is served."""
    return uvicorn.Config(
        app,
        http=bounded_protocol(limits or ConnectionLimits()),
        ws="none",
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=120,
        server_header=False,
    )


def serve_stdio(registry: Registry, settings: Settings, blueprint: Blueprint) -> None:
    """Serve one episode to one client over standard input and output; its record is kept when the client leaves.

    At the end the reward goes to standard error, for whoever launched the server.
    """
    episode = registry.create(blueprint)
    anyio.run(_run, registry, settings, partial(_stdio, registry, settings, episode))


async def _stdio(registry: Registry, settings: Settings, episode: HostedEpisode) -> None:
    server = build_server(registry, lambda _context: (episode, "agent"), max_result_chars=settings.max_result_chars)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_on_signal, group.cancel_scope)
            async with stdio_server() as (reader, writer):
                await server.run(reader, writer, server.create_initialization_options())
            group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            grade = await registry.grade(episode) if episode.blueprint.task.evaluation_criteria else None
            await registry.close_all(GRACE_SECONDS)
            if episode.grading is not None and not episode.grading.cancelled():
                grade = await episode.grading
            if grade is not None:
                sys.stderr.write(f"{episode.blueprint.task.id}: reward {grade.reward}\n")


async def _cancel_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()
            return
