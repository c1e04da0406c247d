"""Convert our tools to Inspect's, with the same names, descriptions and schemas; every call goes to the episode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anyio
from inspect_ai.model import ChatMessageAssistant, ChatMessageTool, execute_tools
from inspect_ai.tool import ToolCall as InspectCall
from inspect_ai.tool import ToolDef, ToolError, ToolParams
from tau2_core import Episode, Tool, ToolResult
from tau2_core.llm.chat import UNPARSABLE
from tau2_core.model.participants import CallTool

from tau2_gym_inspect.messages import tool_error


def inspect_tools(episode: Episode, at_end: Callable[[], object] | None = None) -> list[ToolDef]:
    """Return the agent's tools in an episode. Their calls run one at a time.

    `at_end` is called after a call that has ended the episode.
    """
    one_at_a_time = anyio.Lock()

    async def call(name: str, arguments: Mapping[str, Any]) -> ToolResult:
        async with one_at_a_time:
            if episode.ended is not None:
                raise ToolError("the episode has ended")
            result = await episode.call(name, **arguments)
        if at_end is not None and episode.ended is not None:
            at_end()
        return result

    return [inspect_tool(tool, call) for tool in episode.tools]


def inspect_tool(tool: Tool, call: CallTool) -> ToolDef:
    """Return a tool whose calls are made by `call`. A failed call is an error that the model reads."""

    async def execute(**kwargs: Any) -> str:
        result = await call(tool.name, kwargs)
        if result.failure is not None:
            raise ToolError(result.content)
        return result.content

    parameters = ToolParams.model_validate(tool.parameters)
    return ToolDef(execute, tool.name, tool.description, parameters, max_output=0)  # 0: nothing is cut off


async def make_call(episode: Episode, tools: list[ToolDef], call: InspectCall) -> ChatMessageTool:
    """Make one call through Inspect, with its approval and events, and return the result.

    A call that Inspect cannot parse is passed to the episode, which refuses it, so that it counts as a failed call.
    """
    done = await execute_tools([ChatMessageAssistant(content="", tool_calls=[call])], tools)
    (result,) = (message for message in done.messages if isinstance(message, ChatMessageTool))
    if result.error is None or result.error.type != "parsing":
        return result
    arguments = call.arguments if call.parse_error is None else {UNPARSABLE: call.parse_error}
    answer = await episode.call(call.function, **arguments)
    error = None if answer.failure is None else tool_error(answer.content)
    return result.model_copy(update={"content": answer.content, "error": error})
