"""Models of a server with workers: limits, cassettes and judgements are those of the whole server."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tau2_core.episode.setting import Setting
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Answer, Asked, ScriptedEndpoint, say

from tests.gym.conftest import World
from tests.llm.conftest import arguments_for, gold, judged

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start

__all__ = ["gold", "judged"]  # fixtures
ROLES = {"user": "endpoint/customer", "judge": "endpoint/judge"}


def play(server: Server, count: int) -> list[World]:
    """Listen in episodes of all workers at the same time; the customer ends each at its first word."""
    worlds = [server.create(task_id="create_plain") for _ in range(count)]
    with ThreadPoolExecutor(count) as pool:
        assert {heard.json()["status"] for heard in pool.map(World.say, worlds)} == {"ended"}
    return worlds


def test_limits_judgements_and_cassettes_are_those_of_all_workers(
    start: Start, judged: Setting, gold: Callable[[str], GoldScript], tmp_path: Path
) -> None:
    def script(asked: Asked) -> Answer:
        return gold("mock")(asked) if "judge" in asked.model else say("###STOP###")

    tape = tmp_path / "tape.jsonl"
    options = ("mock", "--pack", judged.pack.folder, "--workers", "2", "--judge-all")
    with ScriptedEndpoint(script, latency=0.005) as endpoint:
        models = arguments_for(endpoint.url, ROLES, {})
        server = start(*options, *models, "--record", tape, "--provider-limit", "endpoint=1")
        assert [world.reward() for world in play(server, 6)] == [0.0] * 6
        server.stop()
    assert endpoint.most_at_once == 1
    assert {line["model"] for line in server.kept("judgements.jsonl")} == {ROLES["judge"]}
    exchanges = Counter(
        (line["role"], line["episode"]) for line in map(json.loads, tape.read_text(encoding="utf-8").splitlines())
    )
    for trial in range(6):
        for role in ROLES:
            assert exchanges[role, f"create_plain#{trial}"] == 1
    assert exchanges.total() == 13  # with the request that tries the judge
    again = start(*options, *models, "--replay", tape)
    assert [world.reward() for world in play(again, 6)] == [0.0] * 6
    again.stop()
    for name in ("grades.jsonl", "judgements.jsonl"):
        one, other = (sorted(played.kept(name), key=lambda line: int(line["trial"])) for played in (server, again))
        assert one == other
    assert len(endpoint.asked) == 13


def test_a_providers_rate_is_that_of_all_workers(start: Start) -> None:
    """One request a minute: one episode asks, the others wait until the time of their turn is up."""
    with ScriptedEndpoint(lambda _asked: say("###STOP###")) as endpoint:
        models = arguments_for(endpoint.url, {"user": ROLES["user"]}, {})
        server = start("mock", "--workers", "2", *models, "--provider-rate", "endpoint=1", "--turn-timeout", "1")
        play(server, 4)
        server.stop()
        assert len(endpoint.asked) == 1
    ends = Counter(record["termination"] for record in server.kept())
    assert ends == {"user_stop": 1, "infrastructure_error": 3}


@pytest.mark.parametrize("dialect", [False, True], ids=["episode", "dialect"])
def test_a_stream_stays_open_beside_the_calls_of_its_session(server: Server, dialect: bool) -> None:
    world = server.create()
    url = f"{server.address}/mcp" if dialect else world.mcp_url
    accept = {"accept": "application/json, text/event-stream"}
    about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about}
    opened = server.http.post(url, json=hello, headers=accept).raise_for_status()
    headers = {**accept, "mcp-session-id": opened.headers["mcp-session-id"]}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_users", "arguments": {}}}
    with server.http.stream("GET", url, headers={**headers, "accept": "text/event-stream"}) as stream:
        assert stream.status_code == 200, stream.read()
        for _ in range(3):
            said = server.http.post(url, json=call, headers=headers).raise_for_status()
            assert "Piet" in said.text
            server.http.get("/v1/episodes").raise_for_status()  # at the front
        assert server.http.delete(url, headers=headers).is_success
        if not dialect:  # there the stream outlives its session, as with one process
            assert list(stream.iter_bytes()) == []
