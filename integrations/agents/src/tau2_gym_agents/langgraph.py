"""A graph of LangGraph: `agent = LangGraph(make)`, then `--agent python:FILE.py:agent`.

`make(tools, instructions)` returns a compiled graph whose state has `messages`, such as
`create_agent("openai:gpt-5", tools, system_prompt=instructions)` of LangChain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.tools import StructuredTool
from langgraph.pregel import Pregel
from tau2_core import AgentContext, AssistantMessage, Message, Tool

from tau2_gym_agents.turns import MOST_REQUESTS, Adapter, Turns

MakeGraph = Callable[[list[StructuredTool], str], Pregel[Any, Any, Any, Any]]


class LangGraph(Adapter):
    """Create a graph for each episode, with the domain's tools and the policy as instructions."""

    def __init__(self, make: MakeGraph) -> None:
        self.make = make

    def __call__(self, context: AgentContext) -> _EpisodeAgent:
        return _EpisodeAgent(self.make, context)


class _EpisodeAgent:
    def __init__(self, make: MakeGraph, context: AgentContext) -> None:
        self.turns = Turns(context)
        self.graph = make([_tool(tool, context) for tool in context.tools], self.turns.instructions)
        self.messages: list[Any] = []

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        state = await self.graph.ainvoke(
            {"messages": [*self.messages, *self.turns.new(history)]}, {"recursion_limit": 2 * MOST_REQUESTS}
        )
        self.messages = list(state["messages"])
        return AssistantMessage(content=self.messages[-1].text)


def _tool(tool: Tool, context: AgentContext) -> StructuredTool:
    async def call(**arguments: Any) -> str:
        return (await context.call(tool.name, arguments)).content

    function = tool.chat_function()["function"]
    return StructuredTool.from_function(
        coroutine=call,
        name=tool.name,
        description=function["description"],
        args_schema=function["parameters"],
        infer_schema=False,
    )
