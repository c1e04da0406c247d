"""A variant that lists what is unlocked: clients of both eras are told, see it, call it; other episodes do not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from mcp.client.client import Client
from mcp_types import ToolListChangedNotification

from tests.gym.conftest import SECONDS, World

if TYPE_CHECKING:
    from tau2_core.episode.setting import Setting

    from tests.gym.conftest import Server

SettingOf = Callable[..., "Setting"]
pytestmark = pytest.mark.domain("banking_knowledge")
FREEZE, CARD = "freeze_debit_card_3892", {"card_id": "no_such_card"}
DIGITS, ACCOUNT = "get_card_last_4_digits", {"credit_card_account_id": "no_such_account"}
UNLOCK, GIVE = "unlock_discoverable_agent_tool", "give_discoverable_user_tool"


@asynccontextmanager
async def told_client(url: str, mode: str) -> AsyncIterator[tuple[Client, asyncio.Event]]:
    """Connect a client, with an event that is set when the server says that the tools have changed."""
    told = asyncio.Event()

    async def hear(message: object) -> None:
        if isinstance(message, ToolListChangedNotification):
            told.set()

    async def follow(client: Client) -> None:
        async with client.listen(tools_list_changed=True) as events:
            listening.set()
            async for _ in events:
                told.set()

    listening = asyncio.Event()
    async with Client(url, mode=mode, message_handler=hear) as client:
        assert client.server_capabilities.tools is not None
        assert client.server_capabilities.tools.list_changed is True
        if mode == "legacy":
            yield client, told
            return
        async with asyncio.TaskGroup() as group:
            following = group.create_task(follow(client))
            await listening.wait()
            yield client, told
            following.cancel()


async def names(client: Client) -> list[str]:
    return [tool.name for tool in (await client.list_tools()).tools]


def native(server: Server, **wishes: Any) -> World:
    return server.create("banking_knowledge", variant="native", **wishes)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_client_is_told_of_an_unlocked_tool_and_calls_it(server: Server, setting_of: SettingOf, mode: str) -> None:
    hidden = setting_of("banking_knowledge").hidden_tools("agent")
    world, other = native(server), native(server)

    async def play() -> None:
        async with told_client(world.mcp_url, mode) as (client, told), Client(other.mcp_url, mode=mode) as bystander:
            before = await names(client)
            assert (await client.call_tool(FREEZE, CARD)).is_error
            unlocked = []
            for name in [FREEZE, *(each for each in hidden if each != FREEZE)]:
                await client.call_tool(UNLOCK, {"agent_tool_name": name})
                unlocked.append(name)
                if told.is_set():  # a client with a session opens its stream at a time of its own
                    break
            await asyncio.wait_for(told.wait(), SECONDS)
            assert await names(client) == [*before, *unlocked]
            refused = await client.call_tool(FREEZE, CARD)
            assert "there is no debit card 'no_such_card'" in str(refused.content)
            assert await names(bystander) == before
            assert ((await bystander.call_tool(FREEZE, CARD)).meta or {})["tau2-gym/failure"] == "unknown_tool"

    asyncio.run(play())
    world.control("POST", "/reset")
    assert FREEZE not in [tool["name"] for tool in world.tools()]
    for each in (world, other):
        each.delete()


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_customer_is_told_of_what_the_agent_hands_over(server: Server, mode: str) -> None:
    world = native(server)

    async def play() -> None:
        async with told_client(world.urls["user_mcp_url"], mode) as (customer, told):
            before = await names(customer)
            given = [DIGITS, "get_referral_link", "deposit_check_3847", "submit_cash_back_dispute_0589"]
            for count, name in enumerate(given, 1):
                world.text(GIVE, {"discoverable_tool_name": name})
                assert await names(customer) == [*before, *given[:count]]
            await asyncio.wait_for(told.wait(), SECONDS)
            answer = await customer.call_tool(DIGITS, ACCOUNT)
            assert "no_such_account" in str(answer.content)

    asyncio.run(play())
    assert DIGITS not in [tool["name"] for tool in world.tools()]
    record = world.record()
    assert record["unlocked"] == world.state()["unlocked"]
    assert record["unlocked"]["user"][0] == DIGITS
    world.delete()


def test_by_default_a_hidden_tool_is_reached_through_the_calling_tool_only(server: Server) -> None:
    world = server.create("banking_knowledge")
    before = world.tools()
    world.text(UNLOCK, {"agent_tool_name": FREEZE})
    assert world.tools() == before
    assert world.call(FREEZE, CARD)["_meta"]["tau2-gym/failure"] == "unknown_tool"
    calling = {"agent_tool_name": FREEZE, "arguments": json.dumps(CARD)}
    assert world.call("call_discoverable_agent_tool", calling)["_meta"]["tau2-gym/failure"] == "refused"
    world.delete()


def test_a_refusal_without_an_error_flag_is_marked(server: Server) -> None:
    world = server.create("banking_knowledge", mode="tau2")
    declined = world.call(UNLOCK, {"agent_tool_name": "no_such_tool"})
    assert (declined["isError"], declined["_meta"]["tau2-gym/refused"]) == (False, True)
    assert declined["content"][0]["text"].startswith("Error: ")
    assert "tau2-gym/refused" not in world.call(UNLOCK, {"agent_tool_name": FREEZE})["_meta"]
    world.delete()


def test_the_stream_of_a_listener_ends_with_its_episode(server: Server) -> None:
    world = native(server)

    async def play() -> list[object]:
        async with Client(world.mcp_url) as client, client.listen(tools_list_changed=True) as events:
            world.delete()
            return [event async for event in events]

    assert asyncio.run(play()) == []
