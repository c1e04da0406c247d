"""Plays one episode with each of OpenEnv's clients; runs in an environment that has OpenEnv and nothing of ours."""

from __future__ import annotations

import asyncio
import json
import sys

from openenv.core.env_server.mcp_types import CallToolAction
from openenv.core.generic_client import GenericEnvClient
from openenv.core.mcp_client import MCPToolClient

CALL = {"user_id": "piet_lindgren", "title": "Tune the piano"}


async def generic(base: str) -> dict[str, object]:
    async with GenericEnvClient(base_url=base) as env:
        first = await env.reset(task_id="create_plain", seed=1)
        await env.step({"type": "call_tool", "tool_name": "create_task", "arguments": CALL})
        try:
            await env.step({"type": "dance"})
        except RuntimeError as error:
            refused = str(error)
        last = first
        while not last.done:
            say = {"tool_name": "send_message_to_user", "arguments": {"message": "It is task_7 on his list now."}}
            last = await env.step({"type": "call_tool", **say})
        return {"task": first.metadata["task_id"], "refused": refused, "reward": last.reward}


async def by_tools(base: str) -> dict[str, object]:
    async with MCPToolClient(base_url=base) as env:
        await env.reset(task_id="create_plain")
        names = [tool.name for tool in await env.list_tools()]
        made = await env.call_tool("create_task", **CALL)
        action = CallToolAction(tool_name="send_message_to_user", arguments={"message": "It is task_7 on his list."})
        last = await env.step(action)
        while not last.done:
            last = await env.step(action)
        state = await env.state()
        return {"tools": names, "made": json.loads(made)["task_id"], "reward": last.reward, "steps": state.step_count}


async def main() -> None:
    json.dump({"generic": await generic(sys.argv[1]), "by_tools": await by_tools(sys.argv[1])}, sys.stdout)


asyncio.run(main())
