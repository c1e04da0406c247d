"""An agent of the OpenAI Agents SDK: `agent = OpenAIAgent(Agent(name="Desk"))`, then `--agent python:FILE.py:agent`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agents import Agent, FunctionTool, RunContextWrapper, Runner
from tau2_core import AgentContext, AssistantMessage, Message, Tool

from tau2_gym_agents.turns import MOST_REQUESTS, Adapter, Turns


class OpenAIAgent(Adapter):
    """Add the domain's tools and the policy to an agent, whose own instructions may be text, a function, or absent."""

    def __init__(self, agent: Agent[Any]) -> None:
        self.agent = agent

    def __call__(self, context: AgentContext) -> _EpisodeAgent:
        return _EpisodeAgent(self.agent, context)


class _EpisodeAgent:
    def __init__(self, agent: Agent[Any], context: AgentContext) -> None:
        self.turns = Turns(context)

        async def instructions(run: RunContextWrapper[Any], _agent: Agent[Any]) -> str:
            own = await agent.get_system_prompt(run)
            return "\n\n".join(filter(None, [own, self.turns.instructions]))

        self.agent = agent.clone(
            instructions=instructions,
            tools=[*agent.tools, *(_tool(tool, context) for tool in context.tools)],
        )
        self.items: list[Any] = []

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        new = [item for chat in self.turns.new(history) for item in _items(chat)]
        result = await Runner.run(self.agent, [*self.items, *new], max_turns=MOST_REQUESTS)
        self.items = list(result.to_input_list())
        return AssistantMessage(content=str(result.final_output))


def _tool(tool: Tool, context: AgentContext) -> FunctionTool:
    async def call(_context: Any, arguments: str) -> str:
        return (await context.call(tool.name, json.loads(arguments or "{}"))).content

    function = tool.chat_function()["function"]
    return FunctionTool(tool.name, function["description"], function["parameters"], call, strict_json_schema=False)


def _items(chat: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if chat["role"] == "tool":
        yield {"type": "function_call_output", "call_id": chat["tool_call_id"], "output": chat["content"]}
        return
    if chat["content"]:
        yield {"role": chat["role"], "content": chat["content"]}
    for call in chat.get("tool_calls") or ():
        yield {"type": "function_call", "call_id": call["id"], **call["function"]}
