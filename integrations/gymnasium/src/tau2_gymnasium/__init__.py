"""Gymnasium environments for the domains of tau2-gym. Importing this module registers an id for each domain and side.

gymnasium.make("tau2_gymnasium:tau2_gym/airline-v0", split="train")
gymnasium.make("tau2_gymnasium:tau2_gym/airline-customer-v0", agent="oracle")
"""

from __future__ import annotations

import gymnasium
from tau2_core import installed_domains
from tau2_core.episode.transcript import written_call

from tau2_gymnasium.actions import UnicodeText, read_action
from tau2_gymnasium.environments import AgentEnv, CustomerEnv
from tau2_gymnasium.seat import Reward
from tau2_gymnasium.vector import VectorAgentEnv, VectorCustomerEnv

__all__ = [
    "AgentEnv",
    "CustomerEnv",
    "Reward",
    "UnicodeText",
    "VectorAgentEnv",
    "VectorCustomerEnv",
    "read_action",
    "register_domains",
    "written_call",
]


def register_domains() -> None:
    """Register an id for each side of each installed domain, unless it exists. Reads no pack's data."""
    for domain in installed_domains():
        for suffix, side in (("", "Agent"), ("-customer", "Customer")):
            name = f"tau2_gym/{domain}{suffix}-v0"
            if name not in gymnasium.registry:
                gymnasium.register(
                    name,
                    entry_point=f"tau2_gymnasium.environments:{side}Env",
                    vector_entry_point=f"tau2_gymnasium.vector:Vector{side}Env",
                    kwargs={"domain": domain},
                )


register_domains()
