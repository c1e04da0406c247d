"""Vectors give the same results as Gymnasium's own vector of single environments, in every mode."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import tau2_gymnasium
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st
from tau2_core import UsageError
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint, say

MOCK = "tau2_gymnasium:tau2_gym/mock-v0"
ACTIONS = ["get_users()", "Hello?", "done()", "{", "update_task_status(task_id='task_5', status='completed')"]
ACTIONS += ["create_task(user_id='piet_lindgren', title='Sew')"]  # whose id depends on what was created before


def vector(**options: Any) -> tau2_gymnasium.VectorAgentEnv:
    env = gymnasium.make_vec(MOCK, **options)
    assert isinstance(env, tau2_gymnasium.VectorAgentEnv)
    return env


@given(
    seed=st.integers(0, 2**31),
    mode=st.sampled_from([AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]),
    rounds=st.lists(st.lists(st.sampled_from(ACTIONS), min_size=3, max_size=3), max_size=12),
)
@settings(max_examples=25)
def test_a_vector_behaves_like_gymnasiums_own(seed: int, mode: AutoresetMode, rounds: list[list[str]]) -> None:
    ours = vector(num_envs=3, autoreset_mode=mode)
    theirs = gymnasium.make_vec(MOCK, 3, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode})
    (our_first, our_infos), (their_first, their_infos) = ours.reset(seed=seed), theirs.reset(seed=seed)
    assert our_first == tuple(their_first)
    assert list(our_infos["task_id"]) == list(their_infos["task_id"])
    for actions in rounds:
        got, wanted = ours.step(actions), theirs.step(actions)
        assert got[0] == tuple(wanted[0])
        for mine, other in zip(got[1:4], wanted[1:4], strict=True):
            assert np.array_equal(mine, other)
        assert ("final_obs" in got[4]) == ("final_obs" in wanted[4])
        if "final_obs" in got[4]:
            assert list(got[4]["final_obs"]) == list(wanted[4]["final_obs"])
            assert list(got[4]["final_info"]["task_id"]) == list(wanted[4]["final_info"]["task_id"])
            assert np.array_equal(got[4]["_final_info"], wanted[4]["_final_info"])
        for name in ("task_id", "outcome", "episode_seed"):
            if name in wanted[4]:
                mask = wanted[4][f"_{name}"]
                assert np.array_equal(got[4][f"_{name}"], mask)
                assert list(got[4][name][mask]) == list(wanted[4][name][mask])
    ours.close()
    theirs.close()


@given(
    plans=st.lists(st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=6), min_size=2, max_size=4),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25)
def test_interleaved_episodes_equal_separate_ones(plans: list[list[str]], seed: int) -> None:
    together = vector(num_envs=len(plans), autoreset_mode=AutoresetMode.DISABLED)
    together.reset(seed=seed)
    alone = gymnasium.make(MOCK).unwrapped
    assert isinstance(alone, tau2_gymnasium.AgentEnv)
    ended = np.zeros(len(plans), dtype=np.bool_)
    steps = min(map(len, plans))
    taken = 0
    for round_ in range(steps):
        if ended.any():
            break
        _, _, terminated, truncated, _ = together.step([plan[round_] for plan in plans])
        ended = terminated | truncated
        taken += 1
    for index, (plan, record) in enumerate(zip(plans, together.records(), strict=True)):
        alone.reset(seed=seed + index)
        for action in plan[:taken]:
            alone.step(action)
        assert alone.record() == record
        assert record.seed == seed + index
    together.close()
    alone.close()


def test_with_autoreset_disabled_a_mask_selects_the_resets() -> None:
    env = vector(num_envs=2, autoreset_mode=AutoresetMode.DISABLED)
    first, _ = env.reset(seed=1)
    _, _, terminated, _, _ = env.step(["done()", "get_users()"])
    assert terminated.tolist() == [True, False]
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"environments \[0\] are over"):
        env.step(["get_users()", "get_users()"])
    observations, infos = env.reset(options={"reset_mask": terminated, "task_ids": ["complete_task", "none"]})
    assert infos["_task_id"].tolist() == [True, False]
    assert observations[0].startswith("assistant: ")
    assert observations[1].startswith("tool: ")
    assert first[1] not in observations
    env.close()


def test_customers_that_models_play_are_awaited_together() -> None:
    with ScriptedEndpoint(lambda _asked: say("No."), latency=0.2) as endpoint:
        user = {"model": "endpoint/customer", "args": {"api_base": endpoint.url}}
        env = vector(num_envs=64, user=user)
        env.reset(seed=1)
        observations = env.step(["Hello?"] * 64)[0]
        assert set(observations) == {"user: No."}
        assert endpoint.most_at_once == 64
        env.close()


def test_many_environments_share_a_process() -> None:
    env = vector(num_envs=4096)
    env.reset(seed=1)
    observations = env.step(["get_users()"] * 4096)[0]
    assert len(observations) == 4096
    assert all(observation.startswith("tool: [") for observation in observations)
    env.close()


def test_invalid_input_is_refused() -> None:
    for number in (0, -1, 1.5, True):
        with pytest.raises(UsageError, match="at least 1 environment"):
            tau2_gymnasium.VectorAgentEnv("mock", num_envs=number)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'Sometimes'"):
        tau2_gymnasium.VectorAgentEnv("mock", autoreset_mode="Sometimes")
    env = vector(num_envs=2)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(["a", "b"])
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"reset_mask": [True]}, "array of 2 booleans"),
        ({"task_ids": ["complete_task"]}, "1 task_ids for 2"),
        ({"task_ids": ["complete_task", "none"]}, "'none' is not among"),
    ]
    for options, words in wrong:
        with pytest.raises(ValueError, match=words):
            env.reset(options=options)
    with pytest.raises(ValueError, match="3 seeds for 2"):
        env.reset(seed=[1, 2, 3])
    env.reset(seed=[1, None])
    with pytest.raises(ValueError, match="1 actions for 2"):
        env.step(["a"])
    env.close()
    with pytest.raises(gymnasium.error.ClosedEnvironmentError):
        env.reset()


def test_customers_can_be_a_vector() -> None:
    env = gymnasium.make_vec("tau2_gymnasium:tau2_gym/mock-customer-v0", 3)
    env.reset(seed=1)
    _, _, terminated, _, infos = env.step(["done()"] * 3)
    assert terminated.all()
    assert set(infos["termination"]) == {"user_stop"}
    env.close()
