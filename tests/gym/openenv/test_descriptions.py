"""The descriptions of environments, and OpenEnv's task API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema_rs import validator_for

from tests.gym.conftest import Server, Start

if TYPE_CHECKING:
    from tests.gym.openenv.conftest import Connect

BASE = "/openenv/mock"


def test_the_routes_of_openenvs_validator(server: Server) -> None:
    assert server.http.get(f"{BASE}/health").json() == {"status": "healthy"}
    told = server.http.get(f"{BASE}/metadata").json()
    assert told["name"] == "mock"
    assert told["description"]
    document = server.http.get(f"{BASE}/openapi.json").json()
    assert document["info"]["version"].startswith("1.")
    assert {"/reset", "/step", "/state"} <= document["paths"].keys()
    assert server.http.post(f"{BASE}/mcp", json={}).json()["jsonrpc"] == "2.0"


def test_schemas_match_the_answers(server: Server, connect: Connect) -> None:
    schemas = server.http.get(f"{BASE}/schema").json()
    with connect(server) as env:
        first = env.reset(task_id="create_plain")["observation"]
        validator_for(schemas["reset_observation"]).validate(first)
        assert not validator_for(schemas["observation"]).is_valid(first)
        for action in ({"type": "list_tools"}, {"type": "call_tool", "tool_name": "get_users"}, {"tool_name": "x"}):
            validator_for(schemas["action"]).validate(action)
            validator_for(schemas["observation"]).validate(env.step(action)["observation"])
        validator_for(schemas["state"]).validate(env.state())
    assert not validator_for(schemas["action"]).is_valid({"type": "dance"})


def test_the_task_api(server: Server) -> None:
    post = server.http.post
    assert server.http.get(f"{BASE}/list_environments").json() == ["mock"]
    splits = server.http.get(f"{BASE}/Mock/splits").json()
    assert {"name": "train", "type": "train"} in splits
    assert {"name": "base", "type": "validation"} in splits
    told = post(f"{BASE}/mock/tasks", json={"split": "test"}).json()
    assert told["env_name"] == "mock"
    count = post(f"{BASE}/mock/num_tasks", json={"split": "test"}).json()["num_tasks"]
    assert count == len(told["tasks"]) > 2
    assert told["tasks"][1] == post(f"{BASE}/mock/task", json={"split": "test", "index": 1}).json()["task"]
    some = post(f"{BASE}/mock/task_range", json={"split": "test", "start": 1, "stop": 3}).json()["tasks"]
    assert some == told["tasks"][1:3]
    assert post(f"{BASE}/mock/task_range", json={"split": "test"}).json()["tasks"] == told["tasks"]


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/mock/task", {"split": "test", "index": 9999}, 400, "index should be from 0 to"),
        ("/mock/task", {"split": "test", "index": -1}, 400, "index should be from 0 to"),
        ("/mock/tasks", {"split": "tset"}, 422, "mock has no split 'tset' (did you mean"),
        ("/mock/tasks", {}, 422, "split: Field required"),
        ("/airline/tasks", {"split": "test"}, 404, "the only environment here is 'mock'"),
    ],
)
def test_invalid_requests_about_tasks_are_refused(
    server: Server, path: str, body: dict[str, object], status: int, said: str
) -> None:
    response = server.http.post(BASE + path, json=body)
    assert (response.status_code, said in response.json()["error"]["message"]) == (status, True)


def test_a_domain_that_is_not_served(server: Server) -> None:
    for path in ("health", "metadata", "schema", "state", "list_environments"):
        response = server.http.get(f"/openenv/nowhere/{path}")
        assert (response.status_code, response.json()["error"]["code"]) == (404, "unknown_domain"), path


def test_without_the_extra_websockets_are_refused_and_it_is_named(start: Start, plugin: object, tmp_path: Path) -> None:
    assert callable(plugin)
    site = plugin("hides", "import sys\nsys.modules['websockets'] = None\n")
    server = start("mock", PYTHONPATH=str(site))
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    response = server.http.get(f"{BASE}/ws", headers={**upgrade, "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="})
    assert (response.status_code, response.json()["error"]["code"]) == (501, "no_websockets")
    assert "pip install 'tau2-core[openenv]'" in response.json()["error"]["message"]
    assert server.http.post(f"{BASE}/reset", json={}).status_code == 200
