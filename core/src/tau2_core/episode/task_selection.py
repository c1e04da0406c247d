"""Choosing the tasks of a run: by split, ids, a limit, or a draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from tau2_core.errors import UsageError
from tau2_core.model.messages import AssistantMessage, UserMessage
from tau2_core.model.tasks import Task
from tau2_core.name_suggestions import did_you_mean

if TYPE_CHECKING:
    from tau2_core.episode.setting import Setting


@dataclass(frozen=True, slots=True)
class Selection:
    """Tasks to play, and how many were left out because they need a customer, whom solo play does not have."""

    tasks: list[Task]
    left_out: int


def select_tasks(
    setting: Setting, *, split: str | None, ids: Sequence[str], limit: int | None, draw_seed: int | None
) -> Selection:
    """Return tasks of a setting as `Setting.selection` does. Raises UsageError for an unknown split or id."""
    tasks = setting.tasks()
    if split is None and not ids:
        split = setting.dataset.default_split if setting.dataset else "base"
    chosen = set(tasks)
    if split is not None:
        if split not in setting.splits():
            raise UsageError(f"{setting.domain} has no split {split!r} ({did_you_mean(split, setting.splits())})")
        chosen &= set(setting.splits()[split])
    for task_id in ids:
        if task_id not in chosen:
            where = f"split {split!r}" if split else setting.domain
            raise UsageError(f"no task {task_id!r} in {where} ({did_you_mean(task_id, chosen)})")
        if setting.solo and setting.needs_customer(tasks[task_id]):
            raise UsageError(f"task {task_id!r} cannot be played solo: it has no ticket, or a history with a customer")
    if ids:
        chosen &= set(ids)
    order = {task_id: place for place, task_id in enumerate(task_id for task_id in tasks if task_id in chosen)}
    names = list(order)
    if draw_seed is not None:
        Random(draw_seed).shuffle(names)  # noqa: S311 - repeatable on purpose
    found: list[Task] = []
    left_out = 0
    for task_id in names:
        if len(found) == limit:
            break
        task = tasks[task_id]
        if setting.needs_customer(task):
            left_out += 1
        else:
            found.append(task)
    return Selection(sorted(found, key=lambda task: order[task.id]), left_out)


def needs_customer(task: Task) -> bool:
    """Tell whether a task cannot be played solo: it has no ticket, or its history contains a conversation."""
    spoken = any(
        isinstance(message, UserMessage) or (isinstance(message, AssistantMessage) and not message.tool_calls)
        for message in task.history()
    )
    return spoken or not task.ticket
