"""The sync hook: when it runs, in which order with the calls, and what happens if it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import set_state
from tau2_core.model.episodes import ArgumentMode
from tau2_core.model.messages import AssistantMessage, Requestor, ToolCall, ToolMessage
from tau2_core.model.tasks import Assertion, FunctionCall, InitialState
from tau2_core.model.tools import Failure, ToolResult

HANDLERS = """
from tau2_core import ToolError

def note(db, text: str) -> str:
    db.log.append(text)
    return text

def look(db) -> str:
    return "looked"

def refuse(db) -> str:
    db.log.append("refused")
    raise ToolError("no")

def pay(db, coins: int) -> str:
    db.pockets["left"].coins -= coins
    return "paid"

def is_rich(db) -> bool:
    return db.pockets["left"].coins > 1
"""
COUNTING = """
def sync(agent, user) -> None:
    agent.log.append(f"sync {user.pockets['left'].coins}")
"""
WITH_CONTEXT = """
def sync(user, context, agent) -> None:
    agent.log = [context.now.isoformat()]
"""
FAILING = """
from tau2_core import reading

def sync(agent, user) -> None:
    if "poison" in reading(agent).log:
        user.pockets["left"].coins += 100
        raise ValueError("sync failed")
    agent.log.append("sync")
"""
TOOLS: dict[str, dict[str, Any]] = {
    "note": {"kind": "write", "parameters": {"text": "string"}},
    "look": {},
    "refuse": {"kind": "write"},
}
USER_TOOLS: dict[str, dict[str, Any]] = {"pay": {"kind": "write", "parameters": {"coins": "integer"}}}
FUNCTIONS: dict[str, dict[str, Any]] = {"is_rich": {"kind": "assertion", "role": "user"}}


@pytest.fixture(scope="module")
def pack(small_pack: Callable[..., Setting]) -> Callable[[str], Setting]:
    """Return a setting whose pack has the given sync function; each pack is created once."""
    known: dict[str, Setting] = {}

    def get(sync: str) -> Setting:
        if sync not in known:
            options: dict[str, Any] = {"user_tools": USER_TOOLS, "functions": FUNCTIONS, "sync": "handlers.tools:sync"}
            known[sync] = small_pack(HANDLERS + sync, TOOLS, **options)
        return known[sync]

    return get


Pack = Callable[[str], Setting]


def call(environment: Environment, name: str, requestor: Requestor = "assistant", **arguments: Any) -> ToolResult:
    return environment.call(ToolCall(name=name, arguments=arguments, requestor=requestor))


def log(environment: Environment) -> list[str]:
    return list(environment.worlds["agent"].read_field("log"))


def test_sync_runs_when_an_environment_is_created(pack: Pack) -> None:
    assert log(Environment(pack(COUNTING))) == ["start", "sync 3"]


def test_sync_runs_after_every_successful_call_of_either_side(pack: Pack) -> None:
    environment = Environment(pack(COUNTING))
    call(environment, "note", text="n")
    call(environment, "look")
    call(environment, "pay", "user", coins=2)
    assert log(environment) == ["start", "sync 3", "n", "sync 3", "sync 3", "sync 1"]


def test_sync_does_not_run_after_a_failed_call(pack: Pack) -> None:
    environment = Environment(pack(COUNTING))
    for name in ("refuse", "no_such_tool"):
        assert call(environment, name).failure is not None
    assert log(environment) == ["start", "sync 3"]


@pytest.mark.parametrize(("mode", "after"), [("tau2", []), ("strict", ["sync 3"])])
def test_sync_runs_after_a_direct_run_except_in_mode_tau2(pack: Pack, mode: ArgumentMode, after: list[str]) -> None:
    environment = Environment(Setting(pack(COUNTING).pack, mode=mode))
    environment.run(ToolCall(name="note", arguments={"text": "gold"}))
    assert log(environment) == ["start", "sync 3", "gold", *after]


def test_sync_runs_after_functions_and_assertions(pack: Pack) -> None:
    environment = Environment(pack(COUNTING))
    environment.call_function(FunctionCall(env_type="user", func_name="pay", arguments={"coins": 1}))
    assert environment.holds(Assertion(env_type="user", func_name="is_rich"))
    assert log(environment) == ["start", "sync 3", "sync 2", "sync 2"]


def test_sync_runs_after_each_set_up_action_and_replayed_call_and_at_the_end(pack: Pack) -> None:
    environment = Environment(pack(COUNTING))
    actions = [
        {"env_type": "user", "func_name": "pay", "arguments": {"coins": 1}},
        {"env_type": "assistant", "func_name": "note", "arguments": {"text": "action"}},
    ]
    data = {"agent_data": {"log": ["data"]}}
    initial = InitialState.model_validate({"initialization_data": data, "initialization_actions": actions})
    asked = AssistantMessage(tool_calls=[ToolCall(id="1", name="note", arguments={"text": "replayed"})])
    assert set_state(environment, initial, [asked, ToolMessage(id="1", content="replayed")]) == []
    assert log(environment) == ["data", "sync 2", "action", "sync 2", "replayed", "sync 2", "sync 2"]


def test_sync_may_take_the_context_and_its_arguments_in_any_order(pack: Pack) -> None:
    assert log(Environment(pack(WITH_CONTEXT))) == ["2025-03-01T09:00:00"]


@pytest.mark.parametrize("name", ["note", "look"])
def test_a_failing_sync_fails_the_call_and_in_strict_mode_undoes_it_on_both_sides(pack: Pack, name: str) -> None:
    setting = pack(FAILING)
    modes: dict[ArgumentMode, bool] = {"strict": True, "tau2": False}
    for mode, same in modes.items():
        environment = Environment(Setting(setting.pack, mode=mode))
        if name == "look":
            environment.worlds["agent"].write_field("log").append("poison")
        before = environment.digests()
        arguments: dict[str, Any] = {"text": "poison"} if name == "note" else {}
        result = call(environment, name, **arguments)
        assert (result.failure, result.content) == (Failure.CRASHED, "Error: sync failed")
        assert (environment.digests() == before) is same
        assert environment.worlds["user"].read_field("pockets")["left"].coins == (3 if same else 103)
