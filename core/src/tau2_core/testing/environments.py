"""Environments for testing a pack's tools: make calls, check results and states."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import start
from tau2_core.errors import UsageError
from tau2_core.model.messages import Requestor, ToolCall
from tau2_core.model.tools import Role, ToolResult
from tau2_core.name_suggestions import did_you_mean
from tau2_core.runs.loading import load_setting, open_catalogue
from tau2_core.state.difference import Change, world_changes
from tau2_core.state.view import View
from tau2_core.state.world import World


class DomainEnvironment:
    """A private environment of a domain, as an episode has one."""

    def __init__(self, setting: Setting, task: str | None = None) -> None:
        if task is None:
            self.environment = Environment(setting)
            return
        tasks = setting.tasks()
        if task not in tasks:
            raise UsageError(f"{setting.domain} has no task {task!r} ({did_you_mean(task, tasks)})")
        self.environment = Environment(setting, task=tasks[task])
        start(self.environment, tasks[task])

    def call(self, name: str, *, requestor: Requestor = "assistant", **arguments: Any) -> ToolResult:
        """Make a call as the agent, or as the customer (`requestor="user"`); an error is a result with a `failure`."""
        return self.environment.call(ToolCall(name=name, arguments=arguments, requestor=requestor))

    def db(self, role: Role = "agent") -> Any:
        """Return a side's database, to be read."""
        return View(self.environment.worlds[role], writing=False)

    def digests(self) -> dict[str, str]:
        """Return each side's digest. Equal digests mean equal states."""
        return self.environment.digests()

    def changes(self, role: Role = "agent") -> list[Change]:
        """Return the differences between a side's database and the pack's, path by path."""
        return world_changes(World(self.environment.setting.bases()[role]), self.environment.worlds[role])


OpenEnvironment = Callable[..., DomainEnvironment]


def open_environment(
    domain: str, task: str | None = None, *, packs: tuple[str | Path, ...] = (), variant: str = ""
) -> DomainEnvironment:
    """Open an environment of a domain, in a task's start state if one is named.

    `packs` are folders of packs that are not installed.

    Raises UsageError, PackError, TaskError.
    """
    return DomainEnvironment(_setting(domain, tuple(map(Path, packs)), variant), task)


@lru_cache
def _setting(domain: str, packs: tuple[Path, ...], variant: str) -> Setting:
    return load_setting(open_catalogue(packs), domain, variant=variant)
