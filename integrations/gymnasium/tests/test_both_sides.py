"""Both sides as a PettingZoo environment: its contract, its turns and its ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium
import pytest
from tau2_core import UsageError

pytest.importorskip("pettingzoo")

from pettingzoo.test import api_test, seed_test
from tau2_gymnasium import BothSidesEnv

TASK = "complete_task"
SOLVED = 'update_task_status(task_id="task_5", status="completed")'


@pytest.fixture
def env() -> Iterator[BothSidesEnv]:
    env = BothSidesEnv("mock", task_id=TASK)
    yield env
    env.close()


def play(env: BothSidesEnv, *actions: str) -> list[tuple[str, str]]:
    """Take actions one after the other; return whose turn it was, and what was seen."""
    seen = []
    for action in actions:
        seen.append((env.agent_selection, env.last()[0]["text"]))
        env.step(action)
    return seen


@pytest.mark.filterwarnings("ignore::UserWarning")  # about spaces that are not boxes, and unknown options
@pytest.mark.parametrize("domain", ["mock", "telecom"])
def test_pettingzoos_own_checks_pass(domain: str) -> None:
    env = BothSidesEnv(domain)
    api_test(env, num_cycles=100)
    env.close()
    env.close()
    seed_test(lambda: BothSidesEnv(domain), num_cycles=20)


def test_both_sides_play_an_episode_to_its_end(env: BothSidesEnv) -> None:
    env.reset(seed=1)
    assert env.infos["agent_0"].keys() == {"task_id", "episode_seed", "tools", "policy"}
    assert env.infos["customer_0"].keys() == {"task_id", "episode_seed", "tools", "scenario"}
    seen = play(env, "Please mark my task.", "get_users()", SOLVED, "It is marked.", "###STOP###")
    assert [name for name, _ in seen] == ["customer_0", "agent_0", "agent_0", "agent_0", "customer_0"]
    texts = [text for _, text in seen]
    assert texts[0].startswith("assistant: ")
    assert texts[1].splitlines()[-1] == "user: Please mark my task."
    assert texts[2].startswith("tool: [")
    assert texts[3].startswith('tool: {"task_id": "task_5"')
    assert texts[4] == "assistant: It is marked."
    ends = {}
    for name in env.agent_iter():
        _, *ends[name], info = env.last()
        assert (info["outcome"], info["unscored"]) == ("solved", False)
        env.step(None)
    assert ends == {name: [1.0, True, False] for name in ("agent_0", "customer_0")}
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("hello")


def test_the_customer_sees_no_call_of_the_agent(env: BothSidesEnv) -> None:
    env.reset(seed=1)
    play(env, "Please mark my task.", "get_users()", "Which one?")
    assert env.last()[0] == {"text": "assistant: Which one?"}


def test_the_agent_ends_it_and_a_limit_cuts_it_off(env: BothSidesEnv) -> None:
    env.reset()
    play(env, "Please mark my task.", "done()")
    assert (env.terminations, env.truncations) == (
        {"agent_0": True, "customer_0": True},
        {"agent_0": False, "customer_0": False},
    )
    limited = BothSidesEnv("mock", task_id=TASK, max_errors=1)
    limited.reset()
    play(limited, "Please mark my task.", "{")
    assert limited.truncations == {"agent_0": True, "customer_0": True}
    limited.close()


def test_calls_in_the_wrong_order_and_wrong_options_are_refused(env: BothSidesEnv) -> None:
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("hello")
    with pytest.warns(UserWarning, match="no option 'tasks'"):
        env.reset(options={"tasks": 1})
    with pytest.raises(ValueError, match="'none' is not among"):
        env.reset(options={"task_id": "none"})
    with pytest.raises(gymnasium.error.InvalidAction, match="not int"):
        env.step(3)  # type: ignore[arg-type]
    env.close()
    with pytest.raises(gymnasium.error.ClosedEnvironmentError):
        env.reset()
    wrong: list[dict[str, Any]] = [{"agent": "oracle"}, {"user": "scripted"}, {"solo": True}]
    for options in wrong:
        with pytest.raises(UsageError):
            BothSidesEnv("mock", **options)
