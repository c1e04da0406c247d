"""The rollout processor that plays rows through a server, over MCP: ours, a script's, or one that runs already."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from tau2_core.episode.play import OpenBackend
from tau2_core.gym.registry import Registry
from tau2_core.gym.run_over_mcp import backend_through, serving
from tau2_core.gym.server_settings import ServerSettings
from tau2_core.testing.children import server_of
from tau2_core.testing.gym_client import GymClient
from tau2_core.testing.in_process import InProcessRolloutProcessor
from tau2_core.testing.processors import RolloutProcessorConfig
from tau2_core.testing.tables import Table

MORE_THAN_NEEDED = 100_000


class McpGymRolloutProcessor(InProcessRolloutProcessor):
    """As in process, but each tool call goes to a server, over MCP.

    The server is ours, on a free port of loopback, for as long as the experiment lasts; or what `server_script_path`
    starts, as a child that ends with this process; or one that runs already, at the `url` of the processor's kwargs
    (with its `token`). A script's or a running server's own limits apply besides ours.
    """

    def __init__(self) -> None:
        super().__init__()
        self._servers = AsyncExitStack()
        self._opened: dict[Path, asyncio.Future[OpenBackend]] = {}

    async def backend(self, table: Table, config: RolloutProcessorConfig) -> OpenBackend:
        folder = config.journal.folder
        if folder not in self._opened:
            self._opened[folder] = asyncio.ensure_future(self._servers.enter_async_context(_server(table, config)))
        return await asyncio.shield(self._opened[folder])

    async def acleanup(self) -> None:
        for opening in self._opened.values():  # a server that is just starting is let start, then ended
            await asyncio.wait([opening])
        self._opened.clear()
        await self._servers.aclose()
        await super().acleanup()


MCPGymRolloutProcessor = McpGymRolloutProcessor  # as eval-protocol spells it


def _server(table: Table, config: RolloutProcessorConfig) -> AbstractAsyncContextManager[OpenBackend]:
    kwargs, domain = config.kwargs, table.setting.domain
    if kwargs.get("url"):
        return _running(str(kwargs["url"]), kwargs.get("token"))
    if config.server_script_path:
        return _script(Path(config.server_script_path), domain, kwargs.get("port"), config.journal.folder)
    return _own(table)


@asynccontextmanager
async def _own(table: Table) -> AsyncIterator[OpenBackend]:
    """Our server, in this event loop: no child can be left behind, and no port can be taken by another meanwhile."""
    registry = Registry(table.catalogue, None, max_episodes=MORE_THAN_NEEDED, idle_seconds=24 * 3600)
    settings = ServerSettings(
        table.catalogue, [table.setting.domain], max_body_bytes=sys.maxsize, max_result_chars=sys.maxsize
    )
    async with serving(registry, settings) as address:
        yield backend_through(registry, address)


@asynccontextmanager
async def _running(url: str, token: str | None) -> AsyncIterator[OpenBackend]:
    client = GymClient(url, token)
    await client.wait_until_ready()
    yield client.backend


@asynccontextmanager
async def _script(script: Path, domain: str, port: int | None, folder: Path) -> AsyncIterator[OpenBackend]:
    async with server_of(script, domain, port, folder / "server.log") as client:
        yield client.backend
