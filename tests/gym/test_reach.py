"""What an agent can reach with its own URL and no token: its tools, texts and conversation, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from tau2_core.gym.application import build_application
from tau2_core.gym.middleware import WebPages
from tau2_core.gym.registry import Registry
from tau2_core.gym.server_settings import ServerSettings
from tau2_core.runs.loading import open_catalogue

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start, World

TOKEN = "only-the-harness-knows"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
HIDDEN_TASK = {
    "id": "hidden-task-id",
    "description": {"purpose": "hidden-purpose", "notes": "hidden-notes"},
    "ticket": "hidden-ticket",
    "user_scenario": {"persona": "hidden-persona", "instructions": "Make a task."},
    "evaluation_criteria": {
        "actions": [{"name": "create_task", "arguments": {"user_id": "rosa_delgado", "title": "hidden-title"}}],
        "communicate_info": ["hidden-info"],
        "nl_assertions": ["hidden-statement"],
    },
}


DESCRIPTIONS = {f"/openenv/{{domain}}/{name}" for name in ("health", "metadata", "schema", "openapi.json")}
NEMO_GYM = {"/{tool}", "/reverify_mode"} | {
    f"/{name}" for name in ("seed_session", "verify", "close_session", "aggregate_metrics")
}
SOCKETS = {f"/openenv/{{domain}}/{name}" for name in ("ws", "mcp")}
TASK_API = {
    f"/openenv/{{domain}}/{{env_name}}/{name}" for name in ("splits", "tasks", "num_tasks", "task", "task_range")
}
DATA_PLANE = ["/episodes/{key}/mcp", "/episodes/{key}/mcp/"]  # served before the router is asked


@pytest.fixture(scope="module")
def paths() -> list[str]:
    """Every path that the application serves."""
    catalogue = open_catalogue()
    registry = Registry(catalogue, None, max_episodes=1, idle_seconds=1)
    return [*DATA_PLANE, *walk(routes_of(build_application(registry, ServerSettings(catalogue, ["mock"]))), "")]


def walk(routes: Sequence[BaseRoute], above: str) -> Iterator[str]:
    for route in routes:
        if isinstance(route, Mount):
            yield from walk(routes_of(route.app), above + route.path)
        else:
            assert isinstance(route, Route | APIRoute | WebSocketRoute), (
                f"{route}: another kind of route, which no test looks at"
            )
            yield above + route.path


def routes_of(app: Any) -> Sequence[BaseRoute]:
    """Return the routes behind an application's middleware."""
    while not hasattr(app, "routes"):
        app = app.others if isinstance(app, WebPages) else app.app
    routes: Sequence[BaseRoute] = app.routes
    return routes


def test_all_routes_are_known(paths: list[str]) -> None:
    """Every new route must be classified here: who may reach it, and what it reveals."""
    assert set(paths) == {
        "/episodes/{key}/mcp",
        "/episodes/{key}/mcp/",
        "/episodes/{key}/conversation",
        "/mcp",
        "/mcp/",
        "/control/initial_state",
        "/control/reward",
        "/control/status",
        "/control/info",
        "/control/reset_session",
        "/openapi.json",
        "/healthz",
        "/metrics",
        "/",
        "/docs",
        "/v1/domains",
        "/v1/domains/{domain}/tasks",
        "/v1/slots",
        "/v1/episodes",
        "/v1/episodes/{episode_id}",
        "/v1/episodes/{episode_id}/reward",
        "/v1/episodes/{episode_id}/record",
        "/v1/episodes/{episode_id}/reset",
        *NEMO_GYM,
        *DESCRIPTIONS,
        *SOCKETS,
        *TASK_API,
        *(f"/openenv/{{domain}}/{name}" for name in ("reset", "step", "state", "list_environments")),
    }


class Agent:
    """An agent with one episode's URL and no token."""

    def __init__(self, server: Server, own: World, others: Sequence[World]) -> None:
        self.server = server
        self.own = own
        self.worlds = [own, *others]
        self.http = httpx.Client(base_url=server.address, timeout=60)
        self.key = own.mcp_url.split("/")[-2]
        self.secrets = self._secrets()

    def _secrets(self) -> set[str]:
        """Return what the agent must not learn, in the words in which it would appear."""
        words = {"hidden-", TOKEN, *(tool["description"] for tool in self.own.tools(user=True))}
        for world in self.worlds:
            words |= {world.id, world.urls["user_mcp_url"].split("/")[-2], *world.digests().values()}
            if world is not self.own:
                words.add(world.mcp_url.split("/")[-2])
        return words

    def look_at(self, response: httpx.Response, asked_with: str) -> None:
        told = f"{response.headers}{response.text}"
        found = {word for word in self.secrets if word in told and word not in asked_with}
        assert not found, f"{response.request.method} {response.request.url}: {found} in {told}"
        assert response.status_code < 500


@pytest.fixture(scope="module")
def agent(start_for_all: Start) -> Iterator[Agent]:
    server = start_for_all("mock", "--token", TOKEN)
    own, *others = [server.create("mock", task=HIDDEN_TASK) for _ in range(2)]
    server.create("mock", id="compat-known", task=HIDDEN_TASK)
    agent = Agent(server, own, others)
    yield agent
    agent.http.close()


