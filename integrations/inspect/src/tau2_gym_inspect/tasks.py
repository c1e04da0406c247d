"""A domain as a task of Inspect: a sample for each of its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import get_model
from tau2_core import EpisodeFactory, UserContext, UserSpec
from tau2_core.model.tasks import Task as DomainTask
from tau2_core.users.llm import LLMUser

from tau2_gym_inspect.sample_episodes import SampleEpisodes
from tau2_gym_inspect.scorer import reward
from tau2_gym_inspect.solver import MakeAgent, begin_episode, converse, played_by
from tau2_gym_inspect.user_model import CustomerModel

MODEL = "llm"


def domain_task(
    domain: str | Path,
    *,
    split: str | None = None,
    tasks: Sequence[str | DomainTask] | None = None,
    user: str = "scripted",
    agent: MakeAgent | None = None,
    seed: int = 300,
    **options: Any,
) -> Task:
    """Return a domain as a task: Inspect's model is the agent, and our simulator the customer.

    Args:
        domain: a domain's name, or the folder of a pack.
        split: the split of the tasks, by default `base`.
        tasks: ids, or tasks that you created, instead of a split.
        user: the simulated customer: a registered name such as `scripted`; `llm` for Inspect's model role `user`; or a
            model's name as in Inspect, `PROVIDER/NAME`.
        agent: makes an agent of Inspect from the tools of a sample; by default the model itself is the agent.
        seed: the seed from which each epoch's seed is drawn, as a run draws those of its trials.
        options: see `tau2_core.EpisodeOptions`.

    Raises:
        UsageError: an unknown name or option, or an invalid combination.
        PackError, DatasetError: the data are invalid.
    """
    solo = options.get("solo", False)
    factory = EpisodeFactory(domain, split=split, tasks=tasks, user=_customer("none" if solo else user), **options)
    factory.refuse_ungradable()
    episodes = SampleEpisodes(factory, seed)
    samples = [_sample(factory, task) for task in factory.tasks.values()]
    return Task(
        dataset=MemoryDataset(samples, name=f"{factory.domain}:{split or 'base'}"),
        setup=begin_episode(episodes),
        solver=converse(episodes) if agent is None else played_by(episodes, agent),
        scorer=reward(episodes),
        cleanup=episodes.close,
        metadata={
            "domain": factory.domain,
            "split": split,
            "user": user,
            "seed": seed,
            "policy": factory.policy,
            **{name: str(value) for name, value in options.items()},
        },
    )


def _sample(factory: EpisodeFactory, task: DomainTask) -> Sample:
    """Return a task as a sample, without its evaluation criteria."""
    within = [name for name, ids in factory.splits.items() if task.id in ids]
    about = {"domain": factory.domain, "task_id": task.id, "splits": within, "tags": task.tags}
    return Sample(input=f"{factory.domain}: task {task.id}", id=task.id, metadata=about)


def _customer(user: str) -> UserSpec | str:
    """Return a customer played by a model of Inspect, or the name of a registered one."""
    if user != MODEL and "/" not in user:
        return user
    create = partial(_create, None if user == MODEL else user)
    return UserSpec(MODEL, "a language model of Inspect", create, follows_prompt=True)


def _create(model: str | None, context: UserContext) -> LLMUser:
    found = get_model(role="user", required=True) if model is None else get_model(model)
    return LLMUser(replace(context, model=CustomerModel(found)))
