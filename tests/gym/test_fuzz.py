"""Whatever is sent, the server answers without an internal error, and an error changes no state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    import schemathesis  # imported where it is used: every process that collects tests would wait for it

    from tests.gym.conftest import Server, Start, World

META = '{"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}'
MCP = {"accept": "application/json", "content-type": "application/json"}
MODERN = {**MCP, "mcp-protocol-version": "2026-07-28"}
ENOUGH: dict[str, Any] = {
    "max_examples": settings().max_examples // 3,
    "suppress_health_check": list(HealthCheck),
    "deadline": None,
}


@pytest.fixture(scope="module")
def fuzzed(start_for_all: Start) -> Iterator[Server]:
    """A server whose episodes do not end because of errors."""
    server = start_for_all("mock", "airline", "--max-errors", 10**9, "--max-steps", 10**9)
    server.create("mock", id="known", task_id="create_plain")
    yield server
    assert server.http.get("/healthz").json() == {"status": "ok"}
    assert server.process.poll() is None


@pytest.fixture(scope="module")
def control_plane(fuzzed: Server) -> schemathesis.BaseSchema:
    import schemathesis

    return schemathesis.openapi.from_dict(fuzzed.http.get("/openapi.json").json())


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


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


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


def nested(levels: int) -> str:
    return '{"a":[' * (levels // 2) + "1" + "]}" * (levels // 2)


# Values in JSON's notation, or close to it: some have no other notation.
ODD = {
    "nan": "NaN",
    "minus infinity": "-Infinity",
    "overflow": "1e999",
    "large float": "1e308",
    "65 bits": str(2**64),
    "1000 digits": "9" * 1000,
    "1001 digits": "9" * 1001,
    "5000 digits": "-" + "9" * 5000,
    "lone surrogate": '"\\ud800"',
    "half a pair as a key": '{"\\udfff": 1}',
    "a zero byte": '"\\u0000"',
    "900 kB": f'"{"x" * 900_000}"',
    "60 levels": nested(60),
    "100 levels": nested(100),
    "200 levels": nested(200),
    "300 levels": nested(300),
    "10,000 levels": nested(10_000),
    "50,000 entries": f"[{'1,' * 50_000}1]",
    "an empty key": '{"": null}',
    "true": "true",
    "null": "null",
    "a number": "0",
    "an empty list": "[]",
}


def is_wrong(arguments: Any) -> bool:
    """Tell whether these arguments do not make a valid call of create_task."""
    if not isinstance(arguments, dict) or set(arguments) - {"user_id", "title", "description"}:
        return True
    return not all(isinstance(arguments.get(name), str) for name in ("user_id", "title"))


@pytest.fixture(scope="module", params=["strict", "tau2"])
def world(fuzzed: Server, request: pytest.FixtureRequest) -> World:
    return fuzzed.create("mock", mode=request.param)


def post(world: World, name: str, arguments: str) -> dict[str, Any] | None:
    """Make a call with name and arguments in JSON; return its result, None if it was refused as malformed."""
    params = f'{{"name": {name}, "arguments": {arguments}, "_meta": {META}}}'
    body = f'{{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {params}}}'
    plain = name.strip('"')
    response = world.server.http.post(
        world.mcp_url,
        content=body.encode(),
        headers={**MODERN, "mcp-method": "tools/call", "mcp-name": plain if plain.isalnum() or "_" in plain else "x"},
    )
    assert response.status_code in {200, 400, 413, 431}, response.text
    if response.status_code == 200 and "result" in response.json():
        result: dict[str, Any] = response.json()["result"]
        return result
    return None


def check_nothing_happened(world: World, before: dict[str, str]) -> None:
    assert world.digests() == before
    assert world.state()["status"] == "open"
    json.loads(world.control(what="/record").text, parse_constant=pytest.fail)  # no NaN or similar
    assert world.control(what="/reward").status_code == 200


@settings(**ENOUGH)
@given(arguments=json_values | st.fixed_dictionaries({"user_id": json_values, "title": json_values}))
def test_garbage_as_arguments(world: World, arguments: Any) -> None:
    before = world.digests()
    result = post(world, '"create_task"', json.dumps(arguments))
    if result is None or result["isError"]:
        check_nothing_happened(world, before)
    else:
        assert not is_wrong(arguments)
    if is_wrong(arguments):
        assert result is None or result["isError"]


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_odd_values_at_every_place(world: World, value: str) -> None:
    person = '"user_id": "rosa_delgado"'
    for arguments in (
        f'{{{person}, "title": {value}}}',
        f'{{{person}, "title": "x", "description": {value}}}',
        f'{{{person}, "title": "x", "more": {value}}}',
        value,
    ):
        before = world.digests()
        result = post(world, '"create_task"', arguments)
        if result is None or result["isError"]:
            check_nothing_happened(world, before)
    check_nothing_happened(world, world.digests())


@settings(**ENOUGH)
@given(name=json_values)
@example(name="create_task\n")
@example(name="../create_task")
@example(name="\ud800")
@example(name="x" * 100_000)
def test_garbage_as_a_tools_name(world: World, name: Any) -> None:
    before = world.digests()
    result = post(world, json.dumps(name), "{}")
    assert result is None or result["isError"]
    check_nothing_happened(world, before)


@settings(**ENOUGH)
@given(content=st.text() | json_values)
@example(content="\ud800")
@example(content="\x1c")
def test_garbage_as_an_utterance(fuzzed: Server, content: Any) -> None:
    world = fuzzed.create("mock", task_id="create_plain")
    with_nan = json.dumps({"content": content}).encode()
    response = fuzzed.http.post(world.urls["conversation_url"], content=with_nan)
    assert response.status_code in {200, 400, 422}
    assert (response.status_code == 200) == (world.state()["steps"] > 0)
    if not isinstance(content, str):
        assert response.status_code in {400, 422}
    assert world.state()["termination"] in {None, "user_stop"}
    world.delete()


@settings(**ENOUGH)
@given(body=st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_garbage_as_a_message(world: World, body: bytes) -> None:
    before = world.digests()
    for url in (world.mcp_url, "/mcp"):
        for headers in ({}, {"mcp-protocol-version": "2026-07-28"}, {"mcp-protocol-version": "1"}):
            response = world.server.http.post(url, content=body, headers={**MCP, **headers})
            assert 400 <= response.status_code < 500 or response.status_code == 202
    check_nothing_happened(world, before)
