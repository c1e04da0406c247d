"""Running the server: over HTTP until a signal, or one episode over stdio."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import FrameType

import anyio
import uvicorn
from mcp.server.stdio import stdio_server
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tau2_core.gym.application import build_application
from tau2_core.gym.connections import ConnectionLimits, bounded_protocol
from tau2_core.gym.data_plane import build_server
from tau2_core.gym.hosted_episode import Blueprint, HostedEpisode
from tau2_core.gym.registry import Registry
from tau2_core.gym.server_settings import ServerSettings
from tau2_core.gym.shutdown import close_all
from tau2_core.gym.websocket_connections import installed, open_websocket
from tau2_core.gym.worker_threads import short_turns
from tau2_core.llm.panel import Panel
from tau2_core.runs.judgements import probe_judges
from tau2_core.runs.model_clients import close_models
from tau2_core.runtime.background_tasks import tracked_loops
from tau2_core.runtime.event_loop import loop_factory
from tau2_core.runtime.garbage_collection import rare_garbage_collection
from tau2_core.runtime.watchdog import watched_for

RESERVED_FILES = 256  # open files other than connections
BUSY_SECONDS = 2.0  # seconds after which plugin code that blocks the event loop is interrupted
GRACE_SECONDS = 3  # together less than the five seconds after which eval-protocol kills the process


def serve_http(
    registry: Registry, settings: ServerSettings, listeners: Sequence[socket.socket], begin: Callable[[], None]
) -> None:
    """Serve until SIGINT or SIGTERM; then finish calls in progress, and keep all records and grades.

    `begin` opens the run and prints the server's address; it is called after the judge has been tried. Raises RunError.
    A second signal aborts calls and grading in progress; the records are kept in any case.
    """
    with many_files() as files:
        limits = replace(
            settings.connections, connections=min(settings.connections.connections, files - RESERVED_FILES)
        )
        config = uvicorn_config(build_application(registry, settings), limits, settings.max_body_bytes)
        with rare_garbage_collection(), short_turns():
            # Run by anyio; otherwise it would detect the async library about twenty times per request.
            loop = {"loop_factory": loop_factory()}
            server = RecordKeepingServer(config, registry)
            serve = partial(server.serve, sockets=[*listeners])
            anyio.run(run_server, registry, settings, serve, begin, backend_options=loop)


@contextmanager
def many_files() -> Iterator[int]:
    """Raise the limit on open files, which include connections, to its maximum; return it."""
    try:
        import resource
    except ImportError:  # on Windows, where sockets are not files
        yield sys.maxsize
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield sys.maxsize if hard == resource.RLIM_INFINITY else hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def run_server(
    registry: Registry,
    settings: ServerSettings,
    serve: Callable[[], Awaitable[None]],
    begin: Callable[[], None] = lambda: None,
) -> None:
    """Try the judge, call `begin`, grade ungraded records of a resumed run, then serve. Raises RunError."""
    try:
        await probe_judges(Panel.of(settings.role_models, settings.judge_rule))
        begin()
        if registry.runs is not None:
            await registry.runs.grade_what_is_left()
        with watched_for(BUSY_SECONDS):
            await serve()
    finally:
        await close_models(settings.pool.opened)


def uvicorn_config(
    app: ASGIApp,
    limits: ConnectionLimits | None = None,
    max_message_bytes: int = 1024 * 1024,
    protocol: type[HttpToolsProtocol] | None = None,
) -> uvicorn.Config:
    """Return uvicorn's configuration for the application, with WebSockets if they are installed."""
    limits = limits or ConnectionLimits()
    return uvicorn.Config(
        app,
        http=protocol or bounded_protocol(limits),
        ws=partial(open_websocket, limits) if installed() else "none",  # type: ignore[arg-type]
        ws_max_size=max_message_bytes,
        ws_per_message_deflate=False,  # it costs memory for each connection
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=120,
        server_header=False,
    )


class RecordKeepingServer(uvicorn.Server):
    """Keeps the records on any signal; uvicorn alone would skip the application's shutdown at a second Ctrl-C."""

    def __init__(self, config: uvicorn.Config, registry: Registry) -> None:
        super().__init__(config)
        self.registry = registry

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        again = self.should_exit
        self._captured_signals.append(sig)
        self.should_exit = True
        self._loop.call_soon_threadsafe(self.registry.tool_lists.close_all)
        if again:
            self._loop.call_soon_threadsafe(self.hurry)

    def hurry(self) -> None:
        """Stop waiting for requests and grades."""
        self.registry.hurry()
        for task in list(self.server_state.tasks):
            task.cancel()


def serve_stdio(registry: Registry, settings: ServerSettings, blueprint: Blueprint) -> None:
    """Serve one episode to one client over standard input and output; keep its record when the client leaves.

    At the end the reward is printed to standard error. A signal ends the server at once.
    """
    episode = registry.build(blueprint)
    loop = {"loop_factory": tracked_loops(asyncio.new_event_loop)}
    anyio.run(run_server, registry, settings, partial(_stdio, registry, settings, episode), backend_options=loop)


async def _stdio(registry: Registry, settings: ServerSettings, episode: HostedEpisode) -> None:
    await registry.add(episode)
    server = build_server(registry, lambda _context: (episode, "agent"), max_result_chars=settings.max_result_chars)
    with _signals() as (stop, again):

        async def end_on_signal() -> None:
            # Reading standard input cannot be interrupted, so the process is ended here.
            number = await stop
            again.add_done_callback(lambda _again: registry.hurry())
            await _finish(registry, episode, again)
            sys.stdout.flush()
            sys.stderr.flush()
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

        async with anyio.create_task_group() as group:
            group.start_soon(end_on_signal)
            async with stdio_server() as (reader, writer):
                await server.run(reader, writer, server.create_initialization_options())
            if not stop.done():
                group.cancel_scope.cancel()
        again.add_done_callback(lambda _again: registry.hurry())
        await _finish(registry, episode, again)


async def _finish(registry: Registry, episode: HostedEpisode, hurry: asyncio.Future[int]) -> None:
    """Keep the record, then print its reward, unless the server has to stop at once."""
    await close_all(registry, GRACE_SECONDS)
    if episode.blueprint.task.evaluation_criteria and not hurry.done():
        grading = asyncio.create_task(registry.grade(episode))
        hurry.add_done_callback(lambda _hurry: grading.cancel())
        try:
            sys.stderr.write(f"{episode.blueprint.task.id}: reward {(await grading).reward}\n")
        except asyncio.CancelledError:
            return


@contextmanager
def _signals() -> Iterator[tuple[asyncio.Future[int], asyncio.Future[int]]]:
    """Handle SIGINT and SIGTERM within the block: the first and the second one set futures.

    It uses `signal.signal`, since event loops on Windows do not support signals.
    """
    loop = asyncio.get_running_loop()
    first, second = loop.create_future(), loop.create_future()

    def note(number: int) -> None:
        for future in (first, second):
            if not future.done():
                future.set_result(number)
                return

    def handle(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(note, number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield first, second
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
