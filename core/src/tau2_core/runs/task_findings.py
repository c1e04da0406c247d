"""What playing one task by itself finds, and merging it with what other tasks find, so that a mistake is named once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tau2_core.errors import Problem
from tau2_core.model.tools import Source
from tau2_core.packs.family_tasks import FamilySource
from tau2_core.packs.problems import Problems
from tau2_core.packs.tasks import TaskSource
from tau2_core.problem_kinds import ProblemKind

Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, or a warning.

    `keys`: of findings with a key in common only the first is reported. `values`: if one of them is an id that is not
    the key of its record, that is the cause, and reported instead.
    """

    problem: Problem
    keys: tuple[Key, ...] = ()
    values: tuple[str, ...] = ()
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class TaskFindings:
    """The findings about one task, in order. `sound`: its gold works.

    `unbuilt` are the problems of a task that cannot be built, whose places may be known to have problems already.
    """

    findings: Sequence[Finding] = ()
    sound: bool = False
    unbuilt: Sequence[Problem] = ()


class TaskNotes:
    """Collects the findings about one task; `faults` counts those that are about the task itself."""

    def __init__(self, pack: str, source: TaskSource) -> None:
        self.pack = pack
        self.source = source
        self.found: list[Finding] = []
        self.faults = 0

    def note(
        self,
        kind: ProblemKind,
        message: str,
        *path: str | int,
        hint: str = "",
        keys: tuple[Key, ...] = (),
        values: tuple[str, ...] = (),
    ) -> None:
        """Note a problem of a part of the task; of family tasks with the same problem only the first is reported."""
        place = self.source.source(*path)
        if isinstance(self.source, FamilySource):
            keys = (*keys, ("family", str(place), message.replace(self.source.combination.task_id, "")))
            hint = hint or "; ".join(f"{name}: {where}" for name, where in self.source.parts().items())
        self.faults += 1
        self.at(place, kind, message, hint=hint, keys=keys, values=values)

    def at(
        self,
        place: Source,
        kind: ProblemKind,
        message: str,
        *,
        hint: str = "",
        keys: tuple[Key, ...] = (),
        values: tuple[str, ...] = (),
    ) -> None:
        """Note a problem elsewhere, such as in a handler, which other tasks may have too."""
        self.found.append(Finding(Problem(self.pack, kind, place.file, message, place.line, hint), keys, values))

    def take(self, problems: Problems, warnings: Problems) -> None:
        """Add what other checks have noted."""
        self.found += [Finding(problem) for problem in problems.found]
        self.found += [Finding(problem, is_warning=True) for problem in warnings.found]


class MergedFindings:
    """Merges the findings about tasks, in the order of the tasks, with the other problems and warnings of a pack.

    `differing_ids` are the warnings about ids that are not the key of their record; one that makes a gold call fail
    becomes a problem.
    """

    def __init__(self, problems: Problems, warnings: Problems, differing_ids: Mapping[str, Problem]) -> None:
        self._problems = problems
        self._warnings = warnings
        self._differing_ids = differing_ids
        self._known: set[Key] = set()

    def add(self, task: TaskFindings) -> None:
        """Add the findings about the next task."""
        places = {(problem.file, problem.line) for problem in self._problems.found} if task.unbuilt else set()
        self._problems.extend(each for each in task.unbuilt if (each.file, each.line) not in places)
        for finding in task.findings:
            self._add(finding)

    def _add(self, finding: Finding) -> None:
        if not self._known.isdisjoint(finding.keys):
            return
        causes = [self._differing_ids[value] for value in finding.values if value in self._differing_ids]
        if causes:
            self._warnings.found[:] = [warning for warning in self._warnings.found if warning not in causes]
            self._problems.extend(causes)
            return
        self._known.update(finding.keys)
        (self._warnings if finding.is_warning else self._problems).extend([finding.problem])
