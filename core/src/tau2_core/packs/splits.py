"""Splits: lists of task ids, or rules that select from tasks and are evaluated on demand."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence, Set
from pathlib import Path
from random import Random
from typing import Any

from pydantic import RootModel

from tau2_core.model.tasks import Task
from tau2_core.model.tools import Source
from tau2_core.name_suggestions import close_name, did_you_mean
from tau2_core.packs.family_tasks import FamilyTasks
from tau2_core.packs.problems import Problems
from tau2_core.packs.split_rules import Rule, check_rule
from tau2_core.packs.yaml_source import Document, Place
from tau2_core.problem_kinds import ProblemKind

BASE = "base"


class Splits(Mapping[str, Sequence[str]]):
    """The splits of a pack by name. Without an entry `base`, it is all other splits together, or all tasks.

    `tasks` are all tasks in order, `family_tasks` those built from families. Rules may only refer to declared splits,
    and not to themselves.
    """

    def __init__(
        self,
        declared: Mapping[str, list[str] | Rule],
        tasks: Mapping[str, Task],
        family_tasks: FamilyTasks,
        document: Document | None = None,
    ) -> None:
        self.declared = declared
        self.document = document
        self._tasks = tasks
        self._family_tasks = family_tasks
        self._known: dict[str, Sequence[str]] = {}

    def __getitem__(self, name: str) -> Sequence[str]:
        if name not in self._known:
            if name in self.declared:
                entry = self.declared[name]
                self._known[name] = self._follow(entry) if isinstance(entry, Rule) else entry
            elif name == BASE and self.declared:
                self._known[name] = self._in_order({each for split in self.declared for each in self[split]})
            elif name == BASE:
                self._known[name] = list(self._tasks)
            else:
                raise KeyError(name)
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self.declared or name == BASE

    def __iter__(self) -> Iterator[str]:
        yield from self.declared
        if BASE not in self.declared:
            yield BASE

    def __len__(self) -> int:
        return len(self.declared.keys() | {BASE})

    def known_tasks(self) -> Set[str]:
        """Return the ids of all tasks."""
        return self._tasks.keys()

    def _in_order(self, ids: set[str]) -> list[str]:
        return [task_id for task_id in self._tasks if task_id in ids]

    def _follow(self, rule: Rule) -> list[str]:
        if rule.of is not None:
            ids = self._in_order(set(self[rule.of]))
        else:
            ids = list(self._tasks if rule.all else self._family_tasks)
        if rule.blocks is not None:
            parts = self._family_tasks.combinations
            ids = [each for each in ids if each in parts and rule.blocks.holds(len(parts[each].blocks))]
        if rule.without is not None:
            left_out = set(self[rule.without])
            ids = [each for each in ids if each not in left_out]
        if rule.sample is None and rule.share is None:
            return ids
        return self._in_order(self._draw(rule, ids))

    def _draw(self, rule: Rule, ids: Sequence[str]) -> set[str]:
        bins: dict[tuple[Any, ...], list[str]] = {}
        for task_id in ids:
            bins.setdefault(self._bin(rule, task_id), []).append(task_id)
        random = Random(rule.seed or 0)
        drawn: set[str] = set()
        passed = 0
        for members in bins.values():
            passed += len(members)
            if rule.share is None:
                number = min(rule.sample or 0, len(members))
            else:  # carry the rounding over to the next bin, so that the shares add up
                number = round(rule.share * passed) - len(drawn)
            drawn |= set(random.sample(members, number))
        return drawn

    def _bin(self, rule: Rule, task_id: str) -> tuple[Any, ...]:
        combination = self._family_tasks.combinations.get(task_id)
        if combination is None:  # a hand-written task
            return ()
        values = {"family": combination.family, "blocks": len(combination.blocks), "persona": combination.persona}
        return tuple(values[key] for key in rule.by or [])


def read_splits(
    file: Path,
    tasks: Mapping[str, Task],
    family_tasks: FamilyTasks,
    refused: Container[str] | None,
    problems: Problems,
    named_by: Source | None = None,
) -> Splits | None:
    """Read the splits of a pack and note problems. Returns None if the declarations cannot be read.

    `refused` are ids of tasks that were left out because of errors, None if not all of them are known.
    """
    document = problems.read(file, named_by=named_by)
    before = len(problems.found)
    declared = _declared(document, problems) if document else {}
    if document is None or len(problems.found) > before:
        return None
    splits = Splits(declared, tasks, family_tasks, document)
    lists = {name: entry for name, entry in declared.items() if isinstance(entry, list)}
    for name, ids in lists.items():
        _check_list(name, ids, tasks, refused, document, problems)
    train = set(lists.get("train", []))
    for position, task_id in enumerate(lists.get("test", [])):
        if task_id in train:
            line = document.line(("test", position))
            problems.add(file, ProblemKind.SPLIT_OVERLAP, f"task {task_id!r} is in both train and test", line=line)
    return splits


def _declared(document: Document, problems: Problems) -> dict[str, list[str] | Rule]:
    declared: dict[str, list[str] | Rule] = {}
    content = problems.validate(_Content, document, document.value or {})
    for name, value in content.root.items() if content else ():
        if isinstance(value, dict):
            rule = problems.validate(Rule, document, value, (name,))
            if rule is not None:
                declared[name] = rule
        else:
            ids = problems.validate(_Ids, document, value, (name,))
            if ids is not None:
                declared[name] = ids.root
    for name, entry in declared.items():
        if isinstance(entry, Rule):
            check_rule(name, entry, declared, Place(document, (name,)), problems)
    return declared


def _check_list(
    name: str,
    ids: Sequence[str],
    tasks: Mapping[str, Task],
    refused: Container[str] | None,
    document: Document,
    problems: Problems,
) -> None:
    seen: set[str] = set()
    for position, task_id in enumerate(ids):
        line = document.line((name, position))
        if task_id not in tasks:
            if refused is not None and task_id not in refused:
                what = f"split {name!r} names a task {task_id!r} that does not exist"
                close, hint = close_name(task_id, tasks), did_you_mean(task_id, tasks)
                kind = ProblemKind.UNKNOWN_TASK
                problems.add(document.file, kind, what, line=line, hint=hint, replace=(task_id, close))
        elif task_id in seen:
            problems.add(
                document.file, ProblemKind.SPLIT_OVERLAP, f"split {name!r} names task {task_id!r} twice", line=line
            )
        seen.add(task_id)


def check_rules(splits: Splits, problems: Problems) -> None:
    """Evaluate all rules; note those that select nothing, and tasks that are in both train and test."""
    if splits.document is None:
        return
    place = Place(splits.document, ())
    for name, entry in splits.declared.items():
        if isinstance(entry, Rule) and not splits[name]:
            problems.at(
                place.source(name), ProblemKind.SPLIT_RULE, f"split {name!r} has no task", hint="correct its rule"
            )
    pair = [splits.declared[name] for name in ("train", "test") if name in splits.declared]
    if len(pair) == 2 and any(isinstance(entry, Rule) for entry in pair):
        train = set(splits["train"])
        shared = [task_id for task_id in splits["test"] if task_id in train]
        if shared:
            what = f"{len(shared)} tasks are in both train and test, the first is {shared[0]!r}"
            problems.at(
                place.source("test"), ProblemKind.SPLIT_OVERLAP, what, hint="a rule of `test` may say `without: train`"
            )


_Content = RootModel[dict[str, Any]]
_Ids = RootModel[list[str]]
