"""A client of the dialect that sends the same raw requests as eval-protocol's own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx
import pytest

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start

ACCEPT = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


@dataclass
class Rollout:
    """One client's session: the transport's id on the data plane, its own on the control plane."""

    server: Server
    session_id: str
    extra: dict[str, Any] = field(default_factory=dict)
    path: str = "/mcp"
    transport: dict[str, str] = field(default_factory=dict)

    def post(self, message: dict[str, Any], **headers: str) -> httpx.Response:
        body = {"jsonrpc": "2.0", **message}
        return self.server.http.post(self.path, json=body, headers={**ACCEPT, **self.transport, **headers})

    def open(self) -> Rollout:
        extra = {"_extra": {"session_id": self.session_id, **self.extra}} if self.session_id else {}
        client = {"name": "reward-kit", "version": "1.0.0", **extra}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
        opened = self.post({"id": 0, "method": "initialize", "params": params}).raise_for_status()
        assert opened.json()["result"]["protocolVersion"] == "2025-11-25"
        self.transport = {
            "mcp-session-id": opened.headers["mcp-session-id"],
            "mcp-protocol-version": "2025-11-25",
        }
        assert self.post({"method": "notifications/initialized"}).status_code == 202
        return self

    def tools(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.post({"id": 1, "method": "tools/list"}).json()["result"]["tools"]
        return found

    def call(self, name: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        params = {"name": name, "arguments": arguments or {}}
        result: dict[str, Any] = self.post({"id": 2, "method": "tools/call", "params": params}).json()["result"]
        return result

    def control(self, what: str, method: str = "GET", **more: Any) -> httpx.Response:
        return self.server.http.request(method, f"/control/{what}", headers={"mcp-session-id": self.session_id}, **more)

    def json(self, what: str) -> Any:
        return self.control(what).raise_for_status().json()

    def world(self) -> dict[str, Any]:
        """Return what our own control plane shows of the session's world."""
        state: dict[str, Any] = self.server.http.get(f"/v1/episodes/compat-{self.session_id}").json()
        return state

    def end(self) -> None:
        assert self.control("reset_session", "POST", json={"seed": None}).status_code == 200
        assert self.server.http.delete(self.path, headers=self.transport).status_code == 200


RolloutOf: TypeAlias = Callable[..., Rollout]


@pytest.fixture(scope="module")
def compatible(start_for_all: Start, installed_domains: frozenset[str]) -> Server:
    return start_for_all("mock", *sorted(installed_domains - {"mock"}))


@pytest.fixture
def rollout_of(compatible: Server) -> RolloutOf:
    """Return rollouts: `rollout_of(session_id, server=…, path="/mcp/", seed=7, config={…})`."""

    def make(session_id: str, *, server: Server | None = None, path: str = "/mcp", **extra: Any) -> Rollout:
        return Rollout(server or compatible, session_id, extra, path)

    return make


@pytest.fixture
def rollout(rollout_of: RolloutOf, request: pytest.FixtureRequest) -> Rollout:
    """A rollout of this test's own."""
    return rollout_of(hashlib.md5(request.node.name.encode()).hexdigest())
