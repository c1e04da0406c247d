"""The executor that options name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tau2_core.errors import PluginError, Tau2GymError, UsageError
from tau2_core.foreign import describe_error, foreign
from tau2_core.model.executors import ExecutorOptions, Launcher
from tau2_core.model.registrations import ExecutorSpec, loaded
from tau2_core.names import did_you_mean
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.runs.executors.crew import Crew
from tau2_core.runs.executors.messages import Setup
from tau2_core.runs.executors.players import Executor, NewPlayer, PlayableRun, in_this_process
from tau2_core.runs.executors.recipe import Ingredients, Recipe
from tau2_core.runs.executors.remote_player import RemotePlayer
from tau2_core.runs.executors.shared_models import SharedModels
from tau2_core.runs.plan import Plan


def choose_executor(catalogue: Catalogue, ingredients: Ingredients, plan: Plan) -> Executor:
    """Return the executor of a run. Raises UsageError if it is unknown, or does not fit the options or the plan."""
    options = ingredients.options
    spec = catalogue.executor(options.executor)
    wanted = ExecutorOptions(options.workers, _own_options(spec, options.executor_option))
    if spec.open is None:
        if options.workers is not None:
            raise UsageError(
                f"--workers: executor {spec.name!r} plays in one process; add --executor processes, or leave it out"
            )
        return in_this_process
    if plan.interactive:
        raise UsageError(f"--executor {spec.name}: a person takes part, at this terminal; play with --executor async")
    _refuse_idle(wanted.workers, plan)
    return _by_workers(spec, wanted, ingredients)


def _refuse_idle(workers: int | None, plan: Plan) -> None:
    """Refuse workers that would never get a slot."""
    if workers is None:
        return
    most = {"slots": len(plan.own_slots()), "episodes at a time (--concurrency)": plan.width(workers)}
    for what, number in most.items():
        if workers > number:
            raise UsageError(f"--workers {workers}: there are only {number} {what}, so some would have nothing to do")


def _own_options(spec: ExecutorSpec, texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--executor-option {text}: should read NAME=VALUE")
        if name not in spec.options:
            hint = did_you_mean(name, spec.options) if spec.options else "it has none"
            raise UsageError(f"--executor-option {text}: executor {spec.name!r} has no option {name!r} ({hint})")
        found[name] = value
    return found


def _by_workers(spec: ExecutorSpec, wanted: ExecutorOptions, ingredients: Ingredients) -> Executor:
    @asynccontextmanager
    async def executor(playing: PlayableRun) -> AsyncIterator[NewPlayer]:
        checked = playing.checked
        models = SharedModels(checked.plan.participants.role_models)
        recipe = Recipe(
            ingredients=ingredients,
            play_episode=playing.play_episode,
            backends=playing.backends,
            config=checked.config,
            limited=models.limited(),
        )
        setup = Setup(recipe.packed())
        async with _opened(spec, wanted) as launcher:
            workers = min(launcher.workers, checked.plan.width(launcher.workers))
            crew = Crew(launcher, workers, setup, models)
            try:
                await crew.start()
                yield lambda keep: RemotePlayer(crew, checked, models, keep)
            finally:
                await crew.end()

    return executor


@asynccontextmanager
async def _opened(spec: ExecutorSpec, wanted: ExecutorOptions) -> AsyncIterator[Launcher]:
    """Open an executor of a plugin. Raises PluginError if that fails with an error of another kind than ours."""
    opening: AbstractAsyncContextManager[Launcher] | None = None
    assert spec.open is not None
    try:
        with foreign(f"executor {spec.name}"):
            opening = loaded(spec.open)(wanted)
            launcher = await opening.__aenter__()
    except Tau2GymError:
        raise
    except Exception as error:
        raise PluginError(f"executor {spec.name!r} cannot be opened: {describe_error(error)}") from error
    try:
        yield launcher
    finally:
        await opening.__aexit__(None, None, None)
