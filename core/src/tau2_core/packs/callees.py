"""The tools and functions of a pack: read from its YAML files, and bound to handlers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tau2_core.model.registrations import Toolset
from tau2_core.model.tools import CallingTool, Function, Role, Search, Source, Tool
from tau2_core.packs.binding import Binder, Bound
from tau2_core.packs.declarations import OPEN_SCHEMA, Declaration, FunctionEntry, ToolEntry, read_entries
from tau2_core.packs.locations import package_folder
from tau2_core.packs.pack_modules import handler_modules
from tau2_core.packs.problems import Problems
from tau2_core.problem_kinds import ProblemKind


def not_searched(db: Any, **_arguments: Any) -> str:  # noqa: ARG001 - a handler's first parameter
    """Placeholder for the retriever of a tool, until a setting knows the documents."""
    raise AssertionError("a setting answers this tool by its retriever")


class Callees:
    """The tools and functions that tasks may call on each side, as far as they could be read.

    `unbound` are declared names without a handler, with their kinds; `unsound` are names whose handler does not match
    the declaration; `incomplete` means that some declarations could not be read, `lacking` that some entries were
    refused.
    """

    def __init__(self, pack: str, folder: Path, problems: Problems) -> None:
        self.pack = pack
        self.folder = folder
        self.problems = problems
        self.tools: dict[Role, dict[str, Tool]] = {"agent": {}, "user": {}}
        self.functions: dict[Role, dict[str, Function]] = {"agent": {}, "user": {}}
        self.unbound: dict[str, str] = {}
        self.unsound: set[str] = set()
        self.incomplete = False
        self.lacking = False

    def read_tools(self, role: Role, file: Path, binder: Binder, named_by: Source, *, quick: bool) -> None:
        """Read a side's tools from a file. `quick`: the pack promises that they are quick."""
        tools = self.tools[role]
        for declaration in self._declarations(file, ToolEntry, named_by):
            entry, source = declaration.entry, Source(file, declaration.document.line((declaration.name,)))
            retriever = entry.retriever if isinstance(entry, ToolEntry) else None
            bound = binder.bind(declaration) if retriever is None else Bound(not_searched, wants_context=False)
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
                self.pack,
                aliases=entry.aliases(),
                kind=entry.kind,
                mutates=entry.kind == "write" if entry.mutates is None else entry.mutates,
                logs=entry.logs,
                hidden=entry.hidden,
                search=None if retriever is None else Search(retriever, entry.options),
                transfers=entry.transfers,
                quick=quick,
                calls_hidden=_calling_tool(declaration.name, entry),
            )
        self._only_one(
            "transfers",
            ProblemKind.TRANSFERS,
            [tool for tool in tools.values() if tool.transfers],
            "leave it to the tool that hands the customer over",
        )
        self._only_one(
            "calls_hidden",
            ProblemKind.SAME_NAME,
            [tool for tool in tools.values() if tool.calls_hidden],
            "leave it to one tool of this side",
        )

    def _only_one(self, what: str, kind: ProblemKind, tools: Sequence[Tool], hint: str) -> None:
        if len(tools) > 1:
            problem = f"there is a second tool with `{what}`, after {tools[0].name!r}"
            self.problems.at(tools[1].source, kind, problem, hint=hint)
            self.unsound.update(tool.name for tool in tools)

    def note_shared_names(self) -> None:
        """Note names that both sides have: they would be ambiguous in solo play and in replays."""
        for name, tool in self.tools["user"].items():
            if name in self.tools["agent"]:
                what = f"tool {name!r} exists on the agent's side already: {self.tools['agent'][name].source}"
                self.problems.at(tool.source, ProblemKind.SAME_NAME, what, hint="rename one of them")

    def read_functions(self, file: Path, binder: Binder, named_by: Source) -> None:
        """Read the functions of both sides from a file, after the tools."""
        for declaration in self._declarations(file, FunctionEntry, named_by):
            entry, source = declaration.entry, Source(file, declaration.document.line((declaration.name,)))
            if not isinstance(entry, FunctionEntry):
                continue
            bound = binder.bind(declaration)
            if declaration.name in self.tools[entry.role]:
                tool = self.tools[entry.role][declaration.name]
                what = f"function {declaration.name!r} has the name of a tool: {tool.source}"
                self.problems.at(source, ProblemKind.SAME_NAME, what, hint="tasks may name the tool itself")
                continue
            if bound is not None:
                self.functions[entry.role][declaration.name] = Function(
                    declaration.name,
                    entry.role,
                    entry.description,
                    self._schema(declaration, bound),
                    bound.handler,
                    bound.wants_context,
                    source,
                    self.pack,
                    aliases=entry.aliases(),
                    kind=entry.kind,
                )

    def read_toolset(self, toolset: Toolset) -> None:
        """Add the tools of a toolset, which another package provides."""
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
        file = folder / toolset.file
        self.read_tools(toolset.role, file, binder, Source(file), quick=False)

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
        declarations = read_entries(document, model, self.problems) if document else []
        self.lacking |= document is not None and len(declarations) < len(document.value or ())
        return declarations

    def _schema(self, declaration: Declaration, bound: Bound) -> Mapping[str, Any]:
        self.unbound.pop(declaration.name, None)
        if declaration.sound and bound.sound:
            return declaration.entry.schema_object()
        self.unsound.add(declaration.name)
        return OPEN_SCHEMA


def _calling_tool(name: str, entry: ToolEntry) -> CallingTool | None:
    takes = entry.calls_hidden
    if takes is None:
        return None
    as_text = entry.parameters[takes.arguments]["type"] == "string"
    return CallingTool(name, takes.name, takes.arguments, as_text)
