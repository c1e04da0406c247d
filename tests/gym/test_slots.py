"""A served run: slots that many clients claim, and a folder that is read like any other run's."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.gym.slots import claim, folder, lines, play, progress, refusal

if TYPE_CHECKING:
    from tests.conftest import Gym
    from tests.gym.conftest import Server, Start

ONE = ("--task", "create_plain", "--name", "r", "--agent-name", "someone")


def test_many_clients_claim_every_slot_once(start: Start) -> None:
    server = start("mock", *ONE, "--trials", "24")
    with ThreadPoolExecutor(12) as pool:
        responses = list(pool.map(lambda _: server.http.post("/v1/slots"), range(40)))
    made = [response.json() for response in responses if response.status_code == 201]
    assert sorted(slot["trial"] for slot in made) == list(range(24))
    refused = [response for response in responses if response.status_code != 201]
    assert {(*refusal(response), response.headers["Retry-After"]) for response in refused} == {
        (409, "all_claimed", "1")
    }
    assert progress(server)["counts"] == {"open": 0, "claimed": 24, "finished": 0, "lost": 0}
    assert "all_claimed" not in server.log()  # repeated requests are not logged


def test_a_shard_hands_out_only_its_own_slots(start: Start, gym: Gym) -> None:
    server = start("mock", *ONE, "--trials", "3", "--shard", "2/2")
    world = claim(server)
    assert world.urls["trial"] == 1
    play(world)
    assert refusal(server.http.post("/v1/slots")) == (410, "all_played")
    server.stop()
    out = folder(server).parent
    rest = ("run", "mock", "--task", "create_plain", "--trials", "3", "--shard", "1/2", "--name", "rest", "--out", out)
    assert gym(*rest).returncode == 0
    done = gym("merge", folder(server), out / "rest", "--into", out / "merged")
    assert (done.returncode, "agent.name is 'someone' in the first and 'oracle'" in done.stderr) == (1, True)


def test_a_played_run_is_read_like_any_other(start: Start, gym: Gym) -> None:
    server = start("mock", *ONE, "--trials", "2")
    assert json.loads((folder(server) / "run.json").read_text())["agent"]["name"] == "someone"
    for _ in range(2):
        world = claim(server)
        play(world)
        assert world.reward() == 1.0
    assert refusal(server.http.post("/v1/slots")) == (410, "all_played")
    found = progress(server)
    assert (found["counts"]["finished"], found["mean_reward"]) == (2, 1.0)
    server.stop()
    summary = json.loads((folder(server) / "summary.json").read_text())
    assert (summary["finished"], summary["mean_reward"], summary["agent"]) == (2, 1.0, "someone")
    runs = folder(server)
    played = gym("run", "mock", "--task", "create_plain", "--trials", "2", "--name", "own", "--out", runs.parent)
    assert played.returncode == 0
    assert lines(runs / "tasks.jsonl") == lines(runs.parent / "own/tasks.jsonl")
    seeds = [[line["seed"] for line in lines(each / "episodes.jsonl")] for each in (runs, runs.parent / "own")]
    assert seeds[0] == seeds[1]
    for command in (["report", runs], ["grade", runs], ["compare", runs, runs.parent / "own"]):
        done = gym(*command)
        assert done.returncode == 0, done.stderr
    done = gym("export", runs, server.folder / "results.json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads((server.folder / "results.json").read_text())["simulations"]) == 2


def test_the_slot_of_a_vanished_client_is_handed_out_again(start: Start) -> None:
    server = start("mock", *ONE, "--slot-timeout", "1e-9", "--slot-attempts", "2")
    first = claim(server)
    again = claim(server)
    assert (again.urls["trial"], again.urls["attempt"]) == (first.urls["trial"], 2)
    assert first.control().status_code == 410
    assert refusal(server.http.post("/v1/slots")) == (410, "all_played")
    assert progress(server)["counts"] == {"open": 0, "claimed": 0, "finished": 0, "lost": 1}
    server.stop()
    (record,) = lines(folder(server) / "episodes.jsonl")
    assert record["termination"] == "infrastructure_error"
    assert "did not finish in time (attempt 2)" in record["error"]


def test_a_slot_is_played_once(start: Start) -> None:
    server = start("mock", *ONE)
    world = claim(server)
    world.call("get_users")
    assert refusal(world.control("POST", "/reset")) == (409, "slot")
    world.delete()  # a client that deletes its episode has given up on the task, and that is a result
    assert refusal(server.http.post("/v1/slots")) == (410, "all_played")
    assert [grade["reward"] for grade in lines(folder(server) / "grades.jsonl")] == [0.0]


def test_a_slot_given_back_untouched_is_handed_out_again(start: Start) -> None:
    server = start("mock", *ONE)
    claim(server).delete()
    world = claim(server)
    assert world.urls["attempt"] == 2
    play(world)
    assert progress(server)["counts"]["finished"] == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_server_resumes_with_the_missing_slots(start: Start, gym: Gym, how: signal.Signals) -> None:
    server = start("mock", *ONE, "--trials", "3")
    play(claim(server))
    claim(server).call("get_users")
    if how is signal.SIGKILL:
        server.process.kill()
        server.process.wait()
    else:
        server.stop(how)
    assert gym("report", folder(server)).returncode == 0
    options = (*ONE, "--trials", "3", "--resume", "--out", server.folder / "runs")
    again = start("mock", *options)
    assert progress(again)["counts"] == {"open": 2, "claimed": 0, "finished": 1, "lost": 0}
    for _ in range(2):
        play(claim(again))
    again.stop()
    assert sorted(line["trial"] for line in lines(folder(server) / "episodes.jsonl")) == [0, 1, 2]
    assert json.loads((folder(server) / "summary.json").read_text())["mean_reward"] == 1.0
    other = gym("serve", "mock", *ONE, "--trials", "4", "--resume", "--port", 0, "--out", server.folder / "runs")
    assert other.returncode == 1
    assert "holds another run" in other.stderr


def test_a_server_without_a_run_says_how_to_get_one(server: Server) -> None:
    for response in (server.http.post("/v1/slots"), server.http.get("/v1/slots")):
        assert refusal(response) == (404, "no_run")
        assert "--split" in response.json()["error"]["message"]


def test_episodes_that_clients_request_are_a_run_too(start: Start, gym: Gym) -> None:
    server = start("mock")
    for task in ("create_plain", "complete_task", "create_plain"):
        world = server.create(task_id=task)
        world.call("get_users")
        world.delete()
    server.create().call("get_users")  # a free world has no task
    server.stop()
    (run,) = (server.folder / "runs").iterdir()
    slots = [(line["task_id"], line["trial"]) for line in lines(run / "episodes.jsonl")]
    assert slots == [("create_plain", 0), ("complete_task", 0), ("create_plain", 1), ("free", 0)]
    assert json.loads((run / "run.json").read_text())["tasks"] == ["create_plain", "complete_task"]
    for command in (["report", run], ["grade", run]):
        done = gym(*command)
        assert done.returncode == 0, done.stderr


def test_free_worlds_alone_are_not_a_run(start: Start, gym: Gym) -> None:
    server = start("mock")
    server.create().call("get_users")
    server.stop()
    (run,) = (server.folder / "runs").iterdir()
    assert [line["task_id"] for line in server.kept()] == ["free"]
    assert "contains no run" in gym("report", run).stderr
    listed = gym("runs", run.parent)
    assert (listed.returncode, listed.stderr) == (0, "")


def test_tasks_are_listed_without_gold(server: Server) -> None:
    found = server.http.get("/v1/domains/mock/tasks", params={"split": "base"}).raise_for_status().json()
    assert {"id", "splits", "description"} == {key for task in found for key in task}
    assert "create_plain" in [task["id"] for task in found]
    assert refusal(server.http.get("/v1/domains/mock/tasks", params={"split": "bas"})) == (422, "invalid_request")


def test_without_a_token_one_is_generated_and_printed(start: Start) -> None:
    server = start("mock", *ONE, "--printed-token")
    world = claim(server)
    asks = {"/v1/episodes": "GET", "/metrics": "GET", "/v1/slots": "GET", "/v1/domains/mock/tasks": "GET"}
    for path, method in (*asks.items(), ("/v1/slots", "POST")):
        assert httpx.request(method, f"{server.address}{path}").status_code == 401
    for path in ("/", "/docs", "/healthz", "/openapi.json", "/v1/domains"):
        assert httpx.get(f"{server.address}{path}").status_code == 200
    own = httpx.post(f"{server.address}/v1/episodes", json={"domain": "mock", "task_id": "create_plain"}).json()
    assert httpx.get(f"{own['control_url']}/reward").json()["reward"] == 0.0
    key = world.mcp_url.split("/")[-2]
    for what in ("", "/reward", "/record"):
        assert httpx.get(f"{server.address}/v1/episodes/{key}{what}").status_code == 404
    assert server.http.get("/v1/episodes").status_code == 200
