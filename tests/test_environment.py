"""Calls on an environment: which side's tool answers, how calls fail, what a failed call leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.errors import PackError, TaskError
from tau2_core.model.messages import Requestor, ToolCall
from tau2_core.model.tasks import Assertion, FunctionCall
from tau2_core.model.tools import Failure, ToolResult

SettingOf = Callable[..., Setting]

HANDLERS = '''
from typing import Any
from tau2_core import Context, ToolError
from ..models import Item

def look(db, key: str) -> str:
    return db.items[key].name

def refuse(db, key: str) -> str:
    raise ToolError(f"not {key}")

def validate(db, count: str) -> Item:
    return Item(name="n", count=count)

def half(db, key: str, parts: list) -> str:
    """Change three things, then fail if told so by the arguments."""
    db.items[key].tags.append("half")
    db.items["new"] = Item(name="new")
    db.log.append("half")
    return parts[0]["name"]

def no_text(db) -> set:
    """Change something and return what has no text form."""
    db.log.append("written")
    return {1}

def when(db, context: Context) -> str:
    return context.now.isoformat()

def take_id(db, context: Context) -> str:
    new = context.free_id("item", taken=db.items)
    db.items[new] = Item(name=new)
    return new

def draw(db, context: Context) -> str:
    return str([context.random.random(), context.random.randint(0, 10**9)])

def is_named(db, key: str, name: str) -> bool:
    return db.items[key].name == name

def is_broken(db) -> str:
    return "yes"

def spoil(db) -> bool:
    db.log.append("spoilt")
    return True
'''
KEY = {"key": "string"}
PARTS = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
}
TOOLS: dict[str, dict[str, Any]] = {
    "look": {"parameters": KEY},
    "refuse": {"parameters": KEY},
    "validate": {"parameters": {"count": "string"}},
    "half": {"kind": "write", "parameters": {**KEY, "parts": PARTS}},
    "no_text": {"kind": "write"},
    "when": {},
    "take_id": {"kind": "write"},
    "draw": {"kind": "generic"},
}
FUNCTIONS: dict[str, dict[str, Any]] = {
    "is_named": {"kind": "assertion", "parameters": {**KEY, "name": "string"}},
    "is_broken": {"kind": "assertion"},
    "spoil": {"kind": "assertion"},
}


@pytest.fixture(scope="module")
def strict(small_pack: Callable[..., Setting]) -> Setting:
    return small_pack(HANDLERS, TOOLS, functions=FUNCTIONS, ids={"item": ["a", "c", "d"]})


@pytest.fixture(scope="module")
def tau2(strict: Setting) -> Setting:
    return Setting(strict.pack, mode="tau2")


def call(environment: Environment, name: str, requestor: Requestor = "assistant", **arguments: Any) -> ToolResult:
    return environment.call(ToolCall(name=name, arguments=arguments, requestor=requestor))


AGENT: tuple[str, dict[str, Any]] = ("get_users", {})
USER: tuple[str, dict[str, Any]] = ("check_notifications", {})
SIDES: tuple[Requestor, ...] = ("assistant", "user")


class TestRouting:
    @pytest.mark.parametrize(
        ("solo", "requestor", "tool", "found"),
        [
            (False, "assistant", AGENT, True),
            (False, "assistant", USER, False),
            (False, "user", AGENT, False),
            (False, "user", USER, True),
            (True, "assistant", AGENT, True),
            (True, "assistant", USER, True),
            (True, "user", AGENT, False),
            (True, "user", USER, False),
        ],
    )
    def test_each_side_has_its_own_tools_and_a_solo_agent_has_both(
        self, setting_of: SettingOf, solo: bool, requestor: Requestor, tool: tuple[str, Any], found: bool
    ) -> None:
        result = call(Environment(setting_of("mock", solo=solo)), tool[0], requestor, **tool[1])
        assert result.failure is (None if found else Failure.UNKNOWN_TOOL)
        assert result.content.startswith("Error: ") is not found

    def test_a_customer_without_tools_has_none(self, setting_of: SettingOf) -> None:
        result = call(Environment(setting_of("airline")), "list_all_airports", "user")
        assert result.failure is Failure.UNKNOWN_TOOL

    @pytest.mark.parametrize("name", ["assert_task_status", "add_notification"])
    def test_functions_of_tasks_are_not_tools(self, setting_of: SettingOf, name: str) -> None:
        for requestor in SIDES:
            assert call(Environment(setting_of("mock")), name, requestor).failure is Failure.UNKNOWN_TOOL

    def test_an_unknown_name_suggests_the_nearest_known_one(self, setting_of: SettingOf) -> None:
        result = call(Environment(setting_of("mock")), "get_user")
        assert result.content == "Error: there is no tool 'get_user' (did you mean 'get_users'?)"
        assert result.detail == {"code": "unknown_tool", "raised": "UnknownToolError"}


class TestFailing:
    @pytest.mark.parametrize(
        ("name", "arguments", "failure", "text"),
        [
            ("look", {"key": "a"}, None, "A"),
            ("look", {"key": "z"}, Failure.CRASHED, "Error: 'z'"),
            ("refuse", {"key": "a"}, Failure.REFUSED, "Error: not a"),
            ("validate", {"count": "5"}, None, '"count": 5'),
            ("validate", {"count": "x"}, Failure.REFUSED, "Error: count: Input should be a valid integer"),
            ("half", {"key": "a", "parts": [{"name": "n"}]}, None, "n"),
            ("half", {"key": "z", "parts": [{"name": "n"}]}, Failure.CRASHED, "Error: 'z'"),
            ("no_text", {}, Failure.CRASHED, "Error: a handler returned a set"),
            ("lock", {"key": "a"}, Failure.UNKNOWN_TOOL, "did you mean 'look'?"),
        ],
    )
    def test_arguments_that_fit_fail_alike_in_both_modes(
        self, strict: Setting, tau2: Setting, name: str, arguments: Any, failure: Failure | None, text: str
    ) -> None:
        for setting in (strict, tau2):
            result = call(Environment(setting), name, **arguments)
            assert (result.failure, text in result.content) == (failure, True), result.content

    @pytest.mark.parametrize(
        ("name", "arguments", "failure", "text"),
        [
            ("look", {}, Failure.INVALID_ARGUMENTS, "Error: look() missing 1 required"),
            ("look", {"key": "a", "more": 1}, Failure.INVALID_ARGUMENTS, "unexpected keyword argument"),
            ("look", {"key": ["a"]}, Failure.INVALID_ARGUMENTS, "unhashable"),
            ("look", {"db": 1, "key": "a"}, Failure.INVALID_ARGUMENTS, "multiple values"),
            ("when", {"context": 1}, Failure.INVALID_ARGUMENTS, "multiple values"),
            ("refuse", {"key": 5}, Failure.REFUSED, "Error: not 5"),
            ("validate", {"count": 5.0}, None, '"count": 5'),
            ("validate", {"count": 5.5}, Failure.REFUSED, "Error: count: "),
            ("half", {"key": "a", "parts": [{"name": 1}]}, None, '"1"'),
        ],
    )
    def test_arguments_that_do_not_fit_reach_the_handler_in_mode_tau2_and_never_in_strict(
        self, strict: Setting, tau2: Setting, name: str, arguments: Any, failure: Failure | None, text: str
    ) -> None:
        result = call(Environment(tau2), name, **arguments)
        assert (result.failure, text in result.content) == (failure, True), result.content
        assert call(Environment(strict), name, **arguments).failure is Failure.INVALID_ARGUMENTS

    def test_invalid_arguments_are_reported_as_json_with_the_position_of_each(self, strict: Setting) -> None:
        result = call(Environment(strict), "half", key=1, parts=[{"name": "n"}, {"name": None}])
        told = json.loads(result.content.removeprefix("Error: "))
        assert told == result.detail
        assert (told["code"], told["tool"]) == ("invalid_arguments", "half")
        assert [problem["argument"] for problem in told["problems"]] == ["key", "parts[1].name"]
        assert all(isinstance(problem["problem"], str) for problem in told["problems"])

    def test_a_direct_run_raises_what_the_handler_raises(self, strict: Setting) -> None:
        with pytest.raises(KeyError, match="z"):
            Environment(strict).run(ToolCall(name="look", arguments={"key": "z"}))


class TestTraces:
    @pytest.mark.parametrize(
        ("name", "arguments"),
        [("half", {"key": "a", "parts": [{}]}), ("half", {"key": "a", "parts": []}), ("no_text", {})],
    )
    def test_a_failed_call_changes_the_database_only_in_mode_tau2(
        self, strict: Setting, tau2: Setting, name: str, arguments: Any
    ) -> None:
        for setting, same in ((strict, True), (tau2, False)):
            environment = Environment(setting)
            before = environment.digests()
            assert call(environment, name, **arguments).failure is not None
            assert (environment.digests() == before) is same

    def test_a_handler_that_crashes_is_undone_even_after_earlier_changes(self, strict: Setting) -> None:
        environment = Environment(strict)
        for _ in range(2):
            assert call(environment, "half", key="a", parts=[{"name": "n"}]).failure is None
        before = environment.digests(), environment.official_hashes()
        assert call(environment, "no_text").failure is Failure.CRASHED
        assert (environment.digests(), environment.official_hashes()) == before
        assert environment.worlds["agent"].read_field("log") == ["start", "half", "half"]


class TestContext:
    def test_now_is_the_clock_of_the_manifest(self, strict: Setting) -> None:
        assert call(Environment(strict), "when").content == datetime(2025, 3, 1, 9).isoformat()

    def test_a_free_id_is_the_first_of_the_pool_that_is_not_taken(self, strict: Setting) -> None:
        environment = Environment(strict)
        assert [call(environment, "take_id").content for _ in range(2)] == ["c", "d"]

    def test_a_pool_without_a_free_id_fails_the_call(self, strict: Setting) -> None:
        environment = Environment(strict)
        results = [call(environment, "take_id") for _ in range(3)]
        assert (results[2].failure, results[2].content) == (Failure.REFUSED, "Error: no item id is left")

    def test_random_numbers_follow_from_the_seed(self, strict: Setting) -> None:
        drawn = [call(Environment(strict, seed=seed), "draw").content for seed in (1, 1, 2)]
        assert drawn[0] == drawn[1] != drawn[2]

    def test_a_context_parameter_with_another_name_is_refused(self, small_pack: Callable[..., Setting]) -> None:
        handlers = "from tau2_core import Context\n\ndef when(db, ctx: Context) -> str:\n    return str(ctx.now)\n"
        with pytest.raises(
            PackError, match=r"tools\.py:3: when: the parameter for the Context should be `context`, not 'ctx'"
        ):
            small_pack(handlers, {"when": {}})


class TestFunctions:
    def test_an_assertion_is_met_if_it_returns_what_the_task_says(self, strict: Setting) -> None:
        environment = Environment(strict)
        for name, wanted, met in (("A", True, True), ("A", False, False), ("B", True, False), ("B", False, True)):
            arguments = {"key": "a", "name": name}
            assertion = Assertion(env_type="assistant", func_name="is_named", arguments=arguments, assert_value=wanted)
            assert environment.holds(assertion) is met

    def test_an_assertion_should_return_a_bool(self, strict: Setting) -> None:
        with pytest.raises(TaskError, match="assertion is_broken returned str, not a bool"):
            Environment(strict).holds(Assertion(env_type="assistant", func_name="is_broken"))

    def test_an_assertion_cannot_change_anything(self, strict: Setting) -> None:
        with pytest.raises(TypeError, match="shared by all worlds"):
            Environment(strict).holds(Assertion(env_type="assistant", func_name="spoil"))

    def test_a_tool_may_be_called_as_a_function(self, strict: Setting) -> None:
        environment = Environment(strict)
        assert environment.call_function(FunctionCall(env_type="assistant", func_name="take_id")) == "c"
        assert "c" in environment.worlds["agent"].read_field("items")

    @pytest.mark.parametrize(("side", "name"), [("assistant", "is_name"), ("user", "is_named")])
    def test_an_unknown_function_is_an_error_of_the_task(self, strict: Setting, side: Requestor, name: str) -> None:
        with pytest.raises(TaskError, match=f"side has no function '{name}'"):
            Environment(strict).call_function(FunctionCall(env_type=side, func_name=name))
