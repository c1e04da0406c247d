"""Episodes in Gymnasium environments: one at a time, and concurrently in a vector."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import gymnasium
import tau2_gymnasium

from benchmarks.equality.played import Done, GymServer, Played, done


def by_gymnasium(domain: str, played: Sequence[Played], _gym_server: GymServer) -> list[Done]:
    """Play each episode in a separate environment."""
    return [_single(domain, each) for each in played]


def _single(domain: str, played: Played) -> Done:
    record = played.record
    env = gymnasium.make(f"tau2_gymnasium:tau2_gym/{domain}-v0", task_id=record.task_id).unwrapped
    assert isinstance(env, tau2_gymnasium.AgentEnv)
    env.reset(seed=record.seed)
    for action in played.actions:
        _, reward, *_ = env.step(action)
    result = done(float(reward), env.record())
    env.close()
    return result


def by_vector(domain: str, played: Sequence[Played], gym_server: GymServer) -> list[Done]:
    """Play all episodes concurrently. The later episodes of a place in the vector are ignored."""
    records = [each.record for each in played]
    envs = gymnasium.make_vec(
        f"tau2_gymnasium:tau2_gym/{domain}-v0", len(records), split=gym_server.split, autoreset_mode="SameStep"
    )
    assert isinstance(envs, tau2_gymnasium.VectorAgentEnv)
    ids = [record.task_id for record in records]
    envs.reset(seed=[record.seed for record in records], options={"task_ids": ids})
    plans = [each.actions for each in played]
    results: list[Done | None] = [None] * len(records)
    for step in range(max(map(len, plans))):
        before = [side.episode for side in envs.played_sides]
        actions = [plan[step] if step < len(plan) else "get_nothing()" for plan in plans]
        _, rewards, terminated, truncated, _ = envs.step(actions)
        for index in range(len(records)):
            episode = before[index]
            if results[index] is None and (terminated[index] or truncated[index]):
                assert episode is not None
                results[index] = done(float(rewards[index]), asyncio.run(episode.record()))
    envs.close()
    assert all(results)
    return [each for each in results if each is not None]
