"""A served run: slots that many clients claim, and a folder that is read like any other run's."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint, say

from tests.gym.conftest import World

if TYPE_CHECKING:
    from tests.conftest import Gym
    from tests.gym.conftest import Server, Start

NEW_TASK = {"user_id": "piet_lindgren", "title": "Tune the piano"}
ONE = ("--task", "create_plain", "--name", "r", "--agent-name", "someone")


def claim(server: Server) -> World:
    response = server.http.post("/v1/slots")
    assert response.status_code == 201, response.text
    return World(server, response.json())


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def play(world: World) -> None:
    """Play `create_plain` to its end."""
    world.value("create_task", NEW_TASK)
    world.say("What is it called?")
    assert world.say("It is on his list now.").json()["status"] == "ended"


def progress(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.http.get("/v1/slots").raise_for_status().json()
    return found


def folder(server: Server) -> Path:
    return server.folder / "runs/r"


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


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


CASSETTES = Path(__file__).parents[2] / "examples/cassettes"
MODELS = ("--config", CASSETTES / "models.yaml", "--task", "transfer_deletion", "--replay", CASSETTES / "mock.jsonl")


def transfer(world: World) -> None:
    """Play as the agent in the cassette did."""
    assert "task_1 is nonsense" in world.say().json()["reply"]
    world.text("transfer_to_human_agents", {"summary": "Nadia Okafor wants task_1 deleted."})
    assert world.say("You are being transferred.\nThat is everything.").json()["status"] == "ended"


def test_models_play_the_customer_and_the_judge_as_in_a_run(start: Start, gym: Gym) -> None:
    server = start("mock", *MODELS, "--judge-all", "--name", "r")
    world = claim(server)
    transfer(world)
    grade = world.control(what="/reward").json()["grade"]
    server.stop()
    assert lines(folder(server) / "grades.jsonl") == [grade]
    played = gym("run", "mock", *MODELS, "--judge-all", "--name", "own", "--out", server.folder / "runs")
    assert played.returncode == 0, played.stderr
    own = server.folder / "runs/own"
    for name in ("grades.jsonl", "judgements.jsonl"):
        assert lines(folder(server) / name) == lines(own / name)
    (served,), (local,) = lines(folder(server) / "episodes.jsonl"), lines(own / "episodes.jsonl")
    assert served["usage"]["user"] == local["usage"]["user"]
    assert [message.get("content") for message in served["messages"]] == [
        message.get("content") for message in local["messages"]
    ]


def test_pending_episodes_are_judged_later(start: Start, gym: Gym) -> None:
    task = {
        "id": "polite",
        "user_scenario": {"instructions": "You want nothing."},
        "evaluation_criteria": {"nl_assertions": ["The agent is polite."], "reward_basis": ["NL_ASSERTION"]},
    }
    server = start("mock")
    world = server.create(task=task)
    world.call("get_users")
    assert world.control(what="/reward").json()["grade"]["pending"] == ["NL_ASSERTION"]
    server.stop()
    (run,) = (server.folder / "runs").iterdir()
    with ScriptedEndpoint(GoldScript([])) as endpoint:
        place = json.dumps({"api_base": endpoint.url, "api_key": "none"})
        done = gym("grade", run, "--judge-model", "endpoint/judge", "--judge-args", place)
    assert done.returncode == 0, done.stderr
    assert [grade["reward"] for grade in lines(run / "grades.jsonl")] == [1.0]


def test_the_customers_model_gets_what_the_official_runner_sends(start: Start, tmp_path: Path) -> None:
    home = tmp_path / "checkout" / "data" / "tau2" / "domains" / "mock"
    home.mkdir(parents=True)
    task = {"id": "x", "user_scenario": {"instructions": "You want a task."}}
    (home / "tasks.json").write_text(json.dumps([task]))
    with ScriptedEndpoint(lambda _asked: say("###STOP###")) as endpoint:
        place = json.dumps({"api_base": endpoint.url})
        customer = ("--user-model", "endpoint/customer", "--user-args", place)
        server = start("mock", "--dataset", tmp_path / "checkout", *customer, "--task", "x", "--name", "r")
        claim(server).say("What can I do?")
        server.stop()
    assert [asked.body["temperature"] for asked in endpoint.asked] == [0.0]
    told = json.loads((folder(server) / "run.json").read_text())["models"]["user"]
    assert (told["args"]["temperature"], told["from_dataset"]) == (0.0, ["temperature"])


def test_a_served_run_with_pending_episodes_is_judged_later(start: Start, gym: Gym, tmp_path: Path) -> None:
    file = tmp_path / "evaluation.yaml"
    file.write_text("extends: tau2\nevaluators:\n  NL_ASSERTION: {counts: always}\n")
    server = start("mock", "--task", "transfer_deletion", "--evaluators", file, "--name", "r")
    world = claim(server)
    world.text("transfer_to_human_agents", {"summary": "Nadia Okafor wants task_1 deleted."})
    while world.say("You are being transferred.").json()["status"] == "open":
        pass
    assert (progress(server)["graded"], progress(server)["pending"]) == (1, 1)
    server.stop()
    (grade,) = lines(folder(server) / "grades.jsonl")
    assert (grade["outcome"], grade["pending"]) == ("pending", ["NL_ASSERTION"])
    with ScriptedEndpoint(GoldScript([])) as endpoint:
        place = json.dumps({"api_base": endpoint.url, "api_key": "none"})
        judge = ("--judge-model", "endpoint/judge", "--judge-args", place)
        done = gym("grade", folder(server), *judge, "--evaluators", file)
    assert done.returncode == 0, done.stderr
    (grade,) = lines(folder(server) / "grades.jsonl")
    assert (grade["outcome"], grade["reward"], grade["pending"]) == ("solved", 1.0, [])
    assert len(lines(folder(server) / "judgements.jsonl")) == 1
