"""The tools that each side may call: those of the setting and, in some variants, those that it has unlocked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import overload

from tau2_core.episode.setting import Setting
from tau2_core.episode.solo import DONE_TOOL
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Role, Tool

Unlocked = Mapping[Role, Iterable[str]]
NOTHING_UNLOCKED: Unlocked = {}


def agent_tools(setting: Setting, unlocked: Unlocked = NOTHING_UNLOCKED) -> tuple[Tool, ...]:
    """Return the agent's tools; in solo play both sides' tools, and `done`."""
    tools = _listed(setting, "agent", unlocked)
    return (*tools, *_listed(setting, "user", unlocked), DONE_TOOL) if setting.solo else tools


def user_tools(setting: Setting, task: Task, unlocked: Unlocked = NOTHING_UNLOCKED) -> tuple[Tool, ...]:
    """Return the customer's tools in a task. Tools handed over during the episode need not be named by the task."""
    tools = _listed(setting, "user", unlocked)
    named = task.user_tools
    return tools if named is None else tuple(tool for tool in tools if tool.hidden or tool.name in named)


def _listed(setting: Setting, role: Role, unlocked: Unlocked) -> tuple[Tool, ...]:
    if not setting.lists_unlocked:
        return setting.listed[role]  # one tuple for all episodes
    return tuple(setting.listed_tools(role, unlocked.get(role, ())).values())


class LiveTools(Sequence[Tool]):
    """The tools of a side at present. Unlocked tools appear at the end."""

    def __init__(self, now: Callable[[], tuple[Tool, ...]]) -> None:
        self._now = now

    @overload
    def __getitem__(self, index: int) -> Tool: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Tool]: ...
    def __getitem__(self, index: int | slice) -> Tool | Sequence[Tool]:
        return self._now()[index]

    def __len__(self) -> int:
        return len(self._now())


def current(setting: Setting, now: Callable[[], tuple[Tool, ...]]) -> Sequence[Tool]:
    """Return the result of `now`; in a variant that lists unlocked tools, as a sequence that stays up to date."""
    return LiveTools(now) if setting.lists_unlocked else now()
