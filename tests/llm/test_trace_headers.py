"""The trace that an observer adds to a request is a header of it, whichever client sends it."""

from __future__ import annotations

import json
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Asked, Reply, ScriptedEndpoint

pytestmark = pytest.mark.domain("mock")


@pytest.mark.parametrize("model", ["endpoint/agent", "openai/agent"])
@pytest.mark.parametrize("traces", ["otlp", "off"])
def test_both_clients_send_it_with_the_users_own_headers(
    gym: Callable[..., CompletedProcess[str]], model: str, traces: str
) -> None:
    asked: list[Asked] = []
    gold = GoldScript.of_domain("mock")

    def script(request: Asked) -> Reply:
        asked.append(request)
        return gold(request)

    with ScriptedEndpoint(script) as endpoint:
        arguments = json.dumps({"api_base": endpoint.url, "extra_headers": {"x-own": "kept"}})
        customer = json.dumps({"api_base": endpoint.url})
        models = ("--agent-model", model, "--user-model", "endpoint/customer", "--user-args", customer)
        nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
        options = ("--task", "create_plain", *models, "--agent-args", arguments)
        done = gym("run", "mock", *options, TAU2_GYM_TRACES=traces, **nowhere)
    assert done.returncode == 0, done.stderr
    own = [request.headers for request in asked if request.model == "agent"]
    assert own
    assert {headers.get("x-own") for headers in own} == {"kept"}
    assert {"traceparent" in headers for headers in own} == {traces == "otlp"}
    assert not any("extra_headers" in request.body for request in asked)
