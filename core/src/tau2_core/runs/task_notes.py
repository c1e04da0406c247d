"""Noting the problems of tasks, so that a problem of many tasks of a family is reported once."""

from __future__ import annotations

from tau2_core.packs.family_tasks import FamilySource
from tau2_core.packs.problems import Problems
from tau2_core.packs.tasks import TaskSource
from tau2_core.problem_kinds import ProblemKind


class TaskNotes:
    """Collects the problems of a pack's tasks; `repeated` counts those that were already named."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.repeated = 0
        self._said: set[tuple[str, str]] = set()

    def count(self) -> int:
        """Return the number of problems, with the repeated ones."""
        return len(self.problems.found) + self.repeated

    def note(self, source: TaskSource, kind: ProblemKind, message: str, *path: str | int, hint: str = "") -> None:
        """Note a problem of a part of a task; of family tasks with the same problem only the first is named."""
        place = source.source(*path)
        if isinstance(source, FamilySource):
            fault = (str(place), message.replace(source.combination.task_id, ""))
            if fault in self._said:
                self.repeated += 1
                return
            self._said.add(fault)
            hint = hint or "; ".join(f"{name}: {where}" for name, where in source.parts().items())
        self.problems.at(place, kind, message, hint=hint)
