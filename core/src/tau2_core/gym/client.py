"""Clients of a gym server: MCP clients for an episode's sides, and a tool backend over them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from tau2_core.gym.data_plane import FAILURE_KEY, REFUSED_KEY
from tau2_core.gym.middleware import LOOPBACK
from tau2_core.model.llm import Model, ModelRole
from tau2_core.model.messages import Requestor, ToolCall
from tau2_core.model.tools import Failure, Role, ToolResult

CONNECT_SECONDS = 30.0
ANSWER_SECONDS = 300.0


def http_client(url: str, seconds: float = ANSWER_SECONDS, **headers: str) -> httpx2.AsyncClient:
    """Return an HTTP client for a server. Proxies from the environment are not used for this machine's own servers."""
    own = urlsplit(url).hostname in LOOPBACK
    return httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(CONNECT_SECONDS, read=seconds), trust_env=not own)


@asynccontextmanager
async def open_sides(urls: Mapping[Requestor, str]) -> AsyncIterator[dict[Requestor, Client]]:
    """Connect an MCP client to each side's URL within the block."""
    async with AsyncExitStack() as stack:
        clients: dict[Requestor, Client] = {}
        for requestor, url in urls.items():
            http = await stack.enter_async_context(http_client(url))
            clients[requestor] = await stack.enter_async_context(Client(streamable_http_client(url, http_client=http)))
        yield clients


class RemoteBackend:
    """An environment behind a server. Information that the agent must not see comes from the control plane.

    `was_skipped` tells whether a plugin answered the last call instead of the environment; `digests` returns the digest
    of each database; `unlocked` returns the unlocked hidden tools. With `lists_unlocked` it is called
    after each call. `use` takes the models of searches, if the server is in this process.
    """

    def __init__(
        self,
        clients: Mapping[Requestor, Client],
        was_skipped: Callable[[], Awaitable[bool]],
        digests: Callable[[], Awaitable[dict[str, str]]],
        unlocked: Callable[[], Awaitable[dict[str, list[str]]]],
        *,
        lists_unlocked: bool = False,
        use: Callable[[Mapping[ModelRole, Model]], None] | None = None,
    ) -> None:
        self._clients = clients
        self._was_skipped = was_skipped
        self._digests = digests
        self._unlocked = unlocked
        self._lists_unlocked = lists_unlocked
        self.unlocked_so_far: dict[Role, list[str]] = {}
        self._use = use

    def use(self, models: Mapping[ModelRole, Model]) -> None:
        if self._use is not None:
            self._use(models)

    def close(self) -> None:
        """Do nothing: the server closes what its episode has opened."""

    async def call(self, call: ToolCall) -> ToolResult:
        result = await self._clients[call.requestor].call_tool(call.name, call.arguments)
        assert isinstance(result, CallToolResult)
        content = result.content[0]
        meta = result.meta or {}
        failure = meta.get(FAILURE_KEY, Failure.REFUSED) if result.is_error else None
        text = content.text if isinstance(content, TextContent) else ""
        if self._lists_unlocked:
            found = await self._unlocked()
            self.unlocked_so_far = {"agent": found.get("agent", []), "user": found.get("user", [])}
        skipped, refused = await self._was_skipped(), bool(meta.get(REFUSED_KEY))
        return ToolResult(text, Failure(failure) if failure else None, skipped=skipped, refused=refused)

    @property
    def unsettled(self) -> bool:
        """Never: the server runs the sync itself."""
        return False

    async def settle(self) -> None:
        """Do nothing, as above."""

    async def digests(self) -> dict[str, str]:
        return await self._digests()

    async def unlocked(self) -> dict[str, list[str]]:
        return await self._unlocked()
