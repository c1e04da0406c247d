"""The environments: one to play the agent, one to play the customer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Unpack

import gymnasium
from tau2_core import Curriculum, EpisodeFactory, EpisodeOptions, EpisodeRecord, Grade, UsageError

from tau2_gymnasium.actions import UnicodeText
from tau2_gymnasium.played_side import SEEDS, PlayedSide, Player, Reward, Stepped, TaskDraw, checked_seed, draw_below
from tau2_gymnasium.step_runner import StepRunner


class _TextEnv(gymnasium.Env[str, str]):
    """An episode as an environment with text actions and observations. `AgentEnv` describes it."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}  # type: ignore[misc]
    side: ClassVar[Player] = "agent"
    render_mode = None

    def __init__(
        self,
        domain: str | Path,
        *,
        split: str | None = None,
        task_id: str | None = None,
        all_messages_as_observation: bool = False,
        reward: Reward | None = None,
        curriculum: Curriculum | None = None,
        **options: Unpack[EpisodeOptions],
    ) -> None:
        self.factory = made_factory(domain, self.side, split, task_id, options)
        self.observation_space = UnicodeText()
        self.action_space = UnicodeText()
        self._played_side = PlayedSide(self.factory, self.side, whole=all_messages_as_observation, reward=reward)
        self._draw = TaskDraw(self.factory, task_id, curriculum)
        self._runner = StepRunner(self.factory)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Start an episode of the task `options["task_id"]`, or of one drawn from the split.

        A `seed` determines this episode and the tasks drawn from now on. Raises ValueError for a task or a split that
        this environment does not play, Tau2GymError if the task's start state is invalid.
        """
        seed = checked_seed(seed)
        super().reset(seed=seed)
        task_id = self._draw.task(self.np_random, options)
        drawn = draw_below(self.np_random, SEEDS)
        chosen = drawn if seed is None else seed
        observation = self._runner.run(self._played_side.reset(task_id, chosen))
        return observation, self._played_side.first_info()

    def step(self, action: str) -> Stepped:
        """Take an action, and return what happened.

        Raises ResetNeeded after the end, InvalidAction if the action is not a string.
        """
        stepped = self._runner.run(self._played_side.step(action))
        if stepped[4]:
            self._draw.tell(stepped[4])
        return stepped

    def record(self) -> EpisodeRecord:
        """Return the record of the episode so far."""
        return self._runner.run(self._played_side.record())

    def grade(self) -> Grade:
        """Grade the episode in its current state. The checks reveal the gold: do not show them to the player."""
        return self._runner.run(self._played_side.grade())

    def render(self) -> None:
        """Do nothing: the observations show everything."""

    def close(self) -> None:
        """Close the connections to models; the environment cannot be used afterwards."""
        self._played_side.close()
        self._runner.close()


class AgentEnv(_TextEnv):
    """Serve a simulated customer.

    An action is a string: a message to the customer, a tool call as `{"name": …, "arguments": {…}}` or
    `name(argument=…)`, or `done()` to end. An observation is the new messages, in lines of `role: content`; with
    `all_messages_as_observation`, the whole conversation. The reward is 0 until the end, then the grade's, or what
    `reward(record, task, grade)` returns. With `RewardWeights`, every step has a reward.

    A `curriculum` draws the tasks, and receives the outcome of each.

    `terminated`: one of the sides ended it. `truncated`: a limit was reached, or an error occurred that is not the
    agent's. If the episode has no valid reward, `info["unscored"]` is true. `info` never reveals the gold.

    `options` are those of `open_episode`: `user`, `evaluators`, `max_steps` and so on.
    """


class CustomerEnv(_TextEnv):
    """Play the customer; `agent` plays the agent. The customer ends with `done()` or `###STOP###`.

    Otherwise like `AgentEnv`. The default `agent` is a scripted one that knows the gold.
    """

    side = "customer"


def made_factory(
    domain: str | Path, side: str, split: str | None, task_id: str | None, options: EpisodeOptions
) -> EpisodeFactory:
    """Return a factory of episodes in which `side` is played: `agent`, `customer` or `both`.

    Raises UsageError, PackError, DatasetError.
    """
    options = options.copy()
    if side != "agent" and options.setdefault("user", "external") != "external":
        raise UsageError("this environment plays the customer: do not give `user`")
    if side == "customer":
        options.setdefault("agent", "oracle")
    elif "agent" in options:
        raise UsageError("this environment plays the agent: do not give `agent`")
    factory = EpisodeFactory(domain, split=split, tasks=None if task_id is None else [task_id], **options)
    factory.refuse_ungradable()
    return factory
