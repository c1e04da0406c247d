"""A client of a running gym server: worlds for rollouts, opened on the control plane, acted on over MCP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from mcp.client.client import Client
from mcp_types import CallToolResult, TextContent

from tau2_core.episode.play import Cast
from tau2_core.episode.setting import Setting
from tau2_core.episode.stage import Stage
from tau2_core.errors import UsageError
from tau2_core.gym.data_plane import FAILURE_KEY
from tau2_core.model.messages import ToolCall
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Failure, ToolResult
from tau2_core.testing.exceptions import RolloutError

READY_SECONDS = 60.0
ANSWER_SECONDS = 30.0
FIRST_WAIT_SECONDS = 0.02


class GymClient:
    """Talks to the server at an address; `token` is what its control plane asks for."""

    def __init__(self, address: str, token: str | None = None) -> None:
        base = address.rstrip("/").removesuffix("/mcp")
        if not base.startswith(("http://", "https://")):
            raise UsageError(f"{address}: the server's url should begin with http:// or https://")
        self.address = base
        self.token = token

    async def wait_until_ready(self, is_alive: Callable[[], bool] = lambda: True) -> None:
        """Wait until the server answers on its control plane. Raises RolloutError if it is dead, or takes too long."""
        wait = FIRST_WAIT_SECONDS
        try:
            async with asyncio.timeout(READY_SECONDS):
                while is_alive():
                    try:
                        await self.ask("GET", "/healthz")
                    except RolloutError:
                        await asyncio.sleep(wait)
                        wait = min(wait * 2, 0.5)
                    else:
                        return
        except TimeoutError:
            raise RolloutError(f"{self.address} does not answer GET /healthz after {READY_SECONDS:g} s") from None
        raise RolloutError(f"the server that should answer at {self.address} has ended")

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Make a request of the control plane and return what it answers. Raises RolloutError."""
        return await asyncio.to_thread(self._ask, method, path, body)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.address + path, data, headers, method=method)  # noqa: S310 - the address is http(s)
        try:
            with urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
                text = answer.read()
        except HTTPError as error:
            with error:
                why = error.read().decode(errors="replace")
            raise RolloutError(f"{method} {self.address}{path}: {error.code} {why}") from error
        except (URLError, OSError) as error:
            raise RolloutError(f"{method} {self.address}{path}: {error}") from error
        return json.loads(text) if text else None

    @asynccontextmanager
    async def stage(self, setting: Setting, task: Task, cast: Cast, seed: int) -> AsyncIterator[Stage]:
        """Open a world on the server for as long as the block lasts. Plugins that wrap calls are the server's."""
        del cast
        dataset = setting.dataset.root.name if setting.dataset else "pack"
        wish = {
            "domain": setting.domain,
            "task": task.model_dump(mode="json", exclude_none=True),
            "variant": setting.variant,
            "solo": setting.solo,
            "seed": seed,
            "dataset": dataset,
            "mode": setting.mode,
        }
        made = await self.ask("POST", "/v1/episodes", wish)
        control = f"/v1/episodes/{made['id']}"
        try:
            async with AsyncExitStack() as stack:
                clients = {"assistant": await stack.enter_async_context(Client(made["mcp_url"]))}
                if made["user_mcp_url"]:
                    clients["user"] = await stack.enter_async_context(Client(made["user_mcp_url"]))
                yield _ServedStage(self, control, clients)
        finally:
            await self.ask("DELETE", control)


class _ServedStage:
    def __init__(self, server: GymClient, control: str, clients: Mapping[str, Client]) -> None:
        self.server = server
        self.control = control
        self.clients = clients

    async def call(self, call: ToolCall) -> ToolResult:
        result = await self.clients[call.requestor].call_tool(call.name, call.arguments)
        assert isinstance(result, CallToolResult)
        content = result.content[0]
        failure = (result.meta or {}).get(FAILURE_KEY, Failure.REFUSED) if result.is_error else None
        text = content.text if isinstance(content, TextContent) else ""
        return ToolResult(text, Failure(failure) if failure else None)

    async def settle(self) -> None:
        """Nothing to do here: the server settles its worlds itself."""

    async def digests(self) -> dict[str, str]:
        found: dict[str, str] = (await self.server.ask("GET", self.control))["digests"]
        return found
