"""Environments with learning rewards and curricula."""

from __future__ import annotations

from typing import Any

import gymnasium
import pytest
import tau2_gymnasium
from tau2_core import Curriculum, EpisodeFactory, RewardWeights, UsageError

TASK = "complete_task"
SOLVED = 'update_task_status(task_id="task_5", status="completed")'


def agent_env(**options: Any) -> tau2_gymnasium.AgentEnv:
    env = gymnasium.make("tau2_gymnasium:tau2_gym/mock-v0", **options).unwrapped
    assert isinstance(env, tau2_gymnasium.AgentEnv)
    return env


def test_learning_rewards_give_every_step_a_reward() -> None:
    env = agent_env(task_id=TASK, reward=RewardWeights(actions=0.5, step_penalty=0.1))
    env.reset()
    assert env.step("get_users()")[1] == pytest.approx(-0.1)
    assert env.step(SOLVED)[1] == pytest.approx(0.4)
    assert env.step("done()")[1] == pytest.approx(1.0 - 0.5 - 0.1)
    record, grade = env.record(), env.grade()
    assert env.factory.learning_rewards(record, grade, RewardWeights(actions=0.5, step_penalty=0.1)) == pytest.approx(
        [-0.1, 0.4, 0.4]
    )
    env.close()


def test_a_curriculum_draws_the_tasks_and_gets_their_outcomes() -> None:
    curriculum = Curriculum(EpisodeFactory("mock", split="train"), seed=3, floor=0.5)
    before = dict(curriculum.success())
    env = agent_env(split="train", curriculum=curriculum)
    drawn = set()
    for _ in range(20):
        drawn.add(env.reset()[1]["task_id"])
        env.step("done()")
    assert drawn <= set(env.factory.splits["train"])
    assert len(drawn) > 3
    assert curriculum.success() != before
    with pytest.raises(UsageError, match="not both"):
        agent_env(task_id=TASK, curriculum=curriculum)
    env.close()
