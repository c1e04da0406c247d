"""Bad input gives a documented result or a clear error, and nothing is lost."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from tau2_core import EpisodeError, UsageError
from tau2_gymnasium import AgentEnv, VectorAgentEnv

TASK = "complete_task"
NO_CALL = "tool: Error: there is no tool 'invalid_action'"
WRONG_ARGUMENTS = 'tool: Error: {"code": "invalid_arguments"'


@pytest.fixture
def env() -> Iterator[AgentEnv]:
    env = AgentEnv("mock", task_id=TASK, max_errors=1000)
    yield env
    env.close()


@pytest.fixture
def envs() -> Iterator[VectorAgentEnv]:
    envs = VectorAgentEnv("mock", num_envs=2)
    yield envs
    envs.close()


@pytest.mark.parametrize(
    ("action", "observed"),
    [
        ('{"name": "get_users", "arguments": {"a": NaN}}', NO_CALL),
        ('{"name": "get_users", "arguments": {"a": 1e400}}', NO_CALL),
        ('{"name": "get_users", "arguments": {"a": ' + "9" * 5000 + "}}", NO_CALL),
        ('{"name": "get_users", "arguments": ' + '{"a": ' * 3000 + "1" + "}" * 3000 + "}", NO_CALL),
        ('{"name": "get_users", "arguments": []}', NO_CALL),
        ('{"name": 3, "arguments": {}}', NO_CALL),
        ("{", NO_CALL),
        ("get_users(a=1e999)", NO_CALL),
        ("get_users(a=b'x')", NO_CALL),
        ("no_such_tool()", "tool: Error: there is no tool 'no_such_tool'"),
        ('{"name": "", "arguments": {}}', "tool: Error: there is no tool ''"),
        ("get_users(a=1)", WRONG_ARGUMENTS),
        # Of a repeated name the last value counts, as in a run.
        ('{"name": "get_users", "name": "create_task", "arguments": {}}', WRONG_ARGUMENTS),
        ('{"name": "create_task", "arguments": {}, "name": "get_users"}', "tool: [{"),
        ("get_users(a=1, a=2)", WRONG_ARGUMENTS),
        # Words: the customer answers.
        ("get_users(**{})", "user: "),
        ("null", "user: "),
        ("\ud800", "user: "),
        ("x" * 2_000_000, "user: "),
    ],
)
def test_an_action_has_a_documented_result(env: AgentEnv, action: str, observed: str) -> None:
    env.reset(seed=1)
    assert env.step(action)[0].startswith(observed)
    assert env.record().line()


@pytest.mark.parametrize("action", [None, 3, b"get_users()", ["get_users()"], {"name": "get_users"}])
def test_an_action_that_is_not_a_string_is_refused_and_changes_nothing(env: AgentEnv, action: Any) -> None:
    env.reset(seed=1)
    before = env.record()
    with pytest.raises(gymnasium.error.InvalidAction, match=f"an action is a string, not {type(action).__name__}"):
        env.step(action)
    assert env.record() == before


@pytest.mark.parametrize("seed", [-1, 2**63, -(2**70), True, 1.5, "3", np.float64(2)])
def test_an_invalid_seed_is_refused(env: AgentEnv, envs: VectorAgentEnv, seed: Any) -> None:
    words = re.escape(f"a seed is an integer from 0 to 2**63 - 1, not {seed!r}")
    for reset in (env.reset, envs.reset):
        with pytest.raises(ValueError, match=words):
            reset(seed=seed)
    with pytest.raises(ValueError, match=words):
        envs.reset(seed=[1, seed])


def test_seeds_may_be_numpy_integers(env: AgentEnv, envs: VectorAgentEnv) -> None:
    assert env.reset(seed=np.int64(5))[1]["episode_seed"] == 5  # type: ignore[arg-type]
    assert type(env.record().seed) is int
    seeds: list[Any] = [np.int64(5), [5, 6], np.array([5, 6])]
    for seed in seeds:
        assert list(envs.reset(seed=seed)[1]["episode_seed"]) == [5, 6]
    assert env.reset(seed=2**63 - 1)[1]["episode_seed"] == 2**63 - 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "options are a dictionary, not []"),
        ("task_id", "options are a dictionary, not 'task_id'"),
        ({"task": TASK}, "unknown option 'task'"),
        ({"task_id": 5}, "task 5 is not among"),
        ({"split": 5}, "no split 5"),
        ({"task_id": TASK, "split": "test"}, "not among split 'test'"),
    ],
)
def test_wrong_options_are_refused(env: AgentEnv, envs: VectorAgentEnv, options: Any, words: str) -> None:
    for reset in (env.reset, envs.reset):
        with pytest.raises(ValueError, match=re.escape(words)):
            reset(options=options)
    env.reset()
    envs.reset()


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        (["get_users()", 5], "environment 1: an action is a string, not int"),
        (["get_users()", None], "environment 1: an action is a string, not NoneType"),
        ("ab", "give 2 actions, not 'ab'"),
        (None, "give 2 actions, not None"),
    ],
)
def test_actions_of_a_vector_are_refused_before_one_is_taken(envs: VectorAgentEnv, actions: Any, words: str) -> None:
    envs.reset(seed=1)
    before = envs.records()
    with pytest.raises(gymnasium.error.InvalidAction, match=words):
        envs.step(actions)
    assert envs.records() == before


def test_a_reward_of_another_type_is_refused() -> None:
    for made in (AgentEnv, VectorAgentEnv):
        with pytest.raises(UsageError, match="give a function or RewardWeights, not 5"):
            made("mock", reward=5)  # type: ignore[arg-type]


async def _slow(_history: Any) -> str:
    return "Go on."


@pytest.mark.parametrize("user", ["scripted", _slow])
def test_concurrent_steps_of_one_environment_are_refused(user: str | Callable[..., Any]) -> None:
    env = AgentEnv("mock", task_id=TASK, user=user, max_steps=100_000)
    env.reset(seed=1)
    refused: list[Exception] = []
    done: list[str] = []

    def step() -> None:
        for _ in range(100):
            try:
                done.append(env.step("get_users()")[0])
            except EpisodeError as error:
                refused.append(error)

    threads = [threading.Thread(target=step) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    record = env.record()
    assert len(done) + len(refused) == 400
    assert record.tool_calls == len(done) > 0
    assert [message.turn_idx for message in record.messages] == list(range(len(record.messages)))
    assert all("in progress" in str(error) for error in refused)
    env.close()
