"""Binding YAML entries to handlers. The function must exist and match in names, optionality and types."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from tau2_core.foreign_code import describe_error
from tau2_core.model.tools import Handler, Source
from tau2_core.name_suggestions import close_name
from tau2_core.packs.context import Context
from tau2_core.packs.declarations import Declaration
from tau2_core.packs.problems import Problems
from tau2_core.problem_kinds import ProblemKind

_JSON_TYPES: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
    list: "array",
    tuple: "array",
    dict: "object",
}


NOT_PLAIN = "a handler should be a plain function, neither `async def` nor with `yield`"


@dataclass(frozen=True)
class Bound:
    """An entry's handler; `sound` if both match."""

    handler: Handler
    wants_context: bool
    sound: bool = True


class Binder:
    """Binds the entries of one pack, and reports public functions that no entry names."""

    def __init__(self, folder: Path, modules: Mapping[str, ModuleType | Exception], problems: Problems) -> None:
        self.folder = folder
        self.modules = modules
        self.problems = problems
        self.used: set[tuple[str, str]] = set()
        for name, module in modules.items():
            if isinstance(module, Exception):
                file, line = failure_place(module, folder / "handlers" / f"{name}.py", folder)
                problems.add(
                    file, ProblemKind.HANDLER_IMPORT, f"cannot be imported: {describe_error(module)}", line=line
                )

    def bind(self, declaration: Declaration) -> Bound | None:
        """Return the handler of an entry and note where they do not match; None, also noted, if there is no handler."""
        document, name = declaration.document, declaration.name
        source = Source(document.file, document.line((name, "handler")))
        module_name, _, function_name = (declaration.entry.handler or "").partition(":")
        module = self.modules.get(module_name)
        if isinstance(module, Exception):
            return None
        self.used.add((module_name, function_name))
        handler = getattr(module, function_name, None) if module else None
        if module is None:
            close = close_name(module_name, self.modules)
            self.used.add((close, function_name))
            self._missing(source, f"{name}: there is no handlers/{module_name}.py", module_name, close)
            return None
        if not inspect.isfunction(handler):
            # A misspelt name most likely refers to a function that is not named by any entry yet.
            functions = self._functions(module_name)
            free = [each for each in functions if (module_name, each) not in self.used]
            close = close_name(function_name, free) or close_name(function_name, functions)
            self.used.add((module_name, close))
            self._missing(
                source, f"{name}: handlers/{module_name}.py has no function {function_name!r}", function_name, close
            )
            return None
        if not is_plain(handler):
            code = Source(Path(inspect.getsourcefile(handler) or ""), handler.__code__.co_firstlineno)
            self.problems.at(
                code, ProblemKind.HANDLER_FORM, f"{name}: {NOT_PLAIN}", hint="write `def`, and return a value"
            )
            return None
        return self._compare(declaration, handler)

    def _compare(self, declaration: Declaration, handler: Handler) -> Bound:
        before = len(self.problems.found)
        code = Source(Path(inspect.getsourcefile(handler) or ""), handler.__code__.co_firstlineno)
        name = declaration.name
        hints = self.problems.guard(
            code, ProblemKind.HANDLER_FORM, f"{name}: annotations do not resolve", lambda: get_type_hints(handler)
        )
        if hints is None:
            return Bound(handler, wants_context=False, sound=False)
        parameters = list(inspect.signature(handler).parameters.values())
        if not parameters or parameters[0].name != "db":
            self.problems.at(code, ProblemKind.HANDLER_FORM, f"{name}: the first parameter should be `db`")
            return Bound(handler, wants_context=False, sound=False)
        context = [parameter for parameter in parameters[1:] if hints.get(parameter.name) is Context]
        own = {parameter.name: parameter for parameter in parameters[1:] if parameter not in context}
        for parameter in context:
            if parameter.name != "context":
                self.problems.at(
                    code,
                    ProblemKind.HANDLER_FORM,
                    f"{name}: the parameter for the Context should be `context`, not {parameter.name!r}",
                )
        if not declaration.sound:
            return Bound(handler, bool(context), sound=False)
        aliases = declaration.entry.aliases()
        written = {aliases.get(each, each): each for each in declaration.entry.parameters}
        schemas = {each: declaration.entry.parameters[key] for each, key in written.items()}
        swapped = _renamed([each for each in schemas if each not in own], [each for each in own if each not in schemas])
        for missing in [each for each in schemas if each not in own]:
            line = declaration.document.line((name, "parameters", written[missing]))
            meant = f"did you mean {swapped[missing]!r}? " if missing in swapped else ""
            self.problems.add(
                declaration.document.file,
                ProblemKind.PARAMETER_NAME,
                f"{name}: the handler has no parameter {missing!r}",
                line=line,
                hint=f"{meant}{_no_python_name(missing)}{code} has {', '.join(own) or 'none'}",
            )
        for parameter in own.values():
            schema = schemas.get(parameter.name)
            if schema is None:
                if parameter.name not in swapped.values():
                    what = f"{name}: parameter {parameter.name!r} is not in the YAML"
                    meant = (
                        "annotate it: `context: Context`"
                        if parameter.name == "context"
                        else "add it there, or remove it"
                    )
                    self.problems.at(code, ProblemKind.PARAMETER_NAME, what, hint=meant)
                continue
            optional = bool(schema.get("optional", False))
            where = Source(
                declaration.document.file, declaration.document.line((name, "parameters", written[parameter.name]))
            )
            if optional and parameter.default is inspect.Parameter.empty:
                self.problems.at(
                    where,
                    ProblemKind.OPTIONAL,
                    f"{name}.{parameter.name} is optional here, but {code} gives it no default",
                )
            if not optional and parameter.default is not inspect.Parameter.empty:
                self.problems.at(
                    where,
                    ProblemKind.OPTIONAL,
                    f"{name}.{parameter.name} is required here, but {code} gives it a default",
                )
            mismatch = type_mismatch(hints.get(parameter.name, Any), schema, nullable=optional)
            if mismatch:
                self.problems.at(
                    where, ProblemKind.PARAMETER_TYPE, f"{name}.{parameter.name}: {mismatch}", hint=f"handler: {code}"
                )
        return Bound(handler, wants_context=bool(context), sound=len(self.problems.found) == before)

    def _missing(self, source: Source, what: str, name: str, close: str) -> None:
        hint = f"did you mean {close!r}?" if close else "write the handler, or correct `handler:`"
        self.problems.at(source, ProblemKind.NO_HANDLER, what, hint=hint, replace=(name, close))

    def _functions(self, module_name: str) -> list[str]:
        """Return the public functions that are defined in a module."""
        module = self.modules[module_name]
        if isinstance(module, Exception):
            return []
        return [
            name
            for name, function in inspect.getmembers(module, inspect.isfunction)
            if function.__module__ == module.__name__ and not name.startswith("_")
        ]

    def unbound(self) -> None:
        """Note every public function in `handlers/` that no entry names."""
        for module_name, module in self.modules.items():
            if isinstance(module, Exception):
                continue
            for name in self._functions(module_name):
                if (module_name, name) not in self.used:
                    self.problems.add(
                        self.folder / "handlers" / f"{module_name}.py",
                        ProblemKind.UNBOUND_HANDLER,
                        f"function {name!r} is bound by no YAML entry",
                        line=getattr(module, name).__code__.co_firstlineno,
                        hint="declare it in tools or functions, or name it with a leading underscore",
                    )


