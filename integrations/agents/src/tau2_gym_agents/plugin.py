"""What this package adds to tau2-gym: agents that are reached by the A2A protocol."""

from __future__ import annotations

from tau2_core import AgentKind, Lazy, hookimpl


@hookimpl
def tau2_agent_kinds() -> list[AgentKind]:
    home = "tau2_gym_agents.a2a"
    return [
        AgentKind("a2a", "an A2A agent that calls the tools itself over MCP", "URL", Lazy(f"{home}:over_mcp")),
        AgentKind("a2a-tools", "an A2A agent that is offered the tools in messages", "URL", Lazy(f"{home}:with_tools")),
    ]
