"""Limits of a served run: time, cost and failing models; and the customer's tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tau2_core.cli.app import app
from tau2_core.testing.scripted_endpoint import Answer, Asked, Refusal, ScriptedEndpoint, say
from tau2_core.testing.token_template import ByteTemplate
from typer.testing import CliRunner

from tests.gym.conftest import World
from tests.gym.slots import lines, refusal

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start


def claim(server: Server) -> httpx.Response:
    return server.http.post("/v1/slots")


ONE = ("mock", "--task", "create_plain", "--name", "r")


def test_an_episode_ends_when_its_time_is_up(start: Start) -> None:
    server = start("mock", "--timeout", "1", "--max-steps", "1000000", "--max-connections", "100")
    world = server.create(task_id="create_plain")
    while not (result := world.call("get_users"))["isError"]:
        assert world.state()["status"] in ("open", "ended")
    assert "the episode has ended (timeout)" in result["content"][0]["text"]
    assert world.say().json()["status"] == "ended"
    assert [line["termination"] for line in server.kept()] == ["timeout"]
    assert len(server.kept("grades.jsonl")) == 1


def test_a_run_ends_when_its_time_is_up(start: Start) -> None:
    server = start(*ONE, "--trials", "2", "--run-timeout", "2")
    world = World(server, claim(server).raise_for_status().json())
    world.call("get_users")
    claim(server)
    while refusal(claim(server)) == (409, "all_claimed"):
        pass
    assert refusal(claim(server)) == (410, "stopped")
    assert world.control().status_code == 410
    found = server.http.get("/v1/slots").json()
    assert "the run's 2 s have passed" in found["stopped"]
    server.stop()
    again = start(*ONE, "--trials", "2", "--resume", "--out", server.folder / "runs")
    assert again.http.get("/v1/slots").json()["counts"]["open"] == 2  # what the time cut off is played again


@pytest.fixture
def customer(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Options of a customer whose model always gives the test's answer, and costs a dollar a token."""
    answer: Answer = request.param

    def script(_asked: Asked) -> Answer:
        return answer

    with ScriptedEndpoint(script) as endpoint:
        prices = {"input_cost_per_token": 1, "output_cost_per_token": 1}
        arguments = json.dumps({"api_base": endpoint.url, "api_key": "none", **prices})
        yield ["--user-model", "endpoint/customer", "--user-args", arguments, "--attempts", "1"]
        assert len(endpoint.asked) <= 3  # with more attempts each episode would ask more often


@pytest.mark.parametrize("customer", [say("###STOP###")], indirect=True)
def test_no_episode_starts_once_max_cost_is_spent(start: Start, customer: list[str], tmp_path: Path) -> None:
    cassette = tmp_path / "tape.jsonl"
    server = start(*ONE, *customer, "--trials", "3", "--max-cost", "150", "--record", cassette)
    for _ in range(2):
        world = World(server, claim(server).raise_for_status().json())
        assert world.say().json()["status"] == "ended"
    assert refusal(claim(server)) == (410, "stopped")
    assert server.http.get("/v1/slots").json()["stopped"] == "--max-cost 150 is reached"
    response = server.http.post("/v1/episodes", json={"domain": "mock"})
    assert refusal(response) == (503, "max_cost")
    assert [line["episode"] for line in lines(cassette)] == ["create_plain#0", "create_plain#1"]
    assert "--max-cost 150 is reached" in server.log()


@pytest.mark.parametrize("customer", [Refusal(500, "out of order")], indirect=True)
def test_failing_infrastructure_stops_a_run(start: Start, customer: list[str]) -> None:
    server = start(*ONE, *customer, "--trials", "5", "--max-infrastructure-errors", "2")
    for _ in range(2):
        world = World(server, claim(server).raise_for_status().json())
        assert world.say().json()["status"] == "ended"
    assert refusal(claim(server)) == (410, "stopped")
    assert (
        "2 episodes in a row ended with the same infrastructure error" in server.http.get("/v1/slots").json()["stopped"]
    )
    assert server.create(user="scripted").call("get_users")["isError"] is False  # of others nobody is kept


@pytest.mark.parametrize("customer", [Refusal(401, "no such key")], indirect=True)
def test_a_model_that_is_refused_stops_a_run(start: Start, customer: list[str]) -> None:
    server = start(*ONE, *customer, "--trials", "5")
    world = World(server, claim(server).raise_for_status().json())
    assert world.say().json()["status"] == "ended"
    assert refusal(claim(server)) == (410, "stopped")
    assert "the user's model endpoint/customer" in server.http.get("/v1/slots").json()["stopped"]


@pytest.mark.parametrize("customer", [say("###STOP###")], indirect=True)
def test_requested_episodes_are_recorded(start: Start, customer: list[str], tmp_path: Path) -> None:
    cassette = tmp_path / "tape.jsonl"
    server = start("mock", *customer, "--record", cassette)
    first = server.create(task_id="create_plain")
    assert first.say().json()["status"] == "ended"
    server.stop()
    model = ["--user-model", "endpoint/customer", "--user-args", customer[3]]
    again = start("mock", *model, "--replay", cassette).create(task_id="create_plain")
    said = again.say().json()
    assert (said["status"], said["reply"]) == ("ended", "###STOP###")
    assert first.id != again.id


def test_the_customers_tokens_are_traced_and_kept_in_a_cassette(start: Start, tmp_path: Path) -> None:
    cassette = tmp_path / "tape.jsonl"
    run = ("mock", "--task", "create_plain", "--trials", "2", "--name", "r", "--token-traces")
    with ScriptedEndpoint(lambda _asked: say("Please do."), template=ByteTemplate()) as endpoint:
        place = ("--user-model", "endpoint/customer", "--user-args", json.dumps({"api_base": endpoint.url}))
        server = start(*run, *place, "--record", cassette)
        for trial in range(2):
            world = World(server, claim(server).raise_for_status().json())
            for _ in range(trial + 1):
                world.say("What can I do?")
            world.delete()
        server.stop()
    traced = lines(server.folder / "runs/r/tokens.jsonl")
    assert [(line["trial"], line["role"], line["call"]) for line in traced] == [
        *((0, "user", call) for call in range(2)),
        *((1, "user", call) for call in range(3)),
    ]
    rows = CliRunner().invoke(app, ["export", str(server.folder / "runs/r"), str(tmp_path / "rows"), "--to", "tokens"])
    assert rows.exit_code == 0, rows.output
    again = start(*run, *place, "--replay", cassette)
    world = World(again, claim(again).raise_for_status().json())
    world.say("What can I do?")
    world.delete()
    assert lines(again.folder / "runs/r/tokens.jsonl") == traced[:2]


def test_only_endpoints_report_the_customers_tokens(start: Start) -> None:
    with ScriptedEndpoint(lambda _asked: say("Please do.")) as endpoint:
        place = ("--user-model", "endpoint/customer", "--user-args", json.dumps({"api_base": endpoint.url}))
        world = start("mock", *place, "--token-traces").create(task_id="create_plain")
        assert world.say().json()["status"] == "ended"
        assert "sent no prompt_token_ids, which --token-traces needs" in world.record()["error"]