def _no_python_name(name: str) -> str:
    return "" if name.isidentifier() and not iskeyword(name) else "give it an `alias` that is a Python name; "


def _renamed(declared: list[str], own: list[str]) -> dict[str, str]:
    """Return, for each unknown parameter in the YAML, the handler's parameter that is likely meant."""
    if len(declared) == len(own) == 1:
        return {declared[0]: own[0]}
    pairs = {name: close_name(name, own) for name in declared}
    return {name: close for name, close in pairs.items() if close}


def is_plain(function: Callable[..., object]) -> bool:
    """Tell whether a function is plain: neither `async def` nor a generator, since calling those runs nothing yet."""
    odd = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return not any(is_odd(function) for is_odd in odd)


def failure_place(error: BaseException, default: Path, folder: Path | None = None) -> tuple[Path, int | None]:
    """Return where an exception was raised: the innermost frame in a folder, else in `default`, or the syntax error."""
    if isinstance(error, SyntaxError) and error.filename:
        return Path(error.filename), error.lineno
    place: tuple[Path, int | None] = (default, None)
    trace = error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.is_file() and (folder or default.parent) in file.parents:
            place = (file, trace.tb_lineno)
        trace = trace.tb_next
    return place


def type_mismatch(hint: Any, schema: Mapping[str, Any], *, nullable: bool) -> str:
    """Return how an annotation differs from a JSON schema; "" if they match or either is open (Any, no type).

    `nullable`: the annotation may allow None although the schema does not, as the default of an optional parameter.
    """
    wanted = schema_types(schema)
    given = annotation_types(hint)
    if wanted is None or given is None:
        return ""
    if nullable and "null" not in wanted:
        given = given - {"null"}
    if wanted != given:
        return f"YAML says {_words(wanted)}, the handler {_words(given)}"
    values = _literals(hint)
    if values is not None and "enum" in schema and set(values) != set(schema["enum"]):
        return f"YAML allows {schema['enum']}, the handler {list(values)}"
    return ""


def schema_types(schema: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the JSON types that a schema allows, None if it does not restrict them."""
    if "type" in schema:
        declared = schema["type"]
        return frozenset([declared] if isinstance(declared, str) else declared)
    if "enum" in schema:
        return frozenset(_JSON_TYPES.get(type(value), "object") for value in schema["enum"])
    options = [schema_types(option) for option in schema.get("anyOf", [])]
    if not options or None in options:
        return None
    return frozenset().union(*(option for option in options if option is not None))


def annotation_types(hint: Any) -> frozenset[str] | None:
    """Return the JSON types of a Python annotation, None if it is open (Any, object)."""
    if hint in (Any, object):
        return None
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        options = [annotation_types(option) for option in get_args(hint)]
        return None if None in options else frozenset().union(*(option for option in options if option is not None))
    if origin is Literal:
        return frozenset(_JSON_TYPES[type(value)] for value in get_args(hint))
    kind = origin or hint
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return frozenset(["object"])
    for python_type, name in _JSON_TYPES.items():
        if kind is python_type:
            return frozenset([name])
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return frozenset(["object"])
    if isinstance(kind, type) and issubclass(kind, str):
        return frozenset(["string"])
    return frozenset(["array"]) if getattr(kind, "__module__", "") == "collections.abc" else None


def _literals(hint: Any) -> tuple[Any, ...] | None:
    if get_origin(hint) is Literal:
        return get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        found = [_literals(option) for option in get_args(hint) if option is not type(None)]
        return found[0] if len(found) == 1 else None
    return None


def _words(names: frozenset[str]) -> str:
    return " or ".join(sorted(names))
