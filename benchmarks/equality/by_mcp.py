"""Episodes over MCP only: messages to the customer are tool calls too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from benchmarks.equality.played import Done, GymServer, Played, done, kept_record


def by_mcp(domain: str, played: Sequence[Played], gym_server: GymServer) -> list[Done]:
    """Play each episode with an MCP client."""
    return [asyncio.run(_play(gym_server.address, domain, each)) for each in played]


async def _play(address: str, domain: str, played: Played) -> Done:
    record = played.record
    async with httpx2.AsyncClient(base_url=address, timeout=60, trust_env=False) as http:
        body = {"domain": domain, "task_id": record.task_id, "seed": record.seed}
        made: dict[str, Any] = (await http.post("/v1/episodes", json=body)).raise_for_status().json()
        async with Client(streamable_http_client(made["mcp_url"], http_client=http)) as client:
            await client.call_tool("start_conversation", {})
            for action in played.actions:
                if action.startswith("{"):
                    call = json.loads(action)
                    await client.call_tool(call["name"], call["arguments"])
                else:
                    await client.call_tool("send_message_to_user", {"message": action})
        reward = (await http.get(made["control_url"] + "/reward")).raise_for_status().json()["reward"]
    return done(reward, kept_record(address, made["id"]))
