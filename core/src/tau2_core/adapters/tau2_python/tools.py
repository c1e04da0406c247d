"""The tools of a domain written for tau2-bench, and the functions of its toolkits that tasks name."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from tau2_core.errors import UsageError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.tasks import Task
from tau2_core.model.tools import FunctionKind, Kind, Role, role_of
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.provider_names import TOOL_RULE, is_provider_name
from tau2_core.packs.schema_references import References
from tau2_core.packs.schemas import schema_problems

TRANSFER = "transfer_to_human_agents"  # the name that tau2-bench gives the tool in every domain
_WORDS: Mapping[Role, str] = {"agent": "tools", "user": "user_tools"}


@dataclass(frozen=True)
class Default:
    """The default of an optional parameter: Python code, or None if it cannot be written as code."""

    code: str | None


@dataclass(frozen=True)
class SourceTool:
    """A tool: JSON schemas of its parameters by name, and the defaults of the optional ones."""

    name: str
    role: Role
    description: str
    parameters: Mapping[str, Mapping[str, Any]]
    defaults: Mapping[str, Default]
    kind: Kind
    mutates: bool


@dataclass(frozen=True)
class SourceFunction:
    """A method of a toolkit that tasks name for their set-up, or as an assertion."""

    name: str
    role: Role
    kind: FunctionKind
    parameters: Sequence[str]
    defaults: Mapping[str, Default] = field(default_factory=dict)


def read_tools(target: str, toolkit: Any, role: Role) -> list[SourceTool]:
    """Return the tools of a toolkit in their order. Raises UsageError for one without a usable schema."""
    where = f"{target}: its `{_WORDS[role]}`"
    try:
        with foreign():
            listed = toolkit.get_tools()
    except Exception as error:
        raise UsageError(f"{where}: get_tools raised {describe_error(error)}; correct it") from error
    tools: Iterable[Any] = listed.values() if isinstance(listed, Mapping) else listed
    return [_tool(where, toolkit, tool, role) for tool in tools]


def _tool(where: str, toolkit: Any, tool: Any, role: Role) -> SourceTool:
    name, description, schema = _function(where, tool)
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        raise UsageError(f"{where}: the parameters of {name!r} are {schema!r:.200}; they should be a JSON schema")
    references = References(schema)
    written = {each: references.written_out(part) for each, part in properties.items()}
    for path, what in schema_problems({"type": "object", "properties": written}):
        place = ".".join(map(str, path))
        raise UsageError(f"{where}: the schema of {name!r} cannot be used: {place}: {what}; correct its annotations")
    known = _defaults(getattr(toolkit, name, None))
    optional = {each: known.get(each, Default(None)) for each in written if each not in required}
    try:
        with foreign():
            kind, mutates = _kind(toolkit, name)
    except Exception as error:
        raise UsageError(
            f"{where}: the kind of {name!r} cannot be read: {describe_error(error)}; correct it"
        ) from error
    return SourceTool(name, role, description, written, optional, kind, mutates)


def _function(where: str, tool: Any) -> tuple[str, str, Mapping[str, Any]]:
    try:
        with foreign():
            function = tool.openai_schema["function"]
            name, description, schema = function["name"], function.get("description"), function.get("parameters", {})
    except Exception as error:
        what = f"tool {getattr(tool, 'name', tool)!r:.80} has no usable `openai_schema`: {describe_error(error)}"
        raise UsageError(f"{where}: {what}; mark it with `is_tool`, and annotate its parameters") from error
    if not isinstance(name, str) or not is_provider_name(name):
        raise UsageError(f"{where}: {name!r} cannot be the name of a tool; use {TOOL_RULE}")
    if not isinstance(schema, Mapping):
        raise UsageError(f"{where}: the parameters of {name!r} are {schema!r:.200}; they should be a JSON schema")
    return name, str(description or name), schema


def _kind(toolkit: Any, name: str) -> tuple[Kind, bool]:
    """Return the kind that a toolkit gives a tool; a tool without a kind counts as one that changes the database."""
    told = toolkit.tool_type(name) if callable(getattr(toolkit, "tool_type", None)) else "write"
    value = getattr(told, "value", told)
    kind: Kind = cast("Kind", value) if value in get_args(Kind) else "generic"
    if callable(getattr(toolkit, "tool_mutates_state", None)):
        mutates = bool(toolkit.tool_mutates_state(name))
    else:
        mutates = kind == "write" or value not in get_args(Kind)
    return ("generic" if kind == "write" and not mutates else kind), mutates


def _defaults(function: Any) -> dict[str, Default]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    given = [each for each in parameters if each.default is not inspect.Parameter.empty]
    return {each.name: Default(_as_code(each.default)) for each in given}


def _as_code(value: Any) -> str | None:
    """Return code for a literal; None for any other value, such as a member of an enum."""
    code = repr(value)
    try:
        again = ast.literal_eval(code)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return code if type(again) is type(value) and again == value else None


def read_functions(
    target: str, environment: Any, tasks: Sequence[Task], tools: Mapping[Role, Sequence[SourceTool]]
) -> list[SourceFunction]:
    """Return the methods that tasks name, except tools. Raises UsageError for one that does not exist."""
    found: dict[str, SourceFunction] = {}
    for task in tasks:
        for role, name, kind in _named(task):
            if any(tool.name == name for tool in tools.get(role, ())):
                continue
            known = found.get(name)
            if known is not None and known.role != role:
                what = f"task {task.id!r} names {name!r}, which both sides have"
                raise UsageError(f"{target}: {what}; give one of the methods another name")
            if known is None or (kind == "assertion" and known.kind != kind):
                found[name] = _source_function(target, environment, task, role, name, kind)
    return list(found.values())


def _named(task: Task) -> Iterable[tuple[Role, str, FunctionKind]]:
    initial, criteria = task.initial_state, task.evaluation_criteria
    for call in (initial.initialization_actions if initial else None) or []:
        yield role_of(call.env_type), call.func_name, "setup"
    for assertion in (criteria.env_assertions if criteria else None) or []:
        yield role_of(assertion.env_type), assertion.func_name, "assertion"


def _source_function(
    target: str, environment: Any, task: Task, role: Role, name: str, kind: Literal["setup", "assertion"]
) -> SourceFunction:
    toolkit = getattr(environment, _WORDS[role], None)
    method = getattr(toolkit, name, None)
    if not callable(method) or not name.isidentifier():
        known = [each for each in dir(toolkit) if not each.startswith("_")] if toolkit is not None else []
        what = f"task {task.id!r} names the function {name!r}, which its `{_WORDS[role]}` lack"
        raise UsageError(f"{target}: {what} ({did_you_mean(name, known)}); correct the task, or add the method")
    try:
        parameters = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError) as error:
        raise UsageError(f"{target}: {name} of its `{_WORDS[role]}` has no signature: {error}") from error
    named = [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    return SourceFunction(name, role, kind, named, _defaults(method))
