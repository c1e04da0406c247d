"""The names of tau2-bench's gym: programs that used it need to change only the import.

Its keywords work, as do its ids after `register_gym_agent()`. `info` differs: it never reveals the gold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium

from tau2_gymnasium.environments import AgentEnv, CustomerEnv

AGENT_ID = "tau-bench-v0"
USER_ID = "tau-bench-user-v0"


class AgentGymEnv(AgentEnv):
    """`AgentEnv` with the keywords of tau2-bench. Without `user_llm` the customer is scripted."""

    def __init__(
        self,
        domain: str,
        task_id: str,
        max_steps: int = 100,
        solo_mode: bool = False,
        user_llm: str | None = None,
        user_llm_args: Mapping[str, Any] | None = None,
        all_messages_as_observation: bool = False,
    ) -> None:
        options: dict[str, Any] = {"max_steps": max_steps, "solo": solo_mode}
        if user_llm is not None and not solo_mode:
            options["user"] = {"model": user_llm, "args": dict(user_llm_args or {})}
        super().__init__(domain, task_id=task_id, all_messages_as_observation=all_messages_as_observation, **options)


class UserGymEnv(CustomerEnv):
    """`CustomerEnv` with the keywords of tau2-bench. Without `agent_llm` the agent is scripted."""

    def __init__(
        self,
        domain: str,
        task_id: str,
        max_steps: int = 100,
        agent_llm: str | None = None,
        agent_llm_args: Mapping[str, Any] | None = None,
        all_messages_as_observation: bool = False,
    ) -> None:
        options: dict[str, Any] = {"max_steps": max_steps}
        if agent_llm is not None:
            options["agent"] = {"model": agent_llm, "args": dict(agent_llm_args or {})}
        super().__init__(domain, task_id=task_id, all_messages_as_observation=all_messages_as_observation, **options)


def register_gym_agent() -> None:
    """Register the ids of tau2-bench, unless they exist."""
    for name, entry in ((AGENT_ID, "AgentGymEnv"), (USER_ID, "UserGymEnv")):
        if name not in gymnasium.registry:
            gymnasium.register(name, entry_point=f"{__name__}:{entry}")
