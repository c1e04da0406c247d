"""Vectors of environments that share one event loop, so that thousands of episodes can wait for models at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar, Unpack

import gymnasium
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from tau2_core import Curriculum, EpisodeOptions, EpisodeRecord, UsageError
from tau2_core.runtime.event_loop import loop_factory

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
    refuse_non_string,
)
from tau2_gymnasium.step_runner import run_at_once

Result = TypeVar("Result")
Observations = tuple[str, ...]
Batch = tuple[Observations, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class _TextVectorEnv(gymnasium.vector.VectorEnv[Observations, Sequence[str], NDArray[Any]]):
    """Text environments in one process and one event loop. See `VectorAgentEnv`."""

    side: ClassVar[Player] = "agent"
    _loop: asyncio.AbstractEventLoop | None = None  # set first, because close() also runs if the constructor fails

    def __init__(
        self,
        domain: str | Path,
        *,
        num_envs: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        split: str | None = None,
        task_id: str | None = None,
        all_messages_as_observation: bool = False,
        reward: Reward | None = None,
        curriculum: Curriculum | None = None,
        **options: Unpack[EpisodeOptions],
    ) -> None:
        if isinstance(num_envs, bool) or not isinstance(num_envs, int) or num_envs < 1:
            raise UsageError(f"num_envs: a vector needs at least 1 environment, not {num_envs!r}")
        self.num_envs = num_envs
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {"render_modes": [], "autoreset_mode": self.autoreset_mode}
        self.factory = made_factory(domain, self.side, split, task_id, options)
        self.single_observation_space = self.single_action_space = UnicodeText()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.played_sides = [
            PlayedSide(self.factory, self.side, whole=all_messages_as_observation, reward=reward)
            for _ in range(num_envs)
        ]
        self._draw = TaskDraw(self.factory, task_id, curriculum)
        self._randoms: list[np.random.Generator] = []
        self._over = np.ones(num_envs, dtype=np.bool_)
        self._observations: list[str] = [""] * num_envs
        self._loop = loop_factory()()
        self._at_once = self.factory.never_waits

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Start an episode in each environment; environment i gets the seed `seed + i`, or the i-th of a list.

        `options` are those of a single environment, and also `task_ids`, one for each, and `reset_mask`, an array of
        booleans that selects the environments to reset.
        """
        self._refuse_closed()
        options = checked_options(options)
        mask, task_ids = options.pop("reset_mask", None), options.pop("task_ids", None)
        chosen = list(range(self.num_envs)) if mask is None else self._masked(mask)
        if task_ids is not None and len(task_ids) != self.num_envs:
            raise ValueError(f"reset: {len(task_ids)} task_ids for {self.num_envs} environments")
        seeds = self._seeds(seed)
        super().reset(seed=None if seed is None or isinstance(seed, Sequence | np.ndarray) else seeds[0])
        if not self._randoms:
            drawn = self.np_random.integers(SEEDS, size=self.num_envs)
            self._randoms = [np.random.default_rng(int(each)) for each in drawn]
        for index in chosen:
            if seeds[index] is not None:
                self._randoms[index], _ = seeding.np_random(seeds[index])
        wanted = [options if task_ids is None else {**options, "task_id": task_ids[index]} for index in chosen]
        infos = self._begin(chosen, wanted, [seeds[index] for index in chosen])
        return tuple(self._observations), infos

    def step(self, actions: Sequence[str]) -> Batch:
        """Take an action in each environment, concurrently.

        Raises ValueError for a wrong number of actions, and ResetNeeded if autoreset is disabled and an episode is
        over.
        """
        self._refuse_closed()
        if isinstance(actions, str) or not isinstance(actions, Iterable):
            raise gymnasium.error.InvalidAction(f"step: give {self.num_envs} actions, not {actions!r}")
        actions = list(actions)
        if len(actions) != self.num_envs:
            raise ValueError(f"step: {len(actions)} actions for {self.num_envs} environments")
        if not self._randoms:
            raise gymnasium.error.ResetNeeded("call reset before step")
        again = np.flatnonzero(self._over).tolist()
        if again and self.autoreset_mode is AutoresetMode.DISABLED:
            raise gymnasium.error.ResetNeeded(f"environments {again[:10]} are over; reset them with `reset_mask`")
        going = np.flatnonzero(~self._over).tolist()
        for index in going:  # check all actions before taking one, so that none is lost
            refuse_non_string(actions[index], f"environment {index}: ")
        infos = self._begin(again) if again else {}
        rewards = np.zeros(self.num_envs)
        terminations = np.zeros(self.num_envs, dtype=np.bool_)
        truncations = np.zeros(self.num_envs, dtype=np.bool_)
        ends: dict[str, Any] = {}
        results = self._together([self.played_sides[index].step(actions[index]) for index in going])
        for index, (observation, reward, terminated, truncated, info) in zip(going, results, strict=True):
            self._observations[index] = observation
            rewards[index], terminations[index], truncations[index] = reward, terminated, truncated
            if info:
                self._draw.tell(info)
                ends = self._gathered(ends, info, index)
        self._over |= terminations | truncations
        if ends and self.autoreset_mode is AutoresetMode.SAME_STEP:
            ended = terminations | truncations
            final = np.full(self.num_envs, None, dtype=object)
            for index in np.flatnonzero(ended).tolist():
                final[index] = self._observations[index]
            infos = self._begin(np.flatnonzero(ended).tolist())
            infos |= {"final_obs": final, "_final_obs": ended, "final_info": ends, "_final_info": ended.copy()}
        else:
            infos = self._merged(infos, ends)
        return tuple(self._observations), rewards, terminations, truncations, infos

    def records(self) -> list[EpisodeRecord]:
        """Return the records of the episodes so far."""
        self._refuse_closed()
        return self._together([played_side.record() for played_side in self.played_sides])

    def close_extras(self, **_kwargs: Any) -> None:
        """Close the connections to models."""
        if self._loop is not None:
            for played_side in self.played_sides:
                played_side.close()
            self._run(self.factory.close())
            self._loop.close()
            self._loop = None

    def _begin(
        self,
        indexes: Sequence[int],
        options: Sequence[dict[str, Any]] | None = None,
        seeds: Sequence[int | None] | None = None,
    ) -> dict[str, Any]:
        """Start new episodes in some environments; return their infos."""
        infos: dict[str, Any] = {}
        drawn: list[tuple[PlayedSide, str, int]] = []
        for place, index in enumerate(indexes):
            random = self._randoms[index]
            task_id = self._draw.task(random, options[place] if options else None)
            seed = draw_below(random, SEEDS)
            told = seeds[place] if seeds else None
            drawn.append((self.played_sides[index], task_id, seed if told is None else told))
            infos = self._gathered(infos, {"task_id": task_id, "episode_seed": drawn[-1][2]}, index)
        begun = self._together([played_side.reset(task_id, seed) for played_side, task_id, seed in drawn])
        for index, observation in zip(indexes, begun, strict=True):
            self._observations[index] = observation
            self._over[index] = False
        return infos

    def _masked(self, mask: Any) -> list[int]:
        array = np.asarray(mask)
        if array.dtype != np.bool_ or array.shape != (self.num_envs,):
            raise ValueError(f"reset_mask: give an array of {self.num_envs} booleans, not {mask!r}")
        chosen: list[int] = np.flatnonzero(array).tolist()
        return chosen

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, str) or not isinstance(seed, Sequence | np.ndarray):
            first = checked_seed(seed)
            assert first is not None
            return [checked_seed(first + index) for index in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"reset: {len(seed)} seeds for {self.num_envs} environments")
        return [*map(checked_seed, seed)]

    def _gathered(self, infos: dict[str, Any], info: dict[str, Any], index: int) -> dict[str, Any]:
        """Add an environment's info: an array for each key, and its mask of set entries with the prefix `_`."""
        for name, value in info.items():
            if name not in infos:
                kind = type(value) if type(value) in (int, float, bool) else object
                infos[name] = np.full(self.num_envs, None if kind is object else 0, dtype=kind)
                infos[f"_{name}"] = np.zeros(self.num_envs, dtype=np.bool_)
            infos[name][index] = value
            infos[f"_{name}"][index] = True
        return infos

    @staticmethod
    def _merged(infos: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
        """Merge the infos of environments that have started with those of others that have ended."""
        merged = {**infos, **more}
        for name in infos.keys() & more.keys():
            if not name.startswith("_"):
                mask = infos[f"_{name}"]
                merged[name][mask] = infos[name][mask]
                merged[f"_{name}"] = merged[f"_{name}"] | mask
        return merged

    def _refuse_closed(self) -> None:
        if self._loop is None:
            raise gymnasium.error.ClosedEnvironmentError("the environments are closed; create new ones")

    def _together(self, steps: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
        """Await all concurrently and return their results. If some fail, the others still finish, then it raises."""
        if not self._at_once:
            return self._run(_gathered_results(steps))
        done, failed = [], None
        for each in steps:
            try:
                done.append(run_at_once(each))
            except Exception as error:  # noqa: BLE001 - it is raised once the others have gone on
                failed = failed or error
        if failed is not None:
            raise failed
        return done

    def _run(self, steps: Coroutine[Any, Any, Result]) -> Result:
        assert self._loop is not None
        return self._loop.run_until_complete(steps)


async def _gathered_results(steps: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Await all concurrently. If some fail, the others still finish, and the first error is raised."""
    results = await asyncio.gather(*steps, return_exceptions=True)
    done: list[Result] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done


class VectorAgentEnv(_TextVectorEnv):
    """Serve many simulated customers concurrently; each environment is like `AgentEnv`.

    `autoreset_mode` is one of Gymnasium's. Infos are arrays: the id and the seed of each new episode, and the values
    that `AgentEnv` gives at its end. Policy and tools are the same for all: `factory.policy`, `factory.tools`.
    """


class VectorCustomerEnv(_TextVectorEnv):
    """Play many customers concurrently; each environment is like `CustomerEnv`."""

    side = "customer"
