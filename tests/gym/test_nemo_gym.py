"""The routes of a resources server that NeMo Gym's agents use."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.gym.conftest import SECONDS, Server, Start

ROW = {"task_id": "create_plain", "seed": 3, "responses_create_params": {"input": []}, "agent_ref": {"name": "a"}}
SOLVE = {"user_id": "piet_lindgren", "title": "Tune the piano"}
NOWHERE = '{"api_base": "http://127.0.0.1:9/v1"}'


@pytest.fixture
def agent(start: Start) -> Iterator[httpx.Client]:
    """A client that keeps cookies, as NeMo Gym's agents do."""
    with httpx.Client(base_url=start("mock", "airline").address, timeout=SECONDS) as client:
        yield client


def converse(agent: httpx.Client) -> None:
    """Talk until the customer ends the conversation."""
    while "[The conversation has ended.]" not in agent.post("/send_message_to_user", json={"message": "Done."}).text:
        pass


def test_a_row_is_played_and_verified(agent: httpx.Client) -> None:
    seeded = agent.post("/seed_session", json=ROW).raise_for_status()
    assert seeded.json()["mcp"]["url_path"].endswith("/mcp")
    assert "Piet Lindgren" in agent.post("/start_conversation", json={}).text
    assert "task_7" in agent.post("/create_task", json=SOLVE).text
    wrong = agent.post("/no_such_tool", json={})
    assert (wrong.status_code, wrong.text.startswith("Error: there is no tool")) == (200, True)
    converse(agent)
    verified = agent.post("/verify", json={**ROW, "response": {"output": []}}).raise_for_status().json()
    assert {**ROW, "response": {"output": []}}.items() <= verified.items()
    assert (verified["reward"], verified["mask_sample"], verified["failure_kind"]) == (1.0, False, None)
    assert verified["criteria"]["DB"] == 1.0
    again = agent.post("/verify", json=ROW)
    assert (again.status_code, again.json()["error"]["code"]) == (410, "expired_episode")


def test_an_agent_that_stops_talking_ends_the_episode(agent: httpx.Client) -> None:
    agent.post("/seed_session", json={**ROW, "domain": "mock"})
    agent.post("/start_conversation", json={})
    verified = agent.post("/verify", json=ROW).json()
    assert (verified["reward"], verified["outcome"]) == (0.0, "failed")


def test_errors_that_are_not_the_agents_are_masked_from_training(start: Start) -> None:
    options = ("--user-model", "endpoint/x", "--user-args", NOWHERE, "--attempts", "1")
    with httpx.Client(base_url=start("mock", *options).address, timeout=SECONDS) as agent:
        agent.post("/seed_session", json=ROW)
        agent.post("/start_conversation", json={})
        verified = agent.post("/verify", json=ROW).json()
    assert (verified["reward"], verified["mask_sample"]) == (0.0, True)
    assert verified["failure_kind"] == "tau2_gym:infrastructure_error"
    assert verified["failure_reason"]


def test_a_closed_session_is_gone_and_rewards_are_summed_up(agent: httpx.Client) -> None:
    agent.post("/seed_session", json=ROW)
    for _ in range(2):
        assert agent.post("/close_session", json={}).json() == {}
    assert agent.post("/get_users", json={}).status_code == 410
    assert agent.get("/reverify_mode").json() == "unsupported"
    rows = [{"reward": 1.0}, {"reward": 0.0}, {"reward": 0.0, "mask_sample": True}, {"reward": "?"}]
    told = agent.post("/aggregate_metrics", json={"verify_responses": rows}).json()
    assert told["key_metrics"] == told["agent_metrics"] == {"mean/reward": 0.5}
    assert agent.post("/aggregate_metrics", json={"verify_responses": []}).json()["agent_metrics"] == {}


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/seed_session", {**ROW, "task_id": "x"}, 422, "no task 'x'"),
        ("/seed_session", {**ROW, "split": "train", "task_id": 5}, 422, "task_id: Input should be a valid string"),
        ("/seed_session", {**ROW, "domain": "nowhere"}, 404, "this server has no domain 'nowhere'"),
        ("/seed_session", {"resources_session_id": "x"}, 422, "Environment Servers are not supported"),
        ("/seed_session", [], 422, "body: should be an object"),
        ("/get_users", {}, 400, "POST /seed_session first"),
        ("/verify", ROW, 400, "POST /seed_session first"),
        ("/aggregate_metrics", {}, 422, "verify_responses: should be a list"),
    ],
)
def test_invalid_requests_are_refused(server: Server, path: str, body: object, status: int, said: str) -> None:
    response = httpx.post(server.address + path, json=body)
    assert (response.status_code, said in response.json()["error"]["message"]) == (status, True)


def test_the_token_is_required(start: Start) -> None:
    server = start("mock", "--token", "secret")
    for path in ("/seed_session", "/verify", "/close_session", "/aggregate_metrics", "/get_users"):
        assert httpx.post(server.address + path, json={}).status_code == 401, path
