"""Additional checks of family tasks by playing them: the fault exists at the start, and every fix is needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import new_environment
from tau2_core.model.tasks import Action, Assertion, Task
from tau2_core.model.tools import role_of
from tau2_core.packs.family_tasks import FamilySource, FamilyTasks
from tau2_core.packs.splits import BASE
from tau2_core.packs.tasks import TaskSet
from tau2_core.problem_kinds import ProblemKind
from tau2_core.runs.task_findings import TaskNotes

AT_MOST = 200


def family_tasks_to_play(task_set: TaskSet) -> list[str]:
    """Return the family tasks of split `base`; without a declared `base`, up to 200 spread over all tasks."""
    if BASE in task_set.splits.declared:
        return [task_id for task_id in task_set.splits[BASE] if task_id in task_set.families]
    ids = list(task_set.families)
    return ids[:: max(1, -(-len(ids) // AT_MOST))]


class FamilyProof:
    """Checks a task.

    `passes(task, gold)` tells whether an agent that makes only these gold calls gets the full reward.
    """

    def __init__(
        self,
        setting: Setting,
        tasks: FamilyTasks,
        passes: Callable[[Task, Sequence[Action]], Awaitable[bool]],
        notes: TaskNotes,
    ) -> None:
        self.setting = setting
        self.tasks = tasks
        self.passes = passes
        self.notes = notes

    async def prove(self, task: Task, source: FamilySource) -> None:
        """Note a task whose gold works but that is not sound: nothing is broken, or a call can be omitted."""
        self._broken(task, source)
        if task.outcome != "done" or len(task.gold()) > 1:  # with a single call, this is what the silent agent tests
            await self._each_call(task, source)
            await self._each_fix(task, source)

    def _broken(self, task: Task, source: FamilySource) -> None:
        environment = new_environment(self.setting, task)
        for name in source.combination.blocks:
            place = self.tasks.families.place("blocks", name)
            for index, assertion in enumerate(self.tasks.families.blocks[name].broken):
                callees = self.setting.pack.callees(role_of(assertion.env_type))
                if assertion.func_name not in callees:
                    continue  # already noted
                if not _holds(environment, assertion):
                    what = f"block {name!r}: {assertion.func_name} does not hold after the set-up of task {task.id!r}"
                    block, hint = place.source("broken", index), "correct `setup` or `broken`"
                    keys = (("not broken", name, index),)
                    self.notes.at(block, ProblemKind.NOT_BROKEN, what, hint=hint, keys=keys)
        criteria = task.evaluation_criteria
        wanted = (criteria.env_assertions if criteria else None) or []
        if wanted and self.tasks.solvable(source.combination) and all(_holds(environment, each) for each in wanted):
            what = f"task {task.id!r}: its assertions hold at the start, so nothing is broken"
            path = ("evaluation_criteria", "env_assertions")
            self.notes.note(ProblemKind.NOT_BROKEN, what, *path, hint="require what the blocks break")

    async def _each_call(self, task: Task, source: FamilySource) -> None:
        """Omit each gold call: the task must not pass without it."""
        gold = task.gold()
        hint = "name ACTION in the reward basis, or remove the call"
        if self.tasks.solvable(source.combination):
            hint = "remove it; if another block's fix replaces it here, put both blocks in one line of `select`"
        for index, action in enumerate(gold):
            if await self.passes(task, [*gold[:index], *gold[index + 1 :]]):
                what = f"task {task.id!r} passes without {action.text()}"
                self.notes.note(ProblemKind.VACUOUS, what, "evaluation_criteria", "actions", index, hint=hint)

    async def _each_fix(self, task: Task, source: FamilySource) -> None:
        """Omit the whole fix of each block with several calls: the task must not pass without it."""
        if not self.tasks.solvable(source.combination):
            return
        gold, owners = task.gold(), source.fixes()
        for name in source.combination.blocks:
            rest = [action for action, owner in zip(gold, owners, strict=True) if owner != name]
            if len(rest) < len(gold) - 1 and await self.passes(task, rest):
                what = f"task {task.id!r} passes without the fix of block {name!r}"
                hint = "the block breaks nothing, or no assertion checks it"
                self.notes.note(
                    ProblemKind.VACUOUS, what, "evaluation_criteria", "actions", owners.index(name), hint=hint
                )


def _holds(environment: Environment, assertion: Assertion) -> bool:
    try:
        return environment.holds(assertion)
    except Exception:  # noqa: BLE001 - one that raises does not hold, as in grading
        return False
