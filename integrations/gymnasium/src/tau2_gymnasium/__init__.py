"""Gymnasium environments for the domains of tau2-gym. Importing this module registers an id for each domain and side.

gymnasium.make("tau2_gymnasium:tau2_gym/airline-v0", split="train")
gymnasium.make("tau2_gymnasium:tau2_gym/airline-customer-v0", agent="oracle")

`BothSidesEnv`, which needs PettingZoo, is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tau2_core.errors import MissingExtraError

try:
    import gymnasium
except ImportError as error:
    raise MissingExtraError("environments", "Gymnasium", "", "tau2-gym-gymnasium") from error

from tau2_core import installed_domains
from tau2_core.episode.transcript import written_call

from tau2_gymnasium.actions import UnicodeText, read_action
from tau2_gymnasium.environments import AgentEnv, CustomerEnv
from tau2_gymnasium.played_side import Reward
from tau2_gymnasium.vector import VectorAgentEnv, VectorCustomerEnv

if TYPE_CHECKING:
    from tau2_gymnasium.both_sides import BothSidesEnv

__all__ = [
    "AgentEnv",
    "BothSidesEnv",
    "CustomerEnv",
    "Reward",
    "UnicodeText",
    "VectorAgentEnv",
    "VectorCustomerEnv",
    "read_action",
    "register_domains",
    "written_call",
]


def __getattr__(name: str) -> Any:
    if name != "BothSidesEnv":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from tau2_gymnasium.both_sides import BothSidesEnv
    except ImportError as error:
        raise MissingExtraError(
            "environments of both sides", "PettingZoo", "pettingzoo", "tau2-gym-gymnasium"
        ) from error
    return BothSidesEnv


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
