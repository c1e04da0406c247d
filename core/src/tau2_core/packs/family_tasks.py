"""Building tasks from combinations. Listing ids builds no tasks; each task is built on request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tau2_core.errors import PackError
from tau2_core.model.tasks import EvaluationCriteria, InitialState, Task
from tau2_core.model.tools import Source
from tau2_core.packs.combinations import Combination, family_combinations
from tau2_core.packs.families import Block, Families
from tau2_core.packs.problems import Problems
from tau2_core.packs.task_defaults import TaskDefaults
from tau2_core.packs.templates import Templates, TextError
from tau2_core.packs.yaml_source import Place, YamlPath
from tau2_core.problem_kinds import ProblemKind

SETUP: YamlPath = ("initial_state", "initialization_actions")
GOLD: YamlPath = ("evaluation_criteria", "actions")
ASSERTIONS: YamlPath = ("evaluation_criteria", "env_assertions")


class FamilyTasks(Mapping[str, Task]):
    """The tasks of all families by id, in order: family by family, those with fewer blocks first.

    Listing ids builds nothing; each access builds the task anew. Raises PackError if a text cannot be rendered.
    """

    def __init__(self, families: Families, defaults: TaskDefaults) -> None:
        self.families = families
        self.defaults = defaults
        self.templates = Templates()

    @cached_property
    def combinations(self) -> Mapping[str, Combination]:
        """All combinations by task id, computed on first use."""
        return {
            combination.task_id: combination
            for name, family in self.families.families.items()
            for combination in family_combinations(name, family.select, family.at_least_one_of, family.personas)
        }

    def __getitem__(self, task_id: str) -> Task:
        return self.build(self.combinations[task_id])

    def __contains__(self, task_id: object) -> bool:
        return task_id in self.combinations

    def __iter__(self) -> Iterator[str]:
        return iter(self.combinations)

    def __len__(self) -> int:
        return len(self.combinations)

    def source(self, task_id: str) -> FamilySource:
        """Return the locations of a task's parts."""
        return FamilySource(self.families, self.combinations[task_id])

    def blocks(self, combination: Combination) -> list[Block]:
        return [self.families.blocks[name] for name in combination.blocks]

    def solvable(self, combination: Combination) -> bool:
        """Tell whether every block of a combination has a fix."""
        return not any(block.unsolvable for block in self.blocks(combination))

    def facts(self, combination: Combination) -> dict[str, Any]:
        """Return the variables of a task's texts: the facts of the family and the blocks, and their names."""
        facts = dict(self.families.families[combination.family].facts)
        for block in self.blocks(combination):
            facts |= block.facts
        about = {"family": combination.family, "persona": combination.persona, "blocks": list(combination.blocks)}
        return facts | about

    def build(self, combination: Combination) -> Task:
        """Return a new task. Raises PackError if one of its texts cannot be rendered."""
        family, blocks = self.families.families[combination.family], self.blocks(combination)
        solvable = self.solvable(combination)
        try:
            content = self.templates.render(family.section(solvable=solvable), self.facts(combination))
        except TextError as error:
            problems = Problems(self.defaults.domain)
            place = FamilySource(self.families, combination).source(*error.path)
            what = f"a text of family {combination.family!r} cannot be rendered: {error}"
            problems.at(place, ProblemKind.FAMILY_TEXT, what, hint="correct the template")
            raise PackError(problems.found) from error
        task = Task.model_validate({**content, "id": combination.task_id})
        if family.personas:
            task.user_scenario.persona = self.families.personas.get(combination.persona)
        task.initial_state = task.initial_state or InitialState()
        task.initial_state.initialization_actions = [
            call.model_copy(deep=True) for calls in (family.setup, *(block.setup for block in blocks)) for call in calls
        ]
        criteria = task.evaluation_criteria = task.evaluation_criteria or EvaluationCriteria()
        if solvable:
            criteria.actions = [action.model_copy(deep=True) for block in blocks for action in block.fix]
            more = [assertion.model_copy(deep=True) for block in blocks for assertion in block.assertions]
            criteria.env_assertions = [*(criteria.env_assertions or []), *more] or None
        else:
            found = [action.model_copy(deep=True) for block in blocks for action in block.found_by]
            criteria.actions = [*found, *(criteria.actions or [])] or None
        return self.defaults.fill_in(task)


@dataclass(frozen=True)
class FamilySource:
    """The locations of a family's task: its calls are in their block, everything else is in the family."""

    families: Families
    combination: Combination

    def source(self, *path: str | int) -> Source:
        """Return file and line of a part of the task."""
        for prefix in (SETUP, GOLD, ASSERTIONS):
            index = path[2] if len(path) > 2 else None
            if path[:2] == prefix and isinstance(index, int):
                places = self._calls(prefix)
                if index < len(places):
                    return places[index].source(*path[3:])
                if prefix == GOLD:
                    return self._section((*GOLD, index - len(places), *path[3:])).source()
        return self._section(path).source()

    def parts(self) -> Mapping[str, Source]:
        """Return the locations of the blocks by name."""
        return {name: self.families.place("blocks", name).source() for name in self.combination.blocks}

    def fixes(self) -> list[str]:
        """Return the block of every gold call of a solvable task, in order."""
        return [name for name in self.combination.blocks for _ in self.families.blocks[name].fix]

    def _calls(self, prefix: YamlPath) -> Sequence[Place]:
        family = self.families.place("families", self.combination.family)
        declared = self.families.families[self.combination.family]
        names = self.combination.blocks
        blocks = [(self.families.place("blocks", name), self.families.blocks[name]) for name in names]
        if prefix == SETUP:
            own = [family.at("setup", index) for index in range(len(declared.setup))]
            return [*own, *(place.at("setup", index) for place, block in blocks for index in range(len(block.setup)))]
        if any(block.unsolvable for _, block in blocks):
            found = (place.at("found_by", index) for place, block in blocks for index in range(len(block.found_by)))
            return list(found) if prefix == GOLD else []
        if prefix == GOLD:
            return [place.at("fix", index) for place, block in blocks for index in range(len(block.fix))]
        criteria = declared.task.get("evaluation_criteria") or {}
        own = [self._section((*ASSERTIONS, index)) for index in range(len(criteria.get("env_assertions") or []))]
        more = (place.at("assertions", index) for place, block in blocks for index in range(len(block.assertions)))
        return [*own, *more]

    def _section(self, path: YamlPath) -> Place:
        """Return the nearest location of a part of `task`, or of `unsolvable` if that overrides it."""
        family = self.families.place("families", self.combination.family)
        hopeless = any(self.families.blocks[name].unsolvable for name in self.combination.blocks)
        for length in range(len(path), 0, -1):
            for section in ("unsolvable", "task") if hopeless else ("task",):
                place = family.at(section, *path[:length])
                if place.path in family.document.lines:
                    return place
        return family
