"""The audit's allow-list: which baselines may pass which tasks, and why. Unneeded entries are reported."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from tau2_core.errors import Problem
from tau2_core.model.tools import Source
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.pack import Pack
from tau2_core.packs.yaml_source import read_yaml
from tau2_core.problem_kinds import ProblemKind

ALL = "*"


@dataclass(frozen=True)
class AllowList:
    """A pack's allow-list for one evaluator set: reasons by (task or `*`, baseline), with their locations."""

    pack: str = ""
    because: dict[tuple[str, str], str] = field(default_factory=dict)
    places: dict[tuple[str, str], Source] = field(default_factory=dict)

    def reason(self, task: str, baseline: str) -> str:
        """Return why a baseline may pass a task; "" if it may not."""
        return self.because.get((task, baseline)) or self.because.get((ALL, baseline), "")

    def stale(
        self,
        passed: Collection[tuple[str, str]],
        played: Collection[str],
        tasks: Collection[str],
        known: Collection[str],
    ) -> Iterator[Problem]:
        """Yield the entries without effect: those with unknown names, or for passes that no longer occur.

        `tasks` and `known` are all tasks and baselines; entries for tasks that were not `played` are not reported.
        """
        for (task, baseline), place in self.places.items():
            if baseline not in known:
                what, hint = f"there is no baseline {baseline!r}", did_you_mean(baseline, known)
            elif task == ALL:
                if any(passes == baseline for _, passes in passed):
                    continue
                what, hint = f"{baseline} passes nothing, so the entry is not needed", "remove it"
            elif task not in tasks:
                what, hint = f"there is no task {task!r}", did_you_mean(task, tasks)
            elif task not in played or (task, baseline) in passed:
                continue
            else:
                what, hint = f"{baseline} does not pass {task!r}, so the entry is not needed", "remove it"
            yield Problem(self.pack, ProblemKind.ALLOW_LIST, place.file, f"evaluation.audit: {what}", place.line, hint)


def read_allow_list(pack: Pack, evaluators: str) -> AllowList:
    """Return a pack's allow-list for an evaluator set, or for a configuration with any digest."""
    evaluators = evaluators.partition("@")[0]
    document = read_yaml(pack.manifest_source.file)
    found = AllowList(pack.name)
    for number, argument in enumerate(pack.manifest.evaluation.audit.get(evaluators, [])):
        for index, task in enumerate(argument.tasks):
            place = Source(document.file, document.line(("evaluation", "audit", evaluators, number, "tasks", index)))
            for baseline in argument.baselines:
                found.because[task, baseline] = argument.because
                found.places[task, baseline] = place
    return found
