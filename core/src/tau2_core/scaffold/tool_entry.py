"""A tool's YAML entry from its handler: the signature gives the parameters, the docstring the descriptions."""

from __future__ import annotations

import dis
import inspect
import types
from collections.abc import Mapping
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import Path
from types import ModuleType
from typing import Any, Union, get_args, get_origin, get_type_hints

from docstring_parser import parse
from pydantic import TypeAdapter

from tau2_core.errors import PackError, UsageError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.registrations import Domain
from tau2_core.model.tools import Handler, Kind, Role
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.context import Context
from tau2_core.packs.load import load_pack
from tau2_core.packs.pack import Pack
from tau2_core.packs.pack_modules import handler_modules, locate
from tau2_core.packs.problems import Problems
from tau2_core.packs.schema_references import References
from tau2_core.packs.yaml_source import read_yaml
from tau2_core.packs.yaml_writer import yaml_text

_WRITING = {"STORE_ATTR", "DELETE_ATTR", "STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE"}
_CHANGING = {"append", "extend", "insert", "remove", "pop", "clear", "update", "add", "discard", "setdefault", "sort"}


@dataclass(frozen=True)
class WrittenEntry:
    """A written entry: its place and kind. `lacking` are the parameters that the docstring does not describe."""

    name: str
    file: Path
    line: int
    kind: Kind
    lacking: tuple[str, ...]


def write_tool_entry(domain: Domain, target: str, kind: Kind | None = None) -> WrittenEntry:
    """Add the entry of a handler, `module:function`, to the file of its side's tools.

    Unless it is given, the kind is guessed from the code: `write` if the code assigns to parts of its arguments.
    Raises UsageError if the handler or its docstring is missing, or if a tool of that name exists.
    """
    problems = Problems(domain.name)
    pack = load_pack(domain, problems)
    if pack is None:
        raise PackError(problems.found)
    module, _, name = target.removeprefix("handlers.").partition(":")
    handler = _handler(handler_modules(*locate(domain)), module, name)
    known = pack.unbound.keys() | {
        each for side in (pack.tools, pack.functions) for each in {**side["agent"], **side["user"]}
    }
    if name in known:
        raise UsageError(f"{domain.name}: {name!r} is already declared; `tau2-gym describe` shows it")
    with foreign():
        hints = get_type_hints(handler)
    file = pack.folder / _tools_file(pack, hints.get("db"))
    documented = parse(inspect.getdoc(handler) or "")
    description = "\n".join(text for text in (documented.short_description, documented.long_description) if text)
    if not description:
        raise UsageError(
            f"{target} has no docstring: write one; its first lines become the description that models read"
        )
    about = {each.arg_name: " ".join((each.description or "").split()) for each in documented.params}
    parameters = _parameters(handler, hints, about)
    entry: dict[str, Any] = {
        "description": description,
        "kind": kind or _kind(handler),
        "handler": f"{module}:{name}",
        **({"parameters": parameters} if parameters else {}),
    }
    line = _append(file, yaml_text({name: entry}))
    lacking = tuple(each for each, schema in parameters.items() if "description" not in schema)
    return WrittenEntry(name, file, line, entry["kind"], lacking)


def _handler(modules: Mapping[str, ModuleType | Exception], module: str, name: str) -> Handler:
    found = modules.get(module)
    if isinstance(found, Exception):
        raise UsageError(f"handlers/{module}.py cannot be imported: {describe_error(found)}")
    if found is None or not name:
        hint = did_you_mean(module, modules)
        raise UsageError(f"there is no handlers/{module}.py ({hint}); name it as module:function")
    functions = {each: function for each, function in vars(found).items() if inspect.isfunction(function)}
    if name not in functions or name.startswith("_"):
        public = [each for each in functions if not each.startswith("_")]
        raise UsageError(f"handlers/{module}.py has no public function {name!r} ({did_you_mean(name, public)})")
    return functions[name]


def _tools_file(pack: Pack, database: Any) -> str:
    role: Role = "user" if database is not None and database is pack.models.get("user") else "agent"
    files = pack.manifest.tools.of(role)
    if not files:
        raise UsageError(f"{pack.name}: the manifest names no tools for the customer: add `user` under `tools`")
    return files[0]


def _parameters(handler: Handler, hints: Mapping[str, Any], about: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for parameter in list(inspect.signature(handler).parameters.values())[1:]:
        hint = hints.get(parameter.name, Any)
        if hint is Context:
            continue
        optional = parameter.default is not inspect.Parameter.empty
        schema = _schema(_without_none(hint) if optional else hint, parameter.name)
        if about.get(parameter.name):
            schema["description"] = about[parameter.name]
        name = parameter.name
        if iskeyword(name.removesuffix("_")):  # `from_` is the argument for a parameter `from`
            name = name.removesuffix("_")
            schema["alias"] = parameter.name
        found[name] = {**schema, **({"optional": True} if optional else {})}
    return found


def _schema(hint: Any, name: str) -> dict[str, Any]:
    try:
        made = TypeAdapter(hint).json_schema()
    except Exception as error:
        raise UsageError(
            f"parameter {name!r}: there is no JSON schema for its type: {describe_error(error)}"
        ) from error
    schema: dict[str, Any] = _untitled(References(made).written_out(made))
    return schema


def _untitled(schema: Any) -> Any:
    """Remove the titles that pydantic generates."""
    if isinstance(schema, list):
        return [_untitled(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _untitled(each) for name, each in value.items()} if key == "properties" else _untitled(value)
        for key, value in schema.items()
        if key != "title"
    }


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        kept = [each for each in get_args(hint) if each is not type(None)]
        return Union[tuple(kept)] if kept else hint  # noqa: UP007 - of a list
    return hint


def _kind(handler: Handler) -> Kind:
    for instruction in dis.get_instructions(handler):
        changes = instruction.opname in ("LOAD_METHOD", "LOAD_ATTR") and instruction.argval in _CHANGING
        if instruction.opname in _WRITING or changes:
            return "write"
    return "read"


def _append(file: Path, text: str) -> int:
    """Add an entry at the end of a file of entries, and return its line."""
    before = file.read_text(encoding="utf-8-sig")
    if not read_yaml(file).value:  # `{}` stands for no entries
        before = "\n".join(line for line in before.splitlines() if line.startswith("#"))
    before = f"{before.rstrip()}\n\n" if before.strip() else ""
    file.write_text(before + text, encoding="utf-8")
    return before.count("\n") + 1
