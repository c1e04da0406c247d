"""Agents behind the A2A SDK's own server, each below a path of its own that says how it answers; prints its address."""

import asyncio
import json
import socket
import sys

import uvicorn
from a2a.helpers.proto_helpers import (
    get_data_parts,
    get_text_parts,
    new_data_part,
    new_message,
    new_task_from_user_message,
    new_text_part,
)
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types.a2a_pb2 import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, Part
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.applications import Starlette
from starlette.routing import Mount
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Asked

GOLD = GoldScript.of_domain("mock")
WELL = ("message", "completed", "input-required", "tools", "traced")
BAD = ("failed", "canceled", "rejected", "auth-required", "silent", "stalled", "endless")


class Scripted(AgentExecutor):
    """Decides as the gold script says, after one call that fails."""

    def __init__(self, style: str) -> None:
        self.style = style
        self.chats: dict[str, list[dict]] = {}

    async def execute(self, context: RequestContext, queue: EventQueue) -> None:
        if self.style == "traced":
            told = new_text_part(f"traceparent: {context.call_context.state['headers'].get('traceparent')}")
            await queue.enqueue_event(new_message([told], context.context_id))
            return
        if self.style == "message":
            await queue.enqueue_event(new_message(await self.decide(context), context.context_id))
            return
        task = context.current_task or new_task_from_user_message(context.message)
        if context.current_task is None:
            await queue.enqueue_event(task)
        updater = TaskUpdater(queue, task.id, task.context_id)
        words = updater.new_agent_message([new_text_part("because")])
        match self.style:
            case "completed":
                await updater.start_work()
                await updater.add_artifact(await self.decide(context))
                await updater.complete()
            case "input-required" | "tools":
                await updater.requires_input(updater.new_agent_message(await self.decide(context)))
            case "failed":
                await updater.failed(words)
            case "canceled":
                await updater.cancel(words)
            case "rejected":
                await updater.reject(words)
            case "auth-required":
                await updater.requires_auth(words)
            case "silent":
                await updater.complete()
            case "stalled":
                await asyncio.sleep(3600)
            case "endless":
                while True:
                    await updater.start_work(words)
                    await asyncio.sleep(0.05)

    async def cancel(self, context: RequestContext, queue: EventQueue) -> None:
        raise NotImplementedError

    async def decide(self, context: RequestContext) -> list[Part]:
        chat = self.chats.setdefault(context.context_id, [])
        for data in get_data_parts(context.message.parts):
            chat += [{"role": "tool", **result} for result in data.get("tool_results", [])]
        chat += [{"role": "user", "content": text} for text in get_text_parts(context.message.parts)]
        while True:
            failing = {"name": "update_task_status", "arguments": '{"task_id": "task_99", "status": "completed"}'}
            calls = [{"id": f"c{len(chat)}", "function": failing}]
            content = None
            if any("task_99" in str(each) for each in chat):
                message = GOLD(Asked(0, "", {}, {"model": "agent", "messages": chat})).message
                content = message["content"]
                calls = [{"id": f"c{len(chat)}", **call} for call in message.get("tool_calls") or []]
            chat.append({"role": "assistant", "content": content, "tool_calls": calls})
            if not calls:
                return [new_text_part(content)]
            if self.style == "tools":
                return [new_data_part({"tool_calls": calls})]
            for call in calls:
                result = await call_over_mcp(context.message.metadata["mcp_url"], **call["function"])
                chat.append({"role": "tool", "tool_call_id": call["id"], "content": result})


async def call_over_mcp(url: str, name: str, arguments: str) -> str:
    async with Client(streamable_http_client(url)) as client:
        return (await client.call_tool(name, json.loads(arguments))).content[0].text


def routes(style: str, address: str) -> Mount:
    card = AgentCard(
        name=style,
        description="a scripted agent",
        version="1",
        capabilities=AgentCapabilities(streaming=style != "input-required"),
        supported_interfaces=[
            AgentInterface(protocol_binding="JSONRPC", url=f"{address}/{style}/rpc", protocol_version="1.0")
        ],
        skills=[AgentSkill(id="service", name="service", description="serves customers", tags=["service"])],
        default_input_modes=["text"],
        default_output_modes=["text"],
    )
    handler = DefaultRequestHandler(agent_executor=Scripted(style), task_store=InMemoryTaskStore(), agent_card=card)
    return Mount(f"/{style}", routes=[*create_agent_card_routes(card), *create_jsonrpc_routes(handler, "/rpc")])


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    print(address, flush=True)  # noqa: T201 - for the test that started it
    app = Starlette(routes=[routes(style, address) for style in (*WELL, *BAD)])
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
    sys.exit()
