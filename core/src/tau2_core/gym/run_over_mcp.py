"""Playing a run over MCP: every tool call goes through the SDK's client to a server on loopback."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

from tau2_core.episode.limits import Limits
from tau2_core.episode.participants import EXTERNAL_AGENT, Participants
from tau2_core.episode.play import OpenBackend, OpenEpisode, with_backends
from tau2_core.episode.setting import Setting
from tau2_core.episode.tool_backend import ToolBackend
from tau2_core.gym.application import build_application
from tau2_core.gym.client import RemoteBackend, open_sides
from tau2_core.gym.hosted_episode import Blueprint, HostedEpisode
from tau2_core.gym.listening import bind
from tau2_core.gym.registry import Registry
from tau2_core.gym.serve import RecordKeepingServer, uvicorn_config
from tau2_core.gym.server_settings import ServerSettings
from tau2_core.model.messages import Requestor
from tau2_core.model.tasks import Task
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.runs.plan import Plan

UNLIMITED = Limits(max_steps=2**31, max_errors=2**31)  # the run's own conversation enforces the limits


class _QuietServer(RecordKeepingServer):
    """Leaves Ctrl-C to the run."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(registry: Registry, settings: ServerSettings) -> AsyncIterator[str]:
    """Run the server in this event loop within the block; the value is its address."""
    listeners = bind(settings.host, 0, settings.token)
    settings.port = listeners[0].getsockname()[1]
    server = _QuietServer(uvicorn_config(build_application(registry, settings)), registry)
    task = asyncio.create_task(server.serve(listeners))
    try:
        yield settings.base_url
    finally:
        server.should_exit = True
        server.hurry()  # the clients are gone, so only a call that hangs can be in progress
        await task


def backend_through(registry: Registry, address: str) -> OpenBackend:
    """Return a function that opens a backend behind a running server."""

    @asynccontextmanager
    async def open_backend(
        setting: Setting, task: Task, participants: Participants, seed: int
    ) -> AsyncIterator[ToolBackend]:
        faults = [make(f"{task.id}/{seed}") for make in participants.faults]
        behind = Participants(
            EXTERNAL_AGENT, registry.catalogue.user("none"), UNLIMITED, [*participants.wrappers, *faults]
        )
        plan = Blueprint(setting, task, behind, seed)
        episode = await registry.add(await registry.workers.run(partial(registry.build, plan)))
        episode.kept = True  # the run keeps the record
        try:
            urls: dict[Requestor, str] = {"assistant": f"{address}/episodes/{episode.agent_key}/mcp"}
            if episode.blueprint.two_sided:
                urls["user"] = f"{address}/episodes/{episode.user_key}/mcp"
            async with open_sides(urls) as clients:
                yield RemoteBackend(
                    clients,
                    partial(_was_skipped, episode),
                    partial(_digests, episode),
                    episode.backend.unlocked,
                    lists_unlocked=setting.lists_unlocked,
                    use=episode.backend.use,
                )
        finally:
            registry.forget(episode)

    return open_backend


async def _was_skipped(episode: HostedEpisode) -> bool:
    return episode.last_call_skipped


async def _digests(episode: HostedEpisode) -> dict[str, str]:
    return (await episode.record()).digests


@asynccontextmanager
async def server_of(plan: Plan, catalogue: Catalogue) -> AsyncIterator[tuple[Registry, str]]:
    """Run a server for a run's episodes on loopback, in this event loop; return its registry and its address."""
    registry = Registry(catalogue, None, max_episodes=plan.own_size + 1, idle_seconds=24 * 3600)
    settings = ServerSettings(
        catalogue, [plan.setting.domain], max_body_bytes=sys.maxsize, max_result_chars=sys.maxsize
    )  # in-process calls have no such limits either
    async with serving(registry, settings) as address:
        yield registry, address


@asynccontextmanager
async def over_mcp(plan: Plan, catalogue: Catalogue) -> AsyncIterator[OpenEpisode]:
    """Execute tool calls behind a server on loopback that runs in this event loop."""
    async with server_of(plan, catalogue) as (registry, address):
        yield with_backends(backend_through(registry, address))
