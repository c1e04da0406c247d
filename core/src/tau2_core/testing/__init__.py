"""Tools for testing packs and agents: environments, scripted models, the contract of a pack; imported on first use.

If the package `tau2_gym_eval_protocol` is installed, its names (`evaluation_test`, rows, processors) are available here
too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tau2_core.testing.environments import DomainEnvironment as DomainEnvironment
    from tau2_core.testing.environments import open_environment as open_environment
    from tau2_core.testing.gold_script import GoldScript as GoldScript
    from tau2_core.testing.pack_contract import assert_pack_contract as assert_pack_contract
    from tau2_core.testing.scripted_endpoint import Asked as Asked
    from tau2_core.testing.scripted_endpoint import ScriptedEndpoint as ScriptedEndpoint
    from tau2_core.testing.scripted_endpoint import call as call
    from tau2_core.testing.scripted_endpoint import say as say

EVALUATIONS = "tau2_gym_eval_protocol"
_HOMES = {
    "environments": ["DomainEnvironment", "open_environment"],
    "gold_script": ["GoldScript"],
    "pack_contract": ["assert_pack_contract"],
    "scripted_endpoint": ["Asked", "ScriptedEndpoint", "call", "say"],
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    missing = f"module {__name__!r} has no attribute {name!r}"
    if name.startswith("_"):
        raise AttributeError(missing)
    try:
        evaluations = import_module(EVALUATIONS)
    except ModuleNotFoundError as error:
        if error.name != EVALUATIONS:
            raise
        hint = "evaluation_test and its rows come with pip install tau2-gym-eval-protocol"
        raise AttributeError(f"{missing}; {hint}") from error
    if name not in dir(evaluations):
        raise AttributeError(missing)
    return getattr(evaluations, name)


def __dir__() -> list[str]:
    return sorted(_MODULES)
