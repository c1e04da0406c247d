"""Choosing the executor of a run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tau2_core.errors import UsageError
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.runs.executors.launching import ChosenExecutor, chosen_executor
from tau2_core.runs.executors.messages import Setup
from tau2_core.runs.executors.players import Executor, NewPlayer, PlayableRun, in_this_process
from tau2_core.runs.executors.remote_player import RemotePlayer
from tau2_core.runs.executors.run_description import RunDescription, RunInputs
from tau2_core.runs.executors.shared_models import SharedModels
from tau2_core.runs.executors.worker_pool import WorkerPool
from tau2_core.runs.plan import Plan


def choose_executor(catalogue: Catalogue, inputs: RunInputs, plan: Plan) -> Executor:
    """Return the executor of a run. Raises UsageError if it is unknown, or does not fit the options or the plan."""
    options = inputs.options
    chosen = chosen_executor(catalogue, options.executor, options.workers, options.executor_option)
    if chosen.is_here:
        return in_this_process
    if plan.interactive:
        raise UsageError(
            f"--executor {options.executor}: a person takes part, at this terminal; play with --executor async"
        )
    _refuse_idle(options.workers, plan)
    return _by_workers(chosen, inputs)


def _refuse_idle(workers: int | None, plan: Plan) -> None:
    """Refuse workers that would never get a slot."""
    if workers is None:
        return
    most = {"slots": plan.own_size, "episodes at a time (--concurrency)": plan.width(workers)}
    for what, number in most.items():
        if workers > number:
            raise UsageError(f"--workers {workers}: there are only {number} {what}, so some would have nothing to do")


def _by_workers(chosen: ChosenExecutor, inputs: RunInputs) -> Executor:
    @asynccontextmanager
    async def executor(playing: PlayableRun) -> AsyncIterator[NewPlayer]:
        checked = playing.checked
        models = SharedModels(checked.plan.participants.role_models.values())
        description = RunDescription(
            name=playing.name,
            inputs=inputs,
            play_episode=playing.play_episode,
            episodes=playing.episodes,
            config=checked.config,
        )
        setup = Setup(description.packed())
        async with chosen.opened() as launcher:
            workers = min(launcher.workers, checked.plan.width(launcher.workers))
            async with WorkerPool(launcher, workers, setup, models) as pool:
                yield lambda keep: RemotePlayer(pool, checked, models, keep)

    return executor
