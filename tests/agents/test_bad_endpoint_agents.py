"""Endpoints of agents that are slow, close, stream for ever, answer with something else, or call what they should not.

Such an agent plays one task while a good one plays another, whose episode must go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tau2_core.testing.gold_script import GoldScript

from .conftest import Play, Played
from .scripted_agent import Answer, ScriptedAgent, Turn, chat, following, response

GOOD, BAD = "create_plain", "reopen_task"
TASKS = ("--task", GOOD, "--task", BAD)  # an agent that has never answered would end the run
SOON = ("--call-timeout", "6", "--attempts", "1")  # time enough for the good agent on a loaded machine


async def stalls(_turn: Turn) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def closes(turn: Turn) -> web.StreamResponse:
    assert turn.request.transport is not None
    turn.request.transport.close()
    return web.Response()


async def calls_then_closes(turn: Turn) -> web.StreamResponse:
    await turn.call(("get_users", {}))
    return await closes(turn)


async def drips(turn: Turn) -> web.StreamResponse:
    return await _stream(turn, b": still thinking\n\n", 0.01)


async def floods(turn: Turn) -> web.StreamResponse:
    return await _stream(turn, b"x" * 2**20, 0.0)


async def _stream(turn: Turn, part: bytes, pause: float) -> web.StreamResponse:
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await stream.prepare(turn.request)
    while True:
        await stream.write(part)
        await asyncio.sleep(pause)


async def says_nothing(_turn: Turn) -> web.StreamResponse:
    return chat("")


async def other_schema(_turn: Turn) -> web.StreamResponse:
    return web.json_response({"answer": "Hello."})


async def other_protocol(_turn: Turn) -> web.StreamResponse:
    return response("Hello.")


async def page(_turn: Turn) -> web.StreamResponse:
    return web.Response(text="<html>Sign in</html>", content_type="text/html")


async def breaks(_turn: Turn) -> web.StreamResponse:
    return web.Response(status=500, text="out of memory")


async def calls_for_ever(turn: Turn) -> web.StreamResponse:
    while True:
        await turn.call(("get_users", {}))


async def fails_for_ever(turn: Turn) -> web.StreamResponse:
    while True:
        await turn.call(("no_such_tool", {}))


def beside(bad: Answer, good: GoldScript) -> Answer:
    """Return an agent that plays one task badly and all others well."""
    play_well = following(good)

    def answer(turn: Turn) -> Awaitable[web.StreamResponse]:
        return bad(turn) if f"⟦{BAD}⟧" in str(turn.body) else play_well(turn)

    return answer


@pytest.fixture
def played_beside(play: Play, gold: Callable[[str], GoldScript]) -> Callable[..., tuple[Played, list[Turn]]]:
    def run(bad: Answer, *options: object) -> tuple[Played, list[Turn]]:
        with ScriptedAgent(beside(bad, gold("mock"))) as agent:
            played = play(*TASKS, "--agent", agent.url, *options)
        return played, [turn for turn in agent.turns if f"⟦{BAD}⟧" in str(turn.body)]

    return run


@pytest.mark.parametrize(
    ("bad", "termination", "error", "requests"),
    [
        (stalls, "infrastructure_error", "timeout: no answer within 6 s", 1),
        (drips, "infrastructure_error", "timeout: no answer within 6 s", 1),
        (floods, "infrastructure_error", "unreadable: the answer has more than 16777216 bytes", 2),
        (closes, "infrastructure_error", "connection: Server disconnected", 2),
        (calls_then_closes, "infrastructure_error", "connection: Server disconnected", 1),
        (breaks, "infrastructure_error", "server: HTTP 500: out of memory", 2),
        (other_schema, "infrastructure_error", "unreadable: the answer cannot be read: it has no choices", 2),
        (other_protocol, "infrastructure_error", "unreadable: the answer cannot be read: it has no choices", 2),
        (page, "infrastructure_error", "unreadable: the answer cannot be read: it is not JSON", 2),
        (says_nothing, "agent_error", "the agent sent neither text nor a tool call", 1),
        (calls_for_ever, "max_steps", None, 1),
        (fails_for_ever, "too_many_errors", None, 1),
    ],
)
def test_its_own_episode_ends_as_documented_and_the_other_goes_on(
    played_beside: Callable[..., tuple[Played, list[Turn]]],
    bad: Answer,
    termination: str,
    error: str | None,
    requests: int,
) -> None:
    options = SOON if bad in (stalls, drips) else ()
    played, turns = played_beside(bad, "--attempts", "2", "--max-steps", "12", "--max-errors", "3", *options)
    well, badly = played.records
    assert (badly["termination"], well["termination"]) == (termination, "user_stop"), played.output
    assert played.ends[0] == ("user_stop", "solved")
    assert error is None or badly["error"].startswith(error)
    assert len(turns) == requests
    assert badly["messages"][-1]["role"] != "assistant"  # nothing that came too late was recorded


def test_the_time_of_the_episode_passes_while_it_is_awaited(
    played_beside: Callable[..., tuple[Played, list[Turn]]],
) -> None:
    played, _ = played_beside(stalls, "--timeout", "6")
    assert played.records[1]["termination"] == "infrastructure_error"
    assert "passed while waiting for the agent's model" in played.records[1]["error"]
    assert played.ends[0] == ("user_stop", "solved")


def test_it_cannot_call_tools_of_another_episode(
    played_beside: Callable[..., tuple[Played, list[Turn]]],
) -> None:
    statuses: list[int] = []

    async def tries_others(turn: Turn) -> web.StreamResponse:
        address, _, key = turn.mcp_url.removesuffix("/mcp").rpartition("/")
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        async with aiohttp.ClientSession() as session:
            for other in (key[:-1] + ("A" if key[-1] != "A" else "B"), ""):
                for path in (f"{address}/{other}/mcp", f"{address}/{other}/conversation"):
                    async with session.post(path, json=body) as answer:
                        statuses.append(answer.status)
            async with session.get(f"{turn.mcp_url.removesuffix('mcp')}conversation") as answer:
                statuses.append(answer.status)
        return chat("I cannot.")

    played, _ = played_beside(tries_others)
    assert statuses[:5] == [404, 404, 404, 404, 409]  # the last is where a client that plays from outside would speak
    assert played.ends[0] == ("user_stop", "solved")


def test_the_url_of_an_ended_episode_is_gone(play: Play, gold: Callable[[str], GoldScript]) -> None:
    seen: list[str] = []
    statuses: list[int] = []
    play_well = following(gold("mock"))

    async def answer(turn: Turn) -> web.StreamResponse:
        if seen and seen[0] != turn.mcp_url:
            async with aiohttp.ClientSession() as session, session.post(seen[0], json={}) as gone:
                statuses.append(gone.status)
        seen.append(turn.mcp_url)
        return await play_well(turn)

    with ScriptedAgent(answer) as agent:
        played = play(*TASKS, "--agent", agent.url, "--concurrency", "1")
    assert statuses
    assert set(statuses) == {410}
    assert set(played.ends) == {("user_stop", "solved")}


def test_calls_after_its_turn_are_refused(play: Play) -> None:
    late: list[asyncio.Task[Any]] = []
    said: list[str] = []

    async def call_later(turn: Turn) -> None:
        said.extend(await turn.call(("get_users", {})))

    async def answer(turn: Turn) -> web.StreamResponse:
        if turn.number == 1:  # the first turn's call came during the customer's; wait for its refusal
            await late[0]
        else:
            late.append(asyncio.create_task(call_later(turn)))
        return chat("Hello.")

    with ScriptedAgent(answer) as agent:
        played = play("--task", BAD, "--agent", agent.url, "--max-steps", "6")
    (record,) = played.records
    calls = [message for message in record["messages"] if message.get("tool_calls")]
    assert len(calls) == sum("Error" not in text for text in said)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--agent", "http"), "agent 'http' needs a target: --agent http:URL"),
        (("--agent", "http:"), "agent 'http' needs a target: --agent http:URL"),
        (("--agent", "http:localhost:9000"), "should be an address such as http:http://127.0.0.1:9000/v1"),
        (("--agent", "http://me:secret@localhost/v1"), "keys go into --agent-args"),
        (("--agent", "ftp://localhost/v1"), "no agent-kind 'ftp'"),
        (("--agent", "http://localhost/v1", "--record", "x.jsonl"), "so its answers cannot be replayed"),
    ],
)
def test_what_is_no_agent_is_refused_before_anything_is_played(
    play: Play, options: tuple[str, ...], words: str
) -> None:
    played = play(*options)
    assert (played.code, played.folder.exists()) == (2, False)
    assert words in played.output
