"""Plays episodes with OpenEnv's client: a plan as JSON on standard input, rewards and records on standard output.

It runs in an environment that has OpenEnv but none of our packages.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from typing import Any

from openenv.core.generic_client import GenericEnvClient


def as_action(action: str) -> dict[str, Any]:
    """Return an action of the run in OpenEnv's format."""
    if action.startswith("{"):
        call = json.loads(action)
        return {"type": "call_tool", "tool_name": call["name"], "arguments": call["arguments"]}
    return {"type": "call_tool", "tool_name": "send_message_to_user", "arguments": {"message": action}}


async def play(address: str, domain: str, episode: dict[str, Any]) -> dict[str, Any]:
    """Play one episode; return its reward and the server's record."""
    async with GenericEnvClient(base_url=f"{address}/openenv/{domain}") as env:
        result = await env.reset(task_id=episode["task_id"], seed=episode["seed"])
        episode_id = result.metadata["episode_id"]
        for action in episode["actions"]:
            result = await env.step(as_action(action))
        assert result.done, episode
        with urllib.request.urlopen(f"{address}/v1/episodes/{episode_id}/record") as record:
            return {"reward": result.reward, "record": json.load(record)}


async def main() -> None:
    plan = json.load(sys.stdin)
    done = [await play(plan["address"], plan["domain"], episode) for episode in plan["episodes"]]
    json.dump(done, sys.stdout)


asyncio.run(main())
