"""Hundreds of worlds: none affects another, and none is left behind."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import pytest
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.model.messages import ToolCall

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start, World

SettingOf = Callable[..., Setting]
Call = tuple[str, dict[str, Any]]
PEOPLE = ("nadia_okafor", "piet_lindgren", "rosa_delgado")
MEGABYTE = 1024 * 1024
CLIENTS = 8


@pytest.fixture(scope="module")
def roomy(start_for_all: Start, installed_domains: frozenset[str]) -> Server:
    """A server that no other test uses."""
    return start_for_all(*installed_domains & {"mock", "retail"})


def calls_of(number: int) -> list[Call]:
    """Return the calls made in a world, different for each."""
    random = Random(number)
    made: list[Call] = []
    for step in range(random.randint(1, 4)):
        if random.random() < 0.6:
            made.append(("create_task", {"user_id": random.choice(PEOPLE), "title": f"{number}/{step}"}))
        else:
            status = random.choice(("pending", "completed", "lost"))
            made.append(("update_task_status", {"task_id": f"task_{random.randint(1, 7)}", "status": status}))
    return made


def serially(setting: Setting, calls: list[Call]) -> tuple[list[str], dict[str, str]]:
    environment = Environment(setting)
    texts = [environment.call(ToolCall(name=name, arguments=arguments)).content for name, arguments in calls]
    return texts, environment.digests()


def in_parallel(work: Callable[[Any], Any], items: Any) -> list[Any]:
    with ThreadPoolExecutor(CLIENTS) as threads:
        return list(threads.map(work, items))


@pytest.mark.parametrize("count", [2, 250])
def test_interleaved_writes_give_the_same_result_as_serial_ones(
    server: Server, setting_of: SettingOf, count: int
) -> None:
    worlds = in_parallel(lambda _number: server.create("mock"), range(count))
    scripts = [calls_of(number) for number in range(count)]
    order = [number for number, script in enumerate(scripts) for _ in script]
    Random(0).shuffle(order)  # a world's own calls keep their order
    steps = [iter(script) for script in scripts]
    texts: list[list[str]] = [[] for _ in scripts]
    for start in range(0, len(order), 100):
        several: dict[int, list[Call]] = {}
        for number in order[start : start + 100]:
            several.setdefault(number, []).append(next(steps[number]))

        def act(item: tuple[int, list[Call]]) -> None:
            number, calls = item
            texts[number] += [worlds[number].call(*call)["content"][0]["text"] for call in calls]

        in_parallel(act, several.items())
    expected = [serially(setting_of("mock"), script) for script in scripts]
    assert len({tuple(sorted(digests.items())) for _, digests in expected}) >= count * 0.8  # so they do differ
    ended = in_parallel(lambda world: world.digests(), worlds)
    assert list(zip(texts, ended, strict=True)) == expected
    in_parallel(lambda world: world.delete(), worlds)


@pytest.mark.domain("retail")
def test_memory_does_not_grow_over_a_thousand_cycles(roomy: Server) -> None:
    """After a thousand cycles, the process uses as much memory as after two hundred, apart from the allocator's
    reserves."""

    def cycle(number: int) -> None:
        world: World = roomy.create("retail")
        assert world.call("get_user_details", {"user_id": f"nobody_{number}"})["isError"]
        assert world.control(what="/reward").json()["reward"] == 1.0
        world.delete()

    in_parallel(cycle, range(200))
    after_some = roomy.resident()
    in_parallel(cycle, range(800))
    gc.collect()
    assert roomy.resident() - after_some < 15 * MEGABYTE
    assert roomy.http.get("/v1/episodes").json() == []
    metrics = roomy.http.get("/metrics").text
    assert "tau2_gym_open_episodes 0" in metrics
    assert "tau2_gym_episodes_created_total 1000" in metrics
    assert len(roomy.kept()) == 1000


class TestSessions:
    """A client that leaves without closing its session does not leave it in memory for ever."""

    MCP: ClassVar = {"accept": "application/json, text/event-stream", "content-type": "application/json"}

    def open(self, world: World) -> str:
        client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        opening = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
        opened = world.server.http.post(world.mcp_url, json=opening, headers=self.MCP).raise_for_status()
        return opened.headers["mcp-session-id"]

    def use(self, world: World, session_id: str) -> int:
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        headers = {**self.MCP, "mcp-session-id": session_id}
        return world.server.http.post(world.mcp_url, json=listing, headers=headers).status_code

    def test_sessions_end_with_their_episode(self, start: Start) -> None:
        server = start("mock", "--idle-timeout", 3)
        world, other = server.create("mock"), server.create("mock")
        session_id = self.open(world)
        assert self.use(other, session_id) == 200  # a session is no credential, and its URL decides
        world.delete()
        while self.use(other, session_id) == 200:
            other.call("get_users")

    def test_a_session_ends_when_its_messages_are_answered(self, start: Start) -> None:
        server = start("mock", "--idle-timeout", 3)
        world, other = server.create("mock"), server.create("mock")
        slow, idle = self.open(world), self.open(world)
        body = b'{"jsonrpc": "2.0", "id": 2, "method": "ping"}'
        target = urlsplit(other.mcp_url)
        lines = [f"POST {target.path} HTTP/1.1", f"Host: {target.netloc}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in {**self.MCP, "mcp-session-id": slow}.items()]
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()
        with socket.create_connection((target.hostname, target.port), timeout=60) as wire:
            wire.sendall(head + body[:5])
            assert self.use(other, slow) == 200
            world.delete()
            while self.use(other, idle) == 200:
                other.call("get_users")
            wire.sendall(body[5:])
            answered = b"".join(iter(lambda: wire.recv(65536), b""))
        assert answered.startswith(b"HTTP/1.1 200"), answered
        while self.use(other, slow) == 200:
            other.call("get_users")

    def test_the_number_of_sessions_per_url_is_limited(self, roomy: Server) -> None:
        world = roomy.create("mock")
        opened = [self.open(world) for _ in range(40)]
        assert [self.use(world, session_id) for session_id in opened] == [404] * 8 + [200] * 32
        world.delete()


@pytest.mark.domain("retail")
def test_open_worlds_are_small(roomy: Server) -> None:
    roomy.create("retail").delete()
    idle = roomy.resident()
    worlds = in_parallel(lambda _number: roomy.create("retail"), range(1000))
    assert roomy.resident() - idle < 100 * MEGABYTE
    in_parallel(lambda world: world.delete(), worlds)


class TestRaces:
    def test_ten_creations_with_one_id_make_one_world(self, server: Server) -> None:
        for attempt in range(5):
            wish = {"domain": "mock", "id": f"raced-{attempt}"}
            answers = in_parallel(lambda wish: server.http.post("/v1/episodes", json=wish), [wish] * 10)
            assert sorted(answer.status_code for answer in answers) == [201, *[409] * 9]
            assert server.http.delete(f"/v1/episodes/raced-{attempt}").status_code == 204

    def test_ten_first_looks_at_one_session_make_one_world(self, roomy: Server) -> None:
        before = self.created(roomy)
        session = {"mcp-session-id": "raced"}
        answers = in_parallel(lambda url: roomy.http.get(url, headers=session), ["/control/initial_state"] * 10)
        assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {})] * 10
        assert self.created(roomy) == before + 1

    def created(self, server: Server) -> int:
        lines = server.http.get("/metrics").text.splitlines()
        (line,) = [line for line in lines if line.startswith("tau2_gym_episodes_created_total ")]
        return int(line.rsplit(" ", 1)[1])

    def test_ten_deletions_delete_once(self, roomy: Server) -> None:
        world: World = roomy.create("mock")
        world.call("get_users")
        answers = in_parallel(lambda method: world.control(method), ["DELETE"] * 10)
        assert sorted(answer.status_code for answer in answers) == [204, *[410] * 9]
        assert len([record for record in roomy.kept() if record["id"] == world.id]) == 1

    def test_concurrent_resets_calls_and_reads_are_safe(self, roomy: Server, setting_of: SettingOf) -> None:
        world: World = roomy.create("mock", task_id="create_plain")
        new = {"user_id": PEOPLE[0], "title": "x"}
        works: list[Callable[[], Any]] = [
            lambda: world.control("POST", "/reset").raise_for_status(),
            lambda: world.value("create_task", new),
            lambda: world.say().raise_for_status(),
            world.record,
            world.reward,
            world.state,
        ]
        in_parallel(lambda work: work(), works * 20)
        world.control("POST", "/reset")
        assert world.digests() == Environment(setting_of("mock")).digests()
        world.delete()
