"""Both sides of an episode as a PettingZoo environment: an agent and a customer that are trained together."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, ClassVar, Unpack

from gymnasium.error import ResetNeeded
from gymnasium.spaces import Dict
from gymnasium.utils import seeding
from pettingzoo import AECEnv
from tau2_core import EpisodeOptions
from tau2_core.episode.transcript import transcript

from tau2_gymnasium.actions import UnicodeText
from tau2_gymnasium.environments import made_factory
from tau2_gymnasium.played_side import (
    SEEDS,
    PlayedSide,
    Player,
    Reward,
    TaskDraw,
    checked_options,
    checked_seed,
    draw_below,
)
from tau2_gymnasium.step_runner import StepRunner

BY_TURN = {"agent": "agent_0", "user": "customer_0"}
SIDES: dict[str, Player] = {"agent_0": "agent", "customer_0": "customer"}


class BothSidesEnv(AECEnv[str, dict[str, str], str]):
    """Play both sides in turn. An observation's `text` is what the side has seen since its last action."""

    metadata: ClassVar[dict[str, Any]] = {"name": "tau2_gym_v0", "render_modes": [], "is_parallelizable": False}
    possible_agents: ClassVar[list[str]] = [*SIDES]

    def __init__(
        self,
        domain: str | Path,
        *,
        split: str | None = None,
        task_id: str | None = None,
        reward: Reward | None = None,
        **options: Unpack[EpisodeOptions],
    ) -> None:
        self.factory = made_factory(domain, "both", split, task_id, options)
        self.agents: list[str] = []
        # Observations are dictionaries, because PettingZoo's API test requires a `dtype` of any other observation.
        self._observations = Dict({"text": UnicodeText()})
        self._draw = TaskDraw(self.factory, task_id)
        self._runner = StepRunner(self.factory)
        self._random, _ = seeding.np_random()
        self._played_sides = {name: PlayedSide(self.factory, side, reward=reward) for name, side in SIDES.items()}

    def observation_space(self, agent: str) -> Dict:  # noqa: ARG002 - it is the same for both
        return self._observations

    def action_space(self, agent: str) -> Any:  # noqa: ARG002 - it is the same for both
        return self._observations["text"]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Begin an episode, as `AgentEnv.reset` does. Unknown options only cause a warning here."""
        known = {name: value for name, value in checked_options(options).items() if name in ("task_id", "split")}
        for name in (options or {}).keys() - known.keys():
            warnings.warn(f"reset: there is no option {name!r}; the options are task_id and split", stacklevel=2)
        if (seed := checked_seed(seed)) is not None:
            self._random, _ = seeding.np_random(seed)
        task_id, drawn = self._draw.task(self._random, known), draw_below(self._random, SEEDS)
        self._episode = self.factory.episode(task_id, seed=drawn if seed is None else seed)
        self._runner.run(self._episode.begin())
        for played_side in self._played_sides.values():
            played_side.take(self._episode)
        self.agents = [*SIDES]
        self.rewards, self._cumulative_rewards = dict.fromkeys(SIDES, 0.0), dict.fromkeys(SIDES, 0.0)
        self.terminations, self.truncations = dict.fromkeys(SIDES, False), dict.fromkeys(SIDES, False)
        self.infos = {name: played_side.first_info() for name, played_side in self._played_sides.items()}
        self._seen = dict.fromkeys(SIDES, 0)
        self.agent_selection = BY_TURN[self._episode.conversation.turn]

    def observe(self, agent: str) -> dict[str, str]:
        return {"text": transcript(self._played_sides[agent].played.messages[self._seen[agent] :])}

    def step(self, action: str | None) -> None:
        """Take an action of the side whose turn it is. Raises InvalidAction if it is not a string."""
        if not self.agents:
            raise ResetNeeded("no episode is in progress; call reset before the next action")
        name = self.agent_selection
        if self.terminations[name] or self.truncations[name]:
            self._was_dead_step(action)
            return
        seen = len(self._played_sides[name].played.messages)
        results = {name: self._runner.run(self._played_sides[name].step(action))}  # type: ignore[arg-type]
        self._seen[name] = seen + 1  # its own message
        if self._played_sides[name].over:
            results |= {other: self._runner.run(self._played_sides[other].finish()) for other in SIDES if other != name}
        else:
            self.agent_selection = BY_TURN[self._episode.conversation.turn]
        self._cumulative_rewards[name] = 0.0
        self._clear_rewards()
        for each, result in results.items():
            _, self.rewards[each], self.terminations[each], self.truncations[each], self.infos[each] = result
        self._accumulate_rewards()

    def close(self) -> None:
        self._runner.close()
