"""Whatever is sent to the control plane, the server answers as its OpenAPI document says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gym.fuzz.values import ENOUGH, MCP, json_values

if TYPE_CHECKING:
    import schemathesis  # imported where it is used: every process that collects tests would wait for it

    from tests.gym.conftest import Server

OPERATIONS = {
    "/v1/episodes": ("GET", "POST"),
    "/v1/episodes/{episode_id}": ("GET", "DELETE"),
    "/v1/episodes/{episode_id}/reward": ("GET",),
    "/v1/episodes/{episode_id}/record": ("GET",),
    "/v1/episodes/{episode_id}/reset": ("POST",),
    "/v1/slots": ("GET", "POST"),
    "/v1/domains": ("GET",),
    "/v1/domains/{domain}/tasks": ("GET",),
    "/metrics": ("GET",),
    "/healthz": ("GET",),
}


def test_all_operations_are_tried(control_plane: schemathesis.BaseSchema) -> None:
    from schemathesis.core.result import Ok

    results = list(control_plane.get_all_operations())
    assert all(isinstance(result, Ok) for result in results)
    described = {(result.ok().path, result.ok().method.upper()) for result in results if isinstance(result, Ok)}
    assert described == {(path, method) for path, methods in OPERATIONS.items() for method in methods}


FITTING, UNFIT = "positive", "negative"
TRIED = [(path, method, FITTING) for path in OPERATIONS for method in OPERATIONS[path]]
TRIED += [(path, "POST", UNFIT) for path in OPERATIONS if "POST" in OPERATIONS[path] and path != "/v1/slots"]  # no body


@pytest.mark.parametrize(("path", "method", "mode"), TRIED)
def test_the_control_plane_follows_its_openapi_document(
    fuzzed: Server,
    control_plane: schemathesis.BaseSchema,
    path: str,
    method: str,
    mode: str,
) -> None:
    """Statuses, content types and bodies are as documented, for requests that fit the document and for others."""
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks as openapi

    checks = [
        not_a_server_error,
        openapi.status_code_conformance,
        openapi.content_type_conformance,
        openapi.response_schema_conformance,
    ]
    operation, how = control_plane[path][method], GenerationMode(mode)
    known: dict[str, Any] = {"path_parameters": {"episode_id": "known"}} if "{" in path and method != "DELETE" else {}

    @settings(**ENOUGH)
    @given(case=operation.as_strategy(generation_mode=how) | operation.as_strategy(generation_mode=how, **known))
    def try_it(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(base_url=fuzzed.address, checks=checks)

    try_it()
    assert fuzzed.http.get("/v1/episodes/known").status_code == 200


NAMES = ["create_task", "update_task_status", "add_notification", "assert_task_status", "check_notifications", "none"]
SIDES = st.sampled_from(["assistant", "user"])
arguments = st.dictionaries(
    st.sampled_from(["user_id", "title", "task_id", "status", "message"]), json_values | st.text()
)
functions = st.fixed_dictionaries({"env_type": SIDES, "func_name": st.sampled_from(NAMES), "arguments": arguments})
calls = st.fixed_dictionaries({"name": st.sampled_from(NAMES), "arguments": arguments, "requestor": SIDES})
data = st.dictionaries(st.sampled_from(["tasks", "users", "notifications", "none"]), json_values, max_size=2)
messages = st.one_of(
    st.fixed_dictionaries({"role": st.sampled_from(["assistant", "user", "system"]), "content": st.text()}),
    st.fixed_dictionaries({"role": SIDES, "tool_calls": st.lists(calls.map(lambda call: {**call, "id": "1"}))}),
    st.fixed_dictionaries({"role": st.just("tool"), "id": st.just("1"), "content": st.text()}),
)
tasks = st.fixed_dictionaries(
    {"id": st.text(), "user_scenario": st.fixed_dictionaries({"instructions": st.text()})},
    optional={
        "ticket": st.text(),
        "user_tools": st.lists(st.sampled_from(NAMES)),
        "initial_state": st.fixed_dictionaries(
            {},
            optional={
                "initialization_data": st.fixed_dictionaries({}, optional={"agent_data": data, "user_data": data}),
                "initialization_actions": st.lists(functions, max_size=2),
                "message_history": st.lists(messages, max_size=3),
            },
        ),
        "evaluation_criteria": st.fixed_dictionaries(
            {"reward_basis": st.lists(st.sampled_from(["DB", "ACTION", "ENV_ASSERTION", "COMMUNICATE"]))},
            optional={
                "actions": st.lists(calls, max_size=2),
                "env_assertions": st.lists(functions, max_size=2),
                "communicate_info": st.lists(st.text()),
            },
        ),
    },
)


def test_any_task_is_played_or_refused(fuzzed: Server, control_plane: schemathesis.BaseSchema) -> None:
    bodies: st.SearchStrategy[Any] = control_plane["/v1/episodes"]["POST"].as_strategy().map(lambda case: case.body)
    described = bodies.filter(lambda body: isinstance(body.get("task"), dict)).map(lambda body: body["task"])
    played: list[str] = []

    @settings(**{**ENOUGH, "max_examples": settings().max_examples})
    @given(task=described | tasks, mode=st.sampled_from(["strict", "tau2"]))
    def try_it(task: Any, mode: str) -> None:
        wishes = {"domain": "mock", "task": task, "mode": mode}
        made = fuzzed.http.post("/v1/episodes", content=json.dumps(wishes), headers=MCP)
        assert made.status_code in {201, 400, 422}, made.text
        if made.status_code == 201:
            url = f"/v1/episodes/{made.json()['id']}"
            assert fuzzed.http.get(made.json()["conversation_url"]).status_code == 200
            assert fuzzed.http.get(f"{url}/record").status_code == 200
            assert fuzzed.http.get(f"{url}/reward").status_code == 200
            assert fuzzed.http.post(f"{url}/reset").status_code == 200
            assert fuzzed.http.delete(url).status_code == 204
            played.append(url)

    try_it()
    assert len(played) > 20
