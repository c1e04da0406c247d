"""A domain's tasks for verifiers; each rollout is an episode on a gym server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import verifiers.v1 as vf
from pydantic import Field
from tau2_core import Grade, RunError, UsageError, installed_domains, load_domain

from tau2_gym_verifiers.episode import RolloutState, ask
from tau2_gym_verifiers.toolset import Tau2Toolset


class Tau2TaskConfig(vf.TaskConfig):
    """How episodes are opened."""

    url: str | None = None
    """The URL of a running gym server. By default, each environment worker starts its own server."""
    user: str | None = None
    """Who plays the customer; by default the server's default."""
    seed: int = 0
    """The seed of every episode, so that the rollouts of a group start from the same state."""


class Tau2Config(vf.TasksetConfig):
    """The domain and the tasks to play."""

    domain: str = ""
    """An installed domain."""
    split: str = "base"
    """The split of its tasks."""
    variant: str = ""
    """A variant of the domain: other prompts, tools or texts over the same environment."""
    variant_options: dict[str, Any] = Field(default_factory=dict)
    """Values of options that the variant declares."""
    dataset: Path | None = None
    """A folder with data for the domain, such as a checkout of tau2-bench. A server at `url` must have it too."""
    tools: vf.SharedToolsetConfig = vf.SharedToolsetConfig()
    task: Tau2TaskConfig = Tau2TaskConfig()


class Tau2Data(vf.TaskData):
    """A task's id and the policy. The task's scenario and gold stay on the server."""

    domain: str
    variant: str = ""
    variant_options: dict[str, Any] = Field(default_factory=dict)


class Tau2Task(vf.Task[Tau2Data, RolloutState, Tau2TaskConfig]):
    """Opens an episode for a rollout; grades and closes it at the end."""

    async def setup(self, trace: vf.Trace) -> None:
        """Open an episode. Raises RunError if the server refuses."""
        if self.config.url is None:
            raise UsageError("there is no gym server: use the environment of this package, or set task.url")
        request = {
            "domain": self.data.domain,
            "task_id": self.data.id,
            "variant": self.data.variant,
            "variant_options": self.data.variant_options,
            "seed": self.config.seed,
            "user": self.config.user,
        }
        made = await ask("POST", f"{self.config.url.rstrip('/')}/v1/episodes", request)
        for name in RolloutState.__annotations__:
            setattr(trace.state, name, made[name])

    async def finalize(self, trace: vf.Trace) -> None:
        """Grade the episode in its current state and delete it. The grade is stored in `trace.info`."""
        control = trace.state.control_url
        if control:
            answer = await ask("GET", f"{control}/reward")
            trace.info["tau2"] = {"episode": control.rsplit("/", 1)[-1], "grade": answer["grade"]}
            await ask("DELETE", control)

    @vf.reward(weight=1.0)
    async def tau2(self, trace: vf.Trace) -> float:
        """Return the grade's reward. Raises RunError if there is none: the rollout is then an error, not a 0."""
        grade = Grade.model_validate(trace.info["tau2"]["grade"])
        reward = grade.reward_for("agent")
        if reward is None:
            raise RunError(f"{self.data.id}: there is no valid reward, because the outcome is {grade.outcome}")
        return reward

    @vf.metric
    async def criteria(self, trace: vf.Trace) -> dict[str, float]:
        """Return the reward of each criterion that has one."""
        verdicts = Grade.model_validate(trace.info["tau2"]["grade"]).verdicts
        return {name: each.reward for name, each in verdicts.items() if each.reward is not None}


class Tau2Taskset(vf.Taskset[Tau2Task, Tau2Config]):
    """The tasks of a split of a domain."""

    @classmethod
    def toolsets(cls, config: Tau2Config) -> list[vf.Toolset]:
        """Return the server of tools, which all rollouts of an environment worker share."""
        return [Tau2Toolset(config.tools)]

    def load(self) -> Iterator[Tau2Task]:
        """Yield the tasks. Raises UsageError for a domain or a split that does not exist."""
        config = self.config
        if not config.domain:
            raise UsageError(f"give a domain (--env.taskset.domain); installed are {', '.join(installed_domains())}")
        domain = load_domain(
            config.domain, dataset=config.dataset, variant=config.variant, variant_options=config.variant_options
        )
        if config.split not in domain.splits:
            raise UsageError(f"{config.domain} has no split {config.split!r}; it has {', '.join(domain.splits)}")
        for task_id in domain.splits[config.split]:
            data = Tau2Data(
                id=task_id,
                name=task_id,
                system_prompt=domain.policy,
                domain=config.domain,
                variant=config.variant,
                variant_options=config.variant_options,
            )
            yield Tau2Task(data, config.task)
