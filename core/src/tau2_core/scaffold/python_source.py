"""The Python code of an imported pack: records, and stubs of handlers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

from tau2_core.scaffold.imported_tools import Imported, ImportedTool, python_name
from tau2_core.scaffold.pack_name import PackName
from tau2_core.scaffold.python_types import annotation
from tau2_core.state.records import Record

WIDTH = 120
LONGEST_DOCSTRING = 100
_TAKEN = ("db", "context")  # parameters that every handler may have


@dataclass(frozen=True)
class GuessedTable:
    """A table of the database: its field, and the class of its records."""

    name: str
    record: str


def python_parameters(tool: ImportedTool) -> dict[str, str]:
    """Return the handler's name for each parameter: the same, if it is an unused Python name."""
    names: dict[str, str] = {}
    for name in tool.parameters:
        usable = name.isidentifier() and not iskeyword(name) and name not in _TAKEN
        base = own = name if usable else python_name(name)
        if own in _TAKEN:
            base = own = f"{own}_"
        number = 1
        while own in names.values() or (own != name and own in tool.parameters):
            number += 1
            own = f"{base}_{number}"
        names[name] = own
    return names


def handlers_source(
    pack: PackName, group: str, tools: Sequence[ImportedTool], imported: Imported
) -> tuple[str, dict[str, str]]:
    """Return a module of handlers, and the function's name for each tool."""
    functions: dict[str, str] = {}
    code: list[str] = []
    for tool in tools:
        base = own = python_name(tool.name, "call")
        number = 1
        while own in functions.values():
            number += 1
            own = f"{base}_{number}"
        functions[tool.name] = own
        code.append(_function(pack, tool, own))
    text = "\n\n\n".join(code)
    return (
        f'"""The tools of {group!r}, still to be written."""\n\n{_imports(pack, text, imported)}\n\n\n{text}\n',
        functions,
    )


def _function(pack: PackName, tool: ImportedTool, name: str) -> str:
    names = python_parameters(tool)
    schemas = sorted(tool.parameters.items(), key=lambda item: bool(item[1].get("optional", False)))
    parameters = [f"db: {pack.camel}DB"]
    for parameter, schema in schemas:
        optional = bool(schema.get("optional", False))
        hint = annotation(schema, optional=optional)
        parameters.append(f"{names[parameter]}: {hint}" + (" = None" if optional else ""))
    head = f"def {name}({', '.join(parameters)}) -> {tool.returns or 'Any'}:"
    if len(head) > WIDTH:
        lines = "".join(f"    {each},\n" for each in parameters)
        head = f"def {name}(\n{lines}) -> {tool.returns or 'Any'}:"
    return f'{head}\n    {_docstring(tool.description)}\n    raise NotImplementedError("{name} is not written yet")'


def _imports(pack: PackName, code: str, imported: Imported) -> str:
    typing = [name for name in ("Any", "Literal") if re.search(rf"\b{name}\b", code)]
    models = [name for name in imported.records if re.search(rf"(-> |\[){name}\b", code)]
    lines = [f"from typing import {', '.join(typing)}\n"] if typing else []
    names = sorted([f"{pack.camel}DB", *models])
    line = f"from {pack.package}.models import {', '.join(names)}"
    if len(line) > WIDTH:
        line = f"from {pack.package}.models import (\n" + "".join(f"    {name},\n" for name in names) + ")"
    return "\n".join([*lines, line])


def models_source(pack: PackName, imported: Imported) -> tuple[str, list[GuessedTable]]:
    """Return the module of records, and guessed tables for those with an id."""
    classes: list[str] = []
    tables: list[GuessedTable] = []
    for name, schema in imported.records.items():
        fields, has_id = _fields(name, schema, imported)
        about = schema.get("description") or f"From {imported.source}."
        classes.append(
            "\n".join([f"class {name}(Record):", f"    {_docstring(about)}", *(["", *fields] if fields else [])])
        )
        if has_id:
            table = GuessedTable(f"{python_name(name)}_table", name)
            tables.append(table)
            imported.guess("a table for each record with an id", f"{table.name} of {name}")
    about = '    """The database. Each dict is a table of records by id."""'
    fields = [f"    {table.name}: dict[str, {table.record}]" for table in tables]
    database = "\n".join([f"class {pack.camel}DB(Database):", about, *(["", *fields] if fields else [])])
    code = "\n\n\n".join([*classes, database])
    typing = [name for name in ("Any", "Literal") if re.search(rf"\b{name}\b", code)]
    lines = [f"from typing import {', '.join(typing)}\n"] if typing else []
    lines.append("from tau2_core import Database, Record" if classes else "from tau2_core import Database")
    head = "\n".join(lines)
    return f'"""The records, from {_plain(imported.source)}."""\n\n{head}\n\n\n{code}\n', tables


def _fields(record: str, schema: Mapping[str, Any], imported: Imported) -> tuple[list[str], bool]:
    lines: list[str] = []
    own = python_name(record)
    ids = {"id", f"{own}_id", f"{record[:1].lower()}{record[1:]}Id", f"{own}Id"}
    has_id = False
    for name, each in schema["properties"].items():
        if not name.isidentifier() or iskeyword(name) or name.startswith("_") or hasattr(Record, name):
            imported.leave_out("fields of records whose names are invalid in Python", f"{record}.{name}")
            continue
        optional = name not in schema["required"]
        has_id = has_id or name in ids
        hint = annotation(each if isinstance(each, Mapping) else {}, optional=optional)
        lines.append(f"    {name}: {hint}" + (" = None" if optional else ""))
    return lines, has_id


def _docstring(text: str) -> str:
    return f'"""{_plain(text)}"""'


def _plain(text: str) -> str:
    """Return the beginning of a text, for a docstring of one line."""
    words = " ".join(str(text).split())
    cut = words if len(words) <= LONGEST_DOCSTRING else f"{words[:LONGEST_DOCSTRING].rsplit(' ', 1)[0]} …"
    return "".join(_letters(cut)) or "-"


def _letters(text: str) -> Iterable[str]:
    for letter in text:
        yield f"\\{letter}" if letter in '\\"' else letter if letter.isprintable() else "?"
