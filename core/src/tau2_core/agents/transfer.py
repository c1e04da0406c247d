"""A baseline agent that transfers every customer at once."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from tau2_core.agents.sampling import sample_arguments
from tau2_core.episode.solo import DONE
from tau2_core.model.messages import AssistantMessage, Message, ToolCall
from tau2_core.model.participants import AgentContext


class AlwaysTransfer:
    """Calls the tool that the pack marks with `transfers`, tells the customer, then says nothing more."""

    def __init__(self, context: AgentContext) -> None:
        self.tool = next((tool for tool in context.tools if tool.transfers), None)
        self.solo = context.solo
        self.random = Random(context.seed)
        self.called = False

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        if self.tool is not None and not self.called:
            self.called = True
            arguments = sample_arguments(self.tool.parameters, self.random, ["The customer asks for help."])
            return AssistantMessage(tool_calls=[ToolCall(id="call_1", name=self.tool.name, arguments=arguments)])
        if self.solo:
            return AssistantMessage(tool_calls=[ToolCall(id="call_2", name=DONE, arguments={})])
        return AssistantMessage(content="You are being transferred to a human agent. Please hold.")
