"""Worlds for tests: with the pack's own data, and with the official data if they are available."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import set_state
from tau2_core.model.messages import Requestor, ToolCall
from tau2_core.model.tasks import InitializationData, InitialState
from tau2_core.model.tools import ToolResult
from tau2_core.runs.loading import load_setting, open_catalogue

PACK = Path(__file__).parents[1]
DATASET = Path(__file__).parents[4] / "shared" / "tau2-bench"


CUSTOMER = {
    "users": {"data": {"u_test": {"name": "Ines Okafor", "user_id": "u_test"}}},
    "accounts": {
        "data": {
            "acc_test": {
                "account_id": "acc_test",
                "user_id": "u_test",
                "class": "checking",
                "status": "OPEN",
                "current_holdings": "1840.00",
            }
        }
    },
    "debit_cards": {
        "data": {
            "dbc_test": {
                "card_id": "dbc_test",
                "account_id": "acc_test",
                "last_4_digits": "4410",
                "status": "ACTIVE",
                "issue_date": "03/14/2023",
            }
        }
    },
}


class World:
    """One environment, with short helpers for tests. `marks` has a sign for each call."""

    def __init__(self, setting: Setting, **options: Any) -> None:
        self.environment = Environment(setting, options={"logged_reads": (), **options})
        self.marks = ""

    def call(self, requestor: Requestor, name: str, /, **arguments: Any) -> ToolResult:
        result = self.environment.call(ToolCall(name=name, arguments=arguments, requestor=requestor))
        self.marks += "✗" if result.failure else "R" if result.refused else "✓"
        return result

    def unlock(self, *names: str) -> None:
        for name in names:
            self.call("assistant", "unlock_discoverable_agent_tool", agent_tool_name=name)

    def use(self, name: str, /, **arguments: Any) -> ToolResult:
        """Call one of the agent's hidden tools through the calling tool."""
        given = {"agent_tool_name": name, "arguments": json.dumps(arguments)}
        return self.call("assistant", "call_discoverable_agent_tool", **given)

    def give(self, name: str) -> None:
        self.call("assistant", "give_discoverable_user_tool", discoverable_tool_name=name)

    def use_handed(self, name: str, /, **arguments: Any) -> ToolResult:
        """Call one of the customer's hidden tools through the calling tool."""
        given = {"discoverable_tool_name": name, "arguments": json.dumps(arguments)}
        return self.call("user", "call_discoverable_user_tool", **given)

    def hash(self) -> str:
        hashes = self.environment.official_hashes()
        assert hashes["agent"] == hashes["user"]
        return hashes["agent"][:16]


@pytest.fixture(scope="session")
def setting_of() -> Callable[..., Setting]:
    catalogue = open_catalogue([PACK])
    return lambda **options: load_setting(catalogue, "banking_knowledge", **options)


@pytest.fixture(scope="session")
def official(setting_of: Callable[..., Setting]) -> Setting:
    if not DATASET.is_dir():
        pytest.skip("the shared official data is not here")
    return setting_of(dataset=DATASET)


@pytest.fixture
def official_world(official: Setting) -> Callable[..., World]:
    return lambda **options: World(official, **options)


@pytest.fixture
def new_world(setting_of: Callable[..., Setting]) -> Callable[..., World]:
    """Create worlds with the pack's own data and an additional customer, in argument mode `tau2`."""

    def make(**options: Any) -> World:
        world = World(setting_of(mode="tau2"), **options)
        set_state(world.environment, InitialState(initialization_data=InitializationData(agent_data=CUSTOMER)), [])
        return world

    return make
