"""Checks of task families without playing them: once per block and per family, not per task."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from tau2_core.errors import PackError
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.combinations import Combination
from tau2_core.packs.families import TEMPLATE_NAMES, Block, Family
from tau2_core.packs.family_tasks import FamilySource, FamilyTasks
from tau2_core.packs.pack import Pack
from tau2_core.packs.problems import Problems
from tau2_core.packs.splits import check_rules
from tau2_core.packs.task_checks import Part, check_action, check_criteria, check_function, check_user_tools
from tau2_core.packs.templates import TextError
from tau2_core.packs.yaml_source import Place
from tau2_core.problem_kinds import ProblemKind


def check_families(pack: Pack, problems: Problems) -> None:
    """Note problems of blocks, personas and families, and of splits that rules draw from them."""
    task_set = pack.task_set()
    tasks = task_set.families
    for name, block in tasks.families.blocks.items():
        _check_block(pack, name, block, tasks.families.place("blocks", name), problems)
    _check_use(tasks, problems)
    for name, family in tasks.families.families.items():
        _Family(pack, tasks, name, family, problems).check()
    check_rules(task_set.splits, problems)


def check_variant_families(pack: Pack, problems: Problems) -> None:
    """Note texts of families that a variant replaces and that cannot be rendered."""
    for own in pack.task_set().variants.values():
        if own.document is None:
            continue
        for name, family in own.families.families.families.items():
            place = Place(own.document, ("families", name))
            _Family(pack, own.families, name, family, problems).check_texts(place)


def _check_block(pack: Pack, name: str, block: Block, place: Place, problems: Problems) -> None:
    owner = f"block {name!r}"
    for fact in sorted(TEMPLATE_NAMES & block.facts.keys()):
        what = f"{owner}: {fact!r} is already defined for every text"
        problems.at(place.source("facts", fact), ProblemKind.FACT, what, hint="rename the fact")
    if pack.incomplete:
        return
    for key, actions in (("fix", block.fix), ("found_by", block.found_by)):
        for index, action in enumerate(actions):
            check_action(pack, owner, action, partial(place.source, key, index), problems)
    for key, calls in (("setup", block.setup), ("broken", block.broken), ("assertions", block.assertions)):
        for index, call in enumerate(calls):
            check_function(pack, owner, call, partial(place.source, key, index), problems)


def _check_use(tasks: FamilyTasks, problems: Problems) -> None:
    """Note blocks and personas that no family uses."""
    declared = tasks.families
    used = {
        "blocks": {block for family in declared.families.values() for line in family.select for block in line},
        "personas": {persona for family in declared.families.values() for persona in family.personas},
    }
    named: dict[str, Mapping[str, Any]] = {"blocks": declared.blocks, "personas": declared.personas}
    for section, entries in named.items():
        for name in sorted(entries.keys() - used[section]) if declared.whole else ():
            what = f"no family uses {section.removesuffix('s')} {name!r}"
            problems.at(
                declared.place(section, name).source(),
                ProblemKind.UNUSED,
                what,
                hint="name it in a family, or remove it",
            )


class _Family:
    """The checks of one family. Solvable and unsolvable tasks are checked by the first combination of each kind."""

    def __init__(self, pack: Pack, tasks: FamilyTasks, name: str, family: Family, problems: Problems) -> None:
        self.pack = pack
        self.tasks = tasks
        self.name = name
        self.family = family
        self.problems = problems
        self.owner = f"family {name!r}"
        self.place = tasks.families.place("families", name)
        self.kinds: dict[bool, list[Combination]] = {True: [], False: []}
        for combination in tasks.combinations.values():
            if combination.family == name:
                self.kinds[tasks.solvable(combination)].append(combination)

    def check(self) -> None:
        if not any(self.kinds.values()):
            what = f"{self.owner} has no tasks"
            self.problems.at(
                self.place.source(), ProblemKind.FAMILY, what, hint="correct `select` and `at_least_one_of`"
            )
        if not self.pack.incomplete:
            for index, call in enumerate(self.family.setup):
                check_function(self.pack, self.owner, call, partial(self.place.source, "setup", index), self.problems)
        for fact in sorted(TEMPLATE_NAMES & self.family.facts.keys()):
            what = f"{self.owner}: {fact!r} is already defined for every text"
            self.problems.at(self.place.source("facts", fact), ProblemKind.FACT, what, hint="rename the fact")
        self._facts()
        for solvable, combinations in self.kinds.items():
            if combinations:
                source = FamilySource(self.tasks.families, combinations[0])
                if self._texts(combinations, source, solvable=solvable):
                    self._example(combinations[0], source)

    def check_texts(self, place: Place) -> None:
        """Check only the texts, which are declared at `place`."""
        for solvable, combinations in self.kinds.items():
            source = place.at("task" if solvable else "unsolvable")
            if combinations and self._texts(combinations, source, solvable=solvable):
                try:
                    self.tasks.build(combinations[0])
                except PackError as error:
                    self.problems.at(source.source(), ProblemKind.VARIANT_TEXT, error.problems[0].message)

    def _facts(self) -> None:
        """Note facts to which blocks of different lines give different values: the result would be arbitrary."""
        given: dict[str, tuple[int, str, Any]] = {}
        for row, line in enumerate(self.family.select):
            for name in line:
                for fact, value in self.tasks.families.blocks[name].facts.items():
                    other_row, other, other_value = given.setdefault(fact, (row, name, value))
                    if other_row != row and other_value != value:
                        what = f"{self.owner}: blocks {other!r} and {name!r} give fact {fact!r} different values"
                        place = self.tasks.families.place("blocks", name).source("facts", fact)
                        self.problems.at(
                            place, ProblemKind.FACT, what, hint="put the blocks in one line, or rename the fact"
                        )

    def _texts(self, combinations: list[Combination], source: Part, *, solvable: bool) -> bool:
        """Tell whether all texts can be rendered, as far as their syntax and the facts say."""
        section = self.family.section(solvable=solvable)
        before = len(self.problems.found)
        try:
            for path, names in self.tasks.templates.names(section):
                for name in sorted(names - TEMPLATE_NAMES - self.family.facts.keys()):
                    self._undefined(name, path, combinations, source)
        except TextError as error:
            what = f"a text of {self.owner} cannot be rendered: {error}"
            self.problems.at(source.source(*error.path), ProblemKind.FAMILY_TEXT, what, hint="correct the template")
        return len(self.problems.found) == before

    def _undefined(self, name: str, path: tuple[str | int, ...], combinations: list[Combination], source: Part) -> None:
        lacking = [each for each in combinations if name not in self.tasks.facts(each)]
        if lacking:
            known = {fact for each in combinations for fact in self.tasks.facts(each)}
            what = f"{self.owner}: a text uses {name!r}, which task {lacking[0].task_id!r} does not define"
            hint = "give it a default under the family's `facts`" if name in known else did_you_mean(name, known)
            self.problems.at(source.source(*path), ProblemKind.FACT, what, hint=hint)

    def _example(self, combination: Combination, source: FamilySource) -> None:
        """Check what the family itself declares, on the first task of its kind; blocks are checked separately."""
        try:
            task = self.tasks.build(combination)
        except PackError as error:
            self.problems.extend(error.problems)
            return
        check_criteria(self.owner, task, source, self.problems)
        if self.pack.incomplete:
            return
        check_user_tools(self.pack, self.owner, task, source, self.problems)
        criteria = task.evaluation_criteria
        more = 0
        if self.tasks.solvable(combination):
            more = sum(len(block.assertions) for block in self.tasks.blocks(combination))
        else:
            found = sum(len(block.found_by) for block in self.tasks.blocks(combination))
            for index, action in list(enumerate(task.gold()))[found:]:
                where = partial(source.source, "evaluation_criteria", "actions", index)
                check_action(self.pack, self.owner, action, where, self.problems)
        assertions = (criteria.env_assertions if criteria else None) or []
        for index, assertion in enumerate(assertions[: len(assertions) - more]):
            where = partial(source.source, "evaluation_criteria", "env_assertions", index)
            check_function(self.pack, self.owner, assertion, where, self.problems)
