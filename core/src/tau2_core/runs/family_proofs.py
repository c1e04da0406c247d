"""What a check proves of a family's tasks besides what it proves of all: broken at the start, and no fix to spare."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import start
from tau2_core.model.tasks import Action, Assertion, Task
from tau2_core.packs.family_tasks import FamilySource, FamilyTasks
from tau2_core.packs.problems import Problems
from tau2_core.packs.splits import BASE
from tau2_core.packs.tasks import TaskSet

AT_MOST = 200


class Note(Protocol):
    """Notes what is wrong with a part of a task."""

    def __call__(self, source: FamilySource, message: str, *path: str | int, hint: str = "") -> None: ...


def family_tasks_to_play(task_set: TaskSet) -> list[str]:
    """Return the family tasks of split `base`; if no `base` is declared, up to 200 that are spread over all."""
    if BASE in task_set.splits.declared:
        return [task_id for task_id in task_set.splits[BASE] if task_id in task_set.families]
    ids = list(task_set.families)
    return ids[:: max(1, -(-len(ids) // AT_MOST))]


class FamilyProofs:
    """Proves one task after the other; what takes all of them to tell is noted by `close`.

    `passes(task, gold)` tells whether an agent that makes only these gold calls gets the full reward.
    """

    def __init__(
        self,
        setting: Setting,
        tasks: FamilyTasks,
        passes: Callable[[Task, Sequence[Action]], Awaitable[bool]],
        note: Note,
        problems: Problems,
    ) -> None:
        self.setting = setting
        self.tasks = tasks
        self.passes = passes
        self.note = note
        self.problems = problems
        self._not_broken: set[tuple[str, int]] = set()
        self._needed: set[tuple[str, int]] = set()
        self._spare: dict[tuple[str, int], str] = {}

    async def prove(self, task: Task, source: FamilySource) -> None:
        """Note what shows that a task, whose gold works, is none: nothing broken, or a fix to spare."""
        self._broken(task, source)
        if self.tasks.solvable(source.combination):
            await self._each_fix(task, source)
        else:
            await self._each_call(task, source)

    def _broken(self, task: Task, source: FamilySource) -> None:
        environment = Environment(self.setting)
        start(environment, task)
        for name in source.combination.blocks:
            place = self.tasks.families.place("blocks", name)
            for index, assertion in enumerate(self.tasks.families.blocks[name].broken):
                callees = self.setting.pack.callees("user" if assertion.env_type == "user" else "agent")
                if assertion.func_name not in callees or (name, index) in self._not_broken:
                    continue  # noted already
                if not _holds(environment, assertion):
                    self._not_broken.add((name, index))
                    what = f"block {name!r}: {assertion.func_name} does not hold after the set-up of task {task.id!r}"
                    self.problems.at(place.source("broken", index), what, hint="correct `setup` or `broken`")
        criteria = task.evaluation_criteria
        wanted = (criteria.env_assertions if criteria else None) or []
        if wanted and self.tasks.solvable(source.combination) and all(_holds(environment, each) for each in wanted):
            what = f"task {task.id!r}: all its assertions hold at the start, so nothing is broken"
            path = ("evaluation_criteria", "env_assertions")
            self.note(source, what, *path, hint="demand what the blocks break")

    async def _each_fix(self, task: Task, source: FamilySource) -> None:
        """Leave out each fix call, and each block's fix: the task must not pass without.

        Where a block has several calls, those of another block may do for one of them; so such a call is too many only
        if it is needed in no task.
        """
        gold, fixes = task.gold(), source.fixes()
        if len(gold) == 1:
            self._needed.update(fixes)  # without it nothing is done: the silent agent has shown that it is needed
            return
        for index, (name, position) in enumerate(fixes):
            if not await self.passes(task, [*gold[:index], *gold[index + 1 :]]):
                self._needed.add((name, position))
            elif len(self.tasks.families.blocks[name].fix) == 1:
                self._unneeded_block(task, source, name)
            else:
                self._spare.setdefault((name, position), task.id)
        for name in source.combination.blocks if len(source.combination.blocks) > 1 else ():
            if len(self.tasks.families.blocks[name].fix) > 1:
                rest = [action for action, (block, _) in zip(gold, fixes, strict=True) if block != name]
                if await self.passes(task, rest):
                    self._unneeded_block(task, source, name)

    def _unneeded_block(self, task: Task, source: FamilySource, name: str) -> None:
        path = ("evaluation_criteria", "actions", source.fixes().index((name, 0)))
        what = f"task {task.id!r} passes without the fix of block {name!r}"
        self.note(source, what, *path, hint="the block breaks nothing here, or no assertion looks at it")

    async def _each_call(self, task: Task, source: FamilySource) -> None:
        gold = task.gold()
        for index, action in enumerate(gold):
            if await self.passes(task, [*gold[:index], *gold[index + 1 :]]):
                what = f"task {task.id!r} passes without {action.name}"
                hint = "name ACTION in the reward basis, or leave the call out"
                self.note(source, what, "evaluation_criteria", "actions", index, hint=hint)

    def close(self) -> None:
        """Note the fix calls that were needed in no task."""
        for (name, position), task_id in self._spare.items():
            if (name, position) not in self._needed:
                action = self.tasks.families.blocks[name].fix[position]
                what = f"block {name!r}: no task that was played needs the fix call {action.text()}"
                place = self.tasks.families.place("blocks", name).source("fix", position)
                self.problems.at(place, what, hint=f"leave it out; task {task_id!r}, say, passes without")


def _holds(environment: Environment, assertion: Assertion) -> bool:
    try:
        return environment.holds(assertion)
    except Exception:  # noqa: BLE001 - one that raises does not hold, as in grading
        return False
