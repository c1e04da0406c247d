"""Task families as YAML declares them: building blocks, personas, and which blocks go together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.model.tasks import Action, Assertion, FunctionCall, Task
from tau2_core.model.tools import Source
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.combinations import NOBODY, choices
from tau2_core.packs.pack_files import matching_files
from tau2_core.packs.problems import Problems
from tau2_core.packs.yaml_source import Document, Place
from tau2_core.problem_kinds import ProblemKind
from tau2_core.state.merge import deep_merge

SECTIONS = ("blocks", "personas", "families")
MAX_CHOICES = 100_000
TEMPLATE_NAMES = frozenset({"family", "persona", "blocks"})
_NAME = re.compile(r"[\w.-]+\Z")  # ids are composed of names, so a name must not contain the separators


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Block(_Section):
    """One fault: how it is set up, how it is fixed, and assertions about both states.

    `broken` must hold after the set-up. `assertions` are required by every task with this block. `facts` are values for
    the texts. An `unsolvable` block has no fix; the family's section `unsolvable` defines the right behaviour then.
    `found_by` are the gold calls that reveal such a block, before the calls of that section.
    """

    about: str = Field(default="", description="The fault in a sentence.")
    setup: list[FunctionCall] = Field(default_factory=list, description="Calls that cause the fault.")
    fix: list[Action] = Field(default_factory=list, description="Gold calls that fix it.")
    broken: list[Assertion] = Field(default_factory=list, description="Assertions that hold after the set-up.")
    assertions: list[Assertion] = Field(default_factory=list, description="Assertions of every task with this block.")
    facts: dict[str, Any] = Field(default_factory=dict, description="Values for the texts.")
    unsolvable: bool = Field(default=False, description="Whether it cannot be fixed.")
    found_by: list[Action] = Field(default_factory=list, description="Calls that reveal an unsolvable block.")


class Family(_Section):
    """Tasks with the same request and different faults. `task` and `unsolvable` contain templates for texts."""

    select: list[list[str]] = Field(
        min_length=1, description="Lines of blocks; a task has at most one block of each line."
    )
    at_least_one_of: list[str] | None = Field(default=None, description="A task has at least one of these blocks.")
    personas: list[str] = Field(default_factory=list, description="Personas that take turns.")
    setup: list[FunctionCall] = Field(default_factory=list, description="Set-up calls of every task.")
    facts: dict[str, Any] = Field(default_factory=dict, description="Values for the texts.")
    task: dict[str, Any] = Field(description="The common content of all tasks; texts are templates.")
    unsolvable: dict[str, Any] | None = Field(
        default=None, description="Overrides of `task` for tasks with an unsolvable block."
    )

    def section(self, *, solvable: bool) -> dict[str, Any]:
        """Return the section that a task is built from: `task`, merged with `unsolvable` if it is not solvable."""
        merged: dict[str, Any] = self.task if solvable else deep_merge(self.task, self.unsolvable or {})
        return merged


@dataclass(frozen=True)
class Families:
    """All families of a pack with their blocks and personas, in the order of the files, with their locations.

    `whole`: nothing was left out because of errors.
    """

    blocks: Mapping[str, Block] = field(default_factory=dict)
    personas: Mapping[str, str | None] = field(default_factory=dict)
    families: Mapping[str, Family] = field(default_factory=dict)
    documents: Mapping[tuple[str, str], Document] = field(default_factory=dict)
    whole: bool = True

    def place(self, section: str, name: str) -> Place:
        """Return the location of an entry of `blocks`, `personas` or `families`."""
        return Place(self.documents[section, name], (section, name))


def read_families(folder: Path, pattern: str, problems: Problems, named_by: Source | None = None) -> Families:
    """Read and merge all families files, which the manifest names. Wrong entries are noted and left out."""
    reader, before = _Reader(problems), len(problems.found)
    files = matching_files(folder, pattern)
    if not files:
        reader.whole = False
        problems.at(
            named_by or Source(folder / pattern),
            ProblemKind.MISSING_FILE,
            f"no families file matches {folder / pattern}",
            hint="write one, or correct `tasks.families`",
        )
    for file in files:
        reader.read(file)
    return replace(reader.link(), whole=len(problems.found) == before)


class _Reader:
    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.documents: dict[tuple[str, str], Document] = {}
        self.blocks: dict[str, Block] = {}
        self.personas: dict[str, str | None] = {}
        self.families: dict[str, Family] = {}
        self.whole = True  # False if a file could not be read, which may contain a missing name

    def read(self, file: Path) -> None:
        document = self.problems.read(file)
        if document is None or not isinstance(document.value, dict):
            self.whole = False
            if document is not None:
                self.problems.add(
                    file, ProblemKind.WRONG_SHAPE, f"should be a mapping with {', '.join(SECTIONS)}", line=1
                )
            return
        for section, entries in document.value.items():
            if section not in SECTIONS:
                line = document.line((section,))
                self.problems.add(
                    file,
                    ProblemKind.UNKNOWN_KEY,
                    f"{section}: there is no such key",
                    line=line,
                    hint=did_you_mean(section, SECTIONS),
                )
            elif not isinstance(entries, dict):
                what = f"{section}: should be a mapping of names to entries"
                self.problems.add(
                    file,
                    ProblemKind.WRONG_SHAPE,
                    what,
                    line=document.line((section,)),
                    hint="`name: {…}`, one entry a line",
                )
            else:
                for name, value in entries.items():
                    self._entry(document, section, name, value)

    def _entry(self, document: Document, section: str, name: str, value: Any) -> None:
        place = Place(document, (section, name))
        if not _NAME.match(name):
            hint = "use letters, digits, `_`, `-` and `.`; it becomes part of task ids"
            self.problems.at(
                place.source(),
                ProblemKind.FAMILY,
                f"{name!r} is not a valid name for an entry of `{section}`",
                hint=hint,
            )
            return
        if (section, name) in self.documents:
            first = Place(self.documents[section, name], (section, name)).source()
            self.problems.at(
                place.source(), ProblemKind.REPEATED_KEY, f"{name!r} occurs twice in `{section}`, first at {first}"
            )
            return
        self.documents[section, name] = document
        if section == "personas":
            if isinstance(value, str | None):
                self.personas[name] = value
            else:
                what = f"persona {name!r} should be a text, or null, not {value!r}"
                self.problems.at(place.source(), ProblemKind.FAMILY, what, hint="describe who calls")
        elif section == "blocks":
            block = self.problems.validate(Block, document, value, place.path)
            if block is not None and self._fixed(name, block, place):
                self.blocks[name] = block
        else:
            family = self.problems.validate(Family, document, value, place.path)
            if family is not None:
                self.families[name] = family

    def _fixed(self, name: str, block: Block, place: Place) -> bool:
        """Tell whether a block either has a fix or is declared unsolvable."""
        if block.unsolvable and block.fix:
            what = f"block {name!r} is unsolvable, but it has a fix"
            self.problems.at(place.source("fix"), ProblemKind.FAMILY, what, hint="remove one of them")
        elif not block.unsolvable and not block.fix:
            what = f"block {name!r} has no fix"
            self.problems.at(
                place.source(), ProblemKind.FAMILY, what, hint="write one, or declare it `unsolvable: true`"
            )
        if block.found_by and not block.unsolvable:
            what = f"block {name!r} has a fix, so it needs no `found_by`"
            self.problems.at(
                place.source("found_by"), ProblemKind.FAMILY, what, hint="remove `found_by`, or name its calls in `fix`"
            )
            return False
        return block.unsolvable != bool(block.fix)

    def link(self) -> Families:
        """Return the valid families, with the valid blocks and personas."""
        families: dict[str, Family] = {}
        for name, family in self.families.items():
            place = Place(self.documents["families", name], ("families", name))
            linked = self._link(name, family, place)
            if self._sections_fit(name, linked, place):
                families[name] = linked
        return Families(self.blocks, self.personas, families, self.documents)

    def _link(self, name: str, family: Family, place: Place) -> Family:
        lines: list[list[str]] = []
        taken: set[str] = set()
        for row, line in enumerate(family.select):
            lines.append([])
            for column, block in enumerate(line):
                where = place.at("select", row, column)
                if block in taken:
                    what = f"family {name!r} selects block {block!r} twice"
                    self.problems.at(where.source(), ProblemKind.FAMILY, what, hint="a block belongs in one line")
                elif self._known("blocks", block, name, where):
                    lines[-1].append(block)
                taken.add(block)
        enough = family.at_least_one_of
        for row, block in enumerate(enough or []):
            if block not in taken:
                what = f"family {name!r}: block {block!r} of `at_least_one_of` is in no line of `select`"
                self.problems.at(
                    place.source("at_least_one_of", row),
                    ProblemKind.UNKNOWN_PART,
                    what,
                    hint=did_you_mean(block, taken),
                )
        personas = [
            persona
            for row, persona in enumerate(family.personas)
            if persona == NOBODY or self._known("personas", persona, name, place.at("personas", row))
        ]
        if choices(lines) > MAX_CHOICES:
            what = f"family {name!r} has {choices(lines)} choices of blocks, more than {MAX_CHOICES}"
            self.problems.at(place.source("select"), ProblemKind.FAMILY, what, hint="make it several families")
            lines = []
        return family.model_copy(update={"select": [line for line in lines if line], "personas": personas})

    def _known(self, section: str, entry: str, family: str, place: Place) -> bool:
        """Tell whether a family may use an entry; note it if it does not exist."""
        if (section, entry) not in self.documents and self.whole:
            known = [name for kind, name in self.documents if kind == section]
            what = f"family {family!r}: there is no {section.removesuffix('s')} {entry!r}"
            self.problems.at(place.source(), ProblemKind.UNKNOWN_PART, what, hint=did_you_mean(entry, known))
        return entry in (self.blocks if section == "blocks" else self.personas)

    def _sections_fit(self, name: str, family: Family, place: Place) -> bool:
        """Tell whether both sections are valid tasks, apart from what blocks and combinations add."""
        before = len(self.problems.found)
        hopeless = [block for line in family.select for block in line if self.blocks[block].unsolvable]
        if hopeless and family.unsolvable is None:
            what = f"family {name!r} selects block {hopeless[0]!r}, which has no fix, but has no section `unsolvable`"
            self.problems.at(
                place.source("select"), ProblemKind.FAMILY, what, hint="describe there what the agent should do then"
            )
        if family.unsolvable is not None and not hopeless and self.whole:
            what = f"family {name!r} has a section `unsolvable`, but selects no unsolvable block"
            self.problems.at(place.source("unsolvable"), ProblemKind.FAMILY, what, hint="remove it")
        for solvable, key in ((True, "task"), (False, "unsolvable")):
            if getattr(family, key) is None or len(self.problems.found) > before:
                continue
            section = family.section(solvable=solvable)
            self.problems.validate(Task, place.document, {**section, "id": name}, (*place.path, key))
            for path, what in _GIVEN.items():
                if path == _ACTIONS and not solvable:
                    continue
                if _holds(getattr(family, key), path):
                    where = place.source(key, *path)
                    self.problems.at(
                        where,
                        ProblemKind.UNKNOWN_KEY,
                        f"family {name!r}: `{'.'.join(path)}` is not allowed here",
                        hint=what,
                    )
        return len(self.problems.found) == before


_ACTIONS = ("evaluation_criteria", "actions")
_GIVEN = {
    ("id",): "ids are composed of the names of family, blocks and persona",
    ("initial_state", "initialization_actions"): "name them under `setup`, of the family or of a block",
    _ACTIONS: "they are the fixes of the blocks",
}


def _holds(section: Any, path: tuple[str, ...]) -> bool:
    for part in path:
        if not isinstance(section, dict) or part not in section:
            return False
        section = section[part]
    return True
