"""The texts that a variant uses for tasks instead of their own, for example in another language."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.model.tasks import Task, UserScenario
from tau2_core.model.tools import Source
from tau2_core.name_suggestions import close_name, did_you_mean
from tau2_core.packs.families import Families
from tau2_core.packs.problems import Problems
from tau2_core.packs.yaml_source import Document, Place
from tau2_core.problem_kinds import ProblemKind
from tau2_core.state.merge import deep_merge

_LISTS = ("communicate_info", "communicate_forbidden", "nl_assertions")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class InstructionTexts(_Section):
    reason_for_call: str | None = Field(default=None, description="What the customer wants.")
    known_info: str | None = Field(default=None, description="What the customer knows.")
    unknown_info: str | None = Field(default=None, description="What the customer does not know.")
    task_instructions: str | None = Field(default=None, description="How the customer should behave.")


class ScenarioTexts(_Section):
    persona: str | None = Field(default=None, description="The customer's personality.")
    instructions: str | InstructionTexts | None = Field(
        default=None, description="What the customer wants and knows: one text, or some of its parts."
    )


class CriteriaTexts(_Section):
    communicate_info: list[str] | None = Field(
        default=None, description="Texts that the agent must say, as many as the task has."
    )
    communicate_forbidden: list[str] | None = Field(
        default=None, description="Values that would be wrong to say, as many as the task has."
    )
    nl_assertions: list[str] | None = Field(
        default=None, description="Statements that a judge decides, as many as the task has."
    )


class TaskTexts(_Section):
    """The texts of one task, with the structure of the task. Texts that are left out stay as they are."""

    user_scenario: ScenarioTexts | None = Field(default=None, description="What the simulated customer is told.")
    ticket: str | None = Field(default=None, description="What the agent is told in solo play.")
    evaluation_criteria: CriteriaTexts | None = Field(
        default=None, description="The criteria that depend on the language."
    )

    def content(self) -> dict[str, Any]:
        """Return the texts that are given, to be merged with a task."""
        return self.model_dump(exclude_none=True)


class BlockTexts(_Section):
    facts: dict[str, Any] = Field(default_factory=dict, description="Values that replace the block's own.")


class FamilyTexts(_Section):
    facts: dict[str, Any] = Field(default_factory=dict, description="Values that replace the family's own.")
    task: TaskTexts | None = Field(default=None, description="Templates that replace those under `task`.")
    unsolvable: TaskTexts | None = Field(default=None, description="Templates that replace those under `unsolvable`.")


class TaskTextsFile(_Section):
    """Texts of a pack's tasks. Texts that are left out stay as they are."""

    tasks: dict[str, TaskTexts] = Field(default_factory=dict, description="Texts of hand-written tasks, by id.")
    personas: dict[str, str] = Field(default_factory=dict, description="Texts of personas, by name.")
    blocks: dict[str, BlockTexts] = Field(default_factory=dict, description="Facts of blocks, by name.")
    families: dict[str, FamilyTexts] = Field(default_factory=dict, description="Texts of families, by name.")

    def of_task(self, task: Task) -> Task:
        """Return a hand-written task with its texts from this file, if there are any."""
        if task.id not in self.tasks:
            return task
        content = self.tasks[task.id].content()
        scenario = deep_merge(task.user_scenario.model_dump(), content.get("user_scenario", {}))
        update: dict[str, Any] = {"user_scenario": UserScenario.model_validate(scenario)}
        update["ticket"] = content.get("ticket", task.ticket)
        if task.evaluation_criteria is not None:
            criteria = content.get("evaluation_criteria", {})
            update["evaluation_criteria"] = task.evaluation_criteria.model_copy(update=criteria)
        return task.model_copy(update=update)

    def of_families(self, declared: Families) -> Families:
        """Return families with their texts from this file."""
        blocks, families = dict(declared.blocks), dict(declared.families)
        for name, texts in self.blocks.items():
            blocks[name] = blocks[name].model_copy(update={"facts": blocks[name].facts | texts.facts})
        for name, own in self.families.items():
            family = families[name]
            update: dict[str, Any] = {"facts": family.facts | own.facts}
            if own.task is not None:
                update["task"] = deep_merge(family.task, own.task.content())
            if own.unsolvable is not None:
                update["unsolvable"] = deep_merge(family.unsolvable or {}, own.unsolvable.content())
            families[name] = family.model_copy(update=update)
        return replace(declared, blocks=blocks, personas={**declared.personas, **self.personas}, families=families)


