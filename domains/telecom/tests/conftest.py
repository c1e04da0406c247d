"""Worlds for tests: with the pack's own data, and with the official data if they are available."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.model.messages import Requestor, ToolCall
from tau2_core.model.tasks import Assertion, FunctionCall
from tau2_core.runs.loading import load_setting, open_catalogue

PACK = Path(__file__).parents[1]
DATASET = Path(__file__).parents[4] / "shared" / "tau2-bench"


class World:
    """One environment, with short helpers for tests."""

    def __init__(self, setting: Setting) -> None:
        self.environment = Environment(setting)

    def agent(self, name: str, /, **arguments: Any) -> str:
        """Make an agent's tool call that must succeed."""
        return self.call("assistant", name, arguments)

    def user(self, name: str, /, **arguments: Any) -> str:
        """Make a customer's tool call that must succeed."""
        return self.call("user", name, arguments)

    def call(self, requestor: Requestor, name: str, arguments: dict[str, Any], *, fails: bool = False) -> str:
        result = self.environment.call(ToolCall(name=name, arguments=arguments, requestor=requestor))
        assert (result.failure is not None) == fails, f"{name}: {result.content}"
        return result.content

    def account(self, name: str, /, **arguments: Any) -> Any:
        """Call a function of the agent's side, as tasks do."""
        return self.environment.call_function(FunctionCall(env_type="assistant", func_name=name, arguments=arguments))

    def phone(self, name: str, /, **arguments: Any) -> Any:
        """Call a function of the customer's side, as tasks do."""
        return self.environment.call_function(FunctionCall(env_type="user", func_name=name, arguments=arguments))

    def holds(self, requestor: Requestor, name: str, /, **arguments: Any) -> bool:
        return self.environment.holds(Assertion(env_type=requestor, func_name=name, arguments=arguments))

    @property
    def device(self) -> Any:
        return self.environment.worlds["user"].read_field("device")

    @property
    def surroundings(self) -> Any:
        return self.environment.worlds["user"].read_field("surroundings")

    def record(self, table: str, key: str, value: str) -> Any:
        """Return the first record of a list whose field has a value."""
        rows = self.environment.worlds["agent"].read_field(table)
        return next(row for row in rows if getattr(row, key) == value)

    def hashes(self) -> dict[str, str]:
        return self.environment.official_hashes()


NewWorld = Callable[[], World]


@pytest.fixture(scope="session")
def own() -> Setting:
    return load_setting(open_catalogue([PACK]), "telecom")


@pytest.fixture(scope="session")
def lenient() -> Setting:
    return load_setting(open_catalogue([PACK]), "telecom", mode="tau2")


@pytest.fixture(scope="session")
def official() -> Setting:
    if not (DATASET / "data" / "tau2" / "domains" / "telecom" / "db.toml").is_file():
        pytest.skip(f"no dataset at {DATASET}")
    return load_setting(open_catalogue([PACK]), "telecom", dataset=DATASET)


@pytest.fixture
def world(own: Setting) -> World:
    """A world in mode strict whose phone is Ingrid Halvorsen's (C2001, L2002, plan P2002: 20 GB, 2.5 a GB more)."""
    made = World(own)
    made.phone("set_user_info", name="Ingrid Halvorsen", phone_number="555-640-7002")
    return made


@pytest.fixture
def loose(lenient: Setting) -> World:
    """The same in mode tau2, which accepts arguments that violate the tools' schemas."""
    made = World(lenient)
    made.phone("set_user_info", name="Ingrid Halvorsen", phone_number="555-640-7002")
    return made


@pytest.fixture
def new_world(official: Setting) -> NewWorld:
    """Create worlds with the official data."""
    return lambda: World(official)
