"""Environments as Gymnasium creates them: their contract, their ends, and that they never reveal the gold."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import gymnasium
import pytest
import tau2_gymnasium
from gymnasium.utils.env_checker import check_env
from tau2_core import EpisodeFactory, UsageError
from tau2_core.testing.scripted_endpoint import Refusal, ScriptedEndpoint, say
from tau2_gymnasium.compat import AgentGymEnv, UserGymEnv, register_gym_agent

TASK = "complete_task"
SOLVED = 'update_task_status(task_id="task_5", status="completed")'
MOCK = "tau2_gymnasium:tau2_gym/mock-v0"


def made(**options: Any) -> tau2_gymnasium.AgentEnv:
    env = gymnasium.make(MOCK, **options).unwrapped
    assert isinstance(env, tau2_gymnasium.AgentEnv)
    return env


def to_the_end(env: Any, *actions: str, then: str = "It is done.") -> tuple[float, bool, bool, dict[str, Any]]:
    for action in (*actions, *[then] * 50):
        _, reward, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            return reward, terminated, truncated, info
        assert (reward, info) == (0.0, {})
    raise AssertionError("it does not end")


@pytest.mark.parametrize("name", ["mock-v0", "mock-customer-v0", "telecom-v0", "telecom-customer-v0"])
def test_the_gymnasium_checker_passes(name: str) -> None:
    env = gymnasium.make(f"tau2_gymnasium:tau2_gym/{name}")
    check_env(env.unwrapped)
    env.close()
    env.close()


def test_importing_registers_both_sides_of_each_domain_and_loads_no_pack() -> None:
    program = (
        "import gymnasium, sys, tau2_gymnasium\n"
        "print([name for name in gymnasium.registry if name.startswith('tau2_gym/mock')])\n"
        "print([name for name in sys.modules if name.startswith('tau2_domain_mock.')])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "['tau2_gym/mock-v0', 'tau2_gym/mock-customer-v0']",
        "['tau2_domain_mock.plugin']",
    ]


def test_a_step_reports_tools_that_it_unlocked() -> None:
    pytest.importorskip("tau2_domain_banking_knowledge")
    options: dict[str, Any] = {"variant": "native", "variant_options": {"top_k": 1}}
    env = gymnasium.make("tau2_gymnasium:tau2_gym/banking_knowledge-v0", task_id="open_first_savings", **options)
    _, info = env.reset(seed=1)
    before = info["tools"]
    observed, _, _, _, info = env.step('KB_search(query="savings account")')
    assert (observed.count("   Score: "), info) == (1, {})
    _, _, _, _, info = env.step('unlock_discoverable_agent_tool(agent_tool_name="open_bank_account_4821")')
    assert info["tools"][:-1] == before
    assert info["tools"][-1]["function"]["name"] == "open_bank_account_4821"
    assert env.step("How can I help?")[4] == {}
    env.close()


def test_an_episode_is_served_to_its_end() -> None:
    env = gymnasium.make(MOCK, task_id=TASK)
    observation, info = env.reset(seed=1)
    assert [line.partition(":")[0] for line in observation.splitlines()] == ["assistant", "user"]
    assert "update_task_status" in [tool["function"]["name"] for tool in info["tools"]]
    reward, terminated, truncated, end = to_the_end(env, SOLVED)
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert (end["outcome"], end["termination"], end["unscored"]) == ("solved", "user_stop", False)
    env.close()


def test_the_customer_can_be_played() -> None:
    env = gymnasium.make("tau2_gymnasium:tau2_gym/mock-customer-v0", task_id=TASK)
    observation, info = env.reset(seed=1)
    assert observation.startswith("assistant: ")
    assert info["scenario"]["instructions"]["reason_for_call"]
    assert "policy" not in info
    env.step("Please mark my task as done.")
    reward, terminated, _, end = to_the_end(env, then="done()")
    assert (reward, terminated, end["termination"]) == (0.0, True, "user_stop")
    env.reset()
    reward, terminated, _, _ = to_the_end(env, "Mark it.", "It is task_5.", "Yes, please.", then="###STOP###")
    assert (reward, terminated) == (1.0, True)
    env.close()


def test_info_never_contains_the_gold() -> None:
    factory = EpisodeFactory("retail", split="test")
    task = next(task for task in factory.tasks.values() if len(task.gold()) > 1)
    secrets = {str(value) for action in task.gold() for value in action.arguments.values() if isinstance(value, str)}
    env = gymnasium.make("tau2_gymnasium:tau2_gym/retail-v0", split="test", task_id=task.id)
    observation, begun = env.reset()
    end = to_the_end(env, "done()")[3]
    told = json.dumps([begun, end])
    assert "evaluation_criteria" not in told
    assert not [secret for secret in secrets if secret not in observation and f'"{secret}"' in told]
    env.close()


def test_an_invalid_action_is_a_failed_call() -> None:
    env = made(task_id=TASK)
    env.reset()
    for action, code in [
        ("no_such_tool()", "unknown_tool"),
        ('{"name": "get_users", "arguments"', "unknown_tool"),
        ("[1]", None),
        ('{"name": 5}', "unknown_tool"),
        ("create_task(title={1})", "unknown_tool"),
        ("create_task(title=3)", "invalid_arguments"),
        ('{"name": "get_users", "arguments": {"a": NaN}}', "unknown_tool"),
    ]:
        observation = env.step(action)[0]
        assert observation.startswith("tool: Error" if code else "user: "), action
    assert env.record().tool_errors == {"unknown_tool": 5, "invalid_arguments": 1}
    env.close()


def test_too_many_failed_calls_truncate() -> None:
    env = made(task_id=TASK, max_errors=3)
    env.reset()
    reward, terminated, truncated, info = to_the_end(env, then="{")
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert (info["termination"], info["unscored"]) == ("too_many_errors", False)
    env.close()


def test_the_limit_of_steps_truncates() -> None:
    env = made(task_id=TASK, max_steps=9)
    env.reset()
    assert to_the_end(env, then="get_users()")[:3] == (0.0, False, True)
    env.close()


def test_an_agent_that_says_nothing_fails() -> None:
    env = made(task_id=TASK)
    env.reset()
    reward, terminated, truncated, info = to_the_end(env, then="  ")
    assert (reward, terminated, truncated, info["unscored"]) == (0.0, True, False, False)
    env.close()


@pytest.mark.parametrize("status", [401, 500])
def test_a_customer_that_cannot_be_reached_leaves_the_episode_unscored(status: int) -> None:
    with ScriptedEndpoint(lambda _asked: Refusal(status)) as endpoint:
        user = {"model": "endpoint/customer", "args": {"api_base": endpoint.url}}
        env = made(task_id=TASK, user=user, attempts=1)
        env.reset()
        reward, terminated, truncated, info = to_the_end(env, "Hello?")
        assert (reward, terminated, truncated, info["unscored"]) == (0.0, False, True, True)
        assert info["termination"] == "infrastructure_error"
        env.close()


def test_a_customer_that_fails_leaves_the_episode_unscored() -> None:
    async def broken(_history: Any) -> str:
        raise RuntimeError("no more")

    env = made(task_id=TASK, user=broken)
    env.reset()
    reward, terminated, truncated, info = to_the_end(env, "Hello?")
    assert (reward, terminated, truncated, info["unscored"]) == (0.0, False, True, True)
    assert info["outcome"] == "user_error"
    env.close()


def test_a_seed_decides_everything() -> None:
    env = made(split="train")

    def trajectory(seed: int) -> list[Any]:
        seen: list[Any] = [env.reset(seed=seed)[0]]
        for _ in range(3):
            seen += [env.step(action)[:4] for action in ("get_users()", "Hello?", "done()")]
            observation, info = env.reset()
            seen += [observation, info["task_id"], info["episode_seed"]]
            assert env.record().seed == info["episode_seed"]
        return seen

    first, second, other = trajectory(7), trajectory(7), trajectory(8)
    assert first == second != other
    env.close()


def test_options_of_reset_choose_the_task() -> None:
    env = made()
    assert env.reset(options={"task_id": TASK})[1]["task_id"] == TASK
    train = {env.reset(options={"split": "train"})[1]["task_id"] for _ in range(40)}
    assert train <= set(env.factory.splits["train"])
    test = env.factory.splits["test"][0]
    for options, words in [
        ({"task_id": test, "split": "train"}, "not among split 'train'"),
        ({"task_id": "none"}, "not among"),
        ({"split": "none"}, "no split 'none'"),
        ({"tasks": "none"}, "unknown option 'tasks'"),
    ]:
        with pytest.raises(ValueError, match=words):
            env.reset(options=options)
    env.close()


def test_an_environment_for_one_split_refuses_others() -> None:
    env = made(split="train")
    test = env.factory.splits["test"][0]
    with pytest.raises(ValueError, match="train and test never mix"):
        env.reset(options={"split": "test"})
    with pytest.raises(ValueError, match="not among split 'train'"):
        env.reset(options={"task_id": test})
    env.close()
    with pytest.raises(UsageError, match="no task"):
        made(split="train", task_id=test)


def test_calls_in_the_wrong_order_are_refused() -> None:
    env = made(task_id=TASK)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("hello")
    env.reset()
    with pytest.raises(gymnasium.error.InvalidAction, match="not int"):
        env.step(3)  # type: ignore[arg-type]
    env.step("done()")
    with pytest.raises(gymnasium.error.ResetNeeded, match="is over"):
        env.step("hello")
    env.close()
    env.close()
    for use in (env.reset, env.record, lambda: env.step("hello")):
        with pytest.raises(gymnasium.error.ClosedEnvironmentError):
            use()


def test_the_played_side_cannot_be_an_option() -> None:
    with pytest.raises(UsageError, match="do not give `agent`"):
        tau2_gymnasium.AgentEnv("mock", agent="oracle")
    with pytest.raises(UsageError, match="do not give `user`"):
        tau2_gymnasium.CustomerEnv("mock", user="scripted")


def test_a_reward_function_replaces_the_grades_reward() -> None:
    env = made(task_id=TASK, reward=lambda record, task, grade: record.tool_calls + (grade.reward or 0.0))
    env.reset()
    assert to_the_end(env, "get_users()", SOLVED)[0] == 3.0
    env.close()


def test_all_messages_can_be_observed() -> None:
    env = made(task_id=TASK, all_messages_as_observation=True)
    first, _ = env.reset()
    observation = env.step("get_users()")[0]
    assert observation.startswith(first)
    assert observation.splitlines()[2] == "assistant: get_users()"
    env.close()


def test_solo_play_shows_the_ticket_and_ends_with_done() -> None:
    env = gymnasium.make("tau2_gymnasium:tau2_gym/telecom-v0", solo=True)
    observation, info = env.reset(seed=1)
    assert observation.startswith("user: ")
    assert "done" in [tool["function"]["name"] for tool in info["tools"]]
    assert env.step("done()")[2]
    env.close()


def test_programs_for_tau2_bench_only_change_an_import() -> None:
    register_gym_agent()
    register_gym_agent()
    env = gymnasium.make("tau-bench-v0", domain="mock", task_id=TASK, max_steps=50, user_llm=None)
    check_env(env.unwrapped)
    env.reset(seed=1)
    assert to_the_end(env, SOLVED)[0] == 1.0
    env.close()
    with ScriptedEndpoint(lambda _asked: say("Goodbye. ###STOP###")) as endpoint:
        model = AgentGymEnv("mock", TASK, user_llm="endpoint/customer", user_llm_args={"api_base": endpoint.url})
        model.reset()
        assert model.record().messages[-1].content == "Goodbye. ###STOP###"
        model.close()
    customer = UserGymEnv("mock", TASK, agent_llm=None)
    assert customer.reset()[0].startswith("assistant: ")
    customer.close()
