"""Worlds are private: whatever handlers do in one, in whatever order, affects no other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import set_state, start
from tau2_core.evaluators.evidence import play_gold
from tau2_core.model.messages import ToolCall
from tau2_core.model.tasks import Task
from tau2_core.state.records import plain
from tau2_core.state.world import Base

WORLDS = 100
ODD_VALUES: list[Any] = [None, True, -1, 2.5, "", "HATHAT", [], [1, "x"], {}, {"payment_id": "x", "amount": 1}]

HANDLERS = '''
from typing import Any
from tau2_core import reading

KEPT = []

def spoil(db, how: str) -> str:
    """Try to change what was given for reading."""
    item = db.items["a"]
    attempts = {
        "attribute": lambda: setattr(item, "count", 99),
        "list": lambda: item.tags.append("spoilt"),
        "dict": lambda: item.prices.update(p=99.0),
        "deep": lambda: setattr(item.parts[0], "name", "spoilt"),
        "deeper": lambda: item.parts[0].sizes.append(99),
        "table": lambda: db.items.pop("a"),
        "field": lambda: db.log.append("spoilt"),
        "whole field": lambda: setattr(db, "log", []),
    }
    attempts[how]()
    return "changed"

def spoil_through_reading(db) -> str:
    """A writer that changes what it looks through."""
    reading(db).items["a"].tags.append("spoilt")
    return "changed"

def keep(db) -> str:
    """Keep what was given for reading."""
    KEPT[:] = [db.items["a"], db.items["a"].tags, db.log]
    return "kept"

def spoil_kept(db) -> str:
    """Change what was kept from another call."""
    for value in KEPT:
        value.append("spoilt") if isinstance(value, list) else setattr(value, "count", 99)
    return "changed"

def store(db, data: dict) -> str:
    """Store an argument as it is, and keep it."""
    KEPT[:] = [data]
    db.items["a"].data = data
    return "stored"

def grow(db) -> int:
    """Change what is stored."""
    db.items["a"].data["list"].append("grown")
    return len(db.items["a"].data["list"])

def eat(db, data: dict) -> str:
    """A reader that changes its arguments."""
    data["list"].clear()
    data.clear()
    return "eaten"

def eats(db, data: dict) -> bool:
    """An assertion that changes its arguments."""
    data["list"].clear()
    return True

def write(db, tag: str) -> str:
    """Touch everything."""
    db.items["a"].tags.append(tag)
    db.items["a"].parts[0].sizes.append(len(tag))
    db.log.append(tag)
    return tag
'''
DATA = {"parameters": {"data": "object"}}
TOOLS: dict[str, dict[str, Any]] = {
    "spoil": {"parameters": {"how": "string"}},
    "spoil_through_reading": {"kind": "write"},
    "keep": {},
    "spoil_kept": {"kind": "write"},
    "store": {"kind": "write", **DATA},
    "grow": {"kind": "write"},
    "eat": DATA,
    "write": {"kind": "write", "parameters": {"tag": "string"}},
}
WAYS = ["attribute", "list", "dict", "deep", "deeper", "table", "field", "whole field"]


@pytest.fixture(scope="module")
def hostile(small_pack: Callable[..., Setting]) -> Setting:
    """A pack whose handlers try to change more than they may."""
    return small_pack(HANDLERS, TOOLS, functions={"eats": {"kind": "assertion", **DATA}})


def base_hash(base: Base) -> str:
    """Hash a base again, from its records and not from its cached digests."""
    return hashlib.sha256(json.dumps([plain(value) for _, value in base.units()]).encode()).hexdigest()


def call(environment: Environment, name: str, **arguments: Any) -> str:
    return environment.call(ToolCall(name=name, arguments=arguments)).content


def scripts(setting: Setting, seed: int) -> list[list[ToolCall]]:
    """Return for each world the gold calls of a task, mixed with odd calls."""
    random = Random(seed)
    tasks = list(setting.tasks().values())
    return [_with_odd_calls(random.choice(tasks), random) for _ in range(WORLDS)]


def _with_odd_calls(task: Task, random: Random) -> list[ToolCall]:
    calls = [ToolCall(name=action.name, arguments=action.arguments) for action in task.gold()]
    for good in list(calls):
        if random.random() < 0.6:
            arguments = dict(good.arguments)
            for name in random.sample(sorted(arguments), k=min(len(arguments), random.randint(0, 2))):
                arguments[name] = random.choice(ODD_VALUES)
            calls.insert(random.randint(0, len(calls)), ToolCall(name=good.name, arguments=arguments))
    calls.insert(random.randint(0, len(calls)), ToolCall(name="no_such_tool", arguments={}))
    return calls


@pytest.mark.parametrize("mode", ["strict", "tau2"])
@given(st.integers(0, 10**6))
@settings(max_examples=4)
def test_interleaved_worlds_end_in_the_same_state_as_sequential_ones(
    setting_of: Callable[..., Setting], mode: str, seed: int
) -> None:
    setting = setting_of("airline", mode=mode)
    work = scripts(setting, seed)
    alone = []
    for calls in work:
        environment = Environment(setting)
        results = [environment.call(each).content for each in calls]
        alone.append((results, environment.digests()))
    environments = [Environment(setting) for _ in work]
    order = [index for index, calls in enumerate(work) for _ in calls]
    Random(seed).shuffle(order)
    together: list[list[str]] = [[] for _ in work]
    for index in order:
        together[index].append(environments[index].call(work[index][len(together[index])]).content)
    assert [(results, world.digests()) for results, world in zip(together, environments, strict=True)] == alone
    assert len({str(digests) for _, digests in alone}) > WORLDS // 4
    for index in range(0, WORLDS, WORLDS // 3):
        again = Environment(setting)
        for each in work[index]:
            again.call(each)
        assert again.official_hashes() == environments[index].official_hashes()


def test_playing_does_not_change_the_loaded_domain(setting_of: Callable[..., Setting]) -> None:
    setting = setting_of("airline", mode="tau2")
    base = setting.bases()["agent"]
    before, tasks = base_hash(base), [task.model_dump() for task in setting.tasks().values()]
    for calls in scripts(setting, seed=1):
        environment = Environment(setting)
        for each in calls:
            environment.call(each)
    assert base_hash(base) == before
    assert [task.model_dump() for task in setting.tasks().values()] == tasks


@pytest.mark.parametrize("way", WAYS)
def test_a_read_only_tool_cannot_change_shared_records(hostile: Setting, way: str) -> None:
    environment, other = Environment(hostile), Environment(hostile)
    before = base_hash(hostile.bases()["agent"])
    assert call(environment, "spoil", how=way).startswith("Error: ")
    assert base_hash(hostile.bases()["agent"]) == before
    assert environment.digests() == other.digests()


@pytest.mark.parametrize("way", WAYS)
def test_a_read_only_tool_that_changes_its_world_affects_no_other(hostile: Setting, way: str) -> None:
    environment, other = Environment(hostile), Environment(hostile)
    before, digests = base_hash(hostile.bases()["agent"]), other.digests()
    call(environment, "write", tag="mine")
    call(environment, "spoil", how=way)
    assert base_hash(hostile.bases()["agent"]) == before
    assert (other.digests(), other.worlds["agent"].touched()) == (digests, {})


def test_a_writing_tool_cannot_change_records_from_reading(hostile: Setting) -> None:
    environment, other = Environment(hostile), Environment(hostile)
    assert "shared by all worlds" in call(environment, "spoil_through_reading")
    assert environment.digests() == other.digests()


def test_records_kept_from_a_read_only_call_cannot_be_changed_later(hostile: Setting) -> None:
    environment, other = Environment(hostile), Environment(hostile)
    before = base_hash(hostile.bases()["agent"])
    assert call(environment, "keep") == "kept"
    assert "shared by all worlds" in call(other, "spoil_kept")
    assert "shared by all worlds" in call(environment, "spoil_kept")
    assert base_hash(hostile.bases()["agent"]) == before


def test_a_stored_argument_is_a_private_copy(hostile: Setting) -> None:
    message = ToolCall(name="store", arguments={"data": {"list": ["x"]}})
    first, second = Environment(hostile), Environment(hostile)
    for environment in (first, second):
        assert environment.call(message).content == "stored"
    digest = second.digests()
    assert call(first, "grow") == '"2"'
    assert message.arguments == {"data": {"list": ["x"]}}
    assert second.digests() == digest != first.digests()


def eating_task() -> Task:
    data = {"data": {"list": ["x", ["y"]]}}
    calls = [{"name": name, "arguments": data} for name in ("eat", "store")]
    function = {"env_type": "assistant", "func_name": "store", "arguments": data}
    assertion = {"env_type": "assistant", "func_name": "eats", "arguments": data}
    text = json.dumps(
        {
            "id": "t",
            "user_scenario": {"instructions": "x"},
            "initial_state": {
                "initialization_actions": [function],
                "initialization_data": {"agent_data": {"log": ["set"], "items": {"b": {"tags": ["set"]}}}},
            },
            "evaluation_criteria": {"actions": [*calls, {"name": "grow"}], "env_assertions": [assertion]},
        }
    )
    return Task.model_validate_json(text)


@pytest.mark.parametrize("mode", ["strict", "tau2"])
def test_playing_does_not_change_the_task(hostile: Setting, mode: Any) -> None:
    setting = Setting(hostile.pack, mode=mode)
    task = eating_task()
    before = task.model_dump()
    gold = play_gold(setting, task)
    assert [failure for _, failure in gold.failures] == []
    environment = Environment(setting)
    start(environment, task)
    call(environment, "write", tag="more")
    assertions = task.evaluation_criteria.env_assertions if task.evaluation_criteria else None
    assert [environment.holds(assertion) for assertion in assertions or []] == [True]
    assert task.model_dump() == before


def test_two_worlds_from_the_same_task_are_independent(hostile: Setting) -> None:
    task = eating_task()
    first, second = Environment(hostile), Environment(hostile)
    for environment in (first, second):
        set_state(environment, task.initial_state, [])
    digest = second.digests()
    call(first, "grow")
    call(first, "write", tag="more")
    assert second.digests() == digest != first.digests()
