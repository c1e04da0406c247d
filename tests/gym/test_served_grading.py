"""Served episodes are graded as in a run, and the server refuses what a run refuses."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start

REFUSAL = {
    "id": "refuse",
    "outcome": "refused",
    "user_scenario": {"instructions": "Ask for what is not done here."},
    "evaluation_criteria": {"actions": [], "reward_basis": ["DB"]},
}


def test_a_server_grades_with_the_set_that_it_is_given(start: Start) -> None:
    """An agent that does nothing solves a refusal task under `tau2`, and not under `strict`."""
    rewards = []
    for options in ([], ["--evaluators", "strict"]):
        world = start("mock", *options).create(task=REFUSAL)
        found: dict[str, Any] = world.control(what="/reward").json()
        rewards.append((found["grade"]["evaluators"], found["reward"]))
    assert rewards == [("tau2", 1.0), ("strict", 0.0)]


def test_a_server_grades_by_default_as_the_packs_manifest_says(start: Start, tmp_path: Path) -> None:
    pack = Path(__file__).parents[2] / "domains/mock/src/tau2_domain_mock"
    copy = tmp_path / "desk"
    for file in pack.rglob("*"):
        if file.is_file() and file.suffix != ".pyc":
            target = copy / file.relative_to(pack)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    for file in copy.rglob("*.py"):
        file.write_text(file.read_text().replace("tau2_domain_mock", "desk"))
    manifest = copy / "domain.yaml"
    text = manifest.read_text().replace("name: mock", "name: desk")
    assert text.count("evaluation:\n") == 1
    manifest.write_text(text.replace("evaluation:\n", "evaluation:\n  evaluators: strict\n"))
    world = start("desk", "--pack", copy).create("desk", task=REFUSAL)
    found = world.control(what="/reward").json()
    assert (found["grade"]["evaluators"], found["reward"]) == ("strict", 0.0)


def test_a_human_customer_on_a_server_is_refused(server: Server) -> None:
    response = server.http.post("/v1/episodes", json={"domain": "mock", "task_id": "create_plain", "user": "human"})
    assert response.status_code == 422
    assert "person at a terminal" in response.json()["error"]["message"]
    assert server.create(task_id="create_plain").state()["status"] == "open"


def test_the_front_page_says_where_the_planes_are(server: Server) -> None:
    for path in ("/", "/docs"):
        found = httpx.get(f"{server.address}{path}").raise_for_status().json()
        assert "POST /v1/slots" in found["routes"]
        page = httpx.get(f"{server.address}{path}", headers={"Accept": "text/html,*/*"})
        assert page.headers["content-type"].startswith("text/html")
        assert "/v1/episodes" in page.text
        assert "http" not in page.text.replace("<!doctype html>", "")  # nothing is fetched from elsewhere


def test_a_call_without_a_session_gets_an_explanation(server: Server) -> None:
    world = server.create(task_id="create_plain")
    request = {"jsonrpc": "2.0", "id": 5, "method": "tools/list", "params": {}}
    for url in (world.mcp_url, f"{server.address}/mcp"):
        answer = httpx.post(url, json=request)
        assert answer.status_code == 400
        assert answer.json()["id"] == 5
        for word in ("initialize", "Mcp-Session-Id", "2026-07-28"):
            assert word in answer.json()["error"]["message"]


@pytest.mark.parametrize("mode", ["legacy", "auto"])  # auto asks `server/discover`, of the revision without sessions
@pytest.mark.parametrize("route", ["url", "customer", "/mcp", "stdio"])
def test_an_agent_gets_its_instructions_and_nothing_more(server: Server, tmp_path: Path, route: str, mode: str) -> None:
    world = server.create("telecom" if route == "customer" else "mock")
    urls = {"url": world.mcp_url, "customer": world.urls["user_mcp_url"], "/mcp": f"{server.address}/mcp"}
    command = ["-P", "-m", "tau2_core", "serve", "mock", "--transport", "stdio", "--task", "create_plain"]
    launched = StdioServerParameters(command=sys.executable, args=command, cwd=tmp_path)

    async def instructions() -> str:
        where = stdio_client(launched) if route == "stdio" else urls[route]
        async with Client(where, mode=mode) as client:
            return client.instructions or ""

    text = asyncio.run(instructions())
    for word in ("policy", "customer", "tools", "one call at a time"):
        assert word in text
    for word in ("reward", "gold", "grade", "create_plain", "evaluat"):
        assert word not in text
    world.delete()


HANGS = """
import time
from tau2_core import Status, Verdict

def evaluate(evidence):
    while evidence.task.id == "complete_task":
        try:
            time.sleep(0.01)
        except BaseException:
            pass
    return Verdict(criterion="TONE", status=Status.GRADED, reward=1.0)
"""


def test_an_evaluator_that_never_ends_does_not_delay_others(start: Start, tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text(HANGS)
    file = tmp_path / "evaluation.yaml"
    entry = '{use: "./hangs.py:evaluate", counts: always, seconds: 0.3}'
    file.write_text(f"extends: tau2\nevaluators:\n  TONE: {entry}\n")
    server = start("mock", "--evaluators", file)
    hung, other = server.create(task_id="complete_task"), server.create(task_id="create_plain")
    grade = hung.control(what="/reward").json()["grade"]
    assert (grade["outcome"], grade["reward"]) == ("evaluator_error", None)
    assert f"it did not end within 0.3 s ({tmp_path / 'hangs.py'}:" in grade["note"]
    assert other.control(what="/reward").json()["grade"]["verdicts"]["TONE"]["reward"] == 1.0
    assert hung.value("get_users")
    assert server.stop() == -signal.SIGTERM
