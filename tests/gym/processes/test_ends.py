"""How workers, their front and a whole server end, and what they leave on disk."""

from __future__ import annotations

import json
import os
import random
import select
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Semaphore
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.gym.conftest import SECONDS, World, stateless

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start
    from tests.gym.processes.conftest import WorkersOf

NEW_TASK = {"user_id": "piet_lindgren", "title": "Tune the piano"}
TASK = {"task_id": "create_plain"}


def calls(record: dict[str, Any]) -> list[str]:
    return [call["name"] for message in record["messages"] for call in message.get("tool_calls") or []]


def test_a_killed_worker_takes_only_its_episodes_with_it(start: Start, workers_of: WorkersOf) -> None:
    server = start("mock", "--workers", "2")
    workers = workers_of(server)
    worlds = [server.create(**TASK) for _ in range(6)]
    for world in worlds:
        world.value("get_users")
        world.value("create_task", NEW_TASK)
    untouched = [server.create() for _ in range(2)]
    workers.kill(workers.pids()[0])
    gone = workers.gone(worlds)
    assert len(gone) == 3
    assert len(workers.gone(untouched)) == 1
    for world in gone:
        body, headers = stateless("tools/list", {})
        answer = httpx.post(world.mcp_url, content=body, headers=headers, timeout=SECONDS)
        assert (answer.status_code, answer.json()["error"]["code"]) == (410, "expired_episode")
    left = [world for world in worlds if world not in gone]
    for world in left:  # the other worker's episodes continue
        assert world.text("get_users")
        assert world.reward() is not None
    records = {record["id"]: record for record in server.kept()}
    assert records.keys() == {world.id for world in gone}
    for record in records.values():
        assert calls(record) == ["get_users", "create_task"]
        assert (record["termination"], record["tool_calls"]) == ("infrastructure_error", 2)
        assert "killed by SIGKILL" in record["error"]
        assert record["messages"][-1]["role"] == "tool"
    workers.wait_for("tau2_gym_workers", 2)  # another worker replaces it
    assert server.create(id=gone[0].id).text("get_users")
    server.stop()
    assert len(server.kept()) == 7
    assert len(server.kept("grades.jsonl")) == 6  # the record of a free world is not graded
    assert not list(server.folder.glob("runs/.open-*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_server_keeps_the_records_of_all_workers(start: Start, number: signal.Signals) -> None:
    server = start("mock", "--workers", "2")
    worlds = [server.create(**TASK) for _ in range(4)]
    for world in worlds:
        world.value("create_task", NEW_TASK)
    server.stop(number)
    assert {record["id"] for record in server.kept()} == {world.id for world in worlds}
    assert [grade["trial"] for grade in sorted(server.kept("grades.jsonl"), key=lambda grade: grade["trial"])] == [
        *range(4)
    ]
    (summary,) = server.folder.glob("runs/*-serve/summary.json")
    assert json.loads(summary.read_text(encoding="utf-8"))["finished"] == 4


def kill_front(server: Server, workers_of: WorkersOf) -> None:
    """Kill the first process of a server, and wait until all its workers have ended, too."""
    handles = [os.pidfd_open(pid) for pid in workers_of(server).pids()]
    server.process.kill()
    server.process.wait(SECONDS)
    for handle in handles:
        with os.fdopen(handle):
            assert select.select([handle], [], [], SECONDS)[0]


def test_a_killed_server_leaves_what_the_next_one_records(start: Start, workers_of: WorkersOf) -> None:
    server = start("mock", "--workers", "2")
    worlds = [server.create(**TASK) for _ in range(4)] + [server.create()]
    for world in worlds:
        world.value("create_task", NEW_TASK)
    worlds[0].delete()  # it is kept already
    kill_front(server, workers_of)
    (run,) = server.folder.glob("runs/*-serve")
    with (run / "episodes.jsonl").open("ab") as file:
        file.write(b'{"id": "cut o')  # by the kill
    (left,) = server.folder.glob("runs/.open-*")
    assert len(list(left.iterdir())) == 4
    (left / "damaged.jsonl").write_text('{"messages": []}\n')
    again = start("mock", "--out", server.folder / "runs")
    assert f"{run}: 4 episodes were open when their server was killed, and are recorded" in again.log()
    assert f"{left / 'damaged.jsonl'}:1: it has the wrong form: " in again.log()
    assert [file.name for file in left.iterdir()] == ["damaged.jsonl"]
    records = {record["id"]: record for record in server.kept()}
    assert records.keys() == {world.id for world in worlds}
    del records[worlds[0].id]
    for record in records.values():
        assert calls(record) == ["create_task"]
        assert (record["termination"], record["tool_calls"]) == ("infrastructure_error", 1)
        assert record["error"] == "the server was killed while this episode was open"
    assert sorted(record["trial"] for record in records.values()) == [0, 1, 2, 3]


def test_slots_of_a_killed_server_are_recorded_and_played_again(start: Start, gym: Any, workers_of: WorkersOf) -> None:
    one = ("mock", "--workers", "2", "--task", "create_plain", "--trials", "2", "--name", "r")
    server = start(*one)
    for _ in range(2):
        World(server, server.http.post("/v1/slots").json()).value("create_task", NEW_TASK)
    kill_front(server, workers_of)
    out = server.folder / "runs"
    another = start("mock", "--out", out)  # any server does it
    assert "2 episodes were open when their server was killed" in another.log()
    done = gym("grade", out / "r")
    assert done.returncode == 0, done.stderr
    assert not list(out.glob(".open-*"))
    again = start(*one, "--resume", "--out", out)
    assert again.http.get("/v1/slots").json()["counts"]["open"] == 2


def test_the_open_episodes_of_another_server_are_left_alone(start: Start) -> None:
    server = start("mock", "--workers", "2")
    server.create().value("create_task", NEW_TASK)
    other = start("mock", "--out", server.folder / "runs")
    assert other.log() == ""
    assert len(list(server.folder.glob("runs/.open-*/*.jsonl"))) == 1


def test_slots_of_a_killed_worker_are_handed_out_again(start: Start, workers_of: WorkersOf) -> None:
    server = start("mock", "--workers", "2", "--task", "create_plain", "--trials", "6", "--name", "r")
    workers = workers_of(server)

    def claim() -> World:
        response = server.http.post("/v1/slots")
        assert response.status_code == 201, response.text
        return World(server, response.json())

    first = [claim() for _ in range(6)]
    assert sorted(world.urls["trial"] for world in first) == [*range(6)]
    assert server.http.post("/v1/slots").json()["error"]["code"] == "all_claimed"
    for world in first[:4]:
        world.value("create_task", NEW_TASK)
    workers.kill(workers.pids()[0])
    gone = workers.gone(first)
    again = [claim() for _ in gone]
    assert sorted(world.urls["trial"] for world in again) == sorted(world.urls["trial"] for world in gone)
    assert {world.urls["attempt"] for world in again} == {2}
    for world in (*again, *(world for world in first if world not in gone)):
        if world.state()["tool_calls"] == 0:
            world.value("create_task", NEW_TASK)
        world.say("What is it called?")
        assert world.say("It is on his list now.").json()["status"] == "ended"
    progress = server.http.get("/v1/slots").json()
    assert (progress["counts"]["finished"], progress["mean_reward"]) == (6, 1.0)
    server.stop()
    lines = (server.folder / "runs/r/episodes.jsonl").read_text(encoding="utf-8").splitlines()
    assert sorted(json.loads(line)["trial"] for line in lines) == [*range(6)]


@pytest.fixture
def size() -> tuple[int, int]:
    """How many sessions there are, and how many workers are killed; `tests/interop` has more of both."""
    return 40, 2


def test_a_worker_is_killed_while_many_sessions_are_under_way(
    start: Start, workers_of: WorkersOf, size: tuple[int, int]
) -> None:
    """Every answered call of a lost episode is in its record, and no other episode notices anything."""
    sessions, kills = size
    server = start("mock", "--workers", "2", "--max-steps", "100000")
    workers, over, chance, calls_made = workers_of(server), Event(), random.Random(5), Semaphore(0)
    worlds: dict[str, World] = {}
    answered: Counter[str] = Counter()
    lost: set[str] = set()

    def play(world: World, http: httpx.Client) -> None:
        body, headers = stateless("tools/call", {"name": "get_users", "arguments": {}})
        while not over.is_set():
            try:
                answer = http.post(world.mcp_url, content=body, headers=headers)
            except httpx.TransportError:  # its connection ended with the worker
                lost.add(world.id)
                continue
            if answer.status_code == 410:
                lost.add(world.id)
                return
            assert answer.status_code == 200, answer.text
            answered[world.id] += 1
            calls_made.release()

    def play_on() -> None:
        """Play an episode, and another one when it is lost."""
        with httpx.Client(timeout=SECONDS) as http:
            while not over.is_set():
                try:
                    created = http.post(f"{server.address}/v1/episodes", json={"domain": "mock"})
                except httpx.TransportError:
                    continue
                assert created.status_code == 201, created.text
                world = World(server, created.json())
                worlds[world.id] = world
                play(world, http)

    with ThreadPoolExecutor(sessions) as pool:
        players = [pool.submit(play_on) for _ in range(sessions)]
        try:
            for _ in range(kills):
                for _ in range(chance.randrange(2 * sessions, 6 * sessions)):
                    assert calls_made.acquire(timeout=SECONDS)
                workers.kill(chance.choice(workers.pids()))
                workers.wait_for("tau2_gym_workers", 2)
        finally:
            over.set()
        for player in players:
            player.result(SECONDS)
    gone = {world.id for world in workers.gone([*worlds.values()])}
    assert lost <= gone
    records = {record["id"]: record for record in server.kept()}
    assert {name for name in gone if answered[name]} <= records.keys() <= gone
    for name in records:  # a call in flight may have been made without an answer
        assert answered[name] <= len(calls(records[name])) <= answered[name] + 1
    server.stop()
    kept = {record["id"]: len(calls(record)) for record in server.kept() if record["id"] not in gone}
    assert kept == {name: count for name, count in answered.items() if count and name not in gone}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "0"], "should be greater than or equal to 1"),
        (["--workers", "5000"], "give at most"),
        (["--workers", "2", "--transport", "stdio"], "--workers would have no effect: stdio serves one episode"),
    ],
)
def test_numbers_of_workers_that_make_no_sense_are_refused(gym: Any, options: list[str], said: str) -> None:
    done = gym("serve", "mock", "--port", "0", *options)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_a_server_whose_port_is_taken_starts_no_workers(start: Start, gym: Any, tmp_path: Path) -> None:
    server = start("mock")
    done = gym("serve", "mock", "--port", str(server.port), "--workers", "2", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{server.port}" in done.stderr
    assert not (tmp_path / "out").exists()
