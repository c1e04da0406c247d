"""Train a linear policy over tool calls with REINFORCE, in a vector of environments, using only numpy.

`python learn.py [curve.svg]` trains on the split `train`, prints the mean reward, evaluates the trained policy on the
split `test`, and draws the learning curve. Everything is seeded, so two runs give the same result.
"""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tau2_core import RewardWeights
from tau2_gymnasium import VectorAgentEnv

Array = NDArray[np.float64]
PACK = Path(__file__).parent / "lamps"
LAMPS = ("red", "green", "blue", "white")
SWITCHINGS = [(lamp, on) for lamp in LAMPS for on in (True, False)]
ACTIONS = [*(f"switch(lamp={lamp!r}, on={on})" for lamp, on in SWITCHINGS), "It is done."]
ENVIRONMENTS = 64
UPDATES = 120
EPISODES = 64  # per update
LONGEST = 16  # the limit of steps in an episode: messages of both sides, and tool calls
RATE = 2.0
WEIGHTS = RewardWeights(database=0.5)


class Policy:
    """Softmax over `ACTIONS` of a linear function of the switchings still to be made."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.weights: Array = np.zeros((len(SWITCHINGS) + 1, len(ACTIONS)))

    def probabilities(self, features: Array) -> Array:
        scores = features @ self.weights
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))

    def draw(self, features: Array, *, best: bool = False) -> NDArray[np.int_]:
        """Return an action for each row: sampled, or the most probable one."""
        chances = self.probabilities(features)
        if best:
            return chances.argmax(axis=1)
        return (chances.cumsum(axis=1) > self.random.random((len(features), 1))).argmax(axis=1)


def asked_for(observation: str) -> Array:
    """Return the switchings that a customer's message asks for."""
    asked = {(lamp, word == "on") for word, lamp in re.findall(r"switch (on|off) the (\w+) lamp", observation)}
    return np.array([float(each in asked) for each in SWITCHINGS])


@dataclass
class Trajectory:
    """The observations, actions and rewards of one episode."""

    asked: Array
    features: list[Array] = field(default_factory=list)
    actions: list[int] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    grade: float = 0.0

    def now(self) -> Array:
        """Return the policy's features: the switchings asked for and not made yet, and a constant."""
        pending = self.asked.copy()
        pending[[action for action in self.actions if action < len(SWITCHINGS)]] = 0.0
        return np.append(pending, 1.0)


def play(
    envs: VectorAgentEnv, policy: Policy, seed: int | None, episodes: int, *, best: bool = False
) -> list[Trajectory]:
    """Play until a number of episodes have ended; return them."""
    observations, _ = envs.reset(seed=seed)
    playing = [Trajectory(asked_for(each)) for each in observations]
    ended: list[Trajectory] = []
    while len(ended) < episodes:
        features = np.stack([each.now() for each in playing])
        actions = policy.draw(features, best=best)
        observations, rewards, terminated, truncated, infos = envs.step([ACTIONS[action] for action in actions])
        for index, trajectory in enumerate(playing):
            trajectory.features.append(features[index])
            trajectory.actions.append(int(actions[index]))
            trajectory.rewards.append(float(rewards[index]))
            if terminated[index] or truncated[index]:
                trajectory.grade = float(infos["final_info"]["grade_reward"][index])
                ended.append(trajectory)
                playing[index] = Trajectory(asked_for(observations[index]))
    return ended


def learn(policy: Policy, batch: list[Trajectory], rate: float) -> None:
    """Make a REINFORCE update: raise the probability of actions followed by more reward than the baseline."""
    features = np.concatenate([np.stack(each.features) for each in batch])
    actions = np.concatenate([each.actions for each in batch])
    returns = np.concatenate([np.cumsum(each.rewards[::-1])[::-1] for each in batch])
    advantages = (returns - returns.mean()) / (returns.std() + 1e-6)
    errors = -policy.probabilities(features)
    errors[np.arange(len(actions)), actions] += 1.0
    policy.weights += rate * features.T @ (errors * advantages[:, None]) / len(batch)


def train(seed: int = 7, updates: int = UPDATES) -> tuple[Policy, list[float]]:
    """Return the trained policy, and the mean reward of each update's episodes."""
    policy = Policy(seed)
    envs = environments("train")
    curve: list[float] = []
    for update in range(updates):
        batch = play(envs, policy, seed if update == 0 else None, EPISODES)
        curve.append(float(np.mean([each.grade for each in batch])))
        learn(policy, batch, RATE * (1 - update / updates))
    envs.close()
    return policy, curve


def environments(split: str) -> VectorAgentEnv:
    """Return the environments of a split."""
    return VectorAgentEnv(
        PACK, num_envs=ENVIRONMENTS, split=split, reward=WEIGHTS, autoreset_mode="SameStep", max_steps=LONGEST
    )


def tested(policy: Policy, split: str) -> float:
    """Return the mean reward of a policy that always takes its most probable action."""
    envs = environments(split)
    mean = float(np.mean([each.grade for each in play(envs, policy, 1, EPISODES, best=True)]))
    envs.close()
    return mean


def drawn(curve: list[float]) -> str:
    """Return the curve as an SVG picture."""
    width, height, left, bottom = 640, 240, 44, 30
    across, up = (width - left - 12) / (len(curve) - 1), height - bottom - 12
    points = " ".join(f"{left + i * across:.1f},{12 + (1 - mean) * up:.1f}" for i, mean in enumerate(curve))
    lines = "".join(
        f'<line x1="{left}" x2="{width - 12}" y1="{12 + (1 - mark) * up:.1f}" y2="{12 + (1 - mark) * up:.1f}" '
        f'stroke="#ddd"/><text x="{left - 8}" y="{16 + (1 - mark) * up:.1f}" text-anchor="end">{mark:g}</text>'
        for mark in (0, 0.2, 0.4, 0.6, 0.8, 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="12"><title>Mean reward of {EPISODES} episodes, by update</title>'
        f'<rect width="100%" height="100%" fill="white"/>{lines}'
        f'<polyline points="{points}" fill="none" stroke="#1668b5" stroke-width="2"/>'
        f'<text x="{(width + left) / 2}" y="{height - 8}" text-anchor="middle">'
        f"update, from 0 to {len(curve) - 1}</text></svg>\n"
    )


def main() -> None:
    started = time.perf_counter()
    policy, curve = train()
    for update in [*range(0, len(curve), 25), len(curve) - 1]:
        print(f"update {update:3}: mean reward {curve[update]:.2f}")
    print(f"test: {tested(policy, 'test'):.2f} (untrained: {tested(Policy(7), 'test'):.2f})")
    print(f"{len(curve) * EPISODES} episodes in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(drawn(curve))


if __name__ == "__main__":
    main()
