"""Arbitrary JSON as arguments of every tool of every installed pack always gives an answer."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tau2_core.agents.sampling import sample
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.model.messages import Requestor, ToolCall
from tau2_core.model.tools import Failure, Tool, ToolResult
from tau2_core.plugins.discovery import discover

DOMAINS = sorted(domain.name for domain in discover().domains())
TEXTS = st.text(st.characters(), max_size=6)
NUMBERS = st.integers() | st.floats(allow_nan=False) | st.sampled_from([math.nan, 10**400, 2**63, -0.0, True, 0.5])
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@functools.cache
def words(setting: Setting) -> list[str]:
    """Return ids and other words from the domain's gold calls, so that some calls succeed."""
    found: set[str] = set()
    pending: list[Any] = [action.arguments for task in setting.tasks().values() for action in task.gold()]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            found.add(value)
        elif isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list):
            pending += value
    return sorted(found)


@st.composite
def arguments_of(draw: st.DrawFn, tool: Tool, known: list[str]) -> dict[str, Any]:
    """Draw arguments of a tool: some valid, some of any kind, some missing, some unknown."""
    arguments: dict[str, Any] = {}
    for name, schema in tool.parameters["properties"].items():
        kind = draw(st.sampled_from(["fits", "fits", "fits", "any", "missing"]))
        if kind == "fits":
            arguments[name] = sample(schema, Random(draw(st.integers(0, 10**6))), known)
        elif kind == "any":
            arguments[name] = draw(ANYTHING)
    extra = st.sampled_from(["db", "context", "self", "tool_name", "requestor", ""]) | TEXTS
    return arguments | draw(st.dictionaries(extra, ANYTHING, max_size=draw(st.sampled_from([0, 0, 0, 2]))))


def call(environment: Environment, tool: Tool, arguments: dict[str, Any]) -> ToolResult:
    requestor: Requestor = "user" if tool.role == "user" else "assistant"
    return environment.call(ToolCall(name=tool.name, arguments=arguments, requestor=requestor))


@pytest.mark.parametrize("domain", DOMAINS)
@given(st.data())
@settings(max_examples=60)
def test_in_strict_mode_a_call_succeeds_or_changes_nothing(
    setting_of: Callable[..., Setting], domain: str, data: st.DataObject
) -> None:
    setting = setting_of(domain)
    known, environment = words(setting), Environment(setting)
    tools = [*setting.tools("agent").values(), *setting.tools("user").values()]
    for _ in range(3):
        tool = data.draw(st.sampled_from(tools), label="tool")
        arguments = data.draw(arguments_of(tool, known), label="arguments")
        before = environment.digests()
        result = call(environment, tool, arguments)
        assert isinstance(result.content, str)
        if result.failure is not None:
            assert result.content.startswith("Error: ")
            assert environment.digests() == before
        elif not tool.mutates:
            assert environment.digests() == before
        if result.failure is Failure.INVALID_ARGUMENTS:
            assert json.loads(result.content.removeprefix("Error: "))["tool"] == tool.name


@pytest.mark.parametrize("domain", DOMAINS)
@given(st.data())
@settings(max_examples=60)
def test_in_mode_tau2_a_call_answers_and_the_world_can_still_be_hashed(
    setting_of: Callable[..., Setting], domain: str, data: st.DataObject
) -> None:
    setting = setting_of(domain, mode="tau2")
    known, environment = words(setting), Environment(setting)
    tools = [*setting.tools("agent").values(), *setting.tools("user").values()]
    for _ in range(3):
        tool = data.draw(st.sampled_from(tools), label="tool")
        arguments = data.draw(arguments_of(tool, known), label="arguments")
        result = call(environment, tool, arguments)
        assert isinstance(result.content, str)
        assert result.content.startswith("Error: ") or result.failure is None
    assert all(len(digest) == 64 for digest in environment.digests().values())


@pytest.mark.parametrize("domain", DOMAINS)
def test_handlers_do_not_crash_on_arguments_that_fit(setting_of: Callable[..., Setting], domain: str) -> None:
    setting = setting_of(domain)
    known, random = words(setting), Random(7)
    tools = [*setting.tools("agent").values(), *setting.tools("user").values()]
    crashed = []
    for tool in tools * 20:
        environment = Environment(setting)
        arguments = sample({**tool.parameters, "type": "object"}, random, known)
        result = call(environment, tool, arguments)
        if result.failure in (Failure.CRASHED, Failure.INVALID_ARGUMENTS):
            crashed.append((tool.name, arguments, result.content))
    assert crashed == []


@pytest.mark.parametrize("mode", ["strict", "tau2"])
@pytest.mark.parametrize("depth", [100, 1000, 20_000])
def test_deeply_nested_arguments_are_answered(setting_of: Callable[..., Setting], mode: str, depth: int) -> None:
    deep: Any = []
    for _ in range(depth):
        deep = [deep]
    environment = Environment(setting_of("mock", mode=mode))
    for name, arguments in (("update_task_status", {"task_id": "task_1", "status": deep}), ("no_such_tool", deep)):
        made = ToolCall.model_construct(
            name=name, arguments={"x": arguments} if isinstance(arguments, list) else arguments
        )
        assert environment.call(made.model_copy(update={"requestor": "assistant"})).content != ""
