"""Loading a pack: all problems are found in one pass, with file and line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tau2_core.errors import PackError, UsageError
from tau2_core.foreign import describe_error, foreign
from tau2_core.model.datasets import ToolText
from tau2_core.model.policy_rules import PolicyRule
from tau2_core.model.registrations import Domain, Toolset
from tau2_core.model.tools import Function, Role, Source, Tool
from tau2_core.packs.binding import NOT_PLAIN, Binder, Bound, failure_place, is_plain
from tau2_core.packs.code import handler_modules, load_name, locate
from tau2_core.packs.declarations import OPEN_SCHEMA, Declaration, FunctionEntry, ToolEntry, read_entries
from tau2_core.packs.id_pools import check_id_pools
from tau2_core.packs.locations import package_folder
from tau2_core.packs.manifest import DatabaseEntry, Manifest
from tau2_core.packs.pack import ROLES, Pack
from tau2_core.packs.policy_rules import read_policy_rules
from tau2_core.packs.problems import Problems
from tau2_core.packs.variant_texts import read_tool_texts
from tau2_core.packs.yaml_source import Document, Place, YamlPath
from tau2_core.problem_kinds import ProblemKind
from tau2_core.state.records import Database

CREATE = "create the file, or correct the path"


def open_pack(domain: Domain, toolsets: Sequence[Toolset] = ()) -> Pack:
    """Load a pack. Raises PackError with all problems."""
    problems = Problems(domain.name)
    pack = load_pack(domain, problems, toolsets)
    if pack is None or problems.found:
        raise PackError(problems.found)
    return pack


def load_pack(domain: Domain, problems: Problems, toolsets: Sequence[Toolset] = ()) -> Pack | None:
    """Load as much of a pack as possible and note problems; None if there is no usable manifest."""
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
    document = problems.read(file)
    if document is None:
        return None
    manifest = problems.validate(Manifest, document, document.value)
    if manifest is None:
        return None
    if manifest.name != domain.name:
        what = f"the manifest's name is {manifest.name!r}, but it is registered as {domain.name!r}"
        problems.add(file, ProblemKind.DOMAIN_NAME, what, line=document.line(("name",)))
    return _Loader(domain, package, folder, document, manifest, problems, toolsets).load()


@dataclass
class _Loader:
    domain: Domain
    package: str
    folder: Path
    document: Document
    manifest: Manifest
    problems: Problems
    toolsets: Sequence[Toolset]
    unbound: dict[str, str] = field(default_factory=dict)
    unsound: set[str] = field(default_factory=set)
    incomplete: bool = False

    def load(self) -> Pack:
        binder = Binder(self.folder, handler_modules(self.package, self.folder), self.problems)
        tools: dict[Role, dict[str, Tool]] = {"agent": {}, "user": {}}
        for role in ROLES:
            name = self.manifest.tools.agent if role == "agent" else self.manifest.tools.user
            if name is not None:
                self._tools(role, self.folder / name, binder, tools[role], self.source("tools", role))
        functions = self._functions(binder, tools)
        sync, wants_context = self._sync(binder)
        if not self.incomplete:
            binder.unbound()
        self._id_pools([*tools["agent"].values(), *tools["user"].values()])
        for toolset in self.toolsets:
            self._toolset(toolset, tools)
        self._shared_names(tools)
        self._prompt_files()
        return Pack(
            name=self.domain.name,
            package=self.package,
            folder=self.folder,
            manifest=self.manifest,
            manifest_source=Source(self.document.file, 1),
            models=self._models(),
            tools=tools,
            functions=functions,
            unbound=self.unbound,
            unsound=frozenset(self.unsound),
            incomplete=self.incomplete,
            sync=sync,
            sync_wants_context=wants_context,
            rules=self._rules(tools["agent"]),
            texts=self._texts(tools),
        )

    def source(self, *path: str | int) -> Source:
        return Source(self.document.file, self.document.line(path))

    def _declarations(
        self, file: Path, model: type[ToolEntry] | type[FunctionEntry], named_by: Source
    ) -> list[Declaration]:
        document = self.problems.read(file, named_by=named_by)
        if document is None or not isinstance(document.value, dict):
            self.incomplete = True
        else:
            kinds = {
                name: value.get("kind") if isinstance(value, dict) else "" for name, value in document.value.items()
            }
            self.unbound.update({name: str(kind) for name, kind in kinds.items()})
        return read_entries(document, model, self.problems) if document else []

    def _schema(self, declaration: Declaration, bound: Bound) -> Mapping[str, Any]:
        self.unbound.pop(declaration.name, None)
        if declaration.sound and bound.sound:
            return declaration.entry.schema_object()
        self.unsound.add(declaration.name)
        return OPEN_SCHEMA

    def _tools(self, role: Role, file: Path, binder: Binder, tools: dict[str, Tool], named_by: Source) -> None:
        for declaration in self._declarations(file, ToolEntry, named_by):
            entry, source = declaration.entry, Source(file, declaration.document.line((declaration.name,)))
            bound = binder.bind(declaration)
            if declaration.name in tools:
                what = f"tool {declaration.name!r} already exists: {tools[declaration.name].source}"
                self.problems.at(source, ProblemKind.SAME_NAME, what, hint="rename one of them")
                continue
            if bound is None or not isinstance(entry, ToolEntry):
                continue
            tools[declaration.name] = Tool(
                declaration.name,
                role,
                entry.description,
                self._schema(declaration, bound),
                bound.handler,
                bound.wants_context,
                source,
                self.domain.name,
                aliases=entry.aliases(),
                kind=entry.kind,
                mutates=entry.kind == "write",
                transfers=entry.transfers,
                quick=self.manifest.quick and binder.folder == self.folder,  # not for a toolset of another package
            )
        transfers = [tool for tool in tools.values() if tool.transfers]
        if len(transfers) > 1:
            self.problems.at(
                transfers[1].source,
                ProblemKind.TRANSFERS,
                f"there is a second tool with `transfers`, after {transfers[0].name!r}",
            )

    def _shared_names(self, tools: dict[Role, dict[str, Tool]]) -> None:
        """Note names that both sides have: they would be ambiguous in solo play and in replays."""
        for name, tool in tools["user"].items():
            if name in tools["agent"]:
                what = f"tool {name!r} exists on the agent's side already: {tools['agent'][name].source}"
                self.problems.at(tool.source, ProblemKind.SAME_NAME, what, hint="rename one of them")

    def _functions(self, binder: Binder, tools: dict[Role, dict[str, Tool]]) -> dict[Role, dict[str, Function]]:
        functions: dict[Role, dict[str, Function]] = {"agent": {}, "user": {}}
        if self.manifest.functions is None:
            return functions
        file = self.folder / self.manifest.functions
        for declaration in self._declarations(file, FunctionEntry, self.source("functions")):
            entry, source = declaration.entry, Source(file, declaration.document.line((declaration.name,)))
            if not isinstance(entry, FunctionEntry):
                continue
            bound = binder.bind(declaration)
            if declaration.name in tools[entry.role]:
                tool = tools[entry.role][declaration.name]
                what = f"function {declaration.name!r} has the name of a tool: {tool.source}"
                self.problems.at(source, ProblemKind.SAME_NAME, what, hint="tasks may name the tool itself")
                continue
            if bound is not None:
                functions[entry.role][declaration.name] = Function(
                    declaration.name,
                    entry.role,
                    entry.description,
                    self._schema(declaration, bound),
                    bound.handler,
                    bound.wants_context,
                    source,
                    self.domain.name,
                    aliases=entry.aliases(),
                    kind=entry.kind,
                )
        return functions

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

    def _id_pools(self, tools: Sequence[Tool]) -> None:
        """Note pools that are not declared. The tools of such a module would fail, which is not noted again."""
        wrong = {
            source.file.stem
            for source in check_id_pools(self.folder, self.manifest.ids, self.source("ids"), self.problems)
        }
        self.unsound.update(tool.name for tool in tools if tool.handler.__module__.rpartition(".")[2] in wrong)

    def _rules(self, tools: Mapping[str, Tool]) -> list[PolicyRule]:
        name = self.manifest.evaluation.policy_checks
        if name is None or self.incomplete:
            return []
        place = Place(self.document, ("evaluation", "policy_checks"))
        return read_policy_rules(self.folder / name, tools, self.unbound, place, self.problems)

    def _texts(self, tools: Mapping[Role, Mapping[str, Tool]]) -> dict[str, dict[str, ToolText]]:
        found: dict[str, dict[str, ToolText]] = {}
        for variant, section in self.manifest.variants.items():
            if section.tool_texts is not None and not self.incomplete:
                named_by = self.source("variants", variant, "tool_texts")
                file = self.folder / section.tool_texts
                found[variant] = read_tool_texts(file, tools, self.unbound, named_by, self.problems)
        return found

    def _models(self) -> dict[Role, type[Database]]:
        models: dict[Role, type[Database]] = {}
        entries: dict[Role, DatabaseEntry | None] = {
            "agent": self.manifest.databases.agent,
            "user": self.manifest.databases.user,
        }
        for role, entry in entries.items():
            if entry is None:
                continue
            place = self.source("databases", role, "model")
            model = self.problems.guard(
                place,
                ProblemKind.DATABASE_MODEL,
                f"model {entry.model!r}",
                partial(load_name, self.package, entry.model),
            )
            if model is None:
                continue
            if not (isinstance(model, type) and issubclass(model, Database)):
                self.problems.at(
                    place, ProblemKind.DATABASE_MODEL, f"{entry.model} is not a subclass of tau2_core.Database"
                )
                continue
            data = self.folder / entry.data
            if not data.is_file():
                self.problems.at(
                    self.source("databases", role, "data"),
                    ProblemKind.MISSING_FILE,
                    f"there is no file {data}",
                    hint=CREATE,
                )
                continue
            models[role] = model
        return models

    def _toolset(self, toolset: Toolset, tools: dict[Role, dict[str, Tool]]) -> None:
        what = f"toolset {toolset.name!r}: package {toolset.package!r} cannot be imported"
        advice = "install or fix it, or block its plugin with --no-plugin"
        folder = self.problems.guard(
            Source(Path(toolset.package)),
            ProblemKind.TOOLSET,
            what,
            lambda: package_folder(toolset.package, toolset.file),
            hint=advice,
        )
        if folder is None:
            return
        binder = Binder(folder, handler_modules(toolset.package, folder), self.problems)
        named_by = Source(folder / toolset.file)
        self._tools(toolset.role, folder / toolset.file, binder, tools[toolset.role], named_by)

    def _prompt_files(self) -> None:
        if "policy" not in self.manifest.prompts:
            self.problems.at(self.source("prompts"), ProblemKind.NO_POLICY, "`prompts` should name a `policy`")
        named: list[tuple[YamlPath, str]] = [(("prompts", name), file) for name, file in self.manifest.prompts.items()]
        for variant, section in self.manifest.variants.items():
            named += [(("variants", variant, "prompts", name), file) for name, file in section.prompts.items()]
        for path, file in named:
            if not (self.folder / file).is_file():
                self.problems.at(
                    self.source(*path), ProblemKind.MISSING_FILE, f"there is no file {self.folder / file}", hint=CREATE
                )
