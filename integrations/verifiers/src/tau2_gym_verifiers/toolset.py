"""The tool server that verifiers gives to agents: it forwards calls to the MCP URL of each rollout's episode."""

from __future__ import annotations

from typing import Any

import verifiers.v1 as vf
from mcp_types import CallToolResult, Tool
from tau2_core.gym.client import open_sides

from tau2_gym_verifiers.episode import RolloutState


class Tau2Toolset(vf.Toolset[vf.SharedToolsetConfig, RolloutState]):
    """One process for all rollouts: verifiers supports only one tool server, but each episode has its own URL."""

    TOOL_PREFIX = None

    def register(self, mcp: Any) -> None:
        """Register handlers that list and call the tools of the requesting rollout's episode."""
        mcp.list_tools = self._with_state(self.list_tools)
        mcp.call_tool = self._with_state(self.call_tool)

    async def list_tools(self) -> list[Tool]:
        """Return the tools of the rollout's episode."""
        async with open_sides({"assistant": self.state.mcp_url}) as sides:
            return (await sides["assistant"].list_tools()).tools

    async def call_tool(self, name: str, arguments: dict[str, Any], _context: Any = None) -> CallToolResult:
        """Call a tool in the rollout's episode."""
        async with open_sides({"assistant": self.state.mcp_url}) as sides:
            result = await sides["assistant"].call_tool(name, arguments)
        assert isinstance(result, CallToolResult)
        return result


if __name__ == "__main__":
    Tau2Toolset.run()
