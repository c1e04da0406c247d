"""Loading a pack: all problems are found in one pass, with file and line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tau2_core.errors import PackError, UsageError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.customers import Customers
from tau2_core.model.datasets import ToolText
from tau2_core.model.policy_rules import PolicyRule
from tau2_core.model.registrations import Domain, SearchParts, Toolset
from tau2_core.model.tools import Role, Source, Tool
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.binding import NOT_PLAIN, Binder, failure_place, is_plain
from tau2_core.packs.callees import Callees
from tau2_core.packs.customers import core_customers, read_customers
from tau2_core.packs.database_models import read_models
from tau2_core.packs.folder_domain import FolderDomain
from tau2_core.packs.id_pools import check_id_pools
from tau2_core.packs.manifest import Manifest
from tau2_core.packs.pack import ROLES, Pack
from tau2_core.packs.pack_modules import handler_modules, load_name, locate
from tau2_core.packs.policy_rules import read_policy_rules
from tau2_core.packs.problems import Problems
from tau2_core.packs.search_checks import SearchChecks
from tau2_core.packs.task_texts import VariantTexts
from tau2_core.packs.variant_texts import read_tool_texts
from tau2_core.packs.wrapped_domain import WrappedDomain, open_wrapped
from tau2_core.packs.yaml_source import Document, Place, YamlPath
from tau2_core.plugins.builtin import tau2_retrievers
from tau2_core.problem_kinds import ProblemKind
from tau2_core.state.records import Database

CREATE = "create the file, or correct the path"


def open_pack(domain: Domain, toolsets: Sequence[Toolset] = (), parts: SearchParts | None = None) -> Pack:
    """Load a pack. Raises PackError with all problems."""
    problems = Problems(domain.name)
    pack = load_pack(domain, problems, toolsets, parts)
    if pack is None or problems.found:
        raise PackError(problems.found)
    return pack


def load_pack(
    domain: Domain,
    problems: Problems,
    toolsets: Sequence[Toolset] = (),
    parts: SearchParts | None = None,
) -> Pack | None:
    """Load as much of a pack as possible and note problems; None if there is no usable manifest.

    `parts` are the retrievers that its tools may name, and the sandboxes; by default, the built-in ones.
    """
    try:
        with foreign():
            package, folder = locate(domain)
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - a package's code may raise anything; it is reported
        place = domain.folder or Path(domain.package or "")
        file, line = failure_place(error, place / "__init__.py" if domain.folder else place)
        what = f"package {domain.package or place.name!r} cannot be imported: {describe_error(error)}"
        problems.add(
            file,
            ProblemKind.PACKAGE,
            what,
            line=line,
            hint="install or fix the package, or block its plugin with --no-plugin",
        )
        return None
    file = folder / domain.manifest
    if isinstance(domain, FolderDomain) and domain.document is not None:
        problems.sources.hand_over(domain.document, domain.digest)
    document = problems.read(file)
    if document is None:
        return None
    manifest = problems.validate(Manifest, document, document.value)
    if manifest is None:
        return None
    if manifest.name != domain.name:
        what = f"the manifest's name is {manifest.name!r}, but it is registered as {domain.name!r}"
        problems.add(file, ProblemKind.DOMAIN_NAME, what, line=document.line(("name",)))
    known = SearchParts({each.name: each for each in tau2_retrievers()}) if parts is None else parts
    return _Loader(domain, package, folder, document, manifest, problems, toolsets, known).load()


@dataclass
class _Loader:
    domain: Domain
    package: str
    folder: Path
    document: Document
    manifest: Manifest
    problems: Problems
    toolsets: Sequence[Toolset]
    parts: SearchParts

    def load(self) -> Pack:
        binder = Binder(self.folder, handler_modules(self.package, self.folder), self.problems)
        callees = self._callees(binder)
        variant_tools = self._variant_tools(binder, callees)
        episode = self._episode(binder)
        sync, wants_context = self._sync(binder)
        if not (callees.incomplete or callees.lacking):
            binder.unbound()
        self._id_pools(callees)
        for toolset in self.toolsets:
            callees.read_toolset(toolset)
        if self.manifest.wraps is None:  # in tau2-bench, both sides may have a tool of the same name
            callees.note_shared_names()
        self._prompt_files()
        self._default_variant()
        search_checks = SearchChecks(self.manifest, self.document.file, self.parts.retrievers, self.problems)
        search_checks.check([*callees.tools["agent"].values(), *callees.tools["user"].values()], {})
        for variant, tools in variant_tools.items():
            search_checks.check(tools.values(), self.manifest.variants[variant].options)
        wrapped = self._wrapped()
        return Pack(
            name=self.domain.name,
            package=self.package,
            folder=self.folder,
            sources=self.problems.sources,
            manifest=self.manifest,
            manifest_source=Source(self.document.file, 1),
            variant_sources={name: self.source("variants", name) for name in self.manifest.variants},
            models=self._models(wrapped),
            wrapped=wrapped,
            tools=callees.tools,
            functions=callees.functions,
            unbound=callees.unbound,
            unsound=frozenset(callees.unsound),
            incomplete=callees.incomplete,
            sync=sync,
            sync_wants_context=wants_context,
            rules=self._rules(callees),
            texts=self._texts(callees),
            variant_tools=variant_tools,
            episode=episode,
            customers=self._customers(),
            parts=self.parts,
            task_files={key: self.source("tasks", key) for key in ("files", "families", "splits")},
            task_texts={
                variant: VariantTexts(self.folder / section.task_texts, self.source("variants", variant, "task_texts"))
                for variant, section in self.manifest.variants.items()
                if section.task_texts is not None
            },
        )

    def source(self, *path: str | int) -> Source:
        return Source(self.document.file, self.document.line(path))

    def _models(self, wrapped: WrappedDomain | None) -> Mapping[Role, type[Database]]:
        if self.manifest.databases is None:
            return wrapped.models if wrapped else {}
        return read_models(self.manifest.databases, self.package, self.folder, self.source, self.problems)

    def _wrapped(self) -> WrappedDomain | None:
        if self.manifest.wraps is None:
            return None
        try:
            return open_wrapped(self.manifest.wraps)
        except UsageError as error:
            self.problems.at(self.source("wraps"), ProblemKind.WRAPPED, f"wraps {error}")
            return None

    def _callees(self, binder: Binder) -> Callees:
        callees = Callees(self.domain.name, self.folder, self.problems)
        for role in ROLES:
            for name in self.manifest.tools.of(role):
                file, named_by = self.folder / name, self.source("tools", role)
                callees.read_tools(role, file, binder, named_by, quick=self.manifest.quick)
        if self.manifest.functions is not None:
            callees.read_functions(self.folder / self.manifest.functions, binder, self.source("functions"))
        return callees

    def _variant_tools(self, binder: Binder, shared: Callees) -> dict[str, dict[str, Tool]]:
        found: dict[str, dict[str, Tool]] = {}
        for variant, section in self.manifest.variants.items():
            if section.tools is None:
                continue
            callees = Callees(self.domain.name, self.folder, self.problems)
            named_by = self.source("variants", variant, "tools")
            for name in section.tool_files():
                callees.read_tools("agent", self.folder / name, binder, named_by, quick=self.manifest.quick)
            found[variant] = callees.tools["agent"]
            for name, tool in found[variant].items():
                if name in shared.tools["agent"]:
                    what = f"tool {name!r} already exists: {shared.tools['agent'][name].source}"
                    self.problems.at(tool.source, ProblemKind.SAME_NAME, what, hint="rename one of them")
        return found

    def _default_variant(self) -> None:
        name = self.manifest.default_variant
        if name and name not in self.manifest.variants:
            what, hint = f"there is no variant {name!r}", did_you_mean(name, self.manifest.variants)
            self.problems.at(self.source("default_variant"), ProblemKind.VARIANT, what, hint=hint)

    def _episode(self, binder: Binder) -> Callable[..., Any] | None:
        target = self.manifest.episode
        if target is None:
            return None
        place = self.source("episode")
        function: Any = self.problems.guard(
            place, ProblemKind.EPISODE, f"episode {target!r}", lambda: load_name(self.package, target)
        )
        if function is None:
            return None
        module, _, name = target.partition(":")
        binder.used.add((module.removeprefix("handlers."), name))
        if not is_plain(function) or list(inspect.signature(function).parameters) != ["task"]:
            what = f"episode {target!r} should be a plain function that takes (task)"
            self.problems.at(
                place, ProblemKind.EPISODE, what, hint="write `def options(task: Task) -> dict[str, Any]:`"
            )
            return None
        return function  # type: ignore[no-any-return]

    def _sync(self, binder: Binder) -> tuple[Callable[..., object] | None, bool]:
        target = self.manifest.sync
        if target is None:
            return None, False
        sync: Any = self.problems.guard(
            self.source("sync"), ProblemKind.SYNC, f"sync {target!r}", lambda: load_name(self.package, target)
        )
        if sync is None:
            return None, False
        module, _, name = target.partition(":")
        binder.used.add((module.removeprefix("handlers."), name))
        if not is_plain(sync):
            self.problems.at(self.source("sync"), ProblemKind.SYNC, f"sync {target!r}: {NOT_PLAIN}")
            return None, False
        parameters = set(inspect.signature(sync).parameters)
        if not {"agent", "user"} <= parameters <= {"agent", "user", "context"}:
            self.problems.at(
                self.source("sync"),
                ProblemKind.SYNC,
                f"sync {target!r} should take (agent, user) and optionally context",
            )
            return None, False
        return sync, "context" in parameters

    def _id_pools(self, callees: Callees) -> None:
        """Note pools that are not declared. Tools in such a module would fail, which is not noted again."""
        wrong = {
            source.file.stem
            for source in check_id_pools(self.folder, self.manifest.ids, self.source("ids"), self.problems)
        }
        for tool in (*callees.tools["agent"].values(), *callees.tools["user"].values()):
            if tool.handler.__module__.rpartition(".")[2] in wrong:
                callees.unsound.add(tool.name)

    def _customers(self) -> Customers:
        name = self.manifest.customers
        if name is None:
            return core_customers()
        place = self.source("customers")
        return read_customers(self.folder / name, self.folder, place, self.problems, core_customers())

    def _rules(self, callees: Callees) -> list[PolicyRule]:
        name = self.manifest.evaluation.policy_checks
        if name is None or callees.incomplete:
            return []
        place = Place(self.document, ("evaluation", "policy_checks"))
        return read_policy_rules(self.folder / name, callees.tools["agent"], callees.unbound, place, self.problems)

    def _texts(self, callees: Callees) -> dict[str, dict[str, ToolText]]:
        found: dict[str, dict[str, ToolText]] = {}
        for variant, section in self.manifest.variants.items():
            if section.tool_texts is not None and not callees.incomplete:
                named_by = self.source("variants", variant, "tool_texts")
                file = self.folder / section.tool_texts
                found[variant] = read_tool_texts(file, callees.tools, callees.unbound, named_by, self.problems)
        return found

    def _prompt_files(self) -> None:
        if "policy" not in self.manifest.prompts:
            self.problems.at(
                self.source("prompts"),
                ProblemKind.NO_POLICY,
                "`prompts` should name a `policy`",
                hint="add `policy: FILE`, the template of the agent's instructions",
            )
        named: list[tuple[YamlPath, str]] = [(("prompts", name), file) for name, file in self.manifest.prompts.items()]
        for variant, section in self.manifest.variants.items():
            named += [(("variants", variant, "prompts", name), file) for name, file in section.prompts.items()]
        for path, file in named:
            if not (self.folder / file).is_file():
                self.problems.at(
                    self.source(*path), ProblemKind.MISSING_FILE, f"there is no file {self.folder / file}", hint=CREATE
                )
