"""A loaded pack: tools bound to handlers, prompts, tasks and the shared base of its databases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tau2_core.errors import PackError
from tau2_core.model.customers import Customers
from tau2_core.model.datasets import ToolText
from tau2_core.model.knowledge import Document, KnowledgeBase
from tau2_core.model.policy_rules import PolicyRule
from tau2_core.model.registrations import SearchParts
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Function, Role, Source, Tool
from tau2_core.packs.databases import DataError, load_base
from tau2_core.packs.knowledge import read_knowledge
from tau2_core.packs.manifest import Manifest
from tau2_core.packs.pack_files import matching_files
from tau2_core.packs.problems import Problems
from tau2_core.packs.prompts import PromptError, render_prompt
from tau2_core.packs.source_files import SourceFiles
from tau2_core.packs.task_defaults import TaskDefaults
from tau2_core.packs.task_texts import VariantTexts
from tau2_core.packs.tasks import TaskSet, read_tasks
from tau2_core.packs.wrapped_domain import WrappedDomain
from tau2_core.problem_kinds import ProblemKind
from tau2_core.state.records import Database
from tau2_core.state.world import Base

ROLES: tuple[Role, ...] = ("agent", "user")


@dataclass(eq=False)
class Pack:
    """One domain, ready to be played. Databases and tasks are read on first use, once per process.

    For a pack with problems, which can only be checked: `unbound` are declared names without a handler, with their
    kinds; `unsound` are names whose handler does not match the declaration; `incomplete` means that some declarations
    could not be read. `sources` are its files as they were read. `wrapped` is the domain whose databases it uses.
    """

    name: str
    package: str
    folder: Path
    sources: SourceFiles
    manifest: Manifest
    manifest_source: Source
    models: Mapping[Role, type[Database]]
    wrapped: WrappedDomain | None
    tools: Mapping[Role, Mapping[str, Tool]]
    functions: Mapping[Role, Mapping[str, Function]]
    sync: Callable[..., object] | None
    sync_wants_context: bool = False
    rules: Sequence[PolicyRule] = ()
    unbound: Mapping[str, str] = field(default_factory=dict)
    unsound: frozenset[str] = frozenset()
    incomplete: bool = False
    texts: Mapping[str, Mapping[str, ToolText]] = field(default_factory=dict)
    variant_tools: Mapping[str, Mapping[str, Tool]] = field(default_factory=dict)
    episode: Callable[[Task], Mapping[str, Any]] | None = None
    parts: SearchParts = field(default_factory=SearchParts)
    variant_sources: Mapping[str, Source] = field(default_factory=dict)
    task_files: Mapping[str, Source] = field(default_factory=dict)
    task_texts: Mapping[str, VariantTexts] = field(default_factory=dict)
    customers: Customers = field(default_factory=Customers)
    _bases: dict[tuple[Role, Path], Base] = field(default_factory=dict, repr=False)
    _tasks: TaskSet | None = field(default=None, repr=False)
    _knowledge: dict[tuple[Path, ...], KnowledgeBase] = field(default_factory=dict, repr=False)
    _document_files: tuple[Path, ...] | None = field(default=None, repr=False)

    def callees(self, role: Role) -> dict[str, Tool | Function]:
        """Return everything that tasks may call on a side: its functions and its tools."""
        return {**self.tools[role], **self.functions[role]}

    def tools_in(self, variant: str, role: Role) -> Mapping[str, Tool]:
        """Return a side's tools, also hidden ones: a variant's own ("" for none) first, with its texts."""
        own = self.variant_tools.get(variant, {}) if role == "agent" else {}
        tools = {**own, **self.tools[role]} if own else self.tools[role]
        texts = self.texts.get(variant, {})
        if not texts:
            return tools
        return {name: texts[name].applied_to(tool) if name in texts else tool for name, tool in tools.items()}

    def knowledge(self, files: Sequence[Path] | None = None) -> KnowledgeBase:
        """Return the knowledge base from the pack's own files or a dataset's. It is read once. Raises PackError."""
        own = files is None
        if files is None:
            files = self._own_documents()
        key = tuple(files)
        known = self._knowledge.get(key)
        if known is None:
            problems = Problems(self.name, self.sources)
            known = read_knowledge(key, problems, self.sources.read, extra=not own)
            if own and not key and self.manifest.knowledge is not None:
                what = f"no file matches {self.manifest.knowledge.documents}, so the knowledge base is empty"
                manifest = self.manifest_source.file
                line = self.sources.document(manifest).line(("knowledge", "documents"))
                hint = "add documents, or correct `knowledge.documents`"
                problems.add(manifest, ProblemKind.DOCUMENT, what, line=line, hint=hint)
            if problems.found:
                raise PackError(problems.found)
            self._knowledge[key] = known
        return known

    def _own_documents(self) -> tuple[Path, ...]:
        if self._document_files is None:
            pattern = self.manifest.knowledge.documents if self.manifest.knowledge else None
            self._document_files = () if pattern is None else tuple(matching_files(self.folder, pattern))
        return self._document_files

    @cached_property
    def database_roles(self) -> list[Role]:
        """The sides that have a database of their own; a customer may see the agent's instead."""
        if self.wrapped is not None:
            shared = self.wrapped.shares
        else:
            shared = self.manifest.databases is not None and self.manifest.databases.user == "agent"
        return [role for role in self.models if role == "agent" or not shared]

    def data_file(self, role: Role) -> Path:
        entry = self.manifest.database(role)
        if entry is None:
            raise KeyError(role)
        return self.folder / entry.data

    def base(self, role: Role, file: Path | None = None) -> Base:
        """Return the shared base of a side's database, from the pack's file or a dataset's. Raises PackError."""
        if self.wrapped is not None:
            return self.wrapped.bases[role]
        if role not in self.database_roles:
            role = "agent"  # the same base, so that both sides can share a world
        own = file is None  # a dataset's values are converted as in the official code
        file = file or self.data_file(role)
        known = self._bases.get((role, file))
        if known is None:
            try:
                known = self._bases[role, file] = load_base(self.models[role], file, exact=own, read=self.sources.read)
            except DataError as error:
                problems = Problems(self.name)
                mend = "correct the data file, or the database's model"
                problems.add(error.file, ProblemKind.DATA, str(error), line=error.line, hint=mend)
                raise PackError(problems.found) from error
        return known

    def task_set(self, problems: Problems | None = None) -> TaskSet:
        """Return the pack's own tasks. Problems are noted in `problems` if it is given, else raised as PackError."""
        if self._tasks is None or problems is not None:
            found = Problems(self.name, self.sources) if problems is None else problems
            before = len(found.found)
            defaults = TaskDefaults(self.name, self.manifest.evaluation.reward_basis)
            self._tasks = read_tasks(
                self.folder, self.manifest.tasks, defaults, found, self.task_texts, self.task_files
            )
            if problems is None and len(found.found) > before:
                self._tasks = None
                raise PackError(found.found)
        return self._tasks

    def prompt(
        self,
        name: str,
        *,
        variant: str = "",
        solo: bool = False,
        options: Mapping[str, Any] | None = None,
        required: Sequence[Document] = (),
    ) -> str:
        """Render a prompt. `required` are the documents that a task names. Raises PackError with file and line."""
        template = self.manifest.prompt_file(name, variant)
        if template is None:
            problems = Problems(self.name)
            problems.at(
                self.manifest_source,
                ProblemKind.NO_POLICY,
                f"there is no prompt {name!r}",
                hint="name a template under `prompts`",
            )
            raise PackError(problems.found)
        try:
            values = self.prompt_values(variant=variant, solo=solo)
            values |= {"options": dict(options or {}), "required_documents": list(required)}
            return render_prompt(self.folder, template, values)
        except PromptError as error:
            problems = Problems(self.name)
            problems.add(error.file, ProblemKind.PROMPT, f"prompt {name!r}: {error}", line=error.line)
            raise PackError(problems.found) from error

    def prompt_values(self, *, variant: str, solo: bool) -> dict[str, Any]:
        """Return the variables that every template may use."""
        return {
            "domain": self.name,
            "now": self.manifest.clock,
            "tools": [tool for tool in self.tools_in(variant, "agent").values() if not tool.hidden],
            "user_tools": [tool for tool in self.tools_in(variant, "user").values() if not tool.hidden],
            "documents": list(self.knowledge().documents),
            "required_documents": [],
            "options": dict(self.manifest.variants[variant].options) if variant else {},
            "variant": variant,
            "solo": solo,
        }

    @property
    def supports_solo(self) -> bool:
        return "solo" in self.manifest.prompts
