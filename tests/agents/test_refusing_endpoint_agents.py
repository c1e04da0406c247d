"""Endpoints of agents that refuse requests, are busy or are not there, or whose agent confuses its episodes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import web
from tau2_core.testing.gold_script import GoldScript

from .conftest import Play
from .scripted_agent import ScriptedAgent, Turn, chat, following

TASKS = ("--task", "create_plain", "--task", "reopen_task")


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_refused_first_request_stops_the_run(play: Play, status: int) -> None:
    async def refuses(_turn: Turn) -> web.StreamResponse:
        return web.json_response({"error": {"message": "I know no such agent"}}, status=status)

    with ScriptedAgent(refuses) as agent:
        played = play(*TASKS, "--agent", agent.url, "--concurrency", "1")
    assert (played.code, len(agent.turns)) == (1, 1)
    assert played.ends == [("infrastructure_error", "infrastructure_error")]
    assert "the agent's model agent/agent" in played.output
    assert "cannot be used: " in played.output
    assert "I know no such agent" in played.output


def test_a_refusal_because_of_the_conversation_is_the_agents_error(play: Play) -> None:
    async def refuses_later(turn: Turn) -> web.StreamResponse:
        if len(turn.body["messages"]) > 3:
            return web.json_response({"error": {"message": "too long for me"}}, status=400)
        return chat("What else?")

    with ScriptedAgent(refuses_later) as agent:
        played = play(*TASKS, "--agent", agent.url)
    assert played.code == 0, played.output
    assert played.ends == [("agent_error", "agent_error")] * 2
    assert all("too long for me" in record["error"] for record in played.records)


def test_a_busy_agent_is_asked_again(play: Play, gold: Callable[[str], GoldScript]) -> None:
    play_well = following(gold("mock"))
    refused: list[int] = []

    async def busy(turn: Turn) -> web.StreamResponse:
        if len(refused) < 2:
            refused.append(turn.number)
            return web.Response(status=429 if refused[1:] else 503, headers={"Retry-After": "0"})
        return await play_well(turn)

    with ScriptedAgent(busy) as agent:
        played = play("--task", "create_plain", "--agent", agent.url)
    assert played.ends == [("user_stop", "solved")], played.output


def test_nobody_at_the_address(play: Play) -> None:
    played = play(*TASKS, "--agent", "http://127.0.0.1:9/v1", "--attempts", "1", "--concurrency", "1")
    assert (played.code, played.ends) == (1, [("infrastructure_error", "infrastructure_error")])
    assert "start it, or correct the address" in played.output


def test_the_url_decides_in_which_episode_a_call_is_made(play: Play) -> None:
    """An agent that plays two episodes at a time and confuses their URLs changes the wrong world, visibly."""
    urls: dict[str, str] = {}
    both, called = asyncio.Event(), asyncio.Event()

    async def confuses(turn: Turn) -> web.StreamResponse:
        mine = "reopen_task" if "⟦reopen_task⟧" in str(turn.body) else "create_plain"
        alone = not urls
        urls.setdefault(mine, turn.mcp_url)
        if alone:  # a run plays one episode until its models have answered
            return chat("One moment.")
        if len(urls) == 2:
            both.set()
        await both.wait()
        if mine == "reopen_task" and not called.is_set():
            await turn.call(("get_users", {}), url=urls["create_plain"])
            called.set()
        await called.wait()  # so both have their first turn
        return chat("I have done something.")

    with ScriptedAgent(confuses) as agent:
        played = play(*TASKS, "--agent", agent.url, "--max-steps", "8")
    assert [record["tool_calls"] for record in played.records] == [1, 0]