def test_no_route_reveals_anything(agent: Agent, paths: list[str]) -> None:
    before = [world.record() for world in agent.worlds]
    seen: dict[str, set[int]] = {}
    for path, method, world in product(paths, METHODS, agent.worlds):
        if path == "/episodes/{key}/conversation":
            continue  # see below
        url = path.format(key=agent.key, episode_id=world.id, domain="mock", env_name="mock", tool="get_users")
        for headers in ({}, {"mcp-session-id": "known"}, {"mcp-session-id": world.id}, {"authorization": "Bearer x"}):
            response = agent.http.request(method, url, headers=headers, json={"domain": "mock"})
            agent.look_at(response, f"{url}{headers}")
            seen.setdefault(path, set()).add(response.status_code)
    assert [world.record() for world in agent.worlds] == before
    assert len(agent.server.http.get("/v1/episodes").json()) == 3
    guarded = {
        path for path in paths if path.startswith(("/v1", "/control", "/mcp", "/metrics", "/openenv", *NEMO_GYM))
    }
    guarded -= {*DESCRIPTIONS, "/openenv/{domain}/ws"}  # tests/gym/openenv opens that one
    assert {path: seen[path] - {404, 405} for path in guarded} == {path: {401} for path in guarded}
    public = {"/", "/docs", "/healthz", "/openapi.json", *DESCRIPTIONS}
    assert {path for path, codes in seen.items() if 200 in codes} == public


def test_the_openapi_document_is_the_same_for_all_episodes(agent: Agent, server: Server) -> None:
    assert agent.http.get("/openapi.json").json() == server.http.get("/openapi.json").json()


def test_no_mcp_method_reveals_anything(agent: Agent) -> None:
    server, url = agent.server, agent.own.mcp_url
    asked: list[tuple[str, dict[str, Any]]] = [
        ("server/discover", {}),
        ("ping", {}),
        ("tools/list", {}),
        ("tools/call", {"name": "check_notifications", "arguments": {}}),
        ("tools/call", {"name": "assert_number_of_tasks", "arguments": {"user_id": "x", "expected_number": 1}}),
        ("tools/call", {"name": "add_notification", "arguments": {"notification_id": "x", "message": "x"}}),
        ("prompts/list", {}),
        ("resources/list", {}),
        ("resources/templates/list", {}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "", "value": ""}}),
        *[("prompts/get", {"name": name}) for name in ("policy", "domain", "ticket", "task", "gold", "reward")],
        *[("resources/read", {"uri": f"tau2://{name}"}) for name in ("policy", "domain", "ticket", "task", "../gold")],
    ]  # fmt: skip
    for method, params in asked:
        response = server.rpc(url, method, params)
        agent.look_at(response, str(params))
    listed = {tool["name"] for tool in agent.own.tools()}
    assert listed == {"create_task", "get_users", "update_task_status", "transfer_to_human_agents"}


def test_the_conversation_reveals_only_its_messages(agent: Agent) -> None:
    url = f"/episodes/{agent.key}/conversation"
    for response in (agent.http.get(url), agent.http.post(url, json={"content": "Yes?"})):
        agent.look_at(response, url)
        assert response.json().keys() == {"status", "reply", "messages"}
    assert [agent.http.request(method, url).status_code for method in ("PUT", "DELETE", "PATCH")] == [405] * 3


def test_the_customers_url_opens_its_tools_and_no_conversation(agent: Agent) -> None:
    user_url = agent.own.urls["user_mcp_url"]
    prompts = agent.server.rpc(user_url, "prompts/list").json()["result"]["prompts"]
    assert [prompt["name"] for prompt in prompts] == ["domain"]  # the policy is only for the agent
    refused = agent.http.get(user_url.replace("/mcp", "/conversation"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "unknown_episode")


def test_a_token_is_compared_whole(agent: Agent) -> None:
    for given in ("", "Bearer", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer é"):
        response = agent.http.get("/v1/episodes", headers={b"Authorization": given.encode()})
        assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorised")
        assert response.headers["www-authenticate"] == "Bearer"
    assert agent.server.http.get("/v1/episodes").status_code == 200


def test_keys_are_long_random_and_not_in_the_log(agent: Agent) -> None:
    keys = {world.urls[name].split("/")[-2] for world in agent.worlds for name in ("mcp_url", "user_mcp_url")}
    assert len(keys) == 4
    assert all(len(key) == 32 for key in keys)
    agent.http.put(f"/episodes/{agent.key}/conversation")
    log = agent.server.log()
    assert "PUT '/episodes/…/conversation': 405 method_not_allowed" in log
    assert not {key for key in keys if key in log}


def test_no_part_of_a_mistyped_url_is_in_the_log(agent: Agent) -> None:
    key = agent.key
    paths = [
        f"/episodes/{key}",
        f"/episodes/{key}/",
        f"/episodes/{key}/mpc",
        f"/episodes/{key[:-1]}/mcp",
        f"/episodes/{key[:16]}/{key[16:]}",
        f"/episode/{key}/mcp",
        f"/{key}",
        f"/{key}/mcp",
        f"//episodes/{key}/mcp",
        f"/mcp/{key}",
        f"/v1/episodes/{key}",
        f"/v1/episodes/{key}/reward",
        f"/control/{key}",
        f"/episodes/%2e/{key}/conversation",
        f"/healthz/?key={key}",
        f"/http://127.0.0.1/episodes/{key}/mcp",
    ]
    for path in paths:
        for method in ("GET", "POST", "DELETE"):
            assert agent.http.request(method, path).status_code >= 300
    log = agent.server.log()
    assert "GET '/episodes/…': 404" in log
    parts = [key[start : start + 6] for start in range(len(key) - 5)]
    assert [part for part in parts if part in log] == []
