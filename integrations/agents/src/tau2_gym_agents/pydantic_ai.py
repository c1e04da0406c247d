"""An agent of pydantic-ai: `agent = PydanticAI(Agent("openai:gpt-5"))`, then `--agent python:FILE.py:agent`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_ai import Agent, FunctionToolset, Tool, UsageLimits
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from tau2_core import AgentContext, AssistantMessage, Message
from tau2_core import Tool as DomainTool

from tau2_gym_agents.turns import MOST_REQUESTS, Adapter, Turns


class PydanticAI(Adapter):
    """Add the domain's tools and the policy to an agent that answers with text."""

    def __init__(self, agent: Agent[Any, Any]) -> None:
        self.agent = agent

    def __call__(self, context: AgentContext) -> _EpisodeAgent:
        return _EpisodeAgent(self.agent, context)


class _EpisodeAgent:
    def __init__(self, agent: Agent[Any, Any], context: AgentContext) -> None:
        self.agent, self.turns = agent, Turns(context)
        self.tools: FunctionToolset[Any] = FunctionToolset([_tool(tool, context) for tool in context.tools])
        self.messages: list[ModelMessage] = []

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        result = await self.agent.run(
            message_history=[*self.messages, *map(_message, self.turns.new(history))],
            instructions=self.turns.instructions,
            toolsets=[self.tools],
            usage_limits=UsageLimits(request_limit=MOST_REQUESTS),
        )
        self.messages = list(result.all_messages())
        return AssistantMessage(content=str(result.output))


def _tool(tool: DomainTool, context: AgentContext) -> Tool[Any]:
    async def call(**arguments: Any) -> str:
        return (await context.call(tool.name, arguments)).content

    function = tool.chat_function()["function"]
    return Tool.from_schema(call, tool.name, function["description"], function["parameters"], sequential=True)


def _message(chat: Mapping[str, Any]) -> ModelMessage:
    if chat["role"] == "user":
        return ModelRequest(parts=[UserPromptPart(chat["content"])])
    if chat["role"] == "tool":
        return ModelRequest(parts=[ToolReturnPart("", chat["content"], chat["tool_call_id"])])
    calls = [
        ToolCallPart(call["function"]["name"], json.loads(call["function"]["arguments"]), call["id"])
        for call in chat.get("tool_calls") or ()
    ]
    return ModelResponse(parts=[*([TextPart(chat["content"])] if chat["content"] else []), *calls])
