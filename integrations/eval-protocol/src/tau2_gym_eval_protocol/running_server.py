"""A client of a running gym server: opens episodes on the control plane, and calls tools over MCP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx2
from tau2_core.episode.participants import Participants
from tau2_core.episode.setting import Setting
from tau2_core.episode.tool_backend import ToolBackend
from tau2_core.errors import UsageError
from tau2_core.gym.client import RemoteBackend, http_client, open_sides
from tau2_core.model.messages import Requestor
from tau2_core.model.tasks import Task

from tau2_gym_eval_protocol.retries import RolloutError

READY_SECONDS = 60.0
ANSWER_SECONDS = 30.0
FIRST_WAIT_SECONDS = 0.02


class RunningServer:
    """A client of the server at a URL; `token` is for its control plane."""

    def __init__(self, address: str, token: str | None = None) -> None:
        base = address.rstrip("/").removesuffix("/mcp")
        if not base.startswith(("http://", "https://")):
            raise UsageError(f"{address}: the server's url must begin with http:// or https://")
        self.address = base
        self.token = token

    async def wait_until_ready(self, is_alive: Callable[[], bool] = lambda: True) -> None:
        """Wait until the server's control plane answers. Raises RolloutError if it has ended or takes too long."""
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
        raise RolloutError(f"the server expected at {self.address} has ended")

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request to the control plane and return its answer. Raises RolloutError."""
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            async with http_client(self.address, ANSWER_SECONDS, **headers) as http:
                response = await http.request(method, self.address + path, json=body)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            why = str(error) or type(error).__name__
            raise RolloutError(f"{method} {self.address}{path}: {why}") from error
        if response.is_error:
            raise RolloutError(f"{method} {self.address}{path}: {response.status_code} {response.text}")
        return response.json() if response.content else None

    @asynccontextmanager
    async def backend(
        self, setting: Setting, task: Task, participants: Participants, seed: int
    ) -> AsyncIterator[ToolBackend]:
        """Open an episode on the server within the block. Only the server's plugins wrap calls."""
        del participants
        dataset = setting.dataset.root.name if setting.dataset else "pack"
        request = {
            "domain": setting.domain,
            "task": task.model_dump(mode="json", exclude_none=True),
            "variant": setting.variant,
            "variant_options": dict(setting.variant_options),
            "solo": setting.solo,
            "seed": seed,
            "dataset": dataset,
            "mode": setting.mode,
        }
        made = await self.ask("POST", "/v1/episodes", request)
        control = f"/v1/episodes/{made['id']}"
        try:
            urls: dict[Requestor, str] = {"assistant": made["mcp_url"]}
            if made["user_mcp_url"]:
                urls["user"] = made["user_mcp_url"]
            async with open_sides(urls) as clients:
                yield RemoteBackend(
                    clients,
                    partial(self._was_skipped, made),
                    partial(self._digests, control),
                    partial(self._unlocked, control),
                    lists_unlocked=setting.lists_unlocked,
                )
        finally:
            await self.ask("DELETE", control)

    async def _was_skipped(self, made: Mapping[str, Any]) -> bool:
        if not made["wrapped"]:
            return False
        return bool((await self.ask("GET", f"/v1/episodes/{made['id']}"))["last_call_skipped"])

    async def _digests(self, control: str) -> dict[str, str]:
        found: dict[str, str] = (await self.ask("GET", control))["digests"]
        return found

    async def _unlocked(self, control: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] | None = (await self.ask("GET", control))["unlocked"]
        return found or {}