@dataclass(frozen=True)
class VariantTexts:
    """The file of a variant's task texts, and the place that names it."""

    file: Path
    named_by: Source


@dataclass
class TaskTextsReader:
    """Reads files of texts for the tasks of a pack. `refused`: ids of invalid tasks, None if not all are known."""

    written: Mapping[str, Task]
    refused: Collection[str] | None
    families: Families
    problems: Problems

    def read(self, variant: VariantTexts) -> tuple[TaskTextsFile, Document | None]:
        """Return the texts of a file, and the file. Invalid entries are noted and left out."""
        document = self.problems.read(variant.file, named_by=variant.named_by)
        if document is None:
            return TaskTextsFile(), None
        texts = self.problems.validate(TaskTextsFile, document, document.value)
        if texts is None:
            return TaskTextsFile(), document
        root = Place(document, ())
        tasks = {
            name: entry
            for name, entry in self._known("tasks", texts.tasks, self.written, root)
            if self._fits(name, self.written[name].model_dump(), entry, root.at("tasks", name))
        }
        personas = dict(self._known("personas", texts.personas, self.families.personas, root))
        blocks = {
            name: entry
            for name, entry in self._known("blocks", texts.blocks, self.families.blocks, root)
            if self._facts(name, entry.facts, self.families.blocks[name].facts, root.at("blocks", name))
        }
        families = {
            name: entry
            for name, entry in self._known("families", texts.families, self.families.families, root)
            if self._family_fits(name, entry, root.at("families", name))
        }
        return TaskTextsFile(tasks=tasks, personas=personas, blocks=blocks, families=families), document

    def _known(
        self, section: str, entries: Mapping[str, Any], known: Mapping[str, Any], root: Place
    ) -> Iterator[tuple[str, Any]]:
        """Yield the entries whose names exist.

        Others are noted, unless they name something that was left out as invalid.
        """
        whole = self.families.whole if section != "tasks" else self.refused is not None
        for name, entry in entries.items():
            if name in known:
                yield name, entry
            elif whole and name not in (self.refused or ()):
                self._note(root.at(section, name), f"there is no {_ONE[section]} {name!r}", name, known)

    def _note(self, place: Place, what: str, name: str = "", known: Collection[str] = ()) -> bool:
        hint = did_you_mean(name, known) if name else ""
        replacement = (name, close_name(name, known))
        self.problems.at(place.source(), ProblemKind.VARIANT_TEXT, what, hint=hint, replace=replacement)
        return False

    def _facts(self, name: str, facts: Mapping[str, Any], known: Mapping[str, Any], place: Place) -> bool:
        fits = True
        for fact in facts.keys() - known.keys():
            fits = self._note(place.at("facts", fact), f"{name} has no fact {fact!r}", fact, known)
        return fits

    def _family_fits(self, name: str, texts: FamilyTexts, place: Place) -> bool:
        family = self.families.families[name]
        fits = self._facts(name, texts.facts, family.facts, place)
        if texts.unsolvable is not None and family.unsolvable is None:
            return self._note(place.at("unsolvable"), f"{name} has no section `unsolvable`")
        for key, solvable in (("task", True), ("unsolvable", False)):
            own = getattr(texts, key)
            if own is not None:
                fits &= self._fits(name, family.section(solvable=solvable), own, place.at(key))
        return fits

    def _fits(self, name: str, task: Mapping[str, Any], texts: TaskTexts, place: Place) -> bool:
        """Tell whether texts only replace existing ones."""
        fits, scenario = True, texts.user_scenario
        parts = scenario is not None and isinstance(scenario.instructions, InstructionTexts)
        if parts and isinstance(task["user_scenario"]["instructions"], str):
            where = place.at("user_scenario", "instructions")
            fits = self._note(where, f"the instructions of {name} are a single text without parts: write a single text")
        if texts.ticket is not None and task.get("ticket") is None:
            fits = self._note(place.at("ticket"), f"{name} has no ticket")
        criteria = task.get("evaluation_criteria") or {}
        for key in _LISTS if texts.evaluation_criteria is not None else ():
            own, others = getattr(texts.evaluation_criteria, key), criteria.get(key) or []
            if own is not None and len(own) != len(others):
                where = place.at("evaluation_criteria", key)
                fits = self._note(
                    where, f"{name} has {len(others)} {key}, but its texts have {len(own)}: write the same number"
                )
        return fits


_ONE = {"tasks": "hand-written task", "personas": "persona", "blocks": "block", "families": "family"}
