"""Finding the executor that the options name, and opening it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from tau2_core.errors import PluginError, Tau2GymError, UsageError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.executors import ExecutorOptions, Launcher
from tau2_core.model.lazy import loaded
from tau2_core.model.registrations import ExecutorSpec
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.runs.named_values import named_values

HERE = "async"
PACKAGES = {"ray": "tau2-gym-ray"}  # executors in separate packages


@dataclass(frozen=True, slots=True)
class ChosenExecutor:
    """An executor with its options."""

    spec: ExecutorSpec
    wanted: ExecutorOptions

    @property
    def is_here(self) -> bool:
        """Whether everything is done in this process."""
        return self.spec.open is None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Launcher]:
        """Open the executor. Raises PluginError if that fails with any error but our own."""
        opening: AbstractAsyncContextManager[Launcher] | None = None
        assert self.spec.open is not None
        try:
            with foreign(f"executor {self.spec.name}"):
                opening = loaded(self.spec.open)(self.wanted)
                launcher = await opening.__aenter__()
        except Tau2GymError:
            raise
        except Exception as error:
            raise PluginError(f"executor {self.spec.name!r} cannot be opened: {describe_error(error)}") from error
        try:
            yield launcher
        finally:
            await opening.__aexit__(None, None, None)


def chosen_executor(
    catalogue: Catalogue, name: str = HERE, workers: int | None = None, options: Sequence[str] = ()
) -> ChosenExecutor:
    """Return an executor by name, with options NAME=VALUE. Raises UsageError."""
    try:
        spec = catalogue.executor(name)
    except UsageError as error:
        if name not in PACKAGES:
            raise
        raise UsageError(f"{error}: pip install {PACKAGES[name]}") from error
    own = named_values("--executor-option", options, spec.options, f"executor {spec.name!r}")
    chosen = ChosenExecutor(spec, ExecutorOptions(workers, own))
    if chosen.is_here and workers is not None:
        raise UsageError(
            f"--workers: executor {spec.name!r} plays in one process; add --executor processes, or leave it out"
        )
    return chosen


def wanted_executor(
    catalogue: Catalogue, name: str | None, workers: int | None, options: Sequence[str] | None
) -> ChosenExecutor:
    """Return the executor that the options name: `processes` for just a number of workers, by default this process.

    Raises UsageError.
    """
    return chosen_executor(catalogue, name or ("processes" if workers else HERE), workers, options or ())
