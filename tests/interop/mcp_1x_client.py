"""What a client of the MCP SDK's 1.x line sees; runs in an environment of its own and prints it as JSON.

    python mcp_1x_client.py http URL CALLS.json
    python mcp_1x_client.py stdio CALLS.json COMMAND [ARGUMENT …]

`CALLS.json` holds `[[tool, arguments], …]`. Over HTTP each call after the first opens a session of its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client
from pydantic import AnyUrl

Open = Callable[[], AbstractAsyncContextManager[ClientSession]]


async def look(open_session: Open, calls: list[tuple[str, dict[str, Any]]], *, reconnect: bool) -> dict[str, Any]:
    """List what there is, read the policy both ways, and make the calls."""
    async with open_session() as session:
        begun = await session.initialize()
        seen: dict[str, Any] = {
            "sdk": version("mcp"),
            "protocol": begun.protocolVersion,
            "server": begun.serverInfo.model_dump(exclude_none=True),
            "tools": [as_json(tool) for tool in (await session.list_tools()).tools],
            "prompts": [prompt.name for prompt in (await session.list_prompts()).prompts],
            "resources": [str(resource.uri) for resource in (await session.list_resources()).resources],
            "templates": len((await session.list_resource_templates()).resourceTemplates),
            "policy_prompt": as_json((await session.get_prompt("policy")).messages[0].content)["text"],
            "policy_resource": as_json((await session.read_resource(AnyUrl("tau2://policy"))).contents[0])["text"],
        }
        seen["results"] = [await call(session, *each) for each in calls[: 1 if reconnect else None]]
    for each in calls[len(seen["results"]) :]:
        async with open_session() as session:
            await session.initialize()
            seen["results"].append(await call(session, *each))
    return seen


async def call(session: ClientSession, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    result = await session.call_tool(name, arguments)
    return {"error": result.isError, "content": [as_json(part)["text"] for part in result.content]}


def as_json(model: Any) -> dict[str, Any]:
    content: dict[str, Any] = model.model_dump(mode="json", exclude_none=True)
    return content


def over_http(url: str) -> Open:
    @asynccontextmanager
    async def open_session() -> AsyncIterator[ClientSession]:
        async with streamablehttp_client(url) as (reader, writer, _), ClientSession(reader, writer) as session:
            yield session

    return open_session


def over_stdio(command: list[str]) -> Open:
    @asynccontextmanager
    async def open_session() -> AsyncIterator[ClientSession]:
        server = StdioServerParameters(command=command[0], args=command[1:])
        async with stdio_client(server) as (reader, writer), ClientSession(reader, writer) as session:
            yield session

    return open_session


def main(transport: str, *arguments: str) -> None:
    """Look, and print what was seen."""
    if transport == "http":
        url, file = arguments
        sessions = over_http(url)
    else:
        file, *command = arguments
        sessions = over_stdio(command)
    calls = json.loads(Path(file).read_text(encoding="utf-8"))
    sys.stdout.write(json.dumps(asyncio.run(look(sessions, calls, reconnect=transport == "http"))))


if __name__ == "__main__":
    main(*sys.argv[1:])
