"""Whatever agents send, the server answers without an internal error, and an error changes no state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.gym.fuzz.values import ENOUGH, MCP, META, MODERN, json_values

if TYPE_CHECKING:
    from tests.gym.conftest import Server, World


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
