"""The pack on its own data: what is hidden, what is logged, and how variants search."""

import json
from collections.abc import Callable
from typing import Any

import pytest

FREEZE, LIST = "freeze_debit_card_3892", "get_debit_cards_by_account_id_7823"


def changed(world: Any) -> list[str]:
    """Return the tables that a world has changed, without the tests' additional customer."""
    touched = world.environment.worlds["agent"].touched()
    return sorted({name.partition(".")[0] for name, key in touched if key not in ("u_test", "dbc_test")})


@pytest.fixture
def world(new_world: Callable[..., Any]) -> Any:
    return new_world()


def test_hidden_tools_are_not_listed(setting_of: Any) -> None:
    setting = setting_of()
    listed = [*setting.tools("agent"), *setting.tools("user")]
    assert (len(listed), listed[0]) == (21, "KB_search")
    assert (len(setting.hidden_tools("agent")), len(setting.hidden_tools("user"))) == (44, 4)
    assert not any(name in setting.policy_text for name in setting.hidden_tools("agent"))


def test_a_refused_write_is_logged_and_a_read_is_not(world: Any) -> None:
    world.unlock(FREEZE, LIST)
    assert changed(world) == ["accounts"]
    world.use(LIST, account_id="acc_test")
    assert changed(world) == ["accounts"]
    assert world.use(FREEZE, card_id="none").refused
    assert changed(world) == ["accounts", "agent_discoverable_tools"]


def test_a_read_that_the_task_requires_is_logged(new_world: Callable[..., Any]) -> None:
    world = new_world(logged_reads=[LIST])
    world.unlock(LIST)
    cards = json.loads(world.use(LIST, account_id="acc_test").content)
    assert [list(card)[-2:] for card in cards] == [["card_number_last_4", "date_issued"]]
    assert changed(world) == ["accounts", "agent_discoverable_tools"]


def test_the_customer_can_call_tools_that_the_agent_unlocked(world: Any) -> None:
    deposit = {"account_id": "acc_test", "check_amount": 10}
    assert world.use_handed("deposit_check_3847", **deposit).refused
    assert changed(world) == ["accounts"]
    world.give("deposit_check_3847")
    assert "1850.00" in world.use_handed("deposit_check_3847", **deposit).content
    assert changed(world) == ["accounts", "user_discoverable_tool_calls", "user_discoverable_tools"]


@pytest.mark.parametrize("arguments", ["", "{", "[1]", "5", '{"card_id": "x", "more": 1}', "{}"])
def test_arguments_that_violate_the_schema_are_refused(world: Any, arguments: str) -> None:
    world.unlock(FREEZE)
    given = {"agent_tool_name": FREEZE, "arguments": arguments}
    assert world.call("assistant", "call_discoverable_agent_tool", **given).refused
    assert changed(world) == ["accounts"]


def test_arguments_that_are_not_text_are_an_error(world: Any) -> None:
    world.unlock(FREEZE)
    for arguments in (None, {"card_id": "x"}, 5):
        given = {"agent_tool_name": FREEZE, "arguments": arguments}
        assert world.call("assistant", "call_discoverable_agent_tool", **given).failure is not None


def test_a_quote_breaks_a_lookup_but_not_an_existence_check(world: Any) -> None:
    assert world.call("assistant", "get_user_information_by_id", user_id='x"y').refused
    found = world.call("assistant", "get_user_information_by_id", user_id='", "name__startswith": "Ines')
    assert found.content == "No records found in 'users'."
    found = world.call("assistant", "get_user_information_by_name", customer_name='Ines Okafor", "limit": "1')
    assert found.failure == "crashed"  # a limit that is not a number


@pytest.mark.parametrize(
    ("variant", "tools"),
    [
        ("no_knowledge", []),
        ("bm25", ["KB_search"]),
        ("bm25_grep", ["KB_search", "grep"]),
        ("grep_only", ["grep"]),
        ("full_kb", []),
        ("golden_retrieval", []),
    ],
)
def test_a_variant_has_its_own_search_tools(setting_of: Any, variant: str, tools: list[str]) -> None:
    setting = setting_of(variant=variant)
    own = list(setting.tools("agent"))[: -len(setting.pack.tools["agent"]) + len(setting.hidden_tools("agent"))]
    assert own == tools
    task = next(task for task in setting.tasks().values() if task.required_documents)
    (title, *_) = [each.title for each in setting.knowledge.documents if each.id in (task.required_documents or ())]
    assert (f"## {title}\n" in setting.policy_text) == (variant == "full_kb")
    assert (f"## {title}\n" in setting.policy_for(task)) == (variant in ("full_kb", "golden_retrieval"))
