"""The options that handlers get from a task."""

from typing import Any

from tau2_core import Task

CALLING_TOOL = "call_discoverable_agent_tool"


def options(task: Task) -> dict[str, Any]:
    """Return the hidden tools that the gold calls: their use is logged even if they only read."""
    called = [action.arguments.get("agent_tool_name") for action in task.gold() if action.name == CALLING_TOOL]
    return {"logged_reads": sorted({name for name in called if isinstance(name, str)})}
