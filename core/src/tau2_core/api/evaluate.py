"""`evaluate`: play tasks of a domain, grade every episode, and return the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Unpack

from tau2_core.api.options import RunOptions, refuse_external, refuse_running_loop, run_arguments
from tau2_core.api.run import Run
from tau2_core.episode.play import play
from tau2_core.errors import UsageError
from tau2_core.runs.composition import Composition, compose
from tau2_core.runs.execute import Execution, FinishedEpisode, RunResult, execute
from tau2_core.runs.executors.players import OpenEpisodes, PlayEpisode, locally
from tau2_core.runs.model_clients import closing
from tau2_core.runs.plan import Plan
from tau2_core.runtime.event_loop import loop_factory

OnProgress = Callable[[FinishedEpisode, int, int], None]


def evaluate(domain: str | Path, *, progress: OnProgress | None = None, **options: Unpack[RunOptions]) -> Run:
    """Play tasks of a domain, grade every episode, and return the run, which is kept in a folder.

    This is `tau2-gym run` for programs, with the same options and the same errors.

    Args:
        domain: a domain's name, or the folder of a pack.
        progress: called after each episode with it, the number of finished episodes, including those that a resumed
            run had finished before, and the total. If it raises, the run ends; finished episodes are kept.
        options: `agent`, `user`, `judge`, `split`, `tasks`, `trials`, `evaluators`, `out` and all others that
            `RunOptions` lists.

    Returns:
        The run. `run.stopped` says why it stopped early, "" if it is complete.

    Raises:
        UsageError: an unknown option or an invalid combination, or a running event loop (use `aevaluate`).
        PackError, DatasetError: the data are invalid.
        RunError: the folder cannot be created, written or continued, or the judge cannot be used.
        KeyboardInterrupt: after the summary of the finished episodes was written.
    """
    refuse_running_loop("`await aevaluate(…)`")
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        run = runner.run(_evaluate(domain, progress, options))
    if run.stopped == "interrupted":
        raise KeyboardInterrupt
    return run


async def aevaluate(domain: str | Path, *, progress: OnProgress | None = None, **options: Unpack[RunOptions]) -> Run:
    """Do what `evaluate` does, in a running event loop.

    If it is cancelled, finished episodes are kept and summarised before it raises CancelledError.
    """
    run = await _evaluate(domain, progress, options)
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    return run


async def _evaluate(domain: str | Path, progress: OnProgress | None, given: RunOptions) -> Run:
    if progress is not None and (not callable(progress) or iscoroutinefunction(progress)):
        raise UsageError(f"progress: give a function that is called, not awaited, after each episode, not {progress!r}")
    arguments = run_arguments(domain, given)
    refuse_external(arguments)
    composed = compose(arguments.options, agent=arguments.agent, user=arguments.user, tasks=arguments.tasks)
    options = arguments.options
    result = await play_composed(composed, via=options.via, resume=options.resume, on_finished=progress)
    return Run(composed.folder, stopped=result.stopped)


async def play_composed(
    composed: Composition,
    *,
    via: str,
    resume: bool,
    on_begun: Callable[[int], None] | None = None,
    on_finished: OnProgress | None = None,
    on_graded: Callable[[], None] | None = None,
    play_episode: PlayEpisode = play,
) -> RunResult:
    """Play and grade a composed run in this process or `via` "mcp", then close the connections to the models.

    `on_begun` is called with the number of episodes that the run had finished before, `on_graded` after each episode.
    `play_episode` plays one episode and returns its record, whatever goes wrong.
    """
    plan, slots = composed.plan, composed.plan.own_size
    done = 0

    def begin(finished_before: int) -> None:
        nonlocal done
        done = finished_before
        if on_begun is not None:
            on_begun(done)

    def tell(finished: FinishedEpisode) -> None:
        nonlocal done
        done += 1
        if on_finished is not None:
            on_finished(finished, done, slots)

    execution = Execution(
        resume=resume,
        on_begun=begin,
        on_finished=None if on_finished is None else tell,
        on_graded=on_graded,
        play_episode=play_episode,
        episodes=_episodes(via, plan),
        executor=composed.executor,
    )
    work = execute(plan, composed.catalogue, composed.folder, execution)
    return await closing(plan.participants.role_models, work)


def _episodes(via: str, plan: Plan) -> OpenEpisodes:
    if plan.participants.agent.calls_tools == "over_mcp":
        from tau2_core.gym.agents_over_mcp import served_to_agents

        return served_to_agents
    if via == "mcp":
        from tau2_core.gym.run_over_mcp import over_mcp

        return over_mcp
    return locally
